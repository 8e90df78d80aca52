#!/usr/bin/python3
"""Measures brewfs against other filesystems; see --help, and the README.

Everything happens in a mount and process namespace of its own: when this ends, however it ends, its
mounts and daemons are gone. Nothing outside --work is written but --json.
"""
import argparse
import ctypes
import fcntl
import os
import shutil
import signal
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
sys.path.insert(0, HERE)

import corpus as corpora        # noqa: E402
import efs                      # noqa: E402
import exports                  # noqa: E402
import filesystems              # noqa: E402
import installs                 # noqa: E402
import machine                  # noqa: E402
import million                  # noqa: E402
import peers                    # noqa: E402
import results as shown         # noqa: E402
import start                    # noqa: E402
import writes                   # noqa: E402
from machine import Failure, run, say   # noqa: E402

SECTIONS = ("hot", "fresh", "start", "cold", "memory", "sizes", "install", "changes", "million",
            "writes", "efs", "export")
INSIDE = "BREWFS_BENCH_INSIDE"
NEEDED = ("dpkg-deb", "apt-get", "tar", "gzip", "g++", "unshare", "openssl", "du", "cp")
DEFAULT_WORK = "/var/tmp/brewfs-bench"


class Place:
    """Where things are, and how much is measured."""

    def __init__(self, arguments, size):
        self.work = arguments.work
        self.run = f"{arguments.work}/run"
        self.mounts = f"{self.run}/m"
        self.brewfs = arguments.brewfs
        self.tools = arguments.tools
        self.quick = not arguments.full
        self.wanted_rounds = arguments.rounds
        self.brewfs_options = arguments.options
        self.corpus = corpora.Corpus(arguments.work, size)
        self.store = f"{self.run}/store"
        self.cache = f"{self.run}/cache"
        self.plain = None       # the tree on the disk, a Filesystem
        for path in (self.mounts, f"{self.run}/runtime", f"{self.run}/home"):
            os.makedirs(path, exist_ok=True)

    def rounds(self, number, name=None, least=1):
        """How often something is measured; whole compilations less often."""
        if self.wanted_rounds:
            return max(least, self.wanted_rounds)
        return max(3, number // 2) if name == peers.PROGRAMS[-1] else number

    def environment(self, cache):
        """For brewfs and programs: nothing of the user's own store, cache or settings."""
        env = {k: v for k, v in os.environ.items()
               if not k.startswith(("BREWFS_", "HOMEBREW_", "XDG_", "PYTHON", "LD_"))}
        env.update(BREWFS_CACHE=cache, XDG_RUNTIME_DIR=f"{self.run}/runtime",
                   HOME=f"{self.run}/home", LC_ALL="C")
        return env


def parse(argv):
    parser = argparse.ArgumentParser(
        prog="bench.py", description="Measures brewfs against other filesystems.")
    parser.add_argument("--brewfs", required=True, help="the program to measure")
    parser.add_argument("--tools", required=True, help="directory of wl and slowfs")
    parser.add_argument("--work", default=os.environ.get("BREWFS_BENCH_DIR", DEFAULT_WORK),
                        help="where packages, bottles and trees are kept; 4 GB, 40 GB with --full")
    parser.add_argument("--json", default="bench.json", help="file for the rows")
    parser.add_argument("--full", action="store_true", help="more rounds, and the big corpus too")
    parser.add_argument("--corpus", choices=("small", "big"), help="only this one")
    parser.add_argument("--rounds", type=int, help="rounds of each measurement")
    parser.add_argument("--only", help="sections, separated by commas: " + " ".join(SECTIONS))
    parser.add_argument("--options", help="options for brewfs mount -o")
    parser.add_argument("--also", action="append", default=[], metavar="OPTIONS",
                        help="another mount of brewfs, with these options, beside the others")
    arguments = parser.parse_args(argv)
    arguments.corpora = [arguments.corpus] if arguments.corpus else \
        ["small", "big"] if arguments.full else ["small"]
    arguments.sections = arguments.only.split(",") if arguments.only else list(SECTIONS)
    if set(arguments.sections) - set(SECTIONS):
        parser.error("the sections are " + " ".join(SECTIONS))
    for name in ("brewfs", "tools", "work", "json"):
        setattr(arguments, name, os.path.abspath(getattr(arguments, name)))
    return arguments


# --- outside: a namespace around the run, and a clean end ---

def check(arguments):
    """What would make the run fail late."""
    if os.geteuid() != 0:
        raise Failure("it mounts filesystems and empties the kernel's caches: run it as root")
    missing = [program for program in NEEDED if not machine.have(program)]
    if missing:
        raise Failure(f"programs are missing: {' '.join(missing)}")
    if not os.path.exists("/dev/fuse"):
        raise Failure("this machine has no /dev/fuse")
    for tool in ("wl", "slowfs"):
        if not os.access(f"{arguments.tools}/{tool}", os.X_OK):
            raise Failure(f"{arguments.tools}/{tool} is missing; 'make bench' builds it")
    for command in ("install", "mount", "umount"):
        if subprocess.run([arguments.brewfs, command, "--help"], capture_output=True,
                          check=False).returncode:
            raise Failure(f"{arguments.brewfs} has no command '{command}'")


def die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)          # PR_SET_PDEATHSIG


def outside(arguments):
    """Runs this program again in namespaces. sh is their init: it reaps what daemons leave."""
    os.makedirs(arguments.work, exist_ok=True)
    lock = open(f"{arguments.work}/lock", "w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise Failure(f"{arguments.work} is in use by another run") from None
    shutil.rmtree(f"{arguments.work}/run", ignore_errors=True)
    command = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc",
               "--propagation", "slave", "sh", "-c", '"$@"; exit $?', "sh", sys.executable,
               os.path.abspath(__file__), *sys.argv[1:]]
    child = subprocess.Popen(command, env={**os.environ, INSIDE: "1"}, preexec_fn=die_with_parent)

    def end(*_):
        child.kill()
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, end)
    try:
        status = child.wait()
    finally:
        shutil.rmtree(f"{arguments.work}/run", ignore_errors=True)
    return 128 - status if status < 0 else status


# --- inside ---

def use_ext4(arguments):
    """The goals are ratios to ext4: where the work directory is on something else, an image."""
    os.makedirs(f"{arguments.work}/run", exist_ok=True)
    if run("stat", "-f", "-c", "%T", arguments.work).strip() == "ext2/ext3":
        return
    say("The work directory is not on ext4: using an image of it")
    image, base = f"{arguments.work}/ext4.img", f"{arguments.work}/ext4"
    os.makedirs(base, exist_ok=True)
    if not os.path.exists(image):
        run("truncate", "-s", "60G" if arguments.full else "8G", image)
        run("mkfs.ext4", "-q", "-F", image)
    run("mount", "-o", "loop", image, base)
    shutil.rmtree(f"{base}/run", ignore_errors=True)
    arguments.work = base


def measure(arguments, size, results):
    """All sections with one corpus."""
    place = Place(arguments, size)
    place.corpus.prepare()
    say(f"Pouring {len(place.corpus.formulae)} bottles")
    seconds = installs.install(place, place.store, place.cache, *place.corpus.paths())
    say(f"  {seconds:.1f} s")
    brewfs = filesystems.Brewfs(place)
    brewfs.start()
    place.corpus.lay_out(brewfs.root)
    brewfs.stop()
    chosen, results.skipped = filesystems.choose(place, arguments.also)
    for name, reason in results.skipped.items():
        say(f"  without {name}: {reason}")
    place.plain = chosen[0]
    sections = {"hot": lambda: peers.hot(place, chosen, results),
                "fresh": lambda: peers.fresh(place, chosen, results),
                "start": lambda: start.measure(place, results),
                "cold": lambda: peers.cold(place, chosen, results),
                "memory": lambda: peers.memory(place, chosen, results),
                "sizes": lambda: peers.sizes(place, results),
                "install": lambda: installs.local(place, results),
                "changes": lambda: installs.changes(place, results),
                "million": lambda: million.measure(place, results),
                "writes": lambda: writes.measure(place, results),
                "efs": lambda: efs.measure(place, results),
                "export": lambda: exports.measure(place, results)}
    for name in arguments.sections:
        try:
            sections[name]()
        except Failure as failure:
            say(f"bench: {name}: {failure}")
            results.failures.append(name)
            filesystems.unmount_all(place.mounts)
    return [filesystem.name for filesystem in chosen]


def show(machine_facts, warning, results, names):
    facts = machine_facts
    print(f"\n{facts['corpus']} corpus, {facts['names']:,} names. Kernel {facts['kernel']}, "
          f"{facts['system']}, {facts['cores']} x {facts['processor']}, {facts['memory_mib']} MiB. "
          f"Load average {facts['load_average_before'][0]:.2f} before, "
          f"{facts['load_average_after'][0]:.2f} after; {facts['stolen']:.1%} stolen.")
    if warning:
        print(f"WARNING: {warning} Ratios are of one run; trust none of them far.")
    if results.samples:
        print("\nTimes as fast as ext4 in the same rounds (median; half the distance of the "
              "quartiles where >= 5 %):\n")
        print(shown.peers_table(results, names))
    if results.singles:
        print()
        print(shown.singles_table(results))
    for name, reason in results.skipped.items():
        print(f"\nNot measured: {name} ({reason})")
    for name in results.failures:
        print(f"\nThe section '{name}' failed; what it measured before is shown.")
    count, missed = shown.missed(results)
    print(f"\n{count - len(missed)} of {count} goals met."
          + ("" if not missed else " Missed: " + "; ".join(missed) + "."))


def inside(arguments):
    use_ext4(arguments)
    machine_facts, status = machine.facts(), 0
    for size in arguments.corpora:
        load, results = machine.Load(), shown.Results()
        if load.warning():
            say(f"WARNING: {load.warning()}")
        names = measure(arguments, size, results)
        machine_facts.update(load.finish(), corpus=size,
                             names=corpora.Corpus(arguments.work, size).count())
        show(machine_facts, load.warning(), results, names)
        path = arguments.json
        if size != arguments.corpora[0]:
            path = f"-{size}".join(os.path.splitext(path))
        shown.write_json(results, path, machine_facts)
        say(f"Rows: {path}")
        shutil.rmtree(f"{arguments.work}/run", ignore_errors=True)
        status |= bool(results.failures)
    return status


def main():
    arguments = parse(sys.argv[1:])
    try:
        if os.environ.pop(INSIDE, None):
            return inside(arguments)
        check(arguments)
        return outside(arguments)
    except Failure as failure:
        say(f"bench: {failure}")
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
