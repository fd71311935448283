// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "kmod-free/defrag.h"
#include "kmod-free/tests/support.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static const uint8_t dest_options[] = {6, 0, 1, 4, 0, 0, 0, 0}; /* in the fragmentable part */
static const uint8_t hop_by_hop[] = {6, 0, 1, 4, 0, 0, 0, 0};   /* in front of it */
static const uint8_t ip_options[] = {0x94, 4, 0, 0};

static struct support_segment shapes[4];
static uint8_t original[SUPPORT_PACKET_MAX], text[65000];

/* A datagram to be cut in pieces: its head and the fragmentable part. */
struct datagram {
    struct bytes l3;
    size_t head_len; /* of the unfragmentable part */
    size_t named_at;
    uint8_t protocol; /* of the fragmentable part */
    uint32_t id;
    bool v6;
};

static int make_shapes(void **state)
{
    struct support_segment v4 = {
        .src = support_endpoint("198.51.100.2", 40112),
        .dst = support_endpoint("192.0.2.25", 25),
        .seq = 7,
        .flags = TCP_ACK,
    };
    struct support_segment v6 = v4;

    (void)state;
    v6.src = support_endpoint("2001:db8::1", 40112);
    v6.dst = support_endpoint("2001:db8::25", 25);
    for (size_t i = 0; i < COUNT(shapes); i++)
        shapes[i] = i < 2 ? v4 : v6;
    shapes[1].ip_options = bytes_of(ip_options, 4);
    shapes[3].ip6_ext = bytes_of(hop_by_hop, 8);
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (uint8_t)(i * 7 + i / 251);
    return 0;
}

static struct datagram datagram_of(size_t shape, size_t payload, uint32_t id)
{
    struct support_segment s = shapes[shape];
    struct datagram d = {.id = id, .v6 = s.src.addr.family == 6, .protocol = 6};

    s.payload = bytes_of(text, payload);
    s.ip_id = (uint16_t)id;
    d.l3 = bytes_of(original, support_segment(&s, original, sizeof original));
    d.head_len = d.v6 ? 40 + s.ip6_ext.len : 20 + s.ip_options.len;
    d.named_at = !d.v6 ? 9 : s.ip6_ext.len > 0 ? 40 : 6;
    return d;
}

/* The piece [from, to) of the fragmentable part as an IP packet. */
static size_t cut_piece(const struct datagram *d, size_t from, size_t to, bool more, uint8_t *out)
{
    size_t head_len = d->head_len;

    memcpy(out, d->l3.at, d->head_len);
    if (d->v6) {
        out[d->named_at] = 44;
        out[head_len] = d->protocol;
        out[head_len + 1] = 0;
        support_put16(out + head_len + 2, (uint16_t)(from | more));
        support_put32(out + head_len + 4, d->id);
        head_len += 8;
        support_put16(out + 4, (uint16_t)(head_len - 40 + to - from));
    } else {
        support_put16(out + 2, (uint16_t)(head_len + to - from));
        support_put16(out + 6, (uint16_t)(from / 8 | (more ? 0x2000u : 0)));
        support_put16(out + 10, 0);
        support_put16(out + 10, support_csum(0, bytes_of(out, head_len)));
    }
    memcpy(out + head_len, d->l3.at + d->head_len + from, to - from);
    return head_len + to - from;
}

/* Feeds one IP packet that must be a piece, from against a guard page. */
static bool feed(struct defrag *d, struct bytes l3, int64_t ns, struct frame *whole)
{
    struct bytes copy = guard_copy(l3);
    struct frame f = support_frame(copy, ns);
    struct packet piece;
    bool done;

    f.tag = 5;
    assert_int_equal(packet_decode(&f, &piece), PACKET_FRAGMENT);
    done = defrag_add(d, &f, &piece, whole);
    guard_free(copy); /* nothing of the piece is borrowed any more */
    if (!done)
        assert_null(whole->l3.at);
    return done;
}

static bool feed_piece(struct defrag *d, const struct datagram *g, size_t from, size_t to, bool more,
                       struct frame *whole)
{
    static uint8_t out[SUPPORT_PACKET_MAX + 100];

    return feed(d, bytes_of(out, cut_piece(g, from, to, more, out)), 1, whole);
}

/* What came out is the datagram that went in, and its checksums are right. */
static void assert_same(const struct datagram *g, const struct frame *whole)
{
    struct packet p;
    uint8_t want[SUPPORT_PACKET_MAX];

    assert_int_equal(packet_decode(whole, &p), PACKET_TCP);
    assert_true(p.csum_good);
    assert_int_equal(whole->csum, CSUM_VERIFY);
    assert_int_equal(whole->tag, 5);
    assert_false(whole->cut);
    memcpy(want, g->l3.at, g->l3.len);
    if (!g->v6) { /* support says "don't fragment" */
        support_put16(want + 6, 0);
        support_put16(want + 10, 0);
        support_put16(want + 10, support_csum(0, bytes_of(want, g->head_len)));
    }
    assert_true(bytes_equal(whole->l3, bytes_of(want, g->l3.len)));
}

static size_t data_len(const struct datagram *g)
{
    return g->l3.len - g->head_len;
}

static struct defrag *new_defrag(size_t datagrams)
{
    struct defrag *d = defrag_new(datagrams);

    assert_non_null(d);
    return d;
}

static void every_order_of_four_pieces(void **state)
{
    static const size_t at[] = {0, 16, 24, 80};
    size_t order[4];

    (void)state;
    for (size_t shape = 0; shape < COUNT(shapes); shape++) {
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
                size_t from = at[order[i]], to = order[i] < 3 ? at[order[i] + 1] : data_len(&g);
                assert_false(done);
                done = feed_piece(d, &g, from, to, order[i] < 3, &whole);
                if (i < 3) /* twice the same changes nothing */
                    assert_false(feed_piece(d, &g, from, to, order[i] < 3, &(struct frame){0}));
            }
            assert_true(done);
            assert_same(&g, &whole);
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
    for (size_t shape = 0; shape < COUNT(shapes); shape++) {
        for (size_t payload = 0; payload < 40; payload += 13) {
            struct datagram g = datagram_of(shape, payload, 3);
            struct defrag *d = new_defrag(1);

            for (size_t size = 8; size < data_len(&g); size += 8) {
                size_t pieces = (data_len(&g) + size - 1) / size;
                for (int order = 0; order < 3; order++) {
                    struct frame whole = {0};
                    for (size_t i = 0; i < pieces; i++) {
                        size_t evens = (pieces + 1) / 2;
                        size_t k = order == 0   ? i
                                   : order == 1 ? pieces - 1 - i
                                   : i < evens  ? i * 2
                                                : (i - evens) * 2 + 1;
                        size_t to = k + 1 < pieces ? (k + 1) * size : data_len(&g);
                        assert_int_equal(feed_piece(d, &g, k * size, to, k + 1 < pieces, &whole), i + 1 == pieces);
                    }
                    assert_same(&g, &whole);
                }
            }
            defrag_free(d);
        }
    }
}

static void the_longest_datagram(void **state)
{
    (void)state;
    for (size_t shape = 0; shape < COUNT(shapes); shape++) {
        size_t extra = shape == 0 ? 20 : shape == 1 ? 24 : shape == 2 ? 0 : 8;
        struct datagram g = datagram_of(shape, 64000, 9);
        struct defrag *d = new_defrag(1);
        struct defrag_counters c;
        struct frame whole;
        size_t len = 65535 - extra; /* of the fragmentable part */

        g.l3.len = g.head_len + len > sizeof original ? sizeof original : g.head_len + len;
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
        assert_false(feed(d, bytes_of(piece, past), 1, &whole));
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
    assert_false(feed(d, bytes_of(out, len), 1, &whole)); /* 20 + 65,515 fits exactly */
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
    for (size_t shape = 0; shape < COUNT(shapes); shape++) {
        struct defrag *d = new_defrag(1);
        uint8_t other[200];
        struct frame whole;
        struct datagram g = datagram_of(shape ^ 1, 60, 4); /* the same datagram with another head */
        size_t len = cut_piece(&g, 0, 16, true, other);

        g = datagram_of(shape, 60, 4);
        assert_false(feed_piece(d, &g, 0, 16, true, &whole));
        assert_false(feed(d, bytes_of(other, len), 1, &whole));
        assert_true(feed_piece(d, &g, 16, data_len(&g), false, &whole));
        assert_same(&g, &whole);
        defrag_free(d);
    }
}

static void overlaps(void **state)
{
    (void)state;
    for (size_t shape = 0; shape < COUNT(shapes); shape++) {
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
            assert_false(feed(d, bytes_of(out, len), 1, &whole));
            defrag_count(d, &c);
            if (differ < 8 || (differ >= 24 && differ < 40)) {
                assert_int_equal(c.conflicts, 1);
                assert_false(feed_piece(d, &g, 64, data_len(&g), false, &whole));
            } else {
                assert_int_equal(c.conflicts, 0);
                assert_true(feed_piece(d, &g, 64, data_len(&g), false, &whole));
                if (differ >= 40)
                    assert_same(&g, &whole);
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
    for (size_t shape = 0; shape < COUNT(shapes); shape++) {
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
    for (size_t shape = 0; shape < COUNT(shapes); shape++) {
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
        len = cut_piece(&g, 16, data_len(&g), false, out);
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
        assert_same(&g, &whole);

        /* IPv4: the part of a unit at the end of a piece that isn't the last is passed over. */
        assert_false(feed_piece(d, &g, 0, 29, true, &whole));
        assert_int_equal(feed_piece(d, &g, 24, data_len(&g), false, &whole), !g.v6);
        defrag_free(d);
    }
}

static void datagrams_are_told_apart(void **state)
{
    struct defrag *d = new_defrag(16);
    struct datagram g = datagram_of(0, 60, 4), other;
    struct frame whole;
    uint8_t out[200];
    size_t len = cut_piece(&g, 16, data_len(&g), false, out);

    (void)state;
    assert_false(feed_piece(d, &g, 0, 16, true, &whole));
    for (size_t byte = 4; byte < 20; byte++) { /* id, addresses: one byte of each changed */
        if (byte >= 6 && byte < 12)
            continue;
        out[byte] ^= 0x80;
        support_put16(out + 10, 0);
        support_put16(out + 10, support_csum(0, bytes_of(out, 20)));
        assert_false(feed(d, bytes_of(out, len), 1, &whole));
        out[byte] ^= 0x80;
    }
    assert_true(feed_piece(d, &g, 16, data_len(&g), false, &whole));
    assert_same(&g, &whole);

    /* IPv6: the first piece's next header is the datagram's, whatever the others say (RFC 8200 4.5). */
    other = datagram_of(3, 60, 4);
    other.protocol = 17;
    assert_false(feed_piece(d, &other, 16, 80, false, &whole));
    other.protocol = 6;
    assert_true(feed_piece(d, &other, 0, 16, true, &whole));
    assert_same(&other, &whole);
    defrag_free(d);
}

/* A chain that goes on in the fragmentable part. */
static void extension_headers_inside(void **state)
{
    struct support_segment s = shapes[2];
    struct datagram g = {.id = 1, .v6 = true, .protocol = 60, .head_len = 40, .named_at = 6};
    struct defrag *d = new_defrag(1);
    struct frame whole;

    (void)state;
    s.ip6_first = 60;
    s.ip6_ext = bytes_of(dest_options, 8);
    s.payload = bytes_of(text, 33);
    g.l3 = bytes_of(original, support_segment(&s, original, sizeof original));
    assert_false(feed_piece(d, &g, 8, data_len(&g), false, &whole));
    assert_true(feed_piece(d, &g, 0, 8, true, &whole));
    assert_same(&g, &whole);
    defrag_free(d);
}

static void too_long_a_head_is_refused(void **state)
{
    static uint8_t chain[2048 * 3];
    struct support_segment s = shapes[2];
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
        s.payload = bytes_of(text, 33);
        g.l3 = bytes_of(original, support_segment(&s, original, sizeof original));
        g.head_len = 40 + n * 2040;
        g.named_at = 40 + (n - 1) * 2040;
        assert_false(feed_piece(d, &g, 0, 8, true, &whole));
        assert_int_equal(feed_piece(d, &g, 8, data_len(&g), false, &whole), n < 3);
        if (n < 3)
            assert_same(&g, &whole);
    }
    defrag_count(d, &c);
    assert_int_equal(c.broken, 2);
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
        assert_true(feed_piece(d, &g, 16, data_len(&g), false, &whole));
        assert_same(&g, &whole);
    }
    struct datagram first = datagram_of(0, 60, 1);
    assert_false(feed_piece(d, &first, 16, data_len(&first), false, &whole));
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

        assert_false(feed(d, bytes_of(out, cut_piece(&g, 0, 16, true, out)), cases[i].first, &whole));
        assert_int_equal(feed(d, bytes_of(out, cut_piece(&g, 16, data_len(&g), false, out)), cases[i].second, &whole),
                         cases[i].whole);
        defrag_count(d, &c);
        assert_int_equal(c.given_up, !cases[i].whole);
        defrag_free(d);
    }
}

/* Against a plain array: random pieces, some repeated, some that differ. */
static void model(void **state)
{
    uint32_t lcg = 4711;
    struct defrag *d = new_defrag(4);
    size_t finished = 0, ended = 0;

    (void)state;
    for (size_t round = 0; round < 3000; round++) {
        struct datagram g = datagram_of(round % COUNT(shapes), 200, 7);
        size_t total = data_len(&g), have = 0;
        bool there[256] = {false}, over = false;
        uint8_t out[400];

        g.id = (uint32_t)round + 1;
        if (!g.v6)
            support_put16(original + 4, (uint16_t)g.id);
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
            done = feed(d, bytes_of(out, len), 1, &whole);
            if (conflict) { /* the datagram ends */
                assert_false(done);
                ended++;
                over = true;
            } else {
                assert_int_equal(done, have == total);
                over = done || bad;
                finished += done;
                if (done && !bad)
                    assert_same(&g, &whole);
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
        cmocka_unit_test(overlaps),
        cmocka_unit_test(lengths_that_contradict),
        cmocka_unit_test(pieces_that_nobody_takes),
        cmocka_unit_test(datagrams_are_told_apart),
        cmocka_unit_test(extension_headers_inside),
        cmocka_unit_test(too_long_a_head_is_refused),
        cmocka_unit_test(s3_oldest_is_given_up),
        cmocka_unit_test(old_pieces_do_not_mix_in),
        cmocka_unit_test(model),
    };
    return cmocka_run_group_tests_name("defrag", tests, make_shapes, NULL);
}
