/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nfq/channel.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define BODY_AT        offsetof(struct message, is)
/* Room for some thousands of alerts; without CAP_NET_ADMIN it stays at the system's default. */
#define CHANNEL_BUFFER (4 << 20)

int channel_pair(int ends[static 2])
{
    int size = CHANNEL_BUFFER;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        return -errno;
    if (setsockopt(ends[1], SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size) < 0)
        (void)setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    return 0;
}

/* Waits for room out of what patience is left. */
static bool wait_for_room(struct channel *c)
{
    if (c->patience_ns <= 0)
        return false;
    struct timespec before, after;
    struct pollfd p = {.fd = c->fd, .events = POLLOUT};
    clock_gettime(CLOCK_MONOTONIC, &before);
    int n = poll(&p, 1, (int)(c->patience_ns / NS_PER_MS) + 1);
    clock_gettime(CLOCK_MONOTONIC, &after);
    c->patience_ns -= (after.tv_sec - before.tv_sec) * NS_PER_S + (after.tv_nsec - before.tv_nsec) + 1000;
    return n > 0 && (p.revents & POLLOUT) != 0;
}

union passed {
    struct cmsghdr head;
    char room[CMSG_SPACE(sizeof(int))];
};

bool channel_send(struct channel *c, enum message_kind kind, const void *body, size_t len)
{
    return channel_send_fd(c, kind, body, len, -1);
}

bool channel_send_fd(struct channel *c, enum message_kind kind, const void *body, size_t len, int fd)
{
    uint32_t head[2] = {kind, c->lost};
    static_assert(sizeof head == BODY_AT, "the body must follow the head without a hole");
    assert(len <= sizeof(struct message) - BODY_AT);
    struct iovec parts[2] = {{head, sizeof head}, {(void *)(uintptr_t)body, len}};
    struct msghdr m = {.msg_iov = parts, .msg_iovlen = 2};
    union passed control = {0};
    if (fd >= 0) {
        control.head = (struct cmsghdr){
            .cmsg_len = CMSG_LEN(sizeof fd), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
        memcpy(CMSG_DATA(&control.head), &fd, sizeof fd);
        m.msg_control = &control;
        m.msg_controllen = sizeof control;
    }
    ssize_t n;
    do
        n = sendmsg(c->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (n < 0 && (errno == EINTR || (errno == EAGAIN && wait_for_room(c))));
    if (n >= 0) {
        c->lost = 0;
        return true;
    }
    if (c->lost < UINT32_MAX)
        c->lost++;
    c->lost_total++;
    return false;
}

bool channel_send_event(struct channel *c, const struct event *ev)
{
    return channel_send(c, MESSAGE_EVENT, ev, event_size(ev));
}

bool channel_send_text(struct channel *c, int priority, const char *line)
{
    struct message m;
    size_t len = strlen(line);
    if (len >= MESSAGE_TEXT_MAX)
        len = MESSAGE_TEXT_MAX - 1;
    m.is.text.priority = priority;
    memcpy(m.is.text.line, line, len);
    m.is.text.line[len] = '\0';
    return channel_send(c, MESSAGE_TEXT, &m.is.text, offsetof(struct message, is.text.line) - BODY_AT + len + 1);
}

bool channel_send_note(struct channel *c, enum note note)
{
    uint32_t n = note;
    return channel_send(c, MESSAGE_NOTE, &n, sizeof n);
}

static bool address_valid(const struct ip_addr *a)
{
    return a->family == 4 || a->family == 6;
}

bool close_request_valid(const struct close_request *r, const uint16_t *ports, size_t port_count)
{
    if (!address_valid(&r->from.addr) || r->from.addr.family != r->to.addr.family || r->from.port == 0 ||
        r->to.port == 0)
        return false;
    for (size_t i = 0; i < port_count; i++)
        if (ports[i] == r->from.port || ports[i] == r->to.port)
            return true;
    return false;
}

static bool zone_valid(const struct status_zone *z)
{
    return z->count <= DNSBL_ZONES_MAX && z->index < z->count && z->state >= DNSBL_UNCHECKED && z->state <= DNSBL_OFF &&
           z->fault <= DNSBL_FAULT_GARBAGE && memchr(z->name, '\0', sizeof z->name) != NULL;
}

static bool message_valid(const struct message *m, size_t len)
{
    if (len < BODY_AT)
        return false;
    len -= BODY_AT;
    switch ((enum message_kind)m->kind) {
    case MESSAGE_EVENT:
        return event_valid(&m->is.event, len);
    case MESSAGE_TEXT:
        return len > sizeof m->is.text.priority && len <= sizeof m->is.text &&
               m->is.text.line[len - sizeof m->is.text.priority - 1] == '\0';
    case MESSAGE_READY:
        return len == 0;
    case MESSAGE_CLOSE:
        return len == sizeof m->is.close;
    case MESSAGE_REPORT:
        return len == sizeof m->is.report && m->is.report.why >= REPORT_BEAT && m->is.report.why <= REPORT_FINAL;
    case MESSAGE_NOTE:
        return len == sizeof m->is.note && m->is.note.note >= 1 && m->is.note.note <= NOTE_LAST;
    case MESSAGE_RELOADED:
        return len == sizeof m->is.generation;
    case MESSAGE_POLICY:
        return len == sizeof m->is.policy;
    case MESSAGE_SETTINGS:
        return len == sizeof m->is.settings;
    case MESSAGE_LOSSES:
        return len == sizeof m->is.losses;
    case MESSAGE_SUMMARY:
        return len == sizeof m->is.summary && memchr(m->is.summary.refused, '\0', STATUS_TEXT_MAX) != NULL &&
               memchr(m->is.summary.needs_restart, '\0', STATUS_TEXT_MAX) != NULL;
    case MESSAGE_QUEUE:
        return len == sizeof m->is.queue;
    case MESSAGE_ASK:
        return len == sizeof m->is.ask && address_valid(&m->is.ask.client);
    case MESSAGE_TOLD:
        return len == sizeof m->is.told;
    case MESSAGE_ZONE:
        return len == sizeof m->is.zone && zone_valid(&m->is.zone);
    case MESSAGE_LOOKUPS:
        return len == sizeof m->is.lookups;
    }
    return false;
}

/* The one descriptor that came along; more than one never fits. */
static int take_passed(struct msghdr *m)
{
    int fd = -1;
    const struct cmsghdr *head = CMSG_FIRSTHDR(m);
    if (head != NULL && head->cmsg_level == SOL_SOCKET && head->cmsg_type == SCM_RIGHTS &&
        head->cmsg_len == CMSG_LEN(sizeof fd))
        memcpy(&fd, CMSG_DATA(head), sizeof fd);
    return fd;
}

static int receive(int fd, struct message *out, union passed *control, int *passed)
{
    struct iovec part = {out, sizeof *out};
    struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control,
                       .msg_controllen = control != NULL ? sizeof *control : 0};
    ssize_t n;
    do
        n = recvmsg(fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return errno == EAGAIN ? 0 : errno == ECONNRESET ? -EPIPE : -errno;
    if (control != NULL)
        *passed = take_passed(&m);
    if (n == 0) /* nobody sends empty messages: the head is always there */
        return -EPIPE;
    return (m.msg_flags & MSG_TRUNC) == 0 && message_valid(out, (size_t)n) ? 1 : -EBADMSG;
}

int channel_receive(int fd, struct message *out)
{
    return receive(fd, out, NULL, NULL);
}

int channel_receive_fd(int fd, struct message *out, int *passed)
{
    union passed control;
    *passed = -1;
    int n = receive(fd, out, &control, passed);
    if (n != 1 && *passed >= 0) {
        close(*passed);
        *passed = -1;
    }
    return n;
}
