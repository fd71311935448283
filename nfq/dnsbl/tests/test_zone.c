/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "kmod-free/tests/support.h"
#include "nfq/dnsbl/zone.h"

static void a_name_is_kept_in_lower_case_without_the_last_dot(void **state)
{
    (void)state;
    struct dnsbl_zone z;
    dnsbl_zone_defaults(&z);
    assert_true(dnsbl_zone_name(&z, "Zen.Example.ORG."));
    assert_string_equal(z.name, "zen.example.org");
}

static void what_is_no_domain_name_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"", ".", "a..b", ".a", "a b", "a/b", "a\"b", "caf\xc3\xa9.example",
                                      "0123456789012345678901234567890123456789012345678901234567890123.example"};
    struct dnsbl_zone z;
    char longest[DNSBL_ZONE_NAME_MAX + 2];
    dnsbl_zone_defaults(&z);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(dnsbl_zone_name(&z, bad[i]));
    for (size_t i = 0; i < sizeof longest; i++)
        longest[i] = i % 60 == 59 ? '.' : 'x';
    longest[sizeof longest - 1] = '\0';
    assert_false(dnsbl_zone_name(&z, longest));
    longest[sizeof longest - 2] = '\0';
    assert_true(dnsbl_zone_name(&z, longest));
}

static void query_names_are_reversed(void **state)
{
    (void)state;
    struct dnsbl_zone z;
    char name[DNSBL_NAME_MAX + 1];
    dnsbl_zone_defaults(&z);
    assert_true(dnsbl_zone_name(&z, "bl.example"));
    struct endpoint e = support_endpoint("192.0.2.99", 1);
    dnsbl_query_name(&z, &e.addr, name);
    assert_string_equal(name, "99.2.0.192.bl.example"); /* the example of RFC 5782 2.1 */
    e = support_endpoint("255.255.255.255", 1);
    dnsbl_query_name(&z, &e.addr, name);
    assert_string_equal(name, "255.255.255.255.bl.example");
    e = support_endpoint("2001:db8:1:2:3:4:567:89ab", 1); /* RFC 5782 2.4 */
    dnsbl_query_name(&z, &e.addr, name);
    assert_string_equal(name, "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2.bl.example");
}

static void the_longest_name_fits(void **state)
{
    (void)state;
    struct dnsbl_zone z;
    char longest[DNSBL_ZONE_NAME_MAX + 1];
    for (size_t i = 0; i < sizeof longest; i++)
        longest[i] = i % 60 == 59 ? '.' : 'x';
    longest[sizeof longest - 1] = '\0';
    dnsbl_zone_defaults(&z);
    assert_true(dnsbl_zone_name(&z, longest));
    char *out = (char *)guard_room(DNSBL_NAME_MAX + 1);
    struct endpoint e = support_endpoint("2001:db8::1", 1);
    dnsbl_query_name(&z, &e.addr, out);
    assert_int_equal(strlen(out), 64 + DNSBL_ZONE_NAME_MAX);
    guard_room_free((uint8_t *)out, DNSBL_NAME_MAX + 1);
}

static void codes_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint32_t first, last;
    } good[] = {
        {"127.0.0.2", 0x7f000002, 0x7f000002},       {"127.0.0.4-11", 0x7f000004, 0x7f00000b},
        {"127.0.1.0/24", 0x7f000100, 0x7f0001ff},    {"127.0.0.7-7", 0x7f000007, 0x7f000007},
        {"127.128.0.0/16", 0x7f800000, 0x7f80ffff},
    };
    static const char *const bad[] = {"", "-", "127.0.0.2-", "127.0.0.2-1", "127.0.0.2-256", "127.0.0.2-3x", "x",
                                      "127.0.0.2/24", "128.0.0.1", "126.255.255.255", "0.0.0.0/0", "127.255.255.254",
                                      "127.0.0.0/8", "127.255.0.0/16", "127.0.0.0/24-3", "::1",
                                      "127.0.0.2 127.0.0.3"};
    struct dnsbl_range r;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_true(dnsbl_range_parse(good[i].text, &r));
        assert_int_equal(r.first, good[i].first);
        assert_int_equal(r.last, good[i].last);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(dnsbl_range_parse(bad[i], &r));
}

static void an_answer_is_judged(void **state)
{
    (void)state;
    struct dnsbl_zone z;
    uint32_t code;
    dnsbl_zone_defaults(&z);
    static const struct {
        uint32_t addresses[3];
        size_t count;
        enum dnsbl_finding finding;
        uint32_t code;
    } cases[] = {
        {{0}, 0, DNSBL_NOT_LISTED, 0},
        {{0x7f000002}, 1, DNSBL_LISTED, 0x7f000002},
        {{0x7f000001}, 1, DNSBL_NOT_LISTED, 0x7f000001}, /* a code that isn't accepted */
        {{0x7f000101}, 1, DNSBL_NOT_LISTED, 0x7f000101},
        {{0x7f000101, 0x7f00000b}, 2, DNSBL_LISTED, 0x7f00000b},
        {{0x7ffffffc}, 1, DNSBL_ERROR_CODE, 0x7ffffffc}, /* 252: a typing error */
        {{0x7ffffffe}, 1, DNSBL_ERROR_CODE, 0x7ffffffe}, /* 254: an open resolver */
        {{0x7fffffff}, 1, DNSBL_ERROR_CODE, 0x7fffffff}, /* 255: too many questions */
        {{0x7f000002, 0x7ffffffe}, 2, DNSBL_ERROR_CODE, 0x7ffffffe},
        {{0xc0000201}, 1, DNSBL_OUTSIDE, 0xc0000201}, /* a parked domain */
        {{0x7f000002, 0xc0000201}, 2, DNSBL_OUTSIDE, 0xc0000201},
        {{0x80000002}, 1, DNSBL_OUTSIDE, 0x80000002},
        {{0x7effffff}, 1, DNSBL_OUTSIDE, 0x7effffff},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(dnsbl_judge(&z, cases[i].addresses, cases[i].count, &code), cases[i].finding);
        assert_int_equal(code, cases[i].code);
    }
}

static void error_codes_never_list_whatever_is_accepted(void **state)
{
    (void)state;
    struct dnsbl_zone z;
    uint32_t code, all = 0x7ffffffe;
    dnsbl_zone_defaults(&z);
    z.codes[0] = (struct dnsbl_range){0, UINT32_MAX};
    assert_int_equal(dnsbl_judge(&z, &all, 1, &code), DNSBL_ERROR_CODE);
    all = 0x08080808;
    assert_int_equal(dnsbl_judge(&z, &all, 1, &code), DNSBL_OUTSIDE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_is_kept_in_lower_case_without_the_last_dot),
        cmocka_unit_test(what_is_no_domain_name_is_refused),
        cmocka_unit_test(query_names_are_reversed),
        cmocka_unit_test(the_longest_name_fits),
        cmocka_unit_test(codes_are_read),
        cmocka_unit_test(an_answer_is_judged),
        cmocka_unit_test(error_codes_never_list_whatever_is_accepted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
