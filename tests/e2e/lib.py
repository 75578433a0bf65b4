# SPDX-License-Identifier: Apache-2.0
"""A private divvyd with its own directories, and the divvy command that talks to it.

Tests get the build folder in DIVVY_BUILD. A test that cannot run here calls skip() and says why.
"""
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

TOP = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))
BUILD = os.environ.get("DIVVY_BUILD", os.path.join(TOP, "build"))
DIVVY = os.path.join(BUILD, "src/cli/divvy")
DIVVYD = os.path.join(BUILD, "src/daemon/divvyd")
BURN = os.path.join(BUILD, "src/bench/divvy-burn")


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


class Result:
    def __init__(self, status, out, err):
        self.status, self.out, self.err = status, out, err

    def __repr__(self):
        return f"status {self.status}\n--- out\n{self.out}\n--- err\n{self.err}"


class Node:
    """One divvyd and its command line, as a context: stopped and removed at the end."""

    def __init__(self, config=None):
        self.dir = tempfile.mkdtemp(prefix="divvy-e2e-")
        self.run_dir = os.path.join(self.dir, "run")
        self.state_dir = os.path.join(self.dir, "state")
        self.lock_dir = os.path.join(self.dir, "lock")
        os.mkdir(self.run_dir, 0o755)
        os.mkdir(self.state_dir, 0o700)
        self.config = None
        if config:
            self.config = os.path.join(self.dir, "divvyd.yaml")
            with open(self.config, "w", encoding="utf-8") as f:
                f.write(config)
        self.socket = os.path.join(self.run_dir, "divvyd.sock")
        self.daemon = None
        self.env = {**os.environ, "HOME": self.dir, "NO_COLOR": "1", "LC_ALL": "C.UTF-8",
                    "POCL_CACHE_DIR": os.path.join(self.dir, "cache")}
        os.mkdir(self.env["POCL_CACHE_DIR"])

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *failure):
        self.stop()
        if failure[0]:
            log = os.path.join(self.dir, "divvyd.log")
            if os.path.exists(log):
                with open(log, encoding="utf-8", errors="replace") as f:
                    print("--- divvyd's log\n" + f.read()[-4000:])
        shutil.rmtree(self.dir, ignore_errors=True)

    def start(self):
        command = [DIVVYD, "--run-dir", self.run_dir, "--state-dir", self.state_dir,
                   "--lock-dir", self.lock_dir]
        if self.config:
            command += ["--config", self.config]
        with open(os.path.join(self.dir, "divvyd.log"), "a", encoding="utf-8") as log:
            self.daemon = subprocess.Popen(command, stdout=log, stderr=log, env=self.env)
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
                              input=stdin, text=True, timeout=timeout, env={**self.env, **(env or {})})
        return Result(done.returncode, done.stdout, done.stderr)

    def spawn(self, *args, **more):
        return subprocess.Popen(self.command(*args), env=self.env, text=True, **more)

    def json(self, *args):
        got = self.divvy("--json", *args)
        return json.loads(got.out)

    def outside(self, *command, timeout=120):
        """The same program without divvy, for comparison."""
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              timeout=timeout, env=self.env)
        return Result(done.returncode, done.stdout, done.stderr)


def expect(condition, text, *more):
    if not condition:
        print("FAILED:", text, *more)
        raise AssertionError(text)
