// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdlib.h>

#include "kmod-free/tests/support.h"
#include "pcap-tests/replay/table.h"

static void name_of(unsigned n, char out[16])
{
    snprintf(out, 16, "n%05u", n);
}

static void test_tally_order_and_ties(void **state)
{
    const struct tally_entry *top[3];
    struct tally *t = tally_new();

    (void)state;
    tally_add(t, bytes_str("b"), TALLY_TRIED);
    tally_add(t, bytes_str("a"), TALLY_TRIED);
    tally_add(t, bytes_str("aa"), TALLY_TRIED);
    tally_add(t, bytes_str("c"), TALLY_TRIED);
    tally_add(t, bytes_str("c"), TALLY_TRIED);
    tally_add(t, bytes_str("d"), TALLY_ACCEPTED); /* never tried: not in the list */
    assert_int_equal(tally_top(t, top, 3), 3);
    assert_memory_equal(top[0]->name, "c", 1);
    assert_memory_equal(top[1]->name, "a", 1);
    assert_int_equal(top[1]->name_len, 1);
    assert_memory_equal(top[2]->name, "aa", 2);
    assert_int_equal(tally_top(t, top, 0), 0);
    tally_free(t);
}

/* Full: those that are known go on counting, new ones are counted together. */
static void test_tally_is_bounded(void **state)
{
    const struct tally_entry *top[1];
    struct tally *t = tally_new();
    char name[16];

    (void)state;
    for (unsigned i = 0; i < TALLY_NAMES + 10; i++) {
        name_of(i, name);
        tally_add(t, bytes_str(name), TALLY_TRIED);
    }
    assert_int_equal(tally_size(t), TALLY_NAMES);
    assert_int_equal(tally_others(t), 10);
    name_of(77, name);
    tally_add(t, bytes_str(name), TALLY_TRIED);
    assert_int_equal(tally_top(t, top, 1), 1);
    assert_memory_equal(top[0]->name, name, 6);
    tally_free(t);
}

static void test_tally_odd_names(void **state)
{
    static const uint8_t longest[300] = {1};
    const struct tally_entry *top[3];
    struct tally *t = tally_new();
    struct bytes name = guard_copy(bytes_of(longest, sizeof longest));

    (void)state;
    tally_add(t, (struct bytes){0}, TALLY_TRIED);
    tally_add(t, bytes_of("a\0b", 3), TALLY_TRIED);
    tally_add(t, name, TALLY_TRIED);
    assert_int_equal(tally_top(t, top, 3), 3);
    assert_int_equal(top[0]->name_len, 0);
    assert_int_equal(top[1]->name_len, TALLY_NAME_MAX);
    assert_memory_equal(top[2]->name, "a\0b", 3);
    guard_free(name);
    tally_free(t);
}

/* Events as the engine would make them. */

static struct event ev;

static struct event *event_of(enum event_kind kind)
{
    event_clear(&ev);
    ev.kind = kind;
    ev.flow_id = 1;
    ev.client = support_endpoint("198.51.100.2", 40112);
    ev.server = support_endpoint("192.0.2.25", 25);
    ev.tag = 1;
    strcpy(ev.tag_name, "outside");
    ev.action = ACTION_ACCEPT;
    return &ev;
}

static struct event *attempt(uint32_t ordinal, const char *rcpt, const char *domain)
{
    struct event *e = event_of(EVENT_RCPT);

    e->external = true;
    e->action = ACTION_RESET;
    e->reason = REASON_EXTERNAL_RCPT;
    e->ordinal = ordinal;
    event_put(e, &e->mail_from, bytes_str("a@b.example"), EVENT_MAIL_MAX);
    event_put(e, &e->rcpt_to, bytes_str(rcpt), EVENT_RCPT_MAX);
    event_put(e, &e->domains[0], bytes_str(domain), 255);
    e->domain_count = 1;
    return e;
}

static struct event *answered(uint32_t ordinal, uint16_t code)
{
    struct event *e = event_of(EVENT_REPLY);

    e->external = true;
    e->action = ACTION_RESET;
    e->ordinal = ordinal;
    e->code = code;
    return e;
}

static struct event *session(uint32_t accepted, uint32_t messages)
{
    struct event *e = event_of(EVENT_SESSION);

    e->session.smtp = true;
    e->session.external_accepted = accepted;
    e->session.messages = messages + 1; /* one was for the server's own */
    e->session.external_messages = messages;
    e->action = accepted ? ACTION_RESET : ACTION_ACCEPT;
    return e;
}

static void assert_answer(const struct summary *s, enum summary_answer answer, const char *text)
{
    char out[256];

    assert_int_equal(summary_answer(s), answer);
    summary_answer_text(s, out, sizeof out);
    if (strncmp(out, text, strlen(text)) != 0)
        fail_msg("\"%s\" doesn't begin with \"%s\"", out, text);
}

static void test_answer_nothing_there(void **state)
{
    struct summary s;

    (void)state;
    assert_true(summary_start(&s));
    assert_answer(&s, ANSWER_UNKNOWN, "Can't tell: no SMTP session found in 0 packets (--port any");
    s.servers_named = true;
    assert_answer(&s, ANSWER_UNKNOWN, "Can't tell: no SMTP session of that server found in 0 packets (without --server, every");
    summary_event(&s, session(0, 3));
    assert_answer(&s, ANSWER_NONE, "No: nobody tried, in 1 session that could all be read.");
    summary_stop(&s);
}

static void test_answer_refused_accepted_unseen(void **state)
{
    struct summary s;

    (void)state;
    assert_true(summary_start(&s));
    summary_event(&s, attempt(0, "u@ext.example", "ext.example"));
    assert_answer(&s, ANSWER_UNKNOWN,
                  "Can't tell: 1 attempt to relay: 0 accepted, 0 refused, and 1 without an answer");
    summary_event(&s, answered(0, 550));
    assert_answer(&s, ANSWER_REFUSED, "No: 1 attempt to relay, and the server refused it.");
    summary_event(&s, attempt(1, "v@ext.example", "ext.example"));
    summary_event(&s, answered(1, 251));
    summary_event(&s, session(1, 2));
    assert_answer(&s, ANSWER_ABUSED,
                  "YES: the server accepted 1 of 2 external recipients of clients that may not relay, "
                  "and took 2 messages for them.");
    summary_stop(&s);
}

/* What may be the text of a message, behind missing bytes, is no attempt before the server answers it. */
static void test_answer_where_it_may_be_text(void **state)
{
    struct summary s;

    (void)state;
    assert_true(summary_start(&s));
    for (uint32_t i = 0; i < 3; i++) {
        attempt(i, "u@ext.example", "ext.example")->doubtful = true;
        summary_event(&s, &ev);
    }
    assert_int_equal(s.tried, 0);
    assert_int_equal(tally_size(s.clients), 0);
    assert_answer(&s, ANSWER_UNKNOWN, "Can't tell: bytes are missing, and 3 lines behind them may be RCPT");
    summary_event(&s, attempt(3, "u@ext.example", "ext.example"));
    summary_event(&s, answered(3, 550));
    assert_answer(&s, ANSWER_UNKNOWN, "Can't tell: bytes are missing, and 3 lines behind them may be RCPT");
    answered(1, 250)->doubtful = true;
    summary_event(&s, &ev);
    assert_int_equal(s.doubtful, 2);
    assert_answer(&s, ANSWER_ABUSED, "YES: the server accepted 1 of 2 external recipients");
    summary_stop(&s);
}

/* What couldn't be read is said, and keeps "no" from being the answer. */
static void test_answer_is_honest_about_the_unseen(void **state)
{
    struct summary s;

    (void)state;
    for (int what = 0; what < 5; what++) {
        struct event *e = session(0, 0);

        assert_true(summary_start(&s));
        if (what == 0)
            e->session.starttls = true;
        if (what == 1)
            e->session.smtp = false;
        if (what == 2)
            e->session.midstream = true;
        summary_event(&s, e);
        if (what == 3)
            summary_event(&s, event_of(EVENT_GAP));
        if (what == 4)
            s.unjudged = 1;
        assert_answer(&s, ANSWER_UNKNOWN, "Can't tell for all: no attempt seen, but of 1 session ");
        summary_stop(&s);
    }
}

/* Nobody knows what the rest of a broken capture held, so it keeps "no" from being the answer; "yes" stays. */
static void test_answer_of_a_broken_capture(void **state)
{
    struct summary s;

    (void)state;
    assert_true(summary_start(&s));
    s.broken = 1;
    summary_event(&s, session(0, 0));
    assert_answer(&s, ANSWER_UNKNOWN, "Can't tell: 1 capture could not be read to the end; before that, 0 attempts");
    summary_event(&s, attempt(0, "u@ext.example", "ext.example"));
    summary_event(&s, answered(0, 550));
    assert_answer(&s, ANSWER_UNKNOWN, "Can't tell: 1 capture could not be read to the end; before that, 1 attempt ");
    summary_event(&s, attempt(1, "u@ext.example", "ext.example"));
    summary_event(&s, answered(1, 250));
    assert_answer(&s, ANSWER_ABUSED, "YES: the server accepted 1 of 2");
    summary_stop(&s);
}

/* An inside client's external recipient is no attempt to relay. */
static void test_the_allowed_are_not_counted(void **state)
{
    struct event *e = attempt(0, "u@ext.example", "ext.example");
    struct summary s;

    (void)state;
    assert_true(summary_start(&s));
    e->action = ACTION_ACCEPT;
    summary_event(&s, e);
    e = answered(0, 250);
    e->action = ACTION_ACCEPT;
    summary_event(&s, e);
    e = session(1, 1);
    e->action = ACTION_ACCEPT;
    summary_event(&s, e);
    assert_int_equal(s.tried + s.accepted + s.messages, 0);
    assert_answer(&s, ANSWER_NONE, "No: nobody tried");
    summary_stop(&s);
}

static void test_json(void **state)
{
    struct engine_counters counters = {.flows = 9, .smtp_flows = 8, .rcpts = 7, .external_rcpts = 6};
    struct summary s;
    struct event *e;
    json_t *object;
    char *text;

    (void)state;
    assert_true(summary_start(&s));
    s.files = 2;
    s.packets = 3;
    s.bytes = 500;
    s.first.ns = INT64_C(1000000000);
    s.last.ns = INT64_C(3000000000);
    summary_event(&s, attempt(0, "u@ext.example", "ext.example"));
    summary_event(&s, answered(0, 250));
    e = event_of(EVENT_ALERT);
    e->action = ACTION_RESET;
    e->reason = REASON_EXTERNAL_RCPT;
    summary_event(&s, e);
    summary_event(&s, session(1, 1));
    assert_int_equal(summary_alerts(&s), 1);
    object = summary_to_json(&s, &counters);
    assert_non_null(object);
    text = json_dumps(object, JSON_COMPACT | JSON_PRESERVE_ORDER);
    assert_string_equal(
        text,
        "{\"timestamp\":\"1970-01-01T00:00:03.000000+00:00\",\"event_type\":\"summary\",\"files\":2,\"packets\":3,"
        "\"bytes\":500,\"flows\":9,\"smtp_flows\":8,\"rcpts\":7,\"external_rcpts\":6,\"messages\":0,"
        "\"relay_attempts\":1,\"relay_accepted\":1,\"relay_refused\":0,\"doubtful\":0,\"gaps\":0,\"gap_bytes\":0,"
        "\"alerts\":{\"external-rcpt\":1,\"dnsbl\":0,\"smuggling\":0,\"evasion\":0,\"desync\":0,\"injection\":0,"
        "\"malformed\":0,\"limit\":0,\"midstream\":0,\"starttls\":0,\"condemned\":0},"
        "\"top_clients\":[{\"ip\":\"198.51.100.2\",\"rcpts\":1,\"accepted\":1,\"refused\":0}],"
        "\"top_external_domains\":[{\"domain\":\"ext.example\",\"rcpts\":1}],"
        "\"seconds\":2.0,\"bytes_per_second\":250.0,\"answer\":\"abused\",\"answer_text\":\"YES: the server accepted 1 "
        "of "
        "1 external recipient of clients that may not relay, and took 1 message for them.\"}");
    free(text);
    json_decref(object);
    summary_stop(&s);
}

/* The table */

static char *print(const struct table *t, const struct summary *s)
{
    struct engine_counters counters = {0};
    char *text = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&text, &len);

    table_print(t, s, &counters, f);
    fclose(f);
    return text;
}

static void feed(struct table *t, struct summary *s, const struct event *e)
{
    table_event(t, e);
    summary_event(s, e);
}

static void test_table(void **state)
{
    struct table *t = table_new(2);
    struct summary s;
    char *text;

    (void)state;
    assert_true(summary_start(&s));
    feed(t, &s, attempt(0, "one@ext.example", "ext.example"));
    feed(t, &s, attempt(1, "two@ext.example", "ext.example"));
    feed(t, &s, attempt(2, "three@ext.example", "ext.example"));
    feed(t, &s, answered(1, 550));
    feed(t, &s, answered(0, 250));
    feed(t, &s, answered(2, 250)); /* has no row */
    text = print(t, &s);
    assert_non_null(strstr(text,
                           "1970-01-01 00:00:00  198.51.100.2:40112  192.0.2.25:25  a@b.example  one@ext.example  -  "
                           "  ACCEPTED 250  reset\n"));
    assert_non_null(strstr(text, "two@ext.example  -    refused 550   reset\n... and 1 more (--rows N"));
    assert_null(strstr(text, "three@"));
    assert_non_null(strstr(text, "\nIs my server being abused? YES: the server accepted 2 of 3 external recipients"));
    free(text);
    table_free(t);
    summary_stop(&s);
}

/* A2: nothing from the wire makes a new line or a terminal sequence, and no column grows beyond its bound. */
static void test_a2_table_of_hostile_texts(void **state)
{
    struct table *t = table_new(10);
    char wire[2000], *text;
    struct summary s;
    struct event *e;
    size_t lines = 0;

    (void)state;
    for (size_t i = 0; i < sizeof wire; i++)
        wire[i] = (char)(i % 255 + 1);
    wire[sizeof wire - 1] = '\0';
    assert_true(summary_start(&s));
    e = attempt(0, wire, wire);
    event_put(e, &e->mail_from, bytes_of(wire, 300), EVENT_MAIL_MAX);
    e->via = (1u << VIA_COUNT) - 1;
    feed(t, &s, e);
    text = print(t, &s);
    for (const char *at = text; *at; at++) {
        assert_true(*at == '\n' || (*at >= 0x20 && *at < 0x7f));
        lines += *at == '\n';
    }
    assert_in_range(lines, 10, 20);
    for (const char *at = text; at; at = strchr(at + 1, '\n'))
        assert_true(strcspn(at + 1, "\n") < 260);
    free(text);
    table_free(t);
    summary_stop(&s);
}

static void test_table_without_rows(void **state)
{
    struct table *t = table_new(0);
    struct summary s;
    char *text;

    (void)state;
    assert_true(summary_start(&s));
    text = print(t, &s);
    assert_null(strstr(text, "Attempts to relay"));
    free(text);
    feed(t, &s, attempt(0, "one@ext.example", "ext.example"));
    feed(t, &s, answered(0, 250));
    text = print(t, &s);
    assert_non_null(strstr(text, "Attempts to relay\n\n... and 1 more"));
    free(text);
    table_free(t);
    summary_stop(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tally_order_and_ties),
        cmocka_unit_test(test_tally_is_bounded),
        cmocka_unit_test(test_tally_odd_names),
        cmocka_unit_test(test_answer_nothing_there),
        cmocka_unit_test(test_answer_refused_accepted_unseen),
        cmocka_unit_test(test_answer_where_it_may_be_text),
        cmocka_unit_test(test_answer_is_honest_about_the_unseen),
        cmocka_unit_test(test_answer_of_a_broken_capture),
        cmocka_unit_test(test_the_allowed_are_not_counted),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_a2_table_of_hostile_texts),
        cmocka_unit_test(test_table_without_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
