/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ruleset_plan - the networks of a configuration, in the order in which rules can try
 * them so that the first match is the longest prefix, as policy_tag_for has it.
 *
 * Two prefixes either have nothing in common or one contains the other, and then it
 * is the longer one that counts, so longer prefixes come first. A network directly inside
 * one of the same tag says nothing new and is left out.
 */
#ifndef RCPTWALL_RULESET_PLAN_H
#define RCPTWALL_RULESET_PLAN_H

#include "rules/config.h"

#include <stdio.h>

struct planned {
    struct network network;
};

struct ruleset_plan {
    struct planned *networks; /* IPv4 first, of each family the longest prefix; then by tag and address */
    size_t network_count;
    struct planned *servers; /* in the same order; none contains another */
    size_t server_count;
    bool all_servers; /* none was named: every address is one */
};

/* false: out of memory. */
RW_CHECK bool ruleset_plan_make(struct ruleset_plan *, const struct config *);
void ruleset_plan_free(struct ruleset_plan *);
/* The first that differs from this one in family, length or tag; or the end. */
const struct planned *ruleset_plan_next_group(const struct planned *, const struct planned *end);
/* Is there a server of this family (4 or 6) to be protected? */
bool ruleset_plan_serves(const struct ruleset_plan *, uint8_t family);

/* Does any tag ban clients? */
bool ruleset_plan_bans(const struct config *);

#define NETWORK_TEXT 64
/* "192.0.2.0/24"; an address alone without its full prefix. */
void ruleset_network_text(const struct network *, char out[static NETWORK_TEXT]);
/* "25, 587" */
void ruleset_print_ports(const struct config *, const char *separator, FILE *out);

#endif
