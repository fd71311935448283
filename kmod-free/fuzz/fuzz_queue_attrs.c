/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a netlink socket delivers, down to the verdicts that go back.
 *
 * Input: one byte of settings (family and verdict), then a datagram as the kernel would send it: netlink
 * messages one behind the other. Each message is looked at in a block of exactly its size.
 */
#include <assert.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <linux/netlink.h>
#include <stdlib.h>

#include "nfq/queue.h"
#include "nfq/verdict.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static const enum verdict_kind kinds[] = {VERDICT_PASS, VERDICT_RESET, VERDICT_CLIP, VERDICT_DROP, VERDICT_UNSET};

static void check_queued(const struct queued *q, struct bytes message, const struct marks *m)
{
    struct bytes l3 = q->frame.l3;
    assert(l3.len > 0 && l3.at >= message.at && l3.at + l3.len <= message.at + message.len);
    assert(l3.at[0] >> 4 == 4 || l3.at[0] >> 4 == 6);
    assert(q->frame.csum == CSUM_VERIFY || q->frame.csum == CSUM_TRUSTED);
    assert(q->frame.tag == marks_tag(m, q->mark));
}

/* Exactly one message, whole, aligned, with the id that was asked about. */
static void check_verdict(const struct outbox *out, const struct queued *q)
{
    struct nlmsghdr head;
    uint32_t id;
    struct bytes rest = bytes_of(out->at, out->used), message;
    assert(out->messages == 1 && out->used % NLMSG_ALIGNTO == 0);
    assert(queue_next_message(&rest, &message) && rest.len == 0);
    memcpy(&head, message.at, sizeof head);
    assert(head.nlmsg_type == (NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_VERDICT));
    /* struct nlmsghdr, struct nfgenmsg, struct nlattr, the verdict */
    struct bytes at_id = bytes_from(message, 16 + 4 + 4 + 4);
    assert(take_be32(&at_id, &id) && id == q->id);
}

static void answer(const struct queued *q, uint8_t how, const struct marks *m)
{
    static uint8_t room[VERDICT_MESSAGE_MAX] __attribute__((aligned(NLMSG_ALIGNTO)));
    static uint8_t scratch[0xffff];
    struct outbox out = {.at = room, .room = sizeof room};
    struct packet p;
    struct verdict v = {.kind = kinds[how % (sizeof kinds / sizeof *kinds)], .keep = how, .sender_mss = 536};
    if (packet_decode(&q->frame, &p) != PACKET_TCP && (v.kind == VERDICT_RESET || v.kind == VERDICT_CLIP))
        v.kind = VERDICT_DROP; /* the engine decides on these for TCP only */
    enum verdict_done done = verdict_put(&out, q, &v, &p, m, scratch);
    assert(done != VERDICT_DONE_UNSET || v.kind == VERDICT_UNSET);
    check_verdict(&out, q);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct bytes datagram = bytes_of(data, len), message;
    uint8_t how;
    struct marks m;
    if (!take_u8(&datagram, &how) || !marks_of_mask(MARK_MASK_DEFAULT, &m))
        return 0;
    struct queue_listing listing;
    (void)!queue_listed(datagram, 0, &listing);
    for (size_t left = datagram.len + 1; queue_next_message(&datagram, &message); left = datagram.len) {
        assert(datagram.len < left); /* it ends */
        uint8_t *exact = malloc(message.len);
        assert(exact != NULL);
        memcpy(exact, message.at, message.len);
        struct queued q;
        struct bytes own = bytes_of(exact, message.len);
        enum queued_result r = queued_of_message(own, &m, &q);
        assert(r != QUEUED_LOST || q.frame.l3.len == 0);
        if (r == QUEUED_OK) {
            check_queued(&q, own, &m);
            answer(&q, how, &m);
        }
        free(exact);
    }
    return 0;
}
