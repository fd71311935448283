/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation
 *
 * Every value is a CFGT_PTR of libconfuse's: its callback sees the text while the
 * line number is still known, and keeps both in a struct setting. Numbers and words are
 * made of it later, by us, because libconfuse's integers take "1x", wrap and have no units.
 *
 * libconfuse has to know all keys before it reads. The keys of `networks` are the
 * names of tags, which the same file defines, perhaps further down. So the tree is
 * read, and where libconfuse stumbles over an unknown key in `networks`, that key is
 * learnt and the reading begins again: at most once for each tag that there can
 * be. Whether such a tag exists is looked at when the tree is complete, and then the
 * line is known too.
 *
 * The library keeps its scanner in global variables and gives callbacks no pointer
 * of ours, hence `reading` below. Its messages are recognised by their English
 * format strings: the program sets no locale for messages.
 */
#include "rules/config_tree.h"

#include "rules/config_text.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define SETTING_MAX  4096
#define KEYS_MAX     32
#define SECTIONS_MAX 8

static struct {
    struct config_reader *reader; /* NULL: not reading */
    int replaced;                 /* line of a value that a second assignment pushed out; 0: none */
    char unknown[TAG_NAME_MAX];   /* a key of `networks` that isn't known yet; "": none */
} reading;

static bool fail_at(struct config_reader *r, const char *path, int line, const char *section, const char *text)
{
    if (r->failed || r->room == 0)
        return false;
    r->failed = true;
    if (line > 0)
        snprintf(r->error, r->room, "%s:%d: %s%s%s", path, line, section, *section != '\0' ? ": " : "", text);
    else
        snprintf(r->error, r->room, "%s: %s%s%s", path, section, *section != '\0' ? ": " : "", text);
    for (char *at = r->error; *at != '\0'; at++)
        if ((unsigned char)*at < 0x20 || *at == 0x7f)
            *at = '?';
    return false;
}

bool config_fail(struct config_reader *r, int line, const char *format, ...)
{
    char text[SETTING_MAX];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return fail_at(r, r->path, line, r->section, text);
}

bool config_fail_in(struct config_reader *r, const char *path, int line, const char *format, ...)
{
    char text[SETTING_MAX];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return fail_at(r, path, line, "", text);
}

/* libconfuse's cfg_errfunc_t. */
__attribute__((format(printf, 2, 0))) static void take_error(cfg_t *cfg, const char *format, va_list args)
{
    static const char unknown[] = "no such option '";
    static const char duplicate[] = "found duplicate title '";
    static const char unexpected[] = "unexpected token '";
    bool is_unknown = strncmp(format, unknown, sizeof(unknown) - 1) == 0;
    bool is_duplicate = strncmp(format, duplicate, sizeof(duplicate) - 1) == 0;
    struct config_reader *r = reading.reader;
    char text[256], section[128] = "";
    va_list again;

    if (strcmp(cfg->name, "root") != 0)
        snprintf(section, sizeof(section), "%s%s%s", cfg->name, cfg->title != NULL ? " " : "",
                 cfg->title != NULL ? cfg->title : "");
    va_copy(again, args);
    if (is_unknown || is_duplicate) {
        const char *name = va_arg(again, const char *);
        if (is_unknown && strcmp(cfg->name, "networks") == 0 && *name != '\0' && strlen(name) < TAG_NAME_MAX)
            snprintf(reading.unknown, sizeof(reading.unknown), "%s", name);
        else
            snprintf(text, sizeof(text), is_unknown ? "unknown key '%.100s'" : "'%.100s' is there twice", name);
    } else {
        size_t used = (size_t)vsnprintf(text, sizeof(text), format, again);
        /* mostly a list without its braces, or without a comma */
        if (used < sizeof(text) && strncmp(text, unexpected, sizeof(unexpected) - 1) == 0 &&
            strchr("{}=", text[sizeof(unexpected) - 1]) == NULL)
            snprintf(text + used, sizeof(text) - used, " (a list is written { a, b })");
    }
    va_end(again);
    if (reading.unknown[0] == '\0')
        (void)fail_at(r, r->path, cfg->line, section, text);
}

/* libconfuse's cfg_callback_t for all values. */
static int take_value(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
    struct config_reader *r = reading.reader;
    size_t len = strlen(value);
    struct setting *setting;

    if (reading.replaced != 0) {
        (void)config_fail(r, cfg->line, "'%s' was set on line %d already%s", opt->name, reading.replaced,
                          (opt->flags & CFGF_LIST) != 0 ? " (more of a list is added with +=)" : "");
        return -1;
    }
    if (len >= SETTING_MAX) {
        (void)config_fail(r, cfg->line, "the value of '%s' is too long", opt->name);
        return -1;
    }
    setting = malloc(sizeof(*setting) + len + 1);
    if (setting == NULL) {
        (void)config_fail(r, 0, "%s", strerror(ENOMEM));
        return -1;
    }
    setting->line = cfg->line;
    memcpy(setting->text, value, len + 1);
    *(void **)result = setting;
    return 0;
}

static void free_value(void *value)
{
    struct setting *setting = value;

    if (reading.reader != NULL && reading.replaced == 0)
        reading.replaced = setting->line;
    free(setting);
}

static cfg_opt_t value_option(const char *name, bool list)
{
    cfg_opt_t one = CFG_PTR_CB(name, NULL, CFGF_NODEFAULT, take_value, free_value);
    cfg_opt_t many = CFG_PTR_LIST_CB(name, NULL, CFGF_NODEFAULT, take_value, free_value);

    return list ? many : one;
}

/* Keys of `networks`, as far as they are known. */
struct learnt {
    char names[TAGS_MAX][TAG_NAME_MAX];
    size_t count;
};

struct options {
    cfg_opt_t top[KEYS_MAX + SECTIONS_MAX + 1];
    cfg_opt_t in[SECTIONS_MAX][KEYS_MAX + 1];
};

/* From our tables to libconfuse's. cfg_init copies all of it. */
static void make_options(struct options *o, const struct learnt *learnt)
{
    const cfg_opt_t end = CFG_END();
    size_t top = 0, sections = 0;

    for (const struct config_section *s = config_sections; s->name != NULL; s++) {
        cfg_opt_t *to = o->in[sections];
        size_t n = 0;

        if (*s->name == '\0')
            to = o->top;
        for (const struct config_key *key = s->keys; key->name != NULL; key++) {
            assert(n < KEYS_MAX);
            to[n++] = value_option(key->name, key->list);
        }
        for (size_t i = 0; s->learns && i < learnt->count; i++) {
            assert(n < KEYS_MAX);
            to[n++] = value_option(learnt->names[i], true);
        }
        to[n] = end;
        if (*s->name == '\0') {
            assert(s == config_sections);
            top = n;
        } else {
            assert(sections < SECTIONS_MAX);
            cfg_opt_t plain = CFG_SEC(s->name, to, CFGF_NONE);
            cfg_opt_t titled = CFG_SEC(s->name, to, CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES);
            o->top[top++] = s->titled ? titled : plain;
            sections++;
        }
    }
    o->top[top] = end;
}

/* One reading. NULL: an error was noted, or reading.unknown is set. */
static cfg_t *read_once(struct config_reader *r, char *text, size_t len, const struct learnt *learnt)
{
    struct options options;
    bool good = false;
    cfg_t *root;

    make_options(&options, learnt);
    root = cfg_init(options.top, CFGF_NONE);
    FILE *in = len > 0 ? fmemopen(text, len, "r") : NULL;
    if (root == NULL || (in == NULL && len > 0)) {
        (void)config_fail(r, 0, "%s", strerror(ENOMEM));
    } else {
        cfg_set_error_function(root, take_error);
        reading.reader = r;
        reading.replaced = 0;
        reading.unknown[0] = '\0';
        good = in == NULL || cfg_parse_fp(root, in) == CFG_SUCCESS;
        reading.reader = NULL;
        if (good && reading.replaced != 0) /* by an empty list: no value came behind it */
            good = config_fail(r, reading.replaced, "what is set here is set again further down");
        else if (!good && reading.unknown[0] == '\0' && !r->failed)
            (void)config_fail(r, root->line, "can't be read");
    }
    if (in != NULL)
        fclose(in);
    if (root != NULL && !good) {
        cfg_free(root);
        root = NULL;
    }
    return root;
}

cfg_t *config_tree_read(struct config_reader *r, char *text, size_t len)
{
    struct learnt learnt = {.count = 0};

    for (;;) {
        cfg_t *root = read_once(r, text, len, &learnt);
        if (root != NULL || r->failed)
            return root;
        if (learnt.count == TAGS_MAX) {
            (void)config_fail(r, 0, "networks: '%s': there can't be more than %d tags", reading.unknown, TAGS_MAX);
            return NULL;
        }
        memcpy(learnt.names[learnt.count], reading.unknown, TAG_NAME_MAX);
        learnt.count++;
    }
}

size_t config_tree_count(cfg_t *section, const char *key)
{
    return cfg_size(section, key);
}

const struct setting *config_tree_get(cfg_t *section, const char *key, size_t index)
{
    return cfg_getnptr(section, key, (unsigned)index);
}

/* `key = { }` leaves no value, only the sign that the key was there. */
static bool empty_list(const struct config_reader *r, cfg_t *section, const char *key, int *line)
{
    const cfg_opt_t *opt = cfg_getopt(section, key);

    if (opt == NULL || (opt->flags & CFGF_MODIFIED) == 0)
        return false;
    *line = r->text != NULL ? config_text_empty_list(r->text, r->len, key, section->line) : 0;
    return true;
}

bool config_apply(struct config_reader *r, cfg_t *section, const struct config_key *keys, void *subject)
{
    for (const struct config_key *key = keys; key->name != NULL; key++) {
        size_t count = config_tree_count(section, key->name);
        int line;
        if (key->empty != NULL && count == 0 && empty_list(r, section, key->name, &line))
            return config_fail(r, line, "%s: an empty list: %s", key->name, key->empty);
        for (size_t i = 0; i < count; i++)
            if (key->apply != NULL && !key->apply(r, key, subject, config_tree_get(section, key->name, i)))
                return false;
    }
    return true;
}
