/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What DNS blocklists say of a client: asked at the SYN, needed at the second command, waited for a while. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "kmod-free/tests/support_live.h"
#include "kmod-free/tests/support_policy.h"

#define MAIL "MAIL FROM:<a@b.example>\r\n"

static struct log l;
static struct live c;
static struct {
    size_t count;
    uint32_t flow;
    uint64_t flow_id;
    bool nobody; /* there to answer */
    bool busy;
} asked;

static bool busy(void *ctx)
{
    (void)ctx;
    return asked.busy;
}

static bool ask(void *ctx, uint32_t flow, uint64_t flow_id, const struct ip_addr *client, int32_t enough)
{
    (void)ctx;
    assert_int_equal(client->family, 4);
    assert_int_equal(enough, 2); /* the tag's threshold */
    asked.count++;
    asked.flow = flow;
    asked.flow_id = flow_id;
    return !asked.nobody;
}

static void start(enum stance stance, enum action unknown)
{
    struct engine_config cfg;
    struct policy *p = support_policy(stance == STANCE_GUARD);
    bool nobody = asked.nobody;
    p->tags[1].dnsbl_threshold = 2;
    p->tags[1].dnsbl_unknown = unknown;
    snprintf(p->lists[0], sizeof p->lists[0], "bl.example");
    engine_config_defaults(&cfg);
    cfg.stance = stance;
    cfg.max_flows = 16;
    cfg.stream_blocks = 256;
    cfg.stream_block_limit = 64;
    cfg.sink = (struct event_sink){log_event, &l};
    cfg.asks.ask = ask;
    cfg.asks.busy = busy;
    cfg.dnsbl_wait_ns = 300 * NS_PER_MS;
    l = (struct log){0};
    memset(&asked, 0, sizeof asked);
    asked.nobody = nobody;
    live_begin(&c, engine_new(&cfg, p), &l);
}

static void begin(enum stance stance, enum action unknown)
{
    start(stance, unknown);
    live_open(&c);
    assert_int_equal(asked.count, 1);
    assert_int_equal(say(&c, ROLE_CLIENT, "EHLO x\r\n").kind, VERDICT_PASS); /* whatever the lists say */
    assert_int_equal(say(&c, ROLE_SERVER, "250 ok\r\n").kind, VERDICT_PASS);
}

static void tell(int32_t score, bool incomplete)
{
    engine_tell(c.e, &(struct dnsbl_told){.flow = asked.flow, .flow_id = asked.flow_id, .score = score,
                                          .lists = score > 0 ? 1 : 0, .incomplete = incomplete});
}

static bool alerted(void)
{
    return strstr(l.text, "dnsbl") != NULL;
}

static void end(void)
{
    live_end(&c);
    asked.nobody = false;
}

static void where_too_much_is_under_way_a_client_is_asked_about_once_he_is_there(void **state)
{
    (void)state;
    start(STANCE_GUARD, ACTION_RESET);
    asked.busy = true;
    assert_int_equal(say_flags(&c, ROLE_CLIENT, TCP_SYN, "").kind, VERDICT_PASS);
    assert_int_equal(say_flags(&c, ROLE_SERVER, TCP_SYN | TCP_ACK, "").kind, VERDICT_PASS);
    assert_int_equal(asked.count, 0); /* anybody can have sent that SYN */
    assert_int_equal(say(&c, ROLE_SERVER, "220 x\r\n").kind, VERDICT_PASS);
    assert_int_equal(asked.count, 1); /* the server says that to nobody who hasn't answered it; his ACK needn't come here */
    assert_int_equal(say(&c, ROLE_CLIENT, "EHLO x\r\n").kind, VERDICT_PASS);
    assert_int_equal(say(&c, ROLE_SERVER, "250 ok\r\n").kind, VERDICT_PASS);
    struct live before = c;
    assert_int_equal(say(&c, ROLE_CLIENT, MAIL).kind, VERDICT_DROP); /* and is waited for as ever */
    c.tcp = before.tcp;
    tell(0, false);
    assert_int_equal(say(&c, ROLE_CLIENT, MAIL).kind, VERDICT_PASS);
    assert_int_equal(asked.count, 1);
    end();
}

static void a_listed_client_is_reset_at_mail(void **state)
{
    (void)state;
    begin(STANCE_GUARD, ACTION_ACCEPT);
    tell(2, false);
    assert_false(alerted());
    assert_int_equal(say(&c, ROLE_CLIENT, MAIL).kind, VERDICT_RESET);
    assert_true(alerted());
    end();
}

static void below_the_threshold_it_passes(void **state)
{
    (void)state;
    begin(STANCE_GUARD, ACTION_RESET);
    tell(1, false);
    assert_int_equal(say(&c, ROLE_CLIENT, MAIL).kind, VERDICT_PASS);
    assert_false(alerted());
    end();
}

static void mail_waits_for_the_answer_and_not_longer_than_wait(void **state)
{
    (void)state;
    begin(STANCE_GUARD, ACTION_ACCEPT);
    struct live before = c;
    assert_int_equal(say(&c, ROLE_CLIENT, MAIL).kind, VERDICT_DROP);
    c.tcp = before.tcp; /* TCP sends it again */
    assert_int_equal(say(&c, ROLE_CLIENT, MAIL).kind, VERDICT_DROP);
    c.tcp = before.tcp;
    c.ns += 300 * NS_PER_MS;
    assert_int_equal(say(&c, ROLE_CLIENT, MAIL).kind, VERDICT_PASS);
    assert_false(alerted());
    end();
}

static void only_what_waits_for_the_answer_may_be_kept_back_and_until_when(void **state)
{
    (void)state;
    begin(STANCE_GUARD, ACTION_RESET);
    struct live before = c;
    int64_t first = c.ns;
    struct verdict v = say(&c, ROLE_CLIENT, MAIL);
    assert_int_equal(v.kind, VERDICT_DROP);
    assert_int_equal(v.flow, asked.flow);
    assert_in_range(v.held_until.ns, first + 300 * NS_PER_MS, c.ns + 300 * NS_PER_MS);
    int64_t until = v.held_until.ns;
    c.tcp = before.tcp;
    c.ns += 100 * NS_PER_MS;
    assert_int_equal(say(&c, ROLE_CLIENT, MAIL).held_until.ns, until); /* the copy waits no longer than the first */
    tell(0, false);
    c.tcp = before.tcp;
    v = say(&c, ROLE_CLIENT, MAIL "DATA\r\nRSET\r\n");
    assert_int_equal(v.kind, VERDICT_CLIP); /* waits for 354 now, and that isn't the lists' business */
    assert_int_equal(v.held_until.ns, 0);
    end();
}

/* The mail has passed: a line that says it was reset would be a lie. */
static void an_answer_after_the_end_of_the_session_ends_nothing(void **state)
{
    (void)state;
    begin(STANCE_GUARD, ACTION_ACCEPT);
    struct live before = c;
    assert_int_equal(say(&c, ROLE_CLIENT, MAIL).kind, VERDICT_DROP);
    c.tcp = before.tcp;
    c.ns += 300 * NS_PER_MS;
    assert_int_equal(say(&c, ROLE_CLIENT, MAIL).kind, VERDICT_PASS);
    assert_int_equal(say_flags(&c, ROLE_SERVER, TCP_FIN | TCP_ACK, "421 bye\r\n").kind, VERDICT_PASS);
    assert_int_equal(say_flags(&c, ROLE_CLIENT, TCP_FIN | TCP_ACK, "").kind, VERDICT_PASS);
    tell(2, false);
    assert_false(alerted());
    assert_int_equal(say_flags(&c, ROLE_SERVER, TCP_ACK, "").kind, VERDICT_PASS);
    end();
}

static void an_answer_lets_what_waits_go(void **state)
{
    (void)state;
    begin(STANCE_GUARD, ACTION_RESET);
    struct live before = c;
    assert_int_equal(say(&c, ROLE_CLIENT, MAIL).kind, VERDICT_DROP);
    c.tcp = before.tcp;
    tell(0, false);
    assert_int_equal(say(&c, ROLE_CLIENT, MAIL).kind, VERDICT_PASS);
    end();
}

static void unknown_is_what_the_tag_says(void **state)
{
    (void)state;
    begin(STANCE_GUARD, ACTION_RESET);
    tell(0, true);
    assert_int_equal(say(&c, ROLE_CLIENT, MAIL).kind, VERDICT_RESET);
    end();
    asked.nobody = true;
    begin(STANCE_GUARD, ACTION_ACCEPT);
    assert_int_equal(say(&c, ROLE_CLIENT, MAIL).kind, VERDICT_PASS);
    end();
}

static void an_answer_for_another_session_is_passed_over(void **state)
{
    (void)state;
    begin(STANCE_GUARD, ACTION_ACCEPT);
    asked.flow_id++;
    tell(9, false);
    asked.flow = 9999;
    tell(9, false);
    assert_int_equal(say(&c, ROLE_CLIENT, MAIL).kind, VERDICT_DROP); /* still waits */
    end();
}

static void a_watcher_waits_for_nothing_and_tells_later(void **state)
{
    (void)state;
    begin(STANCE_WATCH, ACTION_ACCEPT);
    assert_int_equal(say(&c, ROLE_CLIENT, MAIL).kind, VERDICT_PASS);
    assert_false(alerted());
    tell(2, false);
    assert_true(alerted());
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(where_too_much_is_under_way_a_client_is_asked_about_once_he_is_there),
        cmocka_unit_test(a_listed_client_is_reset_at_mail),
        cmocka_unit_test(below_the_threshold_it_passes),
        cmocka_unit_test(mail_waits_for_the_answer_and_not_longer_than_wait),
        cmocka_unit_test(only_what_waits_for_the_answer_may_be_kept_back_and_until_when),
        cmocka_unit_test(an_answer_lets_what_waits_go),
        cmocka_unit_test(an_answer_after_the_end_of_the_session_ends_nothing),
        cmocka_unit_test(unknown_is_what_the_tag_says),
        cmocka_unit_test(an_answer_for_another_session_is_passed_over),
        cmocka_unit_test(a_watcher_waits_for_nothing_and_tells_later),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
