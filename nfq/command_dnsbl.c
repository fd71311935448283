/* SPDX-License-Identifier: GPL-2.0-or-later */
/* rcptwall dnsbl: is this address listed, where and why, and are the lists sane? */
#include "kmod-free/report/escape.h"
#include "kmod-free/report/event_json.h"
#include "nfq/dnsbl/resolver.h"
#include "nfq/dnsbl/survey.h"
#include "nfq/json_fields.h"
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
    "Whether a list is sane is looked at for IPv4 and IPv6 on their own.\n"
    "Exit status: 0 not listed, 1 listed in a list that is sane, 2 trouble, also: no listing, and a list that\n"
    "isn't sane or didn't answer, or an address that none of the lists is for. A list whose weight in the\n"
    "configuration is below 0 is one of good senders: listed-good, which counts as not listed.\n";

struct options {
    const char *config, *resolver;
    const char *zones[DNSBL_ZONES_MAX];
    size_t zone_count;
    struct ip_addr addresses[ADDRESSES_MAX];
    size_t address_count;
    bool json, help;
};

static bool complain(const char *what)
{
    return command_complain("dnsbl", what);
}

static bool take_addresses(struct options *o, int argc, char **argv)
{
    for (int i = optind; i < argc; i++) {
        struct ip_addr a = {.family = 4};
        if (inet_pton(AF_INET, argv[i], a.at) != 1) {
            a.family = 6;
            if (inet_pton(AF_INET6, argv[i], a.at) != 1)
                return command_bad_value("dnsbl", NULL, argv[i], "an IPv4 or IPv6 address");
        }
        if (o->address_count == ADDRESSES_MAX)
            return complain("too many addresses");
        o->addresses[o->address_count++] = a;
    }
    return o->address_count > 0 || complain("no address");
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
                return complain("too many zones");
            o->zones[o->zone_count++] = optarg;
            break;
        case 'c':
            o->config = optarg;
            break;
        case 'r':
            if (!resolver_servers_valid(optarg))
                return command_bad_value("dnsbl", "--resolver", optarg, "ADDRESS, ADDRESS:PORT or [ADDRESS]:PORT");
            o->resolver = optarg;
            break;
        case 'j':
            o->json = true;
            break;
        case 'h':
            o->help = true;
            return true;
        default:
            return command_bad_option("dnsbl", c, argv, known);
        }
    }
    return take_addresses(o, argc, argv);
}

static bool asked_about(const struct options *o, unsigned family)
{
    for (size_t i = 0; i < o->address_count; i++)
        if (o->addresses[i].family == family)
            return true;
    return false;
}

/*
 * A zone from the command line: as the configuration has it, if it does; else for whatever addresses there are. Whether
 * it knows of IPv6 nobody has said: its IPv4 half is always looked at, so that a list that has only that isn't taken
 * for a dead one.
 */
static bool add_zone(const struct options *o, const struct dnsbl_config *from, const char *name, struct dnsbl_zone *out)
{
    dnsbl_zone_defaults(out);
    if (!dnsbl_zone_name(out, name))
        return command_bad_value("dnsbl", "--zone", name, "a domain name");
    for (size_t i = 0; i < from->zone_count; i++) {
        if (strcmp(from->zones[i].name, out->name) == 0) {
            *out = from->zones[i];
            return true;
        }
    }
    out->ipv4 = true;
    out->ipv6 = asked_about(o, 6);
    return true;
}

/* The zones to ask. false: one line was printed. */
static bool choose_zones(const struct options *o, const struct dnsbl_config *from, struct dnsbl_zone *zones,
                         size_t *count)
{
    *count = o->zone_count > 0 ? o->zone_count : from->zone_count;
    if (*count == 0)
        return complain("no zone: name one with --zone, or in the configuration");
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

static bool zone_sane(const struct survey *s, size_t zone, unsigned family)
{
    return survey_sanity(s, zone, family)->fault == DNSBL_FAULT_NONE;
}

static const char *sanity_text(const struct survey *s, size_t zone, unsigned family)
{
    if (survey_lacks(s, zone, family))
        return family == 4 ? "it has nothing of IPv4 (127.0.0.2 is not listed)"
                           : "it has nothing of IPv6 (::FFFF:7F00:2 is not listed)";
    return dnsbl_fault_text(survey_sanity(s, zone, family)->fault);
}

/* Is it worth a word? What the addresses are about; of a list that is for none of them, all. */
static bool shown(const struct options *o, const struct survey *s, size_t zone, unsigned family)
{
    unsigned other = family == 4 ? 6 : 4;

    return survey_sanity(s, zone, family)->asked &&
           (asked_about(o, family) || !asked_about(o, other) || !survey_sanity(s, zone, other)->asked);
}

static bool anybody_asked(const struct survey *s, size_t address)
{
    for (size_t z = 0; z < s->zone_count; z++)
        if (s->cells[address * s->zone_count + z].asked)
            return true;
    return false;
}

/* In a list of good senders (weight below 0): that is nothing to worry about. */
static bool good(const struct survey *s, size_t a, size_t z)
{
    return s->cells[a * s->zone_count + z].answer.finding == DNSBL_LISTED && s->zones[z].weight < 0;
}

static void print_json_cell(const struct survey *s, size_t a, size_t z)
{
    const struct survey_cell *c = &s->cells[a * s->zone_count + z];
    char addr[48], code[INET_ADDRSTRLEN];

    ip_addr_text(&s->addresses[a], addr);
    code_text(c->answer.code, code);
    json_t *o = json_pack("{s:s,s:s,s:s,s:b,s:i}", "address", addr, "zone", s->zones[z].name, "result",
                          dnsbl_finding_name(c->answer.finding), "zone_sane",
                          zone_sane(s, z, s->addresses[a].family), "weight", (int)s->zones[z].weight);
    if (code[0] != '\0')
        (void)json_object_set_new(o, "code", json_string(code));
    if (c->reason_len > 0)
        (void)json_object_set_new(o, "reason", bytes_to_json(bytes_of(c->reason, c->reason_len)));
    object_print_line(o);
}

static void print_json(const struct options *o, const struct survey *s)
{
    char addr[48];

    for (size_t a = 0; a < s->address_count; a++) {
        for (size_t z = 0; z < s->zone_count; z++)
            if (s->cells[a * s->zone_count + z].asked)
                print_json_cell(s, a, z);
        ip_addr_text(&s->addresses[a], addr);
        if (!anybody_asked(s, a))
            object_print_line(json_pack("{s:s,s:s}", "address", addr, "result", "no-list"));
    }
    for (size_t z = 0; z < s->zone_count; z++)
        for (unsigned family = 4; family <= 6; family += 2)
            if (shown(o, s, z, family))
                object_print_line(json_pack("{s:s,s:b,s:s,s:i}", "zone", s->zones[z].name, "sane", zone_sane(s, z, family),
                                     "why", sanity_text(s, z, family), "family", family));
}

static void print_row(const struct survey *s, size_t a, size_t z)
{
    const struct survey_cell *c = &s->cells[a * s->zone_count + z];
    char addr[48], code[INET_ADDRSTRLEN], reason[DNSBL_REASON_MAX * ESCAPE_FACTOR + 1];
    bool cut;

    ip_addr_text(&s->addresses[a], addr);
    code_text(c->answer.code, code);
    escape_plain(bytes_of(c->reason, c->reason_len), reason, sizeof reason, &cut);
    printf("%-24s %-32s %-11s %-15s %s\n", addr, s->zones[z].name,
           good(s, a, z) ? "listed-good" : dnsbl_finding_name(c->answer.finding),
           code[0] != '\0' ? code : "-", c->reason_len > 0 ? reason : "-");
}

static void print_sanity(const struct options *o, const struct survey *s, size_t z)
{
    bool both = shown(o, s, z, 4) && shown(o, s, z, 6);
    bool alike = both && survey_sanity(s, z, 4)->fault == survey_sanity(s, z, 6)->fault, told = false;

    for (unsigned family = 4; family <= 6; family += 2) {
        if (!shown(o, s, z, family) || (told && alike))
            continue;
        printf("%s: %s%s%s\n", s->zones[z].name, !both || alike ? "" : family == 4 ? "IPv4: " : "IPv6: ",
               zone_sane(s, z, family) || survey_lacks(s, z, family) ? "" : "NOT SANE: ", sanity_text(s, z, family));
        told = true;
    }
}

static void print_table(const struct options *o, const struct survey *s)
{
    char addr[48];

    printf("%-24s %-32s %-11s %-15s %s\n", "ADDRESS", "ZONE", "RESULT", "CODE", "REASON");
    for (size_t a = 0; a < s->address_count; a++) {
        for (size_t z = 0; z < s->zone_count; z++)
            if (s->cells[a * s->zone_count + z].asked)
                print_row(s, a, z);
        ip_addr_text(&s->addresses[a], addr);
        if (!anybody_asked(s, a))
            printf("%-24s %-32s %-11s %-15s %s\n", addr, "-", "no-list", "-", "-");
    }
    puts("");
    for (size_t z = 0; z < s->zone_count; z++)
        print_sanity(o, s, z);
}

/* "Not listed" must have been said by somebody who can tell. */
static int status_of(const struct options *o, const struct survey *s)
{
    bool trouble = false, listed = false;

    for (size_t z = 0; z < s->zone_count; z++)
        for (unsigned family = 4; family <= 6; family += 2)
            trouble |= shown(o, s, z, family) && !zone_sane(s, z, family) && !survey_lacks(s, z, family);
    for (size_t a = 0; a < s->address_count; a++) {
        bool told = false;
        for (size_t z = 0; z < s->zone_count; z++) {
            const struct survey_cell *c = &s->cells[a * s->zone_count + z];
            if (!c->asked || survey_lacks(s, z, s->addresses[a].family))
                continue;
            bool sane = zone_sane(s, z, s->addresses[a].family);
            listed |= sane && c->answer.finding == DNSBL_LISTED && !good(s, a, z);
            told |= sane;
            trouble |= c->answer.finding != DNSBL_LISTED && c->answer.finding != DNSBL_NOT_LISTED;
        }
        trouble |= !told;
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
            print_json(o, &s);
        else
            print_table(o, &s);
        status = status_of(o, &s);
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
            fprintf(stderr, "rcptwall dnsbl: %s%s\n", error,
                    o.config == NULL && o.zone_count == 0 && access(CONFIG_PATH, F_OK) < 0 ? "; name a list with --zone" : "");
            return EXIT_TROUBLE;
        }
    }
    int status = ask(&o, &c.dnsbl);
    config_free(&c);
    return status;
}
