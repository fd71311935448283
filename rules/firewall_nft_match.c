/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a rule of nft's JSON matches. What isn't known here makes it one that may match. */
#include "rules/firewall_nft.h"

#include <stdio.h>

const char *nft_string(json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text != NULL ? text : "";
}

bool nft_is(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

bool nft_is_mark(const struct nft_left *l)
{
    return l->field == FIELD_META_MARK || l->field == FIELD_CT_MARK;
}

static bool protocol_number(json_t *value, uint32_t *out)
{
    const char *name = json_string_value(value);

    if (json_is_integer(value))
        *out = (uint32_t)json_integer_value(value);
    else if (name != NULL)
        *out = nft_is(name, "tcp") ? 6 : 255; /* any other: not TCP */
    return json_is_integer(value) || name != NULL;
}

static uint8_t flag_of_name(const char *name)
{
    static const char *const names[] = {"fin", "syn", "rst", "psh", "ack", "urg", "ecn", "cwr"};

    for (unsigned i = 0; i < 8; i++)
        if (nft_is(name, names[i]))
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

static struct nft_left payload_of(json_t *payload)
{
    const char *protocol = nft_string(payload, "protocol"), *field = nft_string(payload, "field");
    struct nft_left l = {.mask = UINT32_MAX};

    if (nft_is(protocol, "ip") || nft_is(protocol, "ip6")) {
        l.family = nft_is(protocol, "ip") ? 4 : 6;
        if (nft_is(field, "saddr") || nft_is(field, "daddr"))
            l.field = nft_is(field, "saddr") ? FIELD_SOURCE : FIELD_DESTINATION;
        else if (nft_is(field, "protocol") || nft_is(field, "nexthdr"))
            l.field = FIELD_PROTOCOL;
    } else if (nft_is(protocol, "tcp") || nft_is(protocol, "th")) {
        if (nft_is(field, "sport") || nft_is(field, "dport"))
            l.field = nft_is(field, "sport") ? FIELD_SOURCE_PORT : FIELD_DESTINATION_PORT;
        else if (nft_is(field, "flags"))
            l.field = FIELD_FLAGS;
    }
    return l;
}

/* Another protocol's field: the packet isn't of that protocol. */
static bool other_protocol(json_t *expr)
{
    const char *protocol = nft_string(json_object_get(expr, "payload"), "protocol");

    return nft_is(protocol, "udp") || nft_is(protocol, "icmp") || nft_is(protocol, "icmpv6") ||
           nft_is(protocol, "sctp") || nft_is(protocol, "dccp") || nft_is(protocol, "udplite") ||
           nft_is(protocol, "esp") || nft_is(protocol, "ah");
}

static struct nft_left meta_of(const char *key)
{
    struct nft_left l = {.mask = UINT32_MAX};

    if (nft_is(key, "mark"))
        l.field = FIELD_META_MARK;
    else if (nft_is(key, "l4proto"))
        l.field = FIELD_PROTOCOL;
    else if (nft_is(key, "nfproto") || nft_is(key, "protocol"))
        l.field = FIELD_FAMILY;
    else if (nft_is(key, "iifname") || nft_is(key, "oifname") || nft_is(key, "iif") || nft_is(key, "oif"))
        l.field = FIELD_INTERFACE;
    return l;
}

/* "255.255.255.0" is 24. false: these bits aren't the first ones. */
static bool prefix_of(json_t *mask, uint8_t *prefix)
{
    struct ip_addr low, high;
    unsigned bits = 0, all;

    if (!json_is_string(mask) || !fw_network_range(json_string_value(mask), &low, &high))
        return false;
    all = low.family == 4 ? 32 : 128;
    while (bits < all && (low.at[bits / 8] & 0x80U >> bits % 8) != 0)
        bits++;
    *prefix = (uint8_t)bits;
    while (bits < all && (low.at[bits / 8] & 0x80U >> bits % 8) == 0)
        bits++;
    return bits == all;
}

struct nft_left nft_left_of(json_t *expr)
{
    json_t *and = json_object_get(expr, "&"), *inner = json_array_get(and, 0), *mask = json_array_get(and, 1);
    struct nft_left l = {.mask = UINT32_MAX};

    if (and != NULL && json_object_get(inner, "&") == NULL) {
        l = nft_left_of(inner);
        if (l.field == FIELD_FLAGS)
            l.mask = flags_of(mask);
        else if (nft_is_mark(&l) && json_is_integer(mask))
            l.mask = (uint32_t)json_integer_value(mask);
        else if ((l.field == FIELD_SOURCE || l.field == FIELD_DESTINATION) && prefix_of(mask, &l.prefix))
            l.masked = true;
        else
            l.field = FIELD_UNKNOWN;
    } else if (json_object_get(expr, "payload") != NULL) {
        l = payload_of(json_object_get(expr, "payload"));
    } else if (json_object_get(expr, "meta") != NULL) {
        l = meta_of(nft_string(json_object_get(expr, "meta"), "key"));
    } else if (json_object_get(expr, "ct") != NULL) {
        const char *key = nft_string(json_object_get(expr, "ct"), "key");
        l.field = nft_is(key, "mark") ? FIELD_CT_MARK : nft_is(key, "state") ? FIELD_STATE : FIELD_UNKNOWN;
    }
    return l;
}

bool nft_address_range(json_t *value, struct ip_addr *low, struct ip_addr *high)
{
    json_t *prefix = json_object_get(value, "prefix"), *range = json_object_get(value, "range");
    struct ip_addr unused;
    char text[80];

    if (prefix != NULL) {
        snprintf(text, sizeof(text), "%s/%d", nft_string(prefix, "addr"),
                 (int)json_integer_value(json_object_get(prefix, "len")));
        return fw_network_range(text, low, high);
    }
    if (range != NULL) {
        const char *first = json_string_value(json_array_get(range, 0));
        const char *last = json_string_value(json_array_get(range, 1));
        return first != NULL && last != NULL && fw_network_range(first, low, &unused) &&
               fw_network_range(last, &unused, high);
    }
    return json_is_string(value) && fw_network_range(json_string_value(value), low, high);
}

static void match_address(const struct nft_reader *r, const struct nft_left *l, json_t *value, enum match on[PROBES])
{
    struct ip_addr low, high;
    char text[80] = "";

    fw_match_all(MATCH_MAYBE, on);
    if (l->masked)
        snprintf(text, sizeof(text), "%s/%d", json_is_string(value) ? json_string_value(value) : "", l->prefix);
    if (l->masked ? fw_network_range(text, &low, &high) : nft_address_range(value, &low, &high))
        fw_match_address(r->firewall, l->field == FIELD_SOURCE, &low, &high, on);
}

static void match_port(const struct nft_reader *r, enum nft_field field, json_t *value, enum match on[PROBES])
{
    json_t *range = json_object_get(value, "range");
    json_t *low = range != NULL ? json_array_get(range, 0) : value;
    json_t *high = range != NULL ? json_array_get(range, 1) : value;

    fw_match_all(MATCH_MAYBE, on);
    if (json_is_integer(low) && json_is_integer(high))
        fw_match_port(r->firewall, field == FIELD_SOURCE_PORT, (uint32_t)json_integer_value(low),
                      (uint32_t)json_integer_value(high), on);
}

static void match_family(const struct nft_reader *r, json_t *value, enum match on[PROBES])
{
    const char *name = json_string_value(value);
    bool v4 = name != NULL && (nft_is(name, "ip") || nft_is(name, "ipv4"));
    bool v6 = name != NULL && (nft_is(name, "ip6") || nft_is(name, "ipv6"));

    fw_match_all((v4 && r->firewall->family == 4) || (v6 && r->firewall->family == 6) ? MATCH_YES
                 : name != NULL                                                       ? MATCH_NO
                                                                                      : MATCH_MAYBE,
                 on);
}

/* One value, no set. */
void nft_match_one(const struct nft_reader *r, const struct nft_left *l, json_t *value, bool any_flag,
                   enum match on[PROBES])
{
    uint32_t number = 0;

    switch (l->field) {
    case FIELD_SOURCE:
    case FIELD_DESTINATION:
        match_address(r, l, value, on);
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
        fw_match_all(json_is_string(value) && nft_is(json_string_value(value), "lo") ? MATCH_NO : MATCH_MAYBE, on);
        return;
    case FIELD_META_MARK:
    case FIELD_CT_MARK:
    case FIELD_UNKNOWN:
        break;
    }
    fw_match_all(MATCH_MAYBE, on);
}

/* The elements of "@name" in the present table; NULL: filled by packets, or not there. */
json_t *nft_elements(const struct nft_reader *r, const char *name)
{
    json_t *object;

    for (size_t i = 0; (object = json_array_get(r->all, i)) != NULL; i++) {
        json_t *set = json_object_get(object, "set");
        if (set != NULL && nft_is(nft_string(set, "name"), name) && nft_is(nft_string(set, "table"), r->table) &&
            nft_is(nft_string(set, "family"), r->family))
            return json_object_get(set, "elem");
    }
    return NULL;
}

static void match_values(const struct nft_reader *r, const struct nft_left *l, json_t *right, bool in,
                         enum match on[PROBES])
{
    const char *name = json_string_value(right);
    json_t *list = name != NULL && name[0] == '@' ? nft_elements(r, name + 1) : json_object_get(right, "set");
    bool flags = l->field == FIELD_FLAGS;
    enum match one[PROBES];
    json_t *value;

    if (list == NULL && in && !flags && json_is_array(right))
        list = right; /* ct state: any of them */
    if (list == NULL) {
        if (name != NULL && name[0] == '@')
            fw_match_all(MATCH_MAYBE, on);
        else
            nft_match_one(r, l, right, in && flags, on);
        return;
    }
    fw_match_all(MATCH_NO, on);
    for (size_t i = 0; (value = json_array_get(list, i)) != NULL; i++) {
        json_t *elem = json_object_get(value, "elem"); /* with a comment or a timeout */
        nft_match_one(r, l, elem != NULL ? json_object_get(elem, "val") : value, false, one);
        fw_match_or(on, one);
    }
}

void nft_read_match(const struct nft_reader *r, json_t *match, struct fw_rule *rule)
{
    json_t *right = json_object_get(match, "right"), *expr = json_object_get(match, "left");
    const char *op = nft_string(match, "op");
    struct nft_left l = nft_left_of(expr);
    bool negated = nft_is(op, "!=");
    enum match on[PROBES];

    if (!negated && !nft_is(op, "==") && !nft_is(op, "in")) {
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
    if (nft_is_mark(&l) && json_is_integer(right)) {
        fw_rule_test(rule, (struct fw_mark_test){.ct = l.field == FIELD_CT_MARK,
                                                 .negated = negated,
                                                 .mask = l.mask,
                                                 .value = (uint32_t)json_integer_value(right)});
        return;
    }
    match_values(r, &l, right, nft_is(op, "in"), on);
    fw_rule_match(rule, on, negated);
}
