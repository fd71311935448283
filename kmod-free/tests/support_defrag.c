/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kmod-free/tests/support_defrag.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const uint8_t hop_by_hop[] = {6, 0, 1, 4, 0, 0, 0, 0};
static const uint8_t ip_options[] = {0x94, 4, 0, 0};

struct support_segment datagram_shapes[DATAGRAM_SHAPES];
uint8_t datagram_bytes[SUPPORT_PACKET_MAX], datagram_text[65000];

int datagram_setup(void **state)
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
    for (size_t i = 0; i < DATAGRAM_SHAPES; i++)
        datagram_shapes[i] = i < 2 ? v4 : v6;
    datagram_shapes[1].ip_options = bytes_of(ip_options, 4);
    datagram_shapes[3].ip6_ext = bytes_of(hop_by_hop, 8);
    for (size_t i = 0; i < sizeof datagram_text; i++)
        datagram_text[i] = (uint8_t)(i * 7 + i / 251);
    return 0;
}

struct datagram datagram_of(size_t shape, size_t payload, uint32_t id)
{
    struct support_segment s = datagram_shapes[shape];
    struct datagram d = {.id = id, .v6 = s.src.addr.family == 6, .protocol = 6};

    s.payload = bytes_of(datagram_text, payload);
    s.ip_id = (uint16_t)id;
    d.l3 = bytes_of(datagram_bytes, support_segment(&s, datagram_bytes, sizeof datagram_bytes));
    d.head_len = d.v6 ? 40 + s.ip6_ext.len : 20 + s.ip_options.len;
    d.named_at = !d.v6 ? 9 : s.ip6_ext.len > 0 ? 40 : 6;
    return d;
}

size_t cut_piece(const struct datagram *d, size_t from, size_t to, bool more, uint8_t *out)
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

bool feed_fragment(struct defrag *d, struct bytes l3, int64_t ns, struct frame *whole)
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

bool feed_piece(struct defrag *d, const struct datagram *g, size_t from, size_t to, bool more, struct frame *whole)
{
    static uint8_t out[SUPPORT_PACKET_MAX + 100];

    return feed_fragment(d, bytes_of(out, cut_piece(g, from, to, more, out)), 1, whole);
}

void assert_datagram(const struct datagram *g, const struct frame *whole)
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

size_t datagram_data_len(const struct datagram *g)
{
    return g->l3.len - g->head_len;
}

struct defrag *new_defrag(size_t datagrams)
{
    struct defrag *d = defrag_new(datagrams);

    assert_non_null(d);
    return d;
}
