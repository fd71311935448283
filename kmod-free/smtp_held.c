/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Held bytes. A bare LF ends a line on most servers, on some it is a byte like any
 * other: "RCPT TO:<u@<LF>d.example>" is one command there. So a RCPT that ended so
 * before its address did is judged at once, and stays with the caller, with the lines
 * behind it, until the CRLF (then the whole is judged as well), or until the server's
 * reply shows which reading is its own (SMTP_LF_SERVER), or for line_max bytes.
 */
#include "kmod-free/smtp_internal.h"

enum smtp_turn smtp_held_drop(struct smtp_call *c)
{
    struct smtp *s = c->s;
    uint8_t said = s->said;
    size_t n = s->held < c->in->len ? s->held : c->in->len;
    s->held -= (uint32_t)n;
    smtp_take(c, n);
    s->said = said;
    smtp_clear(s, SMTP_HELD_WHOLE);
    return s->held > 0 ? SMTP_TURN_MORE : SMTP_TURN_AGAIN;
}

enum smtp_turn smtp_held_whole(struct smtp_call *c)
{
    struct smtp *s = c->s;
    struct smtp_command cmd;
    if (c->in->len < s->held)
        return SMTP_TURN_MORE;
    smtp_command_read(smtp_line_text(bytes_first(*c->in, s->held)), &cmd);
    smtp_unsure_push(s, SMTP_PENDING_RCPT_UNSURE);
    enum smtp_turn t = smtp_saw_rcpt(c, true, cmd.argument);
    (void)smtp_held_drop(c);
    return t;
}

void smtp_held_or_taken(struct smtp_call *c, size_t end, bool goes_on, bool open)
{
    struct smtp *s = c->s;
    bool hold = s->held > 0 || (open && goes_on);
    if (!hold || smtp_is(s, SMTP_LF_SERVER) || end > c->cfg->line_max || (goes_on && smtp_is(s, SMTP_BARRIER))) {
        s->held = 0;
        smtp_take(c, end);
        return;
    }
    s->held = (uint32_t)end;
    s->said = 0;
    s->scanned = s->searched = 0;
    if (!goes_on)
        smtp_set(s, SMTP_HELD_WHOLE);
}
