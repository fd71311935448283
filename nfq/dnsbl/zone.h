/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * zone - what is configured about one DNS blocklist, and how its answers are read
 * (RFC 5782). Pure: no DNS, no clock.
 *
 * A list says "listed" with an address from 127/8. Which of them count is
 * configured; an address outside 127/8 (a parked domain, a lying resolver) and the
 * codes by which lists refuse to answer (127.255.255.x) never do, whatever is
 * configured.
 */
#ifndef RCPTWALL_DNSBL_ZONE_H
#define RCPTWALL_DNSBL_ZONE_H

#include "kmod-free/clock.h"
#include "kmod-free/policy.h"

#define DNSBL_ZONES_MAX     POLICY_LISTS_MAX
#define DNSBL_CODES_MAX     16
/* The longest reversed address (64 characters, RFC 5782 2.4) and this make a name that DNS can carry (253). */
#define DNSBL_ZONE_NAME_MAX POLICY_LIST_NAME_MAX

/* IPv4 addresses in host byte order, both ends included. */
struct dnsbl_range {
    uint32_t first, last;
};

struct dnsbl_zone {
    char name[DNSBL_ZONE_NAME_MAX + 1]; /* lower case, without the dot at its end */
    struct dnsbl_range codes[DNSBL_CODES_MAX];
    size_t code_count;
    int32_t weight;         /* what a listing adds to the client's score; below 0: a list of the good */
    bool ipv4, ipv6;        /* asked about which clients */
    int64_t timeout_ns;     /* an answer that takes longer is none */
    int64_t check_every_ns; /* between two looks at whether the zone is sane */
    int64_t retry_ns;       /* the same while it is switched off */
};

#define DNSBL_EXEMPT_MAX 1024

/* All that is configured. */
struct dnsbl_config {
    struct dnsbl_zone zones[DNSBL_ZONES_MAX];
    size_t zone_count;
    char *resolver;         /* owned; NULL: what /etc/resolv.conf says. resolver_new's form */
    int64_t wait_ns;        /* how long MAIL or RCPT may be held back for an answer */
    uint32_t cache_entries; /* addresses */
    int64_t ttl_least_ns, ttl_most_ns;
    struct network *exempt; /* owned; never asked about, whatever their tag */
    size_t exempt_count;
};

/* No zones; 500 ms, 16,384 addresses, 1 min to 1 h. */
void dnsbl_config_defaults(struct dnsbl_config *);
void dnsbl_config_free(struct dnsbl_config *);
/* Do both say the same? */
RW_CHECK bool dnsbl_config_same(const struct dnsbl_config *, const struct dnsbl_config *);
/* Makes *to what from is; what it was is freed. false: out of memory, and *to is as it was. */
RW_CHECK bool dnsbl_config_copy(struct dnsbl_config *to, const struct dnsbl_config *from);
/* false: out of memory. */
RW_CHECK bool dnsbl_config_exempt(struct dnsbl_config *, const struct network *);
/*
 * Is this address never asked about? Beside those that are configured: whatever can't be a client from
 * the Internet (loopback, link-local, private, shared: no list can know them, and asking would tell them to it).
 */
bool dnsbl_exempt(const struct dnsbl_config *, const struct ip_addr *);

/* Defaults: weight 1, IPv4 only, 127.0.0.2-254, 3 s, 10 min, 1 min. */
void dnsbl_zone_defaults(struct dnsbl_zone *);
/* Puts the name in, lower case. false: not a domain name, or too long. */
RW_CHECK bool dnsbl_zone_name(struct dnsbl_zone *, const char *name);
/*
 * Reads "127.0.0.2", "127.0.0.4-11" (last octet) or "127.0.1.0/24". false: not one of these,
 * outside 127/8, or it reaches into the error codes.
 */
RW_CHECK bool dnsbl_range_parse(const char *text, struct dnsbl_range *out);

/* What one answer of one zone means. */
enum dnsbl_finding {
    DNSBL_NOT_LISTED = 1,
    DNSBL_LISTED,
    DNSBL_NO_ANSWER,  /* timeout, SERVFAIL, REFUSED, truncated without end: nothing is known */
    DNSBL_ERROR_CODE, /* 127.255.255.x: the list refuses to answer us */
    DNSBL_OUTSIDE,    /* an address outside 127/8: whoever answered is no DNSBL */
    DNSBL_GARBAGE,    /* an answer that can't be read */
};
#define DNSBL_FINDINGS (DNSBL_GARBAGE + 1)

/* "listed", "not-listed", "no-answer", "error-code", "outside-127", "garbage". */
const char *dnsbl_finding_name(enum dnsbl_finding);

/*
 * Judges the addresses (host byte order) of one answer; none at all: not listed. One that can't be
 * believed spoils the answer. *code: the address that decided, 0 where there is none.
 */
RW_CHECK enum dnsbl_finding dnsbl_judge(const struct dnsbl_zone *, const uint32_t *addresses, size_t count,
                                        uint32_t *code);

#define DNSBL_NAME_MAX 253
/* The name to ask for (RFC 5782 2.1, 2.4), NUL-terminated. */
void dnsbl_query_name(const struct dnsbl_zone *, const struct ip_addr *, char out[static DNSBL_NAME_MAX + 1]);

/* Is it asked about clients of that family? */
bool dnsbl_zone_covers(const struct dnsbl_zone *, const struct ip_addr *);

#endif
