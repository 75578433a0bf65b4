# SPDX-License-Identifier: Apache-2.0
"""--machine: the whole product on simulated machines, each with its own divvyd and its own state."""
import json
import os

from lib import SIM, MachineUser, expect

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
    done = user.divvy("--machine", path, "status")
    expect("of a simulated machine" in done.stdout and "the machine's" not in done.stdout, done)

    # What a driver tells of a GPU goes before the catalogue; where it tells nothing that is shown.
    done = user.divvy("--machine", path, "profiles", "0")
    expect(done.returncode == 0 and "3g.40gb" in done.stdout and "from its driver, nvidia 580" in done.stdout, done)
    told = json.loads(user.divvy("--machine", path, "--json", "profiles", "0").stdout)["mig"]
    expect(told["driver"] == "nvidia 580.95.05" and len(told["profiles"]) == 7, told)
    done = user.divvy("--machine", path, "profiles", "1")
    expect(done.returncode == 0 and "3g.40gb" in done.stdout, done)
    old = json.loads(user.divvy("--machine", "dgx-a100-r460", "--json", "profiles", "0").stdout)["mig"]
    row = json.loads(user.divvy("--json", "profiles", "a100-40").stdout)["mig"]
    expect([p["profile"] for p in old["profiles"]] == ["1g.5gb", "2g.10gb", "3g.20gb", "4g.20gb", "7g.40gb"], old)
    expect(row["driver"] is None and "1g.5gb+me" in [p["profile"] for p in row["profiles"]], row)

    # Without a word, every case that there is: the planner's too; with one, those that begin so.
    cases = [c["case"] for c in json.loads(user.divvy("--json", "bench", "--list").stdout)["cases"]]
    expect("noisy/alone" in cases and "plan/batch/16-gpus" in cases and len(set(cases)) == len(cases), cases)
    cases = [c["case"] for c in json.loads(user.divvy("--json", "bench", "--list", "plan/").stdout)["cases"]]
    expect(cases and all(c.startswith("plan/") for c in cases), cases)

    # What is wrong is said, and nothing is left of it.
    done = user.divvy("--machine", "nowhere", "status")
    expect(done.returncode != 0 and "dgx-h100" in done.stderr, done)
    expect(not os.path.exists(user.machine("nowhere")), "nothing is left")
    # What another divvy made, which is gone, is said to be so.
    library = os.path.join(user.machine("lab-4090"), "libnvidia-ml.so.1")
    was = os.readlink(library)
    os.unlink(library)
    os.symlink("/nowhere/libnvidia-ml.so.1", library)
    done = user.divvy("--machine", "lab-4090", "gpus")
    expect(done.returncode != 0 and "leads nowhere" in done.stderr and f"rm -r {user.machine('lab-4090')}" in
           done.stderr, done)
    os.unlink(library)
    os.symlink(was, library)
    with open(path, "w", encoding="utf-8") as f:
        f.write("name: x\ngpus: [{model: h101}]\n")
    bad = os.path.join(user.dir, "bad.yaml")
    os.rename(path, bad)
    done = user.divvy("--machine", bad, "status", "--json")
    expect(done.returncode == 2 and "h101" in json.loads(done.stdout)["message"], done)
    done = user.divvy("--machine", "dgx-h100", "--socket", "/x", "status")
    expect(done.returncode == 2 and "give one" in done.stderr, done)


user = MachineUser()
try:
    test(user)
finally:
    user.end()
