/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * closer - sends the one RST that an NFQUEUE verdict can't: the one back to the
 * sender of the queued packet.
 *
 * It takes a TCP socket in repair mode, tells it addresses and sequence numbers of
 * the connection, and closes it without lingering: the kernel itself then builds
 * RST|ACK, routes it and shows it to conntrack. That needs CAP_NET_ADMIN, and
 * CAP_NET_BIND_SERVICE for the server's port; no raw socket.
 */
#ifndef RCPTWALL_CLOSER_H
#define RCPTWALL_CLOSER_H

#include "nfq/channel.h"

/*
 * mark: SO_MARK, so that our rules know the packet as ours. 0 or -errno; not sent
 * if the host itself holds that connection. Doesn't block.
 */
RW_CHECK int closer_send(const struct close_request *, uint32_t mark);

#endif
