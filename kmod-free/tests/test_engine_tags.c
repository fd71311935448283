/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a tag says, through the whole engine: authenticated = judge | exempt, starttls = allow | alert |
 * reset, each for its own tag and no other; and who the sender was, as events tell it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "kmod-free/engine.h"
#include "kmod-free/report/event_json.h"
#include "kmod-free/tests/support.h"
#include "kmod-free/tests/support_policy.h"

enum tag {
    TAG_OUTSIDE = 1,
    TAG_EXEMPT = 3,
    TAG_TLS_ALERT = 4,
    TAG_TLS_RESET = 5,
};

#define LOG_MAX 8192
struct log {
    char text[LOG_MAX];
    size_t len;
};

__attribute__((format(printf, 2, 3))) static void note(struct log *l, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(l->text + l->len, LOG_MAX - l->len, format, args);
    va_end(args);
    assert_true(n >= 0 && l->len + (size_t)n < LOG_MAX);
    l->len += (size_t)n;
}

static void note_event(void *ctx, const struct event *ev)
{
    struct log *l = ctx;
    switch (ev->kind) {
    case EVENT_RCPT:
        note(l, "rcpt%s %s\n", ev->external ? " external" : "", action_name(ev->action));
        break;
    case EVENT_ALERT:
        note(l, "alert %s%s%s %s\n", reason_name(ev->reason), ev->detail != DETAIL_NONE ? " " : "",
             detail_name(ev->detail), action_name(ev->action));
        break;
    case EVENT_SESSION:
        note(l, "session%s%s%s\n", ev->session.auth_used ? " auth" : "", ev->session.auth_succeeded ? " succeeded" : "",
             ev->session.starttls ? " starttls" : "");
        break;
    case EVENT_GAP:
    case EVENT_REPLY:
        break;
    }
}

static void add_tag(struct policy *p, enum tag value, const char *name, const char *network)
{
    struct network n;
    p->tags[value] = p->tags[TAG_OUTSIDE];
    snprintf(p->tags[value].name, TAG_NAME_MAX, "%s", name);
    assert_true(network_parse(network, &n));
    n.tag = (uint8_t)value;
    assert_true(policy_add_network(p, &n));
}

static struct engine *engine_make(enum stance stance, struct event_sink sink)
{
    struct policy *p = support_policy(stance == STANCE_GUARD);
    struct engine_config cfg;
    add_tag(p, TAG_EXEMPT, "exempt", "203.0.113.3");
    add_tag(p, TAG_TLS_ALERT, "tls-alert", "203.0.113.4");
    add_tag(p, TAG_TLS_RESET, "tls-reset", "203.0.113.5");
    p->tags[TAG_EXEMPT].exempt_authenticated = true;
    p->tags[TAG_TLS_ALERT].on[REASON_STARTTLS] = ACTION_ALERT;
    p->tags[TAG_TLS_RESET].on[REASON_STARTTLS] = ACTION_RESET;
    engine_config_defaults(&cfg);
    cfg.stance = stance;
    cfg.max_flows = 4;
    cfg.smtp.line_max = 128;
    cfg.stream_blocks = 64;
    cfg.want_rcpt_events = cfg.want_session_events = true;
    cfg.sink = sink;
    struct engine *e = engine_new(&cfg, p);
    assert_non_null(e);
    return e;
}

/* The kind of the first verdict that isn't PASS or CLIP, else PASS. Frees the session. */
static enum verdict_kind play_session(enum stance stance, struct support_session *s, struct event_sink sink)
{
    struct engine *e = engine_make(stance, sink);
    enum verdict_kind kind = VERDICT_PASS;
    for (size_t i = 0; i < s->count && kind == VERDICT_PASS; i++) {
        struct frame f = support_session_frame(s, i);
        struct verdict v = engine_feed(e, &f);
        kind = v.kind == VERDICT_CLIP ? VERDICT_PASS : v.kind;
    }
    engine_finish(e);
    engine_free(e);
    support_session_free(s);
    return kind;
}

static struct support_session_config session_of(const char *client)
{
    return (struct support_session_config){.client = support_endpoint(client, 40000),
                                           .server = support_endpoint("192.0.2.25", 25)};
}

static enum verdict_kind play(enum stance stance, const char *client, const char *text, struct event_sink sink)
{
    struct support_session_config how = session_of(client);
    return play_session(stance, support_session_text(&how, text), sink);
}

static void expect(const char *client, const char *text, const char *events, enum verdict_kind guarded)
{
    struct log l = {0};
    assert_int_equal(play(STANCE_WATCH, client, text, (struct event_sink){note_event, &l}), VERDICT_PASS);
    assert_string_equal(l.text, events);
    l.len = 0;
    assert_int_equal(play(STANCE_GUARD, client, text, (struct event_sink){note_event, &l}), guarded);
}

#define OUTSIDE   "198.51.100.2"
#define EXEMPT    "203.0.113.3"
#define TLS_ALERT "203.0.113.4"
#define TLS_RESET "203.0.113.5"
#define BEGIN     "S: 220 x\nC: EHLO out.example\nS: 250-x\nS: 250-STARTTLS\nS: 250 AUTH PLAIN LOGIN\n"
#define RELAY     "C: MAIL FROM:<a@out.example>\nS: 250 ok\nC: RCPT TO:<u@ext.example>\nS: 250 ok\n"
#define LOGIN     "C: AUTH PLAIN AGEAYg==\nS: 235 ok\n"
#define NO_LOGIN  "C: AUTH PLAIN AGEAYg==\nS: 535 no\n"
#define RELAYED   "rcpt external reset\nalert external-rcpt reset\n"

/* A guest account is a client that has logged in, too (MS02-011): it is judged unless the tag says otherwise. */
static void authenticated(void **state)
{
    (void)state;
    expect(OUTSIDE, BEGIN LOGIN RELAY, RELAYED "session auth succeeded\n", VERDICT_RESET);
    expect(EXEMPT, BEGIN LOGIN RELAY, "rcpt external accept\nsession auth succeeded\n", VERDICT_PASS);
    expect(EXEMPT, BEGIN RELAY, RELAYED "session\n", VERDICT_RESET);
    expect(EXEMPT, BEGIN NO_LOGIN RELAY, RELAYED "session auth\n", VERDICT_RESET);
    /* only what comes behind the server's yes */
    expect(EXEMPT, BEGIN RELAY LOGIN, RELAYED "session auth succeeded\n", VERDICT_RESET);
    /* at a prompt; and a yes to something else is none */
    expect(EXEMPT, BEGIN "C: AUTH LOGIN\nS: 334 x\nC: YQ==\nS: 334 x\nC: Yg==\nS: 235 ok\n" RELAY,
           "rcpt external accept\nsession auth succeeded\n", VERDICT_PASS);
    expect(EXEMPT, BEGIN "C: NOOP\nS: 235 ok\n" RELAY, RELAYED "session\n", VERDICT_RESET);
    expect(EXEMPT, BEGIN "C: AUTH LOGIN\nS: 334 x\nC: *\nS: 501 no\n" RELAY, RELAYED "session auth\n", VERDICT_RESET);
    /* an exemption for recipients, and for nothing else */
    expect(EXEMPT, BEGIN LOGIN RELAY "C: RCPT TO:<v\r@local.example>\nS: 250 ok\n",
           "rcpt external accept\nrcpt accept\nalert malformed bare-cr reset\nrcpt accept\nsession auth succeeded\n",
           VERDICT_RESET);
}

#define LONG "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

/* The first thing of a command that servers disagree about is named, whichever command it is. */
static void malformed(void **state)
{
    static const struct {
        struct bytes line;
        const char *detail;
    } cases[] = {
#define CASE(line, detail) {{(const uint8_t *)(line), sizeof(line) - 1}, detail}
        CASE("RCPT TO:<v\r@local.example>\r\n", "bare-cr"),
        CASE("RCPT TO:<v\0@local.example>\r\n", "nul"),
        CASE("RCPT TO:<v\0\r@local.example>\r\n", "nul"),
        CASE("RCPT TO:<v\r\0@local.example>\r\n", "bare-cr"),
        CASE("MAIL FROM:<v\r@local.example>\r\n", "bare-cr"),
        CASE("MAIL FROM:<\0>\r\n", "nul"),
        CASE("RCPT TO:<" LONG LONG "@local.example>\r\n", "long-line"),
        CASE("RCPT TO:<\0" LONG LONG "@local.example>\r\n", "long-line"),
        CASE("NOOP " LONG LONG "\r\n", "long-line"),
#undef CASE
    };
    const struct support_session_config how = session_of(OUTSIDE);
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct support_say script[] = {
            {ROLE_SERVER, bytes_str("220 x\r\n")},  {ROLE_CLIENT, bytes_str("EHLO out.example\r\n")},
            {ROLE_SERVER, bytes_str("250 x\r\n")},  {ROLE_CLIENT, cases[i].line},
            {ROLE_SERVER, bytes_str("250 ok\r\n")},
        };
        char wanted[64];
        struct log l = {0};
        snprintf(wanted, sizeof wanted, "alert malformed %s reset\n", cases[i].detail);
        (void)play_session(STANCE_WATCH, support_session_new(&how, script, sizeof script / sizeof *script),
                           (struct event_sink){note_event, &l});
        if (strstr(l.text, wanted) == NULL)
            fail_msg("case %zu: %s", i, l.text);
    }
}

/* The server's 220 decides, whatever the verb looked like. */
static void starttls(void **state)
{
    static const char tls[] = BEGIN "C: STARTTLS\nS: 220 go\nC: \x16\x03\x01\nC: RCPT TO:<not@ext.example>\n";
    static const char odd[] = BEGIN "C: STARTTLS x\nS: 220 go\nC: \x16\x03\x01\nC: RCPT TO:<not@ext.example>\n";
    static const char plain[] = BEGIN "C: STARTTLS\nS: 220 go\n" RELAY; /* no TLS, whatever the server said */
    static const char refused[] = BEGIN "C: STARTTLS\nS: 454 no\n" RELAY;
    static const char other[] = BEGIN "C: NOOP\nS: 220 ok\n" RELAY;
    (void)state;
    expect(OUTSIDE, tls, "session starttls\n", VERDICT_PASS);
    expect(OUTSIDE, plain, RELAYED "session starttls\n", VERDICT_RESET);
    expect(TLS_ALERT, tls, "alert starttls alert\nsession starttls\n", VERDICT_PASS);
    expect(TLS_RESET, tls, "alert starttls reset\nsession starttls\n", VERDICT_RESET);
    expect(TLS_RESET, odd, "alert starttls reset\nsession starttls\n", VERDICT_RESET);
    expect(TLS_RESET, refused, RELAYED "session\n", VERDICT_RESET);
    expect(TLS_RESET, other, RELAYED "session\n", VERDICT_RESET);
    expect(OUTSIDE, refused, RELAYED "session\n", VERDICT_RESET);
}

/* --- the sender --- */

static void note_sender(void *ctx, const struct event *ev)
{
    struct log *l = ctx;
    if (ev->kind != EVENT_RCPT)
        return;
    json_t *j = event_to_json(ev), *from = json_object_get(json_object_get(j, "smtp"), "mail_from");
    assert_non_null(j);
    char *text = from != NULL ? json_dumps(from, EVENT_JSON_FLAGS | JSON_ENCODE_ANY) : NULL;
    note(l, "%s\n", text != NULL ? text : "none");
    free(text);
    json_decref(j);
}

static void expect_sender(const char *mail, const char *sender)
{
    char text[1024], wanted[256];
    struct log l = {0};
    snprintf(text, sizeof text, BEGIN "%s\nS: 250 ok\nC: RCPT TO:<u@local.example>\nS: 250 ok\n", mail);
    snprintf(wanted, sizeof wanted, "%s\n", sender);
    (void)play(STANCE_WATCH, OUTSIDE, text, (struct event_sink){note_sender, &l});
    assert_string_equal(l.text, wanted);
}

static void senders(void **state)
{
    (void)state;
    expect_sender("C: MAIL FROM:<a@out.example>", "\"a@out.example\"");
    expect_sender("C: MAIL FROM:<>", "\"\"");
    expect_sender("C: MAIL FROM:", "\"\"");
    expect_sender("C: mail from: <a@out.example> SIZE=1 BODY=8BITMIME", "\"a@out.example\"");
    expect_sender("C: MAIL FROM:a@out.example", "\"a@out.example\"");
    expect_sender("C: SOML FROM:<a@out.example>", "\"a@out.example\"");
    expect_sender("C:  MAIL FROM:<a@out.example>", "\"a@out.example\"");
    expect_sender("C: MAIL FROM:<\"a b\"@out.example>", "\"\\\"a b\\\"@out.example\"");
    expect_sender("C: MAIL FROM:<\x1b[31ma@out.example>", "\"\\\\x1b[31ma@out.example\"");
    expect_sender("C: MAIL FROM:<a\xff@out.example>", "\"a\\\\xff@out.example\"");
    expect_sender("C: NOOP", "none");
    /* the next transaction has one of its own */
    expect_sender("C: MAIL FROM:<a@out.example>\nS: 250 ok\nC: RSET\nS: 250 ok\nC: MAIL FROM:<>", "\"\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(authenticated),
        cmocka_unit_test(malformed),
        cmocka_unit_test(starttls),
        cmocka_unit_test(senders),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
