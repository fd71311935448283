/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * engine - the only module that sees all stages:
 * frame -> packet -> flow -> stream -> smtp -> policy -> verdict, and event -> sink.
 *
 * No I/O, no clock, no thread; all memory is taken in engine_new. One engine is
 * used by one thread at a time. A front end owns three things: the clock, the
 * file descriptors, and what a verdict means in its world.
 */
#ifndef RCPTWALL_ENGINE_H
#define RCPTWALL_ENGINE_H

#include "kmod-free/event.h"
#include "kmod-free/flow.h"
#include "kmod-free/policy.h"
#include "kmod-free/rewrite.h"
#include "kmod-free/smtp.h"

enum stance {
    STANCE_WATCH = 1, /* replay, monitor mode: verdicts are PASS, but for what a GUARD did before; gaps are reported */
    STANCE_GUARD,     /* enforce mode: no byte passes unjudged; what can't be kept is dropped */
};

#define ENGINE_PORTS_MAX 16

/* The numbers for a RST that its receiver believes: the exact next sequence number it waits for. */
struct reset_numbers {
    struct seq seq, ack;
};

/* One RST, to be sent as if by the other end. */
struct reset_request {
    struct endpoint from, to;
    struct reset_numbers numbers;
};

/* Where the engine asks for a RST that no packet is at hand for (from engine_tick): the server's, once more. */
struct reset_sink {
    void (*send)(void *ctx, const struct reset_request *); /* NULL: nobody sends any */
    void *ctx;
};

/*
 * Whom the engine asks whether a client is listed: at once, and without waiting. The answer comes by engine_tell.
 * ask: enough: with a score of so much no more needs to be heard. false: nobody can answer. NULL: nobody is asked. busy: so many questions are under way that no more shall be asked
 * about who may not be there at all: a client is asked about as soon as he has answered the server, which nobody
 * can from an address that isn't his. NULL: never.
 */
struct ask_sink {
    bool (*ask)(void *ctx, uint32_t flow, uint64_t flow_id, const struct ip_addr *client, int32_t enough);
    bool (*busy)(void *ctx);
    void *ctx;
};

/* An answer. flow and flow_id as they were asked with. */
struct dnsbl_told {
    uint64_t flow_id;
    uint32_t flow;
    int32_t score;
    uint32_t lists;  /* bits of the lists that have it, as in policy's lists */
    bool incomplete; /* not all lists answered */
};

struct engine_config {
    enum stance stance;
    bool live;                   /* a session picked up under way is judged as such (REASON_MIDSTREAM) */
    uint32_t max_flows;
    uint32_t stream_blocks;      /* pool shared by all streams, STREAM_BLOCK bytes each */
    uint32_t stream_block_limit; /* of one stream */
    size_t defrag_datagrams;     /* 0: fragments are dropped (live) */
    int64_t idle_ns;             /* an established session without packets ends after this */
    int64_t handshake_ns;        /* a half-open one */
    int64_t closed_ns;           /* one that was closed or condemned lingers this long */
    uint16_t ports[ENGINE_PORTS_MAX]; /* SMTP servers' ports */
    size_t port_count;
    bool any_port;               /* offline: look for SMTP on every port */
    bool ways;                   /* frames say their way if they are asked to (verdict.want_ways) */
    bool only_protected;         /* offline: sessions of other servers than the policy's are not ours (live, the rules
                                    choose what comes) */
    struct smtp_config smtp;
    uint8_t hash_key[FLOW_KEY_BYTES];
    uint64_t first_flow_id;
    bool ids_of_frames;          /* offline: a flow's id is the number of the frame that it began with, from first_flow_id */
    uint32_t share, shares;      /* offline, if shares > 1: of as many engines that are all fed the same frames, each
                                    judges only its share of the flows */
    bool want_rcpt_events;       /* EVENT_RCPT */
    bool want_session_events;
    bool want_reply_events;      /* EVENT_REPLY: offline, what became of each RCPT */
    struct event_sink sink;
    struct ask_sink asks;
    int64_t dnsbl_wait_ns; /* GUARD: how long a client's commands may be held back for an answer */
    struct reset_sink resets;
};

/* Defaults: GUARD, 65,536 flows, 64 MiB of stream blocks, 4 MiB a stream (a receiver on Linux offers up to 6), port 25. */
void engine_config_defaults(struct engine_config *);

struct engine;

/* Takes the policy (owned from now on). NULL: out of memory; the policy is then still the caller's. */
RW_CHECK struct engine *engine_new(const struct engine_config *, struct policy *owned);
void engine_free(struct engine *);
/* The old policy comes back for the caller to free. Sessions keep their tags. */
RW_CHECK struct policy *engine_swap_policy(struct engine *, struct policy *owned);
/*
 * From the next frame on. What was judged stays judged: a session that broke the policy in
 * WATCH goes on until it breaks it again, one that is condemned or refused stays so in WATCH.
 */
void engine_set_stance(struct engine *, enum stance);
void engine_set_wants(struct engine *, bool rcpt_events, bool session_events);
/* Before the first frame: these two have a connection already, which may not say anything for long (engine_way.c). */
void engine_expect_other(struct engine *, const struct endpoint *, const struct endpoint *, struct mono now);
/* It was asked for ways, and there are none to be had. */
void engine_no_ways(struct engine *);

enum verdict_kind {
    VERDICT_UNSET, /* a bug: the front end drops, and counts it (V1) */
    VERDICT_PASS,
    VERDICT_CLIP,  /* pass only the first `keep` payload bytes, without FIN (rewrite_clip) */
    VERDICT_REWRITE, /* pass all of it, with `patches` laid over (rewrite_refuse; V6); or, if `single_path`, without
                        Multipath TCP's options (rewrite_single_path) */
    VERDICT_DROP,
    VERDICT_RESET, /* turn this packet into a RST for its receiver (rewrite_reset with `onward`), and tell its
                      sender with a RST of our own (`back`) */
};

struct verdict {
    enum verdict_kind kind;
    enum role from;       /* who sent the frame (CLIP and RESET) */
    uint32_t keep;        /* CLIP; REWRITE: all of the payload */
    uint16_t sender_mss;  /* CLIP of a GSO frame: bytes of old sequence space to put in front must reach this */
    bool may_pad;         /* CLIP: the receiver acknowledged all that is before this payload, so that something else in
                             front of it is nothing to it. Else it may be what it still waits for */
    bool single_path;     /* REWRITE: and no patches */
    uint8_t patches;      /* REWRITE, CLIP: how many */
    bool tell_sender;     /* RESET: `back` is worth sending (once to each end of a session) */
    bool over;            /* PASS: the client has said QUIT. From here on only its packets with payload, all SYNs, and the
                             server's FIN need to be fed, and no byte of the client's is let through (GUARD) */
    bool ban;             /* RESET, DROP: the client is to be banned. DROP: the packet may only carry the ban to the
                             firewall, disarmed (rewrite_reset with `onward`) */
    struct rewrite_patch patch[REWRITE_PATCHES_MAX];
    enum reason reason;   /* RESET, DROP: why; REASON_NONE for network reasons */
    struct reset_numbers onward, back; /* RESET; back: as if from the packet's receiver */
    struct mono held_until; /* DROP: not 0 where it is dropped only because DNS blocklists have not answered for `flow` yet: until
                               then a front end may keep the packet back, and feed it again when engine_tell was called for the flow */
    uint32_t flow;          /* the same that was asked about */
    bool want_ways;         /* DROP: whose packet it is can't be told. From now on frames have to say their way */
};

/* Whatever flow it is for: one that is over is passed over. Between two frames. */
void engine_tell(struct engine *, const struct dnsbl_told *);

/* Exactly one verdict a frame. Never blocks, never allocates. */
RW_CHECK struct verdict engine_feed(struct engine *, const struct frame *);
/*
 * A frame that will be fed ENGINE_AHEAD calls from now, or a little later: has the memory that it needs fetched, while
 * those before it are judged. A hint for who has the frames at hand; nothing depends on it. Worth calling only
 * where there are so many flows that they don't fit the processor's caches.
 */
#define ENGINE_AHEAD FLOW_EXPECTED
RW_CHECK bool engine_is_large(const struct engine *);
void engine_expect(struct engine *, struct bytes l3);
/*
 * Where the memory lies that comes into use with the flows, each run of it from its beginning on: for who has so many
 * flows that large pages are worth it, since with small ones their translation is waited for, too.
 */
#define ENGINE_RUNS 6
struct engine_run {
    void *at;
    size_t len;
};
void engine_memory(const struct engine *, struct engine_run out[static ENGINE_RUNS]);

/* The last frame fed, decoded, and its bytes: for rewrite_*. Borrowed from that frame; offline, from the datagram
   that it completed, and then until the next one. */
const struct packet *engine_packet(const struct engine *);
struct bytes engine_l3(const struct engine *);

/*
 * Looks at a bounded number of flows: ends those whose time is over, and has RSTs sent again. Beside engine_feed on
 * a full table, which ends connections that were never confirmed by their client, the only place where flows die.
 * true: there were more than that.
 */
bool engine_tick(struct engine *, struct mono now);
/* Nothing will follow (end of a capture, shutdown): judges what is left and ends all sessions. */
void engine_finish(struct engine *);

/* The same one by one, for who wants them in an order of his own: those that are open, as many as find room ... */
struct engine_open_flow {
    uint64_t flow_id;
    uint32_t flow;
};
size_t engine_open_flows(const struct engine *, struct engine_open_flow *out, size_t room);
/* ... and the end of one of them. */
void engine_end_flow(struct engine *, uint32_t flow);

struct engine_counters {
    uint64_t frames, bytes; /* bytes: of IP packets */
    uint64_t not_tcp, not_ours, broken, bad_csum, fragments, csum_unset;
    uint64_t flows, smtp_flows, flows_refused, flows_evicted;
    uint64_t rcpts, external_rcpts, messages, events;
    uint64_t alerts[REASON_COUNT];
    uint64_t dnsbl_asked, dnsbl_listed, dnsbl_late; /* late: went on without an answer */
    uint64_t ended[REASON_COUNT]; /* sessions that were reset or dropped */
    uint64_t bans;
    uint64_t passed, clipped, rewritten, refused, dropped, resets, resets_again, unset;
    uint64_t conflicts, stream_full, out_of_window, urgent, spoofed, gaps, gap_bytes;
    uint64_t other_way, way_unknown; /* packets of another connection with the same endpoints; of one that can't be told */
    uint64_t flows_now, flows_peak, flows_max;
    uint64_t blocks_now, blocks_peak, blocks_max; /* of streams, STREAM_BLOCK bytes each */
    uint64_t notes_now, notes_peak, notes_max;    /* of what HELO and MAIL said, small ones */
};
void engine_count(const struct engine *, struct engine_counters *out);
/* Of several engines: every counter of c is added to sum's; a peak so becomes what all peaks take together. */
void engine_counters_add(struct engine_counters *sum, const struct engine_counters *c);

#endif
