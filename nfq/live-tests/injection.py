#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Every control byte, and what hides in UTF-8, in HELO, MAIL and RCPT: does any of it get into the log as it is?

injection.py send SERVER              one session for each of them in each place; prints how many
injection.py judge SYSLOG EVENTS      what came of it: datagrams as syslog-sink wrote them, and the event file

A session says EHLO, MAIL and RCPT to an external domain, with the sequence between "q=" and "=q" in one of them.
judge: every datagram is one line of printable ASCII; every line of the event file is JSON without a control, or anything
else that doesn't show; and each sequence stands there escaped, in its place, in both.
"""
import concurrent.futures
import json
import re
import socket
import sys

SEQUENCES = [bytes([b]) for b in [*range(0x20), 0x7F, *range(0x80, 0xA0)] if b != 10] + [
    b"\n",                                          # ends the line for most servers
    "\u0085\u009b31m".encode(),                     # C1 controls, as UTF-8
    "\u2028".encode(), "\u2029".encode(),           # line and paragraph separator
    "\u202e\u2066\u2069\u200f".encode(),            # bidi: override, isolate, mark
    "\u200b\ufeff\u00ad\u2060".encode(),            # don't show
    "\U000e0041".encode(), "\ue000".encode(),       # tag letters, private use
    b"\xc0\x8a", b"\xe0\x80\x8a", b"\xed\xa0\x80", b"\xf4\x90\x80\x80",  # LF too long; a surrogate; beyond the end
    b"\xe2\x80", b"\xff\xfe",                       # not whole
    b"\x1b]0;x\x07", b"\x1b[2J", b"\x9b2J",         # terminal sequences
    b'" rcpt="x', b"\\", b"\\x0a", b"\\n", b"%n%s%n",
    b"\r\n<20>rcptwall[1]: RESET forged",           # a line of its own, when it gets through
]
PLACES = ("helo", "mail_from", "rcpt_to")
MARK = {"helo": "q%03dh", "mail_from": "q%03dm", "rcpt_to": "q%03dr"}


def session(server, number, place):
    word = lambda p: b"q=" + SEQUENCES[number] + b"=q" if p == place else b"x"
    mark = MARK[place] % number
    with socket.create_connection((server, 25), 15) as s:
        def say(line):
            s.sendall(line)
            return s.recv(4096)
        try:
            s.recv(4096)
            say(b"EHLO " + mark.encode() + word("helo") + b"\r\n")
            say(b"MAIL FROM:<" + mark.encode() + word("mail_from") + b"@b.example>\r\n")
            say(b"RCPT TO:<" + mark.encode() + word("rcpt_to") + b"@ext.example>\r\n")
            say(b"RCPT TO:<y@ext.example>\r\n")  # where the sequence made something else of the first
            s.settimeout(2)
            s.recv(4096)
        except (ConnectionError, TimeoutError, socket.timeout):
            pass


def send(server):
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        jobs = [pool.submit(session, server, n, place) for n in range(len(SEQUENCES)) for place in PLACES]
        for job in jobs:
            job.result()
    print(len(jobs))


def raw(text, escape):
    """The bytes that an escaped text stands for."""
    return re.sub(rb"\\(x[0-9a-f]{2}|.)", lambda m: bytes([int(m[1][1:], 16)]) if len(m[1]) == 3 else m[1], escape(text))


def seen_in(values, number):
    """Does one of these hold the sequence, or what is left of it in front of the end of the line (LF, or CR alone) that it makes?"""
    whole = b"q=" + SEQUENCES[number] + b"=q"
    front, *behind = re.split(rb"[\r\n]", whole)
    return any(whole in v or (behind and front in v) for v in values)


def judge(syslog, events):
    wrong, texts = [], {}
    with open(syslog, "rb") as f:
        for line in f.read().split(b"\n")[:-1]:
            if not re.fullmatch(rb"<\d+>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d rcptwall\[\d+\]: [\x20-\x7e]*", line):
                wrong.append(f"a datagram that isn't one line of ASCII: {line!r}")
            for key, value in re.findall(rb' (helo|from|rcpt)="((?:[^"\\]|\\.)*)"', line):
                name = {"from": "mail_from", "rcpt": "rcpt_to"}.get(key.decode(), key.decode())
                texts.setdefault(("syslog", name), []).append(raw(value, lambda b: b))
            if re.search(rb'rcptwall\[\d+\]: RESET forged', line):
                wrong.append(f"a forged line: {line!r}")
    with open(events, "rb") as f:
        for line in f.read().split(b"\n")[:-1]:
            event = json.loads(line.decode("utf-8", "strict"))
            for name in PLACES:
                value = event.get("smtp", {}).get(name)
                if value is None:
                    continue
                if bad := re.search("[\x00-\x1f\x7f-\x9f\xad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ue000-\uf8ff\ufeff\U000e0000-\U0010ffff]", value):
                    wrong.append(f"{bad[0]!r} in {line!r}")
                texts.setdefault(("events", name), []).append(raw(value, lambda t: t.encode()))
    for where in ("syslog", "events"):
        for number in range(len(SEQUENCES)):
            for name in PLACES:
                mine = [v for v in texts.get((where, name), []) if (MARK[name] % number).encode() in v]
                # NUL and bare CR in MAIL or RCPT end the session before that command is told
                if not seen_in(mine, number) and not (name != "helo" and re.search(rb"[\0\r]", SEQUENCES[number])):
                    wrong.append(f"{where}: {SEQUENCES[number]!r} isn't in {name}: {mine}")
    for text in wrong:
        print(text)
    sys.exit(1 if wrong else 0)


if sys.argv[1] == "send":
    send(sys.argv[2])
else:
    judge(*sys.argv[2:])
