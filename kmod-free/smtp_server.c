/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The server's side: lines become replies, replies meet the commands that wait for them (D1). */
#include "kmod-free/smtp_internal.h"
#include "kmod-free/smtp_reply.h"

static bool positive(uint16_t code)
{
    return code >= 200 && code < 300;
}

static enum smtp_turn saw(struct smtp_call *c, enum smtp_event_kind kind, uint16_t code)
{
    *c->ev = (struct smtp_event){.kind = kind, .code = code};
    return SMTP_TURN_EVENT;
}

static enum smtp_turn saw_message(struct smtp_call *c, uint16_t code)
{
    if (!positive(code))
        return SMTP_TURN_AGAIN;
    c->s->facts.messages++;
    return saw(c, SMTP_SAW_MESSAGE, code);
}

static enum smtp_turn saw_starttls(struct smtp_call *c, uint16_t code)
{
    struct smtp *s = c->s;
    if (code != 220)
        return SMTP_TURN_AGAIN;
    s->facts.starttls = true;
    smtp_await_tls(s);
    return saw(c, SMTP_SAW_STARTTLS, code);
}

static enum smtp_turn saw_rcpt_reply(struct smtp_call *c, uint16_t code, uint32_t ordinal)
{
    struct smtp *s = c->s;
    if (positive(code) && s->taken_rcpts < UINT16_MAX)
        s->taken_rcpts++;
    (void)saw(c, SMTP_SAW_RCPT_REPLY, code);
    c->ev->ordinal = ordinal;
    return SMTP_TURN_EVENT;
}

static void greeting_taken(struct smtp *s, uint16_t code, bool lmtp)
{
    if (!positive(code))
        return;
    s->facts.chunking_offered = s->offered & SMTP_KEYWORD_CHUNKING;
    s->facts.starttls_offered = s->offered & SMTP_KEYWORD_STARTTLS;
    s->facts.auth_offered = s->offered & SMTP_KEYWORD_AUTH;
    smtp_clear(s, SMTP_CHUNKING_UNKNOWN | SMTP_LMTP);
    if (lmtp)
        smtp_set(s, SMTP_LMTP);
}

/* The transaction as the server has it, once it answered a command of this kind. */
static enum smtp_transaction transaction_behind(const struct smtp *s, enum smtp_pending kind, bool taken)
{
    enum smtp_transaction t = (enum smtp_transaction)s->transaction;
    switch (kind) {
    case SMTP_PENDING_MAIL:
        return taken ? SMTP_HAS_SENDER : SMTP_NO_TRANSACTION;
    case SMTP_PENDING_RCPT:
    case SMTP_PENDING_RCPT_UNSURE:
        if (t == SMTP_HAS_CHUNKS || t == SMTP_NO_TRANSACTION)
            return SMTP_NO_TRANSACTION;
        return taken ? SMTP_HAS_RECIPIENT : t;
    case SMTP_PENDING_XEXCH50: /* goes between RCPT and BDAT */
        return t == SMTP_HAS_CHUNKS ? SMTP_NO_TRANSACTION : t;
    case SMTP_PENDING_BDAT:
        return taken && t >= SMTP_HAS_RECIPIENT ? SMTP_HAS_CHUNKS : SMTP_NO_TRANSACTION;
    case SMTP_PENDING_BANNER:
    case SMTP_PENDING_HELO:
    case SMTP_PENDING_LHLO:
    case SMTP_PENDING_PLAIN:
    case SMTP_PENDING_EMPTY:
    case SMTP_PENDING_QUIT:
    case SMTP_PENDING_DATA:
    case SMTP_PENDING_END:
    case SMTP_PENDING_BDAT_LAST:
    case SMTP_PENDING_BDAT_ODD:
    case SMTP_PENDING_STARTTLS:
    case SMTP_PENDING_AUTH:
    case SMTP_PENDING_TURN:
    case SMTP_PENDING_OTHER:
        break;
    }
    return SMTP_NO_TRANSACTION;
}

/* The next reply is to a BDAT: were its octets due? */
static void settle_chunk(struct smtp *s)
{
    unsigned first = smtp_pending_first(s);
    if (s->client == SMTP_UNSURE || (first != SMTP_PENDING_BDAT && first != SMTP_PENDING_BDAT_LAST))
        return;
    if (s->transaction < SMTP_HAS_RECIPIENT) {
        smtp_distrust_octets(s);
        return;
    }
    if (smtp_pending_single(s) && smtp_is(s, SMTP_UNSETTLED)) {
        smtp_clear(s, SMTP_UNSETTLED);
        smtp_client_may_go_on(s);
    }
}

/* What an answer means that says nothing about how the client goes on. */
static enum smtp_turn take_answer(struct smtp_call *c, enum smtp_pending kind, uint16_t code, uint32_t ordinal)
{
    struct smtp *s = c->s;
    s->transaction = (uint8_t)transaction_behind(s, kind, positive(code));
    settle_chunk(s);
    switch (kind) {
    case SMTP_PENDING_BANNER:
        s->facts.greeted = code == 220;
        break;
    case SMTP_PENDING_HELO:
    case SMTP_PENDING_LHLO:
        greeting_taken(s, code, kind == SMTP_PENDING_LHLO);
        break;
    case SMTP_PENDING_MAIL:
        if (positive(code))
            s->taken_rcpts = 0;
        break;
    case SMTP_PENDING_RCPT:
        return saw_rcpt_reply(c, code, ordinal);
    case SMTP_PENDING_END:
    case SMTP_PENDING_BDAT_LAST:
        return saw_message(c, code);
    case SMTP_PENDING_STARTTLS:
        return saw_starttls(c, code);
    case SMTP_PENDING_AUTH:
        s->facts.auth_succeeded |= code == 235;
        break;
    case SMTP_PENDING_RCPT_UNSURE:
    case SMTP_PENDING_PLAIN:
    case SMTP_PENDING_EMPTY:
    case SMTP_PENDING_QUIT:
    case SMTP_PENDING_DATA:
    case SMTP_PENDING_BDAT:
    case SMTP_PENDING_BDAT_ODD:
    case SMTP_PENDING_XEXCH50:
    case SMTP_PENDING_TURN:
    case SMTP_PENDING_OTHER:
        break;
    }
    return SMTP_TURN_AGAIN;
}

/* RFC 2033 4.2: a reply for each recipient; for all of them together where the command itself is refused. */
static void after_last_chunk(struct smtp *s, uint16_t code)
{
    uint16_t replies = smtp_is(s, SMTP_LMTP) ? s->taken_rcpts : 1;
    s->taken_rcpts = 0;
    if (replies > 1 && positive(code))
        smtp_pending_insert(s, SMTP_PENDING_END, (uint16_t)(replies - 1));
    else if (replies > 1)
        smtp_lose_trust(s, SMTP_IS_COMMAND);
}

/* How the client's side goes on behind the answer to its last command, while the state is sure. */
static void go_on(struct smtp *s, enum smtp_pending kind, uint16_t code)
{
    bool asks = code >= 300 && code < 400;
    switch (kind) {
    case SMTP_PENDING_DATA:
        if (code == 354)
            smtp_begin_body(s);
        else if (asks)
            smtp_lose_trust(s, SMTP_IS_TEXT);
        break;
    case SMTP_PENDING_AUTH:
        if (code == 334)
            s->client = SMTP_AT_PROMPT;
        break;
    case SMTP_PENDING_XEXCH50:
        if (s->client == SMTP_IN_CHUNK) {
            smtp_distrust_octets(s);
            break;
        }
        if (code == 354 && s->chunk_left > 0) {
            s->client = SMTP_IN_CHUNK;
            smtp_pending_push(s, SMTP_PENDING_XEXCH50); /* the blob gets a reply of its own */
        } else {
            s->chunk_left = 0;
        }
        smtp_clear(s, SMTP_ANYWHERE);
        break;
    case SMTP_PENDING_BDAT_ODD: /* whether the server took octets, and how many, isn't known */
        smtp_lose_trust(s, SMTP_MAY_BE_ANYTHING);
        break;
    case SMTP_PENDING_TURN: /* who is the client now? */
        if (positive(code))
            smtp_lose_trust(s, SMTP_IS_COMMAND);
        break;
    case SMTP_PENDING_OTHER:
        if (code == 334)
            s->client = SMTP_AT_PROMPT;
        else if (asks)
            smtp_lose_trust(s, SMTP_MAY_BE_ANYTHING);
        break;
    case SMTP_PENDING_BDAT:
    case SMTP_PENDING_BDAT_LAST:
        /* answered before its octets were all sent: it counts otherwise than we do, or doesn't take them */
        if (s->client == SMTP_IN_CHUNK && s->pending_used == 0)
            smtp_distrust_octets(s);
        else if (kind == SMTP_PENDING_BDAT_LAST)
            after_last_chunk(s, code);
        break;
    case SMTP_PENDING_BANNER:
    case SMTP_PENDING_HELO:
    case SMTP_PENDING_LHLO:
    case SMTP_PENDING_MAIL:
    case SMTP_PENDING_RCPT:
    case SMTP_PENDING_RCPT_UNSURE:
    case SMTP_PENDING_PLAIN:
    case SMTP_PENDING_EMPTY:
    case SMTP_PENDING_QUIT:
    case SMTP_PENDING_END:
    case SMTP_PENDING_STARTTLS:
        break;
    }
}

/* Is the state sure again, now that this was the answer to the last that the client said? Not ever, once distrusted. */
static void perhaps_sure(struct smtp *s, enum smtp_pending kind, uint16_t code)
{
    bool data_last = smtp_is(s, SMTP_DATA_LAST);
    if (s->client != SMTP_UNSURE || smtp_is(s, SMTP_DISTRUST) || s->pending_used > 0)
        return;
    if (kind == SMTP_PENDING_DATA && code == 354) {
        if (!data_last)
            return;
        smtp_begin_body(s);
    } else if (kind == SMTP_PENDING_AUTH && code == 334) {
        smtp_become_sure(s, SMTP_AT_PROMPT);
    } else if ((code >= 300 && code < 400) || s->belief == SMTP_IS_TEXT) {
        return;
    } else {
        smtp_become_sure(s, SMTP_AT_COMMAND);
    }
    smtp_set(s, SMTP_RECOVERED);
}

/* While unsure, a reply to nothing that we know of. */
static enum smtp_turn stray_reply(struct smtp_call *c, uint16_t code)
{
    struct smtp *s = c->s;
    bool again = smtp_is(s, SMTP_MISFIT) && code != 421;
    if (code == 354) {
        s->belief = SMTP_IS_TEXT;
        if (!smtp_is(s, SMTP_DISTRUST) && (!smtp_is(s, SMTP_CLIENT_SPOKE) || smtp_is(s, SMTP_DATA_LAST)))
            smtp_begin_body(s);
    } else if (!smtp_is(s, SMTP_DISTRUST) && s->belief == SMTP_IS_TEXT && code != 421) {
        s->belief = SMTP_IS_COMMAND; /* the end of that text is one of the missing bytes */
    }
    if (!again || !s->facts.recognised || smtp_is(s, SMTP_SAID_DESYNC))
        return SMTP_TURN_AGAIN;
    smtp_set(s, SMTP_SAID_DESYNC);
    return smtp_trouble(c, SMTP_DESYNC, false, (struct bytes){0});
}

static enum smtp_turn unsure_reply(struct smtp_call *c, uint16_t code)
{
    struct smtp *s = c->s;
    uint32_t ordinal;
    if (smtp_is(s, SMTP_JUST_ODD) && s->pending_used == 0 && (code < 300 || code >= 400)) {
        /*
         * The server took the odd end for one, and the client waited for that: they agree.
         * Unless it refuses: that it may do in the middle of a text, too.
         */
        if (positive(code) && !smtp_is(s, SMTP_DISTRUST))
            smtp_become_sure(s, SMTP_AT_COMMAND);
        else
            smtp_set(s, SMTP_DISTRUST);
        s->belief = SMTP_IS_COMMAND;
        smtp_clear(s, SMTP_ODD | SMTP_JUST_ODD | SMTP_SAID_SMUGGLING);
        return saw_message(c, code);
    }
    unsigned skip = smtp_pending_find(s, code);
    if (skip == SMTP_PENDING_MAX)
        return stray_reply(c, code);
    smtp_pending_drop(s, skip);
    enum smtp_pending kind = smtp_pending_pop(s, &ordinal);
    if (kind == SMTP_PENDING_DATA && code == 354)
        s->belief = SMTP_IS_TEXT;
    else if (kind == SMTP_PENDING_DATA && s->belief == SMTP_BEHIND_DATA)
        s->belief = SMTP_IS_COMMAND;
    if (kind == SMTP_PENDING_BDAT || kind == SMTP_PENDING_BDAT_LAST) {
        s->belief = SMTP_IS_COMMAND; /* its octets are behind us, whatever they were */
        if (positive(code) && !smtp_is(s, SMTP_DISTRUST) && smtp_is(s, SMTP_CHUNKING_UNKNOWN)) {
            s->facts.chunking_offered = true;
            smtp_clear(s, SMTP_CHUNKING_UNKNOWN);
        }
    }
    if (kind == SMTP_PENDING_END && !positive(code))
        smtp_set(s, SMTP_DISTRUST); /* as above: it may refuse in the middle of the text */
    perhaps_sure(s, kind, code);
    return take_answer(c, kind, code, ordinal);
}

/*
 * A reply that can't be the answer to what is pending. One too many or too few
 * happens with odd servers (a timeout that is announced, say); the second time it
 * is trouble.
 */
static enum smtp_turn unexpected(struct smtp_call *c, uint16_t code)
{
    struct smtp *s = c->s;
    enum smtp_belief belief = smtp_is(s, SMTP_DATA_LAST) ? SMTP_BEHIND_DATA : SMTP_IS_COMMAND;
    if (smtp_is(s, SMTP_RECOVERED)) { /* replies before the gap: late, not wrong */
        smtp_become_unsure(s, belief == SMTP_IS_COMMAND ? SMTP_MAY_BE_ANYTHING : belief);
        return unsure_reply(c, code);
    }
    smtp_lose_trust(s, belief);
    smtp_set(s, SMTP_MISFIT);
    if (smtp_pending_find(s, code) < SMTP_PENDING_MAX)
        return unsure_reply(c, code);
    if (code == 354)
        s->belief = SMTP_IS_TEXT;
    return SMTP_TURN_AGAIN;
}

static enum smtp_turn sure_reply(struct smtp_call *c, uint16_t code)
{
    struct smtp *s = c->s;
    uint32_t ordinal;
    if (smtp_is(s, SMTP_LONG)) { /* an AUTH that it answers before its end */
        smtp_lose_trust(s, SMTP_IS_COMMAND);
        return unsure_reply(c, code);
    }
    if (s->client == SMTP_IN_BODY) {
        /* "Too big", say. Whether it reads on as text or as commands isn't known. */
        if (code != 421)
            smtp_lose_trust(s, SMTP_IS_TEXT);
        return SMTP_TURN_AGAIN;
    }
    if (s->client == SMTP_AT_PROMPT && (code == 334 || code == 235)) {
        smtp_pending_drop(s, s->pending_used);
        s->facts.auth_succeeded |= code == 235;
        s->client = code == 334 ? SMTP_AT_PROMPT : SMTP_AT_COMMAND;
        return SMTP_TURN_AGAIN;
    }
    if (s->client == SMTP_AT_PROMPT && code == 354 && smtp_pending_last(s) == SMTP_PENDING_AUTH) {
        smtp_pending_drop(s, s->pending_used);
        smtp_lose_trust(s, SMTP_IS_TEXT);
        return SMTP_TURN_AGAIN;
    }
    unsigned skip = smtp_pending_find(s, code);
    if (skip == SMTP_PENDING_MAX && code == 421)
        return SMTP_TURN_AGAIN; /* it is about to close, and says so unasked (RFC 5321 3.8) */
    bool tls = code == 220 && smtp_pending_last(s) == SMTP_PENDING_STARTTLS; /* nothing else gets that */
    if (skip == SMTP_PENDING_MAX || (!tls && !smtp_pending_silent(s, skip)))
        return unexpected(c, code);
    smtp_pending_drop(s, skip);
    if (s->client == SMTP_AT_PROMPT)
        s->client = SMTP_AT_COMMAND;
    enum smtp_pending kind = smtp_pending_pop(s, &ordinal);
    go_on(s, kind, code);
    if (kind == SMTP_PENDING_HELO || kind == SMTP_PENDING_LHLO)
        smtp_clear(s, SMTP_RECOVERED);
    return take_answer(c, kind, code, ordinal);
}

/* One line of the server; `line` may be the beginning of an over-long one. */
static enum smtp_turn take_line(struct smtp_call *c, struct bytes line)
{
    struct smtp *s = c->s;
    struct smtp_reply_line r;
    if (!smtp_is(s, SMTP_SERVER_SPOKE)) {
        smtp_set(s, SMTP_SERVER_SPOKE); /* whatever it was, it isn't HTTP: that was waited for */
        smtp_client_may_go_on(s);
    }
    smtp_reply_read(line, &r);
    if (r.code == 0)
        return SMTP_TURN_AGAIN; /* text without a code: part of the reply around it */
    if (!smtp_is(s, SMTP_REPLY_OPEN))
        s->offered = 0; /* the first line names the server: no keyword */
    else
        s->offered |= smtp_reply_keyword(r.text);
    if (r.more) {
        smtp_set(s, SMTP_REPLY_OPEN);
        return SMTP_TURN_AGAIN;
    }
    smtp_clear(s, SMTP_REPLY_OPEN);
    if (r.code < 200) /* preliminary: another one will follow */
        return SMTP_TURN_AGAIN;
    return s->client == SMTP_UNSURE ? unsure_reply(c, r.code) : sure_reply(c, r.code);
}

static void take(struct smtp_call *c, size_t n)
{
    *c->in = bytes_from(*c->in, n);
    c->s->server_scanned = 0;
}

/* The very first bytes. true: this is no SMTP. */
static bool is_foreign(struct smtp_call *c, bool *wait)
{
    struct smtp *s = c->s;
    enum smtp_foreign f = smtp_reply_foreign(*c->in);
    *wait = f == SMTP_FOREIGN_TOO_SHORT && !c->fin;
    if (f == SMTP_FOREIGN_HTTP && s->client == SMTP_UNSURE) {
        /* an HTTP proxy answered CONNECT, and SMTP follows */
        smtp_pending_forget_all(s);
        smtp_pending_push(s, SMTP_PENDING_BANNER);
        return false;
    }
    return f == SMTP_FOREIGN_YES || f == SMTP_FOREIGN_HTTP;
}

enum smtp_turn smtp_server_turn(struct smtp_call *c)
{
    struct smtp *s = c->s;
    size_t from = s->server_scanned < c->in->len ? s->server_scanned : c->in->len;
    if (c->in->len == 0) {
        if (c->fin)
            smtp_set(s, SMTP_SERVER_DONE);
        return SMTP_TURN_MORE;
    }
    if (smtp_is(s, SMTP_CLIENT_FIRST)) {
        /* What the client sent without waiting, and we held back: these replies are to that. */
        smtp_clear(s, SMTP_CLIENT_FIRST);
        return SMTP_TURN_WAIT;
    }
    if (!smtp_is(s, SMTP_SERVER_SPOKE)) {
        bool wait;
        if (is_foreign(c, &wait)) {
            s->client = SMTP_ELSEWHERE;
            return SMTP_TURN_AGAIN;
        }
        if (wait)
            return SMTP_TURN_MORE;
    }
    const uint8_t *lf = from < c->in->len ? memchr(c->in->at + from, '\n', c->in->len - from) : NULL;
    size_t end = lf != NULL ? (size_t)(lf - c->in->at) + 1 : c->in->len;
    if (smtp_is(s, SMTP_SERVER_LONG)) {
        if (lf != NULL)
            smtp_clear(s, SMTP_SERVER_LONG);
        take(c, end);
        return SMTP_TURN_AGAIN;
    }
    if (end > c->cfg->line_max) {
        struct bytes head = bytes_first(*c->in, c->cfg->line_max);
        take(c, head.len);
        smtp_set(s, SMTP_SERVER_LONG);
        return take_line(c, head);
    }
    if (lf == NULL && !c->fin) {
        if (c->in->len > s->server_scanned)
            s->server_scanned = (uint32_t)c->in->len;
        return SMTP_TURN_MORE;
    }
    struct bytes line = bytes_first(*c->in, end);
    take(c, end);
    return take_line(c, line);
}
