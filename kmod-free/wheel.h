/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * wheel - which flow's time may be over? A timer wheel by flow index.
 *
 * Time is cut into slots, and a flow is filed under the one in which it is due.
 * Whoever asks gets those whose slot is over, oldest slot first and in the order in
 * which they were filed, so a flow comes up to one slot late and never early, but for
 * those that are due later than a turn from the last time that somebody asked. A flow
 * whose time is only ever put off need not be filed again each time: it comes up, is
 * seen to be alive, and is filed anew. Filing and taking out are O(1) and touch nothing
 * but the wheel.
 */
#ifndef RCPTWALL_WHEEL_H
#define RCPTWALL_WHEEL_H

#include "kmod-free/bytes.h"
#include "kmod-free/clock.h"

#define WHEEL_NONE  UINT32_MAX
#define WHEEL_SLOTS 4096

struct wheel_link {
    uint32_t next, prev; /* index + 1; 0: not in the wheel */
};

struct wheel {
    struct wheel_link *links; /* by flow index; behind these, one for each slot */
    uint32_t count;
    int64_t slot_ns;
    int64_t at; /* the oldest slot that isn't over, counted from time 0 */
};

/* count: of flows. longest_ns: from now; a turn is a little longer. false: out of memory. */
RW_CHECK bool wheel_new(struct wheel *, uint32_t count, int64_t longest_ns);
void wheel_free(struct wheel *);
/* Files a flow, or files it anew. */
void wheel_put(struct wheel *, uint32_t index, struct mono due);
void wheel_take_out(struct wheel *, uint32_t index);
/* The next one whose slot is over, taken out; WHEEL_NONE: no more. `now` never runs backwards. */
uint32_t wheel_due(struct wheel *, struct mono now);

#endif
