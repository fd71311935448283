/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A new policy under way: it comes as bytes, sessions go on, and what was judged stays judged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "kmod-free/policy_pack.h"
#include "kmod-free/tests/support_live.h"

static struct log l;
static struct live c;

/* As engine_make's, but not sealed. */
static struct policy *policy_make(bool enforce)
{
    struct policy *p = policy_new();
    struct network n;
    assert_non_null(p);
    assert_null(domain_set_add(p->local, "local.example"));
    assert_true(network_parse("203.0.113.0/24", &n));
    n.tag = 2;
    assert_true(policy_add_network(p, &n));
    assert_true(network_parse("192.0.2.25", &n));
    assert_true(policy_add_server(p, &n));
    p->enforce = enforce;
    return p;
}

static void begin(enum stance stance)
{
    l = (struct log){0};
    live_begin(&c, engine_make(stance, &l), &l);
    live_open(&c);
    assert_int_equal(say(&c, ROLE_CLIENT, "MAIL FROM:<a@b.example>\r\n").kind, VERDICT_PASS);
    assert_int_equal(say(&c, ROLE_SERVER, "250 ok\r\n").kind, VERDICT_PASS);
}

static void swap(struct policy *p)
{
    enum stance stance = p->enforce ? STANCE_GUARD : STANCE_WATCH;
    assert_true(domain_set_seal(p->local));
    policy_free(engine_swap_policy(c.e, p));
    engine_set_stance(c.e, stance);
}

static struct bytes packed(const struct policy *p)
{
    size_t len = policy_packed(p);
    uint8_t *at = malloc(len);
    assert_non_null(at);
    policy_pack(p, at);
    return bytes_of(at, len);
}

static void test_packed_and_unpacked(void **state)
{
    (void)state;
    struct policy *p = policy_make(true);
    assert_null(domain_set_add(p->local, ".below.example"));
    assert_null(domain_set_add(p->local, "b\xc3\xbc" "cher.example"));
    assert_null(domain_set_add(p->local, "[192.0.2.25]"));
    snprintf(p->tags[7].name, sizeof p->tags[7].name, "seven");
    p->tags[7].on[REASON_EXTERNAL_RCPT] = ACTION_DROP;
    assert_true(domain_set_seal(p->local));
    struct bytes b = packed(p);
    struct policy *q = policy_unpack(b);
    assert_non_null(q);
    assert_true(q->enforce);
    assert_memory_equal(q->tags, p->tags, sizeof p->tags);
    assert_int_equal(q->network_count, 1);
    assert_memory_equal(q->networks, p->networks, sizeof *p->networks);
    assert_int_equal(q->server_count, 1);
    assert_memory_equal(q->servers, p->servers, sizeof *p->servers);
    assert_int_equal(domain_set_size(q->local), 4);
    assert_true(domain_set_has(q->local, bytes_str("x.below.example")));
    assert_false(domain_set_has(q->local, bytes_str("x.local.example")));
    assert_true(domain_set_has(q->local, bytes_str("xn--bcher-kva.example")));
    struct ip_addr addr = support_endpoint("192.0.2.25", 25).addr;
    assert_true(domain_set_has_address(q->local, &addr));
    struct bytes again = packed(q);
    assert_int_equal(again.len, b.len);
    policy_free(q);
    free((void *)(uintptr_t)again.at);

    for (size_t len = 0; len < b.len; len++) { /* cut short: in the last name it is always noticed */
        struct bytes cut = guard_copy(bytes_first(b, len));
        q = policy_unpack(cut);
        if (q != NULL)
            assert_true(domain_set_size(q->local) < 4);
        policy_free(q);
        guard_free(cut);
    }
    uint8_t *wrong = (uint8_t *)(uintptr_t)b.at;
    wrong[offsetof(struct policy, tags) + sizeof(struct policy_tag) + offsetof(struct policy_tag, on)] = 0x7f;
    assert_null(policy_unpack(b));
    policy_free(p);
    free(wrong);
}

/* A domain that becomes ours, one that no longer is. */
static void test_new_policy_judges_what_comes(void **state)
{
    (void)state;
    begin(STANCE_GUARD);
    assert_int_equal(say(&c, ROLE_CLIENT, "RCPT TO:<u@local.example>\r\n").kind, VERDICT_PASS);
    assert_int_equal(say(&c, ROLE_SERVER, "250 ok\r\n").kind, VERDICT_PASS);
    struct policy *p = policy_make(true);
    assert_null(domain_set_add(p->local, "other.example"));
    swap(p);
    assert_int_equal(say(&c, ROLE_CLIENT, "RCPT TO:<u@other.example>\r\n").kind, VERDICT_PASS);
    swap(policy_make(true));
    assert_int_equal(say(&c, ROLE_CLIENT, "RCPT TO:<u@other.example>\r\n").kind, VERDICT_RESET);
    live_end(&c);
}

/* A session's tag is gone: it is judged as a stranger's. */
static void test_tag_taken_away(void **state)
{
    (void)state;
    l = (struct log){0};
    live_begin(&c, engine_make(STANCE_GUARD, &l), &l);
    c.tcp.of[ROLE_CLIENT] = support_endpoint("203.0.113.10", 40112);
    live_open(&c);
    assert_int_equal(say(&c, ROLE_CLIENT, "MAIL FROM:<>\r\nRCPT TO:<u@ext.example>\r\n").kind, VERDICT_PASS);
    assert_int_equal(say(&c, ROLE_SERVER, "250 ok\r\n250 ok\r\n").kind, VERDICT_PASS);
    struct policy *p = policy_make(true);
    p->tags[2] = (struct policy_tag){0};
    p->network_count = 0;
    p->tags[1].rcpt_limit = 2;
    swap(p);
    assert_int_equal(say(&c, ROLE_CLIENT, "RCPT TO:<u@local.example>\r\n").kind, VERDICT_PASS);
    assert_int_equal(say(&c, ROLE_CLIENT, "RCPT TO:<v@local.example>\r\n").kind, VERDICT_RESET);
    assert_non_null(strstr(l.text, "alert limit reset"));
    live_end(&c);
}

/* monitor, then enforce: the session goes on, though it broke the policy; the next offence ends it. */
static void test_enforce_from_now_on(void **state)
{
    (void)state;
    begin(STANCE_WATCH);
    assert_int_equal(say(&c, ROLE_CLIENT, "RCPT TO:<u@ext.example>\r\n").kind, VERDICT_PASS);
    assert_int_equal(say(&c, ROLE_SERVER, "250 ok\r\n").kind, VERDICT_PASS);
    swap(policy_make(true));
    assert_int_equal(say(&c, ROLE_CLIENT, "RCPT TO:<u@local.example>\r\n").kind, VERDICT_PASS);
    assert_int_equal(say(&c, ROLE_SERVER, "250 ok\r\n").kind, VERDICT_PASS);
    uint32_t at = c.tcp.next[ROLE_CLIENT];
    struct verdict v = say(&c, ROLE_CLIENT, "RCPT TO:<v@ext.example>\r\n");
    assert_int_equal(v.kind, VERDICT_RESET);
    assert_int_equal(v.onward.seq.v, at); /* what the server waits for, though WATCH kept no account of it */
    assert_int_equal(v.back.seq.v, c.tcp.next[ROLE_SERVER]);
    live_end(&c);
}

/* Bytes beyond a barrier went on in monitor mode. That is nobody's offence, and they are judged all the same. */
static void test_beyond_the_barrier_already(void **state)
{
    (void)state;
    for (int bad = 0; bad < 2; bad++) {
        begin(STANCE_WATCH);
        assert_int_equal(say(&c, ROLE_CLIENT, "EHLO x\r\nMAIL FROM:<>\r\n").kind, VERDICT_PASS);
        assert_int_equal(say(&c, ROLE_CLIENT, bad ? "RCPT TO:<u@ext.example>\r\n" : "RSET\r\n").kind, VERDICT_PASS);
        swap(policy_make(true));
        assert_int_equal(say(&c, ROLE_CLIENT, "NOOP\r\n").kind, VERDICT_DROP); /* TCP brings it again */
        c.tcp.next[ROLE_CLIENT] -= 6;
        struct verdict v = say(&c, ROLE_SERVER, "250-x\r\n250 PIPELINING\r\n");
        assert_int_equal(v.kind, bad ? VERDICT_RESET : VERDICT_PASS);
        v = say(&c, ROLE_CLIENT, "NOOP\r\n");
        assert_int_equal(v.kind, bad ? VERDICT_RESET : VERDICT_PASS);
        assert_null(strstr(l.text, "evasion"));
        live_end(&c);
    }
}

/* enforce, then monitor: nothing more is held back, but the condemned stay condemned (V2). */
static void test_monitor_from_now_on(void **state)
{
    (void)state;
    begin(STANCE_GUARD);
    swap(policy_make(false));
    assert_int_equal(say(&c, ROLE_CLIENT, "RCPT TO:<u@ext.example>\r\n").kind, VERDICT_PASS);
    assert_int_equal(say(&c, ROLE_CLIENT, "DATA\r\nbody\r\n.\r\n").kind, VERDICT_PASS);
    live_end(&c);

    begin(STANCE_GUARD);
    assert_int_equal(say(&c, ROLE_CLIENT, "RCPT TO:<u@ext.example>\r\n").kind, VERDICT_RESET);
    swap(policy_make(false));
    assert_int_equal(say(&c, ROLE_CLIENT, "DATA\r\n").kind, VERDICT_RESET);
    live_end(&c);
}

/* Missing bytes that monitor mode was still waiting for are no reason to end a session. */
static void test_gap_under_way(void **state)
{
    (void)state;
    begin(STANCE_WATCH);
    c.tcp.next[ROLE_CLIENT] += 6; /* "NOOP" that we never saw */
    assert_int_equal(say(&c, ROLE_SERVER, "250 noop\r\n").kind, VERDICT_PASS);
    swap(policy_make(true));
    assert_int_equal(say(&c, ROLE_CLIENT, "RCPT TO:<u@local.example>\r\n").kind, VERDICT_PASS);
    assert_int_equal(say(&c, ROLE_CLIENT, "RCPT TO:<u@ext.example>\r\n").kind, VERDICT_RESET);
    assert_null(strstr(l.text, "midstream"));
    live_end(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_packed_and_unpacked),
        cmocka_unit_test(test_new_policy_judges_what_comes),
        cmocka_unit_test(test_tag_taken_away),
        cmocka_unit_test(test_enforce_from_now_on),
        cmocka_unit_test(test_beyond_the_barrier_already),
        cmocka_unit_test(test_monitor_from_now_on),
        cmocka_unit_test(test_gap_under_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
