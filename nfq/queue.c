/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nfq/queue.h"

#include "nfq/attrs.h"
#include "nfq/privileges.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <libnetfilter_queue/libnetfilter_queue.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <linux/netlink.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define LISTING_PATH     "/proc/net/netfilter/nfnetlink_queue"
#define COPY_RANGE       0xffff
/* What the kernel makes of COPY_RANGE: one attribute header less. */
#define COPY_RANGE_LEAST (COPY_RANGE - sizeof(struct nlattr))

int queue_send(struct queue *q, struct bytes messages)
{
    /* the kernel works through all of them before this returns; it can only be short of memory */
    for (int tries = 0; tries < 5; tries++) {
        ssize_t n = send(mnl_socket_get_fd(q->socket), messages.at, messages.len, 0);
        if (n >= 0)
            return 0;
        if (errno != EINTR && errno != ENOBUFS && errno != ENOMEM && errno != EAGAIN)
            break;
    }
    return -errno;
}

/* ---- configuration ---- */

/* A packet came before the queue was ready: it must not stay in the kernel's list for ever. */
static void answer_early(struct queue *q, struct bytes message, int verdict)
{
    const struct nlmsghdr *head = (const void *)message.at;
    struct nlattr *attr[NFQA_MAX + 1] = {0};
    if (message.len < sizeof *head + sizeof(struct nfgenmsg) || nfq_nlmsg_parse(head, attr) < 0 ||
        attr[NFQA_PACKET_HDR] == NULL ||
        mnl_attr_get_payload_len(attr[NFQA_PACKET_HDR]) != sizeof(struct nfqnl_msg_packet_hdr))
        return;
    const struct nfqnl_msg_packet_hdr *packet = mnl_attr_get_payload(attr[NFQA_PACKET_HDR]);
    union { /* for the alignment */
        struct nlmsghdr head;
        char room[128];
    } buffer;
    struct nlmsghdr *answer = nfq_nlmsg_put(buffer.room, NFQNL_MSG_VERDICT, q->number);
    nfq_nlmsg_verdict_put(answer, (int)ntohl(packet->packet_id), verdict);
    if (queue_send(q, bytes_of(answer, answer->nlmsg_len)) < 0)
        return; /* the next step will fail too, and say why */
}

/* The answer to our message number seq: 0 or -errno. */
static int read_acknowledgement(struct queue *q, const struct queue_config *c, uint32_t seq)
{
    for (int idle = 0; idle < 25;) {
        int n = queue_receive(q, false);
        if (n < 0 && n != -ENOBUFS)
            return n;
        if (n <= 0)
            idle++;
        for (int i = 0; i < n; i++) {
            struct bytes datagram = queue_datagram(q, (size_t)i), message;
            while (queue_next_message(&datagram, &message)) {
                const struct nlmsghdr *head = (const void *)message.at;
                if (head->nlmsg_type != NLMSG_ERROR)
                    answer_early(q, message, c->early_verdict);
                else if (head->nlmsg_seq == seq && message.len >= sizeof *head + sizeof(struct nlmsgerr))
                    return ((const struct nlmsgerr *)mnl_nlmsg_get_payload(head))->error;
            }
        }
    }
    return -ETIMEDOUT;
}

/* Numbers of messages whose answers we look for; those of the steps begin at 1. */
#define TRACK_SEQ 100

enum step { STEP_BIND, STEP_FLAGS, STEP_MAXLEN, STEP_COPY };
#define STEP_COUNT 4

static void put_step(struct nlmsghdr *head, const struct queue_config *c, enum step step)
{
    switch (step) {
    case STEP_BIND:
        nfq_nlmsg_cfg_put_cmd(head, AF_UNSPEC, NFQNL_CFG_CMD_BIND);
        break;
    case STEP_FLAGS: /* one attribute for all: the last one wins; and flags without a mask are refused */
        mnl_attr_put_u32(head, NFQA_CFG_FLAGS, htonl(NFQA_CFG_F_GSO | (c->fail_open ? NFQA_CFG_F_FAIL_OPEN : 0u)));
        mnl_attr_put_u32(head, NFQA_CFG_MASK, htonl(NFQA_CFG_F_GSO | NFQA_CFG_F_FAIL_OPEN));
        break;
    case STEP_MAXLEN:
        nfq_nlmsg_cfg_put_qmaxlen(head, c->maxlen);
        break;
    case STEP_COPY: /* the last step: from here on packets come */
        nfq_nlmsg_cfg_put_params(head, NFQNL_COPY_PACKET, COPY_RANGE);
        break;
    }
}

union config_room {
    struct nlmsghdr head;
    char bytes[256];
};

/* seq: number of a message that the kernel shall acknowledge; 0: it needn't. */
static struct nlmsghdr *begin_config(union config_room *room, const struct queue *q, uint32_t seq)
{
    struct nlmsghdr *head = nfq_nlmsg_put(room->bytes, NFQNL_MSG_CONFIG, q->number);
    if (seq != 0)
        head->nlmsg_flags |= NLM_F_ACK;
    head->nlmsg_seq = seq;
    return head;
}

int queue_set_fail_open(struct queue *q, bool fail_open)
{
    const struct queue_config c = {.fail_open = fail_open};
    union config_room config;
    struct nlmsghdr *head = begin_config(&config, q, 0);
    put_step(head, &c, STEP_FLAGS);
    return queue_send(q, bytes_of(head, head->nlmsg_len));
}

/* One flag of its own; the mask keeps all others as they are. */
static int send_track(struct queue *q, uint32_t seq, bool on)
{
    union config_room config;
    struct nlmsghdr *head = begin_config(&config, q, seq);
    mnl_attr_put_u32(head, NFQA_CFG_FLAGS, htonl(on ? NFQA_CFG_F_CONNTRACK : 0));
    mnl_attr_put_u32(head, NFQA_CFG_MASK, htonl(NFQA_CFG_F_CONNTRACK));
    return queue_send(q, bytes_of(head, head->nlmsg_len));
}

int queue_track(struct queue *q)
{
    return send_track(q, TRACK_SEQ, true);
}

bool queue_track_answer(struct bytes message, int *error)
{
    return queued_answer(message, NFQNL_MSG_CONFIG, TRACK_SEQ, error);
}

/*
 * Can it be had at all? Asked before packets come: the kernel may have to load a module for it, and not every kernel has
 * that (CONFIG_NETFILTER_NETLINK_GLUE_CT).
 */
static int try_track(struct queue *q, const struct queue_config *c)
{
    for (int on = 1; on >= 0; on--) {
        uint32_t seq = TRACK_SEQ + 1 + (uint32_t)on;
        int r = send_track(q, seq, on);
        if (r == 0)
            r = read_acknowledgement(q, c, seq);
        if (r < 0)
            return on ? 0 : r;
    }
    q->can_track = true;
    return 0;
}

static void explain_step(const struct queue_config *c, enum step step, int error, char *text, size_t room)
{
    struct queue_listing listing;
    bool listed = queue_look_up(c->listing, c->number, &listing);
    static const char *const refused[STEP_COUNT] = {
        [STEP_BIND] = "taking it over",
        [STEP_FLAGS] = "whole GSO packets and fail-open",
        [STEP_MAXLEN] = "the queue length",
        [STEP_COPY] = "copying whole packets",
    };
    if (step == STEP_BIND && listed)
        snprintf(text, room, "queue %u is already taken by another process (netlink port %u)", c->number, listing.port);
    else if (step == STEP_BIND && (error == EBUSY || (error == EPERM && privileges_have(PRIVILEGE_NET_ADMIN))))
        snprintf(text, room, "queue %u is already taken by another process", c->number);
    else if (error == EPERM)
        snprintf(text, room,
                 "queue %u: permission denied: needs root, or the capabilities CAP_NET_ADMIN and CAP_NET_BIND_SERVICE",
                 c->number);
    else if (step == STEP_BIND && (error == EINVAL || error == ENOENT || error == EOPNOTSUPP))
        snprintf(text, room, "queue %u: this kernel has no packet queue (nfnetlink_queue): %s", c->number,
                 strerror(error));
    else
        snprintf(text, room, "queue %u: the kernel refused %s: %s", c->number, refused[step], strerror(error));
}

static int configure(struct queue *q, const struct queue_config *c, char *error, size_t room)
{
    for (unsigned step = STEP_BIND; step < STEP_COUNT; step++) {
        union config_room config;
        struct nlmsghdr *head = begin_config(&config, q, step + 1);
        put_step(head, c, (enum step)step);
        int r = queue_send(q, bytes_of(head, head->nlmsg_len));
        if (r == 0)
            r = read_acknowledgement(q, c, step + 1);
        if (r == 0 && step == STEP_FLAGS)
            r = try_track(q, c);
        if (r < 0) {
            explain_step(c, (enum step)step, -r, error, room);
            return r;
        }
    }
    return 0;
}

/* Does the kernel's list show what we asked for? A list that can't be read proves nothing and stops nothing. */
static int read_back(const struct queue *q, const struct queue_config *c, char *error, size_t room)
{
    struct queue_listing listing;
    if (c->listing < 0)
        return 0;
    if (queue_look_up(c->listing, c->number, &listing) && listing.port == mnl_socket_get_portid(q->socket) &&
        listing.copy_mode == NFQNL_COPY_PACKET && listing.copy_range >= COPY_RANGE_LEAST)
        return 0;
    snprintf(error, room, "queue %u: the kernel accepted the settings but lists others", c->number);
    return -EPROTO;
}

static int allocate(struct queue *q)
{
    q->memory = malloc((size_t)QUEUE_BATCH * QUEUE_MESSAGE_MAX);
    q->messages = calloc(QUEUE_BATCH, sizeof *q->messages);
    q->parts = calloc(QUEUE_BATCH, sizeof *q->parts);
    q->senders = calloc(QUEUE_BATCH, sizeof *q->senders);
    if (q->memory == NULL || q->messages == NULL || q->parts == NULL || q->senders == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < QUEUE_BATCH; i++) {
        q->parts[i] = (struct iovec){q->memory + i * QUEUE_MESSAGE_MAX, QUEUE_MESSAGE_MAX};
        q->messages[i].msg_hdr.msg_iov = &q->parts[i];
        q->messages[i].msg_hdr.msg_iovlen = 1;
    }
    return 0;
}

static int prepare_socket(struct queue *q, const struct queue_config *c)
{
    int fd = mnl_socket_get_fd(q->socket), size = (int)(c->buffer > INT32_MAX / 2 ? INT32_MAX / 2 : c->buffer);
    struct timeval wait = {.tv_sec = c->poll_ms / 1000, .tv_usec = (suseconds_t)(c->poll_ms % 1000) * 1000};
    if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait) < 0)
        return -errno;
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) < 0) {
        q->buffer_short = true;
        if (setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size) < 0)
            return -errno;
    }
    return 0;
}

int queue_open(struct queue *q, const struct queue_config *c, char *error, size_t room)
{
    *q = (struct queue){.number = c->number};
    int r = allocate(q);
    if (r < 0) {
        snprintf(error, room, "queue %u: out of memory", c->number);
    } else if ((q->socket = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC)) == NULL ||
               mnl_socket_bind(q->socket, 0, MNL_SOCKET_AUTOPID) < 0) {
        r = -errno;
        snprintf(error, room, "no netfilter netlink socket: %s%s", strerror(-r),
                 r == -EPROTONOSUPPORT ? " (this kernel was built without nfnetlink)" : "");
    } else if ((r = prepare_socket(q, c)) < 0) {
        snprintf(error, room, "queue %u: can't set up its socket: %s", c->number, strerror(-r));
    } else if ((r = configure(q, c, error, room)) == 0) {
        r = read_back(q, c, error, room);
    }
    if (r < 0)
        queue_close(q);
    return r;
}

void queue_close(struct queue *q)
{
    if (q->socket != NULL)
        mnl_socket_close(q->socket);
    free(q->memory);
    free(q->messages);
    free(q->parts);
    free(q->senders);
    *q = (struct queue){.number = q->number};
}

/* ---- packets ---- */

int queue_receive(struct queue *q, bool no_wait)
{
    for (size_t i = 0; i < QUEUE_BATCH; i++) { /* the kernel overwrote the lengths the last time */
        q->messages[i].msg_hdr.msg_name = &q->senders[i];
        q->messages[i].msg_hdr.msg_namelen = sizeof q->senders[i];
    }
    int n =
        recvmmsg(mnl_socket_get_fd(q->socket), q->messages, QUEUE_BATCH, no_wait ? MSG_DONTWAIT : MSG_WAITFORONE, NULL);
    if (n >= 0)
        return n;
    return errno == EAGAIN || errno == EINTR ? 0 : -errno;
}

void queue_wait(const struct queue *q, int fd, int most_ms)
{
    struct pollfd fds[2] = {{.fd = mnl_socket_get_fd(q->socket), .events = POLLIN}, {.fd = fd, .events = POLLIN}};
    (void)poll(fds, 2, most_ms); /* whatever it says, the caller looks for himself */
}

struct bytes queue_datagram(const struct queue *q, size_t i)
{
    const struct mmsghdr *m = &q->messages[i];
    const struct sockaddr_nl *from = (const void *)&q->senders[i];
    if (m->msg_hdr.msg_namelen < sizeof *from || from->nl_family != AF_NETLINK || from->nl_pid != 0)
        return (struct bytes){0};
    size_t len = m->msg_len;
    return bytes_of(q->parts[i].iov_base, len > QUEUE_MESSAGE_MAX ? QUEUE_MESSAGE_MAX : len);
}

bool queue_next_message(struct bytes *datagram, struct bytes *message)
{
    struct nlmsghdr head;
    *message = (struct bytes){0};
    if (datagram->len < sizeof head)
        return false;
    memcpy(&head, datagram->at, sizeof head);
    if (head.nlmsg_len < sizeof head || head.nlmsg_len > datagram->len)
        return false;
    *message = bytes_first(*datagram, head.nlmsg_len);
    *datagram = bytes_from(*datagram, ((size_t)head.nlmsg_len + NLMSG_ALIGNTO - 1) & ~(size_t)(NLMSG_ALIGNTO - 1));
    return true;
}

bool queue_is_error(struct bytes message)
{
    struct nlmsghdr head;
    if (message.len < sizeof head)
        return false;
    memcpy(&head, message.at, sizeof head);
    return head.nlmsg_type == NLMSG_ERROR;
}

/* ---- the kernel's list ---- */

/* The next decimal number of the line, behind blanks. */
static bool take_number(struct bytes *line, uint32_t *out)
{
    uint64_t value = 0;
    size_t digits = 0;
    while (line->len > 0 && line->at[0] == ' ')
        *line = bytes_from(*line, 1);
    for (; digits < line->len && digits < 10 && line->at[digits] >= '0' && line->at[digits] <= '9'; digits++)
        value = value * 10 + (uint64_t)(line->at[digits] - '0');
    *line = bytes_from(*line, digits);
    *out = (uint32_t)value;
    return digits > 0 && value <= UINT32_MAX;
}

bool queue_listed(struct bytes text, uint16_t number, struct queue_listing *out)
{
    *out = (struct queue_listing){0};
    while (text.len > 0) {
        const uint8_t *end = memchr(text.at, '\n', text.len);
        struct bytes line = bytes_first(text, end != NULL ? (size_t)(end - text.at) : text.len);
        text = bytes_from(text, line.len + 1);
        uint32_t n;
        struct queue_listing found;
        if (take_number(&line, &n) && n == number && take_number(&line, &found.port) &&
            take_number(&line, &found.waiting) && take_number(&line, &found.copy_mode) &&
            take_number(&line, &found.copy_range) && take_number(&line, &found.full_drops) &&
            take_number(&line, &found.buffer_drops)) {
            *out = found;
            return true;
        }
    }
    return false;
}

bool queue_look_up(int fd, uint16_t number, struct queue_listing *out)
{
    static uint8_t text[64 * 1024];
    size_t used = 0;
    ssize_t n;
    *out = (struct queue_listing){0};
    while (used < sizeof text && (n = pread(fd, text + used, sizeof text - used, (off_t)used)) > 0)
        used += (size_t)n;
    return queue_listed(bytes_of(text, used), number, out);
}
