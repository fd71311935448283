/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The client's side while the state is sure: commands, AUTH data, bodies, chunks. */
#include "kmod-free/smtp_internal.h"
#include "kmod-free/smtp_body.h"

enum smtp_pending smtp_pending_of(const struct smtp_command *c)
{
    uint64_t octets;
    bool last;
    switch (c->verb) {
    case SMTP_VERB_NONE:
        return SMTP_PENDING_EMPTY;
    case SMTP_VERB_HELO:
        return SMTP_PENDING_HELO;
    case SMTP_VERB_LHLO:
        return SMTP_PENDING_LHLO;
    case SMTP_VERB_MAIL:
        return SMTP_PENDING_MAIL;
    case SMTP_VERB_RCPT:
        return SMTP_PENDING_RCPT;
    case SMTP_VERB_DATA:
        return SMTP_PENDING_DATA;
    case SMTP_VERB_BDAT:
        if (!c->formed || !smtp_bdat_read(c->argument, &octets, &last))
            return SMTP_PENDING_BDAT_ODD;
        return last ? SMTP_PENDING_BDAT_LAST : SMTP_PENDING_BDAT;
    case SMTP_VERB_PLAIN:
        return SMTP_PENDING_PLAIN;
    case SMTP_VERB_QUIT:
        return SMTP_PENDING_QUIT;
    case SMTP_VERB_STARTTLS:
        return SMTP_PENDING_STARTTLS;
    case SMTP_VERB_AUTH:
        return SMTP_PENDING_AUTH;
    case SMTP_VERB_XEXCH50:
        return SMTP_PENDING_XEXCH50;
    case SMTP_VERB_TURN:
        return SMTP_PENDING_TURN;
    case SMTP_VERB_OTHER:
        break;
    }
    return SMTP_PENDING_OTHER;
}

/* D2: does what the server answers change how the next bytes are read? */
static bool holds_back(const struct smtp *s, enum smtp_pending kind)
{
    switch (kind) {
    case SMTP_PENDING_HELO:
    case SMTP_PENDING_LHLO:
    case SMTP_PENDING_DATA:
    case SMTP_PENDING_BDAT_ODD:
    case SMTP_PENDING_STARTTLS:
    case SMTP_PENDING_AUTH:
    case SMTP_PENDING_XEXCH50:
    case SMTP_PENDING_TURN:
        return true;
    case SMTP_PENDING_OTHER: /* who knows; but perhaps this isn't SMTP, or the middle of a line (held) */
        return (s->facts.greeted || s->facts.recognised) && s->held == 0;
    case SMTP_PENDING_BANNER:
    case SMTP_PENDING_MAIL:
    case SMTP_PENDING_RCPT:
    case SMTP_PENDING_RCPT_UNSURE:
    case SMTP_PENDING_PLAIN:
    case SMTP_PENDING_EMPTY:
    case SMTP_PENDING_QUIT:
    case SMTP_PENDING_END:
    case SMTP_PENDING_BDAT:
    case SMTP_PENDING_BDAT_LAST:
        return false;
    }
    return true;
}

struct command_line {
    struct bytes text;
    struct bytes whole; /* with its end */
    struct smtp_command cmd;
    size_t end; /* in *c->in */
    enum smtp_ending ending;
    bool counts; /* a RCPT with something behind it, or a MAIL: "MAIL FROM:" alone is the null sender somewhere */
};

/*
 * BDAT where it is known what it does; the rest waits for its reply. Where CR ends a line, what follows the first one
 * counts among the octets already: as many of their end are looked at.
 */
static void begin_chunk(struct smtp *s, const struct command_line *l, enum smtp_pending *kind)
{
    uint64_t octets, early = l->ending == SMTP_ENDS_CRCRLF ? l->whole.len - l->text.len - 1 : 0;
    bool last;
    if (l->ending == SMTP_ENDS_LF || l->ending == SMTP_ENDS_CR || s->client == SMTP_AT_PROMPT ||
        !smtp_bdat_read(l->cmd.argument, &octets, &last))
        *kind = SMTP_PENDING_BDAT_ODD;
    if (*kind == SMTP_PENDING_BDAT_ODD)
        return;
    if (s->facts.chunking_offered) {
        s->chunk_left = octets > early ? octets - early : 0;
        s->client = SMTP_IN_CHUNK;
        if (s->pending_used > 0)
            smtp_set(s, SMTP_UNSETTLED);
        else if (s->transaction < SMTP_HAS_RECIPIENT)
            smtp_distrust_octets(s);
    } else if (!smtp_is(s, SMTP_CHUNKING_UNKNOWN)) {
        *kind = SMTP_PENDING_BDAT_ODD;
    }
}

/* Queues the line for its reply. */
static void await_reply(struct smtp *s, const struct command_line *l)
{
    enum smtp_pending kind = smtp_pending_of(&l->cmd);
    bool prompt = s->client == SMTP_AT_PROMPT, lf = l->ending == SMTP_ENDS_LF;
    bool own = kind == SMTP_PENDING_DATA || kind == SMTP_PENDING_STARTTLS || kind == SMTP_PENDING_HELO ||
               kind == SMTP_PENDING_LHLO;
    if (l->cmd.verb == SMTP_VERB_BDAT)
        begin_chunk(s, l, &kind);
    else if (prompt && !(own && l->cmd.formed))
        kind = SMTP_PENDING_AUTH;
    else if (kind == SMTP_PENDING_RCPT && !l->counts)
        kind = SMTP_PENDING_PLAIN;
    if (kind == SMTP_PENDING_XEXCH50 && !smtp_xexch50_read(l->cmd.argument, &s->chunk_left))
        kind = SMTP_PENDING_OTHER;
    bool octets = l->cmd.verb == SMTP_VERB_BDAT || l->cmd.verb == SMTP_VERB_XEXCH50;
    if (octets && s->client != SMTP_IN_CHUNK && !(l->cmd.formed && s->facts.chunking_offered && s->chunk_left == 0))
        smtp_set(s, SMTP_ANYWHERE);
    if (kind == SMTP_PENDING_AUTH)
        s->facts.auth_used = true;
    if (kind != SMTP_PENDING_RCPT) /* else it is there already: see said_rcpt */
        smtp_pending_push(s, kind);
    if (prompt || holds_back(s, kind))
        smtp_set(s, SMTP_BARRIER);
    bool doubt = lf && !smtp_is(s, SMTP_LF_SERVER);
    bool another = l->cmd.verb == SMTP_VERB_NONE || l->ending == SMTP_ENDS_CRCRLF;
    smtp_set(s, doubt ? SMTP_IN_DOUBT | SMTP_DOUBT_LF : another ? SMTP_IN_DOUBT : 0u);
    smtp_clear(s, SMTP_DATA_LAST | SMTP_SAID_INJECTION | SMTP_QUIT_LAST);
    if (kind == SMTP_PENDING_QUIT && l->cmd.formed && l->cmd.argument.len == 0 && l->ending == SMTP_ENDS_CRLF)
        smtp_set(s, SMTP_QUIT_LAST);
    if (kind == SMTP_PENDING_DATA) {
        smtp_clear(s, SMTP_LF_CLIENT);
        smtp_set(s, SMTP_DATA_LAST | (lf ? (uint32_t)SMTP_LF_CLIENT : 0u));
    }
    if (l->cmd.verb == SMTP_VERB_BDAT && kind != SMTP_PENDING_BDAT_ODD && !s->facts.chunking_offered)
        smtp_become_unsure(s, SMTP_IS_TEXT);
}

/* Is it so long that some server cuts it? */
static bool is_cut(const struct command_line *l, bool prompt)
{
    bool auth = prompt || (l->cmd.verb == SMTP_VERB_AUTH && l->cmd.formed);
    return l->whole.len > (l->counts ? SMTP_SHORT_PATH : auth ? SMTP_SHORT_AUTH : SMTP_SHORT_LINE);
}

/* The RCPT itself. */
static enum smtp_turn said_rcpt(struct smtp_call *c, const struct command_line *l)
{
    struct smtp *s = c->s;
    bool prompt = s->client == SMTP_AT_PROMPT;
    s->said |= SMTP_SAID_EARLY;
    smtp_recognise(s, &l->cmd);
    smtp_pending_push(s, prompt ? SMTP_PENDING_RCPT_UNSURE : SMTP_PENDING_RCPT);
    enum smtp_turn t = smtp_saw_rcpt(c, prompt, l->cmd.argument);
    if (!prompt && s->held == 0 && l->ending == SMTP_ENDS_CRLF)
        c->ev->line = l->whole;
    return t;
}

/* What is said of a line before anything is done about it; the RCPT last. SMTP_TURN_MORE: nothing (more). */
static enum smtp_turn said_of(struct smtp_call *c, const struct command_line *l)
{
    struct smtp *s = c->s;
    bool prompt = s->client == SMTP_AT_PROMPT, rcpt = l->counts && l->cmd.verb == SMTP_VERB_RCPT;
    if (l->counts && smtp_line_dirty(l->text) && !(s->said & SMTP_SAID_MALFORMED)) {
        s->said |= SMTP_SAID_MALFORMED;
        return smtp_trouble(c, SMTP_MALFORMED, prompt, l->text);
    }
    enum smtp_turn t = smtp_inside(c, l->text, false, &l->cmd);
    if (t == SMTP_TURN_MORE && rcpt)
        t = smtp_cut(c, l->text, &l->cmd);
    if (t == SMTP_TURN_MORE && rcpt && !(s->said & SMTP_SAID_EARLY))
        t = said_rcpt(c, l);
    if (t == SMTP_TURN_MORE && l->counts && l->ending == SMTP_ENDS_CR && !(s->said & SMTP_SAID_MALFORMED)) {
        s->said |= SMTP_SAID_MALFORMED;
        t = smtp_trouble(c, SMTP_MALFORMED, prompt, l->whole);
    }
    return t;
}

static enum smtp_turn judge_line(struct smtp_call *c, const struct command_line *l)
{
    struct smtp *s = c->s;
    bool prompt = s->client == SMTP_AT_PROMPT;
    enum smtp_turn t = said_of(c, l);
    if (t != SMTP_TURN_MORE)
        return t;
    bool one = !is_cut(l, prompt) && l->ending != SMTP_ENDS_CR;
    smtp_recognise(s, &l->cmd);
    if (l->cmd.verb != SMTP_VERB_NONE && !prompt)
        s->facts.commands++;
    await_reply(s, l);
    t = SMTP_TURN_AGAIN;
    if (l->counts && l->cmd.verb == SMTP_VERB_MAIL) {
        t = smtp_saw_mail(c, prompt, l->cmd.argument);
    } else if (!prompt && (l->cmd.verb == SMTP_VERB_HELO || l->cmd.verb == SMTP_VERB_LHLO)) {
        *c->ev = (struct smtp_event){.kind = SMTP_SAW_HELO, .text = l->cmd.argument};
        t = SMTP_TURN_EVENT;
    }
    if (!one)
        smtp_lose_trust(s, smtp_is(s, SMTP_DATA_LAST)      ? SMTP_BEHIND_DATA
                           : l->cmd.verb == SMTP_VERB_BDAT ? SMTP_MAY_BE_ANYTHING
                                                           : SMTP_IS_COMMAND);
    smtp_held_or_taken(c, l->end, l->ending, &l->cmd);
    return t;
}

static bool blank(struct bytes b)
{
    for (size_t i = 0; i < b.len; i++)
        if (b.at[i] != ' ' && b.at[i] != '\t')
            return false;
    return true;
}

/*
 * The PROXY protocol's line (version 1), by which a load balancer names the client before it speaks: gets no reply, but
 * one from a server that doesn't know it; then all later replies seem to come one command early.
 */
static bool names_client(const struct smtp *s, struct bytes text)
{
    return s->facts.commands == 0 && smtp_pending_last(s) == SMTP_PENDING_BANNER &&
           (bytes_begin_nocase(text, bytes_str("PROXY TCP")) || bytes_begin_nocase(text, bytes_str("PROXY UNKNOWN")));
}

static void read_line(const struct smtp_call *c, size_t end, bool whole, struct command_line *l)
{
    const struct smtp *s = c->s;
    struct bytes line = bytes_first(bytes_from(*c->in, s->held), end - s->held);
    *l = (struct command_line){.text = smtp_line_text(line), .whole = line, .end = end, .ending = SMTP_ENDS_NOT};
    if (whole)
        l->ending = smtp_line_ending(line);
    smtp_command_read(l->text, &l->cmd);
    if (l->cmd.verb == SMTP_VERB_MAIL || l->cmd.verb == SMTP_VERB_RCPT)
        l->counts = s->client == SMTP_AT_PROMPT
                        ? smtp_command_stands_out(&l->cmd)
                        : !blank(l->cmd.argument) || (l->cmd.verb == SMTP_VERB_MAIL && l->cmd.formed);
}

static enum smtp_turn command_line(struct smtp_call *c, size_t end, bool whole)
{
    struct smtp *s = c->s;
    struct command_line l;
    read_line(c, end, whole, &l);
    if (!smtp_is(s, SMTP_SERVER_SPOKE) && !smtp_is(s, SMTP_SERVER_DONE) && s->facts.commands == 0 &&
        smtp_looks_like_http(l.text)) {
        /*
         * A web server's client, or an attack by way of a browser: the server's first
         * line will tell. Only a proxy is silent about the protocol behind it.
         */
        if (!bytes_begin_nocase(l.text, bytes_str("CONNECT "))) {
            smtp_set(s, SMTP_CLIENT_WAITS);
            return SMTP_TURN_WAIT;
        }
        smtp_become_unsure(s, SMTP_IS_COMMAND);
        smtp_set(s, SMTP_DISTRUST);
        return SMTP_TURN_AGAIN;
    }
    if (names_client(s, l.text)) {
        s->facts.commands++;
        smtp_take(c, end);
        smtp_lose_trust(s, SMTP_IS_COMMAND);
        return SMTP_TURN_AGAIN;
    }
    return judge_line(c, &l);
}

/* Behind a barrier, or with the queue full. */
static enum smtp_turn wait_for_server(struct smtp_call *c)
{
    struct smtp *s = c->s;
    if (smtp_is(s, SMTP_BARRIER) && smtp_pending_last(s) == SMTP_PENDING_STARTTLS && !smtp_is(s, SMTP_SAID_INJECTION)) {
        smtp_set(s, SMTP_SAID_INJECTION);
        return smtp_trouble(c, SMTP_INJECTION, false, (struct bytes){0});
    }
    if (s->held > 0)
        return smtp_held_drop(c); /* what was judged may go on: the server's reply depends on it */
    if (!smtp_is(s, SMTP_SERVER_DONE)) {
        smtp_set(s, SMTP_CLIENT_WAITS);
        return SMTP_TURN_WAIT;
    }
    smtp_become_unsure(s, smtp_is(s, SMTP_DATA_LAST) ? SMTP_BEHIND_DATA : SMTP_IS_COMMAND);
    return SMTP_TURN_AGAIN;
}

/* The first n bytes, which end with CR, as a line. */
static enum smtp_turn early_line(struct smtp_call *c, size_t n)
{
    struct command_line l;
    read_line(c, n, false, &l);
    return said_of(c, &l);
}

static enum smtp_turn long_line(struct smtp_call *c)
{
    if (c->s->held > 0)
        return smtp_held_drop(c);
    enum smtp_turn t = smtp_line_early(c, c->cfg->line_max) ? early_line(c, c->cfg->line_max) : SMTP_TURN_MORE;
    return t == SMTP_TURN_MORE ? smtp_long_begin(c) : t;
}

static enum smtp_turn command_turn(struct smtp_call *c)
{
    struct smtp *s = c->s;
    size_t end, left = c->in->len > s->held ? c->in->len - s->held : 0;
    if (left == 0)
        return c->fin && s->held > 0 && c->in->len > 0 ? smtp_held_drop(c) : SMTP_TURN_MORE;
    if (smtp_is(s, SMTP_BARRIER) || !smtp_pending_room(s))
        return wait_for_server(c);
    if (smtp_is(s, SMTP_IN_DOUBT)) {
        smtp_lose_trust(s, SMTP_IS_COMMAND);
        return SMTP_TURN_AGAIN;
    }
    bool whole = smtp_line_end(c, s->held, &end);
    if (whole ? end - s->held > c->cfg->line_max : left > c->cfg->line_max)
        return long_line(c);
    if (!whole && !c->fin)
        return smtp_line_early(c, c->in->len) ? early_line(c, c->in->len) : SMTP_TURN_MORE;
    return command_line(c, whole ? end : c->in->len, whole);
}

static enum smtp_turn body_turn(struct smtp_call *c)
{
    struct smtp *s = c->s;
    if (smtp_is(s, SMTP_IN_DOUBT)) { /* "DATA<LF>" with more behind it: who knows what got the 354 */
        smtp_lose_trust(s, SMTP_IS_TEXT);
        return SMTP_TURN_AGAIN;
    }
    switch (smtp_body_scan(&s->body, c->in)) {
    case SMTP_BODY_GOES_ON:
        return SMTP_TURN_MORE;
    case SMTP_BODY_ENDS:
        smtp_become_sure(s, SMTP_AT_COMMAND);
        smtp_end_of_data(s);
        break;
    case SMTP_BODY_ODD_END:
        smtp_become_unsure(s, SMTP_IS_TEXT);
        smtp_set(s, SMTP_JUST_ODD);
        if (smtp_is(s, SMTP_LF_CLIENT))
            smtp_end_of_data(s); /* that is how it means it */
        else
            smtp_set(s, SMTP_ODD);
        break;
    }
    return SMTP_TURN_AGAIN;
}

/* Behind what may be a RCPT in an unsettled chunk. The replies that are due don't need these octets. */
static enum smtp_turn await_settling(struct smtp_call *c)
{
    if (!smtp_is(c->s, SMTP_SERVER_DONE)) {
        smtp_set(c->s, SMTP_CLIENT_WAITS);
        return SMTP_TURN_WAIT;
    }
    smtp_distrust_octets(c->s);
    return SMTP_TURN_AGAIN;
}

/* How many of the first n bytes come before what may be a RCPT. */
static size_t before_rcpt(struct bytes b, size_t n)
{
    size_t at;
    if (smtp_rcpt_find(bytes_first(b, n), 0, &at))
        return at;
    for (at = n > 3 ? n - 3 : 0; at < n; at++)
        if (bytes_begin_nocase(bytes_str("RCPT"), bytes_first(bytes_from(b, at), n - at)))
            return at; /* the word may go on in what comes next */
    return n;
}

static enum smtp_turn chunk_turn(struct smtp_call *c)
{
    struct smtp *s = c->s;
    size_t n = s->chunk_left < c->in->len ? (size_t)s->chunk_left : c->in->len, rest = n;
    if (smtp_is(s, SMTP_UNSETTLED))
        n = before_rcpt(*c->in, n);
    rest -= n;
    s->chunk_left -= n;
    smtp_take(c, n);
    if (rest > 3 || (rest > 0 && rest == s->chunk_left))
        return await_settling(c);
    if (s->chunk_left > 0)
        return SMTP_TURN_MORE;
    s->client = SMTP_AT_COMMAND;
    return SMTP_TURN_AGAIN;
}

/*
 * The server is ready for TLS; whether the client is, its first byte says: a handshake record (RFC 8446 5.1), or the
 * hello of SSLv2 (RFC 5246 E.2). Who goes on in plain text after all is understood by a server that goes on so, too:
 * one that said 220 to a verb that it doesn't know, or thinks nothing of its own TLS.
 */
static enum smtp_turn tls_turn(struct smtp_call *c)
{
    struct smtp *s = c->s;
    if (c->in->len == 0)
        return SMTP_TURN_MORE;
    if (c->in->at[0] == 0x16 || c->in->at[0] == 0x80)
        s->client = SMTP_ELSEWHERE;
    else
        s->client = smtp_is(s, SMTP_TLS_UNSURE) ? SMTP_UNSURE : SMTP_AT_COMMAND;
    return SMTP_TURN_AGAIN;
}

enum smtp_turn smtp_client_turn(struct smtp_call *c)
{
    struct smtp *s = c->s;
    smtp_clear(s, SMTP_CLIENT_FIRST | SMTP_CLIENT_WAITS);
    if (smtp_is(s, SMTP_LONG))
        return smtp_long_turn(c);
    if (smtp_held_line_due(c))
        return smtp_held_line(c);
    if (s->held > 0 && smtp_is(s, SMTP_HELD_WHOLE))
        return smtp_held_whole(c);
    bool may_hold = (s->client == SMTP_AT_COMMAND || s->client == SMTP_UNSURE) &&
                    (!smtp_is(s, SMTP_LF_SERVER) || smtp_is(s, SMTP_HELD_CR));
    if (s->held > 0 && !may_hold)
        return smtp_held_drop(c);
    switch ((enum smtp_client_state)s->client) {
    case SMTP_AT_COMMAND:
    case SMTP_AT_PROMPT:
        return command_turn(c);
    case SMTP_IN_BODY:
        return body_turn(c);
    case SMTP_IN_CHUNK:
        return chunk_turn(c);
    case SMTP_UNSURE:
        return smtp_unsure_turn(c);
    case SMTP_AT_TLS:
        return tls_turn(c);
    case SMTP_ELSEWHERE:
        break;
    }
    return SMTP_TURN_MORE;
}
