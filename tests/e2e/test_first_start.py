# SPDX-License-Identifier: Apache-2.0
"""divvy works with no set-up: the first command finds no divvyd, starts one, and is served.

As root the usual places of the machine are hidden behind empty ones, for this process alone. As an
ordinary user only that user's own are used.
"""
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from lib import DIVVY, DIVVYD, Node, Result, as_user, expect, need_opencl, other_user, wait_for

SYSTEM = "/run/divvy/divvyd.sock"


def enter_private_places():
    """Start this test again where /run and /var/lib are empty and ours; False: it can't be."""
    if len(sys.argv) > 1:
        os.mkdir("/run/lock", 0o1777)
        os.chmod("/run/lock", 0o1777)
        return True
    script = "mount -t tmpfs -o mode=755 divvy-e2e /run && mount -t tmpfs -o mode=755 divvy-e2e /var/lib"
    command = ["unshare", "--mount", "--propagation", "private", "sh", "-c"]
    if os.geteuid() != 0 or subprocess.run([*command, script], stderr=subprocess.DEVNULL).returncode:
        return False
    os.execvp("unshare", [*command, script + ' && exec "$0" "$@"', sys.executable, __file__, "inside"])


def daemons(uid):
    """The divvyds of this build that this user runs: {pid: its words}."""
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.readlink(f"/proc/{pid}/exe") == DIVVYD and os.stat(f"/proc/{pid}").st_uid == uid:
                with open(f"/proc/{pid}/cmdline", encoding="utf-8") as f:
                    found[int(pid)] = f.read().split("\0")
        except OSError:
            pass
    return found


class First:
    """A user at a machine where no divvyd runs."""

    def __init__(self, uid, **env):
        self.uid = uid
        self.dir = tempfile.mkdtemp(prefix="divvy-e2e-")
        os.chown(self.dir, uid, -1)
        base = {k: v for k, v in os.environ.items() if not k.startswith("XDG_") and k != "POCL_CACHE_DIR"}
        self.env = {**base, "HOME": self.dir, "LC_ALL": "C.UTF-8", **env}

    def command(self, *args):
        return {"args": [DIVVY, *args], "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True,
                "env": self.env, "cwd": "/", **as_user(self.uid)}

    def divvy(self, *args):
        done = subprocess.run(timeout=60, **self.command(*args))
        return Result(done.returncode, done.stdout, done.stderr)

    def __enter__(self):
        expect(not daemons(self.uid), "no divvyd runs yet", daemons(self.uid))
        return self

    def __exit__(self, *failure):
        for pid in daemons(self.uid):
            os.kill(pid, signal.SIGTERM)
        wait_for(lambda: not daemons(self.uid))
        shutil.rmtree(self.dir, ignore_errors=True)


def works(first, socket, system):
    """One command, and a second that finds what the first one started."""
    got = first.divvy("run", "--memory", "64MiB", "--", "echo", "hello")
    expect(got.status == 0 and got.out == "hello\n" and not got.err, "the first command is served", got)
    one = daemons(first.uid)
    expect(len(one) == 1 and "--auto" in list(one.values())[0], "one divvyd was started for it", one)
    status = json.loads(first.divvy("--json", "status").out)
    expect(status["socket"] == socket and status["system"] == system and status["pid"] in one, "it is there", status)
    expect(daemons(first.uid) == one, "the second command uses the same one")
    expect(os.stat(os.path.dirname(socket)).st_uid == first.uid, "the place is the user's own")
    if not system:
        expect(os.stat(os.path.dirname(socket)).st_mode & 0o77 == 0, "and closed to others")
    return status


def at_once(first):
    """Some first commands at the same moment."""
    running = [subprocess.Popen(**first.command("run", "--memory", "16MiB", "--compute", "5%", "--", "echo", str(i)))
               for i in range(4)]
    for number, process in enumerate(running):
        out, err = process.communicate(timeout=60)
        expect(process.returncode == 0 and out == f"{number}\n", "each is served", process.returncode, out, err)
    expect(len(daemons(first.uid)) == 1, "and they made one divvyd", daemons(first.uid))
    leases = json.loads(first.divvy("--json", "leases").out)["leases"]
    expect(leases == [], "which has nothing left", leases)


def as_root():
    with First(0) as first:
        works(first, SYSTEM, True)
    with First(0) as first:
        at_once(first)


def as_ordinary(uid):
    plain = f"/tmp/divvy-{uid}"
    expect(not os.path.exists(plain) or os.stat(plain).st_uid == uid, f"{plain} is the user's")
    shutil.rmtree(plain, ignore_errors=True)
    with First(uid) as first:
        works(first, plain + "/divvyd.sock", False)
        # What is compiled and kept is in the user's home.
        expect(os.path.exists(os.path.join(first.dir, ".local/state/divvy/state.db")), "the state is at home")
    with First(uid) as first:
        runtime = os.path.join(first.dir, "runtime")
        os.mkdir(runtime, 0o700)
        os.chown(runtime, uid, -1)
        first.env["XDG_RUNTIME_DIR"] = runtime
        works(first, runtime + "/divvy/divvyd.sock", False)
    # Another user's is not used.
    with First(uid, XDG_RUNTIME_DIR="/") as first:
        works(first, plain + "/divvyd.sock", False)
    # Without a home leases do not outlive the next boot, and that is said.
    with First(uid, HOME="/nonexistent") as first:
        status = works(first, plain + "/divvyd.sock", False)
        expect(any("next boot" in warning for warning in status["warnings"]), "a warning", status)
    with First(uid) as first:
        at_once(first)
    # A place that somebody else made first is not trusted.
    if os.geteuid() == 0:
        shutil.rmtree(plain)
        os.mkdir(plain, 0o777)
        with First(uid) as first:
            got = first.divvy("run", "--", "true")
            expect(got.status == 3 and "S03" in got.err and plain in got.err, "a trap is refused", got)
    shutil.rmtree(plain)


def idle():
    """One that was started for a command ends by itself, but never with a lease, and what it kept is
    there for the next."""
    with tempfile.TemporaryDirectory(prefix="divvy-e2e-lock-") as lock:
        node = Node(options=["--auto", "--idle", "1"], lock_dir=lock)
        try:
            expect(node.spawn_daemon().wait(20) == 0, "it goes to the background")
            wait_for(lambda: os.path.exists(node.socket))
            got = node.divvy("run", "--memory", "64MiB", "--", "sleep", "3")
            expect(got.status == 0, "a command of three seconds keeps it for three seconds", got)
            node.take("kept", memory_mib=16)
            time.sleep(2.5)
            expect("kept" in node.leases(), "a lease that nobody uses keeps it too")
            expect(node.divvy("release", "kept").status == 0, "until it is given back")
            pid = node.json("status")["pid"]
            wait_for(lambda: not os.path.exists(f"/proc/{pid}"), 10)
            expect(not os.path.exists(node.socket), "and leaves no socket")
            expect(node.divvy("leases").status == 5, "there is nobody now")
            expect(node.spawn_daemon().wait(20) == 0, "the next one")
            wait_for(lambda: os.path.exists(node.socket))
            verbs = [entry["verb"] for entry in node.json("log")["entries"]]
            expect(verbs.count("take") == 2 and verbs.count("release") == 2, "goes on in the same log", verbs)
            pid = node.json("status")["pid"]
            wait_for(lambda: not os.path.exists(f"/proc/{pid}"), 10)
        finally:
            for pid in [pid for pid, words in daemons(os.geteuid()).items() if node.run_dir in words]:
                os.kill(pid, signal.SIGKILL)
            shutil.rmtree(node.dir, ignore_errors=True)


need_opencl()
if enter_private_places():
    as_root()
    user, why = other_user()
else:
    user, why = (None, "this cannot be done here as root") if os.geteuid() == 0 else (os.geteuid(), None)
    print("as root: skipped,", "no private places can be made" if os.geteuid() == 0 else "this is not root")
if user is None:
    print("as an ordinary user: skipped,", why)
elif subprocess.run([DIVVY, "--socket", SYSTEM, "leases"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                    **as_user(user)).returncode == 0 or daemons(user):
    print("as an ordinary user: skipped, there is a divvyd already")
else:
    as_ordinary(user)
idle()
print("first start: all held")
