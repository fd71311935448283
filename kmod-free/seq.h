/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * seq - TCP sequence numbers as a type that cannot be compared with '<'
 * (RFC 9293 section 3.4: all arithmetic is modulo 2^32).
 *
 * seq_before(a, b) is meaningful while a and b are less than 2^31 apart, which
 * every caller ensures by looking only at numbers near a window.
 */
#ifndef RCPTWALL_SEQ_H
#define RCPTWALL_SEQ_H

#include <stdbool.h>
#include <stdint.h>

struct seq {
    uint32_t v;
};

static inline struct seq seq_of(uint32_t v)
{
    return (struct seq){v};
}

static inline struct seq seq_add(struct seq a, uint32_t n)
{
    return seq_of(a.v + n);
}

/* Signed distance from b to a: positive when a is later. */
static inline int32_t seq_diff(struct seq a, struct seq b)
{
    return (int32_t)(a.v - b.v);
}

static inline bool seq_equal(struct seq a, struct seq b)
{
    return a.v == b.v;
}

static inline bool seq_before(struct seq a, struct seq b)
{
    return seq_diff(a, b) < 0;
}

static inline bool seq_after(struct seq a, struct seq b)
{
    return seq_diff(a, b) > 0;
}

static inline struct seq seq_later(struct seq a, struct seq b)
{
    return seq_after(a, b) ? a : b;
}

static inline struct seq seq_earlier(struct seq a, struct seq b)
{
    return seq_before(a, b) ? a : b;
}

#endif
