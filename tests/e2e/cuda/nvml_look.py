# SPDX-License-Identifier: Apache-2.0
"""What a Python program is shown by NVML, which it loads by name as pynvml does: one JSON object."""
import ctypes
import json


class Memory(ctypes.Structure):
    _fields_ = [("total", ctypes.c_ulonglong), ("free", ctypes.c_ulonglong), ("used", ctypes.c_ulonglong)]


class Process(ctypes.Structure):
    _fields_ = [("pid", ctypes.c_uint), ("memory", ctypes.c_ulonglong), ("gi", ctypes.c_uint), ("ci", ctypes.c_uint)]


class Utilization(ctypes.Structure):
    _fields_ = [("gpu", ctypes.c_uint), ("memory", ctypes.c_uint)]


nvml = ctypes.CDLL("libnvidia-ml.so.1")


def ask(name, *args):
    result = getattr(nvml, name)(*args)
    if result:
        raise SystemExit(f"{name}: {result}")


count, gpu, memory, use = ctypes.c_uint(), ctypes.c_void_p(), Memory(), Utilization()
uuid, room, list_ = ctypes.create_string_buffer(96), ctypes.c_uint(64), (Process * 64)()
ask("nvmlInit_v2")
ask("nvmlDeviceGetCount_v2", ctypes.byref(count))
ask("nvmlDeviceGetHandleByIndex_v2", 0, ctypes.byref(gpu))
ask("nvmlDeviceGetUUID", gpu, uuid, 96)
ask("nvmlDeviceGetMemoryInfo", gpu, ctypes.byref(memory))
ask("nvmlDeviceGetUtilizationRates", gpu, ctypes.byref(use))
ask("nvmlDeviceGetComputeRunningProcesses_v3", gpu, ctypes.byref(room), list_)
print(json.dumps({"count": count.value, "uuid": uuid.value.decode(), "total_mib": memory.total >> 20,
                  "used_mib": memory.used >> 20, "free_mib": memory.free >> 20, "gpu": use.gpu,
                  "processes": {str(list_[i].pid): list_[i].memory >> 20 for i in range(room.value)}}))
