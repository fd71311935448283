/* SPDX-License-Identifier: GPL-2.0-or-later */
/* run - `rcptwall run`: the command line, the configuration, and what must be known before anything starts. */
#include "nfq/supervisor.h"

#include "nfq/control_socket.h"
#include "nfq/queue.h"
#include "rules/command_options.h"
#include "rules/commands.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define EXIT_TROUBLE 2
#define ERROR_ROOM   512

static const char help_text[] =
    "Usage: rcptwall run [-c FILE] [-q A[:B]] [--monitor] [--receive-buffer BYTES]\n"
    "Reads SMTP from netfilter queues and stops relay attempts; stays in the foreground.\n"
    "\n"
    "  -c, --config FILE        configuration (" CONFIG_PATH ")\n"
    "  -q, --queues A[:B]       queue number or range instead of the configuration's\n"
    "      --monitor            report what would be done, and do nothing; fail open\n"
    "      --receive-buffer N   socket buffer of each queue in bytes, or with k or m (32m)\n"
    "  -h, --help               this text\n"
    "\n"
    "SIGTERM, SIGINT   answer what waits, and stop\n"
    "SIGHUP            read the configuration again, open the event file anew\n"
    "SIGUSR1           print each queue's counters on standard error\n"
    "\n"
    "Exit status: 0 stopped, 2 could not start. The firewall rules that go with it: rcptwall rules.\n";

struct options {
    const char *config_path;
    bool queues_given;
    uint16_t queue_first, queue_last;
    bool monitor;
    uint32_t buffer;
    bool help;
};

/* A whole number up to max, behind it `end`. */
static bool number_of(const char *text, unsigned long max, unsigned long *out, const char **end)
{
    char *behind;
    errno = 0;
    if (*text < '0' || *text > '9')
        return false;
    *out = strtoul(text, &behind, 10);
    *end = behind;
    return errno == 0 && *out <= max;
}

static bool queues_of(const char *text, struct options *o)
{
    unsigned long first, last;
    const char *end;
    if (!number_of(text, UINT16_MAX, &first, &end))
        return false;
    last = first;
    if (*end == ':' && !number_of(end + 1, UINT16_MAX, &last, &end))
        return false;
    if (*end != '\0' || last < first)
        return false;
    o->queues_given = true;
    o->queue_first = (uint16_t)first;
    o->queue_last = (uint16_t)last;
    return true;
}

static bool size_of(const char *text, uint32_t *out)
{
    unsigned long n, unit = 1;
    const char *end;
    if (!number_of(text, INT32_MAX, &n, &end))
        return false;
    if (*end == 'k' || *end == 'm')
        unit = *end++ == 'k' ? 1ul << 10 : 1ul << 20;
    if (*end != '\0' || n == 0 || n > INT32_MAX / unit)
        return false;
    *out = (uint32_t)(n * unit);
    return true;
}

/* false: one line was printed. */
static bool read_options(int argc, char **argv, struct options *o)
{
    enum { OPTION_MONITOR = 256, OPTION_BUFFER };
    static const struct option known[] = {
        {"config", required_argument, NULL, 'c'},
        {"queues", required_argument, NULL, 'q'},
        {"monitor", no_argument, NULL, OPTION_MONITOR},
        {"receive-buffer", required_argument, NULL, OPTION_BUFFER},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    *o = (struct options){.config_path = CONFIG_PATH, .buffer = QUEUE_BUFFER_DEFAULT};
    int c;
    optind = 0; /* from the beginning, whoever used getopt before */
    opterr = 0; /* one line of our own */
    while ((c = getopt_long(argc, argv, ":c:q:h", known, NULL)) != -1) {
        switch (c) {
        case 'c':
            o->config_path = optarg;
            break;
        case 'q':
            if (!queues_of(optarg, o))
                return command_bad_value("run", "--queues", optarg, "a queue from 0 to 65535, or a range like 0:3");
            break;
        case OPTION_MONITOR:
            o->monitor = true;
            break;
        case OPTION_BUFFER:
            if (!size_of(optarg, &o->buffer))
                return command_bad_value("run", "--receive-buffer", optarg, "a number of bytes, or one like 8m");
            break;
        case 'h':
            o->help = true;
            return true;
        default:
            return command_bad_option("run", c, argv, known);
        }
    }
    return optind == argc || command_bad_argument("run", argv[optind], true);
}

/* The file, then what the command line says over it. Also for a reload. false: `error` says why. */
static bool read_config(void *ctx, struct config *c, char *error, size_t room)
{
    const struct options *o = ctx;
    if (!config_read(c, o->config_path, error, room))
        return false;
    if (o->monitor) { /* disturbs nothing, also when it dies */
        c->policy->enforce = false;
        c->on_failure = FAIL_OPEN;
    }
    if (o->queues_given) {
        c->queue_first = o->queue_first;
        c->queue_last = o->queue_last;
    }
    bool good = config_seal(c, error, room);
    if (good && (c->queue_last < c->queue_first || c->queue_last - c->queue_first >= SUPERVISOR_QUEUES_MAX)) {
        snprintf(error, room, "queues %u:%u: at most %d", c->queue_first, c->queue_last, SUPERVISOR_QUEUES_MAX);
        good = false;
    }
    if (!good)
        config_free(c);
    return good;
}

/*
 * As the user that the daemon becomes, who must be able to do it again at each reload:
 * that a folder isn't his shows now, and the file is his.
 */
static int open_events(const char *path, const struct identity *become)
{
    gid_t gid = getegid();
    uid_t uid = geteuid();
    if (become->set && (setegid(become->gid) < 0 || seteuid(become->uid) < 0))
        return -1;
    int fd = supervisor_open_events(path), error = errno;
    if (become->set && (seteuid(uid) < 0 || setegid(gid) < 0))
        abort(); /* neither here nor there */
    errno = error;
    return fd;
}

/* What needs privileges that the daemon gives up. false: one line was printed. */
static bool open_all(const struct config *c, struct supervisor_setup *setup, char *error, size_t room)
{
    if (c->user != NULL && privileges_find_user(c->user, &setup->become) < 0) {
        fprintf(stderr, "rcptwall: there is no user \"%s\"\n", c->user);
        return false;
    }
    if (c->event_file != NULL && (setup->event_file = open_events(c->event_file, &setup->become)) < 0) {
        fprintf(stderr, "rcptwall: event-file %s: %s\n", c->event_file, strerror(errno));
        return false;
    }
    setup->control = control_socket_open(c->control_socket, c->control_group, &setup->become, error, room);
    if (setup->control >= 0)
        return true;
    if (c->control_socket == NULL) { /* nobody asked for it: said, once there is somebody to say it to */
        setup->no_control = error;
        return true;
    }
    fprintf(stderr, "rcptwall: %s\n", error);
    return false;
}

static int run(const struct options *o)
{
    static struct config config;
    char error[ERROR_ROOM];
    struct supervisor_setup setup = {.config = &config,
                                     .buffer = o->buffer,
                                     .event_file = -1,
                                     .control = -1,
                                     .read = read_config,
                                     .read_ctx = (void *)(uintptr_t)o};
    if (!read_config(setup.read_ctx, &config, error, sizeof error)) {
        fprintf(stderr, "rcptwall: %s\n", error);
        return EXIT_TROUBLE;
    }
    int status = EXIT_TROUBLE;
    if (open_all(&config, &setup, error, sizeof error))
        status = supervisor_run(&setup);
    else if (setup.event_file >= 0)
        close(setup.event_file);
    if (setup.control >= 0)
        control_socket_close(setup.control, config.control_socket);
    config_free(&config);
    return status;
}

/* Or the first socket that we open gets a standard stream's number, and what is printed there. */
static bool standard_streams_open(void)
{
    int fd;
    do
        fd = open("/dev/null", O_RDWR | O_NOCTTY);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd > STDERR_FILENO)
        close(fd);
    return fd >= 0;
}

int command_run(int argc, char **argv)
{
    struct options o;
    if (!read_options(argc, argv, &o))
        return EXIT_TROUBLE;
    if (o.help) {
        fputs(help_text, stdout);
        return fflush(stdout) == 0 ? 0 : EXIT_TROUBLE;
    }
    if (!standard_streams_open()) {
        fprintf(stderr, "rcptwall: /dev/null: %s\n", strerror(errno));
        return EXIT_TROUBLE;
    }
    if (sodium_init() < 0) {
        fprintf(stderr, "rcptwall: no source of random numbers\n");
        return EXIT_TROUBLE;
    }
    privileges_no_dump();
    return run(&o);
}
