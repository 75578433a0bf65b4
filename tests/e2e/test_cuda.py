# SPDX-License-Identifier: Apache-2.0
"""Slices of an NVIDIA GPU: `divvy run` on a simulated machine. Programs come to the shim by the driver's name;
limits hold, time is shared, nobody is called enforced who is not."""
import json
import os
import signal
import time

from lab import CONTEXT_MIB, TENANT, Lab
from lib import BUILD, MachineUser, expect, wait_for

CONFORMANCE = os.path.join(BUILD, "tests/gpu/cuda-conformance")
DRIVER = os.path.join(BUILD, "src/sim/libcuda.so.1")
MIB = 1 << 20
VERSION = "580.95.05"


def counts(*children):
    outs = [child.communicate(timeout=60) for child in children]
    expect(all(child.returncode == 0 for child in children), outs)
    return [int(out) for out, _ in outs]


def without_driver(lab):
    lab.put_driver(None)
    got = lab.slice_of(0)
    expect(not got["ok"] and lab.library in got["why"], "it says what was looked for", got)
    done = lab.divvy("run", "--", "true")
    expect(done.returncode == 3 and "libcuda.so.1" in done.stderr, "refused", done)


def limits(lab):
    expect(lab.slice_of(0)["ok"], lab.slice_of(0))
    done = lab.divvy("run", "--memory", "2GiB", "--compute", "30%", "--", TENANT, "info")
    expect(done.returncode == 0 and done.stdout == f"{(2048 - CONTEXT_MIB) * MIB} {2048 * MIB}\n",
           "the slice is what it sees, with its context taken from it", done)
    expect(done.stderr == "", "silent on success", done)
    run = ["run", "--memory", "2GiB", "--", TENANT, "alloc"]
    left = (2048 - CONTEXT_MIB) * MIB
    expect(lab.divvy(*run, str(left)).returncode == 0, "the limit itself")
    expect(lab.divvy(*run, str(left + 1)).returncode == 3, "a byte over it")
    done = lab.divvy("run", "--memory", "500MiB", "--", "true")
    expect(done.returncode == 3 and "G01" in done.stderr and "512MiB" in done.stderr, "less than a context", done)
    # Whatever the driver does, it does in a slice.
    done = lab.divvy("run", "--memory", "20GiB", "--compute", "50%", "--", CONFORMANCE)
    expect(done.returncode == 0 and json.loads(done.stdout)["surprises"] == 0, "the driver's habits", done)
    done = lab.divvy("run", "--memory", "25GiB", "--", "true")
    expect(done.returncode == 3 and "G01" in done.stderr, "more than the card has", done)
    expect(lab.divvy("run", "--compute", "101%", "--", "true").returncode == 2, "more than all of the time")
    done = lab.divvy("run", "--", "sh", "-c", "exit 7")
    expect(done.returncode == 7, "a program without CUDA", done)


def shown(lab):
    child = lab.spawn("run", "--name", "busy", "--memory", "4GiB", "--compute", "40%", "--gpu", "1", "--", TENANT,
                      "hold", str(1024 * MIB))
    expect(child.stdout.readline() == "held\n", "it holds its memory")
    lease = next(l for l in lab.leases() if l["name"] == "busy")
    expect(lease["memory_used_mib"] == 1024 + CONTEXT_MIB and len(lease["pids"]) == 1, lease)
    status = lab.divvy("status").stdout
    expect("busy" in status and "slices" in status, status)
    done = lab.divvy("run", "--gpu", "1", "--memory", "21GiB", "--", "true")
    expect(done.returncode == 3 and "G01" in done.stderr, "what is left is not enough", done)
    done = lab.divvy("run", "--gpu", "1", "--compute", "61%", "--", "true")
    expect(done.returncode == 3 and "G02" in done.stderr, "nor its time", done)
    child.send_signal(signal.SIGTERM)
    expect(child.wait(10) == 143, "its end")
    wait_for(lambda: lab.leases() == [])


def share(lab, few_us, many_us, depth):
    """30 to 70 for some seconds; what of the device's time the first got, in per cent."""
    loop = ["--", TENANT, "loop", "5000"]
    few, many = counts(
        lab.spawn("run", "--gpu", "0", "--memory", "1GiB", "--compute", "30%", *loop, str(few_us), str(depth)),
        lab.spawn("run", "--gpu", "0", "--memory", "1GiB", "--compute", "70%", *loop, str(many_us), str(depth)))
    return 100 * few * few_us / (few * few_us + many * many_us), few * few_us + many * many_us


def shared(lab):
    loop = ["--", TENANT, "loop", "4000", "1000"]
    alone = counts(lab.spawn("run", "--gpu", "0", "--compute", "30%", *loop))[0]
    for few_us, many_us, depth in ((1000, 1000, 1), (100, 100, 50), (100, 5000, 8)):
        got, total_us = share(lab, few_us, many_us, depth)
        # They begin and end one after the other, and a busy machine counts its own work in.
        print(f"30 to 70, kernels of {few_us} and {many_us} us, {depth} deep: {got:.1f} %, {total_us / 5e4:.0f} % busy")
        expect(22 < got < 40, "shares hold", few_us, many_us, depth, got)
    capped = counts(lab.spawn("run", "--gpu", "0", "--compute", "50%", "--policy", "fixed-share", *loop))[0]
    print(f"a cap of 50 % alone: {100 * capped / alone:.1f} %")
    expect(0.35 * alone < capped < 0.6 * alone, "a cap holds alone, too", capped, alone)


def robust(lab):
    loop = ["--", TENANT, "loop"]
    # A stopped holder does not stop the other; a killed one still less.
    stopped = lab.spawn("run", "--name", "stopped", "--memory", "1GiB", "--compute", "50%", *loop, "60000", "1000")
    # The probe before it holds no memory.
    pid = wait_for(lambda: next((l["pids"][0] for l in lab.leases() if l["name"] == "stopped" and l["pids"] and
                                 l["memory_used_mib"] > 0), None))
    time.sleep(0.3)
    os.kill(pid, signal.SIGSTOP)
    got = counts(lab.spawn("run", "--memory", "1GiB", "--compute", "50%", *loop, "2000", "1000"))[0]
    expect(got > 300, "a stopped one is waited for no longer than the time-out", got)
    os.kill(pid, signal.SIGKILL)
    stopped.wait(10)
    # divvyd killed: programs go on, and are its tenants again when it is back.
    two = [lab.spawn("run", "--name", f"t{i}", "--memory", "1GiB", "--compute", "50%", *loop, "8000", "1000")
           for i in range(2)]
    wait_for(lambda: sum(1 for l in lab.leases() if l["pids"]) == 2)
    for pid in lab.user.daemons():
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: sum(1 for l in lab.leases() if l["pids"]) == 2)
    got = counts(*two)
    expect(min(got) > 2000, "nobody waited for long", got)
    wait_for(lambda: lab.leases() == [])


def nobody_unenforced(lab):
    # A file that is loaded by its own path: seen, and stopped.
    copy = os.path.realpath(lab.library)
    begun = time.monotonic()
    done = lab.divvy("run", "--name", "sly", "--", TENANT, "path", copy)
    expect(done.returncode == 3 and "G04" in done.stderr and time.monotonic() - begun < 40, done)
    # So is one that takes the way out of its environment.
    done = lab.divvy("run", "--", "env", f"LD_LIBRARY_PATH={lab.dir}", TENANT, "hold", "1")
    expect(done.returncode == 3 and "G04" in done.stderr, done)
    done = lab.divvy("run", "--unenforced", "warn", "--", "env", f"LD_LIBRARY_PATH={lab.dir}",
                     "timeout", "-s", "KILL", "5", TENANT, "hold", "1")
    expect(done.returncode != 3 and "G04" in done.stderr, "warned only", done)
    # A tenant that finds another library first is not started.
    fake = os.path.join(lab.user.dir, "other")
    os.mkdir(fake)
    os.chmod(fake, 0o755)
    os.symlink(DRIVER, os.path.join(fake, "libcuda.so.1"))
    lab.user.env["LD_PRELOAD"] = os.path.join(fake, "libcuda.so.1")
    done = lab.divvy("run", "--", "echo", "started")
    del lab.user.env["LD_PRELOAD"]
    expect(done.returncode == 3 and "G03" in done.stderr and "started" not in done.stdout, done)


user = MachineUser()
try:
    machine = Lab(user)
    without_driver(machine)
    machine.put_driver("libcuda.so." + VERSION)
    limits(machine)
    shown(machine)
    shared(machine)
    robust(machine)
    nobody_unenforced(machine)
finally:
    user.end()
print("cuda: all held")
