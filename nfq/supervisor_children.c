/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The supervisor's children: how they start, what they say, how they end. */
#include "nfq/supervisor_internal.h"

#include "nfq/closer.h"
#include "nfq/counters.h"
#include "nfq/reporter.h"
#include "nfq/status_server.h"
#include "nfq/worker.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

#define RECEIVE_TIMEOUT_MS 200
/* A worker that died younger than this waits before its successor starts. */
#define INFANT_NS          (2 * NS_PER_S)
#define PAUSE_NS           NS_PER_S
#define MESSAGES_A_ROUND   256
#define COUNTERS_LINE      4096

/* In a new child: what is the supervisor's own must not be held open here. */
void supervisor_forget(struct supervisor *s)
{
    supervisor_close(&s->signals);
    supervisor_close(&s->listing);
    supervisor_close(&s->texts[1]);
    supervisor_close(&s->facts[1]);
    for (size_t i = 0; i < s->count; i++)
        supervisor_close(&s->slots[i].control);
}

/* ---- reporter and status server ---- */

bool supervisor_start_reporter(struct supervisor *s)
{
    const struct config *c = s->config;
    fflush(NULL);
    s->reporter.started = supervisor_now();
    s->reporter.pid = fork();
    if (s->reporter.pid != 0)
        return s->reporter.pid > 0;
    supervisor_forget(s);
    supervisor_dnsbl_forget(s);
    supervisor_close(&s->events[1]); /* or it would wait for itself to end */
    supervisor_close(&s->facts[0]);
    if (s->setup->control >= 0)
        close(s->setup->control);
    if (privileges_keep(0, &(struct identity){0}) < 0)
        _exit(1);
    _exit(reporter_run(&(struct reporter_setup){
        .events = s->events[0],
        .texts = s->texts[0],
        .event_file = s->event_file,
        .offenders = s->offenders,
        .settings = {.facility = c->syslog_facility, .alert_level = c->syslog_level, .interval_ns = c->alert_interval_ns},
        .supervisor = s->self,
        .echo = isatty(STDERR_FILENO) != 0,
    }));
}

bool supervisor_start_teller(struct supervisor *s)
{
    if (s->setup->control < 0)
        return true;
    fflush(NULL);
    s->teller.started = supervisor_now();
    s->teller.pid = fork();
    if (s->teller.pid != 0)
        return s->teller.pid > 0;
    int zones = s->zones[0];
    s->zones[0] = -1;
    supervisor_forget(s);
    supervisor_dnsbl_forget(s);
    supervisor_close(&s->events[0]);
    supervisor_close(&s->events[1]);
    supervisor_close(&s->texts[0]);
    supervisor_close(&s->event_file);
    if (privileges_keep(0, &(struct identity){0}) < 0)
        _exit(1);
    _exit(status_server_run(s->setup->control, s->facts[0], zones, s->offenders));
}

/* ---- workers ---- */

static _Noreturn void become_worker(struct supervisor *s, struct slot *slot, struct queue *queue, int control)
{
    struct worker_setup setup = {
        .config = s->config,
        .queue = *queue,
        .enforce = s->config->policy->enforce,
        .events = s->events[1],
        .control = control,
        /* below 2^53, so that JavaScript keeps it exact */
        .first_flow_id = s->first_flow_id + ((uint64_t)(slot - s->slots) << 46) + ((uint64_t)slot->generation << 36),
        .supervisor = s->self,
        .asks = s->asks[1],
        .answers = slot->answers[0],
        .number = (uint32_t)(slot - s->slots),
    };
    supervisor_forget(s);
    offender_table_forget(s->offenders);
    supervisor_close(&s->asks[0]);
    supervisor_close(&s->zones[0]);
    supervisor_close(&s->zones[1]);
    for (size_t i = 0; i < s->count; i++) {
        supervisor_close(&s->slots[i].answers[1]);
        if (&s->slots[i] != slot)
            supervisor_close(&s->slots[i].answers[0]);
    }
    supervisor_close(&s->events[0]);
    supervisor_close(&s->texts[0]);
    supervisor_close(&s->facts[0]);
    supervisor_close(&s->event_file);
    if (s->setup->control >= 0)
        close(s->setup->control);
    _exit(worker_run(&setup));
}

int supervisor_start_worker(struct supervisor *s, struct slot *slot, char *error, size_t room)
{
    const struct queue_config qc = {
        .number = slot->queue,
        .maxlen = s->config->queue_maxlen,
        .buffer = s->setup->buffer,
        .fail_open = s->config->on_failure == FAIL_OPEN,
        .early_verdict = s->config->policy->enforce ? NF_DROP : NF_ACCEPT,
        .poll_ms = RECEIVE_TIMEOUT_MS,
        .listing = s->listing,
    };
    struct queue queue;
    int ends[2], r = queue_open(&queue, &qc, error, room);
    if (r < 0)
        return r;
    if ((r = channel_pair(ends)) < 0) {
        snprintf(error, room, "queue %u: no socket pair: %s", slot->queue, strerror(-r));
        queue_close(&queue);
        return r;
    }
    slot->control = ends[0];
    slot->ready = slot->last_told = slot->loss_told = slot->reported = false;
    slot->started = slot->heard = supervisor_now();
    slot->judges_by = s->generation;
    slot->generation = (slot->generation + 1) & 0x3ff;
    fflush(NULL);
    slot->pid = fork();
    if (slot->pid == 0)
        become_worker(s, slot, &queue, ends[1]);
    if (slot->pid < 0) {
        r = -errno;
        snprintf(error, room, "queue %u: can't start a process: %s", slot->queue, strerror(-r));
        slot->pid = 0;
        supervisor_close(&slot->control);
    }
    close(ends[1]);
    queue_close(&queue); /* the worker has it */
    return r;
}

static void take_report(struct supervisor *s, struct slot *slot, const struct worker_report *r)
{
    slot->heard = supervisor_now();
    slot->report = *r;
    slot->reported = true;
    if (r->why == REPORT_BEAT)
        return;
    char line[COUNTERS_LINE];
    struct queue_listing listing;
    if (!s->started)
        return;
    bool listed = queue_look_up(s->listing, slot->queue, &listing);
    counters_to_line(slot->queue, r, listed ? &listing : NULL, line, sizeof line);
    fprintf(stderr, "%s\n", line);
    slot->last_told = r->why == REPORT_FINAL;
}

static void say_note(struct supervisor *s, const struct slot *slot, enum note note)
{
    switch (note) {
    case NOTE_RULES_MISSING:
        supervisor_say(
            s, LOG_ERR,
            "queue %u: a packet came back with the condemned mark: the rules that act on it are missing (see rcptwall "
            "rules); dropped, so nothing leaks, but the server is never told",
            slot->queue);
        return;
    case NOTE_BUFFER_OVERRUN:
        supervisor_say(s, LOG_WARNING,
                       "queue %u: the socket's receive buffer was full and packets %s; see --receive-buffer",
                       slot->queue, s->config->on_failure == FAIL_OPEN ? "passed unseen" : "were dropped");
        return;
    case NOTE_BUFFER_SHORT:
        supervisor_say(s, LOG_WARNING, "queue %u: the receive buffer is only what net.core.rmem_max allows",
                       slot->queue);
        return;
    case NOTE_CUT:
        supervisor_say(s, LOG_WARNING, "queue %u: a packet longer than the kernel can hand out was %s (BIG TCP?)",
                       slot->queue, s->config->policy->enforce ? "dropped" : "seen in part");
        return;
    case NOTE_VERDICTS_LOST:
        supervisor_say(s, LOG_WARNING, "queue %u: the kernel refused verdicts", slot->queue);
        return;
    case NOTE_NOT_WRITTEN:
        supervisor_say(s, LOG_WARNING, "queue %u: a packet that could not be rewritten was dropped", slot->queue);
        return;
    }
}

static void close_connection(struct supervisor *s, const struct close_request *r)
{
    const struct config *c = s->config;
    int error = -EBADMSG;
    if (close_request_valid(r, c->engine.ports, c->engine.port_count))
        error = closer_send(r, c->marks.condemned);
    s->status.closes++;
    if (error < 0 && s->status.closes_failed++ == 0)
        supervisor_say(s, LOG_WARNING, "can't send a RST to a packet's sender (it learns by its next packet): %s",
                       strerror(-error));
}

void supervisor_listen(struct supervisor *s, struct slot *slot)
{
    static struct message m;
    for (int i = 0; i < MESSAGES_A_ROUND && slot->control >= 0; i++) {
        int n = channel_receive(slot->control, &m);
        if (n == 0)
            return;
        if (n == -EBADMSG) {
            supervisor_say(s, LOG_ERR, "queue %u: its worker sent a malformed message", slot->queue);
            if (slot->pid > 0)
                kill(slot->pid, SIGKILL); /* whatever that is, it isn't our worker any more */
        }
        if (n < 0) {
            supervisor_close(&slot->control);
            return;
        }
        if (m.lost > 0 && !slot->loss_told) {
            supervisor_say(s, LOG_WARNING, "queue %u: its worker asked for more RSTs than could be sent", slot->queue);
            slot->loss_told = true;
        }
        switch ((enum message_kind)m.kind) {
        case MESSAGE_READY:
            slot->ready = true;
            slot->heard = supervisor_now();
            break;
        case MESSAGE_CLOSE:
            close_connection(s, &m.is.close);
            break;
        case MESSAGE_REPORT:
            take_report(s, slot, &m.is.report);
            break;
        case MESSAGE_NOTE:
            say_note(s, slot, (enum note)m.is.note.note);
            break;
        case MESSAGE_RELOADED:
            supervisor_reloaded(s, slot, m.is.generation);
            break;
        case MESSAGE_EVENT:
        case MESSAGE_TEXT:
        case MESSAGE_POLICY:
        case MESSAGE_SETTINGS:
        case MESSAGE_LOSSES:
        case MESSAGE_SUMMARY:
        case MESSAGE_QUEUE:
        case MESSAGE_ASK:
        case MESSAGE_TOLD:
        case MESSAGE_ZONE:
        case MESSAGE_LOOKUPS:
            break; /* not on this channel */
        }
    }
}

void supervisor_listen_reporter(struct supervisor *s)
{
    static struct message m;
    for (int i = 0; i < MESSAGES_A_ROUND && channel_receive(s->texts[1], &m) == 1; i++)
        if (m.kind == MESSAGE_LOSSES)
            s->status.losses = m.is.losses;
}

/* ---- processes that end ---- */

static void status_text(int status, char *out, size_t room)
{
    if (WIFSIGNALED(status))
        snprintf(out, room, "was killed by signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
    else
        snprintf(out, room, "ended with status %d", WEXITSTATUS(status));
}

static void worker_ended(struct supervisor *s, struct slot *slot, int status)
{
    char how[80];
    slot->pid = 0;                                   /* the number may be somebody else's from now on */
    while (slot->control >= 0 && !slot->last_told) { /* its last words; ends with -EPIPE */
        struct pollfd p = {.fd = slot->control, .events = POLLIN};
        if (poll(&p, 1, 0) <= 0)
            break;
        supervisor_listen(s, slot);
    }
    supervisor_close(&slot->control);
    if (s->stopping)
        return;
    struct mono now = supervisor_now();
    slot->restarts++;
    slot->retry_at = mono_before(now, mono_add(slot->started, INFANT_NS)) ? mono_add(now, PAUSE_NS) : now;
    status_text(status, how, sizeof how);
    supervisor_say(s, LOG_ERR, "queue %u: its worker %s; starting another one", slot->queue, how);
}

void supervisor_reap(struct supervisor *s)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        if (pid == s->reporter.pid) {
            s->reporter.pid = 0;
            if (!s->stopping)
                fprintf(stderr, "rcptwall: the reporter died; starting another one\n");
        }
        if (pid == s->teller.pid) {
            s->teller.pid = 0;
            if (!s->stopping)
                supervisor_say(s, LOG_ERR, "the status server died; starting another one");
        }
        if (pid == s->asker.pid) {
            s->asker.pid = 0;
            if (!s->stopping)
                supervisor_say(s, LOG_ERR, "the process that asks DNS blocklists died; starting another one");
        }
        for (size_t i = 0; i < s->count; i++)
            if (s->slots[i].pid == pid)
                worker_ended(s, &s->slots[i], status);
    }
}

void supervisor_restart_due(struct supervisor *s, struct mono now)
{
    char error[256];
    if (s->reporter.pid == 0 && !mono_before(now, mono_add(s->reporter.started, PAUSE_NS)) &&
        supervisor_start_reporter(s))
        supervisor_say(s, LOG_ERR, "the reporter was started again; alerts may have been lost");
    if (s->teller.pid == 0 && !mono_before(now, mono_add(s->teller.started, PAUSE_NS)))
        (void)supervisor_start_teller(s);
    if (s->asker.pid == 0 && !mono_before(now, mono_add(s->asker.started, PAUSE_NS)))
        (void)supervisor_start_asker(s);
    for (size_t i = 0; i < s->count; i++) {
        struct slot *slot = &s->slots[i];
        if (slot->pid != 0 || mono_before(now, slot->retry_at))
            continue;
        if (supervisor_start_worker(s, slot, error, sizeof error) < 0) {
            supervisor_say(s, LOG_CRIT, "%s; trying again", error);
            slot->retry_at = mono_add(now, PAUSE_NS);
        }
    }
}
