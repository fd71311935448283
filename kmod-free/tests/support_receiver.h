/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * support_receiver - what stands behind the gateway in tests: a receiver of one TCP
 * direction, as simple as can be, and a strict SMTP server that reads from it.
 *
 * Receivers differ in what they make of two copies of a byte beyond a gap: some keep
 * the first, some take the last. Which one the server has must never matter.
 */
#ifndef RCPTWALL_TESTS_SUPPORT_RECEIVER_H
#define RCPTWALL_TESTS_SUPPORT_RECEIVER_H

#include "kmod-free/bytes.h"

struct receiver {
    uint8_t *bytes; /* the stream, and what lies beyond gaps */
    bool *have;
    size_t room;
    size_t read; /* the application has everything before this */
    bool last_wins;
};

/* false: no memory. */
RW_CHECK bool receiver_new(struct receiver *, size_t room, bool last_wins);
void receiver_free(struct receiver *);
/* What the application has already, and what is behind `room`, is passed over. */
void receiver_take(struct receiver *, size_t offset, struct bytes data);
/* How many bytes could be read now. */
size_t receiver_ready(const struct receiver *);

/*
 * A server that takes everything, ends lines and messages with CRLF only, and knows
 * no odd forms. It reads byte by byte; `say` is called for each reply.
 */
struct strict_server {
    struct receiver in;
    size_t line_from; /* where the current line began */
    bool in_body;
    bool over;         /* set it to make the server stop reading */
    uint32_t external; /* RCPT commands that it got for @ext.example */
    uint32_t refused;  /* ... that came as rewrite_refuse makes them: answered with 501 */
    uint32_t local;    /* others */
    uint32_t messages;
    void (*say)(void *ctx, const char *text);
    void *ctx;
};

void strict_server_read(struct strict_server *);

#endif
