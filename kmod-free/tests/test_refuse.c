/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `refuse`: the RCPT is disarmed in every copy, however it is cut (V6), or the session is reset. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "kmod-free/rewrite.h"
#include "kmod-free/tests/support_live.h"
#include "kmod-free/tests/support_policy.h"

#define BAD "RCPT TO:<u@ext.example>\r\n"
#define OFF "RCPT TO:<@@@@@@@@@@@@@>\r\n"
#define GOOD "RCPT TO:<u@local.example>\r\n"

static struct log l;
static struct live c;
/* What the last packet of the client carries behind the gateway; empty if it was dropped. */
static char sent[SUPPORT_PACKET_MAX];

static struct policy *refusing(bool enforce)
{
    struct policy *p = support_policy(enforce);
    p->tags[1].on[REASON_EXTERNAL_RCPT] = ACTION_REFUSE;
    return p;
}

static void begin(enum stance stance)
{
    l = (struct log){0};
    live_begin(&c, engine_make(stance, &l), &l);
    policy_free(engine_swap_policy(c.e, refusing(stance == STANCE_GUARD)));
    live_open(&c);
    assert_int_equal(say(&c, ROLE_CLIENT, "EHLO x\r\n").kind, VERDICT_PASS);
    assert_int_equal(say(&c, ROLE_SERVER, "250-x\r\n250 PIPELINING\r\n").kind, VERDICT_PASS);
    assert_int_equal(say(&c, ROLE_CLIENT, "MAIL FROM:<a@b.example>\r\n").kind, VERDICT_PASS);
    assert_int_equal(say(&c, ROLE_SERVER, "250 ok\r\n").kind, VERDICT_PASS);
}

/* The client's next bytes, or, with back > 0, some that begin so far before what it sent last. */
static struct verdict send_at(size_t back, const char *text)
{
    static uint8_t out[SUPPORT_PACKET_MAX], packet[SUPPORT_PACKET_MAX];
    uint32_t next = c.tcp.next[ROLE_CLIENT];
    c.tcp.next[ROLE_CLIENT] -= (uint32_t)back;
    size_t len = support_tcp_send(&c.tcp, ROLE_CLIENT, TCP_PSH | TCP_ACK, bytes_str(text), out, sizeof out);
    if (back > 0)
        c.tcp.next[ROLE_CLIENT] = next;
    struct bytes guarded = guard_copy(bytes_of(out, len));
    struct frame f = support_frame(guarded, c.ns += NS_PER_MS);
    struct verdict v = engine_feed(c.e, &f);
    sent[0] = '\0';
    if (v.kind == VERDICT_PASS) {
        snprintf(sent, sizeof sent, "%s", text);
    } else if (v.kind == VERDICT_CLIP || v.kind == VERDICT_REWRITE) {
        assert_true(v.kind == VERDICT_CLIP || v.keep == strlen(text));
        size_t n = rewrite_refuse(f.l3, engine_packet(c.e), v.keep, 0, v.patch, v.patches, packet, sizeof packet);
        assert_true(n >= v.keep);
        struct packet p; /* whole, with good checksums */
        struct frame again = support_frame(bytes_of(packet, n), c.ns);
        assert_int_equal(packet_decode(&again, &p), PACKET_TCP);
        assert_true(p.csum_good);
        assert_int_equal(p.payload.len, v.keep);
        memcpy(sent, p.payload.at, v.keep);
        sent[v.keep] = '\0';
    }
    guard_free(guarded);
    return v;
}

static void test_alone_and_pipelined(void **state)
{
    (void)state;
    begin(STANCE_GUARD);
    assert_int_equal(send_at(0, BAD).kind, VERDICT_REWRITE);
    assert_string_equal(sent, OFF);
    assert_int_equal(say(&c, ROLE_SERVER, "501 no\r\n").kind, VERDICT_PASS);
    assert_int_equal(send_at(0, GOOD BAD GOOD "DATA\r\n").kind, VERDICT_REWRITE);
    assert_string_equal(sent, GOOD OFF GOOD "DATA\r\n");
    assert_int_equal(say(&c, ROLE_SERVER, "250 ok\r\n501 no\r\n250 ok\r\n354 go\r\n").kind, VERDICT_PASS);
    assert_int_equal(send_at(0, "Hi\r\n" BAD ".\r\nQUIT\r\n").kind, VERDICT_PASS); /* a body is left alone */
    struct engine_counters n;
    engine_count(c.e, &n);
    assert_int_equal(n.refused, 2);
    assert_int_equal(n.rewritten, 2);
    live_end(&c);
    assert_non_null(strstr(l.text, "rcpt external-rcpt refuse from=a@b.example rcpt=u@ext.example"));
    assert_non_null(strstr(l.text, "alert external-rcpt refuse from=a@b.example rcpt=u@ext.example"));
    assert_non_null(strstr(l.text, "rcpts=4 external=2"));
}

/* Together with a barrier: what stands behind DATA still waits. */
static void test_with_a_clip(void **state)
{
    (void)state;
    begin(STANCE_GUARD);
    assert_int_equal(send_at(0, GOOD BAD "DATA\r\nHi\r\n.\r\n").kind, VERDICT_CLIP);
    assert_string_equal(sent, GOOD OFF "DATA\r\n");
    live_end(&c);
}

/* V6: all ways to cut a copy, before and after the server acknowledged it. */
static void test_every_copy(void **state)
{
    (void)state;
    static const char all[] = GOOD BAD "NOOP\r\n", off[] = GOOD OFF "NOOP\r\n";
    size_t len = sizeof all - 1;
    char part[sizeof all];
    for (int acked = 0; acked < 3; acked++) {
        begin(STANCE_GUARD);
        assert_int_equal(send_at(0, all).kind, VERDICT_REWRITE);
        assert_string_equal(sent, off);
        if (acked > 0)
            assert_int_equal(say(&c, ROLE_SERVER, "250 ok\r\n501 no\r\n250 ok\r\n").kind, VERDICT_PASS);
        if (acked == 2) { /* V6 holds in monitor mode, too */
            policy_free(engine_swap_policy(c.e, refusing(false)));
            engine_set_stance(c.e, STANCE_WATCH);
        }
        for (size_t from = 0; from < len; from++) {
            for (size_t to = from + 1; to <= len; to++) {
                memcpy(part, all + from, to - from);
                part[to - from] = '\0';
                struct verdict v = send_at(len - from, part);
                assert_true(v.kind == VERDICT_PASS || v.kind == VERDICT_REWRITE);
                assert_int_equal(strlen(sent), to - from);
                assert_memory_equal(sent, off + from, to - from);
            }
        }
        live_end(&c);
    }
}

/* A copy with other bytes is evasion (S1), also one that has the replacement in it. */
static void test_twin(void **state)
{
    (void)state;
    begin(STANCE_GUARD);
    assert_int_equal(send_at(0, BAD).kind, VERDICT_REWRITE);
    assert_int_equal(send_at(sizeof BAD - 1, OFF).kind, VERDICT_RESET);
    live_end(&c);
    assert_non_null(strstr(l.text, "alert evasion"));
}

/* In two segments: what the replacement wouldn't change may be out already, and not a byte more. */
static void test_begun_already(void **state)
{
    (void)state;
    for (size_t cut = 1; cut < sizeof BAD - 2; cut++) {
        char first[64], second[64];
        snprintf(first, sizeof first, "%.*s", (int)cut, BAD);
        snprintf(second, sizeof second, "%s", &BAD[cut]);
        begin(STANCE_GUARD);
        assert_int_equal(send_at(0, first).kind, VERDICT_PASS);
        enum verdict_kind kind = send_at(0, second).kind;
        if (cut <= strlen("RCPT TO:<")) {
            assert_int_equal(kind, VERDICT_REWRITE);
            assert_string_equal(sent, &OFF[cut]);
        } else {
            assert_int_equal(kind, VERDICT_RESET);
            assert_non_null(strstr(l.text, "rcpt external-rcpt reset"));
        }
        live_end(&c);
    }
}

/* Beyond a gap it went on unread. When the gap fills it is too late. */
static void test_beyond_a_gap(void **state)
{
    (void)state;
    begin(STANCE_GUARD);
    c.tcp.next[ROLE_CLIENT] += 6;
    assert_int_equal(send_at(0, BAD).kind, VERDICT_PASS);
    assert_int_equal(send_at(6 + sizeof BAD - 1, "NOOP\r\n").kind, VERDICT_RESET);
    live_end(&c);
}

static void test_three_a_session(void **state)
{
    (void)state;
    begin(STANCE_GUARD);
    assert_int_equal(send_at(0, BAD BAD).kind, VERDICT_REWRITE);
    assert_string_equal(sent, OFF OFF);
    assert_int_equal(send_at(0, BAD).kind, VERDICT_REWRITE);
    assert_int_equal(send_at(0, BAD).kind, VERDICT_RESET);
    live_end(&c);
}

/* Lines that not everybody reads as this one command, or that don't take the replacement. */
static void test_other_lines(void **state)
{
    (void)state;
    char long_line[700];
    snprintf(long_line, sizeof long_line, "RCPT TO:<u@ext.example> X=%0*d\r\n", 500, 0);
    static const char *const resets[] = {
        "RCPT TO:<u@ext.example>\n",          /* LF alone */
        "RCPT TO:<u@ext.example>\rX\r\n",     /* a bare CR */
        "RCPT u@d\r\n",                       /* too short for it */
    };
    for (size_t i = 0; i < sizeof resets / sizeof *resets; i++) {
        begin(STANCE_GUARD);
        assert_int_equal(send_at(0, resets[i]).kind, VERDICT_RESET);
        live_end(&c);
    }
    begin(STANCE_GUARD);
    assert_int_equal(send_at(0, long_line).kind, VERDICT_RESET);
    live_end(&c);

    begin(STANCE_GUARD); /* other spellings, parameters: all of the line is replaced */
    assert_int_equal(send_at(0, "rcpt  to: <u%ext.example@local.example> NOTIFY=NEVER\r\n").kind, VERDICT_REWRITE);
    assert_string_equal(sent, "RCPT TO:<@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@>\r\n");
    live_end(&c);
}

/* Monitor: said, and not done. */
static void test_watch(void **state)
{
    (void)state;
    begin(STANCE_WATCH);
    assert_int_equal(send_at(0, BAD).kind, VERDICT_PASS);
    live_end(&c);
    assert_non_null(strstr(l.text, "alert external-rcpt refuse"));
}

/* Other offences of a tag that refuses are still reset; too many recipients can be refused. */
static void test_limit(void **state)
{
    (void)state;
    begin(STANCE_GUARD);
    struct policy *p = refusing(true);
    p->tags[1].on[REASON_LIMIT] = ACTION_REFUSE;
    p->tags[1].rcpt_limit = 1;
    policy_free(engine_swap_policy(c.e, p));
    assert_int_equal(send_at(0, GOOD).kind, VERDICT_PASS);
    assert_int_equal(send_at(0, GOOD).kind, VERDICT_REWRITE);
    assert_int_equal(send_at(0, BAD).kind, VERDICT_REWRITE); /* for both reasons, and counted once */
    assert_int_equal(send_at(0, BAD).kind, VERDICT_REWRITE);
    assert_int_equal(send_at(0, GOOD).kind, VERDICT_RESET);
    live_end(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alone_and_pipelined), cmocka_unit_test(test_with_a_clip),
        cmocka_unit_test(test_every_copy),          cmocka_unit_test(test_twin),
        cmocka_unit_test(test_begun_already),       cmocka_unit_test(test_beyond_a_gap),
        cmocka_unit_test(test_three_a_session),     cmocka_unit_test(test_other_lines),
        cmocka_unit_test(test_watch),               cmocka_unit_test(test_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
