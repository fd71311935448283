/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation
 *
 * Invariant A1: a recipient is external if any reading ends outside. A reading is what
 * one family of real servers makes of the bytes behind RCPT; each has its own file (see
 * recipient_internal.h), written after what those servers were seen to do, because
 * the union of all grammars isn't a grammar: "the first >", "the last >", "quotes count"
 * and "quotes don't" contradict each other. All of them are asked in turn, and each
 * either refuses or names a destination. One external answer is enough (D3).
 *
 * A short, plain "<local@domain>" is read in the same way by all of them and takes a
 * short cut. An IMCEA encapsulation in front of a local domain, which only Exchange
 * opens, is unfolded and read anew by all, up to a fixed depth.
 *
 * Limits: READING_MAX bytes of argument, IMCEA_MAX bytes and IMCEA_DEPTH levels of
 * encapsulation. What is beyond is hostile and counts as external (domains_cut). Work is
 * linear, memory is one struct reading on the stack, nothing is allocated (except by
 * libidn2 for names that aren't ASCII).
 *
 * An attacker can make domains that no name server holds ("a b", "x]"): they are listed
 * as they are, without controls, and count as external, since that is what servers do.
 */
#include <assert.h>

#include "kmod-free/recipient_internal.h"

/* A longer domain is judged, but not listed. */
#define SHOW_MAX  300
#define PLAIN_MAX 320

const char *via_name(unsigned bit)
{
    static const char *const names[VIA_COUNT] = {"source-route", "percent", "bang",    "multi-at", "quoted",
                                                 "imcea",        "literal", "comment", "list"};
    for (size_t i = 0; i < VIA_COUNT; i++)
        if (bit == 1u << i)
            return names[i];
    assert(false && "one enum via");
    return "";
}

uint8_t code_char(uint8_t code)
{
    static const uint8_t chars[] = {
        [CODE_AT] = '@',    [CODE_PERCENT] = '%',   [CODE_BANG] = '!', [CODE_COLON] = ':',
        [CODE_COMMA] = ',', [CODE_SEMICOLON] = ';', [CODE_LT] = '<',   [CODE_GT] = '>',
        [CODE_OPEN] = '"',  [CODE_CLOSE] = '"',     [CODE_SPLIT] = 0,  [CODE_EMPTY] = 0,
        [CODE_DOT] = '.',
    };
    return code < sizeof chars ? chars[code] : 0;
}

size_t reading_first(struct reading *r, struct bytes b, uint8_t c)
{
    const uint8_t *hit = b.len > 0 ? memchr(b.at, c, b.len) : NULL;
    size_t i = hit != NULL ? (size_t)(hit - b.at) : b.len;
    r->steps += i + 1;
    return i;
}

size_t reading_last(struct reading *r, struct bytes b, uint8_t c)
{
    const uint8_t *hit = b.len > 0 ? memrchr(b.at, c, b.len) : NULL;
    r->steps += hit != NULL ? b.len - (size_t)(hit - b.at) : b.len + 1;
    return hit != NULL ? (size_t)(hit - b.at) : b.len;
}

/* Codes back to characters; at most room of them. */
static struct bytes decode(struct bytes b, uint8_t *out, size_t room)
{
    size_t n = 0;
    for (size_t i = 0; i < b.len && n < room; i++) {
        uint8_t c = b.at[i] < ' ' ? code_char(b.at[i]) : b.at[i];
        if (c != 0)
            out[n++] = c;
    }
    return bytes_of(out, n);
}

static bool is_ours(const struct reading *r, struct bytes d)
{
    struct ip_addr addr;
    if (domain_set_has(r->local, d))
        return true;
    return r->server != NULL && domain_literal_address(d, &addr) && ip_addr_equal(&addr, r->server);
}

bool reading_is_local(struct reading *r, struct bytes domain)
{
    uint8_t plain[DOMAIN_NAME_MAX + 2];
    if (domain.len > DOMAIN_NAME_MAX + 1)
        return false;
    r->steps += domain.len + 1;
    struct bytes d = decode(domain, plain, sizeof plain);
    return (d.len > 0 || domain.len == 0) && is_ours(r, d);
}

/* Something that looks like an address in brackets, with a tag or without. */
static bool plausible_literal(struct bytes b)
{
    if (b.len < 3 || b.at[b.len - 1] != ']')
        return false;
    b = bytes_of(b.at + 1, b.len - 2);
    if (bytes_begin_nocase(b, bytes_str("IPv6:")) || bytes_begin_nocase(b, bytes_str("IPv4:")))
        b = bytes_from(b, 5);
    for (size_t i = 0; i < b.len; i++) {
        uint8_t c = ascii_lower(b.at[i]);
        if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'f') && c != '.' && c != ':')
            return false;
    }
    return b.len > 0;
}

bool reading_plausible(struct bytes b)
{
    if (b.len == 0 || b.len > DOMAIN_NAME_MAX)
        return false;
    if (b.at[0] == '[')
        return plausible_literal(b);
    uint8_t before = '.';
    for (size_t i = 0; i < b.len; i++) {
        uint8_t c = b.at[i];
        if (c == '.' ? before == '.' : !is_alnum(c) && c != '-' && c != '_' && c < 0x80)
            return false;
        before = c;
    }
    return true;
}

bool reading_utf8(struct reading *r, struct bytes b)
{
    r->steps += b.len;
    for (size_t i = 0; i < b.len; i++) {
        uint8_t c = b.at[i];
        size_t tail = c < 0x80 ? 0 : c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
        if ((c >= 0x80 && c < 0xc2) || c > 0xf4 || b.len - i - 1 < tail)
            return false;
        if (tail > 1) { /* overlong forms, surrogates, beyond U+10FFFF */
            uint8_t next = b.at[i + 1];
            if ((c == 0xe0 && next < 0xa0) || (c == 0xed && next > 0x9f) || (c == 0xf0 && next < 0x90) ||
                (c == 0xf4 && next > 0x8f))
                return false;
        }
        for (; tail > 0; tail--)
            if ((b.at[++i] & 0xc0) != 0x80)
                return false;
    }
    return true;
}

bool reading_parameters(struct reading *r, struct bytes rest)
{
    bool key = true, first = true;
    r->steps += rest.len;
    for (size_t i = 0; i <= rest.len; i++) {
        uint8_t c = i < rest.len ? rest.at[i] : ' ';
        if (is_blank(c)) {
            if (key && !first)
                return false;
            key = first = true;
        } else if (key) {
            if (!is_alnum(c) && (first || (c != '-' && c != '=')))
                return false;
            key = c != '=';
            first = false;
        }
    }
    return true;
}

static bool listed(const struct recipient *out, struct bytes name)
{
    for (size_t i = 0; i < out->domain_count; i++)
        if (bytes_equal(out->domains[i], name))
            return true;
    return false;
}

static void list(struct reading *r, struct bytes domain)
{
    struct recipient *out = r->out;
    uint8_t plain[SHOW_MAX + 1], canonical[SHOW_MAX + 1];
    struct bytes d = decode(domain, plain, sizeof plain);
    size_t n = domain_canonical(d, canonical, sizeof canonical);
    struct bytes name = bytes_of(canonical, n);
    if (listed(out, name) || (n == 0 && !out->external))
        return;
    /* ... or one that only looks like ours: "local.example." where that server doesn't know the dot */
    bool unlistable = n == 0 || domain.len > SHOW_MAX || (out->external && is_ours(r, name));
    if (unlistable || out->domain_count == RECIPIENT_DOMAINS || n > RECIPIENT_TEXT - r->text_used) {
        out->domains_cut = true;
        return;
    }
    memcpy(out->text + r->text_used, canonical, n);
    out->domains[out->domain_count++] = bytes_of(out->text + r->text_used, n);
    r->text_used += n;
}

static void now_external(struct reading *r)
{
    struct recipient *out = r->out;
    r->accepted = true;
    if (out->external)
        return;
    out->external = true;
    out->domain_count = 0; /* the local ones were no more than hops */
    out->domains_cut = false;
    r->text_used = 0;
}

void reading_external(struct reading *r, struct bytes domain)
{
    now_external(r);
    r->out->via |= r->base_via | r->via;
    if (domain.len > 0 && domain.at[0] == '[')
        r->out->via |= VIA_LITERAL;
    list(r, domain);
}

/* Too much of something that nobody writes: external, and not to be listed. */
static void give_up(struct reading *r, uint32_t via)
{
    now_external(r);
    r->out->via |= r->base_via | via;
    r->out->domains_cut = true;
}

/* Exchange reads on in the local part of what is its own. */
static void look_for_imcea(struct reading *r, struct bytes local_part)
{
    uint8_t plain[IMCEA_MAX];
    if (local_part.len < 6 || r->inner_len > 0)
        return;
    if (local_part.at[0] == '"' || local_part.at[0] == CODE_OPEN)
        local_part = bytes_of(local_part.at + 1, local_part.len - 2);
    if (!bytes_begin_nocase(local_part, bytes_str("IMCEA")))
        return;
    r->steps += local_part.len;
    size_t n = sizeof r->inner + 1;
    if (local_part.len <= sizeof plain)
        n = imcea_unfold(decode(local_part, plain, sizeof plain), r->inner, sizeof r->inner);
    if (n > sizeof r->inner)
        give_up(r, VIA_IMCEA);
    else
        r->inner_len = n;
}

void reading_local(struct reading *r, struct bytes domain, struct bytes local_part)
{
    r->accepted = true;
    r->local_via |= r->base_via | r->via;
    if (domain.len > 0 && domain.at[0] == '[')
        r->local_via |= VIA_LITERAL;
    look_for_imcea(r, local_part);
    if (!r->out->external)
        list(r, domain);
}

void reading_deliver(struct reading *r, struct bytes domain, struct bytes local_part)
{
    if (reading_is_local(r, domain))
        reading_local(r, domain, local_part);
    else
        reading_external(r, domain);
}

typedef void reader(struct reading *r, struct bytes arg);

static void read_with(struct reading *r, reader *read, struct bytes arg)
{
    r->via = 0;
    read(r, arg);
}

static struct bytes skip_blanks(struct bytes b)
{
    size_t i = 0;
    while (i < b.len && is_blank(b.at[i]))
        i++;
    return bytes_from(b, i);
}

static struct bytes trim(struct bytes b)
{
    b = skip_blanks(b);
    while (b.len > 0 && is_blank(b.at[b.len - 1]))
        b.len--;
    return b;
}

/* "TO:" that the caller left there, with blanks around it. */
static struct bytes without_to(struct bytes arg)
{
    struct bytes b = skip_blanks(arg);
    if (!bytes_begin_nocase(b, bytes_str("TO")))
        return b;
    struct bytes rest = skip_blanks(bytes_from(b, 2));
    return rest.len > 0 && rest.at[0] == ':' ? skip_blanks(bytes_from(rest, 1)) : b;
}

/* Does b end in the word TO, with nothing left open in front of it? */
static bool ends_in_to(struct bytes b)
{
    bool quoted = false, angle = false;
    if (b.len < 3 || !bytes_equal_nocase(bytes_from(b, b.len - 2), bytes_str("TO")) || !is_blank(b.at[b.len - 3]))
        return false;
    for (size_t i = 0; i < b.len; i++) {
        quoted = quoted != (b.at[i] == '"');
        if (b.at[i] == '<' || b.at[i] == '>')
            angle = b.at[i] == '<';
    }
    return !quoted && !angle;
}

/*
 * Courier takes any line that begins with RCPT, and its first colon: " CC:<a>", "X TO:<a>".
 * In an address there may be one too, so what stands in front of it must not look like
 * one; unless it is the verb that stands there (apart: by a blank) and not its "TO:".
 */
static struct bytes behind_colon(struct bytes b, bool apart)
{
    const struct bytes none = {0};
    bool address = false;
    for (size_t i = 0; i < b.len; i++) {
        uint8_t c = b.at[i];
        address = address || c == '<' || c == '"' || c == '@';
        if (c != ':')
            continue;
        if (address && !(apart && ends_in_to(bytes_first(b, i))))
            return none;
        struct bytes rest = skip_blanks(bytes_from(b, i + 1));
        return rest.len > 0 && rest.at[0] == '<' ? rest : none;
    }
    return none;
}

/*
 * Servers written in C (Postfix, Sendmail, Courier, OpenSMTPD, qmail) don't see what stands
 * behind a NUL; Exim refuses it; to the others it is a byte like any other.
 */
static void read_all(struct reading *r, struct bytes arg)
{
    struct bytes text = bytes_first(arg, reading_first(r, arg, 0));
    bool whole = text.len == arg.len;
    read_with(r, read_postfix, text);
    read_with(r, read_sendmail, text);
    read_with(r, read_courier, text);
    read_with(r, read_opensmtpd, text);
    read_with(r, read_qmail, text);
    if (whole)
        read_with(r, read_exim, arg);
    read_with(r, read_python, arg);
    read_with(r, read_haraka, arg);
    read_with(r, read_qpsmtpd, arg);
    struct bytes odd = behind_colon(text, r->apart);
    if (odd.len > 0)
        read_with(r, read_courier, odd);
    if (!r->accepted)
        read_with(r, read_fallback, arg);
}

/* Length of the word at the start of b: up to a blank outside of quotes and <>. *closed: nothing was left open. */
static size_t word_len(struct bytes b, bool *closed)
{
    bool quoted = false;
    size_t depth = 0, i = 0;
    for (; i < b.len; i++) {
        uint8_t c = b.at[i];
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
        else if (is_blank(c) && depth == 0)
            break;
    }
    *closed = depth == 0 && !quoted;
    return i < b.len ? i : b.len;
}

/* b begins with <: what stands between it and the > that closes it, or the last one. */
static struct bytes bracketed(struct bytes b)
{
    bool quoted = false;
    size_t depth = 0, last = 0;
    for (size_t i = 0; i < b.len; i++) {
        uint8_t c = b.at[i];
        if (c == '>')
            last = i;
        if (c == '\\')
            i++;
        else if (c == '"')
            quoted = !quoted;
        else if (c == '<' && !quoted)
            depth++;
        else if (c == '>' && !quoted && --depth == 0)
            return bytes_of(b.at + 1, i - 1);
    }
    return last > 0 ? bytes_of(b.at + 1, last - 1) : trim(bytes_from(b, 1));
}

/* The address as written, for showing. */
static struct bytes shown(struct bytes arg, bool apart)
{
    struct bytes odd = behind_colon(arg, apart);
    struct bytes b = odd.len > 0 ? odd : arg;
    bool closed;
    if (b.len > 0 && b.at[0] == '<')
        return bracketed(b);
    struct bytes word = bytes_first(b, word_len(b, &closed));
    bool has_at = word.len > 0 && memchr(word.at, '@', word.len) != NULL;
    const uint8_t *bracket = b.len > 0 ? memchr(b.at, '<', b.len) : NULL;
    if (bracket != NULL && !has_at) /* Name <address> */
        return bracketed(bytes_from(b, (size_t)(bracket - b.at)));
    return closed ? word : trim(b);
}

struct bytes reverse_path_shown(struct bytes argument)
{
    struct bytes b = skip_blanks(argument);
    if (bytes_begin_nocase(b, bytes_str("FROM"))) {
        struct bytes rest = skip_blanks(bytes_from(b, 4));
        if (rest.len > 0 && rest.at[0] == ':')
            b = skip_blanks(bytes_from(rest, 1));
    }
    return shown(b, false);
}

static bool plain_local(uint8_t c)
{
    return is_alnum(c) || c == '.' || c == '_' || c == '-' || c == '+' || c == '=';
}

static bool plain_domain(uint8_t c)
{
    return is_alnum(c) || c == '.' || c == '-';
}

static bool plain_parameter(uint8_t c)
{
    return plain_local(c) || c == ' ' || c == ';' || c == '@' || c == ',';
}

/* "<local@domain>" and perhaps parameters, with nothing in it that two servers read differently. */
static bool read_plain(struct reading *r, struct bytes arg)
{
    if (arg.len > PLAIN_MAX || arg.len == 0 || arg.at[0] != '<')
        return false;
    size_t at = 1;
    while (at < arg.len && plain_local(arg.at[at]))
        at++;
    if (at == 1 || at == arg.len || arg.at[at] != '@' || arg.at[at - 1] == '.')
        return false;
    size_t end = at + 1;
    while (end < arg.len && plain_domain(arg.at[end]) && (arg.at[end] != '.' || arg.at[end - 1] != '.'))
        end++;
    if (end == at + 1 || end == arg.len || arg.at[end] != '>')
        return false;
    if (end + 1 < arg.len && arg.at[end + 1] != ' ')
        return false;
    for (size_t i = end + 1; i < arg.len; i++)
        if (!plain_parameter(arg.at[i]))
            return false;
    struct bytes local_part = bytes_of(arg.at + 1, at - 1);
    if (bytes_begin_nocase(local_part, bytes_str("IMCEA")))
        return false;
    r->steps += arg.len;
    reading_deliver(r, bytes_of(arg.at + at + 1, end - at - 1), local_part);
    return true;
}

/* Bytes that end a command on one server and not on another. */
static bool forbidden(struct bytes b)
{
    for (size_t i = 0; i < b.len; i++)
        if (b.at[i] == 0 || b.at[i] == '\r' || b.at[i] == '\n')
            return true;
    return false;
}

static void unfold(struct reading *r)
{
    uint8_t address[IMCEA_MAX];
    for (size_t depth = 0; r->inner_len > 0 && !r->out->external; depth++) {
        if (depth == IMCEA_DEPTH) {
            give_up(r, VIA_IMCEA);
            return;
        }
        size_t n = r->inner_len;
        memcpy(address, r->inner, n);
        r->inner_len = 0;
        r->base_via |= VIA_IMCEA;
        r->apart = false;
        r->accepted = false;
        read_all(r, bytes_of(address, n));
    }
}

size_t recipient_read_steps(const struct domain_set *local, const struct ip_addr *server, struct bytes argument,
                            struct recipient *out)
{
    struct reading r;
    memset(&r, 0, offsetof(struct reading, inner)); /* the buffers are written before they are read */
    r.local = local;
    r.server = server;
    r.apart = argument.len > 0 && is_blank(argument.at[0]);
    r.out = out;
    out->external = false;
    out->malformed = forbidden(argument);
    out->domains_cut = false;
    out->domain_count = 0;
    out->via = 0;

    struct bytes arg = without_to(argument);
    out->shown = shown(trim(arg), r.apart);
    if (read_plain(&r, arg))
        return r.steps;

    arg = trim(arg);
    if (arg.len > READING_MAX) {
        give_up(&r, 0);
        return r.steps;
    }
    read_all(&r, arg);
    unfold(&r);
    if (!out->external)
        out->via = r.local_via;
    return r.steps;
}

void recipient_read(const struct domain_set *local, const struct ip_addr *server, struct bytes argument,
                    struct recipient *out)
{
    (void)recipient_read_steps(local, server, argument, out);
}
