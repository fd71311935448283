/* SPDX-License-Identifier: GPL-2.0-or-later */
/* command_check_start - what `rcptwall run` would refuse on this machine, though the configuration is a good one. */
#ifndef RCPTWALL_COMMAND_CHECK_START_H
#define RCPTWALL_COMMAND_CHECK_START_H

#include "rules/config.h"

/*
 * Tells of each thing: "user: there is no user "x" here". Nothing is made or changed. Without root it can't be seen
 * what root, or the daemon's user, may do: then only what isn't there is told. Returns how many there were.
 */
size_t command_check_start(const struct config *, void (*tell)(void *ctx, const char *text), void *ctx);
/* Warns of what `run` lets pass, and what won't work then: a reload, `status`. path: the configuration. */
void command_check_later(const struct config *, const char *path, void (*warn)(void *ctx, const char *text), void *ctx);

#endif
