# SPDX-License-Identifier: Apache-2.0
"""Partitions that a reboot took while divvyd is at work: made again, or left so and said."""
import os
import signal
import time

from lib import children, commands, expect, wait_for
from mig_world import MachineNode

MACHINE = """name: one-h100
gpus:
  - {model: h100-80-sxm, driver: 580.95.05, mig: off}
"""

FLEET = """version: 1
name: lab
tenants:
  - {name: a, kind: process, method: mig, profile: 3g.40gb}
  - {name: b, kind: process, method: mig, profile: 1c.3g.40gb}
"""


def begin(node):
    fleet = node.write("lab.yaml", FLEET)
    expect(node.divvy("apply", fleet).status == 0, "applied")
    expect(node.divvy("assert", fleet).status == 0, "as wanted")
    return fleet, node.layout()


# Nobody asks divvyd anything: its own look finds it, and the layout is there again.
with MachineNode(MACHINE, "mig: {look: 200ms}\n") as node:
    fleet, wanted = begin(node)
    node.sim("reboot")
    wait_for(lambda: len(node.logged("missing")) == 2)
    wait_for(lambda: node.layout() == wanted)
    wait_for(lambda: node.divvy("assert", fleet).status == 0)
    said = {e["subject"]: e["text"] for e in node.logged("missing")}
    expect(set(said) == {"a", "b"} and "made again" in said["a"], "and it is logged", said)

# Nothing is made, and it is said wherever one looks: also by the next divvyd.
with MachineNode(MACHINE, "mig: {look: 200ms, drift: report}\n") as node:
    fleet, wanted = begin(node)
    node.sim("reboot")
    wait_for(lambda: len(node.logged("missing")) == 2)
    for _ in range(2):
        expect(node.layout() == [("off", [])], "nothing is done", node.layout())
        leases = node.leases()
        expect(all(leases[n]["missing"] and leases[n]["state"] == "ready" for n in "ab"), "missing", leases)
        shown = node.divvy("status").out
        expect("missing" in shown and "partition of lease a (3g.40gb) is not there" in shown, "shown", shown)
        diff = node.json("diff", fleet)["diff"]
        expect({"tenant": "a", "what": "partition", "wanted": "3g.40gb", "actual": "not there"} in diff, "diff", diff)
        expect(node.divvy("assert", fleet).status == 4, "assert")
        done = node.divvy("run", "--name", "a", "--", "true")
        expect(done.status != 0 and "S20" in done.err, "nothing runs in it", done)
        node.crash()
        node.start()
    # Whoever applies the fleet again has all of it again.
    plan = node.json("plan", fleet)
    expect([s["op"] for s in plan["steps"]].count("mig.enable") == 1, "the plan tells all of it", plan["steps"])
    expect(node.divvy("apply", fleet).status == 0, "applied anew")
    wait_for(lambda: node.divvy("assert", fleet).status == 0)
    expect(node.layout() == wanted, "there again", node.layout())

# Two fleets on one GPU: whoever applies first turns the mode on beside what the other had, and takes none of its places.
with MachineNode(MACHINE, "mig: {look: 200ms, drift: report}\n") as node:
    fleets = [node.write(f"{name}.yaml", f"version: 1\nname: {name}\ntenants:\n  - {{name: {name}-t, kind: process, "
                         f"method: mig, profile: {profile}}}\n") for name, profile in (("a", "3g.40gb"), ("b", "1g.10gb"))]
    for fleet in fleets:
        expect(node.divvy("apply", fleet).status == 0, "one beside the other")
    wanted = node.layout()
    node.sim("reboot")
    wait_for(lambda: len(node.logged("missing")) == 2)
    done = node.divvy("plan", node.write("none.yaml", "version: 1\nname: none\ntenants: []\n"))
    expect(done.status == 0 and "mig.enable" not in done.out, "a third one has nothing to do there", done)
    for fleet in reversed(fleets):
        done = node.divvy("apply", fleet)
        expect(done.status == 0, "each by itself", done)
    expect(node.layout() == wanted, "all of it", node.layout(), wanted)
    wait_for(lambda: not any(lease.get("missing") for lease in node.leases().values()))

# Slices of a partition come back with it, the way into them too: while divvyd is at work, and where another's
# slice brings the partition back that was left so.
SLICED = """name: one-h100
gpus:
  - {model: h100-80-sxm, driver: 580.95.05, mig: on, compute_capability: "9.0"}
"""
SLICES = """version: 1
name: %s
tenants:
  - {name: %s, count: 2, kind: process, method: slice, profile: 3g.40gb, start: 0, needs: {memory: 8GiB, compute: 20%%}}
"""


def has_gate(node, name):
    return node.divvy("run", "--name", name, "--", "sh", "-c", 'test -S "$DIVVY_LEASE_SOCKET"').status == 0


for report in (False, True):
    with MachineNode(SLICED, "mig: {look: 200ms%s}\n" % (", drift: report" if report else "")) as node:
        expect(node.divvy("apply", node.write("lab.yaml", SLICES % ("lab", "a"))).status == 0, "applied")
        wanted = node.layout()
        node.sim("reset", "0")
        wait_for(lambda: len(node.logged("missing")) == 2)
        if report:
            node.crash()
            node.start()
            expect(node.leases()["a-0"]["missing"] and node.layout() == [("on", [])], "left so", node.layout())
            expect(node.divvy("apply", node.write("more.yaml", SLICES % ("more", "b"))).status == 0, "another's")
        wait_for(lambda: node.layout() == wanted)
        wait_for(lambda: not any(lease.get("missing") for lease in node.leases().values()))
        for name in ("a-0", "a-1"):
            expect(node.leases()[name]["state"] == "ready" and has_gate(node, name), "the way in", node.leases())
        expect(not node.logged("quarantine"), "nothing broke", node.logged("quarantine"))

# The driver tells what somebody changed, and what went wrong: at once, whatever the look.
with MachineNode(MACHINE, "mig: {look: 3600s}\n") as node:
    fleet, wanted = begin(node)
    gpu = node.json("gpus")["gpus"][0]["mig"]
    gi = [i["id"] for i in gpu["instances"] if not [c for c in gpu["computes"] if c["instance"] == i["id"] and
                                                    c["size"] < 3]][0]
    wait_for(lambda: "divvy-worker" in commands(node.daemon.pid))
    node.sim("xid", "0", "31", str(gi), "0")
    node.sim("xid", "0", "79")
    wait_for(lambda: len(node.logged("xid")) == 5)
    said = {(e["subject"], e["text"]) for e in node.logged("xid")}
    expect(("a", f"Xid 31, class application: GPU memory page fault, of GPU instance {gi}") in said, "its own", said)
    expect(not [s for s in said if s[0] == "b" and "31" in s[1]], "and no other's", said)
    expect({s[0] for s in said if "Xid 79, class gpu: GPU has fallen off the bus" in s[1]} ==
           {"a", "b", node.json("gpus")["gpus"][0]["uuid"]}, "everybody's", said)
    # What somebody does is seen as it is done.
    before = len(node.logged("missing"))
    node.sim("reset", "0")
    wait_for(lambda: node.layout() == wanted)
    expect(len(node.logged("missing")) > before, "and logged")
    wait_for(lambda: node.divvy("assert", fleet).status == 0)
    # A listener that is killed is started again, and what it missed meanwhile is looked for.
    for pid in children(node.daemon.pid):
        os.kill(pid, signal.SIGKILL)
    node.sim("reset", "0")
    wait_for(lambda: node.layout() == wanted, seconds=20)
    wait_for(lambda: node.divvy("assert", fleet).status == 0)

# A GPU that goes wrong without end: so many a minute are written down, and it is said that there are more.
with MachineNode(MACHINE, "mig: {look: 3600s}\n") as node:
    XIDS_MOST = 100

    def looks():
        """Counted down by each probe."""
        said, = [line for line in node.sim("show").splitlines() if line.startswith("fault")]
        return int(said.split()[-1])

    wait_for(lambda: "divvy-worker" in commands(node.daemon.pid))
    node.sim("fault", "nvmlInit_v2", "1000000", "999")
    for n in range(XIDS_MOST):
        node.sim("xid", "0", "31")
    wait_for(lambda: node.log().count("Xid 31,") == XIDS_MOST)
    wait_for(lambda: looks() < 1000000)
    time.sleep(0.5)  # what is due to be looked at is
    before = looks()
    for n in range(20):
        node.sim("xid", "0", "31")
    wait_for(lambda: "more than 100 Xids within 60 s" in node.log())
    time.sleep(0.5)
    expect(node.log().count("Xid") == XIDS_MOST + 1, "logged", node.log().count("Xid"))
    written = [e for e in node.json("log", "--lines", "1000")["entries"] if e["verb"] == "xid"]
    expect(len(written) == XIDS_MOST, "written down", len(written))
    expect(looks() == before, "nor looked at", before, looks())
