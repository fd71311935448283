// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>

#include "kmod-free/report/escape.h"
#include "kmod-free/report/event_json.h"
#include "kmod-free/tests/support.h"

/* 2026-11-24T04:25:26.123456789Z */
#define WALL_NS INT64_C(1795494326123456789)

static struct event *rcpt_event(void)
{
    static struct event ev;

    event_clear(&ev);
    ev.kind = EVENT_RCPT;
    ev.wall.ns = WALL_NS;
    ev.flow_id = 7;
    ev.client = support_endpoint("198.51.100.2", 40112);
    ev.server = support_endpoint("2001:db8::25", 25);
    ev.tag = 1;
    strcpy(ev.tag_name, "outside");
    ev.external = true;
    ev.enforced = true;
    ev.action = ACTION_RESET;
    ev.reason = REASON_EXTERNAL_RCPT;
    ev.via = VIA_PERCENT | VIA_QUOTED;
    event_put(&ev, &ev.helo, bytes_str("x"), EVENT_HELO_MAX);
    event_put(&ev, &ev.mail_from, bytes_str(""), EVENT_MAIL_MAX);
    event_put(&ev, &ev.rcpt_to, bytes_str("u%ext.example@local.example"), EVENT_RCPT_MAX);
    event_put(&ev, &ev.domains[0], bytes_str("ext.example"), 255);
    ev.domain_count = 1;
    return &ev;
}

/* The event as its line of output. Free it. */
static char *line_of(const struct event *ev)
{
    json_t *object = event_to_json(ev);
    char *line;

    assert_non_null(object);
    line = json_dumps(object, EVENT_JSON_FLAGS);
    json_decref(object);
    assert_non_null(line);
    return line;
}

static void assert_line(const struct event *ev, const char *expected)
{
    char *line = line_of(ev);

    assert_string_equal(line, expected);
    free(line);
}

#define HEAD(type)                                                                                                     \
    "{\"timestamp\":\"2026-11-24T04:25:26.123456+00:00\",\"event_type\":\"" type "\",\"flow_id\":7,"                   \
    "\"src_ip\":\"198.51.100.2\",\"src_port\":40112,\"dest_ip\":\"2001:db8::25\",\"dest_port\":25,\"proto\":\"TCP\","
#define SMTP "\"smtp\":{\"helo\":\"x\",\"mail_from\":\"\",\"rcpt_to\":\"u%ext.example@local.example\"},"
#define RCPTWALL(mode)                                                                                                 \
    "\"rcptwall\":{\"tag\":\"outside\",\"external\":true,\"domains\":[\"ext.example\"],"                               \
    "\"via\":[\"percent\",\"quoted\"],\"ordinal\":0,\"action\":\"reset\",\"reason\":\"external-rcpt\","                \
    "\"mode\":\"" mode "\"}"

static void test_rcpt(void **state)
{
    (void)state;
    assert_line(rcpt_event(), HEAD("rcpt") SMTP RCPTWALL("enforce") "}");
}

static void test_alert_blocked_and_allowed(void **state)
{
    struct event *ev = rcpt_event();

    (void)state;
    ev->kind = EVENT_ALERT;
    assert_line(ev,
                HEAD("alert")
                    SMTP RCPTWALL("enforce") ",\"alert\":{\"action\":\"blocked\",\"signature\":\"SMTP relay attempt: "
                                             "recipient in an external domain\","
                                             "\"signature_id\":1025001,\"category\":\"Mail Relay\",\"severity\":1}}");
    ev->enforced = false;
    assert_line(ev,
                HEAD("alert")
                    SMTP RCPTWALL("monitor") ",\"alert\":{\"action\":\"allowed\",\"signature\":\"SMTP relay attempt: "
                                             "recipient in an external domain\","
                                             "\"signature_id\":1025001,\"category\":\"Mail Relay\",\"severity\":1}}");
}

/* An alert that only says so lets the packet pass in either mode. */
static void test_alert_action_alert_is_allowed(void **state)
{
    struct event *ev = rcpt_event();
    char *line;

    (void)state;
    ev->kind = EVENT_ALERT;
    ev->action = ACTION_ALERT;
    line = line_of(ev);
    assert_non_null(strstr(line, "\"alert\":{\"action\":\"allowed\""));
    free(line);
}

static void test_every_reason_has_its_own_signature(void **state)
{
    struct event *ev = rcpt_event();
    bool seen[REASON_COUNT] = {false};

    (void)state;
    ev->kind = EVENT_ALERT;
    for (int reason = REASON_EXTERNAL_RCPT; reason < REASON_COUNT; reason++) {
        json_int_t id, severity;
        json_t *object;

        ev->reason = (enum reason)reason;
        object = event_to_json(ev);
        assert_int_equal(json_unpack(object, "{s:{s:I,s:I}}", "alert", "signature_id", &id, "severity", &severity), 0);
        json_decref(object);
        assert_true(id > 1025000 && id < 1025000 + REASON_COUNT);
        assert_false(seen[id - 1025000]);
        seen[id - 1025000] = true;
        assert_in_range(severity, 1, 3);
    }
}

/* What was never said is left out; what was cut is named. */
static void test_unsaid_and_cut_texts(void **state)
{
    struct event *ev = rcpt_event();
    json_t *object;

    (void)state;
    ev->helo.set = false;
    ev->mail_from.set = false;
    ev->rcpt_to.cut = true;
    object = event_to_json(ev);
    assert_null(json_object_get(json_object_get(object, "smtp"), "helo"));
    assert_null(json_object_get(json_object_get(object, "smtp"), "mail_from"));
    assert_string_equal(
        json_string_value(json_array_get(json_object_get(json_object_get(object, "rcptwall"), "cut"), 0)), "rcpt_to");
    json_decref(object);
}

static void test_session(void **state)
{
    struct event *ev = rcpt_event();

    (void)state;
    ev->kind = EVENT_SESSION;
    ev->rcpt_to.set = false;
    ev->session = (struct event_session){
        .packets = {5, 6},
        .bytes = {70, 80},
        .commands = 4,
        .rcpts = 3,
        .external_rcpts = 2,
        .external_accepted = 1,
        .messages = 2,
        .external_messages = 1,
        .duration_ns = INT64_C(1234567891),
        .starttls_offered = true,
        .auth_offered = true,
        .auth_used = true,
        .smtp = true,
    };
    assert_line(
        ev,
        HEAD("session") "\"smtp\":{\"helo\":\"x\",\"mail_from\":\"\"},"
                        "\"rcptwall\":{\"tag\":\"outside\",\"action\":\"reset\",\"reason\":\"external-rcpt\",\"mode\":"
                        "\"enforce\"},"
                        "\"session\":{\"packets\":{\"client\":5,\"server\":6},\"bytes\":{\"client\":70,\"server\":80},"
                        "\"commands\":4,\"rcpts\":3,\"external_rcpts\":2,\"external_accepted\":1,\"messages\":2,\"external_messages\":1,"
                        "\"starttls\":false,\"starttls_offered\":true,"
                        "\"auth\":{\"offered\":true,\"used\":true,\"succeeded\":false},\"midstream\":false,\"smtp\":"
                        "true,"
                        "\"verdict\":\"reset\",\"reason\":\"external-rcpt\",\"duration\":1.234567}}");
}

static void test_gap_and_reply(void **state)
{
    struct event *ev = rcpt_event();

    (void)state;
    ev->kind = EVENT_GAP;
    ev->gap_bytes = 1460;
    ev->gap_from = ROLE_SERVER;
    assert_line(ev, HEAD("gap") "\"gap\":{\"from\":\"server\",\"bytes\":1460}}");
    ev->kind = EVENT_REPLY;
    ev->ordinal = 3;
    ev->code = 550;
    assert_line(ev, HEAD("reply") "\"reply\":{\"ordinal\":3,\"code\":550,\"external\":true}}");
}

static void test_wall_text(void **state)
{
    char out[40];

    (void)state;
    wall_text((struct wall){0}, out);
    assert_string_equal(out, "1970-01-01T00:00:00.000000+00:00");
    wall_text((struct wall){-1}, out);
    assert_string_equal(out, "1969-12-31T23:59:59.999999+00:00");
    wall_text((struct wall){WALL_NS}, out);
    assert_string_equal(out, "2026-11-24T04:25:26.123456+00:00");
    wall_text((struct wall){INT64_MAX}, out);
    assert_string_equal(out, "2262-04-11T23:47:16.854775+00:00");
    wall_text((struct wall){INT64_MIN}, out);
    assert_string_equal(out, "1677-09-21T00:12:43.145224+00:00");
}

static void test_ip_addr_text(void **state)
{
    struct ip_addr nothing = {0};
    struct endpoint e = support_endpoint("2001:db8:ffff:ffff:ffff:ffff:255.255.255.255", 1);
    char out[48];

    (void)state;
    ip_addr_text(&e.addr, out);
    assert_string_equal(out, "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff");
    ip_addr_text(&nothing, out);
    assert_string_equal(out, "?");
}

/* Undoes escape_utf8. Returns the length. */
static size_t unescape(const char *text, size_t len, uint8_t *out)
{
    size_t n = 0;

    for (size_t i = 0; i < len; i++) {
        if (text[i] != '\\') {
            out[n++] = (uint8_t)text[i];
        } else if (text[i + 1] == '\\') {
            out[n++] = '\\';
            i++;
        } else {
            char hex[3] = {text[i + 2], text[i + 3], '\0'};
            assert_int_equal(text[i + 1], 'x');
            out[n++] = (uint8_t)strtoul(hex, NULL, 16);
            i += 3;
        }
    }
    return n;
}

/* Through JSON text and back nothing is lost, and the text holds no byte that a line or a terminal would obey (A2). */
static void round_trip(struct bytes wire)
{
    struct bytes b = guard_copy(wire);
    json_t *value = bytes_to_json(b), *back;
    uint8_t bytes[4096];
    char *text;

    assert_non_null(value);
    text = json_dumps(value, JSON_ENCODE_ANY);
    assert_non_null(text);
    for (const char *at = text; *at; at++)
        assert_false((uint8_t)*at < 0x20 || *at == 0x7f);
    back = json_loads(text, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    assert_non_null(back);
    assert_int_equal(unescape(json_string_value(back), json_string_length(back), bytes), wire.len);
    if (wire.len)
        assert_memory_equal(bytes, wire.at, wire.len);
    free(text);
    json_decref(value);
    json_decref(back);
    guard_free(b);
}

static void test_a2_every_byte_and_pair_survives(void **state)
{
    uint8_t pair[2];

    (void)state;
    round_trip((struct bytes){0});
    for (unsigned a = 0; a < 256; a++) {
        pair[0] = (uint8_t)a;
        round_trip(bytes_of(pair, 1));
        for (unsigned b = 0; b < 256; b += 7) {
            pair[1] = (uint8_t)b;
            round_trip(bytes_of(pair, 2));
        }
    }
}

static void assert_shown(const char *wire, size_t len, const char *expected)
{
    struct bytes b = guard_copy(bytes_of(wire, len));
    json_t *value = bytes_to_json(b);

    round_trip(b);
    assert_string_equal(json_string_value(value), expected);
    json_decref(value);
    guard_free(b);
}

static void test_a2_shown_forms(void **state)
{
    (void)state;
#define SHOWN(wire, expected) assert_shown(wire, sizeof(wire) - 1, expected)
    SHOWN("a\"b<>@ ~", "a\"b<>@ ~");
    SHOWN("a\r\nb\0c\x7f", "a\\x0d\\x0ab\\x00c\\x7f");
    SHOWN("\\x0a", "\\\\x0a");
    SHOWN("\x1b[31m", "\\x1b[31m");
    SHOWN("b\xc3\xbc"
          "cher",
          "b\xc3\xbc"
          "cher"); /* valid UTF-8 stays */
    SHOWN("\xe2\x82\xac \xf0\x9f\x93\xa7", "\xe2\x82\xac \xf0\x9f\x93\xa7");
    SHOWN("\xc2\x85\xc2\x9b", "\\xc2\\x85\\xc2\\x9b"); /* C1 controls */
    SHOWN("\xe2\x80\xae"
          "x",
          "\\xe2\\x80\\xaex");                /* right-to-left override */
    SHOWN("\xe2\x80\xa8", "\\xe2\\x80\\xa8"); /* line separator */
    SHOWN("\xef\xbb\xbf", "\\xef\\xbb\\xbf"); /* byte order mark */
    SHOWN("\xef\xbf\xbf", "\\xef\\xbf\\xbf"); /* noncharacter */
    SHOWN("\xc0\x8a", "\\xc0\\x8a");          /* overlong LF */
    SHOWN("\xe0\x80\x8a", "\\xe0\\x80\\x8a");
    SHOWN("\xed\xa0\x80", "\\xed\\xa0\\x80");          /* surrogate */
    SHOWN("\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"); /* above U+10FFFF */
    SHOWN("\xff\xfe", "\\xff\\xfe");
    SHOWN("a\xc3", "a\\xc3"); /* cut in the middle */
    SHOWN("\xe2\x82", "\\xe2\\x82");
    SHOWN("\xf0\x9f\x93", "\\xf0\\x9f\\x93");
    SHOWN("\xc3\xc3\xbc", "\\xc3\xc3\xbc");
#undef SHOWN
}

/* Every text of an event with all 256 bytes in it: the line is one line of JSON, and the bytes come back. */
static void test_a2_event_with_hostile_texts(void **state)
{
    struct event *ev = rcpt_event();
    uint8_t all[256], back[256];
    json_t *object, *rcpt;
    char *line;

    (void)state;
    for (unsigned i = 0; i < 256; i++)
        all[i] = (uint8_t)i;
    event_clear(ev);
    ev->kind = EVENT_ALERT;
    memset(ev->tag_name, '\n', sizeof ev->tag_name - 1);
    event_put(ev, &ev->helo, bytes_of(all, 256), EVENT_HELO_MAX);
    event_put(ev, &ev->mail_from, bytes_of(all, 256), EVENT_MAIL_MAX);
    event_put(ev, &ev->rcpt_to, bytes_of(all, 256), EVENT_RCPT_MAX);
    event_put(ev, &ev->domains[0], bytes_of(all, 256), 255);
    ev->domain_count = 1;
    line = line_of(ev);
    for (const char *at = line; *at; at++)
        assert_false((uint8_t)*at < 0x20 || *at == 0x7f);
    object = json_loads(line, 0, NULL);
    assert_non_null(object);
    rcpt = json_object_get(json_object_get(object, "smtp"), "rcpt_to");
    assert_int_equal(unescape(json_string_value(rcpt), json_string_length(rcpt), back), 256);
    assert_memory_equal(back, all, 256);
    json_decref(object);
    free(line);
}

/* At every size of the room: whole escapes only, a NUL at the end, nothing beyond. */
static void test_escape_at_every_room(void **state)
{
    struct bytes wire = bytes_of("a\"\\\n\xc3\xbc\xff z", 9);
    size_t (*const of[])(struct bytes, char *, size_t, bool *) = {escape_quoted, escape_plain, escape_word,
                                                                  escape_utf8};

    (void)state;
    for (size_t f = 0; f < 4; f++) {
        char whole[64];
        bool cut = true;
        size_t len = of[f](wire, whole, sizeof whole, &cut);

        assert_false(cut);
        for (size_t room = 1; room <= len + 2; room++) {
            uint8_t *out = guard_room(room);
            size_t n = of[f](wire, (char *)out, room, &cut);

            assert_true(n < room && out[n] == '\0');
            assert_int_equal(cut, room <= len);
            assert_memory_equal(out, whole, n);
            assert_true(n == 0 || whole[n - 1] != '\\' || (n > 1 && whole[n - 2] == '\\'));
            guard_room_free(out, room);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rcpt),
        cmocka_unit_test(test_alert_blocked_and_allowed),
        cmocka_unit_test(test_alert_action_alert_is_allowed),
        cmocka_unit_test(test_every_reason_has_its_own_signature),
        cmocka_unit_test(test_unsaid_and_cut_texts),
        cmocka_unit_test(test_session),
        cmocka_unit_test(test_gap_and_reply),
        cmocka_unit_test(test_wall_text),
        cmocka_unit_test(test_ip_addr_text),
        cmocka_unit_test(test_a2_every_byte_and_pair_survives),
        cmocka_unit_test(test_a2_shown_forms),
        cmocka_unit_test(test_a2_event_with_hostile_texts),
        cmocka_unit_test(test_escape_at_every_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
