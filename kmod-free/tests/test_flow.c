/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kmod-free/flow.h"
#include "kmod-free/tests/support.h"

static const uint8_t key[FLOW_KEY_BYTES] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
static const struct mono now = {12345};

static void table_or_fail(struct flow_table *t, uint32_t max)
{
    assert_true(flow_table_new(t, max, key));
}

static uint32_t find(const struct flow_table *t, struct endpoint src, struct endpoint dst, enum role *from)
{
    return flow_find(t, &src, &dst, from);
}

static uint32_t make(struct flow_table *t, struct endpoint client, struct endpoint server)
{
    return flow_make(t, &client, &server, now);
}

static void both_directions_find_the_same_flow(void **state)
{
    (void)state;
    const char *const pairs[][2] = {
        {"198.51.100.2", "192.0.2.25"}, {"192.0.2.25", "198.51.100.2"}, {"2001:db8::1", "2001:db8::2"},
        {"2001:db8::2", "2001:db8::1"}, {"192.0.2.1", "192.0.2.1"},
    };
    enum role from;

    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        struct flow_table t;
        struct endpoint client = support_endpoint(pairs[i][0], 40112), server = support_endpoint(pairs[i][1], 25);
        table_or_fail(&t, 8);
        assert_int_equal(find(&t, client, server, &from), FLOW_NONE);
        uint32_t index = make(&t, client, server);
        assert_true(index < 8);
        assert_int_equal(find(&t, client, server, &from), index);
        assert_int_equal(from, ROLE_CLIENT);
        assert_int_equal(find(&t, server, client, &from), index);
        assert_int_equal(from, ROLE_SERVER);
        assert_true(t.flows[index].used);
        assert_true(endpoint_equal(&t.flows[index].of[ROLE_CLIENT], &client));
        assert_true(endpoint_equal(&t.flows[index].of[ROLE_SERVER], &server));
        assert_int_equal(t.flows[index].last.ns, now.ns);
        flow_free(&t, index);
        assert_int_equal(find(&t, client, server, &from), FLOW_NONE);
        assert_int_equal(find(&t, server, client, &from), FLOW_NONE);
        flow_table_free(&t);
    }
}

/* Changing any byte of either address, either port or the family makes it another connection. */
static void nearly_the_same_is_another_flow(void **state)
{
    (void)state;
    struct flow_table t;
    enum role from;
    struct endpoint a = support_endpoint("2001:db8::1", 40112), b = support_endpoint("2001:db8::2", 25);

    table_or_fail(&t, 1); /* one bucket: all depends on the comparison */
    uint32_t index = make(&t, a, b);
    for (size_t i = 0; i < 16; i++) {
        struct endpoint other = a;
        other.addr.at[i] ^= 1;
        assert_int_equal(find(&t, other, b, &from), FLOW_NONE);
        other = b;
        other.addr.at[i] ^= 0x80;
        assert_int_equal(find(&t, a, other, &from), FLOW_NONE);
    }
    struct endpoint other = a;
    other.port ^= 1;
    assert_int_equal(find(&t, other, b, &from), FLOW_NONE);
    other.port = a.port ^ 0x100;
    assert_int_equal(find(&t, other, b, &from), FLOW_NONE);
    /* The ports alone change places. */
    struct endpoint c = a, d = b;
    c.port = b.port;
    d.port = a.port;
    assert_int_equal(find(&t, c, d, &from), FLOW_NONE);
    assert_int_equal(find(&t, d, c, &from), FLOW_NONE);
    assert_int_equal(find(&t, a, a, &from), FLOW_NONE);
    assert_int_equal(find(&t, a, b, &from), index);
    flow_table_free(&t);

    /* 192.0.2.1 and the IPv6 address that begins with the same bytes. */
    struct endpoint four = support_endpoint("192.0.2.1", 25), six = four;
    six.addr.family = 6;
    table_or_fail(&t, 1);
    (void)!make(&t, four, support_endpoint("192.0.2.2", 1));
    assert_int_equal(find(&t, six, support_endpoint("192.0.2.2", 1), &from), FLOW_NONE);
    flow_table_free(&t);
}

/* A forged packet from an endpoint to itself. */
static void one_endpoint_twice(void **state)
{
    (void)state;
    struct flow_table t;
    struct endpoint a = support_endpoint("192.0.2.1", 25);
    enum role from;

    table_or_fail(&t, 2);
    uint32_t index = make(&t, a, a);
    assert_int_equal(find(&t, a, a, &from), index);
    assert_int_equal(from, ROLE_CLIENT);
    flow_free(&t, index);
    assert_int_equal(find(&t, a, a, &from), FLOW_NONE);
    flow_table_free(&t);
}

static void roles_change_places(void **state)
{
    (void)state;
    struct flow_table t;
    struct endpoint a = support_endpoint("192.0.2.1", 25), b = support_endpoint("192.0.2.2", 40000);
    enum role from;

    table_or_fail(&t, 4);
    uint32_t index = make(&t, a, b);
    flow_swap_roles(&t, index);
    assert_int_equal(find(&t, b, a, &from), index);
    assert_int_equal(from, ROLE_CLIENT);
    assert_int_equal(find(&t, a, b, &from), index);
    assert_int_equal(from, ROLE_SERVER);
    flow_free(&t, index);
    assert_int_equal(find(&t, a, b, &from), FLOW_NONE);
    flow_table_free(&t);
}

static void s3_full_is_an_answer(void **state)
{
    (void)state;
    struct flow_table t;
    struct endpoint server = support_endpoint("192.0.2.25", 25);
    enum role from;

    table_or_fail(&t, 3);
    for (uint16_t i = 0; i < 3; i++)
        assert_int_equal(make(&t, support_endpoint("198.51.100.2", (uint16_t)(1000 + i)), server), i);
    assert_int_equal(make(&t, support_endpoint("198.51.100.2", 2000), server), FLOW_NONE);
    assert_int_equal(t.refused, 1);
    assert_int_equal(t.used, 3);
    assert_int_equal(find(&t, support_endpoint("198.51.100.2", 2000), server, &from), FLOW_NONE);
    flow_free(&t, 1);
    assert_int_equal(make(&t, support_endpoint("198.51.100.2", 2000), server), 1);
    assert_int_equal(t.used, 3);
    assert_int_equal(t.peak, 3);
    assert_int_equal(t.fresh, 3);
    flow_table_free(&t);
}

#define PORTS 300
#define ROOM  200

/* Random making, ending and looking up, against an array by port. Small tables make long chains. */
static void does_what_an_array_does(void **state)
{
    (void)state;
    struct endpoint client = support_endpoint("198.51.100.2", 0), server = support_endpoint("192.0.2.25", 25);
    uint32_t random = 1, expected = 0;

    for (uint32_t max = 1; max <= ROOM; max += 1 + max / 3) {
        struct flow_table t;
        uint32_t index_of[PORTS], used = 0;
        memset(index_of, 0xff, sizeof(index_of));
        table_or_fail(&t, max);
        for (int i = 0; i < 20000; i++) {
            enum role from = ROLE_SERVER;
            random = random * 1664525 + 1013904223;
            uint16_t port = (uint16_t)((random >> 10) % PORTS);
            client.port = port;
            uint32_t found = flow_find(&t, &client, &server, &from);
            assert_int_equal(found, index_of[port]);
            assert_int_equal(from, ROLE_CLIENT);
            assert_int_equal(flow_find(&t, &server, &client, &from), found);
            struct endpoint later = client;
            later.port = (uint16_t)((random >> 4) % PORTS);
            if (flow_expect(&t, &later, &server) != FLOW_NONE)
                expected++; /* and changes nothing */
            if (random >> 31) {
                if (found != FLOW_NONE)
                    continue;
                index_of[port] = flow_make(&t, &client, &server, now);
                assert_int_equal(index_of[port] == FLOW_NONE, used == max);
                used += used < max;
            } else if (found != FLOW_NONE) {
                flow_free(&t, found);
                index_of[port] = FLOW_NONE;
                used--;
            }
            assert_int_equal(t.used, used);
        }
        flow_table_free(&t);
    }
    assert_true(expected > 0);
}

static uint32_t longest_chain(const struct flow_table *t)
{
    uint32_t longest = 0;

    for (uint32_t b = 0; b < t->level + t->split; b++) {
        uint32_t len = 0;
        for (uint32_t i = t->buckets[b]; i != 0; i = t->links[i - 1].chain)
            len++;
        longest = len > longest ? len : longest;
    }
    return longest;
}

/* Endpoints that count up, as they do when one host opens many connections, spread as if drawn by lot. */
static void chains_stay_short(void **state)
{
    (void)state;
    struct flow_table t;
    struct endpoint client = support_endpoint("198.51.100.2", 0), server = support_endpoint("192.0.2.25", 25);

    table_or_fail(&t, 65536);
    for (uint32_t i = 0; i < 65536; i++) {
        client.port = (uint16_t)i;
        assert_true(flow_make(&t, &client, &server, now) != FLOW_NONE);
    }
    assert_in_range(longest_chain(&t), 4, 14);
    flow_table_free(&t);
}

/* Who doesn't know the key doesn't know the bucket. */
static void the_key_decides_the_bucket(void **state)
{
    (void)state;
    struct flow_table one, other;
    uint8_t key2[FLOW_KEY_BYTES];
    struct endpoint client = support_endpoint("198.51.100.2", 0), server = support_endpoint("192.0.2.25", 25);

    memcpy(key2, key, sizeof(key2));
    key2[15] ^= 1;
    table_or_fail(&one, 1024);
    assert_true(flow_table_new(&other, 1024, key2));
    for (uint16_t i = 0; i < 20; i++) {
        client.port = i;
        (void)!flow_make(&one, &client, &server, now);
        (void)!flow_make(&other, &client, &server, now);
    }
    assert_memory_not_equal(one.buckets, other.buckets, 1024 * sizeof(uint32_t));
    flow_table_free(&one);
    flow_table_free(&other);
}

static struct flow_table bugs_table;

static void make_twice(void)
{
    (void)!make(&bugs_table, support_endpoint("192.0.2.1", 1), support_endpoint("192.0.2.2", 2));
    (void)!make(&bugs_table, support_endpoint("192.0.2.2", 2), support_endpoint("192.0.2.1", 1));
}

static void free_twice(void)
{
    uint32_t index = make(&bugs_table, support_endpoint("192.0.2.1", 1), support_endpoint("192.0.2.2", 2));
    flow_free(&bugs_table, index);
    flow_free(&bugs_table, index);
}

static void free_none(void)
{
    flow_free(&bugs_table, FLOW_NONE);
}

static void swap_unused(void)
{
    flow_swap_roles(&bugs_table, 0);
}

static void our_own_bugs_are_assertions(void **state)
{
    (void)state;
    void (*const bugs[])(void) = {make_twice, free_twice, free_none, swap_unused};

    table_or_fail(&bugs_table, 4);
    for (size_t i = 0; i < sizeof(bugs) / sizeof(bugs[0]); i++)
        assert_true(support_aborts(bugs[i]));
    flow_table_free(&bugs_table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_directions_find_the_same_flow),
        cmocka_unit_test(nearly_the_same_is_another_flow),
        cmocka_unit_test(one_endpoint_twice),
        cmocka_unit_test(roles_change_places),
        cmocka_unit_test(s3_full_is_an_answer),
        cmocka_unit_test(does_what_an_array_does),
        cmocka_unit_test(chains_stay_short),
        cmocka_unit_test(the_key_decides_the_bucket),
        cmocka_unit_test(our_own_bugs_are_assertions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
