# SPDX-License-Identifier: Apache-2.0
"""Room by moving, on a simulated machine: never unasked, said in the plan, undone when it fails."""
import os

from lib import MachineUser, expect
from mig_world import World

MACHINE = """name: one-h100
gpus:
  - {model: h100-80-sxm, driver: 580.95.05, mig: on}
"""

BEFORE = """version: 1
name: lab
tenants:
  - {name: a, kind: process, method: mig, profile: 1g.10gb, start: 1}
"""

AFTER = """version: 1
name: lab
%s
tenants:
  - {name: a, kind: process, method: mig, profile: 1g.10gb}
  - {name: b, kind: process, method: mig, profile: 4g.40gb}
"""


def test(user):
    world = World(user, MACHINE, "one")
    expect(world.divvy("apply", world.write("before.yaml", BEFORE)).returncode == 0, "it stands")
    before = world.layout()
    expect(before == [("on", [(1, "1g.10gb")])], "in the way of what comes", before)

    # Nobody moves unasked; what would help is said.
    unasked = world.write("unasked.yaml", AFTER % "")
    plan = world.json("plan", unasked)
    expect(plan["kept"] == 1 and [u["tenant"] for u in plan["unplaced"]] == ["b"], "b waits", plan)
    expect("moves: 1" in plan["unplaced"][0]["fix"] and "'a'" in plan["unplaced"][0]["fix"], "what helps", plan)
    done = world.divvy("apply", unasked)
    expect(done.returncode == 3 and "moves: 1" in done.stderr, "refused, with the way out", done)
    expect(world.layout() == before, "nothing is changed")

    # Asked: said who, why, and whom it interrupts.
    asked = world.write("asked.yaml", AFTER % "moves: 1")
    done = world.divvy("plan", asked)
    expect(done.returncode == 0, "planned", done)
    expect("\na moves from GPU 0 at 1 to make room for 'b'; nobody uses it" in done.stdout, "said", done)
    plan = world.json("plan", asked)
    expect([s["op"] for s in plan["steps"]] == ["mig.destroy", "mig.create", "mig.create"], "in order", plan)
    expect([a["from"] is None for a in plan["assignments"]] == [False, True], "where it was", plan)
    expect(world.layout() == before, "a plan changes nothing")

    # A driver that fails in the middle: the moved one is back where it was.
    for at in ("1", "2"):
        world.sim("fault", "nvmlDeviceCreateGpuInstanceWithPlacement", at, "999")
        done = world.divvy("apply", asked)
        expect(done.returncode == 1, "it failed", done)
        world.sim("calm")
        expect(world.layout() == before, "as before", world.layout())

    # In use it does not move, unless the fleet says that it may; and the driver lets nobody end it then.
    gpu, = [g for g in world.json("gpus")["gpus"] if g["kind"] == "nvidia"]
    pid = world.sim("hold", "0", "python3", "compute", str(gpu["mig"]["instances"][0]["id"]), "0")
    bold = world.write("bold.yaml", AFTER % "moves: 1\ndefaults: {move: running}")
    done = world.divvy("apply", bold, "--yes")
    expect(done.returncode == 3 and "M05" in done.stderr and pid in done.stderr, "it is named", done)
    expect(world.layout() == before, "as before", world.layout())
    world.sim("end", pid)

    expect(world.divvy("apply", asked).returncode == 0, "applied")
    (_, after), = world.layout()
    expect((0, "4g.40gb") in after and len(after) == 2, "there is room", after)
    expect(world.divvy("assert", asked).returncode == 0, "as wanted")


MACHINE2 = """name: two-h100
gpus:
  - {model: h100-80-sxm, driver: 580.95.05, mig: on}
  - {model: h100-80-sxm, driver: 580.95.05, mig: on}
"""

PIECES = """version: 1
name: lab
tenants:
  - {name: a, kind: process, method: mig, profile: 1g.10gb, gpu: "0"%s}
  - {name: b, kind: process, method: mig, profile: 1g.10gb, gpu: "1"%s}
"""


def defragment(user):
    """Room in pieces: put together when asked, and by the apply of that plan alone."""
    world = World(user, MACHINE2, "two")
    saved = os.path.join(user.dir, "plan.json")
    fleet = world.write("pieces.yaml", PIECES % (", start: 1", ", start: 1"))
    world.good("apply", fleet)
    # The place is no wish any more.
    world.write("pieces.yaml", (PIECES % ("", "")).replace(', gpu: "0"', "").replace(', gpu: "1"', ""))
    expect("Nothing is to be done" in world.divvy("plan", fleet).stdout, "not unasked")
    done = world.good("plan", "--defragment", fleet, "-o", saved)
    said = " ".join(done.stdout.split())
    expect("to leave more room in one piece; nobody uses it" in said, "said", done)
    expect("7g.80gb 0 → 1" in said, "what it frees", done)
    expect("Nothing is to be done" in world.divvy("plan", fleet).stdout, "a plan changes nothing")
    world.good("apply", saved)
    gpus = [g["uuid"] for g in world.json("gpus")["gpus"] if g["kind"] == "nvidia"]
    used = sorted(sum(node.startswith(uuid) for node in world.leases().values()) for uuid in gpus)
    expect(used == [0, 2], "one GPU is free", used)
    done = world.divvy("plan", "--defragment", fleet)
    expect("no move would leave more room" in " ".join(done.stdout.split()), "once is enough", done)
    world.good("assert", fleet)


user = MachineUser()
try:
    test(user)
    defragment(user)
finally:
    user.end()
