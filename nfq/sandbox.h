/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sandbox - what is left of the system for a process that reads hostile bytes.
 *
 * Theory of operation
 *
 * Two walls, behind the change of user and of capabilities, and never to be taken down:
 *
 * - seccomp: a list of the system calls that a process of this kind needs; all others
 *   fail with EPERM. No worker can open a file or a socket, start a program, or make
 *   memory executable.
 * - Landlock, where the kernel has it (5.13): no file can be reached, whatever the
 *   system call; from ABI 4 on no TCP port, from 6 on no foreign process by a signal.
 *
 * The supervisor enters first and keeps what any of its children needs, since they
 * start inside its walls; each of them then builds its own, which are narrower.
 *
 * What a taken-over worker still can do: CAP_NET_ADMIN on the netlink socket of its
 * queue, whose protocol (netfilter) also carries rule sets. The kernel offers no way to give
 * up one and keep the other.
 */
#ifndef RCPTWALL_SANDBOX_H
#define RCPTWALL_SANDBOX_H

#include "kmod-free/bytes.h"

enum sandbox {
    SANDBOX_SUPERVISOR = 1, /* may read files, and write those below its folders */
    SANDBOX_WORKER,         /* talks to what is open already */
    SANDBOX_REPORTER,       /* also: Unix sockets (syslog may be started again) */
    SANDBOX_DNSBL,          /* also: questions to name servers */
    SANDBOX_STATUS,         /* also: accepts connections */
};

/* folders: SANDBOX_SUPERVISOR only; paths, NULL entries are passed over. 0, or -errno: something is in force, not all. */
RW_CHECK int sandbox_enter(enum sandbox, const char *const *folders, size_t count);

/* What this process is behind. The ABI version of Landlock; 0: none. */
int sandbox_landlock(void);
bool sandbox_seccomp(void);

#endif
