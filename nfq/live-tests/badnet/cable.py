#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""cable.py [OPTION...] DEVICE DEVICE: a bad cable between two network devices, for kernels that have no netem.

What comes in at one goes out at the other, as netem would have it: lost, repeated, one bit of it changed, late, and
out of order, because each frame is late by itself and some not at all. Probabilities are percentages, times
milliseconds. Ends with SIGTERM and prints what it did.
"""
import argparse
import heapq
import random
import select
import signal
import socket
import time

SOL_PACKET, PACKET_IGNORE_OUTGOING, ETH_P_ALL = 263, 23, 3
p = argparse.ArgumentParser()
p.add_argument("--seed", type=int, default=1)
p.add_argument("--loss", type=float, default=0)
p.add_argument("--duplicate", type=float, default=0)
p.add_argument("--corrupt", type=float, default=0)
p.add_argument("--reorder", type=float, default=0, help="so many aren't late")
p.add_argument("--delay", type=float, default=0)
p.add_argument("--jitter", type=float, default=0)
p.add_argument("devices", nargs=2)
a = p.parse_args()
draw = random.Random(a.seed)
late = []  # (when, number, socket to send on, frame)
count = dict.fromkeys(("frames", "lost", "repeated", "changed", "early", "refused"), 0)


def ended(*_):
    print(" ".join(f"{k}={v}" for k, v in count.items()), flush=True)
    raise SystemExit(0)


def chance(percent):
    return draw.random() * 100 < percent


def opened(device):
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    s.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
    s.bind((device, ETH_P_ALL))
    s.setblocking(False)
    return s


def one_bit_changed(frame):
    changed = bytearray(frame)
    changed[draw.randrange(len(changed))] ^= 1 << draw.randrange(8)
    return bytes(changed)


def carry(frame, to, now):
    count["frames"] += 1
    copies = 1
    if chance(a.loss):
        count["lost"] += 1
        copies -= 1
    if chance(a.duplicate):
        count["repeated"] += 1
        copies += 1
    for _ in range(copies):
        copy, when = frame, now
        if chance(a.corrupt):
            count["changed"] += 1
            copy = one_bit_changed(frame)
        if chance(a.reorder):
            count["early"] += 1
        else:
            when += (a.delay + draw.uniform(-a.jitter, a.jitter)) / 1000
        heapq.heappush(late, (when, count["frames"], to, copy))


signal.signal(signal.SIGTERM, ended)
left, right = map(opened, a.devices)
across = {left.fileno(): (left, right), right.fileno(): (right, left)}
poll = select.poll()
for fd in across:
    poll.register(fd, select.POLLIN)
print("carrying", flush=True)
while True:
    wait = max(0, (late[0][0] - time.monotonic()) * 1000) if late else None
    for fd, _ in poll.poll(wait):
        source, to = across[fd]
        for _ in range(64):
            try:
                carry(source.recv(65536), to, time.monotonic())
            except BlockingIOError:
                break
    now = time.monotonic()
    while late and late[0][0] <= now:
        _, _, to, frame = heapq.heappop(late)
        try:
            to.send(frame)
        except OSError:  # it was too long, or the device's queue is full
            count["refused"] += 1
