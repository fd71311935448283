/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nfq/dnsbl_service.h"

#include "nfq/dnsbl/lookup.h"
#include "nfq/dnsbl/resolver.h"
#include "nfq/privileges.h"
#include "nfq/sandbox.h"

#include <errno.h>
#include <assert.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#define TRY_MOST_MS      1500
#define ASKS_A_ROUND     512
#define WAITERS          16384
#define QUEUES_MAX       64 /* SUPERVISOR_QUEUES_MAX */
#define BUSY_MS          20  /* how late a deadline may be seen */
#define IDLE_MS          500
#define NICENESS         5 /* packets first, where both want the same processor */
#define REPORT_NS        (500 * NS_PER_MS)
#define STALL_NS         (100 * NS_PER_MS)

static_assert(RESOLVER_QUESTIONS_MAX >= DNSBL_QUERIES_MAX, "every query has its question");

struct service {
    const struct dnsbl_service_setup *setup;
    struct dnsbl_lookup *lookup;
    struct resolver *resolver;
    struct channel answers[QUEUES_MAX];
    struct channel text, zones;
    struct mono reported;
};

static struct mono now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (struct mono){t.tv_sec * NS_PER_S + t.tv_nsec};
}

static bool ask(void *ctx, uint32_t query, const char *name)
{
    struct service *s = ctx;
    resolver_ask(s->resolver, query, name, RESOLVER_A);
    return true;
}

static void answered(void *ctx, uint32_t question, struct bytes message)
{
    struct service *s = ctx;
    dnsbl_lookup_answer(s->lookup, question, message, now());
}

static void reply(void *ctx, const struct dnsbl_asker *asker, const struct dnsbl_reply *r)
{
    struct service *s = ctx;
    const struct dnsbl_told told = {.flow = asker->flow,
                                    .flow_id = asker->flow_id,
                                    .score = r->score,
                                    .lists = r->listed,
                                    .incomplete = r->incomplete};
    if (asker->who < s->setup->answer_count) /* what finds no room is lost: that session goes on as unknown */
        channel_send(&s->answers[asker->who], MESSAGE_TOLD, &told, sizeof told);
}

static void changed(void *ctx, size_t zone, enum dnsbl_change change)
{
    struct service *s = ctx;
    char line[MESSAGE_TEXT_MAX];
    const char *name = s->setup->config->dnsbl.zones[zone].name;
    if (change == DNSBL_SWITCHED_OFF)
        snprintf(line, sizeof line, "dnsbl zone=%s off: %s; nothing is listed by it until it is sane again", name,
                 dnsbl_fault_text(dnsbl_lookup_health(s->lookup, zone)->fault));
    else
        snprintf(line, sizeof line, "dnsbl zone=%s on again: it is sane", name);
    channel_send_text(&s->text, change == DNSBL_SWITCHED_OFF ? LOG_WARNING : LOG_NOTICE, line);
    fprintf(stderr, "rcptwall: %s\n", line);
}

static void take_asks(struct service *s)
{
    static struct message m;
    for (int i = 0; i < ASKS_A_ROUND && channel_receive(s->setup->asks, &m) == 1; i++) {
        if (m.kind != MESSAGE_ASK)
            continue;
        const struct dnsbl_asker asker = {.who = m.is.ask.who, .flow = m.is.ask.flow, .flow_id = m.is.ask.flow_id, .enough = m.is.ask.enough};
        if (dnsbl_exempt(&s->setup->config->dnsbl, &m.is.ask.client))
            reply(s, &asker, &(struct dnsbl_reply){.score = 0});
        else
            dnsbl_lookup_request(s->lookup, &asker, &m.is.ask.client, now());
    }
}

/* What gets lost is asked again while its zone still waits: one lost datagram shall not make a zone look dead. */
static int try_ms(const struct dnsbl_config *c)
{
    int64_t ns = TRY_MOST_MS * NS_PER_MS;
    for (size_t i = 0; i < c->zone_count; i++)
        if (c->zones[i].timeout_ns / 2 < ns)
            ns = c->zones[i].timeout_ns / 2;
    return (int)(ns / NS_PER_MS);
}

static bool prepare(struct service *s, char *error, size_t room)
{
    const struct dnsbl_config *c = &s->setup->config->dnsbl;
    uint8_t key[DNSBL_KEY_BYTES];
    const struct dnsbl_settings settings = {
        .zones = c->zones,
        .zone_count = c->zone_count,
        .entries = c->cache_entries,
        .waiters = WAITERS,
        .ttl_least_ns = c->ttl_least_ns,
        .ttl_most_ns = c->ttl_most_ns,
        .ask = ask,
        .reply = reply,
        .changed = changed,
        .ctx = s,
    };
    randombytes_buf(key, sizeof key);
    s->lookup = dnsbl_lookup_new(&settings, key, now());
    if (s->lookup == NULL) {
        snprintf(error, room, "out of memory");
        return false;
    }
    s->resolver = resolver_new(c->resolver, try_ms(c), answered, s, error, room); /* reads resolv.conf: before the walls */
    return s->resolver != NULL;
}

static void set_signals(void)
{
    const struct sigaction ignore = {.sa_handler = SIG_IGN}, plain = {.sa_handler = SIG_DFL};
    sigaction(SIGINT, &ignore, NULL); /* the supervisor decides when we end */
    sigaction(SIGHUP, &ignore, NULL);
    sigaction(SIGUSR1, &ignore, NULL);
    sigaction(SIGPIPE, &ignore, NULL);
    sigaction(SIGTERM, &plain, NULL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static void report_zone(struct service *s, size_t i, struct mono at)
{
    const struct dnsbl_config *c = &s->setup->config->dnsbl;
    const struct dnsbl_health *h = dnsbl_lookup_health(s->lookup, i);
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    struct status_zone z = {
        .index = (uint32_t)i,
        .count = (uint32_t)c->zone_count,
        .state = (uint32_t)h->state,
        .fault = (uint32_t)h->fault,
        .since = {t.tv_sec * NS_PER_S + t.tv_nsec - (at.ns - h->since.ns)},
        .checks = h->checks,
        .switched_off = h->switched_off,
        .lookups = *dnsbl_lookup_zone_counters(s->lookup, i),
    };
    memcpy(z.name, c->zones[i].name, sizeof z.name);
    channel_send(&s->zones, MESSAGE_ZONE, &z, sizeof z);
}

/* For `rcptwall status`. Where nobody takes it, it is lost: the next one says it all again. */
static void report(struct service *s)
{
    struct mono at = now();
    if (mono_before(at, mono_add(s->reported, REPORT_NS)))
        return;
    s->reported = at;
    for (size_t i = 0; i < s->setup->config->dnsbl.zone_count; i++)
        report_zone(s, i, at);
    const struct status_lookups all = {.count = *dnsbl_lookup_counters(s->lookup),
                                       .entries = dnsbl_lookup_entries(s->lookup),
                                       .entries_max = s->setup->config->dnsbl.cache_entries};
    channel_send(&s->zones, MESSAGE_LOOKUPS, &all, sizeof all);
}

static int loop(struct service *s)
{
    struct pollfd fds[RESOLVER_FDS_MAX + 1];
    bool late = false;
    for (;;) {
        size_t n = resolver_fds(s->resolver, fds);
        fds[n] = (struct pollfd){.fd = s->setup->asks, .events = POLLIN};
        int wait = resolver_wait_ms(s->resolver, dnsbl_lookup_busy(s->lookup) ? BUSY_MS : IDLE_MS);
        struct mono due = mono_add(now(), wait * NS_PER_MS + STALL_NS);
        if (poll(fds, (nfds_t)n + 1, wait) < 0) {
            if (errno != EINTR)
                return -errno;
            continue; /* as it is when we were stopped and go on */
        }
        resolver_work(s->resolver, fds, n);
        /* We stood still: what lies in the socket has come in time, and is read before anything is given up. */
        late = !late && mono_before(due, now());
        if (!late)
            dnsbl_lookup_tick(s->lookup, now());
        if (fds[n].revents != 0)
            take_asks(s); /* behind the checks */
        report(s);
    }
}

int dnsbl_service_run(const struct dnsbl_service_setup *setup)
{
    static struct service s;
    char error[256] = "";
    s = (struct service){.setup = setup, .text = {.fd = setup->texts}, .zones = {.fd = setup->zones}};
    for (size_t i = 0; i < setup->answer_count; i++)
        s.answers[i] = (struct channel){.fd = setup->answers[i]};
    set_signals();
    if (privileges_keep(0, &(struct identity){0}) < 0 || !prepare(&s, error, sizeof error)) {
        fprintf(stderr, "rcptwall: DNS blocklists: %s\n", error[0] != '\0' ? error : "can't give up privileges");
        return 1;
    }
    (void)setpriority(PRIO_PROCESS, 0, NICENESS);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != setup->supervisor)
        return 1;
    int r = sandbox_enter(SANDBOX_DNSBL, NULL, 0);
    if (r == 0)
        r = loop(&s);
    fprintf(stderr, "rcptwall: DNS blocklists: %s\n", strerror(-r));
    return 1;
}
