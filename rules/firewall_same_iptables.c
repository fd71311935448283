/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The iptables form: every line of ours is compared, once both sides write the same thing in the same way. */
#include "rules/firewall_findings.h"

#include <stdio.h>
#include <stdlib.h>

#define LINE_MAX_HERE 2048

/* One side: the lines of ours in one table, in order, and the jumps to them. */
struct side {
    const char *at; /* the next line */
    const char *end;
};

/* The next line without its end; false: there is none. One that is too long is cut: nothing of ours is so long. */
static bool next_line(struct side *s, char line[static LINE_MAX_HERE])
{
    if (s->at >= s->end)
        return false;
    size_t len = strcspn(s->at, "\n"), kept = len < LINE_MAX_HERE ? len : LINE_MAX_HERE - 1;
    if (s->at + len > s->end)
        len = kept = (size_t)(s->end - s->at);
    memcpy(line, s->at, kept);
    line[kept] = '\0';
    s->at += len + 1;
    return true;
}

/* Numbers without leading zeros and in one base, addresses without the prefix of a host. */
static void plain_word(const char *word, char *out, size_t room)
{
    char *rest, *behind = NULL;
    unsigned long a = strtoul(word, &rest, 0), b = 0;
    size_t len = strlen(word);

    if (rest > word && *rest == '/' && strchr(word, '.') == NULL)
        b = strtoul(rest + 1, &behind, 0);
    if (rest > word && *rest == '\0')
        snprintf(out, room, "%lx", a);
    else if (behind != NULL && behind > rest + 1 && *behind == '\0')
        snprintf(out, room, "%lx/%lx", a, b);
    else if (len > 3 && strchr(word, '.') != NULL && strcmp(word + len - 3, "/32") == 0)
        snprintf(out, room, "%.*s", (int)(len - 3), word);
    else if (len > 4 && strchr(word, ':') != NULL && strcmp(word + len - 4, "/128") == 0)
        snprintf(out, room, "%.*s", (int)(len - 4), word);
    else
        snprintf(out, room, "%s", word);
}

/* "-A CHAIN ..." as both sides would write it: iptables-save adds -m tcp, and leaves out what matches everything. */
static void plain_rule(char *line, char out[static LINE_MAX_HERE])
{
    char *rest = NULL, *held = NULL, one[LINE_MAX_HERE];
    size_t used = 0;

    out[0] = '\0';
    for (char *word = strtok_r(line, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest)) {
        bool opens = strcmp(word, "-m") == 0 || strcmp(word, "-s") == 0 || strcmp(word, "-d") == 0;
        if (opens) { /* what follows says whether it counts */
            held = word;
            continue;
        }
        bool idle =
            held != NULL && (strcmp(word, "tcp") == 0 || strcmp(word, "0.0.0.0/0") == 0 || strcmp(word, "::/0") == 0);
        if (!idle) {
            plain_word(word, one, sizeof(one));
            int n = snprintf(out + used, LINE_MAX_HERE - used, "%s%s%s ", held != NULL ? held : "",
                             held != NULL ? " " : "", one);
            used += n > 0 && (size_t)n < LINE_MAX_HERE - used ? (size_t)n : 0;
        }
        held = NULL;
    }
}

static bool begins(const char *line, const char *with)
{
    return strncmp(line, with, strlen(with)) == 0;
}

/* The part that goes to one program: its here-document. NULL: not there. */
static struct side document_of(const char *printed, uint8_t family)
{
    const char *start = strstr(printed, family == 4 ? "\n\"$IPTABLES-restore\"" : "\n\"$IP6TABLES-restore\"");
    const char *end = start != NULL ? strstr(start, "\nEOF\n") : NULL;

    return (struct side){end != NULL ? start + 1 : NULL, end};
}

/* On to the lines of one table. */
static struct side table_of(struct side s, const char *name)
{
    char line[LINE_MAX_HERE];
    const char *from = NULL;

    while (next_line(&s, line)) {
        if (line[0] == '*' && strcmp(line + 1, name) == 0)
            from = s.at;
        if (from != NULL && strcmp(line, "COMMIT") == 0)
            return (struct side){from, s.at};
    }
    return (struct side){NULL, NULL};
}

/* The next rule in this chain of ours, in plain words; false: no more. A match with BPF not every kernel can load. */
static bool next_rule(struct side *s, const char *chain, char out[static LINE_MAX_HERE])
{
    char line[LINE_MAX_HERE], start[64];

    snprintf(start, sizeof(start), "-A %s ", chain);
    while (next_line(s, line)) {
        if (!begins(line, start) || strstr(line, "--bytecode") != NULL)
            continue;
        plain_rule(line, out);
        return true;
    }
    return false;
}

static bool same_chain(struct side printed, struct side saved, const char *chain)
{
    char a[LINE_MAX_HERE], b[LINE_MAX_HERE];

    for (;;) {
        bool one = next_rule(&printed, chain, a), other = next_rule(&saved, chain, b);
        if (one != other || (one && strcmp(a, b) != 0))
            return false;
        if (!one)
            return true;
    }
}

static bool has_line(struct side s, const char *wanted)
{
    char line[LINE_MAX_HERE];

    while (next_line(&s, line))
        if (strcmp(line, wanted) == 0)
            return true;
    return false;
}

/* A jump from one chain to the other, whatever else it says. */
static bool leads_to(struct side s, const char *from, const char *to)
{
    char line[LINE_MAX_HERE], start[64], end[64];

    snprintf(start, sizeof(start), "-A %s ", from);
    snprintf(end, sizeof(end), " -j %s", to);
    while (next_line(&s, line)) {
        size_t len = strlen(line), behind = strlen(end);
        if (begins(line, start) && len >= behind && strcmp(line + len - behind, end) == 0)
            return true;
    }
    return false;
}

/* What comes before "name" in ":name - [0:0]" is ours. */
static bool chain_name(const char *line, char name[static 64])
{
    if (line[0] != ':' || !begins(line + 1, "RCPTWALL-"))
        return false;
    snprintf(name, 64, "%.*s", (int)strcspn(line + 1, " "), line + 1);
    return true;
}

struct differing {
    char names[256]; /* "mangle RCPTWALL-CLIENT, filter RCPTWALL-CONDEMNED" */
    size_t used;
};

static void add(struct differing *d, const char *table, const char *chain)
{
    int n = snprintf(d->names + d->used, sizeof(d->names) - d->used, "%s%s %s", d->used > 0 ? ", " : "", table, chain);

    if (n > 0 && (size_t)n < sizeof(d->names) - d->used)
        d->used += (size_t)n;
    else
        d->names[d->used] = '\0';
}

/* Chains of this table on either side. */
static void compare_chains(const char *table, struct side printed, struct side saved, struct differing *d)
{
    struct side all = printed;
    char line[LINE_MAX_HERE], chain[64], colon[80];

    while (next_line(&all, line))
        if (chain_name(line, chain) && !same_chain(printed, saved, chain))
            add(d, table, chain);
    all = saved;
    while (next_line(&all, line)) {
        if (!chain_name(line, chain))
            continue;
        snprintf(colon, sizeof(colon), ":%s - [0:0]", chain);
        if (!has_line(printed, colon))
            add(d, table, chain);
    }
}

/* "-I FORWARD 1 -j RCPTWALL-TAG" of the one is "-A FORWARD -j RCPTWALL-TAG" of the other. */
static void compare_jumps(struct findings *f, const char *program, const char *table, struct side printed,
                          struct side saved, struct differing *d)
{
    char line[LINE_MAX_HERE], from[32], to[40], wanted[96];
    struct side all = printed;

    while (next_line(&all, line)) {
        if (sscanf(line, "-I %31s 1 -j %39s", from, to) != 2)
            continue;
        if (!leads_to(saved, from, to))
            fw_find(f, "the jump from %s to %s is missing in %s's table %s: load what `rcptwall rules` prints", from,
                    to, program, table);
    }
    all = saved;
    while (next_line(&all, line)) {
        if (sscanf(line, "-A %31s -j %39s", from, to) != 2 || !begins(to, "RCPTWALL-") || begins(from, "RCPTWALL-"))
            continue;
        snprintf(wanted, sizeof(wanted), "-I %s 1 -j %s", from, to);
        if (!has_line(printed, wanted))
            add(d, table, from);
    }
}

void firewall_same_iptables(struct findings *f, const char *printed, const char *save, uint8_t family)
{
    static const char *const tables[] = {"mangle", "filter", "security"};
    const char *program = family == 4 ? "iptables" : "ip6tables";
    struct side document = document_of(printed, family), all = {save, save + strlen(save)};
    struct differing d = {.used = 0};

    if (document.at == NULL || strstr(save, "\n:RCPTWALL-") == NULL) /* none of ours */
        return;
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
        struct side ours = table_of(document, tables[i]), theirs = table_of(all, tables[i]);
        compare_chains(tables[i], ours, theirs, &d);
        compare_jumps(f, program, tables[i], ours, theirs, &d);
    }
    if (d.used > 0)
        fw_find(f,
                "%s: not as `rcptwall rules` prints them for this configuration: %s. The configuration was changed, or "
                "they were: load them again",
                program, d.names);
}
