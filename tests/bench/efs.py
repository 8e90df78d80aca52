"""The EFS model: the store, and the plain tree, behind the delays of slowfs."""
import os
import shutil
import subprocess
import time

from filesystems import Brewfs, Slow, fresh_directory
from installs import COUNT, install, untar
from machine import Failure, drop_caches, run, say
from peers import PROGRAMS, WALK, Work
from results import Single

PARALLEL = 32           # tars
FACTORS = dict(zip(PROGRAMS, ((5, ">= 5 x"), (None, ""), (20, ">= 20 x"))))


class SlowStore:
    """brewfs mounted from the store behind slowfs. A context: both mounted inside."""

    def __init__(self, place, cache):
        self.slow = Slow(place, place.store)
        self.brewfs = Brewfs(place, store=self.slow.root, cache=cache, name="brewfs-slow")

    def __enter__(self):
        self.slow.__enter__()
        self.brewfs.start()
        return self

    def __exit__(self, *_):
        self.brewfs.stop()
        self.slow.__exit__()


def walk(place, work, results):
    say("EFS: cold walk")
    with Slow(place, place.corpus.tree) as slow:
        tree, _ = work.measure(WALK, slow.root)
        tree_counts = slow.counts()
    with SlowStore(place, fresh_directory(f"{place.run}/cache-efs")) as mounted:
        before = mounted.slow.counts().total
        samples, _ = work.measure(WALK, mounted.brewfs.root)
        counts = mounted.slow.counts()
        seconds = mounted.brewfs.mount_seconds + samples[0]
    results.singles.append(Single(
        "mount and cold walk", "EFS", seconds, "s", tree[0], "the tree there", ">= 100 x",
        tree[0] >= 100 * seconds, f"the mount {mounted.brewfs.mount_seconds * 1e3:.0f} ms of it"))
    results.singles.append(Single(
        "round trips of mount and cold walk", "EFS", counts.total, "", tree_counts.total,
        "the tree there", "<= 10", counts.total <= 10,
        f"{counts}; {before} of them before the walk"))


def one_program(place, work, results, name, cache):
    """Cold start with nothing local but the index, and again with all of it in the local cache."""
    say(f"EFS: {name}")
    with Slow(place, place.corpus.tree) as slow:
        tree = work.run_program(name, slow.root)[0]
        tree_counts = slow.counts()
    with SlowStore(place, cache) as mounted:
        mounted.slow.reset()
        first = work.run_program(name, mounted.brewfs.root)[0]
        counts = mounted.slow.counts()
    run(place.brewfs, "warm", "--store", place.store, env=place.environment(cache))
    drop_caches()
    with SlowStore(place, cache) as mounted:
        mounted.slow.reset()
        again = work.run_program(name, mounted.brewfs.root)[0]
        again_counts = mounted.slow.counts()
    plain = place.plain
    plain.start()
    drop_caches()
    disk = work.run_program(name, plain.root)[0]
    hot = work.run_program(name, plain.root)[0]
    plain.stop()
    factor, goal = FACTORS[name]
    results.singles.append(Single(
        name, "EFS, cold", first, "s", tree, "the tree there", goal,
        tree >= factor * first if factor else None,
        f"{counts}; the tree {tree_counts.total:,}; local disk, cold: {disk:.2f} s, "
        f"hot: {hot:.2f} s"))
    results.singles.append(Single(
        name, "EFS, filled local cache", again, "s", disk, "local disk, cold", "<= 1.3 x its time",
        again <= 1.3 * disk, str(again_counts)))


def programs(place, work, results):
    for name in PROGRAMS:
        one_program(place, work, results, name, fresh_directory(f"{place.run}/cache-efs"))


# --- installing ---

def split_tars(place, formulae):
    """The same files as PARALLEL archives of as many entries each, and the directories as one."""
    kegs = fresh_directory(f"{place.run}/parallel.kegs")
    untar([place.corpus.path(f) for f in formulae], kegs)
    files = run("find", ".", "!", "-type", "d", cwd=kegs).splitlines()
    archives = []
    for i in range(PARALLEL):
        listing, archive = f"{place.run}/parallel.list", f"{place.run}/parallel.{i}.tar"
        with open(listing, "w") as file:
            file.write("".join(f"{name}\n" for name in sorted(files)[i::PARALLEL]))
        run("tar", "cf", archive, "--hard-dereference", "-C", kegs, "-T", listing)
        archives.append(archive)
    directories = f"{place.run}/parallel.directories.tar"
    run("sh", "-c", f"find . -type d | tar cf {directories} --no-recursion -T -", cwd=kegs)
    shutil.rmtree(kegs)
    return archives, directories


def parallel_untar(archives, directory):
    """Seconds until the last of them is done; at most PARALLEL at once."""
    start, tars = time.perf_counter(), []
    for archive in archives:
        if len(tars) >= PARALLEL and tars.pop(0).wait() != 0:
            raise Failure("tar failed on the EFS model")
        tars.append(subprocess.Popen(["tar", "xf", archive, "-C", directory]))
    if any([tar.wait() for tar in tars]):
        raise Failure("tar failed on the EFS model")
    return time.perf_counter() - start


def even_untar(place, formulae):
    """Seconds of PARALLEL tars of even shares, inflated before, into directories that are there."""
    archives, directories = split_tars(place, formulae)

    def unpack(directory):
        run("tar", "xf", directories, "-C", directory)
        return parallel_untar(archives, directory)
    seconds, _ = onto_slow(place, unpack)
    for archive in archives + [directories]:
        os.unlink(archive)
    return seconds


def onto_slow(place, work):
    """Runs work(directory) on an empty one behind slowfs: what it returned, and the counts."""
    directory = fresh_directory(f"{place.run}/behind")
    with Slow(place, directory) as slow:
        value = work(slow.root)
        counts = slow.counts()
    return value, counts


def installing(place, results):
    formulae = place.corpus.pick(COUNT, 150 if place.quick else 1100)
    paths = [place.corpus.path(f) for f in formulae]
    entries, size = (sum(f[k] for f in formulae) for k in ("entries", "bytes"))
    about = f"{entries:,} entries, {size / 1e6:.0f} MB"
    say(f"EFS: install of {COUNT} bottles, {about}")
    one, one_counts = onto_slow(place, lambda d: untar(paths, d))
    many, _ = onto_slow(place, lambda d: parallel_untar(paths, d))
    even = even_untar(place, formulae)
    cache = fresh_directory(f"{place.run}/cache-efs")
    seconds, counts = onto_slow(place, lambda d: install(place, f"{d}/store", cache, *paths))
    title = f"install of {COUNT} bottles"
    results.singles += [
        Single(title, "EFS", seconds, "s", one, "tar xzf one by one", ">= 10 x",
               one >= 10 * seconds,
               f"{about}; {counts}; tar {one_counts.total:,}"),
        Single(title, "EFS", seconds, "s", many, f"tar xzf, {PARALLEL} at once", ">= 5 x",
               many >= 5 * seconds),
        Single(title, "EFS", seconds, "s", even, f"{PARALLEL} tars of even shares", "", None,
               "inflated before, into directories that are there: as fast as this EFS goes")]
    again(place, results, paths, cache)


def again(place, results, paths, cache):
    """The same once more, on the store that installing() left."""
    with Slow(place, f"{place.run}/behind") as slow:
        seconds = install(place, f"{slow.root}/store", cache, *paths)
        counts = slow.counts()
    results.singles.append(Single(
        f"install of {COUNT} bottles that are installed", "EFS", counts.total, "round trips",
        None, "", "<= 10", counts.total <= 10, f"{seconds * 1e3:.0f} ms; {counts}"))


def measure(place, results):
    work = Work(place)
    walk(place, work, results)
    programs(place, work, results)
    installing(place, results)
