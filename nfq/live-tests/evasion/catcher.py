# SPDX-License-Identifier: GPL-2.0-or-later
"""catcher.py FILE ADDRESS PORT...: takes every mail, and writes a line about each.

    SENDER <tab> RECIPIENT,RECIPIENT <tab> SHA-256 of the body

The body is what stands behind the first empty line, without dot-stuffing.
"""
import asyncio
import hashlib
import sys

log = open(sys.argv[1], "a", encoding="latin-1", buffering=1)


def path(line):
    return line.split(b":", 1)[1].strip().split(b" ")[0].strip(b"<>").decode("latin-1")


async def message(reader):
    lines = []
    while (line := await reader.readuntil(b"\n")) != b".\r\n":
        lines.append(line[1:] if line.startswith(b".") else line)
    return b"".join(lines)


async def serve(reader, writer):
    def say(text):
        writer.write(text + b"\r\n")

    sender, recipients = "", []
    say(b"220 catcher")
    try:
        while line := await reader.readline():
            verb = line[:4].upper()
            if verb == b"EHLO":
                say(b"250-catcher\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 SIZE")
                continue
            if verb == b"MAIL":
                sender, recipients = path(line), []
            elif verb == b"RCPT":
                recipients.append(path(line))
            elif verb == b"DATA":
                say(b"354 go on")
                body = (await message(reader)).partition(b"\r\n\r\n")[2]
                log.write(f"{sender}\t{','.join(recipients)}\t{hashlib.sha256(body).hexdigest()}\n")
            elif verb == b"QUIT":
                say(b"221 bye")
                break
            say(b"250 ok")
            await writer.drain()
        await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    writer.close()


async def main():
    for address, port in zip(sys.argv[2::2], sys.argv[3::2]):
        await asyncio.start_server(serve, address, int(port), limit=1 << 26, backlog=1000)
    await asyncio.Event().wait()


asyncio.run(main())
