# SPDX-License-Identifier: Apache-2.0
"""divvy's own figures against their goals: what divvyd needs, how fast it and the command answer,
how soon others go on when a holder dies. Sharing itself is measured by `divvy bench`.

    bench-figures.py [--json] [BUILD]

A missed goal is no failure; a busy machine spoils figures of time, so its load is said too.
"""
import datetime
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "e2e")]
words = [word for word in sys.argv[1:] if word != "--json"]
if words:
    os.environ["DIVVY_BUILD"] = os.path.abspath(words[0])

import attached  # noqa: E402: the build folder comes first
from lib import BUILD, DIVVY, MachineUser, Node, wait_for  # noqa: E402

TENANTS = 100
BUFFERS = 24000
CONFIG = "version: 1\nquotas: {default: {leases: 4096}}\ngate: {hold_timeout: 200ms}\n"
results = []


def note(case, metric, unit, values, goal=None):
    """Of several values the median, and how far the middle half of them lies apart."""
    values = sorted(values if isinstance(values, list) else [values])
    spread = 0
    if len(values) > 3:
        quarters = statistics.quantiles(values, n=4)
        spread = quarters[2] - quarters[0]
    result = {"case": case, "metric": metric, "unit": unit, "value": round(statistics.median(values), 3)}
    if goal is not None:
        result["goal"] = goal
    results.append({**result, "n": len(values), "spread": round(spread, 3), "most": round(values[-1], 3)})


def skipped(case, why):
    results.append({"case": case, "skipped": why})


def cpu_ns(pid):
    """What all its threads used, in ns."""
    used = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/schedstat", encoding="ascii") as f:
            used += int(f.read().split()[0])
    return used


def wakeups(pid):
    count = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/status", encoding="ascii") as f:
            count += int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", f.read(), re.M)[1])
    return count


def grant(node, name, **wanted):
    status, document = node.take(name, **wanted)
    assert status == 201, document
    return dict(word.split("=", 1) for word in document["env"])


def start_time(node):
    """From its start until it says that it is ready, and until it knows what GPUs there are."""
    ready, known = [], []
    for _ in range(10):
        node.stop()
        hear, say = os.pipe()
        node.options = ["--ready-fd", str(say)]
        begun = time.monotonic()
        node.daemon = node.spawn_daemon(pass_fds=[say])
        os.close(say)
        with os.fdopen(hear) as f:
            assert f.readline() == "ready\n"
        ready.append((time.monotonic() - begun) * 1e3)
        node.api("GET", "/v1/leases")
        known.append((time.monotonic() - begun) * 1e3)
    node.options = []
    note("daemon/start", "ready_ms", "ms", ready, 50)
    note("daemon/start", "devices_known_ms", "ms", known)


def with_tenants(node):
    tenants = []
    for number in range(TENANTS):
        tenants.append(attached.attach(grant(node, f"t{number}", method="slice", memory_mib=1, compute_pct=1)))
    wait_for(lambda: all(lease["pid_count"] == 1 for lease in node.leases().values()))
    pid = node.daemon.pid
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        text = f.read()
    rss, anonymous = (int(re.search(key + r":\s+(\d+) kB", text)[1]) / 1024 for key in ("VmRSS", "RssAnon"))
    note(f"daemon/{TENANTS}-tenants", "rss_mib", "MiB", rss, 15)
    note(f"daemon/{TENANTS}-tenants", "rss_anonymous_mib", "MiB", anonymous)
    time.sleep(1)
    used, woken = cpu_ns(pid), wakeups(pid)
    time.sleep(10)
    note(f"daemon/{TENANTS}-tenants/idle-10s", "cpu_pct", "%", (cpu_ns(pid) - used) / 10e9 * 100, 0.1)
    note(f"daemon/{TENANTS}-tenants/idle-10s", "wakeups", "", wakeups(pid) - woken)
    command_time(node, f"cli/status/{TENANTS}-tenants", None)
    for number in range(TENANTS):
        assert node.api("DELETE", f"/v1/leases/t{number}")[0] == 200
    return tenants


def command_time(node, case, goal):
    wall, cpu = [], []
    for _ in range(20):
        begun = time.monotonic()
        process = subprocess.Popen([DIVVY, "--socket", node.socket, "status"], env=node.env,
                                   stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        wall.append((time.monotonic() - begun) * 1e3)
        cpu.append((usage.ru_utime + usage.ru_stime) * 1e3)
        process.returncode = status
        assert status == 0, status
    note(case, "wall_ms", "ms", wall, goal)
    note(case, "cpu_ms", "ms", cpu)


FLEETS = {
    "7x8": ["{name: a, count: 56, method: mig, profile: 1g.10gb}"],
    "mixed": ["{name: a, count: 5, method: mig, profile: 3g.40gb}", "{name: b, count: 8, method: mig, profile: 2g.20gb}",
              "{name: c, count: 14, method: mig, needs: {memory: 9GiB}}",
              "{name: d, count: 2, method: mig, profile: 1g.10gb, gpu: \"7\"}",
              "{name: e, count: 3, method: mig, profile: 2g.20gb, start: 2}"],
}


def plans():
    """The whole command on a simulated machine of eight H100: divvyd's plan, the document, the page."""
    try:
        user = MachineUser()
    except SystemExit:
        skipped("cli/plan/8-gpus", "no ordinary user to be")
        return
    try:
        for name, tenants in FLEETS.items():
            path = os.path.join(user.dir, f"{name}.yaml")
            with open(path, "w", encoding="utf-8") as f:
                f.write("version: 1\nname: lab\ntenants:\n" + "".join(f"  - {t}\n" for t in tenants))
            os.chmod(path, 0o644)
            assert user.divvy("--machine", "dgx-h100", "plan", path).returncode == 0
            wall = []
            for _ in range(20):
                begun = time.monotonic()
                user.divvy("--machine", "dgx-h100", "plan", path)
                wall.append((time.monotonic() - begun) * 1e3)
            note(f"cli/plan/8-gpus/{name}", "wall_ms", "ms", wall, 50)
    finally:
        user.end()


def handed_over(node, end):
    """How long a waiting tenant waits after its holder, which keeps the device, met its end."""
    mine = grant(node, "holder", method="slice", memory_mib=1, compute_pct=10)
    other = attached.attach(grant(node, "waiter", method="slice", memory_mib=1, compute_pct=10))
    holder = subprocess.Popen([sys.executable, attached.__file__], env={**os.environ, **mine}, text=True,
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdout.readline() == "held\n"
    other.want()
    time.sleep(0.03)
    assert not other.held(), "the holder keeps it"
    begun = time.monotonic()
    end(holder)
    took = other.until_held() - begun
    holder.kill()
    holder.communicate()
    other.socket.close()
    for name in ("holder", "waiter"):
        assert node.api("DELETE", "/v1/leases/" + name)[0] == 200
    return took * 1e3


def holders(node):
    note("gate/holder/killed", "recovery_ms", "ms", [handed_over(node, lambda p: p.kill()) for _ in range(30)], 10)
    note("gate/holder/stopped/200ms", "recovery_ms", "ms",
         [handed_over(node, lambda p: p.send_signal(19)) for _ in range(5)], 200)


def buffers(node):
    script = os.path.join(HERE, "buffers.py")
    command = [sys.executable, script, str(BUFFERS)]
    outside = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    if outside.returncode:
        skipped(f"memory/buffers/{BUFFERS}", "no OpenCL device outside of divvy either")
        return
    inside = node.spawn("run", "--name", "buffers", "--memory", "64MiB", "--compute", "50%", "--", *command,
                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    took = inside.stdout.readline()
    left = wait_for(lambda: node.leases()["buffers"]["pids"] and node.leases()["buffers"])["memory_used_bytes"]
    inside.communicate()
    assert inside.returncode == 0 and took, inside.returncode
    note(f"memory/buffers/{BUFFERS}", "left_charged_bytes", "B", left, 0)
    note(f"memory/buffers/{BUFFERS}/without", "create_release_us", "us", float(outside.stdout))
    note(f"memory/buffers/{BUFFERS}", "create_release_us", "us", float(took))


def launch():
    program = os.path.join(BUILD, "tests/unit/shim/shim-launch-cost")
    if not os.path.exists(program):
        skipped("gate/launch/does-nothing", "the tests were not built")
        return
    added = []
    for _ in range(5):
        got = subprocess.run([program], stdout=subprocess.PIPE, text=True, check=True)
        added.append(float(re.search(r"added ([\d.]+) ns", got.stdout)[1]))
    note("gate/launch/does-nothing", "added_ns", "ns", added, 50)


def show(document):
    print(f"{document['device']}, {document['date']}, load {document['load']}")
    print(f"{'CASE':34} {'METRIC':20} {'GOAL':>8} {'MEASURED':>10} {'MOST':>10}  UNIT")
    for result in document["results"]:
        if "skipped" in result:
            print(f"{result['case']:34} skipped: {result['skipped']}")
            continue
        goal = result.get("goal")
        text = "" if goal is None else f"<= {goal:g}"
        missed = "  missed" if goal is not None and result["value"] > goal else ""
        print(f"{result['case']:34} {result['metric']:20} {text:>8} {result['value']:10.3f} {result['most']:10.3f}"
              f"  {result['unit']}{missed}")


def processor():
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        name = re.search(r"^model name\s*: (.*)$", f.read(), re.M)
    return f"{name[1] if name else os.uname().machine}, {os.cpu_count()} CPUs"


def main():
    load = os.getloadavg()[0]
    node = Node(CONFIG)
    try:
        node.start()
        start_time(node)
        command_time(node, "cli/status", 50)
        plans()
        holders(node)
        buffers(node)
        with_tenants(node)
        launch()
    finally:
        node.stop()
        shutil.rmtree(node.dir, ignore_errors=True)
    version = subprocess.run([DIVVY, "--version"], stdout=subprocess.PIPE, text=True, check=True).stdout.split()[-1]
    document = {"schema": "divvy/bench/1", "device": processor(), "version": version, "load": round(load, 2),
                "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
                "results": results}
    if "--json" in sys.argv:
        print(json.dumps(document, indent=1))
    else:
        show(document)


main()
