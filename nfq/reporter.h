/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * reporter - the process that tells people: alerts to syslog, events to the event
 * file. It is a process of its own because both can block for as long as they like
 * (a full disk, a stuck syslog), and neither a verdict nor a RST may wait for that.
 */
#ifndef RCPTWALL_REPORTER_H
#define RCPTWALL_REPORTER_H

#include "kmod-free/clock.h"

#include <stdbool.h>
#include <sys/types.h>

struct reporter_setup {
    int events;                /* channel ends to receive from: all workers ... */
    int texts;                 /* ... and the supervisor */
    int event_file;            /* -1: none */
    int facility, alert_level; /* of syslog(3) */
    int64_t interval_ns;       /* repeats are gathered over this; 0: every one is told */
    pid_t supervisor;          /* whose process id is shown */
    bool echo;                 /* alerts to stderr too: somebody sits there */
};

/* Runs until all senders are gone and everything is told. The exit status. */
int reporter_run(const struct reporter_setup *);

#endif
