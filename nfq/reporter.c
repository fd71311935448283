/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nfq/reporter.h"

#include "kmod-free/report/event_json.h"
#include "kmod-free/report/event_line.h"
#include "nfq/alerts.h"
#include "nfq/channel.h"
#include "nfq/sandbox.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sodium.h>
#include <stdarg.h>
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
    struct reporter_settings settings;
    int event_file;         /* -1: none */
    uint8_t key[ALERTS_KEY_BYTES];
    struct mono complained; /* when what was lost was told the last time */
    struct mono accounted;  /* when the supervisor was told */
    struct reporter_losses told, lost; /* since the start: told people, and in all */
    struct channel back;
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

/* To syslog; with the facility of now, which may not be the one of openlog. */
__attribute__((format(printf, 3, 4))) static void say(const struct reporter *r, int level, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsyslog(r->settings.facility | level, format, args);
    va_end(args);
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
    bool good = (!r->file_broken || write_all(r->event_file, "\n", 1)) &&
                write_all(r->event_file, r->buffer, r->used);
    if (!good) {
        for (size_t i = 0; i < r->used; i++)
            r->lost.file_lines += r->buffer[i] == '\n';
        if (!r->file_broken)
            say(r, LOG_ERR, "event file: %s; events are lost until it can be written again", strerror(errno));
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
        r->lost.file_lines++;
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
        r->lost.file_lines++;
    }
    free(line);
}

/* ---- syslog ---- */

static void show_alert(void *ctx, const struct event *ev, uint64_t count)
{
    const struct reporter *r = ctx;
    char line[LINE_MAX_BYTES];
    event_to_line(ev, count, line, sizeof line);
    say(r, r->settings.alert_level, "%s", line);
    if (r->setup->echo)
        fprintf(stderr, "%s\n", line);
}

/* Also where every alert is wanted singly, not every lost one is. */
static int64_t complaint_interval(const struct reporter *r)
{
    return r->settings.interval_ns > NS_PER_S ? r->settings.interval_ns : NS_PER_S;
}

static void complain_of(struct reporter *r, int level, const char *what, const char *why, uint64_t lost, uint64_t *told)
{
    if (lost == *told)
        return;
    say(r, level, "%s=%llu%s", what, (unsigned long long)(lost - *told), why);
    *told = lost;
    r->complained = mono_now();
}

/* What couldn't be told, once an interval at most. */
static void complain(struct reporter *r, bool at_once)
{
    r->lost.alerts_gathered_out += alerts_take_overflow(r->alerts);
    if (!at_once && mono_before(mono_now(), mono_add(r->complained, complaint_interval(r))))
        return;
    complain_of(r, LOG_WARNING, "lost events", ": they came faster than they could be told", r->lost.events,
                &r->told.events);
    complain_of(r, LOG_WARNING, "suppressed alerts", ": more sources at a time than are listed singly",
                r->lost.alerts_gathered_out, &r->told.alerts_gathered_out);
    complain_of(r, LOG_ERR, "malformed messages from a worker", "", r->lost.malformed, &r->told.malformed);
    complain_of(r, LOG_WARNING, "lost lines of the event file", "", r->lost.file_lines, &r->told.file_lines);
}

/* The supervisor gets the sums, for `rcptwall status`. */
static void account(struct reporter *r)
{
    struct mono now = mono_now();
    if (mono_before(now, mono_add(r->accounted, NS_PER_S)))
        return;
    r->accounted = now;
    channel_send(&r->back, MESSAGE_LOSSES, &r->lost, sizeof r->lost);
}

/* ---- messages ---- */

static void take_event(struct reporter *r, const struct event *ev)
{
    if (r->event_file >= 0)
        file_put(r, ev);
    if (ev->kind != EVENT_ALERT)
        return;
    offender_table_add(r->setup->offenders, &ev->client.addr, offence_of(ev->reason), ev->tag, ev->tag_name, ev->wall);
    if (r->settings.interval_ns > 0)
        alerts_take(r->alerts, ev, mono_now());
    else
        show_alert(r, ev, 1);
}

static bool begin_gathering(struct reporter *r)
{
    r->alerts = alerts_new(SOURCES, complaint_interval(r), r->key, show_alert, r);
    return r->alerts != NULL;
}

/* What was gathered is told as it was meant; the file that is left is complete. */
static void take_settings(struct reporter *r, const struct reporter_settings *settings, int event_file)
{
    file_flush(r);
    if (r->event_file >= 0)
        close(r->event_file);
    r->event_file = event_file;
    r->file_broken = false;
    if (settings->interval_ns == r->settings.interval_ns) {
        r->settings = *settings;
        return;
    }
    alerts_flush(r->alerts);
    complain(r, true);
    alerts_free(r->alerts);
    r->settings = *settings;
    if (!begin_gathering(r))
        _exit(1); /* the next one starts with these settings */
}

/* The next message. 1: *m is one; 0: none is there; -1: nobody is at the other end any more. */
static int next_message(struct reporter *r, int fd, struct message *m, int *passed)
{
    int n = channel_receive_fd(fd, m, passed);
    if (n == -EPIPE)
        return -1;
    if (n < 0)
        m->kind = 0; /* of no channel: counted by the caller */
    if (n == 1)
        r->lost.events += m->lost;
    return n == 0 ? 0 : 1;
}

/* false: nobody is at the other end any more. */
static bool drain_events(struct reporter *r)
{
    static struct message m;
    for (int i = 0; i < MESSAGES_A_ROUND; i++) {
        int passed, n = next_message(r, r->setup->events, &m, &passed);
        if (n <= 0)
            return n == 0;
        if (m.kind == MESSAGE_EVENT)
            take_event(r, &m.is.event);
        else
            r->lost.malformed++;
        if (passed >= 0)
            close(passed);
    }
    return true;
}

static bool drain_texts(struct reporter *r)
{
    static struct message m;
    for (int i = 0; i < MESSAGES_A_ROUND; i++) {
        int passed, n = next_message(r, r->setup->texts, &m, &passed);
        if (n <= 0)
            return n == 0;
        if (m.kind == MESSAGE_TEXT)
            say(r, m.is.text.priority, "%s", m.is.text.line);
        if (m.kind == MESSAGE_SETTINGS)
            take_settings(r, &m.is.settings, passed);
        else if (passed >= 0)
            close(passed);
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
    r = (struct reporter){
        .setup = setup, .settings = setup->settings, .event_file = setup->event_file, .back = {.fd = setup->texts}};
    set_signals();
    snprintf(ident, sizeof ident, "rcptwall[%d]", (int)setup->supervisor);
    tzset(); /* syslog(3) needs it, and can't read it any more behind the next step but one */
    openlog(ident, LOG_NDELAY, setup->settings.facility);
    randombytes_buf(r.key, sizeof r.key);
    if (!begin_gathering(&r))
        return 1;
    if (sandbox_enter(SANDBOX_REPORTER, NULL, 0) < 0) {
        syslog(LOG_ERR, "the reporter can't build its sandbox");
        return 1;
    }
    struct pollfd fds[2] = {{.fd = setup->events, .events = POLLIN}, {.fd = setup->texts, .events = POLLIN}};
    while (fds[0].fd >= 0 || fds[1].fd >= 0) {
        int n = poll(fds, 2, wait_ms(&r, mono_now()));
        if (n < 0 && errno != EINTR)
            return 1;
        if (n > 0 && fds[1].revents != 0 && !drain_texts(&r))
            fds[1].fd = -1; /* poll passes it over */
        if (n > 0 && fds[0].revents != 0 && !drain_events(&r))
            fds[0].fd = -1;
        alerts_tick(r.alerts, mono_now());
        file_flush(&r);
        complain(&r, false);
        account(&r);
    }
    alerts_flush(r.alerts);
    complain(&r, true);
    alerts_free(r.alerts);
    closelog();
    return 0;
}
