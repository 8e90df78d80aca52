#!/usr/bin/env python3
"""brewfs fetch where there is a network, brewfs install --from where there is none."""

import glob
import json
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import BREWFS, Sandbox, World, done, enter, equal, ok, says

enter()
world = World()
URL = world.environment["BREWFS_WORLD_URL"]
NAMES = ("HOMEBREW_", "BREWFS_WORLD", "https_proxy", "SSL_", "CURL_")
GLIBC = ("--target-glibc", "2.41")


def offline(box, *arguments):
    """Runs brewfs without any network, not even loopback, and without what leads to the world."""
    environment = {key: value for key, value in box.environment.items() if not key.startswith(NAMES)}
    environment["BREWFS_CACHE"] = box.path("cache-offline")
    return subprocess.run(["unshare", "--net", BREWFS, *arguments], env=environment, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=300)


class Requests:
    """Bodies that the world was asked for since the last look."""

    def __init__(self):
        self.take()

    def take(self, pattern="/"):
        return [entry["path"] for entry in world.log()[self.skip():]
                if pattern in entry.get("path", "") and entry["status"] in (200, 206)]

    def skip(self):
        seen = getattr(self, "seen", 0)
        self.seen = len(world.log())
        return seen


def tree(view):
    """Names, links and contents of a prefix, without what tells the time."""
    found = {}
    for path in view.walk():
        kind = view.kind(path)
        found[path] = view.target(path) if kind == "link" else kind if kind == "directory" \
            else view.text(path) if not path.endswith("INSTALL_RECEIPT.json") else "receipt"
    return found


requests = Requests()
box = Sandbox(world)
depot = box.path("depot")

# --- there and back ---

result = box.run("fetch", *GLIBC, "--to", depot, "proj", "libexif", "--json")
ok(result.returncode == 0, "fetches a formula and all it needs", says(result))
report = json.loads(result.stdout)
names = [entry["name"] for entry in report["formulae"]]
equal(len(names), 31, "which are as many as an install pours")
ok(all(entry["fetched"] and entry["size"] > 0 for entry in report["formulae"]) and report["downloaded"] > 0
   and sorted(entry["name"] for entry in report["formulae"] if entry["requested"]) == ["libexif", "proj"],
   "the report says what was downloaded and what was asked for", result.stdout)
equal(sorted(os.path.basename(path) for path in glob.glob(depot + "/bottles/*")),
      sorted(entry["digest"] + ".tar.gz" for entry in report["formulae"]), "bottles are named by their digests")
ok(len([path for path in requests.take() if "/blobs/" in path]) == 31, "each bottle is downloaded once")
result = offline(box, "install", *GLIBC, "--from", depot, "--json", "proj", "libexif")
ok(result.returncode == 0, "an install from it needs no network", says(result))
equal([(entry["name"], entry["action"]) for entry in json.loads(result.stdout)["formulae"]],
      [(name, "pour") for name in names], "and pours the same formulae")
online = Sandbox(world)
online.environment["BREWFS_CACHE"] = box.environment["BREWFS_CACHE"]
online.installs("proj", "libexif")
with box.look() as there, online.look() as here:
    equal(tree(there), tree(here), "the prefix is the one that an install with a network makes")
    receipts = [{key: value for key, value in view.receipt("proj", "9.8.1").items() if key not in ("time",)}
                for view in (there, here)]
    equal(receipts[0], receipts[1], "receipts too, so the registry's tab came along")
requests.take()
result = offline(box, "install", *GLIBC, "--from", depot, "proj", "libexif")
ok(result.returncode == 0 and "Using proj" in result.stdout, "a second one has nothing to do", says(result))

# --- again ---

result = box.run("fetch", *GLIBC, "--to", depot, "proj", "libexif")
ok(result.returncode == 0 and "All 31 bottles are there already" in result.stdout, "fetching again says so", says(result))
equal(requests.take(), [], "and downloads nothing")
result = box.run("fetch", *GLIBC, "--to", depot, "proj", environment={"HOMEBREW_API_AUTO_UPDATE_SECS": "0"})
ok(result.returncode == 0 and requests.take() == [], "nor when the metadata is checked with the server", says(result))

# --- what is missing ---

result = offline(box, "install", *GLIBC, "--from", depot, "jq")
ok(result.returncode == 1 and "these are missing: oniguruma 6.9.10, jq 1.8.2" in result.stderr
   and f"brewfs fetch --tag x86_64_linux --to {depot} oniguruma jq" in result.stderr,
   "an install names all that is missing, and how to get it", says(result))
result = offline(box, "install", *GLIBC, "--from", depot, "no-such-formula")
ok(result.returncode == 1 and "there is no formula of this name" in result.stderr, "names are those of the metadata",
   says(result))
result = offline(box, "install", *GLIBC, "--from", box.path("nothing"), "jq")
ok(result.returncode == 1 and "nothing was fetched into it" in result.stderr, "a directory that is no depot", says(result))
result = offline(box, "install", *GLIBC, "--from", depot, "--tag", "arm64_linux", "--ref", "arm", "jq")
ok(result.returncode == 1 and "nothing was fetched for arm64_linux" in result.stderr, "a tag that was not fetched",
   says(result))
result = box.run("fetch", *GLIBC, "--to", depot, "--tag", "arm64_linux", "jq")
ok(result.returncode == 0, "the other tag goes into the same depot", says(result))
result = offline(box, "install", *GLIBC, "--from", depot, "--tag", "arm64_linux", "--ref", "arm", "jq")
ok(result.returncode == 0 and box.generation("arm") == 1, "and can be installed from there", says(result))
os.makedirs(box.path("full"))
with open(box.path("full", "file"), "w", encoding="ascii"):
    pass
result = box.run("fetch", "--to", box.path("full"), "jq")
ok(result.returncode == 1 and "not empty and is no depot" in result.stderr and os.listdir(box.path("full")) == ["file"],
   "a directory with other things is not taken over", says(result))
for arguments, word in ((("jq",), "--to"), (("--to", depot, "--file", "x", "jq"), "either"),
                        (("--to", depot, "--tag", "sonoma", "jq"), "tags"), (("--to", depot, "./x.tar.gz"), "file")):
    result = box.run("fetch", *arguments)
    ok(result.returncode == 2 and word in result.stderr, f"fetch {' '.join(arguments[:-1])}: a usage error", says(result))

# --- damage ---

box = Sandbox(world)
depot = box.path("depot")
box.must("fetch", *GLIBC, "--to", depot, "jq")
jq = next(entry["digest"] for entry in json.load(open(depot + "/depot.json", encoding="utf-8"))["tags"]["x86_64_linux"]
          if entry["name"] == "jq")
bottle = f"{depot}/bottles/{jq}.tar.gz"
whole = open(bottle, "rb").read()
with open(bottle, "r+b") as file:
    file.seek(len(whole) // 2)
    file.write(b"damage")
result = offline(box, "install", *GLIBC, "--from", depot, "jq")
ok(result.returncode == 1 and "jq" in result.stderr and box.generation() == 0, "a damaged bottle is not poured",
   says(result))
requests.take()
result = box.run("fetch", *GLIBC, "--to", depot, "jq")
ok(result.returncode == 0 and "is damaged" in result.stderr and open(bottle, "rb").read() == whole,
   "a fetch finds it and downloads it again", says(result))
equal(len(requests.take("/blobs/")), 1, "that bottle alone")
packages = f"{depot}/packages.x86_64_linux.jws.json"
text = open(packages, encoding="utf-8").read()
with open(packages, "w", encoding="utf-8") as file:
    file.write(text.replace("1.8.2", "1.8.3"))
result = offline(box, "install", *GLIBC, "--from", depot, "jq")
ok(result.returncode == 1 and "signature" in result.stderr and box.generation() == 0, "altered metadata is refused",
   says(result))
with open(packages, "w", encoding="utf-8") as file:
    file.write(text)
with open(depot + "/depot.json", "w", encoding="utf-8") as file:
    file.write('{"format": 99, "tags": {}}')
for command in (("install", "--from", depot, "jq"), ("fetch", "--to", depot, "jq")):
    result = box.run(*command)
    ok(result.returncode == 1 and "newer brewfs" in result.stderr, f"{command[0]}: a newer format", says(result))

# --- interruption ---

box = Sandbox(world)
depot = box.path("depot")
partial = f"{depot}/bottles/{jq}.tar.gz.part"
world.fault("add", "/jq/blobs/", "reset:2000")
result = box.run("fetch", *GLIBC, "--to", depot, "jq", environment={"HOMEBREW_CURL_RETRIES": "0"})
world.fault("clear")
ok(result.returncode == 1 and "fetching: jq" in result.stderr, "a fetch that breaks off fails", says(result))
left = os.path.getsize(partial) if os.path.exists(partial) else 0
ok(0 < left < len(whole), "what came of it is kept", f"{left} of {len(whole)} bytes")
result = offline(box, "install", *GLIBC, "--from", depot, "jq")
ok(result.returncode == 1 and "nothing was fetched" not in result.stderr and "jq 1.8.2" in result.stderr,
   "but is no bottle", says(result))
requests.take()
result = box.run("fetch", *GLIBC, "--to", depot, "--json", "jq")
entry = next(entry for entry in world.log()[::-1] if "/jq/blobs/" in entry["path"] and entry["status"] in (200, 206))
ok(result.returncode == 0 and entry["status"] == 206 and not os.path.exists(partial),
   "the next one goes on from there", f"{entry}\n{says(result)}")
equal(json.loads(result.stdout)["downloaded"], len(whole) - left, "and downloads the rest alone")
os.unlink(f"{depot}/bottles/{jq}.tar.gz")
with open(partial, "wb") as file:
    file.write(b"x" * 1000)
result = box.run("fetch", *GLIBC, "--to", depot, "jq")
ok(result.returncode == 0 and open(f"{depot}/bottles/{jq}.tar.gz", "rb").read() == whole,
   "a part of something else is dropped", says(result))
os.unlink(f"{depot}/bottles/{jq}.tar.gz")
with open(partial, "wb") as file:
    file.write(whole + b"more")
result = box.run("fetch", *GLIBC, "--to", depot, "jq")
ok(result.returncode == 0 and open(f"{depot}/bottles/{jq}.tar.gz", "rb").read() == whole, "one that is too long too",
   says(result))
world.fault("add", "/jq/blobs/", "corrupt:1000")
os.unlink(f"{depot}/bottles/{jq}.tar.gz")
result = box.run("fetch", *GLIBC, "--to", depot, "jq")
world.fault("clear")
ok(result.returncode == 1 and not os.path.exists(f"{depot}/bottles/{jq}.tar.gz"), "bytes that are not the bottle's are refused",
   says(result))
box.must("fetch", *GLIBC, "--to", depot, "jq")
result = box.run("fetch", *GLIBC, "--to", depot, "--prune", "--json", "oniguruma")
ok(result.returncode == 0 and json.loads(result.stdout)["pruned"] == 2 and len(os.listdir(depot + "/bottles")) == 1,
   "--prune leaves what this fetch needs", says(result))

# --- an older host, a Brewfile, taps, an API without a signed document ---

box = Sandbox(world)
depot = box.path("depot")
with open(box.path("Brewfile"), "w", encoding="utf-8") as file:
    file.write(f'tap "example/tools", "{URL}/tap/example/tools"\nbrew "example/tools/tapped"\nbrew "jq"\n')
result = box.run("fetch", "--target-glibc", "2.34", "--to", depot, "--file", box.path("Brewfile"), "--json")
ok(result.returncode == 0 and {"glibc", "gcc", "tapped", "jq"} <= {entry["name"] for entry in
                                                                  json.loads(result.stdout)["formulae"]},
   "a Brewfile with a tap, for an older host", says(result))
moved = box.path("moved")
shutil.move(depot, moved)
result = offline(box, "install", "--target-glibc", "2.34", "--from", moved, "--file", box.path("Brewfile"))
ok(result.returncode == 0 and "not signed" in result.stderr and box.generation() == 1,
   "is installed from another place, with the warning that the tap's are not signed", says(result))
with box.look() as prefix:
    ok(prefix.kind("opt/tapped") == "link" and prefix.kind("opt/glibc") == "link", "tap and glibc are there")
box = Sandbox(world)
depot = box.path("depot")
result = box.run("fetch", *GLIBC, "--to", depot, "md-diamond", environment={"HOMEBREW_API_DOMAIN": URL + "/api-public"})
ok(result.returncode == 0 and result.stderr.count("not signed") == 1, "an API without a signed document", says(result))
result = offline(box, "install", *GLIBC, "--from", depot, "md-diamond")
ok(result.returncode == 0 and result.stderr.count("not signed") == 1, "does for an install as well", says(result))

# --- an upgrade that wants more than was fetched ---

box = Sandbox(world)
depot = box.path("depot")
box.installs("up-library", "up-tool")
box.environment.update({"HOMEBREW_API_DOMAIN": URL + "/api2", "HOMEBREW_API_AUTO_UPDATE_SECS": "0"})
box.must("fetch", *GLIBC, "--to", depot, "up-library")
result = offline(box, "install", *GLIBC, "--from", depot, "up-library")
ok(result.returncode == 1 and "these are missing: up-tool 1.1" in result.stderr and box.generation() == 1,
   "what depends on an upgraded formula is wanted too", says(result))
box.must("fetch", *GLIBC, "--to", depot, "up-library", "up-tool")
result = offline(box, "install", *GLIBC, "--from", depot, "up-library")
ok(result.returncode == 0 and box.generation() == 2, "and upgraded where it was fetched", says(result))
done()
