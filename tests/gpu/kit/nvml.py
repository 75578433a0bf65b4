# SPDX-License-Identifier: Apache-2.0
"""NVML, as much of it as the kit asks: nothing is set."""
import ctypes
import os


class Memory(ctypes.Structure):
    _fields_ = [("total", ctypes.c_ulonglong), ("free", ctypes.c_ulonglong), ("used", ctypes.c_ulonglong)]


class Process(ctypes.Structure):
    _fields_ = [("pid", ctypes.c_uint), ("used", ctypes.c_ulonglong), ("gi", ctypes.c_uint), ("ci", ctypes.c_uint)]


class Gpu:
    def __init__(self, library, handle):
        self.library, self.handle = library, handle
        self.name = self.text("nvmlDeviceGetName")
        self.uuid = self.text("nvmlDeviceGetUUID")
        driver = ctypes.create_string_buffer(96)
        library.nvmlSystemGetDriverVersion(driver, len(driver))
        self.driver = driver.value.decode()
        self.total = self.memory().total

    def text(self, call):
        buf = ctypes.create_string_buffer(96)
        getattr(self.library, call)(self.handle, buf, len(buf))
        return buf.value.decode()

    def memory(self):
        memory = Memory()
        if self.library.nvmlDeviceGetMemoryInfo(self.handle, ctypes.byref(memory)):
            raise RuntimeError("NVML does not tell the memory")
        return memory

    def processes(self):
        """{pid: bytes}; None where NVML does not tell."""
        if not hasattr(self.library, "nvmlDeviceGetComputeRunningProcesses_v3"):
            return None
        count, items = ctypes.c_uint(1024), (Process * 1024)()
        if self.library.nvmlDeviceGetComputeRunningProcesses_v3(self.handle, ctypes.byref(count), items):
            return None
        return {p.pid: p.used for p in items[:count.value]}


def first_gpu(machine=None):
    """The first GPU that the driver tells; of a simulated machine by its directory. None: no NVML."""
    try:
        library = ctypes.CDLL(os.path.join(machine, "libnvidia-ml.so.1") if machine else "libnvidia-ml.so.1")
    except OSError:
        return None
    handle = ctypes.c_void_p()
    if library.nvmlInit_v2() or library.nvmlDeviceGetHandleByIndex_v2(0, ctypes.byref(handle)):
        return None
    return Gpu(library, handle)
