#!/usr/bin/env python3
"""Sessions as they are used: mounted, written into by real programs, committed while they are mounted, by two at once,
and with the daemon killed in the middle of it."""

import json
import mmap
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__))))
from harness import Sandbox, differences, done, enter, equal, ok, says, snapshot  # noqa: E402

# What a mount makes for its host, and what is not committed.
OWN = ("lib/ld.so", "Homebrew", "bin/brew", "var/homebrew/locks", "var/pipe")


def write(path, data, mode=None):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data if isinstance(data, bytes) else data.encode())
    if mode is not None:
        os.chmod(path, mode)


def receipt(prefix, name, version, when=5):
    write(f"{prefix}/Cellar/{name}/{version}/INSTALL_RECEIPT.json", json.dumps(
        {"homebrew_version": "6.0.18", "changed_files": ["bin/x"], "time": when, "aliases": [],
         "runtime_dependencies": [], "source": {"spec": "stable", "tap": "homebrew/core"}}))


def make_store(sandbox):
    prefix = sandbox.path("image")
    receipt(prefix, "foo", "1.0")
    write(f"{prefix}/Cellar/foo/1.0/bin/foo", "#!/bin/sh\n", 0o755)
    write(f"{prefix}/Cellar/foo/1.0/lib/big.so", os.urandom(300000), 0o644)
    for i in range(200):
        write(f"{prefix}/share/doc/{i // 20}/{i}", f"text {i}\n" * (i + 1))
    os.makedirs(f"{prefix}/lib")
    os.makedirs(f"{prefix}/bin")
    os.symlink("../Cellar/foo/1.0/bin/foo", f"{prefix}/bin/foo")
    sandbox.must("import", prefix)


def mount(sandbox, name):
    point = sandbox.path(f"mnt-{name}")
    os.makedirs(point, exist_ok=True)
    sandbox.mount(point, "-o", f"rw,session={name}")
    return point


def expect_same(sandbox, point, what):
    """The generation, in a mount of its own, is what the session has."""
    with sandbox.look() as view:
        theirs = snapshot(view.root, OWN)
    ours = snapshot(point, OWN)
    for directory in ("lib", "etc/ld.so.conf.d"):  # a mount makes names in them
        if directory in ours and directory in theirs:
            ours[directory][1] = theirs[directory][1]
    ok(ours == theirs, what, differences(ours, theirs))


# --- one session ---

def change(point):
    """What programs do to a prefix."""
    shutil.copytree(f"{point}/Cellar/foo/1.0", f"{point}/Cellar/foo/1.1", symlinks=True)
    write(f"{point}/Cellar/foo/1.1/INSTALL_RECEIPT.json",
          json.dumps({"time": 9, "runtime_dependencies": [], "aliases": [], "source": {"spec": "stable"}}))
    os.rename(f"{point}/share/doc/1", f"{point}/share/moved")
    os.rename(f"{point}/share/doc/2/40", f"{point}/share/forty")
    os.link(f"{point}/share/doc/3/60", f"{point}/share/sixty")
    shutil.rmtree(f"{point}/share/doc/4")
    with open(f"{point}/share/doc/5/100", "r+b") as file:
        file.truncate(5)
    with open(f"{point}/share/doc/6/120", "r+b") as file, mmap.mmap(file.fileno(), 0) as view:
        view[0:4] = b"mmap"  # written back by the commit's syncfs
    with open(f"{point}/share/doc/6/121", "ab") as file:
        file.write(b"appended")
    os.chmod(f"{point}/Cellar/foo/1.0/lib/big.so", 0o755)
    os.symlink("share/forty", f"{point}/link")
    with open(f"{point}/sparse", "wb") as file:
        file.seek(200000)
        file.write(b"end")
    for i in range(50):
        write(f"{point}/many/{i % 5}/{i}", f"small {i % 10}")
    os.utime(f"{point}/many/0/0", ns=(10**18, 10**18 + 7))
    write(f"{point}/Homebrew/brew.rb", "ruby")
    os.mkfifo(f"{point}/var/pipe") if os.path.isdir(f"{point}/var") else None


def test_session(sandbox):
    point = mount(sandbox, "one")
    change(point)
    counts = sandbox.json("session", "status", "one")
    result = sandbox.run("session", "diff", "one")
    lines = result.stdout.splitlines()
    ok({"A Cellar/foo/1.1/", "M share/doc/6/120", "D share/doc/4/80", "A share/sixty", "M Cellar/foo/1.0/lib/big.so",
        "D share/doc/1/", "A share/moved/"} <= set(lines), "what was changed is listed", result.stdout)
    equal([sum(line[0] == letter for line in lines) for letter in "ADM"],
          [counts["added"], counts["removed"], counts["modified"]], "and counted")
    ok(not any("Homebrew" in line for line in lines), "but for what is ignored")
    result = sandbox.run("session", "commit", "-m", "much", "one")
    ok(result.returncode == 0 and "as generation 2" in result.stdout, "a mounted session is committed", says(result))
    expect_same(sandbox, point, "the generation is what the session has")
    equal(sandbox.run("session", "diff", "one").stdout, "", "there are no changes left")
    ok("much" in sandbox.run("log").stdout, "the message is in the log")
    equal(sandbox.run("list", "--versions").stdout, "foo 1.0 1.1\n", "the new keg is listed")
    result = sandbox.run("session", "commit", "one")
    ok(result.returncode == 0 and "Nothing to commit" in result.stdout, "nothing is not committed", says(result))
    result = sandbox.run("session", "discard", "one")
    ok(result.returncode == 1 and f"mounted at {point}" in result.stderr, "a mounted one is not discarded",
       says(result))
    shutil.rmtree(f"{point}/Cellar/foo/1.0")
    os.rename(f"{point}/share/moved", f"{point}/share/doc/1")
    sandbox.must("session", "commit", "one")
    expect_same(sandbox, point, "a second commit as well")
    equal(sandbox.run("list", "--versions").stdout, "foo 1.1\n", "a keg that went is not listed")
    sandbox.umount(point)
    equal([info["name"] for info in sandbox.json("session", "list")], ["one"], "it stays when it is unmounted")
    ok(sandbox.run("fsck").returncode == 0, "the store is whole")
    sandbox.must("session", "discard", "one")
    equal(sandbox.json("session", "list"), [], "until it is discarded")


# --- written into meanwhile ---

def test_writers(sandbox):
    point = mount(sandbox, "busy")
    stop, failures = threading.Event(), []

    def work(number):
        try:
            for i in range(10**6):
                if stop.is_set():
                    return
                write(f"{point}/busy/{number}/{i % 30}", os.urandom(1000 + i))
                if i % 3 == 0:
                    os.rename(f"{point}/busy/{number}/{i % 30}", f"{point}/busy/{number}/renamed{i % 7}")
        except OSError as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    results = [sandbox.run("session", "commit", "busy") for _ in range(4) if not time.sleep(0.1)]
    stop.set()
    for thread in threads:
        thread.join()
    ok(all(result.returncode == 0 for result in results), "commits go on while others write",
       "\n".join(says(result) for result in results))
    equal(failures, [], "who write do not notice")
    sandbox.must("session", "commit", "busy")
    expect_same(sandbox, point, "in the end all of it is committed")
    shutil.rmtree(f"{point}/busy")
    sandbox.must("session", "commit", "busy")
    sandbox.umount(point)
    sandbox.must("session", "discard", "busy")


# --- killed ---

def daemon_of(sandbox, point):
    for found in sandbox.json("status", point)["mounts"]:
        if found["mountpoint"] == point:
            return found["daemon"]["pid"]
    raise RuntimeError("no daemon")


def test_kills(sandbox):
    wrong, came_through = [], 0
    for round_number in range(8):
        point = mount(sandbox, "killed")
        for i in range(60):
            write(f"{point}/killed/{i}", f"{round_number} {i}" * 50)
        os.rename(f"{point}/killed/0", f"{point}/killed/renamed{round_number}")
        os.sync()
        before, number = snapshot(point, OWN), sandbox.generation()
        pid = daemon_of(sandbox, point)
        commit = subprocess.Popen(["brewfs", "session", "commit", "killed"], executable=os.environ.get("BREWFS"),
                                  env=sandbox.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(0.02 * round_number)
        os.kill(pid, signal.SIGKILL)
        commit.wait(60)
        came_through += sandbox.generation() > number
        subprocess.run(["umount", "-l", point], stderr=subprocess.DEVNULL)
        point = mount(sandbox, "killed")
        after = snapshot(point, OWN)
        if after != before:
            wrong.append(f"round {round_number}: {differences(before, after)}")
        sandbox.umount(point)
    ok(not wrong, "after the daemon was killed in a commit the session is as it was", "\n".join(wrong))
    point = mount(sandbox, "killed")
    write(f"{point}/killed/last", "last")
    result = sandbox.run("session", "commit", "killed")
    ok(result.returncode == 0, f"it is committed at last ({came_through} of 8 were before)", says(result))
    expect_same(sandbox, point, "as it is")
    ok(sandbox.run("fsck").returncode == 0, "the store is whole")
    shutil.rmtree(f"{point}/killed")
    sandbox.must("session", "commit", "killed")
    sandbox.umount(point)
    sandbox.must("session", "discard", "killed")


# --- two ---

def test_two(sandbox):
    points = {name: mount(sandbox, name) for name in ("left", "right")}
    number, codes = sandbox.generation(), {"left": [], "right": []}

    def work(name):
        for i in range(5):
            write(f"{points[name]}/two/{name}{i}", name * 100)
            codes[name].append(sandbox.run("session", "commit", name).returncode)

    threads = [threading.Thread(target=work, args=(name,)) for name in points]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    equal(codes, {"left": [0] * 5, "right": [0] * 5}, "two sessions commit at once")
    equal(sandbox.generation(), number + 10, "each commit is a generation")
    with sandbox.look() as view:
        equal(sorted(os.listdir(view.path("two"))), sorted(f"{name}{i}" for name in points for i in range(5)),
              "nothing is lost")

    write(f"{points['left']}/share/doc/7/140", "left")
    write(f"{points['right']}/share/doc/7/140", "right")
    sandbox.must("session", "commit", "left")
    result = sandbox.run("session", "commit", "right")
    ok(result.returncode == 1 and "share/doc/7/140: here modified; in the store modified" in result.stderr,
       "of the same file only one is committed, the other is told", says(result))
    result = sandbox.run("session", "commit", "--json", "right")
    equal(json.loads(result.stdout)["conflicts"],
          [{"path": "share/doc/7/140", "ours": "modified", "theirs": "modified"}], "in JSON as well")
    for name in points:
        sandbox.umount(points[name])
    result = sandbox.run("session", "update", "right")
    ok(result.returncode == 1 and "share/doc/7/140" in result.stderr, "an update meets the same conflict", says(result))
    sandbox.must("session", "update", "--ours", "right")
    equal(sandbox.run("session", "diff", "right").stdout, "M share/doc/7/140\n", "decided, it is a change as any other")
    result = sandbox.run("session", "commit", "right")
    ok(result.returncode == 0, "and is committed", says(result))
    point = mount(sandbox, "right")
    ok(os.path.exists(f"{point}/two/left4"), "the session has what the other did")
    expect_same(sandbox, point, "it is what the store has")
    sandbox.umount(point)
    sandbox.must("session", "discard", "left")
    sandbox.must("session", "discard", "right")


# --- random ---

class Play:
    """Random changes of a tree, by a seed."""

    def __init__(self, point, seed):
        self.point, self.random = point, random.Random(seed)

    def path(self):
        return os.path.join(self.point, "play", *(self.random.choice("abcd") for _ in range(self.random.randint(1, 4))))

    def step(self):
        verb, path, other = self.random.choice("wwwwmrrvvvllsdt"), self.path(), self.path()
        if verb == "w":
            write(path, os.urandom(self.random.choice((0, 10, 5000, 70000))))
        elif verb == "m":
            os.chmod(path, self.random.choice((0o644, 0o755, 0o600)))
        elif verb == "r":
            shutil.rmtree(path) if os.path.isdir(path) and not os.path.islink(path) else os.unlink(path)
        elif verb == "v":
            os.rename(path, other)
        elif verb == "l":
            os.link(path, other, follow_symlinks=False)
        elif verb == "s":
            os.symlink(self.random.choice("abcd"), path)
        elif verb == "d":
            os.makedirs(path)
        else:
            os.truncate(path, self.random.randint(0, 6000))

    def run(self, steps):
        for _ in range(steps):
            try:
                self.step()
            except OSError:
                pass


def test_random(sandbox):
    point = mount(sandbox, "play")
    os.makedirs(f"{point}/play")
    wrong = []
    for seed in range(6):
        Play(point, seed).run(100)
        sandbox.must("session", "commit", "play")
        with sandbox.look() as view:
            ours, theirs = snapshot(point, OWN), snapshot(view.root, OWN)
        if ours != theirs:
            wrong.append(f"seed {seed}: {differences(ours, theirs)}")
    ok(not wrong, "after random changes each generation is what the session has", "\n".join(wrong))
    sandbox.umount(point)
    ok(sandbox.run("fsck").returncode == 0, "the store is whole")
    sandbox.must("session", "discard", "play")


def test_words(sandbox):
    for words in (["session"], ["session", "what"], ["session", "diff", "--ours"], ["session", "list", "-m", "x"],
                  ["session", "commit", "--ours", "--theirs"], ["session", "commit", "a", "b"]):
        equal(sandbox.run(*words).returncode, 2, f"{' '.join(words)} makes no sense")
    for words in (["commit"], ["diff", "none"], ["status"], ["discard", "none"], ["update"], ["commit", "../x"]):
        result = sandbox.run("session", *words)
        ok(result.returncode == 1 and result.stderr.startswith("Error: "), f"session {' '.join(words)}: there is none",
           says(result))


def main():
    enter()
    sandbox = Sandbox()
    make_store(sandbox)
    test_words(sandbox)
    test_session(sandbox)
    test_writers(sandbox)
    test_kills(sandbox)
    test_two(sandbox)
    test_random(sandbox)
    done()


main()
