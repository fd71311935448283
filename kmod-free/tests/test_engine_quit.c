/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Behind QUIT nothing is judged any more: the engine says when that is so (`over`), lets nothing
 * through that would be a command, and does without the packets that then pass by the queue.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "kmod-free/tests/support_live.h"
#include "kmod-free/tests/support_policy.h"

static void leave(struct live *c)
{
    live_open(c);
    live_exchange(c, "EHLO x\r\n", "250 ok\r\n");
    struct verdict v = say(c, ROLE_CLIENT, "QUIT\r\n");
    passes(v);
    assert_true(v.over);
}

static void unseen(struct live *c, enum role from, uint32_t numbers)
{
    c->tcp.next[from] = c->tcp.next[from] + numbers;
}

static void test_quit(void **state)
{
    (void)state;
    struct live c;
    live_guard(&c);
    live_open(&c);
    assert_false(say(&c, ROLE_CLIENT, "EHLO x\r\n").over);
    assert_false(say(&c, ROLE_SERVER, "250 ok\r\n").over);
    assert_false(say(&c, ROLE_CLIENT, "QUIT now\r\n").over); /* some say 501 to that, and go on */
    assert_false(say(&c, ROLE_SERVER, "501 no\r\n").over);
    assert_false(say(&c, ROLE_CLIENT, "NOOP\r\nQUIT\r\n").over); /* the server hasn't come to it yet */
    assert_true(say(&c, ROLE_SERVER, "250 ok\r\n").over);
    live_end(&c);
}

static void test_quit_is_nothing_in_monitor_mode(void **state)
{
    (void)state;
    static struct log events;
    struct live c;
    struct engine_config cfg;
    engine_config_defaults(&cfg);
    cfg.stance = STANCE_WATCH;
    cfg.live = true;
    cfg.max_flows = 16;
    cfg.stream_blocks = 256;
    cfg.stream_block_limit = 64;
    struct engine *e = engine_new(&cfg, support_policy(false));
    assert_non_null(e);
    live_begin(&c, e, &events);
    live_open(&c);
    assert_false(say(&c, ROLE_CLIENT, "QUIT\r\n").over);
    assert_false(say(&c, ROLE_SERVER, "221 bye\r\n").over);
    live_end(&c);
}

static void test_quit_nothing_else_is_seen(void **state)
{
    (void)state;
    struct live c;
    live_guard(&c);
    leave(&c);
    unseen(&c, ROLE_SERVER, 9); /* 221 bye */
    struct verdict v = say_flags(&c, ROLE_SERVER, TCP_FIN | TCP_ACK, "");
    passes(v);
    assert_true(v.over);
    struct engine_counters n;
    engine_count(c.e, &n);
    assert_int_equal(n.blocks_now, 0); /* the server's FIN says that it has QUIT */
    c.ns += 61 * NS_PER_S;
    engine_tick(c.e, (struct mono){c.ns});
    engine_count(c.e, &n);
    assert_int_equal(n.flows_now, 0);
    assert_null(strstr(c.l->text, "alert"));
    live_end(&c);
}

/* A client that ends its side at once: the server's FIN acknowledges one number that we never saw. */
static void test_quit_and_fin_unseen(void **state)
{
    (void)state;
    struct live c;
    live_guard(&c);
    leave(&c);
    unseen(&c, ROLE_CLIENT, 1);
    passes(say_flags(&c, ROLE_SERVER, TCP_FIN | TCP_ACK, "221 bye\r\n"));
    assert_null(strstr(c.l->text, "alert"));
    live_end(&c);
}

static void test_nothing_behind_quit(void **state)
{
    (void)state;
    struct live c;
    live_guard(&c);
    leave(&c);
    struct support_segment again = live_next(&c, ROLE_CLIENT, TCP_ACK, "QUIT\r\n");
    again.seq -= 6;
    passes(feed_segment(&c, &again)); /* it was lost behind us */
    struct support_segment more = live_next(&c, ROLE_CLIENT, TCP_ACK, "NOOP\r\n");
    assert_int_equal(feed_segment(&c, &more).kind, VERDICT_DROP);
    more = live_next(&c, ROLE_CLIENT, TCP_ACK | TCP_FIN, "NOO");
    more.seq += 6;
    assert_int_equal(feed_segment(&c, &more).kind, VERDICT_DROP);
    again.payload = bytes_str("QUIT\r\nNOOP\r\n");
    struct verdict v = feed_segment(&c, &again);
    assert_int_equal(v.kind, VERDICT_CLIP);
    assert_int_equal(v.keep, 6);
    live_end(&c);

    live_guard(&c);
    leave(&c);
    again = live_next(&c, ROLE_CLIENT, TCP_ACK, "NOOP\r\n");
    again.seq -= 6;
    is_reset(feed_segment(&c, &again), REASON_EVASION); /* another copy of QUIT */
    live_end(&c);

    live_guard(&c);
    leave(&c);
    more = live_next(&c, ROLE_CLIENT, TCP_ACK, RCPT_EXTERNAL);
    is_reset(feed_segment(&c, &more), REASON_EXTERNAL_RCPT);
    live_end(&c);
}

/* The mark that would let what comes behind a SYN pass by the queue must not be set by it. */
static void test_syn_behind_quit(void **state)
{
    (void)state;
    struct live c;
    live_guard(&c);
    leave(&c);
    live_restart(&c, 5000000, 6000000);
    struct verdict v = say_flags(&c, ROLE_CLIENT, TCP_SYN, "");
    passes(v);
    assert_false(v.over);
    passes(say_flags(&c, ROLE_SERVER, TCP_SYN | TCP_ACK, ""));
    passes(say(&c, ROLE_SERVER, "220 x\r\n"));
    live_still_judged(&c);
}

/* With the old numbers the server's answer may be the old one, repeated. */
static void test_port_of_quit_in_doubt(void **state)
{
    (void)state;
    struct live c;
    live_guard(&c);
    leave(&c);
    live_restart(&c, 100, 900);
    passes(say_flags(&c, ROLE_CLIENT, TCP_SYN, ""));
    assert_int_equal(say_flags(&c, ROLE_SERVER, TCP_SYN | TCP_ACK, "").kind, VERDICT_DROP);
    live_end(&c);
}

static void test_port_of_quit(void **state)
{
    (void)state;
    struct live c;
    live_guard(&c);
    leave(&c);
    unseen(&c, ROLE_SERVER, 9);
    passes(say_flags(&c, ROLE_SERVER, TCP_FIN | TCP_ACK, ""));
    live_restart(&c, 100, 900); /* the numbers of before, both of them */
    live_open(&c);
    assert_false(say(&c, ROLE_CLIENT, "HELP\r\n").over);
    passes(say(&c, ROLE_SERVER, "214 no\r\n"));
    live_still_judged(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_quit),
        cmocka_unit_test(test_quit_is_nothing_in_monitor_mode),
        cmocka_unit_test(test_quit_nothing_else_is_seen),
        cmocka_unit_test(test_quit_and_fin_unseen),
        cmocka_unit_test(test_nothing_behind_quit),
        cmocka_unit_test(test_syn_behind_quit),
        cmocka_unit_test(test_port_of_quit_in_doubt),
        cmocka_unit_test(test_port_of_quit),
    };
    return cmocka_run_group_tests_name("engine, QUIT", tests, NULL, NULL);
}
