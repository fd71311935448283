/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nfq/parking.h"

#include <assert.h>

static_assert(PARKING_PLACES <= UINT8_MAX, "a place has a number of one byte");

void parking_begin(struct parking *p)
{
    p->taken = 0;
    for (size_t i = 0; i < PARKING_PLACES; i++)
        p->line[i] = (uint8_t)i;
}

bool parking_keep(struct parking *p, uint32_t flow, struct bytes message, struct mono until)
{
    if (p->taken == PARKING_PLACES || message.len > PARKING_MESSAGE)
        return false;
    size_t place = p->line[p->taken++];
    p->at[place].flow = flow;
    p->at[place].until = until;
    p->at[place].len = (uint32_t)message.len;
    memcpy(p->at[place].message, message.at, message.len);
    return true;
}

static struct bytes take(struct parking *p, size_t i)
{
    uint8_t place = p->line[i];
    memmove(&p->line[i], &p->line[i + 1], p->taken - i - 1);
    p->line[--p->taken] = place;
    return bytes_of(p->at[place].message, p->at[place].len);
}

struct bytes parking_take(struct parking *p, uint32_t flow)
{
    for (size_t i = 0; i < p->taken; i++)
        if (p->at[p->line[i]].flow == flow)
            return take(p, i);
    return (struct bytes){0};
}

struct bytes parking_take_due(struct parking *p, struct mono now)
{
    for (size_t i = 0; i < p->taken; i++)
        if (!mono_before(now, p->at[p->line[i]].until))
            return take(p, i);
    return (struct bytes){0};
}

int parking_wait_ms(const struct parking *p, struct mono now, int most_ms)
{
    int64_t most = most_ms * NS_PER_MS;
    for (size_t i = 0; i < p->taken; i++) {
        int64_t left = p->at[p->line[i]].until.ns - now.ns;
        most = left < most ? left : most;
    }
    return most > 0 ? (int)((most + NS_PER_MS - 1) / NS_PER_MS) : 0;
}
