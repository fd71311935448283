/* SPDX-License-Identifier: GPL-2.0-or-later */
/* support_recipient - what the tests of RCPT's argument share: whose domains are ours, and reading at a guard page. */
#ifndef RCPTWALL_TESTS_SUPPORT_RECIPIENT_H
#define RCPTWALL_TESTS_SUPPORT_RECIPIENT_H

#include "kmod-free/recipient_internal.h"
#include "kmod-free/tests/support.h"

/* Ours are local.example, mail.local.example, .wide.example and xn--bcher-kva.example; from setup to teardown. */
extern struct domain_set *support_ours;
extern const struct ip_addr support_server; /* 192.0.2.25 */

/* A group's setup and teardown, in cmocka's form: 0 is success. */
int support_recipient_setup(void **state);
int support_recipient_teardown(void **state);

/* Reads a copy that ends at a page that can't be touched. The result's `shown` points into `arg` again. */
void read_guarded(struct bytes arg, struct recipient *out);

#endif
