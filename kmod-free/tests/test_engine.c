/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The whole engine on hand-made sessions: verdicts in GUARD, events in WATCH, and that cuts don't matter. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "kmod-free/tests/support_live.h"

/* Feeds frames until one isn't passed; the index of that one, or the count. */
static size_t feed_until(struct engine *e, const struct support_session *s, struct verdict *v)
{
    for (size_t i = 0; i < s->count; i++) {
        struct frame f = support_session_frame(s, i);
        struct bytes guarded = guard_copy(f.l3);
        f.l3 = guarded;
        *v = engine_feed(e, &f);
        guard_free(guarded); /* whoever keeps a pointer into the frame crashes here or at the next one */
        if (v->kind != VERDICT_PASS)
            return i;
    }
    return s->count;
}

static const char plain_local[] = "S: 220 mail.local.example ESMTP\n"
                                  "C: EHLO outside.example\n"
                                  "S: 250-mail.local.example\nS: 250 PIPELINING\n"
                                  "C: MAIL FROM:<a@outside.example>\nS: 250 ok\n"
                                  "C: RCPT TO:<u@local.example>\nS: 250 ok\n"
                                  "C: DATA\nS: 354 go\n"
                                  "C: Subject: x\nC: RCPT TO:<quoted@ext.example>\nC: .\nS: 250 queued\n"
                                  "C: QUIT\nS: 221 bye\n";
static const char relay[] = "S: 220 mail.local.example ESMTP\n"
                            "C: EHLO outside.example\n"
                            "S: 250-mail.local.example\nS: 250 PIPELINING\n"
                            "C: MAIL FROM:<a@outside.example>\nS: 250 ok\n"
                            "C: RCPT TO:<u%ext.example@local.example>\nS: 250 ok\n"
                            "C: RCPT TO:<v@ext2.example>\nS: 250 ok\n"
                            "C: DATA\nS: 354 go\nC: spam\nC: .\nS: 250 queued\nC: QUIT\nS: 221 bye\n";

static void run_text(enum stance stance, const char *text, const struct support_session_config *cfg, struct log *l,
                     struct verdict *v, size_t *stopped, size_t *count)
{
    struct engine *e = engine_make(stance, l);
    struct support_session *s = support_session_text(cfg, text);
    *stopped = feed_until(e, s, v);
    *count = s->count;
    engine_finish(e);
    struct engine_counters c;
    engine_count(e, &c);
    assert_int_equal(c.blocks_now, 0);
    assert_int_equal(c.flows_now, 0);
    support_session_free(s);
    engine_free(e);
}

static void test_local_mail_passes(void **state)
{
    (void)state;
    struct log l = {0};
    struct verdict v;
    size_t stopped, count;
    struct support_session_config cfg = {.client_isn = 0xfffffff0u, .server_isn = 0xffffff80u};
    run_text(STANCE_GUARD, plain_local, &cfg, &l, &v, &stopped, &count);
    assert_int_equal(stopped, count);
    assert_string_equal(l.text, "rcpt none accept from=a@outside.example rcpt=u@local.example\n"
                                "session none accept rcpts=1 external=0 messages=1\n");
}

static void test_relay_is_reset(void **state)
{
    (void)state;
    struct log l = {0};
    struct verdict v;
    size_t stopped, count;
    struct support_session_config cfg = {.client_isn = 1000, .server_isn = 5000};
    run_text(STANCE_GUARD, relay, &cfg, &l, &v, &stopped, &count);
    assert_true(stopped < count);
    assert_int_equal(v.kind, VERDICT_RESET);
    assert_int_equal(v.reason, REASON_EXTERNAL_RCPT);
    assert_int_equal(v.from, ROLE_CLIENT);
    assert_true(v.tell_sender);
    uint32_t client_bytes = (uint32_t)(strlen("EHLO outside.example\r\n") + strlen("MAIL FROM:<a@outside.example>\r\n"));
    assert_int_equal(v.onward.seq.v, 1001 + client_bytes);
    uint32_t server_bytes = (uint32_t)(strlen("220 mail.local.example ESMTP\r\n") + strlen("250-mail.local.example\r\n") +
                                       strlen("250 PIPELINING\r\n") + strlen("250 ok\r\n"));
    assert_int_equal(v.back.seq.v, 5001 + server_bytes);
    assert_string_equal(l.text,
                        "rcpt external-rcpt reset from=a@outside.example rcpt=u%ext.example@local.example\n"
                        "alert external-rcpt reset from=a@outside.example rcpt=u%ext.example@local.example\n"
                        "session external-rcpt reset rcpts=1 external=1 messages=0\n");
}

static void test_inside_may_relay(void **state)
{
    (void)state;
    struct log l = {0};
    struct verdict v;
    size_t stopped, count;
    struct support_session_config cfg = {.client = support_endpoint("203.0.113.10", 4000),
                                         .server = support_endpoint("192.0.2.25", 25)};
    run_text(STANCE_GUARD, relay, &cfg, &l, &v, &stopped, &count);
    assert_int_equal(stopped, count);
    assert_non_null(strstr(l.text, "rcpt external-rcpt accept from=a@outside.example rcpt=v@ext2.example\n"));
    assert_null(strstr(l.text, "alert"));
}

static void test_watch_sees_all(void **state)
{
    (void)state;
    struct log l = {0};
    struct verdict v;
    size_t stopped, count;
    struct support_session_config cfg = {0};
    run_text(STANCE_WATCH, relay, &cfg, &l, &v, &stopped, &count);
    assert_int_equal(stopped, count);
    assert_non_null(strstr(l.text, "alert external-rcpt reset from=a@outside.example rcpt=v@ext2.example\n"));
    assert_non_null(strstr(l.text, "session external-rcpt reset rcpts=2 external=2 messages=1\n"));
}

/* D4: whatever the segment size, the same events. */
static void test_cuts_do_not_matter(void **state)
{
    (void)state;
    static const char *const texts[] = {plain_local, relay};
    for (size_t t = 0; t < 2; t++) {
        struct log whole = {0};
        struct verdict v;
        size_t stopped, count;
        struct support_session_config cfg = {0};
        run_text(STANCE_WATCH, texts[t], &cfg, &whole, &v, &stopped, &count);
        for (size_t mss = 1; mss < 64; mss++) {
            struct log cut = {0};
            cfg.mss = mss;
            run_text(STANCE_WATCH, texts[t], &cfg, &cut, &v, &stopped, &count);
            assert_string_equal(cut.text, whole.text);
        }
    }
}

static void test_line_is_held_at_its_end(void **state)
{
    (void)state;
    struct log l = {0};
    struct live c;
    live_begin(&c, engine_make(STANCE_GUARD, &l), &l);
    live_open(&c);
    assert_int_equal(say(&c, ROLE_CLIENT, "MAIL FROM:<>\r\nRCPT TO:<u@ext.exa").kind, VERDICT_PASS);
    assert_int_equal(say(&c, ROLE_CLIENT, "mple>").kind, VERDICT_PASS);
    struct verdict v = say(&c, ROLE_CLIENT, "\r\n");
    assert_int_equal(v.kind, VERDICT_RESET);
    /* what follows gets the same answer, and the sender is told once */
    assert_true(v.tell_sender);
    v = say(&c, ROLE_CLIENT, "DATA\r\n");
    assert_int_equal(v.kind, VERDICT_RESET);
    assert_false(v.tell_sender);
    v = say(&c, ROLE_SERVER, "250 ok\r\n");
    assert_int_equal(v.kind, VERDICT_RESET);
    assert_int_equal(v.from, ROLE_SERVER);
    live_end(&c);
}

/* D2: what stands behind DATA waits for the 354. */
static void test_barrier_clips(void **state)
{
    (void)state;
    struct log l = {0};
    struct live c;
    live_begin(&c, engine_make(STANCE_GUARD, &l), &l);
    live_open(&c);
    const char commands[] = "MAIL FROM:<a@b>\r\nRCPT TO:<u@local.example>\r\nDATA\r\n";
    const char body[] = "hello\r\n.\r\n";
    char both[128];
    snprintf(both, sizeof both, "%s%s", commands, body);
    struct support_tcp before = c.tcp;
    struct verdict v = say(&c, ROLE_CLIENT, both);
    assert_int_equal(v.kind, VERDICT_CLIP);
    assert_int_equal(v.keep, strlen(commands));
    assert_true(v.may_pad); /* nothing is before it */
    /* sent again too early: still nothing for it */
    c.tcp = before;
    c.tcp.next[ROLE_CLIENT] += (uint32_t)strlen(commands);
    assert_int_equal(say(&c, ROLE_CLIENT, body).kind, VERDICT_DROP);
    assert_int_equal(say(&c, ROLE_SERVER, "250 ok\r\n250 ok\r\n354 go\r\n").kind, VERDICT_PASS);
    c.tcp.next[ROLE_CLIENT] -= (uint32_t)strlen(body);
    assert_int_equal(say(&c, ROLE_CLIENT, body).kind, VERDICT_PASS);
    assert_int_equal(say(&c, ROLE_SERVER, "250 queued\r\n").kind, VERDICT_PASS);
    live_end(&c);
    assert_null(strstr(l.text, "alert"));
    assert_non_null(strstr(l.text, "messages=1"));
}

/* CVE-2000-1022: DATA refused, what follows are commands, whatever the client pretends. */
static void test_refused_data_is_judged_when_the_reply_comes(void **state)
{
    (void)state;
    struct log l = {0};
    struct live c;
    live_begin(&c, engine_make(STANCE_GUARD, &l), &l);
    live_open(&c);
    struct verdict v = say(&c, ROLE_CLIENT, "MAIL FROM:<a@b>\r\nDATA\r\nRCPT TO:<u@ext.example>\r\n");
    assert_int_equal(v.kind, VERDICT_CLIP);
    v = say(&c, ROLE_SERVER, "250 ok\r\n503 no recipients\r\n");
    assert_int_equal(v.kind, VERDICT_RESET);
    assert_int_equal(v.from, ROLE_SERVER);
    live_end(&c);
}

static void test_twin_is_refused(void **state)
{
    (void)state;
    struct log l = {0};
    struct live c;
    live_begin(&c, engine_make(STANCE_GUARD, &l), &l);
    live_open(&c);
    struct support_tcp before = c.tcp;
    assert_int_equal(say(&c, ROLE_CLIENT, "RCPT TO:<u@local.example>").kind, VERDICT_PASS);
    c.tcp = before;
    assert_int_equal(say(&c, ROLE_CLIENT, "RCPT TO:<u@ext.exampleee>").kind, VERDICT_RESET);
    live_end(&c);
    assert_non_null(strstr(l.text, "alert evasion reset"));
}

static void test_gap_is_judged_when_it_fills(void **state)
{
    (void)state;
    struct log l = {0};
    struct live c;
    live_begin(&c, engine_make(STANCE_GUARD, &l), &l);
    live_open(&c);
    struct support_tcp before = c.tcp;
    c.tcp.next[ROLE_CLIENT] += 8; /* "RCPT TO:" comes later */
    assert_int_equal(say(&c, ROLE_CLIENT, "<u@ext.example>\r\n").kind, VERDICT_PASS);
    c.tcp = before;
    assert_int_equal(say(&c, ROLE_CLIENT, "RCPT TO:").kind, VERDICT_RESET);
    live_end(&c);
}

static void test_urgent_and_bad_checksum(void **state)
{
    (void)state;
    struct log l = {0};
    struct live c;
    uint8_t out[256];
    live_begin(&c, engine_make(STANCE_GUARD, &l), &l);
    live_open(&c);
    struct support_segment seg = {.src = c.tcp.of[ROLE_CLIENT], .dst = c.tcp.of[ROLE_SERVER], .flags = TCP_ACK,
                                  .seq = c.tcp.next[ROLE_CLIENT], .ack = c.tcp.next[ROLE_SERVER],
                                  .payload = bytes_str("NOOP\r\n"), .bad_csum = true};
    assert_int_equal(feed_raw(&c, bytes_of(out, support_segment(&seg, out, sizeof out))).kind, VERDICT_DROP);
    seg.bad_csum = false;
    seg.flags |= TCP_URG;
    assert_int_equal(feed_raw(&c, bytes_of(out, support_segment(&seg, out, sizeof out))).kind, VERDICT_RESET);
    live_end(&c);
}

static struct verdict say_by(struct live *c, enum role from, uint32_t in, uint32_t out, const char *text)
{
    c->in = in;
    c->out = out;
    return say(c, from, text);
}

/* S1, D1: what comes in where the client is isn't the server's word, whatever address it has. */
static void test_packets_in_the_servers_name(void **state)
{
    (void)state;
    struct log l = {0};
    struct live c;
    struct engine_counters n;
    live_begin(&c, engine_make(STANCE_GUARD, &l), &l);
    c.in = 1;
    c.out = 2;
    assert_int_equal(say_flags(&c, ROLE_CLIENT, TCP_SYN, "").kind, VERDICT_PASS);
    c.in = 2;
    c.out = 1;
    assert_int_equal(say_flags(&c, ROLE_SERVER, TCP_SYN | TCP_ACK, "").kind, VERDICT_PASS);
    assert_int_equal(say_by(&c, ROLE_SERVER, 2, 1, "220 x\r\n").kind, VERDICT_PASS);
    assert_int_equal(say_by(&c, ROLE_CLIENT, 1, 2, "DATA\r\n").kind, VERDICT_PASS);
    struct support_tcp before = c.tcp;
    assert_int_equal(say_by(&c, ROLE_SERVER, 1, 1, "354 go on\r\n").kind, VERDICT_DROP);
    c.tcp = before;
    assert_int_equal(say_by(&c, ROLE_SERVER, 2, 1, "503 no\r\n").kind, VERDICT_PASS);
    engine_count(c.e, &n);
    assert_int_equal(n.spoofed, 1);
    assert_int_equal(say_by(&c, ROLE_CLIENT, 1, 2, "RCPT TO:<u@ext.example>\r\n").kind, VERDICT_RESET);
    live_end(&c);
}

/* A router with one interface: everything comes in and leaves by it, and nothing can be told apart. */
static void test_one_interface_for_both_sides(void **state)
{
    (void)state;
    struct log l = {0};
    struct live c;
    live_begin(&c, engine_make(STANCE_GUARD, &l), &l);
    c.in = c.out = 1;
    live_open(&c);
    assert_int_equal(say(&c, ROLE_CLIENT, "MAIL FROM:<>\r\n").kind, VERDICT_PASS);
    assert_int_equal(say(&c, ROLE_SERVER, "250 ok\r\n").kind, VERDICT_PASS);
    live_end(&c);
}

static void test_front_end_that_forgets_the_checksum(void **state)
{
    (void)state;
    struct log l = {0};
    struct live c;
    uint8_t out[256];
    live_begin(&c, engine_make(STANCE_WATCH, &l), &l);
    size_t len = support_tcp_send(&c.tcp, ROLE_CLIENT, TCP_SYN, bytes_str(""), out, sizeof out);
    struct frame f = support_frame(bytes_of(out, len), 1);
    f.csum = CSUM_UNSET;
    assert_int_equal(engine_feed(c.e, &f).kind, VERDICT_DROP);
    live_end(&c);
}

static void test_new_connection_from_the_same_port(void **state)
{
    (void)state;
    struct log l = {0};
    struct live c;
    live_begin(&c, engine_make(STANCE_GUARD, &l), &l);
    live_open(&c);
    assert_int_equal(say(&c, ROLE_CLIENT, "RCPT TO:<u@ext.example>\r\n").kind, VERDICT_RESET);
    c.tcp.next[ROLE_CLIENT] = 70000;
    c.tcp.next[ROLE_SERVER] = 80000;
    c.tcp.started = false;
    live_open(&c);
    assert_int_equal(say(&c, ROLE_CLIENT, "RCPT TO:<u@local.example>\r\n").kind, VERDICT_PASS);
    assert_int_equal(say(&c, ROLE_CLIENT, "RCPT TO:<u@ext.example>\r\n").kind, VERDICT_RESET);
    live_end(&c);
}

/* A SYN that the server doesn't acknowledge changes nothing: not for an open session, not for a condemned one. */
static void test_faked_syn_rst_fin_change_nothing(void **state)
{
    (void)state;
    struct log l = {0};
    struct live c;
    live_begin(&c, engine_make(STANCE_GUARD, &l), &l);
    live_open(&c);
    struct support_tcp here = c.tcp;
    c.tcp.next[ROLE_CLIENT] = 424242;
    c.tcp.started = false;
    assert_int_equal(say_flags(&c, ROLE_CLIENT, TCP_SYN, "").kind, VERDICT_PASS);
    c.tcp = here;
    c.tcp.next[ROLE_CLIENT] += 5000;
    (void)say_flags(&c, ROLE_CLIENT, TCP_RST, "");
    c.tcp = here;
    assert_int_equal(say(&c, ROLE_CLIENT, "RCPT TO:<u@ext.example>\r\n").kind, VERDICT_RESET);
    live_end(&c);
}

static void test_picked_up_under_way(void **state)
{
    (void)state;
    struct log l = {0};
    struct live c;
    live_begin(&c, engine_make(STANCE_GUARD, &l), &l);
    c.tcp.started = true;
    assert_int_equal(say_flags(&c, ROLE_CLIENT, TCP_ACK, "").kind, VERDICT_PASS);
    struct verdict v = say(&c, ROLE_CLIENT, "RCPT TO:<u@local.example>\r\n");
    assert_int_equal(v.kind, VERDICT_RESET);
    assert_int_equal(v.reason, REASON_MIDSTREAM);
    live_end(&c);
}

static void test_table_full(void **state)
{
    (void)state;
    struct log l = {0};
    struct live c;
    live_begin(&c, engine_make(STANCE_GUARD, &l), &l);
    for (uint16_t i = 0; i < 20; i++) {
        c.tcp.of[ROLE_CLIENT].port = (uint16_t)(1000 + i);
        c.tcp.next[ROLE_CLIENT] = 1;
        c.tcp.started = false;
        assert_int_equal(say_flags(&c, ROLE_CLIENT, TCP_SYN, "").kind, i < 16 ? VERDICT_PASS : VERDICT_DROP);
    }
    engine_tick(c.e, (struct mono){1000 * NS_PER_S}); /* half-open ones are over by now */
    c.tcp.started = false;
    assert_int_equal(say_flags(&c, ROLE_CLIENT, TCP_SYN, "").kind, VERDICT_PASS);
    live_end(&c);
}

/* Offline: bytes that the server acknowledged and the capture lacks. */
static void test_gap_in_a_capture(void **state)
{
    (void)state;
    struct log l = {0};
    struct live c;
    live_begin(&c, engine_make(STANCE_WATCH, &l), &l);
    live_open(&c);
    (void)say(&c, ROLE_CLIENT, "EHLO x\r\n");
    (void)say(&c, ROLE_SERVER, "250 ok\r\n");
    c.tcp.next[ROLE_CLIENT] += 17; /* "MAIL FROM:<a@b>\r\n" was not captured */
    (void)say(&c, ROLE_SERVER, "250 ok\r\n");
    (void)say(&c, ROLE_CLIENT, "RCPT TO:<u@ext.example>\r\n");
    live_end(&c);
    assert_non_null(strstr(l.text, "gap none unset bytes=17\n"));
    assert_non_null(strstr(l.text, "alert external-rcpt reset rcpt=u@ext.example\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_local_mail_passes),
        cmocka_unit_test(test_relay_is_reset),
        cmocka_unit_test(test_inside_may_relay),
        cmocka_unit_test(test_watch_sees_all),
        cmocka_unit_test(test_cuts_do_not_matter),
        cmocka_unit_test(test_line_is_held_at_its_end),
        cmocka_unit_test(test_barrier_clips),
        cmocka_unit_test(test_refused_data_is_judged_when_the_reply_comes),
        cmocka_unit_test(test_twin_is_refused),
        cmocka_unit_test(test_gap_is_judged_when_it_fills),
        cmocka_unit_test(test_urgent_and_bad_checksum),
        cmocka_unit_test(test_packets_in_the_servers_name),
        cmocka_unit_test(test_one_interface_for_both_sides),
        cmocka_unit_test(test_front_end_that_forgets_the_checksum),
        cmocka_unit_test(test_new_connection_from_the_same_port),
        cmocka_unit_test(test_faked_syn_rst_fin_change_nothing),
        cmocka_unit_test(test_picked_up_under_way),
        cmocka_unit_test(test_table_full),
        cmocka_unit_test(test_gap_in_a_capture),
    };
    return cmocka_run_group_tests_name("engine", tests, NULL, NULL);
}
