/* SPDX-License-Identifier: GPL-2.0-or-later */
/* supervisor_internal - what supervisor's own files share. Nobody else includes it. */
#ifndef RCPTWALL_SUPERVISOR_INTERNAL_H
#define RCPTWALL_SUPERVISOR_INTERNAL_H

#include "nfq/channel.h"
#include "nfq/offender_table.h"
#include "nfq/supervisor.h"

#include <sys/types.h>

struct slot {
    uint16_t queue;
    pid_t pid;   /* 0: none */
    int control; /* our end of its channel; -1: none */
    int answers[2]; /* from dnsbl_service to it; -1: nobody asks */
    bool ready;
    bool last_told; /* its last report was printed */
    bool loss_told; /* it was said that messages of this worker were lost */
    bool reported;  /* report is valid */
    struct mono started, retry_at;
    struct mono heard; /* when its packet loop last gave a sign of life */
    uint32_t generation;
    uint32_t restarts;
    uint32_t judges_by; /* generation of its policy */
    struct worker_report report;
};

/* A child without a queue. */
struct helper {
    pid_t pid; /* 0: none */
    struct mono started;
};

struct supervisor {
    const struct supervisor_setup *setup;
    struct config *config; /* what is in force */
    struct slot slots[SUPERVISOR_QUEUES_MAX];
    size_t count;
    pid_t self;
    bool in_journal; /* so is standard error, where syslog goes */
    struct helper reporter, teller, asker;
    int asks[2]; /* all workers to dnsbl_service; -1: no DNS blocklists */
    int zones[2]; /* dnsbl_service to the status server; -1 likewise */
    int events[2], texts[2], facts[2]; /* to reporter and status server; both ends stay open so that they can be replaced */
    struct channel text, fact;
    int event_file;
    struct offender_table *offenders; /* the reporter's and the status server's */
    int signals, listing;
    bool started, stopping, deadline_passed;
    struct mono deadline, ticked, began;
    struct wall began_wall;
    int64_t watchdog_ns; /* 0: nobody watches */
    uint32_t generation; /* of the policy */
    bool reload_untold;  /* not all workers have it yet */
    struct mono reload_at;
    struct status_summary status; /* what of it isn't found elsewhere */
    uint64_t first_flow_id;
};

struct mono supervisor_now(void);
/* To stderr and, by the reporter, to syslog. */
__attribute__((format(printf, 3, 4))) void supervisor_say(struct supervisor *, int priority, const char *format, ...);
/* Closes it unless it is -1, and makes it that. */
void supervisor_close(int *fd);

/* supervisor_children.c */
bool supervisor_start_reporter(struct supervisor *);
/* supervisor_dnsbl.c: who asks DNS blocklists, and the channels that lead there. */
RW_CHECK bool supervisor_dnsbl_begin(struct supervisor *);
/* Makes no process where there is nothing to ask. */
bool supervisor_start_asker(struct supervisor *);
/* In a child that has nothing to do with it; and when all is over. */
void supervisor_dnsbl_forget(struct supervisor *);
/* In every new child: closes what is the supervisor's own. */
void supervisor_forget(struct supervisor *);
/* false only if there should be one and it can't be started. */
bool supervisor_start_teller(struct supervisor *);
/* Takes the queue over and starts its worker. 0, or -errno and a reason in `error`. */
RW_CHECK int supervisor_start_worker(struct supervisor *, struct slot *, char *error, size_t room);
/* What a worker has to say; what the reporter has to say. */
void supervisor_listen(struct supervisor *, struct slot *);
void supervisor_listen_reporter(struct supervisor *);
/* Collects processes that ended. */
void supervisor_reap(struct supervisor *);
/* Starts again what ended and should run. */
void supervisor_restart_due(struct supervisor *, struct mono now);

/* supervisor_reload.c */
void supervisor_reload(struct supervisor *);
/* A worker judges by this generation now. */
void supervisor_reloaded(struct supervisor *, struct slot *, uint32_t generation);
/* Workers that didn't take the new policy in time are replaced. */
void supervisor_reload_overdue(struct supervisor *, struct mono now);

/* supervisor_status.c */
#define SUPERVISOR_TICK_NS (500 * NS_PER_MS)
void supervisor_status_begin(struct supervisor *);
/* Every SUPERVISOR_TICK_NS: workers that hang, the watchdog, news for the status server. */
void supervisor_tick(struct supervisor *, struct mono now);

#endif
