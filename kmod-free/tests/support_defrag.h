/* SPDX-License-Identifier: GPL-2.0-or-later */
/* support_defrag - IP datagrams that tests cut in pieces, feed to defrag, and know again. */
#ifndef RCPTWALL_TESTS_SUPPORT_DEFRAG_H
#define RCPTWALL_TESTS_SUPPORT_DEFRAG_H

#include "kmod-free/defrag.h"
#include "kmod-free/tests/support.h"

/* IPv4; with an option; IPv6; with a hop-by-hop header in front of what may be cut. */
#define DATAGRAM_SHAPES 4
extern struct support_segment datagram_shapes[DATAGRAM_SHAPES];
extern uint8_t datagram_bytes[SUPPORT_PACKET_MAX]; /* the datagram made last */
extern uint8_t datagram_text[65000];               /* what all carry the beginning of */

/* A datagram to be cut in pieces: its head and the fragmentable part. */
struct datagram {
    struct bytes l3;  /* usually in datagram_bytes: valid until the next one is made */
    size_t head_len;  /* of the unfragmentable part */
    size_t named_at;  /* where the head names the protocol of what follows */
    uint8_t protocol; /* of the fragmentable part */
    uint32_t id;
    bool v6;
};

/* A group's setup, in cmocka's form: fills shapes and text. */
int datagram_setup(void **state);

struct datagram datagram_of(size_t shape, size_t payload, uint32_t id);
/* Bytes of the fragmentable part. */
size_t datagram_data_len(const struct datagram *g);
/* The piece [from, to) of the fragmentable part as an IP packet; its length. */
size_t cut_piece(const struct datagram *d, size_t from, size_t to, bool more, uint8_t *out);

/* For so many datagrams at a time; never NULL. */
struct defrag *new_defrag(size_t datagrams);
/* Feeds one IP packet that must be a piece, from against a guard page. True: *whole is a datagram. */
bool feed_fragment(struct defrag *d, struct bytes l3, int64_t ns, struct frame *whole);
/* cut_piece and feed_fragment, at 1 ns. */
bool feed_piece(struct defrag *d, const struct datagram *g, size_t from, size_t to, bool more, struct frame *whole);
/* What came out is the datagram that went in, and its checksums are right. */
void assert_datagram(const struct datagram *g, const struct frame *whole);

#endif
