// SPDX-License-Identifier: GPL-2.0-or-later
#include "pcap-tests/replay/progress.h"

#include "kmod-free/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define LOOK_EVERY    1024 /* calls between two looks at the clock */
#define SHOW_EVERY_NS (200 * NS_PER_MS)

static int64_t now(void)
{
    struct timespec t = {0};

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * NS_PER_S + t.tv_nsec;
}

void progress_start(struct progress *p)
{
    *p = (struct progress){.shown = isatty(STDERR_FILENO), .began = now()};
    p->next = p->began + SHOW_EVERY_NS;
}

bool progress_due(struct progress *p)
{
    if (!p->shown || ++p->calls % LOOK_EVERY != 0)
        return false;
    return now() >= p->next;
}

double progress_seconds(const struct progress *p)
{
    return (double)(now() - p->began) / 1e9;
}

void progress_show(struct progress *p, const struct progress_state *s)
{
    double seconds = progress_seconds(p);
    char part[16] = "";

    if (s->part >= 0)
        snprintf(part, sizeof part, " %3.0f%%", s->part < 1 ? s->part * 100 : 100.0);
    fprintf(stderr, "\rcapture %d of %d%s  %" PRIu64 " packets  %.0f MB/s  %" PRIu64 " attempts to relay \033[K",
            s->file, s->files, part, s->packets, seconds > 0 ? (double)s->bytes / 1e6 / seconds : 0, s->attempts);
    fflush(stderr);
    p->next = now() + SHOW_EVERY_NS;
}

void progress_clear(const struct progress *p)
{
    if (p->shown)
        fputs("\r\033[K", stderr);
}
