# SPDX-License-Identifier: Apache-2.0
"""Mounts of a tenant's own: programs that load NVIDIA's libraries by an absolute path come to the slice, too; and
which way holds is said."""
import os
import shutil
import subprocess
import tempfile

from lab import CONTEXT_MIB, LOOK, TENANT, Lab, Seen, outside
from lib import SIM, MachineUser, Node, expect, skip

MIB = 1 << 20
SLICE = ["--memory", "2GiB", "--compute", "30%"]


def way_of(lab, *options):
    done = lab.divvy("run", *options, "--", "sh", "-c", "echo $DIVVY_MOUNTS")
    expect(done.returncode == 0, done)
    return done.stdout.strip()


def look(lab, *options):
    done = lab.divvy("run", *SLICE, *options, "--", LOOK, os.path.join(lab.dir, "libnvidia-ml.so.1"))
    expect(done.returncode == 0, done)
    return Seen(done.stdout)


def by_path(lab):
    expect(way_of(lab) == "shared" and way_of(lab, "--mounts", "shared") == "shared", "no mounts of its own by itself")
    expect(way_of(lab, "--mounts", "private") == "private", "asked for")
    expect(look(lab).words["count"] == 2, "round the layer, without them")
    seen = look(lab, "--mounts", "private")
    expect(seen.words["count"] == 1 and seen.words["total"] == 2048, seen.text)
    run = ["run", *SLICE, "--mounts", "private", "--", TENANT]
    for name in ("libcuda.so.1", "libcuda.so"):
        done = lab.divvy(*run, "at", os.path.join(lab.dir, name), "info")
        expect(done.returncode == 0 and done.stdout == f"{(2048 - CONTEXT_MIB) * MIB} {2048 * MIB}\n",
               "the slice, with its context taken from it", name, done)
    # Nobody is called unenforced for it, and who takes the file itself still is.
    hold = ["--", "timeout", "-s", "KILL", "6", TENANT]
    done = lab.divvy("run", *SLICE, "--mounts", "private", *hold, "at", lab.library, "hold", "1")
    expect(done.returncode == 137 and "held" in done.stdout and done.stderr == "", "enforced", done)
    done = lab.divvy("run", *SLICE, "--mounts", "private", *hold, "path", os.path.realpath(lab.library))
    expect(done.returncode == 3 and "G04" in done.stderr, "by the name of its version", done)
    # Out of the environment's way there is no driver, rather than one without a limit.
    done = lab.divvy("run", *SLICE, "--mounts", "private", "--", "env", f"LD_LIBRARY_PATH={lab.dir}", TENANT, "info")
    expect(done.returncode == 9 and "libcuda-divvy-real.so" in done.stderr, done)
    # Nothing of it is to be seen outside.
    expect(outside(lab).words["count"] == 2 and os.path.islink(lab.library), "the machine's are as they were")


def refused(lab):
    done = lab.divvy("run", "--mounts", "some", "--", "true")
    expect(done.returncode == 2 and "F11" in done.stderr, done)
    # Where the library is no link there is nothing to put ours upon.
    target = os.readlink(lab.library)
    os.unlink(lab.library)
    shutil.copyfile(os.path.join(lab.dir, target), lab.library)
    os.chmod(lab.library, 0o755)
    done = lab.divvy("run", *SLICE, "--mounts", "private", "--", "echo", "started")
    expect(done.returncode == 3 and "G03" in done.stderr and "started" not in done.stdout, done)
    expect(way_of(lab) == "shared", "without being asked it is run")
    os.unlink(lab.library)
    os.symlink(target, lab.library)


def by_root(lab, home):
    """Root's commands have them without being asked."""
    own = os.path.join(home, "machine")
    subprocess.run([SIM, "new", own, os.path.join(lab.user.dir, "lab.yaml")], check=True, stdout=subprocess.DEVNULL)
    node = Node("version: 1\ndevices:\n  cpu: {enabled: false}\n",
                options=["--nvml", os.path.join(own, "libnvidia-ml.so.1"), "--root", os.path.join(own, "root")])
    node.env["DIVVY_SIM_MACHINE"] = own
    with node:
        gpu = next(gpu for gpu in node.json("gpus")["gpus"] if gpu["kind"] == "nvidia")
        run = ["run", "--gpu", gpu["uuid"], "--memory", "1GiB"]
        done = node.divvy(*run, "--", "sh", "-c", "echo $DIVVY_MOUNTS")
        expect(done.status == 0 and done.out == "private\n", done)
        done = node.divvy(*run, "--", LOOK, os.path.join(own, "libnvidia-ml.so.1"))
        expect(done.status == 0 and Seen(done.out).words["total"] == 1024, done)
        done = node.divvy(*run, "--mounts", "shared", "--", "sh", "-c", "echo $DIVVY_MOUNTS")
        expect(done.status == 0 and done.out == "shared\n", done)


user = MachineUser()
try:
    if user.run("unshare", "--user", "--mount", "true").returncode:
        skip("this user may not make a user namespace")
    machine = Lab(user)
    by_path(machine)
    refused(machine)
    if os.geteuid() == 0:
        with tempfile.TemporaryDirectory(prefix="divvy-e2e-") as home_:
            by_root(machine, home_)
    else:
        print("not root: its mounts are not tested")
finally:
    user.end()
print("mounts: all held")
