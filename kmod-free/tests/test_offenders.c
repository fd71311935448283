/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kmod-free/offenders.h"

#include "kmod-free/policy.h"
#include "kmod-free/tests/support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const uint8_t key[FLOW_KEY_BYTES] = {1, 2, 3};

static struct ip_addr address(const char *text)
{
    struct network n;

    assert_true(network_parse(text, &n));
    return n.addr;
}

static uint32_t add(struct offenders *t, const char *who, int64_t seconds)
{
    struct ip_addr a = address(who);

    return offenders_add(t, &a, (struct mono){seconds * NS_PER_S}, 60 * NS_PER_S);
}

static void counts_each_source(void **state)
{
    struct offenders t;

    (void)state;
    assert_true(offenders_new(&t, key));
    assert_int_equal(add(&t, "192.0.2.1", 100), 1);
    assert_int_equal(add(&t, "192.0.2.1", 101), 2);
    assert_int_equal(add(&t, "192.0.2.2", 101), 1);
    assert_int_equal(add(&t, "192.0.2.1", 161), 3); /* 60 s later: still known */
    assert_int_equal(add(&t, "192.0.2.1", 222), 1); /* 61 s: forgotten */
    struct ip_addr a = address("192.0.2.1");
    offenders_forget(&t, &a);
    assert_int_equal(add(&t, "192.0.2.1", 223), 1);
    assert_int_equal(add(&t, "192.0.2.2", 160), 2);
    offenders_free(&t);
}

/* An IPv6 client has its /64 to choose from. */
static void ipv6_by_64(void **state)
{
    struct offenders t;

    (void)state;
    assert_true(offenders_new(&t, key));
    assert_int_equal(add(&t, "2001:db8:1:2::1", 1), 1);
    assert_int_equal(add(&t, "2001:db8:1:2:ffff:ffff:ffff:ffff", 1), 2);
    assert_int_equal(add(&t, "2001:db8:1:3::1", 1), 1);
    struct ip_addr a = address("2001:db8:1:2::abcd");
    offenders_forget(&t, &a);
    assert_int_equal(add(&t, "2001:db8:1:2::1", 1), 1);
    /* The same bytes in the other family are somebody else. */
    assert_int_equal(add(&t, "32.1.13.184", 1), 1);
    offenders_free(&t);
}

/* More sources than there is room for: the quiet ones go first, and nothing else happens. */
static void a_crowd(void **state)
{
    struct offenders t;
    uint32_t highest = 0;

    (void)state;
    assert_true(offenders_new(&t, key));
    for (uint32_t i = 0; i < 3 * OFFENDERS_SETS * OFFENDERS_WAYS; i++) {
        struct ip_addr a = {.family = 4, .at = {10, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i}};
        assert_int_equal(offenders_add(&t, &a, (struct mono){i}, NS_PER_S), 1);
        struct ip_addr busy = address("192.0.2.1"); /* never quiet for long */
        uint32_t count = offenders_add(&t, &busy, (struct mono){i}, NS_PER_S);
        assert_true(count == highest + 1);
        highest = count;
    }
    offenders_free(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_each_source),
        cmocka_unit_test(ipv6_by_64),
        cmocka_unit_test(a_crowd),
    };

    return cmocka_run_group_tests_name("offenders", tests, NULL, NULL);
}
