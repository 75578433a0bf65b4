# SPDX-License-Identifier: Apache-2.0
"""tools/check.py says what it did not run, and what tests left behind."""
import os
import sys
import tempfile

from lib import TOP, finish

sys.path.insert(0, os.path.join(TOP, "tools"))
import check  # noqa: E402: the path comes first

findings = []


def same(what, got, wanted):
    if got != wanted:
        findings.append(f"tools/check.py: {what}: {got} instead of {wanted}")


there = {"lint", "unit"}
same("nothing is missing", check.missing(["unit", "lint"], there), [])
same("an empty folder", check.missing(["unit", "nowhere"], there),
     [("suite nowhere", "tests/nowhere has no tests yet")])
same("tests that were not built", check.missing(["e2e"], there), [("suite e2e", "this build has none of its tests")])
with tempfile.TemporaryDirectory() as folder:
    same("nothing was left", check.left_behind(folder), None)
    for name in "gfedcba":
        os.mkdir(os.path.join(folder, name))
    same("some files were left", check.left_behind(folder), "a, b, c, d, e and 2 more")
finish("check", findings, len(check.STAGES))
