# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# dns - DNS blocklists for the live tests: a real rbldnsd and a real resolver (unbound) in the gateway's
# namespace. After live_begin:
#
#   dns_begin              # starts both: rbldnsd on 127.0.0.2:53 with the zones below, unbound on 127.0.0.1:53
#   dns_list bl.example 198.51.100.3 "why"     # what a zone lists besides 127.0.0.2
#
#   bl.example    IPv4, sane (rbldnsd's ip4set also has the IPv6 form of its test entry)
#   bl6.example   IPv6, sane
#   four.example  unbound's own, sane, without anything of IPv6; lists 198.51.100.3
#
# unbound keeps nothing for longer than a second, so that a change shows at once.

dns_begin() {
    local zone
    if ! command -v rbldnsd >/dev/null; then skip "rbldnsd isn't installed"; fi
    if ! command -v unbound >/dev/null; then skip "unbound isn't installed"; fi
    mkdir -p "$LAB_DIR/dns"
    chmod 755 "$LAB_DIR/dns"
    for zone in bl bl6; do dns_zone "$zone"; done
    lab_start rbldnsd gateway rbldnsd -n -u nobody -w "$LAB_DIR/dns" -b 127.0.0.2/53 -c 1s -t 1 -e \
        bl.example:ip4set:bl bl6.example:ip6trie:bl6
    dns_unbound
    lab_wait_until 10 dns_answers 2.0.0.127.bl.example || lab_die "rbldnsd or unbound doesn't answer: $(cat "$LAB_DIR"/rbldnsd.log "$LAB_DIR"/unbound.log)"
}

# dns_zone FILE: as it is when it is sane and empty.
dns_zone() {
    {
        echo "\$SOA 1 ns.example root.example 1 600 300 86400 1"
        if [[ $1 == bl6 ]]; then
            echo ":127.0.0.2:listed as \$"
            echo "::ffff:7f00:2/128"
        else
            echo ":127.0.0.2:listed as \$"
            echo "127.0.0.2"
        fi
    } >"$LAB_DIR/dns/$1.new"
    mv "$LAB_DIR/dns/$1.new" "$LAB_DIR/dns/$1"
    chmod 644 "$LAB_DIR/dns/$1"
}

# dns_list FILE LINE...: adds to a zone, and waits until rbldnsd has seen it.
dns_list() {
    local file=$1
    shift
    sleep 1.1 # rbldnsd looks at the time of the file, in seconds
    printf '%s\n' "$@" >>"$LAB_DIR/dns/$file"
    sleep 2.2
}

# dns_unlist FILE: only what makes it sane is left.
dns_unlist() {
    sleep 1.1
    dns_zone "$1"
    sleep 2.2
}

dns_unbound() {
    cat >"$LAB_DIR/unbound.conf" <<EOF
server:
    interface: 127.0.0.1
    port: 53
    username: ""
    chroot: ""
    directory: "$LAB_DIR"
    pidfile: ""
    use-syslog: no
    logfile: ""
    verbosity: 1
    do-daemonize: no
    do-not-query-localhost: no
    cache-max-ttl: 1
    cache-max-negative-ttl: 1
    infra-host-ttl: 1
    module-config: "iterator"
    num-threads: 1
    outgoing-range: 1000
    num-queries-per-thread: 1000
    local-zone: "127.in-addr.arpa." nodefault
    local-zone: "four.example." static
    local-data: "2.0.0.127.four.example. A 127.0.0.2"
    local-data: "3.100.51.198.four.example. A 127.0.0.2"
remote-control:
    control-enable: no
stub-zone:
    name: "example"
    stub-addr: 127.0.0.2@53
EOF
    lab_start unbound gateway unbound -d -c "$LAB_DIR/unbound.conf"
}

# dns_ask NAME [TYPE]: asks unbound for A; the addresses, or nothing.
dns_ask() {
    lab_run gateway "$LIVE_PYTHON" - "$1" <<'PY'
import socket, struct, sys
name = b"".join(bytes([len(l)]) + l.encode() for l in sys.argv[1].split(".")) + b"\0"
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(1)
s.sendto(struct.pack(">HHHHHH", 7, 0x100, 1, 0, 0, 0) + name + struct.pack(">HH", 1, 1), ("127.0.0.1", 53))
try:
    m = s.recv(4096)
except OSError:
    sys.exit(1)
n = struct.unpack(">H", m[6:8])[0]
at = 12 + len(name) + 4
for _ in range(n):
    print(".".join(map(str, m[at + 12:at + 16])))
    at += 16
PY
}

dns_answers() {
    [[ $(dns_ask "$1" 2>/dev/null) ]]
}
