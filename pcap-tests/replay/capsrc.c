// SPDX-License-Identifier: GPL-2.0-or-later
#include "pcap-tests/replay/capsrc.h"

#include "kmod-free/link.h"
#include "kmod-free/report/escape.h"
#include "pcap-tests/replay/capplain.h"

#include <errno.h>
#include <fcntl.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#define INPUT_BUFFER (256u << 10)
/* Later than this (year 2255) no time stamp is believed: int64_t nanoseconds end in 2262. */
#define SECONDS_MAX  INT64_C(9000000000)

struct capsrc {
    char name[256]; /* escaped: a file's name may hold anything */
    gzFile gz;      /* NULL: the FILE reads the file itself */
    off_t size;     /* 0: not a regular file */
    int64_t given;  /* bytes handed to libpcap, unpacked */
    bool damaged;   /* the gzip data broke off or are wrong; why says it */
    pcap_t *pcap;
    struct capplain *plain; /* reads the records as long as they are ordinary ones; NULL: libpcap does */
    uint32_t linktype;
    char error[CAPSRC_ERROR_MAX];
};

/*
 * libpcap wants a FILE. That of a plain file is the C library's own; any other reads
 * through zlib, and only knows how to say where it is.
 */
static ssize_t cookie_read(void *cookie, char *buf, size_t len)
{
    struct capsrc *c = cookie;
    int got = gzread(c->gz, buf, len > INT32_MAX ? INT32_MAX : (unsigned)len);
    int status = Z_OK;

    if (got <= 0) {
        (void)gzerror(c->gz, &status);
        if (got < 0 || status == Z_BUF_ERROR)
            c->damaged = true;
    }
    if (got < 0) {
        errno = EIO;
        return -1;
    }
    c->given += got;
    return got;
}

static int cookie_seek(void *cookie, off64_t *offset, int whence)
{
    const struct capsrc *c = cookie;

    if (whence != SEEK_CUR || *offset != 0)
        return -1;
    *offset = c->given;
    return 0;
}

static const char *damage(const struct capsrc *c)
{
    int status = Z_OK;
    const char *text = gzerror(c->gz, &status);

    if (status == Z_ERRNO)
        return strerror(errno);
    if (status == Z_BUF_ERROR)
        return "the gzip data end early";
    return status == Z_DATA_ERROR || *text == '\0' ? "the gzip data are damaged" : text;
}

/* The descriptor behind path, or -1 with the reason in c->error. */
static int open_path(struct capsrc *c, const char *path)
{
    bool standard = strcmp(path, "-") == 0;
    int fd = standard ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) != 0) {
        snprintf(c->error, sizeof c->error, "%s: %s", c->name, strerror(errno));
    } else if (S_ISDIR(st.st_mode)) {
        snprintf(c->error, sizeof c->error, "%s: is a directory, not a capture", c->name);
    } else if (isatty(fd)) {
        snprintf(c->error, sizeof c->error, "%s: is a terminal, not a capture", c->name);
    } else {
        c->size = S_ISREG(st.st_mode) ? st.st_size : 0;
        return fd;
    }
    if (fd >= 0)
        close(fd);
    return -1;
}

/* Is it a file that zlib would only copy? Where that can't be seen without taking bytes away, zlib looks. */
static bool is_plain(const struct capsrc *c, int fd)
{
    uint8_t magic[2];

    return c->size > 0 && lseek(fd, 0, SEEK_CUR) == 0 &&
           pread(fd, magic, sizeof magic, 0) == (ssize_t)sizeof magic && (magic[0] != 0x1f || magic[1] != 0x8b);
}

static FILE *open_plain(struct capsrc *c, int fd)
{
    FILE *file = fdopen(fd, "rb");

    if (!file) {
        close(fd);
        snprintf(c->error, sizeof c->error, "%s: out of memory", c->name);
        return NULL;
    }
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    return file;
}

static FILE *open_unpacked(struct capsrc *c, int fd)
{
    const cookie_io_functions_t io = {.read = cookie_read, .seek = cookie_seek};
    FILE *file;

    c->gz = gzdopen(fd, "rb");
    if (!c->gz) {
        close(fd);
        snprintf(c->error, sizeof c->error, "%s: out of memory", c->name);
        return NULL;
    }
    (void)gzbuffer(c->gz, INPUT_BUFFER);
    file = fopencookie(c, "rb", io);
    if (!file) {
        snprintf(c->error, sizeof c->error, "%s: out of memory", c->name);
        return NULL;
    }
    return file;
}

static FILE *open_stream(struct capsrc *c, int fd)
{
    FILE *file = is_plain(c, fd) ? open_plain(c, fd) : open_unpacked(c, fd);

    if (file) {
        (void)setvbuf(file, NULL, _IOFBF, INPUT_BUFFER);
        (void)__fsetlocking(file, FSETLOCKING_BYCALLER); /* nobody else reads it: no lock for each header */
    }
    return file;
}

/* libpcap's words for the common cases are about its own insides; these are about the file. */
static void explain_open(struct capsrc *c, const char *why)
{
    if (c->damaged)
        why = damage(c);
    else if (c->gz && c->given == 0)
        why = "is empty";
    else if (strstr(why, "unknown file format"))
        why = "is neither a pcap nor a pcapng file (of compressed ones, gzip is read)";
    snprintf(c->error, sizeof c->error, "%s: %s", c->name, why);
}

static bool start(struct capsrc *c, FILE *file)
{
    char why[PCAP_ERRBUF_SIZE] = "";

    c->pcap = pcap_fopen_offline_with_tstamp_precision(file, PCAP_TSTAMP_PRECISION_NANO, why);
    if (!c->pcap) {
        explain_open(c, why);
        fclose(file);
        return false;
    }
    c->linktype = (uint32_t)pcap_datalink(c->pcap);
    if (!link_known(c->linktype)) {
        const char *word = pcap_datalink_val_to_name((int)c->linktype);
        snprintf(c->error, sizeof c->error, "%s: captured on a kind of link that can't be read here (link type %u, %s)",
                 c->name, c->linktype, word ? word : "unknown");
        return false;
    }
    if (!c->gz && c->size > 0)
        c->plain = capplain_new(fileno(file), (uint32_t)pcap_snapshot(c->pcap));
    return true;
}

struct capsrc *capsrc_open(const char *path, char error[static CAPSRC_ERROR_MAX])
{
    struct capsrc *c = calloc(1, sizeof *c);
    FILE *file = NULL;
    int fd;

    if (!c) {
        snprintf(error, CAPSRC_ERROR_MAX, "out of memory");
        return NULL;
    }
    (void)escape_plain(bytes_str(strcmp(path, "-") == 0 ? "standard input" : path), c->name, sizeof c->name, NULL);
    fd = open_path(c, path);
    if (fd >= 0)
        file = open_stream(c, fd);
    if (!file || !start(c, file)) {
        memcpy(error, c->error, CAPSRC_ERROR_MAX);
        capsrc_close(c);
        return NULL;
    }
    return c;
}

void capsrc_close(struct capsrc *c)
{
    if (!c)
        return;
    capplain_free(c->plain);
    if (c->pcap)
        pcap_close(c->pcap); /* closes the FILE, too */
    if (c->gz)
        (void)gzclose_r(c->gz);
    free(c);
}

static enum capsrc_result trouble(struct capsrc *c, const char *why)
{
    off_t at = ftello(pcap_file(c->pcap));

    if (c->damaged)
        why = damage(c);
    else if (strstr(why, "has a type"))
        why = "the capture joins interfaces of different link types; write one file for each of them";
    else if (strstr(why, "snapshot length of the first"))
        why = "the capture joins interfaces of different snapshot lengths; write one file for each of them";
    snprintf(c->error, sizeof c->error, "%s: near byte %lld: %s", c->name, (long long)(at < 0 ? c->given : at), why);
    return CAPSRC_TROUBLE;
}

static int64_t clamped_ns(const struct pcap_pkthdr *h)
{
    int64_t s = h->ts.tv_sec, ns = h->ts.tv_usec; /* nanoseconds: we asked for them */

    if (s < 0)
        s = 0;
    if (s > SECONDS_MAX)
        s = SECONDS_MAX;
    if (ns < 0 || ns >= NS_PER_S)
        ns = 0;
    return s * NS_PER_S + ns;
}

/* The rest is libpcap's, from the first record on that isn't an ordinary one. */
static bool leave_plain(struct capsrc *c)
{
    off_t at = capplain_offset(c->plain);

    capplain_free(c->plain);
    c->plain = NULL;
    return fseeko(pcap_file(c->pcap), at, SEEK_SET) == 0;
}

/* The next record's time, bytes and length on the wire. CAPSRC_OTHER: there is one. */
static enum capsrc_result next_record(struct capsrc *c, struct capplain_record *out)
{
    struct pcap_pkthdr *header = NULL;
    const u_char *data = NULL;
    int got;

    if (c->plain) {
        if (capplain_next(c->plain, out))
            return CAPSRC_OTHER;
        if (!leave_plain(c))
            return trouble(c, strerror(errno));
    }
    got = pcap_next_ex(c->pcap, &header, &data);
    if (got == PCAP_ERROR_BREAK)
        return c->damaged ? trouble(c, "") : CAPSRC_END;
    if (got != 1)
        return trouble(c, pcap_geterr(c->pcap));
    out->wall.ns = clamped_ns(header);
    out->data = bytes_of(data, header->caplen);
    out->on_wire = header->len;
    return CAPSRC_OTHER;
}

enum capsrc_result capsrc_next(struct capsrc *c, struct capsrc_record *out)
{
    struct capplain_record record;
    struct link_packet packet;
    enum capsrc_result result = next_record(c, &record);

    if (result != CAPSRC_OTHER) {
        memset(out, 0, sizeof *out);
        return result;
    }
    out->wall = record.wall;
    out->captured = (uint32_t)record.data.len;
    out->on_wire = record.on_wire > out->captured ? record.on_wire : out->captured;
    out->has_mark = false;
    if (link_strip(c->linktype, record.data, &packet) != LINK_IP) {
        out->frame = (struct frame){0};
        return CAPSRC_OTHER;
    }
    out->mark = packet.mark;
    out->has_mark = packet.has_mark;
    out->frame = (struct frame){
        .l3 = packet.l3,
        .at = {out->wall.ns},
        .wall = out->wall,
        .cut = out->captured < out->on_wire || packet.maybe_cut,
    };
    return CAPSRC_IP;
}

bool capsrc_ahead(struct capsrc *c, size_t lead, struct bytes *l3)
{
    struct link_packet packet;
    struct bytes raw;

    if (!c->plain || capplain_lead(c->plain) > lead || !capplain_ahead(c->plain, &raw) ||
        link_strip(c->linktype, raw, &packet) != LINK_IP)
        return false;
    *l3 = packet.l3;
    return true;
}

const char *capsrc_error(const struct capsrc *c)
{
    return c->error;
}

double capsrc_progress(const struct capsrc *c)
{
    off_t at = c->plain ? capplain_offset(c->plain) : c->gz ? (off_t)gzoffset(c->gz) : ftello(pcap_file(c->pcap));

    return c->size > 0 && at >= 0 ? (double)at / (double)c->size : -1;
}
