// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Theory of operation
 *
 * The offline front end: frames come from captures, time is the capture's own, and
 * a verdict means nothing but "this is what would have been done", so the engine
 * watches. One engine reads all captures that are given, since they may be pieces
 * of one; with -j several do, each for its share of the connections (reader.h), and
 * what they find is put in order here (batch.h).
 *
 * With --inline the engine guards, as it does live, and a verdict has a place where
 * it counts: the capture that -w writes. What became of the packets behind the place
 * where the capture was taken is in there, too, so a session that is reset or cut
 * goes on in the input as if nothing had happened; the engine doesn't mind.
 *
 * What is printed is a function of the captures and the options, and not of -j: the
 * engine's hash key is fixed, the sweep for idle sessions follows the count of frames,
 * and no clock is read for anything but the progress line. Only what is more than can be
 * kept depends on -j: each engine keeps as much as one alone.
 *
 * A capture that breaks off has been judged up to there; the message names file and
 * place, and the exit status says trouble (2), which outranks violations (1).
 */
#include "pcap-tests/replay/forward.h"
#include "pcap-tests/replay/options.h"
#include "pcap-tests/replay/progress.h"
#include "pcap-tests/replay/reader.h"
#include "pcap-tests/replay/table.h"
#include "rules/commands.h"

#include "kmod-free/report/event_json.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define OUTPUT_BUFFER (256u << 10)

struct replay {
    struct replay_options options;
    struct summary summary;
    struct table *table; /* NULL with --json */
    struct forward *forward; /* NULL without -w */
    struct progress progress;
    struct job *jobs;
    int goes_back;      /* see batch.h */
    bool no_local;      /* no domain is known to be ours */
    bool trouble;       /* said already */
    bool output_failed; /* nobody reads what we write: no use going on */
};

/* One reader, and where its batches come from. */
struct job {
    struct reader *reader;
    struct line *line; /* NULL: there is one job only, and no thread */
    struct batch *batch;
    pthread_t thread;
    bool started, ended;
    uint64_t records;
};

static void write_json(struct replay *r, json_t *object)
{
    char *line = object ? json_dumps(object, EVENT_JSON_FLAGS) : NULL;

    json_decref(object);
    if (!line) {
        replay_complain("out of memory for an event");
        r->trouble = r->output_failed = true;
        return;
    }
    fputs(line, stdout);
    if (putchar('\n') == EOF || ferror(stdout))
        r->output_failed = true;
    free(line);
}

static void take_event(struct replay *r, const struct event *ev)
{
    summary_event(&r->summary, ev);
    if (r->table)
        table_event(r->table, ev);
    else if (!r->output_failed)
        write_json(r, event_to_json(ev));
}

/* What one job says of itself. The first one's word counts for what all of them read. */
static void take_progress(struct replay *r, struct job *job)
{
    struct batch_progress *p = &job->batch->progress;

    job->ended = p->end;
    job->records = p->records;
    if (job != r->jobs)
        return;
    r->summary.files = (uint64_t)p->opened;
    r->summary.packets = p->records;
    r->summary.bytes = p->bytes;
    r->summary.first = p->first;
    r->summary.last = p->last;
    if (p->goes_back > 0)
        r->goes_back = p->goes_back;
    if (p->trouble) {
        progress_clear(&r->progress);
        replay_complain("%s", p->trouble);
        r->summary.broken++;
        r->trouble = true;
    }
    if (progress_due(&r->progress))
        progress_show(&r->progress, &(struct progress_state){
                                        .file = p->file + 1,
                                        .files = r->options.file_count,
                                        .part = p->part,
                                        .packets = r->summary.packets,
                                        .bytes = r->summary.bytes,
                                        .attempts = r->summary.tried,
                                    });
}

/* One job: its batches are taken as they come. */
static struct batch *take_batch(void *ctx, struct batch *b)
{
    struct replay *r = ctx;

    r->jobs->batch = b;
    take_progress(r, r->jobs);
    for (size_t i = 0; i < b->count; i++)
        take_event(r, batch_event(b, i));
    batch_clear(b);
    return r->output_failed ? NULL : b;
}

/* Several: they go into the line, at whose end merge() waits. */
static struct batch *send_batch(void *ctx, struct batch *b)
{
    struct job *job = ctx;
    bool end = b->progress.end;

    line_send(job->line, b);
    return end ? NULL : line_empty(job->line);
}

static void *run_job(void *ctx)
{
    struct job *job = ctx;
    struct batch *b = line_empty(job->line);

    if (b)
        reader_run(job->reader, b);
    return NULL;
}

/* The job's next entry, waited for. NULL: it has no more. */
static const struct batch_entry *next_entry(struct replay *r, struct job *job)
{
    while (!job->batch || job->batch->taken == job->batch->count) {
        if (job->batch)
            line_return(job->line, job->batch);
        job->batch = NULL;
        if (job->ended)
            return NULL;
        job->batch = line_receive(job->line);
        take_progress(r, job);
    }
    return &job->batch->entries[job->batch->taken];
}

static bool comes_first(const struct batch_entry *a, const struct batch_entry *b)
{
    return a->place != b->place ? a->place < b->place : a->flow_id < b->flow_id;
}

static void merge(struct replay *r)
{
    while (!r->output_failed) {
        const struct batch_entry *first = NULL;
        struct job *from = NULL;

        for (int i = 0; i < r->options.jobs; i++) {
            const struct batch_entry *entry = next_entry(r, &r->jobs[i]);
            if (entry && (!first || comes_first(entry, first))) {
                first = entry;
                from = &r->jobs[i];
            }
        }
        if (!from)
            return;
        take_event(r, batch_event(from->batch, from->batch->taken++));
    }
}

/* false: said. */
static bool read_by_many(struct replay *r)
{
    bool good = true;

    for (int i = 0; i < r->options.jobs && good; i++) {
        struct job *job = &r->jobs[i];
        int error = pthread_create(&job->thread, NULL, run_job, job);

        job->started = error == 0;
        good = job->started;
        if (!good)
            replay_complain("cannot start a thread: %s", strerror(error));
    }
    if (good)
        merge(r);
    for (int i = 0; i < r->options.jobs; i++) {
        struct job *job = &r->jobs[i];

        line_close(job->line);
        if (job->started)
            (void)pthread_join(job->thread, NULL);
    }
    for (int i = 1; i < r->options.jobs && good && !r->output_failed; i++)
        if (r->jobs[i].records != r->jobs[0].records) {
            replay_complain("a capture changed while it was read");
            r->trouble = true;
            break;
        }
    return good;
}

static bool read_all(struct replay *r)
{
    struct batch *b;

    if (r->options.jobs > 1)
        return read_by_many(r);
    b = batch_new();
    if (!b) {
        replay_complain("out of memory");
        return false;
    }
    reader_run(r->jobs->reader, b);
    batch_free(b);
    r->jobs->batch = NULL;
    return true;
}

/* Several jobs read each capture several times: only files that are there as a whole. */
static bool can_share(const struct replay_options *o)
{
    for (int i = 0; i < o->file_count; i++) {
        struct stat st;

        if (strcmp(o->files[i], "-") == 0 || stat(o->files[i], &st) != 0 || !S_ISREG(st.st_mode))
            return false;
    }
    return !o->guard && !o->write;
}

static bool make_jobs(struct replay *r)
{
    struct replay_options *o = &r->options;

    if (!can_share(o))
        o->jobs = 1;
    r->jobs = calloc((size_t)o->jobs, sizeof *r->jobs);
    for (int i = 0; r->jobs && i < o->jobs; i++) {
        struct job *job = &r->jobs[i];
        struct reader_config cfg = {
            .options = o,
            .share = (uint32_t)i,
            .shares = (uint32_t)o->jobs,
            .forward = r->forward,
            .sink = o->jobs == 1 ? (struct reader_sink){.take = take_batch, .ctx = r}
                                 : (struct reader_sink){.take = send_batch, .ctx = job},
        };

        job->line = o->jobs > 1 ? line_new() : NULL;
        job->reader = reader_new(&cfg, o->config.policy);
        if (!job->reader || (o->jobs > 1 && !job->line))
            return false;
    }
    return r->jobs != NULL;
}

/* false: said. */
static bool start(struct replay *r)
{
    r->no_local = domain_set_size(r->options.config.policy->local) == 0;
    if (r->options.write) {
        r->forward = forward_open(r->options.write, r->options.files, r->options.file_count);
        if (!r->forward)
            return false;
    }
    r->table = r->options.json ? NULL : table_new(r->options.rows);
    if ((r->options.json || r->table) && summary_start(&r->summary) && make_jobs(r)) {
        r->summary.servers_named = r->options.config.policy->server_count > 0;
        return true;
    }
    replay_complain("out of memory");
    return false;
}

static void stop(struct replay *r)
{
    for (int i = 0; r->jobs && i < r->options.jobs; i++) {
        reader_free(r->jobs[i].reader);
        if (r->jobs[i].line && r->jobs[i].batch)
            batch_free(r->jobs[i].batch);
        line_free(r->jobs[i].line);
    }
    free(r->jobs);
    forward_free(r->forward);
    table_free(r->table);
    summary_stop(&r->summary);
    options_free(&r->options);
}

/* Of what is shown. */
static void count_all(struct replay *r, struct engine_counters *sum)
{
    *sum = (struct engine_counters){0};
    for (int i = 0; i < r->options.jobs; i++) {
        struct engine_counters c;

        reader_count(r->jobs[i].reader, &c);
        engine_counters_add(sum, &c);
        if (reader_failed(r->jobs[i].reader) && !r->trouble) {
            replay_complain("out of memory for an event");
            r->trouble = true;
        }
    }
}

static void finish(struct replay *r)
{
    struct engine_counters counters;

    progress_clear(&r->progress);
    count_all(r, &counters);
    r->summary.unjudged = counters.flows_refused + counters.stream_full;
    if (r->table)
        table_print(r->table, &r->summary, &counters, stdout);
    else if (!r->output_failed)
        write_json(r, summary_to_json(&r->summary, &counters));
    if (r->goes_back > 0 && r->summary.gaps > 0)
        replay_complain("note: bytes are missing, and %s begins before the end of what was given in front of it: are the "
                        "pieces of a capture in order (ls -v)?",
                        r->options.files[r->goes_back]);
    if (r->summary.unjudged > 0)
        replay_complain("note: %" PRIu64 " connections and %" PRIu64 " segments were more than could be kept, "
                        "and were not judged",
                        counters.flows_refused, counters.stream_full);
    if (r->options.guard)
        replay_complain("inline: %" PRIu64 " packets passed, %" PRIu64 " were cut, %" PRIu64 " dropped, %" PRIu64
                        " answered with RST",
                        counters.passed, counters.clipped, counters.dropped, counters.resets);
    if (r->forward && !forward_flush(r->forward))
        r->trouble = true;
    errno = 0;
    if (fflush(stdout) != 0 || ferror(stdout)) {
        replay_complain("standard output: %s", errno ? strerror(errno) : "write error");
        r->trouble = true;
    }
    if (r->options.verbose || r->progress.shown) {
        double seconds = progress_seconds(&r->progress);
        fprintf(stderr, "%" PRIu64 " packets, %" PRIu64 " bytes in %.3f s: %.1f MB/s\n", r->summary.packets,
                r->summary.bytes, seconds, seconds > 0 ? (double)r->summary.bytes / 1e6 / seconds : 0);
    }
}

int command_replay(int argc, char **argv)
{
    static char buffer[OUTPUT_BUFFER];
    struct replay r = {0};
    int status;

    switch (options_read(argc, argv, &r.options)) {
    case OPTIONS_GO:
        break;
    case OPTIONS_HELP:
        return 0;
    case OPTIONS_TROUBLE:
        return 2;
    }
    (void)signal(SIGPIPE, SIG_IGN); /* a reader that went away shows as a failed write */
    (void)setvbuf(stdout, buffer, _IOFBF, sizeof buffer);
    if (!start(&r)) {
        stop(&r);
        return 2;
    }
    if (r.no_local)
        replay_complain("note: no local domain is known (--local), so every recipient counts as external");
    progress_start(&r.progress);
    if (!read_all(&r)) {
        stop(&r);
        return 2;
    }
    finish(&r);
    status = r.trouble ? 2 : summary_alerts(&r.summary) > 0 ? 1 : 0;
    stop(&r);
    return status;
}
