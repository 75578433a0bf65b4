# SPDX-License-Identifier: Apache-2.0
"""Build and test in the ways the project promises, and say what passed, failed and was skipped.

A stage is a build folder with its options and the suites that run in it. The closing line counts
all stages; a suite that has no tests here counts as skipped. Tests put their files below $TMPDIR,
which is empty before a stage: what lies there afterwards was left behind, and is a failure. Names of
stages as arguments run only these.
"""
import concurrent.futures
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

TOP = os.path.realpath(os.path.join(os.path.dirname(__file__), ".."))
NOFAIL = {"ASAN_OPTIONS": "detect_leaks=1:abort_on_error=1",
          "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
          "TSAN_OPTIONS": "halt_on_error=1:second_deadlock_stack=1"}

# name, environment, meson options, suites
STAGES = [
    ("build", {}, ["-Dwerror=true"], ["lint", "unit", "golden", "torture", "e2e", "vm", "gpu"]),
    ("build-asan", {}, ["-Db_sanitize=address,undefined", "-Db_lundef=false"],
     ["unit", "golden", "torture"]),
    ("build-tsan", {}, ["-Db_sanitize=thread", "-Db_lundef=false"], ["threads"]),
    ("build-clang", {"CC": "clang"}, ["-Dwerror=true"], ["unit"]),
    # As users build it: -O3 sees more, and says so in warnings.
    ("build-o3", {}, ["--buildtype=release", "-Dwerror=true"], ["unit"]),
]
TIDY = "tidy"  # the last stage: clang-tidy with .clang-tidy over src/, as build-clang compiles it


def run(command, env=None):
    return subprocess.run(command, cwd=TOP, env={**os.environ, **(env or {})}).returncode


def suites_there(folder):
    done = subprocess.run(["meson", "introspect", "--tests", folder], cwd=TOP,
                          stdout=subprocess.PIPE, text=True, check=True)
    return {suite.split(":")[-1] for test in json.loads(done.stdout) for suite in test["suite"]}


def missing(suites, there):
    """Lines for the suites that a stage names and its build does not have."""
    lines = []
    for suite in suites:
        if suite in there:
            continue
        empty = not os.path.exists(os.path.join(TOP, "tests", suite, "meson.build"))
        lines.append((f"suite {suite}", f"tests/{suite} has no tests yet" if empty
                      else "this build has none of its tests"))
    return lines


def left_behind(folder):
    """What tests left there, by name, a few of many; None if nothing."""
    names = sorted(os.listdir(folder))
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + more if names else None


def results(folder):
    path = os.path.join(TOP, folder, "meson-logs", "testlog.json")
    with open(path, encoding="utf-8") as f:
        return [json.loads(line) for line in f]


def stage(name, env, options, suites):
    """Return the lists of (test, why) that passed, failed and were skipped."""
    if set_up(name, env, options):
        return [], [(f"{name}: meson setup", "")], []
    elif run(["meson", "configure", name, "-Dtests=true", *options]):  # as `make` left it
        return [], [(f"{name}: meson configure", "")], []
    if run(["ninja", "-C", name], env):
        return [], [(f"{name}: ninja", "")], []
    there = suites_there(name)
    chosen = [s for s in suites if s in there]
    if not chosen:
        return [], [(f"{name}: no tests", "none of the suites " + ", ".join(suites))], []
    command = ["meson", "test", "-C", name, "--no-rebuild", "--print-errorlogs"]
    for suite in chosen:
        command += ["--suite", suite]
    log = os.path.join(TOP, name, "meson-logs", "testlog.json")
    if os.path.exists(log):
        os.unlink(log)
    # Short: sockets are made below it, and their paths have a limit.
    temporary = tempfile.mkdtemp(prefix="dv", dir="/tmp")
    os.chmod(temporary, 0o1777)  # tests run programs as other users too
    code = run(command, {**NOFAIL, **env, "TMPDIR": temporary})
    litter = left_behind(temporary)
    shutil.rmtree(temporary, ignore_errors=True)
    passed, failed = [], []
    skipped = [(f"{name}: {what}", why) for what, why in missing(suites, there)]
    for test in results(name):
        why = (test.get("stdout", "") + test.get("stderr", "")).strip().splitlines()
        item = (f"{name}: {test['name']}", why[-1] if why else "")
        {"OK": passed, "SKIP": skipped}.get(test["result"], failed).append(item)
    if code and not failed:
        failed.append((f"{name}: meson test", f"ended with {code}"))
    if litter:
        failed.append((f"{name}: tests left files behind", litter))
    return passed, failed, skipped


def set_up(name, env, options):
    """A build folder; true when it could not be made."""
    return (not os.path.exists(os.path.join(TOP, name, "build.ninja")) and
            run(["meson", "setup", name, "--wrap-mode=nodownload", *options], env) != 0)


def look(source):
    done = subprocess.run(["clang-tidy", "--quiet", "-p", "build-clang", source], cwd=TOP, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return source, done.returncode, done.stdout


def tidy():
    """Static analysis of each source, as many at a time as there are processors."""
    if not shutil.which("clang-tidy"):
        return [], [], [(TIDY, "clang-tidy is not installed")]
    _, env, options, _ = next(s for s in STAGES if s[0] == "build-clang")
    # config.h comes with the set-up, and no other header is made.
    if set_up("build-clang", env, options):
        return [], [(f"{TIDY}: meson setup", "")], []
    listed = subprocess.run(["git", "ls-files", "src/*.c"], cwd=TOP, stdout=subprocess.PIPE, text=True,
                            check=True)
    passed, failed = [], []
    with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for source, code, text in pool.map(look, listed.stdout.split()):
            if code:
                print(text, flush=True)
            (failed if code else passed).append((f"{TIDY}: {source}", "see above" if code else ""))
    return passed, failed, []


def main(names):
    totals = ([], [], [])
    known = [s[0] for s in STAGES] + [TIDY]
    unknown = set(names) - set(known)
    if unknown:
        print("No such stage:", ", ".join(sorted(unknown)), "; there are", ", ".join(known))
        return 2
    for name in known:
        if names and name not in names:
            continue
        begun = time.time()
        one = next((s for s in STAGES if s[0] == name), None)
        print(f"== {name}: {' '.join(one[2]) if one else 'clang-tidy'}", flush=True)
        for total, part in zip(totals, stage(*one) if one else tidy()):
            total += part
        print(f"== {name}: {time.time() - begun:.0f} s", flush=True)
    passed, failed, skipped = totals
    for test, why in skipped:
        print(f"skipped  {test}: {why}")
    for test, why in failed:
        print(f"FAILED   {test}: {why}")
    print(f"divvy: {len(passed)} passed, {len(failed)} failed, {len(skipped)} skipped")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
