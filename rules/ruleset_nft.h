/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ruleset_nft - between the files of the nftables form; nobody else includes it. */
#ifndef RCPTWALL_RULESET_NFT_H
#define RCPTWALL_RULESET_NFT_H

#include "rules/ruleset.h"
#include "rules/ruleset_plan.h"

/* One table: inet for the hooks forward and input, bridge for a transparent gateway. */
struct nft_table {
    const struct config *config;
    const struct ruleset_plan *plan;
    bool bridge;
    const char *made_from;
    FILE *out;
};

/* ruleset_nft_sets.c: what the rules look things up in. */
void ruleset_nft_print_sets(const struct nft_table *);

/* Hexadecimal digits of a digest, and a NUL. */
#define RULESET_DIGEST 17

/* "ip daddr", or "ip daddr & 255.255.255.0" for networks: what is looked up in the list of that name. */
void ruleset_nft_print_addresses(const struct network *, const char *side, FILE *);
/* "hosts4_inside", or "nets4_24_inside" for networks of 24 bits; without a tag (NULL) "servers4" or "servers4_24". */
void ruleset_nft_print_name(const char *tag, const struct network *, FILE *);

/* The set of banned addresses; %d is the family. Never another one: it outlives the rules. */
#define NFT_BANNED_SET "type ipv%d_addr; flags dynamic, timeout; size 65536;"

#endif
