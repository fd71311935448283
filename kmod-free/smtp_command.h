/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * smtp_command - which command is this line? Under the union of the grammars of all
 * servers (D3): blanks, CR and NUL before the verb, anything or nothing behind it
 * ("RCPTTO:<a>", "RCPT CC:<a>", "DATA x"). A line that some server takes as RCPT is
 * a RCPT here. No state: lines in, commands out.
 */
#ifndef RCPTWALL_SMTP_COMMAND_H
#define RCPTWALL_SMTP_COMMAND_H

#include "kmod-free/bytes.h"

enum smtp_verb {
    SMTP_VERB_NONE = 1, /* an empty line */
    SMTP_VERB_OTHER,    /* nothing that we know; X... verbs too: what follows them may mean anything */
    SMTP_VERB_HELO,     /* and EHLO */
    SMTP_VERB_LHLO,     /* RFC 2033 */
    SMTP_VERB_MAIL,     /* and SEND, SOML, SAML (RFC 821) */
    SMTP_VERB_RCPT,
    SMTP_VERB_DATA,
    SMTP_VERB_BDAT,
    SMTP_VERB_PLAIN, /* RSET, NOOP, VRFY, EXPN, HELP, ETRN: one reply, and nothing else changes */
    SMTP_VERB_QUIT,
    SMTP_VERB_STARTTLS, /* and X-ANONYMOUSTLS */
    SMTP_VERB_AUTH,     /* and X-EXPS, XAUTH */
    SMTP_VERB_XEXCH50,
    SMTP_VERB_TURN, /* and ATRN */
};

struct smtp_command {
    enum smtp_verb verb;
    bool formed;           /* written as the RFCs have it (any case, blanks around the colon): hardly anything else */
    struct bytes argument; /* behind the verb; behind "TO:" or "FROM:" where RCPT or MAIL has that */
};

/* line: without its end (smtp_line_text). */
void smtp_command_read(struct bytes line, struct smtp_command *out);

/*
 * Does the line count as a command where it may just as well be the text of a
 * message? MAIL and RCPT with an address behind a colon, RCPT with a '<'.
 */
RW_CHECK bool smtp_command_stands_out(const struct smtp_command *c);

/* How a line ends. */
enum smtp_ending {
    SMTP_ENDS_NOT = 1, /* it stands last, and without an end */
    SMTP_ENDS_LF,      /* LF alone */
    SMTP_ENDS_CR,      /* CR alone, or several */
    SMTP_ENDS_CRLF,
    SMTP_ENDS_CRCRLF, /* several CRs and LF */
};
enum smtp_ending smtp_line_ending(struct bytes line);
/* The line without the LF and the CRs at its end. */
struct bytes smtp_line_text(struct bytes line);
/* NUL, or a CR that doesn't belong to the line's end. */
RW_CHECK bool smtp_line_dirty(struct bytes text);
/*
 * The argument of RCPT, given all that stands behind the verb; or behind a part of
 * it, when the beginning of an over-long line is gone.
 */
struct bytes smtp_rcpt_argument(struct bytes behind_verb);
/* Where "RCPT" (any case) stands next in b, not before `from`. */
RW_CHECK bool smtp_rcpt_find(struct bytes b, size_t from, size_t *at);
/* RCPT: may its address go on behind what was read as the line's end? "<a@b", "a@b", "name", blanks. */
RW_CHECK bool smtp_address_open(const struct smtp_command *);

/*
 * The size of a BDAT chunk (RFC 3030 2). false: not written in the one way that all
 * servers read the same; some take "76LAST", "+76" or 2^32 + 76 as 76.
 */
RW_CHECK bool smtp_bdat_read(struct bytes argument, uint64_t *octets, bool *last);
/* The first argument of XEXCH50: how many octets follow the server's 354. */
RW_CHECK bool smtp_xexch50_read(struct bytes argument, uint64_t *octets);
/* "GET / HTTP/1.1" */
RW_CHECK bool smtp_looks_like_http(struct bytes text);

#endif
