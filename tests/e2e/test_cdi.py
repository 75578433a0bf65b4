# SPDX-License-Identifier: Apache-2.0
"""Containers of slices: what `divvy attach --as cdi` writes is all that they have. Limits and shares hold in them,
they see their slice and nothing of their neighbours, and they outlive divvyd."""
import json
import os
import re
import signal
import stat
import time

from container import ByCrun, ByHand, ByPodman, check, end_all, finish
from lab import CONTEXT_MIB, TENANT, Lab
from lib import BUILD, MachineUser, expect, skip, wait_for
from mig_world import World

LOOK = os.path.join(BUILD, "tests/e2e/cuda/nvml-look")
MIB = 1 << 20
FLEET = """version: 1
name: boxes
tenants:
  - {name: one, kind: container, method: slice, needs: {memory: 4GiB, compute: 30%}, gpu: 0}
  - {name: two, kind: container, method: slice, needs: {memory: 6GiB, compute: 70%}, gpu: 0}
  - {name: far, kind: container, method: slice, needs: {memory: 6GiB, compute: 70%}, gpu: 1}
"""
MIG_MACHINE = """name: h100
gpus:
  - {model: h100-80-sxm, driver: 580.95.05, mig: on, compute_capability: "9.0"}
"""
MIG_FLEET = """version: 1
name: lab
tenants:
  - {name: part, kind: container, method: mig, profile: 1g.10gb, gpu: 0}
  - {name: bit, kind: container, method: slice, profile: 3g.40gb, gpu: 0, needs: {memory: 8GiB, compute: 30%}}
"""


class Boxes:
    def __init__(self, lab):
        self.lab, self.user = lab, lab.user
        path = os.path.join(self.user.dir, "boxes.yaml")
        with open(path, "w", encoding="utf-8") as f:
            f.write(FLEET)
        os.chmod(path, 0o644)
        done = lab.divvy("apply", path)
        expect(done.returncode == 0, done)
        self.files = {}

    def write(self, name, *options):
        path = os.path.join(self.user.dir, f"divvy-{name}.json")
        done = self.lab.divvy("attach", name, "--as", "cdi", "-o", path, *options)
        expect(done.returncode == 0 and done.stdout == "" and f"divvy/lease={name}" in done.stderr, done)
        expect(stat.S_IMODE(os.stat(path).st_mode) == 0o600, "for its owner only")
        with open(path, encoding="utf-8") as f:
            self.files[name] = f.read()
        expect(os.listdir(self.user.dir).count(f"divvy-{name}.json") == 1 and
               not [n for n in os.listdir(self.user.dir) if n.startswith(f"divvy-{name}.json.")], "nothing beside it")
        return check(self.files[name])

    def box(self, kind, name, *options, env=()):
        return kind(self.user, self.write(name, *options), [TENANT, LOOK], env)

    def lease(self, name):
        return next(lease for lease in self.lab.leases() if lease["name"] == name)


def values(text):
    return dict(line.split("=", 1) for line in text.splitlines())


def limits(boxes, kind):
    box = boxes.box(kind, "one")
    status, out, err = box.run("/app/cuda-tenant", "info")
    expect((status, out) == (0, f"{(4096 - CONTEXT_MIB) * MIB} {4096 * MIB}\n"), "the slice, a context taken", out,
           err)
    left = (4096 - CONTEXT_MIB) * MIB
    status, out, err = box.run("/app/cuda-tenant", "alloc", str(left))
    expect(status == 0, "the limit itself", status, out, err)
    status, out, err = box.run("/app/cuda-tenant", "alloc", str(left + 1))
    expect(status == 3, "a byte over it", status, out, err)


def apart(boxes, kind):
    """A neighbour on the same GPU, and one on another."""
    one, two, far = (boxes.box(kind, name) for name in ("one", "two", "far"))
    holders = [box.spawn("/app/cuda-tenant", "hold", str(size * MIB))
               for box, size in ((one, 512), (two, 2048), (far, 1024))]
    for holder in holders:
        expect(holder.stdout.readline() == "held\n", "it holds its memory", holder.poll())
    pids = {name: wait_for(lambda n=name: boxes.lease(n)["pids"]) for name in ("one", "two", "far")}
    for name, size in (("one", 512), ("two", 2048), ("far", 1024)):
        expect(len(pids[name]) == 1 and os.path.exists(f"/proc/{pids[name][0]}"), "by its number on this machine", pids)
        expect(boxes.lease(name)["memory_used_mib"] == size + CONTEXT_MIB, boxes.lease(name))
    status, out, err = one.run("/app/nvml-look")
    expect(status == 0, status, out, err)
    words = dict(line.split(None, 1) for line in out.splitlines() if line.count(" ") == 1)
    gpus = json.loads(boxes.lab.divvy("gpus", "--json").stdout)["gpus"]
    expect(words["count"] == "1" and words["uuid"] == gpus[0]["uuid"], out)
    expect((words["total"], words["used"]) == ("4096", str(512 + CONTEXT_MIB)), "NVML shows the slice", out)
    seen = re.findall(r"^pid (\d+) (\d+)$", out, re.M)
    expect(len(seen) == 1 and seen[0][1] == str(512 + CONTEXT_MIB), "and its own process", out)

    # What it has been given says nothing of the others.
    status, env, err = one.run("/usr/bin/env")
    expect(status == 0, err)
    env = values(env)
    expect(env["NVIDIA_VISIBLE_DEVICES"] == "void" and env["CUDA_VISIBLE_DEVICES"] == gpus[0]["uuid"] and
           env["DIVVY_LEASE_SOCKET"] == "/run/divvy/lease/sock", env)
    status, inside, err = one.run("/usr/bin/find", "/run", "/dev", boxes.lab.dir, "-not", "-path",
                                  boxes.lab.dir + "/root/*")
    nonces = {name: values("\n".join(check(text)["containerEdits"]["env"]))["DIVVY_LEASE_NONCE"]
              for name, text in boxes.files.items()}
    secrets = [gpus[1]["uuid"], nonces["two"], nonces["far"], "divvyd.sock", "state.db", "leases"]
    for secret in secrets:
        expect(secret not in inside and secret not in boxes.files["one"].replace("run/leases/lease-1\"", "") and
               secret not in str(env) and secret not in out, "a neighbour's", secret, inside, out)
    expect(sorted(line for line in inside.splitlines() if line.startswith("/run/divvy/lease")) ==
           ["/run/divvy/lease", "/run/divvy/lease/sock"], "its own socket alone", inside)
    for holder in holders:
        holder.send_signal(signal.SIGTERM)
    for pid in sum(pids.values(), []):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    for holder in holders:
        holder.wait(20)
    wait_for(lambda: all(not boxes.lease(name)["pids"] for name in ("one", "two", "far")))


def shares(boxes, kind):
    loop = ["/app/cuda-tenant", "loop", "5000", "1000", "4"]
    children = [boxes.box(kind, name).spawn(*loop) for name in ("one", "two")]
    few, many = (int(finish(child)[1]) for child in children)
    got = 100 * few / (few + many)
    print(f"{kind.__name__}: 30 to 70: {got:.1f} %")
    expect(22 < got < 40, "shares hold", few, many)


def outlives(boxes, kind):
    """divvyd is killed and starts anew: the container is its tenant again, and what comes after it, too."""
    box = boxes.box(kind, "one")
    child = box.spawn("/app/cuda-tenant", "loop", "6000", "1000")
    pid = wait_for(lambda: boxes.lease("one")["pids"])
    for daemon in boxes.user.daemons():
        os.kill(daemon, signal.SIGKILL)
    wait_for(lambda: not boxes.user.daemons())
    wait_for(lambda: boxes.lease("one")["pids"] == pid)
    status, out, err = finish(child)
    expect(status == 0 and int(out) > 500, "it went on", status, out, err)
    status, out, err = box.run("/app/cuda-tenant", "info")
    expect(status == 0 and out.endswith(f" {4096 * MIB}\n"), "the same file does", status, out, err)


def first(boxes, kind):
    """Another library of the same name in the image's own path is not found before ours."""
    driver = os.path.realpath(boxes.lab.library)
    device = boxes.write("one", "--library-path", "/opt/compat:/opt/more")
    device["containerEdits"]["mounts"].append({"hostPath": driver, "containerPath": "/opt/compat/libcuda.so.1",
                                               "options": ["ro", "bind"]})
    box = kind(boxes.user, device, [TENANT], env=["LD_LIBRARY_PATH=/opt/compat", "NVIDIA_VISIBLE_DEVICES=all"])
    status, out, err = box.run("/app/cuda-tenant", "info")
    expect(status == 0 and out.endswith(f" {4096 * MIB}\n"), "the slice", status, out, err)
    status, out, err = box.run("/usr/bin/env")
    expect(values(out)["LD_LIBRARY_PATH"] == "/run/divvy/lib:/opt/compat:/opt/more" and
           values(out)["NVIDIA_VISIBLE_DEVICES"] == "void", out)


def refused(boxes, kind):
    lab = boxes.lab
    for words, status, says in ((("attach", "none", "--as", "cdi"), 3, "S09"),
                                (("attach", "one", "--as", "kubevirt"), 3, "G09"),
                                (("attach", "one", "--as", "cid"), 2, "F11")):
        done = lab.divvy(*words)
        expect(done.returncode == status and says in done.stderr and done.stdout == "", words, done)
    child = lab.spawn("run", "--name", "short", "--memory", "2GiB", "--compute", "10%", "--gpu", "1", "--", "sleep",
                      "30")
    wait_for(lambda: any(lease["name"] == "short" for lease in lab.leases()))
    done = lab.divvy("attach", "short", "--as", "cdi")
    expect(done.returncode == 3 and "S21" in done.stderr, "a command's own lease", done)
    child.send_signal(signal.SIGTERM)
    child.wait(20)
    # The lease gone, its file is good for nothing, and starts nothing without limits.
    box = boxes.box(kind, "one")
    holder = box.spawn("/app/cuda-tenant", "loop", "20000", "1000")
    wait_for(lambda: boxes.lease("one")["pids"])
    begun = time.monotonic()
    expect(lab.divvy("release", "one").returncode == 0, "released")
    status, out, err = finish(holder)
    expect(status == 4 and time.monotonic() - begun < 15, "its launches are refused", status, out, err)
    status, out, err = box.run("/app/cuda-tenant", "info")
    expect(status != 0 and out == "", "and nothing starts by it", status, out, err)


def strangers(boxes):
    """Who is neither the lease's owner nor root gets nothing, whatever he is given."""
    box = boxes.box(ByCrun, "one")
    box.inside = 1
    status, out, err = box.run("/app/cuda-tenant", "info")
    expect(status == 4 and "cuInit: 802" in err and out == "", "not ready for him", status, out, err)
    box.inside = 0
    expect(box.run("/app/cuda-tenant", "info")[0] == 0, "the owner")


def partitions(somebody, kind):
    """A MIG partition has the driver's own libraries, a slice of one has the layer: both as `divvy run` has them."""
    world = World(somebody, MIG_MACHINE)
    world.good("apply", world.write("lab.yaml", MIG_FLEET))
    place = somebody.machine(next(n for n in os.listdir(somebody.machine("")) if n.startswith(world.name)))
    for name, before in (("part", ["env", f"LD_LIBRARY_PATH={place}"]), ("bit", [])):
        box = kind(somebody, check(world.good("attach", name, "--as", "cdi").stdout), [TENANT])
        status, out, err = box.run("/app/cuda-tenant", "info")
        wanted = world.good("run", "--name", name, "--", *before, TENANT, "info").stdout
        expect(status == 0 and out == wanted, name, status, out, err, wanted)
        print(f"{kind.__name__}: {name}: {out.strip()}")


user = MachineUser()
try:
    why = {kind: kind.why_not(user) for kind in (ByHand, ByCrun, ByPodman)}
    if all(why.values()):
        skip(f"no container can be made here: {list(why.values())}")
    machine = Lab(user)
    rooms = Boxes(machine)
    for way in (ByHand, ByCrun, ByPodman):
        if why[way]:
            print(f"not {way.__name__}: {why[way].strip()}")
            continue
        for act in (limits, apart, shares, outlives, first):
            act(rooms, way)
        partitions(user, way)
        if way is ByCrun:
            strangers(rooms)
        last = way
    refused(rooms, last)
finally:
    end_all()
    user.end()
print("containers: all held")
