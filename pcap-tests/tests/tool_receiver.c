// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tool_receiver --first | --last CAPTURE CAPTURE-OUT
 *
 * What the applications at both ends got out of a capture, as a capture that has nothing
 * but that: each byte once, in order, without gaps; of the client whole lines only, until
 * the server answers (a line's end is what lets it act). Of two copies of a byte beyond a gap the receiver takes
 * the first or the last one. Everything that the sender may have meant otherwise (bad
 * checksums, flags, urgent pointers) is passed over: this receiver takes what it gets.
 */
#include "kmod-free/packet.h"
#include "kmod-free/tests/support.h"
#include "kmod-free/tests/support_receiver.h"
#include "pcap-tests/replay/capsrc.h"

#include <stdlib.h>

#define STREAM_ROOM (4u << 20) /* pages that nothing is written to cost nothing */
#define PIECE       60000

struct direction {
    struct endpoint from;
    struct receiver in; /* in.read: handed on */
    uint32_t first;     /* sequence number of the byte at offset 0 */
    bool started;
    bool fin;
};

struct connection {
    struct direction of[2];
    uint32_t other_isn; /* of a SYN that asks for a new connection */
    bool has_other_isn;
    bool reset; /* a RST with the number that its receiver expected */
    struct connection *next;
};

static struct connection *connections;
static bool last_wins;
static FILE *out;

static void *must(void *p)
{
    if (!p) {
        fprintf(stderr, "tool_receiver: out of memory\n");
        exit(2);
    }
    return p;
}

static struct connection *connection_of(const struct packet *p, int *from)
{
    for (struct connection *c = connections; c; c = c->next)
        for (*from = 0; *from < 2; ++*from)
            if (endpoint_equal(&c->of[*from].from, &p->src) && endpoint_equal(&c->of[!*from].from, &p->dst))
                return c;
    struct connection *c = must(calloc(1, sizeof *c));
    c->of[0].from = p->src;
    c->of[1].from = p->dst;
    c->next = connections;
    connections = c;
    *from = 0;
    return c;
}

static void direction_start(struct direction *d, uint32_t first)
{
    receiver_free(&d->in);
    must(receiver_new(&d->in, STREAM_ROOM, last_wins) ? d : NULL);
    d->first = first;
    d->started = true;
    d->fin = false;
}

static void put(const struct connection *c, int from, const struct packet *p, int64_t ns, uint8_t flags,
                uint32_t offset, struct bytes data)
{
    static uint8_t l3[SUPPORT_PACKET_MAX];
    const struct direction *d = &c->of[from], *other = &c->of[!from];
    struct support_segment seg = {
        .src = d->from,
        .dst = other->from,
        .seq = (flags & (TCP_SYN | TCP_RST)) != 0 ? p->seq.v : d->first + offset,
        .ack = other->started ? other->first + (uint32_t)other->in.read : p->ack.v,
        .flags = flags,
        .payload = data,
    };
    support_pcap_add(out, ns, bytes_of(l3, support_segment(&seg, l3, sizeof l3)), 0);
}

/* A SYN, and whether it begins a new connection on ports that were in use. */
static void take_syn(struct connection *c, int from, const struct packet *p)
{
    struct direction *d = &c->of[from], *other = &c->of[!from];
    uint32_t first = p->seq.v + 1;

    if (!(p->flags & TCP_ACK)) {
        if (c->reset || (d->fin && other->fin)) /* it is over: the same numbers again would be another one, too */
            d->started = other->started = d->fin = other->fin = c->reset = false;
        c->other_isn = p->seq.v;
        c->has_other_isn = d->started && d->first != first;
        if (!d->started)
            direction_start(d, first);
        return;
    }
    if (c->has_other_isn && p->ack.v == c->other_isn + 1) {
        direction_start(other, p->ack.v);
        direction_start(d, first);
        c->has_other_isn = false;
    } else if (!d->started || d->first != first) {
        direction_start(d, first);
    }
}

static void hand_on(struct connection *c, int from, const struct packet *p, int64_t ns, bool whole_lines)
{
    struct direction *d = &c->of[from];
    struct bytes run = bytes_of(d->in.bytes + d->in.read, d->started ? receiver_ready(&d->in) : 0);

    while (whole_lines && run.len > 0 && run.at[run.len - 1] != '\n')
        run.len--;
    while (run.len > 0) {
        struct bytes piece = bytes_first(run, PIECE);
        put(c, from, p, ns, TCP_ACK | TCP_PSH, (uint32_t)d->in.read, piece);
        d->in.read += piece.len;
        run = bytes_from(run, piece.len);
    }
}

static void take(const struct capsrc_record *record)
{
    struct frame f = record->frame;
    struct packet p;
    int from;

    f.csum = CSUM_CAPTURE;
    if (packet_decode(&f, &p) != PACKET_TCP)
        return;
    struct connection *c = connection_of(&p, &from);
    struct direction *d = &c->of[from];
    if (p.flags & TCP_SYN)
        take_syn(c, from, &p);
    if (p.flags & (TCP_SYN | TCP_RST))
        put(c, from, &p, f.at.ns, p.flags, 0, (struct bytes){0});
    if (p.flags & TCP_RST && d->started)
        c->reset |= p.seq.v == d->first + (uint32_t)(d->in.read + receiver_ready(&d->in));
    d->fin |= (p.flags & TCP_FIN) != 0;
    if (p.flags & TCP_RST || p.payload.len == 0)
        return;
    uint32_t at = p.seq.v + (p.flags & TCP_SYN ? 1 : 0);
    if (!d->started)
        direction_start(d, at);
    int32_t offset = (int32_t)(at - d->first);
    if (offset < 0) {
        p.payload = bytes_from(p.payload, (size_t) - (int64_t)offset);
        offset = 0;
    }
    receiver_take(&d->in, (size_t)offset, p.payload);
    bool client = p.dst.port < p.src.port; /* the one with the higher port */
    if (!client)
        hand_on(c, !from, &p, f.at.ns, false); /* what the server answers it has read */
    hand_on(c, from, &p, f.at.ns, client);
}

int main(int argc, char **argv)
{
    char error[CAPSRC_ERROR_MAX];
    struct capsrc_record record;
    enum capsrc_result result;
    struct capsrc *in;

    last_wins = argc == 4 && strcmp(argv[1], "--last") == 0;
    if (argc != 4 || (!last_wins && strcmp(argv[1], "--first") != 0) || !(out = fopen(argv[3], "wb"))) {
        fprintf(stderr, "Usage: tool_receiver --first | --last CAPTURE CAPTURE-OUT\n");
        return 2;
    }
    in = capsrc_open(argv[2], error);
    if (!in) {
        fprintf(stderr, "tool_receiver: %s\n", error);
        return 2;
    }
    support_pcap_start(out, 101);
    while ((result = capsrc_next(in, &record)) == CAPSRC_IP || result == CAPSRC_OTHER)
        if (result == CAPSRC_IP)
            take(&record);
    capsrc_close(in);
    while (connections) {
        struct connection *next = connections->next;
        receiver_free(&connections->of[0].in);
        receiver_free(&connections->of[1].in);
        free(connections);
        connections = next;
    }
    return fclose(out) == 0 ? 0 : 2;
}
