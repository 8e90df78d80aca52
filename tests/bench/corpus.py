"""The corpus: Debian packages as bottles, poured into a store, and the same tree on a disk."""
import hashlib
import json
import os
import shutil
import stat

from machine import Failure, run, say

HERE = os.path.dirname(os.path.abspath(__file__))
SMALL_FILE = 64 * 1024          # bytes; below it, contents travel in packs
LIST_LIMIT = 20000              # names in one list


class Corpus:
    """What is kept between runs lies below `work`; see prepare()."""

    def __init__(self, work, size):
        self.work = work
        self.size = size
        self.bottles = f"{work}/bottles.{size}"
        self.tree = f"{work}/tree.{size}"
        self.lists = f"{work}/lists.{size}"
        self.formulae = []

    # --- bottles ---

    def prepare(self):
        """Bottles, once: they are made anew where the list of packages or the maker changed."""
        listing = f"{self.work}/debs.{self.size}.list"
        if not os.path.exists(listing):
            say(f"Downloading the packages of the {self.size} corpus")
            run("bash", f"{HERE}/mkdebs.sh", self.work, self.size)
        stamp = _digest(listing, f"{HERE}/mkcorpus.py")
        if _read(f"{self.bottles}/stamp") != stamp:
            say(f"Making bottles of {sum(1 for _ in open(listing))} packages")
            run("python3", f"{HERE}/mkcorpus.py", f"{self.work}/debs", listing, self.bottles)
            _write(f"{self.bottles}/stamp", stamp)
        with open(f"{self.bottles}/formulae.json") as file:
            self.formulae = json.load(file)

    def path(self, formula):
        return f"{self.bottles}/{formula['file']}"

    def paths(self):
        return [self.path(f) for f in self.formulae]

    def pick(self, count, entries):
        """The `count` largest bottles of at most so many entries each."""
        fitting = [f for f in self.formulae if f["entries"] <= entries]
        fitting.sort(key=lambda f: (-f["gz_bytes"], f["name"]))
        if len(fitting) < count:
            raise Failure(f"the corpus has only {len(fitting)} bottles of {entries} entries")
        return sorted(fitting[:count], key=lambda f: f["name"])

    # --- the tree ---

    def lay_out(self, mountpoint):
        """The mounted prefix as a plain tree, unless it is there already. True if it is new."""
        manifest = _manifest(mountpoint)
        if _read(f"{self.tree}.manifest") == manifest and os.path.isdir(self.tree):
            return False
        say("Laying the tree out on the disk")
        for path in (self.tree, self.lists):
            shutil.rmtree(path, ignore_errors=True)
        run("cp", "-a", mountpoint, self.tree)
        if _manifest(self.tree) != manifest:
            raise Failure(f"{self.tree}: the copy differs from what is mounted")
        self._write_lists()
        _write(f"{self.tree}.manifest", manifest)
        return True

    def _write_lists(self):
        names, links, small, big = [], [], [], []
        for root, directories, files in os.walk(self.tree):
            directories.sort()
            for name in sorted(files + [d for d in directories if os.path.islink(f"{root}/{d}")]):
                full = f"{root}/{name}"
                path, st = os.path.relpath(full, self.tree), os.lstat(full)
                names.append(path)
                if stat.S_ISLNK(st.st_mode):
                    links.append(path)
                elif stat.S_ISREG(st.st_mode) and 0 < st.st_size < SMALL_FILE:
                    small.append(path)
                elif stat.S_ISREG(st.st_mode) and st.st_size >= 1 << 20:
                    big.append((st.st_size, path))
        os.makedirs(self.lists, exist_ok=True)
        for kind, paths in (("names", names), ("links", links), ("small", small)):
            _write(f"{self.lists}/{kind}", "".join(f"{p}\n" for p in _thin(paths)))
        _write(f"{self.lists}/big", "".join(f"{p}\n" for _, p in _largest(big, 683 << 20)))

    def list(self, kind):
        """File of paths relative to the prefix: names, links, small, big."""
        return f"{self.lists}/{kind}"

    def list_bytes(self, kind):
        with open(self.list(kind)) as file:
            return sum(os.path.getsize(f"{self.tree}/{line.rstrip()}") for line in file)

    def count(self):
        """Names in the tree."""
        return int(_read(f"{self.tree}.manifest").split()[1])


def _thin(paths):
    """Evenly spread, where there are more than a list may have; in order. No odd names."""
    paths = [p for p in paths if "\n" not in p]
    step = max(1, -(-len(paths) // LIST_LIMIT))
    return paths[::step]


def _largest(sized, limit):
    """The largest files, together at most `limit` bytes."""
    chosen, total = [], 0
    for size, path in sorted(sized, key=lambda x: (-x[0], x[1])):
        if total + size <= limit:
            chosen.append((size, path))
            total += size
    return sorted(chosen, key=lambda x: x[1])


def _manifest(top):
    """Digest of all names, types, modes, sizes and targets, and the count of names."""
    digest, count = hashlib.sha256(), 0
    for root, directories, files in os.walk(os.fsencode(top)):
        directories.sort()
        for name in sorted(files + directories):
            full = root + b"/" + name
            st = os.lstat(full)
            target = os.readlink(full) if stat.S_ISLNK(st.st_mode) else b""
            size = st.st_size if stat.S_ISREG(st.st_mode) else 0
            digest.update(b"%s\0%o %d\0%s\0" % (full[len(os.fsencode(top)):], st.st_mode, size,
                                                target))
            count += 1
    return f"{digest.hexdigest()} {count}"


def _digest(*paths):
    digest = hashlib.sha256()
    for path in paths:
        with open(path, "rb") as file:
            digest.update(file.read())
    return digest.hexdigest()


def _read(path):
    try:
        with open(path) as file:
            return file.read()
    except FileNotFoundError:
        return None


def _write(path, text):
    with open(path, "w") as file:
        file.write(text)
