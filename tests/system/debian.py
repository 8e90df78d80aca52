"""Bottles made of Debian's packages: real libraries, built against the glibc of the release that they come from."""

import glob
import os
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import make_bottle

MIRROR = os.environ.get("BREWFS_TEST_MIRROR", "http://deb.debian.org/debian")
RUNTIME = ("libc6", "libc-bin", "libgcc-s1", "libstdc++6", "gcc-")      # of glibc and gcc, not of the libraries
PREFIX = "@@HOMEBREW_PREFIX@@"


class Unavailable(Exception):
    """The packages cannot be had here; the text says why."""


def host_suite():
    """The release that this host runs, or None."""
    try:
        with open("/etc/os-release", encoding="utf-8") as file:
            values = dict(line.rstrip("\n").split("=", 1) for line in file if "=" in line)
    except OSError:
        return None
    return values.get("VERSION_CODENAME") if values.get("ID") == "debian" else None


def host_glibc():
    return os.confstr("CS_GNU_LIBC_VERSION").split()[1]


class Release:
    """Packages of one release, with all that they depend on; what was downloaded is kept."""

    def __init__(self, suite, *packages):
        self.suite = suite
        self.directory = os.path.join(os.environ.get("BREWFS_TEST_DEBS") or tempfile.gettempdir(),
                                      f"brewfs-debs-{suite}")
        self.stamp = os.path.join(self.directory, "have-" + "-".join(packages))
        if not os.path.exists(self.stamp):
            self._download(packages)
        self.root = os.path.join(self.directory, "root")
        if not os.path.isdir(self.root):
            self._unpack()

    def _apt(self, *arguments):
        options = {"Dir::Etc::sourcelist": f"{self.directory}/sources.list", "Dir::Etc::sourceparts": "-",
                   "Dir::State": f"{self.directory}/state", "Dir::State::status": f"{self.directory}/status",
                   "Dir::Cache": f"{self.directory}/cache", "APT::Sandbox::User": "root", "Debug::NoLocking": "1",
                   "APT::Install-Recommends": "0", "APT::Get::Assume-Yes": "1", "Acquire::Languages": "none"}
        command = ["apt-get", "-qq"] + [part for name, value in options.items() for part in ("-o", f"{name}={value}")]
        result = subprocess.run(command + list(arguments), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True, timeout=600)
        if result.returncode != 0:
            raise Unavailable(f"apt-get {arguments[0]} for {self.suite}: " + result.stdout.strip()[-300:])

    def _download(self, packages):
        if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
            raise Unavailable("apt-get and dpkg-deb are needed")
        for name in ("state/lists/partial", "cache/archives/partial"):
            os.makedirs(os.path.join(self.directory, name), exist_ok=True)
        open(os.path.join(self.directory, "status"), "w", encoding="utf-8").close()
        with open(os.path.join(self.directory, "sources.list"), "w", encoding="utf-8") as file:
            file.write(f"deb {MIRROR} {self.suite} main\n")
        self._apt("update")
        self._apt("install", "--download-only", *packages)
        open(self.stamp, "w", encoding="utf-8").close()

    def _unpack(self):
        """Each package in a directory of its own: root/NAME."""
        partial = self.root + f".{os.getpid()}"
        os.makedirs(partial)
        for path in sorted(glob.glob(os.path.join(self.directory, "cache/archives/*.deb"))):
            name = os.path.basename(path).split("_")[0]
            subprocess.run(["dpkg-deb", "-x", path, os.path.join(partial, name)], check=True)
        os.rename(partial, self.root)

    def files(self, *names, without=()):
        """{base name: path} of the shared libraries of packages whose names begin so."""
        found = {}
        for package in sorted(os.listdir(self.root)):
            if not package.startswith(names) or package.startswith(without or "\0"):
                continue
            for directory in glob.glob(os.path.join(self.root, package, "*lib/*-linux-gnu")) + \
                    glob.glob(os.path.join(self.root, package, "usr/lib/*-linux-gnu")):
                for name in os.listdir(directory):
                    path = os.path.join(directory, name)
                    if ".so" in name and not os.path.isdir(path):
                        found[name] = path
        return found


def content(path):
    """What a bottle has in place of a file: a link's target, else its bytes."""
    if os.path.islink(path):
        return ("link", os.path.basename(os.readlink(path)))
    with open(path, "rb") as file:
        return file.read()


def as_bottled(path, program=False):
    """A library or program with the RPATH and interpreter that Homebrew's bottles have."""
    if os.path.islink(path):
        return content(path)
    with tempfile.NamedTemporaryFile() as file:
        shutil.copy(path, file.name)
        command = ["patchelf", "--force-rpath", "--set-rpath", f"{PREFIX}/lib"]
        if program:
            command += ["--set-interpreter", f"{PREFIX}/lib/ld.so"]
        result = subprocess.run(command + [file.name], stderr=subprocess.PIPE, text=True)
        if result.returncode != 0:
            return content(path)        # a script of the linker
        with open(file.name, "rb") as edited:
            return edited.read()


def tab(needs=()):
    return {"homebrew_version": "5.1.20", "changed_files": [], "source_modified_time": 1700000000,
            "runtime_dependencies": [{"full_name": name, "version": "1.0", "revision": 0, "pkg_version": "1.0",
                                      "declared_directly": True} for name in needs]}


def library_bottles(release, directory):
    """libexif and proj, with all the libraries that proj needs in its own keg, and its programs."""
    exif = release.files("libexif")
    others = release.files("", without=RUNTIME + ("libexif",))
    proj = {f"lib/{name}": as_bottled(path) for name, path in others.items()}
    program = glob.glob(os.path.join(release.root, "proj-bin", "usr/bin/proj"))
    if program:
        proj["bin/proj"] = as_bottled(program[0], program=True)
    return [make_bottle(directory, "libexif", "1.0", {f"lib/{name}": as_bottled(path) for name, path in exif.items()},
                        tab=tab()),
            make_bottle(directory, "proj", "1.0", proj, tab=tab())]


def runtime_bottles(release, directory):
    """glibc and gcc as Homebrew lays them out, as far as programs need them when they run."""
    glibc = {f"lib/{name}": content(path) for name, path in release.files("libc6").items()}
    loader = next(name for name in glibc if name.startswith("lib/ld-linux"))
    glibc["bin/ld.so"] = ("link", f"../{loader}")
    glibc[".brew/glibc.rb"] = 'class Glibc < Formula\n  keg_only "it can shadow the system glibc"\nend\n'
    gcc = {f"lib/gcc/current/{name}": as_bottled(path)
           for name, path in release.files("libgcc-s1", "libstdc++6").items() if ".so" in name}
    return [make_bottle(directory, "glibc", "1.0", glibc, tab=tab()), make_bottle(directory, "gcc", "1.0", gcc, tab=tab())]
