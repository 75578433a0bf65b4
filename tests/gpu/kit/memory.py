# SPDX-License-Identifier: Apache-2.0
"""Memory against NVML's figures; the limit to the byte; contexts, as many as fit."""
import subprocess
import time

from world import GIB, MIB

ODD = GIB + 12345  # no multiple of any page


def in_mib(bytes_):
    return f"{-(-bytes_ // MIB)}MiB"


def limit(part):
    world, slice_bytes = part.world, 2 * GIB
    left = slice_bytes - world.context_bytes
    for what, bytes_, wanted in (("all that is left", left, 0), ("a byte more", left + 1, 3)):
        done = part.in_slice([world.program("tenant"), "alloc", str(bytes_)], memory=in_mib(slice_bytes))
        part.row(f"cuMemAlloc of {what} in a slice", done.rc, "(0 granted, 3 out of memory)", None, None,
                 "" if done.rc == wanted else f"should be {wanted}: {done.why()}", failed=done.rc != wanted)


def held(part, child):
    """What is taken once it holds its bytes."""
    if child.stdout.readline() != "held\n":
        part.fail("a tenant that holds memory", "it did not come so far")
        return None
    time.sleep(0.5)
    gpu = part.world.gpu
    return part.world.stats("holds"), gpu.memory().used, gpu.processes()


def against_nvml(part):
    world = part.world
    if not world.gpu:
        part.skip("NVML's figures", "there is no NVML")
        return
    before = world.gpu.memory().used
    child = subprocess.Popen(world.in_slice([world.program("tenant"), "hold", str(ODD)], name="holds"),
                             env=world.slice_env(), stdout=subprocess.PIPE, text=True)
    try:
        seen = held(part, child)
    finally:
        child.kill()
        child.wait()
        child.stdout.close()
    if not seen:
        return
    ledger, used, processes = seen
    part.row("the ledger against the bytes asked for and a context", abs(ledger["used"] - ODD - world.context_bytes), "B", 0)
    part.row("NVML's device against the ledger (one context, an odd GiB)", abs(used - before - ledger["used"]), "B", 2 * MIB,
             note=f"{used - before} by NVML")
    if processes and child.pid in processes:
        part.row("NVML's process against the ledger", abs(processes[child.pid] - ledger["used"]), "B", 2 * MIB,
                 note=f"{processes[child.pid]} by NVML")
    else:
        part.skip("NVML's process against the ledger", "NVML does not tell of this process here")
    deadline = time.monotonic() + 10
    while world.gpu.memory().used > before and time.monotonic() < deadline:
        time.sleep(0.1)
    part.row("NVML's device after its end against before", abs(world.gpu.memory().used - before), "B", 0)


def run(part):
    part.row("a context, as measured", part.world.context_bytes, "B")
    limit(part)
    against_nvml(part)


def contexts(part):
    """As many as 85 % of the card holds, and not more than 200 (20 when quick)."""
    world = part.world
    if not world.gpu:
        part.skip("contexts, as many as fit", "there is no NVML")
        return
    free = world.gpu.memory().free
    count = min(20 if world.quick else 200, int(free * 0.85) // world.context_bytes)
    words = [world.program("divvy-burn-cuda"), "--processes", str(count), "--contexts"]
    plain = part.run(words, most=60)
    done = part.in_slice(words, most=60, memory=in_mib((count + 2) * world.context_bytes))
    what = f"{count} processes at once, each with a context"
    for side, which in ((plain, "plain"), (done, "in a slice")):
        if side.rc != 0:
            part.fail(what, f"{which}: {side.why()}")
            return
    part.row(what, round(done.seconds, 3), "s", None, round(plain.seconds, 3), f"{count * world.context_bytes // MIB} MiB")
