/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The sets of the nftables form: ports, servers, networks, lengths of bare ACKs, and who is banned. */
#include "rules/ruleset_nft.h"

static void print_ports(const struct nft_table *t)
{
    fputs("\t# SMTP, as the servers see it (behind any DNAT).\n"
          "\tset ports {\n"
          "\t\ttype inet_service\n"
          "\t\telements = { ",
          t->out);
    ruleset_print_ports(t->config, ", ", t->out);
    fputs(" }\n\t}\n", t->out);
}

/* One interval set with the networks [from, to) of one family. */
static void print_set(const char *name, const struct planned *from, const struct planned *to, FILE *out)
{
    char text[NETWORK_TEXT];

    fprintf(out, "\tset %s {\n\t\ttype %s\n\t\tflags interval\n\t\telements = {", name,
            from->network.addr.family == 4 ? "ipv4_addr" : "ipv6_addr");
    for (const struct planned *p = from; p < to; p++) {
        ruleset_network_text(&p->network, text);
        fprintf(out, "%s%s", p > from ? ",\n\t\t             " : " ", text);
    }
    fputs(" }\n\t}\n", out);
}

static void print_servers(const struct ruleset_plan *plan, FILE *out)
{
    const struct planned *at = plan->servers, *end = plan->servers + plan->server_count;

    if (at < end)
        fputs("\n\t# The servers to be protected.\n", out);
    while (at < end) {
        const struct planned *next = at;
        while (next < end && next->network.addr.family == at->network.addr.family)
            next++;
        print_set(at->network.addr.family == 4 ? "servers4" : "servers6", at, next, out);
        at = next;
    }
}

bool ruleset_nft_same_set(const struct planned *a, const struct planned *b)
{
    return a->depth == b->depth && a->network.addr.family == b->network.addr.family && a->network.tag == b->network.tag;
}

void ruleset_nft_set_name(const struct config *c, const struct planned *p, char out[static NFT_SET_NAME])
{
    const char *tag = c->policy->tags[p->network.tag].name;

    if (p->depth == 0)
        snprintf(out, NFT_SET_NAME, "nets%d_%s", p->network.addr.family, tag);
    else
        snprintf(out, NFT_SET_NAME, "nets%din%u_%s", p->network.addr.family, p->depth, tag);
}

static void print_networks(const struct config *c, const struct ruleset_plan *plan, FILE *out)
{
    const struct planned *at = plan->networks, *end = plan->networks + plan->network_count;
    char name[NFT_SET_NAME];

    if (at < end)
        fputs("\n\t# Who gets which tag. \"in1\": networks that lie inside one of another tag; they are tried first.\n",
              out);
    while (at < end) {
        const struct planned *next = at;
        while (next < end && ruleset_nft_same_set(at, next))
            next++;
        ruleset_nft_set_name(c, at, name);
        print_set(name, at, next, out);
        at = next;
    }
}

/* A segment's lengths when it has no payload: header lengths are in units of 4 bytes. */
static void print_pure_acks(FILE *out)
{
    fputs("\n\t# The lengths of a TCP segment that carries no byte of payload: IPv4 without options, IPv6 without\n"
          "\t# extension headers, and nothing behind the TCP header (5 to 15 words of 4 bytes).\n"
          "\tset empty4 {\n"
          "\t\ttypeof ip hdrlength . tcp doff . ip length\n"
          "\t\telements = {",
          out);
    for (unsigned doff = 5; doff <= 15; doff++)
        fprintf(out, "%s 5 . %u . %u", doff > 5 ? "," : "", doff, 20 + 4 * doff);
    fputs(" }\n\t}\n"
          "\tset empty6 {\n"
          "\t\ttypeof tcp doff . ip6 length\n"
          "\t\telements = {",
          out);
    for (unsigned doff = 5; doff <= 15; doff++)
        fprintf(out, "%s %u . %u", doff > 5 ? "," : "", doff, 4 * doff);
    fputs(" }\n\t}\n", out);
}

/* Filled by the rules, not by the configuration. */
static void print_banned(const struct nft_table *t)
{
    if (!ruleset_plan_bans(t->config))
        return;
    fputs("\n\t# Who is banned, and forgotten when the time is over; for IPv6 the whole /64 that the client is in. "
          "Loading\n"
          "\t# the rules anew forgets them all.\n"
          "\tset banned4 {\n\t\ttype ipv4_addr\n\t\tflags dynamic, timeout\n\t\tsize 65536\n\t}\n"
          "\tset banned6 {\n\t\ttype ipv6_addr\n\t\tflags dynamic, timeout\n\t\tsize 65536\n\t}\n",
          t->out);
}

void ruleset_nft_print_sets(const struct nft_table *t)
{
    print_ports(t);
    print_servers(t->plan, t->out);
    print_networks(t->config, t->plan, t->out);
    print_pure_acks(t->out);
    print_banned(t);
}
