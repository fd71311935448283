/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The engine's clock: how long a flow lives without packets, who goes first when the table is full, and
 * which RSTs are sent once more.
 *
 * Nobody answers a RST, so nothing tells us that the server's arrived. A server that got none and has something
 * to say meets the condemned mark and is told then; an idle one would hold its session open until its own timeout.
 * So the RST goes out again a few times, at growing distances, unless the server itself was heard to end it.
 */
#include "kmod-free/engine_internal.h"

#define TICK_FLOWS     512
#define SPARE_FLOWS    64
/* From the server's SYN|ACK to its greeting: 5 minutes, with the default for a handshake. */
#define HANDSHAKES_TO_GREET 10
/* A handshake that takes longer than this is one that a full table does without. */
#define UNCONFIRMED_NS NS_PER_S

static int64_t lifetime(const struct engine *e, const struct session *s)
{
    if (s->condemned || tcp_closed(&s->tcp))
        return e->cfg.closed_ns;
    if (!s->tcp.established)
        return e->cfg.handshake_ns;
    /*
     * Live, the client's data prove nothing: anybody can send some from anybody's address. Its bare acknowledgment we
     * needn't have seen, and its server may take minutes to greet it (RFC 5321 4.5.3.2.1).
     */
    int64_t greeting = e->cfg.handshake_ns * HANDSHAKES_TO_GREET;
    return s->tcp.confirmed || !e->cfg.live || greeting > e->cfg.idle_ns ? e->cfg.idle_ns : greeting;
}

/* How soon may something have to be done about the flow? */
static struct mono due(const struct engine *e, uint32_t flow)
{
    const struct session *s = &e->sessions[flow];
    struct mono end = mono_add(e->table.flows[flow].last, lifetime(e, s));
    const struct session_rare *rare = session_rare_of(e, flow);
    return rare->resets_left > 0 && mono_before(rare->reset_due, end) ? rare->reset_due : end;
}

void engine_file(struct engine *e, uint32_t flow, enum filed as)
{
    e->sessions[flow].filed = (uint8_t)as;
    wheel_put(&e->wheel, flow, due(e, flow));
}

int64_t engine_longest_life(const struct engine_config *cfg)
{
    int64_t longest = cfg->idle_ns > cfg->handshake_ns ? cfg->idle_ns : cfg->handshake_ns;
    return longest > cfg->closed_ns ? longest : cfg->closed_ns;
}

static void flow_end(struct engine *e, uint32_t flow)
{
    way_depart(e, flow);
    engine_session_end(e, flow);
    wheel_take_out(&e->wheel, flow);
    flow_free(&e->table, flow);
}

static bool over(const struct engine *e, const struct flow *f, int64_t after)
{
    return f->used && !mono_before(e->now, mono_add(f->last, after));
}

bool engine_make_room(struct engine *e)
{
    if (!e->cfg.live)
        return false;
    for (uint32_t n = 0; n < SPARE_FLOWS && n < e->table.fresh; n++) {
        if (e->spare >= e->table.fresh)
            e->spare = 0;
        uint32_t flow = e->spare++;
        const struct session *s = &e->sessions[flow];
        if ((s->tcp.confirmed && !tcp_closed(&s->tcp)) || (s->tcp.confirmed && s->condemned) ||
            !over(e, &e->table.flows[flow], UNCONFIRMED_NS))
            continue;
        e->count.flows_evicted++;
        flow_end(e, flow);
        return true;
    }
    return false;
}

static void reset_again(struct engine *e, uint32_t flow)
{
    const struct session *s = &e->sessions[flow];
    const struct tcp_end *client = &s->tcp.of[ROLE_CLIENT], *server = &s->tcp.of[ROLE_SERVER];
    struct session_rare *rare = &e->rare[flow];
    if (!s->has_rare || rare->resets_left == 0 || mono_before(e->now, rare->reset_due))
        return;
    int64_t wait = ENGINE_RESET_AGAIN_NS << (ENGINE_RESETS_AGAIN - rare->resets_left + 1);
    rare->resets_left--;
    rare->reset_due = mono_add(rare->reset_due, wait);
    if (s->condemned != ACTION_RESET || !client->started || !server->started || server->rst_seen) {
        rare->resets_left = 0;
        return;
    }
    struct reset_request r = {
        .from = e->table.flows[flow].of[ROLE_CLIENT],
        .to = e->table.flows[flow].of[ROLE_SERVER],
        .numbers = {.seq = client->passed, .ack = server->stream.next},
    };
    e->count.resets_again++;
    if (e->cfg.resets.send)
        e->cfg.resets.send(e->cfg.resets.ctx, &r);
}

bool engine_tick(struct engine *e, struct mono now)
{
    if (mono_before(e->now, now))
        e->now = now;
    for (uint32_t n = 0; n < TICK_FLOWS; n++) {
        uint32_t flow = wheel_due(&e->wheel, e->now);
        if (flow == WHEEL_NONE)
            return false;
        if (over(e, &e->table.flows[flow], lifetime(e, &e->sessions[flow]))) {
            flow_end(e, flow);
            continue;
        }
        reset_again(e, flow);
        wheel_put(&e->wheel, flow, due(e, flow));
    }
    return true;
}

size_t engine_open_flows(const struct engine *e, struct engine_open_flow *out, size_t room)
{
    size_t n = 0;
    for (uint32_t flow = 0; flow < e->table.fresh && n < room; flow++)
        if (e->table.flows[flow].used)
            out[n++] = (struct engine_open_flow){.flow_id = e->sessions[flow].flow_id, .flow = flow};
    return n;
}

void engine_end_flow(struct engine *e, uint32_t flow)
{
    flow_end(e, flow);
}

void engine_finish(struct engine *e)
{
    for (uint32_t flow = 0; flow < e->table.fresh; flow++)
        if (e->table.flows[flow].used)
            flow_end(e, flow);
}
