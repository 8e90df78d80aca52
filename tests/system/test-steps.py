#!/usr/bin/env python3
"""post_install steps: what they leave in the prefix, what is left to a program, and what they may not."""

import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import PREFIX, Sandbox, World, done, enter, equal, ok, says

ESCAPE = "/tmp/brewfs-world-escape"

enter()
world = World()
PUBLIC = {"HOMEBREW_API_DOMAIN": world.environment["BREWFS_WORLD_URL"] + "/api-public"}
shared = Sandbox(world)


def fresh():
    """A store of its own; the catalogs in the cache are shared."""
    sandbox = Sandbox(world)
    sandbox.environment["BREWFS_CACHE"] = shared.environment["BREWFS_CACHE"]
    return sandbox


def tree(view, top):
    """{path below top: text of a file, "-> TARGET" of a link, None for a directory}."""
    found = {}
    for path in view.walk(top):
        kind = view.kind(path)
        found[os.path.relpath(path, top)] = (
            None if kind == "directory" else f"-> {view.target(path)}" if kind == "link" else view.text(path))
    return found


def keg(name):
    return f"{PREFIX}/Cellar/{name}/1.2.3"


# --- steps that only touch files ---

FILES = ["st-make", "st-copy", "st-move", "st-remove", "st-link", "st-edit", "st-guards", "st-all"]
box = shared
result = box.installs(*FILES, name="formulae with steps that touch files")
ok("Pending" not in result.stdout, "nothing of that is pending", says(result))
with box.look() as view:
    equal(tree(view, "var/st-make"), {
        "a": None, "a/b": None, "a/b/c": None, "a/d": None, "new": None, "new/touched": "",
        "templates": f"{PREFIX} {PREFIX}/Cellar st-make st-make 1.2.3 1 1.2 {keg('st-make')} {PREFIX}/opt/st-make"
                     f" {PREFIX}/var {PREFIX}/etc {PREFIX}/etc/st-make {keg('st-make')}/share/st-make"
                     f" {keg('st-make')}/bin {{{{unknown}}}} {{{{ spaced }}}}\n",
        "by-template": "x\n", "absolute": "x\n"}, "mkdir, touch, write and templates")
    equal(tree(view, "etc/st-make"), {"once.conf": "once\n", "always.conf": "second\n"},
          "write replaces a file only where it says so")
    equal(view.text("share/st-make.txt"), "x\n", "files outside of the keg")
    equal(tree(view, "var/st-copy"), {
        "new": None, "new/a.txt": "b\n", "dir": None, "dir/a.txt": "a\n", "tree": None, "tree/x": "x\n",
        "tree/sub": None, "tree/sub/y": "y\n", "one.txt": "one\n"}, "copy")
    equal(view.mode("var/st-copy/tree/sub/y"), 0o755, "keeps modes")
    equal(tree(view, "var/st-move"), {
        "b": None, "b/c": "a\n", "over": "new\n", "many": None, "moved": None, "moved/1": "1\n", "moved/2": None,
        "moved/2/3": "3\n", "more": None, "moved/4": "4\n", "from-keg": "source of st-move\n"}, "move")
    equal(view.kind("Cellar/st-move/1.2.3/share/st-move/source.txt"), "absent", "takes files out of the keg, too")
    equal(tree(view, "var/st-remove"), {"x": None, "x/3.keep": "3\n", "unmarked": "has none\n",
                                        "new-link": "-> /new/place/x"}, "remove")
    equal(view.names("Cellar/st-remove/1.2.3/share/st-remove"), ["keep"], "in the keg as well")
    share = f"{keg('st-link')}/share/st-link"
    equal(tree(view, "var/st-link"), {
        "dir": f"-> {share}/dir", "forced": f"-> {share}/dir/a", "relative": "-> ../elsewhere", "globbed": None,
        "globbed/lib-1.so": f"-> {share}/lib-1.so", "globbed/lib-2.so": f"-> {share}/lib-2.so", "children": None,
        "children/pre-a": tree(view, "var/st-link")["children/pre-a"],
        "children/pre-sub": tree(view, "var/st-link")["children/pre-sub"]}, "symlink")
    equal([view.leads(path) for path in ("share/st-linked/a", "share/st-linked/sub/b", "bin/st-link-1.2",
                                         "bin/st-other-1.2")],
          [f"Cellar/st-link/1.2.3/{path}" for path in ("share/st-link/dir/a", "share/st-link/dir/sub/b",
                                                       "bin/st-link", "bin/st-other")], "link_dir, link_children")
    equal(view.kind("share/st-linked/sub"), "directory", "link_dir makes directories")
    conf = "Cellar/st-edit/1.2.3/share/st-edit"
    equal(view.text(f"{conf}/conf"), f"user = st-edit\npath = {PREFIX}\npath = /usr\nversion 9\n", "inreplace")
    equal([oct(view.mode(f"{conf}/{path}")) for path in ("conf", "tree", "tree/script", "tree/data")],
          ["0o640", "0o711", "0o711", "0o711"], "set_permissions")
    equal(view.names("var/st-guards"), ["both", "glob", "if-there", "on-linux", "once", "once-again"],
          "guards; one that is shared is asked once")
    equal(view.text("var/st-all/x"), "x\n", "steps of a bottle for all")

# --- every base, and what the world's formula of bases cannot show for its first one is refused ---

BASES = {"prefix": "Cellar/st-bases/1.2.3", "opt_prefix": "Cellar/st-bases/1.2.3", "bin": "Cellar/st-bases/1.2.3/bin",
         "sbin": "Cellar/st-bases/1.2.3/sbin", "lib": "Cellar/st-bases/1.2.3/lib",
         "libexec": "Cellar/st-bases/1.2.3/libexec", "share": "Cellar/st-bases/1.2.3/share",
         "pkgshare": "Cellar/st-bases/1.2.3/share/st-bases", "var": "var", "etc": "etc", "pkgetc": "etc/st-bases"}


def without_the_root(payload):
    formula = payload["formulae"]["st-bases"]
    formula["post_install_steps"] = [step for step in formula["post_install_steps"]
                                     if step.get("path", {}).get("base") not in ("homebrew_prefix", "rack")]


result = box.run("install", "st-bases", environment=world.api("api-bases", without_the_root))
ok(result.returncode == 0, "steps with every base", says(result))
with box.look() as view:
    for base, directory in BASES.items():
        equal(view.text(f"{directory}/by-{base}"), f"{base}\n", f"base {base} is {directory}")
    equal(view.text("etc/st-make/x.conf"), "x\n", "formula_pkgetc is another formula's")
    equal(view.target("var/st-bases/other"), f"{PREFIX}/opt/st-make/share", "formula_opt_prefix is its opt link")

# --- programs ---

box = fresh()
result = box.installs("st-run", "st-desktop", "st-sandbox", name="formulae with steps that run programs")
ok("Pending" not in result.stdout, "nothing of that is pending", says(result))
ok("Postinstalling st-run" in result.stdout, "that they run is told", says(result))
equal(box.generation(), 1, "what they make is part of the same generation")
with box.look() as view:
    equal(tree(view, "var/st-run"), {"before": None, "after": "", "output": f"st-run --at {keg('st-run')}\n"},
          "a program's output, with its arguments and environment")
    equal(view.text("share/icons/hicolor/icon-theme.cache"), f"-q -t -f {PREFIX}/share/icons/hicolor\n",
          "a cache is rebuilt by another formula's program")
    equal(view.text("share/applications/mimeinfo.cache"), "cache\n", "and another one")
    equal(view.kind("var/st-desktop/here"), "file", "a step whose guard waits for them runs after them")
    equal(view.text("var/st-sandbox/saw"), f"{PREFIX}\n",
          "a program sees no network and none of our environment, and writes nowhere else")
ok(not any(os.path.lexists(f"{top}/brewfs-world-escape") for top in ("/usr", "/root")), "nothing was written elsewhere")
equal(box.json("info", "st-run")["pending"], [], "and nothing is pending in the index")
equal(os.listdir(box.environment["BREWFS_SESSIONS"]), [], "no session is left")

box.installs("st-make")
with box.look() as view:
    kept = tree(view, "Cellar/st-make")
result = box.run("install", "st-intruder")
ok(result.returncode == 1 and "Cellar/st-make/1.2.3/intruder" in result.stderr,
   "a program that changes another keg: a warning that names it, exit status 1", says(result))
with box.look() as view:
    equal(tree(view, "Cellar/st-make"), kept, "the other keg is as it was")
    equal(view.kind("Cellar/st-intruder/1.2.3/bin/st-intrude"), "file", "its own is installed")
result = box.run("install", "st-run-fails")
ok(result.returncode == 1 and "st-run-fails: a program ended with status 3" in result.stderr,
   "a program that fails: a warning and exit status 1", says(result))
with box.look() as view:
    equal((view.text("var/st-run-fails"), view.kind("var/st-run-never")), ("made\n", "absent"),
          "what it made stays, what comes after it is not done")
equal(len(box.json("info", "st-run-fails")["pending"]), 2, "and both are pending")
result = box.run("postinstall", "st-run-fails")
ok(result.returncode == 1 and "status 3" in result.stderr, "postinstall tries again", says(result))
before = box.generation()
result = box.run("postinstall", "st-run", "st-desktop")
ok(result.returncode == 0 and box.generation() == before + 1, "and repeats those that were done", says(result))
document = json.loads(box.run("postinstall", "--json", "st-desktop").stdout)
equal((document["generation"], document["formulae"][0]["name"], document["formulae"][0]["pending"]),
      (before + 2, "st-desktop", None), "--json tells what was done")
result = box.run("postinstall", "st-nowhere")
ok(result.returncode == 1 and "st-nowhere" in result.stderr and "not installed" in result.stderr,
   "what is not installed is an error", says(result))
equal(box.run("postinstall").returncode, 2, "and so is nothing at all")

# --- what stays pending ---

box = shared
PENDING = {"st-data": ["init_data_dir"] * 3 + ["terminate_process"],
           "st-configure": ["configure_php", "bootstrap_cpython", "bootstrap_pypy", "install_gzipped_executable"]}
result = box.installs(*PENDING, "st-make", name="steps that cannot be run")
said = result.stdout.partition("Pending")[2]
ok(all(name in said for name in PENDING) and "st-make" not in said, "are told at the end, by name", says(result))
ok("Warning: st-data: A warning of st-data." in result.stderr, "a warn step warns", says(result))
for name, types in PENDING.items():
    info = box.json("info", name)
    equal([step["type"] for step in info["pending"]], types, f"info has the pending steps of {name}, in order")
    ok(all(step.get("reason") for step in info["pending"]), "each with the reason", str(info["pending"]))
ok('"type":"init_data_dir"' in box.run("info", "st-data").stdout, "info shows them to people, too")
equal(box.json("info", "st-make")["pending"], [], "where nothing is pending, nothing is")
with box.look() as view:
    equal([view.kind(f"var/st-{name}") for name in ("postgresql", "mysql", "mariadb")], ["directory"] * 3,
          "data directories are there to be filled")
result = box.run("install", "st-rebuild")
ok(result.returncode == 1 and "glib is missing required executable" in result.stderr,
   "a rebuild whose program is not installed fails, as in brew", says(result))
other = fresh()
document = json.loads(other.run("install", "--json", "--target-glibc", "2.41", "st-make", "st-data").stdout)
equal(document["pending"], ["st-data"], "--json has their names")

# --- certificates ---

result = box.installs("openssl@3", name="certificates")
ok("ca-certificates" not in result.stdout.partition("Pending")[2], "need no program", says(result))
with box.look() as view:
    bundle = view.text("etc/ca-certificates/cert.pem") or ""
    ok(bundle.count("BEGIN CERTIFICATE") >= 1 and view.mode("etc/ca-certificates/cert.pem") == 0o644,
       "the bundle is made", bundle[:200])
    equal(view.target("etc/openssl@3/cert.pem"), f"{PREFIX}/etc/ca-certificates/cert.pem", "openssl's leads to it")

# --- failures ---

box = fresh()
box.installs("st-make")
with box.look() as view:
    kept = tree(view, "Cellar/st-make")
FAILING = {"st-copy-glob": "exactly one", "st-link-exists": "st-link-exists/x", "st-edit-nothing": "not there",
           "st-unknown": "levitate", "st-unknown-base": "moon", "st-incomplete": "path", "st-not-a-step": "object",
           "st-blank-content": "content", "st-dots": "out of the prefix", "st-through-link": "out of the prefix",
           "st-other-keg": "st-make", "st-fails-midway": "missing", "st-bases": "by-homebrew_prefix"}
for name, word in FAILING.items():
    before = box.generation()
    result = box.run("install", name)
    ok(result.returncode == 1 and word in result.stderr and box.generation() == before + 1 and
       f"Warning: The post-install step did not complete successfully: {name}" in result.stderr,
       f"{name} fails: a warning, exit status 1, and it is installed", says(result))
    ok(not os.path.lexists(ESCAPE), "nothing was written outside of the prefix")
with box.look() as view:
    equal([view.kind(f"Cellar/{name}/1.2.3/share/{name}") for name in FAILING], ["directory"] * len(FAILING),
          "their kegs stay")
    equal([view.kind(f"var/homebrew/linked/{name}") for name in FAILING], ["link"] * len(FAILING), "linked")
    equal(tree(view, "var/st-fails-midway"), {"one": "", "two": ""}, "what was done before the failure stays")
    equal(tree(view, "Cellar/st-make"), kept, "another formula's keg is as it was")
    equal(view.target("var/st-through-link/out"), "/tmp", "a link may lead anywhere; nothing goes through it")
    equal(view.text("var/st-link-exists/x"), "x\n", "a file in the way of a link stays")
    equal(view.text("Cellar/st-edit-nothing/1.2.3/share/st-edit-nothing/source.txt"), "source of st-edit-nothing\n",
          "a file in which nothing was found is as it was")
result = box.run("install", "st-fails-midway")
equal(result.returncode, 0, "it is installed: a second time there is nothing to do")
result = box.run("install", "st-absolute", "st-make")
ok("st-absolute" in result.stdout.partition("Pending")[2] and not os.path.lexists(ESCAPE),
   "a file elsewhere on the machine is not made, but left to a session there", says(result))
ok("outside" in json.dumps(box.json("info", "st-absolute")["pending"]), "which says why")
result = box.run("install", "st-copy-exists", "st-move-exists")
ok(result.returncode == 0, "the internal form drops overwrite: false, so nothing fails", says(result))
with box.look() as view:
    equal((view.text("var/st-copy-exists/x"), view.text("var/st-move-exists/b")),
          ("source of st-copy-exists\n", "a\n"), "and the files are replaced")

# --- the public form ---

box = fresh()
for name in ("st-copy-exists", "st-move-exists"):
    result = box.run("install", name, environment=PUBLIC)
    ok(result.returncode == 1 and name in result.stderr, f"{name} fails from the public API, which keeps overwrite",
       says(result))
with box.look() as view:
    equal((view.text("var/st-copy-exists/x"), view.text("var/st-move-exists/b")), ("here\n", "b\n"),
          "and nothing is replaced")
result = box.run("install", "st-blank-content", "st-make", environment=PUBLIC)
ok(result.returncode == 0, "blank content is kept there", says(result))
with box.look() as view:
    equal(view.text("var/st-blank-content/x"), "\n", "and written")
    equal(view.text("etc/st-make/always.conf"), "second\n", "as is the rest")

ok(not os.path.lexists(ESCAPE), "nothing was ever written outside of the store")
for name, sandbox in (("first", shared), ("last", box)):
    result = sandbox.run("fsck")
    ok(result.returncode == 0, f"the {name} store is sound", says(result))
done()
