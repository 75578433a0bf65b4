# SPDX-License-Identifier: Apache-2.0
"""Compute instances: several tenants in one MIG partition, planned, applied, undone, brought back."""
import json

from lib import MachineUser, expect
from mig_world import World

MACHINE = """name: two-a100
gpus:
  - {model: a100-80, driver: 580.95.05, mig: on}
  - {model: a100-80, driver: 580.95.05, mig: on}
"""

FLEET = """version: 1
name: lab
tenants:
  - {name: small, kind: container, count: 4, method: mig, profile: 1c.3g.40gb}
  - {name: wide, kind: process, method: mig, profile: 2c.4g.40gb}
  - {name: alone, kind: process, method: mig, profile: 2g.20gb}
"""


def parts(world):
    """Per GPU: each partition and the compute instances in it, as the driver says it."""
    world.restart()
    found = []
    for gpu in world.json("gpus")["gpus"]:
        if gpu["kind"] == "nvidia":
            mig = gpu["mig"]
            found.append(sorted((i["profile"], i["start"],
                                 tuple(sorted((c["start"], c["size"]) for c in mig["computes"]
                                              if c["instance"] == i["id"]))) for i in mig["instances"]))
    return found


def test(user):
    world = World(user, MACHINE)
    fleet = world.write("lab.yaml", FLEET)
    plan = world.json("plan", fleet)
    by = {a["tenant"]: a for a in plan["assignments"]}
    expect(len(by) == 6 and not plan["unplaced"], "all are placed", plan)
    # Only its compute is a compute instance's own, and that is said.
    expect(by["small-0"]["isolation"] == "memory" and by["alone"]["isolation"] == "hardware", "isolation", by)
    expect(by["small-0"]["isolates"] == {"memory": "enforced", "quota": "none", "compute": "hardware",
                                         "bandwidth": "none", "fault": "none"}, "what holds", by["small-0"])
    expect("shared" in by["small-0"]["reason"] and "compute_start" in by["small-0"]["derived"], "said", by)
    done = world.divvy("plan", fleet)
    expect("1c.3g.40gb at" in done.stdout and "mig.ci_create" in done.stdout, "shown", done.stdout)

    # A driver that fails in the middle of it: nothing is left.
    world.sim("fault", "nvmlGpuInstanceCreateComputeInstanceWithPlacement", "3", "999")
    expect(world.divvy("apply", fleet).returncode == 1, "it failed")
    world.sim("calm")
    expect(parts(world) == [[], []], "as before", parts(world))

    expect(world.divvy("apply", fleet).returncode == 0, "applied")
    expect(world.divvy("diff", fleet).returncode == 0, "as wanted")
    wanted = parts(world)
    small = sorted(cis for gpu in wanted for profile, _, cis in gpu if profile == "3g.40gb")
    expect([len(cis) for cis in small] in ([1, 3], [3, 1]), "one partition is filled before the next", wanted)
    expect(((0, 2),) in [cis for gpu in wanted for profile, _, cis in gpu if profile == "4g.40gb"], "2c", wanted)
    shown = world.divvy("gpus").stdout
    expect("3g.40gb at" in shown and "1c at 0 + 1c at 1 + 1c at 2" in shown.replace("\n             ", " "), "gpus", shown)
    shown = world.divvy("leases").stdout
    expect("mig 1c.3g.40gb" in shown, "leases", shown)
    shown = world.divvy("status").stdout
    expect("mig 1c.3g.40gb" in shown and "units 4-7, compute 2 " in shown, "status", shown)

    # Each is given its own compute instance.
    seen = set()
    for name in ("small-0", "small-1", "small-2", "small-3", "wide"):
        done = world.divvy("run", "--name", name, "--", "env")
        seen |= {line for line in done.stdout.splitlines() if line.startswith("CUDA_VISIBLE_DEVICES=MIG-")}
    expect(len(seen) == 5, "five different devices", seen)

    # Export is the same fleet again; what changes is told.
    again = world.write("again.yaml", world.divvy("export").stdout)
    expect(world.json("plan", again)["steps"] == [], "nothing to do")
    more = world.write("more.yaml", FLEET.replace("2c.4g", "1c.4g"))
    diff = world.json("diff", more)["diff"]
    expect({"tenant": "wide", "what": "profile", "wanted": "1c.4g.40gb", "actual": "2c.4g.40gb"} in diff, "diff", diff)
    steps = [s["op"] for s in world.json("plan", more)["steps"]]
    expect(steps == ["mig.ci_destroy", "mig.ci_create"], "only that one", steps)

    # One that ends leaves its neighbours alone; the partition ends with its last.
    expect(world.divvy("release", "small-1").returncode == 0, "released")
    less = parts(world)
    expect(sum(len(cis) for gpu in less for _, _, cis in gpu) == 5, "one less", less)
    expect(world.divvy("apply", fleet).returncode == 0 and parts(world) == wanted, "and there again", parts(world))

    # A reboot takes all; each comes back at its place.
    world.sim("reboot")
    expect(parts(world) == wanted, "brought back", parts(world))

    empty = world.write("empty.yaml", "version: 1\nname: lab\ntenants: []\n")
    done = world.divvy("apply", empty, "--yes")
    expect(done.returncode == 0 and parts(world) == [[], []], "no partition is left behind", done)

    for tenant, rule in (("{name: x, method: mig, profile: 5c.3g.40gb}", "M01"),
                         ("{name: x, method: mig, profile: 3c.3g.40gb}", "M01"),
                         ("{name: x, method: mig, profile: 1c.3g.40gb, needs: {isolation: hardware}}", "G10")):
        bad = world.write("bad.yaml", f"version: 1\nname: bad\ntenants:\n  - {tenant}\n")
        done = world.divvy("--json", "plan", bad)
        expect(done.returncode == 3 and json.loads(done.stdout)["unplaced"][0]["rules"] == [rule], rule, done)


user = MachineUser()
try:
    test(user)
finally:
    user.end()
