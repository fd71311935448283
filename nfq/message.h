/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * message - what the processes of the daemon say to each other, and who to whom (enum message_kind). Both ends are
 * of the same build: numbers and structs are as memory has them. How it is sent, and what is believed: channel.h.
 */
#ifndef RCPTWALL_MESSAGE_H
#define RCPTWALL_MESSAGE_H

#include "kmod-free/engine.h"
#include "nfq/dnsbl/lookup.h"

/* Something that a worker wants said once; the words are the supervisor's. */
enum note {
    NOTE_RULES_MISSING = 1, /* a packet came back condemned: nothing acts on the mark (V4) */
    NOTE_BUFFER_OVERRUN,    /* ENOBUFS */
    NOTE_BUFFER_SHORT,      /* less receive buffer than asked for */
    NOTE_CUT,               /* a packet longer than the kernel can copy */
    NOTE_VERDICTS_LOST,     /* the kernel refused verdicts */
    NOTE_NOT_WRITTEN,       /* a packet could not be rewritten and was dropped instead */
};
#define NOTE_LAST NOTE_NOT_WRITTEN

/* One RST, to be sent as if by the other end. */
struct close_request {
    struct endpoint from, to;
    struct reset_numbers numbers;
};

/* A worker's counters beside the engine's. */
struct worker_counters {
    uint64_t packets, bytes, gso, csum_trusted; /* of queued packets; bytes from the IP header on */
    uint64_t cut, malformed, no_id, stranger;   /* stranger: datagrams that aren't from the kernel */
    uint64_t condemned_again;                   /* V4 */
    uint64_t accepted, dropped, clipped, rewritten, resets, unset, not_written;
    uint64_t batches, sends, overruns, verdict_errors;
    uint64_t parked; /* of them that waited in the queue for a DNS blocklist's answer, before they got their verdict */
    uint64_t close_requests, lost_events, lost_messages;
    uint64_t ways; /* 1: packets say which of several connections they are of, since that was needed */
    uint64_t ways_unread; /* 1: which connections were open at the start couldn't be read */
};

enum report_why {
    REPORT_BEAT = 1, /* the packet loop goes round: said about twice a second */
    REPORT_ASKED,    /* SIGUSR1 */
    REPORT_FINAL,    /* the worker ends now */
};

struct worker_report {
    struct worker_counters worker;
    struct engine_counters engine;
    uint32_t why; /* enum report_why */
};

/* A new policy for a worker; the policy itself, policy_pack's bytes, comes along as a file descriptor. */
struct policy_order {
    uint32_t generation;
    uint32_t size;
    bool enforce, fail_open;
    bool want_rcpt_events, want_session_events;
};

/* What the reporter shall go by from now on; an event file comes along as a file descriptor. */
struct reporter_settings {
    int32_t facility, alert_level; /* of syslog(3) */
    int64_t interval_ns;           /* repeats are gathered over this; 0: every one is told */
};

/* What the reporter could not tell, since it was started; and what it holds back just now. */
struct reporter_losses {
    uint64_t events, alerts_gathered_out, file_lines, syslog_lines, malformed;
    uint64_t syslog_waiting;
};

enum message_kind {
    MESSAGE_EVENT = 1, /* worker to reporter */
    MESSAGE_TEXT,      /* supervisor to reporter: a line for syslog */
    MESSAGE_READY,     /* worker to supervisor: no body */
    MESSAGE_CLOSE,
    MESSAGE_REPORT,
    MESSAGE_NOTE,
    MESSAGE_RELOADED, /* worker to supervisor: the generation that it judges by now */
    MESSAGE_POLICY,   /* supervisor to worker */
    MESSAGE_SETTINGS, /* supervisor to reporter */
    MESSAGE_LOSSES,   /* reporter to supervisor */
    MESSAGE_SUMMARY,  /* supervisor to status server */
    MESSAGE_QUEUE,
    MESSAGE_ASK,  /* worker to dnsbl_service */
    MESSAGE_TOLD, /* ... and back */
    MESSAGE_ZONE, /* dnsbl_service to status server */
    MESSAGE_LOOKUPS,
};

/* Is this client listed? */
struct dnsbl_ask {
    uint32_t who; /* the worker's number, from 0 */
    uint32_t flow;
    uint64_t flow_id;
    struct ip_addr client;
    int32_t enough; /* his tag's threshold */
};

#define MESSAGE_TEXT_MAX 1024
#define STATUS_TEXT_MAX  400

/* The daemon as a whole, for the status server. Texts are NUL-terminated. */
struct status_summary {
    bool enforce, fail_open, reporter_alive;
    bool asker_alive; /* dnsbl_service, where there is anything to ask */
    bool seccomp;
    int32_t landlock; /* ABI version; 0: this kernel has none */
    uint32_t queue_count;
    struct wall started;
    int64_t uptime_ns;
    uint64_t reloads, reloads_refused, closes, closes_failed;
    struct reporter_losses losses;
    char refused[STATUS_TEXT_MAX];     /* why the last reload was refused; empty: it wasn't */
    char needs_restart[STATUS_TEXT_MAX]; /* keys that changed and can't change in a running daemon */
};

/* One queue. */
struct status_queue {
    uint32_t index; /* from 0 */
    uint16_t queue;
    bool alive, listed;
    int32_t pid;
    uint32_t restarts;
    uint32_t waiting, full_drops, buffer_drops; /* the kernel's; valid if listed */
    struct worker_report report;                /* the worker's last; since it was started */
};

/* One DNS blocklist. */
struct status_zone {
    uint32_t index, count; /* of how many */
    uint32_t state, fault; /* enum dnsbl_state, enum dnsbl_fault */
    struct wall since;     /* when it came into that state */
    uint64_t checks, switched_off;
    struct dnsbl_zone_counters lookups; /* since dnsbl_service was started */
    char name[DNSBL_ZONE_NAME_MAX + 1]; /* NUL-terminated */
};

/* All of them. */
struct status_lookups {
    struct dnsbl_counters count;
    uint32_t entries, entries_max; /* addresses in the cache */
};

struct message {
    uint32_t kind; /* enum message_kind */
    uint32_t lost; /* how many of this sender's messages found no room before this one */
    union {
        struct event event;
        struct close_request close;
        struct worker_report report;
        struct {
            uint32_t note; /* enum note */
        } note;
        uint32_t generation; /* MESSAGE_RELOADED */
        struct policy_order policy;
        struct reporter_settings settings;
        struct reporter_losses losses;
        struct status_summary summary;
        struct status_queue queue;
        struct dnsbl_ask ask;
        struct dnsbl_told told;
        struct status_zone zone;
        struct status_lookups lookups;
        struct {
            int32_t priority;            /* LOG_WARNING and so on */
            char line[MESSAGE_TEXT_MAX]; /* NUL-terminated */
        } text;
    } is;
};

#endif
