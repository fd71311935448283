/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nfq/control_ask.h"

#include "nfq/control_socket.h"
#include "rules/config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define ANSWER_MAX ((size_t)16 << 20)
#define PIECE      65536
#define PATIENCE_S 10

char *control_ask_where(const char *command, const char *socket, const char *config)
{
    struct config c = {0};
    char error[512];
    const char *path = socket;
    /* a file that isn't named and isn't there, or that this user may not read, means the default */
    if (path == NULL && (config != NULL || access(CONFIG_PATH, R_OK) == 0)) {
        bool good = config_read(&c, config != NULL ? config : CONFIG_PATH, error, sizeof error);
        if (!good)
            fprintf(stderr, "rcptwall %s: %s\n", command, error);
        if (!good && config != NULL) {
            config_free(&c);
            return NULL;
        }
        if (good) /* otherwise the daemon may well go on by what was there before: now it is asked most */
            path = c.control_socket;
    }
    char *copy = strdup(path != NULL ? path : CONTROL_SOCKET_PATH);
    config_free(&c);
    if (copy == NULL)
        fprintf(stderr, "rcptwall %s: out of memory\n", command);
    return copy;
}

struct answer {
    char *at;
    size_t len, room, lines;
};

/* 1: more came; 0: that was all; -1 and errno. */
static int take_piece(int fd, struct answer *a)
{
    if (a->len == a->room) {
        char *grown = a->room < ANSWER_MAX ? realloc(a->at, a->room + PIECE) : NULL;
        if (grown == NULL) {
            errno = EMSGSIZE;
            return -1;
        }
        a->at = grown;
        a->room += PIECE;
    }
    ssize_t n = recv(fd, a->at + a->len, a->room - a->len, 0);
    if (n <= 0)
        return (int)n;
    for (ssize_t i = 0; i < n; i++)
        a->lines += a->at[a->len + (size_t)i] == '\n';
    a->len += (size_t)n;
    return 1;
}

/* The length of the first lines. */
static size_t cut(const struct answer *a, size_t lines)
{
    size_t len = 0;
    while (len < a->len && lines > 0)
        lines -= a->at[len++] == '\n';
    return len;
}

char *control_ask(const char *command, const char *path, size_t lines, size_t *len)
{
    const struct timeval wait = {.tv_sec = PATIENCE_S};
    struct answer a = {0};
    int fd = control_socket_connect(path), n = -1;
    if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait) == 0)
        do
            n = take_piece(fd, &a);
        while (n > 0 && (lines == 0 || a.lines < lines));
    int error = errno;
    if (fd >= 0)
        close(fd);
    if (n >= 0 && a.at != NULL) {
        *len = lines == 0 ? a.len : cut(&a, lines);
        return a.at;
    }
    free(a.at);
    if (error == ENOENT || error == ECONNREFUSED)
        fprintf(stderr, "rcptwall %s: not running (nobody listens on %s)\n", command, path);
    else
        fprintf(stderr, "rcptwall %s: %s: %s\n", command, path, strerror(error == EAGAIN ? ETIMEDOUT : error));
    return NULL;
}
