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
    machine = os.path.join(user.dir, "two.yaml")
    fleet = os.path.join(user.dir, "pieces.yaml")
    saved = os.path.join(user.dir, "plan.json")

    def write(path, text):
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(path, 0o644)

    def divvy(*args):
        return user.divvy("--machine", machine, *args)

    write(machine, MACHINE2)
    write(fleet, PIECES % (", start: 1", ", start: 1"))
    expect(divvy("apply", fleet).returncode == 0, "two pieces")
    # The place is no wish any more.
    write(fleet, (PIECES % ("", "")).replace(', gpu: "0"', "").replace(', gpu: "1"', ""))
    expect("Nothing is to be done" in divvy("plan", fleet).stdout, "not unasked")
    done = divvy("plan", "--defragment", fleet, "-o", saved)
    said = " ".join(done.stdout.split())
    expect(done.returncode == 0 and "to leave more room in one piece; nobody uses it" in said, "said", done)
    expect("7g.80gb 0 and 1" in said, "what it frees", done)
    expect("Nothing is to be done" in divvy("plan", fleet).stdout, "a plan changes nothing")
    expect(divvy("apply", saved).returncode == 0, "that plan is applied")
    gpus = [g for g in json.loads(divvy("--json", "gpus").stdout)["gpus"] if g["kind"] == "nvidia"]
    used = sorted(len([lease for lease in json.loads(divvy("--json", "leases").stdout)["leases"]
                       if lease["node"].startswith(g["uuid"])]) for g in gpus)
    expect(used == [0, 2], "one GPU is free", used)
    done = divvy("plan", "--defragment", fleet)
    expect("no move would leave more room" in " ".join(done.stdout.split()), "once is enough", done)
    expect(divvy("assert", fleet).returncode == 0, "as wanted")


user = MachineUser()
try:
    test(user)
    defragment(user)
finally:
    user.end()
