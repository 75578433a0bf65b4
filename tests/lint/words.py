# SPDX-License-Identifier: Apache-2.0
"""SPDX in every file, no banned function, no unfinished work, no path of somebody's machine."""
import re

import lib

BANNED = re.compile(
    r"\b(strcpy|strcat|sprintf|vsprintf|gets|strtok|alloca|atoi|atol|atof|system|popen|tmpnam|mktemp"
    r"|asctime|ctime|localtime|gmtime|strncpy|rand|srand)\s*\(")
# A library may not end its host, nor print.
ENDS = re.compile(r"\b(exit|_exit|abort|printf|puts|perror)\s*\(")
ENDS_FREE = ("src/cli/", "src/worker/", "src/daemon/", "src/bench/", "src/sim/main.c")
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
MACHINE = re.compile(r"[\"' ](/work/|/root/|/home/[a-z]+/)")

findings = []
spdx = lib.files("*.c", "*.h", "*.py", "*.sh", "*.build", "*.scd", "*.yaml", "*.yml", "*.ini", "*.service",
                 "Makefile", "meson_options.txt", ".ci/run", ".clang-*")
for path in spdx:
    if path.startswith(("tests/golden/", "tests/fuzz/corpus/")):
        continue  # .reuse/dep5 speaks for these
    if "SPDX-License-Identifier" not in "\n".join(lib.read(path).splitlines()[:3]):
        findings.append(f"{path}: no SPDX-License-Identifier in the first three lines")

code = lib.files("*.c", "*.h")
for path in code:
    text = re.sub(r'/\*.*?\*/|"(\\.|[^"\\\n])*"', lambda m: "\n" * m[0].count("\n"), lib.read(path),
                  flags=re.S)
    for number, line in enumerate(text.splitlines(), 1):
        if BANNED.search(line):
            findings.append(f"{path}:{number}: banned: {line.strip()}")
        if path.startswith("src/") and not path.startswith(ENDS_FREE) and ENDS.search(line):
            findings.append(f"{path}:{number}: a library neither ends its host nor prints: "
                            f"{line.strip()}")
everything = lib.files("*.c", "*.h", "*.py", "*.sh", "*.build", "*.md", "*.scd", "Makefile")
for path in everything:
    if path.startswith("tests/lint/"):
        continue
    for number, line in enumerate(lib.read(path).splitlines(), 1):
        if UNFINISHED.search(line):
            findings.append(f"{path}:{number}: unfinished: {line.strip()}")
        if MACHINE.search(line) and not path.startswith("tests/"):
            findings.append(f"{path}:{number}: a path of one machine: {line.strip()}")
lib.finish("words", findings, len(spdx) + len(code))
