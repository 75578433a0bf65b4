# SPDX-License-Identifier: Apache-2.0
"""A container made of nothing but this machine's /usr and what a CDI file says. `check` holds the file to version
0.5.0 of that specification, as far as divvy uses it. `ByHand` makes the container with unshare and mount, `ByCrun` and
`ByPodman` by these, where they are."""
import json
import os
import re
import shlex
import shutil
import subprocess
import tempfile

from lib import as_user, expect

SYSTEM = ("/usr", "/bin", "/lib", "/lib64")
PATH = "PATH=/usr/bin:/bin"


def check(text):
    """The one device of the file; fails where the specification does."""
    spec = json.loads(text)
    expect(set(spec) == {"cdiVersion", "kind", "devices"} and spec["cdiVersion"] == "0.5.0", "top", spec)
    vendor, name = spec["kind"].split("/")
    expect(re.fullmatch(r"[A-Za-z][A-Za-z0-9_.-]*[A-Za-z0-9]", vendor) and
           re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*[A-Za-z0-9]", name), "kind", spec["kind"])
    device, = spec["devices"]
    expect(set(device) == {"name", "containerEdits"}, "device", device)
    expect(re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9_.:-]*[A-Za-z0-9])?", device["name"]), "its name", device["name"])
    edits = device["containerEdits"]
    expect(set(edits) <= {"env", "deviceNodes", "mounts", "hooks"} and any(edits.values()), "edits", edits)
    expect("hooks" not in edits, "nothing of divvy's runs in a container's name", edits)
    for entry in edits["env"]:
        expect(re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*=[^\0]*", entry), "a variable", entry)
    names = [entry.split("=")[0] for entry in edits["env"]]
    expect(len(set(names)) == len(names), "each once", names)
    for node in edits["deviceNodes"]:
        expect(set(node) <= {"path", "hostPath", "type", "major", "minor", "fileMode", "permissions", "uid", "gid"} and
               node["path"].startswith("/dev/"), "a node", node)
    for mount in edits["mounts"]:
        expect(set(mount) <= {"hostPath", "containerPath", "options", "type"} and mount["hostPath"].startswith("/") and
               mount["containerPath"].startswith("/") and all(isinstance(o, str) for o in mount["options"]),
               "a mount", mount)
    targets = [mount["containerPath"] for mount in edits["mounts"]]
    expect(len(set(targets)) == len(targets), "each place once", targets)
    return device


def end_all():
    """Whatever a test that failed left running."""
    for process in _Container.started:
        process.kill()
        process.wait()


def finish(process):
    """(Status, output, messages); one that does not end is shown as it stands."""
    try:
        out, err = process.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        print(f"{process.pid} does not end, status {process.poll()}")
        subprocess.run(["ps", "-eo", "pid,ppid,pidns,stat,nlwp,wchan:32,comm", "--forest"], check=False)
        raise
    return process.returncode, out, err


class _Container:
    """`programs`: files of this machine, in /app. `env`: what the image has; the device's stands before it."""
    started = []
    spaces = []

    def __init__(self, user, device, programs, env=()):
        self.user, self.device, self.image_env = user, device, list(env)
        self.programs = programs
        edits = device["containerEdits"]
        expect(not edits["deviceNodes"], "on a simulated machine they are files", edits["deviceNodes"])
        own = {entry.split("=")[0] for entry in edits["env"]}
        self.env = [PATH] + [e for e in env if e.split("=")[0] not in own] + edits["env"]
        # In the order in which a runtime makes them: the shorter paths first.
        mounts = sorted(edits["mounts"], key=lambda mount: mount["containerPath"].count("/"))
        self.mounts = [(m["hostPath"], m["containerPath"], m["options"]) for m in mounts]
        self.mounts += [(p, "/app/" + os.path.basename(p), ["bind", "ro", "nosuid", "nodev"]) for p in programs]
        self.dir = tempfile.mkdtemp(prefix="c", dir=user.dir)
        os.chown(self.dir, user.uid, -1)

    def spawn(self, *command):
        """In a process namespace of its own: with the first process of it everything ends."""
        space = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation", "private", *self.spaces]
        process = subprocess.Popen([*space, "sh", "-c", self.script(command)], stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True, cwd="/", **self.who())
        self.started.append(process)
        return process

    def run(self, *command):
        return finish(self.spawn(*command))


class ByHand(_Container):
    """In user, mount, process, network, IPC and host name namespaces of its own: as a rootless runtime has it, the
    user is root in there."""

    spaces = ["--user", "--map-root-user", "--net", "--ipc", "--uts"]

    def who(self):
        return as_user(self.user.uid)

    def script(self, command):
        root = os.path.join(self.dir, "root")
        lines = ["set -e", f"mkdir -p {root}", f"mount -t tmpfs none {root}",
                 f"mkdir {root}/proc {root}/tmp {root}/app"]
        for path in SYSTEM:
            if os.path.islink(path):
                lines.append(f"ln -s {os.readlink(path)} {root}{path}")
            elif os.path.isdir(path):
                lines.append(f"mkdir {root}{path} && mount --rbind {path} {root}{path}")
        for source, target, options in self.mounts:
            to = shlex.quote(root + target)
            make = f"mkdir -p {to}" if os.path.isdir(source) else f"mkdir -p $(dirname {to}) && touch {to}"
            flags = ",".join(option for option in options if option not in ("bind", "rw"))
            # What is covered may not be asked for where it cannot be made.
            lines.append(f"[ -e {to} ] || {{ {make}; }}")
            lines.append(f"mount --bind {shlex.quote(source)} {to} && mount -o remount,bind,{flags} {to}")
        lines.append(f"mount -t proc proc {root}/proc || echo no proc >&2")
        lines.append(f"cd {root} && exec chroot {root} /usr/bin/env -i " +
                     " ".join(shlex.quote(word) for word in [*self.env, *command]))
        return "\n".join(lines)

    @staticmethod
    def why_not(user):
        done = subprocess.run(["unshare", "--user", "--map-root-user", "--mount", "--pid", "--fork", "true"],
                              stderr=subprocess.PIPE, text=True, cwd="/", **as_user(user.uid))
        return done.stderr if done.returncode else None


class ByCrun(_Container):
    """By crun, which root starts, with a user namespace in which the user is root. `inside`: as whom its programs run
    there; 1 is somebody else here, too."""
    count, inside = 0, 0

    spaces = ["--mount-proc"]

    def who(self):
        return {}

    def script(self, command):
        root = os.path.join(self.dir, "rootfs")
        if not os.path.isdir(root):
            os.mkdir(root)
            os.chown(root, self.user.uid, -1)
        ids = [{"containerID": 0, "hostID": self.user.uid, "size": 1}, {"containerID": 1, "hostID": 1, "size": 1}]
        mounts = [{"destination": "/proc", "type": "proc", "source": "proc"},
                  {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"]},
                  {"destination": "/tmp", "type": "tmpfs", "source": "tmpfs"}]
        mounts += [{"destination": p, "type": "bind", "source": p, "options": ["rbind", "ro"]}
                   for p in SYSTEM if os.path.isdir(p)]
        mounts += [{"destination": to, "source": source, "options": options} for source, to, options in self.mounts]
        spaces = ["user", "mount", "pid", "network", "ipc", "uts"]
        config = {"ociVersion": "1.0.0", "root": {"path": root}, "hostname": "c", "mounts": mounts,
                  "process": {"args": list(command), "env": self.env, "cwd": "/", "noNewPrivileges": True,
                              "user": {"uid": self.inside, "gid": 0}},
                  "linux": {"namespaces": [{"type": kind} for kind in spaces], "uidMappings": ids,
                            "gidMappings": ids}}
        with open(os.path.join(self.dir, "config.json"), "w", encoding="utf-8") as f:
            json.dump(config, f)
        ByCrun.count += 1
        # Some machines have both versions of cgroups, which crun does not take.
        run = ["crun", "--root", os.path.join(self.user.dir, "crun"), "--cgroup-manager=disabled", "run", "--bundle",
               self.dir, f"divvy-{os.getpid()}-{ByCrun.count}"]
        return "mount -t cgroup2 none /sys/fs/cgroup && " + shlex.join(run)

    @staticmethod
    def why_not(user):
        if os.geteuid() != 0:
            return "not root"
        if not shutil.which("crun"):
            return "crun is not installed"
        nothing = {"name": "x", "containerEdits": {"env": [], "deviceNodes": [], "mounts": []}}
        status, _, err = ByCrun(user, nothing, []).run("/usr/bin/true")
        return err or f"status {status}" if status else None


class ByPodman(_Container):
    """By podman, which reads the file itself. Its storage is the test's; where it looks for files, and has its
    locks, is covered."""

    spaces = ["--mount-proc"]

    def who(self):
        return {}

    def script(self, command):
        root = os.path.join(self.dir, "rootfs")
        if not os.path.isdir(root):
            for name in ("usr", "proc", "sys", "dev", "etc", "tmp", "run", "app"):
                os.makedirs(os.path.join(root, name))
                os.chown(os.path.join(root, name), self.user.uid, -1)
            for path in SYSTEM:
                if os.path.islink(path):
                    os.symlink(os.readlink(path), root + path)
            os.chown(root, self.user.uid, -1)
        store = os.path.join(self.dir, "podman")
        file = os.path.join(self.dir, "device.json")
        with open(file, "w", encoding="utf-8") as f:
            json.dump({"cdiVersion": "0.5.0", "kind": "divvy/lease", "devices": [self.device]}, f)
        run = ["podman", "--root", store, "--runroot", store + "-run", "--cgroup-manager=cgroupfs",
               "--events-backend=none", "run", "--rm", "--network=none", "--cgroups=disabled",
               # Less than a machine with limits of its own may refuse.
               "--ulimit", "nofile=1024:1024", "--ulimit", "nproc=4096:4096",
               "--uidmap", f"0:{self.user.uid}:1", "--gidmap", f"0:{self.user.uid}:1"]
        for entry in self.image_env:
            run += ["--env", entry]
        run += ["--device", "divvy/lease=" + self.device["name"]]
        for path in SYSTEM:
            if os.path.isdir(path) and not os.path.islink(path):
                run += ["--volume", f"{path}:{path}:ro"]
        for path in self.programs:
            run += ["--volume", f"{path}:/app/{os.path.basename(path)}:ro"]
        run += ["--rootfs", root, *command]
        return ("mount -t tmpfs none /run && mount -t tmpfs none /dev/shm && mkdir /run/cdi && "
                f"cp {file} /run/cdi/divvy.json && mount -t cgroup2 none /sys/fs/cgroup && " + shlex.join(run))

    @staticmethod
    def why_not(user):
        if os.geteuid() != 0:
            return "not root"
        if not shutil.which("podman"):
            return "podman is not installed"
        nothing = {"name": "x", "containerEdits": {"env": ["A=b"], "deviceNodes": [], "mounts": []}}
        status, _, err = ByPodman(user, nothing, []).run("/usr/bin/true")
        return err or f"status {status}" if status else None
