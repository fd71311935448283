# SPDX-License-Identifier: GPL-2.0-or-later
"""would.py FOLDER SYSLOG: was each relayed mail of run.py's attacks told in syslog as one that would have been stopped,
and no honest one? (monitor mode; FOLDER has left, postfix.mail and postfix.attacks). Says it in FOLDER/would."""
import ipaddress
import re
import sys

folder, syslog = sys.argv[1:]


def numbers(name):
    with open(f"{folder}/{name}", encoding="utf-8") as f:
        return {int(line.split("\t")[0]) for line in f}


with open(f"{folder}/left", encoding="latin-1") as f:
    left = {int(n) for line in f for n in re.findall(r"c(\d{5})(?!\d)", line)}
told = set()  # numbers of tries: a part of their addresses
with open(syslog, encoding="latin-1") as f:
    for line in f:
        if m := re.search(r"rcptwall\[\d+\]: WOULD-(?:RESET|DROP|REFUSE) .* src=\[?([^\] ]+?)\]?:\d+ ", line):
            address = ipaddress.ip_address(m[1])
            if address.version == 6 and address in ipaddress.ip_network("2001:db8:a::/48"):
                told.add(int(address) & 0xFFFFFFFF)
            elif address.version == 4 and address in ipaddress.ip_network("198.18.0.0/15"):
                told.add(int(address) & 0xFFFF)
mails, attacks = numbers("postfix.mail"), numbers("postfix.attacks")
untold, wrong = sorted(left & attacks - told), sorted(told & mails)
with open(f"{folder}/would", "w", encoding="utf-8") as f:
    f.write(f"attacks={len(attacks)} relayed={len(left & attacks)} told={len(told & attacks)} "
            f"relayed_untold={untold} honest={len(mails)} honest_told={wrong}\n")
sys.exit(1 if untold or wrong or not left & attacks else 0)
