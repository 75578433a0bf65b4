# SPDX-License-Identifier: Apache-2.0
"""Slices of a MIG partition: planned, made, enforced, undone, brought back, with real programs in them."""
import json
import os
import signal
import subprocess

from lib import BUILD, DIVVY, MachineUser, as_user, expect, wait_for
from mig_world import World

TENANT = os.path.join(BUILD, "tests/e2e/cuda/cuda-tenant")
MIB = 1 << 20

MACHINE = """name: two-h100
gpus:
  - {model: h100-80-sxm, driver: 580.95.05, mig: off, compute_capability: "9.0"}
  - {model: h100-80-sxm, driver: 580.95.05, mig: on, compute_capability: "9.0"}
"""

FLEET = """version: 1
name: lab
tenants:
  - {name: few, kind: process, method: slice, profile: 3g.40gb, gpu: 0, needs: {memory: 8GiB, compute: 30%}}
  - {name: many, kind: process, method: slice, profile: 3g.40gb, gpu: 0, needs: {memory: 20GiB, compute: 70%}}
  - {name: alone, kind: process, method: mig, profile: 3g.40gb, gpu: 0}
"""


EMPTY = "version: 1\nname: lab\ntenants: []\n"


def spawn(world, name, *args):
    return subprocess.Popen([DIVVY, "--machine", world.path, "run", "--name", name, "--", TENANT, *args],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=world.user.env, cwd="/",
                            **as_user(world.user.uid))


def run(world, name, *args):
    return world.divvy("run", "--name", name, "--", TENANT, *args)


def lease(world, name):
    return next(l for l in world.json("leases")["leases"] if l["name"] == name)


def instances(world):
    return [i for _, i in world.layout()]


def planned_and_undone(world, fleet):
    plan = world.json("plan", fleet)
    by = {a["tenant"]: a for a in plan["assignments"]}
    expect(not plan["unplaced"] and by["few"]["on"] == "mig" and by["few"]["profile"] == "3g.40gb", plan)
    expect(by["few"]["start"] == by["many"]["start"] != by["alone"]["start"], "one partition for the two", by)
    expect(by["few"]["isolation"] == "memory" and by["alone"]["isolation"] == "hardware", "isolation", by)
    ops = [s["op"] for s in plan["steps"]]
    expect(ops == ["mig.enable", "slice.create", "slice.create", "mig.create"], "steps", ops)
    shown = world.divvy("plan", fleet).stdout
    expect("slice on mig" in shown, "shown", shown)
    # The second partition fails: the first goes too, and the mode.
    world.sim("fault", "nvmlDeviceCreateGpuInstanceWithPlacement", "2", "999")
    expect(world.divvy("apply", fleet).returncode == 1, "it failed")
    world.sim("calm")
    expect(world.layout()[0] == ("off", []), "as before", world.layout())
    expect(world.divvy("apply", fleet).returncode == 0, "applied")
    expect(world.divvy("diff", fleet).returncode == 0, "as wanted")
    expect([p for _, p in instances(world)[0]] == ["3g.40gb", "3g.40gb"], "two partitions", instances(world))
    expect("slice 3g.40gb" in world.divvy("leases").stdout, "leases")


def enforced(world):
    done = run(world, "few", "info")
    free, total = map(int, done.stdout.split())
    expect(total == 8192 * MIB and total - 600 * MIB < free < total, "it sees its slice", done)
    expect(run(world, "few", "alloc", str(free)).returncode == 0, "the limit itself")
    expect(run(world, "few", "alloc", str(free + 1)).returncode == 3, "a byte over it")
    done = run(world, "alone", "info")
    expect(int(done.stdout.split()[1]) > 39000 * MIB, "the other partition is whole", done)
    few, many = spawn(world, "few", "loop", "5000", "1000", "4"), spawn(world, "many", "loop", "5000", "1000", "4")
    outs = [child.communicate(timeout=60) for child in (few, many)]
    expect(few.returncode == 0 and many.returncode == 0, outs)
    got = 100 * int(outs[0][0]) / (int(outs[0][0]) + int(outs[1][0]))
    print(f"30 to 70 in one partition: {got:.1f} %")
    # They begin and end one after the other, and a busy machine counts its own work in.
    expect(22 < got < 40, "shares hold", outs)


def ended(world, fleet):
    """The partition goes with its last slice, not under somebody who computes."""
    before = instances(world)[0]
    expect(world.divvy("release", "few").returncode == 0 and instances(world)[0] == before, "it stays", before)
    # What is refused changes nothing for whoever computes there: it keeps its lease, and its turns.
    holder = spawn(world, "many", "loop", "4000", "1000", "4")
    wait_for(lambda: lease(world, "many")["got_pct"])
    done = world.divvy("release", "many")
    expect(done.returncode == 3 and "M05" in done.stderr, "in use", done)
    expect(lease(world, "many")["state"] == "active" and lease(world, "many")["pids"], "and still there",
           lease(world, "many"))
    out = holder.communicate(timeout=60)
    expect(holder.returncode == 0 and not lease(world, "many")["pids"], "it came to its end", holder.returncode, out)
    expect(world.divvy("release", "many").returncode == 0, "nobody is in it")
    expect(world.divvy("apply", fleet).returncode == 0 and instances(world)[0] == before, "there again")
    # Nor does the first of several lose its way to the device where the partition cannot go with the last.
    holders = [spawn(world, name, "loop", "4000", "1000", "4") for name in ("few", "many")]
    wait_for(lambda: all(lease(world, name)["got_pct"] for name in ("few", "many")))
    done = world.divvy("apply", world.write("empty.yaml", EMPTY), "--yes")
    expect(done.returncode == 3 and "M05" in done.stderr, "in use", done)
    outs = [holder.communicate(timeout=60) for holder in holders]
    expect([holder.returncode for holder in holders] == [0, 0], "both came to their end", outs)
    expect(instances(world)[0] == before and world.divvy("diff", fleet).returncode == 0, "all as before")


def brought_back(world, fleet):
    before = instances(world)
    world.sim("reboot")
    world.restart()
    wait_for(lambda: run(world, "few", "info").returncode == 0)
    expect(instances(world) == before, "brought back", instances(world))
    expect(world.divvy("diff", fleet).returncode == 0, "as wanted")
    # Its export is the same fleet.
    again = world.write("again.yaml", world.divvy("export").stdout)
    expect(world.json("plan", again)["steps"] == [], "nothing to do", world.divvy("plan", again).stdout)


def refused(world):
    for tenant, rule in (("{name: x, method: slice, gpu: 1, needs: {memory: 1GiB}}", "G09"),
                         ("{name: x, method: slice, profile: 9g.90gb, needs: {memory: 1GiB}}", "M01"),
                         ("{name: x, method: slice, profile: 1g.10gb, needs: {memory: 30GiB}}", "M04"),
                         ("{name: x, method: slice, profile: 1g.10gb, needs: {isolation: hardware}}", "G10")):
        bad = world.write("bad.yaml", f"version: 1\nname: bad\ntenants:\n  - {tenant}\n")
        done = world.divvy("--json", "plan", bad)
        expect(done.returncode == 3 and json.loads(done.stdout)["unplaced"][0]["rules"] == [rule], rule, done)
    bad = world.write("bad.yaml", "version: 1\nname: bad\ntenants:\n"
                                  "  - {name: x, method: slice, profile: 1c.3g.40gb}\n")
    done = world.divvy("plan", bad)
    expect(done.returncode == 2 and "bad.yaml:4:" in done.stderr and "'3g.40gb'" in done.stderr, "no part of one", done)
    done = world.divvy("run", "--gpu", "1", "--", "true")
    expect(done.returncode == 3 and "G09" in done.stderr and "profile" in done.stderr, "a way out is named", done)


def test(user):
    world = World(user, MACHINE)
    fleet = world.write("lab.yaml", FLEET)
    planned_and_undone(world, fleet)
    enforced(world)
    refused(world)
    ended(world, fleet)
    brought_back(world, fleet)
    expect(world.divvy("apply", world.write("empty.yaml", EMPTY), "--yes").returncode == 0, "emptied")
    expect(instances(world) == [[], []], "no partition is left behind", instances(world))


user = MachineUser()
try:
    test(user)
finally:
    user.end()
