# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034
#
# vm - runs a script as root on another kernel than this machine's: Debian's own, in a throw-away QEMU guest. For what
# this machine's kernel may lack (nftables' queue statement, bridge conntrack) or must not be bothered with.
#
#   source scripts/lib/vm.sh
#   vm_get || echo "$vm_why"       # once: fetches what is missing into $VM_DIR (build/vm); installs nothing
#   vm_run SECONDS SCRIPT ARG...   # as root in the guest, in the same folder; its output comes as it is written
#
# The guest's root is this machine's, read-only, with a layer in memory on top: the same programs, and nothing that the
# guest writes lasts. It has no network card. Plain emulation, so that it works, and takes the same time, inside another
# virtual machine too: it is up in about 5 s, and then everything takes about ten times as long as outside.

VM_HOME=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
VM_DIR=$(realpath -m "${VM_DIR:-build/vm}")
VM_KERNEL_SERIES=${VM_KERNEL_SERIES:-6.1} # Debian's kernel package linux-image-SERIES.*-amd64
VM_ACCEL=${VM_ACCEL:-tcg,thread=multi} # kvm, where it works
VM_SMP=${VM_SMP:-2}
VM_MEMORY=${VM_MEMORY:-1536M}
vm_why= # why not (for the caller)

# vm_fetch NAME...: Debian packages into $VM_DIR/debs, not installed.
vm_fetch() {
    (cd "$VM_DIR/debs" && apt-get -qq -o APT::Sandbox::User=root -o Acquire::Retries=3 download "$@") >>"$VM_DIR/log" 2>&1
}

# False with the reason in vm_why: it can't be had here.
vm_get() {
    local image package
    if [[ -e $VM_DIR/ready ]]; then return 0; fi
    vm_why="no apt-get here to fetch a kernel with"
    command -v apt-get dpkg-deb >/dev/null || return 1
    vm_why="only for x86-64 so far"
    [[ $(dpkg --print-architecture) == amd64 ]] || return 1
    rm -rf "$VM_DIR"
    mkdir -p "$VM_DIR/debs/partial" "$VM_DIR/qemu" "$VM_DIR/kernel"
    # One unreachable source among several is no reason to stop.
    apt-get -qq update >"$VM_DIR/log" 2>&1 || true
    vm_why="apt-get knows no kernel $VM_KERNEL_SERIES"
    image=$(apt-cache pkgnames "linux-image-$VM_KERNEL_SERIES." | grep -E -- '[0-9]-amd64$' | sort -V | tail -n 1)
    if [[ ! $image ]]; then
        image=$(apt-cache depends linux-image-amd64 2>/dev/null | awk '$1 == "Depends:" { print $2 }' |
            grep -F "linux-image-$VM_KERNEL_SERIES." | head -n 1)
    fi
    [[ $image ]] || return 1
    vm_why="$image can't be downloaded (see $VM_DIR/log)"
    vm_fetch "$image" || return 1
    dpkg-deb -x "$VM_DIR/debs/${image}_"*.deb "$VM_DIR/kernel" || return 1
    if ! command -v qemu-system-x86_64 >/dev/null; then
        vm_why="qemu can't be downloaded (see $VM_DIR/log)"
        # shellcheck disable=SC2046  # names of packages
        vm_fetch $(apt-get -s --no-install-recommends install qemu-system-x86 2>>"$VM_DIR/log" | awk '$1 == "Inst" { print $2 }') || return 1
        for package in "$VM_DIR/debs/"*.deb; do
            if [[ ${package##*/} == linux-image-* ]]; then continue; fi
            dpkg-deb -x "$package" "$VM_DIR/qemu" || return 1
        done
    fi
    rm -rf "$VM_DIR/debs"
    vm_why="its modules can't be indexed"
    vm_version
    depmod -b "$VM_DIR/kernel" "$vm_version" || return 1
    vm_why="the guest's first program can't be built"
    vm_initramfs || return 1
    : >"$VM_DIR/ready"
}

vm_version() {
    local all=("$VM_DIR/kernel/lib/modules/"*)
    vm_version=${all[0]##*/}
}

vm_initramfs() {
    local modules
    mapfile -t modules < <(
        modprobe -d "$VM_DIR/kernel" -S "$vm_version" --show-depends -a virtio_pci 9pnet_virtio 9p overlay |
            awk '$1 == "insmod" && !seen[$2]++ { print $2 }'
    )
    ((${#modules[@]})) &&
        gcc -O -Wall -Wextra -Werror -static -o "$VM_DIR/init" "$VM_HOME/vm-init.c" &&
        "$VM_HOME/vm-initramfs" "$VM_DIR/init" "${modules[@]}" >"$VM_DIR/initramfs"
}

# The script that the guest begins with: the rest of a small system, then the caller's script.
vm_guest_script() { # SCRIPT ARG...
    cat <<EOF
cd $(printf %q "$PWD")
stty -F /dev/console -onlcr
mkdir -p /run/netns /usr/lib/modules
ln -sfn /proc/self/fd /dev/fd
ln -sfn $(printf %q "$VM_DIR/kernel/lib/modules/$vm_version") /usr/lib/modules/$vm_version
ip link set lo up
status=0
bash$(printf ' %q' "$@") </dev/null || status=\$?
echo "\$status" >/results/status
sync
echo o >/proc/sysrq-trigger
read -r -t 60 _ </dev/zero
EOF
}

# vm_run SECONDS SCRIPT ARG...: exit status is SCRIPT's; 99: the guest came to no result. Files that it leaves in /results
# are in $VM_RESULTS afterwards, until the next vm_run.
vm_run() {
    local limit=$1 program=qemu-system-x86_64 own=() libraries='' folder
    shift
    vm_version
    VM_RESULTS=$VM_DIR/results
    rm -rf "$VM_RESULTS"
    mkdir "$VM_RESULTS"
    vm_guest_script "$@" >"$VM_RESULTS/guest.sh"
    if [[ -x $VM_DIR/qemu/usr/bin/$program ]]; then
        program=$VM_DIR/qemu/usr/bin/$program
        libraries=$VM_DIR/qemu/usr/lib/x86_64-linux-gnu:$VM_DIR/qemu/lib/x86_64-linux-gnu
        for folder in qemu seabios; do own+=(-L "$VM_DIR/qemu/usr/share/$folder"); done
    fi
    LD_LIBRARY_PATH=$libraries timeout --foreground -k 5 "$limit" "$program" ${own[@]+"${own[@]}"} \
        -machine q35 -accel "$VM_ACCEL" -cpu max -smp "$VM_SMP" -m "$VM_MEMORY" \
        -nodefaults -no-user-config -no-reboot -display none -monitor none -serial stdio \
        -kernel "$VM_DIR/kernel/boot/vmlinuz-$vm_version" -initrd "$VM_DIR/initramfs" \
        -fsdev local,id=host,path=/,security_model=none,readonly=on,multidevs=remap \
        -device virtio-9p-pci,fsdev=host,mount_tag=host \
        -fsdev local,id=results,path="$VM_RESULTS",security_model=none \
        -device virtio-9p-pci,fsdev=results,mount_tag=results \
        -append "console=ttyS0 quiet loglevel=3 panic=-1 nokaslr mitigations=off audit=0 guest=/results/guest.sh" \
        </dev/null 2>"$VM_RESULTS/qemu.log" || true
    if [[ -s $VM_RESULTS/status ]]; then return "$(cat "$VM_RESULTS/status")"; fi
    echo "vm: the guest came to no result within $limit s"
    head -n 5 "$VM_RESULTS/qemu.log"
    return 99
}
