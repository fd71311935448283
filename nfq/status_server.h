/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * status_server - the process behind the control socket.
 *
 * It has no capability, can't open anything, and holds nothing but the listening
 * socket and the channel on which the supervisor tells it twice a second how things
 * are. Whoever connects gets all of it as one JSON object in one line, then the offenders (offenders_json.h) as long as he
 * reads on, and the connection ends: nothing is ever read from a client, so there is nothing that it could say. At most
 * STATUS_CLIENTS at a time; who takes longer than STATUS_PATIENCE_NS is cut off, and so is the
 * one that has waited longest when another comes.
 */
#ifndef RCPTWALL_STATUS_SERVER_H
#define RCPTWALL_STATUS_SERVER_H

#include "nfq/offender_table.h"

#define STATUS_CLIENTS     16
#define STATUS_PATIENCE_NS (5 * NS_PER_S)

/*
 * facts: channel end to receive from: the supervisor; zones: dnsbl_service, or -1. Runs until the senders of facts are
 * gone. The exit status.
 */
int status_server_run(int listening, int facts, int zones, struct offender_table *offenders);

#endif
