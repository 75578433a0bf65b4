# SPDX-License-Identifier: Apache-2.0
"""The demo's middle: kill one tenant, and measure what the others got before and after.

    demo_kill.py wait SOCKET                         until every tenant has used the device
    demo_kill.py kill SOCKET VICTIM NUMBERS          kill it, and write what was seen
    demo_kill.py table NUMBERS [TENANT=RECORD...]    the table; fails if another tenant stopped

The share of the device is from divvyd's counters (/metrics), the launches from what each tenant's own
program wrote down (src/bench/record.h); the killed one wrote nothing.
"""
import http.client
import json
import os
import re
import signal
import socket
import struct
import sys
import time

SECONDS = 3  # measured before and after


def get(path, url):
    """One request to divvyd, which speaks HTTP on a unix socket."""
    connection = http.client.HTTPConnection("divvyd")
    connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.sock.connect(path)
    connection.request("GET", url)
    answer = connection.getresponse().read().decode()
    connection.close()
    return answer


def held(path):
    """For how long each tenant had the device up to now, in s."""
    metric = re.compile(r'^divvy_lease_device_seconds_total\{[^}]*?lease="([^"]+)"[^}]*\} (\S+)$', re.M)
    return {name: float(value) for name, value in metric.findall(get(path, "/metrics"))}


def wait(path):
    end = time.monotonic() + 60
    while not all(held(path).values()):
        if time.monotonic() > end:
            print(f"Not every tenant has used the device after a minute: {held(path)}")
            return 1
        time.sleep(0.2)
    return 0


def kill(path, victim, out):
    leases = {lease["name"]: lease for lease in json.loads(get(path, "/v1/leases"))["leases"]}
    pid = leases[victim]["pids"][0]
    first = held(path)
    time.sleep(SECONDS)
    second, killed_ns = held(path), time.monotonic_ns()
    os.kill(pid, signal.SIGKILL)
    # A moment for its last kernel; then as long as before.
    time.sleep(0.2)
    third, after_ns = held(path), time.monotonic_ns()
    time.sleep(SECONDS)
    fourth = held(path)
    tenants = [{"name": name, "wanted_pct": lease["compute_pct"],
                "before_s": second[name] - first[name], "after_s": fourth[name] - third[name]}
               for name, lease in leases.items()]
    with open(out, "w", encoding="utf-8") as f:
        json.dump({"victim": victim, "pid": pid, "killed_ns": killed_ns, "after_ns": after_ns, "tenants": tenants}, f)
    print(f"Killed process {pid}, {victim}'s.")
    return 0


def launches(record, from_ns):
    """How many ended in each of the SECONDS from that moment on."""
    with open(record, "rb") as f:
        data = f.read()
    count = struct.unpack_from("7Q", data)[4]
    ended = struct.unpack_from(f"{count}Q", data, 56 + 8 * count)
    return [sum(from_ns + n * 10**9 <= moment < from_ns + (n + 1) * 10**9 for moment in ended) for n in range(SECONDS)]


def table(numbers, records):
    with open(numbers, encoding="utf-8") as f:
        seen = json.load(f)
    sums = {key: sum(t[key] for t in seen["tenants"]) or 1 for key in ("before_s", "after_s")}
    stopped = []
    print(f"{'':12}{'SHARE OF THE DEVICE':>32}{'LAUNCHES A SECOND':>20}")
    print(f"{'TENANT':12}{'PROMISED':>10}{'BEFORE':>11}{'AFTER':>11}{'BEFORE':>10}{'AFTER':>10}")
    for t in seen["tenants"]:
        before, after = (f"{t[key] / sums[key] * 100:.1f} %" for key in ("before_s", "after_s"))
        rates = ["-", "-"]
        if t["name"] != seen["victim"]:
            counts = [launches(records[t["name"]], moment)
                      for moment in (seen["killed_ns"] - SECONDS * 10**9, seen["after_ns"])]
            rates = [f"{sum(count) / SECONDS:.0f}" for count in counts]
            # Not in one of the seconds.
            if not all(counts[1]) or t["after_s"] <= 0:
                stopped.append(t["name"])
        killed = "  killed" if t["name"] == seen["victim"] else ""
        print(f"{t['name']:12}{str(t['wanted_pct']) + ' %':>10}{before:>11}{after:>11}{rates[0]:>10}{rates[1]:>10}{killed}")
    if stopped:
        print(f"Killing {seen['victim']} stopped {', '.join(stopped)}: this must not happen.")
        return 1
    print(f"None of the other {len(seen['tenants']) - 1} stopped.")
    return 0


def main(words):
    if words[:1] == ["wait"] and len(words) == 2:
        return wait(words[1])
    if words[:1] == ["kill"] and len(words) == 4:
        return kill(*words[1:])
    if words[:1] == ["table"] and len(words) > 1:
        return table(words[1], dict(word.split("=", 1) for word in words[2:]))
    print(__doc__)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
