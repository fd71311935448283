/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "kmod-free/wheel.h"

#define FLOWS   64
#define SLOT    1000
#define LONGEST ((int64_t)SLOT * (WHEEL_SLOTS - 1) - 1) /* makes slots of SLOT ns */

static struct wheel make(void)
{
    struct wheel w;

    assert_true(wheel_new(&w, FLOWS, LONGEST));
    assert_int_equal(w.slot_ns, SLOT);
    return w;
}

static struct mono at(int64_t ns)
{
    return (struct mono){ns};
}

static void none_comes_early_and_none_a_slot_late(void **state)
{
    struct wheel w = make();

    (void)state;
    for (int64_t due = 0; due < 5 * SLOT; due += 77) {
        int64_t from = w.at * SLOT; /* time goes on from case to case */
        int64_t now = from;

        wheel_put(&w, 7, at(from + due));
        while (wheel_due(&w, at(now)) == WHEEL_NONE)
            now += 10;
        assert_true(now >= from + due);
        assert_true(now <= from + due + SLOT + 10);
        assert_int_equal(wheel_due(&w, at(now + LONGEST)), WHEEL_NONE); /* taken out */
    }
    wheel_free(&w);
}

static void oldest_first_then_as_filed(void **state)
{
    static const struct {
        uint32_t index;
        int64_t slot;
    } filed[] = {{3, 9}, {1, 2}, {4, 9}, {0, 2}, {63, 0}, {2, 9}};
    static const uint32_t want[] = {63, 1, 0, 3, 4, 2};
    struct wheel w = make();

    (void)state;
    for (size_t i = 0; i < sizeof filed / sizeof filed[0]; i++)
        wheel_put(&w, filed[i].index, at(filed[i].slot * SLOT + 5));
    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++)
        assert_int_equal(wheel_due(&w, at(100 * SLOT)), want[i]);
    assert_int_equal(wheel_due(&w, at(100 * SLOT)), WHEEL_NONE);
    wheel_free(&w);
}

static void filed_anew_or_taken_out_it_comes_once_or_never(void **state)
{
    struct wheel w = make();

    (void)state;
    wheel_put(&w, 5, at(10 * SLOT));
    wheel_put(&w, 5, at(2 * SLOT));
    wheel_put(&w, 6, at(2 * SLOT));
    wheel_put(&w, 7, at(2 * SLOT));
    wheel_take_out(&w, 6);
    wheel_take_out(&w, 6); /* harmless */
    assert_int_equal(wheel_due(&w, at(4 * SLOT)), 5);
    assert_int_equal(wheel_due(&w, at(4 * SLOT)), 7);
    assert_int_equal(wheel_due(&w, at(40 * SLOT)), WHEEL_NONE);
    wheel_free(&w);
}

/* A clock that begins far from 0, jumps, or files what is long over, or further away than a turn. */
static void any_clock(void **state)
{
    static const int64_t starts[] = {0, 1795494326 * NS_PER_S, INT64_MAX / 2};

    (void)state;
    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++) {
        struct wheel w = make();
        int64_t t = starts[i];

        wheel_put(&w, 1, at(t + LONGEST));
        while (wheel_due(&w, at(t)) != WHEEL_NONE)
            ; /* it doesn't know the time yet, and may come too early */
        wheel_put(&w, 1, at(t + LONGEST));
        assert_int_equal(wheel_due(&w, at(t)), WHEEL_NONE);
        assert_int_equal(wheel_due(&w, at(t + LONGEST / 2)), WHEEL_NONE);
        wheel_put(&w, 2, at(0));
        assert_int_equal(wheel_due(&w, at(t + LONGEST / 2 + SLOT)), 2);
        assert_int_equal(wheel_due(&w, at(t + LONGEST + SLOT)), 1);
        wheel_put(&w, 3, at(t + 3 * LONGEST)); /* comes earlier, and is filed anew by whoever knows better */
        assert_int_equal(wheel_due(&w, at(t + 4 * LONGEST)), 3);
        wheel_put(&w, 4, at(t + 4 * LONGEST + SLOT));
        assert_int_equal(wheel_due(&w, at(t + 4 * LONGEST + 1000 * LONGEST)), 4);
        wheel_free(&w);
    }
}

/* Against a list that is searched from end to end. */
static void like_a_plain_list(void **state)
{
    struct wheel w = make();
    int64_t due[FLOWS], now = 0;
    uint32_t seed = 1, got;

    (void)state;
    for (uint32_t i = 0; i < FLOWS; i++)
        due[i] = -1;
    for (int step = 0; step < 200000; step++) {
        uint32_t i = (seed = seed * 1664525 + 1013904223) >> 16;
        switch (i % 4) {
        case 0:
        case 1:
            due[i / 4 % FLOWS] = now + (int64_t)(i / 4 % 97) * 600;
            wheel_put(&w, i / 4 % FLOWS, at(due[i / 4 % FLOWS]));
            break;
        case 2:
            due[i / 4 % FLOWS] = -1;
            wheel_take_out(&w, i / 4 % FLOWS);
            break;
        case 3:
            now += i / 4 % 3000;
            while ((got = wheel_due(&w, at(now))) != WHEEL_NONE) {
                assert_true(due[got] >= 0 && due[got] / SLOT < now / SLOT);
                due[got] = -1;
            }
            for (uint32_t k = 0; k < FLOWS; k++)
                assert_true(due[k] < 0 || due[k] / SLOT >= now / SLOT);
            break;
        }
    }
    wheel_free(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(none_comes_early_and_none_a_slot_late),
        cmocka_unit_test(oldest_first_then_as_filed),
        cmocka_unit_test(filed_anew_or_taken_out_it_comes_once_or_never),
        cmocka_unit_test(any_clock),
        cmocka_unit_test(like_a_plain_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
