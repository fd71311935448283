/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nfq/worker.h"

#include "kmod-free/policy_pack.h"
#include "nfq/parking.h"
#include "nfq/sandbox.h"
#include "nfq/verdict.h"
#include "nfq/way.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

/* A send of this size fits the system's default socket buffer; the longest message goes on top. */
#define OUTBOX_BYTES  ((64 << 10) + VERDICT_MESSAGE_MAX)
#define TICK_MS       10
#define TICK_NS       (TICK_MS * NS_PER_MS)
/* On SIGTERM: how long to go on answering what waits, and how long the last messages may wait for room. */
#define ANSWERS_A_TURN 64
/* A question waits for the first packet with payload, the banner, most often, or so long at most. */
#define ASK_LATEST_MS 2
/* So many are under way, and clients who may not be there at all aren't asked about: DNSBL_QUERIES_MAX is room for some workers' */
#define ASKS_BUSY 128
/* No question is under way for longer (rules/config_keys.c: timeout). */
#define ANSWERS_NS     (61 * NS_PER_S)
#define DRAIN_NS      NS_PER_S
#define LAST_WORDS_NS (2 * NS_PER_S)

struct worker {
    struct worker_setup *setup;
    struct queue *queue;
    struct engine *engine;
    struct marks marks;
    bool enforce;
    struct outbox out;
    uint8_t *scratch;
    struct channel events, control, asks;
    struct close_request closes[QUEUE_BATCH]; /* asked for when the verdicts are through */
    size_t close_count;
    struct dnsbl_ask asked[QUEUE_BATCH]; /* questions that haven't been sent yet */
    size_t asked_count;
    struct mono asked_first; /* when the first of them came up */
    bool payload_seen;       /* in this turn */
    struct parking parked; /* packets that wait for such an answer */
    uint32_t awaited;    /* answers that may come */
    struct mono last_ask;
    struct worker_counters count;
    uint32_t noted; /* bits of enum note that were sent */
    struct mono now, ticked, beat;
    struct wall wall;
    bool ways_due; /* packets shall say their way, and the kernel wasn't told yet */
    uint8_t way_key[WAY_KEY_BYTES];
};

static volatile sig_atomic_t stop_asked, report_asked, message_waits;

static void on_signal(int signal_number)
{
    if (signal_number == SIGTERM)
        stop_asked = 1;
    else if (signal_number == SIGHUP)
        message_waits = 1;
    else
        report_asked = 1;
}

/* The receive must be interrupted: no SA_RESTART. */
static void set_signals(void)
{
    const struct sigaction ours = {.sa_handler = on_signal}, ignore = {.sa_handler = SIG_IGN};
    sigaction(SIGTERM, &ours, NULL);
    sigaction(SIGUSR1, &ours, NULL);
    sigaction(SIGINT, &ignore, NULL); /* Ctrl-C reaches the whole group; the supervisor passes it on as SIGTERM */
    sigaction(SIGHUP, &ours, NULL); /* the supervisor's hint; from anybody else it finds no message */
    sigaction(SIGPIPE, &ignore, NULL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static void read_clocks(struct worker *w)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    w->now.ns = t.tv_sec * NS_PER_S + t.tv_nsec;
    clock_gettime(CLOCK_REALTIME, &t);
    w->wall.ns = t.tv_sec * NS_PER_S + t.tv_nsec;
}

static void note_once(struct worker *w, enum note note)
{
    uint32_t bit = UINT32_C(1) << note;
    if ((w->noted & bit) == 0 && channel_send_note(&w->control, note))
        w->noted |= bit;
}

static void take_event(void *ctx, const struct event *ev)
{
    struct worker *w = ctx;
    channel_send_event(&w->events, ev);
}

static bool send_ask(struct worker *w, const struct dnsbl_ask *ask)
{
    bool sent = channel_send(&w->asks, MESSAGE_ASK, ask, sizeof *ask);
    w->awaited += sent;
    w->last_ask = w->now;
    return sent;
}

/*
 * engine.h's ask_sink. The verdicts first, and the banner: whoever is woken by the question, up to name servers on this
 * machine, takes processor time that the greeting would have to wait for. The answer isn't needed before MAIL.
 */
static bool ask_about(void *ctx, uint32_t flow, uint64_t flow_id, const struct ip_addr *client, int32_t enough)
{
    struct worker *w = ctx;
    const struct dnsbl_ask ask = {
        .who = w->setup->number, .flow = flow, .flow_id = flow_id, .client = *client, .enough = enough};
    if (w->asked_count == QUEUE_BATCH)
        return send_ask(w, &ask);
    if (w->asked_count == 0)
        w->asked_first = w->now;
    w->asked[w->asked_count++] = ask;
    return true;
}

/* engine.h's ask_sink. Answers are counted when they are taken, before the packets of a turn. */
static bool asks_busy(void *ctx)
{
    const struct worker *w = ctx;
    return w->awaited + w->asked_count >= ASKS_BUSY;
}

static bool ask_now(const struct worker *w)
{
    return w->payload_seen || w->asked_count == QUEUE_BATCH ||
           !mono_before(w->now, mono_add(w->asked_first, ASK_LATEST_MS * NS_PER_MS));
}

static void send_asks(struct worker *w)
{
    for (size_t i = 0; i < w->asked_count; i++)
        if (!send_ask(w, &w->asked[i]))
            engine_tell(w->engine, &(struct dnsbl_told){
                                       .flow = w->asked[i].flow, .flow_id = w->asked[i].flow_id, .incomplete = true});
    w->asked_count = 0;
}

/* All verdicts to the kernel, then all close requests to the supervisor, and the questions to dnsbl_service. */
static int flush(struct worker *w)
{
    int r = 0;
    if (w->out.used > 0) {
        r = queue_send(w->queue, bytes_of(w->out.at, w->out.used));
        w->count.sends++;
        outbox_sent(&w->out);
    }
    for (size_t i = 0; i < w->close_count; i++)
        channel_send(&w->control, MESSAGE_CLOSE, &w->closes[i], sizeof w->closes[i]);
    w->close_count = 0;
    if (w->asked_count > 0 && ask_now(w))
        send_asks(w);
    return r;
}

static void ask_to_close(struct worker *w, const struct verdict *v)
{
    const struct packet *p = engine_packet(w->engine);
    w->closes[w->close_count++] = (struct close_request){.from = p->dst, .to = p->src, .numbers = v->back};
    w->count.close_requests++;
}

/* The engine, at a tick: this one may have been lost the first time. */
static void ask_again(void *ctx, const struct reset_request *r)
{
    struct worker *w = ctx;
    const struct close_request request = {.from = r->from, .to = r->to, .numbers = r->numbers};
    channel_send(&w->control, MESSAGE_CLOSE, &request, sizeof request);
}

/* For packets that aren't judged: nothing unjudged passes a guard; a watcher holds nothing up. */
static void set_mode(struct worker *w, bool enforce)
{
    w->enforce = enforce;
    w->out.unseen = enforce ? NF_DROP : NF_ACCEPT;
}

static void answer_unjudged(struct worker *w, const struct queued *q)
{
    verdict_put_plain(&w->out, q->queue, q->id, w->out.unseen);
    if (w->enforce)
        w->count.dropped++;
    else
        w->count.accepted++;
}

static void count_done(struct worker *w, enum verdict_done done)
{
    switch (done) {
    case VERDICT_DONE_ACCEPTED:
        w->count.accepted++;
        break;
    case VERDICT_DONE_DROPPED:
        w->count.dropped++;
        break;
    case VERDICT_DONE_CLIPPED:
        w->count.clipped++;
        break;
    case VERDICT_DONE_REWRITTEN:
        w->count.rewritten++;
        break;
    case VERDICT_DONE_RESET:
        w->count.resets++;
        break;
    case VERDICT_DONE_UNSET:
        w->count.unset++;
        break;
    case VERDICT_DONE_NOT_WRITTEN:
        w->count.not_written++;
        note_once(w, NOTE_NOT_WRITTEN);
        break;
    }
}

/* May it stay in the kernel's queue without a verdict, until an answer is there? */
static bool park(struct worker *w, const struct verdict *v, struct bytes message)
{
    struct mono until = mono_add(w->now, PARKING_NS);
    if (v->held_until.ns == 0 || v->kind != VERDICT_DROP)
        return false;
    if (mono_before(v->held_until, until))
        until = v->held_until;
    return parking_keep(&w->parked, v->flow, message, until);
}

/* message: what it was read from; empty: it has waited once, and has to get its verdict now. */
static void judge_frame(struct worker *w, struct queued *q, struct bytes message)
{
    q->frame.at = w->now;
    q->frame.wall = w->wall;
    if (q->conntrack.len > 0)
        q->frame.way = way_of_conntrack(q->conntrack, w->way_key);
    struct verdict v = engine_feed(w->engine, &q->frame);
    w->payload_seen |= engine_packet(w->engine)->wire_len > 0;
    w->ways_due |= v.want_ways;
    if (message.len > 0 && park(w, &v, message)) {
        w->count.parked++;
        verdict_later(&w->out, q->queue, q->id);
        return;
    }
    enum verdict_done done = verdict_put(&w->out, q, &v, engine_packet(w->engine), &w->marks, w->scratch);
    count_done(w, done);
    if (done == VERDICT_DONE_RESET && v.tell_sender)
        ask_to_close(w, &v);
}

static void judge(struct worker *w, struct queued *q, struct bytes message)
{
    w->count.gso += q->gso;
    w->count.csum_trusted += q->frame.csum == CSUM_TRUSTED;
    w->count.bytes += q->frame.l3.len;
    if ((q->mark & (w->marks.condemned | w->marks.ban)) != 0) {
        /* our own RST, sent back to be acted upon by rules that aren't there: it must not go round for ever */
        w->count.condemned_again++;
        note_once(w, NOTE_RULES_MISSING);
        answer_unjudged(w, q);
        return;
    }
    if (q->frame.cut) {
        w->count.cut++;
        note_once(w, NOTE_CUT);
        if (w->enforce) {
            answer_unjudged(w, q);
            return;
        }
    }
    judge_frame(w, q, message);
}

/* Between two turns. */
static void ask_for_ways(struct worker *w)
{
    w->ways_due = queue_track(w->queue) < 0; /* short of memory: again */
}

static bool take_ways_answer(struct worker *w, struct bytes message)
{
    int error;
    if (!queue_track_answer(message, &error))
        return false;
    w->count.ways = error == 0;
    if (error != 0)
        engine_no_ways(w->engine);
    return true;
}

static int take_message(struct worker *w, struct bytes message)
{
    int r = 0;
    struct queued q;
    if (verdict_none_unseen(message))
        return 0;
    if (queue_is_error(message)) {
        if (take_ways_answer(w, message))
            return 0;
        w->count.verdict_errors++;
        note_once(w, NOTE_VERDICTS_LOST);
        return 0;
    }
    if (outbox_full(&w->out) || w->close_count == QUEUE_BATCH)
        r = flush(w);
    switch (queued_of_message(message, &w->marks, &q)) {
    case QUEUED_OK:
        w->count.packets++;
        judge(w, &q, message);
        break;
    case QUEUED_BAD:
        w->count.packets++;
        w->count.malformed++;
        q.queue = w->queue->number;
        answer_unjudged(w, &q);
        break;
    case QUEUED_LOST:
        w->count.no_id++;
        break;
    }
    return r;
}

/* A parked packet gets its verdict. */
static int release(struct worker *w, struct bytes message)
{
    struct queued q;
    int r = outbox_full(&w->out) || w->close_count == QUEUE_BATCH ? flush(w) : 0;
    if (queued_of_message(message, &w->marks, &q) == QUEUED_OK) { /* as it was when it came */
        verdict_late(&w->out);
        judge_frame(w, &q, (struct bytes){0});
    }
    return r;
}

static int release_due(struct worker *w)
{
    struct bytes message;
    int r = 0;
    while (r == 0 && (message = parking_take_due(&w->parked, w->now)).len > 0)
        r = release(w, message);
    return r;
}

/* Before packets are judged: what they may have waited for. */
static int take_answers(struct worker *w)
{
    static struct message m;
    struct bytes message;
    int r = 0;
    for (int i = 0; i < ANSWERS_A_TURN && w->awaited > 0 && channel_receive(w->setup->answers, &m) == 1; i++) {
        w->awaited--;
        if (m.kind != MESSAGE_TOLD)
            continue;
        engine_tell(w->engine, &m.is.told);
        while (r == 0 && (message = parking_take(&w->parked, m.is.told.flow)).len > 0)
            r = release(w, message);
    }
    if (w->awaited > 0 && mono_before(mono_add(w->last_ask, ANSWERS_NS), w->now))
        w->awaited = 0; /* dnsbl_service died over them */
    return r < 0 ? r : release_due(w);
}

/* One turn. How many datagrams came, or -errno when it can't go on. */
static int turn(struct worker *w, bool no_wait)
{
    if ((w->parked.taken > 0 || w->asked_count > 0) && !no_wait) {
        int most = w->asked_count > 0 ? ASK_LATEST_MS : TICK_MS;
        queue_wait(w->queue, w->setup->answers, parking_wait_ms(&w->parked, w->now, most));
        no_wait = true;
    }
    w->payload_seen = false;
    int n = queue_receive(w->queue, no_wait), r = 0;
    read_clocks(w);
    if (n == -ENOBUFS) {
        w->count.overruns++;
        note_once(w, NOTE_BUFFER_OVERRUN);
        return 0;
    }
    if (n < 0)
        return n;
    if (w->setup->answers >= 0)
        r = take_answers(w);
    for (int i = 0; i < n && r == 0; i++) {
        struct bytes datagram = queue_datagram(w->queue, (size_t)i), message;
        w->count.stranger += datagram.len == 0;
        while (r == 0 && queue_next_message(&datagram, &message))
            r = take_message(w, message);
    }
    w->count.batches += n > 0;
    if (r == 0)
        r = flush(w);
    if (w->ways_due)
        ask_for_ways(w);
    if (mono_before(mono_add(w->ticked, TICK_NS), w->now)) {
        engine_tick(w->engine, w->now);
        w->ticked = w->now;
    }
    return r < 0 ? r : n;
}

static void report(struct worker *w, enum report_why why)
{
    struct worker_report r = {.why = why};
    w->count.lost_events = w->events.lost_total;
    w->count.lost_messages = w->control.lost_total;
    r.worker = w->count;
    engine_count(w->engine, &r.engine);
    channel_send(&w->control, MESSAGE_REPORT, &r, sizeof r);
}

/* ---- a new policy ---- */

static struct policy *read_policy(int fd, size_t size)
{
    uint8_t *at = malloc(size);
    size_t got = 0;
    ssize_t n = 1;
    while (at != NULL && got < size && (n = pread(fd, at + got, size - got, (off_t)got)) > 0)
        got += (size_t)n;
    struct policy *p = at != NULL && got == size ? policy_unpack(bytes_of(at, size)) : NULL;
    free(at);
    return p;
}

/* Between two batches, so that each packet is judged by one policy and its verdict means that one's mode. */
static void obey(struct worker *w, const struct policy_order *order, int fd)
{
    struct policy *fresh = read_policy(fd, order->size);
    if (fresh == NULL)
        return; /* no answer: the supervisor will see to it */
    policy_free(engine_swap_policy(w->engine, fresh));
    engine_set_stance(w->engine, order->enforce ? STANCE_GUARD : STANCE_WATCH);
    engine_set_wants(w->engine, order->want_rcpt_events, order->want_session_events);
    set_mode(w, order->enforce);
    if (queue_set_fail_open(w->queue, order->fail_open) < 0)
        note_once(w, NOTE_VERDICTS_LOST);
    channel_send(&w->control, MESSAGE_RELOADED, &order->generation, sizeof order->generation);
}

static void take_orders(struct worker *w)
{
    static struct message m;
    int fd;
    message_waits = 0;
    while (channel_receive_fd(w->control.fd, &m, &fd) == 1) {
        if (m.kind == MESSAGE_POLICY && fd >= 0)
            obey(w, &m.is.policy, fd);
        if (fd >= 0)
            close(fd);
    }
}

static void between_turns(struct worker *w)
{
    if (report_asked) {
        report_asked = 0;
        report(w, REPORT_ASKED);
    }
    if (message_waits)
        take_orders(w);
    if (!mono_before(w->now, mono_add(w->beat, WORKER_BEAT_NS))) {
        w->beat = w->now;
        report(w, REPORT_BEAT);
    }
}

static void open_already(void *ctx, struct bytes conntrack)
{
    const struct worker *w = ctx;
    struct endpoint one, other;
    if (way_ends(conntrack, &one, &other))
        engine_expect_other(w->engine, &one, &other, w->now);
}

/* What was open before we came, and may be silent for long. Where it can't be read, it is as if there were none. */
static void look_around(struct worker *w)
{
    read_clocks(w);
    if (w->queue->can_track && way_each(open_already, w) < 0)
        w->count.ways_unread = 1;
}

static bool prepare(struct worker *w, struct worker_setup *setup)
{
    struct engine_config ec = setup->config->engine;
    ec.stance = setup->enforce ? STANCE_GUARD : STANCE_WATCH;
    ec.live = true;
    ec.ways = setup->queue.can_track;
    ec.want_rcpt_events = setup->config->log_rcpt;
    ec.want_session_events = setup->config->event_file != NULL;
    ec.want_reply_events = false;
    ec.first_flow_id = setup->first_flow_id;
    ec.sink = (struct event_sink){.take = take_event, .ctx = w};
    if (setup->asks >= 0)
        ec.asks = (struct ask_sink){.ask = ask_about, .busy = asks_busy, .ctx = w};
    ec.dnsbl_wait_ns = setup->config->dnsbl.wait_ns;
    ec.resets = (struct reset_sink){.send = ask_again, .ctx = w};
    randombytes_buf(ec.hash_key, sizeof ec.hash_key);
    *w = (struct worker){
        .setup = setup,
        .queue = &setup->queue,
        .marks = setup->config->marks,
        .out = {.at = malloc(OUTBOX_BYTES), .room = OUTBOX_BYTES},
        .scratch = malloc(0xffff),
        .events = {.fd = setup->events},
        .control = {.fd = setup->control},
        .asks = {.fd = setup->asks},
    };
    randombytes_buf(w->way_key, sizeof w->way_key);
    set_mode(w, setup->enforce);
    parking_begin(&w->parked);
    if (w->out.at == NULL || w->scratch == NULL)
        return false;
    w->engine = engine_new(&ec, setup->config->policy);
    return w->engine != NULL;
}

int worker_run(struct worker_setup *setup)
{
    static struct worker w;
    set_signals();
    if (privileges_keep(PRIVILEGE_NET_ADMIN, &(struct identity){0}) < 0) {
        fprintf(stderr, "rcptwall: queue %u: can't give up privileges\n", setup->queue.number);
        return 1;
    }
    if (!prepare(&w, setup)) {
        fprintf(stderr, "rcptwall: queue %u: out of memory\n", setup->queue.number);
        return 1;
    }
    look_around(&w);
    /* behind the change of privileges, which undoes it; and the supervisor may be gone already */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != setup->supervisor)
        return 1;
    int walls = sandbox_enter(SANDBOX_WORKER, NULL, 0);
    if (walls < 0) {
        fprintf(stderr, "rcptwall: queue %u: can't build its sandbox: %s\n", setup->queue.number, strerror(-walls));
        return 1;
    }
    if (setup->queue.buffer_short)
        note_once(&w, NOTE_BUFFER_SHORT);
    channel_send(&w.control, MESSAGE_READY, NULL, 0);

    int n = 0;
    while (!stop_asked && n >= 0) {
        n = turn(&w, false);
        between_turns(&w);
    }
    struct mono drained = mono_add(w.now, DRAIN_NS);
    do
        n = n < 0 ? n : turn(&w, true);
    while (n > 0 && mono_before(w.now, drained));
    if (n < 0)
        fprintf(stderr, "rcptwall: queue %u: %s\n", setup->queue.number, strerror(-n));
    w.count.dropped += w.parked.taken; /* that is what closing does to them */
    queue_close(&setup->queue); /* at once, so that the rules' bypass takes over where there is one */
    w.events.patience_ns = LAST_WORDS_NS;
    w.control.patience_ns = LAST_WORDS_NS;
    engine_finish(w.engine);
    report(&w, REPORT_FINAL);
    engine_free(w.engine);
    free(w.out.at);
    free(w.scratch);
    return n < 0 ? 1 : 0;
}
