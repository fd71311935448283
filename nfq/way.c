/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nfq/way.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <sodium.h>
#include <sys/socket.h>
#include <sys/time.h>

_Static_assert(WAY_KEY_BYTES == crypto_shorthash_KEYBYTES, "the key is SipHash's");

/* Where one direction's packets go to: address, port, and the zone if that direction has one of its own. */
struct place {
    uint8_t addr[16];
    uint8_t addr_len; /* 4 or 16; 0: not said */
    uint8_t port[2];
    uint8_t zone[2];
};

struct direction {
    struct place from, to;
};

struct tracked {
    struct direction original, reply;
    uint8_t zone[2];
    uint8_t tcp_state; /* enum tcp_conntrack; 0: no TCP, or not said */
};

/* What the hash is of. */
struct way {
    struct place one, other;
    uint8_t zone[2];
};

static void copy(const struct nlattr *attr, uint8_t *out, size_t size)
{
    if (mnl_attr_get_payload_len(attr) == size)
        memcpy(out, mnl_attr_get_payload(attr), size);
}

static int address_seen(const struct nlattr *attr, void *ctx)
{
    struct direction *d = ctx;
    uint16_t type = mnl_attr_get_type(attr);
    struct place *p = type == CTA_IP_V4_SRC || type == CTA_IP_V6_SRC ? &d->from : &d->to;
    uint8_t size = type == CTA_IP_V4_SRC || type == CTA_IP_V4_DST ? 4 : type == CTA_IP_V6_SRC || type == CTA_IP_V6_DST ? 16 : 0;
    if (size != 0 && mnl_attr_get_payload_len(attr) == size) {
        copy(attr, p->addr, size);
        p->addr_len = size;
    }
    return MNL_CB_OK;
}

static int protocol_seen(const struct nlattr *attr, void *ctx)
{
    struct direction *d = ctx;
    if (mnl_attr_get_type(attr) == CTA_PROTO_DST_PORT)
        copy(attr, d->to.port, sizeof d->to.port);
    else if (mnl_attr_get_type(attr) == CTA_PROTO_SRC_PORT)
        copy(attr, d->from.port, sizeof d->from.port);
    return MNL_CB_OK;
}

static int tuple_part_seen(const struct nlattr *attr, void *ctx)
{
    struct direction *d = ctx;
    switch (mnl_attr_get_type(attr)) {
    case CTA_TUPLE_IP:
        return mnl_attr_parse_nested(attr, address_seen, d);
    case CTA_TUPLE_PROTO:
        return mnl_attr_parse_nested(attr, protocol_seen, d);
    case CTA_TUPLE_ZONE:
        copy(attr, d->to.zone, sizeof d->to.zone);
        return MNL_CB_OK;
    default: /* the kernel's enum, not ours */
        return MNL_CB_OK;
    }
}

static int tcp_seen(const struct nlattr *attr, void *ctx)
{
    struct tracked *t = ctx;
    if (mnl_attr_get_type(attr) == CTA_PROTOINFO_TCP_STATE)
        copy(attr, &t->tcp_state, sizeof t->tcp_state);
    return MNL_CB_OK;
}

static int info_seen(const struct nlattr *attr, void *ctx)
{
    return mnl_attr_get_type(attr) == CTA_PROTOINFO_TCP ? mnl_attr_parse_nested(attr, tcp_seen, ctx) : MNL_CB_OK;
}

static int part_seen(const struct nlattr *attr, void *ctx)
{
    struct tracked *t = ctx;
    switch (mnl_attr_get_type(attr)) {
    case CTA_TUPLE_ORIG:
        return mnl_attr_parse_nested(attr, tuple_part_seen, &t->original);
    case CTA_TUPLE_REPLY:
        return mnl_attr_parse_nested(attr, tuple_part_seen, &t->reply);
    case CTA_PROTOINFO:
        return mnl_attr_parse_nested(attr, info_seen, t);
    case CTA_ZONE:
        copy(attr, t->zone, sizeof t->zone);
        return MNL_CB_OK;
    default: /* the kernel's enum, not ours */
        return MNL_CB_OK;
    }
}

static bool read_tracked(struct bytes conntrack, struct tracked *t)
{
    memset(t, 0, sizeof *t);
    return conntrack.len > 0 && mnl_attr_parse_payload(conntrack.at, conntrack.len, part_seen, t) >= 0 &&
           t->original.to.addr_len != 0 && t->reply.to.addr_len != 0;
}

/*
 * The client writes to one of the two places, and the server answers to the other. Which is which depends on who was seen
 * first (after `conntrack -F`, say, it may be the server), so they are put in order.
 */
uint32_t way_of_conntrack(struct bytes conntrack, const uint8_t key[static WAY_KEY_BYTES])
{
    struct tracked t;
    struct way w;
    memset(&w, 0, sizeof w);
    if (!read_tracked(conntrack, &t))
        return 0;
    bool swap = memcmp(&t.original.to, &t.reply.to, sizeof t.original.to) > 0;
    w.one = swap ? t.reply.to : t.original.to;
    w.other = swap ? t.original.to : t.reply.to;
    memcpy(w.zone, t.zone, sizeof w.zone);
    uint8_t hash[crypto_shorthash_BYTES];
    uint32_t way;
    crypto_shorthash(hash, (const uint8_t *)&w, sizeof w, key);
    memcpy(&way, hash, sizeof way);
    return way != 0 ? way : 1;
}

static bool endpoint_of(const struct place *p, struct endpoint *out)
{
    memset(out, 0, sizeof *out);
    out->addr.family = p->addr_len == 4 ? 4 : 6;
    memcpy(out->addr.at, p->addr, sizeof out->addr.at);
    out->port = (uint16_t)(p->port[0] << 8 | p->port[1]);
    return p->addr_len != 0;
}

/* From SYN_RECV to CLOSE: the client alone leads there, by FINs, ACKs and RSTs that needn't arrive. */
static bool may_live(uint8_t tcp_state)
{
    return tcp_state >= TCP_CONNTRACK_SYN_RECV && tcp_state <= TCP_CONNTRACK_CLOSE;
}

bool way_ends(struct bytes conntrack, struct endpoint *one, struct endpoint *other)
{
    struct tracked t;
    return read_tracked(conntrack, &t) && may_live(t.tcp_state) && endpoint_of(&t.original.from, one) &&
           endpoint_of(&t.reply.from, other);
}

/* ---- the table ---- */

struct each {
    way_take *take;
    void *ctx;
};

static int entry_seen(const struct nlmsghdr *head, void *ctx)
{
    const struct each *each = ctx;
    if (mnl_nlmsg_get_payload_len(head) > sizeof(struct nfgenmsg))
        each->take(each->ctx, bytes_of(mnl_nlmsg_get_payload_offset(head, sizeof(struct nfgenmsg)),
                                       mnl_nlmsg_get_payload_len(head) - sizeof(struct nfgenmsg)));
    return MNL_CB_OK;
}

static int ask_for_all(struct mnl_socket *nl, struct each *each)
{
    static uint8_t room[64 << 10] __attribute__((aligned(NLMSG_ALIGNTO)));
    const struct timeval patience = {.tv_sec = 1};
    struct nlmsghdr *head = mnl_nlmsg_put_header(room);
    head->nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET;
    head->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    head->nlmsg_seq = 1;
    struct nfgenmsg *gen = mnl_nlmsg_put_extra_header(head, sizeof *gen);
    *gen = (struct nfgenmsg){.nfgen_family = AF_UNSPEC, .version = NFNETLINK_V0};
    if (setsockopt(mnl_socket_get_fd(nl), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) < 0 ||
        mnl_socket_sendto(nl, head, head->nlmsg_len) < 0)
        return -errno;
    for (;;) {
        ssize_t n = mnl_socket_recvfrom(nl, room, sizeof room);
        int r = n <= 0 ? MNL_CB_ERROR : mnl_cb_run(room, (size_t)n, 1, mnl_socket_get_portid(nl), entry_seen, each);
        if (r != MNL_CB_OK)
            return r == MNL_CB_STOP ? 0 : errno != 0 ? -errno : -EIO;
    }
}

int way_each(way_take *take, void *ctx)
{
    struct each each = {take, ctx};
    struct mnl_socket *nl = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
    if (nl == NULL)
        return -errno;
    int r = mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0 ? -errno : ask_for_all(nl, &each);
    mnl_socket_close(nl);
    return r;
}
