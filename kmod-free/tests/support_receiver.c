/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kmod-free/tests/support_receiver.h"

#include <stdlib.h>

bool receiver_new(struct receiver *r, size_t room, bool last_wins)
{
    *r = (struct receiver){
        .bytes = calloc(1, room), .have = calloc(room, sizeof(bool)), .room = room, .last_wins = last_wins};
    if (r->bytes && r->have)
        return true;
    receiver_free(r);
    return false;
}

void receiver_free(struct receiver *r)
{
    free(r->bytes);
    free(r->have);
    *r = (struct receiver){0};
}

void receiver_take(struct receiver *r, size_t offset, struct bytes data)
{
    for (size_t i = 0; i < data.len; i++) {
        size_t at = offset + i;
        if (at >= r->room || at < r->read)
            continue;
        if (!r->have[at] || r->last_wins)
            r->bytes[at] = data.at[i];
        r->have[at] = true;
    }
}

size_t receiver_ready(const struct receiver *r)
{
    size_t n = 0;
    while (r->read + n < r->room && r->have[r->read + n])
        n++;
    return n;
}

static bool has(struct bytes line, const char *text)
{
    size_t len = strlen(text);
    for (size_t i = 0; i + len <= line.len; i++)
        if (memcmp(line.at + i, text, len) == 0)
            return true;
    return false;
}

static void take_line(struct strict_server *s, struct bytes line)
{
    if (s->in_body) {
        if (line.len == 1 && line.at[0] == '.') {
            s->in_body = false;
            s->messages++;
            s->say(s->ctx, "250 queued\r\n");
        }
        return;
    }
    if (bytes_begin_nocase(line, bytes_str("RCPT TO:<@@")) && line.at[line.len - 1] == '>') {
        s->refused++;
        s->say(s->ctx, "501 5.1.3 Bad recipient address syntax\r\n");
        return;
    }
    if (bytes_begin_nocase(line, bytes_str("RCPT TO:<"))) {
        const uint8_t *end = memchr(line.at, '>', line.len);
        if (end) /* what stands behind an address is no address */
            line.len = (size_t)(end - line.at);
        if (has(line, "@ext.example"))
            s->external++;
        else
            s->local++;
    }
    if (bytes_begin_nocase(line, bytes_str("DATA")) && line.len == 4) {
        s->in_body = true;
        s->say(s->ctx, "354 go\r\n");
    } else if (bytes_begin_nocase(line, bytes_str("EHLO "))) {
        s->say(s->ctx, "250-me\r\n250 PIPELINING\r\n");
    } else if (bytes_begin_nocase(line, bytes_str("XXXX"))) {
        s->say(s->ctx, "500 what\r\n");
    } else {
        s->say(s->ctx, "250 ok\r\n");
    }
}

void strict_server_read(struct strict_server *s)
{
    struct receiver *in = &s->in;
    while (in->read < in->room && in->have[in->read] && !s->over) {
        in->read++;
        size_t n = in->read - s->line_from;
        if (n >= 2 && in->bytes[in->read - 2] == '\r' && in->bytes[in->read - 1] == '\n') {
            struct bytes line = bytes_of(in->bytes + s->line_from, n - 2);
            s->line_from = in->read;
            take_line(s, line);
        }
    }
}
