/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The nftables form. nft doesn't list rules as they were written, so what was printed can't be compared line by line.
 * Instead: the chain made_from says from which text the table was loaded; and whether somebody has changed it since is
 * told by what the rules of each chain do, one after the other, and by the addresses and ports that they list. (That
 * all their matches are right is for the walk to find out.)
 */
#include "rules/firewall_findings.h"
#include "rules/firewall_nft.h"

#include <stdio.h>
#include <stdlib.h>

/* Addresses (the first ones of networks) or ports (as addresses ::N). */
struct list {
    struct ip_addr *at;
    size_t count, room;
    bool failed; /* out of memory */
};

static void list_add(struct list *l, const struct ip_addr *a)
{
    if (l->count == l->room) {
        size_t room = l->room > 0 ? 2 * l->room : 16;
        struct ip_addr *more = realloc(l->at, room * sizeof(*more));
        l->failed = l->failed || more == NULL;
        if (more == NULL)
            return;
        l->at = more;
        l->room = room;
    }
    l->at[l->count++] = *a;
}

static void list_add_port(struct list *l, unsigned long port)
{
    list_add(l, &(struct ip_addr){.family = 6, .at[14] = (uint8_t)(port >> 8), .at[15] = (uint8_t)port});
}

static int by_address(const void *left, const void *right)
{
    const struct ip_addr *a = left, *b = right;

    return memcmp(a->at, b->at, sizeof(a->at));
}

/* The same, in whatever order? */
static bool list_same(struct list *a, struct list *b)
{
    if (a->failed || b->failed || a->count != b->count)
        return false;
    if (a->count > 0) {
        qsort(a->at, a->count, sizeof(*a->at), by_address);
        qsort(b->at, b->count, sizeof(*b->at), by_address);
    }
    for (size_t i = 0; i < a->count; i++)
        if (!ip_addr_equal(&a->at[i], &b->at[i]))
            return false;
    return true;
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

/* The next rule of a chain: its line is neither a comment nor the hook. NULL: no more. */
static const char *printed_rule(const char **at, const char *end)
{
    while (*at < end) {
        const char *line = *at + strspn(*at, "\t");
        *at = line + strcspn(line, "\n") + 1;
        if (*line != '#' && strncmp(line, "type ", 5) != 0)
            return line;
    }
    return NULL;
}

/* The text of one table: as a string of its own, or NULL. */
static char *table_text(const char *printed, const char *family)
{
    char head[64];

    snprintf(head, sizeof(head), "\ntable %s rcptwall {\n", family);
    const char *at = strstr(printed, head), *end = at != NULL ? strstr(at, "\n}\n") : NULL;
    return end != NULL ? strndup(at, (size_t)(end - at) + 1) : NULL;
}

/* What stands in "define NAME = { 192.0.2.25,\n 192.0.2.26 }", of a name with that many bytes. */
static void printed_list(const char *table, const char *name, size_t len, struct list *out)
{
    char head[128];
    struct ip_addr low, high;

    snprintf(head, sizeof(head), "\tdefine %.*s = {", (int)len, name);
    const char *at = strstr(table, head);
    for (at = at != NULL ? at + strlen(head) : ""; *at != '\0' && *at != '}';) {
        char word[80];
        at += strspn(at, " ,\n\t");
        size_t n = strcspn(at, " ,\n\t}");
        snprintf(word, sizeof(word), "%.*s", (int)n, at);
        if (strspn(word, "0123456789") == n && n > 0)
            list_add_port(out, strtoul(word, NULL, 10));
        else if (n > 0 && fw_network_range(word, &low, &high))
            list_add(out, &low);
        at += n;
    }
}

/* ---- what is loaded ---- */

static bool ours(json_t *object, const char *family)
{
    return object != NULL && nft_is(nft_string(object, "family"), family) &&
           nft_is(nft_string(object, "table"), "rcptwall");
}

static void loaded_value(json_t *value, struct list *out)
{
    json_t *elem = json_object_get(value, "elem");
    struct ip_addr low, high;

    if (elem != NULL)
        value = json_object_get(elem, "val");
    if (json_is_integer(value))
        list_add_port(out, (unsigned long)json_integer_value(value));
    else if (nft_address_range(value, &low, &high))
        list_add(out, &low);
}

/* What a match compares addresses or ports with. false: it doesn't, or with a set that has a name. */
static bool loaded_list(json_t *match, struct list *out)
{
    json_t *right = json_object_get(match, "right"), *set = json_object_get(right, "set"), *value;
    const char *text = json_string_value(right);

    switch (nft_left_of(json_object_get(match, "left")).field) {
    case FIELD_SOURCE:
    case FIELD_DESTINATION:
    case FIELD_SOURCE_PORT:
    case FIELD_DESTINATION_PORT:
        break;
    case FIELD_PROTOCOL:
    case FIELD_FAMILY:
    case FIELD_STATE:
    case FIELD_FLAGS:
    case FIELD_INTERFACE:
    case FIELD_META_MARK:
    case FIELD_CT_MARK:
    case FIELD_UNKNOWN:
        return false;
    }
    if (text != NULL && text[0] == '@')
        return false;
    for (size_t i = 0; (value = json_array_get(set, i)) != NULL; i++)
        loaded_value(value, out);
    if (set == NULL)
        loaded_value(right, out);
    return true;
}

/* The next list that a rule has been loaded with; false: no more. */
static bool next_list(json_t *rule, size_t *statement, struct list *out)
{
    json_t *one, *expr = json_object_get(rule, "expr");

    while ((one = json_array_get(expr, (*statement)++)) != NULL) {
        json_t *match = json_object_get(one, "match");
        if (match != NULL && loaded_list(match, out))
            return true;
    }
    return false;
}

/* Are the lists that a line has ("$servers4") what the rule has in their places? */
static bool lists_differ(const char *table, const char *line, json_t *rule)
{
    const char *end = line + strcspn(line, "\n");
    size_t statement = 0;
    bool differ = false;

    for (;;) {
        struct list wanted = {.count = 0}, got = {.count = 0};
        line = line < end ? memchr(line, '$', (size_t)(end - line)) : NULL;
        bool more = next_list(rule, &statement, &got);
        if (line != NULL) {
            line++;
            size_t len = strcspn(line, " \n");
            printed_list(table, line, len, &wanted);
        }
        differ = differ || (line != NULL) != more || !list_same(&wanted, &got);
        free(wanted.at);
        free(got.at);
        if (line == NULL || !more)
            return differ;
    }
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

/* text: the rules that were printed for it, up to end. */
static bool chain_differs(json_t *all, const char *family, const char *chain, const char *table, const char *text,
                          const char *end)
{
    char wanted[DEED], got[DEED];
    json_t *object;

    for (size_t i = 0; (object = json_array_get(all, i)) != NULL; i++) {
        json_t *rule = json_object_get(object, "rule");
        if (!ours(rule, family) || !nft_is(nft_string(rule, "chain"), chain))
            continue;
        const char *line = printed_rule(&text, end);
        if (line == NULL)
            return true;
        printed_deed(line, line + strcspn(line, "\n"), wanted);
        loaded_deed(rule, got);
        if (!nft_is(wanted, got) || lists_differ(table, line, rule))
            return true;
    }
    return printed_rule(&text, end) != NULL;
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
        json_t *chain = json_object_get(object, "chain");
        const char *name = nft_string(chain, "name");
        size_t len = 0;
        if (!ours(chain, family))
            continue;
        const char *text = block_of(table, "chain", name, &len);
        if (text == NULL || chain_differs(all, family, name, table, text, text + len)) {
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
