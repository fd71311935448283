/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The engine's last stage: what happened becomes an event and goes to the sink. */
#include "kmod-free/engine_internal.h"

/* What all events of a session have in common. */
static struct event *begin(struct engine *e, uint32_t flow, enum event_kind kind)
{
    const struct session *s = &e->sessions[flow];
    const struct flow *f = &e->table.flows[flow];
    struct event *ev = &e->event;
    event_clear(ev);
    ev->kind = kind;
    ev->wall = f->last_wall;
    ev->flow_id = s->flow_id;
    ev->client = f->of[ROLE_CLIENT];
    ev->server = f->of[ROLE_SERVER];
    ev->tag = s->tag;
    memcpy(ev->tag_name, policy_tag(e->policy, s->tag)->name, sizeof ev->tag_name);
    ev->enforced = e->policy->enforce;
    if (s->note != POOL_NONE) {
        struct note n;
        note_read(e, s, &n);
        if (n.has_helo) {
            event_put(ev, &ev->helo, bytes_of(n.text, n.helo_len), EVENT_HELO_MAX);
            ev->helo.cut |= n.helo_cut;
        }
        if (n.has_mail) {
            event_put(ev, &ev->mail_from, bytes_of(n.text + n.helo_len, n.mail_len), EVENT_MAIL_MAX);
            ev->mail_from.cut |= n.mail_cut;
        }
    }
    return ev;
}

static void put_recipient(struct event *ev, const struct recipient *r, uint32_t ordinal)
{
    ev->external = r->external;
    ev->via = r->via;
    ev->ordinal = ordinal;
    struct bytes shown = r->shown;
    const uint8_t *lf = shown.len > 0 ? memchr(shown.at, '\n', shown.len) : NULL;
    if (lf != NULL) /* behind it stands what is a line of its own for most servers: AUTH, say (D5) */
        shown = bytes_first(shown, (size_t)(lf - shown.at) + 1);
    event_put(ev, &ev->rcpt_to, shown, EVENT_RCPT_MAX);
    ev->rcpt_to.cut |= shown.len < r->shown.len;
    for (uint8_t i = 0; i < r->domain_count; i++)
        event_put(ev, &ev->domains[i], r->domains[i], RECIPIENT_TEXT);
    ev->domain_count = r->domain_count;
}

static void emit(struct engine *e, const struct event *ev)
{
    e->count.events++;
    if (e->cfg.sink.take)
        e->cfg.sink.take(e->cfg.sink.ctx, ev);
}

void report_rcpt(struct engine *e, uint32_t flow, const struct recipient *r, uint32_t ordinal, enum action action)
{
    if (!e->cfg.want_rcpt_events)
        return;
    struct event *ev = begin(e, flow, EVENT_RCPT);
    put_recipient(ev, r, ordinal);
    ev->doubtful = session_rare_of(e, flow)->doubtful_recent >> ordinal % 64 & 1;
    ev->action = action;
    ev->reason = r->external ? REASON_EXTERNAL_RCPT : REASON_NONE;
    emit(e, ev);
}

void report_reply(struct engine *e, uint32_t flow, uint32_t ordinal, uint16_t code, bool external)
{
    if (!e->cfg.want_reply_events)
        return;
    struct event *ev = begin(e, flow, EVENT_REPLY);
    bool broke = session_rare_of(e, flow)->broke_recent >> ordinal % 64 & 1;
    ev->ordinal = ordinal;
    ev->code = code;
    ev->external = external;
    ev->doubtful = session_rare_of(e, flow)->doubtful_recent >> ordinal % 64 & 1;
    ev->action = broke ? policy_tag(e->policy, ev->tag)->on[REASON_EXTERNAL_RCPT] : ACTION_ACCEPT;
    ev->reason = broke ? REASON_EXTERNAL_RCPT : REASON_NONE;
    emit(e, ev);
}

static void put_lists(struct engine *e, struct event *ev, uint32_t lists)
{
    char names[EVENT_LISTS_MAX + 1];
    size_t used = 0;

    for (size_t i = 0; i < POLICY_LISTS_MAX; i++) {
        size_t len = strlen(e->policy->lists[i]);
        if ((lists >> i & 1) == 0 || used + len + 2 > sizeof names)
            continue;
        if (used > 0)
            names[used++] = ',';
        memcpy(names + used, e->policy->lists[i], len);
        used += len;
    }
    if (used > 0)
        event_put(ev, &ev->lists, bytes_of(names, used), EVENT_LISTS_MAX);
}

void report_alert(struct engine *e, uint32_t flow, const struct cause *why, enum action action, bool banned)
{
    struct event *ev = begin(e, flow, EVENT_ALERT);
    if (why->rcpt)
        put_recipient(ev, why->rcpt, why->ordinal);
    if (why->reason == REASON_DNSBL)
        put_lists(e, ev, session_rare_of(e, flow)->lists);
    ev->reason = why->reason;
    ev->detail = why->detail;
    ev->action = action;
    if (banned)
        ev->ban_for_s = policy_tag(e->policy, ev->tag)->ban_for_s;
    emit(e, ev);
}

void report_gap(struct engine *e, uint32_t flow, enum role from, uint64_t bytes)
{
    struct event *ev = begin(e, flow, EVENT_GAP);
    ev->gap_from = from;
    ev->gap_bytes = bytes;
    emit(e, ev);
}

void report_session(struct engine *e, uint32_t flow)
{
    if (!e->cfg.want_session_events)
        return;
    const struct session *s = &e->sessions[flow];
    const struct session_rare *rare = session_rare_of(e, flow);
    const struct smtp_facts *facts = &s->smtp.facts;
    struct event *ev = begin(e, flow, EVENT_SESSION);
    for (int r = 0; r < ROLE_COUNT; r++) {
        ev->session.packets[r] = s->packets[r];
        ev->session.bytes[r] = s->bytes[r];
    }
    ev->session.commands = facts->commands;
    ev->session.rcpts = s->rcpts;
    ev->session.external_rcpts = rare->external_rcpts;
    ev->session.external_accepted = rare->external_accepted;
    ev->session.messages = facts->messages;
    ev->session.external_messages = rare->external_messages;
    ev->session.duration_ns = e->table.flows[flow].last_wall.ns - s->began.ns;
    ev->session.starttls = facts->starttls;
    ev->session.starttls_offered = facts->starttls_offered;
    ev->session.auth_offered = facts->auth_offered;
    ev->session.auth_used = facts->auth_used;
    ev->session.auth_succeeded = facts->auth_succeeded;
    ev->session.midstream = s->midstream;
    ev->session.smtp = facts->recognised;
    ev->action = rare->verdict ? (enum action)rare->verdict : ACTION_ACCEPT;
    ev->reason = (enum reason)rare->reason;
    emit(e, ev);
}
