/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nfq/attrs.h"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/if_ether.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <sys/socket.h>

/* Where the attributes begin; both headers are multiples of NLA_ALIGNTO already. */
#define ATTRS_AT (sizeof(struct nlmsghdr) + sizeof(struct nfgenmsg))

struct found {
    const struct nlattr *of[NFQA_MAX + 1];
    const uint8_t *end; /* behind the last attribute that was looked at */
    bool bad;
};

/* The size that the payload of an attribute must have; 0: we don't look at it. */
static size_t exact_size(uint16_t type)
{
    switch (type) {
    case NFQA_PACKET_HDR:
        return sizeof(struct nfqnl_msg_packet_hdr);
    case NFQA_MARK:
    case NFQA_CAP_LEN:
    case NFQA_SKB_INFO:
    case NFQA_IFINDEX_INDEV:
    case NFQA_IFINDEX_OUTDEV:
    case NFQA_IFINDEX_PHYSINDEV:
    case NFQA_IFINDEX_PHYSOUTDEV:
        return sizeof(uint32_t);
    default: /* the kernel's enum, not ours */
        return 0;
    }
}

static int attr_seen(const struct nlattr *attr, void *ctx)
{
    struct found *found = ctx;
    uint16_t type = mnl_attr_get_type(attr);
    found->end = (const uint8_t *)attr + mnl_attr_get_len(attr);
    size_t size = exact_size(type);
    if (size == 0 && type != NFQA_PAYLOAD && type != NFQA_CT)
        return MNL_CB_OK;
    if (found->of[type] != NULL || (size != 0 && mnl_attr_get_payload_len(attr) != size))
        found->bad = true; /* the first one stays, for the id's sake */
    else
        found->of[type] = attr;
    return MNL_CB_OK;
}

static uint32_t be32_of(const struct nlattr *attr)
{
    uint32_t raw;
    memcpy(&raw, mnl_attr_get_payload(attr), sizeof raw);
    return ntohl(raw);
}

/* Do family, Ethernet type, hook and the first byte of the packet tell the same story? */
static bool story_fits(uint8_t family, uint16_t ether_type, uint8_t hook, struct bytes l3)
{
    uint8_t version = l3.at[0] >> 4;
    if (hook >= NF_INET_NUMHOOKS)
        return false;
    switch (family) {
    case NFPROTO_IPV4: /* older kernels fill in the type only behind the OUTPUT hook */
        return version == 4 && (ether_type == ETH_P_IP || ether_type == 0);
    case NFPROTO_IPV6:
        return version == 6 && (ether_type == ETH_P_IPV6 || ether_type == 0);
    case NFPROTO_BRIDGE: /* a VLAN tag in front of the IP header, say, has another type */
        return (version == 4 && ether_type == ETH_P_IP) || (version == 6 && ether_type == ETH_P_IPV6);
    default: /* the kernel's enum, not ours */
        return false;
    }
}

/* The two fixed headers. */
static bool heads_fit(struct bytes message, struct nfgenmsg *gen)
{
    struct nlmsghdr head;
    if (message.len < ATTRS_AT)
        return false;
    memcpy(&head, message.at, sizeof head);
    memcpy(gen, message.at + sizeof head, sizeof *gen);
    return head.nlmsg_len == message.len && head.nlmsg_type == (NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_PACKET) &&
           gen->version == NFNETLINK_V0;
}

/* A bridge's port, where the packet goes by one; else the interface. 0: the kernel names none. */
static uint32_t interface_of(const struct found *found, uint16_t port, uint16_t interface)
{
    if (found->of[port] != NULL)
        return be32_of(found->of[port]);
    return found->of[interface] != NULL ? be32_of(found->of[interface]) : 0;
}

enum queued_result queued_of_message(struct bytes message, const struct marks *m, struct queued *out)
{
    memset(out, 0, sizeof *out);
    struct nfgenmsg gen;
    if (!heads_fit(message, &gen))
        return QUEUED_LOST;
    struct bytes attrs = bytes_from(message, ATTRS_AT);
    struct found found = {.end = attrs.at};
    if (attrs.len == 0 || mnl_attr_parse_payload(attrs.at, attrs.len, attr_seen, &found) < 0)
        return QUEUED_LOST;
    if (found.of[NFQA_PACKET_HDR] == NULL)
        return QUEUED_LOST;

    struct nfqnl_msg_packet_hdr packet;
    memcpy(&packet, mnl_attr_get_payload(found.of[NFQA_PACKET_HDR]), sizeof packet);
    out->id = ntohl(packet.packet_id);
    out->queue = ntohs(gen.res_id);
    out->hook = packet.hook;
    /* libmnl stops without a word at an attribute that doesn't fit: padding may be left, nothing else */
    const uint8_t *tail = attrs.at + attrs.len;
    if (found.bad || tail - found.end >= MNL_ALIGNTO || found.of[NFQA_PAYLOAD] == NULL)
        return QUEUED_BAD;

    struct bytes l3 =
        bytes_of(mnl_attr_get_payload(found.of[NFQA_PAYLOAD]), mnl_attr_get_payload_len(found.of[NFQA_PAYLOAD]));
    if (l3.len == 0 || !story_fits(gen.nfgen_family, ntohs(packet.hw_protocol), packet.hook, l3))
        return QUEUED_BAD;
    if (found.of[NFQA_CAP_LEN] != NULL) {
        uint32_t whole = be32_of(found.of[NFQA_CAP_LEN]);
        if (whole < l3.len)
            return QUEUED_BAD;
        out->frame.cut = whole > l3.len;
    }
    if (found.of[NFQA_MARK] != NULL)
        out->mark = be32_of(found.of[NFQA_MARK]);
    uint32_t info = found.of[NFQA_SKB_INFO] != NULL ? be32_of(found.of[NFQA_SKB_INFO]) : 0;
    out->gso = (info & NFQA_SKB_GSO) != 0;
    if (found.of[NFQA_CT] != NULL)
        out->conntrack =
            bytes_of(mnl_attr_get_payload(found.of[NFQA_CT]), mnl_attr_get_payload_len(found.of[NFQA_CT]));
    out->frame.csum = (info & NFQA_SKB_CSUMNOTREADY) != 0 ? CSUM_TRUSTED : CSUM_VERIFY;
    out->frame.l3 = l3;
    out->frame.tag = marks_tag(m, out->mark);
    out->frame.in = interface_of(&found, NFQA_IFINDEX_PHYSINDEV, NFQA_IFINDEX_INDEV);
    out->frame.out = interface_of(&found, NFQA_IFINDEX_PHYSOUTDEV, NFQA_IFINDEX_OUTDEV);
    return QUEUED_OK;
}

bool queued_answer(struct bytes message, uint8_t type, uint32_t seq, int *error)
{
    struct {
        struct nlmsghdr head;
        struct nlmsgerr error;
    } m;
    if (message.len < sizeof m)
        return false;
    memcpy(&m, message.at, sizeof m);
    *error = m.error.error;
    return m.head.nlmsg_type == NLMSG_ERROR && m.error.msg.nlmsg_type == (NFNL_SUBSYS_QUEUE << 8 | type) &&
           m.error.msg.nlmsg_seq == seq;
}
