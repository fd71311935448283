/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nfq/status_server.h"

#include "nfq/channel.h"
#include "nfq/offenders_json.h"
#include "nfq/sandbox.h"
#include "nfq/status_json.h"
#include "nfq/supervisor.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

struct client {
    int fd; /* -1: none */
    char *text;
    size_t sent, len;
    struct offenders_tale tale; /* what comes behind text */
    struct mono since;
};

struct status_server {
    struct status_facts facts;
    struct offender_table *offenders;
    struct client clients[STATUS_CLIENTS];
};

static struct mono mono_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (struct mono){t.tv_sec * NS_PER_S + t.tv_nsec};
}

static void set_signals(void)
{
    const struct sigaction ignore = {.sa_handler = SIG_IGN};
    static const int ignored[] = {SIGINT, SIGHUP, SIGUSR1, SIGPIPE, SIGTERM};
    for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++)
        sigaction(ignored[i], &ignore, NULL); /* it ends when the supervisor's end of the channel does */
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static void dismiss(struct client *c)
{
    if (c->fd >= 0)
        close(c->fd);
    free(c->text);
    *c = (struct client){.fd = -1};
}

/* A free place; else that of the one who has waited longest. */
static struct client *place(struct status_server *s)
{
    struct client *oldest = &s->clients[0];
    for (size_t i = 0; i < STATUS_CLIENTS; i++) {
        if (s->clients[i].fd < 0)
            return &s->clients[i];
        if (mono_before(s->clients[i].since, oldest->since))
            oldest = &s->clients[i];
    }
    dismiss(oldest);
    return oldest;
}

/* Sends what fits, one piece at most. A client that has all, or is gone, is dismissed. */
static void serve(struct status_server *s, struct client *c)
{
    while (c->sent < c->len) {
        ssize_t n = send(c->fd, c->text + c->sent, c->len - c->sent, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0) {
            dismiss(c);
            return;
        }
        c->sent += (size_t)n;
    }
    free(c->text);
    c->sent = 0;
    c->text = offenders_json_next(s->offenders, &c->tale, &c->len);
    if (c->text == NULL)
        dismiss(c);
}

static void welcome(struct status_server *s, int listening)
{
    for (int i = 0; i < STATUS_CLIENTS; i++) {
        int fd = accept4(listening, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0)
            return;
        struct client *c = place(s);
        *c = (struct client){.fd = fd, .text = status_text(&s->facts), .since = mono_now()};
        c->len = c->text != NULL ? strlen(c->text) : 0;
        serve(s, c);
    }
}

/* false: the supervisor is gone. */
static bool take_facts(struct status_server *s, int fd)
{
    static struct message m;
    int n;
    while ((n = channel_receive(fd, &m)) == 1) {
        if (m.kind == MESSAGE_SUMMARY) {
            s->facts.summary = m.is.summary;
            s->facts.known = true;
        }
        if (m.kind == MESSAGE_QUEUE && m.is.queue.index < SUPERVISOR_QUEUES_MAX)
            s->facts.queues[m.is.queue.index] = m.is.queue;
    }
    return n != -EPIPE;
}

/* What dnsbl_service says counts for its own part only: it reads what strangers answer. */
static void take_zones(struct status_server *s, int fd)
{
    static struct message m;
    while (channel_receive(fd, &m) == 1) {
        if (m.kind == MESSAGE_ZONE) {
            s->facts.zones[m.is.zone.index] = m.is.zone;
            s->facts.zone_count = m.is.zone.count;
        }
        if (m.kind == MESSAGE_LOOKUPS)
            s->facts.lookups = m.is.lookups;
    }
}

static void out_of_patience(struct status_server *s)
{
    struct mono now = mono_now();
    for (size_t i = 0; i < STATUS_CLIENTS; i++)
        if (s->clients[i].fd >= 0 && !mono_before(now, mono_add(s->clients[i].since, STATUS_PATIENCE_NS)))
            dismiss(&s->clients[i]);
}

int status_server_run(int listening, int facts, int zones, struct offender_table *offenders)
{
    static struct status_server s;
    s.offenders = offenders;
    struct pollfd fds[STATUS_CLIENTS + 3];
    set_signals();
    for (size_t i = 0; i < STATUS_CLIENTS; i++)
        s.clients[i].fd = -1;
    if (!offender_table_seal(offenders) || sandbox_enter(SANDBOX_STATUS, NULL, 0) < 0)
        return 1;
    do {
        for (size_t i = 0; i < STATUS_CLIENTS; i++)
            fds[i] = (struct pollfd){.fd = s.clients[i].fd, .events = POLLOUT};
        fds[STATUS_CLIENTS] = (struct pollfd){.fd = s.facts.known ? listening : -1, .events = POLLIN};
        fds[STATUS_CLIENTS + 1] = (struct pollfd){.fd = facts, .events = POLLIN};
        fds[STATUS_CLIENTS + 2] = (struct pollfd){.fd = zones, .events = POLLIN};
        if (poll(fds, STATUS_CLIENTS + 3, 1000) < 0 && errno != EINTR)
            return 1;
        for (size_t i = 0; i < STATUS_CLIENTS; i++)
            if (fds[i].revents != 0 && s.clients[i].fd >= 0)
                serve(&s, &s.clients[i]);
        if (fds[STATUS_CLIENTS + 2].revents != 0)
            take_zones(&s, zones);
        if (fds[STATUS_CLIENTS].revents != 0)
            welcome(&s, listening);
        out_of_patience(&s);
    } while (fds[STATUS_CLIENTS + 1].revents == 0 || take_facts(&s, facts));
    for (size_t i = 0; i < STATUS_CLIENTS; i++)
        dismiss(&s.clients[i]);
    return 0;
}
