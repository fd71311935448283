/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The engine allocates in engine_new and nowhere else. This program's malloc is the
 * C library's with a counter in front (under AddressSanitizer: its hooks); what the
 * engine does with many kinds of sessions must not move that counter.
 *
 * The one exception: a recipient domain with non-ASCII bytes goes through libidn2,
 * which takes memory for the conversion. All of it is given back at once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kmod-free/engine.h"
#include "kmod-free/tests/support.h"
#include "kmod-free/tests/support_policy.h"

/* Since counting began. Volatile: a compiler believes that malloc changes no variable. */
static volatile size_t taken, given;
static volatile bool counting;

static void count_taken(const volatile void *at, size_t size)
{
    (void)size;
    taken += counting && at != NULL;
}

static void count_given(const volatile void *at)
{
    given += counting && at != NULL;
}

#ifdef __has_feature /* clang */
#if __has_feature(address_sanitizer) && !defined(__SANITIZE_ADDRESS__)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif

#ifdef __SANITIZE_ADDRESS__
int __sanitizer_install_malloc_and_free_hooks(void (*)(const volatile void *, size_t), void (*)(const volatile void *));

static void count_from_now_on(void)
{
    assert_int_not_equal(__sanitizer_install_malloc_and_free_hooks(count_taken, count_given), 0);
}
#else
/* glibc's own names for its allocator. */
void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
void *__libc_memalign(size_t, size_t);
void __libc_free(void *);

/* The C library's headers give these parameters names with underscores. */
/* NOLINTBEGIN(readability-inconsistent-declaration-parameter-name) */
void *malloc(size_t size)
{
    void *at = __libc_malloc(size);
    count_taken(at, size);
    return at;
}

void *calloc(size_t n, size_t size)
{
    void *at = __libc_calloc(n, size);
    count_taken(at, size);
    return at;
}

void *realloc(void *old, size_t size)
{
    void *at = __libc_realloc(old, size);
    count_given(old);
    count_taken(at, size);
    return at;
}

void *aligned_alloc(size_t alignment, size_t size)
{
    void *at = __libc_memalign(alignment, size);
    count_taken(at, size);
    return at;
}

void free(void *at)
{
    count_given(at);
    __libc_free(at);
}
/* NOLINTEND(readability-inconsistent-declaration-parameter-name) */

static void count_from_now_on(void)
{
}
#endif

static void start_counting(void)
{
    taken = given = 0;
    counting = true;
}

static void stop_counting(void)
{
    counting = false;
}

static void count_event(void *ctx, const struct event *ev)
{
    (void)ev;
    (*(size_t *)ctx)++;
}

/* Small on purpose: flows, blocks and what one stream may keep all run out. */
static struct engine *engine_make(enum stance stance, size_t *events)
{
    struct engine_config cfg;
    struct policy *p = support_policy(stance == STANCE_GUARD);
    engine_config_defaults(&cfg);
    cfg.stance = stance;
    cfg.live = stance == STANCE_GUARD;
    cfg.max_flows = 8;
    cfg.stream_blocks = 64;
    cfg.stream_block_limit = 16;
    cfg.want_rcpt_events = true;
    cfg.want_reply_events = true;
    cfg.want_session_events = true;
    cfg.sink = (struct event_sink){count_event, events};
    if (stance == STANCE_WATCH)
        cfg.defrag_datagrams = 4;
    struct engine *e = engine_new(&cfg, p);
    assert_non_null(e);
    return e;
}

#define DIALOGUE(rcpt)                                                                                                 \
    "S: 220 mail.local.example ESMTP\n"                                                                                \
    "C: EHLO outside.example\nS: 250-mail.local.example\nS: 250-CHUNKING\nS: 250-AUTH PLAIN\nS: 250 PIPELINING\n"      \
    "C: AUTH PLAIN\nS: 334 \nC: AGEAYg==\nS: 235 ok\n"                                                                 \
    "C: MAIL FROM:<a@outside.example>\nS: 250 ok\n"                                                                    \
    "C: RCPT TO:<" rcpt ">\nS: 250 ok\n"                                                                               \
    "C: DATA\nS: 354 go\nC: Subject: x\nC: \nC: RCPT TO:<quoted@ext.example>\nC: .\nS: 250 queued\n"                   \
    "C: MAIL FROM:<b@outside.example>\nS: 250 ok\nC: RCPT TO:<" rcpt ">\nS: 550 no\nC: RSET\nS: 250 ok\n"              \
    "C: QUIT\nS: 221 bye\n"

static const char *const dialogues[] = {
    DIALOGUE("u@local.example"),
    DIALOGUE("u%ext.example@local.example"),
    DIALOGUE("@a.example,@b.example:\\\"u@ext.example\\\"@local.example"),
    DIALOGUE("a!b!c@[192.0.2.25]"),
    "S: 220 x\nC: HELO y\nS: 250 z\nC: STARTTLS\nS: 220 go\nC: \x16\x03\x01 opaque\n",
    "S: 220 x\nC: HELO y\nS: 250 z\nC: MAIL FROM:<>\nS: 250 ok\nC: BDAT 10 LAST\nC: 12345678\nS: 250 ok\n",
    "C: GET / HTTP/1.1\nC: Host: x\nC: \nS: HTTP/1.1 400 Bad Request\n",
};

#define DIALOGUES    (sizeof(dialogues) / sizeof(dialogues[0]))
#define MAX_SESSIONS (DIALOGUES * 4)

static struct support_session *sessions[MAX_SESSIONS];

/* Every dialogue over IPv4 and IPv6, whole lines and crumbs, each from a port of its own. */
static void make_sessions(void)
{
    for (size_t i = 0; i < MAX_SESSIONS; i++) {
        bool v6 = i / DIALOGUES % 2 == 1;
        struct support_session_config cfg = {
            .client = support_endpoint(v6 ? "2001:db8:1::2" : "198.51.100.2", (uint16_t)(20000 + i)),
            .server = support_endpoint(v6 ? "2001:db8:2::25" : "192.0.2.25", 25),
            .client_isn = 0xffffff00u,
            .server_isn = 0x7fffff00u,
            .mss = i / DIALOGUES < 2 ? 1460 : 3,
            .no_fin = i % 3 == 0,
        };
        sessions[i] = support_session_text(&cfg, dialogues[i % DIALOGUES]);
    }
}

static void free_sessions(void)
{
    for (size_t i = 0; i < MAX_SESSIONS; i++)
        support_session_free(sessions[i]);
}

/* The ways in which one session's frames come: in order, each twice, pairs swapped, every third one lost, from the
 * middle. */
enum arrival {
    IN_ORDER,
    TWICE,
    SWAPPED,
    WITH_HOLES,
    FROM_THE_MIDDLE,
    ARRIVALS,
};

static size_t pick(enum arrival how, size_t i, size_t count)
{
    switch (how) {
    case IN_ORDER:
    case TWICE:
    case ARRIVALS:
        return i;
    case SWAPPED:
        return (i ^ 1) < count ? i ^ 1 : i;
    case WITH_HOLES:
        return i % 3 == 2 ? count : i;
    case FROM_THE_MIDDLE:
        return i < 5 ? count : i;
    }
    return i;
}

static void feed(struct engine *e, const struct support_session *s, enum arrival how)
{
    for (size_t i = 0; i < s->count; i++) {
        size_t which = pick(how, i, s->count);
        for (int copy = 0; which < s->count && copy < (how == TWICE ? 2 : 1); copy++) {
            struct frame f = support_session_frame(s, which);
            struct verdict v = engine_feed(e, &f);
            (void)v;
        }
    }
}

static void feed_all(enum stance stance, size_t *events)
{
    struct engine *e = engine_make(stance, events);
    struct engine_counters c;

    start_counting();
    for (enum arrival how = IN_ORDER; how < ARRIVALS; how++) {
        for (size_t i = 0; i < MAX_SESSIONS; i++)
            feed(e, sessions[i], how);
        /* All sessions at the same time: more than there is room for. */
        for (size_t at = 0, left = 1; left > 0; at++) {
            left = 0;
            for (size_t i = 0; i < MAX_SESSIONS; i++) {
                if (at < sessions[i]->count) {
                    struct frame f = support_session_frame(sessions[i], at);
                    struct verdict v = engine_feed(e, &f);
                    (void)v;
                    left++;
                }
            }
        }
        engine_tick(e, (struct mono){(int64_t)(how + 1) * 3600 * NS_PER_S});
    }
    engine_count(e, &c);
    engine_finish(e);
    stop_counting();
    assert_true(c.flows_refused > 0); /* the limits were reached */
    assert_true(c.external_rcpts > 0);
    engine_free(e);
}

static void test_counter_counts(void **state)
{
    (void)state;
    void *volatile at;

    start_counting();
    /* cppcheck-suppress unusedAllocatedMemory ; only counted */
    at = malloc(10);
    free(at);
    stop_counting();
    assert_int_equal(taken, 1);
    assert_int_equal(given, 1);
}

static void test_guarding_allocates_nothing(void **state)
{
    (void)state;
    size_t events = 0;

    feed_all(STANCE_GUARD, &events);
    assert_int_equal(taken, 0);
    assert_int_equal(given, 0);
    assert_true(events > 0);
}

static void test_watching_allocates_nothing(void **state)
{
    (void)state;
    size_t events = 0;

    feed_all(STANCE_WATCH, &events);
    assert_int_equal(taken, 0);
    assert_int_equal(given, 0);
    assert_true(events > 0);
}

static void test_idn_gives_everything_back(void **state)
{
    (void)state;
    size_t events = 0;
    const char *preloaded = getenv("LD_PRELOAD");
    if (preloaded != NULL && strstr(preloaded, "vgpreload") != NULL)
        skip(); /* valgrind: the library's calls go to its allocator, past ours */

    struct support_session_config cfg = {.mss = 1460};
    struct support_session *s = support_session_text(&cfg, DIALOGUE("u@b\xc3\xbc"
                                                                    "cher.example"));
    struct engine *e = engine_make(STANCE_WATCH, &events);

    start_counting();
    feed(e, s, IN_ORDER);
    engine_finish(e);
    stop_counting();
    assert_true(taken > 0); /* else this exception is needed no longer */
    assert_int_equal(taken, given);
    assert_true(events > 0);
    engine_free(e);
    support_session_free(s);
}

static int set_up(void **state)
{
    (void)state;
    make_sessions();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free_sessions();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counter_counts),
        cmocka_unit_test(test_guarding_allocates_nothing),
        cmocka_unit_test(test_watching_allocates_nothing),
        cmocka_unit_test(test_idn_gives_everything_back),
    };
    count_from_now_on();
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
