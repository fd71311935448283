// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * vm-init - the first program in the guest of scripts/lib/vm.sh, alone in its initramfs with the kernel modules that
 * it needs. The root is the host's, shared read-only over 9p, with a layer in memory on top that takes all writes;
 * /results is shared writable. Then it hands over to the script that the kernel's command line names (guest=PATH).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SHARED "trans=virtio,version=9p2000.L,msize=524288"

/* The kernel panics, and qemu ends, when the first process does. */
static void give_up(const char *what)
{
    fprintf(stderr, "vm-init: %s: %s\n", what, strerror(errno));
    sync();
    reboot(RB_POWER_OFF);
    exit(1);
}

static void mounted(const char *source, const char *on, const char *type, unsigned long flags, const char *options)
{
    mkdir(on, 0755);
    if (mount(source, on, type, flags, options) < 0)
        give_up(on);
}

/* /modules lists files in the order in which they must be loaded. */
static void load_modules(void)
{
    char name[256];
    FILE *list = fopen("/modules", "re");
    if (!list)
        give_up("/modules");
    while (fgets(name, sizeof name, list)) {
        name[strcspn(name, "\n")] = '\0';
        int fd = open(name, O_RDONLY | O_CLOEXEC);
        if (fd < 0 || (syscall(SYS_finit_module, fd, "", 0) < 0 && errno != EEXIST))
            give_up(name);
        close(fd);
    }
    fclose(list);
}

/* The value of guest= on the kernel's command line. */
static char *script_name(void)
{
    static char line[4096];
    FILE *f = fopen("/proc/cmdline", "re");
    if (!f || !fgets(line, sizeof line, f))
        give_up("/proc/cmdline");
    fclose(f);
    char *at = strstr(line, "guest=");
    if (!at)
        give_up("no guest= on the command line");
    at += strlen("guest=");
    at[strcspn(at, " \n")] = '\0';
    return at;
}

int main(void)
{
    mounted("dev", "/dev", "devtmpfs", 0, "");
    mounted("proc", "/proc", "proc", 0, "");
    load_modules();
    char *script = script_name();
    mounted("host", "/host", "9p", MS_RDONLY, SHARED ",cache=loose");
    mounted("writes", "/writes", "tmpfs", 0, "size=70%");
    mkdir("/writes/upper", 0755);
    mkdir("/writes/work", 0755);
    mounted("root", "/root", "overlay", 0, "lowerdir=/host,upperdir=/writes/upper,workdir=/writes/work");
    mounted("results", "/root/results", "9p", 0, SHARED);
    mounted("sys", "/root/sys", "sysfs", 0, "");
    mounted("run", "/root/run", "tmpfs", 0, "mode=755");
    if (mount("/dev", "/root/dev", NULL, MS_MOVE, NULL) < 0 || mount("/proc", "/root/proc", NULL, MS_MOVE, NULL) < 0)
        give_up("/dev, /proc");
    mounted("pts", "/root/dev/pts", "devpts", 0, "");
    mounted("shm", "/root/dev/shm", "tmpfs", 0, "mode=1777");
    if (chdir("/root") < 0 || mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0 || chdir("/") < 0)
        give_up("change of root");
    char *const words[] = {(char[]){"bash"}, script, NULL};
    char *const environment[] = {
        (char[]){"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
        (char[]){"HOME=/root"},
        (char[]){"TERM=dumb"},
        NULL,
    };
    execve("/bin/bash", words, environment);
    give_up("/bin/bash");
}
