/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * policy - what each tag may do. A pure function of facts: no flow, no SMTP, no
 * clock. Built by rules/config, then read only.
 */
#ifndef RCPTWALL_POLICY_H
#define RCPTWALL_POLICY_H

#include "kmod-free/domain_set.h"
#include "kmod-free/packet.h"

/* In rising order: the highest one that was asked for wins. */
enum action {
    ACTION_UNSET, /* nobody decided: treated as DROP, and counted (V1) */
    ACTION_ACCEPT,
    ACTION_ALERT,  /* let it pass, say so */
    ACTION_REFUSE, /* disarm the command so that the server answers 5xx */
    ACTION_RESET,  /* both ends get RST */
    ACTION_DROP,   /* silence */
    ACTION_BAN,    /* reset, and the source is banned at once */
};

enum reason {
    REASON_NONE,
    REASON_EXTERNAL_RCPT,
    REASON_DNSBL,
    REASON_SMUGGLING,
    REASON_EVASION,
    REASON_DESYNC,
    REASON_INJECTION,
    REASON_MALFORMED,
    REASON_LIMIT,
    REASON_MIDSTREAM,
    REASON_STARTTLS,
    REASON_CONDEMNED,
    REASON_COUNT,
};

/* "reset", "external-rcpt", ...: the words of events and of the configuration. */
const char *action_name(enum action);
const char *reason_name(enum reason);
/* ACTION_UNSET if there is no such word. */
enum action action_of_name(const char *name);

#define TAG_NAME_MAX 32
#define TAGS_MAX 15 /* values 1..15 */
#define POLICY_LISTS_MAX     16 /* DNS blocklists */
#define POLICY_LIST_NAME_MAX 188

struct policy_tag {
    char name[TAG_NAME_MAX]; /* empty: this value is not configured */
    enum action on[REASON_COUNT];
    bool exempt_authenticated; /* authenticated = exempt */
    uint32_t rcpt_limit;       /* RCPTs in one session; 0 = no limit */
    int32_t dnsbl_threshold;   /* REASON_DNSBL: from this score on */
    enum action dnsbl_unknown; /* the lists gave no answer in time */
    uint32_t ban_after;        /* violations of one source; 0 = never */
    uint32_t ban_for_s;
};

struct network {
    struct ip_addr addr;
    uint8_t prefix; /* bits */
    uint8_t tag;
};

struct policy {
    bool enforce; /* false: monitor. Actions are reported and not taken */
    uint8_t outside; /* the tag of a client that no network names */
    struct policy_tag tags[TAGS_MAX + 1]; /* by value; [0] is unused */
    struct network *networks;
    size_t network_count;
    struct network *servers; /* the protected ones, their tags mean nothing; none: every address may be one */
    size_t server_count;
    struct domain_set *local; /* owned */
    char lists[POLICY_LISTS_MAX][POLICY_LIST_NAME_MAX + 1]; /* names of the DNS blocklists; "" ends them */
};

/*
 * A policy with the two built-in tags: outside (1: reset on everything that breaks
 * a promise, desync only alerts, STARTTLS is allowed) and inside (2: accept
 * everything). local is empty and not sealed. NULL: out of memory.
 */
RW_CHECK struct policy *policy_new(void);
void policy_free(struct policy *);
/* "192.0.2.0/24", "2001:db8::/32", or an address alone. false: not an address or prefix. */
RW_CHECK bool network_parse(const char *text, struct network *out);
RW_CHECK bool network_has(const struct network *, const struct ip_addr *);
/* Appends. false: out of memory. */
RW_CHECK bool policy_add_network(struct policy *, const struct network *);
RW_CHECK bool policy_add_server(struct policy *, const struct network *);
/* Is it one of the protected servers? True for every address where none is named. */
bool policy_protects(const struct policy *, const struct ip_addr *);

/* The tag for a new session: the one its packet carries if that is configured, else by its client's address (longest prefix). */
uint8_t policy_tag_for(const struct policy *, uint8_t carried, const struct ip_addr *client);

/* What a session's tag stands for. One that a reload took away: whoever has it is a stranger now. */
const struct policy_tag *policy_tag(const struct policy *, uint8_t value);
/* Can this tag get a client banned? */
bool policy_tag_bans(const struct policy_tag *);

struct policy_facts {
    uint8_t tag;
    enum reason reason;
    bool authenticated;
    bool dnsbl_unknown; /* REASON_DNSBL: not listed, but nobody knows */
};

/* What the tag says to this reason. */
RW_CHECK enum action policy_judge(const struct policy *, const struct policy_facts *);

#endif
