/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Client lines longer than line_max. Their head (line_max bytes) is judged as a
 * command; the rest is passed over without being kept, except for a window of
 * line_max bytes that stays with the caller, because
 * - the address of a RCPT may stand at the very end, behind 100,000 blanks,
 * - Exim takes what stands behind 16,385 bytes as the next command.
 * Nobody knows how many replies such a line gets, so the state is unsure from then on.
 */
#include "kmod-free/smtp_internal.h"
#include "kmod-free/smtp_body.h"

#include <assert.h>

#define SPLIT 16385 /* Exim's command buffer, and one byte that it loses */

static bool blank(struct bytes b)
{
    for (size_t i = 0; i < b.len; i++)
        if (b.at[i] != ' ' && (b.at[i] < '\t' || b.at[i] > '\r') && b.at[i] != 0)
            return false;
    return true;
}

/* What the head gives besides the complaint about its length; then the line is being passed over. */
static enum smtp_turn take_head(struct smtp_call *c, const struct smtp_command *cmd, bool counts)
{
    struct smtp *s = c->s;
    bool unsure = s->client == SMTP_UNSURE, prompt = s->client == SMTP_AT_PROMPT;
    bool suspect = prompt || (unsure && s->belief != SMTP_IS_COMMAND);
    enum smtp_turn t = SMTP_TURN_AGAIN;
    smtp_recognise(s, cmd);
    if (cmd->verb == SMTP_VERB_RCPT && smtp_address_open(cmd))
        smtp_set(s, SMTP_LONG_RCPT);
    if (counts) {
        bool rcpt = cmd->verb == SMTP_VERB_RCPT;
        smtp_unsure_push(s, !rcpt ? SMTP_PENDING_MAIL : suspect ? SMTP_PENDING_RCPT_UNSURE : SMTP_PENDING_RCPT);
        t = rcpt ? smtp_saw_rcpt(c, suspect, cmd->argument) : smtp_saw_mail(c, suspect, cmd->argument);
    } else if (!unsure) {
        enum smtp_pending kind = smtp_pending_of(cmd);
        smtp_unsure_push(s, kind == SMTP_PENDING_RCPT || prompt ? SMTP_PENDING_PLAIN : kind);
    }
    if (!unsure) {
        s->facts.commands++;
        s->facts.auth_used |= cmd->verb == SMTP_VERB_AUTH;
        smtp_become_unsure(s, cmd->verb == SMTP_VERB_DATA ? SMTP_BEHIND_DATA : SMTP_IS_COMMAND);
        smtp_set(s, SMTP_DISTRUST);
    } else if (s->belief == SMTP_BEHIND_DATA) {
        s->belief = counts ? SMTP_IS_COMMAND : SMTP_IS_TEXT;
    }
    smtp_clear(s, SMTP_DATA_LAST | SMTP_JUST_ODD | SMTP_INSIDE);
    smtp_set(s, SMTP_LONG | SMTP_CLIENT_SPOKE);
    if (cmd->verb == SMTP_VERB_BDAT || cmd->verb == SMTP_VERB_XEXCH50)
        smtp_set(s, SMTP_ANYWHERE);
    /* the RCPT in front is not one that begins inside */
    s->searched = cmd->verb == SMTP_VERB_RCPT && counts ? (uint32_t)(cmd->argument.at - c->in->at) : 0;
    s->passed = 0;
    s->said = 0;
    return t;
}

enum smtp_turn smtp_long_begin(struct smtp_call *c)
{
    struct smtp *s = c->s;
    struct smtp_command cmd;
    struct bytes head = bytes_first(*c->in, c->cfg->line_max);
    bool sure = s->client == SMTP_AT_COMMAND;
    assert(s->held == 0);
    smtp_command_read(head, &cmd);
    bool counts = sure ? (cmd.verb == SMTP_VERB_RCPT || cmd.verb == SMTP_VERB_MAIL) && !blank(cmd.argument)
                       : smtp_command_stands_out(&cmd);
    /* AUTH may be long (RFC 4954 4: 12,288 octets), so may a text; what isn't SMTP may be anything */
    bool bad = counts || (sure && cmd.verb != SMTP_VERB_AUTH && (s->facts.greeted || s->facts.recognised));
    if (smtp_is(s, SMTP_ODD) && !smtp_is(s, SMTP_SAID_SMUGGLING) && counts) {
        smtp_set(s, SMTP_SAID_SMUGGLING);
        return smtp_trouble(c, SMTP_SMUGGLING, true, head);
    }
    if (bad && !(s->said & SMTP_SAID_MALFORMED)) {
        s->said |= SMTP_SAID_MALFORMED;
        return smtp_trouble(c, SMTP_MALFORMED, !sure, counts ? head : (struct bytes){0});
    }
    return take_head(c, &cmd, counts);
}

static void pass(struct smtp_call *c, size_t n)
{
    struct smtp *s = c->s;
    uint32_t scanned = s->scanned > n ? s->scanned - (uint32_t)n : 0;
    uint32_t searched = s->searched > n ? s->searched - (uint32_t)n : 0;
    smtp_take(c, n);
    s->scanned = scanned;
    s->searched = searched;
    s->passed = (uint32_t)((s->passed + n) % SPLIT);
}

static enum smtp_turn saw_piece(struct smtp_call *c, struct bytes argument)
{
    smtp_unsure_push(c->s, SMTP_PENDING_RCPT_UNSURE);
    return smtp_saw_rcpt(c, true, argument);
}

/* n bytes in front begin where Exim begins another command. */
static enum smtp_turn judge_split(struct smtp_call *c, size_t n)
{
    struct smtp_command cmd;
    smtp_command_read(smtp_line_text(bytes_first(*c->in, n)), &cmd);
    if (cmd.verb == SMTP_VERB_RCPT && smtp_command_stands_out(&cmd))
        return saw_piece(c, cmd.argument);
    return SMTP_TURN_AGAIN;
}

static enum smtp_turn end_long(struct smtp_call *c, size_t end)
{
    struct smtp *s = c->s;
    bool crlf = smtp_line_ending(bytes_first(*c->in, end)) == SMTP_ENDS_CRLF;
    smtp_take(c, end);
    smtp_clear(s, SMTP_LONG | SMTP_LONG_RCPT);
    s->passed = 0;
    s->body = crlf ? SMTP_BODY_CRLF : SMTP_BODY_BREAK;
    return SMTP_TURN_AGAIN;
}

/* SMTP_ANYWHERE: a RCPT that begins in the first n bytes, of the `end` that are there. SMTP_TURN_MORE: none. */
static enum smtp_turn judge_inside(struct smtp_call *c, size_t n, size_t end)
{
    struct smtp *s = c->s;
    struct smtp_command cmd;
    size_t at, window = c->cfg->line_max;
    struct bytes where = bytes_first(*c->in, n + 3); /* the word may reach over the border */
    if (!smtp_is(s, SMTP_ANYWHERE) || !smtp_rcpt_find(bytes_first(where, end), s->searched, &at)) {
        s->searched = n > s->searched ? (uint32_t)n : s->searched;
        return SMTP_TURN_MORE;
    }
    s->searched = (uint32_t)at + 1;
    smtp_command_read(smtp_line_text(bytes_first(bytes_from(*c->in, at), end - at < window ? end - at : window)), &cmd);
    return smtp_command_stands_out(&cmd) ? saw_piece(c, cmd.argument) : SMTP_TURN_AGAIN;
}

enum smtp_turn smtp_long_turn(struct smtp_call *c)
{
    struct smtp *s = c->s;
    size_t end, window = c->cfg->line_max, split = SPLIT - s->passed;
    bool ended = smtp_line_end(c, 0, &end);
    if (!ended) {
        end = c->in->len;
        ended = c->fin;
    }
    enum smtp_turn inside;
    if (end > window) {
        size_t n = end - window < split ? end - window : split;
        inside = judge_inside(c, n, end);
        if (inside != SMTP_TURN_MORE)
            return inside;
        pass(c, n);
        return n == split ? judge_split(c, window) : SMTP_TURN_AGAIN;
    }
    if (!ended)
        return SMTP_TURN_MORE;
    inside = judge_inside(c, end, end);
    if (inside != SMTP_TURN_MORE)
        return inside;
    if (smtp_is(s, SMTP_LONG_RCPT)) {
        struct bytes tail = smtp_rcpt_argument(smtp_line_text(bytes_first(*c->in, end)));
        smtp_clear(s, SMTP_LONG_RCPT);
        if (!blank(tail))
            return saw_piece(c, tail);
    }
    if (split < end) {
        pass(c, split);
        return judge_split(c, end - split);
    }
    return end_long(c, end);
}
