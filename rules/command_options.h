/* SPDX-License-Identifier: GPL-2.0-or-later */
/* command_options - one clear line about a command line that can't be used, the same from check, dnsbl, offenders,
 * probe and rules. */
#ifndef RCPTWALL_COMMAND_OPTIONS_H
#define RCPTWALL_COMMAND_OPTIONS_H

#include <stdbool.h>

/* For getopt_long with opterr 0 and ':' in front of the short options: got is ':' (a value is missing) or '?'. */
void command_bad_option(const char *command, int got, char **argv);
/* An argument that belongs to no option. */
void command_bad_argument(const char *command, const char *argument);

/* `what`, and behind it, unless it is NULL, the value in quotes. Always false. */
bool command_complain(const char *command, const char *what, const char *value);

#endif
