// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Invariant D5: what a client says to log in, and its texts, leave the dialogue by no
 * way out: not in any byte of an event (which is what other processes get), not as JSON,
 * not as a line for syslog, not in what `rcptwall replay` prints in any of its forms.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <unistd.h>

#include "kmod-free/engine.h"
#include "kmod-free/report/event_json.h"
#include "kmod-free/report/event_line.h"
#include "kmod-free/tests/support.h"
#include "kmod-free/tests/support_policy.h"
#include "kmod-free/tests/support_smtp.h"

#define BEGIN                                                                                                          \
    "S: 220 mail.local.example ESMTP\nC: EHLO out.example\nS: 250-mail.local.example\nS: 250 AUTH PLAIN LOGIN\n"
#define MAIL "C: MAIL FROM:<a@out.example>\nS: 250 ok\nC: RCPT TO:<u@ext.example>\nS: 250 ok\n"
/* Base64 of names and passwords, and what they are: none of it may show. */
#define PLAIN "AHRlc3RlcgBodW50ZXIy"
#define NAME  "dGVzdGVy"
#define WORD  "aHVudGVyMg=="
#define CLEAR "hunter2"

static const char *const secrets[] = {PLAIN, NAME, "aHVudGVyMg", CLEAR, "Hunter2", "XXXXXXXXXXXXXXXX"};

/* {X*9000} in a text: so many of them. */
#define TEXT_MAX 32768

static const struct {
    const char *name, *text;
} sessions[] = {
    {"plain, at once", BEGIN "C: AUTH PLAIN " PLAIN "\nS: 235 ok\n" MAIL},
    {"plain, when asked", BEGIN "C: AUTH PLAIN\nS: 334 \nC: " PLAIN "\nS: 235 ok\n" MAIL},
    {"plain, wrong", BEGIN "C: AUTH PLAIN " PLAIN "\nS: 535 no\nC: AUTH PLAIN\nS: 334 \nC: " PLAIN "\nS: 535 no\n" MAIL},
    {"login", BEGIN "C: AUTH LOGIN\nS: 334 VXNlcm5hbWU6\nC: " NAME "\nS: 334 UGFzc3dvcmQ6\nC: " WORD "\nS: 235 ok\n" MAIL},
    {"login with a name", BEGIN "C: AUTH LOGIN " NAME "\nS: 334 UGFzc3dvcmQ6\nC: " WORD "\nS: 535 no\n" MAIL},
    {"login, cancelled", BEGIN "C: AUTH LOGIN\nS: 334 x\nC: " NAME "\nS: 334 x\nC: *\nS: 501 no\nC: " WORD "\nS: 500 what\n" MAIL},
    {"login, not waited for", BEGIN "C: AUTH LOGIN\nC: " NAME "\nC: " WORD "\nS: 334 x\nS: 334 x\nS: 235 ok\n" MAIL},
    {"login, refused and not waited for", BEGIN "C: AUTH LOGIN\nC: " NAME "\nC: " WORD "\nS: 502 no\nS: 500 what\nS: 500 what\n" MAIL},
    {"a wrong answer to the prompt", BEGIN "C: AUTH LOGIN\nS: 334 x\nC: not base64 " CLEAR "\nS: 501 no\n" MAIL},
    {"one prompt too many", BEGIN "C: AUTH PLAIN " PLAIN "\nS: 334 x\nC: " WORD "\nS: 334 x\nC: " CLEAR "\nS: 535 no\n" MAIL},
    {"inside of a transaction", BEGIN MAIL "C: AUTH PLAIN " PLAIN "\nS: 503 no\nC: AUTH LOGIN\nS: 503 no\nC: " NAME "\nS: 500 x\nC: " WORD "\nS: 500 x\n"},
    {"too long", BEGIN "C: AUTH PLAIN " PLAIN "{X*8192}" PLAIN "\nS: 500 too long\n" MAIL},
    {"too long at the prompt", BEGIN "C: AUTH LOGIN\nS: 334 x\nC: " NAME "{X*20480}" WORD "\nS: 500 too long\n" MAIL},
    {"a password as a command", BEGIN "C: " CLEAR "\nS: 500 what\nC: " WORD "\nS: 500 what\n" MAIL},
    {"a password behind a verb", BEGIN "C: NOOP " CLEAR "\nS: 250 ok\nC: VRFY " CLEAR "\nS: 252 x\nC: PASS " CLEAR "\nS: 500 what\n" MAIL},
    {"other verbs for it", BEGIN "C: XAUTH " PLAIN "\nS: 500 no\nC: X-EXPS LOGIN " NAME "\nS: 334 x\nC: " WORD "\nS: 235 ok\nC:  AUTH PLAIN " PLAIN "\nS: 503 x\n" MAIL},
    {"odd ways to write it", BEGIN "C: auth plain " PLAIN "\nS: 535 no\nC: AUTH=PLAIN " PLAIN "\nS: 501 no\nC: AUTH\tPLAIN\t" PLAIN "\nS: 501 no\nC: AUTHPLAIN " PLAIN "\nS: 500 no\n" MAIL},
    {"before everything", "C: AUTH PLAIN " PLAIN "\nS: 220 x\nS: 503 no\nC: EHLO x\nS: 250 x\n" MAIL},
    {"replies that don't fit", BEGIN "C: AUTH LOGIN\nS: 250 x\nS: 354 x\nC: " NAME "\nS: 334 x\nS: 250 x\nC: " WORD "\nS: 220 x\n" MAIL},
    {"no reply", BEGIN "C: AUTH LOGIN\nC: " NAME "\nC: " WORD "\nC: MAIL FROM:<a@out.example>\nC: RCPT TO:<u@ext.example>\n"},
    {"behind STARTTLS", BEGIN "C: STARTTLS\nC: AUTH PLAIN " PLAIN "\nS: 220 go\nC: " WORD "\n"},
    {"in a text", BEGIN MAIL "C: DATA\nS: 354 go\nC: Subject: " CLEAR "\nC: AUTH PLAIN " PLAIN "\nC: " WORD "\nC: .\nS: 250 ok\n"},
    {"in the text of a refused DATA", BEGIN MAIL "C: DATA\nS: 554 no\nC: Subject: " CLEAR "\nC: " WORD "\nC: .\nS: 500 what\nS: 500 what\nS: 500 what\n"},
    {"in octets", BEGIN "C: EHLO x\nS: 250-x\nS: 250 CHUNKING\n" MAIL "C: BDAT 26 LAST\nC: Subject: " CLEAR "\nC: " CLEAR "\nS: 250 ok\n"},
    {"in octets that were not offered", BEGIN MAIL "C: BDAT 26 LAST\nC: Subject: " CLEAR "\nC: " CLEAR "\nS: 500 no\nS: 500 no\nS: 500 no\n"},
};
#define SESSIONS (sizeof sessions / sizeof sessions[0])

static const char *expanded(const char *text)
{
    static char out[TEXT_MAX];
    const char *brace = strstr(text, "{X*");
    if (brace == NULL)
        return text;
    char *end;
    size_t n = strtoul(brace + 3, &end, 10), head = (size_t)(brace - text);
    assert_true(head + n + strlen(end) < sizeof out);
    memcpy(out, text, head);
    memset(out + head, 'X', n);
    memcpy(out + head + n, end + 1, strlen(end));
    return out;
}

static const char *shown_in(const void *at, size_t len)
{
    for (size_t i = 0; i < sizeof secrets / sizeof secrets[0]; i++)
        if (len > 0 && memmem(at, len, secrets[i], strlen(secrets[i])) != NULL)
            return secrets[i];
    return NULL;
}

struct seen {
    const char *name;
    unsigned events, rcpts;
};

static void no_secret(const char *name, const char *where, const void *at, size_t len)
{
    const char *found = shown_in(at, len);
    if (found != NULL)
        fail_msg("%s: %s in %s", name, found, where);
}

static void take_event(void *ctx, const struct event *ev)
{
    static char line[16384];
    struct seen *seen = ctx;
    seen->events++;
    seen->rcpts += ev->kind == EVENT_RCPT;
    no_secret(seen->name, "an event's bytes", ev, sizeof *ev);
    no_secret(seen->name, "a line for syslog", line, event_to_line(ev, 1, line, sizeof line));
    json_t *j = event_to_json(ev);
    assert_non_null(j);
    char *text = json_dumps(j, EVENT_JSON_FLAGS);
    assert_non_null(text);
    no_secret(seen->name, "JSON", text, strlen(text));
    free(text);
    json_decref(j);
}

static void look_at(void *name, const struct smtp_event *ev)
{
    no_secret(name, "an event of the dialogue", ev->text.at, ev->text.len);
}

/* Where it begins: the texts that the dialogue hands on. */
static void the_dialogue_keeps_secrets(void **state)
{
    static const enum play_cut cuts[] = {PLAY_WHOLE, PLAY_MERGED, PLAY_BYTES};
    struct play *p = play_new();
    (void)state;
    p->on_event = look_at;
    for (size_t i = 0; i < SESSIONS; i++) {
        char name[64];
        snprintf(name, sizeof name, "%s", sessions[i].name);
        p->ctx = name;
        for (size_t k = 0; k < sizeof cuts / sizeof cuts[0]; k++) {
            play_script(p, SMTP_FROM_BANNER, sessions[i].text, cuts[k], 0);
            play_script(p, SMTP_MIDSTREAM, sessions[i].text, cuts[k], 0);
        }
    }
    play_free(p);
}

static struct engine *engine_make(enum stance stance, struct seen *seen)
{
    struct policy *p = support_policy(stance == STANCE_GUARD);
    struct engine_config cfg;
    engine_config_defaults(&cfg);
    cfg.stance = stance;
    cfg.max_flows = 4;
    cfg.stream_blocks = 256;
    cfg.want_rcpt_events = cfg.want_session_events = cfg.want_reply_events = true;
    cfg.sink = (struct event_sink){take_event, seen};
    struct engine *e = engine_new(&cfg, p);
    assert_non_null(e);
    return e;
}

static void no_event_shows_a_secret(void **state)
{
    static const size_t cuts[] = {0, 1, 7};
    (void)state;
    for (size_t i = 0; i < SESSIONS; i++) {
        for (size_t k = 0; k < 2 * sizeof cuts / sizeof cuts[0]; k++) {
            struct seen seen = {.name = sessions[i].name};
            struct support_session_config how = {.mss = cuts[k / 2]};
            struct engine *e = engine_make(k % 2 ? STANCE_GUARD : STANCE_WATCH, &seen);
            struct support_session *s = support_session_text(&how, expanded(sessions[i].text));
            for (size_t n = 0; n < s->count; n++) {
                struct frame f = support_session_frame(s, n);
                struct verdict v = engine_feed(e, &f);
                if (v.kind != VERDICT_PASS && v.kind != VERDICT_CLIP)
                    break;
            }
            engine_finish(e);
            if (k % 2 == 0 && (seen.events == 0 || (seen.rcpts == 0 && strstr(sessions[i].text, "RCPT") != NULL)))
                fail_msg("%s: nothing was said at all", seen.name);
            support_session_free(s);
            engine_free(e);
        }
    }
}

/* What the program prints, both streams; the caller frees it. */
static char *printed(const char *options, const char *capture, size_t *len)
{
    const char *build = getenv("BUILD");
    char command[512];
    snprintf(command, sizeof command, "%s/rcptwall replay --local local.example %s %s 2>&1", build != NULL ? build : "build",
             options, capture);
    FILE *p = popen(command, "r"); /* NOLINT(cert-env33-c): our own program, our own words */
    assert_non_null(p);
    size_t room = 1 << 20;
    char *text = malloc(room);
    assert_non_null(text);
    *len = fread(text, 1, room, p);
    int status = pclose(p);
    assert_true(*len > 0 && *len < room);
    assert_true(status == 0 || status == 1 << 8); /* 0: nothing found, 1: something was */
    return text;
}

static void no_output_shows_a_secret(void **state)
{
    static const char *const forms[] = {"--json", "", "-v", "--json -v --inside 198.51.100.0/24", "--rows 1"};
    char capture[] = "/tmp/rcptwall-secrets.XXXXXX";
    int fd = mkstemp(capture);
    (void)state;
    assert_true(fd >= 0);
    close(fd);
    for (size_t i = 0; i < SESSIONS; i++) {
        struct support_session_config how = {0};
        struct support_session *s = support_session_text(&how, expanded(sessions[i].text));
        FILE *f = fopen(capture, "wb");
        assert_non_null(f);
        support_session_pcap(s, f, 101);
        assert_int_equal(fclose(f), 0);
        support_session_free(s);
        for (size_t k = 0; k < sizeof forms / sizeof forms[0]; k++) {
            size_t len;
            char *text = printed(forms[k], capture, &len);
            no_secret(sessions[i].name, forms[k], text, len);
            free(text);
        }
    }
    unlink(capture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_dialogue_keeps_secrets),
        cmocka_unit_test(no_event_shows_a_secret),
        cmocka_unit_test(no_output_shows_a_secret),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
