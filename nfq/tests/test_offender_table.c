/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kmod-free/report/event_json.h"
#include "kmod-free/tests/support.h"
#include "nfq/offenders_json.h"

static struct wall at_s(int64_t s)
{
    return (struct wall){s * NS_PER_S};
}

static void add(struct offender_table *t, const char *addr, enum offence offence, int64_t s)
{
    const struct endpoint e = support_endpoint(addr, 25);
    offender_table_add(t, &e.addr, offence, 1, "outside", at_s(s));
}

static uint32_t count(const struct offender_table *t)
{
    struct offender_facts f;
    uint32_t n = 0;
    for (uint32_t i = 0; i < OFFENDER_TABLE_SLOTS; i++)
        n += offender_table_read(t, i, &f);
    return n;
}

/* family 0 where it isn't there. */
static struct offender_facts look_up(const struct offender_table *t, const char *addr)
{
    const struct endpoint e = support_endpoint(addr, 25);
    struct offender_facts f;
    for (uint32_t i = 0; i < OFFENDER_TABLE_SLOTS; i++)
        if (offender_table_read(t, i, &f) && ip_addr_equal(&f.source, &e.addr))
            return f;
    return (struct offender_facts){.relays = 0};
}

static void counts_of_each_source_with_first_and_last(void **state)
{
    (void)state;
    struct offender_table *t = offender_table_new();
    assert_non_null(t);
    add(t, "198.51.100.3", OFFENCE_RELAY, 10);
    add(t, "198.51.100.4", OFFENCE_ATTACK, 11);
    add(t, "198.51.100.3", OFFENCE_RELAY, 12);
    add(t, "198.51.100.3", OFFENCE_NONE, 13);
    add(t, "198.51.100.5", OFFENCE_NONE, 13);
    struct offender_facts f = look_up(t, "198.51.100.3");
    assert_int_equal(f.relays, 2);
    assert_int_equal(f.attacks, 0);
    assert_int_equal(f.first.ns, at_s(10).ns);
    assert_int_equal(f.last.ns, at_s(12).ns);
    assert_string_equal(f.tag_name, "outside");
    assert_int_equal(look_up(t, "198.51.100.4").attacks, 1);
    assert_int_equal(count(t), 2);
    offender_table_forget(t);
}

static void an_ipv6_source_is_its_64(void **state)
{
    (void)state;
    struct offender_table *t = offender_table_new();
    assert_non_null(t);
    add(t, "2001:db8:1::7", OFFENCE_RELAY, 10);
    add(t, "2001:db8:1:0:ffff::1", OFFENCE_RELAY, 11);
    add(t, "2001:db8:1:1::1", OFFENCE_RELAY, 11);
    assert_int_equal(count(t), 2);
    assert_int_equal(look_up(t, "2001:db8:1::").relays, 2);
    offender_table_forget(t);
}

static void only_what_he_did_himself_counts(void **state)
{
    (void)state;
    assert_int_equal(offence_of(REASON_EXTERNAL_RCPT), OFFENCE_RELAY);
    assert_int_equal(offence_of(REASON_SMUGGLING), OFFENCE_ATTACK);
    assert_int_equal(offence_of(REASON_DNSBL), OFFENCE_NONE);
    assert_int_equal(offence_of(REASON_MIDSTREAM), OFFENCE_NONE);
}

/* Ten times as many sources as there is room for: the table stays full, the sum is right, and the latest one is known. */
static void memory_is_bounded_and_the_quiet_are_forgotten(void **state)
{
    (void)state;
    struct offender_table *t = offender_table_new();
    const uint32_t many = OFFENDER_TABLE_SLOTS * 10;
    char addr[20];
    assert_non_null(t);
    for (uint32_t i = 0; i < many; i++) {
        snprintf(addr, sizeof addr, "100.%u.%u.%u", i >> 16, i >> 8 & 255, i & 255);
        add(t, addr, OFFENCE_RELAY, i);
        if (i % 1024 == 0)
            assert_int_equal(look_up(t, addr).relays, 1);
    }
    assert_int_equal(look_up(t, addr).relays, 1);
    assert_int_equal(look_up(t, "100.0.0.0").source.family, 0);
    assert_int_equal(count(t), OFFENDER_TABLE_SLOTS);
    assert_int_equal(offender_table_forgotten(t), many - OFFENDER_TABLE_SLOTS);
    offender_table_forget(t);
}

/* A process that dies over it in whatever place leaves a table that the next one can go on with. */
static void the_next_writer_goes_on(void **state)
{
    (void)state;
    struct offender_table *t = offender_table_new();
    assert_non_null(t);
    add(t, "198.51.100.3", OFFENCE_RELAY, 10);
    for (int64_t round = 1; round <= 20; round++) {
        int ready[2];
        char byte;
        assert_int_equal(pipe(ready), 0);
        pid_t child = fork();
        if (child == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            for (int64_t i = 0;; i++) {
                add(t, "198.51.100.4", OFFENCE_RELAY, round * 100000000);
                if (i == 0 && write(ready[1], "", 1) != 1)
                    _exit(1);
            }
        }
        assert_true(child > 0);
        assert_int_equal(read(ready[0], &byte, 1), 1);
        struct offender_facts f = look_up(t, "198.51.100.4"); /* while it is written: nothing torn */
        assert_true(f.source.family == 0 || (f.relays >= 1 && f.last.ns >= f.first.ns));
        kill(child, SIGKILL);
        assert_int_equal(waitpid(child, NULL, 0), child);
        close(ready[0]);
        close(ready[1]);
        add(t, "198.51.100.4", OFFENCE_RELAY, round * 100000000);
        assert_true(look_up(t, "198.51.100.4").relays >= 1);
        assert_int_equal(look_up(t, "198.51.100.3").relays, 1);
    }
    offender_table_forget(t);
}

static void a_sealed_table_can_only_be_read(void **state)
{
    (void)state;
    struct offender_table *t = offender_table_new();
    int status = 0;
    assert_non_null(t);
    add(t, "198.51.100.3", OFFENCE_RELAY, 10);
    pid_t child = fork();
    if (child == 0) {
        signal(SIGSEGV, SIG_DFL); /* a sanitizer's own would end it otherwise */
        if (!offender_table_seal(t) || count(t) != 1)
            _exit(1);
        add(t, "198.51.100.3", OFFENCE_RELAY, 11);
        _exit(0);
    }
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    assert_int_equal(look_up(t, "198.51.100.3").relays, 1);
    offender_table_forget(t);
}

/* ---- over the socket ---- */

/* Reads a whole tale; how many rows came. */
static uint32_t hear(const struct offender_table *t, struct offender_row *first, uint64_t *forgotten)
{
    struct offenders_tale tale = {0};
    uint32_t rows = 0;
    bool end = false;
    size_t len;
    char *piece;
    while ((piece = offenders_json_next(t, &tale, &len)) != NULL) {
        for (const char *at = piece, *feed; (feed = memchr(at, '\n', len - (size_t)(at - piece))) != NULL; at = feed + 1) {
            struct offender_row r;
            assert_false(end);
            switch (offenders_json_read(at, (size_t)(feed - at), &r, forgotten)) {
            case OFFENDER_LINE_ROW:
                if (rows++ == 0)
                    *first = r;
                break;
            case OFFENDER_LINE_END:
                end = true;
                break;
            case OFFENDER_LINE_BAD:
                fail_msg("a bad line: %.*s", (int)(feed - at), at);
            }
        }
        free(piece);
    }
    assert_true(end);
    return rows;
}

static void what_is_told_is_what_is_heard(void **state)
{
    (void)state;
    struct offender_table *t = offender_table_new();
    struct offender_row r = {.relays = 0};
    uint64_t forgotten = 7;
    assert_non_null(t);
    assert_int_equal(hear(t, &r, &forgotten), 0);
    assert_int_equal(forgotten, 0);
    add(t, "2001:db8:1::7", OFFENCE_RELAY, 1700000000);
    add(t, "2001:db8:1::7", OFFENCE_ATTACK, 1700000001);
    assert_int_equal(hear(t, &r, &forgotten), 1);
    assert_string_equal(r.source_text, "2001:db8:1::/64");
    assert_int_equal(r.source.prefix, 64);
    assert_string_equal(r.tag, "outside");
    assert_int_equal(r.relays, 1);
    assert_int_equal(r.attacks, 1);
    assert_string_equal(r.first, "2023-11-14T22:13:20.000000+00:00");
    assert_true(strcmp(r.first, r.last) < 0);
    offender_table_forget(t);
}

static void a_full_table_is_told_in_pieces(void **state)
{
    (void)state;
    struct offender_table *t = offender_table_new();
    struct offender_row r;
    uint64_t forgotten;
    char addr[48];
    assert_non_null(t);
    for (uint32_t i = 0; i < 2 * OFFENDER_TABLE_SLOTS; i++) {
        snprintf(addr, sizeof addr, "2001:db8:%x:%x::1", i >> 16, i & 0xffff);
        add(t, addr, OFFENCE_RELAY, 1700000000);
    }
    uint32_t rows = count(t);
    assert_true(rows > OFFENDER_TABLE_SLOTS / 2);
    assert_int_equal(hear(t, &r, &forgotten), rows);
    assert_int_equal(forgotten, 2 * OFFENDER_TABLE_SLOTS - rows);
    offender_table_forget(t);
}

static void lines_that_are_not_ours_are_bad(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "",
        "{}",
        "[1]",
        "{\"offenders\":-1,\"forgotten\":0}",
        "{\"source\":\"x\",\"tag\":\"a\",\"relay_attempts\":1,\"attacks\":0,\"first\":\"\",\"last\":\"\"}",
        "{\"source\":\"192.0.2.1\",\"tag\":\"a\",\"relay_attempts\":\"1\",\"attacks\":0,\"first\":\"\",\"last\":\"\"}",
        "{\"source\":\"192.0.2.1\",\"tag\":\"a\",\"relay_attempts\":1,\"attacks\":0,\"first\":\"\"}",
        "{\"source\":\"192.0.2.1\",\"tag\":\"a\",\"relay_attempts\":1,\"attacks\":0,\"first\":\"\",\"last\":\"2026-11-24T14:22:33.436659+00:00-too-long\"}",
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        struct offender_row r;
        uint64_t forgotten;
        assert_int_equal(offenders_json_read(lines[i], strlen(lines[i]), &r, &forgotten), OFFENDER_LINE_BAD);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_of_each_source_with_first_and_last),
        cmocka_unit_test(an_ipv6_source_is_its_64),
        cmocka_unit_test(only_what_he_did_himself_counts),
        cmocka_unit_test(memory_is_bounded_and_the_quiet_are_forgotten),
        cmocka_unit_test(the_next_writer_goes_on),
        cmocka_unit_test(a_sealed_table_can_only_be_read),
        cmocka_unit_test(what_is_told_is_what_is_heard),
        cmocka_unit_test(a_full_table_is_told_in_pieces),
        cmocka_unit_test(lines_that_are_not_ours_are_bad),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
