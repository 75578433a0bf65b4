# SPDX-License-Identifier: Apache-2.0
"""divvyd is killed at each change that an apply makes of a GPU, before it and after it: then there is the
old or the new state, never a third, and no partition without an owner."""
import os
import signal
import subprocess

from lib import children, expect, wait_for
from mig_world import MachineNode

MACHINE = """name: one-h100
gpus:
  - {model: h100-80-sxm, driver: 580.95.05, mig: off}
"""

OLD = "version: 1\nname: lab\ngpus: [{mig: off}]\ntenants: []\n"
NEW = """version: 1
name: lab
tenants:
  - {name: a, kind: process, method: mig, profile: 3g.40gb}
  - {name: b, kind: process, method: mig, profile: 1c.2g.20gb}
"""

CALLS = ("nvmlDeviceSetMigMode", "nvmlDeviceCreateGpuInstanceWithPlacement",
         "nvmlGpuInstanceCreateComputeInstance", "nvmlGpuInstanceCreateComputeInstanceWithPlacement",
         "nvmlComputeInstanceDestroy", "nvmlGpuInstanceDestroy")


def stopped(node):
    """A worker that stands still in the middle of a call."""
    for pid in children(node.daemon.pid):
        try:
            with open(f"/proc/{pid}/stat", encoding="utf-8") as f:
                if f.read().rpartition(")")[2].split()[0] == "T":
                    return pid
        except OSError:
            pass
    return 0


def owned(node):
    """What each lease's partition and compute instance are, as the layout has them."""
    found = {}
    for lease in node.leases().values():
        expect(lease["state"] == "ready", "a lease that stands is ready", lease)
        place, _, part = lease["node"].partition("/")[2].partition("/")
        start = int(place[1:].split("+")[0])
        profile = lease["profile"]
        cis = found.setdefault((start, profile.partition(".")[2] if part else profile), [])
        cis.append(part[1:].replace("+", ":") if part else "whole")
    return found


def check(node, old, new, what):
    """Old or new, and all of it somebody's."""
    now = state(node)
    expect(now in (old, new), f"{what}: a third", now, old, new)
    instances, owners = now[1][0][1], owned(node)
    expect({(start, name) for start, name, _ in instances} == set(owners), f"{what}: an orphan", now, owners)
    for start, name, cis in instances:
        has = owners[(start, name)]
        expect(len(cis) == 1 if has == ["whole"] else sorted(has) == cis, f"{what}: an orphan", now, owners)


def state(node):
    return set(node.leases()), node.layout()


def kill_at_each(node, first, second):
    """From the first fleet to the second; returns how often divvyd was killed."""
    kills = 0
    expect(node.divvy("apply", first, "--yes").status == 0, "the first")
    old = state(node)
    expect(node.divvy("apply", second, "--yes").status == 0, "the second")
    new = state(node)
    for call in CALLS:
        for nth, when in ((n, w) for n in range(1, 20) for w in ("stop-before", "stop-after")):
            if state(node) != old:
                expect(node.divvy("apply", first, "--yes").status == 0, "the first again")
            node.sim("fault", call, str(nth), when)
            apply = node.spawn("apply", second, "--yes", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            worker = wait_for(lambda: stopped(node) or (apply.poll() is not None and -1))
            if worker < 0:
                expect(apply.returncode == 0, "nothing was in its way", apply.returncode)
                node.sim("calm")
                break
            node.crash()
            wait_for(lambda: not os.path.exists(f"/proc/{worker}"))
            apply.wait(10)
            node.sim("calm")
            node.start()
            kills += 1
            check(node, old, new, f"{call} {nth} {when}")
    return kills


def interrupt(node, fleet):
    """Ctrl-C while divvyd is at it: it goes on, and whoever waited is told so."""
    node.sim("fault", CALLS[1], "1", "delay:1500")
    apply = node.spawn("apply", fleet, "--yes", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    wait_for(lambda: any(lease["state"] == "pending" for lease in node.leases().values()))
    apply.send_signal(signal.SIGINT)
    said, told = apply.communicate(timeout=10)
    expect(apply.returncode == -signal.SIGINT and not said, "it ended by the signal", apply.returncode, said)
    expect("divvyd goes on with it; divvy log says" in told, "told", told)
    wait_for(lambda: node.divvy("assert", fleet).status == 0)
    node.sim("calm")


with MachineNode(MACHINE, "mig: {look: 3600s}\n") as node:
    old, new = node.write("old.yaml", OLD), node.write("new.yaml", NEW)
    there, back = kill_at_each(node, old, new), kill_at_each(node, new, old)
    expect(there >= 10 and back >= 10, "each change was a chance", there, back)
    expect(node.divvy("apply", old, "--yes").status == 0, "the old one again")
    interrupt(node, new)
