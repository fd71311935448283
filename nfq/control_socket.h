/* SPDX-License-Identifier: GPL-2.0-or-later */
/* control_socket - the Unix socket between a running daemon and `rcptwall status`. */
#ifndef RCPTWALL_CONTROL_SOCKET_H
#define RCPTWALL_CONTROL_SOCKET_H

#include "nfq/privileges.h"

/*
 * The daemon's end, listening: mode 0600, of the user that the daemon becomes; 0660 and
 * of `group` if that isn't NULL. path NULL: the default one, whose folder is made. What a
 * daemon that is gone has left there is replaced. -1, and one line in `error`.
 */
RW_CHECK int control_socket_open(const char *path, const char *group, const struct identity *become, char *error,
                                 size_t room);
/* Closes it and takes the name away, as far as the user may by now. */
void control_socket_close(int fd, const char *path);
/* The asking end; waits for some seconds to be let in. -1 and errno, EAGAIN when they are over. */
RW_CHECK int control_socket_connect(const char *path);

#endif
