/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nfq/dnsbl/cache.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>

#define NONE DNSBL_NO_ENTRY

static_assert(DNSBL_KEY_BYTES == crypto_shorthash_KEYBYTES, "the key is SipHash's");

struct entry {
    struct ip_addr addr;
    uint32_t serial;
    uint32_t chain;        /* next one in the same bucket */
    uint32_t older, newer; /* by last use */
    uint32_t first, last;  /* who waits */
};

struct waiter {
    struct dnsbl_asker asker;
    uint32_t next;
};

struct dnsbl_cache {
    struct entry *entries;
    struct dnsbl_cell *cells; /* zones a piece */
    struct waiter *waiters;
    uint32_t *buckets;
    uint32_t bucket_mask;
    uint32_t entry_count, waiter_count, zones;
    uint32_t used;            /* entries from here on were never used */
    uint32_t oldest, newest;
    uint32_t waiter_fresh, waiter_free;
    uint8_t key[DNSBL_KEY_BYTES];
};

struct dnsbl_cache *dnsbl_cache_new(uint32_t entries, uint32_t waiters, uint32_t zones,
                                    const uint8_t key[static DNSBL_KEY_BYTES])
{
    uint32_t buckets = 1;
    struct dnsbl_cache *c = calloc(1, sizeof *c);

    if (c == NULL)
        return NULL;
    while (buckets < entries)
        buckets *= 2;
    c->entries = calloc(entries, sizeof *c->entries);
    c->cells = calloc((size_t)entries * zones, sizeof *c->cells);
    c->waiters = calloc(waiters, sizeof *c->waiters);
    c->buckets = malloc(buckets * sizeof *c->buckets);
    if (c->entries == NULL || c->cells == NULL || c->waiters == NULL || c->buckets == NULL) {
        dnsbl_cache_free(c);
        return NULL;
    }
    memset(c->buckets, 0xff, buckets * sizeof *c->buckets); /* NONE */
    c->bucket_mask = buckets - 1;
    c->entry_count = entries;
    c->waiter_count = waiters;
    c->zones = zones;
    c->oldest = c->newest = c->waiter_free = NONE;
    memcpy(c->key, key, sizeof c->key);
    return c;
}

void dnsbl_cache_free(struct dnsbl_cache *c)
{
    if (c == NULL)
        return;
    free(c->entries);
    free(c->cells);
    free(c->waiters);
    free(c->buckets);
    free(c);
}

static uint32_t *bucket_of(const struct dnsbl_cache *c, const struct ip_addr *a)
{
    uint8_t hash[crypto_shorthash_BYTES], bytes[sizeof a->at + 1];
    uint32_t n;

    bytes[0] = a->family;
    memcpy(bytes + 1, a->at, sizeof a->at);
    crypto_shorthash(hash, bytes, sizeof bytes, c->key);
    memcpy(&n, hash, sizeof n);
    return &c->buckets[n & c->bucket_mask];
}

static void unlink_use(struct dnsbl_cache *c, uint32_t i)
{
    const struct entry *e = &c->entries[i];

    *(e->older == NONE ? &c->oldest : &c->entries[e->older].newer) = e->newer;
    *(e->newer == NONE ? &c->newest : &c->entries[e->newer].older) = e->older;
}

static void link_newest(struct dnsbl_cache *c, uint32_t i)
{
    c->entries[i].older = c->newest;
    c->entries[i].newer = NONE;
    *(c->newest == NONE ? &c->oldest : &c->entries[c->newest].newer) = i;
    c->newest = i;
}

static void unlink_chain(struct dnsbl_cache *c, uint32_t i)
{
    uint32_t *at = bucket_of(c, &c->entries[i].addr);

    while (*at != i)
        at = &c->entries[*at].chain;
    *at = c->entries[i].chain;
}

static bool busy(const struct dnsbl_cache *c, uint32_t i)
{
    if (c->entries[i].first != NONE)
        return true;
    for (uint32_t z = 0; z < c->zones; z++)
        if (c->cells[(size_t)i * c->zones + z].pending)
            return true;
    return false;
}

/* How many old entries are looked at for one that nobody waits for. */
#define LOOKED_AT 64

/* An entry for somebody new: a fresh one, or the oldest that is idle. */
static uint32_t make_room(struct dnsbl_cache *c)
{
    if (c->used < c->entry_count)
        return c->used++;
    uint32_t i = c->oldest;
    for (int n = 0; n < LOOKED_AT && i != NONE; n++, i = c->entries[i].newer) {
        if (busy(c, i))
            continue;
        unlink_chain(c, i);
        unlink_use(c, i);
        return i;
    }
    return NONE;
}

uint32_t dnsbl_cache_get(struct dnsbl_cache *c, const struct ip_addr *a)
{
    uint32_t *bucket = bucket_of(c, a), i = *bucket;

    while (i != NONE && !ip_addr_equal(&c->entries[i].addr, a))
        i = c->entries[i].chain;
    if (i != NONE) {
        unlink_use(c, i);
    } else {
        i = make_room(c);
        if (i == NONE)
            return NONE;
        c->entries[i] = (struct entry){
            .addr = *a, .serial = c->entries[i].serial + 1, .first = NONE, .last = NONE, .chain = *bucket};
        memset(&c->cells[(size_t)i * c->zones], 0, c->zones * sizeof *c->cells);
        *bucket = i;
    }
    link_newest(c, i);
    return i;
}

uint32_t dnsbl_cache_serial(const struct dnsbl_cache *c, uint32_t entry)
{
    return c->entries[entry].serial;
}

const struct ip_addr *dnsbl_cache_address(const struct dnsbl_cache *c, uint32_t entry)
{
    return &c->entries[entry].addr;
}

struct dnsbl_cell *dnsbl_cache_cell(struct dnsbl_cache *c, uint32_t entry, uint32_t zone)
{
    assert(entry < c->used && zone < c->zones);
    return &c->cells[(size_t)entry * c->zones + zone];
}

bool dnsbl_cache_wait(struct dnsbl_cache *c, uint32_t entry, const struct dnsbl_asker *asker)
{
    struct entry *e = &c->entries[entry];
    uint32_t w = c->waiter_free;

    if (w != NONE)
        c->waiter_free = c->waiters[w].next;
    else if (c->waiter_fresh < c->waiter_count)
        w = c->waiter_fresh++;
    else
        return false;
    c->waiters[w] = (struct waiter){.asker = *asker, .next = NONE};
    *(e->first == NONE ? &e->first : &c->waiters[e->last].next) = w;
    e->last = w;
    return true;
}

bool dnsbl_cache_next(struct dnsbl_cache *c, uint32_t entry, int32_t score, struct dnsbl_asker *out)
{
    struct entry *e = &c->entries[entry];
    uint32_t before = NONE, w = e->first;

    while (w != NONE && c->waiters[w].asker.enough > score) {
        before = w;
        w = c->waiters[w].next;
    }
    if (w == NONE)
        return false;
    *out = c->waiters[w].asker;
    *(before == NONE ? &e->first : &c->waiters[before].next) = c->waiters[w].next;
    if (e->last == w)
        e->last = before;
    c->waiters[w].next = c->waiter_free;
    c->waiter_free = w;
    return true;
}

uint32_t dnsbl_cache_used(const struct dnsbl_cache *c)
{
    return c->used;
}
