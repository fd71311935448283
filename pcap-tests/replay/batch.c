// SPDX-License-Identifier: GPL-2.0-or-later
#include "pcap-tests/replay/batch.h"

#include <pthread.h>
#include <stdalign.h>
#include <stdlib.h>

#define LINE_BATCHES 4

/* Batches */

struct batch *batch_new(void)
{
    return calloc(1, sizeof(struct batch));
}

void batch_free(struct batch *b)
{
    if (!b)
        return;
    free(b->progress.trouble);
    free(b->entries);
    free(b->bytes);
    free(b);
}

void batch_clear(struct batch *b)
{
    free(b->progress.trouble);
    b->progress = (struct batch_progress){0};
    b->count = b->used = b->taken = 0;
}

/* Makes room for one more of `each` bytes and `more` of these. */
static bool grow(void **at, size_t *room, size_t need, size_t each)
{
    size_t want = *room ? *room : 256;
    void *larger;

    if (need <= *room)
        return true;
    while (want < need)
        want *= 2;
    larger = realloc(*at, want * each);
    if (!larger)
        return false;
    *at = larger;
    *room = want;
    return true;
}

bool batch_add(struct batch *b, uint64_t place, const struct event *ev)
{
    size_t len = event_size(ev);
    size_t at = (b->used + alignof(struct event) - 1) & ~(alignof(struct event) - 1);

    if (!grow((void **)&b->entries, &b->entry_room, b->count + 1, sizeof *b->entries) ||
        !grow((void **)&b->bytes, &b->byte_room, at + len, 1))
        return false;
    memcpy(b->bytes + at, ev, len);
    b->entries[b->count++] = (struct batch_entry){.place = place, .flow_id = ev->flow_id, .at = at, .len = len};
    b->used = at + len;
    return true;
}

static int by_flow(const void *one, const void *other)
{
    const struct batch_entry *a = one, *b = other;

    if (a->flow_id != b->flow_id)
        return a->flow_id < b->flow_id ? -1 : 1;
    return a->at < b->at ? -1 : a->at > b->at; /* as they came */
}

void batch_sort(struct batch *b, size_t from)
{
    size_t i = from + 1;

    while (i < b->count && by_flow(&b->entries[i - 1], &b->entries[i]) < 0)
        i++;
    if (i < b->count) /* mostly they are in order */
        qsort(b->entries + from, b->count - from, sizeof *b->entries, by_flow);
}

const struct event *batch_event(const struct batch *b, size_t entry)
{
    return (const struct event *)(const void *)(b->bytes + b->entries[entry].at);
}

/* Lines */

struct line {
    pthread_mutex_t lock;
    pthread_cond_t moved;
    struct batch *empty;        /* those to be filled */
    struct batch *first, *last; /* those to be merged, in order */
    bool closed;
};

struct line *line_new(void)
{
    struct line *l = calloc(1, sizeof *l);

    if (!l)
        return NULL;
    (void)pthread_mutex_init(&l->lock, NULL);
    (void)pthread_cond_init(&l->moved, NULL);
    for (int i = 0; i < LINE_BATCHES; i++) {
        struct batch *b = batch_new();
        if (!b) {
            line_free(l);
            return NULL;
        }
        b->next = l->empty;
        l->empty = b;
    }
    return l;
}

static void free_all(struct batch *b)
{
    while (b) {
        struct batch *next = b->next;
        batch_free(b);
        b = next;
    }
}

void line_free(struct line *l)
{
    if (!l)
        return;
    free_all(l->empty);
    free_all(l->first);
    (void)pthread_cond_destroy(&l->moved);
    (void)pthread_mutex_destroy(&l->lock);
    free(l);
}

struct batch *line_empty(struct line *l)
{
    struct batch *b;

    (void)pthread_mutex_lock(&l->lock);
    while (!l->empty && !l->closed)
        (void)pthread_cond_wait(&l->moved, &l->lock);
    b = l->closed ? NULL : l->empty;
    if (b)
        l->empty = b->next;
    (void)pthread_mutex_unlock(&l->lock);
    if (b)
        batch_clear(b);
    return b;
}

void line_send(struct line *l, struct batch *b)
{
    b->next = NULL;
    (void)pthread_mutex_lock(&l->lock);
    if (l->first)
        l->last->next = b;
    else
        l->first = b;
    l->last = b;
    (void)pthread_cond_broadcast(&l->moved);
    (void)pthread_mutex_unlock(&l->lock);
}

struct batch *line_receive(struct line *l)
{
    struct batch *b;

    (void)pthread_mutex_lock(&l->lock);
    while (!l->first)
        (void)pthread_cond_wait(&l->moved, &l->lock);
    b = l->first;
    l->first = b->next;
    (void)pthread_mutex_unlock(&l->lock);
    return b;
}

void line_return(struct line *l, struct batch *b)
{
    (void)pthread_mutex_lock(&l->lock);
    b->next = l->empty;
    l->empty = b;
    (void)pthread_cond_broadcast(&l->moved);
    (void)pthread_mutex_unlock(&l->lock);
}

void line_close(struct line *l)
{
    (void)pthread_mutex_lock(&l->lock);
    l->closed = true;
    (void)pthread_cond_broadcast(&l->moved);
    (void)pthread_mutex_unlock(&l->lock);
}
