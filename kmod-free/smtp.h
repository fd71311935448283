/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * smtp - the dialogue: what the client's bytes mean, given what the server answered
 * (RFC 5321, 1870, 2920, 3030, 3207, 4954).
 *
 * Theory of operation
 *
 * The caller pulls: it offers the unread bytes of one role, smtp_next takes as
 * much as it understands, and either reports one event (call again), or says why
 * it stopped. The dialogue keeps no bytes: an incomplete line stays with the
 * caller and is offered again, longer. The result does not depend on how the
 * bytes were cut (invariant D4).
 *
 * The server's reply drives the state (D1): commands that were read wait in a
 * short queue for their replies, in order; a body begins when the 354 is read, not
 * when DATA is. A command that changes what the following bytes mean is a barrier
 * (D2): behind it smtp_next answers SMTP_WAIT until the reply was read. Where
 * bytes have more than one reading, all are judged (D3), and events say `suspect`.
 * AUTH arguments and bodies never leave this module (D5).
 *
 * As long as every reply was the one that was due, the dialogue is sure of its
 * state, and only then are bytes passed over unlooked-at: a body up to CRLF.CRLF,
 * the octets of a BDAT chunk that is due. Where replies under way will tell whether it is,
 * its octets pass up to what may be a RCPT, which waits for them. Whatever takes that certainty away (missing bytes,
 * an odd end of data with anything behind it, an odd BDAT, an over-long line, a line
 * that not every server takes as one with more behind it, a reply that fits no
 * command) makes it *unsure*: then nothing waits, nothing is passed over, and every
 * line of the client that looks like a command counts as one. Missing bytes are
 * nobody's fault: a reply that fits makes sure again. After the other causes the
 * session stays unsure to its end, because the number of replies under way is no
 * longer known, and an attacker would use that to have a body seen where the server
 * reads commands (fuzz_smtp_server has such attacks in its corpus).
 *
 * Limits: the queue of pending commands is short (runs of the same command
 * count as one entry); when it is full the client's side waits for replies. Lines
 * longer than cfg->line_max are reported and passed over; their beginning is
 * judged, and so is the end of a RCPT whose address was not complete by then.
 */
#ifndef RCPTWALL_SMTP_H
#define RCPTWALL_SMTP_H

#include "kmod-free/bytes.h"
#include "kmod-free/role.h"

struct smtp_config {
    uint32_t line_max; /* longest command line in bytes with its end; also for replies and AUTH lines */
};
#define SMTP_LINE_MAX_DEFAULT 4096
#define SMTP_LINE_MAX_HIGHEST 65536

enum smtp_step {
    SMTP_EVENT = 1, /* *ev is set; call again */
    SMTP_MORE,      /* what is left in `in` is an incomplete line (or nothing) */
    SMTP_WAIT,      /* the rest must not be read before the other side was: of the client, before the server
                       answered (D2); of the server, before the client's bytes so far, once, if there are any */
    SMTP_OPAQUE,    /* TLS or another protocol from here on: all further bytes are taken silently */
};

enum smtp_event_kind {
    SMTP_SAW_HELO = 1,   /* text = the name; HELO, EHLO or LHLO */
    SMTP_SAW_MAIL,       /* text = what stands behind the verb, and behind FROM: where that is there */
    SMTP_SAW_RCPT,       /* text = what stands behind the verb, and behind TO: where that is there;
                            ordinal counts RCPTs from 0 */
    SMTP_SAW_RCPT_REPLY, /* ordinal, code */
    SMTP_SAW_MESSAGE,    /* the server took a message (250 to the end of data or to BDAT LAST) */
    SMTP_SAW_STARTTLS,   /* the server's 220 to STARTTLS: opaque from here on, if the client begins TLS */
    SMTP_SAW_TROUBLE,    /* trouble is set; text may hold the line that shows it (never AUTH or body text) */
};

enum smtp_trouble {
    SMTP_SMUGGLING = 1, /* an end of data that not every server takes as one, with commands behind it */
    SMTP_DESYNC,        /* replies and commands don't pair any more */
    SMTP_INJECTION,     /* bytes behind STARTTLS before its reply (CVE-2011-0411) */
    SMTP_MALFORMED,     /* over-long line, NUL or bare CR in a MAIL or RCPT */
};

struct smtp_event {
    enum smtp_event_kind kind;
    enum smtp_trouble trouble;
    bool suspect; /* true only under a reading that not every server shares */
    uint16_t code;
    uint32_t ordinal;
    struct bytes text; /* borrowed from `in` as it was offered */
    struct bytes line; /* RCPT: its whole line with CRLF, where every server reads it as this one command; else
                          empty. Borrowed, too */
};

/* What is known of the session so far; for events and the session record. */
struct smtp_facts {
    bool greeted : 1;          /* a 220 banner was seen */
    bool chunking_offered : 1; /* in the last EHLO reply; so are: */
    bool starttls_offered : 1;
    bool auth_offered : 1;
    bool starttls : 1;         /* accepted */
    bool auth_used : 1;
    bool auth_succeeded : 1;
    bool recognised : 1;       /* the client wrote HELO, MAIL FROM: or RCPT TO: as only SMTP has them */
    uint32_t commands, rcpts, messages;
};

#define SMTP_PENDING_MAX 16 /* a power of two: a ring */

/* One session. Plain data, no pointers: may be copied and compared. Members are smtp*.c's own. */
struct smtp {
    struct smtp_facts facts;
    uint32_t flags;
    uint64_t chunk_left;     /* BDAT octets still to come */
    uint32_t scanned;        /* bytes of the incomplete client line that were already searched for its end */
    uint32_t server_scanned; /* the same of the server's */
    uint32_t searched;       /* bytes of the front line in which a RCPT was looked for that begins anywhere */
    uint32_t passed;         /* bytes of an over-long client line that were taken already */
    uint32_t held;           /* bytes at the front of the client's side that were judged under one reading */
    uint32_t held_line;      /* of these: before the line that an LF ends */
    uint32_t rcpt_replies;   /* ordinal of the RCPT whose reply comes next */
    uint16_t taken_rcpts;    /* LMTP: recipients of this message (RFC 2033 4.2) */
    uint16_t pending_count[SMTP_PENDING_MAX];
    uint8_t pending_kind[SMTP_PENDING_MAX];
    uint8_t pending_head, pending_used;
    uint8_t client;      /* enum smtp_client_state */
    uint8_t belief;      /* enum smtp_belief */
    uint8_t body;        /* enum smtp_body_state */
    uint8_t transaction; /* enum smtp_transaction */
    uint8_t offered;     /* keywords of the EHLO reply under way */
    uint8_t said;        /* events that the line at the front has given already */
};

enum smtp_start {
    SMTP_FROM_BANNER, /* the connection was seen from its SYN */
    SMTP_MIDSTREAM,   /* picked up under way: state unknown, every reading counts */
};

void smtp_start(struct smtp *, enum smtp_start);
/*
 * Takes bytes of `from` off the front of *in. fin: nothing will follow, so an
 * unterminated last line is judged too. When the server's side has nothing more to
 * come (fin, and SMTP_MORE), the client's side no longer waits.
 *
 * Bytes that were not taken are offered again, from the same first byte on. After
 * SMTP_MORE the next offer brings more than this one, or the caller has no more: *in
 * must be able to grow to line_max + 1 bytes.
 */
RW_CHECK enum smtp_step smtp_next(const struct smtp_config *cfg, struct smtp *s, enum role from, struct bytes *in,
                                  bool fin, struct smtp_event *ev);
/* QUIT, and nothing else on its line, was the last that the client said, and only its reply is still to come. */
RW_CHECK bool smtp_leaving(const struct smtp *);
/*
 * Bytes of `from` are missing here: what follows is judged under every reading (D3).
 * Offline only. What was left unread of the line before the gap is given up: offer
 * it with fin first.
 */
void smtp_gap(struct smtp *s, enum role from);

#endif
