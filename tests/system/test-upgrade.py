#!/usr/bin/env python3
"""Newer versions in the API: what is upgraded, what stays, and what becomes of the old."""

import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import Sandbox, World, done, enter, equal, make_bottle, ok, says

enter()
world = World()
API2 = {"HOMEBREW_API_DOMAIN": world.environment["BREWFS_WORLD_URL"] + "/api2"}
shared = Sandbox(world)


def fresh():
    """A store of its own; the catalogs in the cache are shared."""
    sandbox = Sandbox(world)
    sandbox.environment["BREWFS_CACHE"] = shared.environment["BREWFS_CACHE"]
    return sandbox


def versions(sandbox):
    """{formula: versions} that are installed."""
    return {item["name"]: item["versions"] for item in sandbox.json("list")}


def unchanged(sandbox, result, generation, name):
    return ok(result.returncode == 0 and sandbox.generation() == generation, name,
              f"generation {sandbox.generation()}\n{says(result)}")


box = shared
OLD = ["up-library", "up-tool", "up-rebuilt", "up-revised", "up-schemed", "up-etc", "up-fading", "up-gone"]
box.installs(*OLD, name="stage 1 is installed")
box.must("install", "up-library", "up-tool")

# --- what would be done ---

result = box.run("install", "-n", *[name for name in OLD if name != "up-gone"], environment=API2)
lines = [line for line in result.stdout.splitlines() if line.startswith("Would")]
equal(sorted(lines), sorted([
    "Would upgrade up-library 1.0 -> 1.1", "Would upgrade up-tool 1.0 -> 1.1", "Would upgrade up-revised 1.0 -> 1.0_1",
    "Would upgrade up-schemed 2025.1 -> 2.0", "Would upgrade up-etc 1.0 -> 2.0"]),
    "a dry run tells versions, revisions and schemes that are newer; a rebuild is not")
document = json.loads(box.run("install", "-n", "--json", "up-library", "up-rebuilt", environment=API2).stdout)
equal([(item["name"], item["action"], item["version"], item.get("installed")) for item in document["formulae"]],
      [("up-library", "upgrade", "1.1", "1.0"), ("up-rebuilt", "already", "1.0", "1.0"),
       ("up-tool", "upgrade", "1.1", "1.0")], "and --json the same, with what depends on it")
equal(box.generation(), 1, "nothing was done")

# --- no upgrade ---

result = box.run("install", "--no-upgrade", "up-library", environment=API2)
unchanged(box, result, 1, "--no-upgrade leaves what is installed")
ok("up-library 1.0" in result.stderr and "1.1" in result.stderr, "and says that there is something newer", says(result))
result = box.run("install", "up-library", environment={**API2, "HOMEBREW_NO_INSTALL_UPGRADE": "1"})
unchanged(box, result, 1, "so does HOMEBREW_NO_INSTALL_UPGRADE")
box.environment.update(API2)
unchanged(box, box.brewfile('brew "up-library"\n', "--no-upgrade"), 1, "--no-upgrade with a Brewfile")
result = box.run("install", "up-rebuilt", "up-fading")
unchanged(box, result, 1, "neither a rebuild nor a deprecation is a reason to do anything")
result = box.run("install", "up-gone")
ok(result.returncode == 1 and "up-gone" in result.stderr and box.generation() == 1,
   "a formula that left the API is not known any more", says(result))

# --- upgrades ---

result = box.run("install", "up-tool")
ok(result.returncode == 0, "a newer version is installed", says(result))
installed = versions(box)
equal((installed["up-tool"], installed["up-library"]), (["1.0", "1.1"], ["1.0", "1.1"]),
      "beside the old, with the newer library that it needs")
equal(box.run("list", "--versions", "up-tool").stdout, "up-tool 1.0 1.1\n", "list tells both")
equal(box.generation(), 2, "as one generation")
with box.look() as view:
    for name in ("up-tool", "up-library"):
        equal(view.links_into(f"{name}/1.0"), [], f"the old {name} is unlinked")
        equal(view.leads(f"bin/{name}"), f"Cellar/{name}/1.1/bin/{name}", "the new one is linked")
        equal(view.target(f"opt/{name}"), f"../Cellar/{name}/1.1", "opt leads to it")
        equal(view.text(f"opt/{name}/share/{name}/version"), "1.1\n", "with its contents")
    equal(view.kind("Cellar/up-tool/1.0/bin/up-tool"), "file", "the old keg stays")
    equal(view.receipt("up-library", "1.1")["installed_on_request"], True,
          "what had been asked for is on request still, although it came as a dependency")
    entry = view.receipt("up-tool", "1.1")["runtime_dependencies"][0]
    equal((entry["full_name"], entry["version"]), ("up-library", "1.1"), "the receipt has the new library")
    equal(view.leads("bin/up-revised"), "Cellar/up-revised/1.0/bin/up-revised", "what was not asked for stays")
result = box.run("install", "up-revised", "up-schemed")
ok(result.returncode == 0, "a revision, and a smaller version of a greater scheme", says(result))
installed = versions(box)
equal((sorted(installed["up-revised"]), sorted(installed["up-schemed"])), (["1.0", "1.0_1"], ["2.0", "2025.1"]),
      "are upgrades")
with box.look() as view:
    equal(view.target("opt/up-schemed"), "../Cellar/up-schemed/2.0", "opt leads to the newer scheme")
    equal(view.receipt("up-schemed", "2.0")["source"]["versions"]["version_scheme"], 1, "which its receipt has")
unchanged(box, box.run("install", "up-revised", "up-schemed", "up-tool"), 3, "again: nothing to do")
result = box.run("install", "up-revised", environment={
    "HOMEBREW_API_DOMAIN": world.environment["HOMEBREW_API_DOMAIN"]})
unchanged(box, result, 3, "an API that is behind takes nothing back")

# --- the log ---

log = box.json("log")
equal([(entry["generation"], entry["message"]) for entry in sorted(log, key=lambda entry: entry["generation"])],
      [(1, "install " + " ".join(OLD)), (2, "install up-tool"), (3, "install up-revised up-schemed")],
      "the log has each generation and what was asked for")
equal([entry["generation"] for entry in log if entry["current"]], [3], "and which one is current")
result = box.run("log")
ok(all(f"{number}" in result.stdout for number in (1, 2, 3)) and "install up-tool" in result.stdout, "for people, too",
   says(result))

# --- a Brewfile ---

box.installs("up-new", name="a formula that is new")
result = box.brewfile('brew "up-etc"\nbrew "up-fading"\nbrew "up-rebuilt"\n')
ok(result.returncode == 0 and versions(box)["up-etc"] == ["1.0", "2.0"], "a Brewfile upgrades", says(result))

# --- etc and var ---

# A keg of another formula puts other configuration there first: as if somebody had edited it.
EDITED = {".bottle/etc/up-etc/main.conf": "edited\n", ".bottle/etc/up-etc/same.conf": "the same in every version\n"}
with box.look() as view:
    equal(view.text("etc/up-etc/main.conf"), "default two\n", "a file that nobody changed becomes the new default")
    equal(view.text("etc/up-etc/sub/deep.conf"), "deep 2.0\n", "in directories as well")
    equal(view.text("var/up-etc/seed"), "seed 2.0\n", "and in var")
    equal([path for path in view.walk("etc") if path.endswith(".default")], [], "no .default is made then")
    equal(view.text("Cellar/up-etc/1.0/.bottle/etc/up-etc/main.conf"), "default one\n", "the old keg has its own still")
box = fresh()
box.installs(make_bottle(box.directory, "edits", "1.0", EDITED), name="a file is edited before it is installed")
box.installs("up-etc")
with box.look() as view:
    equal(view.text("etc/up-etc/main.conf"), "edited\n", "it stays")
    equal(view.text("etc/up-etc/main.conf.default"), "default one\n", "the default comes beside it")
    equal(view.kind("etc/up-etc/same.conf.default"), "absent", "but not where there is no difference")
box.installs("up-etc", environment=API2, name="then comes a newer default")
with box.look() as view:
    equal(view.text("etc/up-etc/main.conf"), "edited\n", "it stays still")
    equal(view.text("etc/up-etc/main.conf.default"), "default two\n", "and the newer default replaces the one beside it")
    equal(view.text("etc/up-etc/sub/deep.conf"), "deep 2.0\n", "what nobody touched is new")

# --- renamed ---

box = fresh()
box.installs("up-before", "up-library")
result = box.run("install", "-n", "up-after", environment=API2)
ok("Would migrate up-before to up-after" in result.stdout and "1.0 -> 1.1" in result.stdout,
   "a renamed formula would be migrated and upgraded", says(result))
result = box.run("install", "up-after", environment=API2)
ok(result.returncode == 0 and "Migrating up-before to up-after" in result.stdout, "it is", says(result))
equal(versions(box), {"up-after": ["1.0", "1.1"], "up-library": ["1.0"]}, "its kegs have the new name")
with box.look() as view:
    equal(view.target("Cellar/up-before"), "up-after", "the old name leads to them")
    equal(view.target("opt/up-before"), "../Cellar/up-after/1.1", "in opt, too")
    equal(view.target("opt/up-after"), "../Cellar/up-after/1.1", "as does the new one")
    equal(view.kind("var/homebrew/linked/up-before"), "absent", "the old linked record is gone")
    equal([path for path in view.walk("bin")], ["bin/up-after", "bin/up-library"], "and its links are")
    equal(view.leads("bin/up-after"), "Cellar/up-after/1.1/bin/up-after", "the new ones are there")
equal(box.run("fsck").returncode, 0, "the store is sound")
generation = box.generation()
unchanged(box, box.run("install", "up-before", environment=API2), generation, "by the old name: nothing to do")
box = fresh()
box.installs("up-before")
result = box.run(
    "install", "--no-upgrade", "up-before", environment=API2)
ok(result.returncode == 0, "with --no-upgrade it is migrated alone", says(result))
equal(versions(box), {"up-after": ["1.0"]}, "its keg has the new name")
with box.look() as view:
    equal(view.leads("bin/up-before"), "Cellar/up-after/1.0/bin/up-before", "and is linked as it was")
    equal(view.target("opt/up-before"), "../Cellar/up-after/1.0", "the old name stays in opt")
    equal(view.target("var/homebrew/linked/up-after"), "../../../Cellar/up-after/1.0", "the record has the new one")

# --- what a bottle needs ---

RECORD = {"full_name": "up-library", "version": "1.0", "revision": 0, "pkg_version": "1.0", "declared_directly": True}
for version, expected in (("1.0", ["1.0"]), ("1.1", ["1.0", "1.1"])):
    box = fresh()
    box.installs("up-library")
    path = make_bottle(box.directory, "needs", "1.0", {"share/needs/x": "x\n"}, tab={
        "homebrew_version": "5.1.20", "changed_files": [],
        "runtime_dependencies": [dict(RECORD, version=version, pkg_version=version)]})
    box.installs(path, environment=API2, name=f"a bottle that was built with up-library {version}")
    equal(versions(box)["up-library"], expected, "upgrades it only if it needs to")

# --- dependents ---

box = fresh()
box.installs("up-tool", "up-revised")
result = box.run("install", "-n", "up-library", environment=API2)
ok("Would upgrade up-tool 1.0 -> 1.1 (it depends on" in result.stdout, "what depends on a library would be upgraded with it", says(result))
result = box.run("install", "up-library", environment={**API2, "HOMEBREW_NO_INSTALLED_DEPENDENTS_CHECK": "1"})
equal((result.returncode, versions(box)["up-tool"]), (0, ["1.0"]), "HOMEBREW_NO_INSTALLED_DEPENDENTS_CHECK: it is not")
box = fresh()
box.installs("up-revised", "up-library")
box.installs("up-tool")
box.installs("up-library", environment=API2, name="without that")
equal(versions(box), {"up-library": ["1.0", "1.1"], "up-tool": ["1.0", "1.1"], "up-revised": ["1.0"]},
      "it is, and nothing else")
with box.look() as view:
    equal((view.leads("bin/up-tool"), view.receipt("up-tool", "1.1")["installed_on_request"]),
          ("Cellar/up-tool/1.1/bin/up-tool", True), "it is linked, and on request as it was")
equal([entry["message"] for entry in box.json("log") if entry["current"]], ["install up-library"],
      "the log has what was asked for")



def without_a_bottle(payload):
    del payload["formulae"]["up-tool"]["bottle_checksum"]


box = fresh()
box.installs("up-tool")
result = box.run("install", "up-library", environment=world.api("api2-no-bottle", without_a_bottle, "api2"))
ok(result.returncode == 0 and result.stderr.count("up-tool, which depends on up-library, is not upgraded") == 1,
   "a dependent without a bottle is a warning", says(result))

# --- a keg-only formula that was linked ---

box = fresh()
KEG_ONLY = {".brew/kept@1.rb": "class KeptAT1 < Formula\n  keg_only :versioned_formula\nend\n"}
box.installs(make_bottle(box.directory, "kept@1", "1.0", {**KEG_ONLY, "bin/kept": "#!/bin/sh\necho 1.0\n"}),
             name="a versioned formula")
box.installs(make_bottle(box.directory, "kept@1", "1.1", {**KEG_ONLY, "bin/kept": "#!/bin/sh\necho 1.1\n"}),
             name="and its upgrade")
with box.look() as view:
    equal(view.leads("bin/kept"), "Cellar/kept@1/1.1/bin/kept", "it is linked as it was before")

equal(shared.run("fsck").returncode, 0, "the store is sound")
done()
