// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * floor [QUEUES]
 *
 * Accepts every packet of queue 0 (to QUEUES - 1, one thread each) and looks into none of them: what any daemon
 * behind a packet queue costs at least, if everything is queued. Driven as well as the kernel allows: whole GSO
 * packets, many packets a receive, one verdict message for all of them. Runs until it is killed.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "scripts/lib/bench/sockets.h"

#define BATCH       32
#define MESSAGE_MAX (0xffff + 4096)
#define QUEUE_LEN   16384
#define BUFFER      (32 << 20)
#define QUEUES_MAX  64

struct floor_queue {
    pthread_t thread;
    struct mnl_socket *socket;
    uint16_t number;
};

static struct nlmsghdr *begin(void *buffer, uint16_t type, uint16_t queue)
{
    struct nlmsghdr *head = mnl_nlmsg_put_header(buffer);
    head->nlmsg_type = (uint16_t)(NFNL_SUBSYS_QUEUE << 8 | type);
    head->nlmsg_flags = NLM_F_REQUEST;
    struct nfgenmsg *gen = mnl_nlmsg_put_extra_header(head, sizeof *gen);
    gen->nfgen_family = AF_UNSPEC;
    gen->version = NFNETLINK_V0;
    gen->res_id = htons(queue);
    return head;
}

static void open_queue(struct floor_queue *q)
{
    union {
        struct nlmsghdr head;
        char room[8192];
    } buffer;
    const struct nfqnl_msg_config_cmd bind = {.command = NFQNL_CFG_CMD_BIND, .pf = htons(AF_UNSPEC)};
    const struct nfqnl_msg_config_params copy = {htonl(0xffff), NFQNL_COPY_PACKET};
    int size = BUFFER;

    q->socket = mnl_socket_open(NETLINK_NETFILTER);
    if (q->socket == NULL || mnl_socket_bind(q->socket, 0, MNL_SOCKET_AUTOPID) < 0)
        die("floor: netlink");
    if (setsockopt(mnl_socket_get_fd(q->socket), SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) < 0)
        die("floor: SO_RCVBUFFORCE");
    struct nlmsghdr *head = begin(buffer.room, NFQNL_MSG_CONFIG, q->number);
    head->nlmsg_flags |= NLM_F_ACK;
    mnl_attr_put(head, NFQA_CFG_CMD, sizeof bind, &bind);
    mnl_attr_put(head, NFQA_CFG_PARAMS, sizeof copy, &copy);
    mnl_attr_put_u32(head, NFQA_CFG_QUEUE_MAXLEN, htonl(QUEUE_LEN));
    mnl_attr_put_u32(head, NFQA_CFG_FLAGS, htonl(NFQA_CFG_F_GSO));
    mnl_attr_put_u32(head, NFQA_CFG_MASK, htonl(NFQA_CFG_F_GSO));
    if (mnl_socket_sendto(q->socket, head, head->nlmsg_len) < 0)
        die("floor: queue");
    ssize_t n = mnl_socket_recvfrom(q->socket, buffer.room, sizeof buffer.room);
    if (n < 0 || mnl_cb_run(buffer.room, (size_t)n, 0, mnl_socket_get_portid(q->socket), NULL, NULL) < 0)
        die("floor: queue");
}

static int take_id(const struct nlattr *attr, void *ctx)
{
    const struct nfqnl_msg_packet_hdr *packet = mnl_attr_get_payload(attr);
    if (mnl_attr_get_type(attr) != NFQA_PACKET_HDR)
        return MNL_CB_OK;
    *(uint32_t *)ctx = packet->packet_id;
    return MNL_CB_STOP;
}

/* The packet's id, in network order; false: it isn't one. */
static bool packet_id(const struct nlmsghdr *head, uint32_t *id)
{
    return (head->nlmsg_type & 0xff) == NFQNL_MSG_PACKET &&
           mnl_attr_parse(head, sizeof(struct nfgenmsg), take_id, id) == MNL_CB_STOP;
}

/* All up to this one. */
static void accept_all(const struct floor_queue *q, uint32_t id)
{
    union {
        struct nlmsghdr head;
        char room[128];
    } buffer;
    const struct nfqnl_msg_verdict_hdr verdict = {htonl(NF_ACCEPT), id};
    struct nlmsghdr *head = begin(buffer.room, NFQNL_MSG_VERDICT_BATCH, q->number);
    mnl_attr_put(head, NFQA_VERDICT_HDR, sizeof verdict, &verdict);
    if (send(mnl_socket_get_fd(q->socket), head, head->nlmsg_len, 0) < 0)
        die("floor: verdict");
}

static void *run(void *ctx)
{
    struct floor_queue *q = ctx;
    char *memory = malloc((size_t)BATCH * MESSAGE_MAX);
    struct mmsghdr messages[BATCH] = {0};
    struct iovec parts[BATCH];
    if (memory == NULL)
        die("floor");
    for (size_t i = 0; i < BATCH; i++) {
        parts[i] = (struct iovec){memory + i * MESSAGE_MAX, MESSAGE_MAX};
        messages[i].msg_hdr = (struct msghdr){.msg_iov = &parts[i], .msg_iovlen = 1};
    }
    for (;;) {
        int n = recvmmsg(mnl_socket_get_fd(q->socket), messages, BATCH, MSG_WAITFORONE, NULL);
        if (n < 0 && errno != EINTR && errno != ENOBUFS)
            die("floor: receive");
        uint32_t id = 0;
        bool any = false;
        for (int i = 0; i < n; i++) {
            const struct nlmsghdr *head = parts[i].iov_base;
            int left = (int)messages[i].msg_len;
            for (; mnl_nlmsg_ok(head, left); head = mnl_nlmsg_next(head, &left))
                any |= packet_id(head, &id);
        }
        if (any)
            accept_all(q, id);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    static struct floor_queue queues[QUEUES_MAX];
    long count = argc > 1 ? strtol(argv[1], NULL, 10) : 1;
    if (argc > 2 || count < 1 || count > QUEUES_MAX) {
        fprintf(stderr, "usage: floor [QUEUES]\n");
        return 2;
    }
    for (long i = 0; i < count; i++) {
        queues[i].number = (uint16_t)i;
        open_queue(&queues[i]);
    }
    for (long i = 0; i < count; i++)
        if (pthread_create(&queues[i].thread, NULL, run, &queues[i]) != 0)
            die("floor: thread");
    pthread_join(queues[0].thread, NULL);
    return 0;
}
