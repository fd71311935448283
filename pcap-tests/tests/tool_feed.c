// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tool_feed guard|watch CAPTURE
 *
 * Reads a capture into memory and hands all its frames to an engine, as the live front
 * end does (guard: enforcing; watch: monitoring). The work that is measured
 * (scripts/check-callgrind) is what happens inside feed_all. Prints how many frames were
 * passed, and how many weren't.
 */
#include "kmod-free/engine.h"
#include "pcap-tests/replay/capsrc.h"

#include <stdio.h>
#include <stdlib.h>

struct frames {
    struct frame *at;
    size_t used, room;
};

static void keep(struct frames *all, const struct frame *f)
{
    uint8_t *copy = malloc(f->l3.len);

    if (all->used == all->room) {
        all->room = all->room ? all->room * 2 : 1024;
        all->at = realloc(all->at, all->room * sizeof *all->at);
    }
    if (!all->at || !copy)
        abort();
    memcpy(copy, f->l3.at, f->l3.len);
    all->at[all->used] = *f;
    all->at[all->used].l3.at = copy;
    all->at[all->used++].csum = CSUM_VERIFY;
}

static bool read_all(const char *path, struct frames *all)
{
    char error[CAPSRC_ERROR_MAX];
    struct capsrc *source = capsrc_open(path, error);
    struct capsrc_record record;
    enum capsrc_result result;

    if (!source) {
        fprintf(stderr, "%s\n", error);
        return false;
    }
    while ((result = capsrc_next(source, &record)) == CAPSRC_IP || result == CAPSRC_OTHER)
        if (result == CAPSRC_IP)
            keep(all, &record.frame);
    capsrc_close(source);
    return result == CAPSRC_END;
}

static struct engine *make_engine(bool guard)
{
    struct policy *policy = policy_new();
    struct engine_config cfg;

    if (!policy || domain_set_add(policy->local, "local.example") || !domain_set_seal(policy->local))
        abort();
    policy->enforce = guard;
    engine_config_defaults(&cfg);
    cfg.stance = guard ? STANCE_GUARD : STANCE_WATCH;
    cfg.want_session_events = false;
    return engine_new(&cfg, policy);
}

/* One verdict a frame, and a tick for every batch of the queue. Not inlined: callgrind finds it by name. */
__attribute__((noinline)) static size_t feed_all(struct engine *e, const struct frames *all)
{
    size_t passed = 0;

    for (size_t i = 0; i < all->used; i++) {
        struct verdict v = engine_feed(e, &all->at[i]);
        passed += v.kind == VERDICT_PASS;
        if (i % 32 == 31)
            engine_tick(e, all->at[i].at);
    }
    return passed;
}

int main(int argc, char **argv)
{
    struct frames all = {0};
    struct engine *e;
    size_t passed;
    bool guard = argc > 1 && strcmp(argv[1], "guard") == 0;

    if (argc != 3 || (!guard && strcmp(argv[1], "watch") != 0)) {
        fprintf(stderr, "Usage: tool_feed guard|watch CAPTURE\n");
        return 2;
    }
    if (!read_all(argv[2], &all))
        exit(2);
    e = make_engine(guard);
    if (!e)
        abort();
    passed = feed_all(e, &all);
    printf("%zu passed, %zu not\n", passed, all.used - passed);
    engine_free(e);
    for (size_t i = 0; i < all.used; i++)
        free((void *)(uintptr_t)all.at[i].l3.at);
    free(all.at);
    return passed == all.used ? 0 : 1;
}
