// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tool_recut --mss N | --join | --disturb SEED CAPTURE CAPTURE-OUT
 *
 * The same TCP bytes in other segments: cut into pieces of at most N bytes, or joined
 * with their neighbours. What a checksum was, right or wrong, it stays. The judgement must
 * not change (invariant D4). Or each segment as somebody sends it who wants to be misunderstood: in random pieces, in
 * any order, some of them twice, some with other bytes. Packets that can't be cut (fragments, what the capture itself
 * cut, urgent data, RST) stay as they are. Out comes a raw IP capture.
 */
#include "kmod-free/packet.h"
#include "kmod-free/tests/support.h"
#include "pcap-tests/replay/capsrc.h"

#include <stdlib.h>

#define JOINED_MAX 60000

#define PARTS_MAX   64

static FILE *out;
static size_t mss;           /* 0: join */
static uint32_t disturbance; /* 0: none; the state of the generator */

/* A data segment that waits for one to be joined with. */
static struct {
    uint8_t l3[SUPPORT_PACKET_MAX];
    size_t len;
    struct packet p; /* its payload lies in l3 */
    int64_t ns;
} held;

static void put(struct bytes l3, int64_t ns, size_t wire_len)
{
    support_pcap_add(out, ns, l3, wire_len);
}

/* Writes a segment with p's headers and another piece of data. */
static size_t make(const uint8_t *headers, const struct packet *p, uint32_t seq, uint8_t flags, uint32_t ack,
                   struct bytes data, uint8_t *l3)
{
    size_t head = p->payload_at, len = head + data.len, addr_len = p->src.addr.family == 4 ? 4 : 16;
    uint8_t pseudo[40] = {0}, *tcp = l3 + p->l4_at;
    uint16_t csum;

    memmove(l3, headers, head);
    memmove(l3 + head, data.at, data.len);
    support_put32(tcp + 4, seq);
    support_put32(tcp + 8, ack);
    tcp[13] = flags;
    if (p->src.addr.family == 4) {
        support_put16(l3 + 2, (uint16_t)len);
        support_put16(l3 + 10, 0);
        support_put16(l3 + 10, support_csum(0, bytes_of(l3, (size_t)(l3[0] & 15) * 4)));
    } else {
        support_put16(l3 + 4, (uint16_t)(len - 40));
    }
    memcpy(pseudo, p->src.addr.at, addr_len);
    memcpy(pseudo + addr_len, p->dst.addr.at, addr_len);
    support_put32(pseudo + 2 * addr_len, (uint32_t)(len - p->l4_at));
    support_put32(pseudo + 2 * addr_len + 4, 6);
    support_put16(tcp + 16, 0);
    csum = support_csum(0, bytes_of(pseudo, 2 * addr_len + 8));
    csum = support_csum((uint16_t)~csum, bytes_of(tcp, len - p->l4_at));
    support_put16(tcp + 16, (uint16_t)(csum + (p->csum_good ? 0 : 1)));
    return len;
}

static void release(void)
{
    if (held.len > 0)
        put(bytes_of(held.l3, held.len), held.ns, 0);
    held.len = 0;
}

static bool plain_data(const struct frame *f, const struct packet *p)
{
    return !f->cut && p->payload.len > 0 && (p->flags & ~(TCP_ACK | TCP_PSH | TCP_FIN | TCP_SYN)) == 0 &&
           p->payload_at + p->payload.len <= f->l3.len;
}

static void cut(const struct frame *f, const struct packet *p)
{
    static uint8_t l3[SUPPORT_PACKET_MAX];
    struct bytes rest = p->payload;
    uint32_t seq = p->seq.v;

    while (rest.len > 0) {
        struct bytes piece = bytes_first(rest, mss);
        uint8_t flags = p->flags;

        if (rest.len != p->payload.len)
            flags &= (uint8_t)~TCP_SYN;
        if (rest.len > piece.len)
            flags &= (uint8_t) ~(TCP_FIN | TCP_PSH);
        put(bytes_of(l3, make(f->l3.at, p, seq, flags, p->ack.v, piece, l3)), f->at.ns, 0);
        seq += (uint32_t)piece.len + (flags & TCP_SYN ? 1 : 0);
        rest = bytes_from(rest, piece.len);
    }
}

static uint32_t drawn(uint32_t below)
{
    disturbance ^= disturbance << 13;
    disturbance ^= disturbance >> 17;
    disturbance ^= disturbance << 5;
    return disturbance % below;
}

/* A piece of a segment, from that byte on; a twin has other bytes. */
struct part {
    size_t at, len;
    bool twin;
};

static struct part drawn_part(size_t len)
{
    struct part part = {.at = drawn((uint32_t)len)};
    part.len = 1 + drawn((uint32_t)(len - part.at));
    return part;
}

static void put_part(const struct frame *f, const struct packet *p, const struct part *part)
{
    static const char other[] = "RCPT TO:<u@ext.example>\r\nDATA\r\n.\r\nMAIL FROM:<a@b.example>\r\n";
    static uint8_t l3[SUPPORT_PACKET_MAX], data[SUPPORT_PACKET_MAX];
    uint8_t flags = p->flags & (uint8_t)~TCP_PSH;

    memcpy(data, p->payload.at + part->at, part->len);
    if (part->twin) {
        size_t from = drawn(sizeof other - 1);
        for (size_t i = 0; i < part->len; i++)
            data[i] = (uint8_t)other[(from + i) % (sizeof other - 1)];
    }
    if (part->at + part->len < p->payload.len)
        flags &= (uint8_t)~TCP_FIN;
    put(bytes_of(l3, make(f->l3.at, p, p->seq.v + (uint32_t)part->at, flags, p->ack.v, bytes_of(data, part->len), l3)),
        f->at.ns, 0);
}

/* All of the segment, once in pieces and in any order among copies and twins, and often once more in order. */
static void disturb(const struct frame *f, const struct packet *p)
{
    struct part parts[PARTS_MAX];
    size_t count = 0, len = p->payload.len, most = 1 + drawn(8);

    for (size_t at = 0; at < len; count++) {
        parts[count] = (struct part){.at = at, .len = count + 1 < most ? 1 + drawn((uint32_t)(len - at)) : len - at};
        at += parts[count].len;
    }
    for (uint32_t copies = drawn(4); copies > 0; copies--)
        parts[count++] = drawn_part(len);
    for (uint32_t twins = drawn(24) == 0 ? 1 + drawn(2) : 0; twins > 0; twins--) {
        parts[count] = drawn_part(len);
        parts[count++].twin = true;
    }
    for (size_t i = count; drawn(4) > 0 && i > 1; i--) {
        size_t j = drawn((uint32_t)i);
        struct part t = parts[j];
        parts[j] = parts[i - 1];
        parts[i - 1] = t;
    }
    for (size_t i = 0; i < count; i++)
        put_part(f, p, &parts[i]);
    if (drawn(2) == 0)
        put_part(f, p, &(struct part){.len = len});
}

/* Can p go behind what is held, as one segment? */
static bool follows(const struct packet *p)
{
    const struct packet *h = &held.p;

    return held.len > 0 && endpoint_equal(&h->src, &p->src) && endpoint_equal(&h->dst, &p->dst) &&
           h->csum_good == p->csum_good && h->seq.v + h->payload.len == p->seq.v && (p->flags & TCP_SYN) == 0 &&
           (h->flags & (TCP_SYN | TCP_FIN)) == 0 && held.len + p->payload.len <= JOINED_MAX;
}

static void join(const struct frame *f, const struct packet *p)
{
    static uint8_t data[SUPPORT_PACKET_MAX];
    size_t len = held.p.payload.len;

    if (!follows(p)) {
        release();
        memcpy(held.l3, f->l3.at, p->payload_at + p->payload.len);
        held.len = p->payload_at + p->payload.len;
        held.p = *p;
        held.p.payload.at = held.l3 + p->payload_at;
        held.ns = f->at.ns;
        return;
    }
    memcpy(data, held.p.payload.at, len);
    memcpy(data + len, p->payload.at, p->payload.len);
    held.len = make(held.l3, &held.p, held.p.seq.v, (uint8_t)(held.p.flags | p->flags), p->ack.v,
                    bytes_of(data, len + p->payload.len), held.l3);
    held.p.payload.len += p->payload.len;
    held.p.flags |= p->flags;
}

static void take(struct capsrc_record *record)
{
    struct frame *f = &record->frame;
    struct packet p;

    f->csum = CSUM_VERIFY; /* a bad checksum stays one */
    if (packet_decode(f, &p) == PACKET_BROKEN) {
        f->csum = CSUM_CAPTURE;
        (void)!packet_decode(f, &p);
    }
    if (plain_data(f, &p) && !(disturbance > 0 && (p.flags & TCP_SYN) != 0)) {
        if (disturbance > 0)
            disturb(f, &p);
        else if (mss > 0)
            cut(f, &p);
        else
            join(f, &p);
        return;
    }
    release();
    put(f->l3, f->at.ns, f->cut ? f->l3.len + (record->on_wire - record->captured) : 0);
}

int main(int argc, char **argv)
{
    bool joins = argc == 4 && strcmp(argv[1], "--join") == 0;
    bool cuts = argc == 5 && strcmp(argv[1], "--mss") == 0 && (mss = strtoul(argv[2], NULL, 10)) > 0;
    bool disturbs = argc == 5 && strcmp(argv[1], "--disturb") == 0 &&
                    (disturbance = (uint32_t)strtoul(argv[2], NULL, 10) * 2654435761u) > 0;
    char error[CAPSRC_ERROR_MAX];
    struct capsrc_record record;
    enum capsrc_result result;
    struct capsrc *in;

    if ((!joins && !cuts && !disturbs) || !(out = fopen(argv[argc - 1], "wb"))) {
        fprintf(stderr, "Usage: tool_recut --mss N | --join | --disturb SEED CAPTURE CAPTURE-OUT\n");
        return 2;
    }
    in = capsrc_open(argv[argc - 2], error);
    if (!in) {
        fprintf(stderr, "tool_recut: %s\n", error);
        return 2;
    }
    support_pcap_start(out, 101);
    while ((result = capsrc_next(in, &record)) == CAPSRC_IP || result == CAPSRC_OTHER)
        if (result == CAPSRC_IP)
            take(&record);
    release();
    capsrc_close(in);
    return fclose(out) == 0 ? 0 : 2;
}
