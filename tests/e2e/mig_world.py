# SPDX-License-Identifier: Apache-2.0
"""A simulated machine for a test of MIG, and the divvyd that works on it."""
import json
import os
import signal
import subprocess

from lib import SIM, Node, expect, wait_for


class World:
    """`machine` is the text of its file; `name` tells it from others of the user's."""

    def __init__(self, user, machine, name="machine"):
        self.user, self.name = user, name
        self.path = self.write(name + ".yaml", machine)

    def write(self, name, text):
        path = os.path.join(self.user.dir, name)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(path, 0o644)
        return path

    def divvy(self, *args):
        return self.user.divvy("--machine", self.path, *args)

    def good(self, *args):
        done = self.divvy(*args)
        expect(done.returncode == 0, " ".join(args), done)
        return done

    def refused(self, *args, rule, says, code=3):
        done = self.divvy("--json", *args)
        told = json.loads(done.stdout)
        expect(done.returncode == code and told["rule"] == rule and says in told["message"], " ".join(args), done)
        return told

    def json(self, *args):
        done = self.divvy("--json", *args)
        return json.loads(done.stdout)

    def leases(self):
        """The node of each."""
        return {lease["name"]: lease["node"] for lease in self.json("leases")["leases"]}

    def sim(self, verb, *args):
        machines = self.user.machine("")
        here, = [name for name in os.listdir(machines) if name.startswith(self.name)]
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


class MachineNode(Node):
    """A divvyd of the test's own on a simulated machine, with a configuration of its own."""

    def __init__(self, machine, config=""):
        super().__init__("version: 1\ndevices: {cpu: {enabled: false}}\n" + config)
        self.machine = os.path.join(self.dir, "machine")
        text = os.path.join(self.dir, "machine.yaml")
        with open(text, "w", encoding="utf-8") as f:
            f.write(machine)
        os.mkdir(self.machine)
        done = subprocess.run([SIM, "new", self.machine, text], stderr=subprocess.PIPE, text=True)
        expect(done.returncode == 0, "a machine", done.stderr)
        self.options = ["--root", os.path.join(self.machine, "root"),
                        "--nvml", os.path.join(self.machine, "libnvidia-ml.so.1")]

    def sim(self, verb, *args):
        done = subprocess.run([SIM, verb, self.machine, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True)
        expect(done.returncode == 0, f"divvy-sim {verb}", done.stderr)
        return done.stdout.strip()

    def write(self, name, text):
        path = os.path.join(self.dir, name)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        return path

    def layout(self):
        """Mode and instances of each GPU, as the driver has them: nothing of divvyd is asked."""
        found = []
        for line in self.sim("show").splitlines():
            words = line.split()
            if words[0] == "gpu":
                found.append((words[words.index("mig") + 1], []))
            elif words[0] == "gi":
                found[-1][1].append((int(words[4]), words[2], []))
            elif words[0] == "ci":
                found[-1][1][-1][2].append(words[3])
        return [(mode, sorted((start, name, sorted(cis)) for start, name, cis in instances))
                for mode, instances in found]

    def logged(self, verb):
        return [e for e in self.json("log")["entries"] if e["verb"] == verb]
