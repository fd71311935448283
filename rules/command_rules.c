/* SPDX-License-Identifier: GPL-2.0-or-later */
/* rcptwall rules: prints the firewall rules that belong to a configuration. */
#include "rules/command_options.h"
#include "rules/commands.h"
#include "rules/ruleset.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>

static const char help[] = "Usage: rcptwall rules [-c FILE] [--nft | --iptables] [--remove]\n"
                           "Prints the firewall rules that belong to the configuration: they tag clients, send SMTP\n"
                           "to the daemon, and act on its verdicts. Nothing is changed; load what is printed:\n"
                           "    rcptwall rules --nft | nft -f -\n"
                           "    rcptwall rules --iptables | sh\n"
                           "\n"
                           "  -c, --config FILE  the configuration (" CONFIG_PATH ")\n"
                           "      --nft          for nftables (default)\n"
                           "      --iptables     for iptables and ip6tables\n"
                           "      --remove       print instead what takes the rules away again\n"
                           "  -h, --help         this text\n"
                           "\n"
                           "Exit status: 0 printed, 2 trouble.\n";

enum form {
    FORM_UNSET,
    FORM_NFT,
    FORM_IPTABLES,
};

struct options {
    const char *config;
    enum form form;
    bool remove, help;
};

enum long_option {
    OPTION_NFT = 256,
    OPTION_IPTABLES,
    OPTION_REMOVE,
};

static bool read_options(int argc, char **argv, struct options *o)
{
    static const struct option known[] = {
        {"config", required_argument, NULL, 'c'},
        {"nft", no_argument, NULL, OPTION_NFT},
        {"iptables", no_argument, NULL, OPTION_IPTABLES},
        {"remove", no_argument, NULL, OPTION_REMOVE},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    enum form form;
    int got;

    *o = (struct options){.config = CONFIG_PATH};
    optind = 0; /* a subcommand's argv is a new one: glibc's way to say it */
    opterr = 0;
    while ((got = getopt_long(argc, argv, ":c:h", known, NULL)) != -1) {
        switch (got) {
        case 'c':
            o->config = optarg;
            break;
        case OPTION_NFT:
        case OPTION_IPTABLES:
            form = got == OPTION_NFT ? FORM_NFT : FORM_IPTABLES;
            if (o->form != FORM_UNSET && o->form != form)
                return command_complain("rules", "--nft or --iptables, not both");
            o->form = form;
            break;
        case OPTION_REMOVE:
            o->remove = true;
            break;
        case 'h':
            o->help = true;
            return true;
        default:
            return command_bad_option("rules", got, argv, known);
        }
    }
    return optind == argc || command_bad_argument("rules", argv[optind], true);
}

static bool print_rules(const struct options *o)
{
    struct config config;
    char error[512];

    if (!config_read(&config, o->config, error, sizeof(error)) || !config_seal(&config, error, sizeof(error))) {
        fprintf(stderr, "rcptwall rules: %s\n", error);
        config_free(&config);
        return false;
    }
    bool good = o->form == FORM_IPTABLES ? ruleset_print_iptables(&config, stdout) : ruleset_print_nft(&config, stdout);
    if (!good)
        fputs("rcptwall rules: out of memory\n", stderr);
    config_free(&config);
    return good;
}

/* The configuration may be gone already; a kernel without bridges refuses to hear of a table for them. */
static bool has_bridge(const char *path)
{
    struct config config;
    char error[512];
    bool bridge = config_read(&config, path, error, sizeof(error)) && (config.hooks & HOOK_BRIDGE) != 0;

    config_free(&config);
    return bridge;
}

int command_rules(int argc, char **argv)
{
    struct options o;
    bool good = true;

    if (!read_options(argc, argv, &o))
        return 2;
    if (o.help)
        fputs(help, stdout);
    else if (!o.remove)
        good = print_rules(&o);
    else if (o.form == FORM_IPTABLES)
        ruleset_remove_iptables(stdout);
    else
        ruleset_remove_nft(has_bridge(o.config), stdout);
    if (good && (fflush(stdout) != 0 || ferror(stdout))) { /* half a rule set must not look like a whole one */
        fprintf(stderr, "rcptwall rules: can't write: %s\n", strerror(errno));
        good = false;
    }
    return good ? 0 : 2;
}
