/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nfq/way.h"

#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <sodium.h>

_Static_assert(WAY_KEY_BYTES == crypto_shorthash_KEYBYTES, "the key is SipHash's");

/* Where one direction's packets go to: address, port, and the zone if that direction has one of its own. */
struct place {
    uint8_t addr[16];
    uint8_t addr_len; /* 4 or 16; 0: not said */
    uint8_t port[2];
    uint8_t zone[2];
};

struct tracked {
    struct place original, reply;
    uint8_t zone[2];
};

static void copy(const struct nlattr *attr, uint8_t *out, size_t size)
{
    if (mnl_attr_get_payload_len(attr) == size)
        memcpy(out, mnl_attr_get_payload(attr), size);
}

static int address_seen(const struct nlattr *attr, void *ctx)
{
    struct place *p = ctx;
    uint16_t type = mnl_attr_get_type(attr);
    uint8_t size = type == CTA_IP_V4_DST ? 4 : type == CTA_IP_V6_DST ? 16 : 0;
    if (size != 0 && mnl_attr_get_payload_len(attr) == size) {
        copy(attr, p->addr, size);
        p->addr_len = size;
    }
    return MNL_CB_OK;
}

static int protocol_seen(const struct nlattr *attr, void *ctx)
{
    struct place *p = ctx;
    if (mnl_attr_get_type(attr) == CTA_PROTO_DST_PORT)
        copy(attr, p->port, sizeof p->port);
    return MNL_CB_OK;
}

static int tuple_part_seen(const struct nlattr *attr, void *ctx)
{
    struct place *p = ctx;
    switch (mnl_attr_get_type(attr)) {
    case CTA_TUPLE_IP:
        return mnl_attr_parse_nested(attr, address_seen, p);
    case CTA_TUPLE_PROTO:
        return mnl_attr_parse_nested(attr, protocol_seen, p);
    case CTA_TUPLE_ZONE:
        copy(attr, p->zone, sizeof p->zone);
        return MNL_CB_OK;
    default: /* the kernel's enum, not ours */
        return MNL_CB_OK;
    }
}

static int part_seen(const struct nlattr *attr, void *ctx)
{
    struct tracked *t = ctx;
    switch (mnl_attr_get_type(attr)) {
    case CTA_TUPLE_ORIG:
        return mnl_attr_parse_nested(attr, tuple_part_seen, &t->original);
    case CTA_TUPLE_REPLY:
        return mnl_attr_parse_nested(attr, tuple_part_seen, &t->reply);
    case CTA_ZONE:
        copy(attr, t->zone, sizeof t->zone);
        return MNL_CB_OK;
    default: /* the kernel's enum, not ours */
        return MNL_CB_OK;
    }
}

/*
 * The client writes to one of the two places, and the server answers to the other. Which is which depends on who was seen
 * first (after `conntrack -F`, say, it may be the server), so they are put in order.
 */
uint32_t way_of_conntrack(struct bytes conntrack, const uint8_t key[static WAY_KEY_BYTES])
{
    struct tracked t, ordered;
    memset(&t, 0, sizeof t);
    memset(&ordered, 0, sizeof ordered);
    if (conntrack.len == 0 || mnl_attr_parse_payload(conntrack.at, conntrack.len, part_seen, &t) < 0 ||
        t.original.addr_len == 0 || t.reply.addr_len == 0)
        return 0;
    bool swap = memcmp(&t.original, &t.reply, sizeof t.original) > 0;
    ordered.original = swap ? t.reply : t.original;
    ordered.reply = swap ? t.original : t.reply;
    memcpy(ordered.zone, t.zone, sizeof t.zone);
    uint8_t hash[crypto_shorthash_BYTES];
    uint32_t way;
    crypto_shorthash(hash, (const uint8_t *)&ordered, sizeof ordered, key);
    memcpy(&way, hash, sizeof way);
    return way != 0 ? way : 1;
}
