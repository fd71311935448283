/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lookup - "is this client listed?", asked of all zones: cache, coalescing, deadlines,
 * the zones' health. No I/O and no clock: questions go out by a function that
 * the caller gives, findings and the time come in.
 *
 * Theory of operation
 *
 * A request for an address that is known is answered at once. Otherwise one question
 * a zone goes out, unless it is under way already, and whoever asks waits at the
 * address's entry. He is answered when all zones have answered or their time is
 * over, or as soon as what is known is enough. What doesn't come in time counts as "no answer",
 * which is never a listing; when it comes late, it is there for the next one.
 *
 * Everything is bounded: entries, those who wait, questions under way. Whoever finds
 * no room gets an incomplete answer at once.
 *
 * What an attacker can try: many addresses (entries that nobody waits for are given up,
 * the oldest first; questions under way are limited, and none waits longer than its zone's
 * timeout), answers of his own making (see resolver.h; an unbelievable one makes the
 * zone's next check due at once).
 */
#ifndef RCPTWALL_DNSBL_LOOKUP_H
#define RCPTWALL_DNSBL_LOOKUP_H

#include "nfq/dnsbl/cache.h"
#include "nfq/dnsbl/health.h"

/* Questions under way, over all zones. Those of checks come first: some are kept free for them. */
#define DNSBL_QUERIES_MAX 1024

struct dnsbl_reply {
    int32_t score;
    uint32_t listed; /* bits of the zones that list it */
    bool incomplete; /* a zone that counts gave no usable answer (in time) */
};

struct dnsbl_settings {
    const struct dnsbl_zone *zones; /* must outlive the lookup */
    size_t zone_count;
    uint32_t entries, waiters;
    int64_t ttl_least_ns, ttl_most_ns; /* how long an answer is believed, whatever it says of itself */
    /* Asks for the A records of name; the answer comes by dnsbl_lookup_answer. false: can't now. */
    bool (*ask)(void *ctx, uint32_t query, const char *name);
    void (*reply)(void *ctx, const struct dnsbl_asker *, const struct dnsbl_reply *);
    void (*changed)(void *ctx, size_t zone, enum dnsbl_change);
    void *ctx;
};

/* For people: what became of the questions about clients. asked = the next four + those under way. */
struct dnsbl_zone_counters {
    uint64_t asked;
    uint64_t listed, not_listed;
    uint64_t timeouts; /* nothing came (in time) */
    uint64_t errors;   /* no resolver, or what came says nothing: SERVFAIL, truncated, error codes, outside 127/8, garbage */
    uint64_t late;     /* answers that came when they were given up already */
};
struct dnsbl_counters {
    uint64_t requests, from_cache, joined; /* joined: every question was under way already */
    uint64_t no_entry, no_waiter, no_query;
};

struct dnsbl_lookup;

RW_CHECK struct dnsbl_lookup *dnsbl_lookup_new(const struct dnsbl_settings *, const uint8_t key[static DNSBL_KEY_BYTES],
                                               struct mono now);
void dnsbl_lookup_free(struct dnsbl_lookup *);

/* Exactly one reply will come of it, perhaps before this returns. */
void dnsbl_lookup_request(struct dnsbl_lookup *, const struct dnsbl_asker *, const struct ip_addr *, struct mono now);
/* The message that answers a query; empty: none came. Each query must be answered once. */
void dnsbl_lookup_answer(struct dnsbl_lookup *, uint32_t query, struct bytes message, struct mono now);
/* Deadlines and checks that are due. */
void dnsbl_lookup_tick(struct dnsbl_lookup *, struct mono now);
/* Does anything wait for an answer? (Otherwise ticks may be rare.) */
bool dnsbl_lookup_busy(const struct dnsbl_lookup *);

const struct dnsbl_health *dnsbl_lookup_health(const struct dnsbl_lookup *, size_t zone);
const struct dnsbl_zone_counters *dnsbl_lookup_zone_counters(const struct dnsbl_lookup *, size_t zone);
const struct dnsbl_counters *dnsbl_lookup_counters(const struct dnsbl_lookup *);
uint32_t dnsbl_lookup_entries(const struct dnsbl_lookup *);

#endif
