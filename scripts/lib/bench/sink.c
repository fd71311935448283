// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * sink PORT ADDRESS...
 *
 * A light SMTP server to measure with: one thread, accepts everything, answers pipelined commands in one write.
 * It looks for the end of a message only at the end of a read, so its client must wait for the reply to a message
 * before it says more.
 */
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "scripts/lib/bench/sockets.h"

#define FILES_MAX (1 << 17)

struct connection {
    int fd;
    bool listens, in_message;
    size_t used;
    char line[256], tail[5];
};

static struct connection connections[FILES_MAX]; /* by file descriptor */
static char in[1 << 18], out[1 << 16];

/* Answers the command in c->line; true: it was QUIT. */
static bool answer(struct connection *c, char **o)
{
    const char *reply = "250 ok\r\n";
    bool quit = false;
    if (strncasecmp(c->line, "EHLO", 4) == 0) {
        reply = "250-sink\r\n250 PIPELINING\r\n";
    } else if (strncasecmp(c->line, "DATA", 4) == 0) {
        reply = "354 go\r\n";
        c->in_message = true;
        memset(c->tail, 0, sizeof c->tail);
    } else if (strncasecmp(c->line, "QUIT", 4) == 0) {
        reply = "221 bye\r\n";
        quit = true;
    }
    *o = stpcpy(*o, reply);
    c->used = 0;
    return quit;
}

/* Does the message end with these bytes? */
static bool message_ends(struct connection *c, size_t n)
{
    size_t fresh = n < sizeof c->tail ? n : sizeof c->tail;
    memmove(c->tail, c->tail + fresh, sizeof c->tail - fresh);
    memcpy(c->tail + sizeof c->tail - fresh, in + n - fresh, fresh);
    return memcmp(c->tail, "\r\n.\r\n", sizeof c->tail) == 0;
}

/* false: the connection is over. */
static bool serve(struct connection *c)
{
    ssize_t n = recv(c->fd, in, sizeof in, MSG_DONTWAIT);
    char *o = out;
    bool quit = false;
    if (n <= 0)
        return n < 0;
    if (c->in_message) {
        if (!message_ends(c, (size_t)n))
            return true;
        c->in_message = false;
        o = stpcpy(o, "250 taken\r\n");
    } else {
        for (ssize_t i = 0; i < n && o < out + sizeof out - 64; i++) {
            if (c->used < sizeof c->line)
                c->line[c->used++] = in[i];
            if (in[i] == '\n')
                quit |= answer(c, &o);
        }
    }
    if (o > out && send(c->fd, out, (size_t)(o - out), MSG_NOSIGNAL) < 0)
        return false;
    return !quit;
}

static void watch(int epoll, int fd, bool listens)
{
    struct epoll_event e = {.events = EPOLLIN, .data.fd = fd};
    if (fd >= FILES_MAX || epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e) < 0)
        die("sink: epoll");
    connections[fd] = (struct connection){.fd = fd, .listens = listens};
}

static void listen_on(int epoll, const char *address, uint16_t port)
{
    struct address a = address_of(address, port);
    int fd = socket(a.at.ss_family, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (void *)&a.at, a.len) < 0 || listen(fd, 16384) < 0)
        die(address);
    watch(epoll, fd, true);
}

static void greet(int epoll, int listener)
{
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK), one = 1;
    if (fd < 0)
        return;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    watch(epoll, fd, false);
    if (send(fd, "220 sink ESMTP\r\n", 16, MSG_NOSIGNAL) < 0)
        shutdown(fd, SHUT_RDWR);
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: sink PORT ADDRESS...\n");
        return 2;
    }
    int epoll = epoll_create1(0);
    if (epoll < 0 || !all_files())
        die("sink");
    for (int i = 2; i < argc; i++)
        listen_on(epoll, argv[i], (uint16_t)strtol(argv[1], NULL, 10));
    for (;;) {
        struct epoll_event events[256];
        int n = epoll_wait(epoll, events, 256, -1);
        for (int i = 0; i < n; i++) {
            struct connection *c = &connections[events[i].data.fd];
            if (c->listens) {
                greet(epoll, c->fd);
            } else if (!serve(c)) {
                close(c->fd);
            }
        }
    }
}
