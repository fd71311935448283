/* SPDX-License-Identifier: GPL-2.0-or-later */
/* firewall_internal - rules of both forms in the terms that the walk needs; between the firewall's own files. */
#ifndef RCPTWALL_FIREWALL_INTERNAL_H
#define RCPTWALL_FIREWALL_INTERNAL_H

#include "rules/firewall.h"

/* The packets that are walked: a client's SYN, its data, and the server's. */
enum probe_kind {
    PROBE_SYN,
    PROBE_CLIENT,
    PROBE_SERVER,
    PROBES,
};

struct probe {
    struct endpoint src, dst;
    uint8_t flags; /* TCP */
    bool client_is_src;
};

/* Does it match? NO and YES are complements of each other. */
enum match {
    MATCH_NO,
    MATCH_MAYBE,
    MATCH_YES,
};

enum fw_layer {
    LAYER_IP,
    LAYER_BRIDGE,
};

enum fw_hook {
    FW_NO_HOOK, /* reached by jumps */
    FW_PREROUTING,
    FW_INPUT,
    FW_FORWARD,
    FW_OUTPUT,
    FW_POSTROUTING,
    FW_ELSEWHERE,
};

enum fw_act {
    ACT_META_SET, /* meta mark = (meta mark & keep) | set */
    ACT_CT_SET,
    ACT_META_FROM_CT, /* meta mark = (meta mark & ~set) | (ct mark & set) */
    ACT_CT_FROM_META,
    ACT_ACCEPT,
    ACT_DROP,  /* or reject in another way */
    ACT_RESET, /* reject with tcp reset */
    ACT_NOTRACK,
    ACT_RETURN,
    ACT_JUMP,
    ACT_GOTO,
    ACT_QUEUE,
    ACT_FLOW, /* flow add: the fast path */
    ACT_DNAT, /* in chains that aren't walked */
};

struct fw_action {
    enum fw_act act;
    uint32_t keep, set;
    uint16_t first, last; /* QUEUE */
    bool bypass, fanout;  /* QUEUE */
    char target[64];      /* JUMP, GOTO: the chain; FLOW: the flowtable; DNAT: the new address, or "" */
};

struct fw_mark_test {
    bool ct, negated;
    uint32_t mask, value;
};

#define FW_TESTS   6
#define FW_ACTIONS 4

struct fw_rule {
    enum match on[PROBES]; /* everything but marks */
    struct fw_mark_test tests[FW_TESTS];
    size_t test_count;
    struct fw_action actions[FW_ACTIONS];
    size_t action_count;
    char shown[200]; /* for messages: where it stands */
};

struct fw_chain {
    enum fw_layer layer;
    char table[72], name[64]; /* table: with its family: "inet rcptwall", "iptables mangle" */
    enum fw_hook hook;
    int priority;
    bool drops; /* policy */
    bool ours;
    struct fw_rule *rules;
    size_t rule_count;
};

struct firewall {
    struct probe probes[PROBES];
    uint8_t family; /* of the probes */
    uint32_t tag;   /* the marks' bits for it */
    struct fw_chain *chains;
    size_t chain_count;
    bool out_of_memory;
};

/* firewall_build.c */
struct fw_chain *fw_chain_add(struct firewall *, const char *table, const char *name);
struct fw_chain *fw_chain_find(struct firewall *, const char *table, const char *name);
/* A copy of the rule; the pointer is valid until the next one. */
void fw_rule_add(struct firewall *, struct fw_chain *, const struct fw_rule *);
void fw_rule_begin(struct fw_rule *);
void fw_rule_match(struct fw_rule *, const enum match on[PROBES], bool negated);
void fw_rule_maybe(struct fw_rule *);
void fw_rule_test(struct fw_rule *, struct fw_mark_test);
struct fw_action *fw_rule_act(struct fw_rule *, enum fw_act);
void firewall_free(struct firewall *);

/* What a probe has, against one address range or port range. */
void fw_match_address(const struct firewall *, bool source, const struct ip_addr *low, const struct ip_addr *high,
                      enum match on[PROBES]);
void fw_match_port(const struct firewall *, bool source, uint32_t low, uint32_t high, enum match on[PROBES]);
void fw_match_flags(const struct firewall *, uint8_t mask, uint8_t value, enum match on[PROBES]);
/* state: NEW, ESTABLISHED or another word, in either case. */
void fw_match_state(const char *state, enum match on[PROBES]);
void fw_match_all(enum match value, enum match on[PROBES]);
/* Any of several. */
void fw_match_or(enum match to[PROBES], const enum match from[PROBES]);
/* First and last address of a network; false: not one, or not of the probes' family (*low is left alone). */
RW_CHECK bool fw_network_range(const char *text, struct ip_addr *low, struct ip_addr *high);

/* firewall_nft.c, firewall_iptables.c. false: can't be read. skip_iptables: leave out what iptables-nft manages. */
RW_CHECK bool firewall_read_nft(struct firewall *, const char *json, bool skip_iptables);
RW_CHECK bool firewall_read_iptables(struct firewall *, const char *text, uint8_t family);

#endif
