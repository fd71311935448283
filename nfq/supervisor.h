/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * supervisor - the parent of all: takes the queues over, starts a worker for each and
 * one reporter, and keeps them running.
 *
 * Theory of operation
 *
 * Nothing here is on the packet path. A worker that dies takes its queue with it (the
 * kernel drops what waited) and is replaced at once, and again after a pause if it
 * doesn't live; its sessions are picked up as midstream. The supervisor opens each queue
 * itself, so that "can't start" is known before anything runs, and lets go of it as
 * soon as the worker has it. It sends the RSTs that workers ask for, having checked
 * that they belong to SMTP.
 *
 * A reload (SIGHUP) reads the configuration again, as the unprivileged user that the
 * supervisor is by then. A bad one changes nothing. A good one goes to the workers as
 * bytes over their channels; each swaps it in between two batches of packets, and no
 * session notices. The reporter gets its settings, and the event file is opened anew.
 *
 * The workers report twice a second from their packet loops. One that falls silent is
 * killed and replaced; systemd's watchdog is answered only while none is silent.
 *
 * Signals: SIGTERM and SIGINT stop (workers answer what waits, sessions are ended, the
 * reporter tells what is left); SIGUSR1 prints one line of counters a queue on stderr.
 */
#ifndef RCPTWALL_SUPERVISOR_H
#define RCPTWALL_SUPERVISOR_H

#include "nfq/privileges.h"
#include "rules/config.h"

#define SUPERVISOR_QUEUES_MAX 64

struct supervisor_setup {
    struct config *config; /* sealed; the supervisor's from now on, which puts others in its place */
    uint32_t buffer;       /* socket receive buffer a queue */
    int event_file;        /* -1: none */
    int control;           /* listening socket of `rcptwall status`; -1: none ... */
    const char *no_control; /* ... for this reason, or NULL */
    struct identity become;
    /* Reads the configuration again, command line included. false: `error` says why, in one line. */
    bool (*read)(void *ctx, struct config *, char *error, size_t room);
    void *read_ctx;
};

/* -1 and errno: it can't be opened. As the user who is to open it again at each reload. */
RW_CHECK int supervisor_open_events(const char *path);
/* The exit status: 0 stopped, 2 could not start (one line on stderr). */
int supervisor_run(const struct supervisor_setup *);

#endif
