/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The reading of Exim: RFC 822 addresses with phrases, groups' names and comments, a
 * strict domain; and, where its address hacks are on, the percent hack for local
 * domains, surplus <>, one trailing dot and UTF-8 domains.
 */
#include "kmod-free/recipient_internal.h"

#define BRACKETS_MAX 6

struct cursor {
    struct reading *r;
    struct bytes in;
    size_t at;
    size_t equals; /* the blank that reads as "=" */
    size_t used;   /* of r->work */
    bool failed;
};

static uint8_t peek(const struct cursor *x)
{
    if (x->at >= x->in.len)
        return 0;
    return x->at == x->equals ? '=' : x->in.at[x->at];
}

static bool is_known(struct bytes key)
{
    return bytes_equal_nocase(key, bytes_str("NOTIFY")) || bytes_equal_nocase(key, bytes_str("ORCPT"));
}

/*
 * Takes parameters off the end of the line. What looks like an unknown one is put back,
 * but the blank in front of it has become a "=".
 */
static void strip_parameters(struct cursor *x)
{
    x->equals = x->in.len;
    for (;;) {
        size_t i = x->in.len;
        while (i > 0 && is_blank(x->in.at[i - 1]))
            i--;
        x->in.len = i;
        x->equals = i;
        while (i > 1 && x->in.at[i - 1] != '=' && !is_blank(x->in.at[i - 1])) {
            if (x->in.at[i - 1] == '"')
                for (i--; i > 1 && x->in.at[i - 1] != '"';)
                    i--;
            i--;
        }
        x->r->steps += x->in.len - i;
        if (i <= 1)
            return;
        if (x->in.at[i - 1] != '=') {
            x->equals = i - 1;
            return;
        }
        size_t key = i - 1;
        while (key > 0 && ascii_lower(x->in.at[key - 1]) >= 'a' && ascii_lower(x->in.at[key - 1]) <= 'z')
            key--;
        if (key == 0 || !is_blank(x->in.at[key - 1]) || !is_known(bytes_of(x->in.at + key, i - 1 - key)))
            return;
        x->in.len = key - 1;
    }
}

static void put(struct cursor *x, uint8_t c)
{
    if (x->used < READING_MAX)
        x->r->work[x->used++] = printable(c);
}

static void skip_comments(struct cursor *x)
{
    for (;;) {
        while (is_blank(peek(x)))
            x->at++;
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
        } while (level > 0 && x->at < x->in.len);
    }
}

static bool in_atom(uint8_t c)
{
    return c > ' ' && c != 0x7f && strchr("()<>@,;:\\\".[]", c) == NULL;
}

/* One word or quoted string, without its quotes and backslashes. Returns whether there was one. */
static bool word(struct cursor *x)
{
    size_t start = x->at;
    if (peek(x) == '"') {
        for (x->at++; x->at < x->in.len && peek(x) != '"'; x->at++) {
            if (peek(x) == '\\' && x->at + 1 < x->in.len)
                x->at++;
            put(x, peek(x));
        }
        x->failed = x->failed || peek(x) != '"';
        x->at++;
        return true;
    }
    while (x->at < x->in.len && (in_atom(peek(x)) || peek(x) == '\\')) {
        if (peek(x) == '\\' && x->at + 1 < x->in.len)
            x->at++;
        put(x, peek(x));
        x->at++;
    }
    return x->at > start;
}

/* Words with dots between them. Returns whether there were any. */
static bool local_part(struct cursor *x)
{
    bool any = false;
    for (;;) {
        skip_comments(x);
        any = word(x) || any;
        skip_comments(x);
        if (peek(x) != '.' || x->failed)
            return any;
        any = true;
        while (peek(x) == '.') {
            put(x, '.');
            x->at++;
        }
    }
}

static bool in_literal(uint8_t c, bool loose)
{
    uint8_t low = ascii_lower(c);
    if (loose) /* without <> anything goes, as in a message's id */
        return c > ' ' && c < 0x7f && c != '[' && c != ']' && c != '\\';
    return (c >= '0' && c <= '9') || (low >= 'a' && low <= 'f') || c == '.' || c == ':';
}

static void literal(struct cursor *x, bool loose)
{
    size_t start = x->at;
    put(x, '[');
    x->at++;
    if (bytes_begin_nocase(bytes_from(x->in, x->at), bytes_str("IPv6:")) ||
        bytes_begin_nocase(bytes_from(x->in, x->at), bytes_str("IPv4:"))) {
        for (size_t i = 0; i < 5; i++)
            put(x, x->in.at[x->at++]);
    }
    for (; in_literal(peek(x), loose); x->at++)
        put(x, peek(x));
    put(x, ']');
    x->failed = x->failed || peek(x) != ']' || x->at == start + 1;
    x->at++;
}

/* Writes the domain behind what is in r->work. */
static struct bytes domain(struct cursor *x, bool loose)
{
    size_t start = x->used;
    skip_comments(x);
    if (peek(x) == '[') {
        literal(x, loose);
        skip_comments(x);
    } else {
        for (;;) {
            size_t label = x->used;
            while (is_alnum(peek(x)) || peek(x) == '-' || peek(x) >= 0x80) {
                put(x, peek(x));
                x->at++;
            }
            skip_comments(x);
            if (x->used == label) {
                x->failed = x->failed || label == start || peek(x) == '.';
                break;
            }
            if (peek(x) != '.')
                break;
            put(x, '.');
            x->at++;
            skip_comments(x);
        }
    }
    return bytes_of(x->r->work + start, x->used - start);
}

static void route(struct cursor *x)
{
    while (peek(x) == '@' && !x->failed) {
        x->r->via |= VIA_SOURCE_ROUTE;
        x->at++;
        (void)domain(x, false);
        if (peek(x) != ',')
            break;
        x->at++;
        skip_comments(x);
    }
    if (peek(x) == ':')
        x->at++;
    else
        x->failed = true;
    skip_comments(x);
    x->used = 0;
}

static void follow(struct reading *r, struct bytes user, struct bytes host)
{
    while (reading_is_local(r, host)) {
        size_t i = reading_last(r, user, '%');
        if (i == user.len) {
            reading_local(r, host, user);
            return;
        }
        r->via |= VIA_PERCENT;
        host = bytes_from(user, i + 1);
        user = bytes_first(user, i);
        if (host.len == 0 || host.at[host.len - 1] == '.') { /* u%@local goes out to nowhere, but it goes out */
            reading_external(r, host);
            return;
        }
    }
    reading_external(r, host);
}

/* local-part [@ domain], up to `stop`; judged if all is well to the closing brackets. */
static void address(struct cursor *x, bool routed, size_t brackets)
{
    struct bytes host = {0};
    if (!local_part(x))
        return;
    size_t user = x->used;
    if (peek(x) == '@') {
        x->at++;
        host = domain(x, brackets == 0 && !routed);
    } else if (routed) {
        return;
    }
    for (; brackets > 0; brackets--, x->at++)
        if (peek(x) != '>')
            return;
    skip_comments(x);
    if (x->failed || x->at < x->in.len)
        return;
    follow(x->r, bytes_of(x->r->work, user), host);
}

void read_exim(struct reading *r, struct bytes arg)
{
    struct cursor x = {.r = r, .in = arg};
    r->steps += arg.len;
    strip_parameters(&x);
    skip_comments(&x);
    if (peek(&x) == '@') {
        route(&x);
        address(&x, true, 0);
        return;
    }
    size_t start = x.at;
    for (bool first = true; peek(&x) != '<'; first = false) { /* a phrase in front of <...>, or the address itself */
        x.used = 0;
        if (!local_part(&x) || x.failed)
            return;
        if (first && (peek(&x) == '@' || x.at >= x.in.len)) {
            x.at = start;
            x.used = 0;
            address(&x, false, 0);
            return;
        }
    }
    x.used = 0;
    size_t brackets = 0;
    while (peek(&x) == '<' && brackets < BRACKETS_MAX) {
        brackets++;
        x.at++;
    }
    skip_comments(&x);
    bool routed = peek(&x) == '@';
    if (routed)
        route(&x);
    if (!x.failed)
        address(&x, routed, brackets);
}
