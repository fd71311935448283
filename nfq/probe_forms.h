/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * probe_forms - the classic ways to ask a mail server for relaying, written for one recipient; and what its
 * answer to one of them proves. Pure: no I/O.
 */
#ifndef RCPTWALL_PROBE_FORMS_H
#define RCPTWALL_PROBE_FORMS_H

#include "kmod-free/bytes.h"

#define PROBE_ADDRESS_MAX 128 /* of --from and --to */
#define PROBE_DOMAIN_MAX  128
#define PROBE_PATH_MAX    640 /* four parts and what is between them */

/* "user@domain" of letters, digits and ._+-: nothing in it can mean anything but itself. */
struct probe_address {
    char user[PROBE_ADDRESS_MAX], domain[PROBE_ADDRESS_MAX];
};
RW_CHECK bool probe_address_parse(const char *text, struct probe_address *out);
/* Letters, digits, dots and hyphens, not empty. */
RW_CHECK bool probe_domain_valid(const char *text);

/*
 * Does mail to that domain stay where the server's own domain is? It is the same, or one that this is below
 * (example.org of mail.example.org). own may be empty: no.
 */
RW_CHECK bool probe_domain_own(const char *domain, const char *own);

struct probe_subject {
    struct probe_address from, to;
    char local[PROBE_DOMAIN_MAX];   /* a domain of the server's */
    char literal[PROBE_DOMAIN_MAX]; /* its address literal: "[192.0.2.25]", "[IPv6:2001:db8::25]" */
};

size_t probe_form_count(void);
/* "plain", "percent", ... */
const char *probe_form_name(size_t form);
/* What stands behind MAIL FROM: and RCPT TO:, NUL-terminated, without CRLF. */
void probe_form_write(size_t form, const struct probe_subject *, char mail[static PROBE_PATH_MAX],
                      char rcpt[static PROBE_PATH_MAX]);
/*
 * Does the form end in a domain of the server's, or in none? Then a server that takes mail for whatever mailbox
 * it is told, and bounces it later, says 250 without relaying (Exchange 5.5 does so with a bare local part).
 */
bool probe_form_ends_local(size_t form);

enum probe_verdict {
    PROBE_CLOSED = 1, /* refused for good, or the connection was cut */
    PROBE_RELAYS,     /* accepted a recipient elsewhere */
    PROBE_UNPROVEN,   /* accepted, which may mean the server's own mailbox of that odd name */
    PROBE_LATER,      /* put off: greylisting, too busy, or it wants TLS first; what it would say then isn't known */
    PROBE_TROUBLE,    /* no answer that says anything */
};

/* "closed", "RELAYS", "may relay", "put off", "trouble". */
const char *probe_verdict_name(enum probe_verdict);

struct probe_outcome {
    bool connected;          /* and greeted with 220 */
    uint16_t mail, rcpt;     /* reply codes; 0: none came */
    bool cut;                /* the other side ended the connection instead of a reply */
    bool wants_tls;          /* the last reply asks for STARTTLS first (RFC 3207 4) */
};
/* any_mailbox: the server accepts recipients in its own domain that can't exist. */
RW_CHECK enum probe_verdict probe_judge(size_t form, const struct probe_outcome *, bool any_mailbox);

#endif
