/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rules/command_options.h"

#include <getopt.h>
#include <stdio.h>
#include <unistd.h>

void command_bad_option(const char *command, int got, char **argv)
{
    const char *option = argv[optind - 1];

    if (got == ':')
        fprintf(stderr, "rcptwall %s: %s needs a value; see rcptwall %s --help\n", command, option, command);
    else
        fprintf(stderr, "rcptwall %s: can't use the option %s; see rcptwall %s --help\n", command, option, command);
}

void command_bad_argument(const char *command, const char *argument)
{
    /* Most likely a configuration. */
    if (access(argument, R_OK) == 0)
        fprintf(stderr,
                "rcptwall %s: unexpected argument \"%s\"; a configuration is named with -c: rcptwall %s -c %s\n",
                command, argument, command, argument);
    else
        fprintf(stderr, "rcptwall %s: unexpected argument \"%s\"; see rcptwall %s --help\n", command, argument,
                command);
}

bool command_complain(const char *command, const char *what, const char *value)
{
    fprintf(stderr, "rcptwall %s: %s%s%s%s; see rcptwall %s --help\n", command, what, value != NULL ? " \"" : "",
            value != NULL ? value : "", value != NULL ? "\"" : "", command);
    return false;
}
