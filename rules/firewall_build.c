/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rules as they are put together by the readers of both forms. */
#include "rules/firewall_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

/* Room for one more, doubling. */
static void *grown(struct firewall *f, void *list, size_t count, size_t size)
{
    void *more = list;

    if ((count & (count - 1)) == 0 && !f->out_of_memory) /* only at powers of two, and at 0 */
        more = realloc(list, (count > 0 ? 2 * count : 1) * size);
    if (more == NULL) {
        f->out_of_memory = true;
        return list;
    }
    return more;
}

struct fw_chain *fw_chain_find(struct firewall *f, const char *table, const char *name)
{
    for (size_t i = 0; i < f->chain_count; i++)
        if (strcmp(f->chains[i].name, name) == 0 && strcmp(f->chains[i].table, table) == 0)
            return &f->chains[i];
    return NULL;
}

struct fw_chain *fw_chain_add(struct firewall *f, const char *table, const char *name)
{
    f->chains = grown(f, f->chains, f->chain_count, sizeof(*f->chains));
    if (f->out_of_memory)
        return NULL;
    struct fw_chain *chain = &f->chains[f->chain_count++];
    *chain = (struct fw_chain){.hook = FW_NO_HOOK};
    snprintf(chain->table, sizeof(chain->table), "%s", table);
    snprintf(chain->name, sizeof(chain->name), "%s", name);
    chain->ours = strncmp(name, "RCPTWALL-", 9) == 0 || strcmp(table, "inet rcptwall") == 0 ||
                  strcmp(table, "bridge rcptwall") == 0;
    return chain;
}

void fw_rule_add(struct firewall *f, struct fw_chain *chain, const struct fw_rule *rule)
{
    chain->rules = grown(f, chain->rules, chain->rule_count, sizeof(*chain->rules));
    if (!f->out_of_memory)
        chain->rules[chain->rule_count++] = *rule;
}

void firewall_free(struct firewall *f)
{
    for (size_t i = 0; i < f->chain_count; i++)
        free(f->chains[i].rules);
    free(f->chains);
    f->chains = NULL;
    f->chain_count = 0;
}

void fw_rule_begin(struct fw_rule *rule)
{
    *rule = (struct fw_rule){.test_count = 0};
    fw_match_all(MATCH_YES, rule->on);
}

void fw_match_all(enum match value, enum match on[PROBES])
{
    for (int p = 0; p < PROBES; p++)
        on[p] = value;
}

void fw_match_or(enum match to[PROBES], const enum match from[PROBES])
{
    for (int p = 0; p < PROBES; p++)
        if (from[p] > to[p])
            to[p] = from[p];
}

void fw_rule_match(struct fw_rule *rule, const enum match on[PROBES], bool negated)
{
    for (int p = 0; p < PROBES; p++) {
        enum match m = negated ? (enum match)(MATCH_YES - on[p]) : on[p];
        if (m < rule->on[p])
            rule->on[p] = m;
    }
}

void fw_rule_maybe(struct fw_rule *rule)
{
    enum match maybe[PROBES];

    fw_match_all(MATCH_MAYBE, maybe);
    fw_rule_match(rule, maybe, false);
}

void fw_rule_test(struct fw_rule *rule, struct fw_mark_test test)
{
    if (rule->test_count == FW_TESTS)
        fw_rule_maybe(rule);
    else
        rule->tests[rule->test_count++] = test;
}

struct fw_action *fw_rule_act(struct fw_rule *rule, enum fw_act act)
{
    if (rule->action_count == FW_ACTIONS) /* the last one says what becomes of the packet */
        rule->action_count--;
    struct fw_action *a = &rule->actions[rule->action_count++];
    *a = (struct fw_action){.act = act, .keep = UINT32_MAX};
    return a;
}

/*
 * The client's address stands for any client: a range that it isn't in may hold another one.
 */
void fw_match_address(const struct firewall *f, bool source, const struct ip_addr *low, const struct ip_addr *high,
                      enum match on[PROBES])
{
    for (int p = 0; p < PROBES; p++) {
        const struct probe *probe = &f->probes[p];
        const struct ip_addr *a = source ? &probe->src.addr : &probe->dst.addr;
        if (a->family != low->family)
            on[p] = MATCH_NO;
        else if (memcmp(a->at, low->at, sizeof(a->at)) >= 0 && memcmp(a->at, high->at, sizeof(a->at)) <= 0)
            on[p] = MATCH_YES;
        else
            on[p] = probe->client_is_src == source ? MATCH_MAYBE : MATCH_NO;
    }
}

/* Likewise its port, except that a rule about a well-known one means servers (`dport 443`), not our clients. */
void fw_match_port(const struct firewall *f, bool source, uint32_t low, uint32_t high, enum match on[PROBES])
{
    for (int p = 0; p < PROBES; p++) {
        const struct probe *probe = &f->probes[p];
        uint16_t port = source ? probe->src.port : probe->dst.port;
        if (probe->client_is_src == source)
            on[p] = high < 1024 ? MATCH_NO : low <= 1024 && high == UINT16_MAX ? MATCH_YES : MATCH_MAYBE;
        else
            on[p] = port >= low && port <= high ? MATCH_YES : MATCH_NO;
    }
}

void fw_match_flags(const struct firewall *f, uint8_t mask, uint8_t value, enum match on[PROBES])
{
    for (int p = 0; p < PROBES; p++)
        on[p] = (f->probes[p].flags & mask) == value ? MATCH_YES : MATCH_NO;
}

void fw_match_state(const char *state, enum match on[PROBES])
{
    on[PROBE_SYN] = strcasecmp(state, "new") == 0 ? MATCH_YES : MATCH_NO;
    on[PROBE_CLIENT] = on[PROBE_SERVER] = strcasecmp(state, "established") == 0 ? MATCH_YES : MATCH_NO;
}

bool fw_network_range(const char *text, struct ip_addr *low, struct ip_addr *high)
{
    struct network n;

    if (!network_parse(text, &n))
        return false;
    *low = *high = n.addr;
    for (unsigned bit = n.prefix; bit < (n.addr.family == 4 ? 32U : 128U); bit++) {
        low->at[bit / 8] &= (uint8_t) ~(0x80U >> bit % 8);
        high->at[bit / 8] |= (uint8_t)(0x80U >> bit % 8);
    }
    return true;
}
