/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * escape - wire bytes made fit to be shown (invariant A2). Every form can be read
 * back: a backslash is always the beginning of an escape, and never a byte of its own.
 *
 * The functions write whole escapes only, always end with a NUL (room > 0), and
 * return the length without it. *cut, where asked for, says that not everything fitted.
 */
#ifndef RCPTWALL_ESCAPE_H
#define RCPTWALL_ESCAPE_H

#include "kmod-free/bytes.h"

/* The longest that one byte can become: \xHH. */
#define ESCAPE_FACTOR 4

/* Printable ASCII stays; '"' and '\' become \" and \\, every other byte \xHH. For a value in double quotes. */
size_t escape_quoted(struct bytes, char *out, size_t room, bool *cut);
/* The same without the quotes' escape: for columns on a terminal. */
size_t escape_plain(struct bytes, char *out, size_t room, bool *cut);
/* Letters, digits and "-._:[]" stay, every other byte becomes \xHH: a word that needs no quotes. */
size_t escape_word(struct bytes, char *out, size_t room, bool *cut);
/*
 * Valid UTF-8 that shows as itself stays; '\' becomes \\, and what is no UTF-8 (RFC 3629),
 * a control, a format character (bidi marks, zero-width) or a noncharacter becomes \xHH, byte by byte.
 */
size_t escape_utf8(struct bytes, char *out, size_t room, bool *cut);

#endif
