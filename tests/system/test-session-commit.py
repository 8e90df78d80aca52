#!/usr/bin/env python3
"""Commits: a generation is its session's tree; of two sessions that commit at once both changes are in, or one is told
of a conflict; a commit that is killed leaves store and session as they were or is done.

BREWFS_TEST_ROUNDS and BREWFS_TEST_POINTS make it longer, BREWFS_TEST_SEED repeats a run.
"""

import contextlib
import json
import os
import random
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import BREWFS, Sandbox, done, enter, equal, ok, says, skip
from subjects import MKTREE, Session

ROUNDS = int(os.environ.get("BREWFS_TEST_ROUNDS", "4"))
POINTS = int(os.environ.get("BREWFS_TEST_POINTS", "8"))
REF = "x86_64_linux"
# Where a commit changes something that lasts.
CALLS = "rename,renameat,renameat2,link,linkat,unlink,unlinkat,fsync,fdatasync,copy_file_range,sendfile,pwrite64,ftruncate,mkdir,mkdirat"
TREE = [("dir", "bin", 0o755), ("dir", "etc", 0o755), ("dir", "share", 0o755)] + \
    [("text", f"share/file{i}", 0o644, f"text {i}") for i in range(30)] + \
    [("fill", f"share/big{i}", 0o644, 150000, i) for i in range(4)] + \
    [("text", f"bin/tool{i}", 0o755, f"#!/bin/sh\necho {i}\n") for i in range(5)] + \
    [("link", "share/link", "file1"), ("hard", "share/hard", "share/file2"), ("text", "etc/conf", 0o644, "a=1\n"),
     ("dir", "share/deep", 0o755), ("text", "share/deep/file", 0o644, "deep"), ("dir", "etc/empty", 0o755)]

enter()
os.umask(0o022)
sandbox = Sandbox()
seed = int(os.environ.get("BREWFS_TEST_SEED", "0")) or random.randrange(1 << 30)
rng = random.Random(seed)
print(f"# BREWFS_TEST_SEED={seed}")


class Shared(Session):
    """Sessions of one ref, which the first of them publishes."""

    def prepare(self):
        self.session, self.ref = os.path.basename(self.place), REF
        self.root = os.path.join(self.place, "root")
        os.mkdir(self.root)
        if not os.path.exists(os.path.join(self.sandbox.store, "refs", REF)):
            publish_tree(self.tree)
        self.mount()

    def path(self, name):
        return os.path.join(self.root, name)

    def write(self, name, text):
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)

    def text(self, name):
        with open(self.path(name), encoding="utf-8") as file:
            return file.read()

    def commit(self, *options):
        return self.sandbox.run("session", "commit", self.session, *options)

    def commit_at_once(self, *options):
        return subprocess.Popen([BREWFS, "session", "commit", self.session, *options], env=self.sandbox.environment,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def publish_tree(tree):
    from subjects import script
    publish(script(tree))


def publish(lines):
    """What somebody else publishes, by a script of mktree."""
    subprocess.run([MKTREE, sandbox.store, REF], input=lines, text=True, check=True, stdout=subprocess.DEVNULL)


def facts(root):
    """What a generation keeps of a tree."""
    found, first = {}, {}
    for top, directories, files in os.walk(root):
        directories.sort()
        for name in sorted(directories + files):
            path = os.path.join(top, name)
            short = os.path.relpath(path, root)
            st = os.lstat(path)
            kind = stat.S_IFMT(st.st_mode)
            if kind == stat.S_IFDIR:
                found[short] = stat.filemode(st.st_mode)
            elif kind == stat.S_IFLNK:
                found[short] = os.readlink(path)
            elif kind == stat.S_IFREG:
                with open(path, "rb") as file:
                    found[short] = (stat.filemode(st.st_mode), st.st_mtime_ns, st.st_nlink,
                                    first.setdefault(st.st_ino, short), file.read())
    return found


def generation():
    with sandbox.look() as view:
        return facts(view.root)


def differences(expected, found):
    return "\n".join(f"{path}: {str(found.get(path))[:300]}, not {str(expected.get(path))[:300]}"
                     for path in sorted(set(expected) | set(found)) if expected.get(path) != found.get(path))


def same(expected, found, name):
    return ok(expected == found, name, differences(expected, found))


def sound(name):
    result = sandbox.run("fsck")
    return ok(result.returncode == 0, name, says(result))


@contextlib.contextmanager
def sessions(count, label):
    """Sessions of the present generation."""
    opened = [Shared(sandbox, TREE, f"{label}-{i}") for i in range(count)]
    try:
        yield opened
    finally:
        for session in opened:
            session.discard()


# --- one session ---

def everything(session):
    """A change of each sort."""
    session.write("share/file0", "changed")
    session.write("new/deep/file", "new")
    session.write("share/big0", "no longer big")
    with open(session.path("share/big1"), "r+b") as file:
        file.seek(70000)
        file.write(b"in the middle")
    with open(session.path("share/new-big"), "wb") as file:
        file.write(rng.randbytes(300000))
    os.unlink(session.path("share/file3"))
    os.rename(session.path("share/deep"), session.path("share/moved"))
    os.rename(session.path("share/file4"), session.path("bin/file4"))
    os.link(session.path("share/file5"), session.path("bin/file5"))
    os.unlink(session.path("share/link"))
    os.symlink("file6", session.path("share/link"))
    os.symlink("../share", session.path("bin/share"))
    os.chmod(session.path("share/file7"), 0o600)
    os.chmod(session.path("etc/empty"), 0o700)
    os.unlink(session.path("share/file8"))
    os.mkdir(session.path("share/file8"))
    session.write("share/file8/inner", "file in a directory in the place of a file")
    shutil.copy2(session.path("share/big2"), session.path("bin/copy"))
    os.utime(session.path("bin/copy"), ns=(1, 123456789123456789))
    session.write("share/empty", "")
    session.write("share/hard", "both names")


def one_session():
    with sessions(1, "one") as (session,):
        before = sandbox.generation()
        result = session.commit()
        ok(result.returncode == 0 and sandbox.generation() == before, "where nothing was changed nothing is published",
           says(result))
        everything(session)
        mounted = facts(session.root)
        result = session.commit("-m", "what was done")
        ok(result.returncode == 0, "a commit while the session is mounted", says(result))
        equal(sandbox.generation(), before + 1, "makes one generation")
        same(mounted, generation(), "which is the session's tree")
        same(mounted, facts(session.root), "that the commit leaves as it was")
        session.remount()
        same(mounted, facts(session.root), "also at the next mount")
        ok("what was done" in sandbox.run("log").stdout, "the message is in the log")
        result = session.commit()
        ok(result.returncode == 0 and sandbox.generation() == before + 1, "a second commit finds nothing to do",
           says(result))
        session.write("share/file0", "changed again")
        shutil.rmtree(session.path("share/moved"))
        os.rename(session.path("bin/file4"), session.path("share/file4"))
        mounted = facts(session.root)
        session.umount()
        result = session.commit()
        ok(result.returncode == 0, "a commit while it is not mounted", says(result))
        same(mounted, generation(), "is the session's tree")
        session.mount()
        same(mounted, facts(session.root), "and the session goes on")
        if not sound("the store is sound"):
            return
    result = sandbox.run("session", "list", "--json")
    equal(json.loads(result.stdout), [], "a discarded session is not listed")


# --- two sessions, one after the other ---

def merges():
    with sessions(2, "merge") as (one, two):
        one.write("share/file10", "one")
        one.write("new/one", "one")
        os.unlink(one.path("share/file11"))
        two.write("share/file12", "two")
        two.write("new/two", "two")
        os.rename(two.path("share/file13"), two.path("share/renamed13"))
        for session in one, two:
            session.write("share/same", "the same")
            os.chmod(session.path("share/file14"), 0o600)
        equal(one.commit().returncode, 0, "the first of two sessions commits")
        result = two.commit()
        ok(result.returncode == 0, "the second, which began with the same generation, as well", says(result))
        found = generation()
        equal([found.get("share/file10", [0])[-1], found.get("new/one", [0])[-1], found.get("share/file12", [0])[-1],
               found.get("new/two", [0])[-1], found.get("share/same", [0])[-1]],
              [b"one", b"one", b"two", b"two", b"the same"], "both changes are in")
        equal(["share/file11" in found, "share/file13" in found, "share/renamed13" in found], [False, False, True],
              "what was removed and renamed is")
        equal(found["share/file14"][0], "-rw-------", "and what both did in the same way")


def conflicts():
    """Both changed one file: the second is told, may look, and then has its way or not."""
    for how, wins in (("--ours", "two"), ("--theirs", "one")):
        with sessions(2, "conflict" + how.strip("-")) as (one, two):
            for session, text in (one, "one"), (two, "two"):
                session.write("share/file15", text + how)
                session.write(f"share/only-{text}{how}", text)
            os.unlink(one.path("share/file16" if how == "--ours" else "share/file17"))
            two.write("share/file16" if how == "--ours" else "share/file17", "two")
            equal(one.commit().returncode, 0, f"{how}: the first session commits")
            before, mounted, number = generation(), facts(two.root), sandbox.generation()
            result = two.commit()
            ok(result.returncode == 1 and "share/file15" in result.stdout + result.stderr, f"{how}: the second is told of "
               "the conflict", says(result))
            ok(sandbox.generation() == number and generation() == before, f"{how}: the store is as it was")
            same(mounted, facts(two.root), f"{how}: and so is the session")
            result = two.commit(how)
            ok(result.returncode == 0, f"{how}: it commits all the same", says(result))
            found = generation()
            equal(found["share/file15"][-1], (wins + how).encode(), f"{how}: the file is that of the side")
            equal([found[f"share/only-{text}{how}"][-1] for text in ("one", "two")], [b"one", b"two"],
                  f"{how}: what was no conflict is in from both")
            removed = "share/file16" if how == "--ours" else "share/file17"
            equal(removed in found, how == "--ours", f"{how}: removed by the one and changed by the other")


# --- at once ---

def at_once():
    """Several sessions commit at the same time, again and again: nothing that a commit said it did is lost."""
    lost, refused = [], 0
    with sessions(3, "once") as opened:
        expected = {}
        for round_ in range(ROUNDS):
            for i, session in enumerate(opened):
                session.write(f"once/{i}/file{round_}", f"{i} in {round_}")
                session.write(f"once/{i}/counter", f"{round_}")
                if round_ % 2:
                    session.write("once/shared", f"{i} in {round_}")
            commits = [session.commit_at_once() for session in opened]
            results = [(commit.communicate(timeout=120), commit.returncode) for commit in commits]
            for i, ((_, error), status) in enumerate(results):
                if status == 0:
                    expected[f"once/{i}/file{round_}"] = f"{i} in {round_}".encode()
                    expected[f"once/{i}/counter"] = f"{round_}".encode()
                elif status == 1 and "once/shared" in error:
                    refused += 1
                else:
                    lost.append(f"round {round_}, session {i}: exit status {status}\n{error}")
            if round_ % 2:
                winners = [i for i, (_, status) in enumerate(results) if status == 0]
                for i, session in enumerate(opened):
                    # Who lost takes what the others did.
                    if i not in winners:
                        result = session.commit("--theirs")
                        if result.returncode != 0:
                            lost.append(f"round {round_}, session {i}, --theirs: {says(result)}")
                        expected[f"once/{i}/file{round_}"] = f"{i} in {round_}".encode()
                        expected[f"once/{i}/counter"] = f"{round_}".encode()
                if round_ == 1 and len(winners) != 1:
                    lost.append(f"round {round_}: the same new file was committed with other text by {len(winners)}")
            found = generation()
            lost += [f"round {round_}: {path} is {found.get(path, ['missing'])[-1]!r}, not {text!r}"
                     for path, text in expected.items() if found.get(path, [None])[-1] != text]
    ok(not lost, f"{ROUNDS} times three sessions commit at once: each change is in, or its session is told of a conflict",
       "\n".join(lost[:20]))
    ok(refused > 0, "and some were told", f"{refused}")


def another_publisher():
    """Somebody publishes without a session between the beginning and the commit."""
    with sessions(1, "other") as (session,):
        session.write("share/file20", "session")
        publish("text share/file21 644 published\nrm share/file22\nlink bin/published ../share/file21\n")
        result = session.commit()
        ok(result.returncode == 0, "a commit after another published", says(result))
        found = generation()
        equal([found["share/file20"][-1], found["share/file21"][-1], "share/file22" in found, found["bin/published"]],
              [b"session", b"published", False, "../share/file21"], "has both")


# --- killed ---

def committed_or_not(session, before, mounted, wrong, when):
    """After a kill: the store has the old tree or the new one, the session is whole, and the next commit completes."""
    check = sandbox.run("fsck")
    if check.returncode != 0:
        wrong.append(f"{when}: fsck says\n{check.stdout}{check.stderr}")
    found = generation()
    if found not in (before, mounted):
        wrong.append(f"{when}: the generation is neither of both: {differences(mounted, found)[:1000]}")
    status = sandbox.run("session", "status", session.session)
    if status.returncode != 0:
        wrong.append(f"{when}: session status says\n{says(status)}")
    session.mount()
    if facts(session.root) != mounted:
        wrong.append(f"{when}: the session is otherwise: {differences(mounted, facts(session.root))[:1000]}")
    session.umount()
    if found == mounted:
        return True
    return False


def complete(session, mounted, wrong, when):
    result = session.commit()
    if result.returncode != 0:
        wrong.append(f"{when}: the next commit says\n{says(result)}")
    elif generation() != mounted:
        wrong.append(f"{when}: the next commit made another tree: {differences(mounted, generation())[:1000]}")


def change(session, number):
    """Something of everything, that no commit has yet."""
    for i in range(10):
        session.write(f"killed/{i}", f"{number} " * (i * 500 + 1))
    with open(session.path("killed/big"), "wb") as file:
        file.write(rng.randbytes(200000))
    os.symlink(f"{number}", session.path(f"killed/link{number}"))
    if number:
        os.unlink(session.path(f"killed/link{number - 1}"))


def points_of(trace):
    """The calls of the first thread, in their order, with the count that strace has for each name."""
    points, counts, first = [], {}, None
    with open(trace, encoding="utf-8") as file:
        for line in file:
            pid, call = line.split("(")[0].split()[:2] if "(" in line else (None, None)
            first = first or pid
            if pid == first and call in CALLS.split(","):
                counts[call] = counts.get(call, 0) + 1
                points.append((call, counts[call]))
    return points


def killed_at_points():
    """At each of the calls that change something, counted; spread over all of them."""
    if not shutil.which("strace"):
        skip("kills at points", "strace is not installed")
        return
    wrong, killed = [], 0
    with sessions(1, "points") as (session,):
        change(session, 0)
        session.umount()
        trace = sandbox.path("trace")
        # A search for leaks, in a build with sanitizers, does not go together with strace.
        environment = dict(sandbox.environment, ASAN_OPTIONS="detect_leaks=0:" + os.environ.get("ASAN_OPTIONS", ""))
        result = subprocess.run(["strace", "-f", "-o", trace, "-e", f"trace={CALLS}", BREWFS, "session", "commit",
                                 session.session], env=environment, capture_output=True, text=True, check=False)
        points = points_of(trace)
        ok(result.returncode == 0 and len(points) > POINTS, "a commit of some files, traced",
           f"{len(points)} calls\n{says(result)}")
        for number in range(1, POINTS + 1):
            call, count = points[(number - 1) * (len(points) - 1) // max(POINTS - 1, 1)]
            before = generation()
            session.mount()
            change(session, number)
            mounted = facts(session.root)
            session.umount()
            result = subprocess.run(["strace", "-f", "-o", "/dev/null", "-e", f"trace={call}", "-e",
                                     f"inject={call}:signal=SIGKILL:when={count}", BREWFS, "session", "commit",
                                     session.session], env=environment, capture_output=True, text=True, check=False)
            killed += result.returncode in (-signal.SIGKILL, 128 + signal.SIGKILL)
            committed_or_not(session, before, mounted, wrong, f"killed at {call} {count}")
            complete(session, mounted, wrong, f"after the kill at {call} {count}")
    ok(killed > POINTS // 2, "the kills hit", f"{killed} of {POINTS}")
    ok(not wrong, f"killed at {POINTS} of the calls of a commit, store and session are as before or as after it",
       "\n".join(wrong[:20]))


def killed_at_moments():
    """At any time, of a commit that the mount's daemon makes: the daemon is killed."""
    wrong = []
    with sessions(1, "moments") as (session,):
        change(session, 0)
        begin = time.monotonic()
        session.commit()
        whole = time.monotonic() - begin
        for number in range(1, POINTS // 2 + 1):
            before = generation()
            change(session, number)
            fd = os.open(session.path("killed"), os.O_RDONLY)
            os.chmod(session.path("killed"), 0o755)
            os.fsync(fd)        # else the last half second may be lost
            os.close(fd)
            mounted = facts(session.root)
            commit = session.commit_at_once()
            time.sleep(rng.uniform(0, whole))
            os.kill(session.daemon(), signal.SIGKILL)
            commit.communicate(timeout=60)
            session.drop()
            committed_or_not(session, before, mounted, wrong, f"moment {number}")
            complete(session, mounted, wrong, f"after moment {number}")
            session.mount()
    ok(not wrong, "the daemon is killed while a mounted session is committed: all is as before or as after it",
       "\n".join(wrong[:20]))


for part in (one_session, merges, conflicts, at_once, another_publisher, killed_at_points, killed_at_moments):
    begin = time.monotonic()
    part()
    print(f"# {part.__name__}: {time.monotonic() - begin:.1f} s")
sound("the store is sound at the end")
done()
