/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * way - which connection a queued packet belongs to, as connection tracking knows it (frame.way; why: engine_way.c). A
 * pure function.
 */
#ifndef RCPTWALL_WAY_H
#define RCPTWALL_WAY_H

#include "kmod-free/bytes.h"

#define WAY_KEY_BYTES 16 /* crypto_shorthash_KEYBYTES */

/*
 * conntrack: what is in the packet's NFQA_CT. The same for all packets of a connection, in both directions, whoever of
 * the two was seen first; another one for each connection that lives at the same time, but for one in 2^32. 0: it
 * doesn't say enough.
 */
RW_CHECK uint32_t way_of_conntrack(struct bytes conntrack, const uint8_t key[static WAY_KEY_BYTES]);

#endif
