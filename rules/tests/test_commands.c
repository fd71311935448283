/* SPDX-License-Identifier: GPL-2.0-or-later */
/* rcptwall check and rcptwall rules: exit status, and what goes to which stream. */
#include "rules/commands.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define ARGS_MAX 8

struct result {
    int status;
    char out[32768], err[4096];
};

/* stdout or stderr into a file without name; the old one's descriptor comes back. */
static int divert(FILE *stream, FILE **to)
{
    int old = dup(fileno(stream));

    *to = tmpfile();
    assert_true(old >= 0 && *to != NULL);
    assert_int_equal(fflush(stream), 0);
    assert_true(dup2(fileno(*to), fileno(stream)) >= 0);
    return old;
}

static void restore(FILE *stream, int old, FILE *from, char *text, size_t room)
{
    fflush(stream);
    assert_true(dup2(old, fileno(stream)) >= 0);
    close(old);
    rewind(from);
    text[fread(text, 1, room - 1, from)] = '\0';
    fclose(from);
}

/* Runs a subcommand with these arguments, separated by blanks. */
static struct result run(int (*command)(int, char **), const char *line)
{
    static struct result r;
    char words[256], *args[ARGS_MAX + 1], *rest = NULL;
    int count = 0;
    FILE *out, *err;

    snprintf(words, sizeof(words), "%s", line);
    for (char *word = strtok_r(words, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest)) {
        assert_true(count < ARGS_MAX);
        args[count++] = word;
    }
    args[count] = NULL;
    int old_out = divert(stdout, &out), old_err = divert(stderr, &err);
    r.status = command(count, args);
    restore(stdout, old_out, out, r.out, sizeof(r.out));
    restore(stderr, old_err, err, r.err, sizeof(r.err));
    return r;
}

static size_t lines(const char *text)
{
    size_t n = 0;

    for (; *text != '\0'; text++)
        n += *text == '\n' ? 1 : 0;
    return n;
}

static char conf[] = "/tmp/rcptwall-test-XXXXXX";

static void configure(const char *text)
{
    FILE *f = fopen(conf, "w");

    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

static const char *with_conf(const char *format)
{
    static char line[256];

    snprintf(line, sizeof(line), "%s -c %s%s", format, conf, strcmp(format, "check") == 0 ? " --no-firewall" : "");
    return line;
}

static void check_says_ok(void **state)
{
    char expected[64];

    (void)state;
    configure("mode = enforce\nlocal-domains = local.example\nnetworks { inside = 10.0.0.0/8 }\n"
              "servers = 192.0.2.25\nports = { 25, 587 }\ntag outside { midstream = pass }\n");
    struct result r = run(command_check, with_conf("check"));
    snprintf(expected, sizeof(expected), "%s: ok\n", conf);
    assert_int_equal(r.status, 0);
    assert_string_equal(r.err, "");
    assert_int_equal(strncmp(r.out, expected, strlen(expected)), 0);
    assert_non_null(strstr(r.out, "mode: enforce\n"));
    assert_non_null(strstr(r.out, "on failure: closed"));
    assert_non_null(strstr(r.out, "servers: 192.0.2.25\n"));
    assert_non_null(strstr(r.out, "ports: 25 587\n"));
    assert_non_null(strstr(r.out, "tag outside (1): external-rcpt=reset"));
    assert_non_null(strstr(r.out, "midstream=pass starttls=allow"));
    assert_non_null(strstr(r.out, "clients: 10.0.0.0/8\n"));
}

static void check_warns(void **state)
{
    (void)state;
    configure("mode = monitor\n");
    struct result r = run(command_check, with_conf("check"));
    assert_int_equal(r.status, 0);
    assert_int_equal(lines(r.err), 2);
    assert_non_null(strstr(r.err, "warning: no local-domains"));
    assert_non_null(strstr(r.err, "warning: no networks"));
    configure("mode = enforce\non-failure = open\nlocal-domains = a.example\n"
              "networks { inside = 10.0.0.0/8 }\n");
    r = run(command_check, with_conf("check"));
    assert_int_equal(lines(r.err), 1);
    assert_non_null(strstr(r.err, "warning: on-failure = open"));
    configure("local-domains = a.example\nnetworks { inside = 10.0.0.0/8 }\ndnsbl a.example {\nweight = 2\n}\n"
              "dnsbl good.example {\nweight = -4\n}\ntag outside { dnsbl-threshold = 3 }\n");
    r = run(command_check, with_conf("check"));
    assert_int_equal(lines(r.err), 1);
    assert_non_null(strstr(r.err, "warning: tag outside: dnsbl-threshold = 3: the weights of all lists together are 2"));
    configure("on-failure = open\nlocal-domains = a.example\nnetworks { inside = 10.0.0.0/8 }\n");
    r = run(command_check, with_conf("check"));
    assert_int_equal(r.status, 0);
    assert_string_equal(r.err, "");
}

static void check_warns_of_a_group_that_is_not_there(void **state)
{
    (void)state;
    configure("local-domains = a.example\nnetworks { inside = 10.0.0.0/8 }\ncontrol-group = nobody-of-this-name\n");
    struct result r = run(command_check, with_conf("check"));
    assert_int_equal(lines(r.err), 1);
    assert_non_null(strstr(r.err, "warning: control-group: there is no such group here, so rcptwall status can't ask"));
    assert_int_equal(r.status, 0);
}

/* What `run` would refuse on this machine. Each in turn: the one line, and status 2. */
static void check_refuses_what_run_would(void **state)
{
    static const struct {
        const char *line, *expected;
    } cases[] = {
        {"user = nobody-of-this-name", "user: there is no such user here"},
        {"event-file = \"/nowhere/events.json\"", "event-file /nowhere/events.json: No such file or directory"},
        {"event-file = \"/dev/null/events.json\"", "event-file /dev/null/events.json: Not a directory"},
        {"event-file = \"/proc\"", "event-file /proc: Is a directory"},
        {"control-socket = \"/nowhere/control\"", "control-socket /nowhere/control: No such file or directory"},
        {"control-socket = \"/dev/null\"", "control-socket /dev/null: is there, and is no socket"},
        {"control-socket = \"/tmp/c\"\ncontrol-group = nobody-of-this-name",
         "control-group: there is no such group here"},
    };
    char text[512], expected[512];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        snprintf(text, sizeof(text), "local-domains = a.example\nnetworks { inside = 10.0.0.0/8 }\n%s\n",
                 cases[i].line);
        configure(text);
        struct result r = run(command_check, with_conf("check"));
        snprintf(expected, sizeof(expected), "%s: %s\n", conf, cases[i].expected);
        assert_string_equal(r.err, expected);
        assert_int_equal(r.status, 2);
        snprintf(expected, sizeof(expected), "%s: ok\n", conf);
        assert_null(strstr(r.out, expected));
    }
    configure("local-domains = a.example\nnetworks { inside = 10.0.0.0/8 }\nuser = nobody-of-this-name\n");
    struct result r = run(command_check, with_conf("check --iptables-save rules/tests/firewall/iptables.save"));
    assert_int_equal(r.status, 0); /* another machine's rules: its users aren't known here */
    assert_non_null(strstr(r.err, "warning: user: there is no such user here"));
}

/* Root doesn't need the rights that the daemon's user lacks, so it is looked at as that user. */
static void check_looks_as_the_daemons_user(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    configure("local-domains = a.example\nnetworks { inside = 10.0.0.0/8 }\nuser = nobody\n"
              "event-file = \"/root-only-rcptwall-test\"\n");
    struct result r = run(command_check, with_conf("check"));
    assert_non_null(strstr(r.err, ": event-file /root-only-rcptwall-test: Permission denied\n"));
    assert_int_equal(r.status, 2);
    assert_int_equal(geteuid(), 0);
    assert_int_equal(chmod(conf, 0600), 0);
    configure("local-domains = a.example\nnetworks { inside = 10.0.0.0/8 }\nuser = nobody\n");
    r = run(command_check, with_conf("check"));
    assert_int_equal(lines(r.err), 1);
    assert_non_null(strstr(r.err, ": warning: user nobody: can't read this file, so every reload"));
    assert_int_equal(r.status, 0);
    assert_int_equal(geteuid(), 0);
    assert_int_equal(chmod(conf, 0644), 0);
    r = run(command_check, with_conf("check"));
    assert_string_equal(r.err, "");
    configure("local-domains = a.example\nnetworks { inside = 10.0.0.0/8 }\n"
              "event-file = \"/root-only-rcptwall-test\"\n");
    r = run(command_check, with_conf("check"));
    assert_string_equal(r.err, "");
    assert_int_equal(r.status, 0);
}

/* Trouble is status 2, one line on stderr, and nothing on stdout that could be taken for a result. */
static void trouble(int (*command)(int, char **), const char *line, const char *message)
{
    struct result r = run(command, line);

    assert_int_equal(r.status, 2);
    assert_string_equal(r.out, "");
    assert_int_equal(lines(r.err), 1);
    assert_non_null(strstr(r.err, message));
}

static void troubles(void **state)
{
    char expected[128];

    (void)state;
    configure("mode = enforce\n\nmodus = x\n");
    snprintf(expected, sizeof(expected), "%s:3: unknown key 'modus'\n", conf);
    trouble(command_check, with_conf("check"), expected);
    trouble(command_rules, with_conf("rules --nft"), expected);
    trouble(command_rules, with_conf("rules --iptables"), expected);
    configure("\nmode = enforce\nown-addresses = { 192.0.2.1, 192.0.2.1 }\n");
    snprintf(expected, sizeof(expected), "%s:2: mode = enforce needs local-domains", conf);
    trouble(command_check, with_conf("check"), expected);
    trouble(command_rules, with_conf("rules"), expected);
    trouble(command_check, "check -c /nothing/there", "/nothing/there: No such file or directory");
    trouble(command_rules, "rules -c /nothing/there", "/nothing/there: No such file or directory");
    trouble(command_check, "check -c /tmp", "/tmp: is a directory");
    /* What can't be used in the command line: scripts/check-options. */
}

static void rules_print(void **state)
{
    (void)state;
    configure("");
    struct result plain = run(command_rules, with_conf("rules"));
    assert_int_equal(plain.status, 0);
    assert_string_equal(plain.err, "");
    struct result *copy = malloc(sizeof(*copy));
    assert_non_null(copy);
    *copy = plain;
    struct result r = run(command_rules, with_conf("rules --nft"));
    assert_string_equal(r.out, copy->out);
    assert_non_null(strstr(r.out, "\ntable inet rcptwall {\n"));
    r = run(command_rules, with_conf("rules --iptables"));
    assert_int_equal(r.status, 0);
    assert_int_equal(strncmp(r.out, "#!/bin/sh\n", 10), 0);
    /* Removal needs no configuration: it may be gone already. */
    r = run(command_rules, "rules --remove -c /nothing/there");
    assert_int_equal(r.status, 0);
    assert_non_null(strstr(r.out, "delete table inet rcptwall\n"));
    r = run(command_rules, "rules --iptables --remove -c /nothing/there");
    assert_int_equal(r.status, 0);
    assert_non_null(strstr(r.out, "RCPTWALL-JUDGE -X\n"));
    free(copy);
}

static void help(void **state)
{
    (void)state;
    struct result r = run(command_check, "check --help");
    assert_int_equal(r.status, 0);
    assert_int_equal(strncmp(r.out, "Usage: rcptwall check", 21), 0);
    r = run(command_rules, "rules -h");
    assert_int_equal(r.status, 0);
    assert_int_equal(strncmp(r.out, "Usage: rcptwall rules", 21), 0);
}

/* In words, and only where there is such a tag. */
static void explains(void **state)
{
    char line[128];

    (void)state;
    configure(
        "mode = enforce\nlocal-domains = a.example\ntag outside { external-rcpt = drop ban-after = 3 ban-for = 60s }\n"
        "tag partner { value = 7 authenticated = exempt rcpt-limit = 20 }\nnetworks { partner = 10.0.0.0/8 }\n");
    struct result r = run(command_check, with_conf("check --explain outside"));
    assert_int_equal(r.status, 0);
    assert_string_equal(r.err, "");
    assert_non_null(strstr(r.out, "tag outside (connection mark 0x00100000)"));
    assert_non_null(strstr(r.out, "Who has it: everybody else\n"));
    assert_non_null(strstr(r.out, "a domain that isn't ours: nothing more passes, without a word"));
    assert_non_null(strstr(r.out, "After 3 such sessions"));
    assert_non_null(strstr(r.out, "for 60 s.\n"));
    assert_non_null(strstr(r.out, "queue is full: nothing passes"));
    r = run(command_check, with_conf("check --explain partner"));
    assert_non_null(strstr(r.out, "Who has it: 10.0.0.0/8\n"));
    assert_non_null(strstr(r.out, "may name any recipient"));
    assert_non_null(strstr(r.out, "More than 20 recipients"));
    assert_null(strstr(r.out, "refuses new connections"));
    snprintf(line, sizeof(line), "%s has no tag 'nobody'\n", conf);
    trouble(command_check, with_conf("check --explain nobody"), line);
}

/* A rule set that was written in part must not look like a whole one. */
static void full_disk(void **state)
{
    int old, full;
    FILE *err;
    char text[256], *args[] = {(char[]){"rules"}, (char[]){"-c"}, conf, NULL};

    (void)state;
    configure("");
    FILE *device = fopen("/dev/full", "w");
    if (device == NULL)
        skip();
    full = fileno(device);
    int old_err = divert(stderr, &err);
    fflush(stdout);
    old = dup(STDOUT_FILENO);
    assert_true(dup2(full, STDOUT_FILENO) >= 0);
    int status = command_rules(3, args);
    assert_true(dup2(old, STDOUT_FILENO) >= 0);
    clearerr(stdout);
    restore(stderr, old_err, err, text, sizeof(text));
    close(old);
    fclose(device);
    assert_int_equal(status, 2);
    assert_non_null(strstr(text, "can't write: No space left on device"));
}

static int make_conf(void **state)
{
    int fd = mkstemp(conf);

    (void)state;
    return fd < 0 ? -1 : close(fd);
}

static int remove_conf(void **state)
{
    (void)state;
    return unlink(conf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(check_says_ok),
        cmocka_unit_test(check_warns),
        cmocka_unit_test(check_warns_of_a_group_that_is_not_there),
        cmocka_unit_test(troubles),
        cmocka_unit_test(check_refuses_what_run_would),
        cmocka_unit_test(check_looks_as_the_daemons_user),
        cmocka_unit_test(explains),
        cmocka_unit_test(rules_print),
        cmocka_unit_test(help),
        cmocka_unit_test(full_disk),
    };

    return cmocka_run_group_tests_name("commands", tests, make_conf, remove_conf);
}
