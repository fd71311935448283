/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The event file, on pipes: they are full at will, and take parts of lines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "nfq/event_file.h"

#define PIPE_ROOM 4096

static struct event_file *file_on(int ends[2])
{
    struct event_file *f = calloc(1, sizeof *f);
    assert_non_null(f);
    assert_int_equal(pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
    assert_true(fcntl(ends[1], F_SETPIPE_SZ, PIPE_ROOM) >= PIPE_ROOM);
    f->fd = ends[1];
    return f;
}

/* Line number n, of that length; its end says the number, too. */
static void put(struct event_file *f, unsigned n, size_t len)
{
    char *line = malloc(len + 1);
    assert_non_null(line);
    memset(line, '.', len);
    snprintf(line, len, "%08u", n);
    line[8] = '.';
    snprintf(line + len - 8, 9, "%08u", n);
    event_file_put(f, bytes_of(line, len));
    free(line);
}

struct reader {
    char text[1 << 20];
    size_t len;
};

static void drain(int fd, struct reader *r)
{
    ssize_t n;
    while ((n = read(fd, r->text + r->len, sizeof r->text - r->len)) > 0)
        r->len += (size_t)n;
}

/* All of it must be whole lines, with rising numbers. How many. */
static unsigned whole_lines(const struct reader *r)
{
    unsigned count = 0, before = 0;
    for (size_t at = 0; at < r->len;) {
        const char *line = r->text + at, *end = memchr(line, '\n', r->len - at);
        assert_non_null(end);
        assert_true(end - line >= 16);
        assert_memory_equal(line, end - 8, 8);
        unsigned n = (unsigned)strtoul(line, NULL, 10);
        assert_true(count == 0 || n > before);
        before = n;
        count++;
        at += (size_t)(end - line) + 1;
    }
    return count;
}

static void what_cannot_be_written_waits_and_no_line_is_torn(void **state)
{
    (void)state;
    int ends[2];
    struct event_file *f = file_on(ends);
    struct reader *r = calloc(1, sizeof *r);
    assert_non_null(r);
    for (unsigned n = 0; n < 30; n++)
        put(f, n, 1000);
    assert_false(event_file_flush(f));
    assert_int_equal(f->error, EAGAIN);
    assert_true(f->used > 0 && f->torn);
    for (unsigned i = 0; i < 100 && f->used > 0; i++) {
        drain(ends[0], r);
        (void)event_file_flush(f);
    }
    drain(ends[0], r);
    assert_int_equal(f->error, 0);
    assert_false(f->torn);
    assert_int_equal(whole_lines(r), 30);
    assert_int_equal(f->lost, 0);
    event_file_replace(f, -1);
    close(ends[0]);
    free(r);
    free(f);
}

static void what_finds_no_room_is_counted_and_nothing_else_is(void **state)
{
    (void)state;
    int ends[2];
    struct event_file *f = file_on(ends);
    struct reader *r = calloc(1, sizeof *r);
    assert_non_null(r);
    unsigned n = 0;
    uint64_t taken = 0;
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < 700; i++, taken++)
            put(f, n++, 500 + i);
        assert_true(f->used <= EVENT_FILE_HELD);
        for (unsigned i = 0; i < 300 && (f->used > 0 || i == 0); i++) {
            drain(ends[0], r);
            (void)event_file_flush(f);
        }
        drain(ends[0], r);
    }
    assert_true(f->lost > 0);
    assert_int_equal(whole_lines(r) + f->lost, taken);
    close(ends[0]);
    event_file_replace(f, -1);
    free(r);
    free(f);
}

static void another_file_begins_with_a_whole_line(void **state)
{
    (void)state;
    int ends[2], other[2];
    struct event_file *f = file_on(ends), *g = file_on(other);
    struct reader *r = calloc(1, sizeof *r);
    assert_non_null(r);
    for (unsigned n = 0; n < 6; n++)
        put(f, n, 999);
    assert_false(event_file_flush(f));
    assert_true(f->torn); /* line 4 */
    event_file_replace(f, other[1]);
    assert_int_equal(f->lost, 1);
    assert_true(event_file_flush(f));
    drain(other[0], r);
    assert_int_equal(whole_lines(r), 1);
    assert_memory_equal(r->text, "00000005", 8);
    close(ends[0]);
    close(other[0]);
    event_file_replace(f, -1);
    free(r);
    free(f);
    free(g);
}

static void a_full_disk(void **state)
{
    (void)state;
    struct event_file *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    assert_true(f->fd >= 0);
    put(f, 1, 100);
    put(f, 2, 100);
    assert_false(event_file_flush(f));
    assert_int_equal(f->error, ENOSPC);
    assert_int_equal(f->lost, 0);
    event_file_end(f);
    assert_int_equal(f->lost, 2);
    event_file_replace(f, -1);
    put(f, 3, 100); /* no file: nothing is wanted */
    assert_int_equal(f->used, 0);
    assert_int_equal(f->lost, 2);
    free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_cannot_be_written_waits_and_no_line_is_torn),
        cmocka_unit_test(what_finds_no_room_is_counted_and_nothing_else_is),
        cmocka_unit_test(another_file_begins_with_a_whole_line),
        cmocka_unit_test(a_full_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
