// SPDX-License-Identifier: GPL-2.0-or-later
#include "pcap-tests/replay/reader.h"

#include "kmod-free/stream.h"
#include "pcap-tests/replay/capsrc.h"

#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Limits: a capture of a whole site's day fits. Memory is touched only as far as it is needed. */
#define STREAM_BYTES      (UINT32_C(512) << 20)
#define STREAM_BYTES_EACH (UINT32_C(4) << 20)
#define DEFRAG_DATAGRAMS  512
#define FRAMES_PER_TICK   128
/*
 * With so many flows large pages are worth it. Not with fewer: to have them cleared takes longer than many small ones,
 * and in a virtual machine whose host has to give the memory first, much longer.
 */
#define LARGE_PAGES_FLOWS (UINT32_C(1) << 17)
/* A TCP segment takes at least this much of a capture: record header, IPv4 header, TCP header. */
#define SEGMENT_LEAST     (16 + 20 + 20)
#define SEGMENTS_SPARE    64
/* When a batch is handed over. */
#define BATCH_RECORDS     1024
#define BATCH_ENTRIES     1024

struct reader {
    struct reader_config cfg;
    struct engine *engine;
    struct batch *batch;   /* NULL: nobody wants more */
    struct batch_progress progress;
    struct mono latest;    /* of the capture's own time */
    uint64_t place;        /* of what the engine finds now */
    bool large_pages;      /* were wished for */
    bool failed;
};

static void take_event(void *ctx, const struct event *ev)
{
    struct reader *r = ctx;

    if (r->batch && !batch_add(r->batch, r->place, ev))
        r->failed = true;
}

static void hand_over(struct reader *r)
{
    if (!r->batch)
        return;
    r->batch->progress = r->progress;
    r->progress.trouble = NULL; /* the batch's now */
    r->batch = r->cfg.sink.take(r->cfg.sink.ctx, r->batch);
}

/* From here on the engine's memory comes in large pages, where the kernel has some: a wish, and all goes on without. */
static void want_large_pages(struct reader *r)
{
    struct engine_counters count;
    struct engine_run runs[ENGINE_RUNS];
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);

    engine_count(r->engine, &count);
    if (count.flows_now < LARGE_PAGES_FLOWS)
        return;
    r->large_pages = true;
    engine_memory(r->engine, runs);
    for (size_t i = 0; i < ENGINE_RUNS; i++) {
        size_t over = (page - (uintptr_t)runs[i].at % page) % page;
        if (runs[i].len > over)
            (void)madvise((uint8_t *)runs[i].at + over, runs[i].len - over, MADV_HUGEPAGE);
    }
}

static void tick(struct reader *r)
{
    size_t from = r->batch->count;

    if (!r->large_pages)
        want_large_pages(r);
    r->place = r->progress.frames * 2 + 1;
    while (engine_tick(r->engine, r->latest))
        ;
    batch_sort(r->batch, from);
}

static void judge(struct reader *r, struct capsrc_record *record)
{
    const struct replay_options *o = r->cfg.options;
    struct verdict verdict;

    record->frame.csum = o->csum;
    if (record->has_mark)
        record->frame.tag = marks_tag(&o->config.marks, record->mark);
    r->place = ++r->progress.frames * 2;
    verdict = engine_feed(r->engine, &record->frame);
    assert(verdict.kind == VERDICT_PASS || o->guard); /* who only watches holds nothing back */
    if (r->cfg.forward)
        forward_packet(r->cfg.forward, record, o->guard ? r->engine : NULL, &verdict);
    if (mono_before(r->latest, record->frame.at))
        r->latest = record->frame.at;
    if (r->progress.frames % FRAMES_PER_TICK == 0)
        tick(r);
}

/* What comes next is at hand, mostly. */
static void look_ahead(struct reader *r, struct capsrc *source)
{
    struct bytes l3;

    while (capsrc_ahead(source, ENGINE_AHEAD, &l3))
        engine_expect(r->engine, l3);
}

static void count_record(struct batch_progress *p, const struct capsrc_record *record)
{
    if (p->records == 0 || record->wall.ns < p->first.ns)
        p->first = record->wall;
    if (p->records == 0 || record->wall.ns > p->last.ns)
        p->last = record->wall;
    p->records++;
    p->bytes += record->on_wire;
}

static void meet_trouble(struct reader *r, const char *what)
{
    r->progress.trouble = strdup(what);
    if (!r->progress.trouble)
        r->failed = true;
    hand_over(r);
}

static void read_file(struct reader *r, int file)
{
    char error[CAPSRC_ERROR_MAX];
    struct capsrc *source = capsrc_open(r->cfg.options->files[file], error);
    struct capsrc_record record;
    enum capsrc_result result;
    uint64_t before = r->progress.records;

    r->progress.file = file;
    r->progress.part = -1;
    if (!source) {
        meet_trouble(r, error);
        return;
    }
    r->progress.opened++;
    while (r->batch && (result = capsrc_next(source, &record)) != CAPSRC_END) {
        if (result == CAPSRC_TROUBLE) {
            meet_trouble(r, capsrc_error(source));
            break;
        }
        if (r->progress.records == before && before > 0 && record.wall.ns < r->progress.last.ns)
            r->progress.goes_back = file;
        count_record(&r->progress, &record);
        if (engine_is_large(r->engine))
            look_ahead(r, source);
        if (result == CAPSRC_IP)
            judge(r, &record);
        if (r->progress.records % BATCH_RECORDS == 0 || r->batch->count >= BATCH_ENTRIES) {
            r->progress.part = capsrc_progress(source);
            hand_over(r);
        }
    }
    capsrc_close(source);
}

static int by_id(const void *one, const void *other)
{
    const struct engine_open_flow *a = one, *b = other;

    return a->flow_id < b->flow_id ? -1 : a->flow_id > b->flow_id;
}

/* Ends what is still open, in the order in which it began. */
static void finish(struct reader *r)
{
    struct engine_counters count;
    struct engine_open_flow *open;
    size_t n;

    engine_count(r->engine, &count);
    open = calloc(count.flows_now + 1, sizeof *open);
    if (!open) {
        r->failed = true;
        return;
    }
    n = engine_open_flows(r->engine, open, count.flows_now);
    for (size_t i = 1; i < n; i++)
        if (open[i - 1].flow_id > open[i].flow_id) { /* places were used again */
            qsort(open, n, sizeof *open, by_id);
            break;
        }
    r->place = BATCH_PLACE_END;
    for (size_t i = 0; i < n && r->batch; i++) {
        engine_end_flow(r->engine, open[i].flow);
        if (r->batch->count >= BATCH_ENTRIES)
            hand_over(r);
    }
    free(open);
}

void reader_run(struct reader *r, struct batch *empty)
{
    r->batch = empty;
    for (int i = 0; i < r->cfg.options->file_count && r->batch; i++)
        read_file(r, i);
    if (r->batch)
        finish(r);
    r->progress.end = true;
    hand_over(r);
}

/*
 * How many segments the captures can hold, so that small ones don't ask for memory
 * that they can't need; UINT32_MAX where their size says nothing (pipes, compressed ones).
 */
static uint32_t most_segments(const struct replay_options *o)
{
    uint64_t sum = 0;

    for (int i = 0; i < o->file_count; i++) {
        uint8_t magic[2] = {0};
        struct stat st;
        /* a pipe isn't opened to be looked at: its writer would see it closed again */
        bool regular = strcmp(o->files[i], "-") != 0 && stat(o->files[i], &st) == 0 && S_ISREG(st.st_mode);
        int fd = regular ? open(o->files[i], O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
        bool plain = fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
                     pread(fd, magic, sizeof magic, 0) == (ssize_t)sizeof magic &&
                     (magic[0] != 0x1f || magic[1] != 0x8b);
        if (fd >= 0)
            close(fd);
        if (!plain)
            return UINT32_MAX;
        sum += (uint64_t)st.st_size;
    }
    sum = sum / SEGMENT_LEAST + SEGMENTS_SPARE;
    return sum < UINT32_MAX ? (uint32_t)sum : UINT32_MAX;
}

static uint32_t at_most(uint32_t limit, uint32_t segments)
{
    return segments < limit ? segments : limit;
}

struct reader *reader_new(const struct reader_config *cfg, struct policy *policy)
{
    const struct replay_options *o = cfg->options;
    struct reader *r = calloc(1, sizeof *r);
    struct engine_config engine = o->config.engine;
    uint32_t segments = most_segments(o);

    if (!r)
        return NULL;
    r->cfg = *cfg;
    engine.stance = o->guard ? STANCE_GUARD : STANCE_WATCH;
    engine.live = o->guard;
    engine.only_protected = true;
    engine.max_flows = at_most(o->max_flows, segments);
    engine.stream_blocks = at_most(STREAM_BYTES / STREAM_BLOCK / 2, segments) * 2; /* each may lie over a border */
    engine.stream_block_limit = STREAM_BYTES_EACH / STREAM_BLOCK;
    engine.defrag_datagrams = at_most(DEFRAG_DATAGRAMS, segments);
    memset(engine.hash_key, 0, sizeof engine.hash_key); /* the same each time, so that the output is */
    engine.first_flow_id = 1;
    engine.ids_of_frames = true;
    engine.share = cfg->share;
    engine.shares = cfg->shares;
    engine.want_rcpt_events = engine.want_session_events = engine.want_reply_events = true;
    engine.sink = (struct event_sink){.take = take_event, .ctx = r};
    r->engine = engine_new(&engine, policy);
    if (!r->engine) {
        free(r);
        return NULL;
    }
    return r;
}

void reader_free(struct reader *r)
{
    if (!r)
        return;
    (void)!engine_swap_policy(r->engine, NULL); /* it is the caller's */
    engine_free(r->engine);
    free(r->progress.trouble);
    free(r);
}

void reader_count(const struct reader *r, struct engine_counters *out)
{
    engine_count(r->engine, out);
}

bool reader_failed(const struct reader *r)
{
    return r->failed;
}
