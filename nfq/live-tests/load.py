#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Many honest SMTP sessions at a time until a file is there.

load.py --stop FILE [--threads N] [--pause S] [--bind ADDR] SERVER...

Each session delivers one message to a local recipient in small steps. Prints one line:
    sessions=N broken=N first=TEXT
broken: a session that ended otherwise than with the server's last 221; first: how the first of them did.
"""
import argparse
import os
import socket
import threading
import time

p = argparse.ArgumentParser()
p.add_argument("--stop", required=True)
p.add_argument("--threads", type=int, default=4)
p.add_argument("--pause", type=float, default=0.01)
p.add_argument("--timeout", type=float, default=10)
p.add_argument("--bind")
p.add_argument("servers", nargs="+")
a = p.parse_args()
STEPS = [
    (b"EHLO x\r\n", b"250"),
    (b"MAIL FROM:<a@b.example>\r\n", b"250"),
    (b"RCPT TO:<u@local.example>\r\nRCPT TO:<v@local.example>\r\n", b"250250"),
    (b"DATA\r\n", b"354"),
    (b"Subject: x\r\n\r\n" + b"x" * 60 + b"\r\n.\r\n", b"250"),
    (b"QUIT\r\n", b"221"),
]
lock = threading.Lock()
sessions, broken, first = 0, 0, ""


def session(server):
    sock = socket.socket(socket.AF_INET6 if ":" in server else socket.AF_INET)
    sock.settimeout(a.timeout)
    if a.bind:
        sock.bind((a.bind, 0))
    sock.connect((server, 25))
    rest = b""

    def replies(want):
        nonlocal rest
        got = b""
        while len(got) < len(want):
            while b"\n" not in rest:
                piece = sock.recv(4096)
                if not piece:
                    raise ConnectionError("closed")
                rest += piece
            line, rest = rest.split(b"\n", 1)
            if line[3:4] != b"-":
                got += line[:3]
        if got != want:
            raise ValueError(f"{got} instead of {want}")

    replies(b"220")
    for say, want in STEPS:
        time.sleep(a.pause)
        sock.sendall(say)
        replies(want)
    sock.close()


def work(i):
    global sessions, broken, first
    while not os.path.exists(a.stop):
        problem = ""
        try:
            session(a.servers[i % len(a.servers)])
        except Exception as e:
            problem = f"{type(e).__name__}:{e}"
        with lock:
            sessions += 1
            broken += problem != ""
            first = first or problem.replace(" ", "_")


threads = [threading.Thread(target=work, args=(i,)) for i in range(a.threads)]
for t in threads:
    t.start()
for t in threads:
    t.join()
print(f"sessions={sessions} broken={broken} first={first}")
