/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * reader - one engine's way through all captures, which may be pieces of one.
 *
 * With several readers each reads everything and judges its share of the connections: reading is a small part of
 * the work, and so a connection that goes from one capture into the next, or is in pieces all over them, is judged as
 * if there were one reader. Nothing is shared between them but the policy, which nobody changes.
 */
#ifndef RCPTWALL_REPLAY_READER_H
#define RCPTWALL_REPLAY_READER_H

#include "kmod-free/engine.h"
#include "pcap-tests/replay/batch.h"
#include "pcap-tests/replay/forward.h"
#include "pcap-tests/replay/options.h"

/*
 * What becomes of a batch. It is given back, or another one, without entries, for those that follow; NULL: nobody
 * wants more. After one with progress.end nothing is wanted back.
 */
struct reader_sink {
    struct batch *(*take)(void *ctx, struct batch *);
    void *ctx;
};

struct reader_config {
    const struct replay_options *options;
    uint32_t share, shares;
    struct forward *forward; /* NULL: nothing is written */
    struct reader_sink sink;
};

struct reader;

/* The policy stays the caller's, and must outlive the reader. NULL: out of memory. */
RW_CHECK struct reader *reader_new(const struct reader_config *, struct policy *);
void reader_free(struct reader *);
/* Reads all captures to their ends, starting with this empty batch; the last batch says `end`. */
void reader_run(struct reader *, struct batch *);
/* After reader_run. */
void reader_count(const struct reader *, struct engine_counters *out);
/* Some event was lost for want of memory. */
bool reader_failed(const struct reader *);

#endif
