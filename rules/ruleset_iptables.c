/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The iptables form: a sh script, because ip6tables needs a copy of everything and
 * because a jump must be put in exactly once. It says the same as the nftables form.
 */
#include "rules/ruleset.h"
#include "rules/ruleset_plan.h"

#include <inttypes.h>
#include <limits.h>

static const struct {
    const char *table, *name;
} chains[] = {
    {"mangle", "RCPTWALL-TAG"},        {"mangle", "RCPTWALL-TAG-IN"},      {"mangle", "RCPTWALL-TAG-OUT"},
    {"mangle", "RCPTWALL-CLIENT"},     {"mangle", "RCPTWALL-SERVER"},      {"mangle", "RCPTWALL-MARK"},
    {"mangle", "RCPTWALL-PASS"},       {"filter", "RCPTWALL-CONDEMNED"},   {"security", "RCPTWALL-QUEUE"},
    {"security", "RCPTWALL-QUEUE-IN"}, {"security", "RCPTWALL-QUEUE-OUT"}, {"security", "RCPTWALL-Q-CLIENT"},
    {"security", "RCPTWALL-Q-SERVER"}, {"security", "RCPTWALL-JUDGE"},     {"filter", "RCPTWALL-REFUSE"},
};

/* What leads to them, and for which hooks. A bridge's packets come by in FORWARD, too. */
#define HOOKS_THROUGH (HOOK_FORWARD | HOOK_BRIDGE)
static const struct jump {
    const char *table, *from, *to;
    unsigned hooks;
} jumps[] = {
    {"mangle", "FORWARD", "RCPTWALL-TAG", HOOKS_THROUGH},
    {"mangle", "INPUT", "RCPTWALL-TAG-IN", HOOK_INPUT},
    {"mangle", "OUTPUT", "RCPTWALL-TAG-OUT", HOOK_INPUT},
    {"mangle", "POSTROUTING", "RCPTWALL-PASS", HOOKS_THROUGH | HOOK_INPUT},
    {"filter", "FORWARD", "RCPTWALL-CONDEMNED", HOOKS_THROUGH},
    {"filter", "INPUT", "RCPTWALL-CONDEMNED", HOOK_INPUT},
    {"filter", "OUTPUT", "RCPTWALL-CONDEMNED", HOOK_INPUT},
    {"security", "FORWARD", "RCPTWALL-QUEUE", HOOKS_THROUGH},
    {"security", "INPUT", "RCPTWALL-QUEUE-IN", HOOK_INPUT},
    {"security", "OUTPUT", "RCPTWALL-QUEUE-OUT", HOOK_INPUT},
};

#define CHAINS (sizeof(chains) / sizeof(chains[0]))
#define JUMPS  (sizeof(jumps) / sizeof(jumps[0]))

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
            "#     0x%08" PRIx32 " pass: QUIT was said, and no byte more of the client's goes through\n"
            "#     0x%08" PRIx32 " condemned: this session is over\n"
            "#     0x%08" PRIx32 " ban: its client is to be banned\n"
            "#\n",
            c->marks.mask, c->marks.tag, c->marks.pass, c->marks.condemned, c->marks.ban);
    fputs("# Where what is done, and why there (FORWARD, and INPUT and OUTPUT for a server on the gateway itself):\n"
          "#   mangle               tags. Behind DNAT, so addresses and ports are the server's own.\n"
          "#   filter               resets what is left of condemned connections (REJECT works in filter only).\n"
          "#   security             the queue. The accept of a queue ends the chain that it stands in: in filter it "
          "would\n"
          "#                        overrule your own rules, here it comes when they have had their say.\n"
          "#   mangle POSTROUTING   keeps the pass bit.\n"
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

/*
 * A packet without payload, as classic BPF from the IP header on; -p tcp has been matched. Of its flags, those in
 * FLAGS_MASK must be FLAGS. The nftables form has the argument why it may pass unjudged.
 */
struct instruction {
    unsigned code, if_true, if_false, value;
};
#define FLAGS_MASK (UINT_MAX - 1)
#define FLAGS      UINT_MAX

static const struct instruction empty4[] = {
    {48, 0, 0, 0},    {21, 0, 14, 0x45},                         /* IPv4, 5 words: no options */
    {40, 0, 0, 6},    {69, 12, 0, 0x3fff},                       /* whole, not a fragment */
    {48, 0, 0, 33},   {84, 0, 0, FLAGS_MASK}, {21, 0, 9, FLAGS}, /* of FIN SYN RST PSH ACK URG */
    {48, 0, 0, 32},   {84, 0, 0, 0xf0},       {53, 0, 6, 0x50},  /* words of TCP header, times 16: 5 at least */
    {116, 0, 0, 2},   {4, 0, 0, 20},          {7, 0, 0, 0},      /* bytes of both headers */
    {40, 0, 0, 2},    {29, 0, 1, 0},                             /* are all of the packet */
    {6, 0, 0, 65535}, {6, 0, 0, 0},
};

static const struct instruction empty6[] = {
    {48, 0, 0, 6},    {21, 0, 11, 6},                            /* TCP at once: no extension headers */
    {48, 0, 0, 53},   {84, 0, 0, FLAGS_MASK}, {21, 0, 8, FLAGS}, /* flags */
    {48, 0, 0, 52},   {84, 0, 0, 0xf0},       {53, 0, 5, 0x50},  /* words of TCP header, times 16 */
    {116, 0, 0, 2},   {7, 0, 0, 0},                              /* bytes */
    {40, 0, 0, 4},    {29, 0, 1, 0},                             /* are all behind the IP header */
    {6, 0, 0, 65535}, {6, 0, 0, 0},
};

static void print_program(const char *name, const struct instruction *program, size_t count, unsigned mask,
                          unsigned flags, FILE *out)
{
    fprintf(out, "%s='%zu", name, count);
    for (size_t i = 0; i < count; i++) {
        unsigned value = program[i].value;
        value = value == FLAGS_MASK ? mask : value == FLAGS ? flags : value;
        fprintf(out, ",%u %u %u %u", program[i].code, program[i].if_true, program[i].if_false, value);
    }
    fputs("'\n", out);
}

/* Not every kernel can match with BPF, and only a rule that was put in tells. */
static void print_empty(FILE *out)
{
    fputs(
        "# Packets without payload: an IP header without options, a length that ends with the TCP header. There is no\n"
        "# byte in them for a server to act on.\n"
        "#   bare_ack  of a client, with the flag ACK alone: goes by unjudged\n"
        "#   empty     of a client, without SYN and URG: goes by when QUIT was said\n"
        "# empty PROGRAM BYTECODE CHAIN MATCHES: the rule for them, or nothing where the kernel can't tell: then they\n"
        "# are judged like everything else.\n"
        "empty() {\n"
        "    \"$1\" -w -t security -N RCPTWALL-PROBE 2>/dev/null || \"$1\" -w -t security -F RCPTWALL-PROBE\n"
        "    if \"$1\" -w -t security -A RCPTWALL-PROBE -p tcp -m bpf --bytecode \"$2\" -j RETURN 2>/dev/null; then\n"
        "        echo \"-A $3 -p tcp -m bpf --bytecode \\\"$2\\\" $4 -j RETURN\"\n"
        "    fi\n"
        "    \"$1\" -w -t security -F RCPTWALL-PROBE\n"
        "    \"$1\" -w -t security -X RCPTWALL-PROBE\n"
        "}\n",
        out);
    print_program("bare_ack4", empty4, sizeof(empty4) / sizeof(empty4[0]), 0x3f, 0x10, out);
    print_program("bare_ack6", empty6, sizeof(empty6) / sizeof(empty6[0]), 0x3f, 0x10, out);
    print_program("empty4", empty4, sizeof(empty4) / sizeof(empty4[0]), 0x22, 0, out);
    print_program("empty6", empty6, sizeof(empty6) / sizeof(empty6[0]), 0x22, 0, out);
    fputc('\n', out);
}

static void print_bridge(FILE *out)
{
    fputs("# A bridge's packets come by in FORWARD only while the kernel is told so, and it is for you to say: this\n"
          "# changes what your other rules see, too.\n"
          "for family in iptables ip6tables; do\n"
          "    if [ \"$(cat /proc/sys/net/bridge/bridge-nf-call-$family 2>/dev/null)\" != 1 ]; then\n"
          "        echo \"rcptwall: hooks = bridge needs: modprobe br_netfilter; sysctl "
          "net.bridge.bridge-nf-call-$family=1\" >&2\n"
          "        exit 1\n"
          "    fi\n"
          "done\n\n",
          out);
}

/* xt_recent would forget after 100 addresses, and knows no time for each. */
static void print_sets(FILE *out)
{
    fputs("# Who is banned: two sets of the kernel's, filled by the rules, forgotten when the time is over. For IPv6 "
          "the\n"
          "# whole /64 that the client is in. Loading the rules anew keeps them.\n"
          "ipset -exist create rcptwall-ban4 hash:ip family inet maxelem 65536 timeout 0\n"
          "ipset -exist create rcptwall-ban6 hash:ip family inet6 netmask 64 maxelem 65536 timeout 0\n\n",
          out);
}

static void print_table(const char *table, FILE *out)
{
    fprintf(out, "*%s\n", table);
    for (size_t i = 0; i < CHAINS; i++)
        if (strcmp(chains[i].table, table) == 0)
            fprintf(out, ":%s - [0:0]\n", chains[i].name);
}

static void print_commit(const struct config *c, const char *program, const char *table, FILE *out)
{
    for (size_t i = 0; i < JUMPS; i++) {
        const struct jump *j = &jumps[i];
        if (strcmp(j->table, table) != 0)
            continue;
        fprintf(out, "$(old \"$%s\" %s %s %s)\n", program, table, j->from, j->to);
        if ((j->hooks & c->hooks) != 0)
            fprintf(out, "-I %s 1 -j %s\n", j->from, j->to);
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
    if (c->engine.port_count == 1) /* cheaper */
        fprintf(out, "-p tcp %s ", to_server ? "--dport" : "--sport");
    else
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

/*
 * The same for all hooks. On the gateway itself, clients' packets come in and the server's go out; what the gateway
 * says to itself would come by twice, and is left alone.
 */
static void print_dispatches(const struct config *c, const struct ruleset_plan *plan, uint8_t family, const char *chain,
                             const char *to_client, const char *to_server, FILE *out)
{
    char name[32];

    print_dispatch(c, plan, family, chain, true, to_client, out);
    print_dispatch(c, plan, family, chain, false, to_server, out);
    if ((c->hooks & HOOK_INPUT) == 0)
        return;
    snprintf(name, sizeof(name), "%s-IN", chain);
    fprintf(out, "-A %s -i lo -j RETURN\n", name);
    print_dispatch(c, plan, family, name, true, to_client, out);
    snprintf(name, sizeof(name), "%s-OUT", chain);
    fprintf(out, "-A %s -o lo -j RETURN\n", name);
    print_dispatch(c, plan, family, name, false, to_server, out);
}

/* Gives a connection without a tag the one of the client's address. */
static void print_tag_by(const struct config *c, const struct ruleset_plan *plan, uint8_t family, const char *chain,
                         const char *side, FILE *out)
{
    char text[NETWORK_TEXT];

    fprintf(out, "-A %s -m connmark ! --mark 0x0/0x%08" PRIx32 " -g RCPTWALL-MARK\n", chain, c->marks.tag);
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
    fprintf(out, "-A %s -g RCPTWALL-MARK\n", chain);
}

static void print_mangle(const struct config *c, const struct ruleset_plan *plan, uint8_t family, const char *program,
                         FILE *out)
{
    const struct marks *m = &c->marks;
    uint32_t verdict = m->pass | m->condemned | m->ban;

    print_table("mangle", out);
    print_dispatches(c, plan, family, "RCPTWALL-TAG", "-g RCPTWALL-CLIENT", "-g RCPTWALL-SERVER", out);
    fputs("# A new connection from the port of a dead one: what the dead one did is forgotten.\n", out);
    fprintf(out,
            "-A RCPTWALL-CLIENT -p tcp --tcp-flags FIN,SYN,RST,ACK SYN -j CONNMARK --set-xmark 0x0/0x%08" PRIx32 "\n",
            verdict);
    fputs("# A tag that is there already stays. The longest prefix first.\n", out);
    print_tag_by(c, plan, family, "RCPTWALL-CLIENT", "-s", out);
    print_tag_by(c, plan, family, "RCPTWALL-SERVER", "-d", out);
    fputs("# The packet gets the tag, and none of our other bits.\n", out);
    fprintf(out, "-A RCPTWALL-MARK -j CONNMARK --restore-mark --nfmask 0x%08" PRIx32 " --ctmask 0x%08" PRIx32 "\n",
            m->mask, m->tag);
    fputs("# A packet that left the queue with the pass bit: its connection keeps it.\n", out);
    fprintf(out, "-A RCPTWALL-PASS -p tcp -m mark --mark 0x%08" PRIx32 "/0x%08" PRIx32, m->pass, m->pass);
    fprintf(out, " -j CONNMARK --set-xmark 0x%08" PRIx32 "/0x%08" PRIx32 "\n", m->pass, m->pass);
    print_commit(c, program, "mangle", out);
}

static void print_filter(const struct config *c, uint8_t family, const char *program, FILE *out)
{
    uint32_t bit = c->marks.condemned;
    const char *chain = "RCPTWALL-CONDEMNED";

    print_table("filter", out);
    if (ruleset_plan_bans(c)) {
        fputs("# Only connections to the protected servers have a tag.\n", out);
        fprintf(out, "-A %s -p tcp --tcp-flags FIN,SYN,RST,ACK SYN -m connmark ! --mark 0x0/0x%08" PRIx32, chain,
                c->marks.tag);
        fprintf(out, " -m set --match-set rcptwall-ban%d src -j REJECT --reject-with tcp-reset\n", family);
    }
    fprintf(out, "-A %s -m connmark --mark 0x%08" PRIx32 "/0x%08" PRIx32 " -g RCPTWALL-REFUSE\n", chain, bit, bit);
    fputs("# RSTs first: no RST answers a RST, so the REJECT would swallow them and nobody would be told.\n"
          "-A RCPTWALL-REFUSE -p tcp --tcp-flags FIN,SYN,RST RST -j RETURN\n"
          "-A RCPTWALL-REFUSE -p tcp -j REJECT --reject-with tcp-reset\n",
          out);
    print_commit(c, program, "filter", out);
}

static void print_bans(const struct config *c, uint8_t family, const char *chain, const char *side, FILE *out)
{
    for (uint8_t tag = 1; tag <= TAGS_MAX; tag++) {
        const struct policy_tag *p = &c->policy->tags[tag];
        if (!policy_tag_bans(p))
            continue;
        fprintf(out, "-A %s -m mark --mark 0x%08" PRIx32 "/0x%08" PRIx32, chain,
                c->marks.ban | marks_with_tag(&c->marks, 0, tag), c->marks.ban | c->marks.tag);
        fprintf(out, " -j SET --add-set rcptwall-ban%d %s --exist --timeout %" PRIu32 "\n", family, side, p->ban_for_s);
    }
}

static void print_queue(const struct config *c, FILE *out)
{
    if (c->queue_first == c->queue_last)
        fprintf(out, " -j NFQUEUE --queue-num %d", c->queue_first);
    else
        fprintf(out, " -j NFQUEUE --queue-balance %d:%d", c->queue_first, c->queue_last);
    fprintf(out, "%s\n", c->on_failure == FAIL_OPEN ? " --queue-bypass" : "");
}

static void print_unless_verdict(const struct config *c, const char *chain, FILE *out)
{
    const struct marks *m = &c->marks;

    fprintf(out, "-A %s -m mark --mark 0x0/0x%08" PRIx32 " -m connmark --mark 0x0/0x%08" PRIx32, chain,
            m->condemned | m->ban, m->condemned | m->pass);
    print_queue(c, out);
}

/* What differs between packets of clients and those of servers. */
static void print_sides(const struct config *c, uint8_t family, FILE *out)
{
    if (ruleset_plan_bans(c)) {
        fputs("# The daemon says that the client has done enough: whoever that is, and for how long, as its tag has "
              "it.\n",
              out);
        print_bans(c, family, "RCPTWALL-Q-CLIENT", "src", out);
        print_bans(c, family, "RCPTWALL-Q-SERVER", "dst", out);
    }
    uint32_t bit = c->marks.condemned;
    fprintf(out,
            "$(empty \"$%s\" \"$bare_ack%d\" RCPTWALL-Q-CLIENT '-m mark ! --mark 0x%08" PRIx32 "/0x%08" PRIx32
            " -m connmark ! --mark 0x%08" PRIx32 "/0x%08" PRIx32 "')\n",
            family == 4 ? "IPTABLES" : "IP6TABLES", family, bit, bit, bit, bit);
    fputs("# For speed: without a verdict's bit, all that follows would say the same.\n", out);
    print_unless_verdict(c, "RCPTWALL-Q-CLIENT", out);
    print_unless_verdict(c, "RCPTWALL-Q-SERVER", out);
    fputs("# The client has said QUIT, and the daemon lets no byte more of it through: then nothing hangs on what the\n"
          "# server answers. Its FIN tells the daemon that it has.\n",
          out);
    fprintf(out, "-A RCPTWALL-Q-SERVER -p tcp --tcp-flags FIN,SYN NONE -m mark --mark 0x0/0x%08" PRIx32, bit);
    fprintf(out, " -m connmark --mark 0x%08" PRIx32 "/0x%08" PRIx32 " -j RETURN\n", c->marks.pass, c->marks.pass | bit);
    fprintf(out,
            "$(empty \"$%s\" \"$empty%d\" RCPTWALL-Q-CLIENT '-m mark --mark 0x0/0x%08" PRIx32
            " -m connmark --mark 0x%08" PRIx32 "/0x%08" PRIx32 "')\n",
            family == 4 ? "IPTABLES" : "IP6TABLES", family, bit, c->marks.pass, c->marks.pass | bit);
    fputs("-A RCPTWALL-Q-CLIENT -g RCPTWALL-JUDGE\n"
          "-A RCPTWALL-Q-SERVER -g RCPTWALL-JUDGE\n",
          out);
}

static void print_verdicts(const struct config *c, FILE *out)
{
    const struct marks *m = &c->marks;
    const char *chain = "RCPTWALL-JUDGE";

    fputs("# The daemon has turned the offending packet into a RST for its receiver, and NF_REPEAT brings it here "
          "again.\n"
          "# From here on the connection is condemned.\n",
          out);
    fprintf(out, "-A %s -m mark --mark 0x%08" PRIx32 "/0x%08" PRIx32, chain, m->condemned, m->condemned);
    fprintf(out, " -j CONNMARK --set-xmark 0x%08" PRIx32 "/0x%08" PRIx32 "\n", m->condemned, m->condemned);
    fprintf(out, "-A %s -m mark --mark 0x%08" PRIx32 "/0x%08" PRIx32 " -j RETURN\n", chain, m->condemned, m->condemned);
    if (ruleset_plan_bans(c)) {
        fputs("# The action is drop: the packet was only to carry the ban here.\n", out);
        fprintf(out, "-A %s -m mark --mark 0x%08" PRIx32 "/0x%08" PRIx32 " -j DROP\n", chain, m->ban, m->ban);
    }
    fputs("# Only its RSTs come as far as this, unless somebody took the rules in filter away: then nothing passes.\n",
          out);
    fprintf(out, "-A %s -p tcp -m connmark --mark 0x%08" PRIx32 "/0x%08" PRIx32, chain, m->condemned, m->condemned);
    fputs(" --tcp-flags FIN,SYN,RST RST -j RETURN\n", out);
    fprintf(out, "-A %s -m connmark --mark 0x%08" PRIx32 "/0x%08" PRIx32 " -j DROP\n", chain, m->condemned,
            m->condemned);
}

static void print_security(const struct config *c, const struct ruleset_plan *plan, uint8_t family, const char *program,
                           FILE *out)
{
    const char *chain = "RCPTWALL-JUDGE";

    print_table("security", out);
    print_dispatches(c, plan, family, "RCPTWALL-QUEUE", "-g RCPTWALL-Q-CLIENT", "-g RCPTWALL-Q-SERVER", out);
    if (c->on_failure == FAIL_OPEN)
        fputs("# on-failure = open: while no daemon listens, SMTP passes unguarded.\n", out);
    else
        fputs("# on-failure = closed: while no daemon listens, there is no SMTP.\n", out);
    fputs(
        "# A range of queues is shared out by addresses, both directions of a connection to the same queue. Never add\n"
        "# --queue-cpu-fanout: it goes by CPU, and a session's packets would end up in different queues.\n",
        out);
    print_sides(c, family, out);
    print_verdicts(c, out);
    fprintf(out, "-A %s", chain);
    print_queue(c, out);
    print_commit(c, program, "security", out);
}

static void print_family(const struct config *c, const struct ruleset_plan *plan, uint8_t family, FILE *out)
{
    const char *program = family == 4 ? "IPTABLES" : "IP6TABLES";

    fprintf(out, "%s\"$%s-restore\" -w --noflush <<EOF\n", family == 4 ? "" : "if [ -e /proc/net/if_inet6 ]; then\n",
            program);
    print_mangle(c, plan, family, program, out);
    print_filter(c, family, program, out);
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
    if ((c->hooks & HOOK_BRIDGE) != 0)
        print_bridge(out);
    if (ruleset_plan_bans(c))
        print_sets(out);
    print_empty(out);
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
    for (size_t i = JUMPS; i-- > 0;) /* the queue goes first: no rule may miss what it relies on */
        fprintf(out, "    jump \"$program\" %s %s %s\n", jumps[i].table, jumps[i].from, jumps[i].to);
    for (size_t i = 0; i < CHAINS; i++)
        fprintf(out, "    chain \"$program\" %s %s -F\n", chains[i].table, chains[i].name);
    for (size_t i = 0; i < CHAINS; i++)
        fprintf(out, "    chain \"$program\" %s %s -X\n", chains[i].table, chains[i].name);
    fputs("done\n"
          "if command -v ipset >/dev/null; then\n"
          "    for set in rcptwall-ban4 rcptwall-ban6; do ipset destroy \"$set\" 2>/dev/null || true; done\n"
          "fi\n",
          out);
}
