"""Bottles as brew makes them, from a Formula's description.

Members are sorted by name, owner 0:0, their time is the tab's source_modified_time. The keg holds
`.brew/NAME.rb` and `sbom.spdx.json`, and no receipt: the tab travels in the registry.
"""
import hashlib
import json
import os
from dataclasses import dataclass

import archive
from elf import Elf
from formula import Dir, Hard, Link, Text

SOURCE_TIME = 1782000000
BUILDER = "5.1.20"
SYSTEMS = {"x86_64_linux": ("x86_64", "penryn", "core2"),
           "arm64_linux": ("arm64", "arm_firestorm_icestorm", "armv8")}


@dataclass
class Bottle:
    """A finished bottle: its file, digests, and what the registry says about it."""
    path: str
    sha256: str
    size: int
    tar_sha256: str
    installed_size: int
    tab: dict | None
    executables: list
    license: str | None = None


def ruby_source(formula):
    """The formula's file, as far as anything here looks at it."""
    parts = "".join(part.capitalize() for part in formula.name.replace("@", "AT").split("-"))
    return (f"class {parts} < Formula\n  desc {json.dumps(formula.desc)}\n"
            f"  homepage \"http://127.0.0.1/{formula.name}\"\n"
            f"  version \"{formula.version}\"\nend\n")


def sbom(formula):
    """A small SPDX document of the shape brew writes."""
    return json.dumps({
        "SPDXID": "SPDXRef-DOCUMENT", "spdxVersion": "SPDX-2.3",
        "name": f"SBOM-SPDX-{formula.name}-{formula.version}",
        "creationInfo": {"created": "2026-08-20T00:00:00Z",
                         "creators": ["Tool: https://github.com/Homebrew/brew"]},
        "dataLicense": "CC0-1.0", "packages": [], "relationships": []}, indent=2)


def entries(formula, tag):
    """All entries of the keg, by path."""
    files = formula.files(tag) if callable(formula.files) else formula.files
    keg = {f".brew/{formula.name}.rb": Text(ruby_source(formula)), "sbom.spdx.json": sbom(formula)}
    keg.update(files)
    return {path: Text(entry) if isinstance(entry, (str, bytes)) else entry
            for path, entry in keg.items() if entry is not None}


def _with_parents(keg):
    full = {}
    for path in keg:
        parent = os.path.dirname(path)
        while parent and parent not in keg:
            full[parent] = Dir()
            parent = os.path.dirname(parent)
    full.update(keg)
    return full


def _order(path):
    """tar --sort=name: by component, in bytes."""
    return os.fsencode(path).split(b"/")


def _contents(entry, compiler, tag):
    """Data and mode of a regular file."""
    if isinstance(entry, Elf):
        return compiler.build(entry, tag), 0o555 if entry.kind == "program" else 0o444
    data = entry.data.encode("utf-8", "surrogateescape") if isinstance(
        entry.data, str) else entry.data
    mode = entry.mode if entry.mode is not None else 0o555 if data[:2] == b"#!" else 0o644
    return data, mode


def members(formula, tag, compiler):
    """The archive's members, sorted; the first path of a hardlink group holds the data."""
    keg = _with_parents(entries(formula, tag))
    top = formula.top.encode()
    result = [archive.Member(top + b"/", archive.DIRECTORY, mode=0o755, mtime=SOURCE_TIME)]
    holder = {}
    for path in sorted(keg, key=_order):
        entry, name = keg[path], top + b"/" + os.fsencode(path)
        member = archive.Member(name, mtime=SOURCE_TIME)
        group = entry.path if isinstance(entry, Hard) else path
        if isinstance(entry, Dir):
            member.kind, member.name, member.mode = archive.DIRECTORY, name + b"/", entry.mode
        elif isinstance(entry, Link):
            member.kind, member.link, member.mode = (
                archive.SYMLINK, os.fsencode(entry.target), 0o777)
        elif group in holder:
            first = holder[group]
            member.kind, member.link, member.mode = archive.HARDLINK, first.name, first.mode
        else:
            member.data, member.mode = _contents(keg[group], compiler, tag)
            holder[group] = member
        result.append(member)
    return result


def changed_files(formula, keg_members):
    """The regular files that hold a placeholder as text, as the tab lists them."""
    prefix = len(formula.top) + 1
    data = {member.name: member.data for member in keg_members if member.kind == archive.FILE}
    changed = []
    for member in keg_members:
        contents = data.get(member.link if member.kind == archive.HARDLINK else member.name)
        path = os.fsdecode(member.name[prefix:])
        if contents and b"@@HOMEBREW_" in contents and b"\0" not in contents:
            changed.append(path)
    return [path for path in changed if not path.startswith(".brew/")]


def dependency_records(formula, find):
    """The tab's runtime_dependencies: the whole closure, dependencies first."""
    order, direct = {}, [find(name) for name in formula.run_time_names()]

    def visit(found, stack):
        if found is None or found.name in stack or found.name in order:
            return
        for name in found.run_time_names():
            visit(find(name), stack + [found.name])
        order[found.name] = found

    for found in direct:
        visit(found, [formula.name])
    return [_record(found, found in direct) for found in order.values()]


def _record(formula, direct):
    record = {"full_name": formula.name, "version": formula.version, "revision": formula.revision,
              "bottle_rebuild": formula.rebuild, "pkg_version": formula.pkg_version,
              "declared_directly": direct}
    if formula.compatibility_version is not None:
        record["compatibility_version"] = formula.compatibility_version
    return record


def tab(formula, tag, changed, find):
    """The tab as brew puts it into the registry; `all` has no architecture and no builder."""
    if formula.tab is None:
        return None
    result = {"homebrew_version": BUILDER, "changed_files": changed,
              "source_modified_time": SOURCE_TIME, "compiler": "gcc-13",
              "runtime_dependencies": dependency_records(formula, find)}
    if tag in SYSTEMS:
        arch, family, oldest = SYSTEMS[tag]
        result["arch"] = arch
        result["built_on"] = {"os": "Linux", "os_version": "Ubuntu 24.04.3 LTS",
                              "cpu_family": family, "glibc_version": "2.39",
                              "oldest_cpu_family": oldest}
    result.update(formula.tab)
    return result


def _executables(formula, keg_members):
    prefix = len(formula.top) + 1
    return [os.fsdecode(member.name[prefix:]) for member in keg_members
            if member.name[prefix:].split(b"/")[0] in (b"bin", b"sbin") and member.mode & 0o111
            and member.kind != archive.DIRECTORY]


def build(formula, tag, compiler, find, directory):
    """Makes the bottle's file in `directory` and says what it is."""
    keg_members = [] if formula.raw else members(formula, tag, compiler)
    if formula.raw:
        data, tar_digest, installed = formula.raw(formula.top.encode()), "0" * 64, 100000
    else:
        contents = archive.tar(keg_members)
        data = archive.gzip(contents, f"{formula.name}-bottle.tar".encode(), SOURCE_TIME)
        tar_digest = hashlib.sha256(contents).hexdigest()
        installed = sum(len(member.data) for member in keg_members)
    path = os.path.join(directory, formula.file_name(tag))
    with open(path, "wb") as file:
        file.write(data)
    changed = changed_files(formula, keg_members)
    return Bottle(path, hashlib.sha256(data).hexdigest(), len(data), tar_digest, installed,
                  tab(formula, tag, changed, find), _executables(formula, keg_members),
                  formula.license)
