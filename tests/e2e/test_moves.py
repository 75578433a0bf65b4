# SPDX-License-Identifier: Apache-2.0
"""Room by moving, on a simulated machine: never unasked, said in the plan, undone when it fails."""
import json
import os
import signal

from lib import SIM, MachineUser, expect, wait_for

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


class World:
    def __init__(self, user):
        self.user = user
        self.path = self.write("one.yaml", MACHINE)

    def write(self, name, text):
        path = os.path.join(self.user.dir, name)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(path, 0o644)
        return path

    def divvy(self, *args):
        return self.user.divvy("--machine", self.path, *args)

    def json(self, *args):
        return json.loads(self.divvy("--json", *args).stdout)

    def sim(self, verb, *args):
        machines = self.user.machine("")
        here, = [name for name in os.listdir(machines) if name.startswith("one")]
        done = self.user.run(SIM, verb, os.path.join(machines, here), *args)
        expect(done.returncode == 0, f"divvy-sim {verb}", done.stderr)
        return done.stdout.strip()

    def layout(self):
        """The instances by place, as the driver says it to a divvyd that looks anew."""
        for pid in self.user.daemons():
            os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not self.user.daemons())
        done = self.divvy("status")
        expect(done.returncode == 0, "it starts again", done)
        gpu, = [g for g in self.json("gpus")["gpus"] if g["kind"] == "nvidia"]
        return sorted((i["start"], i["profile"]) for i in gpu["mig"]["instances"])


def test(user):
    world = World(user)
    expect(world.divvy("apply", world.write("before.yaml", BEFORE)).returncode == 0, "it stands")
    before = world.layout()
    expect(before == [(1, "1g.10gb")], "in the way of what comes", before)

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
    said = " ".join(done.stdout.split())
    expect("move a moves from GPU 0 at 1 to make room for 'b'; nobody uses it" in said, "said", done)
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
    after = world.layout()
    expect((0, "4g.40gb") in after and len(after) == 2, "there is room", after)
    expect(world.divvy("assert", asked).returncode == 0, "as wanted")


user = MachineUser()
try:
    test(user)
finally:
    user.end()
