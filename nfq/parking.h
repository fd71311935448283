/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * parking - packets of clients about whom a DNS blocklist hasn't answered yet. Each stays in the kernel's queue
 * without a verdict, and its message here, until the answer is there or its time is over; then it is judged as if
 * it came just now. A packet that was dropped instead would be sent again by TCP, too, but 0.2 s later.
 *
 * Fixed memory. What finds no room is dropped. Few, since for each verdict the kernel walks past those that are
 * older and still wait.
 */
#ifndef RCPTWALL_PARKING_H
#define RCPTWALL_PARKING_H

#include "kmod-free/bytes.h"
#include "kmod-free/clock.h"

#define PARKING_PLACES  64
#define PARKING_MESSAGE 2048 /* a command and its headers; nobody's MAIL is longer */
/* No packet waits longer: TCP gives its peer 200 ms at the least before it sends again. */
#define PARKING_NS      (150 * NS_PER_MS)

struct parking {
    struct {
        uint32_t flow;
        struct mono until;
        uint32_t len;
        _Alignas(8) uint8_t message[PARKING_MESSAGE];
    } at[PARKING_PLACES];
    uint8_t line[PARKING_PLACES]; /* places: those that are taken, the longest first, then the free ones */
    size_t taken;
};

/* Empty. */
void parking_begin(struct parking *);
/* false: no room, or too long. */
RW_CHECK bool parking_keep(struct parking *, uint32_t flow, struct bytes message, struct mono until);
/*
 * The message that stands longest, of this flow, or of those whose time is over by now, taken out; empty: none. Its
 * bytes are there until the next parking_keep.
 */
struct bytes parking_take(struct parking *, uint32_t flow);
struct bytes parking_take_due(struct parking *, struct mono now);
/* How long until the first one's time is over, rounded up; not more than most_ms. */
int parking_wait_ms(const struct parking *, struct mono now, int most_ms);

#endif
