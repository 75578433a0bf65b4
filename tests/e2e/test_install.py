# SPDX-License-Identifier: Apache-2.0
"""What `meson install` put there works as it lies there: the programs find their library and their data, with
nothing else done. It is installed below a directory of the test's own, which stands in the place of the
prefix for this process alone."""
import os
import subprocess
import sys
import tempfile

from lib import BUILD, expect

HIDE = 'mkdir -p "$2" && mount --bind "$1" "$2" && shift 2 && exec "$@"'


def main(place):
    environment = {name: value for name, value in os.environ.items() if name not in ("LD_LIBRARY_PATH", "DESTDIR")}
    done = subprocess.run(["meson", "install", "-C", BUILD, "--no-rebuild", "--quiet", "--destdir", place],
                          env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    expect(done.returncode == 0, "installed", done.stdout)
    prefix = "/usr/local"
    expect(os.path.exists(place + prefix + "/bin/divvy"), "where it belongs", os.listdir(place))
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    inside = ["unshare", *user, "--mount", "sh", "-c", HIDE, "sh", place + prefix, prefix]
    if subprocess.run([*inside, "true"], stderr=subprocess.DEVNULL).returncode:
        print("skipped: no mount namespace can be made here")
        return 77
    for command, says in ((["divvy", "--version"], "divvy 0."), (["divvyd", "--version"], "divvyd 0."),
                          (["divvy", "profiles", "rtx4090"], "GeForce RTX 4090"),
                          (["divvy", "explain", "G01"], "not enough memory left")):
        done = subprocess.run([*inside, f"{prefix}/bin/{command[0]}", *command[1:]], env=environment,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        expect(done.returncode == 0 and says in done.stdout, " ".join(command), done)
    print("install: all held")
    return 0


with tempfile.TemporaryDirectory() as directory:
    status = main(directory)
sys.exit(status)
