# SPDX-License-Identifier: Apache-2.0
"""A simulated machine with slices, for tests."""
import json
import os
import signal
import subprocess

from lib import BUILD, DIVVY, as_user, expect, wait_for

TENANT = os.path.join(BUILD, "tests/e2e/cuda/cuda-tenant")
LOOK = os.path.join(BUILD, "tests/e2e/cuda/nvml-look")
CONTEXT_MIB = 512  # of an RTX 4090 as docs/simulated-machines.md has it: 256 and 2 for each of 128 SMs


class Lab:
    """A machine of one's own with two GPUs."""

    def __init__(self, user):
        self.user = user
        path = os.path.join(user.dir, "lab.yaml")
        with open(path, "w", encoding="utf-8") as f:
            f.write("name: lab\ngpus:\n  - {model: rtx4090, driver: 580.95.05, compute_capability: \"8.9\"}\n"
                    "  - {model: rtx4090, driver: 580.95.05, compute_capability: \"8.9\"}\n")
        os.chmod(path, 0o644)
        self.words = ["--machine", path]
        done = self.divvy("gpus", "--json")
        expect(done.returncode == 0, done.stderr)
        machines = os.path.join(user.dir, "divvy/machines")
        self.dir = os.path.join(machines, os.listdir(machines)[0])
        self.library = os.path.join(self.dir, "libcuda.so.1")

    def divvy(self, *args):
        return self.user.divvy(*self.words, *args)

    def spawn(self, *args):
        return subprocess.Popen([DIVVY, *self.words, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                text=True, env=self.user.env, cwd="/", **as_user(self.user.uid))

    def put_driver(self, driver):
        """In the place of any other, and let divvyd look anew."""
        if os.path.lexists(self.library):
            os.unlink(self.library)
        if driver:
            os.symlink(driver, self.library)
        for pid in self.user.daemons():
            os.kill(pid, signal.SIGTERM)
        wait_for(lambda: not self.user.daemons())

    def slice_of(self, gpu):
        gpus = json.loads(self.divvy("gpus", "--json").stdout)["gpus"]
        return next(m for m in gpus[gpu]["methods"] if m["name"] == "slice")

    def leases(self):
        return json.loads(self.divvy("leases", "--json").stdout)["leases"]


class Seen:
    """What nvml-look printed."""

    def __init__(self, text):
        self.text = text
        self.words, self.pids, self.busy, self.failed = {}, {}, {}, {}
        for line in text.splitlines():
            words = line.split()
            if words[0] == "pid":
                self.pids[int(words[1])] = int(words[2])
            elif words[0] == "busy":
                self.busy[int(words[1])] = int(words[2])
            elif words[1] == "failed":
                self.failed[words[0]] = int(words[2])
            else:
                self.words[words[0]] = int(words[1]) if words[1].isdigit() else words[1]


def look(lab, name, *args):
    """From another process of the lease."""
    done = lab.divvy("run", "--name", name, "--", LOOK, *args)
    expect(done.returncode == 0, done)
    return Seen(done.stdout)


def outside(lab, *args):
    done = lab.user.run("env", f"DIVVY_SIM_MACHINE={lab.dir}", LOOK, os.path.join(lab.dir, "libnvidia-ml.so.1"), *args)
    expect(done.returncode == 0, done)
    return Seen(done.stdout)
