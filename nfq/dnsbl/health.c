/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nfq/dnsbl/health.h"

#include <assert.h>

static const char *const state_names[] = {
    [DNSBL_UNCHECKED] = "unchecked", [DNSBL_ON] = "on", [DNSBL_OFF] = "off"};

static const char *const fault_texts[] = {
    [DNSBL_FAULT_NONE] = "it is sane",
    [DNSBL_FAULT_LISTS_ALL] = "it lists everything (also what must not be listed)",
    [DNSBL_FAULT_EMPTY] = "it lists nothing (its test entry is not listed)",
    [DNSBL_FAULT_SILENT] = "it doesn't answer",
    [DNSBL_FAULT_REFUSES] = "it refuses to answer us (error code 127.255.255.x)",
    [DNSBL_FAULT_LIES] = "its answers are outside 127/8",
    [DNSBL_FAULT_GARBAGE] = "its answers can't be read",
};

const char *dnsbl_state_name(enum dnsbl_state s)
{
    return state_names[s];
}

const char *dnsbl_fault_text(enum dnsbl_fault f)
{
    return fault_texts[f];
}

bool dnsbl_probe(const struct dnsbl_zone *z, unsigned probe, struct ip_addr *addr, bool *must_be_listed)
{
    static const struct ip_addr probes[DNSBL_PROBES] = {
        {.family = 4, .at = {127, 0, 0, 2}},
        {.family = 4, .at = {127, 0, 0, 1}},
        {.family = 6, .at = {[10] = 0xff, [11] = 0xff, [12] = 0x7f, [15] = 2}},
        {.family = 6, .at = {[10] = 0xff, [11] = 0xff, [12] = 0x7f, [15] = 1}},
    };

    assert(probe < DNSBL_PROBES);
    *addr = probes[probe];
    *must_be_listed = probe % 2 == 0;
    return dnsbl_zone_covers(z, addr);
}

void dnsbl_health_start(struct dnsbl_health *h, struct mono now)
{
    *h = (struct dnsbl_health){.state = DNSBL_UNCHECKED, .next = now, .since = now};
}

bool dnsbl_health_due(const struct dnsbl_health *h, struct mono now)
{
    return !h->checking && !mono_before(now, h->next);
}

uint8_t dnsbl_health_begin(struct dnsbl_health *h, const struct dnsbl_zone *z, struct mono now)
{
    struct ip_addr addr;
    bool listed;

    h->checking = true;
    h->began = now;
    h->found = DNSBL_FAULT_NONE;
    h->waiting = 0;
    for (unsigned i = 0; i < DNSBL_PROBES; i++)
        if (dnsbl_probe(z, i, &addr, &listed))
            h->waiting |= (uint8_t)(1u << i);
    h->checks++;
    assert(h->waiting != 0);
    return h->waiting;
}

static enum dnsbl_fault fault_of(enum dnsbl_finding f, bool must_be_listed)
{
    switch (f) {
    case DNSBL_NOT_LISTED:
        return must_be_listed ? DNSBL_FAULT_EMPTY : DNSBL_FAULT_NONE;
    case DNSBL_LISTED:
        return must_be_listed ? DNSBL_FAULT_NONE : DNSBL_FAULT_LISTS_ALL;
    case DNSBL_NO_ANSWER:
        return DNSBL_FAULT_SILENT;
    case DNSBL_ERROR_CODE:
        return DNSBL_FAULT_REFUSES;
    case DNSBL_OUTSIDE:
        return DNSBL_FAULT_LIES;
    case DNSBL_GARBAGE:
        return DNSBL_FAULT_GARBAGE;
    }
    return DNSBL_FAULT_GARBAGE;
}

static enum dnsbl_change check_done(struct dnsbl_health *h, const struct dnsbl_zone *z, struct mono now)
{
    enum dnsbl_state before = h->state;

    h->checking = false;
    h->fault = h->found;
    h->state = h->found == DNSBL_FAULT_NONE ? DNSBL_ON : DNSBL_OFF;
    h->next = mono_add(now, h->state == DNSBL_ON ? z->check_every_ns : z->retry_ns);
    if (h->state != before)
        h->since = now;
    if (h->state == before || (before == DNSBL_UNCHECKED && h->state == DNSBL_ON))
        return DNSBL_NO_CHANGE;
    if (h->state == DNSBL_ON)
        return DNSBL_SWITCHED_ON;
    h->switched_off++;
    return DNSBL_SWITCHED_OFF;
}

enum dnsbl_change dnsbl_health_take(struct dnsbl_health *h, const struct dnsbl_zone *z, unsigned probe,
                                    enum dnsbl_finding f, struct mono now)
{
    struct ip_addr addr;
    bool must_be_listed;
    uint8_t bit = (uint8_t)(1u << probe);

    if (!h->checking || (h->waiting & bit) == 0 || !dnsbl_probe(z, probe, &addr, &must_be_listed))
        return DNSBL_NO_CHANGE;
    h->waiting &= (uint8_t)~bit;
    if (h->found == DNSBL_FAULT_NONE)
        h->found = fault_of(f, must_be_listed);
    return h->waiting == 0 ? check_done(h, z, now) : DNSBL_NO_CHANGE;
}

void dnsbl_health_suspect(struct dnsbl_health *h, struct mono now)
{
    struct mono soon = mono_add(h->began, DNSBL_SUSPECT_NS);

    if (!h->checking && h->state == DNSBL_ON && mono_before(soon, h->next))
        h->next = mono_before(soon, now) ? now : soon;
}
