/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * config_tree - the configuration as libconfuse reads it: every value with the
 * line on which it stands, nothing interpreted yet.
 *
 * What a key means is said once, in a struct config_key: libconfuse's tables are made
 * from these tables, and config_apply walks them.
 */
#ifndef RCPTWALL_CONFIG_TREE_H
#define RCPTWALL_CONFIG_TREE_H

#include "rules/config.h"

#include <confuse.h>

/* One value as written. It belongs to the tree. */
struct setting {
    int line;
    char text[];
};

/* Reading one file: where errors go, and into what. */
struct config_reader {
    struct config *config;
    const char *path;    /* as the user wrote it: for messages */
    const char *section; /* "", "limits", "tag outside": for messages */
    const char *text;    /* what is read, tidied; NULL: not known */
    size_t len;
    char *error;
    size_t room;
    bool failed;
};

/*
 * Notes "PATH:LINE: [SECTION: ]message", control characters shown as '?'; the first error stays.
 * line 0: without a line. Always false, for the caller to return.
 */
__attribute__((format(printf, 3, 4))) bool config_fail(struct config_reader *, int line, const char *format, ...);
/* The same for another file than the configuration; no section. */
__attribute__((format(printf, 4, 5))) bool config_fail_in(struct config_reader *, const char *path, int line,
                                                          const char *format, ...);

struct config_word {
    const char *word;
    int value;
};

struct config_key {
    const char *name;
    bool list;
    const char *empty; /* list: why an empty one can't be meant; NULL: it can */
    /* Puts one value into *subject (a struct config, or a struct policy_tag). false: config_fail was called. */
    bool (*apply)(struct config_reader *, const struct config_key *, void *subject, const struct setting *);
    /* What the general apply functions need: */
    size_t at; /* offset of the member in *subject */
    uint64_t least, most;
    const struct config_word *words; /* .word == NULL ends them */
};

struct config_section {
    const char *name;              /* "": the top */
    const struct config_key *keys; /* .name == NULL ends them */
    bool titled;                   /* tag NAME { ... }, any number of them */
    bool learns;                   /* networks: each key is a list of its own, named by the user */
};

/* The whole grammar; .name == NULL ends it. config_keys.c */
extern const struct config_section config_sections[];

/*
 * Parses text (tidied). The root of the tree, to be released with cfg_free; NULL:
 * config_fail was called. Not reentrant, because libconfuse isn't.
 */
RW_CHECK cfg_t *config_tree_read(struct config_reader *, char *text, size_t len);

/* The values of a key, in order. */
size_t config_tree_count(cfg_t *section, const char *key);
const struct setting *config_tree_get(cfg_t *section, const char *key, size_t index);

/* Applies every value of these keys that the section has. An empty list that can't be meant: config_fail was called. */
RW_CHECK bool config_apply(struct config_reader *, cfg_t *section, const struct config_key *keys, void *subject);

#endif
