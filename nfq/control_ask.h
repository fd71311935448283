/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * control_ask - the asking end of the control socket, for `rcptwall status` and `rcptwall offenders`. What goes wrong is
 * said in one line on stderr, in the name of the command.
 */
#ifndef RCPTWALL_CONTROL_ASK_H
#define RCPTWALL_CONTROL_ASK_H

#include "kmod-free/bytes.h"

/* Where to ask: `socket`, or what that configuration (NULL: the usual one, if it can be read) names, or the usual place. To be freed; NULL: said. */
RW_CHECK char *control_ask_where(const char *command, const char *socket, const char *config);
/* What the daemon says; at most `lines` lines of it (0: all). To be freed; NULL: said. */
RW_CHECK char *control_ask(const char *command, const char *path, size_t lines, size_t *len);

#endif
