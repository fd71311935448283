/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The dialogue's promise: no server takes a RCPT that the dialogue hasn't reported
 * before. A model of a mail server, whose habits the first two bytes of the input
 * choose among those of real ones, gets the client's bytes as the gateway lets them
 * through (or, offline, as they were sent) and answers; its replies reach the dialogue
 * when the input says so. Whenever the model takes a RCPT, its address must have been
 * in an event.
 *
 * Pieces are separated by 0xfe: 'c' raw bytes of the client, 'C' the same and CRLF,
 * 'r' one line of replies arrives, 'w' all of them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "kmod-free/smtp.h"

#define INPUT_MAX 2048
#define ROOM      16384
#define NOTED     256

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum habit {                         /* what real servers differ in */
             OFFLINE = 1 << 0,       /* not the server's: nothing is held back */
             LF_ENDS_LINES = 1 << 1, /* Courier and Python's old smtpd: no */
             SKIPS_BLANKS = 1 << 2,  /* before the verb */
             ODD_ENDS = 1 << 3,      /* a text ends at LF.LF, at CRLF.LF, ... */
             CHUNKING = 1 << 4,
             SLOPPY_COUNTS = 1 << 5, /* sscanf reads BDAT's argument */
             EAGER_PROMPT = 1 << 6,  /* Haraka: a verb at an AUTH prompt is a command */
             AUTH_IN_MAIL = 1 << 7,
             TAKES_RCPT_ALWAYS = 1 << 8, /* MAIL or not */
             TOO_BIG = 1 << 9,           /* 552 in the middle of a text, and not another word at its end */
             SILENT_LINES = 1 << 10,     /* empty lines get no reply */
             TLS = 1 << 11,
             SLOPPY_DATA = 1 << 12,        /* "DATA x" will do */
             REFUSED_CHUNKS_RUN = 1 << 13, /* without CHUNKING offered: octets are commands */
             QUITS_NEVER = 1 << 14,
             CR_ENDS_LINES = 1 << 15, /* alone or with an LF behind it; and so does LF */
};

struct server {
    unsigned habits;
    enum { COMMAND, BODY, CHUNK, PROMPT, ELSEWHERE } state;
    uint8_t line[ROOM], reply[ROOM];
    size_t len, replies, told;          /* told: bytes of reply[] that the dialogue has */
    bool mail, ehlo, too_big, last, cr; /* cr: the last byte, and it ended a line */
    unsigned rcpts, prompts;
    uint64_t octets;
    size_t body;
};

struct world {
    struct smtp s;
    struct smtp_config cfg;
    struct server server;
    uint8_t client[ROOM];
    size_t sent, read, passed; /* of client[]: by the client, by the dialogue, to the server */
    size_t noted;
    struct bytes notes[NOTED]; /* texts of RCPT events; in note_room */
    uint8_t note_room[4 * ROOM];
    size_t note_len;
    bool full;
    struct bytes owed[NOTED]; /* offline: addresses that must turn up by the end */
    size_t owing;
};

static struct world w;

static bool has(enum habit h)
{
    return (w.server.habits & (unsigned)h) != 0;
}

static bool noted(struct bytes address)
{
    for (size_t i = 0; i < w.noted; i++)
        if (w.notes[i].len > 0 && memmem(w.notes[i].at, w.notes[i].len, address.at, address.len) != NULL)
            return true;
    return false;
}

static void took(struct bytes address)
{
    if (address.len == 0 || w.full || noted(address))
        return;
    if (has(OFFLINE) && w.owing < NOTED) {
        uint8_t *at = w.note_room + w.note_len;
        if (address.len > sizeof(w.note_room) - w.note_len)
            return;
        memcpy(at, address.at, address.len);
        w.note_len += address.len;
        w.owed[w.owing++] = bytes_of(at, address.len);
        return;
    }
    if (has(OFFLINE))
        return;
    fprintf(stderr, "the server took a RCPT that was never reported: %.*s\n", (int)address.len,
            (const char *)address.at);
    abort();
}

static void say(const char *text)
{
    size_t n = strlen(text);
    if (n > ROOM - w.server.replies) {
        w.full = true;
        return;
    }
    memcpy(w.server.reply + w.server.replies, text, n);
    w.server.replies += n;
}

static bool begins(struct bytes line, const char *text)
{
    return bytes_begin_nocase(line, bytes_str(text));
}

static void reset(void)
{
    w.server.mail = false;
    w.server.rcpts = 0;
}

static void hello(bool ehlo)
{
    reset();
    w.server.ehlo = ehlo;
    if (!ehlo)
        say("250 hi\r\n");
    else
        say(has(CHUNKING) ? "250-x\r\n250-AUTH LOGIN\r\n250 CHUNKING\r\n" : "250-x\r\n250 AUTH LOGIN\r\n");
}

static void rcpt(struct bytes line)
{
    const uint8_t *from = memchr(line.at, '<', line.len);
    const uint8_t *to = memchr(line.at, '>', line.len);
    if (from == NULL || to == NULL || to < from) {
        say("501 where to\r\n");
        return;
    }
    if (!w.server.mail && !has(TAKES_RCPT_ALWAYS)) {
        say("503 MAIL first\r\n");
        return;
    }
    took(bytes_of(from + 1, (size_t)(to - from) - 1));
    w.server.rcpts++;
    say("250 ok\r\n");
}

/* Postfix's way, or Exim's. */
static void bdat(struct bytes line)
{
    char text[64];
    uint64_t octets = 0;
    struct server *s = &w.server;
    snprintf(text, sizeof(text), "%.*s", (int)(line.len < 63 ? line.len : 63), (const char *)line.at);
    if (!has(CHUNKING) || !s->ehlo) {
        say("500 no such thing\r\n");
        return;
    }
    if (has(SLOPPY_COUNTS)) {
        char *end;
        octets = (unsigned)strtoul(text + 4, &end, 10); /* 2^32 + 5 is 5, as with sscanf's %u */
        if (end == text + 4) {
            say("501 how many\r\n");
            return;
        }
        s->last = strncasecmp(end + strspn(end, " \t\v\f\r"), "LAST", 4) == 0;
    } else {
        size_t at = 4;
        while (text[at] == ' ' || text[at] == '\t')
            at++;
        if (at == 4 || text[at] < '0' || text[at] > '9') {
            say("521 how many\r\n");
            s->state = ELSEWHERE;
            return;
        }
        for (; text[at] >= '0' && text[at] <= '9'; at++)
            octets = octets * 10 + (uint64_t)(text[at] - '0');
        while (text[at] == ' ' || text[at] == '\t')
            at++;
        s->last = strcasecmp(text + at, "LAST") == 0;
        if (text[at] != 0 && !s->last) {
            say("521 what\r\n");
            s->state = ELSEWHERE;
            return;
        }
    }
    s->octets = octets;
    s->state = CHUNK;
}

static void chunk_done(void)
{
    struct server *s = &w.server;
    s->state = COMMAND;
    say(s->rcpts > 0 || has(TAKES_RCPT_ALWAYS) ? "250 got it\r\n" : "503 no recipients\r\n");
    if (s->last)
        reset();
}

static void command(struct bytes line)
{
    struct server *s = &w.server;
    while (has(SKIPS_BLANKS) && line.len > 0 && (line.at[0] == ' ' || (line.at[0] >= '\t' && line.at[0] <= '\r')))
        line = bytes_from(line, 1);
    if (line.len == 0) {
        if (!has(SILENT_LINES))
            say("500 nothing\r\n");
    } else if (begins(line, "EHLO ") || begins(line, "HELO ")) {
        hello(begins(line, "E"));
    } else if (begins(line, "MAIL FROM:")) {
        say(s->mail ? "503 nested\r\n" : "250 ok\r\n");
        s->mail = true;
    } else if (begins(line, "RCPT TO:")) {
        rcpt(line);
    } else if (begins(line, "DATA") && (line.len == 4 || has(SLOPPY_DATA))) {
        s->state = s->rcpts > 0 ? BODY : COMMAND;
        s->body = s->len = 0;
        s->too_big = false;
        say(s->rcpts > 0 ? "354 go\r\n" : "503 RCPT first\r\n");
    } else if (begins(line, "BDAT")) {
        bdat(line);
    } else if (begins(line, "RSET")) {
        reset();
        say("250 ok\r\n");
    } else if (begins(line, "NOOP")) {
        say("250 ok\r\n");
    } else if (begins(line, "HELP")) {
        say("214-a\r\n214 b\r\n");
    } else if (begins(line, "AUTH")) {
        bool now = !s->mail || has(AUTH_IN_MAIL);
        s->state = now ? PROMPT : COMMAND;
        s->prompts = 0;
        say(now ? "334 x\r\n" : "503 not now\r\n");
    } else if (begins(line, "STARTTLS") && has(TLS)) {
        say("220 go\r\n");
        s->state = ELSEWHERE;
    } else if (begins(line, "QUIT") && !has(QUITS_NEVER)) {
        say("221 bye\r\n");
        s->state = ELSEWHERE;
    } else {
        say("500 what\r\n");
    }
}

static void prompt(struct bytes line)
{
    struct server *s = &w.server;
    bool verb = begins(line, "RCPT") || begins(line, "MAIL") || begins(line, "DATA") || begins(line, "RSET") ||
                begins(line, "EHLO") || begins(line, "AUTH") || begins(line, "QUIT") || begins(line, "STARTTLS");
    if (has(EAGER_PROMPT) && verb) {
        s->state = COMMAND;
        command(line);
    } else if (line.len == 1 && line.at[0] == '*') {
        s->state = COMMAND;
        say("501 off\r\n");
    } else if (s->prompts++ == 0) {
        say("334 y\r\n");
    } else {
        s->state = COMMAND;
        say(line.len % 2 ? "235 welcome\r\n" : "535 no\r\n");
    }
}

static void body_done(void)
{
    w.server.state = COMMAND;
    if (!w.server.too_big)
        say("250 queued\r\n");
    reset();
}

/* line[] holds the current line of the text, behind the CRLF before it where that was one. */
static void body(uint8_t c)
{
    struct server *s = &w.server;
    if (++s->body == 30 && has(TOO_BIG)) {
        s->too_big = true;
        say("552 too big\r\n");
    }
    if (s->len < ROOM)
        s->line[s->len++] = c;
    bool cr = has(CR_ENDS_LINES) && c == '\r';
    if (c != '\n' && !cr)
        return;
    bool crlf = s->len > 1 && s->line[s->len - 2] == '\r';
    size_t len = s->len - 1;
    if (has(ODD_ENDS) || has(CR_ENDS_LINES)) {
        while (len > 0 && s->line[len - 1] == '\r')
            len--;
        bool ends = len == 1 && s->line[0] == '.';
        s->len = 0;
        if (ends)
            body_done();
        return;
    }
    if (!crlf)
        return; /* a bare LF is a byte of the line */
    bool ends = s->len == 3 && s->line[0] == '.';
    s->len = 0;
    if (ends)
        body_done();
}

static void server_gets(uint8_t c)
{
    struct server *s = &w.server;
    if (s->state == ELSEWHERE)
        return;
    bool skip = s->cr && c == '\n';
    s->cr = has(CR_ENDS_LINES) && c == '\r' && s->state != CHUNK;
    if (skip)
        return;
    if (s->state == BODY) {
        body(c);
        return;
    }
    if (s->state == CHUNK) {
        if (--s->octets == 0)
            chunk_done();
        return;
    }
    if (s->len == ROOM)
        return;
    s->line[s->len++] = c;
    bool cr = s->len > 1 && s->line[s->len - 2] == '\r';
    if (has(CR_ENDS_LINES) ? c != '\n' && c != '\r' : c != '\n' || (!has(LF_ENDS_LINES) && !cr))
        return;
    size_t len = s->len - 1;
    while (len > 0 && s->line[len - 1] == '\r')
        len--;
    s->len = 0;
    if (s->state == PROMPT)
        prompt(bytes_of(s->line, len));
    else
        command(bytes_of(s->line, len));
    if (s->state == CHUNK && s->octets == 0)
        chunk_done();
}

static void pass(size_t upto)
{
    while (w.passed < upto)
        server_gets(w.client[w.passed++]);
}

static void note(struct bytes text)
{
    if (w.noted == NOTED || text.len > sizeof(w.note_room) - w.note_len) {
        w.full = true;
        return;
    }
    uint8_t *at = w.note_room + w.note_len;
    if (text.len > 0)
        memcpy(at, text.at, text.len);
    w.notes[w.noted++] = bytes_of(at, text.len);
    w.note_len += text.len;
}

/* The client's side is read as far as it goes, and what may be let through is let through. */
static void pull_client(bool fin)
{
    for (;;) {
        struct bytes in = bytes_of(w.client + w.read, w.sent - w.read);
        struct smtp_event ev;
        enum smtp_step step = smtp_next(&w.cfg, &w.s, ROLE_CLIENT, &in, fin, &ev);
        w.read = w.sent - in.len;
        if (step == SMTP_EVENT && ev.kind == SMTP_SAW_RCPT)
            note(ev.text);
        if (step == SMTP_EVENT)
            continue;
        if (!has(OFFLINE))
            pass(step == SMTP_WAIT ? w.read : w.sent);
        return;
    }
}

static void pull_server(size_t upto, bool fin)
{
    for (;;) {
        struct bytes in = bytes_of(w.server.reply + w.server.told, upto - w.server.told);
        struct smtp_event ev;
        enum smtp_step step = smtp_next(&w.cfg, &w.s, ROLE_SERVER, &in, fin, &ev);
        w.server.told = upto - in.len;
        if (step == SMTP_EVENT)
            continue;
        if (step == SMTP_WAIT) {
            pull_client(false);
            continue;
        }
        return;
    }
}

static void client_says(struct bytes b, bool ended)
{
    if (b.len + 2 > ROOM - w.sent)
        return;
    if (b.len > 0)
        memcpy(w.client + w.sent, b.at, b.len);
    w.sent += b.len;
    if (ended) {
        memcpy(w.client + w.sent, "\r\n", 2);
        w.sent += 2;
    }
    if (has(OFFLINE))
        pass(w.sent);
    pull_client(false);
}

static void replies_arrive(bool all)
{
    const uint8_t *from = w.server.reply + w.server.told;
    size_t left = w.server.replies - w.server.told;
    const uint8_t *lf = left > 0 ? memchr(from, '\n', left) : NULL;
    if (lf == NULL)
        return;
    pull_server(all ? w.server.replies : w.server.told + (size_t)(lf - from) + 1, false);
    pull_client(false);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3 || size > INPUT_MAX)
        return 0;
    struct bytes script = bytes_of(data + 2, size - 2);
    memset(&w, 0, sizeof(w));
    w.server.habits = (unsigned)data[0] | (unsigned)data[1] << 8;
    if (has(EAGER_PROMPT))
        w.server.habits |= LF_ENDS_LINES; /* one server does the former, and it does the latter */
    w.cfg.line_max = SMTP_LINE_MAX_DEFAULT;
    smtp_start(&w.s, SMTP_FROM_BANNER);
    say("220 x\r\n");
    while (script.len > 0) {
        const uint8_t *end = memchr(script.at, 0xfe, script.len);
        size_t n = end != NULL ? (size_t)(end - script.at) : script.len;
        uint8_t op = n > 0 ? script.at[0] : 0;
        if (op == 'r' || op == 'w')
            replies_arrive(op == 'w');
        else if (n > 0)
            client_says(bytes_first(bytes_from(script, 1), n - 1), op == 'C');
        script = bytes_from(script, n + 1);
    }
    for (int i = 0; i < 1000 && w.server.told < w.server.replies; i++)
        replies_arrive(true);
    pull_server(w.server.replies, true);
    pull_client(true);
    if (has(OFFLINE) && w.read < w.sent) { /* it waits for a reply that never came: as judge_rest in engine_judge.c */
        smtp_gap(&w.s, ROLE_SERVER);
        pull_client(true);
    }
    for (size_t i = 0; i < w.owing && !w.full; i++)
        if (!noted(w.owed[i])) {
            fprintf(stderr, "the server took a RCPT that was never reported: %.*s\n", (int)w.owed[i].len,
                    (const char *)w.owed[i].at);
            abort();
        }
    return 0;
}
