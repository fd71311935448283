// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * From captured frames to TCP, through reassembly, and back out as resets and clips.
 *
 * Input: four bytes of settings (link type, checksum state and flags, how much a clip
 * keeps, how much it puts in front), then frames: a length (two bytes) and the bytes.
 * Each frame is looked at in a block of exactly its size.
 */
#include <assert.h>
#include <stdlib.h>

#include "kmod-free/defrag.h"
#include "kmod-free/link.h"
#include "kmod-free/rewrite.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define FRAMES_MAX 64
#define PAD_UNIT   23

static const uint32_t linktypes[] = {101, 1, 113, 276, 0, 108, 9, 51, 239, 228, 229, 12};
static const enum csum_state csums[] = {CSUM_CAPTURE, CSUM_TRUSTED, CSUM_VERIFY, CSUM_UNSET};

struct settings {
    uint8_t linktype, how, keep, pad;
};
#define HOW_CSUM 3 /* index into csums[] */
#define HOW_CUT  4
#define HOW_FIX  8 /* put the checksums right before looking at them */

static void *must(void *memory)
{
    assert(memory != NULL);
    return memory;
}

static bool inside(struct bytes inner, struct bytes outer)
{
    return inner.len == 0 ||
           (inner.at >= outer.at && inner.len <= outer.len && (size_t)(inner.at - outer.at) <= outer.len - inner.len);
}

static void check_tcp(const struct frame *f, const struct packet *p)
{
    size_t head = p->src.addr.family == 4 ? 20 : 40;
    struct endpoint src, dst;

    if (packet_glance(f->l3, &src, &dst))
        assert(endpoint_equal(&src, &p->src) && endpoint_equal(&dst, &p->dst));
    assert(p->src.addr.family == p->dst.addr.family);
    assert(p->l4_at >= head && p->l4_at + 20u <= f->l3.len);
    assert(p->payload_at >= p->l4_at + 20 && p->payload_at <= p->l4_at + 60);
    assert(inside(p->payload, f->l3));
    assert(p->payload.len == 0 || p->payload.at == f->l3.at + p->payload_at);
    assert(p->payload.len == p->wire_len || (f->cut && p->payload.len < p->wire_len));
    assert(p->wire_len <= 1u << 20);
    assert(packet_options(p).window_shift <= 14);
    assert(!p->csum_good || p->payload.len == p->wire_len);
}

/* What was rewritten is a good packet with the numbers that were asked for. */
static struct packet look_again(const struct packet *before, const uint8_t *out, size_t len, uint8_t *exact)
{
    struct frame f = {.csum = CSUM_VERIFY};
    struct packet p;

    memcpy(exact, out, len);
    f.l3 = bytes_of(exact, len);
    assert(packet_decode(&f, &p) == PACKET_TCP);
    check_tcp(&f, &p);
    assert(p.csum_good);
    assert(endpoint_equal(&p.src, &before->src) && endpoint_equal(&p.dst, &before->dst));
    assert(p.l4_at == before->l4_at && p.payload_at + p.payload.len == len);
    return p;
}

static void check_reset(struct bytes l3, const struct packet *p, bool keep_len, bool possible)
{
    uint8_t *out = must(malloc(l3.len + 1)), *exact = must(malloc(l3.len + 1));
    size_t len = rewrite_reset(l3, p, seq_of(0x80000001), seq_of(77), keep_len, out, l3.len);
    struct packet after;

    assert((len != 0) == possible);
    if (len != 0) {
        after = look_again(p, out, len, exact);
        assert(after.flags == (TCP_RST | TCP_ACK) && after.seq.v == 0x80000001 && after.ack.v == 77);
        assert(len == (keep_len ? p->payload_at + p->payload.len : p->l4_at + 20u));
        for (size_t i = 0; i < after.payload.len; i++)
            assert(after.payload.at[i] == 0);
    }
    free(exact);
    free(out);
}

static void check_clip(struct bytes l3, const struct packet *p, size_t keep, size_t pad, bool possible)
{
    size_t room = l3.len + pad;
    uint8_t *out = must(malloc(room + 1)), *exact = must(malloc(room + 1));
    size_t len = rewrite_clip(l3, p, keep, pad, out, room);
    struct packet after;

    assert((len != 0) == possible);
    if (len != 0) {
        after = look_again(p, out, len, exact);
        assert(after.flags == (p->flags & ~(TCP_FIN | TCP_PSH)));
        assert(after.seq.v == p->seq.v - (uint32_t)pad && seq_equal(after.ack, p->ack));
        assert(after.wire_len == pad + keep && after.payload_at == p->payload_at);
        assert(bytes_equal(bytes_from(after.payload, pad), bytes_first(p->payload, keep)));
    }
    free(exact);
    free(out);
}

static void check_single_path(struct bytes l3, const struct packet *p, bool possible)
{
    uint8_t *out = must(malloc(l3.len + 1)), *exact = must(malloc(l3.len + 1));
    size_t len = rewrite_single_path(l3, p, out, l3.len);

    assert((len != 0) == possible);
    if (len != 0) {
        struct packet after = look_again(p, out, len, exact);
        struct tcp_options was = packet_options(p), is = packet_options(&after);
        assert(after.flags == p->flags && seq_equal(after.seq, p->seq) && seq_equal(after.ack, p->ack));
        assert(bytes_equal(after.payload, p->payload) && after.options.len == p->options.len);
        assert(!is.multipath && is.mss == was.mss && is.broken == was.broken && is.has_timestamp == was.has_timestamp);
    }
    free(exact);
    free(out);
}

static void check_rewrites(const struct frame *f, const struct packet *p, const struct settings *s)
{
    size_t keep = s->keep <= p->payload.len ? s->keep : p->payload.len;
    size_t pad = (size_t)s->pad * PAD_UNIT;
    size_t most = p->src.addr.family == 4 ? 65535 : 65575;
    bool jumbo = p->src.addr.family == 6 && f->l3.at[4] == 0 && f->l3.at[5] == 0;
    bool whole = f->l3.len >= p->payload_at && p->payload.len == p->wire_len && !jumbo;
    bool clippable = whole && (p->flags & TCP_URG) == 0 && (pad == 0 || (p->flags & TCP_SYN) == 0);

    check_reset(f->l3, p, false, whole);
    check_reset(f->l3, p, true, whole && p->payload_at + p->payload.len <= most);
    check_clip(f->l3, p, keep, pad, clippable && p->payload_at + pad + keep <= most);
    check_clip(f->l3, p, p->payload.len + 1, 0, false);
    check_single_path(f->l3, p, whole && p->payload_at + p->payload.len <= most);
}

/* A packet whose checksums are put right must be believed. l3 is the frame's own block. */
static void fix(uint8_t *l3, const struct packet *p)
{
    uint8_t *csum = l3 + p->l4_at + 16;
    size_t l4_len = p->payload_at + p->payload.len - p->l4_at;
    uint16_t sum;

    if (p->src.addr.family == 4) {
        l3[10] = l3[11] = 0;
        sum = (uint16_t)~csum_fold(csum_add(0, bytes_of(l3, p->l4_at)));
        l3[10] = (uint8_t)(sum >> 8);
        l3[11] = (uint8_t)sum;
    }
    csum[0] = csum[1] = 0;
    sum =
        csum_fold(csum_add(csum_pseudo(&p->src.addr, &p->dst.addr, (uint32_t)l4_len), bytes_of(l3 + p->l4_at, l4_len)));
    csum[0] = (uint8_t)(~sum >> 8);
    csum[1] = (uint8_t)~sum;
}

/* Only a capture's packets may be as long as their frame. */
static bool says_no_length(const uint8_t *l3)
{
    return l3[0] >> 4 == 4 ? (l3[2] | l3[3]) == 0 : (l3[4] | l3[5]) == 0;
}

static void look_at(struct frame *f, struct defrag **d, const struct settings *s)
{
    struct frame whole = {0};
    struct packet p, other;

    /* At most one round more than there are Fragment headers in a packet; a datagram is shorter than its pieces. */
    for (int round = 0; round < 3; round++) {
        enum packet_result result = packet_decode(f, &p);
        struct frame trusted = *f;
        assert(f->csum != CSUM_UNSET || result == PACKET_UNSET);
        trusted.csum = CSUM_TRUSTED;
        if (result == PACKET_TCP && packet_decode(&trusted, &other) == PACKET_TCP) /* a checksum changes no meaning */
            assert(other.payload_at == p.payload_at && other.wire_len == p.wire_len && !other.csum_good);
        if (result == PACKET_TCP || result == PACKET_BAD_CSUM) {
            check_tcp(f, &p);
            assert(result == PACKET_TCP || (f->csum == CSUM_VERIFY && !p.csum_good));
            check_rewrites(f, &p, s);
        }
        if (result != PACKET_FRAGMENT)
            return;
        assert(inside(p.fragment.data, f->l3) && p.fragment.named_at < p.fragment.head_len);
        assert(p.fragment.data.len == p.wire_len || (f->cut && p.fragment.data.len < p.wire_len));
        if (*d == NULL) /* most inputs have no fragments, and the slots are large */
            *d = must(defrag_new(3));
        if (!defrag_add(*d, f, &p, &whole)) {
            assert(whole.l3.at == NULL);
            return;
        }
        assert(whole.l3.len >= 20 && whole.l3.len <= 65535 + 40 && whole.csum == f->csum && !whole.cut);
        *f = whole;
    }
}

static void one_frame(struct bytes raw, struct defrag **d, const struct settings *s)
{
    uint32_t linktype = linktypes[s->linktype % (sizeof linktypes / sizeof linktypes[0])];
    uint8_t *block = must(malloc(raw.len + 1)), *l3;
    struct link_packet link;
    struct frame f;
    struct packet p;

    if (raw.len > 0)
        memcpy(block + 1, raw.at, raw.len);
    if (link_strip(linktype, bytes_of(block + 1, raw.len), &link) == LINK_IP) {
        assert(link.l3.len > 0 && inside(link.l3, bytes_of(block + 1, raw.len)));
        l3 = must(malloc(link.l3.len));
        memcpy(l3, link.l3.at, link.l3.len);
        f = (struct frame){
            .l3 = bytes_of(l3, link.l3.len),
            .csum = csums[s->how & HOW_CSUM],
            .cut = (s->how & HOW_CUT) != 0 || link.maybe_cut,
        };
        if ((s->how & HOW_FIX) != 0) {
            f.csum = CSUM_CAPTURE;
            if (packet_decode(&f, &p) == PACKET_TCP && p.payload.len == p.wire_len && p.payload_at <= f.l3.len) {
                fix(l3, &p);
                f.csum = CSUM_VERIFY;
                assert(packet_decode(&f, &p) == PACKET_TCP ? p.csum_good : says_no_length(l3));
            }
            f.csum = csums[s->how & HOW_CSUM];
        }
        look_at(&f, d, s);
        free(l3);
    }
    free(block);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct bytes in = bytes_of(data, len), raw;
    struct defrag_counters c;
    struct settings s;
    struct defrag *d = NULL;
    uint16_t n;

    if (!take_u8(&in, &s.linktype) || !take_u8(&in, &s.how) || !take_u8(&in, &s.keep) || !take_u8(&in, &s.pad))
        return 0;
    for (int i = 0; i < FRAMES_MAX && take_be16(&in, &n); i++) {
        raw = bytes_first(in, n);
        in = bytes_from(in, n);
        one_frame(raw, &d, &s);
    }
    if (d != NULL) {
        defrag_count(d, &c);
        assert(c.whole + c.conflicts + c.broken + c.given_up <= c.pieces * 2);
        defrag_free(d);
    }
    return 0;
}
