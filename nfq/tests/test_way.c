/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What NFQA_CT says, as ctnetlink lays it out, becomes one number for a connection. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <string.h>

#include "kmod-free/tests/support.h"
#include "nfq/way.h"

static const uint8_t key[WAY_KEY_BYTES] = "0123456789abcde", other_key[WAY_KEY_BYTES] = "another one ...";

/* One direction: from where to where. */
struct direction {
    const char *src;
    uint16_t sport;
    const char *dst;
    uint16_t dport;
    uint16_t zone;
};

struct connection {
    struct direction original, reply;
    uint16_t zone;
    uint8_t state; /* enum tcp_conntrack; 0: it isn't said, as for other protocols */
};

static void put16(struct nlmsghdr *h, uint16_t type, uint16_t v)
{
    uint8_t raw[2];
    support_put16(raw, v);
    mnl_attr_put(h, type, sizeof raw, raw);
}

static void put_direction(struct nlmsghdr *h, uint16_t type, const struct direction *d)
{
    struct nlattr *tuple = mnl_attr_nest_start(h, type), *part = mnl_attr_nest_start(h, CTA_TUPLE_IP);
    struct endpoint src = support_endpoint(d->src, d->sport), dst = support_endpoint(d->dst, d->dport);
    bool v6 = strchr(d->src, ':') != NULL;
    mnl_attr_put(h, v6 ? CTA_IP_V6_SRC : CTA_IP_V4_SRC, v6 ? 16 : 4, src.addr.at);
    mnl_attr_put(h, v6 ? CTA_IP_V6_DST : CTA_IP_V4_DST, v6 ? 16 : 4, dst.addr.at);
    mnl_attr_nest_end(h, part);
    part = mnl_attr_nest_start(h, CTA_TUPLE_PROTO);
    mnl_attr_put_u8(h, CTA_PROTO_NUM, 6);
    put16(h, CTA_PROTO_SRC_PORT, d->sport);
    put16(h, CTA_PROTO_DST_PORT, d->dport);
    mnl_attr_nest_end(h, part);
    if (d->zone != 0)
        put16(h, CTA_TUPLE_ZONE, d->zone);
    mnl_attr_nest_end(h, tuple);
}

/* Returns what stands in NFQA_CT. */
static struct bytes laid_out(const struct connection *c)
{
    static union {
        struct nlmsghdr head;
        char room[1024];
    } m;
    memset(&m, 0, sizeof m);
    struct nlmsghdr *h = mnl_nlmsg_put_header(m.room);
    put_direction(h, CTA_TUPLE_ORIG, &c->original);
    put_direction(h, CTA_TUPLE_REPLY, &c->reply);
    if (c->zone != 0)
        put16(h, CTA_ZONE, c->zone);
    if (c->state != 0) {
        struct nlattr *info = mnl_attr_nest_start(h, CTA_PROTOINFO), *tcp = mnl_attr_nest_start(h, CTA_PROTOINFO_TCP);
        mnl_attr_put_u8(h, CTA_PROTOINFO_TCP_STATE, c->state);
        mnl_attr_nest_end(h, tcp);
        mnl_attr_nest_end(h, info);
    }
    mnl_attr_put_u32(h, CTA_ID, 4711);
    mnl_attr_put_u32(h, CTA_STATUS, 0x18e);
    return bytes_of(mnl_nlmsg_get_payload(h), mnl_nlmsg_get_payload_len(h));
}

static uint32_t way(const struct connection *c)
{
    struct bytes guarded = guard_copy(laid_out(c));
    uint32_t w = way_of_conntrack(guarded, key);
    guard_free(guarded);
    return w;
}

/* By 198.51.100.50, to 192.0.2.25; and the second connection, which got another source port. */
static const struct connection first = {{"198.51.100.2", 40112, "198.51.100.50", 25, 0}, {"192.0.2.25", 25, "198.51.100.2", 40112, 0}, 0, 3};
static const struct connection second = {{"198.51.100.2", 40112, "198.51.100.51", 25, 0}, {"192.0.2.25", 25, "198.51.100.2", 1061, 0}, 0, 3};

static void one_connection_has_one_way(void **state)
{
    (void)state;
    uint32_t w = way(&first);
    assert_int_not_equal(w, 0);
    assert_int_equal(way(&first), w);
    assert_int_not_equal(way(&second), w);
    assert_int_not_equal(way_of_conntrack(laid_out(&first), other_key), w);
}

static void each_part_counts(void **state)
{
    (void)state;
    uint32_t seen[8] = {way(&first), way(&second)};
    size_t n = 2;
    struct connection c = first;
    c.original.dst = "198.51.100.51";
    seen[n++] = way(&c);
    c = first;
    c.original.dport = 587;
    seen[n++] = way(&c);
    c = first;
    c.reply.dport = 1061;
    seen[n++] = way(&c);
    c = first;
    c.zone = 1;
    seen[n++] = way(&c);
    c = first;
    c.original.zone = 1;
    seen[n++] = way(&c);
    c = first;
    c.original.src = c.reply.dst = "2001:db8:1::2";
    c.original.dst = "2001:db8:1::50";
    c.reply.src = "2001:db8:2::25";
    seen[n++] = way(&c);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < i; j++)
            assert_int_not_equal(seen[i], seen[j]);
}

/* Where the table was flushed, the server may be the first to be seen. (Only without DNAT does its packet still arrive.) */
static void whoever_is_seen_first(void **state)
{
    (void)state;
    const struct connection plain = {{"198.51.100.2", 40112, "192.0.2.25", 25, 0}, {"192.0.2.25", 25, "198.51.100.2", 40112, 0}, 0, 3};
    const struct connection turned = {plain.reply, plain.original, 0, 3};
    assert_int_equal(way(&turned), way(&plain));
}

/* What we see of it: not where the client writes to, and not the port that the server knows it by. */
static void its_ends(void **state)
{
    (void)state;
    struct endpoint one, other, client = support_endpoint("198.51.100.2", 40112), server = support_endpoint("192.0.2.25", 25);
    struct connection c = second;
    assert_true(way_ends(laid_out(&c), &one, &other));
    assert_true(endpoint_equal(&one, &client) && endpoint_equal(&other, &server));
    c.original.src = c.reply.dst = "2001:db8:1::2";
    c.original.dst = "2001:db8:1::50";
    c.reply.src = "2001:db8:2::25";
    assert_true(way_ends(laid_out(&c), &one, &other));
    server = support_endpoint("2001:db8:2::25", 25);
    assert_true(endpoint_equal(&other, &server));
    /* the client's FINs and RSTs may have died behind us, and alone they lead as far as CLOSE and TIME_WAIT */
    for (c.state = TCP_CONNTRACK_SYN_RECV; c.state <= TCP_CONNTRACK_CLOSE; c.state++)
        assert_true(way_ends(laid_out(&c), &one, &other));
    c.state = TCP_CONNTRACK_SYN_SENT; /* nobody has answered */
    assert_false(way_ends(laid_out(&c), &one, &other));
    c.state = TCP_CONNTRACK_SYN_SENT2;
    assert_false(way_ends(laid_out(&c), &one, &other));
    c.state = 0;
    assert_false(way_ends(laid_out(&c), &one, &other));
    assert_false(way_ends((struct bytes){0}, &one, &other));
}

static void what_is_missing(void **state)
{
    (void)state;
    assert_int_equal(way_of_conntrack((struct bytes){0}, key), 0);
    struct bytes all = laid_out(&first);
    uint32_t w = way(&first);
    /* cut anywhere: nothing is read behind the end, and without both directions nothing is known */
    for (size_t len = 0; len < all.len; len++) {
        struct bytes guarded = guard_copy(bytes_first(all, len));
        uint32_t cut = way_of_conntrack(guarded, key);
        assert_true(cut == 0 || len > all.len / 2);
        assert_true(cut == 0 || cut == w || len < all.len - 16);
        guard_free(guarded);
    }
    /* each byte another one: as good as anything, but read within bounds */
    for (size_t i = 0; i < all.len; i++) {
        struct bytes guarded = guard_copy(all);
        uint8_t *at = (uint8_t *)(uintptr_t)guarded.at;
        for (unsigned flip = 1; flip < 256; flip <<= 1) {
            at[i] ^= (uint8_t)flip;
            (void)!way_of_conntrack(guarded, key);
            at[i] ^= (uint8_t)flip;
        }
        guard_free(guarded);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_connection_has_one_way),
        cmocka_unit_test(each_part_counts),
        cmocka_unit_test(whoever_is_seen_first),
        cmocka_unit_test(its_ends),
        cmocka_unit_test(what_is_missing),
    };
    return cmocka_run_group_tests_name("way", tests, NULL, NULL);
}
