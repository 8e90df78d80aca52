"""checktree.py MOUNT TREE_A TREE_B STOPFILE [walk|read|hold] - compares every answer of a mount that switches between two trees
with those trees, until STOPFILE exists.

A tree is JSON: {path: ["d", mode] | ["f", mode, size, seed] | ["l", target]}. Prints the number of answers; the
first one that is in neither tree ends it with status 1.
"""
import errno
import json
import mmap
import os
import stat
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from fill import fill

MOUNT, STOP, WHAT = sys.argv[1], sys.argv[4], sys.argv[5]
TREES = [json.load(open(path)) for path in sys.argv[2:4]]
PATHS = sorted(set(TREES[0]) | set(TREES[1]))
CONTENTS = {}
answers = 0


def content(size, seed):
    if (size, seed) not in CONTENTS:
        CONTENTS[size, seed] = fill(size, seed)
    return CONTENTS[size, seed]


def expect(path, got, what):
    """`got` is what one of the trees says of the path."""
    global answers
    answers += 1
    wanted = [what(tree[path]) if path in tree else None for tree in TREES]
    if got not in wanted:
        print(f"{path}: {got!r:.200}, but the trees have {wanted!r:.400}")
        sys.exit(1)


def facts(entry):
    if entry[0] == "d":
        return ("d", entry[1])
    if entry[0] == "f":
        return ("f", entry[1], entry[2])
    return ("l", len(entry[1]))


def facts_of(path):
    try:
        st = os.lstat(os.path.join(MOUNT, path))
    except OSError as error:
        # A directory on the way may be a file or absent in the other tree.
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            return None
        raise
    if stat.S_ISDIR(st.st_mode):
        return ("d", stat.S_IMODE(st.st_mode))
    if stat.S_ISLNK(st.st_mode):
        return ("l", st.st_size)
    return ("f", stat.S_IMODE(st.st_mode), st.st_size)


def walk():
    for path in PATHS:
        expect(path, facts_of(path), facts)
        try:
            target = os.readlink(os.path.join(MOUNT, path))
            expect(path, target, lambda entry: entry[1] if entry[0] == "l" else None)
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.EINVAL, errno.ENOTDIR):
                raise


def lists():
    """Every name that both trees have in a directory is there once; other names are of one of them."""
    global answers
    directories = [path for path in PATHS if all(tree.get(path, "x")[0] == "d" for tree in TREES)]
    for directory in [""] + directories:
        names = [{os.path.basename(path) for path in tree if os.path.dirname(path) == directory} for tree in TREES]
        got = os.listdir(os.path.join(MOUNT, directory))
        answers += 1
        if len(set(got)) != len(got) or not (names[0] & names[1]) <= set(got) <= (names[0] | names[1]):
            print(f"{directory}: lists {sorted(got)}, but the trees have {sorted(names[0])} and {sorted(names[1])}")
            sys.exit(1)


def read():
    for path in PATHS:
        try:
            fd = os.open(os.path.join(MOUNT, path), os.O_RDONLY | os.O_NOFOLLOW)
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ELOOP, errno.ENOTDIR):
                raise
            continue
        try:
            st = os.fstat(fd)
            if stat.S_ISREG(st.st_mode):
                got = os.pread(fd, st.st_size + 1, 0)
                expect(path, got, lambda entry: content(*entry[2:]) if entry[0] == "f" else None)
        finally:
            os.close(fd)


def hold():
    """Files and maps that stay open while generations come and go keep their bytes."""
    global answers
    held = []
    for path in PATHS:
        if not any(tree.get(path, "x")[0] == "f" and tree[path][2] for tree in TREES):
            continue
        try:
            with open(os.path.join(MOUNT, path), "rb") as file:
                data = file.read()
                expect(path, data, lambda entry: content(*entry[2:]) if entry[0] == "f" else None)
                held.append((os.dup(file.fileno()), mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ), data, path))
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ELOOP, errno.ENOTDIR, errno.EISDIR):
                raise
    for _ in range(20):
        for fd, mapped, data, path in held:
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
            answers += 2
            if os.pread(fd, len(data) + 1, 0) != data or mapped[:] != data:
                print(f"{path}: what was held open has changed")
                sys.exit(1)
    for fd, mapped, _, _ in held:
        mapped.close()
        os.close(fd)


while not os.path.exists(STOP):
    {"walk": lambda: (walk(), lists()), "read": read, "hold": hold}[WHAT]()
print(answers)
