# SPDX-License-Identifier: Apache-2.0
"""One piece of silicon, one owner: two divvyds in two places, real processes, random takes, releases,
kill -9, restarts and double starts. After each step no node has two owners, nor a node and its
ancestor, nor does a device have leases of both divvyds.

The seed is printed; DV_TEST_SEED repeats a run, DV_TEST_STEPS says how many steps (200).
"""
import json
import os
import random
import signal
import socket
import subprocess
import time

from lib import DIVVYD, Node, expect, need_opencl, wait_for

SEED = int(os.environ.get("DV_TEST_SEED", time.time_ns() % 1000000))
STEPS = int(os.environ.get("DV_TEST_STEPS", "200"))


def ask(node, verb, path, body=None):
    """(HTTP status, document), or (0, why) when divvyd is gone."""
    text = json.dumps(body) if body is not None else ""
    request = (f"{verb} {path} HTTP/1.1\r\nHost: d\r\nConnection: close\r\n"
               f"Content-Length: {len(text)}\r\n\r\n{text}")
    got = b""
    try:
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(60)
            s.connect(node.socket)
            s.sendall(request.encode())
            while chunk := s.recv(65536):
                got += chunk
    except OSError as error:
        return 0, str(error)
    head, _, document = got.partition(b"\r\n\r\n")
    return (int(head.split()[1]), json.loads(document)) if document else (0, "hung up")


class Place(Node):
    """A node that is started without waiting, and may be down."""

    def start(self):
        with open(os.path.join(self.dir, "divvyd.log"), "a", encoding="utf-8") as log:
            self.daemon = subprocess.Popen(
                [DIVVYD, "--run-dir", self.run_dir, "--state-dir", self.state_dir, "--lock-dir",
                 self.lock_dir], stdout=log, stderr=log, env=self.env)

    def up(self):
        return self.daemon is not None

    def settled(self):
        """Wait until it answers."""
        wait_for(lambda: ask(self, "GET", "/v1/status")[0] == 200, 60)


def parts(node):
    """A node's path as the list of its ancestors and itself."""
    words = node.split("/")
    return ["/".join(words[:i + 1]) for i in range(len(words))]


def check(places, done):
    owners, by_device = {}, {}
    for number, place in enumerate(places):
        if not place.up():
            continue
        status, document = ask(place, "GET", "/v1/status")
        expect(status == 200, f"divvyd {number} answers", document, place.daemon.poll(), done)
        sums = {}
        for lease in document["leases"]:
            for other, whose in owners.items():
                expect(lease["node"] not in parts(other) and other not in parts(lease["node"]),
                       f"{lease['node']} has two owners: {whose} and {number}/{lease['name']}", done)
            owners[lease["node"]] = f"{number}/{lease['name']}"
            by_device.setdefault(lease["gpu"], set()).add(number)
            memory, share = sums.get(lease["gpu"], (0, 0))
            sums[lease["gpu"]] = (memory + lease["memory_bytes"], share + lease["compute_pct"])
        for gpu in document["gpus"]:
            memory, share = sums.get(gpu["uuid"], (0, 0))
            expect(memory <= gpu["memory_bytes"], "memory is given once", done)
            expect(share <= 100.001, "time is given once", done)
            expect(not gpu["quarantine"], f"a quarantine: {gpu['quarantine']}", done)
    for gpu, numbers in by_device.items():
        expect(len(numbers) == 1, f"{gpu} has leases of both divvyds", done)


def take(place, rng):
    body = {"schema": "divvy/request/1", "method": rng.choice(["slice"] * 4 + ["passthrough"])}
    if rng.random() < 0.7:
        body["name"] = f"t{rng.randrange(6)}"
    if body["method"] == "slice":
        body["memory_mib"] = rng.choice([16, 256, 4096])
        body["compute_pct"] = rng.choice([1, 20, 60])
    status, document = ask(place, "POST", "/v1/leases", body)
    expect(status in (201, 409), f"a take is done or refused by rule, not {status}", document)
    expect(status == 201 or document["rule"], "a refusal names its rule", document)
    return f"take {status} {document.get('rule', document.get('lease', {}).get('name'))}"


def release(place, rng):
    leases = ask(place, "GET", "/v1/leases")[1]["leases"]
    if not leases:
        return "release nothing"
    lease = rng.choice(leases)
    status, document = ask(place, "DELETE", f"/v1/leases/{lease['name']}")
    expect(status == 200, f"a lease is given back, not {status}", document)
    return f"release {lease['name']}"


def cut_off(place, rng):
    """kill -9 in the middle of a take: what it was is for the next divvyd to find out."""
    with socket.socket(socket.AF_UNIX) as s:
        body = json.dumps({"schema": "divvy/request/1", "memory_mib": 16, "compute_pct": 1})
        s.connect(place.socket)
        s.sendall(f"POST /v1/leases HTTP/1.1\r\nHost: d\r\nContent-Length: {len(body)}\r\n\r\n"
                  f"{body}".encode())
        time.sleep(rng.choice([0, 0.0005, 0.002, 0.005, 0.01]))
        place.stop(signal.SIGKILL)
    return "kill -9 in a take"


def double_start(place):
    """Two at once in one place: one stays, the other says so and ends."""
    place.start()
    first = place.daemon
    place.start()
    both = [first, place.daemon]
    ended = wait_for(lambda: [d for d in both if d.poll() is not None], 60)
    expect(len(ended) == 1 and ended[0].returncode == 3, "one of two ends", ended[0].returncode)
    place.daemon = both[1 - both.index(ended[0])]
    place.settled()
    return "double start"


def step(places, rng):
    number = rng.randrange(2)
    place = places[number]
    if not place.up():
        if rng.random() < 0.3:
            return f"{number}: {double_start(place)}"
        place.start()
        place.settled()
        return f"{number}: start"
    what = rng.random()
    if what < 0.55:
        return f"{number}: {take(place, rng)}"
    if what < 0.85:
        return f"{number}: {release(place, rng)}"
    if what < 0.9:
        return f"{number}: {cut_off(place, rng)}"
    place.stop(signal.SIGKILL if what < 0.96 else signal.SIGTERM)
    return f"{number}: {'kill -9' if what < 0.96 else 'stop'}"


need_opencl()
print(f"seed: DV_TEST_SEED={SEED}")
rng = random.Random(SEED)
with Place() as a, Place() as b:
    b.lock_dir = a.lock_dir
    b.stop()  # it began with a lock directory of its own
    a.settled()
    counts, history = {}, []
    for i in range(STEPS):
        done = step((a, b), rng)
        history.append(f"{i}: {done}")
        counts[" ".join(done.split()[1:3])] = counts.get(" ".join(done.split()[1:3]), 0) + 1
        check((a, b), history[-15:])
    print(f"{STEPS} steps: {counts}")
