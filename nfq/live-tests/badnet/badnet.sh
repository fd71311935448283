# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# badnet - a bad network: loss 2 %, reordering 25 %, duplication 5 %, corruption 1 %, delay
# 20 ms +- 10, each way, on one segment of the lab. The kernel's netem where there is one, cable.py otherwise.
#
#   badnet_begin             # after live_begin and before anything else: the gateway gets new devices
#   badnet_on outside        # or inside; the other segment is good again
#   badnet_off
#
# BADNET says which it is: netem or cable.

BADNET_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
BADNET_SEED=${BADNET_SEED:-1}

# The gateway's addresses on a segment, and the other end's.
declare -A BADNET_GATEWAY=([outside]="198.51.100.1/24 2001:db8:1::1/64" [inside]="192.0.2.1/24 2001:db8:2::1/64")
declare -A BADNET_HOST=([outside]="$LAB_CLIENT4 $LAB_CLIENT6 $LAB_CATCHER4 $LAB_CATCHER6" [inside]="$LAB_SERVER4 $LAB_SERVER6")

badnet_begin() {
    local segment
    lab_offload off
    if lab_run gateway tc qdisc add dev outside root netem delay 1ms 2>/dev/null; then
        BADNET=netem
        lab_run gateway tc qdisc del dev outside root
    else
        # shellcheck disable=SC2034  # for the caller
        BADNET=cable
        ip netns add cable
        lab_run cable sh -c 'echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6'
        for segment in outside inside; do badnet_cut "$segment"; done
        badnet_off
    fi
    for segment in outside inside; do badnet_neighbours "$segment"; done
}

# The gateway's device becomes one end of the cable, and it gets a new one at the other end.
badnet_cut() { # SEGMENT
    local address
    ip -n gateway link set "$1" down
    ip -n gateway link set "$1" netns cable name "$1-far"
    ip link add "$1" netns gateway type veth peer name "$1-near" netns cable
    for address in ${BADNET_GATEWAY[$1]}; do
        if [[ $address == *:* ]]; then ip -n gateway addr add "$address" dev "$1" nodad; else ip -n gateway addr add "$address" dev "$1"; fi
    done
    ip -n cable link set "$1-far" up
    ip -n cable link set "$1-near" up
    ip -n gateway link set "$1" up
    # The cable takes frames as they are: cut, and with their checksums.
    lab_run "$1" ethtool -K eth0 tx off >/dev/null
    lab_run gateway ethtool -K "$1" tx off tso off gso off gro off >/dev/null
}

# ARP has no checksum: what a changed bit makes of it would be believed for a minute.
badnet_neighbours() { # SEGMENT
    local address host gateway
    host=$(lab_run "$1" cat /sys/class/net/eth0/address)
    gateway=$(lab_run gateway cat "/sys/class/net/$1/address")
    for address in ${BADNET_GATEWAY[$1]}; do ip -n "$1" neigh replace "${address%/*}" lladdr "$gateway" dev eth0 nud permanent; done
    for address in ${BADNET_HOST[$1]}; do ip -n gateway neigh replace "$address" lladdr "$host" dev "$1" nud permanent; done
}

badnet_on() { # SEGMENT
    local bad=(--loss 2 --reorder 25 --duplicate 5 --corrupt 1 --delay 20 --jitter 10)
    badnet_off
    if [[ $BADNET == netem ]]; then
        lab_run gateway tc qdisc add dev "$1" root netem limit 100000 delay 20ms 10ms loss 2% reorder 25% duplicate 5% corrupt 1%
        lab_run "$1" tc qdisc add dev eth0 root netem limit 100000 delay 20ms 10ms loss 2% reorder 25% duplicate 5% corrupt 1%
        return
    fi
    lab_stop "cable-$1"
    badnet_carry "$1" --seed "$BADNET_SEED" "${bad[@]}"
}

badnet_off() {
    local segment
    for segment in outside inside; do
        if [[ $BADNET == netem ]]; then
            lab_run gateway tc qdisc del dev "$segment" root 2>/dev/null || true
            lab_run "$segment" tc qdisc del dev eth0 root 2>/dev/null || true
        else
            lab_stop "cable-$segment"
            badnet_carry "$segment"
        fi
    done
}

badnet_carry() { # SEGMENT OPTION...
    local segment=$1
    shift
    lab_start "cable-$segment" cable "$LIVE_PYTHON" "$BADNET_DIR/cable.py" "$@" "$segment-far" "$segment-near"
    lab_wait_for "$LAB_DIR/cable-$segment.log" carrying || lab_die "no cable: $(cat "$LAB_DIR/cable-$segment.log")"
}

# What it did to the segment, in its own words.
badnet_said() { # SEGMENT
    if [[ $BADNET == netem ]]; then
        lab_run gateway tc -s qdisc show dev "$1" | tr '\n' ' '
    else
        lab_stop "cable-$1"
        tail -n 1 "$LAB_DIR/cable-$1.log"
        badnet_carry "$1"
    fi
}
