"""Bottles with ELF files that are damaged in one way each: poured as they are or refused."""
import struct

import elf
from elf import Elf, Image, NATIVE, PLACEHOLDER
from formula import ANY, Formula, Text

SOURCE = "int main(void) { return 0; }\n"
SPECIMEN = Elf(SOURCE, rpath=[f"{PLACEHOLDER}/opt/x/lib", f"{PLACEHOLDER}/lib"], style="exact")
EHDR = {"type": (16, "<H"), "machine": (18, "<H"), "phoff": (32, "<Q"), "shoff": (40, "<Q"),
        "ehsize": (52, "<H"), "phentsize": (54, "<H"), "phnum": (56, "<H"), "shentsize": (58, "<H"),
        "shnum": (60, "<H"), "shstrndx": (62, "<H")}
PHDR = {"offset": (8, "<Q"), "vaddr": (16, "<Q"), "filesz": (32, "<Q"), "memsz": (40, "<Q"),
        "align": (48, "<Q")}
DT_NULL, DT_STRSZ = 0, 10
WILD = (1 << 64) - 8


def _header(field, value):
    def damage(data):
        at, form = EHDR[field]
        struct.pack_into(form, data, at, value)
    return damage


def _segment(kind, field, value, which=0):
    def damage(data):
        headers = [at for at, found, *_ in Image(data).segments() if found == kind]
        at, form = PHDR[field]
        struct.pack_into(form, data, headers[which] + at, value)
    return damage


def _dynamic(tag, value):
    def damage(data):
        for at, found, _ in Image(data).dynamic():
            if found == tag:
                struct.pack_into("<Q", data, at + 8, value)
    return damage


def _endless_dynamic(data):
    for at, tag, _ in list(Image(data).dynamic()):
        if tag == DT_NULL:
            struct.pack_into("<Q", data, at, 0x6ffffef5)


def _overlapping_segments(data):
    headers = [at for at, kind, *_ in Image(data).segments() if kind == elf.PT_LOAD]
    first = data[headers[0]:headers[0] + 56]
    for at in headers[1:]:
        data[at:at + 56] = first


def _interpreter_without_end(data):
    for _, kind, offset, _, size in Image(data).segments():
        if kind == elf.PT_INTERP:
            data[offset + size - 1] = ord("x")


def _strings_without_end(data):
    image = Image(data)
    for at, text in image.dynamic_strings(elf.DT_RPATH):
        data[at:] = b"@@HOMEBREW_PREFIX@@".ljust(len(data) - at, b"x")


def _sections(value):
    def damage(data):
        image = Image(data)
        for index in range(image.shnum):
            struct.pack_into("<QQ", data, image.shoff + 64 * index + 24, value, value)
    return damage


CASES = [
    ("empty-tables", "no program headers, no sections", [_header("phnum", 0), _header("shnum", 0)]),
    ("phoff-wild", "program headers far outside", [_header("phoff", WILD)]),
    ("phoff-last-byte", "program headers that begin at the last byte", [
        lambda data: struct.pack_into("<Q", data, 32, len(data) - 1)]),
    ("phnum-huge", "65,535 program headers", [_header("phnum", 0xffff)]),
    ("phentsize-zero", "program headers of no size", [_header("phentsize", 0)]),
    ("phentsize-odd", "program headers of 57 bytes", [_header("phentsize", 57)]),
    ("shoff-wild", "sections far outside", [_header("shoff", WILD)]),
    ("shnum-huge", "65,535 sections", [_header("shnum", 0xffff)]),
    ("shstrndx-wild", "a section of names that does not exist", [_header("shstrndx", 0xfffe)]),
    ("sections-wild", "every section far outside", [_sections(WILD)]),
    ("interp-wild", "an interpreter far outside", [_segment(elf.PT_INTERP, "offset", WILD)]),
    ("interp-huge", "an interpreter of 2^63 bytes", [_segment(elf.PT_INTERP, "filesz", 1 << 63)]),
    ("interp-empty", "an interpreter of no size", [_segment(elf.PT_INTERP, "filesz", 0)]),
    ("interp-no-nul", "an interpreter without its NUL", [_interpreter_without_end]),
    ("dynamic-wild", "a dynamic segment far outside", [_segment(elf.PT_DYNAMIC, "offset", WILD)]),
    ("dynamic-odd", "a dynamic segment of 7 bytes", [_segment(elf.PT_DYNAMIC, "filesz", 7)]),
    ("dynamic-endless", "a dynamic segment without its end", [_endless_dynamic]),
    ("strtab-wild", "a string table far outside", [_dynamic(elf.DT_STRTAB, WILD)]),
    ("strtab-zero", "a string table of no size", [_dynamic(DT_STRSZ, 0)]),
    ("rpath-wild", "an RPATH far outside the string table", [_dynamic(elf.DT_RPATH, 1 << 40)]),
    ("rpath-no-nul", "strings without an end", [_strings_without_end]),
    ("load-overlap", "all segments on top of each other", [_overlapping_segments]),
    ("load-wrap", "a segment that wraps the address space",
     [_segment(elf.PT_LOAD, "vaddr", WILD & ~0xfff, 1)]),
    ("load-align", "a segment aligned to 2^63", [_segment(elf.PT_LOAD, "align", 1 << 63)]),
    ("load-filesz", "a segment longer than the file", [
        _segment(elf.PT_LOAD, "filesz", 1 << 50, 1)]),
    ("cut-header", "cut within the ELF header", [lambda data: data.__delitem__(slice(40, None))]),
    ("cut-segments", "cut within the program headers",
     [lambda data: data.__delitem__(slice(100, None))]),
    ("cut-middle", "cut in the middle", [
        lambda data: data.__delitem__(slice(len(data) // 2, None))]),
    ("class-32", "says it is a 32-bit file", [lambda data: data.__setitem__(4, 1)]),
    ("big-endian", "says it is big-endian", [lambda data: data.__setitem__(5, 2)]),
    ("core-type", "says it is a core dump", [_header("type", 4)]),
]


class Damaged(Elf):
    """The specimen, and what is done to it once it is compiled."""

    def __init__(self, changes):
        super().__init__(**vars(SPECIMEN))
        self.changes = changes

    def finish(self, data):
        """The damaged bytes."""
        data = bytearray(data)
        for change in self.changes:
            change(data)
        return bytes(data)


def formulae():
    """One formula per kind of damage, each beside a sound program."""
    return [Formula(f"elf-{name}", "1.0", f"damaged ELF: {what}", {
        f"bin/elf-{name}": Damaged(changes), f"libexec/{name}-sound": SPECIMEN,
        "libexec/note.txt": Text("@@HOMEBREW_PREFIX@@\n")}, cellar=ANY, expect="either",
        tags=(NATIVE,)) for name, what, changes in CASES]
