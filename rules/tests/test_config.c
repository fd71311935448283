/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The configuration: what each key does, and which files are read. */
#include "rules/tests/config_support.h"

#include "kmod-free/stream.h"
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

/* Enforcing without a domain of ours would refuse everybody's mail. */
static void enforcing_needs_domains(void **state)
{
    static const struct {
        const char *text, *error;
    } cases[] = {
        {"mode = monitor", ""},
        {"own-addresses = 192.0.2.1\nmode = enforce",
         "dir/test.conf:2: mode = enforce needs local-domains: without one, all mail to anybody is external"},
        {"mode = enforce local-domains = a.example own-addresses = 192.0.2.1", ""},
    };
    char error[512];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct config c;
        error[0] = '\0';
        read_good(&c, cases[i].text);
        assert_int_equal(config_seal(&c, error, sizeof(error)), cases[i].error[0] == '\0');
        assert_string_equal(error, cases[i].error);
        config_free(&c);
    }
    struct config added, over;
    read_good(&added, "mode = enforce");
    assert_null(domain_set_add(added.policy->local, "b.example")); /* as replay --local does */
    assert_true(config_seal(&added, error, sizeof(error)));
    config_free(&added);
    read_good(&over, "mode = enforce");
    over.policy->enforce = false; /* as run --monitor does */
    assert_true(config_seal(&over, error, sizeof(error)));
    config_free(&over);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults),     cmocka_unit_test(everything),   cmocka_unit_test(enforcing_needs_domains),
        cmocka_unit_test(on_failure),   cmocka_unit_test(tags),         cmocka_unit_test(tags_change_values),
        cmocka_unit_test(fifteen_tags), cmocka_unit_test(domain_files), cmocka_unit_test(files),
    };

    return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
