/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nfq/counters.h"

#include <inttypes.h>
#include <stdio.h>

struct line {
    char *at;
    size_t used, room;
    bool full;
};

static void put(struct line *l, const char *prefix, const char *key, uint64_t value)
{
    if (l->full)
        return;
    int n = snprintf(l->at + l->used, l->room - l->used, " %s%s=%" PRIu64, prefix, key, value);
    l->full = n < 0 || (size_t)n >= l->room - l->used;
    if (l->full)
        l->at[l->used] = '\0'; /* whole pairs only */
    else
        l->used += (size_t)n;
}

static void put_worker(struct line *l, const struct worker_counters *c)
{
    put(l, "", "packets", c->packets);
    put(l, "", "bytes", c->bytes);
    put(l, "", "accepted", c->accepted);
    put(l, "", "dropped", c->dropped);
    put(l, "", "clipped", c->clipped);
    put(l, "", "resets", c->resets);
    put(l, "", "unset", c->unset);
    put(l, "", "not_written", c->not_written);
    put(l, "", "gso", c->gso);
    put(l, "", "csum_trusted", c->csum_trusted);
    put(l, "", "cut", c->cut);
    put(l, "", "malformed", c->malformed);
    put(l, "", "no_id", c->no_id);
    put(l, "", "stranger", c->stranger);
    put(l, "", "condemned_again", c->condemned_again);
    put(l, "", "batches", c->batches);
    put(l, "", "sends", c->sends);
    put(l, "", "overruns", c->overruns);
    put(l, "", "verdict_errors", c->verdict_errors);
    put(l, "", "close_requests", c->close_requests);
    put(l, "", "lost_events", c->lost_events);
    put(l, "", "lost_messages", c->lost_messages);
}

static void put_engine(struct line *l, const struct engine_counters *c)
{
    put(l, "", "not_tcp", c->not_tcp);
    put(l, "", "not_ours", c->not_ours);
    put(l, "", "broken", c->broken);
    put(l, "", "bad_csum", c->bad_csum);
    put(l, "", "fragments", c->fragments);
    put(l, "", "csum_unset", c->csum_unset);
    put(l, "", "flows", c->flows);
    put(l, "", "smtp_flows", c->smtp_flows);
    put(l, "", "flows_refused", c->flows_refused);
    put(l, "", "flows_evicted", c->flows_evicted);
    put(l, "", "flows_now", c->flows_now);
    put(l, "", "flows_peak", c->flows_peak);
    put(l, "", "flows_max", c->flows_max);
    put(l, "", "blocks_now", c->blocks_now);
    put(l, "", "blocks_peak", c->blocks_peak);
    put(l, "", "blocks_max", c->blocks_max);
    put(l, "", "rcpts", c->rcpts);
    put(l, "", "external_rcpts", c->external_rcpts);
    put(l, "", "messages", c->messages);
    put(l, "", "events", c->events);
    put(l, "", "resets_again", c->resets_again);
    put(l, "", "conflicts", c->conflicts);
    put(l, "", "stream_full", c->stream_full);
    put(l, "", "out_of_window", c->out_of_window);
    put(l, "", "urgent", c->urgent);
    put(l, "", "gaps", c->gaps);
    put(l, "", "gap_bytes", c->gap_bytes);
    uint64_t alerts = 0;
    for (unsigned i = REASON_NONE + 1; i < REASON_COUNT; i++)
        alerts += c->alerts[i];
    put(l, "", "alerts", alerts);
    for (unsigned i = REASON_NONE + 1; i < REASON_COUNT; i++)
        if (c->alerts[i] > 0)
            put(l, "alerts_", reason_name((enum reason)i), c->alerts[i]);
}

size_t counters_to_line(uint16_t queue, const struct worker_report *r, const struct queue_listing *listing, char *out,
                        size_t room)
{
    struct line l = {.at = out, .room = room};
    int n = snprintf(out, room, "queue=%u", queue);
    if (n < 0 || (size_t)n >= room) {
        if (room > 0)
            out[0] = '\0';
        return 0;
    }
    l.used = (size_t)n;
    put_worker(&l, &r->worker);
    if (listing != NULL) {
        put(&l, "kernel_", "waiting", listing->waiting);
        put(&l, "kernel_", "full_drops", listing->full_drops);
        put(&l, "kernel_", "buffer_drops", listing->buffer_drops);
    }
    put_engine(&l, &r->engine);
    return l.used;
}
