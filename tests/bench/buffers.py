# SPDX-License-Identifier: Apache-2.0
"""An ordinary OpenCL program that makes and releases many buffers, and says how long one took."""
import ctypes
import sys
import time

count = int(sys.argv[1])
cl = ctypes.CDLL("libOpenCL.so.1")
for name in ("clCreateContext", "clCreateBuffer"):
    getattr(cl, name).restype = ctypes.c_void_p
status = ctypes.c_int()


def check(what):
    if status.value:
        sys.exit(f"{what} answered {status.value}")


platform, device = ctypes.c_void_p(), ctypes.c_void_p()
status.value = cl.clGetPlatformIDs(1, ctypes.byref(platform), None)
check("clGetPlatformIDs")
status.value = cl.clGetDeviceIDs(platform, ctypes.c_uint64(0xffffffff), 1, ctypes.byref(device), None)
check("clGetDeviceIDs")
context = ctypes.c_void_p(cl.clCreateContext(None, 1, ctypes.byref(device), None, None, ctypes.byref(status)))
check("clCreateContext")
size = ctypes.c_size_t(64 << 10)
begun = time.monotonic()
for first in range(0, count, 100):
    some = []
    for _ in range(min(100, count - first)):
        some.append(ctypes.c_void_p(cl.clCreateBuffer(context, ctypes.c_uint64(1), size, None, ctypes.byref(status))))
        check("clCreateBuffer")
    for buffer in some:
        status.value = cl.clReleaseMemObject(buffer)
        check("clReleaseMemObject")
print(f"{(time.monotonic() - begun) / count * 1e6:.3f}", flush=True)
sys.stdin.read()
