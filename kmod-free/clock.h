/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * clock - two kinds of time that must not be mixed. The engine reads no clock:
 * both arrive with each frame.
 *
 * struct mono: for timeouts; never runs backwards live (CLOCK_MONOTONIC), and is
 * the capture's own time in a replay (where it may run backwards: the engine
 * clamps it).
 * struct wall: for showing to people; nanoseconds since 1970-01-01T00:00:00Z.
 */
#ifndef RCPTWALL_CLOCK_H
#define RCPTWALL_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#define NS_PER_S INT64_C(1000000000)
#define NS_PER_MS INT64_C(1000000)

struct mono {
    int64_t ns;
};

struct wall {
    int64_t ns;
};

static inline struct mono mono_add(struct mono a, int64_t ns)
{
    return (struct mono){a.ns + ns};
}

static inline bool mono_before(struct mono a, struct mono b)
{
    return a.ns < b.ns;
}

#endif
