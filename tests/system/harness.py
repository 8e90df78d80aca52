"""What the system tests share: TAP lines, a private mount namespace, a store and a world of their own.

A test calls enter() first: it is run again in a mount namespace of its own, so that the prefix it mounts at
Homebrew's place is seen by nobody else and goes with it, however it ends.
"""

import atexit
import contextlib
import hashlib
import io
import json
import os
import shutil
import stat
import subprocess
import sys
import tarfile
import tempfile
import time

SRCDIR = os.environ.get("srcdir") or os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
BREWFS = os.environ.get("BREWFS") or os.path.join(SRCDIR, "build", "brewfs")
ORACLE = os.environ.get("BREWFS_ORACLE") or os.path.join(SRCDIR, "tests", "oracle")
PREFIX = "/home/linuxbrew/.linuxbrew"

_count = 0
_failures = 0


def ok(condition, name, detail=""):
    """One TAP line; `detail` says more where the check failed."""
    global _count, _failures
    _count += 1
    print(f"{'ok' if condition else 'not ok'} {_count} - {name}", flush=True)
    if not condition:
        _failures += 1
        for line in str(detail).splitlines()[:60]:
            print(f"# {line}", flush=True)
    return bool(condition)


def equal(actual, expected, name):
    return ok(actual == expected, name, f"got {actual!r}\nexpected {expected!r}")


def says(result):
    """What a run said, for a failed check."""
    return f"exit status {result.returncode}\n{result.stdout}{result.stderr}"


def skip(name, reason):
    global _count
    _count += 1
    print(f"ok {_count} - {name} # SKIP {reason}", flush=True)


def done():
    print(f"1..{_count}", flush=True)
    sys.exit(1 if _failures else 0)


def skip_all(reason):
    print(f"1..0 # SKIP {reason}", flush=True)
    sys.exit(0)


def enter():
    """Runs the test again in a mount namespace of its own, where it may mount at the prefix."""
    if os.environ.get("BREWFS_TEST_INSIDE"):
        return
    if os.geteuid() != 0:
        skip_all("mounting at the default prefix needs root")
    if not os.path.exists("/dev/fuse"):
        skip_all("/dev/fuse is missing")
    os.makedirs(PREFIX, exist_ok=True)
    environment = dict(os.environ, BREWFS_TEST_INSIDE="1")
    result = subprocess.run(["unshare", "--mount", "--propagation", "private", sys.executable,
                             os.path.abspath(sys.argv[0])] + sys.argv[1:], env=environment)
    sys.exit(result.returncode)


class Sandbox:
    """A temporary directory with a store and a cache, and brewfs run on them."""

    def __init__(self, world=None):
        self.directory = tempfile.mkdtemp(prefix="brewfs-test-")
        self.store = os.path.join(self.directory, "store")
        self.environment = dict(os.environ, BREWFS_STORE=self.store,
                                BREWFS_CACHE=os.path.join(self.directory, "cache"),
                                BREWFS_SESSIONS=os.path.join(self.directory, "sessions"),
                                HOME=self.directory, NO_COLOR="1", LC_ALL="C.UTF-8")
        self.environment.pop("BREWFS_DEBUG", None)
        if world:
            self.environment.update(world.environment)
        self.mounts = []
        atexit.register(self.close)

    def path(self, *names):
        return os.path.join(self.directory, *names)

    def run(self, *arguments, **options):
        """Runs brewfs; stdout and stderr are text in the result."""
        options.setdefault("timeout", 300)
        environment = dict(self.environment, **options.pop("environment", {}))
        return subprocess.run([BREWFS, *arguments], env=environment, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              errors="surrogateescape", **options)

    def brewfile(self, text, *options):
        """Installs what a Brewfile of that text says."""
        path = self.path("Brewfile")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return self.run("install", "--target-glibc", "2.41", "--file", path, *options)

    def must(self, *arguments, **options):
        """Runs brewfs and fails the test, with what it said, if it does."""
        result = self.run(*arguments, **options)
        if result.returncode != 0:
            ok(False, "brewfs " + " ".join(arguments),
               f"exit status {result.returncode}\n{result.stdout}\n{result.stderr}")
        return result

    def json(self, *arguments):
        return json.loads(self.must(*arguments, "--json").stdout)

    def mount(self, mountpoint=PREFIX, *options):
        result = self.must("mount", self.store, mountpoint, *options)
        self.mounts.append(mountpoint)
        return result

    def umount(self, mountpoint=PREFIX):
        if mountpoint in self.mounts:
            self.mounts.remove(mountpoint)
        return self.run("umount", mountpoint)

    @contextlib.contextmanager
    def look(self, *options):
        """The prefix as it is now, mounted for the length of a `with`."""
        mountpoint = tempfile.mkdtemp(prefix="look-", dir=self.directory)
        self.mount(mountpoint, *options)
        try:
            yield View(mountpoint)
        finally:
            self.umount(mountpoint)
            os.rmdir(mountpoint)

    def installs(self, *formulae, name=None, **options):
        """Whether formulae install without a complaint about links or steps: a line of TAP."""
        result = self.run("install", "--target-glibc", "2.41", *formulae, **options)
        ok(result.returncode == 0, name or "installs " + " ".join(formulae), says(result))
        return result

    def refuses(self, words, *formulae, name=None, **options):
        """Formulae are not installed: exit status 1, a message with the words, no generation."""
        before = self.generation()
        result = self.run("install", "--target-glibc", "2.41", *formulae, **options)
        missing = [word for word in [words] if word not in result.stderr] if isinstance(words, str) \
            else [word for word in words if word not in result.stderr]
        ok(result.returncode == 1 and "Error: " in result.stderr and not missing
           and self.generation() == before, name or "refuses " + " ".join(formulae),
           f"not said: {missing}\ngeneration {before} -> {self.generation()}\n{says(result)}")
        return result

    def generation(self, ref="x86_64_linux"):
        """Number of the ref's generation, 0 before the first."""
        try:
            with open(os.path.join(self.store, "refs", ref), encoding="utf-8") as file:
                return json.load(file)["generation"]
        except FileNotFoundError:
            return 0

    def close(self):
        for mountpoint in self.mounts:
            subprocess.run(["umount", "-l", mountpoint], stderr=subprocess.DEVNULL)
        self.mounts = []
        shutil.rmtree(self.directory, ignore_errors=True)


class View:
    """A mounted prefix; paths are below it."""

    def __init__(self, root):
        self.root = root

    def path(self, path):
        return os.path.join(self.root, path)

    def kind(self, path):
        """absent, link, file or directory: of the name itself."""
        try:
            mode = os.lstat(self.path(path)).st_mode
        except (FileNotFoundError, NotADirectoryError):
            return "absent"
        if stat.S_ISLNK(mode):
            return "link"
        return "directory" if stat.S_ISDIR(mode) else "file"

    def target(self, path):
        """The text of a link; None for anything else."""
        try:
            return os.readlink(self.path(path))
        except OSError:
            return None

    def leads(self, path):
        """Where a path ends, below the prefix; None where it leaves it or leads nowhere."""
        real = os.path.realpath(self.path(path))
        if not os.path.lexists(real) or os.path.commonpath([self.root, real]) != self.root:
            return None
        return os.path.relpath(real, self.root)

    def text(self, path):
        """Contents of a file; None where there is none."""
        try:
            with open(self.path(path), encoding="utf-8", errors="surrogateescape") as file:
                return file.read()
        except OSError:
            return None

    def mode(self, path):
        return stat.S_IMODE(os.lstat(self.path(path)).st_mode)

    def names(self, path):
        """Sorted names in a directory; [] where there is none."""
        try:
            return sorted(os.listdir(self.path(path)))
        except OSError:
            return []

    def walk(self, top=""):
        """Every path below, without going through links."""
        for directory, directories, files in os.walk(self.path(top)):
            for name in directories + files:
                yield os.path.relpath(os.path.join(directory, name), self.root)

    def links_into(self, keg):
        """Links of the prefix, but for opt and the linked records, that name something in a keg."""
        keg = self.path(os.path.join("Cellar", keg))
        found = []
        for path in self.walk():
            if path.startswith(("Cellar/", "opt/", "var/homebrew/")) or not self.target(path):
                continue
            place = os.path.normpath(os.path.join(os.path.dirname(self.path(path)), self.target(path)))
            if place == keg or place.startswith(keg + "/"):
                found.append(path)
        return sorted(found)

    def receipt(self, name, version):
        return json.loads(self.text(f"Cellar/{name}/{version}/INSTALL_RECEIPT.json"))


def snapshot(top, left_out=()):
    """What each path below a directory is: type and permissions, time, and target, or bytes, group of hardlinks
    and their number."""
    found, groups = {}, {}
    for root, directories, files in os.walk(top):
        for name in sorted(directories + files):
            path = os.path.join(root, name)
            relative = os.path.relpath(path, top)
            if any(relative == out or relative.startswith(out + "/") for out in left_out):
                continue
            info = os.lstat(path)
            what = [oct(info.st_mode), info.st_mtime_ns]
            if stat.S_ISLNK(info.st_mode):
                what.append(os.readlink(path))
            elif stat.S_ISREG(info.st_mode):
                with open(path, "rb") as file:
                    what.append(file.read())
                what.append(groups.setdefault(info.st_ino, relative))
                what.append(info.st_nlink)
            found[relative] = what
    return found


def differences(first, second):
    return "\n".join(f"{path}: {first.get(path)!r} / {second.get(path)!r}"[:300]
                     for path in sorted(set(first) | set(second)) if first.get(path) != second.get(path))


class World:
    """The registry, API and bottles of tests/world; built once, with servers of this test's own."""

    def __init__(self):
        self.directory = os.environ.get("BREWFS_TEST_WORLD") or os.path.join(
            tempfile.gettempdir(), f"brewfs-world-{os.geteuid()}")
        self.run_directory = tempfile.mkdtemp(prefix="brewfs-run-")
        self.environment = {}
        oracle = ["--oracle", ORACLE] if os.path.isdir(ORACLE) else []
        self._call("build", self.directory, *oracle)
        # The servers end with this process, however it ends.
        self._call("start", self.directory, "--run", self.run_directory, "--parent", str(os.getpid()))
        atexit.register(self.stop)
        self.environment = self.way("env")

    def way(self, name):
        """A way to the bottles: "env", "env.mirror" or "env.default". What is to be unset is empty."""
        environment = {}
        with open(os.path.join(self.run_directory, name), encoding="utf-8") as file:
            for line in file:
                if line.startswith("export ") and "=" in line:
                    key, value = line[len("export "):].rstrip("\n").split("=", 1)
                    environment[key] = value.strip("'\"")
                elif line.startswith("unset "):
                    environment.update({key: "" for key in line.split()[1:]})
        return environment

    def _call(self, *arguments):
        return subprocess.run([sys.executable, os.path.join(SRCDIR, "tests", "world", "world.py"), *arguments],
                              check=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True).stdout

    def stop(self):
        self._call("stop", self.run_directory)
        shutil.rmtree(self.run_directory, ignore_errors=True)

    def fault(self, *arguments):
        """fault("add", PATTERN, ACTION...), fault("clear"): see tests/world/faults.py."""
        self._call("fault", self.run_directory, *arguments)

    def log(self, pattern=""):
        """Requests so far, oldest first: dictionaries with method, path, status..."""
        return [json.loads(line) for line in self._call("log", self.run_directory, *([pattern] if pattern else []))
                .splitlines() if line.strip()]

    def peak(self, pattern):
        """How many of these requests were under way at the same time."""
        return int(self._call("log", self.run_directory, pattern, "--peak"))

    def api(self, name, change, base="api"):
        """Another signed API: `change` gets the payload of `base`, a dictionary. Returns the environment for it."""
        place = os.path.join("internal", "packages.x86_64_linux.jws.json")
        with open(os.path.join(self.directory, "www", base, place), encoding="utf-8") as file:
            payload = json.loads(json.load(file)["payload"])
        change(payload)
        path = os.path.join(self.run_directory, "overlay", name, place)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path + ".payload", "w", encoding="utf-8") as file:
            json.dump(payload, file)
        with open(path, "w", encoding="utf-8") as file:
            file.write(self._call("sign", self.directory, path + ".payload"))
        return {"HOMEBREW_API_DOMAIN": f"{self.environment['BREWFS_WORLD_URL']}/{name}"}

    def table(self, name):
        """Rows of one of the world's tables (formulae.tsv, hostile.tsv...), as dictionaries."""
        with open(os.path.join(self.directory, name), encoding="utf-8") as file:
            lines = [line.rstrip("\n").split("\t") for line in file]
        return [dict(zip(lines[0], line)) for line in lines[1:]]


def make_bottle(directory, name, version, files, tag="x86_64_linux", tab=None, cellar="any", tap="homebrew/core",
                top=None):
    """A bottle file of regular files and links ({path: text, bytes or ("link", target)}), with a .bottle.json beside it
    where there is a tab. Returns its path."""
    path = os.path.join(directory, f"{name}--{version}.{tag}.bottle.tar.gz")
    with tarfile.open(path, "w:gz", format=tarfile.PAX_FORMAT) as archive:
        for place, content in sorted(files.items()):
            member = tarfile.TarInfo(f"{top or f'{name}/{version}'}/{place}")
            member.mtime = 1700000000
            if isinstance(content, tuple):
                member.type, member.linkname = tarfile.SYMTYPE, content[1]
                archive.addfile(member)
                continue
            data = content if isinstance(content, bytes) else content.encode()
            member.size = len(data)
            member.mode = 0o755 if data.startswith((b"#!", b"\x7fELF")) else 0o644
            archive.addfile(member, io.BytesIO(data))
    if tab is not None:
        with open(path, "rb") as file:
            digest = hashlib.sha256(file.read()).hexdigest()
        full_name = name if tap == "homebrew/core" else f"{tap}/{name}"
        with open(path[:-len(".tar.gz")] + ".json", "w", encoding="utf-8") as file:
            json.dump({full_name: {
                "formula": {"name": name, "pkg_version": version},
                "bottle": {"cellar": cellar, "rebuild": 0, "tags": {tag: {"sha256": digest, "tab": tab}}}}}, file)
    return path


def wait_for(condition, seconds=10):
    """Whether the condition came true in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return bool(condition())
