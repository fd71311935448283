/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kmod-free/stream_block.h"

static uint32_t smaller(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static uint32_t larger(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

static bool solid(const struct stream_block *b)
{
    return b->stored == b->hi - b->lo;
}

static bool has(const struct stream_block *b, uint32_t i)
{
    if (i < b->lo || i >= b->hi)
        return false;
    return solid(b) || (b->bitmap[i / 64] >> (i % 64) & 1) != 0;
}

/* Sets bits [from, to) of the bitmap. Returns how many were clear. */
static uint32_t set_bits(struct stream_block *b, uint32_t from, uint32_t to)
{
    uint32_t added = 0;

    while (from < to) {
        uint32_t bit = from % 64;
        uint32_t n = smaller(64 - bit, to - from);
        uint64_t mask = (n == 64 ? UINT64_MAX : (UINT64_C(1) << n) - 1) << bit;
        uint64_t *word = &b->bitmap[from / 64];
        added += (uint32_t)__builtin_popcountll(mask & ~*word);
        *word |= mask;
        from += n;
    }
    return added;
}

void stream_block_clear(struct stream_block *b)
{
    b->lo = b->hi = b->stored = b->unused = 0;
}

uint32_t stream_block_mark(struct stream_block *b, uint32_t from, uint32_t to)
{
    uint32_t lo = smaller(b->lo, from), hi = larger(b->hi, to);
    uint32_t added;

    if (b->stored == 0) {
        lo = from;
        hi = to;
        added = to - from;
    } else if (solid(b) && from <= b->hi && to >= b->lo) {
        added = hi - lo - b->stored;
    } else {
        if (solid(b)) {
            memset(b->bitmap, 0, sizeof(b->bitmap));
            (void)set_bits(b, b->lo, b->hi);
        }
        added = set_bits(b, from, to);
    }
    b->lo = (uint16_t)lo;
    b->hi = (uint16_t)hi;
    b->stored = (uint16_t)(b->stored + added);
    return added;
}

uint32_t stream_block_seek(const struct stream_block *b, uint32_t from, bool want)
{
    if (solid(b)) {
        bool inside = from >= b->lo && from < b->hi;
        if (inside == want)
            return from;
        if (inside)
            return b->hi;
        return from < b->lo ? b->lo : STREAM_BLOCK_DATA;
    }
    while (from < STREAM_BLOCK_DATA) {
        uint64_t word = b->bitmap[from / 64];
        uint64_t left = (want ? word : ~word) >> (from % 64);
        if (left != 0)
            return smaller(from + (uint32_t)__builtin_ctzll(left), STREAM_BLOCK_DATA);
        from += 64 - from % 64;
    }
    return STREAM_BLOCK_DATA;
}

bool stream_block_differs(const struct stream_block *b, uint32_t from, struct bytes data)
{
    uint32_t first = larger(from, b->lo);
    uint32_t behind = smaller(from + (uint32_t)data.len, b->hi);

    if (first >= behind)
        return false;
    const uint8_t *theirs = data.at + (first - from);
    if (solid(b))
        return memcmp(b->data + first, theirs, behind - first) != 0;
    for (uint32_t i = first; i < behind; i++, theirs++)
        if (has(b, i) && b->data[i] != *theirs)
            return true;
    return false;
}
