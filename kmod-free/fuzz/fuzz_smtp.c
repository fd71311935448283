/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The dialogue's D4: the same bytes give the same events however they were cut. The
 * input is a script in pieces separated by 0xfe: 'c' and raw bytes of the client, 'C'
 * the same and CRLF, 's' and 'S' of the server, 'g' a gap of the client, 'h' of the
 * server, 'p' a secret at an AUTH prompt, 'P' one behind AUTH PLAIN. The first byte says how the session begins and how
 * long lines may be. It is played in these pieces, in single bytes, and in pieces of other lengths. No event may show
 * the secret (D5).
 */
#include <stdio.h>
#include <stdlib.h>

#include "kmod-free/smtp_internal.h"
#include "kmod-free/tests/support_smtp.h"

#define INPUT_MAX 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void feed(struct play *p, enum role from, struct bytes b, size_t step)
{
    for (size_t n = 0; step > 0 && b.len > 0; b = bytes_from(b, n)) {
        n = step < b.len ? step : b.len;
        play_feed(p, from, bytes_first(b, n));
    }
    if (step == 0 && b.len > 0)
        play_feed(p, from, b);
}

#define SECRET "c2VjcmV0LXNlY3JldA=="

static void no_secret(void *ctx, const struct smtp_event *ev)
{
    (void)ctx;
    if (ev->text.len > 0 && memmem(ev->text.at, ev->text.len, SECRET, sizeof(SECRET) - 1) != NULL)
        abort();
}

/* Only where it begins a line. */
static void say_secret(struct play *p, uint8_t op, size_t step)
{
    bool fits = op == 'p' ? p->s.client == SMTP_AT_PROMPT : p->s.client == SMTP_AT_COMMAND;
    if (fits && p->len[ROLE_CLIENT] == 0)
        feed(p, ROLE_CLIENT, bytes_str(op == 'p' ? SECRET "\r\n" : "AUTH PLAIN " SECRET "\r\n"), step);
}

static void one_piece(struct play *p, struct bytes piece, size_t step)
{
    static uint8_t line[INPUT_MAX + 2];
    if (piece.len == 0)
        return;
    uint8_t op = piece.at[0];
    if (op == 'g' || op == 'h') {
        play_gap(p, op == 'g' ? ROLE_CLIENT : ROLE_SERVER);
        return;
    }
    if (op == 'p' || op == 'P') {
        say_secret(p, op, step);
        return;
    }
    struct bytes said = bytes_from(piece, 1);
    if (said.len > 0)
        memcpy(line, said.at, said.len);
    memcpy(line + said.len, "\r\n", 2);
    bool ended = op == 'C' || op == 'S';
    feed(p, ascii_lower(op) == 's' ? ROLE_SERVER : ROLE_CLIENT, bytes_of(line, said.len + (ended ? 2 : 0)), step);
}

static void play(struct play *p, struct bytes script, size_t step)
{
    uint8_t how = script.at[0];
    p->cfg.line_max = how & 2 ? 40 : SMTP_LINE_MAX_DEFAULT;
    p->offer_max = how & 4 ? 11 : 0;
    play_start(p, how & 1 ? SMTP_MIDSTREAM : SMTP_FROM_BANNER);
    for (script = bytes_from(script, 1); script.len > 0;) {
        const uint8_t *end = memchr(script.at, 0xfe, script.len);
        size_t n = end != NULL ? (size_t)(end - script.at) : script.len;
        one_piece(p, bytes_first(script, n), step);
        script = bytes_from(script, n + 1);
    }
    play_fin(p, ROLE_SERVER);
    play_fin(p, ROLE_CLIENT);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const size_t steps[] = {1, 2, 3, 7, 41};
    static char whole[PLAY_EVENTS];
    if (size < 2 || size > INPUT_MAX || memmem(data, size, SECRET, sizeof(SECRET) - 1) != NULL)
        return 0;          /* what the input itself tells is no secret */
    static struct play *p; /* one for all inputs; play_start forgets the last one */
    if (p == NULL)
        p = play_new();
    p->on_event = no_secret;
    play(p, bytes_of(data, size), 0);
    struct smtp_facts facts = p->s.facts;
    memcpy(whole, p->events, p->events_len + 1);
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        play(p, bytes_of(data, size), steps[i]);
        if (strcmp(whole, p->events) == 0 && play_same_facts(&facts, &p->s.facts))
            continue;
        fprintf(stderr, "--- whole\n%s--- in steps of %zu\n%s", whole, steps[i], p->events);
        abort();
    }
    return 0;
}
