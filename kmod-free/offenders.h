/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * offenders - who has broken the policy how often: a table of sources (an IPv4 address, an IPv6 /64), from
 * which bans are decided.
 *
 * Fixed size. Sources fall into sets of OFFENDERS_WAYS by SipHash under the front end's key; in a full set, the one
 * that was quiet for longest is forgotten. So somebody with many addresses can make us forget offences of
 * others, and no more than that: each of those was reset when it was committed.
 */
#ifndef RCPTWALL_OFFENDERS_H
#define RCPTWALL_OFFENDERS_H

#include "kmod-free/flow.h"

#define OFFENDERS_SETS 4096
#define OFFENDERS_WAYS 4

struct offender {
    struct ip_addr source; /* family 0: free */
    uint32_t count;
    struct mono last;
};

struct offenders {
    struct offender *of;
    uint8_t key[FLOW_KEY_BYTES];
};

RW_CHECK bool offenders_new(struct offenders *, const uint8_t key[FLOW_KEY_BYTES]); /* false: out of memory */
void offenders_free(struct offenders *);
/*
 * One more offence of this client. Returns how many there are now; those of which the last is longer ago than
 * memory_ns are forgotten.
 */
RW_CHECK uint32_t offenders_add(struct offenders *, const struct ip_addr *client, struct mono now, int64_t memory_ns);
/* The client is dealt with (banned): it begins anew. */
void offenders_forget(struct offenders *, const struct ip_addr *client);

#endif
