#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""multipath.py server PORT FILE | client SERVER FIRST SECOND: the two ends of a dialogue over Multipath TCP (RFC 8684).

server: keeps all bytes of one connection in FILE, and answers each line with 250.
client: the kernel opens a second path (`ip mptcp endpoint` says from where); then FIRST goes on the first
    path, which is cut (it says "cut" and waits for a line on stdin), and SECOND on the other. Escapes as in C.
    Prints "paths=N", N = 1 where the server speaks plain TCP only.
"""
import os
import socket
import sys
import time

SLOW = int(os.environ.get("LAB_SLOW", 1))
MPTCP, SOL_MPTCP, MPTCP_INFO = 262, 284, 1


def server(port, file):
    s = socket.socket(socket.AF_INET, socket.SOCK_STREAM, MPTCP)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("0.0.0.0", int(port)))
    s.listen()
    c, _ = s.accept()
    c.sendall(b"220 x\r\n")
    with open(file, "wb", buffering=0) as out:
        while piece := c.recv(65536):
            out.write(piece)
            c.sendall(b"250 ok\r\n" * piece.count(b"\n"))


def paths(s):
    try:
        return 1 + s.getsockopt(SOL_MPTCP, MPTCP_INFO, 8)[0]  # mptcpi_subflows: besides the first
    except OSError:
        return 1  # fallen back


def client(host, first, second):
    s = socket.socket(socket.AF_INET, socket.SOCK_STREAM, MPTCP)
    s.settimeout(10 * SLOW)
    s.connect((host, 25))
    s.recv(1000)
    end = time.monotonic() + 3 * SLOW
    while paths(s) < 2 and time.monotonic() < end:
        time.sleep(0.02)
    print(f"paths={paths(s)}", flush=True)
    s.sendall(first.encode().decode("unicode_escape").encode())
    time.sleep(0.2)
    print("cut", flush=True)
    input()
    try:
        s.sendall(second.encode().decode("unicode_escape").encode())
        got = b""
        while got.count(b"\n") < (first + second).count("\\n") and (piece := s.recv(1000)):
            got += piece
    except OSError:
        pass  # it was ended, or nobody answers


{"server": server, "client": client}[sys.argv[1]](*sys.argv[2:])
