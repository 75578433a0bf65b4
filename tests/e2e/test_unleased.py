# SPDX-License-Identifier: Apache-2.0
"""Who computes on a shared GPU without a lease is found, shown, and ended where that is wanted."""
import os
import signal
import subprocess

from lib import BUILD, end_session, expect, wait_for
from mig_world import MachineNode

TENANT = os.path.join(BUILD, "tests/e2e/cuda/cuda-tenant")
MIB = 1 << 20
MACHINE = """name: two
gpus:
  - {model: rtx4090, driver: 580.95.05, compute_capability: "8.9"}
  - {model: rtx4090, driver: 580.95.05, compute_capability: "8.9"}
"""


children = []


def begin(node, *command):
    """A program beside divvy, on the driver itself, or a command of divvy's."""
    child = subprocess.Popen(command, env=node.env, stdout=subprocess.PIPE, text=True, start_new_session=True)
    children.append(child)
    expect(child.stdout.readline() == "held\n", "it computes", command)
    return child


def sly(node, gpu, *shell):
    return begin(node, "env", f"CUDA_VISIBLE_DEVICES={gpu}", *shell, TENANT, "hold", str(100 * MIB))


def beside(node, mig):
    """On the simulated driver a MIG device is named by its own UUID."""
    return begin(node, "env", f"CUDA_VISIBLE_DEVICES={mig}", TENANT, "hold", str(100 * MIB))


def tenant_of(node):
    return begin(node, *node.command("run", "--gpu", "0", "--name", "good", "--memory", "2GiB", "--", TENANT, "hold",
                                     str(64 * MIB)))


def machine(config, text=MACHINE):
    node = MachineNode(text, config)
    node.env.update(LD_LIBRARY_PATH=node.machine, DIVVY_SIM_MACHINE=node.machine)
    return node


def end(*ended):
    for child in ended:
        end_session(child)


def gpus(node):
    return node.api("GET", "/v1/gpus")[1]["gpus"]


def seen(node, gpu):
    return [p["pid"] for p in gpus(node)[gpu].get("unleased", [])]


def reported():
    with machine("unleased: {look: 100ms}\n") as node:
        mine, other = sly(node, 0), sly(node, 1)
        # Nobody shares anything yet: then it is nobody's business.
        wait_for(lambda: node.divvy("gpus").status == 0)
        expect(seen(node, 0) == [] and seen(node, 1) == [], "nothing is shared", gpus(node))
        tenant = tenant_of(node)
        found = wait_for(lambda: seen(node, 0))
        expect(found == [mine.pid], "the one without a lease, and not the other", found)
        expect(seen(node, 1) == [], "a GPU that nobody shares", gpus(node))
        process, = gpus(node)[0]["unleased"]
        expect(process["command"] == "cuda-tenant" and process["memory_mib"] >= 100, process)
        for words in (("status",), ("gpus",), ("gpus", "0")):
            shown = " ".join(node.divvy(*words).out.split())
            expect(f"pid {mine.pid} cuda-tenant" in shown, "shown", words, shown)
        line = next(l for l in node.text("/metrics").splitlines()
                    if l.startswith('divvy_gpu_unleased_processes{gpu="0"'))
        expect(line.endswith("} 1"), "metrics", line)
        entry, = node.logged("unleased")
        expect(entry["subject"] == "GPU 0" and str(mine.pid) in entry["text"], "told once", entry)
        # What the driver says of a tenant is what divvyd counts, and what it does not count.
        lease = wait_for(lambda: next((l for l in node.leases().values() if "memory_seen_mib" in l), None))
        expect(lease["memory_used_mib"] <= lease["memory_seen_mib"] <= lease["memory_used_mib"] + 16,
               "account and driver", lease)
        # Seen again after a restart; gone when it is gone.
        node.crash()
        node.start()
        wait_for(lambda: seen(node, 0) == [mine.pid])
        expect(mine.poll() is None, "and left alone")
        end(mine)
        wait_for(lambda: seen(node, 0) == [])
        end(other, tenant)


def ended():
    with machine("unleased: {look: 100ms, action: stop}\n") as node:
        tenant, other, bad = tenant_of(node), sly(node, 1), sly(node, 0)
        expect(bad.wait(20) == -signal.SIGTERM, "told to end", bad.returncode)
        # One that does not listen is ended.
        deaf = sly(node, 0, "sh", "-c", 'trap "" TERM; exec "$@"', "sh")
        expect(deaf.wait(20) == -signal.SIGKILL, "ended", deaf.returncode)
        expect(tenant.poll() is None and other.poll() is None, "nobody else is")
        expect(len(node.logged("unleased")) == 2, "both are written down", node.logged("unleased"))
        end(other, tenant)


def in_partitions():
    """Whoever computes in a partition that no slices share is not meant."""
    text = MACHINE + "  - {model: h100-80-sxm, driver: 580.95.05, mig: on, compute_capability: \"9.0\"}\n"
    with machine("unleased: {look: 100ms}\n", text) as node:
        fleet = node.write("lab.yaml", "version: 1\nname: lab\ntenants:\n"
                           "  - {name: s, kind: process, method: slice, profile: 2g.20gb, needs: {memory: 4GiB}}\n"
                           "  - {name: p, kind: process, method: mig, profile: 3g.40gb}\n")
        expect(node.divvy("apply", fleet).status == 0, "applied")
        mig = gpus(node)[2]["mig"]
        by = {i["profile"]: next(c["uuid"] for c in mig["computes"] if c["instance"] == i["id"])
              for i in mig["instances"]}
        alone, shared = beside(node, by["3g.40gb"]), beside(node, by["2g.20gb"])
        wait_for(lambda: seen(node, 2))
        expect(seen(node, 2) == [shared.pid], "the one in the shared partition", gpus(node)[2])
        end(alone, shared)


try:
    reported()
    ended()
    in_partitions()
finally:
    end(*children)
