/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * offender_table - who tried, since when and how often: what `rcptwall offenders` shows. A source is an IPv4 address,
 * or an IPv6 /64.
 *
 * Theory of operation
 *
 * Shared memory, made before the daemon's processes part. The reporter, through whom the alerts of all queues come, is
 * the only one that writes; the status server only reads; all others let go of it. So it survives the
 * end of any of them but the daemon's own.
 *
 * Fixed size. Sources fall into sets by SipHash; in a full set, the one that was quiet for longest is forgotten, and
 * counted. Somebody with many addresses can make us forget others that way, and no more.
 *
 * A slot's serial number is odd while it is being written. The reader looks at it before and behind, and reads again
 * if it changed; a slot that its writer died over is taken for free.
 */
#ifndef RCPTWALL_OFFENDER_TABLE_H
#define RCPTWALL_OFFENDER_TABLE_H

#include "kmod-free/clock.h"
#include "kmod-free/packet.h"
#include "kmod-free/policy.h"

#define OFFENDER_TABLE_SETS  2048
#define OFFENDER_TABLE_WAYS  8
#define OFFENDER_TABLE_SLOTS (OFFENDER_TABLE_SETS * OFFENDER_TABLE_WAYS)

/* What is known of one source. */
struct offender_facts {
    struct ip_addr source; /* IPv6: the /64's first address; family 0: nobody */
    uint8_t tag;
    char tag_name[TAG_NAME_MAX]; /* at the last offence; NUL-terminated */
    uint64_t relays;             /* external recipients named */
    uint64_t attacks;            /* smuggling, evasion, injection */
    struct wall first, last;
};

enum offence {
    OFFENCE_NONE, /* says nothing about whoever did it, or only what others say about him */
    OFFENCE_RELAY,
    OFFENCE_ATTACK,
};
enum offence offence_of(enum reason);

struct offender_table;

/* Shared with all children from here on. NULL: out of memory. */
RW_CHECK struct offender_table *offender_table_new(void);
/* This process needs it no more. */
void offender_table_forget(struct offender_table *);
/* This process may only read it from now on. false, and errno: it still may write. */
RW_CHECK bool offender_table_seal(struct offender_table *);

/* One more offence; OFFENCE_NONE changes nothing. tag_name is NUL-terminated. */
void offender_table_add(struct offender_table *, const struct ip_addr *client, enum offence, uint8_t tag,
                        const char *tag_name, struct wall now);
/* false: the slot is free, or can't be read now. */
RW_CHECK bool offender_table_read(const struct offender_table *, uint32_t slot, struct offender_facts *out);
/* How many were forgotten to make room. */
uint64_t offender_table_forgotten(const struct offender_table *);

#endif
