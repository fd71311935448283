/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Any text is a configuration that makes sense, or is refused with a message that
 * names it. Whatever is accepted has printable rules.
 */
#include "rules/config.h"
#include "rules/ruleset.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool so)
{
    if (!so)
        abort();
}

static void check_error(const char *error)
{
    require(strncmp(error, "fuzz.conf:", 10) == 0);
    for (const char *at = error; *at != '\0'; at++)
        require((unsigned char)*at >= 0x20 && *at != 0x7f);
}

static void check_policy(const struct policy *p)
{
    require(p->outside >= 1 && p->outside <= TAGS_MAX && strcmp(p->tags[p->outside].name, "outside") == 0);
    for (int v = 1; v <= TAGS_MAX; v++) {
        const struct policy_tag *tag = &p->tags[v];
        for (int reason = REASON_NONE + 1; tag->name[0] != '\0' && reason < REASON_COUNT; reason++)
            require(tag->on[reason] >= ACTION_ACCEPT && tag->on[reason] <= ACTION_BAN);
        for (int other = 1; other < v; other++)
            require(tag->name[0] == '\0' || strcmp(tag->name, p->tags[other].name) != 0);
    }
    for (size_t i = 0; i < p->network_count; i++) {
        const struct network *n = &p->networks[i];
        require(n->tag >= 1 && n->tag <= TAGS_MAX && p->tags[n->tag].name[0] != '\0');
        require(n->prefix <= (n->addr.family == 4 ? 32 : 128));
    }
}

static void check_config(const struct config *c)
{
    struct marks again;

    check_policy(c->policy);
    require(marks_of_mask(c->marks.mask, &again));
    require(c->queue_first <= c->queue_last);
    require(c->on_failure == FAIL_CLOSED || c->on_failure == FAIL_OPEN);
    require(c->engine.port_count <= 15);
    for (size_t i = 0; i < c->engine.port_count; i++)
        require(c->engine.ports[i] != 0);
    require(c->engine.max_flows > 0 && c->engine.stream_block_limit <= c->engine.stream_blocks);
    require(c->engine.smtp.line_max <= SMTP_LINE_MAX_HIGHEST);
    require(c->engine.idle_ns > 0 && c->engine.handshake_ns > 0 && c->engine.closed_ns > 0);
}

static void check_rules(const struct config *c)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);

    require(out != NULL);
    require(ruleset_print_nft(c, out));
    require(ruleset_print_iptables(c, out));
    require(fclose(out) == 0 && len > 0);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char file[] = "domains-file";
    struct config c;
    char error[256] = "";

    if (size > 8192 || memmem(data, size, file, sizeof(file) - 1) != NULL) /* no reading about on this machine */
        return 0;
    char *text = malloc(size + (size == 0)); /* exactly as long as the input */
    require(text != NULL);
    if (size > 0)
        memcpy(text, data, size);
    if (config_read_text(&c, "fuzz.conf", text, size, error, sizeof(error))) {
        check_config(&c);
        check_rules(&c);
    } else {
        check_error(error);
        require(c.policy == NULL);
    }
    config_free(&c);
    free(text);
    return 0;
}
