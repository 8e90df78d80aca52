#!/usr/bin/env python3
"""brewfs export: trees of real files, the switch between them, closures, another prefix, targets, traces."""

import hashlib
import json
import os
import random
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import PREFIX, SRCDIR, Sandbox, World, done, enter, equal, make_bottle, ok, says

sys.path.insert(0, os.path.join(SRCDIR, "tests", "world"))
from elf import NATIVE, Compiler, Elf

SEEN = "/mnt/efs/lambda_packages"       # where exports are seen, as in a Lambda function
TAB = {"homebrew_version": "5.1.20", "changed_files": [], "source_modified_time": 1700000000,
       "runtime_dependencies": []}

enter()
subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/mnt"], check=True)
os.makedirs("/mnt/efs")
world = World()
# In memory: an export makes sure that its files are on the disk, which may be busy with others.
tempfile.tempdir = "/mnt"
box = Sandbox(world)
compiler = Compiler(os.path.join(world.directory, "elf"))
out = box.path("out")


def export(*arguments, where=out, prefix=SEEN, **options):
    """The report of an export that has to succeed."""
    result = box.run("export", where, "--prefix", prefix, "--json", *arguments, **options)
    if result.returncode != 0:
        ok(False, "brewfs export " + " ".join(arguments), says(result))
        return None
    return json.loads(result.stdout)


def tree(top):
    """{path: ("file", digest), ("link", target) or ("directory",)} of what is below a directory."""
    found = {}
    for directory, directories, files in os.walk(top):
        for name in directories + files:
            path = os.path.join(directory, name)
            mode = os.lstat(path).st_mode
            if stat.S_ISLNK(mode):
                entry = ("link", os.readlink(path))
            elif stat.S_ISDIR(mode):
                entry = ("directory",)
            else:
                with open(path, "rb") as file:
                    entry = ("file", hashlib.sha256(file.read()).hexdigest())
            found[os.path.relpath(path, top)] = entry
    found.pop(".brewfs-export", None)
    return found


def at_home(command, where=out, **options):
    """Runs a command while the export is where it says it is."""
    os.makedirs(SEEN, exist_ok=True)
    subprocess.run(["mount", "--bind", os.path.realpath(where), SEEN], check=True)
    try:
        return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    finally:
        subprocess.run(["umount", SEEN], check=True)


def bottle(name, version, files, needs=()):
    tab = dict(TAB, runtime_dependencies=[
        {"full_name": need, "version": "1.0", "revision": 0, "pkg_version": "1.0", "declared_directly": True}
        for need in needs])
    return make_bottle(box.directory, name, version, files, tab=tab, tag=NATIVE)


# --- bottles of our own: a library with data, one that is keg-only, a big one, a program ---

LIB = "@@HOMEBREW_PREFIX@@/lib"
data_source = f'''#include <stdio.h>
int exp_data(char *line, int size)
{{
	FILE *f = fopen("{PREFIX}/share/exp-data/words", "r");
	int r = f && fgets(line, size, f) != NULL;
	if (f)
		fclose(f);
	return r;
}}
'''
data = Elf(data_source, "shared", "libexpdata.so.1", rpath=[LIB])
hidden = Elf("int exp_hidden(void) { return 42; }\n", "shared", "libexphidden.so.2", rpath=[LIB])
hidden.opt = "@@HOMEBREW_PREFIX@@/opt/exp-hidden/lib"
program = Elf('''#include <stdio.h>
int exp_data(char *line, int size);
int exp_hidden(void);
int main(void)
{
	char line[64] = "";
	int r = exp_data(line, sizeof(line));
	printf("%d %d %s", r, exp_hidden(), line);
	return 0;
}
''', needs=[data, hidden], rpath=["@@HOMEBREW_PREFIX@@/opt/exp-data/lib", hidden.opt, LIB])
build = lambda elf: compiler.build(elf, NATIVE)
big = os.urandom(200000)
KEG_ONLY = 'class ExpHidden < Formula\n  keg_only "it is a test"\nend\n'
bottles = [
    bottle("exp-data", "1.0", {
        "lib/libexpdata.so.1": build(data), "lib/libexpdata.so": ("link", "libexpdata.so.1"),
        "share/exp-data/words": "hello from the data\n", "etc/exp-data/settings": f"prefix = {PREFIX}\n"}),
    bottle("exp-hidden", "1.0", {"lib/libexphidden.so.2": build(hidden), ".brew/exp-hidden.rb": KEG_ONLY}),
    bottle("exp-big", "1.0", {f"share/exp-big/{i}": big for i in range(12)}),
    bottle("exp-tool", "1.0", {
        "bin/exp-tool": build(program), "share/exp-tool/big.py": b"#" + b"x" * 70000,
        "bin/exp-script": f"#!{PREFIX}/bin/exp-tool\n", "lib/exp-absolute": ("link", f"{PREFIX}/lib/libexpdata.so.1"),
    }, needs=["exp-data", "exp-hidden"]),
]
box.installs("proj", "libexif", *bottles, name="the bottles install")

# --- all of a prefix ---

report = export()
copy = tree(out + "/")
with box.look() as view:
    original = {path: entry for path, entry in tree(view.root).items() if path != "lib/ld.so"}
ours = {"lib/ld.so", "bin/brewfs-lambda", "bin/ld", "bin/objdump"}
equal(set(copy) - set(original) - ours, {"lib/libexphidden.so.2"}, "the export has the names of the prefix, and a name "
      "in lib for a library of a keg-only formula")
equal(set(original) - set(copy), set(), "all of them")
PADDED = (SEEN + "//").encode()
ok(len(PADDED) == len(PREFIX), "the path and its slashes are as long as the prefix")


def content(path):
    with open(path, "rb") as file:
        return file.read()


wrong, absolute, holds = [], [], []
with box.look() as view:
    for path, entry in original.items():
        if entry[0] == "link" and copy[path][0] == "link":
            there = os.path.normpath(os.path.join(os.path.dirname(path), entry[1].replace(PREFIX, os.path.relpath(
                "/", "/" + os.path.dirname(path))) if entry[1].startswith(PREFIX) else entry[1]))
            here = os.path.normpath(os.path.join(os.path.dirname(path), copy[path][1]))
            if here != there:
                wrong.append(f"{path}: {entry[1]}, {copy[path][1]}")
        elif copy[path][0] == "file" and not path.endswith((".so.1", ".so.2", "exp-tool")) and ".so" not in path \
                and not path.startswith(("bin/", "Cellar")):
            if content(view.path(path)).replace(PREFIX.encode(), PADDED) != content(os.path.join(out, path)):
                wrong.append(path)
for path, entry in copy.items():
    if entry[0] == "link" and os.path.isabs(entry[1]) and path != "lib/ld.so":
        absolute.append(path)
    if entry[0] == "file" and PREFIX.encode() in content(os.path.join(out, path)):
        holds.append(path)
equal(wrong, [], "links lead where they led, files have their bytes with the other prefix")
equal(absolute, [], "no link is absolute")
equal(holds, [], "no file holds the old prefix")
equal(report["names"], "hard", "beside the store names in lib and bin are hard")
equal([path for path, entry in copy.items() if path.startswith("lib/lib") and entry[0] == "link"], [],
      "so no library in lib is a link")
info = os.stat(os.path.join(out, "share/exp-big/3"))
with box.look() as view:
    mtime = os.stat(view.path("share/exp-tool/big.py")).st_mtime
objects = {os.stat(os.path.join(root, name)).st_ino for root, _, names in os.walk(os.path.join(box.store, "objects"))
           for name in names}
ok(info.st_ino in objects, "a big file is the store's object")
ok(os.stat(os.path.join(out, "share/exp-tool/big.py")).st_mtime == mtime, "a source of Python keeps its time")
result = at_home([f"{SEEN}/bin/exp-tool"], env={})
equal((result.returncode, result.stdout), (0, "1 42 hello from the data\n"),
      "a program runs with no environment, finds its libraries and opens its data by an absolute path")
result = at_home(["python3", "-c", "import ctypes, ctypes.util as u; print(u.find_library('expdata'), "
                  f"u.find_library('exphidden'), ctypes.CDLL('{SEEN}/lib/libexphidden.so.2').exp_hidden())"],
                 env={"PATH": f"{SEEN}/bin:/usr/bin:/bin"})
ok("libexphidden.so.2" in result.stdout and " 42" in result.stdout, "find_library finds them", result.stdout)
rpath = subprocess.run(["readelf", "-d", os.path.join(out, "bin/exp-tool")], stdout=subprocess.PIPE, text=True).stdout
ok(f"[{SEEN}///lib]" in rpath, "the RPATH has no directory but lib, where everything is", rpath)
equal(box.run("fsck").returncode, 0, "the store is sound")

# --- again ---

before = os.stat(out + "/").st_ino
report = export()
ok(report and not report["changed"] and os.stat(out + "/").st_ino == before, "again: nothing to do", report)
box.installs("jq")
report = export()
counts = report["counts"]
with box.look() as view:
    new = [path for path in tree(view.root) if "jq" in path or "onig" in path]
ok(counts["copied"] <= len(new) and counts["copied"] > 0,
   "after an install only its files are written", f"{counts}\n{len(new)} new names")
old = {path: entry for path, entry in copy.items() if entry[0] == "file"}
same = [path for path in old if os.stat(os.path.join(out, path)).st_ino == os.stat(
    os.path.join(out + ".1", path)).st_ino]
equal(set(old) - set(same) - {path for path, entry in tree(out + "/").items() if entry != copy.get(path)}, set(),
      "every other file is a link to that of the tree before")
equal(sorted(name for name in os.listdir(box.directory) if name.startswith("out.")), ["out.1", "out.2"],
      "the old tree is kept")
expected = tree(out + "/")
box.installs(bottle("exp-more", "1.0", {"share/exp-more/a": "a\n", "share/exp-more/b": big[:70000]}))
report = export()
counts = report["counts"]
touched = counts["copied"] + counts["reused"] + counts["from_store"] + counts["further_names"] + counts["made"] + \
    counts["removed"]
ok(counts["kept"] > len(expected) * 9 / 10 and touched < len(expected) / 3,
   "the next one makes the oldest tree into the new one, and touches what differs", counts)
third = tree(out + "/")
equal(set(third) - set(expected) >= {"share/exp-more", "Cellar/exp-more"}, True, "it has the new formula")
shutil.rmtree(box.path("fresh"), ignore_errors=True)
export(where=box.path("fresh"))
equal(tree(box.path("fresh") + "/"), third, "and is the same as one made from nothing")
equal(sorted(name for name in os.listdir(box.directory) if name.startswith("out.")), ["out.2", "out.3"], "two are kept")
report = export("--generation", "1")
equal({path for path in tree(out + "/")}, set(copy), "an older generation")
ok(box.run("export", out, "--prefix", SEEN, "--generation", "99").returncode == 1, "one that is not there is an error")
export("--keep", "0")
equal([name for name in os.listdir(box.directory) if name.startswith("out.")],
      [os.readlink(out)], "--keep=0 leaves one tree")

# --- readers, and exports that are killed ---

misses = []
reading = threading.Event()


def read():
    while not reading.is_set():
        try:
            with open(os.path.join(out, "lib/libexif.so.12"), "rb") as file:
                file.read(16)
        except OSError as error:
            misses.append(str(error))


reader = threading.Thread(target=read)
reader.start()
for generation in ("1", "2", "3", "1", "3"):
    export("--generation", generation)
reading.set()
reader.join()
equal(misses, [], "whoever opens a file finds it while exports are switched")
export("--generation", "1", "--keep", "0")
whole = tree(out + "/")
for milliseconds in (3, 8, 15, 25, 40, 60, 90):
    process = subprocess.Popen([os.environ["BREWFS"], "export", out, "--prefix", SEEN, "--generation", "3"],
                               env=box.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(milliseconds / 1000)
    process.send_signal(signal.SIGKILL)
    process.wait()
    found = tree(out + "/")
    if found not in (whole, third):
        ok(False, f"killed after {milliseconds} ms: the tree is neither the old nor the new one")
export("--generation", "3")
equal(tree(out + "/"), third, "after killed exports the next one is right")
equal([name for name in os.listdir(box.directory) if "partial" in name], [], "and has removed what they left")

# --- two at once, a full disk, an ordinary user ---

both = [subprocess.Popen([os.environ["BREWFS"], "export", out, "--prefix", SEEN, "--generation", generation],
                         env=box.environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) for generation in "13"]
equal([process.wait() for process in both], [0, 0], "two exports at once: one waits for the other")
for process in both:
    process.stderr.close()
ok(tree(out + "/") in (whole, third), "and the tree is that of one of them")
export("--generation", "3")
small = "/mnt/small"
os.makedirs(small)
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", small], check=True)
export("--formula", "libexif", "--only", "lib", where=f"{small}/out")
kept = tree(f"{small}/out/")
result = box.run("export", f"{small}/out", "--prefix", SEEN)
ok(result.returncode == 1 and "No space left" in result.stderr, "a full disk is an error that says where", says(result))
equal((tree(f"{small}/out/"), [name for name in os.listdir(small) if "partial" in name]), (kept, []),
      "what was there stays, and nothing else is left")
subprocess.run(["umount", small], check=True)
user = box.path("user")
os.mkdir(user)
os.chown(user, 65534, 65534)
os.chmod(box.directory, 0o755)
command = [os.environ["BREWFS"], "export", "--formula", "libexif", "--formula", "exp-big", "--prefix", SEEN, f"{user}/out"]
result = subprocess.run(["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", *command], text=True, env={
    **box.environment, "HOME": user, "BREWFS_CACHE": f"{user}/cache"}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
ok(result.returncode == 0 and content(f"{user}/out/share/exp-big/1") == big, "an ordinary user exports what they can read",
   result.stdout)

# --- what is refused ---

for arguments, words, name in (
        ((box.path("a"), "--prefix", "/a/path/that/is/longer/than/the/prefix"), ["26", "--prefix"], "a longer path"),
        ((box.path("a"), "--prefix", "relative"), ["absolute"], "a path that is relative"),
        ((box.store, "--prefix", SEEN), ["not made by brewfs export"], "a directory that is something else"),
        ((box.path("a"), "--prefix", SEEN, "--formula", "nonsense"), ["nonsense", "not installed"], "no such formula"),
        ((box.path("a"), "--prefix", SEEN, "--only", "nonsense"), ["nonsense"], "no such directory"),
        ((box.path("a"), "--prefix", SEEN, "--target", "lambda-cobol"), ["lambda-python3.13"], "no such target"),
        ((box.path("a"), "--prefix", SEEN, "--trace", "/dev/null"), ["/dev/null"], "an empty trace")):
    result = box.run("export", *arguments)
    ok(result.returncode == 1 and not [word for word in words if word not in result.stderr], f"refused: {name}",
       says(result))
equal([name for name in os.listdir(box.directory) if name.startswith("a.")], [], "which leaves nothing")
equal(box.run("export", out, "--links", "soft").returncode, 2, "a kind of links that is none")
equal(box.run("export", out, "--trace", "x", "--only", "lib").returncode, 2, "a trace and directories")
long = os.path.join(box.directory, "a-directory-with-a-long-name")
result = box.run("export", long)
ok(result.returncode == 1 and "choose a shorter --prefix" in result.stderr, "without --prefix it is DIR", says(result))

# --- links ---

limited = box.path("limited")
export("--formula", "exp-big", where=limited, environment={"BREWFS_LINK_LIMIT": "3"})
links = [os.stat(os.path.join(limited, f"Cellar/exp-big/1.0/share/exp-big/{i}")) for i in range(12)]
ok(max(info.st_nlink for info in links) <= 3 and len({info.st_ino for info in links}) >= 4,
   "no file gets more links than the limit", [info.st_nlink for info in links])
equal({content(os.path.join(limited, f"share/exp-big/{i}")) for i in range(12)}, {big}, "and all have their bytes")
plain = box.path("plain")
report = export("--links", "symbolic", where=plain)
with box.look() as view:
    equal({path for path, entry in tree(plain + "/").items() if entry[0] == "link"} - {"lib/ld.so"},
          {path for path, entry in tree(view.root).items() if entry[0] == "link"} - {"lib/ld.so"},
          "--links=symbolic: every link is a link")
shared = "/mnt/other"
os.makedirs(shared)
subprocess.run(["mount", "-t", "tmpfs", "tmpfs", shared], check=True)
report = export(where=f"{shared}/out")
equal((report["names"], report["counts"]["from_store"]), ("symbolic", 0), "on another filesystem everything is copied")
modes, times = [], []
with box.look() as view:
    for path, entry in tree(view.root).items():
        if entry[0] == "file" and not path.startswith("lib/ld.so"):
            a, b = os.stat(view.path(path)), os.stat(f"{shared}/out/{path}")
            modes += [path] if stat.S_IMODE(a.st_mode) != stat.S_IMODE(b.st_mode) else []
            times += [path] if a.st_mtime_ns != b.st_mtime_ns else []
equal((modes, times), ([], []), "with its mode and time")
result = at_home([f"{SEEN}/bin/exp-tool"], where=f"{shared}/out", env={})
equal(result.stdout, "1 42 hello from the data\n", "and runs")
subprocess.run(["mount", "--bind", box.store, box.store], check=True)
subprocess.run(["mount", "-o", "remount,bind,ro", box.store], check=True)
report = export("--formula", "libexif", where=f"{shared}/exif", environment={"BREWFS_CACHE": box.path("other-cache")})
ok(report and os.path.exists(f"{shared}/exif/lib/libexif.so.12"), "a store that cannot be written can be exported")
equal([name for name in os.listdir(os.path.join(box.store, "staging"))], [], "and stays as it is")
subprocess.run(["umount", box.store], check=True)

# --- closures ---

some = box.path("some")
export("--formula", "exp-tool", where=some)
names = tree(some + "/")
equal(sorted(os.listdir(os.path.join(some, "Cellar"))), ["exp-data", "exp-hidden", "exp-tool"],
      "a formula with its dependencies")
equal([path for path in ("opt/exp-tool", "opt/exp-hidden", "share/exp-data/words", "bin/exp-script", "etc/exp-data/settings")
       if not os.path.exists(os.path.join(some, path))], [], "their names in the prefix")
equal([path for path in names if "exif" in path or "proj" in path], [], "and nothing else")
equal(at_home([f"{SEEN}/bin/exp-tool"], where=some, env={}).stdout, "1 42 hello from the data\n", "which runs")
export("--formula", "exp-tool", "--only", "lib", where=some)
names = tree(some + "/")
equal([path for path in names if path.startswith(("share", "etc", "bin/exp", "Cellar/exp-tool/1.0/bin"))], [],
      "--only=lib has no other directory")
ok("lib/libexpdata.so.1" in names and os.path.exists(os.path.join(some, "opt/exp-hidden/lib/libexphidden.so.2")),
   "but all libraries, those of keg-only formulae in opt", sorted(names))
export("--only", "bin", where=some)
ok({"lib/libexpdata.so.1", "lib/libexphidden.so.2", "bin/exp-tool"} <= set(tree(some + "/")),
   "--only=bin brings the libraries that the programs need")
export("--formula", "exp-tool", "--formula", "libexif", "--only", "lib", where=some)
ok({"lib/libexif.so.12", "lib/libexpdata.so.1"} <= set(tree(some + "/")), "two formulae")

# --- traces ---

box.mount()
trace = box.path("trace")
result = box.run("trace", "-o", trace, "--", "sh", "-c", f"{PREFIX}/bin/exp-tool; cat {PREFIX}/etc/../share/exp-big/1 | wc -c; exit 3")
ok(result.returncode == 3 and "hello" in result.stdout, "trace runs a command and its children", says(result))
lines = content(trace).decode().splitlines()
ok({"bin/exp-tool", "share/exp-data/words", "Cellar/exp-hidden/1.0/lib/libexphidden.so.2"} <= set(lines),
   "it records what they open", "\n".join(lines))
result = subprocess.run(["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", os.environ["BREWFS"],
                         "trace", "-o", "/mnt/other/user", "--", f"{PREFIX}/bin/exp-tool"],
                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd="/") \
    if os.chmod(shared, 0o1777) is None else None
ok(result.returncode == 0 and b"bin/exp-tool" in content("/mnt/other/user"), "as an ordinary user too", result.stdout)
equal(box.run("trace", "-o", trace + "2", "--", "/nonexistent").returncode, 127, "a command that is not there")
box.umount()
report = export("--trace", trace, where=some)
names = tree(some + "/")
equal(at_home([f"{SEEN}/bin/exp-tool"], where=some, env={}).stdout, "1 42 hello from the data\n",
      "an export of a trace runs what was traced")
ok(not [path for path in names if "exif" in path or "proj" in path] and len([path for path in names if
   "share/exp-big/" in path]) == 1, "and has nothing else", "\n".join(sorted(names)))

# --- targets ---

result = box.run("export", some, "--prefix", SEEN, "--formula", "exp-tool", "--target", "glibc=2.1")
ok(result.returncode == 1 and "exp-tool: GLIBC_2.34" in result.stdout and "--target-glibc 2.1" in result.stderr,
   "a target that is too old: what needs more is named, and what helps", says(result))
result = box.run("export", some, "--prefix", SEEN, "--formula", "exp-tool", "--target", "glibc=2.1", "--force", "--json")
needs = json.loads(result.stdout)["needs_newer"]
ok([entry for entry in needs if entry["path"].endswith("exp-tool") and "GLIBC_2.34" in entry["needs"]],
   "--force exports all the same; JSON says what", says(result))
report = export("--formula", "exp-tool", "--target", "glibc=2.99", where=some)
equal((report["needs_newer"], report["loader"]), ([], "host"), "a new one serves everything")

# --- what answers as ld and objdump, given what is damaged ---

with open(os.path.join(out, "lib/libexpdata.so.1"), "rb") as file:
    library = file.read()
seed, crashed = random.Random(7), []
for number in range(60):
    damaged = bytearray(library[:seed.randrange(64, len(library)) if number % 3 == 0 else len(library)])
    for _ in range(seed.randrange(1, 8)):
        damaged[seed.randrange(min(len(damaged), 1024 if number % 2 else len(damaged)))] = seed.randrange(256)
    with open(box.path("libdamaged.so"), "wb") as file:
        file.write(damaged)
    for command in (["objdump", "-p", "-j", ".dynamic", box.path("libdamaged.so")],
                    ["ld", "-t", "-L", box.directory, "-o", "/dev/null", "-ldamaged"]):
        result = subprocess.run(command, executable=os.path.join(out, "bin", command[0]), stdout=subprocess.DEVNULL,
                                stderr=subprocess.DEVNULL)
        if result.returncode not in (0, 1):
            crashed.append((number, command[0], result.returncode))
equal(crashed, [], "ld and objdump survive damaged libraries")
for command in (["ld"], ["ld", "-L"], ["ld", "-o"], ["ld", "-l"], ["objdump"], ["objdump", "-d", "x"]):
    result = subprocess.run(command, executable=os.path.join(out, "bin", command[0]), stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True)
    if result.returncode != 1 or "brewfs" not in result.stderr:
        ok(False, " ".join(command) + " says what it is", says(result))

# --- env ---

result = box.run("env", out)
ok(f"{SEEN}/bin" in result.stdout and subprocess.run(["sh", "-c", result.stdout]).returncode == 0, "env is for a shell",
   says(result))
variables = json.loads(box.run("env", "--lambda", "--json", out).stdout)
equal(variables["LD_LIBRARY_PATH"].split(":")[-1], f"{SEEN}/lib", "for Lambda it is appended")
equal(box.run("env", box.store).returncode, 1, "a directory that is no export")
equal(box.run("fsck").returncode, 0, "the store is sound at the end")
subprocess.run(["umount", shared], check=True)
done()
