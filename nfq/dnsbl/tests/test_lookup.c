/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include <sodium.h>

#include "kmod-free/tests/support.h"
#include "nfq/dnsbl/lookup.h"
#include "nfq/dnsbl/resolver.h"
#include "nfq/dnsbl/tests/dns_message.h"

#define ASKED_MAX 2048

static const uint8_t key[DNSBL_KEY_BYTES] = "0123456789abcdef";

/* What the lookup asked and replied. */
struct world {
    struct dnsbl_zone zones[3];
    struct dnsbl_lookup *l;
    struct {
        uint32_t query;
        char name[DNSBL_NAME_MAX + 1];
        bool open;
    } asked[ASKED_MAX];
    size_t asked_count;
    struct {
        struct dnsbl_asker asker;
        struct dnsbl_reply reply;
    } replies[ASKED_MAX];
    size_t reply_count;
    size_t off, on;
    bool refuse, fail_at_once;
    struct mono now;
};

static bool ask(void *ctx, uint32_t query, const char *name)
{
    struct world *w = ctx;
    if (w->refuse)
        return false;
    assert_true(w->asked_count < ASKED_MAX);
    w->asked[w->asked_count].query = query;
    snprintf(w->asked[w->asked_count].name, sizeof w->asked->name, "%s", name);
    w->asked[w->asked_count++].open = !w->fail_at_once;
    if (w->fail_at_once)
        dnsbl_lookup_answer(w->l, query, bytes_of(NULL, 0), w->now);
    return true;
}

static void reply(void *ctx, const struct dnsbl_asker *asker, const struct dnsbl_reply *r)
{
    struct world *w = ctx;
    assert_true(w->reply_count < ASKED_MAX);
    w->replies[w->reply_count].asker = *asker;
    w->replies[w->reply_count++].reply = *r;
}

static void changed(void *ctx, size_t zone, enum dnsbl_change change)
{
    struct world *w = ctx;
    (void)zone;
    w->off += change == DNSBL_SWITCHED_OFF;
    w->on += change == DNSBL_SWITCHED_ON;
}

/* Answers the open question for name. */
static void answer_message(struct world *w, const char *name, const struct dns_message *m)
{
    for (size_t i = 0; i < w->asked_count; i++) {
        if (!w->asked[i].open || strcmp(w->asked[i].name, name) != 0)
            continue;
        w->asked[i].open = false;
        dnsbl_lookup_answer(w->l, w->asked[i].query, bytes_of(m->at, m->len), w->now);
        return;
    }
    fail_msg("%s was not asked", name);
}

static void answer(struct world *w, const char *name, uint32_t address, uint32_t ttl)
{
    struct dns_message m = dns_reply(name, address == 0 ? DNS_NXDOMAIN : DNS_OK);
    if (address != 0)
        dns_answer_a(&m, ttl, address);
    else
        dns_authority_soa(&m, "example", ttl, ttl);
    answer_message(w, name, &m);
}

static size_t open_questions(const struct world *w, const char *name)
{
    size_t n = 0;
    for (size_t i = 0; i < w->asked_count; i++)
        n += w->asked[i].open && (name == NULL || strcmp(w->asked[i].name, name) == 0);
    return n;
}

static struct world *world_of(size_t zones, uint32_t entries, uint32_t waiters)
{
    static const char *const names[] = {"a.example", "b.example", "c.example"};
    struct world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    for (size_t z = 0; z < zones; z++) {
        dnsbl_zone_defaults(&w->zones[z]);
        assert_true(dnsbl_zone_name(&w->zones[z], names[z]));
    }
    const struct dnsbl_settings s = {
        .zones = w->zones, .zone_count = zones, .entries = entries, .waiters = waiters,
        .ttl_least_ns = 60 * NS_PER_S, .ttl_most_ns = 3600 * NS_PER_S, .ask = ask, .reply = reply, .changed = changed,
        .ctx = w};
    w->now.ns = 1000 * NS_PER_S;
    w->l = dnsbl_lookup_new(&s, key, w->now);
    assert_non_null(w->l);
    return w;
}

static void check_zone(struct world *w, const char *zone, uint32_t two, uint32_t one)
{
    char name[DNSBL_NAME_MAX + 1];
    snprintf(name, sizeof name, "2.0.0.127.%s", zone);
    answer(w, name, two, 300);
    snprintf(name, sizeof name, "1.0.0.127.%s", zone);
    answer(w, name, one, 300);
}

/* All zones sane and on. */
static struct world *sane_world(size_t zones, uint32_t entries, uint32_t waiters)
{
    struct world *w = world_of(zones, entries, waiters);
    dnsbl_lookup_tick(w->l, w->now);
    for (size_t z = 0; z < zones; z++)
        check_zone(w, w->zones[z].name, 0x7f000002, 0);
    for (size_t z = 0; z < zones; z++)
        assert_int_equal(dnsbl_lookup_health(w->l, z)->state, DNSBL_ON);
    w->asked_count = 0;
    return w;
}

static void request_for(struct world *w, const char *client, uint64_t id, int32_t enough)
{
    struct endpoint e = support_endpoint(client, 1);
    dnsbl_lookup_request(w->l, &(struct dnsbl_asker){.who = 1, .flow_id = id, .enough = enough}, &e.addr, w->now);
}

static void request(struct world *w, const char *client, uint64_t id)
{
    request_for(w, client, id, 10);
}

static void end(struct world *w)
{
    dnsbl_lookup_free(w->l);
    free(w);
}

static void zones_are_added_up(void **state)
{
    (void)state;
    struct world *w = sane_world(3, 16, 16);
    w->zones[1].weight = 3;
    request(w, "192.0.2.1", 7);
    assert_int_equal(w->reply_count, 0);
    answer(w, "1.2.0.192.a.example", 0x7f000002, 300);
    answer(w, "1.2.0.192.b.example", 0x7f000004, 300);
    assert_int_equal(w->reply_count, 0);
    answer(w, "1.2.0.192.c.example", 0, 300);
    assert_int_equal(w->reply_count, 1);
    assert_int_equal(w->replies[0].reply.score, 4);
    assert_int_equal(w->replies[0].reply.listed, 3);
    assert_false(w->replies[0].reply.incomplete);
    assert_int_equal(w->replies[0].asker.flow_id, 7);
    end(w);
}

static void what_is_known_is_not_asked_again(void **state)
{
    (void)state;
    struct world *w = sane_world(1, 16, 16);
    request(w, "192.0.2.1", 1);
    answer(w, "1.2.0.192.a.example", 0x7f000002, 300);
    w->now = mono_add(w->now, 299 * NS_PER_S);
    request(w, "192.0.2.1", 2);
    assert_int_equal(w->reply_count, 2);
    assert_int_equal(w->replies[1].reply.score, 1);
    assert_int_equal(w->asked_count, 1);
    w->now = mono_add(w->now, 2 * NS_PER_S);
    request(w, "192.0.2.1", 3);
    assert_int_equal(w->asked_count, 2);
    assert_int_equal(dnsbl_lookup_counters(w->l)->from_cache, 1);
    end(w);
}

static void times_to_live_are_clamped(void **state)
{
    (void)state;
    struct world *w = sane_world(1, 16, 16);
    request(w, "192.0.2.1", 1);
    answer(w, "1.2.0.192.a.example", 0x7f000002, 0); /* believed for a minute */
    request(w, "192.0.2.2", 1);
    answer(w, "2.2.0.192.a.example", 0, 4000000); /* and not longer than an hour */
    w->now = mono_add(w->now, 59 * NS_PER_S);
    request(w, "192.0.2.1", 2);
    request(w, "192.0.2.2", 2);
    assert_int_equal(open_questions(w, NULL), 0);
    w->now = mono_add(w->now, 2 * NS_PER_S);
    request(w, "192.0.2.1", 3);
    assert_int_equal(open_questions(w, "1.2.0.192.a.example"), 1);
    w->now = mono_add(w->now, 3540 * NS_PER_S);
    request(w, "192.0.2.2", 3);
    assert_int_equal(open_questions(w, "2.2.0.192.a.example"), 1);
    end(w);
}

static void many_who_ask_at_once_cost_one_question(void **state)
{
    (void)state;
    struct world *w = sane_world(1, 16, 100);
    for (uint64_t i = 0; i < 100; i++)
        request(w, "192.0.2.1", i);
    assert_int_equal(w->asked_count, 1);
    answer(w, "1.2.0.192.a.example", 0x7f000002, 300);
    assert_int_equal(w->reply_count, 100);
    for (uint64_t i = 0; i < 100; i++)
        assert_int_equal(w->replies[i].asker.flow_id, i); /* in order */
    assert_int_equal(dnsbl_lookup_counters(w->l)->joined, 99);
    end(w);
}

static void no_answer_in_time_is_incomplete_and_a_late_one_is_kept(void **state)
{
    (void)state;
    struct world *w = sane_world(1, 16, 16);
    request(w, "192.0.2.1", 1);
    w->now = mono_add(w->now, 3 * NS_PER_S - 1);
    dnsbl_lookup_tick(w->l, w->now);
    assert_int_equal(w->reply_count, 0);
    w->now = mono_add(w->now, 1);
    dnsbl_lookup_tick(w->l, w->now);
    assert_int_equal(w->reply_count, 1);
    assert_true(w->replies[0].reply.incomplete);
    assert_int_equal(w->replies[0].reply.score, 0);
    request(w, "192.0.2.1", 2); /* not asked again at once */
    assert_int_equal(w->reply_count, 2);
    answer(w, "1.2.0.192.a.example", 0x7f000002, 300);
    assert_int_equal(w->reply_count, 2);
    request(w, "192.0.2.1", 3);
    assert_int_equal(w->replies[2].reply.score, 1);
    const struct dnsbl_zone_counters *c = dnsbl_lookup_zone_counters(w->l, 0);
    assert_int_equal(c->asked, 1); /* the checks aren't counted here */
    assert_int_equal(c->timeouts, 1);
    assert_int_equal(c->late, 1);
    assert_int_equal(c->listed + c->not_listed + c->errors, 0);
    end(w);
}

static void trouble_opens(void **state)
{
    (void)state;
    struct world *w = sane_world(2, 16, 16);
    struct dns_message m = dns_reply("x", DNS_SERVFAIL);
    request(w, "192.0.2.1", 1);
    answer_message(w, "1.2.0.192.a.example", &m);
    answer(w, "1.2.0.192.b.example", 0, 300);
    assert_int_equal(dnsbl_lookup_zone_counters(w->l, 0)->errors, 1);
    assert_int_equal(dnsbl_lookup_zone_counters(w->l, 1)->not_listed, 1);
    assert_int_equal(dnsbl_lookup_zone_counters(w->l, 1)->asked, 1);
    assert_int_equal(w->reply_count, 1);
    assert_int_equal(w->replies[0].reply.score, 0);
    assert_true(w->replies[0].reply.incomplete);
    end(w);
}

static void enough_is_told_early(void **state)
{
    (void)state;
    struct world *w = sane_world(2, 16, 16);
    w->zones[0].weight = 10;
    request(w, "192.0.2.1", 1);
    answer(w, "1.2.0.192.a.example", 0x7f000002, 300);
    assert_int_equal(w->reply_count, 1);
    assert_int_equal(w->replies[0].reply.score, 10);
    assert_false(w->replies[0].reply.incomplete);
    answer(w, "1.2.0.192.b.example", 0x7f000002, 300);
    assert_int_equal(w->reply_count, 1);
    end(w);
}

/* A threshold is a tag's own, and may have changed by a reload while others still wait. */
static void what_is_enough_for_one_is_not_for_another(void **state)
{
    (void)state;
    struct world *w = sane_world(3, 16, 16);
    request_for(w, "192.0.2.1", 1, 2);
    request_for(w, "192.0.2.1", 2, 1);
    request_for(w, "192.0.2.1", 3, 3);
    request_for(w, "192.0.2.1", 4, 1);
    answer(w, "1.2.0.192.a.example", 0x7f000002, 300);
    assert_int_equal(w->reply_count, 2);
    assert_int_equal(w->replies[0].asker.flow_id, 2);
    assert_int_equal(w->replies[1].asker.flow_id, 4);
    assert_int_equal(w->replies[1].reply.score, 1);
    assert_false(w->replies[1].reply.incomplete);
    request_for(w, "192.0.2.1", 5, 1); /* at once: it is known */
    assert_int_equal(w->reply_count, 3);
    assert_int_equal(w->replies[2].asker.flow_id, 5);
    request_for(w, "192.0.2.1", 6, 2); /* behind the others */
    assert_int_equal(w->reply_count, 3);
    answer(w, "1.2.0.192.b.example", 0x7f000002, 300);
    assert_int_equal(w->reply_count, 5);
    assert_int_equal(w->replies[3].asker.flow_id, 1);
    assert_int_equal(w->replies[4].asker.flow_id, 6);
    request_for(w, "192.0.2.1", 7, 4);
    answer(w, "1.2.0.192.c.example", 0, 300);
    assert_int_equal(w->reply_count, 7);
    assert_int_equal(w->replies[5].asker.flow_id, 3);
    assert_int_equal(w->replies[6].asker.flow_id, 7);
    assert_int_equal(w->replies[6].reply.score, 2);
    end(w);
}

static void the_day_on_which_a_zone_lists_everything(void **state)
{
    (void)state;
    struct world *w = sane_world(1, 16, 16);
    request(w, "192.0.2.1", 1);
    answer(w, "1.2.0.192.a.example", 0x7f000002, 3600); /* it has begun */
    assert_int_equal(w->replies[0].reply.score, 1);
    w->now = mono_add(w->now, 600 * NS_PER_S);
    dnsbl_lookup_tick(w->l, w->now);
    check_zone(w, "a.example", 0x7f000002, 0x7f000002);
    assert_int_equal(w->off, 1);
    request(w, "192.0.2.1", 2); /* what it said is forgotten */
    assert_int_equal(w->replies[1].reply.score, 0);
    assert_false(w->replies[1].reply.incomplete);
    request(w, "192.0.2.2", 3); /* and it isn't asked */
    assert_int_equal(w->reply_count, 3);
    assert_int_equal(open_questions(w, NULL), 0);
    w->now = mono_add(w->now, 60 * NS_PER_S);
    dnsbl_lookup_tick(w->l, w->now);
    check_zone(w, "a.example", 0x7f000002, 0);
    assert_int_equal(w->on, 1);
    request(w, "192.0.2.1", 4); /* asked anew */
    answer(w, "1.2.0.192.a.example", 0, 300);
    assert_int_equal(w->replies[3].reply.score, 0);
    assert_int_equal(w->off, 1);
    end(w);
}

static void a_lie_is_no_listing_and_makes_a_check_due(void **state)
{
    (void)state;
    struct world *w = sane_world(1, 16, 16);
    w->now = mono_add(w->now, 100 * NS_PER_S);
    request(w, "192.0.2.1", 1);
    answer(w, "1.2.0.192.a.example", 0xc0000201, 300);
    assert_int_equal(w->replies[0].reply.score, 0);
    assert_true(w->replies[0].reply.incomplete);
    dnsbl_lookup_tick(w->l, w->now);
    check_zone(w, "a.example", 0xc0000201, 0xc0000201);
    assert_int_equal(w->off, 1);
    assert_int_equal(dnsbl_lookup_health(w->l, 0)->fault, DNSBL_FAULT_LIES);
    end(w);
}

static void before_the_first_check_nothing_is_asked(void **state)
{
    (void)state;
    struct world *w = world_of(1, 16, 16);
    request(w, "192.0.2.1", 1);
    assert_int_equal(w->reply_count, 1);
    assert_true(w->replies[0].reply.incomplete);
    assert_int_equal(w->asked_count, 0);
    end(w);
}

static void a_check_waits_longer_than_a_client(void **state)
{
    (void)state;
    struct world *w = world_of(2, 16, 16);
    dnsbl_lookup_tick(w->l, w->now);
    w->now = mono_add(w->now, 4 * NS_PER_S); /* a client wouldn't have waited */
    dnsbl_lookup_tick(w->l, w->now);
    check_zone(w, "a.example", 0x7f000002, 0);
    assert_int_equal(dnsbl_lookup_health(w->l, 0)->state, DNSBL_ON);
    assert_int_equal(w->off, 0);
    w->now = mono_add(w->now, NS_PER_S);
    dnsbl_lookup_tick(w->l, w->now);
    assert_int_equal(dnsbl_lookup_health(w->l, 1)->state, DNSBL_OFF);
    assert_int_equal(dnsbl_lookup_health(w->l, 1)->fault, DNSBL_FAULT_SILENT);
    assert_int_equal(w->off, 1);
    end(w);
}

static void a_zone_without_ipv6_is_not_asked_about_it(void **state)
{
    (void)state;
    struct world *w = sane_world(1, 16, 16);
    request(w, "2001:db8::1", 1);
    assert_int_equal(w->reply_count, 1);
    assert_false(w->replies[0].reply.incomplete);
    assert_int_equal(w->asked_count, 0);
    end(w);
}

static void a_resolver_that_fails_at_once_leaves_nobody_waiting(void **state)
{
    (void)state;
    struct world *w = sane_world(2, 16, 16);
    w->fail_at_once = true;
    request(w, "192.0.2.1", 1);
    assert_int_equal(w->reply_count, 1);
    assert_true(w->replies[0].reply.incomplete);
    w->fail_at_once = false;
    w->refuse = true;
    request(w, "192.0.2.2", 2);
    assert_int_equal(w->reply_count, 2);
    assert_true(w->replies[1].reply.incomplete);
    assert_false(dnsbl_lookup_busy(w->l));
    end(w);
}

static void everything_is_bounded_and_everybody_gets_a_reply(void **state)
{
    (void)state;
    struct world *w = sane_world(1, 1500, 1200);
    for (uint64_t i = 0; i < 1500; i++) {
        char client[32];
        snprintf(client, sizeof client, "192.0.%u.%u", (unsigned)(i / 256), (unsigned)(i % 256));
        request(w, client, i);
    }
    size_t questions = open_questions(w, NULL);
    assert_true(questions < DNSBL_QUERIES_MAX && questions > DNSBL_QUERIES_MAX / 2);
    assert_int_equal(w->reply_count, 1500 - questions);
    assert_int_equal(dnsbl_lookup_counters(w->l)->no_query, 1500 - questions);
    dnsbl_lookup_tick(w->l, mono_add(w->now, 600 * NS_PER_S)); /* checks find room all the same */
    assert_int_equal(w->reply_count, 1500);
    assert_int_equal(open_questions(w, "2.0.0.127.a.example"), 1);
    end(w);
}

static void a_full_cache_gives_up_what_is_idle_and_oldest(void **state)
{
    (void)state;
    struct world *w = sane_world(1, 2, 16);
    request(w, "192.0.2.1", 1);
    answer(w, "1.2.0.192.a.example", 0x7f000002, 300);
    request(w, "192.0.2.2", 2); /* under way */
    request(w, "192.0.2.1", 3); /* used last */
    request(w, "192.0.2.3", 4); /* .1 is the only idle one */
    request(w, "192.0.2.4", 5); /* nobody is */
    assert_int_equal(dnsbl_lookup_counters(w->l)->no_entry, 1);
    assert_int_equal(w->reply_count, 3);
    assert_true(w->replies[2].reply.incomplete);
    answer(w, "2.2.0.192.a.example", 0, 300);
    answer(w, "3.2.0.192.a.example", 0x7f000002, 300);
    assert_int_equal(w->reply_count, 5);
    assert_int_equal(w->replies[4].reply.score, 1);
    end(w);
}

static void an_answer_for_an_address_that_lost_its_place_hurts_nobody(void **state)
{
    (void)state;
    struct world *w = sane_world(1, 1, 16);
    request(w, "192.0.2.1", 1);
    w->now = mono_add(w->now, 4 * NS_PER_S);
    dnsbl_lookup_tick(w->l, w->now); /* given up */
    request(w, "192.0.2.2", 2);      /* has its place */
    answer(w, "1.2.0.192.a.example", 0x7f000002, 300);
    assert_int_equal(w->reply_count, 1);
    answer(w, "2.2.0.192.a.example", 0, 300);
    assert_int_equal(w->reply_count, 2);
    assert_int_equal(w->replies[1].reply.score, 0);
    end(w);
}

static void good_lists_count_against_bad_ones(void **state)
{
    (void)state;
    struct world *w = world_of(2, 16, 16);
    w->zones[0].weight = 10;
    w->zones[1].weight = -20;
    dnsbl_lookup_free(w->l);
    const struct dnsbl_settings s = {
        .zones = w->zones, .zone_count = 2, .entries = 16, .waiters = 16, .ttl_least_ns = NS_PER_S,
        .ttl_most_ns = NS_PER_S, .ask = ask, .reply = reply, .changed = changed, .ctx = w};
    w->l = dnsbl_lookup_new(&s, key, w->now);
    assert_non_null(w->l);
    dnsbl_lookup_tick(w->l, w->now);
    check_zone(w, "a.example", 0x7f000002, 0);
    check_zone(w, "b.example", 0x7f000002, 0);
    request(w, "192.0.2.1", 1);
    answer(w, "1.2.0.192.a.example", 0x7f000002, 300);
    assert_int_equal(w->reply_count, 0); /* not early: it may fall again */
    answer(w, "1.2.0.192.b.example", 0x7f000002, 300);
    assert_int_equal(w->replies[0].reply.score, -10);
    end(w);
}

static void forms_of_name_servers(void **state)
{
    (void)state;
    static const char *const good[] = {"192.0.2.1", "192.0.2.1:5353", "2001:db8::1", "[2001:db8::1]", "[::1]:53",
                                       "192.0.2.1,192.0.2.2:53"};
    static const char *const bad[] = {"", "x", "192.0.2", "192.0.2.1:", "192.0.2.1:0", "192.0.2.1:65536", "[::1",
                                      "[::1]53", "[192.0.2.1]:53", "192.0.2.1,", ",", "192.0.2.1:53x"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_true(resolver_servers_valid(good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(resolver_servers_valid(bad[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zones_are_added_up),
        cmocka_unit_test(what_is_known_is_not_asked_again),
        cmocka_unit_test(times_to_live_are_clamped),
        cmocka_unit_test(many_who_ask_at_once_cost_one_question),
        cmocka_unit_test(no_answer_in_time_is_incomplete_and_a_late_one_is_kept),
        cmocka_unit_test(trouble_opens),
        cmocka_unit_test(enough_is_told_early),
        cmocka_unit_test(what_is_enough_for_one_is_not_for_another),
        cmocka_unit_test(the_day_on_which_a_zone_lists_everything),
        cmocka_unit_test(a_lie_is_no_listing_and_makes_a_check_due),
        cmocka_unit_test(before_the_first_check_nothing_is_asked),
        cmocka_unit_test(a_check_waits_longer_than_a_client),
        cmocka_unit_test(a_zone_without_ipv6_is_not_asked_about_it),
        cmocka_unit_test(a_resolver_that_fails_at_once_leaves_nobody_waiting),
        cmocka_unit_test(everything_is_bounded_and_everybody_gets_a_reply),
        cmocka_unit_test(a_full_cache_gives_up_what_is_idle_and_oldest),
        cmocka_unit_test(an_answer_for_an_address_that_lost_its_place_hurts_nobody),
        cmocka_unit_test(good_lists_count_against_bad_ones),
        cmocka_unit_test(forms_of_name_servers),
    };
    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
