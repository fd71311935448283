/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The reading of Postfix: RFC 822 syntax in the envelope, quoting protects nothing,
 * and every @ % ! in front of a local domain is followed on.
 */
#include "kmod-free/recipient_internal.h"

/*
 * The command's word at the start of in: up to a blank that stands outside of <> (which
 * nest) and quotes. false: a bracket or quote isn't closed.
 */
static bool first_word(struct bytes in, struct bytes *out)
{
    size_t depth = 0;
    bool quoted = false;
    size_t i = 0;
    for (; i < in.len; i++) {
        uint8_t c = in.at[i];
        if (c == '\\')
            i++;
        else if (c == '"')
            quoted = !quoted;
        else if (quoted)
            continue;
        else if (c == '<')
            depth++;
        else if (c == '>' && depth > 0)
            depth--;
        else if (depth == 0 && is_blank(c))
            break;
    }
    *out = bytes_first(in, i);
    return depth == 0 && !quoted;
}

struct lexer {
    struct reading *r;
    struct bytes in;
    size_t at;
    size_t used; /* of r->work */
    bool word;   /* the last token was one */
};

static void put(struct lexer *x, uint8_t c)
{
    if (x->used < READING_MAX)
        x->r->work[x->used++] = c;
}

static bool more(const struct lexer *x)
{
    return x->at < x->in.len;
}

static bool is_gap(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* A routing operator counts even where it is quoted; say that it was. */
static void put_quoted(struct lexer *x, uint8_t c)
{
    if (c == '@' || c == '%' || c == '!')
        x->r->via |= VIA_QUOTED;
    put(x, is_gap(c) ? ' ' : printable(c));
}

static void skip_comment(struct lexer *x)
{
    size_t level = 1;
    x->r->via |= VIA_COMMENT;
    for (; more(x) && level > 0; x->at++) {
        uint8_t c = x->in.at[x->at];
        if (c == '\\')
            x->at++;
        else if (c == '(')
            level++;
        else if (c == ')')
            level--;
    }
}

static void start_word(struct lexer *x)
{
    if (x->word)
        put(x, CODE_SPLIT);
    x->word = true;
}

/* Up to the closing character, without backslashes. */
static void enclosed(struct lexer *x, uint8_t close)
{
    for (; more(x) && x->in.at[x->at] != close; x->at++) {
        if (x->in.at[x->at] == '\\' && ++x->at == x->in.len)
            return;
        put_quoted(x, x->in.at[x->at]);
    }
    x->at++;
}

static bool is_operator(uint8_t c)
{
    return c != 0 && strchr("|%!()<>@,;:\".[]", c) != NULL;
}

static void atom(struct lexer *x)
{
    for (; more(x); x->at++) {
        uint8_t c = x->in.at[x->at];
        if (c == '\\') {
            if (++x->at == x->in.len)
                return;
            put_quoted(x, x->in.at[x->at]);
        } else if (is_gap(c) || is_operator(c)) {
            return;
        } else {
            put(x, printable(c));
        }
    }
}

static uint8_t structure(uint8_t c)
{
    switch (c) {
    case '<':
        return CODE_LT;
    case '>':
        return CODE_GT;
    case ',':
        return CODE_COMMA;
    case ';':
        return CODE_SEMICOLON;
    case ':':
        return CODE_COLON;
    default:
        return c;
    }
}

/* Comments and blanks go, quotes and backslashes too; what groups addresses is coded. */
static struct bytes tokenise(struct reading *r, struct bytes in)
{
    struct lexer x = {.r = r, .in = in};
    r->steps += in.len;
    while (more(&x)) {
        uint8_t c = in.at[x.at];
        if (is_gap(c)) {
            x.at++;
        } else if (c == '(') {
            x.at++;
            skip_comment(&x);
        } else if (c == '"') {
            x.at++;
            start_word(&x);
            size_t before = x.used;
            enclosed(&x, '"');
            if (x.used == before)
                put(&x, CODE_EMPTY);
        } else if (c == '[') {
            x.at++;
            start_word(&x);
            put(&x, '[');
            enclosed(&x, ']');
            put(&x, ']');
        } else if (is_operator(c)) {
            x.at++;
            x.word = false;
            put(&x, structure(c));
        } else {
            start_word(&x);
            atom(&x);
        }
    }
    return bytes_of(r->work, x.used);
}

struct group {
    struct bytes address;
    size_t count;
};

static void close_group(struct group *g, struct bytes text, size_t from, size_t to)
{
    if (from < to) {
        g->address = bytes_of(text.at + from, to - from);
        g->count++;
    }
}

/* Finds the addresses in a coded text, from its end to its start. */
static struct group addresses(struct reading *r, struct bytes t)
{
    struct group g = {0};
    bool in_group = false;
    size_t end = t.len, i = t.len;
    r->steps += t.len;
    while (i > 0) {
        uint8_t c = t.at[i - 1];
        if (c == CODE_GT) {
            close_group(&g, t, i, end);
            end = i - 1;
            for (i--; i > 0 && t.at[i - 1] != CODE_LT; i--)
                ;
            close_group(&g, t, i, end);
            if (i > 0)
                i--;
            while (i > 0 && t.at[i - 1] != CODE_GT && t.at[i - 1] != CODE_SEMICOLON && t.at[i - 1] != CODE_COMMA &&
                   t.at[i - 1] != CODE_COLON)
                i--; /* a phrase */
            end = i > 0 ? i - 1 : 0;
            continue;
        }
        if (c == CODE_COLON && in_group) {
            close_group(&g, t, i, end);
            while (i > 0 && t.at[i - 1] != CODE_COMMA)
                i--; /* the group's name */
            end = i > 0 ? i - 1 : 0;
            continue;
        }
        if (c == CODE_COMMA || c == CODE_SEMICOLON || c == CODE_SPLIT) {
            close_group(&g, t, i, end);
            end = i - 1;
            in_group = in_group || c == CODE_SEMICOLON;
        }
        i--;
    }
    close_group(&g, t, 0, end);
    return g;
}

/* Codes back to characters, in place: t lies in r->work. */
static struct bytes flatten(struct reading *r, struct bytes t)
{
    size_t n = 0;
    r->steps += t.len;
    for (size_t i = 0; i < t.len; i++) {
        uint8_t c = t.at[i] < ' ' ? code_char(t.at[i]) : t.at[i];
        if (c != 0)
            r->work[n++] = c;
    }
    return bytes_of(r->work, n);
}

struct hops {
    struct bytes rest;
    struct bytes domain;           /* the last one that was taken off */
    bool at, bang, percent, colon; /* may still be in rest */
    bool torn;                     /* a literal was cut in the middle: then anything goes as a domain */
};

static bool strip_route(struct reading *r, struct hops *h)
{
    if (!h->colon || h->rest.len == 0 || h->rest.at[0] != '@')
        return false;
    size_t colon = reading_first(r, h->rest, ':');
    if (colon + 1 >= h->rest.len) {
        h->colon = false;
        return false;
    }
    r->via |= VIA_SOURCE_ROUTE;
    h->torn = h->torn || reading_first(r, bytes_first(h->rest, colon), '[') < colon;
    h->rest = bytes_from(h->rest, colon + 1);
    return true;
}

/* Takes the next domain off: the last @, else the first !, else the last %. */
static bool next_domain(struct reading *r, struct hops *h, uint32_t *via)
{
    size_t i;
    if (h->at && (i = reading_last(r, h->rest, '@')) < h->rest.len) {
        h->domain = bytes_from(h->rest, i + 1);
        h->rest = bytes_first(h->rest, i);
        *via = VIA_MULTI_AT;
        return true;
    }
    h->at = false;
    if (h->bang && (i = reading_first(r, h->rest, '!')) < h->rest.len) {
        h->domain = bytes_first(h->rest, i);
        h->rest = bytes_from(h->rest, i + 1);
        *via = VIA_BANG;
        return true;
    }
    h->bang = false;
    if (h->percent && (i = reading_last(r, h->rest, '%')) < h->rest.len) {
        h->domain = bytes_from(h->rest, i + 1);
        h->rest = bytes_first(h->rest, i);
        *via = VIA_PERCENT;
        return true;
    }
    h->percent = false;
    return false;
}

static bool is_joint(struct bytes d, size_t i)
{
    return i == 0 || i + 1 >= d.len || d.at[i - 1] == '.' || d.at[i + 1] == '.';
}

/*
 * The domain is read once more, so backslashes and a quote that came out of quotes go
 * now, blanks too where they don't stand between two words, and a literal gets closed.
 */
static struct bytes read_again(struct bytes d, uint8_t out[static DOMAIN_NAME_MAX + 1])
{
    size_t n = 0;
    if (d.len > DOMAIN_NAME_MAX)
        return d;
    if (d.len > 2 && d.at[0] == '[' && d.at[d.len - 2] == ']' && d.at[d.len - 1] == '.')
        d.len--;
    if (d.len > 0 && d.at[0] == '"') { /* in the middle it makes two words, and those are refused */
        d = bytes_from(d, 1);
        if (d.len > 0 && d.at[d.len - 1] == '"')
            d.len--;
    }
    for (size_t i = 0; i < d.len; i++)
        if (d.at[i] != '\\' && (d.at[i] != ' ' || !is_joint(d, i)))
            out[n++] = d.at[i];
    if (n > 0 && out[0] == '[' && out[n - 1] != ']')
        out[n++] = ']';
    return bytes_of(out, n);
}

/* An address without brackets is refused, and a literal with letters in it but without the IPv6 tag. */
static bool bad_number(struct bytes d)
{
    bool letters = false;
    for (size_t i = 0; i < d.len; i++)
        letters = letters || (d.at[i] != '.' && d.at[i] != '[' && d.at[i] != ']' && (d.at[i] < '0' || d.at[i] > '9'));
    return d.at[0] == '[' ? letters && !bytes_begin_nocase(d, bytes_str("[IPv6:")) : !letters;
}

static void follow(struct reading *r, struct bytes address)
{
    struct hops h = {.rest = address, .at = true, .bang = true, .percent = true, .colon = true};
    uint8_t room[DOMAIN_NAME_MAX + 1];
    bool quoted = r->via & VIA_QUOTED, skipped = false;
    r->via &= ~(uint32_t)VIA_QUOTED;
    for (bool first = true;; first = false) {
        struct bytes before = h.domain;
        uint32_t via = 0;
        if (strip_route(r, &h))
            continue;
        if (!next_domain(r, &h, &via)) {
            if (!skipped)
                reading_local(r, before, h.rest);
            return;
        }
        uint32_t via_bang = via & VIA_BANG;
        if (via == VIA_MULTI_AT && (first || quoted))
            via = first ? 0 : VIA_QUOTED;
        else if (quoted)
            via |= VIA_QUOTED;
        r->via |= via;
        h.domain = read_again(h.domain, room);
        if (h.domain.len == 0 || reading_is_local(r, h.domain))
            continue;
        bool plausible = reading_plausible(h.domain) && !bad_number(h.domain);
        if (h.torn || plausible)
            reading_external(r, h.domain);
        if (h.torn || plausible || via_bang == 0)
            return;
        skipped = true; /* "a..b!u%d" goes to d */
    }
}

void read_postfix(struct reading *r, struct bytes arg)
{
    struct bytes word;
    r->steps += arg.len;
    if (!first_word(arg, &word) || !reading_parameters(r, bytes_from(arg, word.len)))
        return;
    if (word.len >= 2 && word.at[0] == '<' && word.at[word.len - 1] == '>')
        word = bytes_of(word.at + 1, word.len - 2);
    if (word.len > 0 && word.at[0] == '@') {
        size_t colon = reading_first(r, word, ':');
        if (colon < word.len) {
            r->via |= VIA_SOURCE_ROUTE;
            word = bytes_from(word, colon + 1);
        }
    }
    if (!reading_utf8(r, word))
        return;
    struct group g = addresses(r, tokenise(r, word));
    if (g.count == 1)
        follow(r, flatten(r, g.address));
}
