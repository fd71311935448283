/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nfq/offenders_json.h"

#include "kmod-free/report/event_json.h"

#include <stdio.h>
#include <stdlib.h>

#define LINE_ROOM   512
#define LINES_PIECE 128

static void row_of(const struct offender_facts *f, struct offender_row *r)
{
    char addr[48];
    *r = (struct offender_row){.relays = f->relays, .attacks = f->attacks};
    ip_addr_text(&f->source, addr);
    snprintf(r->source_text, sizeof r->source_text, f->source.family == 6 ? "%s/64" : "%s", addr);
    memcpy(r->tag, f->tag_name, sizeof f->tag_name);
    wall_text(f->first, r->first);
    wall_text(f->last, r->last);
}

json_t *offender_row_json(const struct offender_row *r)
{
    return json_pack("{s:s,s:o,s:I,s:I,s:s,s:s}", "source", r->source_text, "tag", bytes_to_json(bytes_str(r->tag)),
                     "relay_attempts", (json_int_t)r->relays, "attacks", (json_int_t)r->attacks, "first", r->first,
                     "last", r->last);
}

/* false: no room, or no memory. */
static bool put(char *piece, size_t *len, json_t *o)
{
    char *text = o != NULL ? json_dumps(o, EVENT_JSON_FLAGS) : NULL;
    size_t n = text != NULL ? strlen(text) : LINE_ROOM;
    bool good = n < LINE_ROOM;
    if (good) {
        memcpy(piece + *len, text, n);
        piece[*len + n] = '\n';
        *len += n + 1;
    }
    free(text);
    json_decref(o);
    return good;
}

char *offenders_json_next(const struct offender_table *t, struct offenders_tale *tale, size_t *len)
{
    char *piece = tale->done ? NULL : malloc(LINES_PIECE * LINE_ROOM);
    struct offender_facts f;
    struct offender_row r;
    bool good = piece != NULL;
    *len = 0;
    for (int lines = 1; good && lines < LINES_PIECE && tale->slot < OFFENDER_TABLE_SLOTS; tale->slot++) {
        if (!offender_table_read(t, tale->slot, &f))
            continue;
        row_of(&f, &r);
        good = put(piece, len, offender_row_json(&r));
        lines++;
        tale->told++;
    }
    if (good && tale->slot == OFFENDER_TABLE_SLOTS) {
        tale->done = true;
        good = put(piece, len, json_pack("{s:I,s:I}", "offenders", (json_int_t)tale->told, "forgotten",
                                         (json_int_t)offender_table_forgotten(t)));
    }
    if (good)
        return piece;
    free(piece);
    return NULL;
}

/* ---- read ---- */

static bool read_text(const json_t *o, const char *key, char *out, size_t room)
{
    const char *text = json_string_value(json_object_get(o, key));
    size_t len = text != NULL ? strlen(text) : room;
    if (len >= room)
        return false;
    memcpy(out, text, len + 1);
    return true;
}

static bool read_count(const json_t *o, const char *key, uint64_t *out)
{
    const json_t *n = json_object_get(o, key);
    *out = json_is_integer(n) && json_integer_value(n) >= 0 ? (uint64_t)json_integer_value(n) : 0;
    return json_is_integer(n) && json_integer_value(n) >= 0;
}

enum offender_line offenders_json_read(const char *line, size_t len, struct offender_row *r, uint64_t *forgotten)
{
    json_t *o = json_loadb(line, len, JSON_REJECT_DUPLICATES, NULL);
    enum offender_line kind = OFFENDER_LINE_BAD;
    uint64_t n;
    if (read_count(o, "offenders", &n) && read_count(o, "forgotten", forgotten))
        kind = OFFENDER_LINE_END;
    else if (read_text(o, "source", r->source_text, sizeof r->source_text) &&
             network_parse(r->source_text, &r->source) && read_text(o, "tag", r->tag, sizeof r->tag) &&
             read_count(o, "relay_attempts", &r->relays) && read_count(o, "attacks", &r->attacks) &&
             read_text(o, "first", r->first, sizeof r->first) && read_text(o, "last", r->last, sizeof r->last))
        kind = OFFENDER_LINE_ROW;
    json_decref(o);
    return kind;
}
