"""Writers for test-session-kill.py: each works below a directory until it is refused, and tells on standard output what
it is about to do and what is synced, so that after a SIGKILL of the filesystem one knows what must be there.

	killed_writers.py files DIRECTORY SEED		files that are written, fsynced, appended to, renamed, removed
	killed_writers.py names DIRECTORY SEQUENCE	the operations of a file, one a line; "sync" syncs all before
	killed_writers.py noise DIRECTORY SEED		anything, told to nobody

Lines: "about PATH STATE" before a path may change to STATE, "synced PATH STATE" when it must have it. A state is a size
and digest, or "absent". For `names`: "done N", "synced N".
"""

import ast
import ctypes
import hashlib
import os
import random
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from model import Generator, Side


def tell(*words):
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


def state(contents):
    return f"{len(contents)}-{hashlib.md5(contents).hexdigest()}"


class Files:
    """Some way to make a file durable, after another."""

    def __init__(self, directory, seed):
        self.directory, self.rng = directory, random.Random(seed)
        self.label = seed.replace(".", "-")
        self.contents = {}      # synced files that may be changed
        self.count = 0

    def run(self):
        while True:
            self.rng.choice([self.make, self.make, self.append, self.replace, self.rename, self.remove])()

    def path(self, name):
        return os.path.join(self.directory, name)

    def sync_directory(self):
        fd = os.open(self.directory, os.O_RDONLY)
        os.fsync(fd)
        os.close(fd)

    def write(self, name, contents, flags):
        fd = os.open(self.path(name), flags, 0o644)
        for at in range(0, len(contents), 50000):
            os.write(fd, contents[at:at + 50000])
        os.fsync(fd)
        os.close(fd)

    def new(self):
        self.count += 1
        return f"{self.label}-{self.count}"

    def some(self):
        return self.rng.choice(sorted(self.contents)) if self.contents else None

    def bytes(self):
        return self.rng.randbytes(self.rng.choice([0, 10, 4096, 30000, 200000]))

    def make(self):
        name, contents = self.new(), self.bytes()
        tell("about", name, state(contents))
        self.write(name, contents, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
        if self.rng.random() < 0.5:
            self.sync_directory()
        tell("synced", name, state(contents))
        self.contents[name] = contents

    def append(self):
        name = self.some()
        if name:
            more = self.bytes()
            # What is appended may be there in part.
            tell("about", name, "more")
            self.write(name, more, os.O_WRONLY | os.O_APPEND)
            self.contents[name] += more
            tell("synced", name, state(self.contents[name]))

    def replace(self):
        """Save by rename: the old contents or the new ones."""
        name = self.some()
        if name:
            contents, temporary = self.bytes(), self.new()
            tell("about", temporary, state(contents))
            self.write(temporary, contents, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
            tell("about", name, state(contents))
            tell("about", temporary, "absent")
            os.rename(self.path(temporary), self.path(name))
            self.sync_directory()
            self.contents[name] = contents
            tell("synced", temporary, "absent")
            tell("synced", name, state(contents))

    def rename(self):
        name = self.some()
        if name:
            other = self.new()
            tell("about", name, "absent")
            tell("about", other, state(self.contents[name]))
            os.rename(self.path(name), self.path(other))
            self.sync_directory()
            self.contents[other] = self.contents.pop(name)
            tell("synced", name, "absent")
            tell("synced", other, state(self.contents[other]))

    def remove(self):
        name = self.some()
        if name and len(self.contents) > 5:
            tell("about", name, "absent")
            os.unlink(self.path(name))
            self.sync_directory()
            del self.contents[name]
            tell("synced", name, "absent")


def names(directory, sequence):
    side = Side(directory, ctypes.CDLL(None, use_errno=True), 0)
    with open(sequence, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if line == "sync\n":
                # A change of the directory itself: fsync owes nothing to others, but changes are kept in their order.
                os.chmod(directory, 0o755)
                fd = os.open(directory, os.O_RDONLY)
                os.fsync(fd)
                os.close(fd)
                tell("synced", number)
                continue
            result = side.run(ast.literal_eval(line))
            if result in ("ENOTCONN", "ECONNABORTED", "EIO"):
                return
            tell("done", number)


def noise(directory, seed):
    side = Side(directory, ctypes.CDLL(None, use_errno=True), 0)
    generator = Generator(random.Random(seed), side)
    while os.path.isdir(directory):
        side.run(generator.next())


def main():
    kind, directory, argument = sys.argv[1:]
    try:
        if kind == "files":
            Files(directory, argument).run()
        elif kind == "names":
            names(directory, argument)
        else:
            noise(directory, argument)
    except (OSError, ValueError):
        pass        # the filesystem is gone


if __name__ == "__main__":
    main()
