/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The promise itself as a fuzz oracle: no byte reaches the server's application that
 * was not judged, in the order and with the meaning that the server gives it.
 *
 * The input drives a client that may send any segment at any place of its stream,
 * twice and differently, with any flags, some of them lost behind the gateway. What
 * the engine lets through goes to a model of a receiver (first copy wins or last copy
 * wins among bytes beyond a gap) and from there to a model of a strict SMTP server,
 * which answers. If that server ever reads a RCPT for ext.example as a command, the
 * gateway failed. The same where the policy says `refuse`: then it reads another
 * command instead, the same one in all copies.
 */
#include <stdlib.h>

#include "kmod-free/engine.h"
#include "kmod-free/rewrite.h"
#include "kmod-free/tests/support.h"
#include "kmod-free/tests/support_receiver.h"

#define STREAM_MAX 4096
#define CLIENT_ISN 0xfffffe00u /* wraps early */
#define SERVER_ISN 0xffffff00u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char script_local[] = "EHLO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<user@local.example>\r\nDATA\r\n"
                                   "Hi\r\nRCPT TO:<user@txt.example>\r\n.\r\nRSET\r\nRCPT TO:<usr2@local.example>\r\nQUIT\r\n";
static const char script_relay[] = "EHLO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<us@ext.example>    \r\nDATA\r\n"
                                   "Hi\r\nRCPT TO:<user@txt.example>\r\n.\r\nRSET\r\nRCPT TO:<us@ext.example>    \r\nQUIT\r\n";
_Static_assert(sizeof script_local == sizeof script_relay, "one script's bytes can stand in for the other's");
static const char *const phrases[] = {
    "RCPT TO:<x@ext.example>\r\n", "RCPT TO:<x@local.example>\r\n", "DATA\r\n", "\r\n.\r\n", "\n.\n", "RSET\r\n",
    "MAIL FROM:<>\r\n",            "EHLO y\r\n",                    "\r\n",     "R",         " ",     "CPT TO:<x@ext.example>\r\n",
};

struct world {
    struct engine *engine;
    struct strict_server server;
    struct receiver other; /* gets the same, and has the other way with twins: it must come to the same stream */
    uint32_t said;         /* bytes of replies so far */
    struct endpoint client_end, server_end;
    int64_t ns;
    uint8_t sent[SUPPORT_PACKET_MAX]; /* the payload that the last segment was let through with */
    size_t sent_len;
    bool watch; /* nothing is held back: only crashes and hangs count */
};

static void take_event(void *ctx, const struct event *ev)
{
    (void)ctx;
    if (!event_valid(ev, event_size(ev)))
        abort();
}

static struct verdict pass_by(struct world *w, const struct support_segment *seg)
{
    static uint8_t out[SUPPORT_PACKET_MAX];
    size_t len = support_segment(seg, out, sizeof out);
    uint8_t *exact = malloc(len);
    if (!exact)
        abort();
    memcpy(exact, out, len);
    struct frame f = support_frame(bytes_of(exact, len), w->ns += NS_PER_MS);
    struct verdict v = engine_feed(w->engine, &f);
    if (v.kind == VERDICT_UNSET)
        abort();
    if (v.kind == VERDICT_CLIP && (v.keep == 0 || v.keep >= seg->payload.len))
        abort();
    if (v.kind == VERDICT_RESET) {
        static uint8_t reset[SUPPORT_PACKET_MAX];
        if (rewrite_reset(f.l3, engine_packet(w->engine), v.onward.seq, v.onward.ack, true, reset, sizeof reset) == 0)
            abort();
    }
    w->sent_len = seg->payload.len;
    if (v.patches > 0) { /* what really arrives */
        len = rewrite_refuse(f.l3, engine_packet(w->engine), v.keep, 0, v.patch, v.patches, w->sent, sizeof w->sent);
        if (len < v.keep)
            abort();
        memmove(w->sent, w->sent + len - v.keep, v.keep);
        w->sent_len = v.keep;
    } else if (v.kind == VERDICT_REWRITE) {
        abort();
    } else {
        if (v.kind == VERDICT_CLIP)
            w->sent_len = v.keep;
        if (w->sent_len > 0)
            memcpy(w->sent, seg->payload.at, w->sent_len);
    }
    free(exact);
    return v;
}

static void server_says(void *ctx, const char *text)
{
    struct world *w = ctx;
    if (!w->watch && w->server.external > 0)
        abort(); /* the promise is broken */
    struct support_segment seg = {
        .src = w->server_end,
        .dst = w->client_end,
        .seq = SERVER_ISN + 1 + w->said,
        .ack = (uint32_t)(CLIENT_ISN + 1 + w->server.in.read),
        .flags = TCP_ACK | TCP_PSH,
        .payload = bytes_str(text),
    };
    w->said += (uint32_t)strlen(text);
    struct verdict v = pass_by(w, &seg);
    if (v.kind == VERDICT_RESET)
        w->server.over = true;
    else if (v.kind != VERDICT_PASS)
        abort(); /* the server's own words are never held back */
}

struct plan {
    struct bytes in;
    uint32_t next; /* where an honest client would go on */
};

static uint8_t draw(struct plan *p)
{
    uint8_t v;
    (void)!take_u8(&p->in, &v);
    return v;
}

/* One segment of the client: where, what, and what becomes of it. */
static void client_sends(struct world *w, struct plan *p)
{
    uint8_t what = draw(p), how = draw(p), len = draw(p);
    uint32_t offset = p->next;
    if (how & 0x80)
        offset = offset + draw(p) % 64 - 32;
    struct support_segment seg = {
        .src = w->client_end,
        .dst = w->server_end,
        .flags = TCP_ACK,
        .bad_csum = (how & 0x0f) == 1,
    };
    bool lost = (how & 0x0f) == 2;
    if ((how & 0x0f) == 3)
        seg.flags |= TCP_URG;
    if ((how & 0x0f) == 4)
        seg.flags |= TCP_FIN;
    if ((how & 0x0f) == 5)
        seg.flags |= TCP_RST;
    if ((how & 0x0f) == 6)
        seg.flags = TCP_SYN;
    if (what < 0x60) {
        const char *script = what & 1 ? script_relay : script_local;
        size_t total = sizeof script_local - 1, from = offset % total;
        size_t n = len % 48 + 1u;
        seg.payload = bytes_of(script + from, n < total - from ? n : total - from);
    } else if (what < 0xc0) {
        seg.payload = bytes_str(phrases[what % (sizeof phrases / sizeof *phrases)]);
    } else if (!take_raw(&p->in, len % 24, &seg.payload)) {
        seg.payload = p->in;
        p->in.len = 0;
    }
    if (seg.flags & TCP_SYN)
        offset--;
    seg.seq = CLIENT_ISN + 1 + offset;
    seg.ack = SERVER_ISN + 1 + w->said - (how & 0x40 ? 1 : 0);
    struct verdict v = pass_by(w, &seg);
    if (v.may_pad && !w->watch && (int32_t)((uint32_t)w->server.in.read - offset) < 0)
        abort(); /* what would be put in front of a superpacket's rest could be taken for what the server lacks */
    if (v.kind == VERDICT_RESET) {
        w->server.over = true;
        return;
    }
    seg.payload = bytes_of(w->sent, w->sent_len);
    /* Only what a receiver takes: not SYN again, not RST's payload, not a broken checksum. */
    if (v.kind != VERDICT_DROP && !lost && !seg.bad_csum && !(seg.flags & (TCP_SYN | TCP_RST))) {
        receiver_take(&w->server.in, offset, seg.payload);
        receiver_take(&w->other, offset, seg.payload);
        w->other.read += receiver_ready(&w->other);
        strict_server_read(&w->server);
    }
    if (!(how & 0x20))
        p->next = offset + (uint32_t)seg.payload.len;
    if (p->next > STREAM_MAX - 512)
        w->server.over = true;
}

static void handshake(struct world *w)
{
    struct support_segment syn = {.src = w->client_end, .dst = w->server_end, .seq = CLIENT_ISN, .flags = TCP_SYN};
    struct support_segment ack = {.src = w->server_end, .dst = w->client_end, .seq = SERVER_ISN, .ack = CLIENT_ISN + 1,
                                  .flags = TCP_SYN | TCP_ACK};
    if (pass_by(w, &syn).kind != VERDICT_PASS || pass_by(w, &ack).kind != VERDICT_PASS)
        abort();
    server_says(w, "220 me\r\n");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct plan p = {.in = bytes_of(data, size)};
    uint8_t options = draw(&p);
    struct engine_config cfg;
    struct policy *policy = policy_new();
    if (!policy || domain_set_add(policy->local, "local.example") || !domain_set_seal(policy->local))
        abort();
    policy->enforce = true;
    engine_config_defaults(&cfg);
    cfg.max_flows = 4;
    cfg.stream_blocks = 16;
    cfg.stream_block_limit = options & 2 ? 3 : 12;
    cfg.want_rcpt_events = true;
    cfg.sink.take = take_event;
    if (options & 8)
        policy->tags[policy->outside].on[REASON_EXTERNAL_RCPT] = ACTION_REFUSE;
    if (options & 4)
        cfg.stance = STANCE_WATCH;
    struct world *w = calloc(1, sizeof *w);
    if (!w)
        abort();
    w->engine = engine_new(&cfg, policy);
    if (!w->engine)
        abort();
    w->client_end = support_endpoint("198.51.100.2", 40112);
    w->server_end = support_endpoint("192.0.2.25", 25);
    w->server.say = server_says;
    w->server.ctx = w;
    if (!receiver_new(&w->server.in, STREAM_MAX, options & 1) || !receiver_new(&w->other, STREAM_MAX, !(options & 1)))
        abort();
    w->watch = cfg.stance == STANCE_WATCH;
    handshake(w);
    while (p.in.len > 0 && !w->server.over)
        client_sends(w, &p);
    engine_finish(w->engine);
    struct engine_counters c;
    engine_count(w->engine, &c);
    if (c.blocks_now != 0 || c.flows_now != 0)
        abort();
    engine_free(w->engine);
    if (!w->watch && (memcmp(w->server.in.bytes, w->other.bytes, w->server.in.read) != 0 || w->server.local > c.rcpts))
        abort(); /* what was read depends on who reads it, or was never judged */
    receiver_free(&w->server.in);
    receiver_free(&w->other);
    free(w);
    return 0;
}
