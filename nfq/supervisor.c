/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nfq/supervisor.h"

#include "nfq/notify.h"
#include "nfq/queue.h"
#include "nfq/sandbox.h"
#include "nfq/supervisor_internal.h"
#include "rules/commands.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#define START_NS (20 * NS_PER_S) /* for all workers to be ready */
#define STOP_NS  (6 * NS_PER_S)  /* for all to end by themselves */

struct mono supervisor_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (struct mono){t.tv_sec * NS_PER_S + t.tv_nsec};
}

/* Is standard error systemd's journal? What goes to syslog is there already. systemd.exec(5), $JOURNAL_STREAM. */
static bool stderr_is_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM"); /* DEVICE:INODE */
    char *colon, *end;
    struct stat st;
    if (stream == NULL || fstat(STDERR_FILENO, &st) < 0 || strtoull(stream, &colon, 10) != st.st_dev || *colon != ':')
        return false;
    return strtoull(colon + 1, &end, 10) == st.st_ino && *end == '\0';
}

void supervisor_say(struct supervisor *s, int priority, const char *format, ...)
{
    char line[MESSAGE_TEXT_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (!s->in_journal || s->reporter.pid == 0)
        fprintf(stderr, "rcptwall: %s\n", line);
    channel_send_text(&s->text, priority, line);
}

void supervisor_close(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
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
    s->deadline = mono_add(supervisor_now(), STOP_NS);
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
            supervisor_reload(s);
            break;
        case SIGCHLD:
            break; /* behind the loop: a stop that came with it counts first */
        default:   /* the kernel's numbers, not ours; no others are in the mask */
            break;
        }
    }
    supervisor_reap(s);
}

/* One wait for whatever comes first. */
static void turn(struct supervisor *s, int timeout_ms)
{
    struct pollfd fds[SUPERVISOR_QUEUES_MAX + 2];
    for (size_t i = 0; i < s->count; i++)
        fds[i] = (struct pollfd){.fd = s->slots[i].control, .events = POLLIN};
    fds[s->count] = (struct pollfd){.fd = s->signals, .events = POLLIN};
    fds[s->count + 1] = (struct pollfd){.fd = s->texts[1], .events = POLLIN};
    if (poll(fds, (nfds_t)s->count + 2, timeout_ms) <= 0)
        return;
    for (size_t i = 0; i < s->count; i++)
        if (fds[i].revents != 0)
            supervisor_listen(s, &s->slots[i]);
    if (fds[s->count + 1].revents != 0)
        supervisor_listen_reporter(s);
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
        if (supervisor_start_worker(s, &s->slots[i], error, sizeof error) < 0) {
            fprintf(stderr, "rcptwall: %s\n", error);
            return false;
        }
    }
    struct mono give_up = mono_add(supervisor_now(), START_NS);
    while (!s->stopping && workers_ready(s) < s->count) {
        turn(s, 100);
        if (workers_alive(s) < s->count || !mono_before(supervisor_now(), give_up)) {
            fprintf(stderr, "rcptwall: a worker could not start\n");
            return false;
        }
    }
    return true;
}

/* The line that says what was chosen (V5). */
static void say_start(struct supervisor *s)
{
    const struct config *c = s->config;
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
    supervisor_say(s, LOG_NOTICE, "started version=%s mode=%s queues=%u:%u on-failure=%s mark-mask=0x%08x tags=%s",
                   RCPTWALL_VERSION, c->policy->enforce ? "enforce" : "monitor", c->queue_first, c->queue_last,
                   c->on_failure == FAIL_OPEN ? "open" : "closed", c->marks.mask, tags);
    if (s->setup->no_control != NULL)
        supervisor_say(s, LOG_WARNING, "%s: rcptwall status can't ask", s->setup->no_control);
    if (sandbox_landlock() == 0)
        supervisor_say(s, LOG_NOTICE, "this kernel has no Landlock: seccomp alone keeps workers from files");
    if (!privileges_have(PRIVILEGE_NET_BIND))
        supervisor_say(s, LOG_WARNING, "no CAP_NET_BIND_SERVICE: clients learn of a reset only by their next packet");
}

static void run(struct supervisor *s)
{
    while (!s->stopping) {
        bool waiting = s->reporter.pid == 0;
        for (size_t i = 0; i < s->count; i++)
            waiting |= s->slots[i].pid == 0;
        turn(s, waiting ? 100 : (int)(SUPERVISOR_TICK_NS / NS_PER_MS));
        if (s->stopping)
            return;
        struct mono now = supervisor_now();
        supervisor_restart_due(s, now);
        if (!mono_before(now, mono_add(s->ticked, SUPERVISOR_TICK_NS)))
            supervisor_tick(s, now);
    }
}

/* Waits for the workers, then for the reporter; what doesn't end in time is ended. */
static void finish(struct supervisor *s)
{
    signal_workers(s, SIGTERM); /* again: one may have been started after the first */
    while (workers_alive(s) > 0) {
        turn(s, 100);
        if (!s->deadline_passed && !mono_before(supervisor_now(), s->deadline)) {
            s->deadline_passed = true;
            supervisor_say(s, LOG_ERR, "a worker doesn't stop; killing it");
            signal_workers(s, SIGKILL);
        }
    }
    if (s->started)
        supervisor_say(s, LOG_NOTICE, "stopped closes=%llu closes_failed=%llu", (unsigned long long)s->status.closes,
                       (unsigned long long)s->status.closes_failed);
    if (s->asker.pid > 0)
        kill(s->asker.pid, SIGKILL); /* it has nothing that would be missed */
    supervisor_dnsbl_forget(s);
    supervisor_close(&s->events[1]);
    supervisor_close(&s->texts[1]);
    supervisor_close(&s->facts[1]);
    struct mono give_up = mono_add(supervisor_now(), STOP_NS / 2);
    while (s->reporter.pid > 0 || s->teller.pid > 0) {
        turn(s, 100);
        if (s->reporter.pid > 0 && !mono_before(supervisor_now(), give_up)) {
            fprintf(stderr, "rcptwall: syslog or the event file is stuck; the last alerts are lost\n");
            kill(s->reporter.pid, SIGKILL);
            give_up = mono_add(give_up, NS_PER_S);
        } else if (s->teller.pid > 0 && !mono_before(supervisor_now(), give_up)) {
            kill(s->teller.pid, SIGKILL);
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

/* The folder of a path, into room; NULL if there is none. */
static const char *folder_of(const char *path, char *folder, size_t room)
{
    const char *slash = path != NULL ? strrchr(path, '/') : NULL;
    size_t len = slash == NULL ? 0 : slash == path ? 1 : (size_t)(slash - path);
    if (len == 0 || len >= room)
        return NULL;
    memcpy(folder, path, len);
    folder[len] = '\0';
    return folder;
}

/* false: one line was printed. */
static bool enter_sandbox(const struct supervisor *s)
{
    static char events[PATH_MAX], control[PATH_MAX];
    const char *socket_path = s->config->control_socket;
    const char *folders[] = {
        folder_of(s->config->event_file, events, sizeof events),
        folder_of(socket_path != NULL ? socket_path : CONTROL_SOCKET_PATH, control, sizeof control),
    };
    int error = sandbox_enter(SANDBOX_SUPERVISOR, folders, sizeof folders / sizeof *folders);
    if (error < 0)
        fprintf(stderr, "rcptwall: can't build its sandbox: %s\n", strerror(-error));
    return error == 0;
}

static bool prepare(struct supervisor *s)
{
    const struct config *c = s->config;
    s->self = getpid();
    s->count = (size_t)(c->queue_last - c->queue_first) + 1;
    for (size_t i = 0; i < s->count; i++)
        s->slots[i] = (struct slot){.queue = (uint16_t)(c->queue_first + i), .control = -1, .answers = {-1, -1}};
    s->first_flow_id = ((uint64_t)randombytes_random() << 4) + 1;
    s->listing = open(QUEUE_LISTING_PATH, O_RDONLY | O_CLOEXEC); /* root's only: before the change */
    if (privileges_keep(PRIVILEGE_NET_ADMIN | PRIVILEGE_NET_BIND, &s->setup->become) < 0) {
        fprintf(stderr, "rcptwall: can't change the user: permission denied\n");
        return false;
    }
    if (!enter_sandbox(s))
        return false;
    s->offenders = offender_table_new();
    if (s->offenders == NULL || !set_signals(s) || channel_pair(s->events) < 0 || channel_pair(s->texts) < 0 || channel_pair(s->facts) < 0 ||
        !supervisor_dnsbl_begin(s) || !supervisor_start_reporter(s) || !supervisor_start_teller(s) ||
        !supervisor_start_asker(s)) {
        fprintf(stderr, "rcptwall: can't set up its processes: %s\n", strerror(errno));
        return false;
    }
    s->text.fd = s->texts[1];
    s->fact.fd = s->facts[1];
    return true;
}

int supervisor_open_events(const char *path)
{
    /* no waiting for somebody to open the other end of a pipe */
    return open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640);
}

int supervisor_run(const struct supervisor_setup *setup)
{
    static struct supervisor s;
    s = (struct supervisor){
        .setup = setup,
        .config = setup->config,
        .event_file = setup->event_file,
        .in_journal = stderr_is_journal(),
        .events = {-1, -1},
        .texts = {-1, -1},
        .facts = {-1, -1},
        .asks = {-1, -1},
        .zones = {-1, -1},
        .text = {.fd = -1},
        .fact = {.fd = -1},
        .signals = -1,
        .listing = -1,
    };
    if (prepare(&s) && start_all(&s)) {
        s.started = true;
        say_start(&s);
        supervisor_status_begin(&s);
        notify_send("READY=1");
        run(&s);
    }
    s.stopping = true;
    if (s.deadline.ns == 0)
        s.deadline = mono_add(supervisor_now(), STOP_NS);
    if (s.self != 0)
        finish(&s);
    supervisor_close(&s.signals);
    supervisor_close(&s.listing);
    supervisor_close(&s.events[0]);
    supervisor_close(&s.texts[0]);
    supervisor_close(&s.facts[0]);
    supervisor_close(&s.event_file);
    offender_table_forget(s.offenders);
    return s.started ? 0 : 2;
}
