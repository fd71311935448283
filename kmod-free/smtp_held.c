/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Held bytes. A bare LF ends a line on most servers, on some it is a byte like any
 * other: "RCPT TO:<u@<LF>d.example>" is one command there. So a RCPT that ended so
 * before its address did is judged at once, and stays with the caller, with the lines
 * behind it, until the CRLF (then the whole is judged as well), or until the server's
 * reply shows which reading is its own (SMTP_LF_SERVER), or for line_max bytes.
 *
 * A bare CR is a blank on most servers, and ends a line on some (Sun's with smtp_cr; what
 * reads lines as Java's and .NET's libraries do): likewise for any RCPT, whatever is
 * behind it, up to the LF; and no reply tells which it is.
 */
#include "kmod-free/smtp_internal.h"

enum smtp_turn smtp_held_drop(struct smtp_call *c)
{
    struct smtp *s = c->s;
    uint8_t said = s->said;
    size_t n = s->held < c->in->len ? s->held : c->in->len;
    s->held -= (uint32_t)n;
    s->held_line = 0;
    smtp_take(c, n);
    s->said = said;
    smtp_clear(s, SMTP_HELD_WHOLE | SMTP_HELD_CR);
    return s->held > 0 ? SMTP_TURN_MORE : SMTP_TURN_AGAIN;
}

bool smtp_held_line_due(const struct smtp_call *c)
{
    const struct smtp *s = c->s;
    return s->held > 0 && smtp_is(s, SMTP_HELD_CR) && c->in->len >= s->held && c->in->at[s->held - 1] == '\n';
}

/* Bytes at the front as one line. SMTP_TURN_MORE: nothing (more) to say of them. */
static enum smtp_turn judge(struct smtp_call *c, struct bytes line)
{
    struct smtp *s = c->s;
    struct smtp_command cmd;
    struct bytes text = smtp_line_text(line);
    smtp_command_read(text, &cmd);
    enum smtp_turn t = smtp_is(s, SMTP_ANYWHERE) ? smtp_inside(c, text, true, &cmd) : SMTP_TURN_MORE;
    if (t != SMTP_TURN_MORE || cmd.verb != SMTP_VERB_RCPT || s->said & SMTP_SAID_EARLY)
        return t;
    s->said |= SMTP_SAID_EARLY;
    smtp_unsure_push(s, SMTP_PENDING_RCPT_UNSURE);
    return smtp_saw_rcpt(c, true, cmd.argument);
}

enum smtp_turn smtp_held_line(struct smtp_call *c)
{
    struct smtp *s = c->s;
    bool whole = s->held_line == 0 && smtp_is(s, SMTP_HELD_WHOLE);
    enum smtp_turn t = whole ? SMTP_TURN_MORE : judge(c, bytes_from(bytes_first(*c->in, s->held), s->held_line));
    if (t != SMTP_TURN_MORE)
        return t;
    smtp_clear(s, SMTP_HELD_CR);
    s->held_line = s->held;
    s->searched = s->said = 0;
    return SMTP_TURN_AGAIN;
}

enum smtp_turn smtp_held_whole(struct smtp_call *c)
{
    struct smtp *s = c->s;
    if (c->in->len < s->held)
        return SMTP_TURN_MORE;
    enum smtp_turn t = judge(c, bytes_first(*c->in, s->held));
    if (t != SMTP_TURN_MORE)
        return t;
    s->said = 0;
    (void)smtp_held_drop(c);
    return SMTP_TURN_AGAIN;
}

void smtp_held_or_taken(struct smtp_call *c, size_t end, enum smtp_ending ending, const struct smtp_command *cmd)
{
    struct smtp *s = c->s;
    bool cr = ending == SMTP_ENDS_CR, goes_on = cr || (ending == SMTP_ENDS_LF && !smtp_is(s, SMTP_LF_SERVER));
    size_t at;
    struct bytes line = bytes_first(bytes_from(*c->in, s->held), end - s->held);
    bool open = cmd->verb == SMTP_VERB_RCPT ? cr || smtp_address_open(cmd)
                                            : cr && smtp_is(s, SMTP_ANYWHERE) && smtp_rcpt_find(line, 0, &at);
    if ((s->held == 0 && !(open && goes_on)) || end > c->cfg->line_max || (goes_on && smtp_is(s, SMTP_BARRIER))) {
        s->held = s->held_line = 0;
        smtp_clear(s, SMTP_HELD_CR);
        smtp_take(c, end);
        return;
    }
    s->held = (uint32_t)end;
    s->said = 0;
    s->scanned = s->searched = 0;
    smtp_set(s, (cr ? SMTP_HELD_CR : 0u) | (goes_on ? 0u : SMTP_HELD_WHOLE));
}
