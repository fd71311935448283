/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The dialogue, case by case. PLAY runs each script whole, cut at every byte, and in
 * single bytes, and wants the same events and facts each time (D4).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "kmod-free/tests/support.h"
#include "kmod-free/tests/support_smtp.h"

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

static void test_plain_session(void **state)
{
    (void)state;
    PLAY(TO_BODY "C: Subject: x\nC: \nC: text\nC: .\nS: 250 queued\nC: QUIT\nS: 221 bye\n", SAW_BODY "message\n");
}

static void test_facts(void **state)
{
    struct play *p = play_new();
    (void)state;
    play_script(p, SMTP_FROM_BANNER, TO_BODY "C: x\nC: .\nS: 250 queued\nC: QUIT\nS: 221 bye\n", PLAY_WHOLE, 0);
    const struct smtp_facts *f = &p->s.facts;
    assert_true(f->greeted && f->recognised && f->starttls_offered && f->auth_offered);
    assert_false(f->chunking_offered || f->starttls || f->auth_used || f->auth_succeeded);
    assert_int_equal(f->commands, 5);
    assert_int_equal(f->rcpts, 1);
    assert_int_equal(f->messages, 1);
    assert_in_range(sizeof(p->s), 1, 160);
    play_free(p);
}

static void test_pipelined_group(void **state)
{
    (void)state;
    /* RFC 2920: one flight of commands, one of replies; and the next group right behind the end of data */
    PLAY(GREETING "C: MAIL FROM:<a>\nC: RCPT TO:<b>\nC: RCPT TO:<c>\nC: DATA\n"
                  "S: 250 ok\nS: 250 ok\nS: 550 no\nS: 354 go\n"
                  "C: one\nC: .\nC: RSET\nC: MAIL FROM:<d>\nC: RCPT TO:<e>\nC: DATA\n"
                  "S: 250 queued\nS: 250 ok\nS: 250 ok\nS: 250 ok\nS: 354 go\n"
                  "C: RCPT TO:<no@text.example>\nC: .\nC: QUIT\nS: 250 queued\nS: 221 bye\n",
         HELO "mail <a>\nrcpt 0 <b>\nrcpt 1 <c>\nreply 0 250\nreply 1 550\nmail <d>\nrcpt 2 <e>\nmessage\nreply 2 250\n"
              "message\n");
}

static void test_many_recipients(void **state)
{
    static char script[200000], expect[200000];
    char *s = script, *e = expect;
    (void)state;
    s += sprintf(s, GREETING MAIL);
    e += sprintf(e, HELO SAW_MAIL);
    for (int i = 0; i < 100; i++) {
        s += sprintf(s, "C: RCPT TO:<u%d>\n", i);
        e += sprintf(e, "rcpt %d <u%d>\n", i, i);
    }
    s += sprintf(s, "C: DATA\n");
    for (int i = 0; i < 100; i++) {
        s += sprintf(s, "S: %d x\n", i % 2 ? 250 : 550);
        e += sprintf(e, "reply %d %d\n", i, i % 2 ? 250 : 550);
    }
    s += sprintf(s, "S: 354 go\nC: RCPT TO:<x>\nC: .\nS: 250 ok\n");
    e += sprintf(e, "message\n");
    PLAY(script, expect);
}

static void test_queue_full_waits(void **state)
{
    /* A flight that a run-length queue can't hold: the client's side waits, and goes on with each reply. */
    static char script[20000], expect[20000];
    char *s = script, *e = expect;
    (void)state;
    s += sprintf(s, GREETING);
    e += sprintf(e, HELO);
    for (int i = 0; i < 40; i++)
        s += sprintf(s, "C: RSET\nC: RCPT TO:<u%d>\n", i);
    for (int i = 0; i < 40; i++)
        s += sprintf(s, "S: 250 ok\nS: 25%d ok\n", i % 2);
    struct play *p = play_new();
    play_script(p, SMTP_FROM_BANNER, script, PLAY_MERGED, 0);
    assert_int_equal(p->s.facts.rcpts, 40);
    for (int i = 0; i < 40; i++) {
        char line[64];
        sprintf(line, "reply %d 25%d\n", i, i % 2);
        assert_non_null(strstr(p->events, line));
    }
    (void)e;
    assert_null(strstr(p->events, "desync"));
    play_free(p);
}

static void test_transaction_order(void **state)
{
    (void)state;
    /* what a client may do wrong, and some server forgives: no MAIL, EHLO in between, MAIL twice */
    PLAY(GREETING "C: RCPT TO:<a>\nS: 503 need MAIL\n" MAIL "C: HELO again\nS: 250 hi\nC: RCPT TO:<b>\nS: 250 ok\n"
                  "C: MAIL FROM:<x>\nS: 503 nested\nC: SEND FROM:<y>\nS: 502 no\nC: RCPT TO:<c>\nS: 250 ok\n",
         HELO "rcpt 0 <a>\nreply 0 503\n" SAW_MAIL "helo again\nrcpt 1 <b>\nreply 1 250\nmail <x>\nmail <y>\n"
              "rcpt 2 <c>\nreply 2 250\n");
    PLAY("S: 220 x\nC: LHLO x\nS: 500 what\nC: MAIL FROM:<a>\nS: 250 ok\nC: RCPT TO:<b>\nS: 250 ok\n",
         "helo x\nmail <a>\nrcpt 0 <b>\nreply 0 250\n");
}

static void test_union_of_grammars(void **state)
{
    (void)state;
    PLAY(GREETING MAIL "C: rcpt to:<a>\nC:  RCPT TO:<b>\nc: \\rRCPT TO:<c>\\r\\n\nc: \\x0bRCPT TO:<d>\\r\\n\n"
                       "C: RCPT\\tTO:<e>\nC: RCPTTO:<f>\nC: RCPT CC:<g>\nC: RCPT-TO:<h>\nC: RCPT TO \\t : \\t<i>\n"
                       "C: RCPTX TO:<j>\nC: RCPT user@k\nC: RCPT TO:\\xff<l>\nc: RCPT TO:<m>\\r\\r\\n\n",
         HELO SAW_MAIL "rcpt 0 <a>\nrcpt 1 <b>\nmalformed\nrcpt 2 <c>\nrcpt 3 <d>\nrcpt 4 <e>\nrcpt 5 <f>\nrcpt 6  "
                       "CC:<g>\nrcpt 7 -TO:<h>\n"
                       "rcpt 8  \\x09<i>\nrcpt 9 X TO:<j>\nrcpt 10  user@k\nrcpt 11 \\xff<l>\nrcpt 12 <m>\n");
    /* no RCPT on any server */
    PLAY(GREETING MAIL "C: R CPT TO:<a>\nS: 500 x\nC: TO:<b>\nS: 500 x\nC: VRFY RCPT TO:<c>\nS: 252 x\nC: RCPT\n"
                       "S: 501 x\nC: RCPT \nS: 501 x\nC: -RCPT TO:<d>\nS: 500 x\nC: NOOP\\x00RCPT TO:<e>\nS: 250 x\n",
         HELO SAW_MAIL);
}

static void test_line_ends(void **state)
{
    (void)state;
    /* LF alone ends a line: everywhere but on Courier and Python's old smtpd */
    PLAY("S: 220 x\nc: EHLO c.example\\n\nS: 250 x\nc: MAIL FROM:<a>\\nRCPT TO:<b>\\nRCPT TO:<c>\\r\\n\n"
         "S: 250 ok\nS: 250 ok\nS: 250 ok\n",
         HELO "mail <a>\nrcpt 0 <b>\nrcpt 1 <c>\nreply 0 250\nreply 1 250\n");
    /* a bare CR doesn't, on any server; but it is odd enough to be told */
    PLAY(GREETING "c: RCPT TO:<a>\\rRCPT TO:<b>\\r\\n\nS: 250 ok\n",
         HELO "malformed\nrcpt 0 <a>\\x0dRCPT TO:<b>\nreply 0 250\n");
    PLAY(GREETING "c: MAIL FROM:<a>\\x00\\r\\n\nS: 250 ok\nc: RCPT TO:<a>\\x00<b>\\r\\n\nS: 250 ok\n",
         HELO "malformed\nmail <a>\\x00\nmalformed\nrcpt 0 <a>\\x00<b>\nreply 0 250\n");
    /* empty lines, most servers answer them */
    PLAY(GREETING MAIL "C: \nC: \nc: \\n\nC: RCPT TO:<a>\nS: 500 x\nS: 500 x\nS: 500 x\nS: 250 ok\n",
         HELO SAW_MAIL "rcpt 0 <a>\nreply 0 250\n");
    /* others don't */
    PLAY(GREETING MAIL "C: \nC: RCPT TO:<a>\nS: 250 ok\n" DATA "C: RCPT TO:<x>\nC: .\nS: 250 ok\n",
         HELO SAW_MAIL "rcpt 0 <a>\nreply 0 250\nmessage\n");
    /* the last line has no end */
    PLAY(GREETING MAIL "c: RCPT TO:<a>\n", HELO SAW_MAIL "rcpt 0 <a>\n");
    PLAY(GREETING MAIL "c: RCPT TO:<a>\\r\n", HELO SAW_MAIL "rcpt 0 <a>\n");
}

static void test_lf_inside_an_address(void **state)
{
    (void)state;
    /* Courier: the LF is part of the line */
    PLAY(GREETING MAIL "c: RCPT TO:<u@\\next.example>\\r\\n\nS: 250 ok\n",
         HELO SAW_MAIL "rcpt 0 <u@\nrcpt? 1 <u@\\x0aext.example>\nreply 0 250\n");
    PLAY(GREETING MAIL "c: RCPT TO:u@local.\\n\nc: example.\\n\nc: ext.example\\r\\n\nS: 250 ok\n",
         HELO SAW_MAIL "rcpt 0 u@local.\nrcpt? 1 u@local.\\x0aexample.\\x0aext.example\nreply 0 250\n");
    PLAY(GREETING MAIL "c: RCPT TO:<u@\\next.example>\n", HELO SAW_MAIL "rcpt 0 <u@\nrcpt? 1 <u@\\x0aext.example>\n");
    /* the server's reply tells that the LF ended it; and from then on that is known */
    PLAY(GREETING MAIL "c: RCPT TO:<u@\\n\nS: 501 bad\nc: x>\\r\\n\nS: 500 what\nc: RCPT TO:<v@\\ny>\\r\\n\n",
         HELO SAW_MAIL "rcpt 0 <u@\nreply 0 501\nrcpt 1 <v@\n");
    /* an address that is complete needs no second reading */
    PLAY(GREETING MAIL "c: RCPT TO:<a@b>\\nNOOP\\r\\n\nS: 250 ok\nS: 250 ok\n",
         HELO SAW_MAIL "rcpt 0 <a@b>\nreply 0 250\n");
    /* a client that means LF, and pipelines up to a barrier, must get its replies */
    PLAY(GREETING "c: MAIL FROM:a@b\\nRCPT TO:c@d\\nDATA\\n\nS: 250 ok\nS: 250 ok\nS: 354 go\n"
                  "c: text\\n.\\n\nS: 250 ok\nc: QUIT\\n\nS: 221 bye\n",
         HELO "mail a@b\nrcpt 0 c@d\nreply 0 250\nmessage\n");
}

static void test_replies(void **state)
{
    (void)state;
    /* multi-line replies are one: odd text, no code, codes that differ, code alone, LF alone */
    PLAY("s: 220-x\\n\nS: welcome\nS: 220-500 spam\nS: 220\nC: EHLO c.example\n"
         "S: 250-x\nS: STARTTLS\nS: 550-AUTH=LOGIN\nS: 250\nC: MAIL FROM:<a>\nS: 250-ok\nS: 451 no\n"
         "C: RCPT TO:<b>\ns: 250\\n\nC: RCPT TO:<c>\nS: 550-250 x\nS: 550-250 y\nS: 550 z\n",
         HELO "mail <a>\nrcpt 0 <b>\nreply 0 250\nrcpt 1 <c>\nreply 1 550\n");
    /* a preliminary reply is followed by another one */
    PLAY(GREETING MAIL "C: RCPT TO:<a>\nS: 150 wait\nS: 050 verbose\nS: 250 ok\n",
         HELO SAW_MAIL "rcpt 0 <a>\nreply 0 250\n");
    /* a line that is far too long is its head */
    PLAY(GREETING MAIL "C: RCPT TO:<a>\nS: 250-{a*5000}\nS: 250 {b*9000}\nC: RCPT TO:<c>\nS: 550 no\n",
         HELO SAW_MAIL "rcpt 0 <a>\nreply 0 250\nrcpt 1 <c>\nreply 1 550\n");
    /* no codes at all */
    PLAY(GREETING MAIL "C: RCPT TO:<a>\nS: 2500 x\nS: 25\nS: 999 x\nS: 25x\nS: \nS: 250\n",
         HELO SAW_MAIL "rcpt 0 <a>\nreply 0 250\n");
}

static void test_replies_that_do_not_fit(void **state)
{
    (void)state;
    /* closing unasked is no trouble, nor is one reply too many */
    PLAY(GREETING "S: 421 timeout\n", HELO);
    PLAY(TO_BODY "C: x\nC: .\nS: 250 ok\nS: 451 timeout\nS: 421 bye\n", SAW_BODY "message\n");
    /* a second one is */
    PLAY(TO_BODY "C: x\nC: .\nS: 250 ok\nS: 250 ok\nS: 250 ok\nC: QUIT\nS: 221 x\n", SAW_BODY "message\ndesync\n");
    PLAY(GREETING "S: 250 x\nS: 250 x\nS: 250 x\nS: 250 x\n", HELO "desync\n");
    /* DATA is never answered with 2yz: that was another's; the 354 still begins the text, but now all lines count */
    PLAY(GREETING "C: MAIL FROM:<a>\nC: RCPT TO:<b>\nC: DATA\nS: 250 ok\nS: 250 ok\nS: 250 stray\nS: 354 go\n"
                  "C: RCPT TO:<c>\nC: .\nS: 250 ok\n",
         HELO "mail <a>\nrcpt 0 <b>\nreply 0 250\nrcpt? 1 <c>\nmessage\n");
    /* one reply missing: the 354 can only be DATA's */
    PLAY(GREETING "C: MAIL FROM:<a>\nC: RCPT TO:<b>\nC: DATA\nS: 250 ok\nS: 354 go\nC: RCPT TO:<c>\nC: .\nS: 250 ok\n",
         HELO "mail <a>\nrcpt 0 <b>\nrcpt? 1 <c>\nmessage\n");
    /* other protocols' replies are nobody's trouble */
    PLAY("S: 220 ftp\nC: USER x\nS: 331 pw\nC: PASS y\nS: 230 in\nS: 230 in\nS: 226 x\nS: 226 y\n", "");
}

static void test_banner(void **state)
{
    (void)state;
    /* early talkers are judged at once, and their replies come behind the banner */
    PLAY("C: EHLO c.example\nS: 220 x\nS: 250 x\nC: MAIL FROM:<a>\nC: RCPT TO:<b>\nS: 250 ok\nS: 250 ok\n",
         HELO "mail <a>\nrcpt 0 <b>\nreply 0 250\n");
    PLAY("C: HELO c.example\nC: MAIL FROM:<a>\nC: RCPT TO:<b>\nC: DATA\nS: 220 x\nS: 250 x\nS: 250 ok\nS: 250 ok\n"
         "S: 354 go\nC: RCPT TO:<x>\nC: .\nS: 250 ok\n",
         HELO "mail <a>\nrcpt 0 <b>\nreply 0 250\nmessage\n");
    PLAY("C: RCPT TO:<b>\nS: 554 go away\nS: 503 no\n", "rcpt 0 <b>\nreply 0 503\n");
    /* junk before EHLO */
    PLAY("S: 220 x\nC: JUNK\nC: SSH-2.0-x\nC: GET / HTTP/1.1\nC: \\x16\\x03\\x01\\x02\\x00\\x01\nC: USER a\nC: EHLO "
         "c.example\nC: MAIL FROM:<a>\nC: RCPT TO:<b>\nS: 500 x\nS: 500 x\nS: 500 x\nS: 500 x\nS: 500 x\nS: 250 x\n"
         "S: 250 x\nS: 250 x\n",
         HELO "mail <a>\nrcpt 0 <b>\nreply 0 250\n");
}

static void test_data(void **state)
{
    (void)state;
    /* D1: the body begins with 354 and not before; CVE-2000-1022 */
    PLAY(GREETING "C: DATA\nS: 503 need RCPT\nC: RCPT TO:<a>\nS: 250 ok\nC: .\nS: 500 what\nC: RCPT TO:<b>\n"
                  "S: 250 ok\n",
         HELO "rcpt 0 <a>\nreply 0 250\nrcpt 1 <b>\nreply 1 250\n");
    /* refused DATA with the text pipelined behind it: all commands */
    PLAY(GREETING "C: MAIL FROM:<a>\nC: RCPT TO:<b>\nC: DATA\nC: Subject: x\nC: RCPT TO:<c>\nC: .\n"
                  "S: 250 ok\nS: 550 no\nS: 554 no\nS: 500 x\nS: 503 x\nS: 500 x\n",
         HELO "mail <a>\nrcpt 0 <b>\nreply 0 550\nrcpt 1 <c>\nreply 1 503\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain_session),
        cmocka_unit_test(test_facts),
        cmocka_unit_test(test_pipelined_group),
        cmocka_unit_test(test_many_recipients),
        cmocka_unit_test(test_queue_full_waits),
        cmocka_unit_test(test_transaction_order),
        cmocka_unit_test(test_union_of_grammars),
        cmocka_unit_test(test_line_ends),
        cmocka_unit_test(test_lf_inside_an_address),
        cmocka_unit_test(test_replies),
        cmocka_unit_test(test_replies_that_do_not_fit),
        cmocka_unit_test(test_banner),
        cmocka_unit_test(test_data),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
