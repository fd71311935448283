// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kmod-free/bytes.h"
#include "kmod-free/seq.h"
#include "kmod-free/tests/support.h"

static const uint8_t nine[9] = {0x81, 0x02, 0xf3, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09};

/* Each way to take: how much it needs, and what it makes of `nine`. */
enum taker { TAKE_U8, TAKE_BE16, TAKE_BE32, TAKE_RAW_3, TAKE_SKIP_5 };

static bool take(enum taker how, struct bytes *b, uint32_t *value)
{
    struct bytes raw = bytes_of(nine, 9);
    uint16_t half = 0x5555;
    uint8_t byte = 0x55;
    bool taken = false;

    *value = 0x55555555;
    switch (how) {
    case TAKE_U8:
        taken = take_u8(b, &byte);
        *value = byte;
        break;
    case TAKE_BE16:
        taken = take_be16(b, &half);
        *value = half;
        break;
    case TAKE_BE32:
        taken = take_be32(b, value);
        break;
    case TAKE_RAW_3:
        taken = take_raw(b, 3, &raw);
        *value = (uint32_t)raw.len;
        if (!taken)
            assert_null(raw.at);
        break;
    case TAKE_SKIP_5:
        taken = take_skip(b, 5);
        *value = 0;
        break;
    }
    return taken;
}

static void takes_all_or_nothing(void **state)
{
    static const struct {
        enum taker how;
        size_t needs;
        uint32_t value;
    } cases[] = {
        {TAKE_U8, 1, 0x81}, {TAKE_BE16, 2, 0x8102}, {TAKE_BE32, 4, 0x8102f304}, {TAKE_RAW_3, 3, 3}, {TAKE_SKIP_5, 5, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (size_t len = 0; len <= sizeof nine; len++) {
            struct bytes all = guard_copy(bytes_of(nine, len));
            struct bytes b = all;
            uint32_t value;
            bool taken = take(cases[i].how, &b, &value);

            assert_int_equal(taken, len >= cases[i].needs);
            assert_int_equal(value, taken ? cases[i].value : 0);
            assert_int_equal(b.len, taken ? len - cases[i].needs : len);
            assert_ptr_equal(b.at, taken ? all.at + cases[i].needs : all.at);
            guard_free(all);
        }
    }
}

static void taking_nothing_from_nothing(void **state)
{
    struct bytes none = {0}, raw = bytes_of(nine, 9);
    uint8_t byte = 1;

    (void)state;
    assert_true(take_raw(&none, 0, &raw));
    assert_int_equal(raw.len, 0);
    assert_true(take_skip(&none, 0));
    assert_false(take_u8(&none, &byte));
    assert_int_equal(byte, 0);
    assert_null(none.at);
}

static void sub_reader_cannot_pass_its_end(void **state)
{
    struct bytes all = guard_copy(bytes_of(nine, 9)), b = all, inner;
    uint32_t word;
    uint16_t half;

    (void)state;
    assert_true(take_raw(&b, 3, &inner));
    assert_true(take_be16(&inner, &half));
    assert_false(take_be16(&inner, &half)); /* the outer one has the byte, the inner one hasn't */
    assert_false(take_be32(&inner, &word));
    assert_int_equal(inner.len, 1);
    assert_true(take_be32(&b, &word));
    assert_int_equal(word, 0x04050607);
    assert_false(take_raw(&b, SIZE_MAX, &inner));
    assert_int_equal(b.len, 2);
    guard_free(all);
}

static void cutting(void **state)
{
    struct bytes b = bytes_of(nine, 9), c;

    (void)state;
    for (size_t n = 0; n <= 12; n++) {
        size_t kept = n < 9 ? n : 9;
        c = bytes_first(b, n);
        assert_ptr_equal(c.at, nine);
        assert_int_equal(c.len, kept);
        keep_first(&b, 20);
        assert_int_equal(b.len, 9);
        c = bytes_from(b, n);
        assert_int_equal(c.len, 9 - kept);
        if (n < 9)
            assert_ptr_equal(c.at, nine + n);
        else
            assert_null(c.at);
    }
    c = bytes_from((struct bytes){0}, 0);
    assert_int_equal(c.len, 0);
}

static void comparing(void **state)
{
    struct bytes none = {0};
    struct bytes nul = bytes_of("a\0b", 3), nul2 = bytes_of("a\0c", 3);

    (void)state;
    assert_true(bytes_equal(none, none));
    assert_true(bytes_equal(none, bytes_str("")));
    assert_false(bytes_equal(none, bytes_str("x")));
    assert_true(bytes_equal(bytes_str("Rcpt"), bytes_str("Rcpt")));
    assert_false(bytes_equal(bytes_str("Rcpt"), bytes_str("rcpt")));
    assert_false(bytes_equal(bytes_str("Rcpt"), bytes_str("Rcpt ")));
    assert_false(bytes_equal(nul, nul2)); /* NUL ends nothing */

    assert_true(bytes_equal_nocase(none, none));
    assert_true(bytes_equal_nocase(bytes_str("rCpT tO:@[`{"), bytes_str("RcPt To:@[`{")));
    assert_false(bytes_equal_nocase(bytes_str("@"), bytes_str("`"))); /* differ by 0x20, but are no letters */
    assert_false(bytes_equal_nocase(bytes_str("["), bytes_str("{")));
    assert_false(bytes_equal_nocase(bytes_str("\xc0"), bytes_str("\xe0"))); /* letters only in some locales */
    assert_false(bytes_equal_nocase(bytes_str("rcpt"), bytes_str("rcp")));
    assert_false(bytes_equal_nocase(nul, nul2));

    assert_true(bytes_begin_nocase(bytes_str("RCPT TO:<x>"), bytes_str("rcpt")));
    assert_true(bytes_begin_nocase(bytes_str("rcpt"), bytes_str("RCPT")));
    assert_false(bytes_begin_nocase(bytes_str("rcp"), bytes_str("rcpt")));
    assert_true(bytes_begin_nocase(bytes_str("rcp"), none));
    for (int c = 0; c < 256; c++)
        assert_int_equal(ascii_lower((uint8_t)c), c >= 'A' && c <= 'Z' ? c + 32 : c);
}

/* S4: the numbers beside this reader have their own order, which wraps. */
static void s4_sequence_numbers_wrap(void **state)
{
    static const uint32_t starts[] = {0, 1, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff};

    (void)state;
    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++) {
        struct seq a = seq_of(starts[i]), b = seq_add(a, 1), far = seq_add(a, 0x7fffffff);

        assert_true(seq_before(a, b) && seq_after(b, a) && !seq_before(b, a) && !seq_after(a, b));
        assert_true(seq_before(a, far) && seq_after(far, a));
        assert_true(seq_equal(a, a) && !seq_equal(a, b) && !seq_before(a, a) && !seq_after(a, a));
        assert_int_equal(seq_diff(b, a), 1);
        assert_int_equal(seq_diff(a, b), -1);
        assert_int_equal(seq_later(a, b).v, b.v);
        assert_int_equal(seq_later(b, a).v, b.v);
        assert_int_equal(seq_earlier(a, b).v, a.v);
        assert_int_equal(seq_earlier(b, a).v, a.v);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_all_or_nothing),
        cmocka_unit_test(taking_nothing_from_nothing),
        cmocka_unit_test(sub_reader_cannot_pass_its_end),
        cmocka_unit_test(cutting),
        cmocka_unit_test(comparing),
        cmocka_unit_test(s4_sequence_numbers_wrap),
    };
    return cmocka_run_group_tests_name("bytes", tests, NULL, NULL);
}
