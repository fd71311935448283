/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The reading of Courier: <> are a must, the last @ (or %) names the domain, and the
 * last % or @ in front of a local domain is followed once.
 */
#include "kmod-free/recipient_internal.h"

/* What stands between < and the first > outside of quotes. */
static bool in_brackets(struct bytes in, struct bytes *out)
{
    bool quoted = false;
    while (in.len > 0 && is_blank(in.at[0]))
        in = bytes_from(in, 1);
    if (in.len == 0 || in.at[0] != '<')
        return false;
    in = bytes_from(in, 1);
    for (size_t i = 0; i < in.len; i++) {
        uint8_t c = in.at[i];
        if (c == '>' && !quoted) {
            *out = bytes_first(in, i);
            return true;
        }
        if (c == '"')
            quoted = !quoted;
        else if (c == '\\')
            i++;
    }
    return false;
}

struct lexer {
    struct reading *r;
    struct bytes in;
    size_t at, used;
    bool bracket, blank;
};

static void put(struct lexer *x, uint8_t c)
{
    if (x->used < READING_MAX)
        x->r->work[x->used++] = c;
}

/* Nothing of it survives in a domain: a comment there is an error, so it leaves a mark. */
static void comment(struct lexer *x)
{
    size_t level = 0;
    for (; x->at < x->in.len; x->at++) {
        uint8_t c = x->in.at[x->at];
        if (c == '(') {
            level++;
        } else if (c == ')' && --level == 0) {
            x->at++;
            break;
        } else if (c == '\\') {
            x->at++;
        }
    }
    x->r->via |= VIA_COMMENT;
    put(x, CODE_SPLIT);
}

static void quoted_string(struct lexer *x)
{
    put(x, CODE_OPEN);
    for (x->at++; x->at < x->in.len && x->in.at[x->at] != '"'; x->at++) {
        put(x, control_as_del(x->in.at[x->at]));
        if (x->in.at[x->at] == '\\' && x->at + 1 < x->in.len)
            put(x, control_as_del(x->in.at[++x->at]));
    }
    x->at++;
    put(x, CODE_CLOSE);
}

static void other(struct lexer *x, uint8_t c)
{
    static const uint8_t code[] = {['@'] = CODE_AT, ['%'] = CODE_PERCENT, ['!'] = CODE_BANG, [':'] = CODE_COLON};
    x->at++;
    if (is_blank(c)) {
        x->blank = x->used > 0 && x->r->work[x->used - 1] >= ' ';
        return;
    }
    if (c == '\\' || c == ')' || (c == '<' && x->bracket) || (c == '>' && !x->bracket))
        return;
    if (c == '<' || c == '>')
        x->bracket = c == '<';
    uint8_t out = c < sizeof code && code[c] != 0 ? code[c] : control_as_del(c);
    if (x->blank && out >= ' ' && out != '.' && x->r->work[x->used - 1] != '.')
        put(x, CODE_SPLIT);
    x->blank = false;
    put(x, out);
}

static struct bytes tokenise(struct reading *r, struct bytes in)
{
    struct lexer x = {.r = r, .in = in};
    r->steps += in.len;
    while (x.at < in.len) {
        uint8_t c = in.at[x.at];
        if (c == '(')
            comment(&x);
        else if (c == '"')
            quoted_string(&x);
        else
            other(&x, c);
    }
    return bytes_of(r->work, x.used);
}

/* Atoms with single dots between them, at least one dot. */
static bool is_domain(struct reading *r, struct bytes d)
{
    bool dot = true, any = false;
    r->steps += d.len;
    for (size_t i = 0; i < d.len; i++) {
        uint8_t c = d.at[i];
        if (c == '.' ? dot : c < ' ' || strchr("<>,;[]?=/", c) != NULL)
            return false;
        dot = c == '.';
        any = any || dot;
    }
    return any;
}

/* One % or @ in front of a local domain is followed. */
static void follow(struct reading *r, struct bytes domain, struct bytes user)
{
    size_t at = reading_last(r, user, CODE_AT), percent = reading_last(r, user, CODE_PERCENT);
    size_t hop = at == user.len || (percent < user.len && percent > at) ? percent : at;
    if (hop < user.len) {
        struct bytes next = bytes_from(user, hop + 1);
        r->via |= hop == at ? 0 : VIA_PERCENT;
        if (is_domain(r, next) && reading_plausible(next) && !reading_is_local(r, next) &&
            !bytes_equal(next, bytes_str("127.0.0.1"))) {
            reading_external(r, next);
            return;
        }
    }
    reading_local(r, domain, user);
}

/* user@[address of this server] is user@local: the literal goes before anything else is looked at. */
static bool strip_own_literal(struct reading *r, struct bytes *path, struct bytes *literal)
{
    size_t at = reading_last(r, *path, '@');
    *literal = bytes_from(*path, at + 1);
    if (literal->len == 0 || literal->at[0] != '[' || !reading_is_local(r, *literal))
        return false;
    *path = bytes_first(*path, at);
    return true;
}

static struct bytes without_dots(struct bytes d)
{
    while (d.len > 0 && d.at[d.len - 1] == '.')
        d.len--;
    return d;
}

static bool ends_in_dot_and_blank(struct bytes path)
{
    size_t n = path.len;
    while (n > 0 && is_blank(path.at[n - 1]))
        n--;
    return n > 0 && n < path.len && path.at[n - 1] == '.';
}

void read_courier(struct reading *r, struct bytes arg)
{
    struct bytes path, literal;
    r->steps += arg.len;
    if (!in_brackets(arg, &path))
        return;
    path = bytes_first(path, reading_first(r, path, '\t')); /* its own delimiter on the way to the queue */
    bool own = strip_own_literal(r, &path, &literal);
    struct bytes t = tokenise(r, path);
    bool route = t.len > 0 && t.at[0] == CODE_AT && !is_blank(path.at[0]); /* refused, but it must stand in front */
    bool dot = ends_in_dot_and_blank(path);                                 /* then the dot stays */
    if (t.len == 0 || route || (reading_first(r, t, CODE_BANG) < t.len && reading_first(r, t, CODE_COLON) == t.len))
        return;
    size_t first = reading_first(r, t, CODE_AT), at = own ? t.len : reading_last(r, t, CODE_AT);
    size_t colon = reading_last(r, t, CODE_COLON);
    if (!own) {
        size_t percent = reading_last(r, t, CODE_PERCENT);
        if (at == t.len || !is_domain(r, without_dots(bytes_from(t, at + 1))))
            return;
        if (percent < t.len && percent > at)
            at = percent;
    }
    struct bytes user = bytes_first(t, at), domain = own ? literal : without_dots(bytes_from(t, at + 1));
    if (first < at)
        r->via |=
            reading_first(r, user, ',') < user.len || reading_first(r, user, ';') < user.len ? VIA_LIST : VIA_MULTI_AT;
    if (colon < t.len && first < colon) { /* only behind the last colon an extra @ becomes a % */
        reading_external(r, bytes_from(t, first + 1));
        return;
    }
    if (own || (!dot && is_domain(r, domain) && reading_is_local(r, domain)))
        follow(r, domain, user);
    else if (is_domain(r, domain))
        reading_external(r, domain);
}
