/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * config_text - gets a configuration file into memory and makes it fit for
 * libconfuse 3.3, which loses count of the lines after any comment, doesn't take
 * a comment inside a list, and passes over characters that it can't use without
 * a word.
 */
#ifndef RCPTWALL_CONFIG_TEXT_H
#define RCPTWALL_CONFIG_TEXT_H

#include "kmod-free/bytes.h"

#define CONFIG_TEXT_MAX    ((size_t)1 << 20)  /* the configuration itself */
#define CONFIG_DOMAINS_MAX ((size_t)64 << 20) /* a file of local domains */

enum config_source {
    SOURCE_ANY_STREAM = 1, /* a pipe will do: rcptwall check -c <(generate) */
    SOURCE_FILE,           /* a regular file only: opening it can't block */
};

/*
 * The whole file with a NUL behind it, to be freed. NULL: *why says why it can't be
 * used (a constant string, or strerror's).
 */
RW_CHECK char *config_load(const char *path, enum config_source, size_t most, size_t *len, const char **why);

/*
 * Blanks the comments (# to the end of the line) in place and refuses what
 * libconfuse would misread or pass over. Returns NULL, or what is wrong on line *line.
 */
RW_CHECK const char *config_text_tidy(char *text, size_t len, int *line);

/*
 * The line of the last `key = { }` (or +=) that begins on a line up to `last`, for libconfuse doesn't say where an
 * empty list stood; 0: there is none. The text is tidied.
 */
RW_CHECK int config_text_empty_list(const char *text, size_t len, const char *key, int last);

#endif
