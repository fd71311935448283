// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "kmod-free/tests/packet_shapes.h"

static void ipv6_chain_is_bounded(void **state)
{
    uint8_t chain[17 * 8];
    struct packet p;

    (void)state;
    for (size_t n = 1; n <= 17; n++) {
        struct shape s = {.v6 = true, .ip6_first = 60, .ip6_ext = {chain, n * 8}, .payload = 3};
        memset(chain, 0, sizeof chain);
        for (size_t i = 0; i < n; i++)
            chain[i * 8] = i + 1 < n ? 60 : 6;
        assert_int_equal(decode(bytes_of(packet, build(&s)), CSUM_VERIFY, false, &p),
                         n <= 16 ? PACKET_TCP : PACKET_BROKEN);
    }
}

static void ipv6_extension_headers_that_lie(void **state)
{
    static const uint8_t second_hbh[] = {0, 0, 1, 4, 0, 0, 0, 0, 6, 0, 1, 4, 0, 0, 0, 0};
    static const uint8_t long_dest[] = {6, 255, 1, 4, 0, 0, 0, 0};
    static const uint8_t long_ah[] = {6, 255, 1, 4, 0, 0, 0, 0, 0, 0, 0, 0};
    static const uint8_t short_ah[] = {6, 0, 0, 0, 0, 0, 0, 0};
    static const struct shape cases[] = {
        {EXT(60, second_hbh), .payload = 30}, /* hop-by-hop behind destination options */
        {EXT(0, second_hbh), .payload = 30},  {EXT(60, long_dest), .payload = 30},
        {EXT(51, long_ah), .payload = 30},    {EXT(51, short_ah), .payload = 30}, /* shorter than its own fixed part */
    };
    struct packet p;

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(decode(bytes_of(packet, build(&cases[i])), CSUM_CAPTURE, false, &p), PACKET_BROKEN);
}

static void fragments_v6(void **state)
{
    static const struct {
        uint16_t place;
        uint32_t offset;
        bool more, piece;
    } cases[] = {
        {0x0000, 0, false, false}, {0x0006, 0, false, false}, /* reserved bits are no offset */
        {0x0001, 0, true, true},   {0x0008, 8, false, true},  {0x0009, 8, true, true}, {0xfff8, 65528, false, true},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        size_t len = build(&shapes[13]); /* all extension headers: fragment at 64, data from 72 on */
        struct packet p;

        support_put16(packet + 66, cases[i].place);
        support_put32(packet + 68, 0xcafebabe);
        assert_int_equal(decode(bytes_of(packet, len), CSUM_VERIFY, false, &p),
                         cases[i].piece ? PACKET_FRAGMENT : PACKET_TCP);
        if (!cases[i].piece)
            continue;
        assert_int_equal(p.fragment.id, 0xcafebabe);
        assert_int_equal(p.fragment.protocol, 51);
        assert_int_equal(p.fragment.offset, cases[i].offset);
        assert_int_equal(p.fragment.more, cases[i].more);
        assert_int_equal(p.fragment.head_len, 64);
        assert_int_equal(p.fragment.named_at, 56); /* Next Header of the destination options */
        assert_int_equal(p.fragment.data.len, len - 72);
        assert_int_equal(p.wire_len, len - 72);
        for (size_t kept = 0; kept < len; kept++)
            assert_int_equal(decode(bytes_of(packet, kept), CSUM_CAPTURE, true, &p),
                             kept < 72 ? PACKET_BROKEN : PACKET_FRAGMENT);
    }
}

/* A superpacket of 70,000 bytes of payload, with and without the option that RFC 2675 wants. */
static size_t build_jumbo(uint8_t *out, bool option, uint32_t payload)
{
    static const uint8_t jumbo[] = {6, 0, 0xc2, 4, 0, 0, 0, 0};
    struct shape s = {.v6 = true, .ip6_first = 0, .ip6_ext = {jumbo, option ? 8 : 0}};
    size_t head = build(&s), ext = s.ip6_ext.len;
    struct support_segment segment = segment_of(&s);
    uint8_t pseudo[40] = {0};

    memcpy(out, packet, head);
    memset(out + head, 'j', payload);
    support_put16(out + 4, 0);
    if (option)
        support_put32(out + 44, (uint32_t)(8 + 20 + payload));
    support_put16(out + 40 + ext + 16, 0);
    memcpy(pseudo, segment.src.addr.at, 16);
    memcpy(pseudo + 16, segment.dst.addr.at, 16);
    support_put32(pseudo + 32, 20 + payload);
    pseudo[39] = 6;
    support_put16(out + 40 + ext + 16, support_csum((uint16_t)~support_csum(0, bytes_of(pseudo, 40)),
                                                    bytes_of(out + 40 + ext, 20 + payload)));
    return head + payload;
}

static void ipv6_jumbograms(void **state)
{
    uint8_t *out = malloc(200000);
    struct packet p;
    size_t len;

    (void)state;
    assert_non_null(out);
    len = build_jumbo(out, true, 70000);
    assert_int_equal(decode(bytes_of(out, len), CSUM_VERIFY, false, &p), PACKET_TCP);
    assert_int_equal(p.wire_len, 70000);
    assert_int_equal(decode(bytes_of(out, len + 3), CSUM_VERIFY, false, &p), PACKET_TCP); /* padding */
    assert_int_equal(p.wire_len, 70000);
    assert_int_equal(decode(bytes_of(out, len - 1), CSUM_VERIFY, false, &p), PACKET_BROKEN);
    assert_int_equal(decode(bytes_of(out, 200), CSUM_CAPTURE, true, &p), PACKET_TCP);
    assert_int_equal(p.wire_len, 70000);
    assert_int_equal(p.payload.len, 200 - 68);
    for (size_t kept = 0; kept < 68; kept++)
        assert_int_equal(decode(bytes_of(out, kept), CSUM_CAPTURE, true, &p), PACKET_BROKEN);
    support_put32(out + 44, 65535); /* would have fitted */
    assert_int_equal(decode(bytes_of(out, len), CSUM_CAPTURE, false, &p), PACKET_BROKEN);
    out[43] = 5; /* runs out of the header */
    assert_int_equal(decode(bytes_of(out, len), CSUM_CAPTURE, false, &p), PACKET_BROKEN);
    out[41] = 1; /* longer header, option of the wrong length */
    out[43] = 6;
    support_put32(out + 44, (uint32_t)(8 + 20 + 70000));
    assert_int_equal(decode(bytes_of(out, len), CSUM_CAPTURE, false, &p), PACKET_BROKEN);
    out[41] = 0;
    out[43] = 4;
    support_put32(out + 44, 0xffffffff); /* nobody's superpacket, and more than sequence numbers bear */
    assert_int_equal(decode(bytes_of(out, len), CSUM_CAPTURE, true, &p), PACKET_BROKEN);
    support_put32(out + 44, (1u << 20) + 1);
    assert_int_equal(decode(bytes_of(out, len), CSUM_CAPTURE, true, &p), PACKET_BROKEN);
    support_put32(out + 44, (1u << 20) - 40);
    assert_int_equal(decode(bytes_of(out, len), CSUM_CAPTURE, true, &p), PACKET_TCP);

    len = build_jumbo(out, false, 70000);
    assert_int_equal(decode(bytes_of(out, len), CSUM_CAPTURE, false, &p), PACKET_TCP);
    assert_int_equal(p.wire_len, 70000);
    assert_int_equal(decode(bytes_of(out, len), CSUM_CAPTURE, true, &p), PACKET_BROKEN);
    assert_int_equal(decode(bytes_of(out, len), CSUM_VERIFY, false, &p), PACKET_BROKEN);
    assert_int_equal(decode(bytes_of(out, len), CSUM_TRUSTED, false, &p), PACKET_BROKEN);
    out[6] = 59; /* no next header and no payload: nothing wrong with it */
    assert_int_equal(decode(bytes_of(out, 40), CSUM_VERIFY, false, &p), PACKET_OTHER);
    free(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ipv6_chain_is_bounded),
        cmocka_unit_test(ipv6_extension_headers_that_lie),
        cmocka_unit_test(fragments_v6),
        cmocka_unit_test(ipv6_jumbograms),
    };
    return cmocka_run_group_tests_name("packet, IPv6", tests, NULL, NULL);
}
