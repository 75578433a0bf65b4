# SPDX-License-Identifier: Apache-2.0
"""Processes that compute on one simulated machine: what they have of it, what others see of them, and what
is left when they are killed. test-cuda.py DIVVY-SIM CUDA-TENANT NVML-LIST"""
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

SIM, TENANT, LIST = sys.argv[1:4]
MIB = 1 << 20


class Machine(unittest.TestCase):
    """A machine for each test, and what is done on it."""
    name = None

    def setUp(self):
        self.dir = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.dir)
        self.sim("new", self.name)
        self.children = []
        self.addCleanup(self.end_children)

    def end_children(self):
        for child in self.children:
            if child.poll() is None:
                os.kill(child.pid, signal.SIGCONT)
                child.kill()
            child.communicate()

    def sim(self, command, *words):
        done = subprocess.run([SIM, command, self.dir, *words], stdout=subprocess.PIPE, text=True,
                              check=True)
        return done.stdout

    def start(self, *words, **env):
        child = subprocess.Popen([TENANT, self.dir + "/libcuda.so.1", *words],
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                 env={**os.environ, **env})
        self.children.append(child)
        return child

    def run_one(self, *words, **env):
        out, _ = self.start(*words, **env).communicate()
        return out.strip()

    def hold(self, mib, **env):
        child = self.start("hold", str(mib * MIB), **env)
        return child, child.stdout.readline().strip()

    def seen(self):
        """{pid: MiB} as NVML lists processes of GPU 0, and the MiB in use."""
        out = subprocess.run([LIST, self.dir + "/libnvidia-ml.so.1"], stdout=subprocess.PIPE,
                             text=True, check=True).stdout.split("\n")
        return ({int(l.split()[0]): int(l.split()[1]) for l in out[1:] if l}, int(out[0]))

    def busy(self, *lengths_ns):
        """What each of several that began together got, as a share."""
        children = [self.start("busy", str(ns), "1500") for ns in lengths_ns]
        return [float(child.communicate()[0]) for child in children]

    def comes_to(self, wanted, *lengths_ns):
        """The same as often as a busy machine may spoil it: that can only take from what they get."""
        seen = []
        for _ in range(6):
            seen.append(self.busy(*lengths_ns))
            if wanted(*seen[-1]):
                return
        self.fail(seen)


class One(Machine):
    name = "lab-4090"

    # --- memory ---

    def test_others_see_memory(self):
        before, used = self.seen()
        child, answer = self.hold(3000)
        self.assertEqual(answer, "alloc 0")
        after, now = self.seen()
        self.assertEqual(set(after) - set(before), {child.pid})
        self.assertEqual(now - used, after[child.pid])
        # Context and module: as on a real card, more than was asked for.
        self.assertGreater(after[child.pid], 3000 + 256)
        self.assertIn(f"process {child.pid} cuda-tenant compute", self.sim("show"))
        child.communicate("")
        self.assertEqual(self.seen(), (before, used))

    def test_the_tree_shows_them(self):
        child, _ = self.hold(16)
        self.seen()
        self.assertEqual(os.readlink(f"{self.dir}/root/proc/{child.pid}/fd/4"), "/dev/nvidia0")
        child.communicate("")
        self.seen()
        self.assertFalse(os.path.exists(f"{self.dir}/root/proc/{child.pid}"))

    def test_too_much_together(self):
        first, answer = self.hold(12000)
        self.assertEqual(answer, "alloc 0")
        self.assertEqual(self.hold(12000)[1], "alloc 2")
        # Killed: nothing of it is left, at once.
        first.kill()
        first.wait()
        self.assertEqual(self.hold(12000)[1], "alloc 0")

    def test_many_fit_as_their_memory_says(self):
        """Begun at once: nobody is counted twice."""
        _, used = self.seen()
        children = [self.start("hold", str(16 * MIB)) for _ in range(24)]
        answers = [child.stdout.readline().strip() for child in children]
        self.assertEqual(answers, ["alloc 0"] * len(children))
        listed, now = self.seen()
        self.assertEqual(now - used, sum(listed[child.pid] for child in children))

    def test_simulated_processes_count(self):
        """A process that is only simulated leaves less for the real ones."""
        capacity = int(self.run_one("devices").split(" | ")[1].split()[-2])
        _, used = self.seen()
        self.assertGreater(used, 0, "this machine has a process on GPU 0 from the begin")
        self.assertEqual(self.hold(capacity - 600 - used // 2)[1], "alloc 2")

    # --- time ---

    def test_one_alone_has_all(self):
        self.comes_to(lambda a: a > 0.9, 5000000)

    def test_two_share(self):
        """Started one after the other; neither sits idle, nor do they hinder each other."""
        self.comes_to(lambda a, b: abs(a - b) < 0.25 and min(a, b) > 0.3 and 0.7 < a + b < 1.2, 5000000, 5000000)

    def test_many_killed_at_random(self):
        for n in range(20):
            child = self.start("busy", "700000", "60000")
            time.sleep(0.02 + 0.003 * n)
            child.kill()
            child.wait()
        self.comes_to(lambda a: a > 0.8, 5000000)

    def test_a_stopped_one_is_passed_over(self):
        child = self.start("busy", "5000000", "60000")
        time.sleep(0.3)
        os.kill(child.pid, signal.SIGSTOP)
        self.comes_to(lambda a: a > 0.8, 5000000)
        os.kill(child.pid, signal.SIGCONT)

    # --- other processes' memory and events ---

    def test_memory_and_event_of_another(self):
        owner = self.start("share")
        handles = owner.stdout.readline().strip()
        self.assertEqual(len(handles), 256)
        other = self.start("use", handles)
        self.assertEqual(other.stdout.readline(), "submitted\n")
        # The event is behind what the owner's stream waits for.
        self.assertEqual(select.select([other.stdout], [], [], 0.3)[0], [])
        owner.stdin.write("\n")
        owner.stdin.flush()
        self.assertEqual(other.stdout.readline(), "done\n")
        self.assertEqual(owner.communicate("\n")[0].strip(), "1024")

    def test_memory_of_a_dead_owner(self):
        """It is still there for who has it, and charged to it."""
        owner = self.start("share")
        handles = owner.stdout.readline().strip()
        other = self.start("keep", handles)
        self.assertEqual(other.stdout.readline().strip(), "open 0")
        before = self.seen()[0]
        owner.kill()
        owner.wait()
        after = self.seen()[0]
        self.assertNotIn(owner.pid, after)
        self.assertEqual(after[other.pid] - before[other.pid], 4)

    # --- kernels ---

    def test_images(self):
        self.assertEqual(self.run_one("images"), "24")

    def test_a_kernel_that_goes_astray(self):
        self.assertEqual(self.run_one("illegal"), "0 700 700")

    # --- faults ---

    def test_faults(self):
        self.sim("fault", "cuMemAlloc", "1", "2")  # without the version: any of that name
        self.assertEqual(self.hold(16)[1], "alloc 2")
        self.assertEqual(self.hold(16)[1], "alloc 0")
        self.sim("fault", "cuInit", "1", "kill-before")
        self.assertEqual(self.start("hold", "4096").wait(), -signal.SIGKILL)
        self.sim("fault", "cuDevicePrimaryCtxRetain", "1", "kill-after")
        self.assertEqual(self.start("hold", "4096").wait(), -signal.SIGKILL)
        self.end_children()
        self.assertNotIn("cuda-tenant", self.sim("show"))
        self.sim("fault", "cuMemAlloc_v2", "1", "delay:300")
        begin = time.monotonic()
        self.assertEqual(self.hold(16)[1], "alloc 0")
        self.assertGreater(time.monotonic() - begin, 0.3)


class Several(Machine):
    name = "dgx-h100"

    def test_visible_devices(self):
        self.assertEqual(self.run_one("devices").split(" | ")[0], "8")
        self.assertEqual(self.run_one("devices", CUDA_VISIBLE_DEVICES="3,1").split(" | ")[0], "2")
        self.assertEqual(self.run_one("devices", CUDA_VISIBLE_DEVICES="0,99,1").split(" | ")[0],
                         "1")
        self.assertEqual(self.run_one("devices", CUDA_VISIBLE_DEVICES="0,0"), "init 100")
        self.assertEqual(self.run_one("devices", CUDA_VISIBLE_DEVICES=""), "init 100")
        uuid = self.sim("show").split("gpu 2 ")[1].split()[1]
        child, _ = self.hold(64, CUDA_VISIBLE_DEVICES=uuid[:20])
        self.assertIn(f"process {child.pid} cuda-tenant compute gpus 0x4", self.sim("show"))


class Mig(Machine):
    """GPUs in MIG mode: a process has one MIG device, and no GPU beside it."""

    def setUp(self):
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            file.write("name: parts\ncuda: 13000\ngpus:\n  - model: h100-80-sxm\n    mig: on\n"
                       "    instances: [{profile: 3g.40gb}, {profile: 1g.10gb}]\n"
                       "  - model: h100-80-sxm\n")
            file.flush()
            self.name = file.name
            super().setUp()

    def test_one_is_seen(self):
        count, first = self.run_one("devices").split(" | ")
        self.assertEqual(count, "1")
        self.assertIn(" MIG ", first)
        # The second GPU has no MIG and can be chosen.
        count, first = self.run_one("devices", CUDA_VISIBLE_DEVICES="0").split(" | ")
        self.assertNotIn("MIG", first)

    def test_memory_is_the_partitions(self):
        _, first = self.run_one("devices").split(" | ")
        mib = int(first.split()[-2])
        self.assertLess(mib, 45000)
        self.assertEqual(self.hold(mib)[1], "alloc 2")
        child, answer = self.hold(4000)
        self.assertEqual(answer, "alloc 0")
        self.assertRegex(self.sim("show"), f"process {child.pid} cuda-tenant compute gpus 0x1 gi [12] ci 0")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
