/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * support - what the tests share: input that ends at a guard page, hand-built TCP/IP
 * packets, captures, and whole TCP sessions made from a script.
 *
 * It uses types of packet.h but no code of the engine, so that a mistake in the
 * engine's checksums can't hide behind the same mistake here. Anything that goes
 * wrong in here (no memory, no room) is a broken test: it prints and aborts.
 */
#ifndef RCPTWALL_TESTS_SUPPORT_H
#define RCPTWALL_TESTS_SUPPORT_H

#include <stdio.h>

#include "kmod-free/frame.h"
#include "kmod-free/packet.h"
#include "kmod-free/role.h"

/*
 * A copy of b whose last byte is the last one of its page; the page behind it (and
 * the one before the copy's first page) can't be touched. An empty b gives a pointer
 * that can't be read at all. Writable. Free with guard_free (not free()).
 */
struct bytes guard_copy(struct bytes b);
/* n zero bytes placed the same way: room for output that must not be overrun. */
uint8_t *guard_room(size_t n);
void guard_free(struct bytes b);
void guard_room_free(uint8_t *room, size_t n);

/* Whether it ends in a failed assertion (SIGABRT): tried in a child process, silently and without a core. */
bool support_aborts(void (*bug)(void));

/* "192.0.2.1" or "2001:db8::1", and a port. */
struct endpoint support_endpoint(const char *addr, uint16_t port);

/* One TCP segment to be built. What is left 0 gets a sensible value where 0 makes none. */
struct support_segment {
    struct endpoint src, dst; /* of the same family */
    uint32_t seq, ack;
    uint8_t flags;   /* enum tcp_flag */
    uint8_t ttl;     /* 0: 64 */
    uint16_t window; /* 0: 65,535, unless zero_window */
    uint16_t urgent;
    uint16_t ip_id; /* IPv4 */
    bool zero_window;
    bool bad_csum;           /* the TCP checksum is off by one */
    struct bytes options;    /* TCP options, filled up with zeros to whole words; 40 bytes at most */
    struct bytes ip_options; /* IPv4 options, likewise */
    uint8_t ip6_first;       /* IPv6 extension headers: type of the first one ... */
    struct bytes ip6_ext;    /* ... and the chain; its last Next Header field must say 6 */
    struct bytes payload;
};

/* The longest packet that support_segment makes. */
#define SUPPORT_PACKET_MAX 65535

/* Writes the IP packet with right lengths and checksums; returns its length. */
size_t support_segment(const struct support_segment *s, uint8_t *out, size_t room);

/* An Ethernet header and `vlans` 802.1Q tags (VLAN ids 1, 2, ...) in front of an IP packet; returns the length. */
size_t support_ethernet(struct bytes l3, size_t vlans, uint8_t *out, size_t room);

/* Sum over b in network byte order, folded and inverted, the slow and obvious way. */
uint16_t support_csum(uint32_t start, struct bytes b);
void support_put16(uint8_t *at, uint16_t v); /* network byte order */
void support_put32(uint8_t *at, uint32_t v);

/* A frame around an IP packet: CSUM_VERIFY, both clocks at ns, no tag. */
struct frame support_frame(struct bytes l3, int64_t ns);

/*
 * A capture file (little-endian, microseconds). Into a buffer: give it the stream of
 * open_memstream(3). wire_len 0: nothing was cut.
 */
void support_pcap_start(FILE *f, uint32_t linktype);
void support_pcap_add(FILE *f, int64_t ns, struct bytes captured, size_t wire_len);

/*
 * A TCP connection under construction: it knows the next sequence number of both
 * sides. support_tcp_send writes the next segment of `from` (ACK flag and number are
 * added except to the first SYN) and moves on; send twice from a copy of the struct
 * to repeat a segment.
 */
struct support_tcp {
    struct endpoint of[ROLE_COUNT];
    uint32_t next[ROLE_COUNT]; /* starts as the initial sequence number */
    bool started;
};
size_t support_tcp_send(struct support_tcp *t, enum role from, uint8_t flags, struct bytes payload, uint8_t *out,
                        size_t room);

/* One thing that one side says. */
struct support_say {
    enum role from;
    struct bytes text;
};

struct support_session_config {
    struct endpoint client, server;  /* both zero: 198.51.100.2:40112 to 192.0.2.25:25 */
    uint32_t client_isn, server_isn; /* as they are, 0 included */
    size_t mss;                      /* a say is cut into segments of at most this; 0: 1460 */
    int64_t start_ns;                /* time of the first frame; the next ones come 1 ms apart */
    bool no_acks;                    /* leave out the pure ACKs behind the data */
    bool no_fin;                     /* leave the connection open */
};

struct support_session_frame {
    struct bytes l3; /* lives as long as the session; writable through support_session_l3 */
    int64_t ns;
    enum role from;
    uint32_t payload_len;
};

/*
 * The whole session as frames, in order: SYN, SYN|ACK, ACK; then for each say its data
 * segments (PSH on the last) and one ACK of the other side; then FIN|ACK of the client,
 * FIN|ACK of the server, ACK. `tcp` is where the conversation stands at the end.
 */
struct support_session {
    struct support_session_frame *frames;
    size_t count;
    struct support_tcp tcp;
};

struct support_session *support_session_new(const struct support_session_config *c, const struct support_say *script,
                                            size_t says);
/*
 * The same from a text: lines "C: something" and "S: something", each said with CRLF in
 * place of its LF. Lines that begin with '#' and empty lines are passed over.
 */
struct support_session *support_session_text(const struct support_session_config *c, const char *text);
void support_session_free(struct support_session *s);
/* The i-th frame, ready for the engine. */
struct frame support_session_frame(const struct support_session *s, size_t i);
uint8_t *support_session_l3(struct support_session *s, size_t i);
/* All frames as a capture; linktype 1 (Ethernet) or 101 (raw IP). */
void support_session_pcap(const struct support_session *s, FILE *f, uint32_t linktype);

#endif
