/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rewrite - the packets that a verdict sends on instead of the queued one. Pure
 * functions from bytes to bytes; what they may do was tried on the kernel.
 *
 * out must have room for the queued packet's length plus `pad`; the result is
 * its new length, 0 if the packet can't be rewritten that way (the caller then
 * drops it): not whole, too long, IPv6 jumbograms; a clip also of urgent data, and
 * with `pad` of a SYN. All checksums are filled in completely: the kernel sends mangled
 * packets with CHECKSUM_NONE. p is what packet_decode made of l3; out must not overlap
 * it. IP options and extension headers stay as they were.
 */
#ifndef RCPTWALL_REWRITE_H
#define RCPTWALL_REWRITE_H

#include "kmod-free/packet.h"

/*
 * The queued packet turned into RST|ACK with the given numbers, its direction
 * kept. TCP options are dropped. keep_len: leave the length as it was and zero
 * the payload (a GSO packet that shrinks to one MSS or less is silently lost on
 * output: tcp_gso_segment() answers -EINVAL).
 */
RW_CHECK size_t rewrite_reset(struct bytes l3, const struct packet *p, struct seq seq, struct seq ack, bool keep_len,
                              uint8_t *out, size_t room);

/*
 * The packet shortened to the first keep bytes of its payload, FIN and PSH
 * cleared (a FIN that stayed would end the stream short). pad > 0 puts that many
 * bytes of already acknowledged sequence space in front (seq moves back), so that
 * a GSO packet stays longer than one MSS; the receiver discards them.
 */
RW_CHECK size_t rewrite_clip(struct bytes l3, const struct packet *p, size_t keep, size_t pad, uint8_t *out,
                             size_t room);

/* The packet as it is, with no-operations in the place of Multipath TCP's options. */
RW_CHECK size_t rewrite_single_path(struct bytes l3, const struct packet *p, uint8_t *out, size_t room);

/*
 * A refused command: on the wire its bytes are `RCPT TO:<@@@...@>`, as long as it was, which real servers
 * answer with 5xx. A patch is the part of one that lies in a packet's payload.
 */
#define REWRITE_REFUSED_MIN 11
#define REWRITE_PATCHES_MAX 3
struct rewrite_patch {
    uint32_t at, len; /* in the payload */
    uint16_t from;    /* the command's byte that stands at `at` */
    uint16_t command; /* how long that command is */
};
/* The byte at `from` of a refused command of that length. */
uint8_t rewrite_refused_byte(uint32_t from, uint32_t command);

/*
 * The packet with patches laid over it: all of its payload if keep is that long, else clipped as
 * rewrite_clip does. Patches must lie in what is kept. TCP flags and options stay (but for a clip).
 */
RW_CHECK size_t rewrite_refuse(struct bytes l3, const struct packet *p, size_t keep, size_t pad,
                               const struct rewrite_patch *patches, size_t count, uint8_t *out, size_t room);

#endif
