# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034 # tree_why is the caller's
#
# tree - Debian trees to chroot into, made by debootstrap.
#
#   tree_make TREE [PACKAGE...]    a minimal one, of this machine's release and mirror, with these packages; starts
#                                  nothing. False: why is in tree_why, more in TREE.log
#   tree_run TREE COMMAND...       as root in it, with a PID namespace: what a package starts all the same ends with it

tree_why=

# The mirror and release that this machine's apt uses.
tree_mirror() {
    # shellcheck disable=SC2016 # apt's own variables
    apt-get indextargets --format '$(SITE) $(CODENAME) $(COMPONENT)' 'Created-By: Packages' |
        awk -v code="$(. /etc/os-release && echo "${VERSION_CODENAME:-}")" '$2 == code && $3 == "main" { print $1; exit }'
}

tree_run() {
    # shellcheck disable=SC2016 # for the inner shell
    unshare --mount --pid --uts --fork --kill-child=KILL --propagation private bash -c '
        tree=$1; shift
        hostname mail.local.example
        mount -t proc proc "$tree/proc"
        exec chroot "$tree" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C DEBIAN_FRONTEND=noninteractive "$@"' \
        tree "$@"
}

tree_make() {
    local tree=$1 site suite
    shift
    tree_why="debootstrap is not installed"
    command -v debootstrap >/dev/null || return 1
    tree_why="this machine's apt names no Debian mirror"
    site=$(tree_mirror)
    [[ $site ]] || return 1
    suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
    rm -rf "$tree.new"
    if ! debootstrap --variant=minbase ${1:+--include="$(IFS=, && echo "$*")"} "$suite" "$tree.new" "$site" >"$tree.log" 2>&1; then
        tree_why="debootstrap failed: $(tail -n 1 "$tree.log")"
        return 1
    fi
    rm -rf "$tree.new"/var/cache/apt/archives/*.deb
    mv "$tree.new" "$tree"
}
