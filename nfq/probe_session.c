/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nfq/probe_session.h"

#include "kmod-free/clock.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#define LINES_MAX 100
#define HELO      "rcptwall-probe.invalid" /* RFC 2606: nobody's */

/* A line at a time out of what came. */
struct wire {
    int fd, timeout_s;
    struct mono deadline; /* of the reply: one octet a second is no reply either */
    uint8_t at[4096];
    size_t used;
};

static struct mono now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (struct mono){t.tv_sec * NS_PER_S + t.tv_nsec};
}

/* false: nothing came in time. */
static bool wait_for_bytes(const struct wire *w)
{
    struct pollfd p = {.fd = w->fd, .events = POLLIN};
    int64_t left = w->deadline.ns - now().ns;
    return left > 0 && poll(&p, 1, (int)(left / NS_PER_MS) + 1) > 0;
}

/* One line without its end, cut at room. false: the connection ended, or a line that is none; *error says why. */
static bool read_line(struct wire *w, char *out, size_t room, int *error)
{
    for (;;) {
        const uint8_t *lf = memchr(w->at, '\n', w->used);
        if (lf != NULL) {
            size_t len = (size_t)(lf - w->at), text = len > 0 && w->at[len - 1] == '\r' ? len - 1 : len;
            text = text < room ? text : room - 1;
            memcpy(out, w->at, text);
            out[text] = '\0';
            w->used -= len + 1;
            memmove(w->at, lf + 1, w->used);
            *error = 0;
            return true;
        }
        *error = EPROTO;
        if (w->used == sizeof w->at)
            return false;
        *error = ETIMEDOUT;
        if (!wait_for_bytes(w))
            return false;
        ssize_t n = recv(w->fd, w->at + w->used, sizeof w->at - w->used, 0);
        if (n < 0 && errno == EINTR)
            continue;
        *error = n == 0 ? 0 : errno == EAGAIN ? ETIMEDOUT : errno;
        if (n <= 0)
            return false;
        w->used += (size_t)n;
    }
}

static uint16_t code_of(const char *line)
{
    for (int i = 0; i < 3; i++)
        if (line[i] < '0' || line[i] > '9')
            return 0;
    if (line[3] != '\0' && line[3] != ' ' && line[3] != '-')
        return 0;
    return (uint16_t)((line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0'));
}

/* All lines of one reply (RFC 5321 4.2.1). */
static void read_reply(struct wire *w, struct probe_reply *r)
{
    *r = (struct probe_reply){.cut = false};
    w->deadline = mono_add(now(), w->timeout_s * NS_PER_S);
    for (int lines = 0; lines < LINES_MAX; lines++) {
        if (!read_line(w, r->text, sizeof r->text, &r->error)) {
            r->cut = r->error != ETIMEDOUT && r->error != EPROTO;
            r->code = 0;
            if (r->error == ETIMEDOUT && (lines > 0 || w->used > 0)) {
                r->error = ETIME;
                r->text[0] = '\0';
            }
            return;
        }
        if (lines == 0)
            memcpy(r->first, r->text, sizeof r->first);
        r->code = code_of(r->text);
        if (r->code == 0 || r->text[3] != '-')
            return;
    }
    r->code = 0;
}

static void command(struct wire *w, const char *verb, const char *argument, struct probe_reply *r)
{
    char line[PROBE_PATH_MAX + 32];
    int len = snprintf(line, sizeof line, "%s%s\r\n", verb, argument);

    *r = (struct probe_reply){.cut = false};
    if (len > 0 && (size_t)len < sizeof line && send(w->fd, line, (size_t)len, MSG_NOSIGNAL) == len) {
        read_reply(w, r);
    } else {
        r->cut = true;
        r->error = errno;
    }
}

static int open_connection(const struct probe_target *t)
{
    const struct timeval wait = {.tv_sec = t->timeout_s};
    int fd = socket(t->addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -errno;
    if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait) < 0 ||
        connect(fd, (const struct sockaddr *)&t->addr, t->len) < 0) {
        int error = errno == EINPROGRESS ? ETIMEDOUT : errno;
        close(fd);
        return -error;
    }
    return fd;
}

/* "530 5.7.0 Must issue a STARTTLS command first" (RFC 3207 4); 530 is also "Authentication required" (RFC 4954 6). */
static bool wants_tls(const struct probe_reply *r)
{
    static const char word[] = "STARTTLS";
    const size_t len = sizeof word - 1;
    for (const char *at = r->text; r->code == 530 && strlen(at) >= len; at++)
        if (strncasecmp(at, word, len) == 0)
            return true;
    return false;
}

/* "250-mail.example Hello": the name, if it is one. */
static void note_host(const char *line, char out[static PROBE_DOMAIN_MAX])
{
    size_t len = strlen(line) > 4 ? strcspn(line + 4, " ") : 0;
    char name[PROBE_DOMAIN_MAX];

    out[0] = '\0';
    if (len == 0 || len >= sizeof name)
        return;
    memcpy(name, line + 4, len);
    name[len] = '\0';
    if (probe_domain_valid(name))
        memcpy(out, name, len + 1);
}

static void dialogue(struct wire *w, const char *mail, const char *rcpt, struct probe_session_result *out)
{
    struct probe_reply *r = &out->reply, ignored;

    read_reply(w, r);
    if (r->code != 220)
        return;
    command(w, "EHLO ", HELO, r);
    if (r->code >= 400) /* not if there was no end of it: the rest would be taken for the next one's reply */
        command(w, "HELO ", HELO, r);
    if (r->code != 250)
        return;
    out->outcome.connected = true;
    note_host(r->first, out->host);
    command(w, "MAIL FROM:", mail, r);
    out->outcome.mail = r->code;
    out->outcome.cut = r->cut;
    out->outcome.wants_tls = wants_tls(r);
    if (r->code != 250)
        return;
    command(w, "RCPT TO:", rcpt, r);
    out->outcome.rcpt = r->code;
    out->outcome.cut = r->cut;
    out->outcome.wants_tls = wants_tls(r);
    if (r->code == 0)
        return;
    command(w, "RSET", "", &ignored);
    if (ignored.code != 0)
        command(w, "QUIT", "", &ignored);
}

void probe_session_run(const struct probe_target *t, const char *mail, const char *rcpt,
                       struct probe_session_result *out)
{
    struct wire w = {.fd = open_connection(t), .timeout_s = t->timeout_s};

    *out = (struct probe_session_result){.host = ""};
    if (w.fd < 0) {
        out->reply.error = -w.fd;
        out->reply.cut = true;
        return;
    }
    dialogue(&w, mail, rcpt, out);
    close(w.fd);
}
