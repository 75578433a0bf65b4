# SPDX-License-Identifier: Apache-2.0
"""All rows of all parts in one table of Markdown."""
import os
import tarfile


def number(value):
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    return f"{value:.0f}" if abs(value) >= 1000 or value == int(value) else f"{value:.3g}"


def cell(text):
    return str(text).replace("|", "\\|").replace("\n", " ")


def lines(part):
    for row in part.rows:
        mark = {"ok": "", "missed": "goal missed"}.get(row["state"], row["state"])
        note = ": ".join(filter(None, [mark, row["note"]]))
        yield (f"| {cell(row['what'])} | {number(row['value'])} | {number(row['goal'])} | {number(row['plain'])} | "
               f"{row['unit']} | {cell(note)} |")


def write(world, parts):
    is_ = world.identity
    where = "the simulated driver" if world.simulated else "hardware"
    text = [f"# Slices of an NVIDIA GPU on {where}, {is_['date'][:10]}", "",
            f"{is_['gpu']}, {is_['memory_mib']} MiB, driver {is_['driver']}, {is_['cpus']} CPUs, kernel {is_['kernel']}, "
            f"commit {is_['commit']}. Gate: {is_['gate']}.", "",
            "`tests/gpu/run" + (" --quick" if world.quick else "") + " " + " ".join(world.options.parts) + "`"]
    if world.quick:
        text += ["", "Quick: a quarter of the time; nothing here is held against a goal of ten seconds."]
    for part in parts:
        text += ["", f"## {part.name} ({part.seconds:.0f} s)", "",
                 "| what | value | goal | without divvy | unit | |", "|---|---|---|---|---|---|", *lines(part)]
    text = "\n".join(text) + "\n"
    with open(os.path.join(world.out, "table.md"), "w", encoding="utf-8") as f:
        f.write(text)
    return text


def bundle(world, parts):
    files = [part.name + end for part in parts for end in (".json", ".log")] + ["answers.json"]
    with tarfile.open(os.path.join(world.out, "kit.tar.gz"), "w:gz") as tar:
        for name in files:
            path = os.path.join(world.out, name)
            if os.path.exists(path):
                tar.add(path, name)
                os.unlink(path)
