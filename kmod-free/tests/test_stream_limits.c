/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a stream may cost (S3), and numbers too far away to be ordered (S4). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kmod-free/tests/stream_cases.h"

static void a_stream_is_small(void **state)
{
    (void)state;
    assert_true(sizeof(struct stream) <= 40);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stream_is_small),
        cmocka_unit_test(s3_full_stores_nothing),
        cmocka_unit_test(s3_full_streams_still_take_what_needs_no_block),
        cmocka_unit_test(s3_tiny_segments_cost_no_more_than_their_range),
        cmocka_unit_test(s3_blocks_never_share_a_range),
        cmocka_unit_test(quiet_streams_hold_no_block),
        cmocka_unit_test(long_segments),
        cmocka_unit_test(s4_numbers_out_of_reach_store_nothing),
        cmocka_unit_test(stopping_gives_all_back),
    };
    return cmocka_run_group_tests(tests, stream_setup, stream_teardown);
}
