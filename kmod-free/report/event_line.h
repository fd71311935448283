/* SPDX-License-Identifier: GPL-2.0-or-later */
/* event_line - an alert as one line of key=value for syslog. */
#ifndef RCPTWALL_EVENT_LINE_H
#define RCPTWALL_EVENT_LINE_H

#include "kmod-free/event.h"

/*
 * RESET external-rcpt tag=outside src=198.51.100.2:40112 dst=192.0.2.25:25 helo="x"
 * from="a@b" rcpt="u%ext.example@local.example" domains=ext.example via=percent count=1
 *
 * An alert of a malformed command says behind dst what was: detail=nul.
 *
 * Values from the wire are quoted; '"', '\' and every byte outside printable
 * ASCII are escaped as \" \\ \xHH (A2): no line break and no terminal sequence gets
 * through. Always NUL-terminated; returns the length; cut at room. In monitor mode the first word is WOULD-RESET.
 */
size_t event_to_line(const struct event *, uint64_t count, char *out, size_t room);

#endif
