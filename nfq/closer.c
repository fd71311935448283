/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nfq/closer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef TCP_REPAIR_OFF_NO_WP
#define TCP_REPAIR_OFF_NO_WP (-1) /* linux/tcp.h has it, and can't be included beside netinet/tcp.h */
#endif

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static socklen_t address_of(const struct endpoint *e, union address *out)
{
    memset(out, 0, sizeof *out);
    if (e->addr.family == 4) {
        out->v4.sin_family = AF_INET;
        out->v4.sin_port = htons(e->port);
        memcpy(&out->v4.sin_addr, e->addr.at, sizeof out->v4.sin_addr);
        return sizeof out->v4;
    }
    out->v6.sin6_family = AF_INET6;
    out->v6.sin6_port = htons(e->port);
    memcpy(&out->v6.sin6_addr, e->addr.at, sizeof out->v6.sin6_addr);
    return sizeof out->v6;
}

static bool set_int(int fd, int level, int option, int value)
{
    return setsockopt(fd, level, option, &value, sizeof value) == 0;
}

static bool set_sequence(int fd, int queue, struct seq number)
{
    return set_int(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE, queue) &&
           setsockopt(fd, IPPROTO_TCP, TCP_QUEUE_SEQ, &number.v, sizeof number.v) == 0;
}

/* A connection that never had a handshake, from `from` to `to`. */
static bool pretend(int fd, const struct close_request *r, uint32_t mark)
{
    bool v4 = r->from.addr.family == 4;
    union address from, to;
    socklen_t from_len = address_of(&r->from, &from), to_len = address_of(&r->to, &to);
    /* repair mode before bind: only then may the port be one that a listener here has, too */
    return set_int(fd, v4 ? SOL_IP : SOL_IPV6, v4 ? IP_TRANSPARENT : IPV6_TRANSPARENT, 1) &&
           setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof mark) == 0 && set_int(fd, IPPROTO_TCP, TCP_REPAIR, 1) &&
           bind(fd, &from.any, from_len) == 0 && set_sequence(fd, TCP_SEND_QUEUE, r->numbers.seq) &&
           set_sequence(fd, TCP_RECV_QUEUE, r->numbers.ack) && connect(fd, &to.any, to_len) == 0;
}

int closer_send(const struct close_request *r, uint32_t mark)
{
    int fd = socket(r->from.addr.family == 4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP);
    if (fd < 0)
        return -errno;
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    int error = 0;
    /* out of repair mode without a window probe; a socket still in it closes without a word, which is right on errors
     */
    if (!pretend(fd, r, mark) || setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once) != 0 ||
        !set_int(fd, IPPROTO_TCP, TCP_REPAIR, TCP_REPAIR_OFF_NO_WP))
        error = -errno;
    close(fd);
    return error;
}
