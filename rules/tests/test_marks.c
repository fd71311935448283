/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/marks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void the_default(void **state)
{
    struct marks m;

    (void)state;
    assert_true(marks_of_mask(MARK_MASK_DEFAULT, &m));
    assert_int_equal(m.mask, 0x07f00000);
    assert_int_equal(m.tag, 0x00f00000);
    assert_int_equal(m.tag_shift, 20);
    assert_int_equal(m.pass, 0x01000000);
    assert_int_equal(m.condemned, 0x02000000);
    assert_int_equal(m.ban, 0x04000000);
}

static void every_place(void **state)
{
    (void)state;
    for (unsigned shift = 0; shift <= 25; shift++) {
        struct marks m;
        assert_true(marks_of_mask(UINT32_C(0x7f) << shift, &m));
        assert_int_equal(m.tag | m.pass | m.condemned | m.ban, m.mask);
        assert_int_equal(m.tag & m.pass, 0);
        assert_int_equal(m.tag >> m.tag_shift, 0xf);
        assert_int_equal(m.pass, UINT32_C(0x10) << shift);
        assert_int_equal(m.condemned, UINT32_C(0x20) << shift);
        assert_int_equal(m.ban, UINT32_C(0x40) << shift);
    }
}

static void not_seven_adjacent_bits(void **state)
{
    static const uint32_t bad[] = {0,          1,          0x3f,       0xff,       0x7e,       0xfd,
                                   0xfe000001, 0xffffffff, 0xfc000000, 0x07f10000, 0x07d00000, 0x0ff00000};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct marks m = {.mask = 42};
        assert_false(marks_of_mask(bad[i], &m));
        assert_int_equal(m.mask, 42);
    }
}

/* V3: foreign bits survive, whatever tag is written, and the tag comes back. */
static void tags(void **state)
{
    static const uint32_t foreign[] = {0, 0xffffffff, 0x12345678, 0xa5a5a5a5};

    (void)state;
    for (unsigned shift = 0; shift <= 25; shift++) {
        struct marks m;
        assert_true(marks_of_mask(UINT32_C(0x7f) << shift, &m));
        for (uint8_t tag = 0; tag <= 15; tag++) {
            for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++) {
                uint32_t mark = marks_with_tag(&m, foreign[i], tag);
                assert_int_equal(marks_tag(&m, mark), tag);
                assert_int_equal(mark & ~m.tag, foreign[i] & ~m.tag);
            }
        }
        assert_int_equal(marks_with_tag(&m, 0, 0xff), m.tag); /* no tag reaches the bits above */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_default),
        cmocka_unit_test(every_place),
        cmocka_unit_test(not_seven_adjacent_bits),
        cmocka_unit_test(tags),
    };

    return cmocka_run_group_tests_name("marks", tests, NULL, NULL);
}
