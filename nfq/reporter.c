/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nfq/reporter.h"

#include "kmod-free/report/event_json.h"
#include "kmod-free/report/event_line.h"
#include "nfq/alerts.h"
#include "nfq/channel.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#define SOURCES          1024
#define LINE_MAX_BYTES   4096
#define FILE_BUFFER      (64 * 1024)
/* Messages of one channel that are handled before the other one is looked at. */
#define MESSAGES_A_ROUND 256
/* How long it may go on after the supervisor died, in seconds. */
#define ORPHAN_S         2

struct reporter {
    const struct reporter_setup *setup;
    struct alerts *alerts;
    struct mono complained; /* when what was lost was told the last time */
    uint64_t lost, bad, file_lost;
    bool file_broken; /* the last write failed: told already; and perhaps in the middle of a line */
    char buffer[FILE_BUFFER];
    size_t used;
};

static struct mono mono_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (struct mono){t.tv_sec * NS_PER_S + t.tv_nsec};
}

/* ---- event file ---- */

static bool write_all(int fd, const char *at, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, at, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        at += n;
        len -= (size_t)n;
    }
    return true;
}

static void file_flush(struct reporter *r)
{
    if (r->used == 0)
        return;
    bool good = (!r->file_broken || write_all(r->setup->event_file, "\n", 1)) &&
                write_all(r->setup->event_file, r->buffer, r->used);
    if (!good) {
        for (size_t i = 0; i < r->used; i++)
            r->file_lost += r->buffer[i] == '\n';
        if (!r->file_broken)
            syslog(LOG_ERR, "event file: %s; events are lost until it can be written again", strerror(errno));
    }
    r->file_broken = !good;
    r->used = 0;
}

static void file_put(struct reporter *r, const struct event *ev)
{
    json_t *json = event_to_json(ev);
    char *line = json != NULL ? json_dumps(json, EVENT_JSON_FLAGS) : NULL;
    json_decref(json);
    if (line == NULL) {
        r->file_lost++;
        return;
    }
    size_t len = strlen(line);
    if (r->used + len + 1 > sizeof r->buffer)
        file_flush(r);
    if (len + 1 <= sizeof r->buffer) {
        memcpy(r->buffer + r->used, line, len);
        r->buffer[r->used + len] = '\n';
        r->used += len + 1;
    } else {
        r->file_lost++;
    }
    free(line);
}

/* ---- syslog ---- */

static void show_alert(void *ctx, const struct event *ev, uint64_t count)
{
    const struct reporter *r = ctx;
    char line[LINE_MAX_BYTES];
    event_to_line(ev, count, line, sizeof line);
    syslog(r->setup->alert_level, "%s", line);
    if (r->setup->echo)
        fprintf(stderr, "%s\n", line);
}

/* Also where every alert is wanted singly, not every lost one is. */
static int64_t complaint_interval(const struct reporter_setup *setup)
{
    return setup->interval_ns > NS_PER_S ? setup->interval_ns : NS_PER_S;
}

/* What couldn't be told, once an interval at most. */
static void complain(struct reporter *r, struct mono now, bool at_once)
{
    if (!at_once && mono_before(now, mono_add(r->complained, complaint_interval(r->setup))))
        return;
    uint64_t overflow = alerts_take_overflow(r->alerts);
    if (r->lost > 0)
        syslog(LOG_WARNING, "lost events=%llu: they came faster than they could be told", (unsigned long long)r->lost);
    if (overflow > 0)
        syslog(LOG_WARNING, "suppressed alerts=%llu: more sources at a time than are listed singly",
               (unsigned long long)overflow);
    if (r->bad > 0)
        syslog(LOG_ERR, "malformed messages from a worker: %llu", (unsigned long long)r->bad);
    if (r->file_lost > 0)
        syslog(LOG_WARNING, "lost lines=%llu of the event file", (unsigned long long)r->file_lost);
    if (r->lost > 0 || overflow > 0 || r->bad > 0 || r->file_lost > 0)
        r->complained = now;
    r->lost = r->bad = r->file_lost = 0;
}

/* ---- messages ---- */

static void take_event(struct reporter *r, const struct event *ev)
{
    if (r->setup->event_file >= 0)
        file_put(r, ev);
    if (ev->kind != EVENT_ALERT)
        return;
    if (r->setup->interval_ns > 0)
        alerts_take(r->alerts, ev, mono_now());
    else
        show_alert(r, ev, 1);
}

/* false: nobody is at the other end any more. */
static bool drain(struct reporter *r, int fd, enum message_kind wanted)
{
    static struct message m;
    for (int i = 0; i < MESSAGES_A_ROUND; i++) {
        int n = channel_receive(fd, &m);
        if (n == 0)
            return true;
        if (n == -EPIPE)
            return false;
        if (n < 0 || m.kind != (uint32_t)wanted) {
            r->bad++;
            continue;
        }
        r->lost += m.lost;
        if (wanted == MESSAGE_EVENT)
            take_event(r, &m.is.event);
        else
            syslog(m.is.text.priority, "%s", m.is.text.line);
    }
    return true;
}

/* The supervisor died: tell what is still to be told, but not for ever. */
static void orphaned(int signal_number)
{
    (void)signal_number;
    alarm(ORPHAN_S);
}

static void set_signals(void)
{
    const struct sigaction ignore = {.sa_handler = SIG_IGN}, orphan = {.sa_handler = orphaned, .sa_flags = SA_RESTART};
    sigaction(SIGINT, &ignore, NULL);
    sigaction(SIGHUP, &ignore, NULL);
    sigaction(SIGUSR1, &ignore, NULL);
    sigaction(SIGPIPE, &ignore, NULL);
    sigaction(SIGTERM, &ignore, NULL); /* systemd sends it to all: the supervisor decides when we end */
    sigaction(SIGUSR2, &orphan, NULL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    prctl(PR_SET_PDEATHSIG, SIGUSR2);
}

static int wait_ms(const struct reporter *r, struct mono now)
{
    struct mono next;
    if (!alerts_next(r->alerts, &next) || !mono_before(next, mono_add(now, NS_PER_S)))
        return 1000;
    return mono_before(now, next) ? (int)((next.ns - now.ns) / NS_PER_MS) + 1 : 0;
}

int reporter_run(const struct reporter_setup *setup)
{
    static struct reporter r;
    char ident[32];
    uint8_t key[ALERTS_KEY_BYTES];
    r = (struct reporter){.setup = setup};
    set_signals();
    snprintf(ident, sizeof ident, "rcptwall[%d]", (int)setup->supervisor);
    openlog(ident, LOG_NDELAY, setup->facility);
    randombytes_buf(key, sizeof key);
    r.alerts = alerts_new(SOURCES, complaint_interval(setup), key, show_alert, &r);
    if (r.alerts == NULL)
        return 1;
    struct pollfd fds[2] = {{.fd = setup->events, .events = POLLIN}, {.fd = setup->texts, .events = POLLIN}};
    while (fds[0].fd >= 0 || fds[1].fd >= 0) {
        int n = poll(fds, 2, wait_ms(&r, mono_now()));
        if (n < 0 && errno != EINTR)
            return 1;
        if (n > 0 && fds[1].revents != 0 && !drain(&r, setup->texts, MESSAGE_TEXT))
            fds[1].fd = -1; /* poll passes it over */
        if (n > 0 && fds[0].revents != 0 && !drain(&r, setup->events, MESSAGE_EVENT))
            fds[0].fd = -1;
        alerts_tick(r.alerts, mono_now());
        file_flush(&r);
        complain(&r, mono_now(), false);
    }
    alerts_flush(r.alerts);
    complain(&r, mono_now(), true);
    alerts_free(r.alerts);
    closelog();
    return 0;
}
