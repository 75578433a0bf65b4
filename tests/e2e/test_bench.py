# SPDX-License-Identifier: Apache-2.0
"""divvy bench on a real device: limits to the byte, a launch's cost, a case that is killed."""
import json
import os
import signal
import subprocess

from lib import BURN, Node, children, expect, need_opencl, wait_for

LIMIT = 64 << 20


def numbers(document):
    return {(r["case"], r["metric"]): r["value"] for r in document["results"] if "value" in r}


def measured(node):
    got = node.divvy("--json", "bench", "memory/", "gate/launch/null")
    expect(got.status == 0, "all cases can be measured", got)
    value = numbers(json.loads(got.out))
    expect(value["memory/exact", "refused_at_bytes"] == LIMIT, "the first byte over the limit is refused", got)
    expect(value["memory/buffers", "left_bytes"] == 0, "24000 buffers leave nothing charged", got)
    expect(value["memory/buffers", "make_release_ns"] > value["memory/buffers/without", "make_release_ns"] > 0,
           "a buffer inside is asked for", got)
    null, without = (value["gate/launch/null" + which, "launch_ns"] for which in ("", "/without"))
    # One look and one count: a launch that went to divvyd or to the driver would be far beyond that.
    expect(0 < without < null < without + 2000, "a launch is looked at and counted", got)


def running_burn(pid):
    for child in children(pid):
        try:
            if os.path.samefile(f"/proc/{child}/exe", BURN):
                return child
        except OSError:
            pass
    return None


def killed(node):
    out = os.path.join(node.dir, "bench.json")
    bench = node.spawn("bench", "gate/launch/without", "memory/exact", "-o", out, stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE)
    os.kill(wait_for(lambda: running_burn(bench.pid)), signal.SIGKILL)
    text, messages = bench.communicate(timeout=120)
    expect(bench.returncode == 1, "a failed case is the command's failure", bench.returncode, messages)
    expect("FAILED: gate/launch/without: a ended with 137" in text, "named, with its cause", text)
    with open(out, encoding="utf-8") as f:
        document = json.load(f)
    failed = {r["case"]: r["failed"] for r in document["results"] if "failed" in r}
    expect(list(failed) == ["gate/launch/without"], "the record says the same", document)
    expect(numbers(document)["memory/exact", "refused_at_bytes"] == LIMIT, "the other case went on", document)
    page = node.divvy("report", out, "-o", "-")
    expect(page.status == 0 and "failed: a ended with 137" in page.out, "and so does the page", page)


def told_to_end(node):
    folder = os.path.join(node.dir, "tmp")
    os.mkdir(folder)
    node.env["TMPDIR"] = folder
    bench = node.spawn("bench", "noisy/ungated", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    burns = [wait_for(lambda: running_burn(bench.pid))]
    expect(os.listdir(folder), "its files are there")
    bench.terminate()
    _, messages = bench.communicate(timeout=30)
    expect(bench.returncode == -signal.SIGTERM, "it ends by the signal", bench.returncode, messages)
    expect(not os.listdir(folder), "and leaves no files", os.listdir(folder))
    expect(not any(os.path.exists(f"/proc/{pid}") for pid in burns), "and no tenants")


need_opencl()
with Node() as a_node:
    measured(a_node)
    killed(a_node)
    told_to_end(a_node)
    expect(a_node.leases() == {}, "no lease is left")
print("bench: all held")
