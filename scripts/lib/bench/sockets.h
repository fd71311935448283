/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sockets - what the client and the server of a measurement (load, sink) and the floor begin and end with. */
#ifndef RCPTWALL_BENCH_SOCKETS_H
#define RCPTWALL_BENCH_SOCKETS_H

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>

/* errno's text behind `what`; exit status 1. */
static inline _Noreturn void die(const char *what)
{
    perror(what);
    exit(1);
}

struct address {
    struct sockaddr_storage at;
    socklen_t len;
};

/* IPv4 or IPv6; anything else ends the program with status 2. */
static inline struct address address_of(const char *text, uint16_t port)
{
    struct address a = {0};
    struct sockaddr_in *four = (void *)&a.at;
    struct sockaddr_in6 *six = (void *)&a.at;
    if (inet_pton(AF_INET, text, &four->sin_addr) == 1) {
        four->sin_family = AF_INET;
        four->sin_port = htons(port);
        a.len = sizeof *four;
    } else if (inet_pton(AF_INET6, text, &six->sin6_addr) == 1) {
        six->sin6_family = AF_INET6;
        six->sin6_port = htons(port);
        a.len = sizeof *six;
    } else {
        fprintf(stderr, "not an address: %s\n", text);
        exit(2);
    }
    return a;
}

/* As many files as we may have. false: errno says why. */
static inline bool all_files(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) < 0)
        return false;
    files.rlim_cur = files.rlim_max;
    return setrlimit(RLIMIT_NOFILE, &files) == 0;
}

#endif
