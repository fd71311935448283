/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * support_oracle - the tables in pcap-tests/oracle: what ten real mail servers did
 * with odd bytes. Tab-separated, the first line names the columns; a row without its
 * last columns has them empty.
 */
#ifndef RCPTWALL_TESTS_SUPPORT_ORACLE_H
#define RCPTWALL_TESTS_SUPPORT_ORACLE_H

#include <stdbool.h>
#include <stddef.h>

struct oracle;

/* NULL: there is no such table (run from the project's root). */
struct oracle *oracle_open(const char *name);
void oracle_close(struct oracle *o);
size_t oracle_rows(const struct oracle *o);
/* "" where the cell is empty; aborts if there is no such column. Lives as long as the table. */
const char *oracle_cell(const struct oracle *o, size_t row, const char *column);

#define ORACLE_SERVERS 11
extern const char *const oracle_servers[ORACLE_SERVERS];
/* The cell `server`SUFFIX. */
const char *oracle_server_cell(const struct oracle *o, size_t row, const char *server, const char *suffix);
/* Is the word in a comma-separated list? */
bool oracle_lists(const char *list, const char *word);

#endif
