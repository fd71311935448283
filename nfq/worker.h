/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * worker - the process of one queue: packets in, the engine, verdicts out.
 *
 * Theory of operation
 *
 * A worker shares nothing with the others: the kernel keeps all packets of a pair of
 * hosts on one queue, so one engine sees both directions of a session. It is started
 * with its queue taken over already, and gives up all it doesn't need.
 *
 * One turn: receive a batch, judge each packet in order, send the batch's verdicts in
 * one go, and only then ask the supervisor for the RSTs that go back (so that the
 * verdict that disarms the packet is through first). Events go to the reporter
 * as they come. Neither ever waits: what finds no room is counted as lost. When the
 * socket is silent, the receive timeout gives the engine its ticks.
 *
 * SIGHUP: the supervisor has a new policy in the channel; it is taken between two batches.
 * The report of each half second comes from the packet loop itself, so that a worker
 * that hangs falls silent.
 *
 * On SIGTERM it answers what waits, ends all sessions, and goes; on SIGUSR1 it reports
 * its counters. It dies with the supervisor.
 */
#ifndef RCPTWALL_WORKER_H
#define RCPTWALL_WORKER_H

#include "nfq/channel.h"
#include "nfq/privileges.h"
#include "nfq/queue.h"
#include "rules/config.h"

/* How often it reports that its packet loop goes round, with its counters. */
#define WORKER_BEAT_NS (500 * NS_PER_MS)

struct worker_setup {
    const struct config *config; /* sealed; its policy becomes the engine's in this process */
    struct queue queue;          /* open */
    bool enforce;
    int events, control; /* channel ends to send on */
    int asks, answers;   /* channel ends to and from dnsbl_service; -1: no DNS blocklists */
    uint32_t number;     /* who it is there */
    uint64_t first_flow_id;
    pid_t supervisor;
};

/* Runs until SIGTERM. The exit status: 0 stopped, 1 trouble (one line on stderr). */
int worker_run(struct worker_setup *);

#endif
