/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The supervisor's clock: who still goes round, and what is told about it. */
#include "nfq/supervisor_internal.h"

#include "nfq/notify.h"
#include "nfq/queue.h"
#include "nfq/sandbox.h"
#include "nfq/worker.h"

#include <signal.h>
#include <stdlib.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

/* A worker that didn't report for so long makes no progress: to be said, and to be ended. */
#define SILENT_NS (5 * WORKER_BEAT_NS)
#define HUNG_NS   (20 * WORKER_BEAT_NS)

/* A decimal number in an environment variable; 0 if it isn't one. */
static int64_t number_in(const char *name)
{
    const char *text = getenv(name);
    char *end;
    if (text == NULL || *text < '0' || *text > '9')
        return 0;
    long long n = strtoll(text, &end, 10);
    return *end == '\0' ? n : 0;
}

void supervisor_status_begin(struct supervisor *s)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    s->began_wall = (struct wall){t.tv_sec * NS_PER_S + t.tv_nsec};
    s->began = s->ticked = supervisor_now();
    int64_t watcher = number_in("WATCHDOG_PID"), us = number_in("WATCHDOG_USEC");
    if (us > 0 && us < INT64_MAX / 1000 && (watcher == 0 || watcher == s->self))
        s->watchdog_ns = us * 1000;
}

/* Does every queue have a worker whose packet loop goes round? Ends those that have stood still for long. */
static bool all_go_round(struct supervisor *s, struct mono now)
{
    bool good = true;
    for (size_t i = 0; i < s->count; i++) {
        struct slot *slot = &s->slots[i];
        good = good && slot->pid > 0 && slot->ready && mono_before(now, mono_add(slot->heard, SILENT_NS));
        if (slot->pid <= 0 || mono_before(now, mono_add(slot->heard, HUNG_NS)))
            continue;
        supervisor_say(s, LOG_CRIT, "queue %u: its worker made no progress for %lld s; ending it", slot->queue,
                       (long long)(HUNG_NS / NS_PER_S));
        kill(slot->pid, SIGKILL);
        slot->heard = now;
    }
    return good;
}

static void tell_about(struct supervisor *s, size_t i)
{
    const struct slot *slot = &s->slots[i];
    struct queue_listing listing;
    struct status_queue q = {
        .index = (uint32_t)i,
        .queue = slot->queue,
        .alive = slot->pid > 0 && slot->ready,
        .pid = (int32_t)slot->pid,
        .restarts = slot->restarts,
        .listed = queue_look_up(s->listing, slot->queue, &listing),
        .waiting = listing.waiting,
        .full_drops = listing.full_drops,
        .buffer_drops = listing.buffer_drops,
    };
    if (slot->reported)
        q.report = slot->report;
    channel_send(&s->fact, MESSAGE_QUEUE, &q, sizeof q);
}

static void tell(struct supervisor *s, struct mono now)
{
    s->status.enforce = s->config->policy->enforce;
    s->status.fail_open = s->config->on_failure == FAIL_OPEN;
    s->status.reporter_alive = s->reporter.pid > 0;
    s->status.asker_alive = s->asker.pid > 0;
    s->status.landlock = sandbox_landlock();
    s->status.seccomp = sandbox_seccomp();
    s->status.queue_count = (uint32_t)s->count;
    s->status.started = s->began_wall;
    s->status.uptime_ns = now.ns - s->began.ns;
    for (size_t i = 0; i < s->count; i++)
        tell_about(s, i);
    channel_send(&s->fact, MESSAGE_SUMMARY, &s->status, sizeof s->status);
}

void supervisor_tick(struct supervisor *s, struct mono now)
{
    s->ticked = now;
    supervisor_reload_overdue(s, now);
    if (all_go_round(s, now) && s->watchdog_ns > 0)
        notify_send("WATCHDOG=1");
    if (s->teller.pid > 0)
        tell(s, now);
}
