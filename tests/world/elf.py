"""Shared libraries and programs, compiled by gcc when the world is built.

They come out as they lie in a bottle: RPATH and interpreter hold Homebrew's placeholders. There are
two styles:

bottled  linked with the real prefix, then rewritten in place as brew does when bottling: the longer
         old string in .dynstr is overwritten by the placeholder, NUL, and `X` up to its old end
exact    linked with the placeholder itself: no slack, so an editor has to find room elsewhere

For the other architecture the same code is linked with 64 KiB pages and then given that machine's
number: enough for everything that edits ELF files, though it cannot run.
"""
import hashlib
import os
import platform
import shutil
import struct
import subprocess
import tempfile
import threading
from dataclasses import dataclass, field

PREFIX = "/home/linuxbrew/.linuxbrew"
PLACEHOLDER = "@@HOMEBREW_PREFIX@@"
LOADER = PLACEHOLDER + "/lib/ld.so"

TAGS = {"x86_64": "x86_64_linux", "aarch64": "arm64_linux"}
NATIVE = TAGS.get(platform.machine(), "x86_64_linux")
FOREIGN = "arm64_linux" if NATIVE == "x86_64_linux" else "x86_64_linux"
MACHINES = {"x86_64_linux": 62, "arm64_linux": 183}

PT_LOAD, PT_DYNAMIC, PT_INTERP = 1, 2, 3
DT_STRTAB, DT_RPATH, DT_RUNPATH = 5, 15, 29


@dataclass
class Elf:
    """What to compile. `needs` are other Elf objects (shared libraries) to link with."""
    source: str
    kind: str = "program"            # or "shared", "object", "archive"
    soname: str = ""
    needs: list = field(default_factory=list)
    rpath: list = field(default_factory=list)
    interpreter: str = LOADER
    style: str = "bottled"
    flags: list = field(default_factory=list)

    def finish(self, data):
        """A last change to the bottle's bytes; none, but in files that are damaged on purpose."""
        return data

    def identity(self):
        """Everything the compiled file depends on, but compiler and tag."""
        return repr((self.source, self.kind, self.soname, [need.identity() for need in self.needs],
                     self.rpath, self.interpreter, self.style, self.flags))


def _staging(path):
    return f"{path}.{os.getpid()}-{threading.get_ident()}"


def _archive(path):
    """Puts an object file into a static library that takes its place."""
    with tempfile.TemporaryDirectory() as directory:
        shutil.copy(path, os.path.join(directory, "object.o"))
        subprocess.run(["ar", "rcD", path + ".a", "object.o"], check=True, cwd=directory,
                       capture_output=True)
    os.replace(path + ".a", path)


class Compiler:
    """gcc with a cache: a directory of results, named by the digest of what went in."""

    def __init__(self, cache):
        self.cache = cache
        self.version = subprocess.run(["gcc", "-v"], capture_output=True, text=True,
                                      check=True).stderr
        with open(__file__, encoding="utf-8") as file:
            self.version += file.read()         # how it is compiled is part of what comes out
        os.makedirs(cache, exist_ok=True)

    def path(self, elf, tag):
        """The linked file, before it is made to look like a bottle's."""
        key = hashlib.sha256(repr((elf.identity(), tag, self.version)).encode()).hexdigest()
        path = os.path.join(self.cache, key)
        if not os.path.exists(path):
            self._compile(elf, tag, path)
        return path

    def build(self, elf, tag):
        """The bytes as they lie in a bottle for that tag."""
        with open(self.path(elf, tag), "rb") as file:
            data = file.read()
        if elf.kind in ("program", "shared") and elf.style == "bottled":
            data = as_bottled(data)
        if elf.kind != "archive" and tag != NATIVE:
            data = data[:18] + struct.pack("<H", MACHINES[tag]) + data[20:]
        return elf.finish(data)

    def _compile(self, elf, tag, path):
        output = _staging(path) + ".o"
        # from standard input, so that no file name of ours gets into the symbol table
        command = ["gcc", "-O1", "-o", output, "-x", "c", "-", "-x", "none",
                   *self._options(elf, tag)]
        try:
            subprocess.run(command, input=elf.source, check=True, capture_output=True, text=True)
        except subprocess.CalledProcessError as error:
            raise SystemExit(f"gcc failed: {' '.join(command)}\n{error.stderr}") from error
        if elf.kind == "archive":
            _archive(output)
        os.rename(output, path)

    def _options(self, elf, tag):
        if elf.kind in ("object", "archive"):
            return ["-c", *elf.flags]
        options = ["-Wl,--disable-new-dtags", "-Wl,--no-as-needed", "-Wl,--build-id=sha1"]
        if tag != NATIVE:
            options.append("-Wl,-z,max-page-size=65536")
        if elf.kind == "shared":
            options += ["-shared", "-fPIC", f"-Wl,-soname,{elf.soname}"]
        elif elf.interpreter:
            options.append(f"-Wl,--dynamic-linker={self._linked(elf, elf.interpreter)}")
        if elf.rpath:
            options.append("-Wl,-rpath," + self._linked(elf, ":".join(elf.rpath)))
        links = self._link_directory(elf, tag)
        return options + [f"-Wl,-rpath-link,{links}"] + elf.flags + [
            self.path(need, tag) for need in elf.needs]

    def _link_directory(self, elf, tag):
        """Where ld finds by soname what the needed libraries need in turn."""
        directory = os.path.join(self.cache, "by-soname-" + tag)
        os.makedirs(directory, exist_ok=True)
        for need in elf.needs:
            link = os.path.join(directory, need.soname)
            temporary = _staging(link)
            os.symlink(self.path(need, tag), temporary)
            os.replace(temporary, link)
        return directory

    @staticmethod
    def _linked(elf, text):
        return text.replace(PLACEHOLDER, PREFIX) if elf.style == "bottled" else text


class Image:
    """A little-endian ELF64 file that can be read and patched in place."""

    def __init__(self, data):
        self.data = bytearray(data)
        (self.phoff, self.shoff) = struct.unpack_from("<QQ", self.data, 32)
        (self.phnum, self.shnum) = (struct.unpack_from("<H", self.data, at)[0] for at in (56, 60))

    def segments(self):
        """(offset of the header, type, offset, address, size in the file) of each segment."""
        for index in range(self.phnum):
            at = self.phoff + 56 * index
            kind, _, offset, address, _, size = struct.unpack_from("<IIQQQQ", self.data, at)
            yield at, kind, offset, address, size

    def offset_of(self, address):
        """The file offset of an address."""
        for _, kind, offset, start, size in self.segments():
            if kind == PT_LOAD and start <= address < start + size:
                return offset + address - start
        raise ValueError(f"no segment holds address {address:#x}")

    def string(self, offset):
        """The NUL-terminated string at an offset."""
        return bytes(self.data[offset:self.data.index(0, offset)])

    def dynamic(self):
        """(offset, tag, value) of each dynamic entry."""
        for _, kind, offset, _, size in self.segments():
            if kind == PT_DYNAMIC:
                for at in range(offset, offset + size, 16):
                    yield (at, *struct.unpack_from("<QQ", self.data, at))

    def dynamic_strings(self, *tags):
        """(offset, bytes) of the strings that entries with these tags name."""
        entries = list(self.dynamic())
        table = [value for _, tag, value in entries if tag == DT_STRTAB]
        for _, tag, value in entries:
            if tag in tags and table:
                at = self.offset_of(table[0]) + value
                yield at, self.string(at)

    def shrink_interpreter(self, header, offset, size):
        """Gives segment and section of the interpreter the size of the string they hold."""
        struct.pack_into("<QQ", self.data, header + 32, size, size)
        for index in range(self.shnum):
            at = self.shoff + 64 * index
            if struct.unpack_from("<Q", self.data, at + 24)[0] == offset:
                struct.pack_into("<Q", self.data, at + 32, size)


def as_bottled(data):
    """Puts the placeholder where the prefix stands in interpreter and RPATH, as brew does."""
    old, new = PREFIX.encode(), PLACEHOLDER.encode()
    image = Image(data)
    if not image.phnum:
        return data
    for at, text in list(image.dynamic_strings(DT_RPATH, DT_RUNPATH)):
        short = text.replace(old, new)
        if len(short) < len(text):
            fill = b"X" * (len(text) - len(short) - 1)
            image.data[at:at + len(text) + 1] = short + b"\0" + fill + b"\0"
    for header, kind, offset, _, size in list(image.segments()):
        if kind == PT_INTERP:
            short = image.string(offset).replace(old, new) + b"\0"
            image.data[offset:offset + size] = short.ljust(size, b"X")
            image.shrink_interpreter(header, offset, len(short))
    return bytes(image.data)
