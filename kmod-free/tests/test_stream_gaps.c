/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bytes that never come: offline a stream goes on behind them. And what may be forgotten before it was acknowledged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kmod-free/tests/stream_cases.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(skipping_a_gap),
        cmocka_unit_test(late_segments_from_a_lost_range),
        cmocka_unit_test(skipping_when_all_was_acknowledged_keeps_nothing),
        cmocka_unit_test(s4_skipping_on_and_on),
        cmocka_unit_test(forgetting_what_was_read),
    };
    return cmocka_run_group_tests(tests, stream_setup, stream_teardown);
}
