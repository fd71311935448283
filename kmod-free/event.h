/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * event - what the engine tells the world: flat, bounded, without pointers, so that
 * it can be copied and sent to another process as it is (event_size bytes of it).
 *
 * Texts are raw wire bytes (A2: whoever shows them escapes them) and are cut at
 * fixed lengths. AUTH arguments and bodies never get in here (D5).
 */
#ifndef RCPTWALL_EVENT_H
#define RCPTWALL_EVENT_H

#include "kmod-free/packet.h"
#include "kmod-free/policy.h"
#include "kmod-free/recipient.h"
#include "kmod-free/role.h"

enum event_kind {
    EVENT_RCPT = 1, /* one RCPT command that the server could act on */
    EVENT_ALERT,    /* a policy was broken */
    EVENT_SESSION,  /* a session ended */
    EVENT_GAP,      /* bytes are missing in the capture */
    EVENT_REPLY,    /* the server answered a RCPT: ordinal, code; external and action are its RCPT's */
};

/* What of a command was malformed (REASON_MALFORMED); by the first byte that servers disagree about. */
enum detail {
    DETAIL_NONE,
    DETAIL_LONG_LINE,
    DETAIL_NUL,
    DETAIL_BARE_CR,
    DETAIL_BARE_LF,
    DETAIL_COUNT,
};
/* "long-line" and so on; "" for DETAIL_NONE. */
const char *detail_name(enum detail);

struct event_span {
    uint16_t at, len; /* in text[] */
    bool cut;         /* the original was longer */
    bool set;         /* false: never said (JSON leaves it out) */
};

#define EVENT_HELO_MAX 255
#define EVENT_MAIL_MAX 512
#define EVENT_RCPT_MAX 1024
#define EVENT_LISTS_MAX 400
#define EVENT_TEXT (EVENT_HELO_MAX + EVENT_MAIL_MAX + EVENT_RCPT_MAX + EVENT_LISTS_MAX + RECIPIENT_TEXT)

struct event_session { /* EVENT_SESSION */
    uint64_t packets[2], bytes[2]; /* by enum role; payload bytes */
    uint32_t commands, rcpts, external_rcpts, external_accepted, messages;
    uint32_t external_messages; /* of these: behind an external recipient that was accepted since the one before */
    int64_t duration_ns;
    bool starttls, starttls_offered, auth_offered, auth_used, auth_succeeded;
    bool midstream;      /* the SYN was not seen */
    bool smtp;           /* it looked like SMTP at all */
};

struct event {
    enum event_kind kind;
    struct wall wall;
    uint64_t flow_id;
    struct endpoint client, server;
    uint8_t tag;
    char tag_name[TAG_NAME_MAX];
    bool external;
    bool doubtful;       /* EVENT_RCPT, EVENT_REPLY: bytes are missing before it, and it may be the text of a message */
    bool enforced;       /* enforce mode: the action is taken; false: only reported */
    enum action action;
    enum reason reason;
    enum detail detail;  /* EVENT_ALERT */
    uint32_t ban_for_s;  /* EVENT_ALERT: the firewall is asked to ban the client for this long; 0: it isn't */
    uint32_t via;        /* enum via */
    uint32_t ordinal;    /* EVENT_RCPT, EVENT_REPLY, EVENT_ALERT about a RCPT: which one of the session, from 0 */
    uint16_t code;       /* EVENT_REPLY */
    uint64_t gap_bytes;  /* EVENT_GAP */
    enum role gap_from;
    struct event_session session;
    struct event_span helo, mail_from, rcpt_to;
    struct event_span lists; /* EVENT_ALERT, REASON_DNSBL: names, separated by commas */
    struct event_span domains[RECIPIENT_DOMAINS];
    uint8_t domain_count;
    uint16_t text_len;
    uint8_t text[EVENT_TEXT];
};

/* Where events go. The event is the engine's and valid only during the call. */
struct event_sink {
    void (*take)(void *ctx, const struct event *ev);
    void *ctx;
};

void event_clear(struct event *);
/* Puts text in, cut at max (and at the room left). */
void event_put(struct event *, struct event_span *, struct bytes text, size_t max);
struct bytes event_text(const struct event *, const struct event_span *);
/* How many bytes from the start of *ev matter. */
size_t event_size(const struct event *);
/* Is this, received from another process, an event whose spans all lie inside it? */
RW_CHECK bool event_valid(const struct event *, size_t size);

#endif
