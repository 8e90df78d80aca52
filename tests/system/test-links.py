#!/usr/bin/env python3
"""Links from the prefix into kegs: Homebrew's table of directories, splits, conflicts, overwriting, relatives."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import PREFIX, Sandbox, World, done, enter, equal, ok, says

enter()
world = World()
API2 = {"HOMEBREW_API_DOMAIN": world.environment["BREWFS_WORLD_URL"] + "/api2"}


def fresh():
    """A store of its own; the catalog in the cache is shared."""
    sandbox = Sandbox(world)
    sandbox.environment["BREWFS_CACHE"] = shared.environment["BREWFS_CACHE"]
    return sandbox


shared = Sandbox(world)

# --- the table ---

rows = world.table("link-table.tsv")


def table_differences(view, column, kegs):
    """Where the prefix is not as the table has it."""
    differences = []
    for row in rows:
        keg, path, expected = row["keg"], row["path"], row[column]
        if keg not in kegs or path == "var":  # a directory of every prefix
            continue
        kind = view.kind(path)
        if expected == "directory":
            good = kind == "directory"
        elif expected == "link":
            good = kind == "link" and view.leads(path) == f"Cellar/{keg}/1.0/{path}"
        elif expected == "file":
            good = kind == "link" and view.leads(path) == f"Cellar/{keg}/1.0/{path}"
        elif expected == "below":
            good = kind != "absent" and view.leads(path) == f"Cellar/{keg}/1.0/{path}"
        else:
            good = kind == "absent"
        if not good:
            differences.append(f"{path} of {keg} is {kind} -> {view.target(path)}, not {expected}")
    return differences


for keg in ("wl-table-a", "wl-table-b"):
    box = fresh()
    box.installs(keg)
    with box.look() as view:
        differences = table_differences(view, "alone", [keg])
        ok(not differences, f"{keg} alone is linked row by row as Homebrew links it", "\n".join(differences))
        absolute = [path for path in view.links_into(f"{keg}/1.0") if view.target(path).startswith("/")]
        equal(absolute, [], "every link is relative")
        equal(view.target(f"opt/{keg}"), f"../Cellar/{keg}/1.0", "opt leads to the keg")
        equal(view.target(f"var/homebrew/linked/{keg}"), f"../../../Cellar/{keg}/1.0",
              "and the linked record does")
        strays = [path for path in view.walk() if view.kind(path) == "directory"
                  and not path.startswith(("Cellar/", "opt", "var"))
                  and not any(row["path"] == path for row in rows) and "/" in path]
        equal(strays, [], "no other directory was made")

box = shared
box.installs("wl-table-a")
box.installs("wl-table-b")
with box.look() as view:
    differences = table_differences(view, "together", ["wl-table-a", "wl-table-b"])
    ok(not differences, "both together are linked row by row as Homebrew links them", "\n".join(differences))
with box.look() as view:
    together = sorted((path, view.target(path)) for path in view.walk() if not path.startswith("Cellar/"))
other = fresh()
other.installs("wl-table-b", "wl-table-a", name="both in one command, the other way round")
with other.look() as view:
    equal(sorted((path, view.target(path)) for path in view.walk() if not path.startswith("Cellar/")), together,
          "come to the same links")

# --- a conflict ---

before = box.generation()
result = box.run("install", "wl-clash")
equal(result.returncode, 1, "a file in the way: exit status 1")
ok("bin/wl-table-a" in result.stderr and "wl-table-a" in result.stderr and "Could not symlink" in result.stderr,
   "which says what is in the way, and whose it is", says(result))
equal(box.generation(), before + 1, "the formula is installed all the same")
with box.look() as view:
    equal(view.kind("Cellar/wl-clash/1.0"), "directory", "its keg stays")
    equal(view.target("opt/wl-clash"), "../Cellar/wl-clash/1.0", "and its opt link")
    equal(view.links_into("wl-clash/1.0"), [], "no link of it is left")
    equal(view.kind("var/homebrew/linked/wl-clash"), "absent", "nor a linked record")
    equal(view.leads("bin/wl-table-a"), "Cellar/wl-table-a/1.0/bin/wl-table-a", "what was in the way is untouched")
    equal(sorted((path, view.target(path)) for path in view.walk()
                 if not path.startswith("Cellar/") and path != "opt/wl-clash"), together, "and so is all the rest")
equal(box.json("list", "wl-clash")[0]["linked"], None, "list tells that it is not linked")
result = box.run("install", "wl-clash")
ok(result.returncode == 0 and box.generation() == before + 1, "installing it again changes nothing", says(result))
result = box.brewfile('brew "wl-clash", link: :overwrite\n')
ok(result.returncode == 0 and "bin/wl-table-a" in result.stderr, "link: :overwrite in a Brewfile takes the place",
   says(result))
with box.look() as view:
    equal(view.leads("bin/wl-table-a"), "Cellar/wl-clash/1.0/bin/wl-table-a", "of that file")
    equal(view.target("var/homebrew/linked/wl-clash"), "../../../Cellar/wl-clash/1.0", "and it is linked")
    equal(view.leads("lib/libwl-table-a.la"), "Cellar/wl-table-a/1.0/lib/libwl-table-a.la",
          "the other formula keeps its other links")
result = box.brewfile('brew "wl-table-b", link: false\n')
equal(result.returncode, 0, "link: false unlinks what is installed")
with box.look() as view:
    equal(view.links_into("wl-table-b/1.0"), [], "not one link is left")
    equal(view.target("opt/wl-table-b"), "../Cellar/wl-table-b/1.0", "but opt's")
    equal(view.kind("var/homebrew/linked/wl-table-b"), "absent", "and no record")
    equal(view.kind("share/wl/a/b"), "directory", "directories that were split are not merged back")
    equal(view.leads("share/wl/a/b/wl-table-a-only"), "Cellar/wl-table-a/1.0/share/wl/a/b/wl-table-a-only",
          "and lead to the other keg")
result = box.brewfile('brew "wl-table-b"\n')
equal(result.returncode, 0, "a Brewfile without link: links it again")
with box.look() as view:
    differences = table_differences(view, "together", ["wl-table-b"])
    ok(not differences, "row by row", "\n".join(differences))

for first, second, mine in (("wl-file-thing", "wl-dir-thing", "share/wl-thing"),
                            ("wl-dir-thing", "wl-file-thing", "share/wl-thing")):
    box = fresh()
    box.installs(first)
    result = box.run("install", second)
    ok(result.returncode == 1 and "share/wl-thing" in result.stderr and box.generation() == 2,
       f"{second} where {first} is: a conflict, and installed", says(result))
    with box.look() as view:
        ok((view.leads(mine) or "").startswith(f"Cellar/{first}/"), f"{first} keeps {mine}", str(view.leads(mine)))
        equal(view.kind(f"opt/{second}"), "link", f"{second} has its opt link")
        equal(view.links_into(f"{second}/1.0"), [], "and no other")

# Two that clash in one command: the second one in order is not linked.
box = fresh()
result = box.run("install", "--target-glibc", "2.41", "wl-dir-thing", "wl-file-thing")
ok(result.returncode == 1 and box.generation() == 1, "two that clash, in one command: exit status 1, and published",
   says(result))
equal(sorted(item["name"] for item in box.json("list") if item["linked"]), ["wl-dir-thing"], "the first is linked")

# --- splits ---

box = fresh()
box.installs("wl-split-a")
with box.look() as view:
    equal(view.leads("share/wl-split"), "Cellar/wl-split-a/1.0/share/wl-split", "a directory of one keg is one link")
    equal(view.kind("include/wl-split"), "link", "in include too")
box.installs("wl-split-b")
SPLIT = ["include/wl-split", "include/wl-split/inner", "lib/wl-split", "share/wl-split", "share/wl-split/one",
         "share/wl-split/one/two"]
with box.look() as view:
    equal([path for path in SPLIT if view.kind(path) != "directory"], [],
          "with a second keg, each directory that both have becomes real")
    equal(view.leads("share/wl-split/one/two/a"), "Cellar/wl-split-a/1.0/share/wl-split/one/two/a",
          "with the links of the first")
    equal(view.leads("share/wl-split/one/two/b"), "Cellar/wl-split-b/1.0/share/wl-split/one/two/b",
          "and of the second")
    equal([view.kind(f"share/wl-split/{name}") for name in "ab"], ["link", "link"], "file by file")
box.installs("wl-split-c")
with box.look() as view:
    equal(view.names("share/wl-split/one/two"), ["a", "b", "c"], "a third keg joins")
    equal(view.leads("share/wl-split/c"), "Cellar/wl-split-c/1.0/share/wl-split/c",
          "what it alone has in a split directory is one link")
    before = sorted((path, view.target(path)) for path in view.walk() if not path.startswith("Cellar/"))
result = box.run("install", "wl-split-clash")
ok(result.returncode == 1 and "share/wl-split/one/two/a" in result.stderr, "a conflict deep in a split", says(result))
with box.look() as view:
    equal(view.links_into("wl-split-clash/1.0"), [], "leaves no link of the keg")
    equal(sorted((path, view.target(path)) for path in view.walk()
                 if not path.startswith("Cellar/") and path != "opt/wl-split-clash"), before, "and no other trace")
box = fresh()
box.installs("wl-split-a")
equal(box.run("install", "wl-split-clash").returncode, 1, "a conflict that comes after a split")
with box.look() as view:
    equal(view.links_into("wl-split-clash/1.0"), [], "leaves no link of the keg")
    equal(view.leads("share/wl-split/one/two/a"), "Cellar/wl-split-a/1.0/share/wl-split/one/two/a",
          "the first keg's file is where it was")
    equal(view.leads("share/wl-split/a"), "Cellar/wl-split-a/1.0/share/wl-split/a", "every one")

# --- link_overwrite ---

box = fresh()
box.installs("wl-owner-gone")
result = box.run("install", "wl-overwrite", environment=API2)
equal(result.returncode, 0, "link_overwrite takes over from a formula that is gone")
PATHS = ["bin/wl-over", "share/wl-over/x", "lib/wl-pat-1.txt", "lib/wl-pat-2.txt"]
ok(all(path.rsplit("/x", 1)[0] in result.stderr for path in PATHS) and "generation 1" in result.stderr,
   "with a warning that names each path and the generation that still has it", says(result))
with box.look() as view:
    equal([view.leads(path) for path in PATHS], [f"Cellar/wl-overwrite/1.0/{path}" for path in PATHS],
          "a path, a directory, a pattern")
    equal(view.kind("Cellar/wl-owner-gone/1.0/bin/wl-over"), "file", "the old keg is untouched")

# Homebrew formula.rb#link_overwrite? lets a live formula's path go as well, if it is listed.
box = fresh()
box.installs("wl-owner-live")
result = box.run("install", "wl-overwrite-not")
ok(result.returncode == 0 and "bin/wl-over-live" in result.stderr,
   "a listed path is taken over from a formula that lives, too, with a warning", says(result))
with box.look() as view:
    equal(view.leads("bin/wl-over-live"), "Cellar/wl-overwrite-not/1.0/bin/wl-over-live", "and leads to the new keg")
box = fresh()
box.installs("wl-overwrite-not")
result = box.run("install", "wl-owner-live")
ok(result.returncode == 1 and "bin/wl-over-live" in result.stderr, "not the other way round: nothing is listed there",
   says(result))

# --- relatives ---

box = fresh()
box.installs("wl-pair@1")
with box.look() as view:
    equal(view.leads("bin/wl-pair"), "Cellar/wl-pair@1/1.0/bin/wl-pair",
          "a versioned keg-only formula that is asked for alone is linked")
result = box.installs("wl-pair")
ok("wl-pair@1" in result.stdout, "its unversioned relative says that it unlinks it", says(result))
with box.look() as view:
    equal(view.leads("bin/wl-pair"), "Cellar/wl-pair/2.0/bin/wl-pair", "and is linked instead")
    equal(view.kind("var/homebrew/linked/wl-pair@1"), "absent", "the keg-only one is not linked any more")
    equal(view.target("opt/wl-pair@1"), "../Cellar/wl-pair@1/1.0", "but in opt")
result = box.installs("wl-pair-full")
ok("bin/wl-pair" in result.stderr, "the -full relative takes the place, with a warning", says(result))
with box.look() as view:
    equal(view.leads("bin/wl-pair"), "Cellar/wl-pair-full/2.0/bin/wl-pair", "of the file")
    equal(view.kind("var/homebrew/linked/wl-pair"), "link", "the other one, which is not keg-only, stays linked")
box = fresh()
box.installs("wl-pair")
result = box.installs("wl-pair@1")
with box.look() as view:
    equal(view.leads("bin/wl-pair"), "Cellar/wl-pair/2.0/bin/wl-pair",
          "a versioned keg-only formula beside its relative is not linked")
    equal(view.kind("opt/wl-pair@1"), "link", "but in opt")
ok("keg-only" in result.stdout and "opt/wl-pair@1" in result.stdout, "and that is said, with the place where it is",
   says(result))
result = box.brewfile('brew "wl-pair@1", link: true\n')
equal(result.returncode, 0, "link: true in a Brewfile links it")
with box.look() as view:
    equal(view.leads("bin/wl-pair"), "Cellar/wl-pair@1/1.0/bin/wl-pair", "in the place of its relative")
    equal(view.kind("var/homebrew/linked/wl-pair"), "absent", "which is unlinked")
box = fresh()
equal(box.brewfile('brew "wl-pair@1"\n').returncode, 0, "a versioned keg-only formula in a Brewfile")
with box.look() as view:
    equal(view.kind("bin/wl-pair"), "absent", "is not linked, as brew bundle leaves it")
before = box.generation()
equal(box.brewfile('brew "wl-pair@1"\n').returncode, 0, "again")
equal(box.generation(), before, "is nothing to do")

# --- links of the keg's own, and empty directories ---

box = fresh()
box.installs("wl-table-a")
box.installs("wl-symlinks", "wl-empty-directories")
KEG = "Cellar/wl-symlinks/1.0"
with box.look() as view:
    for path, target in (("lib/wl-current", "../Cellar/wl-symlinks/1.0/lib/wl-current"),
                         ("share/wl-dirlink", "../Cellar/wl-symlinks/1.0/share/wl-dirlink"),
                         ("share/wl-dangling", "../Cellar/wl-symlinks/1.0/share/wl-dangling"),
                         ("bin/wl-alias", "../Cellar/wl-symlinks/1.0/bin/wl-alias"),
                         ("etc/wl-link.conf", "../Cellar/wl-symlinks/1.0/etc/wl-link.conf"),
                         ("bin/wl-other-opt", "../Cellar/wl-symlinks/1.0/bin/wl-other-opt")):
        equal(view.target(path), target, f"{path}, a link in the keg, gets one link")
    equal(view.kind("bin/wl-own-destination"), "absent", "one that names its own destination gets none")
    equal(view.kind("bin/wl-table-a-too"), "absent", "nor one that names the same path in opt")
    for path, target in (("libexec/to-opt", "../../../../opt/wl-table-a/bin"),
                         ("libexec/to-var", "../../../../var/wl-symlinks"),
                         ("libexec/to-cellar", "../share/wl-real/x"),
                         ("libexec/to-host", "/usr/share/zoneinfo"),
                         ("libexec/up", "../../../../opt/wl-table-a"),
                         ("libexec/loop", "loop"),
                         ("libexec/placeholder", "@@HOMEBREW_PREFIX@@/etc/wl")):
        equal(view.target(f"{KEG}/{path}"), target, f"the keg's {path} is {target}")
    equal([view.kind(path) for path in ("lib/gio/modules", "share/man/man7", "etc/wl-empty.d")], ["directory"] * 3,
          "empty directories where directories are made")
    equal([view.target(path) for path in ("share/wl-empty", "include/wl-empty")],
          [f"../Cellar/wl-empty-directories/1.0/{path}" for path in ("share/wl-empty", "include/wl-empty")],
          "links where links are")
    equal((view.kind("Cellar/wl-empty-directories/1.0/libexec/kept"),
           view.mode("Cellar/wl-empty-directories/1.0/libexec/kept")), ("directory", 0o700),
          "an empty directory of the keg is kept, with its mode")

# --- an upgrade ---

box = fresh()
box.installs("up-library", "up-revised")
box.installs("up-library", environment=API2, name="a newer version is installed")
with box.look() as view:
    equal(view.names("Cellar/up-library"), ["1.0", "1.1"], "beside the old one")
    equal(view.links_into("up-library/1.0"), [], "which has no links any more")
    equal(view.leads("bin/up-library"), "Cellar/up-library/1.1/bin/up-library", "they lead to the new one")
    equal(view.target("opt/up-library"), "../Cellar/up-library/1.1", "as does opt")
    equal(view.target("var/homebrew/linked/up-library"), "../../../Cellar/up-library/1.1", "and the record")
    equal(view.leads("bin/up-revised"), "Cellar/up-revised/1.0/bin/up-revised", "what was not asked for stays")

equal(shared.run("fsck").returncode, 0, "the store is sound")
ok(not os.path.lexists(os.path.join(PREFIX, "Cellar")), "nothing was left mounted at the prefix")
done()
