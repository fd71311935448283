/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/ruleset_plan.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdlib.h>

static int compare_addr(const struct network *a, const struct network *b)
{
    if (a->addr.family != b->addr.family)
        return a->addr.family < b->addr.family ? -1 : 1;
    return memcmp(a->addr.at, b->addr.at, sizeof(a->addr.at));
}

/* A network comes before all that it contains. */
static int by_nesting(const void *left, const void *right)
{
    const struct network *a = &((const struct planned *)left)->network;
    const struct network *b = &((const struct planned *)right)->network;
    int order = compare_addr(a, b);

    return order != 0 ? order : (int)a->prefix - (int)b->prefix;
}

static int by_rule(const void *left, const void *right)
{
    const struct planned *a = left, *b = right;

    if (a->network.addr.family != b->network.addr.family)
        return a->network.addr.family < b->network.addr.family ? -1 : 1;
    if (a->network.prefix != b->network.prefix)
        return a->network.prefix > b->network.prefix ? -1 : 1;
    if (a->network.tag != b->network.tag)
        return a->network.tag < b->network.tag ? -1 : 1;
    return by_nesting(left, right);
}

/* outer's prefix is not longer than inner's. */
static bool contains(const struct network *outer, const struct network *inner)
{
    unsigned whole = outer->prefix / 8, rest = outer->prefix % 8;

    if (outer->addr.family != inner->addr.family || memcmp(outer->addr.at, inner->addr.at, whole) != 0)
        return false;
    return rest == 0 || (outer->addr.at[whole] ^ inner->addr.at[whole]) >> (8 - rest) == 0;
}

/* Sorts, leaves out what says nothing new. Returns how many stay. */
static size_t nest(struct planned *list, size_t count)
{
    size_t open[129]; /* indices of the networks that contain the present one: a chain of ever longer prefixes */
    size_t depth = 0, kept = 0; /* how many */

    if (count > 0)
        qsort(list, count, sizeof(*list), by_nesting);
    for (size_t i = 0; i < count; i++) {
        while (depth > 0 && !contains(&list[open[depth - 1]].network, &list[i].network))
            depth--;
        if (depth > 0 && list[open[depth - 1]].network.tag == list[i].network.tag)
            continue;
        list[kept] = list[i];
        assert(depth < sizeof(open) / sizeof(open[0]));
        open[depth++] = kept++;
    }
    if (kept > 0)
        qsort(list, kept, sizeof(*list), by_rule);
    return kept;
}

static struct planned *planned_of(const struct network *networks, size_t count)
{
    struct planned *list = calloc(count + 1, sizeof(*list)); /* one more, so that none is no NULL */

    for (size_t i = 0; list != NULL && i < count; i++)
        list[i].network = networks[i];
    return list;
}

bool ruleset_plan_make(struct ruleset_plan *plan, const struct config *c)
{
    *plan = (struct ruleset_plan){
        .networks = planned_of(c->policy->networks, c->policy->network_count),
        .servers = planned_of(c->servers, c->server_count),
        .all_servers = c->server_count == 0,
    };
    if (plan->networks == NULL || plan->servers == NULL) {
        ruleset_plan_free(plan);
        return false;
    }
    plan->network_count = nest(plan->networks, c->policy->network_count);
    plan->server_count = nest(plan->servers, c->server_count);
    return true;
}

void ruleset_plan_free(struct ruleset_plan *plan)
{
    free(plan->networks);
    free(plan->servers);
    *plan = (struct ruleset_plan){0};
}

const struct planned *ruleset_plan_next_group(const struct planned *at, const struct planned *end)
{
    const struct network *first = &at->network;

    while (at < end && at->network.prefix == first->prefix && at->network.addr.family == first->addr.family &&
           at->network.tag == first->tag)
        at++;
    return at;
}

bool ruleset_plan_serves(const struct ruleset_plan *plan, uint8_t family)
{
    if (plan->all_servers)
        return true;
    for (size_t i = 0; i < plan->server_count; i++)
        if (plan->servers[i].network.addr.family == family)
            return true;
    return false;
}

bool ruleset_plan_bans(const struct config *c)
{
    for (uint8_t tag = 1; tag <= TAGS_MAX; tag++)
        if (policy_tag_bans(&c->policy->tags[tag]))
            return true;
    return false;
}

void ruleset_network_text(const struct network *n, char out[static NETWORK_TEXT])
{
    bool v4 = n->addr.family == 4;
    char addr[INET6_ADDRSTRLEN];

    if (inet_ntop(v4 ? AF_INET : AF_INET6, n->addr.at, addr, sizeof(addr)) == NULL)
        abort();
    if (n->prefix == (v4 ? 32 : 128))
        snprintf(out, NETWORK_TEXT, "%s", addr);
    else
        snprintf(out, NETWORK_TEXT, "%s/%d", addr, n->prefix);
}

void ruleset_print_ports(const struct config *c, const char *separator, FILE *out)
{
    for (size_t i = 0; i < c->engine.port_count; i++)
        fprintf(out, "%s%d", i > 0 ? separator : "", c->engine.ports[i]);
}
