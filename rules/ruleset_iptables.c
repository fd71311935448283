/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The iptables form: a sh script, because ip6tables needs a copy of everything and
 * because a jump must be put in exactly once. It says the same as the nftables form.
 */
#include "rules/ruleset.h"
#include "rules/ruleset_plan.h"

#include <inttypes.h>

/* Our chains, with the built-in chain that jumps to them; the inner ones have none. */
struct chain {
    const char *table, *name, *from;
};

static const struct chain chains[] = {
    {"mangle", "RCPTWALL-TAG", "FORWARD"},       {"mangle", "RCPTWALL-CLIENT", NULL},
    {"mangle", "RCPTWALL-SERVER", NULL},         {"mangle", "RCPTWALL-PASS", "POSTROUTING"},
    {"filter", "RCPTWALL-CONDEMNED", "FORWARD"}, {"security", "RCPTWALL-QUEUE", "FORWARD"},
    {"security", "RCPTWALL-JUDGE", NULL},
};

#define CHAINS (sizeof(chains) / sizeof(chains[0]))

static void print_head(const struct config *c, FILE *out)
{
    fputs("#!/bin/sh\n"
          "# rcptwall: iptables rules. Printed by `rcptwall rules --iptables`; print and run them again when the\n"
          "# configuration changes:\n"
          "#     rcptwall rules --iptables | sh\n"
          "# Running it twice is the same as running it once. Only chains named RCPTWALL-* and the jumps to them are\n"
          "# touched. IPTABLES and IP6TABLES name other programs (iptables-legacy, ip6tables-legacy).\n"
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
    fputs("# Where what is done, and why there:\n"
          "#   mangle FORWARD       tags. Behind DNAT, so addresses and ports are the server's own.\n"
          "#   filter FORWARD       resets what is left of condemned connections (REJECT works in filter only).\n"
          "#   security FORWARD     the queue. The accept of a queue ends the chain that it stands in: in filter it "
          "would\n"
          "#                        overrule your own rules, here it comes when they have had their say.\n"
          "#   mangle POSTROUTING   keeps the pass bit.\n"
          "# The nftables form also lets the bare acknowledgements of clients bypass the queue. Here they are judged "
          "like\n"
          "# everything else: no match that is built in everywhere says \"no payload\" exactly.\n"
          "#\n"
          "# Keep these ports out of any flowtable or FLOWOFFLOAD rule: packets of an offloaded connection never reach "
          "a\n"
          "# chain, so nobody would judge them.\n",
          out);
}

static void print_tools(FILE *out)
{
    fputs("set -eu\n"
          "IPTABLES=${IPTABLES:-iptables}\n"
          "IP6TABLES=${IP6TABLES:-ip6tables}\n\n",
          out);
}

/* Takes an earlier jump out in the same step that puts the new one in, so that there is always one. */
static void print_old(FILE *out)
{
    fputs("# old PROGRAM TABLE CHAIN TARGET: a line that removes the jump, if it is there\n"
          "old() {\n"
          "    if \"$1\" -w -t \"$2\" -C \"$3\" -j \"$4\" 2>/dev/null; then echo \"-D $3 -j $4\"; fi\n"
          "}\n\n",
          out);
}

static void print_table(const char *table, FILE *out)
{
    fprintf(out, "*%s\n", table);
    for (size_t i = 0; i < CHAINS; i++)
        if (strcmp(chains[i].table, table) == 0)
            fprintf(out, ":%s - [0:0]\n", chains[i].name);
}

static void print_commit(const char *program, const char *table, FILE *out)
{
    for (size_t i = 0; i < CHAINS; i++) {
        const struct chain *c = &chains[i];
        if (c->from != NULL && strcmp(c->table, table) == 0)
            fprintf(out, "$(old \"$%s\" %s %s %s)\n-I %s 1 -j %s\n", program, table, c->from, c->name, c->from,
                    c->name);
    }
    fputs("COMMIT\n", out);
}

/* A rule for SMTP packets to (or from) one server; NULL: to any. */
static void print_smtp_rule(const struct config *c, const char *chain, const struct network *server, bool to_server,
                            const char *action, FILE *out)
{
    char text[NETWORK_TEXT];

    fprintf(out, "-A %s ", chain);
    if (server != NULL) {
        ruleset_network_text(server, text);
        fprintf(out, "%s %s ", to_server ? "-d" : "-s", text);
    }
    fprintf(out, "-p tcp -m multiport %s ", to_server ? "--dports" : "--sports");
    ruleset_print_ports(c, ",", out);
    fprintf(out, " %s\n", action);
}

static void print_dispatch(const struct config *c, const struct ruleset_plan *plan, uint8_t family, const char *chain,
                           bool to_server, const char *action, FILE *out)
{
    if (plan->all_servers)
        print_smtp_rule(c, chain, NULL, to_server, action, out);
    for (size_t i = 0; i < plan->server_count; i++)
        if (plan->servers[i].network.addr.family == family)
            print_smtp_rule(c, chain, &plan->servers[i].network, to_server, action, out);
}

/* Gives a connection without a tag the one of the client's address. */
static void print_tag_by(const struct config *c, const struct ruleset_plan *plan, uint8_t family, const char *chain,
                         const char *side, FILE *out)
{
    char text[NETWORK_TEXT];

    for (size_t i = 0; i < plan->network_count; i++) {
        const struct network *n = &plan->networks[i].network;
        if (n->addr.family != family)
            continue;
        ruleset_network_text(n, text);
        fprintf(out, "-A %s %s %s -m connmark --mark 0x0/0x%08" PRIx32, chain, side, text, c->marks.tag);
        fprintf(out, " -j CONNMARK --set-xmark 0x%08" PRIx32 "/0x%08" PRIx32 "\n", marks_with_tag(&c->marks, 0, n->tag),
                c->marks.tag);
    }
    fprintf(out, "-A %s -m connmark --mark 0x0/0x%08" PRIx32, chain, c->marks.tag);
    fprintf(out, " -j CONNMARK --set-xmark 0x%08" PRIx32 "/0x%08" PRIx32 "\n",
            marks_with_tag(&c->marks, 0, c->policy->outside), c->marks.tag);
    fprintf(out, "-A %s -j MARK --set-xmark 0x0/0x%08" PRIx32 "\n", chain, c->marks.mask);
    fprintf(out, "-A %s -j CONNMARK --restore-mark --nfmask 0x%08" PRIx32 " --ctmask 0x%08" PRIx32 "\n", chain,
            c->marks.tag, c->marks.tag);
}

static void print_mangle(const struct config *c, const struct ruleset_plan *plan, uint8_t family, const char *program,
                         FILE *out)
{
    const struct marks *m = &c->marks;
    uint32_t verdict = m->pass | m->condemned | m->ban;

    print_table("mangle", out);
    print_dispatch(c, plan, family, "RCPTWALL-TAG", true, "-g RCPTWALL-CLIENT", out);
    print_dispatch(c, plan, family, "RCPTWALL-TAG", false, "-g RCPTWALL-SERVER", out);
    fputs("# A new connection from the port of a dead one: what the dead one did is forgotten.\n", out);
    fprintf(out,
            "-A RCPTWALL-CLIENT -p tcp --tcp-flags FIN,SYN,RST,ACK SYN -j CONNMARK --set-xmark 0x0/0x%08" PRIx32 "\n",
            verdict);
    fputs(
        "# The longest prefix first; a tag that is there already stays. Then the packet gets the tag, and none of our\n"
        "# other bits.\n",
        out);
    print_tag_by(c, plan, family, "RCPTWALL-CLIENT", "-s", out);
    print_tag_by(c, plan, family, "RCPTWALL-SERVER", "-d", out);
    fputs("# A packet that left the queue with the pass bit: the rest of its session bypasses the queue.\n", out);
    fprintf(out, "-A RCPTWALL-PASS -p tcp -m mark --mark 0x%08" PRIx32 "/0x%08" PRIx32, m->pass, m->pass);
    fprintf(out, " -j CONNMARK --set-xmark 0x%08" PRIx32 "/0x%08" PRIx32 "\n", m->pass, m->pass);
    print_commit(program, "mangle", out);
}

static void print_filter(const struct config *c, const char *program, FILE *out)
{
    uint32_t bit = c->marks.condemned;
    const char *chain = "RCPTWALL-CONDEMNED";

    print_table("filter", out);
    fputs("# RSTs first: no RST answers a RST, so the REJECT would swallow them and nobody would be told.\n", out);
    fprintf(out, "-A %s -p tcp -m connmark --mark 0x%08" PRIx32 "/0x%08" PRIx32, chain, bit, bit);
    fputs(" --tcp-flags FIN,SYN,RST RST -j RETURN\n", out);
    fprintf(out, "-A %s -p tcp -m connmark --mark 0x%08" PRIx32 "/0x%08" PRIx32, chain, bit, bit);
    fputs(" -j REJECT --reject-with tcp-reset\n", out);
    print_commit(program, "filter", out);
}

static void print_security(const struct config *c, const struct ruleset_plan *plan, uint8_t family, const char *program,
                           FILE *out)
{
    const struct marks *m = &c->marks;
    const char *chain = "RCPTWALL-JUDGE";

    print_table("security", out);
    print_dispatch(c, plan, family, "RCPTWALL-QUEUE", true, "-g RCPTWALL-JUDGE", out);
    print_dispatch(c, plan, family, "RCPTWALL-QUEUE", false, "-g RCPTWALL-JUDGE", out);
    fputs("# The daemon has turned the offending packet into a RST for its receiver, and NF_REPEAT brings it here "
          "again.\n"
          "# From here on the connection is condemned.\n",
          out);
    fprintf(out, "-A %s -m mark --mark 0x%08" PRIx32 "/0x%08" PRIx32, chain, m->condemned, m->condemned);
    fprintf(out, " -j CONNMARK --set-xmark 0x%08" PRIx32 "/0x%08" PRIx32 "\n", m->condemned, m->condemned);
    fprintf(out, "-A %s -m mark --mark 0x%08" PRIx32 "/0x%08" PRIx32 " -j RETURN\n", chain, m->condemned, m->condemned);
    fputs("# Only its RSTs come as far as this, unless somebody took the rules in filter away: then nothing passes.\n",
          out);
    fprintf(out, "-A %s -p tcp -m connmark --mark 0x%08" PRIx32 "/0x%08" PRIx32, chain, m->condemned, m->condemned);
    fputs(" --tcp-flags FIN,SYN,RST RST -j RETURN\n", out);
    fprintf(out, "-A %s -m connmark --mark 0x%08" PRIx32 "/0x%08" PRIx32 " -j DROP\n", chain, m->condemned,
            m->condemned);
    fprintf(out, "-A %s -m connmark --mark 0x%08" PRIx32 "/0x%08" PRIx32 " -j RETURN\n", chain, m->pass, m->pass);
    if (c->on_failure == FAIL_OPEN)
        fputs("# on-failure = open: while no daemon listens, SMTP passes unguarded.\n", out);
    else
        fputs("# on-failure = closed: while no daemon listens, there is no SMTP.\n", out);
    fputs(
        "# A range of queues is shared out by addresses, both directions of a connection to the same queue. Never add\n"
        "# --queue-cpu-fanout: it goes by CPU, and a session's packets would end up in different queues.\n",
        out);
    if (c->queue_first == c->queue_last)
        fprintf(out, "-A %s -j NFQUEUE --queue-num %d", chain, c->queue_first);
    else
        fprintf(out, "-A %s -j NFQUEUE --queue-balance %d:%d", chain, c->queue_first, c->queue_last);
    fprintf(out, "%s\n", c->on_failure == FAIL_OPEN ? " --queue-bypass" : "");
    print_commit(program, "security", out);
}

static void print_family(const struct config *c, const struct ruleset_plan *plan, uint8_t family, FILE *out)
{
    const char *program = family == 4 ? "IPTABLES" : "IP6TABLES";

    fprintf(out, "%s\"$%s-restore\" -w --noflush <<EOF\n", family == 4 ? "" : "if [ -e /proc/net/if_inet6 ]; then\n",
            program);
    print_mangle(c, plan, family, program, out);
    print_filter(c, program, out);
    print_security(c, plan, family, program, out);
    fprintf(out, "EOF\n%s\n", family == 4 ? "" : "fi # else this kernel has no IPv6\n");
}

bool ruleset_print_iptables(const struct config *c, FILE *out)
{
    struct ruleset_plan plan;

    if (!ruleset_plan_make(&plan, c))
        return false;
    print_head(c, out);
    print_tools(out);
    print_old(out);
    print_family(c, &plan, 4, out);
    print_family(c, &plan, 6, out);
    ruleset_plan_free(&plan);
    return true;
}

void ruleset_remove_iptables(FILE *out)
{
    fputs("#!/bin/sh\n"
          "# rcptwall: takes its iptables rules away, whether they are there or not.\n"
          "#     rcptwall rules --iptables --remove | sh\n",
          out);
    print_tools(out);
    fputs("# jump PROGRAM TABLE CHAIN TARGET, chain PROGRAM TABLE CHAIN: away with it\n"
          "jump() {\n"
          "    while \"$1\" -w -t \"$2\" -C \"$3\" -j \"$4\" 2>/dev/null; do \"$1\" -w -t \"$2\" -D \"$3\" -j \"$4\"; "
          "done\n"
          "}\n"
          "chain() {\n"
          "    if \"$1\" -w -t \"$2\" -n -L \"$3\" >/dev/null 2>&1; then \"$1\" -w -t \"$2\" \"$4\" \"$3\"; fi\n"
          "}\n\n"
          "for program in \"$IPTABLES\" \"$IP6TABLES\"; do\n"
          "    if [ \"$program\" = \"$IP6TABLES\" ] && ! [ -e /proc/net/if_inet6 ]; then continue; fi\n",
          out);
    for (size_t i = CHAINS; i-- > 0;) /* the queue goes first: no rule may miss what it relies on */
        if (chains[i].from != NULL)
            fprintf(out, "    jump \"$program\" %s %s %s\n", chains[i].table, chains[i].from, chains[i].name);
    for (size_t i = 0; i < CHAINS; i++)
        fprintf(out, "    chain \"$program\" %s %s -F\n", chains[i].table, chains[i].name);
    for (size_t i = 0; i < CHAINS; i++)
        fprintf(out, "    chain \"$program\" %s %s -X\n", chains[i].table, chains[i].name);
    fputs("done\n", out);
}
