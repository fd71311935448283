/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The nftables form. What stands here as a comment for the administrator is the
 * documentation of the rules; the facts behind them were tried on Linux 6.1, 6.12
 * and 6.18.
 */
#include "rules/ruleset_nft.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdlib.h>

static void print_head(const struct config *c, FILE *out)
{
    fputs("# rcptwall: nftables rules. Printed by `rcptwall rules --nft`; print and load them again when the\n"
          "# configuration changes:\n"
          "#     rcptwall rules --nft | nft -f -\n"
          "# Loading replaces the rules of the whole table in one step, and touches no other table.\n"
          "# Keep this text rather than the output of `nft list ruleset`: nft 1.0.6 lists the lengths of bare ACKs\n"
          "# wrongly, and a set loaded from its list sends those to the daemon too.\n"
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
    fputs("# Keep these ports out of any flowtable (`flow add`): packets of an offloaded connection never reach a\n"
          "# chain, so nobody would judge them.\n",
          out);
}

static void print_base(const struct nft_table *t, const char *name, const char *hook, const char *priority)
{
    fprintf(t->out, "\tchain %s {\n\t\ttype filter hook %s priority %s; policy accept;\n", name, hook, priority);
}

/* SMTP packets of clients to one chain, those of servers to another; NULL: none of those. */
static void print_dispatch(const struct nft_table *t, const char *from_client, const char *from_server)
{
    const struct planned *at = t->plan->servers, *end = t->plan->servers + t->plan->server_count;

    if (t->plan->all_servers) {
        if (from_client != NULL)
            fprintf(t->out, "\t\ttcp dport $ports goto %s\n", from_client);
        if (from_server != NULL)
            fprintf(t->out, "\t\ttcp sport $ports goto %s\n", from_server);
    }
    for (int server = 0; server < 2; server++)
        for (const struct planned *p = at; p < end; p = ruleset_plan_next_group(p, end)) {
            const char *to = server == 0 ? from_client : from_server;
            if (to == NULL)
                continue;
            fputs("\t\t", t->out);
            ruleset_nft_print_addresses(&p->network, server == 0 ? "daddr" : "saddr", t->out);
            fputs(" $", t->out);
            ruleset_nft_print_name(NULL, &p->network, t->out);
            fprintf(t->out, " tcp %s $ports goto %s\n", server == 0 ? "dport" : "sport", to);
        }
    fputs("\t}\n", t->out);
}

/*
 * A pair of chains, in the hooks input and output, for servers on the gateway itself. What the gateway says to itself
 * would come by twice; it is left alone.
 */
static void print_local(const struct nft_table *t, const char *name, const char *priority, const char *from_client,
                        const char *from_server)
{
    char full[32];

    snprintf(full, sizeof(full), "%s_input", name);
    print_base(t, full, "input", priority);
    fputs("\t\tiifname \"lo\" accept\n", t->out);
    print_dispatch(t, from_client, NULL);
    snprintf(full, sizeof(full), "%s_output", name);
    print_base(t, full, "output", priority);
    fputs("\t\toifname \"lo\" accept\n", t->out);
    print_dispatch(t, NULL, from_server);
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
static void print_tag_by(const struct nft_table *t, const char *chain, const char *side)
{
    const struct config *c = t->config;
    const struct planned *end = t->plan->networks + t->plan->network_count;

    fprintf(t->out, "\tchain %s {\n", chain);
    for (const struct planned *p = t->plan->networks; p < end; p = ruleset_plan_next_group(p, end)) {
        print_match("ct", c->marks.tag, 0, t->out);
        ruleset_nft_print_addresses(&p->network, side, t->out);
        fputs(" $", t->out);
        ruleset_nft_print_name(c->policy->tags[p->network.tag].name, &p->network, t->out);
        fputs(" ", t->out);
        print_mark("ct", c->marks.tag, tag_bits(c, p->network.tag), t->out);
    }
    print_match("ct", c->marks.tag, 0, t->out);
    print_mark("ct", c->marks.tag, tag_bits(c, c->policy->outside), t->out);
    fputs("\t}\n", t->out);
}

static void print_mark_packet(const struct nft_table *t)
{
    const struct config *c = t->config;

    fputs("\t# The tag goes with the packet to the daemon; verdict bits come only from the daemon.\n"
          "\tchain mark_packet {\n\t\t",
          t->out);
    print_mark("meta", c->marks.mask, 0, t->out);
    for (uint8_t tag = 1; tag <= TAGS_MAX; tag++) {
        if (c->policy->tags[tag].name[0] == '\0')
            continue;
        print_match("ct", c->marks.tag, tag_bits(c, tag), t->out);
        print_mark("meta", c->marks.tag, tag_bits(c, tag), t->out);
    }
    fputs("\t}\n", t->out);
}

static void print_tag_hooks(const struct nft_table *t)
{
    if (t->bridge) {
        fputs("\n\t# 1. Tags. Behind the bridge's own connection tracking (-200).\n", t->out);
        print_base(t, "tagging", "prerouting", "-150");
        print_dispatch(t, "by_client", "by_server");
        return;
    }
    fputs("\n\t# 1. Tags. In these hooks addresses are those of client and server themselves, whatever NAT does.\n"
          "\t# A tag that another rule has put into the connection mark before stays.\n",
          t->out);
    if ((t->config->hooks & HOOK_FORWARD) != 0) {
        print_base(t, "tagging", "forward", "mangle");
        print_dispatch(t, "by_client", "by_server");
    }
    if ((t->config->hooks & HOOK_INPUT) != 0) {
        fputs("\t# Servers on the gateway itself: clients' packets come in, the server's go out. What the gateway says "
              "to\n"
              "\t# itself (lo) is nobody else's, and is left alone.\n",
              t->out);
        print_local(t, "tagging", "mangle", "by_client", "by_server");
    }
}

static void print_tagging(const struct nft_table *t)
{
    const struct marks *m = &t->config->marks;

    print_mark_packet(t);
    print_tag_by(t, "by_source", "saddr");
    print_tag_by(t, "by_destination", "daddr");
    fputs("\tchain by_client {\n"
          "\t\t# A new connection from the port of a dead one: what the dead one did is forgotten.\n"
          "\t\ttcp flags & (fin | syn | rst | ack) == syn ",
          t->out);
    print_mark("ct", m->pass | m->condemned | m->ban, 0, t->out);
    print_match("ct", m->tag, 0, t->out);
    fputs("jump by_source\n\t\tgoto mark_packet\n\t}\n"
          "\tchain by_server {\n",
          t->out);
    print_match("ct", m->tag, 0, t->out);
    fputs("jump by_destination\n\t\tgoto mark_packet\n\t}\n", t->out);
    print_tag_hooks(t);
}

/* ---- bans ---- */

static void print_ban_by(const struct nft_table *t, const char *chain, const char *side)
{
    const struct config *c = t->config;

    fprintf(t->out, "\tchain %s {\n", chain);
    for (uint8_t tag = 1; tag <= TAGS_MAX; tag++) {
        const struct policy_tag *p = &c->policy->tags[tag];
        if (!policy_tag_bans(p))
            continue;
        print_match("meta", c->marks.tag, tag_bits(c, tag), t->out);
        fprintf(t->out, "meta protocol ip update @banned4 { ip %s timeout %" PRIu32 "s }\n", side, p->ban_for_s);
        print_match("meta", c->marks.tag, tag_bits(c, tag), t->out);
        fprintf(t->out, "meta protocol ip6 update @banned6 { ip6 %s & ffff:ffff:ffff:ffff:: timeout %" PRIu32 "s }\n",
                side, p->ban_for_s);
    }
    fputs("\t}\n", t->out);
}

static void print_ban_chains(const struct nft_table *t)
{
    if (!ruleset_plan_bans(t->config))
        return;
    fputs(
        "\t# The daemon says that the client has done enough: whoever that is, and for how long, as its tag has it.\n",
        t->out);
    print_ban_by(t, "ban_source", "saddr");
    print_ban_by(t, "ban_destination", "daddr");
}

/* The first lines of the chains that packets come back to. */
static void print_verdict_bits(const struct nft_table *t, const char *ban)
{
    const struct marks *m = &t->config->marks;
    bool bans = ruleset_plan_bans(t->config);

    if (bans) {
        print_match("meta", m->ban, m->ban, t->out);
        fprintf(t->out, "jump %s\n", ban);
    }
    print_match("meta", m->condemned, m->condemned, t->out);
    fputs("goto disarmed\n", t->out);
    if (bans) { /* the action is `drop`: the packet was only to carry the ban here */
        print_match("meta", m->ban, m->ban, t->out);
        fputs("counter drop comment \"banned in silence\"\n", t->out);
    }
}

static void print_banned(const struct nft_table *t)
{
    if (!ruleset_plan_bans(t->config))
        return;
    fputs("\t\ttcp flags & (fin | syn | rst | ack) == syn ip saddr @banned4 "
          "counter reject with tcp reset comment \"banned\"\n"
          "\t\ttcp flags & (fin | syn | rst | ack) == syn ip6 saddr & ffff:ffff:ffff:ffff:: @banned6 "
          "counter reject with tcp reset comment \"banned\"\n",
          t->out);
}

/* ---- the queue ---- */

static void print_bare_acks(const struct nft_table *t)
{
    fputs(
        "\t\t# A bare acknowledgement goes by unjudged, and nothing can hide in it: an IP header without options (5\n"
        "\t\t# words; IPv6 counts extension headers in its length, so with one it has none of these), a length that\n"
        "\t\t# ends exactly with the TCP header, so no byte of payload (what a link pads behind it, no receiver "
        "reads),\n"
        "\t\t# and of the flags ACK alone: no SYN, FIN or RST, no urgent pointer. All that it can do is to "
        "acknowledge\n"
        "\t\t# and to open the window for what the server sends; a timestamp in it can at most make the server refuse\n"
        "\t\t# bytes that were judged, and those are compared with every later copy until the server has acknowledged\n"
        "\t\t# them. Whatever differs in any of this is judged.\n"
        "\t\ttcp flags & (fin | syn | rst | psh | ack | urg) == ack ip hdrlength . tcp doff . ip length @empty4 "
        "counter accept comment \"bare ACK\"\n"
        "\t\ttcp flags & (fin | syn | rst | psh | ack | urg) == ack tcp doff . ip6 length @empty6 "
        "counter accept comment \"bare ACK\"\n",
        t->out);
}

static void print_judge(const struct nft_table *t)
{
    const struct config *c = t->config;

    if (c->on_failure == FAIL_OPEN)
        fputs("\t# on-failure = open: while no daemon listens, SMTP passes unguarded (bypass).\n", t->out);
    else
        fputs("\t# on-failure = closed: while no daemon listens, there is no SMTP.\n", t->out);
    fputs("\t# A range of queues is shared out by addresses, both directions of a connection to the same queue. Never\n"
          "\t# add `fanout`: it goes by CPU, and a session's packets would end up in different queues.\n"
          "\tchain judge {\n"
          "\t\tcounter queue num ",
          t->out);
    fprintf(t->out, "%d", c->queue_first);
    if (c->queue_last != c->queue_first)
        fprintf(t->out, "-%d", c->queue_last);
    fprintf(t->out, "%s comment \"judged\"\n\t}\n", c->on_failure == FAIL_OPEN ? " bypass" : "");
}

/* What becomes of condemned connections, wherever their packets are seen. */
static void print_condemned(const struct nft_table *t)
{
    const struct marks *m = &t->config->marks;

    fputs("\n\t# 2. Verdicts.\n"
          "\t# The daemon has turned the offending packet into a RST for its receiver. From here on the connection is\n"
          "\t# condemned.\n"
          "\tchain disarmed {\n\t\t",
          t->out);
    print_mark("ct", m->condemned, m->condemned, t->out);
    fputs("\t\tcounter accept comment \"disarmed\"\n\t}\n"
          "\t# Both ends may reset it; whatever else they say is answered with a RST. (RSTs first: no RST answers a "
          "RST,\n"
          "\t# so the rule below would swallow them and nobody would be told.)\n"
          "\tchain condemned {\n"
          "\t\ttcp flags & (fin | syn | rst) == rst counter accept comment \"RST\"\n"
          "\t\tcounter reject with tcp reset comment \"condemned\"\n\t}\n",
          t->out);
    if (t->bridge)
        fputs("\t# Nothing but RSTs comes as far as the forward hook; should something, it ends here.\n"
              "\tchain condemned_late {\n"
              "\t\ttcp flags & (fin | syn | rst) == rst counter accept comment \"RST\"\n"
              "\t\tcounter drop comment \"condemned\"\n\t}\n",
              t->out);
}

static void print_over(const struct nft_table *t, bool client)
{
    const struct marks *m = &t->config->marks;

    if (!client) {
        fputs("\t\t# The client has said QUIT, and the daemon lets no byte more of it through: then nothing hangs on what\n"
              "\t\t# the server answers. Its FIN tells the daemon that it has.\n",
              t->out);
        print_match("ct", m->pass, m->pass, t->out);
        fputs("tcp flags & (fin | syn) == 0x0 counter accept comment \"over\"\n", t->out);
        return;
    }
    fputs("\t\t# The client has said QUIT, and the daemon lets no byte more of it through. What has no payload (see below)\n"
          "\t\t# can acknowledge, and end the connection behind what was judged.\n",
          t->out);
    for (int v = 4; v <= 6; v += 2) {
        print_match("ct", m->pass, m->pass, t->out);
        fprintf(t->out, "tcp flags & (syn | urg) == 0x0 %s counter accept comment \"over\"\n",
                v == 4 ? "ip hdrlength . tcp doff . ip length @empty4" : "tcp doff . ip6 length @empty6");
    }
}

static void print_from(const struct nft_table *t, bool client)
{
    const struct marks *m = &t->config->marks;

    fprintf(t->out, "\tchain %s {\n", client ? "from_client" : "from_server");
    print_verdict_bits(t, client ? "ban_source" : "ban_destination");
    if (client && !t->bridge)
        print_banned(t);
    print_match("ct", m->condemned, m->condemned, t->out);
    fprintf(t->out, "goto %s\n", t->bridge ? "condemned_late" : "condemned");
    print_over(t, client);
    if (client)
        print_bare_acks(t);
    fputs("\t\tgoto judge\n\t}\n", t->out);
}

/* A bridge can send a RST of its own only where packets come in. */
static void print_bridge_refusal(const struct nft_table *t)
{
    const struct marks *m = &t->config->marks;

    fputs("\tchain refuse_client {\n", t->out);
    print_banned(t);
    print_match("ct", m->condemned, m->condemned, t->out);
    fputs("goto condemned\n\t}\n\tchain refuse_server {\n", t->out);
    print_match("ct", m->condemned, m->condemned, t->out);
    fputs("goto condemned\n\t}\n"
          "\t# Here a bridge can send a RST of its own, and in the forward hook it can't.\n",
          t->out);
    print_base(t, "refuse", "prerouting", "-140");
    print_dispatch(t, "refuse_client", "refuse_server");
}

static void print_guard_hooks(const struct nft_table *t)
{
    fputs(
        "\n\t# 3. The queue. Behind the usual filter chains (priority filter): what they refuse costs the daemon\n"
        "\t# nothing, and an accept here can't overrule them. A verdict with a mark comes back with NF_REPEAT, which\n"
        "\t# runs this chain again from its top, so all that acts on verdict bits is in here.\n",
        t->out);
    if (t->bridge) {
        print_base(t, "guard", "forward", "10");
        print_dispatch(t, "from_client", "from_server");
        return;
    }
    if ((t->config->hooks & HOOK_FORWARD) != 0) {
        print_base(t, "guard", "forward", "filter + 10");
        print_dispatch(t, "from_client", "from_server");
    }
    if ((t->config->hooks & HOOK_INPUT) != 0)
        print_local(t, "guard", "filter + 10", "from_client", "from_server");
}

static void print_keep_pass_in(const struct nft_table *t, const char *name, const char *hook, const char *priority)
{
    const struct marks *m = &t->config->marks;

    print_base(t, name, hook, priority);
    fprintf(t->out, "\t\tmeta l4proto tcp meta mark & 0x%08" PRIx32 " == 0x%08" PRIx32 " ", m->pass, m->pass);
    print_mark("ct", m->pass, m->pass, t->out);
    fputs("\t}\n", t->out);
}

static void print_keep_pass(const struct nft_table *t)
{
    fputs("\n\t# 4. A packet that left the queue with the pass bit: its connection keeps it. (The queue's accept ends\n"
          "\t# the chain above, so this can't be said there.)\n",
          t->out);
    print_keep_pass_in(t, "keep_pass", "postrouting", t->bridge ? "10" : "mangle");
    if (!t->bridge && (t->config->hooks & HOOK_INPUT) != 0)
        print_keep_pass_in(t, "keep_pass_input", "input", "filter + 20");
}

/* What another configuration may have left in the table, and this one doesn't have. */
static void print_leftovers(const struct nft_table *t, const char *family)
{
    static const char *const forward[] = {"tagging", "guard"};
    static const char *const input[] = {"tagging_input", "tagging_output", "guard_input", "guard_output",
                                        "keep_pass_input"};
    static const char *const bans[] = {"ban_source", "ban_destination"};
    const struct {
        const char *const *names;
        size_t count;
        bool there;
    } groups[] = {
        {forward, 2, t->bridge || (t->config->hooks & HOOK_FORWARD) != 0},
        {input, 5, t->bridge || (t->config->hooks & HOOK_INPUT) != 0},
        {bans, 2, ruleset_plan_bans(t->config)},
    };

    for (size_t g = 0; g < sizeof(groups) / sizeof(groups[0]); g++)
        for (size_t i = 0; i < groups[g].count && !groups[g].there; i++)
            fprintf(t->out, "add chain %s rcptwall %s\ndelete chain %s rcptwall %s\n", family, groups[g].names[i],
                    family, groups[g].names[i]);
    if (!ruleset_plan_bans(t->config))
        for (int v = 4; v <= 6; v += 2)
            fprintf(t->out,
                    "add set %s rcptwall banned%d { " NFT_BANNED_SET " }\n"
                    "delete set %s rcptwall banned%d\n",
                    family, v, v, family, v);
}

/*
 * Never "delete table" and a new one in its place, though that is one step, too: the kernel runs the chains of a hook
 * one after the other, and each has the rules of the moment at which its turn comes. A packet would see the new chain
 * before that moment, still empty, and then the old one behind it, empty already. (Tried: 1 of 30,000 went past the
 * queue that way while rules were loaded again and again.) A chain that stays has the old rules or the new.
 * For the same reason no set that belongs to the configuration is more than a list in a rule: the kernel may find
 * nothing in a set with intervals for a moment after it has come into force (Linux 6.18), nor in one whose elements
 * change (6.1). So nothing here has an interval, and nothing that is looked up changes.
 */
static void print_table(const struct nft_table *t)
{
    const char *family = t->bridge ? "bridge" : "inet";

    if (t->bridge)
        fputs("\n# The transparent gateway: frames that the bridge passes on. Untagged IP, and VLANs that the network "
              "card or\n"
              "# the bridge has untagged; IP inside other frames (PPPoE, a second VLAN tag) no chain can see into.\n"
              "# Needs connection tracking for bridges: nf_conntrack_bridge, Linux 5.3 or later.\n",
              t->out);
    fprintf(t->out,
            "\n# The rules go, the chains stay: a packet that is on its way through them meets either the old rules or the "
            "new.\n"
            "table %s rcptwall\nflush table %s rcptwall\n",
            family, family);
    print_leftovers(t, family);
    fprintf(t->out, "\ntable %s rcptwall {\n", family);
    ruleset_nft_print_sets(t);
    print_tagging(t);
    print_condemned(t);
    print_ban_chains(t);
    print_judge(t);
    print_from(t, true);
    print_from(t, false);
    if (t->bridge)
        print_bridge_refusal(t);
    print_guard_hooks(t);
    print_keep_pass(t);
    fprintf(t->out,
            "\n\t# No packet comes here. `rcptwall check` knows by it whether all this belongs to the configuration "
            "still.\n"
            "\tchain made_from {\n\t\treturn comment \"%s\"\n\t}\n}\n",
            t->made_from);
}

static void print_tables(const struct config *c, const struct ruleset_plan *plan, const char *made_from, FILE *out)
{
    struct nft_table t = {.config = c, .plan = plan, .made_from = made_from, .out = out};

    if ((c->hooks & (HOOK_FORWARD | HOOK_INPUT)) != 0)
        print_table(&t);
    t.bridge = true;
    if ((c->hooks & HOOK_BRIDGE) != 0)
        print_table(&t);
}

/* Of all lines but comments. */
static void digest_lines(const char *text, char out[static RULESET_DIGEST])
{
    crypto_generichash_state state;
    uint8_t hash[crypto_generichash_BYTES_MIN];
    size_t len;

    (void)crypto_generichash_init(&state, NULL, 0, sizeof(hash));
    for (; *text != '\0'; text += len) {
        len = strcspn(text, "\n");
        len += text[len] == '\n' ? 1 : 0;
        if (text[strspn(text, "\t")] != '#')
            (void)crypto_generichash_update(&state, (const uint8_t *)text, len);
    }
    (void)crypto_generichash_final(&state, hash, sizeof(hash));
    sodium_bin2hex(out, RULESET_DIGEST, hash, (RULESET_DIGEST - 1) / 2);
}

bool ruleset_print_nft(const struct config *c, FILE *out)
{
    struct ruleset_plan plan;
    char made_from[RULESET_DIGEST], *text = NULL;
    size_t size;

    if (!ruleset_plan_make(&plan, c))
        return false;
    FILE *memory = open_memstream(&text, &size);
    bool good = memory != NULL;
    if (good) {
        print_tables(c, &plan, "", memory);
        good = fclose(memory) == 0;
    }
    if (good) {
        digest_lines(text, made_from);
        print_head(c, out);
        print_tables(c, &plan, made_from, out);
    }
    free(text);
    ruleset_plan_free(&plan);
    return good;
}

void ruleset_remove_nft(bool bridge, FILE *out)
{
    fputs("# rcptwall: takes the table away, whether it is there or not. rcptwall rules --nft --remove | nft -f -\n"
          "table inet rcptwall\n"
          "delete table inet rcptwall\n",
          out);
    if (bridge)
        fputs("table bridge rcptwall\n"
              "delete table bridge rcptwall\n",
              out);
}
