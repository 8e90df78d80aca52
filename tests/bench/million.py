"""A prefix of a million names: what one small formula more costs, and those who follow."""
import os
import shutil
import time

import mkcorpus
import mkindex
from filesystems import Slow, fresh_directory
from installs import BREW_SECONDS, install, store_bytes, tiny_bottle
from machine import median, run, say, timed
from results import Single

NAMES = 1000000
LIMIT = 2 << 20         # bytes


def read(place, store, cache):
    """Seconds of a command that reads the current index, and no more."""
    return timed(place.brewfs, "list", "--store", store, "-1", env=place.environment(cache))


def publishing(place, results, store, cache, about):
    """One small formula after the other. Returns the last bottle."""
    seconds, grown, path = [], [], None
    for i in range(max(5, place.rounds(15))):
        path = tiny_bottle(place, f"bench-million-{i}")
        before = store_bytes(store)
        seconds.append(install(place, store, cache, path))
        grown.append(store_bytes(store) - before)
    results.singles += [
        Single("install of one small bottle", about, median(seconds), "s", BREW_SECONDS, "brew",
               "<= 1 s", median(seconds) <= 1, f"{len(seconds)} of them, at most {max(seconds):.2f} s"),
        Single("bytes that it writes to the store", about, median(grown) / 1e6, "MB", None, "",
               "<= 2 MiB", median(grown) <= LIMIT,
               f"mean {sum(grown) / len(grown) / 1e6:.2f} MB, at most {max(grown) / 1e6:.2f} MB")]
    return path


def installed(place, results, store, cache, path, about):
    samples = [install(place, store, cache, path) for _ in range(place.rounds(11, least=3))]
    value = median(samples) * 1e3
    results.singles.append(Single("install of what is installed", about, value, "ms", 900.0, "brew",
                                  "<= 20 ms", value <= 20))


def following(place, results, store, cache, about):
    """A reader on the model of EFS: with nothing, and with the generation before."""
    behind = fresh_directory(f"{place.run}/cache-behind")
    read(place, store, behind)
    install(place, store, cache, tiny_bottle(place, "bench-million-last"))
    with Slow(place, store) as slow:
        seconds = read(place, slow.root, behind)
        counts = slow.counts()
    with Slow(place, store) as slow:
        cold = read(place, slow.root, fresh_directory(f"{place.run}/cache-cold"))
        cold_counts = slow.counts()
    results.singles += [
        Single("reading the next generation's index", f"EFS, {about}", counts.total, "round trips",
               cold_counts.total, "with nothing", "<= 12", counts.total <= 12,
               f"{seconds:.2f} s; {counts}"),
        Single("reading an index with nothing", f"EFS, {about}", cold, "s", None, "", "", None,
               str(cold_counts))]


def first_file(directory):
    """Some file below a directory, found without reading much."""
    while True:
        entries = sorted(os.scandir(directory), key=lambda entry: entry.name)
        for entry in entries:
            if entry.is_file(follow_symlinks=False):
                return entry.path
        directory = next(entry.path for entry in entries if entry.is_dir(follow_symlinks=False))


def committing(place, results, store, cache, about):
    """One file after the other is changed in a mounted session, and committed."""
    env = dict(place.environment(cache), BREWFS_SESSIONS=fresh_directory(f"{place.run}/sessions-million"))
    point, seconds = fresh_directory(f"{place.run}/session-million"), []
    run(place.brewfs, "mount", "-o", "rw", store, point, env=env)
    path = first_file(f"{point}/Cellar")
    for i in range(place.rounds(5, least=3)):
        with open(path, "a", encoding="utf-8") as file:
            file.write(f"{i}\n")
        seconds.append(timed(place.brewfs, "session", "commit", env=env))
    run(place.brewfs, "umount", point, env=env)
    run(place.brewfs, "session", "discard", env=env)
    results.singles.append(Single("commit of one file of a session", about, median(seconds), "s", None, "",
                                  "<= 1 s", median(seconds) <= 1,
                                  f"{len(seconds)} of them, at most {max(seconds):.2f} s"))


def collecting(place, results, store, cache, about):
    env = place.environment(cache)
    start = time.perf_counter()
    run(place.brewfs, "gc", "--store", store, "--keep", "2", "--grace", "0", env=env)
    results.singles.append(Single("gc that keeps 2 generations", about, time.perf_counter() - start,
                                  "s", None, "", "", None))


def measure(place, results):
    say("local store: a prefix of a million names")
    store, cache = f"{place.run}/store-million", fresh_directory(f"{place.run}/cache-million")
    names = mkindex.make(place.store, place.cache, mkcorpus.TAG, NAMES, store)
    about = f"prefix of {names:,} names"
    read(place, store, cache)
    path = publishing(place, results, store, cache, about)
    installed(place, results, store, cache, path, about)
    following(place, results, store, cache, about)
    committing(place, results, store, cache, about)
    collecting(place, results, store, cache, about)
    shutil.rmtree(store)
