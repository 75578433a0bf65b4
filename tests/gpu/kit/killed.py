# SPDX-License-Identifier: Apache-2.0
"""A tenant is killed while it has the GPU: how long its neighbour's next kernel takes then."""
import os
import random
import signal
import subprocess
import time

from records import Record

KERNEL, SECONDS, GOAL_MS, AFTER_S = "1ms", 10, 10, 0.1


def start(part, name, seconds, out=None, policy="best-effort"):
    world = part.world
    words = [world.program("divvy-burn-cuda"), "--kernel", KERNEL, "--loops", str(part.loops), "--for", f"{seconds}s"]
    return subprocess.Popen(world.in_slice(words + (["--out", out] if out else []), name=name, compute="50%",
                                           policy=policy),
                            env=world.slice_env(), stdout=subprocess.DEVNULL, stderr=part.log)


def attached(part, name):
    """Until it launches: its neighbour has less from now on."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        try:
            if part.world.stats(name)["launches"] > 20:
                return True
        except RuntimeError:
            pass
        time.sleep(0.01)
    return False


def kill_some(part, count):
    """The moments of their deaths."""
    deaths, seed = [], random.Random(1)
    for number in range(count):
        name = f"dies{number}"
        child = start(part, name, 60)
        try:
            if not attached(part, name):
                part.fail("a tenant that is to be killed", "it did not launch within 20 s")
                break
            time.sleep(0.3 + seed.random() / 10)
            deaths.append(time.monotonic_ns())
        finally:
            child.send_signal(signal.SIGKILL)
            child.wait()
        time.sleep(AFTER_S + 0.5)
    return deaths


def run(part):
    world = part.world
    told = part.run([world.program("divvy-burn-cuda"), "--calibrate", "--kernel", KERNEL], most=60)
    if told.rc != 0:
        part.fail("kernels of 1 ms", told.why())
        return
    part.loops = told.out.split()[0]
    out = os.path.join(world.dir, "lives")
    lives = start(part, "lives", 4 if world.quick else 3 * SECONDS, out)
    try:
        deaths = kill_some(part, 2 if world.quick else 10) if attached(part, "lives") else []
        lives.wait(min(part.left(), 60))
    finally:
        lives.kill()
        lives.wait()
    if not deaths or lives.returncode != 0:
        part.fail("the neighbour of one that is killed", f"it ended with {lives.returncode}, {len(deaths)} deaths")
        return
    gaps = worst_gaps(Record(out).ended, deaths)
    if len(gaps) < len(deaths):
        part.fail("the neighbour's kernels after a death", f"seen after {len(gaps)} of {len(deaths)}")
        return
    part.row("killed holder: its neighbour waits at worst", max(gaps) / 1e6, "ms", GOAL_MS,
             note=f"{len(gaps)} kills, {', '.join(f'{gap / 1e6:.1f}' for gap in gaps)}")


def worst_gaps(ended, deaths):
    """Of each death: the longest time between two kernels' ends of which the later comes after it."""
    gaps = []
    for death in deaths:
        near = [(a, b) for a, b in zip(ended, ended[1:]) if b > death and a < death + int(AFTER_S * 1e9)]
        if near and near[-1][1] > death + int(AFTER_S * 0.5e9):
            gaps.append(max(b - a for a, b in near))
    return gaps
