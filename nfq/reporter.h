/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * reporter - the process that tells people: alerts to syslog, events to the event
 * file. It is a process of its own because both can take as long as they like
 * (a full disk, a slow one), and neither a verdict nor a RST may wait for that. Neither of
 * them holds up the other; what either won't have now is held back, and what is too much is counted.
 * New settings, and a new event file, come over `texts`; what was lost goes back there.
 */
#ifndef RCPTWALL_REPORTER_H
#define RCPTWALL_REPORTER_H

#include "nfq/channel.h"
#include "nfq/offender_table.h"

#include <sys/types.h>

struct reporter_setup {
    int events;                /* channel ends to receive from: all workers ... */
    int texts;                 /* ... and the supervisor */
    int event_file;            /* -1: none */
    struct offender_table *offenders; /* it writes down who tried */
    struct reporter_settings settings;
    pid_t supervisor;          /* whose process id is shown */
    bool echo;                 /* alerts to stderr too: somebody sits there */
};

/* Runs until all senders are gone and everything is told. The exit status. */
int reporter_run(const struct reporter_setup *);

#endif
