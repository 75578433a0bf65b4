# SPDX-License-Identifier: Apache-2.0
"""Files, functions, parameters and nesting stay within the limits of the house (CONTRIBUTING.md)."""
import re

import lib

FILE = {".c": 1000, ".h": 300}
FUNCTION, PARAMETERS, NESTING = 80, 6, 4

exempt = set()
for line in lib.read("tests/lint/sizes-exempt.txt").splitlines():
    if line.strip() and not line.startswith("#"):
        exempt.add(line.strip())
used = set()
findings = []


def complain(key, text):
    if key in exempt:
        used.add(key)
    else:
        findings.append(f"{text}  [{key}]")


def blank(text):
    """The code without what is in comments, strings and character constants."""
    pattern = r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'"
    return re.sub(pattern, lambda m: "\n" * m[0].count("\n") or " ", text, flags=re.S)


def functions(text):
    """(name, first line, lines, parameters, deepest nesting) of each definition; the kernel look
    puts the body's braces in column one."""
    lines = blank(text).splitlines()
    start = None
    for i, line in enumerate(lines):
        if line == "{" and start is None and i and ")" in lines[i - 1]:
            start = i
        elif line == "}" and start is not None:
            head = i_head = start - 1
            while i_head > 0 and lines[i_head - 1] and not re.match(r"[#}]|.*;$", lines[i_head - 1]):
                i_head -= 1
            header = " ".join(l.strip() for l in lines[i_head:start])
            match = re.search(r"(\w+)\s*\((.*)\)[^()]*$", header)
            if match:
                inside = re.sub(r"\([^()]*\)", "", match[2])
                count = 0 if inside.strip() in ("", "void") else inside.count(",") + 1
                if re.search(r"CL_API_CALL|DV_CUDA_API|enum MHD_Result|"
                             r"enum dv_cu_result (cu[A-Z]|DV_PT)", header):
                    count = 0  # another's interface has the parameters it has
                depth = deepest = 0
                case = False
                for body in lines[start:i + 1]:
                    for c in body:
                        depth += {"{": 1, "}": -1}.get(c, 0)
                        deepest = max(deepest, depth)
                yield match[1], i_head + 1, i - start + 1, count, deepest - 1
            start = None


paths = lib.sources()
for path in paths:
    text = lib.read(path)
    length = text.count("\n")
    most = FILE[path[-2:]]
    if length > most:
        complain(path, f"{path}: {length} lines, at most {most}")
    if not path.endswith(".c"):
        continue
    for name, line, size, parameters, nesting in functions(text):
        key = f"{path}:{name}"
        if size > FUNCTION:
            complain(key, f"{path}:{line}: {name} has {size} lines, at most {FUNCTION}")
        if parameters > PARAMETERS + 1:  # the error record is not counted
            complain(key, f"{path}:{line}: {name} has {parameters} parameters")
        if nesting > NESTING:
            complain(key, f"{path}:{line}: {name} is nested {nesting} deep, at most {NESTING}")
for key in sorted(exempt - used):
    findings.append(f"tests/lint/sizes-exempt.txt: '{key}' is no longer needed, delete the line")
lib.finish("sizes", findings, len(paths))
