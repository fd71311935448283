/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kmod-free/tests/support_policy.h"

#include <stdio.h>
#include <stdlib.h>

struct policy *support_policy(bool enforce)
{
    struct policy *p = policy_new();
    if (p == NULL || domain_set_add(p->local, "local.example") != NULL || !domain_set_seal(p->local)) {
        fprintf(stderr, "support_policy: no policy\n");
        abort();
    }
    p->enforce = enforce;
    return p;
}
