#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""An SMTP client that does exactly as it is told, and tells how it ended.

client.py [--bind ADDR] [--source-port N] [--timeout S] [--ip-options HEX] SERVER[,PORT] STEP...

  TEXT     sends TEXT and CRLF, waits for one (multi-line) reply
  +TEXT    sends TEXT (\\r \\n \\0 \\\\ understood), waits for nothing
  @FILE    sends the file in one write, waits for nothing
  ?        waits for a reply
  ?N       waits for N replies
  ~MS      sleeps
  fin      shuts the sending side down
  linger   waits until the server closes

Prints one line: end=done|eof|reset|timeout|refused at=STEP ms=N codes=220,250,...
ms: from the last send to the end. done: all steps went through, and it closed by itself.
"""
import argparse
import os
import socket
import time

from replies import Closed, Replies

p = argparse.ArgumentParser()
p.add_argument("--bind")
p.add_argument("--source-port", type=int, default=0)
p.add_argument("--timeout", type=float, default=5)
p.add_argument("--rcvbuf", type=int)
p.add_argument("--ip-options", type=bytes.fromhex)  # of IPv4
p.add_argument("server")
p.add_argument("steps", nargs="*")
a = p.parse_args()


codes, sent_at = [], time.monotonic()


def reply():
    codes.append(replies.next()[0])


def send(data):
    global sent_at
    sent_at = time.monotonic()
    sock.sendall(data)


def unescape(text):
    return text.encode("latin-1").decode("unicode_escape").encode("latin-1")


def step(s):
    if s.startswith("+"):
        send(unescape(s[1:]))
    elif s.startswith("@"):
        with open(s[1:], "rb") as f:
            send(f.read())
    elif s.startswith("?"):
        for _ in range(int(s[1:] or 1)):
            reply()
    elif s.startswith("~"):
        time.sleep(float(s[1:]) / 1000)
    elif s == "fin":
        sock.shutdown(socket.SHUT_WR)
    elif s == "linger":
        while sock.recv(65536):
            pass
        raise Closed
    else:
        send(s.encode("latin-1") + b"\r\n")
        reply()


host, _, port = a.server.partition(",")
sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
replies = Replies(sock)
sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
if a.ip_options:
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_OPTIONS, a.ip_options)
sock.settimeout(a.timeout * int(os.environ.get("LAB_SLOW", 1)))
at = -1
try:
    if a.bind or a.source_port:
        sock.bind((a.bind or ("::" if ":" in host else "0.0.0.0"), a.source_port))
    sock.connect((host, int(port or 25)))
    for at, s in enumerate(a.steps):
        step(s)
    end = "done"
except Closed:
    end = "eof"
except (ConnectionResetError, BrokenPipeError):
    end = "reset"
except ConnectionRefusedError:
    end = "refused"
except (TimeoutError, socket.timeout):
    end = "timeout"
print(f"end={end} at={at} ms={(time.monotonic() - sent_at) * 1000:.1f} codes={','.join(codes)}")
