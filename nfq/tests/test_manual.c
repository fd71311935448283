/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The manual pages hold what the program says and takes, and nothing else: keys, their values and defaults,
 * counters, reasons, actions, relay forms, fields of events and of the status. (Options: scripts/check-manual.)
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "kmod-free/report/event_json.h"
#include "kmod-free/report/event_line.h"
#include "kmod-free/tests/support.h"
#include "nfq/counters.h"
#include "nfq/status_json.h"
#include "pcap-tests/replay/summary.h"
#include "rules/config_parts.h"

#define NAMES_MAX 256
#define NAME_ROOM 40

struct names {
    const char *what; /* for the complaint */
    char at[NAMES_MAX][NAME_ROOM];
    size_t count;
};

static bool has(const struct names *n, const char *name)
{
    for (size_t i = 0; i < n->count; i++)
        if (strcmp(n->at[i], name) == 0)
            return true;
    return false;
}

/* A set: what is there already isn't added. */
static void add(struct names *n, const char *name, size_t len)
{
    char text[NAME_ROOM];

    assert_true(len < sizeof text);
    memcpy(text, name, len);
    text[len] = '\0';
    if (has(n, text))
        return;
    assert_true(n->count < NAMES_MAX);
    memcpy(n->at[n->count++], text, len + 1);
}

static void all_in(const struct names *some, const struct names *others)
{
    for (size_t i = 0; i < some->count; i++)
        if (!has(others, some->at[i]))
            fail_msg("\"%s\" is in %s, but not in %s", some->at[i], some->what, others->what);
}

static void same(const struct names *a, const struct names *b)
{
    assert_true(a->count > 0);
    all_in(a, b);
    all_in(b, a);
}

/* ---- pages ---- */

/* To be freed. */
static char *load(const char *path)
{
    FILE *f = fopen(path, "r");
    if (f == NULL)
        fail_msg("%s can't be opened (tests run in the project's root)", path);
    size_t room = 1u << 20;
    char *text = malloc(room);
    assert_non_null(text);
    size_t len = fread(text, 1, room - 1, f);
    assert_true(len > 0 && len < room - 1);
    text[len] = '\0';
    fclose(f);
    return text;
}

/* The page from this .Sh on, up to the next; to be freed. */
static char *load_section(const char *path, const char *title)
{
    char head[80], *text = load(path);
    snprintf(head, sizeof head, "\n.Sh %s\n", title);
    char *at = strstr(text, head);
    if (at == NULL) {
        fail_msg("%s has no section %s", path, title);
        return NULL;
    }
    char *end = strstr(at + 1, "\n.Sh ");
    if (end != NULL)
        end[1] = '\0';
    memmove(text, at + 1, strlen(at + 1) + 1);
    return text;
}

/* The words behind a macro, up to the next macro; commas and full stops aren't any. */
static void add_words(struct names *n, const char *at)
{
    while (*at != '\0' && *at != '\n') {
        size_t len = strcspn(at, " \n");
        if (isupper((unsigned char)at[0]) && len == 2)
            return;
        if (isalnum((unsigned char)at[0]))
            add(n, at, len);
        at += len + strspn(at + len, " ");
    }
}

/* What stands behind this macro at the beginning of lines. */
static void collect(struct names *n, const char *text, const char *macro)
{
    for (const char *line = text; *line != '\0'; line += strcspn(line, "\n"), line += *line == '\n')
        if (strncmp(line, macro, strlen(macro)) == 0)
            add_words(n, line + strlen(macro));
}

static void collect_section(struct names *n, const char *path, const char *title, const char *macro)
{
    char *text = load_section(path, title);
    collect(n, text, macro);
    free(text);
}

/* ---- keys ---- */

static const char *section_title(const char *section)
{
    static const char *const titles[][2] = {
        {"", "KEYS OUTSIDE OF SECTIONS"}, {"networks", "NETWORKS"},    {"tag", "TAGS"},      {"limits", "LIMITS"},
        {"dns", "DNS BLOCKLISTS"},        {"dnsbl", "DNS BLOCKLISTS"}, {"syslog", "SYSLOG"},
    };
    for (size_t i = 0; i < sizeof titles / sizeof *titles; i++)
        if (strcmp(titles[i][0], section) == 0)
            return titles[i][1];
    fail_msg("section %s: where in the manual is it?", section);
    return NULL;
}

/* What stands behind "key = " in the sample. */
static void sample_value(const char *sample, const char *key, char *out, size_t room)
{
    size_t len = strlen(key);
    for (const char *line = sample; *line != '\0'; line += strcspn(line, "\n"), line += *line == '\n') {
        const char *at = line + strspn(line, " #");
        if (strncmp(at, key, len) == 0 && strncmp(at + len, " = ", 3) == 0) {
            at += len + 3;
            snprintf(out, room, "%.*s", (int)strcspn(at, "\n"), at);
            return;
        }
    }
    fail_msg("the sample has no %s", key);
}

/* The same as the page shows it: quotes around it are the macro's, \(dq is one of its own. */
static void page_value(const char *at, char *out, size_t room)
{
    size_t used = 0;
    for (; *at != '\0' && *at != '\n' && used + 1 < room; at++) {
        if (strncmp(at, "\\(dq", 4) == 0) {
            out[used++] = '"';
            at += 3;
        } else if (*at != '"') {
            out[used++] = *at;
        }
    }
    out[used] = '\0';
}

static void key_is_explained(const char *section, const char *sample, const struct config_key *key)
{
    char head[80], wanted[200], shown[200];
    snprintf(head, sizeof head, "\n.It Ic %s No = Li ", key->name);
    const char *at = strstr(section, head);
    if (at == NULL) {
        fail_msg("rcptwall.conf(5) doesn't say \"%s = ...\" in its section", key->name);
        return;
    }
    page_value(at + strlen(head), shown, sizeof shown);
    sample_value(sample, key->name, wanted, sizeof wanted);
    assert_string_equal(shown, wanted);

    const char *end = strstr(at + 1, "\n.It ");
    const char *list_end = strstr(at + 1, "\n.El");
    if (end == NULL || (list_end != NULL && list_end < end))
        end = list_end;
    assert_non_null(end);
    char *entry = strndup(at, (size_t)(end - at));
    assert_non_null(entry);
    struct names words = {.what = "rcptwall.conf(5)"};
    collect(&words, entry, ".Cm ");
    collect(&words, entry, ".Ic mode No = Cm ");
    free(entry);
    for (const struct config_word *w = key->words; w != NULL && w->word != NULL; w++)
        if (!has(&words, w->word))
            fail_msg("rcptwall.conf(5), %s: doesn't say \"%s\"", key->name, w->word);
}

static void keys(void **state)
{
    struct names page = {.what = "rcptwall.conf(5)"}, known = {.what = "the key table"};
    char *text = load("man/rcptwall.conf.5"), *sample = load("rules/rcptwall.conf");

    (void)state;
    collect(&page, text, ".It Ic ");
    for (const struct config_section *s = config_sections; s->name != NULL; s++) {
        char *section = load_section("man/rcptwall.conf.5", section_title(s->name));
        if (*s->name != '\0' && (strstr(section, s->name) == NULL || strstr(section, "{ ... }") == NULL))
            fail_msg("rcptwall.conf(5) doesn't show section %s", s->name);
        for (const struct config_key *key = s->keys; key->name != NULL; key++) {
            add(&known, key->name, strlen(key->name));
            key_is_explained(section, sample, key);
        }
        free(section);
    }
    same(&known, &page);
    free(text);
    free(sample);
}

/* ---- words of events ---- */

static void reasons_and_actions(void **state)
{
    struct names reasons = {.what = "the program"}, actions = {.what = "the program"}, vias = {.what = "the program"};
    struct names page = {.what = "REASONS"}, done = {.what = "WHAT IS DONE"}, forms = {.what = "JSON"};

    (void)state;
    for (int r = REASON_NONE + 1; r < REASON_COUNT; r++)
        add(&reasons, reason_name((enum reason)r), strlen(reason_name((enum reason)r)));
    for (int a = ACTION_ACCEPT; a <= ACTION_BAN; a++)
        add(&actions, action_name((enum action)a), strlen(action_name((enum action)a)));
    for (unsigned i = 0; i < VIA_COUNT; i++)
        add(&vias, via_name(1u << i), strlen(via_name(1u << i)));
    collect_section(&page, "man/rcptwall-events.5", "REASONS", ".It Cm ");
    collect_section(&done, "man/rcptwall-events.5", "WHAT IS DONE", ".It Cm ");
    collect_section(&forms, "man/rcptwall-events.5", "JSON", ".Cm ");
    same(&reasons, &page);
    same(&actions, &done);
    all_in(&vias, &forms);
}

/* Everything that can be said is. */
static void full_event(struct event *ev, enum event_kind kind)
{
    event_clear(ev);
    ev->kind = kind;
    ev->client = support_endpoint("198.51.100.2", 40112);
    ev->server = support_endpoint("192.0.2.25", 25);
    ev->tag = 1;
    memcpy(ev->tag_name, "outside", 8);
    ev->external = true;
    ev->action = ACTION_RESET;
    ev->reason = REASON_EXTERNAL_RCPT;
    ev->detail = DETAIL_NUL;
    ev->ban_for_s = 60;
    ev->via = VIA_PERCENT;
    event_put(ev, &ev->helo, bytes_str("x"), EVENT_HELO_MAX);
    event_put(ev, &ev->mail_from, bytes_str("a@b"), EVENT_MAIL_MAX);
    event_put(ev, &ev->rcpt_to, bytes_str("u%ext.example@local.example"), 8);
    event_put(ev, &ev->lists, bytes_str("bl.example.org"), EVENT_LISTS_MAX);
    event_put(ev, &ev->domains[0], bytes_str("ext.example"), EVENT_LISTS_MAX);
    ev->domain_count = 1;
    ev->gap_from = ROLE_CLIENT;
}

/* The keys of an object and of all below it. None of the values here holds `":`. */
static void add_keys(struct names *n, const json_t *value)
{
    char *text = json_dumps(value, JSON_COMPACT);
    assert_non_null(text);
    for (const char *at = text; (at = strstr(at, "\":")) != NULL; at++) {
        size_t len = 0;
        while (at[-1 - (ptrdiff_t)len] != '"')
            len++;
        add(n, at - len, len);
    }
    free(text);
}

static void add_summary(struct names *n)
{
    struct summary s;
    struct engine_counters c = {0};
    struct event ev;

    assert_true(summary_start(&s));
    full_event(&ev, EVENT_RCPT);
    summary_event(&s, &ev);
    json_t *json = summary_to_json(&s, &c);
    assert_non_null(json);
    json_object_del(json, "alerts"); /* reasons; their object's name is an event's, too */
    add_keys(n, json);
    json_decref(json);
    summary_stop(&s);
}

static void fields_of_events(void **state)
{
    struct names fields = {.what = "events"}, page = {.what = "rcptwall-events(5)"};
    struct event ev;

    (void)state;
    for (int kind = EVENT_RCPT; kind <= EVENT_REPLY; kind++) {
        full_event(&ev, (enum event_kind)kind);
        json_t *json = event_to_json(&ev);
        assert_non_null(json);
        add_keys(&fields, json);
        json_decref(json);
    }
    add_summary(&fields);
    add(&fields, "alerts", 6);
    collect_section(&page, "man/rcptwall-events.5", "JSON", ".It Va ");
    collect_section(&page, "man/rcptwall-events.5", "JSON", ".Va ");
    same(&fields, &page);
}

static void words_of_a_line(void **state)
{
    struct names words = {.what = "a line"}, page = {.what = "SYSLOG"};
    struct event ev;
    char line[1024];

    (void)state;
    full_event(&ev, EVENT_ALERT);
    event_to_line(&ev, 1, line, sizeof line);
    for (const char *at = line; (at = strchr(at, '=')) != NULL; at++) {
        size_t len = 0;
        while (at - len > line && islower((unsigned char)at[-1 - (ptrdiff_t)len]))
            len++;
        add(&words, at - len, len);
    }
    collect_section(&page, "man/rcptwall-events.5", "SYSLOG", ".It Va ");
    same(&words, &page);
}

/* ---- counters and status ---- */

static void take(void *ctx, const char *prefix, const char *key, uint64_t value)
{
    (void)value;
    if (strcmp(prefix, "alerts_") == 0)
        add(ctx, "alerts_REASON", 13);
    else if (strcmp(prefix, "ended_") == 0)
        add(ctx, "ended_REASON", 12);
    else
        add(ctx, key, strlen(key));
}

static void collect_counters(struct names *n)
{
    struct worker_report r = {0};
    const struct queue_listing listing = {0};
    char line[8192];

    r.engine.alerts[REASON_EVASION] = r.engine.ended[REASON_EVASION] = 1;
    counters_each(&r, take, n);
    counters_to_line(0, &r, &listing, line, sizeof line);
    for (const char *at = line; (at = strstr(at, " kernel_")) != NULL; at++)
        add(n, at + 1, strcspn(at, "=") - 1);
}

static void counters(void **state)
{
    struct names known = {.what = "the program"}, page = {.what = "COUNTERS"};

    (void)state;
    collect_counters(&known);
    collect_section(&page, "man/rcptwall-status.8", "COUNTERS", ".It Va ");
    same(&known, &page);
}

static void fields_of_the_status(void **state)
{
    static struct status_facts f;
    struct names known = {.what = "the status"}, page = {.what = "THE ANSWER"};
    struct names queue = {.what = "a queue"}, each = {.what = "counters"};

    (void)state;
    f.summary.queue_count = 1;
    f.queues[0].pid = 1;
    f.queues[0].listed = true;
    f.zone_count = f.zones[0].count = 1;
    f.zones[0].state = DNSBL_OFF;
    memcpy(f.summary.refused, "x", 2);
    memcpy(f.summary.needs_restart, "x", 2);
    char *text = status_text(&f);
    assert_non_null(text);
    json_t *json = json_loads(text, 0, NULL);
    assert_non_null(json);
    free(text);
    add_keys(&queue, json_array_get(json_object_get(json, "queues"), 0));
    json_object_clear(json_object_get(json, "alerts")); /* reasons */
    json_object_clear(json_object_get(json, "ended"));
    json_array_clear(json_object_get(json, "queues"));
    add_keys(&known, json_array_get(json_object_get(json_object_get(json, "dnsbl"), "zones"), 0));
    json_array_clear(json_object_get(json_object_get(json, "dnsbl"), "zones"));
    add_keys(&known, json);
    json_decref(json);
    counters_each(&f.queues[0].report, take, &each);
    for (size_t i = 0; i < queue.count; i++)
        if (!has(&each, queue.at[i]))
            add(&known, queue.at[i], strlen(queue.at[i]));
    collect_section(&page, "man/rcptwall-status.8", "THE ANSWER", ".It Va ");
    collect_section(&page, "man/rcptwall-status.8", "THE ANSWER", ".Va ");
    same(&known, &page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys),
        cmocka_unit_test(reasons_and_actions),
        cmocka_unit_test(fields_of_events),
        cmocka_unit_test(words_of_a_line),
        cmocka_unit_test(counters),
        cmocka_unit_test(fields_of_the_status),
    };

    return cmocka_run_group_tests_name("manual", tests, NULL, NULL);
}
