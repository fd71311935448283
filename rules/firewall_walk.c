/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A packet's way through one hook: base chains by priority, each until a verdict. */
#include "rules/firewall_walk.h"

#include <stdlib.h>

enum outcome {
    GOES_ON, /* the end of a chain, or a return */
    ACCEPTED,
    DROPPED,
    QUEUED,
};

/* Deeper than nftables and iptables allow. */
#define DEPTH_MAX 16

struct place {
    struct fw_chain *chain;
    size_t at;
};

static bool marks_match(const struct fw_walk *w, const struct fw_rule *rule)
{
    for (size_t i = 0; i < rule->test_count; i++) {
        const struct fw_mark_test *t = &rule->tests[i];
        uint32_t mark = t->ct ? w->ct : w->meta;
        if (((mark & t->mask) == t->value) == t->negated)
            return false;
    }
    return true;
}

static bool applies(const struct fw_walk *w, const struct fw_chain *chain, const struct fw_rule *rule)
{
    enum match m = rule->on[w->probe];

    return (m == MATCH_YES || (m == MATCH_MAYBE && w->any_match && !chain->ours)) && marks_match(w, rule);
}

/* One action. GOES_ON: the next one; *moved: a jump or a return. */
static enum outcome act(struct fw_walk *w, struct place *stack, size_t *depth, const struct fw_rule *rule,
                        const struct fw_action *a, struct fw_result *result, bool *moved)
{
    struct fw_chain *target;

    switch (a->act) {
    case ACT_META_SET:
        w->meta = (w->meta & a->keep) | a->set;
        if (stack[*depth].chain->hook == FW_PREROUTING && !stack[*depth].chain->ours &&
            (a->set & w->firewall->tag) != 0) {
            w->tagged = rule;
            w->tagged_mark = w->meta;
        }
        break;
    case ACT_CT_SET:
        w->ct = (w->ct & a->keep) | a->set;
        break;
    case ACT_META_FROM_CT:
        w->meta = (w->meta & ~a->set) | (w->ct & a->set);
        break;
    case ACT_CT_FROM_META:
        w->ct = (w->ct & ~a->set) | (w->meta & a->set);
        break;
    case ACT_ACCEPT:
        if (w->past_accepts && !stack[*depth].chain->ours)
            break;
        result->accepted = rule;
        return ACCEPTED;
    case ACT_DROP:
    case ACT_RESET:
        result->reset = a->act == ACT_RESET;
        return DROPPED;
    case ACT_NOTRACK:
        result->untracked = rule;
        break;
    case ACT_QUEUE:
        result->queued = true;
        result->queue = *a;
        result->meta = w->meta;
        result->ct = w->ct;
        if (w->tagged != NULL && ((w->tagged_mark ^ w->ct) & w->firewall->tag) != 0) {
            result->stray = w->tagged;
            result->stray_mark = w->tagged_mark;
        }
        return QUEUED;
    case ACT_FLOW:
        if (w->probe != PROBE_SYN)
            result->flow = rule;
        break;
    case ACT_DNAT:
        break;
    case ACT_RETURN:
        if (*depth == 0 && w->past_accepts && !stack[0].chain->ours)
            break;
        *moved = true;
        if (*depth == 0) {
            result->accepted = rule;
            return ACCEPTED;
        }
        (*depth)--;
        break;
    case ACT_JUMP:
    case ACT_GOTO:
        target = fw_chain_find(w->firewall, stack[*depth].chain->table, a->target);
        if (target == NULL || (a->act == ACT_JUMP && *depth + 1 == DEPTH_MAX))
            break;
        *moved = true;
        if (a->act == ACT_JUMP)
            (*depth)++;
        stack[*depth] = (struct place){target, 0};
        break;
    }
    return GOES_ON;
}

/* Rules that are walked before this is given up: chains that go round in circles can't be loaded, but can be read. */
#define STEPS_MAX 100000

static enum outcome run_chain(struct fw_walk *w, struct fw_chain *base, struct fw_result *result)
{
    struct place stack[DEPTH_MAX] = {{base, 0}};
    size_t depth = 0;

    for (size_t steps = 0; steps < STEPS_MAX; steps++) {
        struct fw_chain *chain = stack[depth].chain;
        if (stack[depth].at >= chain->rule_count) {
            if (depth == 0)
                return base->drops ? DROPPED : ACCEPTED;
            depth--;
            continue;
        }
        const struct fw_rule *rule = &chain->rules[stack[depth].at++];
        if (!applies(w, chain, rule))
            continue;
        bool moved = false;
        for (size_t i = 0; i < rule->action_count && !moved; i++) {
            enum outcome o = act(w, stack, &depth, rule, &rule->actions[i], result, &moved);
            if (o != GOES_ON)
                return o;
        }
    }
    return ACCEPTED;
}

static int by_priority(const void *left, const void *right)
{
    const struct fw_chain *a = *(struct fw_chain *const *)left, *b = *(struct fw_chain *const *)right;

    return a->priority != b->priority ? (a->priority < b->priority ? -1 : 1) : (a > b) - (a < b);
}

void fw_walk(struct fw_walk *w, enum fw_hook hook, struct fw_result *result)
{
    struct firewall *f = w->firewall;
    struct fw_chain **order = calloc(f->chain_count + 1, sizeof(struct fw_chain *));
    size_t count = 0;

    for (size_t i = 0; order != NULL && i < f->chain_count; i++)
        if (f->chains[i].hook == hook && f->chains[i].layer == w->layer)
            order[count++] = &f->chains[i];
    if (count > 0)
        qsort(order, count, sizeof(struct fw_chain *), by_priority);
    for (size_t i = 0; i < count && !result->queued && !result->dropped; i++) {
        result->dropped = run_chain(w, order[i], result) == DROPPED;
        result->queue_in = order[i];
    }
    free(order);
    f->out_of_memory = f->out_of_memory || order == NULL;
}

void fw_walk_again(struct fw_walk *w, struct fw_chain *base, struct fw_result *result)
{
    *result = (struct fw_result){.queue_in = base};
    result->dropped = run_chain(w, base, result) == DROPPED;
}
