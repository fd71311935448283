/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * privileges - each process keeps only what its job needs: the supervisor
 * CAP_NET_ADMIN (queues, TCP_REPAIR) and CAP_NET_BIND_SERVICE (the server's port),
 * a worker CAP_NET_ADMIN (verdicts), the reporter nothing.
 */
#ifndef RCPTWALL_PRIVILEGES_H
#define RCPTWALL_PRIVILEGES_H

#include "kmod-free/bytes.h"

#include <sys/types.h>

struct identity {
    uid_t uid;
    gid_t gid;
    bool set; /* false: stay who we are */
};

/* Looks the user up. 0, or -ENOENT if there is no such user. */
RW_CHECK int privileges_find_user(const char *name, struct identity *out);

enum privilege {
    PRIVILEGE_NET_ADMIN = 1 << 0,
    PRIVILEGE_NET_BIND = 1 << 1,
};

/* Has this process all of them? */
bool privileges_have(unsigned wanted);
/*
 * Gives up everything but `keep` (as far as it is there), for good: no exec gets it
 * back. With an identity also changes the user; not twice in one process tree. 0 or -errno.
 */
RW_CHECK int privileges_keep(unsigned keep, const struct identity *become);
/* No core dump and no debugger: this memory holds mail (D5). Again after each change of user. */
void privileges_no_dump(void);

#endif
