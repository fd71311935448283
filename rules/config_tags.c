/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tag sections and the networks that name them. */
#include "rules/config_parts.h"

#include "rules/config_values.h"

#include <stdio.h>

/* How a tag section begins. */
struct tag_head {
    cfg_t *section;
    const char *name;
    int line;      /* of its value, or of its end where it has none */
    uint8_t value; /* 0: it doesn't say */
};

/* Names become names of nftables sets and words of log lines. */
static bool name_usable(const char *name)
{
    size_t len = strlen(name);

    if (len == 0 || len >= TAG_NAME_MAX || name[0] < 'a' || name[0] > 'z')
        return false;
    return strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-") == len;
}

static uint8_t value_of_name(const struct policy *p, const char *name)
{
    for (uint8_t v = 1; v <= TAGS_MAX; v++)
        if (strcmp(p->tags[v].name, name) == 0)
            return v;
    return 0;
}

static bool read_head(struct config_reader *r, cfg_t *section, struct tag_head *head)
{
    const struct setting *s = config_tree_get(section, "value", 0);
    uint64_t value = 0;

    *head = (struct tag_head){.section = section, .name = cfg_title(section), .line = section->line};
    if (!name_usable(head->name))
        return config_fail(r, head->line, "tag '%s': a name is 1 to %d of a-z 0-9 _ and -, and begins with a letter",
                           head->name, TAG_NAME_MAX - 1);
    if (s == NULL)
        return true;
    if (!config_count(s->text, &value) || value < 1 || value > TAGS_MAX)
        return config_fail(r, s->line, "tag %s: value: '%s' is not a number from 1 to %d", head->name, s->text,
                           TAGS_MAX);
    head->value = (uint8_t)value;
    head->line = s->line;
    return true;
}

/* Puts each tag where its value says; a built-in tag that isn't mentioned, or says no value, stays where it is. */
static bool place_tags(struct config_reader *r, struct tag_head *heads, size_t count)
{
    struct policy *p = r->config->policy;
    struct policy_tag builtin[TAGS_MAX + 1], model = p->tags[p->outside];
    char outside[TAG_NAME_MAX];

    memcpy(outside, model.name, sizeof(outside));
    memcpy(builtin, p->tags, sizeof(builtin));
    for (size_t i = 0; i < count; i++) {
        uint8_t old = value_of_name(p, heads[i].name);
        if (heads[i].value == 0)
            heads[i].value = old;
        if (heads[i].value == 0)
            return config_fail(r, heads[i].line, "tag %s: has no value (1 to %d)", heads[i].name, TAGS_MAX);
        if (old != 0)
            p->tags[old] = (struct policy_tag){0};
    }
    for (size_t i = 0; i < count; i++) {
        struct policy_tag *to = &p->tags[heads[i].value];
        if (to->name[0] != '\0')
            return config_fail(r, heads[i].line, "tag %s: value %d is the value of tag %s", heads[i].name,
                               heads[i].value, to->name);
        *to = model;
        for (uint8_t v = 1; v <= TAGS_MAX; v++)
            if (strcmp(builtin[v].name, heads[i].name) == 0)
                *to = builtin[v];
        snprintf(to->name, sizeof(to->name), "%s", heads[i].name);
    }
    p->outside = value_of_name(p, outside);
    return true;
}

bool config_read_tags(struct config_reader *r, cfg_t *root)
{
    struct tag_head heads[TAGS_MAX];
    size_t count = config_tree_count(root, "tag");
    char section[TAG_NAME_MAX + 8];

    for (size_t i = 0; i < count; i++) {
        cfg_t *tag = cfg_getnsec(root, "tag", (unsigned)i);
        if (i == TAGS_MAX)
            return config_fail(r, tag->line, "tag '%s': there can't be more than %d tags", cfg_title(tag), TAGS_MAX);
        if (!read_head(r, tag, &heads[i]))
            return false;
    }
    if (!place_tags(r, heads, count))
        return false;
    for (size_t i = 0; i < count; i++) {
        snprintf(section, sizeof(section), "tag %s", heads[i].name);
        r->section = section;
        bool good = config_apply(r, heads[i].section, config_tag_keys, &r->config->policy->tags[heads[i].value]);
        r->section = "";
        if (!good)
            return false;
    }
    return true;
}

static bool same_network(const struct network *a, const struct network *b)
{
    return a->prefix == b->prefix && ip_addr_equal(&a->addr, &b->addr);
}

static bool add_network(struct config_reader *r, int line, const char *word, void *ctx)
{
    struct policy *p = r->config->policy;
    struct network network = {0};
    uint8_t tag = *(const uint8_t *)ctx;

    if (!config_network(r, line, word, &network))
        return false;
    network.tag = tag;
    for (size_t i = 0; i < p->network_count; i++) {
        const struct network *other = &p->networks[i];
        if (same_network(other, &network))
            return other->tag == tag ? config_fail(r, line, "%s is there twice", word)
                                     : config_fail(r, line, "%s is tagged %s already", word, p->tags[other->tag].name);
    }
    if (p->network_count == CONFIG_NETWORKS_MAX)
        return config_fail(r, line, "more than %d networks", CONFIG_NETWORKS_MAX);
    return policy_add_network(p, &network) || config_fail(r, 0, "out of memory");
}

/* All options of the section are lists that config_tree has learnt: names of tags, or what should be. */
bool config_read_networks(struct config_reader *r, cfg_t *root)
{
    cfg_t *section = cfg_getsec(root, "networks");
    unsigned keys = section != NULL ? cfg_num(section) : 0;

    r->section = "networks";
    for (unsigned k = 0; k < keys; k++) {
        const char *name = cfg_opt_name(cfg_getnopt(section, k));
        uint8_t tag = value_of_name(r->config->policy, name);
        size_t count = config_tree_count(section, name);
        for (size_t i = 0; i < count; i++) {
            const struct setting *s = config_tree_get(section, name, i);
            if (tag == 0)
                return config_fail(r, s->line, "there is no tag '%s'", name);
            if (!config_each_word(r, s, add_network, &tag))
                return false;
        }
        if (tag == 0) /* an empty list has no line */
            return config_fail(r, 0, "there is no tag '%s'", name);
    }
    r->section = "";
    return true;
}
