"""What brew does to a prefix, call by call, as an ordinary user: locks, kegs that are poured beside their place and
renamed to it, storms of chmod, hardlinks, links that are replaced, receipts.

	keg_imitation.py PREFIX

Prints a line for each thing that is not as it should be; exit status 1 if there was one.
"""

import errno
import fcntl
import json
import os
import shutil
import stat
import subprocess
import sys

VERSIONS = ["1.0", "1.1", "1.1_1"]
FILES = 60
wrong = []


def check(condition, what):
    if not condition:
        wrong.append(what)


def write(path, text, mode=0o644):
    """As Pathname#atomic_write: a temporary file beside it, fsync, rename."""
    temporary = f"{path}.{os.getpid()}.tmp"
    with open(temporary, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.chmod(temporary, mode)
    os.rename(temporary, path)


def relative_link(target, link):
    """As Pathname#make_relative_symlink, over an older link as well."""
    os.makedirs(os.path.dirname(link), exist_ok=True)
    text = os.path.relpath(target, os.path.dirname(link))
    if os.path.islink(link):
        os.unlink(link)
    os.symlink(text, link)


class Lock:
    """As LockFile: an exclusive flock that does not wait, kept open."""

    def __init__(self, prefix, name):
        directory = os.path.join(prefix, "var/homebrew/locks")
        os.makedirs(directory, exist_ok=True)
        self.path = os.path.join(directory, f"{name}.formula.lock")

    def __enter__(self):
        self.fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return self

    def __exit__(self, *_):
        fcntl.flock(self.fd, fcntl.LOCK_UN)
        os.close(self.fd)

    def is_taken(self):
        """Whether another process is refused."""
        program = "import fcntl, os, sys; fcntl.flock(os.open(sys.argv[1], os.O_RDWR), fcntl.LOCK_EX | fcntl.LOCK_NB)"
        return subprocess.run([sys.executable, "-c", program, self.path], stderr=subprocess.DEVNULL,
                              check=False).returncode != 0


def pour(prefix, name, version):
    """Unpacks beside the Cellar, fixes modes, renames the whole keg to its place."""
    temporary = os.path.join(prefix, "var/homebrew/tmp", f"{name}-{version}-{os.getpid()}")
    keg = os.path.join(temporary, version)
    for directory in ("bin", "lib/pkgconfig", "share/man/man1", f"share/{name}/data", ".brew"):
        os.makedirs(os.path.join(keg, directory))
    for i in range(FILES):
        path = os.path.join(keg, f"share/{name}/data/file{i}")
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"{name} {version} {i}\n" * (i + 1))
        os.chmod(path, 0o444)
    for tool in ("tool", "helper"):
        write(os.path.join(keg, "bin", f"{name}-{tool}"), f"#!/bin/sh\necho {name} {version} {tool}\n", 0o555)
    os.link(os.path.join(keg, "bin", f"{name}-tool"), os.path.join(keg, "bin", name))
    write(os.path.join(keg, f"lib/lib{name}.so.1"), "library\n" * 1000, 0o444)
    os.symlink(f"lib{name}.so.1", os.path.join(keg, f"lib/lib{name}.so"))
    write(os.path.join(keg, f"lib/pkgconfig/{name}.pc"), "prefix=@@HOMEBREW_CELLAR@@\n", 0o444)
    rack = os.path.join(prefix, "Cellar", name)
    os.makedirs(rack, exist_ok=True)
    os.rename(keg, os.path.join(rack, version))
    os.rmdir(temporary)
    return os.path.join(rack, version)


def relocate(keg):
    """Text files and libraries are made writable, changed in place, and closed again."""
    for top, directories, files in os.walk(keg):
        for name in files:
            path = os.path.join(top, name)
            st = os.lstat(path)
            if not stat.S_ISREG(st.st_mode):
                continue
            os.chmod(path, st.st_mode | 0o200)
            with open(path, "r+", encoding="utf-8") as file:
                text = file.read()
                if "@@HOMEBREW_CELLAR@@" in text:
                    file.seek(0)
                    file.write(text.replace("@@HOMEBREW_CELLAR@@", os.path.dirname(os.path.dirname(keg))))
                    file.truncate()
            os.chmod(path, st.st_mode)
    for mode in (0o755, 0o700, 0o755):
        for top, directories, _ in os.walk(keg):
            for name in directories:
                os.chmod(os.path.join(top, name), mode)


def link(prefix, keg, name):
    for top, _, files in os.walk(keg):
        for file in files:
            path = os.path.join(top, file)
            place = os.path.relpath(path, keg)
            if place.startswith(("bin/", "lib/", "share/man/")):
                relative_link(path, os.path.join(prefix, place))
    relative_link(os.path.join(keg, "share", name), os.path.join(prefix, "share", name))
    relative_link(keg, os.path.join(prefix, "opt", name))
    relative_link(keg, os.path.join(prefix, "var/homebrew/linked", name))
    write(os.path.join(keg, "INSTALL_RECEIPT.json"),
          json.dumps({"homebrew_version": "5.0.0", "name": name, "poured_from_bottle": True}, indent=2))


def unlink(prefix, keg):
    """Links into the keg, and directories that become empty."""
    removed = 0
    for directory in ("bin", "lib", "share", "opt", "var/homebrew/linked"):
        for top, directories, files in os.walk(os.path.join(prefix, directory), topdown=False):
            for file in files + directories:
                path = os.path.join(top, file)
                if os.path.islink(path) and os.path.realpath(path).startswith(keg + "/") or \
                        os.path.islink(path) and os.path.realpath(path) == keg:
                    os.unlink(path)
                    removed += 1
            if top != os.path.join(prefix, directory) and not os.listdir(top):
                os.rmdir(top)
    return removed


def check_keg(prefix, keg, name, version):
    tool = os.path.join(prefix, "bin", name)
    said = subprocess.run([tool], stdout=subprocess.PIPE, text=True, check=False).stdout
    check(said == f"{name} {version} tool\n", f"bin/{name} says {said!r}")
    st = os.stat(os.path.join(keg, "bin", name))
    check(st.st_nlink == 2 and stat.S_IMODE(st.st_mode) == 0o555 and st.st_uid == os.getuid(),
          f"{keg}/bin/{name}: {st}")
    for i in range(FILES):
        with open(os.path.join(prefix, f"share/{name}/data/file{i}"), encoding="utf-8") as file:
            check(file.read() == f"{name} {version} {i}\n" * (i + 1), f"file{i} of {keg}")
    with open(os.path.join(prefix, f"lib/pkgconfig/{name}.pc"), encoding="utf-8") as file:
        check(file.read() == f"prefix={prefix}/Cellar\n", f"{name}.pc")
    with open(os.path.join(keg, "INSTALL_RECEIPT.json"), encoding="utf-8") as file:
        check(json.load(file)["name"] == name, "the receipt")


def denied(what, error, function, *arguments):
    try:
        function(*arguments)
        check(False, f"{what} is allowed")
    except OSError as caught:
        check(caught.errno == error, f"{what}: {errno.errorcode[caught.errno]}, not {errno.errorcode[error]}")


def main(prefix):
    for name in ("alpha", "beta"):
        old = None
        for version in VERSIONS:
            lock = Lock(prefix, name)
            with lock:
                check(lock.is_taken(), f"{name}: a second process gets the lock")
                keg = pour(prefix, name, version)
                relocate(keg)
                if old:
                    check(unlink(prefix, old) >= 6, f"links into {old}")
                link(prefix, keg, name)
                check_keg(prefix, keg, name, version)
            check(not lock.is_taken(), f"{name}: the lock stays")
            old = keg
        for version in VERSIONS[:-1]:
            shutil.rmtree(os.path.join(prefix, "Cellar", name, version))
        check(os.listdir(os.path.join(prefix, "Cellar", name)) == [VERSIONS[-1]], f"kegs of {name} after cleanup")
        check_keg(prefix, old, name, VERSIONS[-1])
    denied("writing a file without the right", errno.EACCES, open,
           os.path.join(prefix, "Cellar/alpha", VERSIONS[-1], "share/alpha/data/file0"), "a")
    denied("giving a file away", errno.EPERM, os.chown, os.path.join(prefix, "bin/alpha"), 0, 0)
    denied("linking over a name", errno.EEXIST, os.symlink, "x", os.path.join(prefix, "bin/alpha"))
    for name in ("alpha", "beta"):
        keg = os.path.join(prefix, "Cellar", name, VERSIONS[-1])
        unlink(prefix, keg)
        shutil.rmtree(os.path.join(prefix, "Cellar", name))
    check(os.listdir(os.path.join(prefix, "Cellar")) == [], "the Cellar is empty at the end")
    left = [os.path.join(top, name) for directory in ("bin", "lib", "share", "opt", "var/homebrew/linked")
            for top, _, files in os.walk(os.path.join(prefix, directory)) for name in files]
    check(not left, f"nothing is linked at the end: {left}")


main(os.path.abspath(sys.argv[1]))
print("\n".join(wrong))
sys.exit(1 if wrong else 0)
