#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Tells a mail server whether a login is good, as Dovecot's auth service does (its protocol for clients, version 1.1).

dovecot-auth.py SOCKET USER PASSWORD     PLAIN only; that user alone is good
"""
import base64
import os
import socketserver
import sys

path, user, password = sys.argv[1:]
GOOD = b"\0".join([b"", user.encode(), password.encode()])


class Client(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(b"VERSION\t1\t1\nMECH\tPLAIN\tplaintext\nSPID\t1\nCUID\t1\nCOOKIE\t" + b"0" * 32 + b"\nDONE\n")
        for line in self.rfile:
            words = line.rstrip(b"\n").split(b"\t")
            if words[0] not in (b"AUTH", b"CONT"):
                continue
            response = words[2] if words[0] == b"CONT" else next((w[5:] for w in words if w.startswith(b"resp=")), None)
            if response is None:
                answer = b"CONT\t%s\t" % words[1]
            elif base64.b64decode(response) == GOOD:
                answer = b"OK\t%s\tuser=%s" % (words[1], user.encode())
            else:
                answer = b"FAIL\t%s\tuser=%s" % (words[1], user.encode())
            self.wfile.write(answer + b"\n")


with socketserver.ThreadingUnixStreamServer(path, Client) as server:
    os.chmod(path, 0o666)
    server.serve_forever()
