/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * recipient_internal - between the recipient*.c files only.
 *
 * Each read_* function takes what stands behind "TO:" the way one family of servers
 * takes it, finds where that server would deliver, and says so with reading_external
 * or reading_local; or says nothing when that server would refuse the command. They
 * are modelled on the servers' documented and observed behaviour, and lean to the
 * tolerant side where a form is refused anyway.
 *
 * Linear work: a reader looks at each byte a fixed number of times. Lexers write a
 * coded copy to r->work in one pass; hop loops shrink their span from either end with
 * reading_first and reading_last, and remember when an operator has run out. All three
 * add what they looked at to r->steps, which the tests bound.
 */
#ifndef RCPTWALL_RECIPIENT_INTERNAL_H
#define RCPTWALL_RECIPIENT_INTERNAL_H

#include "kmod-free/recipient.h"

/* Argument bytes that are looked at; no command line is longer (SMTP_LINE_MAX_HIGHEST). */
#define READING_MAX 65536
/* Longest local part that is taken as an IMCEA encapsulation, and how deep they may nest. */
#define IMCEA_MAX   2048
#define IMCEA_DEPTH 16

/*
 * In a coded text these stand for characters that mean something to the server; all
 * bytes from 0x20 on are themselves. Controls that are part of a name become '?'.
 */
enum code {
    CODE_AT = 1,
    CODE_PERCENT,
    CODE_BANG,
    CODE_COLON,
    CODE_COMMA,
    CODE_SEMICOLON,
    CODE_LT,
    CODE_GT,
    CODE_OPEN, /* of a quoted string */
    CODE_CLOSE,
    CODE_SPLIT, /* two words meet */
    CODE_EMPTY, /* a word without a character */
    CODE_DOT,   /* a dot that a blank became */
};

struct reading {
    const struct domain_set *local;
    const struct ip_addr *server; /* may be NULL */
    struct recipient *out;
    size_t text_used; /* of out->text */
    size_t steps;
    uint32_t base_via;  /* of the encapsulation that is being read */
    uint32_t via;       /* forms that the current reader has unfolded */
    uint32_t local_via; /* forms that ended at a local domain */
    bool apart;         /* a blank comes first: perhaps no "TO:" was there */
    bool accepted;      /* some server would take it */
    size_t inner_len;   /* an encapsulated address was found in this round; with <> around it */
    uint8_t inner[IMCEA_MAX];
    uint8_t work[READING_MAX + 1];
};

/* Is a coded domain ours? */
RW_CHECK bool reading_is_local(struct reading *r, struct bytes domain);
/* The current server would deliver to this coded domain, outside. */
void reading_external(struct reading *r, struct bytes domain);
/* ... to this coded local part, here; domain is empty when none was named. */
void reading_local(struct reading *r, struct bytes domain, struct bytes local_part);
/* One or the other. */
void reading_deliver(struct reading *r, struct bytes domain, struct bytes local_part);
/* Index of the first or last c in b, or b.len when there is none. */
size_t reading_first(struct reading *r, struct bytes b, uint8_t c);
size_t reading_last(struct reading *r, struct bytes b, uint8_t c);
/* Could b be a host name or an address literal to a server that checks? */
RW_CHECK bool reading_plausible(struct bytes b);
/* What the next hop makes of an address that a proxy sent on without its quotes. */
void reading_next_hop(struct reading *r, struct bytes address);
/* Valid UTF-8 (RFC 3629)? ASCII is. */
RW_CHECK bool reading_utf8(struct reading *r, struct bytes b);
/* Is what stands behind an address nothing but "KEY=value" words? */
RW_CHECK bool reading_parameters(struct reading *r, struct bytes rest);
/* The character that a code stands for, 0 for none. */
uint8_t code_char(uint8_t code);

static inline bool is_blank(uint8_t c) /* isspace(3) in the C locale */
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static inline bool is_alnum(uint8_t c)
{
    return (c >= '0' && c <= '9') || (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z');
}

/* For a name in which a control, unlike "?", is no reason to refuse it. */
static inline uint8_t control_as_del(uint8_t c)
{
    return c < ' ' ? 0x7f : c;
}

static inline uint8_t printable(uint8_t c)
{
    return c < ' ' ? '?' : c;
}

void read_postfix(struct reading *r, struct bytes arg);
void read_sendmail(struct reading *r, struct bytes arg);
void read_exim(struct reading *r, struct bytes arg);
void read_courier(struct reading *r, struct bytes arg);
void read_python(struct reading *r, struct bytes arg);
void read_opensmtpd(struct reading *r, struct bytes arg);
void read_haraka(struct reading *r, struct bytes arg);
void read_qpsmtpd(struct reading *r, struct bytes arg);
void read_qmail(struct reading *r, struct bytes arg);
/* When none of them took it: the last "@" decides. */
void read_fallback(struct reading *r, struct bytes arg);

/* The value of a hexadecimal digit, -1 for anything else. */
static inline int hex_value(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = ascii_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/*
 * Exchange's encapsulation (MS-OXCMAIL): does the local part in hold an SMTP address?
 * Writes it with <> around it; returns its length, 0 if there is none, room + 1 if it
 * doesn't fit.
 */
size_t imcea_unfold(struct bytes in, uint8_t *out, size_t room);

/* recipient_read, and how many bytes were looked at in all. */
size_t recipient_read_steps(const struct domain_set *local, const struct ip_addr *server, struct bytes argument,
                            struct recipient *out);

#endif
