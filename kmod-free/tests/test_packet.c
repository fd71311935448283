// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "kmod-free/tests/packet_shapes.h"

static void fix_ip4(uint8_t *at)
{
    support_put16(at + 10, 0);
    support_put16(at + 10, support_csum(0, bytes_of(at, (size_t)(at[0] & 15) * 4)));
}

static void every_shape_decodes(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(shapes); i++) {
        const struct shape *s = &shapes[i];
        struct support_segment segment = segment_of(s);
        struct bytes copy = guard_copy(bytes_of(packet, build(s)));
        struct frame f = support_frame(copy, 1);
        struct packet p;

        assert_int_equal(packet_decode(&f, &p), PACKET_TCP);
        assert_true(endpoint_equal(&p.src, &segment.src));
        assert_true(endpoint_equal(&p.dst, &segment.dst));
        assert_int_equal(p.src.addr.family, s->v6 ? 6 : 4);
        assert_int_equal(p.seq.v, 0xfffffff0);
        assert_int_equal(p.ack.v, 0x01020304);
        assert_int_equal(p.flags, TCP_ACK | TCP_PSH);
        assert_int_equal(p.ttl, 61);
        assert_int_equal(p.window, 0x1234);
        assert_int_equal(p.urgent, 0x4321);
        assert_int_equal(p.l4_at, s->l4_at);
        assert_int_equal(p.payload_at, s->l4_at + 20 + s->options.len);
        assert_true(bytes_equal(p.payload, bytes_of(text, s->payload)));
        assert_int_equal(p.wire_len, s->payload);
        assert_true(p.csum_good);
        assert_false(packet_options(&p).broken);
        assert_int_equal(packet_options(&p).mss, s->options.len ? 1460 : 0);
        guard_free(copy);
    }
}

static void padding_is_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(shapes); i++) {
        size_t len = build(&shapes[i]);
        for (size_t pad = 1; pad <= 40; pad++) {
            struct packet p;
            packet[len + pad - 1] = 0xee;
            assert_int_equal(decode(bytes_of(packet, len + pad), CSUM_VERIFY, false, &p), PACKET_TCP);
            assert_int_equal(p.payload.len, shapes[i].payload);
            assert_int_equal(p.wire_len, shapes[i].payload);
            assert_int_equal(decode(bytes_of(packet, len + pad), CSUM_VERIFY, true, &p), PACKET_TCP);
            assert_int_equal(p.payload.len, shapes[i].payload);
        }
    }
}

static void every_truncation(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(shapes); i++) {
        const struct shape *s = &shapes[i];
        size_t len = build(s);
        size_t payload_at = s->l4_at + 20 + s->options.len;

        for (size_t kept = 0; kept < len; kept++) {
            struct bytes l3 = bytes_of(packet, kept);
            struct packet p;

            /* A whole frame that is shorter than its header says. */
            assert_int_equal(decode(l3, CSUM_VERIFY, false, &p), PACKET_BROKEN);
            assert_int_equal(decode(l3, CSUM_TRUSTED, false, &p), PACKET_BROKEN);
            assert_int_equal(decode(l3, CSUM_CAPTURE, false, &p), PACKET_BROKEN);
            /* The same from a capture that was cut. */
            if (kept < s->l4_at + 20u) {
                assert_int_equal(decode(l3, CSUM_CAPTURE, true, &p), PACKET_BROKEN);
                continue;
            }
            assert_int_equal(decode(l3, CSUM_VERIFY, true, &p), PACKET_BAD_CSUM); /* S5: can't be verified */
            assert_int_equal(decode(l3, CSUM_CAPTURE, true, &p), PACKET_TCP);
            assert_false(p.csum_good);
            assert_int_equal(p.wire_len, s->payload);
            assert_int_equal(p.payload_at, payload_at);
            assert_int_equal(p.payload.len, kept < payload_at ? 0 : kept - payload_at);
            assert_int_equal(options_seen.broken, kept < payload_at);
        }
    }
}

static void every_flipped_bit_is_seen(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(shapes); i++) {
        const struct shape *s = &shapes[i];
        size_t len = build(s);

        for (size_t bit = 0; bit < len * 8; bit++) {
            size_t at = bit / 8;
            struct packet p;
            enum packet_result result;

            /* Nothing protects these in IPv6: class, label, hop limit, extension headers and their types. */
            if (s->v6 && (at < 4 || at == 7 || (at == 6 && s->l4_at > 40) || (at >= 40 && at < s->l4_at)))
                continue;
            packet[at] ^= (uint8_t)(1u << bit % 8);
            result = decode(bytes_of(packet, len), CSUM_VERIFY, false, &p);
            assert_int_not_equal(result, PACKET_TCP);
            if (at >= s->l4_at && at != s->l4_at + 12u) /* but for the data offset, the form is still right */
                assert_int_equal(result, PACKET_BAD_CSUM);
            if (!s->v6 && at < s->l4_at)
                assert_int_equal(result, PACKET_BROKEN);
            packet[at] ^= (uint8_t)(1u << bit % 8);
        }
    }
}

static void s5_checksum_states(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(shapes); i++) {
        const struct shape *s = &shapes[i];
        size_t len = build(s);
        struct bytes l3 = bytes_of(packet, len);
        uint8_t *csum = packet + s->l4_at + 16;
        uint16_t right = (uint16_t)(csum[0] << 8 | csum[1]);
        struct packet p;

        assert_int_equal(decode(l3, CSUM_UNSET, false, &p), PACKET_UNSET);
        assert_int_equal(decode(l3, CSUM_TRUSTED, false, &p), PACKET_TCP);
        assert_false(p.csum_good); /* not looked at */
        assert_int_equal(decode(l3, CSUM_CAPTURE, false, &p), PACKET_TCP);
        assert_false(p.csum_good);
        assert_int_equal(decode(l3, CSUM_VERIFY, false, &p), PACKET_TCP);
        assert_true(p.csum_good);

        support_put16(csum, (uint16_t)(right + 1));
        assert_int_equal(decode(l3, CSUM_UNSET, false, &p), PACKET_UNSET);
        assert_int_equal(decode(l3, CSUM_VERIFY, false, &p), PACKET_BAD_CSUM);
        assert_int_equal(p.payload.len, s->payload); /* complete all the same */
        assert_int_equal(p.seq.v, 0xfffffff0);
        assert_int_equal(decode(l3, CSUM_TRUSTED, false, &p), PACKET_TCP);
        assert_int_equal(decode(l3, CSUM_CAPTURE, false, &p), PACKET_TCP);
        assert_false(p.csum_good);

        /* What the sender's own capture shows with checksum offload: the pseudo header's sum alone. */
        assert_int_equal(decode(l3, CSUM_CAPTURE, false, &p), PACKET_TCP);
        support_put16(csum, csum_fold(csum_pseudo(&p.src.addr, &p.dst.addr, (uint32_t)(len - s->l4_at))));
        assert_int_equal(decode(l3, CSUM_CAPTURE, false, &p), PACKET_TCP);
        assert_false(p.csum_good);
        assert_int_equal(decode(l3, CSUM_VERIFY, false, &p), PACKET_BAD_CSUM);
    }
    struct packet p;
    assert_int_equal(decode((struct bytes){0}, CSUM_UNSET, false, &p), PACKET_UNSET);
}

/* A checksum that is right for what the capture kept says nothing about the rest. */
static void s5_cut_is_never_good(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(shapes); i++) {
        const struct shape *s = &shapes[i];
        size_t len = build(s), kept = s->l4_at + 20;
        uint8_t *csum = packet + s->l4_at + 16;
        struct packet p;

        if (kept == len)
            continue;
        assert_int_equal(decode(bytes_of(packet, len), CSUM_CAPTURE, false, &p), PACKET_TCP);
        support_put16(csum, 0);
        support_put16(csum, support_csum(csum_pseudo(&p.src.addr, &p.dst.addr, (uint32_t)(len - s->l4_at)),
                                         bytes_of(packet + s->l4_at, 20)));
        assert_int_equal(decode(bytes_of(packet, kept), CSUM_CAPTURE, true, &p), PACKET_TCP);
        assert_false(p.csum_good);
        assert_int_equal(decode(bytes_of(packet, kept), CSUM_VERIFY, true, &p), PACKET_BAD_CSUM);
    }
}

/* The IPv4 header's own checksum counts only where it was on the wire. */
static void ipv4_header_checksum(void **state)
{
    struct packet p;
    size_t len = build(&shapes[0]);
    struct bytes l3 = bytes_of(packet, len);

    (void)state;
    support_put16(packet + 10, 0);
    assert_int_equal(decode(l3, CSUM_VERIFY, false, &p), PACKET_BROKEN);
    assert_int_equal(decode(l3, CSUM_CAPTURE, false, &p), PACKET_TCP);
    assert_int_equal(decode(l3, CSUM_TRUSTED, false, &p), PACKET_TCP);
}

static void unknown_versions(void **state)
{
    (void)state;
    for (size_t shape = 0; shape <= 5; shape += 5) {
        size_t len = build(&shapes[shape]);
        for (unsigned version = 0; version < 16; version++) {
            struct packet p;
            packet[0] = (uint8_t)(version << 4 | 5);
            enum packet_result result = decode(bytes_of(packet, len), CSUM_CAPTURE, false, &p);
            if (version == (shape ? 6 : 4))
                assert_int_equal(result, PACKET_TCP);
            else if (version == 4 || version == 6)
                assert_int_not_equal(result, PACKET_TCP);
            else
                assert_int_equal(result, PACKET_BROKEN);
        }
    }
}

static void ipv4_lengths_that_lie(void **state)
{
    static const struct {
        uint16_t told; /* 0xffff: leave */
        uint8_t first;
        bool cut;
        enum packet_result want;
    } cases[] = {
        {0xffff, 0x45, false, PACKET_TCP},    {0xffff, 0x44, false, PACKET_BROKEN},
        {0xffff, 0x40, false, PACKET_BROKEN}, {0xffff, 0x4f, false, PACKET_BROKEN}, /* longer than the packet */
        {0xffff, 0x55, false, PACKET_BROKEN}, {0xffff, 0x05, false, PACKET_BROKEN},
        {0xffff, 0xf5, false, PACKET_BROKEN}, {1, 0x45, false, PACKET_BROKEN},
        {19, 0x45, false, PACKET_BROKEN},     {20, 0x45, false, PACKET_BROKEN},
        {39, 0x45, false, PACKET_BROKEN},     {19, 0x45, true, PACKET_BROKEN},
        {39, 0x45, true, PACKET_BROKEN},      {40, 0x45, false, PACKET_TCP},
        {59, 0x45, false, PACKET_TCP},        {61, 0x45, true, PACKET_TCP},
        {62, 0x45, false, PACKET_BROKEN},     {62, 0x45, true, PACKET_TCP},
        {0, 0x45, true, PACKET_BROKEN},       {0, 0x45, false, PACKET_TCP}, /* captured before segmentation */
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        size_t len = build(&shapes[0]);
        struct packet p;

        assert_int_equal(len, 61);
        packet[0] = cases[i].first;
        if (cases[i].told != 0xffff)
            support_put16(packet + 2, cases[i].told);
        assert_int_equal(decode(bytes_of(packet, len), CSUM_CAPTURE, cases[i].cut, &p), cases[i].want);
        if (cases[i].want == PACKET_TCP && cases[i].told != 0xffff)
            assert_int_equal(p.wire_len, cases[i].told ? cases[i].told - 40u : 21);
    }
    /* Off the wire, 0 is 0. */
    size_t len = build(&shapes[0]);
    struct packet p;
    support_put16(packet + 2, 0);
    fix_ip4(packet);
    assert_int_equal(decode(bytes_of(packet, len), CSUM_VERIFY, false, &p), PACKET_BROKEN);
    assert_int_equal(decode(bytes_of(packet, len), CSUM_TRUSTED, false, &p), PACKET_BROKEN);
}

static void tcp_data_offset(void **state)
{
    (void)state;
    for (unsigned words = 0; words < 16; words++) {
        size_t len = build(&shapes[0]); /* 41 bytes of TCP */
        struct packet p;
        enum packet_result want = words < 5 || words > 10 ? PACKET_BROKEN : PACKET_TCP;

        packet[20 + 12] = (uint8_t)(words << 4 | 0x0f);
        assert_int_equal(decode(bytes_of(packet, len), CSUM_CAPTURE, false, &p), want);
        if (want == PACKET_TCP) {
            assert_int_equal(p.payload_at, 20 + words * 4);
            assert_int_equal(p.wire_len, 41 - words * 4);
        }
    }
}

static void tcp_options(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
        struct tcp_options want;
    } cases[] = {
        {"", 0, {0}},
        {"\x02\x04\x05\xb4", 4, {.mss = 1460}},
        {"\x01\x01\x02\x04\x05\xb4\x01\x01", 8, {.mss = 1460}},
        {"\x00\x01\x02\x04\x05\xb4\x01\x01", 8, {0}}, /* behind the end */
        {"\x03\x03\x07\x00", 4, {.window_shift = 7, .has_window_shift = true}},
        {"\x03\x03\x00\x00", 4, {.window_shift = 0, .has_window_shift = true}},
        {"\x03\x03\x0f\x00", 4, {.window_shift = 14, .has_window_shift = true}}, /* RFC 7323: 14 at most */
        {"\x03\x03\xff\x00", 4, {.window_shift = 14, .has_window_shift = true}},
        {"\x01\x01\x08\x0a\x00\x00\x00\x07\xff\x00\x00\x09",
         12,
         {.has_timestamp = true, .ts_val = 7, .ts_ecr = 0xff000009}},
        {"\x02\x04\x05\xb4\x02\x04\x02\x00", 8, {.mss = 512}}, /* the last counts */
        {"\x02\x06\x05\xb4\x01\x01\x02\x03\x05\x03\x03\x07", 12, {.window_shift = 7, .has_window_shift = true}},
        {"\x1e\x04\x01\x01", 4, {.multipath = true}},
        {"\x08\x0c\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01", 12, {0}},
        {"\x02\x03\x05\x01\x03\x04\x07\x01", 8, {0}}, /* known kinds, wrong lengths */
        {"\x05\x0a\x01\x02\x03\x04\x05\x06\x07\x08\x03\x03\x02\x00",
         14,
         {.window_shift = 2, .has_window_shift = true}}, /* unknown ones are stepped over */
        {"\x02\x04\x05\xb4\xfe\x00\x00\x00", 8, {.mss = 1460, .broken = true}},
        {"\x02\x04\x05\xb4\xfe\x01\x00\x00", 8, {.mss = 1460, .broken = true}},
        {"\x02\x04\x05\xb4\xfe\x05\x00\x00", 8, {.mss = 1460, .broken = true}},
        {"\x01\x01\x01\xfe", 4, {.broken = true}},
        {"\x08\x0a\x00\x00", 4, {.broken = true}},
        {"\x01\x01\x01\x02", 4, {.broken = true}},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct shape s = {.options = bytes_of(cases[i].bytes, cases[i].len)};
        struct packet p;

        assert_int_equal(decode(bytes_of(packet, build(&s)), CSUM_VERIFY, false, &p), PACKET_TCP);
        assert_int_equal(options_seen.mss, cases[i].want.mss);
        assert_int_equal(options_seen.has_window_shift, cases[i].want.has_window_shift);
        assert_int_equal(options_seen.multipath, cases[i].want.multipath);
        assert_int_equal(options_seen.window_shift, cases[i].want.window_shift);
        assert_int_equal(options_seen.has_timestamp, cases[i].want.has_timestamp);
        assert_int_equal(options_seen.ts_val, cases[i].want.ts_val);
        assert_int_equal(options_seen.ts_ecr, cases[i].want.ts_ecr);
        assert_int_equal(options_seen.broken, cases[i].want.broken);
    }
}

static void other_protocols(void **state)
{
    static const uint8_t others[] = {1, 4, 17, 41, 47, 50, 58, 59, 132, 135, 255};
    struct packet p;

    (void)state;
    for (size_t i = 0; i < COUNT(others); i++) {
        size_t len = build(&shapes[0]);
        packet[9] = others[i];
        fix_ip4(packet);
        assert_int_equal(decode(bytes_of(packet, len), CSUM_VERIFY, false, &p), PACKET_OTHER);
        packet[6] = 0x20; /* a piece of something else: not worth a place among the fragments */
        fix_ip4(packet);
        assert_int_equal(decode(bytes_of(packet, len), CSUM_VERIFY, false, &p), PACKET_OTHER);

        len = build(&shapes[5]);
        packet[6] = others[i];
        assert_int_equal(decode(bytes_of(packet, len), CSUM_VERIFY, false, &p), PACKET_OTHER);
        len = build(&shapes[10]); /* behind an extension header */
        packet[40] = others[i];
        assert_int_equal(decode(bytes_of(packet, len), CSUM_VERIFY, false, &p), PACKET_OTHER);
    }
}

/* A router has written into them, and not summed up yet. */
static void options_of_routers(void **state)
{
    static const struct {
        uint8_t options[12];
        enum packet_result result;
    } cases[] = {
        {{7, 11, 8}, PACKET_TCP},          {{68, 8, 9}, PACKET_TCP},      {{1, 1, 7, 7, 8}, PACKET_TCP},
        {{130, 4, 0, 0, 68, 8, 9}, PACKET_TCP}, {{1, 1, 1, 1}, PACKET_BROKEN}, {{0, 7, 7, 8}, PACKET_BROKEN},
        {{130, 11, 7, 7, 4}, PACKET_BROKEN}, {{130, 1, 7, 7}, PACKET_BROKEN}, {{130, 40, 7, 7}, PACKET_BROKEN},
        {{131, 11, 4, 7}, PACKET_BROKEN},
    };
    struct packet p;

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct shape s = {.ip_options = bytes_of(cases[i].options, 12), .payload = 30};
        size_t len = build(&s);
        assert_int_equal(decode(bytes_of(packet, len), CSUM_VERIFY, false, &p), PACKET_TCP);
        packet[10] ^= 4; /* the sum that it had before */
        assert_int_equal(decode(bytes_of(packet, len), CSUM_VERIFY, false, &p), cases[i].result);
        if (cases[i].result == PACKET_TCP)
            assert_true(p.csum_good && p.wire_len == 30);
    }
}

static void fragments_v4(void **state)
{
    static const struct {
        uint16_t place;
        uint32_t offset;
        bool more, piece;
    } cases[] = {
        {0x4000, 0, false, false}, {0x8000, 0, false, false}, {0x2000, 0, true, true},
        {0x2001, 8, true, true},   {0x0001, 8, false, true},  {0x1fff, 65528, false, true},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        size_t len = build(&shapes[2]); /* has IP options */
        struct support_segment segment = segment_of(&shapes[2]);
        struct packet p;

        support_put16(packet + 6, cases[i].place);
        fix_ip4(packet);
        assert_int_equal(decode(bytes_of(packet, len), CSUM_VERIFY, false, &p),
                         cases[i].piece ? PACKET_FRAGMENT : PACKET_TCP);
        if (!cases[i].piece)
            continue;
        assert_true(ip_addr_equal(&p.src.addr, &segment.src.addr));
        assert_true(ip_addr_equal(&p.dst.addr, &segment.dst.addr));
        assert_int_equal(p.src.port, 0);
        assert_int_equal(p.fragment.id, 0xbeef);
        assert_int_equal(p.fragment.protocol, 6);
        assert_int_equal(p.fragment.offset, cases[i].offset);
        assert_int_equal(p.fragment.more, cases[i].more);
        assert_int_equal(p.fragment.head_len, 28);
        assert_int_equal(p.fragment.named_at, 9);
        assert_int_equal(p.fragment.data.len, 24);
        assert_int_equal(p.wire_len, 24);
        assert_int_equal(p.l4_at, 0);
        assert_int_equal(decode(bytes_of(packet, len - 9), CSUM_CAPTURE, true, &p), PACKET_FRAGMENT);
        assert_int_equal(p.fragment.data.len, 15);
        assert_int_equal(p.wire_len, 24);
    }
}

static void sequence_space(void **state)
{
    (void)state;
    assert_int_equal(packet_seq_len(&(struct packet){.wire_len = 7, .flags = TCP_ACK | TCP_PSH | TCP_RST}), 7);
    assert_int_equal(packet_seq_len(&(struct packet){.wire_len = 7, .flags = TCP_SYN}), 8);
    assert_int_equal(packet_seq_len(&(struct packet){.wire_len = 7, .flags = TCP_FIN}), 8);
    assert_int_equal(packet_seq_len(&(struct packet){.wire_len = 0, .flags = TCP_SYN | TCP_FIN}), 2);
    /* What a cut capture has lost still takes its place. */
    assert_int_equal(packet_seq_len(&(struct packet){.payload = {text, 3}, .wire_len = 1460}), 1460);
}

static void addresses_compare(void **state)
{
    struct endpoint a = support_endpoint("192.0.2.1", 25), b = support_endpoint("192.0.2.2", 25);
    struct endpoint c = support_endpoint("192.0.2.1", 26), mapped = support_endpoint("c000:201::", 25);
    struct endpoint v6 = support_endpoint("2001:db8::1", 25), other = support_endpoint("2001:db8::2", 25);

    (void)state;
    assert_true(endpoint_equal(&a, &a) && ip_addr_equal(&a.addr, &c.addr) && !endpoint_equal(&a, &c));
    assert_false(ip_addr_equal(&a.addr, &b.addr) || endpoint_equal(&a, &b));
    assert_false(ip_addr_equal(&a.addr, &mapped.addr)); /* the same bytes, another family */
    assert_true(ip_addr_equal(&v6.addr, &v6.addr));
    assert_false(ip_addr_equal(&v6.addr, &other.addr)); /* differ in the last byte */
}

static void checksum_arithmetic(void **state)
{
    static const uint8_t rfc1071[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7}; /* its section 3 */
    /* The carries of the 32-bit sums make a carry of their own. */
    static const uint8_t carries[24] = {255, 255, 255, 255, 255, 255, 255, 255, 0, 0, 0, 0,
                                        255, 255, 255, 255, 0,   0,   0,   0,   1, 0, 0, 0};
    uint8_t *big = malloc(1 << 20);
    uint32_t lcg = 1;

    (void)state;
    assert_non_null(big);
    assert_int_equal(csum_fold(csum_add(0, bytes_of(rfc1071, 8))), 0xddf2);
    assert_int_equal((uint16_t)~csum_fold(csum_add(0, bytes_of(carries, 24))), support_csum(0, bytes_of(carries, 24)));
    assert_int_equal(csum_fold(csum_add(0, (struct bytes){0})), 0);
    assert_int_equal(csum_fold(csum_add(0xffffffff, (struct bytes){0})), 0xffff);
    assert_int_equal(csum_fold(0x1ffff), 1);
    memset(big, 0xff, 1 << 20);
    assert_int_equal(csum_fold(csum_add(0xffffffff, bytes_of(big, 1 << 20))), 0xffff);
    for (size_t i = 0; i < 1 << 20; i++)
        big[i] = (uint8_t)((lcg = lcg * 1664525 + 1013904223) >> 24);
    assert_int_equal((uint16_t)~csum_fold(csum_add(7, bytes_of(big, 1 << 20))),
                     support_csum(7, bytes_of(big, 1 << 20)));
    for (size_t len = 0; len < 80; len++) {
        for (size_t at = 0; at < 9; at++) { /* aligned or not, even runs added up in two goes */
            struct bytes run = guard_copy(bytes_of(big + len * 90 + at, len));
            size_t cut = len / 4 * 2;
            uint32_t sum = csum_add(csum_add(lcg, bytes_first(run, cut)), bytes_from(run, cut));

            assert_int_equal((uint16_t)~csum_fold(csum_add(lcg, run)), support_csum(lcg, run));
            assert_int_equal(csum_fold(sum), csum_fold(csum_add(lcg, run)));
            assert_int_equal((uint16_t)~csum_fold(csum_add(0, bytes_of(big + at, len))),
                             support_csum(0, bytes_of(big + at, len)));
            guard_free(run);
        }
    }
    free(big);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_shape_decodes),   cmocka_unit_test(padding_is_cut),
        cmocka_unit_test(every_truncation),      cmocka_unit_test(every_flipped_bit_is_seen),
        cmocka_unit_test(s5_checksum_states),    cmocka_unit_test(s5_cut_is_never_good),
        cmocka_unit_test(unknown_versions),      cmocka_unit_test(ipv4_header_checksum),
        cmocka_unit_test(ipv4_lengths_that_lie), cmocka_unit_test(tcp_data_offset),
        cmocka_unit_test(tcp_options),           cmocka_unit_test(other_protocols),
        cmocka_unit_test(options_of_routers),
        cmocka_unit_test(fragments_v4),          cmocka_unit_test(sequence_space),
        cmocka_unit_test(addresses_compare),     cmocka_unit_test(checksum_arithmetic),
    };
    return cmocka_run_group_tests_name("packet", tests, NULL, NULL);
}
