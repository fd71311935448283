/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * support_smtp - plays a conversation to the dialogue the way the engine does, and
 * writes down what it reports, a line an event.
 *
 * A script is text, a line a thing:
 *   C: EHLO x        the client sends this and CRLF (S: the server)
 *   c: EHLO x\r      the same bytes as they stand (s: the server)
 *   gap c            bytes of the client are missing here (s: of the server)
 *   fin c            nothing more will come from the client (s: from the server)
 * Escapes: \r \n \t \\ \xHH; {a*512} is that byte 512 times (escapes too).
 *
 * Events: "helo x", "mail <a>", "rcpt 0 <b>", "reply 0 250", "message", "starttls",
 * "smuggling", "desync", "injection", "malformed"; with '?' behind the word when the
 * event is suspect. Bytes that don't print are \xHH.
 */
#ifndef RCPTWALL_TESTS_SUPPORT_SMTP_H
#define RCPTWALL_TESTS_SUPPORT_SMTP_H

#include "kmod-free/smtp.h"

#define PLAY_ROOM   (1024 * 1024) /* unread bytes of one role */
#define PLAY_EVENTS (256 * 1024)

struct play {
    struct smtp s;
    struct smtp_config cfg;
    uint8_t *unread[ROLE_COUNT];
    size_t len[ROLE_COUNT];
    bool fin[ROLE_COUNT];
    bool waits;       /* the client's side, for the server */
    uint8_t *guarded; /* what is offered ends at a guard page */
    size_t offer_max; /* no more than this is offered at once, unless the dialogue asks for more; 0: all */
    size_t calls;
    char *events;
    size_t events_len;
    void (*on_event)(void *ctx, const struct smtp_event *ev); /* may be NULL; before it is written down */
    void *ctx;
};

struct play *play_new(void);
void play_free(struct play *p);
void play_start(struct play *p, enum smtp_start how);
void play_feed(struct play *p, enum role from, struct bytes b);
void play_fin(struct play *p, enum role from);
void play_gap(struct play *p, enum role from);

enum play_cut {
    PLAY_WHOLE,  /* each line of the script is one piece */
    PLAY_MERGED, /* what one role says in a row is one piece */
    PLAY_BYTES,  /* a byte a piece */
    PLAY_AT,     /* each line is cut behind `at` bytes */
};
/* Plays the script, with fin of both roles at the end. Aborts if the script can't be read. */
void play_script(struct play *p, enum smtp_start how, const char *script, enum play_cut cut, size_t at);

/*
 * Every way of cutting must give these events, and the same facts. Fails the cmocka test otherwise.
 * `expect`: lines of events, each with its LF; NULL: those that it gives when it comes whole.
 */
void play_check(const char *file, int line, enum smtp_start how, const char *script, const char *expect);
#define PLAY(script, expect)           play_check(__FILE__, __LINE__, SMTP_FROM_BANNER, script, expect)
#define PLAY_MIDSTREAM(script, expect) play_check(__FILE__, __LINE__, SMTP_MIDSTREAM, script, expect)

/* Bit fields and padding: not memcmp. */
bool play_same_facts(const struct smtp_facts *, const struct smtp_facts *);

/* Undoes the escapes of scripts and of the oracle's tables; returns the length. Aborts when it can't. */
size_t play_unescape(const char *from, size_t len, uint8_t *out, size_t room);

#endif
