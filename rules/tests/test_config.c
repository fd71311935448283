/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The configuration: what each key does, every error with its line, and the sample file. */
#include "rules/config.h"

#include "kmod-free/stream.h"
#include "kmod-free/tests/support.h"
#include "rules/config_parts.h"
#include "rules/config_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include <cmocka.h>

#define SAMPLE "rules/rcptwall.conf"

static bool read_bytes(struct config *c, struct bytes text, char *error, size_t room)
{
    struct bytes copy = guard_copy(text);
    bool good = config_read_text(c, "dir/test.conf", (char *)(uintptr_t)copy.at, copy.len, error, room);

    guard_free(copy);
    return good;
}

static void read_good(struct config *c, const char *text)
{
    char error[512] = "";

    if (!read_bytes(c, bytes_str(text), error, sizeof(error)))
        fail_msg("refused: %s", error);
    assert_string_equal(error, "");
}

/* expected is all of the message. */
static void refused(const char *text, const char *expected)
{
    struct config c;
    char error[512] = "";

    if (read_bytes(&c, bytes_str(text), error, sizeof(error)))
        fail_msg("accepted: %s", text);
    assert_string_equal(error, expected);
    assert_null(c.policy);
    config_free(&c);
}

static void same_settings(const struct config *a, const struct config *b)
{
    assert_int_equal(a->policy->enforce, b->policy->enforce);
    assert_int_equal(a->policy->outside, b->policy->outside);
    assert_memory_equal(a->policy->tags, b->policy->tags, sizeof(a->policy->tags));
    assert_int_equal(a->on_failure, b->on_failure);
    assert_int_equal(a->queue_first, b->queue_first);
    assert_int_equal(a->queue_last, b->queue_last);
    assert_int_equal(a->queue_maxlen, b->queue_maxlen);
    assert_memory_equal(&a->marks, &b->marks, sizeof(a->marks));
    assert_int_equal(a->engine.max_flows, b->engine.max_flows);
    assert_int_equal(a->engine.stream_blocks, b->engine.stream_blocks);
    assert_int_equal(a->engine.stream_block_limit, b->engine.stream_block_limit);
    assert_int_equal(a->engine.smtp.line_max, b->engine.smtp.line_max);
    assert_int_equal(a->engine.idle_ns, b->engine.idle_ns);
    assert_int_equal(a->engine.handshake_ns, b->engine.handshake_ns);
    assert_int_equal(a->engine.closed_ns, b->engine.closed_ns);
    assert_int_equal(a->engine.port_count, b->engine.port_count);
    assert_memory_equal(a->engine.ports, b->engine.ports, sizeof(a->engine.ports));
    assert_int_equal(a->syslog_facility, b->syslog_facility);
    assert_int_equal(a->syslog_level, b->syslog_level);
    assert_int_equal(a->alert_interval_ns, b->alert_interval_ns);
    assert_int_equal(a->log_rcpt, b->log_rcpt);
}

static void defaults(void **state)
{
    struct config c, read;

    (void)state;
    assert_true(config_defaults(&c));
    assert_false(c.policy->enforce);
    assert_int_equal(c.on_failure, FAIL_OPEN);
    assert_int_equal(c.queue_first, 0);
    assert_int_equal(c.queue_last, 0);
    assert_int_equal(c.marks.mask, 0x07f00000);
    assert_int_equal(c.engine.port_count, 1);
    assert_int_equal(c.engine.ports[0], 25);
    assert_int_equal(c.syslog_facility, LOG_MAIL);
    assert_int_equal(c.syslog_level, LOG_WARNING);
    assert_null(c.event_file);
    assert_null(c.user);
    assert_int_equal(c.server_count, 0);
    assert_int_equal(domain_set_size(c.policy->local), 0);
    read_good(&read, "");
    same_settings(&c, &read);
    config_free(&read);
    read_good(&read, "# nothing\n\n");
    same_settings(&c, &read);
    config_free(&read);
    config_free(&c);
    config_free(&c); /* harmless */
}

static void everything(void **state)
{
    struct config c;
    char error[256];

    (void)state;
    read_good(&c, "mode = enforce\n"
                  "queues = '2:5'\n"
                  "queue-length = 100\n"
                  "mark-mask = 0x7f\n"
                  "local-domains = { local.example, # a comment inside a list\n"
                  "   \".other.example\" }\n"
                  "local-domains += { third.example }\n"
                  "own-addresses = { 192.0.2.25, '2001:db8::25 192.0.2.26' }\n"
                  "servers = \"192.0.2.25, 2001:db8:2::/64\"\n"
                  "ports = { 25, 587, '2525' }\n"
                  "event-file = /var/log/x.json\n"
                  "log-rcpt = yes\n"
                  "user = nobody\n"
                  "limits {\n flows = 1000 memory = 8M stream-memory = 128k line-length = 2k\n"
                  " idle-timeout = 1h handshake-timeout = 5s closed-timeout = 2min }\n"
                  "syslog { facility = local3\n level = notice\n interval = 0\n }\n");
    assert_true(c.policy->enforce);
    assert_int_equal(c.on_failure, FAIL_CLOSED); /* the default of enforce */
    assert_int_equal(c.queue_first, 2);
    assert_int_equal(c.queue_last, 5);
    assert_int_equal(c.queue_maxlen, 100);
    assert_int_equal(c.marks.condemned, 0x20);
    assert_int_equal(domain_set_size(c.policy->local), 3 + 3);
    assert_int_equal(c.server_count, 2);
    assert_int_equal(c.servers[0].addr.family, 4);
    assert_int_equal(c.servers[0].prefix, 32);
    assert_int_equal(c.servers[1].addr.family, 6);
    assert_int_equal(c.servers[1].prefix, 64);
    assert_int_equal(c.engine.port_count, 3);
    assert_int_equal(c.engine.ports[0], 25);
    assert_int_equal(c.engine.ports[2], 2525);
    assert_string_equal(c.event_file, "/var/log/x.json");
    assert_true(c.log_rcpt);
    assert_string_equal(c.user, "nobody");
    assert_int_equal(c.engine.max_flows, 1000);
    assert_int_equal(c.engine.stream_blocks, (8 << 20) / STREAM_BLOCK);
    assert_int_equal(c.engine.stream_block_limit, (128 << 10) / STREAM_BLOCK);
    assert_int_equal(c.engine.smtp.line_max, 2048);
    assert_true(c.engine.idle_ns == 3600 * NS_PER_S);
    assert_true(c.engine.handshake_ns == 5 * NS_PER_S);
    assert_true(c.engine.closed_ns == 120 * NS_PER_S);
    assert_int_equal(c.syslog_facility, LOG_LOCAL3);
    assert_int_equal(c.syslog_level, LOG_NOTICE);
    assert_int_equal(c.alert_interval_ns, 0);
    assert_true(config_seal(&c, error, sizeof(error)));
    config_free(&c);
}

static void on_failure(void **state)
{
    static const struct {
        const char *text;
        enum on_failure expected;
    } cases[] = {
        {"mode = monitor", FAIL_OPEN},
        {"mode = enforce", FAIL_CLOSED},
        {"mode = enforce on-failure = open", FAIL_OPEN},
        {"on-failure = closed mode = monitor", FAIL_CLOSED},
        {"on-failure = open mode = enforce", FAIL_OPEN},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct config c;
        read_good(&c, cases[i].text);
        assert_int_equal(c.on_failure, cases[i].expected);
        config_free(&c);
    }
}

static void tags(void **state)
{
    struct config c, plain;

    (void)state;
    assert_true(config_defaults(&plain));
    read_good(&c, "networks {\n partner = { 198.51.100.0/24 }\n outside = 198.51.100.7\n vpn = { } }\n"
                  "tag partner {\n value = 3\n external-rcpt = alert\n}\n"
                  "tag outside { midstream = pass\n starttls = reset\n rcpt-limit = 50\n smuggling = drop }\n"
                  "tag vpn { value = 15 authenticated = exempt desync = accept }\n"
                  "networks {\n inside = '10.0.0.0/8 2001:db8::/32' }\n");
    const struct policy_tag *t = c.policy->tags;
    assert_int_equal(c.policy->outside, 1);
    assert_string_equal(t[1].name, "outside");
    assert_int_equal(t[1].on[REASON_MIDSTREAM], ACTION_ACCEPT);
    assert_int_equal(t[1].on[REASON_STARTTLS], ACTION_RESET);
    assert_int_equal(t[1].on[REASON_SMUGGLING], ACTION_DROP);
    assert_int_equal(t[1].rcpt_limit, 50);
    assert_memory_equal(&t[2], &plain.policy->tags[2], sizeof(t[2]));
    assert_string_equal(t[3].name, "partner");
    assert_int_equal(t[3].on[REASON_EXTERNAL_RCPT], ACTION_ALERT);
    /* The rest of a new tag is outside's built-in one, not what the file makes of outside. */
    assert_int_equal(t[3].on[REASON_SMUGGLING], ACTION_RESET);
    assert_int_equal(t[3].on[REASON_MIDSTREAM], ACTION_RESET);
    assert_int_equal(t[3].rcpt_limit, 0);
    assert_string_equal(t[15].name, "vpn");
    assert_true(t[15].exempt_authenticated);
    assert_false(t[3].exempt_authenticated);
    assert_int_equal(t[15].on[REASON_DESYNC], ACTION_ACCEPT);
    assert_string_equal(t[4].name, "");

    assert_int_equal(c.policy->network_count, 4);
    struct endpoint e = support_endpoint("198.51.100.8", 1);
    assert_int_equal(policy_tag_for(c.policy, 0, &e.addr), 3);
    e = support_endpoint("198.51.100.7", 1);
    assert_int_equal(policy_tag_for(c.policy, 0, &e.addr), 1);
    e = support_endpoint("2001:db8::1", 1);
    assert_int_equal(policy_tag_for(c.policy, 0, &e.addr), 2);
    config_free(&c);
    config_free(&plain);
}

static void tags_change_values(void **state)
{
    struct config c;

    (void)state;
    read_good(&c, "tag inside { value = 1 }\ntag outside { value = 2 }\ntag third { value = 3 }\n");
    assert_int_equal(c.policy->outside, 2);
    assert_string_equal(c.policy->tags[1].name, "inside");
    assert_int_equal(c.policy->tags[1].on[REASON_EXTERNAL_RCPT], ACTION_ACCEPT);
    assert_string_equal(c.policy->tags[2].name, "outside");
    assert_int_equal(c.policy->tags[2].on[REASON_EXTERNAL_RCPT], ACTION_RESET);
    assert_int_equal(c.policy->tags[3].on[REASON_EXTERNAL_RCPT], ACTION_RESET);
    config_free(&c);
    read_good(&c, "tag outside { value = 9 }");
    assert_int_equal(c.policy->outside, 9);
    assert_string_equal(c.policy->tags[1].name, "");
    config_free(&c);
}

/* As many as there can be: the keys of networks are learnt one after the other. */
static void fifteen_tags(void **state)
{
    char text[2048] = "networks {\n";
    size_t used = strlen(text);
    struct config c;

    (void)state;
    for (int i = 3; i <= TAGS_MAX; i++)
        used += (size_t)snprintf(text + used, sizeof(text) - used, " t%d = 10.%d.0.0/16\n", i, i);
    used += (size_t)snprintf(text + used, sizeof(text) - used, " inside = 10.2.0.0/16 outside = 10.1.0.0/16 }\n");
    size_t networks = used;
    for (int i = 3; i <= TAGS_MAX; i++)
        used += (size_t)snprintf(text + used, sizeof(text) - used, "tag t%d { value = %d }\n", i, i);
    read_good(&c, text);
    assert_int_equal(c.policy->network_count, TAGS_MAX);
    config_free(&c);

    snprintf(text + networks, sizeof(text) - networks, "networks {\n one-more = 10.16.0.0/16 }\n");
    refused(text, "dir/test.conf: networks: 'one-more': there can't be more than 15 tags");
    snprintf(text + used, sizeof(text) - used, "tag one-more { value = 1 }\n");
}

static void errors(void **state)
{
    static const struct {
        const char *text, *message; /* behind "dir/test.conf:" */
    } cases[] = {
        /* keys and grammar */
        {"# c\n\nmoode = monitor", "3: unknown key 'moode'"},
        {"limits {\n # c\n flow = 1 }", "3: limits: unknown key 'flow'"},
        {"tag outside {\n\n\n dnsbl = reset }", "4: tag outside: unknown key 'dnsbl'"},
        {"dnsbl zen.example {\n}", "1: unknown key 'dnsbl'"},
        {"control-socket = /run/x", "1: unknown key 'control-socket'"},
        {"include(\"other\")", "1: unknown key 'include'"},
        {"mode = monitor\nmode = enforce", "2: 'mode' was set on line 1 already"},
        {"ports = { 25 }\n\nports = { 26 }", "3: 'ports' was set on line 1 already (more of a list is added with +=)"},
        {"limits { flows = 100\n}\nlimits {\n flows = 200 }", "4: 'flows' was set on line 1 already"},
        {"ports = 25\nports = {}", "1: what is set here is set again further down"},
        {"mode monitor", "1: missing equal sign after option 'mode'"},
        {"mode += monitor", "1: attempt to append to non-list option 'mode'"},
        {"mode = { monitor }", "1: unexpected token '{'"},
        {"mode =\n", "2: premature end of file"},
        {"\nlimits {\n\n", "2: this '{' has no '}'"},
        {"limits {\nflows = 100\ntag outside { }\n", "1: this '{' has no '}'"},
        {"ports = { 25,\n", "1: this '{' has no '}'"},
        {"\n}", "2: unexpected closing brace"},
        {"tag { }", "1: missing title for section 'tag'"},
        {"limits 5", "1: missing opening brace for section 'limits'"},
        {"mode = 'monitor\n'", "1: a quoted text doesn't end on its line"},
        {"\n\nmode = *", "3: '*', '|' and '+' must stand in quotes"},
        {"\x1b[31m = 1", "1: a control character"},
        /* words */
        {"\nmode = on", "2: mode: 'on' is not one of: monitor, enforce"},
        {"on-failure = yes", "1: on-failure: 'yes' is not one of: closed, open"},
        {"log-rcpt = maybe", "1: log-rcpt: 'maybe' is not yes or no"},
        {"syslog {\n facility = post\n}", "2: syslog: facility: 'post' is not one of: auth, authpriv, daemon, mail, "
                                          "news, syslog, user, local0, local1, local2, local3, local4, local5, local6, "
                                          "local7"},
        {"syslog { level = 4 }", "1: syslog: level: '4' is not one of: emerg, alert, crit, err, warning, notice, info, "
                                 "debug"},
        {"tag outside {\n external-rcpt = refuse }",
         "2: tag outside: external-rcpt: 'refuse' is not one of: accept, alert, reset, drop"},
        {"tag outside { midstream = drop }", "1: tag outside: midstream: 'drop' is not one of: reset, pass"},
        {"tag outside { starttls = drop }", "1: tag outside: starttls: 'drop' is not one of: allow, alert, reset"},
        {"tag outside { authenticated = yes }", "1: tag outside: authenticated: 'yes' is not one of: judge, exempt"},
        /* numbers and units */
        {"queues = one", "1: queues: 'one' is not a queue (0) or a range of queues (0:3)"},
        {"queues = 0:70000", "1: queues: '0:70000' is not a queue (0) or a range of queues (0:3)"},
        {"\nqueues = \"3:1\"", "2: queues: '3:1' is the wrong way round: the first number is larger than the second"},
        {"queue-length = 1k", "1: queue-length: '1k' is not a number"},
        {"queue-length = 15", "1: queue-length: '15' is out of range (16 to 1048576)"},
        {"mark-mask = 7f", "1: mark-mask: '7f' is not a 32-bit number in hexadecimal, such as 0x07f00000"},
        {"mark-mask = 0xff", "1: mark-mask: 0xff is not seven adjacent bits, such as 0x07f00000"},
        {"mark-mask = 0", "1: mark-mask: '0' is not a 32-bit number in hexadecimal, such as 0x07f00000"},
        {"limits { flows = 64k }", "1: limits: flows: '64k' is not a number"},
        {"limits { flows = 0 }", "1: limits: flows: '0' is out of range (16 to 4194304)"},
        {"limits { memory = 64 }", "1: limits: memory: '64' is out of range (1024k to 67108864k)"},
        {"limits { memory = 64MB }", "1: limits: memory: '64MB' is not a size such as 4096, 64k, 16M, 1G"},
        {"limits {\n\n line-length = 1M }", "3: limits: line-length: '1M' is out of range (1k to 64k)"},
        {"limits { idle-timeout = 300 }",
         "1: limits: idle-timeout: '300' is not a duration such as 500ms, 60s, 5min, 2h, 1d"},
        {"limits { idle-timeout = 1s }", "1: limits: idle-timeout: '1s' is out of range (10s to 2592000s)"},
        {"limits { closed-timeout = 31d }", "1: limits: closed-timeout: '31d' is out of range (1s to 2592000s)"},
        {"syslog { interval = 2d }", "1: syslog: interval: '2d' is out of range (0s to 86400s)"},
        {"limits {\n memory = 1M\n stream-memory = 2M }", "3: limits: stream-memory is larger than memory"},
        {"limits { memory = 1M\n}", ""}, /* as much as the default of stream-memory */
        {"limits {\n line-length = 64k\n stream-memory = 100k }",
         "3: limits: stream-memory holds less than two lines of line-length"},
        /* tags */
        {"tag partner {\n external-rcpt = alert\n}", "3: tag partner: has no value (1 to 15)"},
        {"tag partner { value = 16 }", "1: tag partner: value: '16' is not a number from 1 to 15"},
        {"tag partner { value = 0 }", "1: tag partner: value: '0' is not a number from 1 to 15"},
        {"tag partner { value = three }", "1: tag partner: value: 'three' is not a number from 1 to 15"},
        {"tag partner {\n value = 2 }", "2: tag partner: value 2 is the value of tag inside"},
        {"tag a { value = 3 }\ntag b {\n value = 3 }", "3: tag b: value 3 is the value of tag a"},
        {"tag a { value = 3 }\ntag a { value = 4 }", "2: tag 'a' is there twice"},
        {"tag outside { value = 2 }", "1: tag outside: value 2 is the value of tag inside"},
        {"tag Partner { value = 3 }",
         "1: tag 'Partner': a name is 1 to 31 of a-z 0-9 _ and -, and begins with a letter"},
        {"tag '' { value = 3 }", "1: tag '': a name is 1 to 31 of a-z 0-9 _ and -, and begins with a letter"},
        {"tag a23456789012345678901234567890123 { value = 3 }",
         "1: tag 'a23456789012345678901234567890123': a name is 1 to 31 of a-z 0-9 _ and -, and begins with a letter"},
        {"tag outside { value = 1\nvalue = 3 }", "2: 'value' was set on line 1 already"},
        /* networks and addresses */
        {"networks {\n inside = 10.0.0.0/8\n partner = { 192.0.2.1,\n 192.0.2.2 }\n}",
         "3: networks: there is no tag 'partner'"},
        {"networks { partner = {} }", " networks: there is no tag 'partner'"},
        {"networks {\n inside = { 10.0.0.0/8,\n 10.0.0.0/33 } }",
         "3: networks: '10.0.0.0/33' is not an address or a network such as 192.0.2.0/24 or 2001:db8::/32"},
        {"networks { inside = host.example }",
         "1: networks: 'host.example' is not an address or a network such as 192.0.2.0/24 or 2001:db8::/32"},
        {"networks { inside = 10.1.0.0/8 }", "1: networks: '10.1.0.0/8' has bits set behind its prefix of /8"},
        {"networks { inside = 2001:db8::1/64 }", "1: networks: '2001:db8::1/64' has bits set behind its prefix of /64"},
        {"networks {\n inside = 10.0.0.0/8\n outside = '192.0.2.1 10.0.0.0/8' }",
         "3: networks: 10.0.0.0/8 is tagged inside already"},
        {"networks { inside = { 10.0.0.1, 10.0.0.1/32 } }", "1: networks: 10.0.0.1/32 is there twice"},
        {"networks { inside = '' }", "1: networks: an empty value"},
        {"networks { inside = {' , '} }", "1: networks: an empty value"},
        {"servers = { 192.0.2.1, 192.0.2.1 }", "1: servers: 192.0.2.1 is there twice"},
        {"servers = mail.example",
         "1: 'mail.example' is not an address or a network such as 192.0.2.0/24 or 2001:db8::/32"},
        {"own-addresses = 192.0.2.0/24", "1: own-addresses: '192.0.2.0/24' is a network, not an address"},
        {"own-addresses = {\n 192.0.2.1,\n x }",
         "3: 'x' is not an address or a network such as 192.0.2.0/24 or 2001:db8::/32"},
        {"ports = { 25,\n 0 }", "2: ports: '0' is not a port (1 to 65535)"},
        {"ports = 65536", "1: ports: '65536' is not a port (1 to 65535)"},
        {"ports = smtp", "1: ports: 'smtp' is not a port (1 to 65535)"},
        {"ports = '25 587 25'", "1: ports: 25 is there twice"},
        {"ports = '1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16'", "1: ports: more than 15"},
        /* texts */
        {"event-file = events.json", "1: event-file: 'events.json' is not an absolute path"},
        {"event-file = ''", "1: event-file: '' is not an absolute path"},
        {"user = ''", "1: user: empty"},
        {"local-domains-file = ''", "1: local-domains-file: empty"},
        {"\nlocal-domains-file = nothing-there", "2: local-domains-file: dir/nothing-there: No such file or directory"},
        {"local-domains-file = /etc", "1: local-domains-file: /etc: is a directory"},
        {"local-domains-file = /dev/zero", "1: local-domains-file: /dev/zero: is not a regular file"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char expected[512];
        struct config c;
        if (*cases[i].message == '\0') {
            read_good(&c, cases[i].text);
            config_free(&c);
            continue;
        }
        snprintf(expected, sizeof(expected), "dir/test.conf:%s", cases[i].message);
        refused(cases[i].text, expected);
    }
}

/* What domain_set says of an entry belongs to it; the line is ours. */
static void wrong_domains(void **state)
{
    struct config c;
    char error[512];

    (void)state;
    assert_false(
        read_bytes(&c, bytes_str("local-domains = {\n good.example,\n 'user@bad.example' }"), error, sizeof(error)));
    assert_non_null(strstr(error, "dir/test.conf:3: 'user@bad.example': "));
    assert_false(read_bytes(&c, bytes_str("local-domains = ''"), error, sizeof(error)));
    assert_non_null(strstr(error, "dir/test.conf:1: '': "));
}

static void long_values(void **state)
{
    static char text[20000];
    struct config c;
    char error[64];

    (void)state;
    memset(text, 'a', sizeof(text) - 1);
    memcpy(text, "\nuser = ", 8);
    refused(text, "dir/test.conf:2: the value of 'user' is too long");
    memcpy(text, "\nxxxx_x_", 8);
    assert_false(read_bytes(&c, bytes_str(text), error, sizeof(error)));
    assert_int_equal(strlen(error), sizeof(error) - 1); /* cut, not overrun */
    memset(text, ' ', sizeof(text) - 1);
    memcpy(text, "servers = \"", 11);
    memset(text + 11, '1', 200);
    text[211] = '"';
    assert_false(read_bytes(&c, bytes_str(text), error, sizeof(error)));
    assert_non_null(strstr(error, "dir/test.conf:1: '1111"));
    assert_false(read_bytes(&c, bytes_str(text), error, 1));
    assert_string_equal(error, "");
}

/* Values come into messages: nothing of them reaches a terminal as a control character. */
static void messages_are_harmless(void **state)
{
    struct config_reader r;
    char error[64];

    (void)state;
    r = (struct config_reader){.path = "x", .section = "", .error = error, .room = sizeof(error)};
    assert_false(config_fail(&r, 1, "a\x1b[31m\nb\x7f"));
    assert_string_equal(error, "x:1: a?[31m?b?");
    assert_false(config_fail(&r, 2, "later"));
    assert_string_equal(error, "x:1: a?[31m?b?");
}

struct folder {
    char dir[32], conf[64], domains[64];
};

static void folder_make(struct folder *f)
{
    snprintf(f->dir, sizeof(f->dir), "/tmp/rcptwall-test-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->conf, sizeof(f->conf), "%s/a.conf", f->dir);
    snprintf(f->domains, sizeof(f->domains), "%s/domains", f->dir);
}

static void folder_remove(struct folder *f)
{
    unlink(f->conf);
    unlink(f->domains);
    rmdir(f->dir);
}

static void write_file(const char *path, struct bytes text)
{
    FILE *out = fopen(path, "w");

    assert_non_null(out);
    assert_int_equal(fwrite(text.at, 1, text.len, out), text.len);
    assert_int_equal(fclose(out), 0);
}

static void domain_files(void **state)
{
    struct folder f = {0};
    struct config c;
    char error[512], expected[512];
    static const char nul[] = "a.example\nb\0c\n";

    (void)state;
    folder_make(&f);
    write_file(f.conf, bytes_str("local-domains-file = domains\nlocal-domains = z.example\n"));
    write_file(f.domains, bytes_str("# all of them\n\n a.example # one\r\n.b.example\n\tc.example"));
    assert_true(config_read(&c, f.conf, error, sizeof(error)));
    assert_int_equal(domain_set_size(c.policy->local), 4);
    config_free(&c);

    write_file(f.domains, bytes_str("a.example\n# c\nb.example c.example\n"));
    assert_false(config_read(&c, f.conf, error, sizeof(error)));
    snprintf(expected, sizeof(expected), "%s:3: more than one domain on a line", f.domains);
    assert_string_equal(error, expected);

    write_file(f.domains, bytes_of(nul, sizeof(nul) - 1));
    assert_false(config_read(&c, f.conf, error, sizeof(error)));
    snprintf(expected, sizeof(expected), "%s:2: a NUL byte", f.domains);
    assert_string_equal(error, expected);

    write_file(f.domains, bytes_str("a.example\nuser@b.example"));
    assert_false(config_read(&c, f.conf, error, sizeof(error)));
    snprintf(expected, sizeof(expected), "%s:2: 'user@b.example': ", f.domains);
    assert_non_null(strstr(error, expected));
    write_file(f.domains, bytes_str(""));
    assert_true(config_read(&c, f.conf, error, sizeof(error)));
    config_free(&c);
    folder_remove(&f);
}

static void files(void **state)
{
    struct folder f = {0};
    struct config c;
    char error[512], expected[512];

    (void)state;
    folder_make(&f);
    assert_false(config_read(&c, f.conf, error, sizeof(error)));
    snprintf(expected, sizeof(expected), "%s: No such file or directory", f.conf);
    assert_string_equal(error, expected);
    config_free(&c);
    assert_false(config_read(&c, f.dir, error, sizeof(error)));
    snprintf(expected, sizeof(expected), "%s: is a directory", f.dir);
    assert_string_equal(error, expected);

    FILE *out = fopen(f.conf, "w");
    assert_non_null(out);
    for (size_t i = 0; i <= CONFIG_TEXT_MAX / 64; i++)
        fprintf(out, "%63s\n", "#");
    fclose(out);
    assert_false(config_read(&c, f.conf, error, sizeof(error)));
    snprintf(expected, sizeof(expected), "%s: is too large", f.conf);
    assert_string_equal(error, expected);
    write_file(f.conf, bytes_of("mode = enforce\n\0", 16));
    assert_false(config_read(&c, f.conf, error, sizeof(error)));
    snprintf(expected, sizeof(expected), "%s:2: a NUL byte", f.conf);
    assert_string_equal(error, expected);
    folder_remove(&f);
}

/* ---- the sample ---------------------------------------------------------------- */

static struct bytes load_sample(char **to_free)
{
    size_t len = 0;
    const char *why = "";

    *to_free = config_load(SAMPLE, SOURCE_FILE, CONFIG_TEXT_MAX, &len, &why);
    if (*to_free == NULL)
        fail_msg(SAMPLE ": %s (tests run in the project's root)", why);
    return bytes_of(*to_free, len);
}

/* Is this, behind the #, a line of configuration and not of prose? */
static bool looks_like_config(const char *at)
{
    at += strspn(at, " ");
    if (strncmp(at, "tag ", 4) == 0 || *at == '}')
        return true;
    size_t key = strspn(at, "abcdefghijklmnopqrstuvwxyz-");
    return key > 0 && strncmp(at + key, " = ", 3) == 0;
}

/* Takes the # from every line that is a key. */
static void uncomment(char *text)
{
    for (char *line = text; line != NULL && *line != '\0'; line = strchr(line, '\n')) {
        line += *line == '\n' ? 1 : 0;
        char *at = line + strspn(line, " ");
        if (*at == '#' && looks_like_config(at + 1))
            *at = ' ';
    }
}

static void the_sample_as_it_is(void **state)
{
    struct config defaults_, c;
    char error[512], *text;
    struct bytes sample = load_sample(&text);

    (void)state;
    assert_true(config_defaults(&defaults_));
    if (!read_bytes(&c, sample, error, sizeof(error)))
        fail_msg("%s", error);
    same_settings(&defaults_, &c);
    assert_int_equal(c.policy->network_count, 0);
    config_free(&c);
    config_free(&defaults_);
    free(text);
}

/* Every key of the parser is in the sample; an unknown one in the sample wouldn't parse. */
static void the_sample_is_complete(void **state)
{
    char error[512] = "", *text;
    struct bytes sample = load_sample(&text);
    struct config_reader r = {.path = SAMPLE, .section = "", .error = error, .room = sizeof(error)};
    int line, keys = 0;

    (void)state;
    uncomment(text);
    assert_null(config_text_tidy(text, sample.len, &line));
    cfg_t *root = config_tree_read(&r, text, sample.len);
    if (root == NULL)
        fail_msg("%s", error);
    for (const struct config_section *s = config_sections; s->name != NULL; s++) {
        cfg_t *section = *s->name == '\0' ? root
                         : s->titled      ? cfg_gettsec(root, s->name, "outside")
                                          : cfg_getsec(root, s->name);
        assert_non_null(section);
        for (const struct config_key *key = s->keys; key->name != NULL; key++) {
            keys++;
            if (config_tree_count(section, key->name) == 0)
                fail_msg(SAMPLE " doesn't have %s%s%s", s->name, *s->name != '\0' ? "." : "", key->name);
        }
    }
    assert_true(keys > 30);
    cfg_free(root);
    free(text);
}

/* What the sample calls a default is one. */
static void the_sample_tells_the_defaults(void **state)
{
    struct config c, plain;
    char error[512], *text;
    struct bytes sample = load_sample(&text);

    (void)state;
    uncomment(text);
    char *file = strstr(text, "local-domains-file"); /* it needn't be there */
    assert_non_null(file);
    file[-1] = '#';
    if (!read_bytes(&c, sample, error, sizeof(error)))
        fail_msg("%s", error);
    assert_string_equal(c.policy->tags[3].name, "partner");
    assert_int_equal(c.policy->tags[3].on[REASON_EXTERNAL_RCPT], ACTION_ALERT);
    assert_int_equal(c.policy->network_count, 4);
    assert_int_equal(domain_set_size(c.policy->local), 4);
    assert_non_null(c.event_file);
    assert_non_null(c.user);
    c.policy->tags[3] = (struct policy_tag){0};
    assert_true(config_defaults(&plain));
    same_settings(&plain, &c);
    config_free(&c);
    config_free(&plain);
    free(text);
}

/* A cut sample is read or refused with a line; and nothing is ever printed. */
static void truncations(void **state)
{
    char error[512], *text, out[] = "/tmp/rcptwall-test-XXXXXX";
    struct bytes sample = load_sample(&text);
    size_t good = 0, refused_ = 0;
    struct stat st;

    (void)state;
    uncomment(text);
    char *file = strstr(text, "local-domains-file");
    file[-1] = '#';
    int quiet = mkstemp(out), err = dup(STDERR_FILENO);
    assert_true(quiet >= 0 && err >= 0);
    assert_true(dup2(quiet, STDERR_FILENO) >= 0);
    for (size_t len = 0; len <= sample.len; len++) {
        struct config c;
        if (read_bytes(&c, bytes_first(sample, len), error, sizeof(error)))
            good++;
        else if (strncmp(error, "dir/test.conf:", 14) == 0)
            refused_++;
        config_free(&c);
    }
    assert_true(dup2(err, STDERR_FILENO) >= 0);
    assert_int_equal(good + refused_, sample.len + 1);
    assert_true(good > 100 && refused_ > 100);
    assert_int_equal(fstat(quiet, &st), 0);
    assert_int_equal(st.st_size, 0);
    close(quiet);
    close(err);
    unlink(out);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults),
        cmocka_unit_test(everything),
        cmocka_unit_test(on_failure),
        cmocka_unit_test(tags),
        cmocka_unit_test(tags_change_values),
        cmocka_unit_test(fifteen_tags),
        cmocka_unit_test(errors),
        cmocka_unit_test(wrong_domains),
        cmocka_unit_test(long_values),
        cmocka_unit_test(messages_are_harmless),
        cmocka_unit_test(domain_files),
        cmocka_unit_test(files),
        cmocka_unit_test(the_sample_as_it_is),
        cmocka_unit_test(the_sample_is_complete),
        cmocka_unit_test(the_sample_tells_the_defaults),
        cmocka_unit_test(truncations),
    };

    return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
