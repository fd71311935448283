/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The nftables form. What stands here as a comment for the administrator is the
 * documentation of the rules; the facts behind them were tried on Linux 6.1, 6.12
 * and 6.18.
 */
#include "rules/ruleset.h"
#include "rules/ruleset_plan.h"

#include <inttypes.h>

static void print_head(const struct config *c, FILE *out)
{
    fputs("# rcptwall: nftables rules. Printed by `rcptwall rules --nft`; print and load them again when the\n"
          "# configuration changes:\n"
          "#     rcptwall rules --nft | nft -f -\n"
          "# Loading replaces the whole table in one step, and touches no other table.\n"
          "# Keep this text rather than the output of `nft list ruleset`: nft 1.0.6 lists the lengths of bare ACKs\n"
          "# wrongly, and a set loaded from its list sends those to the daemon too.\n"
          "#\n",
          out);
    fprintf(out,
            "# Bits of the packet mark and of the connection mark that are rcptwall's: 0x%08" PRIx32
            ". All others are\n"
            "# kept as they are.\n"
            "#     0x%08" PRIx32 " tag: who is the client\n"
            "#     0x%08" PRIx32 " pass: this session needs no more looking\n"
            "#     0x%08" PRIx32 " condemned: this session is over\n"
            "#     0x%08" PRIx32 " ban (not used yet)\n"
            "#\n",
            c->marks.mask, c->marks.tag, c->marks.pass, c->marks.condemned, c->marks.ban);
    fputs("# Keep these ports out of any flowtable (`flow add`): packets of an offloaded connection never reach a\n"
          "# chain, so nobody would judge them.\n\n"
          "table inet rcptwall\n"
          "delete table inet rcptwall\n\n"
          "table inet rcptwall {\n"
          "\t# SMTP, as the servers see it (behind any DNAT).\n"
          "\tset ports {\n"
          "\t\ttype inet_service\n"
          "\t\telements = { ",
          out);
    ruleset_print_ports(c, ", ", out);
    fputs(" }\n\t}\n", out);
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

static bool same_set(const struct planned *a, const struct planned *b)
{
    return a->depth == b->depth && a->network.addr.family == b->network.addr.family && a->network.tag == b->network.tag;
}

#define SET_NAME (TAG_NAME_MAX + 32)

/* "nets4_inside"; "nets4in1_inside" for those that lie inside one network of another tag, and so on. */
static void set_name(const struct config *c, const struct planned *p, char out[static SET_NAME])
{
    const char *tag = c->policy->tags[p->network.tag].name;

    if (p->depth == 0)
        snprintf(out, SET_NAME, "nets%d_%s", p->network.addr.family, tag);
    else
        snprintf(out, SET_NAME, "nets%din%u_%s", p->network.addr.family, p->depth, tag);
}

static void print_networks(const struct config *c, const struct ruleset_plan *plan, FILE *out)
{
    const struct planned *at = plan->networks, *end = plan->networks + plan->network_count;
    char name[SET_NAME];

    if (at < end)
        fputs("\n\t# Who gets which tag. \"in1\": networks that lie inside one of another tag; they are tried first.\n",
              out);
    while (at < end) {
        const struct planned *next = at;
        while (next < end && same_set(at, next))
            next++;
        set_name(c, at, name);
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

/* SMTP packets of clients to one chain, those of servers to another. */
static void print_dispatch(const struct ruleset_plan *plan, const char *from_client, const char *from_server, FILE *out)
{
    if (plan->all_servers) {
        fprintf(out, "\t\ttcp dport @ports goto %s\n\t\ttcp sport @ports goto %s\n", from_client, from_server);
        return;
    }
    if (ruleset_plan_serves(plan, 4))
        fprintf(out, "\t\tip daddr @servers4 tcp dport @ports goto %s\n", from_client);
    if (ruleset_plan_serves(plan, 6))
        fprintf(out, "\t\tip6 daddr @servers6 tcp dport @ports goto %s\n", from_client);
    if (ruleset_plan_serves(plan, 4))
        fprintf(out, "\t\tip saddr @servers4 tcp sport @ports goto %s\n", from_server);
    if (ruleset_plan_serves(plan, 6))
        fprintf(out, "\t\tip6 saddr @servers6 tcp sport @ports goto %s\n", from_server);
}

/* A statement that changes just the bits `clear` of a mark: they become `set`. */
static void print_mark(const char *which, uint32_t clear, uint32_t set, FILE *out)
{
    fprintf(out, "%s mark set %s mark & 0x%08" PRIx32, which, which, ~clear);
    if (set != 0)
        fprintf(out, " | 0x%08" PRIx32, set);
    fputs("\n", out);
}

static uint32_t tag_bits(const struct config *c, uint8_t tag)
{
    return marks_with_tag(&c->marks, 0, tag);
}

static void print_match(const char *which, uint32_t bits, uint32_t value, FILE *out)
{
    fprintf(out, "\t\t%s mark & 0x%08" PRIx32 " == 0x%08" PRIx32 " ", which, bits, value);
}

/* Gives a connection without a tag the one of the client's address, which is the packet's source or destination. */
static void print_tag_by(const struct config *c, const struct ruleset_plan *plan, const char *chain, const char *side,
                         FILE *out)
{
    const struct planned *at = plan->networks, *end = plan->networks + plan->network_count;
    char name[SET_NAME];

    fprintf(out, "\tchain %s {\n", chain);
    while (at < end) {
        print_match("ct", c->marks.tag, 0, out);
        set_name(c, at, name);
        fprintf(out, "%s %s @%s ", at->network.addr.family == 4 ? "ip" : "ip6", side, name);
        print_mark("ct", c->marks.tag, tag_bits(c, at->network.tag), out);
        const struct planned *next = at;
        while (next < end && same_set(at, next))
            next++;
        at = next;
    }
    print_match("ct", c->marks.tag, 0, out);
    print_mark("ct", c->marks.tag, tag_bits(c, c->policy->outside), out);
    fputs("\t}\n", out);
}

static void print_tagging(const struct config *c, const struct ruleset_plan *plan, FILE *out)
{
    fputs("\n\t# 1. Tags. In the forward hook addresses are those of client and server themselves, whatever NAT does.\n"
          "\t# A tag that another rule has put into the connection mark before stays.\n"
          "\tchain tag {\n"
          "\t\ttype filter hook forward priority mangle; policy accept;\n",
          out);
    print_dispatch(plan, "tag_from_client", "tag_from_server", out);
    fputs("\t}\n\tchain tag_from_client {\n"
          "\t\t# A new connection from the port of a dead one: what the dead one did is forgotten.\n"
          "\t\ttcp flags & (fin | syn | rst | ack) == syn ",
          out);
    print_mark("ct", c->marks.pass | c->marks.condemned | c->marks.ban, 0, out);
    print_match("ct", c->marks.tag, 0, out);
    fputs("jump tag_by_source\n\t\tgoto tag_packet\n\t}\n"
          "\tchain tag_from_server {\n",
          out);
    print_match("ct", c->marks.tag, 0, out);
    fputs("jump tag_by_destination\n\t\tgoto tag_packet\n\t}\n", out);
    print_tag_by(c, plan, "tag_by_source", "saddr", out);
    print_tag_by(c, plan, "tag_by_destination", "daddr", out);
    fputs("\t# The tag goes with the packet to the daemon; verdict bits come only from the daemon.\n"
          "\tchain tag_packet {\n\t\t",
          out);
    print_mark("meta", c->marks.mask, 0, out);
    for (uint8_t tag = 1; tag <= TAGS_MAX; tag++) {
        if (c->policy->tags[tag].name[0] == '\0')
            continue;
        print_match("ct", c->marks.tag, tag_bits(c, tag), out);
        print_mark("meta", c->marks.tag, tag_bits(c, tag), out);
    }
    fputs("\t}\n", out);
}

static void print_judging(const struct config *c, const struct ruleset_plan *plan, FILE *out)
{
    fputs(
        "\n\t# 2. The queue. Behind the usual filter chains (priority filter, 0): what they refuse costs the daemon\n"
        "\t# nothing, and an accept here can't overrule them. A verdict with a mark comes back with NF_REPEAT, which\n"
        "\t# runs this chain again from its top, so all that acts on verdict bits is in here.\n"
        "\tchain guard {\n"
        "\t\ttype filter hook forward priority filter + 10; policy accept;\n",
        out);
    print_dispatch(plan, "from_client", "from_server", out);
    fputs("\t}\n\tchain from_client {\n", out);
    print_match("meta", c->marks.condemned, c->marks.condemned, out);
    fputs("goto disarmed\n", out);
    print_match("ct", c->marks.condemned, c->marks.condemned, out);
    fputs("goto condemned\n", out);
    print_match("ct", c->marks.pass, c->marks.pass, out);
    fputs("counter accept comment \"passed\"\n"
          "\t\t# A bare acknowledgement brings the server nothing to act on: no payload, no SYN, FIN, RST or urgent\n"
          "\t\t# pointer. Everything else is judged, and so is an acknowledgement with IP options.\n"
          "\t\ttcp flags & (fin | syn | rst | psh | ack | urg) == ack ip hdrlength . tcp doff . ip length @empty4 "
          "counter accept comment \"bare ACK\"\n"
          "\t\ttcp flags & (fin | syn | rst | psh | ack | urg) == ack tcp doff . ip6 length @empty6 "
          "counter accept comment \"bare ACK\"\n"
          "\t\tgoto judge\n\t}\n"
          "\tchain from_server {\n",
          out);
    print_match("meta", c->marks.condemned, c->marks.condemned, out);
    fputs("goto disarmed\n", out);
    print_match("ct", c->marks.condemned, c->marks.condemned, out);
    fputs("goto condemned\n", out);
    print_match("ct", c->marks.pass, c->marks.pass, out);
    fputs("counter accept comment \"passed\"\n\t\tgoto judge\n\t}\n", out);
}

static void print_verdicts(const struct config *c, FILE *out)
{
    fputs("\t# The daemon has turned the offending packet into a RST for its receiver. From here on the connection is\n"
          "\t# condemned.\n"
          "\tchain disarmed {\n\t\t",
          out);
    print_mark("ct", c->marks.condemned, c->marks.condemned, out);
    fputs("\t\tcounter accept comment \"disarmed\"\n\t}\n"
          "\t# Both ends may reset it; whatever else they say is answered with a RST. (RSTs first: no RST answers a "
          "RST,\n"
          "\t# so the rule below would swallow them and nobody would be told.)\n"
          "\tchain condemned {\n"
          "\t\ttcp flags & (fin | syn | rst) == rst counter accept comment \"RST\"\n"
          "\t\tcounter reject with tcp reset comment \"condemned\"\n\t}\n",
          out);
    if (c->on_failure == FAIL_OPEN)
        fputs("\t# on-failure = open: while no daemon listens, SMTP passes unguarded (bypass).\n", out);
    else
        fputs("\t# on-failure = closed: while no daemon listens, there is no SMTP.\n", out);
    fputs("\t# A range of queues is shared out by addresses, both directions of a connection to the same queue. Never\n"
          "\t# add `fanout`: it goes by CPU, and a session's packets would end up in different queues.\n"
          "\tchain judge {\n"
          "\t\tcounter queue num ",
          out);
    fprintf(out, "%d", c->queue_first);
    if (c->queue_last != c->queue_first)
        fprintf(out, "-%d", c->queue_last);
    fprintf(out, "%s comment \"judged\"\n\t}\n", c->on_failure == FAIL_OPEN ? " bypass" : "");
    fputs("\n\t# 3. A packet that left the queue with the pass bit: the rest of its session bypasses the queue. (The\n"
          "\t# queue's accept ends the chain above, so this can't be said there.)\n"
          "\tchain keep_pass {\n"
          "\t\ttype filter hook postrouting priority mangle; policy accept;\n",
          out);
    fprintf(out, "\t\tmeta l4proto tcp meta mark & 0x%08" PRIx32 " == 0x%08" PRIx32 " ", c->marks.pass, c->marks.pass);
    print_mark("ct", c->marks.pass, c->marks.pass, out);
    fputs("\t}\n}\n", out);
}

bool ruleset_print_nft(const struct config *c, FILE *out)
{
    struct ruleset_plan plan;

    if (!ruleset_plan_make(&plan, c))
        return false;
    print_head(c, out);
    print_servers(&plan, out);
    print_networks(c, &plan, out);
    print_pure_acks(out);
    print_tagging(c, &plan, out);
    print_judging(c, &plan, out);
    print_verdicts(c, out);
    ruleset_plan_free(&plan);
    return true;
}

void ruleset_remove_nft(FILE *out)
{
    fputs("# rcptwall: takes the table away, whether it is there or not. rcptwall rules --nft --remove | nft -f -\n"
          "table inet rcptwall\n"
          "delete table inet rcptwall\n",
          out);
}
