/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Client lines longer than line_max, and what may begin inside a line. The head of an
 * over-long line (line_max bytes) is judged as a command; the rest is passed over without
 * being kept, except for a window of line_max bytes that stays with the caller, because
 * the address of a RCPT may stand at the very end, behind 100,000 blanks, and because some
 * servers cut such a line, and read on behind the cut as if it were the next command.
 * Nobody knows how many replies it gets, so the state is unsure from then on; except that
 * AUTH and what follows it may be that long (RFC 4954 4: 12,288 octets).
 */
#include "kmod-free/smtp_internal.h"
#include "kmod-free/smtp_body.h"

#include <assert.h>

static bool blank(struct bytes b)
{
    for (size_t i = 0; i < b.len; i++)
        if (b.at[i] != ' ' && (b.at[i] < '\t' || b.at[i] > '\r') && b.at[i] != 0)
            return false;
    return true;
}

static enum smtp_turn saw_piece(struct smtp_call *c, struct bytes argument)
{
    smtp_unsure_push(c->s, SMTP_PENDING_RCPT_UNSURE);
    return smtp_saw_rcpt(c, true, argument);
}

enum smtp_turn smtp_cut(struct smtp_call *c, struct bytes text, const struct smtp_command *rcpt)
{
    size_t from = (size_t)(rcpt->argument.at - text.at);
    if (c->s->said & SMTP_SAID_CUT || text.len <= SMTP_POSTFIX_LINE || from >= SMTP_POSTFIX_LINE)
        return SMTP_TURN_MORE;
    c->s->said |= SMTP_SAID_CUT;
    struct bytes argument = bytes_first(rcpt->argument, SMTP_POSTFIX_LINE - from);
    bool same = blank(argument) || blank(bytes_from(text, SMTP_POSTFIX_LINE));
    return same ? SMTP_TURN_MORE : saw_piece(c, argument);
}

static enum smtp_turn crowded(struct smtp_call *c)
{
    c->s->said |= SMTP_SAID_CROWDED;
    return smtp_trouble(c, SMTP_SMUGGLING, true, (struct bytes){0});
}

/* One more of them, or too many? */
static enum smtp_turn saw_inside(struct smtp_call *c, struct bytes argument)
{
    struct smtp *s = c->s;
    uint8_t said = (uint8_t)(s->said + SMTP_SAID_INSIDE);
    if (said & (SMTP_SAID_CROWDED | SMTP_SAID_RCPT))
        return crowded(c);
    s->said = said;
    return saw_piece(c, argument);
}

/* Where to begin; `argument` counts in the line. */
static size_t inside_from(struct smtp *s, bool anywhere, bool rcpt, size_t argument)
{
    if (anywhere)
        return rcpt ? argument : 0; /* the RCPT in front is judged as it always is */
    if (!rcpt)
        return SMTP_SHORT_LINE;
    s->said |= SMTP_SAID_RCPT;
    return argument > SMTP_SHORT_RCPT ? argument : SMTP_SHORT_RCPT;
}

/*
 * The next RCPT that begins in the first n bytes of text, and was not looked at before; it ends where text does, or
 * behind `most` bytes. SMTP_TURN_MORE: none (any more).
 */
static enum smtp_turn next_inside(struct smtp_call *c, struct bytes text, size_t n, size_t most)
{
    struct smtp *s = c->s;
    struct smtp_command cmd;
    size_t at;
    struct bytes where = bytes_first(text, n + 3); /* the word may reach over the border */
    while (!(s->said & SMTP_SAID_CROWDED) && smtp_rcpt_find(where, s->searched, &at)) {
        s->searched = (uint32_t)at + 1;
        smtp_command_read(bytes_first(bytes_from(text, at), most), &cmd);
        if (smtp_command_stands_out(&cmd))
            return saw_inside(c, cmd.argument);
    }
    s->searched = n > s->searched ? (uint32_t)n : s->searched;
    return SMTP_TURN_MORE;
}

enum smtp_turn smtp_inside(struct smtp_call *c, struct bytes text, bool anywhere, const struct smtp_command *own)
{
    size_t from = own->argument.len > 0 ? (size_t)(own->argument.at - text.at) : text.len;
    from = inside_from(c->s, anywhere, own->verb == SMTP_VERB_RCPT, from);
    c->s->searched = from > c->s->searched ? (uint32_t)from : c->s->searched;
    return next_inside(c, text, text.len, text.len);
}

/* What the head gives besides the complaint about its length; then the line is being passed over. */
static enum smtp_turn take_head(struct smtp_call *c, const struct smtp_command *cmd, bool counts)
{
    struct smtp *s = c->s;
    bool unsure = s->client == SMTP_UNSURE, prompt = s->client == SMTP_AT_PROMPT;
    bool auth = !unsure && !counts && (prompt || (cmd->verb == SMTP_VERB_AUTH && cmd->formed));
    bool suspect = prompt || (unsure && s->belief != SMTP_IS_COMMAND);
    enum smtp_turn t = SMTP_TURN_AGAIN;
    smtp_recognise(s, cmd);
    if (cmd->verb == SMTP_VERB_RCPT && smtp_address_open(cmd))
        smtp_set(s, SMTP_LONG_RCPT);
    if (counts && s->said & SMTP_SAID_EARLY) {
        t = SMTP_TURN_AGAIN; /* a CR stands at the head's end */
    } else if (counts) {
        bool rcpt = cmd->verb == SMTP_VERB_RCPT;
        smtp_unsure_push(s, !rcpt ? SMTP_PENDING_MAIL : suspect ? SMTP_PENDING_RCPT_UNSURE : SMTP_PENDING_RCPT);
        t = rcpt ? smtp_saw_rcpt(c, suspect, cmd->argument) : smtp_saw_mail(c, suspect, cmd->argument);
    } else if (!unsure) {
        enum smtp_pending kind = smtp_pending_of(cmd);
        smtp_unsure_push(s, auth ? SMTP_PENDING_AUTH : kind == SMTP_PENDING_RCPT || prompt ? SMTP_PENDING_PLAIN : kind);
    }
    if (!unsure) {
        s->facts.commands += prompt ? 0 : 1;
        s->facts.auth_used |= auth || cmd->verb == SMTP_VERB_AUTH;
    }
    if (auth) {
        smtp_set(s, SMTP_BARRIER);
    } else if (!unsure) {
        smtp_become_unsure(s, cmd->verb == SMTP_VERB_DATA ? SMTP_BEHIND_DATA : SMTP_IS_COMMAND);
        smtp_set(s, SMTP_DISTRUST);
    } else if (s->belief == SMTP_BEHIND_DATA) {
        s->belief = counts ? SMTP_IS_COMMAND : SMTP_IS_TEXT;
    }
    smtp_clear(s, SMTP_DATA_LAST | SMTP_JUST_ODD | SMTP_SAID_INJECTION);
    smtp_set(s, SMTP_LONG | SMTP_CLIENT_SPOKE);
    if (cmd->verb == SMTP_VERB_BDAT || cmd->verb == SMTP_VERB_XEXCH50)
        smtp_set(s, SMTP_ANYWHERE);
    bool rcpt = cmd->verb == SMTP_VERB_RCPT && counts;
    s->said = 0;
    s->passed = 0;
    s->searched =
        (uint32_t)inside_from(s, smtp_is(s, SMTP_ANYWHERE), rcpt, rcpt ? (size_t)(cmd->argument.at - c->in->at) : 0);
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
    enum smtp_turn cut = counts && cmd.verb == SMTP_VERB_RCPT ? smtp_cut(c, head, &cmd) : SMTP_TURN_MORE;
    return cut != SMTP_TURN_MORE ? cut : take_head(c, &cmd, counts);
}

static void pass(struct smtp_call *c, size_t n)
{
    struct smtp *s = c->s;
    uint32_t scanned = s->scanned > n ? s->scanned - (uint32_t)n : 0;
    uint32_t searched = s->searched > n ? s->searched - (uint32_t)n : 0;
    uint8_t said = s->said;
    smtp_take(c, n);
    s->passed += n < UINT32_MAX - s->passed ? (uint32_t)n : UINT32_MAX - s->passed;
    s->scanned = scanned;
    s->searched = searched;
    s->said = said;
}

static enum smtp_turn end_long(struct smtp_call *c, size_t end)
{
    struct smtp *s = c->s;
    enum smtp_ending ending = smtp_line_ending(bytes_first(*c->in, end));
    smtp_take(c, end);
    s->passed = 0;
    smtp_clear(s, SMTP_LONG | SMTP_LONG_RCPT);
    if (s->client == SMTP_UNSURE)
        s->body = ending == SMTP_ENDS_CRLF ? SMTP_BODY_CRLF : SMTP_BODY_BREAK;
    else if (ending == SMTP_ENDS_CR || ending == SMTP_ENDS_CRCRLF)
        smtp_lose_trust(s, SMTP_IS_COMMAND);
    else if (ending == SMTP_ENDS_LF && !smtp_is(s, SMTP_LF_SERVER))
        smtp_set(s, SMTP_IN_DOUBT | SMTP_DOUBT_LF);
    return SMTP_TURN_AGAIN;
}

enum smtp_turn smtp_long_turn(struct smtp_call *c)
{
    struct smtp *s = c->s;
    size_t end, window = c->cfg->line_max;
    bool ended = smtp_line_end(c, 0, &end);
    if (!ended) {
        end = c->in->len;
        ended = c->fin;
    }
    if (s->client != SMTP_UNSURE && (s->passed >= SMTP_SHORT_AUTH || end > SMTP_SHORT_AUTH - s->passed))
        smtp_lose_trust(s, SMTP_IS_COMMAND);
    if (!ended && end <= window)
        return SMTP_TURN_MORE;
    size_t behind = end > window ? end - window : end; /* the rest stays, and what begins there can wait */
    enum smtp_turn inside = next_inside(c, smtp_line_text(bytes_first(*c->in, end)), behind, window);
    if (inside != SMTP_TURN_MORE) {
        if (s->client != SMTP_UNSURE)
            smtp_lose_trust(s, SMTP_IS_COMMAND); /* no AUTH has that */
        return inside;
    }
    if (end > window) {
        pass(c, behind);
        return SMTP_TURN_AGAIN;
    }
    if (smtp_is(s, SMTP_LONG_RCPT)) {
        struct bytes tail = smtp_rcpt_argument(smtp_line_text(bytes_first(*c->in, end)));
        smtp_clear(s, SMTP_LONG_RCPT);
        if (!blank(tail))
            return saw_piece(c, tail);
    }
    return end_long(c, end);
}
