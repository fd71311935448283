/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lines longer than they may be, and what stands inside them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "kmod-free/tests/smtp_scripts.h"
#include "kmod-free/tests/support.h"
#include "kmod-free/tests/support_smtp.h"

static void test_long_lines(void **state)
{
    (void)state;
    /* the head is judged; a whole address in it is the address */
    PLAY(GREETING MAIL "C: RCPT TO:<a@b>{ *5000}\nS: 250 ok\n", NULL);
    PLAY(GREETING MAIL "C: NOOP {A*5000}\nS: 250 ok\nC: RCPT TO:<a@b>\nS: 250 ok\n",
         HELO SAW_MAIL "malformed\nrcpt 0 <a@b>\nreply 0 250\n");
    /* padded with letters: Exim cuts it at 16,385 bytes, others elsewhere, but none before 512 */
    PLAY(GREETING MAIL "C: {A*5000}RCPT TO:<a@b>\nS: 500 x\n", HELO SAW_MAIL "malformed\nrcpt? 0 <a@b>\n");
    PLAY(GREETING MAIL "C: {A*16385}RCPT TO:<a@b>\nS: 500 x\nS: 250 x\n", HELO SAW_MAIL "malformed\nrcpt? 0 <a@b>\n");
    PLAY(GREETING MAIL "C: NOOP {A*600}RCPT TO:<a@b>\nS: 250 x\n", HELO SAW_MAIL "rcpt? 0 <a@b>\n");
    PLAY(GREETING MAIL "C: NOOP RCPT TO:<a@b>{A*600}RCPT-\nS: 250 x\n", HELO SAW_MAIL);
    /* Postfix throws away what is behind 2,048 bytes, and reads the rest: u@ext here, "@local" with all of it */
    PLAY(GREETING MAIL "C: RCPT TO:u@ext(c{c*2100})\"@local\nS: 250 x\n", NULL);
    PLAY(GREETING MAIL "C: RCPT TO:<a@b> ORCPT=rfc822;{a*500}@b NOTIFY=SUCCESS,FAILURE,DELAY\nS: 250 x\n", NULL);
    PLAY(TO_BODY "c: x\\n.\\ntext\\r\\n\nC: {A*1200}\nC: Rcpt to: {A*1200}\nC: .\nS: 250 x\n", NULL);
    /* one that cuts answers twice: then a later 250 is not RCPT's, and the octets are not due (go-smtp runs them) */
    PLAY(CHUNKING "C: NOOP {A*600}\nC: NOOP\nC: MAIL FROM:<s@c.example>\nC: RCPT TO:<a@b>\n"
                  "S: 250 x\nS: 500 x\nS: 250 x\nS: 250 x\nC: BDAT 14\nC: RCPT TO:<v@w>\nS: 550 x\nS: 503 x\n",
         HELO SAW_MAIL "rcpt 0 <a@b>\nreply 0 250\nrcpt? 1 <v@w>\n");
    /* Sendmail cuts AUTH at 12,287 */
    PLAY(GREETING MAIL "C: AUTH PLAIN {A*12276}RCPT TO:<a@b>\nS: 503 x\nS: 250 x\n", HELO SAW_MAIL "rcpt? 0 <a@b>\n");
    /* a long ticket of Kerberos leaves the state sure: the text that follows is a text */
    PLAY(GREETING "C: AUTH GSSAPI {A*9000}\nS: 334 x\nC: {B*9000}\nS: 235 x\n" MAIL RCPT DATA
                  "C: RCPT TO:<x>\nC: .\nS: 250 ok\n",
         HELO SAW_MAIL SAW_RCPT "message\n");
    /* more in one line than can be looked at one by one */
    PLAY(GREETING "C: NOOP {A*600} RCPT:<a@b RCPT:<a@b RCPT:<a@b RCPT:<a@b RCPT:<a@b RCPT:<a@b RCPT:<a@b RCPT:<a@b "
                  "RCPT:<a@b RCPT:<a@b\n",
         NULL);
    PLAY(GREETING MAIL "C: {A*32770} RCPT TO:<a@b>{ *9000}\nS: 500 x\nS: 500 x\nS: 250 x\n", NULL);
    /* the address is at the end */
    PLAY(GREETING MAIL "C: RCPT TO:{ *9000}<a@b>\nS: 250 ok\n", NULL);
    PLAY(GREETING MAIL "C: RCPT{ *9000}TO:<a@b>\nS: 250 ok\n", NULL);
    /* lines of a text have no limit, and of a text that isn't sure neither */
    PLAY(TO_BODY "c: {A*20000}\nC: {B*20000}\nC: .\nS: 250 ok\n", SAW_BODY "message\n");
    PLAY(TO_BODY "c: \\n.\\n{A*20000}\nC: {B*20000}\nC: .\nS: 250 ok\n", SAW_BODY "message\n");
    /* nothing ends */
    PLAY(GREETING "c: {A*5000}\n", HELO "malformed\n");
    PLAY("c: {A*5000}\n", "");
}

static void test_long_line_heads_and_tails(void **state)
{
    struct play *p = play_new();
    (void)state;
    play_script(p, SMTP_FROM_BANNER,
                GREETING "C: NOOP {A*600} RCPT:a@ RCPT:a@ RCPT:a@ RCPT:a@ RCPT:a@ RCPT:a@ RCPT:a@ "
                         "RCPT:a@ RCPT:a@ RCPT:a@\n",
                PLAY_BYTES, 0);
    assert_int_equal(p->s.facts.rcpts, 7);
    assert_non_null(strstr(p->events, "smuggling"));
    play_script(p, SMTP_FROM_BANNER, GREETING MAIL "C: RCPT TO:<a@b>{ *5000}\nS: 250 ok\n", PLAY_BYTES, 0);
    assert_int_equal(p->s.facts.rcpts, 1);
    assert_non_null(strstr(p->events, "malformed\nrcpt 0 <a@b>   "));
    assert_non_null(strstr(p->events, "reply 0 250\n"));
    play_script(p, SMTP_FROM_BANNER, GREETING MAIL "C: RCPT TO:{ *9000}<a@b>\nS: 250 ok\n", PLAY_BYTES, 0);
    assert_int_equal(p->s.facts.rcpts, 1);
    assert_non_null(strstr(p->events, "malformed\nrcpt? 0     "));
    assert_non_null(strstr(p->events, "  <a@b>\n"));
    play_script(p, SMTP_FROM_BANNER, GREETING MAIL "C: RCPT TO:<{a*9000}@b>\nS: 250 ok\n", PLAY_BYTES, 0);
    assert_int_equal(p->s.facts.rcpts, 3); /* its head, what Postfix has of that, and its tail */
    assert_non_null(strstr(p->events, "malformed\nrcpt? 0 <aaaa"));
    assert_non_null(strstr(p->events, "aaaa@b>\n"));
    /* cut by Postfix, or with all that the RFCs let it have */
    play_script(p, SMTP_FROM_BANNER, GREETING MAIL "C: RCPT TO:u@ext(c{c*2100})\"@local\nS: 250 x\n", PLAY_BYTES, 0);
    assert_non_null(strstr(p->events, "rcpt? 0 u@ext(cc"));
    assert_null(strstr(p->events, "malformed"));
    assert_int_equal(p->s.facts.rcpts, 2);
    play_script(p, SMTP_FROM_BANNER,
                GREETING MAIL "C: RCPT TO:<a@b> ORCPT=rfc822;{a*500}@b NOTIFY=SUCCESS,FAILURE,DELAY\nS: 250 x\n" DATA
                              "C: RCPT TO:<c@d>\nC: .\nS: 250 x\n",
                PLAY_BYTES, 0);
    assert_null(strstr(p->events, "malformed"));
    assert_int_equal(p->s.facts.rcpts, 1);
    play_free(p);
}

static void test_one_byte_at_a_time_is_not_quadratic(void **state)
{
    /* a line that never ends, 200,000 bytes in single bytes: each is looked at once, or this takes minutes */
    struct play *p = play_new();
    (void)state;
    play_start(p, SMTP_FROM_BANNER);
    play_feed(p, ROLE_SERVER, bytes_str("220 x\r\n"));
    p->cfg.line_max = SMTP_LINE_MAX_HIGHEST;
    for (int i = 0; i < 60000; i++) {
        play_feed(p, ROLE_CLIENT, bytes_str("x"));
        assert_int_equal(p->s.scanned, i + 1);
    }
    for (int i = 0; i < 60000; i++) {
        play_feed(p, ROLE_SERVER, bytes_str("2"));
        assert_int_equal(p->s.server_scanned, i + 1);
    }
    play_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_long_lines),
        cmocka_unit_test(test_long_line_heads_and_tails),
        cmocka_unit_test(test_one_byte_at_a_time_is_not_quadratic),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
