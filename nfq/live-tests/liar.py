#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A name server that does as it is told, for the live tests of DNS blocklists.

liar.py ADDRESS PORT FILE

FILE holds the mode, and is read for each question, but not for its copies. Zones are sane in every mode but those that
say otherwise: 127.0.0.2 is listed, 127.0.0.1 is not.
  good       nothing else is listed
  slow       answers about clients after 3 s
  late       ... after 60 ms: not listed
  late-yes   ... after 60 ms: listed
  lying      clients get 192.0.2.1
  error      clients get 127.255.255.254
  garbage    clients get random bytes behind the right number
  wrong-id   clients get a listing with another number
  servfail   clients get SERVFAIL
  truncated  clients get a truncated answer, and by TCP 64 KiB of TXT records
  big-reason clients are listed, and the reason comes by TCP, in 64 KiB of TXT records
  rude       clients are listed, and the reason is what a terminal would obey
  cname      clients get a CNAME, and what that name says: listed
  cname-loop clients get a CNAME to itself, and nothing else
  many       clients get a listing among 40 other codes of 127/8
  spoiled    ... and an address outside 127/8 among them
  forever    clients are listed for 2^31 s, not to be kept at all, or for 2^32 - 1 s: by the last bits of their address
  all-but    everything but 127.0.0.1 is listed
  refused    REFUSED, also about the test entries
  all-error  127.255.255.254, also about the test entries
  lossy      each second copy of a question is answered: not listed
  dead       nothing, also about the test entries
  half-dead  nothing, but about 127.0.0.2
  silent     clients get nothing
Prints each name that it is asked about.
"""
import os, socket, struct, sys, threading, time

address, port, path = sys.argv[1], int(sys.argv[2]), sys.argv[3]

copies = {}
first_mode = {}


def mode():
    with open(path) as f:
        return f.read().strip()


def mode_of(m):
    return first_mode.setdefault((m[:2], question(m)[0]), mode())


def question(m):
    at, labels = 12, []
    while m[at]:
        labels.append(m[at + 1:at + 1 + m[at]].decode("latin1"))
        at += 1 + m[at]
    return ".".join(labels), m[12:at + 5]


def reply(m, rcode, addresses=(), flags=0x8180, ttl=60):
    return records(m, [(1, ttl, socket.inet_aton(a)) for a in addresses], flags | rcode)


def records(m, them, flags=0x8180):
    _, q = question(m)
    out = m[:2] + struct.pack(">HHHHH", flags, 1, len(them), 0, 0) + q
    for kind, ttl, data, *owner in them:
        out += (owner[0] if owner else b"\xc0\x0c") + struct.pack(">HHIH", kind, 1, ttl, len(data)) + data
    return out


def too_much(m):
    _, q = question(m)
    out = m[:2] + struct.pack(">HHHHH", 0x8180, 1, 244, 0, 0) + q
    for _ in range(244):
        out += b"\xc0\x0c" + struct.pack(">HHIH", 16, 1, 60, 256) + b"\xff" + b"x" * 255
    return out


def answer(m, tcp=False):
    name, q = question(m)
    print(name, flush=True)
    how = mode_of(m)
    if how == "lossy":
        copies[name] = copies.get(name, 0) + 1
    if how == "dead" or (how == "lossy" and copies[name] % 2 == 1):
        return None
    if how == "refused":
        return reply(m, 5)
    if how == "all-error":
        return reply(m, 0, ["127.255.255.254"])
    if name.startswith("2.0.0.127."):
        return reply(m, 0, ["127.0.0.2"])
    if how == "half-dead":
        return None
    if name.startswith("1.0.0.127.") or how in ("good", "lossy"):
        return reply(m, 3)
    if how == "all-but":
        return reply(m, 0, ["127.0.0.2"])
    if how in ("rude", "big-reason") and q[-4:-2] != b"\0\x10":
        return reply(m, 0, ["127.0.0.2"])
    if how == "rude":
        return records(m, [(16, 60, b"\x44\x1b]0;title\x07\x1b[2J\x9b31m\r\n\0\xff\xe2\x80\xae" + 43 * b"z")])
    if how == "cname":
        return records(m, [(5, 60, b"\x01x\xc0\x0c"), (1, 60, b"\x7f\0\0\x02", b"\x01x\xc0\x0c")])
    if how == "cname-loop":
        return records(m, [(5, 60, b"\xc0\x0c")])
    if how in ("many", "spoiled"):
        return reply(m, 0, ["127.0.1.%d" % i for i in range(40)] + ["127.0.0.9"] + ["192.0.2.1"] * (how == "spoiled"))
    if how == "forever":
        return reply(m, 0, ["127.0.0.2"], ttl=(1 << 31, 0, (1 << 32) - 1)[int(name.split(".")[0]) % 3])
    if how == "slow":
        time.sleep(3)
        return reply(m, 0, ["127.0.0.2"])
    if how.startswith("late"):
        time.sleep(0.06)
        return reply(m, 0, ["127.0.0.2"]) if how == "late-yes" else reply(m, 3)
    if how == "lying":
        return reply(m, 0, ["192.0.2.1"])
    if how == "error":
        return reply(m, 0, ["127.255.255.254"])
    if how == "garbage":
        return m[:2] + os.urandom(200)
    if how == "wrong-id":
        return bytes([m[0] ^ 0x55, m[1]]) + reply(m, 0, ["127.0.0.2"])[2:]
    if how == "servfail":
        return reply(m, 2)
    if how == "truncated":
        return too_much(m) if tcp else reply(m, 0, flags=0x8380)
    if how == "big-reason":
        return too_much(m) if tcp else reply(m, 0, flags=0x8380)
    return None


def serve_tcp():
    t = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    t.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    t.bind((address, port))
    t.listen(16)
    while True:
        c, _ = t.accept()
        threading.Thread(target=one_tcp, args=(c,), daemon=True).start()


def one_tcp(c):
    try:
        while True:
            head = c.recv(2, socket.MSG_WAITALL)
            if len(head) < 2:
                return
            m = c.recv(struct.unpack(">H", head)[0], socket.MSG_WAITALL)
            out = answer(m, tcp=True)
            if out is not None:
                c.sendall(struct.pack(">H", len(out)) + out)
    except OSError:
        pass


def one_udp(u, m, peer):
    out = answer(m)
    if out is not None:
        u.sendto(out, peer)


threading.Thread(target=serve_tcp, daemon=True).start()
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
u.bind((address, port))
print("listening", flush=True)
while True:
    m, peer = u.recvfrom(4096)
    if mode_of(m).startswith(("slow", "late")):
        threading.Thread(target=one_udp, args=(u, m, peer), daemon=True).start()
    else:
        one_udp(u, m, peer)
