# SPDX-License-Identifier: Apache-2.0
"""One piece of silicon, one owner: 200 random interleavings with real processes.

Two divvyds, of two users where the test is root, share one device. Takes, runs, releases, two starts at once, and kill -9 of
divvyds, launchers and tenants come in random order and at random moments. After each step no node
has two owners, no lease that stood is lost without a cause, and none that was gone is back.
"""
import http.client
import os
import random
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections import Counter

from lib import BURN, Node, children, commands, end_session, expect, need_opencl, other_user, wait_for

STEPS = 200
NAMES = ["ant", "bee", "cat", "dog"]
GONE_WRONG = (OSError, http.client.HTTPException, ValueError)
# Few ask for much, so that several fit, and some do not.
WANTED = [{"method": "slice", "memory_mib": 64, "compute_pct": 10}] * 4 + [
    {"method": "slice", "memory_mib": 4096, "compute_pct": 40},
    {"method": "slice"}, {"method": "passthrough"}, {"method": "partition", "compute_units": 1}]

need_opencl()
second, why = other_user()
seed = int(os.environ.get("DV_TEST_SEED", random.SystemRandom().randrange(1 << 32)))
print(f"DV_TEST_SEED={seed}")
rng = random.Random(seed)


def started(pid):
    """When it was, as the kernel counts: numbers of processes come again. None where there is none."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as f:
            fields = f.read().rpartition(")")[2].split()
            return fields[19] if fields[0] not in "ZX" else None
    except OSError:
        return None


def alive(lease):
    """The launcher of a lease. Its tenants may outlive it, and somebody else have its number by now."""
    start = started(lease["launcher"])
    return start is not None and start == lease.get("launcher_start", start)


class Owner:
    """A divvyd, and what is known of its leases: by id, as an id is never used again."""

    def __init__(self, name, user, lock_dir):
        self.name, self.node, self.up = name, Node(user=user, lock_dir=lock_dir), False
        self.standing, self.gone, self.may, self.must = {}, set(), set(), set()
        self.asked, self.open = Counter(), Counter()  # by name: releases ever, and those under way
        self.lock = threading.Lock()
        self.runs, self.threads, self.failures, self.seen, self.refused = [], [], [], 0, Counter()

    def __repr__(self):
        return self.name

    def begin(self):
        if not self.up:
            self.node.daemon, self.up = self.node.spawn_daemon(), True

    def begin_twice(self):
        """Two at once: one stays, the other says why it does not."""
        if self.up:
            return
        first = self.node.spawn_daemon()
        time.sleep(rng.choice([0, 0, 0.002, 0.02]))
        second = self.node.spawn_daemon()
        wait_for(lambda: first.poll() is not None or second.poll() is not None)
        loser, self.node.daemon = (first, second) if first.poll() is not None else (second, first)
        self.up = True
        expect(loser.returncode == 3 and "another divvyd" in self.node.log(), "one of two gives way", loser)
        expect(self.node.daemon.poll() is None, "only one of two gives way")

    def end(self, how):
        if self.up:
            self.up = False
            self.node.stop(how)

    def known(self):
        """What is known now, before a question is asked: only of this can its answer say more. Of
        each name the releases that were ever asked for; one that is under way may end before the
        answer is read, so it counts as one that is yet to come."""
        with self.lock:
            return set(self.standing), set(self.must), self.asked - self.open

    def list(self):
        """Its leases and what was known before, or None when it is not there. Kills and starts come
        from the main thread alone, so that what two calls say is of one divvyd."""
        if not self.up:
            return None
        known = self.known()
        try:
            return self.node.api("GET", "/v1/leases")[1]["leases"], known
        except (FileNotFoundError, ConnectionRefusedError):
            return None  # it has just been started

    def note(self, lease, asked):
        """`asked`: so many releases of its name were over before it was seen."""
        name = lease["name"]
        if lease["id"] in self.standing or lease["id"] in self.gone or lease["state"] not in ("ready", "active"):
            return
        self.standing[lease["id"]] = {**lease, "launcher_start": started(lease.get("launcher"))}
        self.seen += 1
        if self.asked[name] != asked[name]:
            self.may.add(lease["id"])

    def see(self, leases, known):
        """Compare what there is with what was."""
        standing, must, asked = known
        there = {lease["id"] for lease in leases}
        with self.lock:
            expect(not there & self.gone, f"{self}: a lease is back", there & self.gone)
            expect(not there & must, f"{self}: a released lease is there", there & must)
            for lease in leases:
                self.note(lease, asked)
            missing = [lease for i, lease in self.standing.items() if i in standing and i not in there]
        for lease in missing:
            self.explain(lease)
        with self.lock:
            for lease in missing:
                self.standing.pop(lease["id"], None)
                self.gone.add(lease["id"])

    def explain(self, lease):
        """A lease may be gone when somebody gave it back, when its launcher ended, or when the other
        divvyd took the device while this one was down."""
        if lease["id"] in self.may | self.must:
            return
        entries = self.node.api("GET", "/v1/log?most=1000")[1]["entries"]
        if any(e["verb"] == "lost" and e["subject"] == lease["name"] for e in entries):
            return
        end = time.monotonic() + 5
        while lease["ephemeral"] and time.monotonic() < end:
            if not alive(lease):
                return
            time.sleep(0.02)
        launcher = commands(lease["launcher"]) if lease["ephemeral"] else []
        expect(False, f"{self}: a lease that stood is lost", lease, launcher,
               *[e for e in entries if e["subject"] == lease["name"]][-10:])

    # What is done to it. These may run in a thread of their own, and divvyd may die meanwhile.

    def take(self, name, wanted):
        _, _, asked = self.known()
        try:
            status, answer = self.node.take(name, **wanted)
        except GONE_WRONG:
            return
        with self.lock:
            if status == 201:
                self.note({**answer["lease"], "state": "ready"}, asked)
            else:
                self.refused[answer["rule"]] += 1
                expect(answer["rule"] or answer["code"] == "unreachable",
                       f"{self}: a take is refused by a rule, or by a divvyd that ends", answer)

    def release(self, name):
        with self.lock:
            self.asked[name] += 1
            self.open[name] += 1
            before = {i for i, lease in self.standing.items() if lease["name"] == name}
            self.may |= before
        try:
            status, _ = self.node.api("DELETE", "/v1/leases/" + name)
        except GONE_WRONG:
            status = None
        with self.lock:
            self.open[name] -= 1
            if status == 200:
                self.must |= before

    def run(self, name, burn):
        command = [BURN, "--for", "60s"] if burn else ["sleep", "1000"]
        self.runs.append(self.node.spawn("run", "--name", name, "--memory", "64MiB", "--compute", "10%", "--",
                                         *command, start_new_session=True, stdin=subprocess.DEVNULL,
                                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))

    def thread(self, what, *args):
        def guarded():
            try:
                what(*args)
            except BaseException as e:
                self.failures.append(e)
        thread = threading.Thread(target=guarded)
        thread.start()
        self.threads.append(thread)

    def join(self):
        for thread in self.threads:
            thread.join(60)
            expect(not thread.is_alive(), f"{self}: a request is answered")
        self.threads = []
        if self.failures:
            raise self.failures[0]

    def end_tenants(self):
        for run in self.runs:
            end_session(run)
        self.runs = []

    def close(self):
        self.end_tenants()
        self.node.stop()
        shutil.rmtree(self.node.dir, ignore_errors=True)


def check_nodes(owner, leases):
    """In one divvyd: no node twice, no node and its ancestor, no more time than there is."""
    nodes = [lease["node"] for lease in leases if lease["state"] != "pending"]
    for i, one in enumerate(nodes):
        for other in nodes[i + 1:]:
            expect(one != other and not one.startswith(other + "/") and not other.startswith(one + "/"),
                   f"{owner}: {one} and {other} have owners at once", leases)
    slices = [lease for lease in leases if lease["method"] == "slice"]
    expect(not slices or all(lease["method"] == "slice" for lease in leases),
           f"{owner}: divided in two ways at once", leases)
    expect(sum(lease["compute_pct"] for lease in slices) <= 100.001, f"{owner}: over 100 %", leases)


def check(owners):
    """The first is asked twice, so that what it says holds for the moment in which the other is asked."""
    for one, other in (owners, owners[::-1]):
        before, between, after = one.list(), other.list(), one.list()
        for owner, leases in ((one, before), (other, between), (one, after)):
            if leases is not None:
                check_nodes(owner, leases[0])
                owner.see(*leases)
        if before and between and between[0] and after:
            stayed = {lease["id"] for lease in before[0]} & {lease["id"] for lease in after[0]}
            expect(not stayed, f"both own the device: {one} {before}, {other} {between}")


def settle(owners):
    """Let everything that is under way come to its end, and see that it did."""
    for owner in owners:
        owner.begin()
        owner.join()

    def quiet():
        lists = [owner.list() for owner in owners]
        if None in lists:
            return False
        check(owners)
        return all(lease["state"] in ("ready", "active") and
                   not (lease["ephemeral"] and not alive(lease) and not lease["pids"])
                   for leases, _ in lists for lease in leases)
    wait_for(quiet, 20)
    for owner in owners:
        for gpu in owner.node.api("GET", "/v1/status")[1]["gpus"]:
            expect(not gpu["quarantine"], f"{owner}: nothing failed", gpu)
            expect(sum(lease["memory_bytes"] for lease in owner.node.leases().values()) <= gpu["memory_bytes"],
                   f"{owner}: memory is given once")


def step(owner):
    """One of the things that happen, now or beside what comes next; its name, or None where it could
    not be."""
    name, wanted = rng.choice(NAMES), rng.choice(WANTED)
    do = owner.thread if rng.random() < 0.5 else lambda what, *args: what(*args)
    live = [run for run in owner.runs if run.poll() is None]
    tenants = [pid for run in live for pid in children(run.pid)]
    things = [(30, "take", owner.up, lambda: do(owner.take, name, wanted)),
              (24, "release", owner.up, lambda: do(owner.release, name)),
              (10, "run", owner.up and len(live) < 6, lambda: owner.run(name, False)),
              (3, "burn", owner.up and len(live) < 3, lambda: owner.run(name, True)),
              (6, "kill launcher", live, lambda: rng.choice(live).kill()),
              (6, "kill tenant", tenants, lambda: os.kill(rng.choice(tenants), signal.SIGKILL)),
              (8, "kill divvyd", owner.up, lambda: owner.end(signal.SIGKILL)),
              (2, "stop divvyd", owner.up, lambda: owner.end(signal.SIGTERM)),
              (40, "start", not owner.up, owner.begin),
              (20, "start twice", not owner.up, owner.begin_twice)]
    things = [thing for thing in things if thing[2]]
    _, what, _, act = rng.choices(things, [thing[0] for thing in things])[0]
    try:
        act()
    except ProcessLookupError:
        pass  # it ended by itself in this very moment
    if rng.random() < 0.3:
        time.sleep(rng.random() * 0.05)
    return what


def empty(owners):
    for owner in owners:
        owner.end_tenants()
    settle(owners)
    for owner in owners:
        for name in owner.node.leases():
            owner.release(name)
    settle(owners)
    for owner in owners:
        expect(owner.node.leases() == {}, f"{owner}: everything can be given back")


def tenants_outlive(one, other):
    """Its tenant runs on when it is killed: nobody else gets the device before that has ended."""
    one.runs.append(one.node.spawn("run", "--name", "mine", "--", BURN, "--for", "60s", start_new_session=True,
                                   stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
    wait_for(lambda: one.node.leases()["mine"]["pids"] and "divvy-burn" in
             [name for run in one.runs for name in commands(run.pid)])
    time.sleep(0.1)
    one.end(signal.SIGKILL)
    status, answer = other.node.take("theirs", method="slice", memory_mib=64, compute_pct=10)
    expect(status == 409 and answer["rule"] == "S05" and "a tenant of" in answer["message"],
           f"{other} is told that tenants are there", answer)
    owned = other.node.api("GET", "/v1/gpus")[1]["gpus"][0]["owned_by"]
    expect(owned and "tenant" in owned, f"{other} shows it", owned)
    one.begin()
    wait_for(lambda: one.list() is not None)
    expect("mine" in one.node.leases(), f"{one} has it again, with its tenant", one.node.leases())
    one.end_tenants()
    wait_for(lambda: not one.node.leases()["mine"]["pids"])
    one.end(signal.SIGKILL)
    other.take("theirs", {"method": "slice", "memory_mib": 64, "compute_pct": 10})
    expect("theirs" in other.node.leases(), f"{other} has it when they are gone", other.node.leases())
    other.release("theirs")
    settle((one, other))
    one.take("mine", {"method": "slice", "memory_mib": 64, "compute_pct": 10})


def hand_over(owners):
    """In order, without chance: each has it in turn, and the other is told who has it."""
    settle(owners)
    for one, other in (owners, owners[::-1]):
        one.take("mine", {"method": "slice", "memory_mib": 64, "compute_pct": 10})
        expect("mine" in one.node.leases(), f"{one} has the device")
        status, answer = other.node.take("mine", method="slice", memory_mib=64, compute_pct=10)
        expect(status == 409 and answer["rule"] == "S05", f"{other} is told", answer)
        one.end(signal.SIGKILL)
        one.begin()
        settle(owners)
        expect("mine" in one.node.leases(), f"{one} has it after a crash", one.node.leases())
        tenants_outlive(one, other)
        one.release("mine")


shared = tempfile.mkdtemp(prefix="divvy-e2e-lock-")
os.chmod(shared, 0o1777)
both = [Owner("the first", None, shared), Owner("the second", second, shared)]
done = []
try:
    for someone in both:
        someone.begin()
    hand_over(both)
    if second is not None:
        status, answer = both[1].node.api("POST", "/v1/leases", {"schema": "divvy/request/1"}, user=0)
        expect(status == 403 and answer["rule"] == "S10", "root takes nothing from a user's divvyd", answer)
    for number in range(STEPS):
        someone = both[rng.random() < 0.4]
        done.append((someone, step(someone)))
        check(both)
        if number % 25 == 24:
            settle(both)
    empty(both)
    hand_over(both)
    empty(both)
    expect(sum(someone.seen for someone in both) >= 8, "leases stood at all", both[0].seen, both[1].seen)
except BaseException:
    print("steps:", ", ".join(f"{who} {what}" for who, what in done[-40:]))
    for someone in both:
        print(f"--- {someone} log\n" + someone.node.log()[-3000:])
    raise
finally:
    for someone in both:
        someone.close()
    shutil.rmtree(shared, ignore_errors=True)
if second is None:
    print("both divvyds were of one user:", why)
print(f"one owner: all held over {len(done)} steps;",
      ", ".join(f"{someone}: {someone.seen} leases stood, refused {dict(someone.refused)}" for someone in both))
