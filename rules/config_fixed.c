/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is laid out once, at the start: memory, sockets, marks. */
#include "rules/config.h"

#include <stdio.h>
#include <stdlib.h>

struct names {
    char *at;
    size_t used, room;
};

static void add(struct names *n, const char *name)
{
    int len = snprintf(n->at + n->used, n->room - n->used, "%s%s", n->used > 0 ? "," : "", name);
    if (len > 0 && (size_t)len < n->room - n->used)
        n->used += (size_t)len;
    else
        n->at[n->used] = '\0'; /* whole names only */
}

/* Members of one size that are compared and copied as bytes; their structs have no holes inside them. */
static void keep(struct names *n, const char *name, void *fresh, const void *running, size_t size)
{
    if (memcmp(fresh, running, size) == 0)
        return;
    memcpy(fresh, running, size);
    add(n, name);
}

static void keep_text(struct names *n, const char *name, char **fresh, const char *running)
{
    if (*fresh == running || (*fresh != NULL && running != NULL && strcmp(*fresh, running) == 0))
        return;
    free(*fresh);
    *fresh = running != NULL ? strdup(running) : NULL;
    add(n, name);
}

void config_keep_fixed(struct config *fresh, const struct config *running, char *names, size_t room)
{
    struct names n = {.at = names, .room = room};
    struct engine_config *fe = &fresh->engine;
    const struct engine_config *re = &running->engine;

    if (room > 0)
        names[0] = '\0';
    if (fresh->queue_first != running->queue_first || fresh->queue_last != running->queue_last)
        add(&n, "queues");
    fresh->queue_first = running->queue_first;
    fresh->queue_last = running->queue_last;
    keep(&n, "queue-length", &fresh->queue_maxlen, &running->queue_maxlen, sizeof fresh->queue_maxlen);
    if (fresh->marks.mask != running->marks.mask)
        add(&n, "mark-mask");
    fresh->marks = running->marks;
    if (fe->port_count != re->port_count ||
        memcmp(fe->ports, re->ports, fe->port_count * sizeof fe->ports[0]) != 0)
        add(&n, "ports");
    fe->port_count = re->port_count;
    memcpy(fe->ports, re->ports, sizeof fe->ports);
    if (!dnsbl_config_same(&fresh->dnsbl, &running->dnsbl)) {
        add(&n, "dnsbl");
        (void)!dnsbl_config_copy(&fresh->dnsbl, &running->dnsbl);
    }
    memcpy(fresh->policy->lists, running->policy->lists, sizeof fresh->policy->lists);
    keep_text(&n, "control-socket", &fresh->control_socket, running->control_socket);
    keep_text(&n, "control-group", &fresh->control_group, running->control_group);
    keep_text(&n, "user", &fresh->user, running->user);
    keep(&n, "limits.flows", &fe->max_flows, &re->max_flows, sizeof fe->max_flows);
    keep(&n, "limits.memory", &fe->stream_blocks, &re->stream_blocks, sizeof fe->stream_blocks);
    keep(&n, "limits.stream-memory", &fe->stream_block_limit, &re->stream_block_limit, sizeof fe->stream_block_limit);
    keep(&n, "limits.line-length", &fe->smtp.line_max, &re->smtp.line_max, sizeof fe->smtp.line_max);
    keep(&n, "limits.idle-timeout", &fe->idle_ns, &re->idle_ns, sizeof fe->idle_ns);
    keep(&n, "limits.handshake-timeout", &fe->handshake_ns, &re->handshake_ns, sizeof fe->handshake_ns);
    keep(&n, "limits.closed-timeout", &fe->closed_ns, &re->closed_ns, sizeof fe->closed_ns);
}
