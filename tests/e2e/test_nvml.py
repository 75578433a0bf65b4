# SPDX-License-Identifier: Apache-2.0
"""What programs inside a slice of an NVIDIA GPU are shown by NVML: two tenants on one simulated GPU, each of which
sees its own slice, and nothing of the other."""
import json
import os
import signal
import sys
import time

from lab import CONTEXT_MIB, LOOK, TENANT, Lab, Seen, look, outside
from lib import TOP, MachineUser, expect, wait_for
from mig_world import World

LOOK_PY = os.path.join(TOP, "tests/e2e/cuda/nvml_look.py")
MIB = 1 << 20
NO_PERMISSION, NOT_FOUND, INVALID_ARGUMENT = 4, 6, 2


def python_of(user):
    """One that the user may run, or None."""
    for python in (sys.executable, "/usr/bin/python3"):
        if os.access(python, os.X_OK) and user.run("sh", "-c", f"{python} -c 'import ctypes'").returncode == 0:
            return python
    print("no Python for that user: what a Python program is shown is not tested")
    return None


def tenant(lab, name, memory, share, *what):
    child = lab.spawn("run", "--name", name, "--gpu", "0", "--memory", memory, "--compute", share, "--", TENANT, *what)
    pid = wait_for(lambda: next((l["pids"][0] for l in lab.leases() if l["name"] == name and l["pids"] and
                                 l["memory_used_mib"] > 0), None))
    return child, pid


def gpus_of(lab):
    return json.loads(lab.divvy("gpus", "--json").stdout)["gpus"]


def apart(lab):
    """Memory, processes and identifiers."""
    quiet, quiet_pid = tenant(lab, "quiet", "4GiB", "40%", "hold", str(1024 * MIB))
    expect(quiet.stdout.readline() == "held\n", "it holds its memory")
    other, other_pid = tenant(lab, "other", "6GiB", "50%", "hold", str(3000 * MIB))
    expect(other.stdout.readline() == "held\n", "so does the other")
    gpus = gpus_of(lab)
    python = python_of(lab.user)
    real = outside(lab)
    neighbour = str(real.words["serial_1"])
    expect(real.words["count"] == 2 and real.words["used_v2"] == 4024 + 2 * CONTEXT_MIB, real.text)
    expect(set(real.pids) == {quiet_pid, other_pid}, "without a slice everything is to be seen", real.text)
    for name, pid, total, held in (("quiet", quiet_pid, 4096, 1024), ("other", other_pid, 6144, 3000)):
        seen = look(lab, name, "libnvidia-ml.so.1", gpus[1]["uuid"], neighbour, gpus[1]["address"])
        words = seen.words
        used = held + CONTEXT_MIB
        expect(words["count"] == 1 and words["index"] == 0 and words["uuid"] == gpus[0]["uuid"], seen.text)
        expect((words["total"], words["used"], words["free"]) == (total, used, total - used), seen.text)
        expect((words["total_v2"], words["used_v2"], words["free_v2"]) == (total, used, total - used), seen.text)
        expect(words["bar1"] == real.words["bar1"], "the card's", seen.text)
        expect(seen.pids == {pid: used} and words["computing_v1"] == 1 and words["rendering"] == 0, seen.text)
        expect([seen.failed[f"by_{way}"] for way in ("uuid", "serial", "address", "index")] ==
               [NOT_FOUND, NOT_FOUND, NOT_FOUND, INVALID_ARGUMENT], seen.text)
        for secret in (gpus[1]["uuid"], neighbour):
            expect(secret not in seen.text, "a neighbour's name", secret, seen.text)
        denied = [word for word in seen.failed if word.startswith("nvmlDeviceSet")]
        expect(len(denied) == 4 and all(seen.failed[word] == NO_PERMISSION for word in denied), seen.text)
        # The same by Python.
        if not python:
            continue
        done = lab.divvy("run", "--name", name, "--", python, LOOK_PY)
        expect(done.returncode == 0, done)
        got = json.loads(done.stdout)
        expect(got == {"count": 1, "uuid": gpus[0]["uuid"], "total_mib": total, "used_mib": used,
                       "free_mib": total - used, "gpu": got["gpu"], "processes": {str(pid): used}}, got)
    # Who only looks is none of the tenant's processes.
    looker = lab.spawn("run", "--name", "quiet", "--", LOOK, "--stay")
    expect(looker.stdout.readline() == "init 0\n", "it looks")
    expect(next(l for l in lab.leases() if l["name"] == "quiet")["pids"] == [quiet_pid], lab.leases())
    for child in (looker, quiet, other):
        child.send_signal(signal.SIGTERM)
        expect(child.wait(10) == 143, "its end")
    wait_for(lambda: lab.leases() == [])


def busy(lab):
    """Of its share, and not of what the other does."""
    lazy, _ = tenant(lab, "lazy", "2GiB", "10%", "hold", str(64 * MIB))
    works, works_pid = tenant(lab, "works", "2GiB", "50%", "loop", "20000", "2000", "4")
    time.sleep(1.5)
    seen = look(lab, "lazy")
    expect(seen.words["gpu"] == 0 and not seen.busy, "an idle one beside a busy one", seen.text)
    # Alone it has the device without an end: then it is as busy as the card says, of its half.
    seen = look(lab, "works")
    expect(seen.words["gpu"] == 100 and set(seen.busy) == {works_pid}, seen.text)
    # Both: each is busy all of its share, whatever the other does.
    also, also_pid = tenant(lab, "also", "2GiB", "40%", "loop", "20000", "2000", "4")
    time.sleep(1.5)
    for name, pid in (("works", works_pid), ("also", also_pid)):
        seen = look(lab, name)
        print(f"{name}: {seen.words['gpu']} % of its share, {seen.busy}")
        expect(seen.words["gpu"] > 60 and set(seen.busy) == {pid}, seen.text)
    for child in (lazy, works, also):
        child.send_signal(signal.SIGTERM)
        child.wait(10)
    wait_for(lambda: lab.leases() == [])


MIG_MACHINE = """name: h100
gpus:
  - {model: h100-80-sxm, driver: 580.95.05, mig: on, compute_capability: "9.0"}
"""

MIG_FLEET = """version: 1
name: lab
tenants:
  - {name: few, kind: process, method: slice, profile: 3g.40gb, gpu: 0, needs: {memory: 8GiB, compute: 30%}}
  - {name: many, kind: process, method: slice, profile: 3g.40gb, gpu: 0, needs: {memory: 20GiB, compute: 70%}}
  - {name: alone, kind: process, method: mig, profile: 3g.40gb, gpu: 0}
"""


def in_partition(world):
    """Slices of a MIG partition: the GPU, that partition on it, and of that the slice."""
    world.good("apply", world.write("lab.yaml", MIG_FLEET))
    machines = world.user.machine("")
    world.dir = os.path.join(machines, next(name for name in os.listdir(machines) if name.startswith(world.name)))
    real = outside(world)
    expect(real.words["parts"] == 2, real.text)
    own = {}
    for name, total in (("few", 8192), ("many", 20480)):
        seen = look(world, name)
        words = seen.words
        expect(words["count"] == 1 and words["uuid"] == real.words["uuid"] and words["parts"] == 1, seen.text)
        expect(words["total"] == words["part_0_total"] == total and not seen.pids, seen.text)
        own[name] = words["part_0"]
    alone = world.good("run", "--name", "alone", "--", "sh", "-c", "echo $CUDA_VISIBLE_DEVICES").stdout.strip()
    expect(own["few"] == own["many"] != alone, "both are in one, and none in the other's", own, alone)
    expect({own["few"], alone} == {real.words["part_0"], real.words["part_1"]}, own, real.text)
    # A divvyd that was killed knows the partition again when it is back, and so does who looks.
    world.restart()
    expect(look(world, "few").words["part_0"] == own["few"], "after a restart")


user = MachineUser()
try:
    machine = Lab(user)
    apart(machine)
    busy(machine)
    in_partition(World(user, MIG_MACHINE, "h100"))
finally:
    user.end()
print("nvml: all held")
