# SPDX-License-Identifier: Apache-2.0
"""A simulated machine for a test of MIG, and the divvyd that works on it."""
import json
import os
import signal

from lib import SIM, expect, wait_for


class World:
    """`machine` is the text of its file."""

    def __init__(self, user, machine):
        self.user = user
        self.path = self.write("two.yaml", machine)

    def write(self, name, text):
        path = os.path.join(self.user.dir, name)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(path, 0o644)
        return path

    def divvy(self, *args):
        return self.user.divvy("--machine", self.path, *args)

    def json(self, *args):
        done = self.divvy("--json", *args)
        return json.loads(done.stdout)

    def sim(self, verb, *args):
        machines = self.user.machine("")
        here, = [name for name in os.listdir(machines) if name.startswith("two")]
        done = self.user.run(SIM, verb, os.path.join(machines, here), *args)
        expect(done.returncode == 0, f"divvy-sim {verb}", done.stderr)
        return done.stdout.strip()

    def layout(self):
        """Per GPU: mode and the instances by place, as the driver says it to a divvyd that looks anew."""
        self.restart()
        return [(gpu["mig"]["mode"], sorted((i["start"], i["profile"]) for i in gpu["mig"]["instances"]))
                for gpu in self.json("gpus")["gpus"] if gpu["kind"] == "nvidia"]

    def restart(self, how=signal.SIGKILL):
        for pid in self.user.daemons():
            os.kill(pid, how)
        wait_for(lambda: not self.user.daemons())
        expect(self.divvy("status").returncode == 0, "it starts again")
