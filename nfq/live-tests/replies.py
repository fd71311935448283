# SPDX-License-Identifier: GPL-2.0-or-later
"""What an SMTP server says on a socket, reply by reply."""


class Closed(ConnectionError):
    pass


class Replies:
    def __init__(self, sock):
        self.sock, self.rest = sock, b""

    def next(self):
        """The next whole reply: its code, and all of its lines. Closed: the server ended the connection before."""
        text = b""
        while True:
            while b"\n" not in self.rest:
                piece = self.sock.recv(65536)
                if not piece:
                    raise Closed("closed")
                self.rest += piece
            line, self.rest = self.rest.split(b"\n", 1)
            text += line
            if line[3:4] != b"-":
                return line[:3].decode("latin-1"), text
