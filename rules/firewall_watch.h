/* SPDX-License-Identifier: GPL-2.0-or-later */
/* firewall_watch - a probe's way through the hooks up to the queue, and what should hold there; between the firewall's
 * files. */
#ifndef RCPTWALL_FIREWALL_WATCH_H
#define RCPTWALL_FIREWALL_WATCH_H

#include "rules/firewall_findings.h"
#include "rules/firewall_walk.h"

/* A place where the rules look: one hook for each direction. */
struct fw_watch {
    enum fw_layer layer;
    enum fw_hook client[2], server[2]; /* the packets' way up to the queue */
    const char *name;
};

/* state: which probe, with which marks it begins, and how rules are taken; its marks are those of the end. */
struct fw_result fw_watch_walk(const struct fw_watch *, struct fw_walk *state);

/* "to" or "from" the server */
const char *fw_packets_of(enum probe_kind);

/*
 * firewall_verdicts.c: what the daemon says about these packets comes true. Only for packets that come to the queue.
 * queued: what became of the probe.
 */
void fw_check_verdicts(struct findings *, struct firewall *, const struct fw_watch *, enum probe_kind,
                       const struct fw_result *queued, const char *server);
/* Does somebody else change our bits of the marks? tell: each rule that does is named. */
bool fw_marks_collide(struct findings *, const struct firewall *, bool tell);

#endif
