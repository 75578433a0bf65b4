# SPDX-License-Identifier: Apache-2.0
"""What is wrong is refused: clearly, with the status and the document that the contract names, and
nothing is lost by it."""
import hashlib
import json
import os
import shutil
import socket
import sqlite3
import subprocess
import tempfile

from lib import DIVVYD, Node, as_user, commands, expect, need_opencl, other_user, wait_for

# Every member of an error document, and every code with the status that goes with it.
MEMBERS = {"schema", "code", "rule", "message", "fix", "file", "line", "column"}
STATUS = {"invalid": 2, "unreadable": 2, "too-big": 2, "refused": 3, "does-not-fit": 3, "over-quota": 3,
          "not-permitted": 3, "stale": 3, "not-supported": 3, "no-device": 1, "not-found": 1, "exists": 1,
          "out-of-memory": 1, "disk-full": 1, "bad-state": 1, "timed-out": 1, "bad-answer": 1, "failed": 1,
          "unreachable": 5}
FLEET = "version: 1\nname: lab\ntenants:\n  - {name: a, kind: process, needs: {memory: 64MiB}}\n"
shown = []


def status_of(document):
    """Of its code; a plain failure with a rule is a refusal."""
    status = STATUS[document["code"]]
    return 3 if status == 1 and document["rule"] else status


def error_document(text, where):
    """The error in it, after a look at its form."""
    try:
        document = json.loads(text)
    except ValueError:
        document = {}
    expect(set(document) == MEMBERS and document["schema"] == "divvy/error/1", "an error document", where, text)
    expect(document["code"] in STATUS, "of a known code", where, document)
    expect(document["message"] and len(document["message"].splitlines()) == 1, "that says what", where, document)
    expect((document["line"] is None) == (document["file"] is None), "and where, or not", where, document)
    return document


class Wrong:
    """Things done wrong at one node, in whose leases nothing changes by that."""

    def __init__(self, node):
        self.node, self.before = node, node.standing()

    def __call__(self, status, rule, *args, says=(), line=None, env=None, socket_path=None, stdin=None):
        """It ends with that status and rule, as text and as a document, and says these words."""
        if socket_path:
            args = ("--socket", socket_path, *args)
        plain = self.node.divvy(*args, env=env, timeout=30, stdin=stdin)
        expect(plain.status == status, f"status {status}", args, plain)
        expect(plain.err.startswith("divvy: ") and not plain.out, "said on standard error alone", args, plain)
        got = self.node.divvy("--json", *args, env=env, timeout=30, stdin=stdin)
        expect(got.status == status, f"status {status} with --json", args, got)
        document = error_document(got.out, args)
        expect(status in (126, 127) or status_of(document) == status, "the code is that status's", args, document)
        expect(document["rule"] == rule, f"rule {rule}", args, document)
        expect(not rule or rule in plain.err, "the text names it too", args, plain)
        for word in says:
            expect(word in document["message"] + (document["fix"] or ""), f"it says '{word}'", args, document)
        if line:
            expect(document["line"] == line and document["column"] > 0 and f":{line}:" in plain.err,
                   f"it points to line {line}", args, document, plain)
        expect(self.node.standing() == self.before, "nothing is lost", args)
        shown.append(f"{' '.join(args)[:60]}: {document['message']}")
        return document


def fleets(wrong, node):
    path = os.path.join(node.dir, "fleet.yaml")
    tenant = "  - {name: b, kind: process, needs: {memory: 64MiB}}\n"
    cases = [
        # rule, text, line, words
        ("F05", FLEET.replace("needs:", "want: 1, needs:"), 4, ["want"]),
        ("F05", FLEET + "tennants: []\n", 5, ["tennants"]),
        ("F07", FLEET.replace("64MiB", "64"), 4, ["64"]),
        ("F07", FLEET.replace("64MiB", "64 MB/s"), 4, ["64"]),
        ("F07", FLEET.replace("64MiB", "-64MiB"), 4, ["64"]),
        ("F07", FLEET.replace("64MiB", "99999999999999999999GiB"), 4, []),
        ("F07", FLEET.replace("memory: 64MiB", "compute: 101%"), 4, ["101"]),
        ("F02", FLEET.replace("name: a,", "name: a, name: c,"), 4, ["name"]),
        ("F09", FLEET + tenant + tenant, 6, ["b"]),
        ("F06", FLEET.replace("{memory: 64MiB}", "[]"), 4, ["a list", "memory"]),
        ("F08", FLEET.replace("name: a", "name: a/b"), 4, ["a/b"]),
        ("F08", FLEET.replace("name: a", "name: ../x"), 4, []),
        ("F08", FLEET.replace("name: lab", "name: ''"), 2, []),
        ("F11", FLEET.replace("process", "proces"), 4, ["proces"]),
        ("F13", FLEET.replace("version: 1", "version: 99"), 1, ["99"]),
        ("F10", "name: lab\n", None, ["version"]),
        ("F01", "", None, []),
        ("F01", "version: 1\n\tname: x\n", 2, []),
        ("F01", "\0\1\2\3" * 100, None, []),
        ("F04", FLEET.replace("name: a,", "name: &x a,"), 4, []),
        ("F03", "version: 1\nname: x\ntenants: " + "[" * 100000, 3, []),
        ("F14", "version: 1\nname: x\ntenants: " + "[" * (10 << 20), None, []),
        ("F14", FLEET + "#" * (10 << 20), None, []),
        ("F07", FLEET.replace("name: a,", "name: a, count: 1000000,"), 4, ["10000"]),
    ]
    verbs = [["plan"], ["diff"], ["assert"]]
    if node.divvy("apply", "--help").status == 0:
        verbs.append(["apply", "--yes"])
    for number, (rule, text, line, words) in enumerate(cases):
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        # All verbs read a fleet in one way; each has some of the cases.
        for verb in (verbs if number % 6 == 0 else verbs[number % len(verbs):][:1]):
            wrong(2, rule, *verb, path, line=line, says=words)
    wrong(2, "F05", "plan", "-", stdin=FLEET + "x: 1\n", line=5)
    for path in (os.path.join(node.dir, "none.yaml"), node.dir, "/dev/zero"):
        for verb in verbs:
            document = wrong(2, {"/dev/zero": "F14"}.get(path), *verb, path, says=[path])
            expect(document["fix"], "and what to do", document)


def runs(wrong, node):
    wrong(2, "F08", "run", "--name", "a/b", "--", "true", says=["a/b"])
    wrong(2, None, "run", "--name", "", "--", "true")
    wrong(2, "F08", "run", "--name", "x" * 64, "--", "true")
    wrong(2, "F08", "run", "--name", "\033[31m", "--", "true")
    wrong(2, "F07", "run", "--memory", "64", "--", "true", says=["--memory", "64"])
    wrong(2, "F07", "run", "--compute", "20", "--", "true", says=["--compute", "25%"])
    wrong(2, "F07", "run", "--compute", "0%", "--", "true", says=["--compute"])
    wrong(2, "F11", "run", "--policy", "fair", "--", "true", says=["fair", "best-effort"])
    wrong(3, "G09", "run", "--method", "mig", "--", "true", says=["slice", "mig"])
    wrong(2, "F12", "run", "--method", "partition", "--policy", "latency", "--", "true", says=["--policy"])
    wrong(2, None, "run")
    wrong(2, None, "run", "--memory")
    wrong(3, "G01", "run", "--memory", "999TiB", "--", "true", says=["memory"])
    wrong(3, "G02", "run", "--compute", "100%", "--", "true")
    wrong(3, "S01", "run", "--method", "passthrough", "--", "true", says=["keep"])
    wrong(3, "S18", "run", "--gpu", "9", "--", "true", says=["9"])
    wrong(2, "F12", "run", "--name", "keep", "--memory", "1MiB", "--", "true", says=["keep"])
    wrong(127, None, "run", "--", "/nonexistent/command", says=["/nonexistent/command"])
    wrong(127, None, "run", "--", "no-such-command", says=["no-such-command"], env={"PATH": "/usr/bin:/bin"})
    wrong(126, None, "run", "--", "/etc/passwd", says=["/etc/passwd"])


def usage(wrong, node):
    wrong(2, None, "statsu", says=["statsu"])
    wrong(2, None, "status", "--jsno", says=["--jsno"])
    wrong(2, None, "--nonsense", "status", says=["--nonsense"])
    wrong(2, None, "status", "extra", says=["status"])
    wrong(2, None, "release")
    wrong(3, "S09", "release", "none-of-that-name", says=["none-of-that-name"])
    wrong(2, "F08", "release", "../../v1/status")
    wrong(3, "S18", "who", "GPU-none")
    wrong(2, None, "explain", "Z99", says=["Z99"])


def serve(path, answer, user=None):
    """Somebody else who listens there and gives everybody that answer; returns what ends it."""
    code = ("import os, socket, sys\n"
            "s = socket.socket(socket.AF_UNIX)\ns.bind(sys.argv[1])\nos.chmod(sys.argv[1], 0o777)\ns.listen()\n"
            "print('ready', flush=True)\n"
            "while True:\n"
            "    c = s.accept()[0]\n"
            "    try:\n        c.recv(65536)\n        c.sendall(bytes.fromhex(sys.argv[2]))\n"
            "    except OSError:\n        pass\n"
            "    c.close()\n")
    process = subprocess.Popen(["/usr/bin/python3", "-c", code, path, answer.encode().hex()],
                               stdout=subprocess.PIPE, **as_user(user))
    process.stdout.readline()
    return process


def sockets(wrong, node, second):
    nowhere = os.path.join(node.dir, "nowhere.sock")
    wrong(5, None, "status", socket_path=nowhere, says=[nowhere])
    wrong(5, None, "run", "--", "true", socket_path=nowhere)
    stale = os.path.join(node.dir, "stale.sock")
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(stale)
    wrong(5, None, "leases", socket_path=stale, says=[stale])
    plain = os.path.join(node.dir, "plain.sock")
    with open(plain, "w", encoding="utf-8"):
        pass
    wrong(5, None, "leases", socket_path=plain, says=[plain])
    wrong(2, None, "leases", socket_path="/" + "x" * 200)
    answers = [("HTTP/1.1 500 No\r\n\r\n<html>", 1), ("HTTP/1.1 404 No\r\nContent-Length: 2\r\n\r\n{}", 1),
               ("no http at all\r\n\r\n", 1), ("", 5)]
    for number, (answer, status) in enumerate(answers):
        path = os.path.join(node.dir, f"strange-{number}.sock")
        strange = serve(path, answer)
        wrong(status, None, "leases", socket_path=path)
        strange.kill()
        strange.wait()
    if second is None:
        print("somebody else's socket: skipped, there is no second user")
        return
    with tempfile.TemporaryDirectory(prefix="divvy-e2e-") as shared:
        os.chmod(shared, 0o1777)
        path = os.path.join(shared, "divvyd.sock")
        strange = serve(path, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", second)
        wrong(3, "S03", "leases", socket_path=path, says=[str(second)])
        wrong(3, "S03", "run", "--", "touch", os.path.join(shared, "ran"), socket_path=path)
        expect(not os.path.exists(os.path.join(shared, "ran")), "and nothing was run")
        strange.kill()
        strange.wait()


def divvyd_fails(status, rule, run_dir, state_dir, *more, user=None, says=()):
    """It ends at once, and says why to whoever started it and on standard error."""
    hear, say = os.pipe()
    done = subprocess.run([DIVVYD, "--run-dir", run_dir, "--state-dir", state_dir, "--lock-dir", run_dir + "-lock",
                           "--ready-fd", str(say), *more], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=30, pass_fds=[say], cwd="/", **as_user(user))
    os.close(say)
    with os.fdopen(hear) as f:
        document = error_document(f.read(), (run_dir, state_dir, *more, done.stderr))
    expect(done.returncode == status == status_of(document), f"divvyd ends with {status}", done, document)
    expect(document["rule"] == rule, f"divvyd refuses by rule {rule}", document)
    expect(document["message"] in done.stderr, "it says so in its log", done.stderr)
    for word in says:
        expect(word in document["message"] + (document["fix"] or ""), f"it says '{word}'", document)
    shown.append(f"divvyd: {document['message']}")
    return document


def digest(path):
    with open(path, "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()


def state_files(node):
    """A state file that is not ours to read is left as it is; with the right one all is there again."""
    before = node.standing()
    node.stop()
    store = os.path.join(node.state_dir, "state.db")
    kept = store + ".kept"
    shutil.copy(store, kept)
    with sqlite3.connect(store) as database:
        database.execute("PRAGMA user_version = 999")
    database.close()
    was = digest(store)
    divvyd_fails(3, "S06", node.run_dir, node.state_dir, says=[store])
    expect(digest(store) == was, "a newer state file is left as it is")
    for garbage in (b"no database, but long enough to look like one\n" * 200, b"SQLite format 3\0" + b"\xff" * 4096):
        with open(store, "wb") as f:
            f.write(garbage)
        divvyd_fails(3, "S07", node.run_dir, node.state_dir, says=[store])
        expect(digest(store) == hashlib.sha256(garbage).hexdigest(), "what is no state file is left as it is")
    shutil.move(kept, store)
    node.start()
    wait_for(lambda: node.standing() == before)


def places(second):
    """Directories that cannot be used, or should not be."""
    top = tempfile.mkdtemp(prefix="divvy-e2e-")
    os.chmod(top, 0o755)
    run_dir, state_dir = os.path.join(top, "run"), os.path.join(top, "state")
    try:
        for path in (run_dir, state_dir):
            os.mkdir(path, 0o700)
        os.chmod(run_dir, 0o777)
        document = divvyd_fails(3, "S03", run_dir, state_dir, says=[run_dir])
        expect(document["fix"], "and how to mend it", document)
        os.rmdir(run_dir)
        os.symlink(state_dir, run_dir)
        divvyd_fails(3, "S03", run_dir, state_dir, says=[run_dir])
        os.unlink(run_dir)
        with open(run_dir, "w", encoding="utf-8"):
            pass
        divvyd_fails(3, "S03", run_dir, state_dir, says=[run_dir])
        os.unlink(run_dir)
        for text in ("version: 1\ngate: {quantum: 5}\n", "version: 1\nfoo: bar\n", "version: 1\ngate:\n  quantum: 9h\n"):
            path = os.path.join(top, "divvyd.yaml")
            with open(path, "w", encoding="utf-8") as f:
                f.write(text)
            document = divvyd_fails(2, "F05" if "foo" in text else "F07", run_dir, state_dir, "--config", path)
            expect(document["file"] == path and document["line"], "where in the configuration", document)
        done = subprocess.run([DIVVYD, "--nonsense"], stderr=subprocess.PIPE, text=True)
        expect(done.returncode == 2 and "--nonsense" in done.stderr, "a wrong option", done)
        if second is not None:
            # root's, where an ordinary user can write nothing.
            shutil.rmtree(run_dir)
            divvyd_fails(3, None, run_dir, state_dir, user=second, says=[run_dir])
            os.mkdir(run_dir, 0o755)
            divvyd_fails(3, "S03", run_dir, state_dir, user=second, says=[run_dir])
            os.chown(run_dir, second, second)
            os.chmod(run_dir, 0o700)
            divvyd_fails(3, "S03", run_dir, state_dir, user=second, says=[state_dir])
    finally:
        shutil.rmtree(top)


def broken_lease():
    """What could not be undone takes nothing new, and says how to be rid of it."""
    with Node() as node:
        expect(node.take("old", memory_mib=64, compute_pct=10)[0] == 201, "a lease")
        node.stop()
        with sqlite3.connect(os.path.join(node.state_dir, "state.db")) as database:
            database.execute("UPDATE lease SET state = 'broken'")
        database.close()
        node.start()
        document = Wrong(node)(3, "S20", "run", "--name", "old", "--", "true")
        expect("divvy release old" in document["fix"], "what to do is said", document)


def fill(path):
    """Write until there is no room for one more byte."""
    with open(path, "ab", buffering=0) as f:
        for size in (4096, 512, 1):
            try:
                while True:
                    f.write(bytes(size))
            except OSError:
                pass


def full_disk():
    """Nothing is taken that cannot be written down; with room again, all goes on."""
    node = Node()
    mounted = os.geteuid() == 0 and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m,mode=700", "divvy-e2e", node.state_dir],
        stderr=subprocess.DEVNULL).returncode == 0
    if not mounted:
        print("a full disk: skipped, no file system can be mounted")
        shutil.rmtree(node.dir)
        return
    try:
        with node:
            expect(node.take("keep", memory_mib=64, compute_pct=10)[0] == 201, "there is room")
            ending = node.spawn("run", "--name", "ending", "--memory", "64MiB", "--", "cat", stdin=subprocess.PIPE,
                                stderr=subprocess.DEVNULL)
            wait_for(lambda: "cat" in commands(ending.pid))
            filler = os.path.join(node.state_dir, "filler")
            fill(filler)
            ending.communicate()
            expect(ending.returncode == 0, "a command ends as ever", ending.returncode)
            wrong = Wrong(node)
            document = wrong(1, None, "run", "--", "true")
            expect(document["code"] == "disk-full", "the disk is said to be full", document)
            wrong(1, None, "release", "keep")
            os.unlink(filler)
            wait_for(lambda: list(node.leases()) == ["keep"], 20)  # the other one's launcher is gone
            fill(filler)
            node.crash()
            node.start()
            expect(list(node.leases()) == ["keep"], "what stood stands, even after a start without room")
            os.unlink(filler)
            expect(node.divvy("run", "--memory", "64MiB", "--", "true").status == 0, "there is room again")
            expect(node.divvy("release", "keep").status == 0, "also to give back")
            expect(node.json("leases")["leases"] == [], "nothing is left")
    finally:
        node.stop()
        subprocess.run(["umount", node.state_dir], check=True)
        shutil.rmtree(node.dir, ignore_errors=True)


need_opencl()
other, why_none = other_user()
with Node() as a_node:
    expect(a_node.take("keep", memory_mib=64, compute_pct=10)[0] == 201, "a lease to be kept")
    a_wrong = Wrong(a_node)
    fleets(a_wrong, a_node)
    runs(a_wrong, a_node)
    usage(a_wrong, a_node)
    sockets(a_wrong, a_node, other)
    state_files(a_node)
places(other)
broken_lease()
full_disk()
print("\n".join(shown))
print(f"bad input: all held in {len(shown)} cases")
