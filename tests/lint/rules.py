# SPDX-License-Identifier: Apache-2.0
"""Every rule id used is in data/rules/ids, is used once there, and has a text that explains it; whoever
refuses by a rule says what to do, too."""
import os
import re

import lib

# Where somebody else adds the fix: FILE or FILE:FUNCTION.
FIXED_ELSEWHERE = {
    "src/api/json-in.c:dv_api_only_members",  # its callers, who know the members
    "src/model/yaml-read.c:fail_va",          # the readers of fleet files and configurations
    "src/catalog/seal.c",                     # dv_catalog_seal, for all of them
    "src/bench/burn/device.c",                # a program of the bench, not a refusal of divvy's
}

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
for path in lib.files("src/*.c"):
    lines = lib.read(path).splitlines()
    for start in (i for i, line in enumerate(lines) if line == "{"):
        end = lines.index("}", start)
        body = "\n".join(lines[start:end])
        if "dv_error_rule(" not in body or re.search(r"\w*fix\w*\(", body):
            continue
        # The head may go over several lines; what continues is indented.
        head = max(i for i in range(start) if re.match(r"\w", lines[i]))
        name = re.search(r"(\w+)\(", lines[head])
        if not {path, f"{path}:{name and name[1]}"} & FIXED_ELSEWHERE:
            findings.append(f"{path}:{head + 1}: refuses by a rule and does not say what to do "
                            "(dv_error_fix)")
lib.finish("rules", findings, len(ids))
