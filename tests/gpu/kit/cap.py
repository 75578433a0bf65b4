# SPDX-License-Identifier: Apache-2.0
"""A cap of 50 % of a lone tenant, over any second: of what the same loop gets without divvy."""
import os

from records import Record, windows

SHAPES = {"1 ms kernels, each waited for": ["--kernel", "1ms"],
          "graphs of ten 100 us kernels, each waited for": ["--kernel", "100us", "--graph", "10"]}
WANTED_PCT, GOAL_POINTS, SECOND = 50, 2, 10 ** 9


def over_any_second(part, what, shape):
    world, seconds = part.world, 3 if part.world.quick else 10
    out = os.path.join(world.dir, "cap")
    told = part.run([world.program("divvy-burn-cuda"), "--calibrate", *shape[:2]], most=60)
    if told.rc != 0:
        part.fail(what, told.why())
        return
    words = [world.program("divvy-burn-cuda"), *shape, "--loops", told.out.split()[0], "--out", out]
    plain = part.run(words + ["--for", "2s"], most=60)
    rate = len(Record(out).ended) / 2 if plain.rc == 0 else 0
    done = part.in_slice(words + ["--for", f"{seconds}s"], most=seconds + 60, compute=f"{WANTED_PCT}%",
                         policy="fixed-share")
    if done.rc != 0 or rate == 0:
        part.fail(what, (plain if plain.rc != 0 else done).why())
        return
    got = [100 * count / rate for count in windows(Record(out).ended, SECOND)]
    part.row(f"a cap of {WANTED_PCT} %, {what}: worst second", max(abs(pct - WANTED_PCT) for pct in got), "points",
             None if world.quick else GOAL_POINTS, note=f"{min(got):.1f} to {max(got):.1f} % in {len(got)} windows")


def run(part):
    for what, shape in SHAPES.items():
        over_any_second(part, what, shape)
