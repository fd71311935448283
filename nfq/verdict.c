/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nfq/verdict.h"

#include "kmod-free/rewrite.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <libnetfilter_queue/libnetfilter_queue.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink_queue.h>

/* What one netlink attribute can carry; the kernel hands out no longer packets either. */
#define SCRATCH (UINT16_MAX - sizeof(struct nlattr))

/* Set in verdicts for unseen packets only; comes back in the kernel's answer. */
#define UNSEEN_SEQ 1

static struct nlmsghdr *put_message(struct outbox *out, uint16_t type, uint16_t queue, uint32_t id, int nf_verdict)
{
    struct nlmsghdr *head = nfq_nlmsg_put((char *)out->at + out->used, type, queue);
    nfq_nlmsg_verdict_put(head, (int)id, nf_verdict);
    return head;
}

static void end(struct outbox *out, const struct nlmsghdr *head)
{
    out->used += (size_t)MNL_ALIGN((int)head->nlmsg_len);
    out->messages++;
    assert(out->used <= out->room);
}

/* This packet is the next to get a verdict, or the next whose turn comes later. */
static void follow(struct outbox *out, uint16_t queue, uint32_t id)
{
    if (out->late) { /* its turn was before; and the next ones don't go on from here */
        out->late = false;
        out->plain = NULL;
        return;
    }
    bool in_row = id == out->last + 1;
    out->row = in_row ? out->row + 1 : 0;
    out->sure = out->sure && in_row;
    if (!out->sure && out->row >= OUTBOX_ROW && out->later == 0) {
        struct nlmsghdr *head = put_message(out, NFQNL_MSG_VERDICT_BATCH, queue, out->last, out->unseen);
        head->nlmsg_seq = UNSEEN_SEQ;
        end(out, head);
        out->plain = NULL;
        out->sure = true;
    }
    out->last = id;
}

static struct nlmsghdr *begin(struct outbox *out, uint16_t queue, uint32_t id, int nf_verdict)
{
    assert(!outbox_full(out));
    follow(out, queue, id);
    out->plain = NULL;
    return put_message(out, NFQNL_MSG_VERDICT, queue, id, nf_verdict);
}

static struct nfqnl_msg_verdict_hdr *verdict_of(const struct nlmsghdr *head)
{
    return mnl_attr_get_payload(mnl_nlmsg_get_payload_offset(head, sizeof(struct nfgenmsg)));
}

void verdict_put_plain(struct outbox *out, uint16_t queue, uint32_t id, int nf_verdict)
{
    assert(!outbox_full(out));
    follow(out, queue, id);
    if (out->sure && out->later == 0 && out->plain != NULL && verdict_of(out->plain)->verdict == htonl((uint32_t)nf_verdict)) {
        out->plain->nlmsg_type = NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_VERDICT_BATCH;
        verdict_of(out->plain)->id = htonl(id);
        return;
    }
    struct nlmsghdr *head = put_message(out, NFQNL_MSG_VERDICT, queue, id, nf_verdict);
    end(out, head);
    out->plain = head;
}

void verdict_later(struct outbox *out, uint16_t queue, uint32_t id)
{
    assert(!outbox_full(out));
    follow(out, queue, id);
    out->later++;
}

void verdict_late(struct outbox *out)
{
    assert(out->later > 0 && !out->late);
    out->later--;
    out->late = true;
}

bool verdict_none_unseen(struct bytes message)
{
    int error;
    return queued_answer(message, NFQNL_MSG_VERDICT_BATCH, UNSEEN_SEQ, &error) && error == -ENOENT;
}

/*
 * How many bytes of old sequence space to put in front of a clipped packet: a GSO
 * packet whose payload is no longer than one segment is silently lost on output. Its
 * old length is always long enough, one segment of the sender's usually is. A receiver that
 * lacks some of these bytes would take ours for them: then the packet is dropped (may_pad).
 */
static size_t clip_pad(const struct queued *q, const struct verdict *v, const struct packet *p)
{
    size_t lost = p->payload.len - v->keep;
    if (!q->gso || (v->sender_mss != 0 && v->keep > v->sender_mss))
        return 0;
    return v->sender_mss != 0 && v->sender_mss < lost ? v->sender_mss : lost;
}

static enum verdict_done put_clip(struct outbox *out, const struct queued *q, const struct verdict *v,
                                  const struct packet *p, uint8_t *scratch)
{
    size_t len = 0, pad = v->keep <= p->payload.len ? clip_pad(q, v, p) : 0;
    /* for its sender, a packet without payload is the same as none: it has to repeat it */
    bool nothing = v->keep == 0 || (pad > 0 && !v->may_pad);
    if (!nothing && v->keep <= p->payload.len)
        len = v->patches > 0 ? rewrite_refuse(q->frame.l3, p, v->keep, pad, v->patch, v->patches, scratch, SCRATCH)
                             : rewrite_clip(q->frame.l3, p, v->keep, pad, scratch, SCRATCH);
    if (len == 0) {
        verdict_put_plain(out, q->queue, q->id, NF_DROP);
        return nothing ? VERDICT_DONE_DROPPED : VERDICT_DONE_NOT_WRITTEN;
    }
    struct nlmsghdr *head = begin(out, q->queue, q->id, NF_ACCEPT);
    nfq_nlmsg_verdict_put_pkt(head, scratch, (uint32_t)len);
    end(out, head);
    return VERDICT_DONE_CLIPPED;
}

/* As long as it was, so that GSO makes no difference. */
static enum verdict_done put_rewritten(struct outbox *out, const struct queued *q, const struct verdict *v,
                                       const struct packet *p, uint8_t *scratch)
{
    size_t len = v->single_path ? rewrite_single_path(q->frame.l3, p, scratch, SCRATCH)
                                : rewrite_refuse(q->frame.l3, p, p->payload.len, 0, v->patch, v->patches, scratch, SCRATCH);
    if (len == 0) {
        verdict_put_plain(out, q->queue, q->id, NF_DROP);
        return VERDICT_DONE_NOT_WRITTEN;
    }
    struct nlmsghdr *head = begin(out, q->queue, q->id, NF_ACCEPT);
    nfq_nlmsg_verdict_put_pkt(head, scratch, (uint32_t)len);
    end(out, head);
    return VERDICT_DONE_REWRITTEN;
}

/* It goes on with this bit, for the rules to remember. */
static void put_over(struct outbox *out, const struct queued *q, uint32_t bit)
{
    struct nlmsghdr *head = begin(out, q->queue, q->id, NF_ACCEPT);
    nfq_nlmsg_verdict_put_mark(head, q->mark | bit);
    end(out, head);
}

/* The packet, disarmed, goes round again with these bits, for the rules to act on them. */
static enum verdict_done put_reset(struct outbox *out, const struct queued *q, const struct verdict *v,
                                   const struct packet *p, uint32_t bits, uint8_t *scratch)
{
    size_t len = rewrite_reset(q->frame.l3, p, v->onward.seq, v->onward.ack, q->gso, scratch, SCRATCH);
    if (len == 0) {
        verdict_put_plain(out, q->queue, q->id, NF_DROP);
        return VERDICT_DONE_NOT_WRITTEN;
    }
    struct nlmsghdr *head = begin(out, q->queue, q->id, NF_REPEAT);
    nfq_nlmsg_verdict_put_mark(head, q->mark | bits);
    nfq_nlmsg_verdict_put_pkt(head, scratch, (uint32_t)len);
    end(out, head);
    return VERDICT_DONE_RESET;
}

enum verdict_done verdict_put(struct outbox *out, const struct queued *q, const struct verdict *v,
                              const struct packet *p, const struct marks *m, uint8_t scratch[static 0xffff])
{
    switch (v->kind) {
    case VERDICT_PASS:
        if (v->over)
            put_over(out, q, m->pass);
        else
            verdict_put_plain(out, q->queue, q->id, NF_ACCEPT);
        return VERDICT_DONE_ACCEPTED;
    case VERDICT_DROP: /* with a ban, the rules drop it */
        if (v->ban && put_reset(out, q, v, p, m->ban, scratch) == VERDICT_DONE_RESET)
            return VERDICT_DONE_DROPPED;
        if (v->ban)
            return VERDICT_DONE_NOT_WRITTEN;
        verdict_put_plain(out, q->queue, q->id, NF_DROP);
        return VERDICT_DONE_DROPPED;
    case VERDICT_CLIP:
        return put_clip(out, q, v, p, scratch);
    case VERDICT_REWRITE:
        return put_rewritten(out, q, v, p, scratch);
    case VERDICT_RESET:
        return put_reset(out, q, v, p, m->condemned | (v->ban ? m->ban : 0), scratch);
    case VERDICT_UNSET:
        break;
    }
    verdict_put_plain(out, q->queue, q->id, NF_DROP);
    return VERDICT_DONE_UNSET;
}
