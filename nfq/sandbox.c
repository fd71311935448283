/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nfq/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static int landlock_abi;
static bool seccomp_on;

int sandbox_landlock(void)
{
    return landlock_abi;
}

bool sandbox_seccomp(void)
{
    return seccomp_on;
}

/* ---- Landlock ---- */

/* As of ABI 6; the build machine's header may know less, and an older kernel wants what it doesn't know to be 0. */
struct ruleset {
    uint64_t fs, net, scoped;
};
#define FS_ABI_1 ((UINT64_C(1) << 13) - 1)
#define FS_REFER (UINT64_C(1) << 13) /* ABI 2 */
#define FS_TRUNC (UINT64_C(1) << 14) /* 3 */
#define FS_IOCTL (UINT64_C(1) << 15) /* 5 */
#define NET_BOTH UINT64_C(3)         /* 4: bind and connect of TCP */
#define SCOPES   UINT64_C(3)         /* 6: abstract Unix sockets, signals */

static struct ruleset all_of(int abi)
{
    struct ruleset r = {.fs = FS_ABI_1};
    r.fs |= abi >= 2 ? FS_REFER : 0;
    r.fs |= abi >= 3 ? FS_TRUNC : 0;
    r.fs |= abi >= 5 ? FS_IOCTL : 0;
    r.net = abi >= 4 ? NET_BOTH : 0;
    r.scoped = abi >= 6 ? SCOPES : 0;
    return r;
}

static int allow_below(int ruleset, const char *path, uint64_t rights)
{
    struct landlock_path_beneath_attr rule = {.allowed_access = rights};
    rule.parent_fd = open(path, O_PATH | O_CLOEXEC);
    if (rule.parent_fd < 0)
        return errno == ENOENT ? 0 : -errno;
    long r = syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
    int error = r < 0 ? -errno : 0;
    close(rule.parent_fd);
    return error;
}

static int landlock(enum sandbox kind, const char *const *folders, size_t count)
{
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (abi <= 0) {
        landlock_abi = 0;
        return 0; /* this kernel has none, or it is switched off: the status says so */
    }
    struct ruleset r = all_of((int)abi);
    if (kind == SANDBOX_SUPERVISOR)
        r.net = r.scoped = 0; /* sends RSTs from TCP sockets, and signals */
    if (kind == SANDBOX_DNSBL)
        r.net = 0; /* truncated answers come by TCP */
    int ruleset = (int)syscall(SYS_landlock_create_ruleset, &r, sizeof r, 0);
    if (ruleset < 0)
        return -errno;
    int error = 0;
    if (kind == SANDBOX_SUPERVISOR) {
        const uint64_t reads = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
        const uint64_t writes = LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG |
                                LANDLOCK_ACCESS_FS_REMOVE_FILE | (r.fs & FS_TRUNC);
        error = allow_below(ruleset, "/", reads);
        for (size_t i = 0; i < count && error == 0; i++)
            if (folders[i] != NULL)
                error = allow_below(ruleset, folders[i], writes);
    }
    if (error == 0 && syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
        error = -errno;
    close(ruleset);
    landlock_abi = error == 0 ? (int)abi : 0;
    return error;
}

/* ---- seccomp ---- */

/* Everybody: memory, time, what is open already, and an end. */
static const int common_calls[] = {
    SCMP_SYS(brk),          SCMP_SYS(munmap),        SCMP_SYS(mremap),         SCMP_SYS(madvise),
    SCMP_SYS(clock_gettime), SCMP_SYS(clock_gettime64), SCMP_SYS(gettimeofday), SCMP_SYS(time),
    SCMP_SYS(read),         SCMP_SYS(write),         SCMP_SYS(writev),         SCMP_SYS(close),
    SCMP_SYS(pread64),      SCMP_SYS(fstat),         SCMP_SYS(fstat64),        SCMP_SYS(newfstatat),
    SCMP_SYS(poll),         SCMP_SYS(ppoll),         SCMP_SYS(ppoll_time64),   SCMP_SYS(recvmsg),
    SCMP_SYS(sendmsg),      SCMP_SYS(sendto),        SCMP_SYS(send),           SCMP_SYS(recvmmsg),
    SCMP_SYS(recvmmsg_time64), SCMP_SYS(recvfrom),   SCMP_SYS(recv),           SCMP_SYS(rt_sigreturn),
    SCMP_SYS(sigreturn),    SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigaction),  SCMP_SYS(restart_syscall),
    SCMP_SYS(futex),        SCMP_SYS(getrandom),     SCMP_SYS(getpid),         SCMP_SYS(gettid),
    SCMP_SYS(getppid),      SCMP_SYS(tgkill),        SCMP_SYS(exit),           SCMP_SYS(exit_group),
};
/* syslogd was started again; the supervisor died, and what is left must be told soon. */
static const int reporter_calls[] = {SCMP_SYS(connect), SCMP_SYS(alarm), SCMP_SYS(setitimer), SCMP_SYS(fcntl)};
/* c-ares: sockets as it needs them. */
static const int dnsbl_calls[] = {
    SCMP_SYS(connect),    SCMP_SYS(bind),        SCMP_SYS(setsockopt), SCMP_SYS(getsockopt),
    SCMP_SYS(getsockname), SCMP_SYS(getpeername), SCMP_SYS(fcntl),      SCMP_SYS(ioctl),
};
static const int status_calls[] = {SCMP_SYS(accept4), SCMP_SYS(accept)};
/* Reads the configuration, opens queues, sends RSTs, starts children and lets them narrow themselves down. */
static const int supervisor_calls[] = {
    SCMP_SYS(openat),      SCMP_SYS(open),         SCMP_SYS(lseek),        SCMP_SYS(_llseek),
    SCMP_SYS(statx),       SCMP_SYS(stat),         SCMP_SYS(lstat),        SCMP_SYS(access),
    SCMP_SYS(faccessat),   SCMP_SYS(faccessat2),   SCMP_SYS(getdents64),   SCMP_SYS(fcntl),
    SCMP_SYS(ioctl),       SCMP_SYS(unlink),       SCMP_SYS(unlinkat),     SCMP_SYS(memfd_create),
    SCMP_SYS(ftruncate),   SCMP_SYS(socketpair),   SCMP_SYS(bind),         SCMP_SYS(connect),
    SCMP_SYS(setsockopt),  SCMP_SYS(getsockopt),   SCMP_SYS(getsockname),  SCMP_SYS(getpeername),
    SCMP_SYS(fork),
    SCMP_SYS(vfork),       SCMP_SYS(wait4),        SCMP_SYS(kill),         SCMP_SYS(set_robust_list),
    SCMP_SYS(rseq),        SCMP_SYS(capget),       SCMP_SYS(capset),       SCMP_SYS(prctl),
    SCMP_SYS(prlimit64),   SCMP_SYS(setrlimit),    SCMP_SYS(getuid),       SCMP_SYS(geteuid),
    SCMP_SYS(getgid),      SCMP_SYS(getegid),      SCMP_SYS(seccomp),      SCMP_SYS(landlock_create_ruleset),
    SCMP_SYS(landlock_add_rule), SCMP_SYS(landlock_restrict_self), SCMP_SYS(clock_nanosleep), SCMP_SYS(nanosleep),
    SCMP_SYS(alarm),       SCMP_SYS(setitimer),    SCMP_SYS(accept4),      SCMP_SYS(accept),
    SCMP_SYS(uname),       SCMP_SYS(umask),        SCMP_SYS(sched_yield),  SCMP_SYS(signalfd4),
};
#define ALLOW(filter, calls) allow(filter, calls, sizeof(calls) / sizeof *(calls))

static int allow(scmp_filter_ctx filter, const int *calls, size_t count)
{
    int error = 0;
    for (size_t i = 0; i < count && error == 0; i++)
        if (calls[i] >= 0) /* below: this machine has no such call */
            error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0);
    return error;
}

/* Memory, but none that can be executed. */
static int allow_memory(scmp_filter_ctx filter)
{
    static const int calls[] = {SCMP_SYS(mmap), SCMP_SYS(mmap2), SCMP_SYS(mprotect)};
    int error = 0;
    for (size_t i = 0; i < sizeof calls / sizeof *calls && error == 0; i++)
        if (calls[i] >= 0)
            error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 1, SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
    return error;
}

/* fork without threads, namespaces or shared memory. */
static int allow_fork(scmp_filter_ctx filter)
{
    const uint64_t shared = 0x7e020000 /* CLONE_NEW* */ | 0x00000f00 /* VM, FS, FILES, SIGHAND */;
    return seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1, SCMP_A0(SCMP_CMP_MASKED_EQ, shared, 0));
}

static int allow_kind(scmp_filter_ctx filter, enum sandbox kind)
{
    int error = ALLOW(filter, common_calls);
    if (error == 0)
        error = allow_memory(filter);
    if (error < 0)
        return error;
    switch (kind) {
    case SANDBOX_WORKER:
        return 0;
    case SANDBOX_STATUS:
        return ALLOW(filter, status_calls);
    case SANDBOX_DNSBL:
        error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1, SCMP_A0(SCMP_CMP_EQ, AF_INET, 0));
        if (error == 0)
            error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1, SCMP_A0(SCMP_CMP_EQ, AF_INET6, 0));
        return error < 0 ? error : ALLOW(filter, dnsbl_calls);
    case SANDBOX_REPORTER:
        error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1, SCMP_A0(SCMP_CMP_EQ, AF_UNIX, 0));
        return error < 0 ? error : ALLOW(filter, reporter_calls);
    case SANDBOX_SUPERVISOR:
        error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 0);
        if (error == 0)
            error = allow_fork(filter);
        return error < 0 ? error : ALLOW(filter, supervisor_calls);
    }
    return -EINVAL;
}

static int seccomp_enter(enum sandbox kind)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    if (filter == NULL)
        return -ENOMEM;
    int error = allow_kind(filter, kind);
    if (error == 0)
        error = seccomp_load(filter);
    seccomp_release(filter);
    seccomp_on = error == 0;
    return error;
}

int sandbox_enter(enum sandbox kind, const char *const *folders, size_t count)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return -errno;
    int error = landlock(kind, folders, count); /* first: seccomp takes its calls away */
    int other = seccomp_enter(kind);
    return error < 0 ? error : other;
}
