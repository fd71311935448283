/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation
 *
 * Free blocks that were out before form a list through next[]; blocks from
 * `fresh` on were never out and are on no list, so neither making the pool nor
 * leaving part of it unused touches memory. next[] of a block that is out holds
 * OUT, which makes a second pool_give of it a failed assertion and not a loop in
 * the list. Under AddressSanitizer, blocks that are in the pool are poisoned.
 */
#include <assert.h>
#include <stdlib.h>

#include "kmod-free/pool.h"

#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#include <sanitizer/asan_interface.h>
static void poison(const void *at, size_t len)
{
    __asan_poison_memory_region(at, len);
}
static void unpoison(const void *at, size_t len)
{
    __asan_unpoison_memory_region(at, len);
}
#else
static void poison(const void *at, size_t len)
{
    (void)at;
    (void)len;
}
static void unpoison(const void *at, size_t len)
{
    (void)at;
    (void)len;
}
#endif

#define OUT        (POOL_NONE - 1)
#define CACHE_LINE 64

static uint8_t *block_at(const struct pool *pool, uint32_t index)
{
    return pool->blocks + pool->block_len * index;
}

bool pool_new(struct pool *pool, size_t block_len, uint32_t count)
{
    *pool = (struct pool){.block_len = block_len, .count = count, .free_head = POOL_NONE};
    assert(block_len > 0 && count < OUT);
    if (count == 0)
        return true;
    if (block_len > (SIZE_MAX - CACHE_LINE) / count)
        return false;
    size_t size = (block_len * count + CACHE_LINE - 1) & ~(size_t)(CACHE_LINE - 1);
    pool->blocks = aligned_alloc(CACHE_LINE, size);
    pool->links = malloc(sizeof(*pool->links) * count);
    pool->next = malloc(sizeof(*pool->next) * count);
    if (pool->blocks == NULL || pool->links == NULL || pool->next == NULL) {
        free(pool->blocks);
        free(pool->links);
        free(pool->next);
        *pool = (struct pool){.free_head = POOL_NONE};
        return false;
    }
    poison(pool->blocks, size);
    return true;
}

void pool_free(struct pool *pool)
{
    if (pool->blocks != NULL)
        unpoison(pool->blocks, pool->block_len * pool->count);
    free(pool->blocks);
    free(pool->links);
    free(pool->next);
    *pool = (struct pool){.free_head = POOL_NONE};
}

uint32_t pool_take(struct pool *pool)
{
    uint32_t index = pool->free_head;

    if (index != POOL_NONE) {
        pool->free_head = pool->next[index];
    } else if (pool->fresh < pool->count) {
        index = pool->fresh++;
    } else {
        pool->refused++;
        return POOL_NONE;
    }
    pool->next[index] = OUT;
    if (++pool->used > pool->peak)
        pool->peak = pool->used;
    unpoison(block_at(pool, index), pool->block_len);
    return index;
}

void pool_give(struct pool *pool, uint32_t index)
{
    assert(index < pool->fresh && pool->next[index] == OUT);
    poison(block_at(pool, index), pool->block_len);
    pool->next[index] = pool->free_head;
    pool->free_head = index;
    pool->used--;
}

void *pool_at(const struct pool *pool, uint32_t index)
{
    assert(index < pool->fresh && pool->next[index] == OUT);
    return block_at(pool, index);
}
