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

#define CACHE_LINE  64
/* With more than these in the table, memory is waited for. */
#define LARGE_FLOWS 8192

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
    size_t size;
    if (!__builtin_mul_overflow(cfg->max_flows, sizeof *e->sessions, &size))
        e->sessions = aligned_alloc(CACHE_LINE, size); /* none is read that wasn't begun */
    e->rare = calloc(cfg->max_flows, sizeof *e->rare);
    e->next_flow_id = cfg->first_flow_id;
    bool ok = e->scratch && e->sessions && e->rare && flow_table_new(&e->table, cfg->max_flows, cfg->hash_key) &&
              wheel_new(&e->wheel, cfg->max_flows, engine_longest_life(cfg)) &&
              pool_new(&e->blocks, STREAM_BLOCK, cfg->stream_blocks) &&
              pool_new(&e->notes, sizeof(struct note_block), cfg->max_flows * (uint32_t)NOTE_BLOCKS_MAX) && offenders_new(&e->offenders, cfg->hash_key);
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
    free(e->rare);
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
    if (s->tcp.of[ROLE_CLIENT].started)
        session_rare_make(e, flow)->excused = s->tcp.of[ROLE_CLIENT].passed_high;
    s->is_excused = s->tcp.of[ROLE_CLIENT].started;
}

/*
 * And where two connections may have the same endpoints (engine_way.c), what WATCH knows of one may be the other's. No
 * packet would tell any more: it is as if the session was met under way.
 */
static void guard_contested(struct engine *e, uint32_t flow)
{
    struct session *s = &e->sessions[flow];
    if (!s->way_contested)
        return;
    judge_raise(e, flow, REASON_MIDSTREAM);
    if (s->condemned)
        s->opaque = false; /* TLS was one's alone */
}

void engine_set_stance(struct engine *e, enum stance stance)
{
    if (stance == e->cfg.stance)
        return;
    for (uint32_t flow = 0; stance == STANCE_GUARD && flow < e->table.fresh; flow++)
        if (e->table.flows[flow].used)
            begin_to_guard(e, flow);
    e->cfg.stance = stance;
    for (uint32_t flow = 0; stance == STANCE_GUARD && flow < e->table.fresh; flow++)
        if (e->table.flows[flow].used)
            guard_contested(e, flow);
}

void engine_no_ways(struct engine *e)
{
    e->cfg.ways = false;
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

void engine_session_begin(struct engine *e, uint32_t flow, const struct frame *f, bool midstream)
{
    struct session *s = &e->sessions[flow];
    struct flow *fl = &e->table.flows[flow];
    fl->last_wall = f->wall;
    *s = (struct session){
        .flow_id = e->cfg.ids_of_frames ? e->cfg.first_flow_id + e->count.frames - 1 : e->next_flow_id++,
        .began = f->wall,
        .note = POOL_NONE,
        .tag = policy_tag_for(e->policy, f->tag, &fl->of[ROLE_CLIENT].addr),
        .port_known = is_server_port(e, fl->of[ROLE_SERVER].port),
        .midstream = midstream,
        .way = (e->packet.flags & (TCP_SYN | TCP_ACK)) == TCP_SYN ? 0 : f->way, /* a SYN alone proves nothing */
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
    note_forget(e, s);
}

bool engine_is_server(const struct engine *e, const struct endpoint *end)
{
    return is_server_port(e, end->port) && policy_protects(e->policy, &end->addr);
}

/*
 * Who is the client? Where one end can only be the server, that says it, whatever the flags pretend: a SYN|ACK
 * *to* a server must not make it the client, whose words would then be taken for replies.
 */
static bool sender_is_client(const struct engine *e, const struct packet *p)
{
    bool to_server = engine_is_server(e, &p->dst), from_server = engine_is_server(e, &p->src);
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
    if (e->cfg.shares > 1 && flow_share(&p->src, &p->dst, e->cfg.shares) != e->cfg.share) {
        v->kind = VERDICT_PASS;
        return FLOW_NONE;
    }
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
    engine_session_begin(e, flow, f, !syn);
    engine_file(e, flow, FILED_OPEN);
    return flow;
}

/*
 * Multipath TCP (RFC 8684) puts bytes of several connections together, of which each alone says nothing. Who finds no
 * trace of it in a SYN speaks plain TCP. Where the SYN's data are to be cut as well, the client sends it again without.
 */
static void keep_single(const struct engine *e, enum role from, struct verdict *v)
{
    const struct packet *p = &e->packet;
    if ((v->kind != VERDICT_PASS && v->kind != VERDICT_CLIP && v->kind != VERDICT_REWRITE) || !packet_options(p).multipath)
        return;
    if (v->kind == VERDICT_PASS && p->payload.len == p->wire_len)
        *v = (struct verdict){.kind = VERDICT_REWRITE, .from = from, .keep = p->wire_len, .single_path = true};
    else
        verdict_drop(v, REASON_NONE);
}

static void judge_packet(struct engine *e, const struct frame *f, struct verdict *v)
{
    enum role from = ROLE_CLIENT;
    uint32_t flow = flow_of(e, f, &from, v);
    if (flow == FLOW_NONE)
        return;
    verdict_on(e, f, flow, &from, v);
    if (e->sessions[flow].refused_count > 0)
        refuse_lay_over(e, flow, from, v);
    if (e->packet.flags & TCP_SYN && engine_guards(e))
        keep_single(e, from, v);
}

static void refuse_in_guard(const struct engine *e, struct verdict *v)
{
    if (engine_guards(e))
        verdict_drop(v, REASON_NONE);
    else
        verdict_pass(v);
}

static void feed(struct engine *e, const struct frame *f, struct verdict *v)
{
    struct frame whole;
    enum packet_result r = packet_decode(f, &e->packet);
    if (r == PACKET_FRAGMENT && e->defrag) {
        e->count.fragments++;
        if (!defrag_add(e->defrag, f, &e->packet, &whole)) {
            refuse_in_guard(e, v); /* its datagram goes on as a whole, or not at all */
            return;
        }
        f = &whole;
        r = packet_decode(f, &e->packet);
    }
    e->l3 = f->l3; /* of the whole datagram, that is */
    switch (r) {
    case PACKET_TCP:
        judge_packet(e, f, v);
        break;
    case PACKET_OTHER:
        e->count.not_tcp++;
        verdict_pass(v);
        break;
    case PACKET_FRAGMENT:
        e->count.fragments++;
        refuse_in_guard(e, v);
        break;
    case PACKET_BROKEN:
        e->count.broken++;
        refuse_in_guard(e, v);
        break;
    case PACKET_BAD_CSUM:
        e->count.bad_csum++;
        refuse_in_guard(e, v);
        break;
    case PACKET_UNSET:
        e->count.csum_unset++;
        verdict_drop(v, REASON_NONE);
        break;
    }
}

struct verdict engine_feed(struct engine *e, const struct frame *f)
{
    if (mono_before(e->now, f->at))
        e->now = f->at; /* a capture's clock may run backwards; ours doesn't */
    e->count.frames++;
    e->count.bytes += f->l3.len;
    struct verdict v = {0};
    feed(e, f, &v);
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

bool engine_is_large(const struct engine *e)
{
    return e->table.used > LARGE_FLOWS;
}

void engine_expect(struct engine *e, struct bytes l3)
{
    struct endpoint src, dst;
    if (!packet_glance(l3, &src, &dst) ||
        (e->cfg.shares > 1 && flow_share(&src, &dst, e->cfg.shares) != e->cfg.share))
        return;
    uint32_t flow = flow_expect(&e->table, &src, &dst);
    if (flow == FLOW_NONE)
        return;
    const uint8_t *at = (const uint8_t *)&e->sessions[flow];
    for (size_t i = 0; i < sizeof(struct session); i += CACHE_LINE)
        __builtin_prefetch(at + i, 1);
}

void engine_memory(const struct engine *e, struct engine_run out[static ENGINE_RUNS])
{
    const struct flow_table *t = &e->table;
    size_t flows = t->max;
    const struct engine_run runs[ENGINE_RUNS] = {
        {e->sessions, flows * sizeof *e->sessions},
        {t->flows, flows * sizeof *t->flows},
        {t->links, flows * sizeof *t->links},
        {t->buckets, t->bucket_max * sizeof *t->buckets},
        {e->wheel.links, flows * sizeof *e->wheel.links},
        {e->notes.blocks, e->notes.count * e->notes.block_len},
    };
    memcpy(out, runs, sizeof runs);
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
    out->notes_now = e->notes.used;
    out->notes_peak = e->notes.peak;
    out->notes_max = e->notes.count;
}

void engine_counters_add(struct engine_counters *sum, const struct engine_counters *c)
{
    uint64_t *to = (uint64_t *)sum; /* nothing else is in there */
    const uint64_t *from = (const uint64_t *)c;
    for (size_t i = 0; i < sizeof *sum / sizeof *to; i++)
        to[i] += from[i];
}
