# SPDX-License-Identifier: GPL-2.0-or-later
"""attacks_smtp - rows of the table whose trick lies in the dialogue, or in what happens to the gateway meanwhile.

See attacks.py for what a row is.
"""
import time

from attacks import PIPELINED, row
from session import EXTERNAL, LOCAL


# ---- pipelining ----

@row("RCPT behind DATA, in one segment", PIPELINED + ("sendmail",))
def pipelined():
    def behind(first):
        def run(t):
            t.begin()
            text = first(t) + b"DATA\r\n" + t.rcpt() + b"DATA\r\n"
            t.put(text)
            t.reply(text.count(b"\r\n"), seconds=3)
            t.put(t.letter())
            t.reply(seconds=2)
            t.put(b"QUIT\r\n")
        return run
    yield behind(lambda t: b"")                          # refused: no recipient yet
    yield behind(lambda t: b"RCPT TO:<>\r\n")            # refused: no valid recipient
    yield behind(lambda t: b"RCPT TO:<@@>\r\nRCPT TO:\r\n")
    yield behind(lambda t: b"DATA\r\nDATA\r\n")

    def all_at_once(t):
        t.open()
        text = b"EHLO client.example\r\n" + t.mail() + t.rcpt() + b"DATA\r\n" + t.letter() + b"QUIT\r\n"
        t.put(text)
        t.reply(6, seconds=3)
    yield all_at_once

    def early(t):  # before the server said a word
        t.open(greet=False)
        t.put(b"EHLO client.example\r\n" + t.mail() + t.rcpt() + b"DATA\r\n")
        t.reply(5, seconds=3)
        t.say(t.letter())
    yield early

    def rset(t):
        t.begin()
        t.put(t.rcpt(LOCAL) + b"RSET\r\n" + t.mail() + t.rcpt() + b"DATA\r\n")
        t.reply(5, seconds=3)
        t.say(t.letter())
    yield rset

    def second_mail(t):
        t.begin()
        t.put(t.rcpt(LOCAL))
        t.reply()
        t.say(b"DATA\r\n")
        t.put(b"Subject: x\r\n\r\nx\r\n.\r\n" + t.mail() + t.rcpt() + b"DATA\r\n")
        t.reply(4, seconds=3)
        t.say(t.letter())
    yield second_mail


# ---- the end of the body ----

ENDS = (b"\n.\n", b"\r.\r", b"\r.\n", b"\n.\r", b"\n.\r\n", b"\r\n.\n", b"\r.\r\n", b"\r\n.\r", b"\r\n\0.\r\n", b"\r\n.\0\r\n",
        b"\n\n.\r\n", b"\r\n..\r\n", b"\r\n.\r\r\n", b"\r\r\n.\r\n", b"\r\n.\r\n")


def line_by_line(t, text, seconds=0.6):
    """As a client does that waits for replies, but not for long."""
    for line in text.splitlines(keepends=True):
        t.put(line)
        t.reply(seconds=seconds)


@row("end-of-data variants, a second mail behind each")
def ends():
    for end in ENDS:
        for way in ("together", "cut", "waiting"):
            def run(t, end=end, way=way):
                t.begin()
                t.say(t.rcpt(LOCAL))
                t.say(b"DATA\r\n")
                second = t.mail() + t.rcpt() + b"DATA\r\n"
                if way == "waiting":
                    t.put(b"Subject: x\r\n\r\nx" + end)
                    t.reply(seconds=0.6)
                    line_by_line(t, second)
                    t.put(t.letter())
                elif way == "cut":
                    t.put(b"Subject: x\r\n\r\nx" + end[:2])
                    t.put(end[2:] + second + t.letter())
                else:
                    t.put(b"Subject: x\r\n\r\nx" + end + second + t.letter())
                t.reply(seconds=2)
                t.put(b"\r\n.\r\n")
                t.reply(4, seconds=1)
                t.put(b"QUIT\r\n")
            yield run


# ---- BDAT ----

SIZES = ("{n}", "{n} LAST", "{n}LAST", "+{n} LAST", "0{n} LAST", "0x{n:x} LAST", "0", "0 LAST", "1", "-1", "", "LAST", "{n}.0", "{w} LAST",
         "{ww} LAST", "{n}\t LAST", "{n} FIRST")


@row("BDAT games: odd sizes, commands inside")
def bdat():
    for size, way in ((size, way) for size in SIZES for way in ("together", "waiting")):
        def run(t, size=size, way=way):
            t.begin()
            t.say(t.rcpt(LOCAL))
            inner = b"RSET\r\n" + t.mail() + t.rcpt() + b"DATA\r\n"
            n = len(inner)
            head = ("BDAT " + size.format(n=n, w=n + (1 << 32), ww=n + (1 << 64)) + "\r\n").encode()
            t.put(head)
            if way == "waiting":
                t.reply(seconds=0.6)
                line_by_line(t, inner)
            else:
                t.put(inner)
                t.reply(5, seconds=0.7)
            t.put(t.letter())
            t.reply(2, seconds=1)
            t.put(b"QUIT\r\n")
        yield run

    def chunks(t):  # one that is refused still takes its bytes, or not
        t.begin()
        inner = t.rcpt() + b"DATA\r\n"
        t.put(b"BDAT %d LAST\r\n" % len(inner) + inner)
        t.reply(3, seconds=1)
        t.put(t.letter())
        t.reply(2, seconds=1)
    yield chunks

    def short(t):  # the chunk is shorter than it looks
        t.begin()
        t.say(t.rcpt(LOCAL))
        body = b"Subject: x\r\n\r\nx\r\n"
        t.put(b"BDAT %d LAST\r\n" % len(body) + body + t.mail() + t.rcpt() + b"DATA\r\n")
        t.reply(4, seconds=2)
        t.put(t.letter())
        t.reply(2, seconds=1)
    yield short


# ---- other verbs ----

@row("bytes behind STARTTLS, AUTH and XEXCH50")
def behind_verbs():
    for verb in (b"STARTTLS", b"STARTTLS x", b"AUTH LOGIN", b"AUTH PLAIN", b"XEXCH50 40 2", b"TURN", b"XCLIENT NAME=x", b"X-ANONYMOUSTLS"):
        for together in (True, False):
            def run(t, verb=verb, together=together):
                t.open()
                t.say(b"EHLO client.example\r\n")
                text = t.mail() + t.rcpt() + b"DATA\r\n"
                if together:
                    t.put(verb + b"\r\n" + text)
                    t.reply(4, seconds=2)
                else:
                    line_by_line(t, verb + b"\r\n" + text, seconds=2)
                t.say(t.letter())
            yield run


HELLO = bytes.fromhex("16030100c8010000c40303") + bytes(range(32)) + b"\0\0\x2a" + b"\xc0\x2b" * 21 + b"\1\0\0\x71" + b"\0" * 110


@row("a first line that isn't SMTP")
def first_line():
    for junk in (b"\0", b"\0" * 600, b"junk\r\n", HELLO, HELLO + b"\r\n", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"SSH-2.0-x\r\n", b"\r\n\r\n",
                 b"\x80\x90\xff\xfe" * 50 + b"\n", b"220 mail ESMTP\r\n", b"x" * 3000 + b"\r\n", b"PROXY TCP4 1.2.3.4 5.6.7.8 1 25\r\n"):
        for early in (True, False):
            def run(t, junk=junk, early=early):
                t.open(greet=not early)
                t.stream(junk + b"\r\n", 1000)
                t.reply(seconds=1)
                t.put(b"EHLO client.example\r\n")
                t.reply(seconds=1)
                t.put(t.mail())
                t.reply(seconds=1)
                t.put(t.rcpt())
                t.reply(seconds=1)
                t.put(b"DATA\r\n")
                t.reply(4, seconds=0.6)
                t.say(t.letter())
            yield run


@row("other spellings of the same recipient")
def spellings():
    forms = ("rcpt to:<{u}@{x}>", "RCPT TO: <{u}@{x}>", "RCPT  TO:<{u}@{x}>", "RCPT\tTO:<{u}@{x}>", "RCPT TO:<@{l},@{l}:{u}@{x}>",
             "RCPT TO:<{u}%{x}@{l}>", "RCPT TO:<{x}!{u}@{l}>", 'RCPT TO:<"{u}@{x}"@{l}>', "RCPT TO:<{u}@{x}> NOTIFY=NEVER", "RCPT TO:{u}@{x}",
             "RCPT TO:<{u}@{l}@{x}>", "RCPT TO:<{u}@{x}.>", "RCPT TO:<{u}(@{l})@{x}>", "RCPT TO:<{u}@{x}>" + " " * 900)
    for form in forms:
        def run(t, form=form):
            t.begin()
            t.put(form.format(u=t.name, x=EXTERNAL, l=LOCAL).encode() + b"\r\n")
            t.finish()
        yield run


# ---- things that happen to the gateway; the word is run.py's ----

def at_points(word):
    def before_mail(t):
        t.open()
        t.say(b"EHLO client.example\r\n")
        t.pause(word)
        t.say(t.mail())
        t.put(t.rcpt())
        t.finish()

    def before_rcpt(t):
        t.begin()
        t.pause(word)
        t.put(t.rcpt())
        t.finish()

    def inside_line(t):
        t.begin()
        t.put(t.rcpt()[:20])
        t.pause(word)
        t.put(t.rcpt()[20:])
        t.finish()

    def last_byte(t):
        t.begin()
        t.put(t.rcpt()[:-1])
        t.pause(word)
        t.put(b"\n")
        t.finish()

    def beyond_gap(t):
        t.begin()
        t.c.send(t.rcpt()[1:], at=1)
        t.pause(word)
        t.put(t.rcpt())
        t.finish()

    def inside_body(t):
        t.begin()
        t.say(t.rcpt(LOCAL))
        t.say(b"DATA\r\n")
        t.put(b"Subject: x\r\n\r\nx\r\n")
        t.pause(word)
        t.put(b".\r\n" + t.mail() + t.rcpt() + b"DATA\r\n")
        t.reply(4, seconds=2)
        t.say(t.letter())

    def condemned(t):
        t.begin()
        t.put(t.rcpt()[:31])
        t.put(t.rcpt()[31:])
        t.pause(word)
        for _ in range(5):
            t.c.send(t.rcpt(), at=-len(t.rcpt()))
            time.sleep(0.05)
        t.finish()

    def meanwhile(t):
        """Sends while it happens."""
        t.begin()
        t.pause(word, then=lambda: t.put(t.rcpt()))
        t.put(t.rcpt())
        t.finish()

    return (before_mail, before_rcpt, inside_line, last_byte, beyond_gap, inside_body, condemned, meanwhile)


@row("the daemon is killed and started again")
def killed():
    yield from at_points("kill")


@row("the daemon is stopped and started again")
def stopped():
    yield from at_points("stop")


@row("conntrack -F in mid-session")
def flushed():
    yield from at_points("flush")


