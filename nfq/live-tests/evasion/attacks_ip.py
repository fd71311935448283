# SPDX-License-Identifier: GPL-2.0-or-later
"""attacks_ip - rows of the table whose trick lies below TCP, or in somebody else's address.

See attacks.py for what a row is.
"""
import random
import struct
import time

from attacks import row
from session import LOCAL
from wire import ACK, FIN, RST, SYN, ipv4, ipv6


@row("packets in the server's name, sent outside")
def spoofed():
    def fake_354(t):
        t.c.send(b"DATA\r\n")
        t.c.spoof(b"354 go on\r\n", ack=6)
        t.put(b"DATA\r\n")

    def fake_220(t):
        t.c.send(b"STARTTLS\r\n")
        t.c.spoof(b"220 go on\r\n", ack=10)
        t.put(b"STARTTLS\r\n")

    def fake_ack(t):  # of a decoy that the server never got: nobody need remember it any more
        t.c.send(t.rcpt(LOCAL), ttl=3)
        time.sleep(0.02)
        t.c.spoof(flags=ACK, ack=len(t.rcpt()))

    def fake_rst(t):
        t.c.spoof(flags=RST | ACK)

    def fake_fin(t):
        t.c.spoof(flags=FIN | ACK)

    def fake_syn_ack(t):
        t.c.spoof(flags=SYN | ACK, at=100000)

    for fake in (fake_354, fake_220, fake_ack, fake_rst, fake_fin, fake_syn_ack):
        for v6 in (False, True):
            def run(t, fake=fake, v6=v6):
                if fake is fake_220:
                    t.open(v6=v6)
                    t.say(b"EHLO client.example\r\n")
                    fake(t)
                    t.say(t.mail())
                else:
                    t.begin(v6=v6)
                    fake(t)
                time.sleep(0.05)
                t.put(t.rcpt())
                t.finish()
            yield run


def fragments4(c, segment, size, order=1, extra=None, ident=None):
    ident = random.randrange(65536) if ident is None else ident
    parts = []
    for at in range(0, len(segment), size):
        more = 0x2000 if at + size < len(segment) else 0
        parts.append(ipv4(c.src, c.dst, segment[at:at + size], ident=ident, fragment=more | at // 8))
    if extra:
        parts.insert(1, ipv4(c.src, c.dst, extra[1], ident=ident, fragment=0x2000 | extra[0] // 8))
    for p in parts[::order]:
        c.wire.send(p)


def fragments6(c, segment, size, order=1, extra=None, before=b"", next_header=6):
    """before: extension headers inside the fragmented part, next_header the first of them"""
    ident, body, parts = random.randrange(1 << 32), before + segment, []

    def part(at, data, more):
        return ipv6(c.src, c.dst, struct.pack("!BBHI", next_header, 0, at | more, ident) + data, next_header=44)
    for at in range(0, len(body), size):
        parts.append(part(at, body[at:at + size], int(at + size < len(body))))
    if extra:
        parts.insert(1, part(extra[0], extra[1], 1))
    for p in parts[::order]:
        c.wire.send(p)


def in_fragments(t, v6, size, order=1, extra=None, **more):
    t.begin(v6=v6)
    for _ in range(3):
        (fragments6 if v6 else fragments4)(t.c, t.c.segment(t.rcpt()), size, order, extra(t) if extra else None, **more)
        if t.c.wait(lambda: t.c.una == (t.c.nxt + len(t.rcpt())) & 0xFFFFFFFF, t.patience(0.5)):
            break
    t.c.skip(len(t.rcpt()))
    t.finish()


@row("IP fragments, tiny ones and backwards")
def fragments():
    for size in (8, 16, 24, 40, 48):
        for order in (1, -1):
            for v6 in (False, True):
                yield lambda t, size=size, order=order, v6=v6: in_fragments(t, v6, size, order)


@row("IP fragments that overlap", works=())
def fragments_overlap():
    def decoy(t):
        whole = t.c.segment(t.rcpt(LOCAL))
        return 40, whole[40:64]

    def head(t):
        return 0, t.c.segment(b"NOOP\r\n")[:24] + b"\0" * 16
    for v6 in (False, True):
        for size in (32, 48):
            for order in (1, -1):
                for extra in (decoy, head):
                    yield lambda t, v6=v6, size=size, order=order, extra=extra: in_fragments(t, v6, size, order, extra)


@row("IPv4 options")
def ip_options():
    record_route = bytes([7, 11, 4]) + bytes(8) + b"\0"
    for options in (b"\1\1\1\1", record_route, bytes([68, 8, 5, 0, 0, 0, 0, 0]), bytes([130, 11, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
                    bytes([131, 7, 4, 192, 0, 2, 25, 0])):
        def run(t, options=options):
            t.begin()
            line = t.rcpt()
            for _ in range(3):
                t.c.wire.send(t.c.packet(t.c.segment(line[:20]), options=options))
                t.c.wire.send(t.c.packet(t.c.segment(line[20:], at=20), options=options))
                if t.c.wait(lambda: t.c.una == (t.c.nxt + len(line)) & 0xFFFFFFFF, t.patience(0.5)):
                    break
            t.c.skip(len(line))
            t.finish()
        yield run


def chain(*headers, jumbo=False):
    """RCPT behind these IPv6 headers, (kind, all but the first byte); jumbo: with 0 as payload length"""
    def run(t):
        t.begin(v6=True)
        for _ in range(3):
            body, following = t.c.segment(t.rcpt()), 6
            for kind, payload in reversed(headers):
                body, following = bytes([following]) + payload + body, kind
            packet = ipv6(t.c.src, t.c.dst, body, next_header=following)
            t.c.wire.send(packet[:4] + b"\0\0" + packet[6:] if jumbo else packet)
            if t.c.wait(lambda: t.c.una == (t.c.nxt + len(t.rcpt())) & 0xFFFFFFFF, t.patience(0.5)):
                break
        t.c.skip(len(t.rcpt()))
        t.finish()
    return run


@row("IPv6 extension headers")
def extensions():
    pad = bytes([1, 4, 0, 0, 0, 0])

    hop, dest = (0, b"\0" + pad), (60, b"\0" + pad)
    atomic = (44, b"\0\0\0\0\0\0\7")
    yield chain(dest)
    yield chain(hop)
    yield chain(hop, dest)
    yield chain(dest, dest, dest, dest)
    yield chain(atomic)
    yield chain(dest, atomic, dest)
    yield chain((60, b"\3" + pad + bytes([1, 22]) + b"\0" * 22))
    yield chain((43, b"\0\4\0" + b"\0" * 4))  # a route that has been gone
    yield lambda t: in_fragments(t, True, 24, before=b"\6\0" + pad, next_header=60)
    yield lambda t: in_fragments(t, True, 8, before=b"\6\0" + pad, next_header=60)


@row("AH, jumbo payload and other headers that the server doesn't read", works=())
def odd_headers():
    authentication = b"\4\0\0" + b"\0\0\1\0" + b"\0\0\0\1" + b"i" * 12  # RFC 4302
    jumbo = b"\0\xc2\4"
    yield chain((51, authentication))
    yield chain((60, b"\0" + bytes([1, 4, 0, 0, 0, 0])), (51, authentication))
    yield chain((43, b"\2\0\1" + b"\0" * 4 + bytes(16)))
    yield chain((0, jumbo + struct.pack("!I", 70000)), jumbo=True)
    yield chain((0, jumbo + struct.pack("!I", 100)), jumbo=True)
    yield chain((0, jumbo + struct.pack("!I", 70000)))
    for kind in (50, 135, 139, 140, 59, 253):
        yield chain((kind, b"\0" + bytes(6)))

    def ah4(t):
        t.begin()
        line = t.rcpt()
        for _ in range(3):
            t.c.wire.send(ipv4(t.c.src, t.c.dst, b"\6" + authentication + t.c.segment(line), proto=51))
            if t.c.wait(lambda: t.c.una == (t.c.nxt + len(line)) & 0xFFFFFFFF, t.patience(0.5)):
                break
        t.c.skip(len(line))
        t.finish()
    yield ah4
