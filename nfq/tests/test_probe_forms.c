/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "nfq/probe_forms.h"

static void only_plain_addresses_are_taken(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "a", "@b", "a@", "a@b\r\nDATA", "a b@c", "<a@b>", "a@b@c", "a%b@c", "a@.b", "a@b.",
                                      "\"a\"@b", "a!b@c", "a@[192.0.2.1]"};
    struct probe_address a;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(probe_address_parse(bad[i], &a));
    assert_true(probe_address_parse("First.Last+tag_1@mail-1.example.org", &a));
    assert_string_equal(a.user, "First.Last+tag_1");
    assert_string_equal(a.domain, "mail-1.example.org");
}

static void a_domain_is_own_if_the_servers_name_lies_in_it(void **state)
{
    (void)state;
    assert_true(probe_domain_own("example.org", "example.org"));
    assert_true(probe_domain_own("EXAMPLE.org", "mail.Example.org"));
    assert_false(probe_domain_own("ample.org", "example.org"));
    assert_false(probe_domain_own("lists.example.org", "example.org")); /* may be somebody else's */
    assert_false(probe_domain_own("another.example", "mail.example.org"));
    assert_false(probe_domain_own("example.org", ""));
}

static struct probe_subject subject(void)
{
    struct probe_subject s = {.local = "local.example", .literal = "[192.0.2.25]"};
    assert_true(probe_address_parse("me@sender.example", &s.from));
    assert_true(probe_address_parse("u@ext.example", &s.to));
    return s;
}

static size_t form_named(const char *name)
{
    for (size_t i = 0; i < probe_form_count(); i++)
        if (strcmp(probe_form_name(i), name) == 0)
            return i;
    fail_msg("no form %s", name);
    return 0;
}

static void forms_are_written(void **state)
{
    (void)state;
    static const struct {
        const char *name, *mail, *rcpt;
    } cases[] = {
        {"plain", "<me@sender.example>", "<u@ext.example>"},
        {"null-sender", "<>", "<u@ext.example>"},
        {"sender-literal", "<me@[192.0.2.25]>", "<u@ext.example>"},
        {"no-brackets", "me@sender.example", "u@ext.example"},
        {"percent", "<me@sender.example>", "<u%ext.example@local.example>"},
        {"bang-literal", "<me@sender.example>", "<ext.example!u@[192.0.2.25]>"},
        {"source-route", "<me@sender.example>", "<@local.example:u@ext.example>"},
        {"quoted-local", "<me@sender.example>", "<\"u@ext.example\"@local.example>"},
        {"imcea", "<me@sender.example>", "<IMCEASMTP-u+40ext.example@local.example>"},
    };
    struct probe_subject s = subject();
    char mail[PROBE_PATH_MAX], rcpt[PROBE_PATH_MAX];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        probe_form_write(form_named(cases[i].name), &s, mail, rcpt);
        assert_string_equal(mail, cases[i].mail);
        assert_string_equal(rcpt, cases[i].rcpt);
    }
}

static void the_longest_parts_fit_every_form(void **state)
{
    (void)state;
    struct probe_subject s = subject();
    char mail[PROBE_PATH_MAX], rcpt[PROBE_PATH_MAX];
    char *const parts[] = {s.from.user, s.from.domain, s.to.user, s.to.domain, s.local, s.literal};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        memset(parts[i], 'x', PROBE_ADDRESS_MAX - 1);
        parts[i][PROBE_ADDRESS_MAX - 1] = '\0';
    }
    for (size_t i = 0; i < probe_form_count(); i++) {
        probe_form_write(i, &s, mail, rcpt);
        assert_null(strpbrk(rcpt, "\r\n"));
        for (size_t other = 0; other < i; other++)
            assert_string_not_equal(probe_form_name(i), probe_form_name(other));
    }
}

static void verdicts(void **state)
{
    (void)state;
    size_t plain = form_named("plain"), percent = form_named("percent");
    assert_int_equal(probe_judge(plain, &(struct probe_outcome){true, 250, 250, false, false}, true), PROBE_RELAYS);
    assert_int_equal(probe_judge(plain, &(struct probe_outcome){true, 250, 251, false, false}, false), PROBE_RELAYS);
    assert_int_equal(probe_judge(percent, &(struct probe_outcome){true, 250, 250, false, false}, true), PROBE_UNPROVEN);
    assert_int_equal(probe_judge(percent, &(struct probe_outcome){true, 250, 250, false, false}, false), PROBE_RELAYS);
    assert_int_equal(probe_judge(plain, &(struct probe_outcome){true, 250, 550, false, false}, true), PROBE_CLOSED);
    assert_int_equal(probe_judge(plain, &(struct probe_outcome){true, 250, 454, false, false}, true), PROBE_CLOSED);
    assert_int_equal(probe_judge(plain, &(struct probe_outcome){true, 501, 0, false, false}, true), PROBE_CLOSED);
    assert_int_equal(probe_judge(plain, &(struct probe_outcome){true, 250, 0, true, false}, true), PROBE_CLOSED);
    assert_int_equal(probe_judge(plain, &(struct probe_outcome){true, 250, 0, false, false}, true), PROBE_TROUBLE);
    assert_int_equal(probe_judge(plain, &(struct probe_outcome){false, 0, 0, true, false}, true), PROBE_TROUBLE);
    /* what waiting, or TLS, may change is not closed */
    assert_int_equal(probe_judge(plain, &(struct probe_outcome){true, 250, 451, false, false}, true), PROBE_LATER);
    assert_int_equal(probe_judge(plain, &(struct probe_outcome){true, 250, 421, true, false}, true), PROBE_LATER);
    assert_int_equal(probe_judge(plain, &(struct probe_outcome){true, 450, 0, false, false}, true), PROBE_LATER);
    assert_int_equal(probe_judge(plain, &(struct probe_outcome){true, 530, 0, false, true}, true), PROBE_LATER);
    assert_int_equal(probe_judge(plain, &(struct probe_outcome){true, 530, 0, false, false}, true), PROBE_CLOSED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_plain_addresses_are_taken),
        cmocka_unit_test(a_domain_is_own_if_the_servers_name_lies_in_it),
        cmocka_unit_test(forms_are_written),
        cmocka_unit_test(the_longest_parts_fit_every_form),
        cmocka_unit_test(verdicts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
