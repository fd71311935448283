/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How a TCP connection begins in GUARD (S5): ports that are used again, both sides at once, by a stray
 * packet, with data in the SYN, slowly, a thousand at a time. Who is the server is never in doubt.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "kmod-free/tests/support_live.h"
#include "kmod-free/tests/support_policy.h"

/* ---- ports used again ---- */

static void test_new_isn(void **state)
{
    (void)state;
    struct live c;
    live_guard(&c);
    live_open(&c);
    passes(say(&c, ROLE_CLIENT, "MAIL FROM:<>\r\nRCPT TO:<u@ext.exam"));
    live_restart(&c, 5000000, 6000000); /* without a word of farewell */
    live_open(&c);
    live_exchange(&c, "EHLO x\r\n", "250 ok\r\n"); /* not the rest of the old line */
    live_still_judged(&c);
}

static void test_same_isn(void **state)
{
    (void)state;
    struct live c;
    live_guard(&c);
    live_open(&c);
    live_exchange(&c, "NOOP\r\n", "250 ok\r\n");
    live_restart(&c, 100, 77777777); /* live_begin's own ISN for the client, another for the server */
    live_open(&c);
    live_exchange(&c, "HELP\r\n", "214 no\r\n"); /* no copy of NOOP */
    live_still_judged(&c);
}

/* The same after both ended it, and both numbers as before. */
static void test_same_isn_after_fin(void **state)
{
    (void)state;
    struct live c;
    live_guard(&c);
    live_open(&c);
    passes(say(&c, ROLE_CLIENT, "NOOP\r\n"));
    passes(say_flags(&c, ROLE_CLIENT, TCP_FIN | TCP_ACK, ""));
    passes(say_flags(&c, ROLE_SERVER, TCP_FIN | TCP_ACK, ""));
    passes(say_flags(&c, ROLE_CLIENT, TCP_ACK, ""));
    live_restart(&c, 100, 900);
    live_open(&c);
    live_exchange(&c, "HELP\r\n", "214 no\r\n");
    live_still_judged(&c);
}

/* A SYN in the middle of it, which the server answers with a challenge ACK: nothing is new. */
static void test_syn_in_between(void **state)
{
    (void)state;
    struct live c;
    live_guard(&c);
    live_open(&c);
    struct support_segment syn = live_next(&c, ROLE_CLIENT, TCP_SYN, "");
    syn.seq += 12345;
    passes(feed_segment(&c, &syn));
    passes(say_flags(&c, ROLE_SERVER, TCP_ACK, ""));
    /* and where that SYN said that it would begin, the old session has not come to yet */
    struct support_segment early = live_next(&c, ROLE_CLIENT, TCP_ACK, "QUIT\r\n");
    early.seq = syn.seq + 1;
    passes(feed_segment(&c, &early)); /* beyond a gap, which is ours to fill */
    live_still_judged(&c);
}

/* ---- how it begins ---- */

/* Both send a SYN before they have the other's (RFC 9293 3.5, figure 7). */
static void test_simultaneous_open(void **state)
{
    (void)state;
    struct live c;
    live_guard(&c);
    struct support_segment client = live_next(&c, ROLE_CLIENT, TCP_SYN, ""),
                           server = live_next(&c, ROLE_SERVER, TCP_SYN, "");
    passes(feed_segment(&c, &client));
    passes(feed_segment(&c, &server));
    client.flags = server.flags = TCP_SYN | TCP_ACK;
    client.ack = server.seq + 1;
    server.ack = client.seq + 1;
    passes(feed_segment(&c, &client));
    passes(feed_segment(&c, &server));
    c.tcp.next[ROLE_CLIENT]++;
    c.tcp.next[ROLE_SERVER]++;
    c.tcp.started = true;
    passes(say_flags(&c, ROLE_CLIENT, TCP_ACK, ""));
    passes(say(&c, ROLE_SERVER, "220 x\r\n"));
    live_still_judged(&c);
}

/* A SYN|ACK to a server must not make it the client, whose words nobody would judge. */
static void stray_beginning(uint16_t client_port, uint8_t flags, const char *text)
{
    struct live c;
    live_guard(&c);
    c.tcp.of[ROLE_CLIENT].port = client_port;
    struct support_segment stray = live_next(&c, ROLE_CLIENT, flags, text);
    (void)feed_segment(&c, &stray);
    struct support_segment rst = live_next(&c, ROLE_SERVER, TCP_RST, "");
    (void)feed_segment(&c, &rst);
    live_open(&c);
    live_exchange(&c, "EHLO x\r\n", "250 ok\r\n");
    live_still_judged(&c);
}

static void test_syn_ack_to_a_server(void **state)
{
    (void)state;
    stray_beginning(40112, TCP_SYN | TCP_ACK, "");
    stray_beginning(25, TCP_SYN | TCP_ACK, ""); /* both ports are SMTP's: only the handshake tells who is who */
}

static void test_reply_to_a_server(void **state)
{
    (void)state;
    stray_beginning(40112, TCP_ACK, "250 ok\r\n");
    stray_beginning(25, TCP_ACK, "250 ok\r\n");
}

/* Both ports are SMTP's, and the policy names the server. */
static void test_servers_named(void **state)
{
    (void)state;
    static struct log events;
    struct live c;
    struct policy *p = policy_new();
    struct network server;
    struct engine_config cfg;
    assert_non_null(p);
    assert_true(network_parse("192.0.2.25", &server));
    assert_true(policy_add_server(p, &server));
    assert_true(domain_set_seal(p->local));
    p->enforce = true;
    engine_config_defaults(&cfg);
    cfg.max_flows = 16;
    cfg.stream_blocks = 64;
    cfg.sink = (struct event_sink){log_event, &events};
    struct engine *e = engine_new(&cfg, p);
    assert_non_null(e);
    live_begin(&c, e, &events);
    c.tcp.of[ROLE_CLIENT].port = 25;
    struct support_segment stray = live_next(&c, ROLE_CLIENT, TCP_ACK, "250 ok\r\n");
    struct verdict v = feed_segment(&c, &stray);
    is_reset(v, REASON_MIDSTREAM);
    assert_int_equal(v.from, ROLE_CLIENT);
    live_end(&c);
}

/* The server takes what the SYN brings with it, and greets. */
static void data_taken(struct live *c, const struct support_segment *syn)
{
    struct support_segment answer = live_next(c, ROLE_SERVER, TCP_SYN | TCP_ACK, "");
    answer.ack = syn->seq + 1 + (uint32_t)syn->payload.len;
    passes(feed_segment(c, &answer));
    c->tcp.next[ROLE_CLIENT] = answer.ack;
    c->tcp.next[ROLE_SERVER] = answer.seq + 1;
    c->tcp.started = true;
    passes(say(c, ROLE_SERVER, "220 x\r\n"));
}

/* Data in the SYN (RFC 7413): read where it stands, and again in any copy. */
static void test_data_in_syn(void **state)
{
    (void)state;
    struct live c;
    live_guard(&c);
    struct support_segment syn = live_next(&c, ROLE_CLIENT, TCP_SYN, RCPT_EXTERNAL);
    assert_int_equal(feed_segment(&c, &syn).kind, VERDICT_DROP); /* judged, and no RST for a SYN */
    live_end(&c);

    live_guard(&c);
    syn = live_next(&c, ROLE_CLIENT, TCP_SYN, "RCPT TO:<u@ext.exam");
    passes(feed_segment(&c, &syn));
    data_taken(&c, &syn);
    is_reset(say(&c, ROLE_CLIENT, "ple>\r\n"), REASON_EXTERNAL_RCPT);
    live_end(&c);

    /* not taken by the server: sent again behind the handshake, and differently */
    live_guard(&c);
    syn = live_next(&c, ROLE_CLIENT, TCP_SYN, "RCPT TO:<u@local");
    passes(feed_segment(&c, &syn));
    live_open(&c);
    is_reset(say(&c, ROLE_CLIENT, "RCPT TO:<u@ext.e"), REASON_EVASION);
    live_end(&c);
}

/* Who sends data before the server answered has nobody to take them, and we keep nothing of him. */
static void test_data_before_the_handshake(void **state)
{
    (void)state;
    struct live c;
    struct engine_counters n;
    live_guard(&c);
    passes(say_flags(&c, ROLE_CLIENT, TCP_SYN, ""));
    struct support_segment early = live_next(&c, ROLE_CLIENT, TCP_ACK, "R");
    assert_int_equal(feed_segment(&c, &early).kind, VERDICT_DROP);
    passes(say_flags(&c, ROLE_SERVER, TCP_SYN | TCP_ACK, ""));
    early.ack = c.tcp.next[ROLE_SERVER] + 4242; /* guessed */
    assert_int_equal(feed_segment(&c, &early).kind, VERDICT_DROP);
    engine_count(c.e, &n);
    assert_int_equal(n.blocks_now, 0);
    assert_int_equal(n.out_of_window, 2);
    passes(say_flags(&c, ROLE_CLIENT, TCP_ACK, ""));
    passes(say(&c, ROLE_SERVER, "220 x\r\n"));
    live_still_judged(&c);
}

/* A server that is slow to greet, and a client whose bare ACK bypassed us: nobody has forgotten them. */
static void test_slow_greeting(void **state)
{
    (void)state;
    struct live c;
    live_guard(&c);
    passes(say_flags(&c, ROLE_CLIENT, TCP_SYN, ""));
    passes(say_flags(&c, ROLE_SERVER, TCP_SYN | TCP_ACK, ""));
    c.ns += 290 * NS_PER_S;
    engine_tick(c.e, (struct mono){c.ns});
    passes(say(&c, ROLE_SERVER, "220 x\r\n"));
    c.ns += 1700 * NS_PER_S;
    engine_tick(c.e, (struct mono){c.ns});
    live_still_judged(&c);
}

/*
 * A SYN of another number overwrote the one that the server answers, and the new connection's numbers lie a little
 * ahead of the old one's: its bytes aren't the old one's beyond a gap. (The server's number happens to lie where it
 * doesn't give the trick away.)
 */
static void test_answer_to_a_syn_before_the_last(void **state)
{
    (void)state;
    struct live c;
    live_guard(&c);
    live_open(&c);
    live_exchange(&c, "MAIL FROM:<>\r\n", "250 ok\r\n");
    passes(say_flags(&c, ROLE_CLIENT, TCP_RST | TCP_ACK, ""));
    live_restart(&c, c.tcp.next[ROLE_CLIENT] + 1000, c.tcp.next[ROLE_SERVER] - 10);
    struct support_segment syn = live_next(&c, ROLE_CLIENT, TCP_SYN, ""), never = syn;
    never.seq += 77777;
    passes(feed_segment(&c, &syn));
    passes(feed_segment(&c, &never)); /* dies behind the gateway */
    c.tcp.next[ROLE_CLIENT]++;
    c.tcp.started = true;
    passes(say_flags(&c, ROLE_SERVER, TCP_SYN | TCP_ACK, ""));
    passes(say(&c, ROLE_CLIENT, "MAIL FROM:<>\r\n"));
    is_reset(say(&c, ROLE_CLIENT, RCPT_EXTERNAL), REASON_EXTERNAL_RCPT);
    live_end(&c);
}

/*
 * The client has the server repeat its SYN|ACK, and it comes when bytes are out beyond a gap: nothing begins anew,
 * whatever the client had pretended to end.
 */
static void repeated_syn_ack(uint32_t other_isn, uint32_t other_server, enum verdict_kind kind)
{
    struct live c;
    live_guard(&c);
    passes(say_flags(&c, ROLE_CLIENT, TCP_SYN, ""));
    passes(say_flags(&c, ROLE_SERVER, TCP_SYN | TCP_ACK, ""));
    struct support_segment seg = live_next(&c, ROLE_CLIENT, TCP_RST, "");
    seg.seq += 1u << 29; /* far out of the server's window */
    passes(feed_segment(&c, &seg));
    seg = live_next(&c, ROLE_CLIENT, TCP_SYN, "");
    seg.seq = other_isn;
    passes(feed_segment(&c, &seg));
    seg = live_next(&c, ROLE_CLIENT, TCP_ACK, "OOP\r\n" RCPT_EXTERNAL);
    seg.seq++;
    passes(feed_segment(&c, &seg)); /* beyond a gap of one byte */
    seg = live_next(&c, ROLE_SERVER, TCP_SYN | TCP_ACK, "");
    seg.seq = other_server;
    seg.ack = other_isn + 1;
    assert_int_equal(feed_segment(&c, &seg).kind, kind);
    is_reset(say(&c, ROLE_CLIENT, "N"), REASON_EXTERNAL_RCPT);
    live_end(&c);
}

static void test_syn_ack_repeated(void **state)
{
    (void)state;
    repeated_syn_ack(100, 900, VERDICT_DROP);       /* as live_begin has them */
    repeated_syn_ack(20000, 9000000, VERDICT_DROP); /* with SYN cookies a server answers two SYNs */
}

/* What the server took out of a SYN is part of its connection, and a second SYN must not make us forget it. */
static void test_other_syn_behind_data_in_syn(void **state)
{
    (void)state;
    struct live c;
    live_guard(&c);
    struct support_segment syn = live_next(&c, ROLE_CLIENT, TCP_SYN, "RCPT TO:<u@ext.exam"), other = syn;
    passes(feed_segment(&c, &syn));
    other.seq += (uint32_t)syn.payload.len;
    other.payload = (struct bytes){0};
    assert_int_equal(feed_segment(&c, &other).kind, VERDICT_DROP);
    data_taken(&c, &syn);
    is_reset(say(&c, ROLE_CLIENT, "ple>\r\n"), REASON_EXTERNAL_RCPT);
    live_end(&c);
}

/* Multipath TCP must not come to be: one connection's bytes are only half of what the server would read. */
static void test_multipath(void **state)
{
    (void)state;
    static const uint8_t capable[] = {30, 4, 1, 1};
    struct live c;
    live_guard(&c);
    struct support_segment syn = live_next(&c, ROLE_CLIENT, TCP_SYN, "");
    syn.options = bytes_of(capable, sizeof capable);
    struct verdict v = feed_segment(&c, &syn);
    assert_int_equal(v.kind, VERDICT_REWRITE);
    assert_true(v.single_path);
    assert_int_equal(v.patches, 0);
    syn.payload = bytes_str("EHLO x\r\n");
    assert_true(feed_segment(&c, &syn).single_path);
    syn.payload = bytes_str("EHLO x\r\nMAIL"); /* to be cut, too: once more, without the one or the other */
    assert_int_equal(feed_segment(&c, &syn).kind, VERDICT_DROP);
    live_end(&c);

    live_guard(&c);
    engine_set_stance(c.e, STANCE_WATCH);
    syn.payload = (struct bytes){0};
    passes(feed_segment(&c, &syn));
    live_end(&c);
}

/* ---- many ---- */

/* A full table goes on with those whose client was heard to have got the server's number. */
static void test_flood(void **state)
{
    (void)state;
    struct live c, honest;
    struct engine_counters n;
    live_guard(&c);
    honest = c;
    honest.tcp.of[ROLE_CLIENT].port = 999;
    live_open(&honest);
    for (uint32_t i = 0; i < 1000; i++) {
        c.ns += 100 * NS_PER_MS;
        c.tcp.of[ROLE_CLIENT].port = (uint16_t)(2000 + i);
        live_restart(&c, i * 7, 0);
        (void)say_flags(&c, ROLE_CLIENT, TCP_SYN, "");
        c.tcp.next[ROLE_SERVER] = 1;
        (void)say_flags(&c, ROLE_CLIENT, TCP_ACK, "R"); /* and some data for nobody */
    }
    engine_count(c.e, &n);
    assert_int_equal(n.flows_now, 16);
    assert_int_equal(n.blocks_now, 0);
    assert_int_equal(n.flows_refused, 0);
    assert_in_range(n.flows_evicted, 900, 1000);
    honest.ns = c.ns;
    live_still_judged(&honest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_new_isn),
        cmocka_unit_test(test_same_isn),
        cmocka_unit_test(test_same_isn_after_fin),
        cmocka_unit_test(test_syn_in_between),
        cmocka_unit_test(test_simultaneous_open),
        cmocka_unit_test(test_syn_ack_to_a_server),
        cmocka_unit_test(test_reply_to_a_server),
        cmocka_unit_test(test_servers_named),
        cmocka_unit_test(test_data_in_syn),
        cmocka_unit_test(test_data_before_the_handshake),
        cmocka_unit_test(test_answer_to_a_syn_before_the_last),
        cmocka_unit_test(test_syn_ack_repeated),
        cmocka_unit_test(test_other_syn_behind_data_in_syn),
        cmocka_unit_test(test_multipath),
        cmocka_unit_test(test_slow_greeting),
        cmocka_unit_test(test_flood),
    };
    return cmocka_run_group_tests_name("engine, how connections begin", tests, NULL, NULL);
}
