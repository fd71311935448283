/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * smtp_internal - what the parts of the dialogue share: smtp.c (start, gaps, the
 * state's transitions), smtp_client.c and smtp_unsure.c (the client's lines while the
 * state is sure, and while it isn't), smtp_long.c (over-long lines), smtp_server.c
 * (replies), smtp_pending.c (the queue between the two), smtp_held.c. For nobody else.
 */
#ifndef RCPTWALL_SMTP_INTERNAL_H
#define RCPTWALL_SMTP_INTERNAL_H

#include "kmod-free/smtp.h"
#include "kmod-free/smtp_command.h"

/* How the client's next byte is read. */
enum smtp_client_state {
    SMTP_AT_COMMAND = 1,
    SMTP_AT_PROMPT, /* 334: AUTH data, or a command; some servers take one there */
    SMTP_IN_BODY,   /* 354: up to CRLF.CRLF */
    SMTP_IN_CHUNK,  /* BDAT: chunk_left octets */
    SMTP_UNSURE,    /* judged line by line under every reading */
    SMTP_AT_TLS,    /* 220 to STARTTLS: TLS, if the next byte begins it */
    SMTP_ELSEWHERE, /* TLS, or never SMTP at all */
};

/* While unsure: what the client's next line is most likely. Decides `suspect`, nothing else. */
enum smtp_belief {
    SMTP_MAY_BE_ANYTHING,
    SMTP_IS_COMMAND,
    SMTP_BEHIND_DATA, /* the reply is unknown: the next line tells */
    SMTP_IS_TEXT,
};

enum smtp_flag {
    SMTP_BARRIER = 1 << 0,        /* the last pending command holds the client's side back (D2) */
    SMTP_DISTRUST = 1 << 1,       /* unsure for good: see smtp.h */
    SMTP_ODD = 1 << 2,            /* unsure since an odd end of data in this body */
    SMTP_JUST_ODD = 1 << 3,       /* and not a line was taken since */
    SMTP_SAID_SMUGGLING = 1 << 4, /* once a body */
    SMTP_SAID_INJECTION = 1 << 5, /* once a STARTTLS */
    SMTP_SAID_DESYNC = 1 << 6,    /* once a session */
    SMTP_LF_CLIENT = 1 << 7,      /* its DATA ended with LF alone: then LF.LF is how it means it */
    SMTP_LF_SERVER = 1 << 8,      /* it answered a line that ended with LF alone */
    SMTP_HELD_WHOLE = 1 << 9,     /* the held bytes are complete under their other reading, too */
    SMTP_LONG = 1 << 10,          /* in the middle of an over-long client line */
    SMTP_LONG_RCPT = 1 << 11,     /* and it is a RCPT whose address wasn't complete */
    SMTP_SERVER_LONG = 1 << 12,
    SMTP_SERVER_SPOKE = 1 << 13,
    SMTP_SERVER_DONE = 1 << 14,  /* nothing more will come from it */
    SMTP_REPLY_OPEN = 1 << 15,   /* a multi-line reply is under way */
    SMTP_CLIENT_SPOKE = 1 << 16, /* since the start or the last gap */
    SMTP_DATA_LAST = 1 << 17,    /* the last line of the client was DATA */
    SMTP_RECOVERED = 1 << 18,    /* sure again after a gap: a reply that doesn't fit is no surprise */
    SMTP_LMTP = 1 << 19,
    SMTP_CHUNKING_UNKNOWN = 1 << 20, /* the EHLO reply was not seen */
    SMTP_CLIENT_FIRST = 1 << 21,     /* the client's side may go on: its bytes come before further replies */
    SMTP_CLIENT_WAITS = 1 << 22,     /* it was told to: there are bytes */
    SMTP_HELD_CR = 1 << 27,          /* a CR alone is in the line that an LF ends, at the end of the held bytes */
    SMTP_ANYWHERE = 1 << 26,         /* octets were sent whose end isn't known: a command may begin inside a line */
    SMTP_IN_DOUBT = 1 << 24,         /* does the last line get one reply? It is empty, or ended with LF, or CR CR LF */
    SMTP_DOUBT_LF = 1 << 25,         /* the latter */
    SMTP_TLS_UNSURE = 1 << 28,       /* at SMTP_AT_TLS, and unsure before that */
    SMTP_QUIT_LAST = 1 << 29,        /* the last line of the client was QUIT and nothing else */
    SMTP_MISFIT = 1 << 23,           /* a reply that fitted no command was seen, and let pass */
    SMTP_UNSETTLED = 1 << 30,        /* whether the server takes this chunk's octets depends on replies to come */
};

enum smtp_said {
    SMTP_SAID_MALFORMED = 1 << 0,
    SMTP_SAID_RCPT =
        1 << 1, /* the line is a RCPT itself: another one far behind it is no second recipient of anybody's */
    SMTP_SAID_CUT = 1 << 2,     /* the RCPT as Postfix has it, which is too long for it */
    SMTP_SAID_EARLY = 1 << 3,   /* the RCPT itself, when its CR was there and not what follows */
    SMTP_SAID_INSIDE = 1 << 4,  /* a RCPT inside the line; each further one counts as much again */
    SMTP_SAID_CROWDED = 1 << 7, /* there were too many: none is looked for any more */
};

/*
 * Servers cut lines that are too long for them. What is behind the cut is the next command (Sendmail: an AUTH of more
 * than 12,287 bytes, Exim: any line of 16,385), which gets a reply, too, so that the later replies seem to come one
 * command early. Postfix throws it away, and what is left is another address. None cuts a line that RFC 5321 4.5.3.1.4
 * allows; the parameters of MAIL and RCPT may double that (RFC 3461 4.2: an ORCPT of 500).
 */
#define SMTP_SHORT_LINE   500
#define SMTP_SHORT_PATH   1100
#define SMTP_SHORT_AUTH   12287
#define SMTP_POSTFIX_LINE 2048
/* Another RCPT in a RCPT is an address's or a parameter's text before that. */
#define SMTP_SHORT_RCPT   4096

/*
 * How far this transaction is, by the replies. A server that offers CHUNKING takes the octets of a BDAT for certain
 * only where one is due; else some refuse the command alone, and run the octets (Exim after any error between two
 * chunks, go-smtp without a recipient), although RFC 3030 2 forbids that.
 */
enum smtp_transaction {
    SMTP_NO_TRANSACTION,
    SMTP_HAS_SENDER,
    SMTP_HAS_RECIPIENT, /* BDAT is due */
    SMTP_HAS_CHUNKS,    /* and nothing else */
};

/* What a reply can be the answer to. */
enum smtp_pending {
    SMTP_PENDING_BANNER = 1, /* the connection itself */
    SMTP_PENDING_HELO,
    SMTP_PENDING_LHLO,
    SMTP_PENDING_MAIL,
    SMTP_PENDING_RCPT,
    SMTP_PENDING_RCPT_UNSURE, /* has an ordinal, and perhaps no reply */
    SMTP_PENDING_PLAIN,
    SMTP_PENDING_EMPTY, /* an empty line: most servers answer it, some don't */
    SMTP_PENDING_QUIT,
    SMTP_PENDING_DATA,
    SMTP_PENDING_END, /* of data */
    SMTP_PENDING_BDAT,
    SMTP_PENDING_BDAT_LAST,
    SMTP_PENDING_BDAT_ODD, /* CHUNKING wasn't offered, or the count can be read in several ways */
    SMTP_PENDING_STARTTLS,
    SMTP_PENDING_AUTH,
    SMTP_PENDING_XEXCH50,
    SMTP_PENDING_TURN,
    SMTP_PENDING_OTHER,
};

/* One call of smtp_next. */
struct smtp_call {
    const struct smtp_config *cfg;
    struct smtp *s;
    struct bytes *in;
    struct smtp_event *ev;
    bool fin;
};

/* How a step inside it came out. */
enum smtp_turn {
    SMTP_TURN_AGAIN = 1, /* something was taken or the state is another one: go on */
    SMTP_TURN_EVENT,
    SMTP_TURN_MORE,
    SMTP_TURN_WAIT,
};

static inline bool smtp_is(const struct smtp *s, enum smtp_flag f)
{
    return (s->flags & (uint32_t)f) != 0;
}

static inline void smtp_set(struct smtp *s, uint32_t flags)
{
    s->flags |= flags;
}

static inline void smtp_clear(struct smtp *s, uint32_t flags)
{
    s->flags &= ~flags;
}

/* smtp_pending.c */
/* Room for what one client line can bring? */
RW_CHECK bool smtp_pending_room(const struct smtp *s);
void smtp_pending_push(struct smtp *s, enum smtp_pending kind);
/* `count` more replies of this kind come before all others. */
void smtp_pending_insert(struct smtp *s, enum smtp_pending kind, uint16_t count);
/* The youngest entry; 0: none. */
unsigned smtp_pending_last(const struct smtp *s);
/* The oldest entry; 0: none. */
unsigned smtp_pending_first(const struct smtp *s);
/* Does a single command wait? */
RW_CHECK bool smtp_pending_single(const struct smtp *s);
/* Are the first `entries` all of kinds that perhaps get no reply? */
RW_CHECK bool smtp_pending_silent(const struct smtp *s, unsigned entries);
/* How many entries stand before the first one that `code` can answer; SMTP_PENDING_MAX: none. */
RW_CHECK unsigned smtp_pending_find(const struct smtp *s, uint16_t code);
/* Takes the first command off. *ordinal: of a RCPT. */
enum smtp_pending smtp_pending_pop(struct smtp *s, uint32_t *ordinal);
/* Drops whole entries at the front. */
void smtp_pending_drop(struct smtp *s, unsigned entries);
/* All but the banner, while that is still to come: else its 220 would be taken for the one to STARTTLS. */
void smtp_pending_forget(struct smtp *s);
void smtp_pending_forget_all(struct smtp *s);
/* Where it was told to wait and need not any more, what it has to say comes before further replies. */
void smtp_client_may_go_on(struct smtp *s);

/* smtp.c */
enum smtp_turn smtp_trouble(struct smtp_call *c, enum smtp_trouble trouble, bool suspect, struct bytes text);
/* A RCPT was read: numbers it. The caller pushes its pending entry. */
enum smtp_turn smtp_saw_rcpt(struct smtp_call *c, bool suspect, struct bytes argument);
enum smtp_turn smtp_saw_mail(struct smtp_call *c, bool suspect, struct bytes argument);
/* n bytes of the client's side are done with. */
void smtp_take(struct smtp_call *c, size_t n);
/*
 * Where the client's next line ends, counted from *in's first byte: behind an LF, or a CR
 * that no LF follows. false: not there yet. Remembers what was searched; `skip` bytes at the front are
 * held and not part of the line.
 */
RW_CHECK bool smtp_line_end(struct smtp_call *c, size_t skip, size_t *end);

/* Of the first n bytes: has all of it come but, perhaps, an LF? */
RW_CHECK bool smtp_line_early(const struct smtp_call *c, size_t n);

/* smtp_held.c: lines that ended with LF or CR alone, and are part of a longer one for some servers. */
enum smtp_turn smtp_held_drop(struct smtp_call *c);
/* Is the line that an LF ends complete, and holds it CRs alone? */
RW_CHECK bool smtp_held_line_due(const struct smtp_call *c);
/* Then: judges it. */
enum smtp_turn smtp_held_line(struct smtp_call *c);
/* The bytes are complete: judges them as one line. */
enum smtp_turn smtp_held_whole(struct smtp_call *c);
/* The line that ends at `end` was judged: takes it, or holds it. */
void smtp_held_or_taken(struct smtp_call *c, size_t end, enum smtp_ending ending, const struct smtp_command *cmd);

void smtp_become_unsure(struct smtp *s, enum smtp_belief belief);
/* For good. */
void smtp_lose_trust(struct smtp *s, enum smtp_belief belief);
void smtp_become_sure(struct smtp *s, enum smtp_client_state state);
/* For good, and a command may begin anywhere in a line: octets were sent that a server may run. */
void smtp_distrust_octets(struct smtp *s);
void smtp_begin_body(struct smtp *s);
void smtp_recognise(struct smtp *s, const struct smtp_command *c);
/* The strict end of data was taken. */
void smtp_end_of_data(struct smtp *s);
/* While unsure: room is made by forgetting. */
void smtp_unsure_push(struct smtp *s, enum smtp_pending kind);
/* What the command's reply will be the answer to. */
enum smtp_pending smtp_pending_of(const struct smtp_command *c);

/* The server's 220 to STARTTLS. */
void smtp_await_tls(struct smtp *s);

/* smtp_long.c */
/*
 * A RCPT that begins inside a line whose own command is `own`, anywhere in it or far behind its beginning. Call again
 * for the next one; SMTP_TURN_MORE: none (any more). So many that looking at all of them would be work without a limit
 * are SMTP_SMUGGLING.
 */
enum smtp_turn smtp_inside(struct smtp_call *c, struct bytes text, bool anywhere, const struct smtp_command *own);

/* A RCPT that is so long that Postfix reads only its beginning: that, once. SMTP_TURN_MORE: there is no need. */
enum smtp_turn smtp_cut(struct smtp_call *c, struct bytes text, const struct smtp_command *rcpt);

/* The rest: one turn each. */
enum smtp_turn smtp_client_turn(struct smtp_call *c);
enum smtp_turn smtp_unsure_turn(struct smtp_call *c);
enum smtp_turn smtp_long_turn(struct smtp_call *c);
/* An over-long line begins: gives what its head gives, and passes over the rest. */
enum smtp_turn smtp_long_begin(struct smtp_call *c);
enum smtp_turn smtp_server_turn(struct smtp_call *c);

#endif
