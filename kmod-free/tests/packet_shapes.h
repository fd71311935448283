/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * packet_shapes - one packet of each shape that packet_decode has to understand, for its
 * tests. Include it after cmocka.h.
 */
#ifndef RCPTWALL_TESTS_PACKET_SHAPES_H
#define RCPTWALL_TESTS_PACKET_SHAPES_H

#include "kmod-free/packet.h"
#include "kmod-free/tests/support.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

/* Extension headers by their type; the last one names TCP. */
static const uint8_t ext_hbh[] = {6, 0, 1, 4, 0, 0, 0, 0};
static const uint8_t ext_routing[] = {6, 2, 4, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
static const uint8_t ext_dest[] = {6, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
static const uint8_t ext_atomic[] = {6, 0, 0, 0, 0xca, 0xfe, 0xba, 0xbe};
static const uint8_t ext_ah[] = {6, 4, 0, 0, 0, 0, 0, 1, 0, 0, 0, 9, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
static const uint8_t ext_all[] = {
    43, 0, 1, 4, 0, 0, 0, 0,                                                    /* hop-by-hop options */
    60, 0, 4, 0, 0, 0, 0, 0,                                                    /* routing, nothing left */
    44, 0, 1, 4, 0, 0, 0, 0,                                                    /* destination options */
    51, 0, 0, 0, 0, 0, 0, 1,                                                    /* fragment, atomic */
    60, 4, 0, 0, 0, 0, 0, 1, 0, 0, 0, 9, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, /* AH */
    6,  0, 1, 4, 0, 0, 0, 0,                                                    /* destination options */
};
static const uint8_t ip_options[] = {0x94, 4, 0, 0, 1}; /* router alert, no-operation, end */
static const uint8_t syn_options[] = {2, 4, 0x05, 0xb4, 4, 2, 8, 10, 0, 0, 0, 7, 0, 0, 0, 9, 1, 3, 3, 7};

struct shape {
    const char *name;
    bool v6;
    struct bytes ip_options;
    uint8_t ip6_first;
    struct bytes ip6_ext;
    struct bytes options;
    size_t payload;
    uint16_t l4_at;
};

#define EXT(type, array) .v6 = true, .ip6_first = (type), .ip6_ext = {(array), sizeof(array)}

static const struct shape shapes[] = {
    {.name = "v4", .payload = 21, .l4_at = 20},
    {.name = "v4, no payload", .payload = 0, .l4_at = 20},
    {.name = "v4, IP options", .ip_options = {ip_options, 5}, .payload = 4, .l4_at = 28},
    {.name = "v4, TCP options", .options = {syn_options, 20}, .payload = 10, .l4_at = 20},
    {.name = "v4, both", .ip_options = {ip_options, 5}, .options = {syn_options, 20}, .payload = 1, .l4_at = 28},
    {.name = "v6", .v6 = true, .payload = 21, .l4_at = 40},
    {.name = "v6, no payload", .v6 = true, .payload = 0, .l4_at = 40},
    {.name = "v6, TCP options", .v6 = true, .options = {syn_options, 20}, .payload = 33, .l4_at = 40},
    {.name = "v6, hop-by-hop", EXT(0, ext_hbh), .payload = 5, .l4_at = 48},
    {.name = "v6, routing", EXT(43, ext_routing), .payload = 5, .l4_at = 64},
    {.name = "v6, destination", EXT(60, ext_dest), .payload = 5, .l4_at = 56},
    {.name = "v6, atomic fragment", EXT(44, ext_atomic), .payload = 5, .l4_at = 48},
    {.name = "v6, AH", EXT(51, ext_ah), .payload = 5, .l4_at = 64},
    {.name = "v6, all", EXT(0, ext_all), .options = {syn_options, 20}, .payload = 5, .l4_at = 104},
};

static const uint8_t text[] = "RCPT TO:<someone%else.example@local.example> and some more text behind it\r\n";

static uint8_t packet[SUPPORT_PACKET_MAX];

static inline struct support_segment segment_of(const struct shape *s)
{
    return (struct support_segment){
        .src = support_endpoint(s->v6 ? "2001:db8::1:2" : "198.51.100.2", 40112),
        .dst = support_endpoint(s->v6 ? "2001:db8::25" : "192.0.2.25", 25),
        .seq = 0xfffffff0,
        .ack = 0x01020304,
        .flags = TCP_ACK | TCP_PSH,
        .ttl = 61,
        .window = 0x1234,
        .urgent = 0x4321,
        .ip_id = 0xbeef,
        .options = s->options,
        .ip_options = s->ip_options,
        .ip6_first = s->ip6_first,
        .ip6_ext = s->ip6_ext,
        .payload = bytes_of(text, s->payload),
    };
}

static inline size_t build(const struct shape *s)
{
    struct support_segment segment = segment_of(s);

    return support_segment(&segment, packet, sizeof packet);
}

/* Decodes a guarded copy; *out may be looked at, but not its bytes. */
/* What the last packet that was decoded said in its TCP options: these are gone with its bytes. */
static struct tcp_options options_seen;

static inline enum packet_result decode(struct bytes l3, enum csum_state csum, bool cut, struct packet *out)
{
    struct bytes copy = guard_copy(l3);
    struct frame f = support_frame(copy, 1);
    enum packet_result result;

    f.csum = csum;
    f.cut = cut;
    result = packet_decode(&f, out);
    if (result == PACKET_TCP || result == PACKET_BAD_CSUM) {
        options_seen = packet_options(out);
        if (out->payload.len > 0)
            assert_ptr_equal(out->payload.at, copy.at + out->payload_at);
        assert_true(out->payload_at + out->payload.len <= copy.len || cut);
        assert_true(out->payload.len <= out->wire_len);
    }
    guard_free(copy);
    return result;
}

#endif
