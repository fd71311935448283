/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Odd chunks: every row of pcap-tests/oracle/bdat.tsv, played with the replies that
 * each server gave. Where a server ran the payload as commands, the RCPT in it must be
 * seen. Where it took it as octets, and the count is one that all read the same way,
 * the RCPT must not be seen.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "kmod-free/smtp_command.h"
#include "kmod-free/tests/support_oracle.h"
#include "kmod-free/tests/support_smtp.h"

#define HEADERS "From: x\r\nX-Tok: y\r\n\r\n"
#define PAYLOAD HEADERS "RCPT TO:<smug@ext.example>\r\nNOOP\r\n"

static void on_event(void *ctx, const struct smtp_event *ev)
{
    bool *seen = ctx;
    if (ev->kind == SMTP_SAW_RCPT)
        *seen |= memmem(ev->text.at, ev->text.len, "smug@ext.example", 16) != NULL;
}

static void says(struct play *p, enum role from, const char *text)
{
    play_feed(p, from, bytes_str(text));
}

/* %n and the like: the payload's length, in the table's own notation. */
static size_t put_number(const char *what, uint8_t *out, size_t room)
{
    char text[32] = "";
    size_t n = sizeof(PAYLOAD) - 1;
    int len = 0;
    if (what[0] == 'n')
        len = snprintf(text, sizeof(text), "%zu", n);
    else if (what[0] == 'x')
        len = snprintf(text, sizeof(text), "%zx", n);
    else if (what[0] == 'o')
        len = snprintf(text, sizeof(text), "%zo", n);
    else if (what[0] == 'h')
        len = snprintf(text, sizeof(text), "%zu", sizeof(HEADERS) - 1);
    else if (strncmp(what, "63", 2) == 0)
        len = snprintf(text, sizeof(text), "%" PRIu64, UINT64_C(1) << 63);
    else if (strncmp(what, "31", 2) == 0)
        len = snprintf(text, sizeof(text), "%" PRIu64, UINT64_C(1) << 31);
    else if (what[0] == 'i')
        len = snprintf(text, sizeof(text), "1");
    assert_in_range(len, 1, room);
    memcpy(out, text, (size_t)len);
    return (size_t)len;
}

static size_t bdat_line(const char *cell, uint8_t *out, size_t room)
{
    size_t n = 0;
    while (*cell != 0) {
        size_t plain = strcspn(cell, "%");
        n += play_unescape(cell, plain, out + n, room - n);
        cell += plain;
        if (*cell == 0)
            break;
        n += put_number(cell + 1, out + n, room - n);
        cell += cell[1] == '6' || cell[1] == '3' ? 3 : 2;
    }
    return n;
}

static bool chunking(const char *server)
{
    return oracle_lists("postfix,exim,exim_worst", server);
}

/* "250,503 post=250 data=503": each number is a reply, in order. */
static void server_answers(struct play *p, const char *codes)
{
    for (; *codes != 0; codes += strcspn(codes, " ,")) {
        codes += strspn(codes, " ,");
        codes += strncmp(codes, "post=", 5) == 0 || strncmp(codes, "data=", 5) == 0 ? 5 : 0;
        if (*codes < '2' || *codes > '5')
            continue;
        char line[32];
        snprintf(line, sizeof(line), "%.3s x\r\n", codes);
        says(p, ROLE_SERVER, line);
    }
}

/* Returns whether the line is one that all servers with CHUNKING read the same way. */
static bool play_row(struct play *p, const struct oracle *o, size_t row, const char *server)
{
    static uint8_t bytes[16 * 1024];
    const char *pre = oracle_cell(o, row, "pre");
    play_start(p, SMTP_FROM_BANNER);
    says(p, ROLE_SERVER, "220 x\r\n");
    if (strcmp(pre, "helo") == 0) {
        says(p, ROLE_CLIENT, "HELO client.example\r\n");
        says(p, ROLE_SERVER, "250 x\r\n");
    } else if (strcmp(pre, "noehlo") != 0) {
        says(p, ROLE_CLIENT, "EHLO client.example\r\n");
        says(p, ROLE_SERVER, chunking(server) ? "250-x\r\n250 CHUNKING\r\n" : "250-x\r\n250 PIPELINING\r\n");
    }
    if (strcmp(pre, "tx") == 0 || strcmp(pre, "helo") == 0) {
        says(p, ROLE_CLIENT, "MAIL FROM:<snd@snd.example>\r\nRCPT TO:<user@local.example>\r\n");
        says(p, ROLE_SERVER, "250 x\r\n250 x\r\n");
    }
    size_t n = bdat_line(oracle_cell(o, row, "line"), bytes, sizeof(bytes) - sizeof(PAYLOAD));
    struct smtp_command cmd;
    smtp_command_read(smtp_line_text(bytes_of(bytes, n)), &cmd);
    bool same = cmd.verb == SMTP_VERB_BDAT && cmd.formed && p->s.facts.chunking_offered;
    if (strcmp(oracle_cell(o, row, "payload"), "-") != 0) {
        memcpy(bytes + n, PAYLOAD, sizeof(PAYLOAD) - 1);
        n += sizeof(PAYLOAD) - 1;
    }
    play_feed(p, ROLE_CLIENT, bytes_of(bytes, n));
    n = bdat_line(oracle_cell(o, row, "post"), bytes, sizeof(bytes));
    play_feed(p, ROLE_CLIENT, bytes_of(bytes, n));
    says(p, ROLE_CLIENT, "DATA\r\n");
    server_answers(p, oracle_server_cell(o, row, server, "_codes"));
    play_fin(p, ROLE_SERVER);
    play_fin(p, ROLE_CLIENT);
    return same;
}

static void test_oracle_bdat(void **state)
{
    struct oracle *o = oracle_open("bdat.tsv");
    unsigned rows = 0, missed = 0, octets = 0, wrong = 0;
    (void)state;
    if (o == NULL) {
        print_message("pcap-tests/oracle/bdat.tsv isn't there: skipped\n");
        skip();
    }
    struct play *p = play_new();
    for (size_t row = 0; row < oracle_rows(o); row++) {
        const char *id = oracle_cell(o, row, "id"), *run_in = oracle_cell(o, row, "payload_run_as_commands_in");
        const char *taken_in = oracle_cell(o, row, "payload_taken_as_data_in");
        bool covers = strstr(oracle_cell(o, row, "line"), "%h") == NULL; /* there the count ends before the RCPT */
        rows++;
        for (size_t i = 0; i < ORACLE_SERVERS; i++) {
            bool seen = false;
            p->on_event = on_event;
            p->ctx = &seen;
            bool same = play_row(p, o, row, oracle_servers[i]);
            if (oracle_lists(run_in, oracle_servers[i]) && !seen) {
                print_message("%s, %s: RCPT missed\n", id, oracle_servers[i]);
                missed++;
            }
            if (!oracle_lists(taken_in, oracle_servers[i]) || !same || !covers)
                continue;
            octets++;
            if (seen) {
                print_message("%s, %s: a RCPT among octets\n", id, oracle_servers[i]);
                wrong++;
            }
        }
    }
    print_message("%u rows, %u RCPTs missed; %u times octets and nothing else, %u false\n", rows, missed, octets,
                  wrong);
    play_free(p);
    oracle_close(o);
    assert_int_equal(missed, 0);
    assert_int_equal(wrong, 0);
    assert_true(octets > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_oracle_bdat),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
