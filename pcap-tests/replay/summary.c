// SPDX-License-Identifier: GPL-2.0-or-later
#include "pcap-tests/replay/summary.h"

#include "kmod-free/report/event_json.h"

#include <inttypes.h>
#include <stdio.h>

/* A client's name in the tally: its family and its address. */
#define CLIENT_NAME 17

bool summary_start(struct summary *s)
{
    *s = (struct summary){.clients = tally_new(), .domains = tally_new()};
    if (s->clients && s->domains)
        return true;
    summary_stop(s);
    return false;
}

void summary_stop(struct summary *s)
{
    tally_free(s->clients);
    tally_free(s->domains);
    s->clients = s->domains = NULL;
}

bool summary_offends(const struct event *ev)
{
    return ev->external && ev->action > ACTION_ACCEPT;
}

bool summary_is_attempt(const struct event *ev)
{
    return summary_offends(ev) && !ev->doubtful;
}

static void count_client(struct summary *s, const struct event *ev, enum tally_column column)
{
    uint8_t name[CLIENT_NAME];

    name[0] = ev->client.addr.family;
    memcpy(name + 1, ev->client.addr.at, sizeof ev->client.addr.at);
    tally_add(s->clients, bytes_of(name, sizeof name), column);
}

static void count_attempt(struct summary *s, const struct event *ev)
{
    s->tried++;
    count_client(s, ev, TALLY_TRIED);
    for (size_t i = 0; i < ev->domain_count && i < RECIPIENT_DOMAINS; i++)
        tally_add(s->domains, event_text(ev, &ev->domains[i]), TALLY_TRIED);
}

static void count_reply(struct summary *s, const struct event *ev)
{
    if (ev->doubtful) { /* it was a command: text gets no answer */
        s->doubtful--;
        count_attempt(s, ev);
    }
    if (ev->code >= 200 && ev->code < 300) {
        s->accepted++;
        count_client(s, ev, TALLY_ACCEPTED);
    } else if (ev->code >= 400) {
        s->refused++;
        count_client(s, ev, TALLY_REFUSED);
    }
}

static void count_session(struct summary *s, const struct event *ev)
{
    s->sessions++;
    if (ev->session.external_accepted > 0 && ev->action > ACTION_ACCEPT)
        s->messages += ev->session.external_messages;
    s->authenticated += ev->session.auth_succeeded && ev->session.external_rcpts > 0 && ev->action > ACTION_ACCEPT;
    if (ev->session.starttls)
        s->tls++;
    else if (!ev->session.smtp)
        s->unreadable++;
    else if (ev->session.midstream)
        s->gaps++;
}

void summary_event(struct summary *s, const struct event *ev)
{
    switch (ev->kind) {
    case EVENT_RCPT:
        if (summary_is_attempt(ev))
            count_attempt(s, ev);
        else if (summary_offends(ev))
            s->doubtful++;
        break;
    case EVENT_REPLY:
        if (summary_offends(ev))
            count_reply(s, ev);
        break;
    case EVENT_ALERT:
        if (ev->action > ACTION_ACCEPT && ev->reason < REASON_COUNT)
            s->alerts[ev->reason]++;
        break;
    case EVENT_SESSION:
        count_session(s, ev);
        break;
    case EVENT_GAP:
        s->gaps++;
        break;
    }
}

uint64_t summary_alerts(const struct summary *s)
{
    uint64_t sum = 0;

    for (int reason = 0; reason < REASON_COUNT; reason++)
        sum += s->alerts[reason];
    return sum;
}

enum summary_answer summary_answer(const struct summary *s)
{
    if (s->accepted > 0)
        return ANSWER_ABUSED;
    if (s->tried > 0)
        return s->refused >= s->tried && s->doubtful + s->broken == 0 ? ANSWER_REFUSED : ANSWER_UNKNOWN;
    return s->sessions == 0 || s->doubtful + s->tls + s->unreadable + s->gaps + s->unjudged + s->broken > 0 ? ANSWER_UNKNOWN
                                                                                             : ANSWER_NONE;
}

static const char *answer_name(enum summary_answer answer)
{
    switch (answer) {
    case ANSWER_NONE:
        return "no-attempts";
    case ANSWER_REFUSED:
        return "refused";
    case ANSWER_ABUSED:
        return "abused";
    case ANSWER_UNKNOWN:
        return "unknown";
    }
    return "unknown";
}

const char *summary_plural(uint64_t n)
{
    return n == 1 ? "" : "s";
}

/* "1 went into TLS and 2 showed no SMTP": what there is of it. */
static void unseen_text(const struct summary *s, char *out, size_t room)
{
    const struct {
        uint64_t n;
        const char *what;
    } parts[] = {
        {s->tls, " went into TLS"},
        {s->unreadable, " showed no SMTP"},
        {s->gaps, " lacked bytes or its beginning"},
        {s->unjudged, " found no room"},
    };
    const char *before = " ";
    size_t len = (size_t)snprintf(out, room, "Can't tell for all: no attempt seen, but of %" PRIu64 " session%s",
                                  s->sessions, summary_plural(s->sessions));

    for (size_t i = 0; i < sizeof parts / sizeof parts[0] && len < room; i++) {
        if (parts[i].n == 0)
            continue;
        len += (size_t)snprintf(out + len, room - len, "%s%" PRIu64 "%s", before, parts[i].n, parts[i].what);
        before = ", ";
    }
    if (len < room)
        snprintf(out + len, room - len, ".");
}

/* Why nothing, or too little, was seen. */
static void unknown_text(const struct summary *s, char *out, size_t room)
{
    if (s->broken > 0)
        snprintf(out, room,
                 "Can't tell: %" PRIu64 " capture%s could not be read to the end; before that, %" PRIu64
                 " attempt%s to relay in %" PRIu64 " session%s, %" PRIu64 " refused.",
                 s->broken, summary_plural(s->broken), s->tried, summary_plural(s->tried), s->sessions, summary_plural(s->sessions),
                 s->refused);
    else if (s->doubtful > 0)
        snprintf(out, room,
                 "Can't tell: bytes are missing, and %" PRIu64 " line%s behind them may be RCPT or the text of a message; the "
                 "server didn't answer %s. Beside that, %" PRIu64 " attempt%s, %" PRIu64 " refused.",
                 s->doubtful, summary_plural(s->doubtful), s->doubtful == 1 ? "it" : "them", s->tried, summary_plural(s->tried), s->refused);
    else if (s->tried > 0)
        snprintf(out, room,
                 "Can't tell: %" PRIu64 " attempt%s to relay: 0 accepted, %" PRIu64 " refused, and %" PRIu64
                 " without an answer in the capture (as when the gateway ended the session).",
                 s->tried, summary_plural(s->tried), s->refused, s->tried - s->refused);
    else if (s->sessions == 0)
        snprintf(out, room, "Can't tell: no SMTP session %sfound in %" PRIu64 " packet%s (%s--port any looks on all ports).",
                 s->servers_named ? "of that server " : "", s->packets, summary_plural(s->packets),
                 s->servers_named ? "without --server, every server's are looked at; " : "");
    else
        unseen_text(s, out, room);
}

void summary_answer_text(const struct summary *s, char *out, size_t room)
{
    switch (summary_answer(s)) {
    case ANSWER_NONE:
        if (summary_alerts(s) > 0)
            snprintf(out, room,
                     "No: nobody named an external recipient, in %" PRIu64
                     " session%s that could all be read; but the policy was broken otherwise (see the alerts).",
                     s->sessions, summary_plural(s->sessions));
        else
            snprintf(out, room, "No: nobody tried, in %" PRIu64 " session%s that could all be read.", s->sessions,
                     summary_plural(s->sessions));
        return;
    case ANSWER_REFUSED:
        snprintf(out, room, "No: %" PRIu64 " attempt%s to relay, and the server refused %s.", s->tried,
                 summary_plural(s->tried), s->tried == 1 ? "it" : "them all");
        return;
    case ANSWER_ABUSED:
        snprintf(out, room,
                 "YES: the server accepted %" PRIu64 " of %" PRIu64
                 " external recipient%s of clients that may not relay, "
                 "and took %" PRIu64 " message%s for them.",
                 s->accepted, s->tried, summary_plural(s->tried), s->messages, summary_plural(s->messages));
        return;
    case ANSWER_UNKNOWN:
        unknown_text(s, out, room);
        return;
    }
}

void summary_client_text(const struct tally_entry *e, char out[static 48])
{
    struct ip_addr addr = {0};

    if (e->name_len == CLIENT_NAME) {
        addr.family = e->name[0];
        memcpy(addr.at, e->name + 1, sizeof addr.at);
    }
    ip_addr_text(&addr, out);
}

/* JSON. Whatever fails is out of memory, and is seen in json_pack or the append that meets it. */

static json_t *clients_json(const struct summary *s)
{
    const struct tally_entry *top[SUMMARY_TOP];
    size_t n = tally_top(s->clients, top, SUMMARY_TOP);
    json_t *list = json_array();

    for (size_t i = 0; i < n; i++) {
        char text[48];
        json_t *one;

        summary_client_text(top[i], text);
        one = json_pack("{s:s,s:I,s:I,s:I}", "ip", text, "rcpts", (json_int_t)top[i]->count[TALLY_TRIED], "accepted",
                        (json_int_t)top[i]->count[TALLY_ACCEPTED], "refused", (json_int_t)top[i]->count[TALLY_REFUSED]);
        if (json_array_append_new(list, one) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static json_t *domains_json(const struct summary *s)
{
    const struct tally_entry *top[SUMMARY_TOP];
    size_t n = tally_top(s->domains, top, SUMMARY_TOP);
    json_t *list = json_array();

    for (size_t i = 0; i < n; i++) {
        json_t *one = json_pack("{s:o,s:I}", "domain", bytes_to_json(bytes_of(top[i]->name, top[i]->name_len)), "rcpts",
                                (json_int_t)top[i]->count[TALLY_TRIED]);
        if (json_array_append_new(list, one) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static json_t *alerts_json(const struct summary *s)
{
    json_t *object = json_object();

    for (int reason = REASON_EXTERNAL_RCPT; reason < REASON_COUNT; reason++)
        if (json_object_set_new(object, reason_name((enum reason)reason),
                                json_integer((json_int_t)s->alerts[reason])) != 0) {
            json_decref(object);
            return NULL;
        }
    return object;
}

json_t *summary_to_json(const struct summary *s, const struct engine_counters *c)
{
    int64_t span_us = (s->last.ns - s->first.ns) / 1000;
    double seconds = (double)span_us / 1e6;
    double rate = span_us > 0 ? (double)(int64_t)((double)s->bytes / seconds) : 0;
    char time[40], answer[256];

    wall_text(s->last, time);
    summary_answer_text(s, answer, sizeof answer);
    return json_pack(
        "{s:s,s:s, s:I,s:I,s:I, s:I,s:I, s:I,s:I,s:I, s:I,s:I,s:I,s:I, s:I,s:I, s:o,s:o,s:o, s:f,s:f, s:s,s:s}", //
        "timestamp", time, "event_type", "summary",                                                          //
        "files", (json_int_t)s->files, "packets", (json_int_t)s->packets, "bytes", (json_int_t)s->bytes,     //
        "flows", (json_int_t)c->flows, "smtp_flows", (json_int_t)c->smtp_flows,                              //
        "rcpts", (json_int_t)c->rcpts, "external_rcpts", (json_int_t)c->external_rcpts,                      //
        "messages", (json_int_t)c->messages,                                                                 //
        "relay_attempts", (json_int_t)s->tried, "relay_accepted", (json_int_t)s->accepted,                   //
        "relay_refused", (json_int_t)s->refused, "doubtful", (json_int_t)s->doubtful,                        //
        "gaps", (json_int_t)c->gaps, "gap_bytes", (json_int_t)c->gap_bytes,                                  //
        "alerts", alerts_json(s), "top_clients", clients_json(s), "top_external_domains", domains_json(s),   //
        "seconds", seconds, "bytes_per_second", rate, "answer", answer_name(summary_answer(s)), "answer_text", answer);
}
