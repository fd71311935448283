/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nfq/status_dnsbl.h"

#include "kmod-free/report/event_json.h"

static void put_count(json_t *o, const char *key, uint64_t n)
{
    (void)json_object_set_new(o, key, json_integer((json_int_t)n));
}

static json_t *zone_json(const struct status_zone *z)
{
    const struct dnsbl_zone_counters *c = &z->lookups;
    char since[40];
    wall_text(z->since, since);
    json_t *o = json_pack("{s:o,s:s,s:s}", "zone", bytes_to_json(bytes_str(z->name)), "state",
                          dnsbl_state_name((enum dnsbl_state)z->state), "since", since);
    if (z->state == DNSBL_OFF)
        (void)json_object_set_new(o, "why", json_string(dnsbl_fault_text((enum dnsbl_fault)z->fault)));
    put_count(o, "checks", z->checks);
    put_count(o, "switched_off", z->switched_off);
    put_count(o, "lookups", c->asked);
    put_count(o, "listed", c->listed);
    put_count(o, "not_listed", c->not_listed);
    put_count(o, "timeouts", c->timeouts);
    put_count(o, "errors", c->errors);
    put_count(o, "late", c->late);
    return o;
}

json_t *status_dnsbl_json(const struct status_facts *f)
{
    const struct dnsbl_counters *c = &f->lookups.count;
    json_t *o = json_object(), *zones = json_array();
    (void)json_object_set_new(o, "alive", json_boolean(f->summary.asker_alive));
    put_count(o, "requests", c->requests);
    put_count(o, "from_cache", c->from_cache);
    put_count(o, "joined", c->joined);
    put_count(o, "no_room", c->no_entry + c->no_waiter + c->no_query);
    put_count(o, "cache_entries", f->lookups.entries);
    put_count(o, "cache_max", f->lookups.entries_max);
    for (uint32_t i = 0; i < f->zone_count; i++)
        if (f->zones[i].count == f->zone_count) /* it was said already */
            (void)json_array_append_new(zones, zone_json(&f->zones[i]));
    (void)json_object_set_new(o, "zones", zones);
    return o;
}

/* ---- for people ---- */

static const char *text_of(const json_t *o, const char *key)
{
    const char *text = json_string_value(json_object_get(o, key));
    return text != NULL ? text : "?";
}

static long long count_of(const json_t *o, const char *key)
{
    return (long long)json_integer_value(json_object_get(o, key));
}

static void print_zone(FILE *out, const json_t *z)
{
    const json_t *why = json_object_get(z, "why");
    fprintf(out, "           %s: %s since %.19sZ", text_of(z, "zone"), why != NULL ? "OFF" : text_of(z, "state"),
            text_of(z, "since"));
    if (why != NULL)
        fprintf(out, ": %s", text_of(z, "why"));
    fprintf(out, "; switched off %lld times; lookups %lld: listed %lld, timeouts %lld, errors %lld\n",
            count_of(z, "switched_off"), count_of(z, "lookups"), count_of(z, "listed"), count_of(z, "timeouts"),
            count_of(z, "errors"));
}

void status_dnsbl_print(FILE *out, const json_t *dnsbl)
{
    const json_t *zones = json_object_get(dnsbl, "zones");
    if (dnsbl == NULL)
        return;
    if (!json_is_true(json_object_get(dnsbl, "alive")))
        fprintf(out, "NOBODY ASKS the DNS blocklists until that process is there again: nothing is listed\n");
    fprintf(out, "dnsbl      requests %lld, answered from the cache %lld; addresses in it %lld of %lld\n",
            count_of(dnsbl, "requests"), count_of(dnsbl, "from_cache"), count_of(dnsbl, "cache_entries"), count_of(dnsbl, "cache_max"));
    for (size_t i = 0; i < json_array_size(zones); i++)
        print_zone(out, json_array_get(zones, i));
}
