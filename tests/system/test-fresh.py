#!/usr/bin/env python3
"""The two commands of README.md on a bare Debian 12 plus git, where nothing else is installed beforehand."""

import glob
import os
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import PREFIX, SRCDIR, World, done, enter, ok, skip_all

if os.environ.get("BREWFS_TEST_FRESH") == "inside":
    skip_all("this is the fresh machine")
if not os.path.isdir(os.path.join(SRCDIR, ".git")):
    skip_all("the sources are no git checkout to clone")
enter()

SUITE = "bookworm"
MIRROR = os.environ.get("BREWFS_TEST_MIRROR", "http://deb.debian.org/debian")
BASE = os.environ.get("BREWFS_TEST_DEBIAN") or os.path.join(tempfile.gettempdir(), f"brewfs-debian-{SUITE}")

world = World()
machine = tempfile.mkdtemp(prefix="brewfs-machine-")


def run(*command, timeout=3000, **options):
    """Output of a command, stdout and stderr together, and whether it succeeded."""
    result = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            text=True, errors="replace", timeout=timeout, **options)
    return result.returncode == 0, result.stdout


def inside(command, **environment):
    """Runs a shell command on the fresh machine, with a login's environment and the world's."""
    settings = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root",
                "LANG": "C.UTF-8", **environment}
    return run("chroot", machine, "env", "-i", *[f"{name}={value}" for name, value in settings.items()],
               "bash", "-c", command)


def last_lines(text, count=40):
    return "\n".join(text.splitlines()[-count:])


# A base system is made once and copied; the copy is bare: the packages of --variant=minbase, and git.
if not os.path.isdir(BASE):
    partial = BASE + f".{os.getpid()}"
    good, output = run("debootstrap", "--variant=minbase", "--include=git,ca-certificates", SUITE, partial, MIRROR)
    if not good:
        shutil.rmtree(partial, ignore_errors=True)
        ok(False, "debootstrap makes a Debian 12", last_lines(output))
        done()
    os.rename(partial, BASE)
subprocess.run(["cp", "-a", BASE + "/.", machine], check=True)


def failures():
    """What the tests on the machine said of those that failed."""
    try:
        with open(machine + "/clone/brewfs/build-test/test-suite.log", encoding="utf-8", errors="replace") as file:
            lines = file.read().splitlines()
    except FileNotFoundError:
        return "no test-suite.log was written"
    near = [i for i, line in enumerate(lines) if line.startswith(("not ok", "ERROR:", "SKIP:")) or "Error" in line]
    return "\n".join(lines[j] for j in sorted({j for i in near for j in range(i - 2, i + 6) if 0 <= j < len(lines)}))


# As on a real machine its / is a mount point, whose propagation can be set.
subprocess.run(["mount", "--bind", machine, machine], check=True)
try:
    for name in ("sources.list.d", "apt.conf.d"):
        for path in glob.glob(f"/etc/apt/{name}/*"):
            if "docker" not in path and not path.endswith("disabled-by-farm"):
                shutil.copy(path, os.path.join(machine, "etc", "apt", name))
    if glob.glob("/etc/apt/sources.list.d/*.sources"):
        os.unlink(os.path.join(machine, "etc/apt/sources.list"))
    for name in ("/etc/resolv.conf", "/etc/hosts"):
        if os.path.exists(name):
            shutil.copy(name, machine + name)
    subprocess.run(["mount", "-t", "proc", "proc", machine + "/proc"], check=True)
    subprocess.run(["mount", "--rbind", "/dev", machine + "/dev"], check=True)
    # Every machine that has booted has it; fusermount3 reads it.
    if not os.path.lexists(machine + "/etc/mtab"):
        os.symlink("../proc/self/mounts", machine + "/etc/mtab")
    os.mkdir(machine + "/clone")
    subprocess.run(["git", "clone", "-q", SRCDIR, machine + "/clone/brewfs"], check=True)

    # The bottles come from the world instead of Homebrew: its address, key and certificates.
    os.makedirs(machine + "/world")
    environment = {}
    for name, value in world.environment.items():
        if os.path.isfile(value):
            shutil.copy(value, machine + "/world")
            value = "/world/" + os.path.basename(value)
        environment[name] = value
    for name in ("SSL_CERT_FILE", "CURL_CA_BUNDLE"):
        ok(name not in environment or environment[name].startswith("/world/"), f"{name} is on the machine")

    good, output = inside("cd /clone/brewfs && ./bootstrap.sh run", BREWFS_TARGET_GLIBC="2.41", **environment)
    ok(good, "./bootstrap.sh run installs, builds, pours and mounts", last_lines(output))
    print("# the last lines it printed:\n" + "\n".join("# " + line for line in output.splitlines()[-12:]))
    good, output = inside(f"{PREFIX}/bin/proj")
    ok(good and "libtiff" in output, "proj runs from the mounted prefix", output)
    good, output = inside("brewfs umount && ! mountpoint -q " + PREFIX)
    ok(good, "brewfs umount takes it away", output)

    if os.environ.get("BREWFS_TEST_FRESH") != "run":
        good, output = inside("cd /clone/brewfs && ./bootstrap.sh test", BREWFS_TEST_FRESH="inside")
        if not good:
            print("# " + failures().replace("\n", "\n# "))
        ok(good, "./bootstrap.sh test passes", last_lines(output))
        print("# " + "\n# ".join(line for line in output.splitlines() if line.startswith(("# PASS", "# FAIL", "# SKIP"))))
finally:
    subprocess.run(["umount", "-R", "-l", machine + "/dev"], stderr=subprocess.DEVNULL)
    for place in ("proc", PREFIX.lstrip("/")):
        subprocess.run(["umount", "-l", os.path.join(machine, place)], stderr=subprocess.DEVNULL)
    subprocess.run(["umount", "-l", machine], stderr=subprocess.DEVNULL)
    if not any(line.split()[4].startswith(machine) for line in open("/proc/self/mountinfo", encoding="utf-8")):
        shutil.rmtree(machine, ignore_errors=True)
done()
