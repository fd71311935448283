/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tcp - one TCP connection as a bystander between the two ends sees it (RFC 9293).
 *
 * Theory of operation
 *
 * A bystander doesn't know which segments arrive behind it, so nothing here
 * decides what a receiver has; it only makes sure that a receiver can get no
 * other bytes than those that were judged (S1): the first copy of a byte that
 * comes by is kept, and every later copy must be the same until the receiver
 * acknowledged it. A segment that the receiver throws away (small TTL, out of its
 * window, old timestamp) changes nothing: what it must be sent again is the same.
 *
 * Nothing that can be faked ends the tracking: RST and FIN are noted and shorten
 * the flow's life when it falls silent, and bytes that follow are judged all the
 * same. A SYN with another ISN takes effect only when the server's SYN|ACK
 * acknowledges it (port reuse), since the server may as well answer it with a
 * challenge ACK and go on with the old connection (RFC 5961 section 4). And not even
 * then where that may have been on its way before the server had the bytes that we
 * let through: they are part of a connection that is, and mustn't be forgotten.
 *
 * strict (GUARD) means: what doesn't fit is refused. Otherwise (WATCH) it is
 * taken as far as possible, since the segment has long been delivered.
 */
#ifndef RCPTWALL_TCP_H
#define RCPTWALL_TCP_H

#include "kmod-free/packet.h"
#include "kmod-free/role.h"
#include "kmod-free/stream.h"

/* What one role sends. */
struct tcp_end {
    struct stream stream;    /* valid if started */
    struct seq first;        /* of its first byte: ISN + 1, or where we came in */
    struct seq passed;       /* the receiver may have everything before this */
    struct seq passed_high;  /* behind the highest byte that was let through, perhaps beyond a gap */
    struct seq fin;          /* valid if fin_seen: FIN's own sequence number */
    struct seq beyond;       /* valid if has_beyond: the receiver acknowledged bytes that we don't have */
    uint16_t mss;            /* the largest segment it said it takes; 0 = not said */
    uint8_t beyond_frames;   /* how long has_beyond holds, in frames of this flow */
    bool started : 1, fin_seen : 1, rst_seen : 1, has_beyond : 1;
    bool seen : 1;           /* it sent at least one packet that we saw */
    bool fin_unseen : 1;     /* its FIN needn't come by here: an acknowledgment of one number more shows it */
    bool unseen : 1;         /* nothing of what it sends needs to come by here */
    bool rst_exact : 1;      /* it sent a RST with the very number that its receiver waits for (RFC 5961 section 3) */
};

struct tcp {
    struct tcp_end of[ROLE_COUNT];
    struct seq other_isn;    /* valid if has_other_isn: a SYN that asks for a new connection on the same ports */
    struct seq server_isn;   /* valid if has_server_isn: a SYN without ACK of the one that we hold for the server */
    struct seq part;         /* after TCP_PART: behind the last byte that found room */
    bool has_other_isn : 1, has_server_isn : 1;
    bool syn_seen : 1;       /* the connection was seen from its SYN */
    bool established : 1;    /* the server's SYN|ACK was seen, or data */
    bool confirmed : 1;      /* the client acknowledged what the server sent, or the server thinks so, and speaks: it
                                isn't a made up address */
    bool heard : 1;          /* the server sent what shows that it has the connection */
    bool gone : 1;           /* ... and ended it: FIN, or RST */
    bool syn_data : 1;       /* the client's SYN had data */
};

struct tcp_limits {
    struct pool *pool;
    uint32_t block_limit;
    bool strict;
};

enum tcp_answer {
    TCP_TAKEN = 1, /* fits; new bytes, if any, are in the stream */
    TCP_CONFLICT,  /* differs from what was judged, or data behind a FIN (strict only) */
    TCP_FULL,      /* no room; nothing stored */
    TCP_PART,      /* room for the beginning only (strict only): stored and taken up to `part` */
    TCP_OUTSIDE,   /* not near the window; nothing stored */
    TCP_RENEWED,   /* belongs to a new connection on the same ports: stop this one, start with this packet */
    TCP_TURNED,    /* likewise, and the one that we held for the client is the server */
};

void tcp_start(struct tcp *);
void tcp_stop(struct tcp *, struct pool *);
/* Takes one decoded segment of role `from` into account. */
RW_CHECK enum tcp_answer tcp_take(struct tcp *, const struct tcp_limits *, const struct packet *, enum role from);

/* The segment with this payload length was let through to its receiver. */
void tcp_passed(struct tcp *, const struct packet *, enum role from, uint32_t payload_len);

/* All that it sent so far was let through, judged or not. */
void tcp_all_passed(struct tcp_end *);

/* Both ends said FIN, or one said RST, or what the server sends needn't come by here: nothing more is expected. */
static inline bool tcp_closed(const struct tcp *t)
{
    const struct tcp_end *c = &t->of[ROLE_CLIENT], *s = &t->of[ROLE_SERVER];
    return c->rst_seen || s->rst_seen || s->unseen || (c->fin_seen && s->fin_seen);
}
/* All that `from` will ever send has been read: FIN was seen and everything before it is in order. */
bool tcp_at_fin(const struct tcp *, enum role from);

/* Sequence number of the first payload byte (a SYN takes one number itself). */
static inline struct seq packet_data_seq(const struct packet *p)
{
    return seq_add(p->seq, p->flags & TCP_SYN ? 1 : 0);
}

#endif
