/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * queue - one kernel packet queue on one netlink socket: taking it over, getting
 * packets in batches, sending verdicts in batches.
 *
 * Theory of operation
 *
 * queue_open sends one configuration message a property and reads the kernel's
 * acknowledgement of each, so that a refusal names what was refused; then it looks
 * up the queue in the kernel's own list. A queue that isn't exactly as asked for is
 * not used. From then on queue_receive waits for the first packet and takes along
 * what else is there already, up to QUEUE_BATCH, so that a lone packet isn't held
 * back and a busy queue costs two system calls a batch.
 *
 * The socket stays blocking with a receive timeout: the caller's chance to look at
 * its clock. ENOBUFS means that the kernel had more packets than the socket's buffer
 * could hold; they are gone (or passed, with fail-open), and the socket goes on.
 * Closing the socket drops what waits in the queue.
 */
#ifndef RCPTWALL_QUEUE_H
#define RCPTWALL_QUEUE_H

#include "kmod-free/bytes.h"

#include <sys/socket.h>

#define QUEUE_BATCH          32
/* A packet of 64 KiB and its attributes. */
#define QUEUE_MESSAGE_MAX    (0xffff + 4096)
#define QUEUE_BUFFER_DEFAULT (32u << 20)

struct queue_config {
    uint16_t number;
    uint32_t maxlen;   /* packets that the kernel lets wait */
    uint32_t buffer;   /* socket receive buffer in bytes, before the kernel doubles it */
    bool fail_open;    /* NFQA_CFG_F_FAIL_OPEN */
    int early_verdict; /* NF_DROP or NF_ACCEPT for packets that arrive while we still configure */
    uint32_t poll_ms;  /* queue_receive returns after this without a packet */
    int listing;       /* QUEUE_LISTING_PATH, opened while that was allowed; -1: nothing to look at */
};

struct mnl_socket;

struct queue {
    struct mnl_socket *socket;
    uint16_t number;
    bool buffer_short; /* the kernel gave less receive buffer than was asked for */
    bool can_track;    /* it can send what connection tracking knows of a packet (NFQA_CT); at first it doesn't */
    uint8_t *memory;   /* QUEUE_BATCH messages */
    struct mmsghdr *messages;
    struct iovec *parts;
    struct sockaddr_storage *senders;
};

/* 0, or -errno and the reason as a sentence in `error`; the queue is closed then. */
RW_CHECK int queue_open(struct queue *, const struct queue_config *, char *error, size_t room);
void queue_close(struct queue *);

/*
 * Waits for packets. Returns how many datagrams came (0: none within poll_ms, or a
 * signal), or -errno; -ENOBUFS isn't fatal. no_wait: only what is there already.
 */
RW_CHECK int queue_receive(struct queue *, bool no_wait);
/* Until a packet is there, or something on fd, or most_ms are over. fd -1: nothing else. */
void queue_wait(const struct queue *, int fd, int most_ms);
/* The i-th datagram of the last queue_receive; empty if it didn't come from the kernel. */
struct bytes queue_datagram(const struct queue *, size_t i);
/*
 * Takes the next netlink message off a datagram. false: nothing (more) is there, or
 * what is left has an impossible length.
 */
RW_CHECK bool queue_next_message(struct bytes *datagram, struct bytes *message);
/* Is it the kernel's answer to a verdict that it couldn't use? */
bool queue_is_error(struct bytes message);
/* NFQA_CFG_F_FAIL_OPEN of a running queue. What the kernel says to it comes as an error message, if it has anything to say. */
RW_CHECK int queue_set_fail_open(struct queue *, bool fail_open);
/*
 * NFQA_CFG_F_CONNTRACK of a running queue: from now on packets bring NFQA_CT. 0 or -errno; the kernel's answer comes among
 * the packets. Never waits.
 */
RW_CHECK int queue_track(struct queue *);
/* Is it that answer? Then *error is 0 or -errno. */
RW_CHECK bool queue_track_answer(struct bytes message, int *error);
/* All bytes in one send. 0 or -errno. */
RW_CHECK int queue_send(struct queue *, struct bytes messages);

/* What the kernel lists about a queue. The file can be read by root only; it stays readable once it is open. */
#define QUEUE_LISTING_PATH "/proc/net/netfilter/nfnetlink_queue"

struct queue_listing {
    uint32_t port; /* the owner's netlink port: mostly its process id */
    uint32_t waiting;
    uint32_t copy_mode, copy_range;
    uint32_t full_drops;   /* the queue was full */
    uint32_t buffer_drops; /* the socket was full */
};
/* text: the file's content. false: the queue isn't in it. */
RW_CHECK bool queue_listed(struct bytes text, uint16_t number, struct queue_listing *out);
/* The same from the open file; false also if it can't be read (fd -1, say). */
RW_CHECK bool queue_look_up(int fd, uint16_t number, struct queue_listing *out);

#endif
