/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads what `nft -j list ruleset` prints (libnftables-json(5)). What isn't known here makes a rule one that may match.
 */
#include "rules/firewall_nft.h"

#include <stdio.h>

/* The only key of an object such as {"accept": null}. */
static const char *kind_of(json_t *object)
{
    void *first = json_object_iter(object);

    return first != NULL ? json_object_iter_key(first) : "";
}

/* ---- statements ---- */

/* mark set: a constant, or an old mark with bits taken out and put in. */
static void read_mangle(json_t *mangle, struct fw_rule *rule)
{
    struct nft_left to = nft_left_of(json_object_get(mangle, "key"));
    json_t *value = json_object_get(mangle, "value"), * or = json_object_get(value, "|");
    json_t *from = or != NULL ? json_array_get(or, 0) : value;
    bool ct = to.field == FIELD_CT_MARK;

    if (to.field != FIELD_META_MARK && !ct)
        return;
    struct fw_action *a = fw_rule_act(rule, ct ? ACT_CT_SET : ACT_META_SET);
    if (json_is_integer(value)) {
        a->keep = 0;
        a->set = (uint32_t)json_integer_value(value);
        return;
    }
    struct nft_left l = nft_left_of(from);
    if (or != NULL && json_is_integer(json_array_get(or, 1)))
        a->set = (uint32_t)json_integer_value(json_array_get(or, 1));
    if (l.field == to.field) {
        a->keep = l.mask & ~a->set;
    } else if (nft_is_mark(&l)) { /* one mark from the other, as a whole */
        a->act = ct ? ACT_CT_FROM_META : ACT_META_FROM_CT;
        a->set = UINT32_MAX;
    } else {
        a->keep = 0;
    }
}

static bool has_flag(json_t *flags, const char *name)
{
    json_t *one;

    if (json_is_string(flags))
        return nft_is(json_string_value(flags), name);
    for (size_t i = 0; (one = json_array_get(flags, i)) != NULL; i++)
        if (json_is_string(one) && nft_is(json_string_value(one), name))
            return true;
    return false;
}

static void read_queue(json_t *queue, struct fw_rule *rule)
{
    json_t *num = json_object_get(queue, "num"), *range = json_object_get(num, "range");
    json_t *flags = json_object_get(queue, "flags");
    struct fw_action *a = fw_rule_act(rule, ACT_QUEUE);

    if (json_is_integer(num)) {
        a->first = a->last = (uint16_t)json_integer_value(num);
    } else if (range != NULL) {
        a->first = (uint16_t)json_integer_value(json_array_get(range, 0));
        a->last = (uint16_t)json_integer_value(json_array_get(range, 1));
    } else { /* a queue by an expression of the packet, or CPU: as good as fanout where it isn't symmetric */
        a->last = UINT16_MAX;
        a->fanout = json_object_get(num, "symhash") == NULL;
    }
    a->bypass = has_flag(flags, "bypass");
    a->fanout = a->fanout || has_flag(flags, "fanout");
}

static void read_jump(json_t *statement, const char *kind, struct fw_rule *rule)
{
    struct fw_action *a = fw_rule_act(rule, nft_is(kind, "jump") ? ACT_JUMP : ACT_GOTO);

    snprintf(a->target, sizeof(a->target), "%s", nft_string(json_object_get(statement, kind), "target"));
}

/* A verdict. false: the statement is none. */
static bool read_verdict(json_t *statement, struct fw_rule *rule)
{
    const char *kind = kind_of(statement);

    if (nft_is(kind, "accept"))
        (void)fw_rule_act(rule, ACT_ACCEPT);
    else if (nft_is(kind, "drop") || nft_is(kind, "reject"))
        (void)fw_rule_act(rule, nft_is(nft_string(json_object_get(statement, kind), "type"), "tcp reset") ? ACT_RESET
                                                                                                          : ACT_DROP);
    else if (nft_is(kind, "return"))
        (void)fw_rule_act(rule, ACT_RETURN);
    else if (nft_is(kind, "jump") || nft_is(kind, "goto"))
        read_jump(statement, kind, rule);
    else
        return nft_is(kind, "continue");
    return true;
}

/* Each element of a verdict map becomes a rule of its own. */
static void read_vmap(const struct nft_reader *r, struct fw_chain *chain, json_t *vmap, const struct fw_rule *so_far)
{
    struct nft_left l = nft_left_of(json_object_get(vmap, "key"));
    json_t *data = json_object_get(vmap, "data"), *list = json_object_get(data, "set"), *pair;

    for (size_t i = 0; (pair = json_array_get(list, i)) != NULL; i++) {
        struct fw_rule rule = *so_far;
        json_t *value = json_array_get(pair, 0);
        if (nft_is_mark(&l) && json_is_integer(value)) {
            fw_rule_test(&rule, (struct fw_mark_test){.ct = l.field == FIELD_CT_MARK,
                                                      .mask = l.mask,
                                                      .value = (uint32_t)json_integer_value(value)});
        } else {
            enum match on[PROBES];
            nft_match_one(r, &l, value, false, on);
            fw_rule_match(&rule, on, false);
        }
        (void)read_verdict(json_array_get(pair, 1), &rule);
        fw_rule_add(r->firewall, chain, &rule);
    }
}

static void read_statement(const struct nft_reader *r, struct fw_chain *chain, json_t *statement, struct fw_rule *rule)
{
    static const char *const idle[] = {"counter", "log", "set", "map", "ct helper", "quota"};
    const char *kind = kind_of(statement);
    json_t *body = json_object_get(statement, kind);

    for (size_t i = 0; i < sizeof(idle) / sizeof(idle[0]); i++)
        if (nft_is(kind, idle[i]))
            return;
    if (read_verdict(statement, rule))
        return;
    if (nft_is(kind, "match"))
        nft_read_match(r, body, rule);
    else if (nft_is(kind, "mangle"))
        read_mangle(body, rule);
    else if (nft_is(kind, "queue"))
        read_queue(body, rule);
    else if (nft_is(kind, "vmap"))
        read_vmap(r, chain, body, rule);
    else if (nft_is(kind, "notrack"))
        (void)fw_rule_act(rule, ACT_NOTRACK);
    else if (nft_is(kind, "dnat")) /* a map's address is nobody's: "" */
        snprintf(fw_rule_act(rule, ACT_DNAT)->target, 64, "%.60s", nft_string(body, "addr"));
    else if (nft_is(kind, "flow"))
        snprintf(fw_rule_act(rule, ACT_FLOW)->target, 64, "%s", nft_string(body, "flowtable"));
    else
        fw_rule_maybe(rule); /* limit, xt, and whatever comes */
}

static enum fw_hook hook_of(const char *name)
{
    static const char *const names[] = {[FW_PREROUTING] = "prerouting",
                                        [FW_INPUT] = "input",
                                        [FW_FORWARD] = "forward",
                                        [FW_OUTPUT] = "output",
                                        [FW_POSTROUTING] = "postrouting"};

    for (int h = FW_PREROUTING; h <= FW_POSTROUTING; h++)
        if (nft_is(name, names[h]))
            return (enum fw_hook)h;
    return FW_ELSEWHERE;
}

/* Only these families see our packets. */
static bool family_counts(const struct nft_reader *r, const char *family)
{
    return nft_is(family, "inet") || nft_is(family, "bridge") ||
           nft_is(family, r->firewall->family == 4 ? "ip" : "ip6");
}

static bool iptables_manages(const char *family, const char *table)
{
    return (nft_is(family, "ip") || nft_is(family, "ip6")) &&
           (nft_is(table, "filter") || nft_is(table, "mangle") || nft_is(table, "raw") || nft_is(table, "nat") ||
            nft_is(table, "security"));
}

static void read_chain(struct nft_reader *r, json_t *chain)
{
    char table[72];

    snprintf(table, sizeof(table), "%s %s", nft_string(chain, "family"), nft_string(chain, "table"));
    struct fw_chain *c = fw_chain_add(r->firewall, table, nft_string(chain, "name"));
    if (c == NULL || json_object_get(chain, "hook") == NULL)
        return;
    c->layer = nft_is(nft_string(chain, "family"), "bridge") ? LAYER_BRIDGE : LAYER_IP;
    c->hook = nft_is(nft_string(chain, "type"), "nat") ? FW_ELSEWHERE : hook_of(nft_string(chain, "hook"));
    c->priority = (int)json_integer_value(json_object_get(chain, "prio"));
    c->drops = nft_is(nft_string(chain, "policy"), "drop");
}

static void read_rule(struct nft_reader *r, json_t *object)
{
    struct fw_rule rule;
    char table[72];
    json_t *statement;

    r->family = nft_string(object, "family");
    r->table = nft_string(object, "table");
    snprintf(table, sizeof(table), "%s %s", r->family, r->table);
    struct fw_chain *chain = fw_chain_find(r->firewall, table, nft_string(object, "chain"));
    if (chain == NULL)
        return;
    fw_rule_begin(&rule);
    snprintf(rule.shown, sizeof(rule.shown), "table %s, chain %s, handle %d", table, nft_string(object, "chain"),
             (int)json_integer_value(json_object_get(object, "handle")));
    for (size_t i = 0; (statement = json_array_get(json_object_get(object, "expr"), i)) != NULL; i++)
        read_statement(r, chain, statement, &rule);
    fw_rule_add(r->firewall, chain, &rule);
}

bool firewall_read_nft(struct firewall *f, const char *text, bool skip_iptables)
{
    json_t *root = json_loads(text, 0, NULL);
    struct nft_reader r = {.firewall = f, .all = json_object_get(root, "nftables")};
    json_t *object;
    bool good = json_is_array(r.all);

    for (int rules = 0; rules < 2; rules++) { /* all chains first: jumps go forward, too */
        for (size_t i = 0; (object = json_array_get(r.all, i)) != NULL; i++) {
            json_t *it = json_object_get(object, rules == 0 ? "chain" : "rule");
            const char *family = nft_string(it, "family");
            if (it == NULL || !family_counts(&r, family) ||
                (skip_iptables && iptables_manages(family, nft_string(it, "table"))))
                continue;
            if (rules == 0)
                read_chain(&r, it);
            else
                read_rule(&r, it);
        }
    }
    json_decref(root);
    return good;
}
