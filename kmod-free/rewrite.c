// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Theory of operation
 *
 * All rewrites copy everything in front of the TCP header as it is (newer kernels
 * refuse a verdict that changes IP options or extension headers), then write TCP and
 * put right the IP length, the IPv4 header checksum and the TCP checksum.
 *
 * Refused (0) is what could only go out wrong: a packet that isn't whole, a length that
 * the IP header can't tell, an IPv6 packet without a length (its Jumbo Payload option
 * would contradict the new one), urgent data in a clip (the pointer may lie behind it).
 */
#include "kmod-free/rewrite.h"

#define LENGTH_MAX 65535
#define IP6_HEADER 40
#define TCP_HEADER 20

/* Offsets in the TCP header (RFC 9293 3.1). */
enum {
    AT_SEQ = 4,
    AT_ACK = 8,
    AT_OFFSET = 12,
    AT_FLAGS = 13,
    AT_WINDOW = 14,
    AT_CSUM = 16,
    AT_URGENT = 18,
};

/* Stands in for bytes that the receiver has already. Should one ever be read all the same, it is no command. */
#define PAD_BYTE '#'

static void put16(uint8_t *at, uint32_t v)
{
    at[0] = (uint8_t)(v >> 8);
    at[1] = (uint8_t)v;
}

static void put32(uint8_t *at, uint32_t v)
{
    put16(at, v >> 16);
    put16(at + 2, v & 0xffff);
}

/* Is p, decoded from l3, a packet that can be written anew, and is all of it there? */
RW_CHECK static bool rewritable(struct bytes l3, const struct packet *p)
{
    bool v4 = p->src.addr.family == 4;
    struct bytes length = bytes_from(l3, 4);
    uint16_t told;

    if (p->l4_at < (v4 ? 20 : IP6_HEADER) || p->payload_at < p->l4_at + TCP_HEADER)
        return false;
    if (p->payload.len != p->wire_len || l3.len < p->payload_at || l3.len - p->payload_at < p->payload.len)
        return false;
    return v4 || (take_be16(&length, &told) && told != 0);
}

/* Puts lengths and checksums right for a packet of len bytes. */
static void seal(uint8_t *out, size_t len, const struct packet *p)
{
    uint8_t *tcp = out + p->l4_at;
    uint32_t l4_len = (uint32_t)(len - p->l4_at);
    uint32_t sum;

    if (p->src.addr.family == 4) {
        put16(out + 2, (uint32_t)len);
        put16(out + 10, 0);
        put16(out + 10, (uint16_t)~csum_fold(csum_add(0, bytes_of(out, p->l4_at))));
    } else {
        put16(out + 4, (uint32_t)len - IP6_HEADER);
    }
    put16(tcp + AT_CSUM, 0);
    sum = csum_pseudo(&p->src.addr, &p->dst.addr, l4_len);
    put16(tcp + AT_CSUM, (uint16_t)~csum_fold(csum_add(sum, bytes_of(tcp, l4_len))));
}

/* Does a packet of len bytes fit into the room and into its own length field? */
RW_CHECK static bool fits(const struct packet *p, size_t len, size_t room)
{
    return len <= room && len <= (p->src.addr.family == 4 ? LENGTH_MAX : LENGTH_MAX + IP6_HEADER);
}

size_t rewrite_reset(struct bytes l3, const struct packet *p, struct seq seq, struct seq ack, bool keep_len,
                     uint8_t *out, size_t room)
{
    size_t head = (size_t)p->l4_at + TCP_HEADER;
    size_t len = keep_len ? (size_t)p->payload_at + p->wire_len : head;
    uint8_t *tcp;

    if (!rewritable(l3, p) || !fits(p, len, room))
        return 0;
    memcpy(out, l3.at, (size_t)p->l4_at + AT_SEQ); /* up to and with the ports */
    tcp = out + p->l4_at;
    memset(tcp + AT_SEQ, 0, len - p->l4_at - AT_SEQ);
    put32(tcp + AT_SEQ, seq.v);
    put32(tcp + AT_ACK, ack.v);
    tcp[AT_OFFSET] = TCP_HEADER / 4 << 4;
    tcp[AT_FLAGS] = TCP_RST | TCP_ACK;
    seal(out, len, p);
    return len;
}

size_t rewrite_clip(struct bytes l3, const struct packet *p, size_t keep, size_t pad, uint8_t *out, size_t room)
{
    size_t head = p->payload_at;
    uint8_t *tcp;

    if (!rewritable(l3, p) || (p->flags & TCP_URG) != 0 || keep > p->payload.len || pad > LENGTH_MAX)
        return 0;
    if (pad > 0 && (p->flags & TCP_SYN) != 0) /* there is no sequence space before a SYN */
        return 0;
    if (!fits(p, head + pad + keep, room))
        return 0;
    memcpy(out, l3.at, head);
    memset(out + head, PAD_BYTE, pad);
    if (keep > 0)
        memcpy(out + head + pad, p->payload.at, keep);
    tcp = out + p->l4_at;
    put32(tcp + AT_SEQ, p->seq.v - (uint32_t)pad);
    tcp[AT_FLAGS] &= (uint8_t) ~(TCP_FIN | TCP_PSH);
    seal(out, head + pad + keep, p);
    return head + pad + keep;
}

/* kind, len and len - 2 bytes, but for two kinds of one byte (RFC 9293 3.1); behind what can't be read nobody reads on. */
static void blank_multipath(uint8_t *options, size_t len)
{
    enum { END = 0, NOP = 1, MULTIPATH = 30 };
    for (size_t at = 0, size; at < len && options[at] != END; at += size) {
        size = 1;
        if (options[at] == NOP)
            continue;
        if (len - at < 2 || options[at + 1] < 2 || options[at + 1] > len - at)
            return;
        size = options[at + 1];
        if (options[at] == MULTIPATH)
            memset(options + at, NOP, size);
    }
}

size_t rewrite_single_path(struct bytes l3, const struct packet *p, uint8_t *out, size_t room)
{
    size_t head = (size_t)p->l4_at + TCP_HEADER, len = (size_t)p->payload_at + p->payload.len;

    if (!rewritable(l3, p) || !fits(p, len, room))
        return 0;
    memcpy(out, l3.at, len);
    blank_multipath(out + head, p->payload_at - head);
    seal(out, len, p);
    return len;
}

uint8_t rewrite_refused_byte(uint32_t from, uint32_t command)
{
    static const char head[] = "RCPT TO:<";

    if (from < sizeof head - 1)
        return (uint8_t)head[from];
    return from + 1 == command ? '>' : '@';
}

size_t rewrite_refuse(struct bytes l3, const struct packet *p, size_t keep, size_t pad,
                      const struct rewrite_patch *patches, size_t count, uint8_t *out, size_t room)
{
    bool whole = keep == p->payload.len;
    size_t len = (size_t)p->payload_at + p->payload.len;

    if (!whole)
        len = rewrite_clip(l3, p, keep, pad, out, room);
    else if (!rewritable(l3, p) || !fits(p, len, room))
        return 0;
    else
        memcpy(out, l3.at, len);
    if (len == 0)
        return 0;
    uint8_t *payload = out + len - keep;
    for (size_t i = 0; i < count; i++) {
        const struct rewrite_patch *patch = &patches[i];
        if (patch->at > keep || patch->len > keep - patch->at)
            return 0;
        for (uint32_t b = 0; b < patch->len; b++)
            payload[patch->at + b] = rewrite_refused_byte(patch->from + b, patch->command);
    }
    seal(out, len, p);
    return len;
}
