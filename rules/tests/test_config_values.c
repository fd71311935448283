/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/config_values.h"

#include "kmod-free/clock.h"
#include "kmod-free/tests/support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* The text where reading one byte too far is seen. */
static const char *guarded(const char *text, struct bytes *copy)
{
    *copy = guard_copy(bytes_of(text, strlen(text) + 1));
    return (const char *)copy->at;
}

static void counts(void **state)
{
    static const struct {
        const char *text;
        bool good;
        uint64_t value;
    } cases[] = {
        {"0", true, 0},
        {"7", true, 7},
        {"0010", true, 10},
        {"65536", true, 65536},
        {"18446744073709551615", true, UINT64_MAX},
        {"18446744073709551616", false, 0},
        {"184467440737095516150", false, 0},
        {"", false, 0},
        {"-1", false, 0},
        {"+1", false, 0},
        {" 1", false, 0},
        {"1 ", false, 0},
        {"1x", false, 0},
        {"0x10", false, 0},
        {"1.5", false, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint64_t value = 42;
        struct bytes copy;
        assert_int_equal(config_count(guarded(cases[i].text, &copy), &value), cases[i].good);
        assert_true(value == (cases[i].good ? cases[i].value : 42));
        guard_free(copy);
    }
}

static void sizes(void **state)
{
    static const struct {
        const char *text;
        bool good;
        uint64_t value;
    } cases[] = {
        {"0", true, 0},
        {"4096", true, 4096},
        {"64k", true, 65536},
        {"1M", true, 1048576},
        {"2G", true, UINT64_C(2) << 30},
        {"17179869183G", true, UINT64_C(17179869183) << 30},
        {"17179869184G", false, 0},
        {"18446744073709551615k", false, 0},
        {"k", false, 0},
        {"1K", false, 0},
        {"1m", false, 0},
        {"1kB", false, 0},
        {"1 k", false, 0},
        {"", false, 0},
        {"64s", false, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint64_t value = 42;
        struct bytes copy;
        assert_int_equal(config_size(guarded(cases[i].text, &copy), &value), cases[i].good);
        assert_true(value == (cases[i].good ? cases[i].value : 42));
        guard_free(copy);
    }
}

static void durations(void **state)
{
    static const struct {
        const char *text;
        bool good;
        int64_t value;
    } cases[] = {
        {"0", true, 0},
        {"0s", true, 0},
        {"500ms", true, 500 * NS_PER_MS},
        {"60s", true, 60 * NS_PER_S},
        {"5min", true, 300 * NS_PER_S},
        {"2h", true, 7200 * NS_PER_S},
        {"1d", true, 86400 * NS_PER_S},
        {"106751d", true, INT64_C(106751) * 86400 * NS_PER_S},
        {"106752d", false, 0}, /* more than 63 bits of nanoseconds */
        {"9223372036854775807s", false, 0},
        {"60", false, 0},
        {"00", false, 0},
        {"5m", false, 0},
        {"5 min", false, 0},
        {"5sec", false, 0},
        {"-5s", false, 0},
        {"s", false, 0},
        {"", false, 0},
        {"1.5s", false, 0},
        {"64k", false, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t value = 42;
        struct bytes copy;
        assert_int_equal(config_duration(guarded(cases[i].text, &copy), &value), cases[i].good);
        assert_true(value == (cases[i].good ? cases[i].value : 42));
        guard_free(copy);
    }
}

static void masks(void **state)
{
    static const struct {
        const char *text;
        bool good;
        uint32_t value;
    } cases[] = {
        {"0x07f00000", true, 0x07f00000},
        {"0X7F", true, 0x7f},
        {"0xFFffFFff", true, 0xffffffff},
        {"0x000000001", true, 1},
        {"0x100000000", false, 0},
        {"0x", false, 0},
        {"0", false, 0},
        {"", false, 0},
        {"07f00000", false, 0},
        {"0x7g", false, 0},
        {"0x7f ", false, 0},
        {"-0x7f", false, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint32_t value = 42;
        struct bytes copy;
        assert_int_equal(config_mask(guarded(cases[i].text, &copy), &value), cases[i].good);
        assert_int_equal(value, cases[i].good ? cases[i].value : 42);
        guard_free(copy);
    }
}

static void flags(void **state)
{
    static const char *const yes[] = {"yes", "true", "on", "YES"};
    static const char *const no[] = {"no", "false", "off", "Off"};
    static const char *const neither[] = {"", "1", "0", "y", "yes ", "none"};
    bool flag;

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        flag = false;
        assert_true(config_flag(yes[i], &flag));
        assert_true(flag);
        assert_true(config_flag(no[i], &flag));
        assert_false(flag);
    }
    for (size_t i = 0; i < sizeof(neither) / sizeof(neither[0]); i++) {
        flag = true;
        assert_false(config_flag(neither[i], &flag));
        assert_true(flag);
    }
}

static void ranges(void **state)
{
    static const struct {
        const char *text;
        bool good;
        uint16_t first, last;
    } cases[] = {
        {"0", true, 0, 0},      {"3", true, 3, 3},        {"0:1", true, 0, 1}, {"65535:0", true, 65535, 0},
        {"65536", false, 0, 0}, {"0:65536", false, 0, 0}, {"0:", false, 0, 0}, {":1", false, 0, 0},
        {"0-1", false, 0, 0},   {"0:1:2", false, 0, 0},   {"", false, 0, 0},   {"0: 1", false, 0, 0},
        {"0:1x", false, 0, 0},  {"-1:1", false, 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint16_t first = 42, last = 43;
        struct bytes copy;
        assert_int_equal(config_range(guarded(cases[i].text, &copy), &first, &last), cases[i].good);
        assert_int_equal(first, cases[i].good ? cases[i].first : 42);
        assert_int_equal(last, cases[i].good ? cases[i].last : 43);
        guard_free(copy);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts), cmocka_unit_test(sizes), cmocka_unit_test(durations),
        cmocka_unit_test(masks),  cmocka_unit_test(flags), cmocka_unit_test(ranges),
    };

    return cmocka_run_group_tests_name("config_values", tests, NULL, NULL);
}
