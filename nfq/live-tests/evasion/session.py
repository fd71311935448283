# SPDX-License-Identifier: GPL-2.0-or-later
"""session - one try to get a mail through: an address, a port and an SMTP dialogue of its own.

The attacker never gives up. A reset is noticed, so that nobody waits for replies any
more, and all that was left to say is said all the same, twice.
"""
import os
import time

from wire import Conn

LOCAL, EXTERNAL = "local.example", "extrn.example"  # of the same length: one can stand in the other's place
SLOW = min(int(os.environ.get("LAB_SLOW", 1)), 4)  # in an emulated machine
REPLY_S = 8             # the longest that a reply may take on a busy machine
RTO_S = 0.3
REPEATS = 4
STALLED_S = 20 * SLOW   # for one try as a whole


class Try:
    def __init__(self, wire, number, dst4, dst6, pause=lambda word: None):
        self.wire, self.number, self.pause = wire, number, pause
        self.name = f"c{number:05d}"
        self.dst4, self.dst6 = dst4, dst6
        self.conns = []
        self.c = None
        self.deadline = time.monotonic() + STALLED_S
        self.honest = False  # a client that goes on repeating, as every real one does, until its time is over
        self.stuck = False  # something was never acknowledged: don't wait any more
        self.codes = []

    # ---- words of the dialogue ----

    def rcpt(self, domain=EXTERNAL):
        return f"RCPT TO:<{self.name}@{domain}>\r\n".encode()

    def mail(self):
        return f"MAIL FROM:<{self.name}@{LOCAL}>\r\n".encode()

    def letter(self, text=b"attack"):
        return b"Subject: %s\r\n\r\n%s\r\n.\r\n" % (self.name.encode(), text)

    # ---- the connection ----

    def open(self, v6=False, sport=None, greet=True, connect=True, **more):
        n = self.number
        src = f"2001:db8:a::{n:x}" if v6 else f"198.18.{n >> 8}.{n & 255}"
        dst = self.dst6 if v6 else self.dst4
        self.c = Conn(self.wire, src, dst, sport or 20000 + n % 40000, **more)
        self.conns.append(self.c)
        self.seen = 0
        if connect:
            if not self.c.connect():
                self.stuck = True
            if greet:
                self.reply()
        return self.c

    def close(self):
        for c in self.conns:
            c.close()

    def gone(self):
        return self.stuck or self.c.reset or time.monotonic() > self.deadline

    def patience(self, seconds):
        """How long to wait, where this is long enough on a machine at full speed."""
        return 0 if self.gone() else max(0, min(seconds * SLOW, self.deadline - time.monotonic()))

    # ---- talking ----

    def reply(self, n=1, seconds=REPLY_S):
        """The code of the n-th reply from here, or None if it never comes."""
        code = None
        for _ in range(n):
            if not self.c.wait(self._whole_reply, self.patience(seconds)):
                return None
            code = self._take_reply()
            self.codes.append(code)
        return code

    def _whole_reply(self):
        at = self.seen
        while (end := self.c.got.find(b"\n", at)) >= 0:
            if self.c.got[at + 3:at + 4] != b"-":
                return True
            at = end + 1
        return self.c.peer_fin

    def _take_reply(self):
        while (end := self.c.got.find(b"\n", self.seen)) >= 0:
            line, self.seen = bytes(self.c.got[self.seen:end]), end + 1
            if line[3:4] != b"-":
                return line[:3].decode("latin-1")
        return None

    def put(self, *pieces, **how):
        """Sends the pieces, a segment each, and repeats them until they are acknowledged."""
        c = self.c
        stop = c.nxt + sum(map(len, pieces)) & 0xFFFFFFFF
        repeats = 2 if self.gone() else REPEATS
        while True:
            at = 0
            for piece in pieces:
                c.send(piece, at=at, **how)
                at += len(piece)
            if self.c.wait(lambda: c.una == stop, self.patience(RTO_S)):
                break
            repeats -= 1
            if repeats <= 0 and (self.gone() or not self.honest):
                self.stuck = True
                break
        c.nxt = stop

    def stream(self, data, size, **how):
        """All of data in segments of that size, eight on the way at a time."""
        for at in range(0, len(data), size * 8):
            part = data[at:at + size * 8]
            self.put(*[part[i:i + size] for i in range(0, len(part), size)], **how)

    def say(self, line, **how):
        """A command in a segment of its own, and its reply."""
        self.put(line, **how)
        return self.reply()

    def begin(self, **more):
        """As far as MAIL."""
        self.open(**more)
        self.say(b"EHLO client.example\r\n")
        self.say(self.mail())

    def finish(self, text=b"attack"):
        """From RCPT's reply on."""
        self.reply()
        self.message(text)

    def message(self, text=b"attack"):
        self.say(b"DATA\r\n")
        self.say(self.letter(text))
        self.put(b"QUIT\r\n")
        self.reply(seconds=1)
