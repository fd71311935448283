/* SPDX-License-Identifier: GPL-2.0-or-later */
/* progress - one line on standard error that says how far the work is; on a terminal only. */
#ifndef RCPTWALL_PROGRESS_H
#define RCPTWALL_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
    bool shown;          /* standard error is a terminal */
    int64_t began, next; /* CLOCK_MONOTONIC, nanoseconds */
    uint64_t calls;
};

/* What is being done right now. part: how much of this file is read, 0..1, or negative if nobody knows. */
struct progress_state {
    int file, files;
    double part;
    uint64_t packets, bytes, attempts;
};

void progress_start(struct progress *);
/* Cheap: is it time for another line? Only then is progress_show worth calling. */
bool progress_due(struct progress *);
void progress_show(struct progress *, const struct progress_state *);
/* Takes the line away again. */
void progress_clear(const struct progress *);
double progress_seconds(const struct progress *);

#endif
