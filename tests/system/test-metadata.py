#!/usr/bin/env python3
"""What the API's documents say of formulae: names, dependencies, refusals, taps, versions, caveats."""

import json
import os
import re
import struct
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import PREFIX, Sandbox, World, done, enter, equal, ok, says

enter()
world = World()
URL = world.environment["BREWFS_WORLD_URL"]
PUBLIC = {"HOMEBREW_API_DOMAIN": URL + "/api-public"}
GLIBC = ["--target-glibc", "2.41"]
shared = Sandbox(world)


def fresh(**environment):
    """A store of its own; the catalog in the cache is shared."""
    sandbox = Sandbox(world)
    sandbox.environment["BREWFS_CACHE"] = shared.environment["BREWFS_CACHE"]
    sandbox.environment.update(environment)
    return sandbox


def rpath(path):
    """DT_RPATH, or DT_RUNPATH, of an ELF file; None without one."""
    text = subprocess.run(["readelf", "-W", "-d", path], stdout=subprocess.PIPE, text=True, check=True).stdout
    found = re.search(r"\((?:RPATH|RUNPATH)\).*?\[(.*?)\]", text)
    return found.group(1) if found else None


def closure(formula, expected, name, **environment):
    """A formula alone installs with exactly these; returns the sandbox."""
    sandbox = fresh(**environment)
    result = sandbox.run("install", *GLIBC, formula)
    listed = sandbox.run("list").stdout.split() if result.returncode == 0 else says(result)
    equal(listed, sorted(expected), name)
    return sandbox


# --- names ---

box = shared
box.installs("md-also", name="a formula is found by an alias")
with box.look() as view:
    equal([view.target(f"opt/{name}") for name in ("md-alias", "md-also", "md-alias@1")],
          ["../Cellar/md-alias/1.0"] * 3, "opt has its name and its aliases, the one with an @ too")
    equal(view.receipt("md-alias", "1.0")["aliases"], ["md-also", "md-alias@1"], "and so has its receipt")
before = box.generation()
for name in ("md-alias", "md-also", "md-alias@1", "homebrew/core/md-alias", "MD-Alias"):
    result = box.run("install", name)
    ok(result.returncode == 0 and box.generation() == before, f"{name} is that formula, and installed", says(result))
equal(box.json("info", "md-also")["name"], "md-alias", "info knows it by its alias, too")
result = box.installs("md-old", name="a formula is found by an old name")
with box.look() as view:
    equal(view.names("Cellar"), ["md-alias", "md-renamed"], "and installed by the new one")
box.refuses(["md-migrated", "example/tools"], "md-migrated", name="one that moved to a tap: the tap is named")
box.refuses(["md-alis", "md-alias"], "md-alis", name="an unknown name: the nearest ones are named")
for name in ("../md-alias", "md alias", "", "a/b/c/d", "-", "md-alias/", "x" * 300):
    result = box.run("install", "--", name)
    ok(result.returncode == 1 and "Error: " in result.stderr and box.generation() == before + 1,
       f"{name[:20]!r} is no formula", says(result))
box.installs("gtk+3", "md-3+1-2.x_y", name="+ and @ in names")
with box.look() as view:
    equal(view.names("Cellar/libsigc++@2"), ["2.12.1"], "their kegs have them as they are")
    equal(view.kind("share/libsigc++@2"), "absent", "a versioned dependency is keg-only")
    equal(view.kind("share/gtk+3"), "link", "the other is linked")
    equal(view.names("Cellar/md-3+1-2.x_y"), ["1.0-rc1.b2"], "so are odd versions")
paths = [entry["path"] for entry in world.log("/manifests/")]
ok(any("/libsigcxx/2/manifests/2.12.1" in path for path in paths) and
   any("/gtkx3/manifests/3.24.51" in path for path in paths), "images are asked for by ghcr.io's names", str(paths))

# --- versions ---

box.installs("md-revised", "md-rebuilt", "md-both", "md-all", "md-all-needs", "md-same-digest", "md-compatible",
             "md-spaced", name="revisions, rebuilds, bottles for all")
with box.look() as view:
    equal([view.names(f"Cellar/{name}") for name in ("md-revised", "md-rebuilt", "md-both")],
          [["1.0_2"], ["1.0"], ["2.4_1"]], "a revision is in the keg's name, a rebuild is not")
    equal(view.text("Cellar/md-all/1.0/share/md-all/x.txt"), f"{PREFIX}/share/md-all\n",
          "a bottle for all is relocated")
    receipt = view.receipt("md-all", "1.0")
    equal((receipt["arch"], receipt["built_on"]), ("x86_64", None), "its receipt has this architecture, and no builder")
    equal([(entry["full_name"], entry["declared_directly"])
           for entry in view.receipt("md-all-needs", "1.0")["runtime_dependencies"]], [("md-alias", True)],
          "and what it needs")
    equal(view.receipt("md-same-digest", "1.0")["built_on"]["os"], "Linux",
          "the entry of the index is found by its name, not by its digest alone")
    equal(view.receipt("md-both", "2.4_1")["source"]["versions"]["stable"], "2.4", "the source's version is without it")
paths = [entry["path"] for entry in world.log("/manifests/")]
ok(any(path.endswith("/md-both/manifests/2.4_1-2") for path in paths), "the index is tagged VERSION_REVISION-REBUILD",
   str([path for path in paths if "md-both" in path]))
for formula in ("md-other-tag", "md-no-bottle"):
    box.refuses([formula, "no bottle", "x86_64_linux"], formula)

# --- the other architecture ---

arm = fresh()
result = arm.run("install", "--ref", "arm64_linux", *GLIBC, "md-both-tags", "md-other-tag", "md-all")
equal(result.returncode, 0, "--ref arm64_linux takes that architecture's bottles")
with arm.look("-o", "ref=arm64_linux") as view:
    with open(view.path("Cellar/md-both-tags/1.0/bin/md-both-tags"), "rb") as file:
        equal(struct.unpack_from("<H", file.read(20), 18)[0], 183, "programs are for it")
    equal([view.receipt(name, "1.0")["arch"] for name in ("md-both-tags", "md-other-tag", "md-all")],
          ["arm64"] * 3, "and receipts say so")
equal(arm.generation(), 0, "this machine's ref has nothing of it")
result = arm.run("install", "--ref", "arm64_linux", "md-arch")
ok(result.returncode == 1 and "md-arch" in result.stderr, "a formula without a bottle for it is refused", says(result))
result = arm.run("install", "--ref", "staging", "--tag", "arm64_linux", *GLIBC, "md-other-tag")
equal(result.returncode, 0, "a ref of another name, with --tag")
result = arm.run("install", "--ref", "staging", "md-both-tags")
ok(result.returncode == 0, "keeps to that tag", says(result))
equal(arm.json("info", "--ref", "staging", "md-both-tags")["kegs"][0]["receipt"]["arch"], "arm64",
      "without being told again")
result = arm.run("install", "--ref", "staging", "--tag", "x86_64_linux", "md-both-tags")
ok(result.returncode == 1 and "arm64_linux" in result.stderr and arm.generation("staging") == 2,
   "and refuses another", says(result))
result = arm.run("install", "--tag", "sparc_linux", "md-alias")
equal(result.returncode, 2, "an unknown tag is a usage error")

# --- keg-only ---

box = fresh()
result = box.installs("md-keg-text", "md-keg-macos", "md-keg-shadowed", "md-keg-version@4", "md-keg-colon",
                      name="keg-only of every kind")
with box.look() as view:
    linked = [view.kind(f"var/homebrew/linked/{name}") == "link" for name in (
        "md-keg-text", "md-keg-macos", "md-keg-shadowed", "md-keg-version@4", "md-keg-colon")]
    equal(linked, [False, True, True, True, False],
          "macOS's reasons do not hold; a version that is asked for alone is linked")
    equal([view.kind(f"opt/{name}") for name in ("md-keg-text", "md-keg-colon")], ["link"] * 2, "all are in opt")
ok("md-keg-text is keg-only" in result.stdout and "Use it with care" in result.stdout
   and ":not a symbol" in result.stdout and "md-keg-macos is" not in result.stdout, "the reasons are told", says(result))
entry = next(item for item in box.json("list") if item["name"] == "md-keg-text")
equal((entry["keg_only"], entry["linked"], entry["opt"]), (True, None, "1.0"), "list knows it")
equal(box.json("info", "md-keg-text")["keg_only_reason"], "Use it with care", "and info knows why")

# --- disabled, deprecated, conflicts ---

box = fresh()
box.refuses(["md-disabled", "disabled", "not maintained upstream"], "md-disabled")
box.refuses(["md-disabled"], "md-needs-disabled")
result = box.installs("md-deprecated")
ok("Warning: md-deprecated has been deprecated because" in result.stderr and "a successor" in result.stderr
   and "md-alias" in result.stderr, "a deprecated formula is a warning, with its replacement", says(result))
box.installs("md-conflict-a")
box.refuses(["md-conflict-b", "md-conflict-a"], "md-conflict-b", name="what conflicts with it is refused")
result = box.run("install", "--force", "md-conflict-b")
ok(result.returncode == 0, "--force installs it", says(result))
box = fresh()
box.installs("md-conflict-b")
result = box.refuses(["md-conflict-a", "md-conflict-b", "both install `bin/md-c`"], "md-conflict-a",
                     name="the reason is told")
equal(box.brewfile('brew "md-conflict-b", link: false\nbrew "md-conflict-a"\n').returncode, 0,
      "they do not conflict while one is not linked")
with box.look() as view:
    equal([view.kind(f"var/homebrew/linked/md-conflict-{letter}") for letter in "ab"], ["link", "absent"],
          "and only the other one is linked then")
box = fresh()
box.installs("md-conflict-b")
result = box.brewfile('brew "md-conflict-a"\n')
ok(result.returncode == 0 and "Unlinking md-conflict-b" in result.stdout, "in a Brewfile, what conflicts gives way",
   says(result))
result = box.brewfile('brew "md-leaf-a", conflicts_with: ["md-conflict-a"]\n')
ok(result.returncode == 0 and "Unlinking md-conflict-a" in result.stdout, "and what the Brewfile says conflicts",
   says(result))
equal(sorted(item["name"] for item in box.json("list") if item["linked"]), ["md-leaf-a"], "so that one is linked")
fresh().refuses(["md-conflict-a", "md-conflict-b"], "md-conflict-a", "md-conflict-b",
                name="two that conflict, in one command")
box = fresh()
equal(box.brewfile('brew "blast", link: false\nbrew "proj"\n').returncode, 0, "proj beside a blast that is not linked")

# --- caveats and the like ---

box = fresh()
result = box.installs("md-caveats", "md-only-if", "md-ruby-post-install", "md-service", "md-linux", "md-macos-build",
                      "md-xcode", name="formulae with this and that to say")
ok("Caveats" in result.stdout and f"Add {PREFIX}/opt/md-caveats/bin to PATH." in result.stdout,
   "caveats are printed, with the prefix in them", says(result))
equal(box.json("info", "md-caveats")["caveats"], f"Add {PREFIX}/opt/md-caveats/bin to PATH.\n", "and kept for info")
ok("md-ruby-post-install" in result.stdout.partition("Pending")[2], "a post_install in Ruby is pending", says(result))
with box.look() as view:
    equal(view.text("Cellar/md-service/1.0/homebrew.md-service.service"),
          f'[Service]\nExecStart="{PREFIX}/opt/md-service/bin/md-daemon"\n', "a service's unit is relocated")
    equal(view.text("etc/md-service.conf"), f"prefix={PREFIX}\n", "its configuration is in etc")
box.refuses(["md-foreign-cellar", "/opt/homebrew"], "md-foreign-cellar")
for formula, word in (("md-macos", "macOS"), ("md-macos-15", "macOS"), ("md-arch", "arm64")):
    box.refuses([formula, word], formula)
result = box.run("install", "--json", "md-keg-text", "md-caveats")
document = json.loads(result.stdout)
equal([(item["name"], item["action"], item["requested"]) for item in document["formulae"]],
      [("md-keg-text", "pour", True), ("md-caveats", "already", True)], "--json tells what was done")
equal(document["formulae"][0].get("keg_only"), "Use it with care", "and why something is not linked")

# --- builders ---

box = fresh()
box.installs("md-skip-old", "md-skip-new", "md-fixed-cellar")
with box.look() as view:
    equal([rpath(view.path(f"bin/{name}")) for name in ("md-skip-old", "md-skip-new", "md-fixed-cellar")],
          [f"{PREFIX}/lib", "/opt/world/lib", f"{PREFIX}/lib"],
          "any_skip_relocation is believed of builders since 5.1.15 only")
    equal([view.text(f"share/{name}.txt") for name in ("md-skip-old", "md-skip-new", "md-fixed-cellar")],
          [PREFIX + "\n"] * 3, "text is relocated in each")

# --- dependencies ---

closure("md-uses", ["md-uses", "md-leaf-a", "md-leaf-b"], "uses_from_macos: all but those for build and test")
closure("md-tags", ["md-tags", "md-leaf-a", "md-leaf-b", "md-leaf-c"], "only dependencies at run time")
closure("md-variations", ["md-variations", "md-leaf-a", "md-leaf-h"], "variations of Linux")
closure("md-by-alias", ["md-by-alias", "md-alias", "md-renamed"], "dependencies by alias and by old name")
box = closure("md-diamond", ["md-diamond", "md-uses", "md-tags", "md-leaf-a", "md-leaf-b", "md-leaf-c"], "a diamond")
with box.look() as view:
    records = view.receipt("md-diamond", "1.0")["runtime_dependencies"]
    equal({entry["full_name"]: entry["declared_directly"] for entry in records},
          {"md-uses": True, "md-tags": True, "md-leaf-a": True, "md-leaf-b": False, "md-leaf-c": False},
          "its receipt has the whole closure, and what is direct")
    names = [entry["full_name"] for entry in records]
    ok(names.index("md-leaf-a") < names.index("md-uses") and names.index("md-leaf-c") < names.index("md-tags"),
       "dependencies first", str(names))
    equal([view.receipt(name, "1.0")["installed_on_request"] for name in ("md-diamond", "md-leaf-a")], [True, False],
          "only what was asked for is on request")
equal(box.run("deps", "md-diamond").stdout.split(), ["md-leaf-a", "md-leaf-b", "md-leaf-c", "md-tags", "md-uses"],
      "deps tells the same")
before = box.generation()
result = box.run("install", "md-leaf-a")
ok(result.returncode == 0 and box.generation() == before + 1, "a dependency that is asked for later", says(result))
with box.look() as view:
    equal(view.receipt("md-leaf-a", "1.0")["installed_on_request"], True, "is on request from then on")
equal(box.run("fsck").returncode, 0, "with record and receipt alike")
closure("md-cycle-a", ["md-cycle-a", "md-cycle-b", "md-cycle-c"], "a cycle is no trouble")
closure("md-cycle-self", ["md-cycle-self"], "nor is a formula that needs itself")
closure("md-deep-0", [f"md-deep-{depth}" for depth in range(61)], "a chain of 60")
box = fresh()
box.refuses(["md-missing-dependency", "md-does-not-exist"], "md-missing-dependency")
box.refuses(["md-does-not-exist"], "md-leaf-a", "md-missing-dependency", name="one of two that cannot be: neither is")
equal(box.run("list").returncode, 1, "and the store has nothing")

# --- the public form says the same ---

for formula, expected in (
        ("md-uses", ["md-uses", "md-leaf-a", "md-leaf-b"]),
        ("md-tags", ["md-tags", "md-leaf-a", "md-leaf-b", "md-leaf-c"]),
        ("md-variations", ["md-variations", "md-leaf-a", "md-leaf-h"]),
        ("gtk+3", ["gtk+3", "libsigc++@2"]),
        ("md-spaced", ["md-spaced"]),
        ("md-keg-macos", ["md-keg-macos"])):
    box = closure(formula, expected, f"{formula} from the public API", **PUBLIC)
with box.look() as view:
    receipt = view.receipt("md-keg-macos", "1.0")
    equal((receipt["loaded_from_api"], receipt["loaded_from_internal_api"]), (True, False), "its receipt says so")
    equal(view.kind("var/homebrew/linked/md-keg-macos"), "link", "macOS's keg_only does not hold there either")
for formula in ("md-disabled", "md-macos", "md-arch", "md-foreign-cellar", "md-no-bottle", "md-missing-dependency"):
    box.refuses(formula, formula, name=f"refuses {formula} from the public API")
result = box.installs("md-keg-text", "md-caveats", "md-conflict-b", "md-deprecated", name="what is to be told")
ok("Use it with care" in result.stdout and f"{PREFIX}/opt/md-caveats/bin" in result.stdout
   and "has a successor" in result.stderr, "is told from there as well", says(result))
box.refuses("both install `bin/md-c`", "md-conflict-a", name="conflicts with their reasons")

# --- taps ---

box = fresh()
text = f'tap "example/tools", "{URL}/tap/example/tools"\nbrew "example/tools/tapped-too"\n'
result = box.brewfile(text)
ok(result.returncode == 0, "a Brewfile's tap, with the URL of its documents", says(result))
ok(result.stderr.count("not signed") == 1, "with one warning that they are not signed", says(result))
equal(box.run("list").stdout.split(), ["md-alias", "tapped", "tapped-too"], "its formulae, and core's that they need")
with box.look() as view:
    receipt = view.receipt("tapped-too", "1.0")
    equal(receipt["source"]["tap"], "example/tools", "the receipt names the tap")
    equal([entry["full_name"] for entry in receipt["runtime_dependencies"]], ["example/tools/tapped", "md-alias"],
          "and dependencies with theirs")
ok(any(entry["path"].startswith("/v2/example/tools/tapped") for entry in world.log("/blobs/")),
   "bottles come from the tap's own registry")
before = box.generation()
result = box.brewfile(text)
ok(result.returncode == 0 and box.generation() == before, "again: nothing to do", says(result))
result = box.brewfile('brew "example/tools/tapped"\n')
ok(result.returncode == 1 and "example/tools/tapped" in result.stderr and box.generation() == before,
   "without the tap's line it is not known", says(result))
result = box.brewfile('tap "example/tools"\nbrew "example/tools/tapped"\n')
ok(result.returncode == 1 and "example/tools" in result.stderr, "nor without its URL", says(result))
result = box.brewfile(f'tap "example/tools", "{URL}/tap/example/tools"\nbrew "example/tools/none"\n')
ok(result.returncode == 1 and "example/tools/none" in result.stderr, "a formula that the tap has not", says(result))
box.refuses("example/tools/tapped", "example/tools/tapped", name="a tap's formula on the command line: the reason is told")
result = box.brewfile(f'tap "example/tools", "{URL}/tap/example/tools"\nbrew "md-migrated"\n')
ok(result.returncode == 0 or "example/tools" in result.stderr, "a formula that moved to a tap that is there, or its name",
   says(result))

# --- the target's glibc ---


def target(sandbox):
    """The glibc that was chosen; None where it is this host's, for want of a choice."""
    ref = sandbox.json("status")["store"]["refs"][0]
    return ref["target_glibc"] if ref["target_glibc_chosen"] else None


box = fresh()
box.must("install", "libexif")
equal(target(box), None, "the glibc of this machine is not recorded: others may share the store")
box.must("install", "md-leaf-a", environment={"BREWFS_TARGET_GLIBC": "2.40"})
equal(target(box), "2.40", "one that is chosen is")
box.must("install", "md-leaf-b")
equal(target(box), "2.40", "and it stays")
old = fresh()
old.must("install", "--target-glibc", "2.34", "libexif")
names = old.run("list").stdout.split()
ok({"glibc", "gcc", "linux-headers@6.8"} <= set(names), "an old one brings Homebrew's glibc and gcc", str(names))
before = len(names)
old.must("install", "md-leaf-a")
equal(len(old.run("list").stdout.split()), before + 1, "once")
for version in ("2", "3.1", "2.x", "2.34.1", "-1"):
    result = box.run("install", f"--target-glibc={version}", "md-leaf-c")
    ok(result.returncode == 1 and version in result.stderr and "--target-glibc" in result.stderr,
       f"{version} is no glibc", says(result))

# --- dry runs ---

box = fresh()
result = box.run("install", "-n", *GLIBC, "md-diamond")
ok(result.returncode == 0 and all(name in result.stdout for name in ("md-diamond", "md-leaf-c", "a dependency")),
   "a dry run tells the closure", says(result))
ok(not os.path.exists(box.store), "and makes no store")
document = json.loads(box.run("install", "-n", "--json", *GLIBC, "md-diamond").stdout)
equal((document["dry_run"], document["changed"], len(document["formulae"])), (True, True, 6), "--json too")
box.refuses("md-disabled", "-n", "md-disabled", name="it finds what cannot be installed")
equal(shared.run("fsck").returncode, 0, "the store is sound")
done()
