# SPDX-License-Identifier: Apache-2.0
"""Independent OpenCL programs run unchanged inside a slice and meet its limits cleanly."""
import os
import re
import subprocess
import sys

from lib import Node, expect, need, need_opencl, wait_for

need_opencl()
which = sys.argv[1]

PYOPENCL = """
import sys
import numpy as np
import pyopencl as cl
context = cl.create_some_context(interactive=False)
queue = cl.CommandQueue(context)
a = np.arange(1000000, dtype=np.float32)
flags = cl.mem_flags
source = cl.Buffer(context, flags.READ_ONLY | flags.COPY_HOST_PTR, hostbuf=a)
target = cl.Buffer(context, flags.WRITE_ONLY, a.nbytes)
program = cl.Program(context, '''
__kernel void twice(__global const float *x, __global float *y)
{ size_t i = get_global_id(0); y[i] = 2 * x[i]; }''').build()
program.twice(queue, a.shape, None, source, target)
back = np.empty_like(a)
cl.enqueue_copy(queue, back, target)
assert (back == 2 * a).all()
source.release(); target.release()
held = []
piece = 100 << 20
try:
    while len(held) < 50:
        held.append(cl.Buffer(context, flags.READ_WRITE, piece))
except cl.MemoryError as e:
    print("refused", len(held), e.code)
while held:
    held.pop().release()
print("again", cl.Buffer(context, flags.READ_WRITE, piece).size)
"""

USER_EVENT = """
import pyopencl as cl, numpy as np
context = cl.create_some_context(interactive=False)
queue = cl.CommandQueue(context)
buffer = cl.Buffer(context, cl.mem_flags.READ_WRITE, 4096)
program = cl.Program(context, '__kernel void add(__global int *x) { x[get_global_id(0)] += 1; }').build()
cl.enqueue_fill_buffer(queue, buffer, np.int32(0), 0, 4096)
gate = cl.UserEvent(context)
events = [program.add(queue, (1024,), None, buffer, wait_for=[gate]) for _ in range(8)]
gate.set_status(cl.command_execution_status.COMPLETE)
queue.finish()
out = np.empty(1024, np.int32)
cl.enqueue_copy(queue, out, buffer)
assert (out == 8).all(), out
print("no deadlock")
"""


def clinfo(node):
    need("clinfo")
    got = node.divvy("run", "--memory", "512MiB", "--compute", "50%", "--", "clinfo")
    expect(got.status == 0, "clinfo ends well", got)
    size = re.search(r"Global memory size\s+(\d+)", got.out)
    expect(size and int(size[1]) == 512 << 20, "the device is as large as the slice", got.out)
    units = re.search(r"Max compute units\s+(\d+)", got.out)
    whole = re.search(r"Max compute units\s+(\d+)", node.outside("clinfo").out)
    expect(units and int(units[1]) == max(1, (int(whole[1]) + 1) // 2), "half of the compute units",
           got.out)
    expect("cl_khr_command_buffer" not in got.out, "nothing that cannot be limited is offered")


def clpeak(node):
    need("clpeak")
    got = node.divvy("run", "--memory", "128MiB", "--", "clpeak", "--kernel-latency")
    expect(got.status == 0 and "Kernel launch latency" in got.out, "clpeak measures", got)
    got = node.divvy("run", "--memory", "64MiB", "--", "clpeak", "--global-bandwidth", timeout=300)
    expect(got.status == 0 and "Global memory bandwidth" in got.out and "error" not in
           (got.out + got.err).lower(), "clpeak makes do with a small slice", got)


def pyopencl(node):
    got = node.divvy("run", "--memory", "512MiB", "--", "/usr/bin/python3", "-c", PYOPENCL)
    expect(got.status == 0, "the script ends well", got)
    expect("refused 5 -4" in got.out, "five times 100 MiB fit into 512 MiB, the sixth is refused", got)
    expect("again 104857600" in got.out, "and what was released can be had again", got)


def user_event(node):
    got = node.divvy("run", "--memory", "64MiB", "--", "/usr/bin/python3", "-c", USER_EVENT, timeout=60)
    expect(got.status == 0 and "no deadlock" in got.out, "a user event set later does not hang", got)


def ffmpeg(node):
    need("ffmpeg")
    command = ["ffmpeg", "-v", "error", "-nostdin", "-init_hw_device", "opencl=ocl", "-filter_hw_device", "ocl",
               "-f", "lavfi", "-i", "testsrc2=size=320x240:rate=25:duration=2", "-vf",
               "format=yuv420p,hwupload,avgblur_opencl=4,unsharp_opencl,hwdownload,format=yuv420p",
               "-f", "framemd5", "-"]
    outside = node.outside(*command)
    if outside.status:
        print("ffmpeg cannot use OpenCL here even without divvy:", outside.err[:300])
        sys.exit(77)
    inside = node.divvy("run", "--memory", "256MiB", "--", *command)
    expect(inside.status == 0, "ffmpeg ends well", inside)
    expect(inside.out == outside.out and inside.out.count("\n") > 50, "every frame is the same", inside)
    command[command.index("-i") + 1] = "testsrc2=size=1920x1080:rate=25:duration=1"
    small = node.divvy("run", "--memory", "2MiB", "--", *command)
    expect(0 < small.status < 128, "too small a slice is a clean error of ffmpeg's own", small)


def first_routine(process):
    """What a self-checking test says up to the counts of its first routine: the others of it would
    take minutes to compile."""
    text = ""
    for line in process.stdout:
        text += line
        if "test(s) failed" in line:
            break
    process.terminate()
    process.wait(30)
    return re.findall(r"(\d+) test\(s\) (\w+)", text)


def clblast(node):
    need("clblast_test_xaxpy", "clblast_test_xgemm", "stdbuf")
    # The same compiled kernels outside as inside: compiling is most of the time.
    node.env["POCL_CACHE_DIR"] = os.path.join(node.state_dir, "cache", str(os.geteuid()))
    for program in ("clblast_test_xaxpy", "clblast_test_xgemm"):
        command = ["stdbuf", "-oL", program]
        outside = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=node.env)
        counts = first_routine(outside)
        inside = node.spawn("run", "--memory", "1GiB", "--", *command, stdout=subprocess.PIPE)
        expect(len(counts) == 3 and int(counts[0][0]) > 30 and counts[2] == ("0", "failed"),
               program + " passes outside", counts)
        expect(first_routine(inside) == counts, "the same passes inside as outside", counts)
        wait_for(lambda: node.leases() == {})


with Node() as a_node:
    {"clinfo": clinfo, "clpeak": clpeak, "pyopencl": pyopencl, "user-event": user_event,
     "ffmpeg": ffmpeg, "clblast": clblast}[which](a_node)
    expect(a_node.json("leases")["leases"] == [], "nothing is left behind")
print(which + ": all held")
