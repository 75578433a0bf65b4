# SPDX-License-Identifier: Apache-2.0
"""What the lint tests share: the tree's own files, and how a finding is reported."""
import os
import subprocess
import sys

TOP = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))


def files(*patterns):
    """Files of the tree (tracked, or new and not ignored) that match git's patterns."""
    command = ["git", "-C", TOP, "ls-files", "--cached", "--others", "--exclude-standard", "--"]
    done = subprocess.run(command + list(patterns), stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        # A release without .git: every file below, build folders left out.
        import fnmatch
        found = []
        for folder, folders, names in os.walk(TOP):
            folders[:] = [f for f in folders if not f.startswith((".", "build"))]
            found += [os.path.relpath(os.path.join(folder, n), TOP) for n in names]
        return sorted(f for f in found if any(fnmatch.fnmatch(f, p) for p in patterns))
    return sorted(set(f for f in done.stdout.splitlines() if os.path.exists(os.path.join(TOP, f))))


def read(path):
    with open(os.path.join(TOP, path), encoding="utf-8") as f:
        return f.read()


def sources():
    return files("src/**/*.c", "src/**/*.h", "src/*.c", "src/*.h", "include/**/*.h")


def finish(name, findings, looked_at):
    """Print the findings and leave; a lint that looked at nothing has failed."""
    for line in findings:
        print(line)
    if not looked_at:
        print(f"{name}: found nothing to look at")
        sys.exit(1)
    print(f"{name}: {looked_at} looked at, {len(findings)} findings")
    sys.exit(1 if findings else 0)
