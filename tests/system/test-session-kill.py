#!/usr/bin/env python3
"""SIGKILL of a session's daemon at any moment under load: the session mounts again, is sound, and has everything that was
fsynced; names and attributes are those of some moment not before the last sync.

BREWFS_TEST_MOMENTS=1000 kills a thousand times, BREWFS_TEST_SEED repeats a run. BREWFS_TEST_SUBJECT=directory kills only
the writers, which proves the test.
"""

import ctypes
import hashlib
import os
import random
import shutil
import signal
import stat
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import SRCDIR, Sandbox, done, enter, equal, ok
from model import Generator, Side
from subjects import KINDS, make_tree

MOMENTS = int(os.environ.get("BREWFS_TEST_MOMENTS", "40"))
SUBJECT = os.environ.get("BREWFS_TEST_SUBJECT", "session")
FRESH = 10              # moments after which the tree is emptied
SEQUENCE = 400          # operations of a writer of names
LIBC = ctypes.CDLL(None, use_errno=True)
TREE = [("dir", "a", 0o755)] + [("text", f"a/{name}", 0o644, name) for name in "abcdefgh"] + \
    [("dir", "a/i", 0o755), ("fill", "b", 0o644, 100000, 1), ("link", "c", "a"), ("dir", "d", 0o755)]

enter()
os.umask(0o022)
sandbox = Sandbox()
seed = int(os.environ.get("BREWFS_TEST_SEED", "0")) or random.randrange(1 << 30)
rng = random.Random(seed)
print(f"# BREWFS_TEST_SEED={seed}")


def prepare_sequence(label):
    """Operations for a writer of names, as a file; and what the tree is after each of them."""
    root = sandbox.path(f"sequence-{label}")
    os.mkdir(root)
    make_tree(root, TREE)
    side = Side(root, LIBC, 0)
    generator = Generator(random.Random(f"{seed}-{label}"), side, Generator.NAMES_ONLY)
    snapshots = [snapshot(root)]
    lines = []
    for number in range(SEQUENCE):
        if number % 20 == 19:
            lines.append("sync\n")
        else:
            operation = generator.next()
            side.run(operation)
            lines.append(repr(operation) + "\n")
        snapshots.append(snapshot(root))
    shutil.rmtree(root)
    path = sandbox.path(f"sequence-{label}.txt")
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(lines)
    return path, snapshots


def snapshot(root):
    """Names, types, modes, links, targets and attributes."""
    found = []
    for top, directories, files in os.walk(root):
        directories.sort()
        for name in sorted(directories + files):
            path = os.path.join(top, name)
            st = os.lstat(path)
            kind = stat.S_IFMT(st.st_mode)
            keys = sorted(os.listxattr(path)) if kind in (stat.S_IFREG, stat.S_IFDIR) else []
            found.append((os.path.relpath(path, root), st.st_mode, st.st_nlink,
                          os.readlink(path) if kind == stat.S_IFLNK else "",
                          [(key, os.getxattr(path, key)) for key in keys if key.startswith("user.")]))
    return [repr(entry) for entry in found]


class Writer:
    """One of killed_writers.py, and what it has told."""

    def __init__(self, kind, directory, argument):
        self.directory = directory
        self.output = sandbox.path(f"told-{kind}")
        with open(self.output, "wb") as file:
            self.process = subprocess.Popen(
                [sys.executable, os.path.join(SRCDIR, "tests", "system", "killed_writers.py"), kind, directory, argument],
                stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.DEVNULL)

    def begun(self):
        deadline = time.monotonic() + 10
        while os.path.getsize(self.output) == 0 and time.monotonic() < deadline and self.process.poll() is None:
            time.sleep(0.002)

    def end(self):
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def told(self):
        with open(self.output, encoding="utf-8") as file:
            return [line.split() for line in file.read().split("\n")[:-1]]


class Files:
    """What is allowed of each path: a set of states; a state "more" is the beginning of a file with anything behind it."""

    def __init__(self):
        self.allowed = {}

    def learn(self, lines):
        for verb, name, state in lines:
            if verb == "synced":
                self.allowed[name] = {state}
            elif state == "more":
                self.allowed[name] = {"more " + old for old in self.allowed[name]}
            else:
                self.allowed.setdefault(name, {"absent", "new"}).add(state)

    def wrong(self, directory):
        """What is not allowed; afterwards what is there is what is allowed."""
        found = []
        for name, states in sorted(self.allowed.items()):
            try:
                with open(os.path.join(directory, name), "rb") as file:
                    contents = file.read()
                state = f"{len(contents)}-{hashlib.md5(contents).hexdigest()}"
            except FileNotFoundError:
                contents, state = None, "absent"
            if not any(self.fits(allowed, state, contents) for allowed in states):
                found.append(f"{name} is {state}, not {' or '.join(sorted(states))}")
            self.allowed[name] = {state}
        return found

    @staticmethod
    def fits(allowed, state, contents):
        if allowed == state:
            return True
        if contents is None:
            return False
        if allowed == "new":        # a file that was about to be made: any part of it
            return True
        if allowed.startswith("more "):
            size, digest = allowed[len("more "):].split("-")
            return len(contents) >= int(size) and hashlib.md5(contents[:int(size)]).hexdigest() == digest
        return False


def wrong_names(writer, directory, sequence, snapshots):
    """The tree of the writer of names must be as after one of its operations, none before the last sync."""
    last = synced = 0
    for verb, number in writer.told():
        last = int(number)
        if verb == "synced":
            synced = last
    found = snapshot(directory)
    if found in snapshots[synced:last + 2]:
        return []
    when = [number for number, known in enumerate(snapshots) if known == found]
    with open(sequence, encoding="utf-8") as file:
        operations = file.read().splitlines()
    nearest = min(range(synced, min(last + 2, len(snapshots))), key=lambda n: len(set(snapshots[n]) ^ set(found)))
    return [f"names are those {'after operation ' + str(when[-1]) if when else 'of no moment'}, synced was {synced}, "
            f"done {last}; nearest {nearest}, which has {sorted(set(snapshots[nearest]) - set(found))}, "
            f"found {sorted(set(found) - set(snapshots[nearest]))}, of {operations[synced:last + 1]}"]


def unreadable(root):
    """What cannot be listed or read to its size."""
    found = []
    for top, directories, files in os.walk(root, onerror=lambda error: found.append(str(error))):
        for name in directories + files:
            path = os.path.join(top, name)
            try:
                st = os.lstat(path)
                if stat.S_ISREG(st.st_mode):
                    with open(path, "rb") as file:
                        if len(file.read()) != st.st_size:
                            found.append(f"{path}: not of its size")
                elif stat.S_ISLNK(st.st_mode):
                    os.readlink(path)
            except OSError as error:
                found.append(str(error))
    return found


def fresh(subject, label):
    """Empties the tree and prepares the directories of the writers."""
    for name in os.listdir(subject.root):
        path = os.path.join(subject.root, name)
        (shutil.rmtree if os.path.isdir(path) and not os.path.islink(path) else os.unlink)(path)
    for name in ("files", "noise", "names"):
        os.mkdir(os.path.join(subject.root, name))
    make_tree(os.path.join(subject.root, "noise"), TREE)
    return Files()


def moment(subject, files, number):
    """Kills the daemon under load; what is wrong afterwards."""
    place = {name: os.path.join(subject.root, name) for name in ("files", "noise", "names")}
    shutil.rmtree(place["names"])
    os.mkdir(place["names"])
    make_tree(place["names"], TREE)
    fd = os.open(place["names"], os.O_RDONLY)
    os.fsync(fd)
    os.close(fd)
    path, snapshots = sequences[number % len(sequences)]
    writers = [Writer("files", place["files"], f"{seed}.{number}"), Writer("noise", place["noise"], f"{seed}.{number}"),
               Writer("names", place["names"], path)]
    for writer in writers[0], writers[2]:
        writer.begun()
    time.sleep(rng.uniform(0, 0.25))
    if SUBJECT == "directory":
        for writer in writers:
            writer.process.kill()
    else:
        os.kill(subject.daemon(), signal.SIGKILL)
    for writer in writers:
        writer.end()
    if SUBJECT != "directory":
        subject.drop()
        subject.mount()
    files.learn(writers[0].told())
    wrong = unreadable(subject.root) + files.wrong(place["files"]) + wrong_names(writers[2], place["names"], path, snapshots)
    if SUBJECT == "session":
        status = sandbox.run("session", "status", subject.session)
        if "in use" in status.stderr:       # the daemon does not answer yet
            time.sleep(0.5)
            status = sandbox.run("session", "status", subject.session)
        if status.returncode != 0:
            wrong.append(f"session status: exit status {status.returncode}\n{status.stdout}{status.stderr}")
    return len(writers[0].told()), wrong


def left_data(subject):
    """Local contents that the session keeps."""
    return [os.path.join(top, name) for top, _, names in os.walk(os.path.join(
        sandbox.environment["BREWFS_SESSIONS"], subject.session, "data")) for name in names]


sequences = [prepare_sequence(label) for label in range(3)]
subject = KINDS[SUBJECT](sandbox, TREE, "killed")
wrong = []
told = 0
for number in range(MOMENTS):
    if number % FRESH == 0:
        files = fresh(subject, number)
    try:
        count, found = moment(subject, files, number)
        told += count
    except RuntimeError as error:
        wrong.append(f"moment {number}: {error}")
        break
    if found:
        wrong += [f"moment {number}: {line}" for line in found[:5]]
        files = fresh(subject, number)
ok(told > MOMENTS * 2, "the writers got to write", f"{told} lines in {MOMENTS} moments")
ok(not wrong, f"after each of {MOMENTS} kills the session mounts, is sound, and has everything that was fsynced",
   "\n".join(wrong[:40]))
if SUBJECT == "session" and not wrong:
    fresh(subject, "end")
    shutil.rmtree(os.path.join(subject.root, "noise"))
    subject.remount()
    equal(left_data(subject), [], "when all files are removed, the session keeps no contents")
    equal(sandbox.run("session", "discard", subject.session).returncode != 0, True, "a mounted session is not discarded")
    subject.umount()
    equal(sandbox.run("session", "discard", subject.session).returncode, 0, "an unmounted one is")
done()
