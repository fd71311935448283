/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What DNS blocklists say of a client. The engine asks when the session begins, and goes on; it needs the answer
 * when the client has more to say than its greeting. Who floods us with SYNs from made up addresses shall not keep
 * the lists from being asked about others: where too much is under way, a client is asked about when he is known to be
 * there. In GUARD what comes then isn't let through before the
 * answer is there, or dnsbl_wait_ns are over: the packet is dropped, and TCP sends it again (S3: nothing is kept
 * for it). In WATCH nothing waits, and the alert comes when it comes.
 */
#include "kmod-free/engine_internal.h"

static void ask(struct engine *e, uint32_t flow)
{
    struct session *s = &e->sessions[flow];
    const struct ip_addr *client = &e->table.flows[flow].of[ROLE_CLIENT].addr;

    s->dnsbl = DNSBL_PENDING; /* the answer may come before ask returns */
    if (!e->cfg.asks.ask(e->cfg.asks.ctx, flow, s->flow_id, client, policy_tag(e->policy, s->tag)->dnsbl_threshold))
        s->dnsbl = DNSBL_UNKNOWN;
    e->count.dnsbl_asked++;
}

void dnsbl_begin(struct engine *e, uint32_t flow)
{
    struct session *s = &e->sessions[flow];
    const struct policy_tag *tag = policy_tag(e->policy, s->tag);

    s->dnsbl = DNSBL_NOT_ASKED;
    if (e->cfg.asks.ask == NULL || !s->port_known || tag->on[REASON_DNSBL] <= ACTION_ACCEPT)
        return;
    if (e->cfg.asks.busy != NULL && e->cfg.asks.busy(e->cfg.asks.ctx))
        s->dnsbl = DNSBL_POSTPONED;
    else
        ask(e, flow);
}

void dnsbl_postponed(struct engine *e, uint32_t flow)
{
    const struct session *s = &e->sessions[flow];

    if (s->tcp.confirmed)
        ask(e, flow);
}

static void judge(struct engine *e, uint32_t flow)
{
    struct session *s = &e->sessions[flow];

    if (s->dnsbl_due && (s->dnsbl == DNSBL_LISTED || s->dnsbl == DNSBL_UNKNOWN))
        judge_raise(e, flow, REASON_DNSBL);
}

void dnsbl_due(struct engine *e, uint32_t flow)
{
    e->sessions[flow].dnsbl_due = true;
    judge(e, flow);
}

bool dnsbl_holds(struct engine *e, uint32_t flow)
{
    struct session *s = &e->sessions[flow];
    const struct tcp_end *client = &s->tcp.of[ROLE_CLIENT];

    if (s->dnsbl != DNSBL_PENDING || !engine_guards(e) || s->smtp.facts.commands == 0)
        return false;
    struct session_rare *rare = session_rare_make(e, flow);
    if (rare->held_since.ns == 0)
        rare->held_since = e->now;
    /* what is out already, beyond a gap that now closes, can't be held any more */
    if (seq_after(client->passed_high, client->stream.read) ||
        !mono_before(e->now, mono_add(rare->held_since, e->cfg.dnsbl_wait_ns))) {
        s->dnsbl = DNSBL_UNKNOWN;
        e->count.dnsbl_late++;
        return false;
    }
    return true;
}

/* Nothing of it can be stopped any more. */
static bool over(const struct tcp *t)
{
    const struct tcp_end *client = &t->of[ROLE_CLIENT], *server = &t->of[ROLE_SERVER];
    return client->rst_seen || server->rst_seen || (client->fin_seen && server->fin_seen);
}

void engine_tell(struct engine *e, const struct dnsbl_told *told)
{
    if (told->flow >= e->cfg.max_flows || !e->table.flows[told->flow].used ||
        e->sessions[told->flow].flow_id != told->flow_id)
        return; /* it is over */
    struct session *s = &e->sessions[told->flow];
    if (s->dnsbl == DNSBL_NOT_ASKED || s->dnsbl == DNSBL_POSTPONED || s->dnsbl == DNSBL_LISTED ||
        (engine_guards(e) && over(&s->tcp)))
        return;
    if (told->score >= policy_tag(e->policy, s->tag)->dnsbl_threshold && told->lists != 0)
        s->dnsbl = DNSBL_LISTED;
    else if (s->dnsbl == DNSBL_PENDING)
        s->dnsbl = told->incomplete ? DNSBL_UNKNOWN : DNSBL_CLEAN;
    if (told->lists != 0 || s->has_rare)
        session_rare_make(e, told->flow)->lists = told->lists;
    e->count.dnsbl_listed += s->dnsbl == DNSBL_LISTED;
    judge(e, told->flow);
}
