/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The reading of the Python servers (smtpd, aiosmtpd), which use the email package's
 * RFC 5322 parser: comments, obsolete routes and local parts, no closing > needed, no
 * parameters, and RFC 2047 encoded words in a local part get decoded. They pass the
 * address on to the next hop, without quotes when it has no domain.
 */
#include "kmod-free/recipient_internal.h"

struct cursor {
    struct reading *r;
    struct bytes in;
    size_t at, used;
    bool failed;
    bool no_words; /* no encoded word begins from here on */
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

static int base64_value(uint8_t c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *hit = c != 0 ? strchr(digits, c) : NULL;
    return hit != NULL ? (int)(hit - digits) : -1;
}

static void put_base64(struct cursor *x, struct bytes text)
{
    uint32_t bits = 0;
    unsigned have = 0;
    for (size_t i = 0; i < text.len; i++) {
        int v = base64_value(text.at[i]);
        if (v < 0)
            continue;
        bits = (bits << 6 | (uint32_t)v) & 0xffff;
        have += 6;
        if (have >= 8) {
            have -= 8;
            put(x, (uint8_t)(bits >> have));
        }
    }
}

static void put_quoted_printable(struct cursor *x, struct bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.at[i];
        if (c == '=' && text.len - i > 2 && hex_value(text.at[i + 1]) >= 0 && hex_value(text.at[i + 2]) >= 0) {
            c = (uint8_t)((unsigned)hex_value(text.at[i + 1]) << 4 | (unsigned)hex_value(text.at[i + 2]));
            i += 2;
        }
        put(x, c == '_' ? ' ' : c);
    }
}

/* "=?charset?q?text?=" here? Its three question marks are looked for once in the whole line. */
static bool encoded_word(struct cursor *x)
{
    struct bytes b = bytes_from(x->in, x->at);
    if (x->no_words || b.len < 2 || b.at[0] != '=' || b.at[1] != '?')
        return false;
    struct bytes rest = bytes_from(b, 2);
    size_t charset = reading_first(x->r, rest, '?');
    rest = bytes_from(rest, charset + 1);
    if (rest.len < 4 || rest.at[1] != '?') {
        x->no_words = charset >= b.len - 2;
        return false;
    }
    uint8_t how = ascii_lower(rest.at[0]);
    rest = bytes_from(rest, 2);
    size_t end = reading_first(x->r, rest, '?');
    if ((how != 'q' && how != 'b') || end + 1 >= rest.len || rest.at[end + 1] != '=') {
        x->no_words = end == rest.len;
        return false;
    }
    struct bytes text = bytes_first(rest, end);
    if (how == 'q')
        put_quoted_printable(x, text);
    else
        put_base64(x, text);
    x->at = (size_t)(rest.at + end + 2 - x->in.at);
    x->r->via |= VIA_QUOTED;
    return true;
}

static void quoted_string(struct cursor *x)
{
    for (x->at++; more(x) && peek(x) != '"';) {
        if (encoded_word(x))
            continue;
        if (peek(x) == '\\' && x->at + 1 < x->in.len)
            x->at++;
        put(x, peek(x));
        x->at++;
    }
    x->at++;
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
            quoted_string(x);
        } else if (!encoded_word(x)) {
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
            if (!is_blank(peek(x)) && !(peek(x) >= 0x1c && peek(x) < ' ')) /* what str.split() drops in the end */
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
