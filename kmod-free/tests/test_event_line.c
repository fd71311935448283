// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "kmod-free/report/event_line.h"
#include "kmod-free/tests/support.h"

static struct event *alert_event(void)
{
    static struct event ev;

    event_clear(&ev);
    ev.kind = EVENT_ALERT;
    ev.client = support_endpoint("198.51.100.2", 40112);
    ev.server = support_endpoint("192.0.2.25", 25);
    strcpy(ev.tag_name, "outside");
    ev.enforced = true;
    ev.action = ACTION_RESET;
    ev.reason = REASON_EXTERNAL_RCPT;
    ev.via = VIA_PERCENT;
    event_put(&ev, &ev.helo, bytes_str("x"), EVENT_HELO_MAX);
    event_put(&ev, &ev.mail_from, bytes_str("a@b"), EVENT_MAIL_MAX);
    event_put(&ev, &ev.rcpt_to, bytes_str("u%ext.example@local.example"), EVENT_RCPT_MAX);
    event_put(&ev, &ev.domains[0], bytes_str("ext.example"), 255);
    ev.domain_count = 1;
    return &ev;
}

static void assert_line(const struct event *ev, const char *expected)
{
    char out[16384];
    size_t len = event_to_line(ev, 1, out, sizeof out);

    assert_string_equal(out, expected);
    assert_int_equal(len, strlen(out));
}

static void test_the_line(void **state)
{
    struct event *ev = alert_event();

    (void)state;
    assert_line(ev, "RESET external-rcpt tag=outside src=198.51.100.2:40112 dst=192.0.2.25:25 helo=\"x\" from=\"a@b\" "
                    "rcpt=\"u%ext.example@local.example\" domains=ext.example via=percent count=1");
    ev->enforced = false;
    assert_line(ev, "WOULD-RESET external-rcpt tag=outside src=198.51.100.2:40112 dst=192.0.2.25:25 helo=\"x\" "
                    "from=\"a@b\" rcpt=\"u%ext.example@local.example\" domains=ext.example via=percent count=1");
}

static void test_alert_is_taken_in_either_mode(void **state)
{
    struct event *ev = alert_event();
    char out[1024];

    (void)state;
    ev->action = ACTION_ALERT;
    ev->enforced = false;
    (void)event_to_line(ev, 1, out, sizeof out);
    assert_memory_equal(out, "ALERT external-rcpt ", 20);
}

static void test_what_was_malformed(void **state)
{
    struct event *ev = alert_event();
    char out[1024];

    (void)state;
    ev->reason = REASON_MALFORMED;
    for (int d = DETAIL_NONE; d < DETAIL_COUNT; d++) {
        char wanted[80];
        ev->detail = (enum detail)d;
        assert_true(d == DETAIL_NONE || *detail_name(ev->detail) != '\0');
        snprintf(wanted, sizeof wanted, " dst=192.0.2.25:25%s%s helo=", d == DETAIL_NONE ? "" : " detail=",
                 detail_name(ev->detail));
        (void)event_to_line(ev, 1, out, sizeof out);
        assert_non_null(strstr(out, wanted));
    }
    assert_string_equal(detail_name(DETAIL_COUNT), "");
}

static void test_ipv6_lists_and_nothing_said(void **state)
{
    struct event *ev = alert_event();

    (void)state;
    event_clear(ev);
    ev->kind = EVENT_ALERT;
    ev->client = support_endpoint("2001:db8::1", 1);
    ev->server = support_endpoint("2001:db8::25", 25);
    ev->enforced = true;
    ev->action = ACTION_DROP;
    ev->reason = REASON_EVASION;
    assert_line(ev, "DROP evasion tag= src=[2001:db8::1]:1 dst=[2001:db8::25]:25 count=1");
    event_put(ev, &ev->mail_from, bytes_str(""), EVENT_MAIL_MAX);
    event_put(ev, &ev->domains[0], bytes_str("a.example"), 255);
    event_put(ev, &ev->domains[1], bytes_str("b, c=\"d\" e"), 255);
    ev->domain_count = 2;
    ev->via = VIA_BANG | VIA_LIST;
    assert_line(ev, "DROP evasion tag= src=[2001:db8::1]:1 dst=[2001:db8::25]:25 from=\"\" "
                    "domains=a.example,b\\x2c\\x20c\\x3d\\x22d\\x22\\x20e via=bang,list count=1");
}

/* Log injection: every byte, everywhere. What comes out is one line of printable ASCII whose quotes pair. */
static void test_a2_no_byte_gets_through(void **state)
{
    struct event *ev = alert_event();

    (void)state;
    for (unsigned c = 0; c < 256; c++) {
        char wire[] = {'a', (char)c, 'b'}, shown[16], expected[512];
        char out[4096];

        event_clear(ev);
        ev->kind = EVENT_ALERT;
        ev->client = support_endpoint("198.51.100.2", 40112);
        ev->server = support_endpoint("192.0.2.25", 25);
        ev->enforced = true;
        ev->action = ACTION_RESET;
        ev->reason = REASON_EXTERNAL_RCPT;
        event_put(ev, &ev->helo, bytes_of(wire, 3), EVENT_HELO_MAX);
        event_put(ev, &ev->mail_from, bytes_of(wire, 3), EVENT_MAIL_MAX);
        event_put(ev, &ev->rcpt_to, bytes_of(wire, 3), EVENT_RCPT_MAX);
        (void)event_to_line(ev, 1, out, sizeof out);
        if (c == '"' || c == '\\')
            snprintf(shown, sizeof shown, "a\\%cb", (char)c);
        else if (c < 0x20 || c > 0x7e)
            snprintf(shown, sizeof shown, "a\\x%02xb", c);
        else
            snprintf(shown, sizeof shown, "a%cb", (char)c);
        snprintf(expected, sizeof expected,
                 "RESET external-rcpt tag= src=198.51.100.2:40112 dst=192.0.2.25:25 helo=\"%s\" from=\"%s\" "
                 "rcpt=\"%s\" count=1",
                 shown, shown, shown);
        assert_string_equal(out, expected);
    }
}

/* A whole line smuggled in as one value stays inside its quotes. */
static void test_a2_a_forged_line_stays_quoted(void **state)
{
    struct event *ev = alert_event();
    char out[4096];

    (void)state;
    event_clear(ev);
    ev->kind = EVENT_ALERT;
    ev->action = ACTION_RESET;
    ev->reason = REASON_EXTERNAL_RCPT;
    event_put(ev, &ev->rcpt_to, bytes_str("a\" count=9\nACCEPT none tag=inside rcpt=\"b"), EVENT_RCPT_MAX);
    (void)event_to_line(ev, 1, out, sizeof out);
    assert_null(strchr(out, '\n'));
    assert_non_null(strstr(out, "rcpt=\"a\\\" count=9\\x0aACCEPT none tag=inside rcpt=\\\"b\" count=1"));
}

/* Quotes pair, and escapes are whole, as one who reads the line would see it. */
static void assert_well_formed(const char *out, size_t len)
{
    bool quoted = false;

    for (size_t i = 0; i < len; i++) {
        assert_in_range(out[i], 0x20, 0x7e);
        if (out[i] == '"') {
            quoted = !quoted;
        } else if (out[i] == '\\') {
            size_t take = out[i + 1] == 'x' ? 3 : 1;
            assert_true(i + take < len);
            i += take;
        }
    }
    assert_false(quoted);
}

static void test_every_room(void **state)
{
    struct event *ev = alert_event();
    char whole[16384];
    size_t len;

    (void)state;
    event_put(ev, &ev->domains[1], bytes_str("\xff\xff\xff"), 255);
    ev->domain_count = 2;
    event_put(ev, &ev->helo, bytes_str("\"\\\r\n\"\"\""), EVENT_HELO_MAX);
    len = event_to_line(ev, UINT64_MAX, whole, sizeof whole);
    for (size_t room = 1; room <= len + 64; room++) {
        uint8_t *out = guard_room(room);
        size_t n = event_to_line(ev, UINT64_MAX, (char *)out, room);

        assert_true(n < room && out[n] == '\0');
        assert_int_equal(n, strlen((char *)out));
        if (room > 100) { /* room for the tail: it is there whatever else was cut */
            assert_well_formed((char *)out, n);
            assert_non_null(strstr((char *)out, " count=18446744073709551615"));
        }
        guard_room_free(out, room);
    }
}

static void test_cut_is_said(void **state)
{
    struct event *ev = alert_event();
    char out[256];

    (void)state;
    ev->rcpt_to.cut = true;
    (void)event_to_line(ev, 1, out, sizeof out);
    assert_non_null(strstr(out, " via=percent cut=yes count=1"));
    ev->rcpt_to.cut = false;
    (void)event_to_line(ev, 1, out, 180);
    assert_non_null(strstr(out, " cut=yes count=1"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_line),
        cmocka_unit_test(test_alert_is_taken_in_either_mode),
        cmocka_unit_test(test_what_was_malformed),
        cmocka_unit_test(test_ipv6_lists_and_nothing_said),
        cmocka_unit_test(test_a2_no_byte_gets_through),
        cmocka_unit_test(test_a2_a_forged_line_stays_quoted),
        cmocka_unit_test(test_every_room),
        cmocka_unit_test(test_cut_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
