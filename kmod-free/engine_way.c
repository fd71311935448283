/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which of several connections a packet belongs to, where its endpoints don't tell.
 *
 * Theory of operation
 *
 * We see packets behind DNAT. Where two ways lead through it to one port of a server (two public addresses, say), a
 * client may use one port of its own for both, and has two connections with the same endpoints, from here. The kernel
 * gives one of them another source port, but behind us. Taken for one, they are a hole: the numbers of one make the
 * bytes of the other look as if they lay beyond a gap, and they pass unread (S2), while their server gets them in order.
 *
 * The kernel knows better: its connection tracking has what the client wrote to, and what the server answers to. A
 * hash of both is the packet's way (frame.way). Two connections that live at one time have not both in common, and
 * one connection keeps it even if the tracking is flushed. It comes with each packet only if it is asked for, since
 * that costs; so it is asked for (want_ways) when the first packet comes that may be of a second connection:
 *
 * - a SYN of another number, while the server was not heard to end the connection: not FIN and RST of the client, which
 *   may have died behind us, and not a RST of the server, which answers whatever strays;
 * - a SYN|ACK of another number, likewise (two SYNs may have one number);
 * - a SYN on the endpoints of a connection that was forgotten although it may live: one that fell silent or
 *   was pushed out, and wasn't ended by its server, or that was open before we came (engine_expect_other).
 *
 * That packet is dropped, and comes again, with its way. Nothing else can begin a second connection: a server that
 * is waiting for a client to acknowledge its SYN|ACK reads nothing from one that has not got it, and what it
 * took out of a SYN is in the session and compared. Packets that were under way meanwhile are dropped, too
 * (WAYS_COME_NS). Those that have none later are not tracked, and so not translated: they are on one way.
 *
 * With ways, one session has one connection:
 *
 * - The SYN|ACK decides, not the SYN, which anybody can send from anybody's address. The first one that answers gives its
 *   way to the session. One of another way begins a new session only when the old one is over (`ended`): its server
 *   said FIN, or one end sent a RST with the very number that the other waits for, or it is condemned. Else it is dropped. So a SYN in a client's
 *   name to the other address does nothing to its session: its answer doesn't get by, whoever sent it.
 * - A client that has crashed, and comes again from the same port: on the same way the server has its say, as ever (a
 *   challenge ACK, which the client answers with such a RST; or a SYN|ACK). On the other way it waits for the end of
 *   the old one, or takes another port, as a second connection does.
 * - What has another way than its session's is dropped, in both directions, and raises nothing: anybody can send it.
 * - A session that began without learns its way from the server alone: from its SYN|ACK, or from a packet with just the next
 *   number, which no second connection has, and nobody else knows (RSTs and answers to what strays have other
 *   numbers). Until then its client's packets pass as they did: there is no second connection yet that could be meant,
 *   since its SYN|ACK is dropped. A session that is picked up under way has the way of its first packet: what is known
 *   of it comes from there.
 * - A server that took data out of a SYN repeats its SYN|ACK even when it has spoken, and that would begin a session that knows
 *   nothing of these data. So a session with such data isn't over before its server says so, and in a SYN that may begin
 *   another one no data pass (its client sends them again).
 *
 * - A packet without a way is not tracked: connection tracking finds it invalid, perhaps because somebody led it astray on
 *   purpose. It isn't translated either, but a server that can be reached directly, too, may have one connection by
 *   either way. So where another connection has a session's endpoints, or may have them (way_contested), such a packet is
 *   dropped. Elsewhere it passes, as it would without us.
 *
 * Nobody can forge a way: the kernel says it, and the hash has a key.
 *
 * WATCH holds nothing up, and doesn't ask. It notes where two may live, and there GUARD begins as with a session that
 * was under way (engine_set_stance).
 */
#include "kmod-free/engine_internal.h"

/* So long after they were asked for, packets may still come without. No SYN is repeated sooner. */
#define WAYS_COME_NS NS_PER_S

#define DEPARTED_MASK ((UINT32_C(1) << DEPARTED_BITS) - 1)

/* ---- who was forgotten ---- */

/* The two bits of a connection. */
static void departed_places(uint32_t hash, uint32_t place[static 2])
{
    place[0] = hash & DEPARTED_MASK;
    place[1] = hash >> (32 - DEPARTED_BITS);
}

static bool bit_at(const uint8_t *bits, uint32_t place)
{
    return bits[place / 8] >> place % 8 & 1;
}

/* Another hour? */
static void departed_age(struct departed *d, struct mono now)
{
    if (d->turned.ns != 0 && mono_before(now, mono_add(d->turned, DEPARTED_AGE_NS)))
        return;
    d->turned = now;
    d->young ^= 1;
    memset(d->bits[d->young], 0, sizeof d->bits[0]);
}

static void departed_put(struct engine *e, uint32_t hash)
{
    uint32_t place[2];
    departed_places(hash, place);
    departed_age(&e->departed, e->now);
    for (int i = 0; i < 2; i++)
        e->departed.bits[e->departed.young][place[i] / 8] |= (uint8_t)(1u << place[i] % 8);
}

void way_depart(struct engine *e, uint32_t flow)
{
    const struct tcp *t = &e->sessions[flow].tcp;
    if (e->cfg.ways && e->cfg.live && t->established && !t->of[ROLE_SERVER].fin_seen)
        departed_put(e, e->table.links[flow].hash);
}

void engine_expect_other(struct engine *e, const struct endpoint *a, const struct endpoint *b, struct mono now)
{
    e->now = now;
    if (engine_is_server(e, a) || engine_is_server(e, b))
        departed_put(e, flow_hash(&e->table, a, b));
}

static bool has_departed(struct engine *e, uint32_t flow)
{
    struct departed *d = &e->departed;
    uint32_t place[2];
    bool found = false;
    if (d->turned.ns == 0)
        return false;
    departed_places(e->table.links[flow].hash, place);
    departed_age(d, e->now);
    for (int i = 0; i < 2; i++)
        found |= bit_at(d->bits[i], place[0]) && bit_at(d->bits[i], place[1]);
    return found;
}

/* ---- one packet ---- */

/* It doesn't say its way, and may be of a second connection. false: no packet says more. */
static bool asks(struct engine *e, struct verdict *v)
{
    if (!e->cfg.ways || (e->ways_asked.ns != 0 && !mono_before(e->now, mono_add(e->ways_asked, WAYS_COME_NS))))
        return false;
    v->want_ways = e->ways_asked.ns == 0;
    if (v->want_ways)
        e->ways_asked = e->now;
    e->count.way_unknown++;
    verdict_drop(v, REASON_NONE);
    return true;
}

static bool other(struct engine *e, struct session *s, struct verdict *v)
{
    s->way_contested = true;
    e->count.other_way++;
    verdict_drop(v, REASON_NONE);
    return true;
}

/* Is it over for its server, or for its client, who told the server so, or for us? */
static bool ended(const struct session *s)
{
    const struct tcp_end *client = &s->tcp.of[ROLE_CLIENT], *server = &s->tcp.of[ROLE_SERVER];
    return server->fin_seen || (!s->tcp.syn_data && (s->condemned || client->rst_exact || server->rst_exact));
}

/* Nothing is known of the connection that this SYN may begin. */
static bool is_first(const struct tcp *t)
{
    return !t->of[ROLE_CLIENT].started && !t->of[ROLE_SERVER].started;
}

/* By its numbers: may this SYN begin a second connection? */
static bool second_syn(struct engine *e, uint32_t flow)
{
    const struct tcp *t = &e->sessions[flow].tcp;
    return is_first(t) ? has_departed(e, flow)
                       : !seq_equal(seq_add(e->packet.seq, 1), t->of[ROLE_CLIENT].first) && !t->of[ROLE_SERVER].fin_seen;
}

/* Likewise, may this SYN|ACK be a second connection's? */
static bool second_syn_ack(const struct tcp *t, struct seq seq)
{
    const struct tcp_end *server = &t->of[ROLE_SERVER];
    return server->started && t->established && !seq_equal(seq_add(seq, 1), server->first) && !server->fin_seen;
}

static bool refuses_syn(struct engine *e, const struct frame *f, uint32_t flow, struct verdict *v)
{
    struct session *s = &e->sessions[flow];
    bool first = is_first(&s->tcp);
    if (f->way == 0)
        return second_syn(e, flow) && asks(e, v);
    s->way_contested |= first && has_departed(e, flow);
    return !first && f->way != s->way && e->packet.wire_len > 0 && other(e, s, v);
}

static void begin_anew(struct engine *e, const struct frame *f, uint32_t flow)
{
    engine_session_end(e, flow);
    engine_session_begin(e, flow, f, false);
}

static bool refuses_syn_ack(struct engine *e, const struct frame *f, uint32_t flow, struct verdict *v)
{
    struct session *s = &e->sessions[flow];
    const struct tcp_end *client = &s->tcp.of[ROLE_CLIENT], *server = &s->tcp.of[ROLE_SERVER];
    bool answered = server->started && s->tcp.established;
    bool same = answered && seq_equal(seq_add(e->packet.seq, 1), server->first);
    if (f->way == 0 && s->way_contested && s->way != 0)
        return other(e, s, v);
    if (f->way == 0)
        return second_syn_ack(&s->tcp, e->packet.seq) && asks(e, v);
    if (f->way == s->way)
        return false;
    if (s->way == 0 && (same || !answered)) {
        /* where data are out with the SYN, a later packet will say whose it is */
        if (same || !client->started || seq_equal(client->passed_high, client->first))
            s->way = f->way;
        return false;
    }
    if (!ended(s))
        return other(e, s, v);
    bool lives = !server->fin_seen;
    begin_anew(e, f, flow);
    s->way_contested = lives;
    return false;
}

/* WATCH */
static void watch(struct engine *e, uint32_t flow, enum role from, uint8_t syn)
{
    struct session *s = &e->sessions[flow];
    if (!e->cfg.ways || !e->cfg.live)
        return;
    if (from == ROLE_CLIENT && syn == TCP_SYN)
        s->way_contested |= second_syn(e, flow);
    else if (from == ROLE_SERVER && syn == (TCP_SYN | TCP_ACK))
        s->way_contested |= second_syn_ack(&s->tcp, e->packet.seq);
}

bool way_refuses(struct engine *e, const struct frame *f, uint32_t flow, enum role from, struct verdict *v)
{
    struct session *s = &e->sessions[flow];
    const struct packet *p = &e->packet;
    const struct tcp_end *server = &s->tcp.of[ROLE_SERVER];
    uint8_t syn = p->flags & (TCP_SYN | TCP_ACK);
    if (!engine_guards(e)) {
        watch(e, flow, from, syn);
        return false;
    }
    if (from == ROLE_CLIENT && syn == TCP_SYN)
        return refuses_syn(e, f, flow, v);
    if (from == ROLE_SERVER && syn == (TCP_SYN | TCP_ACK))
        return refuses_syn_ack(e, f, flow, v);
    if (f->way == s->way || (f->way == 0 && !s->way_contested))
        return false;
    if (s->way != 0)
        return other(e, s, v);
    if (from == ROLE_SERVER && syn == TCP_ACK && !(p->flags & TCP_RST) && server->started && s->tcp.established &&
        seq_equal(p->seq, server->stream.next))
        s->way = f->way;
    return false;
}
