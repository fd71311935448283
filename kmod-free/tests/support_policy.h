/* SPDX-License-Identifier: GPL-2.0-or-later */
/* support_policy - the policy that most tests of the engine begin with. */
#ifndef RCPTWALL_TESTS_SUPPORT_POLICY_H
#define RCPTWALL_TESTS_SUPPORT_POLICY_H

#include "kmod-free/policy.h"

/* local.example is local, and nothing else is said. The caller's, until an engine takes it. */
RW_CHECK struct policy *support_policy(bool enforce);

#endif
