# SPDX-License-Identifier: GPL-2.0-or-later
"""refuse.py run OPTION...: sessions whose external recipients are to be refused, against the server behind the gateway.
refuse.py judge FOLDER SERVER...: what came of them.

A case says what its client must see, how many recipients reach the server disarmed, whether
the gateway ends the session, and which recipients get the mail. `run` writes that and what
was seen as a line of JSON a session into --tries. `judge` reads these (SERVER.tries),
what the catchers got (left, local), what went from the gateway to the server
(SERVER.pcap), and the alerts (syslog).
"""
import argparse
import collections
import concurrent.futures
import hashlib
import json
import re
import socket
import sys
import traceback

from capture import packets
from session import EXTERNAL, LOCAL, REPLY_S, SLOW, Try
from shapes import QUOTED, head, offers, stuffed
from wire import ACK, SYN, Wire

LOST = 2            # a hop limit that ends between the gateway and the server
CASES = []          # (name, needs PIPELINING, what must be, function)
HELLO = "220,250,250,"
MAIL = ",354,250,221"


def case(name, codes, refused=0, reset=False, to="ab", pipelining=False, **more):
    """codes: of all replies, in order; to: the letters of the recipients that get the mail."""
    def add(function):
        want = {"codes": codes, "refused": refused, "reset": reset, "to": "" if reset else to, **more}
        CASES.append((name, pipelining, want, function))
        return function
    return add


def good(t, letter="a"):
    return f"RCPT TO:<{t.name}{letter}@{LOCAL}>\r\n".encode()


def bad(t, verb="RCPT TO"):
    return f"{verb}:<{t.name}x@{EXTERNAL}>\r\n".encode()


def mail(t):
    return head(t) + stuffed(QUOTED) + b".\r\n"


def finish(t):
    if t.say(b"DATA\r\n"):
        t.say(mail(t))
        t.say(b"QUIT\r\n")


# ---- one command at a time ----

@case("between good ones", HELLO + "250,5xx,250" + MAIL, refused=1)
def between(t):
    t.begin(v6=t.v6)
    for line in (good(t), bad(t), good(t, "b")):
        t.say(line)
    finish(t)


@case("the only one: DATA isn't taken", HELLO + "5xx,5xx", refused=1, to="")
def alone(t):
    t.begin(v6=t.v6)
    t.say(bad(t))
    t.say(b"DATA\r\n")


@case("three, and the session goes on", HELLO + "5xx,250,5xx,5xx,250" + MAIL, refused=3)
def three(t):
    t.begin(v6=t.v6)
    for line in (bad(t), good(t), bad(t), bad(t), good(t, "b")):
        t.say(line)
    finish(t)


@case("the fourth ends the session", HELLO + "250,5xx,5xx,5xx", refused=3, reset=True)
def fourth(t):
    t.begin(v6=t.v6)
    for line in (good(t), bad(t), bad(t), bad(t), bad(t), b"DATA\r\n", mail(t)):
        t.say(line)


@case("in a second transaction, too", HELLO + "250,5xx,354,250,250,5xx,250" + MAIL, refused=2)
def second(t):
    t.begin(v6=t.v6)
    for line in (good(t), bad(t), b"DATA\r\n", mail(t), t.mail(), bad(t), good(t, "b")):
        t.say(line)
    finish(t)


def cut_at(places):
    def run(t):
        t.begin(v6=t.v6)
        line = bad(t)
        for at in places:
            t.c.send(line, ttl=LOST)
            t.put(line[:at], line[at:])
            t.reply()
        t.say(good(t))
        t.say(good(t, "b"))
        finish(t)
    return run


for first in range(1, len("RCPT TO:<c00001x@extrn.example>\r\n"), 3):
    case(f"lost, and again in two pieces: cut at {first}, {first + 1}, {first + 2}", HELLO + "5xx,5xx,5xx,250,250" + MAIL,
         refused=3)(cut_at(range(first, first + 3)))


@case("lost, and again byte by byte", HELLO + "250,5xx,250" + MAIL, refused=1)
def single(t):
    t.begin(v6=t.v6)
    t.say(good(t))
    line = bad(t)
    t.c.send(line, ttl=LOST)
    t.put(*[line[i:i + 1] for i in range(len(line))])
    t.reply()
    t.say(good(t, "b"))
    finish(t)


@case("lost, and again backwards and overlapping", HELLO + "250,5xx,250" + MAIL, refused=1)
def backwards(t):
    t.begin(v6=t.v6)
    t.say(good(t))
    line = bad(t)
    t.c.send(line, ttl=LOST)
    for at in reversed(range(0, len(line), 5)):
        t.c.send(line[at:at + 8], at=at)
    t.put(line)
    t.reply()
    t.say(good(t, "b"))
    finish(t)


@case("the acknowledgment is lost: old copies, cut otherwise", HELLO + "250,5xx,250" + MAIL, refused=1)
def old_copies(t):
    t.begin(v6=t.v6)
    t.say(good(t))
    line = bad(t)
    t.put(line)
    for at in range(0, len(line), 7):
        t.c.send(line[at:at + 7], at=at - len(line))
    t.reply()
    t.c.send(line, at=-len(line))
    t.say(good(t, "b"))
    t.c.send(line[9:20], at=9 - len(line) - len(good(t)))
    finish(t)


# ---- what has gone out can't be changed ----

@case("begun in the verb, as the replacement begins", HELLO + "250,5xx,250" + MAIL, refused=1)
def begun_verb(t):
    t.begin(v6=t.v6)
    t.say(good(t))
    t.put(bad(t)[:4])
    t.put(bad(t)[4:9])
    t.put(bad(t)[9:])
    t.reply()
    t.say(good(t, "b"))
    finish(t)


def gone_out(at, verb="RCPT TO"):
    def run(t):
        t.begin(v6=t.v6)
        t.say(good(t))
        line = bad(t, verb)
        t.put(line[:at])
        t.put(line[at:])
        t.reply()
        t.say(b"DATA\r\n")
        t.say(mail(t))
    return run


case("begun in the address: reset", HELLO + "250", reset=True)(gone_out(12))
case("all but its end: reset", HELLO + "250", reset=True)(gone_out(-2))
case("begun in a verb in small letters: reset", HELLO + "250", reset=True)(gone_out(4, "rcpt to"))


# ---- pipelined ----

@case("pipelined, all in one segment", HELLO + "250,5xx,250" + MAIL, refused=1, pipelining=True)
def pipelined(t):
    t.open(v6=t.v6)
    t.say(b"EHLO client.example\r\n")
    t.put(t.mail() + good(t) + bad(t) + good(t, "b") + b"DATA\r\n")
    t.reply(5)
    t.say(mail(t))
    t.say(b"QUIT\r\n")


@case("pipelined, three of five", HELLO + "5xx,250,5xx,250,5xx" + MAIL, refused=3, pipelining=True)
def pipelined_three(t):
    t.begin(v6=t.v6)
    t.put(bad(t) + good(t) + bad(t, "rcpt to") + good(t, "b") + bad(t) + b"DATA\r\n")
    t.reply(6)
    t.say(mail(t))
    t.say(b"QUIT\r\n")


@case("pipelined, four bad ones: reset", HELLO[:-1], refused=3, reset=True, disarmed=0, pipelining=True)
def pipelined_four(t):
    t.begin(v6=t.v6)
    t.put(good(t) + bad(t) * 4 + b"DATA\r\n")
    t.reply(6)
    t.say(mail(t))


def path_mtu(size, full):
    """`full` bytes of recipients in one segment that is lost; again in segments of `size`, cut in the bad one's address."""
    def run(t):
        t.begin(v6=t.v6)
        before = []
        while sum(map(len, before)) + 40 < size - 20:
            before.append(good(t))
        spare = size - 20 - sum(map(len, before))
        before[0] = before[0].replace(b"@", b"+" + b"t" * (spare - 1) + b"@", 1) if spare > 1 else before[0]
        text = b"".join(before) + bad(t)
        while len(text) + 40 < full:
            text += good(t, "b")
        t.c.send(text, ttl=LOST)
        t.put(*[text[i:i + size] for i in range(0, len(text), size)])
        t.reply(text.count(b"\n"))
        del t.codes[3 + len(before) + 2:]    # many equal ones
        del t.codes[3:3 + len(before) - 1]
        finish(t)
    return run


for v6, size in ((False, 524), (True, 1208)):
    case(f"the path's MTU shrinks to {size + 52 + 20 * v6} behind a lost segment", HELLO + "250,5xx,250" + MAIL, refused=1,
         pipelining=True, only_v6=v6)(path_mtu(size, 1400))


@case("in the middle of a superpacket of this machine's own TCP", HELLO + "250,5xx,250" + MAIL, refused=1, pipelining=True, super=True)
def superpacket(t):
    with socket.create_connection((t.dst6 if t.v6 else t.dst4, 25), REPLY_S * SLOW) as s:
        t.address = s.getsockname()[:2]
        replies = s.makefile("rb")

        def reply():
            while (line := replies.readline())[3:4] == b"-":
                pass
            t.codes.append(line[:3].decode("latin-1"))

        reply()
        for line in (b"EHLO client.example\r\n", t.mail()):
            s.sendall(line)
            reply()
        s.sendall(good(t) * 100 + bad(t) + good(t, "b") * 100)
        for _ in range(201):
            reply()
        assert set(t.codes[3:103] + t.codes[104:]) == {"250"}
        del t.codes[105:], t.codes[4:103]
        for line in (b"DATA\r\n", mail(t), b"QUIT\r\n"):
            s.sendall(line)
            reply()


# ---- run ----

def attempt(a, wire, number, name, want, function, v6):
    t = Try(wire, number, a.server4, a.server6)
    t.v6 = v6
    t.address = (f"2001:db8:a::{number:x}" if v6 else f"198.18.{number >> 8}.{number & 255}", 20000 + number % 40000)
    said = {"number": number, "name": f"{name}, IPv{6 if v6 else 4}", "want": want}
    try:
        function(t)
    except Exception:
        said["broken"] = traceback.format_exc().strip().replace("\n", " | ")
    if t.c and want["reset"]:
        t.c.wait(lambda: False, REPLY_S * SLOW)
    said["reset"] = bool(t.c and t.c.reset)
    said.update(codes=[c for c in t.codes if c], address=t.address)
    t.close()
    return said


def offered(a, wire):
    """Does it say PIPELINING?"""
    t = Try(wire, a.first, a.server4, a.server6)
    t.open()
    t.say(b"EHLO client.example\r\n")
    t.close()
    return offers(t, b"PIPELINING")


def run(a):
    wire = Wire("eth0", a.gateway)
    pipelining = offered(a, wire)
    number, jobs = a.first + 1, []
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        for name, needs, want, function in CASES:
            if needs and not pipelining:
                continue
            for v6 in (False, True):
                if want.get("only_v6", v6) == v6:
                    jobs.append(pool.submit(attempt, a, wire, number, name, want, function, v6))
                    number += 1
    with open(a.tries, "w", encoding="utf-8") as f:
        for job in jobs:
            f.write(json.dumps(job.result()) + "\n")


# ---- judge ----

def streams(path):
    """{(address, port): (bytes from the client's first one on, did two copies differ, longest payload)} towards port 25"""
    flows = {}
    for p in packets(path):
        if p.dport != 25:
            continue
        who = (socket.inet_ntop(socket.AF_INET6 if len(p.src) == 16 else socket.AF_INET, p.src), p.sport)
        flow = flows.setdefault(who, {"isn": None, "bytes": {}, "differ": False, "longest": 0})
        if p.flags & SYN:
            flow["isn"] = p.seq
        if flow["isn"] is None or not p.flags & ACK or p.flags & 4:
            continue
        at = (p.seq - flow["isn"] - 1) & 0xFFFFFFFF
        flow["longest"] = max(flow["longest"], len(p.data))
        for i, byte in enumerate(p.data):
            flow["differ"] |= flow["bytes"].setdefault(at + i, byte) != byte
    for who, flow in flows.items():
        seen = flow["bytes"]
        text = bytes(seen[i] for i in range(len(seen)) if i in seen)
        flows[who] = text, flow["differ"], flow["longest"]
    return flows


def same(codes, pattern):
    wanted = pattern.split(",")
    return len(codes) == len(wanted) and all(re.fullmatch(w.replace("x", "."), c) for c, w in zip(codes, wanted))


def caught(folder, name):
    with open(f"{folder}/{name}", encoding="latin-1") as f:
        return [line.rstrip("\n").split("\t") for line in f]


def alerts(folder):
    """{(source, port): {word: how many}}"""
    got = collections.defaultdict(collections.Counter)
    with open(f"{folder}/syslog", encoding="latin-1") as f:
        for line in f:
            if m := re.search(r"rcptwall\[\d+\]: (\S+) external-rcpt .* src=\[?([^\] ]+?)\]?:(\d+) ", line):
                got[m[2], int(m[3])][m[1]] += 1
    return got


def complaints(said, flow, told, left, arrived):
    """What isn't as it must be."""
    want, name = said["want"], f"c{said['number']:05d}"
    text, differ, longest = flow
    commands = text if want["reset"] else text.partition(b"\r\nDATA\r\n")[0]
    if "broken" in said:
        yield said["broken"]
    if not same(said["codes"], want["codes"]):
        yield f"replies {','.join(said['codes'])}, not {want['codes']}"
    if said["reset"] != want["reset"]:
        yield "it was reset" if said["reset"] else "it wasn't reset"
    if differ:
        yield "two copies of a byte differ behind the gateway"
    if (f"{EXTERNAL}>\r\n" if want["reset"] else EXTERNAL).encode() in commands:  # without its end it is no command
        yield "the external recipient went to the server"
    disarmed = len(re.findall(rb"^RCPT TO:<@+>\r$", text, re.M))
    if disarmed != want.get("disarmed", want["refused"]):
        yield f"{disarmed} recipients reached it disarmed"
    if any(name in recipients for _, recipients, _ in left):
        yield "mail left"
    body = hashlib.sha256(QUOTED).hexdigest()
    # sendmail hands on local parts only, and one was made longer
    got = {(re.split("[@+]", r)[0], digest) for _, recipients, digest in arrived for r in recipients.split(",") if r.startswith(name)}
    if got != {(name + letter, body) for letter in want["to"]}:
        yield f"the mail arrived at {sorted(got) or 'nobody'}"
    if want.get("super") and longest < 3000:
        yield f"no packet was longer than {longest}"
    expected = {word: n for word, n in (("REFUSE", want["refused"]), ("RESET", int(want["reset"]))) if n}
    if dict(told) != expected:
        yield f"alerts {dict(told)}, not {expected}"


def judge(a):
    left, arrived, told = caught(a.folder, "left"), caught(a.folder, "local"), alerts(a.folder)
    bad_ones = 0
    for server in a.servers:
        flows = streams(f"{a.folder}/{server}.pcap")
        with open(f"{a.folder}/{server}.tries", encoding="utf-8") as f:
            for said in map(json.loads, f):
                who = tuple(said["address"])
                found = list(complaints(said, flows.get(who, (b"", False, 0)), told[who], left, arrived))
                print(f"{'not ok' if found else 'ok'} refuse: {server}: {said['name']}" + "".join(f"\n#   {x}" for x in found))
                bad_ones += bool(found)
    sys.exit(1 if bad_ones else 0)


parser = argparse.ArgumentParser()
commands = parser.add_subparsers(required=True)
p = commands.add_parser("run")
p.set_defaults(function=run)
p.add_argument("--first", type=int, required=True, help="number of the first session; each has an address of its own")
for option in ("--gateway", "--server4", "--server6", "--tries"):
    p.add_argument(option, required=True)
p = commands.add_parser("judge")
p.set_defaults(function=judge)
p.add_argument("folder")
p.add_argument("servers", nargs="+")
arguments = parser.parse_args()
arguments.function(arguments)
