"""Formulae for the rules of linking: what becomes a directory, what a link, what is left out."""
import re

from formula import Dir, Formula, Link, Text

PREFIX = "/home/linuxbrew/.linuxbrew"

# Directories that the table's kegs share; each holds a file NAME-only. Which of them is a directory
# in the prefix and which a link follows from RULES.
DIRECTORIES = [
    "etc/wl-conf/sub", "bin/wl-sub", "sbin/wl-sub", "include/wl/sub", "include/postgresql/sub",
    "include/postgresql@17/server", "share/aclocal", "share/cps", "share/doc/wl/html", "share/info",
    "share/java", "share/locale/de/LC_MESSAGES", "share/locale/pt_BR", "share/locale/C",
    "share/locale/wlong", "share/man/man1", "share/man/man8", "share/man/man9", "share/man/cat1",
    "share/man/de/man1", "share/man/pt_BR.UTF-8", "share/applications/wl", "share/gnome/help/wl",
    "share/gnome/wl", "share/icons/hicolor/48x48/apps", "share/mime/packages", "share/mime/text",
    "share/mime-info", "share/mime-types", "share/pixmaps", "share/postgresql/wl", "share/sounds",
    "share/zsh/site-functions", "share/fish/vendor_completions.d", "share/fishing", "share/pwsh/x",
    "share/lua/5.4", "share/luajit", "share/guile/3.0", "share/postgresql@17/extension",
    "share/pypy3.10/x", "share/wl/a/b", "share/emacs/site-lisp", "share/vim",
    "share/bash-completion/x",
    "lib/cps", "lib/pkgconfig/wl", "lib/cmake/wl", "lib/dtrace", "lib/ghc/wl", "lib/php/wl",
    "lib/gdk-pixbuf-2.0/loaders", "lib/gio/modules", "lib/lua/5.4", "lib/mecab/dic",
    "lib/node_modules/wl", "lib/ocaml/site", "lib/perl5/site_perl", "lib/postgresql@17/bin",
    "lib/pypy3.10/site-packages", "lib/python3.13/site-packages/wl", "lib/R/4.5", "lib/ruby/gems",
    "lib/python/wl", "lib/wl/sub", "lib/engines-3", "lib/bash",
]
SHARE_PATHS = ("aclocal cps doc info java locale man applications gnome gnome/help icons mime "
               "mime/packages mime-info pixmaps postgresql sounds").split() + [
                   f"man/{kind}{section}" for kind in ("man", "cat") for section in range(1, 9)]
# A directory whose path below the top one matches is made; any other is one link to the keg's.
RULES = {
    "etc": "", "include": r"^postgresql@\d+",
    "share": "|".join([r"(locale|man)/([a-z]{2}|C|POSIX)(_[A-Z]{2})?", "^icons/", "^zsh", "^fish",
                       "^pwsh", "^lua/", "^guile/", r"^postgresql@\d+", "^pypy"]
                      + [f"^{path}$" for path in SHARE_PATHS]),
    "lib": r"^(cps|pkgconfig|cmake|dtrace|ghc|php)$|^gdk-pixbuf|^gio|^lua|^mecab|^node|^ocaml"
           r"|^perl5|^postgresql@\d+|^pypy|^python[23]\.\d+|^R|^ruby",
}
SKIPPED = ["share/locale/locale.alias", "share/icons/hicolor/icon-theme.cache",
           "share/info/dir", "lib/charset.alias", "share/doc/.DS_Store",
           "lib/python3.13/site-packages/wl/__pycache__/mod.cpython-313.pyc",
           "lib/python3.13/site-packages/wl/old.pyo"]
FILES = ["bin/{0}", "sbin/{0}-admin", "lib/lib{0}.la", "include/{0}.h", "etc/{0}.conf",
         "share/{0}.txt", "lib/pkgconfig/{0}.pc", "share/info/{0}.info"]
UNLINKED = ["libexec/{0}/tool", "var/{0}/data", "top-file.txt"]


def _kind(path, above):
    """What a directory of the keg is in the prefix; `above`: what its parent is."""
    top, _, below = path.partition("/")
    if not below:
        return "directory" if top in RULES or top in ("bin", "sbin") else "absent"
    if above in ("link", "below"):
        return "below"
    if top not in RULES or above == "absent":
        return "absent"
    return "directory" if re.search(RULES[top], below) else "link"


def _together(kind, real):
    return real if kind in ("link", "below") else kind


def table_rows(name):
    """(path, alone, together) of all in the keg: what it is in the prefix where `name` is the only
    one of the table's kegs that is linked, and where both are. `below`: reached through a link."""
    kinds = {"": ""}
    rows = []
    for path in sorted(_table_files(name)):
        parts = path.split("/")
        for count in range(1, len(parts)):
            parent, directory = "/".join(parts[:count - 1]), "/".join(parts[:count])
            if directory not in kinds:
                kinds[directory] = _kind(directory, kinds[parent])
                rows.append((directory, kinds[directory], _together(kinds[directory], "directory")))
        above = kinds["/".join(parts[:-1])]
        if path in SKIPPED or above in ("absent", ""):
            rows.append((path, "absent", "absent"))
        else:
            rows.append((path, "file" if above == "directory" else "below", "file"))
    return rows


def _table_files(name):
    files = {f"{path}/{name}-only": f"{name} in {path}\n" for path in DIRECTORIES}
    files.update({path: "never linked\n" for path in SKIPPED})
    files.update({path.format(name): f"{path.format(name)}\n" for path in FILES + UNLINKED})
    files[f"share/info/{name}.info"] = (
        f"This is {name}.info.\n\nSTART-INFO-DIR-ENTRY\n* {name}: ({name}).   A test.\n"
        "END-INFO-DIR-ENTRY\n\x1f\n")
    files[f"bin/{name}"] = Text(f"#!/bin/sh\necho {name}\n")
    files[f"sbin/{name}-admin"] = Text(f"#!/bin/sh\necho {name} admin\n")
    return files


def _splitting():
    deep = "share/wl-split/one/two"
    return [
        Formula("wl-split-a", "1.0", "directories that become real when wl-split-b joins",
                {f"{deep}/a": "a\n", "share/wl-split/a": "a\n", "lib/wl-split/liba": "a\n",
                 "include/wl-split/inner/a.h": "a\n"}),
        Formula("wl-split-b", "1.0", "joins the directories of wl-split-a",
                {f"{deep}/b": "b\n", "share/wl-split/b": "b\n", "lib/wl-split/libb": "b\n",
                 "include/wl-split/inner/b.h": "b\n"}),
        Formula("wl-split-c", "1.0", "a third keg in already split directories",
                {f"{deep}/c": "c\n", "share/wl-split/c/deeper/still": "c\n"}),
        Formula("wl-split-clash", "1.0", "splits directories, then conflicts: all is to be undone",
                {f"{deep}/a": "mine\n", "share/wl-split/aaa": "x\n", "bin/wl-split-clash": "x\n"}),
    ]


def _conflicts():
    return [
        Formula("wl-clash", "1.0", "a file that wl-table-a has: linking fails, keg and opt stay",
                {"bin/wl-aaa": Text("#!/bin/sh\n"), "bin/wl-table-a": Text("#!/bin/sh\n"),
                 "share/wl-clash/x": "x\n"}),
        Formula("wl-file-thing", "1.0", "a file where wl-dir-thing has a directory",
                {"share/wl-thing": "a file\n"}),
        Formula("wl-dir-thing", "1.0", "a directory where wl-file-thing has a file",
                {"share/wl-thing/inside": "a directory\n"}),
        Formula("wl-owner-live", "1.0", "has bin/wl-over-live, which wl-overwrite may not take",
                {"bin/wl-over-live": Text("#!/bin/sh\necho live\n")}),
        Formula("wl-owner-gone", "1.0", "leaves the API in stage 2: wl-overwrite takes its files",
                {"bin/wl-over": Text("#!/bin/sh\necho gone\n"), "share/wl-over/x": "gone\n",
                 "lib/wl-pat-1.txt": "gone\n", "lib/wl-pat-2.txt": "gone\n"}, stages=(1,)),
        Formula("wl-overwrite", "1.0", "link_overwrite by path, by directory, by pattern",
                {"bin/wl-over": Text("#!/bin/sh\necho new\n"), "share/wl-over/x": "new\n",
                 "lib/wl-pat-1.txt": "new\n", "lib/wl-pat-2.txt": "new\n"},
                link_overwrite=["bin/wl-over", "share/wl-over", "lib/wl-pat-*.txt"]),
        Formula("wl-overwrite-not", "1.0", "link_overwrite lists a path a live formula owns",
                {"bin/wl-over-live": Text("#!/bin/sh\necho not\n")},
                link_overwrite=["bin/wl-over-live"]),
    ]


def _related():
    program = Text("#!/bin/sh\necho pair\n")
    return [
        Formula("wl-pair", "2.0", "overwrites the links of its versioned relative",
                {"bin/wl-pair": program}, versioned_formulae=["wl-pair@1"]),
        Formula("wl-pair@1", "1.0", "keg-only versioned relative of wl-pair; linked when requested "
                "and alone", {"bin/wl-pair": program}, keg_only=(":versioned_formula", "")),
        Formula("wl-pair-full", "2.0", "the `-full` relative of wl-pair", {"bin/wl-pair": program}),
    ]


def _symlinks():
    return [
        Formula("wl-symlinks", "1.0", "links in the keg: to directories, absolute ones that become "
                "relative, dangling, to itself, and those that are not linked", {
                    "lib/wl-version-1/x": "x\n", "lib/wl-current": Link("wl-version-1"),
                    "share/wl-real/x": "x\n", "share/wl-dirlink": Link("wl-real"),
                    "bin/wl-real": Text("#!/bin/sh\n"), "bin/wl-alias": Link("wl-real"),
                    "bin/wl-own-destination": Link(f"{PREFIX}/bin/wl-own-destination"),
                    "bin/wl-table-a-too": Link(f"{PREFIX}/opt/wl-table-a/bin/wl-table-a-too"),
                    "bin/wl-other-opt": Link(f"{PREFIX}/opt/wl-table-a/bin/wl-table-a"),
                    "libexec/to-opt": Link(f"{PREFIX}/opt/wl-table-a/bin"),
                    "libexec/to-var": Link(f"{PREFIX}/var/wl-symlinks"),
                    "libexec/to-cellar": Link(f"{PREFIX}/Cellar/wl-symlinks/1.0/share/wl-real/x"),
                    "libexec/to-host": Link("/usr/share/zoneinfo"),
                    "libexec/up": Link("../../../../opt/wl-table-a"),
                    "libexec/placeholder": Link("@@HOMEBREW_PREFIX@@/etc/wl"),
                    "share/wl-dangling": Link("nowhere/at/all"), "libexec/loop": Link("loop"),
                    "etc/wl-link.conf": Link("../share/wl-real/x")}, cellar=":any"),
        Formula("wl-empty-directories", "1.0", "empty directories: real, linked, in libexec", {
            "lib/gio/modules": Dir(), "share/wl-empty": Dir(), "include/wl-empty/deeper": Dir(),
            "libexec/kept": Dir(0o700), "etc/wl-empty.d": Dir(), "share/man/man7": Dir()}),
    ]


def formulae():
    """Everything about links."""
    table = [Formula(f"wl-table-{letter}", "1.0",
                     "every row of the link table; both letters share all directories",
                     _table_files(f"wl-table-{letter}")) for letter in "ab"]
    return table + _splitting() + _conflicts() + _related() + _symlinks()
