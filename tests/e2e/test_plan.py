# SPDX-License-Identifier: Apache-2.0
"""plan, apply, diff, assert, export: what is planned is what is done, or nothing is."""
import json
import os

from lib import BURN, TOP, Node, expect, need_opencl, wait_for

need_opencl()


def write(node, name, text):
    path = os.path.join(node.dir, name)
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    return path


def names(node):
    return sorted(l["name"] for l in node.json("leases")["leases"])


FLEET = """version: 1
name: lab
tenants:
  - {name: a, kind: process, method: slice, needs: {memory: 256MiB, compute: 40%}}
  - {name: b, kind: process, count: 2, method: slice, policy: fixed-share,
     needs: {memory: 128MiB, compute: 20%}}
"""

with Node() as node:
    lab = write(node, "lab.yaml", FLEET)
    plan = node.json("plan", lab)
    expect(plan["schema"] == "divvy/plan/1", "the document", plan)
    expect([s["op"] for s in plan["steps"]] == ["slice.create"] * 3, "three slices are made", plan)
    expect(names(node) == [], "a plan changes nothing")
    expect(node.divvy("diff", lab).status == 4 and node.divvy("assert", lab).status == 4,
           "4: differs")

    # What is applied is what was planned.
    saved = os.path.join(node.dir, "lab.plan")
    expect(node.divvy("plan", lab, "-o", saved).status == 0, "a plan can be kept")
    got = node.divvy("apply", saved)
    expect(got.status == 0, "and applied", got)
    expect(names(node) == ["a", "b-0", "b-1"], "its tenants have their leases")
    for assignment in plan["assignments"]:
        lease = next(l for l in node.json("leases")["leases"] if l["name"] == assignment["tenant"])
        expect(lease["memory_mib"] == assignment["memory_mib"]
               and lease["compute_pct"] == assignment["compute_pct"]
               and lease["policy"] == assignment["policy"], "as planned", lease)
    expect(node.divvy("diff", lab).status == 0 and node.divvy("assert", lab).status == 0, "0: same")
    expect(node.json("plan", lab)["steps"] == [], "nothing is left to do")
    again = node.divvy("apply", lab)
    expect(again.status == 0 and names(node) == ["a", "b-0", "b-1"], "applying twice is once", again)

    # The kept plan is for a state that is gone.
    write(node, "lab.yaml", FLEET.replace("256MiB", "512MiB"))
    expect(node.divvy("plan", lab, "-o", saved).status == 0, "a new plan")
    other = write(node, "other.yaml", "version: 1\nname: other\ntenants:\n  - {name: c, kind: process, "
                  "method: slice, needs: {memory: 64MiB, compute: 5%}}\n")
    expect(node.divvy("apply", other).status == 0, "meanwhile another fleet")
    stale = node.divvy("apply", saved)
    expect(stale.status == 3 and "S12" in stale.err, "a stale plan is refused by rule", stale)
    document = node.json("apply", saved)
    expect(document["schema"] == "divvy/error/1" and document["rule"] == "S12", "also as a document",
           document)

    # Whoever runs is disturbed only on demand.
    child = node.spawn("run", "--name", "a", "--", BURN, "--for", "60s", "--memory", "32MiB")
    wait_for(lambda: next(l for l in node.json("leases")["leases"]
                          if l["name"] == "a")["memory_used_mib"] >= 32)
    refused = node.divvy("apply", lab, stdin="")
    expect(refused.status == 3 and "S14" in refused.err, "not without --yes", refused)
    expect(next(l for l in node.json("leases")["leases"] if l["name"] == "a")["memory_mib"] == 256,
           "nothing was changed")
    child.terminate()
    child.wait(20)
    wait_for(lambda: not next(l for l in node.json("leases")["leases"] if l["name"] == "a")["pids"])
    got = node.divvy("apply", lab, "--yes")
    expect(got.status == 0, "with it", got)
    expect(next(l for l in node.json("leases")["leases"] if l["name"] == "a")["memory_mib"] == 512,
           "the new limit")
    expect(names(node) == ["a", "b-0", "b-1", "c"], "the other fleet is not touched")

    # Not everything fits: status 3, and nothing is changed.
    before = names(node)
    big = write(node, "big.yaml", "version: 1\nname: big\ntenants:\n  - {name: small, kind: process, "
                "method: slice, needs: {memory: 64MiB, compute: 5%}}\n  - {name: huge, kind: process, "
                "method: slice, needs: {memory: 64MiB, compute: 90%}}\n")
    got = node.divvy("plan", big)
    expect(got.status == 3, "3: not everything could be placed", got)
    plan = node.json("plan", big)
    expect([u["tenant"] for u in plan["unplaced"]] == ["huge"] and plan["unplaced"][0]["rules"],
           "it says who and by which rule", plan["unplaced"])
    expect(node.divvy("apply", big).status == 3 and names(node) == before, "whole or not at all")

    # Slices and partitions of one device, never at once.
    part = write(node, "part.yaml", "version: 1\nname: part\ntenants:\n  - {name: p, kind: process, "
                 "method: partition, needs: {compute: 50%}}\n")
    expect(node.divvy("apply", part).status == 3, "a sliced device has no partitions")

    # What is there, as a file, is a fleet that gives the same.
    exported = node.divvy("export")
    expect(exported.status == 0, "export", exported)
    path = write(node, "exported.yaml", exported.out)
    got = node.divvy("plan", path)
    expect(got.status in (0, 3) and "F0" not in got.err, "and it can be read", got)

    # After a crash all of it stands, and a fleet of nobody takes its leases away.
    node.crash()
    node.start()
    expect(names(node) == ["a", "b-0", "b-1", "c"], "leases outlive a crash")
    write(node, "lab.yaml", "version: 1\nname: lab\ntenants: []\n")
    got = node.divvy("apply", lab, "--yes")
    expect(got.status == 0 and names(node) == ["c"], "an empty fleet gives its leases back", got)
    expect(any(e["verb"] == "apply" for e in node.json("log")["entries"]), "and the log tells it")
    got = node.divvy("apply", os.path.join(TOP, "docs/examples/demo.yaml"))
    expect(got.status in (0, 3), "the demo's fleet is a fleet", got)
print("plan: all held")
