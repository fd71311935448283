/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <linux/netlink.h>
#include <stdlib.h>
#include <string.h>

#include "kmod-free/tests/support.h"
#include "nfq/verdict.h"

#define QUEUE    513
#define ID       0x01020304u
#define OLD_MARK 0xa8f0beefu
#define PAYLOAD  4000

static struct marks marks;
static uint8_t scratch[0xffff];

/* A packet that waits for its verdict. */
struct waiting {
    struct queued q;
    struct packet p;
    uint8_t raw[SUPPORT_PACKET_MAX];
};

/* What is in one verdict message, read without the library that wrote it. */
struct seen {
    uint16_t queue;
    uint32_t verdict, id;
    bool batch; /* for all packets up to id */
    bool has_mark, has_packet;
    uint32_t mark;
    struct bytes packet;
};

static uint32_t get32(struct bytes *b)
{
    uint32_t v;
    assert_true(take_be32(b, &v));
    return v;
}

/* The next n bytes, copied to where they are aligned; zeros (and a failed test) where there are fewer. */
static void get_raw(struct bytes *b, void *out, size_t n)
{
    struct bytes raw;
    memset(out, 0, n);
    if (take_raw(b, n, &raw))
        memcpy(out, raw.at, n);
    else
        fail_msg("%zu bytes left of %zu", b->len, n);
}

static void waiting_packet(struct waiting *w, bool v6, bool gso, uint8_t flags)
{
    static uint8_t payload[PAYLOAD];
    for (size_t i = 0; i < sizeof payload; i++)
        payload[i] = (uint8_t)('a' + i % 26);
    memset(w, 0, sizeof *w);
    const uint8_t timestamps[] = {1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2};
    size_t len = support_segment(
        &(struct support_segment){
            .src = support_endpoint(v6 ? "2001:db8:1::2" : "198.51.100.2", 40112),
            .dst = support_endpoint(v6 ? "2001:db8:2::25" : "192.0.2.25", 25),
            .seq = 0xfffffff0,
            .ack = 77,
            .flags = flags,
            .options = bytes_of(timestamps, sizeof timestamps),
            .payload = bytes_of(payload, sizeof payload),
        },
        w->raw, sizeof w->raw);
    w->q = (struct queued){.id = ID, .queue = QUEUE, .mark = OLD_MARK, .gso = gso};
    w->q.frame = support_frame(bytes_of(w->raw, len), 1);
    assert_int_equal(packet_decode(&w->q.frame, &w->p), PACKET_TCP);
    assert_int_equal(w->p.payload.len, PAYLOAD);
}

static void new_outbox(struct outbox *out)
{
    *out = (struct outbox){.room = VERDICT_MESSAGE_MAX};
    out->at = guard_room(out->room);
}

/* Takes the next message off; everything in it must be accounted for. */
static struct seen take_verdict(struct bytes *rest)
{
    struct nlmsghdr head;
    struct nfgenmsg gen;
    struct nlattr a;
    struct seen s = {0};
    bool has_verdict = false;
    struct bytes all = *rest, attrs = *rest, body;
    get_raw(&attrs, &head, sizeof head);
    assert_in_range(head.nlmsg_len, sizeof head, all.len);
    keep_first(&attrs, head.nlmsg_len - sizeof head);
    s.batch = head.nlmsg_type == (NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_VERDICT_BATCH);
    if (!s.batch)
        assert_int_equal(head.nlmsg_type, NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_VERDICT);
    assert_int_equal(head.nlmsg_flags, NLM_F_REQUEST);
    get_raw(&attrs, &gen, sizeof gen);
    assert_int_equal(gen.version, NFNETLINK_V0);
    s.queue = ntohs(gen.res_id);
    while (attrs.len > 0) {
        get_raw(&attrs, &a, sizeof a);
        assert_true(a.nla_len >= sizeof a);
        assert_true(take_raw(&attrs, a.nla_len - sizeof a, &body));
        attrs = bytes_from(attrs, -(size_t)a.nla_len & 3);
        switch (a.nla_type) {
        case NFQA_VERDICT_HDR:
            assert_false(has_verdict);
            assert_int_equal(body.len, 8);
            s.verdict = get32(&body);
            s.id = get32(&body);
            has_verdict = true;
            break;
        case NFQA_MARK:
            assert_false(s.has_mark);
            assert_int_equal(body.len, 4);
            s.mark = get32(&body);
            s.has_mark = true;
            break;
        case NFQA_PAYLOAD:
            assert_false(s.has_packet);
            s.packet = body;
            s.has_packet = true;
            break;
        default:
            fail_msg("attribute %u", a.nla_type);
        }
    }
    assert_true(has_verdict);
    *rest = bytes_from(all, ((size_t)head.nlmsg_len + 3) & ~(size_t)3);
    return s;
}

/* The one message that this verdict makes; its packet lies in a buffer that lives until the next call. */
static struct seen the_message(struct waiting *w, const struct verdict *v, enum verdict_done expected)
{
    static uint8_t kept[VERDICT_MESSAGE_MAX];
    struct outbox out;
    new_outbox(&out);
    assert_int_equal(verdict_put(&out, &w->q, v, &w->p, &marks, scratch), expected);
    assert_int_equal(out.messages, 1);
    assert_int_equal(out.used % 4, 0);
    memcpy(kept, out.at, out.used);
    struct bytes rest = bytes_of(kept, out.used);
    guard_room_free(out.at, out.room);
    struct seen s = take_verdict(&rest);
    assert_int_equal(rest.len, 0);
    assert_int_equal(s.queue, QUEUE);
    assert_int_equal(s.id, ID);
    return s;
}

static struct packet decoded(struct bytes l3)
{
    struct packet p;
    struct frame f = support_frame(l3, 1);
    assert_int_equal(packet_decode(&f, &p), PACKET_TCP); /* and its checksums are right */
    return p;
}

static void pass_and_drop_say_nothing_else(void **state)
{
    (void)state;
    static struct waiting w;
    waiting_packet(&w, false, false, TCP_ACK);
    struct seen s = the_message(&w, &(struct verdict){.kind = VERDICT_PASS}, VERDICT_DONE_ACCEPTED);
    assert_int_equal(s.verdict, NF_ACCEPT);
    assert_false(s.has_mark || s.has_packet); /* V3: the mark isn't even mentioned */
    s = the_message(&w, &(struct verdict){.kind = VERDICT_DROP}, VERDICT_DONE_DROPPED);
    assert_int_equal(s.verdict, NF_DROP);
    assert_false(s.has_mark || s.has_packet);
}

static void a_verdict_that_nobody_set_is_a_drop(void **state)
{
    (void)state;
    static struct waiting w;
    waiting_packet(&w, false, false, TCP_ACK);
    struct seen s = the_message(&w, &(struct verdict){0}, VERDICT_DONE_UNSET);
    assert_int_equal(s.verdict, NF_DROP);
    s = the_message(&w, &(struct verdict){.kind = (enum verdict_kind)99}, VERDICT_DONE_UNSET);
    assert_int_equal(s.verdict, NF_DROP);
}

static struct verdict reset_verdict(void)
{
    return (struct verdict){
        .kind = VERDICT_RESET, .from = ROLE_CLIENT, .onward = {.seq = {0x11223344}, .ack = {0x55667788}}};
}

static void reset_sends_a_rst_round_again_with_the_condemned_bit(void **state)
{
    (void)state;
    static struct waiting w;
    struct verdict v = reset_verdict();
    for (int v6 = 0; v6 < 2; v6++) {
        waiting_packet(&w, v6, false, TCP_ACK | TCP_PSH | TCP_FIN);
        struct seen s = the_message(&w, &v, VERDICT_DONE_RESET);
        assert_int_equal(s.verdict, NF_REPEAT);
        assert_true(s.has_mark && s.has_packet);
        struct packet p = decoded(s.packet);
        assert_int_equal(p.flags, TCP_RST | TCP_ACK);
        assert_int_equal(p.seq.v, 0x11223344);
        assert_int_equal(p.ack.v, 0x55667788);
        assert_int_equal(p.payload.len, 0);
        assert_true(endpoint_equal(&p.src, &w.p.src) && endpoint_equal(&p.dst, &w.p.dst));
    }
}

/* With a reset or with a silent drop: the packet goes round again, disarmed, with the ban bit. */
static void a_ban_goes_round_with_its_bit(void **state)
{
    (void)state;
    static struct waiting w;
    for (int dropped = 0; dropped < 2; dropped++) {
        struct verdict v = reset_verdict();
        v.kind = dropped ? VERDICT_DROP : VERDICT_RESET;
        v.ban = true;
        waiting_packet(&w, false, false, TCP_ACK | TCP_PSH);
        struct seen s = the_message(&w, &v, dropped ? VERDICT_DONE_DROPPED : VERDICT_DONE_RESET);
        assert_int_equal(s.verdict, NF_REPEAT);
        assert_true(s.has_mark && s.has_packet);
        assert_int_equal(s.mark, OLD_MARK | marks.ban | (dropped ? 0 : marks.condemned));
        struct packet p = decoded(s.packet);
        assert_int_equal(p.flags, TCP_RST | TCP_ACK);
        assert_int_equal(p.payload.len, 0);
    }
}

static void reset_of_a_gso_packet_keeps_its_length_and_none_of_its_bytes(void **state)
{
    (void)state;
    static struct waiting w;
    struct verdict v = reset_verdict();
    for (int v6 = 0; v6 < 2; v6++) {
        waiting_packet(&w, v6, true, TCP_ACK);
        struct seen s = the_message(&w, &v, VERDICT_DONE_RESET);
        assert_int_equal(s.packet.len, w.q.frame.l3.len);
        struct packet p = decoded(s.packet);
        assert_int_equal(p.flags, TCP_RST | TCP_ACK);
        assert_true(p.payload.len >= PAYLOAD);
        for (size_t i = 0; i < p.payload.len; i++)
            assert_int_equal(p.payload.at[i], 0);
    }
}

/* V3: whatever the own bits are, and whatever the others are, one bit changes. */
static void foreign_mark_bits_survive_in_all_states_of_our_own(void **state)
{
    (void)state;
    static struct waiting w;
    struct verdict v = reset_verdict();
    waiting_packet(&w, false, false, TCP_ACK);
    const uint32_t foreign[] = {0, UINT32_MAX, 0x1234, 0xa5a5a5a5, 0x5a5a5a5a, 0x80000001};
    const uint32_t masks[] = {MARK_MASK_DEFAULT, 0x7f, 0xfe000000};
    for (size_t m = 0; m < sizeof masks / sizeof *masks; m++) {
        struct marks mine;
        assert_true(marks_of_mask(masks[m], &mine));
        unsigned shift = (unsigned)__builtin_ctz(masks[m]);
        for (uint32_t own = 0; own < 128; own++) {
            for (size_t f = 0; f < sizeof foreign / sizeof *foreign; f++) {
                uint32_t old = (foreign[f] & ~masks[m]) | own << shift;
                struct outbox out;
                new_outbox(&out);
                w.q.mark = old;
                assert_int_equal(verdict_put(&out, &w.q, &v, &w.p, &mine, scratch), VERDICT_DONE_RESET);
                struct bytes rest = bytes_of(out.at, out.used);
                struct seen s = take_verdict(&rest);
                assert_true(s.has_mark);
                assert_int_equal(s.mark & ~masks[m], old & ~masks[m]);
                assert_int_equal(s.mark, old | 0x20u << shift); /* tag, pass, ban as they were; condemned set */
                guard_room_free(out.at, out.room);
            }
        }
    }
}

static void a_reset_that_cannot_be_written_is_a_drop(void **state)
{
    (void)state;
    static struct waiting w;
    struct verdict v = reset_verdict();
    waiting_packet(&w, false, false, TCP_ACK);
    w.p.wire_len++; /* not all of it is there */
    struct seen s = the_message(&w, &v, VERDICT_DONE_NOT_WRITTEN);
    assert_int_equal(s.verdict, NF_DROP);
    assert_false(s.has_mark || s.has_packet);
}

static void clip_keeps_the_front_without_fin(void **state)
{
    (void)state;
    static struct waiting w;
    for (int v6 = 0; v6 < 2; v6++) {
        for (uint32_t keep = 1; keep <= PAYLOAD; keep += keep < 50 ? 1 : 395) {
            waiting_packet(&w, v6, false, TCP_ACK | TCP_PSH | TCP_FIN);
            struct verdict v = {.kind = VERDICT_CLIP, .keep = keep, .sender_mss = 1460};
            struct seen s = the_message(&w, &v, VERDICT_DONE_CLIPPED);
            assert_int_equal(s.verdict, NF_ACCEPT);
            assert_false(s.has_mark); /* V3 */
            struct packet p = decoded(s.packet);
            assert_int_equal(p.flags, TCP_ACK);
            assert_int_equal(p.seq.v, 0xfffffff0);
            assert_true(bytes_equal(p.payload, bytes_first(w.p.payload, keep)));
        }
    }
}

static void clip_to_nothing_is_a_drop(void **state)
{
    (void)state;
    static struct waiting w;
    for (int gso = 0; gso < 2; gso++) {
        waiting_packet(&w, false, gso, TCP_ACK);
        struct seen s =
            the_message(&w, &(struct verdict){.kind = VERDICT_CLIP, .sender_mss = 1460}, VERDICT_DONE_DROPPED);
        assert_int_equal(s.verdict, NF_DROP);
        assert_false(s.has_packet);
    }
}

static void clip_beyond_the_end_is_a_drop(void **state)
{
    (void)state;
    static struct waiting w;
    waiting_packet(&w, false, true, TCP_ACK);
    struct verdict v = {.kind = VERDICT_CLIP, .keep = PAYLOAD + 1};
    assert_int_equal(the_message(&w, &v, VERDICT_DONE_NOT_WRITTEN).verdict, NF_DROP);
    v.keep = UINT32_MAX;
    assert_int_equal(the_message(&w, &v, VERDICT_DONE_NOT_WRITTEN).verdict, NF_DROP);
}

/* A GSO packet whose payload isn't longer than one segment would be lost on output. */
static void clip_of_a_gso_packet_stays_longer_than_a_segment(void **state)
{
    (void)state;
    static struct waiting w;
    const uint16_t sizes[] = {0, 1, 536, 1220, 1460, 8960, 65535};
    for (size_t m = 0; m < sizeof sizes / sizeof *sizes; m++) {
        for (uint32_t keep = 1; keep <= PAYLOAD; keep += keep < 20 || keep > PAYLOAD - 20 ? 1 : 245) {
            waiting_packet(&w, m % 2, true, TCP_ACK | TCP_FIN);
            struct verdict v = {.kind = VERDICT_CLIP, .keep = keep, .sender_mss = sizes[m], .may_pad = true};
            struct packet p = decoded(the_message(&w, &v, VERDICT_DONE_CLIPPED).packet);
            size_t pad = p.payload.len - keep;
            assert_true(p.payload.len <= PAYLOAD);
            assert_true(p.payload.len == PAYLOAD || (sizes[m] != 0 && p.payload.len > sizes[m]));
            if (sizes[m] != 0 && keep > sizes[m])
                assert_int_equal(pad, 0);
            assert_int_equal(p.seq.v, 0xfffffff0 - pad); /* what is in front was had before */
            assert_true(bytes_equal(bytes_from(p.payload, pad), bytes_first(w.p.payload, keep)));
            assert_int_equal(p.flags, TCP_ACK);
        }
    }
}

/* ... but nothing may stand in for what the receiver still waits for. */
static void clip_of_a_gso_packet_behind_a_loss(void **state)
{
    (void)state;
    static struct waiting w;
    for (uint32_t keep = 1; keep <= PAYLOAD; keep += 245) {
        waiting_packet(&w, false, true, TCP_ACK);
        struct verdict v = {.kind = VERDICT_CLIP, .keep = keep, .sender_mss = 1460};
        bool alone = keep > v.sender_mss || keep == PAYLOAD;
        struct seen s = the_message(&w, &v, alone ? VERDICT_DONE_CLIPPED : VERDICT_DONE_DROPPED);
        assert_int_equal(s.verdict, alone ? NF_ACCEPT : NF_DROP);
        if (alone)
            assert_int_equal(decoded(s.packet).payload.len, keep);
    }
}

/* What must stand where `command` bytes of a refused RCPT begin at `at` of the old payload; the rest as it was. */
static void assert_laid_over(struct bytes got, struct bytes old, const struct rewrite_patch *patch, size_t count)
{
    static const char verb[] = "RCPT TO:<";
    assert_int_equal(got.len, old.len);
    for (uint32_t i = 0; i < got.len; i++) {
        uint8_t wanted = old.at[i];
        for (size_t n = 0; n < count; n++) {
            uint32_t place = i - patch[n].at + patch[n].from; /* in the command */
            if (i >= patch[n].at && i < patch[n].at + patch[n].len)
                wanted = place < 9 ? (uint8_t)verb[place] : place + 1 == patch[n].command ? '>' : '@';
        }
        assert_int_equal(got.at[i], wanted);
    }
}

/* The packet goes on as it was but for the refused commands: as long, with its flags, options and numbers, GSO or not.
 */
static void rewrite_lays_the_patches_over_and_changes_nothing_else(void **state)
{
    (void)state;
    static struct waiting w;
    const struct rewrite_patch whole = {.at = 100, .len = 25, .command = 25}, /* one that lies in the packet, */
        front = {.at = 0, .len = 11, .from = 30, .command = 41},              /* the end of one, */
        back = {.at = PAYLOAD - 12, .len = 12, .command = 40};                /* and the beginning of one */
    for (unsigned form = 0; form < 8; form++) {
        uint8_t flags = form & 4 ? TCP_ACK | TCP_PSH | TCP_FIN : TCP_ACK;
        waiting_packet(&w, form & 1, form & 2, flags);
        struct verdict v = {
            .kind = VERDICT_REWRITE, .keep = PAYLOAD, .patches = 3, .patch = {whole, front, back}, .sender_mss = 1460};
        struct seen s = the_message(&w, &v, VERDICT_DONE_REWRITTEN);
        assert_int_equal(s.verdict, NF_ACCEPT);
        assert_false(s.has_mark); /* V3 */
        assert_int_equal(s.packet.len, w.q.frame.l3.len);
        struct packet p = decoded(s.packet);
        assert_int_equal(p.flags, flags);
        assert_int_equal(p.seq.v, w.p.seq.v);
        assert_int_equal(p.ack.v, w.p.ack.v);
        assert_laid_over(p.payload, w.p.payload, v.patch, v.patches);
        /* all in front of the payload, but for the two checksums */
        uint8_t before[SUPPORT_PACKET_MAX], after[SUPPORT_PACKET_MAX];
        memcpy(before, w.raw, w.p.payload_at);
        memcpy(after, s.packet.at, w.p.payload_at);
        memset(before + w.p.l4_at + 16, 0, 2);
        memset(after + w.p.l4_at + 16, 0, 2);
        assert_memory_equal(before, after, w.p.payload_at);
    }
}

static void clip_with_patches_keeps_the_front_disarmed(void **state)
{
    (void)state;
    static struct waiting w;
    const struct rewrite_patch patch = {.at = 50, .len = 25, .command = 25};
    for (unsigned form = 0; form < 4; form++) {
        waiting_packet(&w, form & 1, form & 2, TCP_ACK | TCP_PSH);
        struct verdict v = {.kind = VERDICT_CLIP, .keep = 77, .patches = 1, .patch = {patch}, .sender_mss = 1460, .may_pad = true};
        struct packet p = decoded(the_message(&w, &v, VERDICT_DONE_CLIPPED).packet);
        assert_true(p.payload.len >= 77 && (form & 2 ? p.payload.len > 1460 : p.payload.len == 77));
        assert_laid_over(bytes_from(p.payload, p.payload.len - 77), bytes_first(w.p.payload, 77), &patch, 1);
    }
}

static void a_patch_outside_the_packet_is_a_drop(void **state)
{
    (void)state;
    static struct waiting w;
    const struct rewrite_patch outside[] = {
        {.at = PAYLOAD, .len = 1, .command = 25},
        {.at = PAYLOAD - 24, .len = 25, .command = 25},
        {.at = UINT32_MAX, .len = 25, .command = 25},
        {.at = 1, .len = UINT32_MAX, .command = 25},
    };
    waiting_packet(&w, false, false, TCP_ACK);
    for (size_t i = 0; i < sizeof outside / sizeof *outside; i++) {
        struct verdict v = {.kind = VERDICT_REWRITE, .keep = PAYLOAD, .patches = 1, .patch = {outside[i]}};
        struct seen s = the_message(&w, &v, VERDICT_DONE_NOT_WRITTEN);
        assert_int_equal(s.verdict, NF_DROP);
        assert_false(s.has_mark || s.has_packet);
    }
}

static void many_verdicts_wait_in_order_until_the_outbox_is_full(void **state)
{
    (void)state;
    static struct waiting w;
    struct outbox out = {.room = 4 * VERDICT_MESSAGE_MAX, .last = UINT32_MAX, .sure = true};
    out.at = guard_room(out.room);
    waiting_packet(&w, false, true, TCP_ACK);
    struct verdict v = reset_verdict();
    uint32_t n = 0;
    while (!outbox_full(&out)) {
        w.q.id = n;
        if (n % 3 == 0)
            assert_int_equal(verdict_put(&out, &w.q, &v, &w.p, &marks, scratch), VERDICT_DONE_RESET);
        else
            verdict_put_plain(&out, QUEUE, n, n % 3 == 1 ? NF_ACCEPT : NF_DROP);
        n++;
    }
    assert_int_equal(out.messages, n);
    assert_true(out.room - out.used < VERDICT_MESSAGE_MAX);
    struct bytes rest = bytes_of(out.at, out.used);
    for (uint32_t i = 0; i < n; i++) {
        struct seen s = take_verdict(&rest);
        assert_int_equal(s.id, i);
        assert_int_equal(s.verdict, i % 3 == 0 ? NF_REPEAT : i % 3 == 1 ? NF_ACCEPT : NF_DROP);
        assert_int_equal(s.has_packet, i % 3 == 0);
    }
    assert_int_equal(rest.len, 0);
    guard_room_free(out.at, out.room);
}

#define PACKETS 4000
enum { GONE_UNSEEN = 100, WAITS };

/* What one message does to the packets that wait, as the kernel does it: nfqnl_recv_verdict(_batch). */
static void kernel_takes(uint32_t *waiting, uint32_t first, const struct seen *s, uint32_t verdict)
{
    for (uint32_t i = 0; i < PACKETS; i++)
        if (waiting[i] == WAITS && (s->batch ? (int32_t)(first + i - s->id) <= 0 : first + i == s->id))
            waiting[i] = verdict;
}

static void give(struct outbox *out, uint32_t id, uint32_t verdict)
{
    static struct waiting w;
    if (verdict == NF_REPEAT) {
        struct verdict v = reset_verdict();
        waiting_packet(&w, false, false, TCP_ACK);
        w.q.id = id;
        assert_int_equal(verdict_put(out, &w.q, &v, &w.p, &marks, scratch), VERDICT_DONE_RESET);
    } else {
        verdict_put_plain(out, QUEUE, id, (int)verdict);
    }
}

/* Packets whose verdict comes later (verdict_later). */
static struct {
    uint32_t at[8], count;
} later;

static void give_late(struct outbox *out, uint32_t first, const uint32_t *wanted, uint32_t random)
{
    uint32_t *one = &later.at[random % later.count], i = *one;
    *one = later.at[--later.count];
    verdict_late(out);
    give(out, first + i, wanted[i]);
}

/*
 * Whatever is lost between the kernel and us, and whatever the verdicts are, and when they come: each packet that came
 * gets its own, and one that didn't is never let through by another's.
 */
static void rows_of_verdicts_cover_none_that_was_not_seen(void **state)
{
    (void)state;
    static uint32_t waiting[PACKETS], wanted[PACKETS];
    struct outbox out = {.room = 2 * VERDICT_MESSAGE_MAX, .unseen = NF_DROP};
    uint64_t random = 1;
    out.at = guard_room(out.room);
    for (unsigned round = 0; round < 20; round++) {
        /* numbers wrap; and now and then numbers are missing because the kernel had no room, too */
        uint32_t first = round % 2 ? UINT32_MAX - 1000 : 1, messages = 0, swept = 0;
        out = (struct outbox){.at = out.at, .room = out.room, .unseen = NF_DROP, .last = first - 1};
        for (uint32_t i = 0; i < PACKETS; i++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            uint32_t dice = (uint32_t)(random >> 33) % 1000;
            bool lost = round > 1 && dice < 4;
            waiting[i] = round > 1 && dice < 2 ? NF_STOP : WAITS; /* not even queued */
            wanted[i] = lost ? GONE_UNSEEN : dice < 20 ? NF_REPEAT : dice < 60 ? NF_DROP : NF_ACCEPT;
        }
        for (uint32_t i = 0; i < PACKETS; i++) {
            if (wanted[i] == GONE_UNSEEN)
                continue;
            random = random * 6364136223846793005u + 1442695040888963407u;
            uint32_t dice = (uint32_t)(random >> 33) % 1000;
            if (round > 9 && dice < 20 && later.count < 8) {
                verdict_later(&out, QUEUE, first + i);
                later.at[later.count++] = i;
            } else {
                give(&out, first + i, wanted[i]);
            }
            while (later.count > 0 && (dice > 980 || i == PACKETS - 1))
                give_late(&out, first, wanted, dice);
            if (i % 32 != 31 && i != PACKETS - 1)
                continue;
            struct bytes rest = bytes_of(out.at, out.used);
            for (uint32_t n = 0; n < out.messages; n++) {
                struct nlmsghdr head;
                memcpy(&head, rest.at, sizeof head);
                struct seen s = take_verdict(&rest);
                swept += head.nlmsg_seq != 0;
                kernel_takes(waiting, first, &s, head.nlmsg_seq != 0 ? (uint32_t)GONE_UNSEEN : s.verdict);
                if (head.nlmsg_seq != 0)
                    assert_int_equal(s.verdict, NF_DROP);
            }
            assert_int_equal(rest.len, 0);
            messages += out.messages;
            outbox_sent(&out);
        }
        for (uint32_t i = 0; i < PACKETS; i++) {
            if (wanted[i] != GONE_UNSEEN)
                assert_true(waiting[i] == wanted[i] || waiting[i] == NF_STOP);
            else
                assert_true(waiting[i] == GONE_UNSEEN || waiting[i] == NF_STOP || waiting[i] == WAITS);
        }
        assert_in_range(swept, 1, 40);
        if (round <= 1) {
            assert_int_equal(swept, 1);
            assert_true(messages < PACKETS / 4);
        }
    }
    guard_room_free(out.at, out.room);
}

static void that_no_unseen_packet_was_left_is_no_error(void **state)
{
    (void)state;
    struct {
        struct nlmsghdr head;
        struct nlmsgerr error;
    } m = {.head = {sizeof m, NLMSG_ERROR, 0, 0, 0},
           .error = {-ENOENT, {32, NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_VERDICT_BATCH, NLM_F_REQUEST, 0, 0}}};
    struct outbox out = {.room = VERDICT_MESSAGE_MAX + 256, .unseen = NF_ACCEPT};
    out.at = guard_room(out.room);
    for (uint32_t id = 8; id < 8 + OUTBOX_ROW + 1; id++) {
        outbox_sent(&out);
        verdict_put_plain(&out, QUEUE, id, NF_DROP);
    }
    struct bytes rest = bytes_of(out.at, out.used);
    memcpy(&m.error.msg, rest.at, sizeof m.error.msg);
    struct seen s = take_verdict(&rest);
    assert_true(s.batch);
    assert_int_equal(s.verdict, NF_ACCEPT);
    assert_int_equal(s.id, 8 + OUTBOX_ROW - 1);
    s = take_verdict(&rest);
    assert_false(s.batch);
    assert_int_equal(s.id, 8 + OUTBOX_ROW);
    assert_true(verdict_none_unseen(bytes_of(&m, sizeof m)));
    assert_false(verdict_none_unseen(bytes_of(&m, sizeof m - 1)));
    m.error.error = -EPERM;
    assert_false(verdict_none_unseen(bytes_of(&m, sizeof m)));
    m.error.error = -ENOENT;
    m.error.msg.nlmsg_seq = 0; /* a verdict of another kind */
    assert_false(verdict_none_unseen(bytes_of(&m, sizeof m)));
    guard_room_free(out.at, out.room);
}

/* An outbox that isn't full takes the longest packet that an attribute can carry; what is longer is dropped. */
static void the_longest_packet_fits(void **state)
{
    (void)state;
    static struct waiting w;
    static uint8_t payload[65535 - 40];
    for (size_t longest = 65531, len = 65529; len <= 65535; len++) {
        memset(&w, 0, sizeof w);
        assert_int_equal(support_segment(&(struct support_segment){.src = support_endpoint("198.51.100.2", 40112),
                                                                   .dst = support_endpoint("192.0.2.25", 25),
                                                                   .flags = TCP_ACK,
                                                                   .payload = bytes_of(payload, len - 40)},
                                         w.raw, sizeof w.raw),
                         len);
        w.q = (struct queued){.id = ID, .queue = QUEUE, .gso = true};
        w.q.frame = support_frame(bytes_of(w.raw, len), 1);
        assert_int_equal(packet_decode(&w.q.frame, &w.p), PACKET_TCP);
        struct verdict reset = reset_verdict(), clip = {.kind = VERDICT_CLIP, .keep = 1, .may_pad = true};
        struct verdict rewrite = {
            .kind = VERDICT_REWRITE, .patches = 1, .patch = {{.at = 9, .len = 25, .command = 25}}};
        bool fits = len <= longest;
        struct seen s = the_message(&w, &reset, fits ? VERDICT_DONE_RESET : VERDICT_DONE_NOT_WRITTEN);
        assert_int_equal(s.packet.len, fits ? len : 0);
        s = the_message(&w, &clip, fits ? VERDICT_DONE_CLIPPED : VERDICT_DONE_NOT_WRITTEN);
        assert_int_equal(s.packet.len, fits ? len : 0);
        s = the_message(&w, &rewrite, fits ? VERDICT_DONE_REWRITTEN : VERDICT_DONE_NOT_WRITTEN);
        assert_int_equal(s.packet.len, fits ? len : 0);
    }
}

int main(void)
{
    if (!marks_of_mask(MARK_MASK_DEFAULT, &marks))
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pass_and_drop_say_nothing_else),
        cmocka_unit_test(a_verdict_that_nobody_set_is_a_drop),
        cmocka_unit_test(reset_sends_a_rst_round_again_with_the_condemned_bit),
        cmocka_unit_test(reset_of_a_gso_packet_keeps_its_length_and_none_of_its_bytes),
        cmocka_unit_test(a_ban_goes_round_with_its_bit),
        cmocka_unit_test(foreign_mark_bits_survive_in_all_states_of_our_own),
        cmocka_unit_test(a_reset_that_cannot_be_written_is_a_drop),
        cmocka_unit_test(clip_keeps_the_front_without_fin),
        cmocka_unit_test(clip_to_nothing_is_a_drop),
        cmocka_unit_test(clip_beyond_the_end_is_a_drop),
        cmocka_unit_test(clip_of_a_gso_packet_stays_longer_than_a_segment),
        cmocka_unit_test(clip_of_a_gso_packet_behind_a_loss),
        cmocka_unit_test(rewrite_lays_the_patches_over_and_changes_nothing_else),
        cmocka_unit_test(clip_with_patches_keeps_the_front_disarmed),
        cmocka_unit_test(a_patch_outside_the_packet_is_a_drop),
        cmocka_unit_test(many_verdicts_wait_in_order_until_the_outbox_is_full),
        cmocka_unit_test(rows_of_verdicts_cover_none_that_was_not_seen),
        cmocka_unit_test(that_no_unseen_packet_was_left_is_no_error),
        cmocka_unit_test(the_longest_packet_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
