/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A syslog daemon that is there, away, stuck, started again, and picky. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

#include "nfq/syslog_out.h"

static char folder[] = "/tmp/rcptwall-syslog.XXXXXX", path[64];
static struct mono now = {NS_PER_S};

static int daemon_starts(void)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_true(fd >= 0);
    snprintf(at.sun_path, sizeof at.sun_path, "%s", path);
    (void)unlink(path);
    assert_int_equal(bind(fd, (const struct sockaddr *)&at, sizeof at), 0);
    return fd;
}

static void daemon_ends(int fd)
{
    close(fd);
    (void)unlink(path);
}

static struct syslog_out *begin(void)
{
    struct syslog_out *o = syslog_out_new(path, "rcptwall[7]");
    assert_non_null(o);
    return o;
}

static void put(struct syslog_out *o, unsigned n)
{
    char line[32];
    snprintf(line, sizeof line, "line %06u", n);
    assert_true(syslog_out_put(o, SYSLOG_OUT_ALERT, LOG_MAIL | LOG_WARNING, line));
}

/* The number in the next line that came; -1: none did. */
static long take(int fd)
{
    char text[SYSLOG_OUT_LINE_MAX + 1];
    ssize_t n = recv(fd, text, sizeof text - 1, 0);
    if (n < 0)
        return -1;
    text[n] = '\0';
    /* "<20>Nov  4 15:04:05 rcptwall[7]: line 000001" */
    assert_memory_equal(text, "<20>", 4);
    assert_true(text[7] == ' ' && text[10] == ' ' && text[13] == ':' && text[19] == ' ');
    const char *line = strstr(text, " rcptwall[7]: line ");
    assert_ptr_equal(line, text + 19);
    return strtol(line + 19, NULL, 10);
}

/* Lets it send until nothing waits, and takes all of it, which must begin with line `first`. What comes next. */
static unsigned take_all(struct syslog_out *o, int fd, unsigned first)
{
    long n;
    for (int i = 0; i < 10000; i++) {
        now = mono_add(now, SYSLOG_OUT_RETRY_NS);
        syslog_out_push(o, now);
        while ((n = take(fd)) >= 0) {
            assert_int_equal(n, first);
            first++;
        }
        if (syslog_out_waiting(o) == 0)
            return first;
    }
    fail_msg("%zu lines wait for ever", syslog_out_waiting(o));
    return first;
}

static void what_is_said_while_it_is_away_is_told_in_order(void **state)
{
    (void)state;
    struct syslog_out *o = begin();
    for (unsigned n = 0; n < 100; n++)
        put(o, n);
    assert_int_equal(syslog_out_waiting(o), 100);
    assert_int_equal(syslog_out_fd(o), -1);
    assert_string_equal(syslog_out_trouble(o), "No such file or directory");
    syslog_out_push(o, now);
    int fd = daemon_starts();
    syslog_out_push(o, now); /* not yet: it isn't asked for all the time */
    assert_int_equal(take(fd), -1);
    put(o, 100);
    assert_int_equal(take_all(o, fd, 0), 101);
    put(o, 101); /* at once */
    assert_int_equal(take(fd), 101);
    /* started again: the same name, another socket */
    daemon_ends(fd);
    put(o, 102);
    fd = daemon_starts();
    put(o, 103);
    assert_int_equal(take_all(o, fd, 102), 104);
    daemon_ends(fd);
    fd = daemon_starts();
    put(o, 104); /* nobody noticed */
    assert_int_equal(take(fd), 104);
    daemon_ends(fd);
    syslog_out_free(o);
}

static void a_daemon_that_does_not_read_holds_up_nobody(void **state)
{
    (void)state;
    struct syslog_out *o = begin();
    int fd = daemon_starts();
    unsigned n = 0;
    while (syslog_out_waiting(o) < 50)
        put(o, n++);
    struct pollfd p = {.fd = syslog_out_fd(o), .events = POLLOUT};
    assert_true(p.fd >= 0);
    assert_int_equal(poll(&p, 1, 0), 0);
    assert_int_equal(take(fd), 0);
    assert_int_equal(poll(&p, 1, 1000), 1);
    assert_int_equal(take_all(o, fd, 1), n);
    daemon_ends(fd);
    syslog_out_free(o);
}

static void room_is_bounded_and_some_is_kept_for_words(void **state)
{
    (void)state;
    struct syslog_out *o = begin();
    char line[SYSLOG_OUT_LINE_MAX + 1000];
    unsigned alerts = 0, words = 0;
    for (int round = 0; round < 3; round++) {
        while (syslog_out_put(o, SYSLOG_OUT_ALERT, LOG_MAIL | LOG_WARNING, "line 000001 ........................"))
            alerts++;
        assert_true(alerts > 4000 && alerts < 12000);
        while (syslog_out_put(o, SYSLOG_OUT_WORD, LOG_MAIL | LOG_WARNING, "line 000001 ........................"))
            words++;
        assert_true(words > 300);
        assert_int_equal(syslog_out_waiting(o), alerts + words);
        int fd = daemon_starts();
        unsigned came = 0;
        for (int i = 0; i < 100000 && syslog_out_waiting(o) > 0; i++) {
            now = mono_add(now, SYSLOG_OUT_RETRY_NS);
            syslog_out_push(o, now);
            while (take(fd) >= 0)
                came++;
        }
        assert_int_equal(came, alerts + words);
        daemon_ends(fd);
        words = 0;
        /* too long: cut, not lost */
        memset(line, 'x', sizeof line);
        memcpy(line, "line 7 ", 7);
        line[sizeof line - 1] = '\0';
        assert_true(syslog_out_put(o, SYSLOG_OUT_WORD, LOG_MAIL | LOG_WARNING, line));
        fd = daemon_starts();
        now = mono_add(now, SYSLOG_OUT_RETRY_NS);
        syslog_out_push(o, now);
        assert_int_equal(take(fd), 7);
        daemon_ends(fd);
        assert_true(syslog_out_put(o, SYSLOG_OUT_WORD, LOG_MAIL | LOG_WARNING, "line 000001 ."));
        alerts = 1;
    }
    syslog_out_free(o);
}

int main(void)
{
    if (mkdtemp(folder) == NULL)
        return 1;
    snprintf(path, sizeof path, "%s/log", folder);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_said_while_it_is_away_is_told_in_order),
        cmocka_unit_test(a_daemon_that_does_not_read_holds_up_nobody),
        cmocka_unit_test(room_is_bounded_and_some_is_kept_for_words),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    (void)unlink(path);
    (void)rmdir(folder);
    return failed;
}
