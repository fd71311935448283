/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kmod-free/tests/support_recipient.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

struct domain_set *support_ours;
const struct ip_addr support_server = {.family = 4, .at = {192, 0, 2, 25}};

int support_recipient_setup(void **state)
{
    (void)state;
    support_ours = domain_set_new();
    return support_ours == NULL || domain_set_add(support_ours, "local.example") != NULL ||
           domain_set_add(support_ours, "mail.local.example") != NULL ||
           domain_set_add(support_ours, ".wide.example") != NULL ||
           domain_set_add(support_ours, "b\303\274cher.example") != NULL || !domain_set_seal(support_ours);
}

int support_recipient_teardown(void **state)
{
    (void)state;
    domain_set_free(support_ours);
    return 0;
}

static bool inside(struct bytes inner, struct bytes outer)
{
    return inner.len == 0 || (inner.at >= outer.at && (size_t)(inner.at - outer.at) <= outer.len - inner.len);
}

void read_guarded(struct bytes arg, struct recipient *out)
{
    struct bytes copy = guard_copy(arg);
    recipient_read(support_ours, &support_server, copy, out);
    assert_true(inside(out->shown, copy));
    if (out->shown.len > 0)
        out->shown.at = arg.at + (out->shown.at - copy.at);
    for (size_t i = 0; i < out->domain_count; i++)
        assert_true(inside(out->domains[i], bytes_of(out->text, sizeof out->text)));
    guard_free(copy);
}
