#!/usr/bin/env python3
"""The suite of system calls (posix.c) on ext4 and a writable session, also on overlayfs, with the same expectations.

	test-posix.py [FILESYSTEM [AREA...]]

Without arguments every area runs on each filesystem of $BREWFS_POSIX_FILESYSTEMS (default below); one line of TAP for
an area on a filesystem. What overlayfs is known to do otherwise is in EXCEPTIONS; a session has none.
"""

import os
import re
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "system"))
from harness import Sandbox, done, enter, ok, skip  # noqa: E402

BUILD = os.environ.get("builddir") or os.path.abspath(os.path.join(HERE, "..", ".."))
SUITE = os.path.join(BUILD, "tests", "posix", "posix")
MKTREE = os.path.join(BUILD, "tests", "fs", "mktree")
DEFAULT = "ext4 session"
REF = "x86_64_linux"
AREA_SECONDS = 120

# (area, what the check says, why): documented in Documentation/filesystems/overlayfs.rst, or found out for FUSE.
EXCEPTIONS = {
    "overlayfs": [
        ("union-files", r"which moves nothing$", "opening to write copies up, with a new ctime"),
        ("union-files", r"who has mapped it before sees it$", "a mapping from before the copy-up shows the lower file"),
        ("union-files", r"^which has no link$", "a lower file keeps its link when its name is replaced"),
        ("union-directories", r"link count of the directory$|^and its links$|is counted$|leaves as well$",
         "merged directories have one link"),
        ("union-directories", r"^a write to a stored file does not$", "a copy-up into the directory changes its times"),
    ],
}


class Filesystem:
    """Mounted for the length of a `with`: top is writable and holds the stored tree, readonly is not writable."""

    def __init__(self, sandbox):
        self.sandbox = sandbox
        self.place = sandbox.path(self.name)
        os.mkdir(self.place)

    def missing(self):
        return None

    def path(self, name):
        path = os.path.join(self.place, name)
        os.makedirs(path, exist_ok=True)
        return path

    def __exit__(self, *_):
        for path in self.mounts:
            subprocess.run(["umount", "-l", path], check=False)


class Ext4(Filesystem):
    """On an image of its own, so that other filesystems are other ones."""

    name = "ext4"

    def __enter__(self):
        base = ext4_image(self)
        self.top = os.path.join(base, "top")
        self.readonly = os.path.join(base, "readonly")
        for path in (self.top, self.readonly):
            os.mkdir(path)
            run(SUITE, "--lower", "tree", path)
        read_only_bind(self.readonly)
        self.mounts = [self.readonly, base]
        return self


class Overlayfs(Filesystem):
    name = "overlayfs"

    def missing(self):
        with open("/proc/filesystems", encoding="ascii") as file:
            return None if "\toverlay\n" in file.read() else "the kernel has no overlayfs"

    def mount(self, options):
        run("mount", "-t", "overlay", "overlay", "-o", options + ",redirect_dir=on,index=on", self.top)

    def __enter__(self):
        base = ext4_image(self)
        lower, upper, work = (os.path.join(base, name) for name in ("lower", "upper", "work"))
        for path in (lower, upper, work):
            os.mkdir(path)
        run(SUITE, "--lower", "tree", lower)
        self.top = self.path("top")
        self.readonly = lower
        self.mount(f"lowerdir={lower},upperdir={upper},workdir={work}")
        self.mounts = [self.top, base]
        read_only = self.path("readonly")
        run("mount", "-t", "overlay", "overlay", "-o", f"lowerdir={lower}:{self.path('nothing')}", read_only)
        self.readonly = read_only
        self.mounts.insert(0, read_only)
        return self


class FuseOverlayfs(Overlayfs):
    """Not among the default ones: fails many checks."""

    name = "fuse-overlayfs"

    def mount(self, options):
        run("fuse-overlayfs", "-o", options, self.top)


class Session(Filesystem):
    name = "session"

    def __enter__(self):
        script = run(SUITE, "--lower", "script", "").stdout
        run(MKTREE, self.sandbox.store, REF, input=script)
        self.top, self.readonly = self.path("top"), self.path("readonly")
        self.sandbox.mount(self.top, "-o", "rw,session=posix")
        self.sandbox.mount(self.readonly)
        self.mounts = [self.readonly, self.top]
        return self

    def __exit__(self, *_):
        for path in self.mounts:
            self.sandbox.umount(path)


KINDS = {kind.name: kind for kind in (Ext4, Overlayfs, FuseOverlayfs, Session)}


def run(*command, **options):
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False, **options)
    if result.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: exit status {result.returncode}\n{result.stdout}{result.stderr}")
    return result


def ext4_image(filesystem):
    image = os.path.join(filesystem.place, "image")
    with open(image, "wb") as file:
        file.truncate(2 << 30)
    run("mkfs.ext4", "-q", "-F", "-E", "nodiscard", image)
    base = filesystem.path("base")
    run("mount", "-o", "loop", image, base)
    return base


def read_only_bind(path):
    run("mount", "--bind", path, path)
    run("mount", "-o", "remount,bind,ro", path)


class Result:
    """What an area said: checks passed, expected failures, other failures with what follows them."""

    def __init__(self, kind, area, output):
        self.passed, self.known, self.failed, self.ended = 0, 0, [], False
        exceptions = [re.compile(what) for where, what, _ in EXCEPTIONS.get(kind, ()) if where == area]
        for line in output.splitlines():
            if line.startswith("ok "):
                self.passed += 1
            elif line.startswith("not ok "):
                sentence = line.split(" - ", 1)[1]
                if any(known.search(sentence) for known in exceptions):
                    self.known += 1
                else:
                    self.failed.append(line)
            elif line.startswith("1.."):
                self.ended = line == f"1..{self.passed + self.known + self.count('not ok ')}"
            elif line.startswith("#") and self.failed:
                self.failed.append(line)

    def count(self, start):
        return sum(line.startswith(start) for line in self.failed)


def run_area(filesystem, area, other):
    command = [SUITE, "-x", other, "-r", os.path.join(filesystem.readonly, "union-files"), filesystem.top, area]
    begin = time.monotonic()
    try:
        run = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                             timeout=AREA_SECONDS, check=False)
        output, error, status = run.stdout, run.stderr, run.returncode
    except subprocess.TimeoutExpired as expired:
        output, error, status = expired.stdout or b"", b"", f"none after {AREA_SECONDS} s"
    result = Result(filesystem.name, area, output.decode(errors="replace"))
    known = f", {result.known} known to differ" if result.known else ""
    ok(result.ended and not result.failed,
       f"{filesystem.name}: {area}: {result.passed} checks{known}, {time.monotonic() - begin:.1f} s",
       "\n".join(result.failed) if result.ended else
       "\n".join(result.failed + [f"it ended before its plan, exit status {status}", error.decode(errors="replace")]))


def main():
    enter()
    areas = run(SUITE, "--areas").stdout.split()
    kinds = sys.argv[1:2] or os.environ.get("BREWFS_POSIX_FILESYSTEMS", DEFAULT).split()
    sandbox = Sandbox()
    other = sandbox.path("other")
    os.mkdir(other)
    run("mount", "-t", "tmpfs", "none", other)
    sandbox.mounts.append(other)
    for name in kinds:
        filesystem = KINDS[name](sandbox)
        if filesystem.missing():
            skip(name, filesystem.missing())
            continue
        with filesystem:
            for area in sys.argv[2:] or areas:
                run_area(filesystem, area, other)
    done()


main()
