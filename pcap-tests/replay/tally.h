/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tally - counts by name (an address, a domain), to say which come most often.
 *
 * Bounded: at most TALLY_NAMES names are told apart, all later ones are counted
 * together in `others`. Hashed under a key drawn at start, because the names come
 * from the wire; nothing that is shown depends on the key.
 */
#ifndef RCPTWALL_TALLY_H
#define RCPTWALL_TALLY_H

#include "kmod-free/bytes.h"

#define TALLY_NAMES    65536
#define TALLY_NAME_MAX 255

/* What became of an attempt. */
enum tally_column {
    TALLY_TRIED,
    TALLY_ACCEPTED,
    TALLY_REFUSED,
    TALLY_COLUMNS,
};

struct tally_entry {
    uint64_t count[TALLY_COLUMNS];
    uint8_t name_len;
    uint8_t name[TALLY_NAME_MAX]; /* cut there */
};

struct tally;

RW_CHECK struct tally *tally_new(void); /* NULL: out of memory */
void tally_free(struct tally *);
void tally_add(struct tally *, struct bytes name, enum tally_column);
size_t tally_size(const struct tally *);
uint64_t tally_others(const struct tally *);
/* The (at most) n entries tried most often, in falling order, ties by name. Returns how many. */
size_t tally_top(const struct tally *, const struct tally_entry **out, size_t n);

#endif
