/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where a text ends: every row of pcap-tests/oracle/end-of-data.tsv, played with the
 * replies that each server gave. Where some server ran what stands behind the bytes
 * as commands, its RCPT must be seen, and unless the bytes hold the strict end, it
 * must be told as smuggling.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "kmod-free/tests/support_oracle.h"
#include "kmod-free/tests/support_smtp.h"

#define SMUGGLED                                                                                                       \
    "MAIL FROM:<snd@snd.example>\r\nRCPT TO:<smug@ext.example>\r\nDATA\r\nSubject: smuggled\r\n\r\nx\r\n.\r\n"

struct seen {
    bool smuggled_rcpt, told;
};

static void on_event(void *ctx, const struct smtp_event *ev)
{
    struct seen *seen = ctx;
    seen->told |= ev->kind == SMTP_SAW_TROUBLE && ev->trouble == SMTP_SMUGGLING;
    if (ev->kind == SMTP_SAW_RCPT)
        seen->smuggled_rcpt |= memmem(ev->text.at, ev->text.len, "smug@ext.example", 16) != NULL;
}

static void says(struct play *p, enum role from, const char *text)
{
    play_feed(p, from, bytes_str(text));
}

/* "250 closed", "no/no 250", "354,250", "DELIVERED 250,250,250,354,250" */
static void server_answers(struct play *p, const char *codes)
{
    for (codes += strcspn(codes, "0123456789"); *codes != 0; codes += strcspn(codes, "0123456789")) {
        char line[32];
        snprintf(line, sizeof(line), "%.3s x\r\n", codes);
        says(p, ROLE_SERVER, line);
        codes += strspn(codes, "0123456789");
    }
}

static void play_row(struct play *p, const struct oracle *o, size_t row, const char *server)
{
    static uint8_t bytes[256 * 1024];
    const char *mode = oracle_cell(o, row, "mode"), *sequence = oracle_cell(o, row, "sequence");
    const char *reply = oracle_server_cell(o, row, server, "_reply");
    play_start(p, SMTP_FROM_BANNER);
    says(p, ROLE_SERVER, "220 x\r\n");
    says(p, ROLE_CLIENT, "EHLO client.example\r\n");
    says(p, ROLE_SERVER, "250 x\r\n");
    says(p, ROLE_CLIENT, "MAIL FROM:<snd@snd.example>\r\nRCPT TO:<user@local.example>\r\n");
    says(p, ROLE_SERVER, "250 x\r\n250 x\r\n");
    size_t n = 0;
    bool pipelined = strcmp(mode, "immpipe") == 0;
    if (pipelined) {
        memcpy(bytes, "DATA\r\n", 6);
        n = 6;
    } else {
        says(p, ROLE_CLIENT, "DATA\r\n");
        says(p, ROLE_SERVER, "354 x\r\n");
    }
    const char *text = strcmp(mode, "crlf") == 0 ? "Subject: x\r\n\r\ntext"
                       : strcmp(mode, "lf") == 0 ? "Subject: x\n\ntext"
                                                 : "";
    memcpy(bytes + n, text, strlen(text));
    n += strlen(text);
    n += play_unescape(sequence, strlen(sequence), bytes + n, sizeof(bytes) - n - sizeof(SMUGGLED));
    memcpy(bytes + n, SMUGGLED, sizeof(SMUGGLED) - 1);
    play_feed(p, ROLE_CLIENT, bytes_of(bytes, n + sizeof(SMUGGLED) - 1));
    server_answers(p, reply);
    server_answers(p, oracle_server_cell(o, row, server, "_smuggled"));
    play_fin(p, ROLE_SERVER);
    play_fin(p, ROLE_CLIENT);
}

static void test_oracle_eod(void **state)
{
    struct oracle *o = oracle_open("end-of-data.tsv");
    unsigned runs = 0, missed = 0, untold = 0, quiet = 0, told_quiet = 0;
    (void)state;
    if (o == NULL) {
        print_message("pcap-tests/oracle/end-of-data.tsv isn't there: skipped\n");
        skip();
    }
    struct play *p = play_new();
    for (size_t row = 0; row < oracle_rows(o); row++) {
        const char *run_in = oracle_cell(o, row, "commands_after_it_run_in"), *id = oracle_cell(o, row, "id");
        const char *sequence = oracle_cell(o, row, "sequence");
        bool imm = strncmp(oracle_cell(o, row, "mode"), "imm", 3) == 0;
        bool strict = strstr(sequence, "\\r\\n.\\r\\n") != NULL || (imm && strcmp(sequence, ".\\r\\n") == 0);
        bool row_missed = false, row_untold = false, row_told = false;
        for (size_t i = 0; i < ORACLE_SERVERS; i++) {
            struct seen seen = {0};
            p->on_event = on_event;
            p->ctx = &seen;
            play_row(p, o, row, oracle_servers[i]);
            row_told |= seen.told;
            if (!oracle_lists(run_in, oracle_servers[i]))
                continue;
            row_missed |= !seen.smuggled_rcpt;
            row_untold |= !seen.told && !strict;
        }
        runs += *run_in != 0;
        missed += row_missed;
        untold += row_untold;
        quiet += *run_in == 0;
        told_quiet += *run_in == 0 && row_told;
        if (row_missed || row_untold)
            print_message("%s: %s%s\n", id, row_missed ? "RCPT missed " : "", row_untold ? "not told" : "");
    }
    print_message("run by some server: %u rows, %u RCPTs missed, %u not told\n", runs, missed, untold);
    print_message("run by none: %u rows, %u told all the same\n", quiet, told_quiet);
    play_free(p);
    oracle_close(o);
    assert_int_equal(missed, 0);
    assert_int_equal(untold, 0);
    /* dots with CR alone or NUL around them end a text on servers that aren't among the ten */
    assert_true(told_quiet <= 19);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_oracle_eod),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
