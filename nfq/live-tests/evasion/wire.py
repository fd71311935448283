# SPDX-License-Identifier: GPL-2.0-or-later
"""wire - frames on a packet socket, and a TCP of our own that may do everything wrong.

The addresses that a Wire speaks from belong to nobody's kernel: the gateway routes
them here, and this host neither answers nor forwards. So no RST comes but those
that somebody wanted.
"""
import random
import select
import socket
import struct
import threading
import time

FIN, SYN, RST, PSH, ACK, URG = 1, 2, 4, 8, 16, 32
M32 = 0xFFFFFFFF
TIMESTAMPS_SINCE = time.monotonic()
SPOOFED_WINDOW = 4242  # how we know what we sent in the server's name


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def after(a, b):
    """a comes behind b in sequence space (RFC 9293 3.4)"""
    return 0 < (a - b) & M32 < 1 << 31


def now_ts():
    return int((time.monotonic() - TIMESTAMPS_SINCE) * 1000) + 1_000_000 & M32


def tcp_segment(src, dst, sport, dport, seq, ack, flags, data=b"", window=65535, urgent=0, options=b"",
                bad_sum=False, doff=None):
    options += b"\1" * (-len(options) % 4)
    words = 5 + len(options) // 4 if doff is None else doff
    head = struct.pack("!HHIIBBHHH", sport, dport, seq & M32, ack & M32, words << 4, flags, window, 0, urgent)
    seg = head + options + data
    pseudo = src + dst + (struct.pack("!BBH", 0, 6, len(seg)) if len(src) == 4 else struct.pack("!IHBB", len(seg), 0, 0, 6))
    total = checksum(pseudo + seg)
    if bad_sum:
        total ^= 0x1234
    return seg[:16] + struct.pack("!H", total) + seg[18:]


def ipv4(src, dst, payload, ttl=64, ident=None, fragment=0, options=b"", proto=6):
    """fragment: the 16 bits of flags and offset, as in RFC 791"""
    ident = random.randrange(65536) if ident is None else ident
    head = struct.pack("!BBHHHBBH4s4s", 0x45 + len(options) // 4, 0, 20 + len(options) + len(payload), ident, fragment,
                       ttl, proto, 0, src, dst) + options
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload


def ipv6(src, dst, payload, ttl=64, next_header=6):
    return struct.pack("!IHBB", 6 << 28, len(payload), next_header, ttl) + src + dst + payload


class Wire:
    """The device; hands what comes in to the connection that it is for."""

    def __init__(self, device, gateway_mac):
        self.sockets, self.conns, self.lock, self.device = {}, {}, threading.Lock(), device
        own = open(f"/sys/class/net/{device}/address", encoding="ascii").read().strip()
        for proto in (0x0800, 0x86DD):
            s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(proto))
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
            s.bind((device, proto))
            s.setblocking(False)
            self.sockets[proto] = s
        self.head = {p: bytes.fromhex(gateway_mac.replace(":", "")) + bytes.fromhex(own.replace(":", "")) + struct.pack("!H", p)
                     for p in self.sockets}
        threading.Thread(target=self._read, daemon=True).start()

    def send(self, packet):
        proto = 0x0800 if packet[0] >> 4 == 4 else 0x86DD
        for _ in range(50):
            try:
                self.sockets[proto].send(self.head[proto] + packet)
                return
            except (BlockingIOError, OSError) as e:
                if isinstance(e, OSError) and e.errno not in (11, 105):  # EAGAIN, ENOBUFS
                    raise
                time.sleep(0.002)

    def send_super(self, packet, size):
        """One superpacket, as a network card's offload (GRO) makes of segments of that size: NFQUEUE gets it whole."""
        v4 = packet[0] >> 4 == 4
        proto, l4 = (0x0800, (packet[0] & 15) * 4) if v4 else (0x86DD, 40)
        pseudo = packet[12:20] + struct.pack("!BBH", 0, 6, len(packet) - l4) if v4 else packet[8:40] + struct.pack("!IHBB", len(packet) - l4, 0, 0, 6)
        partial = ~checksum(pseudo) & 0xFFFF  # the device does the rest
        packet = packet[:l4 + 16] + struct.pack("!H", partial) + packet[l4 + 18:]
        # struct virtio_net_hdr: NEEDS_CSUM, the kind of TCP, lengths of headers and segments, where the checksum is
        head = struct.pack("=BBHHHH", 1, 1 if v4 else 4, 14 + l4 + (packet[l4 + 12] >> 4) * 4, size, 14 + l4, 16)
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as s:
            s.setsockopt(263, 15, 1)  # SOL_PACKET, PACKET_VNET_HDR
            s.bind((self.device, proto))
            s.send(head + self.head[proto] + packet)

    def add(self, conn):
        with self.lock:
            self.conns[conn.src, conn.sport] = conn

    def remove(self, conn):
        with self.lock:
            if self.conns.get((conn.src, conn.sport)) is conn:
                del self.conns[conn.src, conn.sport]

    def _read(self):
        poll = select.poll()
        by_fd = {}
        for s in self.sockets.values():
            poll.register(s, select.POLLIN)
            by_fd[s.fileno()] = s
        while True:
            for fd, _ in poll.poll():
                for _ in range(64):
                    try:
                        frame = by_fd[fd].recv(70000)
                    except BlockingIOError:
                        break
                    self._dispatch(frame[14:])

    def _dispatch(self, p):
        if p[0] >> 4 == 4:
            if p[9] != 6:
                return
            at, dst, end = (p[0] & 15) * 4, p[16:20], struct.unpack_from("!H", p, 2)[0] or len(p)
        else:
            if p[6] != 6:
                return
            at, dst, end = 40, p[24:40], struct.unpack_from("!H", p, 4)[0] + 40
        _, dport, seq, ack, doff, flags, window = struct.unpack_from("!HHIIBBH", p, at)
        conn = self.conns.get((dst, dport))
        if conn:
            data = at + (doff >> 4) * 4
            conn.heard(seq, ack, flags, window, p[data:end], p[at + 20:data])


class Conn:
    """One connection to the server's port 25. Sends what it is told, acknowledges what comes."""

    def __init__(self, wire, src, dst, sport, isn=None, mss=1460, timestamps=True):
        self.wire, self.sport, self.mss, self.timestamps = wire, sport, mss, timestamps
        family = socket.AF_INET6 if ":" in dst else socket.AF_INET
        self.src, self.dst = socket.inet_pton(family, src), socket.inet_pton(family, dst)
        self.isn = random.randrange(1 << 32) if isn is None else isn
        self.una = self.nxt = (self.isn + 1) & M32  # of what we send: acknowledged before this; the next one
        self.rcv = 0                                # the next one from the server
        self.peer_ts = 0
        self.window = 65535                         # what we let the server send
        self.cond = threading.Condition()
        self.synack = self.reset = self.peer_fin = self.mute = False
        self.got = bytearray()
        self.syn_len = 0                            # data in our SYN
        self.synack_options = b""
        wire.add(self)

    # ---- what comes ----

    def heard(self, seq, ack, flags, window, data, options):
        if window == SPOOFED_WINDOW:
            return
        with self.cond:
            if flags & RST:
                self.reset = True
            elif flags & SYN:
                if flags & ACK and (ack - self.isn - 1) & M32 <= self.syn_len:
                    if not self.synack:
                        self.una = self.nxt = ack
                    self.rcv, self.synack, self.synack_options = (seq + 1) & M32, True, options
            elif self.synack:
                self._take(seq, ack, flags, data)
            self.cond.notify_all()

    def _take(self, seq, ack, flags, data):
        if flags & ACK and after(ack, self.una):
            self.una = ack
        stop = seq + len(data) & M32
        if data and not after(seq, self.rcv) and after(stop, self.rcv):
            self.got += data[(self.rcv - seq) & M32:]
            self.rcv = stop
        if flags & FIN and stop == self.rcv and not self.peer_fin:
            self.rcv, self.peer_fin = self.rcv + 1 & M32, True
        if (data or flags & FIN) and not self.mute:
            self.send()

    def wait(self, what, seconds):
        """until what() is true: True; or the time is over, or there is a RST: False"""
        end = time.monotonic() + seconds
        with self.cond:
            while not what():
                left = end - time.monotonic()
                if left <= 0 or self.reset:
                    return False
                self.cond.wait(left)
            return True

    # ---- what goes ----

    def options(self, ts=None):
        if not self.timestamps:
            return b""
        return b"\1\1\10\12" + struct.pack("!II", now_ts() if ts is None else ts & M32, self.peer_ts)

    def segment(self, data=b"", at=0, flags=ACK, seq=None, ack=None, ts=None, options=None, **more):
        """The TCP segment with these bytes `at` bytes behind the next one; seq: an absolute number instead."""
        seq = (self.nxt if seq is None else seq) + at
        if data and flags == ACK:
            flags |= PSH
        return tcp_segment(self.src, self.dst, self.sport, 25, seq, self.rcv if ack is None else ack, flags, data,
                           window=more.pop("window", self.window),
                           options=self.options(ts) if options is None else options, **more)

    def packet(self, segment, ttl=64, **more):
        return (ipv4 if len(self.src) == 4 else ipv6)(self.src, self.dst, segment, ttl=ttl, **more)

    def send(self, data=b"", ttl=64, **more):
        """One packet, once."""
        self.wire.send(self.packet(self.segment(data, **more), ttl=ttl))

    def send_super(self, data, at=0, size=1400):
        self.wire.send_super(self.packet(self.segment(data, at=at)), size)

    def spoof(self, data=b"", at=0, flags=ACK | PSH, ack=0):
        """A packet in the server's name, that this side of the gateway sends; ack: relative, too."""
        seg = tcp_segment(self.dst, self.src, 25, self.sport, self.rcv + at, self.nxt + ack, flags, data, window=SPOOFED_WINDOW,
                          options=self.options())
        self.wire.send((ipv4 if len(self.src) == 4 else ipv6)(self.dst, self.src, seg))

    def connect(self, data=b"", flags=SYN, more_options=b""):
        self.syn_len = len(data)
        options = b"\2\4" + struct.pack("!H", self.mss) + more_options
        if self.timestamps:
            options += b"\4\2\10\12" + struct.pack("!II", now_ts(), 0)
        for _ in range(12):
            self.send(data, seq=self.isn, ack=0, flags=flags, options=options)
            if self.wait(lambda: self.synack, 0.5):
                self.send()
                return True
            if self.reset:
                return False
        return False

    def acked(self):
        return self.una == self.nxt

    def skip(self, n):
        """n bytes behind the next one count as sent."""
        self.nxt = self.nxt + n & M32

    def close(self):
        if self.synack:
            self.send(flags=RST | ACK)
        self.wire.remove(self)
