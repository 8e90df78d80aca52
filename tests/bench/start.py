"""How long a mount takes to be usable, by the number of names, and what its daemon then holds."""
import os
import subprocess

from filesystems import Brewfs, fresh_directory
from machine import median, run, say
from results import Single

IN_A_DIRECTORY = 1000
SIZES = ((100_000, 50), (1_000_000, 150))       # names; ms that a mount may take
MEMORY = 64                                     # MiB


def make_store(place, store, names):
    """Empty files are enough: a start reads nothing but the index."""
    script = "".join(f"many share/d{i} {IN_A_DIRECTORY}\n" for i in range(names // IN_A_DIRECTORY))
    subprocess.run([f"{place.tools}/../fs/mktree", store, "x86_64_linux"], input=script, text=True,
                   check=True, stdout=subprocess.DEVNULL, env=place.environment(place.cache))


def mounts(brewfs, times):
    """Milliseconds of each mount; the first one fetches the index and does not count."""
    samples = []
    for i in range(times + 1):
        brewfs.start()
        if i:
            samples.append(brewfs.mount_seconds * 1e3)
        brewfs.stop()
    return samples


def measure(place, results):
    for names, limit in SIZES:
        say(f"start: {names:,} names")
        store, cache = fresh_directory(f"{place.run}/many"), fresh_directory(f"{place.run}/many.cache")
        os.rmdir(store)
        make_store(place, store, names)
        brewfs = Brewfs(place, store=store, cache=cache, name=f"many-{names}")
        value = median(mounts(brewfs, place.rounds(7)))
        results.singles.append(Single(
            f"mount of {names:,} names", "index in the local cache", value, "ms", None, "",
            f"<= {limit} ms", value <= limit))
    brewfs.start()
    count = int(run(f"{place.tools}/wl", "walk", brewfs.root).split()[1])
    memory = brewfs.resident()
    brewfs.stop()
    results.singles.append(Single(
        f"memory of the daemon after a walk of {count:,} names", "", memory, "MiB", None, "",
        f"<= {MEMORY} MiB", memory <= MEMORY))
