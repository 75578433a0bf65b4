# SPDX-License-Identifier: Apache-2.0
"""Frameworks in a slice: what they see, that the limit is theirs, that graphs and training work."""
import json
import os
import shutil
import subprocess
import sys

from world import GIB, HERE

SLICE = 8 * GIB
PROGRAMS = {"torch": "torch_smoke.py", "tensorflow": "tensorflow_smoke.py", "jax": "jax_smoke.py", "cupy": "cupy_smoke.py"}
NAMES = {"torch": "PyTorch", "tensorflow": "TensorFlow", "jax": "JAX", "cupy": "CuPy"}


def importable(world, module):
    look = f"import importlib.util, sys; sys.exit(importlib.util.find_spec('{module}') is None)"
    return subprocess.run([sys.executable, "-c", look], env=world.env, stderr=subprocess.DEVNULL).returncode == 0


def smoke(part, module):
    """Its program prints one line of JSON for each check: what, ok, note."""
    world, name = part.world, NAMES[module]
    if world.simulated or not importable(world, module):
        part.skip(name, "its runtime does not start on the simulated driver" if world.simulated else
                  f"{sys.executable} has no {module}")
        return
    done = part.in_slice([sys.executable, os.path.join(HERE, PROGRAMS[module]), str(SLICE)], most=90,
                         memory=f"{SLICE >> 20}MiB", compute="50%", env={"PYTHONUNBUFFERED": "1"})
    told = 0
    for line in done.out.splitlines():
        if line.startswith('{"what"'):
            said = json.loads(line)
            told += 1
            part.row(f"{name}: {said['what']}", said.get("value"), said.get("unit", ""), note=said.get("note", ""),
                     failed=not said["ok"])
    if done.rc != 0 or not told:
        part.fail(name, done.why())


def runtime(part):
    """A program with the CUDA runtime inside, which finds the driver's calls by cuGetProcAddress."""
    world = part.world
    nvcc = shutil.which("nvcc") or "/usr/local/cuda/bin/nvcc"
    what = "the CUDA runtime (static)"
    if not os.path.exists(nvcc):
        part.skip(what, "there is no nvcc")
        return
    program = world.program("runtime")
    if not os.path.exists(program):
        built = part.run([nvcc, "-O2", "-o", program, os.path.join(HERE, "..", "runtime.cu")], most=90)
        if built.rc != 0:
            part.fail(what, built.why())
            return
    if world.simulated:
        part.skip(what, "it builds; the runtime does not start on the simulated driver")
        return
    for which, done in (("plain", part.run([program, "0"], most=30)),
                        ("slice", part.in_slice([program, str(SLICE)], most=30, memory=f"{SLICE >> 20}MiB", compute="50%"))):
        part.row(f"{what}, {which}", done.rc, "exit", None, None, done.out.strip().replace("\n", "; ")[:200]
                 if done.rc == 0 else done.why(), failed=done.rc != 0)


def nvidia_smi(part):
    """The slice's memory, and no process but its own."""
    world, what = part.world, "nvidia-smi in a slice"
    if not shutil.which("nvidia-smi"):
        part.skip(what, "there is no nvidia-smi")
        return
    query = ["nvidia-smi", "-i", "0", "--query-gpu=memory.total,memory.used", "--format=csv,noheader,nounits"]
    plain = part.run(query, most=30)
    done = part.in_slice(query, most=30, memory=f"{SLICE >> 20}MiB")
    if plain.rc != 0:
        part.skip(what, f"it does not work without divvy either: {plain.why()}")
        return
    total = done.out.split(",")[0].strip() if done.rc == 0 else done.why()
    part.row(f"{what}: memory in all", total, "MiB", None, plain.out.split(",")[0].strip(),
             f"the slice has {SLICE >> 20}", failed=total != str(SLICE >> 20))
    done = part.in_slice(["nvidia-smi"], most=30, memory=f"{SLICE >> 20}MiB")
    part.row(f"{what}: its page", done.rc, "exit", failed=done.rc != 0)


def run(part):
    smoke(part, "torch")
    runtime(part)
    nvidia_smi(part)
    for module in ("tensorflow", "jax", "cupy"):
        smoke(part, module)
