/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The nftables form. nft doesn't list rules as they were written, so what was printed can't be compared line by line.
 * Instead: the chain made_from says from which text the table was loaded; and whether somebody has changed it since is
 * told by the elements of sets, and by what the rules of each chain do, one after the other. (That their matches are
 * right is for the walk to find out.)
 */
#include "rules/firewall_findings.h"
#include "rules/firewall_nft.h"

#include <stdio.h>
#include <stdlib.h>

struct range {
    struct ip_addr low, high;
};

struct ranges {
    struct range *list;
    size_t count, room;
    bool failed; /* out of memory */
};

static void add_range(struct ranges *r, const struct ip_addr *low, const struct ip_addr *high)
{
    if (r->count == r->room) {
        size_t room = r->room > 0 ? 2 * r->room : 16;
        struct range *more = realloc(r->list, room * sizeof(*more));
        r->failed = r->failed || more == NULL;
        if (more == NULL)
            return;
        r->list = more;
        r->room = room;
    }
    r->list[r->count++] = (struct range){*low, *high};
}

static int by_address(const void *left, const void *right)
{
    const struct range *a = left, *b = right;

    return memcmp(a->low.at, b->low.at, sizeof(a->low.at));
}

/* Is b the address behind a? */
static bool follows(const struct ip_addr *a, const struct ip_addr *b)
{
    struct ip_addr next = *a;
    size_t len = a->family == 4 ? 4 : 16;

    while (len > 0 && ++next.at[len - 1] == 0)
        len--;
    return len > 0 && memcmp(next.at, b->at, sizeof(next.at)) == 0;
}

/* Sorted, and neighbours made one: nft may list them either way. */
static void join(struct ranges *r)
{
    size_t kept = 0;

    if (r->count > 1)
        qsort(r->list, r->count, sizeof(*r->list), by_address);
    for (size_t i = 0; i < r->count; i++) {
        struct range *last = kept > 0 ? &r->list[kept - 1] : NULL;
        if (last == NULL || (memcmp(r->list[i].low.at, last->high.at, sizeof(last->high.at)) > 0 &&
                             !follows(&last->high, &r->list[i].low)))
            r->list[kept++] = r->list[i];
        else if (memcmp(r->list[i].high.at, last->high.at, sizeof(last->high.at)) > 0)
            last->high = r->list[i].high;
    }
    r->count = kept;
}

/* ---- what was printed ---- */

/* The block "\tKIND NAME {" of a table's text, up to its end. */
static const char *block_of(const char *table, const char *kind, const char *name, size_t *len)
{
    char head[128];

    snprintf(head, sizeof(head), "\n\t%s %s {\n", kind, name);
    const char *at = strstr(table, head), *end = at != NULL ? strstr(at + 1, "\n\t}\n") : NULL;
    if (end == NULL)
        return NULL;
    at += strlen(head);
    *len = end + 1 > at ? (size_t)(end + 1 - at) : 0;
    return at;
}

/* What a rule does, in words that both sides have: "goto judge", "mark set", "drop". */
#define DEED 96
static const char *const deeds[] = {"vmap",   "goto",   "jump", "queue",  "mark set",
                                    "update", "reject", "drop", "accept", "return"};
#define DEEDS (sizeof(deeds) / sizeof(deeds[0]))

/* One word (or two) of a line, with nothing but blanks around it; NULL: not there. */
static const char *word_in(const char *line, const char *end, const char *word)
{
    size_t len = strlen(word);

    for (const char *at = line; at + len <= end; at++)
        if (memcmp(at, word, len) == 0 && (at == line || at[-1] == ' ' || at[-1] == '\t') &&
            (at + len == end || at[len] == ' '))
            return at;
    return NULL;
}

static void printed_deed(const char *line, const char *end, char out[static DEED])
{
    const char *comment = word_in(line, end, "comment");
    const char *limit = comment != NULL ? comment : end;

    out[0] = '\0';
    for (size_t i = 0; i < DEEDS; i++) {
        const char *at = word_in(line, limit, deeds[i]);
        if (at == NULL)
            continue;
        bool leads = strcmp(deeds[i], "goto") == 0 || strcmp(deeds[i], "jump") == 0;
        snprintf(out, DEED, "%.*s", leads ? (int)(end - at) : (int)strlen(deeds[i]), at);
        return;
    }
}

/* The next rule of a chain: its line is neither a comment nor the hook. false: no more. */
static bool printed_rule(const char **at, const char *end, char deed[static DEED])
{
    while (*at < end) {
        const char *line = *at + strspn(*at, "\t"), *stop = line + strcspn(line, "\n");
        *at = stop + 1;
        if (*line == '#' || strncmp(line, "type ", 5) == 0)
            continue;
        printed_deed(line, stop, deed);
        return true;
    }
    return false;
}

/* The text of one table: as a string of its own, or NULL. */
static char *table_text(const char *printed, const char *family)
{
    char head[64];

    snprintf(head, sizeof(head), "\ntable %s rcptwall {\n", family);
    const char *at = strstr(printed, head), *end = at != NULL ? strstr(at, "\n}\n") : NULL;
    return end != NULL ? strndup(at, (size_t)(end - at) + 1) : NULL;
}

/* "elements = { 192.0.2.0/24,\n 192.0.2.25 }" */
static void printed_ranges(const char *text, size_t len, struct ranges *out)
{
    const char *at = memchr(text, '{', len), *end = at != NULL ? memchr(at, '}', len - (size_t)(at - text)) : NULL;
    struct ip_addr low, high;
    char word[80];

    for (at = at != NULL ? at + 1 : NULL; at != NULL && at < end;) {
        at += strspn(at, " ,\n\t");
        size_t n = strcspn(at, " ,\n\t}");
        snprintf(word, sizeof(word), "%.*s", (int)n, at);
        if (n > 0 && fw_network_range(word, &low, &high))
            add_range(out, &low, &high);
        at += n > 0 ? n : 1;
    }
}

/* ---- what is loaded ---- */

static bool ours(json_t *object, const char *family)
{
    return object != NULL && nft_is(nft_string(object, "family"), family) &&
           nft_is(nft_string(object, "table"), "rcptwall");
}

static void loaded_ranges(json_t *elements, struct ranges *out)
{
    struct ip_addr low, high;
    json_t *value;

    for (size_t i = 0; (value = json_array_get(elements, i)) != NULL; i++) {
        json_t *elem = json_object_get(value, "elem");
        if (nft_address_range(elem != NULL ? json_object_get(elem, "val") : value, &low, &high))
            add_range(out, &low, &high);
    }
}

/* Ports, as ranges of addresses ::N. */
static void port_ranges(json_t *elements, struct ranges *out)
{
    json_t *value;

    for (size_t i = 0; (value = json_array_get(elements, i)) != NULL; i++) {
        json_t *range = json_object_get(value, "range");
        json_t *first = range != NULL ? json_array_get(range, 0) : value;
        json_t *last = range != NULL ? json_array_get(range, 1) : value;
        struct ip_addr low = {.family = 6}, high = {.family = 6};
        low.at[14] = (uint8_t)(json_integer_value(first) >> 8);
        low.at[15] = (uint8_t)json_integer_value(first);
        high.at[14] = (uint8_t)(json_integer_value(last) >> 8);
        high.at[15] = (uint8_t)json_integer_value(last);
        add_range(out, &low, &high);
    }
}

static void printed_ports(const char *text, size_t len, struct ranges *out)
{
    const char *at = memchr(text, '{', len);

    while (at != NULL && *at != '}' && at < text + len) {
        char *rest;
        at += strcspn(at, "0123456789}");
        unsigned long port = strtoul(at, &rest, 10);
        struct ip_addr a = {.family = 6};
        a.at[14] = (uint8_t)(port >> 8);
        a.at[15] = (uint8_t)port;
        if (rest > at)
            add_range(out, &a, &a);
        at = rest;
    }
}

/* Those of the configuration; who is banned, and the lengths of bare ACKs (which nft 1.0.6 lists wrongly), are not. */
static bool set_differs(const char *table, json_t *set)
{
    struct ranges wanted = {.count = 0}, got = {.count = 0};
    const char *name = nft_string(set, "name");
    size_t len = 0;
    const char *text = block_of(table, "set", name, &len);

    if (text == NULL)
        return true;
    if (strncmp(name, "banned", 6) == 0 || strncmp(name, "empty", 5) == 0)
        return false;
    bool ports = nft_is(name, "ports");
    (ports ? printed_ports : printed_ranges)(text, len, &wanted);
    (ports ? port_ranges : loaded_ranges)(json_object_get(set, "elem"), &got);
    join(&wanted);
    join(&got);
    bool differs = wanted.failed || got.failed || wanted.count != got.count;
    for (size_t i = 0; !differs && i < got.count; i++)
        differs = memcmp(&wanted.list[i], &got.list[i], sizeof(got.list[i])) != 0;
    free(wanted.list);
    free(got.list);
    return differs;
}

static void loaded_deed(json_t *rule, char out[static DEED])
{
    static const char *const keys[DEEDS] = {"vmap", "goto",   "jump", "queue",  "mangle", /* as in deeds */
                                            "set",  "reject", "drop", "accept", "return"};
    json_t *statement, *expr = json_object_get(rule, "expr");

    out[0] = '\0';
    for (size_t i = 0; i < DEEDS; i++)
        for (size_t k = 0; (statement = json_array_get(expr, k)) != NULL; k++) {
            json_t *body = json_object_get(statement, keys[i]);
            const char *target = nft_string(body, "target");
            if (body == NULL)
                continue;
            snprintf(out, DEED, "%s%s%s", deeds[i], target[0] != '\0' ? " " : "", target);
            return;
        }
}

/* text: the rules that were printed for it. */
static bool chain_differs(json_t *all, const char *family, const char *chain, const char *text, const char *end)
{
    char wanted[DEED], got[DEED];
    json_t *object;

    for (size_t i = 0; (object = json_array_get(all, i)) != NULL; i++) {
        json_t *rule = json_object_get(object, "rule");
        if (!ours(rule, family) || !nft_is(nft_string(rule, "chain"), chain))
            continue;
        loaded_deed(rule, got);
        if (!printed_rule(&text, end, wanted) || !nft_is(wanted, got))
            return true;
    }
    return printed_rule(&text, end, wanted);
}

/* How many chains (or sets) the table has, printed and loaded. */
static size_t printed_blocks(const char *table, const char *kind)
{
    char head[32];
    size_t count = 0;

    snprintf(head, sizeof(head), "\n\t%s ", kind);
    for (const char *at = strstr(table, head); at != NULL; at = strstr(at + 1, head))
        count++;
    return count;
}

static size_t loaded_blocks(json_t *all, const char *family, const char *kind)
{
    json_t *object;
    size_t count = 0;

    for (size_t i = 0; (object = json_array_get(all, i)) != NULL; i++)
        count += ours(json_object_get(object, kind), family) ? 1 : 0;
    return count;
}

/* The first thing in the table that isn't as it was loaded, into what; false: nothing. */
static bool changed_since(json_t *all, const char *family, const char *table, char *what, size_t room)
{
    json_t *object;

    for (int k = 0; k < 2; k++) {
        const char *kind = k == 0 ? "chain" : "set";
        snprintf(what, room, "a %s is missing, or too many", kind);
        if (printed_blocks(table, kind) != loaded_blocks(all, family, kind))
            return true;
    }
    for (size_t i = 0; (object = json_array_get(all, i)) != NULL; i++) {
        json_t *chain = json_object_get(object, "chain"), *set = json_object_get(object, "set");
        const char *name = nft_string(chain, "name");
        size_t len = 0;
        if (ours(set, family) && set_differs(table, set)) {
            snprintf(what, room, "set %s", nft_string(set, "name"));
            return true;
        }
        if (!ours(chain, family))
            continue;
        const char *text = block_of(table, "chain", name, &len);
        if (text == NULL || chain_differs(all, family, name, text, text + len)) {
            snprintf(what, room, "chain %s", name);
            return true;
        }
    }
    return false;
}

/* The comment of the only rule of made_from; "": there is none. */
static const char *loaded_from(json_t *all, const char *family)
{
    json_t *object;

    for (size_t i = 0; (object = json_array_get(all, i)) != NULL; i++) {
        json_t *rule = json_object_get(object, "rule");
        if (ours(rule, family) && nft_is(nft_string(rule, "chain"), "made_from"))
            return nft_string(rule, "comment");
    }
    return "";
}

static bool is_loaded(json_t *all, const char *family)
{
    json_t *object;

    for (size_t i = 0; (object = json_array_get(all, i)) != NULL; i++) {
        json_t *table = json_object_get(object, "table");
        if (table != NULL && nft_is(nft_string(table, "family"), family) &&
            nft_is(nft_string(table, "name"), "rcptwall"))
            return true;
    }
    return false;
}

static void compare_table(struct findings *f, json_t *all, const char *family, const char *printed)
{
    char what[96], mark[64];

    char *table = table_text(printed, family);
    if (table == NULL) {
        fw_find(f, "table %s rcptwall is left from another configuration: nft delete table %s rcptwall", family,
                family);
        return;
    }
    snprintf(mark, sizeof(mark), "return comment \"%.20s\"\n", loaded_from(all, family));
    if (strstr(table, mark) == NULL)
        fw_find(f,
                "table %s rcptwall was made from another configuration, or by another version: load what `rcptwall "
                "rules` prints now",
                family);
    else if (changed_since(all, family, table, what, sizeof(what)))
        fw_find(f, "table %s rcptwall was changed after it was loaded: %s. Load what `rcptwall rules` prints", family,
                what);
    free(table);
}

bool firewall_same_nft(struct findings *f, const char *printed, const char *json)
{
    static const char *const families[] = {"inet", "bridge"};
    json_t *root = json_loads(json, 0, NULL), *all = json_object_get(root, "nftables");
    bool any = false;

    for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
        if (!is_loaded(all, families[i])) /* where it should be, the walk says what is missing */
            continue;
        any = true;
        compare_table(f, all, families[i], printed);
    }
    json_decref(root);
    return any;
}
