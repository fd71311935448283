# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034 # machine_why is the caller's
#
# machine - the gateway as a Debian of its own: a tree from scripts/package with systemd as its first process, in the
# lab's gateway namespace. Its units, its journal and its package manager are the real ones.
#
#   machine_up ARCHIVE       in the lab; false: this machine doesn't let it (why: machine_why)
#   machine COMMAND...       in it, as root
#   machine_down

machine_why=
MACHINE_PID= # of its systemd, as seen from the lab

machine_up() {
    local root=$LAB_DIR/machine
    MACHINE_CGROUP=$LAB_DIR/cgroup/${LAB_DIR##*/}
    mkdir -p "$root" "$LAB_DIR/cgroup"
    machine_why="no cgroup2 can be mounted"
    mount -t cgroup2 cgroup "$LAB_DIR/cgroup" 2>/dev/null || return 1
    machine_why="no cgroup can be made"
    mkdir "$MACHINE_CGROUP" 2>/dev/null || return 1
    mount -t tmpfs -o mode=755 machine "$root"
    tar -C "$root" -xf "$1"
    rm -f "$root/usr/sbin/policy-rc.d"
    echo gateway >"$root/etc/hostname"
    # It begins with nothing in its cgroup but itself; all that it starts ends with it.
    # shellcheck disable=SC2016 # for the inner shells
    lab_start machine gateway bash -c 'echo $$ >"$2/cgroup.procs" && exec unshare --cgroup --mount --pid --uts --ipc \
        --fork --kill-child=KILL --propagation private bash -c "$3" machine "$1"' bash "$root" "$MACHINE_CGROUP" '
        set -e
        cd "$1"
        mount -t proc proc proc
        mount -t sysfs -o ro sysfs sys
        mount -t cgroup2 cgroup sys/fs/cgroup
        mount -t tmpfs -o mode=755 run run
        mount -t tmpfs -o mode=755 dev dev
        mkdir dev/pts dev/shm
        mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts dev/pts
        ln -s pts/ptmx dev/ptmx
        ln -s /proc/self/fd dev/fd
        for node in null zero full random urandom tty; do
            : >dev/$node
            mount --bind /dev/$node dev/$node
        done
        mkdir mnt/old
        pivot_root . mnt/old
        umount -l /mnt/old
        exec /usr/bin/env -i container=lab PATH=/usr/sbin:/usr/bin:/sbin:/bin \
            /lib/systemd/systemd --system --unit=basic.target --log-target=journal --show-status=no'
    machine_why="its systemd doesn't start"
    lab_wait_until 20 machine_runs || return 1
    machine_why=
}

machine_runs() {
    lab_running machine || return 1
    MACHINE_PID=$(pgrep -x systemd -P "${LAB_PID[machine]}") && machine systemctl is-active -q basic.target 2>/dev/null
}

machine() {
    nsenter -t "$MACHINE_PID" --mount --uts --ipc --net --pid --cgroup --root --wd -- /usr/bin/env -i \
        PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C DEBIAN_FRONTEND=noninteractive "$@" </dev/null
}

machine_down() {
    kill -KILL "$MACHINE_PID" 2>/dev/null || true
    lab_stop machine KILL 2>/dev/null
    lab_wait_until 5 machine_cgroup_gone
}

machine_cgroup_gone() {
    find "$MACHINE_CGROUP" -depth -type d -exec rmdir {} + 2>/dev/null
    [[ ! -e $MACHINE_CGROUP ]]
}
