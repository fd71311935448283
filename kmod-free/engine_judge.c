/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The engine's middle: the dialogue is pulled out of both streams, what it reports
 * is held against the policy, and what breaks the policy is raised.
 */
#include "kmod-free/engine_internal.h"

#include <assert.h>

/* A port that isn't configured counts only once SMTP was recognised on it. */
static bool counts(const struct session *s)
{
    return s->port_known || s->smtp.facts.recognised;
}

/* A session was ended. true: its client has done enough now to be banned. */
static bool offence(struct engine *e, uint32_t flow, enum action action)
{
    struct session *s = &e->sessions[flow];
    const struct policy_tag *tag = policy_tag(e->policy, s->tag);
    const struct ip_addr *client = &e->table.flows[flow].of[ROLE_CLIENT].addr;
    if (action != ACTION_BAN && tag->ban_after == 0)
        return false;
    uint32_t count = offenders_add(&e->offenders, client, e->now, tag->ban_for_s * NS_PER_S);
    if (action != ACTION_BAN && count < tag->ban_after)
        return false;
    offenders_forget(&e->offenders, client);
    s->ban_due = true;
    e->count.bans++;
    return true;
}

static void raise_action(struct engine *e, uint32_t flow, const struct cause *why, enum action action)
{
    struct session *s = &e->sessions[flow];
    bool banned = false;
    if (action <= ACTION_ACCEPT || !counts(s))
        return;
    struct session_rare *rare = session_rare_make(e, flow);
    if (action > rare->verdict) {
        rare->verdict = (uint8_t)action;
        rare->reason = (uint8_t)why->reason;
    }
    if (engine_guards(e) && action >= ACTION_RESET) {
        enum action end = action == ACTION_DROP ? ACTION_DROP : ACTION_RESET;
        if (!s->condemned) {
            e->count.ended[why->reason]++;
            banned = offence(e, flow, action);
        }
        if (end > s->condemned)
            s->condemned = (uint8_t)end;
    }
    /* One alert a session and reason, except that each external recipient is named. */
    if (why->reason != REASON_EXTERNAL_RCPT && rare->told & 1u << why->reason)
        return;
    rare->told |= 1u << why->reason;
    e->count.alerts[why->reason]++;
    report_alert(e, flow, why, action, banned);
}

static enum action asked_for(const struct engine *e, const struct session *s, enum reason reason)
{
    const struct policy_facts facts = {
        .tag = s->tag,
        .reason = reason,
        .authenticated = s->smtp.facts.auth_succeeded,
        .dnsbl_unknown = s->dnsbl == DNSBL_UNKNOWN,
    };
    return policy_judge(e->policy, &facts);
}

static void raise_cause(struct engine *e, uint32_t flow, const struct cause *why)
{
    enum action action = asked_for(e, &e->sessions[flow], why->reason);
    if (action == ACTION_REFUSE)
        action = ACTION_RESET; /* there is no command to disarm */
    raise_action(e, flow, why, action);
}

void judge_raise(struct engine *e, uint32_t flow, enum reason reason)
{
    raise_cause(e, flow, &(struct cause){.reason = reason});
}

/* The first byte of a malformed command that servers disagree about. An over-long one comes as its first line_max
 * bytes, or empty. */
static enum detail detail_of(const struct engine *e, struct bytes text)
{
    for (size_t i = 0; i < text.len && text.len < e->cfg.smtp.line_max; i++) {
        if (text.at[i] == '\0')
            return DETAIL_NUL;
        if (text.at[i] == '\r')
            return DETAIL_BARE_CR;
        if (text.at[i] == '\n')
            return DETAIL_BARE_LF;
    }
    return DETAIL_LONG_LINE;
}

/* A RCPT and where it stands. */
struct rcpt_place {
    struct seq at;
    struct bytes line; /* empty: not to be disarmed */
    bool refused;      /* it was */
};

/* What can be done of what the policy asks for. Bytes that nothing holds back can't be changed either. */
static enum action possible(struct engine *e, uint32_t flow, enum action action, struct rcpt_place *place)
{
    if (action != ACTION_REFUSE || !engine_guards(e) || !counts(&e->sessions[flow]))
        return action;
    place->refused = place->refused || refuse_command(e, flow, place->at, place->line);
    return place->refused ? ACTION_REFUSE : ACTION_RESET;
}

/* What is asked again when its reply comes. */
static void note_rcpt(struct session_rare *rare, uint32_t ordinal, bool external, bool broke, bool doubtful)
{
    uint64_t bit = UINT64_C(1) << ordinal % 64;
    rare->external_rcpts += external;
    rare->external_recent = external ? rare->external_recent | bit : rare->external_recent & ~bit;
    rare->broke_recent = broke ? rare->broke_recent | bit : rare->broke_recent & ~bit;
    rare->doubtful_recent = doubtful ? rare->doubtful_recent | bit : rare->doubtful_recent & ~bit;
}

static void saw_rcpt(struct engine *e, uint32_t flow, const struct smtp_event *ev, struct rcpt_place *place)
{
    struct session *s = &e->sessions[flow];
    struct recipient *r = &e->rcpt;
    recipient_read(e->policy->local, &e->table.flows[flow].of[ROLE_SERVER].addr, ev->text, r);
    bool doubtful = ev->suspect && (s->midstream || session_rare_of(e, flow)->gap_told[ROLE_CLIENT]);
    s->rcpts++;
    e->count.rcpts++;
    e->count.external_rcpts += r->external;
    enum action action = ACTION_ACCEPT;
    if (r->external)
        action = possible(e, flow, asked_for(e, s, REASON_EXTERNAL_RCPT), place);
    if (r->external || doubtful || s->has_rare)
        note_rcpt(session_rare_make(e, flow), ev->ordinal, r->external, action > ACTION_ACCEPT, doubtful);
    report_rcpt(e, flow, r, ev->ordinal, action);
    if (r->external)
        raise_action(e, flow, &(struct cause){REASON_EXTERNAL_RCPT, DETAIL_NONE, r, ev->ordinal}, action);
    else if (r->malformed)
        raise_cause(e, flow, &(struct cause){REASON_MALFORMED, detail_of(e, ev->text), r, ev->ordinal});
    uint32_t limit = policy_tag(e->policy, s->tag)->rcpt_limit;
    if (limit > 0 && s->rcpts > limit)
        raise_action(e, flow, &(struct cause){REASON_LIMIT, DETAIL_NONE, r, ev->ordinal},
                     possible(e, flow, asked_for(e, s, REASON_LIMIT), place));
}

static enum reason reason_of(enum smtp_trouble t)
{
    switch (t) {
    case SMTP_SMUGGLING:
        return REASON_SMUGGLING;
    case SMTP_DESYNC:
        return REASON_DESYNC;
    case SMTP_INJECTION:
        return REASON_INJECTION;
    case SMTP_MALFORMED:
        return REASON_MALFORMED;
    }
    return REASON_MALFORMED;
}

/* offered: what ev was read from; its first byte is the stream's next unread one. */
static void saw(struct engine *e, uint32_t flow, const struct smtp_event *ev, struct bytes offered)
{
    struct session *s = &e->sessions[flow];
    struct rcpt_place place;
    bool external;
    switch (ev->kind) {
    case SMTP_SAW_HELO:
        note_helo(e, s, ev->text);
        break;
    case SMTP_SAW_MAIL:
        note_mail(e, s, reverse_path_shown(ev->text));
        dnsbl_due(e, flow);
        break;
    case SMTP_SAW_RCPT:
        dnsbl_due(e, flow);
        place = (struct rcpt_place){.line = ev->line};
        if (ev->line.len > 0)
            place.at = seq_add(s->tcp.of[ROLE_CLIENT].stream.read, (uint32_t)(ev->line.at - offered.at));
        saw_rcpt(e, flow, ev, &place);
        break;
    case SMTP_SAW_RCPT_REPLY:
        external = session_rare_of(e, flow)->external_recent >> ev->ordinal % 64 & 1;
        if (external && ev->code >= 200 && ev->code < 300) {
            session_rare_make(e, flow)->external_accepted++;
            s->external_open = true;
        }
        report_reply(e, flow, ev->ordinal, ev->code, external);
        break;
    case SMTP_SAW_MESSAGE:
        e->count.messages++;
        if (s->external_open)
            session_rare_make(e, flow)->external_messages++;
        s->external_open = false;
        break;
    case SMTP_SAW_STARTTLS:
        dnsbl_due(e, flow);
        judge_raise(e, flow, REASON_STARTTLS);
        break;
    case SMTP_SAW_TROUBLE:
        raise_cause(e, flow,
                    &(struct cause){.reason = reason_of(ev->trouble),
                                    .detail = ev->trouble == SMTP_MALFORMED ? detail_of(e, ev->text) : DETAIL_NONE});
        break;
    }
}

/*
 * The unread bytes of one role, as many as lie in one run, or, when the dialogue
 * found no end of line in that run, gathered over the blocks' borders.
 */
static bool offer(struct engine *e, const struct stream *st, bool gathered, struct bytes *out)
{
    if (!gathered)
        return stream_peek(st, &e->blocks, out);
    *out = bytes_of(e->scratch, stream_gather(st, &e->blocks, e->scratch, e->scratch_len));
    return out->len > 0;
}

/* The first line of b with its end; all of it where there is no end. */
static void keep_line(struct bytes *b)
{
    const uint8_t *lf = b->len > 0 ? memchr(b->at, '\n', b->len) : NULL;
    if (lf)
        keep_first(b, (size_t)(lf - b->at) + 1);
}

/*
 * Pulls one role's side, which has something unread, until it stops, or, by_line, until one line was taken.
 * true: something was taken.
 */
static bool pull_unread(struct engine *e, uint32_t flow, enum role from, bool last, bool by_line)
{
    struct session *s = &e->sessions[flow];
    struct tcp_end *end = &s->tcp.of[from];
    bool moved = false, gathered = false;
    for (;;) {
        struct bytes in;
        if (s->condemned || !offer(e, &end->stream, gathered, &in))
            return moved;
        if (from == ROLE_CLIENT && dnsbl_holds(e, flow)) {
            s->client_waits = s->dnsbl_waits = true;
            return moved;
        }
        if (by_line)
            keep_line(&in);
        const struct bytes offered = in;
        bool all = offered.len == stream_unread(&end->stream);
        struct smtp_event ev; /* smtp_next sets it, whatever it answers */
        enum smtp_step step =
            smtp_next(&e->cfg.smtp, &s->smtp, from, &in, all && (last || tcp_at_fin(&s->tcp, from)), &ev);
        uint32_t taken = (uint32_t)(offered.len - in.len);
        if (step == SMTP_EVENT)
            saw(e, flow, &ev, offered); /* the event's text lies in the stream: read it before it is freed */
        stream_read(&end->stream, &e->blocks, taken);
        moved |= taken > 0 || step == SMTP_EVENT;
        switch (step) {
        case SMTP_EVENT:
            if (by_line)
                return moved;
            gathered = false;
            break;
        case SMTP_MORE:
            if (by_line && taken > 0)
                return moved;
            if (taken > 0 && in.len == 0)
                break; /* the run is used up; there may be a next one */
            if (gathered || all)
                return moved;
            gathered = true;
            break;
        case SMTP_WAIT:
            s->client_waits = from == ROLE_CLIENT;
            return moved;
        case SMTP_OPAQUE:
            s->opaque = true;
            return moved;
        }
    }
}

static bool pull(struct engine *e, uint32_t flow, enum role from, bool last, bool by_line)
{
    struct session *s = &e->sessions[flow];
    const struct tcp_end *end = &s->tcp.of[from];
    if (from == ROLE_CLIENT)
        s->client_waits = s->dnsbl_waits = false;
    return end->started && stream_unread(&end->stream) > 0 && pull_unread(e, flow, from, last, by_line);
}

static void forget(struct engine *e, struct session *s)
{
    /* Nobody behind us can be sent another copy of what the server said, nor, in a capture, of anything. */
    if (s->tcp.of[ROLE_SERVER].started)
        stream_forget_read(&s->tcp.of[ROLE_SERVER].stream, &e->blocks);
    if (s->tcp.of[ROLE_CLIENT].started && s->opaque)
        stream_forget_read(&s->tcp.of[ROLE_CLIENT].stream, &e->blocks);
}

/*
 * Offline: bytes of the other side are missing, and will be given up soon. What this
 * side says may be about them, so it isn't read before.
 */
static bool waits_for_gap(const struct engine *e, const struct session *s, enum role from, bool last)
{
    return !engine_guards(e) && !last && s->tcp.of[role_other(from)].has_beyond;
}

/* Has one of the two said something that wasn't read? Without that the dialogue stands where it stood. */
static bool something_unread(const struct session *s)
{
    return stream_unread(&s->tcp.of[ROLE_CLIENT].stream) > 0 || stream_unread(&s->tcp.of[ROLE_SERVER].stream) > 0;
}

/*
 * While the client stands at a barrier, replies are read line by line: the reply that
 * opens the barrier may have the replies to what stands behind it in the same segment (D4).
 */
static void pump(struct engine *e, uint32_t flow, bool last)
{
    struct session *s = &e->sessions[flow];
    bool moved = true;
    while (moved && !s->condemned && !s->opaque) {
        moved = !waits_for_gap(e, s, ROLE_SERVER, last) && pull(e, flow, ROLE_SERVER, last, s->client_waits);
        if (s->opaque || waits_for_gap(e, s, ROLE_CLIENT, last))
            continue;
        moved |= pull(e, flow, ROLE_CLIENT, last, false);
        if (moved && !something_unread(s)) {
            s->client_waits = s->dnsbl_waits = false; /* for nothing: all that another round would do */
            break;
        }
    }
    forget(e, s);
}

void judge_pump(struct engine *e, uint32_t flow)
{
    if (something_unread(&e->sessions[flow]))
        pump(e, flow, false);
}

void judge_client_first(struct engine *e, uint32_t flow)
{
    struct session *s = &e->sessions[flow];
    while (!s->condemned && !s->opaque && pull(e, flow, ROLE_CLIENT, false, false))
        ;
}

/* What is unread in front of a gap ends there: judged as it is, the rest is thrown away. */
static void cut_off(struct engine *e, uint32_t flow, enum role from)
{
    struct session *s = &e->sessions[flow];
    struct stream *st = &s->tcp.of[from].stream;
    if (stream_unread(st) > 0)
        (void)pull(e, flow, from, true, false);
    stream_read(st, &e->blocks, stream_unread(st));
}

void judge_gap(struct engine *e, uint32_t flow, enum role from)
{
    struct session *s = &e->sessions[flow];
    struct tcp_end *end = &s->tcp.of[from];
    struct seq to = end->beyond, stored;
    end->has_beyond = false;
    end->beyond_frames = 0;
    if (stream_gap(&end->stream, &stored))
        to = seq_earlier(to, stored);
    if (!seq_after(to, end->stream.next))
        return;
    uint32_t lost = (uint32_t)seq_diff(to, end->stream.next);
    if (from == ROLE_CLIENT && s->client_waits && !s->dnsbl_waits)
        smtp_gap(&s->smtp, ROLE_SERVER); /* the reply that the client had is one that we didn't get */
    cut_off(e, flow, from);
    smtp_gap(&s->smtp, from);
    struct seq beyond = end->beyond;
    stream_skip(&end->stream, &e->blocks, to);
    end->passed = seq_later(end->passed, end->stream.next);
    end->passed_high = seq_later(end->passed_high, end->passed);
    if (seq_after(beyond, end->stream.next))
        end->has_beyond = true; /* another gap behind this one */
    if (counts(s)) {
        e->count.gaps++;
        e->count.gap_bytes += lost;
        struct session_rare *rare = session_rare_make(e, flow);
        if (end->seen || !rare->gap_told[from])
            report_gap(e, flow, from, lost);
        rare->gap_told[from] = true;
    }
    pump(e, flow, false);
}

/* Is there still something stored behind a gap? Then the capture lost what was before it. */
static bool rest_gap(struct engine *e, uint32_t flow, enum role from)
{
    struct session *s = &e->sessions[flow];
    struct tcp_end *end = &s->tcp.of[from];
    struct seq stored;
    if (!end->started || s->opaque || end->unseen)
        return false;
    if (stream_gap(&end->stream, &stored))
        end->beyond = end->has_beyond ? seq_later(stored, end->beyond) : stored;
    else if (!end->has_beyond)
        return false;
    end->has_beyond = true;
    judge_gap(e, flow, from);
    return true;
}

void judge_rest(struct engine *e, uint32_t flow)
{
    struct session *s = &e->sessions[flow];
    if (engine_guards(e) || s->opaque)
        return; /* what wasn't judged wasn't let through */
    while (rest_gap(e, flow, ROLE_SERVER) || rest_gap(e, flow, ROLE_CLIENT))
        ;
    pump(e, flow, true);
    if (s->client_waits && !s->opaque) {
        smtp_gap(&s->smtp, ROLE_SERVER);
        pump(e, flow, true);
    }
}
