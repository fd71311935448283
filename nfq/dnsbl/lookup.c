/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nfq/dnsbl/lookup.h"

#include <assert.h>
#include <stdlib.h>

/* What gave no answer isn't asked again for so long. */
#define FAILED_NS     (10 * NS_PER_S)
/* A check is in no hurry: what was lost in a flood of questions is asked again, and a zone isn't dead for that. */
#define CHECK_LEAST_NS (4500 * NS_PER_MS)
#define KEPT_FOR_CHECKS (DNSBL_ZONES_MAX * DNSBL_PROBES)
#define NOT_A_PROBE   UINT8_MAX

struct query {
    struct mono deadline;
    uint32_t entry, serial;
    uint8_t zone;
    uint8_t probe; /* NOT_A_PROBE: a client is asked about */
    bool used;     /* the resolver has it */
    bool waited;   /* for its answer; false: given up already */
};

struct zone_state {
    struct dnsbl_health health;
    struct dnsbl_zone_counters count;
    uint8_t generation; /* findings of an earlier one aren't believed any more */
};

struct dnsbl_lookup {
    struct dnsbl_settings set;
    struct dnsbl_cache *cache;
    struct dnsbl_counters count;
    struct zone_state zones[DNSBL_ZONES_MAX];
    struct query queries[DNSBL_QUERIES_MAX];
    uint32_t used;   /* queries */
    uint32_t waited; /* queries */
    uint32_t search; /* where the last free one was found */
    bool early;      /* a score that is enough can't fall again */
};

struct dnsbl_lookup *dnsbl_lookup_new(const struct dnsbl_settings *s, const uint8_t key[static DNSBL_KEY_BYTES],
                                      struct mono now)
{
    struct dnsbl_lookup *l = calloc(1, sizeof *l);

    assert(s->zone_count > 0 && s->zone_count <= DNSBL_ZONES_MAX);
    if (l == NULL)
        return NULL;
    l->set = *s;
    l->early = true;
    l->cache = dnsbl_cache_new(s->entries, s->waiters, (uint32_t)s->zone_count, key);
    if (l->cache == NULL) {
        free(l);
        return NULL;
    }
    for (size_t z = 0; z < s->zone_count; z++) {
        dnsbl_health_start(&l->zones[z].health, now);
        l->early &= s->zones[z].weight >= 0;
    }
    return l;
}

void dnsbl_lookup_free(struct dnsbl_lookup *l)
{
    if (l == NULL)
        return;
    dnsbl_cache_free(l->cache);
    free(l);
}

/* ---- questions ---- */

/* Sends it; false: no room, or it can't be sent. */
static bool ask(struct dnsbl_lookup *l, const struct query *q, const struct ip_addr *a)
{
    char name[DNSBL_NAME_MAX + 1];
    uint32_t room = q->probe == NOT_A_PROBE ? DNSBL_QUERIES_MAX - KEPT_FOR_CHECKS : DNSBL_QUERIES_MAX, i = l->search;

    if (l->used >= room) {
        l->count.no_query++;
        return false;
    }
    while (l->queries[i].used)
        i = (i + 1) % DNSBL_QUERIES_MAX;
    l->search = (i + 1) % DNSBL_QUERIES_MAX;
    l->queries[i] = *q;
    l->queries[i].used = l->queries[i].waited = true;
    l->used++;
    l->waited++;
    l->zones[q->zone].count.asked += q->probe == NOT_A_PROBE;
    dnsbl_query_name(&l->set.zones[q->zone], a, name);
    if (l->set.ask(l->set.ctx, i, name))
        return true;
    l->queries[i].used = l->queries[i].waited = false;
    l->used--;
    l->waited--;
    l->zones[q->zone].count.asked -= q->probe == NOT_A_PROBE;
    l->count.no_query++;
    return false;
}

static bool fresh(const struct dnsbl_lookup *l, const struct dnsbl_cell *c, size_t zone, struct mono now)
{
    return c->finding != 0 && c->generation == l->zones[zone].generation && mono_before(now, c->expires);
}

/* true: an answer will come. (It may have come already: the resolver can fail at once.) */
static bool ask_zone(struct dnsbl_lookup *l, uint32_t entry, size_t zone, struct mono now, bool *asked)
{
    struct dnsbl_cell *c = dnsbl_cache_cell(l->cache, entry, (uint32_t)zone);
    const struct query q = {
        .deadline = mono_add(now, l->set.zones[zone].timeout_ns),
        .entry = entry,
        .serial = dnsbl_cache_serial(l->cache, entry),
        .zone = (uint8_t)zone,
        .probe = NOT_A_PROBE,
    };

    if (c->pending)
        return true;
    *c = (struct dnsbl_cell){.pending = true, .generation = l->zones[zone].generation};
    *asked = true;
    if (!ask(l, &q, dnsbl_cache_address(l->cache, entry)))
        c->pending = false;
    return c->pending;
}

/* ---- answers ---- */

/* What is known now. true: nothing is under way any more: it is the answer for everybody. */
static bool sum_up(struct dnsbl_lookup *l, uint32_t entry, struct mono now, struct dnsbl_reply *r)
{
    bool all = true;

    *r = (struct dnsbl_reply){0};
    for (size_t z = 0; z < l->set.zone_count; z++) {
        const struct dnsbl_cell *c = dnsbl_cache_cell(l->cache, entry, (uint32_t)z);
        if (!dnsbl_zone_covers(&l->set.zones[z], dnsbl_cache_address(l->cache, entry)))
            continue;
        all &= !c->pending;
        if (l->zones[z].health.state == DNSBL_OFF)
            continue;
        if (l->zones[z].health.state == DNSBL_ON && fresh(l, c, z, now) && c->finding == DNSBL_LISTED) {
            r->score += l->set.zones[z].weight;
            r->listed |= UINT32_C(1) << z;
        } else if (l->zones[z].health.state != DNSBL_ON || !fresh(l, c, z, now) || c->finding != DNSBL_NOT_LISTED) {
            r->incomplete = true;
        }
    }
    return all;
}

/* What is known is enough for whoever wants no higher score than this, whatever comes. */
static int32_t enough_for(const struct dnsbl_lookup *l, const struct dnsbl_reply *r)
{
    return l->early && r->score > 0 ? r->score : INT32_MIN;
}

/* To all who wait, or to those who needn't any longer. */
static void reply_all(struct dnsbl_lookup *l, uint32_t entry, struct mono now)
{
    struct dnsbl_asker asker;
    struct dnsbl_reply r;
    int32_t score = INT32_MAX;

    if (!sum_up(l, entry, now, &r)) {
        score = enough_for(l, &r);
        r.incomplete = false;
    }
    while (dnsbl_cache_next(l->cache, entry, score, &asker))
        l->set.reply(l->set.ctx, &asker, &r);
}

void dnsbl_lookup_request(struct dnsbl_lookup *l, const struct dnsbl_asker *asker, const struct ip_addr *a,
                          struct mono now)
{
    struct dnsbl_reply r = {.incomplete = true};
    bool asked = false, waits = false;

    l->count.requests++;
    uint32_t entry = dnsbl_cache_get(l->cache, a);
    if (entry == DNSBL_NO_ENTRY) {
        l->count.no_entry++;
        l->set.reply(l->set.ctx, asker, &r);
        return;
    }
    for (size_t z = 0; z < l->set.zone_count; z++) {
        if (l->zones[z].health.state != DNSBL_ON || !dnsbl_zone_covers(&l->set.zones[z], a) ||
            fresh(l, dnsbl_cache_cell(l->cache, entry, (uint32_t)z), z, now))
            continue;
        waits |= ask_zone(l, entry, z, now, &asked);
    }
    l->count.from_cache += !waits && !asked;
    l->count.joined += waits && !asked;
    if (!sum_up(l, entry, now, &r)) {
        bool enough = asker->enough <= enough_for(l, &r);
        if (!enough && dnsbl_cache_wait(l->cache, entry, asker))
            return;
        l->count.no_waiter += !enough;
        r.incomplete &= !enough;
    }
    l->set.reply(l->set.ctx, asker, &r);
}

static int64_t lifetime(const struct dnsbl_lookup *l, const struct dnsbl_answer *a)
{
    int64_t ns = a->ttl * NS_PER_S;

    if (a->finding != DNSBL_LISTED && a->finding != DNSBL_NOT_LISTED)
        return FAILED_NS;
    if (ns < l->set.ttl_least_ns)
        return l->set.ttl_least_ns;
    return ns > l->set.ttl_most_ns ? l->set.ttl_most_ns : ns;
}

static void keep(struct dnsbl_lookup *l, const struct query *q, const struct dnsbl_answer *a, struct mono now)
{
    struct dnsbl_cell *c;

    if (dnsbl_cache_serial(l->cache, q->entry) != q->serial)
        return; /* it belongs to another address now */
    c = dnsbl_cache_cell(l->cache, q->entry, q->zone);
    c->finding = (uint8_t)a->finding;
    c->code = a->code;
    c->expires = mono_add(now, lifetime(l, a));
    c->pending = false;
}

static void take_change(struct dnsbl_lookup *l, size_t zone, enum dnsbl_change change)
{
    switch (change) {
    case DNSBL_NO_CHANGE:
        return;
    case DNSBL_SWITCHED_OFF:
        l->zones[zone].generation++; /* what it said while it went mad isn't believed later */
        break;
    case DNSBL_SWITCHED_ON:
        break;
    }
    l->set.changed(l->set.ctx, zone, change);
}

/* The finding, or that there is none in time. */
static void conclude(struct dnsbl_lookup *l, struct query *q, const struct dnsbl_answer *a, struct mono now)
{
    struct zone_state *z = &l->zones[q->zone];

    l->waited -= q->waited;
    q->waited = false;
    if (q->probe != NOT_A_PROBE) {
        take_change(l, q->zone, dnsbl_health_take(&z->health, &l->set.zones[q->zone], q->probe, a->finding, now));
        return;
    }
    keep(l, q, a, now);
    if (a->finding == DNSBL_ERROR_CODE || a->finding == DNSBL_OUTSIDE || a->finding == DNSBL_GARBAGE)
        dnsbl_health_suspect(&z->health, now);
    if (dnsbl_cache_serial(l->cache, q->entry) == q->serial)
        reply_all(l, q->entry, now);
}

static void count_answer(struct dnsbl_zone_counters *c, enum dnsbl_finding f, bool came, bool in_time)
{
    if (!in_time) {
        c->late += came;
        return;
    }
    switch (f) {
    case DNSBL_LISTED:
        c->listed++;
        break;
    case DNSBL_NOT_LISTED:
        c->not_listed++;
        break;
    case DNSBL_NO_ANSWER:
        *(came ? &c->errors : &c->timeouts) += 1;
        break;
    case DNSBL_ERROR_CODE:
    case DNSBL_OUTSIDE:
    case DNSBL_GARBAGE:
        c->errors++;
        break;
    }
}

void dnsbl_lookup_answer(struct dnsbl_lookup *l, uint32_t query, struct bytes message, struct mono now)
{
    struct query *q = &l->queries[query];
    struct dnsbl_answer a;

    assert(query < DNSBL_QUERIES_MAX && q->used);
    dnsbl_answer_read(&l->set.zones[q->zone], message, &a);
    if (q->probe == NOT_A_PROBE)
        count_answer(&l->zones[q->zone].count, a.finding, message.len > 0, q->waited);
    if (q->waited || (q->probe == NOT_A_PROBE && a.finding != DNSBL_NO_ANSWER))
        conclude(l, q, &a, now);
    q->used = false;
    l->used--;
}

/* ---- time ---- */

static void give_up_late(struct dnsbl_lookup *l, struct mono now)
{
    const struct dnsbl_answer none = {.finding = DNSBL_NO_ANSWER};

    for (uint32_t i = 0; l->waited > 0 && i < DNSBL_QUERIES_MAX; i++) {
        struct query *q = &l->queries[i];
        if (!q->waited || mono_before(now, q->deadline))
            continue;
        l->zones[q->zone].count.timeouts += q->probe == NOT_A_PROBE;
        conclude(l, q, &none, now);
    }
}

static void begin_check(struct dnsbl_lookup *l, size_t zone, struct mono now)
{
    const struct dnsbl_zone *z = &l->set.zones[zone];
    uint8_t probes = dnsbl_health_begin(&l->zones[zone].health, z, now);
    int64_t patience = z->timeout_ns > CHECK_LEAST_NS ? z->timeout_ns : CHECK_LEAST_NS;

    for (unsigned i = 0; i < DNSBL_PROBES; i++) {
        struct query q = {.deadline = mono_add(now, patience), .zone = (uint8_t)zone, .probe = (uint8_t)i};
        struct ip_addr addr;
        bool listed;
        if ((probes >> i & 1) == 0 || !dnsbl_probe(z, i, &addr, &listed))
            continue;
        if (!ask(l, &q, &addr))
            take_change(l, zone, dnsbl_health_take(&l->zones[zone].health, z, i, DNSBL_NO_ANSWER, now));
    }
}

void dnsbl_lookup_tick(struct dnsbl_lookup *l, struct mono now)
{
    give_up_late(l, now);
    for (size_t z = 0; z < l->set.zone_count; z++)
        if (dnsbl_health_due(&l->zones[z].health, now))
            begin_check(l, z, now);
}

bool dnsbl_lookup_busy(const struct dnsbl_lookup *l)
{
    return l->waited > 0;
}

const struct dnsbl_health *dnsbl_lookup_health(const struct dnsbl_lookup *l, size_t zone)
{
    return &l->zones[zone].health;
}

const struct dnsbl_zone_counters *dnsbl_lookup_zone_counters(const struct dnsbl_lookup *l, size_t zone)
{
    return &l->zones[zone].count;
}

const struct dnsbl_counters *dnsbl_lookup_counters(const struct dnsbl_lookup *l)
{
    return &l->count;
}

uint32_t dnsbl_lookup_entries(const struct dnsbl_lookup *l)
{
    return dnsbl_cache_used(l->cache);
}
