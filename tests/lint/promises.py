# SPDX-License-Identifier: Apache-2.0
"""Every test that SPECIFICATION.md names exists, and no promise has the number of another."""
import json
import os
import re
import subprocess
import sys

import lib

done = subprocess.run(["meson", "introspect", "--tests", sys.argv[1]], stdout=subprocess.PIPE,
                      text=True, check=True)
there = {test["name"] for test in json.loads(done.stdout)}
findings, named, numbers = [], 0, set()
for number, line in enumerate(lib.read("SPECIFICATION.md").splitlines(), 1):
    row = re.match(r"\| (P\d+) \|.*\|(.*)\|$", line)
    if not row:
        continue
    if row[1] in numbers:
        findings.append(f"SPECIFICATION.md:{number}: there is a {row[1]} already")
    numbers.add(row[1])
    tests = re.findall(r"`([^`]+)`", row[2])
    named += len(tests)
    if not tests:
        findings.append(f"SPECIFICATION.md:{number}: {row[1]} names no test")
    findings += [f"SPECIFICATION.md:{number}: {row[1]} names {test}, which is not there"
                 for test in tests
                 if test not in there and not os.path.exists(os.path.join(lib.TOP, test))]
lib.finish("promises", findings, named)
