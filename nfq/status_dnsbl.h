/* SPDX-License-Identifier: GPL-2.0-or-later */
/* status_dnsbl - status_json's part about DNS blocklists. */
#ifndef RCPTWALL_STATUS_DNSBL_H
#define RCPTWALL_STATUS_DNSBL_H

#include "nfq/status_json.h"

/* A new reference; there is at least one zone. */
json_t *status_dnsbl_json(const struct status_facts *);
/* dnsbl: NULL where there is none. */
void status_dnsbl_print(FILE *out, const json_t *dnsbl);

#endif
