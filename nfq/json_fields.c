/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nfq/json_fields.h"

#include "kmod-free/report/event_json.h"

#include <stdio.h>
#include <stdlib.h>

void field_put_count(json_t *object, const char *key, uint64_t n)
{
    (void)json_object_set_new(object, key, json_integer((json_int_t)n));
}

long long field_count(const json_t *object, const char *key)
{
    return (long long)json_integer_value(json_object_get(object, key));
}

const char *field_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text != NULL ? text : "?";
}

void object_print_line(json_t *object)
{
    char *text = object != NULL ? json_dumps(object, EVENT_JSON_FLAGS) : NULL;
    if (text != NULL)
        puts(text);
    free(text);
    json_decref(object);
}
