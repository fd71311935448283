// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tool_dialogue [--mss N] [--join] DIALOGUE CAPTURE
 *
 * Turns an SMTP session written as text into a capture; pcap-tests/dialogues/README has
 * the language. --mss cuts every segment into pieces of at most N bytes, --join puts lines
 * of one side that follow each other into one segment: the bytes stay the same.
 */
#include "kmod-free/tests/support.h"
#include "kmod-free/tests/support_link.h"

#include <stdarg.h>
#include <stdlib.h>

#define MSS_USUAL 1460
#define SAY_MAX   (1u << 20)
/* 2026-11-24T04:25:26Z */
#define START_NS  (INT64_C(1795494326) * NS_PER_S)

/* What is to be sent next, and how. */
struct say {
    enum role from;
    uint8_t *text;
    size_t len;
    bool lost, twice, swap, badsum, urgent;
    size_t cut, fragments;
};

/* A frame that waits for the next segment to overtake it. */
struct held {
    uint8_t l3[SUPPORT_PACKET_MAX];
    size_t len, wire_len;
    size_t fragments;
};

struct dialogue {
    const char *path;
    int line;
    size_t mss;
    bool join;
    FILE *out;
    const struct support_link *link;
    uint32_t mark;
    int only; /* enum role, or -1: both */
    bool midstream, open_end, opened;
    struct support_tcp tcp;
    uint32_t isn[ROLE_COUNT];
    uint32_t last_seq[ROLE_COUNT];
    int64_t now;
    uint32_t fragment_id;
    struct say say;
    struct held held[512];
    size_t held_count;
};

__attribute__((format(printf, 2, 3))) static _Noreturn void fail(const struct dialogue *d, const char *format, ...)
{
    va_list args;

    fprintf(stderr, "%s:%d: ", d->path, d->line);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    exit(2);
}

/* Frames */

static void add_frame(struct dialogue *d, struct bytes l3, size_t l3_wire)
{
    static uint8_t frame[SUPPORT_PACKET_MAX + SUPPORT_LINK_ROOM];
    size_t len = d->link->wrap(l3, d->mark, frame, sizeof frame);

    support_pcap_add(d->out, d->now, bytes_of(frame, len), len + (l3_wire - l3.len));
    d->now += NS_PER_MS;
}

static void add_packet(struct dialogue *d, struct bytes l3, size_t wire_len, size_t fragments)
{
    static uint8_t piece[SUPPORT_PACKET_MAX];
    size_t len;

    if (fragments == 0) {
        add_frame(d, l3, wire_len);
        return;
    }
    d->fragment_id++;
    for (size_t i = 0; (len = support_fragment(l3, fragments, d->fragment_id, i, piece, sizeof piece)) > 0; i++)
        add_frame(d, bytes_of(piece, len), len);
}

static void release(struct dialogue *d)
{
    for (size_t i = 0; i < d->held_count; i++)
        add_packet(d, bytes_of(d->held[i].l3, d->held[i].len), d->held[i].wire_len, d->held[i].fragments);
    d->held_count = 0;
}

static void hold(struct dialogue *d, struct bytes l3, size_t wire_len, size_t fragments)
{
    struct held *h = &d->held[d->held_count++];

    if (d->held_count == sizeof d->held / sizeof d->held[0])
        fail(d, "too much to swap");
    memcpy(h->l3, l3.at, l3.len);
    h->len = l3.len;
    h->wire_len = wire_len;
    h->fragments = fragments;
}

/* One segment as `how` says; the connection moves on. */
static void send_segment(struct dialogue *d, enum role from, uint8_t flags, struct bytes payload, const struct say *how)
{
    static uint8_t l3[SUPPORT_PACKET_MAX];
    enum role to = role_other(from);
    bool ack = d->tcp.started || !(flags & TCP_SYN);
    struct support_segment s = {
        .src = d->tcp.of[from],
        .dst = d->tcp.of[to],
        .seq = d->tcp.next[from],
        .ack = ack ? d->tcp.next[to] : 0,
        .flags = (uint8_t)(flags | (ack ? TCP_ACK : 0) | (how && how->urgent ? TCP_URG : 0)),
        .urgent = how && how->urgent ? 1 : 0,
        .bad_csum = how && how->badsum,
        .payload = payload,
    };
    size_t len = support_segment(&s, l3, sizeof l3), kept = len;

    d->tcp.started = true;
    d->tcp.next[from] += (uint32_t)payload.len + (flags & TCP_SYN ? 1 : 0) + (flags & TCP_FIN ? 1 : 0);
    if (how && how->cut > 0 && how->cut < payload.len)
        kept = len - (payload.len - how->cut);
    if ((how && how->lost) || (d->only >= 0 && d->only != (int)from)) {
        d->now += NS_PER_MS;
        return;
    }
    if (how && how->swap) {
        hold(d, bytes_of(l3, kept), len, how->fragments);
        return;
    }
    add_packet(d, bytes_of(l3, kept), len, how ? how->fragments : 0);
    if (how && how->twice)
        add_packet(d, bytes_of(l3, kept), len, how->fragments);
}

/* Connections */

static void open_connection(struct dialogue *d)
{
    struct bytes none = {0};

    if (d->opened)
        return;
    d->opened = true;
    d->tcp.next[ROLE_CLIENT] = d->isn[ROLE_CLIENT];
    d->tcp.next[ROLE_SERVER] = d->isn[ROLE_SERVER];
    d->tcp.started = d->midstream;
    if (d->midstream) {
        d->midstream = false;
        return;
    }
    send_segment(d, ROLE_CLIENT, TCP_SYN, none, NULL);
    send_segment(d, ROLE_SERVER, TCP_SYN, none, NULL);
    send_segment(d, ROLE_CLIENT, 0, none, NULL);
}

/* The next one on the same ports begins a little higher, as RFC 9293 3.4.1 has it. */
static void connection_over(struct dialogue *d)
{
    for (int r = 0; r < ROLE_COUNT; r++)
        d->isn[r] = d->tcp.next[r] + 100000;
    d->opened = false;
}

static void close_connection(struct dialogue *d)
{
    struct bytes none = {0};

    if (!d->opened)
        return;
    send_segment(d, ROLE_CLIENT, TCP_FIN, none, NULL);
    send_segment(d, ROLE_SERVER, TCP_FIN, none, NULL);
    send_segment(d, ROLE_CLIENT, 0, none, NULL);
    connection_over(d);
}

/* Sends what was gathered. */
static void flush(struct dialogue *d)
{
    struct say *say = &d->say;
    struct bytes text = bytes_of(say->text, say->len);
    struct bytes none = {0};

    if (say->len == 0)
        return;
    open_connection(d);
    d->last_seq[say->from] = d->tcp.next[say->from];
    while (text.len > 0) {
        struct bytes piece = bytes_first(text, d->mss);
        text = bytes_from(text, piece.len);
        send_segment(d, say->from, text.len == 0 ? TCP_PSH : 0, piece, say);
    }
    if (say->swap) {
        *say = (struct say){.text = say->text};
        return;
    }
    release(d);
    if (!say->badsum)
        send_segment(d, role_other(say->from), 0, none, NULL);
    *say = (struct say){.text = say->text};
}

/* The language */

static unsigned hex_digit(const struct dialogue *d, char c)
{
    if (c >= '0' && c <= '9')
        return (unsigned)(c - '0');
    if (ascii_lower((uint8_t)c) >= 'a' && ascii_lower((uint8_t)c) <= 'f')
        return (unsigned)(ascii_lower((uint8_t)c) - 'a' + 10);
    fail(d, "\\x needs two hexadecimal digits");
}

/* One escape behind its backslash; returns how many characters it took. */
static size_t take_escape(const struct dialogue *d, const char *at, uint8_t *out)
{
    static const char letters[] = "rnt0\\", bytes[] = "\r\n\t\0\\";
    const char *letter = *at ? strchr(letters, *at) : NULL;

    if (letter) {
        *out = (uint8_t)bytes[letter - letters];
        return 1;
    }
    if (*at != 'x')
        fail(d, "no such escape: \\%c", *at);
    *out = (uint8_t)(hex_digit(d, at[1]) << 4 | hex_digit(d, at[2]));
    return 3;
}

static void put(struct dialogue *d, uint8_t byte)
{
    if (d->say.len == SAY_MAX)
        fail(d, "too much text");
    d->say.text[d->say.len++] = byte;
}

static void put_line(struct dialogue *d, const char *text)
{
    while (*text) {
        uint8_t byte = (uint8_t)*text++;

        if (byte == '\\' && *text == '\0')
            return; /* no line end wanted */
        if (byte == '\\')
            text += take_escape(d, text, &byte);
        put(d, byte);
    }
    put(d, '\r');
    put(d, '\n');
}

static bool modified(const struct say *s)
{
    return s->lost || s->twice || s->swap || s->badsum || s->urgent || s->cut || s->fragments;
}

static void take_say(struct dialogue *d, enum role from, bool more, const char *text)
{
    bool same = d->say.len > 0 && d->say.from == from;

    if (more && !same)
        fail(d, "nothing that this line could be added to");
    if (!more && !(d->join && same && !modified(&d->say)))
        flush(d);
    d->say.from = from;
    put_line(d, text);
}

static enum role role_of(const struct dialogue *d, const char *text)
{
    if (strcmp(text, "C") != 0 && strcmp(text, "S") != 0)
        fail(d, "C or S is needed");
    return *text == 'C' ? ROLE_CLIENT : ROLE_SERVER;
}

/* Other bytes where the side's last segment was. */
static void take_twin(struct dialogue *d, const char *rest)
{
    enum role from = *rest == 'C' ? ROLE_CLIENT : ROLE_SERVER;
    uint32_t next = d->tcp.next[from];

    if (strncmp(rest + 1, ": ", 2) != 0)
        fail(d, "twin C: TEXT is needed");
    put_line(d, rest + 3);
    d->tcp.next[from] = d->last_seq[from];
    send_segment(d, from, TCP_PSH, bytes_of(d->say.text, d->say.len), NULL);
    d->tcp.next[from] = next;
    d->say.len = 0;
}

/* The number behind the first word of rest; that word ends there. */
static unsigned long split_number(const struct dialogue *d, char *rest)
{
    char *space = strchr(rest, ' '), *end = NULL;
    unsigned long n = space ? strtoul(space + 1, &end, 10) : 0;

    if (!space || end == space + 1 || *end != '\0')
        fail(d, "a word and a number are needed");
    *space = '\0';
    return n;
}

static void take_fill(struct dialogue *d, char *rest)
{
    unsigned long n = split_number(d, rest);

    d->say.from = role_of(d, rest);
    for (size_t i = 0; i < n; i++)
        put(d, i % 80 == 78 ? '\r' : i % 80 == 79 ? '\n' : 'x');
    if (n % 80 != 0)
        fail(d, "fill: whole lines of 80 bytes, please");
    flush(d);
}

static void take_endpoint(struct dialogue *d, enum role r, char *rest)
{
    unsigned long port = split_number(d, rest);

    if (port > 65535)
        fail(d, "no such port");
    d->tcp.of[r] = support_endpoint(rest, (uint16_t)port);
}

/* What stands before the first line. */
static bool take_setting(struct dialogue *d, const char *word, char *rest)
{
    if (strcmp(word, "args") == 0 || strcmp(word, "no-recut") == 0)
        return true; /* for check-dialogues */
    if (strcmp(word, "link") == 0) {
        d->link = support_link_named(rest);
        if (!d->link)
            fail(d, "no such link: %s", rest);
        return true;
    }
    if (strcmp(word, "mark") == 0)
        d->mark = (uint32_t)strtoul(rest, NULL, 0);
    else if (strcmp(word, "client") == 0)
        take_endpoint(d, ROLE_CLIENT, rest);
    else if (strcmp(word, "server") == 0)
        take_endpoint(d, ROLE_SERVER, rest);
    else if (strcmp(word, "isn") == 0)
        d->isn[ROLE_CLIENT] = (uint32_t)strtoul(rest, NULL, 0),
        d->isn[ROLE_SERVER] = (uint32_t)strtoul(strchr(rest, ' ') ? strchr(rest, ' ') : "0", NULL, 0);
    else if (strcmp(word, "midstream") == 0)
        d->midstream = true;
    else if (strcmp(word, "open-end") == 0)
        d->open_end = true;
    else if (strcmp(word, "only") == 0)
        d->only = (int)role_of(d, rest);
    else
        return false;
    return true;
}

/* How the next line's segment goes. */
static bool take_modifier(struct dialogue *d, const char *word, const char *rest)
{
    struct say *say = &d->say;
    static const char *const words[] = {"lost", "twice", "swap", "badsum", "urgent", "cut", "fragments"};
    bool known = false;

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        known |= strcmp(word, words[i]) == 0;
    if (!known)
        return false;
    if (say->len > 0)
        flush(d);
    say->lost |= strcmp(word, "lost") == 0;
    say->twice |= strcmp(word, "twice") == 0;
    say->swap |= strcmp(word, "swap") == 0;
    say->badsum |= strcmp(word, "badsum") == 0;
    say->urgent |= strcmp(word, "urgent") == 0;
    if (strcmp(word, "cut") == 0)
        say->cut = strtoul(rest, NULL, 10);
    if (strcmp(word, "fragments") == 0)
        say->fragments = strtoul(rest, NULL, 10);
    return true;
}

static bool take_action(struct dialogue *d, const char *word, char *rest)
{
    static const char *const words[] = {"twin", "fill", "wait", "close", "reset"};
    struct bytes none = {0};
    bool known = false;

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        known |= strcmp(word, words[i]) == 0;
    if (!known)
        return false;
    flush(d);
    if (strcmp(word, "twin") == 0)
        take_twin(d, rest);
    else if (strcmp(word, "fill") == 0)
        take_fill(d, rest);
    else if (strcmp(word, "wait") == 0)
        d->now += (int64_t)(strtod(rest, NULL) * 1e3) * NS_PER_MS;
    else if (strcmp(word, "close") == 0)
        close_connection(d);
    else {
        send_segment(d, role_of(d, rest), TCP_RST, none, NULL);
        connection_over(d);
    }
    return true;
}

/* false: the rest of the file is for check-dialogues. */
static bool take_line(struct dialogue *d, char *line)
{
    char *rest;

    line[strcspn(line, "\n")] = '\0';
    if ((line[0] == 'C' || line[0] == 'S') && (line[1] == ':' || line[1] == '+')) {
        take_say(d, line[0] == 'C' ? ROLE_CLIENT : ROLE_SERVER, line[1] == '+', line[2] == ' ' ? line + 3 : line + 2);
        return true;
    }
    if (line[0] == '#' || line[0] == '\0')
        return true;
    if (strcmp(line, "expect") == 0)
        return false;
    rest = line + strcspn(line, " ");
    if (*rest)
        *rest++ = '\0';
    if (!take_setting(d, line, rest) && !take_modifier(d, line, rest) && !take_action(d, line, rest))
        fail(d, "don't know what \"%s\" means", line);
    return true;
}

static void convert(struct dialogue *d, FILE *in)
{
    static char line[65536];
    bool started = false;

    while (fgets(line, sizeof line, in)) {
        d->line++;
        if (!started && (line[0] == 'C' || line[0] == 'S')) {
            support_pcap_start(d->out, d->link->linktype);
            started = true;
        }
        if (!take_line(d, line))
            break;
    }
    if (!started)
        fail(d, "nothing is said");
    flush(d);
    release(d);
    if (!d->open_end)
        close_connection(d);
}

int main(int argc, char **argv)
{
    static struct dialogue d = {.mss = MSS_USUAL, .only = -1, .now = START_NS, .isn = {1000, 5000}};
    FILE *in;

    for (; argc > 1 && argv[1][0] == '-'; argc--, argv++) {
        if (strcmp(argv[1], "--join") == 0) {
            d.join = true;
        } else if (strcmp(argv[1], "--mss") == 0 && argc > 2) {
            d.mss = strtoul(argv[2], NULL, 10);
            argc--;
            argv++;
        }
    }
    if (argc != 3 || d.mss == 0 || !(in = fopen(argv[1], "r")) || !(d.out = fopen(argv[2], "wb"))) {
        fprintf(stderr, "Usage: tool_dialogue [--mss N] [--join] DIALOGUE CAPTURE\n");
        return 2;
    }
    d.path = argv[1];
    d.say.text = malloc(SAY_MAX);
    d.link = support_link_named("ether");
    d.tcp.of[ROLE_CLIENT] = support_endpoint("198.51.100.2", 40112);
    d.tcp.of[ROLE_SERVER] = support_endpoint("192.0.2.25", 25);
    if (!d.say.text)
        return 2;
    convert(&d, in);
    free(d.say.text);
    fclose(in);
    return fclose(d.out) == 0 ? 0 : 2;
}
