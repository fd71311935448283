/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "nfq/parking.h"

static struct parking p;

static bool keep(uint32_t flow, const char *text, int64_t until_ms)
{
    return parking_keep(&p, flow, bytes_of(text, strlen(text)), (struct mono){until_ms * NS_PER_MS});
}

static void assert_is(struct bytes got, const char *text)
{
    assert_int_equal(got.len, strlen(text));
    assert_memory_equal(got.at, text, got.len);
}

static struct mono at_ms(int64_t ms)
{
    return (struct mono){ms * NS_PER_MS};
}

static int empty(void **state)
{
    (void)state;
    parking_begin(&p);
    return 0;
}

static void a_flow_gets_its_own_in_the_order_in_which_they_came(void **state)
{
    (void)state;
    assert_true(keep(7, "a", 100));
    assert_true(keep(0, "b", 100));
    assert_true(keep(7, "c", 100));
    assert_int_equal(parking_take(&p, 8).len, 0);
    assert_is(parking_take(&p, 7), "a");
    assert_is(parking_take(&p, 7), "c");
    assert_int_equal(parking_take(&p, 7).len, 0);
    assert_is(parking_take(&p, 0), "b");
    assert_int_equal(p.taken, 0);
}

static void whose_time_is_over_is_due_whatever_came_before_it(void **state)
{
    (void)state;
    assert_true(keep(1, "a", 150));
    assert_true(keep(2, "b", 50));
    assert_int_equal(parking_take_due(&p, at_ms(49)).len, 0);
    assert_int_equal(parking_wait_ms(&p, at_ms(20), 200), 30);
    assert_int_equal(parking_wait_ms(&p, (struct mono){20 * NS_PER_MS + 1}, 200), 30); /* rounded up */
    assert_int_equal(parking_wait_ms(&p, at_ms(20), 10), 10);
    assert_int_equal(parking_wait_ms(&p, at_ms(60), 10), 0);
    assert_is(parking_take_due(&p, at_ms(50)), "b");
    assert_int_equal(parking_take_due(&p, at_ms(50)).len, 0);
    assert_is(parking_take_due(&p, at_ms(151)), "a");
    assert_int_equal(parking_wait_ms(&p, at_ms(0), 10), 10);
}

static void what_finds_no_room_is_not_kept(void **state)
{
    static char big[PARKING_MESSAGE + 1];
    (void)state;
    assert_false(parking_keep(&p, 1, bytes_of(big, sizeof big), at_ms(1)));
    for (uint32_t i = 0; i < PARKING_PLACES; i++)
        assert_true(parking_keep(&p, i, bytes_of(big, PARKING_MESSAGE), at_ms(1)));
    assert_false(keep(99, "x", 1));
    assert_int_equal(parking_take(&p, 5).len, PARKING_MESSAGE);
    assert_true(keep(99, "x", 1));
    assert_false(keep(99, "y", 1));
    for (uint32_t i = 0; i < PARKING_PLACES - 1; i++)
        assert_int_equal(parking_take_due(&p, at_ms(1)).len, PARKING_MESSAGE);
    assert_is(parking_take(&p, 99), "x");
    assert_int_equal(p.taken, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_flow_gets_its_own_in_the_order_in_which_they_came, empty),
        cmocka_unit_test_setup(whose_time_is_over_is_due_whatever_came_before_it, empty),
        cmocka_unit_test_setup(what_finds_no_room_is_not_kept, empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
