/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kmod-free/smtp_command.h"

/* What some server passes over before a verb: isspace() of C; all controls where Java's String.trim() is at work. */
static bool is_junk(uint8_t c)
{
    return c <= ' ';
}

static bool is_word(uint8_t c)
{
    return (c >= '0' && c <= '9') || (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z') || c == '-' || c == '_';
}

static struct bytes skip_junk(struct bytes b)
{
    size_t n = 0;
    while (n < b.len && is_junk(b.at[n]))
        n++;
    return bytes_from(b, n);
}

static struct bytes trim(struct bytes b)
{
    b = skip_junk(b);
    while (b.len > 0 && is_junk(b.at[b.len - 1]))
        b.len--;
    return b;
}

static bool has(struct bytes b, uint8_t c)
{
    return b.len > 0 && memchr(b.at, c, b.len) != NULL;
}

enum smtp_ending smtp_line_ending(struct bytes line)
{
    size_t n = line.len;
    bool lf = n > 0 && line.at[n - 1] == '\n';
    n -= lf ? 1 : 0;
    if (n == 0 || line.at[n - 1] != '\r')
        return lf ? SMTP_ENDS_LF : SMTP_ENDS_NOT;
    if (!lf)
        return SMTP_ENDS_CR;
    return n > 1 && line.at[n - 2] == '\r' ? SMTP_ENDS_CRCRLF : SMTP_ENDS_CRLF;
}

struct bytes smtp_line_text(struct bytes line)
{
    if (line.len > 0 && line.at[line.len - 1] == '\n')
        line.len--;
    while (line.len > 0 && line.at[line.len - 1] == '\r')
        line.len--;
    return line;
}

bool smtp_line_dirty(struct bytes text)
{
    return has(text, 0) || has(text, '\r');
}

/*
 * whole: the verb must end there, because a longer word is another, unknown verb.
 * The others count as soon as a line begins with them: some server may be as
 * careless, and for these that makes a difference.
 */
#define NAMED(text) (text), sizeof(text) - 1
static const struct {
    const char *name;
    size_t len;
    enum smtp_verb verb;
    bool whole;
} VERBS[] = {
    {NAMED("EHLO"), SMTP_VERB_HELO, false},
    {NAMED("HELO"), SMTP_VERB_HELO, false},
    {NAMED("LHLO"), SMTP_VERB_LHLO, false},
    {NAMED("MAIL"), SMTP_VERB_MAIL, false},
    {NAMED("SEND"), SMTP_VERB_MAIL, true},
    {NAMED("SOML"), SMTP_VERB_MAIL, true},
    {NAMED("SAML"), SMTP_VERB_MAIL, true},
    {NAMED("RCPT"), SMTP_VERB_RCPT, false},
    {NAMED("DATA"), SMTP_VERB_DATA, false},
    {NAMED("BDAT"), SMTP_VERB_BDAT, false},
    {NAMED("RSET"), SMTP_VERB_PLAIN, true},
    {NAMED("NOOP"), SMTP_VERB_PLAIN, true},
    {NAMED("VRFY"), SMTP_VERB_PLAIN, true},
    {NAMED("EXPN"), SMTP_VERB_PLAIN, true},
    {NAMED("HELP"), SMTP_VERB_PLAIN, true},
    {NAMED("ETRN"), SMTP_VERB_PLAIN, true},
    {NAMED("QUIT"), SMTP_VERB_QUIT, true},
    {NAMED("STARTTLS"), SMTP_VERB_STARTTLS, false},
    {NAMED("X-ANONYMOUSTLS"), SMTP_VERB_STARTTLS, false},
    {NAMED("AUTH"), SMTP_VERB_AUTH, false},
    {NAMED("XAUTH"), SMTP_VERB_AUTH, false},
    {NAMED("X-EXPS"), SMTP_VERB_AUTH, false},
    {NAMED("XEXCH50"), SMTP_VERB_XEXCH50, true},
    {NAMED("TURN"), SMTP_VERB_TURN, true},
    {NAMED("ATRN"), SMTP_VERB_TURN, true},
};

/* "TO", blanks, ":" in front of b. false: b as it was. */
static bool take_keyword(struct bytes *b, struct bytes key)
{
    struct bytes rest = skip_junk(*b);
    if (!bytes_begin_nocase(rest, key))
        return false;
    rest = skip_junk(bytes_from(rest, key.len));
    if (rest.len == 0 || rest.at[0] != ':')
        return false;
    *b = bytes_from(rest, 1);
    return true;
}

struct bytes smtp_rcpt_argument(struct bytes behind_verb)
{
    (void)take_keyword(&behind_verb, bytes_str("TO"));
    return behind_verb;
}

/* Completes `formed`: the verb is known and, if `apart`, stands first in the line with a blank or nothing behind it. */
static void read_argument(struct smtp_command *c, bool apart, bool old_mail)
{
    uint64_t octets;
    bool last;
    switch (c->verb) {
    case SMTP_VERB_MAIL:
        c->formed = take_keyword(&c->argument, bytes_str("FROM"));
        if (old_mail && !c->formed)
            c->verb = SMTP_VERB_OTHER;
        break;
    case SMTP_VERB_RCPT:
        c->formed = take_keyword(&c->argument, bytes_str("TO"));
        break;
    case SMTP_VERB_HELO:
    case SMTP_VERB_LHLO:
        c->argument = trim(c->argument);
        c->formed = apart && c->argument.len > 0;
        break;
    case SMTP_VERB_BDAT:
        c->formed = apart && smtp_bdat_read(c->argument, &octets, &last);
        break;
    case SMTP_VERB_XEXCH50:
        c->formed = apart && smtp_xexch50_read(c->argument, &octets);
        break;
    case SMTP_VERB_AUTH:
    case SMTP_VERB_TURN:
        c->formed = apart;
        break;
    case SMTP_VERB_DATA:
    case SMTP_VERB_PLAIN:
    case SMTP_VERB_QUIT:
    case SMTP_VERB_STARTTLS:
        c->formed = apart && trim(c->argument).len == 0;
        break;
    case SMTP_VERB_NONE:
    case SMTP_VERB_OTHER:
        break;
    }
}

void smtp_command_read(struct bytes line, struct smtp_command *out)
{
    struct bytes text = skip_junk(line);
    uint8_t first = text.len > 0 ? text.at[0] : 0;
    if (first >= 'a' && first <= 'z')
        first = (uint8_t)(first - 'a' + 'A'); /* as VERBS are written */
    *out = (struct smtp_command){.verb = text.len > 0 ? SMTP_VERB_OTHER : SMTP_VERB_NONE, .argument = text};
    for (size_t i = 0; i < sizeof(VERBS) / sizeof(VERBS[0]); i++) {
        if ((uint8_t)VERBS[i].name[0] != first)
            continue;
        struct bytes name = bytes_of(VERBS[i].name, VERBS[i].len);
        if (!bytes_begin_nocase(text, name))
            continue;
        struct bytes rest = bytes_from(text, name.len);
        if (VERBS[i].whole && rest.len > 0 && is_word(rest.at[0]))
            continue;
        bool apart = text.len == line.len && (rest.len == 0 || rest.at[0] == ' ' || rest.at[0] == '\t');
        out->verb = VERBS[i].verb;
        out->argument = rest;
        read_argument(out, apart, out->verb == SMTP_VERB_MAIL && VERBS[i].whole);
        return;
    }
}

/* "<a@b>" or "a@b" in front, not any text. */
static bool begins_with_address(struct bytes b)
{
    b = skip_junk(b);
    size_t n = 0;
    while (n < b.len && !is_junk(b.at[n]))
        n++;
    return n > 0 && (b.at[0] == '<' || has(bytes_first(b, n), '@'));
}

bool smtp_command_stands_out(const struct smtp_command *c)
{
    struct bytes a = c->argument;
    if (c->verb == SMTP_VERB_MAIL)
        return c->formed && begins_with_address(a);
    if (c->verb != SMTP_VERB_RCPT)
        return false;
    if (c->formed)
        return trim(a).len > 0;
    if (a.len > 0 && !is_word(a.at[0]) && has(a, '<'))
        return true; /* qmail takes what is behind it, whatever stands before */
    const uint8_t *colon = a.len > 0 ? memchr(a.at, ':', a.len) : NULL;
    return colon != NULL && begins_with_address(bytes_from(a, (size_t)(colon - a.at) + 1));
}

bool smtp_rcpt_find(struct bytes b, size_t from, size_t *at)
{
    struct bytes word = bytes_str("RCPT");
    for (*at = from; *at + word.len <= b.len; ++*at)
        if (bytes_begin_nocase(bytes_from(b, *at), word))
            return true;
    return false;
}

/* Only '<' in front and a '>' that nothing quotes close it: any word before a '<' may be somebody's name. */
static bool path_open(struct bytes a)
{
    bool quoted = false;
    if (a.len == 0 || a.at[0] != '<')
        return true;
    for (size_t i = 1; i < a.len; i++) {
        if (a.at[i] == '\\')
            return true; /* servers differ in what it quotes */
        if (a.at[i] == '"')
            quoted = !quoted;
        if (a.at[i] == '>' && !quoted)
            return false;
    }
    return true;
}

bool smtp_address_open(const struct smtp_command *c)
{
    struct bytes a = skip_junk(c->argument);
    if (c->formed)
        return path_open(a);
    /* most likely a text; several words are no address */
    const uint8_t *angle = a.len > 0 ? memchr(a.at, '<', a.len) : NULL;
    if (angle != NULL)
        return !has(bytes_from(a, (size_t)(angle - a.at)), '>');
    for (size_t i = 0; i < a.len; i++)
        if (is_junk(a.at[i]))
            return false;
    return true;
}

static bool take_blanks(struct bytes *b)
{
    size_t n = 0;
    while (n < b->len && b->at[n] == ' ') /* Exim doesn't take a tab behind BDAT for one, and then no octets */
        n++;
    *b = bytes_from(*b, n);
    return n > 0;
}

/* What fits 31 bits, without the leading zeros that a server may take for octal, or count as too long. */
static bool take_count(struct bytes *b, uint64_t *out)
{
    uint64_t v = 0;
    size_t n = 0;
    *out = 0;
    for (; n < b->len && b->at[n] >= '0' && b->at[n] <= '9'; n++) {
        if (n == 10)
            return false;
        v = v * 10 + (uint64_t)(b->at[n] - '0');
    }
    if (n == 0 || v > INT32_MAX || (n > 1 && b->at[0] == '0'))
        return false;
    *b = bytes_from(*b, n);
    *out = v;
    return true;
}

#define BDAT_LINE_MAX 512 /* RFC 5321 4.5.3.1.4; servers cut longer lines at different places */

bool smtp_bdat_read(struct bytes argument, uint64_t *octets, bool *last)
{
    struct bytes b = argument;
    *last = false;
    *octets = 0;
    if (b.len > BDAT_LINE_MAX || !take_blanks(&b) || !take_count(&b, octets))
        return false;
    bool apart = take_blanks(&b);
    if (b.len == 0)
        return true;
    struct bytes word = bytes_str("LAST");
    if (!apart || !bytes_begin_nocase(b, word))
        return false;
    *last = true;
    b = bytes_from(b, word.len);
    (void)take_blanks(&b);
    return b.len == 0;
}

bool smtp_xexch50_read(struct bytes argument, uint64_t *octets)
{
    *octets = 0;
    return take_blanks(&argument) && take_count(&argument, octets) && take_blanks(&argument);
}

bool smtp_looks_like_http(struct bytes text)
{
    /* the version is the last word of a request line (RFC 9112 3) */
    static const char VERSION[] = " HTTP/1.x";
    size_t n = sizeof(VERSION) - 1;
    struct bytes end = bytes_from(text, text.len > n ? text.len - n : 0);
    return text.len > n && bytes_begin_nocase(end, bytes_str(" HTTP/"));
}
