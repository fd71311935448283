/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "kmod-free/report/event_json.h"
#include "nfq/dnsbl/health.h"

static struct mono at_s(int64_t s)
{
    return (struct mono){s * NS_PER_S};
}

static struct dnsbl_zone zone_of(bool ipv6)
{
    struct dnsbl_zone z;
    dnsbl_zone_defaults(&z);
    assert_true(dnsbl_zone_name(&z, "bl.example"));
    z.ipv6 = ipv6;
    return z;
}

/* A whole check that finds these for 127.0.0.2 and 127.0.0.1. */
static enum dnsbl_change check(struct dnsbl_health *h, const struct dnsbl_zone *z, enum dnsbl_finding two,
                               enum dnsbl_finding one, struct mono now)
{
    assert_true(dnsbl_health_due(h, now));
    assert_int_equal(dnsbl_health_begin(h, z, now), 3);
    assert_false(dnsbl_health_due(h, now));
    assert_int_equal(dnsbl_health_take(h, z, 1, one, now), DNSBL_NO_CHANGE);
    return dnsbl_health_take(h, z, 0, two, now);
}

static void a_sane_zone_is_on_and_looked_at_again(void **state)
{
    (void)state;
    struct dnsbl_zone z = zone_of(false);
    struct dnsbl_health h;
    dnsbl_health_start(&h, at_s(100));
    assert_int_equal(h.state, DNSBL_UNCHECKED);
    assert_int_equal(check(&h, &z, DNSBL_LISTED, DNSBL_NOT_LISTED, at_s(100)), DNSBL_NO_CHANGE);
    assert_int_equal(h.state, DNSBL_ON);
    assert_false(dnsbl_health_due(&h, at_s(699)));
    assert_true(dnsbl_health_due(&h, at_s(700)));
}

static void each_fault_switches_off(void **state)
{
    (void)state;
    static const struct {
        enum dnsbl_finding two, one;
        enum dnsbl_fault fault;
    } cases[] = {
        {DNSBL_LISTED, DNSBL_LISTED, DNSBL_FAULT_LISTS_ALL},
        {DNSBL_NOT_LISTED, DNSBL_NOT_LISTED, DNSBL_FAULT_EMPTY},
        {DNSBL_NO_ANSWER, DNSBL_NOT_LISTED, DNSBL_FAULT_SILENT},
        {DNSBL_LISTED, DNSBL_NO_ANSWER, DNSBL_FAULT_SILENT},
        {DNSBL_ERROR_CODE, DNSBL_ERROR_CODE, DNSBL_FAULT_REFUSES},
        {DNSBL_OUTSIDE, DNSBL_NOT_LISTED, DNSBL_FAULT_LIES},
        {DNSBL_GARBAGE, DNSBL_NOT_LISTED, DNSBL_FAULT_GARBAGE},
    };
    struct dnsbl_zone z = zone_of(false);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct dnsbl_health h;
        dnsbl_health_start(&h, at_s(100));
        assert_int_equal(check(&h, &z, cases[i].two, cases[i].one, at_s(100)), DNSBL_SWITCHED_OFF);
        assert_int_equal(h.state, DNSBL_OFF);
        assert_int_equal(h.fault, cases[i].fault);
    }
}

static void off_is_told_once_and_retried_and_on_is_told(void **state)
{
    (void)state;
    struct dnsbl_zone z = zone_of(false);
    struct dnsbl_health h;
    dnsbl_health_start(&h, at_s(0));
    assert_int_equal(check(&h, &z, DNSBL_LISTED, DNSBL_NOT_LISTED, at_s(0)), DNSBL_NO_CHANGE);
    assert_int_equal(check(&h, &z, DNSBL_LISTED, DNSBL_LISTED, at_s(600)), DNSBL_SWITCHED_OFF);
    assert_false(dnsbl_health_due(&h, at_s(659)));
    assert_int_equal(check(&h, &z, DNSBL_LISTED, DNSBL_LISTED, at_s(660)), DNSBL_NO_CHANGE);
    assert_int_equal(check(&h, &z, DNSBL_LISTED, DNSBL_NOT_LISTED, at_s(720)), DNSBL_SWITCHED_ON);
    assert_int_equal(h.state, DNSBL_ON);
    assert_int_equal(h.switched_off, 1);
}

static void while_a_check_is_under_way_the_old_state_holds(void **state)
{
    (void)state;
    struct dnsbl_zone z = zone_of(false);
    struct dnsbl_health h;
    dnsbl_health_start(&h, at_s(0));
    assert_int_equal(check(&h, &z, DNSBL_LISTED, DNSBL_NOT_LISTED, at_s(0)), DNSBL_NO_CHANGE);
    assert_int_equal(dnsbl_health_begin(&h, &z, at_s(600)), 3);
    assert_int_equal(dnsbl_health_take(&h, &z, 1, DNSBL_LISTED, at_s(600)), DNSBL_NO_CHANGE);
    assert_int_equal(h.state, DNSBL_ON);
    assert_int_equal(dnsbl_health_take(&h, &z, 1, DNSBL_NOT_LISTED, at_s(600)), DNSBL_NO_CHANGE); /* again: passed over */
    assert_int_equal(dnsbl_health_take(&h, &z, 0, DNSBL_LISTED, at_s(601)), DNSBL_SWITCHED_OFF);
    assert_int_equal(h.fault, DNSBL_FAULT_LISTS_ALL);
}

static void an_ipv6_zone_has_its_own_probes(void **state)
{
    (void)state;
    struct dnsbl_zone z = zone_of(true);
    struct dnsbl_health h;
    struct ip_addr a;
    char text[48];
    bool listed;
    assert_true(dnsbl_probe(&z, 2, &a, &listed));
    ip_addr_text(&a, text);
    assert_string_equal(text, "::ffff:127.0.0.2");
    assert_true(listed);
    assert_true(dnsbl_probe(&z, 3, &a, &listed));
    ip_addr_text(&a, text);
    assert_string_equal(text, "::ffff:127.0.0.1");
    assert_false(listed);
    dnsbl_health_start(&h, at_s(0));
    assert_int_equal(dnsbl_health_begin(&h, &z, at_s(0)), 15);
    assert_int_equal(dnsbl_health_take(&h, &z, 0, DNSBL_LISTED, at_s(0)), DNSBL_NO_CHANGE);
    assert_int_equal(dnsbl_health_take(&h, &z, 1, DNSBL_NOT_LISTED, at_s(0)), DNSBL_NO_CHANGE);
    assert_int_equal(dnsbl_health_take(&h, &z, 2, DNSBL_LISTED, at_s(0)), DNSBL_NO_CHANGE);
    assert_int_equal(dnsbl_health_take(&h, &z, 3, DNSBL_LISTED, at_s(0)), DNSBL_SWITCHED_OFF);
    z.ipv4 = false;
    dnsbl_health_start(&h, at_s(0));
    assert_int_equal(dnsbl_health_begin(&h, &z, at_s(0)), 12);
}

static void suspicion_makes_the_check_due_but_not_all_the_time(void **state)
{
    (void)state;
    struct dnsbl_zone z = zone_of(false);
    struct dnsbl_health h;
    dnsbl_health_start(&h, at_s(0));
    assert_int_equal(check(&h, &z, DNSBL_LISTED, DNSBL_NOT_LISTED, at_s(0)), DNSBL_NO_CHANGE);
    dnsbl_health_suspect(&h, at_s(1));
    assert_false(dnsbl_health_due(&h, at_s(4)));
    assert_true(dnsbl_health_due(&h, at_s(5)));
    assert_int_equal(check(&h, &z, DNSBL_LISTED, DNSBL_NOT_LISTED, at_s(5)), DNSBL_NO_CHANGE);
    dnsbl_health_suspect(&h, at_s(300));
    assert_true(dnsbl_health_due(&h, at_s(300)));
    assert_int_equal(check(&h, &z, DNSBL_NO_ANSWER, DNSBL_NO_ANSWER, at_s(300)), DNSBL_SWITCHED_OFF);
    dnsbl_health_suspect(&h, at_s(301)); /* known already */
    assert_false(dnsbl_health_due(&h, at_s(359)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sane_zone_is_on_and_looked_at_again),
        cmocka_unit_test(each_fault_switches_off),
        cmocka_unit_test(off_is_told_once_and_retried_and_on_is_told),
        cmocka_unit_test(while_a_check_is_under_way_the_old_state_holds),
        cmocka_unit_test(an_ipv6_zone_has_its_own_probes),
        cmocka_unit_test(suspicion_makes_the_check_due_but_not_all_the_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
