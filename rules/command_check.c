/* SPDX-License-Identifier: GPL-2.0-or-later */
/* rcptwall check: reads the configuration as `run` would, and says what it means. */
#include "rules/command_options.h"
#include "rules/commands.h"
#include "rules/config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>

static const char help[] = "Usage: rcptwall check [-c FILE]\n"
                           "Reads the configuration as `rcptwall run` would, and says what it means and what is\n"
                           "doubtful about it.\n"
                           "\n"
                           "  -c, --config FILE  the configuration (" CONFIG_PATH ")\n"
                           "  -h, --help         this text\n"
                           "\n"
                           "Exit status: 0 usable (warnings go to stderr), 2 not usable: FILE:LINE: message.\n";

static void print_network(const struct network *n)
{
    bool v4 = n->addr.family == 4;
    char addr[INET6_ADDRSTRLEN] = "";

    (void)inet_ntop(v4 ? AF_INET : AF_INET6, n->addr.at, addr, sizeof(addr));
    if (n->prefix == (v4 ? 32 : 128))
        printf(" %s", addr);
    else
        printf(" %s/%d", addr, n->prefix);
}

/* As the configuration says it: two keys have words of their own for accepting. */
static const char *word_of(enum reason reason, enum action action)
{
    if (action == ACTION_ACCEPT && reason == REASON_MIDSTREAM)
        return "pass";
    if (action == ACTION_ACCEPT && reason == REASON_STARTTLS)
        return "allow";
    return action_name(action);
}

/* Names on one line as many as people read. */
#define NETWORKS_SHOWN 8

static void print_tag(const struct policy *p, uint8_t value)
{
    const struct policy_tag *tag = &p->tags[value];
    size_t shown = 0, all = 0;

    printf("  tag %s (%d):", tag->name, value);
    for (int reason = REASON_NONE + 1; reason < REASON_COUNT; reason++) {
        if (reason != REASON_DNSBL && reason != REASON_CONDEMNED)
            printf(" %s=%s", reason_name((enum reason)reason), word_of((enum reason)reason, tag->on[reason]));
    }
    printf(" authenticated=%s", tag->exempt_authenticated ? "exempt" : "judge");
    printf(" rcpt-limit=%" PRIu32 "\n", tag->rcpt_limit);
    printf("    clients:");
    for (size_t i = 0; i < p->network_count; i++) {
        if (p->networks[i].tag != value)
            continue;
        all++;
        if (shown < NETWORKS_SHOWN) {
            print_network(&p->networks[i]);
            shown++;
        }
    }
    if (all > shown)
        printf(" and %zu more", all - shown);
    if (value == p->outside)
        printf("%s everybody else", all > 0 ? " and" : "");
    else if (all == 0)
        printf(" none (only those that the firewall tags itself)");
    printf("\n");
}

static void print_summary(const struct config *c)
{
    printf("  mode: %s\n", c->policy->enforce ? "enforce" : "monitor (reports what it would do)");
    printf("  on failure: %s\n", c->on_failure == FAIL_OPEN ? "open (SMTP passes unguarded while the daemon is away)"
                                                            : "closed (no SMTP while the daemon is away)");
    printf("  local domains: %zu\n", domain_set_size(c->policy->local));
    printf("  servers:");
    for (size_t i = 0; i < c->server_count; i++)
        print_network(&c->servers[i]);
    printf("%s\n  ports:", c->server_count == 0 ? " every address" : "");
    for (size_t i = 0; i < c->engine.port_count; i++)
        printf(" %d", c->engine.ports[i]);
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

static void print_warnings(const struct config *c, const char *path)
{
    if (c->policy->enforce && c->on_failure == FAIL_OPEN)
        warn(path, "on-failure = open: whenever the daemon is dead, slow or full, SMTP passes unguarded");
    if (domain_set_size(c->policy->local) == 0)
        warn(path, "no local-domains: every recipient with a domain counts as external");
    if (c->policy->network_count == 0)
        warn(path, "no networks: every client counts as outside");
    if (c->user != NULL && getpwnam(c->user) == NULL)
        warn(path, "user: there is no such user here");
}

/* NULL: *status says how to end. */
static const char *read_options(int argc, char **argv, int *status)
{
    static const struct option known[] = {
        {"config", required_argument, NULL, 'c'}, {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
    const char *path = CONFIG_PATH;
    int got;

    *status = 2;
    optind = 0; /* a subcommand's argv is a new one: glibc's way to say it */
    opterr = 0;
    while ((got = getopt_long(argc, argv, ":c:h", known, NULL)) != -1) {
        switch (got) {
        case 'c':
            path = optarg;
            break;
        case 'h':
            fputs(help, stdout);
            *status = 0;
            return NULL;
        default:
            command_bad_option("check", got, argv);
            return NULL;
        }
    }
    if (optind < argc) {
        command_bad_argument("check", argv[optind]);
        return NULL;
    }
    return path;
}

int command_check(int argc, char **argv)
{
    struct config config;
    char error[512];
    int status;
    const char *path = read_options(argc, argv, &status);

    if (path == NULL)
        return status;
    if (!config_read(&config, path, error, sizeof(error)) || !config_seal(&config, error, sizeof(error))) {
        fprintf(stderr, "%s\n", error);
        config_free(&config);
        return 2;
    }
    printf("%s: ok\n", path);
    print_summary(&config);
    print_warnings(&config, path);
    config_free(&config);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "rcptwall check: can't write: %s\n", strerror(errno));
        return 2;
    }
    return 0;
}
