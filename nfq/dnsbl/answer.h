/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * answer - what a name server's message says to the question about a listing. The
 * message is a stranger's: any bytes give one of the findings, and nothing else
 * happens. A and TXT records are read by c-ares; the SOA of a negative answer by
 * the house's own reader (c-ares reads none in the authority section).
 */
#ifndef RCPTWALL_DNSBL_ANSWER_H
#define RCPTWALL_DNSBL_ANSWER_H

#include "nfq/dnsbl/zone.h"

struct dnsbl_answer {
    enum dnsbl_finding finding;
    uint32_t code; /* the IPv4 address that decided, host byte order; 0: none */
    uint32_t ttl;  /* seconds, as the message says it; 0 where it says nothing */
};

/* An empty message is no answer. */
void dnsbl_answer_read(const struct dnsbl_zone *, struct bytes message, struct dnsbl_answer *out);

#define DNSBL_REASON_MAX 512
/*
 * The first TXT record, raw bytes (whoever shows them escapes them), cut at DNSBL_REASON_MAX. Returns
 * its length; 0: there is none.
 */
size_t dnsbl_reason_read(struct bytes message, uint8_t out[static DNSBL_REASON_MAX]);

#endif
