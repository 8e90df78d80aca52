#!/usr/bin/env python3
"""Bottles and documents that nobody should trust: each is refused with a message, and nothing is lost."""

import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import Sandbox, World, done, enter, equal, ok

enter()
world = World()
sandbox = Sandbox(world)


def expectations():
    """(formula, refuse|accept|either, what) of every hostile bottle of the world."""
    for row in world.table("hostile.tsv"):
        yield row["name"], row["expected"], row["what"]
    for row in world.table("formulae.tsv"):
        if row["name"].startswith("elf-"):
            yield row["name"], "either", row["exercises"]


def is_sound():
    """Nothing but whole generations: fsck finds nothing, and what was there is there still."""
    return sandbox.run("fsck").returncode == 0


def published_nothing(before, name):
    return equal(sandbox.generation(), before, f"{name}: the generation stays as it was")


sandbox.must("install", "--target-glibc", "2.41", "libexif")
start = sandbox.generation()
ok(start == 1, "a sound formula is installed first")

for formula, expected, what in expectations():
    before = sandbox.generation()
    result = sandbox.run("install", formula, timeout=120)
    said = result.stdout + result.stderr
    if expected == "refuse":
        ok(result.returncode == 1 and "Error: " in result.stderr and formula in result.stderr,
           f"{formula} ({what}) is refused with a message that names it",
           f"exit status {result.returncode}\n{said}")
        published_nothing(before, formula)
    elif expected == "accept":
        ok(result.returncode == 0, f"{formula} ({what}) pours", said)
    else:
        ok(result.returncode in (0, 1) and "Sanitizer" not in said,
           f"{formula} ({what}) is poured or refused, not died of",
           f"exit status {result.returncode}\n{said}")
        if result.returncode == 1:
            published_nothing(before, formula)
    ok(not os.path.lexists("/tmp/brewfs-world-escape"), f"{formula}: nothing was written outside the store")

ok(is_sound(), "the store is sound after all of them", sandbox.run("fsck").stdout)
leftovers = os.listdir(os.path.join(sandbox.store, "staging"))
equal(leftovers, [], "nothing is left in staging/")

# --- the network ---

FAULTS = [
    ("blobs", "corrupt:100", "a byte of the bottle is another", "SHA-256"),
    ("blobs", "status:404", "the bottle is gone", "404"),
    ("blobs", "status:500", "the server fails, and goes on failing", "500"),
    ("blobs", "truncate:10", "the bottle is cut short each time", ""),
    ("manifests", "body:{", "the manifest is no JSON", ""),
]
for pattern, action, what, word in FAULTS:
    formula = "md-leaf-a"
    before = sandbox.generation()
    world.fault("clear")
    world.fault("add", pattern, action)
    result = sandbox.run("install", formula, environment={"BREWFS_STALL_TIMEOUT": "2", "BREWFS_RETRY_DELAY": "10"})
    ok(result.returncode == 1 and word in result.stderr and formula in result.stderr,
       f"{what}: an error that says so", f"exit status {result.returncode}\n{result.stdout}{result.stderr}")
    published_nothing(before, what)
world.fault("clear")
world.fault("add", "blobs", "truncate:1000", "--times", "1")
result = sandbox.run("install", "md-leaf-b", environment={"BREWFS_RETRY_DELAY": "10"})
ok(result.returncode == 0, "a download that breaks once is resumed", result.stdout + result.stderr)
world.fault("clear")

# --- the store ---

damaged = sandbox.path("damaged")
shutil.copytree(sandbox.store, damaged)
with open(os.path.join(damaged, "store.json"), "w", encoding="utf-8") as file:
    file.write('{"format": 3, "uuid": "x", "prefix": "/"}')
result = sandbox.run("install", "--store", damaged, "md-leaf-c")
ok(result.returncode == 1 and "newer" in result.stderr, "a store of a newer format is refused", result.stderr)
result = sandbox.run("list", "--store", damaged)
ok(result.returncode == 1 and "newer" in result.stderr, "by the reading commands as well", result.stderr)
result = sandbox.run("mount", damaged, sandbox.path("mnt"))
ok(result.returncode == 1 and "newer" in result.stderr, "and by mount", result.stderr)
shutil.rmtree(damaged)

image, small = sandbox.path("small.img"), sandbox.path("small")
os.mkdir(small)
with open(image, "wb") as file:
    file.truncate(24 * 1024 * 1024)
subprocess.run(["mkfs.ext4", "-q", "-F", image], check=True)
subprocess.run(["mount", "-o", "loop", image, small], check=True)
sandbox.mounts.append(small)
full = os.path.join(small, "store")
equal(sandbox.run("install", "--store", full, "--target-glibc", "2.41", "libexif").returncode, 0, "a small store takes a small formula")
result = sandbox.run("install", "--store", full, "po-big")
ok(result.returncode == 1 and "No space left" in result.stderr,
   "a full disk is told by its name", result.stdout + result.stderr)
equal(sandbox.run("list", "--store", full).stdout.split(), ["libexif"], "and leaves what was there")
equal(sandbox.run("fsck", "--store", full).returncode, 0, "a store on a full disk is sound")

done()
