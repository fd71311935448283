/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * channel - messages between the processes of the daemon: whole, in order, never
 * blocking the sender. What finds no room is lost, and counted in the next message
 * that does.
 *
 * Workers read hostile bytes all day, so what they send is checked as if it came
 * from a stranger.
 */
#ifndef RCPTWALL_CHANNEL_H
#define RCPTWALL_CHANNEL_H

#include "kmod-free/engine.h"

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
    uint64_t accepted, dropped, clipped, resets, unset, not_written;
    uint64_t batches, sends, overruns, verdict_errors;
    uint64_t close_requests, lost_events, lost_messages;
};

struct worker_report {
    struct worker_counters worker;
    struct engine_counters engine;
    bool final; /* the worker ends now */
};

enum message_kind {
    MESSAGE_EVENT = 1, /* worker to reporter */
    MESSAGE_TEXT,      /* supervisor to reporter: a line for syslog */
    MESSAGE_READY,     /* worker to supervisor: no body */
    MESSAGE_CLOSE,
    MESSAGE_REPORT,
    MESSAGE_NOTE,
};

#define MESSAGE_TEXT_MAX 1024

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
        struct {
            int32_t priority;            /* LOG_WARNING and so on */
            char line[MESSAGE_TEXT_MAX]; /* NUL-terminated */
        } text;
    } is;
};

/* One end of a channel for sending. */
struct channel {
    int fd;
    uint32_t lost; /* since the last message that got through */
    uint64_t lost_total;
    int64_t patience_ns; /* what is left of the time that sends may wait for room in all; 0: never wait */
};

/* ends[0] receives, ends[1] sends; both close on exec. 0 or -errno. */
RW_CHECK int channel_pair(int ends[static 2]);
/* false: lost, and counted. */
bool channel_send(struct channel *, enum message_kind kind, const void *body, size_t len);
bool channel_send_event(struct channel *, const struct event *);
bool channel_send_text(struct channel *, int priority, const char *line);
bool channel_send_note(struct channel *, enum note);

/*
 * 1: *out is a valid message; 0: none is there now; -EPIPE: all senders are gone;
 * -EBADMSG: one came that can't be believed, and is gone; otherwise -errno.
 */
RW_CHECK int channel_receive(int fd, struct message *out);

/* Is it a RST of an SMTP connection: one family, and one of the ports is the servers'? */
RW_CHECK bool close_request_valid(const struct close_request *, const uint16_t *ports, size_t port_count);

#endif
