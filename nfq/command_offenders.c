/* SPDX-License-Identifier: GPL-2.0-or-later */
/* rcptwall offenders: who tried to relay, when and how often, from the running daemon. */
#include "kmod-free/report/event_json.h"
#include "nfq/control_ask.h"
#include "nfq/dnsbl/zone.h"
#include "nfq/json_fields.h"
#include "nfq/offenders_json.h"
#include "rules/command_options.h"
#include "rules/commands.h"
#include "rules/config.h"
#include "rules/config_values.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define EXIT_TROUBLE 2
#define COUNT_MAX    UINT64_C(1000000000)
/* A list that others act upon must forget: addresses change hands. */
#define SHARED_NS    (7 * 86400 * NS_PER_S)
#define TTL_S        300

static const char help[] =
    "Usage: rcptwall offenders [--rbldnsd | --nft | --json] [--least N] [--within TIME] [-c FILE] [--socket PATH]\n"
    "Who tried to relay, from when to when and how often, as the running daemon remembers it.\n"
    "\n"
    "      --rbldnsd         a zone for rbldnsd, so that others can use it as a DNS blocklist:\n"
    "                        rcptwall offenders --rbldnsd >FILE.new && mv FILE.new FILE\n"
    "                        rbldnsd ... bl.example.org:combined:FILE\n"
    "      --nft             sets for nftables: rcptwall offenders --nft | nft -f -\n"
    "      --json            one JSON object a line\n"
    "      --least N         only who named at least N external recipients (table, JSON: 0; lists: 1)\n"
    "      --within TIME     only whose last try is no longer ago, e.g. 12h, 30d (table, JSON: all; lists: 7d)\n"
    "      --ns NAME         the zone's name server, for its SOA and NS records\n"
    "  -c, --config FILE     configuration that names the control socket (" CONFIG_PATH ")\n"
    "      --socket PATH     the control socket itself\n"
    "  -h, --help            this text\n"
    "\n"
    "A source is an IPv4 address or an IPv6 /64. The zone leaves out private and local networks. The sets are in\n"
    "table inet rcptwall_offenders, sources4 and sources6; what is done to them is for your rules to say.\n"
    "Exit status: 0, 2 the daemon doesn't run, or can't be asked.\n";

enum form { FORM_TABLE, FORM_JSON, FORM_RBLDNSD, FORM_NFT };

struct options {
    const char *config, *socket, *ns;
    enum form form;
    bool form_given, least_given, within_given, help;
    uint64_t least;
    int64_t within_ns; /* INT64_MAX: all */
};

struct list {
    struct offender_row *rows;
    size_t count, room;
    uint64_t forgotten;
};

/* ---- options ---- */

static bool complain(const char *what)
{
    return command_complain("offenders", what);
}

static bool bad_value(const char *option, const char *wanted)
{
    return command_bad_value("offenders", option, optarg, wanted);
}

static bool take_form(struct options *o, enum form form)
{
    if (o->form_given)
        return complain("only one of --rbldnsd, --nft and --json");
    o->form_given = true;
    o->form = form;
    return true;
}

static bool take_least(struct options *o)
{
    char *end;
    o->least_given = true;
    o->least = *optarg >= '0' && *optarg <= '9' ? strtoull(optarg, &end, 10) : UINT64_MAX;
    return (o->least <= COUNT_MAX && *end == '\0') || bad_value("--least", "a number");
}

static bool take_option(struct options *o, int c)
{
    struct dnsbl_zone zone;
    switch (c) {
    case 'r':
        return take_form(o, FORM_RBLDNSD);
    case 'n':
        return take_form(o, FORM_NFT);
    case 'j':
        return take_form(o, FORM_JSON);
    case 'l':
        return take_least(o);
    case 'w':
        o->within_given = true;
        return config_duration(optarg, &o->within_ns) || bad_value("--within", "a time such as 90min, 12h or 30d");
    case 'N':
        o->ns = optarg;
        return dnsbl_zone_name(&zone, optarg) || bad_value("--ns", "a domain name");
    case 'c':
        o->config = optarg;
        return true;
    case 's':
        o->socket = optarg;
        return true;
    case 'h':
        o->help = true;
        return true;
    default:
        return false;
    }
}

/* false: one line was printed. */
static bool read_options(int argc, char **argv, struct options *o)
{
    static const struct option known[] = {
        {"rbldnsd", no_argument, NULL, 'r'},     {"nft", no_argument, NULL, 'n'},
        {"json", no_argument, NULL, 'j'},        {"least", required_argument, NULL, 'l'},
        {"within", required_argument, NULL, 'w'}, {"ns", required_argument, NULL, 'N'},
        {"config", required_argument, NULL, 'c'}, {"socket", required_argument, NULL, 's'},
        {"help", no_argument, NULL, 'h'},        {NULL, 0, NULL, 0},
    };
    int c;
    *o = (struct options){.form = FORM_TABLE};
    optind = 0;
    opterr = 0;
    while ((c = getopt_long(argc, argv, ":c:h", known, NULL)) != -1)
        if (c == ':' || c == '?' ? !command_bad_option("offenders", c, argv, known) : !take_option(o, c))
            return false;
    if (o->help)
        return true;
    if (optind < argc)
        return command_bad_argument("offenders", argv[optind], true);
    if (o->ns != NULL && o->form != FORM_RBLDNSD)
        return complain("--ns belongs to --rbldnsd");
    bool shared = o->form == FORM_RBLDNSD || o->form == FORM_NFT;
    if (!o->least_given)
        o->least = shared ? 1 : 0;
    if (!o->within_given)
        o->within_ns = shared ? SHARED_NS : INT64_MAX;
    return true;
}

/* ---- what the daemon says ---- */

static bool keep(struct list *l, const struct offender_row *r)
{
    if (l->count == l->room) {
        size_t room = l->room == 0 ? 256 : l->room * 2;
        struct offender_row *grown = realloc(l->rows, room * sizeof *grown);
        if (grown == NULL)
            return false;
        l->rows = grown;
        l->room = room;
    }
    l->rows[l->count++] = *r;
    return true;
}

/* since: as wall_text writes it. */
static bool wanted(const struct options *o, const struct offender_row *r, const char *since)
{
    const struct dnsbl_config nothing = {.zone_count = 0};
    if (r->relays < o->least || strcmp(r->last, since) < 0)
        return false;
    return o->form != FORM_RBLDNSD || !dnsbl_exempt(&nothing, &r->source.addr); /* nobody asks about those */
}

/* The lines behind the first. false: they aren't what they should be, or not all are there. */
static bool read_rows(const struct options *o, const char *answer, size_t len, struct list *l)
{
    struct timespec t;
    char since[40] = "";
    clock_gettime(CLOCK_REALTIME, &t);
    int64_t now = t.tv_sec * NS_PER_S + t.tv_nsec;
    if (o->within_ns < now)
        wall_text((struct wall){now - o->within_ns}, since);
    const char *at = memchr(answer, '\n', len), *end = answer + len;
    while (at != NULL && ++at < end) {
        const char *line = at;
        struct offender_row r;
        at = memchr(line, '\n', (size_t)(end - line));
        if (at == NULL)
            return false;
        switch (offenders_json_read(line, (size_t)(at - line), &r, &l->forgotten)) {
        case OFFENDER_LINE_ROW:
            if (wanted(o, &r, since) && !keep(l, &r))
                return false;
            break;
        case OFFENDER_LINE_END:
            return true;
        case OFFENDER_LINE_BAD:
            return false;
        }
    }
    return false;
}

static int by_address(const void *a, const void *b)
{
    const struct offender_row *x = a, *y = b;
    if (x->source.addr.family != y->source.addr.family)
        return x->source.addr.family < y->source.addr.family ? -1 : 1;
    return memcmp(x->source.addr.at, y->source.addr.at, sizeof x->source.addr.at);
}

static int by_count(const void *a, const void *b)
{
    const struct offender_row *x = a, *y = b;
    if (x->relays != y->relays)
        return x->relays > y->relays ? -1 : 1;
    int order = strcmp(y->last, x->last);
    return order != 0 ? order : by_address(a, b);
}

static void sort(struct list *l, int (*order)(const void *, const void *))
{
    if (l->count > 0)
        qsort(l->rows, l->count, sizeof *l->rows, order);
}

/* While it was told, somebody may have moved from one place of the table to another: the later row is the true one. */
static void drop_doubles(struct list *l)
{
    size_t n = 0;
    sort(l, by_address);
    for (size_t i = 0; i < l->count; i++) {
        if (n > 0 && by_address(&l->rows[n - 1], &l->rows[i]) == 0) {
            if (strcmp(l->rows[n - 1].last, l->rows[i].last) < 0)
                l->rows[n - 1] = l->rows[i];
        } else {
            l->rows[n++] = l->rows[i];
        }
    }
    l->count = n;
}

/* ---- the forms ---- */

static void print_json(const struct list *l)
{
    for (size_t i = 0; i < l->count; i++)
        object_print_line(offender_row_json(&l->rows[i]));
}

/* "2026-11-24 04:25:26" */
static void short_time(const char *time, char out[static 20])
{
    snprintf(out, 20, "%.10s %.8s", time, strlen(time) > 11 ? time + 11 : "");
}

static void print_table(const struct list *l)
{
    char first[20], last[20];
    printf("%-26s %-12s %8s %8s  %-19s  %-19s\n", "SOURCE", "TAG", "RELAY", "ATTACKS", "FIRST (UTC)", "LAST (UTC)");
    for (size_t i = 0; i < l->count; i++) {
        const struct offender_row *r = &l->rows[i];
        short_time(r->first, first);
        short_time(r->last, last);
        printf("%-26s %-12s %8" PRIu64 " %8" PRIu64 "  %-19s  %-19s\n", r->source_text, r->tag, r->relays, r->attacks,
               first, last);
    }
    if (l->count == 0)
        puts("nobody");
    if (l->forgotten > 0)
        printf("%" PRIu64 " sources that were quiet for long were forgotten to make room for others.\n", l->forgotten);
}

static void print_entries(const struct list *l, uint8_t family)
{
    for (size_t i = 0; i < l->count; i++) {
        const struct offender_row *r = &l->rows[i];
        if (r->source.addr.family == family)
            printf("%s :127.0.0.2:%s tried to relay mail %" PRIu64 " times, last on %.10s\n", r->source_text,
                   family == 4 ? "$" : r->source_text, r->relays, r->last);
    }
}

static void print_rbldnsd(const struct options *o, const struct list *l)
{
    const char *ns = o->ns != NULL ? o->ns : "localhost";
    printf("# Who tried to relay mail through this gateway. Made by rcptwall offenders --rbldnsd; for rbldnsd's type "
           "combined.\n");
    printf("$SOA %d %s hostmaster.%s 0 600 300 86400 %d\n", TTL_S, ns, ns, TTL_S); /* serial 0: the file's time */
    if (o->ns != NULL)
        printf("$NS %d %s\n", TTL_S, ns);
    printf("$TTL %d\n", TTL_S);
    printf("# RFC 5782, 5: 127.0.0.2 is listed and 127.0.0.1 is not, so that whoever asks can see that the list lives.\n"
           "$DATASET ip4set:sources4 @\n"
           ":127.0.0.2:$ tried to relay mail\n"
           "127.0.0.2 :127.0.0.2:the entry for tests\n");
    print_entries(l, 4);
    printf("$DATASET ip6trie:sources6 @\n"
           ":127.0.0.2:tried to relay mail\n"
           "::ffff:7f00:2/128 :127.0.0.2:the entry for tests\n");
    print_entries(l, 6);
}

static void print_set(const struct list *l, uint8_t family)
{
    size_t n = 0;
    printf("add set inet rcptwall_offenders sources%d { type ipv%d_addr; flags interval; }\n"
           "flush set inet rcptwall_offenders sources%d\n",
           family, family, family);
    for (size_t i = 0; i < l->count; i++)
        if (l->rows[i].source.addr.family == family)
            printf("%s%s", n++ == 0 ? family == 4 ? "add element inet rcptwall_offenders sources4 { "
                                                  : "add element inet rcptwall_offenders sources6 { "
                                    : ",\n\t",
                   l->rows[i].source_text);
    if (n > 0)
        puts(" }");
}

static void print_nft(const struct list *l)
{
    puts("# Who tried to relay mail through this gateway. Made by rcptwall offenders --nft; for nft -f -.\n"
         "add table inet rcptwall_offenders");
    print_set(l, 4);
    print_set(l, 6);
}

static void print(const struct options *o, struct list *l)
{
    switch (o->form) {
    case FORM_TABLE:
        sort(l, by_count);
        print_table(l);
        break;
    case FORM_JSON:
        sort(l, by_count);
        print_json(l);
        break;
    case FORM_RBLDNSD:
        print_rbldnsd(o, l);
        break;
    case FORM_NFT:
        print_nft(l);
        break;
    }
}

int command_offenders(int argc, char **argv)
{
    struct options o;
    struct list l = {.count = 0};
    size_t len = 0;
    if (!read_options(argc, argv, &o))
        return EXIT_TROUBLE;
    if (o.help) {
        fputs(help, stdout);
        return 0;
    }
    char *path = control_ask_where("offenders", o.socket, o.config);
    char *answer = path != NULL ? control_ask("offenders", path, 0, &len) : NULL;
    int status = EXIT_TROUBLE;
    if (answer != NULL && !read_rows(&o, answer, len, &l)) {
        fprintf(stderr, "rcptwall offenders: %s: that is no rcptwall, an older one, or it is just stopping\n", path);
    } else if (answer != NULL) {
        drop_doubles(&l);
        print(&o, &l);
        status = 0;
    }
    free(l.rows);
    free(answer);
    free(path);
    return status;
}
