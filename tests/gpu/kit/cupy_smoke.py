# SPDX-License-Identifier: Apache-2.0
"""cupy_smoke.py SLICE-BYTES: CuPy in a slice; one line of JSON for each check."""
import json
import sys

import cupy


def say(what, ok, note=""):
    print(json.dumps({"what": what, "ok": bool(ok), "note": str(note)}), flush=True)


free, total = cupy.cuda.runtime.memGetInfo()
say("memGetInfo", total == int(sys.argv[1]) and free <= total, f"{free} of {total}, cupy {cupy.__version__}")
a = cupy.random.standard_normal((512, 512))
say("a product", bool(cupy.allclose(a @ cupy.eye(512), a)))
kernel = cupy.ElementwiseKernel("float64 x", "float64 y", "y = 2 * x + 1", "twice_and_one")
say("a kernel of its own", bool(cupy.allclose(kernel(a), 2 * a + 1)))
