/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The sample configuration: complete, and true about the defaults. Cut anywhere, it is read or refused. */
#include "rules/tests/config_support.h"

#include "rules/config_parts.h"
#include "rules/config_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define SAMPLE "rules/rcptwall.conf"

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
    if (strncmp(at, "tag ", 4) == 0 || strncmp(at, "dnsbl ", 6) == 0 || *at == '}')
        return true;
    size_t key = strspn(at, "abcdefghijklmnopqrstuvwxyz0123456789-");
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

static const char *title_of(const char *section)
{
    return strcmp(section, "tag") == 0 ? "outside" : "bl.example.org";
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
                         : s->titled      ? cfg_gettsec(root, s->name, title_of(s->name))
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
    struct dnsbl_zone zone;
    dnsbl_zone_defaults(&zone);
    assert_int_equal(c.dnsbl.zone_count, 1);
    assert_true(dnsbl_zone_name(&zone, "bl.example.org"));
    assert_memory_equal(&zone, &c.dnsbl.zones[0], sizeof zone);
    assert_string_equal(c.dnsbl.resolver, "127.0.0.1:53");
    assert_int_equal(c.dnsbl.exempt_count, 1);
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
        cmocka_unit_test(the_sample_as_it_is),
        cmocka_unit_test(the_sample_is_complete),
        cmocka_unit_test(the_sample_tells_the_defaults),
        cmocka_unit_test(truncations),
    };

    return cmocka_run_group_tests_name("config_sample", tests, NULL, NULL);
}
