/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * way - which connection a queued packet belongs to, as connection tracking knows it (frame.way; why: engine_way.c). Pure
 * functions, but for way_each.
 */
#ifndef RCPTWALL_WAY_H
#define RCPTWALL_WAY_H

#include "kmod-free/packet.h"

#define WAY_KEY_BYTES 16 /* crypto_shorthash_KEYBYTES */

/*
 * conntrack: what is in the packet's NFQA_CT. The same for all packets of a connection, in both directions, whoever of
 * the two was seen first; another one for each connection that lives at the same time, but for one in 2^32. 0: it
 * doesn't say enough.
 */
RW_CHECK uint32_t way_of_conntrack(struct bytes conntrack, const uint8_t key[static WAY_KEY_BYTES]);

/*
 * Its two ends, as we see them: behind DNAT, and before a source is translated. In the order in which they were seen. false: it
 * doesn't say them, or the connection isn't one of TCP that a server has answered.
 */
RW_CHECK bool way_ends(struct bytes conntrack, struct endpoint *one, struct endpoint *other);

/* All connections that are tracked, one after the other. 0, or -errno: not all of them, or none. Needs CAP_NET_ADMIN. */
typedef void way_take(void *ctx, struct bytes conntrack);
RW_CHECK int way_each(way_take *, void *ctx);

#endif
