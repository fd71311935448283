/* SPDX-License-Identifier: GPL-2.0-or-later */
/* counters - the counters of a queue, one by one or as one line of key=value. */
#ifndef RCPTWALL_COUNTERS_H
#define RCPTWALL_COUNTERS_H

#include "nfq/channel.h"
#include "nfq/queue.h"

/* prefix and key together are the counter's name. */
typedef void counters_take(void *ctx, const char *prefix, const char *key, uint64_t value);
void counters_each(const struct worker_report *r, counters_take *take, void *ctx);

/* listing: the kernel's own counters, NULL if unknown. Returns the length; cut at room. */
size_t counters_to_line(uint16_t queue, const struct worker_report *r, const struct queue_listing *listing, char *out,
                        size_t room);

#endif
