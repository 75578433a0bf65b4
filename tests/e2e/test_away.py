# SPDX-License-Identifier: Apache-2.0
"""What tenants do while divvyd is away, killed without a word, by divvyd.yaml: `away: run` goes on, `away: wait`
stands still until divvyd is back and has granted anew. No program is started anew for it."""
import os
import signal
import subprocess
import time

from lib import BUILD, children, expect, wait_for
from mig_world import MachineNode

ROBUST = os.path.join(BUILD, "tests/e2e/cuda/cuda-robust")
MACHINE = """name: one
gpus:
  - {model: rtx4090, driver: 580.95.05, compute_capability: "8.9"}
"""
AWAY_S = 1.5


class Beat:
    """A tenant that launches, waits and counts, for ever."""

    def __init__(self, node, name):
        self.file = os.path.join(node.dir, name)
        self.run = node.spawn("run", "--name", name, "--memory", "2GiB", "--compute", "40%", "--", ROBUST, "beat", "0",
                              self.file, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        wait_for(lambda: self.count() > 0, 60)

    def count(self):
        try:
            with open(self.file, encoding="utf-8") as f:
                return int(f.read() or 0)
        except (OSError, ValueError):
            return 0

    def goes_on(self):
        before = self.count()
        wait_for(lambda: self.count() > before + 5, 30)

    def stands_still(self):
        """After the moment that it may take to see that divvyd is gone."""
        def rests():
            before = self.count()
            time.sleep(0.3)
            return self.count() == before
        wait_for(rests, 10)
        before = self.count()
        time.sleep(AWAY_S)
        expect(self.count() == before, "nothing is launched", before, self.count())

    def ends_well(self):
        out, err = self.run.communicate(timeout=60)
        expect(self.run.returncode == 0 and not err, "it never heard of it", self.run.returncode, out, err)


def away(config, absent):
    node = MachineNode(MACHINE, config)
    node.env.update(LD_LIBRARY_PATH=node.machine, DIVVY_SIM_MACHINE=node.machine)
    with node:
        beats = [Beat(node, "a"), Beat(node, "b")]
        for _ in range(2):
            node.crash()
            absent(beats)
            node.start()
            for beat in beats:
                beat.goes_on()
        for beat in beats:
            beat.ends_well()
        wait_for(lambda: node.leases() == {}, 20)


def go_on(beats):
    for beat in beats:
        beat.goes_on()


def wait(beats):
    for beat in beats:
        beat.stands_still()


def can_be_ended():
    """Who waits for divvyd ends by SIGTERM as ever."""
    node = MachineNode(MACHINE, "gate: {away: wait}\n")
    node.env.update(LD_LIBRARY_PATH=node.machine, DIVVY_SIM_MACHINE=node.machine)
    with node:
        beat = Beat(node, "a")
        program, = children(beat.run.pid)
        node.crash()
        beat.stands_still()
        fd = os.pidfd_open(program)
        signal.pidfd_send_signal(fd, signal.SIGTERM)
        os.close(fd)
        wait_for(lambda: not os.path.exists(f"/proc/{program}") or beat.run.poll() is not None or
                 program not in children(beat.run.pid), 20)
        node.start()
        beat.run.communicate(timeout=60)
        expect(beat.run.returncode == 128 + signal.SIGTERM, "by the signal", beat.run.returncode)
        wait_for(lambda: node.leases() == {}, 20)


away("", go_on)
away("gate: {away: wait}\n", wait)
can_be_ended()
print("away: all held")
