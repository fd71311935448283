/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads what iptables-save and ip6tables-save print. An option that isn't known here makes a rule one that may match.
 */
#include "rules/firewall_internal.h"

#include <stdio.h>
#include <stdlib.h>

#define WORDS_MAX 128

struct line {
    char *words[WORDS_MAX];
    size_t count;
};

/* Splits at blanks, in place; "..." holds a word together. */
static void split(char *text, struct line *out)
{
    out->count = 0;
    while (*text != '\0' && out->count < WORDS_MAX) {
        text += strspn(text, " \t");
        if (*text == '\0')
            return;
        bool quoted = *text == '"';
        text += quoted ? 1 : 0;
        size_t len = strcspn(text, quoted ? "\"" : " \t");
        bool last = text[len] == '\0';
        out->words[out->count++] = text;
        text[len] = '\0';
        text += len + (last ? 0 : 1);
    }
}

struct reader {
    struct firewall *firewall;
    const char *program; /* for messages, and as part of a table's name */
    char table[72];
};

/* One option of a rule and what follows it. */
struct option {
    const char *name, *value;
    bool negated;
};

static void match_addresses(const struct reader *r, const struct option *o, struct fw_rule *rule)
{
    enum match on[PROBES];
    struct ip_addr low, high;

    fw_match_all(MATCH_MAYBE, on);
    if (fw_network_range(o->value, &low, &high))
        fw_match_address(r->firewall, strcmp(o->name, "-s") == 0, &low, &high, on);
    fw_rule_match(rule, on, o->negated);
}

/* "25", "25,587", "1000:2000" */
static void match_ports(const struct reader *r, const struct option *o, struct fw_rule *rule)
{
    bool both = strcmp(o->name, "--ports") == 0, source = strncmp(o->name, "--s", 3) == 0;
    enum match on[PROBES], one[PROBES];
    const char *at = o->value;

    fw_match_all(MATCH_NO, on);
    while (*at >= '0' && *at <= '9') {
        char *rest;
        unsigned long low = strtoul(at, &rest, 10), high = low;
        if (*rest == ':')
            high = rest[1] >= '0' && rest[1] <= '9' ? strtoul(rest + 1, &rest, 10) : UINT16_MAX;
        fw_match_port(r->firewall, source, (uint32_t)low, (uint32_t)high, one);
        fw_match_or(on, one);
        if (both) {
            fw_match_port(r->firewall, true, (uint32_t)low, (uint32_t)high, one);
            fw_match_or(on, one);
        }
        at = rest + (*rest == ',' ? 1 : 0);
    }
    if (*at != '\0')
        fw_match_all(MATCH_MAYBE, on);
    fw_rule_match(rule, on, o->negated);
}

static uint8_t flags_of(const char *list)
{
    static const char *const names[] = {"FIN", "SYN", "RST", "PSH", "ACK", "URG"};
    uint8_t flags = 0;

    if (strcmp(list, "ALL") == 0)
        return 0x3f;
    for (unsigned i = 0; i < 6; i++)
        if (strstr(list, names[i]) != NULL)
            flags = (uint8_t)(flags | 1U << i);
    return flags;
}

static void match_states(const struct option *o, struct fw_rule *rule)
{
    enum match on[PROBES], one[PROBES];
    char list[128], *rest = NULL;

    snprintf(list, sizeof(list), "%s", o->value);
    fw_match_all(MATCH_NO, on);
    for (char *word = strtok_r(list, ",", &rest); word != NULL; word = strtok_r(NULL, ",", &rest)) {
        fw_match_state(word, one);
        fw_match_or(on, one);
    }
    fw_rule_match(rule, on, o->negated);
}

/* "0x1/0xff"; without a mask all bits. */
static void read_mark(const char *text, uint32_t *value, uint32_t *mask)
{
    char *rest;

    *value = (uint32_t)strtoul(text, &rest, 0);
    *mask = *rest == '/' ? (uint32_t)strtoul(rest + 1, NULL, 0) : UINT32_MAX;
}

static void match_plain(const struct option *o, enum match value, struct fw_rule *rule)
{
    enum match on[PROBES];

    fw_match_all(value, on);
    fw_rule_match(rule, on, o->negated);
}

static bool is(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

static const char *word_at(const struct line *l, size_t i)
{
    return i < l->count ? l->words[i] : "";
}

/*
 * One option from words[i] on; module: the last -m. Returns how many words it took; 0: not one for a match.
 */
static size_t read_match(const struct reader *r, const struct line *l, size_t i, const char **module,
                         struct fw_rule *rule)
{
    bool negated = is(l->words[i], "!");
    size_t first = i + (negated ? 1 : 0);
    struct option o = {word_at(l, first), word_at(l, first + 1), negated};
    enum match on[PROBES];

    if (is(o.name, "-m")) {
        *module = o.value;
    } else if (is(o.name, "-p")) {
        match_plain(&o, is(o.value, "tcp") || is(o.value, "6") ? MATCH_YES : MATCH_NO, rule);
    } else if (is(o.name, "-s") || is(o.name, "-d")) {
        match_addresses(r, &o, rule);
    } else if (is(o.name, "-i") || is(o.name, "-o")) {
        match_plain(&o, is(o.value, "lo") ? MATCH_NO : MATCH_MAYBE, rule);
    } else if (is(o.name, "--dport") || is(o.name, "--sport") || is(o.name, "--dports") || is(o.name, "--sports") ||
               is(o.name, "--ports")) {
        match_ports(r, &o, rule);
    } else if (is(o.name, "--tcp-flags")) {
        fw_match_flags(r->firewall, flags_of(o.value), flags_of(word_at(l, first + 2)), on);
        fw_rule_match(rule, on, negated);
        return first + 3 - i;
    } else if (is(o.name, "--ctstate") || is(o.name, "--state")) {
        match_states(&o, rule);
    } else if (is(o.name, "--mark") && (is(*module, "mark") || is(*module, "connmark"))) {
        struct fw_mark_test t = {.ct = is(*module, "connmark"), .negated = negated};
        read_mark(o.value, &t.value, &t.mask);
        fw_rule_test(rule, t);
    } else if (is(o.name, "--comment")) {
        return first + 2 - i;
    } else {
        return 0;
    }
    return first + 2 - i;
}

/* The value of a target's option; NULL: it isn't there. */
static const char *target_option(const struct line *l, size_t from, const char *name)
{
    for (size_t i = from; i < l->count; i++)
        if (is(l->words[i], name))
            return word_at(l, i + 1);
    return NULL;
}

/* MARK, CONNMARK */
static void read_mark_target(const struct line *l, size_t from, bool ct, struct fw_rule *rule)
{
    const char *set = target_option(l, from, "--set-xmark"), *mask;
    struct fw_action *a = fw_rule_act(rule, ct ? ACT_CT_SET : ACT_META_SET);
    uint32_t bits;

    if (set == NULL)
        set = target_option(l, from, "--set-mark");
    if (set != NULL) { /* --set-xmark would flip bits of value outside mask; nobody means that */
        read_mark(set, &a->set, &bits);
        a->keep = ~(bits | a->set);
    } else if (ct &&
               (target_option(l, from, "--restore-mark") != NULL || target_option(l, from, "--save-mark") != NULL)) {
        a->act = target_option(l, from, "--restore-mark") != NULL ? ACT_META_FROM_CT : ACT_CT_FROM_META;
        mask = target_option(l, from, a->act == ACT_META_FROM_CT ? "--ctmask" : "--nfmask");
        if (mask == NULL)
            mask = target_option(l, from, "--mask");
        a->set = mask != NULL ? (uint32_t)strtoul(mask, NULL, 0) : UINT32_MAX;
    } else if ((set = target_option(l, from, "--or-mark")) != NULL) {
        a->set = (uint32_t)strtoul(set, NULL, 0);
        a->keep = ~a->set;
    } else if ((set = target_option(l, from, "--and-mark")) != NULL) {
        a->keep = (uint32_t)strtoul(set, NULL, 0);
    } else {
        a->keep = 0; /* it does something to all of it */
    }
}

static void read_queue_target(const struct line *l, size_t from, struct fw_rule *rule)
{
    const char *num = target_option(l, from, "--queue-num"), *balance = target_option(l, from, "--queue-balance");
    struct fw_action *a = fw_rule_act(rule, ACT_QUEUE);
    char *rest = NULL;

    if (balance != NULL) {
        a->first = a->last = (uint16_t)strtoul(balance, &rest, 10);
        if (*rest == ':')
            a->last = (uint16_t)strtoul(rest + 1, NULL, 10);
    } else if (num != NULL) {
        a->first = a->last = (uint16_t)strtoul(num, NULL, 10);
    }
    a->bypass = target_option(l, from, "--queue-bypass") != NULL;
    a->fanout = target_option(l, from, "--queue-cpu-fanout") != NULL;
}

/* --to-destination 192.0.2.25, 192.0.2.25:25 or [2001:db8::25]:25 */
static void read_dnat_target(const struct line *l, size_t from, struct fw_rule *rule)
{
    struct fw_action *a = fw_rule_act(rule, ACT_DNAT);
    const char *to = target_option(l, from, "--to-destination");
    bool bracket = to != NULL && *to == '[';

    if (to != NULL && (bracket || strchr(to, ':') == strrchr(to, ':')))
        snprintf(a->target, sizeof(a->target), "%.*s", (int)strcspn(to + bracket, bracket ? "]" : ":"), to + bracket);
    else if (to != NULL)
        snprintf(a->target, sizeof(a->target), "%.60s", to);
}

static void read_target(const struct line *l, size_t from, struct fw_rule *rule)
{
    const char *how = l->words[from], *name = word_at(l, from + 1);
    const char *with = target_option(l, from + 2, "--reject-with");

    if (is(name, "ACCEPT"))
        (void)fw_rule_act(rule, ACT_ACCEPT);
    else if (is(name, "DROP") || is(name, "REJECT") || is(name, "TARPIT"))
        (void)fw_rule_act(rule, with != NULL && is(with, "tcp-reset") ? ACT_RESET : ACT_DROP);
    else if (is(name, "NOTRACK") || (is(name, "CT") && target_option(l, from + 2, "--notrack") != NULL))
        (void)fw_rule_act(rule, ACT_NOTRACK);
    else if (is(name, "RETURN"))
        (void)fw_rule_act(rule, ACT_RETURN);
    else if (is(name, "MARK") || is(name, "CONNMARK"))
        read_mark_target(l, from + 2, is(name, "CONNMARK"), rule);
    else if (is(name, "NFQUEUE"))
        read_queue_target(l, from + 2, rule);
    else if (is(name, "DNAT"))
        read_dnat_target(l, from + 2, rule);
    else if (is(name, "FLOWOFFLOAD"))
        snprintf(fw_rule_act(rule, ACT_FLOW)->target, 64, "FLOWOFFLOAD");
    else /* a chain; or a target that lets the packet go on, which is a chain that isn't there */
        snprintf(fw_rule_act(rule, is(how, "-g") ? ACT_GOTO : ACT_JUMP)->target, 64, "%s", name);
}

static void read_rule(const struct reader *r, char *text)
{
    struct fw_rule rule;
    struct line l;
    const char *module = "";

    fw_rule_begin(&rule);
    snprintf(rule.shown, sizeof(rule.shown), "%s: %.100s", r->table, text);
    split(text, &l);
    struct fw_chain *chain = fw_chain_find(r->firewall, r->table, word_at(&l, 1));
    if (chain == NULL)
        return;
    for (size_t i = 2; i < l.count;) {
        if (is(l.words[i], "-j") || is(l.words[i], "-g")) {
            read_target(&l, i, &rule);
            break;
        }
        size_t took = read_match(r, &l, i, &module, &rule);
        if (took == 0)
            fw_rule_maybe(&rule);
        i += took > 0 ? took : 1;
    }
    fw_rule_add(r->firewall, chain, &rule);
}

static void read_chain(const struct reader *r, const char *table, char *text)
{
    static const struct {
        const char *name;
        enum fw_hook hook;
    } hooks[] = {{"PREROUTING", FW_PREROUTING},
                 {"INPUT", FW_INPUT},
                 {"FORWARD", FW_FORWARD},
                 {"OUTPUT", FW_OUTPUT},
                 {"POSTROUTING", FW_POSTROUTING}};
    static const struct {
        const char *name;
        int priority;
    } tables[] = {{"raw", -300}, {"mangle", -150}, {"filter", 0}, {"security", 50}};
    struct line l;

    split(text, &l);
    struct fw_chain *c = fw_chain_add(r->firewall, r->table, word_at(&l, 0));
    if (c == NULL)
        return;
    for (size_t i = 0; i < sizeof(hooks) / sizeof(hooks[0]); i++)
        if (is(c->name, hooks[i].name))
            c->hook = is(table, "nat") ? FW_ELSEWHERE : hooks[i].hook;
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
        if (is(table, tables[i].name))
            c->priority = tables[i].priority;
    c->drops = is(word_at(&l, 1), "DROP");
}

bool firewall_read_iptables(struct firewall *f, const char *text, uint8_t family)
{
    struct reader r = {.firewall = f, .program = family == 4 ? "iptables" : "ip6tables"};
    char table[32] = "", *copy = strdup(text), *rest = NULL;

    if (copy == NULL) {
        f->out_of_memory = true;
        return false;
    }
    for (char *line = strtok_r(copy, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
        if (*line == '*') {
            snprintf(table, sizeof(table), "%s", line + 1);
            snprintf(r.table, sizeof(r.table), "%s %s", r.program, table);
        } else if (*line == ':') {
            read_chain(&r, table, line + 1);
        } else if (strncmp(line, "-A ", 3) == 0) {
            read_rule(&r, line);
        } else if (*line != '#' && *line != '[' && !is(line, "COMMIT")) {
            free(copy);
            return false;
        }
    }
    free(copy);
    return true;
}
