/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The DNS blocklists: their sections, and what they have in common. */
#include "rules/config_parts.h"

#include "nfq/dnsbl/resolver.h"
#include "rules/config_values.h"

#include <stdio.h>
#include <stdlib.h>

/* Beyond this a weight or a threshold is a typing error. */
#define WEIGHT_MOST 1000

static bool add_code(struct config_reader *r, int line, const char *word, void *ctx)
{
    struct dnsbl_zone *z = ctx;

    if (z->code_count == DNSBL_CODES_MAX)
        return config_fail(r, line, "codes: more than %d", DNSBL_CODES_MAX);
    if (!dnsbl_range_parse(word, &z->codes[z->code_count]))
        return config_fail(r, line,
                           "codes: '%s' is not an address of 127/8 such as 127.0.0.2, 127.0.0.4-11 or 127.0.1.0/24, "
                           "or reaches into the error codes (127.255.255.x)",
                           word);
    z->code_count++;
    return true;
}

/* config_read_zones empties the default list when the key is there. */
bool config_apply_codes(struct config_reader *r, const struct config_key *key, void *subject, const struct setting *s)
{
    (void)key;
    return config_each_word(r, s, add_code, subject);
}

/* A number with a sign, into an int32_t. */
bool config_apply_weight(struct config_reader *r, const struct config_key *key, void *subject, const struct setting *s)
{
    bool minus = s->text[0] == '-';
    uint64_t n;

    if (!config_count(s->text + minus, &n) || n > WEIGHT_MOST)
        return config_fail(r, s->line, "%s: '%s' is not a number from -%d to %d", key->name, s->text, WEIGHT_MOST,
                           WEIGHT_MOST);
    *(int32_t *)((char *)subject + key->at) = minus ? -(int32_t)n : (int32_t)n;
    return true;
}

/* Below 1, whom only a list of good senders has would be over it. */
bool config_apply_threshold(struct config_reader *r, const struct config_key *key, void *subject,
                            const struct setting *s)
{
    uint64_t n;

    if (!config_count(s->text, &n) || n < 1 || n > WEIGHT_MOST)
        return config_fail(r, s->line, "%s: '%s' is not a number from 1 to %d", key->name, s->text, WEIGHT_MOST);
    *(int32_t *)((char *)subject + key->at) = (int32_t)n;
    return true;
}

bool config_apply_resolver(struct config_reader *r, const struct config_key *key, void *subject,
                           const struct setting *s)
{
    struct config *c = subject;

    if (!resolver_servers_valid(s->text))
        return config_fail(r, s->line, "%s: '%s' is not ADDRESS, ADDRESS:PORT or [ADDRESS]:PORT", key->name, s->text);
    free(c->dnsbl.resolver);
    c->dnsbl.resolver = strdup(s->text);
    return c->dnsbl.resolver != NULL || config_fail(r, 0, "out of memory");
}

static bool add_exempt(struct config_reader *r, int line, const char *word, void *ctx)
{
    struct config *c = ctx;
    struct network n;

    if (!config_network(r, line, word, &n))
        return false;
    if (c->dnsbl.exempt_count == DNSBL_EXEMPT_MAX)
        return config_fail(r, line, "exempt: more than %d networks", DNSBL_EXEMPT_MAX);
    return dnsbl_config_exempt(&c->dnsbl, &n) || config_fail(r, 0, "out of memory");
}

bool config_apply_exempt(struct config_reader *r, const struct config_key *key, void *subject, const struct setting *s)
{
    (void)key;
    return config_each_word(r, s, add_exempt, subject);
}

static bool read_zone(struct config_reader *r, cfg_t *section)
{
    struct config *c = r->config;
    struct dnsbl_zone *z = &c->dnsbl.zones[c->dnsbl.zone_count];
    const char *title = cfg_title(section);

    dnsbl_zone_defaults(z);
    if (!dnsbl_zone_name(z, title))
        return config_fail(r, section->line, "dnsbl '%s': not a domain name of at most %d characters", title,
                           DNSBL_ZONE_NAME_MAX);
    for (size_t i = 0; i < c->dnsbl.zone_count; i++)
        if (strcmp(c->dnsbl.zones[i].name, z->name) == 0) /* libconfuse compares as written */
            return config_fail(r, section->line, "dnsbl %s is there twice", z->name);
    if (config_tree_count(section, "codes") > 0)
        z->code_count = 0;
    char where[DNSBL_ZONE_NAME_MAX + 8];
    snprintf(where, sizeof where, "dnsbl %s", z->name);
    r->section = where;
    bool good = config_apply(r, section, config_zone_keys, z);
    if (good && !z->ipv4 && !z->ipv6)
        good = config_fail(r, section->line, "neither ipv4 nor ipv6: it would never be asked");
    r->section = "";
    memcpy(c->policy->lists[c->dnsbl.zone_count], z->name, strlen(z->name) + 1);
    c->dnsbl.zone_count++;
    return good;
}

bool config_read_zones(struct config_reader *r, cfg_t *root)
{
    size_t count = config_tree_count(root, "dnsbl");

    for (size_t i = 0; i < count; i++) {
        cfg_t *section = cfg_getnsec(root, "dnsbl", (unsigned)i);
        if (i == DNSBL_ZONES_MAX)
            return config_fail(r, section->line, "dnsbl: more than %d zones", DNSBL_ZONES_MAX);
        if (!read_zone(r, section))
            return false;
    }
    return true;
}
