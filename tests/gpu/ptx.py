# SPDX-License-Identifier: Apache-2.0
"""ptx.py CC PTXAS: what is given to a real driver as PTX compiles, and its loops are still there: a compiler leaves
out one that comes to nothing. NVIDIA's assembler is needed, no GPU. Its code is read as far as this needs: since sm_70
an instruction is 16 bytes, its low 12 bits tell which."""
import ast
import os
import re
import struct
import subprocess
import sys
import tempfile

TOP = os.path.realpath(os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))
SOURCES = {"src/bench/burn-cuda/device.c": ("image", ["spin"]),
           "tests/gpu/cuda-conformance.c": ("cuda_kernels", ["dv_spin"]),
           "tests/gpu/experiments/gaps.c": ("image", ["gaps"])}
LOOKS = (0x805, 0x919, 0x9C3)  # CS2R, S2R, S2UR: a special register, such as a clock, is read
BRANCH, EXIT = 0x947, 0x94D


def ptx_of(cc, source, name):
    text = subprocess.run([cc, "-E", "-P", "-D_GNU_SOURCE", "-Isrc", "-Itests/gpu", source], cwd=TOP, check=True,
                          stdout=subprocess.PIPE, text=True).stdout
    body = re.search(rf'{name}\[\]\s*=\s*((?:"(?:\\.|[^"\\])*"\s*)+);', text)[1]
    return "".join(ast.literal_eval(piece) for piece in re.findall(r'"(?:\\.|[^"\\])*"', body))


def code_of(cubin, kernel):
    """The instructions' numbers, of a section of an ELF file."""
    with open(cubin, "rb") as f:
        data = f.read()
    at, size, count, names = (struct.unpack_from("<Q", data, 40)[0], *struct.unpack_from("<HHH", data, 58))
    sections = [struct.unpack_from("<IIQQQQ", data, at + size * i) for i in range(count)]
    for name, _, _, _, offset, length in sections:
        start = sections[names][4] + name
        if data[start:data.index(b"\0", start)].decode() == f".text.{kernel}":
            return [struct.unpack_from("<Q", data, offset + i)[0] & 0xFFF for i in range(0, length, 16)]
    raise SystemExit(f"{cubin} has no {kernel}")


def has_loop(ptxas, ptx, kernel, arch, folder):
    """A clock is read, and a branch stands before the last end (after it only fills up)."""
    source, cubin = os.path.join(folder, "x.ptx"), os.path.join(folder, "x.cubin")
    with open(source, "w", encoding="utf-8") as f:
        f.write(ptx)
    subprocess.run([ptxas, f"-arch={arch}", source, "-o", cubin], check=True)
    code = code_of(cubin, kernel)
    end = len(code) - code[::-1].index(EXIT)
    return any(op in LOOKS for op in code) and BRANCH in code[:end]


def main(cc, ptxas):
    with tempfile.TemporaryDirectory() as folder:
        for source, (name, kernels) in SOURCES.items():
            ptx = ptx_of(cc, source, name)
            for arch in ("sm_75", "sm_80", "sm_90"):
                for kernel in kernels:
                    if not has_loop(ptxas, ptx, kernel, arch, folder):
                        raise SystemExit(f"{source}: the compiler left out the loop of '{kernel}' for {arch}")
        # And it would see one: this loop comes to nothing.
        empty = ptx_of(cc, "src/bench/burn-cuda/device.c", "image").replace("	or.b64 %r3, %r3, %r2;\n", "")
        if has_loop(ptxas, empty, "spin", "sm_90", folder):
            raise SystemExit("a loop that comes to nothing was not left out: this test looks wrongly")
    print("ptx: all compiles, all loops are there")


if len(sys.argv) != 3 or not os.access(sys.argv[2], os.X_OK):
    print("no ptxas: NVIDIA's assembler is not installed")
    sys.exit(77)
main(*sys.argv[1:])
