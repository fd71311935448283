#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""senders.py [OPTION...] SERVER...: many SMTP clients at a time, with this kernel's own TCP.

  --mails N     N honest mails, each in a session of its own: plain, pipelined, in small writes, and with BDAT where offered
  --attacks N   N relay attempts in the same shapes
  --seconds S   instead: as many honest mails as go in S seconds; prints "mails=N broken=N bytes=N seconds=S" with the
                bodies' bytes that the server took

Writes a line about each into --tries:   NUMBER <tab> mail|attack <tab> SHA-256 of the body <tab> how it ended
A mail goes from and to cNUMBER@local.example, an attack to cNUMBER@extrn.example.
"""
import argparse
import concurrent.futures
import hashlib
import os
import random
import socket
import sys
import threading
import time

LIVE_TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [LIVE_TESTS, os.path.join(LIVE_TESTS, "evasion")]
from replies import Replies  # noqa: E402
from session import EXTERNAL, LOCAL  # noqa: E402
from shapes import DOTS, QUOTED, lines, stuffed  # noqa: E402

p = argparse.ArgumentParser()
p.add_argument("--first", type=int, default=1)
p.add_argument("--mails", type=int, default=0)
p.add_argument("--attacks", type=int, default=0)
p.add_argument("--seconds", type=float, default=0)
p.add_argument("--size", type=int, default=60000, help="of the largest body, about; with --seconds, of each")
p.add_argument("--at-once", type=int, default=32)
p.add_argument("--timeout", type=float, default=60)
p.add_argument("--tries", default="/dev/null")
p.add_argument("servers", nargs="+")
a = p.parse_args()


class Session:
    def __init__(self, server):
        self.sock = socket.socket(socket.AF_INET6 if ":" in server else socket.AF_INET)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.settimeout(a.timeout)
        self.sock.connect((server, 25))
        self.replies, self.offers = Replies(self.sock), b""
        self.want("220")

    def want(self, *codes):
        for code in codes:
            got, self.said = self.replies.next()
            if got != code:
                raise ValueError(f"{got} instead of {code}")

    def say(self, data, *codes, piece=None):
        for at in range(0, len(data), piece or len(data)):
            self.sock.sendall(data[at:at + (piece or len(data))])
        self.want(*codes)

    def hello(self):
        self.say(b"EHLO client.example\r\n", "250")
        self.offers = self.said


def head(name):
    return (f"Subject: {name}\r\nFrom: <{name}@{LOCAL}>\r\nTo: <{name}@{LOCAL}>\r\nDate: Tue, 01 Sep 2026 10:00:00 +0000\r\n"
            f"Message-ID: <{name}@{LOCAL}>\r\n\r\n").encode()


def mail(server, name, domain, shape, body):
    s = Session(server)
    s.hello()
    sender, recipient = f"MAIL FROM:<{name}@{LOCAL}>\r\n".encode(), f"RCPT TO:<{name}@{domain}>\r\n".encode()
    text = head(name) + stuffed(body) + b".\r\n"
    if shape == 1 and b"PIPELINING" in s.offers:
        s.say(sender + recipient + b"DATA\r\n", "250", "250", "354")
        s.say(text + b"QUIT\r\n", "250", "221")
        return
    piece = 3 if shape == 2 else None
    s.say(sender, "250", piece=piece)
    s.say(recipient, "250", piece=piece)
    if shape == 3 and b"CHUNKING" in s.offers:
        plain = head(name) + body
        half = len(plain) // 2
        s.say(b"BDAT %d\r\n" % half + plain[:half], "250")
        s.say(b"BDAT %d LAST\r\n" % (len(plain) - half) + plain[half:], "250")
    else:
        s.say(b"DATA\r\n", "354", piece=piece)
        s.say(text, "250", piece=700 if shape == 2 else None)
    s.say(b"QUIT\r\n", "221")


log = open(a.tries, "a", encoding="utf-8")
lock = threading.Lock()


def attempt(number, kind):
    draw = random.Random(number)
    name, shape, server = f"c{number:05d}", number % 4, a.servers[number // 4 % len(a.servers)]
    body = QUOTED + DOTS + lines(draw.randrange(1, a.size // 65), seed=number)
    end = "sent"
    try:
        mail(server, name, LOCAL if kind == "mail" else EXTERNAL, shape, body)
    except (OSError, ValueError) as e:
        end = f"{type(e).__name__}: {e}"
    with lock:
        log.write(f"{number}\t{kind}\t{hashlib.sha256(body).hexdigest()}\t{end}\n")


def numbered():
    kinds = ["mail"] * a.mails + ["attack"] * a.attacks
    random.Random(1).shuffle(kinds)
    with concurrent.futures.ThreadPoolExecutor(a.at_once) as pool:
        for number, kind in enumerate(kinds, a.first):
            pool.submit(attempt, number, kind)


def for_a_while():
    done, broken, stop = [0], [0], time.monotonic() + a.seconds
    body = lines(a.size // 65)

    def work(i):
        text = head("x") + stuffed(body) + b".\r\n"
        while time.monotonic() < stop:
            try:
                s = Session(a.servers[i % len(a.servers)])
                s.hello()
                while time.monotonic() < stop:
                    s.say(f"MAIL FROM:<x@{LOCAL}>\r\n".encode(), "250")
                    s.say(f"RCPT TO:<x@{LOCAL}>\r\n".encode(), "250")
                    s.say(b"DATA\r\n", "354")
                    s.say(text, "250")
                    if time.monotonic() < stop:
                        with lock:
                            done[0] += 1
                s.sock.close()
            except (OSError, ValueError):
                with lock:
                    broken[0] += 1

    threads = [threading.Thread(target=work, args=(i,)) for i in range(a.at_once)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    print(f"mails={done[0]} broken={broken[0]} bytes={done[0] * len(body)} seconds={a.seconds:g}")


if a.seconds:
    for_a_while()
else:
    numbered()
