// SPDX-License-Identifier: GPL-2.0-or-later
#include "kmod-free/tests/support_link.h"

#include "kmod-free/tests/support.h"

#include <stdlib.h>

static void need(bool holds, const char *why)
{
    if (holds)
        return;
    fprintf(stderr, "support_link: %s\n", why);
    abort();
}

static bool is_ipv6(struct bytes l3)
{
    return l3.len > 0 && l3.at[0] >> 4 == 6;
}

/* Behind `head` bytes of header that are in place already. */
static size_t behind(size_t head, struct bytes l3, uint8_t *out, size_t room)
{
    need(head + l3.len <= room, "no room for a frame");
    if (l3.len > 0)
        memcpy(out + head, l3.at, l3.len);
    return head + l3.len;
}

static void put_le32(uint8_t *at, uint32_t v)
{
    for (size_t i = 0; i < 4; i++)
        at[i] = (uint8_t)(v >> (8 * i));
}

static uint16_t ethertype(struct bytes l3)
{
    return is_ipv6(l3) ? 0x86dd : 0x0800;
}

static size_t wrap_ether(struct bytes l3, uint32_t mark, uint8_t *out, size_t room)
{
    (void)mark;
    return support_ethernet(l3, 0, out, room);
}

static size_t wrap_vlan(struct bytes l3, uint32_t mark, uint8_t *out, size_t room)
{
    (void)mark;
    return support_ethernet(l3, 1, out, room);
}

static size_t wrap_qinq(struct bytes l3, uint32_t mark, uint8_t *out, size_t room)
{
    (void)mark;
    return support_ethernet(l3, 2, out, room);
}

/* RFC 2516 session, then PPP's protocol number. */
static size_t wrap_pppoe(struct bytes l3, uint32_t mark, uint8_t *out, size_t room)
{
    (void)mark;
    need(room >= SUPPORT_LINK_ROOM, "no room for a frame");
    memset(out, 0, 22);
    support_put16(out + 12, 0x8864);
    out[14] = 0x11;
    support_put16(out + 16, 1);
    support_put16(out + 18, (uint16_t)(l3.len + 2));
    support_put16(out + 20, is_ipv6(l3) ? 0x0057 : 0x0021);
    return behind(22, l3, out, room);
}

static size_t wrap_raw(struct bytes l3, uint32_t mark, uint8_t *out, size_t room)
{
    (void)mark;
    return behind(0, l3, out, room);
}

/* The address family of the capturing host, in its byte order. */
static size_t wrap_null(struct bytes l3, uint32_t mark, uint8_t *out, size_t room)
{
    (void)mark;
    need(room >= SUPPORT_LINK_ROOM, "no room for a frame");
    put_le32(out, is_ipv6(l3) ? 30 : 2);
    return behind(4, l3, out, room);
}

static size_t wrap_loop(struct bytes l3, uint32_t mark, uint8_t *out, size_t room)
{
    (void)mark;
    need(room >= SUPPORT_LINK_ROOM, "no room for a frame");
    support_put32(out, is_ipv6(l3) ? 24 : 2);
    return behind(4, l3, out, room);
}

static size_t wrap_ppp(struct bytes l3, uint32_t mark, uint8_t *out, size_t room)
{
    (void)mark;
    need(room >= SUPPORT_LINK_ROOM, "no room for a frame");
    support_put16(out, 0xff03);
    support_put16(out + 2, is_ipv6(l3) ? 0x0057 : 0x0021);
    return behind(4, l3, out, room);
}

static size_t wrap_sll(struct bytes l3, uint32_t mark, uint8_t *out, size_t room)
{
    (void)mark;
    need(room >= SUPPORT_LINK_ROOM, "no room for a frame");
    memset(out, 0, 16);
    support_put16(out + 2, 1); /* ARPHRD_ETHER */
    support_put16(out + 4, 6);
    support_put16(out + 14, ethertype(l3));
    return behind(16, l3, out, room);
}

static size_t wrap_sll2(struct bytes l3, uint32_t mark, uint8_t *out, size_t room)
{
    (void)mark;
    need(room >= SUPPORT_LINK_ROOM, "no room for a frame");
    memset(out, 0, 20);
    support_put16(out, ethertype(l3));
    support_put32(out + 4, 2); /* interface index */
    support_put16(out + 8, 1);
    out[11] = 6;
    return behind(20, l3, out, room);
}

/* TLVs with length and type in the host's byte order (little-endian, as support_pcap_start says), values in network
 * order. */
static void put_tlv_head(uint8_t *at, size_t len, uint16_t type)
{
    at[0] = (uint8_t)len;
    at[1] = (uint8_t)(len >> 8);
    at[2] = (uint8_t)type;
    at[3] = (uint8_t)(type >> 8);
}

static size_t wrap_nflog(struct bytes l3, uint32_t mark, uint8_t *out, size_t room)
{
    need(room >= SUPPORT_LINK_ROOM, "no room for a frame");
    memset(out, 0, 28);
    out[0] = is_ipv6(l3) ? 10 : 2; /* AF_INET6, AF_INET of Linux */
    put_tlv_head(out + 4, 8, 1);   /* NFULA_PACKET_HDR */
    support_put16(out + 8, ethertype(l3));
    out[10] = 2;                  /* NF_INET_FORWARD */
    put_tlv_head(out + 12, 8, 2); /* NFULA_MARK */
    support_put32(out + 16, mark);
    put_tlv_head(out + 20, 4 + l3.len, 9); /* NFULA_PAYLOAD */
    return behind(24, l3, out, room);
}

static const struct support_link links[] = {
    {"ether", 1, wrap_ether}, {"vlan", 1, wrap_vlan},   {"qinq", 1, wrap_qinq},     {"pppoe", 1, wrap_pppoe},
    {"raw", 101, wrap_raw},   {"null", 0, wrap_null},   {"loop", 108, wrap_loop},   {"ppp", 9, wrap_ppp},
    {"sll", 113, wrap_sll},   {"sll2", 276, wrap_sll2}, {"nflog", 239, wrap_nflog},
};

const struct support_link *support_link_at(size_t i)
{
    return i < sizeof links / sizeof links[0] ? &links[i] : NULL;
}

const struct support_link *support_link_named(const char *name)
{
    for (size_t i = 0; i < sizeof links / sizeof links[0]; i++)
        if (strcmp(links[i].name, name) == 0)
            return &links[i];
    return NULL;
}

size_t support_fragment(struct bytes l3, size_t most, uint32_t id, size_t i, uint8_t *out, size_t room)
{
    size_t head = is_ipv6(l3) ? 40 : (size_t)(l3.at[0] & 15) * 4;
    size_t at = i * most, put = is_ipv6(l3) ? 48 : head;
    struct bytes data = bytes_first(bytes_from(bytes_from(l3, head), at), most);
    bool more = head + at + most < l3.len;

    need(most > 0 && most % 8 == 0, "a fragment's size must be a multiple of 8");
    if (data.len == 0)
        return 0;
    need(put + data.len <= room, "no room for a fragment");
    memcpy(out, l3.at, head);
    if (is_ipv6(l3)) {
        support_put16(out + 4, (uint16_t)(8 + data.len));
        out[40] = out[6];
        out[6] = 44;
        out[41] = 0;
        support_put16(out + 42, (uint16_t)(at | more));
        support_put32(out + 44, id);
    } else {
        support_put16(out + 2, (uint16_t)(head + data.len));
        support_put16(out + 4, (uint16_t)id);
        support_put16(out + 6, (uint16_t)(at / 8 | (more ? 0x2000 : 0)));
        support_put16(out + 10, 0);
        support_put16(out + 10, support_csum(0, bytes_of(out, head)));
    }
    return behind(put, data, out, room);
}
