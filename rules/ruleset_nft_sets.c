/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the nftables form looks up: ports, servers, networks, lengths of bare ACKs, and who is banned. */
#include "rules/ruleset_nft.h"

/* The bits of a prefix, as an address. */
static void print_netmask(const struct network *n, FILE *out)
{
    struct network mask = {.addr = {.family = n->addr.family}, .prefix = n->addr.family == 4 ? 32 : 128};
    char text[NETWORK_TEXT];

    for (unsigned bit = 0; bit < n->prefix; bit++)
        mask.addr.at[bit / 8] = (uint8_t)(mask.addr.at[bit / 8] | 0x80U >> bit % 8);
    ruleset_network_text(&mask, text);
    fputs(text, out);
}

void ruleset_nft_print_addresses(const struct network *n, const char *side, FILE *out)
{
    fprintf(out, "%s %s", n->addr.family == 4 ? "ip" : "ip6", side);
    if (n->prefix == (n->addr.family == 4 ? 32 : 128))
        return;
    fputs(" & ", out);
    print_netmask(n, out);
}

void ruleset_nft_print_name(const char *tag, const struct network *n, FILE *out)
{
    bool host = n->prefix == (n->addr.family == 4 ? 32 : 128);

    fprintf(out, "%s%d", tag == NULL ? "servers" : host ? "hosts" : "nets", n->addr.family);
    if (!host)
        fprintf(out, "_%d", n->prefix);
    if (tag != NULL)
        fprintf(out, "_%s", tag);
}

/* One list a family, length of prefix and tag (without configuration: servers), so that each is looked up with one mask. */
static void print_lists(const struct config *c, const struct planned *at, const struct planned *end, FILE *out)
{
    char text[NETWORK_TEXT];

    while (at < end) {
        const struct planned *next = ruleset_plan_next_group(at, end);
        fputs("\tdefine ", out);
        ruleset_nft_print_name(c != NULL ? c->policy->tags[at->network.tag].name : NULL, &at->network, out);
        fputs(" = {", out);
        for (const struct planned *p = at; p < next; p++) {
            struct network first = p->network;
            first.prefix = first.addr.family == 4 ? 32 : 128;
            ruleset_network_text(&first, text);
            fprintf(out, "%s%s", p == at ? " " : (p - at) % 8 == 0 ? ",\n\t\t" : ", ", text);
        }
        fputs(" }\n", out);
        at = next;
    }
}

static void print_defines(const struct nft_table *t)
{
    const struct ruleset_plan *plan = t->plan;

    fputs("\t# SMTP, as the servers see it (behind any DNAT).\n"
          "\tdefine ports = { ",
          t->out);
    ruleset_print_ports(t->config, ", ", t->out);
    fputs(" }\n", t->out);
    if (plan->server_count > 0)
        fputs("\n\t# The servers to be protected. \"_24\": networks, of which only the first 24 bits are compared.\n",
              t->out);
    print_lists(NULL, plan->servers, plan->servers + plan->server_count, t->out);
    if (plan->network_count > 0)
        fputs("\n\t# Who gets which tag. The longest prefix is tried first.\n", t->out);
    print_lists(t->config, plan->networks, plan->networks + plan->network_count, t->out);
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
    fputs("\n\t# Who is banned, and forgotten when the time is over; for IPv6 the whole /64 that the client is in. Loading\n"
          "\t# the rules again leaves them banned; `nft flush set` forgets them.\n",
          t->out);
    for (int v = 4; v <= 6; v += 2)
        fprintf(t->out, "\tset banned%d { " NFT_BANNED_SET " }\n", v, v);
}

void ruleset_nft_print_sets(const struct nft_table *t)
{
    print_defines(t);
    print_pure_acks(t->out);
    print_banned(t);
}
