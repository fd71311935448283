/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/config_text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* NULL, or why a file of this kind isn't read. */
static const char *unfit(const struct stat *st, enum config_source source, size_t most)
{
    if (S_ISDIR(st->st_mode))
        return "is a directory";
    if (!S_ISREG(st->st_mode) && !(source == SOURCE_ANY_STREAM && S_ISFIFO(st->st_mode)))
        return "is not a regular file";
    if (S_ISREG(st->st_mode) && st->st_size > (off_t)most)
        return "is too large";
    return NULL;
}

/* Reads to the end, at most `most` bytes. The size that stat told is a hint only: the file may be growing. */
static char *read_all(int fd, size_t hint, size_t most, size_t *len, const char **why)
{
    size_t room = hint + 1, used = 0;
    char *text = malloc(room + 1);

    while (text != NULL) {
        ssize_t got = read(fd, text + used, room - used);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            *why = strerror(errno);
        if (got == 0) {
            text[used] = '\0';
            *len = used;
            return text;
        }
        if (got > 0)
            used += (size_t)got;
        if (used > most)
            *why = "is too large";
        if (got < 0 || used > most)
            break;
        if (used == room) {
            room = room < 4096 ? 4096 : room * 2;
            char *more = realloc(text, room + 1);
            if (more == NULL)
                free(text);
            text = more;
        }
    }
    if (text == NULL)
        *why = strerror(ENOMEM);
    free(text);
    return NULL;
}

char *config_load(const char *path, enum config_source source, size_t most, size_t *len, const char **why)
{
    struct stat st;
    char *text = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | (source == SOURCE_FILE ? O_NONBLOCK : 0));

    if (fd < 0 || fstat(fd, &st) < 0) {
        *why = strerror(errno);
    } else {
        *why = unfit(&st, source, most);
        if (*why == NULL)
            text = read_all(fd, S_ISREG(st.st_mode) ? (size_t)st.st_size : 0, most, len, why);
    }
    if (fd >= 0)
        close(fd);
    return text;
}

#define BLANKS " \t\r\n"

enum where {
    IN_PLAIN = 1,
    IN_COMMENT,
    IN_DOUBLE, /* "..." */
    IN_SINGLE, /* '...' */
};

/* NULL, or why this character can't stand outside quotes. `before` and `next` are its neighbours, 0 at the ends. */
static const char *unfit_plain(char before, char c, char next)
{
    if (c == '/' && (next == '*' || (next == '/' && (before == 0 || strchr(" \t\r\n\"'={}(),", before) != NULL))))
        return "comments begin with '#'";
    if (c == '*' || c == '|' || (c == '+' && next != '='))
        return "'*', '|' and '+' must stand in quotes";
    if (c == '\r' && next != '\n')
        return "a carriage return without a line feed";
    return NULL;
}

/*
 * NULL, or why this character can't stand inside quotes. Double quotes know just the
 * escapes that are needed: the library's "\x00" would silently end the string.
 */
static const char *unfit_quoted(enum where where, char c, char next)
{
    if (c == '\n')
        return "a quoted text doesn't end on its line";
    if (where == IN_DOUBLE && c == '\\' && next != '\\' && next != '"')
        return "in \"...\" a backslash can stand only before '\"' and '\\' (or use '...')";
    return NULL;
}

static const char *unfit_anywhere(enum where where, char c, char next)
{
    if (c == '\0')
        return "a NUL byte";
    if (((unsigned char)c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7f)
        return "a control character";
    if (where != IN_SINGLE && c == '$' && next == '{')
        return "variables are not expanded here; put '${' in single quotes";
    return NULL;
}

/* Where the character behind c is; *skip: that one belongs to c's escape. */
static enum where next_where(enum where where, char c, char next, bool *skip)
{
    *skip = false;
    switch (where) {
    case IN_PLAIN:
        return c == '#' ? IN_COMMENT : c == '"' ? IN_DOUBLE : c == '\'' ? IN_SINGLE : IN_PLAIN;
    case IN_COMMENT:
        return c == '\n' ? IN_PLAIN : IN_COMMENT;
    case IN_DOUBLE:
        *skip = c == '\\';
        return c == '"' ? IN_PLAIN : IN_DOUBLE;
    case IN_SINGLE:
        *skip = c == '\\' && (next == '\\' || next == '\'');
        return c == '\'' ? IN_PLAIN : IN_SINGLE;
    }
    return IN_PLAIN;
}

/* Braces that are open, and where the outermost one is. */
struct braces {
    size_t depth;
    int line;
};

static void count_brace(struct braces *b, char c, int line)
{
    if (c == '{' && b->depth++ == 0)
        b->line = line;
    else if (c == '}' && b->depth > 0)
        b->depth--;
}

/* At the end of the text: NULL, or what is unfinished. The library takes the end of a file for a '}'. */
static const char *unfinished(enum where where, const struct braces *b, int *line)
{
    if (where == IN_DOUBLE || where == IN_SINGLE)
        return "a quoted text doesn't end on its line";
    if (b->depth == 0)
        return NULL;
    *line = b->line;
    return "this '{' has no '}'";
}

const char *config_text_tidy(char *text, size_t len, int *line)
{
    enum where where = IN_PLAIN;
    struct braces braces = {0};
    size_t at = 0;

    *line = 1;
    if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) /* a byte order mark would be part of the first key */
        for (; at < 3; at++)
            text[at] = ' ';
    for (char before = 0; at < len; at++) {
        char c = text[at], next = at + 1 < len ? text[at + 1] : 0;
        const char *wrong = where == IN_COMMENT && c != '\0' ? NULL : unfit_anywhere(where, c, next);
        if (wrong == NULL && where == IN_PLAIN)
            wrong = unfit_plain(before, c, next);
        else if (wrong == NULL && where != IN_COMMENT)
            wrong = unfit_quoted(where, c, next);
        if (wrong != NULL)
            return wrong;

        bool skip;
        if (where == IN_PLAIN)
            count_brace(&braces, c, *line);
        where = next_where(where, c, next, &skip);
        if (where == IN_COMMENT)
            text[at] = ' ';
        if (c == '\n')
            (*line)++;
        before = c;
        at += skip ? 1 : 0;
    }
    return unfinished(where, &braces, line);
}

/* Does text[at] begin `key = { }`? */
static bool empty_list_at(const char *text, size_t len, size_t at, const char *key)
{
    static const char after[] = "={}";
    const char *left = &text[at], *end = text + len;
    size_t name = strlen(key);

    if ((size_t)(end - left) < name || memcmp(left, key, name) != 0)
        return false;
    left += name;
    for (const char *wanted = after; *wanted != '\0'; left++) {
        while (left < end && strchr(BLANKS "+", *left) != NULL)
            left++;
        if (left == end || *left != *wanted++)
            return false;
    }
    return true;
}

int config_text_empty_list(const char *text, size_t len, const char *key, int last)
{
    enum where where = IN_PLAIN;
    int line = 1, found = 0;

    for (size_t at = 0; at < len && line <= last; at++) {
        char before = at > 0 ? text[at - 1] : '\n', next = at + 1 < len ? text[at + 1] : 0;
        bool skip;
        if (where == IN_PLAIN && strchr(BLANKS "{}", before) != NULL && empty_list_at(text, len, at, key))
            found = line;
        where = next_where(where, text[at], next, &skip);
        line += text[at] == '\n' ? 1 : 0;
        at += skip ? 1 : 0;
    }
    return found;
}
