/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <linux/netlink.h>
#include <string.h>

#include "kmod-free/tests/support.h"
#include "nfq/attrs.h"
#include "nfq/queue.h"

#define ROOM 4096

static struct marks marks;

/* A message under construction, as the kernel lays it out. */
struct built {
    uint8_t at[ROOM];
    size_t len;
};

static const uint8_t v4_packet[] = {0x45, 0,  0,   24, 0,   0, 0, 0,  64,  6,   0,   0,
                                    198,  51, 100, 2,  192, 0, 2, 25, 'd', 'a', 't', 'a'};
static const uint8_t v6_packet[44] = {0x60, 0, 0, 0, 0, 4, 6, 64};

static void begin(struct built *b, uint8_t family)
{
    struct nlmsghdr head = {.nlmsg_type = NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_PACKET};
    struct nfgenmsg gen = {.nfgen_family = family, .version = NFNETLINK_V0};
    support_put16((uint8_t *)&gen.res_id, 7);
    memset(b, 0, sizeof *b);
    memcpy(b->at, &head, sizeof head);
    memcpy(b->at + sizeof head, &gen, sizeof gen);
    b->len = sizeof head + sizeof gen;
}

/* nla_len as told; the attribute takes the room of `len` bytes, filled up to a multiple of 4. */
static void attr_told(struct built *b, uint16_t type, const void *data, size_t len, uint16_t told)
{
    struct nlattr a = {.nla_len = told, .nla_type = type};
    b->len = (b->len + 3) & ~(size_t)3;
    assert_true(b->len + sizeof a + len <= ROOM);
    memcpy(b->at + b->len, &a, sizeof a);
    if (len > 0)
        memcpy(b->at + b->len + sizeof a, data, len);
    b->len += sizeof a + len; /* the last one has no padding */
}

static void attr(struct built *b, uint16_t type, const void *data, size_t len)
{
    attr_told(b, type, data, len, (uint16_t)(sizeof(struct nlattr) + len));
}

static void attr32(struct built *b, uint16_t type, uint32_t v)
{
    uint8_t raw[4];
    support_put32(raw, v);
    attr(b, type, raw, sizeof raw);
}

static void packet_header(struct built *b, uint32_t id, uint16_t ether_type, uint8_t hook)
{
    uint8_t raw[7];
    support_put32(raw, id);
    support_put16(raw + 4, ether_type);
    raw[6] = hook;
    attr(b, NFQA_PACKET_HDR, raw, sizeof raw);
}

static void set_length(struct built *b, size_t len)
{
    uint32_t n = (uint32_t)len;
    memcpy(b->at + offsetof(struct nlmsghdr, nlmsg_len), &n, sizeof n);
}

/* Everything as it should be. */
static void good_message(struct built *b)
{
    begin(b, NFPROTO_IPV4);
    packet_header(b, 0x01020304, 0x0800, NF_INET_FORWARD);
    attr32(b, NFQA_MARK, 0xa5100b01);
    attr32(b, NFQA_SKB_INFO, 0);
    attr(b, NFQA_PAYLOAD, v4_packet, sizeof v4_packet);
}

/* Reads the message from where its end touches memory that can't be read. */
static enum queued_result read_len(const struct built *b, size_t len, struct queued *q)
{
    struct bytes g = guard_copy(bytes_of(b->at, len));
    enum queued_result r = queued_of_message(g, &marks, q);
    if (r == QUEUED_OK) {
        /* what was borrowed lies inside */
        assert_true(q->frame.l3.at >= g.at && q->frame.l3.at + q->frame.l3.len <= g.at + g.len);
        assert_true(q->frame.l3.len > 0);
        assert_int_not_equal(q->frame.csum, CSUM_UNSET);
    }
    guard_free(g);
    return r;
}

static enum queued_result read_built(struct built *b, struct queued *q)
{
    set_length(b, b->len);
    return read_len(b, b->len, q);
}

static void a_packet_of_either_family_is_understood(void **state)
{
    (void)state;
    struct built b;
    struct queued q;
    good_message(&b);
    assert_int_equal(read_built(&b, &q), QUEUED_OK);
    assert_int_equal(q.id, 0x01020304);
    assert_int_equal(q.queue, 7);
    assert_int_equal(q.hook, NF_INET_FORWARD);
    assert_int_equal(q.mark, 0xa5100b01);
    assert_int_equal(q.frame.tag, 1);
    assert_int_equal(q.frame.csum, CSUM_VERIFY);
    assert_false(q.frame.cut);
    assert_false(q.gso);
    assert_int_equal(q.frame.l3.len, sizeof v4_packet);

    begin(&b, NFPROTO_IPV6);
    packet_header(&b, UINT32_MAX, 0x86dd, NF_INET_LOCAL_IN);
    attr(&b, NFQA_PAYLOAD, v6_packet, sizeof v6_packet);
    assert_int_equal(read_built(&b, &q), QUEUED_OK);
    assert_int_equal(q.id, UINT32_MAX);
    assert_int_equal(q.mark, 0);
    assert_int_equal(q.frame.tag, 0);
}

static void checksum_and_gso_come_from_skb_info(void **state)
{
    (void)state;
    for (uint32_t info = 0; info < 8; info++) {
        struct built b;
        struct queued q;
        begin(&b, NFPROTO_IPV4);
        packet_header(&b, 1, 0x0800, NF_INET_FORWARD);
        attr32(&b, NFQA_SKB_INFO, info | 0xf0); /* and flags of the future */
        attr(&b, NFQA_PAYLOAD, v4_packet, sizeof v4_packet);
        assert_int_equal(read_built(&b, &q), QUEUED_OK);
        assert_int_equal(q.frame.csum, (info & NFQA_SKB_CSUMNOTREADY) ? CSUM_TRUSTED : CSUM_VERIFY);
        assert_int_equal(q.gso, (info & NFQA_SKB_GSO) != 0);
    }
    /* kernels leave the attribute out when there is nothing to say */
    struct built b;
    struct queued q;
    begin(&b, NFPROTO_IPV4);
    packet_header(&b, 1, 0x0800, NF_INET_FORWARD);
    attr(&b, NFQA_PAYLOAD, v4_packet, sizeof v4_packet);
    assert_int_equal(read_built(&b, &q), QUEUED_OK);
    assert_int_equal(q.frame.csum, CSUM_VERIFY);
}

static void interfaces_are_those_of_the_bridge_ports_where_there_are_any(void **state)
{
    (void)state;
    struct built b;
    struct queued q;
    good_message(&b);
    assert_int_equal(read_built(&b, &q), QUEUED_OK);
    assert_int_equal(q.frame.in, 0);
    assert_int_equal(q.frame.out, 0);
    good_message(&b);
    attr32(&b, NFQA_IFINDEX_INDEV, 0x01020304);
    attr32(&b, NFQA_IFINDEX_OUTDEV, 5);
    assert_int_equal(read_built(&b, &q), QUEUED_OK);
    assert_int_equal(q.frame.in, 0x01020304);
    assert_int_equal(q.frame.out, 5);
    attr32(&b, NFQA_IFINDEX_PHYSINDEV, 6);
    attr32(&b, NFQA_IFINDEX_PHYSOUTDEV, 7);
    assert_int_equal(read_built(&b, &q), QUEUED_OK);
    assert_int_equal(q.frame.in, 6);
    assert_int_equal(q.frame.out, 7);
}

static void the_tag_is_read_out_of_every_mark(void **state)
{
    (void)state;
    for (uint32_t tag = 0; tag < 16; tag++) {
        struct built b;
        struct queued q;
        begin(&b, NFPROTO_IPV4);
        packet_header(&b, 1, 0x0800, NF_INET_FORWARD);
        attr32(&b, NFQA_MARK, 0xff0fffff | tag << 20);
        attr(&b, NFQA_PAYLOAD, v4_packet, sizeof v4_packet);
        assert_int_equal(read_built(&b, &q), QUEUED_OK);
        assert_int_equal(q.frame.tag, tag);
    }
}

static void a_packet_that_was_cut_says_so(void **state)
{
    (void)state;
    const struct {
        uint32_t whole;
        enum queued_result result;
        bool cut;
    } cases[] = {
        {sizeof v4_packet, QUEUED_OK, false},
        {sizeof v4_packet + 1, QUEUED_OK, true},
        {UINT32_MAX, QUEUED_OK, true},
        {sizeof v4_packet - 1, QUEUED_BAD, false},
        {0, QUEUED_BAD, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct built b;
        struct queued q;
        begin(&b, NFPROTO_IPV4);
        packet_header(&b, 1, 0x0800, NF_INET_FORWARD);
        attr32(&b, NFQA_CAP_LEN, cases[i].whole);
        attr(&b, NFQA_PAYLOAD, v4_packet, sizeof v4_packet);
        assert_int_equal(read_built(&b, &q), cases[i].result);
        if (cases[i].result == QUEUED_OK)
            assert_int_equal(q.frame.cut, cases[i].cut);
    }
}

static void family_type_hook_and_version_must_agree(void **state)
{
    (void)state;
    const struct {
        uint8_t family;
        uint16_t ether_type;
        uint8_t hook;
        bool v6;
        enum queued_result result;
    } cases[] = {
        {NFPROTO_IPV4, 0x0800, NF_INET_LOCAL_OUT, false, QUEUED_OK},
        {NFPROTO_IPV4, 0, NF_INET_LOCAL_OUT, false, QUEUED_OK}, /* not filled in yet */
        {NFPROTO_IPV6, 0, NF_INET_LOCAL_OUT, true, QUEUED_OK},
        {NFPROTO_BRIDGE, 0x0800, NF_INET_FORWARD, false, QUEUED_OK},
        {NFPROTO_BRIDGE, 0x86dd, NF_INET_FORWARD, true, QUEUED_OK},
        {NFPROTO_BRIDGE, 0x8100, NF_INET_FORWARD, false, QUEUED_BAD},
        {NFPROTO_BRIDGE, 0, NF_INET_FORWARD, false, QUEUED_BAD},
        {NFPROTO_BRIDGE, 0x0800, NF_INET_FORWARD, true, QUEUED_BAD},
        {NFPROTO_IPV4, 0x0800, NF_INET_FORWARD, true, QUEUED_BAD},
        {NFPROTO_IPV4, 0x86dd, NF_INET_FORWARD, true, QUEUED_BAD},
        {NFPROTO_IPV4, 0x86dd, NF_INET_FORWARD, false, QUEUED_BAD},
        {NFPROTO_IPV6, 0x86dd, NF_INET_FORWARD, false, QUEUED_BAD},
        {NFPROTO_IPV6, 0x0800, NF_INET_FORWARD, true, QUEUED_BAD},
        {NFPROTO_ARP, 0x0800, NF_INET_FORWARD, false, QUEUED_BAD},
        {NFPROTO_NETDEV, 0x0800, NF_INET_FORWARD, false, QUEUED_BAD},
        {NFPROTO_UNSPEC, 0x0800, NF_INET_FORWARD, false, QUEUED_BAD},
        {NFPROTO_IPV4, 0x0800, NF_INET_POST_ROUTING, false, QUEUED_OK},
        {NFPROTO_IPV4, 0x0800, NF_INET_NUMHOOKS, false, QUEUED_BAD},
        {NFPROTO_IPV4, 0x0800, 255, false, QUEUED_BAD},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct built b;
        struct queued q;
        begin(&b, cases[i].family);
        packet_header(&b, 77, cases[i].ether_type, cases[i].hook);
        if (cases[i].v6)
            attr(&b, NFQA_PAYLOAD, v6_packet, sizeof v6_packet);
        else
            attr(&b, NFQA_PAYLOAD, v4_packet, sizeof v4_packet);
        enum queued_result r = read_built(&b, &q);
        if (r != cases[i].result)
            fail_msg("case %zu: %d", i, r);
        assert_int_equal(q.id, 77); /* there is always something to answer */
        assert_int_equal(q.queue, 7);
    }
}

static void what_is_missing_or_empty_is_noticed(void **state)
{
    (void)state;
    struct built b;
    struct queued q;
    begin(&b, NFPROTO_IPV4); /* no attribute at all */
    assert_int_equal(read_built(&b, &q), QUEUED_LOST);

    begin(&b, NFPROTO_IPV4); /* no id */
    attr(&b, NFQA_PAYLOAD, v4_packet, sizeof v4_packet);
    assert_int_equal(read_built(&b, &q), QUEUED_LOST);

    begin(&b, NFPROTO_IPV4); /* no packet */
    packet_header(&b, 5, 0x0800, NF_INET_FORWARD);
    attr32(&b, NFQA_MARK, 1);
    assert_int_equal(read_built(&b, &q), QUEUED_BAD);
    assert_int_equal(q.id, 5);

    begin(&b, NFPROTO_IPV4); /* a packet of no bytes */
    packet_header(&b, 5, 0x0800, NF_INET_FORWARD);
    attr(&b, NFQA_PAYLOAD, NULL, 0);
    assert_int_equal(read_built(&b, &q), QUEUED_BAD);

    begin(&b, NFPROTO_IPV4); /* one byte is enough for us; the engine will call it broken */
    packet_header(&b, 5, 0x0800, NF_INET_FORWARD);
    attr(&b, NFQA_PAYLOAD, v4_packet, 1);
    assert_int_equal(read_built(&b, &q), QUEUED_OK);
}

static void every_wrong_size_is_noticed(void **state)
{
    (void)state;
    const uint16_t types[] = {NFQA_PACKET_HDR,    NFQA_MARK,           NFQA_CAP_LEN,           NFQA_SKB_INFO,
                              NFQA_IFINDEX_INDEV, NFQA_IFINDEX_OUTDEV, NFQA_IFINDEX_PHYSINDEV, NFQA_IFINDEX_PHYSOUTDEV};
    const uint8_t zeros[16] = {0};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        size_t right = types[i] == NFQA_PACKET_HDR ? 7 : 4;
        for (size_t len = 0; len <= sizeof zeros; len++) {
            struct built b;
            struct queued q;
            if (len == right)
                continue;
            begin(&b, NFPROTO_IPV4);
            if (types[i] != NFQA_PACKET_HDR)
                packet_header(&b, 9, 0x0800, NF_INET_FORWARD);
            attr(&b, types[i], zeros, len);
            attr(&b, NFQA_PAYLOAD, v4_packet, sizeof v4_packet);
            enum queued_result r = read_built(&b, &q);
            assert_int_equal(r, types[i] == NFQA_PACKET_HDR ? QUEUED_LOST : QUEUED_BAD);
            if (r == QUEUED_BAD)
                assert_int_equal(q.id, 9);
        }
    }
}

static void an_attribute_that_comes_twice_is_not_believed(void **state)
{
    (void)state;
    const uint16_t types[] = {NFQA_PACKET_HDR, NFQA_MARK, NFQA_CAP_LEN, NFQA_SKB_INFO, NFQA_PAYLOAD};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        struct built b;
        struct queued q;
        begin(&b, NFPROTO_IPV4);
        packet_header(&b, 1, 0x0800, NF_INET_FORWARD);
        attr32(&b, NFQA_MARK, 0x00100000);
        attr32(&b, NFQA_CAP_LEN, 100);
        attr32(&b, NFQA_SKB_INFO, 0);
        attr(&b, NFQA_PAYLOAD, v4_packet, sizeof v4_packet);
        if (types[i] == NFQA_PACKET_HDR)
            packet_header(&b, 2, 0x0800, NF_INET_FORWARD);
        else if (types[i] == NFQA_PAYLOAD)
            attr(&b, NFQA_PAYLOAD, v4_packet, sizeof v4_packet);
        else
            attr32(&b, types[i], 0);
        assert_int_equal(read_built(&b, &q), QUEUED_BAD);
        assert_int_equal(q.id, 1);
    }
}

static void attributes_that_we_do_not_know_are_passed_over(void **state)
{
    (void)state;
    const uint8_t junk[13] = {1, 2, 3};
    struct built b;
    struct queued q;
    begin(&b, NFPROTO_IPV4);
    for (uint16_t type = 0; type < 64; type++)
        if (type != NFQA_PACKET_HDR && type != NFQA_MARK && type != NFQA_CAP_LEN && type != NFQA_SKB_INFO &&
            type != NFQA_PAYLOAD && !(type >= NFQA_IFINDEX_INDEV && type <= NFQA_IFINDEX_PHYSOUTDEV))
            attr(&b, type, junk, type % sizeof junk);
    attr(&b, 0x3fff, junk, sizeof junk);
    attr(&b, NFQA_VLAN | NLA_F_NESTED, junk, sizeof junk);
    packet_header(&b, 3, 0x0800, NF_INET_FORWARD);
    attr(&b, NFQA_PAYLOAD, v4_packet, sizeof v4_packet);
    assert_int_equal(read_built(&b, &q), QUEUED_OK);
    assert_int_equal(q.id, 3);
    assert_int_equal(q.frame.l3.len, sizeof v4_packet);
}

static void impossible_attribute_lengths_are_noticed(void **state)
{
    (void)state;
    const uint16_t told[] = {0, 1, 3, 200, 0x7fff, 0xffff};
    for (size_t i = 0; i < sizeof told / sizeof *told; i++) {
        struct built b;
        struct queued q;
        begin(&b, NFPROTO_IPV4); /* before the id */
        attr_told(&b, NFQA_TIMESTAMP, "12345678", 8, told[i]);
        packet_header(&b, 4, 0x0800, NF_INET_FORWARD);
        attr(&b, NFQA_PAYLOAD, v4_packet, sizeof v4_packet);
        assert_int_equal(read_built(&b, &q), QUEUED_LOST);

        begin(&b, NFPROTO_IPV4); /* behind it */
        packet_header(&b, 4, 0x0800, NF_INET_FORWARD);
        attr(&b, NFQA_PAYLOAD, v4_packet, sizeof v4_packet);
        attr_told(&b, NFQA_TIMESTAMP, "12345678", 8, told[i]);
        assert_int_equal(read_built(&b, &q), QUEUED_BAD);
        assert_int_equal(q.id, 4);
    }
}

static void no_truncation_passes(void **state)
{
    (void)state;
    struct built b;
    struct queued q;
    good_message(&b);
    size_t whole = b.len, header_end = sizeof(struct nlmsghdr) + sizeof(struct nfgenmsg) + 4 + 7;
    for (size_t len = 0; len < whole; len++) {
        set_length(&b, whole); /* the header promises more than is there */
        assert_int_equal(read_len(&b, len, &q), QUEUED_LOST);
        set_length(&b, len); /* the header knows */
        enum queued_result r = read_len(&b, len, &q);
        assert_int_equal(r, len < header_end ? QUEUED_LOST : QUEUED_BAD);
    }
    set_length(&b, whole);
    assert_int_equal(read_len(&b, whole, &q), QUEUED_OK);
    set_length(&b, whole - 1);
    assert_int_equal(read_len(&b, whole, &q), QUEUED_LOST);
}

static void other_messages_are_not_packets(void **state)
{
    (void)state;
    const uint16_t types[] = {NLMSG_ERROR, NLMSG_DONE, NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_VERDICT,
                              NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_CONFIG, NFNL_SUBSYS_ULOG << 8 | NFQNL_MSG_PACKET};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        struct built b;
        struct queued q;
        good_message(&b);
        memcpy(b.at + offsetof(struct nlmsghdr, nlmsg_type), &types[i], sizeof types[i]);
        assert_int_equal(read_built(&b, &q), QUEUED_LOST);
    }
    struct built b;
    struct queued q;
    good_message(&b);
    b.at[sizeof(struct nlmsghdr) + offsetof(struct nfgenmsg, version)] = 1;
    assert_int_equal(read_built(&b, &q), QUEUED_LOST);
}

/* Whatever one byte turns into, nothing outside is read and nothing borrowed lies outside (read_len looks). */
static void any_single_byte_may_be_anything(void **state)
{
    (void)state;
    struct built b;
    struct queued q;
    good_message(&b);
    set_length(&b, b.len);
    for (size_t i = 0; i < b.len; i++) {
        uint8_t was = b.at[i];
        for (unsigned v = 0; v < 256; v++) {
            b.at[i] = (uint8_t)v;
            enum queued_result r = read_len(&b, b.len, &q);
            assert_true(r == QUEUED_OK || r == QUEUED_BAD || r == QUEUED_LOST);
        }
        b.at[i] = was;
    }
}

static void messages_are_taken_off_a_datagram(void **state)
{
    (void)state;
    uint8_t raw[40] = {0};
    struct bytes message;
    uint32_t len = 17; /* filled up to 20 */
    memcpy(raw, &len, sizeof len);
    len = 20;
    memcpy(raw + 20, &len, sizeof len);
    struct bytes whole = guard_copy(bytes_of(raw, sizeof raw)), rest = whole;
    assert_true(queue_next_message(&rest, &message));
    assert_int_equal(message.len, 17);
    assert_true(queue_next_message(&rest, &message));
    assert_int_equal(message.len, 20);
    assert_false(queue_next_message(&rest, &message));
    assert_int_equal(message.len, 0);
    guard_free(whole);

    const uint32_t impossible[] = {0, 15, 41, 0x80000000u, UINT32_MAX};
    for (size_t i = 0; i < sizeof impossible / sizeof *impossible; i++) {
        memcpy(raw, &impossible[i], sizeof impossible[i]);
        whole = rest = guard_copy(bytes_of(raw, sizeof raw));
        assert_false(queue_next_message(&rest, &message));
        guard_free(whole);
    }
    for (size_t n = 0; n < sizeof(struct nlmsghdr); n++) {
        whole = rest = guard_copy(bytes_of(raw, n));
        assert_false(queue_next_message(&rest, &message));
        assert_false(queue_is_error(whole));
        guard_free(whole);
    }
    /* the last message has no padding: its end is the end */
    len = 17;
    memcpy(raw, &len, sizeof len);
    whole = rest = guard_copy(bytes_of(raw, 17));
    assert_true(queue_next_message(&rest, &message));
    assert_int_equal(rest.len, 0);
    guard_free(whole);
}

static void the_kernels_list_is_read(void **state)
{
    (void)state;
    const char *text = "    0   4242     3 2 65531     5     6    12345  1\n"
                       "65535 4294967295 4294967295 2 65531 0 4294967295 1 1\n"
                       "   12     99     1 2\n"                   /* a line that isn't whole */
                       "  120 4294967296     1 2 65531 1 2 3 1\n" /* a number that is too big */
                       "junk\n";
    struct bytes whole = guard_copy(bytes_str(text));
    struct queue_listing l;
    assert_true(queue_listed(whole, 0, &l));
    assert_int_equal(l.port, 4242);
    assert_int_equal(l.waiting, 3);
    assert_int_equal(l.copy_mode, 2);
    assert_int_equal(l.copy_range, 65531);
    assert_int_equal(l.full_drops, 5);
    assert_int_equal(l.buffer_drops, 6);
    assert_true(queue_listed(whole, 65535, &l));
    assert_int_equal(l.port, UINT32_MAX);
    assert_int_equal(l.buffer_drops, UINT32_MAX);
    assert_false(queue_listed(whole, 12, &l));
    assert_false(queue_listed(whole, 120, &l));
    assert_false(queue_listed(whole, 1, &l));
    guard_free(whole);
    for (size_t n = 0; n <= strlen(text); n++) {
        whole = guard_copy(bytes_of(text, n));
        assert_int_equal(queue_listed(whole, 0, &l), n >= strlen("    0   4242     3 2 65531     5     6"));
        guard_free(whole);
    }
}

static void what_connection_tracking_knows(void **state)
{
    (void)state;
    struct built b;
    struct queued q;
    good_message(&b);
    assert_int_equal(read_built(&b, &q), QUEUED_OK);
    assert_int_equal(q.conntrack.len, 0);
    attr(&b, NFQA_CT | NLA_F_NESTED, "some nest", 9);
    assert_int_equal(read_built(&b, &q), QUEUED_OK);
    assert_int_equal(q.conntrack.len, 9);
    attr(&b, NFQA_CT, "another", 7);
    assert_int_equal(read_built(&b, &q), QUEUED_BAD);
}

/* The kernel's answer to queue_track, among packets and other answers. */
static void the_answer_to_tracking(void **state)
{
    (void)state;
    struct {
        struct nlmsghdr head;
        struct nlmsgerr error;
    } m = {
        .head = {.nlmsg_len = sizeof m, .nlmsg_type = NLMSG_ERROR, .nlmsg_seq = 100},
        .error = {.error = -EOPNOTSUPP, .msg = {.nlmsg_type = NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_CONFIG, .nlmsg_seq = 100}},
    };
    int error = 1;
    assert_true(queue_track_answer(bytes_of(&m, sizeof m), &error));
    assert_int_equal(error, -EOPNOTSUPP);
    assert_false(queue_track_answer(bytes_of(&m, sizeof m - 1), &error));
    m.error.msg.nlmsg_seq = 1;
    assert_false(queue_track_answer(bytes_of(&m, sizeof m), &error));
    m.error.msg.nlmsg_seq = 100;
    m.error.msg.nlmsg_type = NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_VERDICT;
    assert_false(queue_track_answer(bytes_of(&m, sizeof m), &error));
}

int main(void)
{
    if (!marks_of_mask(MARK_MASK_DEFAULT, &marks))
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_connection_tracking_knows),
        cmocka_unit_test(the_answer_to_tracking),
        cmocka_unit_test(a_packet_of_either_family_is_understood),
        cmocka_unit_test(checksum_and_gso_come_from_skb_info),
        cmocka_unit_test(interfaces_are_those_of_the_bridge_ports_where_there_are_any),
        cmocka_unit_test(the_tag_is_read_out_of_every_mark),
        cmocka_unit_test(a_packet_that_was_cut_says_so),
        cmocka_unit_test(family_type_hook_and_version_must_agree),
        cmocka_unit_test(what_is_missing_or_empty_is_noticed),
        cmocka_unit_test(every_wrong_size_is_noticed),
        cmocka_unit_test(an_attribute_that_comes_twice_is_not_believed),
        cmocka_unit_test(attributes_that_we_do_not_know_are_passed_over),
        cmocka_unit_test(impossible_attribute_lengths_are_noticed),
        cmocka_unit_test(no_truncation_passes),
        cmocka_unit_test(other_messages_are_not_packets),
        cmocka_unit_test(any_single_byte_may_be_anything),
        cmocka_unit_test(messages_are_taken_off_a_datagram),
        cmocka_unit_test(the_kernels_list_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
