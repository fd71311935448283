/* SPDX-License-Identifier: GPL-2.0-or-later */
/* rcptwall dnsbl: is this address listed, where and why, and are the lists sane? */
#include "kmod-free/report/escape.h"
#include "kmod-free/report/event_json.h"
#include "nfq/dnsbl/resolver.h"
#include "nfq/dnsbl/survey.h"
#include "rules/command_options.h"
#include "rules/commands.h"
#include "rules/config.h"

#include <arpa/inet.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define EXIT_LISTED   1
#define EXIT_TROUBLE  2
#define ADDRESSES_MAX 1024

static const char help[] =
    "Usage: rcptwall dnsbl ADDRESS... [--zone ZONE]... [-c FILE] [--resolver ADDRESS[:PORT]] [--json]\n"
    "Asks DNS blocklists about addresses, and whether the lists themselves are sane (RFC 5782).\n"
    "\n"
    "  -z, --zone ZONE       ask this list; instead of all that the configuration has\n"
    "  -c, --config FILE     the configuration (" CONFIG_PATH ")\n"
    "  -r, --resolver ADDR   the name server to ask, instead of the configuration's\n"
    "      --json            one JSON object a line\n"
    "  -h, --help            this text\n"
    "\n"
    "Exit status: 0 not listed, 1 listed in a list that is sane, 2 trouble, also: a list that isn't sane\n"
    "or didn't answer, and no listing elsewhere.\n";

struct options {
    const char *config, *resolver;
    const char *zones[DNSBL_ZONES_MAX];
    size_t zone_count;
    struct ip_addr addresses[ADDRESSES_MAX];
    size_t address_count;
    bool json, help;
};

static bool complain(const char *what, const char *value)
{
    fprintf(stderr, "rcptwall dnsbl: %s%s%s%s; see rcptwall dnsbl --help\n", what, value != NULL ? " \"" : "",
            value != NULL ? value : "", value != NULL ? "\"" : "");
    return false;
}

static bool take_addresses(struct options *o, int argc, char **argv)
{
    for (int i = optind; i < argc; i++) {
        struct ip_addr a = {.family = 4};
        if (inet_pton(AF_INET, argv[i], a.at) != 1) {
            a.family = 6;
            if (inet_pton(AF_INET6, argv[i], a.at) != 1)
                return complain("not an address:", argv[i]);
        }
        if (o->address_count == ADDRESSES_MAX)
            return complain("too many addresses", NULL);
        o->addresses[o->address_count++] = a;
    }
    return o->address_count > 0 || complain("no address", NULL);
}

/* false: one line was printed. */
static bool read_options(int argc, char **argv, struct options *o)
{
    static const struct option known[] = {
        {"zone", required_argument, NULL, 'z'}, {"config", required_argument, NULL, 'c'},
        {"json", no_argument, NULL, 'j'},       {"resolver", required_argument, NULL, 'r'},
        {"help", no_argument, NULL, 'h'},       {NULL, 0, NULL, 0},
    };
    int c;

    optind = 0;
    opterr = 0;
    while ((c = getopt_long(argc, argv, ":z:c:r:h", known, NULL)) != -1) {
        switch (c) {
        case 'z':
            if (o->zone_count == DNSBL_ZONES_MAX)
                return complain("too many zones", NULL);
            o->zones[o->zone_count++] = optarg;
            break;
        case 'c':
            o->config = optarg;
            break;
        case 'r':
            if (!resolver_servers_valid(optarg))
                return complain("not ADDRESS, ADDRESS:PORT or [ADDRESS]:PORT:", optarg);
            o->resolver = optarg;
            break;
        case 'j':
            o->json = true;
            break;
        case 'h':
            o->help = true;
            return true;
        default:
            command_bad_option("dnsbl", c, argv);
            return false;
        }
    }
    return take_addresses(o, argc, argv);
}

/* A zone from the command line: as the configuration has it, if it does; else for whatever addresses there are. */
static bool add_zone(const struct options *o, const struct dnsbl_config *from, const char *name, struct dnsbl_zone *out)
{
    dnsbl_zone_defaults(out);
    if (!dnsbl_zone_name(out, name))
        return complain("not a domain name:", name);
    for (size_t i = 0; i < from->zone_count; i++) {
        if (strcmp(from->zones[i].name, out->name) == 0) {
            *out = from->zones[i];
            return true;
        }
    }
    out->ipv4 = out->ipv6 = false;
    for (size_t i = 0; i < o->address_count; i++)
        *(o->addresses[i].family == 4 ? &out->ipv4 : &out->ipv6) = true;
    return true;
}

/* The zones to ask. false: one line was printed. */
static bool choose_zones(const struct options *o, const struct dnsbl_config *from, struct dnsbl_zone *zones,
                         size_t *count)
{
    *count = o->zone_count > 0 ? o->zone_count : from->zone_count;
    if (*count == 0)
        return complain("no zone: name one with --zone, or in the configuration", NULL);
    if (o->zone_count == 0)
        memcpy(zones, from->zones, from->zone_count * sizeof *zones);
    for (size_t i = 0; i < o->zone_count; i++)
        if (!add_zone(o, from, o->zones[i], &zones[i]))
            return false;
    return true;
}

/* ---- what was found ---- */

static void code_text(uint32_t code, char out[static INET_ADDRSTRLEN])
{
    struct in_addr a = {htonl(code)};

    out[0] = '\0';
    if (code != 0)
        (void)inet_ntop(AF_INET, &a, out, INET_ADDRSTRLEN);
}

static void print_line(json_t *o)
{
    char *text = o != NULL ? json_dumps(o, EVENT_JSON_FLAGS) : NULL;

    if (text != NULL)
        puts(text);
    free(text);
    json_decref(o);
}

static void print_json(const struct survey *s)
{
    char addr[48], code[INET_ADDRSTRLEN];

    for (size_t a = 0; a < s->address_count; a++) {
        for (size_t z = 0; z < s->zone_count; z++) {
            const struct survey_cell *c = &s->cells[a * s->zone_count + z];
            if (!c->asked)
                continue;
            ip_addr_text(&s->addresses[a], addr);
            code_text(c->answer.code, code);
            json_t *o = json_pack("{s:s,s:s,s:s,s:b}", "address", addr, "zone", s->zones[z].name, "result",
                                  dnsbl_finding_name(c->answer.finding), "zone_sane", s->fault[z] == DNSBL_FAULT_NONE);
            if (code[0] != '\0')
                (void)json_object_set_new(o, "code", json_string(code));
            if (c->reason_len > 0)
                (void)json_object_set_new(o, "reason", bytes_to_json(bytes_of(c->reason, c->reason_len)));
            print_line(o);
        }
    }
    for (size_t z = 0; z < s->zone_count; z++)
        print_line(json_pack("{s:s,s:b,s:s}", "zone", s->zones[z].name, "sane", s->fault[z] == DNSBL_FAULT_NONE, "why",
                             dnsbl_fault_text(s->fault[z])));
}

static void print_table(const struct survey *s)
{
    char addr[48], code[INET_ADDRSTRLEN], reason[DNSBL_REASON_MAX * ESCAPE_FACTOR + 1];
    bool cut;

    printf("%-24s %-32s %-11s %-15s %s\n", "ADDRESS", "ZONE", "RESULT", "CODE", "REASON");
    for (size_t a = 0; a < s->address_count; a++) {
        for (size_t z = 0; z < s->zone_count; z++) {
            const struct survey_cell *c = &s->cells[a * s->zone_count + z];
            if (!c->asked)
                continue;
            ip_addr_text(&s->addresses[a], addr);
            code_text(c->answer.code, code);
            escape_plain(bytes_of(c->reason, c->reason_len), reason, sizeof reason, &cut);
            printf("%-24s %-32s %-11s %-15s %s\n", addr, s->zones[z].name, dnsbl_finding_name(c->answer.finding),
                   code[0] != '\0' ? code : "-", c->reason_len > 0 ? reason : "-");
        }
    }
    puts("");
    for (size_t z = 0; z < s->zone_count; z++)
        printf("%s: %s%s\n", s->zones[z].name, s->fault[z] == DNSBL_FAULT_NONE ? "" : "NOT SANE: ",
               dnsbl_fault_text(s->fault[z]));
}

static int status_of(const struct survey *s)
{
    bool trouble = false, listed = false;

    for (size_t z = 0; z < s->zone_count; z++) {
        bool sane = s->fault[z] == DNSBL_FAULT_NONE;
        trouble |= !sane;
        for (size_t a = 0; a < s->address_count; a++) {
            const struct survey_cell *c = &s->cells[a * s->zone_count + z];
            if (!c->asked)
                continue;
            listed |= sane && c->answer.finding == DNSBL_LISTED;
            trouble |= c->answer.finding != DNSBL_LISTED && c->answer.finding != DNSBL_NOT_LISTED;
        }
    }
    return listed ? EXIT_LISTED : trouble ? EXIT_TROUBLE : 0;
}

static int ask(const struct options *o, const struct dnsbl_config *from)
{
    static struct dnsbl_zone zones[DNSBL_ZONES_MAX];
    struct survey s = {.zones = zones, .addresses = o->addresses, .address_count = o->address_count};
    char error[256];
    int status = EXIT_TROUBLE;

    if (!choose_zones(o, from, zones, &s.zone_count))
        return EXIT_TROUBLE;
    if (!survey_run(&s, o->resolver != NULL ? o->resolver : from->resolver, error, sizeof error)) {
        fprintf(stderr, "rcptwall dnsbl: %s\n", error);
    } else {
        if (o->json)
            print_json(&s);
        else
            print_table(&s);
        status = status_of(&s);
    }
    survey_free(&s);
    return status;
}

int command_dnsbl(int argc, char **argv)
{
    static struct options o;
    struct config c = {0};
    char error[512];

    o = (struct options){0};
    if (!read_options(argc, argv, &o))
        return EXIT_TROUBLE;
    if (o.help) {
        fputs(help, stdout);
        return 0;
    }
    /* where zones are named on the command line, a file that isn't there is no trouble */
    if (o.config != NULL || o.zone_count == 0 || access(CONFIG_PATH, R_OK) == 0) {
        if (!config_read(&c, o.config != NULL ? o.config : CONFIG_PATH, error, sizeof error)) {
            fprintf(stderr, "rcptwall dnsbl: %s\n", error);
            return EXIT_TROUBLE;
        }
    }
    int status = ask(&o, &c.dnsbl);
    config_free(&c);
    return status;
}
