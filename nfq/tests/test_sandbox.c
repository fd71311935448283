/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From inside: what a process of each kind still can, and what it can't, whatever it tries. */
#include "nfq/sandbox.h"

#include "nfq/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum {
    OPEN_READ = 1 << 0,
    OPEN_WRITE = 1 << 1,
    OPEN_IN_FOLDER = 1 << 2,
    SOCKET_UNIX = 1 << 3,
    SOCKET_INET = 1 << 4,
    SOCKET_NETLINK = 1 << 5,
    SOCKET_RAW = 1 << 6,
    EXEC = 1 << 7,
    FORK = 1 << 8,
    TRACE = 1 << 9,
    KILL = 1 << 10,
    EXECUTABLE_MEMORY = 1 << 11,
    UNSHARE = 1 << 12,
    MOUNT = 1 << 13,
    LISTEN = 1 << 14,
    USER = 1 << 15,
    WORK = 1 << 16, /* what every one of them must be able to do */
    SELF_ENTERED = 1 << 17,
};

static char folder[] = "/tmp/rcptwall-sandbox.XXXXXX";

static int opens(const char *path, int flags)
{
    int fd = open(path, flags, 0600);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static int opens_socket(int family, int type, int protocol)
{
    int fd = socket(family, type | SOCK_CLOEXEC, protocol);
    if (fd >= 0)
        close(fd);
    return fd >= 0 || errno == EACCES || errno == EAFNOSUPPORT || errno == EPROTONOSUPPORT;
}

static int executes(void)
{
    char name[] = "/bin/true", *argv[] = {name, NULL}, *env[] = {NULL};
    execve(name, argv, env);
    return errno != EPERM && errno != EACCES;
}

static int forks(void)
{
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    if (pid > 0)
        waitpid(pid, NULL, 0);
    return pid > 0;
}

static int executable(void)
{
    void *at = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at != MAP_FAILED)
        return 1;
    at = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return at != MAP_FAILED && mprotect(at, 4096, PROT_READ | PROT_EXEC) == 0;
}

static int works(int channel)
{
    struct channel c = {.fd = channel};
    struct timespec t;
    uint8_t *big = malloc((size_t)8 << 20);
    bool good = big != NULL && clock_gettime(CLOCK_MONOTONIC, &t) == 0;
    if (big != NULL)
        memset(big, 1, (size_t)8 << 20);
    free(big);
    return good && channel_send_note(&c, NOTE_CUT);
}

/* Runs in a child of its own, because there is no way back. */
static int tries(enum sandbox kind, int channel)
{
    const char *const folders[] = {NULL, folder};
    char inside[sizeof folder + 8];
    int can = 0;
    snprintf(inside, sizeof inside, "%s/new", folder);
    if (sandbox_enter(kind, folders, 2) == 0 && sandbox_seccomp())
        can |= SELF_ENTERED;
    can |= opens("/etc/passwd", O_RDONLY) ? OPEN_READ : 0;
    can |= opens("/tmp/rcptwall-sandbox-outside", O_WRONLY | O_CREAT) ? OPEN_WRITE : 0;
    can |= opens(inside, O_WRONLY | O_CREAT) ? OPEN_IN_FOLDER : 0;
    can |= opens_socket(AF_UNIX, SOCK_DGRAM, 0) ? SOCKET_UNIX : 0;
    can |= opens_socket(AF_INET, SOCK_STREAM, 0) ? SOCKET_INET : 0;
    can |= opens_socket(AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER) ? SOCKET_NETLINK : 0;
    can |= forks() ? FORK : 0;
    can |= ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0 ? TRACE : 0;
    can |= kill(getppid(), 0) == 0 ? KILL : 0;
    can |= executable() ? EXECUTABLE_MEMORY : 0;
    can |= syscall(SYS_unshare, 0) == 0 ? UNSHARE : 0;
    can |= syscall(SYS_setuid, getuid()) == 0 ? USER : 0;
    can |= accept4(channel, NULL, NULL, 0) < 0 && errno != EPERM ? LISTEN : 0;
    can |= works(channel) ? WORK : 0;
    can |= executes() ? EXEC : 0;
    return can;
}

static int what(enum sandbox kind)
{
    int result[2], channel[2], can = -1;
    assert_int_equal(pipe(result), 0);
    assert_int_equal(channel_pair(channel), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        can = tries(kind, channel[1]);
        _exit(write(result[1], &can, sizeof can) == (ssize_t)sizeof can ? 0 : 1);
    }
    close(result[1]);
    assert_int_equal(read(result[0], &can, sizeof can), sizeof can);
    waitpid(pid, NULL, 0);
    close(result[0]);
    close(channel[0]);
    close(channel[1]);
    unlink("/tmp/rcptwall-sandbox-outside");
    return can;
}

static void unhindered_all_of_it_works(void **state)
{
    (void)state; /* or what follows proves nothing */
    assert_true(opens("/etc/passwd", O_RDONLY) && opens_socket(AF_INET, SOCK_STREAM, 0) && forks() && executable());
    assert_int_equal(kill(getppid(), 0) == 0 || errno == EPERM, 1);
}

static void a_worker_talks_and_nothing_else(void **state)
{
    (void)state;
    assert_int_equal(what(SANDBOX_WORKER), SELF_ENTERED | WORK);
}

static void a_reporter_reaches_syslog_again(void **state)
{
    (void)state;
    assert_int_equal(what(SANDBOX_REPORTER), SELF_ENTERED | WORK | SOCKET_UNIX);
}

static void a_status_server_takes_connections(void **state)
{
    (void)state;
    assert_int_equal(what(SANDBOX_STATUS), SELF_ENTERED | WORK | LISTEN);
}

static void a_supervisor_writes_where_it_must(void **state)
{
    (void)state;
    int can = what(SANDBOX_SUPERVISOR);
    int least = SELF_ENTERED | WORK | OPEN_READ | OPEN_IN_FOLDER | SOCKET_UNIX | SOCKET_INET | SOCKET_NETLINK | FORK;
    assert_int_equal(can & least, least);
    assert_int_equal(can & (EXEC | TRACE | EXECUTABLE_MEMORY | UNSHARE | USER), 0);
    if (syscall(SYS_landlock_create_ruleset, NULL, 0, 1) > 0)
        assert_int_equal(can & OPEN_WRITE, 0);
    else
        print_message("skipped: no Landlock in this kernel, so nothing keeps it from other folders\n");
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) != NULL ? 0 : -1;
}

static int remove_folder(void **state)
{
    char inside[sizeof folder + 8];
    (void)state;
    snprintf(inside, sizeof inside, "%s/new", folder);
    unlink(inside);
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unhindered_all_of_it_works),
        cmocka_unit_test(a_worker_talks_and_nothing_else),
        cmocka_unit_test(a_reporter_reaches_syslog_again),
        cmocka_unit_test(a_status_server_takes_connections),
        cmocka_unit_test(a_supervisor_writes_where_it_must),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
