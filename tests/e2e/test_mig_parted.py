# SPDX-License-Identifier: Apache-2.0
"""Files of mig-parted on a simulated machine: applied, asserted, exported, changed with the least that
ends, undone, and back to nothing."""
import os

from lib import MachineUser, expect
from mig_world import World

MACHINE = """name: four-a100
driver: 550.90.07
cuda: 12040
gpus:
  - {model: a100-40, address: "0000:07:00.0"}
  - {model: a100-40, address: "0000:0f:00.0"}
  - {model: a100-40, address: "0000:47:00.0"}
  - {model: a100-40, address: "0000:4e:00.0"}
"""

SHARED = """name: shared-h100
gpus:
  - {model: h100-80-sxm, driver: 580.95.05, mig: on, instances: [{profile: 3g.40gb, start: 4, owner: old}]}
  - {model: h100-80-sxm, driver: 580.95.05, mig: off}
"""

CONFIGS = """version: v1
mig-configs:
  off:
    - devices: all
      mig-enabled: false
  empty:
    - devices: all
      mig-enabled: true
      mig-devices: {}
  small:
    - device-filter: ["0x20B010DE"]
      devices: all
      mig-enabled: true
      mig-devices:
        "1g.5gb": 7
    - device-filter: "0x233010DE"
      devices: all
      mig-enabled: true
      mig-devices:
        "1g.10gb": 7
  mixed:
    - devices: all
      mig-enabled: true
      mig-devices:
        "1g.5gb": 2
        "2g.10gb": 1
        "3g.20gb": 1
  with-media:
    - devices: all
      mig-enabled: true
      mig-devices:
        "1g.5gb+me": 1
        "1g.5gb": 3
        "3g.20gb": 1
  in-parts:
    - devices: all
      mig-enabled: true
      mig-devices:
        "1c.3g.20gb": 1
        "2c.3g.20gb": 1
        "2g.10gb": 1
  uneven:
    - devices: [0, 1]
      mig-enabled: false
    - devices: [2]
      mig-enabled: true
      mig-devices: {"7g.40gb": 1}
    - devices: [3]
      mig-enabled: true
      mig-devices: {"1g.5gb": 1, "2g.10gb": 1, "3g.20gb": 1}
  last-only:
    - devices: [3]
      mig-enabled: true
      mig-devices: {}
  half-of-h100:
    - devices: [0]
      mig-enabled: true
      mig-devices: {"3g.40gb": 2}
    - devices: [1]
      mig-enabled: true
      mig-devices: {}
"""

MANIFESTS = """apiVersion: v1
kind: Namespace
metadata: {name: gpus}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: parts}
data:
  config.yaml: |
""" + "".join("    " + line + "\n" for line in CONFIGS.splitlines())


def profiles(layout):
    return [sorted(profile for _, profile in instances) for _, instances in layout]


def check_is(world, configs, name):
    """The machine is as that config, and no other, says; what it exports is the same again."""
    world.good("assert", configs, "--config", name)
    expect(world.good("diff", configs, "-c", name).stdout == "", "no difference")
    for other in ("off", "empty", "mixed", "with-media", "in-parts", "uneven"):
        if other != name:
            done = world.divvy("assert", configs, "-c", other)
            expect(done.returncode == 4 and "is not as config " + other in done.stderr, other, done)
    out = world.write("exported.yaml", world.good("export", "--format", "mig-parted").stdout)
    world.good("assert", out)
    expect(world.json("plan", out)["steps"] == [], "nothing to do for what is exported")
    expect(world.json("plan", configs, "-c", name)["steps"] == [], "nor for the config")


def test_configs(world):
    configs = world.write("configs.yaml", CONFIGS)
    check_is(world, configs, "off")
    expect(world.leases() == {}, "nobody has anything")

    # The mode alone.
    world.good("apply", configs, "-c", "empty")
    check_is(world, configs, "empty")
    expect(world.layout() == [("on", [])] * 4, "on, and empty", world.layout())

    # Out of the manifest that carries it, on standard input too, through a saved plan.
    manifests = world.write("manifests.yaml", MANIFESTS)
    plan = os.path.join(world.user.dir, "plan.json")
    done = world.divvy("plan", manifests, "-c", "small", "-o", plan)
    expect(done.returncode == 0 and "1 of 2 entries" in done.stderr, "the other model's entry is told", done)
    world.good("apply", plan)
    check_is(world, configs, "small")
    expect(profiles(world.layout()) == [["1g.5gb"] * 7] * 4, "seven each")
    expect(len(world.leases()) == 28, "one lease each")
    seen = world.good("run", "--name", "gpu2-1g.5gb-3", "--", "env").stdout
    expect("CUDA_VISIBLE_DEVICES=MIG-" in seen, "a command gets its partition", seen)

    # Least disruption: five of the seven end, and the ones that somebody uses stay.
    here = world.json("gpus")["gpus"][1]["mig"]["instances"]
    used = [i["id"] for i in here if i["start"] == 4][0]
    pid = world.sim("hold", "1", "python3", "compute", str(used), "0")
    small = world.write("two.yaml", 'version: v1\nmig-configs: {two: [{devices: all, mig-enabled: true, '
                        'mig-devices: {"1g.5gb": 2, "3g.20gb": 1}}]}\n')
    world.layout()
    expect(any(i["holders"] for i in world.json("gpus")["gpus"][1]["mig"]["instances"]), "somebody is seen")
    plan = world.json("plan", small)
    ended = [s for s in plan["steps"] if s["op"] == "mig.destroy"]
    expect(len(ended) == 20 and plan["kept"] == 8, "as few as can be", plan["steps"])
    expect(not any(s["gpu"] == "1" and s["start"] == 4 for s in ended), "not the one in use", ended)
    world.good("apply", small)
    expect("gpu1-1g.5gb-4" in world.leases(), "its lease stands", world.leases())
    world.sim("end", pid)

    # A driver that fails in the middle: all of it is undone, and asserted as before.
    before = world.layout()
    world.sim("fault", "nvmlDeviceCreateGpuInstanceWithPlacement", "3", "999")
    done = world.divvy("apply", configs, "-c", "with-media")
    expect(done.returncode == 1, "it failed", done)
    world.sim("calm")
    expect(world.layout() == before, "as before", world.layout())
    world.good("assert", small)
    world.good("apply", configs, "-c", "with-media")
    check_is(world, configs, "with-media")
    world.good("apply", configs, "-c", "mixed")
    check_is(world, configs, "mixed")

    # Parts of partitions: seen before the next probe as after it, and back to whole ones.
    world.good("apply", configs, "-c", "in-parts")
    check_is(world, configs, "in-parts")
    expect(profiles(world.layout()) == [["2g.10gb", "3g.20gb"]] * 4, "in one partition", world.layout())
    check_is(world, configs, "in-parts")
    expect(len(world.leases()) == 3 * 4, "a lease for each part", world.leases())
    world.good("apply", configs, "-c", "mixed")
    check_is(world, configs, "mixed")

    # GPU by GPU; then what has no entry stays as it is.
    world.good("apply", configs, "-c", "uneven")
    check_is(world, configs, "uneven")
    layout = world.layout()
    expect([mode for mode, _ in layout] == ["off", "off", "on", "on"], "as the entries say", layout)
    done = world.good("apply", configs, "-c", "last-only")
    expect("GPU 0, 1, 2: config 'last-only' has no entry for them" in done.stderr, "told", done)
    expect(world.layout() == layout[:3] + [("on", [])], "the others stand", world.layout())
    world.good("assert", configs, "-c", "last-only")

    # A mode that the driver does not turn off: the partitions are back.
    world.good("apply", configs, "-c", "uneven")
    before, leases = world.layout(), world.leases()
    world.sim("fault", "nvmlDeviceSetMigMode", "2", "999")
    done = world.divvy("apply", configs, "-c", "off")
    expect(done.returncode == 1, "it failed", done)
    world.sim("calm")
    expect(world.layout() == before and world.leases() == leases, "as before", world.layout())

    world.good("apply", configs, "-c", "off")
    check_is(world, configs, "off")
    expect(world.layout() == [("off", [])] * 4 and world.leases() == {}, "nothing is left", world.layout())


def test_refusals(world):
    configs = world.write("configs.yaml", CONFIGS)
    told = world.refused("apply", configs, rule="F10", says="none is named", code=2)
    expect("off, empty, small, mixed" in told["fix"], "they are listed", told)
    world.refused("apply", configs, "-c", "mixd", rule="F11", says="'mixed' meant", code=2)
    fleet = world.write("lab.yaml", "version: 1\nname: lab\ntenants: []\n")
    world.refused("plan", fleet, "-c", "off", rule="F12", says="no file of mig-parted", code=2)
    for text, rule, says in (('"1g.5gb": 8', "M04", "no places for all"),
                             ('"3g.20gb": 2, "1g.5gb": 1', "M04", "9 memory slices"),
                             ('"1g.10gb+me": 1', "M01", "has no profile"),
                             ('"5c.7g.40gb": 1', "M01", "no such part")):
        bad = world.write("bad.yaml", "version: v1\nmig-configs:\n  x:\n    - devices: [0]\n      mig-enabled: true\n"
                          f"      mig-devices: {{{text}}}\n")
        told = world.refused("apply", bad, rule=rule, says=says)
        expect(told["line"] and told["fix"], "with its place", told)
    bad = world.write("bad.yaml", "version: v1\nmig-configs: {x: [{devices: [4], mig-enabled: false}]}\n")
    world.refused("apply", bad, rule="S18", says="names GPU 4")
    bad = world.write("bad.yaml", "version: v1\nmig-configs:\n  x:\n    - devices: all\n     mig-enabled: true\n")
    told = world.refused("apply", bad, rule="F01", says="not readable as YAML", code=2)
    expect(told["line"] == 5, "with its place", told)
    expect(world.layout() == [("off", [])] * 4, "nothing is changed")


def test_strangers(world):
    """What divvy did not make counts, and is not ended."""
    configs = world.write("configs.yaml", CONFIGS)
    before = world.layout()
    expect(before == [("on", [(4, "3g.40gb")]), ("off", [])], "as its file says", before)
    world.refused("apply", configs, "-c", "off", rule="M05", says="GPU 0: its MIG mode cannot be turned off")
    world.refused("apply", configs, "-c", "small", rule="S01", says="3g.40gb at 4, which divvy did not make")
    expect(world.layout() == before, "nothing is changed")
    world.good("apply", configs, "-c", "half-of-h100")
    world.good("assert", configs, "-c", "half-of-h100")
    expect(world.layout() == [("on", [(0, "3g.40gb"), (4, "3g.40gb")]), ("on", [])], "one beside it", world.layout())
    expect(len(world.leases()) == 1, "one is ours", world.leases())
    # A fleet's own wish for a mode is compared too.
    fleet = world.write("modes.yaml", "version: 1\nname: modes\ngpus: [{match: {index: 1}, mig: off}]\ntenants: []\n")
    expect(world.divvy("assert", fleet).returncode == 4, "it is on")
    world.good("apply", fleet)
    world.good("assert", fleet)
    expect(world.layout()[1] == ("off", []), "and off", world.layout())
    expect(world.divvy("assert", configs, "-c", "half-of-h100").returncode == 4, "which the config does not want")


for scenario, name, machine in ((test_configs, "four", MACHINE), (test_refusals, "four", MACHINE),
                                (test_strangers, "shared", SHARED)):
    user = MachineUser()
    try:
        scenario(World(user, machine, name))
    finally:
        user.end()
