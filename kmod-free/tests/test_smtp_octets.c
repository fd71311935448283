/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The octets of BDAT and XEXCH50: data, or commands for a server that refuses them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "kmod-free/tests/smtp_scripts.h"
#include "kmod-free/tests/support.h"
#include "kmod-free/tests/support_smtp.h"

static void test_bdat(void **state)
{
    (void)state;
    PLAY(CHUNKING MAIL RCPT "c: BDAT 16\\r\\nRCPT TO:<x>\\r\\n.\\r\nS: 250 got 16\nc: BDAT 0 LAST\\r\\nQUIT\\r\\n\n"
                            "S: 250 queued\nS: 221 bye\n",
         HELO SAW_MAIL SAW_RCPT "message\n");
    /* pipelined; the count is exact; several chunks; RSET between; lower case */
    PLAY(CHUNKING "C: MAIL FROM:<a>\nC: RCPT TO:<b>\nc: BDAT 4\\r\\nabc\\rbdat 5 last\\r\\n\\r\\n.\\r\\nRSET\\r\\nRCPT "
                  "TO:<c>\\r\\n\nS: 250 x\nS: 250 x\nS: 250 x\nS: 250 x\nS: 250 x\nS: 503 x\n",
         HELO "mail <a>\nrcpt 0 <b>\nrcpt 1 <c>\nreply 0 250\nmessage\nreply 1 503\n");
    PLAY(CHUNKING MAIL RCPT
         "c: BDAT 3\\r\\nabcRSET\\r\\nMAIL FROM:<b>\\r\\nRCPT TO:<c>\\r\\n\nS: 250 x\nS: 250 x\nS: 250 x\n"
         "S: 250 x\n",
         HELO SAW_MAIL SAW_RCPT "mail <b>\nrcpt 1 <c>\nreply 1 250\n");
    /* 354 means nothing to BDAT; DATA behind a chunk is refused */
    PLAY(CHUNKING MAIL RCPT "c: BDAT 3\\r\\nabcDATA\\r\\nRCPT TO:<x>\\r\\n\nS: 250 x\nS: 503 x\nS: 250 x\n",
         HELO SAW_MAIL SAW_RCPT "rcpt 1 <x>\nreply 1 250\n");
}

/* RFC 3030 2: it must read the octets of a BDAT that it refuses. Some don't where none is due. */
static void test_bdat_that_is_not_due(void **state)
{
    (void)state;
    /* no sender, no recipient, one that was refused (go-smtp) */
    PLAY(CHUNKING "c: BDAT 13\\r\\nRCPT TO:<x>\\r\\n\nS: 503 no\n", HELO "rcpt? 0 <x>\n");
    PLAY(CHUNKING MAIL "c: BDAT 13\\r\\nRCPT TO:<x>\\r\\n\nS: 503 no\n", HELO SAW_MAIL "rcpt? 0 <x>\n");
    PLAY(CHUNKING MAIL "C: RCPT TO:<b>\nS: 550 no\nc: BDAT 14\\r\\nabRCPT TO:<x@y>\\r\\n\nS: 503 no\n",
         HELO SAW_MAIL "rcpt 0 <b>\nreply 0 550\nrcpt? 1 <x@y>\n");
    /* the same when the replies come later: the octets wait for them */
    PLAY(CHUNKING "C: MAIL FROM:<a>\nC: RCPT TO:<b>\nc: BDAT 19\\r\\nabcdef\\r\\nRCPT TO:<x>\n"
                  "S: 250 x\nS: 550 x\nS: 503 x\nc: \\r\\n\n",
         HELO "mail <a>\nrcpt 0 <b>\nreply 0 550\nrcpt 1 <x>\n");
    PLAY(CHUNKING "C: MAIL FROM:<a>\nC: RCPT TO:<b>\nc: BDAT 21 LAST\\r\\nabcdef\\r\\nRCPT TO:<x>\\r\\n\n"
                  "S: 250 x\nS: 250 x\nS: 250 x\n",
         HELO "mail <a>\nrcpt 0 <b>\nreply 0 250\nmessage\n");
    /* the word across the end of the octets */
    PLAY(CHUNKING
         "C: MAIL FROM:<a>\nC: RCPT TO:<b>\nc: BDAT 5\\r\\nab\\nRCPT TO:<x>\\r\\n\nS: 250 x\nS: 550 x\nS: 503 x\n",
         HELO "mail <a>\nrcpt 0 <b>\nreply 0 550\nrcpt? 1 <x>\n");
    /* between chunks Exim takes nothing else, and after an error only RSET */
    PLAY(CHUNKING MAIL RCPT "c: BDAT 3\\r\\nabcBDAT 0\\r\\nBDAT 13\\r\\nRCPT TO:<x>\\r\\n\n"
                            "S: 250 x\nS: 504 x\nS: 503 x\nS: 250 x\n",
         HELO SAW_MAIL SAW_RCPT "rcpt? 1 <x>\nreply 1 250\n");
    static const char *const between[] = {"FOO",        "NOOP", "RSET", "MAIL FROM:<c@d>", "EHLO x", "STARTTLS",
                                          "AUTH PLAIN", "VRFY", "DATA", "RCPT TO:<c>"};
    char script[2000];
    for (size_t i = 0; i < sizeof(between) / sizeof(between[0]); i++) {
        struct play *p = play_new();
        snprintf(script, sizeof(script),
                 CHUNKING MAIL RCPT
                 "c: BDAT 3\\r\\nabc\nS: 250 x\nC: %s\nS: 503 x\nc: BDAT 13\\r\\nRCPT TO:<x>\\r\\n\nS: 503 x\n"
                 "S: 250 x\n",
                 between[i]);
        PLAY(script, NULL);
        play_script(p, SMTP_FROM_BANNER, script, PLAY_WHOLE, 0);
        if (strstr(p->events, "<x>") == NULL)
            fail_msg("behind %s: %s", between[i], p->events);
        play_free(p);
    }
    /* Exim doesn't take a tab for a blank; and an answer before the octets came isn't about octets */
    PLAY(CHUNKING MAIL RCPT "C: BDAT\t2000000\nS: 500 what\nC: RCPT TO:<x>\nS: 250 x\n",
         HELO SAW_MAIL SAW_RCPT "rcpt? 1 <x>\nreply 1 250\n");
    PLAY(CHUNKING MAIL RCPT "C: BDAT 2000000\nS: 500 what\nC: RCPT TO:<x>\nS: 250 x\n",
         HELO SAW_MAIL SAW_RCPT "rcpt? 1 <x>\nreply 1 250\n");
    /* Exchange's blob belongs between */
    PLAY(CHUNKING MAIL RCPT
         "C: XEXCH50 3 2\nS: 354 x\nc: abc\nS: 250 x\nc: BDAT 13 LAST\\r\\nRCPT TO:<x>\\r\\n\nS: 250 x\n",
         HELO SAW_MAIL SAW_RCPT "message\n");
}

static void test_bdat_read_in_two_ways(void **state)
{
    static const char *const odd[] = {
        "BDAT 15 LAST LAST",
        "BDAT 15LAST",
        "BDAT\\t15 LAST",
        "BDAT 15\\tLAST",
        "BDAT +15 LAST",
        "BDAT 0xf LAST",
        "BDAT -1",
        "BDAT",
        "BDAT x",
        " BDAT 15 LAST",
        "BDAT 15,LAST",
        "BDAT 4294967311 LAST",
        "BDAT 00000000015",
        "BDAT 017 LAST",
        "BDAT 00",
        "BDAT 15 LAS",
        "BDAT\\x0015",
        "BDAT 15\\x00",
        "BDAT 15\\x0bLAST",
        "BDAT\\x0b15 LAST",
        "BDAT 5 15",
        "BDATX 15",
        "BDAT 15 LAST\\rX",
        "BDAT \"15\" LAST",
        "BDAT 99999999999999999999999999",
        "BDAT 15{ *600}LAST",
    };
    char script[2000];
    (void)state;
    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        /* offered: did it take octets, and how many? */
        snprintf(script, sizeof(script), CHUNKING MAIL RCPT "c: %s\\r\\nRCPT TO:<abc>\\r\\n\nS: 250 ok\n", odd[i]);
        PLAY(script, HELO SAW_MAIL SAW_RCPT "rcpt? 1 <abc>\n");
        snprintf(script, sizeof(script), CHUNKING MAIL RCPT "c: %s\\r\\nRCPT TO:<abc>\\r\\n\nS: 501 no\n", odd[i]);
        PLAY(script, HELO SAW_MAIL SAW_RCPT "rcpt? 1 <abc>\n");
    }
    /* not offered: in EHLO's reply, after HELO, before either */
    PLAY(GREETING MAIL RCPT "c: BDAT 15 LAST\\r\\nRCPT TO:<abc>\\r\\n\nS: 500 what\nS: 250 ok\n",
         HELO SAW_MAIL SAW_RCPT "rcpt? 1 <abc>\nreply 1 250\n");
    PLAY(CHUNKING "C: HELO c.example\nS: 250 x\n" MAIL "c: BDAT 15 LAST\\r\\nRCPT TO:<abc>\\r\\n\nS: 250 took it\n",
         HELO HELO SAW_MAIL "rcpt? 0 <abc>\n");
    PLAY("S: 220 x\nc: BDAT 15 LAST\\r\\nRCPT TO:<abc>\\r\\n\nS: 503 no\n", "rcpt? 0 <abc>\n");
    /* and the text that a DATA begins after that is looked at, too: how many replies were due isn't known */
    PLAY(GREETING MAIL RCPT "C: BDAT 0 LAST\nS: 500 what\n" MAIL RCPT DATA "C: RCPT TO:<x>\nC: .\nS: 250 ok\n",
         HELO SAW_MAIL SAW_RCPT "mail? <s@c.example>\nrcpt? 1 <u@local.example>\nreply 1 250\nrcpt? 2 <x>\nmessage\n");
    PLAY(CHUNKING MAIL "c: BDAT 15 LAST\\n\nc: RCPT TO:<abc>\\r\\n\nS: 250 ok\n", HELO SAW_MAIL "rcpt? 0 <abc>\n");
}

static void test_commands_inside_a_line(void **state)
{
    (void)state;
    /* where the octets end, a line begins for the server: also when nobody knows where that is */
    PLAY(CHUNKING MAIL RCPT "C: BDAT 5LAST\nC: abcdeRCPT TO:<x>\nS: 250 x\nS: 250 x\n",
         HELO SAW_MAIL SAW_RCPT "rcpt? 1 <x>\n");
    PLAY(CHUNKING
         "C: \nC: NOOP\nS: 500 x\nS: 250 x\nC: BDAT 5\nC: abcdeRCPT TO:<x>; RCPT TO:<y>\nC: RCPT TO:<z> RCPT TO:<w>\n",
         HELO "rcpt? 0 <x>; RCPT TO:<y>\nrcpt? 1 <y>\nrcpt? 2 <w>\nrcpt? 3 <z> RCPT TO:<w>\n");
    PLAY(CHUNKING MAIL "C: BDAT 6000X\nC: {A*6000}RCPT TO:<x@y>\nS: 250 x\n", HELO SAW_MAIL "rcpt? 0 <x@y>\n");
    PLAY(CHUNKING MAIL "C: BDAT 3X\nC: abcRCPT TO:<x@y>{A*6000}RCPT TO:<z@y>{ *20000}RCPT TO:<w@y>\nS: 250 x\n", NULL);
    PLAY(CHUNKING MAIL "c: BDAT 9\\r\\nabc\ngap c\nC: xyzRCPT TO:<x@y>\n", HELO SAW_MAIL "rcpt? 0 <x@y>\n");
    /* a text is no place for that */
    PLAY(TO_BODY "c: x\\n.\\ntext, and xRCPT TO:<x@y>\\n\nC: \nC: .\nS: 250 x\n", SAW_BODY "message\n");
}

static void test_xexch50(void **state)
{
    (void)state;
    PLAY(GREETING MAIL RCPT
         "c: XEXCH50 17 2\\r\\n\nS: 354 send\nc: RCPT TO:<x>\\r\\n\\x00\\x01\nc: \\r\\nRCPT TO:<y>\\r\\n\n"
         "S: 250 ok\nS: 250 ok\n",
         HELO SAW_MAIL SAW_RCPT "rcpt 1 <y>\nreply 1 250\n");
    PLAY(GREETING MAIL RCPT "c: XEXCH50 15 2\\r\\nRCPT TO:<abc>\\r\\n\nS: 500 no\nS: 250 ok\n",
         HELO SAW_MAIL SAW_RCPT "rcpt 1 <abc>\nreply 1 250\n");
    PLAY(GREETING MAIL RCPT "c: XEXCH50 15\\r\\nRCPT TO:<abc>\\r\\n\nS: 354 ok\nS: 250 ok\n",
         HELO SAW_MAIL SAW_RCPT "rcpt? 1 <abc>\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bdat),
        cmocka_unit_test(test_bdat_that_is_not_due),
        cmocka_unit_test(test_bdat_read_in_two_ways),
        cmocka_unit_test(test_commands_inside_a_line),
        cmocka_unit_test(test_xexch50),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
