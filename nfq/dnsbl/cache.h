/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cache - what is known of an address in each zone, and who waits to hear of it.
 *
 * Fixed memory, taken once. An address has one entry, so that questions about it are
 * asked once, however many want to know (they wait in line at the entry). When it is
 * full, the entry that was used longest ago and that nobody waits for makes room; if
 * there is none, the newcomer gets no entry. Keyed hash: nobody can aim at one chain.
 */
#ifndef RCPTWALL_DNSBL_CACHE_H
#define RCPTWALL_DNSBL_CACHE_H

#include "nfq/dnsbl/zone.h"

#define DNSBL_KEY_BYTES 16
#define DNSBL_NO_ENTRY  UINT32_MAX

/* One zone's finding about one address. */
struct dnsbl_cell {
    struct mono expires;
    uint32_t code;
    uint8_t finding;    /* enum dnsbl_finding; 0: nothing known */
    uint8_t generation; /* of the zone when it was found */
    bool pending;       /* being asked */
};

/* Whoever wants an answer: who and flow mean something to him only. */
struct dnsbl_asker {
    uint32_t who;
    uint32_t flow;
    uint64_t flow_id;
    int32_t enough; /* with a score of so much he needs to hear no more */
};

struct dnsbl_cache;

/* NULL: out of memory. */
RW_CHECK struct dnsbl_cache *dnsbl_cache_new(uint32_t entries, uint32_t waiters, uint32_t zones,
                                             const uint8_t key[static DNSBL_KEY_BYTES]);
void dnsbl_cache_free(struct dnsbl_cache *);

/* The address's entry, made if there is none; it is the most recently used one now. DNSBL_NO_ENTRY: no room. */
RW_CHECK uint32_t dnsbl_cache_get(struct dnsbl_cache *, const struct ip_addr *);
/* Changes whenever the entry is given to another address. */
uint32_t dnsbl_cache_serial(const struct dnsbl_cache *, uint32_t entry);
const struct ip_addr *dnsbl_cache_address(const struct dnsbl_cache *, uint32_t entry);
struct dnsbl_cell *dnsbl_cache_cell(struct dnsbl_cache *, uint32_t entry, uint32_t zone);

/* false: no room for one more who waits. */
RW_CHECK bool dnsbl_cache_wait(struct dnsbl_cache *, uint32_t entry, const struct dnsbl_asker *);
/* Takes one who waits and for whom the score is enough (INT32_MAX: for anybody), the longest first. false: nobody does. */
RW_CHECK bool dnsbl_cache_next(struct dnsbl_cache *, uint32_t entry, int32_t score, struct dnsbl_asker *out);

uint32_t dnsbl_cache_used(const struct dnsbl_cache *);

#endif
