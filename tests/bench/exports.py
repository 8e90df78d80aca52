"""What Lambda pays for: an export on EFS, and a program's cold start from it."""
import time

from filesystems import Slow, fresh_directory
from machine import run, say
from peers import PROGRAMS, Work
from results import Single

PREFIX = "/mnt/efs/brewfs"      # where it would be seen; the programs of the corpus find all by other ways


def used(*paths):
    """Bytes on the disk, each file once."""
    return sum(int(line.split()[0]) for line in run("du", "-s", "-B1", *paths).splitlines())


def export(place, directory, kind):
    start = time.perf_counter()
    run(place.brewfs, "export", "--store", place.store, "--prefix", PREFIX, "--links", kind, directory,
        env=place.environment(place.cache))
    return time.perf_counter() - start


def cold_start(place, work, root):
    with Slow(place, root) as slow:
        seconds = work.run_program(PROGRAMS[0], slow.root)[0]
        return seconds, slow.counts()


def measure(place, results):
    say("export: bytes, and a cold start on the model of EFS")
    work, top = Work(place), fresh_directory(f"{place.run}/export")
    before = used(place.store)
    seconds = export(place, f"{top}/hard", "hard")
    grown = used(place.store, f"{top}/hard.1") - before
    flat = int(run("du", "-s", "-l", "-L", "-B1", place.corpus.tree, quiet=True, check=False).split()[0])
    export(place, f"{top}/symbolic", "symbolic")
    tree, tree_counts = cold_start(place, work, place.corpus.tree)
    linked, linked_counts = cold_start(place, work, f"{top}/symbolic.1")
    hard, hard_counts = cold_start(place, work, f"{top}/hard.1")
    results.singles += [
        Single("export", "local store", grown, "bytes", flat, "flattened by cp -LR", "<= 1/4", grown * 4 <= flat,
               f"besides the store; {seconds:.1f} s"),
        Single(f"{PROGRAMS[0]} from an export", "EFS, cold", hard, "s", tree, "the tree there", "", None,
               f"{hard_counts}; the tree {tree_counts.total:,}; with symbolic links {linked:.2f} s, "
               f"{linked_counts.total:,}"),
        Single(f"round trips of {PROGRAMS[0]} from an export", "EFS, cold", hard_counts.total, "", tree_counts.total,
               "the tree there", "fewer", hard_counts.total < tree_counts.total)]
    fresh_directory(top)
