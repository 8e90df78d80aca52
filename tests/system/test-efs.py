#!/usr/bin/env python3
"""EFS by id, the mount helper, waiting for a store: with mounts, state files and helpers that are made up."""

import http.server
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from efs_machine import HOST, ID, POINT, machine
from harness import BREWFS, SRCDIR, Sandbox, done, enter, equal, make_bottle, ok, says, skip, wait_for

enter()
OTHER = ID + "1"


RUN = f"/run/brewfs/efs/{ID}"
# Of this test's own: others may run at the same time.
os.makedirs("/run/brewfs", exist_ok=True)
subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run/brewfs"], check=True)

# --- mounted already ---

box = machine()
place = box.add_mount("efs", f"{HOST}:/")
box.installs_at(place + "/brewfs", "a mount by its DNS name is found", said=f"{ID} is mounted at {place} already")
box = machine()
place = box.add_mount("efs", f"eu-west-1a.{HOST}:/")
box.installs_at(place + "/brewfs", "so is one by the name of an availability zone")
box = machine()
place = box.add_mount("efs", f"{ID}.efs.cn-north-1.amazonaws.com.cn:/")
box.installs_at(place + "/brewfs", "and one in China")
box = machine()
box.fill(box.add_mount("efs", f"{HOST}:/"))
box.installs_at(box.path("efs"), "a store at the top of the file system is taken where there is none in /brewfs")
box = machine()
place = box.add_mount("efs", f"{HOST}:/tools")
box.installs_at(place + "/sub/store", "a mount of a directory shows what lies below it", f"{ID}:/tools/sub/store")
box = machine()
box.installs_at(box.add_mount("efs", f"{HOST}:/tools"), "and the directory itself", f"{ID}:/tools/")
box = machine()
place = box.add_mount("efs", f"{HOST}:/", root="/tools")
box.installs_at(place + "/store", "a bound directory too", f"{ID}:/tools/store")
box = machine()
place = box.add_mount("efs", "127.0.0.1:/", ",port=20049")
box.add_state(ID, "efs", 20049)
box.installs_at(place + "/brewfs", "a tunnel of efs-utils is found by its state file", said="by the efs helper")
box = machine()
first = box.add_mount("one", "127.0.0.1:/", ",port=20049")
second = box.add_mount("two", "127.0.0.1:/", ",port=20051")
box.add_state(ID, "one", 20049, accessPoint=POINT)
box.add_state(ID, "two", 20051)
box.installs_at(second + "/brewfs", "a mount through an access point is another one")
box.installs_at(first + "/brewfs", "and is found where that one is asked for", ID, "--efs-options", f"accesspoint={POINT}",
                said=POINT)
box = machine()
box.add_mount("first", f"{HOST}:/")
box.fill(box.add_mount("second", f"{HOST}:/deep") + "/store")
box.fill(box.path("first/deep/store"))
box.installs_at(box.path("second/store"), "of two mounts, the later one that has the store", f"{ID}:/deep/store")
box = machine()
place = box.add_mount("efs", "127.0.0.1:/", ",port=20049")
box.add_state(ID, "efs", 20049)
box.fill(place + "/brewfs")
prefix = box.path("prefix")
box.mounts.append(prefix)
result = box.run("mount", ID, prefix)
ok(result.returncode == 0 and os.path.exists(prefix + "/bin/hello"), "brewfs mount takes an id as well", says(result))
with open("/proc/self/mountinfo", encoding="utf-8") as file:
    mounted = [line for line in file if f" {prefix} " in line]
ok(mounted and f"fuse.brewfs {place}/brewfs " in mounted[0], "and shows the store's path as its source", str(mounted))
subprocess.run(["umount", prefix], check=False)

# --- what is no mount of it ---

strangers = [
    ("another id that begins with it", f"{OTHER}.efs.eu-west-1.amazonaws.com:/", "", "nfs4"),
    ("a directory with its name", f"nas.example.org:/{HOST}", "", "nfs4"),
    ("a host with its name inside", f"x.y.{HOST}:/", "", "nfs4"),
    ("a host that only begins like it", f"{ID}.example.org:/", "", "nfs4"),
    ("a tunnel without a state file", "127.0.0.1:/", ",port=20049", "nfs4"),
    ("another type", f"{HOST}:/", "", "ext4"),
]
box = machine()
for name, source, options, kind in strangers:
    box.lines = []
    box.add_mount("efs", source, options, kind)
    result = box.run("install", "--efs", ID, box.bottle)
    ok(result.returncode == 1 and "region" in result.stderr and not os.path.exists(box.path("efs/brewfs")),
       f"{name} is none of it", says(result))
box.add_state(OTHER, "efs", 20049)
box.add_state("fs-1", "efs", 20049)
box.add_state("~" + ID, "efs", 20049)
box.lines = []
box.add_mount("efs", "127.0.0.1:/", ",port=20049")
result = box.run("install", "--efs", ID, box.bottle)
ok(result.returncode == 1 and "region" in result.stderr, "nor is another one's tunnel, or one in the making", says(result))
box.lines = []
box.add_mount("efs", f"{HOST}:/")
box.add_mount("efs", "tmpfs", kind="tmpfs")
result = box.run("install", "--efs", ID, box.bottle)
ok(result.returncode == 1 and "region" in result.stderr, "nor one that another mount hides", says(result))

# --- mounting ---

box = machine()
result = box.run("install", "--efs", f"{ID}:/store", "--efs-options", "region=eu-west-1", box.bottle)
equal(box.calls(), [f"-t nfs4 -o nfsvers=4.1,rsize=1048576,wsize=1048576,hard,timeo=600,retrans=2,noresvport {HOST}:/ {RUN}"],
      "without the helper it is mounted by NFS with AWS's options")
ok(result.returncode == 0 and f"Mounted {ID} at {RUN} with NFS 4.1" in result.stdout and "not encrypted" in result.stdout
   and os.path.exists(f"{RUN}/store/store.json"), "and that is said", says(result))
result = box.run("install", "--efs", f"{ID}:/store", "--json", box.bottle)
ok(result.returncode == 0 and json.loads(result.stdout)["store"] == f"{RUN}/store" and box.calls() == [],
   "the next one finds it", says(result))
shutil.rmtree(RUN)
for name, environment, configuration in (("AWS_REGION", {"AWS_REGION": "eu-west-1"}, None),
                                         ("AWS_DEFAULT_REGION", {"AWS_DEFAULT_REGION": "eu-west-1"}, None),
                                         ("efs-utils.conf", {}, "[mount]\n#region = us-east-1\nregion = eu-west-1\n")):
    box = machine()
    if configuration:
        with open(box.root + "/etc/amazon/efs/efs-utils.conf", "w", encoding="utf-8") as file:
            file.write(configuration)
    box.run("install", "--efs", ID, box.bottle, environment=environment)
    ok(f"{HOST}:/" in "".join(box.calls()), f"{name} tells the region")
    shutil.rmtree(RUN)


class Metadata(http.server.BaseHTTPRequestHandler):
    def answer(self, text):
        self.send_response(200 if text else 401)
        self.end_headers()
        self.wfile.write(text.encode())

    def do_PUT(self):
        self.answer("TOKEN" if self.path == "/latest/api/token" and self.headers["X-aws-ec2-metadata-token-ttl-seconds"] else "")

    def do_GET(self):
        self.answer("eu-west-1" if self.path == "/latest/meta-data/placement/region"
                    and self.headers["X-aws-ec2-metadata-token"] == "TOKEN" else "")

    def log_message(self, *arguments):
        pass


server = http.server.HTTPServer(("127.0.0.1", 0), Metadata)
threading.Thread(target=server.serve_forever, daemon=True).start()
box = machine()
endpoint = f"http://127.0.0.1:{server.server_port}"
result = box.run("install", "--efs", ID, box.bottle, environment={"AWS_EC2_METADATA_DISABLED": "",
                                                                  "AWS_EC2_METADATA_SERVICE_ENDPOINT": endpoint})
ok(f"{HOST}:/" in "".join(box.calls()), "the instance metadata tells the region", says(result))
shutil.rmtree(RUN)
server.shutdown()
start = time.monotonic()
box = machine()
result = box.run("install", "--efs", ID, box.bottle, environment={"AWS_EC2_METADATA_DISABLED": "",
                                                                  "AWS_EC2_METADATA_SERVICE_ENDPOINT": endpoint})
ok(result.returncode == 1 and "say region=" in result.stderr and time.monotonic() - start < 5,
   "where nobody tells it, that is the error", says(result))
for options in ("iam", f"accesspoint={POINT}", "tls", "az=a"):
    result = box.run("install", "--efs", ID, "--efs-options", options, box.bottle)
    ok(result.returncode == 1 and "amazon-efs-utils" in result.stderr and box.calls() == [],
       f"{options} without the helper: what to install", says(result))

box = machine()
box.program("mount.efs", "exit 1")
result = box.run("install", "--efs", ID, box.bottle)
equal(box.calls(), [f"-t efs -o tls {ID}:/ {RUN}"], "with the helper it is mounted by that, with TLS")
ok(result.returncode == 0 and "with the efs helper (tls)" in result.stdout, "which is said", says(result))
shutil.rmtree(RUN)
box = machine()
box.program("mount.efs", "exit 1")
with open(box.path("point"), "w", encoding="utf-8") as file:
    file.write(POINT)
result = box.run("mount", "-o", f"iam,accesspoint={POINT}", "-o", "region=eu-west-1,az=eu-west-1a", ID, box.path("prefix"))
equal(box.calls(), [f"-t efs -o tls,iam,accesspoint={POINT},region=eu-west-1,az=eu-west-1a {ID}:/ {RUN}.{POINT}"],
      "options for the file system may be mount options, several -o are one")
ok(result.returncode == 1 and f"{RUN}.{POINT}/brewfs" in result.stderr, "a file system without a store is not mounted further",
   says(result))
shutil.rmtree(f"{RUN}.{POINT}")
box = machine()
with open(box.path("mount-fails"), "w", encoding="utf-8"):
    pass
result = box.run("install", "--efs", ID, "--efs-options", "region=eu-west-1", box.bottle)
ok(result.returncode == 1 and "Connection timed out" in result.stderr and "mount -t nfs4" in result.stderr,
   "where mount fails, it is told how it was called and what it said", says(result))
os.rename(box.path("mount-fails"), box.path("mount-lies"))
result = box.run("install", "--efs", ID, "--efs-options", "region=eu-west-1", box.bottle)
ok(result.returncode == 1 and "not among the mounts" in result.stderr, "success without a mount is an error", says(result))
for directory, _, _ in os.walk(box.directory):
    os.chmod(directory, 0o755)
result = subprocess.run(["setpriv", "--reuid", "12345", "--clear-groups", BREWFS, "install", "--efs", "fs-5", "--efs-options",
                         "region=eu-west-1", box.bottle], env=dict(box.environment, BREWFS_CACHE=box.path("none")),
                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
ok(result.returncode == 1 and ("as root: mount -t nfs4" in result.stderr or "only root" in result.stderr),
   "whoever may not mount gets the command for root", says(result))

# --- names and options ---

box = machine()
for name in ("fs-", "fs-xyz", "fs-1/x", "fs-1:x", f"{ID}:/a/../b", "nas"):
    result = box.run("install", "--efs", name, box.bottle)
    ok(result.returncode == 1 and "EFS" in result.stderr, f"{name} is no name of a file system", says(result))
for options, word in (("frobnicate", "no option"), ("accesspoint=ap-1", "fsap-"), ("region=eu/west", "region"),
                      ("notls,iam", "need TLS")):
    result = box.run("install", "--efs", ID, "--efs-options", options, box.bottle)
    ok(result.returncode == 1 and word in result.stderr, f"{options} is refused", says(result))
result = box.run("install", "--efs", ID, "--store", box.store, box.bottle)
ok(result.returncode == 2, "--efs and --store are two places", says(result))
result = box.run("mount", "-o", "iam", box.store, box.path("prefix"))
ok(result.returncode == 1 and "EFS file system" in result.stderr, "its options are for it alone", says(result))

# --- the mount helper ---

box = Sandbox()
bottle = make_bottle(box.directory, "hello", "1.0", {"bin/hello": "#!/bin/sh\necho hello\n"})
box.must("install", "--target-glibc", "2.41", bottle)
helper, prefix = box.path("mount.brewfs"), box.path("prefix")
os.symlink(BREWFS, helper)
box.mounts.append(prefix)


def call(*arguments, path=helper, **environment):
    return subprocess.run([path, *arguments], env=dict(box.environment, **environment), stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60, check=False)


def mount_options():
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        return [line.split()[5] for line in file if line.split()[4] == prefix]


FSTAB = "rw,_netdev,nofail,noauto,user,noexec,nosuid,nodev,x-systemd.automount,x-systemd.requires-mounts-for=/mnt/efs"
result = call(box.store, prefix, "-o", FSTAB)
ok(result.returncode == 0 and os.path.exists(prefix + "/bin/hello"), "mount.brewfs takes what mount(8) takes from fstab",
   says(result))
ok(mount_options() and "ro" in mount_options()[0].split(",") and "noexec" in mount_options()[0].split(","),
   "the mount is read-only all the same, and noexec as it says", str(mount_options()))
result = call(box.store, prefix, "-n", "-v", "-s", "-t", "brewfs", "-o", "ro")
ok(result.returncode == 0 and len(mount_options()) == 1, "where it is mounted already, nothing is done", says(result))
box.run("umount", prefix)
result = call("-f", box.store, prefix)
ok(result.returncode == 0 and not mount_options(), "-f only pretends", says(result))
result = call(box.path("nothing"), prefix, "-o", "ro")
ok(result.returncode == 32 and "nothing" in result.stderr, "a mount that fails is exit status 32, as mount(8) has it", says(result))
for arguments in ((box.store,), (box.store, prefix, "more"), ("-x", box.store, prefix)):
    ok(call(*arguments).returncode == 1, f"a call of {len(arguments)} arguments that makes no sense is 1")
result = call(box.store, prefix, "-o", "rw,allow_other,dev,suid", path=BREWFS)
ok(result.returncode == 0 and mount_options(), "brewfs SOURCE MOUNTPOINT, as mount.fuse3 calls it", says(result))
box.run("umount", prefix)
if shutil.which("mount.fuse3", path="/sbin:/usr/sbin"):
    # mount(8) itself would look for brewfs in the system's directories alone.
    os.makedirs(prefix, exist_ok=True)
    os.symlink(BREWFS, box.path("brewfs"))
    result = call(box.store, prefix, "-t", "fuse.brewfs", "-o", "rw,allow_other,_netdev,nofail,x-systemd.automount",
                  path=shutil.which("mount.fuse3", path="/sbin:/usr/sbin"), PATH=box.directory + ":" + os.environ["PATH"])
    ok(result.returncode == 0 and os.path.exists(prefix + "/bin/hello"), "mount.fuse3 mounts the type fuse.brewfs", says(result))
    box.run("umount", prefix)
else:
    skip("mount.fuse3 mounts the type fuse.brewfs", "mount.fuse3 is not installed")

# --- waiting ---

later = box.path("later")
timer = threading.Timer(0.7, os.rename, (box.store, later))
timer.start()
start = time.monotonic()
result = box.run("mount", "--wait=20", later, prefix)
waited = time.monotonic() - start
ok(result.returncode == 0 and os.path.exists(prefix + "/bin/hello") and 0.5 < waited < 10, "--wait waits for the store",
   f"{waited} s\n{says(result)}")
box.run("umount", prefix)
start = time.monotonic()
result = box.run("mount", "-o", "wait=1", box.path("never"), prefix)
ok(result.returncode == 1 and "did not appear in time" in result.stderr and 0.8 < time.monotonic() - start < 8,
   "for so long and no longer", says(result))
start = time.monotonic()
result = box.run("mount", box.path("never"), prefix)
ok(result.returncode == 1 and time.monotonic() - start < 0.8, "without it not at all", says(result))
for value in ("x", "-1", "1,ref=a", "100000"):
    ok(box.run("mount", "--wait", value, box.store, prefix).returncode == 1, f"--wait {value} is refused")

# --- units of systemd ---

units = os.path.join(os.environ.get("builddir", SRCDIR), "fs", "systemd")
if shutil.which("systemd-analyze") and os.path.isdir(units):
    work = tempfile.mkdtemp(dir=box.directory)
    for name in ("brewfs@.service", "home-linuxbrew-.linuxbrew.mount"):
        with open(os.path.join(units, name), encoding="utf-8") as file:
            text = re.sub(r"^(Exec\w+=)\S+/brewfs", rf"\1{BREWFS}", file.read(), flags=re.M)
        with open(os.path.join(work, name.replace("@.", "@mnt-efs-brewfs.")), "w", encoding="utf-8") as file:
            file.write(text)
    result = subprocess.run(["systemd-analyze", "verify", "--man=no", *[os.path.join(work, name) for name in os.listdir(work)]],
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    mine = [line for line in result.stdout.splitlines() if "brewfs" in line or "linuxbrew" in line]
    ok(not mine, "systemd finds nothing wrong with the units", "\n".join(mine))
    name = subprocess.run(["systemd-escape", "--path", "--suffix=mount", "/home/linuxbrew/.linuxbrew"], stdout=subprocess.PIPE,
                          text=True, check=True).stdout.strip()
    ok(os.path.exists(os.path.join(work, name)), "the mount unit has the name that its place wants", name)
else:
    skip("systemd finds nothing wrong with the units", "systemd-analyze or the units are not there")
done()
