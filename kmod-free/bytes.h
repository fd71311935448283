/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bytes - borrowed runs of wire bytes, and the one checked reader for them.
 *
 * A struct bytes never owns memory: it is valid as long as the buffer that it
 * was cut from, and is passed by value. The take_* family is the only way in
 * which wire formats are read: each call either takes the whole field and
 * returns true, or takes nothing, sets *out to zero and returns false. A length
 * field becomes a sub-reader (take_raw), so an inner parser cannot read past
 * the inner length.
 *
 * Nothing here treats bytes as C strings: NUL is a byte like any other.
 */
#ifndef RCPTWALL_BYTES_H
#define RCPTWALL_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define RW_CHECK __attribute__((warn_unused_result))

struct bytes {
    const uint8_t *at; /* may be NULL when len is 0 */
    size_t len;
};

static inline struct bytes bytes_of(const void *at, size_t len)
{
    return (struct bytes){.at = at, .len = len};
}

/* A string literal (or a trusted C string of our own) as bytes, without its NUL. */
static inline struct bytes bytes_str(const char *text)
{
    return bytes_of(text, strlen(text));
}

/* Takes the first n bytes off b as a sub-reader. */
RW_CHECK static inline bool take_raw(struct bytes *b, size_t n, struct bytes *out)
{
    if (b->len < n) {
        *out = (struct bytes){0};
        return false;
    }
    *out = bytes_of(b->at, n);
    if (n > 0) { /* arithmetic on NULL is undefined even with 0 */
        b->at += n;
        b->len -= n;
    }
    return true;
}

RW_CHECK static inline bool take_u8(struct bytes *b, uint8_t *out)
{
    struct bytes raw;
    if (!take_raw(b, 1, &raw)) {
        *out = 0;
        return false;
    }
    *out = raw.at[0];
    return true;
}

/* Network byte order. */
RW_CHECK static inline bool take_be16(struct bytes *b, uint16_t *out)
{
    struct bytes raw;
    if (!take_raw(b, 2, &raw)) {
        *out = 0;
        return false;
    }
    *out = (uint16_t)((uint16_t)raw.at[0] << 8 | raw.at[1]);
    return true;
}

RW_CHECK static inline bool take_be32(struct bytes *b, uint32_t *out)
{
    struct bytes raw;
    if (!take_raw(b, 4, &raw)) {
        *out = 0;
        return false;
    }
    *out = (uint32_t)raw.at[0] << 24 | (uint32_t)raw.at[1] << 16 | (uint32_t)raw.at[2] << 8 | raw.at[3];
    return true;
}

RW_CHECK static inline bool take_skip(struct bytes *b, size_t n)
{
    struct bytes raw;
    return take_raw(b, n, &raw);
}

/* Shortens b to at most n bytes (cuts Ethernet padding, say). */
static inline void keep_first(struct bytes *b, size_t n)
{
    if (b->len > n)
        b->len = n;
}

/* What is left of b behind its first n bytes; empty when there are fewer. */
static inline struct bytes bytes_from(struct bytes b, size_t n)
{
    if (n >= b.len)
        return (struct bytes){0};
    return bytes_of(b.at + n, b.len - n);
}

static inline struct bytes bytes_first(struct bytes b, size_t n)
{
    keep_first(&b, n);
    return b;
}

static inline bool bytes_equal(struct bytes a, struct bytes b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

/* ASCII only, and independent of the locale. */
static inline uint8_t ascii_lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c | 0x20) : c;
}

static inline bool bytes_equal_nocase(struct bytes a, struct bytes b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        if (a.at[i] != b.at[i] && ascii_lower(a.at[i]) != ascii_lower(b.at[i]))
            return false;
    return true;
}

/* Does b begin with the text (ASCII, any case)? */
static inline bool bytes_begin_nocase(struct bytes b, struct bytes text)
{
    return b.len >= text.len && bytes_equal_nocase(bytes_first(b, text.len), text);
}

#endif
