#!/usr/bin/env python3
"""brewfs doctor: every finding, on machines that are made up, and its fix."""

import json
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from efs_machine import HOST, ID, NFS, machine
from harness import BREWFS, done, enter, equal, make_bottle, ok, says, skip

enter()


def prepare(box):
    """What a good machine has, below the made-up root."""
    for path, text in (("dev/fuse", ""), ("etc/fuse.conf", "# user_allow_other\n"),
                       ("proc/self/status", "Name:\tbrewfs\nCapEff:\t000001ffffffffff\n")):
        place = os.path.join(box.root, path)
        os.makedirs(os.path.dirname(place), exist_ok=True)
        with open(place, "w", encoding="utf-8") as file:
            file.write(text)
    return box


def write(box, path, text):
    with open(os.path.join(box.root, path), "w", encoding="utf-8") as file:
        file.write(text)


def read_ahead(box, number, kib):
    directory = os.path.join(box.root, f"sys/class/bdi/0:{number}")
    os.makedirs(directory, exist_ok=True)
    with open(os.path.join(directory, "read_ahead_kb"), "w", encoding="ascii") as file:
        file.write(f"{kib}\n")


def finds(box, check, words, *arguments, outcome="problem", name=None, run=None, **environment):
    """Whether the check comes out so, with these words in what it says or in its fix."""
    result = run(*arguments, "--json") if run else box.run("doctor", "--json", *arguments, environment=environment)
    try:
        document = json.loads(result.stdout)
    except ValueError:
        return ok(False, name or f"{check}: {words[0]}", says(result))
    found = [entry for entry in document["checks"] if entry["check"] == check]
    text = " ".join(entry["what"] + " " + entry.get("fix", "") for entry in found)
    status = 1 if document["problems"] else 0
    return ok(found and found[0]["outcome"] == outcome and all(word in text for word in words)
              and result.returncode == status and (outcome != "problem" or document["problems"] > 0),
              name or f"{check}: {words[0]}", f"{found}\n{says(result)}")


# --- nothing wrong ---

box = prepare(machine())
# With a glibc of its own the prefix serves any machine.
box.must("install", make_bottle(box.directory, "glibc", "2.41", {"bin/ld.so": "#!/bin/sh\n"}), box.bottle)
result = box.run("doctor")
ok(result.returncode == 0 and "No problems in" in result.stdout, "a store on a local disk has no problems", says(result))
document = json.loads(box.run("doctor", "--json").stdout)
equal([entry["check"] for entry in document["checks"] if entry["outcome"] == "ok"],
      ["fuse-device", "privileges", "store", "store-writable", "clock", "store-space", "cache-space", "generation", "glibc"],
      "--json has every check")
equal(os.listdir(os.path.join(box.store, "staging")), [], "nothing is left in the store")

# --- FUSE and rights ---

os.unlink(box.root + "/dev/fuse")
finds(box, "fuse-device", ["modprobe fuse"])
finds(box, "fuse-device", ["PrivilegedMode: true"], CODEBUILD_BUILD_ID="x:1", name="fuse-device: in CodeBuild")
finds(box, "fuse-device", ["brewfs export"], AWS_LAMBDA_FUNCTION_NAME="x", name="fuse-device: in Lambda")
finds(box, "fuse-device", ["brewfs export"], AWS_EXECUTION_ENV="AWS_ECS_FARGATE", name="fuse-device: in Fargate")
write(box, ".dockerenv", "")
finds(box, "fuse-device", ["--device /dev/fuse"], name="fuse-device: in a container")
os.unlink(box.root + "/.dockerenv")
write(box, "dev/fuse", "")
write(box, "proc/self/status", "Name:\tbrewfs\nCapEff:\t00000000a80425fb\n")
finds(box, "privileges", ["the build is unprivileged", "PrivilegedMode: true"], CODEBUILD_BUILD_ID="x:1")
finds(box, "privileges", ["CAP_SYS_ADMIN"])
prepare(box)

for directory, _, files in os.walk(box.directory):
    os.chmod(directory, 0o755)
    for name in files:
        os.chmod(os.path.join(directory, name), 0o755)


def as_user(*arguments, **environment):
    return subprocess.run(["/usr/bin/setpriv", "--reuid", "12345", "--regid", "12345", "--clear-groups", BREWFS, "doctor", *arguments],
                          env=dict(box.environment, BREWFS_CACHE="/tmp", **environment), stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=60, check=False)


finds(box, "fuse-device", ["may not be opened by this user", "chmod 666"], run=as_user)
os.chmod(box.root + "/dev/fuse", 0o666)
finds(box, "user-allow-other", ["user_allow_other | sudo tee"], outcome="note", run=as_user)
write(box, "etc/fuse.conf", "mount_max = 1000\n user_allow_other\n")
finds(box, "user-allow-other", ["visible to others"], outcome="ok", run=as_user)
finds(box, "fusermount3", ["apt-get install fuse3"], run=lambda *arguments: as_user(*arguments, PATH="/nowhere")) \
    if not any(os.path.exists(place + "/fusermount3") for place in ("/sbin", "/usr/sbin")) \
    else skip("fusermount3: apt-get install fuse3", "it is in /sbin here")

# --- the store ---

finds(box, "store-writable", ["cannot be written by user 12345, it belongs to 0", "PosixUser {Uid: 0, Gid: 0}",
                              f"chown -R 12345:12345 {box.store}"], run=as_user)
subprocess.run(["mount", "--bind", box.store, box.store], check=True)
subprocess.run(["mount", "-o", "remount,bind,ro", box.store], check=True)
finds(box, "store-writable", ["is read-only", "ClientMount"])
subprocess.run(["umount", box.store], check=True)
finds(box, "store", ["brewfs install --store"], box.path("nothing"), outcome="note")
os.makedirs(box.path("newer"))
with open(box.path("newer", "store.json"), "w", encoding="ascii") as file:
    file.write('{"format": 99}')
finds(box, "store", ["newer brewfs"], box.path("newer"))
box.must("install", box.bottle, "--store", box.path("old"), "--target-glibc", "2.99")
finds(box, "glibc", ["poured for 2.99", "--target-glibc"], box.path("old"))
os.makedirs(box.path("tiny"))
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", box.path("tiny")], check=True)
box.must("install", box.bottle, "--store", box.path("tiny", "store"))
finds(box, "store-space", ["has only", "free some"], box.path("tiny", "store"))
finds(box, "cache-space", ["BREWFS_CACHE"], BREWFS_CACHE=box.path("tiny"))
with open(box.path("tiny", "fill"), "wb") as file:
    try:
        file.write(b"x" * (16 << 20))
    except OSError:
        pass
finds(box, "store-writable", ["is full"], box.path("tiny", "store"))
subprocess.run(["umount", box.path("tiny")], check=True)
source, library = box.path("clock.c"), box.path("clock.so")
with open(source, "w", encoding="ascii") as file:
    file.write("#include <time.h>\n#include <sys/time.h>\ntime_t time(time_t *t)\n{\n\tstruct timeval now;\n"
               "\tgettimeofday(&now, 0);\n\tnow.tv_sec += 3600;\n\tif (t)\n\t\t*t = now.tv_sec;\n\treturn now.tv_sec;\n}\n")
sanitized = b"libasan" in subprocess.run(["ldd", BREWFS], stdout=subprocess.PIPE, check=False).stdout
if sanitized or subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, source], check=False).returncode != 0:
    skip("clock: 3600 s ahead of the store's", "another clock cannot be put under a sanitizer, or without a compiler")
else:
    finds(box, "clock", ["3600 s ahead of the store's", "set-ntp"], LD_PRELOAD=library)
with open(os.path.join(box.store, "refs", "x86_64_linux"), "r+", encoding="ascii") as file:
    file.truncate(3)
finds(box, "generation", ["brewfs fsck"])

# --- NFS mounts ---

box = prepare(machine())
place = box.add_mount("efs", "127.0.0.1:/", ",port=20049")
box.add_state(ID, "efs", 20049)
box.fill(place + "/brewfs")
read_ahead(box, 30, 15360)
box.program("mount.efs", 'echo "/sbin/mount.efs Version: 2.0.4"')
result = box.run("doctor", place + "/brewfs", environment={"AWS_REGION": "eu-west-1"})
arguments = (place + "/brewfs",)
finds(box, "mount-options", ["the right options"], *arguments, outcome="ok")
finds(box, "read-ahead", ["15360 KiB"], *arguments, outcome="ok")
finds(box, "efs-utils", ["2.0.4"], *arguments, outcome="ok")
finds(box, "throughput", ["cannot be known from here", f"describe-file-systems --file-system-id {ID}", "elastic"], *arguments,
      outcome="note")
read_ahead(box, 30, 128)
finds(box, "read-ahead", ["only 128 KiB", "echo 15360 > /sys/class/bdi/0:30/read_ahead_kb"], *arguments)
box.program("mount.efs", 'echo "/sbin/mount.efs Version: 1.36.0"')
finds(box, "efs-utils", ["1.36.0 is old", "dnf upgrade amazon-efs-utils"], *arguments)
box.program("mount.efs", "exit 1")
finds(box, "efs-utils", ["does not tell its version"], *arguments, outcome="note")
os.unlink(box.path("bin", "mount.efs"))
finds(box, "efs-utils", ["dnf install amazon-efs-utils"], *arguments, outcome="note")
for change, words in ((("vers=4.1", "vers=4.0"), ["vers=4.0 instead of vers=4.1"]),
                      (("rsize=1048576", "rsize=262144"), ["rsize=262144 instead of rsize=1048576"]),
                      (("hard", "soft"), ["no hard instead of hard"]), (("timeo=600", "timeo=50"), ["timeo=50"]),
                      ((",noresvport", ""), ["no noresvport"]), (("retrans=2", "retrans=2,nconnect=4"), ["nconnect"])):
    box.lines = []
    box.add_mount("efs", "127.0.0.1:/", ",port=20049", nfs=NFS.replace(*change))
    finds(box, "mount-options", words + [f"umount {place} && mount -t efs -o tls {ID}:/ {place}"], *arguments)
box.lines = []
box.add_mount("efs", "nas.invalid:/export", nfs=NFS.replace("timeo=600", "timeo=50"))
finds(box, "mount-options", ["the right options"], *arguments, outcome="ok", name="another NFS server has options of its own")

# --- port 2049, in a network of its own ---

# One address that answers, and one that does not: its queue of connections is full.
LISTENER = """
import socket, sys, time
def listen(address, backlog):
    server = socket.socket()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind((address, 2049))
    server.listen(backlog)
    return server
kept = [listen("127.0.0.1", 16), listen("127.0.0.2", 0)]
for _ in range(4):
    client = socket.socket()
    client.setblocking(False)
    client.connect_ex(("127.0.0.2", 2049))
    kept.append(client)
time.sleep(0.2)
open(sys.argv[1], "w").close()
time.sleep(30)
"""
hosts = box.path("hosts")
with open(hosts, "w", encoding="ascii") as file:
    file.write(f"127.0.0.1 localhost {HOST}\n127.0.0.2 {ID}.efs.eu-west-2.amazonaws.com\n"
               f"127.0.0.3 {ID}.efs.eu-west-4.amazonaws.com\n")
subprocess.run(["mount", "--bind", hosts, "/etc/hosts"], check=True)
with open(box.path("listener.py"), "w", encoding="ascii") as file:
    file.write(LISTENER)


def network(*arguments):
    """Runs doctor in a network with nothing but lo and the listener."""
    script = f'''ip link set lo up && {{ {sys.executable} {box.path("listener.py")} {box.path("ready")} & }}
        listener=$!; while [ ! -e {box.path("ready")} ]; do sleep 0.05; done; rm {box.path("ready")}
        "$@"; status=$?; kill $listener; exit $status'''
    return subprocess.run(["unshare", "--net", "sh", "-c", script, "sh", BREWFS, "doctor", *arguments],
                          env=dict(box.environment, PATH=box.path("bin") + ":/usr/sbin:/sbin:/usr/bin:/bin"),
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60,
                          check=False)


if subprocess.run(["unshare", "--net", "ip", "link", "set", "lo", "up"], stderr=subprocess.DEVNULL, check=False,
                  env={"PATH": "/usr/sbin:/sbin:/usr/bin:/bin"}).returncode == 0:
    box.lines = []
    box.write_mounts()
    finds(box, "port-2049", [f"{HOST} answers"], "-o", "region=eu-west-1", ID, outcome="ok", run=network)
    start = time.monotonic()
    finds(box, "port-2049", ["does not answer on TCP port 2049", f"describe-mount-targets --file-system-id {ID}",
                             "--protocol tcp --port 2049 --source-group"], "-o", "region=eu-west-2", ID, run=network)
    ok(time.monotonic() - start < 10, "and that is known within seconds")
    finds(box, "port-2049", ["cannot be reached", "Connection refused"], "-o", "region=eu-west-4", ID, run=network)
    finds(box, "port-2049", ["does not resolve", "--enable-dns-hostnames"], "-o", "region=eu-west-3", ID, run=network)
    finds(box, "efs-mount", [f"{ID} is not mounted"], "-o", "region=eu-west-3", ID, outcome="note", run=network)
    finds(box, "region", ["AWS_REGION", "-o region="], ID, run=network)
    equal(box.calls(), [], "and nothing was mounted for it")
    box.add_mount("efs", f"{HOST}:/")
    read_ahead(box, 30, 15360)
    finds(box, "port-2049", [f"{HOST} answers"], ID, outcome="ok", run=network, name="port-2049: of a mount")
else:
    skip("port-2049", "no network of its own can be made here")
subprocess.run(["umount", "/etc/hosts"], check=True)

# --- the command line ---

result = box.run("doctor", "--store", box.store, box.store)
ok(result.returncode == 2, "a store that is given twice", says(result))
result = box.run("doctor", "-o", "iam", box.store)
ok(result.returncode == 1 and "EFS file system" in result.stderr, "options without an EFS file system", says(result))
result = box.run("doctor", "fs-1:/../x")
ok(result.returncode == 1 and "EFS" in result.stderr, "a name that is none", says(result))
done()
