/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a name server answers, from its message to the reply about a client. Any bytes are one of the findings;
 * a client counts as listed only if the message, read the slow way, holds an accepted code.
 *
 * Input: one byte (which codes are accepted), then a DNS message.
 */
#include <assert.h>
#include <sodium.h>
#include <stdlib.h>

#include "nfq/dnsbl/lookup.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

struct seen {
    uint32_t queries[8];
    size_t query_count, replies;
    struct dnsbl_reply reply;
};

static bool ask(void *ctx, uint32_t query, const char *name)
{
    struct seen *s = ctx;
    assert(strlen(name) <= DNSBL_NAME_MAX && s->query_count < 8);
    s->queries[s->query_count++] = query;
    return true;
}

static void reply(void *ctx, const struct dnsbl_asker *asker, const struct dnsbl_reply *r)
{
    struct seen *s = ctx;
    assert(asker->flow == 1);
    s->replies++;
    s->reply = *r;
}

static void changed(void *ctx, size_t zone, enum dnsbl_change change)
{
    (void)ctx;
    assert(zone == 0 && change != DNSBL_NO_CHANGE);
}

/* Are these four bytes anywhere in it? */
static bool holds(struct bytes message, uint32_t address)
{
    const uint8_t a[4] = {(uint8_t)(address >> 24), (uint8_t)(address >> 16), (uint8_t)(address >> 8), (uint8_t)address};
    return memmem(message.at, message.len, a, sizeof a) != NULL;
}

static void check_reading(const struct dnsbl_zone *z, struct bytes message)
{
    struct dnsbl_answer a;
    uint8_t text[DNSBL_REASON_MAX];
    dnsbl_answer_read(z, message, &a);
    assert(dnsbl_finding_name(a.finding) != NULL);
    assert(a.finding != DNSBL_LISTED ||
           (a.code >= z->codes[0].first && a.code <= z->codes[0].last && holds(message, a.code)));
    assert(a.finding != DNSBL_ERROR_CODE || a.code >> 8 == 0x7fffff);
    assert(a.finding != DNSBL_OUTSIDE || a.code >> 24 != 127);
    assert(dnsbl_reason_read(message, text) <= sizeof text);
}

/* The same message as the answer to everything: a zone that says the same of 127.0.0.2 and .1 is never on. */
static void check_lookup(const struct dnsbl_zone *z, struct bytes message)
{
    static const uint8_t key[DNSBL_KEY_BYTES] = {0};
    static const struct ip_addr client = {.family = 4, .at = {192, 0, 2, 1}};
    struct seen s = {.query_count = 0};
    const struct dnsbl_settings set = {
        .zones = z, .zone_count = 1, .entries = 4, .waiters = 4, .ttl_least_ns = 1, .ttl_most_ns = NS_PER_S,
        .ask = ask, .reply = reply, .changed = changed, .ctx = &s};
    struct mono now = {1};
    struct dnsbl_lookup *l = dnsbl_lookup_new(&set, key, now);
    assert(l != NULL);
    dnsbl_lookup_tick(l, now);
    for (size_t i = 0; i < s.query_count; i++)
        dnsbl_lookup_answer(l, s.queries[i], message, now);
    assert(dnsbl_lookup_health(l, 0)->state == DNSBL_OFF);
    dnsbl_lookup_request(l, &(struct dnsbl_asker){.flow = 1, .enough = 1}, &client, now);
    assert(s.replies == 1 && s.reply.score == 0);
    dnsbl_lookup_free(l);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct dnsbl_zone z;
    if (len == 0 || sodium_init() < 0)
        return 0;
    dnsbl_zone_defaults(&z);
    assert(dnsbl_zone_name(&z, "bl.example"));
    if (data[0] & 1)
        z.codes[0] = (struct dnsbl_range){UINT32_C(0x7f000000), UINT32_C(0x7ffffeff)};
    uint8_t *exact = malloc(len - 1 + (len == 1));
    assert(exact != NULL);
    memcpy(exact, data + 1, len - 1);
    check_reading(&z, bytes_of(exact, len - 1));
    check_lookup(&z, bytes_of(exact, len - 1));
    free(exact);
    return 0;
}
