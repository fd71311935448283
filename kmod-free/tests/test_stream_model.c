/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Streams against the naive model, from random steps. RCPTWALL_SEED=n RCPTWALL_ROUNDS=n
 * choose where to begin and how long to go on; round i of seed n is round 0 of seed n + i.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kmod-free/tests/stream_model.h"

/* splitmix64: one step of an additive generator, then mixed. */
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static void one_round(uint64_t seed)
{
    static uint8_t steps[4096];
    uint64_t state = seed;
    size_t len = 64 + next_random(&state) % (sizeof(steps) - 64);

    model_seed = seed;
    for (size_t i = 0; i < len; i++)
        steps[i] = (uint8_t)next_random(&state);
    model_run(bytes_of(steps, len));
}

static uint64_t from_environment(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text != NULL ? strtoull(text, NULL, 0) : otherwise;
}

static void streams_do_what_the_model_does(void **state)
{
    (void)state;
    uint64_t seed = from_environment("RCPTWALL_SEED", 1);
    uint64_t rounds = from_environment("RCPTWALL_ROUNDS", 5000);

    printf("seed %llu, %llu rounds\n", (unsigned long long)seed, (unsigned long long)rounds);
    for (uint64_t i = 0; i < rounds; i++)
        one_round(seed + i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(streams_do_what_the_model_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
