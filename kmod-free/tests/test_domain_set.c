/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "kmod-free/domain_set.h"
#include "kmod-free/tests/support.h"

static struct domain_set *set_of(const char *const *entries)
{
    struct domain_set *s = domain_set_new();
    assert_non_null(s);
    for (; *entries != NULL; entries++)
        assert_null(domain_set_add(s, *entries));
    assert_true(domain_set_seal(s));
    return s;
}

/* Every lookup reads a copy that ends at a page that can't be touched. */
static bool has(const struct domain_set *s, const char *domain)
{
    struct bytes b = guard_copy(bytes_str(domain));
    bool yes = domain_set_has(s, b);
    guard_free(b);
    return yes;
}

static void covers_what_it_names(void **state)
{
    (void)state;
    static const char *const entries[] = {"local.example", "Mail.Local.Example.", ".wide.example", NULL};
    static const char *const ours[] = {
        "local.example",
        "LOCAL.eXample",
        "local.example.",
        "mail.local.example",
        "wide.example",
        "x.wide.example",
        "a.b.WIDE.example",
        "x.wide.example.",
        "localhost",
        "LocalHost.",
        "",
    };
    static const char *const others[] = {
        "xlocal.example",
        "sub.local.example",
        "local.exampl",
        "ocal.example",
        "local.example..",
        ".",
        "..",
        ".local.example",
        "local.example.x.org",
        "xwide.example",
        "example",
        "local.example ",
        "*",
        "-",
        " local.example",
        "localhost.example",
        "wide.example.x",
        "local example",
        "localhost..",
        ".localhost",
    };
    struct domain_set *s = set_of(entries);
    assert_int_equal(domain_set_size(s), 3);
    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++)
        if (!has(s, ours[i]))
            fail_msg("not ours: \"%s\"", ours[i]);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (has(s, others[i]))
            fail_msg("ours: \"%s\"", others[i]);
    domain_set_free(s);
}

static void an_empty_set_has_what_is_always_ours(void **state)
{
    (void)state;
    static const char *const none[] = {NULL};
    struct domain_set *s = set_of(none);
    assert_int_equal(domain_set_size(s), 0);
    assert_true(has(s, ""));
    assert_true(has(s, "localhost"));
    assert_true(has(s, "[127.0.0.1]"));
    assert_false(has(s, "local.example"));
    assert_false(has(s, "[127.0.0.2]"));
    assert_false(has(s, "[IPv6:::1]"));
    domain_set_free(s);
    domain_set_free(NULL);
}

static void literals_are_addresses(void **state)
{
    (void)state;
    static const char *const entries[] = {"[192.0.2.25]", "[IPv6:2001:db8::25]", "[ipv6:2001:DB8:0:0:0:0:0:25]", NULL};
    static const char *const ours[] = {
        "[192.0.2.25]", "[127.0.0.1]", "[IPv6:2001:db8::25]", "[ipv6:2001:0DB8::0025]", "[IPV6:2001:db8:0::25]",
    };
    static const char *const others[] = {
        "[192.0.2.26]",
        "[192.0.2.025]",
        "[192.0.2]",
        "[192.0.2.25",
        "192.0.2.25",
        "[192.0.2.25]x",
        "[3221225985]",
        "[0xc0.0.2.25]",
        "[192.0.2.25.1]",
        "[2001:db8::25]",
        "[IPv6:192.0.2.25]",
        "[IPv4:192.0.2.25]",
        "[IPv6:]",
        "[IPv6:::1]",
        "[]",
        "[",
        "[IPv6:2001:db8::26]",
        "[ 192.0.2.25]",
        "[192.0.2.25 ]",
        "[192..2.25]",
        "[192.0.2.256]",
        "[[192.0.2.25]]",
        "[IPv6:2001:db8::25%0]",
        "[192.0.2.0025]",
        "[1920.0.2.25]",
        "[IPv6:2001:db8::25:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0]",
    };
    struct domain_set *s = set_of(entries);
    struct ip_addr four = {.family = 4, .at = {192, 0, 2, 25}}, six = {.family = 6, .at = {192, 0, 2, 25}};
    assert_int_equal(domain_set_size(s), 2);
    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++)
        if (!has(s, ours[i]))
            fail_msg("not ours: \"%s\"", ours[i]);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (has(s, others[i]))
            fail_msg("ours: \"%s\"", others[i]);
    assert_true(domain_set_has_address(s, &four));
    assert_false(domain_set_has_address(s, &six));
    domain_set_free(s);
}

static void u_labels_and_a_labels_are_one_name(void **state)
{
    (void)state;
    static const char *const entries[] = {"b\303\274cher.example", "xn--strae-oqa.example",
                                          ".\xc3\xa9t\xc3\xa9.example", NULL};
    static const char *const ours[] = {
        "b\303\274cher.example",     "xn--bcher-kva.example",
        "XN--BCHER-KVA.EXAMPLE",     "B\303\274cher.Example",
        "B\303\234CHER.EXAMPLE",     "xn--strae-oqa.example",
        "stra\303\237e.example",     "b\303\274cher.example.",
        "\xc3\xa9t\xc3\xa9.example", "\xc3\xbc.\xc3\xa9t\xc3\xa9.example",
    };
    /* look-alikes: an ideographic full stop, full width, a zero width space, a soft hyphen, raw Latin-1 */
    static const char *const others[] = {
        "b\303\274cher\343\200\202example",
        "\357\275\202\303\274cher.example",
        "b\303\274cher.example\xe2\x80\x8b",
        "b\303\274\302\255cher.example",
        "b\374cher.example",
        "bu\314\210cher.example.org",
        "strasse.example",
        "\xff.b\303\274cher.example",
        "\xe2\x84\xa1.example",
    };
    struct domain_set *s = set_of(entries);
    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++)
        if (!has(s, ours[i]))
            fail_msg("not ours: \"%s\"", ours[i]);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (has(s, others[i]))
            fail_msg("ours: \"%s\"", others[i]);
    domain_set_free(s);
}

static void ascii_look_alikes_of_an_ascii_name_are_not_ours(void **state)
{
    (void)state;
    static const char *const entries[] = {"local.example", NULL};
    struct domain_set *s = set_of(entries);
    assert_false(has(s, "local\343\200\202example"));
    assert_false(has(s, "\357\275\214ocal.example"));
    assert_false(has(s, "local.example\xe2\x80\x8b"));
    assert_false(has(s, "loc\302\255al.example"));
    domain_set_free(s);
}

static void nul_is_a_byte_like_any_other(void **state)
{
    (void)state;
    static const char *const entries[] = {"local.example", NULL};
    struct domain_set *s = set_of(entries);
    assert_false(domain_set_has(s, bytes_of("local.example\0", 14)));
    assert_false(domain_set_has(s, bytes_of("local.example\0\xc3\xbc", 16)));
    assert_false(domain_set_has(s, bytes_of("\0", 1)));
    assert_false(domain_set_has(s, bytes_of("\x04\x7f\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\0", 17))); /* an address's key */
    domain_set_free(s);
}

static void nonsense_is_refused_and_says_why(void **state)
{
    (void)state;
    static const struct {
        const char *entry, *why;
    } bad[] = {
        {"", "empty"},
        {".", "empty label"},
        {"..", "empty label"},
        {"a..b", "empty label"},
        {"a.example..", "empty label"},
        {"..a", "empty label"},
        {"user@local.example", "@"},
        {"local example", "blank"},
        {"local.example\t", "blank"},
        {"*.local.example", ".local.example covers"},
        {"local,example", "character"},
        {"local.example:25", "character"},
        {"<local.example>", "character"},
        {"192.0.2.25", "brackets"},
        {"[192.0.2.300]", "literal"},
        {"[192.0.2.25", "literal"},
        {"[]", "literal"},
        {"[2001:db8::1]", "literal"},
        {"[local.example]", "literal"},
        {"\xff.example", "internationalised"},
        {"a\xcc\x88\xcc", "internationalised"},
    };
    struct domain_set *s = domain_set_new();
    char label[80] = {0}, whole[300] = {0};
    assert_non_null(s);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const char *why = domain_set_add(s, bad[i].entry);
        if (why == NULL || strstr(why, bad[i].why) == NULL)
            fail_msg("\"%s\": %s", bad[i].entry, why == NULL ? "accepted" : why);
    }
    memset(label, 'a', 64);
    assert_non_null(strstr(domain_set_add(s, label), "63"));
    label[63] = '\0';
    assert_null(domain_set_add(s, label));
    for (size_t i = 0; i < 254; i++)
        whole[i] = i % 2 == 1 ? '.' : 'a';
    whole[253] = 'a';
    assert_non_null(strstr(domain_set_add(s, whole), "253"));
    memset(whole, 'a', 299);
    assert_non_null(strstr(domain_set_add(s, whole), "253"));
    assert_int_equal(domain_set_size(s), 1);
    domain_set_free(s);
}

static void long_names_are_bounded(void **state)
{
    (void)state;
    static const char *const entries[] = {".local.example", NULL};
    struct domain_set *s = set_of(entries);
    uint8_t name[70000];
    memset(name, 'a', sizeof name);
    for (size_t i = 1; i < sizeof name; i += 2)
        name[i] = '.';
    memcpy(name + sizeof name - 14, ".local.example", 14);
    assert_false(domain_set_has(s, bytes_of(name, sizeof name)));
    assert_false(domain_set_has(s, bytes_of(name + sizeof name - 257, 257)));
    assert_true(domain_set_has(s, bytes_of(name + sizeof name - 254, 254)));
    name[1] = 0xc3;
    assert_false(domain_set_has(s, bytes_of(name, sizeof name)));
    domain_set_free(s);
}

static void canonical(const char *in, const char *want)
{
    uint8_t out[64], again[64];
    struct bytes b = guard_copy(bytes_str(in));
    size_t n = domain_canonical(b, out, sizeof out);
    guard_free(b);
    if (n != strlen(want) || memcmp(out, want, n) != 0)
        fail_msg("\"%s\" became \"%.*s\"", in, (int)n, (const char *)out);
    assert_int_equal(domain_canonical(bytes_of(out, n), again, sizeof again), n);
    assert_memory_equal(again, out, n);
}

static void canonical_form(void **state)
{
    (void)state;
    uint8_t out[8] = {0};
    canonical("Ext.EXAMPLE", "ext.example");
    canonical("ext.example.", "ext.example");
    canonical("ext.example..", "ext.example..");
    canonical(".", ".");
    canonical("", "");
    canonical("B\303\274cher.example", "xn--bcher-kva.example");
    canonical("B\303\234CHER.example", "xn--bcher-kva.example");
    canonical("X\xff.Y", "x\xff.y");
    canonical("local\343\200\202Example", "local\343\200\202example");
    canonical("[IPv6:2001:DB8::1]", "[ipv6:2001:db8::1]");
    assert_int_equal(domain_canonical(bytes_str("Example.ORG"), out, 4), 4);
    assert_memory_equal(out, "exam\0\0\0\0", 8);
    assert_int_equal(domain_canonical(bytes_str("b\303\274cher.example"), out, 4), 4);
    assert_memory_equal(out, "xn--\0\0\0\0", 8);
    assert_int_equal(domain_canonical(bytes_str("a"), out, 0), 0);
}

static void a_hundred_thousand_entries(void **state)
{
    (void)state;
    enum { MANY = 100000 };
    struct domain_set *s = domain_set_new();
    char name[40];
    assert_non_null(s);
    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof name, "%sd%d.example", i % 3 == 0 ? "." : "", i);
        assert_null(domain_set_add(s, name));
    }
    for (int i = 0; i < MANY; i += 100) { /* repeats, which also widen what is there */
        snprintf(name, sizeof name, ".d%d.example", i);
        assert_null(domain_set_add(s, name));
    }
    assert_true(domain_set_seal(s));
    assert_int_equal(domain_set_size(s), MANY);
    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof name, "d%d.example", i);
        assert_true(domain_set_has(s, bytes_str(name)));
        snprintf(name, sizeof name, "x.D%d.example.", i);
        assert_int_equal(domain_set_has(s, bytes_str(name)), i % 3 == 0 || i % 100 == 0);
        snprintf(name, sizeof name, "e%d.example", i);
        assert_false(domain_set_has(s, bytes_str(name)));
    }
    domain_set_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(covers_what_it_names),
        cmocka_unit_test(an_empty_set_has_what_is_always_ours),
        cmocka_unit_test(literals_are_addresses),
        cmocka_unit_test(u_labels_and_a_labels_are_one_name),
        cmocka_unit_test(ascii_look_alikes_of_an_ascii_name_are_not_ours),
        cmocka_unit_test(nul_is_a_byte_like_any_other),
        cmocka_unit_test(nonsense_is_refused_and_says_why),
        cmocka_unit_test(long_names_are_bounded),
        cmocka_unit_test(canonical_form),
        cmocka_unit_test(a_hundred_thousand_entries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
