/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nfq/event_file.h"

#include <errno.h>
#include <unistd.h>

/* Write in pieces of this size, so that a put finds the room of what is written already. */
#define FLUSH_AT ((size_t)64 << 10)

static void drop_front(struct event_file *f, size_t n)
{
    memmove(f->held, f->held + n, f->used - n);
    f->used -= n;
}

bool event_file_flush(struct event_file *f)
{
    size_t sent = 0;
    f->error = 0;
    while (sent < f->used && f->error == 0) {
        ssize_t n = write(f->fd, f->held + sent, f->used - sent);
        if (n > 0)
            sent += (size_t)n;
        else if (n == 0)
            f->error = EIO;
        else if (errno != EINTR)
            f->error = errno;
    }
    if (sent > 0) {
        f->torn = f->held[sent - 1] != '\n';
        drop_front(f, sent);
    }
    return f->error == 0;
}

void event_file_put(struct event_file *f, struct bytes line)
{
    if (f->fd < 0)
        return;
    if (f->used >= FLUSH_AT && f->error == 0)
        (void)event_file_flush(f);
    if (line.len >= EVENT_FILE_HELD - f->used) {
        f->lost++;
        return;
    }
    memcpy(f->held + f->used, line.at, line.len);
    f->held[f->used + line.len] = '\n';
    f->used += line.len + 1;
}

/* The rest of a line that another file has the beginning of. */
static void drop_torn(struct event_file *f)
{
    const uint8_t *end = f->torn ? memchr(f->held, '\n', f->used) : NULL;
    f->torn = false;
    if (end == NULL)
        return;
    f->lost++;
    drop_front(f, (size_t)(end - f->held) + 1);
}

void event_file_end(struct event_file *f)
{
    for (size_t i = 0; i < f->used; i++)
        f->lost += f->held[i] == '\n';
    f->used = 0;
    f->torn = false;
}

void event_file_replace(struct event_file *f, int fd)
{
    if (f->fd >= 0) {
        (void)event_file_flush(f);
        close(f->fd);
    }
    drop_torn(f);
    f->fd = fd;
    f->error = 0;
    if (fd < 0)
        event_file_end(f);
}
