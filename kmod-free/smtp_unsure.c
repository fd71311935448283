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
    enum smtp_ending ending;
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
        smtp_set(s, SMTP_DATA_LAST | (l->ending == SMTP_ENDS_LF ? (uint32_t)SMTP_LF_CLIENT : 0u));
        s->body = SMTP_BODY_CRLF;
    } else if (l->known && !text && l->cmd.verb == SMTP_VERB_BDAT) {
        s->belief = SMTP_IS_TEXT; /* its octets; until the reply */
    } else if (greets(&l->cmd) && !text) {
        s->belief = SMTP_IS_COMMAND;
    }
}

static bool is_rcpt(const struct unsure_line *l)
{
    return l->stands_out && l->cmd.verb == SMTP_VERB_RCPT;
}

/* Queues what may get a reply: text gets none. */
static void await_reply(struct smtp *s, const struct unsure_line *l)
{
    bool text = s->belief == SMTP_IS_TEXT;
    if (is_rcpt(l))
        ; /* see said_rcpt */
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
    smtp_held_or_taken(c, l->end, l->ending, &l->cmd);
    smtp_set(s, SMTP_CLIENT_SPOKE);
    smtp_clear(s, SMTP_JUST_ODD);
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

/* The RCPT itself. */
static enum smtp_turn said_rcpt(struct smtp_call *c, const struct unsure_line *l)
{
    struct smtp *s = c->s;
    s->said |= SMTP_SAID_EARLY;
    smtp_recognise(s, &l->cmd);
    smtp_unsure_push(s, s->belief == SMTP_IS_TEXT ? SMTP_PENDING_RCPT_UNSURE : SMTP_PENDING_RCPT);
    return smtp_saw_rcpt(c, s->belief != SMTP_IS_COMMAND, l->cmd.argument);
}

/* What is said of a line before anything is done about it; the RCPT last. SMTP_TURN_MORE: nothing (more). */
static enum smtp_turn said_of(struct smtp_call *c, const struct unsure_line *l)
{
    struct smtp *s = c->s;
    bool suspect = s->belief != SMTP_IS_COMMAND, text = s->belief == SMTP_IS_TEXT;
    enum smtp_turn t = smtp_inside(c, l->text, smtp_is(s, SMTP_ANYWHERE), &l->cmd);
    if (t == SMTP_TURN_MORE && is_rcpt(l))
        t = smtp_cut(c, l->text, &l->cmd);
    if (t != SMTP_TURN_MORE)
        return t;
    if (smuggles(s, l)) {
        smtp_set(s, SMTP_SAID_SMUGGLING);
        return smtp_trouble(c, SMTP_SMUGGLING, true, l->text);
    }
    if (l->stands_out && !text && smtp_line_dirty(l->text) && !(s->said & SMTP_SAID_MALFORMED)) {
        s->said |= SMTP_SAID_MALFORMED;
        return smtp_trouble(c, SMTP_MALFORMED, suspect, l->text);
    }
    if (is_rcpt(l) && !(s->said & SMTP_SAID_EARLY))
        return said_rcpt(c, l);
    if (l->stands_out && !text && l->ending == SMTP_ENDS_CR && !(s->said & SMTP_SAID_MALFORMED)) {
        s->said |= SMTP_SAID_MALFORMED;
        return smtp_trouble(c, SMTP_MALFORMED, suspect, l->text);
    }
    return SMTP_TURN_MORE;
}

static enum smtp_turn judge_line(struct smtp_call *c, const struct unsure_line *l, uint8_t body)
{
    struct smtp *s = c->s;
    bool suspect = s->belief != SMTP_IS_COMMAND;
    enum smtp_turn t = said_of(c, l);
    if (t != SMTP_TURN_MORE)
        return t;
    t = SMTP_TURN_AGAIN;
    if (brings_octets(&l->cmd))
        smtp_set(s, SMTP_ANYWHERE);
    smtp_recognise(s, &l->cmd);
    await_reply(s, l);
    if (l->stands_out && l->cmd.verb == SMTP_VERB_MAIL) {
        t = smtp_saw_mail(c, suspect, l->cmd.argument);
    } else if (greets(&l->cmd) && (s->belief != SMTP_IS_TEXT || smtp_is(s, SMTP_JUST_ODD))) {
        *c->ev = (struct smtp_event){.kind = SMTP_SAW_HELO, .suspect = suspect, .text = l->cmd.argument};
        t = SMTP_TURN_EVENT;
    }
    if (!suspect && l->ending == SMTP_ENDS_CR)
        smtp_set(s, SMTP_DISTRUST); /* who answered what? */
    done_with(c, l, body);
    return t;
}

static void read_command(struct unsure_line *l)
{
    smtp_command_read(l->text, &l->cmd);
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
    bool whole = smtp_line_end(c, held, &end), early = !whole && !c->fin;
    size_t most = c->cfg->line_max;
    bool cut = (whole ? end - held : left) > most;
    if (cut && held > 0)
        return smtp_held_drop(c);
    if (cut || early) {
        end = cut ? most : c->in->len;
        if (!smtp_line_early(c, end) || s->said & SMTP_SAID_EARLY)
            return cut ? smtp_long_begin(c) : SMTP_TURN_MORE;
        early = true;
        whole = false;
        left = end - held;
    }
    struct bytes line = bytes_first(bytes_from(*c->in, held), whole ? end - held : left), rest = line;
    uint8_t body = s->body;
    struct unsure_line l = {.body_end = smtp_body_scan(&body, &rest)};
    size_t n = line.len - rest.len; /* an odd end in the middle of it begins another line */
    if (n == 0) {                   /* it ended with the byte before, which nobody knew then */
        s->body = body;
        odd_end(s);
        return SMTP_TURN_AGAIN;
    }
    line = bytes_first(line, n);
    l.end = held + n;
    l.text = smtp_line_text(line);
    l.ending = rest.len > 0 ? SMTP_ENDS_CR : whole ? smtp_line_ending(line) : SMTP_ENDS_NOT;
    read_command(&l);
    if (!early || rest.len > 0)
        return judge_line(c, &l, body);
    enum smtp_turn t = said_of(c, &l);
    return t == SMTP_TURN_MORE && cut ? smtp_long_begin(c) : t;
}
