/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kmod-free/pool.h"
#include "kmod-free/tests/support.h"

static void pool_or_fail(struct pool *p, size_t block_len, uint32_t count)
{
    assert_true(pool_new(p, block_len, count));
}

static void hands_out_each_block_once(void **state)
{
    (void)state;
    struct pool p;
    bool out[100] = {false};

    pool_or_fail(&p, 24, 100);
    for (uint32_t i = 0; i < 100; i++) {
        uint32_t index = pool_take(&p);
        assert_true(index < 100);
        assert_false(out[index]);
        out[index] = true;
        memset(pool_at(&p, index), (int)index, 24);
        assert_int_equal(p.used, i + 1);
    }
    for (uint32_t i = 0; i < 100; i++)
        for (size_t k = 0; k < 24; k++)
            assert_int_equal(((uint8_t *)pool_at(&p, i))[k], i);
    pool_free(&p);
}

static void empty_is_an_answer(void **state)
{
    (void)state;
    struct pool p;

    pool_or_fail(&p, 8, 2);
    uint32_t a = pool_take(&p), b = pool_take(&p);
    assert_int_equal(p.refused, 0);
    assert_int_equal(pool_take(&p), POOL_NONE);
    assert_int_equal(pool_take(&p), POOL_NONE);
    assert_int_equal(p.refused, 2);
    assert_int_equal(p.used, 2);
    pool_give(&p, a);
    assert_int_equal(pool_take(&p), a);
    pool_give(&p, b);
    pool_give(&p, a);
    assert_int_equal(p.used, 0);
    pool_free(&p);

    pool_or_fail(&p, 8, 0);
    assert_int_equal(pool_take(&p), POOL_NONE);
    pool_free(&p);
}

static void what_came_back_goes_out_before_what_is_fresh(void **state)
{
    (void)state;
    struct pool p;

    pool_or_fail(&p, 8, 10);
    uint32_t a = pool_take(&p), b = pool_take(&p);
    pool_give(&p, a);
    pool_give(&p, b);
    assert_int_equal(p.fresh, 2);
    assert_int_equal(pool_take(&p), b);
    assert_int_equal(pool_take(&p), a);
    assert_int_equal(p.fresh, 2);
    (void)!pool_take(&p);
    assert_int_equal(p.fresh, 3);
    assert_int_equal(p.peak, 3);
    pool_give(&p, a);
    assert_int_equal(p.used, 2);
    assert_int_equal(p.peak, 3);
    pool_free(&p);
}

static void any_order_of_taking_and_giving(void **state)
{
    (void)state;
    struct pool p;
    uint32_t out[50], count = 0, random = 12345;

    pool_or_fail(&p, sizeof(uint32_t), 50);
    for (int i = 0; i < 20000; i++) {
        random = random * 1664525 + 1013904223;
        if (random >> 31 && count < 50) {
            uint32_t index = pool_take(&p);
            memcpy(pool_at(&p, index), &index, sizeof(index));
            out[count++] = index;
        } else if (count > 0) {
            uint32_t which = (random >> 8) % count, found;
            memcpy(&found, pool_at(&p, out[which]), sizeof(found));
            assert_int_equal(found, out[which]);
            pool_give(&p, out[which]);
            out[which] = out[--count];
        }
        assert_int_equal(p.used, count);
    }
    pool_free(&p);
}

/* Start-up of a big pool touches (almost) none of it: huge pages may make it the first 2 MiB. */
static void untouched_blocks_take_no_memory(void **state)
{
    (void)state;
    const size_t len = (size_t)256 << 20, page = (size_t)sysconf(_SC_PAGESIZE);
    struct pool p;
    size_t resident = 0;

    pool_or_fail(&p, 2048, (uint32_t)(len / 2048));
    unsigned char *in_core = calloc(len / page, 1);
    uintptr_t first = ((uintptr_t)p.blocks + page - 1) & ~(page - 1);
    assert_non_null(in_core);
    assert_int_equal(mincore((void *)first, len - page, in_core), 0);
    for (size_t i = 0; i < len / page - 1; i++)
        resident += in_core[i] & 1;
    assert_true(resident * page <= (size_t)4 << 20);
    free(in_core);
    pool_free(&p);
}

static void sizes_that_overflow_are_refused(void **state)
{
    (void)state;
    struct pool p;

    assert_false(pool_new(&p, SIZE_MAX / 2, 3));
    assert_false(pool_new(&p, SIZE_MAX, 1));
    pool_free(&p); /* harmless */
}

static void free_twice_is_harmless(void **state)
{
    (void)state;
    struct pool p;

    pool_or_fail(&p, 16, 4);
    (void)!pool_take(&p);
    pool_free(&p);
    assert_null(p.blocks);
    pool_free(&p);
}

static struct pool bugs_pool;

static void give_twice(void)
{
    uint32_t a = pool_take(&bugs_pool);
    pool_give(&bugs_pool, a);
    pool_give(&bugs_pool, a);
}

static void give_twice_with_another_between(void)
{
    uint32_t a = pool_take(&bugs_pool), b = pool_take(&bugs_pool);
    pool_give(&bugs_pool, a);
    pool_give(&bugs_pool, b);
    pool_give(&bugs_pool, a);
}

static void give_what_was_never_out(void)
{
    (void)!pool_take(&bugs_pool);
    pool_give(&bugs_pool, 1);
}

static void give_none(void)
{
    pool_give(&bugs_pool, POOL_NONE);
}

static void look_at_what_is_not_out(void)
{
    uint32_t a = pool_take(&bugs_pool);
    pool_give(&bugs_pool, a);
    (void)pool_at(&bugs_pool, a);
}

static void our_own_bugs_are_assertions(void **state)
{
    (void)state;
    void (*const bugs[])(void) = {give_twice, give_twice_with_another_between, give_what_was_never_out, give_none,
                                  look_at_what_is_not_out};

    pool_or_fail(&bugs_pool, 16, 4);
    for (size_t i = 0; i < sizeof(bugs) / sizeof(bugs[0]); i++)
        assert_true(support_aborts(bugs[i]));
    pool_free(&bugs_pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hands_out_each_block_once),
        cmocka_unit_test(empty_is_an_answer),
        cmocka_unit_test(what_came_back_goes_out_before_what_is_fresh),
        cmocka_unit_test(any_order_of_taking_and_giving),
        cmocka_unit_test(untouched_blocks_take_no_memory),
        cmocka_unit_test(sizes_that_overflow_are_refused),
        cmocka_unit_test(free_twice_is_harmless),
        cmocka_unit_test(our_own_bugs_are_assertions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
