# SPDX-License-Identifier: Apache-2.0
"""divvyd ends, or is killed, and starts again: its tenants come back to it by themselves, also those
that began while it was away, and `divvy run` calls none of them unenforced for that."""
import os
import signal
import subprocess
import sys
import time

from lib import BURN, Node, children, commands, end_session, expect, need_opencl, wait_for

AWAY_S = 6  # a start of divvyd on a very busy machine
# Uses the driver once, says so, and makes no other call.
LOOKS = """
import ctypes, sys, time
count = ctypes.c_uint()
ctypes.CDLL("libOpenCL.so.1").clGetPlatformIDs(0, None, ctypes.byref(count))
open(sys.argv[1], "w").close()
time.sleep(1000)
"""


class Tenant:
    """`divvy run` of a command in a lease, in a session of its own; what it says is kept."""

    def __init__(self, node, name, options, *command):
        self.node, self.name, self.path = node, name, os.path.join(node.dir, name + ".err")
        with open(self.path, "w", encoding="utf-8") as err:
            self.run = node.spawn("run", "--name", name, *options, "--", *command, start_new_session=True,
                                  stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=err)

    def is_attached(self):
        """Its own process, and not one by which the launcher tried the lease."""
        self.check()
        lease = self.node.leases().get(self.name)
        return lease and set(lease["pids"]) & set(children(self.run.pid))

    def is_launching(self):
        return self.is_attached() and self.node.leases()[self.name]["got_pct"] > 0

    def check(self):
        with open(self.path, encoding="utf-8") as err:
            said = err.read()
        expect(self.run.poll() is None and not said, f"{self.name} runs on undisturbed", self.run.poll(), said)


def end_all(tenants):
    for tenant in tenants:
        end_session(tenant.run)


def they_come_back(node):
    """A tenant of a lease that stands, and one of a lease of its own, both at work."""
    node.take("stands", method="slice", memory_mib=256, compute_pct=30)
    tenants = [Tenant(node, "stands", [], BURN, "--for", "1000s"),
               Tenant(node, "goes", ["--memory", "256MiB", "--compute", "30%"], BURN, "--for", "1000s")]
    try:
        wait_for(lambda: all(t.is_launching() for t in tenants), 60)
        for how in (signal.SIGTERM, signal.SIGKILL):
            pids = [t.is_attached() for t in tenants]
            node.stop(how)
            node.start()
            wait_for(lambda: all(t.is_launching() for t in tenants))
            expect([t.is_attached() for t in tenants] == pids, f"the same processes, after {how.name}", pids)
        # As long as it takes to be called one that goes round the gate.
        time.sleep(4)
        for tenant in tenants:
            tenant.check()
    finally:
        end_all(tenants)
    wait_for(lambda: list(node.leases()) == ["stands"])


def begin_meanwhile(node, name, *command):
    """A tenant whose command begins only when divvyd is away."""
    go = os.path.join(node.dir, "go")
    if os.path.exists(go):
        os.unlink(go)
    tenant = Tenant(node, name, [], "sh", "-c", 'while [ ! -e "$0" ]; do sleep 0.05; done; exec "$@"', go,
                    *command)
    wait_for(lambda: tenant.check() or "sh" in commands(tenant.run.pid))
    node.crash()
    with open(go, "w", encoding="utf-8"):
        pass
    return tenant


def is_waited_for(node):
    """What begins meanwhile waits for divvyd."""
    tenant = begin_meanwhile(node, "stands", BURN, "--for", "1000s")
    try:
        wait_for(lambda: "divvy-burn" in commands(tenant.run.pid))
        time.sleep(AWAY_S)
        node.start()
        wait_for(tenant.is_launching, 30)
        tenant.check()
    finally:
        end_all([tenant])


def is_found(node):
    """And when it waits no more, it looks for divvyd, though the program asks for nothing."""
    done = os.path.join(node.dir, "looked")
    tenant = begin_meanwhile(node, "stands", sys.executable, "-c", LOOKS, done)
    try:
        wait_for(lambda: os.path.exists(done), 60)
        node.start()
        wait_for(tenant.is_attached)
        time.sleep(4)
        tenant.check()
    finally:
        end_all([tenant])


need_opencl()
with Node() as tested:
    they_come_back(tested)
    is_waited_for(tested)
    is_found(tested)
print("re-attached: all held")
