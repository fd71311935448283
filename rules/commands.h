/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * commands - the subcommands of the program. Each gets argv from its own name on,
 * prints its own --help, and returns the exit status that users rely on:
 * 0 as it should be, 1 something was found, 2 trouble (one clear line on stderr).
 */
#ifndef RCPTWALL_COMMANDS_H
#define RCPTWALL_COMMANDS_H

int command_run(int argc, char **argv);     /* nfq/run.c */
int command_replay(int argc, char **argv);  /* pcap-tests/replay/replay.c */
int command_check(int argc, char **argv);   /* rules/command_check.c */
int command_rules(int argc, char **argv);   /* rules/command_rules.c */
int command_status(int argc, char **argv);  /* nfq/command_status.c */
int command_offenders(int argc, char **argv); /* nfq/command_offenders.c */
int command_dnsbl(int argc, char **argv);   /* nfq/command_dnsbl.c */
int command_probe(int argc, char **argv);   /* nfq/command_probe.c */
int command_version(int argc, char **argv); /* nfq/main.c */

#define RCPTWALL_VERSION "0.1.0"

#endif
