/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/command_options.h"

#include "kmod-free/report/escape.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Longer ones aren't shown to their end. */
#define SHOWN 1024

static const char *shown(const char *typed, char out[static SHOWN])
{
    (void)escape_utf8((struct bytes){(const uint8_t *)typed, strlen(typed)}, out, SHOWN, NULL);
    return out;
}

/* In front of what is said, and behind it. */
static void begin(const char *command)
{
    fprintf(stderr, "rcptwall %s: ", command);
}

static bool end(const char *command)
{
    fprintf(stderr, "; see rcptwall %s --help\n", command);
    return false;
}

/* How many long options begin so, up to '='; *whole: one is that. */
static size_t named(const char *name, const struct option *known, const struct option **whole)
{
    size_t len = strcspn(name, "="), count = 0;

    *whole = NULL;
    for (const struct option *o = known; o->name != NULL; o++) {
        if (strncmp(o->name, name, len) != 0)
            continue;
        count++;
        if (count == 1 || o->name[len] == '\0')
            *whole = o;
    }
    return count;
}

bool command_bad_option(const char *command, int got, char **argv, const struct option *known)
{
    const char *word = argv[optind - 1];
    char text[SHOWN], letter[] = {'-', (char)optopt, '\0'};
    const struct option *o = NULL;
    size_t count = strncmp(word, "--", 2) == 0 ? named(word + 2, known, &o) : 0;

    begin(command);
    /* A letter may stand in the midst of others, and getopt then still be at the word before. */
    if (got == ':')
        fprintf(stderr, "%s needs a value", count > 0 ? shown(word, text) : letter);
    else if (optopt != 0 && o != NULL && o->val == optopt && o->has_arg == no_argument && strchr(word, '=') != NULL)
        fprintf(stderr, "--%s takes no value", o->name);
    else if (optopt == 0 && count > 1)
        fprintf(stderr, "%s may be more than one option", shown(word, text));
    else
        fprintf(stderr, "unknown option %s", shown(optopt == 0 ? word : letter, text));
    return end(command);
}

bool command_bad_value(const char *command, const char *option, const char *value, const char *wanted)
{
    char text[SHOWN];

    begin(command);
    fprintf(stderr, "%s%s%s: %s is needed", option != NULL ? option : "", option != NULL ? " " : "",
            *value != '\0' ? shown(value, text) : "\"\"", wanted);
    return end(command);
}

bool command_bad_argument(const char *command, const char *argument, bool takes_config)
{
    char text[SHOWN];

    begin(command);
    fprintf(stderr, "unexpected argument \"%s\"", shown(argument, text));
    if (!takes_config || access(argument, R_OK) != 0)
        return end(command);
    /* Most likely it is one. */
    fprintf(stderr, "; a configuration is named with -c: rcptwall %s -c %s\n", command, text);
    return false;
}

bool command_unknown(const char *word)
{
    char text[SHOWN];

    fprintf(stderr, "rcptwall: unknown %s \"%s\"; see rcptwall --help\n", *word == '-' ? "option" : "command",
            shown(word, text));
    return false;
}

bool command_complain(const char *command, const char *what)
{
    begin(command);
    fputs(what, stderr);
    return end(command);
}
