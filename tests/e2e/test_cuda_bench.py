# SPDX-License-Identifier: Apache-2.0
"""divvy bench cuda/ on a simulated machine: every kind of case gives its figures and says on what they were measured.
How fast this machine is says nothing here; bytes are exact on any."""
import json
import os
import signal
import subprocess

from lib import DIVVY, MachineUser, as_user, children, expect, wait_for

CASES = ["cuda/share/30:70/1ms/sync", "cuda/cap/graph/sync", "cuda/gate/launch/", "cuda/gate/shared/1ms",
         "cuda/latency/alone", "cuda/latency/0.5ms", "cuda/memory/", "cuda/start/10"]
METRICS = {
    "cuda/share/30:70/1ms/sync": {"share_error_points", "worst_in_1s_points", "got_pct_a", "got_pct_b", "busy_pct"},
    "cuda/cap/graph/sync": {"cap_error_points", "got_of_plain_pct", "busy_pct"},
    "cuda/gate/launch/refused": {"added_ns", "launch_ns"},
    "cuda/gate/launch/uncontended": {"added_ns", "launch_ns"},
    "cuda/gate/shared/1ms": {"loss_pct", "busy_pct"},
    "cuda/latency/alone": {"p50_ms", "p99_ms", "requests"},
    "cuda/latency/0.5ms": {"p50_ms", "p99_ms", "requests", "busy_pct_heavy"},
    "cuda/memory/fill": {"error_bytes", "left_bytes", "counted_bytes", "driver_bytes"},
    "cuda/start/10": {"p99_over_plain_ms", "added_ms", "p50_ms", "p99_ms", "all_ms"},
}
WAYS = ["fill", "alloc", "pitch", "managed", "handle", "async", "context"]
MIB = 1 << 20


def measured(user):
    out = os.path.join(user.dir, "bench.json")
    done = user.divvy("--machine", "lab-4090", "bench", *CASES, "--quick", "-o", out, "--json")
    expect(done.returncode == 0, done)
    document = json.loads(done.stdout)
    with open(out, encoding="utf-8") as f:
        expect(json.load(f) == document, "the file says the same")
    expect("RTX 4090, simulated machine lab-4090" in document["device"], document["device"])
    results = document["results"]
    expect(all(r.get("on") == "simulated" for r in results), "each figure says on what it was measured", results)
    for case, metrics in METRICS.items():
        expect({r["metric"] for r in results if r["case"] == case} == metrics, case, results)
    value = {(r["case"], r["metric"]): r["value"] for r in results}
    for way in WAYS:
        expect(value["cuda/memory/" + way, "error_bytes"] == 0, way, "counted to the byte")
        expect(value["cuda/memory/" + way, "left_bytes"] == 0, way, "all given back")
    expect(value["cuda/memory/context", "counted_bytes"] == 512 * MIB, "as the machine's description has it")
    expect(abs(value["cuda/share/30:70/1ms/sync", "got_pct_a"] +
               value["cuda/share/30:70/1ms/sync", "got_pct_b"] - 100) < 0.01, "parts of a whole")
    p99 = next(r for r in results if r["case"] == "cuda/latency/0.5ms" and r["metric"] == "p99_ms")
    expect(abs(p99["goal"] - 1.1 * value["cuda/latency/alone", "p99_ms"]) < 1e-3, "the goal is by what it is alone", p99)
    page = user.divvy("report", out, "-o", "-")
    expect(page.returncode == 0 and "cuda/memory/fill" in page.stdout, page)


def without_a_driver(user):
    os.unlink(os.path.join(user.machine("lab-4090"), "libcuda.so.1"))
    for pid in user.daemons():
        os.kill(pid, signal.SIGTERM)
    wait_for(lambda: not user.daemons())
    done = user.divvy("--machine", "lab-4090", "bench", "cuda/memory/fill", "--json")
    results = json.loads(done.stdout)["results"]
    expect(done.returncode == 0 and len(results) == 1, done)
    expect("no CUDA driver" in results[0]["skipped"] and "libcuda.so.1" in results[0]["skipped"], results)


def told_to_end(user):
    folder = os.path.join(user.dir, "tmp")
    os.mkdir(folder)
    os.chown(folder, user.uid, -1)
    bench = subprocess.Popen([DIVVY, "--machine", "lab-4090", "bench", "cuda/share/50:50/1ms/sync"],
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd="/",
                             env={**user.env, "TMPDIR": folder}, **as_user(user.uid))
    wait_for(lambda: len(children(bench.pid)) == 2)
    bench.terminate()
    _, messages = bench.communicate(timeout=30)
    expect(bench.returncode == -signal.SIGTERM, "it ends by the signal", bench.returncode, messages)
    expect(not os.listdir(folder), "and leaves no files", os.listdir(folder))
    wait_for(lambda: json.loads(user.divvy("--machine", "lab-4090", "leases", "--json").stdout)["leases"] == [])


def beside_mig(user):
    """A GPU whose MIG mode is on has no slices: the next one is measured."""
    path = os.path.join(user.dir, "two.yaml")
    with open(path, "w", encoding="utf-8") as f:
        f.write("name: two\ndriver: 580.95.05\ngpus:\n  - {model: h100-80-sxm, mig: on}\n  - {model: h100-80-sxm}\n")
    os.chmod(path, 0o644)
    done = user.divvy("--machine", path, "bench", "cuda/memory/fill", "--quick", "--json")
    results = json.loads(done.stdout)["results"]
    expect(done.returncode == 0 and not any(r.get("skipped") for r in results), results)
    expect([r["value"] for r in results if r["metric"] == "error_bytes"] == [0], results)


a_user = MachineUser()
try:
    measured(a_user)
    beside_mig(a_user)
    told_to_end(a_user)
    without_a_driver(a_user)
finally:
    a_user.end()
print("cuda-bench: all held")
