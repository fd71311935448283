// SPDX-License-Identifier: GPL-2.0-or-later
#include "kmod-free/link.h"

#include <endian.h>

/* LINKTYPE_ values; raw IP also has the DLT_ values that libpcap hands out for it. */
enum {
    LINK_NULL = 0,
    LINK_ETHERNET = 1,
    LINK_PPP = 9,
    LINK_RAW_DLT = 12,
    LINK_RAW_DLT_OPENBSD = 14,
    LINK_PPPOE = 51,
    LINK_RAW = 101,
    LINK_LOOP = 108,
    LINK_LINUX_SLL = 113,
    LINK_IPV4 = 228,
    LINK_IPV6 = 229,
    LINK_NFLOG = 239,
    LINK_LINUX_SLL2 = 276,
};

enum {
    ETHERTYPE_IPV4 = 0x0800,
    ETHERTYPE_VLAN = 0x8100,
    ETHERTYPE_IPV6 = 0x86dd,
    ETHERTYPE_PPPOE_DISCOVERY = 0x8863,
    ETHERTYPE_PPPOE_SESSION = 0x8864,
    ETHERTYPE_VLAN_SERVICE = 0x88a8,
    ETHERTYPE_VLAN_OLD_1 = 0x9100, /* before 802.1ad gave the service tag its number */
    ETHERTYPE_VLAN_OLD_2 = 0x9200,
    ETHERTYPE_VLAN_OLD_3 = 0x9300,
};

enum {
    PPP_IPV4 = 0x0021,
    PPP_IPV6 = 0x0057,
};

/* AF_INET6 differs between systems, and the capture was made on any of them. */
enum {
    FAMILY_IPV4 = 2,
    FAMILY_IPV6_LINUX = 10,
    FAMILY_IPV6_WINDOWS = 23,
    FAMILY_IPV6_NETBSD = 24, /* and OpenBSD */
    FAMILY_IPV6_FREEBSD = 28,
    FAMILY_IPV6_DARWIN = 30,
};

enum {
    NFULA_PACKET_HDR = 1,
    NFULA_MARK = 2,
    NFULA_PAYLOAD = 9,
};

/* The rest of the frame is an IP packet; version 0: either one. */
static enum link_result found(struct bytes rest, unsigned version, struct link_packet *out)
{
    struct bytes peek = rest;
    uint8_t first;

    if (!take_u8(&peek, &first))
        return LINK_BROKEN;
    if (version == 0 ? first >> 4 != 4 && first >> 4 != 6 : first >> 4 != version)
        return LINK_BROKEN;
    out->l3 = rest;
    return LINK_IP;
}

/* PPP's protocol field (RFC 1661 2), which may be compressed to one byte: only the last byte of it is odd. */
static enum link_result strip_ppp_protocol(struct bytes rest, struct link_packet *out)
{
    uint8_t high, low;

    if (!take_u8(&rest, &high))
        return LINK_BROKEN;
    low = high;
    if ((high & 1) != 0)
        high = 0;
    else if (!take_u8(&rest, &low))
        return LINK_BROKEN;
    if (high != 0)
        return LINK_OTHER;
    if (low == PPP_IPV4)
        return found(rest, 4, out);
    return low == PPP_IPV6 ? found(rest, 6, out) : LINK_OTHER;
}

static enum link_result strip_ppp(struct bytes rest, struct link_packet *out)
{
    struct bytes framed = rest;
    uint16_t address_control;

    if (take_be16(&framed, &address_control) && address_control == 0xff03)
        rest = framed;
    return strip_ppp_protocol(rest, out);
}

static enum link_result strip_pppoe(struct bytes rest, struct link_packet *out)
{
    uint8_t version_type, code;
    uint16_t session, len;

    if (!take_u8(&rest, &version_type) || !take_u8(&rest, &code) || !take_be16(&rest, &session) ||
        !take_be16(&rest, &len))
        return LINK_BROKEN;
    if (version_type != 0x11 || code != 0) /* RFC 2516 4: sessions have code 0 */
        return LINK_OTHER;
    keep_first(&rest, len);
    return strip_ppp_protocol(rest, out);
}

/* From behind an EtherType. Each tag takes four bytes, so the frame's length bounds the loop. */
static enum link_result strip_ethertype(uint16_t type, struct bytes rest, struct link_packet *out)
{
    uint16_t tag;

    for (;;) {
        switch (type) {
        case ETHERTYPE_IPV4:
            return found(rest, 4, out);
        case ETHERTYPE_IPV6:
            return found(rest, 6, out);
        case ETHERTYPE_PPPOE_SESSION:
            return strip_pppoe(rest, out);
        case ETHERTYPE_VLAN:
        case ETHERTYPE_VLAN_SERVICE:
        case ETHERTYPE_VLAN_OLD_1:
        case ETHERTYPE_VLAN_OLD_2:
        case ETHERTYPE_VLAN_OLD_3:
            if (!take_be16(&rest, &tag) || !take_be16(&rest, &type))
                return LINK_BROKEN;
            break;
        default: /* PPPoE discovery, ARP, 802.3 lengths, ... */
            return LINK_OTHER;
        }
    }
}

static enum link_result strip_ethernet(struct bytes rest, struct link_packet *out)
{
    uint16_t type;

    if (!take_skip(&rest, 12) || !take_be16(&rest, &type))
        return LINK_BROKEN;
    return strip_ethertype(type, rest, out);
}

static enum link_result strip_sll(struct bytes rest, struct link_packet *out)
{
    uint16_t type;

    if (!take_skip(&rest, 14) || !take_be16(&rest, &type))
        return LINK_BROKEN;
    return strip_ethertype(type, rest, out);
}

static enum link_result strip_sll2(struct bytes rest, struct link_packet *out)
{
    uint16_t type;

    if (!take_be16(&rest, &type) || !take_skip(&rest, 18))
        return LINK_BROKEN;
    return strip_ethertype(type, rest, out);
}

static enum link_result strip_null(struct bytes rest, struct link_packet *out)
{
    uint32_t family;

    if (!take_be32(&rest, &family))
        return LINK_BROKEN;
    if (family > 0xffff) /* written by a machine of the other byte order: all families are small numbers */
        family = family >> 24 | (family >> 8 & 0xff00) | (family & 0xff00) << 8 | family << 24;
    switch (family) {
    case FAMILY_IPV4:
        return found(rest, 4, out);
    case FAMILY_IPV6_LINUX:
    case FAMILY_IPV6_WINDOWS:
    case FAMILY_IPV6_NETBSD:
    case FAMILY_IPV6_FREEBSD:
    case FAMILY_IPV6_DARWIN:
        return found(rest, 6, out);
    default:
        return LINK_OTHER;
    }
}

/* A number in the byte order of this machine, to which libpcap turns NFLOG's lengths and types. */
RW_CHECK static bool take_host16(struct bytes *b, uint16_t *out)
{
    bool taken = take_be16(b, out);

    *out = htobe16(*out); /* swaps only where be16 was the wrong order */
    return taken;
}

/*
 * One attribute: length (itself included), type, value, filled up to whole words. A payload
 * that runs past the end is what the capture's snaplen left of it.
 */
RW_CHECK static bool take_nflog(struct bytes *rest, uint16_t *type, struct bytes *value)
{
    uint16_t len;

    if (!take_host16(rest, &len) || !take_host16(rest, type) || len < 4)
        return false;
    if (*type == NFULA_PAYLOAD && rest->len < len - 4u)
        len = (uint16_t)(rest->len + 4);
    if (!take_raw(rest, len - 4u, value))
        return false;
    *rest = bytes_from(*rest, (4 - len % 4u) % 4);
    return true;
}

static enum link_result strip_nflog(struct bytes rest, struct link_packet *out)
{
    struct bytes value, payload = {0};
    bool has_payload = false;
    uint8_t family, version;
    uint16_t resource, type, protocol = 0;

    if (!take_u8(&rest, &family) || !take_u8(&rest, &version) || !take_be16(&rest, &resource))
        return LINK_BROKEN;
    while (rest.len > 0) { /* at least four bytes shorter each time */
        if (!take_nflog(&rest, &type, &value))
            return LINK_BROKEN;
        if (type == NFULA_MARK) {
            out->has_mark = take_be32(&value, &out->mark);
        } else if (type == NFULA_PACKET_HDR) {
            if (!take_be16(&value, &protocol))
                return LINK_BROKEN;
        } else if (type == NFULA_PAYLOAD) {
            payload = value;
            has_payload = true;
        }
    }
    if (!has_payload)
        return LINK_OTHER;
    out->maybe_cut = true;
    switch (family) {
    case FAMILY_IPV4:
        return found(payload, 4, out);
    case FAMILY_IPV6_LINUX:
        return found(payload, 6, out);
    default: /* the bridge family and the like say more in the packet header attribute */
        return strip_ethertype(protocol, payload, out);
    }
}

static enum link_result strip_raw(struct bytes rest, struct link_packet *out)
{
    return found(rest, 0, out);
}

static enum link_result strip_ipv4(struct bytes rest, struct link_packet *out)
{
    return found(rest, 4, out);
}

static enum link_result strip_ipv6(struct bytes rest, struct link_packet *out)
{
    return found(rest, 6, out);
}

static const struct {
    uint32_t linktype;
    enum link_result (*strip)(struct bytes rest, struct link_packet *out);
} links[] = {
    /* the usual ones first: looked for with each packet */
    {LINK_ETHERNET, strip_ethernet}, {LINK_RAW_DLT, strip_raw},         {LINK_RAW, strip_raw},
    {LINK_LINUX_SLL, strip_sll},     {LINK_LINUX_SLL2, strip_sll2},     {LINK_NFLOG, strip_nflog},
    {LINK_NULL, strip_null},         {LINK_PPP, strip_ppp},             {LINK_RAW_DLT_OPENBSD, strip_raw},
    {LINK_PPPOE, strip_pppoe},       {LINK_LOOP, strip_null},           {LINK_IPV4, strip_ipv4},
    {LINK_IPV6, strip_ipv6},
};

enum link_result link_strip(uint32_t linktype, struct bytes raw, struct link_packet *out)
{
    *out = (struct link_packet){0};
    for (size_t i = 0; i < sizeof links / sizeof links[0]; i++)
        if (links[i].linktype == linktype)
            return links[i].strip(raw, out);
    return LINK_UNKNOWN;
}

bool link_known(uint32_t linktype)
{
    for (size_t i = 0; i < sizeof links / sizeof links[0]; i++)
        if (links[i].linktype == linktype)
            return true;
    return false;
}
