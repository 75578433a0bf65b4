# SPDX-License-Identifier: Apache-2.0
"""MIG on a simulated machine: planned, applied, undone, brought back; nobody else's is touched."""
import json

from container import check
from lib import DIVVY, MachineUser, expect
from mig_world import World

MACHINE = """name: two-h100
gpus:
  - {model: h100-80-sxm, driver: 580.95.05, mig: on,
     instances: [{profile: 3g.40gb, start: 4, owner: old, in_use: true}]}
  - {model: h100-80-sxm, driver: 580.95.05, mig: off}
"""

FLEET = """version: 1
name: lab
tenants:
  - {name: tts, kind: container, count: 3, needs: {memory: 9GiB, isolation: hardware}}
  - {name: exact, kind: process, method: mig, profile: 2g.20gb, start: 2}
  - {name: big, kind: process, method: mig, profile: 4g.40gb}
"""


def test(user):
    world = World(user, MACHINE)
    before = world.layout()
    expect(before == [("on", [(4, "3g.40gb")]), ("off", [])], "as its file says", before)

    # A plan: exact places, the stranger stays, the mode is a step.
    fleet = world.write("lab.yaml", FLEET)
    plan = world.json("plan", fleet)
    places = {(a["gpu"], a["start"]): a["profile"] for a in plan["assignments"]}
    expect(len(plan["assignments"]) == 5 and not plan["unplaced"], "all are placed", plan)
    expect(places[("0", 0)] == "4g.40gb", "the half that the stranger leaves", places)
    expect([a for a in plan["assignments"] if a["tenant"] == "exact"][0]["start"] == 2, "the exact place")
    expect([s["op"] for s in plan["steps"]].count("mig.enable") == 1, "one mode is turned on", plan["steps"])
    expect(all(a["isolation"] == "hardware" for a in plan["assignments"]), "walls of the chip")
    expect(world.layout() == before, "a plan changes nothing")

    # A driver that fails in the middle: all is undone, the mode too.
    world.sim("fault", "nvmlDeviceCreateGpuInstanceWithPlacement", "4", "999")
    done = world.divvy("apply", fleet)
    expect(done.returncode == 1, "it failed", done)
    world.sim("calm")
    expect(world.layout() == before, "as before", world.layout())
    expect(world.json("leases")["leases"] == [], "nobody has anything")

    # A worker that is killed in the middle of a call.
    world.sim("fault", "nvmlDeviceCreateGpuInstanceWithPlacement", "3", "kill-after")
    done = world.divvy("apply", fleet)
    expect(done.returncode == 1, "it failed", done)
    world.sim("calm")
    expect(world.layout() == before, "as before", world.layout())

    # And as it should be.
    done = world.divvy("apply", fleet)
    expect(done.returncode == 0, "applied", done)
    expect(world.divvy("diff", fleet).returncode == 0, "as wanted")
    wanted = world.layout()
    expect(sum(len(instances) for _, instances in wanted) == 6 and wanted[1][0] == "on", "five and the old", wanted)
    expect(wanted[0][1] == [(0, "4g.40gb"), (4, "3g.40gb")], "where they belong", wanted)

    # A command in a partition sees that partition alone.
    done = world.divvy("run", "--name", "big", "--", "env")
    seen = [line for line in done.stdout.splitlines() if line.startswith("CUDA_VISIBLE_DEVICES=MIG-")]
    expect(done.returncode == 0 and len(seen) == 1, "one device", done)
    # It finds the machine's own driver, and is one who is there.
    done = world.divvy("run", "--name", "big", "--", "python3", "-c",
                       "import ctypes; print(ctypes.CDLL('libcuda.so.1').cuInit(0))")
    expect(done.returncode == 0 and done.stdout == "0\n", "the simulated driver", done)
    done = world.divvy("run", "--name", "big", "--", DIVVY, "--machine", world.path, "leases")
    expect([line.split()[-2:] for line in done.stdout.splitlines() if line.startswith("big ")] == [["active", "1"]],
           "somebody is there", done)

    # What a container is given: the environment, and exactly the nodes of its partition.
    gpu = [g for g in world.json("gpus")["gpus"] if g["id"] == "0"][0]["mig"]
    at = [i for i in gpu["instances"] if i["profile"] == "4g.40gb"][0]
    ci = [c for c in gpu["computes"] if c["instance"] == at["id"]][0]
    nodes = [f"/dev/nvidia{gpu['minor']}", "/dev/nvidiactl", "/dev/nvidia-uvm"] + \
        [f"/dev/nvidia-caps/nvidia-cap{n}" for n in (at["capability"], ci["capability"])]
    expect(at["capability"] == 3 + 135 * gpu["minor"] + 9 * at["id"], "by the GPU's minor number", at)
    expect(world.json("attach", "big")["devices"] == nodes, "the grant has them", nodes)
    device = check(world.good("attach", "big", "--as", "cdi").stdout)
    edits = device["containerEdits"]
    targets = [mount["containerPath"] for mount in edits["mounts"]]
    expect(device["name"] == "big", "a device by the lease's name", device)
    # Of a simulated machine they are files, and mounted.
    expect([t for t in targets if t.startswith("/dev/")] == nodes and not edits["deviceNodes"], "and the nodes", edits)
    expect("/run/divvy/lib/libcuda.so.1" in targets and "/run/divvy/lease" not in targets, "the driver, no layer", edits)
    expect(f"CUDA_VISIBLE_DEVICES={ci['uuid']}" in edits["env"] and "NVIDIA_VISIBLE_DEVICES=void" in edits["env"],
           "and the environment", edits)
    expect(f"NVIDIA_VISIBLE_DEVICES={ci['uuid']}\n" in world.divvy("attach", "big").stdout, "as lines")
    expect(world.divvy("attach", "big", "--as", "libvirt").returncode == 3, "not yet")
    expect(world.divvy("attach", "big", "--as", "cid").returncode == 2, "nor ever")

    # Export is the same fleet again.
    done = world.divvy("export")
    again = world.write("again.yaml", done.stdout)
    expect('profile: "4g.40gb"' in done.stdout and world.json("plan", again)["steps"] == [], "nothing to do", done)

    # To add one only what must be changed is.
    more = world.write("lab.yaml", FLEET + "  - {name: one, kind: process, method: mig, profile: 1g.10gb}\n")
    plan = world.json("plan", more)
    expect([s["op"] for s in plan["steps"]] == ["mig.create"] and plan["kept"] == 5, "one step", plan["steps"])

    # A reboot takes mode and partitions (on this chip); the next divvyd brings them back, the old one
    # that was nobody's lease is gone.
    world.sim("reboot")
    back = world.layout()
    expect([(mode, [i for i in instances if i != (4, "3g.40gb")]) for mode, instances in wanted] == back,
           "brought back, each at its place", back)
    expect(all(l["state"] == "ready" for l in world.json("leases")["leases"]), "and ready")

    # Somebody in a partition keeps it.
    gpu = [g for g in world.json("gpus")["gpus"] if g["id"] == "0"][0]["mig"]
    instance = [i for i in gpu["instances"] if i["profile"] == "4g.40gb"][0]["id"]
    pid = world.sim("hold", "0", "python3", "compute", str(instance), "0")
    done = world.divvy("--json", "release", "big")
    told = json.loads(done.stdout)
    expect(done.returncode == 3 and told["rule"] == "M05" and pid in told["message"], "it is named", told)
    world.sim("end", pid)
    expect(world.divvy("release", "big").returncode == 0, "and let go when nobody is there")

    # What cannot be is refused by rule, and nothing is changed.
    now = world.layout()
    for tenant, rule in (("{name: x, method: mig, profile: 9g.90gb}", "M01"),
                         ("{name: x, method: mig, profile: 2g.20gb, start: 3}", "M04"),
                         ("{name: x, method: mig, needs: {memory: 200GiB}}", "M04")):
        bad = world.write("bad.yaml", f"version: 1\nname: bad\ntenants:\n  - {tenant}\n")
        done = world.divvy("--json", "plan", bad)
        expect(json.loads(done.stdout)["unplaced"][0]["rules"] == [rule] and done.returncode == 3, rule, done)
        expect(json.loads(done.stdout)["unplaced"][0]["fix"], "with a way out", done)
        done = world.divvy("apply", bad)
        expect(done.returncode == 3 and rule in done.stderr, rule, done)
    expect(world.layout() == now, "nothing is changed")


def old_driver(user):
    """A driver that is too old for a GPU's MIG: that is what is said, and not that there is no MIG."""
    world = World(user, MACHINE)
    world.path = world.write("old.yaml", "name: old-h100\ngpus:\n"
                             "  - {model: h100-80-sxm, driver: 470.57.02, mig: off}\n")
    fleet = world.write("old-lab.yaml", "version: 1\nname: lab\ntenants:\n"
                        "  - {name: x, method: mig, profile: 2g.20gb}\n")
    unplaced = world.json("plan", fleet)["unplaced"][0]
    expect(unplaced["rules"] == ["M07"] and "525.85.12" in unplaced["reason"], "the least driver", unplaced)
    expect("driver" in unplaced["fix"], "what to do", unplaced)


user = MachineUser()
try:
    test(user)
    old_driver(user)
finally:
    user.end()
