#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs a program on a terminal: what it left there, and what stood there in between.

terminal.py FILE FD... -- PROGRAM ARGUMENT...

FD 1 and/or 2 are the terminal, the other one is a pipe that nobody looks at. What is left goes to standard output, a
line each; what was erased, to FILE. Knows CR, LF and "erase to the end of the line"; anything else that isn't text is
written as it is. Exit status: the program's.
"""
import os, pty, re, subprocess, sys

end = sys.argv.index("--")
screen, program = pty.openpty()
fds = {n: program if n in sys.argv[2:end] else os.open("/dev/null", os.O_WRONLY) for n in "12"}
child = subprocess.Popen(sys.argv[end + 1:], stdin=subprocess.DEVNULL, stdout=fds["1"], stderr=fds["2"])
os.close(program)
got = b""
while True:
    try:
        some = os.read(screen, 4096)
    except OSError:  # the last one who had it is gone
        some = b""
    if not some:
        break
    got += some

lines, line, at, erased = [], "", 0, []
for token in re.findall("\x1b\\[K|[\r\n]|[^\x1b\r\n]+|.", got.decode("utf-8", "replace"), re.S):
    if token == "\r":
        at = 0
    elif token == "\n":
        lines.append(line)
        line, at = "", 0
    elif token == "\x1b[K":
        if line[at:]:
            erased.append(line[at:])
        line = line[:at]
    else:
        line = line[:at] + token + line[at + len(token):]
        at += len(token)
if line:
    lines.append(line)
with open(sys.argv[1], "w") as f:
    f.writelines(l + "\n" for l in erased)
sys.stdout.writelines(l + "\n" for l in lines)
sys.exit(child.wait())
