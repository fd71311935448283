/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * policy_pack - a policy as bytes, so that one process can read the configuration and
 * another one judge by it. Both are of the same build: numbers and structs are as memory has them.
 */
#ifndef RCPTWALL_POLICY_PACK_H
#define RCPTWALL_POLICY_PACK_H

#include "kmod-free/policy.h"

/* How many bytes policy_pack writes. The domain set must be sealed. */
size_t policy_packed(const struct policy *);
void policy_pack(const struct policy *, uint8_t *out);
/* A policy of its own with its domain set sealed. NULL: these are no such bytes, or out of memory. */
RW_CHECK struct policy *policy_unpack(struct bytes packed);

#endif
