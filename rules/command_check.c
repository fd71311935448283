/* SPDX-License-Identifier: GPL-2.0-or-later */
/* rcptwall check: reads the configuration as `run` would, and says what it means. */
#include "rules/command_check_start.h"
#include "rules/command_options.h"
#include "rules/commands.h"
#include "rules/config.h"
#include "rules/explain.h"
#include "rules/firewall.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>

static const char help[] = "Usage: rcptwall check [-c FILE] [--explain TAG | --no-firewall]\n"
                           "Reads the configuration as `rcptwall run` would, and says what it means and what is\n"
                           "doubtful about it. Walks packets through the firewall rules that are in force, and\n"
                           "says where those miss the queue, pass it by, or disagree with the configuration;\n"
                           "and whether they are what `rcptwall rules` would print for it now.\n"
                           "\n"
                           "  -c, --config FILE     the configuration (" CONFIG_PATH ")\n"
                           "      --explain TAG     say instead, in words, what happens to a session with that tag\n"
                           "      --no-firewall     don't look at the firewall\n"
                           "  -h, --help            this text\n"
                           "\n"
                           "Rules from files instead of those in force (of another machine, say):\n"
                           "      --nft-json FILE       what `nft -j list ruleset` printed\n"
                           "      --iptables-save FILE  what iptables-save printed\n"
                           "      --ip6tables-save FILE what ip6tables-save printed\n"
                           "\n"
                           "Exit status: 0 usable (warnings go to stderr), 2 not usable: FILE:LINE: message, or\n"
                           "FILE: message where only this machine is against it (no such user, no such folder).\n";

struct options {
    const char *config, *explain;
    const char *nft, *iptables, *ip6tables; /* files */
    bool no_firewall, help;
};

/* As the configuration says it: two keys have words of their own for accepting. */
static const char *word_of(enum reason reason, enum action action)
{
    if (action == ACTION_ACCEPT && reason == REASON_MIDSTREAM)
        return "pass";
    if (action == ACTION_ACCEPT && reason == REASON_STARTTLS)
        return "allow";
    return action_name(action);
}

static void print_tag(const struct policy *p, uint8_t value)
{
    const struct policy_tag *tag = &p->tags[value];

    printf("  tag %s (%d):", tag->name, value);
    for (int reason = REASON_NONE + 1; reason < REASON_COUNT; reason++) {
        if (reason != REASON_CONDEMNED && (reason != REASON_DNSBL || p->lists[0][0] != '\0'))
            printf(" %s=%s", reason_name((enum reason)reason), word_of((enum reason)reason, tag->on[reason]));
    }
    if (p->lists[0][0] != '\0')
        printf(" dnsbl-threshold=%" PRId32 " dnsbl-unknown=%s", tag->dnsbl_threshold, action_name(tag->dnsbl_unknown));
    printf(" authenticated=%s", tag->exempt_authenticated ? "exempt" : "judge");
    printf(" rcpt-limit=%" PRIu32 "\n", tag->rcpt_limit);
    if (tag->ban_after > 0)
        printf("    banned after %" PRIu32 " offences for %" PRIu32 " s\n", tag->ban_after, tag->ban_for_s);
    printf("    clients:");
    explain_clients(p, value, stdout);
}

static void print_zones(const struct dnsbl_config *d)
{
    if (d->zone_count > 0)
        printf("\n  DNS blocklists: asked of %s", d->resolver != NULL ? d->resolver : "the system's resolver");
    for (size_t i = 0; i < d->zone_count; i++)
        printf("\n    %s: weight=%" PRId32 " ipv4=%s ipv6=%s", d->zones[i].name, d->zones[i].weight,
               d->zones[i].ipv4 ? "yes" : "no", d->zones[i].ipv6 ? "yes" : "no");
}

static void print_summary(const struct config *c)
{
    printf("  mode: %s\n", c->policy->enforce ? "enforce" : "monitor (reports what it would do)");
    printf("  on failure: %s\n", c->on_failure == FAIL_OPEN ? "open (SMTP passes unguarded while the daemon is away)"
                                                            : "closed (no SMTP while the daemon is away)");
    printf("  local domains: %zu\n", domain_set_size(c->policy->local));
    printf("  servers:");
    for (size_t i = 0; i < c->server_count; i++)
        explain_network(&c->servers[i], stdout);
    printf("%s\n  ports:", c->server_count == 0 ? " every address" : "");
    for (size_t i = 0; i < c->engine.port_count; i++)
        printf(" %d", c->engine.ports[i]);
    printf("\n  hooks:%s%s%s", (c->hooks & HOOK_FORWARD) != 0 ? " forward" : "",
           (c->hooks & HOOK_INPUT) != 0 ? " input" : "", (c->hooks & HOOK_BRIDGE) != 0 ? " bridge" : "");
    print_zones(&c->dnsbl);
    printf("\n  queues: %d", c->queue_first);
    if (c->queue_last != c->queue_first)
        printf(" to %d", c->queue_last);
    printf(", mark mask 0x%08" PRIx32 "\n", c->marks.mask);
    for (uint8_t value = 1; value <= TAGS_MAX; value++)
        if (c->policy->tags[value].name[0] != '\0')
            print_tag(c->policy, value);
}

static void warn(const char *path, const char *text)
{
    fprintf(stderr, "%s: warning: %s\n", path, text);
}

/* A tag that asks, and for which no sum of weights is ever enough. */
static void warn_never_listed(const struct config *c, const char *path)
{
    char text[TAG_NAME_MAX + 128];
    int32_t most = 0;

    for (size_t i = 0; i < c->dnsbl.zone_count; i++)
        most += c->dnsbl.zones[i].weight > 0 ? c->dnsbl.zones[i].weight : 0;
    for (unsigned i = 1; i <= TAGS_MAX && c->dnsbl.zone_count > 0; i++) {
        const struct policy_tag *tag = &c->policy->tags[i];
        if (tag->name[0] == '\0' || tag->on[REASON_DNSBL] == ACTION_ACCEPT || tag->dnsbl_threshold <= most)
            continue;
        snprintf(text, sizeof text,
                 "tag %s: dnsbl-threshold = %" PRId32 ": the weights of all lists together are %" PRId32
                 ", so nobody is listed",
                 tag->name, tag->dnsbl_threshold, most);
        warn(path, text);
    }
}

static void print_warnings(const struct config *c, const char *path)
{
    if (c->policy->enforce && c->on_failure == FAIL_OPEN)
        warn(path, "on-failure = open: whenever the daemon is dead, slow or full, SMTP passes unguarded");
    if (domain_set_size(c->policy->local) == 0)
        warn(path, "no local-domains: every recipient with a domain counts as external");
    if (c->policy->network_count == 0)
        warn(path, "no networks: every client counts as outside");
    warn_never_listed(c, path);
}

static void refuse(void *ctx, const char *text)
{
    fprintf(stderr, "%s: %s\n", (const char *)ctx, text);
}

static void warn_elsewhere(void *ctx, const char *text)
{
    warn(ctx, text);
}

/* Whoever brings the rules of another machine asks about that one. */
static bool elsewhere(const struct options *o)
{
    return o->nft != NULL || o->iptables != NULL || o->ip6tables != NULL;
}

static void warn_about_rules(void *ctx, const char *text)
{
    fprintf(stderr, "%s: warning: firewall: %s\n", (const char *)ctx, text);
}

static void note_unseen(void *ctx, const char *text)
{
    fprintf(stderr, "%s: note: firewall not looked at: %s\n", (const char *)ctx, text);
}

/* false: one line was printed. */
static bool load_rules(const char *path, char **out)
{
    const char *why = NULL;

    if (path == NULL)
        return true;
    *out = firewall_load(path, &why);
    if (*out == NULL)
        fprintf(stderr, "rcptwall check: %s: %s\n", path, why);
    return *out != NULL;
}

/* false: a file with rules can't be read. */
static bool check_rules(const struct config *c, const struct options *o)
{
    struct firewall_text text = {.nft = NULL};
    void *name = (void *)(uintptr_t)o->config;
    bool good = true;

    if (o->no_firewall)
        return true;
    if (!elsewhere(o))
        firewall_ask(&text, &(struct firewall_sink){note_unseen, name});
    else
        good = load_rules(o->nft, &text.nft) && load_rules(o->iptables, &text.iptables) &&
               load_rules(o->ip6tables, &text.ip6tables);
    if (good)
        firewall_check(c, &text, &(struct firewall_sink){warn_about_rules, name});
    firewall_text_free(&text);
    return good;
}

enum long_option {
    OPTION_EXPLAIN = 256,
    OPTION_NO_FIREWALL,
    OPTION_NFT,
    OPTION_IPTABLES,
    OPTION_IP6TABLES,
};

static bool read_options(int argc, char **argv, struct options *o)
{
    static const struct option known[] = {
        {"config", required_argument, NULL, 'c'},
        {"explain", required_argument, NULL, OPTION_EXPLAIN},
        {"no-firewall", no_argument, NULL, OPTION_NO_FIREWALL},
        {"nft-json", required_argument, NULL, OPTION_NFT},
        {"iptables-save", required_argument, NULL, OPTION_IPTABLES},
        {"ip6tables-save", required_argument, NULL, OPTION_IP6TABLES},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int got;

    *o = (struct options){.config = CONFIG_PATH};
    optind = 0; /* a subcommand's argv is a new one: glibc's way to say it */
    opterr = 0;
    while ((got = getopt_long(argc, argv, ":c:h", known, NULL)) != -1) {
        switch (got) {
        case 'c':
            o->config = optarg;
            break;
        case OPTION_EXPLAIN:
            o->explain = optarg;
            break;
        case OPTION_NO_FIREWALL:
            o->no_firewall = true;
            break;
        case OPTION_NFT:
            o->nft = optarg;
            break;
        case OPTION_IPTABLES:
            o->iptables = optarg;
            break;
        case OPTION_IP6TABLES:
            o->ip6tables = optarg;
            break;
        case 'h':
            o->help = true;
            return true;
        default:
            return command_bad_option("check", got, argv, known);
        }
    }
    return optind == argc || command_bad_argument("check", argv[optind], true);
}

/* The exit status. */
static int check(const struct config *c, const struct options *o)
{
    if (o->explain != NULL) {
        if (explain_tag(c, o->explain, stdout))
            return 0;
        fprintf(stderr, "rcptwall check: %s has no tag '%s'\n", o->config, o->explain);
        return 2;
    }
    bool far = elsewhere(o);
    size_t refused = command_check_start(c, far ? warn_elsewhere : refuse, (void *)(uintptr_t)o->config);
    bool good = far || refused == 0;
    printf("%s: %s\n", o->config, good ? "ok" : "rcptwall run would refuse it here");
    print_summary(c);
    print_warnings(c, o->config);
    if (!far)
        command_check_later(c, o->config, warn_elsewhere, (void *)(uintptr_t)o->config);
    return check_rules(c, o) && good ? 0 : 2;
}

int command_check(int argc, char **argv)
{
    struct config config;
    struct options o;
    char error[512];

    if (!read_options(argc, argv, &o))
        return 2;
    if (o.help) {
        fputs(help, stdout);
        return 0;
    }
    if (!config_read(&config, o.config, error, sizeof(error)) || !config_seal(&config, error, sizeof(error))) {
        fprintf(stderr, "%s\n", error);
        config_free(&config);
        return 2;
    }
    int status = check(&config, &o);
    config_free(&config);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "rcptwall check: can't write: %s\n", strerror(errno));
        return 2;
    }
    return status;
}
