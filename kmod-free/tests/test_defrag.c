/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Pieces of a datagram, in any order and of any size, become what was cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "kmod-free/tests/support_defrag.h"

static const uint8_t dest_options[] = {6, 0, 1, 4, 0, 0, 0, 0}; /* in the fragmentable part */

static void every_order_of_four_pieces(void **state)
{
    static const size_t at[] = {0, 16, 24, 80};
    size_t order[4];

    (void)state;
    for (size_t shape = 0; shape < DATAGRAM_SHAPES; shape++) {
        struct datagram g = datagram_of(shape, 77, 0xbeef);
        struct defrag *d = new_defrag(2);
        uint64_t wholes = 0;

        for (size_t n = 0; n < 256; n++) {
            bool seen[4] = {false}, done = false;
            struct frame whole;

            for (size_t i = 0; i < 4; i++) {
                order[i] = n >> (2 * i) & 3;
                seen[order[i]] = true;
            }
            if (!(seen[0] && seen[1] && seen[2] && seen[3]))
                continue;
            for (size_t i = 0; i < 4; i++) {
                size_t from = at[order[i]], to = order[i] < 3 ? at[order[i] + 1] : datagram_data_len(&g);
                assert_false(done);
                done = feed_piece(d, &g, from, to, order[i] < 3, &whole);
                if (i < 3) /* twice the same changes nothing */
                    assert_false(feed_piece(d, &g, from, to, order[i] < 3, &(struct frame){0}));
            }
            assert_true(done);
            assert_datagram(&g, &whole);
            wholes++;
        }
        struct defrag_counters c;
        defrag_count(d, &c);
        assert_int_equal(wholes, 24);
        assert_int_equal(c.whole, 24);
        assert_int_equal(c.pieces, 24 * 7);
        assert_int_equal(c.conflicts + c.broken + c.given_up, 0);
        defrag_free(d);
    }
}

/* Pieces of every size, in order, backwards, and the even ones before the odd ones. */
static void every_piece_size(void **state)
{
    (void)state;
    for (size_t shape = 0; shape < DATAGRAM_SHAPES; shape++) {
        for (size_t payload = 0; payload < 40; payload += 13) {
            struct datagram g = datagram_of(shape, payload, 3);
            struct defrag *d = new_defrag(1);

            for (size_t size = 8; size < datagram_data_len(&g); size += 8) {
                size_t pieces = (datagram_data_len(&g) + size - 1) / size;
                for (int order = 0; order < 3; order++) {
                    struct frame whole = {0};
                    for (size_t i = 0; i < pieces; i++) {
                        size_t evens = (pieces + 1) / 2;
                        size_t k = order == 0   ? i
                                   : order == 1 ? pieces - 1 - i
                                   : i < evens  ? i * 2
                                                : (i - evens) * 2 + 1;
                        size_t to = k + 1 < pieces ? (k + 1) * size : datagram_data_len(&g);
                        assert_int_equal(feed_piece(d, &g, k * size, to, k + 1 < pieces, &whole), i + 1 == pieces);
                    }
                    assert_datagram(&g, &whole);
                }
            }
            defrag_free(d);
        }
    }
}

static void the_longest_datagram(void **state)
{
    (void)state;
    for (size_t shape = 0; shape < DATAGRAM_SHAPES; shape++) {
        size_t extra = shape == 0 ? 20 : shape == 1 ? 24 : shape == 2 ? 0 : 8;
        struct datagram g = datagram_of(shape, 64000, 9);
        struct defrag *d = new_defrag(1);
        struct defrag_counters c;
        struct frame whole;
        size_t len = 65535 - extra; /* of the fragmentable part */

        g.l3.len = g.head_len + len > sizeof datagram_bytes ? sizeof datagram_bytes : g.head_len + len;
        len = g.l3.len - g.head_len;
        assert_false(feed_piece(d, &g, 0, 32768, true, &whole));
        assert_true(feed_piece(d, &g, 32768, len, false, &whole));
        assert_int_equal(whole.l3.len, g.l3.len);
        assert_memory_equal(whole.l3.at + g.head_len, g.l3.at + g.head_len, len);

        /* One byte more than the length field can tell. */
        uint8_t piece[100];
        size_t past = cut_piece(&g, 0, 24, false, piece);
        uint16_t offset = (uint16_t)((65535 - extra) / 8 * 8 - 16);
        if (g.v6) {
            support_put16(piece + g.head_len + 2, offset);
        } else {
            support_put16(piece + 6, offset / 8);
            support_put16(piece + 10, 0);
            support_put16(piece + 10, support_csum(0, bytes_of(piece, g.head_len)));
        }
        assert_false(feed_fragment(d, bytes_of(piece, past), 1, &whole));
        defrag_count(d, &c);
        assert_int_equal(c.broken, 1);
        assert_int_equal(c.whole, 1);
        defrag_free(d);
    }
}

/* A first piece with a longer header than the others were measured with. */
static void header_of_the_first_piece_counts(void **state)
{
    struct datagram small = datagram_of(0, 60000, 9);
    struct defrag *d = new_defrag(1);
    struct defrag_counters c;
    struct frame whole;
    uint8_t out[SUPPORT_PACKET_MAX];
    size_t len;

    (void)state;
    assert_false(feed_piece(d, &small, 8, 60000, true, &whole));
    len = cut_piece(&small, 0, 5515, false, out);
    support_put16(out + 6, 60000 / 8);
    support_put16(out + 10, 0);
    support_put16(out + 10, support_csum(0, bytes_of(out, 20)));
    assert_false(feed_fragment(d, bytes_of(out, len), 1, &whole)); /* 20 + 65,515 fits exactly */
    struct datagram options = datagram_of(1, 100, 9);
    assert_false(feed_piece(d, &options, 0, 8, true, &whole)); /* 24 + 65,515 doesn't */
    defrag_count(d, &c);
    assert_int_equal(c.broken, 1);
    assert_int_equal(c.whole, 0);
    defrag_free(d);
}

/* Of several first pieces, the first one's header stays. */
static void header_of_a_repeated_first_piece(void **state)
{
    (void)state;
    for (size_t shape = 0; shape < DATAGRAM_SHAPES; shape++) {
        struct defrag *d = new_defrag(1);
        uint8_t other[200];
        struct frame whole;
        struct datagram g = datagram_of(shape ^ 1, 60, 4); /* the same datagram with another head */
        size_t len = cut_piece(&g, 0, 16, true, other);

        g = datagram_of(shape, 60, 4);
        assert_false(feed_piece(d, &g, 0, 16, true, &whole));
        assert_false(feed_fragment(d, bytes_of(other, len), 1, &whole));
        assert_true(feed_piece(d, &g, 16, datagram_data_len(&g), false, &whole));
        assert_datagram(&g, &whole);
        defrag_free(d);
    }
}

/* A chain that goes on in the fragmentable part. */
static void extension_headers_inside(void **state)
{
    struct support_segment s = datagram_shapes[2];
    struct datagram g = {.id = 1, .v6 = true, .protocol = 60, .head_len = 40, .named_at = 6};
    struct defrag *d = new_defrag(1);
    struct frame whole;

    (void)state;
    s.ip6_first = 60;
    s.ip6_ext = bytes_of(dest_options, 8);
    s.payload = bytes_of(datagram_text, 33);
    g.l3 = bytes_of(datagram_bytes, support_segment(&s, datagram_bytes, sizeof datagram_bytes));
    assert_false(feed_piece(d, &g, 8, datagram_data_len(&g), false, &whole));
    assert_true(feed_piece(d, &g, 0, 8, true, &whole));
    assert_datagram(&g, &whole);
    defrag_free(d);
}

static void too_long_a_head_is_refused(void **state)
{
    static uint8_t chain[2048 * 3];
    struct support_segment s = datagram_shapes[2];
    struct defrag *d = new_defrag(1);
    struct defrag_counters c;
    struct frame whole;

    (void)state;
    for (size_t n = 1; n <= 3; n++) {
        struct datagram g = {.id = (uint32_t)n, .v6 = true, .protocol = 6};
        for (size_t i = 0; i < n; i++) {
            chain[i * 2040] = i + 1 < n ? 60 : 6;
            chain[i * 2040 + 1] = 254;
        }
        s.ip6_first = 60;
        s.ip6_ext = bytes_of(chain, n * 2040);
        s.payload = bytes_of(datagram_text, 33);
        g.l3 = bytes_of(datagram_bytes, support_segment(&s, datagram_bytes, sizeof datagram_bytes));
        g.head_len = 40 + n * 2040;
        g.named_at = 40 + (n - 1) * 2040;
        assert_false(feed_piece(d, &g, 0, 8, true, &whole));
        assert_int_equal(feed_piece(d, &g, 8, datagram_data_len(&g), false, &whole), n < 3);
        if (n < 3)
            assert_datagram(&g, &whole);
    }
    defrag_count(d, &c);
    assert_int_equal(c.broken, 2);
    defrag_free(d);
}

/* Against a plain array: random pieces, some repeated, some that differ. */
static void model(void **state)
{
    uint32_t lcg = 4711;
    struct defrag *d = new_defrag(4);
    size_t finished = 0, ended = 0;

    (void)state;
    for (size_t round = 0; round < 3000; round++) {
        struct datagram g = datagram_of(round % DATAGRAM_SHAPES, 200, 7);
        size_t total = datagram_data_len(&g), have = 0;
        bool there[256] = {false}, over = false;
        uint8_t out[400];

        g.id = (uint32_t)round + 1;
        if (!g.v6)
            support_put16(datagram_bytes + 4, (uint16_t)g.id);
        for (size_t i = 0; i < 200 && !over; i++) {
            size_t from = (lcg = lcg * 1664525 + 1013904223) % 65536 % total / 8 * 8;
            size_t to = from + 8 + (lcg >> 16) % 64 / 8 * 8;
            bool bad = (lcg >> 8) % 64 == 0, conflict = false, done;
            struct frame whole;
            size_t len;

            if (to > total)
                to = total;
            len = cut_piece(&g, from, to, to < total, out);
            if (bad)
                out[len - 1] ^= 1;
            for (size_t k = from; k < to; k++) {
                if (there[k])
                    conflict |= bad && k == to - 1;
                else
                    have++;
                there[k] = true;
            }
            done = feed_fragment(d, bytes_of(out, len), 1, &whole);
            if (conflict) { /* the datagram ends */
                assert_false(done);
                ended++;
                over = true;
            } else {
                assert_int_equal(done, have == total);
                over = done || bad;
                finished += done;
                if (done && !bad)
                    assert_datagram(&g, &whole);
            }
        }
    }
    assert_true(finished > 500 && ended > 100);
    defrag_free(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_order_of_four_pieces),
        cmocka_unit_test(every_piece_size),
        cmocka_unit_test(the_longest_datagram),
        cmocka_unit_test(header_of_the_first_piece_counts),
        cmocka_unit_test(header_of_a_repeated_first_piece),
        cmocka_unit_test(extension_headers_inside),
        cmocka_unit_test(too_long_a_head_is_refused),
        cmocka_unit_test(model),
    };
    return cmocka_run_group_tests_name("defrag", tests, datagram_setup, NULL);
}
