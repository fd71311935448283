/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The client's side while the state isn't sure: every line that looks like a command
 * counts, nothing waits and nothing is passed over. `belief` only says which of the
 * readings is the likelier one.
 */
#include "kmod-free/smtp_internal.h"
#include "kmod-free/smtp_body.h"

struct unsure_line {
    struct bytes text;
    struct smtp_command cmd;
    size_t end; /* in *c->in */
    enum smtp_body_end body_end;
    bool stands_out; /* MAIL or RCPT */
    bool known;      /* any command that is written as it should be */
    bool bare_lf;
    bool complete; /* for all servers: CRLF, or nothing follows */
    bool goes_on;  /* a RCPT in front of a bare LF whose address may stand behind it */
    bool inside;   /* it ended at an odd end of data, in the middle of what a server at commands takes for one line */
};

static bool greets(const struct smtp_command *cmd)
{
    return cmd->formed && (cmd->verb == SMTP_VERB_HELO || cmd->verb == SMTP_VERB_LHLO);
}

static bool brings_octets(const struct smtp_command *cmd)
{
    return cmd->verb == SMTP_VERB_BDAT || cmd->verb == SMTP_VERB_XEXCH50;
}

static void next_belief(struct smtp *s, const struct unsure_line *l)
{
    bool text = s->belief == SMTP_IS_TEXT;
    smtp_clear(s, SMTP_DATA_LAST);
    if (s->belief == SMTP_BEHIND_DATA)
        s->belief = l->known ? SMTP_IS_COMMAND : SMTP_IS_TEXT;
    if (l->known && !text && l->cmd.verb == SMTP_VERB_DATA) {
        s->belief = SMTP_BEHIND_DATA;
        smtp_clear(s, SMTP_LF_CLIENT);
        smtp_set(s, SMTP_DATA_LAST | (l->bare_lf ? (uint32_t)SMTP_LF_CLIENT : 0u));
        s->body = SMTP_BODY_CRLF;
    } else if (l->known && !text && l->cmd.verb == SMTP_VERB_BDAT) {
        s->belief = SMTP_IS_TEXT; /* its octets; until the reply */
    } else if (greets(&l->cmd) && !text) {
        s->belief = SMTP_IS_COMMAND;
    }
}

/* Queues what may get a reply: text gets none. */
static void await_reply(struct smtp *s, const struct unsure_line *l)
{
    bool text = s->belief == SMTP_IS_TEXT;
    if (l->stands_out && l->cmd.verb == SMTP_VERB_RCPT)
        smtp_unsure_push(s, text ? SMTP_PENDING_RCPT_UNSURE : SMTP_PENDING_RCPT);
    else if ((l->known && !text) || s->belief == SMTP_IS_COMMAND)
        smtp_unsure_push(s, smtp_pending_of(&l->cmd));
    if (l->known && !text)
        s->facts.commands++;
    if (l->known && s->belief == SMTP_IS_COMMAND && l->cmd.verb == SMTP_VERB_AUTH)
        s->facts.auth_used = true;
}

static void odd_end(struct smtp *s)
{
    if (s->belief != SMTP_IS_TEXT)
        return;
    if (smtp_is(s, SMTP_LF_CLIENT))
        smtp_end_of_data(s); /* that is how it means it */
    else if (smtp_is(s, SMTP_DISTRUST))
        smtp_set(s, SMTP_ODD | SMTP_JUST_ODD);
}

/* The line is done with; where it ended a body, that too. */
static void done_with(struct smtp_call *c, const struct unsure_line *l, uint8_t body)
{
    struct smtp *s = c->s;
    smtp_held_or_taken(c, l->end, !l->complete, l->goes_on);
    smtp_set(s, SMTP_CLIENT_SPOKE);
    smtp_clear(s, SMTP_JUST_ODD | SMTP_INSIDE);
    if (l->inside)
        smtp_set(s, SMTP_INSIDE);
    s->body = body;
    next_belief(s, l);
    switch (l->body_end) {
    case SMTP_BODY_GOES_ON:
        break;
    case SMTP_BODY_ENDS:
        smtp_clear(s, SMTP_ODD | SMTP_SAID_SMUGGLING);
        smtp_end_of_data(s);
        break;
    case SMTP_BODY_ODD_END:
        odd_end(s);
        break;
    }
}

/* Behind an odd end: a command, and not the text of somebody who ends lines with LF and writes "mail from: me@x". */
static bool smuggles(const struct smtp *s, const struct unsure_line *l)
{
    if (!smtp_is(s, SMTP_ODD) || smtp_is(s, SMTP_SAID_SMUGGLING))
        return false;
    if (smtp_is(s, SMTP_JUST_ODD))
        return l->stands_out || greets(&l->cmd);
    bool bracket = l->cmd.argument.len > 0 && l->cmd.argument.at[0] == '<';
    return l->stands_out && (l->cmd.verb == SMTP_VERB_RCPT || bracket);
}

/*
 * A server that answered a line before its LF came takes CR for the end of one, and what
 * stands behind it for the next command.
 */
static bool behind_cr(const struct smtp *s, const struct unsure_line *l)
{
    return s->belief != SMTP_IS_TEXT && l->text.len > 0 && memchr(l->text.at, '\r', l->text.len) != NULL;
}

static enum smtp_turn judge_line(struct smtp_call *c, const struct unsure_line *l, uint8_t body)
{
    struct smtp *s = c->s;
    bool suspect = s->belief != SMTP_IS_COMMAND;
    enum smtp_turn inside = smtp_inside(c, l->text, smtp_is(s, SMTP_ANYWHERE) || behind_cr(s, l), &l->cmd);
    if (inside == SMTP_TURN_MORE && l->stands_out && l->cmd.verb == SMTP_VERB_RCPT)
        inside = smtp_cut(c, l->text, &l->cmd);
    if (inside != SMTP_TURN_MORE)
        return inside;
    if (smuggles(s, l)) {
        smtp_set(s, SMTP_SAID_SMUGGLING);
        return smtp_trouble(c, SMTP_SMUGGLING, true, l->text);
    }
    if (l->stands_out && s->belief != SMTP_IS_TEXT && smtp_line_dirty(l->text) && !(s->said & SMTP_SAID_MALFORMED)) {
        s->said |= SMTP_SAID_MALFORMED;
        return smtp_trouble(c, SMTP_MALFORMED, suspect, l->text);
    }
    enum smtp_turn t = SMTP_TURN_AGAIN;
    if (brings_octets(&l->cmd))
        smtp_set(s, SMTP_ANYWHERE);
    smtp_recognise(s, &l->cmd);
    await_reply(s, l);
    if (l->stands_out && l->cmd.verb == SMTP_VERB_RCPT) {
        t = smtp_saw_rcpt(c, suspect, l->cmd.argument);
    } else if (l->stands_out) {
        t = smtp_saw_mail(c, suspect, l->cmd.argument);
    } else if (greets(&l->cmd) && (s->belief != SMTP_IS_TEXT || smtp_is(s, SMTP_JUST_ODD))) {
        *c->ev = (struct smtp_event){.kind = SMTP_SAW_HELO, .suspect = suspect, .text = l->cmd.argument};
        t = SMTP_TURN_EVENT;
    }
    done_with(c, l, body);
    return t;
}

/*
 * Where an odd end cuts a line in two, a server at commands reads on to its LF, and finds the address there: a RCPT is
 * judged with all of it. Only where the line begins, so that many such ends in one don't make it many times as dear.
 */
static void read_command(const struct smtp *s, struct unsure_line *l, struct bytes uncut)
{
    smtp_command_read(l->text, &l->cmd);
    if (l->inside && !smtp_is(s, SMTP_INSIDE)) {
        struct smtp_command whole;
        smtp_command_read(smtp_line_text(uncut), &whole);
        if (whole.verb == SMTP_VERB_RCPT)
            l->cmd = whole;
    }
    l->goes_on = l->cmd.verb == SMTP_VERB_RCPT && smtp_line_ending(uncut) == SMTP_ENDS_LF && smtp_address_open(&l->cmd);
    l->stands_out = smtp_command_stands_out(&l->cmd);
    l->known = l->stands_out || (l->cmd.formed && l->cmd.verb != SMTP_VERB_MAIL && l->cmd.verb != SMTP_VERB_RCPT);
}

enum smtp_turn smtp_unsure_turn(struct smtp_call *c)
{
    struct smtp *s = c->s;
    size_t end, held = s->held, left = c->in->len > held ? c->in->len - held : 0;
    if (left == 0)
        return c->fin && held > 0 && c->in->len > 0 ? smtp_held_drop(c) : SMTP_TURN_MORE;
    if (smtp_is(s, SMTP_JUST_ODD))
        smtp_set(s, SMTP_DISTRUST); /* more is said: a server that ended the data answers that, too */
    bool whole = smtp_line_end(c, held, &end);
    if ((whole ? end - held : left) > c->cfg->line_max)
        return held > 0 ? smtp_held_drop(c) : smtp_long_begin(c);
    if (!whole && !c->fin)
        return SMTP_TURN_MORE;
    struct bytes line = bytes_first(bytes_from(*c->in, held), whole ? end - held : left), rest = line;
    uint8_t body = s->body;
    struct unsure_line l = {.body_end = smtp_body_scan(&body, &rest)};
    size_t n = line.len - rest.len; /* an odd end in the middle of it begins another line */
    if (n == 0) {                   /* it ended with the byte before, which nobody knew then */
        s->body = body;
        odd_end(s);
        return SMTP_TURN_AGAIN;
    }
    struct bytes uncut = line;
    line = bytes_first(line, n);
    l.inside = n < uncut.len;
    l.end = held + n;
    l.text = smtp_line_text(line);
    enum smtp_ending ending = smtp_line_ending(line);
    l.complete = ending == SMTP_ENDS_CRLF || (!whole && rest.len == 0);
    l.bare_lf = ending == SMTP_ENDS_LF;
    read_command(s, &l, uncut);
    return judge_line(c, &l, body);
}
