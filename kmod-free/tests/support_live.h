/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * support_live - a whole engine in tests, its events as text, and a session that is
 * made and fed segment by segment.
 */
#ifndef RCPTWALL_TESTS_SUPPORT_LIVE_H
#define RCPTWALL_TESTS_SUPPORT_LIVE_H

#include "kmod-free/engine.h"
#include "kmod-free/tests/support.h"

#define LOG_MAX 65536

/* Events as text, one line each, so that two runs can be compared and a test can say what it wants. */
struct log {
    char text[LOG_MAX];
    size_t len;
};

void log_event(void *ctx, const struct event *ev);

/* Local is local.example; 203.0.113.0/24 is inside; 16 flows, 256 blocks, 64 of them for one stream. */
struct engine *engine_make(enum stance stance, struct log *l);

/* A live session under construction, fed segment by segment. */
struct live {
    struct engine *e;
    struct log *l;
    struct support_tcp tcp;
    int64_t ns;
    uint32_t in, out; /* interfaces, as the front end says them */
    uint32_t way;     /* of the frames to come; 0: they don't say it */
};

/* The client's is 198.51.100.2:40112, ISN 100; the server's 192.0.2.25:25, ISN 900. */
void live_begin(struct live *c, struct engine *e, struct log *l);
/* Handshake and banner, which must pass. */
void live_open(struct live *c);
void live_end(struct live *c);
/* The next segment of `from`. */
struct verdict say_flags(struct live *c, enum role from, uint8_t flags, const char *text);
struct verdict say(struct live *c, enum role from, const char *text);
/* A command and its reply, both of which must pass. */
void live_exchange(struct live *c, const char *command, const char *reply);
struct verdict feed_raw(struct live *c, struct bytes l3);

/* ---- for tests that change what TCP says ---- */

#define RCPT_EXTERNAL "RCPT TO:<u@ext.example>\r\n"
#define RCPT_LOCAL    "RCPT TO:<u@local.example>\r\n"

/* live_begin with an engine in GUARD and an empty log of its own (c->l; valid until the next live_guard). */
void live_guard(struct live *c);
/* The same with an engine that can ask for ways. */
void live_guard_ways(struct live *c);
/* The segment that `from` would send next, for the test to change and to feed; the conversation doesn't move on. */
struct support_segment live_next(const struct live *c, enum role from, uint8_t flags, const char *text);
struct verdict feed_segment(struct live *c, const struct support_segment *seg);
/* The same ports begin anew, with these ISNs; nobody said farewell. */
void live_restart(struct live *c, uint32_t client_isn, uint32_t server_isn);

void passes(struct verdict v);
void is_reset(struct verdict v, enum reason reason);
/* The end of a test: the session still is what it was, and still judged. Frees the engine. */
void live_still_judged(struct live *c);

#endif
