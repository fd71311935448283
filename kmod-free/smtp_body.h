/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * smtp_body - where does the text of a message end (RFC 5321 4.1.1.4)?
 *
 * The strict end is CRLF.CRLF. An odd end is a lone dot between any other line
 * ends: LF or CR alone, or NUL among them (CVE-2023-51764, -51765, -51766): some
 * servers stop there, others don't. Nothing is kept but one byte of state, and
 * there is no loop over the bytes of a text: the search is for dots (memchr), and
 * only what stands around one is looked at.
 */
#ifndef RCPTWALL_SMTP_BODY_H
#define RCPTWALL_SMTP_BODY_H

#include "kmod-free/bytes.h"

enum smtp_body_state { /* what was seen last */
                       SMTP_BODY_TEXT,
                       SMTP_BODY_CR,
                       SMTP_BODY_CRLF,  /* also the very beginning */
                       SMTP_BODY_BREAK, /* another line end: LF alone, or NUL behind a line end */
                       SMTP_BODY_CRLF_DOT,
                       SMTP_BODY_CRLF_DOT_CR,
                       SMTP_BODY_ODD_DOT,
                       SMTP_BODY_ODD_DOT_CR,
};

enum smtp_body_end {
    SMTP_BODY_GOES_ON = 1, /* all bytes were taken */
    SMTP_BODY_ENDS,        /* strict; taken up to its last byte */
    SMTP_BODY_ODD_END,     /* taken up to its last byte */
};

/* Takes bytes of the body; *state is an enum smtp_body_state, SMTP_BODY_CRLF at first. */
RW_CHECK enum smtp_body_end smtp_body_scan(uint8_t *state, struct bytes *in);

#endif
