/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * TCP's odder sides in GUARD (S1 to S4): whatever a client does with flags, numbers and
 * options, an external recipient never gets through, and what real hosts do isn't disturbed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "kmod-free/tests/support_live.h"

/* ---- idle chatter ---- */

static void test_keep_alive(void **state)
{
    (void)state;
    struct live c;
    live_guard(&c);
    live_open(&c);
    live_exchange(&c, "EHLO x\r\n", "250 ok\r\n");
    for (int bytes = 0; bytes < 2;
         bytes++) { /* with a byte of garbage where the last one was (RFC 9293 3.8.4), or none */
        struct support_segment probe = live_next(&c, ROLE_CLIENT, TCP_ACK, bytes ? "x" : "");
        probe.seq--;
        passes(feed_segment(&c, &probe));
        passes(say_flags(&c, ROLE_SERVER, TCP_ACK, ""));
        struct support_segment other = live_next(&c, ROLE_SERVER, TCP_ACK, bytes ? "x" : "");
        other.seq--;
        passes(feed_segment(&c, &other));
    }
    assert_null(strstr(c.l->text, "alert"));
    live_still_judged(&c);
}

/* The server's window is shut: a probe brings one byte, again and again, and later the rest. */
static void test_zero_window(void **state)
{
    (void)state;
    struct live c;
    live_guard(&c);
    live_open(&c);
    struct support_segment shut = live_next(&c, ROLE_SERVER, TCP_ACK, "");
    shut.zero_window = true;
    passes(feed_segment(&c, &shut));
    struct support_segment probe = live_next(&c, ROLE_CLIENT, TCP_ACK, "R");
    for (int i = 0; i < 3; i++) {
        passes(feed_segment(&c, &probe));
        passes(feed_segment(&c, &shut));
    }
    live_still_judged(&c);

    live_guard(&c); /* a probe of one line, and another line in its place */
    live_open(&c);
    passes(feed_segment(&c, &shut));
    passes(feed_segment(&c, &probe));
    is_reset(say(&c, ROLE_CLIENT, "MAIL FROM:<>\r\n"), REASON_EVASION);
    live_end(&c);
}

/* ---- RST and FIN, in and out of window ---- */

static void test_rst_does_not_end_it(void **state)
{
    (void)state;
    static const int32_t where[] = {0, 1, 100, -1, -100, 5000, 70000, 1 << 24, INT32_MIN};
    for (size_t i = 0; i < sizeof where / sizeof where[0]; i++) {
        for (int data = 0; data < 2; data++) {
            struct live c;
            live_guard(&c);
            live_open(&c);
            struct support_segment rst = live_next(&c, ROLE_CLIENT, TCP_RST | TCP_ACK, data ? RCPT_LOCAL : "");
            rst.seq += (uint32_t)where[i];
            rst.ttl = 1;
            passes(feed_segment(&c, &rst));
            live_still_judged(&c);
        }
    }
}

/* It falls silent for so long that only a closed one is forgotten: then it is one that we know nothing of. */
static void test_rst_and_silence(void **state)
{
    (void)state;
    struct live c;
    live_guard(&c);
    live_open(&c);
    struct support_segment rst = live_next(&c, ROLE_CLIENT, TCP_RST, "");
    passes(feed_segment(&c, &rst));
    c.ns += 61 * NS_PER_S;
    engine_tick(c.e, (struct mono){c.ns});
    is_reset(say(&c, ROLE_CLIENT, RCPT_LOCAL), REASON_MIDSTREAM);
    live_end(&c);
}

static void test_fin_out_of_window(void **state)
{
    (void)state;
    static const int32_t where[] = {-1, -50, -5000, 1 << 24, INT32_MIN};
    for (size_t i = 0; i < sizeof where / sizeof where[0]; i++) {
        struct live c;
        live_guard(&c);
        live_open(&c);
        live_exchange(&c, "EHLO x\r\n", "250 ok\r\n");
        struct support_segment fin = live_next(&c, ROLE_CLIENT, TCP_FIN | TCP_ACK, "");
        fin.seq += (uint32_t)where[i];
        struct verdict v = feed_segment(&c, &fin);
        assert_true(v.kind == VERDICT_DROP || v.kind == VERDICT_RESET); /* both are said to end at one place only */
        struct verdict after = say(&c, ROLE_CLIENT, RCPT_EXTERNAL);
        assert_int_equal(after.kind, VERDICT_RESET);
        live_end(&c);
    }
}

/* A FIN that the server never gets (its TTL, say), and bytes behind it. */
static void test_data_behind_a_fin(void **state)
{
    (void)state;
    struct live c;
    live_guard(&c);
    live_open(&c);
    struct support_segment fin = live_next(&c, ROLE_CLIENT, TCP_FIN | TCP_ACK, "");
    fin.ttl = 1;
    passes(feed_segment(&c, &fin));
    is_reset(say(&c, ROLE_CLIENT, RCPT_EXTERNAL), REASON_EVASION);
    live_end(&c);

    live_guard(&c); /* in front of it, and only then what it ends is complete */
    live_open(&c);
    fin = live_next(&c, ROLE_CLIENT, TCP_FIN | TCP_ACK, "");
    fin.seq += (uint32_t)strlen(RCPT_EXTERNAL);
    passes(feed_segment(&c, &fin));
    is_reset(say(&c, ROLE_CLIENT, RCPT_EXTERNAL), REASON_EXTERNAL_RCPT);
    live_end(&c);
}

/* Half closed: the client is done, the server still answers. */
static void test_half_closed(void **state)
{
    (void)state;
    struct live c;
    live_guard(&c);
    live_open(&c);
    passes(say_flags(&c, ROLE_CLIENT, TCP_FIN | TCP_ACK, "MAIL FROM:<>\r\nRCPT TO:<u@local.example>\r\nQUIT\r\n"));
    passes(say(&c, ROLE_SERVER, "250 ok\r\n"));
    passes(say(&c, ROLE_SERVER, "250 ok\r\n221 bye\r\n"));
    passes(say_flags(&c, ROLE_SERVER, TCP_FIN | TCP_ACK, ""));
    passes(say_flags(&c, ROLE_CLIENT, TCP_ACK, ""));
    live_end(&c);
    assert_null(strstr(c.l->text, "alert"));

    live_guard(&c); /* a relay attempt whose line the FIN ends, without CRLF: some servers take that */
    live_open(&c);
    struct verdict v = say_flags(&c, ROLE_CLIENT, TCP_FIN | TCP_ACK, "RCPT TO:<u@ext.example>");
    assert_int_equal(v.kind, VERDICT_RESET);
    live_end(&c);
}

/* ---- what receivers throw away ---- */

/* Timestamps (RFC 7323): kind 8, length 10, value, echo; two NOPs in front. */
static struct bytes timestamps(uint8_t out[static 12], uint32_t value)
{
    memcpy(out, (const uint8_t[]){1, 1, 8, 10}, 4);
    support_put32(out + 4, value);
    support_put32(out + 8, 1);
    return bytes_of(out, 12);
}

/*
 * The copy that the server throws away comes first or second: it has an old timestamp,
 * no ACK, an ACK of something never sent, lies beyond any window, is cut short by its TTL.
 */
enum thrown_away { OLD_TIMESTAMP, NO_ACK, ODD_ACK, LOW_TTL, THROWN_AWAY };

static struct support_segment thrown_away(const struct live *c, enum thrown_away how, const char *text,
                                          uint8_t *options)
{
    struct support_segment seg = live_next(c, ROLE_CLIENT, TCP_ACK, text);
    seg.options = timestamps(options, how == OLD_TIMESTAMP ? 10 : 1000);
    if (how == NO_ACK)
        seg.flags = TCP_PSH;
    if (how == ODD_ACK)
        seg.ack += 1u << 30;
    if (how == LOW_TTL)
        seg.ttl = 1;
    return seg;
}

static void test_thrown_away(void **state)
{
    (void)state;
    static const char one[] = "RCPT TO:<u@local.example>\r\n", two[] = "RCPT TO:<u@ext.example>  \r\n";
    uint8_t options[12], good[12];
    for (int how = 0; how < THROWN_AWAY; how++) {
        struct live c;
        live_guard(&c);
        live_open(&c);
        struct support_segment seg = thrown_away(&c, (enum thrown_away)how, one, options);
        enum verdict_kind first = feed_segment(&c, &seg).kind;
        struct support_segment real = live_next(&c, ROLE_CLIENT, TCP_ACK, two);
        real.options = timestamps(good, 1001);
        struct verdict v = feed_segment(&c, &real);
        assert_int_equal(v.kind, VERDICT_RESET); /* it differs from the first, or it was the first that counts */
        assert_int_equal(v.reason, first == VERDICT_DROP ? REASON_EXTERNAL_RCPT : REASON_EVASION);
        live_end(&c);

        live_guard(&c); /* the other way round: external, thrown away */
        live_open(&c);
        seg = thrown_away(&c, (enum thrown_away)how, two, options);
        struct verdict w = feed_segment(&c, &seg);
        assert_true(w.kind == VERDICT_RESET || w.kind == VERDICT_DROP);
        live_end(&c);
    }
}

/* Far beyond whatever window: not stored, not let through, and the session goes on. */
static void test_out_of_window(void **state)
{
    (void)state;
    static const uint32_t where[] = {1u << 20, 1u << 24, 1u << 30, 1u << 31, UINT32_MAX - (1u << 24)};
    for (size_t i = 0; i < sizeof where / sizeof where[0]; i++) {
        struct live c;
        live_guard(&c);
        live_open(&c);
        struct support_segment far = live_next(&c, ROLE_CLIENT, TCP_ACK, "QUIT\r\n");
        far.seq += where[i];
        enum verdict_kind kind = feed_segment(&c, &far).kind;
        assert_true(kind == VERDICT_DROP || where[i] > 1u << 31); /* an old copy may pass: its receiver has it */
        live_still_judged(&c);
    }
}

static void test_bad_checksum(void **state)
{
    (void)state;
    struct live c;
    live_guard(&c);
    live_open(&c);
    struct support_segment bad = live_next(&c, ROLE_CLIENT, TCP_ACK, "RCPT TO:<u@exx");
    bad.bad_csum = true;
    assert_int_equal(feed_segment(&c, &bad).kind, VERDICT_DROP);
    bad = live_next(&c, ROLE_CLIENT, TCP_RST | TCP_ACK, "");
    bad.bad_csum = true;
    assert_int_equal(feed_segment(&c, &bad).kind, VERDICT_DROP);
    live_still_judged(&c);
}

/* The urgent byte (RFC 6093): with any pointer, 0 included, in the middle of a command, and repeated without it. */
static void test_urgent(void **state)
{
    (void)state;
    static const uint16_t pointers[] = {0, 1, 5, 23, 24, 25, 1000, 65535};
    for (size_t i = 0; i < sizeof pointers / sizeof pointers[0]; i++) {
        struct live c;
        live_guard(&c);
        live_open(&c);
        struct support_segment seg = live_next(&c, ROLE_CLIENT, TCP_ACK | TCP_URG, "RCPT TO:<u@ext.Xexample>\r\n");
        seg.urgent = pointers[i];
        is_reset(feed_segment(&c, &seg), REASON_EVASION);
        live_end(&c);
    }
    struct live c; /* without data, too: Linux remembers the place and takes the byte out when it comes */
    live_guard(&c);
    live_open(&c);
    struct support_segment bare = live_next(&c, ROLE_CLIENT, TCP_ACK | TCP_URG, "");
    bare.urgent = 17;
    is_reset(feed_segment(&c, &bare), REASON_EVASION);
    live_end(&c);
    live_guard(&c);
    live_open(&c);
    /* a pointer without the flag means nothing */
    struct support_segment flagless = live_next(&c, ROLE_CLIENT, TCP_ACK, RCPT_LOCAL);
    flagless.urgent = 5;
    passes(feed_segment(&c, &flagless));
    c.tcp.next[ROLE_CLIENT] += (uint32_t)strlen(RCPT_LOCAL);
    live_still_judged(&c);
}

/* What lies beyond a gap is out already when the gap's bytes turn out to be a barrier (D2). */
static void test_barrier_in_a_gap(void **state)
{
    (void)state;
    struct live c;
    live_guard(&c);
    live_open(&c);
    struct support_tcp before = c.tcp;
    c.tcp.next[ROLE_CLIENT] += 6;
    passes(say(&c, ROLE_CLIENT, "RCPT TO:<u@"));
    c.tcp = before;
    is_reset(say(&c, ROLE_CLIENT, "DATA\r\n"), REASON_EVASION);
    live_end(&c);
}

/* ---- numbers ---- */

static void test_sequence_wrap(void **state)
{
    (void)state;
    for (uint32_t back = 0; back < 60; back++) { /* at every byte of the two lines, in both directions */
        struct live c;
        live_guard(&c);
        live_restart(&c, UINT32_MAX - back, UINT32_MAX - back / 2);
        live_open(&c);
        live_still_judged(&c);
    }
}

/* Some who have as much as they can kept for them (in order, and behind a gap) leave enough for all others. */
static void test_some_take_all_they_can(void **state)
{
    (void)state;
    struct live c, hog[10];
    struct engine_counters n;
    static char much[58001];
    memset(much, 'x', sizeof much - 1);
    live_guard(&c);
    for (uint16_t i = 0; i < 10; i++) {
        hog[i] = c;
        hog[i].tcp.of[ROLE_CLIENT].port = (uint16_t)(2000 + i);
        live_open(&hog[i]);
        passes(say(&hog[i], ROLE_CLIENT, i % 2 ? "EHLO x\r\n" : "MAIL FROM:<>\r\n"));
        for (int more = 0; more < 3; more++) {
            struct support_segment seg = live_next(&hog[i], ROLE_CLIENT, TCP_ACK, much);
            seg.seq += i % 2 ? 0 : 1000;
            (void)feed_segment(&hog[i], &seg);
            hog[i].tcp.next[ROLE_CLIENT] += sizeof much - 1;
        }
    }
    engine_count(c.e, &n);
    assert_in_range(n.blocks_now, 200, 250); /* of 256 */
    assert_int_not_equal(n.stream_full, 0);
    c.ns = hog[9].ns;
    live_open(&c);
    live_exchange(&c, "MAIL FROM:<>\r\nRCPT TO:<u@local.example>\r\nDATA\r\n", "250 ok\r\n250 ok\r\n354 go\r\n");
    passes(say(&c, ROLE_CLIENT, "x\r\n.\r\n"));
    live_end(&c);
}

/* Offline, where it has long been delivered, what finds no room is a gap that is told. */
static void test_full_offline(void **state)
{
    (void)state;
    static struct log l;
    struct live c;
    struct engine_counters n;
    static char much[58001];
    memset(much, 'x', sizeof much - 1);
    l = (struct log){0};
    live_begin(&c, engine_make(STANCE_WATCH, &l), &l);
    live_open(&c);
    struct support_segment first = live_next(&c, ROLE_CLIENT, TCP_ACK, "N");
    c.tcp.next[ROLE_CLIENT]++; /* late */
    for (int i = 0; i < 3; i++)
        passes(say(&c, ROLE_CLIENT, much));
    engine_count(c.e, &n);
    assert_int_equal(n.stream_full, 2); /* 64 blocks are 115,712 bytes */
    assert_null(strstr(l.text, "gap"));
    passes(feed_segment(&c, &first));
    for (int i = 0; i < 8; i++)
        passes(say_flags(&c, ROLE_SERVER, TCP_ACK, ""));
    assert_non_null(strstr(l.text, "gap none unset bytes=116000\n"));
    live_end(&c);
}

/* A stream that is full takes the beginning of a long segment, so that it can go on. */
static void test_long_segment_and_little_room(void **state)
{
    (void)state;
    struct live c;
    live_guard(&c);
    live_open(&c);
    live_exchange(&c, "MAIL FROM:<>\r\nRCPT TO:<u@local.example>\r\nDATA\r\n", "250 ok\r\n250 ok\r\n354 go\r\n");
    static char body[60001];
    memset(body, 'x', sizeof body - 1);
    for (size_t i = 77; i < sizeof body - 1; i += 78)
        memcpy(body + i - 1, "\r\n", 2);
    passes(say(&c, ROLE_CLIENT, body)); /* 64 blocks are 115,712 bytes; but with so many taken, 56 may be */
    struct support_tcp before = c.tcp;
    struct verdict v = say(&c, ROLE_CLIENT, body);
    assert_int_equal(v.kind, VERDICT_CLIP);
    assert_in_range(v.keep, 38000, 41000);
    assert_false(v.may_pad); /* the server hasn't acknowledged the first one */
    c.tcp = before;
    c.tcp.next[ROLE_CLIENT] += v.keep;
    assert_int_equal(say(&c, ROLE_CLIENT, body + v.keep).kind, VERDICT_DROP); /* nothing goes any more */
    c.tcp = before;
    c.tcp.next[ROLE_CLIENT] += v.keep;
    passes(say_flags(&c, ROLE_SERVER, TCP_ACK, "")); /* acknowledged */
    passes(say(&c, ROLE_CLIENT, body + v.keep));
    live_exchange(&c, "\r\n.\r\n", "250 queued\r\n");
    live_still_judged(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keep_alive),
        cmocka_unit_test(test_zero_window),
        cmocka_unit_test(test_rst_does_not_end_it),
        cmocka_unit_test(test_rst_and_silence),
        cmocka_unit_test(test_fin_out_of_window),
        cmocka_unit_test(test_data_behind_a_fin),
        cmocka_unit_test(test_half_closed),
        cmocka_unit_test(test_thrown_away),
        cmocka_unit_test(test_out_of_window),
        cmocka_unit_test(test_bad_checksum),
        cmocka_unit_test(test_urgent),
        cmocka_unit_test(test_barrier_in_a_gap),
        cmocka_unit_test(test_sequence_wrap),
        cmocka_unit_test(test_some_take_all_they_can),
        cmocka_unit_test(test_full_offline),
        cmocka_unit_test(test_long_segment_and_little_room),
    };
    return cmocka_run_group_tests_name("engine, TCP", tests, NULL, NULL);
}
