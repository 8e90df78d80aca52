#!/usr/bin/env python3
"""What an export costs on EFS, in bytes and round trips, beside a copy that follows all links: to make it, to make the
next one, and to start a program with 64 libraries from it. Counted on a model of EFS without its delays."""

import concurrent.futures
import json
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import PREFIX, SRCDIR, Sandbox, World, done, enter, equal, make_bottle, ok, says, wait_for

sys.path.insert(0, os.path.join(SRCDIR, "tests", "world"))
from elf import NATIVE, Compiler, Elf

SLOWFS = os.path.join(os.environ.get("builddir", SRCDIR), "tests", "bench", "slowfs")
COUNTERS = "user.slowfs.counters"
EFS = "/mnt/efs"
SEEN = f"{EFS}/lambda_packages"
FORMULAE = 16
TAB = {"homebrew_version": "5.1.20", "changed_files": [], "source_modified_time": 1700000000,
       "runtime_dependencies": []}

enter()
subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/mnt"], check=True)
os.makedirs(EFS)
world = World()
tempfile.tempdir = "/mnt"       # files are in memory
box = Sandbox(world)
compiler = Compiler(os.path.join(world.directory, "elf"))


class Slow:
    """A directory behind the model of EFS, freshly mounted: a context. Round trips are counted, not waited for."""

    def __init__(self, source, mountpoint=EFS):
        self.source, self.mountpoint = source, mountpoint

    def __enter__(self):
        subprocess.run([SLOWFS, "-o", "scale=0", self.source, self.mountpoint], check=True)
        if not wait_for(lambda: os.path.ismount(self.mountpoint)):
            raise SystemExit("slowfs does not mount")
        os.setxattr(self.mountpoint, COUNTERS, b"0")
        return self

    def __exit__(self, *_):
        subprocess.run(["umount", self.mountpoint], check=True)

    def trips(self):
        lines = [line.split() for line in os.getxattr(self.mountpoint, COUNTERS).decode().splitlines()]
        return int(lines[-1][1]), ", ".join(f"{count} {name}" for name, count, _ in lines[:-1] if int(count))


def say(text):
    print(f"# {text}", flush=True)


def allocated(*directories):
    """Bytes on the disk, each file once."""
    seen, total = set(), 0
    for top in directories:
        for directory, names, files in os.walk(top):
            for name in names + files:
                info = os.lstat(os.path.join(directory, name))
                if info.st_ino not in seen:
                    seen.add(info.st_ino)
                    total += info.st_blocks * 512
    return total


# --- 16 formulae of four libraries each, large enough to be objects, and a program that needs them all ---

def shared(name, number, needs=()):
    opt = sorted({f"@@HOMEBREW_PREFIX@@/opt/{need.formula}/lib" for need in needs})
    calls = "".join(f"int {need.function}(void);\n" for need in needs)
    body = " + ".join([str(number)] + [f"{need.function}()" for need in needs])
    elf = Elf(f"{calls}const char {name}_table[90000] = {{{number % 100}, 1}};\nint {name}(void) {{ return {body}; }}\n",
              "shared", f"lib{name}.so.1", needs=list(needs), rpath=opt + ["@@HOMEBREW_PREFIX@@/lib"])
    elf.function = name
    return elf


def formula(number):
    return f"efs-{number % FORMULAE}"


leaves = []
for i in range(FORMULAE * 3):
    leaves.append(shared(f"leaf{i}", i))
    leaves[-1].formula = formula(i)
middles = []
for i in range(FORMULAE):
    middles.append(shared(f"middle{i}", i, leaves[i * 3:i * 3 + 3]))
    middles[-1].formula = formula(i + 5)
program = Elf("".join(f"int middle{i}(void);\n" for i in range(FORMULAE)) + "#include <stdio.h>\nint main(void)\n{\n\tprintf(\"%d\\n\", "
              + " + ".join(f"middle{i}()" for i in range(FORMULAE)) + ");\n\treturn 0;\n}\n", needs=middles,
              rpath=[f"@@HOMEBREW_PREFIX@@/opt/{formula(i)}/lib" for i in range(FORMULAE)] + ["@@HOMEBREW_PREFIX@@/lib"],
              flags=["-Wl,--allow-shlib-undefined"])
SUM = str(sum(range(FORMULAE * 3)) + sum(range(FORMULAE)))


def build(elf):
    return compiler.build(elf, NATIVE)


with concurrent.futures.ThreadPoolExecutor(4) as pool:
    list(pool.map(build, leaves))
    list(pool.map(build, middles))


def bottle(name, version="1.0"):
    files = {}
    for elf in leaves + middles:
        if elf.formula == name:
            real = f"{elf.soname}.{version}"
            files[f"lib/{real}"] = build(elf)
            files[f"lib/{elf.soname}"] = ("link", real)
            files[f"lib/{elf.soname[:-2]}"] = ("link", elf.soname)
    files.update({f"include/{name}/{i}.h": f"/* {name} {i} {version} */\n" * 20 for i in range(20)})
    if name == formula(0):
        files["bin/efs-program"] = build(program)
    return make_bottle(box.directory, name, version, files, tab=TAB, tag=NATIVE)


efs = box.path("efs")
os.mkdir(efs)
box.store = os.path.join(efs, "store")
box.environment["BREWFS_STORE"] = box.store
box.installs("proj", "libexif", *[bottle(f"efs-{i}") for i in range(FORMULAE)], name="the bottles install")
before = allocated(efs)

# --- making it ---

with Slow(efs) as slow:
    result = box.run("export", SEEN, "--store", f"{EFS}/store", "--json")
    made = slow.trips()
ok(result.returncode == 0 and json.loads(result.stdout)["names"] == "hard", "a prefix is exported", says(result))
grown = allocated(efs) - before
flat = box.path("flat")
os.mkdir(flat)
box.mount()
with Slow(flat) as slow:
    subprocess.run(["cp", "-LR", PREFIX + "/.", EFS], stderr=subprocess.PIPE)
    copied = slow.trips()
box.umount()
say(f"export: {grown:,} bytes, {made[0]:,} round trips ({made[1]})")
say(f"cp -LR: {allocated(flat):,} bytes, {copied[0]:,} round trips ({copied[1]})")
ok(grown * 2 < allocated(flat), "it takes less than half of the bytes of a copy that follows links",
   f"{grown:,} and {allocated(flat):,}")
ok(made[0] * 2 < copied[0], "in less than half of the round trips", f"{made} and {copied}")

# --- starting a program ---


def start(source, mountpoint, path, environment=None):
    with Slow(source, mountpoint) as slow:
        result = subprocess.run([path], env=environment or {}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        trips = slow.trips()
    ok(result.stdout.strip() == SUM, f"the program runs from {path}", says_run(result))
    return trips


def says_run(result):
    return f"exit status {result.returncode}\n{result.stdout}"


hard = start(efs, EFS, f"{SEEN}/bin/efs-program")
flattened = start(flat, PREFIX, f"{PREFIX}/bin/efs-program")
result = box.run("export", os.path.join(efs, "symbolic"), "--prefix", f"{EFS}/symbolic", "--links", "symbolic")
symbolic = start(efs, EFS, f"{EFS}/symbolic/bin/efs-program")
say(f"start of a program with {len(leaves) + len(middles)} libraries: {hard[0]:,} round trips from the export ({hard[1]})")
say(f"from the copy that follows links {flattened[0]:,} ({flattened[1]})")
say(f"from an export with symbolic links {symbolic[0]:,} ({symbolic[1]})")
ok(hard[0] < flattened[0], "a program with 64 libraries starts in fewer round trips than from the copy",
   f"{hard} and {flattened}")

# --- the next ones ---

box.installs(bottle(formula(3), "1.1"), name="one formula changes")
with Slow(efs) as slow:
    result = box.run("export", SEEN, "--store", f"{EFS}/store", "--json")
    second = slow.trips()
counts = json.loads(result.stdout)["counts"]
say(f"the next export, one formula changed: {second[0]:,} round trips ({second[1]}); {counts}")
ok(counts["copied"] < 60 and counts["reused"] > 500, "the next export writes the files of the formula that changed", counts)
box.installs(bottle(formula(3), "1.2"), name="it changes once more")
with Slow(efs) as slow:
    result = box.run("export", SEEN, "--store", f"{EFS}/store", "--json")
    third = slow.trips()
counts = json.loads(result.stdout)["counts"]
say(f"the one after that: {third[0]:,} round trips ({third[1]}); {counts}")
ok(third[0] * 3 < made[0], "from the third on, an export makes what is not wanted any more into the new one",
   f"{third} and {made}")
with Slow(efs) as slow:
    result = box.run("export", SEEN, "--store", f"{EFS}/store", "--json")
    nothing = slow.trips()
ok(result.returncode == 0 and not json.loads(result.stdout)["changed"] and nothing[0] < 60,
   "and one with nothing to do costs nearly nothing", nothing)
start(efs, EFS, f"{SEEN}/bin/efs-program")
done()
