/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kmod-free/tcp.h"

/* Segments further away than this from what was acknowledged are not part of this connection's life. */
#define NEAR ((int32_t)1 << 30)
/* How far behind or ahead of what we know an acknowledgment may be that a receiver would look at (RFC 5961 section 5). */
#define ACK_OLD (1 << 20)
#define ACK_NEW (8 << 20)
/* So many blocks a stream may have as long as there are any: a line, and its beginning in the block before. */
#define LEAST_BLOCKS 4

void tcp_start(struct tcp *t)
{
    *t = (struct tcp){0};
}

static void end_stop(struct tcp_end *end, struct pool *pool)
{
    if (end->started)
        stream_stop(&end->stream, pool);
}

void tcp_stop(struct tcp *t, struct pool *pool)
{
    end_stop(&t->of[ROLE_CLIENT], pool);
    end_stop(&t->of[ROLE_SERVER], pool);
    *t = (struct tcp){0};
}

static void end_begin(struct tcp_end *end, struct seq first)
{
    stream_start(&end->stream, first);
    end->first = first;
    end->passed = first;
    end->passed_high = first;
    end->started = true;
}

static bool near(struct seq a, struct seq b)
{
    int32_t d = seq_diff(a, b);
    return d < NEAR && d > -NEAR;
}

/* The receiver of `end` acknowledges everything before ack. */
static void end_acked(struct tcp_end *end, struct pool *pool, struct seq ack)
{
    if (!end->started) {
        end_begin(end, ack); /* its own packets were never seen: this is where we come in */
        return;
    }
    if (!near(ack, end->stream.acked))
        return;
    stream_acked(&end->stream, pool, seq_earlier(ack, end->stream.next));
    if (end->fin_unseen && !end->fin_seen && seq_equal(ack, seq_add(end->stream.next, 1))) {
        end->fin = end->stream.next;
        end->fin_seen = true;
    }
    if (end->unseen)
        return;
    if (end->fin_seen && seq_after(ack, end->fin))
        ack = end->fin;
    if (seq_after(ack, end->stream.next)) {
        end->beyond = end->has_beyond ? seq_later(end->beyond, ack) : ack;
        end->has_beyond = true;
    }
}

/*
 * Would it be safe to forget this connection for another one? Once the server was heard in it, the answer to another SYN
 * can only be younger (what it sends comes in the order in which it was sent), and then the old one is over for it.
 * With the server's number of the old one it may be the old answer again, which a server that takes data out of a SYN
 * (RFC 7413) repeats even when it has spoken.
 */
static bool may_be_forgotten(const struct tcp *t, const struct tcp_limits *lim, bool same_number)
{
    const struct tcp_end *client = &t->of[ROLE_CLIENT];
    return !lim->strict || !client->started || seq_equal(client->passed_high, client->first) || t->gone ||
           (t->heard && !same_number);
}

/*
 * A SYN|ACK settles which of the client's SYNs counts: the one that it
 * acknowledges. TCP_RENEWED: not the one that this connection was begun with.
 */
static enum tcp_answer take_syn_ack(struct tcp *t, const struct tcp_limits *lim, const struct packet *p)
{
    struct tcp_end *client = &t->of[ROLE_CLIENT], *server = &t->of[ROLE_SERVER];
    bool known = server->started && client->started && t->syn_seen;
    bool same_number = known && seq_equal(seq_add(p->seq, 1), server->first);
    bool other_asked = t->has_other_isn && seq_equal(p->ack, seq_add(t->other_isn, 1));
    /* The client chose the same ISN as last time, which is its own choice; the server's tells them apart. */
    bool another = known && !same_number && (seq_equal(p->ack, client->first) || (lim->strict && t->established));
    if (other_asked || another)
        return may_be_forgotten(t, lim, same_number) ? TCP_RENEWED : TCP_OUTSIDE;
    if (server->started && t->established) /* the same one again, or a stray one: data decides, not flags */
        return TCP_TAKEN;
    if (client->started &&
        (seq_before(p->ack, client->stream.acked) || seq_after(p->ack, client->stream.next))) {
        if (!seq_equal(client->stream.end, client->stream.acked))
            return TCP_RENEWED; /* bytes were read under numbers that the server doesn't know */
        end_stop(client, lim->pool);
        client->started = false;
    }
    if (!client->started)
        end_begin(client, p->ack);
    if (server->started)
        end_stop(server, lim->pool);
    end_begin(server, seq_add(p->seq, 1));
    server->mss = packet_options(p).mss;
    t->syn_seen = true;
    t->established = true;
    return TCP_TAKEN;
}

/*
 * The one that we hold for the client answers a SYN of the other: then we took an earlier, stray packet for the
 * beginning and had them the wrong way round. (In a simultaneous open both sent a SYN first.)
 */
static bool turns_round(const struct tcp *t, const struct packet *p, enum role from)
{
    return from == ROLE_CLIENT && p->flags & TCP_ACK && t->has_server_isn &&
           seq_equal(p->ack, seq_add(t->server_isn, 1)) &&
           !(t->syn_seen && seq_equal(t->of[ROLE_CLIENT].first, seq_add(p->seq, 1)));
}

static enum tcp_answer take_syn(struct tcp *t, const struct tcp_limits *lim, const struct packet *p, enum role from)
{
    struct tcp_end *end = &t->of[from];
    if (turns_round(t, p, from))
        return TCP_TURNED;
    if (from == ROLE_SERVER) {
        t->server_isn = p->seq;
        t->has_server_isn = true;
    }
    if (!end->started) {
        end_begin(end, seq_add(p->seq, 1));
        end->mss = packet_options(p).mss;
        t->syn_seen = true;
        return TCP_TAKEN;
    }
    /* Behind the end of the connection every SYN asks for a new one, whatever its number. */
    if (from == ROLE_CLIENT && (!seq_equal(end->first, seq_add(p->seq, 1)) || tcp_closed(t))) {
        /* The answer may be to the data in the first one's SYN and not to this, which nobody could tell. */
        if (lim->strict && !t->established && !seq_equal(end->stream.end, end->first))
            return TCP_OUTSIDE;
        t->other_isn = p->seq;
        t->has_other_isn = true;
        return p->payload.len ? TCP_OUTSIDE : TCP_TAKEN;
    }
    return TCP_TAKEN;
}

/*
 * How many blocks a stream may have: as large a part of its limit as of the pool is free. So a few that take all they
 * can (what isn't acknowledged, or waits for a reply, stays with us) leave room for the others. What fills a gap isn't
 * asked before it must be. Not offline, where what finds no room is lost.
 */
static uint32_t fair_limit(const struct tcp_limits *lim, const struct stream *st, struct seq at)
{
    uint32_t spare = lim->pool->count - lim->pool->used;
    if (!lim->strict || lim->pool->count == 0)
        return lim->block_limit;
    if (!seq_equal(st->next, st->end) && !seq_after(at, st->next) && spare > lim->pool->count / 8)
        return lim->block_limit; /* it fills */
    uint32_t part = (uint32_t)((uint64_t)lim->block_limit * spare / lim->pool->count);
    uint32_t least = lim->block_limit < LEAST_BLOCKS ? lim->block_limit : LEAST_BLOCKS;
    return part > least ? part : least;
}

/* In order, and too long for what room there is: its beginning, so that TCP gets on however full we are. */
static enum tcp_answer take_part(struct tcp *t, struct tcp_end *end, const struct tcp_limits *lim,
                                 const struct packet *p)
{
    struct seq at = packet_data_seq(p), next = end->stream.next;
    if (seq_after(at, next) || p->payload.len < p->wire_len)
        return TCP_FULL;
    uint32_t limit = fair_limit(lim, &end->stream, at), room = stream_room(&end->stream, lim->pool, limit);
    if (room == 0)
        return TCP_FULL;
    struct bytes begin = bytes_first(p->payload, (size_t)seq_diff(next, at) + room);
    if (stream_insert(&end->stream, lim->pool, limit, at, begin) != STREAM_OK)
        return TCP_FULL;
    t->part = seq_add(at, (uint32_t)begin.len);
    return TCP_PART;
}

/*
 * Would its receiver look at this segment at all (RFC 9293 3.10.7.4)? One without an acknowledgment, or with one of
 * something else, it throws away, and so it needn't be kept: whoever guesses a connection's addresses and
 * sequence numbers has to guess this number, too.
 */
static bool acceptable(const struct tcp *t, const struct packet *p, enum role from)
{
    const struct tcp_end *other = &t->of[role_other(from)];
    if (p->flags & TCP_SYN || (p->wire_len == 0 && !(p->flags & TCP_FIN)))
        return true;
    if (!(p->flags & TCP_ACK))
        return false;
    if (!other->started)
        return !t->syn_seen; /* picked up under way: nothing is known yet */
    if (from == ROLE_CLIENT && t->syn_seen && !t->confirmed &&
        (seq_before(p->ack, other->first) || seq_after(p->ack, other->stream.next)))
        return false;
    return seq_diff(p->ack, other->stream.acked) >= -ACK_OLD && seq_diff(p->ack, other->stream.next) <= ACK_NEW;
}

static enum tcp_answer take_data(struct tcp *t, struct tcp_end *end, const struct tcp_limits *lim,
                                 const struct packet *p)
{
    struct seq at = packet_data_seq(p), stop = seq_add(at, p->wire_len);
    if (!near(at, end->stream.acked) || !near(stop, end->stream.acked))
        return TCP_OUTSIDE;
    if (seq_diff(stop, end->stream.acked) > (int64_t)lim->block_limit * STREAM_BLOCK + 65536 && lim->strict)
        return TCP_OUTSIDE;
    if (end->fin_seen && p->wire_len > 0 && seq_after(stop, end->fin) && lim->strict)
        return TCP_CONFLICT;
    if (p->payload.len == 0)
        return TCP_TAKEN;
    uint32_t limit = fair_limit(lim, &end->stream, at);
    if (lim->strict && seq_after(at, end->stream.next)) {
        /* What fills the gap must always find room, or a full stream would stand still for ever. */
        limit -= limit / 4;
        if (lim->pool->used > lim->pool->count - lim->pool->count / 8)
            return TCP_FULL;
    }
    enum stream_result r = stream_insert(&end->stream, lim->pool, limit, at, p->payload);
    if (r == STREAM_FULL && !lim->strict) {
        stream_forget_read(&end->stream, lim->pool); /* kept for comparing only */
        r = stream_insert(&end->stream, lim->pool, limit, at, p->payload);
    }
    if (r == STREAM_CONFLICT && !lim->strict && seq_after(stop, end->stream.next) && seq_before(at, end->stream.next)) {
        /* Long delivered: the bytes that nobody contradicts are still worth judging. */
        struct bytes rest = bytes_from(p->payload, (size_t)seq_diff(end->stream.next, at));
        (void)!stream_insert(&end->stream, lim->pool, limit, end->stream.next, rest);
    }
    switch (r) {
    case STREAM_OK:
    case STREAM_OLD:
        return TCP_TAKEN;
    case STREAM_CONFLICT:
        return TCP_CONFLICT;
    case STREAM_FULL:
        return lim->strict ? take_part(t, end, lim, p) : TCP_FULL;
    }
    return TCP_FULL;
}

static enum tcp_answer take_fin(struct tcp_end *end, const struct tcp_limits *lim, const struct packet *p)
{
    struct seq fin = seq_add(packet_data_seq(p), p->wire_len);
    if (end->fin_seen)
        return seq_equal(fin, end->fin) || !lim->strict ? TCP_TAKEN : TCP_CONFLICT;
    if (seq_before(fin, end->stream.end) && lim->strict)
        return TCP_CONFLICT; /* would end the stream before bytes that were already judged */
    end->fin = fin;
    end->fin_seen = true;
    return TCP_TAKEN;
}

/* Data at the place where a second SYN said it would begin: offline the SYN|ACK may be missing. */
static bool renewed_by_data(const struct tcp *t, const struct tcp_limits *lim, const struct packet *p, enum role from)
{
    return !lim->strict && from == ROLE_CLIENT && t->has_other_isn && !(p->flags & TCP_SYN) &&
           seq_equal(p->seq, seq_add(t->other_isn, 1)) && !seq_equal(p->seq, t->of[ROLE_CLIENT].stream.next);
}

/* Which of the server's packets only somebody sends who has the connection? Anybody can provoke a RST or a bare ACK. */
static void hear_server(struct tcp *t, const struct packet *p)
{
    if (t->heard && !(p->flags & (TCP_FIN | TCP_RST)))
        return;
    const struct tcp_end *client = &t->of[ROLE_CLIENT];
    bool acks_data = p->flags & TCP_ACK && client->started && seq_after(p->ack, client->first);
    t->gone |= p->flags & TCP_FIN || (t->heard && p->flags & TCP_RST);
    t->heard |= !(p->flags & TCP_RST) && (p->wire_len > 0 || p->flags & TCP_FIN || acks_data);
}

enum tcp_answer tcp_take(struct tcp *t, const struct tcp_limits *lim, const struct packet *p, enum role from)
{
    struct tcp_end *end = &t->of[from], *other = &t->of[role_other(from)];
    enum tcp_answer answer = TCP_TAKEN;
    if (p->flags & TCP_SYN)
        answer = from == ROLE_SERVER && p->flags & TCP_ACK ? take_syn_ack(t, lim, p) : take_syn(t, lim, p, from);
    else if (renewed_by_data(t, lim, p, from))
        answer = TCP_RENEWED;
    if (answer != TCP_TAKEN)
        return answer;
    if (!end->started)
        end_begin(end, p->seq);
    end->seen = true;
    if (from == ROLE_SERVER && t->established && !(p->flags & TCP_SYN))
        hear_server(t, p);
    if (p->flags & TCP_SYN) {
        if (p->payload.len == 0)
            return TCP_TAKEN;
        t->syn_data = true;
    }
    if (p->flags & TCP_RST) {
        end->rst_seen |= near(p->seq, end->stream.acked);
        end->rst_exact |= seq_equal(p->seq, end->passed);
        return TCP_TAKEN;
    }
    if (lim->strict && !acceptable(t, p, from))
        return TCP_OUTSIDE;
    answer = take_data(t, end, lim, p);
    if (answer == TCP_TAKEN && p->flags & TCP_FIN)
        answer = take_fin(end, lim, p);
    /* An acknowledgment counts only in a segment that its receiver would look at (RFC 9293 3.10.7.4). */
    if (p->flags & TCP_ACK && !(p->flags & TCP_SYN) &&
        (answer == TCP_TAKEN || answer == TCP_FULL || answer == TCP_PART)) {
        if (!t->confirmed)
            t->confirmed = from == ROLE_CLIENT && other->seen && !seq_before(p->ack, other->first) &&
                           !seq_after(p->ack, other->stream.next);
        end_acked(other, lim->pool, p->ack);
    }
    if (p->wire_len > 0 && !(p->flags & TCP_SYN))
        t->established = true;
    if (p->wire_len > 0 && from == ROLE_SERVER)
        t->confirmed = true; /* it speaks only to a client that it heard */
    return answer;
}

void tcp_passed(struct tcp *t, const struct packet *p, enum role from, uint32_t payload_len)
{
    struct tcp_end *end = &t->of[from];
    if (!end->started || payload_len == 0 || p->flags & TCP_RST)
        return;
    struct seq at = packet_data_seq(p), stop = seq_add(at, payload_len);
    end->passed_high = seq_later(end->passed_high, stop);
    if (!seq_after(at, end->passed))
        end->passed = seq_later(seq_later(end->passed, stop), seq_earlier(end->passed_high, end->stream.next));
}

void tcp_all_passed(struct tcp_end *end)
{
    end->passed = seq_later(end->passed, end->stream.next);
    end->passed_high = seq_later(seq_later(end->passed_high, end->passed), end->stream.end);
}

bool tcp_at_fin(const struct tcp *t, enum role from)
{
    const struct tcp_end *end = &t->of[from];
    return end->started && end->fin_seen && seq_equal(end->stream.next, end->fin);
}
