/* SPDX-License-Identifier: GPL-2.0-or-later */
/* firewall_nft - between the files that read nft's JSON (libnftables-json(5)); nobody else includes it. */
#ifndef RCPTWALL_FIREWALL_NFT_H
#define RCPTWALL_FIREWALL_NFT_H

#include "rules/firewall_internal.h"

#include <jansson.h>

struct nft_reader {
    struct firewall *firewall;
    json_t *all; /* the list of objects */
    const char *family, *table;
};

enum nft_field {
    FIELD_UNKNOWN,
    FIELD_SOURCE,
    FIELD_DESTINATION,
    FIELD_SOURCE_PORT,
    FIELD_DESTINATION_PORT,
    FIELD_PROTOCOL,
    FIELD_FAMILY,
    FIELD_STATE,
    FIELD_FLAGS,
    FIELD_INTERFACE,
    FIELD_META_MARK,
    FIELD_CT_MARK,
};

/* What a match looks at. */
struct nft_left {
    enum nft_field field;
    uint8_t family; /* of an address; 0: of no one family */
    uint32_t mask;  /* of marks and flags */
    bool masked;    /* an address, of which only the first `prefix` bits are compared */
    uint8_t prefix;
};

/* firewall_nft_match.c */
bool nft_is(const char *a, const char *b);
/* "": it isn't there, or no string. */
const char *nft_string(json_t *object, const char *key);
struct nft_left nft_left_of(json_t *expr);
/* Is it a mark, of the packet or of the connection? */
bool nft_is_mark(const struct nft_left *);
/* One value, no set; any_flag: any of these flags. */
void nft_match_one(const struct nft_reader *, const struct nft_left *, json_t *value, bool any_flag,
                   enum match on[PROBES]);
/* First and last address of one value: an address, a prefix or a range. false: it is none of these. */
RW_CHECK bool nft_address_range(json_t *value, struct ip_addr *low, struct ip_addr *high);
/* The elements of "@name" in the present table; NULL: filled by packets, or not there. */
json_t *nft_elements(const struct nft_reader *, const char *name);
/* A match statement, of which the rule then has the result. */
void nft_read_match(const struct nft_reader *, json_t *match, struct fw_rule *);

#endif
