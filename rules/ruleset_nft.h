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

#define NFT_SET_NAME (TAG_NAME_MAX + 32)
/* "nets4_inside"; "nets4in1_inside" for those that lie inside one network of another tag, and so on. */
void ruleset_nft_set_name(const struct config *, const struct planned *, char out[static NFT_SET_NAME]);
/* Do these two networks stand in one set? */
bool ruleset_nft_same_set(const struct planned *, const struct planned *);

#endif
