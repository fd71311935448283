/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * event_file - lines to a file, many in one write, never waiting (for a full disk, or the reader of a pipe). What
 * can't be written stays, up to EVENT_FILE_HELD bytes, and is tried again with the next flush; so no line is ever
 * torn, and what finds no room is counted.
 */
#ifndef RCPTWALL_EVENT_FILE_H
#define RCPTWALL_EVENT_FILE_H

#include "kmod-free/bytes.h"

#define EVENT_FILE_HELD ((size_t)256 << 10)

struct event_file {
    int fd;        /* -1: no file, and nothing is kept */
    int error;     /* of the last flush; 0: it went well */
    bool torn;     /* what is kept begins in the middle of a line that the file has begun */
    uint64_t lost; /* lines, since the start */
    size_t used;
    uint8_t held[EVENT_FILE_HELD];
};

/* line: without its end. */
void event_file_put(struct event_file *, struct bytes line);
/* false: not everything could be written; see error. */
bool event_file_flush(struct event_file *);
/* Another file (-1: none) from here on; the old one is closed. What it did not take goes to the new one. */
void event_file_replace(struct event_file *, int fd);
/* Gives up: what is kept is lost. */
void event_file_end(struct event_file *);

#endif
