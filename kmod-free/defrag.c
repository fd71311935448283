// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Theory of operation
 *
 * A datagram being put together has a slot: a small description, and a buffer in which
 * each piece's data goes straight to its place.
 *
 *   buffer:  | room for the header | fragmentable part, 65,535 bytes at most |
 *                     the header of the piece at offset 0 ends here ^
 *
 * Offsets count in units of 8 bytes, so one bit a unit says what is there: any order and
 * any number of holes cost the same fixed memory, and an overlap is found unit by unit.
 * A datagram is whole when the last piece told the length, the first brought the header
 * and every unit is there. The header is then moved against the data, its lengths are
 * put right, and the frame is handed out where it lies.
 *
 * What an attacker can try: pieces that overlap and differ, two last pieces, data behind
 * the last piece (all: the datagram ends, RFC 5722), an end beyond 65,535 bytes (the
 * piece is refused), tiny pieces (no special case: nothing looks into a piece), endless
 * unfinished datagrams (the oldest is given up), and pieces left over from long ago that
 * mix into a new datagram with the same id (LIFETIME).
 */
#include "kmod-free/defrag.h"

#include <assert.h>
#include <stdlib.h>

#define DATA_MAX        65535
#define UNIT            8
#define UNITS           ((DATA_MAX + UNIT) / UNIT)
#define HEAD_ROOM       (IP6_HEADER + 2 * 2048) /* IPv4: 60 at most; IPv6: what stands before the Fragment header */
#define LIFETIME        UINT64_C(60000000000)   /* RFC 8200 4.5 */
#define IP6_HEADER      40
#define IP4_FRAGMENT_AT 6 /* flags and offset */
#define IP4_CSUM_AT     10

/* Receivers sort IPv4 pieces by protocol too; of IPv6 pieces only the first one's counts. */
struct key {
    struct ip_addr src, dst;
    uint32_t id;
    uint8_t protocol;
};

struct slot {
    struct key key;
    bool used;
    uint64_t born;     /* order of creation */
    struct mono first; /* when its first piece came */
    uint32_t end;      /* behind the highest byte so far */
    uint32_t total;    /* known once has_last */
    uint32_t units;    /* how many bits are set */
    uint16_t head_len; /* of the header that lies in the buffer, 0: none yet */
    uint16_t named_at;
    uint8_t protocol;
    bool has_last;
    uint64_t there[(UNITS + 63) / 64];
};

struct buffer {
    uint8_t head[HEAD_ROOM];
    uint8_t data[UNITS * UNIT];
};

struct defrag {
    struct slot *slots;
    struct buffer *buffers; /* apart from the slots: pages that were never needed are never touched */
    size_t count;
    uint64_t births;
    struct defrag_counters counters;
};

struct defrag *defrag_new(size_t datagrams)
{
    struct defrag *d = calloc(1, sizeof *d);

    if (!d)
        return NULL;
    d->count = datagrams;
    d->slots = calloc(datagrams > 0 ? datagrams : 1, sizeof *d->slots);
    d->buffers = calloc(datagrams > 0 ? datagrams : 1, sizeof *d->buffers);
    if (!d->slots || !d->buffers) {
        defrag_free(d);
        return NULL;
    }
    return d;
}

void defrag_free(struct defrag *d)
{
    if (!d)
        return;
    free(d->buffers);
    free(d->slots);
    free(d);
}

void defrag_count(const struct defrag *d, struct defrag_counters *out)
{
    *out = d->counters;
}

/* Slots */

static struct key key_of(const struct packet *piece)
{
    return (struct key){
        .src = piece->src.addr,
        .dst = piece->dst.addr,
        .id = piece->fragment.id,
        .protocol = piece->src.addr.family == 4 ? piece->fragment.protocol : 0,
    };
}

static bool key_equal(const struct key *a, const struct key *b)
{
    return a->id == b->id && a->protocol == b->protocol && ip_addr_equal(&a->src, &b->src) &&
           ip_addr_equal(&a->dst, &b->dst);
}

/* A capture's times can be anything: no sum or difference of them may overflow. */
static bool outlived(const struct slot *s, struct mono now)
{
    return mono_before(s->first, now) && (uint64_t)now.ns - (uint64_t)s->first.ns > LIFETIME;
}

static void slot_start(struct defrag *d, struct slot *s, const struct key *key, struct mono now)
{
    if (s->used)
        d->counters.given_up++;
    *s = (struct slot){.key = *key, .used = true, .born = d->births++, .first = now};
}

/* The datagram's slot; for a new one a free slot, or the oldest one's. NULL: there are no slots at all. */
static struct slot *slot_for(struct defrag *d, const struct key *key, struct mono now)
{
    struct slot *best = NULL;

    for (size_t i = 0; i < d->count; i++) {
        struct slot *s = &d->slots[i];
        if (s->used && key_equal(&s->key, key)) {
            if (outlived(s, now))
                slot_start(d, s, key, now);
            return s;
        }
        if (!best || (best->used && (!s->used || s->born < best->born)))
            best = s;
    }
    if (best)
        slot_start(d, best, key, now);
    else
        d->counters.given_up++;
    return best;
}

static struct buffer *buffer_of(const struct defrag *d, const struct slot *s)
{
    return &d->buffers[s - d->slots];
}

/* Pieces */

static bool unit_there(const struct slot *s, size_t unit)
{
    return (s->there[unit / 64] >> (unit % 64) & 1) != 0;
}

/*
 * Copies data to its place. false: it differs from what is there; the datagram ends then,
 * so that it doesn't matter what was copied before.
 */
RW_CHECK static bool put_data(struct slot *s, struct buffer *b, uint32_t offset, struct bytes data)
{
    for (size_t at = offset; data.len > 0; at += UNIT) {
        struct bytes part = bytes_first(data, UNIT);
        data = bytes_from(data, UNIT);
        if (unit_there(s, at / UNIT)) {
            if (memcmp(b->data + at, part.at, part.len) != 0)
                return false;
            continue;
        }
        memcpy(b->data + at, part.at, part.len);
        s->there[at / UNIT / 64] |= UINT64_C(1) << (at / UNIT % 64);
        s->units++;
    }
    return true;
}

/* Does the piece contradict what is known of the datagram's length? Notes what it says. */
RW_CHECK static bool fits_length(struct slot *s, uint32_t end, bool more)
{
    if (s->has_last && end > s->total) /* data behind the end, or a later end */
        return false;
    if (!more && end < s->end) /* an end before data, or before another end */
        return false;
    if (!more) {
        s->has_last = true;
        s->total = end;
    }
    if (end > s->end)
        s->end = end;
    return true;
}

/* The piece's data as a receiver takes it. false: no receiver takes it. */
RW_CHECK static bool usable(const struct packet *piece, struct bytes *data)
{
    const struct fragment *p = &piece->fragment;
    uint32_t room = piece->src.addr.family == 4 ? DATA_MAX - p->head_len : DATA_MAX + IP6_HEADER - p->head_len;

    *data = p->data;
    if (p->head_len > HEAD_ROOM || data->len != piece->wire_len || p->offset % UNIT != 0)
        return false;
    if (p->more && data->len % UNIT != 0) {
        if (piece->src.addr.family == 6) /* RFC 8200 4.5: discarded, but RFC 791 says nothing: Linux shortens it */
            return false;
        keep_first(data, data->len / UNIT * UNIT);
    }
    return data->len > 0 && data->len <= room && p->offset <= room - data->len;
}

static void keep_head(struct slot *s, struct buffer *b, const struct frame *f, const struct fragment *p)
{
    struct bytes head = bytes_first(f->l3, p->head_len);

    assert(head.len == p->head_len && p->named_at < p->head_len);
    memcpy(b->head + HEAD_ROOM - head.len, head.at, head.len);
    s->head_len = p->head_len;
    s->named_at = p->named_at;
    s->protocol = p->protocol;
}

/* Whole */

static void put16(uint8_t *at, uint32_t v)
{
    at[0] = (uint8_t)(v >> 8);
    at[1] = (uint8_t)v;
}

/* Makes the first piece's header that of the whole datagram. false: too long for its own length field. */
RW_CHECK static bool finish_head(const struct slot *s, uint8_t *head)
{
    uint32_t len = s->head_len + s->total;

    head[s->named_at] = s->protocol;
    if (s->key.src.family == 4) {
        if (len > DATA_MAX)
            return false;
        put16(head + 2, len);
        put16(head + IP4_FRAGMENT_AT, 0);
        put16(head + IP4_CSUM_AT, 0);
        put16(head + IP4_CSUM_AT, (uint16_t)~csum_fold(csum_add(0, bytes_of(head, s->head_len))));
        return true;
    }
    if (len - IP6_HEADER > DATA_MAX)
        return false;
    put16(head + 4, len - IP6_HEADER);
    return true;
}

static bool is_whole(const struct slot *s)
{
    return s->has_last && s->units == (s->total + UNIT - 1) / UNIT;
}

bool defrag_add(struct defrag *d, const struct frame *f, const struct packet *piece, struct frame *whole)
{
    const struct fragment *p = &piece->fragment;
    struct key key = key_of(piece);
    struct buffer *b;
    struct bytes data;
    struct slot *s;
    uint8_t *head;

    *whole = (struct frame){0};
    d->counters.pieces++;
    if (!usable(piece, &data)) {
        d->counters.broken++;
        return false;
    }
    s = slot_for(d, &key, f->at);
    if (!s)
        return false;
    b = buffer_of(d, s);
    if (!fits_length(s, p->offset + (uint32_t)data.len, p->more) || !put_data(s, b, p->offset, data)) {
        d->counters.conflicts++;
        s->used = false; /* what still comes of it starts anew, and stays unfinished: as on Linux */
        return false;
    }
    if (p->offset == 0 && s->head_len == 0)
        keep_head(s, b, f, p);
    if (!is_whole(s))
        return false;

    assert(s->head_len > 0); /* it came with the first unit */
    s->used = false;         /* its bytes stay where they are until the next call */
    head = b->head + HEAD_ROOM - s->head_len;
    if (!finish_head(s, head)) {
        d->counters.broken++;
        return false;
    }
    d->counters.whole++;
    *whole = *f;
    whole->l3 = bytes_of(head, s->head_len + s->total);
    whole->cut = false;
    return true;
}
