/* SPDX-License-Identifier: GPL-2.0-or-later */
/* event_json - an event as one JSON object with EVE's names (jansson). */
#ifndef RCPTWALL_EVENT_JSON_H
#define RCPTWALL_EVENT_JSON_H

#include "kmod-free/event.h"

#include <jansson.h>

/*
 * A new reference, NULL when out of memory. Wire bytes that aren't UTF-8 appear as
 * \xHH, control bytes too, so that the object is valid JSON and nothing is lost.
 */
RW_CHECK json_t *event_to_json(const struct event *);
/* Wire bytes as a JSON string by the same rule. */
RW_CHECK json_t *bytes_to_json(struct bytes);
/* RFC 3339 with microseconds, UTC: "2026-11-24T04:25:26.000000+0000" is EVE's form. */
void wall_text(struct wall, char out[static 40]);
/* "192.0.2.25" or "2001:db8::25". */
void ip_addr_text(const struct ip_addr *, char out[static 48]);

#endif
