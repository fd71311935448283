/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * summary - what a whole replay found: counts, the worst offenders, and the answer
 * to "is my server being abused?". Fed with every event; bounded memory.
 */
#ifndef RCPTWALL_SUMMARY_H
#define RCPTWALL_SUMMARY_H

#include "kmod-free/engine.h"
#include "pcap-tests/replay/tally.h"

#include <jansson.h>

#define SUMMARY_TOP 10

enum summary_answer {
    ANSWER_NONE = 1, /* everything could be read, nobody tried */
    ANSWER_REFUSED,  /* tried, and the server refused every time */
    ANSWER_ABUSED,   /* tried, and the server accepted at least once */
    ANSWER_UNKNOWN,  /* there is something that the capture doesn't show */
};

struct summary {
    uint64_t files, packets, bytes;    /* bytes: on the wire, link layer included */
    struct wall first, last;           /* of the capture's own time */
    uint64_t tried, accepted, refused; /* RCPTs that break the policy because they are external */
    uint64_t doubtful;                 /* not tried: may be text behind missing bytes, and the server didn't answer */
    uint64_t messages;                 /* taken for such ones that were accepted */
    uint64_t sessions;                 /* that were SMTP or on an SMTP port */
    uint64_t authenticated;            /* of these: tried to relay, and had logged in */
    uint64_t tls, unreadable;          /* of these: went into STARTTLS; no SMTP could be seen in them at all */
    uint64_t gaps;                     /* of these: with bytes missing, or without a beginning */
    uint64_t unjudged;                 /* connections and segments for which there was no room */
    uint64_t broken;                   /* captures that could not be read, or not to their end */
    uint64_t alerts[REASON_COUNT];
    bool servers_named;                /* only sessions of these were looked at */
    struct tally *clients, *domains;
};

RW_CHECK bool summary_start(struct summary *); /* false: out of memory */
void summary_stop(struct summary *);
void summary_event(struct summary *, const struct event *);

/* Does this event say that a recipient broke the policy by being external? (EVENT_RCPT and EVENT_REPLY) */
bool summary_offends(const struct event *);
/* And is it an attempt, or only what may be the text of a message behind missing bytes? An answer to it tells. */
bool summary_is_attempt(const struct event *);
/* "" for one, else "s" */
const char *summary_plural(uint64_t n);
uint64_t summary_alerts(const struct summary *);
enum summary_answer summary_answer(const struct summary *);
/* One line, without a line end. Says what the capture doesn't show, too. */
void summary_answer_text(const struct summary *, char *out, size_t room);
/* The `summary` event; NULL: out of memory. */
RW_CHECK json_t *summary_to_json(const struct summary *, const struct engine_counters *);
/* The entry's name as text: an address (clients are keyed by family and address) or a domain, escaped. */
void summary_client_text(const struct tally_entry *, char out[static 48]);

#endif
