/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * stream_cases - one stream, the sender's text, and what a test may do and claim, in positions of that text.
 * Include once in a program; the group's setup and teardown are stream_setup and stream_teardown.
 */
#ifndef RCPTWALL_TESTS_STREAM_CASES_H
#define RCPTWALL_TESTS_STREAM_CASES_H

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

static inline void begin(uint32_t isn)
{
    first = seq_of(isn);
    stream_start(&st, first);
}

static inline void end(void)
{
    stream_stop(&st, &pool);
    assert_int_equal(pool.used, 0);
}

static inline struct seq at(uint32_t position)
{
    return seq_add(first, position);
}

static uint8_t *guarded; /* TEXT_LEN bytes that end at a guard page */

/* Offers bytes from a copy that ends at the guard page. */
static inline enum stream_result offer_limit(uint32_t limit, uint32_t position, struct bytes data)
{
    uint8_t *copy = guarded + TEXT_LEN - data.len;

    memcpy(copy, data.at, data.len);
    return stream_insert(&st, &pool, limit, at(position), bytes_of(copy, data.len));
}

/* Bytes [from, to) of the text. */
static inline enum stream_result send(uint32_t from, uint32_t to)
{
    return offer_limit(LIMIT, from, bytes_of(text + from, to - from));
}

/* The same with the byte at `lie` changed. */
static inline enum stream_result send_lie(uint32_t from, uint32_t to, uint32_t lie)
{
    text[lie] ^= 0x20;
    enum stream_result r = send(from, to);
    text[lie] ^= 0x20;
    return r;
}

static inline void judge(uint32_t n)
{
    stream_read(&st, &pool, n);
}

static inline void acked(uint32_t upto)
{
    stream_acked(&st, &pool, at(upto));
}

/* All that can be read now is text[from, to); both ways of reading say so. */
static inline void assert_unread(uint32_t from, uint32_t to)
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

static inline void assert_gap(uint32_t next, uint32_t gap_end)
{
    struct seq behind;

    assert_true(seq_equal(st.next, at(next)));
    assert_int_equal(stream_gap(&st, &behind), gap_end > next);
    assert_true(seq_equal(behind, at(gap_end)));
}

/* Exactly the bytes [from, to) of the text are compared. */
static inline void assert_kept(uint32_t from, uint32_t to)
{
    const uint32_t margin = 3;

    for (uint32_t p = from < margin ? 0 : from - margin; p < to + margin; p++) {
        uint8_t other = text[p] ^ 0x20;
        assert_int_equal(stream_differs(&st, &pool, at(p), bytes_of(&other, 1)), p >= from && p < to);
        assert_false(stream_differs(&st, &pool, at(p), bytes_of(text + p, 1)));
    }
}

static inline int stream_setup(void **state)
{
    (void)state;
    for (uint32_t p = 0; p < TEXT_LEN; p++)
        text[p] = (uint8_t)(p * 167 + (p >> 8) * 13 + (p >> 16));
    guarded = guard_room(TEXT_LEN);
    return pool_new(&pool, STREAM_BLOCK, 1000) ? 0 : -1;
}

static inline int stream_teardown(void **state)
{
    (void)state;
    pool_free(&pool);
    guard_room_free(guarded, TEXT_LEN);
    return 0;
}

#endif
