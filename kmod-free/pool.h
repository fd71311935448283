/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pool - a fixed number of equal blocks, handed out by index. All memory is
 * taken at pool_new; taking and giving back are O(1) and never fail in any way
 * but "empty" (invariant S3). Blocks are not cleared.
 */
#ifndef RCPTWALL_POOL_H
#define RCPTWALL_POOL_H

#include "kmod-free/bytes.h"

#define POOL_NONE UINT32_MAX

/*
 * Two numbers a block for whoever has it, to chain blocks and to find one by a
 * number. They lie side by side for all blocks, so that walking a long chain
 * stays within a small piece of memory and touches no block.
 */
struct pool_link {
    uint32_t next;
    uint32_t key;
};

struct pool {
    uint8_t *blocks;
    struct pool_link *links; /* free use by the owners of blocks */
    uint32_t *next;          /* free list */
    size_t block_len;
    uint32_t count;
    uint32_t used;
    uint32_t peak;  /* highest `used` so far */
    uint32_t fresh; /* blocks from here on were never handed out: their pages are untouched */
    uint32_t free_head;
    uint64_t refused; /* how often pool_take answered POOL_NONE */
};

RW_CHECK bool pool_new(struct pool *, size_t block_len, uint32_t count); /* false: out of memory */
void pool_free(struct pool *);
RW_CHECK uint32_t pool_take(struct pool *);
void pool_give(struct pool *, uint32_t index); /* asserts that the index is one that is out */
void *pool_at(const struct pool *, uint32_t index);

#endif
