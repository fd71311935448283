/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kmod-free/wheel.h"

#include <assert.h>
#include <stdlib.h>

/* A slot's list is a ring through its own link. */
static uint32_t ring_of(const struct wheel *w, int64_t slot)
{
    return w->count + (uint32_t)(slot % WHEEL_SLOTS);
}

bool wheel_new(struct wheel *w, uint32_t count, int64_t longest_ns)
{
    assert(count > 0 && count < UINT32_MAX - WHEEL_SLOTS && longest_ns > 0);
    /* one slot less than a turn, so that "longest from now" is never the slot that is looked at */
    *w = (struct wheel){.count = count, .slot_ns = longest_ns / (WHEEL_SLOTS - 1) + 1};
    w->links = calloc((size_t)count + WHEEL_SLOTS, sizeof *w->links);
    if (w->links == NULL)
        return false;
    for (uint32_t slot = 0; slot < WHEEL_SLOTS; slot++) {
        uint32_t ring = ring_of(w, slot);
        w->links[ring] = (struct wheel_link){ring + 1, ring + 1};
    }
    return true;
}

void wheel_free(struct wheel *w)
{
    free(w->links);
    *w = (struct wheel){0};
}

void wheel_take_out(struct wheel *w, uint32_t index)
{
    struct wheel_link *l = &w->links[index];

    assert(index < w->count);
    if (l->next == 0)
        return;
    w->links[l->prev - 1].next = l->next;
    w->links[l->next - 1].prev = l->prev;
    *l = (struct wheel_link){0};
}

void wheel_put(struct wheel *w, uint32_t index, struct mono due)
{
    int64_t slot = due.ns / w->slot_ns;
    uint32_t ring;

    wheel_take_out(w, index);
    if (slot < w->at)
        slot = w->at;
    if (slot > w->at + WHEEL_SLOTS - 1)
        slot = w->at + WHEEL_SLOTS - 1;
    ring = ring_of(w, slot);
    w->links[index] = (struct wheel_link){.next = ring + 1, .prev = w->links[ring].prev};
    w->links[w->links[ring].prev - 1].next = index + 1;
    w->links[ring].prev = index + 1;
}

uint32_t wheel_due(struct wheel *w, struct mono now)
{
    int64_t current = now.ns / w->slot_ns;

    if (current - w->at > WHEEL_SLOTS)
        w->at = current - WHEEL_SLOTS; /* a turn looks at every slot */
    for (; w->at < current; w->at++) {
        uint32_t first = w->links[ring_of(w, w->at)].next - 1;
        if (first < w->count) {
            wheel_take_out(w, first);
            return first;
        }
    }
    return WHEEL_NONE;
}
