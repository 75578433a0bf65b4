# SPDX-License-Identifier: Apache-2.0
"""E1 to E9: what the driver allows below CUDA, and what the ways of sharing cost. Nothing of the card is set."""
import json
import subprocess
import time

from world import GIB, MIB

LEAD_S = 3  # a process needs this long to be ready


def tell(part, done, prefix=""):
    """The lines of an experiment, as rows; one that breaks says so."""
    told = 0
    for line in done.out.splitlines():
        try:
            said = json.loads(line)
        except json.JSONDecodeError:
            continue
        told += 1
        what = prefix + said["what"]
        if "skipped" in said:
            part.skip(what, said["skipped"])
        elif "failed" in said:
            part.fail(what, said["failed"])
        elif "text" in said:
            part.row(what, note=said["text"])
        else:
            part.row(what, said["value"], said["unit"], note=said["note"])
    if done.rc != 0 and (told == 0 or done.late or done.rc < 0):
        part.fail(prefix + "experiment", done.why())


def one(part, program, *words, most=40, sliced=False, prefix=""):
    argv = [part.world.program(program), *words]
    tell(part, part.in_slice(argv, most) if sliced else part.run(argv, most=most), prefix)


def both(part, program, words, names, seconds, which):
    """Two at the same moment, without divvy."""
    world = part.world
    start = str(time.monotonic_ns() + LEAD_S * 1000000000)
    children = [subprocess.Popen([world.program(program), *w, start], env=world.env, stdout=subprocess.PIPE, text=True)
                for w in words]
    try:
        for child, name in zip(children, names):
            out, _ = child.communicate(timeout=min(part.left(), seconds + LEAD_S + 30))
            tell(part, Said(child.returncode, out), f"{name}: ")
    except subprocess.TimeoutExpired:
        part.fail(which, "did not end in time")
    finally:
        for child in children:
            child.kill()
            child.wait()
            child.stdout.close()


class Said:
    late = False

    def __init__(self, rc, out):
        self.rc, self.out = rc, out

    def why(self):
        return f"ended with {self.rc}"


def other_process(part):
    """E4: a control call of one process's object by a copy of its descriptor."""
    world = part.world
    child = subprocess.Popen([world.program("channels"), "--hold"], env=world.env, stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, text=True)
    try:
        words = child.stdout.readline().split()
        if words[:1] == ["held"]:
            one(part, "channels", "--from", *words[1:])
        else:
            part.skip("E4", "no channel group was seen")
    finally:
        child.kill()
        child.wait()
        child.stdin.close()
        child.stdout.close()


def real_only(part):
    world = part.world
    if world.simulated:
        for what in ("E1", "E2", "E3", "E4"):
            part.skip(what, "a simulated driver has no channel groups, and its kernels' code is not run")
        return
    one(part, "channels")
    seconds = 1 if world.quick else 3
    both(part, "gaps", [[str(seconds)]], ["alone"], seconds, "E2")
    both(part, "gaps", [[str(seconds)], [str(seconds)]], ["one of two", "the other"], seconds, "E2")
    other_process(part)
    if not world.options.own_channels:
        for what in ("E1 setting a time slice", "E3"):
            part.skip(what, "only with --own-channels: it changes how the kit's own channel groups are scheduled")
        return
    both(part, "channels", [["--set", "1000", "4"], ["--set", "9000", "4"]], ["1 ms", "9 ms"], 4, "E1")
    one(part, "channels", "--pause")


def run(part):
    world = part.world
    one(part, "entries", prefix="plain: ")
    one(part, "entries", sliced=True, prefix="slice: ")
    for how in ("--deepbind", "--dlmopen"):
        one(part, "entries", how, sliced=True, prefix="slice: ")
    real_only(part)
    one(part, "costs", "futex")
    one(part, "costs", "notify")
    one(part, "costs", "markers")
    free = world.gpu.memory().free if world.gpu else GIB
    one(part, "checkpoint", str(min(64 if world.quick else 4096, free // 4 // MIB)), most=100)
