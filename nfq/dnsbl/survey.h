/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * survey - asks every zone about some addresses, and whether it is sane, once and now: for
 * `rcptwall dnsbl`. Blocks until all is answered or given up by c-ares.
 */
#ifndef RCPTWALL_DNSBL_SURVEY_H
#define RCPTWALL_DNSBL_SURVEY_H

#include "nfq/dnsbl/health.h"

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
    enum dnsbl_fault fault[DNSBL_ZONES_MAX];
};

/* Zones and addresses are borrowed. resolver: as resolver_new's servers. false: one line is in `error`. survey_free all the same. */
RW_CHECK bool survey_run(struct survey *, const char *resolver, char *error, size_t room);
void survey_free(struct survey *);

#endif
