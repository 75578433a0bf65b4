# SPDX-License-Identifier: Apache-2.0
"""Whoever runs in a lease is somebody, though they use no device: shown by leases, who and plan, and
not disturbed by apply without --yes. Slices, and a real partition in the cgroups that there are."""
import os
import subprocess

from lib import BURN, Node, children, commands, expect, need_opencl, wait_for

FLEET = """version: 1
name: lab
tenants:
  - {name: a, kind: process, %s}
"""
SLICE = "method: slice, needs: {memory: %dMiB, compute: 20%%}"
PARTITION = "method: partition, needs: {compute: %d%%}"


def write(node, text):
    path = os.path.join(node.dir, "lab.yaml")
    with open(path, "w", encoding="utf-8") as f:
        f.write(FLEET % text)
    return path


def refused(node, path, pid):
    """Plan and apply say who would be disturbed; nothing happens."""
    before = node.standing()
    plan = node.json("plan", path)
    ends = [s for s in plan["steps"] if s["op"].endswith(".destroy")]
    expect([s["disturbs"] for s in ends] == [["a"]], "the plan disturbs a", plan["steps"])
    expect(pid in [u["pid"] for u in ends[0]["lease"]["users"]], "and says by whom it is used", ends)
    expect(f"pid {pid} sleep" in node.divvy("plan", path).out.replace("\n", " "), "in words too",
           node.divvy("plan", path))
    got = node.divvy("apply", path, stdin="")
    expect(got.status == 3 and "S14" in got.err and f"pid {pid} sleep" in " ".join(got.err.split()),
           "apply is refused", got)
    expect(node.standing() == before, "nothing was changed")


def held_by(node, pid):
    return next((h for h in node.json("who", "0")["holders"] if h["pid"] == pid), None)


def start(node):
    """A command that never touches the device: (launcher, its pid)."""
    child = node.spawn("run", "--name", "a", "--", "sleep", "1000")
    wait_for(lambda: "sleep" in commands(child.pid))
    return child, children(child.pid)[0]


need_opencl()
with Node() as node:
    lab = write(node, SLICE % 256)
    expect(node.divvy("apply", lab).status == 0, "the fleet stands")
    expect(node.leases()["a"]["state"] == "ready", "nobody is in it")
    child, pid = start(node)
    try:
        lease = node.leases()["a"]
        expect(lease["state"] == "active" and not lease["pids"], "in use, not attached", lease)
        expect([u["pid"] for u in lease["users"]] == [pid], "by the command", lease)
        holder = held_by(node, pid)
        expect(holder and holder["lease"] == "a" and holder["command"] == "sleep", "who says so", holder)
        refused(node, write(node, SLICE % 512), pid)
    finally:
        child.terminate()
    expect(child.wait(10) == 143, "its own status")
    wait_for(lambda: node.leases()["a"]["state"] == "ready")
    expect(node.divvy("apply", lab).status == 0 and node.leases()["a"]["memory_mib"] == 512,
           "now it may be changed")

    # With consent it goes on all the same.
    child, pid = start(node)
    got = node.divvy("apply", write(node, SLICE % 128), "--yes")
    expect(got.status == 0 and node.leases()["a"]["memory_mib"] == 128, "with --yes", got)
    child.terminate()
    child.wait(10)
    write(node, SLICE % 128)
    with open(lab, "w", encoding="utf-8") as f:
        f.write("version: 1\nname: lab\ntenants: []\n")
    expect(node.divvy("apply", lab, "--yes").status == 0 and not node.leases(), "all is given back")

    # A partition: who lives in its cgroup is in it, however they came there.
    device = node.json("gpus")["gpus"][0]
    got = node.divvy("apply", write(node, PARTITION % 50))
    expect(got.status == 0, "a partition", got)
    where = node.json("leases")["leases"][0]["node"].rpartition("/")[2]
    cpuset = next((d for d in ("/sys/fs/cgroup/cpuset/divvy", "/sys/fs/cgroup/divvy",
                               "/sys/fs/cgroup/unified/divvy") if os.path.isdir(os.path.join(d, where))), None)
    child, pid = start(node)
    try:
        if cpuset:
            with open(os.path.join(cpuset, where, "cgroup.procs"), encoding="ascii") as f:
                expect(str(pid) in f.read().split(), "the command lives in the partition")
        refused(node, write(node, PARTITION % 100), pid)
        if cpuset:
            # Without its launcher it is there still.
            child.kill()
            child.wait()
            lease = wait_for(lambda: next((l for l in node.leases().values()
                                           if l["users"] and l["users"][0]["member"]), None))
            expect([u["pid"] for u in lease["users"]] == [pid] and lease["state"] == "active",
                   "a member of the cgroup", lease)
            expect(held_by(node, pid)["what"] == "runs in the lease's partition", "who says so")
            refused(node, lab, pid)
            os.kill(pid, 9)
    finally:
        if child.poll() is None:
            child.terminate()
            child.wait(10)
    wait_for(lambda: node.leases()["a"]["state"] == "ready")
    if cpuset:
        with open(os.path.join(cpuset, where, "cpuset.cpus"), encoding="ascii") as f:
            cpus = f.read().strip()
        got = node.divvy("run", "--name", "a", "--", "grep", "Cpus_allowed_list", "/proc/self/status")
        expect(got.status == 0 and got.out.split()[-1] == cpus, "the kernel keeps it there", got, cpus)
        got = node.divvy("run", "--name", "a", "--", BURN, "--for", "100ms")
        expect(got.status == 0, "OpenCL in a partition", got)
    got = node.divvy("apply", lab)
    expect(got.status == 0, "an unused partition may be changed", got)
    with open(lab, "w", encoding="utf-8") as f:
        f.write("version: 1\nname: lab\ntenants: []\n")
    expect(node.divvy("apply", lab).status == 0 and not node.leases(), "all is given back")
    expect(not cpuset or not os.path.exists(os.path.join(cpuset, where)), "no cgroup is left")
if not cpuset:
    how = "by CPU affinity: " + next(m["why"] for m in device["methods"] if m["name"] == "partition")
else:
    how = "cgroups of version %d in %s" % (1 if "/cpuset/" in cpuset else 2, cpuset)
print("in use: all held; partitions", how)
