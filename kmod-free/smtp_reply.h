/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * smtp_reply - one line of the server: a code and whether the reply goes on
 * (RFC 5321 4.2.1). No state; the multi-line reply is put together in smtp_server.c.
 */
#ifndef RCPTWALL_SMTP_REPLY_H
#define RCPTWALL_SMTP_REPLY_H

#include "kmod-free/bytes.h"

enum smtp_keyword { /* of an EHLO reply (RFC 5321 4.1.1.1) */
                    SMTP_KEYWORD_CHUNKING = 1 << 0,
                    SMTP_KEYWORD_STARTTLS = 1 << 1,
                    SMTP_KEYWORD_AUTH = 1 << 2,
};

struct smtp_reply_line {
    uint16_t code; /* 0: no code in front: text that goes with the reply under way, or nothing */
    bool more;     /* "250-": the reply goes on */
    struct bytes text;
};

/* line: with or without its end. */
void smtp_reply_read(struct bytes line, struct smtp_reply_line *out);
/* The keyword in the text of a line of an EHLO reply; 0: one that we don't care for. */
uint8_t smtp_reply_keyword(struct bytes text);

/*
 * The first bytes of the server on a connection: are they those of a protocol that
 * can't be SMTP (TLS, HTTP, POP3, IMAP, SSH)? `enough` false: too few to tell yet.
 */
enum smtp_foreign {
    SMTP_FOREIGN_NO = 1,
    SMTP_FOREIGN_YES,
    SMTP_FOREIGN_HTTP,
    SMTP_FOREIGN_TOO_SHORT,
};
RW_CHECK enum smtp_foreign smtp_reply_foreign(struct bytes first);

#endif
