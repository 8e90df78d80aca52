#!/usr/bin/env python3
"""SIGKILL at any moment of an install: the prefix is the old one or the new one, and the next install completes it."""

import os
import random
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import BREWFS, Sandbox, World, done, enter, equal, ok

MOMENTS = 40

enter()
world = World()
sandbox = Sandbox(world)
seed = int(os.environ.get("BREWFS_TEST_SEED", "0")) or random.randrange(1 << 30)
random.seed(seed)
print(f"# BREWFS_TEST_SEED={seed}")


def install(store, formulae):
    return subprocess.Popen([BREWFS, "install", "--store", store, "--target-glibc", "2.41", *formulae],
                            env=sandbox.environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                            stderr=subprocess.DEVNULL)


# How long a whole install takes here bounds the moments.
reference = sandbox.path("reference")
begin = time.monotonic()
equal(install(reference, ["proj", "po-many", "po-big"]).wait(), 0, "an install that nothing interrupts")
whole = time.monotonic() - begin
expected = sandbox.run("list", "--store", reference, "--versions").stdout

store = sandbox.path("killed")
equal(install(store, ["libexif"]).wait(), 0, "a first generation")
old = sandbox.run("list", "--store", store, "--versions").stdout
wrong = []
killed = finished = 0
for moment in range(MOMENTS):
    process = install(store, ["proj", "po-many", "po-big"])
    time.sleep(random.uniform(0, whole))
    process.send_signal(signal.SIGKILL)
    if process.wait() == 0:
        finished += 1
    else:
        killed += 1
    listed = sandbox.run("list", "--store", store, "--versions")
    if listed.returncode != 0 or (listed.stdout != old and not set(expected.split()) <= set(listed.stdout.split())):
        wrong.append(f"after kill {moment}: list says {listed.stdout}{listed.stderr}")
    if listed.stdout != old:
        # It got through: begin anew beside it, with nothing remembered.
        store = sandbox.path(f"killed-{moment}")
        install(store, ["libexif"]).wait()
    elif moment % 4 == 0:
        check = sandbox.run("fsck", "--store", store)
        if check.returncode != 0:
            wrong.append(f"after kill {moment}: fsck says\n{check.stdout}{check.stderr}")
print(f"# {killed} installs were killed, {finished} were faster")
ok(killed > MOMENTS // 4, "the kills hit", f"{killed} of {MOMENTS}")
ok(not wrong, "after each kill the prefix is the old one or the new one, and sound", "\n".join(wrong))

result = sandbox.run("install", "--store", store, "proj", "po-many", "po-big")
equal(result.returncode, 0, "the next install completes")
ok(set(expected.split()) <= set(sandbox.run("list", "--store", store, "--versions").stdout.split()),
   "with every formula")
result = sandbox.run("fsck", "--store", store)
ok(result.returncode == 0, "the store is sound", result.stdout + result.stderr)
equal(os.listdir(os.path.join(store, "staging")), [], "what the killed ones left under staging/ is gone")

# What was poured before the kill is not downloaded again.
fresh = sandbox.path("fresh")
install(fresh, ["libexif"]).wait()
process = install(fresh, ["po-twin-a", "po-many", "po-big"])
kegs = os.path.join(fresh, "kegs")


def remembered_kegs():
    """Kegs that the store remembers, libexif not counted."""
    return sum(name.endswith(".json") for name in os.listdir(kegs)) - 1


while process.poll() is None and remembered_kegs() < 1:
    time.sleep(0.002)
process.send_signal(signal.SIGKILL)
process.wait()
remembered = remembered_kegs()
before = len(world.log())
equal(sandbox.run("install", "--store", fresh, "po-twin-a", "po-many", "po-big").returncode, 0, "an install goes on")
fetched = [entry for entry in world.log()[before:] if "/blobs/" in entry.get("path", "")]
ok(len(fetched) <= 3 - min(remembered, 3), "and downloads only what the store did not have",
   f"{remembered} remembered, fetched {[entry['path'] for entry in fetched]}")
done()
