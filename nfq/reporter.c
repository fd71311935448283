/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nfq/reporter.h"

#include "kmod-free/report/event_json.h"
#include "kmod-free/report/event_line.h"
#include "nfq/alerts.h"
#include "nfq/channel.h"
#include "nfq/event_file.h"
#include "nfq/sandbox.h"
#include "nfq/syslog_out.h"

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
/* How long it waits at the end for a syslog that is away. Less than the supervisor waits for it. */
#define LAST_WORDS_NS    (2 * NS_PER_S)
/* Messages of one channel that are handled before the other one is looked at. */
#define MESSAGES_A_ROUND 256
/* How long it may go on after the supervisor died, in seconds. */
#define ORPHAN_S         2

struct reporter {
    const struct reporter_setup *setup;
    struct alerts *alerts;
    struct reporter_settings settings;
    struct syslog_out *out;
    struct event_file file;
    uint8_t key[ALERTS_KEY_BYTES];
    struct mono complained;            /* when what was lost was told the last time */
    struct mono accounted;             /* when the supervisor was told */
    struct reporter_losses told, lost; /* since the start: told people, and in all */
    struct channel back;
    bool file_broken; /* the last write failed: told already */
};

static struct mono mono_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (struct mono){t.tv_sec * NS_PER_S + t.tv_nsec};
}

/* To syslog; with the facility of now. false: lost, and counted. */
__attribute__((format(printf, 3, 4))) static bool say(struct reporter *r, int level, const char *format, ...)
{
    char line[LINE_MAX_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    bool told = syslog_out_put(r->out, SYSLOG_OUT_WORD, r->settings.facility | level, line);
    r->lost.syslog_lines += !told;
    return told;
}

/* ---- event file ---- */

static void file_flush(struct reporter *r)
{
    bool good = event_file_flush(&r->file);
    if (!good && !r->file_broken)
        say(r, LOG_ERR,
            "event file: %s; events wait until it can be written again, and are lost when they are too many",
            strerror(r->file.error));
    r->file_broken = !good;
}

static void file_put(struct reporter *r, const struct event *ev)
{
    json_t *json = event_to_json(ev);
    char *line = json != NULL ? json_dumps(json, EVENT_JSON_FLAGS) : NULL;
    json_decref(json);
    if (line == NULL) {
        r->file.lost++;
        return;
    }
    event_file_put(&r->file, bytes_str(line));
    free(line);
}

/* ---- syslog ---- */

static bool show_alert(void *ctx, const struct event *ev, uint64_t count)
{
    const struct reporter *r = ctx;
    char line[LINE_MAX_BYTES];
    event_to_line(ev, count, line, sizeof line);
    if (!syslog_out_put(r->out, SYSLOG_OUT_ALERT, r->settings.facility | r->settings.alert_level, line))
        return false;
    if (r->setup->echo)
        fprintf(stderr, "%s\n", line);
    return true;
}

/* Also where every alert is wanted singly, not every lost one is. */
static int64_t complaint_interval(const struct reporter *r)
{
    return r->settings.interval_ns > NS_PER_S ? r->settings.interval_ns : NS_PER_S;
}

static void complain_of(struct reporter *r, int level, const char *what, const char *why, uint64_t lost, uint64_t *told)
{
    if (lost == *told || !say(r, level, "%s=%llu%s", what, (unsigned long long)(lost - *told), why))
        return;
    *told = lost;
    r->complained = mono_now();
}

static void count_losses(struct reporter *r)
{
    r->lost.alerts_gathered_out += alerts_take_overflow(r->alerts);
    r->lost.file_lines = r->file.lost;
    r->lost.syslog_waiting = syslog_out_waiting(r->out);
}

/* What couldn't be told, once an interval at most, and when all that could wait was told. */
static void complain(struct reporter *r, bool at_once)
{
    count_losses(r);
    if (!at_once &&
        (r->lost.syslog_waiting > 0 || mono_before(mono_now(), mono_add(r->complained, complaint_interval(r)))))
        return;
    /* first: the next ones may be lost, too */
    complain_of(r, LOG_ERR, "lost lines for syslog", ": it could not be reached, or was too slow",
                r->lost.syslog_lines + syslog_out_refused(r->out), &r->told.syslog_lines);
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
    struct reporter_losses lost = r->lost;
    lost.syslog_lines += syslog_out_refused(r->out);
    channel_send(&r->back, MESSAGE_LOSSES, &lost, sizeof lost);
}

/* ---- messages ---- */

static void take_event(struct reporter *r, const struct event *ev)
{
    if (r->file.fd >= 0)
        file_put(r, ev);
    if (ev->kind != EVENT_ALERT)
        return;
    offender_table_add(r->setup->offenders, &ev->client.addr, offence_of(ev->reason), ev->tag, ev->tag_name, ev->wall);
    if (r->settings.interval_ns > 0)
        alerts_take(r->alerts, ev, mono_now());
    else
        r->lost.syslog_lines += !show_alert(r, ev, 1);
}

static bool begin_gathering(struct reporter *r)
{
    r->alerts = alerts_new(SOURCES, complaint_interval(r), r->key, show_alert, r);
    return r->alerts != NULL;
}

/* What was gathered is told as it was meant; the file that is left is complete. */
static void take_settings(struct reporter *r, const struct reporter_settings *settings, int event_file)
{
    event_file_replace(&r->file, event_file);
    r->file_broken = false;
    if (settings->interval_ns == r->settings.interval_ns) {
        r->settings = *settings;
        return;
    }
    r->lost.syslog_lines += alerts_flush(r->alerts);
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
    struct mono next, limit = mono_add(now, NS_PER_S);
    if (syslog_out_waiting(r->out) > 0 && syslog_out_fd(r->out) < 0)
        limit = mono_add(now, SYSLOG_OUT_RETRY_NS);
    if (!alerts_next(r->alerts, &next) || !mono_before(next, limit))
        next = limit;
    return mono_before(now, next) ? (int)((next.ns - now.ns) / NS_PER_MS) + 1 : 0;
}

/* Until nobody is left who could send something. false: it can't go on. */
static bool run(struct reporter *r)
{
    struct pollfd fds[3] = {
        {.fd = r->setup->events, .events = POLLIN}, {.fd = r->setup->texts, .events = POLLIN}, {.events = POLLOUT}};
    while (fds[0].fd >= 0 || fds[1].fd >= 0) {
        fds[2].fd = syslog_out_fd(r->out);
        int n = poll(fds, 3, wait_ms(r, mono_now()));
        if (n < 0 && errno != EINTR)
            return false;
        if (n > 0 && fds[1].revents != 0 && !drain_texts(r))
            fds[1].fd = -1; /* poll passes it over */
        if (n > 0 && fds[0].revents != 0 && !drain_events(r))
            fds[0].fd = -1;
        alerts_tick(r->alerts, mono_now());
        file_flush(r);
        syslog_out_push(r->out, mono_now());
        complain(r, false);
        account(r);
    }
    return true;
}

/* Tells the rest; a syslog that is away may yet come back, but not for long. */
static void finish(struct reporter *r)
{
    struct mono give_up = mono_add(mono_now(), LAST_WORDS_NS);
    r->lost.syslog_lines += alerts_flush(r->alerts);
    file_flush(r);
    event_file_end(&r->file);
    complain(r, true);
    syslog_out_push(r->out, mono_now());
    while (syslog_out_waiting(r->out) > 0 && mono_before(mono_now(), give_up)) {
        struct pollfd p = {.fd = syslog_out_fd(r->out), .events = POLLOUT};
        (void)poll(&p, 1, (int)(SYSLOG_OUT_RETRY_NS / NS_PER_MS));
        syslog_out_push(r->out, mono_now());
    }
    if (syslog_out_waiting(r->out) > 0)
        fprintf(stderr, "rcptwall: syslog: %s; the last %zu lines are lost\n", syslog_out_trouble(r->out),
                syslog_out_waiting(r->out));
}

int reporter_run(const struct reporter_setup *setup)
{
    static struct reporter r;
    char ident[32];
    snprintf(ident, sizeof ident, "rcptwall[%d]", (int)setup->supervisor);
    r = (struct reporter){
        .setup = setup, .settings = setup->settings, .file = {.fd = setup->event_file}, .back = {.fd = setup->texts}};
    set_signals();
    tzset(); /* the time of day needs it, and can't read it any more behind the walls */
    randombytes_buf(r.key, sizeof r.key);
    r.out = syslog_out_new(SYSLOG_OUT_PATH, ident);
    if (r.out == NULL || !begin_gathering(&r))
        return 1;
    if (sandbox_enter(SANDBOX_REPORTER, NULL, 0) < 0) {
        say(&r, LOG_ERR, "the reporter can't build its sandbox");
        return 1;
    }
    if (!run(&r))
        return 1;
    finish(&r);
    alerts_free(r.alerts);
    syslog_out_free(r.out);
    return 0;
}
