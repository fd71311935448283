/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two connections with the same endpoints (engine_way.c): what asks for ways, what a session's way is, and who can't
 * make it lose that.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "kmod-free/tests/support_live.h"

#define WAY_A 0xa0a0a0a0u
#define WAY_B 0xb0b0b0b0u

/* The second connection's numbers: the client's lie a little ahead of the first one's, so that its bytes look beyond a gap. */
#define CLIENT_B 5000
#define SERVER_B 3000000000u

static void drops(struct verdict v)
{
    assert_int_equal(v.kind, VERDICT_DROP);
    assert_false(v.want_ways);
}

static void asks(struct verdict v)
{
    assert_int_equal(v.kind, VERDICT_DROP);
    assert_true(v.want_ways);
}

static struct engine_counters counted(const struct live *c)
{
    struct engine_counters n;
    engine_count(c->e, &n);
    return n;
}

/* As far as MAIL. */
static void to_mail(struct live *c)
{
    live_open(c);
    passes(say(c, ROLE_CLIENT, "MAIL FROM:<>\r\n"));
    passes(say(c, ROLE_SERVER, "250 ok\r\n"));
}

static struct verdict syn(struct live *c, uint32_t isn, uint32_t way)
{
    struct support_segment s = live_next(c, ROLE_CLIENT, TCP_SYN, "");
    s.seq = isn;
    c->way = way;
    return feed_segment(c, &s);
}

static struct verdict syn_ack(struct live *c, uint32_t isn, uint32_t client_isn, uint32_t way)
{
    struct support_segment s = live_next(c, ROLE_SERVER, TCP_SYN | TCP_ACK, "");
    s.seq = isn;
    s.ack = client_isn + 1;
    c->way = way;
    return feed_segment(c, &s);
}

static struct verdict segment(struct live *c, enum role from, uint8_t flags, uint32_t seq, uint32_t ack, const char *text)
{
    struct support_segment s = live_next(c, from, flags, text);
    s.seq = seq;
    s.ack = ack;
    return feed_segment(c, &s);
}

/* The second connection has begun, and its server speaks. */
static void greets_second(struct live *c)
{
    live_restart(c, CLIENT_B + 1, SERVER_B + 1);
    c->tcp.started = true;
    passes(say(c, ROLE_SERVER, "220 x\r\n"));
}

static void later(struct live *c, int64_t ns)
{
    c->ns += ns;
    (void)engine_tick(c->e, (struct mono){c->ns});
}

/* ---- the attack, as it worked ---- */

/* With bytes of the first connection, and the second one's acknowledgment, which a Linux server takes for an old one. */
static void attack(struct live *c, const struct live *first)
{
    (void)segment(c, ROLE_CLIENT, TCP_PSH | TCP_ACK, first->tcp.next[ROLE_CLIENT], SERVER_B + 1, RCPT_EXTERNAL);
}

static void test_without_ways(void **state)
{
    (void)state;
    struct live c, first;
    live_guard(&c);
    to_mail(&c);
    first = c;
    passes(syn(&c, CLIENT_B, 0));
    passes(syn_ack(&c, SERVER_B, CLIENT_B, 0));
    first.tcp.next[ROLE_CLIENT] = CLIENT_B + 500;
    struct engine_counters before = counted(&c);
    attack(&c, &first);
    assert_int_equal(counted(&c).passed, before.passed + 1); /* that is why */
    live_end(&c);
}

static void test_asked_for(void **state)
{
    (void)state;
    struct live c;
    live_guard_ways(&c);
    to_mail(&c);
    asks(syn(&c, CLIENT_B, 0));
    drops(syn(&c, CLIENT_B, 0)); /* asked for once */
    drops(syn_ack(&c, SERVER_B, CLIENT_B, 0));
    assert_int_equal(counted(&c).way_unknown, 3);
    later(&c, NS_PER_S);
    passes(syn(&c, CLIENT_B, WAY_B));
    drops(syn_ack(&c, SERVER_B, CLIENT_B, WAY_B));
    c.way = WAY_A;
    live_still_judged(&c);
}

/* Two SYNs with one number are told apart by their answers. */
static void test_same_isn(void **state)
{
    (void)state;
    struct live c;
    live_guard_ways(&c);
    to_mail(&c);
    passes(syn(&c, 100, 0)); /* live_begin's, again: a copy, perhaps */
    passes(syn_ack(&c, 900, 100, 0));
    asks(syn_ack(&c, SERVER_B, 100, 0));
    later(&c, NS_PER_S);
    drops(syn_ack(&c, SERVER_B, 100, WAY_B));
    c.way = WAY_A;
    live_still_judged(&c);
}

/* Nothing that may have died behind us, or that answers what strays, has ended it. */
static void not_ended_by(uint8_t flags, enum role from, uint32_t off)
{
    struct live c;
    live_guard_ways(&c);
    to_mail(&c);
    passes(segment(&c, from, flags, c.tcp.next[from] + off, c.tcp.next[role_other(from)], ""));
    asks(syn(&c, CLIENT_B, 0));
    live_end(&c);
}

static void test_not_ended(void **state)
{
    (void)state;
    not_ended_by(TCP_RST, ROLE_CLIENT, 0);
    not_ended_by(TCP_RST | TCP_ACK, ROLE_CLIENT, 0);
    not_ended_by(TCP_FIN | TCP_ACK, ROLE_CLIENT, 0);
    not_ended_by(TCP_RST, ROLE_SERVER, 0);
}

/* Condemned, too: in silence its server doesn't know. But whoever answers the next SYN, has a session of its own. */
static void test_condemned(void **state)
{
    (void)state;
    static const uint32_t ways[] = {WAY_A, WAY_B};
    for (int i = 0; i < 2; i++) {
        struct live c;
        live_guard_ways(&c);
        to_mail(&c);
        is_reset(say(&c, ROLE_CLIENT, RCPT_EXTERNAL), REASON_EXTERNAL_RCPT);
        asks(syn(&c, CLIENT_B, 0));
        later(&c, NS_PER_S);
        passes(syn(&c, CLIENT_B, ways[i]));
        passes(syn_ack(&c, SERVER_B, CLIENT_B, ways[i]));
        greets_second(&c);
        c.way = ways[1 - i];
        drops(segment(&c, ROLE_CLIENT, TCP_PSH | TCP_ACK, CLIENT_B + 500, SERVER_B + 8, RCPT_EXTERNAL));
        c.way = ways[i];
        live_still_judged(&c);
    }
}

/* A second SYN before the first was answered. */
static void test_pending(void **state)
{
    (void)state;
    struct live c;
    live_guard_ways(&c);
    passes(say_flags(&c, ROLE_CLIENT, TCP_SYN, ""));
    asks(syn(&c, CLIENT_B, 0));
    later(&c, NS_PER_S);
    passes(syn(&c, CLIENT_B, WAY_B));
    passes(syn_ack(&c, SERVER_B, CLIENT_B, WAY_B)); /* its answer is the first */
    drops(syn_ack(&c, 900, 100, WAY_A));
    c.way = WAY_A;
    drops(segment(&c, ROLE_SERVER, TCP_ACK, 901, 101, "220 x\r\n"));
    drops(segment(&c, ROLE_CLIENT, TCP_ACK, 101, 901, RCPT_EXTERNAL));
    c.way = WAY_B;
    greets_second(&c);
    live_still_judged(&c);
}

/* It was forgotten, and lives. */
static void test_forgotten(void **state)
{
    (void)state;
    struct live c;
    live_guard_ways(&c);
    to_mail(&c);
    passes(say_flags(&c, ROLE_CLIENT, TCP_RST, "")); /* so that it goes soon; it never arrived */
    later(&c, 61 * NS_PER_S);
    assert_int_equal(counted(&c).flows_now, 0);
    asks(syn(&c, CLIENT_B, 0));
    later(&c, NS_PER_S);
    passes(syn(&c, CLIENT_B, WAY_B));
    passes(syn_ack(&c, SERVER_B, CLIENT_B, WAY_B));
    c.way = WAY_A;
    drops(segment(&c, ROLE_CLIENT, TCP_PSH | TCP_ACK, CLIENT_B + 500, SERVER_B + 1, RCPT_EXTERNAL));
    live_end(&c);
}

static void test_forgotten_for_good(void **state)
{
    (void)state;
    struct live c;
    live_guard_ways(&c);
    to_mail(&c);
    passes(say_flags(&c, ROLE_CLIENT, TCP_RST, ""));
    later(&c, 61 * NS_PER_S);
    later(&c, 3600 * NS_PER_S);
    c.tcp.of[ROLE_CLIENT].port++; /* somebody else, who makes an hour go by */
    live_restart(&c, 100, 900);
    passes(say_flags(&c, ROLE_CLIENT, TCP_SYN, ""));
    c.tcp.of[ROLE_CLIENT].port--;
    live_restart(&c, 100, 900);
    asks(say_flags(&c, ROLE_CLIENT, TCP_SYN, "")); /* still one of the hour before */
    later(&c, 3601 * NS_PER_S);
    passes(syn(&c, CLIENT_B, 0));
    live_end(&c);
}

/* It was open, and silent, before we came. */
static void test_open_already(void **state)
{
    (void)state;
    struct live c;
    live_guard_ways(&c);
    engine_expect_other(c.e, &c.tcp.of[ROLE_SERVER], &c.tcp.of[ROLE_CLIENT], (struct mono){NS_PER_S});
    struct endpoint stranger = support_endpoint("192.0.2.25", 80), client = support_endpoint("198.51.100.2", 40113);
    engine_expect_other(c.e, &client, &stranger, (struct mono){NS_PER_S}); /* no server of ours */
    asks(syn(&c, CLIENT_B, 0));
    live_end(&c);
    live_guard_ways(&c);
    engine_expect_other(c.e, &client, &c.tcp.of[ROLE_SERVER], (struct mono){NS_PER_S});
    passes(syn(&c, CLIENT_B, 0)); /* another port's */
    live_end(&c);
}

/* Two were open before the daemon guarded: monitor mode lets both begin, and knows of one. */
static void watched(struct live *c)
{
    live_guard_ways(c);
    engine_set_stance(c->e, STANCE_WATCH);
    to_mail(c);
}

static void test_open_when_it_begins_to_guard(void **state)
{
    (void)state;
    for (int strayed = 0; strayed < 2; strayed++) {
        struct live c;
        watched(&c);
        uint32_t next = c.tcp.next[ROLE_CLIENT], isn = next - 5000;
        passes(syn(&c, isn, 0));
        if (strayed) /* dies on its way: whose answer is the next one? */
            passes(syn(&c, isn + 77, 0));
        passes(syn_ack(&c, SERVER_B, isn, 0));
        passes(segment(&c, ROLE_CLIENT, TCP_ACK, isn + 1, SERVER_B + 1, ""));
        passes(segment(&c, ROLE_SERVER, TCP_PSH | TCP_ACK, SERVER_B + 1, isn + 1, "220 x\r\n"));
        engine_set_stance(c.e, STANCE_GUARD);
        is_reset(segment(&c, ROLE_CLIENT, TCP_PSH | TCP_ACK, next, SERVER_B + 8, RCPT_EXTERNAL), REASON_MIDSTREAM);
        is_reset(segment(&c, ROLE_CLIENT, TCP_PSH | TCP_ACK, isn + 1, SERVER_B + 8, RCPT_EXTERNAL), REASON_MIDSTREAM);
        live_end(&c);
    }
}

/* The first was forgotten in monitor mode, and lives. */
static void test_forgotten_when_it_begins_to_guard(void **state)
{
    (void)state;
    struct live c;
    watched(&c);
    uint32_t next = c.tcp.next[ROLE_CLIENT], isn = next - 5000;
    passes(say_flags(&c, ROLE_CLIENT, TCP_RST, "")); /* dies on its way */
    later(&c, 61 * NS_PER_S);
    assert_int_equal(counted(&c).flows_now, 0);
    live_restart(&c, isn, SERVER_B);
    live_open(&c);
    engine_set_stance(c.e, STANCE_GUARD);
    is_reset(segment(&c, ROLE_CLIENT, TCP_PSH | TCP_ACK, next, SERVER_B + 8, RCPT_EXTERNAL), REASON_MIDSTREAM);
    live_end(&c);
}

/* Alone, or behind one that its server ended, a session goes on. */
static void test_alone_when_it_begins_to_guard(void **state)
{
    (void)state;
    struct live c;
    watched(&c);
    engine_set_stance(c.e, STANCE_GUARD);
    live_still_judged(&c);
    watched(&c);
    passes(say_flags(&c, ROLE_SERVER, TCP_FIN | TCP_ACK, ""));
    passes(say_flags(&c, ROLE_CLIENT, TCP_FIN | TCP_ACK, ""));
    live_restart(&c, 5000000, 6000000);
    to_mail(&c);
    engine_set_stance(c.e, STANCE_GUARD);
    live_still_judged(&c);
}

/* ---- what asks for nothing ---- */

static void again(struct live *c)
{
    live_restart(c, 5000000, 6000000);
    live_open(c);
    passes(say(c, ROLE_CLIENT, "EHLO x\r\n"));
    passes(say(c, ROLE_SERVER, "250 ok\r\n"));
    assert_int_equal(counted(c).way_unknown, 0);
    live_still_judged(c);
}

static void test_port_used_again(void **state)
{
    (void)state;
    struct live c;
    live_guard_ways(&c);
    to_mail(&c);
    passes(say_flags(&c, ROLE_CLIENT, TCP_FIN | TCP_ACK, ""));
    passes(say_flags(&c, ROLE_SERVER, TCP_FIN | TCP_ACK, ""));
    again(&c);
    live_guard_ways(&c); /* the same, later */
    to_mail(&c);
    passes(say_flags(&c, ROLE_SERVER, TCP_FIN | TCP_ACK, ""));
    passes(say_flags(&c, ROLE_CLIENT, TCP_RST | TCP_ACK, ""));
    later(&c, 61 * NS_PER_S);
    assert_int_equal(counted(&c).flows_now, 0);
    again(&c);
    live_guard_ways(&c); /* behind QUIT */
    live_open(&c);
    passes(say(&c, ROLE_CLIENT, "QUIT\r\n"));
    c.tcp.next[ROLE_SERVER] += 9; /* its answer goes by */
    passes(say_flags(&c, ROLE_SERVER, TCP_FIN | TCP_ACK, ""));
    again(&c);
}

/* None to be had: as without. */
static void test_none(void **state)
{
    (void)state;
    struct live c;
    live_guard_ways(&c);
    to_mail(&c);
    asks(syn(&c, CLIENT_B, 0));
    engine_no_ways(c.e);
    passes(syn(&c, CLIENT_B, 0));
    live_end(&c);
    live_guard_ways(&c); /* the packets aren't tracked */
    to_mail(&c);
    asks(syn(&c, CLIENT_B, 0));
    later(&c, NS_PER_S);
    passes(syn(&c, CLIENT_B, 0));
    passes(syn_ack(&c, SERVER_B, CLIENT_B, 0));
    live_end(&c);
}

/* ---- with ways ---- */

/* A session that has learned its way from the SYN|ACK. */
static void open_with(struct live *c, uint32_t way)
{
    live_guard_ways(c);
    c->way = way;
    to_mail(c);
}

static void test_other_way(void **state)
{
    (void)state;
    struct live c;
    open_with(&c, WAY_A);
    uint32_t client = c.tcp.next[ROLE_CLIENT], server = c.tcp.next[ROLE_SERVER];
    passes(syn(&c, CLIENT_B, WAY_B));
    drops(syn_ack(&c, SERVER_B, CLIENT_B, WAY_B));
    drops(segment(&c, ROLE_CLIENT, TCP_ACK, client, server, RCPT_LOCAL)); /* its own numbers */
    drops(segment(&c, ROLE_CLIENT, TCP_RST, client, 0, ""));
    drops(segment(&c, ROLE_CLIENT, TCP_FIN | TCP_ACK, client, server, ""));
    drops(segment(&c, ROLE_SERVER, TCP_RST, server, 0, ""));
    drops(segment(&c, ROLE_SERVER, TCP_ACK, server, client, "421 bye\r\n"));
    assert_int_equal(counted(&c).other_way, 6);
    assert_int_equal(counted(&c).way_unknown, 0);
    c.way = WAY_A;
    live_still_judged(&c);
}

/* Conntrack finds it invalid, and untranslated it may reach a server that one of two ways leads to without translation. */
static void test_not_tracked(void **state)
{
    (void)state;
    struct live c;
    open_with(&c, WAY_A);
    c.way = 0;
    passes(say(&c, ROLE_CLIENT, RCPT_LOCAL)); /* for once, and nobody else is there */
    passes(say(&c, ROLE_SERVER, "250 ok\r\n"));
    uint32_t client = c.tcp.next[ROLE_CLIENT], server = c.tcp.next[ROLE_SERVER];
    passes(syn(&c, CLIENT_B, WAY_B));
    drops(syn_ack(&c, SERVER_B, CLIENT_B, WAY_B));
    c.way = 0;
    drops(segment(&c, ROLE_CLIENT, TCP_ACK, client, server, RCPT_LOCAL));
    drops(syn_ack(&c, SERVER_B, CLIENT_B, 0));
    c.way = WAY_A;
    passes(segment(&c, ROLE_CLIENT, TCP_RST, client, 0, "")); /* dies on its way */
    passes(syn(&c, CLIENT_B, WAY_B));
    passes(syn_ack(&c, SERVER_B, CLIENT_B, WAY_B));
    c.way = 0;
    drops(segment(&c, ROLE_CLIENT, TCP_ACK, client, server, RCPT_LOCAL));
    drops(segment(&c, ROLE_CLIENT, TCP_ACK, CLIENT_B + 1, SERVER_B + 1, RCPT_LOCAL));
    live_end(&c);
}

/* Forgotten, and it may live: the next one has a way from the start. */
static void test_not_tracked_forgotten(void **state)
{
    (void)state;
    struct live c;
    open_with(&c, WAY_A);
    passes(say_flags(&c, ROLE_CLIENT, TCP_RST, ""));
    later(&c, 61 * NS_PER_S);
    assert_int_equal(counted(&c).flows_now, 0);
    passes(syn(&c, CLIENT_B, WAY_B));
    passes(syn_ack(&c, SERVER_B, CLIENT_B, WAY_B));
    c.way = 0;
    drops(segment(&c, ROLE_CLIENT, TCP_ACK, CLIENT_B + 1, SERVER_B + 1, RCPT_LOCAL));
    live_end(&c);
}

/* A client that has crashed: what its server answers, it can be told by. */
static void test_crashed(void **state)
{
    (void)state;
    struct live c;
    open_with(&c, WAY_A);
    passes(syn(&c, CLIENT_B, WAY_A)); /* the server has forgotten it, too */
    passes(syn_ack(&c, SERVER_B, CLIENT_B, WAY_A));
    greets_second(&c);
    live_still_judged(&c);
}

static void test_crashed_without(void **state)
{
    (void)state;
    struct live c;
    live_guard_ways(&c);
    to_mail(&c);
    uint32_t client = c.tcp.next[ROLE_CLIENT], server = c.tcp.next[ROLE_SERVER];
    asks(syn(&c, CLIENT_B, 0));
    later(&c, NS_PER_S);
    passes(syn(&c, CLIENT_B, WAY_A));
    passes(segment(&c, ROLE_SERVER, TCP_ACK, server, client, "")); /* challenge: now its way is known */
    passes(segment(&c, ROLE_CLIENT, TCP_RST, client, 0, ""));
    later(&c, NS_PER_S);
    passes(syn(&c, CLIENT_B, WAY_A));
    passes(syn_ack(&c, SERVER_B, CLIENT_B, WAY_A));
    greets_second(&c);
    c.way = WAY_B;
    drops(say(&c, ROLE_CLIENT, RCPT_LOCAL));
    c.tcp.next[ROLE_CLIENT] = CLIENT_B + 1;
    c.way = WAY_A;
    live_still_judged(&c);
}

/* On the other way: when the old one is over, for its server or by a RST that its server believes. */
static void test_other_way_follows(void **state)
{
    (void)state;
    static const struct {
        enum role from;
        uint8_t flags;
        uint32_t off;
        bool follows;
    } all[] = {
        {ROLE_SERVER, TCP_FIN | TCP_ACK, 0, true},  {ROLE_CLIENT, TCP_RST, 0, true},   {ROLE_SERVER, TCP_RST, 0, true},
        {ROLE_CLIENT, TCP_FIN | TCP_ACK, 0, false}, {ROLE_CLIENT, TCP_RST, 77, false}, {ROLE_SERVER, TCP_RST, 77, false},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        struct live c;
        open_with(&c, WAY_A);
        enum role from = all[i].from;
        passes(segment(&c, from, all[i].flags, c.tcp.next[from] + all[i].off, c.tcp.next[role_other(from)], ""));
        passes(syn(&c, CLIENT_B, WAY_B));
        struct verdict v = syn_ack(&c, SERVER_B, CLIENT_B, WAY_B);
        assert_int_equal(v.kind, all[i].follows ? VERDICT_PASS : VERDICT_DROP);
        if (!all[i].follows) {
            live_end(&c);
            continue;
        }
        struct live first = c;
        first.tcp.next[ROLE_CLIENT] = CLIENT_B + 500;
        c.way = WAY_A;
        uint64_t passed = counted(&c).passed;
        attack(&c, &first);
        assert_int_equal(counted(&c).passed, passed);
        c.way = WAY_B;
        greets_second(&c);
        live_still_judged(&c);
    }
}

/* A session from before: only its server teaches it, and not by what anybody can make it say. */
static void test_learned(void **state)
{
    (void)state;
    struct live c;
    live_guard_ways(&c);
    to_mail(&c);
    uint32_t client = c.tcp.next[ROLE_CLIENT], server = c.tcp.next[ROLE_SERVER];
    asks(syn(&c, CLIENT_B, 0));
    c.way = WAY_B;
    passes(segment(&c, ROLE_CLIENT, TCP_ACK, client, server, "")); /* to nobody's */
    passes(segment(&c, ROLE_SERVER, TCP_RST, server + 1, 0, ""));  /* who says so */
    (void)segment(&c, ROLE_SERVER, TCP_ACK, SERVER_B, client, "");
    (void)syn_ack(&c, SERVER_B, CLIENT_B, WAY_B);
    c.way = WAY_A;
    passes(say(&c, ROLE_CLIENT, "NOOP\r\n"));
    passes(say(&c, ROLE_SERVER, "250 ok\r\n"));
    c.way = WAY_B;
    drops(segment(&c, ROLE_CLIENT, TCP_ACK, client + 6, server + 8, RCPT_LOCAL));
    c.way = WAY_A;
    live_still_judged(&c);
}

/* Data in a SYN: the connection that has them isn't left for another before its server ends it. */
static void test_data_in_syn(void **state)
{
    (void)state;
    struct live c;
    live_guard_ways(&c);
    c.way = WAY_A;
    struct support_segment s = live_next(&c, ROLE_CLIENT, TCP_SYN, "RCPT TO:<u@ext.exam");
    passes(feed_segment(&c, &s));
    s.seq = CLIENT_B;
    c.way = WAY_B;
    drops(feed_segment(&c, &s));
    passes(syn_ack(&c, 900, 100 + (uint32_t)s.payload.len, WAY_A));
    passes(segment(&c, ROLE_SERVER, TCP_ACK, 901, 101 + (uint32_t)s.payload.len, "220 x\r\n"));
    passes(segment(&c, ROLE_CLIENT, TCP_RST, 101 + (uint32_t)s.payload.len, 0, "")); /* dies on its way */
    (void)syn(&c, CLIENT_B, WAY_B);
    drops(syn_ack(&c, SERVER_B, CLIENT_B, WAY_B));
    live_end(&c);
}

/* Picked up under way: what is known of it came by its first packet's. */
static void test_under_way(void **state)
{
    (void)state;
    struct live c;
    live_guard_ways(&c);
    c.way = WAY_A;
    c.tcp.started = true;
    is_reset(say(&c, ROLE_CLIENT, "NOOP\r\n"), REASON_MIDSTREAM);
    c.way = WAY_B;
    drops(say(&c, ROLE_CLIENT, "NOOP\r\n"));
    live_end(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_ways),
        cmocka_unit_test(test_asked_for),
        cmocka_unit_test(test_same_isn),
        cmocka_unit_test(test_not_ended),
        cmocka_unit_test(test_condemned),
        cmocka_unit_test(test_pending),
        cmocka_unit_test(test_forgotten),
        cmocka_unit_test(test_forgotten_for_good),
        cmocka_unit_test(test_open_already),
        cmocka_unit_test(test_open_when_it_begins_to_guard),
        cmocka_unit_test(test_forgotten_when_it_begins_to_guard),
        cmocka_unit_test(test_alone_when_it_begins_to_guard),
        cmocka_unit_test(test_port_used_again),
        cmocka_unit_test(test_none),
        cmocka_unit_test(test_other_way),
        cmocka_unit_test(test_not_tracked),
        cmocka_unit_test(test_not_tracked_forgotten),
        cmocka_unit_test(test_crashed),
        cmocka_unit_test(test_crashed_without),
        cmocka_unit_test(test_other_way_follows),
        cmocka_unit_test(test_learned),
        cmocka_unit_test(test_data_in_syn),
        cmocka_unit_test(test_under_way),
    };
    return cmocka_run_group_tests_name("engine, ways", tests, NULL, NULL);
}
