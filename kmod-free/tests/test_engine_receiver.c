/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The promise on made evasions: whatever segments a client sends, twice, overlapping
 * and differently, a receiver behind the gateway comes to one stream, whether it keeps
 * the first or the last copy of a byte, and its server gets no external recipient.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "kmod-free/tests/support_live.h"
#include "kmod-free/tests/support_receiver.h"

#define ROOM       2048
#define CLIENT_ISN 0xfffffff8u /* wraps within the recipient */
#define SERVER_ISN 900u

/* Of the same length; the one's bytes can stand in for the other's. */
static const char local_line[] = "RCPT TO:<us@local.example>  \r\n";
static const char relay_line[] = "RCPT TO:<us@ext.example>    \r\n";
#define LINE (sizeof local_line - 1)
_Static_assert(sizeof local_line == sizeof relay_line, "one line's bytes can stand in for the other's");

struct world {
    struct log log;
    struct live live;
    struct strict_server server;
    struct receiver other; /* gets the same, and has the other way with copies */
    uint32_t said;
};

/* What the client sends, and what becomes of it behind the gateway. */
enum fate { ARRIVES, IS_LOST, BAD_CSUM };

static void server_says(void *ctx, const char *text)
{
    struct world *w = ctx;
    struct support_segment seg = {
        .src = w->live.tcp.of[ROLE_SERVER],
        .dst = w->live.tcp.of[ROLE_CLIENT],
        .seq = SERVER_ISN + 1 + w->said,
        .ack = CLIENT_ISN + 1 + (uint32_t)w->server.in.read,
        .flags = TCP_ACK | TCP_PSH,
        .payload = bytes_str(text),
    };
    w->said += (uint32_t)strlen(text);
    if (feed_segment(&w->live, &seg).kind != VERDICT_PASS)
        w->server.over = true; /* it was reset */
}

/* false: the session is over. */
static bool client_sends(struct world *w, size_t offset, struct bytes data, enum fate fate)
{
    struct support_segment seg = {
        .src = w->live.tcp.of[ROLE_CLIENT],
        .dst = w->live.tcp.of[ROLE_SERVER],
        .seq = CLIENT_ISN + 1 + (uint32_t)offset,
        .ack = SERVER_ISN + 1 + w->said,
        .flags = TCP_ACK,
        .bad_csum = fate == BAD_CSUM,
        .payload = data,
    };
    struct verdict v = feed_segment(&w->live, &seg);
    if (v.kind == VERDICT_RESET || w->server.over) {
        w->server.over = true;
        return false;
    }
    if (v.kind == VERDICT_CLIP)
        keep_first(&data, v.keep);
    if (v.kind == VERDICT_DROP || fate != ARRIVES)
        return true;
    receiver_take(&w->other, offset, data);
    w->other.read += receiver_ready(&w->other);
    receiver_take(&w->server.in, offset, data);
    strict_server_read(&w->server);
    return !w->server.over;
}

static void begin(struct world *w, bool last_wins)
{
    memset(w, 0, sizeof *w);
    live_begin(&w->live, engine_make(STANCE_GUARD, &w->log), &w->log);
    w->live.tcp.next[ROLE_CLIENT] = CLIENT_ISN;
    w->live.tcp.next[ROLE_SERVER] = SERVER_ISN;
    assert_true(receiver_new(&w->server.in, ROOM, last_wins));
    assert_true(receiver_new(&w->other, ROOM, !last_wins));
    w->server.say = server_says;
    w->server.ctx = w;
    live_open(&w->live);
    w->said = (uint32_t)strlen("220 x\r\n");
    assert_true(client_sends(w, 0, bytes_str("MAIL FROM:<>\r\n"), ARRIVES));
}

#define AT strlen("MAIL FROM:<>\r\n") /* where the recipient's line begins */

/* Ends the session, looks at what arrived; how many recipients of ours got there. */
static uint32_t end(struct world *w)
{
    uint32_t local = w->server.local;
    assert_int_equal(w->server.external, 0);
    assert_memory_equal(w->server.in.bytes, w->other.bytes, w->server.in.read);
    live_end(&w->live);
    receiver_free(&w->server.in);
    receiver_free(&w->other);
    return local;
}

static struct bytes part(const char *line, size_t from, size_t to)
{
    return bytes_of(line + from, to - from);
}

/* Cut at every place, in either order, with a copy of the second piece before all. */
static void test_cut_at_every_byte(void **state)
{
    (void)state;
    static struct world w;
    for (int last = 0; last < 2; last++) {
        for (int order = 0; order < 2; order++) {
            for (size_t cut = 1; cut < LINE; cut++) {
                for (int relays = 0; relays < 2; relays++) {
                    const char *line = relays ? relay_line : local_line;
                    begin(&w, last);
                    if (order == 0) {
                        (void)(client_sends(&w, AT, part(line, 0, cut), ARRIVES) &&
                               client_sends(&w, AT + cut, part(line, cut, LINE), ARRIVES));
                    } else {
                        (void)(client_sends(&w, AT + cut, part(line, cut, LINE), ARRIVES) &&
                               client_sends(&w, AT, part(line, 0, cut), ARRIVES));
                    }
                    assert_int_equal(w.server.over, relays);
                    assert_int_equal(end(&w), !relays);
                }
            }
        }
    }
}

static void test_single_bytes(void **state)
{
    (void)state;
    static struct world w;
    for (int relays = 0; relays < 2; relays++) {
        const char *line = relays ? relay_line : local_line;
        begin(&w, false);
        for (size_t i = LINE; i-- > 0 && client_sends(&w, AT + i, part(line, i, i + 1), ARRIVES);)
            ;
        assert_int_equal(w.server.over, relays);
        assert_int_equal(end(&w), !relays);
    }
}

/* Where pieces begin and end: before, at and behind what tells the two lines apart, and each other. */
static const size_t marks[] = {0, 8, 12, 13, 17, 24, LINE};
#define MARKS (sizeof marks / sizeof marks[0])

/*
 * Two segments in every relation to each other, one from either line, in order or beyond a
 * gap, each of them lost behind the gateway or not; then the whole line from one of them.
 */
static void test_overlaps(void **state)
{
    (void)state;
    static struct world w;
    size_t arrived = 0;
    for (unsigned run = 0; run < MARKS * MARKS * MARKS * MARKS * 32; run++) {
        unsigned r = run;
        size_t of[4];
        for (size_t i = 0; i < 4; i++, r /= MARKS)
            of[i] = marks[r % MARKS];
        if (of[0] >= of[1] || of[2] >= of[3])
            continue;
        bool last = r & 1;
        const char *one = r & 2 ? relay_line : local_line, *two = r & 2 ? local_line : relay_line;
        const char *whole = r & 4 ? one : two;
        begin(&w, last);
        bool on = client_sends(&w, AT + of[0], part(one, of[0], of[1]), r & 8 ? IS_LOST : ARRIVES) &&
                  client_sends(&w, AT + of[2], part(two, of[2], of[3]), r & 16 ? IS_LOST : ARRIVES);
        for (int tries = 0; on && tries < 2; tries++) /* as TCP would, whoever took the first */
            on = client_sends(&w, AT, part(whole, 0, LINE), ARRIVES);
        arrived += end(&w);
    }
    assert_true(arrived > 100); /* where both agree, or nothing of the external one came first */
}

/* A copy that the server throws away must not decide what its other copy may say. */
static void test_twins(void **state)
{
    (void)state;
    static struct world w;
    for (int fate = IS_LOST; fate <= BAD_CSUM; fate++) {
        for (int first_relays = 0; first_relays < 2; first_relays++) {
            const char *one = first_relays ? relay_line : local_line, *two = first_relays ? local_line : relay_line;
            begin(&w, false);
            bool on = client_sends(&w, AT, part(one, 0, LINE), (enum fate)fate);
            if (on)
                on = client_sends(&w, AT, part(two, 0, LINE), ARRIVES);
            /* a bad checksum is seen by us too: the first copy was nothing */
            assert_int_equal(on, fate == BAD_CSUM && first_relays);
            assert_int_equal(end(&w), fate == BAD_CSUM && first_relays);
        }
    }
}

/*
 * Repeated with other bytes: refused until the server has acknowledged the line and it
 * was judged; from then on the server has its bytes already, and throws copies away.
 */
static void test_repeated_differently(void **state)
{
    (void)state;
    static struct world w;
    begin(&w, true);
    assert_true(client_sends(&w, AT, part(local_line, 0, LINE), IS_LOST));
    assert_false(client_sends(&w, AT, part(relay_line, 0, LINE), ARRIVES));
    (void)end(&w);

    begin(&w, true);
    assert_true(client_sends(&w, AT, part(local_line, 0, 20), ARRIVES));
    server_says(&w, ""); /* an acknowledgment, in the middle of the line */
    assert_false(client_sends(&w, AT, part(relay_line, 0, 20), ARRIVES));
    (void)end(&w);

    begin(&w, true);
    assert_true(client_sends(&w, AT, part(local_line, 0, LINE), ARRIVES)); /* and answered */
    assert_true(client_sends(&w, AT, part(relay_line, 0, LINE), ARRIVES));
    assert_true(client_sends(&w, AT + LINE, bytes_str("DATA\r\n"), ARRIVES));
    assert_int_equal(end(&w), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cut_at_every_byte),
        cmocka_unit_test(test_single_bytes),
        cmocka_unit_test(test_overlaps),
        cmocka_unit_test(test_twins),
        cmocka_unit_test(test_repeated_differently),
    };
    return cmocka_run_group_tests_name("engine and receiver", tests, NULL, NULL);
}
