/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kmod-free/tests/support_live.h"
#include "kmod-free/tests/support_policy.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void log_span(struct log *l, const char *name, const struct event *ev, const struct event_span *span)
{
    if (span->set) {
        struct bytes b = event_text(ev, span);
        l->len +=
            (size_t)snprintf(l->text + l->len, LOG_MAX - l->len, " %s=%.*s", name, (int)b.len, (const char *)b.at);
    }
}

void log_event(void *ctx, const struct event *ev)
{
    static const char *const kinds[] = {"", "rcpt", "alert", "session", "gap", "reply"};
    struct log *l = ctx;
    assert_true(event_valid(ev, event_size(ev)));
    l->len += (size_t)snprintf(l->text + l->len, LOG_MAX - l->len, "%s %s %s", kinds[ev->kind], reason_name(ev->reason),
                               action_name(ev->action));
    if (ev->kind != EVENT_SESSION) {
        log_span(l, "from", ev, &ev->mail_from);
        log_span(l, "rcpt", ev, &ev->rcpt_to);
    }
    if (ev->kind == EVENT_GAP)
        l->len +=
            (size_t)snprintf(l->text + l->len, LOG_MAX - l->len, " bytes=%llu", (unsigned long long)ev->gap_bytes);
    if (ev->kind == EVENT_SESSION)
        l->len += (size_t)snprintf(l->text + l->len, LOG_MAX - l->len, " rcpts=%u external=%u messages=%u",
                                   ev->session.rcpts, ev->session.external_rcpts, ev->session.messages);
    l->len += (size_t)snprintf(l->text + l->len, LOG_MAX - l->len, "\n");
}

static struct engine *make(enum stance stance, struct log *l, bool ways)
{
    struct engine_config cfg;
    struct policy *p = support_policy(stance == STANCE_GUARD);
    struct network inside;
    assert_true(network_parse("203.0.113.0/24", &inside));
    inside.tag = 2;
    assert_true(policy_add_network(p, &inside));
    engine_config_defaults(&cfg);
    cfg.stance = stance;
    cfg.live = stance == STANCE_GUARD;
    cfg.max_flows = 16;
    cfg.ways = ways;
    cfg.stream_blocks = 256;
    cfg.stream_block_limit = 64;
    cfg.want_rcpt_events = true;
    cfg.sink = (struct event_sink){log_event, l};
    if (stance == STANCE_WATCH)
        cfg.defrag_datagrams = 4;
    struct engine *e = engine_new(&cfg, p);
    assert_non_null(e);
    return e;
}

struct engine *engine_make(enum stance stance, struct log *l)
{
    return make(stance, l, false);
}

struct verdict feed_raw(struct live *c, struct bytes l3)
{
    struct frame f = support_frame(l3, c->ns += NS_PER_MS);
    f.in = c->in;
    f.out = c->out;
    f.way = c->way;
    struct bytes guarded = guard_copy(f.l3);
    f.l3 = guarded;
    struct verdict v = engine_feed(c->e, &f);
    guard_free(guarded);
    return v;
}

struct verdict say_flags(struct live *c, enum role from, uint8_t flags, const char *text)
{
    static uint8_t out[SUPPORT_PACKET_MAX];
    size_t len = support_tcp_send(&c->tcp, from, flags, bytes_str(text), out, sizeof out);
    return feed_raw(c, bytes_of(out, len));
}

struct verdict say(struct live *c, enum role from, const char *text)
{
    return say_flags(c, from, TCP_PSH | TCP_ACK, text);
}

void live_begin(struct live *c, struct engine *e, struct log *l)
{
    *c = (struct live){.e = e, .l = l, .ns = NS_PER_S};
    c->tcp.of[ROLE_CLIENT] = support_endpoint("198.51.100.2", 40112);
    c->tcp.of[ROLE_SERVER] = support_endpoint("192.0.2.25", 25);
    c->tcp.next[ROLE_CLIENT] = 100;
    c->tcp.next[ROLE_SERVER] = 900;
}

void live_open(struct live *c)
{
    assert_int_equal(say_flags(c, ROLE_CLIENT, TCP_SYN, "").kind, VERDICT_PASS);
    assert_int_equal(say_flags(c, ROLE_SERVER, TCP_SYN | TCP_ACK, "").kind, VERDICT_PASS);
    assert_int_equal(say_flags(c, ROLE_CLIENT, TCP_ACK, "").kind, VERDICT_PASS);
    assert_int_equal(say(c, ROLE_SERVER, "220 x\r\n").kind, VERDICT_PASS);
}

void live_exchange(struct live *c, const char *command, const char *reply)
{
    passes(say(c, ROLE_CLIENT, command));
    passes(say(c, ROLE_SERVER, reply));
}

void live_end(struct live *c)
{
    engine_finish(c->e);
    engine_free(c->e);
}

static void guard_begin(struct live *c, bool ways)
{
    static struct log events;
    events = (struct log){0};
    live_begin(c, make(STANCE_GUARD, &events, ways), &events);
}

void live_guard(struct live *c)
{
    guard_begin(c, false);
}

void live_guard_ways(struct live *c)
{
    guard_begin(c, true);
}

struct support_segment live_next(const struct live *c, enum role from, uint8_t flags, const char *text)
{
    return (struct support_segment){
        .src = c->tcp.of[from],
        .dst = c->tcp.of[role_other(from)],
        .seq = c->tcp.next[from],
        .ack = c->tcp.next[role_other(from)],
        .flags = flags,
        .payload = bytes_str(text),
    };
}

struct verdict feed_segment(struct live *c, const struct support_segment *seg)
{
    static uint8_t out[SUPPORT_PACKET_MAX];
    return feed_raw(c, bytes_of(out, support_segment(seg, out, sizeof out)));
}

void live_restart(struct live *c, uint32_t client_isn, uint32_t server_isn)
{
    c->tcp.next[ROLE_CLIENT] = client_isn;
    c->tcp.next[ROLE_SERVER] = server_isn;
    c->tcp.started = false;
}

void passes(struct verdict v)
{
    assert_int_equal(v.kind, VERDICT_PASS);
}

void is_reset(struct verdict v, enum reason reason)
{
    assert_int_equal(v.kind, VERDICT_RESET);
    assert_int_equal(v.reason, reason);
}

void live_still_judged(struct live *c)
{
    passes(say(c, ROLE_CLIENT, RCPT_LOCAL));
    is_reset(say(c, ROLE_CLIENT, RCPT_EXTERNAL), REASON_EXTERNAL_RCPT);
    live_end(c);
}
