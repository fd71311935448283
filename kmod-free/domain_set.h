/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * domain_set - which domains are ours. Built once from the configuration, then
 * read only.
 *
 * Entries: "local.example" covers that domain, ".local.example" also all that is
 * below it, "[192.0.2.25]" and "[IPv6:2001:db8::25]" an address literal (RFC 5321
 * 4.1.3). Non-ASCII entries (U-labels) and A-labels name the same domain (RFC 5890,
 * libidn2). "localhost", [127.0.0.1] and an empty domain are always ours. The rest
 * of the loopback network is not: real servers hand user@[127.0.0.2] and
 * user@[IPv6:::1] on unless they are told otherwise.
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
/* Entries without repeats once sealed; entries that were added before that. */
size_t domain_set_size(const struct domain_set *);

/*
 * A sealed set as bytes, for another process of the same build: domain_set_packed
 * says how many. domain_set_unpack makes a sealed set of them; NULL: these are no such bytes, or out of memory.
 */
size_t domain_set_packed(const struct domain_set *);
void domain_set_pack(const struct domain_set *, uint8_t *out);
RW_CHECK struct domain_set *domain_set_unpack(struct bytes packed);

/*
 * Is this domain, as read from the wire (any case, perhaps a trailing dot, perhaps
 * UTF-8), ours? Allocates nothing, except that a non-ASCII name goes through libidn2.
 * Work is linear in the length. Look-alikes that IDNA would map to one of ours (full
 * width letters, an ideographic full stop, a zero width space) are not ours: servers
 * compare bytes.
 */
RW_CHECK bool domain_set_has(const struct domain_set *, struct bytes domain);
/* The same for an address literal's address. */
RW_CHECK bool domain_set_has_address(const struct domain_set *, const struct ip_addr *);

/*
 * The address in an address literal, brackets included, in the plain form that RFC
 * 5321 gives it: four decimal numbers without leading zeros, or "IPv6:" and an RFC
 * 4291 address. false: not one, or a sloppy form; a server may still take it.
 */
RW_CHECK bool domain_literal_address(struct bytes literal, struct ip_addr *out);

/* The longest name in bytes that can be ours, and that libidn2 gets to see. */
#define DOMAIN_NAME_MAX 255

/*
 * The form for showing and comparing: lower case, A-label, no trailing dot, into
 * out, cut after `room` bytes. Returns the length. A name that isn't valid IDN keeps
 * its bytes lower-cased, and so does one that ends in two dots.
 */
size_t domain_canonical(struct bytes domain, uint8_t *out, size_t room);

#endif
