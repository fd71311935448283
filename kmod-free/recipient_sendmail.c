/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The reading of Sendmail with its stock rule sets: the innermost <> counts, routes
 * are cut off, blanks between atoms become dots, % and ! in front of a local domain
 * are followed, and a local part that is one quoted string is opened.
 */
#include "kmod-free/recipient_internal.h"

enum last {
    LAST_NONE,
    LAST_ATOM,
    LAST_OTHER,
};

struct lexer {
    struct bytes in; /* may be r->work itself: what is written never overtakes what is read */
    size_t at;
    uint8_t *out;
    size_t used;
    size_t angle, comment;
    bool quoted, blank, failed, done;
    bool word_only; /* stop at a blank outside of <> */
    enum last last;
};

/* Controls, and the byte that can't be told from its end mark, are DEL to it. */
static uint8_t shown_as(uint8_t c)
{
    return c == 0xff ? 0x7f : control_as_del(c);
}

static void put(struct lexer *x, uint8_t c)
{
    if (x->used < READING_MAX)
        x->out[x->used++] = c;
}

static void put_operator(struct lexer *x, uint8_t c)
{
    put(x, c);
    x->last = LAST_OTHER;
    x->blank = false;
}

static void put_atom(struct lexer *x, uint8_t c)
{
    if (x->blank && x->last == LAST_ATOM)
        put(x, CODE_DOT);
    x->blank = false;
    x->last = LAST_ATOM;
    put(x, c);
}

static void in_comment(struct lexer *x, uint8_t c)
{
    if (c == '\\')
        x->at++;
    else if (c == '(')
        x->comment++;
    else if (c == ')')
        x->blank = --x->comment == 0 || x->blank; /* what stands on its two sides are two atoms */
}

static void in_quotes(struct lexer *x, uint8_t c)
{
    if (c == '"') {
        x->quoted = false;
        put_operator(x, CODE_CLOSE);
        return;
    }
    put(x, is_blank(c) ? ' ' : shown_as(c));
    if (c == '\\' && x->at < x->in.len)
        put(x, shown_as(x->in.at[x->at++]));
}

static void backslash(struct lexer *x)
{
    if (x->at == x->in.len)
        return;
    uint8_t c = x->in.at[x->at++];
    if (c == '!') {
        put_operator(x, CODE_BANG);
        return;
    }
    put_atom(x, '\\');
    put(x, shown_as(c));
}

static void angle(struct lexer *x, uint8_t c)
{
    if (c == '<') {
        x->angle++;
        put_operator(x, CODE_LT);
    } else if (x->angle == 0) {
        x->failed = true;
    } else {
        x->angle--;
        put_operator(x, CODE_GT);
    }
}

static uint8_t operator_code(uint8_t c)
{
    switch (c) {
    case '@':
        return CODE_AT;
    case '%':
        return CODE_PERCENT;
    case '!':
        return CODE_BANG;
    case ':':
        return CODE_COLON;
    case ',':
        return CODE_COMMA;
    case ';':
        return CODE_SEMICOLON;
    case '.':
    case '^':
    case '/':
    case '[':
    case ']':
    case '+':
        return c;
    default:
        return 0;
    }
}

static void outside(struct lexer *x, uint8_t c)
{
    if (is_blank(c)) {
        x->done = x->word_only && x->angle == 0;
        x->blank = true;
    } else if (c == '\\') {
        backslash(x);
    } else if (c == '"') {
        x->quoted = true;
        put_operator(x, CODE_OPEN);
    } else if (c == '(') {
        x->comment++;
    } else if (c == ')') {
        x->failed = true;
    } else if (c == '<' || c == '>') {
        angle(x, c);
    } else if (operator_code(c) != 0) {
        put_operator(x, operator_code(c));
    } else {
        put_atom(x, shown_as(c));
    }
}

/* false: unbalanced, refused. */
static bool tokenise(struct reading *r, struct bytes in, bool word_only, struct bytes *out)
{
    struct lexer x = {.in = in, .out = r->work, .word_only = word_only};
    r->steps += in.len;
    while (x.at < in.len && !x.failed && !x.done) {
        uint8_t c = in.at[x.at++];
        if (x.comment > 0)
            in_comment(&x, c);
        else if (x.quoted)
            in_quotes(&x, c);
        else
            outside(&x, c);
        if (x.comment > 0)
            r->via |= VIA_COMMENT;
    }
    *out = bytes_of(r->work, x.used);
    if (!reading_parameters(r, bytes_from(in, x.at)))
        return false;
    return !x.failed && x.angle == 0 && x.comment == 0 && !x.quoted;
}

static void strip_last(struct bytes *t, uint8_t c)
{
    while (t->len > 0 && t->at[t->len - 1] == c)
        t->len--;
}

/* Cuts to the innermost <>, and takes ";" off the end. false: a list. */
static bool innermost(struct reading *r, struct bytes *t)
{
    strip_last(t, CODE_SEMICOLON);
    size_t open = reading_last(r, *t, CODE_LT);
    if (open == t->len)
        return true;
    if (reading_first(r, bytes_first(*t, open), CODE_GT) < open)
        r->via |= VIA_LIST; /* a <> that was closed before it */
    *t = bytes_from(*t, open + 1);
    size_t close = reading_first(r, *t, CODE_GT);
    bool at_end = close + 1 == t->len;
    *t = bytes_first(*t, close);
    if (t->len >= 2 && t->at[t->len - 1] == CODE_SEMICOLON && t->at[t->len - 2] == CODE_COLON)
        return false;
    if (at_end)
        strip_last(t, CODE_SEMICOLON);
    return true;
}

/* "group: a@b;" inside of several <> is delivered here, whatever it says. */
static bool is_list(struct reading *r, struct bytes t)
{
    size_t colon = reading_first(r, t, CODE_COLON);
    return t.len > 0 && t.at[t.len - 1] == CODE_SEMICOLON && colon > 0 && colon < t.len;
}

/* A control that is still there when the routes are cut off is refused, unless it is quoted or escaped. */
static bool has_control(struct reading *r, struct bytes t)
{
    bool quoted = false;
    r->steps += t.len;
    for (size_t i = 0; i < t.len; i++) {
        if (t.at[i] == CODE_OPEN || t.at[i] == CODE_CLOSE)
            quoted = t.at[i] == CODE_OPEN;
        else if (t.at[i] == '\\')
            i++;
        else if (t.at[i] == 0x7f && !quoted)
            return true;
    }
    return false;
}

/* Bytes of the C1 range are refused, unless all of it is UTF-8 (and then announced by SMTPUTF8). */
static bool bad_bytes(struct reading *r, struct bytes b)
{
    r->steps += b.len;
    for (size_t i = 0; i < b.len; i++)
        if (b.at[i] >= 0x80 && b.at[i] < 0xa0)
            return !reading_utf8(r, b);
    return false;
}

/* What is left to read; flags say which operators may still be in it. */
struct hops {
    struct bytes rest, domain;
    bool at, bang, percent, colon, comma, literal;
};

static bool cut_to(struct reading *r, struct hops *h, uint8_t code, bool *has)
{
    if (!*has)
        return false;
    size_t i = reading_first(r, h->rest, code);
    *has = i < h->rest.len;
    if (!*has)
        return false;
    h->rest = bytes_from(h->rest, i + 1);
    return true;
}

/* "word:" goes, but not for what looks like an IPv6 literal or a DECnet node. */
static void strip_word(struct reading *r, struct hops *h)
{
    size_t colon = reading_first(r, h->rest, CODE_COLON), literal = reading_last(r, h->rest, '[');
    h->colon = colon < h->rest.len;
    if (!h->colon || h->rest.at[0] == CODE_AT)
        return;
    bool node = colon + 1 < h->rest.len && h->rest.at[colon + 1] == CODE_COLON;
    bool six = literal + 5 == colon && bytes_equal_nocase(bytes_of(h->rest.at + literal + 1, 4), bytes_str("IPv6"));
    if ((!node && !six) || (literal < h->rest.len && colon < literal))
        h->rest = bytes_from(h->rest, colon + 1);
}

/* "@[...]:", whatever the literal holds. */
static bool strip_literal(struct reading *r, struct hops *h)
{
    if (!h->literal || h->rest.at[1] != '[')
        return false;
    for (size_t i = 2; i + 1 < h->rest.len; i++) {
        r->steps++;
        if (h->rest.at[i] == ']' && h->rest.at[i + 1] == CODE_COLON) {
            h->rest = bytes_from(h->rest, i + 2);
            return true;
        }
    }
    h->literal = false;
    return false;
}

static void strip_prefixes(struct reading *r, struct hops *h, bool bracketed)
{
    if (!bracketed && h->colon)
        strip_word(r, h);
    while (h->rest.len > 1 && h->rest.at[0] == CODE_AT) {
        if (!strip_literal(r, h) && !cut_to(r, h, CODE_COMMA, &h->comma) && !cut_to(r, h, CODE_COLON, &h->colon))
            return;
        r->via |= VIA_SOURCE_ROUTE;
    }
}

static bool has_hop(struct reading *r, struct bytes t)
{
    return reading_first(r, t, CODE_PERCENT) < t.len || reading_first(r, t, CODE_BANG) < t.len;
}

/* The domain that the rule sets focus on: the last @, else the first !, else the last %. */
static bool focus(struct reading *r, struct hops *h)
{
    size_t i;
    if (h->at && reading_last(r, h->rest, CODE_AT) == 0 && has_hop(r, h->rest))
        h->rest = bytes_from(h->rest, 1); /* "@a!b": nobody at a!b, so the @ goes */
    if (h->at && (i = reading_last(r, h->rest, CODE_AT)) < h->rest.len) {
        if (i + 1 == h->rest.len && i > 0) { /* "a@b@": the empty last domain is part of the one before */
            size_t j = reading_last(r, bytes_first(h->rest, i), CODE_AT);
            if (j < i)
                i = j;
        }
        h->domain = bytes_from(h->rest, i + 1);
        h->rest = bytes_first(h->rest, i);
        return true;
    }
    h->at = false;
    /* there must be something on both sides of it */
    if (h->bang && h->rest.len > 1 && (i = 1 + reading_first(r, bytes_from(h->rest, 1), CODE_BANG)) + 1 < h->rest.len) {
        h->domain = bytes_first(h->rest, i);
        h->rest = bytes_from(h->rest, i + 1);
        r->via |= VIA_BANG;
        return true;
    }
    h->bang = false;
    if (h->percent && (i = reading_last(r, h->rest, CODE_PERCENT)) < h->rest.len) {
        h->domain = bytes_from(h->rest, i + 1);
        h->rest = bytes_first(h->rest, i);
        r->via |= VIA_PERCENT;
        return true;
    }
    h->percent = false;
    return false;
}

/* A domain that the rule sets refuse, whoever it belongs to. */
static bool bad_domain(struct reading *r, struct bytes d)
{
    bool literal = d.len > 0 && d.at[0] == '[', quoted = false;
    r->steps += d.len;
    if (d.len == 0 || d.at[0] == '.')
        return true;
    for (size_t i = 0; i < d.len; i++) {
        uint8_t c = d.at[i];
        if (c == CODE_OPEN || c == CODE_CLOSE)
            quoted = c == CODE_OPEN;
        if (quoted)
            continue;
        if (c == CODE_COMMA || (c == CODE_COLON && !literal) || (c == '.' && i + 1 < d.len && d.at[i + 1] == '.'))
            return true;
        if (literal && c == ']' && i + 1 < d.len && d.at[i + 1] != CODE_COLON)
            return true;
    }
    return false;
}

/* A comma is refused unless % or ! stands behind it. */
static bool bad_comma(struct reading *r, struct bytes t)
{
    r->steps += t.len;
    for (size_t i = 0; i < t.len; i++)
        if (t.at[i] == CODE_COMMA && (i + 1 == t.len || (t.at[i + 1] != CODE_PERCENT && t.at[i + 1] != CODE_BANG)))
            return true;
    return false;
}

static bool has_operator(struct reading *r, struct bytes t)
{
    return reading_first(r, t, CODE_AT) < t.len || has_hop(r, t);
}

/*
 * Is t one quoted string, which the rule sets open? Not when what is in it isn't
 * balanced or holds a blank. Backslashes stay, so it can't hold another quoted string.
 */
static bool open_quotes(struct reading *r, struct bytes *t)
{
    size_t angles = 0, comments = 0;
    if (t->len < 2 || t->at[0] != CODE_OPEN || reading_first(r, *t, CODE_CLOSE) + 1 != t->len)
        return false;
    struct bytes in = bytes_of(t->at + 1, t->len - 2);
    r->steps += in.len;
    for (size_t i = 0; i < in.len; i++) {
        uint8_t c = in.at[i];
        if (c == '\\')
            i++;
        else if (is_blank(c) || (c == '>' && comments == 0 && angles == 0) || (c == ')' && comments == 0))
            return false;
        else if (c == '(')
            comments++;
        else if (c == ')')
            comments--;
        else if (comments == 0 && c == '<')
            angles++;
        else if (comments == 0 && c == '>')
            angles--;
    }
    if (angles > 0 || comments > 0)
        return false;
    *t = in;
    return true;
}

/* "a b!u": the host of UUCP with that one name, whatever "a.b" may be. */
static bool one_word(struct reading *r, struct bytes d)
{
    return reading_first(r, d, CODE_DOT) < d.len && reading_first(r, d, '.') == d.len;
}

/*
 * From the innermost address to its end: either judged, or (true) *t is what stands in
 * quotes in front of a local domain, to be read anew.
 */
static bool follow(struct reading *r, struct bytes *t, bool bracketed)
{
    struct hops h = {.rest = *t, .at = true, .bang = true, .percent = true, .colon = true, .comma = true, .literal = true};
    for (bool first = true;; first = false) {
        struct bytes before = h.domain;
        if (!first)
            strip_last(&h.rest, CODE_SEMICOLON);
        strip_prefixes(r, &h, first && bracketed);
        if (first && (bad_comma(r, h.rest) || has_control(r, h.rest)))
            return false;
        if (!focus(r, &h)) {
            *t = h.rest;
            if (open_quotes(r, t))
                return true;
            reading_local(r, before, h.rest);
            return false;
        }
        if (h.domain.len == 0 && h.rest.len == 0) { /* a lone operator is the postmaster's */
            reading_local(r, h.domain, h.rest);
            return false;
        }
        while (h.domain.len > 1 && h.domain.at[h.domain.len - 1] == '.' && h.domain.at[h.domain.len - 2] == '.')
            h.domain.len--;
        if (bad_domain(r, h.domain))
            return false;
        if (h.at && reading_last(r, h.rest, CODE_AT) < h.rest.len)
            return false; /* a@b@c */
        h.at = false;
        if (h.rest.len == 0 || h.rest.at[h.rest.len - 1] == CODE_COMMA)
            return false;
        bool node = h.domain.at + h.domain.len < h.rest.at; /* [1.2.3.4]!user is refused */
        if (!reading_is_local(r, h.domain) || (node && one_word(r, h.domain))) {
            if (!node || h.domain.at[0] != '[' || h.domain.at[h.domain.len - 1] != ']')
                reading_external(r, h.domain);
            return false;
        }
        *t = h.rest;
        if (open_quotes(r, t))
            return true;
    }
}

void read_sendmail(struct reading *r, struct bytes arg)
{
    struct bytes t;
    if (bad_bytes(r, arg) || !tokenise(r, arg, true, &t) || t.len == 0)
        return;
    for (bool opened = false;; opened = true) {
        bool bracketed = reading_first(r, t, CODE_LT) < t.len;
        if (!innermost(r, &t))
            return;
        if (is_list(r, t)) {
            if (!has_control(r, t))
                reading_local(r, (struct bytes){0}, t);
            return;
        }
        if (!follow(r, &t, bracketed) || opened || !tokenise(r, t, false, &t))
            return;
        if (!has_operator(r, t)) {
            reading_local(r, (struct bytes){0}, t);
            return;
        }
        r->via |= VIA_QUOTED;
    }
}
