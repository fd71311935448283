/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nfq/syslog_out.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* Lines wait one behind the other: their length, and as many bytes. */
#define LENGTH sizeof(uint16_t)

struct syslog_out {
    const char *path, *ident;
    int fd;     /* connected, or -1 */
    int error;  /* why the front line waits */
    bool tried; /* retry_at is valid */
    struct mono retry_at;
    size_t begin, end; /* of what waits, in held */
    size_t waiting;
    uint64_t refused;
    uint8_t held[SYSLOG_OUT_HELD];
};

struct syslog_out *syslog_out_new(const char *path, const char *ident)
{
    struct syslog_out *o = calloc(1, sizeof *o);
    if (o == NULL)
        return NULL;
    o->path = path;
    o->ident = ident;
    o->fd = -1;
    return o;
}

void syslog_out_free(struct syslog_out *o)
{
    if (o == NULL)
        return;
    if (o->fd >= 0)
        close(o->fd);
    free(o);
}

static void disconnect(struct syslog_out *o)
{
    if (o->fd >= 0)
        close(o->fd);
    o->fd = -1;
}

static bool connect_to(struct syslog_out *o)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    size_t len = strlen(o->path);
    if (len >= sizeof to.sun_path) {
        o->error = ENAMETOOLONG;
        return false;
    }
    memcpy(to.sun_path, o->path, len);
    o->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (o->fd >= 0 && connect(o->fd, (const struct sockaddr *)&to, sizeof to) == 0)
        return true;
    o->error = errno;
    disconnect(o);
    return false;
}

/* false: not now. A daemon that was started again has another socket: that is found out by sending. */
static bool send_line(struct syslog_out *o, const uint8_t *at, size_t len)
{
    for (int attempt = 0; attempt < 2; attempt++) {
        if (o->fd < 0 && !connect_to(o))
            return false;
        ssize_t n;
        do
            n = send(o->fd, at, len, MSG_NOSIGNAL | MSG_DONTWAIT);
        while (n < 0 && errno == EINTR);
        if (n >= 0)
            return true;
        o->error = errno;
        if (errno == EAGAIN || errno == ENOBUFS)
            return false; /* it listens, and doesn't read */
        if (errno == EMSGSIZE) {
            o->refused++;
            return true;
        }
        disconnect(o);
    }
    return false;
}

void syslog_out_push(struct syslog_out *o, struct mono now)
{
    if (o->waiting == 0 || (o->fd < 0 && o->tried && mono_before(now, o->retry_at)))
        return;
    while (o->waiting > 0) {
        uint16_t len;
        memcpy(&len, o->held + o->begin, LENGTH);
        if (!send_line(o, o->held + o->begin + LENGTH, len))
            break;
        o->begin += LENGTH + len;
        o->waiting--;
    }
    if (o->waiting == 0)
        o->begin = o->end = 0;
    o->tried = true;
    o->retry_at = mono_add(now, SYSLOG_OUT_RETRY_NS);
}

static bool hold(struct syslog_out *o, enum syslog_out_kind kind, const char *line, size_t len)
{
    size_t room = SYSLOG_OUT_HELD - (kind == SYSLOG_OUT_ALERT ? SYSLOG_OUT_RESERVED : 0);
    if (o->end - o->begin + LENGTH + len > room)
        return false;
    if (o->end + LENGTH + len > SYSLOG_OUT_HELD) {
        memmove(o->held, o->held + o->begin, o->end - o->begin);
        o->end -= o->begin;
        o->begin = 0;
    }
    const uint16_t told = (uint16_t)len;
    memcpy(o->held + o->end, &told, LENGTH);
    memcpy(o->held + o->end + LENGTH, line, len);
    o->end += LENGTH + len;
    o->waiting++;
    return true;
}

bool syslog_out_put(struct syslog_out *o, enum syslog_out_kind kind, int priority, const char *line)
{
    static_assert(SYSLOG_OUT_LINE_MAX <= UINT16_MAX, "a length must fit");
    char text[SYSLOG_OUT_LINE_MAX], at[32] = "";
    struct timespec now;
    struct tm tm;
    clock_gettime(CLOCK_REALTIME, &now);
    if (localtime_r(&now.tv_sec, &tm) == NULL || strftime(at, sizeof at, "%b %e %T", &tm) == 0)
        at[0] = '\0';
    int n = snprintf(text, sizeof text, "<%d>%s %s: %s", priority, at, o->ident, line);
    if (n < 0)
        return false;
    size_t len = (size_t)n < sizeof text ? (size_t)n : sizeof text - 1;
    if (o->waiting == 0 && (o->fd >= 0 || !o->tried) && send_line(o, (const uint8_t *)text, len))
        return true;
    return hold(o, kind, text, len);
}

size_t syslog_out_waiting(const struct syslog_out *o)
{
    return o->waiting;
}

const char *syslog_out_trouble(const struct syslog_out *o)
{
    return strerror(o->error);
}

int syslog_out_fd(const struct syslog_out *o)
{
    return o->waiting > 0 ? o->fd : -1;
}

uint64_t syslog_out_refused(const struct syslog_out *o)
{
    return o->refused;
}
