/* SPDX-License-Identifier: GPL-2.0-or-later */
/* notify - tells systemd how we are (the protocol of sd_notify(3)), when it asked by NOTIFY_SOCKET. */
#ifndef RCPTWALL_NOTIFY_H
#define RCPTWALL_NOTIFY_H

/* "READY=1", "STOPPING=1". 0 also when nobody asked; -errno. */
int notify_send(const char *state);

#endif
