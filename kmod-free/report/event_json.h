/* SPDX-License-Identifier: GPL-2.0-or-later */
/* event_json - an event as one JSON object with EVE's names (jansson). Keys come in a fixed order. */
#ifndef RCPTWALL_EVENT_JSON_H
#define RCPTWALL_EVENT_JSON_H

#include "kmod-free/event.h"

#include <jansson.h>

/* How events are written: one object a line. */
#define EVENT_JSON_FLAGS (JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(15))

/*
 * A new reference, NULL when out of memory. Wire bytes that aren't UTF-8 appear as
 * \xHH, control bytes too, so that the object is valid JSON and nothing is lost
 * (a backslash from the wire appears as \\; both before JSON's own escaping).
 */
RW_CHECK json_t *event_to_json(const struct event *);
/* Wire bytes as a JSON string by the same rule. */
RW_CHECK json_t *bytes_to_json(struct bytes);
/* RFC 3339 with microseconds, UTC: "2026-11-24T04:25:26.123456+00:00". */
void wall_text(struct wall, char out[static 40]);
/* "192.0.2.25" or "2001:db8::25". */
void ip_addr_text(const struct ip_addr *, char out[static 48]);

#endif
