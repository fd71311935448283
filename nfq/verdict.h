/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * verdict - what the engine decided, as netlink messages for the kernel. Pure: bytes
 * into a buffer; the socket is queue's business.
 *
 * One frame, one verdict (V1). A row of the same plain verdicts is one message, which the kernel takes for all packets
 * up to that id: so it may be used only where each packet before the row has its verdict. The kernel counts the packets
 * that it gives out. After a number that is missing (a message that got lost or can't be read: its packet may wait in
 * the kernel still), each packet has a message of its own, until there were OUTBOX_ROW in a row; then the `unseen` verdict
 * is given to all that may be left before them. The same while some packet waits for a later verdict (parking.h). Only bits inside the mark mask ever change, and only
 * in a packet that we turn into a RST, or that belongs to a session that is over (V3). A RST goes back through its chain
 * (NF_REPEAT) with the condemned bit, the ban bit or both, already harmless: if the rules that should act
 * on the bit are missing, it comes to us again instead of leaving, and is dropped (V4).
 */
#ifndef RCPTWALL_VERDICT_H
#define RCPTWALL_VERDICT_H

#include "kmod-free/engine.h"
#include "nfq/attrs.h"

/* Verdict messages that wait to be sent together. */
struct outbox {
    uint8_t *at; /* aligned for struct nlmsghdr */
    size_t used, room;
    uint32_t messages;
    int unseen;             /* NF_DROP or NF_ACCEPT: for packets that wait in the kernel, and never came here */
    uint32_t last, row;     /* the last id, and how many in a row came before it */
    bool sure;              /* every packet up to `last` has its verdict in here, or had it before */
    struct nlmsghdr *plain; /* the last message, if it is a plain verdict; else NULL */
    uint32_t later;         /* packets up to `last` that wait for their verdict; while there are any, each message is for one */
    bool late;              /* the next verdict is for one of them */
};
#define OUTBOX_ROW 64

/* The longest single verdict message: a rewritten packet of 64 KiB and its headers; whole words. */
#define VERDICT_MESSAGE_MAX ((64 << 10) + 256)

static inline bool outbox_full(const struct outbox *out)
{
    return out->room - out->used < VERDICT_MESSAGE_MAX;
}

/* All of it was sent. */
static inline void outbox_sent(struct outbox *out)
{
    out->used = 0;
    out->messages = 0;
    out->plain = NULL;
}
/* Does the kernel say that no unseen packet was left? It says it as an error. */
RW_CHECK bool verdict_none_unseen(struct bytes message);

/* What the message that was made really does to the packet. */
enum verdict_done {
    VERDICT_DONE_ACCEPTED = 1,
    VERDICT_DONE_DROPPED,
    VERDICT_DONE_CLIPPED,
    VERDICT_DONE_REWRITTEN,
    VERDICT_DONE_RESET,
    VERDICT_DONE_UNSET,       /* dropped because nobody decided (V1) */
    VERDICT_DONE_NOT_WRITTEN, /* dropped because it couldn't be rewritten */
};

/* NF_ACCEPT or NF_DROP and nothing else, for packets that never reach the engine. The outbox must not be full. */
void verdict_put_plain(struct outbox *, uint16_t queue, uint32_t id, int nf_verdict);
/* This packet, the next one, gets its verdict later. The outbox must not be full. */
void verdict_later(struct outbox *, uint16_t queue, uint32_t id);
/* The next verdict is for one of those. */
void verdict_late(struct outbox *);
/*
 * The engine's verdict on q; p is its packet as engine_packet() gives it, and
 * needed only for CLIP, REWRITE and RESET. scratch has room for 0xffff bytes. The outbox must not be full.
 */
RW_CHECK enum verdict_done verdict_put(struct outbox *, const struct queued *q, const struct verdict *v,
                                       const struct packet *p, const struct marks *m, uint8_t scratch[static 0xffff]);

#endif
