#!/usr/bin/env python3
"""Bottle files from the local disk, where no API can be reached: what they say of themselves is enough."""

import os
import shutil
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import ORACLE, PREFIX, Sandbox, World, done, enter, equal, make_bottle, ok, says, skip

CLOSED = {"HOMEBREW_API_DOMAIN": "https://127.0.0.1:1/api", "HOMEBREW_ARTIFACT_DOMAIN": "https://127.0.0.1:1",
          "BREWFS_RETRY_DELAY": "10"}

enter()
world = World()
seen = len(world.log())


def fresh():
    """A store and a cache of its own, and no API."""
    sandbox = Sandbox(world)
    sandbox.environment.update(CLOSED)
    return sandbox


def world_bottle(name, tag="x86_64_linux"):
    return next(row["bottle"] for row in world.table("formulae.tsv")
                if row["name"] == name and row["tag"] in (tag, "all"))


def installed(sandbox):
    return sandbox.run("list").stdout.split()


# --- the reference ---

if os.path.isdir(os.path.join(ORACLE, "bottles")):
    files = sorted(os.path.join(ORACLE, "bottles", name) for name in os.listdir(os.path.join(ORACLE, "bottles"))
                   if name.endswith(".tar.gz"))
    forward, backward = fresh(), fresh()
    forward.installs(*files, name="all bottles of the reference, in one command")
    backward.installs(*reversed(files), name="the other way round")
    equal(installed(forward), sorted(os.path.basename(name).partition("--")[0] for name in files), "all are there")
    with forward.look() as view:
        first = sorted((path, view.target(path)) for path in view.walk() if not path.startswith("Cellar"))
        receipt = view.receipt("bfo-tool", "0.9")
        equal((receipt["loaded_from_api"], receipt["loaded_from_internal_api"], receipt["source"]["tap"]),
              (False, False, "brewfs/oracle"), "a receipt tells that no API was asked, and the tap")
        equal(receipt["source"]["path"], f"{PREFIX}/Cellar/bfo-tool/0.9/.brew/bfo-tool.rb", "and where its formula is")
        equal([entry["full_name"] for entry in receipt["runtime_dependencies"]], ["brewfs/oracle/bfo-foo"],
              "and what it needs")
        equal(receipt["changed_files"], ["bin/bfo-perl", "bin/bfo-script", "bin/bfo-sh", "libexec/helper"],
              "the .bottle.json beside the file is its tab")
        equal([view.kind(f"var/homebrew/linked/{name}") for name in ("bfo-keg", "bfo-bar@1", "bfo-rev")],
              ["absent", "absent", "link"], "keg-only is read from the formula in the bottle")
        equal(view.receipt("bfo-share-b", "1.b")["source"]["versions"]["version_scheme"], 1, "so is version_scheme")
        equal(view.names("Cellar/bfo-rev"), ["7.0_1"], "the revision is in the file's name")
    with backward.look() as view:
        equal(sorted((path, view.target(path)) for path in view.walk() if not path.startswith("Cellar")), first,
              "the order on the command line makes no difference")
    result = forward.run("info", "bfo-steps")
    ok("Ruby" in result.stdout.partition("Pending")[2], "post_install is pending: it is Ruby there", says(result))
    generation = forward.generation()
    result = forward.run("install", *files)
    ok(result.returncode == 0 and forward.generation() == generation, "again: nothing to do", says(result))

    box = fresh()
    tool = next(name for name in files if "bfo-tool" in name)
    foo = next(name for name in files if "bfo-foo" in name)
    box.refuses(["bfo-tool", "bfo-foo", "127.0.0.1"], tool, name="without its dependency, and no API: refused")
    box.installs(foo)
    box.installs(tool, name="with its dependency installed it needs no API")
    with box.look() as view:
        equal([entry["full_name"] for entry in view.receipt("bfo-tool", "0.9")["runtime_dependencies"]],
              ["brewfs/oracle/bfo-foo"], "which its receipt names")
        equal(view.receipt("bfo-foo", "1.2.3")["installed_on_request"], True, "and which stays as it is")
    copy = box.path(os.path.basename(tool))
    shutil.copy(tool, copy)
    alone = fresh()
    alone.installs(foo)
    alone.installs(copy, name="without a .bottle.json the formula in the bottle tells what it needs")
    equal(alone.run("deps", "bfo-tool").stdout.split(), ["bfo-foo"], "the same")
    with alone.look() as view:
        ok(PREFIX in view.text("Cellar/bfo-tool/0.9/bin/bfo-script"), "and text is found by looking")
    shutil.copy(foo[:-len(".tar.gz")] + ".json", copy[:-len(".tar.gz")] + ".json")
    other = fresh()
    other.installs(foo)
    result = other.installs(copy, name="a .bottle.json of another file")
    ok("not about this file" in result.stderr, "is left out, with a warning", says(result))
    with open(copy[:-len(".tar.gz")] + ".json", "w", encoding="utf-8") as file:
        file.write('{"bfo-tool": ')
    fresh().refuses(".bottle.json", foo, copy, name="one that is no JSON is an error")
else:
    skip("the reference's bottles", "BREWFS_ORACLE is not here")

# --- the world's ---

box = fresh()
names = ["jq", "oniguruma", "libexif", "md-both", "md-all", "libsigc++@2", "gtk+3", "md-3+1-2.x_y", "po-names",
         "po-modes", "po-text", "openjdk"]
box.installs(*[world_bottle(name) for name in names], name="bottles with odd names and contents")
equal(installed(box), sorted(names), "all are there")
with box.look() as view:
    equal((view.names("Cellar/md-both"), view.names("Cellar/md-3+1-2.x_y")), (["2.4_1"], ["1.0-rc1.b2"]),
          "versions, revisions and rebuilds are read from their names")
equal(box.run("fsck").returncode, 0, "the store is sound")
relative = os.path.basename(world_bottle("md-leaf-a"))
shutil.copy(world_bottle("md-leaf-a"), box.path(relative))
box.installs(f"./{relative}", cwd=box.directory, name="a relative path")
box.installs(world_bottle("md-leaf-b"), "./" + relative, cwd=box.directory, name="two of them, one installed")
arm = fresh()
result = arm.run("install", "--ref", "arm64_linux", "--target-glibc", "2.41", world_bottle("libexif", "arm64_linux"))
ok(result.returncode == 0, "the other architecture's, with --ref", says(result))
box.refuses(["arm64_linux", "x86_64_linux"], world_bottle("libexif", "arm64_linux"),
            name="the other architecture's, without")

# --- what the formula in the bottle says ---

RUBY = """class Speaks < Formula
  desc "Says what it needs"
  homepage "http://127.0.0.1/"
  # depends_on "a-comment",
  version_scheme 2
  keg_only :provided_by_macos

  depends_on "cmake" => :build
  depends_on "pkgconf" => [:build, :test]
  depends_on "needed-one"
  depends_on "needed-two" => :recommended
  depends_on :linux
  depends_on macos: :ventura

  uses_from_macos "flex" => :build
  uses_from_macos "needed-three", since: :sonoma

  on_macos do
    depends_on "mac-only"
  end

  on_linux do
    depends_on "needed-four"
  end

  on_arm do
    depends_on "arm-only"
  end

  conflicts_with "rival",
                 because: "both install `speaks`"
  link_overwrite "bin/taken", "share/taken"

  head do
    depends_on "autoconf"
  end

  resource "other" do
    url "http://127.0.0.1/x"
  end

  def install
    system "true", "depends_on \\"inside\\""
  end

  def caveats = "none"

  test do
    depends_on "test-only"
  end
end
"""
NEEDED = ["needed-one", "needed-two", "needed-three", "needed-four"]
box = fresh()
parts = [make_bottle(box.directory, name, "1.0", {f"share/{name}/x": "x\n"}) for name in NEEDED]
taken = make_bottle(box.directory, "takes", "1.0", {"bin/taken": "#!/bin/sh\n", "share/taken/x": "x\n"})
speaks = make_bottle(box.directory, "speaks", "1.0", {
    ".brew/speaks.rb": RUBY, "bin/speaks": "#!/bin/sh\n", "bin/taken": "#!/bin/sh\n", "share/taken/x": "y\n"})
rival = make_bottle(box.directory, "rival", "1.0", {"bin/rival": "#!/bin/sh\n"})
box.refuses("needed-", speaks, *parts[1:], name="a dependency of the formula's text that is not there")
box.installs(taken)
result = box.installs(speaks, *parts, name="with all of them")
equal(box.run("deps", "speaks").stdout.split(), sorted(NEEDED), "it has those that it needs at run time on Linux")
with box.look() as view:
    equal(view.leads("bin/taken"), "Cellar/speaks/1.0/bin/taken", "link_overwrite is honoured")
    equal(view.receipt("speaks", "1.0")["source"]["versions"]["version_scheme"], 2, "version_scheme too")
    equal(view.kind("var/homebrew/linked/speaks"), "link", "macOS's reason for keg_only is none here")
box.installs(rival)
box = fresh()
box.installs(rival)
box.refuses(["rival", "both install `speaks`"], speaks, *parts, name="conflicts_with as well")

# --- names and contents ---

box = fresh()
good = make_bottle(box.directory, "good", "1.0", {"share/good/x": "x\n"})
newer = make_bottle(box.directory, "good", "2.0", {"share/good/x": "y\n"})
box.refuses(["good--1.0", "good--2.0"], good, newer, name="two bottles of one formula")
box.installs(good)
box.installs(newer, name="a newer one")
equal(box.run("list", "--versions").stdout, "good 1.0 2.0\n", "is an upgrade")
generation = box.generation()
result = box.run("install", good)
ok(result.returncode == 0 and box.generation() == generation, "an older one is none", says(result))
for name in ("good.tar.gz", "good-1.0.x86_64_linux.bottle.tar.gz", "good--1.0.tar.gz", "good--1.0.bottle.tar.gz",
             "--1.0.x86_64_linux.bottle.tar.gz", "good--.x86_64_linux.bottle.tar.gz",
             "good--1.0.x86_64_linux.bottle.x.tar.gz", "..--1.0.x86_64_linux.bottle.tar.gz",
             "good--...x86_64_linux.bottle.tar.gz"):
    shutil.copy(good, box.path(name))
    box.refuses(name, box.path(name), name=f"{name} is no bottle's name")
wrong = {
    "good--3.0.x86_64_linux.bottle.tar.gz": ("another version's contents", lambda path: shutil.copy(good, path)),
    "bad--1.0.x86_64_linux.bottle.tar.gz": ("another formula's contents", lambda path: shutil.copy(good, path)),
    "empty--1.0.x86_64_linux.bottle.tar.gz": ("an empty file", lambda path: open(path, "wb").close()),
    "text--1.0.x86_64_linux.bottle.tar.gz": ("a text", lambda path: open(path, "w").write("<html>\n" * 100)),
    "cut--1.0.x86_64_linux.bottle.tar.gz": ("half a file", lambda path: open(path, "wb").write(
        open(world_bottle("po-many"), "rb").read()[:20000])),
    "gone--1.0.x86_64_linux.bottle.tar.gz": ("no file", lambda path: None),
    "directory--1.0.x86_64_linux.bottle.tar.gz": ("a directory", os.mkdir),
}
for name, (what, make) in wrong.items():
    make(box.path(name))
    box.refuses(name.partition("--")[0], box.path(name), name=f"{what} in place of a bottle: refused")
path = make_bottle(box.directory, "climbs", "1.0", {"share/x": "x\n"}, top="climbs/1.0/../../good/2.0")
box.refuses("climbs", path, name="a file that climbs out of its keg: refused")
path = make_bottle(box.directory, "foreign", "1.0", {"share/x": "x\n"}, cellar="/opt/homebrew/Cellar",
                   tab={"changed_files": [], "runtime_dependencies": []})
box.refuses("/opt/homebrew", path, name="a bottle for another prefix: refused")
path = make_bottle(box.directory, "odd-ruby", "1.0", {
    ".brew/odd-ruby.rb": 'class OddRuby < Formula\n  depends_on "../../x"\nend\n'})
box.refuses("odd-ruby", path, name="a dependency that can be no name: refused")
equal(installed(box), ["good"], "nothing of all that was installed")
ok(not os.path.lexists("/tmp/brewfs-world-escape"), "and nothing written elsewhere")
equal(box.run("fsck").returncode, 0, "the store is sound")

# --- together with the API ---

box = Sandbox(world)
box.installs(make_bottle(box.directory, "mixed", "1.0", {"share/mixed/x": "x\n"}, tab={
    "changed_files": [], "runtime_dependencies": [{
        "full_name": "md-alias", "version": "1.0", "revision": 0, "pkg_version": "1.0", "declared_directly": True}]}),
    "md-tool", name="with an API dependencies come from there")
equal(installed(box), ["md-alias", "md-tool", "mixed"], "and names beside files")
box.installs(make_bottle(box.directory, "md-tool@2", "9.9", {"share/md-tool@2/x": "mine\n"}), "gtk+3",
             name="a file counts before the API's formula of that name")
equal(box.run("list", "--versions", "md-tool@2").stdout, "md-tool@2 9.9\n", "in its version")
equal([entry["path"] for entry in world.log()[seen:] if entry["listener"] == "trap"], [],
      "nothing tried to leave this machine")
done()
