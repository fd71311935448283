// SPDX-License-Identifier: GPL-2.0-or-later
#include "pcap-tests/replay/table.h"

#include "kmod-free/report/escape.h"
#include "kmod-free/report/event_json.h"

#include <inttypes.h>
#include <stdlib.h>

#define SHOWN_FROM   28
#define SHOWN_RCPT   44
#define SHOWN_VIA    24
#define SHOWN_DOMAIN 60
#define SHOWN_MOST   64

/* One attempt to relay. Texts are escaped already. */
struct row {
    struct wall wall;
    uint64_t flow_id;
    uint32_t ordinal;
    uint32_t via;
    uint16_t code; /* of the server's answer; 0: not seen */
    enum action action;
    bool doubtful;
    char client[64], server[64];
    char from[SHOWN_FROM + 1], rcpt[SHOWN_RCPT + 1];
};

struct table {
    struct row *rows;
    size_t used, room;
    uint64_t left_out;
    uint64_t doubted; /* flow_id of the last one with a row for what may be text behind missing bytes */
    uint32_t *slots; /* finds a row by flow and ordinal: its index plus 1; 0 is free */
    size_t slot_mask;
};

struct table *table_new(size_t rows)
{
    struct table *t = calloc(1, sizeof *t);
    size_t slots = 64;

    while (slots < 2 * rows)
        slots *= 2;
    if (!t)
        return NULL;
    t->room = rows;
    t->slot_mask = slots - 1;
    t->rows = calloc(rows ? rows : 1, sizeof *t->rows);
    t->slots = calloc(slots, sizeof *t->slots);
    if (!t->rows || !t->slots) {
        table_free(t);
        return NULL;
    }
    return t;
}

void table_free(struct table *t)
{
    if (!t)
        return;
    free(t->rows);
    free(t->slots);
    free(t);
}

/* The slot that holds the row of this attempt, or the free one where it would go. */
static uint32_t *slot_of(const struct table *t, uint64_t flow_id, uint32_t ordinal)
{
    uint64_t mixed = (flow_id * UINT64_C(0x9e3779b97f4a7c15) ^ ordinal) * UINT64_C(0xff51afd7ed558ccd);
    size_t at = (size_t)(mixed >> 32) & t->slot_mask;

    for (;; at = (at + 1) & t->slot_mask) {
        const struct row *row;

        if (t->slots[at] == 0)
            return &t->slots[at];
        row = &t->rows[t->slots[at] - 1];
        if (row->flow_id == flow_id && row->ordinal == ordinal)
            return &t->slots[at];
    }
}

static void endpoint_text(const struct endpoint *e, char out[static 64])
{
    char addr[48];

    ip_addr_text(&e->addr, addr);
    snprintf(out, 64, e->addr.family == 6 ? "[%s]:%u" : "%s:%u", addr, (unsigned)e->port);
}

/* The longest end of b that takes at most `most` characters when escaped; `most` is below SHOWN_MOST. */
static size_t end_text(struct bytes b, size_t most, char out[static SHOWN_MOST])
{
    bool cut;
    size_t len;

    if (b.len > most)
        b = bytes_from(b, b.len - most);
    while (len = escape_plain(b, out, most + 1, &cut), cut)
        b = bytes_from(b, 1);
    return len;
}

/*
 * Escaped, and where it is too long for its column, with ".." in the place of what is
 * left out: the middle, since a recipient's end says where its mail goes. What has been
 * cut before has no end to show.
 */
static void column_text(struct bytes b, bool cut_already, char *out, size_t room)
{
    char end[SHOWN_MOST] = "";
    size_t end_len = 0, len;
    bool cut = false;

    len = escape_plain(b, out, room, &cut);
    if (!cut && !(cut_already && len + 2 >= room))
        return;
    if (!cut_already)
        end_len = end_text(b, room / 2, end);
    len = escape_plain(b, out, room - 2 - end_len, &cut);
    memcpy(out + len, "..", 2);
    memcpy(out + len + 2, end, end_len + 1);
}

static void add_row(struct table *t, const struct event *ev)
{
    struct row *row;

    if (ev->doubtful && t->doubted == ev->flow_id)
        return; /* a text that quotes many is shown once */
    if (ev->doubtful)
        t->doubted = ev->flow_id;
    if (t->used == t->room) {
        t->left_out += !ev->doubtful;
        return;
    }
    row = &t->rows[t->used++];
    *row = (struct row){
        .wall = ev->wall,
        .flow_id = ev->flow_id,
        .ordinal = ev->ordinal,
        .via = ev->via,
        .action = ev->action,
        .doubtful = ev->doubtful,
    };
    endpoint_text(&ev->client, row->client);
    endpoint_text(&ev->server, row->server);
    if (ev->mail_from.set && ev->mail_from.len == 0)
        snprintf(row->from, sizeof row->from, "<>");
    else
        column_text(event_text(ev, &ev->mail_from), ev->mail_from.cut, row->from, sizeof row->from);
    column_text(event_text(ev, &ev->rcpt_to), ev->rcpt_to.cut, row->rcpt, sizeof row->rcpt);
    *slot_of(t, row->flow_id, row->ordinal) = (uint32_t)t->used;
}

void table_event(struct table *t, const struct event *ev)
{
    uint32_t slot;

    switch (ev->kind) {
    case EVENT_RCPT:
        if (summary_offends(ev))
            add_row(t, ev);
        break;
    case EVENT_REPLY:
        slot = *slot_of(t, ev->flow_id, ev->ordinal);
        if (slot > 0)
            t->rows[slot - 1].code = ev->code;
        else if (ev->doubtful && summary_offends(ev))
            t->left_out++;
        break;
    case EVENT_ALERT:
    case EVENT_SESSION:
    case EVENT_GAP:
        break;
    }
}

static void via_text(uint32_t via, char *out, size_t room)
{
    size_t len = 0;

    snprintf(out, room, "-");
    for (unsigned i = 0; i < VIA_COUNT && len < room; i++)
        if (via & 1u << i)
            len += (size_t)snprintf(out + len, room - len, "%s%s", len ? "," : "", via_name(1u << i));
    if (len >= room)
        memcpy(out + room - 3, "..", 3);
}

static void answer_text(const struct row *row, char *out, size_t room)
{
    uint16_t code = row->code;

    if (code == 0 && row->doubtful)
        snprintf(out, room, "text?");
    else if (code == 0)
        snprintf(out, room, "not seen");
    else if (code >= 200 && code < 300)
        snprintf(out, room, "ACCEPTED %u", code);
    else
        snprintf(out, room, "refused %u", code);
}

/* "2026-11-24 04:25:26" */
static void time_text(struct wall wall, char out[static 40])
{
    wall_text(wall, out);
    out[10] = ' ';
    out[19] = '\0';
}

#define COLUMNS 8

struct cells {
    char text[COLUMNS][64];
};

static void row_cells(const struct row *row, struct cells *c)
{
    time_text(row->wall, c->text[0]);
    snprintf(c->text[1], sizeof c->text[1], "%s", row->client);
    snprintf(c->text[2], sizeof c->text[2], "%s", row->server);
    snprintf(c->text[3], sizeof c->text[3], "%s", row->from);
    snprintf(c->text[4], sizeof c->text[4], "%s", row->rcpt);
    via_text(row->via, c->text[5], SHOWN_VIA);
    answer_text(row, c->text[6], sizeof c->text[6]);
    snprintf(c->text[7], sizeof c->text[7], "%s", action_name(row->action));
}

static void widen(size_t width[COLUMNS], const struct cells *c)
{
    for (size_t i = 0; i < COLUMNS; i++)
        if (strlen(c->text[i]) > width[i])
            width[i] = strlen(c->text[i]);
}

static void print_cells(const struct cells *c, const size_t width[COLUMNS], FILE *out)
{
    for (size_t i = 0; i + 1 < COLUMNS; i++)
        fprintf(out, "%-*s  ", (int)width[i], c->text[i]);
    fprintf(out, "%s\n", c->text[COLUMNS - 1]);
}

static void print_rows(const struct table *t, FILE *out)
{
    const struct cells head = {{"TIME (UTC)", "CLIENT", "SERVER", "FROM", "RECIPIENT", "VIA", "SERVER SAID", "POLICY SAYS"}};
    size_t width[COLUMNS] = {0};
    struct cells c;

    if (t->used + t->left_out == 0)
        return;
    widen(width, &head);
    for (size_t i = 0; i < t->used; i++) {
        row_cells(&t->rows[i], &c);
        widen(width, &c);
    }
    fprintf(out, "Attempts to relay\n\n");
    if (t->used > 0)
        print_cells(&head, width, out);
    for (size_t i = 0; i < t->used; i++) {
        row_cells(&t->rows[i], &c);
        print_cells(&c, width, out);
    }
    if (t->left_out > 0)
        fprintf(out, "... and %" PRIu64 " more (--rows N shows more of them, --json all)\n", t->left_out);
    fputc('\n', out);
}

static void print_clients(const struct summary *s, FILE *out)
{
    const struct tally_entry *top[SUMMARY_TOP];
    size_t n = tally_top(s->clients, top, SUMMARY_TOP);

    if (n == 0)
        return;
    fprintf(out, "%-40s %10s %10s %10s\n", "TOP CLIENTS", "attempts", "accepted", "refused");
    for (size_t i = 0; i < n; i++) {
        char text[48];
        summary_client_text(top[i], text);
        fprintf(out, "%-40s %10" PRIu64 " %10" PRIu64 " %10" PRIu64 "\n", text, top[i]->count[TALLY_TRIED],
                top[i]->count[TALLY_ACCEPTED], top[i]->count[TALLY_REFUSED]);
    }
    if (tally_size(s->clients) > n)
        fprintf(out, "... of %zu%s clients\n", tally_size(s->clients), tally_others(s->clients) ? " and more" : "");
    fputc('\n', out);
}

static void print_domains(const struct summary *s, FILE *out)
{
    const struct tally_entry *top[SUMMARY_TOP];
    size_t n = tally_top(s->domains, top, SUMMARY_TOP);

    if (n == 0)
        return;
    fprintf(out, "%-40s %10s\n", "TOP EXTERNAL DOMAINS", "attempts");
    for (size_t i = 0; i < n; i++) {
        char text[SHOWN_DOMAIN + 1];
        column_text(bytes_of(top[i]->name, top[i]->name_len), false, text, sizeof text);
        fprintf(out, "%-40s %10" PRIu64 "\n", text, top[i]->count[TALLY_TRIED]);
    }
    if (tally_size(s->domains) > n)
        fprintf(out, "... of %zu%s domains\n", tally_size(s->domains), tally_others(s->domains) ? " and more" : "");
    fputc('\n', out);
}

static void print_other_alerts(const struct summary *s, FILE *out)
{
    const char *before = "Other alerts: ";

    for (int reason = 0; reason < REASON_COUNT; reason++) {
        if (reason == REASON_EXTERNAL_RCPT || s->alerts[reason] == 0)
            continue;
        fprintf(out, "%s%s %" PRIu64, before, reason_name((enum reason)reason), s->alerts[reason]);
        before = ", ";
    }
    if (*before == ',')
        fprintf(out, " (--json shows them)\n");
}

static void print_number(FILE *out, const char *before, uint64_t n, const char *what)
{
    fprintf(out, "%s%" PRIu64 " %s%s", before, n, what, summary_plural(n));
}

static void print_unseen(const struct summary *s, const struct engine_counters *c, FILE *out)
{
    const char *before = "not seen: ";

    if (s->tls > 0) {
        print_number(out, before, s->tls, "session");
        fprintf(out, " behind STARTTLS");
        before = ", ";
    }
    if (s->unreadable > 0) {
        print_number(out, before, s->unreadable, "session");
        fprintf(out, " that showed no SMTP");
        before = ", ";
    }
    if (c->gaps > 0) {
        print_number(out, before, c->gap_bytes, "byte");
        print_number(out, " missing in ", c->gaps, "gap");
        before = ", ";
    }
    if (*before == ',')
        fputc('\n', out);
}

static void print_counts(const struct summary *s, const struct engine_counters *c, FILE *out)
{
    print_number(out, "", s->files, "file");
    print_number(out, ", ", s->packets, "packet");
    print_number(out, ", ", s->bytes, "byte");
    fprintf(out, " in %.1f s of capture", (double)(s->last.ns - s->first.ns) / 1e9);
    print_number(out, "; ", c->flows, "TCP flow");
    fprintf(out, ", %" PRIu64 " of them SMTP\n", c->smtp_flows);
    print_number(out, "", c->rcpts, "recipient");
    fprintf(out, ", %" PRIu64 " external", c->external_rcpts);
    print_number(out, "; ", c->messages, "message");
    print_number(out, " taken; ", s->tried, "attempt");
    fprintf(out, " to relay: %" PRIu64 " accepted, %" PRIu64 " refused\n", s->accepted, s->refused);
    if (s->authenticated > 0) {
        print_number(out, "", s->authenticated, "session");
        fprintf(out, " of these had logged in (AUTH): a tag with `authenticated = exempt` lets such relay\n");
    }
    print_unseen(s, c, out);
}

void table_print(const struct table *t, const struct summary *s, const struct engine_counters *c, FILE *out)
{
    char answer[256];

    print_rows(t, out);
    print_clients(s, out);
    print_domains(s, out);
    print_other_alerts(s, out);
    print_counts(s, c, out);
    summary_answer_text(s, answer, sizeof answer);
    fprintf(out, "\nIs my server being abused? %s\n", answer);
}
