/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation
 *
 * Both directions must find the same flow, so the hashed key is the two endpoints
 * in an order of their own, addresses first; it is never stored. For IPv4 it is as
 * short as it can be, since hashing is a good part of a lookup.
 * There are at least twice as many buckets as flows, so that most lookups touch
 * one flow only. A bucket holds index + 1, so that memory full of zeros is an empty
 * table and start-up touches none of it.
 *
 * Buckets come into use with the flows, a few at a time (linear hashing): a table with
 * room for a million flows and a few in it is as small as a small one, and nowhere is
 * there a packet that pays for moving everything.
 *
 *      0                   split    level         level + split        2 * level
 *      |======================|--------|======================|.............|
 *       split already: by one            their other halves      not in use yet
 *       bit more of the hash
 *
 * Packets of one flow come in bursts. So the flows that were found last are
 * remembered under a number that costs next to nothing, and that anybody can aim
 * at: what is remembered there is compared like everything else, and who makes us
 * look in vain has made us do the real lookup, that's all.
 *
 * Chains and hashes lie side by side for all flows, so that walking a chain or
 * splitting a bucket touches none of the flows that it passes. Those that ended form
 * a list through `chain`; slots from `fresh` on were never used and are on no list.
 */
#include <assert.h>
#include <sodium.h>
#include <stdlib.h>

#include "kmod-free/flow.h"

_Static_assert(FLOW_KEY_BYTES == crypto_shorthash_KEYBYTES, "the key is SipHash's");
_Static_assert(crypto_shorthash_BYTES == sizeof(uint64_t), "the hash fits a number");

#define FLOWS_MAX   (UINT32_C(1) << 30)
#define KEY_BYTES   (2 * (16 + 2))
#define CACHE_LINE  64
#define FIRST_LEVEL 16

_Static_assert(sizeof(struct flow) == CACHE_LINE, "a flow is one cache line");

/* Of both endpoints, in either order: for `recent`, never for the buckets. */
static uint64_t cheap_number(const struct endpoint *a, const struct endpoint *b)
{
    uint64_t x[2], y[2];

    memcpy(x, a->addr.at, sizeof x);
    memcpy(y, b->addr.at, sizeof y);
    x[0] ^= y[0] ^ (x[1] ^ y[1]) * UINT64_C(0xff51afd7ed558ccd) ^ (uint64_t)(a->port ^ b->port) << 40;
    return (x[0] ^ x[0] >> 32) * UINT64_C(0x9e3779b97f4a7c15);
}

static struct flow_recent *recent_of(const struct flow_table *t, uint64_t number)
{
    return &t->recent[number >> (64 - FLOW_RECENT_BITS)];
}

uint32_t flow_share(const struct endpoint *a, const struct endpoint *b, uint32_t shares)
{
    uint64_t number = cheap_number(a, b) >> (32 - FLOW_RECENT_BITS); /* other bits than `recent` goes by */

    return (uint32_t)((number & UINT32_MAX) * shares >> 32);
}

/* Does a go first? Any order will do that depends on the two alone. */
static bool ordered(const struct endpoint *a, const struct endpoint *b)
{
    int by_addr;

    if (a->port != b->port)
        return a->port < b->port;
    by_addr = memcmp(a->addr.at, b->addr.at, sizeof a->addr.at);
    return by_addr < 0 || (by_addr == 0 && a->addr.family <= b->addr.family);
}

static uint32_t hash_of(const struct flow_table *t, const struct endpoint *a, const struct endpoint *b)
{
    const struct endpoint *one = ordered(a, b) ? a : b, *other = one == a ? b : a;
    /* the length, which is hashed too, tells the families apart */
    size_t addr = a->addr.family == 4 && b->addr.family == 4 ? 4 : 16;
    uint8_t key[KEY_BYTES], hash[crypto_shorthash_BYTES];
    uint32_t low;

    memcpy(key, one->addr.at, addr);
    memcpy(key + addr, other->addr.at, addr);
    memcpy(key + 2 * addr, &one->port, 2);
    memcpy(key + 2 * addr + 2, &other->port, 2);
    crypto_shorthash(hash, key, 2 * addr + 4, t->key);
    memcpy(&low, hash, sizeof(low));
    return low;
}

uint32_t flow_hash(const struct flow_table *t, const struct endpoint *a, const struct endpoint *b)
{
    return hash_of(t, a, b);
}

static uint32_t *bucket_of(const struct flow_table *t, uint32_t hash)
{
    uint32_t i = hash & (2 * t->level - 1);

    return &t->buckets[i < t->level + t->split ? i : i - t->level];
}

/* Another bucket comes into use: takes those flows over that belong there from now on. */
static void split_one(struct flow_table *t)
{
    uint32_t *stay = &t->buckets[t->split], *go = &t->buckets[t->level + t->split];

    for (uint32_t i = *stay; i != 0;) {
        struct flow_link *l = &t->links[i - 1];
        uint32_t next = l->chain;
        if (l->hash & t->level) {
            *go = i;
            go = &l->chain;
        } else {
            *stay = i;
            stay = &l->chain;
        }
        i = next;
    }
    *stay = *go = 0;
    if (++t->split == t->level) {
        t->level *= 2;
        t->split = 0;
    }
}

/* Is it the flow of a packet from src to dst, and whose packet? */
static bool matches(const struct flow *f, const struct endpoint *src, const struct endpoint *dst, enum role *from)
{
    for (enum role r = ROLE_CLIENT; r <= ROLE_SERVER; r++) {
        if (endpoint_equal(&f->of[r], src) && endpoint_equal(&f->of[role_other(r)], dst)) {
            *from = r;
            return true;
        }
    }
    return false;
}

static uint32_t find_in(const struct flow_table *t, uint32_t hash, const struct endpoint *src,
                        const struct endpoint *dst, enum role *from)
{
    for (uint32_t i = *bucket_of(t, hash); i != 0; i = t->links[i - 1].chain)
        if (t->links[i - 1].hash == hash && matches(&t->flows[i - 1], src, dst, from))
            return i - 1;
    *from = ROLE_CLIENT;
    return FLOW_NONE;
}

bool flow_table_new(struct flow_table *t, uint32_t max, const uint8_t key[FLOW_KEY_BYTES])
{
    uint32_t buckets = 2 * FIRST_LEVEL;

    assert(max > 0 && max <= FLOWS_MAX);
    while (buckets / 2 < max)
        buckets *= 2;
    *t = (struct flow_table){.bucket_max = buckets, .level = FIRST_LEVEL, .max = max, .free_head = FLOW_NONE};
    memcpy(t->key, key, FLOW_KEY_BYTES);
    t->memory = calloc((size_t)max + 1, sizeof(*t->flows)); /* one more, to align the others */
    t->links = calloc(max, sizeof(*t->links));
    t->buckets = calloc(buckets, sizeof(*t->buckets));
    t->recent = calloc(UINT32_C(1) << FLOW_RECENT_BITS, sizeof(*t->recent));
    if (t->memory == NULL || t->links == NULL || t->buckets == NULL || t->recent == NULL) {
        flow_table_free(t);
        return false;
    }
    t->flows = (void *)(((uintptr_t)t->memory + CACHE_LINE - 1) & ~(uintptr_t)(CACHE_LINE - 1));
    return true;
}

void flow_table_free(struct flow_table *t)
{
    free(t->memory);
    free(t->links);
    free(t->buckets);
    free(t->recent);
    *t = (struct flow_table){.free_head = FLOW_NONE};
}

uint32_t flow_find(const struct flow_table *t, const struct endpoint *src, const struct endpoint *dst, enum role *from)
{
    uint64_t number = cheap_number(src, dst);
    struct flow_recent *recent = recent_of(t, number);
    uint32_t index = recent->index;

    if (index != 0 && recent->number == (uint32_t)number && t->flows[index - 1].used &&
        matches(&t->flows[index - 1], src, dst, from))
        return index - 1;
    index = find_in(t, hash_of(t, src, dst), src, dst, from);
    if (index != FLOW_NONE)
        *recent = (struct flow_recent){.index = index + 1, .number = (uint32_t)number};
    return index;
}

/*
 * Three steps, each of which needs what the one before had fetched: the bucket, the link of the flow in it, the flow.
 * Longer chains than that aren't worth it.
 */
uint32_t flow_expect(struct flow_table *t, const struct endpoint *src, const struct endpoint *dst)
{
    uint32_t now = t->expecting++;
    struct flow_expected *first = &t->expected[now % FLOW_EXPECTED];
    const struct flow_expected *second = &t->expected[(now - 5) % FLOW_EXPECTED];
    const struct flow_expected *third = &t->expected[(now - 10) % FLOW_EXPECTED];
    uint64_t number = cheap_number(src, dst);
    const struct flow_recent *recent = recent_of(t, number);
    uint32_t i;

    *first = (struct flow_expected){.number = number};
    if (recent->index == 0 || recent->number != (uint32_t)number) {
        first->hash = hash_of(t, src, dst);
        first->known = true;
        __builtin_prefetch(bucket_of(t, first->hash));
    }
    if (second->known && (i = *bucket_of(t, second->hash)) != 0)
        __builtin_prefetch(&t->links[i - 1]);
    if (!third->known)
        return FLOW_NONE;
    i = *bucket_of(t, third->hash);
    if (i != 0 && t->links[i - 1].hash != third->hash)
        i = t->links[i - 1].chain;
    if (i == 0 || t->links[i - 1].hash != third->hash)
        return FLOW_NONE;
    __builtin_prefetch(&t->flows[i - 1], 1);
    *recent_of(t, third->number) = (struct flow_recent){.index = i, .number = (uint32_t)third->number};
    return i - 1;
}

uint32_t flow_make(struct flow_table *t, const struct endpoint *client, const struct endpoint *server, struct mono now)
{
    uint32_t hash = hash_of(t, client, server);
    uint32_t index = t->free_head;
    enum role from;

    assert(find_in(t, hash, client, server, &from) == FLOW_NONE);
    if (index != FLOW_NONE) {
        t->free_head = t->links[index].chain;
    } else if (t->fresh < t->max) {
        index = t->fresh++;
    } else {
        t->refused++;
        return FLOW_NONE;
    }
    if (++t->used > t->peak)
        t->peak = t->used;
    while (t->level + t->split < 2 * (uint64_t)t->used && t->level + t->split < t->bucket_max)
        split_one(t);
    uint32_t *bucket = bucket_of(t, hash);
    t->flows[index] = (struct flow){
        .of = {[ROLE_CLIENT] = *client, [ROLE_SERVER] = *server},
        .last = now,
        .used = true,
    };
    t->links[index] = (struct flow_link){.chain = *bucket, .hash = hash};
    *bucket = index + 1;
    uint64_t number = cheap_number(client, server);
    *recent_of(t, number) = (struct flow_recent){.index = index + 1, .number = (uint32_t)number};
    return index;
}

void flow_free(struct flow_table *t, uint32_t index)
{
    assert(index < t->fresh && t->flows[index].used);
    struct flow *f = &t->flows[index];
    uint32_t *link = bucket_of(t, t->links[index].hash);

    while (*link != index + 1) {
        assert(*link != 0);
        link = &t->links[*link - 1].chain;
    }
    *link = t->links[index].chain;
    f->used = false;
    t->links[index].chain = t->free_head;
    t->free_head = index;
    t->used--;
}

void flow_swap_roles(struct flow_table *t, uint32_t index)
{
    assert(index < t->fresh && t->flows[index].used);
    struct flow *f = &t->flows[index];
    struct endpoint client = f->of[ROLE_CLIENT];

    f->of[ROLE_CLIENT] = f->of[ROLE_SERVER];
    f->of[ROLE_SERVER] = client;
    f->client_in = 0;
}
