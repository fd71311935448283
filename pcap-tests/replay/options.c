// SPDX-License-Identifier: GPL-2.0-or-later
#include "pcap-tests/replay/options.h"

#include "pcap-tests/replay/table.h"
#include "rules/command_options.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static const char help[] = "Usage: rcptwall replay [OPTION]... CAPTURE...\n"
                           "\n"
                           "Answers \"is my server being abused?\" from captures (pcap or pcapng, gzipped or\n"
                           "not; - is standard input), with the same judgement as the daemon. Several\n"
                           "captures are read as pieces of one.\n"
                           "\n"
                           "  -c, --config FILE    judge by this configuration; the options below add to it\n"
                           "  -l, --local DOMAIN   a domain of ours (.example.org: and all below it);\n"
                           "                       an address literal is written [192.0.2.1]\n"
                           "  -i, --inside CIDR    clients here may relay (tag \"inside\"); without it\n"
                           "                       and without a configuration every client is outside\n"
                           "  -s, --server CIDR    only sessions of this server: the mail that it sends\n"
                           "                       itself is then no client's. Without it (or `servers` in\n"
                           "                       the configuration) whoever serves SMTP is one\n"
                           "  -p, --port N|any     SMTP is here; default 25, 587, 465 and 2525.\n"
                           "                       any: look for it on every port\n"
                           "      --inline         judge as if live and in mode = enforce: hold back what\n"
                           "                       the daemon would have (whole packets are needed)\n"
                           "  -w, --write OUT      write what would have been forwarded, as the mode says:\n"
                           "                       in monitor every IP packet; in enforce, or with --inline,\n"
                           "                       cut or turned into RST, without what was dropped\n"
                           "  -j, --jobs N         judge with N threads, each its share of the connections\n"
                           "                       of all captures; the output is the same. The default, 1,\n"
                           "                       takes least CPU; pipes, -w and --inline have it anyway\n"
                           "      --json           one event a line, the last one is the summary\n"
                           "      --rows N         show at most N attempts (default 50); not with --json\n"
                           "      --checksum MODE  verify: drop what has a bad TCP checksum; capture: don't\n"
                           "                       look (default; hosts with offload capture their own\n"
                           "                       packets unfinished); trust: nor believe lengths of 0\n"
                           "      --max-flows N    know at most N connections at one time (default 1048576);\n"
                           "                       what is more is said, and not judged\n"
                           "  -v, --verbose        say on standard error how fast it went\n"
                           "  -h, --help           this text\n"
                           "\n"
                           "-l, -i, -s and -p may be given more than once. The output depends on the\n"
                           "captures and the options alone: `seconds` and `bytes_per_second` of the\n"
                           "summary are those of the capture's own time, not of this run.\n"
                           "\n"
                           "Exit status: 0 nothing found, 1 the policy was broken, 2 trouble (what could be\n"
                           "read was judged and shown all the same).\n";

enum long_only {
    OPT_JSON = 256,
    OPT_ROWS,
    OPT_CHECKSUM,
    OPT_MAX_FLOWS,
    OPT_INLINE,
};

static const struct option long_options[] = {
    {"config", required_argument, NULL, 'c'},
    {"local", required_argument, NULL, 'l'},
    {"inside", required_argument, NULL, 'i'},
    {"server", required_argument, NULL, 's'},
    {"port", required_argument, NULL, 'p'},
    {"inline", no_argument, NULL, OPT_INLINE},
    {"write", required_argument, NULL, 'w'},
    {"jobs", required_argument, NULL, 'j'},
    {"json", no_argument, NULL, OPT_JSON},
    {"rows", required_argument, NULL, OPT_ROWS},
    {"checksum", required_argument, NULL, OPT_CHECKSUM},
    {"max-flows", required_argument, NULL, OPT_MAX_FLOWS},
    {"verbose", no_argument, NULL, 'v'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

/* What the command line said, before it meets the configuration: which of the two comes first must not matter. */
struct said {
    const char *config;
    const char **local, **inside, **server, **port; /* as many as there are arguments at most */
    size_t local_count, inside_count, server_count, port_count;
};

void replay_complain(const char *format, ...)
{
    va_list args;

    fputs("rcptwall replay: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
}

static bool bad_value(const char *option, const char *value, const char *wanted)
{
    return command_bad_value("replay", option, value, wanted);
}

static bool bad_number(const char *option, const char *value, unsigned least, unsigned most)
{
    char wanted[64];

    snprintf(wanted, sizeof wanted, "a number from %u to %u", least, most);
    return bad_value(option, value, wanted);
}

static bool parse_number(const char *text, unsigned long most, unsigned long *out)
{
    char *end = NULL;

    if (*text < '0' || *text > '9')
        return false;
    errno = 0;
    *out = strtoul(text, &end, 10);
    return errno == 0 && *end == '\0' && *out <= most;
}

static bool parse_checksum(const char *text, enum csum_state *out)
{
    if (strcmp(text, "capture") == 0)
        *out = CSUM_CAPTURE;
    else if (strcmp(text, "verify") == 0)
        *out = CSUM_VERIFY;
    else if (strcmp(text, "trust") == 0)
        *out = CSUM_TRUSTED;
    else
        return false;
    return true;
}

/* One option. false: said on stderr. */
static bool take_option(int c, const char *arg, struct said *said, struct replay_options *out)
{
    unsigned long n = 0;

    switch (c) {
    case 'c':
        said->config = arg;
        return true;
    case 'l':
        said->local[said->local_count++] = arg;
        return true;
    case 'i':
        said->inside[said->inside_count++] = arg;
        return true;
    case 's':
        said->server[said->server_count++] = arg;
        return true;
    case 'p':
        said->port[said->port_count++] = arg;
        return true;
    case 'v':
        out->verbose = true;
        return true;
    case 'j':
        if (parse_number(arg, JOBS_MOST, &n) && n > 0) {
            out->jobs = (int)n;
            return true;
        }
        return bad_number("--jobs", arg, 1, JOBS_MOST);
    case OPT_JSON:
        out->json = true;
        return true;
    case OPT_ROWS:
        if (parse_number(arg, TABLE_ROWS_MAX, &n)) {
            out->rows = n;
            return true;
        }
        return bad_number("--rows", arg, 0, TABLE_ROWS_MAX);
    case OPT_CHECKSUM:
        if (parse_checksum(arg, &out->csum))
            return true;
        return bad_value("--checksum", arg, "capture, verify or trust");
    case OPT_MAX_FLOWS:
        if (parse_number(arg, MAX_FLOWS_MOST, &n) && n > 0) {
            out->max_flows = (uint32_t)n;
            return true;
        }
        return bad_number("--max-flows", arg, 1, MAX_FLOWS_MOST);
    case OPT_INLINE:
        out->guard = true;
        return true;
    case 'w':
        out->write = arg;
        return true;
    }
    return false;
}

static enum options_result take_options(int argc, char **argv, struct said *said, struct replay_options *out)
{
    int c;

    opterr = 0;
    optind = 0; /* start afresh: the program's own options were looked at before */
    while ((c = getopt_long(argc, argv, ":c:l:i:s:p:w:j:vh", long_options, NULL)) != -1) {
        if (c == 'h') {
            fputs(help, stdout);
            return OPTIONS_HELP;
        }
        if (c == ':' || c == '?' ? !command_bad_option("replay", c, argv, long_options)
                                 : !take_option(c, optarg, said, out))
            return OPTIONS_TROUBLE;
    }
    out->files = argv + optind;
    out->file_count = argc - optind;
    return OPTIONS_GO;
}

static bool read_config(struct config *config, const char *path)
{
    char error[1024];

    if (path ? config_read(config, path, error, sizeof error) : config_defaults(config))
        return true;
    replay_complain("%s", path ? error : "out of memory");
    return false;
}

static bool add_local(const struct said *said, struct config *config)
{
    for (size_t i = 0; i < said->local_count; i++) {
        const char *why = domain_set_add(config->policy->local, said->local[i]);

        if (!why)
            continue;
        replay_complain("--local %s: %s", said->local[i], why);
        return false;
    }
    return true;
}

static uint8_t tag_named(const struct policy *policy, const char *name)
{
    for (uint8_t tag = 1; tag <= TAGS_MAX; tag++)
        if (strcmp(policy->tags[tag].name, name) == 0)
            return tag;
    return 0;
}

static bool parse_network(const char *option, const char *text, struct network *out)
{
    if (network_parse(text, out))
        return true;
    return bad_value(option, text, "an address or a network like 192.0.2.0/24");
}

static bool add_servers(const struct said *said, struct config *config)
{
    for (size_t i = 0; i < said->server_count; i++) {
        struct network network;

        if (!parse_network("--server", said->server[i], &network))
            return false;
        if (!policy_add_server(config->policy, &network)) {
            replay_complain("out of memory");
            return false;
        }
    }
    return true;
}

static bool add_inside(const struct said *said, struct config *config)
{
    uint8_t tag = tag_named(config->policy, "inside");

    if (said->inside_count > 0 && tag == 0) {
        replay_complain("--inside: the configuration has no tag \"inside\"");
        return false;
    }
    for (size_t i = 0; i < said->inside_count; i++) {
        struct network network;

        if (!parse_network("--inside", said->inside[i], &network))
            return false;
        network.tag = tag;
        if (!policy_add_network(config->policy, &network)) {
            replay_complain("out of memory");
            return false;
        }
    }
    return true;
}

static bool add_port(struct engine_config *engine, const char *text)
{
    unsigned long n = 0;

    if (strcmp(text, "any") == 0) {
        engine->any_port = true;
        return true;
    }
    if (!parse_number(text, 65535, &n) || n == 0)
        return bad_value("--port", text, "a port number or \"any\"");
    for (size_t i = 0; i < engine->port_count; i++)
        if (engine->ports[i] == n)
            return true;
    if (engine->port_count == ENGINE_PORTS_MAX) {
        replay_complain("--port %s: at most %d ports can be given", text, ENGINE_PORTS_MAX);
        return false;
    }
    engine->ports[engine->port_count++] = (uint16_t)n;
    return true;
}

static bool add_ports(const struct said *said, struct config *config)
{
    static const uint16_t usual[] = {25, 587, 465, 2525};
    struct engine_config *engine = &config->engine;
    bool numbers = false;

    for (size_t i = 0; i < said->port_count; i++)
        numbers |= strcmp(said->port[i], "any") != 0;
    if (!said->config) {
        engine->port_count = numbers ? 0 : sizeof usual / sizeof usual[0];
        for (size_t i = 0; i < engine->port_count; i++)
            engine->ports[i] = usual[i];
    }
    for (size_t i = 0; i < said->port_count; i++)
        if (!add_port(engine, said->port[i]))
            return false;
    return true;
}

static bool make_config(const struct said *said, struct config *config)
{
    char error[1024];

    if (!read_config(config, said->config))
        return false;
    if (add_local(said, config) && add_inside(said, config) && add_servers(said, config) &&
        add_ports(said, config)) {
        if (config_seal(config, error, sizeof error))
            return true;
        replay_complain("%s", error);
    }
    config_free(config);
    return false;
}

enum options_result options_read(int argc, char **argv, struct replay_options *out)
{
    size_t most = (size_t)argc;
    const char **room = calloc(4 * most, sizeof *room);
    struct said said = {0};
    enum options_result result;

    *out = (struct replay_options){
        .csum = CSUM_CAPTURE, .rows = TABLE_ROWS_DEFAULT, .max_flows = MAX_FLOWS_DEFAULT, .jobs = 1};
    if (!room) {
        replay_complain("out of memory");
        return OPTIONS_TROUBLE;
    }
    said = (struct said){.local = room, .inside = room + most, .server = room + 2 * most,
                         .port = room + 3 * most};
    result = take_options(argc, argv, &said, out);
    if (result == OPTIONS_GO && out->file_count == 0) {
        (void)command_complain("replay", "no capture");
        result = OPTIONS_TROUBLE;
    }
    if (result == OPTIONS_GO && !make_config(&said, &out->config))
        result = OPTIONS_TROUBLE;
    if (result == OPTIONS_GO) {
        out->guard |= out->write && out->config.policy->enforce;
        out->config.policy->enforce |= out->guard; /* what is reported as done is done, in OUT */
    }
    free(room);
    return result;
}

void options_free(struct replay_options *o)
{
    config_free(&o->config);
}
