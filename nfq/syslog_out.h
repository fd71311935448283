/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * syslog_out - lines to the local syslog daemon (RFC 3164's form, as syslog(3) writes it), never waiting for it.
 *
 * syslog(3) loses a line without a word where nobody listens on /dev/log, and waits for ever where somebody listens
 * and doesn't read. Here what can't be sent is held back, in order and with the time at which it was said, until
 * the daemon is there again; a bounded number of lines, and what finds no room is the caller's to count.
 */
#ifndef RCPTWALL_SYSLOG_OUT_H
#define RCPTWALL_SYSLOG_OUT_H

#include "kmod-free/bytes.h"
#include "kmod-free/clock.h"

#define SYSLOG_OUT_PATH     "/dev/log"
/* The longest line with what stands in front of it; a longer one is cut. */
#define SYSLOG_OUT_LINE_MAX 4352
#define SYSLOG_OUT_HELD     ((size_t)512 << 10)
/* So much of it is only for lines that say more than one alert does. */
#define SYSLOG_OUT_RESERVED ((size_t)32 << 10)
#define SYSLOG_OUT_RETRY_NS (250 * NS_PER_MS)

enum syslog_out_kind {
    SYSLOG_OUT_ALERT = 1,
    SYSLOG_OUT_WORD, /* the daemon's own */
};

struct syslog_out;

/* A socket (datagrams) at path; ident: "rcptwall[812]". Both are kept as they are, and must live as long. NULL: out of
 * memory. */
RW_CHECK struct syslog_out *syslog_out_new(const char *path, const char *ident);
void syslog_out_free(struct syslog_out *);

/* priority: facility | level, as of syslog(3). false: nothing was sent, and there is no room to hold it back. */
bool syslog_out_put(struct syslog_out *, enum syslog_out_kind, int priority, const char *line);
/* Sends what waits, as far as it goes; where nobody listens, once in SYSLOG_OUT_RETRY_NS. */
void syslog_out_push(struct syslog_out *, struct mono now);

/* How many lines wait. */
size_t syslog_out_waiting(const struct syslog_out *);
/* Why they do; a text of strerror. Valid while some do. */
const char *syslog_out_trouble(const struct syslog_out *);
/* Poll this for POLLOUT before the next push; -1: push again after SYSLOG_OUT_RETRY_NS if lines wait. */
int syslog_out_fd(const struct syslog_out *);
/* Lines that the daemon would not have since the start (too long for its socket). */
uint64_t syslog_out_refused(const struct syslog_out *);

#endif
