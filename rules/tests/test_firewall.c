/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Recorded rules (rules/tests/firewall: what nft 1.0.6 and iptables-save 1.8.9 printed of the rules for test.conf, and
 * of an office router's own) against that configuration; then each with one thing broken: named, and nothing else is.
 */
#include "rules/firewall.h"

#include "kmod-free/tests/support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define FOLDER "rules/tests/firewall/"

static struct config config;

struct heard {
    char text[4096]; /* what the walk found */
    size_t count;
    char stale[4096]; /* that they aren't what `rcptwall rules` prints, which is said of every rule of ours that is
                         spoilt */
    size_t stale_count;
};

static bool is_stale(const char *text)
{
    static const char *const words[] = {"not as `rcptwall rules` prints", "was changed after it was loaded",
                                        "was made from another", "left from another configuration", "the jump from"};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strstr(text, words[i]) != NULL)
            return true;
    return false;
}

static void hear(void *ctx, const char *text)
{
    struct heard *h = ctx;
    char *to = is_stale(text) ? h->stale : h->text;
    size_t used = strlen(to);

    snprintf(to + used, sizeof(h->text) - used, "%s\n", text);
    *(is_stale(text) ? &h->stale_count : &h->count) += 1;
}

static char *load(const char *name)
{
    char path[128];
    const char *why = "";

    snprintf(path, sizeof(path), FOLDER "%s", name);
    char *text = firewall_load(path, &why);
    if (text == NULL)
        fail_msg("%s: %s (tests run in the project's root)", path, why);
    return text;
}

/* The first occurrence (or all of them) is replaced; it must be there. */
static char *edited(char *text, const char *from, const char *to, bool all)
{
    char *at = strstr(text, from);

    if (at == NULL)
        fail_msg("the recording doesn't have: %s", from);
    while (at != NULL) {
        size_t before = (size_t)(at - text);
        char *made = NULL;
        if (asprintf(&made, "%.*s%s%s", (int)before, text, to, at + strlen(from)) < 0)
            fail_msg("out of memory");
        free(text);
        text = made;
        at = all ? strstr(text + before + strlen(to), from) : NULL;
    }
    return text;
}

struct edit {
    const char *from, *to;
    bool all;
    const char *expected; /* part of each finding; NULL: there is none */
    size_t count;
};

static void expect(const struct heard *h, const struct edit *e)
{
    char text[sizeof(h->text)], *rest = NULL;

    if (h->count != (e->expected != NULL ? e->count : 0))
        fail_msg("%s -> %s: %zu findings:\n%s", e->from, e->to, h->count, h->text);
    memcpy(text, h->text, sizeof(text));
    for (char *line = strtok_r(text, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest))
        if (e->expected == NULL || strstr(line, e->expected) == NULL)
            fail_msg("%s -> %s: %s", e->from, e->to, line);
}

static const struct edit nothing = {"", "", false, NULL, 0};

static void check(const struct firewall_text *t, const struct edit *e)
{
    struct heard h = {.count = 0};

    firewall_check(&config, t, &(struct firewall_sink){hear, &h});
    expect(&h, e);
}

/* Nothing at all, or that much about rules that aren't what they should be. */
static void check_stale(const struct firewall_text *t, const char *what, const char *expected, size_t count)
{
    struct heard h = {.count = 0};
    char *rest = NULL;

    firewall_check(&config, t, &(struct firewall_sink){hear, &h});
    if (h.stale_count != count)
        fail_msg("%s: %zu findings:\n%s", what, h.stale_count, h.stale);
    for (char *line = strtok_r(h.stale, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest))
        if (expected == NULL || strstr(line, expected) == NULL)
            fail_msg("%s: %s", what, line);
}

static void whole_sets(void **state)
{
    struct firewall_text nft = {.nft = load("routed.json")};
    struct firewall_text tables = {.iptables = load("iptables.save"), .ip6tables = load("ip6tables.save")};
    struct firewall_text both = {
        .nft = load("office.json"), .iptables = load("iptables.save"), .ip6tables = load("ip6tables.save")};

    (void)state;
    check(&nft, &nothing);
    check(&tables, &nothing);
    check(&both, &nothing);
    check_stale(&nft, "routed.json", "", 0);
    check_stale(&tables, "iptables.save", "", 0);
    check_stale(&both, "office.json", "", 0);
    free(both.nft);
    both.nft = load("routed.json");
    check(&both, &(struct edit){"routed.json", "and iptables", false, "both forms of the rules are loaded", 1});
    free(nft.nft);
    nft.nft = load("bridge.json");
    check_stale(&nft, "bridge.json", "table bridge rcptwall is left from another configuration", 1);
    check(&nft, &(struct edit){"bridge", "forward, input", false, "no rule sends packets of", 4});
    config.hooks = HOOK_BRIDGE;
    check(&nft, &nothing);
    check_stale(&nft, "bridge.json", "", 0);
    check_stale(&tables, "iptables.save", "not as `rcptwall rules` prints", 2);
    check(&tables, &nothing); /* with br_netfilter, bridged packets come by in FORWARD */
    tables.bridge_hides6 = true;
    check(&tables, &(struct edit){"bridge-nf-call-ip6tables", "0", false, "net.bridge.bridge-nf-call-ip6tables=1", 1});
    tables.bridge_hides6 = false;
    nft.nft = edited(nft.nft, "\"hook\": \"forward\"", "\"hook\": \"input\"", false);
    check(&nft, &(struct edit){"", "", false, "no rule sends packets of", 2});
    config.hooks = HOOK_FORWARD | HOOK_INPUT;
    firewall_text_free(&nft);
    firewall_text_free(&tables);
    firewall_text_free(&both);
    nft.nft = load("office.json");
    check(&nft, &(struct edit){"", "", false, "no rule sends packets of", 4});
    firewall_text_free(&nft);
    check(&nft, &nothing); /* nothing is known */
}

/* A rule of one's own somewhere in the recording: behind this the list goes on. */
#define RULE(place, expr) "{\"rule\": {" place ", \"handle\": 999, \"expr\": [" expr "]}}, "
#define GUARD             "\"family\": \"inet\", \"table\": \"rcptwall\", \"chain\": \"guard\""
#define MINE_CHAIN(hook, prio)                                                                                         \
    "{\"chain\": {\"family\": \"inet\", \"table\": \"mine\", \"name\": \"c\", \"handle\": 1, \"type\": \"filter\", "   \
    "\"hook\": \"" hook "\", \"prio\": " prio ", \"policy\": \"accept\"}}, "
#define MINE_RULE(expr) RULE("\"family\": \"inet\", \"table\": \"mine\", \"chain\": \"c\"", expr)
#define HEAD            "{\"table\": {\"family\": \"inet\", \"name\": \"rcptwall\""
#define ESTABLISHED                                                                                                    \
    "{\"match\": {\"op\": \"in\", \"left\": {\"ct\": {\"key\": \"state\"}}, \"right\": [\"established\"]}}, "
#define PORT(op, number)                                                                                               \
    "{\"match\": {\"op\": \"" op "\", \"left\": {\"payload\": {\"protocol\": \"tcp\", \"field\": \"dport\"}}, "        \
    "\"right\": " number "}}, "
#define META_MARK "{\"meta\": {\"key\": \"mark\"}}"
#define CT_MARK   "{\"ct\": {\"key\": \"mark\"}}"
#define SET(what, value) "{\"mangle\": {\"key\": " what ", \"value\": " value "}}"
/* Whoever comes from 10.9.0.0/16: the tag 2 */
#define FROM_INSIDE                                                                                                    \
    "{\"match\": {\"op\": \"==\", \"left\": {\"payload\": {\"protocol\": \"ip\", \"field\": \"saddr\"}}, "          \
    "\"right\": {\"prefix\": {\"addr\": \"10.9.0.0\", \"len\": 16}}}}, "
#define TAG_2(mark) "{\"|\": [{\"&\": [" mark ", 4279238655]}, 2097152]}"
#define FLOW "{\"flow\": {\"op\": \"add\", \"flowtable\": \"@f\"}}"

static const struct edit of_nft[] = {
    {"\"queue\": {\"num\": 0}", "\"queue\": {\"num\": 1}", false, "packets go to queue 1 to 1", 1},
    {"\"queue\": {\"num\": 0}", "\"queue\": {\"num\": 0, \"flags\": \"bypass\"}", false, "has bypass", 1},
    {"\"queue\": {\"num\": 0}", "\"queue\": {\"num\": {\"range\": [0, 3]}, \"flags\": [\"fanout\"]}", false,
     "fanout", 1},
    {"\"queue\": {\"num\": 0}", "\"counter\": null", false, "no rule sends packets of", 4},
    /* one family, one direction, one hook */
    {"\"right\": \"2001:db8::25\"", "\"right\": \"2001:db8::26\"", true, "no rule sends packets of 2001:db8::25", 2},
    {"\"right\": \"192.0.2.25\"", "\"right\": {\"set\": [\"192.0.2.7\", \"192.0.2.25\"]}", true, NULL, 0},
    {"\"chain\": \"guard_output\"", "\"chain\": \"judge\"", true, "one direction is missing: packets from", 2},
    {"\"chain\": \"guard\"", "\"chain\": \"nowhere\"", true, "no rule sends packets of", 2},
    {"\"chain\": \"tagging_input\"", "\"chain\": \"nowhere\"", true, "no tag is set for packets to", 2},
    /* nothing acts on what the daemon says */
    {"33554432]}, \"right\": 33554432", "1]}, \"right\": 1", true, "no rule acts on the daemon's verdicts", 1},
    {"\"reject\": {\"type\": \"tcp reset\"}", "\"drop\": null", true,
     "of a session that is over are dropped and not answered with a RST", 8},
    {"{\"goto\": {\"target\": \"condemned\"}}", "{\"accept\": null}", true, "of a session that is over pass", 8},
    {"{\"goto\": {\"target\": \"condemned\"}}", "{\"goto\": {\"target\": \"judge\"}}", true,
     "of a session that is over come to the queue again", 8},
    /* a way past the queue in our own chain */
    {HEAD, RULE(GUARD, "{\"accept\": null}") HEAD, false, "no rule sends packets of", 2},
    /* nobody remembers anything */
    {HEAD, MINE_CHAIN("prerouting", "-300") MINE_RULE(PORT("==", "25") "{\"notrack\": null}") HEAD, false,
     "these connections aren't tracked, so that neither tags nor verdicts are kept: table inet mine", 1},
    {HEAD,
     MINE_CHAIN("prerouting", "-300")
         MINE_RULE("{\"limit\": {\"rate\": 1, \"per\": \"second\"}}, {\"notrack\": null}") HEAD,
     false, "may not be tracked", 1},
    {HEAD, MINE_CHAIN("prerouting", "-300") MINE_RULE(PORT("==", "80") "{\"notrack\": null}") HEAD, false, NULL, 0},
    /* the fast path */
    {HEAD, MINE_CHAIN("forward", "0") MINE_RULE(FLOW) HEAD, false, "takes these connections past all rules", 1},
    {HEAD, MINE_CHAIN("forward", "0") MINE_RULE(ESTABLISHED FLOW) HEAD, false, "takes these connections past", 1},
    {HEAD, MINE_CHAIN("forward", "0") MINE_RULE(PORT("==", "443") FLOW) HEAD, false, NULL, 0},
    {HEAD, MINE_CHAIN("forward", "0") MINE_RULE("{\"limit\": {\"rate\": 1, \"per\": \"second\"}}, " FLOW) HEAD,
     false, "may take these connections past all rules", 1},
    /* marks */
    {HEAD,
     MINE_CHAIN("prerouting", "-150")
         MINE_RULE("{\"mangle\": {\"key\": {\"ct\": {\"key\": \"mark\"}}, \"value\": 1}}") HEAD,
     false, "marks collide: this rule changes bits 0x07000000 of the connection's mark: table inet mine", 1},
    {HEAD,
     MINE_CHAIN("prerouting", "-150") MINE_RULE(
         "{\"mangle\": {\"key\": {\"ct\": {\"key\": \"mark\"}}, \"value\": {\"|\": [{\"&\": [{\"ct\": {\"key\": "
         "\"mark\"}}, 4279238655]}, 2097152]}}}") HEAD,
     false, NULL, 0}, /* a tag: 0xff0fffff, 0x00200000 */
    {HEAD,
     MINE_CHAIN("prerouting", "-150") MINE_RULE(
         "{\"mangle\": {\"key\": {\"ct\": {\"key\": \"mark\"}}, \"value\": {\"|\": [{\"&\": [{\"ct\": {\"key\": "
         "\"mark\"}}, 4279238655]}, 4194304]}}}") HEAD,
     false, "get the tag 4, which the configuration doesn't have", 6},
    {HEAD,
     MINE_CHAIN("prerouting", "-150")
         MINE_RULE("{\"mangle\": {\"key\": {\"meta\": {\"key\": \"mark\"}}, \"value\": 1}}") HEAD,
     false, NULL, 0}, /* our bits of it are cleared later */
    {HEAD, MINE_CHAIN("prerouting", "-150") MINE_RULE(FROM_INSIDE SET(META_MARK, TAG_2(META_MARK))) HEAD, false,
     "this rule puts the tag 2 into the packet's mark, where nobody looks for it", 1},
    {HEAD, MINE_CHAIN("prerouting", "-150") MINE_RULE(PORT("==", "25") SET(META_MARK, "3145728")) HEAD, false,
     "this rule puts the tag 3 into the packet's mark", 1},
    {HEAD,
     MINE_CHAIN("prerouting", "-150")
         MINE_RULE(FROM_INSIDE SET(META_MARK, TAG_2(META_MARK)) ", " SET(CT_MARK, TAG_2(CT_MARK))) HEAD,
     false, NULL, 0}, /* in both */
    {HEAD, MINE_CHAIN("prerouting", "-150") MINE_RULE(PORT("==", "443") SET(META_MARK, TAG_2(META_MARK))) HEAD,
     false, NULL, 0},
    {HEAD,
     MINE_CHAIN("postrouting", "0")
         MINE_RULE("{\"mangle\": {\"key\": {\"meta\": {\"key\": \"mark\"}}, \"value\": 1}}") HEAD,
     false, "changes bits 0x07f00000 of the packet's mark", 1},
    {HEAD,
     MINE_CHAIN("forward", "0")
         MINE_RULE(PORT("==", "443") "{\"mangle\": {\"key\": {\"ct\": {\"key\": \"mark\"}}, \"value\": 1}}") HEAD,
     false, NULL, 0},
    {HEAD, MINE_CHAIN("prerouting", "-100") MINE_RULE(PORT("==", "25") "{\"dnat\": {\"family\": \"ip\", \"addr\": \"10.1.1.1\"}}") HEAD,
     false, "on to 10.1.1.1, and `servers` must name", 1},
    {HEAD, MINE_CHAIN("prerouting", "-100") MINE_RULE(PORT("==", "25") "{\"dnat\": {\"addr\": \"192.0.2.25\", \"port\": 25}}") HEAD,
     false, NULL, 0},
    {HEAD, MINE_CHAIN("prerouting", "-100") MINE_RULE(PORT("==", "25") "{\"dnat\": {\"addr\": {\"map\": {}}}}") HEAD, false, NULL, 0},
    /* another chain's accept lets nothing pass us; a drop refuses more than we would */
    {HEAD, MINE_CHAIN("forward", "0") MINE_RULE("{\"accept\": null}") HEAD, false, NULL, 0},
    {HEAD, MINE_CHAIN("forward", "0") MINE_RULE(PORT("!=", "443") "{\"drop\": null}") HEAD, false, NULL, 0},
};

static void nft_edits(void **state)
{

    (void)state;
    for (size_t i = 0; i < sizeof(of_nft) / sizeof(of_nft[0]); i++) {
        struct firewall_text t = {.nft = edited(load("routed.json"), of_nft[i].from, of_nft[i].to, of_nft[i].all)};
        check(&t, &of_nft[i]);
        firewall_text_free(&t);
    }
}

#define FORWARD "-A FORWARD -j RCPTWALL-QUEUE\n"

static const struct edit of_iptables[] = {
    {"--queue-num 0", "--queue-num 7", true, "packets go to queue 7 to 7", 1},
    {"--queue-num 0", "--queue-balance 0:3 --queue-cpu-fanout", true, "fanout", 1},
    {"--queue-num 0", "--queue-num 0 --queue-bypass", true, "has bypass", 1},
    {FORWARD, "", false, "no rule sends packets of 192.0.2.25 port 25 to the queue (hook forward)", 1},
    {FORWARD, "-A FORWARD -j ACCEPT\n" FORWARD, false, "a rule in front of the queue lets packets", 2},
    {FORWARD, "-A FORWARD -i eth1 -j ACCEPT\n" FORWARD, false, "a rule in front of the queue may let packets", 2},
    {FORWARD, "-A FORWARD -p tcp -m tcp --dport 25 -j RETURN\n" FORWARD, false, "lets packets to", 1},
    {FORWARD, "-A FORWARD -s 203.0.113.0/24 -p tcp -m multiport --dports 20:30 -j ACCEPT\n" FORWARD, false,
     "lets packets to", 1},
    {FORWARD, "-A FORWARD -s 198.51.100.0/24 -j ACCEPT\n" FORWARD, false, "may let packets to", 1},
    {FORWARD, "-A FORWARD -p tcp -m tcp ! --dport 1:1023 -j ACCEPT\n" FORWARD, false, "lets packets from", 1},
    {FORWARD, "-A FORWARD -p udp -j ACCEPT\n-A FORWARD -i lo -j ACCEPT\n" FORWARD, false, NULL, 0},
    {FORWARD, "-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n" FORWARD, false, "lets packets",
     2},
    {FORWARD, "-A FORWARD -m comment --comment \"a -j ACCEPT\" -j RCPTWALL-QUEUE\n", false, NULL, 0},
    {"-A RCPTWALL-QUEUE -s 192.0.2.25", "-A RCPTWALL-QUEUE -s 192.0.2.26", false,
     "one direction is missing: packets from", 1},
    {"*mangle\n", "*mangle\n:MINE - [0:0]\n-A MINE -j CONNMARK --set-xmark 0x1/0xffffffff\n", false,
     "changes bits 0x07000000 of the connection's mark: iptables mangle: -A MINE", 1},
    {"*mangle\n", "*mangle\n:MINE - [0:0]\n-A MINE -j CONNMARK --set-xmark 0x1/0xff\n", false, NULL, 0},
    {"*mangle\n",
     "*mangle\n:MINE - [0:0]\n-A MINE -j CONNMARK --restore-mark --nfmask 0xffffffff --ctmask 0xffffffff\n", false,
     "changes bits 0x07f00000 of the packet's mark", 1},
    {"-A FORWARD -j RCPTWALL-CONDEMNED\n", "", false,
     "of a session that is over are dropped and not answered with a RST (hook forward)", 2},
    {"-A FORWARD -j RCPTWALL-CONDEMNED\n",
     "-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n-A FORWARD -j RCPTWALL-CONDEMNED\n", false,
     "(hook forward), because of a rule in front: iptables filter: -A FORWARD -m conntrack", 2},
    {"*mangle\n",
     "*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p tcp -m tcp --dport 25 -j CT --notrack\nCOMMIT\n*mangle\n",
     false, "these connections aren't tracked, so that neither tags nor verdicts are kept: iptables raw", 1},
    {"*mangle\n", "*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -i eth1 -j NOTRACK\nCOMMIT\n*mangle\n", false,
     "may not be tracked", 1},
    {"*mangle\n", "*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -j CT --zone 5\nCOMMIT\n*mangle\n", false, NULL,
     0},
    {"-A FORWARD -j RCPTWALL-TAG\n", "", false, "no tag is set for packets", 2},
#define PASS "-A POSTROUTING -j RCPTWALL-PASS\n"
    {PASS, PASS "-A PREROUTING -i tun0 -j MARK --set-xmark 0x200000/0xf00000\n", false,
     "this rule puts the tag 2 into the packet's mark, where nobody looks for it", 1},
    {PASS, PASS "-A PREROUTING -p tcp -m tcp --dport 80 -j MARK --set-xmark 0x200000/0xf00000\n", false, NULL, 0},
    {PASS, PASS "-A PREROUTING -i tun0 -j MARK --set-xmark 0x1/0xffffffff\n", false, NULL, 0},
    {PASS,
     PASS "-A PREROUTING -i tun0 -j MARK --set-xmark 0x200000/0xf00000\n"
          "-A PREROUTING -j CONNMARK --save-mark --nfmask 0xf00000 --ctmask 0xf00000\n",
     false, NULL, 0},
#define NAT(rule) "*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING " rule "\nCOMMIT\n*mangle\n"
    {"*mangle\n", NAT("-d 192.0.2.25/32 -p tcp -m tcp --dport 25 -j DNAT --to-destination 10.1.1.1"), false,
     "DNAT sends packets to 192.0.2.25 port 25 on to 10.1.1.1, and `servers` must name", 1},
    {"*mangle\n", NAT("-i eth0 -p tcp -m tcp --dport 25 -j DNAT --to-destination 10.1.1.1:2525"), false,
     "port 25 on to 10.1.1.1, and", 1},
    {"*mangle\n", NAT("-d 198.51.100.1/32 -p tcp -m tcp --dport 25 -j DNAT --to-destination 10.1.1.1"), false, NULL, 0},
    {"*mangle\n", NAT("-p tcp -m tcp --dport 25 -j DNAT --to-destination 192.0.2.25:25"), false, NULL, 0},
    {"*mangle\n", NAT("-p tcp -m tcp --dport 80 -j DNAT --to-destination 10.1.1.1"), false, NULL, 0},
    {"*mangle\n", NAT("-p tcp -j DNAT --to-destination 10.1.1.1-10.1.1.9"), false, NULL, 0},
    {FORWARD, FORWARD "-A FORWARD -p tcp -m conntrack --ctstate ESTABLISHED -j FLOWOFFLOAD\n", false, NULL,
     0}, /* behind */
    {FORWARD, "-A FORWARD -p tcp -m conntrack --ctstate ESTABLISHED -j FLOWOFFLOAD --hw\n" FORWARD, false,
     "takes these connections past all rules: iptables security: -A FORWARD", 1},
    {FORWARD, "-A FORWARD -p udp -j FLOWOFFLOAD\n" FORWARD, false, NULL, 0},
    {"COMMIT", "rubbish", false, "what iptables-save prints can't be read", 1},
};

static void iptables_edits(void **state)
{

    (void)state;
    for (size_t i = 0; i < sizeof(of_iptables) / sizeof(of_iptables[0]); i++) {
        const struct edit *e = &of_iptables[i];
        struct firewall_text t = {.iptables = edited(load("iptables.save"), e->from, e->to, e->all),
                                  .ip6tables = load("ip6tables.save")};
        check(&t, e);
        firewall_text_free(&t);
    }
}

#define TO_QUEUE_0 "\"queue\": {\"num\": 0}"

/* The kernel's list, as somebody who may read it finds it. */
static void listeners(void **state)
{
    static const struct {
        char queues[160];
        bool bypass;
        const char *expected;
    } lists[] = {
        {"", false, "nobody listens on queue 0: no SMTP gets through until `rcptwall run` does"},
        {"", true, "nobody listens on queue 0: SMTP passes unguarded until `rcptwall run` does"},
        {"    1    217     0 2 65531     0     0        0  1\n", false, "nobody listens on queue 0"},
        {"    0    217     0 2 65531     0     0        0  1\n", false, NULL},
        {"    7    216     0 2 65531     0     0        0  1\n"
         "    0    217     0 2 65531     0     0        0  1\n", true,
         NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        char queues[sizeof(lists[i].queues)];
        const char *rule = lists[i].bypass ? "\"queue\": {\"num\": 0, \"flags\": \"bypass\"}" : TO_QUEUE_0;
        struct firewall_text t = {.nft = edited(load("routed.json"), TO_QUEUE_0, rule, false), .queues = queues};
        config.on_failure = lists[i].bypass ? FAIL_OPEN : FAIL_CLOSED;
        memcpy(queues, lists[i].queues, sizeof(queues));
        check(&t, &(struct edit){"listeners", lists[i].queues, false, lists[i].expected, 1});
        free(t.nft);
    }
    config.on_failure = FAIL_CLOSED;
    char some[] = "    0    217     0 2 65531     0     0        0  1\n"
                  "    3    217     0 2 65531     0     0        0  1\n";
    struct firewall_text range = {
        .nft = edited(load("routed.json"), TO_QUEUE_0, "\"queue\": {\"num\": {\"range\": [0, 3]}}", false), .queues = some};
    config.queue_last = 3;
    check(&range, &(struct edit){"listeners", "0:3", false, "nobody listens on queue 1: no SMTP", 1});
    config.queue_last = 0;
    free(range.nft);
}

/* A word of the configuration is another one than when the rules were loaded. */
static void stale_configurations(void **state)
{
    struct firewall_text nft = {.nft = load("routed.json")};
    struct firewall_text tables = {.iptables = load("iptables.save"), .ip6tables = load("ip6tables.save")};
    struct policy_tag *outside = &config.policy->tags[config.policy->outside];

    (void)state;
    outside->ban_for_s = 60;
    check_stale(&nft, "ban-for", "table inet rcptwall was made from another configuration", 1);
    check_stale(&tables, "ban-for", "security RCPTWALL-Q-CLIENT, security RCPTWALL-Q-SERVER. The configuration", 2);
    outside->ban_for_s = 3600;
    outside->ban_after = 0;
    check_stale(&nft, "ban-after", "was made from another configuration", 1);
    check_stale(&tables, "ban-after", "filter RCPTWALL-CONDEMNED, security RCPTWALL-Q-CLIENT", 2);
    outside->ban_after = 3;
    config.policy->networks[0].prefix = 9;
    check_stale(&nft, "networks", "was made from another configuration", 1);
    check_stale(&tables, "networks", "iptables: not as `rcptwall rules` prints", 1); /* IPv4 only */
    config.policy->networks[0].prefix = 8;
    config.hooks = HOOK_FORWARD;
    check_stale(&nft, "hooks", "was made from another configuration", 1);
    config.hooks = HOOK_FORWARD | HOOK_INPUT;
    config.on_failure = FAIL_OPEN;
    check_stale(&nft, "on-failure", "was made from another configuration", 1);
    check_stale(&tables, "on-failure", "security RCPTWALL-JUDGE", 2);
    config.on_failure = FAIL_CLOSED;
    check_stale(&nft, "as it was", "", 0);
    check_stale(&tables, "as it was", "", 0);
    firewall_text_free(&nft);
    firewall_text_free(&tables);
}

/* Somebody has changed our table since it was loaded. */
static void stale_nft(void **state)
{
    static const struct edit edits[] = {
        {"{\"prefix\": {\"addr\": \"10.0.0.0\", \"len\": 8}}", "{\"prefix\": {\"addr\": \"11.0.0.0\", \"len\": 8}}",
         false, "chain by_source", 1},
        {"{\"prefix\": {\"addr\": \"10.0.0.0\", \"len\": 8}}", "{\"set\": [\"10.0.0.0\"]}", false, NULL, 0},
        {"{\"prefix\": {\"addr\": \"10.0.0.0\", \"len\": 8}}", "{\"set\": [\"10.0.0.0\", \"11.0.0.1\"]}", false,
         "chain by_source", 1},
        {"\"right\": 25}", "\"right\": {\"set\": [25, 26]}}", false, "chain tagging", 1},
        {"\"right\": 25}", "\"right\": {\"set\": [25]}}", false, NULL, 0},
        {"\"right\": \"192.0.2.25\"", "\"right\": \"192.0.2.26\"", false, "chain tagging", 1},
        {"\"right\": \"@banned4\"", "\"right\": \"192.0.2.26\"", false, "chain from_client", 1},
        {"\"reject\": {\"type\": \"tcp reset\"}", "\"accept\": null", false, "chain condemned", 1},
        {"{\"goto\": {\"target\": \"disarmed\"}}", "{\"goto\": {\"target\": \"judge\"}}", false, "chain from_client",
         1},
        {HEAD, RULE(GUARD, "{\"accept\": null}") HEAD, false, "chain guard", 1},
        {"\"chain\": \"keep_pass\"", "\"chain\": \"elsewhere\"", true, "chain keep_pass", 1},
        {"\"name\": \"keep_pass\"", "\"name\": \"elsewhere\"", true, "chain elsewhere", 1},
        {"{\"chain\": {\"family\": \"inet\", \"table\": \"rcptwall\", \"name\": \"keep_pass\"", "{\"x\": {\"x\": \"\"",
         false, "a chain is missing", 1},
        {"\"comment\": \"", "\"comment\": \"0", true, "was made from another configuration", 1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(edits) / sizeof(edits[0]); i++) {
        struct firewall_text t = {.nft = edited(load("routed.json"), edits[i].from, edits[i].to, edits[i].all)};
        check_stale(&t, edits[i].to, edits[i].expected, edits[i].count);
        firewall_text_free(&t);
    }
}

static void stale_iptables(void **state)
{
    static const struct edit edits[] = {
        {"-s 10.0.0.0/8", "-s 10.0.0.0/9", false,
         "not as `rcptwall rules` prints them for this configuration: mangle RCPTWALL-CLIENT.", 1},
        {"-A FORWARD -j RCPTWALL-CONDEMNED\n", "", false,
         "the jump from FORWARD to RCPTWALL-CONDEMNED is missing in iptables's table filter", 1},
        {"-A FORWARD -j RCPTWALL-CONDEMNED\n", "-A FORWARD -m comment --comment \"x y\" -j RCPTWALL-CONDEMNED\n", false,
         NULL, 0},
        {"-A POSTROUTING -j RCPTWALL-PASS\n", "-A POSTROUTING -j RCPTWALL-PASS\n-A PREROUTING -j RCPTWALL-PASS\n",
         false, "this configuration: mangle PREROUTING.", 1},
        {"-A RCPTWALL-JUDGE -j NFQUEUE", "-A RCPTWALL-JUDGE -s 198.51.100.66 -j ACCEPT\n-A RCPTWALL-JUDGE -j NFQUEUE",
         false, "security RCPTWALL-JUDGE.", 1},
        {"--timeout 3600", "--timeout 60", false, "security RCPTWALL-Q-CLIENT.", 1},
        {":RCPTWALL-PASS - [0:0]\n", ":RCPTWALL-PASS - [0:0]\n:RCPTWALL-OLD - [0:0]\n", false, "mangle RCPTWALL-OLD.",
         1},
        {"0x7000000", "0x07000000", true, NULL, 0},
        {"-p tcp -m tcp --tcp-flags", "-p tcp --tcp-flags", true, NULL, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(edits) / sizeof(edits[0]); i++) {
        struct firewall_text t = {.iptables = edited(load("iptables.save"), edits[i].from, edits[i].to, edits[i].all),
                                  .ip6tables = load("ip6tables.save")};
        check_stale(&t, edits[i].to, edits[i].expected, edits[i].count);
        firewall_text_free(&t);
    }
}

/* Cut anywhere, or with a byte changed: read or refused, nothing else. */
static void broken_texts(void **state)
{
    struct heard h;

    (void)state;
    for (int form = 0; form < 2; form++) {
        char *whole = load(form == 0 ? "iptables.save" : "office.json");
        size_t len = strlen(whole);
        for (size_t cut = 0; cut <= len; cut += 7) {
            char *copy = strndup(whole, cut);
            struct firewall_text t = {.iptables = form == 0 ? copy : NULL, .nft = form == 1 ? copy : NULL};
            h = (struct heard){.count = 0};
            firewall_check(&config, &t, &(struct firewall_sink){hear, &h});
            firewall_text_free(&t);
        }
        for (size_t i = 0; i < len; i += 11) {
            char *copy = strdup(whole);
            copy[i] = (char)('!' + i % 90);
            struct firewall_text t = {.iptables = form == 0 ? copy : NULL, .nft = form == 1 ? copy : NULL};
            h = (struct heard){.count = 0};
            firewall_check(&config, &t, &(struct firewall_sink){hear, &h});
            firewall_text_free(&t);
        }
        free(whole);
    }
    struct firewall_text round = {.iptables = strdup("*security\n:FORWARD ACCEPT [0:0]\n:A - [0:0]\n:B - [0:0]\n"
                                                     "-A FORWARD -j A\n-A A -g B\n-A B -g A\nCOMMIT\n")};
    h = (struct heard){.count = 0};
    firewall_check(&config, &round, &(struct firewall_sink){hear, &h}); /* ends */
    assert_true(h.count > 0);
    firewall_text_free(&round);
}

static int read_config(void **state)
{
    char error[512];

    (void)state;
    return config_read(&config, FOLDER "test.conf", error, sizeof(error)) ? 0 : -1;
}

static int free_config(void **state)
{
    (void)state;
    config_free(&config);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_sets),           cmocka_unit_test(nft_edits), cmocka_unit_test(iptables_edits),
        cmocka_unit_test(stale_configurations), cmocka_unit_test(stale_nft), cmocka_unit_test(stale_iptables),
        cmocka_unit_test(broken_texts),         cmocka_unit_test(listeners),
    };

    return cmocka_run_group_tests_name("firewall", tests, read_config, free_config);
}
