/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "kmod-free/tests/support.h"
#include "nfq/alerts.h"

#define INTERVAL (60 * NS_PER_S)

static const uint8_t key[ALERTS_KEY_BYTES] = "0123456789abcdef";

/* What was shown. */
struct log {
    unsigned lines;
    uint64_t alerts;
    uint64_t last_count;
    uint16_t last_port;
    unsigned bans; /* lines with one */
    struct ip_addr last_addr;
    bool away; /* nothing can be told */
};

static bool show(void *ctx, const struct event *ev, uint64_t count)
{
    struct log *log = ctx;
    if (log->away)
        return false;
    log->lines++;
    log->alerts += count;
    log->last_count = count;
    log->last_port = ev->client.port;
    log->bans += ev->ban_for_s > 0;
    log->last_addr = ev->client.addr;
    assert_true(event_valid(ev, event_size(ev)));
    return true;
}

static struct event alert_from(const char *addr, uint16_t port)
{
    struct event ev;
    event_clear(&ev);
    ev.kind = EVENT_ALERT;
    ev.client = support_endpoint(addr, port);
    ev.server = support_endpoint("192.0.2.25", 25);
    ev.action = ACTION_RESET;
    ev.reason = REASON_EXTERNAL_RCPT;
    ev.tag = 1;
    event_put(&ev, &ev.rcpt_to, bytes_str("u@ext.example"), EVENT_RCPT_MAX);
    return ev;
}

static struct mono at_s(int64_t s)
{
    return (struct mono){s * NS_PER_S};
}

static void the_first_is_shown_at_once_and_repeats_once_an_interval(void **state)
{
    (void)state;
    struct log log = {0};
    struct alerts *a = alerts_new(8, INTERVAL, key, show, &log);
    struct mono next;
    assert_non_null(a);
    assert_false(alerts_next(a, &next));
    for (uint16_t i = 0; i < 100; i++) {
        struct event ev = alert_from("198.51.100.2", (uint16_t)(1000 + i));
        alerts_take(a, &ev, at_s(100));
        assert_int_equal(log.lines, 1);
        assert_int_equal(log.last_count, 1);
    }
    assert_true(alerts_next(a, &next));
    assert_int_equal(next.ns, at_s(160).ns);
    alerts_tick(a, at_s(159));
    assert_int_equal(log.lines, 1);
    alerts_tick(a, at_s(160));
    assert_int_equal(log.lines, 2);
    assert_int_equal(log.last_count, 99);
    assert_int_equal(log.last_port, 1099); /* the latest */
    /* a quiet interval ends it; then the next one is shown at once again */
    alerts_tick(a, at_s(220));
    assert_int_equal(log.lines, 2);
    assert_false(alerts_next(a, &next));
    struct event ev = alert_from("198.51.100.2", 7);
    alerts_take(a, &ev, at_s(221));
    assert_int_equal(log.lines, 3);
    assert_int_equal(log.last_count, 1);
    assert_int_equal(alerts_take_overflow(a), 0);
    alerts_free(a);
}

static void an_interval_that_is_over_ends_also_when_only_alerts_come(void **state)
{
    (void)state;
    struct log log = {0};
    struct alerts *a = alerts_new(8, INTERVAL, key, show, &log);
    struct event ev = alert_from("198.51.100.2", 1);
    alerts_take(a, &ev, at_s(0));
    alerts_take(a, &ev, at_s(59));
    alerts_take(a, &ev, at_s(60)); /* shows the one of 59 s, and is itself gathered */
    assert_int_equal(log.lines, 2);
    assert_int_equal(log.last_count, 1);
    alerts_flush(a);
    assert_int_equal(log.lines, 3);
    assert_int_equal(log.alerts, 3);
    alerts_free(a);
}

static void what_differs_is_not_gathered_together(void **state)
{
    (void)state;
    struct log log = {0};
    struct alerts *a = alerts_new(16, INTERVAL, key, show, &log);
    struct event ev = alert_from("198.51.100.2", 1);
    alerts_take(a, &ev, at_s(0));
    ev = alert_from("198.51.100.3", 1); /* another source */
    alerts_take(a, &ev, at_s(0));
    assert_int_equal(log.lines, 2);
    ev.reason = REASON_SMUGGLING;
    alerts_take(a, &ev, at_s(0));
    assert_int_equal(log.lines, 3);
    ev.action = ACTION_DROP;
    alerts_take(a, &ev, at_s(0));
    assert_int_equal(log.lines, 4);
    ev.tag = 2;
    alerts_take(a, &ev, at_s(0));
    assert_int_equal(log.lines, 5);
    ev.flow_id = 99; /* these don't matter */
    ev.server.port = 587;
    alerts_take(a, &ev, at_s(0));
    assert_int_equal(log.lines, 5);
    alerts_free(a);
}

static void an_ipv6_source_is_its_64(void **state)
{
    (void)state;
    struct log log = {0};
    struct alerts *a = alerts_new(16, INTERVAL, key, show, &log);
    struct event ev = alert_from("2001:db8:1::2", 1);
    alerts_take(a, &ev, at_s(0));
    ev = alert_from("2001:db8:1::ffff:9", 1);
    alerts_take(a, &ev, at_s(0));
    assert_int_equal(log.lines, 1);
    ev = alert_from("2001:db8:1:1::2", 1);
    alerts_take(a, &ev, at_s(0));
    assert_int_equal(log.lines, 2);
    alerts_free(a);
}

static void memory_is_fixed_and_what_does_not_fit_is_counted(void **state)
{
    (void)state;
    struct log log = {0};
    struct alerts *a = alerts_new(4, INTERVAL, key, show, &log);
    char addr[32];
    for (unsigned i = 1; i <= 200; i++) {
        snprintf(addr, sizeof addr, "198.51.100.%u", i);
        struct event ev = alert_from(addr, 1);
        alerts_take(a, &ev, at_s(0));
    }
    assert_int_equal(log.lines, 4);
    assert_int_equal(alerts_take_overflow(a), 196);
    assert_int_equal(alerts_take_overflow(a), 0);
    /* places are free again when their interval is over */
    struct event ev = alert_from("198.51.100.200", 1);
    alerts_take(a, &ev, at_s(60));
    assert_int_equal(log.lines, 5);
    assert_int_equal(alerts_take_overflow(a), 0);
    alerts_free(a);
}

/* No alert is lost, shown twice, or shown before its interval is over, whatever comes when. */
static void every_alert_is_shown_or_counted_once(void **state)
{
    (void)state;
    struct log log = {0};
    struct alerts *a = alerts_new(16, INTERVAL, key, show, &log);
    uint32_t random = 12345;
    uint64_t taken = 0, overflow = 0, bans = 0;
    int64_t now = 0;
    char addr[32];
    for (int i = 0; i < 200000; i++) {
        random = random * 1664525 + 1013904223;
        now += (random >> 20) % 1000 == 0 ? 30 : (random >> 8) % 8 == 0;
        snprintf(addr, sizeof addr, "198.51.100.%u", (random >> 16) % 24);
        struct event ev = alert_from(addr, 1);
        ev.ban_for_s = (random >> 12) % 512 == 0 ? 60 : 0;
        bans += ev.ban_for_s > 0;
        log.away = (i / 5000) % 3 == 1;
        alerts_take(a, &ev, at_s(now));
        taken++;
        if (i % 1000 == 0)
            overflow += alerts_take_overflow(a);
    }
    overflow += alerts_flush(a) + alerts_take_overflow(a);
    assert_int_equal(log.alerts + overflow, taken);
    assert_true(overflow > 0);
    assert_true(log.lines <= 2 * 16 * (uint64_t)(now / 60 + 1) + bans);
    alerts_free(a);
}

static void a_ban_is_shown_at_once_with_what_was_gathered(void **state)
{
    (void)state;
    struct log log = {0};
    struct alerts *a = alerts_new(8, INTERVAL, key, show, &log);
    struct event ev = alert_from("198.51.100.2", 1), ban = ev;
    ban.ban_for_s = 3600;
    alerts_take(a, &ev, at_s(0));
    alerts_take(a, &ev, at_s(1));
    alerts_take(a, &ban, at_s(2));
    assert_int_equal(log.lines, 2);
    assert_int_equal(log.last_count, 2);
    assert_int_equal(log.bans, 1);
    alerts_take(a, &ev, at_s(3)); /* gathered as ever, and the interval ends when it would have */
    assert_int_equal(log.lines, 2);
    alerts_tick(a, at_s(59));
    assert_int_equal(log.lines, 2);
    alerts_tick(a, at_s(60));
    assert_int_equal(log.lines, 3);
    assert_int_equal(log.last_count, 1);
    assert_int_equal(log.bans, 1);
    assert_int_equal(alerts_flush(a), 0);
    alerts_free(a);
}

static void what_cannot_be_told_now_is_gathered_and_told_later(void **state)
{
    (void)state;
    struct log log = {.away = true};
    struct alerts *a = alerts_new(8, INTERVAL, key, show, &log);
    struct event ev = alert_from("198.51.100.2", 1), other = alert_from("198.51.100.3", 2), ban = ev;
    ban.ban_for_s = 60;
    alerts_take(a, &ev, at_s(0));
    alerts_take(a, &other, at_s(1));
    alerts_take(a, &ban, at_s(30));
    alerts_take(a, &ev, at_s(31)); /* comes behind the ban, which is what must be told */
    alerts_tick(a, at_s(61));
    alerts_tick(a, at_s(121));
    assert_int_equal(log.lines, 0);
    log.away = false;
    alerts_tick(a, at_s(180));
    assert_int_equal(log.lines, 0);
    alerts_tick(a, at_s(181)); /* the intervals of both are over */
    assert_int_equal(log.lines, 2);
    assert_int_equal(log.alerts, 4);
    assert_int_equal(log.bans, 1);
    assert_int_equal(alerts_take_overflow(a), 0);
    /* at the end, what still can't be told is counted */
    log.away = true; // cppcheck-suppress redundantAssignment ; a pointer to it is read meanwhile
    alerts_take(a, &ev, at_s(182));
    alerts_take(a, &ev, at_s(183));
    assert_int_equal(alerts_flush(a), 2);
    assert_int_equal(alerts_flush(a), 0);
    alerts_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_is_shown_at_once_and_repeats_once_an_interval),
        cmocka_unit_test(an_interval_that_is_over_ends_also_when_only_alerts_come),
        cmocka_unit_test(what_differs_is_not_gathered_together),
        cmocka_unit_test(an_ipv6_source_is_its_64),
        cmocka_unit_test(memory_is_fixed_and_what_does_not_fit_is_counted),
        cmocka_unit_test(a_ban_is_shown_at_once_with_what_was_gathered),
        cmocka_unit_test(what_cannot_be_told_now_is_gathered_and_told_later),
        cmocka_unit_test(every_alert_is_shown_or_counted_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
