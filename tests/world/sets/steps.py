"""Formulae for declarative post_install: every step type that touches files; what goes wrong."""
from formula import Formula, Text


def _at(base, path):
    return {"base": base, "path": path}


def _var(name, path):
    return _at("var", f"{name}/{path}")


def _step(kind, guards=None, **fields):
    step = {**fields, "type": kind}
    if guards:
        step["guards"] = guards
    return step


def _formula(name, exercises, steps, files=None, **fields):
    files = files or {f"share/{name}/source.txt": f"source of {name}\n"}
    return Formula(name, "1.2.3", exercises, files, steps=steps, **fields)


def _making():
    name = "st-make"
    return [
        _formula("st-make", "mkdir, mkdir_p, touch, write with and without overwrite, templates", [
            _step("mkdir_p", path=_var(name, "a/b/c")), _step("mkdir", path=_var(name, "a/d")),
            _step("touch", path=_var(name, "new/touched")),
            _step("write", path=_at("etc", "st-make/once.conf"), content="once\n"),
            _step("write", path=_at("etc", "st-make/once.conf"), content="not this\n"),
            _step("write", path=_at("pkgetc", "always.conf"), content="first\n"),
            _step("write", path=_at("pkgetc", "always.conf"), content="second\n", overwrite=True),
            _step("write", path=_var(name, "templates"), content=(
                "{{HOMEBREW_PREFIX}} {{HOMEBREW_CELLAR}} {{name}} {{formula_name}} {{version}} "
                "{{version.major}} {{version.major_minor}} {{prefix}} {{opt_prefix}} {{var}} "
                "{{etc}} {{pkgetc}} {{pkgshare}} {{bin}} {{unknown}} {{ spaced }}\n")),
            _step("write", path={"path": "{{var}}/{{name}}/by-template"}, content="x\n"),
            _step("write", path={"path": "/home/linuxbrew/.linuxbrew/var/st-make/absolute"},
                  content="x\n"),
            _step("write", path=_at("homebrew_prefix", "share/st-make.txt"), content="x\n")]),
        _formula("st-bases", "every base a path may have",
                 [_step("write", path=_at(base, f"by-{base}"), content=f"{base}\n") for base in (
                     "homebrew_prefix", "prefix", "opt_prefix", "bin", "sbin", "lib", "libexec",
                     "share", "pkgshare", "var", "etc", "pkgetc", "rack")]
                 + [_step("write", path={**_at("formula_pkgetc", "x.conf"), "formula": "st-make"},
                          content="x\n"),
                    _step("symlink", source={**_at("formula_opt_prefix", "share"),
                                             "formula": "st-make"},
                          target=_at("var", "st-bases/other"), force=True)],
                 dependencies=["st-make"]),
    ]


def _copying():
    files = {"share/st-copy/a.txt": "a\n", "share/st-copy/b.txt": "b\n",
             "share/st-copy/tree/x": "x\n", "share/st-copy/tree/sub/y": Text("y\n", 0o755),
             "share/st-copy/only-1.txt": "one\n"}
    source = lambda path: _at("pkgshare", path)
    return [
        _formula("st-copy", "copy: file, into a directory, recursive, by glob, over a file", [
            _step("copy", source=source("a.txt"), target=_var("st-copy", "new/a.txt")),
            _step("mkdir_p", path=_var("st-copy", "dir")),
            _step("copy", source=source("a.txt"), target=_var("st-copy", "dir")),
            _step("copy", source=source("tree"), target=_var("st-copy", "tree"), recursive=True),
            _step("copy", source=source("only-*.txt"), target=_var("st-copy", "one.txt"),
                  source_glob=True),
            _step("copy", source=source("b.txt"), target=_var("st-copy", "new/a.txt"))], files),
        _formula("st-copy-exists", "copy with overwrite false onto a file: fails; in the internal "
                 "form the flag is left out and the file replaced", [
            _step("write", path=_var("st-copy-exists", "x"), content="here\n"),
            _step("copy", source=_at("pkgshare", "source.txt"),
                  target=_var("st-copy-exists", "x"), overwrite=False)]),
        _formula("st-copy-glob", "copy by a glob that matches two files: fails", [
            _step("copy", source=_at("pkgshare", "*.txt"), target=_var("st-copy-glob", "x"),
                  source_glob=True)],
                 {"share/st-copy-glob/a.txt": "a\n", "share/st-copy-glob/b.txt": "b\n"}),
    ]


def _moving():
    name = "st-move"
    return [
        _formula(name, "move, move_children, move_contents, with overwrite", [
            _step("write", path=_var(name, "a"), content="a\n"),
            _step("move", source=_var(name, "a"), target=_var(name, "b/c"), overwrite=True),
            _step("write", path=_var(name, "over"), content="old\n"),
            _step("write", path=_var(name, "new"), content="new\n"),
            _step("move", source=_var(name, "new"), target=_var(name, "over"), overwrite=True),
            _step("write", path=_var(name, "many/1"), content="1\n"),
            _step("write", path=_var(name, "many/2/3"), content="3\n"),
            _step("move_children", source=_var(name, "many"), target=_var(name, "moved")),
            _step("write", path=_var(name, "more/4"), content="4\n"),
            _step("move_contents", source=_var(name, "more"), target=_var(name, "moved")),
            _step("move", source=_at("pkgshare", "source.txt"), target=_var(name, "from-keg"))]),
        _formula("st-move-exists", "move onto a file with overwrite false: fails; in the internal "
                 "form the flag is left out and the file replaced", [
            _step("write", path=_var("st-move-exists", "a"), content="a\n"),
            _step("write", path=_var("st-move-exists", "b"), content="b\n"),
            _step("move", source=_var("st-move-exists", "a"),
                  target=_var("st-move-exists", "b"), overwrite=False)]),
    ]


def _removing():
    name = "st-remove"
    files = {"share/st-remove/keep": "keep\n", "share/st-remove/drop.txt": "drop\n"}
    return [
        _formula(name, "remove: by glob, recursive, by link target, by content; missing ones", [
            _step("write", path=_var(name, "x/1.tmp"), content="1\n"),
            _step("write", path=_var(name, "x/2.tmp"), content="2\n"),
            _step("write", path=_var(name, "x/3.keep"), content="3\n"),
            _step("write", path=_var(name, "marked"), content="has the mark\n"),
            _step("write", path=_var(name, "unmarked"), content="has none\n"),
            _step("symlink", source={"path": "/old/place/x"}, target=_var(name, "old-link")),
            _step("symlink", source={"path": "/new/place/x"}, target=_var(name, "new-link")),
            _step("remove", paths=[_var(name, "x/*.tmp")]),
            _step("remove", paths=[_var(name, "*-link")], symlink_target_contains="/old/"),
            _step("remove", paths=[_var(name, "*marked")], content_contains="the mark"),
            _step("mkdir_p", path=_var(name, "tree/a/b")),
            _step("remove", paths=[_var(name, "tree")], recursive=True),
            _step("remove", paths=[_var(name, "never-there"), _at("pkgshare", "drop.txt")])],
                 files),
    ]


def _linking():
    name = "st-link"
    files = {"share/st-link/dir/a": "a\n", "share/st-link/dir/sub/b": "b\n",
             "bin/st-link": Text("#!/bin/sh\n"), "bin/st-other": Text("#!/bin/sh\n"),
             "share/st-link/lib-1.so": "1\n", "share/st-link/lib-2.so": "2\n"}
    return [
        _formula(name, "symlink with and without force, relative, by glob; link_dir, "
                 "link_children with prefix and suffix", [
                     _step("symlink", source=_at("pkgshare", "dir"), target=_var(name, "dir")),
                     _step("write", path=_var(name, "forced"), content="in the way\n"),
                     _step("symlink", source=_at("pkgshare", "dir/a"),
                           target=_var(name, "forced"), force=True),
                     _step("symlink", source=_at("relative", "../elsewhere"),
                           target=_var(name, "relative")),
                     _step("mkdir_p", path=_var(name, "globbed")),
                     _step("symlink", source=_at("pkgshare", "lib-*.so"),
                           target=_var(name, "globbed"), source_glob=True),
                     _step("symlink", source=_at("pkgshare", "none-*"),
                           target=_var(name, "globbed"), source_glob=True),
                     _step("link_dir", source=_at("pkgshare", "dir"),
                           target=_at("homebrew_prefix", "share/st-linked")),
                     _step("link_children", source=_at("prefix", "bin"),
                           target=_at("homebrew_prefix", "bin"), suffix="-1.2"),
                     _step("link_children", source=_at("pkgshare", "dir"),
                           target=_var(name, "children"), prefix="pre-")], files),
        _formula("st-link-exists", "symlink without force onto a file: fails", [
            _step("write", path=_var("st-link-exists", "x"), content="x\n"),
            _step("symlink", source=_at("pkgshare", "source.txt"),
                  target=_var("st-link-exists", "x"))]),
    ]


def _editing():
    name = "st-edit"
    files = {"share/st-edit/conf": "user = nobody\npath = /usr\npath = /usr\nversion 9.9\n",
             "share/st-edit/tree/script": Text("#!/bin/sh\n", 0o444),
             "share/st-edit/tree/data": "data\n"}
    conf = _at("pkgshare", "conf")
    return [
        _formula(name, "inreplace: text, first only, regular expression; set_permissions", [
            _step("inreplace", path=conf, before="nobody", after="{{name}}"),
            _step("inreplace", path=conf, before="path = /usr",
                  after="path = {{HOMEBREW_PREFIX}}", first_only=True),
            _step("inreplace", path=conf, before="^version (\\d+)\\.\\d+$",
                  after="version \\1", regexp=True),
            _step("inreplace", path=conf, before="not there", after="x", skip_audit=True),
            _step("set_permissions", paths=[_at("pkgshare", "tree")], permissions="u+w,go-r"),
            _step("set_permissions", paths=[_at("pkgshare", "conf")], permissions="0640",
                  non_recursive=True),
            _step("set_permissions", paths=[_at("pkgshare", "missing")], permissions="0777"),
            _step("set_permissions", paths=[_at("pkgshare", "tree/*")], permissions="a+x")], files),
        _formula("st-edit-nothing", "inreplace that finds nothing: fails", [
            _step("inreplace", path=_at("pkgshare", "source.txt"), before="absent", after="x")]),
    ]


def _guards():
    name = "st-guards"
    there = {"condition": "if_exists", "base": "pkgshare", "path": "source.txt", "id": "1"}
    once = {"condition": "unless_exists", **_var(name, "once"), "id": "2"}
    glob = {"condition": "if_exists", "base": "pkgshare", "path": "*.{txt,none}", "id": "3"}
    linux, macos = ({"condition": "on", "value": system, "id": system}
                    for system in ("linux", "macos"))

    def write(path, *guards):
        return _step("write", list(guards), path=_var(name, path), content="x\n")

    return [_formula(name, "guards: if_exists, unless_exists once per block, on linux and macos", [
        write("if-there", there), write("once", once), write("once-again", once),
        write("glob", glob), write("on-linux", linux), write("on-macos", macos),
        write("both", there, linux), write("neither", there, macos),
        _step("set_ownership", [macos], paths=[_at("prefix", "share")], user="root")])]


def _programs():
    run = _step("run", command=_at("bin", "st-run"), args=["--at", "{{prefix}}"],
                env={"WORLD": "{{name}}"}, stdout_path=_var("st-run", "output"))
    rebuilds = {"compile_gsettings_schemas": "share/glib-2.0/schemas",
                "gio_querymodules": "lib/gio/modules",
                "gtk_update_icon_cache": "share/icons/hicolor",
                "update_mime_database": "share/mime",
                "update_desktop_database": "share/applications"}
    program = {"bin/st-run": Text("#!/bin/sh\necho \"$WORLD $*\"\n")}
    return [
        _formula("st-run", "run steps between file steps: pending without a writable session", [
            _step("mkdir_p", path=_var("st-run", "before")), run,
            _step("run", command={"path": "false"}, allow_failure=True, suppress_stderr=True),
            _step("run", command=_at("bin", "st-run"), chdir=_var("st-run", "before"),
                  stdin_path=_at("bin", "st-run"), print_stdout=True),
            _step("touch", path=_var("st-run", "after"))], program),
        _formula("st-rebuild", "the rebuild actions: a program of another formula each",
                 [_step(kind, path=_at("homebrew_prefix", path)) for kind, path in rebuilds.items()]
                 + [_step("gdk_pixbuf_query_loaders")]),
        _formula("gtk4", "a program that rebuilds a cache", [],
                 {"bin/gtk4-update-icon-cache": Text(
                     "#!/bin/sh\nmkdir -p \"$4\" && echo \"$*\" > \"$4/icon-theme.cache\"\n", 0o755)}),
        _formula("desktop-file-utils", "another", [],
                 {"bin/update-desktop-database": Text(
                     "#!/bin/sh\nmkdir -p \"$1\" && echo cache > \"$1/mimeinfo.cache\"\n", 0o755)}),
        _formula("st-desktop", "rebuild actions whose programs are there", [
            _step("gtk_update_icon_cache", path=_at("homebrew_prefix", "share/icons/hicolor")),
            _step("update_desktop_database", path=_at("homebrew_prefix", "share/applications")),
            _step("touch", path=_var("st-desktop", "here"), guards=[
                {"condition": "if_exists", "base": "homebrew_prefix", "id": "1",
                 "path": "share/icons/hicolor/icon-theme.cache"}])],
                 dependencies=["gtk4", "desktop-file-utils"]),
        _formula("st-sandbox", "a program that looks for ways out", [
            _step("run", command=_at("bin", "st-look"), stdout_path=_var("st-sandbox", "saw"))],
                 {"bin/st-look": Text(
                     "#!/bin/sh\n"
                     "touch /usr/brewfs-world-escape 2>/dev/null && echo usr\n"
                     "touch /root/brewfs-world-escape 2>/dev/null && echo root\n"
                     "[ -n \"$BREWFS_STORE$BREWFS_WORLD_URL\" ] && echo environment\n"
                     "sed '1,2d; /^ *lo:/d; s/^/net /' /proc/self/net/dev\n"
                     "echo \"$HOMEBREW_PREFIX\"\nexit 0\n", 0o755)}),
        _formula("st-intruder", "a program that changes another formula's keg", [
            _step("run", command=_at("bin", "st-intrude"))],
                 {"bin/st-intrude": Text(
                     "#!/bin/sh\necho x > @@HOMEBREW_CELLAR@@/st-make/1.2.3/intruder\n", 0o755)},
                 dependencies=["st-make"]),
        _formula("st-run-fails", "a program that fails: what comes after it is not done", [
            _step("run", command={"path": "sh"}, args=["-c", "echo made > {{var}}/st-run-fails; exit 3"]),
            _step("run", command={"path": "touch"}, args=["{{var}}/st-run-never"])]),
        _formula("st-data", "init_data_dir for three databases; terminate_process; warn", [
            _step("init_data_dir", path=_at("var", "st-postgresql"), using="postgresql_initdb"),
            _step("init_data_dir", path=_at("var", "st-mysql"), using="mysql_initialize"),
            _step("init_data_dir", path=_at("var", "st-mariadb"), using="mariadb_install_db"),
            _step("terminate_process", name="world-daemon", attempts=2),
            _step("warn", message="A warning of {{name}}.")]),
        _formula("st-configure", "steps that configure a run time", [
            _step("configure_php"), _step("bootstrap_cpython"),
            _step("bootstrap_pypy", abi_version="3.10"),
            _step("install_gzipped_executable", source=_at("libexec", "x.gz"),
                  target=_at("bin", "x"))]),
    ]


def _wrong():
    outside = "/tmp/brewfs-world-escape"
    return [
        _formula("st-unknown", "an unknown step type: an error", [
            _step("levitate", path=_var("x", "y"))]),
        _formula("st-unknown-base", "an unknown base: an error", [
            _step("touch", path=_at("moon", "x"))]),
        _formula("st-incomplete", "a step without its path: an error", [_step("mkdir_p")]),
        _formula("st-not-a-step", "steps of wrong types", ["mkdir_p", {"type": 5}, None]),
        _formula("st-blank-content", "write of blank content: in the internal form it is left out, "
                 "an error", [_step("write", path=_var("st-blank-content", "x"), content="\n")]),
        _formula("st-absolute", "a file outside the prefix: refused", [
            _step("write", path={"path": outside}, content="escaped\n")]),
        _formula("st-dots", "a path that climbs out of the prefix: refused", [
            _step("write", path=_at("var", "../../../../../tmp/brewfs-world-escape"),
                  content="escaped\n")]),
        _formula("st-through-link", "a file written through a link that leaves the prefix", [
            _step("symlink", source={"path": "/tmp"}, target=_var("st-through-link", "out")),
            _step("write", path=_var("st-through-link", "out/brewfs-world-escape"),
                  content="escaped\n")]),
        _formula("st-other-keg", "a step that writes into another formula's keg", [
            _step("write", path=_at("homebrew_prefix", "Cellar/st-make/1.2.3/share/intruder"),
                  content="x\n")], dependencies=["st-make"]),
        _formula("st-fails-midway", "fails after two good steps: keg stays, exit status 1", [
            _step("touch", path=_var("st-fails-midway", "one")),
            _step("touch", path=_var("st-fails-midway", "two")),
            _step("copy", source=_at("pkgshare", "missing"), target=_var("st-fails-midway", "x")),
            _step("touch", path=_var("st-fails-midway", "three"))]),
    ]


def formulae():
    """Everything about post_install."""
    all_tag = _formula("st-all", "steps of an `:all` bottle", [
        _step("write", path=_var("st-all", "x"), content="x\n")], tags=("all",))
    return (_making() + _copying() + _moving() + _removing() + _linking() + _editing() + _guards()
            + _programs() + _wrong() + [all_tag])
