#!/usr/bin/env python3
"""A prefix that lies in a directory, or a keg of one, becomes part of a store: as it is, once, and not where it
would not work."""

import json
import os
import socket
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__))))
from harness import BREWFS, PREFIX, differences, done, enter, equal, ok, says, snapshot  # noqa: E402


def write(path, data, mode=0o644):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data if isinstance(data, bytes) else data.encode())
    os.chmod(path, mode)


def receipt(prefix, name, version, when=5):
    write(f"{prefix}/Cellar/{name}/{version}/INSTALL_RECEIPT.json", json.dumps(
        {"homebrew_version": "6.0.18", "changed_files": ["bin/x"], "time": when, "aliases": [f"{name}-alias"],
         "runtime_dependencies": [], "source": {"spec": "stable", "tap": "homebrew/core"}}))


def make_prefix(prefix):
    """What brew leaves: kegs, links, its own repository; and things that are no part of a prefix."""
    receipt(prefix, "foo", "1.0")
    receipt(prefix, "bar", "2.0_1")
    write(f"{prefix}/Cellar/foo/1.0/bin/foo", "#!/bin/sh\necho foo\n", 0o755)
    write(f"{prefix}/Cellar/foo/1.0/lib/big.so", os.urandom(200000), 0o555)
    os.link(f"{prefix}/Cellar/foo/1.0/bin/foo", f"{prefix}/Cellar/foo/1.0/bin/foo-1")
    write(f"{prefix}/Cellar/bar/2.0_1/share/empty", "")
    write(f"{prefix}/Cellar/bar/2.0_1/share/same", "#!/bin/sh\necho foo\n")
    write(f"{prefix}/etc/setuid", "x", 0o4755)
    for name, version in (("foo", "1.0"), ("bar", "2.0_1")):
        os.makedirs(f"{prefix}/opt", exist_ok=True)
        os.makedirs(f"{prefix}/var/homebrew/linked", exist_ok=True)
        os.symlink(f"../Cellar/{name}/{version}", f"{prefix}/opt/{name}")
        os.symlink(f"../../../Cellar/{name}/{version}", f"{prefix}/var/homebrew/linked/{name}")
    os.makedirs(f"{prefix}/bin", exist_ok=True)
    os.symlink("../Cellar/foo/1.0/bin/foo", f"{prefix}/bin/foo")
    os.symlink("/etc/passwd", f"{prefix}/etc/outside")
    os.symlink("nowhere", f"{prefix}/etc/dangling")
    os.chmod(f"{prefix}/etc", 0o2775)
    write(f"{prefix}/Homebrew/bin/brew", "ruby")
    os.symlink("../Homebrew/bin/brew", f"{prefix}/bin/brew")
    write(f"{prefix}/var/homebrew/locks/foo.lock", "")
    os.mkfifo(f"{prefix}/var/fifo")
    # sun_path is short: bind by a relative name.
    here = os.getcwd()
    os.chdir(f"{prefix}/var")
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind("sock")
    os.chdir(here)
    for root, directories, files in os.walk(prefix, topdown=False):
        for name in files + directories:
            os.utime(os.path.join(root, name), ns=(10**18, 10**18 + 123456789), follow_symlinks=False)
    os.utime(prefix, ns=(10**18, 10**18 + 123456789))


LEFT_OUT = ("Homebrew", "bin/brew", "var/homebrew/locks", "var/fifo", "var/sock")


class Trial:
    def __init__(self, work):
        self.work = work
        self.environment = dict(os.environ, BREWFS_STORE=f"{work}/store", BREWFS_CACHE=f"{work}/cache",
                                BREWFS_SESSIONS=f"{work}/sessions", TZ="UTC", LC_ALL="C.UTF-8")

    def run(self, *words, store=None):
        environment = dict(self.environment, BREWFS_STORE=store or self.environment["BREWFS_STORE"])
        return subprocess.run([BREWFS, *words], env=environment, capture_output=True, text=True, errors="replace")

    def mounted(self, store=None):
        """The snapshot of what the store has, as it is seen in a mount."""
        point = tempfile.mkdtemp(dir=self.work)
        store = store or self.environment["BREWFS_STORE"]
        result = self.run("mount", store, point)
        if result.returncode:
            raise RuntimeError(says(result))
        try:
            return snapshot(point, LEFT_OUT + ("lib/ld.so",))
        finally:
            self.run("umount", point)


def test_prefix(trial, image):
    wanted = snapshot(image, LEFT_OUT)
    result = trial.run("import", image)
    ok(result.returncode == 0 and "Imported as generation 1" in result.stdout, "a prefix is imported", says(result))
    ok("var/fifo is a fifo" in result.stderr and "var/sock is a socket" in result.stderr,
       "what can be no part of it is named", says(result))
    got = trial.mounted()
    got.pop("lib", None)  # the mount's own, for lib/ld.so
    ok(got == wanted, "names, types, permissions, times, bytes, links and hardlinks are kept",
       differences(wanted, got))
    result = trial.run("list", "--versions")
    equal(result.stdout, "bar 2.0_1\nfoo 1.0\n", "its formulae are listed")
    result = trial.run("info", "foo")
    ok(result.returncode == 0, "they have their receipts", says(result))
    result = trial.run("fsck")
    ok(result.returncode == 0, "the store is whole", says(result))
    result = trial.run("import", image)
    ok(result.returncode == 0 and "has all of it already" in result.stdout, "a second time there is nothing to do",
       says(result))
    equal(snapshot(image, LEFT_OUT), wanted, "the directory is as it was")


def test_conflicts(trial, image):
    write(f"{image}/Cellar/foo/1.0/bin/other", "new", 0o755)
    write(f"{image}/Cellar/bar/2.0_1/share/same", "changed")
    os.chmod(f"{image}/etc", 0o755)
    result = trial.run("import", image)
    ok(result.returncode == 1 and "Cellar/bar/2.0_1/share/same" in result.stderr and "Nothing was changed"
       in result.stdout + result.stderr, "other content is refused, and named", says(result))
    result = trial.run("import", "--json", image)
    document = json.loads(result.stdout)
    equal(document["conflicts"], ["Cellar/bar/2.0_1/share/same"], "in JSON as well")
    equal(len(json.loads(trial.run("log", "--json").stdout)), 1, "nothing was published")
    result = trial.run("import", "--theirs", "-m", "with theirs", image)
    ok(result.returncode == 0, "the store's may stay", says(result))
    got = trial.mounted()
    ok(got["Cellar/bar/2.0_1/share/same"][2] == b"#!/bin/sh\necho foo\n" and "Cellar/foo/1.0/bin/other" in got,
       "and all else is imported")
    equal(got["etc"][0], oct(0o42775), "a directory keeps the permissions it has in the store")
    ok("with theirs" in trial.run("log").stdout, "the message is in the log")
    result = trial.run("import", "--ours", "--json", image)
    equal(json.loads(result.stdout)["generation"], 3, "or the imported is taken")
    equal(trial.mounted()["Cellar/bar/2.0_1/share/same"][2], b"changed", "it is")
    result = trial.run("import", "--ours", "--theirs", image)
    equal(result.returncode, 2, "not both")


def test_keg(trial, image):
    store = f"{trial.work}/kegs"
    result = trial.run("import", "--json", f"{image}/Cellar/foo/1.0", store=store)
    document = json.loads(result.stdout)
    ok(result.returncode == 0 and document["keg"] == "Cellar/foo/1.0", "a keg is imported", says(result))
    got = trial.mounted(store)
    ok("Cellar/foo/1.0/bin/foo-1" in got and "Cellar/bar" not in got and "bin/foo" not in got,
       "it and nothing else", sorted(got))
    equal(got["opt/foo"][2], "../Cellar/foo/1.0", "but for its link in opt")
    wanted = {path: what for path, what in snapshot(image, LEFT_OUT).items() if path.startswith("Cellar/foo/1.0/")}
    got = {path: what for path, what in got.items() if path.startswith("Cellar/foo/1.0/")}
    ok(got == wanted, "all of it is kept", differences(wanted, got))
    equal(trial.run("list", "--versions", store=store).stdout, "foo 1.0\n", "it is listed")
    result = trial.run("import", f"{image}/Cellar/bar/2.0_1", store=store)
    ok(result.returncode == 0, "another one goes beside it", says(result))
    equal(trial.run("list", "--versions", store=store).stdout, "bar 2.0_1\nfoo 1.0\n", "both are there")
    ok(trial.run("fsck", store=store).returncode == 0, "the store is whole")


def test_places(trial):
    """A prefix that was made for where it lies, and is not where the store's is."""
    other = f"{trial.work}/opt/prefix"
    receipt(other, "foo", "1.0")
    write(f"{other}/Cellar/foo/1.0/bin/foo", f"#!{other}/opt/perl/bin/perl\n", 0o755)
    store = f"{trial.work}/other"
    result = trial.run("import", other, store=store)
    ok(result.returncode == 1 and f"it was made for {other}" in result.stderr and "bin/foo" in result.stderr,
       "a prefix that was made for another place is refused", says(result))
    write(f"{other}/Cellar/foo/1.0/bin/foo", b"\0" * 300000 + f"{other}/lib/x".encode(), 0o755)
    equal(trial.run("import", f"{other}/Cellar/foo/1.0", store=store).returncode, 1, "so is a keg of it")
    write(f"{other}/Cellar/foo/1.0/bin/foo", f"#!{PREFIX}/opt/perl/bin/perl\n{other}x", 0o755)
    result = trial.run("import", other, store=store)
    ok(result.returncode == 0, "one that was made for the store's prefix may lie anywhere", says(result))
    result = trial.run("import", trial.work, store=store)
    ok(result.returncode == 1 and "neither a prefix" in result.stderr, "any directory is none", says(result))
    equal(trial.run("import", f"{trial.work}/missing").returncode, 1, "nor is one that is not there")


def test_rules(trial, image):
    write(f"{image}/.brewfsignore", "*.so\n!Homebrew/\n")
    store = f"{trial.work}/rules"
    result = trial.run("import", image, store=store)
    ok(result.returncode == 0, "a prefix with rules of its own", says(result))
    point = tempfile.mkdtemp(dir=trial.work)
    trial.run("mount", store, point)
    ok(not os.path.exists(f"{point}/Cellar/foo/1.0/lib/big.so") and os.path.exists(f"{point}/Homebrew/bin/brew")
       and os.path.lexists(f"{point}/bin/brew"), "is imported by them")
    trial.run("umount", point)


def main():
    enter()
    with tempfile.TemporaryDirectory(prefix="brewfs-import.") as work:
        work = os.path.realpath(work)
        trial = Trial(work)
        image = f"{work}/image{PREFIX}"
        make_prefix(image)
        test_prefix(trial, image)
        test_conflicts(trial, image)
        test_keg(trial, image)
        test_places(trial)
        test_rules(trial, image)
    done()


main()
