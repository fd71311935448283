/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * stream - one direction of a TCP connection put in order (RFC 9293 3.4, 3.10.7.4).
 *
 * Theory of operation
 *
 *      acked          read            next            end
 *        |              |               |               |
 *   -----+==============+===============+....======.....+-----> sequence
 *   freed  kept (S1)      to be judged    gap  beyond gap
 *
 * A byte is kept until it was read by the judge *and* acknowledged by the
 * receiver (invariant S1), so that every later copy can be compared with the one
 * that was judged. Bytes are stored once, by the first copy that brings them; a
 * copy that differs anywhere is a CONFLICT and changes nothing. Bytes beyond a gap
 * are stored too (S2) and become readable when the gap fills.
 *
 * Storage are blocks of a struct pool that all streams share (STREAM_BLOCK bytes
 * each, a header and data), chained in sequence order; at most `block_limit` per
 * stream (S3: full is an answer, not an accident).
 *
 * A stream knows no SYN, FIN or window: that is tcp.h. It knows no SMTP.
 */
#ifndef RCPTWALL_STREAM_H
#define RCPTWALL_STREAM_H

#include "kmod-free/bytes.h"
#include "kmod-free/pool.h"
#include "kmod-free/seq.h"

/* Size of one pool block, header included, and how many bytes of a stream go into it. */
#define STREAM_BLOCK      2048
#define STREAM_BLOCK_DATA 1808

struct stream {
    struct seq acked; /* the receiver has everything before this */
    struct seq read;  /* next byte for the judge */
    struct seq next;  /* first byte that we don't have in order */
    struct seq end;   /* behind the last byte stored; == next when there is no gap */
    /* of stream.c only */
    struct seq beyond; /* if there is a gap: first byte stored behind it */
    uint32_t head, tail;
    uint32_t reading; /* last block that begins at or before `read`, or POOL_NONE */
    uint32_t blocks;
};

enum stream_result {
    STREAM_OK = 1,   /* at least one new byte was stored */
    STREAM_OLD,      /* nothing new; all that could be compared is the same */
    STREAM_CONFLICT, /* differs from what is kept: nothing stored (S1) */
    STREAM_FULL,     /* no block left, in the pool or for this stream: nothing stored (S3) */
};

/* An empty stream whose first byte will have sequence number `first`. */
void stream_start(struct stream *, struct seq first);
/* Gives all blocks back; the stream must be started again before use. */
void stream_stop(struct stream *, struct pool *);

/*
 * Offers a segment's bytes. Bytes before the oldest one kept can't be compared any
 * more and are passed over. The caller has checked that `at` is near the window.
 */
RW_CHECK enum stream_result stream_insert(struct stream *, struct pool *, uint32_t block_limit, struct seq at,
                                          struct bytes data);

/* So many bytes from `next` on find room for sure. */
uint32_t stream_room(const struct stream *, const struct pool *, uint32_t block_limit);

/* Does the segment differ from what is kept? Stores nothing. */
RW_CHECK bool stream_differs(const struct stream *, const struct pool *, struct seq at, struct bytes data);

/* How many bytes can be read in order now. */
static inline uint32_t stream_unread(const struct stream *s)
{
    return (uint32_t)seq_diff(s->next, s->read);
}

/*
 * The unread bytes in order, as far as they lie in one run of memory: false if
 * there are none. Borrowed until the next call that changes the stream.
 */
RW_CHECK bool stream_peek(const struct stream *, const struct pool *, struct bytes *out);
/* Copies up to `room` unread bytes into buf, over block borders. Returns how many. */
size_t stream_gather(const struct stream *, const struct pool *, uint8_t *buf, size_t room);
/* The judge is done with n bytes (n <= stream_unread). Frees what was also acknowledged. */
void stream_read(struct stream *, struct pool *, uint32_t n);
/* The receiver acknowledged everything before `upto`. Only forwards; beyond `next` it stops at `next`. */
void stream_acked(struct stream *, struct pool *, struct seq upto);

/* true: bytes are stored beyond a gap; *gap_end is where they begin. */
RW_CHECK bool stream_gap(const struct stream *, struct seq *gap_end);
/*
 * Gives the bytes from next to `to` up as lost (offline only). Everything unread
 * before the gap must have been read. next becomes `to`, or the end of the run
 * that is stored there.
 */
void stream_skip(struct stream *, struct pool *, struct seq to);
/* Frees what was read, acknowledged or not (offline only, where nobody can send another copy past us). */
void stream_forget_read(struct stream *, struct pool *);

#endif
