// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Theory of operation
 *
 * The offline front end: frames come from captures, time is the capture's own, and
 * a verdict means nothing but "this is what would have been done", so the engine
 * watches. One engine reads all captures that are given, since they may be pieces
 * of one.
 *
 * With --inline the engine guards, as it does live, and a verdict has a place where
 * it counts: the capture that -w writes. What became of the packets behind the place
 * where the capture was taken is in there, too, so a session that is reset or cut
 * goes on in the input as if nothing had happened; the engine doesn't mind.
 *
 * What is printed is a function of the captures and the options: the engine's hash
 * key is fixed, the sweep for idle sessions follows the count of frames, and no
 * clock is read for anything but the progress line.
 *
 * A capture that breaks off has been judged up to there; the message names file and
 * place, and the exit status says trouble (2), which outranks violations (1).
 */
#include "pcap-tests/replay/capsrc.h"
#include "pcap-tests/replay/forward.h"
#include "pcap-tests/replay/options.h"
#include "pcap-tests/replay/progress.h"
#include "pcap-tests/replay/table.h"
#include "rules/commands.h"

#include "kmod-free/report/event_json.h"
#include "kmod-free/stream.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Limits: a capture of a whole site's day fits. Memory is touched only as far as it is needed. */
#define STREAM_BYTES      (UINT32_C(512) << 20)
#define STREAM_BYTES_EACH (UINT32_C(4) << 20)
#define DEFRAG_DATAGRAMS  512
#define FRAMES_PER_TICK   128
/* A TCP segment takes at least this much of a capture: record header, IPv4 header, TCP header. */
#define SEGMENT_LEAST     (16 + 20 + 20)
#define SEGMENTS_SPARE    64
#define OUTPUT_BUFFER     (256u << 10)

struct replay {
    struct replay_options options;
    struct engine *engine;
    struct summary summary;
    struct table *table; /* NULL with --json */
    struct forward *forward; /* NULL without -w */
    struct progress progress;
    struct mono latest; /* of the capture's own time */
    uint64_t frames;
    bool no_local;      /* no domain is known to be ours */
    bool trouble;       /* said already */
    bool output_failed; /* nobody reads what we write: no use going on */
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

static void take_event(void *ctx, const struct event *ev)
{
    struct replay *r = ctx;

    summary_event(&r->summary, ev);
    if (r->table)
        table_event(r->table, ev);
    else if (!r->output_failed)
        write_json(r, event_to_json(ev));
}

static void judge(struct replay *r, struct capsrc_record *record)
{
    const struct marks *marks = &r->options.config.marks;
    struct verdict verdict;

    record->frame.csum = r->options.csum;
    if (record->has_mark)
        record->frame.tag = marks_tag(marks, record->mark);
    verdict = engine_feed(r->engine, &record->frame);
    assert(verdict.kind == VERDICT_PASS || r->options.guard); /* who only watches holds nothing back */
    if (r->forward)
        forward_packet(r->forward, record, r->options.guard ? r->engine : NULL, &verdict);
    if (mono_before(r->latest, record->frame.at))
        r->latest = record->frame.at;
    if (++r->frames % FRAMES_PER_TICK == 0)
        engine_tick(r->engine, r->latest);
}

static void show_progress(struct replay *r, const struct capsrc *source, int file)
{
    progress_show(&r->progress, &(struct progress_state){
                                    .file = file + 1,
                                    .files = r->options.file_count,
                                    .part = capsrc_progress(source),
                                    .packets = r->summary.packets,
                                    .bytes = r->summary.bytes,
                                    .attempts = r->summary.tried,
                                });
}

static void complain_of_file(struct replay *r, const char *error)
{
    progress_clear(&r->progress);
    replay_complain("%s", error);
    r->summary.broken++;
    r->trouble = true;
}

static void read_file(struct replay *r, int file)
{
    char error[CAPSRC_ERROR_MAX];
    struct capsrc *source = capsrc_open(r->options.files[file], error);
    struct capsrc_record record;
    enum capsrc_result result;

    if (!source) {
        complain_of_file(r, error);
        return;
    }
    r->summary.files++;
    while (!r->output_failed && (result = capsrc_next(source, &record)) != CAPSRC_END) {
        if (result == CAPSRC_TROUBLE) {
            complain_of_file(r, capsrc_error(source));
            break;
        }
        summary_packet(&r->summary, record.wall, record.on_wire);
        if (result == CAPSRC_IP)
            judge(r, &record);
        if (progress_due(&r->progress))
            show_progress(r, source, file);
    }
    capsrc_close(source);
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
        int fd = strcmp(o->files[i], "-") == 0 ? -1 : open(o->files[i], O_RDONLY | O_CLOEXEC | O_NONBLOCK);
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

static bool make_engine(struct replay *r)
{
    struct config *config = &r->options.config;
    struct engine_config cfg = config->engine;

    uint32_t segments = most_segments(&r->options);

    r->no_local = domain_set_size(config->policy->local) == 0;
    cfg.stance = r->options.guard ? STANCE_GUARD : STANCE_WATCH;
    cfg.live = r->options.guard;
    cfg.only_protected = true;
    cfg.max_flows = at_most(r->options.max_flows, segments);
    cfg.stream_blocks = at_most(STREAM_BYTES / STREAM_BLOCK / 2, segments) * 2; /* each may lie over a border */
    cfg.stream_block_limit = STREAM_BYTES_EACH / STREAM_BLOCK;
    cfg.defrag_datagrams = at_most(DEFRAG_DATAGRAMS, segments);
    memset(cfg.hash_key, 0, sizeof cfg.hash_key); /* the same each time, so that the output is */
    cfg.first_flow_id = 1;
    cfg.want_rcpt_events = cfg.want_session_events = cfg.want_reply_events = true;
    cfg.sink = (struct event_sink){.take = take_event, .ctx = r};
    r->engine = engine_new(&cfg, config->policy);
    if (r->engine)
        config->policy = NULL; /* the engine's now */
    return r->engine != NULL;
}

/* false: said. */
static bool start(struct replay *r)
{
    if (r->options.write) {
        r->forward = forward_open(r->options.write, r->options.files, r->options.file_count);
        if (!r->forward)
            return false;
    }
    r->table = r->options.json ? NULL : table_new(r->options.rows);
    if ((r->options.json || r->table) && summary_start(&r->summary) && make_engine(r))
        return true;
    replay_complain("out of memory");
    return false;
}

static void stop(struct replay *r)
{
    forward_free(r->forward);
    engine_free(r->engine);
    table_free(r->table);
    summary_stop(&r->summary);
    options_free(&r->options);
}

static void finish(struct replay *r)
{
    struct engine_counters counters;

    engine_finish(r->engine);
    engine_count(r->engine, &counters);
    r->summary.unjudged = counters.flows_refused + counters.stream_full;
    progress_clear(&r->progress);
    if (r->table)
        table_print(r->table, &r->summary, &counters, stdout);
    else if (!r->output_failed)
        write_json(r, summary_to_json(&r->summary, &counters));
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
    for (int i = 0; i < r.options.file_count && !r.output_failed; i++)
        read_file(&r, i);
    finish(&r);
    status = r.trouble ? 2 : summary_alerts(&r.summary) > 0 ? 1 : 0;
    stop(&r);
    return status;
}
