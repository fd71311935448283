/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * After the verdict RESET: what is sent to whom with which numbers, again while nobody answers,
 * and for as long as something of that connection comes (V2).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "kmod-free/tests/support_live.h"
#include "kmod-free/tests/support_policy.h"

static struct log events;

struct sent {
    struct reset_request last;
    int count;
};

static void take_reset(void *ctx, const struct reset_request *r)
{
    struct sent *s = ctx;
    s->last = *r;
    s->count++;
}

static void begin_with_resets(struct live *c, struct sent *sent)
{
    struct policy *p = policy_new();
    struct engine_config cfg;
    assert_non_null(p);
    assert_true(domain_set_seal(p->local));
    p->enforce = true;
    engine_config_defaults(&cfg);
    cfg.max_flows = 4;
    cfg.stream_blocks = 64;
    events = (struct log){0};
    *sent = (struct sent){0};
    cfg.sink = (struct event_sink){log_event, &events};
    cfg.resets = (struct reset_sink){take_reset, sent};
    struct engine *e = engine_new(&cfg, p);
    assert_non_null(e);
    live_begin(c, e, &events);
    live_open(c);
    live_exchange(c, "MAIL FROM:<>\r\n", "250 ok\r\n");
}

static void wait_s(struct live *c, int64_t seconds)
{
    c->ns += seconds * NS_PER_S;
    engine_tick(c->e, (struct mono){c->ns});
}

/* Nobody answers a RST, so the server's is sent again after 1, 3 and 7 s, with the number that it waits for. */
static void test_reset_again(void **state)
{
    (void)state;
    struct live c;
    struct sent sent;
    begin_with_resets(&c, &sent);
    struct support_tcp before = c.tcp;
    struct verdict v = say(&c, ROLE_CLIENT, RCPT_EXTERNAL);
    is_reset(v, REASON_EXTERNAL_RCPT);
    static const int wanted[] = {0, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3};
    c.ns += NS_PER_S / 2; /* the wheel's slots take part of a second */
    engine_tick(c.e, (struct mono){c.ns});
    for (size_t s = 0; s < sizeof wanted / sizeof wanted[0]; s++) {
        assert_int_equal(sent.count, wanted[s]);
        wait_s(&c, 1);
    }
    assert_true(endpoint_equal(&sent.last.from, &c.tcp.of[ROLE_CLIENT]));
    assert_true(endpoint_equal(&sent.last.to, &c.tcp.of[ROLE_SERVER]));
    assert_int_equal(sent.last.numbers.seq.v, before.next[ROLE_CLIENT]);
    assert_int_equal(sent.last.numbers.ack.v, before.next[ROLE_SERVER]);
    live_end(&c);

    begin_with_resets(&c, &sent); /* the server says itself that it is over */
    is_reset(say(&c, ROLE_CLIENT, RCPT_EXTERNAL), REASON_EXTERNAL_RCPT);
    passes(say_flags(&c, ROLE_SERVER, TCP_RST, ""));
    for (int i = 0; i < 10; i++)
        wait_s(&c, 1);
    assert_int_equal(sent.count, 0);
    live_end(&c);

    begin_with_resets(&c, &sent); /* a new connection from there: it is none of the old one's business */
    is_reset(say(&c, ROLE_CLIENT, RCPT_EXTERNAL), REASON_EXTERNAL_RCPT);
    live_restart(&c, 70000, 80000);
    live_open(&c);
    for (int i = 0; i < 10; i++)
        wait_s(&c, 1);
    assert_int_equal(sent.count, 0);
    live_end(&c);
}

/* conntrack may forget: what comes is answered by the engine, to each end, for as long as it comes (V2). */
static void test_stays_condemned(void **state)
{
    (void)state;
    struct live c;
    struct sent sent;
    begin_with_resets(&c, &sent);
    is_reset(say(&c, ROLE_CLIENT, RCPT_EXTERNAL), REASON_EXTERNAL_RCPT);
    for (int i = 0; i < 20; i++) {
        c.ns += 50 * NS_PER_S;
        engine_tick(c.e, (struct mono){c.ns});
        is_reset(say(&c, ROLE_CLIENT, RCPT_LOCAL), REASON_EXTERNAL_RCPT);
        struct verdict v = say(&c, ROLE_SERVER, "250 ok\r\n");
        is_reset(v, REASON_EXTERNAL_RCPT);
        assert_int_equal(v.tell_sender, i == 0);
    }
    live_end(&c);
}

/* The offending segment comes out of order, or is a repetition: the numbers are those that the server waits for. */
static void test_reset_numbers(void **state)
{
    (void)state;
    struct live c;
    struct sent sent;
    const char *rest = strchr(RCPT_EXTERNAL, ' ');
    begin_with_resets(&c, &sent);
    struct support_tcp before = c.tcp;
    c.tcp.next[ROLE_CLIENT] += 4;
    passes(say(&c, ROLE_CLIENT, rest)); /* beyond a gap */
    c.tcp = before;
    struct verdict v = say(&c, ROLE_CLIENT, "RCPT");
    is_reset(v, REASON_EXTERNAL_RCPT);
    assert_int_equal(v.onward.seq.v, before.next[ROLE_CLIENT]);
    assert_int_equal(v.back.seq.v, before.next[ROLE_SERVER]);
    v = say(&c, ROLE_CLIENT, rest); /* again */
    is_reset(v, REASON_EXTERNAL_RCPT);
    assert_int_equal(v.onward.seq.v, before.next[ROLE_CLIENT]);
    live_end(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reset_again),
        cmocka_unit_test(test_stays_condemned),
        cmocka_unit_test(test_reset_numbers),
    };
    return cmocka_run_group_tests_name("engine, condemned", tests, NULL, NULL);
}
