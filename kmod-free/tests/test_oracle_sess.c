/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * STARTTLS and AUTH: every row of pcap-tests/oracle/sess.tsv. A cell tells the
 * dialogue with one server ("MAIL=250 raw=503 RCPT=250 DATA=354 EOD=250"), and it is
 * played so. Behind a 220 to STARTTLS a client that begins TLS isn't read any more; where the RCPT was taken in plain text it
 * must have been seen; and nothing of AUTH's own may be in any event.
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

struct seen {
    bool rcpt, starttls, injection, secret;
};

static bool holds(struct bytes b, const char *text)
{
    return b.len > 0 && memmem(b.at, b.len, text, strlen(text)) != NULL;
}

static void on_event(void *ctx, const struct smtp_event *ev)
{
    struct seen *seen = ctx;
    seen->rcpt |= ev->kind == SMTP_SAW_RCPT && holds(ev->text, "@ext.example");
    seen->starttls |= ev->kind == SMTP_SAW_STARTTLS;
    seen->injection |= ev->kind == SMTP_SAW_TROUBLE && ev->trouble == SMTP_INJECTION;
    seen->secret |= holds(ev->text, "dGVzdGVy") || holds(ev->text, "c2VjcmV0") ||
                    holds(ev->text, "AHRlc3RlcgBzZWNyZXQ") || holds(ev->text, "AAAAAAAA");
}

static void says(struct play *p, enum role from, const char *text)
{
    play_feed(p, from, bytes_str(text));
}

/* What the client sends for one word of the cell. */
static void client_says(struct play *p, const char *word, size_t len, const char *raw)
{
    static const struct {
        const char *word, *text;
    } WORDS[] = {
        {"MAIL", "MAIL FROM:<snd@snd.example>\r\n"},
        {"RCPT", "RCPT TO:<smug-1@ext.example>\r\n"},
        {"DATA", "DATA\r\n"},
        {"EOD", "Subject: x\r\n\r\nx\r\n.\r\n"},
        {"EHLO", "EHLO again.example\r\n"},
        {"plain-NOOP", "NOOP\r\n"},
        {"plain-EHLO", "EHLO plain.example\r\n"},
        {"STARTTLS2", "STARTTLS\r\n"},
        {"TLS", "\x16\x03\x01\r\n"},
    };
    if (len == 3 && strncmp(word, "raw", 3) == 0) {
        static uint8_t bytes[64 * 1024];
        play_feed(p, ROLE_CLIENT, bytes_of(bytes, play_unescape(raw, strlen(raw), bytes, sizeof(bytes))));
    }
    for (size_t i = 0; i < sizeof(WORDS) / sizeof(WORDS[0]); i++)
        if (strlen(WORDS[i].word) == len && strncmp(WORDS[i].word, word, len) == 0)
            says(p, ROLE_CLIENT, WORDS[i].text);
}

static void play_cell(struct play *p, const char *cell, const char *raw)
{
    play_start(p, SMTP_FROM_BANNER);
    says(p, ROLE_SERVER, "220 x\r\n");
    says(p, ROLE_CLIENT, "EHLO client.example\r\n");
    says(p, ROLE_SERVER, "250-x\r\n250-AUTH PLAIN LOGIN\r\n250 STARTTLS\r\n");
    while (*cell != 0) {
        size_t word = strcspn(cell, "= ");
        client_says(p, cell, word, raw);
        cell += word;
        if (*cell == '=') {
            for (cell++; *cell != 0 && *cell != ' '; cell += strcspn(cell, ", "), cell += *cell == ',') {
                char line[32];
                snprintf(line, sizeof(line), "%.3s x\r\n", cell);
                if (*cell >= '2' && *cell <= '5')
                    says(p, ROLE_SERVER, line);
            }
        }
        cell += *cell == ' ';
    }
    play_fin(p, ROLE_SERVER);
    play_fin(p, ROLE_CLIENT);
}

static bool opaque(struct play *p)
{
    struct bytes in = bytes_str("\x16");
    struct smtp_event ev;
    return smtp_next(&p->cfg, &p->s, ROLE_CLIENT, &in, false, &ev) == SMTP_OPAQUE;
}

static void test_oracle_sess(void **state)
{
    struct oracle *o = oracle_open("sess.tsv");
    unsigned cells = 0, missed = 0, tls = 0, not_opaque = 0, injections = 0, untold = 0;
    (void)state;
    if (o == NULL) {
        print_message("pcap-tests/oracle/sess.tsv isn't there: skipped\n");
        skip();
    }
    struct play *p = play_new();
    for (size_t row = 0; row < oracle_rows(o); row++) {
        const char *id = oracle_cell(o, row, "id"), *kind = oracle_cell(o, row, "kind");
        for (size_t i = 0; i < ORACLE_SERVERS; i++) {
            const char *cell = oracle_cell(o, row, oracle_servers[i]);
            struct seen seen = {0};
            p->on_event = on_event;
            p->ctx = &seen;
            play_cell(p, cell, oracle_cell(o, row, "raw"));
            bool goes_tls = strstr(cell, "raw=220") != NULL;
            bool in_plain =
                strstr(cell, "RCPT=250") != NULL && (!goes_tls || strstr(cell, "RCPT=250") < strstr(cell, "raw="));
            cells++;
            tls += goes_tls;
            assert_false(seen.secret);
            bool bad_rcpt = in_plain && !seen.rcpt, injects = strcmp(kind, "tlsinject") == 0;
            bool plain = injects || strcmp(kind, "tlsplain") == 0; /* the client doesn't begin TLS */
            bool bad_tls = goes_tls && (!seen.starttls || opaque(p) == plain);
            injections += injects;
            bool bad_inject = injects && !seen.injection;
            if (bad_rcpt || bad_tls || bad_inject)
                print_message("%s, %s: %s%s%s\n", id, oracle_servers[i], bad_rcpt ? "RCPT missed " : "",
                              bad_tls ? "not opaque " : "", bad_inject ? "injection not told" : "");
            missed += bad_rcpt;
            not_opaque += bad_tls;
            untold += bad_inject;
        }
    }
    print_message("%zu rows, %u dialogues: %u RCPTs missed; %u go to TLS, %u not seen; %u injections, %u not told\n",
                  oracle_rows(o), cells, missed, tls, not_opaque, injections, untold);
    play_free(p);
    oracle_close(o);
    assert_int_equal(missed, 0);
    assert_int_equal(not_opaque, 0);
    assert_int_equal(untold, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_oracle_sess),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
