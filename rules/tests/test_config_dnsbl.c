/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The DNS blocklists in the configuration. */
#include "rules/tests/config_support.h"

#include <stdio.h>

static void nothing_is_asked_by_default(void **state)
{
    struct config c;

    (void)state;
    read_good(&c, "");
    assert_int_equal(c.dnsbl.zone_count, 0);
    assert_int_equal(c.dnsbl.wait_ns, 500 * NS_PER_MS);
    assert_string_equal(c.policy->lists[0], "");
    assert_int_equal(c.policy->tags[1].on[REASON_DNSBL], ACTION_RESET);
    assert_int_equal(c.policy->tags[1].dnsbl_threshold, 1);
    assert_int_equal(c.policy->tags[1].dnsbl_unknown, ACTION_ACCEPT);
    assert_int_equal(c.policy->tags[2].on[REASON_DNSBL], ACTION_ACCEPT);
    config_free(&c);
}

static void zones_are_read_in_order(void **state)
{
    struct config c;

    (void)state;
    read_good(&c, "dnsbl BL.Example.org {\n codes = { 127.0.0.2, '127.0.0.4-6 127.0.3.0/24' }\n weight = 3\n ipv6 = yes\n"
                  " timeout = 200ms\n check-every = 30s\n retry = 5s\n}\n"
                  "dnsbl \"white.example\" {\n weight = -5\n}\n"
                  "dns { resolver = \"[::1]:5353\"\n wait = 2s\n cache = 100\n ttl-least = 5s\n ttl-most = 10s\n"
                  " exempt = { 192.0.2.0/24, 2001:db8::/32 } }\n"
                  "tag outside { dnsbl = drop\n dnsbl-threshold = 4\n dnsbl-unknown = alert }\n");
    assert_int_equal(c.dnsbl.zone_count, 2);
    const struct dnsbl_zone *z = &c.dnsbl.zones[0];
    assert_string_equal(z->name, "bl.example.org");
    assert_string_equal(c.policy->lists[0], "bl.example.org");
    assert_string_equal(c.policy->lists[1], "white.example");
    assert_string_equal(c.policy->lists[2], "");
    assert_int_equal(z->code_count, 3);
    assert_int_equal(z->codes[1].first, 0x7f000004);
    assert_int_equal(z->codes[2].last, 0x7f0003ff);
    assert_int_equal(z->weight, 3);
    assert_true(z->ipv4 && z->ipv6);
    assert_int_equal(z->timeout_ns, 200 * NS_PER_MS);
    assert_int_equal(z->check_every_ns, 30 * NS_PER_S);
    assert_int_equal(z->retry_ns, 5 * NS_PER_S);
    assert_int_equal(c.dnsbl.zones[1].weight, -5);
    assert_int_equal(c.dnsbl.zones[1].code_count, 1);
    assert_string_equal(c.dnsbl.resolver, "[::1]:5353");
    assert_int_equal(c.dnsbl.wait_ns, 2 * NS_PER_S);
    assert_int_equal(c.dnsbl.cache_entries, 100);
    assert_int_equal(c.dnsbl.exempt_count, 2);
    assert_int_equal(c.policy->tags[1].on[REASON_DNSBL], ACTION_DROP);
    assert_int_equal(c.policy->tags[1].dnsbl_threshold, 4);
    assert_int_equal(c.policy->tags[1].dnsbl_unknown, ACTION_ALERT);
    config_free(&c);
}

static void exempt_are_the_named_and_whoever_is_not_from_the_internet(void **state)
{
    static const char *const never[] = {"192.0.2.7", "10.1.2.3", "127.0.0.1", "192.168.0.1", "172.31.0.1", "100.64.0.1",
                                        "169.254.0.1", "::1", "fe80::1", "fd00::1", "2001:db8:ffff::1"};
    static const char *const asked[] = {"192.0.3.7", "11.1.2.3", "172.32.0.1", "100.128.0.1", "198.51.100.2",
                                        "2001:db9::1", "2000::1"};
    struct config c;

    (void)state;
    read_good(&c, "dns { exempt = '192.0.2.0/24 2001:db8::/32' }");
    for (size_t i = 0; i < sizeof never / sizeof *never; i++) {
        struct endpoint e = support_endpoint(never[i], 1);
        assert_true(dnsbl_exempt(&c.dnsbl, &e.addr));
    }
    for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
        struct endpoint e = support_endpoint(asked[i], 1);
        assert_false(dnsbl_exempt(&c.dnsbl, &e.addr));
    }
    config_free(&c);
}

static void mistakes_name_their_line(void **state)
{
    static const char code[] = "is not an address of 127/8 such as 127.0.0.2, 127.0.0.4-11 or 127.0.1.0/24, or reaches "
                               "into the error codes (127.255.255.x)";
    static const struct {
        const char *text, *error;
    } cases[] = {
        {"dnsbl 'a b' {\n}", "2: dnsbl 'a b': not a domain name of at most 188 characters"},
        {"dnsbl a.example {\n}\ndnsbl A.example {\n}", "4: dnsbl a.example is there twice"},
        {"dnsbl a.example {\n weight = 1001\n}", "2: dnsbl a.example: weight: '1001' is not a number from -1000 to 1000"},
        {"tag outside {\n dnsbl-threshold = 0\n}", "2: tag outside: dnsbl-threshold: '0' is not a number from 1 to 1000"},
        {"tag outside {\n dnsbl-threshold = -2\n}", "2: tag outside: dnsbl-threshold: '-2' is not a number from 1 to 1000"},
        {"dnsbl a.example {\n weight = x\n}", "2: dnsbl a.example: weight: 'x' is not a number from -1000 to 1000"},
        {"dnsbl a.example {\n ipv4 = no\n}", "3: dnsbl a.example: neither ipv4 nor ipv6: it would never be asked"},
        {"dnsbl a.example {\n timeout = 1ms\n}", "2: dnsbl a.example: timeout: '1ms' is out of range (100ms to 60000ms)"},
        {"dnsbl a.example {\n frobnicate = 1\n}", "2: dnsbl a.example: unknown key 'frobnicate'"},
        {"dns {\n resolver = ns.example\n}",
         "2: dns: resolver: 'ns.example' is not ADDRESS, ADDRESS:PORT or [ADDRESS]:PORT"},
        {"dns {\n exempt = 10.0.0.1/8\n}", "2: dns: '10.0.0.1/8' has bits set behind its prefix of /8"},
        {"dns {\n ttl-least = 2h\n}", "2: dns: ttl-least is larger than ttl-most"},
        {"tag outside {\n dnsbl-unknown = maybe\n}",
         "2: tag outside: dnsbl-unknown: 'maybe' is not one of: accept, alert, reset, drop, ban"},
    };
    char expected[512];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(expected, sizeof expected, "dir/test.conf:%s", cases[i].error);
        refused(cases[i].text, expected);
    }
    snprintf(expected, sizeof expected, "dir/test.conf:2: dnsbl a.example: codes: '127.255.255.254' %s", code);
    refused("dnsbl a.example {\n codes = 127.255.255.254\n}", expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_asked_by_default),
        cmocka_unit_test(zones_are_read_in_order),
        cmocka_unit_test(exempt_are_the_named_and_whoever_is_not_from_the_internet),
        cmocka_unit_test(mistakes_name_their_line),
    };

    return cmocka_run_group_tests_name("config_dnsbl", tests, NULL, NULL);
}
