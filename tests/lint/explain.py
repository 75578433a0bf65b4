# SPDX-License-Identifier: Apache-2.0
"""Each text of `divvy explain` has its head in order, and its references lead somewhere."""
import os
import re

import lib

GROUPS = ["methods", "isolation", "sharing", "dividing", "words", "machine", "measuring"]
WIDTH = 78  # shown as it stands on a terminal of 80 columns

findings = []
titles = dict(line.split(" ", 1) for line in lib.read("data/rules/ids").splitlines())
topics, names, sees = {}, {}, []


def complain(path, text):
    findings.append(f"{path}: {text}")


def take_name(path, name):
    """Ids and aliases are looked up alike, so none may mean two things."""
    if not re.fullmatch(r"[a-z0-9._/-]+", name):
        complain(path, f"'{name}' is not lower case without blanks")
    if name in names:
        complain(path, f"'{name}' is taken by {names[name]}")
    names[name] = path


for path in lib.files("data/explain/*.txt"):
    topic = os.path.basename(path)[:-4]
    lines = lib.read(path).splitlines()
    blank = lines.index("") if "" in lines else len(lines)
    head = dict(line.split(": ", 1) for line in lines[1:blank] if ": " in line)
    topics[topic] = path
    take_name(path, topic.lower())
    if len(head) != blank - 1 or set(head) - {"aliases", "group", "see"}:
        complain(path, "the head is a title and lines of aliases, group and see")
    if topic in titles:
        if lines[0] != titles[topic]:
            complain(path, f"the title is not '{titles[topic]}' as in data/rules/ids")
        if "group" in head:
            complain(path, "a rule is in no other group")
    elif head.get("group") not in GROUPS:
        complain(path, f"the group is one of {', '.join(GROUPS)}")
    for name in re.split(r",\s*", head.get("aliases", "")):
        if name:
            take_name(path, name)
    sees += [(path, name) for name in re.split(r",\s*", head.get("see", "")) if name]
    body = lines[blank + 1:]
    if len(" ".join(body)) < 80:
        complain(path, "explains nothing")
    for line in lines:
        if len(line) > WIDTH or line != line.rstrip():
            complain(path, f"too long, or blanks at its end: {line[:40]}...")
    for name in re.findall(r"\b[DFMVGLKS]\d{2}\b", "\n".join(body)):
        if name not in titles:
            complain(path, f"names {name}, which is not in data/rules/ids")
for path, name in sees:
    if name not in topics:
        complain(path, f"leads to '{name}', which is no topic")
lib.finish("explain", findings, len(topics))
