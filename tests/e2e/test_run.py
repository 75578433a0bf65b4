# SPDX-License-Identifier: Apache-2.0
"""divvy run: status passed on, limits kept, everything given back, nobody left unenforced."""
import os
import signal
import subprocess
import time

from lib import BURN, Node, commands, expect, need_opencl, wait_for


def runs_burn(lease):
    """Is the command attached? (Before it, a probe is.)"""
    try:
        return lease["pids"] and os.path.samefile(f"/proc/{lease['pids'][0]}/exe", BURN)
    except OSError:
        return False


need_opencl()
with Node() as node:
    # The command's own status, and a signal's.
    expect(node.divvy("run", "--", "sh", "-c", "exit 7").status == 7, "exit status is passed on")
    expect(node.divvy("run", "--", "sh", "-c", "kill -9 $$").status == 137, "128 + signal")
    got = node.divvy("run", "--", "/nonexistent/command")
    expect(got.status == 127 and "nonexistent" in got.err, "a command that does not exist", got)
    expect(node.json("leases")["leases"] == [], "nothing is left of ended commands")

    # run prints nothing of its own.
    got = node.divvy("run", "--memory", "256MiB", "--compute", "50%", "--", "echo", "hello")
    expect(got.status == 0 and got.out == "hello\n" and got.err == "", "silent on success", got)

    # A command has the descriptors that divvy was given, and no others.
    read_end, write_end = os.pipe()
    listing = ["sh", "-c", "for fd in /proc/$$/fd/*; do echo ${fd##*/}; done"]
    child = node.spawn("run", "--", *listing, stdout=subprocess.PIPE, pass_fds=[read_end, write_end])
    fds = set(map(int, child.communicate()[0].split()))
    bare = subprocess.run(listing, stdout=subprocess.PIPE, pass_fds=[read_end, write_end], check=True)
    expect(fds == set(map(int, bare.stdout.split())), "the descriptors of its caller", fds, bare.stdout)
    os.close(read_end)
    os.close(write_end)

    # The memory limit holds to the byte. 256 KiB stays outside: the program's own small buffer.
    fits = node.divvy("run", "--memory", "64MiB", "--", BURN, "--for", "100ms", "--memory", "63MiB")
    expect(fits.status == 0, "a buffer below the limit", fits)
    over = node.divvy("run", "--memory", "64MiB", "--", BURN, "--for", "100ms", "--memory", "64MiB")
    expect(over.status == 3 and "-4" in over.err,
           "over the limit OpenCL's own error comes (CL_MEM_OBJECT_ALLOCATION_FAILURE)", over)

    # A lease in use is shown with its process and its memory, and goes with its command.
    child = node.spawn("run", "--name", "busy", "--memory", "128MiB", "--", BURN, "--for", "30s",
                       "--memory", "32MiB")
    lease = wait_for(lambda: next((l for l in node.json("leases")["leases"]
                                   if l["name"] == "busy" and l["state"] == "active"
                                   and l["memory_used_mib"] >= 32), None))
    expect(len(lease["pids"]) == 1, "one process is attached", lease)
    expect(lease["memory_mib"] == 128, "its limit", lease)
    again = node.divvy("run", "--name", "busy", "--", "true")
    expect(again.status in (0, 3), "a second command joins the lease or is refused by rule", again)
    child.send_signal(signal.SIGTERM)
    expect(child.wait(10) == 143, "the command's end by signal is passed on")
    wait_for(lambda: node.json("leases")["leases"] == [])

    # A lease that commands share stays until all have ended, though none of them uses the device.
    first = node.spawn("run", "--name", "shared", "--", "sleep", "1000")
    try:
        wait_for(lambda: "sleep" in commands(first.pid))
        second = node.spawn("run", "--name", "shared", "--", "cat", stdin=subprocess.PIPE)
        wait_for(lambda: "cat" in commands(second.pid))
        expect(node.divvy("run", "--name", "shared", "--", "true").status == 0, "a third one too")
    finally:
        first.terminate()
    expect(first.wait(10) == 143 and "shared" in node.leases(), "the second one keeps it", node.leases())
    second.communicate()
    wait_for(lambda: node.leases() == {})

    # A launcher that is killed leaves its command the lease, until that ends too.
    child = node.spawn("run", "--name", "orphan", "--", BURN, "--for", "60s")
    lease = wait_for(lambda: next((l for l in node.json("leases")["leases"] if runs_burn(l)), None))
    child.kill()
    child.wait()
    time.sleep(1)
    left = node.json("leases")["leases"]
    expect([l["name"] for l in left] == ["orphan"], "a running command keeps its lease", left)
    os.kill(lease["pids"][0], signal.SIGKILL)
    wait_for(lambda: node.json("leases")["leases"] == [])

    # A lease that is given back while its command runs takes the device away from it.
    child = node.spawn("run", "--name", "ended", "--", BURN, "--for", "60s", "--memory", "1MiB",
                       stderr=subprocess.PIPE)
    wait_for(lambda: next((l for l in node.json("leases")["leases"] if l["memory_used_mib"] >= 1), None))
    expect(node.divvy("release", "ended").status == 0, "a lease in use can be released")
    expect(child.wait(20) not in (0, None), "its command's launches fail", child.stderr.read())
    whole = node.divvy("run", "--method", "passthrough", "--", BURN, "--for", "100ms")
    expect(whole.status == 0, "and the whole device is free", whole)

    # Round the gate: OpenCL used without the layer is noticed and stopped.
    begun = time.monotonic()
    round_the_gate = node.divvy("run", "--name", "sly", "--", "env", "-u", "OPENCL_LAYERS", BURN,
                                "--for", "60s", timeout=90)
    expect(round_the_gate.status == 3 and "G04" in round_the_gate.err, "stopped, with its rule",
           round_the_gate)
    expect(time.monotonic() - begun < 40, "long before its end")
    expect(any("sly" in str(e) for e in node.json("log")["entries"]), "and it stands in the log")
    warned = node.divvy("run", "--unenforced", "warn", "--", "env", "-u", "OPENCL_LAYERS", BURN,
                        "--for", "5s")
    expect(warned.status == 0 and "G04" in warned.err, "warned only", warned)

    # Shells, pipes and scripts work inside.
    got = node.divvy("run", "--", "cat", stdin="through\n")
    expect(got.out == "through\n", "standard input is the command's", got)
print("run: all held")
