# SPDX-License-Identifier: Apache-2.0
"""One tenant's program under the layer on a real OpenCL device, with a lease of the fake divvyd:

    check.py LEASE_RUN LAYER TENANT CASE

Ends with 77, and says why, where there is no device or the program is not installed.
"""
import os
import shutil
import subprocess
import sys
import tempfile

RUN, LAYER, TENANT = (os.path.abspath(a) for a in sys.argv[1:4])
MIB = 1 << 20
TIMED = ["mode=timed", "quantum_us=3000", "delay_us=500", "inflight_us=2000", "linger_us=500"]
PYTHON = "/usr/bin/python3"  # the one that Debian's packages are for

PYOPENCL = """
import numpy, pyopencl as cl
device = cl.get_platforms()[0].get_devices()[0]
assert device.global_mem_size == 512 << 20, device.global_mem_size
context = cl.Context([device])
queue = cl.CommandQueue(context)
def buffer():
    made = cl.Buffer(context, cl.mem_flags.READ_WRITE, 100 << 20)
    cl.enqueue_fill_buffer(queue, made, numpy.uint8(1), 0, 4)  # some versions allocate late
    return made
held = [buffer() for _ in range(5)]
try:
    held.append(buffer())
    raise SystemExit("a sixth buffer over the limit")
except cl.Error as e:
    assert e.code == cl.status_code.MEM_OBJECT_ALLOCATION_FAILURE, e
held.clear()
again = [buffer() for _ in range(5)]
a = numpy.arange(4096, dtype=numpy.int32)
again.clear()
b = cl.Buffer(context, cl.mem_flags.COPY_HOST_PTR, hostbuf=a)
program = cl.Program(context, "__kernel void k(__global int *a) { a[get_global_id(0)] += 7; }").build()
for _ in range(50):
    program.k(queue, a.shape, None, b)
out = numpy.empty_like(a)
cl.enqueue_copy(queue, out, b)
assert (out == a + 350).all()
"""


def fail(what):
    print("FAILED:", what)
    sys.exit(1)


def run(options, command, env=None):
    """Return the output and what the fake divvyd saw; a status other than 0 ends this."""
    environment = {**os.environ, "POCL_CACHE_DIR": os.path.join(os.path.dirname(RUN), "pocl-cache"),
                   **(env or {})}
    os.makedirs(environment["POCL_CACHE_DIR"], exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "stats")
        done = subprocess.run([RUN, LAYER, path, *options, "--", *command], env=environment,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=200)
        if done.returncode == 77:
            print(done.stdout)
            sys.exit(77)
        if done.returncode:
            fail(f"{command} ended with {done.returncode}: {done.stdout}")
        with open(path, encoding="utf-8") as f:
            stats = {key: int(value) for key, value in (line.split() for line in f)}
    print(options, command[0], {k: v for k, v in stats.items() if v})
    if stats["hellos"] < 1:
        fail("the layer did not report")
    return done.stdout, stats


def need(program):
    if not shutil.which(program):
        print(f"skipped: {program} is not installed")
        sys.exit(77)


def same(stats, **wanted):
    for key, value in wanted.items():
        key = key.replace("c_", "counters.", 1) if key.startswith("c_") else key
        if stats[key] != value:
            fail(f"{key} is {stats[key]}, wanted {value}")


def memory():
    _, stats = run(["limit=%d" % (64 * MIB)], [TENANT, "memory", str(64 * MIB)])
    same(stats, used=0, peak=64 * MIB, c_held_bytes=0)


def many():
    _, stats = run(["limit=%d" % (24000 * 1024)], [TENANT, "many", "24000"])
    same(stats, used=0, peak=24000 * 1024, c_allocs=24000, c_frees=24000, c_denied=0)


def own_event():
    for options in (["mode=free"], ["mode=endless"], TIMED):
        _, stats = run(options, [TENANT, "own-event"])
        same(stats, c_launches=9, c_inflight=0, c_passed_ungated=0)


def threads():
    for options, held_back in ((["mode=endless"], False), (TIMED, True)):
        _, stats = run(options, [TENANT, "threads", "150"])
        same(stats, c_launches=4 * 150 * 2, c_inflight=0, c_passed_ungated=0)
        if (stats["counters.gated"] > 0) != held_back:
            fail("gated: %d" % stats["counters.gated"])


def copies():
    _, stats = run(TIMED + ["copies"], [TENANT, "threads", "60"])
    same(stats, c_launches=4 * 60 * 2, c_inflight=0, c_passed_ungated=0)
    if stats["counters.copies"] < 4:
        fail("copies are not counted")


def fork():
    _, stats = run(["limit=%d" % (8 * MIB)], [TENANT, "fork", str(8 * MIB)])
    same(stats, used=0, peak=8 * MIB, hellos=2)


def bypass():
    _, stats = run(["limit=%d" % (8 * MIB)], [TENANT, "bypass"])
    same(stats, used=0, c_refused_calls=2)


def restart():
    """divvyd goes and comes back under a tenant at work: nothing is lost, nothing hangs."""
    _, stats = run(TIMED + ["limit=%d" % MIB, "restart"], [TENANT, "launches", "60000"])
    same(stats, hellos=2, used=0, c_launches=60000, c_inflight=0, c_denied=0)
    if not stats["last_held"]:
        fail("the memory it held was not told to the new one")
    if not stats["counters.passed_ungated"]:
        fail("nothing was launched meanwhile")


def leave():
    for options in (["mode=endless"], TIMED, ["mode=manual"]):
        _, stats = run(options, [TENANT, "leave", "50"])
        same(stats, c_launches=50)


def clinfo():
    need("clinfo")
    out, _ = run(["limit=%d" % (128 * MIB), "units=1"], ["clinfo", "--raw"])
    if "CL_DEVICE_GLOBAL_MEM_SIZE" not in out:
        print("skipped: clinfo sees no device")
        sys.exit(77)
    for line in ("CL_DEVICE_GLOBAL_MEM_SIZE", "CL_DEVICE_MAX_COMPUTE_UNITS"):
        shown = [l.split()[-1] for l in out.splitlines() if f" {line} " in l + " "]
        if set(shown) != {str(128 * MIB) if "MEM" in line else "1"}:
            fail(f"{line}: {shown}")


def clpeak():
    need("clpeak")
    _, stats = run(TIMED + ["limit=%d" % (256 * MIB)], ["clpeak", "--kernel-latency"])
    if not stats["counters.launches"]:
        print("skipped: clpeak launched nothing, there is no device")
        sys.exit(77)
    same(stats, used=0, c_denied=0, c_inflight=0)


def pyopencl():
    if subprocess.run([PYTHON, "-c", "import pyopencl, numpy"], stderr=subprocess.DEVNULL).returncode:
        print("skipped: python3-pyopencl is not installed")
        sys.exit(77)
    _, stats = run(TIMED + ["limit=%d" % (512 * MIB)], [PYTHON, "-c", PYOPENCL],
                   {"PYOPENCL_NO_CACHE": "1"})
    same(stats, used=0, c_launches=50)


CASES = (memory, many, own_event, threads, copies, fork, bypass, leave, restart, clinfo, clpeak, pyopencl)
{case.__name__.replace("_", "-"): case for case in CASES}[sys.argv[4]]()
