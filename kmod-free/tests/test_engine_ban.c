/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bans as the engine asks for them: whose, when, once; in monitor mode never. */
#include "kmod-free/engine_internal.h"
#include "kmod-free/tests/support_live.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* A relay attempt from this port. Returns the verdict on the RCPT. */
static struct verdict attempt(struct engine *e, struct log *l, uint16_t port, int64_t at_ns)
{
    static struct live c;

    live_begin(&c, e, l);
    c.ns = at_ns;
    c.tcp.of[ROLE_CLIENT].port = port;
    live_open(&c);
    assert_int_equal(say(&c, ROLE_CLIENT, "EHLO x\r\n").kind, VERDICT_PASS);
    assert_int_equal(say(&c, ROLE_SERVER, "250 x\r\n").kind, VERDICT_PASS);
    assert_int_equal(say(&c, ROLE_CLIENT, "MAIL FROM:<a@b.example>\r\n").kind, VERDICT_PASS);
    assert_int_equal(say(&c, ROLE_SERVER, "250 x\r\n").kind, VERDICT_PASS);
    struct verdict v = say(&c, ROLE_CLIENT, "RCPT TO:<u@ext.example>\r\n");
    struct verdict again = say(&c, ROLE_CLIENT, "RCPT TO:<u@ext.example>\r\n");
    assert_false(again.ban); /* once a session */
    return v;
}

static struct engine_counters counted(const struct engine *e)
{
    struct engine_counters n;

    engine_count(e, &n);
    return n;
}

static void after_so_many(void **state)
{
    static struct log l;
    struct engine *e = engine_make(STANCE_GUARD, &l);

    (void)state;
    e->policy->tags[1].ban_after = 3;
    e->policy->tags[1].ban_for_s = 60;
    for (uint16_t i = 0; i < 7; i++) {
        struct verdict v = attempt(e, &l, (uint16_t)(2000 + i), (1 + i) * NS_PER_S);
        assert_int_equal(v.kind, VERDICT_RESET);
        assert_int_equal(v.ban, i == 2 || i == 5); /* each third; then it begins anew */
    }
    assert_int_equal(counted(e).bans, 2);
    /* The 7th was the first of a new three; the next comes when it is forgotten. */
    assert_false(attempt(e, &l, 3000, 100 * NS_PER_S).ban);
    assert_false(attempt(e, &l, 3001, 101 * NS_PER_S).ban);
    assert_true(attempt(e, &l, 3002, 102 * NS_PER_S).ban);
    engine_finish(e);
    engine_free(e);
}

static void never_by_default(void **state)
{
    static struct log l;
    struct engine *e = engine_make(STANCE_GUARD, &l);

    (void)state;
    for (uint16_t i = 0; i < 5; i++)
        assert_false(attempt(e, &l, (uint16_t)(2000 + i), (1 + i) * NS_PER_S).ban);
    assert_int_equal(counted(e).bans, 0);
    engine_finish(e);
    engine_free(e);
}

/* `drop` says nothing to anybody; the packet carries the ban to the firewall. */
static void drop_bans_too(void **state)
{
    static struct log l;
    struct engine *e = engine_make(STANCE_GUARD, &l);

    (void)state;
    e->policy->tags[1].ban_after = 1;
    e->policy->tags[1].on[REASON_EXTERNAL_RCPT] = ACTION_DROP;
    struct verdict v = attempt(e, &l, 2000, NS_PER_S);
    assert_int_equal(v.kind, VERDICT_DROP);
    assert_true(v.ban);
    engine_finish(e);
    engine_free(e);
}

static void ban_is_an_action_too(void **state)
{
    static struct log l;
    struct engine *e = engine_make(STANCE_GUARD, &l);

    (void)state;
    e->policy->tags[1].on[REASON_EXTERNAL_RCPT] = ACTION_BAN;
    struct verdict v = attempt(e, &l, 2000, NS_PER_S);
    assert_int_equal(v.kind, VERDICT_RESET);
    assert_true(v.ban);
    assert_non_null(strstr(l.text, "alert external-rcpt ban "));
    engine_finish(e);
    engine_free(e);
}

static void monitor_bans_nobody(void **state)
{
    static struct log l;
    struct engine *e = engine_make(STANCE_WATCH, &l);

    (void)state;
    e->policy->tags[1].ban_after = 1;
    e->policy->tags[1].on[REASON_EXTERNAL_RCPT] = ACTION_BAN;
    struct verdict v = attempt(e, &l, 2000, NS_PER_S);
    assert_int_equal(v.kind, VERDICT_PASS);
    assert_false(v.ban);
    assert_int_equal(counted(e).bans, 0);
    engine_finish(e);
    engine_free(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(after_so_many),        cmocka_unit_test(never_by_default),    cmocka_unit_test(drop_bans_too),
        cmocka_unit_test(ban_is_an_action_too), cmocka_unit_test(monitor_bans_nobody),
    };

    return cmocka_run_group_tests_name("engine_ban", tests, NULL, NULL);
}
