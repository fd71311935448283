/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * domain_set - which domains are ours. Built once from the configuration, then
 * read only.
 *
 * Entries: "local.example" covers that domain, ".local.example" also all that is
 * below it, "[192.0.2.25]" and "[IPv6:2001:db8::25]" an address literal (RFC 5321
 * 4.1.3). Non-ASCII entries (U-labels) and A-labels name the same domain (RFC 5890,
 * libidn2). "localhost", the literals of the loopback network, and an empty
 * domain are always ours.
 */
#ifndef RCPTWALL_DOMAIN_SET_H
#define RCPTWALL_DOMAIN_SET_H

#include "kmod-free/bytes.h"
#include "kmod-free/packet.h"

struct domain_set;

RW_CHECK struct domain_set *domain_set_new(void); /* NULL: out of memory */
void domain_set_free(struct domain_set *);
/* Returns NULL, or why the entry can't be used (a constant string, for an error message). */
RW_CHECK const char *domain_set_add(struct domain_set *, const char *entry);
/* After the last add, before the first lookup. false: out of memory. */
RW_CHECK bool domain_set_seal(struct domain_set *);
size_t domain_set_size(const struct domain_set *);

/*
 * Is this domain, as read from the wire (any case, perhaps a trailing dot, perhaps
 * UTF-8), ours? Allocates nothing, except that a non-ASCII name goes through libidn2.
 */
RW_CHECK bool domain_set_has(const struct domain_set *, struct bytes domain);
/* The same for an address literal's address. */
RW_CHECK bool domain_set_has_address(const struct domain_set *, const struct ip_addr *);

/*
 * The form for showing and comparing: lower case, A-label, no trailing dot, into
 * out. Returns the length; a name that isn't valid IDN keeps its bytes lower-cased.
 */
size_t domain_canonical(struct bytes domain, uint8_t *out, size_t room);

#endif
