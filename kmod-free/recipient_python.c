/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The reading of the Python servers (smtpd, aiosmtpd), which use the email package's
 * RFC 5322 parser: comments, obsolete routes and local parts, no closing > needed, no
 * parameters. They pass the address on to the next hop, without quotes when it has no
 * domain.
 */
#include "kmod-free/recipient_internal.h"

struct cursor {
    struct reading *r;
    struct bytes in;
    size_t at, used;
    bool failed;
};

static uint8_t peek(const struct cursor *x)
{
    return x->at < x->in.len ? x->in.at[x->at] : 0;
}

static bool more(const struct cursor *x)
{
    return x->at < x->in.len;
}

static void put(struct cursor *x, uint8_t c)
{
    if (x->used < READING_MAX)
        x->r->work[x->used++] = printable(c);
}

static bool is_gap(uint8_t c)
{
    return c == ' ' || c == '\t';
}

static void skip_comments(struct cursor *x)
{
    while (more(x)) {
        if (is_gap(peek(x))) {
            x->at++;
            continue;
        }
        if (peek(x) != '(')
            return;
        x->r->via |= VIA_COMMENT;
        size_t level = 0;
        do {
            uint8_t c = peek(x);
            if (c == '\\')
                x->at++;
            else if (c == '(')
                level++;
            else if (c == ')')
                level--;
            x->at++;
        } while (level > 0 && more(x));
    }
}

static bool ends_atom(uint8_t c)
{
    return is_gap(c) || (c != 0 && strchr("()<>@,:;.\"[]\\", c) != NULL);
}

static bool ends_phrase(uint8_t c)
{
    return c != 0 && strchr(")<>@,:;[]", c) != NULL;
}

/* Anything up to a delimiter, unquoted; an open quote runs to the end of the line. */
static bool local_part(struct cursor *x)
{
    size_t start;
    skip_comments(x);
    start = x->at;
    while (more(x) && !ends_phrase(peek(x))) {
        if (peek(x) == '(' || is_gap(peek(x))) {
            skip_comments(x);
        } else if (peek(x) == '"') {
            for (x->at++; more(x) && peek(x) != '"'; x->at++) {
                if (peek(x) == '\\' && x->at + 1 < x->in.len)
                    x->at++;
                put(x, peek(x));
            }
            x->at++;
        } else {
            put(x, peek(x));
            x->at++;
        }
    }
    if (x->at > x->in.len)
        x->at = x->in.len;
    return x->at > start;
}

static void literal(struct cursor *x)
{
    put(x, '[');
    for (x->at++; is_gap(peek(x));)
        x->at++;
    while (more(x) && !is_gap(peek(x)) && peek(x) != '[' && peek(x) != ']') {
        if (peek(x) == '\\' && x->at + 1 < x->in.len)
            x->at++;
        put(x, peek(x));
        x->at++;
    }
    while (is_gap(peek(x)))
        x->at++;
    x->failed = x->failed || peek(x) != ']';
    put(x, ']');
    x->at++;
    skip_comments(x);
}

static struct bytes domain(struct cursor *x)
{
    size_t start = x->used;
    skip_comments(x);
    if (peek(x) == '[') {
        literal(x);
        return bytes_of(x->r->work + start, x->used - start);
    }
    for (;;) {
        size_t atom = x->used;
        skip_comments(x);
        while (more(x) && !ends_atom(peek(x))) {
            put(x, peek(x));
            x->at++;
        }
        skip_comments(x);
        x->failed = x->failed || x->used == atom;
        if (peek(x) != '.' || x->failed)
            break;
        put(x, '.');
        x->at++;
    }
    x->failed = x->failed || peek(x) == '@';
    return bytes_of(x->r->work + start, x->used - start);
}

static void route(struct cursor *x)
{
    x->r->via |= VIA_SOURCE_ROUTE;
    while (more(x) && !x->failed && peek(x) != ':') {
        skip_comments(x);
        if (peek(x) == ',') {
            x->at++;
        } else if (peek(x) == '@') {
            x->at++;
            (void)domain(x);
        } else if (peek(x) != ':') {
            x->failed = true;
        }
    }
    x->failed = x->failed || !more(x);
    x->at++;
    x->used = 0;
}

void read_python(struct reading *r, struct bytes arg)
{
    struct cursor x = {.r = r, .in = arg};
    struct bytes host = {0};
    r->steps += arg.len;
    while (is_gap(peek(&x)))
        x.at++;
    bool bracket = peek(&x) == '<';
    if (bracket)
        x.at++;
    if (bracket && (peek(&x) == '@' || peek(&x) == ',')) {
        route(&x);
        if (x.failed)
            return;
    }
    if (!local_part(&x))
        return;
    size_t user = x.used;
    bool has_domain = peek(&x) == '@';
    if (has_domain) {
        x.at++;
        host = domain(&x);
        if (x.failed)
            return;
    }
    if (bracket && peek(&x) == '>')
        x.at++;
    skip_comments(&x);
    while (x.at < arg.len && is_blank(arg.at[x.at]))
        x.at++;
    if (x.at < arg.len)
        return;
    if (!has_domain) {
        reading_next_hop(r, bytes_of(r->work, user));
        return;
    }
    if (host.len > 0 && host.at[0] == '[' && reading_last(r, host, '@') < host.len)
        host = bytes_from(host, reading_last(r, host, '@') + 1);
    reading_deliver(r, host, bytes_of(r->work, user));
}
