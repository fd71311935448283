/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What real servers did (pcap-tests/oracle/), against what recipient_read says: an
 * EXTERNAL row that isn't external is a hole (missed), a LOCAL row that is external
 * blocks good mail (false). Prints a table a category.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "kmod-free/recipient.h"
#include "kmod-free/tests/support.h"

#define ORACLE    "pcap-tests/oracle/oracle.tsv"
#define LIVE      "pcap-tests/oracle/live.tsv" /* what scripts/oracle --live found; may be missing */
#define SURPRISES "pcap-tests/oracle/surprises.tsv"

#define SURPRISE_CUT 300 /* that table cuts its forms there; the oracle has them whole */

/* Rows that may go wrong, each with its reason. */
static const struct {
    const char *id, *reason;
} exceptions[] = {
    {"live-cut-1", "the dialogue cuts it"},
    {"live-cut-2", "the dialogue cuts it"},
    {"live-cut-3", "the dialogue cuts it"},
};

static struct domain_set *ours;

static int make_set(void **state)
{
    static const char *const local[] = {"local.example", "mail.local.example", "localhost", "[127.0.0.1]"};
    (void)state;
    ours = domain_set_new();
    if (ours == NULL)
        return 1;
    for (size_t i = 0; i < sizeof local / sizeof local[0]; i++)
        if (domain_set_add(ours, local[i]) != NULL)
            return 1;
    return !domain_set_seal(ours);
}

static int free_set(void **state)
{
    (void)state;
    domain_set_free(ours);
    return 0;
}

/* --- the tables' way of writing bytes --- */

struct text {
    uint8_t *at;
    size_t len, room;
};

static void add(struct text *t, uint8_t c)
{
    if (t->len == t->room) {
        t->room = t->room * 2 + 256;
        t->at = realloc(t->at, t->room);
        assert_non_null(t->at);
    }
    t->at[t->len++] = c;
}

/* One byte, perhaps escaped; *in moves behind it. */
static uint8_t take(const char **in)
{
    const char *p = *in;
    *in = p + 1;
    if (*p != '\\')
        return (uint8_t)*p;
    *in = p + 2;
    switch (p[1]) {
    case 'r':
        return '\r';
    case 'n':
        return '\n';
    case 't':
        return '\t';
    case 'x':
        *in = p + 4;
        return (uint8_t)strtoul((char[]){p[2], p[3], '\0'}, NULL, 16);
    default:
        return (uint8_t)p[1];
    }
}

static struct text unescape(const char *raw)
{
    struct text t = {0};
    while (*raw != '\0') {
        if (strncmp(raw, " | ", 3) == 0) {
            raw += 3;
        } else if (strcmp(raw, " (byte by byte)") == 0) {
            break;
        } else if (*raw == '{') {
            raw++;
            uint8_t c = take(&raw);
            char *end;
            for (unsigned long n = strtoul(raw + 1, &end, 10); n > 0; n--)
                add(&t, c);
            raw = end + 1;
        } else {
            add(&t, take(&raw));
        }
    }
    return t;
}

/* --- one row --- */

struct answer {
    bool external, malformed, listed;
    size_t rcpts;
};

static bool is_junk(uint8_t c)
{
    return c == ' ' || c == '\0' || (c >= '\t' && c <= '\r');
}

static struct bytes skip_junk(struct bytes b)
{
    while (b.len > 0 && is_junk(b.at[0]))
        b = bytes_from(b, 1);
    return b;
}

/* A command line without its end. Only RCPT counts. */
static bool read_line(struct bytes line, struct answer *answer)
{
    struct recipient rcpt;
    line = skip_junk(line);
    if (!bytes_begin_nocase(line, bytes_str("RCPT")))
        return false;
    line = bytes_from(line, 4);
    if (bytes_begin_nocase(line, bytes_str(" TO:")))
        line = bytes_from(line, 4);
    struct bytes guarded = guard_copy(line);
    recipient_read(ours, NULL, guarded, &rcpt);
    guard_free(guarded);
    answer->external = answer->external || rcpt.external;
    answer->malformed = answer->malformed || rcpt.malformed;
    answer->listed = answer->listed || rcpt.domain_count > 0 || rcpt.domains_cut;
    answer->rcpts++;
    return true;
}

static size_t line_len(struct bytes b, bool only_crlf)
{
    for (size_t i = 0; i < b.len; i++)
        if (b.at[i] == '\n' && (!only_crlf || (i > 0 && b.at[i - 1] == '\r')))
            return i + 1;
    return b.len;
}

static struct bytes without_end(struct bytes line)
{
    if (line.len > 0 && line.at[line.len - 1] == '\n')
        line.len--;
    if (line.len > 0 && line.at[line.len - 1] == '\r')
        line.len--;
    return line;
}

/* Lines end at LF; and where an LF stands inside of <>, some server's line goes on to the CRLF. */
static struct answer read_row(const char *raw)
{
    struct text t = unescape(raw);
    struct answer answer = {0};
    for (struct bytes b = bytes_of(t.at, t.len); b.len > 0;) {
        size_t n = line_len(b, false), whole = line_len(b, true);
        struct bytes line = without_end(bytes_first(b, n));
        bool open = line.len > 0 && memchr(line.at, '<', line.len) != NULL && memchr(line.at, '>', line.len) == NULL;
        if (read_line(line, &answer) && open && whole > n)
            (void)read_line(without_end(bytes_first(b, whole)), &answer);
        b = bytes_from(b, n);
    }
    free(t.at);
    return answer;
}

/* --- the tables --- */

#define COLUMNS    8
#define CATEGORIES 64

struct tally {
    char name[32];
    size_t rows, missed, wrong;
};

static struct tally tallies[CATEGORIES];
static size_t tally_count;

static struct tally *tally_of(const char *category)
{
    for (size_t i = 0; i < tally_count; i++)
        if (strcmp(tallies[i].name, category) == 0)
            return &tallies[i];
    assert_true(tally_count < CATEGORIES);
    snprintf(tallies[tally_count].name, sizeof tallies[0].name, "%s", category);
    return &tallies[tally_count++];
}

static bool is_excepted(const char *id)
{
    for (size_t i = 0; i < sizeof exceptions / sizeof exceptions[0]; i++)
        if (strcmp(exceptions[i].id, id) == 0)
            return true;
    return false;
}

/* Splits a line at its tabs, in place. Returns how many columns there were, up to COLUMNS. */
static size_t split(char *line, char *columns[COLUMNS])
{
    size_t n = 0;
    line[strcspn(line, "\n")] = '\0';
    while (n < COLUMNS && line != NULL)
        columns[n++] = strsep(&line, "\t");
    return n;
}

static FILE *open_table(const char *name)
{
    FILE *f = fopen(name, "r");
    if (f == NULL) {
        print_message("%s isn't here: run this from the root of the tree\n", name);
        skip();
    }
    return f;
}

static bool is_judged(const char *kind)
{
    return strcmp(kind, "rcpt") == 0 || strcmp(kind, "tx") == 0 || strcmp(kind, "pre") == 0 ||
           strcmp(kind, "nomail") == 0;
}

/* columns: id, category, split, kind, raw, note, must_be_treated_as */
static void judge(char *const columns[COLUMNS])
{
    struct tally *t = tally_of(columns[1]);
    struct answer a = read_row(columns[4]);
    bool nul_or_cr = strstr(columns[4], "\\x00") != NULL || strstr(columns[4], "\\r\\x") != NULL || a.malformed;
    t->rows++;
    if (strcmp(columns[6], "EXTERNAL") == 0 && !a.external && !a.malformed && !is_excepted(columns[0])) {
        t->missed++;
        print_message("missed: %s %s\n", columns[0], columns[4]);
    }
    if (strcmp(columns[6], "LOCAL") == 0 && (a.external || (a.malformed && !nul_or_cr)) && !is_excepted(columns[0])) {
        t->wrong++;
        print_message("false: %s %s\n", columns[0], columns[4]);
    }
    if (a.external && !a.listed)
        fail_msg("%s: external, and nothing says where to", columns[0]);
}

static void judge_all(FILE *f)
{
    char *line = NULL, *columns[COLUMNS];
    size_t room = 0;
    assert_true(getline(&line, &room, f) > 0);
    while (getline(&line, &room, f) > 0)
        if (split(line, columns) > 6 && is_judged(columns[3]))
            judge(columns);
    fclose(f);
    free(line);
}

static void every_row_of_the_oracle(void **state)
{
    (void)state;
    size_t missed = 0, wrong = 0, rows = 0;
    judge_all(open_table(ORACLE));
    FILE *live = fopen(LIVE, "r");
    if (live != NULL)
        judge_all(live);
    print_message("%-14s %5s %7s %6s\n", "category", "rows", "missed", "false");
    for (size_t i = 0; i < tally_count; i++) {
        print_message("%-14s %5zu %7zu %6zu\n", tallies[i].name, tallies[i].rows, tallies[i].missed, tallies[i].wrong);
        rows += tallies[i].rows;
        missed += tallies[i].missed;
        wrong += tallies[i].wrong;
    }
    print_message("%-14s %5zu %7zu %6zu\n", "all", rows, missed, wrong);
    assert_true(rows > 500);
    assert_int_equal(missed, 0);
    assert_int_equal(wrong, 0);
}

/* columns: id, split, raw, naive, external_by: the forms that fool a simple parser are external on some server. */
static void every_surprise(void **state)
{
    (void)state;
    char *line = NULL, *columns[COLUMNS];
    size_t room = 0, rows = 0;
    FILE *f = open_table(SURPRISES);
    assert_true(getline(&line, &room, f) > 0);
    while (getline(&line, &room, f) > 0) {
        if (split(line, columns) < 5 || columns[4][0] == '\0' || strlen(columns[2]) >= SURPRISE_CUT)
            continue;
        struct answer a = read_row(columns[2]);
        rows++;
        if (a.rcpts > 0 && !a.external && !a.malformed && !is_excepted(columns[0]))
            fail_msg("missed: %s %s", columns[0], columns[2]);
    }
    fclose(f);
    free(line);
    print_message("surprises: %zu rows\n", rows);
    assert_true(rows > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_of_the_oracle),
        cmocka_unit_test(every_surprise),
    };
    return cmocka_run_group_tests(tests, make_set, free_set);
}
