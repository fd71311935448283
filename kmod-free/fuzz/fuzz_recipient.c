// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a server would make of a RCPT's argument.
 *
 * Input: one byte that picks the connection's server address, and the argument, which
 * is looked at in a block of exactly its size.
 */
#include <assert.h>
#include <stdlib.h>

#include "kmod-free/recipient_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* Bytes that may be looked at for each byte of the argument: every reader takes a few passes. */
#define STEPS_A_BYTE 60
#define STEPS_MORE   (STEPS_A_BYTE * IMCEA_MAX * (IMCEA_DEPTH + 1))

static const struct ip_addr servers[] = {
    {.family = 4, .at = {192, 0, 2, 25}},
    {.family = 6, .at = {0x20, 0x01, 0x0d, 0xb8, [15] = 0x25}},
};

static const struct domain_set *our_domains(void)
{
    static struct domain_set *set;
    static const char *const names[] = {"local.example", "mail.local.example", ".wide.example", "\xc3\xbc.example",
                                        "[IPv6:2001:db8::1]"};
    if (set != NULL)
        return set;
    set = domain_set_new();
    assert(set != NULL);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const char *bad = domain_set_add(set, names[i]);
        assert(bad == NULL);
    }
    bool sealed = domain_set_seal(set);
    assert(sealed);
    return set;
}

static bool inside(struct bytes inner, struct bytes outer)
{
    return inner.len == 0 ||
           (inner.at >= outer.at && inner.len <= outer.len && (size_t)(inner.at - outer.at) <= outer.len - inner.len);
}

static bool is_ours(struct bytes domain, const struct ip_addr *server)
{
    struct ip_addr addr;
    return domain_set_has(our_domains(), domain) ||
           (server != NULL && domain_literal_address(domain, &addr) && ip_addr_equal(&addr, server));
}

static void check_canonical(struct bytes domain)
{
    uint8_t once[RECIPIENT_TEXT], twice[RECIPIENT_TEXT];
    size_t n = domain_canonical(domain, once, sizeof(once));
    size_t m = domain_canonical(bytes_of(once, n), twice, sizeof(twice));
    assert(n <= sizeof(once));
    assert(domain.len > sizeof(once) || /* what was cut may end in a dot now */
           bytes_equal(bytes_of(once, n), bytes_of(twice, m)));
    assert(domain.len > DOMAIN_NAME_MAX ||
           domain_set_has(our_domains(), domain) == domain_set_has(our_domains(), bytes_of(once, n)));
}

static void check_one(const struct recipient *r, struct bytes arg, const struct ip_addr *server)
{
    struct bytes text = bytes_of(r->text, sizeof(r->text));
    assert(inside(r->shown, arg));
    assert(r->domain_count <= RECIPIENT_DOMAINS);
    assert(r->via >> VIA_COUNT == 0);
    assert(!r->external || r->domain_count > 0 || r->domains_cut);
    for (size_t i = 0; i < r->domain_count; i++) {
        assert(r->domains[i].len > 0 && inside(r->domains[i], text));
        assert(is_ours(r->domains[i], server) == !r->external);
        check_canonical(r->domains[i]);
        for (size_t k = 0; k < r->domains[i].len; k++)
            assert(r->domains[i].at[k] >= ' ');
        for (size_t k = 0; k < i; k++)
            assert(!bytes_equal(r->domains[i], r->domains[k]));
    }
}

static void check_same(const struct recipient *a, const struct recipient *b)
{
    assert(a->external == b->external && a->malformed == b->malformed && a->domains_cut == b->domains_cut);
    assert(a->via == b->via && a->domain_count == b->domain_count && bytes_equal(a->shown, b->shown));
    for (size_t i = 0; i < a->domain_count; i++)
        assert(bytes_equal(a->domains[i], b->domains[i]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static struct recipient first, second;
    if (len == 0 || len > 100000)
        return 0;
    const struct ip_addr *server = data[0] % 3 == 2 ? NULL : &servers[data[0] % 3];
    uint8_t *exact = malloc(len - 1 > 0 ? len - 1 : 1);
    assert(exact != NULL);
    memcpy(exact, data + 1, len - 1);
    struct bytes arg = bytes_of(exact, len - 1);

    memset(&first, 0x55, sizeof(first));
    memset(&second, 0xaa, sizeof(second));
    size_t steps = recipient_read_steps(our_domains(), server, arg, &first);
    check_one(&first, arg, server);
    assert(steps <= STEPS_A_BYTE * arg.len + STEPS_MORE);
    recipient_read(our_domains(), server, arg, &second);
    check_same(&first, &second);
    check_canonical(arg);
    assert(inside(reverse_path_shown(arg), arg));
    free(exact);
    return 0;
}
