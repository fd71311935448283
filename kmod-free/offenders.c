/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kmod-free/offenders.h"

#include <sodium.h>
#include <stdlib.h>

bool offenders_new(struct offenders *t, const uint8_t key[FLOW_KEY_BYTES])
{
    t->of = calloc((size_t)OFFENDERS_SETS * OFFENDERS_WAYS, sizeof(*t->of));
    memcpy(t->key, key, FLOW_KEY_BYTES);
    return t->of != NULL;
}

void offenders_free(struct offenders *t)
{
    free(t->of);
    t->of = NULL;
}

/* Nobody has less than a /64 of IPv6 to choose from. */
static struct ip_addr source_of(const struct ip_addr *client)
{
    struct ip_addr source = *client;

    if (source.family == 6)
        memset(source.at + 8, 0, 8);
    return source;
}

static struct offender *set_of(const struct offenders *t, const struct ip_addr *source)
{
    uint8_t hash[crypto_shorthash_BYTES];
    uint32_t low;

    crypto_shorthash(hash, source->at, sizeof(source->at), t->key);
    memcpy(&low, hash, sizeof(low));
    return t->of + (size_t)(low % OFFENDERS_SETS) * OFFENDERS_WAYS;
}

uint32_t offenders_add(struct offenders *t, const struct ip_addr *client, struct mono now, int64_t memory_ns)
{
    struct ip_addr source = source_of(client);
    struct offender *set = set_of(t, &source), *it = set;

    for (int i = 0; i < OFFENDERS_WAYS; i++) {
        if (set[i].source.family != 0 && ip_addr_equal(&set[i].source, &source)) {
            it = &set[i];
            break;
        }
        if (set[i].source.family == 0 || (it->source.family != 0 && mono_before(set[i].last, it->last)))
            it = &set[i];
    }
    if (it->source.family == 0 || !ip_addr_equal(&it->source, &source) ||
        mono_before(mono_add(it->last, memory_ns), now))
        *it = (struct offender){.source = source};
    it->last = now;
    if (it->count < UINT32_MAX)
        it->count++;
    return it->count;
}

void offenders_forget(struct offenders *t, const struct ip_addr *client)
{
    struct ip_addr source = source_of(client);
    struct offender *set = set_of(t, &source);

    for (int i = 0; i < OFFENDERS_WAYS; i++)
        if (set[i].source.family != 0 && ip_addr_equal(&set[i].source, &source))
            set[i] = (struct offender){.count = 0};
}
