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

from replies import Replies

p = argparse.ArgumentParser()
p.add_argument("--stop", required=True)
p.add_argument("--threads", type=int, default=4)
p.add_argument("--pause", type=float, default=0.01)
p.add_argument("--timeout", type=float, default=10)
p.add_argument("--bind")
p.add_argument("servers", nargs="+")
a = p.parse_args()
STEPS = [
    (b"EHLO x\r\n", "250"),
    (b"MAIL FROM:<a@b.example>\r\n", "250"),
    (b"RCPT TO:<u@local.example>\r\nRCPT TO:<v@local.example>\r\n", "250", "250"),
    (b"DATA\r\n", "354"),
    (b"Subject: x\r\n\r\n" + b"x" * 60 + b"\r\n.\r\n", "250"),
    (b"QUIT\r\n", "221"),
]
lock = threading.Lock()
sessions, broken, first = 0, 0, ""


def session(server):
    sock = socket.socket(socket.AF_INET6 if ":" in server else socket.AF_INET)
    sock.settimeout(a.timeout)
    if a.bind:
        sock.bind((a.bind, 0))
    sock.connect((server, 25))
    replies = Replies(sock)

    def await_codes(*wanted):
        got = tuple(replies.next()[0] for _ in wanted)
        if got != wanted:
            raise ValueError(f"{got} instead of {wanted}")

    await_codes("220")
    for say, *wanted in STEPS:
        time.sleep(a.pause)
        sock.sendall(say)
        await_codes(*wanted)
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
