"""proj and all it needs: 30 formulae with the names, versions and edges of the real ones.

Each is a small shared library that is linked with its dependencies, and a program, found at run
time by RPATH alone. `NAME-info` (and `proj`, `jq`) prints the library and everything below it.
"""
import json
import os

from elf import FOREIGN, NATIVE, PLACEHOLDER, PREFIX, Elf
from formula import CELLAR, Formula, Hard, Link, Text

DATA = os.path.join(os.path.dirname(__file__), "..", "..", "data", "derived-formulae.json")
BOTH = (NATIVE, FOREIGN)

# name: (library, number in its soname) of each library, the main one last; and the pkg-config name
LIBRARIES = {
    "jpeg-turbo": ([("jpeg", 8)], "libjpeg"), "giflib": ([("gif", 7)], "libgif"),
    "zlib-ng-compat": ([("z", 1)], "zlib"), "libpng": ([("png16", 16)], "libpng16"),
    "webp": ([("sharpyuv", 0), ("webp", 7)], "libwebp"), "xz": ([("lzma", 5)], "liblzma"),
    "lz4": ([("lz4", 1)], "liblz4"), "zstd": ([("zstd", 1)], "libzstd"),
    "libtiff": ([("tiff", 6)], "libtiff-4"),
    "brotli": ([("brotlicommon", 1), ("brotlidec", 1)], "libbrotlidec"),
    "libnghttp2": ([("nghttp2", 14)], "libnghttp2"),
    "libnghttp3": ([("nghttp3", 9)], "libnghttp3"),
    "openssl@3": ([("crypto", 3), ("ssl", 3)], "openssl"),
    "libngtcp2": ([("ngtcp2", 16)], "libngtcp2"),
    "libunistring": ([("unistring", 5)], "libunistring"), "libidn2": ([("idn2", 0)], "libidn2"),
    "libpsl": ([("psl", 5)], "libpsl"), "libssh2": ([("ssh2", 1)], "libssh2"),
    "keyutils": ([("keyutils", 1)], "libkeyutils"),
    "krb5": ([("k5crypto", 3), ("krb5", 3)], "krb5"), "ncurses": ([("ncursesw", 6)], "ncursesw"),
    "readline": ([("readline", 8)], "readline"), "libxcrypt": ([("crypt", 2)], "libcrypt"),
    "sqlite": ([("sqlite3", 0)], "sqlite3"), "util-linux": ([("blkid", 1), ("uuid", 1)], "uuid"),
    "cyrus-sasl": ([("sasl2", 3)], "libsasl2"), "openldap": ([("lber", 2), ("ldap", 2)], "ldap"),
    "curl": ([("curl", 4)], "libcurl"), "proj": ([("proj", 25)], "proj"),
    "oniguruma": ([("onig", 5)], "oniguruma"), "jq": ([("jq", 1)], "libjq"),
    "libexif": ([("exif", 12)], "libexif"),
    "gmp": ([("gmp", 10)], "gmp"), "isl": ([("isl", 23)], "isl"), "mpfr": ([("mpfr", 6)], "mpfr"),
    "libmpc": ([("mpc", 3)], "mpc"), "binutils": ([("bfd", 2)], "bfd"),
}
PROGRAMS = {"proj": "proj", "jq": "jq"}

# Edges that the formula writes as uses_from_macos, and those it has on Linux only.
USES_FROM_MACOS = {"curl": ["krb5", "openldap"], "cyrus-sasl": ["krb5", "libxcrypt"],
                   "util-linux": ["libxcrypt", "ncurses", "sqlite"], "readline": ["ncurses"],
                   "openldap": ["cyrus-sasl"], "proj": ["curl", "sqlite"]}
LINUX_ONLY = {"keyutils", "zlib-ng-compat", "util-linux"}
STATIC = {"zlib-ng-compat", "libexif"}
EXACT = {"jq", "oniguruma", "libtiff", "sqlite"}     # linked so that nothing fits in place

LIBRARY_SOURCE = """\
typedef int (*visitor)(const char *name, const char *version);
const char *{id}_version(void) {{ return "{version}"; }}
{declarations}
void {id}_walk(visitor visit)
{{
	if (!visit("{label}", "{version}"))
		return;
{calls}
}}
"""
DATABASE_SOURCE = """\
#include <stdio.h>
#include <string.h>
const char *proj_database(void)
{{
	static char line[256];
	FILE *file = fopen("{path}", "r");
	if (!file || !fgets(line, sizeof(line), file))
		strcpy(line, "no database");
	if (file)
		fclose(file);
	line[strcspn(line, "\\n")] = 0;
	return line;
}}
"""
PROGRAM_SOURCE = """\
#include <stdio.h>
#include <string.h>
extern void {id}_walk(int (*visit)(const char *, const char *));
{extra_declaration}
static const char *seen[256];
static int count;
static int visit(const char *name, const char *version)
{{
	for (int i = 0; i < count; i++)
		if (!strcmp(seen[i], name))
			return 0;
	if (count < 256)
		seen[count++] = name;
	printf("%s %s\\n", name, version);
	return 1;
}}
int main(void)
{{
	{id}_walk(visit);
	{extra}
	return 0;
}}
"""
HEADER_SOURCE = """\
#ifndef WORLD_{guard}_H
#define WORLD_{guard}_H
const char *{id}_version(void);
void {id}_walk(int (*visit)(const char *name, const char *version));
{extra}#endif
"""


def load():
    """The derived metadata of the real formulae."""
    with open(DATA, encoding="utf-8") as file:
        return json.load(file)


def _label(name, library, main):
    return name if library == main else f"{name}/{library}"


def _linked(real, name):
    """The dependencies that have a library: formulae of certificates or headers have none."""
    return [dep for dep in real[name]["linux_runtime_dependencies"] if dep in LIBRARIES]


def _rpath(real, name, keg):
    """RPATH as Homebrew's compiler leaves it: dependencies' opt, the keg, gcc, the prefix."""
    paths = [f"{PLACEHOLDER}/opt/{dep}/lib" for dep in _linked(real, name)]
    return paths + [f"{PLACEHOLDER}/Cellar/{keg}/lib", f"{PLACEHOLDER}/opt/gcc/lib/gcc/current",
                    f"{PLACEHOLDER}/lib"]


def libraries(real, name, cache):
    """The formula's shared libraries as Elf objects, the main one last."""
    if name in cache:
        return cache[name]
    stems, main = LIBRARIES[name][0], LIBRARIES[name][0][-1][0]
    keg, made = f"{name}/{_pkg_version(real[name])}", []
    for stem, number in stems:
        needs = list(made)
        if stem == main:
            needs += [libraries(real, dep, cache)[-1] for dep in _linked(real, name)]
        made.append(Elf(_library_source(real, name, stem, main, keg), "shared",
                        f"lib{stem}.so.{number}", needs, _rpath(real, name, keg),
                        style="exact" if name in EXACT else "bottled"))
    cache[name] = made
    return made


def _library_source(real, name, stem, main, keg):
    below = []
    if stem == main:
        below = [inner for inner, _ in LIBRARIES[name][0][:-1]]
        below += [LIBRARIES[dep][0][-1][0] for dep in _linked(real, name)]
    source = LIBRARY_SOURCE.format(
        id=stem, version=real[name]["stable"], label=_label(name, stem, main),
        declarations="\n".join(f"void {inner}_walk(visitor visit);" for inner in below),
        calls="\n".join(f"\t{inner}_walk(visit);" for inner in below))
    if stem == "proj":
        source += DATABASE_SOURCE.format(path=f"{PREFIX}/Cellar/{keg}/share/proj/proj.db")
    return source


def program(real, name, cache):
    """The formula's program, linked with its main library."""
    main = LIBRARIES[name][0][-1][0]
    keg = f"{name}/{_pkg_version(real[name])}"
    extra = 'printf("database: %s\\n", proj_database());' if name == "proj" else ""
    source = PROGRAM_SOURCE.format(
        id=main, extra=extra,
        extra_declaration="const char *proj_database(void);" if name == "proj" else "")
    return Elf(source, "program", "", [libraries(real, name, cache)[-1]], _rpath(real, name, keg),
               style="exact" if name in EXACT else "bottled")


def _pkg_version(record):
    return record["stable"] + (f"_{record['revision']}" if record["revision"] else "")


def pkg_config(real, name, stem):
    """A .pc file whose Requires.private are the dependencies'."""
    requires = " ".join(LIBRARIES[dep][1] for dep in _linked(real, name))
    return (f"prefix=@@HOMEBREW_CELLAR@@/{name}/{_pkg_version(real[name])}\n"
            "exec_prefix=${prefix}\nlibdir=${exec_prefix}/lib\nincludedir=${prefix}/include\n\n"
            f"Name: {name}\nDescription: {name} of the test world\n"
            f"Version: {real[name]['stable']}\n"
            + (f"Requires.private: {requires}\n" if requires else "")
            + f"Libs: -L${{libdir}} -l{stem}\nCflags: -I${{includedir}}\n")


def _library_files(elf, stem, number, version):
    real_name = f"lib/lib{stem}.so.{number}.{version}"
    return {real_name: elf, f"lib/lib{stem}.so.{number}": Link(os.path.basename(real_name)),
            f"lib/lib{stem}.so": Link(f"lib{stem}.so.{number}")}


def keg_files(real, name, cache):
    """Everything in the keg of one library formula."""
    version, files = real[name]["stable"], {}
    main = LIBRARIES[name][0][-1][0]
    for (stem, number), elf in zip(LIBRARIES[name][0], libraries(real, name, cache)):
        files.update(_library_files(elf, stem, number, version))
        extra = "const char *proj_database(void);\n" if stem == "proj" else ""
        files[f"include/{stem}.h"] = HEADER_SOURCE.format(guard=stem.upper(), id=stem, extra=extra)
    command = PROGRAMS.get(name, f"{name}-info")
    files[f"bin/{command}"] = program(real, name, cache)
    files[f"lib/pkgconfig/{LIBRARIES[name][1]}.pc"] = pkg_config(real, name, main)
    files[f"share/man/man1/{command}.1"] = f".TH {command} 1\n.SH NAME\n{command} - of {name}\n"
    files[f"share/doc/{name}/README"] = f"{name} {version} of the test world.\n"
    files["LICENSE"] = "Permission is granted to do with this what you like.\n"
    files["README.md"] = f"# {name}\nPrefix: @@HOMEBREW_PREFIX@@/opt/{name}\n"
    if name in STATIC:
        files[f"lib/lib{main}.a"] = Elf(_library_source(real, name, main, main, ""), "archive")
    files.update(EXTRA_FILES.get(name, {}))
    return files


EXTRA_FILES = {
    "proj": {"share/proj/proj.db": "PROJ.DB layout 1\n" + "".join(
                 f"EPSG:{code} world {code * 7919 % 10007}\n" for code in range(2000, 9000)),
             "share/proj/proj.ini": "[general]\ndata = @@HOMEBREW_PREFIX@@/share/proj\n",
             "bin/cs2cs": Text("#!/bin/sh\nexec @@HOMEBREW_PREFIX@@/opt/proj/bin/proj \"$@\"\n"),
             "bin/invproj": Hard("bin/cs2cs"),
             "lib/cmake/proj/proj-config.cmake":
                 "set(PROJ_DIR \"@@HOMEBREW_PREFIX@@/opt/proj\")\n"},
    "openssl@3": {".bottle/etc/openssl@3/openssl.cnf": "# world\n[default]\n",
                  ".bottle/etc/openssl@3/certs/.keepme": "",
                  ".bottle/etc/openssl@3/private/.keepme": "",
                  "bin/c_rehash": Text("#!@@HOMEBREW_PERL@@\nprint \"rehash\\n\";\n")},
    "ncurses": {"share/terminfo/x/xterm": "terminfo xterm\n", "share/tabset/std": "tabset\n",
                "share/terminfo/X/X-term": "terminfo X-term\n", "lib/libncurses.so":
                Link("libncursesw.so")},
    "libexif": {"share/locale/de/LC_MESSAGES/libexif-12.mo": "de\n",
                "share/locale/pt_BR/LC_MESSAGES/libexif-12.mo": "pt_BR\n"},
    "curl": {"bin/curl-config": Text("#!/bin/sh\necho @@HOMEBREW_CELLAR@@/curl\n"),
             "share/zsh/site-functions/_curl-info": "#compdef curl-info\n"},
    "util-linux": {"sbin/world-fdisk": Text("#!/bin/sh\necho world\n"),
                   "share/bash-completion/completions/world-fdisk": "complete world-fdisk\n"},
}

KEG_ONLY = {"zlib-ng-compat": (":shadowed_by_macos", "macOS provides zlib"),
            "readline": (":shadowed_by_macos", "macOS provides BSD libedit"),
            "util-linux": (":shadowed_by_macos", "macOS provides the uuid.h header"),
            "binutils": (":shadowed_by_macos", "Apple's CLT provides the same tools")}
DETAILS = {
    "proj": {"conflicts": [("blast", "both install a `libproj.a` library")]},
    "openssl@3": {"aliases": ["openssl"], "steps": [
        {"source": {"path": "{{etc}}/ca-certificates/cert.pem"},
         "target": {"path": "{{pkgetc}}/cert.pem"}, "force": True, "type": "symlink"}]},
    "zlib-ng-compat": {"conflicts": [("zlib", None)]},
}
EXERCISES = {
    "proj": "top of the 30-formula chain; data file by compiled-in path; conflicts_with blast",
    "jq": "one dependency; ELF without slack (must grow)", "oniguruma": "dependency of jq",
    "libexif": "no dependencies; fixed cellar; static library; locale directories",
    "openssl@3": "alias, `@` in the name, link_overwrite, etc, step: symlink into etc, rebuild 1",
    "curl": "uses_from_macos edges; keg_only provided_by_macos, so linked on Linux",
}


def library_formula(real, name, cache):
    """The Formula of one library of the chain."""
    record = real[name]
    used = [dep for dep in record["linux_runtime_dependencies"]
            if dep in USES_FROM_MACOS.get(name, [])]
    linux = [dep for dep in record["linux_runtime_dependencies"]
             if dep in LINUX_ONLY and dep not in used]
    plain = [dep for dep in record["linux_runtime_dependencies"] if dep not in used + linux]
    reason = KEG_ONLY.get(name)
    if not reason and record["keg_only"] == ":provided_by_macos":
        reason = (":provided_by_macos", "")
    return Formula(
        name, record["stable"], EXERCISES.get(name, "the chain below proj"),
        revision=record["revision"], rebuild=record["rebuild"], tags=BOTH,
        cellar=record["files"][NATIVE]["cellar"],
        files=lambda tag: keg_files(real, name, cache), dependencies=plain,
        linux_dependencies=linux, uses_from_macos=[(dep, {}) for dep in used],
        keg_only=reason, link_overwrite=record["link_overwrite"],
        desc=f"{name} of the test world", **DETAILS.get(name, {}))


def _zlib():
    """Keg-only on Linux as well, for a reason of its own; its base document gives the macOS one."""
    return Formula(
        "zlib", "1.3.2", "keg_only differs by `variations`: conflicts with zlib-ng-compat on Linux",
        {"include/zlib-real.h": "/* zlib */\n", "share/doc/zlib/README": "zlib\n"},
        keg_only=(":provided_by_macos", ""),
        linux_keg_only=("it conflicts with zlib-ng-compat", ""),
        conflicts=[("zlib-ng-compat", "both install libz")], tags=BOTH)


def formulae():
    """The chain, jq, oniguruma, libexif, and the neighbours they conflict with."""
    real, cache = load(), {}
    names = [name for name in LIBRARIES if name not in ("gmp", "isl", "mpfr", "libmpc", "binutils")]
    blast = Formula("blast", "2.17.0", "conflicts with proj once both are linked",
                    {"bin/blast-info": Text("#!/bin/sh\necho blast\n")}, cellar=CELLAR,
                    conflicts=[("proj", "both install a `libproj.a` library")])
    return [library_formula(real, name, cache) for name in names] + [_zlib(), blast]
