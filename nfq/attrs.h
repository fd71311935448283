/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * attrs - one netlink message of the kernel's packet queue as a struct. A pure
 * function: bytes in, bytes borrowed, no socket, no clock.
 */
#ifndef RCPTWALL_ATTRS_H
#define RCPTWALL_ATTRS_H

#include "kmod-free/frame.h"
#include "rules/marks.h"

struct queued {
    uint32_t id;        /* the kernel's name for it, host byte order */
    uint16_t queue;     /* number of the queue that it came from */
    uint8_t hook;       /* enum nf_inet_hooks */
    uint32_t mark;      /* packet mark; 0 also when the kernel sent none */
    struct bytes conntrack; /* NFQA_CT's content, borrowed; empty: it wasn't asked for, or the packet isn't tracked */
    bool gso;           /* NFQA_SKB_GSO: the kernel will cut it into segments on output */
    struct frame frame; /* borrowed from the message; `at` and `wall` are the caller's to set */
};

enum queued_result {
    QUEUED_OK = 1,
    QUEUED_BAD,  /* out->id and out->queue are set and wait for a verdict, but nothing else can be believed */
    QUEUED_LOST, /* not even an id: there is nothing to answer */
};

/*
 * message: from its struct nlmsghdr to nlmsg_len, not padded. Whatever is missing,
 * twice, of the wrong size or contradictory makes it BAD; attributes that we don't
 * know are passed over, since newer kernels send more.
 */
RW_CHECK enum queued_result queued_of_message(struct bytes message, const struct marks *m, struct queued *out);

/*
 * Is this the kernel's answer (struct nlmsgerr) to a message of ours of this type (enum nfqnl_msg_types) and number? Then
 * *error is 0 or -errno.
 */
RW_CHECK bool queued_answer(struct bytes message, uint8_t type, uint32_t seq, int *error);

#endif
