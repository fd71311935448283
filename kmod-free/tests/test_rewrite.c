// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "kmod-free/rewrite.h"
#include "kmod-free/tests/support.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static const uint8_t ext[] = {
    60, 0, 1, 4, 0, 0, 0, 0, /* hop-by-hop options */
    44, 0, 1, 4, 0, 0, 0, 0, /* destination options */
    43, 0, 0, 0, 0, 0, 0, 1, /* fragment, atomic */
    6,  0, 4, 0, 0, 0, 0, 0, /* routing */
};
static const uint8_t ip_options[] = {0x94, 4, 0, 0};
static const uint8_t timestamps[] = {1, 1, 8, 10, 0, 0, 0, 7, 0, 0, 0, 9};
static const uint8_t text[] = "MAIL FROM:<a@out.example>\r\nRCPT TO:<b@ext.example>\r\nDATA\r\n";
#define TEXT (sizeof text - 1)

static uint8_t packet[SUPPORT_PACKET_MAX];

/* Shapes: family, options of IP and TCP. */
#define SHAPES 6

static struct support_segment shape_of(size_t i)
{
    bool v6 = i >= 3;
    struct support_segment s = {
        .src = support_endpoint(v6 ? "2001:db8::1" : "198.51.100.2", 40112),
        .dst = support_endpoint(v6 ? "2001:db8::25" : "192.0.2.25", 25),
        .seq = 5, /* what is put in front wraps */
        .ack = 0xffffffff,
        .flags = TCP_ACK | TCP_PSH | TCP_FIN,
        .ttl = 57,
        .window = 4321,
        .urgent = 17,
        .ip_id = 0x1357,
        .payload = bytes_of(text, TEXT),
    };

    if (i % 3 != 0)
        s.options = bytes_of(timestamps, sizeof timestamps);
    if (i == 2)
        s.ip_options = bytes_of(ip_options, sizeof ip_options);
    if (i == 5) {
        s.ip6_first = 0;
        s.ip6_ext = bytes_of(ext, sizeof ext);
    }
    return s;
}

/* A decoded packet in a guarded copy, and guarded room for what is made of it. */
struct made {
    struct bytes l3;
    struct packet p;
    uint8_t *out;
    size_t room;
};

static struct made make(const struct support_segment *s, size_t padding, size_t room)
{
    size_t len = support_segment(s, packet, sizeof packet);
    struct made m = {.room = room, .out = guard_room(room)};
    struct frame f;

    memset(packet + len, 0xee, padding);
    memset(m.out, 0xaa, room); /* what isn't written is seen */
    m.l3 = guard_copy(bytes_of(packet, len + padding));
    f = support_frame(m.l3, 1);
    assert_int_equal(packet_decode(&f, &m.p), PACKET_TCP);
    return m;
}

static void unmake(struct made *m)
{
    guard_free(m->l3);
    guard_room_free(m->out, m->room);
}

/* The result as a receiver sees it. Also: the checksums are right by another reckoning than the engine's. */
static struct packet decode_result(const struct made *m, size_t len)
{
    struct frame f = support_frame(bytes_of(m->out, len), 1);
    struct support_segment pseudo;
    struct packet p;
    uint8_t sum_over[40] = {0};
    size_t addr = m->p.src.addr.family == 4 ? 4 : 16;
    uint16_t csum;

    assert_int_equal(packet_decode(&f, &p), PACKET_TCP);
    assert_true(p.csum_good);
    assert_true(endpoint_equal(&p.src, &m->p.src));
    assert_true(endpoint_equal(&p.dst, &m->p.dst));
    assert_int_equal(p.ttl, 57);
    assert_int_equal(p.l4_at, m->p.l4_at);
    assert_int_equal(p.payload_at + p.payload.len, len); /* the IP length is the packet's */

    /* What stands before TCP stayed as it was, but for lengths and the IPv4 checksum. */
    for (size_t i = 0; i < p.l4_at; i++)
        if (addr == 4 ? i / 2 != 1 && i / 2 != 5 : i / 2 != 2)
            assert_int_equal(m->out[i], m->l3.at[i]);

    pseudo = (struct support_segment){.src = p.src, .dst = p.dst};
    memcpy(sum_over, pseudo.src.addr.at, addr);
    memcpy(sum_over + addr, pseudo.dst.addr.at, addr);
    support_put32(sum_over + 2 * addr, (uint32_t)(len - p.l4_at));
    sum_over[2 * addr + 7] = 6;
    csum = support_csum(0, bytes_of(sum_over, 2 * addr + 8));
    assert_int_equal(support_csum((uint16_t)~csum, bytes_of(m->out + p.l4_at, len - p.l4_at)), 0);
    if (addr == 4)
        assert_int_equal(support_csum(0, bytes_of(m->out, p.l4_at)), 0);
    return p;
}

static void reset_short(void **state)
{
    (void)state;
    for (size_t i = 0; i < SHAPES; i++) {
        for (size_t padding = 0; padding < 8; padding += 7) {
            struct support_segment s = shape_of(i);
            struct made m = make(&s, padding, support_segment(&s, packet, sizeof packet));
            size_t len = rewrite_reset(m.l3, &m.p, seq_of(0xfedcba98), seq_of(0x01234567), false, m.out, m.room);
            struct packet p = decode_result(&m, len);

            assert_int_equal(len, m.p.l4_at + 20);
            assert_int_equal(p.flags, TCP_RST | TCP_ACK);
            assert_int_equal(p.seq.v, 0xfedcba98);
            assert_int_equal(p.ack.v, 0x01234567);
            assert_int_equal(p.wire_len, 0);
            assert_int_equal(p.payload_at, p.l4_at + 20);
            assert_int_equal(p.urgent, 0);
            unmake(&m);
        }
    }
}

static void reset_of_the_same_length(void **state)
{
    (void)state;
    for (size_t i = 0; i < SHAPES; i++) {
        for (size_t padding = 0; padding < 8; padding += 7) {
            struct support_segment s = shape_of(i);
            size_t whole = support_segment(&s, packet, sizeof packet);
            struct made m = make(&s, padding, whole);
            size_t len = rewrite_reset(m.l3, &m.p, seq_of(1), seq_of(2), true, m.out, m.room);
            struct packet p = decode_result(&m, len);

            assert_int_equal(len, whole); /* the padding isn't part of it */
            assert_int_equal(p.flags, TCP_RST | TCP_ACK);
            assert_int_equal(p.seq.v, 1);
            assert_int_equal(p.ack.v, 2);
            assert_int_equal(p.wire_len, TEXT + s.options.len); /* the options' place is payload now */
            for (size_t k = 0; k < p.payload.len; k++)
                assert_int_equal(p.payload.at[k], 0); /* V4: disarmed */
            unmake(&m);
        }
    }
}

static void clip_every_length(void **state)
{
    static const size_t pads[] = {0, 1, 6, 1460, 9000};

    (void)state;
    for (size_t i = 0; i < SHAPES; i++) {
        for (size_t k = 0; k < COUNT(pads); k++) {
            for (size_t keep = 0; keep <= TEXT; keep++) {
                struct support_segment s = shape_of(i);
                size_t whole = support_segment(&s, packet, sizeof packet);
                struct made m = make(&s, 5, whole - TEXT + pads[k] + keep); /* room for just that */
                size_t len = rewrite_clip(m.l3, &m.p, keep, pads[k], m.out, m.room);
                struct packet p = decode_result(&m, len);

                assert_int_equal(len, m.room);
                assert_int_equal(p.flags, TCP_ACK); /* FIN and PSH are gone */
                assert_int_equal(p.seq.v, 5 - (uint32_t)pads[k]);
                assert_int_equal(p.ack.v, 0xffffffff);
                assert_int_equal(p.window, 4321);
                assert_int_equal(p.wire_len, pads[k] + keep);
                assert_true(bytes_equal(bytes_from(p.payload, pads[k]), bytes_of(text, keep)));
                for (size_t n = 0; n < pads[k]; n++)
                    assert_int_equal(p.payload.at[n], '#');
                assert_int_equal(packet_options(&p).has_timestamp, s.options.len > 0);
                assert_int_equal(packet_options(&p).ts_val, s.options.len > 0 ? 7 : 0);
                unmake(&m);
            }
        }
    }
}

static void too_little_room(void **state)
{
    (void)state;
    for (size_t i = 0; i < SHAPES; i++) {
        struct support_segment s = shape_of(i);
        size_t whole = support_segment(&s, packet, sizeof packet);
        struct made m = make(&s, 0, whole);

        for (size_t room = 0; room < whole + 10; room++) {
            uint8_t *out = guard_room(room);
            size_t head = m.p.l4_at + 20u;
            assert_int_equal(rewrite_reset(m.l3, &m.p, seq_of(1), seq_of(2), true, out, room),
                             room < whole ? 0 : whole);
            assert_int_equal(rewrite_reset(m.l3, &m.p, seq_of(1), seq_of(2), false, out, room), room < head ? 0 : head);
            assert_int_equal(rewrite_clip(m.l3, &m.p, 7, 9, out, room),
                             room < m.p.payload_at + 16u ? 0 : m.p.payload_at + 16u);
            guard_room_free(out, room);
        }
        unmake(&m);
    }
}

static void longer_than_the_length_field(void **state)
{
    (void)state;
    for (size_t i = 0; i < SHAPES; i++) {
        struct support_segment s = shape_of(i);
        struct made m = make(&s, 0, 70000);
        size_t most = i < 3 ? 65535 : 65535 + 40;
        size_t pad = most - m.p.payload_at - 3;

        assert_int_equal(rewrite_clip(m.l3, &m.p, 3, pad, m.out, m.room), most);
        (void)decode_result(&m, most);
        assert_int_equal(rewrite_clip(m.l3, &m.p, 4, pad, m.out, m.room), 0);
        assert_int_equal(rewrite_clip(m.l3, &m.p, 3, pad + 1, m.out, m.room), 0);
        assert_int_equal(rewrite_clip(m.l3, &m.p, 3, SIZE_MAX, m.out, m.room), 0);
        unmake(&m);
    }
}

static void what_a_clip_refuses(void **state)
{
    (void)state;
    for (size_t i = 0; i < SHAPES; i++) {
        struct support_segment s = shape_of(i);
        struct made m = make(&s, 0, 2000);
        struct packet p;
        size_t len;

        assert_int_equal(rewrite_clip(m.l3, &m.p, TEXT + 1, 0, m.out, m.room), 0);
        assert_int_equal(rewrite_clip(m.l3, &m.p, SIZE_MAX, 0, m.out, m.room), 0);
        unmake(&m);

        s.flags = TCP_ACK | TCP_URG;
        m = make(&s, 0, 2000);
        assert_int_equal(rewrite_clip(m.l3, &m.p, 3, 0, m.out, m.room), 0);
        len = rewrite_reset(m.l3, &m.p, seq_of(1), seq_of(2), true, m.out, m.room);
        assert_int_equal(decode_result(&m, len).flags, TCP_RST | TCP_ACK);
        unmake(&m);

        s.flags = TCP_SYN | TCP_PSH; /* with data: RFC 7413 */
        m = make(&s, 0, 2000);
        assert_int_equal(rewrite_clip(m.l3, &m.p, 3, 1, m.out, m.room), 0);
        len = rewrite_clip(m.l3, &m.p, 3, 0, m.out, m.room);
        p = decode_result(&m, len);
        assert_int_equal(p.flags, TCP_SYN);
        assert_int_equal(p.seq.v, 5);
        unmake(&m);
    }
}

/* Packets that aren't whole, and answers of packet_decode that aren't TCP, are left alone. */
static void what_nobody_can_rewrite(void **state)
{
    uint8_t out[2000];

    (void)state;
    for (size_t i = 0; i < 2 * SHAPES; i++) {
        struct support_segment s = shape_of(i % SHAPES);
        size_t whole;

        if (i >= SHAPES) /* of these, only options can be missing */
            s.payload.len = 0;
        whole = support_segment(&s, packet, sizeof packet);
        for (size_t kept = 0; kept < whole; kept++) {
            struct bytes l3 = guard_copy(bytes_of(packet, kept));
            struct frame f = support_frame(l3, 1);
            struct packet p;

            f.csum = CSUM_CAPTURE;
            f.cut = true;
            (void)!packet_decode(&f, &p);
            assert_int_equal(rewrite_reset(l3, &p, seq_of(1), seq_of(2), false, out, sizeof out), 0);
            assert_int_equal(rewrite_reset(l3, &p, seq_of(1), seq_of(2), true, out, sizeof out), 0);
            assert_int_equal(rewrite_clip(l3, &p, 0, 0, out, sizeof out), 0);
            guard_free(l3);
        }
    }
    struct support_segment s = shape_of(0);
    size_t len = support_segment(&s, packet, sizeof packet);
    struct frame f = support_frame(bytes_of(packet, len), 1);
    struct packet p;
    f.csum = CSUM_CAPTURE;
    packet[6] = 0x20;
    assert_int_equal(packet_decode(&f, &p), PACKET_FRAGMENT);
    assert_int_equal(rewrite_reset(f.l3, &p, seq_of(1), seq_of(2), false, out, sizeof out), 0);
    packet[9] = 17;
    assert_int_equal(packet_decode(&f, &p), PACKET_OTHER);
    assert_int_equal(rewrite_reset(f.l3, &p, seq_of(1), seq_of(2), false, out, sizeof out), 0);
    assert_int_equal(rewrite_clip(f.l3, &p, 0, 0, out, sizeof out), 0);
}

/* An IPv6 packet without a length may hold an option that contradicts any other length. */
static void jumbograms(void **state)
{
    struct support_segment s = shape_of(3);
    size_t len = support_segment(&s, packet, sizeof packet);
    struct frame f = support_frame(bytes_of(packet, len), 1);
    struct packet p;
    uint8_t out[2000];

    (void)state;
    f.csum = CSUM_CAPTURE;
    support_put16(packet + 4, 0);
    assert_int_equal(packet_decode(&f, &p), PACKET_TCP);
    assert_int_equal(rewrite_reset(f.l3, &p, seq_of(1), seq_of(2), false, out, sizeof out), 0);
    assert_int_equal(rewrite_clip(f.l3, &p, 3, 0, out, sizeof out), 0);
}

/* MP_CAPABLE and MP_JOIN among others; the last one can't be read, and nobody reads on there. */
static void test_single_path(void **state)
{
    (void)state;
    static const uint8_t options[] = {2, 4, 5, 0xb4, 30, 4, 1, 1, 1, 30, 12, 0x10, 1, 1, 2, 3, 4, 5, 6, 7, 8, 8, 10, 0, 0, 0, 7, 0, 0, 0, 9, 30, 200};
    for (size_t i = 0; i < SHAPES; i++) {
        struct support_segment s = shape_of(i);
        s.options = bytes_of(options, sizeof options);
        struct made m = make(&s, i, 4096);
        assert_true(packet_options(&m.p).multipath);
        size_t len = rewrite_single_path(m.l3, &m.p, m.out, m.room);
        struct packet p = decode_result(&m, len);
        struct tcp_options o = packet_options(&p);
        assert_int_equal(len, m.p.payload_at + TEXT);
        assert_false(o.multipath);
        assert_true(o.broken);
        assert_int_equal(o.mss, 1460);
        assert_int_equal(o.ts_val, 7);
        for (size_t at = 0; at < p.options.len; at++) {
            bool blank = (at >= 4 && at < 8) || (at >= 9 && at < 21);
            assert_int_equal(p.options.at[at], blank ? 1 : m.p.options.at[at]);
        }
        assert_int_equal(p.flags, m.p.flags);
        assert_int_equal(p.urgent, m.p.urgent);
        assert_true(bytes_equal(p.payload, m.p.payload));
        assert_int_equal(rewrite_single_path(m.l3, &m.p, m.out, len - 1), 0);
        unmake(&m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reset_short),
        cmocka_unit_test(reset_of_the_same_length),
        cmocka_unit_test(clip_every_length),
        cmocka_unit_test(too_little_room),
        cmocka_unit_test(longer_than_the_length_field),
        cmocka_unit_test(what_a_clip_refuses),
        cmocka_unit_test(what_nobody_can_rewrite),
        cmocka_unit_test(jumbograms),
        cmocka_unit_test(test_single_path),
    };
    return cmocka_run_group_tests_name("rewrite", tests, NULL, NULL);
}
