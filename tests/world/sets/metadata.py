"""Formulae for what the API documents say: names, dependencies, refusals, the registry's tab."""
from elf import FOREIGN, NATIVE, Elf
from formula import ANY, CELLAR, Formula, Text

PROGRAM = "int main(void) { return 0; }\n"


def _thing(name, exercises, version="1.0", files=None, **fields):
    """A formula whose keg has one file; most cases are about the documents only."""
    files = files if files is not None else {f"share/{name}/{name}.txt": f"{name} {version}\n"}
    return Formula(name, version, exercises, files, **fields)


def _names():
    return [
        _thing("md-alias", "aliases, one with `@`: opt links of theirs",
               aliases=["md-also", "md-alias@1"]),
        _thing("md-renamed", "oldnames and formula_renames", oldnames=["md-old", "md-older"]),
        _thing("md-migrated", "not in core: formula_tap_migrations names the tap",
               tap="example/tools"),
        _thing("libsigc++@2", "`+` and `@` in one name: image libsigcxx/2, %2B in the API's URL",
               "2.12.1", keg_only=(":versioned_formula", "")),
        _thing("gtk+3", "`+` in the name: image gtkx3", "3.24.51", dependencies=["libsigc++@2"]),
        _thing("md-3+1-2.x_y", "every kind of character a name may have", "1.0-rc1.b2"),
        _thing("md-tool", "versioned relatives in versioned_formulae", "3.0",
               versioned_formulae=["md-tool@2", "md-tool@2.5"]),
        _thing("md-tool@2", "versioned, keg-only", "2.9", keg_only=(":versioned_formula", "")),
        _thing("md-tool@2.5", "versioned with a dot, keg-only", "2.5.1",
               keg_only=(":versioned_formula", "")),
        _thing("tapped", "a tap's own: registry example/tools, documents below /tap/example/tools",
               tap="example/tools"),
        _thing("tapped-too", "a tap's formula that needs another of the tap and one of core",
               tap="example/tools", dependencies=["example/tools/tapped", "md-alias"]),
    ]


def _versions():
    return [
        _thing("md-revised", "revision: keg 1.0_2", revision=2),
        _thing("md-rebuilt", "rebuild: index tag 1.0-3, ref 1.0.TAG.3, file .bottle.3.tar.gz",
               rebuild=3),
        _thing("md-both", "revision and rebuild: keg 2.4_1, index tag 2.4_1-2", "2.4", revision=1,
               rebuild=2),
        _thing("md-all", "an `:all` bottle: no platform, no arch and builder in the tab",
               tags=("all",), files={"share/md-all/x.txt": "@@HOMEBREW_PREFIX@@/share/md-all\n"}),
        _thing("md-all-needs", "an `:all` bottle with dependencies", tags=("all",),
               dependencies=["md-alias"], rebuild=1),
        _thing("md-both-tags", "a bottle for either architecture", tags=(NATIVE, FOREIGN),
               files={"bin/md-both-tags": Elf(PROGRAM)}, cellar=ANY),
        _thing("md-other-tag", "a bottle for the other architecture only", tags=(FOREIGN,)),
        _thing("md-no-bottle", "no bottle at all", tags=()),
        _thing("md-same-digest", "the index lists the same digest under another platform first",
               annotations={"decoy": True}),
        _thing("md-compatible", "compatibility_version", compatibility_version=3),
        _thing("md-spaced", "blank values in the internal form vanish", license=None, desc=" "),
    ]


def _keg_only():
    text = "it shadows what the system has"
    return [
        _thing("md-keg-text", "keg_only by free text, with an explanation",
               keg_only=(text, "Use it with care")),
        _thing("md-keg-macos", "keg_only :provided_by_macos: linked on Linux",
               keg_only=(":provided_by_macos", "")),
        _thing("md-keg-shadowed", "keg_only :shadowed_by_macos: linked on Linux",
               keg_only=(":shadowed_by_macos", "macOS provides another")),
        _thing("md-keg-version@4", "keg_only :versioned_formula", "4.2",
               keg_only=(":versioned_formula", "")),
        _thing("md-keg-colon", "a reason that begins with a colon without being a symbol: escaped",
               keg_only=(":not a symbol", "")),
    ]


def _states():
    return [
        _thing("md-disabled", "disabled: refused",
               disabled={"date": "2026-01-15", "because": ":unmaintained"}),
        _thing("md-deprecated", "deprecated, with a replacement: a warning", deprecated={
            "date": "2026-02-01", "because": "it has a successor",
            "replacement_formula": "md-alias"}),
        _thing("md-needs-disabled", "needs a disabled formula", dependencies=["md-disabled"]),
        _thing("md-conflict-a", "conflicts_with md-conflict-b, with a reason",
               conflicts=[("md-conflict-b", "both install `bin/md-c`")]),
        _thing("md-conflict-b", "conflicts_with md-conflict-a, without one",
               conflicts=[("md-conflict-a", None)]),
        _thing("md-caveats", "caveats with $HOMEBREW_PREFIX",
               caveats="Add $HOMEBREW_PREFIX/opt/md-caveats/bin to PATH.\n"),
        _thing("md-only-if", "pour_bottle? only_if default_prefix", pour_only_if="default_prefix"),
        _thing("md-foreign-cellar", "built for another prefix: refused",
               cellar="/opt/homebrew/Cellar"),
        _thing("md-ruby-post-install", "post_install that only Ruby could run: a warning",
               post_install_defined=True),
        _thing("md-service", "a service, its unit files in the keg, and etc", files={
            "bin/md-daemon": Text("#!/bin/sh\nexec sleep 1\n"),
            "homebrew.md-service.service":
                "[Service]\nExecStart=\"@@HOMEBREW_PREFIX@@/opt/md-service/bin/md-daemon\"\n",
            ".bottle/etc/md-service.conf": "prefix=@@HOMEBREW_PREFIX@@\n"},
            service={"run": ["$HOMEBREW_PREFIX/opt/md-service/bin/md-daemon"],
                     "run_type": "immediate", "keep_alive": {"always": True},
                     "log_path": "$HOMEBREW_PREFIX/var/log/md-service.log"}),
    ]


def _requirements():
    return [
        _thing("md-linux", "requirement :linux: fine", requirements=[("linux", None, [])]),
        _thing("md-macos", "requirement :macos: refused", requirements=[("macos", None, [])]),
        _thing("md-macos-15", "requirement :macos with a version: refused",
               requirements=[("macos", "15", [])]),
        _thing("md-macos-build", "requirement :macos for the build only: fine",
               requirements=[("macos", "13", ["build"])]),
        _thing("md-xcode", "requirement :xcode for the build: fine",
               requirements=[("xcode", "16.0", ["build"])]),
        _thing("md-arch", "requirement of the other architecture: refused",
               requirements=[("arch", FOREIGN.split("_linux")[0], [])]),
    ]


def _dependencies():
    leaves = [_thing(f"md-leaf-{letter}", "a dependency of other md- formulae")
              for letter in "abcdefgh"]
    return leaves + [
        _thing("md-uses", "uses_from_macos: a and b needed; build and test ones not",
               uses_from_macos=[("md-leaf-a", {}), ("md-leaf-b", {"since": "sequoia"}),
                                ({"md-leaf-c": ["build"]}, {}),
                                ({"md-leaf-d": ["build", "test"]}, {}),
                                ({"md-leaf-e": ["build"]}, {"since": "sonoma"})]),
        _thing("md-tags", "tags: a, recommended b and no_linkage c needed; the others not",
               dependencies=["md-leaf-a", {"md-leaf-b": ["recommended"]},
                             {"md-leaf-c": ["no_linkage"]}, {"md-leaf-d": ["build"]},
                             {"md-leaf-e": ["build", "test"]}, {"md-leaf-f": ["optional"]},
                             {"md-leaf-g": ["test"]}]),
        _thing("md-variations", "the base document needs leaf-a and a macOS one; Linux a and h",
               dependencies=["md-leaf-a"], linux_dependencies=["md-leaf-h"]),
        _thing("md-by-alias", "needs a formula by its alias and one by its old name",
               dependencies=["md-also", "md-old"]),
        _thing("md-diamond", "md-leaf-a by three ways, once in the closure",
               dependencies=["md-uses", "md-tags", "md-leaf-a"]),
        _thing("md-cycle-a", "a cycle of dependencies: a, b, c, a", dependencies=["md-cycle-b"]),
        _thing("md-cycle-b", "second of the cycle", dependencies=["md-cycle-c"]),
        _thing("md-cycle-c", "third of the cycle", dependencies=["md-cycle-a"]),
        _thing("md-cycle-self", "needs itself", dependencies=["md-cycle-self"]),
        _thing("md-missing-dependency", "needs a formula that does not exist",
               dependencies=["md-leaf-a", "md-does-not-exist"]),
        _thing("md-deep-0", "a chain of 60 dependencies", dependencies=["md-deep-1"]),
        *[_thing(f"md-deep-{depth}", "a link of the chain of 60", tags=("all",),
                 dependencies=[f"md-deep-{depth + 1}"] if depth < 60 else [])
          for depth in range(1, 61)],
    ]


def _tabs():
    """What the registry may say, or leave out: none of it is signed."""
    text = {"libexec/x.txt": "prefix @@HOMEBREW_PREFIX@@\n", "README.md": "@@HOMEBREW_PREFIX@@\n",
            "libexec/listed-or-not.bin": b"\0bin @@HOMEBREW_CELLAR@@\0"}
    inside = {**text, "INSTALL_RECEIPT.json":
              '{"homebrew_version": "4.6.0", "changed_files": ["libexec/x.txt"], '
              '"source_modified_time": 1700000000, "runtime_dependencies": []}\n'}
    cases = [
        ("tab-none", "no sh.brew.tab: full relocation by looking at every file", text, None, {}),
        ("tab-receipt-inside", "no tab in the registry, a receipt in the bottle", inside, None, {}),
        ("tab-null-list", "changed_files null: by looking at every file", text,
         {"changed_files": None}, {}),
        ("tab-empty-list", "changed_files empty: no text is changed", text,
         {"changed_files": []}, {}),
        ("tab-odd-list", "changed_files with missing files, a binary, a directory, a link", text,
         {"changed_files": ["libexec/x.txt", "INSTALL_RECEIPT.json", "libexec/listed-or-not.bin",
                            "libexec", "no/such/file"]}, {}),
        ("tab-outside-list", "changed_files that leave the keg: ignored or refused", text,
         {"changed_files": ["../../../../etc/passwd", "/etc/passwd", "libexec/../libexec/x.txt",
                            "libexec/x.txt"]}, {}),
        ("tab-broken", "sh.brew.tab is not JSON", text, {},
         {"sh.brew.tab": "{\"changed_files\": ["}),
        ("tab-wrong-types", "sh.brew.tab has values of wrong types", text, {},
         {"sh.brew.tab": "{\"changed_files\": {\"a\": 1}, \"runtime_dependencies\": \"no\", "
                         "\"homebrew_version\": 5, \"built_on\": []}"}),
        ("tab-wrong-digest", "no entry of the index has the bottle's digest", text, {},
         {"sh.brew.bottle.digest": "0" * 64}),
        ("tab-wrong-ref", "the entry's ref name is another version's", text, {},
         {"org.opencontainers.image.ref.name": "0.9.x86_64_linux"}),
        ("tab-wrong-size", "sh.brew.bottle.size says one byte", text, {},
         {"sh.brew.bottle.size": "1"}),
        ("tab-no-annotations", "entries without any annotation", text, {}, {"all": None}),
        ("tab-no-index", "no image index for the tag: 404", text, {}, {"index": None}),
    ]
    return [_thing(name, exercises, files=files, tab=tab, annotations=annotations)
            for name, exercises, files, tab, annotations in cases]


def _builders():
    rpath = ["@@HOMEBREW_PREFIX@@/lib"]
    skip = {"bin/{0}": Elf(PROGRAM, rpath=rpath), "share/{0}.txt": "@@HOMEBREW_PREFIX@@\n"}
    named = lambda name: {path.format(name): entry for path, entry in skip.items()}
    return [
        _thing("md-skip-old", "any_skip_relocation by a builder before 5.1.15: ELF done",
               files=named("md-skip-old"), tab={"homebrew_version": "4.6.11"}),
        _thing("md-skip-new", "any_skip_relocation by a builder since: ELF left alone, text done",
               files={**named("md-skip-new"), "bin/md-skip-new": Elf(
                   PROGRAM, interpreter="/lib64/ld-linux-x86-64.so.2", rpath=["/opt/world/lib"],
                   style="exact")}, tab={"homebrew_version": "5.1.15"}),
        _thing("md-fixed-cellar", "cellar is the default one", cellar=CELLAR,
               files=named("md-fixed-cellar")),
    ]


def formulae():
    """Everything about documents."""
    return (_names() + _versions() + _keg_only() + _states() + _requirements() + _dependencies()
            + _tabs() + _builders())
