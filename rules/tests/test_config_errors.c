/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Every error of the configuration, with its line. */
#include "rules/tests/config_support.h"

#include "rules/config_parts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

struct refusal {
    const char *text, *message; /* behind "dir/test.conf:"; "": it is a good one */
};

static void each_refused(const struct refusal *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
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

#define EACH_REFUSED(cases) each_refused(cases, sizeof(cases) / sizeof((cases)[0]))

static const struct refusal of_grammar[] = {
    {"# c\n\nmoode = monitor", "3: unknown key 'moode'"},
    {"limits {\n # c\n flow = 1 }", "3: limits: unknown key 'flow'"},
    {"control-socket = run/x", "1: control-socket: 'run/x' is not an absolute path"},
    {"control-group = \"\"", "1: control-group: empty"},
    {"tag outside {\n\n\n frobnicate = reset }", "4: tag outside: unknown key 'frobnicate'"},
    {"frobnicate zen.example {\n}", "1: unknown key 'frobnicate'"},
    {"include(\"other\")", "1: unknown key 'include'"},
    {"mode = monitor\nmode = enforce", "2: 'mode' was set on line 1 already"},
    {"ports = { 25 }\n\nports = { 26 }", "3: 'ports' was set on line 1 already (more of a list is added with +=)"},
    {"limits { flows = 100\n}\nlimits {\n flows = 200 }", "4: 'flows' was set on line 1 already"},
    {"ports = 25\nports = {}", "1: what is set here is set again further down"},
    {"ports = {}", "1: ports: an empty list: no port would be looked at"},
    {"mode = monitor\nports\n = # none\n {\n }\n\nservers = { }", "2: ports: an empty list: no port would be looked at"},
    {"\nports += { }", "2: ports: an empty list: no port would be looked at"},
    {"ports = {}\nports += { 25 }", ""},
    {"user = 'hooks = { }'\nhooks = { }", "2: hooks: an empty list: no packet would be looked at"},
    {"dnsbl a.example { codes = 127.0.0.2\n}\ndnsbl b.example {\ncodes = { }\n}\ndnsbl c.example { codes = 127.0.0.2 }",
     "4: dnsbl b.example: codes: an empty list: nothing would be a listing"},
    {"servers = { }\nlocal-domains = { }\nown-addresses = { }\nnetworks { inside = { } }\ndns { exempt = { } }", ""},
    {"mode monitor", "1: missing equal sign after option 'mode'"},
    {"mode += monitor", "1: attempt to append to non-list option 'mode'"},
    {"mode = { monitor }", "1: unexpected token '{'"},
    {"\nports = 25, 587", "2: unexpected token ',' (a list is written { a, b })"},
    {"networks { inside = { 192.0.2.0/24 2001:db8::/32 } }",
     "1: networks: unexpected token '2001:db8::/32' (a list is written { a, b })"},
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
};

static void wrong_grammar(void **state)
{
    (void)state;
    EACH_REFUSED(of_grammar);
}

static const struct refusal of_words[] = {
    {"\nmode = on", "2: mode: 'on' is not one of: monitor, enforce"},
    {"on-failure = yes", "1: on-failure: 'yes' is not one of: closed, open"},
    {"log-rcpt = maybe", "1: log-rcpt: 'maybe' is not yes or no"},
    {"syslog {\n facility = post\n}", "2: syslog: facility: 'post' is not one of: auth, authpriv, daemon, mail, "
                                      "news, syslog, user, local0, local1, local2, local3, local4, local5, local6, "
                                      "local7"},
    {"syslog { level = 4 }", "1: syslog: level: '4' is not one of: emerg, alert, crit, err, warning, notice, info, "
                             "debug"},
    {"tag outside {\n smuggling = refuse }",
     "2: tag outside: smuggling: 'refuse' is not one of: accept, alert, reset, drop, ban"},
    {"tag outside { midstream = drop }", "1: tag outside: midstream: 'drop' is not one of: reset, pass"},
    {"tag outside { starttls = drop }", "1: tag outside: starttls: 'drop' is not one of: allow, alert, reset"},
    {"tag outside { authenticated = yes }", "1: tag outside: authenticated: 'yes' is not one of: judge, exempt"},
};

static void wrong_words(void **state)
{
    (void)state;
    EACH_REFUSED(of_words);
}

static const struct refusal of_numbers[] = {
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
    {"limits {\n memory = 4M\n stream-memory = 5M }", "3: limits: stream-memory is larger than memory"},
    {"limits { memory = 4M\n}", ""}, /* as much as the default of stream-memory */
    {"limits {\n line-length = 64k\n stream-memory = 100k }",
     "3: limits: stream-memory holds less than two lines of line-length"},
};

static void wrong_numbers(void **state)
{
    (void)state;
    EACH_REFUSED(of_numbers);
}

static const struct refusal of_tags[] = {
    {"tag partner {\n external-rcpt = alert\n}", "3: tag partner: has no value (1 to 15)"},
    {"tag partner { value = 16 }", "1: tag partner: value: '16' is not a number from 1 to 15"},
    {"tag partner { value = 0 }", "1: tag partner: value: '0' is not a number from 1 to 15"},
    {"tag partner { value = three }", "1: tag partner: value: 'three' is not a number from 1 to 15"},
    {"tag partner {\n value = 2 }", "2: tag partner: value 2 is the value of tag inside"},
    {"tag a { value = 3 }\ntag b {\n value = 3 }", "3: tag b: value 3 is the value of tag a"},
    {"tag a { value = 3 }\ntag a { value = 4 }", "2: 'a' is there twice"},
    {"tag outside { value = 2 }", "1: tag outside: value 2 is the value of tag inside"},
    {"tag Partner { value = 3 }",
     "1: tag 'Partner': a name is 1 to 31 of a-z 0-9 _ and -, and begins with a letter"},
    {"tag '' { value = 3 }", "1: tag '': a name is 1 to 31 of a-z 0-9 _ and -, and begins with a letter"},
    {"tag a23456789012345678901234567890123 { value = 3 }",
     "1: tag 'a23456789012345678901234567890123': a name is 1 to 31 of a-z 0-9 _ and -, and begins with a letter"},
    {"tag outside { value = 1\nvalue = 3 }", "2: 'value' was set on line 1 already"},
};

static void wrong_tags(void **state)
{
    (void)state;
    EACH_REFUSED(of_tags);
}

static const struct refusal of_networks[] = {
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
};

static void wrong_networks(void **state)
{
    (void)state;
    EACH_REFUSED(of_networks);
}

static const struct refusal of_texts[] = {
    {"event-file = events.json", "1: event-file: 'events.json' is not an absolute path"},
    {"event-file = ''", "1: event-file: '' is not an absolute path"},
    {"user = ''", "1: user: empty"},
    {"local-domains-file = ''", "1: local-domains-file: empty"},
    {"\nlocal-domains-file = nothing-there", "2: local-domains-file: dir/nothing-there: No such file or directory"},
    {"local-domains-file = /etc", "1: local-domains-file: /etc: is a directory"},
    {"local-domains-file = /dev/zero", "1: local-domains-file: /dev/zero: is not a regular file"},
};

static void wrong_texts(void **state)
{
    (void)state;
    EACH_REFUSED(of_texts);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_grammar),
        cmocka_unit_test(wrong_words),
        cmocka_unit_test(wrong_numbers),
        cmocka_unit_test(wrong_tags),
        cmocka_unit_test(wrong_networks),
        cmocka_unit_test(wrong_texts),
        cmocka_unit_test(wrong_domains),
        cmocka_unit_test(long_values),
        cmocka_unit_test(messages_are_harmless),
    };

    return cmocka_run_group_tests_name("config_errors", tests, NULL, NULL);
}
