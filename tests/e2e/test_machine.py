# SPDX-License-Identifier: Apache-2.0
"""--machine: the whole product on simulated machines, each with its own divvyd and its own state."""
import json
import os
import shutil
import signal
import subprocess
import tempfile

from lib import BUILD, DIVVY, DIVVYD, expect, other_user, as_user, wait_for

SIM = os.path.join(BUILD, "src/sim/divvy-sim")


class User:
    """Somebody with a runtime directory of their own; root's divvyd would be the system's."""

    def __init__(self):
        self.uid, why = other_user() if os.geteuid() == 0 else (os.geteuid(), None)
        if self.uid is None:
            from lib import skip
            skip(why)
        self.dir = tempfile.mkdtemp(prefix="divvy-e2e-")
        os.chown(self.dir, self.uid, -1)
        self.env = {**os.environ, "XDG_RUNTIME_DIR": self.dir, "HOME": self.dir, "LC_ALL": "C.UTF-8"}

    def run(self, *args):
        return subprocess.run(args, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=self.env,
                              cwd="/", **as_user(self.uid))

    def divvy(self, *args):
        return self.run(DIVVY, *args)

    def machine(self, name):
        return os.path.join(self.dir, "divvy/machines", name)

    def daemons(self):
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                if os.readlink(f"/proc/{pid}/exe") == DIVVYD and os.stat(f"/proc/{pid}").st_uid == self.uid:
                    with open(f"/proc/{pid}/cmdline", encoding="utf-8") as f:
                        if self.dir in f.read():
                            found.append(int(pid))
            except OSError:
                pass
        return found

    def end(self):
        for pid in self.daemons():
            os.kill(pid, signal.SIGTERM)
        wait_for(lambda: not self.daemons())
        shutil.rmtree(self.dir)


def test(user):
    done = user.divvy("--machine", "dgx-h100", "gpus", "--json")
    expect(done.returncode == 0, done.stderr)
    gpus = json.loads(done.stdout)["gpus"]
    expect(len(gpus) == 8, gpus)
    expect(all(g["product"] == "NVIDIA H100 80GB HBM3" and g["mig"]["mode"] == "off" for g in gpus), gpus[0])
    expect(gpus[1]["address"] == "0000:43:00.0" and gpus[1]["driver"] == "nvidia 580.95.05", gpus[1])
    expect([p["name"] for p in gpus[0]["mig"]["profiles"]].count("3g.40gb") == 1, gpus[0]["mig"])
    expect(len(user.daemons()) == 1, "one divvyd, of this machine")

    # Another machine is another divvyd; each stays as it is left.
    done = user.divvy("--machine", "lab-4090", "who", "1")
    expect(done.returncode == 0 and "python3" in done.stdout, done)
    done = user.divvy("--machine", "lab-4090", "gpus", "0", "--json")
    expect(json.loads(done.stdout)["gpus"][0]["product"] == "NVIDIA GeForce RTX 4090", done.stdout)
    done = user.run(SIM, "hold", user.machine("lab-4090"), "1", "blender", "graphics")
    expect(done.returncode == 0, done.stderr)
    done = user.divvy("--machine", "lab-4090", "who", "1")
    expect("blender" in done.stdout and "python3" in done.stdout, done.stdout)
    expect(len(user.daemons()) == 2, "two divvyds, of two machines")

    # A machine of one's own, from a file.
    path = os.path.join(user.dir, "two.yaml")
    with open(path, "w", encoding="utf-8") as f:
        f.write("name: two-h100\ngpus:\n"
                "  - {model: h100-80-sxm, driver: 580.95.05, mig: on,\n"
                "     instances: [{profile: 3g.40gb, start: 4, owner: old, in_use: true}]}\n"
                "  - {model: h100-80-sxm, mig: off}\n")
    os.chmod(path, 0o644)
    done = user.divvy("--machine", path, "gpus")
    expect(done.returncode == 0 and "on: 3g.40gb at 4 (in use)" in done.stdout, done)
    done = user.divvy("--machine", path, "profiles", "1")
    expect(done.returncode == 0 and "3g.40gb" in done.stdout, done)

    # What is wrong is said, and nothing is left of it.
    done = user.divvy("--machine", "nowhere", "status")
    expect(done.returncode != 0 and "dgx-h100" in done.stderr, done)
    expect(not os.path.exists(user.machine("nowhere")), "nothing is left")
    with open(path, "w", encoding="utf-8") as f:
        f.write("name: x\ngpus: [{model: h101}]\n")
    bad = os.path.join(user.dir, "bad.yaml")
    os.rename(path, bad)
    done = user.divvy("--machine", bad, "status", "--json")
    expect(done.returncode == 2 and "h101" in json.loads(done.stdout)["message"], done)
    done = user.divvy("--machine", "dgx-h100", "--socket", "/x", "status")
    expect(done.returncode == 2 and "give one" in done.stderr, done)


user = User()
try:
    test(user)
finally:
    user.end()
