/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation
 *
 * Sequence space is cut into slots of SLOT bytes, on a grid that begins at the
 * first byte stored after the stream was empty. A slot in which anything is
 * stored has one block, however many pieces and holes lie in it:
 *
 *      slot         slot         slot         slot
 *   |============|=====.......|............|..=.=...==..|
 *      block        block        (none)       block
 *
 * So the number of blocks depends only on how far apart the bytes lie, which the
 * receiver's window bounds, and never on how finely they were cut or in which
 * order they came: a thousand one-byte segments with holes between them cost
 * what one segment over the same range costs.
 *
 * Inserting has three steps, the first two of which change nothing: compare with
 * all that is kept; count the blocks that are missing; store. After the first
 * step the segment equals what is stored wherever they overlap, so the third may
 * copy over it.
 *
 * Blocks are chained in order. Walks begin at the tail (appending), at `reading`
 * (what the judge has yet to see and what came after) or at the head (copies of
 * old bytes), and are at most as long as the chain. Links and beginnings of slots
 * lie in the pool's links, not in the blocks: somebody who stores a byte here and
 * there, to make chains long, makes us walk through a few cache lines and not
 * through the whole pool.
 */
#include <assert.h>

#include "kmod-free/stream.h"
#include "kmod-free/stream_block.h"

#define SLOT STREAM_BLOCK_DATA

/* From the oldest kept byte on, sequence numbers this far can be told apart, a slot's length of rounding included. */
#define REACH ((int64_t)INT32_MAX - 2 * SLOT)

static struct stream_block *block_of(const struct pool *pool, uint32_t index)
{
    return pool_at(pool, index);
}

/* The pool's link of a block holds the next block's index and, as key, where the slot begins. */
static uint32_t after(const struct pool *pool, uint32_t index)
{
    return pool->links[index].next;
}

static struct seq begin_of(const struct pool *pool, uint32_t index)
{
    return seq_of(pool->links[index].key);
}

/* ---- the chain ---- */

/* The oldest byte that a copy is compared with (S1). */
static struct seq kept_from(const struct stream *s)
{
    return seq_earlier(s->read, s->acked);
}

/* Last block of the chain from `index` on that begins at or before `at`; index itself must. */
static uint32_t walk_to(const struct pool *pool, uint32_t index, struct seq at)
{
    for (;;) {
        uint32_t next = after(pool, index);
        if (next == POOL_NONE || seq_after(begin_of(pool, next), at))
            return index;
        index = next;
    }
}

static bool begins_by(const struct pool *pool, uint32_t index, struct seq at)
{
    return index != POOL_NONE && !seq_after(begin_of(pool, index), at);
}

/* Last block that begins at or before `at`, or POOL_NONE. */
static uint32_t find(const struct stream *s, const struct pool *pool, struct seq at)
{
    if (begins_by(pool, s->tail, at))
        return s->tail;
    if (begins_by(pool, s->reading, at))
        return walk_to(pool, s->reading, at);
    if (begins_by(pool, s->head, at))
        return walk_to(pool, s->head, at);
    return POOL_NONE;
}

/* Where the slot of `at` begins. */
static struct seq slot_of(const struct stream *s, const struct pool *pool, struct seq at)
{
    struct seq base = s->head != POOL_NONE ? begin_of(pool, s->head) : s->next;
    int32_t into = seq_diff(at, base) % SLOT;

    return seq_add(at, (uint32_t)(into < 0 ? -into - SLOT : -into));
}

/* A new, empty block behind `before` (POOL_NONE: in front of all). The caller knows that there is one. */
static uint32_t add_block(struct stream *s, struct pool *pool, uint32_t before, struct seq at)
{
    uint32_t index = pool_take(pool);
    assert(index != POOL_NONE);
    struct stream_block *b = block_of(pool, index);
    uint32_t *link = before == POOL_NONE ? &s->head : &pool->links[before].next;

    stream_block_clear(b);
    pool->links[index] = (struct pool_link){.next = *link, .key = at.v};
    if (*link == POOL_NONE)
        s->tail = index;
    *link = index;
    if (!seq_after(at, s->read)) /* new bytes are never before `read`: this is the slot where it stands */
        s->reading = index;
    s->blocks++;
    return index;
}

static void drop_head(struct stream *s, struct pool *pool)
{
    uint32_t index = s->head;

    s->head = after(pool, index);
    if (s->head == POOL_NONE)
        s->tail = POOL_NONE;
    if (s->reading == index)
        s->reading = POOL_NONE;
    s->blocks--;
    pool_give(pool, index);
}

/* Frees the blocks that hold nothing that must be kept. */
static void trim(struct stream *s, struct pool *pool)
{
    struct seq kept = kept_from(s);
    bool all = seq_equal(kept, s->end);

    while (s->head != POOL_NONE && (all || seq_diff(kept, begin_of(pool, s->head)) >= SLOT))
        drop_head(s, pool);
}

/* Sets `reading` after `read` moved. */
static void follow_read(struct stream *s, const struct pool *pool)
{
    uint32_t from = s->reading != POOL_NONE ? s->reading : s->head;

    if (begins_by(pool, from, s->read))
        s->reading = walk_to(pool, from, s->read);
}

/* Moves `next` over what is stored in one run from there, beginning in block `index`. */
static void advance(struct stream *s, const struct pool *pool, uint32_t index)
{
    for (; index != POOL_NONE; index = after(pool, index)) {
        int32_t into = seq_diff(s->next, begin_of(pool, index));
        if (into < 0 || into >= SLOT)
            break;
        uint32_t run = stream_block_seek(block_of(pool, index), (uint32_t)into, false);
        s->next = seq_add(begin_of(pool, index), run);
        if (run < SLOT)
            break;
    }
}

/* Sets `beyond` again after `next` reached it. */
static void find_beyond(struct stream *s, const struct pool *pool)
{
    if (seq_equal(s->next, s->end) || seq_after(s->beyond, s->next))
        return;
    uint32_t index = find(s, pool, s->next);
    assert(index != POOL_NONE); /* at least the block that holds `beyond` begins there or before */
    int32_t into = seq_diff(s->next, begin_of(pool, index));
    uint32_t run = into < SLOT ? stream_block_seek(block_of(pool, index), (uint32_t)into, true) : SLOT;
    if (run == SLOT) {
        index = after(pool, index);
        run = block_of(pool, index)->lo;
    }
    s->beyond = seq_add(begin_of(pool, index), run);
}

/* ---- offering a segment ---- */

/* Cuts off what is before `from`. false: nothing is left. */
static bool cut_before(struct seq from, struct seq *at, struct bytes *data)
{
    int64_t early = -(int64_t)seq_diff(*at, from);

    if (early <= 0)
        return data->len > 0;
    if ((uint64_t)early >= data->len)
        return false;
    *data = bytes_from(*data, (size_t)early);
    *at = from;
    return true;
}

/* `start` is the last block that begins at or before `at`. data doesn't begin before the oldest byte kept. */
static bool differs(const struct stream *s, const struct pool *pool, uint32_t start, struct seq at, struct bytes data)
{
    struct seq end = seq_add(at, (uint32_t)data.len);
    uint32_t index = start != POOL_NONE ? start : s->head;

    for (; index != POOL_NONE && seq_before(begin_of(pool, index), end); index = after(pool, index)) {
        int32_t into = seq_diff(at, begin_of(pool, index));
        struct bytes here = into < 0 ? bytes_from(data, (size_t)-into) : data;
        uint32_t from = into < 0 ? 0 : (uint32_t)into;
        if (from < SLOT && stream_block_differs(block_of(pool, index), from, bytes_first(here, SLOT - from)))
            return true;
    }
    return false;
}

/* How many slots between `at` and `end` have no block; start as above. */
static uint32_t missing_blocks(const struct stream *s, const struct pool *pool, uint32_t start, struct seq at,
                               struct seq end)
{
    struct seq first = slot_of(s, pool, at);
    uint32_t missing = ((uint32_t)seq_diff(end, first) + SLOT - 1) / SLOT;
    uint32_t index = start != POOL_NONE ? start : s->head;

    for (; index != POOL_NONE && seq_before(begin_of(pool, index), end); index = after(pool, index))
        if (!seq_before(begin_of(pool, index), first))
            missing--;
    return missing;
}

static bool room_for(const struct stream *s, const struct pool *pool, uint32_t block_limit, uint32_t more)
{
    return more == 0 || ((uint64_t)s->blocks + more <= block_limit && more <= pool->count - pool->used);
}

/* Puts data, compared and with room for it, where it belongs; start as above. Returns how many bytes are new. */
static uint32_t store(struct stream *s, struct pool *pool, uint32_t start, struct seq at, struct bytes data)
{
    bool fills = seq_equal(at, s->next);
    struct seq slot = slot_of(s, pool, at);
    uint32_t index = start, first = POOL_NONE;
    uint32_t from = (uint32_t)seq_diff(at, slot);
    uint32_t added = 0;
    struct bytes piece;

    if (!fills)
        s->beyond = seq_equal(s->next, s->end) ? at : seq_earlier(s->beyond, at);
    s->end = seq_later(s->end, seq_add(at, (uint32_t)data.len));
    while (data.len > 0) {
        if (index == POOL_NONE || !seq_equal(begin_of(pool, index), slot))
            index = add_block(s, pool, index, slot);
        if (first == POOL_NONE)
            first = index;
        struct stream_block *b = block_of(pool, index);
        piece = bytes_first(data, SLOT - from);
        memcpy(b->data + from, piece.at, piece.len);
        added += stream_block_mark(b, from, from + (uint32_t)piece.len);
        data = bytes_from(data, piece.len);
        slot = seq_add(slot, SLOT);
        from = 0;
        if (begins_by(pool, after(pool, index), slot))
            index = after(pool, index);
    }
    if (fills) {
        advance(s, pool, first);
        find_beyond(s, pool);
    }
    return added;
}

/*
 * In order, and nothing is stored there or beyond: there is nothing to compare with and no gap to close, so the
 * bytes go behind the last ones. Does in the common case what the three steps do.
 */
static enum stream_result append(struct stream *s, struct pool *pool, uint32_t block_limit, struct bytes data)
{
    uint32_t index = s->tail;
    int32_t into = index != POOL_NONE ? seq_diff(s->next, begin_of(pool, index)) : SLOT;
    struct seq slot = s->next;

    if (into >= SLOT) { /* not in the last slot */
        slot = slot_of(s, pool, s->next);
        into = seq_diff(s->next, slot);
        index = POOL_NONE;
    }
    size_t behind = (size_t)into + data.len; /* counted from where the slot begins */
    uint32_t more = (uint32_t)((behind + SLOT - 1) / SLOT) - (index != POOL_NONE ? 1 : 0);
    if (!room_for(s, pool, block_limit, more))
        return STREAM_FULL;
    s->next = s->end = seq_add(s->next, (uint32_t)data.len);
    while (data.len > 0) {
        if (index == POOL_NONE)
            index = add_block(s, pool, s->tail, slot);
        struct stream_block *b = block_of(pool, index);
        struct bytes piece = bytes_first(data, (size_t)(SLOT - into));
        memcpy(b->data + into, piece.at, piece.len);
        (void)stream_block_mark(b, (uint32_t)into, (uint32_t)into + (uint32_t)piece.len);
        data = bytes_from(data, piece.len);
        slot = seq_add(begin_of(pool, index), SLOT);
        into = 0;
        index = POOL_NONE;
    }
    return STREAM_OK;
}

/* ---- what others call ---- */

void stream_start(struct stream *s, struct seq first)
{
    *s = (struct stream){
        .acked = first,
        .read = first,
        .next = first,
        .end = first,
        .head = POOL_NONE,
        .tail = POOL_NONE,
        .reading = POOL_NONE,
    };
}

void stream_stop(struct stream *s, struct pool *pool)
{
    while (s->head != POOL_NONE)
        drop_head(s, pool);
}

enum stream_result stream_insert(struct stream *s, struct pool *pool, uint32_t block_limit, struct seq at,
                                 struct bytes data)
{
    struct seq kept = kept_from(s);

    if (data.len > (size_t)REACH || seq_diff(at, kept) + (int64_t)data.len > REACH)
        return STREAM_FULL;
    if (seq_equal(at, s->next) && seq_equal(s->next, s->end) && data.len > 0)
        return append(s, pool, block_limit, data);
    if (!cut_before(kept, &at, &data))
        return STREAM_OLD;
    uint32_t start = find(s, pool, at);
    if (differs(s, pool, start, at, data))
        return STREAM_CONFLICT;
    /* What is before `next` and not stored was given up: too late for it. */
    if (!cut_before(s->next, &at, &data))
        return STREAM_OLD;
    start = start != POOL_NONE ? walk_to(pool, start, at) : find(s, pool, at);
    uint32_t more = missing_blocks(s, pool, start, at, seq_add(at, (uint32_t)data.len));
    if (!room_for(s, pool, block_limit, more))
        return STREAM_FULL;
    return store(s, pool, start, at, data) > 0 ? STREAM_OK : STREAM_OLD;
}

uint32_t stream_room(const struct stream *s, const struct pool *pool, uint32_t block_limit)
{
    uint32_t spare = pool->count - pool->used;
    uint32_t more = s->blocks < block_limit ? block_limit - s->blocks : 0;
    uint32_t into = (uint32_t)seq_diff(s->next, slot_of(s, pool, s->next));
    uint32_t index = find(s, pool, s->next);
    bool begun = index != POOL_NONE && seq_diff(s->next, begin_of(pool, index)) < SLOT;

    more = more < spare ? more : spare;
    if (begun)
        return more * SLOT + SLOT - into;
    return more > 0 ? more * SLOT - into : 0;
}

bool stream_differs(const struct stream *s, const struct pool *pool, struct seq at, struct bytes data)
{
    struct seq kept = kept_from(s);
    int64_t from = seq_diff(at, kept);

    if (from >= REACH)
        return false;
    keep_first(&data, (size_t)(REACH - from));
    return cut_before(kept, &at, &data) && differs(s, pool, find(s, pool, at), at, data);
}

bool stream_peek(const struct stream *s, const struct pool *pool, struct bytes *out)
{
    uint32_t unread = stream_unread(s);

    *out = (struct bytes){0};
    if (unread == 0)
        return false;
    const struct stream_block *b = block_of(pool, s->reading);
    uint32_t from = (uint32_t)seq_diff(s->read, begin_of(pool, s->reading));
    assert(from < SLOT);
    *out = bytes_of(b->data + from, SLOT - from < unread ? SLOT - from : unread);
    return true;
}

size_t stream_gather(const struct stream *s, const struct pool *pool, uint8_t *buf, size_t room)
{
    size_t want = room < stream_unread(s) ? room : stream_unread(s);
    size_t done = 0;
    struct stream ahead = *s;
    struct bytes run;

    while (done < want && stream_peek(&ahead, pool, &run)) {
        keep_first(&run, want - done);
        memcpy(buf + done, run.at, run.len);
        done += run.len;
        ahead.read = seq_add(ahead.read, (uint32_t)run.len);
        follow_read(&ahead, pool);
    }
    return done;
}

void stream_read(struct stream *s, struct pool *pool, uint32_t n)
{
    assert(n <= stream_unread(s));
    s->read = seq_add(s->read, n);
    follow_read(s, pool);
    trim(s, pool);
}

void stream_acked(struct stream *s, struct pool *pool, struct seq upto)
{
    if (!seq_after(upto, s->acked))
        return;
    s->acked = seq_earlier(upto, s->next);
    trim(s, pool);
}

bool stream_gap(const struct stream *s, struct seq *gap_end)
{
    bool gap = !seq_equal(s->next, s->end);

    *gap_end = gap ? s->beyond : s->next;
    return gap;
}

void stream_skip(struct stream *s, struct pool *pool, struct seq to)
{
    assert(seq_equal(s->read, s->next));
    if (!seq_after(to, s->next))
        return;
    /* Nothing between was kept, so nothing between can be compared; and what is a whole gap old never will be. */
    if (seq_equal(s->acked, s->next) || seq_diff(to, s->next) > REACH / 2 - seq_diff(s->next, s->acked))
        s->acked = to;
    s->read = s->next = to;
    s->end = seq_later(s->end, to);
    follow_read(s, pool);
    advance(s, pool, s->reading);
    find_beyond(s, pool);
    trim(s, pool);
}

void stream_forget_read(struct stream *s, struct pool *pool)
{
    s->acked = seq_later(s->acked, s->read);
    trim(s, pool);
}
