/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Pieces that contradict each other, that nobody takes, of other datagrams, too old, too many: none mixes in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "kmod-free/tests/support_defrag.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static void overlaps(void **state)
{
    (void)state;
    for (size_t shape = 0; shape < DATAGRAM_SHAPES; shape++) {
        for (size_t differ = 0; differ < 48; differ++) {
            struct datagram g = datagram_of(shape, 50, 4);
            struct defrag *d = new_defrag(4);
            uint8_t out[200];
            struct defrag_counters c;
            struct frame whole;
            size_t len;

            assert_false(feed_piece(d, &g, 0, 24, true, &whole));
            assert_false(feed_piece(d, &g, 40, 64, true, &whole));
            /* 16..56 lies over the end of one and the beginning of the other; identical or not at one byte */
            len = cut_piece(&g, 16, 56, true, out);
            if (differ < 40)
                out[len - 40 + differ] ^= 0x20;
            assert_false(feed_fragment(d, bytes_of(out, len), 1, &whole));
            defrag_count(d, &c);
            if (differ < 8 || (differ >= 24 && differ < 40)) {
                assert_int_equal(c.conflicts, 1);
                assert_false(feed_piece(d, &g, 64, datagram_data_len(&g), false, &whole));
            } else {
                assert_int_equal(c.conflicts, 0);
                assert_true(feed_piece(d, &g, 64, datagram_data_len(&g), false, &whole));
                if (differ >= 40)
                    assert_datagram(&g, &whole);
            }
            defrag_free(d);
        }
    }
}

static void lengths_that_contradict(void **state)
{
    static const struct {
        size_t from[2], to[2];
        bool more[2];
        bool conflict;
    } cases[] = {
        {{32, 32}, {50, 50}, {false, false}, false},
        {{32, 32}, {50, 51}, {false, false}, true}, /* two different ends */
        {{32, 32}, {50, 49}, {false, false}, true},
        {{32, 24}, {50, 50}, {false, false}, false}, /* the same end, cut otherwise */
        {{32, 56}, {50, 64}, {false, true}, true},   /* data behind the end */
        {{32, 48}, {50, 56}, {false, true}, true},
        {{56, 32}, {64, 50}, {true, false}, true}, /* an end before known data */
        {{48, 32}, {56, 50}, {true, false}, true},
        {{32, 40}, {48, 48}, {false, true}, false}, /* "more" that ends at the end: as Linux */
    };

    (void)state;
    for (size_t shape = 0; shape < DATAGRAM_SHAPES; shape++) {
        for (size_t i = 0; i < COUNT(cases); i++) {
            struct datagram g = datagram_of(shape, 60, 4);
            struct defrag *d = new_defrag(4);
            struct defrag_counters c;
            struct frame whole;

            for (size_t k = 0; k < 2; k++)
                assert_false(feed_piece(d, &g, cases[i].from[k], cases[i].to[k], cases[i].more[k], &whole));
            defrag_count(d, &c);
            assert_int_equal(c.conflicts, cases[i].conflict);
            assert_int_equal(c.broken, 0);
            defrag_free(d);
        }
    }
}

static void pieces_that_nobody_takes(void **state)
{
    (void)state;
    for (size_t shape = 0; shape < DATAGRAM_SHAPES; shape++) {
        struct datagram g = datagram_of(shape, 60, 4);
        struct defrag *d = new_defrag(4);
        struct defrag_counters c;
        struct frame whole, f;
        struct packet piece;
        uint8_t out[200];
        size_t len;

        assert_false(feed_piece(d, &g, 0, 16, true, &whole));
        assert_false(feed_piece(d, &g, 16, 16, true, &whole)); /* empty */
        assert_false(feed_piece(d, &g, 16, 16, false, &whole));
        assert_false(feed_piece(d, &g, 16, 23, true, &whole)); /* not whole units, and nothing left of it in IPv4 */
        defrag_count(d, &c);
        assert_int_equal(c.broken, 3);

        /* Cut by the capture: its end is not the piece's end. */
        len = cut_piece(&g, 16, datagram_data_len(&g), false, out);
        f = support_frame(bytes_of(out, len - 3), 1);
        f.csum = CSUM_CAPTURE;
        f.cut = true;
        assert_int_equal(packet_decode(&f, &piece), PACKET_FRAGMENT);
        assert_false(defrag_add(d, &f, &piece, &whole));
        defrag_count(d, &c);
        assert_int_equal(c.broken, 4);

        /* None of it did harm. A piece that is all there may come from a capture that cuts. */
        f.l3 = bytes_of(out, len);
        f.tag = 5;
        f.csum = CSUM_VERIFY;
        assert_int_equal(packet_decode(&f, &piece), PACKET_FRAGMENT);
        assert_true(defrag_add(d, &f, &piece, &whole));
        assert_datagram(&g, &whole);

        /* IPv4: the part of a unit at the end of a piece that isn't the last is passed over. */
        assert_false(feed_piece(d, &g, 0, 29, true, &whole));
        assert_int_equal(feed_piece(d, &g, 24, datagram_data_len(&g), false, &whole), !g.v6);
        defrag_free(d);
    }
}

static void datagrams_are_told_apart(void **state)
{
    struct defrag *d = new_defrag(16);
    struct datagram g = datagram_of(0, 60, 4), other;
    struct frame whole;
    uint8_t out[200];
    size_t len = cut_piece(&g, 16, datagram_data_len(&g), false, out);

    (void)state;
    assert_false(feed_piece(d, &g, 0, 16, true, &whole));
    for (size_t byte = 4; byte < 20; byte++) { /* id, addresses: one byte of each changed */
        if (byte >= 6 && byte < 12)
            continue;
        out[byte] ^= 0x80;
        support_put16(out + 10, 0);
        support_put16(out + 10, support_csum(0, bytes_of(out, 20)));
        assert_false(feed_fragment(d, bytes_of(out, len), 1, &whole));
        out[byte] ^= 0x80;
    }
    assert_true(feed_piece(d, &g, 16, datagram_data_len(&g), false, &whole));
    assert_datagram(&g, &whole);

    /* IPv6: the first piece's next header is the datagram's, whatever the others say (RFC 8200 4.5). */
    other = datagram_of(3, 60, 4);
    other.protocol = 17;
    assert_false(feed_piece(d, &other, 16, 80, false, &whole));
    other.protocol = 6;
    assert_true(feed_piece(d, &other, 0, 16, true, &whole));
    assert_datagram(&other, &whole);
    defrag_free(d);
}

static void s3_oldest_is_given_up(void **state)
{
    struct defrag *d = new_defrag(3);
    struct defrag_counters c;
    struct frame whole;

    (void)state;
    for (uint32_t id = 1; id <= 4; id++) { /* the fourth takes the first one's place */
        struct datagram g = datagram_of(0, 60, id);
        assert_false(feed_piece(d, &g, 0, 16, true, &whole));
    }
    defrag_count(d, &c);
    assert_int_equal(c.given_up, 1);
    for (uint32_t id = 4; id >= 2; id--) {
        struct datagram g = datagram_of(0, 60, id);
        assert_true(feed_piece(d, &g, 16, datagram_data_len(&g), false, &whole));
        assert_datagram(&g, &whole);
    }
    struct datagram first = datagram_of(0, 60, 1);
    assert_false(feed_piece(d, &first, 16, datagram_data_len(&first), false, &whole));
    assert_true(feed_piece(d, &first, 0, 16, true, &whole)); /* places that are done are free again */
    defrag_count(d, &c);
    assert_int_equal(c.given_up, 1);
    defrag_free(d);

    d = new_defrag(0);
    assert_false(feed_piece(d, &first, 0, 16, true, &whole));
    defrag_count(d, &c);
    assert_int_equal(c.given_up, 1);
    defrag_free(d);
    defrag_free(NULL);
}

static void old_pieces_do_not_mix_in(void **state)
{
    static const struct {
        int64_t first, second;
        bool whole;
    } cases[] = {
        {0, 60 * NS_PER_S, true},      {0, 60 * NS_PER_S + 1, false}, {100 * NS_PER_S, 0, true}, /* back in time */
        {INT64_MIN, INT64_MAX, false}, {INT64_MAX, INT64_MIN, true},  {INT64_MAX - 1, INT64_MAX, true},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct datagram g = datagram_of(0, 60, 1);
        struct defrag *d = new_defrag(2);
        struct defrag_counters c;
        struct frame whole;
        uint8_t out[200];

        assert_false(feed_fragment(d, bytes_of(out, cut_piece(&g, 0, 16, true, out)), cases[i].first, &whole));
        assert_int_equal(feed_fragment(d, bytes_of(out, cut_piece(&g, 16, datagram_data_len(&g), false, out)),
                                       cases[i].second, &whole),
                         cases[i].whole);
        defrag_count(d, &c);
        assert_int_equal(c.given_up, !cases[i].whole);
        defrag_free(d);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(overlaps),
        cmocka_unit_test(lengths_that_contradict),
        cmocka_unit_test(pieces_that_nobody_takes),
        cmocka_unit_test(datagrams_are_told_apart),
        cmocka_unit_test(s3_oldest_is_given_up),
        cmocka_unit_test(old_pieces_do_not_mix_in),
    };
    return cmocka_run_group_tests_name("defrag, what is refused", tests, datagram_setup, NULL);
}
