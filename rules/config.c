/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/config.h"

#include "kmod-free/stream.h"
#include "rules/config_parts.h"
#include "rules/config_text.h"

#include <assert.h>
#include <stdlib.h>
#include <syslog.h>

bool config_defaults(struct config *c)
{
    *c = (struct config){
        .policy = policy_new(),
        .on_failure = FAIL_OPEN, /* policy_new's mode is monitor */
        .hooks = HOOK_FORWARD,
        .queue_maxlen = 4096,
        .syslog_facility = LOG_MAIL,
        .syslog_level = LOG_WARNING,
        .alert_interval_ns = 60 * NS_PER_S,
    };
    engine_config_defaults(&c->engine);
    dnsbl_config_defaults(&c->dnsbl);
    bool good = marks_of_mask(MARK_MASK_DEFAULT, &c->marks);
    assert(good);
    return c->policy != NULL;
}

void config_free(struct config *c)
{
    policy_free(c->policy);
    free(c->event_file);
    free(c->control_socket);
    free(c->control_group);
    free(c->user);
    free(c->enforce_at);
    dnsbl_config_free(&c->dnsbl);
    *c = (struct config){0};
}

/* The line of a key's last value; 0 where it has none. */
static int line_of(cfg_t *section, const char *key)
{
    size_t count = config_tree_count(section, key);

    return count > 0 ? config_tree_get(section, key, count - 1)->line : 0;
}

/* What only shows when two keys are looked at together. */
static bool check_limits(struct config_reader *r, cfg_t *limits)
{
    const struct engine_config *e = &r->config->engine;
    int line = line_of(limits, "stream-memory");

    if (e->stream_block_limit > e->stream_blocks)
        return config_fail(r, line > 0 ? line : line_of(limits, "memory"), "stream-memory is larger than memory");
    if ((uint64_t)e->stream_block_limit * STREAM_BLOCK < 2 * (uint64_t)e->smtp.line_max)
        return config_fail(r, line > 0 ? line : line_of(limits, "line-length"),
                           "stream-memory holds less than two lines of line-length");
    return true;
}

static bool check_dns(struct config_reader *r, cfg_t *dns)
{
    int line = line_of(dns, "ttl-least");

    return r->config->dnsbl.ttl_least_ns <= r->config->dnsbl.ttl_most_ns ||
           config_fail(r, line > 0 ? line : line_of(dns, "ttl-most"), "ttl-least is larger than ttl-most");
}

static bool apply_section(struct config_reader *r, cfg_t *root, const struct config_section *s)
{
    cfg_t *section = *s->name == '\0' ? root : cfg_getsec(root, s->name);

    r->section = s->name;
    bool good = config_apply(r, section, s->keys, r->config);
    r->section = "";
    return good;
}

static bool apply_all(struct config_reader *r, cfg_t *root)
{
    struct config *c = r->config;

    if (!config_read_tags(r, root) || !config_read_networks(r, root) || !config_read_zones(r, root))
        return false;
    if (config_tree_count(root, "ports") > 0)
        c->engine.port_count = 0;
    if (config_tree_count(root, "hooks") > 0)
        c->hooks = 0;
    for (const struct config_section *s = config_sections; s->name != NULL; s++)
        if (!s->titled && !s->learns && !apply_section(r, root, s))
            return false;
    if (config_tree_count(root, "on-failure") == 0)
        c->on_failure = c->policy->enforce ? FAIL_CLOSED : FAIL_OPEN;
    r->section = "limits";
    bool good = check_limits(r, cfg_getsec(root, "limits"));
    r->section = "dns";
    good = good && check_dns(r, cfg_getsec(root, "dns"));
    r->section = "";
    return good;
}

bool config_read_text(struct config *c, const char *path, char *text, size_t len, char *error, size_t room)
{
    struct config_reader r = {.config = c, .path = path, .section = "", .error = error, .room = room};
    int line;
    bool good = false;

    if (!config_defaults(c)) {
        (void)config_fail(&r, 0, "out of memory");
        config_free(c);
        return false;
    }
    const char *wrong = config_text_tidy(text, len, &line);
    if (wrong != NULL) {
        (void)config_fail(&r, line, "%s", wrong);
    } else {
        r.text = text;
        r.len = len;
        cfg_t *root = config_tree_read(&r, text, len);
        good = root != NULL && apply_all(&r, root);
        if (root != NULL)
            cfg_free(root);
    }
    if (!good)
        config_free(c);
    return good;
}

bool config_read(struct config *c, const char *path, char *error, size_t room)
{
    struct config_reader r = {.config = c, .path = path, .section = "", .error = error, .room = room};
    size_t len = 0;
    const char *why = NULL;
    char *text = config_load(path, SOURCE_ANY_STREAM, CONFIG_TEXT_MAX, &len, &why);

    *c = (struct config){0};
    if (text == NULL)
        return config_fail(&r, 0, "%s", why);
    bool good = config_read_text(c, path, text, len, error, room);
    free(text);
    return good;
}

bool config_seal(struct config *c, char *error, size_t room)
{
    struct config_reader r = {
        .config = c,
        .path = c->enforce_at != NULL ? c->enforce_at : "configuration",
        .section = "",
        .error = error,
        .room = room,
    };

    assert(c->policy != NULL);
    if (c->policy->enforce && domain_set_size(c->policy->local) <= c->own_address_count)
        return config_fail(&r, 0, "mode = enforce needs local-domains: without one, all mail to anybody is external");
    for (size_t i = 0; i < c->server_count; i++)
        if (!policy_add_server(c->policy, &c->servers[i]))
            return config_fail(&r, 0, "out of memory");
    if (!domain_set_seal(c->policy->local))
        return config_fail(&r, 0, "out of memory");
    return true;
}
