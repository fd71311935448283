/* SPDX-License-Identifier: GPL-2.0-or-later */
/* command_status - `rcptwall status`: asks a running daemon over its control socket. */
#include "rules/commands.h"

#include "nfq/control_socket.h"
#include "nfq/status_json.h"
#include "rules/config.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define EXIT_TROUBLE 2
#define ANSWER_MAX   ((size_t)4 << 20)
#define PATIENCE_S   10

static const char help_text[] =
    "Usage: rcptwall status [-c FILE] [--socket PATH] [--json]\n"
    "Asks the running daemon how it is.\n"
    "\n"
    "  -c, --config FILE   configuration that names the control socket (" CONFIG_PATH ")\n"
    "      --socket PATH   the control socket itself\n"
    "      --json          one JSON object instead of text\n"
    "  -h, --help          this text\n"
    "\n"
    "Exit status: 0 it runs, 2 it doesn't, or can't be asked.\n";

struct options {
    const char *config, *socket;
    bool json, help;
};

/* false: one line was printed. */
static bool read_options(int argc, char **argv, struct options *o)
{
    enum { OPTION_SOCKET = 256, OPTION_JSON };
    static const struct option known[] = {
        {"config", required_argument, NULL, 'c'},
        {"socket", required_argument, NULL, OPTION_SOCKET},
        {"json", no_argument, NULL, OPTION_JSON},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int c;
    *o = (struct options){0};
    optind = 0;
    opterr = 0;
    while ((c = getopt_long(argc, argv, ":c:h", known, NULL)) != -1) {
        if (c == 'c') {
            o->config = optarg;
        } else if (c == OPTION_SOCKET) {
            o->socket = optarg;
        } else if (c == OPTION_JSON) {
            o->json = true;
        } else if (c == 'h') {
            o->help = true;
            return true;
        } else {
            fprintf(stderr, "rcptwall status: %s %s; see rcptwall status --help\n",
                    c == ':' ? "an argument is missing behind" : "unknown option", argv[optind - 1]);
            return false;
        }
    }
    if (optind == argc)
        return true;
    fprintf(stderr, "rcptwall status: unexpected argument \"%s\"; see rcptwall status --help\n", argv[optind]);
    return false;
}

/* Where to ask, to be freed. NULL: one line was printed. */
static char *find_socket(const struct options *o)
{
    struct config c = {0};
    char error[512];
    const char *path = o->socket;
    /* without -c, a file that isn't there, or that this user may not read, means the default */
    if (path == NULL && (o->config != NULL || access(CONFIG_PATH, R_OK) == 0)) {
        if (!config_read(&c, o->config != NULL ? o->config : CONFIG_PATH, error, sizeof error)) {
            fprintf(stderr, "rcptwall status: %s\n", error);
            return NULL;
        }
        path = c.control_socket;
    }
    char *copy = strdup(path != NULL ? path : CONTROL_SOCKET_PATH);
    config_free(&c);
    if (copy == NULL)
        fprintf(stderr, "rcptwall status: out of memory\n");
    return copy;
}

/* The whole answer, to be freed; NULL and errno. */
static char *ask(const char *path, size_t *len)
{
    const struct timeval wait = {.tv_sec = PATIENCE_S};
    int fd = control_socket_connect(path);
    char *at = NULL;
    size_t room = 0;
    ssize_t n = -1;
    *len = 0;
    if (fd < 0)
        return NULL;
    if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait) == 0) {
        do {
            if (*len == room) {
                char *grown = room < ANSWER_MAX ? realloc(at, room + 65536) : NULL;
                if (grown == NULL) {
                    errno = EMSGSIZE;
                    n = -1;
                    break;
                }
                at = grown;
                room += 65536;
            }
            n = recv(fd, at + *len, room - *len, 0);
            *len += n > 0 ? (size_t)n : 0;
        } while (n > 0);
    }
    int error = errno;
    close(fd);
    if (n == 0)
        return at;
    free(at);
    errno = error == EAGAIN ? ETIMEDOUT : error;
    return NULL;
}

static void explain(const char *path, int error)
{
    if (error == ENOENT || error == ECONNREFUSED)
        fprintf(stderr, "rcptwall status: not running (nobody listens on %s)\n", path);
    else
        fprintf(stderr, "rcptwall status: %s: %s\n", path, strerror(error));
}

int command_status(int argc, char **argv)
{
    struct options o;
    size_t len;
    if (!read_options(argc, argv, &o))
        return EXIT_TROUBLE;
    if (o.help) {
        fputs(help_text, stdout);
        return 0;
    }
    char *path = find_socket(&o);
    if (path == NULL)
        return EXIT_TROUBLE;
    char *answer = ask(path, &len);
    if (answer == NULL) {
        explain(path, errno);
        free(path);
        return EXIT_TROUBLE;
    }
    json_t *status = json_loadb(answer, len, JSON_REJECT_DUPLICATES, NULL);
    int result = json_is_object(status) ? 0 : EXIT_TROUBLE;
    if (result != 0)
        fprintf(stderr, "rcptwall status: %s: that is no rcptwall, or it is just stopping\n", path);
    else if (o.json)
        fwrite(answer, 1, len, stdout);
    else
        status_print(stdout, status);
    json_decref(status);
    free(answer);
    free(path);
    return result;
}
