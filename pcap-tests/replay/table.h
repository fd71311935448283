/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * table - what a person reads: who tried to relay what where, the worst offenders,
 * and the answer. Everything from the wire is escaped (A2) and cut to its column.
 *
 * The attempts are kept until the end, because the server's answer comes later than
 * the attempt; at most as many as will be shown.
 */
#ifndef RCPTWALL_TABLE_H
#define RCPTWALL_TABLE_H

#include "pcap-tests/replay/summary.h"

#include <stdio.h>

#define TABLE_ROWS_DEFAULT 50
#define TABLE_ROWS_MAX     100000

struct table;

RW_CHECK struct table *table_new(size_t rows); /* NULL: out of memory */
void table_free(struct table *);
void table_event(struct table *, const struct event *);
void table_print(const struct table *, const struct summary *, const struct engine_counters *, FILE *out);

#endif
