/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * recipient - where would a server deliver this? Reads what stands behind a RCPT
 * command's verb under every reading that some real server gives it, and answers
 * external if any of them ends outside (invariants A1, D3).
 *
 * Readings that are unfolded, to any depth (IMCEA: 16) and with work linear in the length:
 * source routes, percent hack, bang paths, several @, quoting and escapes,
 * comments, lists, missing or unbalanced brackets, address literals, Exchange's
 * IMCEA encapsulation (MS-OXCMAIL). VERP, SRS, BATV and +tags of a local domain
 * stay local.
 *
 * When a relay form unfolds to other domains, those are what `domains` lists:
 * u%ext.example@local.example gives ext.example.
 */
#ifndef RCPTWALL_RECIPIENT_H
#define RCPTWALL_RECIPIENT_H

#include "kmod-free/domain_set.h"

enum via {
    VIA_SOURCE_ROUTE = 1 << 0, /* @a,@b:u@d (RFC 5321 appendix F.2, C) */
    VIA_PERCENT = 1 << 1,      /* u%d@local */
    VIA_BANG = 1 << 2,         /* d!u */
    VIA_MULTI_AT = 1 << 3,     /* u@d@local */
    VIA_QUOTED = 1 << 4,       /* "u@d"@local, u\@d@local */
    VIA_IMCEA = 1 << 5,        /* IMCEASMTP-u+40d@local */
    VIA_LITERAL = 1 << 6,      /* u@[192.0.2.9] */
    VIA_COMMENT = 1 << 7,      /* (c)u@d */
    VIA_LIST = 1 << 8,         /* <a@local>,<b@d> */
};
#define VIA_COUNT 9

/* "percent" for VIA_PERCENT and so on, as events name them. `bit` is one enum via. */
const char *via_name(unsigned bit);

#define RECIPIENT_DOMAINS 8
#define RECIPIENT_TEXT 2048

struct recipient {
    bool external;
    bool malformed;      /* holds bytes that RFC 5321 forbids and servers disagree about: NUL, bare CR, ... */
    uint32_t via;        /* enum via bits */
    uint8_t domain_count;
    bool domains_cut;    /* there were more than fit, or one that no name server could hold */
    struct bytes domains[RECIPIENT_DOMAINS]; /* canonical form, no repeats; lie in text */
    struct bytes shown;  /* the address as written, without <> and parameters; borrowed from `argument` */
    uint8_t text[RECIPIENT_TEXT];
};

/*
 * argument: everything behind the verb (and "TO:" where it was there), without the
 * line end. server: the connection's own server address, whose literal is local;
 * may be NULL.
 */
void recipient_read(const struct domain_set *local, const struct ip_addr *server, struct bytes argument,
                    struct recipient *out);

/* The path of a MAIL command as written, without <> and parameters; empty for the null sender. */
struct bytes reverse_path_shown(struct bytes argument);

#endif
