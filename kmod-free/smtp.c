/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The dialogue's start, gaps, transitions, and the loop that smtp_next is. See smtp.h. */
#include "kmod-free/smtp_internal.h"
#include "kmod-free/smtp_body.h"

void smtp_start(struct smtp *s, enum smtp_start how)
{
    *s = (struct smtp){.client = SMTP_AT_COMMAND, .belief = SMTP_IS_COMMAND, .body = SMTP_BODY_CRLF};
    if (how == SMTP_FROM_BANNER) {
        smtp_pending_push(s, SMTP_PENDING_BANNER);
        return;
    }
    smtp_become_unsure(s, SMTP_MAY_BE_ANYTHING);
    smtp_set(s, SMTP_SERVER_SPOKE | SMTP_CHUNKING_UNKNOWN);
}

enum smtp_turn smtp_trouble(struct smtp_call *c, enum smtp_trouble trouble, bool suspect, struct bytes text)
{
    *c->ev = (struct smtp_event){.kind = SMTP_SAW_TROUBLE, .trouble = trouble, .suspect = suspect, .text = text};
    return SMTP_TURN_EVENT;
}

enum smtp_turn smtp_saw_rcpt(struct smtp_call *c, bool suspect, struct bytes argument)
{
    *c->ev = (struct smtp_event){
        .kind = SMTP_SAW_RCPT, .suspect = suspect, .ordinal = c->s->facts.rcpts++, .text = argument};
    return SMTP_TURN_EVENT;
}

enum smtp_turn smtp_saw_mail(struct smtp_call *c, bool suspect, struct bytes argument)
{
    *c->ev = (struct smtp_event){.kind = SMTP_SAW_MAIL, .suspect = suspect, .text = argument};
    return SMTP_TURN_EVENT;
}

void smtp_take(struct smtp_call *c, size_t n)
{
    *c->in = bytes_from(*c->in, n);
    c->s->scanned = 0;
    c->s->searched = 0;
    c->s->said = 0;
}

#define LINE_PIECE 64

bool smtp_line_end(struct smtp_call *c, size_t skip, size_t *end)
{
    const struct bytes in = *c->in;
    size_t at = c->s->scanned > skip ? c->s->scanned : skip;
    *end = 0;
    if (at >= in.len)
        return false; /* a shorter offer than last time: its end is still where it was not found */
    bool cr = at > skip && in.at[at - 1] == '\r';
    while (at < in.len && !cr) { /* piece by piece, so that many short lines don't cost the whole each */
        struct bytes piece = bytes_first(bytes_from(in, at), LINE_PIECE);
        const uint8_t *found = memchr(piece.at, '\r', piece.len);
        size_t before = found != NULL ? (size_t)(found - piece.at) : piece.len;
        const uint8_t *lf = memchr(piece.at, '\n', before);
        if (lf != NULL) {
            *end = (size_t)(lf - in.at) + 1;
            return true;
        }
        cr = found != NULL;
        at += cr ? before + 1 : before;
    }
    while (at < in.len && in.at[at] == '\r')
        at++;
    if (at == in.len) {
        c->s->scanned = (uint32_t)in.len;
        return false;
    }
    *end = in.at[at] == '\n' ? at + 1 : at;
    return true;
}

bool smtp_line_early(const struct smtp_call *c, size_t n)
{
    return n > c->s->held && c->in->at[n - 1] == '\r';
}

void smtp_recognise(struct smtp *s, const struct smtp_command *c)
{
    if (!c->formed)
        return;
    if (c->verb == SMTP_VERB_HELO || c->verb == SMTP_VERB_LHLO || c->verb == SMTP_VERB_MAIL ||
        c->verb == SMTP_VERB_RCPT)
        s->facts.recognised = true;
}

/* What belongs to one body or one line, and to no other state. */
#define SMTP_PASSING (SMTP_ODD | SMTP_JUST_ODD | SMTP_SAID_SMUGGLING | SMTP_HELD_WHOLE | SMTP_DATA_LAST)

void smtp_become_unsure(struct smtp *s, enum smtp_belief belief)
{
    s->client = SMTP_UNSURE;
    s->belief = (uint8_t)belief;
    s->chunk_left = 0;
    smtp_clear(s, SMTP_BARRIER | SMTP_PASSING | SMTP_IN_DOUBT | SMTP_DOUBT_LF | SMTP_UNSETTLED);
    smtp_client_may_go_on(s);
}

void smtp_lose_trust(struct smtp *s, enum smtp_belief belief)
{
    smtp_become_unsure(s, belief);
    smtp_set(s, SMTP_DISTRUST);
}

void smtp_distrust_octets(struct smtp *s)
{
    smtp_lose_trust(s, SMTP_MAY_BE_ANYTHING);
    smtp_set(s, SMTP_ANYWHERE);
}

void smtp_become_sure(struct smtp *s, enum smtp_client_state state)
{
    s->client = (uint8_t)state;
    s->belief = SMTP_IS_COMMAND;
    smtp_clear(s, SMTP_PASSING | SMTP_ANYWHERE);
}

void smtp_begin_body(struct smtp *s)
{
    smtp_become_sure(s, SMTP_IN_BODY);
    s->body = SMTP_BODY_CRLF;
    if (s->scanned > 0)
        smtp_set(s, SMTP_CLIENT_FIRST); /* the line that wasn't complete is text now: before the next reply (D4) */
    s->scanned = s->searched = s->said = 0;
}

void smtp_await_tls(struct smtp *s)
{
    if (s->scanned > 0)
        smtp_set(s, SMTP_CLIENT_FIRST); /* a line that isn't complete was sent in plain text: as above */
    smtp_clear(s, SMTP_TLS_UNSURE);
    smtp_set(s, s->client == SMTP_UNSURE ? (uint32_t)SMTP_TLS_UNSURE : 0u);
    s->client = SMTP_AT_TLS;
}

void smtp_end_of_data(struct smtp *s)
{
    unsigned replies = smtp_is(s, SMTP_LMTP) && s->taken_rcpts > 0 ? s->taken_rcpts : 1;
    /* What looked like commands in the text gets no reply. */
    if (s->belief != SMTP_IS_COMMAND || !smtp_pending_room(s))
        smtp_pending_forget(s);
    s->belief = SMTP_IS_COMMAND;
    s->taken_rcpts = 0;
    while (replies-- > 0)
        smtp_pending_push(s, SMTP_PENDING_END);
}

void smtp_unsure_push(struct smtp *s, enum smtp_pending kind)
{
    if (!smtp_pending_room(s))
        smtp_pending_forget(s);
    smtp_pending_push(s, kind);
}

static void server_gap(struct smtp *s)
{
    enum smtp_belief belief = s->client == SMTP_UNSURE     ? (enum smtp_belief)s->belief
                              : smtp_is(s, SMTP_DATA_LAST) ? SMTP_BEHIND_DATA
                                                           : SMTP_IS_COMMAND;
    /* A body and a chunk end by what the client sends; only what comes behind them is less certain. */
    if (s->client == SMTP_IN_BODY || s->client == SMTP_IN_CHUNK)
        smtp_set(s, SMTP_RECOVERED);
    else
        smtp_become_unsure(s, belief);
    smtp_pending_forget_all(s); /* the banner may be what is missing */
    s->server_scanned = 0;
    smtp_clear(s, SMTP_REPLY_OPEN | SMTP_SERVER_LONG | SMTP_SERVER_DONE);
    smtp_set(s, SMTP_SERVER_SPOKE | (s->facts.chunking_offered ? 0u : (uint32_t)SMTP_CHUNKING_UNKNOWN));
}

void smtp_gap(struct smtp *s, enum role from)
{
    if (s->client == SMTP_ELSEWHERE || (s->client == SMTP_AT_TLS && from == ROLE_SERVER))
        return;
    if (from == ROLE_SERVER) {
        server_gap(s);
        return;
    }
    bool text = s->client == SMTP_IN_BODY || s->client == SMTP_IN_CHUNK ||
                (s->client == SMTP_UNSURE && s->belief == SMTP_IS_TEXT);
    bool chunk = s->client == SMTP_IN_CHUNK;
    smtp_become_unsure(s, text ? SMTP_IS_TEXT : SMTP_MAY_BE_ANYTHING);
    if (chunk)
        smtp_set(s, SMTP_ANYWHERE);
    s->scanned = s->searched = s->held = s->held_line = s->passed = s->said = 0;
    s->body = SMTP_BODY_BREAK;
    smtp_clear(s, SMTP_LONG | SMTP_LONG_RCPT | SMTP_CLIENT_SPOKE);
}

enum smtp_step smtp_next(const struct smtp_config *cfg, struct smtp *s, enum role from, struct bytes *in, bool fin,
                         struct smtp_event *ev)
{
    struct smtp_call c = {.cfg = cfg, .s = s, .in = in, .ev = ev, .fin = fin};
    *ev = (struct smtp_event){0};
    for (;;) {
        if (s->client == SMTP_ELSEWHERE) {
            *in = bytes_from(*in, in->len);
            return SMTP_OPAQUE;
        }
        switch (from == ROLE_CLIENT ? smtp_client_turn(&c) : smtp_server_turn(&c)) {
        case SMTP_TURN_AGAIN:
            break;
        case SMTP_TURN_EVENT:
            return SMTP_EVENT;
        case SMTP_TURN_MORE:
            return SMTP_MORE;
        case SMTP_TURN_WAIT:
            return SMTP_WAIT;
        }
    }
}
