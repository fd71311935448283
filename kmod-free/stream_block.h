/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * stream_block - the bytes of one slot of a stream, any of which may be missing.
 * Between stream.c and the pool; nobody else looks in here.
 *
 * A block usually holds one run, described by lo and hi: it is "solid". Only when
 * a second run joins does the bitmap come to life, and it is forgotten as soon as
 * the runs have grown together; in-order traffic never touches it.
 */
#ifndef RCPTWALL_STREAM_BLOCK_H
#define RCPTWALL_STREAM_BLOCK_H

#include "kmod-free/bytes.h"
#include "kmod-free/stream.h"

#define STREAM_BLOCK_WORDS ((STREAM_BLOCK_DATA + 63) / 64)

struct stream_block {
    uint16_t lo, hi; /* all stored bytes are in data[lo..hi) */
    uint16_t stored; /* how many; hi - lo: all of these (solid) */
    uint16_t unused;
    uint64_t bitmap[STREAM_BLOCK_WORDS]; /* stored bytes, one bit each; valid only if not solid */
    uint8_t data[STREAM_BLOCK_DATA];
};
_Static_assert(sizeof(struct stream_block) == STREAM_BLOCK, "a block fills its place in the pool");

/* Nothing is stored. */
void stream_block_clear(struct stream_block *);
/* Notes that data[from..to) is stored now. Returns how many of these bytes are new. */
uint32_t stream_block_mark(struct stream_block *, uint32_t from, uint32_t to);
/* The first byte at or behind `from` that is stored (want) or isn't; STREAM_BLOCK_DATA if there is none. */
uint32_t stream_block_seek(const struct stream_block *, uint32_t from, bool want);
/* Does any stored byte differ from these, which lie `from` bytes into the slot and don't leave it? */
RW_CHECK bool stream_block_differs(const struct stream_block *, uint32_t from, struct bytes);

#endif
