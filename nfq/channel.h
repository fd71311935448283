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

#include "nfq/message.h"

/* One end of a channel for sending. Either end may. */
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
/* The same with a file descriptor along; -1: none. */
bool channel_send_fd(struct channel *, enum message_kind kind, const void *body, size_t len, int fd);
bool channel_send_event(struct channel *, const struct event *);
bool channel_send_text(struct channel *, int priority, const char *line);
bool channel_send_note(struct channel *, enum note);

/*
 * 1: *out is a valid message; 0: none is there now; -EPIPE: all senders are gone;
 * -EBADMSG: one came that can't be believed, and is gone; otherwise -errno.
 */
RW_CHECK int channel_receive(int fd, struct message *out);
/* The same; *passed is the file descriptor that came along and is the caller's now, or -1. */
RW_CHECK int channel_receive_fd(int fd, struct message *out, int *passed);

/* Is it a RST of an SMTP connection: one family, and one of the ports is the servers'? */
RW_CHECK bool close_request_valid(const struct close_request *, const uint16_t *ports, size_t port_count);

#endif
