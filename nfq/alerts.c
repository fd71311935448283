/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nfq/alerts.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>

#define NOBODY UINT32_MAX

static_assert(ALERTS_KEY_BYTES == crypto_shorthash_KEYBYTES, "the key is libsodium's");

/* What counts as the same; compared as bytes, so without holes. */
struct source {
    uint8_t addr[16];
    uint8_t family, reason, action, tag;
};

struct slot {
    struct source source;
    uint32_t chain;      /* next of the bucket, or next free one */
    uint32_t after;      /* next in order of `until` */
    uint64_t count;      /* gathered since the last line */
    struct mono until;   /* end of the interval */
    struct event latest; /* valid while count > 0 */
};

struct alerts {
    struct slot *slots;
    uint32_t *buckets;
    uint32_t count; /* of slots, and of buckets */
    uint32_t free_head;
    uint32_t first, last; /* all intervals are equally long, so the order of time is that of arrival */
    int64_t interval_ns;
    uint64_t overflow;
    uint8_t key[ALERTS_KEY_BYTES];
    alerts_show *show;
    void *ctx;
};

struct alerts *alerts_new(size_t sources, int64_t interval_ns, const uint8_t key[static ALERTS_KEY_BYTES],
                          alerts_show *show, void *ctx)
{
    assert(sources > 0 && sources < NOBODY && interval_ns > 0);
    struct alerts *a = calloc(1, sizeof *a);
    if (a == NULL)
        return NULL;
    *a = (struct alerts){.count = (uint32_t)sources,
                         .first = NOBODY,
                         .last = NOBODY,
                         .interval_ns = interval_ns,
                         .show = show,
                         .ctx = ctx};
    memcpy(a->key, key, sizeof a->key);
    a->slots = calloc(sources, sizeof *a->slots);
    a->buckets = calloc(sources, sizeof *a->buckets);
    if (a->slots == NULL || a->buckets == NULL) {
        alerts_free(a);
        return NULL;
    }
    for (uint32_t i = 0; i < a->count; i++) {
        a->buckets[i] = NOBODY;
        a->slots[i].chain = i + 1 < a->count ? i + 1 : NOBODY;
    }
    return a;
}

void alerts_free(struct alerts *a)
{
    if (a == NULL)
        return;
    free(a->slots);
    free(a->buckets);
    free(a);
}

static struct source source_of(const struct event *ev)
{
    struct source s = {
        .family = ev->client.addr.family, .reason = (uint8_t)ev->reason, .action = (uint8_t)ev->action, .tag = ev->tag};
    /* whoever has one IPv6 address has the whole /64 */
    memcpy(s.addr, ev->client.addr.at, s.family == 6 ? 8 : 4);
    return s;
}

static uint32_t *bucket_of(struct alerts *a, const struct source *s)
{
    static_assert(sizeof *s == 20, "a hole would be hashed too");
    uint8_t hash[crypto_shorthash_BYTES];
    crypto_shorthash(hash, (const uint8_t *)s, sizeof *s, a->key);
    uint64_t h;
    memcpy(&h, hash, sizeof h);
    return &a->buckets[h % a->count];
}

static void start_interval(struct alerts *a, uint32_t i, struct mono now)
{
    struct slot *s = &a->slots[i];
    s->until = mono_add(now, a->interval_ns);
    s->after = NOBODY;
    if (a->last == NOBODY)
        a->first = i;
    else
        a->slots[a->last].after = i;
    a->last = i;
}

static void forget(struct alerts *a, uint32_t i)
{
    uint32_t *link = bucket_of(a, &a->slots[i].source);
    while (*link != i)
        link = &a->slots[*link].chain;
    *link = a->slots[i].chain;
    a->slots[i].chain = a->free_head;
    a->free_head = i;
}

/* A ban that wasn't told yet stays the one that is shown. */
static void gather(struct slot *s, const struct event *ev)
{
    s->count++;
    if (s->count == 1 || s->latest.ban_for_s == 0)
        memcpy(&s->latest, ev, event_size(ev));
}

static bool show_gathered(struct alerts *a, struct slot *s)
{
    if (!a->show(a->ctx, &s->latest, s->count))
        return false;
    s->count = 0;
    return true;
}

void alerts_take(struct alerts *a, const struct event *ev, struct mono now)
{
    alerts_tick(a, now);
    struct source source = source_of(ev);
    uint32_t *bucket = bucket_of(a, &source), i = *bucket;
    while (i != NOBODY && memcmp(&a->slots[i].source, &source, sizeof source) != 0)
        i = a->slots[i].chain;
    if (i != NOBODY) {
        gather(&a->slots[i], ev);
        if (ev->ban_for_s > 0)
            show_gathered(a, &a->slots[i]);
        return;
    }
    if (a->free_head == NOBODY) {
        a->overflow++;
        return;
    }
    i = a->free_head;
    a->free_head = a->slots[i].chain;
    a->slots[i].source = source;
    a->slots[i].chain = *bucket;
    a->slots[i].count = 0;
    *bucket = i;
    start_interval(a, i, now);
    if (!a->show(a->ctx, ev, 1))
        gather(&a->slots[i], ev);
}

/* The slot whose interval ends first is taken off the order. */
static uint32_t take_first(struct alerts *a)
{
    uint32_t i = a->first;
    a->first = a->slots[i].after;
    if (a->first == NOBODY)
        a->last = NOBODY;
    return i;
}

void alerts_tick(struct alerts *a, struct mono now)
{
    while (a->first != NOBODY && !mono_before(now, a->slots[a->first].until)) {
        uint32_t i = take_first(a);
        struct slot *s = &a->slots[i];
        if (s->count == 0) {
            forget(a, i);
        } else {
            show_gathered(a, s);
            start_interval(a, i, now);
        }
    }
}

uint64_t alerts_flush(struct alerts *a)
{
    uint64_t left = 0;
    while (a->first != NOBODY) {
        uint32_t i = take_first(a);
        if (a->slots[i].count > 0 && !show_gathered(a, &a->slots[i]))
            left += a->slots[i].count;
        forget(a, i);
    }
    return left;
}

bool alerts_next(const struct alerts *a, struct mono *out)
{
    *out = a->first != NOBODY ? a->slots[a->first].until : (struct mono){0};
    return a->first != NOBODY;
}

uint64_t alerts_take_overflow(struct alerts *a)
{
    uint64_t n = a->overflow;
    a->overflow = 0;
    return n;
}
