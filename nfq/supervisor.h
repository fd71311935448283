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
 * Signals: SIGTERM and SIGINT stop (workers answer what waits, sessions are ended, the
 * reporter tells what is left); SIGUSR1 prints one line of counters a queue on stderr.
 */
#ifndef RCPTWALL_SUPERVISOR_H
#define RCPTWALL_SUPERVISOR_H

#include "nfq/privileges.h"
#include "rules/config.h"

#define SUPERVISOR_QUEUES_MAX 64

struct supervisor_setup {
    const struct config *config; /* sealed */
    bool enforce;
    uint32_t buffer; /* socket receive buffer a queue */
    int event_file;  /* -1: none */
    struct identity become;
};

/* The exit status: 0 stopped, 2 could not start (one line on stderr). */
int supervisor_run(const struct supervisor_setup *);

#endif
