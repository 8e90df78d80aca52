"""Writable filesystems that the session tests are run on: a session, and others that they are proved on.

All of them begin with the same tree, a list of entries (see make_tree), which is a published generation, a lower layer,
or just there.
"""

import os
import shutil
import subprocess
import time

BUILD = os.environ.get("builddir") or os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
MKTREE = os.path.join(BUILD, "tests", "fs", "mktree")
MTIME = 1700000000123456789     # of the files that mktree makes


def escaped(word):
    return "".join(chr(byte) if 32 < byte < 127 and byte != 92 else f"\\x{byte:02x}" for byte in os.fsencode(word))


def script(tree):
    """The tree for mktree: ("dir", path, mode), ("text", path, mode, text), ("fill", path, mode, size, seed),
    ("link", path, target), ("hard", path, existing)."""
    lines = []
    for kind, path, *rest in tree:
        rest = [f"{word:o}" if i == 0 and kind in ("dir", "text", "fill") else escaped(str(word))
                for i, word in enumerate(rest)]
        lines.append(" ".join([kind, escaped(path), *rest]))
    return "\n".join(lines) + "\n"


def filled(size, seed):
    """What mktree fills a file with."""
    words = []
    for _ in range((size + 7) // 8):
        seed = (seed * 6364136223846793005 + 1442695040888963407) & (1 << 64) - 1
        words.append(seed.to_bytes(8, "little"))
    return b"".join(words)[:size]


def make_tree(root, tree):
    for kind, path, *rest in tree:
        path = os.path.join(root, path)
        if kind == "dir":
            os.mkdir(path)
            os.chmod(path, rest[0])
        elif kind in ("text", "fill"):
            with open(path, "wb") as file:
                file.write(os.fsencode(rest[1]) if kind == "text" else filled(rest[1], rest[2]))
            os.chmod(path, rest[0])
            os.utime(path, ns=(MTIME, MTIME))
        elif kind == "link":
            os.symlink(rest[0], path)
        elif kind == "hard":
            os.link(os.path.join(root, rest[0]), path)


class Plain:
    """A directory of the filesystem that holds the sandbox."""

    name = "directory"
    counts_directories = True   # st_nlink of directories
    exact_times = True          # ctime and mtime move when POSIX says so, and only then

    def __init__(self, sandbox, tree, label):
        self.sandbox, self.tree = sandbox, tree
        self.place = sandbox.path(f"{self.name}-{label}")
        os.makedirs(self.place)
        self.root = self.place
        self.prepare()

    def prepare(self):
        make_tree(self.root, self.tree)

    def remount(self):
        """What is on it must survive."""

    def discard(self):
        shutil.rmtree(self.place, ignore_errors=True)


class Overlay(Plain):
    name = "overlayfs"
    counts_directories = False
    exact_times = False         # opening to write copies up

    def prepare(self):
        for part in ("lower", "upper", "work", "root"):
            os.mkdir(os.path.join(self.place, part))
        self.root = os.path.join(self.place, "root")
        make_tree(os.path.join(self.place, "lower"), self.tree)
        self.mount()

    def options(self):
        return ",".join(f"{part}dir={self.place}/{part}" for part in ("lower", "upper", "work"))

    def mount(self):
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o", self.options() + ",redirect_dir=on,index=on",
                        self.root], check=True)

    def remount(self):
        subprocess.run(["umount", self.root], check=True)
        self.mount()

    def discard(self):
        subprocess.run(["umount", "-l", self.root], check=False)
        super().discard()


class FuseOverlay(Overlay):
    name = "fuse-overlayfs"

    def mount(self):
        subprocess.run(["fuse-overlayfs", "-o", self.options(), self.root], check=True, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        while not os.path.ismount(self.root) and time.monotonic() < deadline:
            time.sleep(0.005)


class Session(Plain):
    """A session of a ref of its own in the sandbox's store, where the tree is published."""

    name = "session"

    def prepare(self):
        self.session = os.path.basename(self.place)
        self.root = os.path.join(self.place, "root")
        os.mkdir(self.root)
        self.ref = self.session
        subprocess.run([MKTREE, self.sandbox.store, self.ref], input=script(self.tree), text=True, check=True,
                       stdout=subprocess.DEVNULL)
        self.mount()

    def mount(self, **options):
        result = self.sandbox.run("mount", "-o", f"rw,session={self.session},ref={self.ref}", self.sandbox.store, self.root, **options)
        if result.returncode != 0:
            raise RuntimeError(f"mounting the session: {result.stdout}{result.stderr}")
        if self.root not in self.sandbox.mounts:
            self.sandbox.mounts.append(self.root)

    def umount(self):
        result = self.sandbox.umount(self.root)
        if result.returncode != 0:
            raise RuntimeError(f"unmounting the session: {result.stdout}{result.stderr}")

    def remount(self):
        self.umount()
        self.mount()

    def daemon(self):
        """The process that serves it."""
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as file:
                    words = file.read().split(b"\0")
            except OSError:
                continue
            if os.path.basename(words[0]) == b"brewfs" and os.fsencode(self.root) in words:
                return int(pid)
        return None

    def drop(self):
        """The mount of a daemon that was killed."""
        subprocess.run(["umount", "-l", self.root], check=False, stderr=subprocess.DEVNULL)
        if self.root in self.sandbox.mounts:
            self.sandbox.mounts.remove(self.root)

    def discard(self):
        if self.root in self.sandbox.mounts:
            self.umount()
        self.sandbox.run("session", "discard", self.session)
        super().discard()


KINDS = {kind.name: kind for kind in (Plain, Overlay, FuseOverlay, Session)}
