/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * offenders_json - the offender table on its way over the control socket: one JSON object a line, and a last one that
 * says that this was all.
 *
 *   {"source":"198.51.100.3","tag":"outside","relay_attempts":3,"attacks":0,"first":"...","last":"..."}
 *   {"offenders":1,"forgotten":0}
 */
#ifndef RCPTWALL_OFFENDERS_JSON_H
#define RCPTWALL_OFFENDERS_JSON_H

#include "nfq/offender_table.h"

#include <jansson.h>

/* How far the table was told. */
struct offenders_tale {
    uint32_t slot, told;
    bool done;
};

/* The next piece of it, of some KiB, to be freed; NULL: that was all (done), or out of memory. */
char *offenders_json_next(const struct offender_table *, struct offenders_tale *, size_t *len);

struct offender_row {
    struct network source;
    char source_text[52], tag[TAG_NAME_MAX * 4];
    uint64_t relays, attacks;
    char first[40], last[40]; /* as wall_text writes: their order is that of time */
};

enum offender_line { OFFENDER_LINE_ROW = 1, OFFENDER_LINE_END, OFFENDER_LINE_BAD };

/* One line. *forgotten is set by the last one. */
RW_CHECK enum offender_line offenders_json_read(const char *line, size_t len, struct offender_row *, uint64_t *forgotten);
/* A new reference; NULL: out of memory. */
RW_CHECK json_t *offender_row_json(const struct offender_row *);

#endif
