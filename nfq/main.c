// SPDX-License-Identifier: GPL-2.0-or-later
/* The program: picks the subcommand. Everything else is the subcommand's own. */
#include "rules/command_options.h"
#include "rules/commands.h"

/* The newer functions are not in the c-ares of Debian 12. */
#define CARES_NO_DEPRECATED
#include <ares.h>
#include <confuse.h>
#include <errno.h>
#include <idn2.h>
#include <jansson.h>
#include <pcap/pcap.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

/* These libraries don't say their version at run time; the Makefile passes what was built against. */
#ifndef VERSIONS_BUILT_WITH
#define VERSIONS_BUILT_WITH "not recorded"
#endif

struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *does;
};

static const struct command commands[] = {
    {"run", command_run, "judge SMTP that the firewall queues (the daemon, in the foreground)"},
    {"replay", command_replay, "judge captures: is my server being abused?"},
    {"check", command_check, "read the configuration as `run` would, and look at the firewall"},
    {"rules", command_rules, "print the firewall rules that belong to a configuration"},
    {"status", command_status, "ask a running daemon how it is"},
    {"offenders", command_offenders, "who tried to relay, when and how often: a table, or a blocklist for others"},
    {"dnsbl", command_dnsbl, "is this address on a DNS blocklist, and are the lists sane?"},
    {"probe", command_probe, "does your own server relay? The classic forms, never DATA"},
    {"version", command_version, "print version, libraries and build options"},
};

static void print_help(FILE *out)
{
    fprintf(out, "Usage: rcptwall COMMAND [OPTION]...\n"
                 "\n"
                 "Reads SMTP at a Linux gateway and stops attempts to relay through a mail server behind it.\n"
                 "\n");
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        fprintf(out, "  %-9s %s\n", commands[i].name, commands[i].does);
    fprintf(out, "\n`rcptwall COMMAND --help` says more about one of them.\n");
}

static const struct command *command_named(const char *name)
{
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

static const char *sanitizers(void)
{
#if defined(__SANITIZE_ADDRESS__)
    return "address sanitizer";
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
    return "address sanitizer";
#endif
#endif
    return "no sanitizer";
}

static void print_build(void)
{
#if defined(__clang__)
    printf("  compiler          clang %s\n", __clang_version__);
#elif defined(__GNUC__)
    printf("  compiler          gcc %s\n", __VERSION__);
#endif
#if defined(__OPTIMIZE__)
    printf("  build             optimized, %s\n", sanitizers());
#else
    printf("  build             not optimized, %s\n", sanitizers());
#endif
}

int command_version(int argc, char **argv)
{
    if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        puts("Usage: rcptwall version\n\nPrints the version, the libraries in use, and how the program was built.");
        return 0;
    }
    if (argc > 1) {
        (void)command_bad_argument("version", argv[1], false);
        return 2;
    }
    printf("rcptwall %s\n", RCPTWALL_VERSION);
    print_build();
    printf("  libidn2           %s\n", idn2_check_version(NULL));
    printf("  libsodium         %s\n", sodium_version_string());
    printf("  jansson           %s\n", jansson_version_str());
    printf("  libconfuse        %s\n", confuse_version);
    printf("  c-ares            %s\n", ares_version(NULL));
    printf("  libpcap           %s\n", pcap_lib_version());
    printf("  zlib              %s\n", zlibVersion());
    printf("  built with        %s\n", VERSIONS_BUILT_WITH);
    return 0;
}

/* What a command printed must have arrived: a full disk is trouble, too. */
static int flushed(int status)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    if (status != 2)
        fprintf(stderr, "rcptwall: standard output: %s\n", errno ? strerror(errno) : "write error");
    return 2;
}

static int run_command(int argc, char **argv)
{
    const struct command *command = command_named(argv[0]);

    if (!command) {
        (void)command_unknown(argv[0]);
        return 2;
    }
    return command->run(argc, argv);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        print_help(stderr);
        return 2;
    }
    if (strcmp(argv[1], "--version") == 0) {
        char name[] = "version", *alone[] = {name, NULL};
        return flushed(command_version(1, alone));
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
        if (argc > 2) { /* help COMMAND */
            char help[] = "--help", *swapped[] = {argv[2], help, NULL};
            return flushed(run_command(2, swapped));
        }
        print_help(stdout);
        return flushed(0);
    }
    return flushed(run_command(argc - 1, argv + 1));
}
