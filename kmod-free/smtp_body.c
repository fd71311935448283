/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kmod-free/smtp_body.h"

/* The state behind the first n bytes of b, none of which is a dot that counts. */
static enum smtp_body_state state_behind(enum smtp_body_state before, struct bytes b, size_t n)
{
    size_t at = n;
    while (at > 0 && b.at[at - 1] == 0)
        at--;
    enum smtp_body_state s = before;
    if (at > 0) {
        uint8_t c = b.at[at - 1];
        bool cr_before = at > 1 ? b.at[at - 2] == '\r' : before == SMTP_BODY_CR;
        s = c == '\r' ? SMTP_BODY_CR : c != '\n' ? SMTP_BODY_TEXT : cr_before ? SMTP_BODY_CRLF : SMTP_BODY_BREAK;
    }
    return at < n && s != SMTP_BODY_TEXT ? SMTP_BODY_BREAK : s;
}

static bool behind_dot(enum smtp_body_state s)
{
    return s >= SMTP_BODY_CRLF_DOT;
}

/* The byte behind a dot that stands first in its line. *taken: it belongs to what has ended. */
static enum smtp_body_end step(enum smtp_body_state *s, uint8_t c, bool *taken)
{
    bool cr_seen = *s == SMTP_BODY_CRLF_DOT_CR || *s == SMTP_BODY_ODD_DOT_CR;
    *taken = true;
    if (c == '\n') {
        bool strict = *s == SMTP_BODY_CRLF_DOT_CR;
        *s = cr_seen ? SMTP_BODY_CRLF : SMTP_BODY_BREAK;
        return strict ? SMTP_BODY_ENDS : SMTP_BODY_ODD_END;
    }
    if (c == '\r' || c == 0) {
        if (*s == SMTP_BODY_CRLF_DOT && c == '\r')
            *s = SMTP_BODY_CRLF_DOT_CR;
        else
            *s = cr_seen || c == '\r' ? SMTP_BODY_ODD_DOT_CR : SMTP_BODY_ODD_DOT;
        return SMTP_BODY_GOES_ON;
    }
    *taken = !cr_seen; /* a CR alone ended it: this byte is the first one of what follows */
    *s = cr_seen ? SMTP_BODY_CR : SMTP_BODY_TEXT;
    return cr_seen ? SMTP_BODY_ODD_END : SMTP_BODY_GOES_ON;
}

enum smtp_body_end smtp_body_scan(uint8_t *state, struct bytes *in)
{
    enum smtp_body_state s = *state;
    enum smtp_body_end end = SMTP_BODY_GOES_ON;
    while (in->len > 0 && end == SMTP_BODY_GOES_ON) {
        if (behind_dot(s)) {
            bool taken;
            end = step(&s, in->at[0], &taken);
            *in = bytes_from(*in, taken ? 1 : 0);
            continue;
        }
        const uint8_t *dot = memchr(in->at, '.', in->len);
        size_t n = dot != NULL ? (size_t)(dot - in->at) : in->len;
        s = state_behind(s, *in, n);
        if (dot != NULL && s != SMTP_BODY_TEXT)
            s = s == SMTP_BODY_CRLF ? SMTP_BODY_CRLF_DOT : SMTP_BODY_ODD_DOT;
        *in = bytes_from(*in, dot != NULL ? n + 1 : n);
    }
    *state = (uint8_t)s;
    return end;
}
