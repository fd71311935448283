# SPDX-License-Identifier: GPL-2.0-or-later
"""table.py FOLDER SERVER...: what came of run.py's tries, as a table and as a count of tests.

In the folder: left and local (the catchers' lines), and of each server
SERVER.with and SERVER.without (run.py's lines on the attacks, with and without
rcptwall) and SERVER.mail (those on honest mail, with it).

A test is: each attack behind rcptwall (nothing external arrived), each row without
it where attacks.py says that it works (something did), each honest mail (arrived
unchanged). The last line is "N passed, N failed".
"""
import collections
import re
import sys

import attacks
import attacks_ip  # noqa: F401  its rows add themselves
import attacks_smtp  # noqa: F401  its rows add themselves

folder, servers = sys.argv[1], sys.argv[2:]
passed, failures = 0, []


def numbers(line):
    return {int(n) for n in re.findall(r"c(\d{5})(?!\d)", line)}


def caught(name):
    with open(f"{folder}/{name}", encoding="latin-1") as f:
        return [line.rstrip("\n").split("\t") for line in f]


def tries(name):
    with open(f"{folder}/{name}", encoding="utf-8") as f:
        for line in f:
            number, _, row, variant, digest, seen = line.rstrip("\n").split("\t")
            yield int(number), row, int(variant), digest, seen


def test(good, text):
    global passed
    if good:
        passed += 1
    else:
        failures.append(text)


left = set().union(*(numbers(sender + " " + recipients) for sender, recipients, _ in caught("left")))
arrived = collections.defaultdict(list)  # number: digests of the bodies
for sender, recipients, digest in caught("local"):
    for number in numbers(recipients):
        arrived[number].append(digest)

got = collections.defaultdict(lambda: [0, 0, 0])  # (row, server): external mails with rcptwall, without it; variants
for server in servers:
    for at, kind in enumerate(("with", "without")):
        for number, row, variant, _, seen in tries(f"{server}.{kind}"):
            cell = got[row, server]
            cell[at] += number in left
            cell[2] += at == 0
            if kind == "with":
                test(number not in left and not seen.startswith("BROKEN"), f"{server}, {row}, variant {variant}: external mail arrived, or the try broke ({seen})")
            elif seen.startswith("BROKEN"):
                test(False, f"{server}, {row}, variant {variant}: {seen}")

rows = [(name, works) for name, works, _ in attacks.ROWS if any((name, s) in got for s in servers)]
width = max(len(name) for name, _ in rows) + 6
print("external mails that arrived, with rcptwall / without it")
print(f"{'':{width}}" + "".join(f"{s:>12}" for s in servers))
for name, works in rows:
    cells = [got[name, s] for s in servers]
    print(f"{f'{name} ({max(c[2] for c in cells)})':{width}}" + "".join(f"{f'{c[0]}/{c[1]}':>12}" for c in cells))
    for server, cell in zip(servers, cells):
        if server in works:
            test(cell[1] > 0, f"{server}, {name}: should work without rcptwall, and doesn't")

print()
print("honest mail behind rcptwall: 1 = it arrived byte for byte")
names, mails = [], {}
for server in servers:
    for number, name, _, digest, seen in tries(f"{server}.mail"):
        good = digest != "-" and arrived[number] and set(arrived[number]) == {digest}
        mails[name, server] = good
        names += [name] if name not in names else []
        test(good, f"{server}, {name}: lost or changed ({seen}; arrived {len(arrived[number])})")
for name in names:
    print(f"{name:{width}}" + "".join(f"{int(bool(mails.get((name, s)))):>12}" for s in servers))

print()
for text in failures:
    print(f"not ok evasion: {text}")
print(f"{passed} passed, {len(failures)} failed")
sys.exit(1 if failures else 0)
