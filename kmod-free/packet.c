// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Theory of operation
 *
 * IP first: each version's decoder finds how long the packet really is (padding cut,
 * or the rest missing because the capture was cut), walks to the transport header and
 * leaves a struct transport. TCP then reads from that alone. All offsets are made
 * from lengths that the checked reader gave out, never added up from wire fields.
 *
 * What an attacker can try: lengths that lie in either direction (BROKEN, a receiver
 * drops them too), endless extension headers (EXT_MAX), a transport header that only
 * some receivers find (Hop-by-Hop Options in the wrong place: BROKEN, not OTHER, as a
 * front end lets OTHER pass), a checksum that only some receivers look at (S5).
 */
#include "kmod-free/packet.h"

#include <endian.h>

/* Protocol numbers (IANA), as far as they lead to TCP. */
enum {
    PROTO_HOP_BY_HOP = 0,
    PROTO_TCP = 6,
    PROTO_ROUTING = 43,
    PROTO_FRAGMENT = 44,
    PROTO_AH = 51,
    PROTO_DEST_OPTIONS = 60,
};

#define EXT_MAX    16 /* IPv6 extension headers in one packet: real ones have one or two */
#define IP4_HEADER 20
#define IP6_HEADER 40
#define TCP_HEADER 20
#define LENGTH_MAX 65535      /* what fits the length fields */
#define JUMBO_MAX  (1u << 20) /* superpackets end at 512 KiB; the rest of the engine counts on far less than 2^31 */

#define IP4_MORE      0x2000
#define IP4_OFFSET    0x1fff
#define IP6_MORE      0x0001
#define IP6_OFFSET    0xfff8
#define IP6_OPT_PAD1  0x00
#define IP6_OPT_JUMBO 0xc2

enum {
    TCPOPT_END = 0,
    TCPOPT_NOP = 1,
    TCPOPT_MSS = 2,
    TCPOPT_WINDOW = 3,
    TCPOPT_TIMESTAMP = 8,
    TCPOPT_MULTIPATH = 30,
};
#define WINDOW_SHIFT_MAX 14 /* RFC 7323 2.3 */

/* What IP hands to TCP. */
struct transport {
    struct bytes l4;   /* as far as the capture kept it, without padding */
    uint32_t wire_len; /* of l4 on the wire */
};

/* Checksums */

static uint64_t word_at(const uint8_t *at)
{
    uint64_t word;

    memcpy(&word, at, sizeof word);
    return word;
}

/* Ones' complement addition of 8 bytes at once (RFC 1071 2 (C)): what is carried is added in the end. */
struct sum {
    uint64_t low, carried;
};

static struct sum sum_word(struct sum s, uint64_t word)
{
    s.low += word;
    s.carried += s.low < word;
    return s;
}

/* b in the machine's own byte order, which RFC 1071 2 (B) allows. Only the last run added may have an odd length. */
static struct sum sum_bytes(struct sum s, struct bytes b)
{
    const uint8_t *at = b.at;
    struct sum other = {0}; /* so that one needn't wait for the other */
    size_t left = b.len;
    uint32_t four;
    uint16_t two;

    for (; left >= 32; left -= 32, at += 32) {
        s = sum_word(s, word_at(at));
        other = sum_word(other, word_at(at + 8));
        s = sum_word(s, word_at(at + 16));
        other = sum_word(other, word_at(at + 24));
    }
    if (left & 16) {
        s = sum_word(s, word_at(at));
        other = sum_word(other, word_at(at + 8));
        at += 16;
    }
    if (left & 8) {
        s = sum_word(s, word_at(at));
        at += 8;
    }
    if (left & 4) {
        memcpy(&four, at, sizeof four);
        s = sum_word(s, four);
        at += 4;
    }
    if (left & 2) {
        memcpy(&two, at, sizeof two);
        s = sum_word(s, two);
        at += 2;
    }
    if (left & 1) {
        two = 0;
        memcpy(&two, at, 1);
        s = sum_word(s, two);
    }
    s = sum_word(s, other.low);
    s.carried += other.carried;
    return s;
}

static uint16_t sum_fold(struct sum s)
{
    uint64_t sum = (s.low & UINT32_MAX) + (s.low >> 32) + s.carried;

    sum = (sum & 0xffff) + (sum >> 16); /* at most 18 bits */
    return csum_fold((uint32_t)sum);
}

uint32_t csum_add(uint32_t sum, struct bytes b)
{
    uint64_t all = (uint64_t)sum + be16toh(sum_fold(sum_bytes((struct sum){0}, b)));

    return (uint32_t)((all & UINT32_MAX) + (all >> 32));
}

uint16_t csum_fold(uint32_t sum)
{
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)sum;
}

uint32_t csum_pseudo(const struct ip_addr *src, const struct ip_addr *dst, uint32_t l4_len)
{
    uint32_t sum = PROTO_TCP + (l4_len >> 16) + (l4_len & 0xffff);
    size_t len = src->family == 4 ? 4 : 16;

    for (size_t i = 0; i < len; i += 2)
        sum += (uint32_t)(src->at[i] << 8 | src->at[i + 1]) + (uint32_t)(dst->at[i] << 8 | dst->at[i + 1]);
    return sum;
}

/* Addresses */

RW_CHECK static inline bool take_addr(struct bytes *b, uint8_t family, struct ip_addr *out)
{
    const size_t len = family == 4 ? 4 : 16;
    struct bytes raw;

    if (!take_raw(b, len, &raw))
        return false;
    out->family = family;
    memcpy(out->at, raw.at, len);
    return true;
}

/* Lengths */

/* May a length field of 0 stand for the frame's own length? Off the wire, no receiver takes such a packet. */
static bool length_is_frames(const struct frame *f)
{
    return !f->cut && f->csum == CSUM_CAPTURE;
}

/* Cuts the frame to the length that its header tells. false: it tells more than there is. */
RW_CHECK static bool fit_length(const struct frame *f, size_t told, struct bytes *whole)
{
    *whole = bytes_first(f->l3, told);
    return told <= JUMBO_MAX && (told <= f->l3.len || f->cut);
}

static enum packet_result fragment_of(struct packet *out, struct bytes data, size_t wire_len)
{
    out->fragment.data = data;
    out->wire_len = (uint32_t)wire_len;
    return PACKET_FRAGMENT;
}

/* IPv4 */

/* Of the options that routers write into (RFC 791 3.1). */
#define IP4_OPT_END    0
#define IP4_OPT_NOP    1
#define IP4_OPT_RECORD 7
#define IP4_OPT_TIME   68

static bool routers_write(struct bytes options)
{
    struct bytes value;
    uint8_t kind, len;

    while (take_u8(&options, &kind) && kind != IP4_OPT_END) { /* at least one byte shorter each time */
        if (kind == IP4_OPT_RECORD || kind == IP4_OPT_TIME)
            return true;
        if (kind == IP4_OPT_NOP)
            continue;
        if (!take_u8(&options, &len) || len < 2 || !take_raw(&options, len - 2U, &value))
            return false;
    }
    return false;
}

/*
 * A Record Route or Timestamp option the kernel writes into when a packet comes in, and sums up again when it leaves:
 * at the queue, in between, the sum is the one that it came with and was found right by. (A bridge's packets nobody has
 * looked at. There a copy that no receiver takes may count here, as one may that is lost behind us: S1.)
 */
static bool header_sum_good(struct bytes head)
{
    return sum_fold(sum_bytes((struct sum){0}, head)) == 0xffff || routers_write(bytes_from(head, IP4_HEADER));
}

static enum packet_result decode_ipv4(const struct frame *f, struct packet *out, struct transport *l4)
{
    struct bytes rest = f->l3, fixed, whole, head;
    uint8_t first, tos, protocol;
    uint16_t told, id, place, csum;
    size_t head_len, wire;

    /* The fixed part first: after that no field's own check costs anything. */
    if (!take_raw(&rest, IP4_HEADER, &fixed) || !take_u8(&fixed, &first) || !take_u8(&fixed, &tos) ||
        !take_be16(&fixed, &told) || !take_be16(&fixed, &id) || !take_be16(&fixed, &place) ||
        !take_u8(&fixed, &out->ttl) || !take_u8(&fixed, &protocol) || !take_be16(&fixed, &csum) ||
        !take_addr(&fixed, 4, &out->src.addr) || !take_addr(&fixed, 4, &out->dst.addr))
        return PACKET_BROKEN;

    head_len = (size_t)(first & 0x0f) * 4;
    wire = told == 0 && length_is_frames(f) ? f->l3.len : told;
    if (head_len < IP4_HEADER || !fit_length(f, wire, &whole))
        return PACKET_BROKEN;
    rest = whole;
    if (!take_raw(&rest, head_len, &head))
        return PACKET_BROKEN;
    /* A capture's own outgoing packets may have none yet, and every receiver on the way looked at it. */
    if (f->csum == CSUM_VERIFY && !header_sum_good(head))
        return PACKET_BROKEN;

    /* Every piece names the protocol, and receivers sort pieces by it (RFC 791 3.2). */
    if (protocol != PROTO_TCP)
        return PACKET_OTHER;
    if ((place & (IP4_MORE | IP4_OFFSET)) != 0) {
        out->fragment = (struct fragment){
            .id = id,
            .protocol = protocol,
            .offset = (uint32_t)(place & IP4_OFFSET) * 8,
            .more = (place & IP4_MORE) != 0,
            .head_len = (uint16_t)head_len,
            .named_at = 9,
        };
        return fragment_of(out, rest, wire - head_len);
    }
    out->l4_at = (uint16_t)head_len;
    *l4 = (struct transport){.l4 = rest, .wire_len = (uint32_t)(wire - head_len)};
    return PACKET_TCP;
}

/* IPv6 */

/*
 * Looks for the Jumbo Payload option (RFC 2675 2) in a Hop-by-Hop Options header. true: there
 * is one, or options that can't be read; *len is 0 if no receiver takes them.
 */
RW_CHECK static bool find_jumbo(struct bytes rest, uint32_t *len)
{
    struct bytes options, value;
    uint8_t next, units, type, value_len;

    *len = 0;
    if (!take_u8(&rest, &next) || !take_u8(&rest, &units) || !take_raw(&rest, 6 + (size_t)units * 8, &options))
        return true;
    while (take_u8(&options, &type)) { /* at least one byte shorter each time */
        if (type == IP6_OPT_PAD1)
            continue;
        if (!take_u8(&options, &value_len) || !take_raw(&options, value_len, &value))
            return true;
        if (type == IP6_OPT_JUMBO) {
            if (value_len != 4 || !take_be32(&value, len) || *len <= LENGTH_MAX)
                *len = 0; /* RFC 2675 3: only where it is needed */
            return true;
        }
    }
    return false;
}

/* How long is the packet whose Payload Length field says `told`? */
static size_t ipv6_len(const struct frame *f, struct bytes behind_header, uint16_t told, uint8_t next)
{
    uint32_t jumbo;

    if (told != 0)
        return IP6_HEADER + (size_t)told;
    if (next == PROTO_HOP_BY_HOP && find_jumbo(behind_header, &jumbo))
        return IP6_HEADER + (size_t)jumbo;
    return length_is_frames(f) ? f->l3.len : IP6_HEADER;
}

/* Takes one extension header of the usual form, or of AH's (RFC 4302 2.2: counted in words, less 2). */
RW_CHECK static bool take_extension(struct bytes *rest, uint8_t type, uint8_t *next)
{
    uint8_t units;

    if (!take_u8(rest, next) || !take_u8(rest, &units))
        return false;
    if (type == PROTO_AH)
        return units >= 1 && take_skip(rest, (size_t)units * 4 + 6);
    return take_skip(rest, (size_t)units * 8 + 6);
}

RW_CHECK static bool take_fragment_header(struct bytes *rest, struct fragment *out)
{
    uint8_t reserved;
    uint16_t place;

    if (!take_u8(rest, &out->protocol) || !take_u8(rest, &reserved) || !take_be16(rest, &place) ||
        !take_be32(rest, &out->id))
        return false;
    out->offset = place & IP6_OFFSET;
    out->more = (place & IP6_MORE) != 0;
    return true;
}

/* Walks from the end of the fixed header to TCP. `wire` is the packet's length on the wire, fixed header included. */
static enum packet_result walk_extensions(struct bytes whole, size_t wire, uint8_t next, struct packet *out,
                                          struct transport *l4)
{
    struct bytes rest = bytes_from(whole, IP6_HEADER);
    size_t named_at = 6;

    for (int i = 0; i <= EXT_MAX; i++) {
        size_t at = whole.len - rest.len;
        struct fragment piece = {.head_len = (uint16_t)at, .named_at = (uint16_t)named_at};

        switch (next) {
        case PROTO_TCP:
            out->l4_at = (uint16_t)at;
            *l4 = (struct transport){.l4 = rest, .wire_len = (uint32_t)(wire - at)};
            return PACKET_TCP;
        case PROTO_HOP_BY_HOP:
            if (i > 0) /* RFC 8200 4.1: only the first. Some receiver may read it all the same */
                return PACKET_BROKEN;
            /* fall through */
        case PROTO_ROUTING:
        case PROTO_DEST_OPTIONS:
        case PROTO_AH:
            if (!take_extension(&rest, next, &next))
                return PACKET_BROKEN;
            break;
        case PROTO_FRAGMENT:
            if (!take_fragment_header(&rest, &piece))
                return PACKET_BROKEN;
            if (piece.offset != 0 || piece.more) {
                out->fragment = piece;
                return fragment_of(out, rest, wire - at - 8);
            }
            next = piece.protocol;
            break;
        default: /* another protocol, ESP, or No Next Header */
            return PACKET_OTHER;
        }
        named_at = at;
    }
    return PACKET_BROKEN;
}

static enum packet_result decode_ipv6(const struct frame *f, struct packet *out, struct transport *l4)
{
    struct bytes rest = f->l3, whole;
    uint32_t first;
    uint16_t told;
    uint8_t next;
    size_t wire;

    if (!take_be32(&rest, &first) || !take_be16(&rest, &told) || !take_u8(&rest, &next) || !take_u8(&rest, &out->ttl) ||
        !take_addr(&rest, 6, &out->src.addr) || !take_addr(&rest, 6, &out->dst.addr))
        return PACKET_BROKEN;
    wire = ipv6_len(f, rest, told, next);
    if (wire < IP6_HEADER || !fit_length(f, wire, &whole))
        return PACKET_BROKEN;
    return walk_extensions(whole, wire, next, out, l4);
}

/* TCP */

struct tcp_options packet_options(const struct packet *p)
{
    struct tcp_options out = {.broken = p->options_cut};
    struct bytes rest = p->options, value;
    uint8_t kind, len, shift;

    while (take_u8(&rest, &kind) && kind != TCPOPT_END) {
        if (kind == TCPOPT_NOP)
            continue;
        if (!take_u8(&rest, &len) || len < 2 || !take_raw(&rest, (size_t)len - 2, &value)) {
            out.broken = true;
            return out;
        }
        /* A known kind of the wrong length is passed over, and the last of several counts: as Linux does. */
        if (kind == TCPOPT_MSS && len == 4) {
            if (!take_be16(&value, &out.mss))
                return out;
        } else if (kind == TCPOPT_WINDOW && len == 3) {
            if (!take_u8(&value, &shift))
                return out;
            out.window_shift = shift > WINDOW_SHIFT_MAX ? WINDOW_SHIFT_MAX : shift;
            out.has_window_shift = true;
        } else if (kind == TCPOPT_TIMESTAMP && len == 10) {
            out.has_timestamp = take_be32(&value, &out.ts_val) && take_be32(&value, &out.ts_ecr);
        } else if (kind == TCPOPT_MULTIPATH) {
            out.multipath = true;
        }
    }
    return out;
}

/* What follows IPv4's is 0. */
static struct sum sum_addr(struct sum s, const struct ip_addr *addr)
{
    return sum_word(sum_word(s, word_at(addr->at)), word_at(addr->at + 8));
}

static bool checksum_right(const struct packet *p, const struct transport *t)
{
    struct sum sum = {.low = htobe32(PROTO_TCP + t->wire_len)}; /* as csum_pseudo, in this byte order */

    if (t->l4.len != t->wire_len) /* cut: cannot be computed */
        return false;
    sum = sum_addr(sum_addr(sum, &p->src.addr), &p->dst.addr);
    return sum_fold(sum_bytes(sum, t->l4)) == 0xffff;
}

static enum packet_result judge_checksum(const struct frame *f, const struct transport *t, struct packet *out)
{
    switch (f->csum) {
    case CSUM_VERIFY:
        out->csum_good = checksum_right(out, t);
        return out->csum_good ? PACKET_TCP : PACKET_BAD_CSUM;
    case CSUM_CAPTURE:
    case CSUM_TRUSTED:
        return PACKET_TCP;
    case CSUM_UNSET:
        break;
    }
    return PACKET_UNSET;
}

static enum packet_result decode_tcp(const struct frame *f, const struct transport *t, struct packet *out)
{
    struct bytes rest = t->l4, fixed;
    uint32_t seq, ack;
    uint8_t offset;
    uint16_t csum;
    size_t header_len;

    if (!take_raw(&rest, TCP_HEADER, &fixed) || !take_be16(&fixed, &out->src.port) ||
        !take_be16(&fixed, &out->dst.port) || !take_be32(&fixed, &seq) || !take_be32(&fixed, &ack) ||
        !take_u8(&fixed, &offset) || !take_u8(&fixed, &out->flags) || !take_be16(&fixed, &out->window) ||
        !take_be16(&fixed, &csum) || !take_be16(&fixed, &out->urgent))
        return PACKET_BROKEN;
    header_len = (size_t)(offset >> 4) * 4;
    if (header_len < TCP_HEADER || header_len > t->wire_len)
        return PACKET_BROKEN;

    out->seq = seq_of(seq);
    out->ack = seq_of(ack);
    out->options = bytes_first(rest, header_len - TCP_HEADER);
    out->options_cut = out->options.len < header_len - TCP_HEADER; /* the capture was: fit_length saw to that */
    out->payload = bytes_from(t->l4, header_len);
    out->payload_at = (uint16_t)(out->l4_at + header_len);
    out->wire_len = t->wire_len - (uint32_t)header_len;
    return judge_checksum(f, t, out);
}

enum packet_result packet_decode(const struct frame *f, struct packet *out)
{
    enum packet_result result = PACKET_BROKEN;
    struct transport l4 = {0};
    struct bytes rest = f->l3;
    uint8_t first;

    memset(out, 0, offsetof(struct packet, fragment));
    if (f->csum == CSUM_UNSET)
        return PACKET_UNSET;
    if (!take_u8(&rest, &first))
        return PACKET_BROKEN;
    if (first >> 4 == 4)
        result = decode_ipv4(f, out, &l4);
    else if (first >> 4 == 6)
        result = decode_ipv6(f, out, &l4);
    return result == PACKET_TCP ? decode_tcp(f, &l4, out) : result;
}

bool packet_glance(struct bytes l3, struct endpoint *src, struct endpoint *dst)
{
    struct bytes head = l3, fixed;
    uint8_t first, protocol;
    uint16_t place;

    *src = *dst = (struct endpoint){0};
    if (!take_u8(&l3, &first))
        return false;
    if (first >> 4 == 4) {
        if (!take_raw(&head, IP4_HEADER, &fixed) || !take_skip(&fixed, 6) || !take_be16(&fixed, &place) ||
            !take_skip(&fixed, 1) || !take_u8(&fixed, &protocol) || !take_skip(&fixed, 2) ||
            !take_addr(&fixed, 4, &src->addr) || !take_addr(&fixed, 4, &dst->addr) ||
            (place & (IP4_MORE | IP4_OFFSET)) != 0 || !take_skip(&head, (size_t)(first & 0x0f) * 4 - IP4_HEADER))
            return false;
    } else if (!take_raw(&head, IP6_HEADER, &fixed) || !take_skip(&fixed, 6) || !take_u8(&fixed, &protocol) ||
               !take_skip(&fixed, 1) || !take_addr(&fixed, 6, &src->addr) || !take_addr(&fixed, 6, &dst->addr)) {
        return false;
    }
    return protocol == PROTO_TCP && take_be16(&head, &src->port) && take_be16(&head, &dst->port);
}

uint32_t packet_seq_len(const struct packet *p)
{
    return p->wire_len + ((p->flags & TCP_SYN) != 0) + ((p->flags & TCP_FIN) != 0);
}
