// SPDX-License-Identifier: GPL-2.0-or-later
#include "pcap-tests/replay/tally.h"

#include <sodium.h>
#include <stdlib.h>

#define SLOTS (2u * TALLY_NAMES) /* a power of two, never more than half full */

struct tally {
    struct tally_entry *entries;
    uint32_t *slots; /* index of the entry plus 1; 0 is free */
    size_t used;
    uint64_t others;
    uint8_t key[crypto_shorthash_KEYBYTES];
};

struct tally *tally_new(void)
{
    struct tally *t = calloc(1, sizeof *t);

    if (!t)
        return NULL;
    t->entries = calloc(TALLY_NAMES, sizeof *t->entries);
    t->slots = calloc(SLOTS, sizeof *t->slots);
    if (!t->entries || !t->slots || sodium_init() < 0) {
        tally_free(t);
        return NULL;
    }
    randombytes_buf(t->key, sizeof t->key);
    return t;
}

void tally_free(struct tally *t)
{
    if (!t)
        return;
    free(t->entries);
    free(t->slots);
    free(t);
}

static struct tally_entry *find_or_make(struct tally *t, struct bytes name)
{
    uint8_t digest[crypto_shorthash_BYTES];
    uint64_t hash;

    crypto_shorthash(digest, name.at, name.len, t->key);
    memcpy(&hash, digest, sizeof hash);
    for (uint32_t at = (uint32_t)hash & (SLOTS - 1);; at = (at + 1) & (SLOTS - 1)) {
        struct tally_entry *e;

        if (t->slots[at] != 0) {
            e = &t->entries[t->slots[at] - 1];
            if (bytes_equal(bytes_of(e->name, e->name_len), name))
                return e;
            continue;
        }
        if (t->used == TALLY_NAMES)
            return NULL;
        e = &t->entries[t->used++];
        e->name_len = (uint8_t)name.len;
        memcpy(e->name, name.at, name.len);
        t->slots[at] = (uint32_t)t->used;
        return e;
    }
}

void tally_add(struct tally *t, struct bytes name, enum tally_column column)
{
    struct tally_entry *e;

    if (name.len == 0)
        name.at = (const uint8_t *)"";
    e = find_or_make(t, bytes_first(name, TALLY_NAME_MAX));
    if (e)
        e->count[column]++;
    else if (column == TALLY_TRIED)
        t->others++;
}

size_t tally_size(const struct tally *t)
{
    return t->used;
}

uint64_t tally_others(const struct tally *t)
{
    return t->others;
}

/* Does a come before b in a list of the most frequent? */
static bool before(const struct tally_entry *a, const struct tally_entry *b)
{
    size_t least = a->name_len < b->name_len ? a->name_len : b->name_len;
    int order;

    if (a->count[TALLY_TRIED] != b->count[TALLY_TRIED])
        return a->count[TALLY_TRIED] > b->count[TALLY_TRIED];
    order = memcmp(a->name, b->name, least);
    return order != 0 ? order < 0 : a->name_len < b->name_len;
}

size_t tally_top(const struct tally *t, const struct tally_entry **out, size_t n)
{
    size_t have = 0;

    for (size_t i = 0; n > 0 && i < t->used; i++) {
        const struct tally_entry *e = &t->entries[i];
        size_t at;

        if (e->count[TALLY_TRIED] == 0 || (have == n && !before(e, out[n - 1])))
            continue;
        at = have < n ? have++ : n - 1;
        for (; at > 0 && before(e, out[at - 1]); at--)
            out[at] = out[at - 1];
        out[at] = e;
    }
    return have;
}
