"""glibc, gcc and what they need: stand-ins for hosts whose C library is older than the bottles'.

The loader in glibc is this host's own, copied when the world is built, so that programs poured
under it run; everything else is a stub.
"""
import os

from elf import FOREIGN, NATIVE, PREFIX, Elf
from formula import Dir, Formula, Link, Text
from sets import chain

LOADERS = {"x86_64_linux": "ld-linux-x86-64.so.2", "arm64_linux": "ld-linux-aarch64.so.1"}
HOST_LOADERS = {"x86_64_linux": "/lib64/ld-linux-x86-64.so.2",
                "arm64_linux": "/lib/ld-linux-aarch64.so.1"}
RUNTIME = ("libatomic.so.1", "libgcc_s.so.1", "libgomp.so.1", "libstdc++.so.6")
BOTH = (NATIVE, FOREIGN)
STUB = "int main(void) { return 0; }\n"
# What Homebrew asks gcc when it sets up its runtime.
GCC_STUB = """\
#include <stdio.h>
#include <string.h>
int main(int argc, char **argv)
{{
	if (argc > 1 && strcmp(argv[1], "-print-libgcc-file-name") == 0)
		puts("{prefix}/opt/gcc/lib/gcc/current/libgcc.a");
	if (argc > 1 && strcmp(argv[1], "-dumpspecs") == 0)
		puts("*link_command:\\ncollect2 %o end\\n");
	return 0;
}}
"""
LOCALEDEF = """\
#!/bin/sh
# a stub: -i LANGUAGE -f CHARMAP NAME
for name; do :; done
echo "$name" >> "{keg}/lib/locale/locale-archive"
"""


def _loader():
    with open(os.path.realpath(HOST_LOADERS[NATIVE]), "rb") as file:
        return file.read()


def _glibc_files(tag):
    loader = LOADERS[tag]
    keg = f"{PREFIX}/Cellar/glibc/2.39_1"
    return {
        f"lib/{loader}": Text(_loader(), 0o755),
        "bin/ld.so": Link(f"../lib/{loader}"),
        # brew leaves glibc's ELF files alone: interpreter and RPATH come out as they are
        "bin/locale": Elf(STUB, rpath=["/usr/lib/world", f"{keg}/lib"], style="exact",
                          interpreter=f"{keg}/lib/{loader}"),
        "bin/localedef": Text(LOCALEDEF.format(keg=keg), 0o755),
        "sbin/ldconfig": Text(
            "#!/bin/sh\n# a stub: the loader here reads the host's cache\nexit 0\n", 0o755),
        "etc/ld.so.conf": "# world\n@@HOMEBREW_PREFIX@@/lib\n"
                          "include @@HOMEBREW_PREFIX@@/etc/ld.so.conf.d/*.conf\n",
        "include/gnu/libc-version.h": "const char *gnu_get_libc_version(void);\n",
        "lib/locale": Dir(),
    }


def _gcc_files(tag):
    files = {"lib/gcc/current/plugin": Dir(), "bin/gcc-16": Elf(GCC_STUB.format(prefix=PREFIX)),
             "bin/g++-16": Link("gcc-16")}
    for name in RUNTIME:
        stub = Elf(f"int world_{name.split('.')[0].replace('+', 'x')};\n", "shared", name)
        files[f"lib/gcc/current/{name}.0.0"] = stub
        files[f"lib/gcc/current/{name}"] = Link(f"{name}.0.0")
        files[f"lib/gcc/16/{name}"] = Link(f"../current/{name}")
    return files


def _glibc(real):
    steps = [{"source": {"base": "prefix", "path": "etc/ld.so.conf"},
              "target": {"base": "etc", "path": "ld.so.conf"}, "force": True, "type": "symlink"},
             {"paths": [{"base": "etc", "path": "ld.so.cache"}], "type": "remove"},
             {"command": {"base": "sbin", "path": "ldconfig"}, "type": "run"},
             {"type": "configure_glibc_runtime"}]
    record = real["glibc"]
    return Formula(
        "glibc", record["stable"], "pulled in where the host's glibc is older; ELF never touched; "
        "keg-only by text; revision 1 and rebuild 2; `run` and configure_glibc_runtime steps",
        _glibc_files, revision=record["revision"], rebuild=record["rebuild"], tags=BOTH,
        cellar=record["files"][NATIVE]["cellar"], dependencies=["linux-headers@6.8"],
        keg_only=("it can shadow system glibc if linked", ""), steps=steps,
        requirements=[("linux", None, [])], tab={"changed_files": ["etc/ld.so.conf"]})


def _gcc(real):
    record = real["gcc"]
    names = record["linux_runtime_dependencies"]
    linux = [name for name in names if name in ("binutils", "zlib-ng-compat")]
    return Formula(
        "gcc", record["stable"], "pulled in with glibc; run-time links in lib; its RPATH keeps "
        "lib/gcc/NN; configure_gcc_runtime step", _gcc_files, tags=BOTH,
        cellar=record["files"][NATIVE]["cellar"],
        dependencies=[name for name in names if name not in linux], linux_dependencies=linux,
        steps=[{"type": "configure_gcc_runtime"}])


POST_INSTALL = """\
#!/bin/bash
# Merges the system's certificates with Mozilla's.
set -eu
source="@@HOMEBREW_CELLAR@@/ca-certificates/{version}/share/ca-certificates/cacert.pem"
target="@@HOMEBREW_PREFIX@@/etc/ca-certificates/cert.pem"
mkdir -p "${{target%/*}}"
cp "$source" "$target.new"
chmod 0644 "$target.new"
mv "$target.new" "$target"
"""


def _ca_certificates(real):
    roots = os.path.join(os.path.dirname(chain.DATA), "world-roots.pem")
    with open(roots, encoding="ascii") as file:
        bundle = file.read()
    version = real["ca-certificates"]["stable"]
    return Formula(
        "ca-certificates", version, "an `:all` bottle; `run` step with libexec/post-install",
        {"share/ca-certificates/cacert.pem": bundle,
         "libexec/post-install": Text(POST_INSTALL.format(version=version), 0o555)},
        tags=("all",), steps=[{"command": {"base": "libexec", "path": "post-install"},
                               "type": "run"}])


def formulae():
    """The brewed C library, the compiler, the certificates."""
    real, cache = chain.load(), {}
    headers = Formula(
        "linux-headers@6.8", "6.8.12", "keg_only versioned dependency of glibc; revision 1",
        {"include/linux/version.h": "#define LINUX_VERSION_CODE 395276\n",
         "include/linux/netfilter/xt_mark.h": "/* lower */\n",
         "include/linux/netfilter/xt_MARK.h": "/* UPPER */\n"}, revision=1, tags=BOTH,
        keg_only=(":versioned_formula", ""))
    libraries = [chain.library_formula(real, name, cache)
                 for name in ("gmp", "isl", "mpfr", "libmpc", "binutils")]
    return [headers, _glibc(real), _gcc(real), _ca_certificates(real), *libraries]
