/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dns_message - writes DNS messages (RFC 1035 4) for tests, byte by byte and without checks of sense. */
#ifndef RCPTWALL_TESTS_DNS_MESSAGE_H
#define RCPTWALL_TESTS_DNS_MESSAGE_H

#include <assert.h>
#include <stdlib.h>

#include "kmod-free/bytes.h"

enum { DNS_A = 1, DNS_CNAME = 5, DNS_SOA = 6, DNS_TXT = 16 };
enum { DNS_OK = 0, DNS_SERVFAIL = 2, DNS_NXDOMAIN = 3, DNS_REFUSED = 5 };

struct dns_message {
    uint8_t at[4096];
    size_t len;
};

static inline void dns_put(struct dns_message *m, const void *at, size_t len)
{
    assert(m->len + len <= sizeof m->at);
    if (len > 0)
        memcpy(m->at + m->len, at, len);
    m->len += len;
}

static inline void dns_put16(struct dns_message *m, unsigned v)
{
    const uint8_t b[2] = {(uint8_t)(v >> 8), (uint8_t)v};
    dns_put(m, b, 2);
}

static inline void dns_put32(struct dns_message *m, uint32_t v)
{
    dns_put16(m, v >> 16);
    dns_put16(m, v & 0xffff);
}

static inline void dns_put_name(struct dns_message *m, const char *name)
{
    while (*name != '\0') {
        size_t n = strcspn(name, ".");
        uint8_t len = (uint8_t)n;
        dns_put(m, &len, 1);
        dns_put(m, name, n);
        name += n + (name[n] == '.');
    }
    dns_put(m, "", 1);
}

/* A reply to a question for A of name, so far without records. */
static inline struct dns_message dns_reply(const char *name, unsigned rcode)
{
    struct dns_message m = {.len = 0};
    dns_put16(&m, 0x1234);
    dns_put16(&m, 0x8180 | rcode);
    dns_put16(&m, 1);
    dns_put16(&m, 0);
    dns_put16(&m, 0);
    dns_put16(&m, 0);
    dns_put_name(&m, name);
    dns_put16(&m, DNS_A);
    dns_put16(&m, 1);
    return m;
}

/* One more record in the section whose counter is at this offset: 6 answer, 8 authority. */
static inline void dns_record(struct dns_message *m, size_t section, const char *name, unsigned type, uint32_t ttl,
                              const void *data, size_t len)
{
    m->at[section + 1]++;
    if (name == NULL)
        dns_put16(m, 0xc00c); /* the question's */
    else
        dns_put_name(m, name);
    dns_put16(m, type);
    dns_put16(m, 1);
    dns_put32(m, ttl);
    dns_put16(m, (unsigned)len);
    dns_put(m, data, len);
}

static inline void dns_answer_a(struct dns_message *m, uint32_t ttl, uint32_t address)
{
    const uint8_t a[4] = {(uint8_t)(address >> 24), (uint8_t)(address >> 16), (uint8_t)(address >> 8), (uint8_t)address};
    dns_record(m, 6, NULL, DNS_A, ttl, a, 4);
}

static inline void dns_authority_soa(struct dns_message *m, const char *zone, uint32_t ttl, uint32_t minimum)
{
    struct dns_message data = {.len = 0};
    dns_put_name(&data, "ns.example");
    dns_put_name(&data, "root.example");
    for (uint32_t i = 1; i <= 4; i++)
        dns_put32(&data, i);
    dns_put32(&data, minimum);
    dns_record(m, 8, zone, DNS_SOA, ttl, data.at, data.len);
}

#endif
