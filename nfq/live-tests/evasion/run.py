# SPDX-License-Identifier: GPL-2.0-or-later
"""run.py [OPTION...] PHASE: all attacks, or all honest mail, against the server behind the gateway.

  attacks   each variant of each row once
  mail      each shape of honest mail once

Writes a line about each into --tries, for table.py:

    NUMBER <tab> attack|mail <tab> ROW <tab> VARIANT <tab> SHA-256 of the body (mail) <tab> what the client saw

Some rows need that something happens to the gateway meanwhile. For these it prints
"need WORD" and waits for a line on stdin: kill (the daemon), stop (the daemon),
start (it again), flush (what conntrack knows).
"""
import argparse
import concurrent.futures
import hashlib
import re
import threading
import time
import traceback

import attacks
import attacks_ip  # noqa: F401  its rows add themselves
import attacks_smtp
import shapes
from session import Try
from wire import Wire

p = argparse.ArgumentParser()
p.add_argument("--first", type=int, required=True, help="number of the first try; each has an address of its own")
p.add_argument("--gateway", required=True, help="its hardware address")
p.add_argument("--server4", required=True)
p.add_argument("--server6", required=True)
p.add_argument("--tries", required=True)
p.add_argument("--only", default="", help="only rows in whose name this regular expression is found")
p.add_argument("--at-once", type=int, default=32)
p.add_argument("--sample", type=int, default=0, help="at most so many variants of a row, spread over it")
p.add_argument("phase", choices=("attacks", "mail"))
a = p.parse_args()

wire = Wire("eth0", a.gateway)
log = open(a.tries, "a", encoding="utf-8")
log_lock = threading.Lock()
STAGES = {"kill": ("kill", "start"), "stop": ("stop", "start"), "flush": ("flush", None)}


class Stage:
    """Tries that stop where something is to happen, all of them before it does."""

    def __init__(self):
        self.cond, self.waiting, self.ended, self.happening, self.over, self.word = threading.Condition(), 0, 0, False, False, None

    def pause(self, word, then=None):
        with self.cond:
            self.word = word
            self.waiting += 1
            self.cond.notify_all()
            self.cond.wait_for(lambda: self.happening)
        if then:
            then()
        with self.cond:
            self.cond.wait_for(lambda: self.over)

    def one_ended(self):
        with self.cond:
            self.ended += 1
            self.cond.notify_all()

    def happen(self, count):
        with self.cond:
            self.cond.wait_for(lambda: self.waiting + self.ended >= count)
        if not self.word:
            return
        first, last = STAGES[self.word]
        need(first)
        with self.cond:
            self.happening = True
            self.cond.notify_all()
        if last:
            time.sleep(1)
            need(last)
        with self.cond:
            self.over = True
            self.cond.notify_all()


def need(word):
    print(f"need {word}", flush=True)
    input()


def attempt(number, kind, name, variant, function, stage=None):
    t = Try(wire, number, a.server4, a.server6, stage.pause if stage else None)
    t.honest = kind == "mail"
    if stage:
        t.deadline += 15
    body, seen = None, ""
    try:
        body = function(t)
    except Exception:  # one broken try is reported, the others go on
        seen = "BROKEN " + traceback.format_exc().strip().replace("\n", " | ")
    if t.c:
        seen = seen or f"{'reset' if t.c.reset else 'stuck' if t.stuck else 'end'} {','.join(map(str, t.codes))}"
    t.close()
    if stage:
        stage.one_ended()
    digest = hashlib.sha256(body).hexdigest() if body is not None else "-"
    with log_lock:
        log.write(f"{number}\t{kind}\t{name}\t{variant}\t{digest}\t{seen}\n")


def sample(variants):
    n = len(variants)
    if not 1 < a.sample < n:
        return variants[:1] if a.sample == 1 else variants
    return [variants[i * (n - 1) // (a.sample - 1)] for i in range(a.sample)]


def run(kind, rows):
    number, staged, pool = a.first, [], concurrent.futures.ThreadPoolExecutor(a.at_once)
    for name, functions in rows:
        if not re.search(a.only, name):
            continue
        tries = []
        for variant, function in sample(list(enumerate(functions))):
            tries.append((number, kind, name, variant, function))
            number += 1
        if name in STAGED:
            staged.append(tries)
        else:
            for t in tries:
                pool.submit(attempt, *t)
    pool.shutdown()
    for tries in staged:
        stage = Stage()
        threads = [threading.Thread(target=attempt, args=(*t, stage)) for t in tries]
        for thread in threads:
            thread.start()
        stage.happen(len(tries))
        for thread in threads:
            thread.join()


STAGED = {name for name, _, function in attacks.ROWS if function in (attacks_smtp.killed, attacks_smtp.stopped, attacks_smtp.flushed)}
if a.phase == "attacks":
    run("attack", [(name, function()) for name, _, function in attacks.ROWS])
else:
    run("mail", [(name, [function]) for name, function in shapes.SHAPES])
log.close()
print("done", flush=True)
