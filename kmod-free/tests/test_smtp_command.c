/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lines and what they are, each at a guard page, and each of its beginnings too. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "kmod-free/smtp_command.h"
#include "kmod-free/smtp_reply.h"
#include "kmod-free/tests/support.h"

#define TEXT(s) s, sizeof(s) - 1

static bool inside(struct bytes part, struct bytes whole)
{
    return part.len == 0 || (part.at >= whole.at && part.at + part.len <= whole.at + whole.len);
}

static const struct {
    const char *line;
    size_t len;
    enum smtp_verb verb;
    bool formed, stands_out;
    const char *argument; /* NULL: doesn't matter */
} verbs[] = {
    {TEXT(""), SMTP_VERB_NONE, false, false, ""},
    {TEXT(" \t\r"), SMTP_VERB_NONE, false, false, ""},
    {TEXT("EHLO a.b"), SMTP_VERB_HELO, true, false, "a.b"},
    {TEXT("ehlo\ta.b "), SMTP_VERB_HELO, true, false, "a.b"},
    {TEXT("HELO"), SMTP_VERB_HELO, false, false, ""},
    {TEXT(" HELO x"), SMTP_VERB_HELO, false, false, "x"},
    {TEXT("LHLO x"), SMTP_VERB_LHLO, true, false, "x"},
    {TEXT("EHL"), SMTP_VERB_OTHER, false, false, NULL},
    {TEXT("MAIL FROM:<a@b> SIZE=1"), SMTP_VERB_MAIL, true, true, "<a@b> SIZE=1"},
    {TEXT("mail from : a@b"), SMTP_VERB_MAIL, true, true, " a@b"},
    {TEXT("MAIL FROM:<>"), SMTP_VERB_MAIL, true, true, "<>"},
    {TEXT("MAILFROM:<a>"), SMTP_VERB_MAIL, true, true, "<a>"},
    {TEXT("MAIL TO:<a>"), SMTP_VERB_MAIL, false, false, " TO:<a>"},
    {TEXT("Mail from: Bob"), SMTP_VERB_MAIL, true, false, " Bob"},
    {TEXT("Mail me"), SMTP_VERB_MAIL, false, false, " me"},
    {TEXT("SEND FROM:<a>"), SMTP_VERB_MAIL, true, true, "<a>"},
    {TEXT("SOML FROM:<a>"), SMTP_VERB_MAIL, true, true, "<a>"},
    {TEXT("SAML FROM:<a>"), SMTP_VERB_MAIL, true, true, "<a>"},
    {TEXT("SEND me money"), SMTP_VERB_OTHER, false, false, NULL},
    {TEXT("SENDER FROM:<a>"), SMTP_VERB_OTHER, false, false, NULL},
    {TEXT("RCPT TO:<a@b>"), SMTP_VERB_RCPT, true, true, "<a@b>"},
    {TEXT("rcpt to:a"), SMTP_VERB_RCPT, true, true, "a"},
    {TEXT(" \r\x0b\0RCPT\tTO\t:\t<a>"), SMTP_VERB_RCPT, true, true, "\t<a>"},
    {TEXT("\x01RCPT TO:<a>"), SMTP_VERB_RCPT, true, true, "<a>"},
    {TEXT("\x1f\x08\x7fRCPT TO:<a>"), SMTP_VERB_OTHER, false, false, NULL},
    {TEXT("\x1f\x08MAIL FROM:<a>"), SMTP_VERB_MAIL, true, true, "<a>"},
    {TEXT("RCPTTO:<a>"), SMTP_VERB_RCPT, true, true, "<a>"},
    {TEXT("RCPT TO::<a>"), SMTP_VERB_RCPT, true, true, ":<a>"},
    {TEXT("RCPT TO TO:<a>"), SMTP_VERB_RCPT, false, true, " TO TO:<a>"},
    {TEXT("RCPT CC:<a>"), SMTP_VERB_RCPT, false, true, " CC:<a>"},
    {TEXT("RCPT-TO:<a>"), SMTP_VERB_RCPT, false, true, "-TO:<a>"},
    {TEXT("RCPT TO:"), SMTP_VERB_RCPT, true, false, ""},
    {TEXT("RCPT TO"), SMTP_VERB_RCPT, false, false, " TO"},
    {TEXT("RCPT"), SMTP_VERB_RCPT, false, false, ""},
    {TEXT("RCPTabcd="), SMTP_VERB_RCPT, false, false, "abcd="},
    {TEXT("rcptwall: x a@b"), SMTP_VERB_RCPT, false, false, NULL},
    {TEXT("RCP TO:<a>"), SMTP_VERB_OTHER, false, false, NULL},
    {TEXT("DATA"), SMTP_VERB_DATA, true, false, ""},
    {TEXT("data "), SMTP_VERB_DATA, true, false, NULL},
    {TEXT("DATA x"), SMTP_VERB_DATA, false, false, NULL},
    {TEXT("DATABASE"), SMTP_VERB_DATA, false, false, NULL},
    {TEXT("BDAT 5 LAST"), SMTP_VERB_BDAT, true, false, " 5 LAST"},
    {TEXT(" BDAT 5"), SMTP_VERB_BDAT, false, false, NULL},
    {TEXT("BDAT"), SMTP_VERB_BDAT, false, false, NULL},
    {TEXT("RSET"), SMTP_VERB_PLAIN, true, false, NULL},
    {TEXT("RSETX"), SMTP_VERB_OTHER, false, false, NULL},
    {TEXT("NOOP x"), SMTP_VERB_PLAIN, false, false, NULL},
    {TEXT("NOOP\0RCPT TO:<a>"), SMTP_VERB_PLAIN, false, false, NULL},
    {TEXT("QUIT"), SMTP_VERB_QUIT, true, false, NULL},
    {TEXT("QUITX"), SMTP_VERB_OTHER, false, false, NULL},
    {TEXT("STARTTLS"), SMTP_VERB_STARTTLS, true, false, NULL},
    {TEXT("STARTTLS x"), SMTP_VERB_STARTTLS, false, false, NULL},
    {TEXT("X-ANONYMOUSTLS"), SMTP_VERB_STARTTLS, true, false, NULL},
    {TEXT("AUTH LOGIN"), SMTP_VERB_AUTH, true, false, NULL},
    {TEXT("AUTH=LOGIN"), SMTP_VERB_AUTH, false, false, NULL},
    {TEXT("X-EXPS NTLM"), SMTP_VERB_AUTH, true, false, NULL},
    {TEXT("XAUTH x"), SMTP_VERB_AUTH, true, false, NULL},
    {TEXT("XEXCH50 5 2"), SMTP_VERB_XEXCH50, true, false, NULL},
    {TEXT("XCLIENT x"), SMTP_VERB_OTHER, false, false, NULL},
    {TEXT("TURN"), SMTP_VERB_TURN, true, false, NULL},
    {TEXT("ATRN a.b"), SMTP_VERB_TURN, true, false, NULL},
    {TEXT("\xff\xf1RCPT TO:<a>"), SMTP_VERB_OTHER, false, false, NULL},
};

static void test_verbs(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        struct bytes line = guard_copy(bytes_of(verbs[i].line, verbs[i].len));
        struct smtp_command c;
        smtp_command_read(line, &c);
        if (c.verb != verbs[i].verb || c.formed != verbs[i].formed || smtp_command_stands_out(&c) != verbs[i].stands_out)
            fail_msg("%s: verb %d formed %d", verbs[i].line, c.verb, c.formed);
        if (verbs[i].argument != NULL && !bytes_equal(c.argument, bytes_str(verbs[i].argument)))
            fail_msg("%s: argument %.*s", verbs[i].line, (int)c.argument.len, (const char *)c.argument.at);
        guard_free(line);
        for (size_t n = 0; n < verbs[i].len; n++) {
            struct bytes part = guard_copy(bytes_of(verbs[i].line, n));
            smtp_command_read(part, &c);
            assert_true(inside(c.argument, part));
            if (smtp_command_stands_out(&c) || !smtp_address_open(&c))
                assert_true(c.argument.len > 0);
            guard_free(part);
        }
    }
}

static void test_line_text(void **state)
{
    static const struct {
        const char *line, *text;
        bool dirty;
    } rows[] = {
        {"", "", false},         {"\n", "", false},      {"\r\n", "", false},
        {"\r", "", false},       {"a\r\n", "a", false},  {"a\n", "a", false},
        {"a\r\r\n", "a", false}, {"a", "a", false},      {"a\rb\r\n", "a\rb", true},
        {"a\n\n", "a\n", false}, {"\ra\n", "\ra", true},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct bytes text = smtp_line_text(bytes_str(rows[i].line));
        assert_true(bytes_equal(text, bytes_str(rows[i].text)));
        assert_int_equal(smtp_line_dirty(text), rows[i].dirty);
    }
    assert_true(smtp_line_dirty(bytes_of("a\0b", 3)));
}

static void test_address_open(void **state)
{
    static const struct {
        const char *line;
        bool open;
    } rows[] = {
        {"RCPT", true},
        {"RCPT   ", true},
        {"RCPT TO:", true},
        {"RCPT TO:   ", true},
        {"RCPT TO:<a@b", true},
        {"RCPT TO:<a@b>", false},
        {"RCPT TO: <a@b> x", false},
        {"RCPT TO:<\">\"@b", true}, /* the '>' is quoted */
        {"RCPT TO:<\">\"@b>", false},
        {"RCPT TO:<a\\>", true},
        {"RCPT TO:a@b", true},
        {"RCPT TO:a@b ", true}, /* a name, and its address is still to come */
        {"RCPT TO:a <b", true},
        {"RCPT TO:\"<>\" ", true},
        {"RCPT TO:a>b", true},
        {"RCPT TO:x<", true},
        {"RCPT <a@b", true},
        {"RCPT <a@b> ", false},
        {"RCPT a@b", true},
        {"Rcptwall is a daemon", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct smtp_command cmd;
        smtp_command_read(bytes_str(rows[i].line), &cmd);
        assert_int_equal(cmd.verb, SMTP_VERB_RCPT);
        assert_int_equal(smtp_address_open(&cmd), rows[i].open);
    }
}

static void test_counts(void **state)
{
    static const struct {
        const char *argument;
        size_t len;
        bool good, last;
        uint64_t octets;
    } rows[] = {
        {TEXT(" 0"), true, false, 0},
        {TEXT(" 0 LAST"), true, true, 0},
        {TEXT(" 76"), true, false, 76},
        {TEXT(" 76   last "), true, true, 76},
        {TEXT("\t76"), false, false, 0},
        {TEXT(" 76\tLAST"), false, false, 0},
        {TEXT(" 0000000076"), false, false, 0},
        {TEXT(" 076"), false, false, 0},
        {TEXT(" 2147483647 LAST"), true, true, 2147483647},
        {TEXT(" 2147483648"), false, false, 0},
        {TEXT(" 00000000076"), false, false, 0},
        {TEXT(""), false, false, 0},
        {TEXT(" "), false, false, 0},
        {TEXT("76"), false, false, 0},
        {TEXT(" +76"), false, false, 0},
        {TEXT(" -1"), false, false, 0},
        {TEXT(" 0x4c"), false, false, 0},
        {TEXT(" 76LAST"), false, false, 0},
        {TEXT(" 76 LASTX"), false, false, 0},
        {TEXT(" 76 LAST LAST"), false, false, 0},
        {TEXT(" 76 x"), false, false, 0},
        {TEXT(" 5 76 LAST"), false, false, 0},
        {TEXT(" 76\0"), false, false, 0},
        {TEXT(" 76\x0bLAST"), false, false, 0},
        {TEXT(" 99999999999999999999999999"), false, false, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct bytes a = guard_copy(bytes_of(rows[i].argument, rows[i].len));
        uint64_t octets;
        bool last;
        if (smtp_bdat_read(a, &octets, &last) != rows[i].good)
            fail_msg("BDAT%s", rows[i].argument);
        if (rows[i].good) {
            assert_int_equal(octets, rows[i].octets);
            assert_int_equal(last, rows[i].last);
        }
        guard_free(a);
    }
    uint64_t octets;
    assert_true(smtp_xexch50_read(bytes_str(" 17 2"), &octets));
    assert_int_equal(octets, 17);
    assert_false(smtp_xexch50_read(bytes_str(" 17"), &octets));
    assert_false(smtp_xexch50_read(bytes_str(" x 2"), &octets));
}

static void test_http(void **state)
{
    (void)state;
    assert_true(smtp_looks_like_http(bytes_str("GET / HTTP/1.1")));
    assert_true(smtp_looks_like_http(bytes_str("CONNECT mx:25 http/1.0")));
    assert_false(smtp_looks_like_http(bytes_str(" HTTP/1.1")));
    assert_false(smtp_looks_like_http(bytes_str("RCPT TO:<a>")));
    assert_false(smtp_looks_like_http(bytes_str("")));
}

static void test_reply_lines(void **state)
{
    static const struct {
        const char *line;
        uint16_t code;
        bool more;
    } rows[] = {
        {"220 x\r\n", 220, false}, {"250-x\r\n", 250, true}, {"250\r\n", 250, false},
        {"250", 250, false},       {"250\tx", 250, false},   {"250-", 250, true},
        {"2500", 0, false},        {"25", 0, false},         {"", 0, false},
        {"x250 x", 0, false},      {"000 x", 0, false},      {"600 x", 0, false},
        {"100-x", 100, true},      {"554 x", 554, false},    {"+OK", 0, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct bytes line = guard_copy(bytes_str(rows[i].line));
        struct smtp_reply_line r;
        smtp_reply_read(line, &r);
        assert_int_equal(r.code, rows[i].code);
        assert_int_equal(r.more, rows[i].more);
        assert_true(inside(r.text, line));
        guard_free(line);
    }
    assert_int_equal(smtp_reply_keyword(bytes_str("CHUNKING\r\n")), SMTP_KEYWORD_CHUNKING);
    assert_int_equal(smtp_reply_keyword(bytes_str("chunking")), SMTP_KEYWORD_CHUNKING);
    assert_int_equal(smtp_reply_keyword(bytes_str("CHUNKINGS")), 0);
    assert_int_equal(smtp_reply_keyword(bytes_str("X CHUNKING")), 0);
    assert_int_equal(smtp_reply_keyword(bytes_str("STARTTLS")), SMTP_KEYWORD_STARTTLS);
    assert_int_equal(smtp_reply_keyword(bytes_str("AUTH=LOGIN")), SMTP_KEYWORD_AUTH);
    assert_int_equal(smtp_reply_keyword(bytes_str("AUTH PLAIN")), SMTP_KEYWORD_AUTH);
    assert_int_equal(smtp_reply_keyword(bytes_str("")), 0);
}

static void test_foreign(void **state)
{
    static const struct {
        const char *first;
        enum smtp_foreign is;
    } rows[] = {
        {"220 x", SMTP_FOREIGN_NO},         {"22", SMTP_FOREIGN_TOO_SHORT},      {"\n", SMTP_FOREIGN_NO},
        {"+OK", SMTP_FOREIGN_YES},          {"+O", SMTP_FOREIGN_TOO_SHORT},      {"-ERR x", SMTP_FOREIGN_YES},
        {"* OK x", SMTP_FOREIGN_YES},       {"* BYE", SMTP_FOREIGN_YES},         {"* bla", SMTP_FOREIGN_NO},
        {"SSH-2.0", SMTP_FOREIGN_YES},      {"HTTP/1.1 200", SMTP_FOREIGN_HTTP}, {"\x16\x03", SMTP_FOREIGN_YES},
        {"\x15\x03\x01", SMTP_FOREIGN_YES}, {"\x16", SMTP_FOREIGN_TOO_SHORT},    {"\x17\x03\x01xx", SMTP_FOREIGN_NO},
        {"Welcome", SMTP_FOREIGN_NO},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (smtp_reply_foreign(bytes_str(rows[i].first)) != rows[i].is)
            fail_msg("%s", rows[i].first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verbs),   cmocka_unit_test(test_line_text), cmocka_unit_test(test_address_open),
        cmocka_unit_test(test_counts),  cmocka_unit_test(test_http),      cmocka_unit_test(test_reply_lines),
        cmocka_unit_test(test_foreign),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
