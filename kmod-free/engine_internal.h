/* SPDX-License-Identifier: GPL-2.0-or-later */
/* engine_internal - between the engine's own files; nobody else includes it. */
#ifndef RCPTWALL_ENGINE_INTERNAL_H
#define RCPTWALL_ENGINE_INTERNAL_H

#include "kmod-free/defrag.h"
#include "kmod-free/engine.h"
#include "kmod-free/offenders.h"
#include "kmod-free/pool.h"
#include "kmod-free/tcp.h"
#include "kmod-free/wheel.h"

/* What HELO and MAIL said, for later events. */
#define NOTE_HELO_MAX 120
#define NOTE_MAIL_MAX 260
struct note {
    uint8_t helo_len;
    bool has_helo : 1, has_mail : 1, helo_cut : 1, mail_cut : 1;
    uint16_t mail_len;
    uint8_t text[NOTE_HELO_MAX + NOTE_MAIL_MAX]; /* HELO's name, and behind it MAIL's */
};
/* It is kept in such pieces, chained: most of them need one. */
#define NOTE_PART 44
struct note_block {
    uint32_t next; /* or POOL_NONE */
    uint8_t part[NOTE_PART];
};
#define NOTE_BLOCKS_MAX ((sizeof(struct note) + NOTE_PART - 1) / NOTE_PART)

/* What DNS blocklists say of a session's client. */
enum dnsbl_opinion {
    DNSBL_NOT_ASKED,
    DNSBL_POSTPONED, /* until the client has shown that he is there */
    DNSBL_PENDING,
    DNSBL_CLEAN,
    DNSBL_LISTED,
    DNSBL_UNKNOWN, /* no answer, or not in time */
};

/* A RCPT that goes to the server disarmed, in all its copies (V6). */
struct refusal {
    struct seq at;
    uint16_t len; /* without CRLF; 0: none */
};

/*
 * What the engine knows of the flow with the same index. Those members first that each packet needs, so that with
 * many flows as few cache lines as possible are touched.
 */
struct session {
    _Alignas(64) struct tcp tcp;
    uint8_t condemned;          /* enum action RESET or DROP: nothing passes any more (V2); else 0 */
    uint8_t filed;              /* enum filed: what the wheel knows of it */
    uint8_t refused_count;
    uint8_t dnsbl;              /* enum dnsbl_opinion */
    uint8_t tag;
    bool opaque : 1;            /* TLS, or not SMTP at all: nothing to judge */
    bool port_known : 1;        /* its server port is configured; else SMTP must be recognised first */
    bool midstream : 1;
    bool client_waits : 1;      /* the dialogue stands at a barrier (D2) */
    bool dnsbl_due : 1;         /* MAIL, RCPT or STARTTLS was said: now it counts */
    bool dnsbl_waits : 1;       /* client_waits, and for this only */
    bool ban_due : 1;           /* the next verdict asks for the ban */
    bool is_excused : 1;
    bool external_open : 1;     /* an external recipient was accepted since the last message */
    bool has_rare : 1;          /* engine.rare has something to say of it */
    bool way_contested : 1;     /* another connection with its endpoints may live (engine_way.c) */
    uint32_t way;               /* frame.way of its packets; 0 = not known (engine_way.c) */
    uint32_t note;              /* its first block in engine.notes, or POOL_NONE */
    uint32_t packets[ROLE_COUNT];
    uint64_t bytes[ROLE_COUNT];
    struct smtp smtp;
    struct wall began;
    uint64_t flow_id;
    uint32_t rcpts;
    struct seq quit;            /* valid if session_over: behind the client's QUIT */
};
_Static_assert(sizeof(struct session) == 5 * 64, "a session is five cache lines");

/*
 * What most sessions have nothing of: who breaks the policy, is held back for DNS blocklists, or lacks bytes. Kept
 * apart, so that it takes room, and a page is touched for it, only with them. By flow index, too; see session_rare_of.
 */
struct session_rare {
    uint64_t external_recent;   /* bit ordinal % 64: was that RCPT external? */
    uint64_t broke_recent;      /* likewise: did the policy ask for anything above accept? */
    uint64_t doubtful_recent;   /* likewise: may it be text behind missing bytes? */
    uint32_t external_rcpts, external_accepted, external_messages;
    uint32_t told;              /* bit reason: alerted once already */
    uint32_t lists;             /* that have the client */
    struct seq excused;         /* valid if is_excused: the client's bytes before this went on in WATCH */
    uint8_t verdict;            /* enum action: the highest that was asked for */
    uint8_t reason;             /* enum reason of that */
    uint8_t resets_left;        /* condemned: how often the RST to the server will be sent again */
    bool sender_told[ROLE_COUNT]; /* a RST back to this one was asked for */
    bool gap_told[ROLE_COUNT];
    struct refusal refused[REWRITE_PATCHES_MAX];
    struct mono held_since;     /* valid if not 0 */
    struct mono reset_due;      /* when next */
};

/*
 * Connections that may still be with their server when the engine forgot them: by the hash of their endpoints, two bits
 * each, for one to two hours. Where there are too many, more look so than are.
 */
#define DEPARTED_BITS   19
#define DEPARTED_AGE_NS (3600 * NS_PER_S)
struct departed {
    uint8_t bits[2][1 << (DEPARTED_BITS - 3)]; /* of this hour and of the one before */
    uint8_t young;
    struct mono turned; /* when `young` began; 0: nothing was put in yet */
};

/* What shortens a flow's time; what makes it longer is seen when it comes up. */
enum filed { FILED_NOT, FILED_OPEN, FILED_CLOSED, FILED_CONDEMNED };

struct engine {
    struct engine_config cfg;
    struct policy *policy;
    struct flow_table table;
    struct wheel wheel;         /* by flow index: when to look at it */
    struct session *sessions;   /* by flow index, a cache line's multiple apart */
    struct session_rare *rare;  /* likewise: valid where has_rare */
    struct pool blocks, notes;
    struct offenders offenders;
    struct defrag *defrag;      /* NULL: live */
    struct packet packet;       /* of the last frame */
    uint8_t *scratch;           /* a line that lies in several blocks */
    size_t scratch_len;
    struct recipient rcpt;
    struct event event;
    struct engine_counters count;
    struct mono now;
    struct bytes l3;            /* of the last frame; of the whole datagram where it was a fragment */
    uint32_t spare;             /* next flow index that engine_make_room looks at */
    uint64_t next_flow_id;
    struct mono ways_asked;     /* since when frames should say their way; 0: it wasn't needed yet */
    struct departed departed;
};

/* To be read: all 0 where there is nothing. */
static inline const struct session_rare *session_rare_of(const struct engine *e, uint32_t flow)
{
    static const struct session_rare none;
    return e->sessions[flow].has_rare ? &e->rare[flow] : &none;
}

/* To be written to. */
static inline struct session_rare *session_rare_make(struct engine *e, uint32_t flow)
{
    if (!e->sessions[flow].has_rare)
        e->rare[flow] = (struct session_rare){0};
    e->sessions[flow].has_rare = true;
    return &e->rare[flow];
}

/* Another one than the wheel knows of? */
static inline enum filed session_filed(const struct session *s)
{
    return s->condemned ? FILED_CONDEMNED : tcp_closed(&s->tcp) ? FILED_CLOSED : FILED_OPEN;
}

static inline bool engine_guards(const struct engine *e)
{
    return e->cfg.stance == STANCE_GUARD;
}

/* A RST's way to the server is a packet's way: it may be lost. After 1 s, 3 s and 7 s it is sent again. */
#define ENGINE_RESETS_AGAIN   3
#define ENGINE_RESET_AGAIN_NS NS_PER_S

/*
 * Live: the client has said QUIT, and nothing but its reply is still to come. Then nothing of the server's needs to come
 * by here any more.
 */
static inline bool session_over(const struct session *s)
{
    return s->tcp.of[ROLE_SERVER].unseen;
}

/* engine.c: a flow's session begins (again), and ends with its event. */
void engine_session_begin(struct engine *, uint32_t flow, const struct frame *, bool midstream);
void engine_session_end(struct engine *, uint32_t flow);
/* Can this end only be one of the protected servers? */
RW_CHECK bool engine_is_server(const struct engine *, const struct endpoint *);
/* engine_time.c: the table is full: ends one flow that nobody will miss. false: found none. */
RW_CHECK bool engine_make_room(struct engine *);
/* ... a packet was judged, or a flow made: the wheel has to know what shortens its time. */
void engine_file(struct engine *, uint32_t flow, enum filed);
int64_t engine_longest_life(const struct engine_config *);

/* Verdicts are made in place, in a struct that is all 0 to begin with: they are large, and most are PASS. */
static inline void verdict_pass(struct verdict *v)
{
    v->kind = VERDICT_PASS;
}

static inline void verdict_drop(struct verdict *v, enum reason reason)
{
    v->kind = VERDICT_DROP;
    v->reason = reason;
}

/* engine_way.c: a packet that doesn't say the way that its session has, or that has a SYN: true: it is, or may be,
   another connection's, and *v says what becomes of it. Else it is the session's, which may begin anew by this. WATCH:
   never true. */
RW_CHECK bool way_refuses(struct engine *, const struct frame *, uint32_t flow, enum role from, struct verdict *);
/* The flow is forgotten now. */
void way_depart(struct engine *, uint32_t flow);

/* engine_verdict.c: on e->packet, which belongs to this flow. *whose turns where the roles do. */
void verdict_on(struct engine *, const struct frame *, uint32_t flow, enum role *whose, struct verdict *);

/* engine_judge.c: pull the dialogue until nothing moves; raise what breaks the policy. */
void judge_pump(struct engine *, uint32_t flow);
/* Offline: bytes of the client came that the server has answered already. They are read before that answer. */
void judge_client_first(struct engine *e, uint32_t flow);
/* Gives bytes that will never come up as lost: from's stream goes on behind the gap. */
void judge_gap(struct engine *, uint32_t flow, enum role from);
/* The session is over: everything that waits is judged under whatever readings are left. */
void judge_rest(struct engine *, uint32_t flow);
/* Something broke a promise. */
void judge_raise(struct engine *, uint32_t flow, enum reason);

/* engine_dnsbl.c: a session begins; its question was postponed, and is due if the client is there; the client does
   what a listed one mustn't. */
void dnsbl_begin(struct engine *, uint32_t flow);
void dnsbl_postponed(struct engine *, uint32_t flow);
void dnsbl_due(struct engine *, uint32_t flow);
/* Must the client's further commands wait for an answer? */
RW_CHECK bool dnsbl_holds(struct engine *, uint32_t flow);

/* engine_refuse.c: disarms the RCPT whose line (with CRLF) begins there. false: can't be done (any more). */
RW_CHECK bool refuse_command(struct engine *, uint32_t flow, struct seq at, struct bytes line);
/* Lays what was disarmed over the packet that this verdict on it lets through. */
void refuse_lay_over(struct engine *, uint32_t flow, enum role from, struct verdict *);

/* What an alert is about. */
struct cause {
    enum reason reason;
    enum detail detail;
    const struct recipient *rcpt; /* NULL: not about a RCPT */
    uint32_t ordinal;
};

/* engine_note.c */
void note_helo(struct engine *, struct session *, struct bytes name);
void note_mail(struct engine *, struct session *, struct bytes path);
void note_read(const struct engine *, const struct session *, struct note *out);
void note_forget(struct engine *, struct session *);

/* engine_report.c: fill events and hand them to the sink. */
void report_rcpt(struct engine *, uint32_t flow, const struct recipient *, uint32_t ordinal, enum action);
void report_reply(struct engine *, uint32_t flow, uint32_t ordinal, uint16_t code, bool external);
void report_alert(struct engine *, uint32_t flow, const struct cause *, enum action, bool banned);
void report_session(struct engine *, uint32_t flow);
void report_gap(struct engine *, uint32_t flow, enum role from, uint64_t bytes);

#endif
