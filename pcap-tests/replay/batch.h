/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * batch - events on their way from the engine that found them to whoever prints them, with what puts them in order.
 *
 * Theory of operation
 *
 * The order is a function of the captures alone, so that any number of engines, each of which judges some of the
 * connections, gives the same output as one. An event's place is the frame with which it was found; behind each
 * sweep for connections that are over, and at the very end, several connections have events at one place, and go by
 * their ids, which are numbers of frames, too. Events of one connection stay as they came.
 *
 * A line of batches leads from each reader to the one who merges them. It holds a few, so that a reader who is
 * ahead waits, and memory is bounded. Batches go back by the same line, to be filled again.
 */
#ifndef RCPTWALL_REPLAY_BATCH_H
#define RCPTWALL_REPLAY_BATCH_H

#include "kmod-free/event.h"

/* Behind everything that frames bring. */
#define BATCH_PLACE_END UINT64_MAX

/* How far the reader is, and what it met: its own, not an event's. */
struct batch_progress {
    uint64_t records, frames, bytes; /* read so far; bytes: on the wire */
    int file;                        /* which capture, from 0 */
    int opened;                      /* captures that could be opened so far */
    double part;                     /* of it that is read, 0..1; negative: nobody knows */
    struct wall first, last;         /* of all records so far */
    int goes_back;                   /* a capture that begins before the end of those in front of it; 0: none */
    char *trouble;                   /* a capture that couldn't be read, or not to its end: to be said, and freed */
    bool end;                        /* nothing will follow */
};

struct batch_entry {
    uint64_t place, flow_id;
    size_t at, len; /* in bytes */
};

struct batch {
    struct batch *next; /* the line's */
    struct batch_progress progress;
    struct batch_entry *entries;
    size_t count, entry_room;
    uint8_t *bytes;
    size_t used, byte_room;
    size_t taken; /* entries that were merged already */
};

RW_CHECK struct batch *batch_new(void); /* NULL: out of memory */
void batch_free(struct batch *);
void batch_clear(struct batch *);
/* false: out of memory; the event is lost. */
RW_CHECK bool batch_add(struct batch *, uint64_t place, const struct event *);
/* Puts the entries from `from` on, all of one place, in order of their flows. */
void batch_sort(struct batch *, size_t from);
/* Borrowed until the batch is cleared. */
const struct event *batch_event(const struct batch *, size_t entry);

struct line;

RW_CHECK struct line *line_new(void); /* NULL: out of memory */
void line_free(struct line *);
/* The reader's end: waits for an empty batch. NULL: nobody wants more. */
RW_CHECK struct batch *line_empty(struct line *);
void line_send(struct line *, struct batch *);
/* The other end: waits for the next batch. */
struct batch *line_receive(struct line *);
void line_return(struct line *, struct batch *);
/* Nobody wants more. */
void line_close(struct line *);

#endif
