#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A mail server that means ill, or isn't one, for the live tests of rcptwall probe.

hostile_smtp.py PORT FILE

FILE holds the mode, and is read for each connection:
  tls-only    530 to MAIL: STARTTLS first
  later       451 to RCPT
  busy        421 to RCPT, and the end
  no          554 as its greeting
  endless     a greeting of lines without end
  one-line    a greeting of one line without end
  drip        a greeting of one line without end, a byte every 50 ms
  drip-lines  a greeting of lines without end, as slowly
  drip-rcpt   a reply to RCPT that never ends, as slowly
  slow        every reply byte by byte, 1 ms each
  half        its greeting's first half, and the end
  flood       150 lines in reply to EHLO; 550 to RCPT
  terminal    250 to RCPT, with what a terminal would obey in it
  cut         a reset instead of the reply to RCPT
  nothing     the end as soon as it begins
"""
import socket, struct, sys, threading, time

port, path = int(sys.argv[1]), sys.argv[2]
greetings = {"no": b"554 go away\r\n", "endless": b"220-" + 1000 * b"x" + b"\r\n", "one-line": 65536 * b"y"}
drips = {"drip": b"220 ", "drip-lines": b"220-x\r\n"}
replies = {
    ("tls-only", b"MAIL"): b"530 5.7.0 Must issue a STARTTLS command first\r\n",
    ("later", b"RCPT"): b"451 4.7.1 Greylisted\r\n",
    ("busy", b"RCPT"): b"421 too many\r\n",
    ("flood", b"RCPT"): b"550 no\r\n",
    ("terminal", b"RCPT"): b"250 \x1b]0;title\x07\x1b[2J\x9b31m\x00 " + 300 * b"z" + b"\r\n",
}


def drip(c, again):
    while True:
        for i in range(len(again)):
            c.sendall(again[i:i + 1])
            time.sleep(0.05)


def say(c, mode, text):
    for i in range(len(text) if mode == "slow" else 0):
        c.sendall(text[i:i + 1])
        time.sleep(0.001)
    c.sendall(b"" if mode == "slow" else text)


def dialogue(c, mode):
    f = c.makefile("rb")
    say(c, mode, b"220 mail.local.example ESMTP\r\n")
    while True:
        verb = f.readline()[:4].upper()
        if not verb:
            return
        if (mode, verb) == ("cut", b"RCPT"):
            c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            f.close()
            return
        if (mode, verb) == ("drip-rcpt", b"RCPT"):
            drip(c, b"250-ok\r\n")
        if (mode, verb) == ("flood", b"EHLO"):
            c.sendall(150 * b"250-mail.local.example and much more\r\n" + b"250 ok\r\n")
            continue
        say(c, mode, replies.get((mode, verb), b"250 ok\r\n"))
        if verb == b"QUIT" or (mode, verb) == ("busy", b"RCPT"):
            return


def serve(c):
    with open(path) as f:
        mode = f.read().strip()
    with c:
        try:
            while mode in ("endless", "one-line"):
                c.sendall(greetings[mode])
            if mode in drips:
                drip(c, drips[mode])
            if mode == "half":
                c.sendall(b"220 mai")
            elif mode == "no":
                c.sendall(greetings[mode])
            elif mode != "nothing":
                dialogue(c, mode)
        except OSError:
            pass


listener = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=64)
print("listening", flush=True)
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
