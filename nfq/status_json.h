/* SPDX-License-Identifier: GPL-2.0-or-later */
/* status_json - what is known about the daemon as JSON, and that JSON as text for people. */
#ifndef RCPTWALL_STATUS_JSON_H
#define RCPTWALL_STATUS_JSON_H

#include "nfq/channel.h"
#include "nfq/supervisor.h"

#include <jansson.h>
#include <stdio.h>

struct status_facts {
    bool known; /* a summary has come */
    struct status_summary summary;
    struct status_queue queues[SUPERVISOR_QUEUES_MAX];
    uint32_t zone_count; /* 0: no DNS blocklists, or nothing was said of them yet */
    struct status_zone zones[DNSBL_ZONES_MAX];
    struct status_lookups lookups;
};

/* One line of JSON and a line feed, to be freed. NULL: out of memory. */
char *status_text(const struct status_facts *);
/* The same for people; o: what status_text's JSON says, from a daemon of the same or a later version. */
void status_print(FILE *out, const json_t *o);

#endif
