/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * defrag - put IP datagrams together again. Offline only: live, conntrack does
 * it before the queue, and a fragment that arrives all the same is dropped.
 *
 * Fixed memory: `datagrams` slots of 64 KiB, the oldest is given up when a new
 * one needs room (counted). Overlapping pieces (RFC 5722: discard the whole
 * datagram) end the datagram, counted as conflicts, unless the overlap is
 * byte-identical.
 */
#ifndef RCPTWALL_DEFRAG_H
#define RCPTWALL_DEFRAG_H

#include "kmod-free/packet.h"

struct defrag;

struct defrag_counters {
    uint64_t pieces, whole, conflicts, given_up, broken;
};

RW_CHECK struct defrag *defrag_new(size_t datagrams); /* NULL: out of memory */
void defrag_free(struct defrag *);

/*
 * Adds the piece that packet_decode called PACKET_FRAGMENT. Returns true when it
 * completed its datagram: *whole is then a frame (csum, times and tag as f's)
 * whose bytes live in d until the next call, with the fragment header removed.
 */
RW_CHECK bool defrag_add(struct defrag *d, const struct frame *f, const struct packet *piece, struct frame *whole);
void defrag_count(const struct defrag *, struct defrag_counters *out);

#endif
