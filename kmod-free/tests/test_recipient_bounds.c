/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a RCPT can't do to its reader: forbidden bytes, ends at any place, lengths, and work that isn't linear. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "kmod-free/tests/support_recipient.h"

static void bytes_that_are_forbidden(void **state)
{
    (void)state;
    static const struct {
        const char *arg;
        size_t len;
        bool external;
    } odd[] = {
        {"<user@ext.example>\0", 19, true},
        {"<user@ext.example>\0junk", 23, true},
        {"<user@ext\0.example>", 19, true},
        {"<user@local.example>\0", 21, false},
        {"<user@local.example>\0RCPT TO:<user@ext.example>", 47, false},
        {"<user@ext.example>\r", 19, true},
        {"<user@local.example>\r", 21, false},
        {"\r<user@ext.example>", 19, true},
        {"<user@\next.example>", 19, true},
        {"\0", 1, false},
        {"\r\n\0", 3, false},
    };
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
        struct recipient rcpt;
        read_guarded(bytes_of(odd[i].arg, odd[i].len), &rcpt);
        assert_true(rcpt.malformed);
        if (rcpt.external != odd[i].external)
            fail_msg("%zu: %s is %s", i, odd[i].arg, rcpt.external ? "external" : "local");
    }
}

/* Every prefix of every form: no byte beyond it is read, and the answer is always the same. */
static void truncation(void **state)
{
    (void)state;
    static const char *const forms[] = {
        "<user%ext.example@local.example> NOTIFY=NEVER ORCPT=rfc822;a@b",
        "<@a.example,@b.example:\"q\\\"uo ted@c.example\"@[IPv6:2001:db8::1]>",
        "(com(m)\\)ent) \"Phrase\" <<user(x)@ext .example>>, <b@c>; d:e@f;",
        " TO \t: <IMCEASMTP-IMCEASMTP-user+2B40ext+40local+2Eexample@local.example>\r",
        "<ext.example!\"local.example!u\"%a@b\303\274cher.example.>\\",
        "<user@[127.0.0.1@ext.example]>\0<user@ext.example>",
    };
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        size_t len = i == 5 ? 49 : strlen(forms[i]);
        for (size_t n = 0; n <= len; n++) {
            struct recipient a, b;
            memset(&a, 0x55, sizeof a);
            memset(&b, 0xaa, sizeof b);
            read_guarded(bytes_of(forms[i], n), &a);
            read_guarded(bytes_of(forms[i], n), &b);
            assert_int_equal(a.external, b.external);
            assert_int_equal(a.malformed, b.malformed);
            assert_int_equal(a.via, b.via);
            assert_int_equal(a.domain_count, b.domain_count);
            assert_true(bytes_equal(a.shown, b.shown));
            for (size_t k = 0; k < a.domain_count; k++)
                assert_true(bytes_equal(a.domains[k], b.domains[k]));
        }
    }
}

/* A RCPT may be read from anywhere in memory; what stands behind it must not matter. */
static void what_follows_does_not_matter(void **state)
{
    (void)state;
    static const char text[] = "<user@local.example>@ext.example> <evil@ext.example>";
    struct recipient rcpt;
    read_guarded(bytes_of(text, 20), &rcpt);
    assert_false(rcpt.external);
    assert_int_equal(rcpt.domain_count, 1);
}

static size_t steps_of(const char *unit, size_t len, const char *tail)
{
    char *arg = malloc(len + 64);
    size_t n = 1, unit_len = strlen(unit);
    struct recipient rcpt;
    assert_non_null(arg);
    arg[0] = '<';
    while (n + unit_len <= len) {
        memcpy(arg + n, unit, unit_len);
        n += unit_len;
    }
    memcpy(arg + n, tail, strlen(tail));
    n += strlen(tail);
    size_t steps = recipient_read_steps(support_ours, &support_server, bytes_of(arg, n), &rcpt);
    free(arg);
    return steps;
}

/* 64 KiB of anything cost less than five times what as many letters cost, and twice the length twice as much. */
static const char *const units[] = {
    "%",
    "!",
    "(",
    "\"",
    "@",
    "\\",
    ",",
    "<",
    ">",
    ":",
    ";",
    "[",
    ".",
    " ",
    "\t",
    ")",
    "]",
    "a@",
    "@a,",
    "@a:",
    "%a",
    "a!",
    "\"a\"@",
    "%localhost",
    "localhost!",
    "@localhost",
    "@localhost:",
    "@localhost,",
    "\\\"",
    "(\\)",
    "\"\\\"",
    "a b ",
    "%\xc3\xbc",
    "<a@b>,",
    "IMCEASMTP-",
    "\"@localhost\"",
    "%%localhost",
    "!%@",
    "=",
    " a=b",
    "a ",
    "\xff",
    "..",
    "\"\"@",
    "((",
    "%wide.example",
    "%a.wide.example",
    "x.",
    "@a.",
    "\\@localhost",
    "@[127.0.0.1]",
    "+2B",
    "=?",
    "=?x?q?",
    "=?x?q?=40?=",
    "=?x?b?QQ?=",
    "?",
    " NOTIFY=NEVER",
};

static void work_is_linear(void **state)
{
    (void)state;
    static const char *const tails[] = {"@local.example>", ">", "", "\"@local.example>", ")@local.example>"};
    enum { LONG = 65000 };
    size_t plain = steps_of("a", LONG, "@local.example>");
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        for (size_t k = 0; k < sizeof tails / sizeof tails[0]; k++) {
            size_t whole = steps_of(units[i], LONG, tails[k]), half = steps_of(units[i], LONG / 2, tails[k]);
            if (whole > 4 * plain)
                fail_msg("\"%s\"%s: %zu steps, plain %zu", units[i], tails[k], whole, plain);
            if (whole > half * 5 / 2 + plain) /* what is refused early is cheap */
                fail_msg("\"%s\"%s: %zu steps for the whole, %zu for half", units[i], tails[k], whole, half);
        }
    }
}

static void longer_than_any_line_is_external(void **state)
{
    (void)state;
    struct recipient rcpt;
    size_t len = READING_MAX + 100;
    char *arg = malloc(len);
    assert_non_null(arg);
    memset(arg, 'a', len);
    recipient_read(support_ours, &support_server, bytes_of(arg, len), &rcpt);
    assert_true(rcpt.external && rcpt.domains_cut);
    memset(arg, ' ', len); /* but blanks don't count */
    memcpy(arg + 60000, "<user@local.example>", 20);
    recipient_read(support_ours, &support_server, bytes_of(arg, len), &rcpt);
    assert_false(rcpt.external);
    memcpy(arg + 60000, "<user@ext.example>  ", 20);
    recipient_read(support_ours, &support_server, bytes_of(arg, len), &rcpt);
    assert_true(rcpt.external && !rcpt.domains_cut);
    free(arg);
}

static void the_server_may_be_unknown(void **state)
{
    (void)state;
    struct recipient rcpt;
    struct ip_addr six = {.family = 6, .at = {0x20, 0x01, 0x0d, 0xb8, [15] = 0x25}};
    recipient_read(support_ours, NULL, bytes_str("<user@[192.0.2.25]>"), &rcpt);
    assert_true(rcpt.external);
    recipient_read(support_ours, &six, bytes_str("<user@[IPv6:2001:db8::25]>"), &rcpt);
    assert_false(rcpt.external);
    recipient_read(support_ours, &six, bytes_str("<user@[192.0.2.25]>"), &rcpt);
    assert_true(rcpt.external);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_that_are_forbidden),         cmocka_unit_test(truncation),
        cmocka_unit_test(what_follows_does_not_matter),     cmocka_unit_test(work_is_linear),
        cmocka_unit_test(longer_than_any_line_is_external), cmocka_unit_test(the_server_may_be_unknown),
    };
    return cmocka_run_group_tests(tests, support_recipient_setup, support_recipient_teardown);
}
