"""The same tree on all filesystems: hot, cold, freshly mounted, many at once."""
import os

from filesystems import fresh_directory
from machine import cores, drop_caches, median, run, say
from results import Goal, Single

RANDOM_READS = 20000
JOBS = 8

CPP = """\
#include <boost/asio.hpp>
#include <boost/multi_index_container.hpp>
#include <boost/multi_index/ordered_index.hpp>
int main() {}
"""
PYTHON = ("import json, sqlite3, ssl, asyncio, email.mime.text, http.client, urllib.request, "
          "xml.etree.ElementTree, multiprocessing, logging.config, unittest, decimal, ctypes")

# Label: (workload of the program wl, goal).
HOT = {
    "walk": ("walk", Goal(0.9, ahead_of="overlayfs")),
    "readlink and stat of links": ("links", Goal(0.9, ahead_of="overlayfs")),
    "lstat": ("stats", Goal(0.9, ahead_of="overlayfs")),
    "open and read small files": ("small", Goal(0.75, ahead_of="overlayfs")),
    "big files in order": ("seq", Goal(0.95)),
    "big files at random": ("rand", Goal(0.95)),
    "big files mapped, in order": ("mmap", Goal(0.95)),
    "big files mapped, at random": ("mrand", Goal(0.95)),
}
PROGRAMS = ("gdalinfo --version", "python3 imports", "g++ -E with boost")
PROGRAM_GOAL = Goal(0.97)
COLD = {"walk": Goal(1.0), "open and read small files": Goal(1.5),
        "readlink and stat of links": Goal(2.0), "big files in order": Goal(0.9),
        "gdalinfo --version": None}
WALK, SMALL, BIG = "walk", "open and read small files", "big files in order"


class Work:
    """The workloads, as commands for a filesystem's mountpoint."""

    def __init__(self, place):
        self.place = place
        self.wl = f"{place.tools}/wl"
        self.source = f"{place.run}/boost.cc"
        with open(self.source, "w") as file:
            file.write(CPP)

    def arguments(self, label, root):
        """What follows the name of the program wl."""
        lists, name = self.place.corpus.list, HOT[label][0]
        if name == "walk":
            return ["walk", root]
        if name in ("links", "small"):
            return [name, root, lists(name)]
        if name == "stats":
            return ["stats", root, lists("names")]
        extra = [str(RANDOM_READS)] if name in ("rand", "mrand") else []
        return [name, root, lists("big")] + extra

    def measure(self, name, root, times=1, jobs=1):
        """Seconds of each repetition, the count of operations."""
        text = run(self.wl, "-n", times, "-j", jobs, *self.arguments(name, root))
        lines = [line.split() for line in text.splitlines()]
        return [float(line[0]) for line in lines], int(lines[0][1])

    def program(self, name, root):
        """(command, environment) of one of PROGRAMS."""
        env = self.place.environment(self.place.cache)
        if name == PROGRAMS[0]:
            env["LD_LIBRARY_PATH"] = ":".join(f"{root}/lib{d}" for d in ("", "/blas", "/lapack"))
            return [f"{root}/bin/gdalinfo", "--version"], env
        if name == PROGRAMS[1]:
            env.update(LD_LIBRARY_PATH=f"{root}/lib", PYTHONHOME=root, PYTHONDONTWRITEBYTECODE="1")
            return [f"{root}/bin/python3", "-c", PYTHON], env
        return ["/usr/bin/g++", "-E", f"-I{root}/include", self.source], env

    def run_program(self, name, root, times=1):
        command, env = self.program(name, root)
        text = run(self.wl, "-n", times, "run", *command, env=env)
        return [float(line.split()[0]) for line in text.splitlines()]

    def any(self, name, root, times=1):
        """Seconds of each repetition of a workload or a program."""
        if name in PROGRAMS:
            return self.run_program(name, root, times)
        return self.measure(name, root, times)[0]


def turns(filesystems, round_number):
    """Another one is first in each round."""
    first = round_number % len(filesystems)
    return filesystems[first:] + filesystems[:first]


def hot(place, filesystems, results):
    """Everything is in memory: each is warmed up before it is timed."""
    work, quick = Work(place), place.quick
    for filesystem in filesystems:
        filesystem.start()
    goals = {label: goal for label, (_, goal) in HOT.items()}
    for name, goal in {**goals, **{program: PROGRAM_GOAL for program in PROGRAMS}}.items():
        results.goals[name, "hot"] = goal
        say(f"hot: {name}")
        times = 3 if name in HOT else 4 if name == PROGRAMS[0] else 1
        for filesystem in filesystems:
            work.any(name, filesystem.root)
        for i in range(place.rounds(5 if quick else 15, name)):
            for filesystem in turns(filesystems, i):
                samples = work.any(name, filesystem.root, times)
                results.add(name, "hot", filesystem.name, min(samples))
    many(place, work, filesystems, results)
    for filesystem in filesystems:
        filesystem.stop()


def many(place, work, filesystems, results):
    """JOBS of a kind at once, against one alone, for each processor."""
    for name in (WALK, SMALL):
        say(f"hot: {JOBS} x {name}")
        rates = {}
        for i in range(place.rounds(5 if place.quick else 10)):
            for filesystem in turns(filesystems, i):
                alone, _ = work.measure(name, filesystem.root, times=3)
                together, _ = work.measure(name, filesystem.root, jobs=JOBS)
                results.add(f"{JOBS} x {name}", "hot", filesystem.name, together[0])
                rates.setdefault(filesystem.name, []).append(
                    min(alone) * JOBS / cores() / together[0])
        brewfs, ext4 = median(rates["brewfs"]), median(rates["ext4"])
        results.singles.append(Single(
            f"{JOBS} x {name}, for each core", "hot", brewfs, "x one alone", None,
            f"ext4: {ext4:.2f}", ">= 1, or as ext4", brewfs >= min(1.0, ext4) * 0.97))


def cold(place, filesystems, results):
    """Mounted anew with nothing in memory; brewfs has its index in the local cache."""
    work = Work(place)
    mounts = []
    for name, goal in COLD.items():
        if goal:
            results.goals[name, "cold"] = goal
        say(f"cold: {name}")
        for i in range(place.rounds(3 if place.quick else 7)):
            for filesystem in turns(filesystems, i):
                drop_caches()
                filesystem.start()
                results.add(name, "cold", filesystem.name, work.any(name, filesystem.root)[0])
                if filesystem.name == "brewfs":
                    mounts.append(filesystem.mount_seconds)
                filesystem.stop()
    cold_mount(results, mounts)


def cold_mount(results, mounts):
    value = median(mounts)
    walk = results.seconds((WALK, "cold"), "brewfs")
    results.singles.append(Single(
        "mount and walk", "cold", value + walk, "s", results.seconds((WALK, "cold"), "ext4"),
        "ext4's walk", "", None, f"the mount {value * 1e3:.0f} ms of it"))


def fresh(place, filesystems, results):
    """A new mount over what is in memory: the first walk. And how long brewfs takes to mount."""
    work = Work(place)
    key, mounts, operations = ("first walk", "fresh mount"), [], 1
    say("fresh mount: first walk")
    for i in range(place.rounds(5 if place.quick else 15)):
        for filesystem in turns(filesystems, i):
            filesystem.start()
            if filesystem.name == "ext4":
                work.measure(WALK, filesystem.root)
            samples, operations = work.measure(WALK, filesystem.root)
            results.add(*key, filesystem.name, samples[0])
            if filesystem.name == "brewfs":
                mounts.append(filesystem.mount_seconds)
            filesystem.stop()
    names = operations
    results.goals[key] = Goal(0.2, limit=(lambda s: s / names <= 10e-6, "<= 10 us a name"))
    each = results.seconds(key, "brewfs") / names * 1e6
    results.singles.append(Single("first walk, each name", "fresh mount", each, "us", None, "",
                                  "<= 10 us", each <= 10))
    value = median(mounts) * 1e3
    results.singles.append(Single(f"mount of {names:,} names", "index in the local cache", value,
                                  "ms", None, "", "<= 50 ms for 100,000", value <= 50))


def memory(place, filesystems, results):
    """The daemon after a walk of everything, and pages cached twice after reading big files."""
    work, corpus = Work(place), place.corpus
    read = corpus.list_bytes("big")
    shares = {}
    say("memory: page cache after reading big files")
    for filesystem in filesystems:
        drop_caches()
        filesystem.start()
        work.measure(BIG, filesystem.root)
        with open(corpus.list("big")) as file:
            paths = [f"{filesystem.root}/{line.rstrip()}" for line in file]
        inside = resident(work, paths)
        behind = [p for p in filesystem.behind() if os.path.exists(p)]
        if corpus.tree in behind:       # fuse-overlayfs: only what was read of it
            behind = [path.replace(filesystem.root, corpus.tree, 1) for path in paths]
        shares[filesystem.name] = (inside + (resident(work, behind) if behind else 0)) / read
        if filesystem.name == "brewfs":
            work.measure(WALK, filesystem.root)
            daemon = filesystem.resident()
        filesystem.stop()
    others = ", ".join(f"{name} {share:.2f}" for name, share in shares.items() if name != "brewfs")
    results.singles.append(Single(
        f"page cache after reading {read >> 20} MiB", "big files", shares["brewfs"],
        "x what was read", None, others, "<= 1.1", shares["brewfs"] <= 1.1))
    results.singles.append(Single(
        f"memory of the daemon after a walk of {corpus.count():,} names", "", daemon, "MiB", None,
        "", "<= 64 MiB", daemon <= 64))


def resident(work, paths):
    """Bytes of the files at and below these paths that are in the page cache."""
    total = 0
    for start in range(0, len(paths), 500):
        total += int(run(work.wl, "resident", *paths[start:start + 500]).split()[2])
    return total


def sizes(place, results):
    """The store against `cp -LR` of the prefix: du counts a file as often as links lead to it."""
    say("bytes: the store and the flattened prefix")
    tree = place.corpus.tree
    store = int(run("du", "-s", "-B1", place.store).split()[0])
    plain = int(run("du", "-s", "-B1", tree).split()[0])
    flat = int(run("du", "-s", "-l", "-L", "-B1", tree, quiet=True, check=False).split()[0])
    files = int(run("sh", "-c", f"find {place.store} -type f | wc -l"))
    entries = place.corpus.count()
    results.singles.append(Single(
        "bytes on the store", f"{place.corpus.size} corpus", store / 1e6, "MB", flat / 1e6,
        "flattened by cp -LR", "<= 1/6", store * 6 <= flat,
        f"as a tree {plain / 1e6:.0f} MB; {files:,} files for {entries:,} names"))


def prepare_overlays(place):
    """Empty upper directories: what a run left there would be seen by the next."""
    for name in ("overlayfs", "fuse-overlayfs"):
        for part in ("upper", "work"):
            fresh_directory(f"{place.run}/{name}.{part}")
