/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dnsbl_service - the process that asks DNS blocklists. It is one of its own because it talks to the
 * network and reads what strangers answer: no worker waits for it, and it can reach nothing of theirs but by the
 * messages that they read. It keeps no state that would be missed: when it dies, it is started again.
 */
#ifndef RCPTWALL_DNSBL_SERVICE_H
#define RCPTWALL_DNSBL_SERVICE_H

#include "nfq/channel.h"
#include "rules/config.h"

#include <sys/types.h>

struct dnsbl_service_setup {
    const struct config *config; /* with at least one zone */
    int asks;                    /* channel end to receive from: all workers */
    const int *answers;          /* channel ends to send on, one a worker; as many as there are queues */
    size_t answer_count;
    int texts; /* channel end to send on: the reporter */
    int zones; /* ... the status server */
    pid_t supervisor;
};

/* Runs until it is killed. The exit status: 1 trouble (one line on stderr). */
int dnsbl_service_run(const struct dnsbl_service_setup *);

#endif
