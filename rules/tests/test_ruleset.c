/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The printed rules, as far as text can be judged; rules/check-rulesets loads them into a kernel. */
#include "rules/ruleset.h"

#include "kmod-free/tests/support.h"
#include "rules/ruleset_plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static void read_config(struct config *c, const char *text)
{
    char error[512], copy[8192];

    assert_true(strlen(text) < sizeof(copy));
    memcpy(copy, text, strlen(text));
    if (!config_read_text(c, "test.conf", copy, strlen(text), error, sizeof(error)))
        fail_msg("%s", error);
}

enum form {
    NFT = 1,
    IPTABLES,
};

/* The rules for a configuration; to be freed. */
static char *rules(enum form form, const char *text)
{
    struct config c;
    char *out = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&out, &len);

    assert_non_null(f);
    read_config(&c, text);
    assert_true(form == NFT ? ruleset_print_nft(&c, f) : ruleset_print_iptables(&c, f));
    config_free(&c);
    assert_int_equal(fclose(f), 0);
    return out;
}

/* How often needle stands in rules, comments not counted. */
static size_t count(const char *text, const char *needle)
{
    size_t found = 0;

    for (const char *line = text; *line != '\0';) {
        size_t len = strcspn(line, "\n");
        const char *first = line + strspn(line, " \t");
        if (*first != '#') {
            const char *at = line;
            while ((at = memmem(at, len - (size_t)(at - line), needle, strlen(needle))) != NULL) {
                found++;
                at++;
            }
        }
        line += len;
        line += *line == '\n' ? 1 : 0;
    }
    return found;
}

/* The hexadecimal number that stands at `at`. */
static uint32_t hex(const char *at, const char **rest)
{
    char *end;
    unsigned long value = strtoul(at, &end, 16);

    assert_true(end > at && value <= UINT32_MAX);
    *rest = end;
    return (uint32_t)value;
}

static void inside(uint32_t bits, uint32_t mask)
{
    assert_int_equal(bits & ~mask, 0);
}

/* V3: no statement of the nft form can change, and no match can look at, a bit outside the mask. */
static void check_nft_masks(const char *text, uint32_t mask)
{
    static const char keep[] = " mark & 0x";
    size_t seen = 0;

    for (const char *at = strstr(text, keep); at != NULL; at = strstr(at, keep)) {
        uint32_t bits = hex(at + sizeof(keep) - 3, &at);
        if (strncmp(at, " == 0x", 6) == 0) {
            inside(bits, mask);
            inside(hex(at + 4, &at), bits);
        } else { /* mark set ... mark & bits [| value] */
            inside(~bits, mask);
            if (strncmp(at, " | ", 3) == 0)
                inside(hex(at + 3, &at), ~bits);
            assert_int_equal(*at, '\n');
        }
        seen++;
    }
    assert_true(seen > 15);
    /* There is no other way in which a mark is set. */
    assert_int_equal(count(text, "mark set"),
                     count(text, "ct mark set ct mark & 0x") + count(text, "meta mark set meta mark & 0x"));
}

static void check_pairs(const char *text, const char *option, uint32_t mask, size_t *seen)
{
    for (const char *at = strstr(text, option); at != NULL; at = strstr(at, option)) {
        uint32_t value = hex(at + strlen(option), &at);
        assert_int_equal(*at, '/');
        uint32_t bits = hex(at + 1, &at);
        inside(bits, mask);
        inside(value, bits);
        (*seen)++;
    }
}

static void check_iptables_masks(const char *text, uint32_t mask)
{
    size_t seen = 0, restored = 0;

    check_pairs(text, "--set-xmark ", mask, &seen);
    check_pairs(text, "--mark ", mask, &seen);
    assert_true(seen > 15);
    for (const char *at = strstr(text, "--nfmask "); at != NULL; at = strstr(at, "--nfmask ")) {
        inside(hex(at + 9, &at), mask);
        assert_memory_equal(at, " --ctmask ", 10);
        inside(hex(at + 10, &at), mask);
        restored++;
    }
    /* All that sets a mark names its bits. */
    assert_int_equal(count(text, "-j CONNMARK") + count(text, "-j MARK"), count(text, "--set-xmark") + restored);
    assert_int_equal(count(text, "--set-mark") + count(text, "--save-mark"), 0);
}

static void no_foreign_bits(void **state)
{
    static const struct {
        const char *mask;
        uint32_t value;
    } masks[] = {{"0x07f00000", 0x07f00000}, {"0x7f", 0x7f}, {"0xfe000000", 0xfe000000}, {"0x3f800", 0x3f800}};
    char text[512];

    (void)state;
    for (size_t i = 0; i < sizeof(masks) / sizeof(masks[0]); i++) {
        snprintf(text, sizeof(text),
                 "mark-mask = %s tag x { value = 15 } tag y { value = 8 }"
                 "networks { x = '10.0.0.0/8 2001:db8::/32' y = 10.1.0.0/16 inside = 10.1.1.1 }",
                 masks[i].mask);
        char *nft = rules(NFT, text), *iptables = rules(IPTABLES, text);
        check_nft_masks(nft, masks[i].value);
        check_iptables_masks(iptables, masks[i].value);
        free(nft);
        free(iptables);
    }
}

static void bypass_only_when_open(void **state)
{
    static const struct {
        const char *text;
        size_t nft, iptables;
    } cases[] = {
        {"", 1, 6}, /* monitor */
        {"mode = enforce", 0, 0},
        {"mode = enforce on-failure = open", 1, 6},
        {"on-failure = closed", 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *nft = rules(NFT, cases[i].text), *iptables = rules(IPTABLES, cases[i].text);
        assert_int_equal(count(nft, " bypass"), cases[i].nft);
        assert_int_equal(count(nft, " queue num"), 1);
        assert_int_equal(count(iptables, "--queue-bypass"), cases[i].iptables);
        assert_int_equal(count(iptables, "-j NFQUEUE"), 6); /* a family: for each side, and behind the verdicts */
        assert_int_equal(count(nft, "fanout"), 0);
        assert_int_equal(count(iptables, "fanout"), 0);
        free(nft);
        free(iptables);
    }
}

static void queues(void **state)
{
    char *nft = rules(NFT, "queues = 7 mode = enforce"), *iptables = rules(IPTABLES, "queues = 7 mode = enforce");

    (void)state;
    assert_int_equal(count(nft, "queue num 7 comment"), 1);
    assert_int_equal(count(iptables, "--queue-num 7"), 6);
    free(nft);
    free(iptables);
    nft = rules(NFT, "queues = '2:5'");
    iptables = rules(IPTABLES, "queues = '2:5'");
    assert_int_equal(count(nft, "queue num 2-5 bypass comment"), 1);
    assert_int_equal(count(iptables, "--queue-balance 2:5 --queue-bypass"), 6);
    assert_int_equal(count(iptables, "--queue-num"), 0);
    free(nft);
    free(iptables);
}

static void servers_and_families(void **state)
{
    char *nft = rules(NFT, ""), *iptables = rules(IPTABLES, "");

    (void)state;
    assert_int_equal(count(nft, "servers"), 0);
    assert_int_equal(count(nft, "\t\ttcp dport $ports goto"), 2);
    assert_int_equal(count(nft, "\t\ttcp sport $ports goto"), 2);
    assert_int_equal(count(iptables, "-A RCPTWALL-QUEUE -p tcp --dport 25 -g"), 2);
    assert_int_equal(count(iptables, "-A RCPTWALL-QUEUE -p tcp --sport 25 -g"), 2);
    free(nft);
    free(iptables);

    /* Servers of one family: nothing of the other goes to the queue. */
    nft = rules(NFT, "servers = '192.0.2.25 192.0.2.0/24' ports = '25 587'");
    iptables = rules(IPTABLES, "servers = '192.0.2.25 192.0.2.0/24' ports = '25 587'");
    assert_int_equal(count(nft, "ip daddr & 255.255.255.0 $servers4_24 tcp dport $ports goto"), 2);
    assert_int_equal(count(nft, "ip saddr & 255.255.255.0 $servers4_24 tcp sport $ports goto"), 2);
    assert_int_equal(count(nft, "define servers4_24 = { 192.0.2.0 }"), 1);
    assert_int_equal(count(nft, "servers6"), 0);
    assert_int_equal(count(nft, "\t\ttcp dport $ports goto"), 0);
    assert_int_equal(count(nft, "192.0.2.25"), 0); /* inside the other */
    assert_int_equal(count(nft, "define ports = { 25, 587 }"), 1);
    assert_int_equal(count(iptables, "-A RCPTWALL-QUEUE"), 2);
    assert_int_equal(count(iptables, "-A RCPTWALL-QUEUE -d 192.0.2.0/24 -p tcp -m multiport --dports 25,587 -g"), 1);
    free(nft);
    free(iptables);

    nft = rules(NFT, "servers = '192.0.2.25 2001:db8:2::25'");
    iptables = rules(IPTABLES, "servers = '192.0.2.25 2001:db8:2::25'");
    assert_int_equal(count(nft, "ip6 daddr $servers6 tcp dport $ports goto"), 2);
    assert_int_equal(count(nft, "ip6 saddr $servers6 tcp sport $ports goto"), 2);
    assert_int_equal(count(iptables, "-A RCPTWALL-QUEUE -d 192.0.2.25 "), 1);
    assert_int_equal(count(iptables, "-A RCPTWALL-QUEUE -d 2001:db8:2::25 "), 1);
    free(nft);
    free(iptables);
}

/*
 * What passes unjudged: bare ACKs of clients (their lengths leave no room for a byte); when QUIT was said, all their
 * packets without a byte, but for SYNs and urgent ones, and what the server says before its FIN. Nothing else.
 */
static void bare_acks(void **state)
{
    char *nft = rules(NFT, "");

    (void)state;
    assert_int_equal(count(nft, "@empty"), 4);
    assert_int_equal(count(nft, "ct mark & 0x01000000 == 0x01000000 tcp flags & (syn | urg) == 0x0 ip hdrlength . tcp doff . "
                                "ip length @empty4"),
                     1);
    assert_int_equal(count(nft, "tcp flags & (fin | syn | rst | psh | ack | urg) == ack ip hdrlength . tcp doff . "
                                "ip length @empty4"),
                     1);
    for (unsigned doff = 5; doff <= 15; doff++) {
        char element[32];
        snprintf(element, sizeof(element), " 5 . %u . %u%s", doff, 20 + 4 * doff, doff < 15 ? "," : " ");
        assert_int_equal(count(nft, element), 1);
        snprintf(element, sizeof(element), "%s%u . %u%s", doff > 5 ? ", " : "{ ", doff, 4 * doff,
                 doff < 15 ? "," : " ");
        assert_int_equal(count(nft, element), 1);
    }
    const char *server = strstr(nft, "chain from_server {");
    assert_non_null(server);
    assert_null(strstr(server, "@empty"));
    assert_int_equal(count(server, "ct mark & 0x01000000 == 0x01000000"), 1);
    assert_int_equal(count(server, "ct mark & 0x01000000 == 0x01000000 tcp flags & (fin | syn) == 0x0 counter accept"), 1);
    free(nft);
}

/* The order of the chain: a verdict, then what was condemned, then what may pass, then the queue. */
static void order(void **state)
{
    static const char *const parts[] = {"chain from_client {",
                                        "meta mark & 0x02000000 == 0x02000000 goto disarmed",
                                        "ct mark & 0x02000000 == 0x02000000 goto condemned",
                                        "ct mark & 0x01000000 == 0x01000000 tcp flags & (syn | urg) == 0x0 ip",
                                        "@empty4",
                                        "goto judge"};
    static const char *const iptables_parts[] = {
        "*mangle",
        "FIN,SYN,RST,ACK SYN -j CONNMARK --set-xmark 0x0/0x07000000",
        "*filter",
        "--tcp-flags FIN,SYN,RST RST -j RETURN",
        "-j REJECT --reject-with tcp-reset",
        "*security",
        "-A RCPTWALL-Q-CLIENT -m mark --mark 0x0/0x06000000 -m connmark --mark 0x0/0x03000000 -j NFQUEUE",
        "-A RCPTWALL-Q-SERVER -m mark --mark 0x0/0x06000000 -m connmark --mark 0x0/0x03000000 -j NFQUEUE",
        "--tcp-flags FIN,SYN NONE -m mark --mark 0x0/0x02000000 -m connmark --mark 0x01000000/0x03000000 -j RETURN",
        "-A RCPTWALL-Q-CLIENT -g RCPTWALL-JUDGE",
        "-A RCPTWALL-JUDGE -m mark --mark 0x02000000/0x02000000 -j CONNMARK",
        "-A RCPTWALL-JUDGE -m mark --mark 0x02000000/0x02000000 -j RETURN",
        "-m connmark --mark 0x02000000/0x02000000 --tcp-flags FIN,SYN,RST RST -j RETURN",
        "-m connmark --mark 0x02000000/0x02000000 -j DROP",
        "-j NFQUEUE",
    };
    char *nft = rules(NFT, ""), *iptables = rules(IPTABLES, "");
    const char *at = nft;

    (void)state;
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        at = strstr(at, parts[i]);
        assert_non_null(at);
    }
    at = iptables;
    for (size_t i = 0; i < sizeof(iptables_parts) / sizeof(iptables_parts[0]); i++) {
        at = strstr(at, iptables_parts[i]);
        assert_non_null(at);
    }
    free(nft);
    free(iptables);
}

static void nested_networks(void **state)
{
    static const char text[] = "tag partner { value = 3 }\n"
                               "networks { inside = '10.0.0.0/8 10.1.2.0/24 10.0.0.0/16' partner = 10.1.0.0/16 }";
    char *nft = rules(NFT, text), *iptables = rules(IPTABLES, text);

    (void)state;
    assert_int_equal(count(nft, "define nets4_8_inside = { 10.0.0.0 }"), 1);
    assert_int_equal(count(nft, "define nets4_16_partner = { 10.1.0.0 }"), 1);
    assert_int_equal(count(nft, "define nets4_24_inside = { 10.1.2.0 }"), 1);
    assert_int_equal(count(nft, "nets4_16_inside"), 0); /* directly inside one of the same tag */
    assert_non_null(strstr(nft, "saddr & 255.255.255.0 $nets4_24_inside"));
    assert_true(strstr(nft, "saddr & 255.255.255.0 $nets4_24_inside") < strstr(nft, "& 255.255.0.0 $nets4_16_partner"));
    assert_true(strstr(nft, "saddr & 255.255.0.0 $nets4_16_partner") < strstr(nft, "saddr & 255.0.0.0 $nets4_8_inside"));
    assert_true(strstr(iptables, "-s 10.1.2.0/24") < strstr(iptables, "-s 10.1.0.0/16"));
    assert_true(strstr(iptables, "-s 10.1.0.0/16") < strstr(iptables, "-s 10.0.0.0/8"));
    free(nft);
    free(iptables);
}

static uint32_t random_state = 1;

static uint32_t random_below(uint32_t n)
{
    random_state = random_state * 1664525 + 1013904223;
    return (random_state >> 8) % n;
}

static bool has(const struct network *n, const struct ip_addr *a)
{
    if (n->addr.family != a->family)
        return false;
    for (unsigned bit = 0; bit < n->prefix; bit++)
        if (((n->addr.at[bit / 8] ^ a->at[bit / 8]) >> (7 - bit % 8) & 1) != 0)
            return false;
    return true;
}

/* First match in the plan's order is the longest prefix, and what shares a list is of one length, family and tag. */
static void plan_agrees_with_policy(void **state)
{
    (void)state;
    for (int round = 0; round < 300; round++) {
        struct config c;
        struct ruleset_plan plan;
        assert_true(config_defaults(&c));
        for (uint32_t i = random_below(25); i > 0; i--) { /* a small world, so that much is nested */
            struct network n = {.addr = {.family = random_below(2) == 0 ? 4 : 6},
                                .tag = (uint8_t)(1 + random_below(3))};
            n.prefix = (uint8_t)random_below(9);
            n.addr.at[0] = (uint8_t)(random_below(256) & (0xff00U >> n.prefix));
            bool twice = false;
            for (size_t k = 0; k < c.policy->network_count; k++)
                twice = twice || (c.policy->networks[k].prefix == n.prefix &&
                                  ip_addr_equal(&c.policy->networks[k].addr, &n.addr));
            if (!twice)
                assert_true(policy_add_network(c.policy, &n));
        }
        assert_true(ruleset_plan_make(&plan, &c));
        for (unsigned host = 0; host < 512; host++) {
            struct ip_addr a = {.family = host < 256 ? 4 : 6, .at = {(uint8_t)host}};
            uint8_t tag = c.policy->outside;
            for (size_t i = plan.network_count; i-- > 0;)
                if (has(&plan.networks[i].network, &a))
                    tag = plan.networks[i].network.tag; /* from the back: the first match wins */
            assert_int_equal(tag, policy_tag_for(c.policy, 0, &a));
        }
        const struct planned *end = plan.networks + plan.network_count;
        for (const struct planned *p = plan.networks; p < end;) {
            const struct planned *next = ruleset_plan_next_group(p, end);
            assert_true(next > p);
            for (const struct planned *q = p; q < next; q++)
                assert_true(q->network.prefix == p->network.prefix && q->network.tag == p->network.tag &&
                            q->network.addr.family == p->network.addr.family);
            p = next;
        }
        ruleset_plan_free(&plan);
        config_free(&c);
    }
}

/* Each hook has its chains, and no other hook's. */
static void hooks(void **state)
{
    static const struct {
        const char *text;
        size_t inet, bridge, forward, input, output, prerouting; /* base chains */
        size_t jumps_forward, jumps_local;
    } cases[] = {
        {"", 1, 0, 2, 0, 0, 0, 6, 0},
        {"hooks = input", 1, 0, 0, 3, 2, 0, 0, 12},
        {"hooks = { forward, input }", 1, 0, 2, 3, 2, 0, 6, 12},
        {"hooks = bridge", 0, 1, 1, 0, 0, 2, 6, 0},
        {"hooks = { bridge, input }", 1, 1, 1, 3, 2, 2, 6, 12},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *nft = rules(NFT, cases[i].text), *iptables = rules(IPTABLES, cases[i].text);
        assert_int_equal(count(nft, "flush table inet rcptwall"), cases[i].inet);
        assert_int_equal(count(nft, "flush table bridge rcptwall"), cases[i].bridge);
        assert_int_equal(count(nft, "delete table"), 0);
        assert_int_equal(count(nft, "hook forward "), cases[i].forward);
        assert_int_equal(count(nft, "hook input "), cases[i].input);
        assert_int_equal(count(nft, "hook output "), cases[i].output);
        assert_int_equal(count(nft, "hook prerouting "), cases[i].prerouting);
        assert_int_equal(count(nft, "queue num"), cases[i].inet + cases[i].bridge);
        assert_int_equal(count(iptables, "-I FORWARD 1 -j"), cases[i].jumps_forward);
        assert_int_equal(count(iptables, "-I INPUT 1 -j") + count(iptables, "-I OUTPUT 1 -j"), cases[i].jumps_local);
        free(nft);
        free(iptables);
    }
    /* Locally, only what comes from clients in, and only what servers send out. */
    char *nft = rules(NFT, "hooks = input");
    assert_int_equal(count(nft, "tcp dport $ports goto"), 2);
    assert_int_equal(count(nft, "tcp sport $ports goto"), 2);
    assert_int_equal(count(nft, "ifname \"lo\" accept"), 4);
    free(nft);
}

/* The ban bit does something only where a tag bans, and for as long as that tag says. */
static void bans(void **state)
{
    static const char text[] = "tag outside { ban-after = 3 ban-for = 2h } tag other { value = 9 ban-after = 1 }"
                               "tag third { value = 4 }";
    char *nft = rules(NFT, "tag outside { ban-for = 2h }"), *iptables = rules(IPTABLES, "tag outside { ban-for = 2h }");

    (void)state;
    assert_int_equal(count(nft, "@banned") + count(nft, "\tset banned"), 0);
    assert_int_equal(count(nft, "delete set inet rcptwall banned"), 2);
    assert_int_equal(count(iptables, "-j SET") + count(iptables, "ipset -exist"), 0);
    free(nft);
    free(iptables);
    nft = rules(NFT, text);
    iptables = rules(IPTABLES, text);
    assert_int_equal(count(nft, "0x00100000 meta protocol ip update @banned4 { ip saddr timeout 7200s }"), 1);
    assert_int_equal(count(nft, "0x00100000 meta protocol ip update @banned4 { ip daddr timeout 7200s }"), 1);
    assert_int_equal(count(nft, "0x00900000 meta protocol ip6 update @banned6 { ip6 saddr & ffff:ffff:ffff:ffff:: "
                                "timeout 3600s }"),
                     1);
    assert_int_equal(count(nft, " update @"), 8);
    assert_int_equal(count(nft, "\tset banned"), 2);
    assert_int_equal(count(nft, "delete set"), 0); /* who is banned stays so */
    assert_int_equal(count(iptables, "--mark 0x04100000/0x04f00000 -j SET --add-set rcptwall-ban4 src --exist "
                                     "--timeout 7200"),
                     1);
    assert_int_equal(count(iptables, "--mark 0x04900000/0x04f00000 -j SET --add-set rcptwall-ban6 dst --exist "
                                     "--timeout 3600"),
                     1);
    assert_int_equal(count(iptables, "-j SET"), 8);
    check_nft_masks(nft, 0x07f00000);
    check_iptables_masks(iptables, 0x07f00000);
    free(nft);
    free(iptables);
}

/* "tagging" of "\tchain tagging {\n\t\ttype ..."; what isn't a hook's is skipped. false: no more. */
static bool next_base_chain(const char **at, char name[static 32])
{
    while ((*at = strstr(*at, "\n\tchain ")) != NULL) {
        *at += 8;
        size_t len = strcspn(*at, " ");
        snprintf(name, 32, "%.*s", (int)len, *at);
        if (strncmp(*at + len, " {\n\t\ttype ", 10) == 0)
            return true;
    }
    return false;
}

/*
 * Loading leaves no gap (see print_table): each hook's chain of one configuration is kept by the next, or taken away by
 * name; nothing that is looked up has intervals or is a map, and no named set is anything but constant.
 */
static void loads_without_gap(void **state)
{
    static const char *const texts[] = {"hooks = forward", "hooks = input", "hooks = { forward, input }",
                                        "hooks = { forward, input } tag outside { ban-after = 1 }"};
    static const char named[] = "networks { inside = { 10.0.0.0/8, 192.0.2.7, 2001:db8::/32 } }\n"
                                "servers = { 192.0.2.0/24, 2001:db8::25 }";

    (void)state;
    for (size_t i = 0; i < 4; i++)
        for (size_t k = 0; k < 4; k++) {
            char *before = rules(NFT, texts[i]), *after = rules(NFT, texts[k]), name[32], kept[64], gone[64];
            for (const char *at = before; next_base_chain(&at, name);) {
                snprintf(kept, sizeof(kept), "\n\tchain %s {\n\t\ttype ", name);
                snprintf(gone, sizeof(gone), "delete chain inet rcptwall %s\n", name);
                assert_int_equal((strstr(after, kept) != NULL) + (strstr(after, gone) != NULL), 1);
            }
            free(before);
            free(after);
        }
    char *nft = rules(NFT, named);
    assert_int_equal(count(nft, "interval"), 0);
    assert_int_equal(count(nft, "map "), 0);
    assert_int_equal(count(nft, "elements = {"), 2); /* lengths of what is empty */
    free(nft);
}

/* What a shell would run inside the here-documents stands nowhere in comments. */
static void no_backticks(void **state)
{
    char *iptables = rules(IPTABLES, "hooks = { forward, input, bridge } tag outside { ban-after = 1 }");
    char *documents = strstr(iptables, "<<EOF");

    (void)state;
    assert_non_null(documents);
    assert_null(strchr(documents, '`'));
    free(iptables);
}

static void removal(void **state)
{
    char *out = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&out, &len);

    (void)state;
    ruleset_remove_nft(false, f);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(count(out, "table inet rcptwall"), 2);
    assert_int_equal(count(out, "delete table inet rcptwall"), 1);
    free(out);

    f = open_memstream(&out, &len);
    ruleset_remove_iptables(f);
    assert_int_equal(fclose(f), 0);
    char *all = rules(IPTABLES, "");
    for (const char *at = strstr(all, "\n:RCPTWALL-"); at != NULL; at = strstr(at + 1, "\n:RCPTWALL-")) {
        char flush[64], delete[64];
        int name = (int)strcspn(at + 2, " ");
        snprintf(flush, sizeof(flush), " %.*s -F", name, at + 2);
        snprintf(delete, sizeof(delete), " %.*s -X", name, at + 2);
        assert_int_equal(count(out, flush), 1);
        assert_int_equal(count(out, delete), 1);
    }
    assert_int_equal(count(out, "jump \"$program\""), 10);
    assert_int_equal(count(all, " 1 -j RCPTWALL-"), 8);
    assert_int_equal(count(all, "-I FORWARD 1 -j") + count(all, "-I POSTROUTING 1 -j"), 8);
    free(all);
    free(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_foreign_bits),
        cmocka_unit_test(bypass_only_when_open),
        cmocka_unit_test(queues),
        cmocka_unit_test(servers_and_families),
        cmocka_unit_test(bare_acks),
        cmocka_unit_test(order),
        cmocka_unit_test(nested_networks),
        cmocka_unit_test(plan_agrees_with_policy),
        cmocka_unit_test(loads_without_gap),
        cmocka_unit_test(removal),
        cmocka_unit_test(hooks),
        cmocka_unit_test(bans),
        cmocka_unit_test(no_backticks),
    };

    return cmocka_run_group_tests_name("ruleset", tests, NULL, NULL);
}
