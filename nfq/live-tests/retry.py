#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Senders that never give a mail up, as mail servers do, and attackers who never give up either.

retry.py [--senders N] [--attackers N] --name LETTER --domain DOMAIN --stop FILE SERVER...

Each sender's next mail goes to LETTER00000@DOMAIN, LETTER00001 ... from a session of its own; what isn't answered with
250 at its end is sent again. Each attacker tries to relay to x@extrn.example, and says the rest of a mail whatever
happens. When FILE is there, the senders end what they have begun. Prints
    mails=N attempts=N attacks=N taken=N
mails: answered with 250; attempts: sessions of the senders; taken: attacks whose RCPT was answered with 250.
"""
import argparse
import itertools
import os
import socket
import threading
import time

p = argparse.ArgumentParser()
p.add_argument("--senders", type=int, default=4)
p.add_argument("--attackers", type=int, default=0)
p.add_argument("--name", required=True)
p.add_argument("--domain", required=True)
p.add_argument("--stop", required=True)
p.add_argument("servers", nargs="+")
a = p.parse_args()
numbers, lock = itertools.count(), threading.Lock()
count = {"mails": 0, "attempts": 0, "attacks": 0, "taken": 0}
PATIENCE = 4 * int(os.environ.get("LAB_SLOW", 1))  # a reply that doesn't come by then is an error


def add(what):
    with lock:
        count[what] += 1


class Session:
    def __init__(self, server):
        self.sock = socket.create_connection((server, 25), PATIENCE)
        self.replies = self.sock.makefile("rb")
        self.reply(b"220")

    def reply(self, wanted):
        line = self.replies.readline()
        while line[3:4] == b"-":
            line = self.replies.readline()
        if line[:3] != wanted:
            raise ConnectionError(line or "closed")

    def say(self, line, wanted=b"250"):
        self.sock.sendall(line)
        self.reply(wanted)

    def close(self):
        self.replies.close()
        self.sock.close()


def mail(session, name):
    session.say(b"EHLO client.example\r\n")
    session.say(b"MAIL FROM:<a@b.example>\r\n")
    session.say(b"RCPT TO:<%s@%s>\r\n" % (name, a.domain.encode()))
    time.sleep(0.02)
    session.say(b"DATA\r\n", b"354")
    session.say(b"Subject: %s\r\n\r\n%s\r\n.\r\n" % (name, name * 50))


def attack(session):
    session.say(b"EHLO client.example\r\n")
    session.say(b"MAIL FROM:<a@b.example>\r\n")
    time.sleep(0.02)
    session.say(b"RCPT TO:<x@extrn.example>\r\n")
    add("taken")
    session.say(b"DATA\r\n", b"354")
    session.say(b"Subject: attack\r\n\r\nattack\r\n.\r\n")


def attempt(server, work, *arguments):
    session = None
    try:
        session = Session(server)
        work(session, *arguments)
        return True
    except OSError:
        return False
    finally:
        if session:
            session.close()


def sender(server):
    while not os.path.exists(a.stop):
        name = b"%s%05d" % (a.name.encode(), next(numbers))
        add("attempts")
        while not attempt(server, mail, name):
            time.sleep(0.2)
            add("attempts")
        add("mails")


def attacker(server):
    while not os.path.exists(a.stop):
        attempt(server, attack)
        add("attacks")
        time.sleep(0.01)


threads = [threading.Thread(target=work, args=(server,)) for work, n in ((sender, a.senders), (attacker, a.attackers))
           for server in itertools.islice(itertools.cycle(a.servers), n)]
for t in threads:
    t.start()
for t in threads:
    t.join()
print(" ".join(f"{k}={v}" for k, v in count.items()))
