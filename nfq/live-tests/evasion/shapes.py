# SPDX-License-Identifier: GPL-2.0-or-later
"""shapes - honest mail in every shape that a network or a client gives it. All of it must arrive, byte for byte.

A shape is a function of a Try that sends one mail to t.name@local.example and returns its body.
"""
import random
import time

from session import LOCAL
from wire import ACK, FIN, PSH

SHAPES = []  # (name, function)


def shape(name):
    def add(function):
        SHAPES.append((name, function))
        return function
    return add


def lines(n, seed=1):
    r = random.Random(seed)
    return b"".join(b"%d %s\r\n" % (i, bytes(r.choice(b"abcdefghijklmnopqrstuvwxyz ") for _ in range(60)).rstrip() + b"!") for i in range(n))


QUOTED = (b"EHLO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<u@extrn.example>\r\nDATA\r\n354 go on\r\n\r\nRCPT TO:<v%extrn.example@local.example>\r\n"
          b"> RCPT TO:<w@extrn.example>\r\nrcpt to: x@extrn.example\r\nQUIT\r\n250 OK\r\nBDAT 10 LAST\r\nRSET\r\nSTARTTLS\r\n")
DOTS = b"a\r\n.\r\nb\r\n..\r\n...\r\n.x\r\n. \r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<u@extrn.example>\r\n.\r\n.\r\nend\r\n"
EIGHT = "Grüße, 你好, привет\r\n".encode() + bytes(range(0xA0, 0x100)) + b"\r\n" + b"\xff\xfe\x80\r\n"


def stuffed(text):
    return (b"." if text.startswith(b".") else b"") + text.replace(b"\r\n.", b"\r\n..")


def head(t):
    return b"Subject: %s\r\nFrom: <a@local.example>\r\nTo: <b@local.example>\r\nDate: Tue, 01 Sep 2026 10:00:00 +0000\r\nMessage-ID: <%s@local.example>\r\n\r\n" % (t.name.encode(), t.name.encode())


def envelope(t, v6=False, body=b"", **more):
    t.open(v6=v6, **more)
    t.say(b"EHLO client.example\r\n")
    t.say(b"MAIL FROM:<%s@local.example>%s\r\n" % (t.name.encode(), b" BODY=8BITMIME" if offers(t, b"8BITMIME") and max(body or b"a") > 127 else b""))
    t.say(t.rcpt(LOCAL))


def offers(t, word):
    return word in bytes(t.c.got)


def pipeline(t, text):
    """All of it in one segment where the server allows it (RFC 2920)."""
    if offers(t, b"PIPELINING"):
        t.put(text)
        t.reply(text.count(b"\r\n"))
    else:
        for line in text.splitlines(keepends=True):
            t.say(line)


def goodbye(t):
    t.put(b"QUIT\r\n")
    t.reply(seconds=2)


def plain_mail(t, body, v6=False, size=1400, **more):
    envelope(t, v6, body, **more)
    t.say(b"DATA\r\n")
    t.stream(head(t) + stuffed(body) + b".\r\n", size)
    t.reply()
    goodbye(t)
    return body


@shape("plain, IPv4")
def plain4(t):
    return plain_mail(t, lines(20))


@shape("plain, IPv6")
def plain6(t):
    return plain_mail(t, lines(20), v6=True)


@shape("200 kB")
def large(t):
    return plain_mail(t, lines(3000), size=1440)


@shape("a body that quotes dialogues with external recipients")
def quoted(t):
    return plain_mail(t, QUOTED * 3)


@shape("dot-stuffing, dialogues between the dots")
def dots(t):
    return plain_mail(t, DOTS)


@shape("8-bit")
def eight(t):
    return plain_mail(t, EIGHT)


@shape("segments of 1 byte")
def ones(t):
    return plain_mail(t, QUOTED + DOTS, size=1)


@shape("segments of 3 bytes, IPv6")
def threes(t):
    return plain_mail(t, QUOTED + DOTS, v6=True, size=3)


@shape("RCPT and DATA byte by byte, too")
def commands_cut(t):
    t.open()
    for line in (b"EHLO client.example\r\n", t.mail(), t.rcpt(LOCAL), b"DATA\r\n"):
        for i in range(len(line)):
            t.put(line[i:i + 1])
        t.reply()
    t.put(head(t) + stuffed(DOTS) + b".\r\n")
    t.reply()
    goodbye(t)
    return DOTS


@shape("pipelined as far as DATA")
def pipelined(t):
    t.open()
    t.say(b"EHLO client.example\r\n")
    pipeline(t, t.mail() + t.rcpt(LOCAL) + b"DATA\r\n")
    t.stream(head(t) + stuffed(QUOTED) + b".\r\n", 500)
    t.reply()
    goodbye(t)
    return QUOTED


@shape("pipelined three mails, QUIT behind the last body")
def pipelined_three(t):
    t.open()
    t.say(b"EHLO client.example\r\n")
    for i in range(3):
        if not offers(t, b"PIPELINING"):
            t.say(t.mail())
        pipeline(t, (t.mail() if i == 0 and offers(t, b"PIPELINING") else b"") + t.rcpt(LOCAL) + b"DATA\r\n")
        more = b"" if not offers(t, b"PIPELINING") else t.mail() if i < 2 else b"QUIT\r\n"
        t.put(head(t) + stuffed(DOTS) + b".\r\n" + more)
        t.reply(2 if more else 1)
    return DOTS


@shape("BDAT where offered, dialogues inside")
def bdat(t):
    envelope(t, body=EIGHT)
    if not offers(t, b"CHUNKING"):
        t.say(b"DATA\r\n")
        t.put(head(t) + stuffed(QUOTED + EIGHT) + b".\r\n")
        t.reply()
    else:
        for part, last in ((head(t), b""), (QUOTED, b""), (EIGHT, b""), (b"", b" LAST")):
            t.put(b"BDAT %d%s\r\n" % (len(part), last) + part)
            t.reply()
    goodbye(t)
    return QUOTED + EIGHT


@shape("one BDAT in segments of 7 bytes")
def bdat_cut(t):
    envelope(t)
    text = head(t) + QUOTED
    if offers(t, b"CHUNKING"):
        t.stream(b"BDAT %d LAST\r\n" % len(text) + text, 7)
    else:
        t.say(b"DATA\r\n")
        t.stream(text + b".\r\n", 7)
    t.reply()
    goodbye(t)
    return QUOTED


def carried(t, body, send, v6=False):
    """The whole mail over a network that `send` makes: send(c, pieces) puts them on the wire in its way, once."""
    envelope(t, v6, body)
    t.say(b"DATA\r\n")
    text = head(t) + stuffed(body) + b".\r\n"
    for at in range(0, len(text), 4000):
        pieces = [text[i:min(i + 500, at + 4000, len(text))] for i in range(at, min(at + 4000, len(text)), 500)]
        send(t.c, pieces)
        t.put(*pieces)
    t.reply()
    goodbye(t)
    return body


@shape("backwards")
def backwards(t):
    def send(c, pieces):
        for i in reversed(range(len(pieces))):
            c.send(pieces[i], at=500 * i)
    return carried(t, lines(200), send)


@shape("in any order, IPv6")
def disorder(t):
    r = random.Random(5)

    def send(c, pieces):
        for i in r.sample(range(len(pieces)), len(pieces)):
            c.send(pieces[i], at=500 * i)
    return carried(t, lines(200), send, v6=True)


@shape("every third segment lost")
def lossy(t):
    def send(c, pieces):
        for i, piece in enumerate(pieces):
            if i % 3 != 1:
                c.send(piece, at=500 * i)
    return carried(t, lines(200), send)


@shape("damaged on the way, then repeated")
def damaged(t):
    def send(c, pieces):
        for i, piece in enumerate(pieces):
            c.send(piece, at=500 * i, bad_sum=i % 3 == 1)
    return carried(t, lines(200), send)


@shape("everything three times")
def repeated(t):
    def send(c, pieces):
        for _ in range(2):
            for i, piece in enumerate(pieces):
                c.send(piece, at=500 * i)
    return carried(t, lines(200), send)


@shape("repeated in other pieces")
def recut(t):
    def send(c, pieces):
        text = b"".join(pieces)
        for i in range(0, len(text), 333):
            c.send(text[i:i + 450], at=i)
    return carried(t, lines(200), send)


@shape("repeated by a window of long acknowledged bytes")
def stale(t):
    def send(c, pieces):
        c.send(b"".join(pieces)[:500])
        time.sleep(0.02)
        c.send(pieces[0][100:], at=100)
    return carried(t, lines(100), send)


@shape("slow: a piece every 50 ms")
def slow(t):
    def send(c, pieces):
        for i, piece in enumerate(pieces):
            c.send(piece, at=500 * i)
            time.sleep(0.05)
    return carried(t, lines(100), send)


@shape("slow in the commands: 150 ms inside each")
def slow_commands(t):
    t.open()
    for line in (b"EHLO client.example\r\n", t.mail(), t.rcpt(LOCAL), b"DATA\r\n"):
        t.put(line[:3])
        time.sleep(0.15)
        t.put(line[3:])
        t.reply()
    t.put(head(t) + lines(5) + b".\r\n")
    t.reply()
    goodbye(t)
    return lines(5)


@shape("half-closed behind QUIT")
def half_closed(t):
    envelope(t)
    t.say(b"DATA\r\n")
    body = lines(10)
    t.put(head(t) + body + b".\r\n")
    t.reply()
    t.c.send(b"QUIT\r\n", flags=FIN | ACK | PSH)
    t.reply(seconds=2)
    return body


@shape("on the port of a session that has just ended")
def port_again(t):
    t.open()
    t.say(b"EHLO client.example\r\n")
    t.put(b"QUIT\r\n")
    t.reply()
    t.c.wait(lambda: t.c.peer_fin, t.patience(2))
    t.c.send(flags=FIN | ACK)
    t.c.skip(1)
    t.c.wait(t.c.acked, t.patience(1))
    t.c.wire.remove(t.c)
    return plain_mail(t, lines(10), sport=t.c.sport, isn=t.c.nxt + 100000 & 0xFFFFFFFF)


@shape("half-closed right behind the body")
def half_closed_early(t):
    envelope(t)
    t.say(b"DATA\r\n")
    text = head(t) + stuffed(DOTS) + b".\r\n" + (b"QUIT\r\n" if offers(t, b"PIPELINING") else b"")
    t.c.send(text, flags=FIN | ACK | PSH)
    for _ in range(5):
        if t.c.wait(lambda: t.c.una == t.c.nxt + len(text) + 1 & 0xFFFFFFFF, 1):
            break
        t.c.send(text, flags=FIN | ACK | PSH)
    t.reply(seconds=3)
    return DOTS


@shape("keep-alive probes, and numbers that wrap in the body")
def keep_alive(t):
    envelope(t, isn=(1 << 32) - 1500)
    t.say(b"DATA\r\n")
    body = lines(100)
    text = head(t) + body + b".\r\n"
    for at in range(0, len(text), 700):
        piece = text[at:at + 700]
        t.put(piece)
        t.c.send(at=-1)
        t.c.send(piece[-1:], at=-1)
    t.reply()
    goodbye(t)
    return body


@shape("without timestamps, small MSS")
def old_stack(t):
    return plain_mail(t, QUOTED, timestamps=False, mss=536)
