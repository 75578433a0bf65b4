# SPDX-License-Identifier: Apache-2.0
"""What a lone tenant loses of PyTorch's work: two processes, one plain and one in a slice of 100 %, work in turn."""
import json
import os
import statistics
import subprocess
import sys

from frameworks import importable
from world import HERE, Alarm

WORKS = {"gemm": "a GEMM loop (4096, bf16)", "step": "a training step (an MLP)", "graph": "a CUDA graph's replay"}
GOAL_PCT = 0.5


class Worker:
    def __init__(self, argv, env, log):
        self.child = subprocess.Popen(argv, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True,
                                      start_new_session=True)

    def ask(self, words):
        self.child.stdin.write(words + "\n")
        self.child.stdin.flush()
        return self.hear()

    def hear(self):
        line = self.child.stdout.readline()
        if not line:
            raise RuntimeError(f"it ended with {self.child.wait()}")
        return json.loads(line)


def measure(part, workers, work):
    """Per second: of each round, plain and slice; who begins changes."""
    rounds, seconds = (3, 0.3) if part.world.quick else (9, 0.5)
    per_s = {"plain": [], "slice": []}
    for worker in workers.values():
        worker.ask(f"{work} {seconds}")  # nobody's: it warms up
    for number in range(rounds):
        part.left()
        for name in sorted(workers, reverse=number % 2 == 0):
            per_s[name].append(workers[name].ask(f"{work} {seconds}")["per_s"])
    losses = [(1 - ours / plain) * 100 for ours, plain in zip(per_s["slice"], per_s["plain"])]
    part.row(f"PyTorch, {WORKS[work]}: lost", statistics.median(losses), "%", GOAL_PCT,
             note=f"{rounds} rounds, {min(losses):.2f} to {max(losses):.2f}")
    part.row(f"PyTorch, {WORKS[work]}", statistics.median(per_s["slice"]), "1/s", None, statistics.median(per_s["plain"]))


def run(part):
    world = part.world
    if world.simulated or not importable(world, "torch"):
        part.skip("PyTorch's work", "its runtime does not start on the simulated driver" if world.simulated else
                  f"{sys.executable} has no torch")
        return
    argv = [sys.executable, os.path.join(HERE, "torch_work.py")]
    workers, alarms = {}, []
    try:
        for name, how in (("plain", "plain"), ("slice", "divvy")):
            workers[name] = Worker(world.in_slice(argv, name="work", memory="16GiB"), world.slice_env(how), part.log)
            alarms.append(Alarm(workers[name].child, part.left()))
        for worker in workers.values():
            worker.hear()
        for work in WORKS:
            measure(part, workers, work)
    except (RuntimeError, OSError) as error:
        part.left()
        part.fail("PyTorch's work", str(error))
    finally:
        for alarm in alarms:
            alarm.end()
