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
  terminal    250 to RCPT, with what a terminal would obey in it
  cut         a reset instead of the reply to RCPT
  nothing     the end as soon as it begins
"""
import socket, struct, sys, threading

port, path = int(sys.argv[1]), sys.argv[2]
greetings = {"no": b"554 go away\r\n", "endless": b"220-" + 1000 * b"x" + b"\r\n", "one-line": 65536 * b"y"}
replies = {
    ("tls-only", b"MAIL"): b"530 5.7.0 Must issue a STARTTLS command first\r\n",
    ("later", b"RCPT"): b"451 4.7.1 Greylisted\r\n",
    ("busy", b"RCPT"): b"421 too many\r\n",
    ("terminal", b"RCPT"): b"250 \x1b]0;title\x07\x1b[2J\x9b31m\x00 " + 300 * b"z" + b"\r\n",
}


def dialogue(c, mode):
    f = c.makefile("rb")
    c.sendall(b"220 mail.local.example ESMTP\r\n")
    while True:
        verb = f.readline()[:4].upper()
        if not verb:
            return
        if (mode, verb) == ("cut", b"RCPT"):
            c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            f.close()
            return
        c.sendall(replies.get((mode, verb), b"250 ok\r\n"))
        if verb == b"QUIT" or (mode, verb) == ("busy", b"RCPT"):
            return


def serve(c):
    with open(path) as f:
        mode = f.read().strip()
    with c:
        try:
            while mode in ("endless", "one-line"):
                c.sendall(greetings[mode])
            if mode == "no":
                c.sendall(greetings[mode])
            elif mode != "nothing":
                dialogue(c, mode)
        except OSError:
            pass


listener = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=64)
print("listening", flush=True)
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
