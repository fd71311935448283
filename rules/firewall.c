/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What should become of the packets that the configuration is about, and what does. */
#include "rules/firewall_watch.h"
#include "rules/ruleset_plan.h"

#include <stdio.h>
#include <stdlib.h>

/* "192.0.2.25 port 25"; "any server's IPv4 port 25" */
static void server_name(const struct config *c, const struct network *n, uint16_t port, char *out, size_t room)
{
    char text[NETWORK_TEXT];

    if (c->server_count == 0) {
        snprintf(out, room, "any server's port %d (IPv%d)", port, n->addr.family);
        return;
    }
    ruleset_network_text(n, text);
    snprintf(out, room, "%s port %d", text, port);
}

static const struct fw_watch watches[] = {
    {LAYER_IP, {FW_PREROUTING, FW_FORWARD}, {FW_PREROUTING, FW_FORWARD}, "forward"},
    {LAYER_IP, {FW_PREROUTING, FW_INPUT}, {FW_OUTPUT, FW_NO_HOOK}, "input"},
    {LAYER_BRIDGE, {FW_PREROUTING, FW_FORWARD}, {FW_PREROUTING, FW_FORWARD}, "bridge"},
};

struct fw_result fw_watch_walk(const struct fw_watch *w, struct fw_walk *state)
{
    const enum fw_hook *way = state->probe == PROBE_SERVER ? w->server : w->client;
    struct fw_result r = {.queued = false};

    state->layer = w->layer;
    for (int i = 0; i < 2 && !r.queued && !r.dropped; i++)
        if (way[i] != FW_NO_HOOK)
            fw_walk(state, way[i], &r);
    return r;
}

static struct fw_result walk(struct firewall *fw, const struct fw_watch *w, enum probe_kind probe, bool past_accepts,
                             bool any_match)
{
    struct fw_walk state = {.firewall = fw, .probe = probe, .past_accepts = past_accepts, .any_match = any_match};

    return fw_watch_walk(w, &state);
}

/* Lines of the kernel's list begin with the queue's number. */
static bool listens(const char *queues, unsigned long queue)
{
    for (const char *line = queues; line != NULL && *line != '\0'; line = strchr(line, '\n')) {
        char *end;
        line += *line == '\n' ? 1 : 0;
        if (strtoul(line, &end, 10) == queue && end != line)
            return true;
    }
    return false;
}

/* Rules that send packets to nobody: what then becomes of mail is what the administrator chose, and is said. */
static void check_listener(struct findings *f, const struct fw_action *q)
{
    for (unsigned long n = q->first; f->queues != NULL && n <= q->last; n++) {
        if (listens(f->queues, n))
            continue;
        fw_find(f, "nobody listens on queue %lu: %s until `rcptwall run` does", n,
                q->bypass ? "SMTP passes unguarded" : "no SMTP gets through");
        return;
    }
}

static void compare_queue(struct findings *f, const struct fw_action *q)
{
    const struct config *c = f->config;

    if (q->fanout)
        fw_find(f, "the queue is chosen by CPU (fanout): a session's packets end up in different queues; take it out");
    else if (q->first != c->queue_first || q->last != c->queue_last)
        fw_find(f, "packets go to queue %d to %d, and the daemon listens on %d to %d", q->first, q->last,
                c->queue_first, c->queue_last);
    if (q->bypass && c->on_failure == FAIL_CLOSED)
        fw_find(f,
                "the queue rule has bypass: while no daemon listens, SMTP passes unguarded, and on-failure = closed");
    else if (!q->bypass && c->on_failure == FAIL_OPEN)
        fw_find(f, "the queue rule has no bypass: while no daemon listens, there is no SMTP, and on-failure = open");
    check_listener(f, q);
}

const char *fw_packets_of(enum probe_kind probe)
{
    return probe == PROBE_SERVER ? "from" : "to";
}

static void check_tag(struct findings *f, const struct fw_watch *w, enum probe_kind probe, const struct fw_result *r,
                      const char *server)
{
    const struct config *c = f->config;
    uint8_t tag = marks_tag(&c->marks, r->meta), kept = marks_tag(&c->marks, r->ct);
    uint8_t unknown = tag != 0 && c->policy->tags[tag].name[0] == '\0' ? tag : kept;

    if (unknown != 0 && c->policy->tags[unknown].name[0] == '\0')
        fw_find(f, "packets %s %s get the tag %d, which the configuration doesn't have (hook %s)", fw_packets_of(probe),
                server, unknown, w->name);
    else if (tag == 0)
        fw_find(f, "no tag is set for packets %s %s before the queue (hook %s)", fw_packets_of(probe), server, w->name);
}

/* The rules take tags from the connection's mark alone, and write it over the packet's. */
static void check_stray_tag(struct findings *f, const struct fw_result *r, enum probe_kind probe)
{
    if (probe != PROBE_SERVER && r->queued && r->stray != NULL)
        fw_find(f,
                "this rule puts the tag %d into the packet's mark, where nobody looks for it: it belongs in the "
                "connection's (nft: ct mark set; iptables: CONNMARK): %s",
                marks_tag(&f->config->marks, r->stray_mark), r->stray->shown);
}

/* false: these packets don't come to the queue. */
static bool check_probe(struct findings *f, struct firewall *fw, const struct fw_watch *w, enum probe_kind probe,
                        const char *server)
{
    struct fw_result r = walk(fw, w, probe, false, false);

    if (r.flow != NULL)
        fw_find(f, "an offload (flow add) takes these connections past all rules: %s", r.flow->shown);
    if (r.untracked != NULL)
        fw_find(f, "these connections aren't tracked, so that neither tags nor verdicts are kept: %s",
                r.untracked->shown);
    if (r.queued) {
        compare_queue(f, &r.queue);
        fw_check_verdicts(f, fw, w, probe, &r, server);
        check_tag(f, w, probe, &r, server);
        struct fw_result other = walk(fw, w, probe, false, true);
        check_stray_tag(f, &r, probe);
        check_stray_tag(f, &other, probe);
        if (!other.queued && !other.dropped && other.accepted != NULL)
            fw_find(f, "a rule in front of the queue may let packets %s %s pass: %s", fw_packets_of(probe), server,
                    other.accepted->shown);
        if (other.untracked != NULL && r.untracked == NULL)
            fw_find(f, "some of these connections may not be tracked, so that neither tags nor verdicts are kept: %s",
                    other.untracked->shown);
        if (other.flow != NULL && r.flow == NULL)
            fw_find(f, "an offload (flow add) may take these connections past all rules: %s", other.flow->shown);
        return true;
    }
    if (r.dropped)
        return true; /* somebody else refuses them: nothing passes */
    struct fw_result past = walk(fw, w, probe, true, false);
    if (past.queued && r.accepted != NULL) {
        fw_find(f, "a rule in front of the queue lets packets %s %s pass: %s", fw_packets_of(probe), server,
                r.accepted->shown);
        return true;
    }
    return false;
}

/* true: all packets of this hook are looked after. */
static bool check_watch(struct findings *f, struct firewall *fw, const struct fw_watch *w, const char *server,
                        bool quiet)
{
    bool syn = walk(fw, w, PROBE_SYN, false, false).queued, good;

    if (quiet && !syn)
        return false;
    bool to = check_probe(f, fw, w, PROBE_CLIENT, server) && check_probe(f, fw, w, PROBE_SYN, server);
    bool from = check_probe(f, fw, w, PROBE_SERVER, server);
    good = to && from;
    if (!to && !from)
        fw_find(f, "no rule sends packets of %s to the queue (hook %s): load what `rcptwall rules` prints", server,
                w->name);
    else if (!to || !from)
        fw_find(f, "one direction is missing: packets %s %s don't come to the queue (hook %s)", to ? "from" : "to",
                server, w->name);
    return good;
}

/* A client that nobody has named, so that it is outside, if there is room for one. */
static struct endpoint some_client(const struct config *c, uint8_t family)
{
    static const char *const candidates[] = {"203.0.113.77",      "198.51.100.77", "192.0.2.77",  "233.252.0.77",
                                             "2001:db8:ffff::77", "3fff::77",      "2001:db8::77"};
    struct endpoint e = {.port = 40000};

    for (size_t i = 0; i < sizeof(candidates) / sizeof(candidates[0]); i++) {
        struct network n;
        if (!network_parse(candidates[i], &n) || n.addr.family != family)
            continue;
        e.addr = n.addr;
        if (policy_tag_for(c->policy, 0, &n.addr) == c->policy->outside)
            break;
    }
    return e;
}

static void set_probes(struct firewall *fw, const struct config *c, const struct endpoint *server)
{
    enum { SYN = 0x02, PUSH_ACK = 0x18 };
    struct endpoint client = some_client(c, server->addr.family);

    fw->family = server->addr.family;
    fw->tag = c->marks.tag;
    fw->probes[PROBE_SYN] = (struct probe){client, *server, SYN, true};
    fw->probes[PROBE_CLIENT] = (struct probe){client, *server, PUSH_ACK, true};
    fw->probes[PROBE_SERVER] = (struct probe){*server, client, PUSH_ACK, false};
}

/* false: the rules can't be read; told. */
static bool read_rules(struct findings *f, struct firewall *fw, const struct firewall_text *text)
{
    const char *tables = fw->family == 4 ? text->iptables : text->ip6tables;

    if (text->nft != NULL && !firewall_read_nft(fw, text->nft, tables != NULL)) {
        fw_find(f, "what nft prints can't be read");
        return false;
    }
    if (tables != NULL && !firewall_read_iptables(fw, tables, fw->family)) {
        fw_find(f, "what %s-save prints can't be read", fw->family == 4 ? "iptables" : "ip6tables");
        return false;
    }
    if (fw->out_of_memory)
        fw_find(f, "out of memory");
    return !fw->out_of_memory;
}

/* With br_netfilter, what a bridge passes on comes by in the hook forward of IP, too. */
static void check_bridge(struct findings *f, struct firewall *fw, const struct firewall_text *text, const char *server)
{
    bool v4 = fw->family == 4;

    if (!check_watch(f, fw, &watches[0], server, true))
        (void)check_watch(f, fw, &watches[2], server, false);
    else if (v4 ? text->bridge_hides4 : text->bridge_hides6)
        fw_find(f,
                "what a bridge passes on never comes to these rules: sysctl net.bridge.bridge-nf-call-%s=1 (modprobe "
                "br_netfilter)",
                v4 ? "iptables" : "ip6tables");
}

/* Without any, nobody uses the marks for anything. */
static bool has_queue(const struct firewall *fw)
{
    for (size_t c = 0; c < fw->chain_count; c++)
        for (size_t i = 0; i < fw->chains[c].rule_count; i++)
            for (size_t k = 0; k < fw->chains[c].rules[i].action_count; k++)
                if (fw->chains[c].rules[i].actions[k].act == ACT_QUEUE)
                    return true;
    return false;
}

static bool serves(const struct config *c, const struct ip_addr *a)
{
    for (size_t i = 0; i < c->server_count; i++)
        if (network_has(&c->servers[i], a))
            return true;
    return c->server_count == 0;
}

/* The rules see addresses behind DNAT, so a server's public address is none for them, and all its packets pass unseen. */
static void check_dnat(struct findings *f, const struct firewall *fw, const char *server)
{
    for (size_t c = 0; c < fw->chain_count; c++)
        for (size_t i = 0; i < fw->chains[c].rule_count; i++) {
            const struct fw_rule *rule = &fw->chains[c].rules[i];
            for (size_t k = 0; rule->on[PROBE_SYN] != MATCH_NO && k < rule->action_count; k++) {
                const char *to = rule->actions[k].target;
                struct network n;
                if (rule->actions[k].act == ACT_DNAT && network_parse(to, &n) &&
                    n.addr.family == fw->family && !serves(f->config, &n.addr))
                    fw_find(f, "DNAT sends packets to %s on to %s, and `servers` must name the addresses behind it: %s",
                            server, to, rule->shown);
            }
        }
}

static void check_server(struct findings *f, const struct firewall_text *text, const struct endpoint *server,
                         const char *name)
{
    const struct config *c = f->config;
    struct firewall fw = {.chains = NULL};

    set_probes(&fw, c, server);
    if (read_rules(f, &fw, text)) {
        if ((c->hooks & HOOK_FORWARD) != 0)
            (void)check_watch(f, &fw, &watches[0], name, false);
        if ((c->hooks & HOOK_INPUT) != 0)
            (void)check_watch(f, &fw, &watches[1], name, false);
        if ((c->hooks & HOOK_BRIDGE) != 0)
            check_bridge(f, &fw, text, name);
        check_dnat(f, &fw, name);
        if (has_queue(&fw))
            (void)fw_marks_collide(f, &fw, true);
    }
    firewall_free(&fw);
}

void firewall_check(const struct config *c, const struct firewall_text *text, const struct firewall_sink *sink)
{
    static const char *const anybody[] = {"192.0.2.25", "2001:db8::25"};
    struct findings f = {.config = c, .sink = sink, .queues = text->queues};

    for (size_t i = 0; i < (c->server_count > 0 ? c->server_count : 2); i++) {
        struct network n;
        char name[96];
        if (c->server_count > 0)
            n = c->servers[i];
        else if (!network_parse(anybody[i], &n))
            continue;
        if (text->nft == NULL && (n.addr.family == 4 ? text->iptables : text->ip6tables) == NULL)
            continue;
        for (size_t p = 0; p < c->engine.port_count; p++) {
            struct endpoint server = {.addr = n.addr, .port = c->engine.ports[p]};
            server_name(c, &n, server.port, name, sizeof(name));
            check_server(&f, text, &server, name);
        }
    }
    firewall_same(&f, text);
}
