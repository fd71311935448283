// SPDX-License-Identifier: GPL-2.0-or-later
#include "kmod-free/report/event_json.h"

#include "kmod-free/report/escape.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* An object under construction: one failed allocation spoils the whole, and is looked at once, at the end. */
struct maker {
    json_t *object;
    bool failed;
};

static struct maker maker_new(void)
{
    json_t *object = json_object();
    return (struct maker){.object = object, .failed = object == NULL};
}

/* Takes the reference to value, also when it fails. */
static void put(struct maker *m, const char *key, json_t *value)
{
    if (json_object_set_new(m->object, key, value) != 0)
        m->failed = true;
}

static void put_count(struct maker *m, const char *key, uint64_t n)
{
    put(m, key, json_integer((json_int_t)n));
}

static void put_bool(struct maker *m, const char *key, bool b)
{
    put(m, key, json_boolean(b));
}

static void put_text(struct maker *m, const char *key, const char *text)
{
    put(m, key, bytes_to_json(bytes_str(text)));
}

static json_t *maker_done(struct maker *m)
{
    if (m->failed) {
        json_decref(m->object);
        return NULL;
    }
    return m->object;
}

json_t *bytes_to_json(struct bytes b)
{
    size_t room = b.len * ESCAPE_FACTOR + 1;
    char *text = malloc(room);
    json_t *value;

    if (!text)
        return NULL;
    value = json_stringn(text, escape_utf8(b, text, room, NULL));
    free(text);
    return value;
}

void wall_text(struct wall wall, char out[static 40])
{
    int64_t s = wall.ns / NS_PER_S;
    int64_t rest = wall.ns % NS_PER_S;
    time_t seconds;
    struct tm tm;
    size_t len;

    if (rest < 0) { /* before 1970 */
        rest += NS_PER_S;
        s--;
    }
    seconds = (time_t)s;
    /* An int64_t of nanoseconds ends in 2262, so the year always fits. */
    if (!gmtime_r(&seconds, &tm))
        memset(&tm, 0, sizeof tm);
    len = strftime(out, 40, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(out + len, 40 - len, ".%06d+00:00", (int)(rest / 1000) % 1000000);
}

void ip_addr_text(const struct ip_addr *addr, char out[static 48])
{
    if ((addr->family != 4 && addr->family != 6) ||
        !inet_ntop(addr->family == 4 ? AF_INET : AF_INET6, addr->at, out, 48))
        snprintf(out, 48, "?");
}

static void put_endpoint(struct maker *m, const char *ip_key, const char *port_key, const struct endpoint *e)
{
    char text[48];

    ip_addr_text(&e->addr, text);
    put(m, ip_key, json_string(text));
    put_count(m, port_key, e->port);
}

static void put_span(struct maker *m, const char *key, const struct event *ev, const struct event_span *span)
{
    if (span->set)
        put(m, key, bytes_to_json(event_text(ev, span)));
}

static json_t *smtp_object(const struct event *ev)
{
    struct maker m = maker_new();

    put_span(&m, "helo", ev, &ev->helo);
    put_span(&m, "mail_from", ev, &ev->mail_from);
    put_span(&m, "rcpt_to", ev, &ev->rcpt_to);
    return maker_done(&m);
}

static void append(json_t *array, json_t *value, bool *failed)
{
    if (json_array_append_new(array, value) != 0)
        *failed = true;
}

static json_t *array_done(json_t *array, bool failed)
{
    if (failed) {
        json_decref(array);
        return NULL;
    }
    return array;
}

static json_t *domains_array(const struct event *ev)
{
    json_t *array = json_array();
    bool failed = false;

    for (size_t i = 0; i < ev->domain_count && i < RECIPIENT_DOMAINS; i++)
        append(array, bytes_to_json(event_text(ev, &ev->domains[i])), &failed);
    return array_done(array, failed);
}

static json_t *via_array(const struct event *ev)
{
    json_t *array = json_array();
    bool failed = false;

    for (unsigned i = 0; i < VIA_COUNT; i++)
        if (ev->via & 1u << i)
            append(array, json_string(via_name(1u << i)), &failed);
    return array_done(array, failed);
}

/* Names of the texts that were longer on the wire. */
static json_t *cut_array(const struct event *ev)
{
    json_t *array = json_array();
    bool failed = false;

    if (ev->helo.cut)
        append(array, json_string("helo"), &failed);
    if (ev->mail_from.cut)
        append(array, json_string("mail_from"), &failed);
    if (ev->rcpt_to.cut)
        append(array, json_string("rcpt_to"), &failed);
    return array_done(array, failed);
}

static json_t *rcptwall_object(const struct event *ev)
{
    struct maker m = maker_new();

    put_text(&m, "tag", ev->tag_name);
    if (ev->kind != EVENT_SESSION) {
        put_bool(&m, "external", ev->external);
        put(&m, "domains", domains_array(ev));
        put(&m, "via", via_array(ev));
    }
    if (ev->rcpt_to.set)
        put_count(&m, "ordinal", ev->ordinal);
    if (ev->doubtful)
        put_bool(&m, "doubtful", true);
    put(&m, "action", json_string(action_name(ev->action)));
    put(&m, "reason", json_string(reason_name(ev->reason)));
    if (ev->detail != DETAIL_NONE)
        put_text(&m, "detail", detail_name(ev->detail));
    put_span(&m, "lists", ev, &ev->lists);
    if (ev->ban_for_s > 0)
        put_count(&m, "ban_seconds", ev->ban_for_s);
    put(&m, "mode", json_string(ev->enforced ? "enforce" : "monitor"));
    if (ev->helo.cut || ev->mail_from.cut || ev->rcpt_to.cut)
        put(&m, "cut", cut_array(ev));
    return maker_done(&m);
}

/* What alert pipelines sort by. Ids are 1025000 (local use, and port 25) plus a number that never changes its meaning.
 */
struct signature {
    int id;
    int severity; /* 1 is worst */
    const char *text, *category;
};

static struct signature signature_of(enum reason reason)
{
    switch (reason) {
    case REASON_NONE:
    case REASON_COUNT:
        break;
    case REASON_EXTERNAL_RCPT:
        return (struct signature){1025001, 1, "SMTP relay attempt: recipient in an external domain", "Mail Relay"};
    case REASON_DNSBL:
        return (struct signature){1025002, 2, "SMTP client listed in a DNS blocklist", "Mail Reputation"};
    case REASON_SMUGGLING:
        return (struct signature){1025003, 1, "SMTP smuggling: commands behind an odd end of data", "Mail Evasion"};
    case REASON_EVASION:
        return (struct signature){1025004, 1, "TCP evasion: a later copy of judged bytes differs", "Mail Evasion"};
    case REASON_DESYNC:
        return (struct signature){1025005, 3, "SMTP commands and replies do not pair", "Mail Protocol"};
    case REASON_INJECTION:
        return (struct signature){1025006, 1, "SMTP injection: bytes behind STARTTLS", "Mail Evasion"};
    case REASON_MALFORMED:
        return (struct signature){1025007, 2, "SMTP command malformed", "Mail Protocol"};
    case REASON_LIMIT:
        return (struct signature){1025008, 2, "SMTP limit exceeded", "Mail Limit"};
    case REASON_MIDSTREAM:
        return (struct signature){1025009, 3, "SMTP session without a beginning", "Mail Protocol"};
    case REASON_STARTTLS:
        return (struct signature){1025010, 3, "SMTP session went into TLS", "Mail Protocol"};
    case REASON_CONDEMNED:
        return (struct signature){1025011, 3, "SMTP packet of a condemned session", "Mail Protocol"};
    }
    return (struct signature){1025000, 3, "SMTP policy", "Mail Protocol"};
}

static json_t *alert_object(const struct event *ev)
{
    struct signature s = signature_of(ev->reason);
    struct maker m = maker_new();
    bool blocked = ev->enforced && ev->action >= ACTION_REFUSE;

    put(&m, "action", json_string(blocked ? "blocked" : "allowed"));
    put(&m, "signature", json_string(s.text));
    put_count(&m, "signature_id", (uint64_t)s.id);
    put(&m, "category", json_string(s.category));
    put_count(&m, "severity", (uint64_t)s.severity);
    return maker_done(&m);
}

static json_t *roles_object(const uint64_t of[ROLE_COUNT])
{
    struct maker m = maker_new();

    put_count(&m, "client", of[ROLE_CLIENT]);
    put_count(&m, "server", of[ROLE_SERVER]);
    return maker_done(&m);
}

static json_t *auth_object(const struct event_session *s)
{
    struct maker m = maker_new();

    put_bool(&m, "offered", s->auth_offered);
    put_bool(&m, "used", s->auth_used);
    put_bool(&m, "succeeded", s->auth_succeeded);
    return maker_done(&m);
}

static json_t *session_object(const struct event *ev)
{
    const struct event_session *s = &ev->session;
    int64_t duration_us = s->duration_ns / 1000;
    struct maker m = maker_new();

    put(&m, "packets", roles_object(s->packets));
    put(&m, "bytes", roles_object(s->bytes));
    put_count(&m, "commands", s->commands);
    put_count(&m, "rcpts", s->rcpts);
    put_count(&m, "external_rcpts", s->external_rcpts);
    put_count(&m, "external_accepted", s->external_accepted);
    put_count(&m, "messages", s->messages);
    put_count(&m, "external_messages", s->external_messages);
    put_bool(&m, "starttls", s->starttls);
    put_bool(&m, "starttls_offered", s->starttls_offered);
    put(&m, "auth", auth_object(s));
    put_bool(&m, "midstream", s->midstream);
    put_bool(&m, "smtp", s->smtp);
    put(&m, "verdict", json_string(action_name(ev->action)));
    put(&m, "reason", json_string(reason_name(ev->reason)));
    put(&m, "duration", json_real((double)duration_us / 1e6));
    return maker_done(&m);
}

static json_t *gap_object(const struct event *ev)
{
    struct maker m = maker_new();

    put(&m, "from", json_string(ev->gap_from == ROLE_CLIENT ? "client" : "server"));
    put_count(&m, "bytes", ev->gap_bytes);
    return maker_done(&m);
}

static json_t *reply_object(const struct event *ev)
{
    struct maker m = maker_new();

    put_count(&m, "ordinal", ev->ordinal);
    put_count(&m, "code", ev->code);
    put_bool(&m, "external", ev->external);
    return maker_done(&m);
}

static const char *type_name(enum event_kind kind)
{
    switch (kind) {
    case EVENT_RCPT:
        return "rcpt";
    case EVENT_ALERT:
        return "alert";
    case EVENT_SESSION:
        return "session";
    case EVENT_GAP:
        return "gap";
    case EVENT_REPLY:
        return "reply";
    }
    assert(false); /* an event without a kind */
    return "?";
}

static void put_body(struct maker *m, const struct event *ev)
{
    switch (ev->kind) {
    case EVENT_RCPT:
        put(m, "smtp", smtp_object(ev));
        put(m, "rcptwall", rcptwall_object(ev));
        break;
    case EVENT_ALERT:
        put(m, "smtp", smtp_object(ev));
        put(m, "rcptwall", rcptwall_object(ev));
        put(m, "alert", alert_object(ev));
        break;
    case EVENT_SESSION:
        put(m, "smtp", smtp_object(ev));
        put(m, "rcptwall", rcptwall_object(ev));
        put(m, "session", session_object(ev));
        break;
    case EVENT_GAP:
        put(m, "gap", gap_object(ev));
        break;
    case EVENT_REPLY:
        put(m, "reply", reply_object(ev));
        break;
    }
}

json_t *event_to_json(const struct event *ev)
{
    struct maker m = maker_new();
    char time[40];

    wall_text(ev->wall, time);
    put(&m, "timestamp", json_string(time));
    put(&m, "event_type", json_string(type_name(ev->kind)));
    put_count(&m, "flow_id", ev->flow_id);
    put_endpoint(&m, "src_ip", "src_port", &ev->client);
    put_endpoint(&m, "dest_ip", "dest_port", &ev->server);
    put(&m, "proto", json_string("TCP"));
    put_body(&m, ev);
    return maker_done(&m);
}
