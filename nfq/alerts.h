/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * alerts - gathers the repeats: of each source (an IPv4 address, an IPv6 /64) and
 * reason the first alert is shown at once; then, an interval at a time, the latest
 * one with a count of all. Nothing is shown more often, however many there are.
 *
 * An alert with a ban is shown at once, with what was gathered before it. What can't be shown just now is gathered
 * on, and shown when an interval ends in which it can.
 *
 * Fixed memory. When more sources than it has room for are active at the same
 * time, the alerts of the rest are only counted.
 */
#ifndef RCPTWALL_ALERTS_H
#define RCPTWALL_ALERTS_H

#include "kmod-free/clock.h"
#include "kmod-free/event.h"

#define ALERTS_KEY_BYTES 16

struct alerts;

/* count: how many alerts this one stands for. false: it can't be told now; ask again later. */
typedef bool alerts_show(void *ctx, const struct event *ev, uint64_t count);

/* key: random, so that nobody can aim at one bucket. NULL: out of memory. */
RW_CHECK struct alerts *alerts_new(size_t sources, int64_t interval_ns, const uint8_t key[static ALERTS_KEY_BYTES],
                                   alerts_show *show, void *ctx);
void alerts_free(struct alerts *);

void alerts_take(struct alerts *, const struct event *, struct mono now);
/* Shows what was gathered in the intervals that are over. */
void alerts_tick(struct alerts *, struct mono now);
/* Shows all that was gathered (shutdown), and forgets it. How many alerts could not be shown. */
uint64_t alerts_flush(struct alerts *);
/* When the next interval ends; false: nothing to wait for. */
RW_CHECK bool alerts_next(const struct alerts *, struct mono *out);
/* Alerts that found no room since the last call. */
uint64_t alerts_take_overflow(struct alerts *);

#endif
