/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * survey - asks every zone about some addresses, and whether it is sane, once and now: for
 * `rcptwall dnsbl`. Blocks until all is answered or given up by c-ares.
 */
#ifndef RCPTWALL_DNSBL_SURVEY_H
#define RCPTWALL_DNSBL_SURVEY_H

#include "nfq/dnsbl/health.h"

/* Is the zone sane? It can be for IPv4 and have nothing of IPv6, or the other way round. */
struct survey_sanity {
    bool asked; /* the zone covers the family */
    enum dnsbl_fault fault;
};

struct survey_cell {
    bool asked; /* the zone covers the address */
    struct dnsbl_answer answer;
    uint8_t reason[DNSBL_REASON_MAX]; /* of a listing: its TXT record, raw */
    size_t reason_len;
};

struct survey {
    const struct dnsbl_zone *zones;
    const struct ip_addr *addresses;
    size_t zone_count, address_count;
    struct survey_cell *cells;              /* [address * zone_count + zone] */
    struct survey_sanity sanity[DNSBL_ZONES_MAX][2]; /* IPv4, IPv6 */
};

/* What was found about the zone for that family of addresses (4 or 6). */
const struct survey_sanity *survey_sanity(const struct survey *, size_t zone, unsigned family);
/*
 * The zone is sane for the other family, and answers, and has nothing at all of this one, not even the test entry: it
 * isn't that it is ill, it just can't tell.
 */
bool survey_lacks(const struct survey *, size_t zone, unsigned family);

/* Zones and addresses are borrowed. resolver: as resolver_new's servers. false: one line is in `error`. survey_free all the same. */
RW_CHECK bool survey_run(struct survey *, const char *resolver, char *error, size_t room);
void survey_free(struct survey *);

#endif
