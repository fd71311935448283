/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * command_options - what every subcommand says of a command line that it can't use: one line on standard error, in one
 * wording. All return false, and the exit status is then 2. What was typed is shown escaped, so that it stays one line.
 */
#ifndef RCPTWALL_COMMAND_OPTIONS_H
#define RCPTWALL_COMMAND_OPTIONS_H

#include <getopt.h>
#include <stdbool.h>

/*
 * What getopt_long refused, with opterr 0 and ':' in front of the short options: got is ':' (a value is missing) or '?'
 * (no such option, too short a form of several, or a value that it doesn't take). known: the long options.
 */
bool command_bad_option(const char *command, int got, char **argv, const struct option *known);
/* "OPTION VALUE: WANTED is needed"; option NULL: an argument that belongs to none */
bool command_bad_value(const char *command, const char *option, const char *value, const char *wanted);
/* An argument that belongs to no option. takes_config: the command has -c. */
bool command_bad_argument(const char *command, const char *argument, bool takes_config);
/* No subcommand's name. */
bool command_unknown(const char *word);
/* Anything else: `what`. */
bool command_complain(const char *command, const char *what);

#endif
