# SPDX-License-Identifier: Apache-2.0
"""Slices of an NVIDIA GPU, on a simulated machine, under what programs do to themselves and what is done to them
and to divvyd: threads, fork, exec, many at once; kill -9 and SIGSTOP of tenants and of divvyd at any moment. No
program has to be started anew, none hears of it, and nothing stays charged. Prints its seed; DV_TEST_SEED sets it."""
import json
import os
import random
import select
import signal
import subprocess
import time

from lib import BUILD, DIVVY, MachineUser, as_user, children, expect, wait_for

ROBUST = os.path.join(BUILD, "tests/e2e/cuda/cuda-robust")
TENANT = os.path.join(BUILD, "tests/e2e/cuda/cuda-tenant")
CROWD = 300
FIT = 40  # contexts of half a GiB
CROWD_S = 60  # far more than they take; a busy machine is slow
GIB = 1 << 30
CONTEXT = 512 << 20


class Lab:
    """The user's machine: one GPU."""

    def __init__(self, user):
        self.user = user
        self.path = os.path.join(user.dir, "lab.yaml")
        with open(self.path, "w", encoding="utf-8") as f:
            f.write("name: lab\ngpus:\n  - {model: rtx4090, driver: 580.95.05, compute_capability: \"8.9\"}\n")
        os.chmod(self.path, 0o644)
        os.makedirs(os.path.join(user.dir, "beats"))
        os.chmod(os.path.join(user.dir, "beats"), 0o777)

    def divvy(self, *args):
        return self.user.divvy("--machine", self.path, *args)

    def run(self, name, memory, *command):
        return subprocess.Popen([DIVVY, "--machine", self.path, "run", "--name", name, "--memory", memory, "--",
                                 *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                text=True, env=self.user.env, cwd="/", **as_user(self.user.uid))

    def kill_divvyd(self):
        """Until its socket is gone, too."""
        for pid in self.user.daemons():
            fd = os.pidfd_open(pid)
            signal.pidfd_send_signal(fd, signal.SIGKILL)
            expect(select.select([fd], [], [], 20)[0], "it dies")
            os.close(fd)

    def log(self):
        machines = os.path.join(self.user.dir, "divvy/machines")
        with open(os.path.join(machines, os.listdir(machines)[0], "run/divvyd.log"), encoding="utf-8") as f:
            return f.read()[-3000:]

    def leases(self):
        done = self.divvy("leases", "--json")
        if done.returncode != 0:
            print(self.log())
        expect(done.returncode == 0, "leases", done)
        return {lease["name"]: lease for lease in json.loads(done.stdout)["leases"]}

    def pids(self, name, run):
        """Its own, and not those by which the launcher tried the lease."""
        lease = self.leases().get(name)
        return [pid for pid in lease["pids"] if pid in children(run.pid)] if lease else []


class Beat:
    """A neighbour that launches all the time, and how often it did."""

    def __init__(self, lab, name):
        self.file = os.path.join(lab.user.dir, "beats", name)
        self.child = lab.run(name, "1GiB", ROBUST, "beat", "0", self.file)
        wait_for(lambda: self.count() > 0, 30)

    def count(self):
        try:
            with open(self.file, encoding="utf-8") as f:
                return int(f.read() or 0)
        except (OSError, ValueError):
            return 0

    def goes_on(self, seconds=10):
        before = self.count()
        wait_for(lambda: self.count() > before, seconds)


def ends_well(child, what):
    out, err = child.communicate(timeout=120)
    expect(child.returncode == 0 and not err, what, child.returncode, out, err)
    return out


def nothing_is_left(lab):
    """All of the card can be had, and used."""
    wait_for(lambda: lab.leases() == {}, 20)
    done = lab.divvy("run", "--memory", "22GiB", "--", TENANT, "alloc", str(22 * GIB - CONTEXT))
    expect(done.returncode == 0 and not done.stderr, "all memory is back", done)


def by_themselves(lab):
    ends_well(lab.run("threads", "2GiB", ROBUST, "threads", "16", "1500"), "threads")
    ends_well(lab.run("forks", "2GiB", ROBUST, "fork"), "forks")
    # Two of it would not fit: each gives all back before the next has it.
    ends_well(lab.run("execs", "1GiB", ROBUST, "exec", "12"), "execs")
    nothing_is_left(lab)


def crowd(lab, number, memory, *more):
    child = lab.run("crowd", memory, ROBUST, "crowd", str(number), *more)
    begin = time.monotonic()
    line = child.stdout.readline().split()
    expect(line and int(line[0]) == number, "all have an answer", line, child.poll() and child.stderr.read())
    print(f"{number} processes at once {' '.join(more) or 'ask'}: {line[1]} ms")
    expect(time.monotonic() - begin < CROWD_S, "in time")
    # The parent asks nothing.
    lease = lab.leases()["crowd"]
    expect(lease["pid_count"] == number, "divvyd knows each", lease)
    ends_well(child, "their end")
    return lease["memory_used_mib"]


def many(lab):
    expect(crowd(lab, CROWD, "1GiB") == 0, "who only asks has no memory")
    used = crowd(lab, FIT, "22GiB", "use")
    expect(used == FIT * CONTEXT >> 20, "each context counts", used)
    nothing_is_left(lab)


def end(lab, name, run, how):
    """Of what it has begun as far as that is known; has it ended then?"""
    for pid in lab.pids(name, run):
        try:
            os.kill(pid, how)
        except ProcessLookupError:
            pass
    return run.poll() is not None


def killed_tenants(lab, draw):
    beat = Beat(lab, "beat")
    for i in range(12):
        child = lab.run(f"k{i}", "4GiB", ROBUST, "threads", "4", "0")
        if i % 3:
            wait_for(lambda i=i, child=child: lab.pids(f"k{i}", child), 30)
        time.sleep(draw.uniform(0, 0.4))
        if i % 4 == 3: # stopped first, whatever it holds
            end(lab, f"k{i}", child, signal.SIGSTOP)
            beat.goes_on()
        wait_for(lambda i=i, child=child: end(lab, f"k{i}", child, signal.SIGKILL), 30)
        child.communicate()
        expect(child.returncode != 0, "it was killed", child.returncode)
        wait_for(lambda i=i: f"k{i}" not in lab.leases(), 20)
        beat.goes_on()
    ends_well(beat.child, "their neighbour")
    nothing_is_left(lab)


def killed_divvyd(lab, draw):
    beat = Beat(lab, "beat")
    runs = {"beat": beat.child, "churn": lab.run("churn", "2GiB", ROBUST, "churn", "0"),
            "threads": lab.run("threads", "4GiB", ROBUST, "threads", "4", "0")}
    wait_for(lambda: all(lab.pids(name, run) for name, run in runs.items()), 30)
    before = {name: lab.pids(name, run) for name, run in runs.items()}
    for i in range(7):
        time.sleep(draw.uniform(0, 0.8))
        lab.kill_divvyd()
        if i % 2:
            # Launches go on without it, as long as it takes.
            beat.goes_on(5)
            time.sleep(draw.uniform(0, 0.8))
        # Whoever asks starts it.
        wait_for(lambda: all(lab.pids(name, runs[name]) == pids for name, pids in before.items()), 20)
    # Stopped for a while it grants nothing; nobody gives up on it.
    for pid in lab.user.daemons():
        os.kill(pid, signal.SIGSTOP)
    time.sleep(1)
    for pid in lab.user.daemons():
        os.kill(pid, signal.SIGCONT)
    beat.goes_on()
    for name, run in runs.items():
        ends_well(run, f"{name} outlives divvyd")
    nothing_is_left(lab)


seed = int(os.environ.get("DV_TEST_SEED", time.time_ns() % 1000000))
print("seed", seed)
machine_user = MachineUser()
try:
    machine = Lab(machine_user)
    by_themselves(machine)
    many(machine)
    killed_tenants(machine, random.Random(seed))
    killed_divvyd(machine, random.Random(seed))
finally:
    machine_user.end()
print("cuda-robust: all held")
