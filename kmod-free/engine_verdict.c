/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What becomes of one packet of a known session. The promises it keeps: engine.c, "Theory of operation". */
#include "kmod-free/engine_internal.h"

#define GAP_FRAMES      6
/* On a port where SMTP was not expected: after so many bytes it isn't SMTP. */
#define RECOGNISE_BYTES 65536

static void condemned(struct engine *e, uint32_t flow, enum role from, struct verdict *v)
{
    struct session *s = &e->sessions[flow];
    const struct tcp_end *mine = &s->tcp.of[from], *theirs = &s->tcp.of[role_other(from)];
    struct session_rare *rare = session_rare_make(e, flow);
    const struct packet *p = &e->packet;
    if (p->flags & TCP_SYN || s->condemned == ACTION_DROP)
        verdict_drop(v, (enum reason)rare->reason);
    if (p->flags & TCP_SYN)
        return;
    if (s->condemned == ACTION_DROP) {
        v->ban = s->ban_due;
        v->onward = (struct reset_numbers){mine->started ? mine->passed : p->seq, p->ack};
        s->ban_due = false;
        return;
    }
    if (rare->resets_left == 0 && !rare->sender_told[ROLE_CLIENT] && !rare->sender_told[ROLE_SERVER]) {
        rare->resets_left = ENGINE_RESETS_AGAIN;
        rare->reset_due = mono_add(e->now, ENGINE_RESET_AGAIN_NS);
    }
    *v = (struct verdict){
        .kind = VERDICT_RESET,
        .from = from,
        .reason = (enum reason)rare->reason,
        .tell_sender = !rare->sender_told[from],
        .ban = s->ban_due,
    };
    s->ban_due = false;
    rare->sender_told[from] = true;
    v->onward.seq = mine->started ? mine->passed : p->seq;
    v->onward.ack = theirs->started ? theirs->stream.next : p->ack;
    v->back.seq = theirs->started ? theirs->passed : p->ack;
    v->back.ack = seq_add(p->seq, packet_seq_len(p));
}

/* GUARD: the segment was taken up to `limit` and the dialogue has read all that it may. How much of it may go on? */
static void let_through(struct engine *e, uint32_t flow, enum role from, struct seq limit, struct verdict *v)
{
    struct session *s = &e->sessions[flow];
    const struct packet *p = &e->packet;
    struct tcp_end *end = &s->tcp.of[from];
    struct seq at = packet_data_seq(p), stop = seq_add(at, p->wire_len);
    if (from == ROLE_CLIENT && s->client_waits && p->wire_len > 0) {
        struct seq barrier = end->stream.read;
        bool excused = s->is_excused && !seq_after(end->passed_high, session_rare_of(e, flow)->excused);
        if (!s->dnsbl_waits && seq_after(end->passed_high, barrier) && !excused) {
            judge_raise(e, flow, REASON_EVASION); /* it is out already, beyond a gap that now closes */
            if (s->condemned) {
                condemned(e, flow, from, v);
                return;
            }
        }
        limit = seq_earlier(limit, barrier);
        if (s->dnsbl_waits) {
            v->held_until = mono_add(session_rare_of(e, flow)->held_since, e->cfg.dnsbl_wait_ns);
            v->flow = flow;
        }
    }
    if (from == ROLE_CLIENT && session_over(s) && p->wire_len > 0)
        limit = seq_earlier(limit, s->quit);
    if (p->wire_len > 0 && !seq_before(at, limit)) {
        verdict_drop(v, REASON_NONE);
        return;
    }
    if (seq_after(stop, limit)) {
        v->kind = VERDICT_CLIP;
        v->from = from;
        v->keep = (uint32_t)seq_diff(limit, at);
        v->sender_mss = s->tcp.of[role_other(from)].mss;
        v->may_pad = (s->tcp.syn_seen || seq_after(end->stream.acked, end->first)) && !seq_before(end->stream.acked, at);
    } else {
        verdict_pass(v);
    }
    tcp_passed(&s->tcp, p, from, v->kind == VERDICT_CLIP ? v->keep : p->wire_len);
}

/*
 * Is QUIT the last that the client had to say? From then on nothing of the client's is let through (GUARD), so whatever
 * the server answers has no commands to give a meaning to, and a FIN of the client's no beginning of a line that it
 * could turn into one: the server has answered all that came before QUIT, so it has those bytes, and a FIN, or a RST,
 * that overtakes QUIT on its way can cut short QUIT and nothing else. The firewall lets both by, and we don't see them; the server's FIN comes, and tells that it has
 * QUIT. A client's packet with payload still comes here, too. Not in WATCH: a RST that needn't come here overtakes the
 * QUIT that is on its way out (seen), and monitor mode changes nothing on the wire.
 */
static void perhaps_over(const struct engine *e, struct session *s)
{
    struct tcp_end *client = &s->tcp.of[ROLE_CLIENT];
    if (!e->cfg.live || !engine_guards(e) || s->opaque || s->condemned || !smtp_leaving(&s->smtp) || !s->tcp.confirmed ||
        !seq_equal(client->stream.read, client->stream.end) || seq_after(client->passed_high, client->stream.read))
        return;
    s->quit = client->stream.read;
    client->fin_unseen = true;
    s->tcp.of[ROLE_SERVER].unseen = true;
}

/* Without payload, too: the pointer may mark a byte of a later segment, and the server takes that one out. */
static bool urgent(const struct packet *p)
{
    return p->flags & TCP_URG;
}

/* GUARD, or live WATCH: a hole in what we saw although nothing can pass us: picked up under way, or fail-open. */
static void pick_up(struct engine *e, uint32_t flow)
{
    struct session *s = &e->sessions[flow];
    for (int r = 0; r < ROLE_COUNT; r++) {
        struct tcp_end *end = &s->tcp.of[r];
        if (!end->has_beyond)
            continue;
        if (!seq_after(end->beyond, end->stream.next)) {
            end->has_beyond = false;
            end->beyond_frames = 0;
            if (r == ROLE_CLIENT && !engine_guards(e))
                judge_client_first(e, flow);
            continue;
        }
        if (engine_guards(e)) {
            judge_raise(e, flow, REASON_MIDSTREAM);
            if (s->condemned)
                return;
        } else if (end->seen && ++end->beyond_frames < GAP_FRAMES) {
            continue;
        }
        judge_gap(e, flow, (enum role)r);
    }
}

/*
 * The capture kept only the beginning of this segment, and of any copy of it: the rest is a gap at
 * once, so that what comes behind it stays in order with what the other side says.
 */
static void cut_short(struct engine *e, uint32_t flow, enum role from)
{
    struct session *s = &e->sessions[flow];
    const struct packet *p = &e->packet;
    struct tcp_end *end = &s->tcp.of[from];
    struct seq at = packet_data_seq(p), stop = seq_add(at, p->wire_len);
    if (p->payload.len == p->wire_len || !end->started ||
        !seq_equal(end->stream.next, seq_add(at, (uint32_t)p->payload.len)))
        return;
    judge_pump(e, flow);
    if (s->opaque || (from == ROLE_CLIENT && s->client_waits))
        return; /* the reply that it waits for is still to come: found as a gap when the bytes are acknowledged */
    end->beyond = end->has_beyond ? seq_later(end->beyond, stop) : stop;
    end->has_beyond = true;
    judge_gap(e, flow, from);
}

static void answered(struct engine *e, uint32_t flow, enum role from, enum tcp_answer answer, struct verdict *v)
{
    struct session *s = &e->sessions[flow];
    switch (answer) {
    case TCP_TAKEN:
    case TCP_PART:
    case TCP_RENEWED:
    case TCP_TURNED:
        break;
    case TCP_CONFLICT:
        e->count.conflicts++;
        if (from == ROLE_CLIENT)
            judge_raise(e, flow, REASON_EVASION);
        break;
    case TCP_FULL:
        e->count.stream_full++;
        break;
    case TCP_OUTSIDE:
        e->count.out_of_window++;
        break;
    }
    if (answer == TCP_TAKEN && !engine_guards(e))
        cut_short(e, flow, from);
    pick_up(e, flow);
    if (!s->condemned)
        judge_pump(e, flow);
    if (!engine_guards(e)) {
        verdict_pass(v);
    } else if (s->condemned) {
        condemned(e, flow, from, v);
    } else if (answer == TCP_PART) {
        e->count.stream_full++;
        let_through(e, flow, from, s->tcp.part, v);
    } else if (answer != TCP_TAKEN) {
        verdict_drop(v, answer == TCP_CONFLICT ? REASON_EVASION : REASON_NONE);
    } else {
        let_through(e, flow, from, seq_add(packet_data_seq(&e->packet), e->packet.wire_len), v);
    }
}

/*
 * Whoever is near enough to hand packets to the gateway can write the server's address on them, and the numbers he
 * knows: he is its client. A 354, a 220 for STARTTLS or an acknowledgment of what never arrived would be believed.
 * But they come in where the client's own packets do, and the server's don't.
 */
static bool spoofed(struct flow *fl, const struct frame *f, enum role from)
{
    if (from == ROLE_SERVER)
        return fl->client_in != 0 && f->in == fl->client_in;
    if (fl->client_in == 0 && f->in != f->out)
        fl->client_in = f->in;
    return false;
}

/* A condemned session's packets, but for what may begin a new one on the same ports. */
static void still_condemned(struct engine *e, uint32_t flow, enum role from, struct verdict *v)
{
    const struct packet *p = &e->packet;
    if (p->flags & (TCP_SYN | TCP_RST) && p->wire_len == 0)
        verdict_pass(v);
    else
        condemned(e, flow, from, v);
}

void verdict_on(struct engine *e, const struct frame *f, uint32_t flow, enum role *whose, struct verdict *v)
{
    struct packet *p = &e->packet;
    enum role from = *whose;
    struct session *s = &e->sessions[flow];
    struct flow *fl = &e->table.flows[flow];
    if (spoofed(fl, f, from)) {
        e->count.spoofed++;
        if (engine_guards(e))
            verdict_drop(v, REASON_NONE);
        else
            verdict_pass(v);
        return;
    }
    if ((f->way != s->way || p->flags & TCP_SYN) && way_refuses(e, f, flow, from, v))
        return;
    fl->last = e->now;
    fl->last_wall = f->wall;
    s->packets[from]++;
    s->bytes[from] += p->wire_len;
    if (urgent(p)) {
        e->count.urgent++;
        judge_raise(e, flow, REASON_EVASION);
        if (engine_guards(e) && !s->condemned) {
            verdict_drop(v, REASON_EVASION); /* RFC 6093: servers disagree where the urgent byte goes */
            return;
        }
    }
    if (s->midstream && e->cfg.live && s->packets[0] + s->packets[1] == 1)
        judge_raise(e, flow, REASON_MIDSTREAM);
    if (s->opaque)
        p->payload.len = 0; /* nothing to judge, nothing to keep */
    struct tcp_limits lim = {&e->blocks, e->cfg.stream_block_limit, engine_guards(e)};
    enum tcp_answer answer = tcp_take(&s->tcp, &lim, p, from);
    if (answer == TCP_TURNED && engine_is_server(e, &e->table.flows[flow].of[ROLE_CLIENT])) {
        engine_session_end(e, flow);
        flow_swap_roles(&e->table, flow);
        *whose = from = role_other(from);
        answer = TCP_RENEWED;
    } else if (answer == TCP_RENEWED) {
        engine_session_end(e, flow);
    }
    if (answer == TCP_RENEWED) {
        bool contested = s->way_contested; /* the other connection lives on */
        engine_session_begin(e, flow, f, false);
        s->way_contested = contested;
        s->packets[from]++;
        s->bytes[from] += p->wire_len;
        answer = tcp_take(&s->tcp, &lim, p, from);
    }
    if (s->dnsbl == DNSBL_POSTPONED)
        dnsbl_postponed(e, flow);
    if (s->opaque) {
        verdict_pass(v);
    } else if (s->condemned) {
        still_condemned(e, flow, from, v);
    } else {
        answered(e, flow, from, answer, v);
        if (!s->port_known && !s->smtp.facts.recognised && s->bytes[0] + s->bytes[1] > RECOGNISE_BYTES)
            s->opaque = true;
        if (!session_over(s))
            perhaps_over(e, s);
        v->over = session_over(s) && !(p->flags & TCP_SYN); /* which begins another one on the same ports */
    }
    if (session_filed(s) > (enum filed)s->filed)
        engine_file(e, flow, session_filed(s));
}
