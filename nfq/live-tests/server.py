#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""An SMTP server that takes everything, and keeps every byte that reached it.

server.py [--port N] DIR

Of each connection: DIR/PORT.bin with all bytes read from the client's port PORT (a
second connection from there is appended), and a line in DIR/log:
    peer=ADDR port=PORT end=eof|reset|timeout bytes=N ms=N
ms: from the last byte read to the end.
"""
import argparse
import os
import socket
import threading
import time

p = argparse.ArgumentParser()
p.add_argument("--port", type=int, default=25)
p.add_argument("--timeout", type=float, default=20)
p.add_argument("dir")
a = p.parse_args()
log = open(os.path.join(a.dir, "log"), "a", buffering=1)
lock = threading.Lock()


def answer(state, line):
    verb = line[:4].upper()
    if state["body"]:
        if line == b".":
            state["body"] = False
            return b"250 2.0.0 Ok: queued\r\n"
        return b""
    if verb == b"EHLO":
        return b"250-mail.local.example\r\n250 PIPELINING\r\n"
    if verb == b"DATA":
        state["body"] = True
        return b"354 End data with <CR><LF>.<CR><LF>\r\n"
    if verb == b"QUIT":
        return b"221 2.0.0 Bye\r\n"
    return b"250 2.0.0 Ok\r\n"


def serve(sock, peer):
    sock.settimeout(a.timeout * int(os.environ.get("LAB_SLOW", 1)))
    total, rest, state, last = 0, b"", {"body": False}, time.monotonic()
    with open(os.path.join(a.dir, f"{peer[1]}.bin"), "ab", buffering=0) as out:
        try:
            sock.sendall(b"220 mail.local.example ESMTP\r\n")
            while True:
                piece = sock.recv(1 << 20)
                if not piece:
                    end = "eof"
                    break
                out.write(piece)
                last = time.monotonic()
                total += len(piece)
                *lines, rest = (rest + piece).split(b"\n")
                said = b"".join(answer(state, line.rstrip(b"\r")) for line in lines)
                if said:
                    sock.sendall(said)
        except (ConnectionResetError, BrokenPipeError):
            end = "reset"
        except (TimeoutError, socket.timeout):
            end = "timeout"
    with lock:
        ms = (time.monotonic() - last) * 1000
        log.write(f"peer={peer[0]} port={peer[1]} end={end} bytes={total} ms={ms:.1f}\n")
    sock.close()


listener = socket.create_server(("::", a.port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=1024)
while True:
    connection, who = listener.accept()
    threading.Thread(target=serve, args=(connection, who), daemon=True).start()
