"""The filesystems that are compared: each shows the same tree at a mountpoint of its own."""
import os
import re
import shutil
import subprocess
import time

from machine import Failure, have, kernel_has, run, say


class Filesystem:
    """Mounted by start(), gone after stop(). `behind`: what its pages may also be cached as."""

    name = None

    def __init__(self, place):
        self.place = place              # shared settings: corpus, run directory, binaries
        self.root = f"{place.mounts}/{re.sub('[^a-z0-9-]', '-', self.name)}"
        os.makedirs(self.root, exist_ok=True)

    def missing(self):
        """Why it cannot be measured here, or None."""
        return None

    def prepare(self):
        """Once, before the first start()."""

    def start(self):
        raise NotImplementedError

    def stop(self):
        unmount(self.root)

    def behind(self):
        return []


class Ext4(Filesystem):
    name = "ext4"

    def start(self):
        run("mount", "--bind", "-o", "ro", self.place.corpus.tree, self.root)


class Overlayfs(Filesystem):
    name = "overlayfs"

    def missing(self):
        return None if kernel_has("overlay") else "the kernel has no overlayfs"

    def prepare(self):
        self.options = overlay_options(self.place, self.name)

    def start(self):
        run("mount", "-t", "overlay", "overlay", "-o", self.options, self.root)


class Erofs(Filesystem):
    name = "erofs"

    def missing(self):
        if not have("mkfs.erofs"):
            return "apt-get install erofs-utils"
        return None if kernel_has("erofs") else "the kernel has no erofs"

    def prepare(self):
        command = ["mkfs.erofs", "--quiet", "-T1700000000"]
        self.image = image(self.place, "erofs", command, last=True)

    def start(self):
        run("mount", "-t", "erofs", "-o", "loop,ro", self.image, self.root)

    def behind(self):
        return [self.image]


class Squashfs(Filesystem):
    name = "squashfs"

    def missing(self):
        if not have("mksquashfs"):
            return "apt-get install squashfs-tools"
        return None if kernel_has("squashfs") else "the kernel has no squashfs"

    def prepare(self):
        self.image = squashfs_image(self.place)

    def start(self):
        run("mount", "-t", "squashfs", "-o", "loop,ro", self.image, self.root)

    def behind(self):
        return [self.image]


class FuseOverlayfs(Filesystem):
    name = "fuse-overlayfs"

    def missing(self):
        return None if have("fuse-overlayfs") else "apt-get install fuse-overlayfs"

    def prepare(self):
        self.options = overlay_options(self.place, self.name)

    def start(self):
        run("fuse-overlayfs", "-o", self.options, self.root)
        wait_mounted(self.root)

    def behind(self):
        return [self.place.corpus.tree]


class Squashfuse(Filesystem):
    name = "squashfuse"

    def missing(self):
        return None if have("squashfuse") and have("mksquashfs") else \
            "apt-get install squashfuse squashfs-tools"

    def prepare(self):
        self.image = squashfs_image(self.place)

    def start(self):
        run("squashfuse_ll" if have("squashfuse_ll") else "squashfuse", self.image, self.root)
        wait_mounted(self.root)

    def behind(self):
        return [self.image]


class Brewfs(Filesystem):
    """`store` may be a directory on another filesystem; `cache` is kept between starts."""

    name = "brewfs"

    def __init__(self, place, store=None, cache=None, name=None, options=None):
        self.name = name or self.name
        super().__init__(place)
        self.store = store or place.store
        self.cache = cache or place.cache
        self.options = options or place.brewfs_options
        self.mount_seconds = 0.0

    def start(self):
        options = ["-o", self.options] if self.options else []
        start = time.perf_counter()
        run(self.place.brewfs, "mount", *options, self.store, self.root,
            env=self.place.environment(self.cache))
        os.stat(self.root)
        self.mount_seconds = time.perf_counter() - start

    def stop(self):
        run(self.place.brewfs, "umount", self.root, env=self.place.environment(self.cache))

    def behind(self):
        return [self.store, self.cache]

    def daemon(self):
        """The daemon's process: the only one of that name with this mountpoint."""
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as file:
                    words = file.read().split(b"\0")
            except OSError:
                continue
            if os.path.basename(words[0]) == b"brewfs" and os.fsencode(self.root) in words:
                return int(pid)
        raise Failure("the daemon of the mount is not there")

    def resident(self):
        """Memory of the daemon, MiB."""
        with open(f"/proc/{self.daemon()}/status") as file:
            for line in file:
                if line.startswith("VmRSS:"):
                    return int(line.split()[1]) / 1024
        return 0.0


PEERS = (Ext4, Brewfs, Overlayfs, Erofs, Squashfs, FuseOverlayfs, Squashfuse)


def choose(place, also):
    """Those that can be measured here, prepared; and why the others cannot. `also`: options of
    more mounts of brewfs."""
    chosen, skipped = [], {}
    filesystems = [kind(place) for kind in PEERS]
    filesystems[2:2] = [Brewfs(place, name=f"brewfs -o {options}", options=options)
                        for options in also]
    for filesystem in filesystems:
        reason = filesystem.missing()
        if reason is None:
            try:
                filesystem.prepare()
                filesystem.start()
                filesystem.stop()
            except Failure as failure:
                reason = str(failure).strip().splitlines()[-1]
        if reason is None:
            chosen.append(filesystem)
        elif isinstance(filesystem, (Ext4, Brewfs)):
            raise Failure(f"{filesystem.name}: {reason}")
        else:
            skipped[filesystem.name] = reason
    return chosen, skipped


# --- what they are made of ---

def overlay_options(place, name):
    """The tree below an empty upper directory, as a container has it."""
    for directory in ("upper", "work"):
        os.makedirs(f"{place.run}/{name}.{directory}", exist_ok=True)
    return (f"lowerdir={place.corpus.tree},upperdir={place.run}/{name}.upper,"
            f"workdir={place.run}/{name}.work")


def image(place, suffix, command, last):
    """Made once for each tree. `last`: the tree is the last argument, not the first."""
    path = f"{place.corpus.tree}.{suffix}"
    manifest = f"{place.corpus.tree}.manifest"
    if not os.path.exists(path) or os.path.getmtime(path) < os.path.getmtime(manifest):
        say(f"Making an image for {suffix}")
        new = [f"{path}.new", place.corpus.tree] if last else [place.corpus.tree, f"{path}.new"]
        if os.path.exists(f"{path}.new"):
            os.unlink(f"{path}.new")
        run(command[0], *(command[1:] + new if last else new + command[1:]), quiet=True)
        os.rename(f"{path}.new", path)
    return path


def squashfs_image(place):
    return image(place, "squashfs", ["mksquashfs", "-comp", "zstd", "-Xcompression-level", "9",
                                     "-no-progress", "-no-exports", "-quiet"], last=False)


def wait_mounted(path, seconds=10):
    """FUSE daemons return before or after their mount is there."""
    deadline = time.monotonic() + seconds
    while not os.path.ismount(path):
        if time.monotonic() > deadline:
            raise Failure(f"{path}: it was not mounted")
        time.sleep(0.005)


def unmount(path):
    """Also waits for what still holds it: a daemon writes its last bytes."""
    for _ in range(100):
        result = subprocess.run(["umount", path], capture_output=True, text=True, check=False)
        if result.returncode == 0:
            return
        time.sleep(0.05)
    raise Failure(f"{path}: {result.stderr.strip()}")


def unmount_all(top):
    """After a failure: whatever is still mounted below, the latest first."""
    with open("/proc/self/mountinfo") as file:
        mounts = [line.split()[4] for line in file]
    for path in reversed([m for m in mounts if m.startswith(top + "/")]):
        subprocess.run(["umount", "-l", path], check=False)


class Slow:
    """A directory behind the delays of EFS; see slowfs.c. A context: mounted inside."""

    COUNTERS = "user.slowfs.counters"

    def __init__(self, place, source, scale=100):
        self.place, self.source, self.scale = place, source, scale
        self.root = f"{place.mounts}/slow"

    def __enter__(self):
        os.makedirs(self.root, exist_ok=True)
        run(f"{self.place.tools}/slowfs", "-o", f"scale={self.scale}", self.source, self.root)
        wait_mounted(self.root)
        self._read_ahead()
        return self

    def _read_ahead(self):
        """As the mount helper of EFS sets it: 15 READs of 1 MiB."""
        device = os.stat(self.root).st_dev
        path = f"/sys/class/bdi/{os.major(device)}:{os.minor(device)}/read_ahead_kb"
        if os.path.exists(path):
            with open(path, "w") as file:
                file.write("15360")

    def __exit__(self, *_):
        unmount(self.root)

    def reset(self):
        os.setxattr(self.root, self.COUNTERS, b"0")

    def counts(self):
        """Round trips since the reset."""
        return RoundTrips(os.getxattr(self.root, self.COUNTERS).decode())


class RoundTrips:
    """`total` of them, together `seconds` long; several may be under way at once."""

    def __init__(self, text):
        lines = [line.split() for line in text.splitlines()]
        self.kinds = {name: int(count) for name, count, _ in lines[:-1] if int(count)}
        self.total, self.seconds = int(lines[-1][1]), float(lines[-1][2]) / 1e3

    def __str__(self):
        kinds = ", ".join(f"{count} {kind}" for kind, count in self.kinds.items())
        return f"{self.total:,} round trips of together {self.seconds:.2f} s" + \
            (f" ({kinds})" if kinds else "")


def fresh_directory(path):
    shutil.rmtree(path, ignore_errors=True)
    os.makedirs(path)
    return path
