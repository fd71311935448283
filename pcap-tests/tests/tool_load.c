// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tool_load short SESSIONS AT-ONCE CAPTURE
 * tool_load bulk SESSIONS BODY MSS CAPTURE
 * tool_load table FLOWS ROUNDS CAPTURE
 *
 * Writes captures to measure with, the same bytes each time:
 *   short  whole sessions of one message each, AT-ONCE of them side by side, packet by packet
 *   bulk   one session after another, each with one message of BODY bytes in segments of MSS
 *          bytes; the server acknowledges every second one
 *   table  FLOWS sessions that are greeted and stay open; then ROUNDS times a NOOP and its
 *          answer on each of them, in an order that no cache guesses
 * Prints one line: packets, and the bytes of message bodies.
 */
#include "kmod-free/tests/support.h"

#include <stdlib.h>

#define LINKTYPE_RAW 101
/* 2026-11-24T04:25:26Z, and a packet every 10 us */
#define START_NS     (INT64_C(1795494326) * NS_PER_S)
#define EVERY_NS     10000
#define BODY_LINE    78

struct load {
    FILE *out;
    int64_t now;
    uint64_t packets, body;
};

struct step {
    enum role from;
    uint8_t flags; /* ACK is added but to the first SYN */
    const char *text;
};

static const struct step short_steps[] = {
    {ROLE_CLIENT, TCP_SYN, ""},
    {ROLE_SERVER, TCP_SYN, ""},
    {ROLE_CLIENT, 0, ""},
    {ROLE_SERVER, TCP_PSH, "220 mail.local.example ESMTP\r\n"},
    {ROLE_CLIENT, 0, ""},
    {ROLE_CLIENT, TCP_PSH, "EHLO client.example\r\n"},
    {ROLE_SERVER, 0, ""},
    {ROLE_SERVER, TCP_PSH, "250-mail.local.example\r\n250-SIZE 35882577\r\n250 PIPELINING\r\n"},
    {ROLE_CLIENT, TCP_PSH, "MAIL FROM:<sender@client.example>\r\n"},
    {ROLE_SERVER, TCP_PSH, "250 2.1.0 Ok\r\n"},
    {ROLE_CLIENT, TCP_PSH, "RCPT TO:<user1@local.example>\r\n"},
    {ROLE_SERVER, TCP_PSH, "250 2.1.5 Ok\r\n"},
    {ROLE_CLIENT, TCP_PSH, "DATA\r\n"},
    {ROLE_SERVER, TCP_PSH, "354 End data with <CR><LF>.<CR><LF>\r\n"},
    {ROLE_CLIENT, TCP_PSH, NULL}, /* the message */
    {ROLE_SERVER, TCP_PSH, "250 2.0.0 Ok: queued as 4F2B61C0\r\n"},
    {ROLE_CLIENT, TCP_PSH, "QUIT\r\n"},
    {ROLE_SERVER, TCP_PSH | TCP_FIN, "221 2.0.0 Bye\r\n"},
    {ROLE_CLIENT, 0, ""},
    {ROLE_CLIENT, TCP_FIN, ""},
    {ROLE_SERVER, 0, ""},
};
#define SHORT_STEPS   (sizeof short_steps / sizeof short_steps[0])
#define MESSAGE_STEP  14

static void add(struct load *l, struct support_tcp *t, const struct step *step, struct bytes payload)
{
    static uint8_t l3[SUPPORT_PACKET_MAX];
    size_t len = support_tcp_send(t, step->from, step->flags, payload, l3, sizeof l3);

    support_pcap_add(l->out, l->now, bytes_of(l3, len), 0);
    l->now += EVERY_NS;
    l->packets++;
}

static void say(struct load *l, struct support_tcp *t, const struct step *step)
{
    add(l, t, step, bytes_str(step->text));
}

/* n different clients of one server. */
static struct support_tcp connection(uint32_t n)
{
    struct support_tcp t = {.next = {1000 + n * 7919, 5000 + n * 104729}};

    t.of[ROLE_CLIENT] = support_endpoint("198.18.0.0", (uint16_t)(1024 + n % 50000));
    t.of[ROLE_CLIENT].addr.at[1] = (uint8_t)(18 + (n / 50000 >> 16));
    t.of[ROLE_CLIENT].addr.at[2] = (uint8_t)(n / 50000 >> 8);
    t.of[ROLE_CLIENT].addr.at[3] = (uint8_t)(2 + n / 50000);
    t.of[ROLE_SERVER] = support_endpoint("192.0.2.25", 25);
    return t;
}

/* A message of about len bytes with its end, in lines. */
static struct bytes message(size_t len)
{
    static const char head[] = "Subject: load\r\n\r\n", end[] = ".\r\n";
    size_t lines = len / (BODY_LINE + 2) + 1, at = sizeof head - 1;
    uint8_t *text = malloc(at + lines * (BODY_LINE + 2) + sizeof end);

    if (!text)
        abort();
    memcpy(text, head, at);
    for (size_t i = 0; i < lines; i++, at += BODY_LINE + 2) {
        memset(text + at, 'x', BODY_LINE);
        memcpy(text + at + BODY_LINE, "\r\n", 2);
    }
    memcpy(text + at, end, sizeof end - 1);
    return bytes_of(text, at + sizeof end - 1);
}

static void say_message(struct load *l, struct support_tcp *t, struct bytes text, size_t mss)
{
    const struct step data = {.from = ROLE_CLIENT}, ack = {.from = ROLE_SERVER};

    l->body += text.len;
    for (size_t n = 1; text.len > 0; n++) {
        add(l, t, &data, bytes_first(text, mss));
        text = bytes_from(text, mss);
        if (n % 2 == 0)
            add(l, t, &ack, (struct bytes){0});
    }
}

static void write_short(struct load *l, uint32_t sessions, uint32_t at_once)
{
    struct support_tcp *open = calloc(at_once, sizeof *open);
    struct bytes text = message(1024);

    if (!open)
        abort();
    for (uint32_t first = 0; first < sessions; first += at_once) {
        uint32_t n = sessions - first < at_once ? sessions - first : at_once;

        for (uint32_t i = 0; i < n; i++)
            open[i] = connection(first + i);
        for (size_t s = 0; s < SHORT_STEPS; s++) {
            for (uint32_t i = 0; i < n; i++) {
                add(l, &open[i], &short_steps[s], s == MESSAGE_STEP ? text : bytes_str(short_steps[s].text));
                l->body += s == MESSAGE_STEP ? text.len : 0;
            }
        }
    }
    free(open);
    free((void *)(uintptr_t)text.at);
}

static void write_bulk(struct load *l, uint32_t sessions, size_t body, size_t mss)
{
    struct bytes text = message(body);

    for (uint32_t n = 0; n < sessions; n++) {
        struct support_tcp t = connection(n);

        for (size_t s = 0; s < SHORT_STEPS; s++) {
            if (s == MESSAGE_STEP)
                say_message(l, &t, text, mss);
            else
                say(l, &t, &short_steps[s]);
        }
    }
    free((void *)(uintptr_t)text.at);
}

static void write_table(struct load *l, uint32_t flows, uint32_t rounds)
{
    static const size_t greeting[] = {0, 1, 3}; /* SYN, SYN|ACK, 220 */
    static const struct step noop = {ROLE_CLIENT, TCP_PSH, "NOOP\r\n"}, done = {ROLE_SERVER, TCP_PSH, "250 Ok\r\n"};
    struct support_tcp *open = calloc(flows, sizeof *open);
    uint64_t at = 0;

    if (!open)
        abort();
    for (uint32_t i = 0; i < flows; i++) {
        open[i] = connection(i);
        for (size_t s = 0; s < sizeof greeting / sizeof greeting[0]; s++)
            say(l, &open[i], &short_steps[greeting[s]]);
    }
    for (uint64_t n = 0; n < (uint64_t)flows * rounds; n++) {
        at = (at + 611953) % flows; /* a prime that divides no number of flows used here: visits all of them */
        say(l, &open[at], &noop);
        say(l, &open[at], &done);
    }
    free(open);
}

int main(int argc, char **argv)
{
    struct load l = {.now = START_NS};
    unsigned long n[3] = {0};
    const char *kind = argc > 1 ? argv[1] : "";
    int numbers = strcmp(kind, "bulk") == 0 ? 3 : 2;

    for (int i = 0; i < numbers && i + 2 < argc; i++)
        n[i] = strtoul(argv[i + 2], NULL, 10);
    if (argc != numbers + 3 || n[0] == 0 || n[0] > 10000000 || !(l.out = fopen(argv[numbers + 2], "wb"))) {
        fprintf(stderr, "Usage: tool_load short SESSIONS AT-ONCE CAPTURE | bulk SESSIONS BODY MSS CAPTURE |\n"
                        "       table FLOWS ROUNDS CAPTURE\n");
        return 2;
    }
    support_pcap_start(l.out, LINKTYPE_RAW);
    if (strcmp(kind, "short") == 0 && n[1] > 0)
        write_short(&l, (uint32_t)n[0], (uint32_t)n[1]);
    else if (strcmp(kind, "bulk") == 0 && n[2] > 0 && n[2] < 65000)
        write_bulk(&l, (uint32_t)n[0], n[1], n[2]);
    else if (strcmp(kind, "table") == 0)
        write_table(&l, (uint32_t)n[0], (uint32_t)n[1]);
    printf("%llu packets, %llu bytes of messages\n", (unsigned long long)l.packets, (unsigned long long)l.body);
    return fclose(l.out) == 0 && l.packets > 0 ? 0 : 2;
}
