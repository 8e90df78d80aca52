#!/usr/bin/python3
"""Makes Homebrew bottles of Debian packages.

    mkcorpus.py DEBS LIST DESTINATION

DEBS is the directory of the packages, LIST the file with their names. Each Debian source package
is one formula: NAME/VERSION/{bin,lib,include,share,...} with the multiarch directories folded into
lib/ and include/, absolute links made relative, and links into another package led through
../../../opt/NAME. DESTINATION gets NAME--VERSION.TAG.bottle.tar.gz and beside each the .bottle.json
that `brew bottle --json` writes, which says that nothing in it needs relocation; and formulae.json,
a list of name, version, file, entries, bytes, gz_bytes. The result depends on the packages alone.
"""
import concurrent.futures
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys

TAG = "arm64_linux" if platform.machine() == "aarch64" else "x86_64_linux"
MULTIARCH = platform.machine() + "-linux-gnu"
TIME = 1700000000
TOPS = ("bin", "sbin", "lib", "libexec", "include", "share", "etc")
# What the host has of its own: a second C library or systemd among the libraries breaks programs. The
# last two: pg_config is in two packages, one of which diverts the other's; and a formula of that name
# has steps of its own after pouring.
LEFT_OUT = {"glibc", "dpkg", "debconf", "systemd", "base-files", "base-passwd", "debianutils",
            "init-system-helpers", "pam", "shadow", "util-linux", "apt", "libselinux", "linux",
            "adduser", "coreutils", "postgresql-common", "ca-certificates"}
TAR = ("tar", "--create", "--format=pax", "--sort=name", "--owner=0", "--group=0",
       "--numeric-owner", f"--mtime=@{TIME}",
       "--pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime")
DROPPED = re.compile(r"^usr/share/(doc|lintian|bug|menu|doc-base)(/|$)")


def place(path):
    """Where a path of a package goes in the keg; None where it is left out."""
    if DROPPED.match(path):
        return None
    path = re.sub(r"^usr/(local/)?", "", path)
    top, _, rest = path.partition("/")
    if top in ("lib", "include") and (rest == MULTIARCH or rest.startswith(MULTIARCH + "/")):
        rest = rest[len(MULTIARCH) + 1:]
    if top in ("lib64", "lib32", "libx32"):
        top = "lib"
    if top not in TOPS:
        return None
    return f"{top}/{rest}" if rest else top


def source_of(deb):
    """Name of the source package, and the upstream version as a keg may be named."""
    text = subprocess.run(["dpkg-deb", "-f", deb, "Package", "Source", "Version"],
                          capture_output=True, text=True, check=True).stdout
    fields = dict(line.split(": ", 1) for line in text.splitlines() if ": " in line)
    source = fields.get("Source", fields["Package"]).split(" ")[0]
    version = re.sub(r"^\d+:", "", fields["Version"])
    version = re.sub(r"-[^-]*$", "", version)
    version = re.sub(r"[+~](dfsg|ds|repack|really).*", "", version)
    return source, re.sub(r"[^0-9A-Za-z.+-]", "-", version)


class Corpus:
    """Kegs below a directory, made of packages one after the other."""

    def __init__(self, directory):
        self.directory = directory
        self.versions = {}
        self.where = {}         # path in a package -> path in a keg, to lead links there
        self.links = []         # (path in a keg, the package's path that it leads to)

    def keg(self, name):
        return f"{self.directory}/{name}/{self.versions[name]}"

    def add(self, deb):
        name, version = source_of(deb)
        if name in LEFT_OUT:
            return
        self.versions.setdefault(name, version)
        unpacked = self.directory + ".unpacked"
        shutil.rmtree(unpacked, ignore_errors=True)
        subprocess.run(["dpkg-deb", "-x", deb, unpacked], check=True)
        for root, directories, files in os.walk(unpacked):
            directories.sort()
            links = [d for d in directories if os.path.islink(f"{root}/{d}")]
            for entry in sorted(files) + links:
                full = f"{root}/{entry}"
                self.take(self.keg(name), os.path.relpath(full, unpacked), full)
        shutil.rmtree(unpacked)

    def take(self, keg, path, full):
        placed = place(path)
        if placed is None:
            return
        target = f"{keg}/{placed}"
        self.where["/" + path] = target
        if path.startswith(("lib/", "bin/", "sbin/")):
            self.where["/usr/" + path] = target
        if os.path.islink(full):
            text = os.readlink(full)
            here = os.path.dirname("/" + path)
            self.links.append((target, os.path.normpath(os.path.join(here, text))))
        elif os.path.isfile(full) and not os.path.lexists(target):
            os.makedirs(os.path.dirname(target), exist_ok=True)
            os.rename(full, target)

    def make_links(self):
        """Once all kegs are there. Links whose target is in no keg are left out."""
        directories = {}
        for path, target in self.where.items():
            directories.setdefault(os.path.dirname(path), os.path.dirname(target))
        for link, path in self.links:
            target = self.where.get(path) or directories.get(path)
            if target is None or os.path.lexists(link):
                continue
            os.makedirs(os.path.dirname(link), exist_ok=True)
            os.symlink(self.link_text(link, target), link)

    def link_text(self, link, target):
        start = len(self.directory) + 1
        mine, theirs = link[start:].split("/", 1)[0], target[start:].split("/", 2)
        if theirs[0] == mine:
            return os.path.relpath(target, os.path.dirname(link))
        depth = link[start:].count("/")
        return "../" * (depth + 1) + "/".join(["opt", theirs[0]] + theirs[2:])


def write_formula(keg, name):
    os.makedirs(f"{keg}/.brew", exist_ok=True)
    class_name = "".join(word.capitalize() for word in re.split(r"[^0-9A-Za-z]+", name))
    with open(f"{keg}/.brew/{name}.rb", "w") as file:
        file.write(f"class {class_name} < Formula\n  desc \"{name} of Debian\"\nend\n")


def measure(keg):
    """Number of entries and bytes of a keg."""
    entries = size = 0
    for root, directories, files in os.walk(keg):
        entries += len(directories) + len(files)
        size += sum(os.lstat(f"{root}/{f}").st_size for f in files)
    return entries, size


def describe(name, version, digest):
    """What `brew bottle --json` writes, as far as pouring reads it."""
    tab = {"homebrew_version": "5.1.20", "changed_files": [], "source_modified_time": TIME,
           "compiler": "gcc", "runtime_dependencies": [], "arch": TAG.removesuffix("_linux"),
           "built_on": {"os": "Linux"}}
    bottle = {"cellar": "any_skip_relocation", "tags": {TAG: {"sha256": digest, "tab": tab}}}
    return {name: {"formula": {"name": name, "pkg_version": version}, "bottle": bottle}}


def file_name(name, version):
    return f"{name}--{version}.{TAG}.bottle.tar.gz"


def make_bottle(kegs, name, version, destination):
    """Packs kegs/NAME/VERSION. Returns the bottle's record."""
    keg = f"{kegs}/{name}/{version}"
    write_formula(keg, name)
    entries, size = measure(keg)
    path = f"{destination}/{file_name(name, version)}"
    with open(path, "wb") as file:
        tar = subprocess.Popen([*TAR, "-C", kegs, f"{name}/{version}"], stdout=subprocess.PIPE)
        subprocess.run(["gzip", "-n"], stdin=tar.stdout, stdout=file, check=True)
        if tar.wait() != 0:
            raise SystemExit(f"mkcorpus.py: tar failed for {name}")
    with open(path, "rb") as file:
        digest = hashlib.sha256(file.read()).hexdigest()
    with open(path[:-len(".tar.gz")] + ".json", "w") as file:
        json.dump(describe(name, version, digest), file)
    return {"name": name, "version": version, "file": os.path.basename(path), "entries": entries,
            "bytes": size, "gz_bytes": os.path.getsize(path)}


def main(debs, list_file, destination):
    kegs = destination + ".kegs"
    for directory in (kegs, destination):
        shutil.rmtree(directory, ignore_errors=True)
        os.makedirs(directory)
    corpus = Corpus(kegs)
    with open(list_file) as file:
        for line in sorted(file.read().split()):
            corpus.add(f"{debs}/{line}")
    corpus.make_links()
    names = [name for name in sorted(corpus.versions) if os.path.isdir(corpus.keg(name))]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        jobs = [pool.submit(make_bottle, kegs, name, corpus.versions[name], destination)
                for name in names]
        records = [job.result() for job in jobs]
    shutil.rmtree(kegs)
    with open(f"{destination}/formulae.json", "w") as file:
        json.dump(records, file, indent=0)
    entries, size, packed = (sum(r[k] for r in records) for k in ("entries", "bytes", "gz_bytes"))
    print(f"{len(records)} bottles, {entries} entries, {size / 1e6:.0f} MB, "
          f"{packed / 1e6:.0f} MB packed")


if __name__ == "__main__":
    if len(sys.argv) != 4:
        raise SystemExit(__doc__)
    main(*sys.argv[1:])
