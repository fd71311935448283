/* SPDX-License-Identifier: GPL-2.0-or-later */
/* rcptwall probe: does your own server relay? The classic forms, one session each, and never DATA. */
#include "kmod-free/report/escape.h"
#include "kmod-free/report/event_json.h"
#include "nfq/dnsbl/zone.h"
#include "nfq/json_fields.h"
#include "nfq/probe_session.h"
#include "rules/command_options.h"
#include "rules/commands.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <ifaddrs.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define EXIT_RELAYS  1
#define EXIT_TROUBLE 2
#define PAUSE_MS     250
#define TIMEOUT_S    20
#define TIMEOUT_MOST 300 /* RFC 5321 4.5.3.2: a client should be that patient */
#define ODD_MAILBOX  "rcptwall-probe-no-such-mailbox-7c1"

static const char help[] =
    "Usage: rcptwall probe HOST[:PORT] --from ADDRESS --to EXTERNAL-ADDRESS [--tls no] [--local DOMAIN] [--json]\n"
    "Asks your own mail server to relay, in all the classic ways. Each form has a session of its own with EHLO,\n"
    "MAIL, RCPT and RSET; DATA is never sent, so no mail comes of it.\n"
    "\n"
    "      --from ADDRESS           the sender\n"
    "      --to ADDRESS             a recipient in a domain that isn't the server's (one that is its own is refused)\n"
    "      --local DOMAIN           a domain of the server's (default: as it calls itself)\n"
    "      --tls no                 without TLS: the only way so far\n"
    "      --pause MS               between two sessions (250)\n"
    "      --timeout SECONDS        how long to wait for each reply (20)\n"
    "      --json                   one JSON object a line\n"
    "      --yes-this-is-my-server  needed for a host that isn't on a local or private network\n"
    "  -h, --help                   this text\n"
    "\n"
    "RELAYS: accepted a recipient elsewhere. may relay: accepted, but the server also accepts mailboxes that can't\n"
    "exist, so that the odd address may be one of them, to be bounced later (Exchange 5.5 does so): look\n"
    "whether mail arrives. put off: a 4xx (but 454), or TLS is wanted first: nothing is known.\n"
    "Exit status: 0 closed, 1 relays or may relay, 2 trouble.\n";

struct options {
    char host[256];
    const char *port, *local;
    struct probe_address from, to;
    unsigned pause_ms;
    int timeout_s;
    bool has_from, has_to, json, mine, help;
};

static bool complain(const char *what)
{
    return command_complain("probe", what);
}

static bool bad_value(const char *option, const char *value, const char *wanted)
{
    return command_bad_value("probe", option, value, wanted);
}

static bool number(const char *text, unsigned long most, unsigned long *out)
{
    char *end;

    if (*text < '0' || *text > '9')
        return false;
    *out = strtoul(text, &end, 10);
    return *end == '\0' && *out <= most;
}

/* "host", "host:25", "192.0.2.25:25", "[2001:db8::25]:25", "2001:db8::25" */
static bool take_host(struct options *o, char *text)
{
    char *end = text[0] == '[' ? strchr(text, ']') : NULL, *colon = strchr(text, ':');
    unsigned long port;
    const char *host = text;

    o->port = "25";
    if (end != NULL) {
        if (end[1] != ':' && end[1] != '\0')
            return bad_value(NULL, text, "HOST or HOST:PORT");
        host = text + 1;
        *end = '\0';
        if (end[1] == ':')
            o->port = end + 2;
    } else if (colon != NULL && strchr(colon + 1, ':') == NULL) {
        *colon = '\0';
        o->port = colon + 1;
    }
    if (*host == '\0' || strlen(host) >= sizeof o->host)
        return bad_value(NULL, text, "HOST or HOST:PORT");
    if (!number(o->port, UINT16_MAX, &port) || port == 0)
        return bad_value("port", o->port, "a number from 1 to 65535");
    snprintf(o->host, sizeof o->host, "%s", host);
    return true;
}

static bool take_option(struct options *o, int c)
{
    unsigned long n;

    switch (c) {
    case 'f':
        o->has_from = probe_address_parse(optarg, &o->from);
        return o->has_from || bad_value("--from", optarg, "a plain USER@DOMAIN");
    case 't':
        o->has_to = probe_address_parse(optarg, &o->to);
        return o->has_to || bad_value("--to", optarg, "a plain USER@DOMAIN");
    case 'l':
        o->local = optarg;
        return probe_domain_valid(optarg) || bad_value("--local", optarg, "a domain name");
    case 'T':
        return strcmp(optarg, "no") == 0 || bad_value("--tls", optarg, "no (it can't be anything else)");
    case 'p':
        if (!number(optarg, 60000, &n))
            return bad_value("--pause", optarg, "a number of milliseconds up to 60000");
        o->pause_ms = (unsigned)n;
        return true;
    case 'w':
        if (!number(optarg, TIMEOUT_MOST, &n) || n == 0)
            return bad_value("--timeout", optarg, "a number of seconds from 1 to 300");
        o->timeout_s = (int)n;
        return true;
    case 'j':
        o->json = true;
        return true;
    case 'y':
        o->mine = true;
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
        {"from", required_argument, NULL, 'f'},  {"to", required_argument, NULL, 't'},
        {"local", required_argument, NULL, 'l'}, {"tls", required_argument, NULL, 'T'},
        {"pause", required_argument, NULL, 'p'}, {"json", no_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},        {"yes-this-is-my-server", no_argument, NULL, 'y'},
        {"timeout", required_argument, NULL, 'w'}, {NULL, 0, NULL, 0},
    };
    int c;

    *o = (struct options){.pause_ms = PAUSE_MS, .timeout_s = TIMEOUT_S};
    optind = 0;
    opterr = 0;
    while ((c = getopt_long(argc, argv, ":h", known, NULL)) != -1)
        if (c == ':' || c == '?' ? !command_bad_option("probe", c, argv, known) : !take_option(o, c))
            return false;
    if (o->help)
        return true;
    if (optind + 1 != argc)
        return complain(optind == argc ? "no host" : "more than one host");
    if (!o->has_from || !o->has_to)
        return complain("--from and --to are needed");
    return take_host(o, argv[optind]);
}

/* ---- whose host is it? ---- */

static struct ip_addr address_of(const struct sockaddr *sa)
{
    struct ip_addr a = {.family = sa->sa_family == AF_INET ? 4 : 6};
    struct sockaddr_in in;
    struct sockaddr_in6 in6;

    if (sa->sa_family == AF_INET) {
        memcpy(&in, sa, sizeof in);
        memcpy(a.at, &in.sin_addr, 4);
    } else {
        memcpy(&in6, sa, sizeof in6);
        memcpy(a.at, &in6.sin6_addr, 16);
    }
    return a;
}

/* On a network that this machine is on, too? */
static bool neighbour(const struct ip_addr *a)
{
    struct ifaddrs *all;
    bool found = false;

    if (getifaddrs(&all) < 0)
        return false;
    for (const struct ifaddrs *i = all; i != NULL && !found; i = i->ifa_next) {
        if (i->ifa_addr == NULL || i->ifa_netmask == NULL ||
            (i->ifa_addr->sa_family != AF_INET && i->ifa_addr->sa_family != AF_INET6))
            continue;
        struct ip_addr own = address_of(i->ifa_addr), mask;
        if (own.family != a->family)
            continue;
        i->ifa_netmask->sa_family = i->ifa_addr->sa_family; /* some kernels leave it out */
        mask = address_of(i->ifa_netmask);
        found = true;
        for (size_t n = 0; n < sizeof own.at; n++)
            found = found && ((own.at[n] ^ a->at[n]) & mask.at[n]) == 0;
    }
    freeifaddrs(all);
    return found;
}

/* The address to be asked. false: one line was printed. */
static bool find_target(const struct options *o, struct probe_target *t, struct ip_addr *a)
{
    const struct addrinfo want = {.ai_socktype = SOCK_STREAM};
    const struct dnsbl_config nothing = {.zone_count = 0};
    struct addrinfo *found = NULL;
    int error = getaddrinfo(o->host, o->port, &want, &found);

    if (error != 0) {
        fprintf(stderr, "rcptwall probe: %s: %s\n", o->host, gai_strerror(error));
        return false;
    }
    memcpy(&t->addr, found->ai_addr, found->ai_addrlen);
    t->len = found->ai_addrlen;
    t->timeout_s = o->timeout_s;
    *a = address_of(found->ai_addr);
    freeaddrinfo(found);
    if (o->mine || dnsbl_exempt(&nothing, a) || neighbour(a))
        return true;
    fprintf(stderr,
            "rcptwall probe: %s is not on a local or private network; probing a server that isn't yours is abuse. If "
            "it is yours, say --yes-this-is-my-server\n",
            o->host);
    return false;
}

/* ---- asking ---- */

struct probe {
    const struct options *o;
    struct probe_target target;
    struct probe_subject subject;
    bool any_mailbox, terminal;
    size_t relays, unproven, later, trouble;
    bool wants_tls;
};

static void rest(const struct probe *p)
{
    struct timespec t = {.tv_sec = p->o->pause_ms / 1000, .tv_nsec = (long)(p->o->pause_ms % 1000) * 1000000};

    nanosleep(&t, NULL);
}

static void progress(const struct probe *p, size_t done, const char *what)
{
    if (p->terminal)
        fprintf(stderr, "\r\033[K%zu of %zu: %s", done, probe_form_count(), what);
}

static void progress_clear(const struct probe *p)
{
    if (p->terminal)
        fputs("\r\033[K", stderr);
}

static const char *ending(const struct probe_reply *r)
{
    if (r->error == ETIMEDOUT)
        return "(no reply)";
    if (r->error == ETIME)
        return "(a reply that doesn't end in time)";
    if (r->error == EPROTO)
        return "(a line without end)";
    if (r->error == ECONNRESET || r->error == EPIPE)
        return "(connection reset)";
    return r->error == 0 ? "(connection closed)" : strerror(r->error);
}

static void show(const struct probe *p, const char *name, const char *mail, const char *rcpt,
                 const struct probe_session_result *r, enum probe_verdict v)
{
    const char *raw = r->reply.text[0] != '\0' && !r->reply.cut ? r->reply.text : ending(&r->reply);
    char reply[PROBE_REPLY_MAX * ESCAPE_FACTOR + 1];
    bool cut;

    progress_clear(p);
    if (!p->o->json) {
        escape_plain(bytes_str(raw), reply, sizeof reply, &cut);
        printf("%-21s %-50s %-10s %.80s\n", name, rcpt, probe_verdict_name(v), reply);
        return;
    }
    json_t *o = json_pack("{s:s,s:s,s:s,s:s}", "form", name, "mail_from", mail, "rcpt_to", rcpt, "verdict",
                          v == PROBE_RELAYS     ? "relays"
                          : v == PROBE_UNPROVEN ? "may-relay"
                          : v == PROBE_LATER    ? "put-off"
                                                : probe_verdict_name(v));
    if (o != NULL) {
        (void)json_object_set_new(o, "code", json_integer(r->outcome.rcpt != 0 ? r->outcome.rcpt : r->outcome.mail));
        (void)json_object_set_new(o, "reply", bytes_to_json(bytes_str(raw)));
    }
    object_print_line(o);
}

/* What the server takes for itself proves nothing. host: what it calls itself. false: one line was printed. */
static bool to_elsewhere(const struct probe *p, const char *host)
{
    const char *to = p->o->to.domain;

    progress_clear(p);
    if (p->o->local != NULL && probe_domain_own(to, p->o->local)) {
        fprintf(stderr, "rcptwall probe: --to %s is the server's own (--local %s); name a recipient elsewhere\n", to,
                p->o->local);
        return false;
    }
    if (probe_domain_own(to, host)) {
        fprintf(stderr, "rcptwall probe: --to %s is the server's own (it calls itself %s); name a recipient elsewhere\n",
                to, host);
        return false;
    }
    return true;
}

/* It was no session: why. */
static bool no_session(const struct probe *p, const struct probe_reply *r)
{
    char said[PROBE_REPLY_MAX * ESCAPE_FACTOR + 1];
    bool cut;

    progress_clear(p);
    escape_plain(bytes_str(r->text), said, sizeof said, &cut);
    if (r->cut || r->text[0] == '\0')
        fprintf(stderr, "rcptwall probe: %s port %s: %s\n", p->o->host, p->o->port, ending(r));
    else
        fprintf(stderr, "rcptwall probe: %s port %s: no SMTP server that greets us; it says: %.80s\n", p->o->host, p->o->port,
                said);
    return false;
}

/* First, what the server calls itself, and whether it takes mail for anybody. false: one line was printed. */
static bool introduce(struct probe *p)
{
    struct probe_session_result r;
    char mail[PROBE_PATH_MAX], rcpt[PROBE_PATH_MAX];

    probe_form_write(0, &p->subject, mail, rcpt);
    if (p->o->local == NULL) {
        progress(p, 0, "what the server calls itself");
        probe_session_run(&p->target, mail, "<postmaster>", &r);
        snprintf(p->subject.local, sizeof p->subject.local, "%s", r.host[0] != '\0' ? r.host : "localhost");
        if (!r.outcome.connected)
            return no_session(p, &r.reply);
        rest(p);
    }
    snprintf(rcpt, sizeof rcpt, "<" ODD_MAILBOX "@%s>", p->subject.local);
    progress(p, 0, "a mailbox that can't exist");
    probe_session_run(&p->target, mail, rcpt, &r);
    if (!r.outcome.connected)
        return no_session(p, &r.reply);
    p->any_mailbox = r.outcome.rcpt >= 200 && r.outcome.rcpt < 300;
    return to_elsewhere(p, r.host);
}

static void ask_form(struct probe *p, size_t form)
{
    struct probe_session_result r;
    char mail[PROBE_PATH_MAX], rcpt[PROBE_PATH_MAX];

    progress(p, form, probe_form_name(form));
    rest(p);
    probe_form_write(form, &p->subject, mail, rcpt);
    probe_session_run(&p->target, mail, rcpt, &r);
    enum probe_verdict v = probe_judge(form, &r.outcome, p->any_mailbox);
    p->relays += v == PROBE_RELAYS;
    p->unproven += v == PROBE_UNPROVEN;
    p->later += v == PROBE_LATER;
    p->trouble += v == PROBE_TROUBLE;
    p->wants_tls |= r.outcome.wants_tls;
    show(p, probe_form_name(form), mail, rcpt, &r, v);
}

static int conclude(const struct probe *p)
{
    const char *host = p->o->host;
    int status = p->relays + p->unproven > 0 ? EXIT_RELAYS : p->later + p->trouble > 0 ? EXIT_TROUBLE : 0;

    if (p->o->json)
        return status;
    printf("\n%s: %zu forms: %zu relay, %zu may relay, %zu put off, %zu without an answer.%s\n", host, probe_form_count(),
           p->relays, p->unproven, p->later, p->trouble, status == 0 ? " Closed." : "");
    if (p->unproven > 0)
        printf("It accepts mailboxes that can't exist, so these replies prove nothing: look whether mail arrives.\n");
    if (p->wants_tls)
        printf("It wants TLS first, which this probe doesn't speak: what was put off isn't known to be closed.\n");
    else if (p->later > 0)
        printf("What was put off (4xx) isn't known to be closed: ask again later, more slowly.\n");
    return status;
}

int command_probe(int argc, char **argv)
{
    struct options o;
    struct probe p = {.o = &o, .terminal = isatty(STDERR_FILENO) != 0};
    struct ip_addr a;
    char addr[48];

    if (!read_options(argc, argv, &o))
        return EXIT_TROUBLE;
    if (o.help) {
        fputs(help, stdout);
        return 0;
    }
    if (!find_target(&o, &p.target, &a))
        return EXIT_TROUBLE;
    ip_addr_text(&a, addr);
    p.subject = (struct probe_subject){.from = o.from, .to = o.to};
    snprintf(p.subject.literal, sizeof p.subject.literal, a.family == 4 ? "[%s]" : "[IPv6:%s]", addr);
    if (o.local != NULL)
        snprintf(p.subject.local, sizeof p.subject.local, "%s", o.local);
    if (!introduce(&p))
        return EXIT_TROUBLE;
    if (!o.json)
        printf("%-21s %-50s %-10s %s\n", "FORM", "RCPT TO", "VERDICT", "REPLY");
    for (size_t form = 0; form < probe_form_count(); form++)
        ask_form(&p, form);
    return conclude(&p);
}
