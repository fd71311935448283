# SPDX-License-Identifier: GPL-2.0-or-later
"""forwarded.py CAPTURE...: did a gateway forward every TCP packet, and nothing else, as a router does?

The captures are of all its devices. What a device took in must leave by another one as the same
bytes but for the hop limit, which is one lower (and the IPv4 header checksum, which covers it), in the
same number. Packets that carry data or flags keep their order within a connection's direction, where all of
it came in by one device (bare ACKs may overtake: the rules let them pass by the queue) and port 25 of a --server is one
end: others go by no queue, and on two processors one may overtake the other. --gateway: its hardware addresses.

Prints one line: packets=N forwarded=N missing=N added=N disordered=N, and what the first few were.
"""
import argparse
import collections
import ipaddress
import struct
import sys

from capture import packets
from wire import ACK, checksum

parser = argparse.ArgumentParser()
parser.add_argument("--gateway", nargs="+", required=True)
parser.add_argument("--server", nargs="+", required=True)
parser.add_argument("--captures", nargs="+", required=True)
a = parser.parse_args()
servers = {ipaddress.ip_address(address).packed for address in a.server}
own = {bytes.fromhex(mac.replace(":", "")) for mac in a.gateway}


def queued(src, sport, dst, dport):
    return (src in servers and sport == 25) or (dst in servers and dport == 25)


def one_hop_on(l3):
    """As a router sends it on; None: it doesn't."""
    if l3[0] >> 4 == 6:
        return l3[:7] + bytes([l3[7] - 1]) + l3[8:] if l3[7] > 1 else None
    if l3[8] <= 1:
        return None
    n = (l3[0] & 15) * 4
    head = l3[:8] + bytes([l3[8] - 1]) + l3[9:10] + b"\0\0" + l3[12:n]
    return head[:10] + struct.pack("!H", checksum(head)) + l3[12:]


came, went, devices = collections.defaultdict(list), collections.defaultdict(list), collections.defaultdict(set)
total = 0
for path in a.captures:
    for p in packets(path):
        leaves = p.sender in own
        l3 = p.l3 if leaves else one_hop_on(p.l3)
        if l3:
            flow = p.src, p.sport, p.dst, p.dport
            (went if leaves else came)[flow].append((l3, bool(p.data) or p.flags != ACK))
            devices[flow].add((path, leaves))
            total += not leaves
missing, added, disordered = [], [], []
for flow in set(came) | set(went):
    before, after = (collections.Counter(l3 for l3, _ in side[flow]) for side in (came, went))
    missing += (before - after).elements()
    added += (after - before).elements()
    if before == after and queued(*flow) and len(devices[flow]) == 2 and [x for x, matters in came[flow] if matters] != [x for x, matters in went[flow] if matters]:
        disordered.append((flow, next((x.hex(), y.hex()) for (x, _), (y, _) in zip(
            [x for x in came[flow] if x[1]], [y for y in went[flow] if y[1]]) if x != y)))
print(f"packets={total} forwarded={total - len(missing)} missing={len(missing)} added={len(added)} disordered={len(disordered)}")
for word, what in (("missing", missing), ("added", added)):
    for l3 in what[:3]:
        print(f"# {word}: {l3.hex()}")
for flow, (first, instead) in disordered[:3]:
    print(f"# disordered: {flow}: not {first} but {instead}")
sys.exit(1 if missing or added or disordered or not total else 0)
