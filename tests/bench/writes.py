"""Trees that are written: a session of brewfs beside other writable filesystems, all of them on the disk of --work."""
import os
import random
import shutil

from filesystems import Brewfs, Filesystem, fresh_directory, unmount, wait_mounted
from machine import Failure, have, kernel_has, run, say, timed
from results import Goal

STATE = "writable"
PACKAGES, FILES = 300, (5, 40)          # of the npm-like tree; files in a package
SIZES = (200, 700, 1500, 3000, 9000)    # bytes of its files
UNITS = 48                              # of the C project
SMALL_WRITES = 20000                    # of 4 KiB

C_UNIT = """#include <stdio.h>
#include <stdlib.h>
#include <string.h>
int unit_%(i)d(int n) { char text[64]; snprintf(text, sizeof(text), "%%d", n + %(i)d); return (int)strlen(text); }
"""
MAKEFILE = """O := $(patsubst %.c,%.o,$(wildcard *.c))
lib.a: $(O)
	ar rc $@ $^
%.o: %.c
	gcc -O1 -c -o $@ $<
"""


class PlainDirectory(Filesystem):
    name = "ext4"

    def start(self):
        self.top = fresh_directory(f"{self.place.run}/writes.plain")

    def stop(self):
        shutil.rmtree(self.top)


class Layered(Filesystem):
    """An upper directory over an empty lower one."""

    def start(self):
        parts = {part: fresh_directory(f"{self.place.run}/writes.{self.name}.{part}")
                 for part in ("lower", "upper", "work")}
        self.top = self.root
        self.mount("lowerdir={lower},upperdir={upper},workdir={work}".format(**parts))

    def stop(self):
        unmount(self.root)
        for part in ("lower", "upper", "work"):
            shutil.rmtree(f"{self.place.run}/writes.{self.name}.{part}")


class WritableOverlayfs(Layered):
    name = "overlayfs"

    def missing(self):
        return None if kernel_has("overlay") else "the kernel has no overlayfs"

    def mount(self, options):
        run("mount", "-t", "overlay", "overlay", "-o", options, self.root)


class WritableFuseOverlayfs(Layered):
    name = "fuse-overlayfs"

    def missing(self):
        return None if have("fuse-overlayfs") else "apt-get install fuse-overlayfs"

    def mount(self, options):
        run("fuse-overlayfs", "-o", options, self.root)
        wait_mounted(self.root)


class Session(Brewfs):
    def __init__(self, place):
        super().__init__(place, options="rw,session=bench")
        self.sessions = f"{place.run}/writes.sessions"

    def start(self):
        self.top = self.root
        run(self.place.brewfs, "mount", "-o", self.options, self.store, self.root, env=self.environment())

    def stop(self):
        run(self.place.brewfs, "umount", self.root, env=self.environment())
        run(self.place.brewfs, "session", "discard", "bench", env=self.environment())

    def environment(self):
        return {**self.place.environment(self.cache), "BREWFS_SESSIONS": self.sessions}


def write(path, data):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data)


def prepare(place):
    """What is unpacked, cloned and compiled: the same bytes in each run."""
    source = fresh_directory(f"{place.run}/writes.source")
    rng = random.Random(1)
    for package in range(PACKAGES):
        for i in range(rng.randint(*FILES)):
            directory = rng.choice(("", "lib/", "lib/util/"))
            write(f"{source}/npm/node_modules/package-{package}/{directory}file{i}.js",
                  rng.randbytes(rng.choice(SIZES)))
    for i in range(UNITS):
        write(f"{source}/project/unit{i}.c", (C_UNIT % {"i": i}).encode())
    write(f"{source}/project/Makefile", MAKEFILE.encode())
    run("tar", "cf", f"{source}/npm.tar", "-C", source, "npm")
    env = {**place.environment(place.cache), "GIT_AUTHOR_NAME": "x", "GIT_AUTHOR_EMAIL": "x@example.org",
           "GIT_COMMITTER_NAME": "x", "GIT_COMMITTER_EMAIL": "x@example.org"}
    for command in (("init", "-q"), ("add", "-A"), ("commit", "-q", "-m", "npm")):
        run("git", "-C", f"{source}/npm", *command, env=env)
    return source


def workloads(source, top):
    """Name and command, in order; each finds what the ones before it left."""
    yield "untar of small files (npm-like)", ("tar", "xf", f"{source}/npm.tar", "-C", top)
    yield "reading them", ("sh", "-c", f"cd {top} && tar cf - npm | cat > /dev/null")
    yield "rm -rf of them", ("rm", "-rf", f"{top}/npm")
    yield "git clone", ("git", "clone", "-q", "--no-local", f"{source}/npm", f"{top}/clone")
    yield "git status and fsck", ("sh", "-c", f"git -C {top}/clone status && git -C {top}/clone fsck")
    yield "make of a C project", ("sh", "-c", f"cp -r {source}/project {top}/ && make -s -j2 -C {top}/project")
    yield "small writes (4 KiB)", ("dd", "if=/dev/zero", f"of={top}/small", "bs=4k", f"count={SMALL_WRITES}")
    yield "big writes (1 MiB)", ("dd", "if=/dev/zero", f"of={top}/big", "bs=1M", "count=300")
    yield "cp of a big file", ("cp", f"{top}/big", f"{top}/copy")


def measure(place, results):
    source = prepare(place)
    filesystems = [kind(place) for kind in (PlainDirectory, WritableOverlayfs, WritableFuseOverlayfs, Session)]
    for filesystem in [f for f in filesystems if f.missing()]:
        say(f"writes: without {filesystem.name}: {filesystem.missing()}")
        filesystems.remove(filesystem)
    if not have("git") or not have("make"):
        raise Failure("git and make are needed")
    env = place.environment(place.cache)
    for i in range(place.rounds(3)):
        for filesystem in filesystems[i % len(filesystems):] + filesystems[:i % len(filesystems)]:
            say(f"writes: {filesystem.name}")
            filesystem.start()
            for name, command in workloads(source, filesystem.top):
                os.sync()
                results.goals[name, STATE] = Goal(0, "fuse-overlayfs")
                results.add(name, STATE, filesystem.name, timed(*command, env=env))
            filesystem.stop()
    shutil.rmtree(source)
