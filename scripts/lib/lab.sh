# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# lab - a small network on this machine for the demo and the live tests:
#
#   outside ── gateway ── inside        the Internet; the Linux gateway; the mail server
#                 └────── monitor       a monitoring host of the site, in a segment of its own
#
#   outside  198.51.100.2-.33, 2001:db8:1::2   clients;  .99 and ::99: where mail that leaves arrives
#   inside   192.0.2.25,       2001:db8:2::25  the mail server
#   monitor  203.0.113.10,     2001:db8:3::10
#   gateway  .1 and ::1 in each
#
# Use:
#   source scripts/lib/lab.sh
#   lab_enter "$@"     # first of all: restarts this script inside the lab
#   lab_up             # segments, routes, /dev/log
#   lab_run outside swaks ...
#
# From outside: LAB_FORM=nft takes the rules in nft form (default: iptables), LAB_SLOW=N waits N times as long for
# everything (in an emulated machine).
#
# The script that calls lab_enter is run again as the first process of its own
# PID, mount, UTS and network namespaces. Everything that it starts, mounts or names
# lives there: the namespaces' names can't collide with another lab's, nothing on
# the host changes, and when the script ends, however it ends, the kernel removes
# all of it. /dev, /run and the lab's folder ($LAB_DIR) are private.
#
# Functions exit the script when the lab itself can't work (lab_die, status 2).

LAB_HOME=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# What lab_enter runs again. A script that changes its folder before it includes this sets it first.
lab_script=${lab_script:-$(realpath -- "$0")}
LAB_SERVER4=192.0.2.25 LAB_SERVER6=2001:db8:2::25
LAB_CLIENT4=198.51.100.2 LAB_CLIENT6=2001:db8:1::2
LAB_MONITOR4=203.0.113.10 LAB_MONITOR6=2001:db8:3::10
LAB_CATCHER4=198.51.100.99 LAB_CATCHER6=2001:db8:1::99
LAB_DOMAIN=local.example
export LAB_FORM=${LAB_FORM:-iptables} LAB_SLOW=${LAB_SLOW:-1}
# shellcheck disable=SC2034  # used by the scripts that include this
LAB_EXTERNAL=ext.example
declare -A LAB_PID=()

lab_die() {
    echo "lab: $*" >&2
    exit 2
}

# True in the part of the script that runs inside the lab.
lab_inside() {
    [[ ${LAB_DIR:-} ]]
}

# Restarts the calling script inside the lab, waits for it, removes what is left and exits with its status.
lab_enter() {
    if lab_inside; then return 0; fi
    if ((EUID != 0)); then lab_die "needs root (network namespaces)"; fi
    local child status dir
    dir=$(mktemp -d /tmp/rcptwall-lab.XXXXXX)
    chmod 755 "$dir"
    LAB_DIR=$dir setpriv --pdeathsig KILL \
        unshare --mount --pid --net --uts --fork --kill-child=KILL --mount-proc --propagation private \
        bash "$lab_script" "$@" </dev/null &
    child=$!
    # Killing unshare ends the first process of the PID namespace, and with it all others.
    # shellcheck disable=SC2064  # the values of now
    trap "kill -KILL $child 2>/dev/null || true; wait $child 2>/dev/null || true; rm -rf --one-file-system '$dir'; echo; echo interrupted; exit 130" INT TERM HUP
    status=0
    wait "$child" || status=$?
    rm -rf --one-file-system "$dir"
    exit "$status"
}

# lab_wait_until SECONDS COMMAND...: runs the command every 20 ms until it succeeds. False when the time is over.
lab_wait_until() {
    local end=$((${EPOCHREALTIME/[.,]/} + $1 * LAB_SLOW * 1000000))
    shift
    until "$@"; do
        if ((${EPOCHREALTIME/[.,]/} > end)); then return 1; fi
        sleep 0.02
    done
}

# lab_wait_for FILE PATTERN [SECONDS]: until a line of the file matches (grep -E).
lab_wait_for() {
    lab_wait_until "${3:-5}" grep -qsE -e "$2" "$1"
}

# lab_run NS COMMAND...
lab_run() {
    local ns=$1
    shift
    ip netns exec "$ns" "$@"
}

# lab_start NAME NS COMMAND...: in the background; output goes to $LAB_DIR/NAME.log.
lab_start() {
    local name=$1 ns=$2
    shift 2
    : >"$LAB_DIR/$name.log" # now, so that nobody finds what the last one of that name said
    ip netns exec "$ns" "$@" >"$LAB_DIR/$name.log" 2>&1 &
    LAB_PID[$name]=$!
}

lab_running() {
    [[ ${LAB_PID[$1]:-} ]] && kill -0 "${LAB_PID[$1]}" 2>/dev/null
}

# lab_stop NAME [SIGNAL]: waits until it is gone; LAB_STATUS is its exit status.
lab_stop() {
    local pid=${LAB_PID[$1]:-}
    LAB_STATUS=0
    if [[ ! $pid ]]; then return 0; fi
    kill -"${2:-TERM}" "$pid" 2>/dev/null || true
    if ! lab_wait_until 10 lab_gone "$pid"; then
        kill -KILL "$pid" 2>/dev/null || true
    fi
    # shellcheck disable=SC2034  # read by the caller
    wait "$pid" 2>/dev/null || LAB_STATUS=$?
    unset "LAB_PID[$1]"
}

lab_gone() {
    local state
    # A zombie is gone too: only its parent, this script, hasn't asked yet.
    if ! read -r _ _ state _ 2>/dev/null <"/proc/$1/stat"; then return 0; fi
    [[ $state == Z ]]
}

# lab_wait_port NS PORT [SECONDS]: until something listens there.
lab_wait_port() {
    lab_wait_until "${3:-10}" lab_listens "$1" "$2" || lab_die "nothing listens on port $2 in $1"
}

lab_listens() {
    [[ $(lab_run "$1" ss -Hltn "sport = :$2") ]]
}

# A /dev of our own, so that /dev/log can be ours whatever the host has there.
lab_private_dev() {
    local dev=$LAB_DIR/dev node
    mkdir "$dev" "$dev/shm" "$dev/pts"
    for node in null zero full random urandom tty; do
        : >"$dev/$node"
        mount --bind "/dev/$node" "$dev/$node"
    done
    mount --bind /dev/pts "$dev/pts"
    chmod 1777 "$dev/shm"
    ln -s pts/ptmx "$dev/ptmx"
    ln -s /proc/self/fd "$dev/fd"
    ln -s fd/0 "$dev/stdin"
    ln -s fd/1 "$dev/stdout"
    ln -s fd/2 "$dev/stderr"
    mount --rbind "$dev" /dev
}

# Names come from files only: there is no name server in the lab to wait for.
lab_private_names() {
    echo 'hosts: files' >"$LAB_DIR/nsswitch.conf"
    printf '127.0.0.1 localhost gateway\n::1 localhost gateway\n' >"$LAB_DIR/hosts"
    : >"$LAB_DIR/resolv.conf"
    local file
    for file in nsswitch.conf hosts resolv.conf; do
        if [[ -e /etc/$file ]]; then mount --bind "$LAB_DIR/$file" "$(realpath "/etc/$file")"; fi
    done
    hostname gateway 2>/dev/null || true
}

# lab_host_up GATEWAY4 GATEWAY6: the rest of a host, as input of ip -batch.
lab_host_up() {
    echo "link set lo up"
    echo "link set eth0 up"
    echo "route add default via $1"
    echo "route add default via $2"
}

lab_up() {
    local ns i
    mount -t tmpfs -o mode=755 lab "$LAB_DIR"
    lab_private_names
    mount -t tmpfs -o mode=755 lab /run
    lab_private_dev
    ip link set lo up
    for ns in outside gateway inside monitor; do
        ip netns add "$ns" || lab_die "this machine allows no network namespaces"
    done
    ip link add eth0 netns outside type veth peer name outside netns gateway || lab_die "this machine allows no veth"
    ip link add eth0 netns inside type veth peer name inside netns gateway
    ip link add eth0 netns monitor type veth peer name monitor netns gateway
    ip -n gateway -batch - <<EOF
addr add 198.51.100.1/24 dev outside
addr add 2001:db8:1::1/64 dev outside nodad
addr add 192.0.2.1/24 dev inside
addr add 2001:db8:2::1/64 dev inside nodad
addr add 203.0.113.1/24 dev monitor
addr add 2001:db8:3::1/64 dev monitor nodad
link set lo up
link set outside up
link set inside up
link set monitor up
EOF
    # A deprecated address is answered on, and not chosen as a client's own.
    {
        echo "addr add $LAB_CLIENT4/24 dev eth0"
        echo "addr add $LAB_CLIENT6/64 dev eth0 nodad"
        for i in {3..33} "${LAB_CATCHER4##*.}"; do echo "addr add 198.51.100.$i/24 dev eth0"; done
        echo "addr add $LAB_CATCHER6/64 dev eth0 nodad preferred_lft 0"
        lab_host_up 198.51.100.1 2001:db8:1::1
    } | ip -n outside -batch -
    {
        echo "addr add $LAB_SERVER4/24 dev eth0"
        echo "addr add $LAB_SERVER6/64 dev eth0 nodad"
        lab_host_up 192.0.2.1 2001:db8:2::1
    } | ip -n inside -batch -
    {
        echo "addr add $LAB_MONITOR4/24 dev eth0"
        echo "addr add $LAB_MONITOR6/64 dev eth0 nodad"
        lab_host_up 203.0.113.1 2001:db8:3::1
    } | ip -n monitor -batch -
    # Into /proc/sys directly: sysctl is in a package that a small machine doesn't have.
    lab_run gateway sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward && echo 1 >/proc/sys/net/ipv6/conf/all/forwarding'
    lab_start syslog gateway "$LAB_HOME/syslog-sink" /dev/log "$LAB_DIR/syslog"
    lab_wait_until 10 test -S /dev/log || lab_die "the syslog stand-in did not start"
}

# lab_offload on|off: segmentation offload everywhere. Off: the gateway sees what a wire would carry.
lab_offload() {
    local ns device
    for ns in outside inside monitor; do lab_run "$ns" ethtool -K eth0 tso "$1" gso "$1" gro "$1" >/dev/null; done
    for device in outside inside monitor; do
        lab_run gateway ethtool -K "$device" tso "$1" gso "$1" gro "$1" >/dev/null
    done
}

# Two catchers. Each message becomes one file with X-Client-Addr, X-Mail-Args and X-Rcpt-Args in front.
#   $LAB_DIR/left   what leaves the site (the server's relayhost, in the outside namespace)
#   $LAB_DIR/local  what was delivered to the local domain
lab_catchers() {
    mkdir "$LAB_DIR/left" "$LAB_DIR/local"
    chmod 777 "$LAB_DIR/left" "$LAB_DIR/local"
    lab_start catch-left4 outside smtp-sink -u nobody -d "$LAB_DIR/left/m." "inet:$LAB_CATCHER4:25" 100
    lab_start catch-left6 outside smtp-sink -u nobody -d "$LAB_DIR/left/m." "inet:[$LAB_CATCHER6]:25" 100
    lab_start catch-local inside smtp-sink -u nobody -d "$LAB_DIR/local/m." inet:127.0.0.1:2602 100
    lab_wait_port outside 25
    lab_wait_port inside 2602
}

# lab_count DIR [PATTERN]: messages there (whose text matches).
lab_count() {
    local files
    shopt -s nullglob
    files=("$LAB_DIR/$1"/m.*)
    shopt -u nullglob
    if ((${#files[@]} == 0)); then
        echo 0
    else
        grep -lE -e "${2:-^}" "${files[@]}" | wc -l
    fi
}

# lab_body FILE: the message's body as it arrived, without carriage returns.
lab_body() {
    sed -e 's/\r$//' -e '1,/^$/d' "$1"
}

# lab_postfix [NAME [NS [LINE...]]]: Postfix as a relay that is open to the whole world, in the inside namespace. The
# lines are more of its master.cf, LAB_POSTFIX_MAIN are lines for its main.cf. /etc/postfix is not looked at.
lab_postfix() {
    local name=${1:-postfix} ns=${2:-inside} dir main_cf
    local conf=$LAB_DIR/$name/etc queue=$LAB_DIR/$name/queue data=$LAB_DIR/$name/data
    shift $(($# < 2 ? $# : 2))
    mkdir -p "$conf" "$queue" "$data"
    cat >"$conf/main.cf" <<EOF
compatibility_level = 3.6
queue_directory = $queue
data_directory = $data
command_directory = /usr/sbin
daemon_directory = $(lab_postfix_daemons)
maillog_file = $LAB_DIR/$name/maillog
maillog_file_prefixes = $LAB_DIR
myhostname = mail.$LAB_DOMAIN
mydomain = $LAB_DOMAIN
mydestination = $LAB_DOMAIN, mail.$LAB_DOMAIN
inet_interfaces = all
inet_protocols = all
# The hole that the whole product is about.
mynetworks = 0.0.0.0/0, [::]/0
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_recipient_restrictions = permit_mynetworks, reject
allow_percent_hack = yes
swap_bangpath = yes
allow_untrusted_routing = yes
local_recipient_maps =
alias_maps =
alias_database =
local_transport = smtp:[127.0.0.1]:2602
relayhost = [$LAB_CATCHER4]
smtp_dns_support_level = disabled
smtp_host_lookup = native
smtp_connection_cache_on_demand = no
smtpd_peername_lookup = no
smtpd_client_connection_count_limit = 0
smtputf8_enable = no
append_dot_mydomain = no
biff = no
EOF
    # Not just written behind the others: what Postfix has to say about two lines of one name fills its log before it has one.
    mapfile -t main_cf <<<"${LAB_POSTFIX_MAIN:-biff = no}"
    postconf -c "$conf" -e "${main_cf[@]}" || lab_die "postconf"
    cat >"$conf/master.cf" <<'EOF'
smtp       inet  n - n -     - smtpd
pickup     unix  n - n 60    1 pickup
cleanup    unix  n - n -     0 cleanup
qmgr       unix  n - n 300   1 qmgr
tlsmgr     unix  - - n 1000? 1 tlsmgr
rewrite    unix  - - n -     - trivial-rewrite
bounce     unix  - - n -     0 bounce
defer      unix  - - n -     0 bounce
trace      unix  - - n -     0 bounce
verify     unix  - - n -     1 verify
flush      unix  n - n 1000? 0 flush
proxymap   unix  - - n -     - proxymap
proxywrite unix  - - n -     1 proxymap
smtp       unix  - - n -     - smtp
relay      unix  - - n -     - smtp
showq      unix  n - n -     - showq
error      unix  - - n -     - error
retry      unix  - - n -     - error
discard    unix  - - n -     - discard
anvil      unix  - - n -     1 anvil
scache     unix  - - n -     1 scache
postlog    unix-dgram n - n - 1 postlogd
EOF
    if (($#)); then printf '%s\n' "$@" >>"$conf/master.cf"; fi
    chown postfix: "$data"
    for dir in active bounce corrupt defer deferred flush hold incoming private saved trace; do
        install -d -o postfix -g root -m 700 "$queue/$dir"
    done
    install -d -o postfix -g postdrop -m 710 "$queue/public"
    install -d -o postfix -g postdrop -m 1730 "$queue/maildrop"
    install -d -m 755 "$queue/pid"
    lab_start "$name" "$ns" "$(lab_postfix_daemons)/master" -c "$conf" -d
    lab_wait_port "$ns" 25
}

lab_postfix_daemons() {
    local dir
    for dir in /usr/lib/postfix/sbin /usr/libexec/postfix; do
        if [[ -x $dir/master ]]; then
            echo "$dir"
            return
        fi
    done
    lab_die "Postfix is not installed"
}

# lab_queue_empty: nothing waits in a server's queue any more.
lab_queue_empty() {
    [[ ! $(find "$LAB_DIR"/postfix*/queue/{maildrop,incoming,active,deferred} -type f -print -quit) ]]
}

# lab_capture NAME: what arrives at the gateway, before any rule has seen it, into $LAB_DIR/NAME.pcap.
lab_capture() {
    lab_start "capture-$1" gateway tcpdump -i any -Q in -Z root -U --immediate-mode \
        -s 70000 -B 262144 -w "$LAB_DIR/$1.pcap" tcp
    lab_wait_for "$LAB_DIR/capture-$1.log" 'listening on' 10 || lab_die "tcpdump: $(cat "$LAB_DIR/capture-$1.log")"
}

lab_capture_stop() {
    lab_stop "capture-$1"
}

# lab_rcptwall CONF [OPTION...]: the daemon on the gateway. Returns when the queue is its own.
lab_rcptwall() {
    local conf=$1
    shift
    lab_start rcptwall gateway "$RCPTWALL" run -c "$conf" "$@"
    if ! lab_wait_until 10 lab_has_queue rcptwall; then
        lab_die "rcptwall did not start: $(cat "$LAB_DIR/rcptwall.log")"
    fi
}

# A process listens on a queue in the gateway, or the named one is gone.
lab_has_queue() {
    lab_running "$1" || lab_die "$1 did not start: $(cat "$LAB_DIR/$1.log")"
    [[ $(lab_run gateway cat /proc/net/netfilter/nfnetlink_queue 2>/dev/null) ]]
}

# lab_can_queue: this kernel can send packets to a queue with rules of the form that is wanted.
lab_can_queue() {
    case $LAB_FORM in
    nft)
        printf 'table inet probe {\nchain c {\nqueue num 9\n}\n}\ndelete table inet probe\n' |
            lab_run gateway nft -f - 2>/dev/null
        ;;
    iptables)
        lab_run gateway iptables -w -t security -A FORWARD -p udp -j NFQUEUE --queue-num 9 2>/dev/null &&
            lab_run gateway iptables -w -t security -F FORWARD
        ;;
    *) lab_die "LAB_FORM=$LAB_FORM: nft or iptables" ;;
    esac
}

# lab_rules CONF: the rules that belong to a configuration, in the form that is wanted, in force on the gateway.
lab_rules() {
    lab_run gateway "$RCPTWALL" rules -c "$1" "--$LAB_FORM" >"$LAB_DIR/rules.$LAB_FORM" || lab_die "no rules for $1"
    lab_load_rules <"$LAB_DIR/rules.$LAB_FORM" || lab_die "the rules can't be loaded here"
}

lab_rules_remove() {
    "$RCPTWALL" rules -c "$1" "--$LAB_FORM" --remove | lab_load_rules
}

lab_load_rules() {
    if [[ $LAB_FORM == nft ]]; then lab_run gateway nft -f -; else lab_run gateway sh -e; fi
}

# lab_conf FILE [LINE...]: a configuration for this network; further lines go in as they are.
lab_conf() {
    local file=$1
    shift
    cat >"$file" <<EOF
mode = enforce
local-domains = { "$LAB_DOMAIN" }
own-addresses = { "$LAB_SERVER4", "$LAB_SERVER6" }
servers = { "$LAB_SERVER4", "$LAB_SERVER6" }
networks {
    inside = { "192.0.2.0/24", "2001:db8:2::/64", "203.0.113.0/24", "2001:db8:3::/64" }
}
EOF
    if (($#)); then printf '%s\n' "$@" >>"$file"; fi
}
