/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nfq/dnsbl/zone.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#define LOOPBACK_NET   UINT32_C(127)
#define ERROR_CODES    UINT32_C(0x7fffff00) /* 127.255.255.0/24 */
#define ERROR_MASK     UINT32_C(0xffffff00)
#define DEFAULT_CODES  ((struct dnsbl_range){UINT32_C(0x7f000002), UINT32_C(0x7f0000fe)})
#define LABEL_MAX      63

static const char *const finding_names[DNSBL_FINDINGS] = {
    [DNSBL_NOT_LISTED] = "not-listed", [DNSBL_LISTED] = "listed",     [DNSBL_NO_ANSWER] = "no-answer",
    [DNSBL_ERROR_CODE] = "error-code", [DNSBL_OUTSIDE] = "outside-127", [DNSBL_GARBAGE] = "garbage",
};

const char *dnsbl_finding_name(enum dnsbl_finding f)
{
    assert(f >= DNSBL_NOT_LISTED && f < DNSBL_FINDINGS);
    return finding_names[f];
}

void dnsbl_zone_defaults(struct dnsbl_zone *z)
{
    *z = (struct dnsbl_zone){
        .codes = {DEFAULT_CODES},
        .code_count = 1,
        .weight = 1,
        .ipv4 = true,
        .timeout_ns = 3 * NS_PER_S,
        .check_every_ns = 600 * NS_PER_S,
        .retry_ns = 60 * NS_PER_S,
    };
}

void dnsbl_config_defaults(struct dnsbl_config *c)
{
    *c = (struct dnsbl_config){
        .wait_ns = 500 * NS_PER_MS,
        .cache_entries = 16384,
        .ttl_least_ns = 60 * NS_PER_S,
        .ttl_most_ns = 3600 * NS_PER_S,
    };
}

void dnsbl_config_free(struct dnsbl_config *c)
{
    free(c->resolver);
    free(c->exempt);
    *c = (struct dnsbl_config){0};
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

bool dnsbl_config_same(const struct dnsbl_config *a, const struct dnsbl_config *b)
{
    if (a->zone_count != b->zone_count || a->exempt_count != b->exempt_count || a->wait_ns != b->wait_ns ||
        a->cache_entries != b->cache_entries || a->ttl_least_ns != b->ttl_least_ns || a->ttl_most_ns != b->ttl_most_ns)
        return false;
    return same_text(a->resolver, b->resolver) && memcmp(a->zones, b->zones, a->zone_count * sizeof a->zones[0]) == 0 &&
           (a->exempt_count == 0 || memcmp(a->exempt, b->exempt, a->exempt_count * sizeof *a->exempt) == 0);
}

bool dnsbl_config_copy(struct dnsbl_config *to, const struct dnsbl_config *from)
{
    struct dnsbl_config copy = *from;

    copy.resolver = from->resolver != NULL ? strdup(from->resolver) : NULL;
    copy.exempt = from->exempt_count > 0 ? malloc(from->exempt_count * sizeof *copy.exempt) : NULL;
    if ((from->resolver != NULL && copy.resolver == NULL) || (from->exempt_count > 0 && copy.exempt == NULL)) {
        dnsbl_config_free(&copy);
        return false;
    }
    if (from->exempt_count > 0)
        memcpy(copy.exempt, from->exempt, from->exempt_count * sizeof *copy.exempt);
    dnsbl_config_free(to);
    *to = copy;
    return true;
}

bool dnsbl_config_exempt(struct dnsbl_config *c, const struct network *n)
{
    struct network *grown = realloc(c->exempt, (c->exempt_count + 1) * sizeof *grown);

    if (grown == NULL)
        return false;
    c->exempt = grown;
    c->exempt[c->exempt_count++] = *n;
    return true;
}

bool dnsbl_exempt(const struct dnsbl_config *c, const struct ip_addr *a)
{
    static const struct network never[] = {
        {.addr = {4, {0}}, .prefix = 8},
        {.addr = {4, {10}}, .prefix = 8},
        {.addr = {4, {100, 64}}, .prefix = 10},
        {.addr = {4, {127}}, .prefix = 8},
        {.addr = {4, {169, 254}}, .prefix = 16},
        {.addr = {4, {172, 16}}, .prefix = 12},
        {.addr = {4, {192, 168}}, .prefix = 16},
        {.addr = {4, {224}}, .prefix = 3},
        {.addr = {6, {0}}, .prefix = 96}, /* ::, ::1 */
        {.addr = {6, {0xfc}}, .prefix = 7},
        {.addr = {6, {0xfe, 0x80}}, .prefix = 10},
        {.addr = {6, {0xff}}, .prefix = 8},
    };

    for (size_t i = 0; i < sizeof never / sizeof *never; i++)
        if (network_has(&never[i], a))
            return true;
    for (size_t i = 0; i < c->exempt_count; i++)
        if (network_has(&c->exempt[i], a))
            return true;
    return false;
}

static bool label_char(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

bool dnsbl_zone_name(struct dnsbl_zone *z, const char *name)
{
    size_t len = strlen(name), label = 0;
    char lower[DNSBL_ZONE_NAME_MAX + 1];

    if (len > 0 && name[len - 1] == '.')
        len--;
    if (len == 0 || len > DNSBL_ZONE_NAME_MAX)
        return false;
    for (size_t i = 0; i < len; i++) {
        uint8_t c = ascii_lower((uint8_t)name[i]);
        if (c == '.' ? label == 0 : !label_char(c) || label == LABEL_MAX)
            return false;
        label = c == '.' ? 0 : label + 1;
        lower[i] = (char)c;
    }
    if (label == 0)
        return false;
    lower[len] = '\0';
    memcpy(z->name, lower, len + 1);
    return true;
}

static uint32_t host_order(const uint8_t at[static 4])
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* "127.0.0.4-11": the end of the last octet. false: not a number up to 255, or below the first one. */
static bool last_octet(const char *text, uint32_t first, uint32_t *last)
{
    char *end;

    if (*text < '0' || *text > '9')
        return false;
    unsigned long n = strtoul(text, &end, 10);
    if (*end != '\0' || n > 255 || n < (first & 0xff))
        return false;
    *last = (first & ~UINT32_C(0xff)) | (uint32_t)n;
    return true;
}

bool dnsbl_range_parse(const char *text, struct dnsbl_range *out)
{
    struct network n;
    char head[20];
    const char *dash = strchr(text, '-');
    size_t len = dash != NULL ? (size_t)(dash - text) : strlen(text);
    struct dnsbl_range r;

    if (len >= sizeof(head))
        return false;
    memcpy(head, text, len);
    head[len] = '\0';
    if (!network_parse(head, &n) || n.addr.family != 4 || n.prefix < 8 || (dash != NULL && n.prefix != 32))
        return false;
    uint32_t rest = n.prefix == 32 ? 0 : UINT32_MAX >> n.prefix;
    r.first = host_order(n.addr.at);
    if ((r.first & rest) != 0)
        return false;
    r.last = r.first | rest;
    if (dash != NULL && !last_octet(dash + 1, r.first, &r.last))
        return false;
    if (r.first >> 24 != LOOPBACK_NET || r.last >= ERROR_CODES)
        return false;
    *out = r;
    return true;
}

enum dnsbl_finding dnsbl_judge(const struct dnsbl_zone *z, const uint32_t *addresses, size_t count, uint32_t *code)
{
    *code = 0;
    for (size_t i = 0; i < count; i++) {
        if (addresses[i] >> 24 != LOOPBACK_NET || (addresses[i] & ERROR_MASK) == ERROR_CODES) {
            *code = addresses[i];
            return addresses[i] >> 24 != LOOPBACK_NET ? DNSBL_OUTSIDE : DNSBL_ERROR_CODE;
        }
    }
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < z->code_count; k++) {
            if (addresses[i] >= z->codes[k].first && addresses[i] <= z->codes[k].last) {
                *code = addresses[i];
                return DNSBL_LISTED;
            }
        }
    }
    if (count > 0)
        *code = addresses[0];
    return DNSBL_NOT_LISTED;
}

void dnsbl_query_name(const struct dnsbl_zone *z, const struct ip_addr *a, char out[static DNSBL_NAME_MAX + 1])
{
    static const char hex[] = "0123456789abcdef";
    const uint8_t *at = a->at;
    size_t n = 0;

    if (a->family == 4) {
        int len = snprintf(out, DNSBL_NAME_MAX + 1, "%d.%d.%d.%d.", at[3], at[2], at[1], at[0]);
        n = (size_t)len;
    } else {
        for (size_t i = 16; i-- > 0;) {
            out[n++] = hex[at[i] & 15];
            out[n++] = '.';
            out[n++] = hex[at[i] >> 4];
            out[n++] = '.';
        }
    }
    size_t len = strlen(z->name);
    assert(n + len <= DNSBL_NAME_MAX);
    memcpy(out + n, z->name, len + 1);
}

bool dnsbl_zone_covers(const struct dnsbl_zone *z, const struct ip_addr *a)
{
    return a->family == 4 ? z->ipv4 : z->ipv6;
}
