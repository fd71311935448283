/* SPDX-License-Identifier: GPL-2.0-or-later */
/* explain - in words, what happens to a session with a tag under a configuration. */
#ifndef RCPTWALL_EXPLAIN_H
#define RCPTWALL_EXPLAIN_H

#include "rules/config.h"

#include <stdio.h>

/* false: there is no tag of this name. */
RW_CHECK bool explain_tag(const struct config *, const char *name, FILE *out);

/* "192.0.2.0/24": one word for a network; an address alone has no prefix. A blank in front. */
void explain_network(const struct network *, FILE *out);
/* " 192.0.2.0/24 ... and everybody else": who gets this tag, as many names as people read. */
void explain_clients(const struct policy *, uint8_t tag, FILE *out);

#endif
