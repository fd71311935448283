/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nfq/status_json.h"

#include "kmod-free/report/event_json.h"
#include "kmod-free/stream.h"
#include "nfq/counters.h"
#include "nfq/json_fields.h"
#include "nfq/status_dnsbl.h"
#include "rules/commands.h"

#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

/* ---- to JSON ---- */

/* Takes the reference, also when it fails; a failure shows as a missing value. */
static void put(json_t *object, const char *key, json_t *value)
{
    (void)json_object_set_new(object, key, value);
}

static void put_text(json_t *object, const char *key, const char *text)
{
    put(object, key, bytes_to_json(bytes_str(text))); /* whatever bytes there are */
}

static void put_counter(void *ctx, const char *prefix, const char *key, uint64_t value)
{
    char name[80];
    snprintf(name, sizeof name, "%s%s", prefix, key);
    field_put_count(ctx, name, value);
}

static json_t *queue_to_json(const struct status_queue *q)
{
    json_t *o = json_object();
    field_put_count(o, "queue", q->queue);
    put(o, "alive", json_boolean(q->alive));
    if (q->pid > 0)
        field_put_count(o, "pid", (uint64_t)q->pid);
    field_put_count(o, "restarts", q->restarts);
    if (q->listed) {
        field_put_count(o, "kernel_waiting", q->waiting);
        field_put_count(o, "kernel_full_drops", q->full_drops);
        field_put_count(o, "kernel_buffer_drops", q->buffer_drops);
    }
    counters_each(&q->report, put_counter, o);
    return o;
}

static void put_by_reason(json_t *o, const char *key, const uint64_t counts[static REASON_COUNT])
{
    json_t *reasons = json_object();
    for (unsigned i = REASON_NONE + 1; i < REASON_COUNT; i++)
        field_put_count(reasons, reason_name((enum reason)i), counts[i]);
    put(o, key, reasons);
}

/* now, peak and max of a pool. */
static void put_pool(json_t *o, const char *name, uint64_t now, uint64_t peak, uint64_t max)
{
    const struct {
        const char *what;
        uint64_t count;
    } all[] = {{"now", now}, {"peak", peak}, {"max", max}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        char key[32];
        snprintf(key, sizeof key, "%s_%s", name, all[i].what);
        field_put_count(o, key, all[i].count);
    }
}

/* on_way: events that workers could not send; the reporter knows of those before the last that came. */
static void put_losses(json_t *o, const struct reporter_losses *l, uint64_t on_way)
{
    json_t *losses = json_object();
    field_put_count(losses, "events", l->events > on_way ? l->events : on_way);
    field_put_count(losses, "alerts_not_singly", l->alerts_gathered_out);
    field_put_count(losses, "event_file_lines", l->file_lines);
    field_put_count(losses, "syslog_lines", l->syslog_lines);
    field_put_count(losses, "malformed_messages", l->malformed);
    put(o, "lost", losses);
    field_put_count(o, "syslog_waiting", l->syslog_waiting);
}

static void put_sums(json_t *o, const struct status_facts *f)
{
    struct engine_counters sum = {0};
    uint64_t accepted = 0, dropped = 0, clipped = 0, rewritten = 0, resets = 0, lost_events = 0;
    for (uint32_t i = 0; i < f->summary.queue_count && i < SUPERVISOR_QUEUES_MAX; i++) {
        const struct worker_counters *w = &f->queues[i].report.worker;
        engine_counters_add(&sum, &f->queues[i].report.engine);
        accepted += w->accepted;
        dropped += w->dropped + w->unset + w->not_written;
        clipped += w->clipped;
        rewritten += w->rewritten;
        resets += w->resets;
        lost_events += w->lost_events;
    }
    json_t *flows = json_object(), *verdicts = json_object(), *memory = json_object();
    field_put_count(flows, "now", sum.flows_now);
    field_put_count(flows, "peak", sum.flows_peak);
    field_put_count(flows, "max", sum.flows_max);
    field_put_count(flows, "total", sum.flows);
    put(o, "flows", flows);
    field_put_count(o, "sessions", sum.smtp_flows);
    field_put_count(o, "rcpts", sum.rcpts);
    field_put_count(o, "external_rcpts", sum.external_rcpts);
    field_put_count(o, "refused_rcpts", sum.refused);
    field_put_count(o, "messages", sum.messages);
    field_put_count(verdicts, "accepted", accepted);
    field_put_count(verdicts, "dropped", dropped);
    field_put_count(verdicts, "clipped", clipped);
    field_put_count(verdicts, "rewritten", rewritten);
    field_put_count(verdicts, "resets", resets);
    put(o, "verdicts", verdicts);
    put_by_reason(o, "ended", sum.ended);
    field_put_count(o, "bans", sum.bans);
    put_by_reason(o, "alerts", sum.alerts);
    put_pool(memory, "blocks", sum.blocks_now, sum.blocks_peak, sum.blocks_max);
    field_put_count(memory, "block_bytes", STREAM_BLOCK);
    put_pool(memory, "notes", sum.notes_now, sum.notes_peak, sum.notes_max);
    put(o, "memory", memory);
    put_losses(o, &f->summary.losses, lost_events);
}

static void put_started(json_t *o, struct wall at)
{
    char text[40];
    time_t s = (time_t)(at.ns / NS_PER_S);
    struct tm tm;
    if (gmtime_r(&s, &tm) != NULL && strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm) > 0)
        put_text(o, "started", text);
}

char *status_text(const struct status_facts *f)
{
    const struct status_summary *s = &f->summary;
    json_t *o = json_object(), *reload = json_object(), *sandbox = json_object(), *queues = json_array();
    put_text(o, "version", RCPTWALL_VERSION);
    put_text(o, "mode", s->enforce ? "enforce" : "monitor");
    put_text(o, "on_failure", s->fail_open ? "open" : "closed");
    put_started(o, s->started);
    field_put_count(o, "uptime_s", (uint64_t)(s->uptime_ns / NS_PER_S));
    field_put_count(reload, "done", s->reloads);
    field_put_count(reload, "refused", s->reloads_refused);
    if (s->refused[0] != '\0')
        put_text(reload, "last_refused", s->refused);
    if (s->needs_restart[0] != '\0')
        put_text(reload, "needs_restart", s->needs_restart);
    put(o, "reload", reload);
    put(sandbox, "seccomp", json_boolean(s->seccomp));
    field_put_count(sandbox, "landlock_abi", s->landlock > 0 ? (uint64_t)s->landlock : 0);
    put(o, "sandbox", sandbox);
    put(o, "reporter_alive", json_boolean(s->reporter_alive));
    field_put_count(o, "closes", s->closes);
    field_put_count(o, "closes_failed", s->closes_failed);
    put_sums(o, f);
    for (uint32_t i = 0; i < s->queue_count && i < SUPERVISOR_QUEUES_MAX; i++)
        (void)json_array_append_new(queues, queue_to_json(&f->queues[i]));
    put(o, "queues", queues);
    if (f->zone_count > 0)
        put(o, "dnsbl", status_dnsbl_json(f));
    char *line = json_dumps(o, JSON_COMPACT), *out = NULL;
    json_decref(o);
    size_t len = line != NULL ? strlen(line) : 0;
    if (len > 0 && (out = malloc(len + 2)) != NULL) {
        memcpy(out, line, len);
        memcpy(out + len, "\n", 2);
    }
    free(line);
    return out;
}

/* ---- for people ---- */

static void print_time(FILE *out, long long s)
{
    if (s >= 86400)
        fprintf(out, "%lld d ", s / 86400);
    fprintf(out, "%02lld:%02lld:%02lld", s / 3600 % 24, s / 60 % 60, s % 60);
}

static void print_queue(FILE *out, const json_t *q)
{
    fprintf(out, "queue %lld    ", field_count(q, "queue"));
    if (json_is_true(json_object_get(q, "alive")))
        fprintf(out, "worker %lld", field_count(q, "pid"));
    else
        fprintf(out, "NO WORKER");
    fprintf(out, ", %lld restarts; packets %lld; ", field_count(q, "restarts"), field_count(q, "packets"));
    if (json_object_get(q, "kernel_waiting") == NULL)
        fprintf(out, "the kernel's counters can't be read\n");
    else
        fprintf(out, "kernel: waiting %lld, dropped %lld (queue full) + %lld (socket full)\n",
                field_count(q, "kernel_waiting"), field_count(q, "kernel_full_drops"),
                field_count(q, "kernel_buffer_drops"));
}

/* The counters of an object that aren't 0. */
static void print_counts(FILE *out, const char *name, const json_t *counts, bool zeros)
{
    json_t *object = (json_t *)(uintptr_t)counts; /* the library's iterators want it so */
    const char *separator = "";
    fprintf(out, "%-11s", name);
    for (void *at = json_object_iter(object); at != NULL; at = json_object_iter_next(object, at)) {
        long long value = (long long)json_integer_value(json_object_iter_value(at));
        if (!zeros && value == 0)
            continue;
        fprintf(out, "%s%s %lld", separator, json_object_iter_key(at), value);
        separator = ", ";
    }
    fprintf(out, "%s\n", *separator == '\0' ? "none" : "");
}

void status_print(FILE *out, const json_t *o)
{
    const json_t *reload = json_object_get(o, "reload"), *sandbox = json_object_get(o, "sandbox"),
                 *flows = json_object_get(o, "flows"), *memory = json_object_get(o, "memory"),
                 *queues = json_object_get(o, "queues");
    fprintf(out, "rcptwall %s, mode %s, on-failure %s\n", field_text(o, "version"), field_text(o, "mode"),
            field_text(o, "on_failure"));
    fprintf(out, "up         ");
    print_time(out, field_count(o, "uptime_s"));
    fprintf(out, ", since %s\n", field_text(o, "started"));
    fprintf(out, "reloads    %lld done, %lld refused\n", field_count(reload, "done"), field_count(reload, "refused"));
    if (json_object_get(reload, "last_refused") != NULL)
        fprintf(out, "           the last one was refused: %s\n", field_text(reload, "last_refused"));
    if (json_object_get(reload, "needs_restart") != NULL)
        fprintf(out, "           changed, and waiting for a restart: %s\n", field_text(reload, "needs_restart"));
    fprintf(out, "sandbox    seccomp %s, ", json_is_true(json_object_get(sandbox, "seccomp")) ? "yes" : "NO");
    if (field_count(sandbox, "landlock_abi") > 0)
        fprintf(out, "landlock yes (ABI %lld)\n", field_count(sandbox, "landlock_abi"));
    else
        fprintf(out, "landlock NO (this kernel has none)\n");
    for (size_t i = 0; i < json_array_size(queues); i++)
        print_queue(out, json_array_get(queues, i));
    fprintf(out, "flows      now %lld of %lld, total %lld; SMTP sessions that ended %lld\n", field_count(flows, "now"),
            field_count(flows, "max"), field_count(flows, "total"), field_count(o, "sessions"));
    fprintf(out, "mail       RCPTs %lld, external %lld, refused %lld; messages %lld\n", field_count(o, "rcpts"),
            field_count(o, "external_rcpts"), field_count(o, "refused_rcpts"), field_count(o, "messages"));
    print_counts(out, "packets", json_object_get(o, "verdicts"), true);
    print_counts(out, "ended", json_object_get(o, "ended"), false);
    fprintf(out, "bans       %lld\n", field_count(o, "bans"));
    print_counts(out, "alerts", json_object_get(o, "alerts"), false);
    fprintf(out, "memory     now %lld, at most %lld, of %lld blocks of %lld bytes; %lld, at most %lld, of %lld notes\n",
            field_count(memory, "blocks_now"), field_count(memory, "blocks_peak"), field_count(memory, "blocks_max"),
            field_count(memory, "block_bytes"), field_count(memory, "notes_now"), field_count(memory, "notes_peak"),
            field_count(memory, "notes_max"));
    status_dnsbl_print(out, json_object_get(o, "dnsbl"));
    print_counts(out, "lost", json_object_get(o, "lost"), false);
    if (field_count(o, "syslog_waiting") > 0)
        fprintf(out, "SYSLOG IS AWAY, or doesn't read: %lld lines wait for it\n", field_count(o, "syslog_waiting"));
    if (!json_is_true(json_object_get(o, "reporter_alive")))
        fprintf(out, "NO REPORTER: alerts reach nobody until it is there again\n");
}
