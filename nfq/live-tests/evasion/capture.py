# SPDX-License-Identifier: GPL-2.0-or-later
"""capture - TCP packets out of a pcap file of an Ethernet device, as tcpdump writes it on this machine."""
import struct
from collections import namedtuple

# sender: hardware address; l3: the whole IP packet; data: the payload
Packet = namedtuple("Packet", "sender src dst sport dport seq ack flags l3 data")


def packets(path):
    with open(path, "rb") as f:
        head = f.read(24)
        magic, = struct.unpack("=I", head[:4])
        if magic != 0xA1B2C3D4 or struct.unpack("=I", head[20:])[0] & 0xFFFF != 1:
            raise ValueError(f"{path}: no Ethernet capture of this machine")
        while len(head := f.read(16)) == 16:
            kept, whole = struct.unpack("=II", head[8:])
            frame = f.read(kept)
            if len(frame) == whole:
                packet = decode(frame)
                if packet:
                    yield packet
            else:
                raise ValueError(f"{path}: a frame is cut")


def decode(frame):
    """None: no TCP, or behind extension headers"""
    l3 = frame[14:]
    if frame[12:14] == b"\x08\0" and l3[9] == 6:
        at, src, dst = (l3[0] & 15) * 4, l3[12:16], l3[16:20]
        l3 = l3[:struct.unpack_from("!H", l3, 2)[0] or len(l3)]
    elif frame[12:14] == b"\x86\xdd" and l3[6] == 6:
        at, src, dst = 40, l3[8:24], l3[24:40]
        l3 = l3[:struct.unpack_from("!H", l3, 4)[0] + 40]
    else:
        return None
    sport, dport, seq, ack, doff, flags = struct.unpack_from("!HHIIBB", l3, at)
    return Packet(frame[6:12], src, dst, sport, dport, seq, ack, flags, l3, l3[at + (doff >> 4) * 4:])
