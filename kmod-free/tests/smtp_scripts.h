/* SPDX-License-Identifier: GPL-2.0-or-later */
/* smtp_scripts - what the scripts of the dialogue's tests begin with, and the events that it gives. See PLAY. */
#ifndef RCPTWALL_TESTS_SMTP_SCRIPTS_H
#define RCPTWALL_TESTS_SMTP_SCRIPTS_H

#define GREETING                                                                                                       \
    "S: 220 mx.local.example ESMTP\n"                                                                                  \
    "C: EHLO c.example\n"                                                                                              \
    "S: 250-mx.local.example\n"                                                                                        \
    "S: 250-PIPELINING\n"                                                                                              \
    "S: 250-AUTH PLAIN LOGIN\n"                                                                                        \
    "S: 250 STARTTLS\n"
#define CHUNKING                                                                                                       \
    "S: 220 mx.local.example ESMTP\n"                                                                                  \
    "C: EHLO c.example\n"                                                                                              \
    "S: 250-mx.local.example\n"                                                                                        \
    "S: 250 chunking\n"
#define HELO "helo c.example\n"
#define MAIL                                                                                                           \
    "C: MAIL FROM:<s@c.example>\n"                                                                                     \
    "S: 250 ok\n"
#define RCPT                                                                                                           \
    "C: RCPT TO:<u@local.example>\n"                                                                                   \
    "S: 250 ok\n"
#define DATA                                                                                                           \
    "C: DATA\n"                                                                                                        \
    "S: 354 go ahead\n"
#define SAW_MAIL "mail <s@c.example>\n"
#define SAW_RCPT "rcpt 0 <u@local.example>\nreply 0 250\n"
#define TO_BODY  GREETING MAIL RCPT DATA
#define SAW_BODY HELO SAW_MAIL SAW_RCPT

#endif
