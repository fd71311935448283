/* SPDX-License-Identifier: GPL-2.0-or-later */
/* supervisor_internal - what supervisor's own files share. Nobody else includes it. */
#ifndef RCPTWALL_SUPERVISOR_INTERNAL_H
#define RCPTWALL_SUPERVISOR_INTERNAL_H

#include "nfq/channel.h"
#include "nfq/supervisor.h"

#include <sys/types.h>

struct slot {
    uint16_t queue;
    pid_t pid;   /* 0: none */
    int control; /* channel end to receive from; -1: none */
    bool ready;
    bool last_told; /* its last report was printed */
    bool loss_told; /* it was said that messages of this worker were lost */
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
    bool started, stopping, deadline_passed;
    struct mono deadline;
    uint64_t closes, closes_failed;
    uint64_t first_flow_id;
};

struct mono supervisor_now(void);
/* To stderr and, by the reporter, to syslog. */
__attribute__((format(printf, 3, 4))) void supervisor_say(struct supervisor *, int priority, const char *format, ...);
/* Closes it unless it is -1, and makes it that. */
void supervisor_close(int *fd);

RW_CHECK bool supervisor_start_reporter(struct supervisor *);
/* Takes the queue over and starts its worker. 0, or -errno and why in `error`. */
RW_CHECK int supervisor_start_worker(struct supervisor *, struct slot *, char *error, size_t room);
/* Starts again what died, when its pause is over. */
void supervisor_restart_due(struct supervisor *, struct mono now);
/* Asks all processes that ended how. */
void supervisor_reap(struct supervisor *);
/* Handles what a worker has sent. */
void supervisor_listen(struct supervisor *, struct slot *);

#endif
