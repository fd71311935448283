/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * flow - the table of TCP connections, found by their two endpoints.
 *
 * Fixed size, chained hash by SipHash-2-4 (libsodium crypto_shorthash) under a
 * key that the front end draws, so that nobody can aim at one chain. A flow is
 * named by its index, which stays the same for its life; the engine keeps what it
 * knows about the flow in arrays of its own under the same index. A flow knows
 * no SMTP.
 *
 * Lookup is symmetric: a packet of either direction finds the same flow, and is
 * told which role sent it. Flows are made by flow_make and end in flow_free,
 * which only the engine calls, when their time is over.
 */
#ifndef RCPTWALL_FLOW_H
#define RCPTWALL_FLOW_H

#include "kmod-free/packet.h"
#include "kmod-free/role.h"

#define FLOW_NONE UINT32_MAX
#define FLOW_KEY_BYTES 16 /* crypto_shorthash_KEYBYTES */

struct flow {
    _Alignas(64) struct endpoint of[ROLE_COUNT]; /* a cache line each */
    struct mono last;      /* when its last packet came */
    struct wall last_wall; /* the same; set by the caller, as is: */
    uint32_t client_in;    /* the interface that the client's packets come in by; 0 = not known, or they leave by it */
    bool used;
};

struct flow_link {
    uint32_t chain; /* next flow of the same bucket (index + 1; 0: none), or next free one (index, or FLOW_NONE) */
    uint32_t hash;
};

/* A flow that was found lately. */
struct flow_recent {
    uint32_t index;  /* + 1; 0: none */
    uint32_t number; /* its own, so that another's memory isn't touched */
};
#define FLOW_RECENT_BITS 8

/* A packet that is expected. */
struct flow_expected {
    uint64_t number; /* as for `recent` */
    uint32_t hash;
    bool known;      /* false: nothing to do */
};
#define FLOW_EXPECTED 16 /* calls of flow_expect until the packet comes, at least */

struct flow_table {
    struct flow *flows;
    void *memory;         /* where they lie in */
    struct flow_link *links;
    uint32_t *buckets;
    struct flow_recent *recent; /* 1 << FLOW_RECENT_BITS */
    uint32_t bucket_max;
    uint32_t level, split; /* level + split buckets are in use */
    uint32_t max;
    uint32_t used, peak;
    uint32_t fresh;       /* slots from here on were never used */
    uint32_t free_head;
    uint64_t refused;     /* flow_make on a full table */
    struct flow_expected expected[FLOW_EXPECTED];
    uint32_t expecting; /* number of the next one */
    uint8_t key[FLOW_KEY_BYTES];
};

/* For `max` connections at a time. false: out of memory. */
RW_CHECK bool flow_table_new(struct flow_table *, uint32_t max, const uint8_t key[FLOW_KEY_BYTES]);
void flow_table_free(struct flow_table *);

/* The flow of a packet from src to dst; *from says whose packet it is. FLOW_NONE: unknown. */
RW_CHECK uint32_t flow_find(const struct flow_table *, const struct endpoint *src, const struct endpoint *dst,
                            enum role *from);
/* FLOW_NONE: the table is full (S3). The pair must not be in the table yet. */
RW_CHECK uint32_t flow_make(struct flow_table *, const struct endpoint *client, const struct endpoint *server,
                            struct mono now);
void flow_free(struct flow_table *, uint32_t index);
/* What the table goes by: the same for both directions. links[].hash of a flow that is in it. */
uint32_t flow_hash(const struct flow_table *, const struct endpoint *, const struct endpoint *);
/* Client and server change places (a half-seen session turned out to be the other way round). */
void flow_swap_roles(struct flow_table *, uint32_t index);

/*
 * Packets that will come soon: has the memory that they need fetched, while others are judged. flow_expect takes up
 * one more of them; and gives the flow of one that it took up some calls ago, FLOW_NONE: nothing is known of that.
 * Only a hint: what is found is looked at again when the packet comes.
 */
RW_CHECK uint32_t flow_expect(struct flow_table *, const struct endpoint *, const struct endpoint *);

/*
 * 0 .. shares - 1, the same for both directions: to give connections out to several tables. Anybody can aim at one
 * share, and then has it do the work of all.
 */
uint32_t flow_share(const struct endpoint *, const struct endpoint *, uint32_t shares);

#endif
