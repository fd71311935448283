# SPDX-License-Identifier: GPL-2.0-or-later
"""What `rcptwall probe --json` found of a server, against what the oracle says that this server does.

probe_oracle.py ORACLE.tsv COLUMN LITERAL <PROBE.json

A form of the probe is looked up in the oracle by its RCPT line: names of users are all the same there, and so are the
server's address literals. Prints "compared=N external=N" and a line for each form where the probe found less: the oracle
delivers it outside, and the probe says closed; or the server refuses it, and the probe says that it relays.
"""
import csv, json, re, sys

path, column, literal = sys.argv[1:4]


def same(line):
    line = re.sub(r"\\r\\n$", "", line.split(" | ")[-1])
    line = re.sub(r"^RCPT TO:", "", line)
    line = line.replace(literal, "[127.0.0.1]").replace("mail.local.example", "local.example")
    return re.sub(r"\b(user|relaytest|u)(?=[@%>!(+\"]|$)|(?<=!)(user|relaytest|u)\b", "U", line)


known = {}
with open(path, newline="") as f:
    for row in csv.DictReader(f, delimiter="\t", quoting=csv.QUOTE_NONE):
        if row["raw"].split(" | ")[-1].startswith("RCPT TO:"):
            known.setdefault(same(row["raw"]), row)
compared = external = 0
for text in sys.stdin:
    form = json.loads(text)
    row = known.get(same("RCPT TO:" + form["rcpt_to"]))
    if row is None or form["form"].startswith("sender-"):
        continue
    if literal.startswith("[IPv6:") and literal in form["rcpt_to"]:
        continue  # the oracle's literal is IPv4: what a server does with the colons of this one isn't known
    compared += 1
    outside = row[column + "_dest"].startswith("external")
    external += outside
    found = form["verdict"] in ("relays", "may-relay")
    if outside and not found or row[column + "_dest"] == "rejected" and found:
        print(form["form"], form["rcpt_to"], "oracle", row["id"], row[column + "_dest"], "probe", form["verdict"])
print("compared=%d external=%d" % (compared, external))
