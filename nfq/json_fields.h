/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * json_fields - counts and texts of JSON objects, put and read; and an object as a line of output. For the commands
 * that talk to people or to the daemon. Writing never fails: without memory a field or a line is missing.
 */
#ifndef RCPTWALL_JSON_FIELDS_H
#define RCPTWALL_JSON_FIELDS_H

#include <jansson.h>
#include <stdint.h>

void field_put_count(json_t *object, const char *key, uint64_t n);

/* What isn't there, or is something else, reads as 0 and "?"; the text lives as long as the object. */
long long field_count(const json_t *object, const char *key);
const char *field_text(const json_t *object, const char *key);

/* One line on standard output, in the form of events (EVENT_JSON_FLAGS). Takes the reference, which may be NULL. */
void object_print_line(json_t *object);

#endif
