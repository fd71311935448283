/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * health - is a zone sane (RFC 5782 5 and 7)? A list that is alive lists 127.0.0.2 and
 * doesn't list 127.0.0.1 (IPv6: ::FFFF:7F00:2 and ::FFFF:7F00:1). A list that has died
 * answers nothing, or everything: the ORDB day, when whoever still asked lost
 * all mail.
 *
 * A state machine without I/O: the caller asks the questions, and tells the answers
 * and the time. A zone counts only while it is ON:
 *
 *   UNCHECKED --all answers as they must be--> ON --one that isn't--> OFF --all--> ON
 *             \-------one that isn't---------> OFF
 *
 * No answer at all switches off, too: asking on would only make everybody wait. Then
 * nothing is listed, and mail flows. What an ordinary lookup brings that no list says
 * (an error code, an address outside 127/8) makes the next check due at once.
 */
#ifndef RCPTWALL_DNSBL_HEALTH_H
#define RCPTWALL_DNSBL_HEALTH_H

#include "nfq/dnsbl/answer.h"

enum dnsbl_state {
    DNSBL_UNCHECKED = 1,
    DNSBL_ON,
    DNSBL_OFF,
};

/* "unchecked", "on", "off". */
const char *dnsbl_state_name(enum dnsbl_state);

/* Why it is off. */
enum dnsbl_fault {
    DNSBL_FAULT_NONE,
    DNSBL_FAULT_LISTS_ALL, /* lists 127.0.0.1 */
    DNSBL_FAULT_EMPTY,     /* doesn't list 127.0.0.2 */
    DNSBL_FAULT_SILENT,
    DNSBL_FAULT_REFUSES,   /* error code */
    DNSBL_FAULT_LIES,      /* outside 127/8 */
    DNSBL_FAULT_GARBAGE,
};

/* A sentence's end: "it lists everything (127.0.0.1 is listed)". */
const char *dnsbl_fault_text(enum dnsbl_fault);

#define DNSBL_PROBES 4 /* 127.0.0.2, 127.0.0.1, and both in IPv6 */

/* The address of a probe, and whether it must be listed. false: the zone isn't asked about that family. */
RW_CHECK bool dnsbl_probe(const struct dnsbl_zone *, unsigned probe, struct ip_addr *addr, bool *must_be_listed);

struct dnsbl_health {
    enum dnsbl_state state;
    enum dnsbl_fault fault; /* of the last complete check */
    struct mono next;       /* when the next check is due */
    struct mono began;
    struct mono since;      /* when it came into this state */
    bool checking;
    uint8_t waiting;        /* bits of probes under way */
    enum dnsbl_fault found; /* by the check under way: the first one */
    uint64_t checks, switched_off;
};

enum dnsbl_change {
    DNSBL_NO_CHANGE = 1, /* also: sane at the first check */
    DNSBL_SWITCHED_ON,
    DNSBL_SWITCHED_OFF,
};

/* UNCHECKED, and due now. */
void dnsbl_health_start(struct dnsbl_health *, struct mono now);
RW_CHECK bool dnsbl_health_due(const struct dnsbl_health *, struct mono now);
/* A check begins: returns the bits of the probes that are to be asked, at least one. */
RW_CHECK uint8_t dnsbl_health_begin(struct dnsbl_health *, const struct dnsbl_zone *, struct mono now);
/* The finding of one probe. What wasn't asked for is passed over. */
RW_CHECK enum dnsbl_change dnsbl_health_take(struct dnsbl_health *, const struct dnsbl_zone *, unsigned probe,
                                             enum dnsbl_finding, struct mono now);
/* A lookup found what no list says: look at once, but not more often than every DNSBL_SUSPECT_NS. */
#define DNSBL_SUSPECT_NS (5 * NS_PER_S)
void dnsbl_health_suspect(struct dnsbl_health *, struct mono now);

#endif
