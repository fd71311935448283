/* SPDX-License-Identifier: GPL-2.0-or-later */
/* config_parts - what the config*.c files share. Others include rules/config.h. */
#ifndef RCPTWALL_CONFIG_PARTS_H
#define RCPTWALL_CONFIG_PARTS_H

#include "rules/config_tree.h"

#define CONFIG_NETWORKS_MAX 4096
/* iptables' multiport takes 15. */
#define CONFIG_PORTS_MAX    (ENGINE_PORTS_MAX < 15 ? ENGINE_PORTS_MAX : 15)

extern const struct config_key config_tag_keys[], config_zone_keys[];

/* config_tags.c: the tag sections, then the networks that name them. */
RW_CHECK bool config_read_tags(struct config_reader *, cfg_t *root);
RW_CHECK bool config_read_networks(struct config_reader *, cfg_t *root);

/* config_dnsbl.c: the dnsbl sections; and as struct config_key's apply. */
RW_CHECK bool config_read_zones(struct config_reader *, cfg_t *root);
bool config_apply_codes(struct config_reader *, const struct config_key *, void *subject, const struct setting *);
bool config_apply_weight(struct config_reader *, const struct config_key *, void *subject, const struct setting *);
bool config_apply_threshold(struct config_reader *, const struct config_key *, void *subject, const struct setting *);
bool config_apply_resolver(struct config_reader *, const struct config_key *, void *subject, const struct setting *);
bool config_apply_exempt(struct config_reader *, const struct config_key *, void *subject, const struct setting *);

/* config_domains.c, as struct config_key's apply. */
bool config_apply_domain(struct config_reader *, const struct config_key *, void *subject, const struct setting *);
bool config_apply_domain_file(struct config_reader *, const struct config_key *, void *subject, const struct setting *);
bool config_apply_own_address(struct config_reader *, const struct config_key *, void *subject, const struct setting *);
bool config_apply_server(struct config_reader *, const struct config_key *, void *subject, const struct setting *);

/*
 * One address or prefix, as it stands in a setting. false: config_fail was called
 * (not an address; bits set behind the prefix).
 */
RW_CHECK bool config_network(struct config_reader *, int line, const char *text, struct network *out);

/* Calls each for every word of a setting that may hold several, separated by blanks or commas. */
RW_CHECK bool config_each_word(struct config_reader *, const struct setting *,
                               bool (*each)(struct config_reader *, int line, const char *word, void *ctx), void *ctx);

#endif
