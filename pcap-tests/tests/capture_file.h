/* SPDX-License-Identifier: GPL-2.0-or-later */
/* capture_file - bytes as a file that capsrc can open. Include it once in a program, after cmocka.h. */
#ifndef RCPTWALL_TESTS_CAPTURE_FILE_H
#define RCPTWALL_TESTS_CAPTURE_FILE_H

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

#include "kmod-free/tests/support.h"

/* A file that lives in memory, with a name to open it by. */
static int fd = -1;
static char path[64];

static inline void put_file(struct bytes b)
{
    fd = memfd_create("capture", 0);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, b.at, b.len), b.len);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
}

static inline void drop_file(void)
{
    close(fd);
}

/* Packs b; returns the length. */
static inline size_t gzip(struct bytes b, uint8_t *out, size_t room)
{
    z_stream z = {0};
    size_t len;

    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (uint8_t *)(uintptr_t)b.at;
    z.avail_in = (uInt)b.len;
    z.next_out = out;
    z.avail_out = (uInt)room;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    len = room - z.avail_out;
    deflateEnd(&z);
    return len;
}

#endif
