/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * stream_model - streams compared, step by step, with an array that has one entry
 * for each byte. The steps come from a run of bytes: random ones in the model test,
 * the fuzzer's in fuzz_stream. All answers of stream.h are foretold from the
 * arrays alone; the only thing that isn't is how many blocks are in use, for which
 * bounds are checked. Anything unexpected prints where and aborts.
 */
#ifndef RCPTWALL_TESTS_STREAM_MODEL_H
#define RCPTWALL_TESTS_STREAM_MODEL_H

#include <stdio.h>
#include <stdlib.h>

#include "kmod-free/stream.h"

#define MODEL_LEN     49152u /* bytes of sequence space that one stream may use */
#define MODEL_STREAMS 2

#define MODEL_EXPECT(what)                                                                                             \
    do {                                                                                                               \
        if (!(what)) {                                                                                                 \
            fprintf(stderr, "stream model, seed %llu, step %lu, line %d: not so: %s\n", model_seed, model_steps,       \
                    __LINE__, #what);                                                                                  \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

static unsigned long long model_seed; /* for the message only */
static unsigned long model_steps;

/* Positions are counted from the stream's first byte. */
struct model {
    struct stream s;
    struct seq first;
    uint32_t acked, read, next, end;
    uint8_t value[MODEL_LEN];
    bool stored[MODEL_LEN];
};

static struct model model_of[MODEL_STREAMS];
static struct pool model_pool;
static uint32_t model_limit;
static uint8_t model_segment[MODEL_LEN];
static uint8_t model_truth[MODEL_LEN]; /* what a sender that tells no lies has at each position */

static uint32_t model_pick(struct bytes *in, uint32_t below)
{
    uint8_t one = 0;
    uint16_t two = 0;

    if (below <= 256)
        (void)!take_u8(in, &one);
    else
        (void)!take_be16(in, &two);
    return (one + (uint32_t)two) % below;
}

static struct seq model_seq(const struct model *m, uint32_t position)
{
    return seq_add(m->first, position);
}

static uint32_t model_kept(const struct model *m)
{
    return m->acked < m->read ? m->acked : m->read;
}

static bool model_conflict(const struct model *m, uint32_t at, struct bytes data)
{
    for (uint32_t i = 0; i < data.len; i++)
        if (at + i >= model_kept(m) && m->stored[at + i] && m->value[at + i] != data.at[i])
            return true;
    return false;
}

static void model_advance(struct model *m)
{
    while (m->next < MODEL_LEN && m->stored[m->next])
        m->next++;
    if (m->end < m->next)
        m->end = m->next;
}

static bool model_blocks_right(void)
{
    uint32_t sum = 0;

    for (size_t i = 0; i < MODEL_STREAMS; i++) {
        const struct model *m = &model_of[i];
        uint32_t kept = model_kept(m);
        if (m->s.blocks > (m->end - kept) / STREAM_BLOCK_DATA + 2 || m->s.blocks > model_limit)
            return false;
        if (kept == m->end && m->s.blocks != 0)
            return false;
        if ((m->s.tail == POOL_NONE) != (m->s.blocks == 0))
            return false;
        if (m->s.blocks > 0 && model_pool.links[m->s.tail].next != POOL_NONE)
            return false;
        sum += m->s.blocks;
    }
    return sum == model_pool.used;
}

static void model_compare(const struct model *m)
{
    struct seq gap_end;
    uint32_t stored = m->next;

    MODEL_EXPECT(seq_equal(m->s.acked, model_seq(m, m->acked)));
    MODEL_EXPECT(seq_equal(m->s.read, model_seq(m, m->read)));
    MODEL_EXPECT(seq_equal(m->s.next, model_seq(m, m->next)));
    MODEL_EXPECT(seq_equal(m->s.end, model_seq(m, m->end)));
    MODEL_EXPECT(stream_unread(&m->s) == m->next - m->read);
    while (stored < m->end && !m->stored[stored])
        stored++;
    MODEL_EXPECT(stream_gap(&m->s, &gap_end) == (m->next < m->end));
    MODEL_EXPECT(seq_equal(gap_end, model_seq(m, stored)));
    MODEL_EXPECT(model_blocks_right());
}

/* The bytes behind `read` are the ones that came first. */
static void model_look(const struct model *m, struct bytes *in)
{
    static uint8_t gathered[MODEL_LEN];
    uint32_t unread = m->next - m->read;
    size_t room = model_pick(in, 8) ? model_pick(in, 5000) : MODEL_LEN;
    size_t want = room < unread ? room : unread;
    struct bytes run;

    MODEL_EXPECT(stream_peek(&m->s, &model_pool, &run) == (unread > 0));
    MODEL_EXPECT(run.len <= unread && (run.len > 0) == (unread > 0));
    MODEL_EXPECT(run.len == 0 || memcmp(run.at, m->value + m->read, run.len) == 0);
    MODEL_EXPECT(stream_gather(&m->s, &model_pool, gathered, room) == want);
    MODEL_EXPECT(memcmp(gathered, m->value + m->read, want) == 0);
}

/* A copy of one byte differs exactly if that byte is kept and not the same. */
static void model_probe(const struct model *m, uint32_t position)
{
    uint8_t same = m->value[position], other = (uint8_t)~same;

    MODEL_EXPECT(!stream_differs(&m->s, &model_pool, model_seq(m, position), bytes_of(&same, 1)));
    MODEL_EXPECT(stream_differs(&m->s, &model_pool, model_seq(m, position), bytes_of(&other, 1)) ==
                 (m->stored[position] && position >= model_kept(m)));
}

/* A position near one of the places where something changes. */
static uint32_t model_place(const struct model *m, struct bytes *in)
{
    const uint32_t near[] = {0, m->acked, m->read, m->next, m->next, m->next, m->end, m->end};
    uint32_t base = near[model_pick(in, 8)];
    uint32_t off = 0;

    switch (model_pick(in, 4)) {
    case 0:
        break;
    case 1:
        off = model_pick(in, 4);
        break;
    case 2:
        off = model_pick(in, 256);
        break;
    case 3:
        off = model_pick(in, 8192);
        break;
    }
    if (model_pick(in, 3) == 0)
        base = base > off ? base - off : 0;
    else
        base += off;
    return base < MODEL_LEN ? base : MODEL_LEN - 1;
}

static uint32_t model_length(struct bytes *in)
{
    switch (model_pick(in, 4)) {
    case 0:
        return model_pick(in, 4);
    case 1:
        return model_pick(in, 256);
    case 2:
        return model_pick(in, 2048);
    default:
        return model_pick(in, 9000);
    }
}

static void model_insert(struct model *m, struct bytes *in)
{
    uint32_t at = model_place(m, in), len = model_length(in);
    uint32_t lies = model_pick(in, 4) == 0 ? 1 + model_pick(in, 3) : 0;
    struct stream before = m->s;
    uint32_t used = model_pool.used;
    bool more = false;

    if (len > MODEL_LEN - at)
        len = MODEL_LEN - at;
    for (uint32_t i = 0; i < len; i++)
        model_segment[i] = m->stored[at + i] && !lies ? m->value[at + i] : model_truth[at + i];
    for (; lies > 0 && len > 0; lies--)
        model_segment[model_pick(in, len)] ^= (uint8_t)(1 + model_pick(in, 255));
    struct bytes data = bytes_of(model_segment, len);

    bool conflict = model_conflict(m, at, data);
    for (uint32_t p = at > m->next ? at : m->next; p < at + len; p++)
        more |= !m->stored[p];
    MODEL_EXPECT(stream_differs(&m->s, &model_pool, model_seq(m, at), data) == conflict);
    enum stream_result r = stream_insert(&m->s, &model_pool, model_limit, model_seq(m, at), data);
    switch (r) {
    case STREAM_CONFLICT:
        MODEL_EXPECT(conflict);
        break;
    case STREAM_FULL: {
        uint32_t most = len / STREAM_BLOCK_DATA + 2;
        MODEL_EXPECT(!conflict && more);
        MODEL_EXPECT(before.blocks + most > model_limit || used + most > model_pool.count);
        break;
    }
    case STREAM_OLD:
        MODEL_EXPECT(!conflict && !more);
        break;
    case STREAM_OK:
        MODEL_EXPECT(!conflict && more);
        for (uint32_t p = at > m->next ? at : m->next; p < at + len; p++) {
            m->value[p] = model_segment[p - at];
            m->stored[p] = true;
        }
        if (m->end < at + len)
            m->end = at + len;
        model_advance(m);
        break;
    }
    if (r != STREAM_OK) {
        MODEL_EXPECT(memcmp(&before, &m->s, sizeof(before)) == 0);
        MODEL_EXPECT(used == model_pool.used);
    }
}

static void model_skip(struct model *m, struct bytes *in)
{
    uint32_t to = model_place(m, in);

    stream_read(&m->s, &model_pool, m->next - m->read);
    m->read = m->next;
    stream_skip(&m->s, &model_pool, model_seq(m, to));
    if (to <= m->next)
        return;
    if (m->acked == m->next)
        m->acked = to;
    m->read = m->next = to;
    model_advance(m);
    if (m->end < to)
        m->end = to;
}

static void model_start(struct model *m, struct bytes *in)
{
    static const uint32_t firsts[] = {0, UINT32_MAX - 100, UINT32_MAX - 20000, INT32_MAX - 1000, 0x12345678};

    m->first = seq_add(seq_of(firsts[model_pick(in, 5)]), model_pick(in, 4));
    m->acked = m->read = m->next = m->end = 0;
    memset(m->stored, 0, sizeof(m->stored));
    memcpy(m->value, model_truth, MODEL_LEN);
    stream_start(&m->s, m->first);
}

static void model_ack(struct model *m, uint32_t upto)
{
    stream_acked(&m->s, &model_pool, model_seq(m, upto));
    if (upto > m->next)
        upto = m->next;
    if (upto > m->acked)
        m->acked = upto;
}

/* Nothing about 2^31 away is taken, on either side. */
static void model_far(struct model *m, struct bytes *in)
{
    const struct stream before = m->s;
    uint32_t kept = model_kept(m), far = UINT32_C(0x80000000) + model_pick(in, 9) * 500 - 2000;
    struct seq at = model_seq(m, kept + far);

    enum stream_result r = stream_insert(&m->s, &model_pool, model_limit, at, bytes_of("!", 1));
    MODEL_EXPECT(r == (far < UINT32_C(0x80000000) ? STREAM_FULL : STREAM_OLD));
    MODEL_EXPECT(!stream_differs(&m->s, &model_pool, at, bytes_of("!", 1)));
    MODEL_EXPECT(memcmp(&before, &m->s, sizeof(before)) == 0);
}

static void model_step(struct model *m, struct bytes *in)
{
    switch (model_pick(in, 16)) {
    case 10:
    case 11: {
        uint32_t n = m->next - m->read;
        if (model_pick(in, 2))
            n = model_pick(in, n < 65535 ? n + 1 : 65536);
        stream_read(&m->s, &model_pool, n);
        m->read += n;
        break;
    }
    case 12:
    case 13:
        model_ack(m, model_place(m, in));
        break;
    case 14:
        if (model_pick(in, 4) == 0) {
            model_skip(m, in);
        } else if (model_pick(in, 8) == 0) {
            model_far(m, in);
        } else if (model_pick(in, 8) == 0) {
            stream_forget_read(&m->s, &model_pool);
            if (m->acked < m->read)
                m->acked = m->read;
        }
        break;
    case 15:
        if (model_pick(in, 16) == 0) {
            stream_stop(&m->s, &model_pool);
            model_start(m, in);
        }
        break;
    default:
        model_insert(m, in);
    }
    model_compare(m);
    model_look(m, in);
    for (int i = 0; i < 4; i++)
        model_probe(m, model_place(m, in));
}

static void model_run(struct bytes in)
{
    static bool ready;
    static const uint32_t limits[] = {1, 2, 5, 9, 40, 40};

    model_steps = 0;
    for (uint32_t p = 0; p < MODEL_LEN && !ready; p++)
        model_truth[p] = (uint8_t)(p * 167 + (p >> 8) * 13);
    ready = true;
    model_limit = limits[model_pick(&in, 6)];
    uint32_t blocks = model_pick(&in, 3) ? 2 * model_limit : model_limit;
    if (!pool_new(&model_pool, STREAM_BLOCK, blocks))
        abort();
    for (size_t i = 0; i < MODEL_STREAMS; i++)
        model_start(&model_of[i], &in);
    for (; in.len > 0; model_steps++)
        model_step(&model_of[model_pick(&in, 4) == 0], &in);
    for (size_t i = 0; i < MODEL_STREAMS; i++) {
        for (uint32_t p = 0; p < model_of[i].end; p += 1 + p % 23)
            model_probe(&model_of[i], p);
        stream_stop(&model_of[i].s, &model_pool);
    }
    MODEL_EXPECT(model_pool.used == 0);
    pool_free(&model_pool);
}

#endif
