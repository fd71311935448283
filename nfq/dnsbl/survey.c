/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nfq/dnsbl/survey.h"

#include "nfq/dnsbl/resolver.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define TRY_MS     2000
#define AT_ONCE    256

/* One question: a probe of a zone, or an address in a zone, or why it is listed there. */
struct task {
    enum { TASK_PROBE = 1, TASK_ADDRESS, TASK_REASON } kind;
    size_t zone, address;
    unsigned probe;
};

struct run {
    struct survey *s;
    struct resolver *resolver;
    struct task tasks[AT_ONCE]; /* by question */
    bool used[AT_ONCE];
    size_t under_way;
    struct dnsbl_health health[DNSBL_ZONES_MAX][2]; /* IPv4, IPv6 */
    size_t next; /* of all that is to be asked first: probes, then addresses */
};

static struct survey_cell *cell_of(const struct survey *s, size_t address, size_t zone)
{
    return &s->cells[address * s->zone_count + zone];
}

static const struct mono no_time = {0}; /* a survey has one check, and no clock */

static void start(struct run *r, const struct task *t, const struct ip_addr *a)
{
    char name[DNSBL_NAME_MAX + 1];
    uint32_t q = 0;

    while (r->used[q])
        q++;
    r->tasks[q] = *t;
    r->used[q] = true;
    r->under_way++;
    dnsbl_query_name(&r->s->zones[t->zone], a, name);
    resolver_ask(r->resolver, q, name, t->kind == TASK_REASON ? RESOLVER_TXT : RESOLVER_A);
}

/* resolver.h's resolver_done */
static void done(void *ctx, uint32_t question, struct bytes message)
{
    struct run *r = ctx;
    struct task t = r->tasks[question];
    const struct dnsbl_zone *z = &r->s->zones[t.zone];
    struct dnsbl_answer a;

    r->used[question] = false;
    r->under_way--;
    if (t.kind == TASK_REASON) {
        struct survey_cell *c = cell_of(r->s, t.address, t.zone);
        c->reason_len = dnsbl_reason_read(message, c->reason);
        return;
    }
    dnsbl_answer_read(z, message, &a);
    if (t.kind == TASK_PROBE) {
        (void)!dnsbl_health_take(&r->health[t.zone][t.probe / 2], z, t.probe, a.finding, no_time);
        return;
    }
    cell_of(r->s, t.address, t.zone)->answer = a;
    t.kind = TASK_REASON;
    if (a.finding == DNSBL_LISTED)
        start(r, &t, &r->s->addresses[t.address]);
}

/* The next question of the plan. false: it isn't one (the zone isn't for this family). */
static bool plan(struct run *r, struct task *t, struct ip_addr *a)
{
    size_t probes = r->s->zone_count * DNSBL_PROBES, n = r->next++;
    bool listed;

    if (n < probes) {
        *t = (struct task){.kind = TASK_PROBE, .zone = n / DNSBL_PROBES, .probe = (unsigned)(n % DNSBL_PROBES)};
        return dnsbl_probe(&r->s->zones[t->zone], t->probe, a, &listed);
    }
    n -= probes;
    *t = (struct task){.kind = TASK_ADDRESS, .zone = n % r->s->zone_count, .address = n / r->s->zone_count};
    *a = r->s->addresses[t->address];
    cell_of(r->s, t->address, t->zone)->asked = dnsbl_zone_covers(&r->s->zones[t->zone], a);
    return cell_of(r->s, t->address, t->zone)->asked;
}

static void ask_more(struct run *r)
{
    size_t all = r->s->zone_count * (DNSBL_PROBES + r->s->address_count);
    struct task t;
    struct ip_addr a;

    /* a reason takes the place of its address: half the room is enough for all */
    while (r->next < all && r->under_way < AT_ONCE / 2)
        if (plan(r, &t, &a))
            start(r, &t, &a);
}

static bool loop(struct run *r)
{
    struct pollfd fds[RESOLVER_FDS_MAX];

    for (ask_more(r); r->under_way > 0; ask_more(r)) {
        size_t n = resolver_fds(r->resolver, fds);
        if (poll(fds, (nfds_t)n, resolver_wait_ms(r->resolver, 1000)) < 0 && errno != EINTR)
            return false;
        resolver_work(r->resolver, fds, n);
    }
    return true;
}

/* Of one family: as if the zone were for that one only. */
static void begin_check(struct run *r, size_t zone, unsigned i)
{
    struct dnsbl_zone half = r->s->zones[zone];

    half.ipv4 = half.ipv4 && i == 0;
    half.ipv6 = half.ipv6 && i == 1;
    r->s->sanity[zone][i].asked = half.ipv4 || half.ipv6;
    dnsbl_health_start(&r->health[zone][i], no_time);
    if (r->s->sanity[zone][i].asked)
        (void)!dnsbl_health_begin(&r->health[zone][i], &half, no_time);
}

bool survey_run(struct survey *s, const char *resolver, char *error, size_t room)
{
    struct run *r = calloc(1, sizeof *r);
    bool good = false;

    s->cells = calloc(s->zone_count * s->address_count, sizeof *s->cells);
    if (r == NULL || s->cells == NULL) {
        snprintf(error, room, "out of memory");
        free(r);
        return false;
    }
    r->s = s;
    for (size_t z = 0; z < s->zone_count; z++)
        for (unsigned i = 0; i < 2; i++)
            begin_check(r, z, i);
    r->resolver = resolver_new(resolver, TRY_MS, done, r, error, room);
    if (r->resolver != NULL) {
        good = loop(r);
        if (!good)
            snprintf(error, room, "%s", strerror(errno));
    }
    for (size_t z = 0; z < s->zone_count; z++)
        for (unsigned i = 0; i < 2; i++)
            s->sanity[z][i].fault = r->health[z][i].fault;
    resolver_free(r->resolver);
    free(r);
    return good;
}

const struct survey_sanity *survey_sanity(const struct survey *s, size_t zone, unsigned family)
{
    return &s->sanity[zone][family == 4 ? 0 : 1];
}

bool survey_lacks(const struct survey *s, size_t zone, unsigned family)
{
    const struct survey_sanity *own = survey_sanity(s, zone, family), *other = survey_sanity(s, zone, family == 4 ? 6 : 4);

    return own->asked && own->fault == DNSBL_FAULT_EMPTY && other->asked && other->fault == DNSBL_FAULT_NONE;
}

void survey_free(struct survey *s)
{
    free(s->cells);
    s->cells = NULL;
}
