// SPDX-License-Identifier: GPL-2.0-or-later
#include "pcap-tests/replay/forward.h"

#include "kmod-free/report/escape.h"
#include "kmod-free/rewrite.h"
#include "pcap-tests/replay/options.h"

#include <errno.h>
#include <pcap/pcap.h>
#include <stdlib.h>
#include <sys/stat.h>

#define SNAPLEN_MAX 262144

struct forward {
    char name[256]; /* escaped */
    pcap_t *kind;
    pcap_dumper_t *out;
    uint8_t packet[UINT16_MAX];
};

/* Is it one of the captures that are about to be read? Opening it for writing would empty it. */
static bool is_input(const char *path, char *const *inputs, int count)
{
    struct stat out, in;

    if (stat(path, &out) != 0)
        return false;
    for (int i = 0; i < count; i++)
        if (stat(inputs[i], &in) == 0 && in.st_dev == out.st_dev && in.st_ino == out.st_ino && S_ISREG(in.st_mode))
            return true;
    return false;
}

struct forward *forward_open(const char *path, char *const *inputs, int input_count)
{
    struct forward *f = calloc(1, sizeof *f);

    if (!f) {
        replay_complain("out of memory");
        return NULL;
    }
    (void)escape_plain(bytes_str(path), f->name, sizeof f->name, NULL);
    if (strcmp(path, "-") == 0) {
        replay_complain("-w -: standard output is for what is found; a file's name is needed");
    } else if (is_input(path, inputs, input_count)) {
        replay_complain("-w %s: is one of the captures to be read", f->name);
    } else {
        f->kind = pcap_open_dead_with_tstamp_precision(DLT_RAW, SNAPLEN_MAX, PCAP_TSTAMP_PRECISION_NANO);
        f->out = f->kind ? pcap_dump_open(f->kind, path) : NULL;
        if (f->out)
            return f;
        replay_complain("-w %s: %s", f->name, f->kind ? strerror(errno) : "out of memory");
    }
    forward_free(f);
    return NULL;
}

void forward_free(struct forward *f)
{
    if (!f)
        return;
    if (f->out)
        pcap_dump_close(f->out);
    if (f->kind)
        pcap_close(f->kind);
    free(f);
}

static void write_packet(struct forward *f, struct wall at, struct bytes l3, size_t wire_len)
{
    struct pcap_pkthdr head = {
        .ts = {.tv_sec = at.ns / NS_PER_S, .tv_usec = at.ns % NS_PER_S},
        .caplen = (uint32_t)l3.len,
        .len = (uint32_t)wire_len,
    };

    pcap_dump((uint8_t *)f->out, &head, l3.at);
}

void forward_packet(struct forward *f, const struct capsrc_record *record, const struct engine *engine,
                    const struct verdict *v)
{
    const struct packet *p = engine ? engine_packet(engine) : NULL;
    struct bytes l3 = engine ? engine_l3(engine) : record->frame.l3;
    size_t len = 0;

    switch (v->kind) {
    case VERDICT_PASS:
        write_packet(f, record->wall, l3, l3.len + (record->frame.cut ? record->on_wire - record->captured : 0));
        return;
    case VERDICT_CLIP:
    case VERDICT_REWRITE:
        len = v->single_path ? rewrite_single_path(l3, p, f->packet, sizeof f->packet)
                             : rewrite_refuse(l3, p, v->keep, 0, v->patch, v->patches, f->packet, sizeof f->packet);
        break;
    case VERDICT_RESET:
        if (v->tell_sender)
            len = rewrite_reset(l3, p, v->onward.seq, v->onward.ack, false, f->packet, sizeof f->packet);
        break;
    case VERDICT_DROP:
    case VERDICT_UNSET:
        break;
    }
    if (len > 0)
        write_packet(f, record->wall, bytes_of(f->packet, len), len);
}

bool forward_flush(struct forward *f)
{
    errno = 0;
    if (pcap_dump_flush(f->out) == 0 && !ferror(pcap_dump_file(f->out)))
        return true;
    replay_complain("-w %s: %s", f->name, errno ? strerror(errno) : "write error");
    return false;
}
