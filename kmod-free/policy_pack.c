/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kmod-free/policy_pack.h"

#include <stdlib.h>

static uint8_t *put(uint8_t *out, const void *at, size_t len)
{
    if (len > 0)
        memcpy(out, at, len);
    return out + len;
}

size_t policy_packed(const struct policy *p)
{
    return sizeof *p + (p->network_count + p->server_count) * sizeof *p->networks + domain_set_packed(p->local);
}

void policy_pack(const struct policy *p, uint8_t *out)
{
    struct policy head;

    memcpy(&head, p, sizeof head);
    head.networks = head.servers = NULL; /* addresses of this process mean nothing to another */
    head.local = NULL;
    out = put(out, &head, sizeof head);
    out = put(out, p->networks, p->network_count * sizeof *p->networks);
    out = put(out, p->servers, p->server_count * sizeof *p->servers);
    domain_set_pack(p->local, out);
}

/* Everything that is used as an index or as a text later on. */
static bool valid(const struct policy *p)
{
    if (p->outside < 1 || p->outside > TAGS_MAX)
        return false;
    for (unsigned i = 0; i <= TAGS_MAX; i++) {
        if (memchr(p->tags[i].name, '\0', sizeof p->tags[i].name) == NULL)
            return false;
        for (unsigned r = 0; r < REASON_COUNT; r++)
            if (p->tags[i].on[r] > ACTION_BAN || p->tags[i].dnsbl_unknown > ACTION_BAN)
                return false;
    }
    for (unsigned i = 0; i < POLICY_LISTS_MAX; i++)
        if (memchr(p->lists[i], '\0', sizeof p->lists[i]) == NULL)
            return false;
    for (size_t i = 0; i < p->network_count; i++)
        if (p->networks[i].prefix > 128 || p->networks[i].tag > TAGS_MAX)
            return false;
    for (size_t i = 0; i < p->server_count; i++)
        if (p->servers[i].prefix > 128)
            return false;
    return true;
}

static bool take_networks(struct bytes *packed, size_t count, struct network **out)
{
    struct bytes networks;

    *out = NULL;
    if (count > packed->len / sizeof **out || !take_raw(packed, count * sizeof **out, &networks))
        return false;
    if (count == 0)
        return true;
    *out = malloc(networks.len);
    if (*out != NULL)
        memcpy(*out, networks.at, networks.len);
    return *out != NULL;
}

struct policy *policy_unpack(struct bytes packed)
{
    struct bytes head;
    struct policy *p = calloc(1, sizeof *p);

    if (p == NULL)
        return NULL;
    if (!take_raw(&packed, sizeof *p, &head)) {
        free(p);
        return NULL;
    }
    memcpy(p, head.at, sizeof *p);
    p->networks = p->servers = NULL;
    p->local = NULL;
    bool good = take_networks(&packed, p->network_count, &p->networks) &&
                take_networks(&packed, p->server_count, &p->servers) && valid(p);
    if (good)
        p->local = domain_set_unpack(packed);
    if (p->local != NULL)
        return p;
    policy_free(p);
    return NULL;
}
