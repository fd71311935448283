#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Many at once.

flood.py serve              an SMTP server on port 25 that greets and keeps what comes to itself, but says "external" when it
                           hears of ext.example
flood.py idle N [TEXT]      N connections from the addresses 198.51.100.3 to .33; each waits for the greeting, sends TEXT
                           (escapes as in client.py) and holds still. Prints "open=N failed=N"; ends when standard input does
flood.py syn N [public]     N SYNs from made up addresses (100.64.0.0/10; public: 198.18.0.0/15), as fast as they go;
                           prints "sent=N"
"""
import os
import random
import resource
import selectors
import socket
import struct
import sys
import time

SERVER = "192.0.2.25"
PATIENCE = 6  # seconds without another greeting: no more will come
PROCESSES = 4  # what a process may have open is limited
limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))


def serve():
    listener = socket.create_server(("0.0.0.0", 25), backlog=4096)
    listener.setblocking(False)
    for _ in range(PROCESSES - 1):
        if os.fork() == 0:
            break
    poll = selectors.DefaultSelector()
    poll.register(listener, selectors.EVENT_READ)
    while True:
        for key, _ in poll.select():
            try:
                if key.fileobj is listener:
                    sock, _ = listener.accept()
                    sock.setblocking(False)
                    poll.register(sock, selectors.EVENT_READ)
                    sock.sendall(b"220 mail.local.example ESMTP\r\n")
                    continue
                data = key.fileobj.recv(65536)
                if b"ext.example" in data:
                    print("external", flush=True)
                if not data:
                    poll.unregister(key.fileobj)
                    key.fileobj.close()
            except BlockingIOError:
                pass
            except OSError:
                if key.fileobj is not listener:
                    poll.unregister(key.fileobj)
                    key.fileobj.close()


def idle(count, text):
    parts, told, tell = [], *os.pipe()
    for i in range(PROCESSES):
        if os.fork() == 0:
            share = count // PROCESSES + (i < count % PROCESSES)
            os.write(tell, b"%d\n" % hold(share, text))
            sys.stdin.buffer.read()
            os._exit(0)
    while len(parts) < PROCESSES:
        parts += os.read(told, 4096).split()
    good = sum(map(int, parts))
    print(f"open={good} failed={count - good}", flush=True)
    for _ in range(PROCESSES):
        os.wait()


held = []


def hold(count, text):
    """Opens them. How many there are now."""
    data = text.encode("latin-1").decode("unicode_escape").encode("latin-1")
    poll, made, failed, waiting = selectors.DefaultSelector(), 0, 0, 0
    until = time.monotonic() + PATIENCE
    while len(held) + failed < count and time.monotonic() < until:
        while made < count and waiting < 100:
            sock = socket.socket()
            sock.setblocking(False)
            sock.bind((f"198.51.100.{3 + made % 31}", 0))
            sock.connect_ex((SERVER, 25))
            poll.register(sock, selectors.EVENT_READ)
            made, waiting = made + 1, waiting + 1
        for key, _ in poll.select(1):
            try:
                greeted = key.fileobj.recv(4096)
                if greeted and data:
                    key.fileobj.sendall(data)
            except OSError:
                greeted = b""
            poll.unregister(key.fileobj)
            waiting -= 1
            if greeted:
                held.append(key.fileobj)
                until = time.monotonic() + PATIENCE
            else:
                failed += 1
    return len(held)


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


def syn(count, public):
    raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    server = socket.inet_aton(SERVER)
    draw = random.Random(1)
    for _ in range(count):
        source = struct.pack("!I", 0xC6120000 | draw.getrandbits(17) if public else 0x64400000 | draw.getrandbits(22))
        tcp = struct.pack("!HHIIBBHHH", draw.randrange(1024, 65536), 25, draw.getrandbits(32), 0, 5 << 4, 2, 64240, 0, 0)
        total = checksum(source + server + struct.pack("!HH", 6, len(tcp)) + tcp)
        tcp = tcp[:16] + struct.pack("!H", total) + tcp[18:]
        ip = struct.pack("!BBHHHBBH", 0x45, 0, 40, 0, 0, 64, 6, 0) + source + server
        try:
            raw.sendto(ip + tcp, (SERVER, 0))
        except OSError:
            time.sleep(0.001)
    print(f"sent={count}")


if sys.argv[1] == "serve":
    serve()
elif sys.argv[1] == "idle":
    idle(int(sys.argv[2]), sys.argv[3] if len(sys.argv) > 3 else "")
else:
    syn(int(sys.argv[2]), sys.argv[3:] == ["public"])
