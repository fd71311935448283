/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * packet - decode one frame: IPv4 (RFC 791) or IPv6 (RFC 8200) with extension
 * headers, then TCP (RFC 9293). Nothing is copied: payload and options are
 * borrowed from the frame and live as long as it does.
 */
#ifndef RCPTWALL_PACKET_H
#define RCPTWALL_PACKET_H

#include "kmod-free/frame.h"
#include "kmod-free/seq.h"

/* An address of either family, network byte order; IPv4 uses the first 4 bytes, the rest is zero. */
struct ip_addr {
    uint8_t family; /* 4 or 6 */
    uint8_t at[16];
};

struct endpoint {
    struct ip_addr addr;
    uint16_t port; /* host byte order */
};

static inline bool ip_addr_equal(const struct ip_addr *a, const struct ip_addr *b)
{
    return a->family == b->family && memcmp(a->at, b->at, sizeof a->at) == 0;
}

static inline bool endpoint_equal(const struct endpoint *a, const struct endpoint *b)
{
    return a->port == b->port && ip_addr_equal(&a->addr, &b->addr);
}

enum packet_result {
    PACKET_TCP = 1,  /* *out is complete */
    PACKET_OTHER,    /* well formed, not TCP: nothing to do with us */
    PACKET_FRAGMENT, /* a piece of a datagram that may hold TCP: only .fragment, the addresses, .ttl and .wire_len
                        (data on the wire) are set. Whole in one piece (RFC 6946, atomic) is no fragment */
    PACKET_BROKEN,   /* lengths that don't fit, bad IPv4 header checksum, unknown IP version, too many headers */
    PACKET_BAD_CSUM, /* TCP checksum wrong although it had to be right; *out is complete */
    PACKET_UNSET,    /* the frame's csum state was CSUM_UNSET: a front end's bug */
};

enum tcp_flag {
    TCP_FIN = 0x01,
    TCP_SYN = 0x02,
    TCP_RST = 0x04,
    TCP_PSH = 0x08,
    TCP_ACK = 0x10,
    TCP_URG = 0x20,
};

/* Of the TCP options only what tracking needs (RFC 9293 3.2, RFC 7323). */
struct tcp_options {
    uint16_t mss;         /* 0 = absent */
    uint8_t window_shift; /* 0..14, valid if has_window_shift */
    bool has_window_shift;
    bool has_timestamp;
    bool multipath; /* Multipath TCP (RFC 8684) */
    bool broken; /* a length ran past the header, or was 0 or 1, or the capture has only some of them */
    uint32_t ts_val, ts_ecr;
};

/* Where a fragment belongs (RFC 791 3.2, RFC 8200 4.5). */
struct fragment {
    uint32_t id;
    uint8_t protocol; /* of the fragmentable part (v6: the Fragment header's next header) */
    uint32_t offset;  /* bytes */
    bool more;
    uint16_t head_len; /* what stands before the fragmentable part, a Fragment header not counted */
    uint16_t named_at; /* offset in frame.l3 of the byte that names `protocol`; v6: or the Fragment header */
    struct bytes data; /* the fragmentable part that this piece carries */
};

struct packet {
    struct endpoint src, dst;
    struct seq seq, ack;
    uint8_t flags;   /* enum tcp_flag */
    uint8_t ttl;     /* or hop limit */
    uint16_t window; /* as on the wire, unscaled */
    uint16_t urgent; /* the pointer, whether or not TCP_URG is set */
    bool options_cut;     /* the capture kept only some of the options, or none */
    bool csum_good;       /* the checksum was looked at (CSUM_VERIFY) and right */
    struct bytes options; /* of TCP: packet_options */
    struct bytes payload; /* as far as the capture kept it */
    uint32_t wire_len;    /* payload length on the wire, at most 1 MiB; payload.len is smaller only if frame.cut */
    uint16_t l4_at;       /* offset of the TCP header in frame.l3 */
    uint16_t payload_at;  /* offset of the payload in frame.l3; behind its end if a cut took TCP options too */
    struct fragment fragment; /* last, and set only with PACKET_FRAGMENT */
};

/*
 * Decodes f->l3. With CSUM_VERIFY a wrong TCP checksum, or one that can't be
 * computed (cut), gives PACKET_BAD_CSUM; otherwise it isn't looked at.
 *
 * A length of 0 in the IP header (and no Jumbo Payload option) stands for the frame's
 * length only with CSUM_CAPTURE and a whole frame: a superpacket that was captured
 * before segmentation. No receiver takes such a packet off the wire.
 */
RW_CHECK enum packet_result packet_decode(const struct frame *f, struct packet *out);

/* Whose packet is it, at a glance? false: no TCP that can be told so easily, or broken. Proves nothing. */
RW_CHECK bool packet_glance(struct bytes l3, struct endpoint *src, struct endpoint *dst);

/* What its TCP options say: looked at only where somebody asks. */
struct tcp_options packet_options(const struct packet *p);

/* The sequence space that p takes: payload on the wire, plus one each for SYN and FIN (RFC 9293 3.4). */
uint32_t packet_seq_len(const struct packet *p);

/*
 * Internet checksum (RFC 1071): the running sum of b added to sum, unfolded; and folding it to 16 bits,
 * without the final complement (a right packet folds to 0xffff). Only the last run added may have an odd length.
 */
uint32_t csum_add(uint32_t sum, struct bytes b);
uint16_t csum_fold(uint32_t sum);
/* Sum over the pseudo header of src, dst, protocol TCP and the segment's length. */
uint32_t csum_pseudo(const struct ip_addr *src, const struct ip_addr *dst, uint32_t l4_len);

#endif
