/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a stream promises, case by case. Every possible order of events is test_stream_model's matter. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kmod-free/stream.h"
#include "kmod-free/tests/support.h"

#define SLOT     STREAM_BLOCK_DATA
#define LIMIT    400
#define TEXT_LEN 600000

static struct pool pool;
static struct stream st;
static struct seq first;
static uint8_t text[TEXT_LEN]; /* what the sender sends */
static uint8_t seen[TEXT_LEN];

/* Sequence numbers at which a stream begins: every test runs with each. */
static const uint32_t firsts[] = {1000, 0, UINT32_MAX, UINT32_MAX - 1000, UINT32_MAX - 70000, INT32_MAX - 500};
#define FIRSTS (sizeof(firsts) / sizeof(firsts[0]))

static void begin(uint32_t isn)
{
    first = seq_of(isn);
    stream_start(&st, first);
}

static void end(void)
{
    stream_stop(&st, &pool);
    assert_int_equal(pool.used, 0);
}

static struct seq at(uint32_t position)
{
    return seq_add(first, position);
}

static uint8_t *guarded; /* TEXT_LEN bytes that end at a guard page */

/* Offers bytes from a copy that ends at the guard page. */
static enum stream_result offer_limit(uint32_t limit, uint32_t position, struct bytes data)
{
    uint8_t *copy = guarded + TEXT_LEN - data.len;

    memcpy(copy, data.at, data.len);
    return stream_insert(&st, &pool, limit, at(position), bytes_of(copy, data.len));
}

/* Bytes [from, to) of the text. */
static enum stream_result send(uint32_t from, uint32_t to)
{
    return offer_limit(LIMIT, from, bytes_of(text + from, to - from));
}

/* The same with the byte at `lie` changed. */
static enum stream_result send_lie(uint32_t from, uint32_t to, uint32_t lie)
{
    text[lie] ^= 0x20;
    enum stream_result r = send(from, to);
    text[lie] ^= 0x20;
    return r;
}

static void judge(uint32_t n)
{
    stream_read(&st, &pool, n);
}

static void acked(uint32_t upto)
{
    stream_acked(&st, &pool, at(upto));
}

/* All that can be read now is text[from, to); both ways of reading say so. */
static void assert_unread(uint32_t from, uint32_t to)
{
    struct bytes run;

    assert_int_equal(stream_unread(&st), to - from);
    assert_int_equal(stream_gather(&st, &pool, seen, sizeof(seen)), to - from);
    assert_memory_equal(seen, text + from, to - from);
    assert_int_equal(stream_peek(&st, &pool, &run), to > from);
    assert_true(run.len <= to - from && (run.len > 0) == (to > from));
    if (run.len > 0)
        assert_memory_equal(run.at, text + from, run.len);
}

static void assert_gap(uint32_t next, uint32_t gap_end)
{
    struct seq behind;

    assert_true(seq_equal(st.next, at(next)));
    assert_int_equal(stream_gap(&st, &behind), gap_end > next);
    assert_true(seq_equal(behind, at(gap_end)));
}

/* Exactly the bytes [from, to) of the text are compared. */
static void assert_kept(uint32_t from, uint32_t to)
{
    const uint32_t margin = 3;

    for (uint32_t p = from < margin ? 0 : from - margin; p < to + margin; p++) {
        uint8_t other = text[p] ^ 0x20;
        assert_int_equal(stream_differs(&st, &pool, at(p), bytes_of(&other, 1)), p >= from && p < to);
        assert_false(stream_differs(&st, &pool, at(p), bytes_of(text + p, 1)));
    }
}

static void a_stream_is_small(void **state)
{
    (void)state;
    assert_true(sizeof(struct stream) <= 40);
}

static void in_order_bytes_are_read(void **state)
{
    (void)state;
    for (size_t f = 0; f < FIRSTS; f++) {
        begin(firsts[f]);
        assert_unread(0, 0);
        assert_int_equal(send(0, 10), STREAM_OK);
        assert_unread(0, 10);
        assert_int_equal(send(10, 5000), STREAM_OK);
        assert_unread(0, 5000);
        judge(3);
        assert_unread(3, 5000);
        judge(SLOT - 3);
        assert_unread(SLOT, 5000);
        judge(5000 - SLOT);
        assert_unread(5000, 5000);
        assert_gap(5000, 5000);
        end();
    }
}

static void every_split_in_either_order(void **state)
{
    (void)state;
    const uint32_t len = 2 * SLOT + 100;

    for (size_t f = 0; f < FIRSTS; f++) {
        for (uint32_t cut = 1; cut < len; cut += f == 0 ? 1 : 37) {
            begin(firsts[f]);
            assert_int_equal(send(0, cut), STREAM_OK);
            assert_unread(0, cut);
            assert_int_equal(send(cut, len), STREAM_OK);
            assert_unread(0, len);
            end();
            begin(firsts[f]);
            assert_int_equal(send(cut, len), STREAM_OK);
            assert_unread(0, 0);
            assert_gap(0, cut);
            assert_int_equal(send(0, cut), STREAM_OK);
            assert_unread(0, len);
            assert_gap(len, len);
            end();
        }
    }
}

/* Each offset in a slot, each length around a slot's end. */
static void every_place_and_length(void **state)
{
    (void)state;
    for (uint32_t begin_at = 0; begin_at < 2 * SLOT; begin_at += 13) {
        for (uint32_t len = 1; len < 2 * SLOT; len += 1 + len / 5) {
            begin(UINT32_MAX - SLOT);
            assert_int_equal(begin_at > 0 ? send(0, begin_at) : STREAM_OK, STREAM_OK);
            assert_int_equal(send(begin_at, begin_at + len), STREAM_OK);
            assert_unread(0, begin_at + len);
            assert_int_equal(send(begin_at, begin_at + len), STREAM_OLD);
            end();
        }
    }
}

static void no_bytes_are_old(void **state)
{
    (void)state;
    begin(5);
    assert_int_equal(stream_insert(&st, &pool, LIMIT, at(0), (struct bytes){0}), STREAM_OLD);
    assert_int_equal(stream_insert(&st, &pool, LIMIT, at(100), (struct bytes){0}), STREAM_OLD);
    assert_false(stream_differs(&st, &pool, at(0), (struct bytes){0}));
    assert_gap(0, 0);
    assert_int_equal(st.blocks, 0);
    end();
}

static void s1_read_but_not_acknowledged_is_kept(void **state)
{
    (void)state;
    for (size_t f = 0; f < FIRSTS; f++) {
        begin(firsts[f]);
        assert_int_equal(send(0, 100), STREAM_OK);
        judge(100);
        assert_kept(0, 100);
        assert_int_equal(send(0, 100), STREAM_OLD);
        for (uint32_t p = 0; p < 100; p++)
            assert_int_equal(send_lie(0, 100, p), STREAM_CONFLICT);
        acked(40);
        assert_kept(40, 100);
        assert_int_equal(send_lie(0, 100, 39), STREAM_OLD);
        assert_int_equal(send_lie(0, 100, 40), STREAM_CONFLICT);
        assert_int_equal(send_lie(0, 100, 99), STREAM_CONFLICT);
        acked(100);
        assert_int_equal(send_lie(0, 100, 99), STREAM_OLD);
        end();
    }
}

static void s1_acknowledged_but_not_read_is_kept(void **state)
{
    (void)state;
    begin(UINT32_MAX - 50);
    assert_int_equal(send(0, 100), STREAM_OK);
    acked(100);
    assert_kept(0, 100);
    judge(60);
    assert_kept(60, 100);
    assert_int_equal(send_lie(50, 100, 60), STREAM_CONFLICT);
    assert_int_equal(send_lie(50, 100, 59), STREAM_OLD);
    judge(40);
    assert_int_equal(send_lie(50, 100, 99), STREAM_OLD);
    end();
}

/* Bytes that went are still in the block that others in it need: they are not compared all the same. */
static void what_may_go_is_not_compared(void **state)
{
    (void)state;
    begin(77);
    assert_int_equal(send(0, 3 * SLOT), STREAM_OK);
    judge(3 * SLOT);
    acked(SLOT + 10);
    assert_int_equal(st.blocks, 2);
    assert_kept(SLOT + 10, 3 * SLOT);
    acked(3 * SLOT - 1);
    assert_int_equal(st.blocks, 1);
    assert_kept(3 * SLOT - 1, 3 * SLOT);
    end();
}

static void s1_a_conflict_changes_nothing(void **state)
{
    (void)state;
    begin(UINT32_MAX - 3000);
    assert_int_equal(send(0, 1000), STREAM_OK);
    assert_int_equal(send(3000, 4000), STREAM_OK);
    judge(500);
    struct stream before = st;
    uint32_t used = pool.used;
    /* New bytes on both sides of the one that differs. */
    assert_int_equal(send_lie(900, 9000, 3500), STREAM_CONFLICT);
    assert_int_equal(send_lie(900, 9000, 999), STREAM_CONFLICT);
    assert_int_equal(send_lie(900, 9000, 3999), STREAM_CONFLICT);
    assert_memory_equal(&before, &st, sizeof(st));
    assert_int_equal(pool.used, used);
    assert_unread(500, 1000);
    assert_kept(0, 1000);
    assert_kept(3000, 4000);
    /* The first copy of what was refused may still bring other bytes: nothing was stored. */
    assert_int_equal(send_lie(1000, 1010, 1005), STREAM_OK);
    end();
}

static void s2_bytes_behind_a_gap_wait_and_are_compared(void **state)
{
    (void)state;
    for (size_t f = 0; f < FIRSTS; f++) {
        begin(firsts[f]);
        assert_int_equal(send(0, 10), STREAM_OK);
        assert_int_equal(send(20, 30), STREAM_OK);
        assert_int_equal(send(40, 50), STREAM_OK);
        assert_int_equal(send(5000, 5010), STREAM_OK);
        assert_unread(0, 10);
        assert_gap(10, 20);
        assert_kept(20, 30);
        assert_kept(40, 50);
        assert_kept(5000, 5010);
        assert_int_equal(send_lie(20, 30, 25), STREAM_CONFLICT);
        /* What fills the gap must agree with what waits behind it. */
        assert_int_equal(send_lie(10, 50, 29), STREAM_CONFLICT);
        assert_int_equal(send_lie(10, 5010, 5009), STREAM_CONFLICT);
        assert_gap(10, 20);
        assert_int_equal(send(10, 20), STREAM_OK);
        assert_unread(0, 30);
        assert_gap(30, 40);
        assert_int_equal(send(29, 41), STREAM_OK);
        assert_unread(0, 50);
        assert_gap(50, 5000);
        assert_int_equal(send(0, 5010), STREAM_OK);
        assert_unread(0, 5010);
        assert_gap(5010, 5010);
        end();
    }
}

/* One segment over many holes brings exactly what was missing: the first copy of each byte stays. */
static void many_holes_at_once(void **state)
{
    (void)state;
    const uint32_t len = 3 * SLOT + 17;

    for (uint32_t step = 2; step < 2 * SLOT; step += step / 2) {
        begin(UINT32_MAX - 2000);
        for (uint32_t p = step; p < len; p += step)
            assert_int_equal(send_lie(p, p + 1, p), STREAM_OK); /* (not what the sender sends later) */
        for (uint32_t p = step; p < len; p += step)
            text[p] ^= 0x20;
        assert_int_equal(send(0, len), STREAM_OK);
        assert_unread(0, len);
        assert_int_equal(send(0, len), STREAM_OLD);
        for (uint32_t p = step; p < len; p += step)
            text[p] ^= 0x20;
        end();
    }
}

static void s3_full_stores_nothing(void **state)
{
    (void)state;
    for (int by_pool = 0; by_pool < 2; by_pool++) {
        struct pool small;
        const uint32_t limit = by_pool ? LIMIT : 4;
        assert_true(pool_new(&small, STREAM_BLOCK, by_pool ? 4 : 100));
        struct pool big = pool;
        pool = small;

        begin(UINT32_MAX - 2 * SLOT);
        assert_int_equal(offer_limit(limit, 0, bytes_of(text, 2 * SLOT + 100)), STREAM_OK);
        assert_int_equal(st.blocks, 3);
        struct stream before = st;
        /* One block is free; two are needed: all or nothing. */
        assert_int_equal(offer_limit(limit, st.blocks * SLOT - 10, bytes_of(text, SLOT + 11)), STREAM_FULL);
        assert_int_equal(offer_limit(limit, 0, bytes_of(text, 4 * SLOT + 1)), STREAM_FULL);
        assert_memory_equal(&before, &st, sizeof(st));
        assert_int_equal(pool.used, 3);
        assert_unread(0, 2 * SLOT + 100);
        /* A conflict is one even where there is no room. */
        text[5] ^= 0x20;
        assert_int_equal(offer_limit(limit, 0, bytes_of(text, 4 * SLOT + 1)), STREAM_CONFLICT);
        text[5] ^= 0x20;
        assert_int_equal(offer_limit(limit, 0, bytes_of(text, 4 * SLOT)), STREAM_OK);
        assert_unread(0, 4 * SLOT);
        assert_int_equal(offer_limit(limit, 4 * SLOT, bytes_of(text, 1)), STREAM_FULL);
        assert_int_equal(offer_limit(limit, 0, bytes_of(text, 4 * SLOT)), STREAM_OLD);
        /* What the receiver has and the judge is done with makes room again. */
        acked(SLOT);
        assert_int_equal(offer_limit(limit, 4 * SLOT, bytes_of(text + 4 * SLOT, 1)), STREAM_FULL);
        judge(SLOT - 1);
        assert_int_equal(offer_limit(limit, 4 * SLOT, bytes_of(text + 4 * SLOT, 1)), STREAM_FULL);
        judge(1);
        assert_int_equal(offer_limit(limit, 4 * SLOT, bytes_of(text + 4 * SLOT, 1)), STREAM_OK);
        assert_unread(SLOT, 4 * SLOT + 1);
        end();

        small = pool;
        pool = big;
        pool_free(&small);
    }
}

static void s3_full_streams_still_take_what_needs_no_block(void **state)
{
    (void)state;
    begin(1);
    assert_int_equal(offer_limit(1, 10, bytes_of(text + 10, 10)), STREAM_OK);
    assert_int_equal(offer_limit(1, SLOT, bytes_of(text + SLOT, 1)), STREAM_FULL);
    assert_int_equal(offer_limit(1, 30, bytes_of(text + 30, SLOT - 30)), STREAM_OK);
    assert_int_equal(offer_limit(0, 0, bytes_of(text, SLOT)), STREAM_OK); /* the limit was lowered */
    assert_unread(0, SLOT);
    end();
    begin(1);
    assert_int_equal(offer_limit(0, 0, bytes_of(text, 1)), STREAM_FULL);
    end();
}

/* The worst ways to cut a range cost what the range costs. */
static void s3_tiny_segments_cost_no_more_than_their_range(void **state)
{
    (void)state;
    const uint32_t len = 5 * SLOT;

    for (size_t f = 0; f < FIRSTS; f++) {
        /* One byte each, last one first. */
        begin(firsts[f]);
        for (uint32_t p = len; p-- > 0;) {
            assert_int_equal(send(p, p + 1), STREAM_OK);
            assert_true(st.blocks <= 5);
            if (p > 0)
                assert_gap(0, p);
        }
        assert_unread(0, len);
        end();
        /* Every other byte, then those between from the end. */
        begin(firsts[f]);
        for (uint32_t p = 1; p < len; p += 2)
            assert_int_equal(send(p, p + 1), STREAM_OK);
        assert_true(st.blocks <= 5);
        assert_gap(0, 1);
        for (uint32_t p = 1; p < len; p += 2)
            assert_int_equal(send_lie(p - 1, p + 1, p), STREAM_CONFLICT);
        for (uint32_t p = len; p >= 2; p -= 2)
            assert_int_equal(send(p - 2, p - 1), STREAM_OK);
        assert_unread(0, len);
        assert_true(st.blocks <= 5);
        end();
    }
}

/* The first byte far out, then before it, and again: slots are the same from wherever the grid was begun. */
static void s3_blocks_never_share_a_range(void **state)
{
    (void)state;
    begin(UINT32_MAX - 9000);
    assert_int_equal(send(17777, 17778), STREAM_OK);
    for (uint32_t p = 0; p < 18000; p += 100)
        assert_int_equal(send(p + 50, p + 51), STREAM_OK);
    assert_true(st.blocks <= 11);
    assert_int_equal(send(0, 18000), STREAM_OK);
    assert_true(st.blocks <= 11);
    assert_unread(0, 18000);
    end();
}

static void quiet_streams_hold_no_block(void **state)
{
    (void)state;
    begin(3);
    for (uint32_t p = 0; p < 100000; p += 700) {
        assert_int_equal(send(p, p + 700), STREAM_OK);
        assert_in_range(st.blocks, 1, 2);
        judge(700);
        acked(p + 700);
        assert_int_equal(st.blocks, 0);
        assert_int_equal(pool.used, 0);
    }
    end();
}

static void long_segments(void **state)
{
    (void)state;
    const uint32_t lens[] = {65535, 65536, 2 * 65536 + 1, 512 * 1024};

    for (size_t f = 0; f < FIRSTS; f++) {
        for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
            begin(firsts[f]);
            assert_int_equal(send(70000, 70001), STREAM_OK);
            assert_int_equal(send(0, lens[i]), STREAM_OK);
            assert_unread(0, lens[i]);
            assert_int_equal(send_lie(0, lens[i], lens[i] - 1), STREAM_CONFLICT);
            assert_int_equal(send(0, lens[i]), STREAM_OLD);
            judge(lens[i]);
            acked(lens[i]);
            assert_unread(lens[i], lens[i]);
            end();
        }
    }
}

static void s4_numbers_out_of_reach_store_nothing(void **state)
{
    (void)state;
    static const uint8_t byte = 'x';

    for (size_t f = 0; f < FIRSTS; f++) {
        begin(firsts[f]);
        assert_int_equal(send(0, 100), STREAM_OK);
        struct stream before = st;
        assert_int_equal(offer_limit(LIMIT, INT32_MAX, bytes_of(&byte, 1)), STREAM_FULL);
        assert_int_equal(offer_limit(LIMIT, INT32_MAX - SLOT, bytes_of(&byte, 1)), STREAM_FULL);
        assert_int_equal(offer_limit(LIMIT, INT32_MAX - 2 * SLOT - 9, bytes_of(text, 10)), STREAM_FULL);
        assert_int_equal(offer_limit(LIMIT, UINT32_C(0x80000000), bytes_of(&byte, 1)), STREAM_OLD);
        assert_int_equal(offer_limit(LIMIT, UINT32_MAX, bytes_of(&byte, 1)), STREAM_OLD);
        assert_false(stream_differs(&st, &pool, at(INT32_MAX), bytes_of(&byte, 1)));
        assert_false(stream_differs(&st, &pool, at(UINT32_C(0x80000000)), bytes_of(&byte, 1)));
        assert_memory_equal(&before, &st, sizeof(st));
        /* As far as a window can be: 2^30. */
        assert_int_equal(offer_limit(LIMIT, UINT32_C(1) << 30, bytes_of(&byte, 1)), STREAM_OK);
        assert_gap(100, UINT32_C(1) << 30);
        assert_int_equal(send(100, 110), STREAM_OK);
        assert_unread(0, 110);
        assert_int_equal(st.blocks, 2);
        end();
    }
}

/* A segment that begins before what is kept brings what comes behind it. */
static void early_beginnings_are_passed_over(void **state)
{
    (void)state;
    begin(2);
    memset(seen, '?', 50);
    memcpy(seen + 50, text, 10);
    assert_int_equal(stream_insert(&st, &pool, LIMIT, seq_add(first, (uint32_t)-50), bytes_of(seen, 60)), STREAM_OK);
    assert_unread(0, 10);
    assert_int_equal(stream_insert(&st, &pool, LIMIT, seq_add(first, (uint32_t)-50), bytes_of(text, 50)), STREAM_OLD);
    end();
}

static void acknowledgments_go_forwards_and_not_beyond_next(void **state)
{
    (void)state;
    begin(UINT32_MAX - 10);
    assert_int_equal(send(0, 20), STREAM_OK);
    assert_int_equal(send(30, 40), STREAM_OK);
    acked(10);
    assert_true(seq_equal(st.acked, at(10)));
    acked(5);
    assert_true(seq_equal(st.acked, at(10)));
    stream_acked(&st, &pool, at(UINT32_MAX));
    assert_true(seq_equal(st.acked, at(10)));
    acked(35);
    assert_true(seq_equal(st.acked, at(20)));
    judge(20);
    assert_kept(30, 40);
    acked(INT32_MAX - 1);
    assert_true(seq_equal(st.acked, at(20)));
    end();
}

static void reading_is_bounded_by_the_room(void **state)
{
    (void)state;
    begin(9);
    assert_int_equal(send(0, 4 * SLOT), STREAM_OK);
    for (size_t room = 0; room < 4 * SLOT; room += 1 + room / 3) {
        uint8_t *buf = guard_room(room);
        assert_int_equal(stream_gather(&st, &pool, buf, room), room);
        assert_memory_equal(buf, text, room);
        guard_room_free(buf, room);
    }
    judge(SLOT - 1);
    uint8_t two[2];
    assert_int_equal(stream_gather(&st, &pool, two, 2), 2); /* over the border of two blocks */
    assert_memory_equal(two, text + SLOT - 1, 2);
    end();
}

static void skipping_a_gap(void **state)
{
    (void)state;
    for (size_t f = 0; f < FIRSTS; f++) {
        begin(firsts[f]);
        assert_int_equal(send(0, 100), STREAM_OK);
        assert_int_equal(send(200, 300), STREAM_OK);
        assert_int_equal(send(400, 4000), STREAM_OK);
        judge(100);
        stream_skip(&st, &pool, at(200));
        assert_unread(200, 300);
        assert_gap(300, 400);
        /* Lost is lost: what comes late for it is neither compared nor stored. */
        assert_int_equal(send_lie(100, 200, 150), STREAM_OLD);
        assert_int_equal(send(90, 210), STREAM_OLD);
        assert_int_equal(send_lie(90, 210, 99), STREAM_CONFLICT);
        assert_int_equal(send_lie(90, 210, 200), STREAM_CONFLICT);
        assert_int_equal(send_lie(90, 210, 199), STREAM_OLD);
        assert_unread(200, 300);
        judge(100);
        /* Into the middle of what is stored behind a gap. */
        stream_skip(&st, &pool, at(2000));
        assert_unread(2000, 4000);
        assert_gap(4000, 4000);
        judge(2000);
        /* To where nothing is stored. */
        stream_skip(&st, &pool, at(5000));
        assert_unread(5000, 5000);
        assert_gap(5000, 5000);
        assert_int_equal(send(4990, 5010), STREAM_OK);
        assert_unread(5000, 5010);
        /* Not forwards: nothing to do. */
        judge(10);
        stream_skip(&st, &pool, at(5010));
        stream_skip(&st, &pool, at(4000));
        assert_unread(5010, 5010);
        end();
    }
}

/* The acknowledgment stands in the lost range, in front of all blocks; a late segment reaches from there to new bytes.
 */
static void late_segments_from_a_lost_range(void **state)
{
    (void)state;
    const uint32_t there = 10 * SLOT;

    for (size_t f = 0; f < FIRSTS; f++) {
        begin(firsts[f]);
        assert_int_equal(send(0, 100), STREAM_OK);
        assert_int_equal(send(there, there + 100), STREAM_OK);
        judge(100);
        stream_skip(&st, &pool, at(there));
        judge(100);
        acked(5 * SLOT);
        assert_int_equal(st.blocks, 1);
        assert_int_equal(send_lie(5 * SLOT, there + 200, there + 50), STREAM_CONFLICT);
        assert_int_equal(send(5 * SLOT, there + 200), STREAM_OK);
        assert_int_equal(st.blocks, 1);
        assert_unread(there + 100, there + 200);
        end();
    }
}

static void skipping_when_all_was_acknowledged_keeps_nothing(void **state)
{
    (void)state;
    begin(0);
    assert_int_equal(send(0, 100), STREAM_OK);
    judge(100);
    acked(100);
    stream_skip(&st, &pool, at(100000));
    assert_int_equal(st.blocks, 0);
    assert_int_equal(send(100000, 100010), STREAM_OK);
    assert_unread(100000, 100010);
    assert_int_equal(st.blocks, 1);
    end();
}

/* Unacknowledged bytes far behind would make numbers ambiguous: they are let go. */
static void s4_skipping_on_and_on(void **state)
{
    (void)state;
    begin(UINT32_MAX - 50);
    assert_int_equal(send(0, 100), STREAM_OK);
    judge(100);
    acked(50);
    for (uint32_t i = 1; i <= 20; i++) {
        uint32_t position = 100 + i * UINT32_C(0x20000001);
        stream_skip(&st, &pool, at(position));
        assert_int_equal(offer_limit(LIMIT, position, bytes_of(text, 10)), STREAM_OK);
        assert_int_equal(stream_unread(&st), 10);
        assert_int_equal(offer_limit(LIMIT, position, bytes_of(text, 10)), STREAM_OLD);
        assert_int_equal(offer_limit(LIMIT, position, bytes_of(text + 1, 10)), STREAM_CONFLICT);
        judge(10);
        assert_true(st.blocks <= 4);
        assert_in_range(seq_diff(st.next, st.acked), 0, UINT32_C(1) << 30);
    }
    end();
}

static void forgetting_what_was_read(void **state)
{
    (void)state;
    begin(UINT32_MAX - 50);
    assert_int_equal(send(0, 3 * SLOT), STREAM_OK);
    judge(2 * SLOT);
    assert_int_equal(st.blocks, 3);
    stream_forget_read(&st, &pool);
    assert_int_equal(st.blocks, 1);
    assert_kept(2 * SLOT, 3 * SLOT);
    assert_unread(2 * SLOT, 3 * SLOT);
    acked(SLOT); /* old news */
    assert_true(seq_equal(st.acked, at(2 * SLOT)));
    judge(SLOT);
    stream_forget_read(&st, &pool);
    assert_int_equal(st.blocks, 0);
    end();
}

static void stopping_gives_all_back(void **state)
{
    (void)state;
    begin(1);
    assert_int_equal(send(0, 10 * SLOT), STREAM_OK);
    assert_int_equal(send(20 * SLOT, 30 * SLOT), STREAM_OK);
    assert_int_equal(pool.used, 20);
    end();
    stream_stop(&st, &pool); /* harmless */
    begin(2);
    assert_int_equal(send(0, 1), STREAM_OK);
    end();
}

static void read_too_much(void)
{
    begin(1);
    (void)!send(0, 10);
    judge(11);
}

static void skip_over_unread(void)
{
    begin(1);
    (void)!send(0, 10);
    stream_skip(&st, &pool, at(20));
}

static void our_own_bugs_are_assertions(void **state)
{
    (void)state;
    void (*const bugs[])(void) = {read_too_much, skip_over_unread};

    for (size_t i = 0; i < sizeof(bugs) / sizeof(bugs[0]); i++) {
        int status;
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            const struct rlimit none = {0, 0};
            (void)setrlimit(RLIMIT_CORE, &none);
            (void)signal(SIGABRT, SIG_DFL);
            (void)close(STDERR_FILENO);
            bugs[i]();
            _exit(0);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    }
}

static int setup(void **state)
{
    (void)state;
    for (uint32_t p = 0; p < TEXT_LEN; p++)
        text[p] = (uint8_t)(p * 167 + (p >> 8) * 13 + (p >> 16));
    guarded = guard_room(TEXT_LEN);
    return pool_new(&pool, STREAM_BLOCK, 1000) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    pool_free(&pool);
    guard_room_free(guarded, TEXT_LEN);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stream_is_small),
        cmocka_unit_test(in_order_bytes_are_read),
        cmocka_unit_test(every_split_in_either_order),
        cmocka_unit_test(every_place_and_length),
        cmocka_unit_test(no_bytes_are_old),
        cmocka_unit_test(s1_read_but_not_acknowledged_is_kept),
        cmocka_unit_test(s1_acknowledged_but_not_read_is_kept),
        cmocka_unit_test(what_may_go_is_not_compared),
        cmocka_unit_test(s1_a_conflict_changes_nothing),
        cmocka_unit_test(s2_bytes_behind_a_gap_wait_and_are_compared),
        cmocka_unit_test(many_holes_at_once),
        cmocka_unit_test(s3_full_stores_nothing),
        cmocka_unit_test(s3_full_streams_still_take_what_needs_no_block),
        cmocka_unit_test(s3_tiny_segments_cost_no_more_than_their_range),
        cmocka_unit_test(s3_blocks_never_share_a_range),
        cmocka_unit_test(quiet_streams_hold_no_block),
        cmocka_unit_test(long_segments),
        cmocka_unit_test(s4_numbers_out_of_reach_store_nothing),
        cmocka_unit_test(early_beginnings_are_passed_over),
        cmocka_unit_test(acknowledgments_go_forwards_and_not_beyond_next),
        cmocka_unit_test(reading_is_bounded_by_the_room),
        cmocka_unit_test(skipping_a_gap),
        cmocka_unit_test(late_segments_from_a_lost_range),
        cmocka_unit_test(skipping_when_all_was_acknowledged_keeps_nothing),
        cmocka_unit_test(s4_skipping_on_and_on),
        cmocka_unit_test(forgetting_what_was_read),
        cmocka_unit_test(stopping_gives_all_back),
        cmocka_unit_test(our_own_bugs_are_assertions),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
