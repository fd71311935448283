/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nfq/offender_table.h"

#include <sodium.h>
#include <stdatomic.h>
#include <sys/mman.h>

#define READS 8 /* of a slot that is being written all the time */
#define WORDS ((sizeof(struct offender_facts) + sizeof(uint64_t) - 1) / sizeof(uint64_t))

union facts {
    struct offender_facts is;
    uint64_t words[WORDS];
};

/* Word by word, so that reading while somebody writes gives old or new words, and is no data race. */
struct slot {
    _Atomic uint32_t serial; /* odd: being written */
    _Atomic uint64_t words[WORDS];
};

struct offender_table {
    struct slot slots[OFFENDER_TABLE_SLOTS];
    _Atomic uint64_t forgotten;
    uint8_t key[crypto_shorthash_KEYBYTES]; /* so that nobody can aim at one set */
};

enum offence offence_of(enum reason r)
{
    switch (r) {
    case REASON_EXTERNAL_RCPT:
        return OFFENCE_RELAY;
    case REASON_SMUGGLING:
    case REASON_EVASION:
    case REASON_INJECTION:
        return OFFENCE_ATTACK;
    case REASON_NONE:
    case REASON_DNSBL: /* two gateways that ask each other would keep him listed for ever */
    case REASON_DESYNC:
    case REASON_MALFORMED:
    case REASON_LIMIT:
    case REASON_MIDSTREAM:
    case REASON_STARTTLS:
    case REASON_CONDEMNED:
    case REASON_COUNT:
        return OFFENCE_NONE;
    }
    return OFFENCE_NONE;
}

struct offender_table *offender_table_new(void)
{
    struct offender_table *t =
        mmap(NULL, sizeof *t, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0); /* zeros */
    if (t == MAP_FAILED)
        return NULL;
    randombytes_buf(t->key, sizeof t->key);
    return t;
}

void offender_table_forget(struct offender_table *t)
{
    if (t != NULL)
        (void)munmap(t, sizeof *t);
}

bool offender_table_seal(struct offender_table *t)
{
    return mprotect(t, sizeof *t, PROT_READ) == 0;
}

static void put(struct slot *s, const union facts *f)
{
    uint32_t serial = atomic_load_explicit(&s->serial, memory_order_relaxed) | 1u;
    atomic_store_explicit(&s->serial, serial, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
    for (size_t i = 0; i < WORDS; i++)
        atomic_store_explicit(&s->words[i], f->words[i], memory_order_relaxed);
    atomic_store_explicit(&s->serial, serial + 1, memory_order_release);
}

/* false: somebody is writing. */
static bool get(const struct slot *s, union facts *f)
{
    uint32_t before = atomic_load_explicit(&s->serial, memory_order_acquire);
    for (size_t i = 0; i < WORDS; i++)
        f->words[i] = atomic_load_explicit(&s->words[i], memory_order_relaxed);
    atomic_thread_fence(memory_order_acquire);
    return before % 2 == 0 && atomic_load_explicit(&s->serial, memory_order_relaxed) == before;
}

static struct slot *set_of(struct offender_table *t, const struct ip_addr *source)
{
    uint8_t hash[crypto_shorthash_BYTES];
    uint32_t low;
    crypto_shorthash(hash, source->at, sizeof source->at, t->key);
    memcpy(&low, hash, sizeof low);
    return t->slots + (size_t)(low % OFFENDER_TABLE_SETS) * OFFENDER_TABLE_WAYS;
}

/* The slot of that source, or the one that it shall have: a free one, or that of the one who was quiet for longest. */
static struct slot *find(struct slot *set, const struct ip_addr *source, union facts *f)
{
    struct slot *oldest = NULL;
    struct wall last = {INT64_MAX};
    for (size_t i = 0; i < OFFENDER_TABLE_WAYS; i++) {
        if (!get(&set[i], f)) /* its writer died over it */
            f->is = (struct offender_facts){.relays = 0};
        if (f->is.source.family != 0 && ip_addr_equal(&f->is.source, source))
            return &set[i];
        struct wall then = {f->is.source.family != 0 ? f->is.last.ns : INT64_MIN};
        if (oldest == NULL || then.ns < last.ns) {
            oldest = &set[i];
            last = then;
        }
    }
    if (!get(oldest, f))
        f->is = (struct offender_facts){.relays = 0};
    return oldest;
}

void offender_table_add(struct offender_table *t, const struct ip_addr *client, enum offence offence, uint8_t tag,
                        const char *tag_name, struct wall now)
{
    struct ip_addr source = *client;
    union facts f;
    if (offence == OFFENCE_NONE || (source.family != 4 && source.family != 6))
        return;
    if (source.family == 6) /* nobody has less than a /64 to choose from */
        memset(source.at + 8, 0, 8);
    struct slot *s = find(set_of(t, &source), &source, &f);
    if (f.is.source.family == 0 || !ip_addr_equal(&f.is.source, &source)) {
        if (f.is.source.family != 0)
            atomic_fetch_add_explicit(&t->forgotten, 1, memory_order_relaxed);
        memset(&f, 0, sizeof f);
        f.is.source = source;
        f.is.first = now;
    }
    f.is.relays += offence == OFFENCE_RELAY;
    f.is.attacks += offence == OFFENCE_ATTACK;
    f.is.last = now;
    f.is.tag = tag;
    memset(f.is.tag_name, 0, sizeof f.is.tag_name);
    memcpy(f.is.tag_name, tag_name, strnlen(tag_name, sizeof f.is.tag_name - 1));
    put(s, &f);
}

bool offender_table_read(const struct offender_table *t, uint32_t slot, struct offender_facts *out)
{
    union facts f;
    for (int i = 0; i < READS; i++) {
        if (!get(&t->slots[slot], &f))
            continue;
        *out = f.is;
        out->tag_name[sizeof out->tag_name - 1] = '\0'; /* believed, but not blindly */
        return out->source.family == 4 || out->source.family == 6;
    }
    return false;
}

uint64_t offender_table_forgotten(const struct offender_table *t)
{
    return atomic_load_explicit(&t->forgotten, memory_order_relaxed);
}
