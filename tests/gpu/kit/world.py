# SPDX-License-Identifier: Apache-2.0
"""The machine, the build, the gate; and a part of the kit: its rows, its log, its time."""
import datetime
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

import nvml

HERE = os.path.dirname(os.path.realpath(__file__))
TOP = os.path.realpath(os.path.join(HERE, "..", "..", ".."))
MIB, GIB = 1 << 20, 1 << 30


class TimeOver(Exception):
    """The part's limit is reached."""


def driver_env(options):
    env = dict(os.environ)
    # Ours to say, whoever started us.
    for name in ("DIVVY_LEASE_SOCKET", "DIVVY_LEASE_NONCE", "DIVVY_KIT_HOW"):
        env.pop(name, None)
    if options.machine:
        env["DIVVY_SIM_MACHINE"] = os.path.realpath(options.machine)
        env["LD_LIBRARY_PATH"] = ":".join(filter(None, [env["DIVVY_SIM_MACHINE"], env.get("LD_LIBRARY_PATH")]))
    return env


def has_gpu(options):
    """In a process of its own: a driver that hangs or breaks does so there."""
    if options.machine and not os.path.exists(os.path.join(options.machine, "libcuda.so.1")):
        return False
    look = "import ctypes, sys; sys.exit(ctypes.CDLL('libcuda.so.1').cuInit(0) != 0)"
    try:
        return subprocess.run([sys.executable, "-c", look], env=driver_env(options), stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, timeout=60).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def no_gpu(options):
    if options.machine:
        return f"no GPU: {options.machine} is no simulated machine whose CUDA driver answers"
    return ("no GPU: no libcuda.so.1 that the loader finds answers cuInit; nothing was measured "
            "(a simulated machine: --machine DIR)")


class Done:
    def __init__(self, rc, out, err, late, seconds):
        self.rc, self.out, self.err, self.late, self.seconds = rc, out, err, late, seconds

    def why(self):
        last = [line for line in (self.err + self.out).splitlines() if line.strip()]
        text = last[-1].strip()[:300] if last else "it said nothing"
        return f"did not end in {self.seconds:.0f} s" if self.late else f"ended with {self.rc}: {text}"


class World:
    def __init__(self, options):
        self.options, self.simulated, self.quick = options, bool(options.machine), options.quick
        self.out = os.path.realpath(options.out)
        self.env = driver_env(options)
        self.server = None

    def __enter__(self):
        os.makedirs(self.out, exist_ok=True)
        self.dir = tempfile.mkdtemp(prefix="kit-")
        self.build = os.path.realpath(self.options.build or os.path.join(self.dir, "build"))
        self.place = os.path.join(self.dir, "place")
        self.env["TMPDIR"] = self.dir
        return self

    def __exit__(self, *_):
        if self.server:
            self.server.stdin.close()
            try:
                self.server.wait(10)
            except subprocess.TimeoutExpired:
                self.server.kill()
                self.server.wait()
        shutil.rmtree(self.dir, ignore_errors=True)

    def program(self, name):
        return os.path.join(self.build, name)

    def ask(self, *words):
        """What a short command says; it may not fail."""
        return subprocess.run(words, env=self.env, stdout=subprocess.PIPE, text=True, check=True,
                              timeout=120).stdout.strip()

    def begin(self):
        if subprocess.run([os.path.join(TOP, "tests/gpu/build.sh"), self.build], env=self.env).returncode != 0:
            raise SystemExit("tests/gpu/build.sh failed: what is needed is a C compiler (CC), ar and libc's headers")
        self.gpu = nvml.first_gpu(self.env.get("DIVVY_SIM_MACHINE") if self.simulated else None)
        if self.gpu and "CUDA_VISIBLE_DEVICES" not in self.env:
            self.env["CUDA_VISIBLE_DEVICES"] = self.gpu.uuid
        self.make_place()
        self.server = subprocess.Popen([self.program("gate-server"), self.dir] + ([self.gpu.uuid] if self.gpu else []),
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=self.env, text=True)
        if self.server.stdout.readline() != "ready\n":
            raise SystemExit("gate-server did not start")
        self.identity = self.identify()

    def make_place(self):
        """As `divvy run` does: our libraries by the drivers' names, the drivers by names of our own."""
        os.mkdir(self.place)
        for layer, library, real in (("cuda", "libcuda.so.1", "libcuda-divvy-real.so"),
                                     ("nvml", "libnvidia-ml.so.1", "libnvidia-ml-divvy-real.so")):
            try:
                found = self.ask(self.program("slice"), "find", library)
            except subprocess.CalledProcessError:
                continue  # without NVML there is no slice of it
            for name in (library, library.removesuffix(".1")):
                os.symlink(self.program(f"libdivvy-{layer}.so"), os.path.join(self.place, name))
            os.symlink(found, os.path.join(self.place, real))
        self.context_bytes = int(self.ask(self.program("slice"), "context"))
        with open(os.path.join(self.place, "context-bytes"), "w", encoding="utf-8") as f:
            f.write(f"{self.context_bytes}\n")

    def identify(self):
        git = subprocess.run(["git", "-C", TOP, "rev-parse", "--short", "HEAD"], stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL, text=True)
        return {
            "gpu": self.gpu.name if self.gpu else "unknown: no NVML",
            "driver": self.gpu.driver if self.gpu else "unknown",
            "memory_mib": self.gpu.total // MIB if self.gpu else 0,
            "simulated": self.simulated,
            "context_bytes": self.context_bytes,
            "cpus": len(os.sched_getaffinity(0)),
            "kernel": platform.release(),
            "python": platform.python_version(),
            "commit": git.stdout.strip() or "unknown",
            "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "gate": "tests/gpu/gate-server: src/gate and src/sched of this checkout, no divvyd",
        }

    def in_slice(self, argv, name="kit", memory="4GiB", compute="100%", policy="best-effort"):
        return [self.program("slice"), "--socket", self.dir, "run", "--name", name, "--memory", memory, "--compute",
                compute, "--policy", policy, "--", *argv]

    def slice_env(self, how="divvy"):
        return dict(self.env, DIVVY_KIT_PLACE=self.place, DIVVY_KIT_HOW=how)

    def stats(self, name):
        """What the gate knows of a lease, as numbers."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
            s.settimeout(10)
            s.connect(os.path.join(self.dir, "control"))
            s.send(f"stats {name}".encode())
            words = s.recv(512).decode().split()
        if words[0] != "ok":
            raise RuntimeError(" ".join(words))
        return {k: int(v) for k, v in (word.split("=") for word in words[1:])}


class Part:
    def __init__(self, world, name, limit):
        self.world, self.name, self.limit = world, name, limit
        self.began = time.monotonic()
        self.rows, self.seconds = [], 0
        self.log = open(os.path.join(world.out, name + ".log"), "w", encoding="utf-8")

    # What came out: one row each.

    def row(self, what, value=None, unit="", goal=None, plain=None, note="", failed=False, skipped=False):
        row = {"what": what, "value": value, "unit": unit, "goal": goal, "plain": plain, "note": note}
        row["state"] = ("failed" if failed else "skipped" if skipped else
                        "missed" if goal is not None and value is not None and value > goal else "ok")
        self.rows.append(row)
        told = [what, "" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value), unit,
                "" if row["state"] == "ok" else row["state"], note]
        self.say(" ".join(filter(None, told)))
        self.write()

    def skip(self, what, why):
        self.row(what, note=why, skipped=True)

    def fail(self, what, why):
        self.row(what, note=why, failed=True)

    def failed(self):
        return any(row["state"] == "failed" for row in self.rows)

    def say(self, text):
        print(f"[{self.name}] {text}", file=self.log, flush=True)
        print(f"[{self.name} {time.monotonic() - self.began:5.1f} s] {text}", file=sys.stderr, flush=True)

    def write(self):
        self.seconds = round(time.monotonic() - self.began, 1)
        path = os.path.join(self.world.out, self.name + ".json")
        with open(path + ".new", "w", encoding="utf-8") as f:
            json.dump({"schema": "divvy/gpu-kit/1", "part": self.name, "machine": self.world.identity,
                       "quick": self.world.quick, "limit_s": self.limit, "seconds": self.seconds,
                       "rows": self.rows}, f, indent=1)
            f.write("\n")
        os.rename(path + ".new", path)

    def end(self):
        self.write()
        self.log.close()

    # What is run.

    def left(self):
        left = self.limit - (time.monotonic() - self.began)
        if left <= 0:
            raise TimeOver
        return left

    def run(self, argv, env=None, most=60, on_line=None, text=None):
        """To its end, or to the limit; then all that it started is ended. `on_line`: told each line that it prints."""
        most = min(most, self.left())
        print(f"$ {' '.join(argv)}", file=self.log, flush=True)
        began = time.monotonic()
        with tempfile.TemporaryFile("w+", dir=self.world.dir) as err:
            child = subprocess.Popen(argv, env=env or self.world.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                     stderr=err, text=True, start_new_session=True)
            late = Alarm(child, most)
            out = []
            try:
                child.stdin.write(text or "")
                child.stdin.close()
                for line in child.stdout:
                    out.append(line)
                    if on_line:
                        on_line(line)
                child.wait()
            finally:
                late.end()
            err.seek(0)
            done = Done(child.returncode, "".join(out), err.read(), late.rang, time.monotonic() - began)
        print(f"{done.out}{done.err}= {done.rc}{', at its limit' if done.late else ''}, {done.seconds:.1f} s",
              file=self.log, flush=True)
        return done

    def in_slice(self, argv, most=60, env=None, **lease):
        return self.run(self.world.in_slice(argv, **lease), dict(self.world.slice_env(), **(env or {})), most)


class Alarm:
    """Ends a child and all of its session when it takes too long, and what of it is left in any case."""

    def __init__(self, child, seconds):
        import threading
        self.child, self.rang = child, False
        self.timer = threading.Timer(seconds, self.ring)
        self.timer.start()

    def signal(self, number):
        try:
            os.killpg(self.child.pid, number)
        except ProcessLookupError:
            pass

    def ring(self):
        self.rang = True
        self.signal(signal.SIGTERM)
        end = time.monotonic() + 5
        while time.monotonic() < end and self.child.poll() is None:
            time.sleep(0.05)
        self.signal(signal.SIGKILL)

    def end(self):
        self.timer.cancel()
        self.timer.join()
        self.signal(signal.SIGKILL)
        self.child.wait()
