# SPDX-License-Identifier: Apache-2.0
"""A file includes only floors below its own, and a vendor's or library's word stays in its place."""
import os
import re

import lib

allowed = {}
for line in lib.read("tests/lint/floors.txt").splitlines():
    if line and not line.startswith("#"):
        module, uses = line.split(":", 1)
        allowed[module] = uses.split()

# A library's header may be included only there.
LIBRARIES = {
    "sqlite3.h": ["src/store/"],
    "microhttpd.h": ["src/daemon/"],
    "jansson.h": ["src/api/"],
    "curl/curl.h": ["src/client/"],
    "yaml.h": ["src/model/yaml"],
    "curses.h": ["src/cli/"],
    "ncurses.h": ["src/cli/"],
    "CL/": ["src/abi/", "src/shim/opencl/", "src/bench/burn/"],
    "cuda.h": ["src/abi/"],
    "nvml.h": ["src/abi/"],
}
# A vendor's identifiers appear only in its declarations, device file, shim, simulator.
VENDORS = [
    (re.compile(r"\b(clEnqueue|clCreate|clGet|CL_[A-Z]|cl_(int|mem|device_id|context)\b)"),
     ["src/abi/opencl", "src/device/opencl", "src/shim/opencl/", "src/bench/burn/"]),
    (re.compile(r"\bnvml[A-Z]"), ["src/abi/nvml", "src/device/nvml", "src/shim/nvml/", "src/sim/"]),
    (re.compile(r"\bcu(Mem|Launch|Ctx|Init|Device)[A-Z]"),
     ["src/abi/cuda", "src/device/cuda", "src/shim/cuda/", "src/sim/", "src/bench/"]),
]


def module_of(path):
    parts = path.split("/")[1:-1]
    return "/".join(parts[:2]) if parts[0] == "shim" else parts[0]


def strip_comments(text):
    return re.sub(r'/\*.*?\*/|"(\\.|[^"\\\n])*"', lambda m: "\n" * m[0].count("\n"), text,
                  flags=re.S)


def may_include(module, header):
    target = os.path.dirname(header)
    if target == module or target.startswith(module + "/"):
        return True
    return any(header == use or target == use for use in allowed[module])


findings = []
paths = [p for p in lib.sources() if p.startswith("src/")]
for path in paths:
    module = module_of(path)
    if module not in allowed:
        findings.append(f"{path}: folder '{module}' is not in tests/lint/floors.txt")
        continue
    text = lib.read(path)
    for number, line in enumerate(text.splitlines(), 1):
        own = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
        if own and own[1] != "config.h" and not own[1].startswith("divvy/"):
            if not may_include(module, own[1]):
                findings.append(f"{path}:{number}: '{module}' may not include {own[1]}")
        system = re.match(r"\s*#\s*include\s+<([^>]+)>", line)
        if system:
            for header, places in LIBRARIES.items():
                match = system[1].startswith(header) if header.endswith("/") else system[1] == header
                if match and not path.startswith(tuple(places)):
                    findings.append(f"{path}:{number}: <{system[1]}> belongs in {places}")
    for number, line in enumerate(strip_comments(text).splitlines(), 1):
        for word, places in VENDORS:
            if word.search(line) and not path.startswith(tuple(places)):
                findings.append(f"{path}:{number}: a vendor's word outside {places}: {line.strip()}")
lib.finish("floors", findings, len(paths))
