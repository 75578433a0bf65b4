# SPDX-License-Identifier: Apache-2.0
"""Every rule id used is in data/rules/ids, is used once there, and has a text that explains it."""
import os
import re

import lib

findings = []
ids = []
for number, line in enumerate(lib.read("data/rules/ids").splitlines(), 1):
    match = re.fullmatch(r"([DFMVGLKS]\d{2}) \S.*", line)
    if not match:
        findings.append(f"data/rules/ids:{number}: not 'ID title': {line}")
        continue
    if match[1] in ids:
        findings.append(f"data/rules/ids:{number}: {match[1]} is there twice")
    ids.append(match[1])

for rule in ids:
    if not os.path.exists(os.path.join(lib.TOP, "data/explain", rule + ".txt")):
        findings.append(f"data/explain/{rule}.txt: missing")
for path in lib.files("data/explain/*.txt"):
    name = os.path.basename(path)[:-4]
    if re.fullmatch(r"[A-Z]\d{2}", name) and name not in ids:
        findings.append(f"{path}: {name} is not in data/rules/ids")
for path in lib.sources():
    for number, line in enumerate(lib.read(path).splitlines(), 1):
        for rule in re.findall(r'"([A-Z]\d{2})"', line):
            if rule not in ids:
                findings.append(f"{path}:{number}: {rule} is not in data/rules/ids")
lib.finish("rules", findings, len(ids))
