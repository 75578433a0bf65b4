#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""compare.py REAL SIMULATED: two answers.json of tests/gpu/run conformance: what a real driver answered otherwise than
the simulated one, as Markdown. Ends with 1 when something is. Sizes, names and times are each machine's own."""
import json
import sys

OWN = {"library", "device.name", "device.bytes", "device.multiprocessors", "driver.version", "context.used-bytes"}


def differences(real, simulated):
    for name in sorted(set(real) | set(simulated)):
        a, b = real.get(name, "not asked"), simulated.get(name, "not asked")
        if name not in OWN and "-ms" not in name and a != b:
            yield name, a, b


def main(paths):
    real, simulated = (json.load(open(path, encoding="utf-8")) for path in paths)
    print(f"{real['machine']['gpu']}, driver {real['machine']['driver']}, against {simulated['machine']['gpu']}, "
          f"driver {simulated['machine']['driver']}, simulated\n\n| | | real | simulated |\n|---|---|---|---|")
    found = 0
    for how in ("plain", "slice"):
        for name, a, b in differences(real[how], simulated[how]):
            found += 1
            print(f"| {how} | {name} | {a} | {b} |")
    print(f"\n{found} answers differ")
    return 1 if found else 0


if len(sys.argv) != 3:
    sys.exit(__doc__)
sys.exit(main(sys.argv[1:]))
