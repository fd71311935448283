/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nfq/counters.h"

#include <inttypes.h>
#include <stdio.h>

struct walk {
    counters_take *take;
    void *ctx;
};

static void each_of_worker(const struct walk *w, const struct worker_counters *c)
{
    w->take(w->ctx, "", "packets", c->packets);
    w->take(w->ctx, "", "bytes", c->bytes);
    w->take(w->ctx, "", "accepted", c->accepted);
    w->take(w->ctx, "", "dropped", c->dropped);
    w->take(w->ctx, "", "clipped", c->clipped);
    w->take(w->ctx, "", "rewritten", c->rewritten);
    w->take(w->ctx, "", "resets", c->resets);
    w->take(w->ctx, "", "unset", c->unset);
    w->take(w->ctx, "", "not_written", c->not_written);
    w->take(w->ctx, "", "gso", c->gso);
    w->take(w->ctx, "", "csum_trusted", c->csum_trusted);
    w->take(w->ctx, "", "cut", c->cut);
    w->take(w->ctx, "", "malformed", c->malformed);
    w->take(w->ctx, "", "no_id", c->no_id);
    w->take(w->ctx, "", "stranger", c->stranger);
    w->take(w->ctx, "", "condemned_again", c->condemned_again);
    w->take(w->ctx, "", "batches", c->batches);
    w->take(w->ctx, "", "sends", c->sends);
    w->take(w->ctx, "", "overruns", c->overruns);
    w->take(w->ctx, "", "verdict_errors", c->verdict_errors);
    w->take(w->ctx, "", "parked", c->parked);
    w->take(w->ctx, "", "close_requests", c->close_requests);
    w->take(w->ctx, "", "lost_events", c->lost_events);
    w->take(w->ctx, "", "lost_messages", c->lost_messages);
    w->take(w->ctx, "", "ways", c->ways);
    w->take(w->ctx, "", "ways_unread", c->ways_unread);
}

static void each_of_engine(const struct walk *w, const struct engine_counters *c)
{
    w->take(w->ctx, "", "not_tcp", c->not_tcp);
    w->take(w->ctx, "", "not_ours", c->not_ours);
    w->take(w->ctx, "", "broken", c->broken);
    w->take(w->ctx, "", "bad_csum", c->bad_csum);
    w->take(w->ctx, "", "fragments", c->fragments);
    w->take(w->ctx, "", "csum_unset", c->csum_unset);
    w->take(w->ctx, "", "flows", c->flows);
    w->take(w->ctx, "", "smtp_flows", c->smtp_flows);
    w->take(w->ctx, "", "flows_refused", c->flows_refused);
    w->take(w->ctx, "", "flows_evicted", c->flows_evicted);
    w->take(w->ctx, "", "flows_now", c->flows_now);
    w->take(w->ctx, "", "flows_peak", c->flows_peak);
    w->take(w->ctx, "", "flows_max", c->flows_max);
    w->take(w->ctx, "", "blocks_now", c->blocks_now);
    w->take(w->ctx, "", "blocks_peak", c->blocks_peak);
    w->take(w->ctx, "", "blocks_max", c->blocks_max);
    w->take(w->ctx, "", "notes_now", c->notes_now);
    w->take(w->ctx, "", "notes_peak", c->notes_peak);
    w->take(w->ctx, "", "notes_max", c->notes_max);
    w->take(w->ctx, "", "rcpts", c->rcpts);
    w->take(w->ctx, "", "external_rcpts", c->external_rcpts);
    w->take(w->ctx, "", "messages", c->messages);
    w->take(w->ctx, "", "refused", c->refused);
    w->take(w->ctx, "", "events", c->events);
    w->take(w->ctx, "", "resets_again", c->resets_again);
    w->take(w->ctx, "", "conflicts", c->conflicts);
    w->take(w->ctx, "", "stream_full", c->stream_full);
    w->take(w->ctx, "", "out_of_window", c->out_of_window);
    w->take(w->ctx, "", "urgent", c->urgent);
    w->take(w->ctx, "", "spoofed", c->spoofed);
    w->take(w->ctx, "", "other_way", c->other_way);
    w->take(w->ctx, "", "way_unknown", c->way_unknown);
    w->take(w->ctx, "", "gaps", c->gaps);
    w->take(w->ctx, "", "gap_bytes", c->gap_bytes);
    w->take(w->ctx, "", "dnsbl_asked", c->dnsbl_asked);
    w->take(w->ctx, "", "dnsbl_listed", c->dnsbl_listed);
    w->take(w->ctx, "", "dnsbl_late", c->dnsbl_late);
    uint64_t alerts = 0;
    for (unsigned i = REASON_NONE + 1; i < REASON_COUNT; i++)
        alerts += c->alerts[i];
    for (unsigned i = REASON_NONE + 1; i < REASON_COUNT; i++)
        if (c->ended[i] > 0)
            w->take(w->ctx, "ended_", reason_name((enum reason)i), c->ended[i]);
    w->take(w->ctx, "", "bans", c->bans);
    w->take(w->ctx, "", "alerts", alerts);
    for (unsigned i = REASON_NONE + 1; i < REASON_COUNT; i++)
        if (c->alerts[i] > 0)
            w->take(w->ctx, "alerts_", reason_name((enum reason)i), c->alerts[i]);
}

void counters_each(const struct worker_report *r, counters_take *take, void *ctx)
{
    const struct walk w = {take, ctx};
    each_of_worker(&w, &r->worker);
    each_of_engine(&w, &r->engine);
}

struct line {
    char *at;
    size_t used, room;
    bool full;
};

static void put(void *ctx, const char *prefix, const char *key, uint64_t value)
{
    struct line *l = ctx;
    if (l->full)
        return;
    int n = snprintf(l->at + l->used, l->room - l->used, " %s%s=%" PRIu64, prefix, key, value);
    l->full = n < 0 || (size_t)n >= l->room - l->used;
    if (l->full)
        l->at[l->used] = '\0'; /* whole pairs only */
    else
        l->used += (size_t)n;
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
    const struct walk w = {put, &l};
    each_of_worker(&w, &r->worker);
    if (listing != NULL) {
        put(&l, "kernel_", "waiting", listing->waiting);
        put(&l, "kernel_", "full_drops", listing->full_drops);
        put(&l, "kernel_", "buffer_drops", listing->buffer_drops);
    }
    each_of_engine(&w, &r->engine);
    return l.used;
}
