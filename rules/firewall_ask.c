/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Asks the tools for the rules that are in force. They are run by name, without a shell, with nothing of ours. */
#include "rules/firewall.h"

#include "rules/config_text.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define OUTPUT_MAX  ((size_t)64 << 20)
/* A tool that hangs (a lock that somebody holds) must not hang us. */
#define PATIENCE_MS 20000

/* All that comes from fd until its end, with a NUL behind it. NULL: too much, out of memory, or nothing came in time.
 */
static char *read_all(int fd)
{
    size_t used = 0, room = 65536;
    char *text = malloc(room);

    while (text != NULL) {
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        ssize_t n = poll(&ready, 1, PATIENCE_MS) == 1 ? read(fd, text + used, room - used - 1) : -1;
        if (n == 0) {
            text[used] = '\0';
            return text;
        }
        used += n > 0 ? (size_t)n : 0;
        if (used + 1 == room)
            room *= 2;
        char *more = n > 0 && room <= OUTPUT_MAX ? realloc(text, room) : NULL;
        if (more == NULL) {
            free(text);
            return NULL;
        }
        text = more;
    }
    return NULL;
}

/* Starts it with its output in a pipe, and its complaints nowhere. 0 or an errno. */
static int start(char *const words[], pid_t *pid, int *from)
{
    int ends[2];
    posix_spawn_file_actions_t files;

    if (pipe2(ends, O_CLOEXEC) < 0)
        return errno;
    int r = posix_spawn_file_actions_init(&files);
    if (r == 0) {
        posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
        posix_spawn_file_actions_adddup2(&files, ends[1], STDOUT_FILENO);
        posix_spawn_file_actions_addopen(&files, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
        r = posix_spawnp(pid, words[0], &files, NULL, words, environ);
        posix_spawn_file_actions_destroy(&files);
    }
    close(ends[1]);
    *from = ends[0];
    if (r != 0)
        close(ends[0]);
    return r;
}

static char *ask(char *const words[], const struct firewall_sink *unable)
{
    char why[160];
    pid_t pid = 0;
    int from = -1, status = 0, r = start(words, &pid, &from);

    if (r != 0) {
        snprintf(why, sizeof(why), "%s: %s", words[0], r == ENOENT ? "not installed" : strerror(r));
        unable->warn(unable->ctx, why);
        return NULL;
    }
    char *text = read_all(from);
    close(from);
    if (text == NULL)
        kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (text != NULL && WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return text;
    snprintf(why, sizeof(why), "%s: %s", words[0], geteuid() != 0 ? "permission denied; ask as root" : "failed");
    unable->warn(unable->ctx, why);
    free(text);
    return NULL;
}

/* Who listens on which queue. NULL: it can't be known. */
static char *listeners(void)
{
    int fd = open("/proc/net/netfilter/nfnetlink_queue", O_RDONLY | O_CLOEXEC);

    if (fd < 0) /* without the kernel part nobody can */
        return errno == ENOENT && access("/proc/net", F_OK) == 0 ? strdup("") : NULL;
    char *text = read_all(fd);
    close(fd);
    return text;
}

/* Not there: the kernel part isn't, or isn't loaded. */
static bool switched_on(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    char c = '0';

    if (fd >= 0) {
        if (read(fd, &c, 1) != 1)
            c = '0';
        close(fd);
    }
    return c == '1';
}

void firewall_ask(struct firewall_text *text, const struct firewall_sink *unable)
{
    static char nft[] = "nft", json[] = "-j", list[] = "list", ruleset[] = "ruleset";
    static char iptables[] = "iptables-save", ip6tables[] = "ip6tables-save";

    text->nft = ask((char *const[]){nft, json, list, ruleset, NULL}, unable);
    text->iptables = ask((char *const[]){iptables, NULL}, unable);
    text->ip6tables = ask((char *const[]){ip6tables, NULL}, unable);
    text->queues = listeners();
    text->bridge_hides4 = !switched_on("/proc/sys/net/bridge/bridge-nf-call-iptables");
    text->bridge_hides6 = !switched_on("/proc/sys/net/bridge/bridge-nf-call-ip6tables");
}

char *firewall_load(const char *path, const char **why)
{
    size_t len;

    return config_load(path, SOURCE_ANY_STREAM, OUTPUT_MAX, &len, why);
}

void firewall_text_free(struct firewall_text *text)
{
    free(text->nft);
    free(text->iptables);
    free(text->ip6tables);
    free(text->queues);
    *text = (struct firewall_text){.nft = NULL};
}
