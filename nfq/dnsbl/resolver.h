/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * resolver - questions to a name server over c-ares: UDP, TCP where an answer is
 * truncated, tries and timeouts. c-ares takes an answer only from the server that was
 * asked, with the number and the question that were sent; everything else is waited out.
 *
 * Use a resolver that you trust, over a network that you trust, best on this machine:
 * whoever can answer in its place decides what is listed.
 */
#ifndef RCPTWALL_DNSBL_RESOLVER_H
#define RCPTWALL_DNSBL_RESOLVER_H

#include "kmod-free/bytes.h"

#include <poll.h>

#define RESOLVER_QUESTIONS_MAX 1024
#define RESOLVER_FDS_MAX       16

struct resolver;

enum resolver_type {
    RESOLVER_A = 1,
    RESOLVER_TXT,
};

/* The answer's message, or only its head where every server refused, or none is there; empty: none came (c-ares gave up). Called from resolver_work, or from resolver_ask. */
typedef void resolver_done(void *ctx, uint32_t question, struct bytes message);

/*
 * servers: "ADDRESS[:PORT]" or "[ADDRESS]:PORT", several with commas; NULL: what /etc/resolv.conf says. try_ms: how long
 * the first try waits. NULL: one line is in `error`.
 */
RW_CHECK struct resolver *resolver_new(const char *servers, int try_ms, resolver_done *done, void *ctx, char *error,
                                       size_t room);
/* Questions under way end without an answer, and without `done`. */
void resolver_free(struct resolver *);

/* Is it the form that resolver_new takes? */
RW_CHECK bool resolver_servers_valid(const char *servers);

/* question: a number below RESOLVER_QUESTIONS_MAX that isn't under way. */
void resolver_ask(struct resolver *, uint32_t question, const char *name, enum resolver_type);

/* What to poll for; returns how many. */
size_t resolver_fds(struct resolver *, struct pollfd out[static RESOLVER_FDS_MAX]);
/* How long to wait at most; most_ms where c-ares doesn't care. */
int resolver_wait_ms(struct resolver *, int most_ms);
/* What poll said. Call it also when nothing happened: timeouts. */
void resolver_work(struct resolver *, const struct pollfd *, size_t count);

#endif
