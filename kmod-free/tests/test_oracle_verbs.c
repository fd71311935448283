/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a line means: every row of pcap-tests/oracle/oracle.tsv, played with the very
 * replies that each server gave. Where some server took the bytes as a recipient
 * outside, the dialogue and the address reader together must say so; where a server
 * took them as a local one, and none as another, they must not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "kmod-free/recipient.h"
#include "kmod-free/tests/support_oracle.h"
#include "kmod-free/tests/support_smtp.h"

struct seen {
    struct domain_set *local;
    unsigned rcpts;
    bool external;
};

static void on_event(void *ctx, const struct smtp_event *ev)
{
    static struct recipient r;
    struct seen *seen = ctx;
    if (ev->kind != SMTP_SAW_RCPT)
        return;
    seen->rcpts++;
    recipient_read(seen->local, NULL, ev->text, &r);
    seen->external |= r.external;
}

static struct domain_set *our_domains(void)
{
    static const char *const ours[] = {"local.example", "mail.local.example", "localhost", "[127.0.0.1]"};
    struct domain_set *d = domain_set_new();
    assert_non_null(d);
    for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
        assert_null(domain_set_add(d, ours[i]));
    assert_true(domain_set_seal(d));
    return d;
}

static void server_says(struct play *p, const char *code)
{
    char line[32];
    snprintf(line, sizeof(line), "%.3s x\r\n", code);
    play_feed(p, ROLE_SERVER, bytes_str(line));
}

/* "250,503", "none>250" (an answer only once CRLF was added), "none", "250;closed" */
static void server_answers(struct play *p, const char *codes)
{
    if (strncmp(codes, "none>", 5) == 0) {
        play_feed(p, ROLE_CLIENT, bytes_str("\r\n"));
        codes += 5;
    }
    while (*codes >= '1' && *codes <= '5') {
        server_says(p, codes);
        codes += strcspn(codes, ",;");
        if (*codes != ',')
            break;
        codes++;
    }
}

/* The column's bytes; " | " separates writes. */
static void client_writes(struct play *p, const char *raw)
{
    static uint8_t bytes[256 * 1024];
    const char *bytewise = strstr(raw, " (byte by byte)");
    size_t len = bytewise != NULL ? (size_t)(bytewise - raw) : strlen(raw);
    while (len > 0) {
        const char *bar = memmem(raw, len, " | ", 3);
        size_t part = bar != NULL ? (size_t)(bar - raw) : len;
        size_t n = play_unescape(raw, part, bytes, sizeof(bytes));
        for (size_t i = 0; bytewise != NULL && i < n; i++)
            play_feed(p, ROLE_CLIENT, bytes_of(bytes + i, 1));
        if (bytewise == NULL)
            play_feed(p, ROLE_CLIENT, bytes_of(bytes, n));
        part += bar != NULL ? 3 : 0;
        raw += part;
        len -= part;
    }
}

/* One row as one server had it. */
static void play_row(struct play *p, const struct oracle *o, size_t row, const char *server, struct seen *seen)
{
    const char *kind = oracle_cell(o, row, "kind"), *codes = oracle_server_cell(o, row, server, "_code");
    p->on_event = on_event;
    p->ctx = seen;
    play_start(p, SMTP_FROM_BANNER);
    server_says(p, "220");
    if (strcmp(kind, "pre") != 0) {
        play_feed(p, ROLE_CLIENT, bytes_str("EHLO client.example\r\n"));
        server_says(p, "250");
    }
    if (strcmp(kind, "rcpt") == 0) {
        play_feed(p, ROLE_CLIENT, bytes_str("MAIL FROM:<snd@snd.example>\r\n"));
        server_says(p, "250");
    }
    client_writes(p, oracle_cell(o, row, "raw"));
    server_answers(p, codes);
    if (strcmp(kind, "mail") == 0) {
        const char *rcpt = strstr(codes, "rcpt=");
        play_feed(p, ROLE_CLIENT, bytes_str("RCPT TO:<user@ext.example>\r\n"));
        if (rcpt != NULL)
            server_answers(p, rcpt + 5);
    }
    play_fin(p, ROLE_SERVER);
    play_fin(p, ROLE_CLIENT);
}

struct tally {
    char category[32];
    unsigned rows, not_read, missed, wrong;
};

static struct tally *tally_of(struct tally *t, const char *category)
{
    while (t->category[0] != 0 && strcmp(t->category, category) != 0)
        t++;
    snprintf(t->category, sizeof(t->category), "%s", category);
    return t;
}

static bool has_bare_cr(const char *raw)
{
    for (const char *cr = strstr(raw, "\\r"); cr != NULL; cr = strstr(cr + 2, "\\r"))
        if (strncmp(cr + 2, "\\n", 2) != 0)
            return true;
    return false;
}

static void judge_row(struct play *p, const struct oracle *o, size_t row, struct domain_set *local, struct tally *t)
{
    const char *want = oracle_cell(o, row, "must_be_treated_as"), *id = oracle_cell(o, row, "id");
    const char *outside = oracle_cell(o, row, "external_by"), *inside = oracle_cell(o, row, "local_by");
    bool not_read = false, missed = false, wrong = false;
    t->rows++;
    for (size_t i = 0; i < ORACLE_SERVERS; i++) {
        struct seen seen = {.local = local};
        play_row(p, o, row, oracle_servers[i], &seen);
        bool must = strcmp(want, "EXTERNAL") == 0 || strcmp(want, "OPENS_TX") == 0;
        if (must && oracle_lists(outside, oracle_servers[i])) {
            not_read |= seen.rcpts == 0;
            missed |= seen.rcpts > 0 && !seen.external;
        }
        /* IMCEA: only Exchange unfolds that, and it is not among the ten; nor is one for which CR ends a line */
        if (strcmp(want, "LOCAL") == 0 && oracle_lists(inside, oracle_servers[i]) &&
            strstr(oracle_cell(o, row, "raw"), "IMCEA") == NULL && !has_bare_cr(oracle_cell(o, row, "raw")))
            wrong |= seen.external;
    }
    t->not_read += not_read;
    t->missed += missed;
    t->wrong += wrong;
    if (not_read || missed || wrong)
        print_message("%s: %s%s%s\n", id, not_read ? "no RCPT was read " : "", missed ? "not external " : "",
                      wrong ? "external" : "");
}

/* false: no such table. */
static bool judge_table(struct play *p, const char *name, struct domain_set *local, struct tally *tallies)
{
    struct oracle *o = oracle_open(name);
    if (o == NULL)
        return false;
    for (size_t i = 0; i < oracle_rows(o); i++) {
        const char *category = oracle_cell(o, i, "category");
        judge_row(p, o, i, local, tally_of(tallies, category));
    }
    oracle_close(o);
    return true;
}

static void test_oracle_verbs(void **state)
{
    static struct tally tallies[128];
    (void)state;
    struct domain_set *local = our_domains();
    struct play *p = play_new();
    if (!judge_table(p, "oracle.tsv", local, tallies)) {
        print_message("pcap-tests/oracle/oracle.tsv isn't there: skipped\n");
        skip();
    }
    (void)judge_table(p, "live.tsv", local, tallies); /* what scripts/oracle --live found */
    struct tally sum = {.category = "all"};
    print_message("%-12s %5s %8s %6s %5s\n", "category", "rows", "not read", "missed", "false");
    for (const struct tally *t = tallies; t->category[0] != 0; t++) {
        print_message("%-12s %5u %8u %6u %5u\n", t->category, t->rows, t->not_read, t->missed, t->wrong);
        sum.rows += t->rows;
        sum.not_read += t->not_read;
        sum.missed += t->missed;
        sum.wrong += t->wrong;
    }
    print_message("%-12s %5u %8u %6u %5u\n", "all", sum.rows, sum.not_read, sum.missed, sum.wrong);
    play_free(p);
    domain_set_free(local);
    assert_int_equal(sum.not_read, 0);
    assert_int_equal(sum.missed, 0);
    assert_int_equal(sum.wrong, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_oracle_verbs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
