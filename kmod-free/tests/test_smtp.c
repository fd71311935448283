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

#include "kmod-free/tests/smtp_scripts.h"
#include "kmod-free/tests/support.h"
#include "kmod-free/tests/support_smtp.h"

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
    (void)sprintf(s, "S: 354 go\nC: RCPT TO:<x>\nC: .\nS: 250 ok\n");
    (void)sprintf(e, "message\n");
    PLAY(script, expect);
}

static void test_queue_full_waits(void **state)
{
    /* A flight that a run-length queue can't hold: the client's side waits, and goes on with each reply. */
    static char script[20000];
    char *s = script;
    (void)state;
    s += sprintf(s, GREETING);
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
    PLAY(GREETING MAIL "C: rcpt to:<a>\nC:  RCPT TO:<b>\nC: \x0cRCPT TO:<c>\nc: \\x0bRCPT TO:<d>\\r\\n\n"
                       "C: RCPT\\tTO:<e>\nC: RCPTTO:<f>\nC: RCPT CC:<g>\nC: RCPT-TO:<h>\nC: RCPT TO \\t : \\t<i>\n"
                       "C: RCPTX TO:<j>\nC: RCPT user@k\nC: RCPT TO:\\xff<l>\nc: RCPT TO:<m>\\r\\r\\n\n",
         HELO SAW_MAIL "rcpt 0 <a>\nrcpt 1 <b>\nrcpt 2 <c>\nrcpt 3 <d>\nrcpt 4 <e>\nrcpt 5 <f>\nrcpt 6  "
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
    /* so does CR alone, on few; with the first of these, and without: see smtp_held.c */
    PLAY(GREETING "c: RCPT TO:<a>\\rRCPT TO:<b>\\r\\n\nS: 250 ok\n",
         HELO "rcpt 0 <a>\nmalformed\nrcpt 1 <b>\nrcpt? 2 <a>\\x0dRCPT TO:<b>\nreply 0 250\n");
    PLAY(GREETING "c: \\rRCPT TO:<c>\\r\\n\n", HELO "rcpt 0 <c>\n");
    PLAY(GREETING "c: NOOP\\rRCPT TO:<c>\\r\\n\n", HELO "rcpt 0 <c>\n");
    PLAY(GREETING "c: RCPT\\rTO:<a>\\r\\rfoo\\nbar\\r\\n\n",
         HELO "rcpt? 0 <a>\\x0d\\x0dfoo\nrcpt? 1 <a>\\x0d\\x0dfoo\\x0abar\n");
    /* never an LF: judged while the line is under way, once */
    PLAY("S: 220 x\nc: EHLO c.example\\r\nS: 250 x\nc: MAIL FROM:<a>\\r\nS: 250 x\nc: RCPT TO:<b>\\r\nS: 250 x\n"
         "c: DATA\\r\nS: 354 x\nc: x\\r.\\r\nS: 250 x\nc: RCPT TO:<c>\\r\nS: 250 x\nc: RSET\\r\nS: 250 x\n",
         NULL);
    /* CR CR LF is one end for most; who takes it for two answers twice, and counts octets from the second one on */
    PLAY(GREETING "c: MAIL FROM:<a>\\r\\r\\n\nS: 250 x\nc: RCPT TO:<b>\\r\\r\\n\nS: 250 x\nc: DATA\\r\\r\\n\nS: 354 x\n"
                  "C: RCPT TO:<x>\nC: .\nS: 250 ok\n",
         HELO "mail <a>\nrcpt 0 <b>\nreply 0 250\nmessage\n");
    PLAY(CHUNKING MAIL RCPT "c: BDAT 5 LAST\\r\\r\\na\\r\\nRCPT TO:<b>\\r\\n\n", HELO SAW_MAIL SAW_RCPT "rcpt 1 <b>\n");
    PLAY(GREETING "c: MAIL FROM:<a>\\x00\\r\\n\nS: 250 ok\nc: RCPT TO:<a>\\x00<b>\\r\\n\nS: 250 ok\n",
         HELO "malformed\nmail <a>\\x00\nmalformed\nrcpt 0 <a>\\x00<b>\nreply 0 250\n");
    /* empty lines, most servers answer them */
    PLAY(GREETING MAIL "C: \nC: \nc: \\n\nC: RCPT TO:<a>\nS: 500 x\nS: 500 x\nS: 500 x\nS: 250 ok\n",
         HELO SAW_MAIL "rcpt 0 <a>\nreply 0 250\n");
    /* others don't: from then on nobody knows which reply is whose */
    PLAY(GREETING MAIL "C: \nC: RCPT TO:<a>\nS: 250 ok\n" DATA "C: RCPT TO:<x>\nC: .\nS: 250 ok\n",
         HELO SAW_MAIL "rcpt 0 <a>\nreply 0 250\nrcpt? 1 <x>\nmessage\n");
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

static void test_lf_in_doubt(void **state)
{
    (void)state;
    /* a RCPT with nothing before the LF, and one while unsure */
    PLAY(GREETING MAIL "c: RCPT TO:\\n<u@ext.example>\\r\\n\nS: 250 ok\n",
         HELO SAW_MAIL "rcpt? 0 \\x0a<u@ext.example>\n");
    PLAY(GREETING MAIL "C: BDAT 5\nS: 500 what\nc: RCPT TO:<u@\\next.example>\\r\\n\nS: 250 ok\n",
         HELO SAW_MAIL "rcpt? 0 <u@\nrcpt? 1 <u@\\x0aext.example>\nreply 0 250\n");
    /* lines that end so, one flight: did the server answer each? All lines count from then on */
    PLAY(GREETING "c: MAIL FROM:<a>\\nRCPT TO:<b>\\nDATA\\r\\n\nS: 250 ok\nS: 250 ok\nS: 354 go\nC: RCPT TO:<x>\n"
                  "C: .\nS: 250 ok\n",
         HELO "mail <a>\nrcpt 0 <b>\nreply 0 250\nrcpt? 1 <x>\nmessage\n");
    /* each answered before the next: it is known, and nothing is in doubt */
    PLAY(GREETING "c: MAIL FROM:<a>\\n\nS: 250 ok\nc: RCPT TO:<b>\\n\nS: 250 ok\nc: DATA\\n\nS: 354 go\n"
                  "c: RCPT TO:<x>\\r\\n.\\r\\n\nS: 250 ok\n",
         HELO "mail <a>\nrcpt 0 <b>\nreply 0 250\nmessage\n");
    PLAY(GREETING "C: \nS: 500 what\n" MAIL RCPT DATA "C: RCPT TO:<x>\nC: .\nS: 250 ok\n", SAW_BODY "message\n");
}

/*
 * Replies that are under way when the dialogue could think itself sure again, and that would
 * make it take a later DATA for the one that got the 354: what a text hides then are commands.
 */
static void test_replies_under_way(void **state)
{
    (void)state;
    PLAY(TO_BODY "c: x\\n.\\nj\\r\\nj\\r\\nj\\r\\n.\\r\\n\nS: 250 odd end\nC: MAIL FROM:<a@b>\nS: 500 j\n"
                 "C: RCPT TO:<b>\nS: 500 j\nC: DATA\nS: 500 j\nC: NOOP\nS: 500 .\nC: .\nS: 250 MAIL\nC: NOOP\n"
                 "S: 250 RCPT\nC: DATA\nS: 354 the first DATA\nC: MAIL FROM:<a@b>\nC: RCPT TO:<x>\n",
         SAW_BODY "message\nmail <a@b>\nrcpt 1 <b>\nreply 1 500\nmessage\nmail? <a@b>\nrcpt? 2 <x>\n");
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

/* What must never give more than its message: mail that merely looks dangerous. */
static void test_innocent_texts(void **state)
{
    static const char *const texts[] = {
        "C: \n",
        "C: ..\nC: ...\nC: ..RCPT TO:<x>\nC: .x\n",
        ("C: > RCPT TO:<a@b.example>\nC: RCPT TO:<a@b.example>\nC: MAIL FROM:<c@d.example>\nC: EHLO x\nC: DATA\n"
         "C: QUIT\nC: STARTTLS\nC: BDAT 10 LAST\nC: AUTH PLAIN AAAA\n"),
        "c: \\xe4\\xf6\\xfc\\x00\\x01\\x02\\xff\\r\\n\n",
        "c: bare\\nLF\\nRCPT TO:<a@b.example>\\nlines\\n\nC: \n", /* no lone dot */
        "c: bare CR\\rRCPT TO:<a@b.example>\\r\nC: \n",
        "c: {A*70000}\\r\\n\n",
        "c: x\\n.\\nordinary text\\nMail from: Bob <b@x>\\nMail me\\r\\n\n",
        "c: x\\n.\\nRcptwall is a daemon\\nHelo Bob\\nEHLO\\nQUIT\\n\nC: \n",
        "c: .\\t\\r\\n.\\x0b. \\r\\n\\xe2\\x80\\xa8.\\xe2\\x80\\xa8RCPT TO:<x@y>\\r\\n\n",
        "c: \\x85.\\x85RCPT TO:<a@b>\\r\\n.\\x1a\\r\\nRCPT TO:<a@b>\\r\\n\n",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        char script[2000];
        snprintf(script, sizeof(script), TO_BODY "%sC: .\nS: 250 queued\nC: QUIT\nS: 221 bye\n", texts[i]);
        PLAY(script, SAW_BODY "message\n");
    }
}

/* Behind an odd end, MAIL and RCPT count, and it is told once. */
static void test_smuggling(void **state)
{
    static const char *const ends[] = {
        "\\n.\\n",
        "\\r\\n.\\n",
        "\\n.\\r\\n",
        "\\r.\\r",
        "\\r\\n.\\r",
        "\\r.\\r\\n",
        "\\n.\\r",
        "\\r.\\n",
        "\\r\\n.\\x00\\r\\n",
        "\\r\\n\\x00.\\r\\n",
        "\\r\\n.\\r\\r\\n",
        "\\r\\r\\n.\\r\\r\\n",
        "\\r\\n.\\n\\r",
        "\\r\\n\\n.\\r\\n",
        "\\x00\\n.\\x00\\n",
        "\\r\\n.\\r\\x00\\n",
        "\\r\\n\\r.\\r\\n",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        char script[2000];
        snprintf(script, sizeof(script),
                 TO_BODY "c: text%sMAIL FROM:<m>\\r\\nRCPT TO:<r>\\r\\nDATA\\r\\ntext\\r\\n.\\r\\n\nS: 250 queued\n"
                         "C: QUIT\nS: 221 bye\n",
                 ends[i]);
        PLAY(script, SAW_BODY "smuggling?\nmail? <m>\nrcpt? 1 <r>\nmessage\n");
    }
    /* right behind the 354, and in one flight with DATA */
    PLAY(TO_BODY "c: .\\nMAIL FROM:<m>\\nRCPT TO:<r>\\n\n", SAW_BODY "smuggling?\nmail? <m>\nrcpt? 1 <r>\n");
    PLAY(GREETING MAIL RCPT "c: DATA\\r\\n.\\r\\r\\nEHLO x\\r\\nMAIL FROM:<m>\\r\\nRCPT TO:<r>\\r\\n\nS: 354 go\n",
         SAW_BODY "smuggling?\nhelo? x\nmail? <m>\nrcpt? 1 <r>\n");
    /* a sender alone, as a text may have it, is none */
    PLAY(TO_BODY "c: x\\n.\\ntext\\nmail from: me@x\\n\nC: \nC: .\nS: 250 ok\n", SAW_BODY "mail?  me@x\nmessage\n");
    /* not at once, and in the grammars' union */
    PLAY(TO_BODY "c: x\\n.\\njunk\\nNOOP\\n rcpt cc:<r>\\n\n", SAW_BODY "smuggling?\nrcpt? 1  cc:<r>\n");
    /* once a body; in the next one again; never sure any more */
    PLAY(TO_BODY "c: \\n.\\nRCPT TO:<a>\\n.\\nRCPT TO:<b>\\n\nC: \nC: .\nS: 250 ok\n" MAIL DATA "C: RCPT TO:<c>\n"
                 "c: \\n.\\nRCPT TO:<d>\\n\nC: \nC: .\nS: 250 ok\n",
         SAW_BODY "smuggling?\nrcpt? 1 <a>\nrcpt? 2 <b>\nmessage\n" SAW_MAIL "rcpt? 3 <c>\nsmuggling?\nrcpt? 4 <d>\n"
                  "message\n");
    /* the strict end: what follows is commands, and no suspicion */
    PLAY(TO_BODY "c: x\\n\\r\\n.\\r\\nRCPT TO:<a>\\r\\n\nS: 250 ok\nS: 503 x\n",
         SAW_BODY "rcpt 1 <a>\nmessage\nreply 1 503\n");
    PLAY(TO_BODY "c: .\\r\\nRCPT TO:<a>\\r\\n\nS: 250 ok\nS: 503 x\n", SAW_BODY "rcpt 1 <a>\nmessage\nreply 1 503\n");
}

/* The server's replies tell which reading was its own. */
static void test_odd_end_that_both_mean(void **state)
{
    (void)state;
    /* it answers, and the client has waited for that: an end like any other */
    PLAY(TO_BODY "c: x\\n.\\n\nS: 250 queued\nC: RCPT TO:<a>\nS: 503 x\nC: QUIT\nS: 221 bye\n",
         SAW_BODY "message\nrcpt 1 <a>\nreply 1 503\n");
    PLAY(TO_BODY "c: x\\r\\n.\\r\\r\\n\nS: 250 ok\n" MAIL RCPT DATA "C: RCPT TO:<x>\nC: .\nS: 250 ok\n",
         SAW_BODY "message\n" SAW_MAIL "rcpt 1 <u@local.example>\nreply 1 250\nmessage\n");
    /* a refusal may as well come from the middle of a text; so may anything that isn't waited for */
    PLAY(TO_BODY "c: x\\r\\n.\\r\\r\\n\nS: 554 no\n" MAIL RCPT DATA "C: RCPT TO:<x>\nC: .\nS: 250 ok\n",
         SAW_BODY SAW_MAIL "rcpt 1 <u@local.example>\nreply 1 250\nrcpt? 2 <x>\nmessage\n");
    PLAY(TO_BODY "c: x\\r\\n.\\nRS\nS: 250 ok\nc: ET\\r\\n\nS: 250 x\n" MAIL RCPT DATA
                 "C: RCPT TO:<x>\nC: .\nS: 250 ok\n",
         NULL);
    /* a client that ends all its lines so may also go on without waiting */
    PLAY("S: 220 x\nc: HELO c.example\\n\nS: 250 x\nc: MAIL FROM:<a>\\n\nS: 250 x\nc: RCPT TO:<b>\\n\nS: 250 x\n"
         "c: DATA\\n\nS: 354 x\nc: text\\n.\\nQUIT\\n\nS: 250 ok\nS: 221 bye\n",
         HELO "mail <a>\nrcpt 0 <b>\nreply 0 250\nmessage\n");
    /* a reply in the middle of the text: whether the server reads on as text isn't known, so all lines count */
    PLAY(TO_BODY "C: x\nS: 552 too big\nC: RCPT TO:<a>\nC: .\nC: RCPT TO:<b>\nS: 250 ok\n",
         SAW_BODY "rcpt? 1 <a>\nrcpt 2 <b>\nmessage\n");
    PLAY(TO_BODY "C: x\nS: 421 bye\nC: RCPT TO:<a>\nC: .\n", SAW_BODY);
}

static void test_starttls(void **state)
{
    (void)state;
    PLAY(GREETING "C: STARTTLS\nS: 220 go\nc: \\x16\\x03\\x01\\r\\nRCPT TO:<x>\\r\\n\ns: \\x16\\x03\\x03250 x\\r\\n\n",
         HELO "starttls\n");
#define TLS_HELLO "c: \\x16\\x03\\x01\\r\\nRCPT TO:<x>\\r\\n\n"
    PLAY(GREETING "C: starttls x\nS: 220 go\n" TLS_HELLO, HELO "starttls\n");
    PLAY(GREETING "C: X-ANONYMOUSTLS\nS: 220 go\n" TLS_HELLO, HELO "starttls\n");
    PLAY(GREETING "C: STARTTLS\nS: 220 go\nc: \\x80\\x2e\\x01\\r\\nRCPT TO:<x>\\r\\n\ns: \\x16\\x03\\x03250 x\\r\\n\n",
         HELO "starttls\n");
    /* who doesn't begin TLS goes on in plain text, and so do barriers and replies */
    PLAY(GREETING "C: STARTTLS\nS: 220 go\nC: RCPT TO:<x>\nS: 250 ok\nC: DATA\nS: 354 go\nC: RCPT TO:<y>\nC: .\nS: 250 "
                  "ok\n" TLS_HELLO,
         HELO "starttls\nrcpt 0 <x>\nreply 0 250\nmessage\nrcpt 1 <x>\n");
    PLAY(GREETING "C: STARTTLS\nS: 220 go\nc: \\r\\n\nS: 500 what\nC: RCPT TO:<x>\nS: 250 ok\n",
         HELO "starttls\nrcpt 0 <x>\nreply 0 250\n");
    PLAY(GREETING "C: STARTTLS\nS: 220 go\nC: STARTTLS\nS: 220 go\n" TLS_HELLO, HELO "starttls\nstarttls\n");
    PLAY(GREETING "C: STARTTLS\nS: 220 go\nS: 421 too late\n" TLS_HELLO, HELO "starttls\n");
    /* injection: told before the reply; commands if it isn't 220 */
    PLAY(GREETING "C: STARTTLS\nC: RCPT TO:<x>\nS: 220 go\nC: RCPT TO:<y>\n",
         HELO "injection\nstarttls\nrcpt 0 <x>\nrcpt 1 <y>\n");
    PLAY(GREETING "C: STARTTLS\nC: RCPT TO:<x>\nS: 454 no\nS: 250 ok\n", HELO "injection\nrcpt 0 <x>\nreply 0 250\n");
    PLAY(GREETING "C: STARTTLS\nc: R\nS: 454 no\nc: CPT TO:<x>\\r\\n\nS: 250 ok\n",
         HELO "injection\nrcpt 0 <x>\nreply 0 250\n");
    PLAY(GREETING "C: STARTTLS\nS: 501 no\nC: STARTTLS\nC: NOOP\nS: 250 what\nS: 250 ok\nC: RCPT TO:<x>\nS: 250 ok\n",
         HELO "injection\nrcpt 0 <x>\nreply 0 250\n");
    /* 220 to anything else means nothing */
    PLAY("S: 220 x\nC: XCLIENT ADDR=192.0.2.1\nS: 220 x\nC: HELO c.example\nS: 250 x\nC: RCPT TO:<x>\nS: 250 x\n",
         HELO "rcpt 0 <x>\nreply 0 250\n");
    PLAY(GREETING "C: NOOP\nS: 220 x\nC: RCPT TO:<x>\nS: 250 x\n", HELO "rcpt 0 <x>\nreply 0 250\n");
}

static void test_auth(void **state)
{
    (void)state;
    PLAY(GREETING
         "C: AUTH LOGIN\nS: 334 VXNlcg==\nC: dGVzdGVy\nS: 334 UGFzcw==\nC: c2VjcmV0\nS: 235 welcome\n" MAIL RCPT,
         HELO SAW_MAIL SAW_RCPT);
    PLAY(GREETING "C: AUTH PLAIN AHRlc3RlcgBzZWNyZXQ=\nS: 235 ok\n" MAIL RCPT, HELO SAW_MAIL SAW_RCPT);
    PLAY(GREETING "C: AUTH LOGIN\nS: 334 x\nC: *\nS: 501 off\n" MAIL RCPT, HELO SAW_MAIL SAW_RCPT);
    /* refused inside a transaction: what follows is a command */
    PLAY(GREETING MAIL "C: auth login\nC: RCPT TO:<a>\nS: 503 no\nS: 250 ok\n",
         HELO SAW_MAIL "rcpt 0 <a>\nreply 0 250\n");
    /* behind 334 a line is AUTH data, or, on Haraka, a command: both */
    PLAY(GREETING "C: AUTH LOGIN\nS: 334 x\nC: MAIL FROM:<a@b>\nS: 250 ok\nC: RCPT TO:<b>\nS: 250 ok\n",
         HELO "mail? <a@b>\nrcpt 0 <b>\nreply 0 250\n");
    PLAY(GREETING
         "C: AUTH LOGIN\nS: 334 x\nC: RCPT TO:<b>\nS: 334 x\nC: RCPTabcd\nS: 535 x\nC: RCPT TO:<c>\nS: 250 x\n",
         HELO "rcpt? 0 <b>\nrcpt 1 <c>\nreply 1 250\n");
    PLAY(GREETING MAIL RCPT "C: AUTH LOGIN\nS: 334 x\nC: DATA\nS: 354 go\nC: RCPT TO:<x>\nC: .\nS: 250 ok\n",
         HELO SAW_MAIL SAW_RCPT "message\n");
    PLAY(GREETING "C: AUTH LOGIN\nS: 334 x\nC: STARTTLS\nS: 220 go\n" TLS_HELLO, HELO "starttls\n");
    PLAY(GREETING "C: AUTH LOGIN\nS: 334 x\nC: EHLO x\nS: 334 x\nC: DATA\nS: 535 no\nC: RCPT TO:<x>\nS: 250 ok\n",
         HELO "rcpt 0 <x>\nreply 0 250\n");
    /* other names of it; and one that nobody knows */
    PLAY(GREETING "C: X-EXPS NTLM TlRM\nS: 334 x\nC: TlRMTVNTUAAD\nS: 235 x\n" MAIL, HELO SAW_MAIL);
    PLAY(GREETING "C: XNEW FOO\nS: 334 x\nC: RCPTsecret\nS: 250 x\n" MAIL, HELO SAW_MAIL);
    /* very long, as GSSAPI's may be */
    PLAY(GREETING "C: AUTH GSSAPI {A*9000}\nS: 334 x\nC: {B*9000}\nS: 235 x\n" MAIL RCPT, HELO SAW_MAIL SAW_RCPT);
}

static void test_auth_facts(void **state)
{
    struct play *p = play_new();
    (void)state;
    play_script(p, SMTP_FROM_BANNER, GREETING "C: AUTH LOGIN\nS: 334 x\nC: a\nS: 334 x\nC: b\nS: 535 no\n", PLAY_WHOLE,
                0);
    assert_true(p->s.facts.auth_used);
    assert_false(p->s.facts.auth_succeeded);
    play_script(p, SMTP_FROM_BANNER, GREETING "C: AUTH LOGIN\nS: 334 x\nC: a\nS: 334 x\nC: b\nS: 235 ok\n", PLAY_WHOLE,
                0);
    assert_true(p->s.facts.auth_succeeded);
    play_script(p, SMTP_FROM_BANNER, GREETING "C: NOOP\nS: 235 ok\n", PLAY_WHOLE, 0);
    assert_false(p->s.facts.auth_used || p->s.facts.auth_succeeded);
    play_free(p);
}

/* D2: which commands hold back what follows, until their reply was read. */
static void test_barriers(void **state)
{
    static const struct {
        const char *line;
        bool holds;
    } rows[] = {
        {"EHLO x", true},         {"HELO x", true},   {"LHLO x", true},         {"DATA", true},
        {"DATA x", true},         {"STARTTLS", true}, {"AUTH LOGIN", true},     {"AUTH=LOGIN", true},
        {"\\tAUTH LOGIN", true},  {"BDAT 5", true},   {"XEXCH50 2 2", true},    {"BURL imap://x LAST", true},
        {"TURN", true},           {"ATRN x", true},   {"XCLIENT A=1", true},    {"XFORWARD A=1", true},
        {"WHAT", true},           {"QUITX", true},    {"MAIL FROM:<a>", false}, {"RCPT TO:<a>", false},
        {"RSET", false},          {"NOOP", false},    {"NOOP x", false},        {"VRFY x", false},
        {"EXPN x", false},        {"HELP", false},    {"QUIT", false},          {"ETRN x", false},
        {"SEND FROM:<a>", false}, {"", false},        {"RCPT", false},
    };
    struct play *p = play_new();
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char line[64];
        play_script(p, SMTP_FROM_BANNER, GREETING, PLAY_WHOLE, 0);
        p->fin[0] = p->fin[1] = false;
        smtp_start(&p->s, SMTP_FROM_BANNER);
        play_feed(p, ROLE_SERVER, bytes_str("220 x\r\n"));
        size_t n = play_unescape(rows[i].line, strlen(rows[i].line), (uint8_t *)line, sizeof(line) - 2);
        memcpy(line + n, "\r\n", 2);
        play_feed(p, ROLE_CLIENT, bytes_of(line, n + 2));
        assert_false(p->waits); /* nothing is behind it yet */
        assert_int_equal(p->len[ROLE_CLIENT], 0);
        play_feed(p, ROLE_CLIENT, bytes_str("NOOP\r\n"));
        if (p->waits != rows[i].holds)
            fail_msg("%s %s", rows[i].line, rows[i].holds ? "doesn't hold" : "holds");
        assert_int_equal(p->len[ROLE_CLIENT], rows[i].holds ? 6 : 0);
        play_feed(p, ROLE_SERVER, bytes_str("500 x\r\n"));
        assert_int_equal(p->len[ROLE_CLIENT], 0);
    }
    play_free(p);
}

static void test_wait_ends_with_the_server(void **state)
{
    (void)state;
    PLAY(GREETING MAIL RCPT "C: DATA\nC: RCPT TO:<x>\nfin s\nC: RCPT TO:<y>\n", SAW_BODY "rcpt? 1 <x>\nrcpt 2 <y>\n");
    PLAY(GREETING MAIL RCPT "C: DATA\nC: Subject: x\nC: RCPT TO:<x>\nfin s\nC: .\nC: RCPT TO:<y>\n",
         SAW_BODY "rcpt? 1 <x>\nrcpt 2 <y>\n");
    PLAY("C: EHLO x\nC: MAIL FROM:<a@b>\nC: RCPT TO:<c>\n", "helo x\nmail <a@b>\nrcpt 0 <c>\n");
}

static void test_midstream(void **state)
{
    (void)state;
    /* in a text: what looks exactly like a command may be one */
    PLAY_MIDSTREAM(
        "c: ddle of a line\\r\\n\nC: RCPT is a word\nC: Mail from: Bob\nC: RCPT TO:<a>\nC: .\nS: 250 ok\n" MAIL RCPT
            DATA "C: RCPT TO:<x>\nC: .\nS: 250 ok\n",
        "rcpt? 0 <a>\nmessage\n" SAW_MAIL "rcpt 1 <u@local.example>\nreply 1 250\nmessage\n");
    /* between commands, with replies under way that we can't know */
    PLAY_MIDSTREAM("S: 250 ok\nS: 250 ok\nC: RCPT TO:<a>\nC: DATA\nS: 250 ok\nS: 354 go\nC: RCPT TO:<x>\nC: .\n"
                   "S: 250 ok\nC: QUIT\nS: 221 x\n",
                   "rcpt? 0 <a>\nreply 0 250\nmessage\n");
    PLAY_MIDSTREAM("S: 354 go\nC: Subject: x\nC: RCPT TO:<x>\nC: .\nS: 250 ok\nC: RCPT TO:<y>\nS: 250 ok\n",
                   "message\nrcpt 0 <y>\nreply 0 250\n");
    PLAY_MIDSTREAM("C: EHLO x\nS: 250-x\nS: 250 CHUNKING\nC: MAIL FROM:<a@b>\nC: RCPT TO:<b>\nc: BDAT 13 "
                   "LAST\\r\\nRCPT TO:<x>\\r\\n\nS: 250 ok\nS: 250 ok\nS: 250 ok\n",
                   "helo? x\nmail <a@b>\nrcpt 0 <b>\nreply 0 250\nmessage\n");
    /* whether it does CHUNKING we didn't see: both readings, and the reply tells */
    PLAY_MIDSTREAM("C: RSET\nS: 250 ok\nC: MAIL FROM:<a@b>\nC: RCPT TO:<b>\nc: BDAT 13 LAST\\r\\nRCPT TO:<x>\\r\\n\n"
                   "S: 250 ok\nS: 250 ok\nS: 250 ok\n" MAIL RCPT
                   "c: BDAT 13 LAST\\r\\nRCPT TO:<y>\\r\\nRCPT TO:<z>\\r\\n\n",
                   "mail <a@b>\nrcpt 0 <b>\nrcpt? 1 <x>\nreply 0 250\nmessage\n" SAW_MAIL
                   "rcpt 2 <u@local.example>\nreply 2 250\nrcpt 3 <z>\n");
    PLAY_MIDSTREAM("C: STARTTLS\nS: 220 go\n" TLS_HELLO, "starttls\n");
    PLAY_MIDSTREAM("C: STARTTLS\nS: 220 go\nC: RCPT TO:<x>\n", "starttls\nrcpt 0 <x>\n");
    PLAY_MIDSTREAM("C: AUTH LOGIN\nS: 334 x\nC: RCPTsecret\nS: 235 x\nC: RCPT TO:<x>\nS: 250 x\n",
                   "rcpt 0 <x>\nreply 0 250\n");
    /* a text with lone dots, and nothing is sure: no alarm */
    PLAY_MIDSTREAM("c: x\\n.\\ny\\n.\\nz\\r\\n\nC: .\nS: 250 ok\n", "message\n");
    /* nothing waits */
    PLAY_MIDSTREAM("C: DATA\nC: RCPT TO:<x>\nC: DATA\nC: Subject: x\nC: .\nC: RCPT TO:<y>\n",
                   "rcpt? 0 <x>\nrcpt 1 <y>\n");
}

/* What an odd end cuts in two is one line for a server at commands, and the address stands behind the cut. */
static void test_d3_odd_end_inside_a_rcpt(void **state)
{
    (void)state;
    PLAY_MIDSTREAM("c: RCPT TO:\\r.\\r<a>\\r\\n\nS: 250 ok\n", "rcpt? 0 \\x0d.\\x0d<a>\n");
    PLAY_MIDSTREAM("c: RCPT TO:\\r.\\r\\r.\\r<a>\\n\n", NULL);
}

#define FLOOD "C: RSET\nC: AUTH x\nC: RSET\nC: AUTH x\nC: RSET\nC: AUTH x\nC: RSET\nC: AUTH x\nC: RSET\nC: AUTH x\n"

/* Who talks before the banner, and makes us forget what he said, doesn't get its 220 taken for an answer to STARTTLS.
 */
static void test_banner_is_not_forgotten(void **state)
{
    (void)state;
    PLAY("C: \nC: DATA\nC: x\nC: .\nC: STARTTLS\nS: 220 x\nC: RCPT TO:<a>\n", "rcpt 0 <a>\n");
    PLAY("C: \n" FLOOD FLOOD FLOOD "C: STARTTLS\nS: 220 x\nC: RCPT TO:<a>\n", "rcpt 0 <a>\n");
}

static void test_gaps(void **state)
{
    (void)state;
    /* in a text */
    PLAY(TO_BODY "C: x\ngap c\nc: rest of a line\\r\\n\nC: RCPT TO:<a>\nC: .\nS: 250 ok\n" MAIL RCPT DATA
                 "C: RCPT TO:<x>\nC: .\nS: 250 ok\n",
         SAW_BODY "rcpt? 1 <a>\nmessage\n" SAW_MAIL "rcpt 2 <u@local.example>\nreply 2 250\nmessage\n");
    /* in a command */
    PLAY(GREETING "c: MAIL FROM:<a\ngap c\nc: b>\\r\\n\nS: 250 ok\nC: RCPT TO:<b>\nS: 250 ok\n", NULL);
    /* in a chunk: where it ends isn't known any more */
    PLAY(CHUNKING MAIL RCPT "c: BDAT 100\\r\\nabc\ngap c\nc: x\\r\\nRCPT TO:<a>\\r\\n\nS: 250 ok\nC: RCPT TO:<b>\n"
                            "S: 503 x\n",
         HELO SAW_MAIL SAW_RCPT "rcpt? 1 <a>\nrcpt 2 <b>\nreply 2 503\n");
    /* replies are missing: DATA's is told by what follows */
    PLAY(GREETING MAIL RCPT
         "C: DATA\ngap s\nC: Subject: x\nC: RCPT TO:<a>\nC: .\nC: RCPT TO:<b>\nS: 250 ok\nS: 250 ok\n",
         SAW_BODY "rcpt? 1 <a>\nrcpt 2 <b>\nmessage\nreply 2 250\n");
    PLAY(GREETING MAIL RCPT "C: DATA\nC: RSET\ngap s\nC: RCPT TO:<a>\nS: 250 x\nS: 250 x\n",
         SAW_BODY "rcpt 1 <a>\nreply 1 250\n");
    /* in a text the server says nothing anyway */
    PLAY(TO_BODY "C: x\ngap s\nC: RCPT TO:<a>\nC: .\nS: 250 ok\nC: RCPT TO:<b>\nS: 250 ok\n",
         SAW_BODY "message\nrcpt 1 <b>\nreply 1 250\n");
    /* all of one side is missing */
    PLAY("gap s\nC: EHLO x\nC: MAIL FROM:<a@b>\nC: RCPT TO:<b>\nC: DATA\nC: Subject: x\nC: \nC: RCPT TO:<c>\nC: .\n"
         "C: RCPT TO:<d>\nC: QUIT\n",
         "helo x\nmail <a@b>\nrcpt 0 <b>\nrcpt? 1 <c>\nrcpt 2 <d>\n");
    PLAY("gap s\nc: EHLO x\\nMAIL FROM:<a@b>\\nRCPT TO:<b>\\nDATA\\nSubject: x\\n\\n.\\nRCPT TO:<d>\\n\n",
         "helo x\nmail <a@b>\nrcpt 0 <b>\nrcpt 1 <d>\n");
    PLAY("S: 220 x\nS: 250 x\nS: 250 ok\nS: 250 ok\nS: 354 go\nS: 250 ok\nS: 221 bye\n", "");
}

static void test_other_protocols(void **state)
{
    static const char *const scripts[] = {
        ("C: POST / HTTP/1.1\nC: Host: x\nC: \nC: EHLO x\nC: MAIL FROM:<a@b>\nC: RCPT TO:<c@d>\nS: HTTP/1.1 200 OK\n"
         "S: \nC: RCPT TO:<e>\n"),
        "S: +OK POP3\nC: USER a\nS: +OK\nC: PASS b\nS: -ERR no\nC: RCPT TO:<x>\n",
        "S: * OK IMAP4\nC: a LOGIN b c\nS: a OK\nC: b APPEND x \\x7b100}\nC: RCPT TO:<x>\n",
        "S: SSH-2.0-x\nC: SSH-2.0-y\nC: RCPT TO:<x>\n",
        "c: \\x16\\x03\\x01\\x00\\x05\\n\\n\\r\\n\\n\ns: \\x16\\x03\\x03\\x00\nC: RCPT TO:<x>\n",
        "s: \\x15\\x03\nC: RCPT TO:<x>\n",
        "S: 220 FTP ready\nC: USER a\nS: 331 x\nC: PASS b\nS: 230 x\nC: HELP\nS: 214 x\nC: QUIT\nS: 221 x\n",
    };
    struct play *p = play_new();
    (void)state;
    for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
        PLAY(scripts[i], "");
        play_script(p, SMTP_FROM_BANNER, scripts[i], PLAY_WHOLE, 0);
        assert_false(p->s.facts.recognised);
    }
    /* HTTP's words at a mail server are an attack by way of somebody's browser */
    PLAY("C: POST / HTTP/1.1\nC: Host: x\nC: MAIL FROM:<a@b>\nC: RCPT TO:<c@d>\nS: 220 mx\nS: 500 x\nS: 500 x\n"
         "S: 250 x\nS: 250 x\n",
         "mail <a@b>\nrcpt 0 <c@d>\nreply 0 250\n");
    PLAY("C: POST / HTTP/1.1\nC: Host: x\nC: RCPT TO:<c@d>\n", "rcpt 0 <c@d>\n");
    /* SMTP by way of an HTTP proxy */
    PLAY("C: CONNECT mx:25 HTTP/1.0\nC: \nS: HTTP/1.0 200 ok\nS: \nS: 220 mx\nC: HELO x\nS: 250 x\nC: MAIL FROM:<a@b>\n"
         "S: 250 x\nC: RCPT TO:<c@d>\nS: 250 x\n",
         "helo x\nmail <a@b>\nrcpt 0 <c@d>\nreply 0 250\n");
    play_free(p);
}

static void test_lmtp(void **state)
{
    (void)state;
    PLAY("S: 220 x\nC: LHLO x\nS: 250 x\n" MAIL "C: RCPT TO:<a>\nC: RCPT TO:<b>\nC: RCPT TO:<c>\nC: DATA\nS: 250 x\n"
         "S: 550 x\nS: 250 x\nS: 354 x\nC: RCPT TO:<x>\nC: .\nC: QUIT\nS: 250 x\nS: 450 x\nS: 221 x\n",
         "helo x\n" SAW_MAIL "rcpt 0 <a>\nrcpt 1 <b>\nrcpt 2 <c>\nreply 0 250\nreply 1 550\nreply 2 250\nmessage\n");
    /* likewise behind the last chunk; what comes next has its own replies */
    PLAY("S: 220 x\nC: LHLO x\nS: 250-x\nS: 250 CHUNKING\n" MAIL "C: RCPT TO:<a>\nC: RCPT TO:<b>\nC: RCPT TO:<c>\n"
         "c: BDAT 3 LAST\\r\\nabcMAIL FROM:<s@c.example>\\r\\n\nS: 250 x\nS: 550 x\nS: 250 x\nS: 250 x\nS: 450 x\nS: "
         "250 x\n"
         "C: RCPT TO:<d>\nS: 250 x\nC: DATA\nS: 354 x\nC: RCPT TO:<x>\nC: .\nS: 250 x\n",
         "helo x\n" SAW_MAIL "rcpt 0 <a>\nrcpt 1 <b>\nrcpt 2 <c>\n" SAW_MAIL
         "reply 0 250\nreply 1 550\nreply 2 250\nmessage\nrcpt 3 <d>\nreply 3 250\nmessage\n");
}

/* D5: what is said at AUTH prompts, and texts, are in no event, whatever else is wrong. */
static void test_secrets_stay_inside(void **state)
{
    static const char *const scripts[] = {
        GREETING "C: AUTH PLAIN SECRET\nS: 535 x\nC: AUTH LOGIN\nS: 334 x\nC: SECRET\nS: 334 x\nC: SECRET\nS: 535 x\n",
        GREETING "C: AUTH PLAIN SECRET{A*9000}SECRET\nS: 535 x\nC: AUTH LOGIN\nS: 334 x\nC: SECRET{A*20000}SECRET\n",
        GREETING "C: AUTH LOGIN\nC: SECRET\nC: SECRET\nS: 334 x\nS: 334 x\nS: 535 x\n",
        GREETING "C: AUTH LOGIN\ngap s\nC: SECRET\nC: SECRET\nS: 535 x\n",
        TO_BODY "C: SECRET\nC: RCPT SECRET\nc: \\n.\\nSECRET\\nRCPTSECRET\\r\\n.\\r\\n\nS: 250 x\n",
    };
    struct play *p = play_new();
    (void)state;
    for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
        play_script(p, SMTP_FROM_BANNER, scripts[i], PLAY_WHOLE, 0);
        assert_null(strstr(p->events, "SECRET"));
        play_script(p, SMTP_MIDSTREAM, scripts[i], PLAY_BYTES, 0);
        assert_null(strstr(p->events, "SECRET"));
    }
    play_free(p);
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
        cmocka_unit_test(test_lf_in_doubt),
        cmocka_unit_test(test_replies_under_way),
        cmocka_unit_test(test_replies),
        cmocka_unit_test(test_replies_that_do_not_fit),
        cmocka_unit_test(test_banner),
        cmocka_unit_test(test_data),
        cmocka_unit_test(test_innocent_texts),
        cmocka_unit_test(test_smuggling),
        cmocka_unit_test(test_odd_end_that_both_mean),
        cmocka_unit_test(test_starttls),
        cmocka_unit_test(test_auth),
        cmocka_unit_test(test_auth_facts),
        cmocka_unit_test(test_barriers),
        cmocka_unit_test(test_wait_ends_with_the_server),
        cmocka_unit_test(test_midstream),
        cmocka_unit_test(test_d3_odd_end_inside_a_rcpt),
        cmocka_unit_test(test_banner_is_not_forgotten),
        cmocka_unit_test(test_gaps),
        cmocka_unit_test(test_other_protocols),
        cmocka_unit_test(test_lmtp),
        cmocka_unit_test(test_secrets_stay_inside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
