/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Do the rules do what the daemon's verdicts say, and does nobody else write where they are written? */
#include "rules/firewall_watch.h"

/* Any tag will do: the rules that act on verdicts don't ask which. */
static uint32_t tagged(const struct config *c)
{
    return marks_with_tag(&c->marks, 0, c->policy->outside);
}

/* A packet that comes back with the condemned bit goes on, and leaves the bit in the connection's mark. */
static bool repeats_well(const struct config *c, struct firewall *fw, enum probe_kind probe, struct fw_chain *base)
{
    uint32_t bit = c->marks.condemned;
    struct fw_walk state = {
        .firewall = fw, .layer = base->layer, .probe = probe, .meta = tagged(c) | bit, .ct = tagged(c)};
    struct fw_result r;

    fw_walk_again(&state, base, &r);
    return !r.queued && !r.dropped && (state.ct & bit) != 0;
}

void fw_check_verdicts(struct findings *f, struct firewall *fw, const struct fw_watch *w, enum probe_kind probe,
                       const struct fw_result *queued, const char *server)
{
    const struct config *c = f->config;
    struct fw_walk state = {.firewall = fw, .probe = probe, .ct = tagged(c) | c->marks.condemned};
    const char *way = fw_packets_of(probe);

    if (probe == PROBE_SYN) /* is never condemned */
        return;
    if (!repeats_well(c, fw, probe, queued->queue_in)) {
        fw_find(f, "no rule acts on the daemon's verdicts (mark 0x%08x): load all that `rcptwall rules` prints",
                (unsigned)c->marks.condemned);
        return;
    }
    if (fw_marks_collide(f, fw, false)) /* is told, and what comes of it would only be more of the same */
        return;
    struct fw_result r = fw_watch_walk(w, &state);
    if (r.queued)
        fw_find(f, "packets %s %s of a session that is over come to the queue again (hook %s)", way, server, w->name);
    else if (!r.dropped)
        fw_find(f, "packets %s %s of a session that is over pass (hook %s)", way, server, w->name);
    else if (!r.reset)
        fw_find(f, "packets %s %s of a session that is over are dropped and not answered with a RST (hook %s)%s%s", way,
                server, w->name, r.accepted != NULL ? ", because of a rule in front: " : "",
                r.accepted != NULL ? r.accepted->shown : "");
}

/* Which bits may an action change? */
static uint32_t changed(const struct fw_action *a, bool *ct)
{
    *ct = a->act == ACT_CT_SET || a->act == ACT_CT_FROM_META;
    switch (a->act) {
    case ACT_META_SET:
    case ACT_CT_SET:
        return ~a->keep | a->set;
    case ACT_META_FROM_CT:
    case ACT_CT_FROM_META:
        return a->set;
    case ACT_ACCEPT:
    case ACT_DROP:
    case ACT_RESET:
    case ACT_NOTRACK:
    case ACT_RETURN:
    case ACT_JUMP:
    case ACT_GOTO:
    case ACT_QUEUE:
    case ACT_FLOW:
    case ACT_DNAT:
        break;
    }
    return 0;
}

/*
 * Others may choose the tag, in the connection's mark. All other bits of the mask are ours, and so are those of the
 * packet's mark between the tags and the queue.
 */
bool fw_marks_collide(struct findings *f, const struct firewall *fw, bool tell)
{
    const struct marks *m = &f->config->marks;
    bool collide = false;

    for (size_t c = 0; c < fw->chain_count; c++) {
        const struct fw_chain *chain = &fw->chains[c];
        for (size_t i = 0; i < chain->rule_count && !chain->ours; i++) {
            const struct fw_rule *rule = &chain->rules[i];
            for (size_t k = 0; k < rule->action_count; k++) {
                bool ct, matters = false;
                uint32_t bits = changed(&rule->actions[k], &ct) & (ct ? m->mask & ~m->tag : m->mask);
                for (int p = 0; p < PROBES; p++)
                    matters = matters || rule->on[p] != MATCH_NO;
                if (bits == 0 || !matters || (!ct && chain->hook == FW_PREROUTING))
                    continue;
                collide = true;
                if (tell)
                    fw_find(f, "marks collide: this rule changes bits 0x%08x of the %s mark: %s", (unsigned)bits,
                            ct ? "connection's" : "packet's", rule->shown);
            }
        }
    }
    return collide;
}
