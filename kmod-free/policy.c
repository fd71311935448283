/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kmod-free/policy.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdlib.h>

static const char *const action_names[] = {
    [ACTION_UNSET] = "unset",   [ACTION_ACCEPT] = "accept", [ACTION_ALERT] = "alert",
    [ACTION_REFUSE] = "refuse", [ACTION_RESET] = "reset",   [ACTION_DROP] = "drop",
    [ACTION_BAN] = "ban",
};

static const char *const reason_names[REASON_COUNT] = {
    [REASON_NONE] = "none",
    [REASON_EXTERNAL_RCPT] = "external-rcpt",
    [REASON_DNSBL] = "dnsbl",
    [REASON_SMUGGLING] = "smuggling",
    [REASON_EVASION] = "evasion",
    [REASON_DESYNC] = "desync",
    [REASON_INJECTION] = "injection",
    [REASON_MALFORMED] = "malformed",
    [REASON_LIMIT] = "limit",
    [REASON_MIDSTREAM] = "midstream",
    [REASON_STARTTLS] = "starttls",
    [REASON_CONDEMNED] = "condemned",
};

const char *action_name(enum action a)
{
    return action_names[a];
}

const char *reason_name(enum reason r)
{
    assert(r < REASON_COUNT);
    return reason_names[r];
}

enum action action_of_name(const char *name)
{
    for (unsigned i = ACTION_ACCEPT; i <= ACTION_BAN; i++)
        if (strcmp(name, action_names[i]) == 0)
            return (enum action)i;
    return ACTION_UNSET;
}

static void name_tag(struct policy_tag *tag, const char *name)
{
    memset(tag, 0, sizeof *tag);
    memcpy(tag->name, name, strlen(name));
}

struct policy *policy_new(void)
{
    struct policy *p = calloc(1, sizeof *p);
    if (!p)
        return NULL;
    p->local = domain_set_new();
    if (!p->local) {
        free(p);
        return NULL;
    }
    struct policy_tag *outside = &p->tags[1], *inside = &p->tags[2];
    name_tag(outside, "outside");
    name_tag(inside, "inside");
    for (int r = REASON_NONE; r < REASON_COUNT; r++) {
        outside->on[r] = ACTION_RESET;
        inside->on[r] = ACTION_ACCEPT;
    }
    outside->on[REASON_NONE] = ACTION_ACCEPT;
    outside->on[REASON_DESYNC] = ACTION_ALERT;
    outside->on[REASON_STARTTLS] = ACTION_ACCEPT;
    outside->ban_for_s = inside->ban_for_s = 3600;
    outside->dnsbl_threshold = inside->dnsbl_threshold = 1;
    outside->dnsbl_unknown = inside->dnsbl_unknown = ACTION_ACCEPT;
    p->outside = 1;
    return p;
}

void policy_free(struct policy *p)
{
    if (!p)
        return;
    domain_set_free(p->local);
    free(p->networks);
    free(p->servers);
    free(p);
}

bool network_parse(const char *text, struct network *out)
{
    char addr[INET6_ADDRSTRLEN];
    const char *slash = strchr(text, '/');
    size_t len = slash ? (size_t)(slash - text) : strlen(text);
    *out = (struct network){0};
    if (len == 0 || len >= sizeof addr)
        return false;
    memcpy(addr, text, len);
    addr[len] = '\0';
    if (inet_pton(AF_INET, addr, out->addr.at) == 1)
        out->addr.family = 4;
    else if (inet_pton(AF_INET6, addr, out->addr.at) == 1)
        out->addr.family = 6;
    else
        return false;
    unsigned long most = out->addr.family == 4 ? 32 : 128, bits = most;
    if (slash) {
        char *end;
        if (slash[1] < '0' || slash[1] > '9')
            return false;
        bits = strtoul(slash + 1, &end, 10);
        if (*end != '\0' || bits > most)
            return false;
    }
    out->prefix = (uint8_t)bits;
    return true;
}

static bool append(struct network **list, size_t *count, const struct network *n)
{
    struct network *grown = realloc(*list, (*count + 1) * sizeof *grown);
    if (!grown)
        return false;
    *list = grown;
    grown[(*count)++] = *n;
    return true;
}

bool policy_add_network(struct policy *p, const struct network *n)
{
    return append(&p->networks, &p->network_count, n);
}

bool policy_add_server(struct policy *p, const struct network *n)
{
    return append(&p->servers, &p->server_count, n);
}

bool network_has(const struct network *n, const struct ip_addr *a)
{
    unsigned whole = n->prefix / 8, rest = n->prefix % 8;
    if (n->addr.family != a->family || memcmp(n->addr.at, a->at, whole) != 0)
        return false;
    return rest == 0 || ((n->addr.at[whole] ^ a->at[whole]) >> (8 - rest)) == 0;
}

bool policy_protects(const struct policy *p, const struct ip_addr *a)
{
    for (size_t i = 0; i < p->server_count; i++)
        if (network_has(&p->servers[i], a))
            return true;
    return p->server_count == 0;
}

uint8_t policy_tag_for(const struct policy *p, uint8_t carried, const struct ip_addr *client)
{
    if (carried > 0 && carried <= TAGS_MAX && p->tags[carried].name[0] != '\0')
        return carried;
    const struct network *best = NULL;
    for (size_t i = 0; i < p->network_count; i++)
        if (network_has(&p->networks[i], client) && (!best || p->networks[i].prefix > best->prefix))
            best = &p->networks[i];
    return best ? best->tag : p->outside;
}

const struct policy_tag *policy_tag(const struct policy *p, uint8_t value)
{
    assert(value >= 1 && value <= TAGS_MAX);
    const struct policy_tag *tag = &p->tags[value];
    return tag->name[0] != '\0' ? tag : &p->tags[p->outside];
}

bool policy_tag_bans(const struct policy_tag *tag)
{
    bool bans = tag->ban_after > 0;
    for (int r = REASON_NONE; r < REASON_COUNT; r++)
        bans = bans || tag->on[r] == ACTION_BAN;
    return bans && tag->name[0] != '\0';
}

enum action policy_judge(const struct policy *p, const struct policy_facts *facts)
{
    assert(facts->reason < REASON_COUNT);
    const struct policy_tag *tag = policy_tag(p, facts->tag);
    if (facts->reason == REASON_EXTERNAL_RCPT && facts->authenticated && tag->exempt_authenticated)
        return ACTION_ACCEPT;
    if (facts->reason == REASON_DNSBL && facts->dnsbl_unknown)
        return tag->dnsbl_unknown;
    return tag->on[facts->reason];
}
