/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a stream promises of order and of copies (S1, S2), case by case. Every possible order of events is
 * test_stream_model's matter; limits and gaps have programs of their own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kmod-free/tests/stream_cases.h"

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

    for (size_t i = 0; i < sizeof(bugs) / sizeof(bugs[0]); i++)
        assert_true(support_aborts(bugs[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
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
        cmocka_unit_test(early_beginnings_are_passed_over),
        cmocka_unit_test(acknowledgments_go_forwards_and_not_beyond_next),
        cmocka_unit_test(reading_is_bounded_by_the_room),
        cmocka_unit_test(our_own_bugs_are_assertions),
    };
    return cmocka_run_group_tests(tests, stream_setup, stream_teardown);
}
