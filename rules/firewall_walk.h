/* SPDX-License-Identifier: GPL-2.0-or-later */
/* firewall_walk - a packet's way through one hook, as the kernel has it; between the firewall's own files. */
#ifndef RCPTWALL_FIREWALL_WALK_H
#define RCPTWALL_FIREWALL_WALK_H

#include "rules/firewall_internal.h"

struct fw_result {
    bool queued, dropped, reset; /* reset: dropped, and answered with a RST */
    struct fw_action queue;
    struct fw_chain *queue_in;       /* the base chain from which it was queued */
    uint32_t meta, ct;               /* the marks when it was queued */
    const struct fw_rule *accepted;  /* the last rule that ended a base chain in front of a queue rule */
    const struct fw_rule *untracked; /* it was taken out of connection tracking */
    const struct fw_rule *flow;      /* it was put on, or may be, the fast path */
    const struct fw_rule *stray;     /* put a tag into the packet's mark that the connection's hasn't got */
    uint32_t stray_mark;
};

struct fw_walk {
    struct firewall *firewall;
    enum fw_layer layer;
    enum probe_kind probe;
    uint32_t meta, ct;
    bool past_accepts; /* as if no foreign rule accepted anything */
    bool any_match;    /* foreign rules that may match do */
    const struct fw_rule *tagged; /* the last foreign rule of a chain at prerouting that put a tag into the packet's mark */
    uint32_t tagged_mark;
};

void fw_walk(struct fw_walk *, enum fw_hook, struct fw_result *);
/* As NF_REPEAT does it: one base chain again, from its top. */
void fw_walk_again(struct fw_walk *, struct fw_chain *base, struct fw_result *);

#endif
