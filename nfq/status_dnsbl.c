/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nfq/status_dnsbl.h"

#include "kmod-free/report/event_json.h"
#include "nfq/json_fields.h"

static json_t *zone_json(const struct status_zone *z)
{
    const struct dnsbl_zone_counters *c = &z->lookups;
    char since[40];
    wall_text(z->since, since);
    json_t *o = json_pack("{s:o,s:s,s:s}", "zone", bytes_to_json(bytes_str(z->name)), "state",
                          dnsbl_state_name((enum dnsbl_state)z->state), "since", since);
    if (z->state == DNSBL_OFF)
        (void)json_object_set_new(o, "why", json_string(dnsbl_fault_text((enum dnsbl_fault)z->fault)));
    field_put_count(o, "checks", z->checks);
    field_put_count(o, "switched_off", z->switched_off);
    field_put_count(o, "lookups", c->asked);
    field_put_count(o, "listed", c->listed);
    field_put_count(o, "not_listed", c->not_listed);
    field_put_count(o, "timeouts", c->timeouts);
    field_put_count(o, "errors", c->errors);
    field_put_count(o, "late", c->late);
    return o;
}

json_t *status_dnsbl_json(const struct status_facts *f)
{
    const struct dnsbl_counters *c = &f->lookups.count;
    json_t *o = json_object(), *zones = json_array();
    (void)json_object_set_new(o, "alive", json_boolean(f->summary.asker_alive));
    field_put_count(o, "requests", c->requests);
    field_put_count(o, "from_cache", c->from_cache);
    field_put_count(o, "joined", c->joined);
    field_put_count(o, "no_room", c->no_entry + c->no_waiter + c->no_query);
    field_put_count(o, "cache_entries", f->lookups.entries);
    field_put_count(o, "cache_max", f->lookups.entries_max);
    for (uint32_t i = 0; i < f->zone_count; i++)
        if (f->zones[i].count == f->zone_count) /* it was said already */
            (void)json_array_append_new(zones, zone_json(&f->zones[i]));
    (void)json_object_set_new(o, "zones", zones);
    return o;
}

/* ---- for people ---- */

static void print_zone(FILE *out, const json_t *z)
{
    const json_t *why = json_object_get(z, "why");
    fprintf(out, "           %s: %s since %.19sZ", field_text(z, "zone"), why != NULL ? "OFF" : field_text(z, "state"),
            field_text(z, "since"));
    if (why != NULL)
        fprintf(out, ": %s", field_text(z, "why"));
    fprintf(out, "; switched off %lld times; lookups %lld: listed %lld, timeouts %lld, errors %lld\n",
            field_count(z, "switched_off"), field_count(z, "lookups"), field_count(z, "listed"),
            field_count(z, "timeouts"), field_count(z, "errors"));
}

void status_dnsbl_print(FILE *out, const json_t *dnsbl)
{
    const json_t *zones = json_object_get(dnsbl, "zones");
    if (dnsbl == NULL)
        return;
    if (!json_is_true(json_object_get(dnsbl, "alive")))
        fprintf(out, "NOBODY ASKS the DNS blocklists until that process is there again: nothing is listed\n");
    fprintf(out, "dnsbl      requests %lld, answered from the cache %lld; addresses in it %lld of %lld\n",
            field_count(dnsbl, "requests"), field_count(dnsbl, "from_cache"), field_count(dnsbl, "cache_entries"),
            field_count(dnsbl, "cache_max"));
    for (size_t i = 0; i < json_array_size(zones); i++)
        print_zone(out, json_array_get(zones, i));
}
