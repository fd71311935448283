/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation
 *
 * engine_feed takes one frame through all stages and answers with one verdict (V1).
 * Invariants held here, in GUARD:
 *
 * - a client's payload byte is let through only after the dialogue read it, or as
 *   part of a line that isn't complete yet (its end is what lets a server act), or
 *   beyond a gap, where the segment that fills the gap is still ours (S2);
 * - bytes behind a barrier are clipped off (D2). Were some of them let through
 *   beyond a gap before the barrier showed, the session is reset: a client that
 *   waits where RFC 5321 makes it wait never gets there;
 * - whatever can't be kept or compared is dropped, and TCP sends it again (S3);
 * - a condemned session stays condemned while its flow is known (V2), and only a
 *   SYN whose ISN the server acknowledges begins a new one.
 *
 * In WATCH nothing is held back, so that the only question is what the receiver
 * had: bytes that it acknowledged and we lack are a gap, given up after GAP_FRAMES
 * more frames (captures swap neighbours now and then), and what follows is judged
 * under every reading.
 *
 * What an attacker can try: fill the flow table (new SYNs are dropped, old flows
 * stay), fill the blocks (his own segments are dropped), keep sessions idle (they
 * time out), send anything out of order (kept apart by `stream`).
 */
#include "kmod-free/engine_internal.h"

#include <assert.h>
#include <stdlib.h>

#define GAP_FRAMES      6
/* On a port where SMTP was not expected: after so many bytes it isn't SMTP. */
#define RECOGNISE_BYTES 65536

void engine_config_defaults(struct engine_config *cfg)
{
    *cfg = (struct engine_config){
        .stance = STANCE_GUARD,
        .live = true,
        .max_flows = 65536,
        .stream_blocks = (64u << 20) / STREAM_BLOCK,
        .stream_block_limit = (4u << 20) / STREAM_BLOCK,
        .idle_ns = 1800 * NS_PER_S, /* RFC 5321 4.5.3.2 asks servers to wait 5 to 10 minutes */
        .handshake_ns = 30 * NS_PER_S,
        .closed_ns = 60 * NS_PER_S,
        .ports = {25},
        .port_count = 1,
        .smtp = {.line_max = SMTP_LINE_MAX_DEFAULT},
        .first_flow_id = 1,
        .want_session_events = true,
    };
}

struct engine *engine_new(const struct engine_config *cfg, struct policy *owned)
{
    struct engine *e = calloc(1, sizeof *e);
    if (!e)
        return NULL;
    e->cfg = *cfg;
    e->scratch_len = (size_t)cfg->smtp.line_max + 64;
    e->scratch = calloc(1, e->scratch_len);
    e->sessions = calloc(cfg->max_flows, sizeof *e->sessions);
    e->next_flow_id = cfg->first_flow_id;
    bool ok = e->scratch && e->sessions && flow_table_new(&e->table, cfg->max_flows, cfg->hash_key) &&
              wheel_new(&e->wheel, cfg->max_flows, engine_longest_life(cfg)) &&
              pool_new(&e->blocks, STREAM_BLOCK, cfg->stream_blocks) &&
              pool_new(&e->notes, sizeof(struct note), cfg->max_flows) && offenders_new(&e->offenders, cfg->hash_key);
    if (ok && cfg->defrag_datagrams > 0) {
        e->defrag = defrag_new(cfg->defrag_datagrams);
        ok = e->defrag != NULL;
    }
    if (!ok) {
        engine_free(e);
        return NULL;
    }
    e->policy = owned;
    return e;
}

void engine_free(struct engine *e)
{
    if (!e)
        return;
    if (e->defrag)
        defrag_free(e->defrag);
    pool_free(&e->notes);
    pool_free(&e->blocks);
    wheel_free(&e->wheel);
    flow_table_free(&e->table);
    offenders_free(&e->offenders);
    policy_free(e->policy);
    free(e->sessions);
    free(e->scratch);
    free(e);
}

struct policy *engine_swap_policy(struct engine *e, struct policy *owned)
{
    struct policy *old = e->policy;
    e->policy = owned;
    return old;
}

/*
 * In WATCH nobody noted what went on to the receiver, because everything did. So it is
 * noted now; and what lies behind a barrier already can't be called back, which
 * isn't its sender's fault.
 */
static void begin_to_guard(struct engine *e, uint32_t flow)
{
    struct session *s = &e->sessions[flow];
    for (int r = 0; r < ROLE_COUNT; r++) {
        struct tcp_end *end = &s->tcp.of[r];
        if (end->started && end->has_beyond)
            judge_gap(e, flow, (enum role)r); /* as WATCH would have, a few frames later */
        if (end->started)
            tcp_all_passed(end);
    }
    s->excused = s->tcp.of[ROLE_CLIENT].passed_high;
    s->is_excused = s->tcp.of[ROLE_CLIENT].started;
}

void engine_set_stance(struct engine *e, enum stance stance)
{
    if (stance == e->cfg.stance)
        return;
    for (uint32_t flow = 0; stance == STANCE_GUARD && flow < e->table.fresh; flow++)
        if (e->table.flows[flow].used)
            begin_to_guard(e, flow);
    e->cfg.stance = stance;
}

void engine_set_wants(struct engine *e, bool rcpt_events, bool session_events)
{
    e->cfg.want_rcpt_events = rcpt_events;
    e->cfg.want_session_events = session_events;
}

const struct packet *engine_packet(const struct engine *e)
{
    return &e->packet;
}

struct bytes engine_l3(const struct engine *e)
{
    return e->l3;
}

static bool is_server_port(const struct engine *e, uint16_t port)
{
    for (size_t i = 0; i < e->cfg.port_count; i++)
        if (e->cfg.ports[i] == port)
            return true;
    return false;
}

/* ---- sessions begin and end ---- */

static void session_begin(struct engine *e, uint32_t flow, const struct frame *f, bool midstream)
{
    struct session *s = &e->sessions[flow];
    const struct flow *fl = &e->table.flows[flow];
    *s = (struct session){
        .flow_id = e->next_flow_id++,
        .began = f->wall,
        .last = f->wall,
        .note = POOL_NONE,
        .tag = policy_tag_for(e->policy, f->tag, &fl->of[ROLE_CLIENT].addr),
        .port_known = is_server_port(e, fl->of[ROLE_SERVER].port),
        .midstream = midstream,
    };
    tcp_start(&s->tcp);
    smtp_start(&s->smtp, midstream ? SMTP_MIDSTREAM : SMTP_FROM_BANNER);
    e->count.flows++;
    dnsbl_begin(e, flow);
}

void engine_session_end(struct engine *e, uint32_t flow)
{
    struct session *s = &e->sessions[flow];
    bool spoke = s->bytes[ROLE_CLIENT] + s->bytes[ROLE_SERVER] > 0;
    judge_rest(e, flow);
    if (s->smtp.facts.recognised || (s->port_known && spoke)) {
        e->count.smtp_flows++;
        report_session(e, flow);
    }
    tcp_stop(&s->tcp, &e->blocks);
    if (s->note != POOL_NONE)
        pool_give(&e->notes, s->note);
    s->note = POOL_NONE;
}

static bool is_server(const struct engine *e, const struct endpoint *end)
{
    return is_server_port(e, end->port) && policy_protects(e->policy, &end->addr);
}

/*
 * Who is the client? Where one end can only be the server, that says it, whatever the flags pretend: a SYN|ACK
 * *to* a server must not make it the client, whose words would then be taken for replies.
 */
static bool sender_is_client(const struct engine *e, const struct packet *p)
{
    bool to_server = is_server(e, &p->dst), from_server = is_server(e, &p->src);
    if (to_server != from_server)
        return to_server;
    if (p->flags & TCP_SYN)
        return !(p->flags & TCP_ACK);
    to_server = is_server_port(e, p->dst.port);
    from_server = is_server_port(e, p->src.port);
    if (to_server != from_server)
        return to_server;
    /* A reply begins with three digits (RFC 5321 4.2); no command does. */
    struct bytes b = p->payload;
    bool reply = b.len >= 4;
    for (size_t i = 0; reply && i < 3; i++)
        reply = b.at[i] >= '0' && b.at[i] <= '9';
    return !(reply && (b.at[3] == ' ' || b.at[3] == '-'));
}

/* The packet's flow, made if it begins one. FLOW_NONE: not ours (*v = PASS) or no room (*v says what to do). */
static uint32_t flow_of(struct engine *e, const struct frame *f, enum role *from, struct verdict *v)
{
    const struct packet *p = &e->packet;
    uint32_t flow = flow_find(&e->table, &p->src, &p->dst, from);
    if (flow != FLOW_NONE)
        return flow;
    v->kind = VERDICT_PASS;
    if (!e->cfg.any_port && !is_server_port(e, p->dst.port) && !is_server_port(e, p->src.port)) {
        e->count.not_ours++;
        return FLOW_NONE;
    }
    bool syn = p->flags & TCP_SYN;
    if (!syn && p->wire_len == 0)
        return FLOW_NONE; /* the last ACKs of something that is over: nothing to judge */
    bool client = sender_is_client(e, p);
    if (e->cfg.only_protected && !policy_protects(e->policy, client ? &p->dst.addr : &p->src.addr)) {
        e->count.not_ours++; /* the server's own outgoing mail, say */
        return FLOW_NONE;
    }
    const struct endpoint *of[ROLE_COUNT] = {client ? &p->src : &p->dst, client ? &p->dst : &p->src};
    flow = flow_make(&e->table, of[ROLE_CLIENT], of[ROLE_SERVER], f->at);
    if (flow == FLOW_NONE && engine_make_room(e))
        flow = flow_make(&e->table, of[ROLE_CLIENT], of[ROLE_SERVER], f->at);
    if (flow == FLOW_NONE) {
        e->count.flows_refused++;
        if (engine_guards(e))
            v->kind = VERDICT_DROP;
        return FLOW_NONE;
    }
    *from = client ? ROLE_CLIENT : ROLE_SERVER;
    session_begin(e, flow, f, !syn);
    engine_refile(e, flow);
    return flow;
}

/* ---- verdicts ---- */

static struct verdict drop(enum reason reason)
{
    return (struct verdict){.kind = VERDICT_DROP, .reason = reason};
}

static struct verdict pass(void)
{
    return (struct verdict){.kind = VERDICT_PASS};
}

static struct verdict condemned(struct engine *e, uint32_t flow, enum role from)
{
    struct session *s = &e->sessions[flow];
    const struct tcp_end *mine = &s->tcp.of[from], *theirs = &s->tcp.of[role_other(from)];
    const struct packet *p = &e->packet;
    if (p->flags & TCP_SYN)
        return drop((enum reason)s->reason);
    if (s->condemned == ACTION_DROP) {
        struct verdict v = drop((enum reason)s->reason);
        v.ban = s->ban_due;
        v.onward = (struct reset_numbers){mine->started ? mine->passed : p->seq, p->ack};
        s->ban_due = false;
        return v;
    }
    if (s->resets_left == 0 && !s->sender_told[ROLE_CLIENT] && !s->sender_told[ROLE_SERVER]) {
        s->resets_left = ENGINE_RESETS_AGAIN;
        s->reset_due = mono_add(e->now, ENGINE_RESET_AGAIN_NS);
    }
    struct verdict v = {
        .kind = VERDICT_RESET,
        .from = from,
        .reason = (enum reason)s->reason,
        .client = e->table.flows[flow].of[ROLE_CLIENT],
        .server = e->table.flows[flow].of[ROLE_SERVER],
        .tell_sender = !s->sender_told[from],
        .ban = s->ban_due,
    };
    s->ban_due = false;
    s->sender_told[from] = true;
    v.onward.seq = mine->started ? mine->passed : p->seq;
    v.onward.ack = theirs->started ? theirs->stream.next : p->ack;
    v.back.seq = theirs->started ? theirs->passed : p->ack;
    v.back.ack = seq_add(p->seq, packet_seq_len(p));
    return v;
}

/* GUARD: the segment was taken up to `limit` and the dialogue has read all that it may. How much of it may go on? */
static struct verdict let_through(struct engine *e, uint32_t flow, enum role from, struct seq limit)
{
    struct session *s = &e->sessions[flow];
    const struct packet *p = &e->packet;
    struct tcp_end *end = &s->tcp.of[from];
    struct seq at = packet_data_seq(p), stop = seq_add(at, p->wire_len);
    struct verdict v = pass();
    if (from == ROLE_CLIENT && s->client_waits && p->wire_len > 0) {
        struct seq barrier = end->stream.read;
        if (!s->dnsbl_waits && seq_after(end->passed_high, barrier) && !(s->is_excused && !seq_after(end->passed_high, s->excused))) {
            judge_raise(e, flow, REASON_EVASION, NULL, 0); /* it is out already, beyond a gap that now closes */
            if (s->condemned)
                return condemned(e, flow, from);
        }
        limit = seq_earlier(limit, barrier);
    }
    if (p->wire_len > 0 && !seq_before(at, limit))
        return drop(REASON_NONE);
    if (seq_after(stop, limit))
        v = (struct verdict){
            .kind = VERDICT_CLIP,
            .from = from,
            .keep = (uint32_t)seq_diff(limit, at),
            .sender_mss = s->tcp.of[role_other(from)].mss,
        };
    tcp_passed(&s->tcp, p, from, v.kind == VERDICT_CLIP ? v.keep : p->wire_len);
    return v;
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
            judge_raise(e, flow, REASON_MIDSTREAM, NULL, 0);
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

static struct verdict answered(struct engine *e, uint32_t flow, enum role from, enum tcp_answer answer)
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
            judge_raise(e, flow, REASON_EVASION, NULL, 0);
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
    if (!engine_guards(e))
        return pass();
    if (s->condemned)
        return condemned(e, flow, from);
    if (answer == TCP_PART) {
        e->count.stream_full++;
        return let_through(e, flow, from, s->tcp.part);
    }
    if (answer != TCP_TAKEN)
        return drop(answer == TCP_CONFLICT ? REASON_EVASION : REASON_NONE);
    return let_through(e, flow, from, seq_add(packet_data_seq(&e->packet), e->packet.wire_len));
}

/*
 * Whoever is near enough to hand packets to the gateway can write the server's address on them, and the numbers he
 * knows: he is its client. A 354, a 220 for STARTTLS or an acknowledgment of what never arrived would be believed.
 * But they come in where the client's own packets do, and the server's don't.
 */
static bool spoofed(struct session *s, const struct frame *f, enum role from)
{
    if (from == ROLE_SERVER)
        return s->client_in != 0 && f->in == s->client_in;
    if (s->client_in == 0 && f->in != f->out)
        s->client_in = f->in;
    return false;
}

/* A condemned session's packets, but for what may begin a new one on the same ports. */
static struct verdict still_condemned(struct engine *e, uint32_t flow, enum role from)
{
    const struct packet *p = &e->packet;
    if (p->flags & (TCP_SYN | TCP_RST) && p->wire_len == 0)
        return pass();
    return condemned(e, flow, from);
}

static struct verdict judge_session(struct engine *e, const struct frame *f, uint32_t flow, enum role *whose)
{
    struct packet *p = &e->packet;
    struct verdict v;
    enum role from = *whose;
    struct session *s = &e->sessions[flow];
    if (spoofed(s, f, from)) {
        e->count.spoofed++;
        return engine_guards(e) ? drop(REASON_NONE) : pass();
    }
    e->table.flows[flow].last = e->now;
    s->last = f->wall;
    s->packets[from]++;
    s->bytes[from] += p->wire_len;
    if (urgent(p)) {
        e->count.urgent++;
        judge_raise(e, flow, REASON_EVASION, NULL, 0);
        if (engine_guards(e) && !s->condemned)
            return drop(REASON_EVASION); /* RFC 6093: servers disagree where the urgent byte goes */
    }
    if (s->midstream && e->cfg.live && s->packets[0] + s->packets[1] == 1)
        judge_raise(e, flow, REASON_MIDSTREAM, NULL, 0);
    if (s->opaque)
        p->payload.len = 0; /* nothing to judge, nothing to keep */
    struct tcp_limits lim = {&e->blocks, e->cfg.stream_block_limit, engine_guards(e)};
    enum tcp_answer answer = tcp_take(&s->tcp, &lim, p, from);
    uint32_t client_in = s->client_in;
    if (answer == TCP_TURNED && is_server(e, &e->table.flows[flow].of[ROLE_CLIENT])) {
        engine_session_end(e, flow);
        flow_swap_roles(&e->table, flow);
        *whose = from = role_other(from);
        client_in = 0;
        answer = TCP_RENEWED;
    } else if (answer == TCP_RENEWED) {
        engine_session_end(e, flow);
    }
    if (answer == TCP_RENEWED) {
        session_begin(e, flow, f, false);
        s->client_in = client_in;
        s->packets[from]++;
        s->bytes[from] += p->wire_len;
        answer = tcp_take(&s->tcp, &lim, p, from);
    }
    if (s->opaque) {
        v = pass();
    } else if (s->condemned) {
        v = still_condemned(e, flow, from);
    } else {
        v = answered(e, flow, from, answer);
        if (!s->port_known && !s->smtp.facts.recognised && s->bytes[0] + s->bytes[1] > RECOGNISE_BYTES)
            s->opaque = true;
    }
    engine_refile(e, flow);
    return v;
}

static struct verdict judge_packet(struct engine *e, const struct frame *f)
{
    struct verdict v = {0};
    enum role from = ROLE_CLIENT;
    uint32_t flow = flow_of(e, f, &from, &v);
    if (flow == FLOW_NONE)
        return v;
    v = judge_session(e, f, flow, &from);
    refuse_lay_over(e, flow, from, &v);
    return v;
}

static struct verdict refuse_in_guard(const struct engine *e)
{
    return engine_guards(e) ? drop(REASON_NONE) : pass();
}

static struct verdict feed(struct engine *e, const struct frame *f)
{
    struct frame whole;
    enum packet_result r = packet_decode(f, &e->packet);
    if (r == PACKET_FRAGMENT && e->defrag) {
        e->count.fragments++;
        if (!defrag_add(e->defrag, f, &e->packet, &whole))
            return refuse_in_guard(e); /* its datagram goes on as a whole, or not at all */
        f = &whole;
        r = packet_decode(f, &e->packet);
    }
    e->l3 = f->l3; /* of the whole datagram, that is */
    switch (r) {
    case PACKET_TCP:
        return judge_packet(e, f);
    case PACKET_OTHER:
        e->count.not_tcp++;
        return pass();
    case PACKET_FRAGMENT:
        e->count.fragments++;
        return refuse_in_guard(e);
    case PACKET_BROKEN:
        e->count.broken++;
        return refuse_in_guard(e);
    case PACKET_BAD_CSUM:
        e->count.bad_csum++;
        return refuse_in_guard(e);
    case PACKET_UNSET:
        e->count.csum_unset++;
        return drop(REASON_NONE);
    }
    return (struct verdict){0};
}

struct verdict engine_feed(struct engine *e, const struct frame *f)
{
    if (mono_before(e->now, f->at))
        e->now = f->at; /* a capture's clock may run backwards; ours doesn't */
    e->count.frames++;
    e->count.bytes += f->l3.len;
    struct verdict v = feed(e, f);
    switch (v.kind) {
    case VERDICT_UNSET:
        e->count.unset++;
        break;
    case VERDICT_PASS:
        e->count.passed++;
        break;
    case VERDICT_CLIP:
        e->count.clipped++;
        break;
    case VERDICT_REWRITE:
        e->count.rewritten++;
        break;
    case VERDICT_DROP:
        e->count.dropped++;
        break;
    case VERDICT_RESET:
        e->count.resets++;
        break;
    }
    return v;
}

void engine_count(const struct engine *e, struct engine_counters *out)
{
    *out = e->count;
    out->flows_now = e->table.used;
    out->flows_peak = e->table.peak;
    out->flows_max = e->table.max;
    out->blocks_now = e->blocks.used;
    out->blocks_peak = e->blocks.peak;
    out->blocks_max = e->blocks.count;
}
