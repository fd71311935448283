/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads what `nft -j list ruleset` prints (libnftables-json(5)). What isn't known here makes a rule one that may match.
 */
#include "rules/firewall_internal.h"

#include <jansson.h>
#include <stdio.h>

struct reader {
    struct firewall *firewall;
    json_t *all; /* the list of objects */
    const char *family, *table;
};

static const char *string_of(json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text != NULL ? text : "";
}

static bool is(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

/* The only key of an object such as {"accept": null}. */
static const char *kind_of(json_t *object)
{
    void *first = json_object_iter(object);

    return first != NULL ? json_object_iter_key(first) : "";
}

/* ---- values ---- */

static bool protocol_number(json_t *value, uint32_t *out)
{
    const char *name = json_string_value(value);

    if (json_is_integer(value))
        *out = (uint32_t)json_integer_value(value);
    else if (name != NULL)
        *out = is(name, "tcp") ? 6 : 255; /* any other: not TCP */
    return json_is_integer(value) || name != NULL;
}

static uint8_t flag_of_name(const char *name)
{
    static const char *const names[] = {"fin", "syn", "rst", "psh", "ack", "urg", "ecn", "cwr"};

    for (unsigned i = 0; i < 8; i++)
        if (is(name, names[i]))
            return (uint8_t)(1U << i);
    return 0;
}

static uint8_t flags_of(json_t *value)
{
    uint8_t flags = 0;
    json_t *one;

    if (json_is_integer(value))
        return (uint8_t)json_integer_value(value);
    if (json_is_string(value))
        return flag_of_name(json_string_value(value));
    for (size_t i = 0; (one = json_array_get(value, i)) != NULL; i++)
        flags |= json_is_string(one) ? flag_of_name(json_string_value(one)) : 0;
    if (json_object_get(value, "|") != NULL)
        return flags_of(json_object_get(value, "|"));
    return flags;
}

enum field {
    FIELD_UNKNOWN,
    FIELD_SOURCE,
    FIELD_DESTINATION,
    FIELD_SOURCE_PORT,
    FIELD_DESTINATION_PORT,
    FIELD_PROTOCOL,
    FIELD_FAMILY,
    FIELD_STATE,
    FIELD_FLAGS,
    FIELD_INTERFACE,
    FIELD_META_MARK,
    FIELD_CT_MARK,
};

struct left {
    enum field field;
    uint8_t family; /* of an address; 0: of no one family */
    uint32_t mask;  /* of marks and flags */
};

static struct left left_of(json_t *expr);

static struct left payload_of(json_t *payload)
{
    const char *protocol = string_of(payload, "protocol"), *field = string_of(payload, "field");
    struct left l = {.mask = UINT32_MAX};

    if (is(protocol, "ip") || is(protocol, "ip6")) {
        l.family = is(protocol, "ip") ? 4 : 6;
        if (is(field, "saddr") || is(field, "daddr"))
            l.field = is(field, "saddr") ? FIELD_SOURCE : FIELD_DESTINATION;
        else if (is(field, "protocol") || is(field, "nexthdr"))
            l.field = FIELD_PROTOCOL;
    } else if (is(protocol, "tcp") || is(protocol, "th")) {
        if (is(field, "sport") || is(field, "dport"))
            l.field = is(field, "sport") ? FIELD_SOURCE_PORT : FIELD_DESTINATION_PORT;
        else if (is(field, "flags"))
            l.field = FIELD_FLAGS;
    }
    return l;
}

/* Another protocol's field: the packet isn't of that protocol. */
static bool other_protocol(json_t *expr)
{
    const char *protocol = string_of(json_object_get(expr, "payload"), "protocol");

    return is(protocol, "udp") || is(protocol, "icmp") || is(protocol, "icmpv6") || is(protocol, "sctp") ||
           is(protocol, "dccp") || is(protocol, "udplite") || is(protocol, "esp") || is(protocol, "ah");
}

static struct left meta_of(const char *key)
{
    struct left l = {.mask = UINT32_MAX};

    if (is(key, "mark"))
        l.field = FIELD_META_MARK;
    else if (is(key, "l4proto"))
        l.field = FIELD_PROTOCOL;
    else if (is(key, "nfproto") || is(key, "protocol"))
        l.field = FIELD_FAMILY;
    else if (is(key, "iifname") || is(key, "oifname") || is(key, "iif") || is(key, "oif"))
        l.field = FIELD_INTERFACE;
    return l;
}

static struct left left_of(json_t *expr)
{
    json_t *and = json_object_get(expr, "&"), *inner = json_array_get(and, 0), *mask = json_array_get(and, 1);
    struct left l = {.mask = UINT32_MAX};

    if (and != NULL && json_object_get(inner, "&") == NULL) {
        l = left_of(inner);
        if (l.field == FIELD_FLAGS)
            l.mask = flags_of(mask);
        else if ((l.field == FIELD_META_MARK || l.field == FIELD_CT_MARK) && json_is_integer(mask))
            l.mask = (uint32_t)json_integer_value(mask);
        else
            l.field = FIELD_UNKNOWN;
    } else if (json_object_get(expr, "payload") != NULL) {
        l = payload_of(json_object_get(expr, "payload"));
    } else if (json_object_get(expr, "meta") != NULL) {
        l = meta_of(string_of(json_object_get(expr, "meta"), "key"));
    } else if (json_object_get(expr, "ct") != NULL) {
        const char *key = string_of(json_object_get(expr, "ct"), "key");
        l.field = is(key, "mark") ? FIELD_CT_MARK : is(key, "state") ? FIELD_STATE : FIELD_UNKNOWN;
    }
    return l;
}

static void match_address(const struct reader *r, enum field field, json_t *value, enum match on[PROBES])
{
    json_t *prefix = json_object_get(value, "prefix"), *range = json_object_get(value, "range");
    struct ip_addr low, high, unused;
    char text[80];

    fw_match_all(MATCH_MAYBE, on);
    if (prefix != NULL) {
        snprintf(text, sizeof(text), "%s/%d", string_of(prefix, "addr"),
                 (int)json_integer_value(json_object_get(prefix, "len")));
        if (!fw_network_range(text, &low, &high))
            return;
    } else if (range != NULL) {
        const char *first = json_string_value(json_array_get(range, 0));
        const char *last = json_string_value(json_array_get(range, 1));
        if (first == NULL || last == NULL || !fw_network_range(first, &low, &unused) ||
            !fw_network_range(last, &unused, &high))
            return;
    } else if (!json_is_string(value) || !fw_network_range(json_string_value(value), &low, &high)) {
        return;
    }
    fw_match_address(r->firewall, field == FIELD_SOURCE, &low, &high, on);
}

static void match_port(const struct reader *r, enum field field, json_t *value, enum match on[PROBES])
{
    json_t *range = json_object_get(value, "range");
    json_t *low = range != NULL ? json_array_get(range, 0) : value;
    json_t *high = range != NULL ? json_array_get(range, 1) : value;

    fw_match_all(MATCH_MAYBE, on);
    if (json_is_integer(low) && json_is_integer(high))
        fw_match_port(r->firewall, field == FIELD_SOURCE_PORT, (uint32_t)json_integer_value(low),
                      (uint32_t)json_integer_value(high), on);
}

static void match_family(const struct reader *r, json_t *value, enum match on[PROBES])
{
    const char *name = json_string_value(value);
    bool v4 = name != NULL && (is(name, "ip") || is(name, "ipv4"));
    bool v6 = name != NULL && (is(name, "ip6") || is(name, "ipv6"));

    fw_match_all((v4 && r->firewall->family == 4) || (v6 && r->firewall->family == 6) ? MATCH_YES
                 : name != NULL                                                       ? MATCH_NO
                                                                                      : MATCH_MAYBE,
                 on);
}

/* One value, no set. */
static void match_one(const struct reader *r, const struct left *l, json_t *value, bool any_flag, enum match on[PROBES])
{
    uint32_t number = 0;

    switch (l->field) {
    case FIELD_SOURCE:
    case FIELD_DESTINATION:
        match_address(r, l->field, value, on);
        return;
    case FIELD_SOURCE_PORT:
    case FIELD_DESTINATION_PORT:
        match_port(r, l->field, value, on);
        return;
    case FIELD_PROTOCOL:
        fw_match_all(!protocol_number(value, &number) ? MATCH_MAYBE : number == 6 ? MATCH_YES : MATCH_NO, on);
        return;
    case FIELD_FAMILY:
        match_family(r, value, on);
        return;
    case FIELD_STATE:
        if (json_is_string(value))
            fw_match_state(json_string_value(value), on);
        else
            fw_match_all(MATCH_MAYBE, on);
        return;
    case FIELD_FLAGS:
        fw_match_flags(r->firewall, (uint8_t)(any_flag ? flags_of(value) : l->mask & 0xff),
                       any_flag ? 0 : flags_of(value), on);
        for (int p = 0; any_flag && p < PROBES; p++)
            on[p] = (enum match)(MATCH_YES - on[p]);
        return;
    case FIELD_INTERFACE: /* of the machine itself, no packet of ours comes */
        fw_match_all(json_is_string(value) && is(json_string_value(value), "lo") ? MATCH_NO : MATCH_MAYBE, on);
        return;
    case FIELD_META_MARK:
    case FIELD_CT_MARK:
    case FIELD_UNKNOWN:
        break;
    }
    fw_match_all(MATCH_MAYBE, on);
}

/* The elements of "@name" in the present table; NULL: filled by packets, or not there. */
static json_t *elements_of(const struct reader *r, const char *name)
{
    json_t *object;

    for (size_t i = 0; (object = json_array_get(r->all, i)) != NULL; i++) {
        json_t *set = json_object_get(object, "set");
        if (set != NULL && is(string_of(set, "name"), name) && is(string_of(set, "table"), r->table) &&
            is(string_of(set, "family"), r->family))
            return json_object_get(set, "elem");
    }
    return NULL;
}

static void match_values(const struct reader *r, const struct left *l, json_t *right, bool in, enum match on[PROBES])
{
    const char *name = json_string_value(right);
    json_t *list = name != NULL && name[0] == '@' ? elements_of(r, name + 1) : json_object_get(right, "set");
    bool flags = l->field == FIELD_FLAGS;
    enum match one[PROBES];
    json_t *value;

    if (list == NULL && in && !flags && json_is_array(right))
        list = right; /* ct state: any of them */
    if (list == NULL) {
        if (name != NULL && name[0] == '@')
            fw_match_all(MATCH_MAYBE, on);
        else
            match_one(r, l, right, in && flags, on);
        return;
    }
    fw_match_all(MATCH_NO, on);
    for (size_t i = 0; (value = json_array_get(list, i)) != NULL; i++) {
        json_t *elem = json_object_get(value, "elem"); /* with a comment or a timeout */
        match_one(r, l, elem != NULL ? json_object_get(elem, "val") : value, false, one);
        fw_match_or(on, one);
    }
}

static void read_match(const struct reader *r, json_t *match, struct fw_rule *rule)
{
    json_t *right = json_object_get(match, "right"), *expr = json_object_get(match, "left");
    const char *op = string_of(match, "op");
    struct left l = left_of(expr);
    bool negated = is(op, "!=");
    enum match on[PROBES];

    if (!negated && !is(op, "==") && !is(op, "in")) {
        fw_rule_maybe(rule);
        return;
    }
    if (other_protocol(expr)) {
        fw_match_all(MATCH_NO, on);
        fw_rule_match(rule, on, false);
        return;
    }
    if ((l.family == 4 || l.family == 6) && l.family != r->firewall->family) {
        fw_match_all(MATCH_NO, on); /* nft puts the family's own match in front, whatever the operator */
        fw_rule_match(rule, on, false);
        return;
    }
    if ((l.field == FIELD_META_MARK || l.field == FIELD_CT_MARK) && json_is_integer(right)) {
        fw_rule_test(rule, (struct fw_mark_test){.ct = l.field == FIELD_CT_MARK,
                                                 .negated = negated,
                                                 .mask = l.mask,
                                                 .value = (uint32_t)json_integer_value(right)});
        return;
    }
    match_values(r, &l, right, is(op, "in"), on);
    fw_rule_match(rule, on, negated);
}

/* ---- statements ---- */

/* mark set: a constant, or an old mark with bits taken out and put in. */
static void read_mangle(json_t *mangle, struct fw_rule *rule)
{
    struct left to = left_of(json_object_get(mangle, "key"));
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
    struct left l = left_of(from);
    if (or != NULL && json_is_integer(json_array_get(or, 1)))
        a->set = (uint32_t)json_integer_value(json_array_get(or, 1));
    if (l.field == to.field) {
        a->keep = l.mask & ~a->set;
    } else if (l.field == FIELD_META_MARK || l.field == FIELD_CT_MARK) { /* one mark from the other, as a whole */
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
        return is(json_string_value(flags), name);
    for (size_t i = 0; (one = json_array_get(flags, i)) != NULL; i++)
        if (json_is_string(one) && is(json_string_value(one), name))
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
    struct fw_action *a = fw_rule_act(rule, is(kind, "jump") ? ACT_JUMP : ACT_GOTO);

    snprintf(a->target, sizeof(a->target), "%s", string_of(json_object_get(statement, kind), "target"));
}

/* A verdict. false: the statement is none. */
static bool read_verdict(json_t *statement, struct fw_rule *rule)
{
    const char *kind = kind_of(statement);

    if (is(kind, "accept"))
        (void)fw_rule_act(rule, ACT_ACCEPT);
    else if (is(kind, "drop") || is(kind, "reject"))
        (void)fw_rule_act(rule, ACT_DROP);
    else if (is(kind, "return"))
        (void)fw_rule_act(rule, ACT_RETURN);
    else if (is(kind, "jump") || is(kind, "goto"))
        read_jump(statement, kind, rule);
    else
        return is(kind, "continue");
    return true;
}

/* Each element of a verdict map becomes a rule of its own. */
static void read_vmap(const struct reader *r, struct fw_chain *chain, json_t *vmap, const struct fw_rule *so_far)
{
    struct left l = left_of(json_object_get(vmap, "key"));
    json_t *data = json_object_get(vmap, "data"), *list = json_object_get(data, "set"), *pair;

    for (size_t i = 0; (pair = json_array_get(list, i)) != NULL; i++) {
        struct fw_rule rule = *so_far;
        json_t *value = json_array_get(pair, 0);
        if ((l.field == FIELD_META_MARK || l.field == FIELD_CT_MARK) && json_is_integer(value)) {
            fw_rule_test(&rule, (struct fw_mark_test){.ct = l.field == FIELD_CT_MARK,
                                                      .mask = l.mask,
                                                      .value = (uint32_t)json_integer_value(value)});
        } else {
            enum match on[PROBES];
            match_one(r, &l, value, false, on);
            fw_rule_match(&rule, on, false);
        }
        (void)read_verdict(json_array_get(pair, 1), &rule);
        fw_rule_add(r->firewall, chain, &rule);
    }
}

static void read_statement(const struct reader *r, struct fw_chain *chain, json_t *statement, struct fw_rule *rule)
{
    static const char *const idle[] = {"counter", "log", "set", "map", "ct helper", "notrack", "quota"};
    const char *kind = kind_of(statement);
    json_t *body = json_object_get(statement, kind);

    for (size_t i = 0; i < sizeof(idle) / sizeof(idle[0]); i++)
        if (is(kind, idle[i]))
            return;
    if (read_verdict(statement, rule))
        return;
    if (is(kind, "match"))
        read_match(r, body, rule);
    else if (is(kind, "mangle"))
        read_mangle(body, rule);
    else if (is(kind, "queue"))
        read_queue(body, rule);
    else if (is(kind, "vmap"))
        read_vmap(r, chain, body, rule);
    else if (is(kind, "flow"))
        snprintf(fw_rule_act(rule, ACT_FLOW)->target, 64, "%s", string_of(body, "flowtable"));
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
        if (is(name, names[h]))
            return (enum fw_hook)h;
    return FW_ELSEWHERE;
}

/* Only these families see our packets. */
static bool family_counts(const struct reader *r, const char *family)
{
    return is(family, "inet") || is(family, "bridge") || is(family, r->firewall->family == 4 ? "ip" : "ip6");
}

static bool iptables_manages(const char *family, const char *table)
{
    return (is(family, "ip") || is(family, "ip6")) && (is(table, "filter") || is(table, "mangle") || is(table, "raw") ||
                                                       is(table, "nat") || is(table, "security"));
}

static void read_chain(struct reader *r, json_t *chain)
{
    char table[72];

    snprintf(table, sizeof(table), "%s %s", string_of(chain, "family"), string_of(chain, "table"));
    struct fw_chain *c = fw_chain_add(r->firewall, table, string_of(chain, "name"));
    if (c == NULL || json_object_get(chain, "hook") == NULL)
        return;
    c->layer = is(string_of(chain, "family"), "bridge") ? LAYER_BRIDGE : LAYER_IP;
    c->hook = is(string_of(chain, "type"), "nat") ? FW_ELSEWHERE : hook_of(string_of(chain, "hook"));
    c->priority = (int)json_integer_value(json_object_get(chain, "prio"));
    c->drops = is(string_of(chain, "policy"), "drop");
}

static void read_rule(struct reader *r, json_t *object)
{
    struct fw_rule rule;
    char table[72];
    json_t *statement;

    r->family = string_of(object, "family");
    r->table = string_of(object, "table");
    snprintf(table, sizeof(table), "%s %s", r->family, r->table);
    struct fw_chain *chain = fw_chain_find(r->firewall, table, string_of(object, "chain"));
    if (chain == NULL)
        return;
    fw_rule_begin(&rule);
    snprintf(rule.shown, sizeof(rule.shown), "table %s, chain %s, handle %d", table, string_of(object, "chain"),
             (int)json_integer_value(json_object_get(object, "handle")));
    for (size_t i = 0; (statement = json_array_get(json_object_get(object, "expr"), i)) != NULL; i++)
        read_statement(r, chain, statement, &rule);
    fw_rule_add(r->firewall, chain, &rule);
}

bool firewall_read_nft(struct firewall *f, const char *text, bool skip_iptables)
{
    json_t *root = json_loads(text, 0, NULL);
    struct reader r = {.firewall = f, .all = json_object_get(root, "nftables")};
    json_t *object;
    bool good = json_is_array(r.all);

    for (int rules = 0; rules < 2; rules++) { /* all chains first: jumps go forward, too */
        for (size_t i = 0; (object = json_array_get(r.all, i)) != NULL; i++) {
            json_t *it = json_object_get(object, rules == 0 ? "chain" : "rule");
            const char *family = string_of(it, "family");
            if (it == NULL || !family_counts(&r, family) ||
                (skip_iptables && iptables_manages(family, string_of(it, "table"))))
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
