# SPDX-License-Identifier: Apache-2.0
"""A private divvyd with its own directories, and the divvy command that talks to it.

Tests get the build folder in DIVVY_BUILD. A test that cannot run here calls skip() and says why.
"""
import ctypes
import http.client
import json
import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

TOP = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))
BUILD = os.environ.get("DIVVY_BUILD", os.path.join(TOP, "build"))
DIVVY = os.path.join(BUILD, "src/cli/divvy")
DIVVYD = os.path.join(BUILD, "src/daemon/divvyd")
BURN = os.path.join(BUILD, "src/bench/divvy-burn")
SIM = os.path.join(BUILD, "src/sim/divvy-sim")
NOBODY = 65534


def skip(why):
    print(why)
    sys.exit(77)


def need_opencl():
    """Skip unless there is an OpenCL device, asked outside of divvy."""
    if not shutil.which("clinfo"):
        skip("clinfo is not installed")
    done = subprocess.run(["clinfo", "-l"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if "Device" not in done.stdout:
        skip("no OpenCL device: clinfo -l lists none")


def need(*programs):
    for program in programs:
        if not shutil.which(program):
            skip(f"{program} is not installed")


def other_user():
    """(An ordinary user to be beside root, None), or (None, why there is none)."""
    if os.geteuid() != 0 or not _thread_as.number:
        return None, "not root"
    try:
        done = subprocess.run([DIVVY, "--version"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                              cwd="/", **as_user(NOBODY))
    except OSError as e:
        return None, f"the build folder is closed to other users: {e}"
    return (None, "the build folder is closed to other users") if done.returncode else (NOBODY, None)


def as_user(uid):
    """What subprocess needs to run something as this user, and in no group but the user's own."""
    return {"user": uid, "group": uid, "extra_groups": []} if uid is not None and uid != os.geteuid() else {}


class _thread_as:
    """This thread alone is that user meanwhile: to whom it connects sees nobody else."""
    number = {"x86_64": 117, "aarch64": 147}.get(platform.machine())

    def __init__(self, uid):
        self.uid = uid if as_user(uid) else None

    def become(self, uid):
        if self.uid is not None and ctypes.CDLL(None, use_errno=True).syscall(self.number, -1, uid, -1) < 0:
            raise OSError(ctypes.get_errno(), "setresuid")

    def __enter__(self):
        self.become(self.uid)

    def __exit__(self, *failure):
        self.become(0)


def wait_for(what, seconds=10.0):
    """Call until it returns something true; returns that, or fails."""
    end = time.monotonic() + seconds
    while True:
        got = what()
        if got:
            return got
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.02)


def children(pid):
    """The processes that this one started and that are there still."""
    found = []
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as f:
                found += [int(child) for child in f.read().split()]
    except OSError:
        pass
    return found


def commands(pid):
    """The names of what this process started and is there still."""
    names = []
    for child in children(pid):
        try:
            with open(f"/proc/{child}/comm", encoding="utf-8") as f:
                names.append(f.read().strip())
        except OSError:
            pass
    return names


def end_session(process):
    """End a process that was started in a session of its own, and all that is left of that."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


class Result:
    def __init__(self, status, out, err):
        self.status, self.out, self.err = status, out, err

    def __repr__(self):
        return f"status {self.status}\n--- out\n{self.out}\n--- err\n{self.err}"


class _Connection(http.client.HTTPConnection):
    def __init__(self, path, timeout, user):
        super().__init__("divvyd", timeout=timeout)
        self.path, self.user = path, user

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        with _thread_as(self.user):
            self.sock.connect(self.path)


class Node:
    """One divvyd and its command line, as a context: stopped and removed at the end.

    `user` is who it and its commands run as; nodes of two users on one machine share `lock_dir`.
    """

    def __init__(self, config=None, user=None, lock_dir=None, options=()):
        self.dir = tempfile.mkdtemp(prefix="divvy-e2e-")
        self.user = user
        self.run_dir = os.path.join(self.dir, "run")
        self.state_dir = os.path.join(self.dir, "state")
        self.lock_dir = lock_dir or os.path.join(self.dir, "lock")
        self.options = list(options)
        os.mkdir(self.run_dir, 0o755)
        os.mkdir(self.state_dir, 0o700)
        self.config = None
        if config:
            self.config = os.path.join(self.dir, "divvyd.yaml")
            with open(self.config, "w", encoding="utf-8") as f:
                f.write(config)
        self.socket = os.path.join(self.run_dir, "divvyd.sock")
        self.log_path = os.path.join(self.dir, "divvyd.log")
        self.daemon = None
        self.env = {**os.environ, "HOME": self.dir, "NO_COLOR": "1", "LC_ALL": "C.UTF-8",
                    "POCL_CACHE_DIR": os.path.join(self.dir, "cache")}
        os.mkdir(self.env["POCL_CACHE_DIR"])
        if as_user(user):
            for path in (self.dir, self.run_dir, self.state_dir, self.env["POCL_CACHE_DIR"]):
                os.chown(path, user, user)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *failure):
        self.stop()
        if failure[0]:
            print("--- divvyd's log\n" + self.log()[-4000:])
        shutil.rmtree(self.dir, ignore_errors=True)

    def log(self):
        """What divvyd said on standard error up to now."""
        if not os.path.exists(self.log_path):
            return ""
        with open(self.log_path, encoding="utf-8", errors="replace") as f:
            return f.read()

    def spawn_daemon(self, **more):
        """Another divvyd in the same directories, not waited for."""
        command = [DIVVYD, "--run-dir", self.run_dir, "--state-dir", self.state_dir,
                   "--lock-dir", self.lock_dir, *self.options]
        if self.config:
            command += ["--config", self.config]
        with open(self.log_path, "a", encoding="utf-8") as log:
            return subprocess.Popen(command, stdout=log, stderr=log, env=self.env, cwd="/",
                                    **as_user(self.user), **more)

    def start(self):
        self.daemon = self.spawn_daemon()
        wait_for(lambda: self.daemon.poll() is not None or
                 (os.path.exists(self.socket) and self.divvy("leases").status == 0))
        assert self.daemon.poll() is None, "divvyd ended at start"

    def stop(self, how=signal.SIGTERM):
        if self.daemon and self.daemon.poll() is None:
            self.daemon.send_signal(how)
            self.daemon.wait(20)
        self.daemon = None

    def crash(self):
        self.stop(signal.SIGKILL)

    def command(self, *args):
        return [DIVVY, "--socket", self.socket, *args]

    def divvy(self, *args, stdin=None, timeout=120, env=None):
        done = subprocess.run(self.command(*args), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              input=stdin, text=True, timeout=timeout, env={**self.env, **(env or {})},
                              **as_user(self.user))
        return Result(done.returncode, done.stdout, done.stderr)

    def spawn(self, *args, **more):
        return subprocess.Popen(self.command(*args), env=self.env, text=True, **as_user(self.user), **more)

    def json(self, *args):
        got = self.divvy("--json", *args)
        return json.loads(got.out)

    def api(self, verb, path, body=None, timeout=30, user=None):
        """One request without the command, as the node's user if no other: (HTTP status, document).
        OSError and HTTPException come through when divvyd is not there or goes away meanwhile."""
        connection = _Connection(self.socket, timeout, self.user if user is None else user)
        try:
            connection.request(verb, path, None if body is None else json.dumps(body),
                               {"Content-Type": "application/json"})
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def text(self, path):
        """What is no document, as it is."""
        connection = _Connection(self.socket, 30, self.user)
        try:
            connection.request("GET", path)
            return connection.getresponse().read().decode()
        finally:
            connection.close()

    def leases(self):
        """By name."""
        return {lease["name"]: lease for lease in self.api("GET", "/v1/leases")[1]["leases"]}

    def standing(self):
        """What of the leases does not change by itself."""
        keys = ("id", "name", "uid", "method", "policy", "node", "memory_bytes", "compute_pct", "ephemeral",
                "created_s")
        return [[lease[key] for key in keys] for lease in self.leases().values()]

    def take(self, name, **wanted):
        """A lease that stays until it is released; (HTTP status, document)."""
        return self.api("POST", "/v1/leases", {"schema": "divvy/request/1", "name": name, "ephemeral": False,
                                               **wanted})

    def outside(self, *command, timeout=120):
        """The same program without divvy, for comparison."""
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              timeout=timeout, env=self.env)
        return Result(done.returncode, done.stdout, done.stderr)


class MachineUser:
    """Somebody with a runtime directory of their own; root's divvyd would be the system's."""

    def __init__(self):
        self.uid, why = other_user() if os.geteuid() == 0 else (os.geteuid(), None)
        if self.uid is None:
            skip(why)
        # Short: sockets lie deep below it, and their addresses are bounded.
        self.dir = tempfile.mkdtemp(prefix="u")
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


def expect(condition, text, *more):
    if not condition:
        print("FAILED:", text, *more)
        raise AssertionError(text)
