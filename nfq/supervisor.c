/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nfq/supervisor.h"

#include "nfq/channel.h"
#include "nfq/closer.h"
#include "nfq/counters.h"
#include "nfq/notify.h"
#include "nfq/reporter.h"
#include "nfq/worker.h"
#include "rules/commands.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netfilter.h>
#include <poll.h>
#include <signal.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#define RECEIVE_TIMEOUT_MS 200
#define START_NS           (20 * NS_PER_S) /* for all workers to be ready */
#define STOP_NS            (6 * NS_PER_S)  /* for all to end by themselves */
/* A worker that died younger than this waits before its successor starts. */
#define INFANT_NS          (2 * NS_PER_S)
#define PAUSE_NS           NS_PER_S
#define MESSAGES_A_ROUND   256
#define COUNTERS_LINE      4096

struct slot {
    uint16_t queue;
    pid_t pid;   /* 0: none */
    int control; /* channel end to receive from; -1: none */
    bool ready;
    bool last_told; /* its last report was printed */
    struct mono started, retry_at;
    uint32_t generation;
};

struct supervisor {
    const struct supervisor_setup *setup;
    struct slot slots[SUPERVISOR_QUEUES_MAX];
    size_t count;
    pid_t self, reporter;
    struct mono reporter_started;
    int events[2], texts[2]; /* to the reporter; both ends stay open so that it can be replaced */
    struct channel text;
    int signals, listing;
    bool stopping, deadline_passed;
    struct mono deadline;
    uint64_t closes, closes_failed;
    uint64_t first_flow_id;
};

static struct mono mono_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (struct mono){t.tv_sec * NS_PER_S + t.tv_nsec};
}

/* To stderr and, by the reporter, to syslog. */
__attribute__((format(printf, 3, 4))) static void say(struct supervisor *s, int priority, const char *format, ...)
{
    char line[MESSAGE_TEXT_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    fprintf(stderr, "rcptwall: %s\n", line);
    channel_send_text(&s->text, priority, line);
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* In a new child: what is the supervisor's own must not be held open here. */
static void forget_supervisor(struct supervisor *s)
{
    close_fd(&s->signals);
    close_fd(&s->listing);
    close_fd(&s->texts[1]);
    for (size_t i = 0; i < s->count; i++)
        close_fd(&s->slots[i].control);
}

/* ---- the reporter ---- */

static bool start_reporter(struct supervisor *s)
{
    const struct config *c = s->setup->config;
    fflush(NULL);
    s->reporter_started = mono_now();
    s->reporter = fork();
    if (s->reporter != 0)
        return s->reporter > 0;
    forget_supervisor(s);
    close_fd(&s->events[1]); /* or it would wait for itself to end */
    if (privileges_keep(0, &(struct identity){0}) < 0)
        _exit(1);
    _exit(reporter_run(&(struct reporter_setup){
        .events = s->events[0],
        .texts = s->texts[0],
        .event_file = s->setup->event_file,
        .facility = c->syslog_facility,
        .alert_level = c->syslog_level,
        .interval_ns = c->alert_interval_ns > 0 ? c->alert_interval_ns : NS_PER_S,
        .supervisor = s->self,
        .echo = isatty(STDERR_FILENO) != 0,
    }));
}

/* ---- workers ---- */

static _Noreturn void become_worker(struct supervisor *s, struct slot *slot, struct queue *queue, int control)
{
    struct worker_setup setup = {
        .config = s->setup->config,
        .queue = *queue,
        .enforce = s->setup->enforce,
        .events = s->events[1],
        .control = control,
        /* below 2^53, so that JavaScript keeps it exact */
        .first_flow_id = s->first_flow_id + ((uint64_t)(slot - s->slots) << 46) + ((uint64_t)slot->generation << 36),
        .supervisor = s->self,
    };
    forget_supervisor(s);
    close_fd(&s->events[0]);
    close_fd(&s->texts[0]);
    if (s->setup->event_file >= 0)
        close(s->setup->event_file);
    _exit(worker_run(&setup));
}

/* Takes the queue over and starts its worker. 0, or -errno and why in `error`. */
static int start_worker(struct supervisor *s, struct slot *slot, char *error, size_t room)
{
    const struct queue_config qc = {
        .number = slot->queue,
        .maxlen = s->setup->config->queue_maxlen,
        .buffer = s->setup->buffer,
        .fail_open = s->setup->config->on_failure == FAIL_OPEN,
        .early_verdict = s->setup->enforce ? NF_DROP : NF_ACCEPT,
        .poll_ms = RECEIVE_TIMEOUT_MS,
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
    slot->ready = slot->last_told = false;
    slot->started = mono_now();
    slot->generation = (slot->generation + 1) & 0x3ff;
    fflush(NULL);
    slot->pid = fork();
    if (slot->pid == 0)
        become_worker(s, slot, &queue, ends[1]);
    if (slot->pid < 0) {
        r = -errno;
        snprintf(error, room, "queue %u: can't start a process: %s", slot->queue, strerror(-r));
        slot->pid = 0;
        close_fd(&slot->control);
    }
    close(ends[1]);
    queue_close(&queue); /* the worker has it */
    return r;
}

static void print_report(struct supervisor *s, struct slot *slot, const struct worker_report *r)
{
    char line[COUNTERS_LINE];
    struct queue_listing listing;
    bool listed = s->listing >= 0 && queue_look_up(s->listing, slot->queue, &listing);
    counters_to_line(slot->queue, r, listed ? &listing : NULL, line, sizeof line);
    fprintf(stderr, "%s\n", line);
    slot->last_told = r->final;
}

static void say_note(struct supervisor *s, const struct slot *slot, enum note note)
{
    switch (note) {
    case NOTE_RULES_MISSING:
        say(s, LOG_ERR,
            "queue %u: a packet came back with the condemned mark: the rules that act on it are missing (see rcptwall "
            "rules); dropped, nothing leaks, but clients have to find out by themselves",
            slot->queue);
        return;
    case NOTE_BUFFER_OVERRUN:
        say(s, LOG_WARNING, "queue %u: the socket's receive buffer was full and packets %s; see --receive-buffer",
            slot->queue, s->setup->config->on_failure == FAIL_OPEN ? "passed unseen" : "were dropped");
        return;
    case NOTE_BUFFER_SHORT:
        say(s, LOG_WARNING, "queue %u: the receive buffer is only what net.core.rmem_max allows", slot->queue);
        return;
    case NOTE_CUT:
        say(s, LOG_WARNING, "queue %u: a packet longer than the kernel can hand out was %s (BIG TCP?)", slot->queue,
            s->setup->enforce ? "dropped" : "seen in part");
        return;
    case NOTE_VERDICTS_LOST:
        say(s, LOG_WARNING, "queue %u: the kernel refused verdicts", slot->queue);
        return;
    case NOTE_NOT_WRITTEN:
        say(s, LOG_WARNING, "queue %u: a packet that could not be rewritten was dropped", slot->queue);
        return;
    }
}

static void close_connection(struct supervisor *s, const struct close_request *r)
{
    const struct config *c = s->setup->config;
    int error = -EBADMSG;
    if (close_request_valid(r, c->engine.ports, c->engine.port_count))
        error = closer_send(r, c->marks.condemned);
    s->closes++;
    if (error < 0 && s->closes_failed++ == 0)
        say(s, LOG_WARNING, "can't send a RST to a packet's sender (it learns by its next packet): %s",
            strerror(-error));
}

static void drain_control(struct supervisor *s, struct slot *slot)
{
    static struct message m;
    for (int i = 0; i < MESSAGES_A_ROUND && slot->control >= 0; i++) {
        int n = channel_receive(slot->control, &m);
        if (n == 0)
            return;
        if (n == -EBADMSG) {
            say(s, LOG_ERR, "queue %u: its worker sent a malformed message", slot->queue);
            kill(slot->pid, SIGKILL); /* whatever that is, it isn't our worker any more */
        }
        if (n < 0) {
            close_fd(&slot->control);
            return;
        }
        switch ((enum message_kind)m.kind) {
        case MESSAGE_READY:
            slot->ready = true;
            break;
        case MESSAGE_CLOSE:
            close_connection(s, &m.is.close);
            break;
        case MESSAGE_REPORT:
            print_report(s, slot, &m.is.report);
            break;
        case MESSAGE_NOTE:
            say_note(s, slot, (enum note)m.is.note.note);
            break;
        case MESSAGE_EVENT:
        case MESSAGE_TEXT:
            break; /* not on this channel */
        }
    }
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
    while (slot->control >= 0 && !slot->last_told) { /* its last words; ends with -EPIPE */
        struct pollfd p = {.fd = slot->control, .events = POLLIN};
        if (poll(&p, 1, 0) <= 0)
            break;
        drain_control(s, slot);
    }
    close_fd(&slot->control);
    slot->pid = 0;
    if (s->stopping)
        return;
    struct mono now = mono_now();
    slot->retry_at = mono_before(now, mono_add(slot->started, INFANT_NS)) ? mono_add(now, PAUSE_NS) : now;
    status_text(status, how, sizeof how);
    say(s, LOG_ERR, "queue %u: its worker %s; starting another one", slot->queue, how);
}

static void reap(struct supervisor *s)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        if (pid == s->reporter) {
            s->reporter = 0;
            if (!s->stopping)
                fprintf(stderr, "rcptwall: the reporter died; starting another one\n");
        }
        for (size_t i = 0; i < s->count; i++)
            if (s->slots[i].pid == pid)
                worker_ended(s, &s->slots[i], status);
    }
}

static void restart_due(struct supervisor *s, struct mono now)
{
    char error[256];
    if (s->reporter == 0 && !mono_before(now, mono_add(s->reporter_started, PAUSE_NS)) && start_reporter(s))
        say(s, LOG_ERR, "the reporter was started again; alerts may have been lost");
    for (size_t i = 0; i < s->count; i++) {
        struct slot *slot = &s->slots[i];
        if (slot->pid != 0 || mono_before(now, slot->retry_at))
            continue;
        if (start_worker(s, slot, error, sizeof error) < 0) {
            say(s, LOG_CRIT, "%s; trying again", error);
            slot->retry_at = mono_add(now, PAUSE_NS);
        }
    }
}

/* ---- start and stop ---- */

static void signal_workers(struct supervisor *s, int signal_number)
{
    for (size_t i = 0; i < s->count; i++)
        if (s->slots[i].pid > 0)
            kill(s->slots[i].pid, signal_number);
}

static size_t workers_alive(const struct supervisor *s)
{
    size_t n = 0;
    for (size_t i = 0; i < s->count; i++)
        n += s->slots[i].pid > 0;
    return n;
}

static void begin_stop(struct supervisor *s)
{
    if (s->stopping)
        return;
    s->stopping = true;
    s->deadline = mono_add(mono_now(), STOP_NS);
    notify_send("STOPPING=1");
    signal_workers(s, SIGTERM);
}

static void take_signals(struct supervisor *s)
{
    struct signalfd_siginfo info;
    while (read(s->signals, &info, sizeof info) == (ssize_t)sizeof info) {
        switch (info.ssi_signo) {
        case SIGTERM:
        case SIGINT:
            begin_stop(s);
            break;
        case SIGUSR1:
            signal_workers(s, SIGUSR1);
            break;
        case SIGHUP:
            say(s, LOG_NOTICE, "SIGHUP: the configuration is read at the start only; restart to change it");
            break;
        case SIGCHLD:
            break; /* behind the loop: a stop that came with it counts first */
        default:   /* the kernel's numbers, not ours; no others are in the mask */
            break;
        }
    }
    reap(s);
}

/* One wait for whatever comes first. */
static void turn(struct supervisor *s, int timeout_ms)
{
    struct pollfd fds[SUPERVISOR_QUEUES_MAX + 1];
    for (size_t i = 0; i < s->count; i++)
        fds[i] = (struct pollfd){.fd = s->slots[i].control, .events = POLLIN};
    fds[s->count] = (struct pollfd){.fd = s->signals, .events = POLLIN};
    if (poll(fds, (nfds_t)s->count + 1, timeout_ms) <= 0)
        return;
    for (size_t i = 0; i < s->count; i++)
        if (fds[i].revents != 0)
            drain_control(s, &s->slots[i]);
    if (fds[s->count].revents != 0)
        take_signals(s);
}

static size_t workers_ready(const struct supervisor *s)
{
    size_t n = 0;
    for (size_t i = 0; i < s->count; i++)
        n += s->slots[i].ready && s->slots[i].pid > 0;
    return n;
}

/* All queues taken and all workers ready? false: one line was printed. */
static bool start_all(struct supervisor *s)
{
    char error[256];
    for (size_t i = 0; i < s->count; i++) {
        if (start_worker(s, &s->slots[i], error, sizeof error) < 0) {
            fprintf(stderr, "rcptwall: %s\n", error);
            return false;
        }
    }
    struct mono give_up = mono_add(mono_now(), START_NS);
    while (!s->stopping && workers_ready(s) < s->count) {
        turn(s, 100);
        if (workers_alive(s) < s->count || !mono_before(mono_now(), give_up)) {
            fprintf(stderr, "rcptwall: a worker could not start\n");
            return false;
        }
    }
    return true;
}

/* The line that says what was chosen (V5). */
static void say_start(struct supervisor *s)
{
    const struct config *c = s->setup->config;
    char tags[640] = "";
    size_t used = 0;
    for (unsigned i = 1; i <= TAGS_MAX; i++) {
        const struct policy_tag *t = &c->policy->tags[i];
        if (t->name[0] == '\0')
            continue;
        int n = snprintf(tags + used, sizeof tags - used, "%s%s:%u:%s", used > 0 ? "," : "", t->name, i,
                         action_name(t->on[REASON_EXTERNAL_RCPT]));
        if (n < 0 || (size_t)n >= sizeof tags - used)
            break;
        used += (size_t)n;
    }
    say(s, LOG_NOTICE, "started version=%s mode=%s queues=%u:%u on-failure=%s mark-mask=0x%08x tags=%s",
        RCPTWALL_VERSION, s->setup->enforce ? "enforce" : "monitor", c->queue_first, c->queue_last,
        c->on_failure == FAIL_OPEN ? "open" : "closed", c->marks.mask, tags);
    if (!privileges_have(PRIVILEGE_NET_BIND))
        say(s, LOG_WARNING, "no CAP_NET_BIND_SERVICE: clients learn of a reset only by their next packet");
}

static void run(struct supervisor *s)
{
    while (!s->stopping) {
        bool waiting = s->reporter == 0;
        for (size_t i = 0; i < s->count; i++)
            waiting |= s->slots[i].pid == 0;
        turn(s, waiting ? 100 : -1);
        if (!s->stopping)
            restart_due(s, mono_now());
    }
}

/* Waits for the workers, then for the reporter; what doesn't end in time is ended. */
static void finish(struct supervisor *s)
{
    signal_workers(s, SIGTERM); /* again: one may have been started after the first */
    while (workers_alive(s) > 0) {
        turn(s, 100);
        if (!s->deadline_passed && !mono_before(mono_now(), s->deadline)) {
            s->deadline_passed = true;
            say(s, LOG_ERR, "a worker doesn't stop; killing it");
            signal_workers(s, SIGKILL);
        }
    }
    say(s, LOG_NOTICE, "stopped closes=%llu closes_failed=%llu", (unsigned long long)s->closes,
        (unsigned long long)s->closes_failed);
    close_fd(&s->events[1]);
    close_fd(&s->texts[1]);
    struct mono give_up = mono_add(mono_now(), STOP_NS / 2);
    while (s->reporter > 0) {
        turn(s, 100);
        if (s->reporter > 0 && !mono_before(mono_now(), give_up)) {
            fprintf(stderr, "rcptwall: syslog or the event file is stuck; the last alerts are lost\n");
            kill(s->reporter, SIGKILL);
            give_up = mono_add(give_up, NS_PER_S);
        }
    }
}

/* Before anything else runs: signals that come early must wait. */
static bool set_signals(struct supervisor *s)
{
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGTERM);
    sigaddset(&mask, SIGINT);
    sigaddset(&mask, SIGHUP);
    sigaddset(&mask, SIGUSR1);
    sigaddset(&mask, SIGCHLD);
    const struct sigaction ignore = {.sa_handler = SIG_IGN};
    if (sigaction(SIGPIPE, &ignore, NULL) < 0 || sigprocmask(SIG_BLOCK, &mask, NULL) < 0)
        return false;
    s->signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
    return s->signals >= 0;
}

static bool prepare(struct supervisor *s)
{
    const struct config *c = s->setup->config;
    s->self = getpid();
    s->count = (size_t)(c->queue_last - c->queue_first) + 1;
    for (size_t i = 0; i < s->count; i++)
        s->slots[i] = (struct slot){.queue = (uint16_t)(c->queue_first + i), .control = -1};
    s->first_flow_id = ((uint64_t)randombytes_random() << 4) + 1;
    s->listing = open("/proc/net/netfilter/nfnetlink_queue", O_RDONLY | O_CLOEXEC); /* root's only: before the change */
    if (privileges_keep(PRIVILEGE_NET_ADMIN | PRIVILEGE_NET_BIND, &s->setup->become) < 0) {
        fprintf(stderr, "rcptwall: can't change the user: permission denied\n");
        return false;
    }
    if (!set_signals(s) || channel_pair(s->events) < 0 || channel_pair(s->texts) < 0 || !start_reporter(s)) {
        fprintf(stderr, "rcptwall: can't set up its processes: %s\n", strerror(errno));
        return false;
    }
    s->text.fd = s->texts[1];
    return true;
}

int supervisor_run(const struct supervisor_setup *setup)
{
    static struct supervisor s;
    s = (struct supervisor){
        .setup = setup, .events = {-1, -1}, .texts = {-1, -1}, .text = {.fd = -1}, .signals = -1, .listing = -1};
    bool started = prepare(&s);
    if (started && (started = start_all(&s))) {
        say_start(&s);
        notify_send("READY=1");
        run(&s);
    }
    s.stopping = true;
    if (s.deadline.ns == 0)
        s.deadline = mono_add(mono_now(), STOP_NS);
    if (s.self != 0)
        finish(&s);
    close_fd(&s.signals);
    close_fd(&s.listing);
    close_fd(&s.events[0]);
    close_fd(&s.texts[0]);
    return started ? 0 : 2;
}
