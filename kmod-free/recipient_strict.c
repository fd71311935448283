/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The readings of servers that demand RFC 5321 syntax and yet differ: OpenSMTPD,
 * Haraka, and qpsmtpd, whose brackets reach to the last > of the line. And what is left
 * when no server takes the command.
 */
#include "kmod-free/recipient_internal.h"

static struct bytes trim(struct bytes b)
{
    while (b.len > 0 && is_blank(b.at[0]))
        b = bytes_from(b, 1);
    while (b.len > 0 && is_blank(b.at[b.len - 1]))
        b.len--;
    return b;
}

/* A copy without controls, so that no byte looks like a code. */
static struct bytes copy(struct reading *r, struct bytes b)
{
    keep_first(&b, READING_MAX);
    r->steps += b.len;
    for (size_t i = 0; i < b.len; i++)
        r->work[i] = printable(b.at[i]);
    return bytes_of(r->work, b.len);
}

static bool dotted_atoms(struct reading *r, struct bytes b)
{
    bool dot = true;
    r->steps += b.len;
    for (size_t i = 0; i < b.len; i++) {
        uint8_t c = b.at[i];
        if (c == '.' ? dot : !is_alnum(c) && (c < ' ' || strchr("!#$%&'*/?^`{|}~+-=_", c) == NULL))
            return false;
        dot = c == '.';
    }
    return !dot;
}

/* As the C library's resolver has it: backslashes are escapes. */
static bool host_name(struct reading *r, struct bytes b)
{
    uint8_t before = '.';
    r->steps += b.len;
    if (b.len > 0 && b.at[0] == '[')
        return reading_plausible(b);
    for (size_t i = 0; i < b.len; i++) {
        uint8_t c = b.at[i];
        if (c == '.' || c == '-' ? before == '.' : !is_alnum(c) && c != '_' && c != '\\')
            return false;
        before = c;
    }
    return before != '.' && before != '\\';
}

/* < up to the first >, the last @, and a route that is cut off at the first colon. */
void read_opensmtpd(struct reading *r, struct bytes arg)
{
    arg = trim(arg);
    size_t end = reading_first(r, arg, '>');
    if (arg.len == 0 || arg.at[0] != '<' || end == arg.len || !reading_parameters(r, bytes_from(arg, end + 1)))
        return;
    struct bytes path = bytes_of(arg.at + 1, end - 1);
    size_t at = reading_last(r, path, '@');
    struct bytes user = bytes_first(path, at), domain = bytes_from(path, at + 1);
    size_t colon = reading_first(r, user, ':');
    if (colon < user.len) {
        r->via |= VIA_SOURCE_ROUTE;
        user = bytes_from(user, colon + 1);
    }
    if (!dotted_atoms(r, user))
        return;
    if (at == path.len || host_name(r, domain))
        reading_deliver(r, domain, user);
}

/* Without <> the address is the first word, whatever follows. With them it takes what OpenSMTPD takes. */
void read_haraka(struct reading *r, struct bytes arg)
{
    size_t end = 0;
    arg = trim(arg);
    while (end < arg.len && !is_blank(arg.at[end]))
        end++;
    r->steps += end;
    struct bytes path = bytes_first(arg, end);
    size_t at = reading_last(r, path, '@');
    if (at < path.len && dotted_atoms(r, bytes_first(path, at)) && host_name(r, bytes_from(path, at + 1)))
        reading_deliver(r, bytes_from(path, at + 1), bytes_first(path, at));
}

/* " KEY" or " KEY=value" at the end of the line go. */
static struct bytes without_parameters(struct reading *r, struct bytes b)
{
    for (;;) {
        b = trim(b);
        size_t i = b.len, key = b.len;
        while (i > 0 && b.at[i - 1] > ' ' && b.at[i - 1] != '=')
            i--;
        if (i > 0 && i < b.len && b.at[i - 1] == '=')
            key = i - 1;
        for (i = key; i > 0 && (is_alnum(b.at[i - 1]) || b.at[i - 1] == '-');)
            i--;
        r->steps += b.len - i;
        if (i == key || i == 0 || !is_blank(b.at[i - 1]) || b.at[i] == '-')
            return b;
        b = bytes_first(b, i);
    }
}

/*
 * How much of b reads as a domain to qpsmtpd: runs of letters, digits and hyphens with
 * any one other character between them. 0 if not to the end of b.
 */
static bool loose_domain(struct reading *r, struct bytes b)
{
    uint8_t before = '.';
    struct ip_addr addr;
    if (domain_literal_address(b, &addr))
        return true;
    r->steps += b.len;
    for (size_t i = 0; i < b.len; i++) {
        uint8_t c = b.at[i];
        if (!is_alnum(c) && !is_alnum(before) && !(c == '-' && before == '-' && i > 1))
            return false;
        before = c;
    }
    return b.len > 0 && is_alnum(before);
}

/* "@domain,@domain:" at the start goes. */
static struct bytes without_route(struct reading *r, struct bytes path)
{
    size_t from = 1;
    if (path.len == 0 || path.at[0] != '@')
        return path;
    size_t colon = reading_first(r, path, ':');
    for (size_t i = from; i <= colon && colon < path.len; i++) {
        bool list = path.at[i] == ',' && i + 1 < colon && path.at[i + 1] == '@';
        if (!list && i < colon)
            continue;
        if (!loose_domain(r, bytes_of(path.at + from, i - from)))
            return path;
        from = i + 2;
    }
    if (colon == path.len)
        return path;
    r->via |= VIA_SOURCE_ROUTE;
    return bytes_from(path, colon + 1);
}

/* What the next hop makes of an address that a proxy sent on without its quotes. */
void reading_next_hop(struct reading *r, struct bytes a)
{
    while (a.len > 0 && (a.at[0] == '<' || a.at[0] == '>'))
        a = bytes_from(a, 1);
    while (a.len > 0 && (a.at[a.len - 1] == '<' || a.at[a.len - 1] == '>'))
        a.len--;
    while (a.len > 0 && a.at[a.len - 1] == '"')
        a.len--;
    size_t colon = reading_first(r, a, ':'), at = reading_last(r, a, '@');
    if (a.len > 0 && a.at[0] == '@' && colon < a.len) {
        size_t comma = reading_first(r, a, ',');
        r->via |= VIA_SOURCE_ROUTE;
        reading_deliver(r, bytes_of(a.at + 1, (comma < colon ? comma : colon) - 1), (struct bytes){0});
        return;
    }
    if (at < a.len && a.at[a.len - 1] == '.')
        reading_external(r, bytes_from(a, at + 1)); /* not what was compared with the local domains */
    else
        reading_deliver(r, bytes_from(a, at + 1), bytes_first(a, at));
}

/* Copies a quoted local part without its quotes and backslashes to the start of r->work. */
static size_t dequote(struct reading *r, struct bytes user)
{
    size_t n = 0;
    for (size_t i = 1; i + 1 < user.len; i++) {
        if (user.at[i] == '\\' && i + 2 < user.len)
            i++;
        r->work[n++] = user.at[i];
    }
    r->steps += user.len;
    return n;
}

static bool is_quoted(struct reading *r, struct bytes b)
{
    if (b.len < 2 || b.at[0] != '"' || b.at[b.len - 1] != '"')
        return false;
    r->steps += b.len;
    for (size_t i = 1; i + 1 < b.len; i++) {
        if (b.at[i] == '\\')
            i++;
        else if (b.at[i] == '"' || b.at[i] == ' ' || b.at[i] >= 0x80)
            return false;
        if (i + 1 == b.len)
            return false;
    }
    return true;
}

void read_qpsmtpd(struct reading *r, struct bytes arg)
{
    arg = without_parameters(r, arg);
    size_t at = reading_first(r, arg, '@');
    if (arg.len < 2 || arg.at[0] != '<' || arg.at[arg.len - 1] != '>')
        return;
    r->steps += arg.len - (at < arg.len ? at : arg.len);
    for (size_t i = at; i < arg.len; i++)
        if (is_blank(arg.at[i]))
            return;
    struct bytes path = without_route(r, copy(r, bytes_of(arg.at + 1, arg.len - 2)));
    at = reading_last(r, path, '@');
    if (at == path.len) {
        if (bytes_equal_nocase(path, bytes_str("postmaster")))
            reading_local(r, (struct bytes){0}, path);
        return;
    }
    struct bytes user = bytes_first(path, at), domain = bytes_from(path, at + 1);
    if (!loose_domain(r, domain) || user.len == 0)
        return;
    if (is_quoted(r, user)) {
        size_t n = dequote(r, user);
        memmove(r->work + n, path.at + at, path.len - at); /* both lie in r->work */
        path = bytes_of(r->work, n + path.len - at);
        if (path.at[0] == '@' || path.at[0] == '<')
            r->via |= VIA_QUOTED;
    } else if (!is_alnum(user.at[0]) && strchr("!#%&*+=?^_`{|}~$'-/", user.at[0]) == NULL) {
        return;
    } else if (reading_first(r, user, '@') < user.len && !reading_is_local(r, domain)) {
        bool list = reading_first(r, user, ',') < user.len || reading_first(r, user, ';') < user.len;
        r->via |= list ? VIA_LIST : VIA_MULTI_AT;
    }
    size_t open = reading_first(r, path, '<'); /* its client sends a <...> inside of the address alone */
    struct bytes inner = bytes_from(path, open + 1);
    size_t close = reading_first(r, inner, '>');
    reading_next_hop(r, close < inner.len ? bytes_first(inner, close) : path);
}

void read_fallback(struct reading *r, struct bytes arg)
{
    struct bytes b = trim(arg);
    if (b.len > 0 && b.at[0] == '<')
        b = bytes_from(b, 1);
    if (b.len > 0 && b.at[b.len - 1] == '>')
        b.len--;
    b = copy(r, b);
    size_t at = reading_last(r, b, '@');
    struct bytes domain = bytes_from(b, at + 1);
    for (size_t i = 0; i < domain.len; i++) {
        if (strchr("<>()\",; ", domain.at[i]) != NULL) {
            domain = bytes_first(domain, i);
            break;
        }
    }
    reading_deliver(r, domain, bytes_first(b, at));
}
