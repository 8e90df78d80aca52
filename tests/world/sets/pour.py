"""Formulae for what pouring does to files: text, ELF, modes, names, sizes, etc and var."""
import random
import unicodedata

from elf import NATIVE, PLACEHOLDER, PREFIX, Elf
from formula import ANY, CELLAR, Dir, Formula, Hard, Link, Text

PROGRAM = "#include <stdio.h>\nint main(void) { puts(\"%s\"); return 0; }\n"
STATIC_PROGRAM = """\
void _start(void)
{
#ifdef __x86_64__
	__asm__ volatile("mov $60, %eax; xor %edi, %edi; syscall");
#else
	__asm__ volatile("mov x8, #93; mov x0, #0; svc #0");
#endif
	for (;;)
		;
}
"""


def _text_files(_):
    tokens = "PREFIX CELLAR REPOSITORY LIBRARY PERL JAVA".split()
    everything = "".join(f"{token}=@@HOMEBREW_{token}@@/x\n" for token in tokens)
    token = "@@HOMEBREW_PREFIX@@"
    files = {f"share/only-{name.lower()}.txt": f"@@HOMEBREW_{name}@@\n" for name in tokens}
    files.update({
        "share/everything.txt": everything,
        "bin/shell": Text("#!@@HOMEBREW_PREFIX@@/bin/bash\necho shell\n"),
        "bin/perl": Text("#!@@HOMEBREW_PERL@@\nprint 1;\n"),
        "share/crlf.txt": "one @@HOMEBREW_PREFIX@@\r\ntwo\r\n",
        "share/latin1.txt": Text(b"caf\xe9 @@HOMEBREW_PREFIX@@ \xff\xfe\n"),
        "share/no-newline.txt": "@@HOMEBREW_PREFIX@@",
        "share/nothing-but-tokens.txt": token * 500,
        "share/one-long-line.txt": "x" * 200000 + token + "y" * 200000 + token,
        "share/across-buffers.txt": "".join(
            "." * (size - 10) + token for size in (4096, 32768, 65536, 131072)),
        "share/near-misses.txt": "@@HOMEBREW_PREFIX@ @@HOMEBREW_PREFIX @@@HOMEBREW_PREFIX@@@ "
                                 "@@HOMEBREW_UNKNOWN@@ @@HOMEBREW_@@HOMEBREW_PREFIX@@\n",
        "share/read-only.txt": Text(f"{token}\n", 0o444),
        "share/owner-only.txt": Text(f"{token}\n", 0o400),
        "share/first.txt": f"hard {token}\n", "share/second.txt": Hard("share/first.txt"),
        "libexec/third.txt": Hard("share/first.txt"),
        "share/binary-not-listed.bin": Text(f"\0{token}\0".encode()),
        "share/literal.txt": f"{PREFIX}/opt is no placeholder\n",
        "share/link-to-text": Link("everything.txt"), "share/empty.txt": "",
        "lib/libtext.la": f"libdir='{token}/lib'\n",
        "orig-prefix.txt": f"{token}\n",
    })
    return files


def _text():
    note = "which JAVA placeholders are left alone for want of an openjdk dependency"
    return [
        Formula("po-text", "1.0", f"text relocation in every shape: hardlinks, modes, encodings, "
                f"buffers; {note}", _text_files),
        Formula("openjdk", "25.0.1", "stands for JAVA",
                {"libexec/bin/java": Text("#!/bin/sh\necho java\n")}, keg_only=(
                    ":shadowed_by_macos", "macOS provides similar software")),
        Formula("openjdk@21", "21.0.9", "stands for JAVA, versioned",
                {"libexec/bin/java": Text("#!/bin/sh\necho java 21\n")},
                keg_only=(":versioned_formula", "")),
        Formula("po-java", "1.0", "@@HOMEBREW_JAVA@@ by an openjdk@21 dependency",
                {"bin/po-java": Text("#!/bin/sh\nexec \"@@HOMEBREW_JAVA@@/bin/java\" \"$@\"\n")},
                dependencies=["openjdk@21"]),
        Formula("po-java-indirect", "1.0", "@@HOMEBREW_JAVA@@ by a dependency's dependency",
                {"libexec/home": "@@HOMEBREW_JAVA@@\n"}, dependencies=["po-java"]),
    ]


def _elf_files(_):
    keg = f"{PLACEHOLDER}/Cellar/po-elf/1.0/lib"
    usual = [keg, f"{PLACEHOLDER}/opt/gcc/lib/gcc/current", f"{PLACEHOLDER}/lib"]
    library = Elf("int zoo(void) { return 42; }\n", "shared", "libzoo.so.1", rpath=usual)

    def program(text, **fields):
        fields.setdefault("rpath", usual)
        return Elf(PROGRAM % text, **fields)

    return {
        "lib/libzoo.so.1.0": library, "lib/libzoo.so.1": Link("libzoo.so.1.0"),
        "lib/libzoo.so": Link("libzoo.so.1"),
        "lib/libzoo.a": Elf("int zoo(void) { return 42; }\n", "archive"),
        "lib/zoo.o": Elf("int zoo(void) { return 42; }\n", "object"),
        "bin/zoo-bottled": program("bottled"), "bin/zoo-exact": program("exact", style="exact"),
        "bin/zoo-uses-library": Elf("int zoo(void);\nint main(void) { return zoo() != 42; }\n",
                                    needs=[library], rpath=usual, style="exact"),
        "bin/zoo-no-pie": program("no-pie", flags=["-no-pie"]),
        "bin/zoo-no-pie-exact": program("no-pie-exact", flags=["-no-pie"], style="exact"),
        "bin/zoo-runpath": program("runpath", flags=["-Wl,--enable-new-dtags"]),
        "bin/zoo-runpath-exact": program("runpath-exact", style="exact",
                                         flags=["-Wl,--enable-new-dtags"]),
        "bin/zoo-no-rpath": program("no-rpath", rpath=[]),
        "bin/zoo-host-loader": program("host-loader", style="exact", interpreter=(
            "/lib64/ld-linux-x86-64.so.2" if NATIVE == "x86_64_linux" else
            "/lib/ld-linux-aarch64.so.1")),
        "bin/zoo-foreign-rpath": program("foreign-rpath", style="exact", rpath=[
            "/usr/lib/world", "$ORIGIN/../lib", f"{PLACEHOLDER}/opt/gcc/lib/gcc/13", "relative"]),
        "bin/zoo-long-rpath": program("long-rpath", style="exact", rpath=[
            f"{PLACEHOLDER}/opt/dependency-number-{number}/lib" for number in range(200)]),
        "bin/zoo-only-prefix-lib": program("only-prefix-lib", style="exact",
                                           rpath=[f"{PLACEHOLDER}/lib"]),
        "bin/zoo-literal": program("literal", style="exact", rpath=[f"{PREFIX}/opt/x/lib"],
                                   interpreter=f"{PREFIX}/lib/ld.so"),
        "bin/zoo-relro": program("relro", style="exact", flags=["-Wl,-z,relro,-z,now"]),
        "bin/zoo-packed": program("packed", style="exact", flags=["-Wl,-z,noseparate-code"]),
        "bin/zoo-sysv-hash": program("sysv-hash", style="exact", flags=["-Wl,--hash-style=sysv"]),
        "bin/zoo-stripped": program("stripped", style="exact", flags=["-s"]),
        "bin/zoo-debug": program("debug", style="exact", flags=["-g"]),
        "bin/zoo-static": Elf(STATIC_PROGRAM, interpreter="", style="exact",
                              flags=["-static", "-nostdlib"]),
        "bin/zoo-static-pie": Elf(STATIC_PROGRAM, interpreter="", style="exact",
                                  flags=["-static-pie", "-nostdlib"]),
        "bin/zoo-hard": Hard("bin/zoo-exact"), "libexec/zoo-soft": Link("../bin/zoo-exact"),
        "libexec/größe": program("unicode", style="exact"),
        "share/zoo-text-and-elf": "@@HOMEBREW_PREFIX@@\n",
        "libexec/no-elf": Text(b"\x7fELF but nothing else"), "libexec/four-bytes": Text(b"\x7fELF"),
    }


def _modes():
    return Formula("po-modes", "1.0", "modes: 0000 to 0777, setuid and setgid, read-only "
                   "directories", {
                       **{f"share/mode-{mode:04o}": Text(f"{mode:o}\n", mode) for mode in (
                           0o400, 0o440, 0o444, 0o555, 0o600, 0o640, 0o644, 0o664, 0o666, 0o700,
                           0o755, 0o775, 0o777, 0o2755, 0o4755, 0o6755)},
                       "share/closed": Dir(0o500), "share/closed/x": "x\n",
                       "share/read-only": Dir(0o555), "share/read-only/sub/x": "x\n",
                       "share/read-only/sub": Dir(0o555), "share/wide": Dir(0o777),
                       "share/sticky": Dir(0o1777), "share/setgid": Dir(0o2755),
                       "bin/po-modes": Text("#!/bin/sh\necho @@HOMEBREW_PREFIX@@\n", 0o500)})


def _names():
    odd = ["space in name", "quote'\"", "back\\slash", "tab\there", "new\nline", "-dash", "#hash",
           "star*", "dollar$HOME", "semi;colon", "percent%41", "colon:", ".hidden", "...", "~tilde",
           "Straße", unicodedata.normalize("NFD", "é") + "-nfd", "é-nfc", "日本語", "файл",
           "\U0001f37a",
           "Case", "case", "CASE", "n" * 255, "ü" * 127]
    files = {f"share/po-names/{name}": f"{len(name)}\n" for name in odd}
    files["share/po-names/" + b"latin1-\xe9\xff".decode("utf-8", "surrogateescape")] = "latin1\n"
    files["share/" + "/".join(["deep" * 10] * 30) + "/file"] = "deep\n"
    files["share/po-names/long-link"] = Link("x" * 2000)
    files["share/po-names/utf8-link"] = Link("日本語")
    return Formula("po-names", "1.0", "file names: Unicode in both normal forms, not UTF-8, "
                   "control characters, 255 bytes, 1200-byte paths, case", files)


def _sizes():
    noise = random.Random(20260820)
    big = {"libexec/noise.bin": Text(noise.randbytes(20 << 20)),
           "libexec/zeros.bin": Text(b"\0" * (8 << 20)),
           "libexec/lines.txt": "".join(f"{number:08x} a line of text\n"
                                        for number in range(120000)),
           "lib/exactly-64k": Text(noise.randbytes(65536)),
           "lib/one-less": Text(noise.randbytes(65535)),
           "lib/one-more": Text(noise.randbytes(65537))}
    many = {f"share/po-many/{number % 60}/{number}.txt": f"file {number} {number * 2654435761}\n"
            for number in range(3000)}
    twin = {"share/{0}/shared-big.bin": Text(random.Random(7).randbytes(300000)),
            "share/{0}/shared-small.txt": "the same in both twins\n" * 20,
            "share/{0}/relocated.txt": "@@HOMEBREW_PREFIX@@ the same after relocation\n",
            "share/{0}/own.txt": "of {0}\n"}

    def twins(name):
        return {path.format(name): entry.format(name) if isinstance(entry, str) else entry
                for path, entry in twin.items()}

    return [
        Formula("po-big", "1.0", "20 MiB of noise, 8 MiB of zeros, files around 64 KiB", big),
        Formula("po-many", "1.0", "3000 small files", many),
        Formula("po-twin-a", "1.0", "files equal to those of po-twin-b: stored once",
                twins("po-twin-a")),
        Formula("po-twin-b", "1.0", "files equal to those of po-twin-a", twins("po-twin-b")),
        Formula("po-repeats", "1.0", "equal files within one keg, without being hardlinks",
                {f"share/po-repeats/{number}": "again and again\n" * 1000 for number in range(50)}),
        Formula("po-empty", "1.0", "a keg with hardly anything in it", {"share/po-empty": Dir()}),
    ]


def _python():
    site = "lib/python3.13/site-packages"
    return Formula("po-python", "1.0", "site-packages with .pyc files, a .pth and a link", {
        f"{site}/po/__init__.py": "WHERE = \"@@HOMEBREW_PREFIX@@\"\n",
        f"{site}/po/__pycache__/__init__.cpython-313.pyc": Text(b"\xf3\r\r\n\0\0\0\0compiled"),
        f"{site}/po/mod.py": "x = 1\n", f"{site}/po/mod.pyo": Text(b"\xf3old"),
        f"{site}/po.pth": "@@HOMEBREW_CELLAR@@/po-python/1.0/libexec\n",
        f"{site}/po-1.0.dist-info/RECORD": "po/__init__.py,,\n", f"{site}/po-link": Link("po"),
        "libexec/lib/python3.13/site-packages/inner.py": "y = 2\n",
        "libexec/lib/python3.13/site-packages/__pycache__/inner.cpython-313.pyc": Text(b"\xf3"),
        "share/po-python/kept.pyc": Text(b"\xf3 not below site-packages"),
        "bin/po-python": Text("#!@@HOMEBREW_PREFIX@@/bin/python3.13\nimport po\n")})


def _etc_var():
    return Formula("po-etc", "1.0", "etc and var: copied, directories kept, links followed, a file "
                   "of the keg's own etc linked", {
                       ".bottle/etc/po-etc/main.conf": "prefix=@@HOMEBREW_PREFIX@@\n",
                       ".bottle/etc/po-etc/secret.conf": Text("secret\n", 0o600),
                       ".bottle/etc/po-etc/linked.conf": Link("main.conf"),
                       ".bottle/etc/po-etc/empty.d": Dir(),
                       ".bottle/etc/top.conf": "top\n",
                       ".bottle/var/po-etc/db/seed": "seed @@HOMEBREW_CELLAR@@\n",
                       ".bottle/var/po-etc/run": Dir(0o700), ".bottle/var/log/po-etc.log": "",
                       "etc/po-etc-linked/own.conf": "linked\n"})


def formulae():
    """Everything about files."""
    zoo = Formula("po-elf", "1.0", "ELF files of every kind: with and without slack, PIE and not, "
                  "RPATH and RUNPATH, static, hardlinked, .o and .a", _elf_files, cellar=ANY)
    fixed = Formula("po-literal", "1.0", "fixed cellar: the prefix compiled into a program",
                    {"bin/po-literal": Elf(PROGRAM % (PREFIX + "/Cellar/po-literal/1.0/share/x"),
                                           rpath=[f"{PLACEHOLDER}/lib"]),
                     "share/x": "data\n"}, cellar=CELLAR)
    return [*_text(), zoo, fixed, _modes(), _names(), *_sizes(), _python(), _etc_var()]
