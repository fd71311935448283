/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * forward - the capture of what would have left the gateway (-w): raw IP packets with
 * the times of those that they were made of.
 *
 * A packet is in there unchanged, cut at a barrier, or turned into the RST for its
 * receiver; once to each end, as the kernel's mark answers what comes later without us.
 * Fragments come as the datagram that they made, with the last one's time.
 */
#ifndef RCPTWALL_REPLAY_FORWARD_H
#define RCPTWALL_REPLAY_FORWARD_H

#include "kmod-free/engine.h"
#include "pcap-tests/replay/capsrc.h"

struct forward;

/* NULL: said on stderr, and none of the inputs was touched. */
RW_CHECK struct forward *forward_open(const char *path, char *const *inputs, int input_count);
void forward_free(struct forward *);
/* The verdict on the record that was fed last; engine NULL: it only watched, everything goes on as it came. A write
 * that fails shows in forward_flush. */
void forward_packet(struct forward *, const struct capsrc_record *, const struct engine *, const struct verdict *);
/* false: something could not be written; said on stderr. */
RW_CHECK bool forward_flush(struct forward *);

#endif
