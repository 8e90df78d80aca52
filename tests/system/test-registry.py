#!/usr/bin/env python3
"""The API and the registry: signatures, caches, tokens, redirects, mirrors, faults of the network, tabs."""

import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import PREFIX, Sandbox, World, done, enter, equal, ok, says

enter()
world = World()
URL = world.environment["BREWFS_WORLD_URL"]
QUICK = {"BREWFS_RETRY_DELAY": "10", "BREWFS_STALL_TIMEOUT": "1"}
shared = Sandbox(world)
shared.environment.update(QUICK)


def fresh(cache=False, **environment):
    """A store of its own; the catalogs in the cache are shared unless it has its own cache."""
    sandbox = Sandbox(world)
    if not cache:
        sandbox.environment["BREWFS_CACHE"] = shared.environment["BREWFS_CACHE"]
    sandbox.environment.update(QUICK)
    sandbox.environment.update(environment)
    return sandbox


class Requests:
    """What the world was asked for since this was made, or since the last look."""

    def __init__(self):
        self.seen = len(world.log())

    def take(self, pattern=""):
        log = world.log()
        new, self.seen = log[self.seen:], len(log)
        return [entry for entry in new if pattern in entry.get("path", "")]


requests = Requests()

# --- the API's cache ---

box = shared
box.installs("md-leaf-a")
entries = requests.take("/api/")
equal([(entry["path"], entry["status"]) for entry in entries], [("/api/internal/packages.x86_64_linux.jws.json", 200)],
      "the API is one document")
box.installs("md-leaf-b")
equal(requests.take("/api/"), [], "which is asked for once in 450 s")
box.installs("md-leaf-c", environment={"HOMEBREW_API_AUTO_UPDATE_SECS": "0"})
entries = requests.take("/api/")
ok(len(entries) == 1 and entries[0]["status"] == 304
   and (entries[0]["if_modified_since"] or entries[0]["if_none_match"]), "then whether it changed", str(entries))
box.installs("md-leaf-d")
equal(requests.take("/api/"), [], "which is good for as long again")
box.installs("md-leaf-e", environment={"HOMEBREW_API_AUTO_UPDATE_SECS": "0", "HOMEBREW_NO_AUTO_UPDATE": "1"})
equal(requests.take("/api/"), [], "HOMEBREW_NO_AUTO_UPDATE: never")
for action, what in (("close", "is not there"), ("status:500", "fails"), ("stall:0", "stalls")):
    world.fault("add", "/api/", action)
    result = box.run("install", "md-uses", environment={"HOMEBREW_API_AUTO_UPDATE_SECS": "0",
                                                        "HOMEBREW_CURL_RETRIES": "1"})
    ok(result.returncode == 0 and "Warning: " in result.stderr and "downloaded before" in result.stderr,
       f"the API {what}: a warning, and what was downloaded before", says(result))
    if action != "stall:0":
        result = fresh(cache=True).run("install", "md-leaf-a")
        ok(result.returncode == 1 and "/api/internal/packages" in result.stderr, "without that: an error",
           says(result))
    world.fault("clear")
requests.take()
environment = {"HOMEBREW_API_DOMAIN": "https://127.0.0.1:1/api"}
result = fresh(cache=True).run("install", "md-leaf-a", environment=environment)
ok(result.returncode == 1 and "https://127.0.0.1:1/api" in result.stderr, "an API that cannot be reached", says(result))
for domain in ("ftp://localhost/api", "localhost"):
    result = box.run("install", "md-leaf-a", environment={"HOMEBREW_API_DOMAIN": domain})
    ok(result.returncode == 1 and "HOMEBREW_API_DOMAIN" in result.stderr, f"{domain} is no API", says(result))
stranger = world.environment["BREWFS_WORLD_STRANGER"]
result = fresh(cache=True).run("install", "md-leaf-a", environment={"HOMEBREW_API_DOMAIN": stranger + "/api"})
ok(result.returncode == 1 and "certificate" in result.stderr, "a certificate that nobody trusts is refused", says(result))

# --- signatures ---

for row in world.table("variants.tsv"):
    variant, expected = row["variant"], row["expected"]
    sandbox = fresh(HOMEBREW_API_DOMAIN=f"{URL}/api-{variant}")
    result = sandbox.run("install", "--target-glibc", "2.41", "oniguruma" if expected == "accept" else "jq")
    if expected == "accept":
        ok(result.returncode == 0, f"{variant}: {row['what']}", says(result))
    else:
        word = "jq" if variant.startswith("signed-bad") else "packages document" if variant.startswith("signed-") \
            else "verifying the signature"
        ok(result.returncode == 1 and word in result.stderr and not os.path.exists(os.path.join(sandbox.store, "refs")),
           f"{variant}: {row['what']}: refused, and nothing is published", says(result))
box = fresh(cache=True)
box.installs("md-leaf-a")
place = os.path.join("internal", "packages.x86_64_linux.jws.json")
os.makedirs(os.path.join(world.run_directory, "overlay", "api", "internal"))
os.symlink(os.path.join(world.directory, "www", "api-wrong-key", place),
           os.path.join(world.run_directory, "overlay", "api", place))
result = box.run("install", "md-leaf-b", environment={"HOMEBREW_API_AUTO_UPDATE_SECS": "0"})
ok(result.returncode == 1 and "signature" in result.stderr and box.generation() == 1,
   "a forged document is no reason to use the one before", says(result))
os.unlink(os.path.join(world.run_directory, "overlay", "api", place))
result = box.run("install", "md-leaf-b", environment={"HOMEBREW_API_AUTO_UPDATE_SECS": "0"})
ok(result.returncode == 0, "with the right one it goes on", says(result))
other = box.path("other.pem")
with open(os.path.join(world.directory, "keys", "other.pub.pem"), encoding="ascii") as key, \
        open(other, "w", encoding="ascii") as file:
    file.write(key.read())
result = box.run("install", "md-leaf-c", environment={"BREWFS_API_KEY": other})
ok(result.returncode == 1 and "signature" in result.stderr, "with another key what is cached counts no more", says(result))
result = box.run("install", "md-leaf-c", environment={"BREWFS_API_KEY": box.path("none.pem")})
ok(result.returncode == 1 and "none.pem" in result.stderr, "a key that is not there", says(result))

box = fresh(HOMEBREW_API_DOMAIN=URL + "/api-public")
requests.take()
result = box.installs("md-diamond", name="an API without a signed document")
ok(result.stderr.count("not signed") == 1, "is warned of once", says(result))
paths = [entry["path"] for entry in requests.take("/formula/")]
equal(len(paths), len(set(paths)), "each formula's document is asked for once")
box.installs("md-diamond", name="what is installed there")
equal(requests.take("/formula/"), [], "is not asked for again")

box = fresh(cache=True, HOMEBREW_API_DOMAIN=URL + "/api-big")
times = []
for formula in ("libexif", "md-leaf-a"):
    start = time.monotonic()
    result = box.run("install", "-n", formula)
    times.append(1000 * (time.monotonic() - start))
    equal(result.returncode, 0, f"8,000 formulae and {formula}")
print(f"# first use {times[0]:.0f} ms, second {times[1]:.0f} ms")
ok(times[1] < times[0] / 2, "are quick to look up the second time", str(times))

# --- tokens and redirects ---

requests.take()
box = fresh()
box.installs("md-alias")
entries = requests.take("/v2/")
equal({entry["authorization"] for entry in entries}, {None}, "HOMEBREW_ARTIFACT_DOMAIN gets no header without a token")
world.fault("add", "/blobs/", "redirect:cdn")
for token, header in (({"HOMEBREW_DOCKER_REGISTRY_TOKEN": "s3cret"}, "Bearer s3cret"),
                      ({"HOMEBREW_DOCKER_REGISTRY_BASIC_AUTH_TOKEN": "dXNlcjpwYXNz"}, "Basic dXNlcjpwYXNz")):
    formula = "md-renamed" if "s3cret" in header else "md-tool"
    result = box.installs(formula, environment=token)
    entries = requests.take("/v2/")
    equal({entry["authorization"] for entry in entries if entry["listener"] == "front"}, {header},
          f"{list(token)[0]} is sent to the registry")
    equal([entry["authorization"] for entry in entries if entry["listener"] == "cdn"], [None],
          "and not to the host that it redirects to")
    ok("s3cret" not in result.stdout + result.stderr, "nor told")
world.fault("clear")
world.fault("add", "/v2/", "unauthorized:Bearer s3cret")
result = box.run("install", "md-tool@2")
ok(result.returncode == 1 and "401" in result.stderr and "md-tool@2" in result.stderr,
   "a registry that wants a token", says(result))
equal(len(requests.take("/v2/")), 1, "is not asked again and again")
box.installs("md-tool@2", environment={"HOMEBREW_DOCKER_REGISTRY_TOKEN": "s3cret"}, name="and gets it")
world.fault("clear")
for where, word in (("plain", "http"), ("loop", "redirect")):
    world.fault("add", "/blobs/", f"redirect:{where}")
    box.refuses(word, "md-tool@2.5", name=f"a redirect: {where}")
    world.fault("clear")

# --- Homebrew's own addresses ---

requests.take()
default = world.way("env.default")
box = fresh(cache=True, **default)
box.installs("md-both", name="Homebrew's own addresses, by a proxy")
entries = requests.take()
ok({entry["path"] for entry in entries if entry["listener"] == "proxy"} >= {"ghcr.io:443", "formulae.brew.sh:443"},
   "which is asked for them", str([entry["path"] for entry in entries]))
equal({entry["authorization"] for entry in entries if entry.get("host") == "ghcr.io"}, {"Bearer QQ=="},
      "ghcr.io gets the anonymous token")
entries = [entry for entry in entries if entry.get("host") == "pkg-containers.githubusercontent.com"]
equal([(entry["authorization"], entry["status"]) for entry in entries], [(None, 200)], "and the host of the blobs none")
result = box.run("install", "md-revised", environment={"HOMEBREW_DOCKER_REGISTRY_BASIC_AUTH_TOKEN": "none"})
ok(result.returncode == 1 and "401" in result.stderr, "the token `none` is none", says(result))
equal({entry.get("authorization") for entry in requests.take("/v2/")}, {None}, "not even the anonymous one")

# --- another domain, and back ---

artifact = {**default, "HOMEBREW_API_DOMAIN": URL + "/api", "HOMEBREW_ARTIFACT_DOMAIN": URL,
            "HOMEBREW_DOCKER_REGISTRY_TOKEN": "s3cret"}
box = fresh(**artifact)
world.fault("add", "localhost /v2/", "status:404")
box.installs("md-rebuilt", name="a bottle that HOMEBREW_ARTIFACT_DOMAIN has not comes from ghcr.io")
entries = requests.take("/v2/")
equal({(entry["host"], entry["authorization"]) for entry in entries if entry["listener"] == "front"
       and entry["host"] != "pkg-containers.githubusercontent.com"},
      {("localhost", "Bearer s3cret"), ("ghcr.io", "Bearer QQ==")}, "to which the domain's token is not sent")
box.refuses("404", "md-revised", environment={"HOMEBREW_ARTIFACT_DOMAIN_NO_FALLBACK": "1"},
            name="HOMEBREW_ARTIFACT_DOMAIN_NO_FALLBACK: it does not")
equal({entry["host"] for entry in requests.take("/v2/")}, {"localhost"}, "nor is it asked")
world.fault("clear")
box.installs("md-revised", environment={"HOMEBREW_ARTIFACT_DOMAIN": URL + "/v2"}, name="a domain with a /v2 of its own")
ok(all("/v2/v2/" not in entry["path"] for entry in requests.take("/v2/")), "is not doubled")

# --- a flat mirror ---

mirror = world.way("env.mirror")
box = fresh(**mirror)
box.installs("md-both", "gtk+3", "md-service", name="a flat mirror")
paths = [entry["path"] for entry in requests.take() if entry["listener"] == "front" and "/api" not in entry["path"]]
ok("/bottles/md-both-2.4_1.x86_64_linux.bottle.2.tar.gz" in paths
   and "/bottles/gtk%2B3-3.24.51.x86_64_linux.bottle.tar.gz" in paths, "its names have one dash", str(paths))
equal([path for path in paths if "/v2/" in path], [], "and it is not asked for manifests")
with box.look() as view:
    equal(view.text("Cellar/md-service/1.0/homebrew.md-service.service"),
          f'[Service]\nExecStart="{PREFIX}/opt/md-service/bin/md-daemon"\n', "without a tab all text is relocated")
world.fault("add", "/bottles/", "status:404")
box.refuses("md-revised", "md-revised", name="a bottle that is not there")
box.installs("md-revised", environment={"https_proxy": default["https_proxy"]}, name="comes from ghcr.io, where that is")
world.fault("clear")

# --- faults ---

box = fresh()
requests.take()


def survives(formula, name, *faults, check=lambda entries: True, **environment):
    for fault in faults:
        world.fault("add", "/blobs/", *fault.split())
    result = box.run("install", "--target-glibc", "2.41", formula, environment=environment)
    entries = requests.take("/blobs/")
    ok(result.returncode == 0 and check(entries), name,
       says(result) + str([(entry["status"], entry["range"], entry["sent"]) for entry in entries]))
    world.fault("clear")


survives("po-twin-a", "a body that is cut short goes on where it ended", "truncate:1000 --times 1",
         check=lambda entries: [entry["range"] for entry in entries] == [None, "bytes=1000-"])
survives("po-twin-b", "a connection that is reset, too", "reset:500 --times 1",
         check=lambda entries: len(entries) == 2 and entries[1]["range"])
survives("jq", "one that stalls", "stall:700 --times 1",
         check=lambda entries: any(entry["range"] for entry in entries))
survives("libexif", "several times", "truncate:1000 --times 3", check=lambda entries: len(entries) == 4)
survives("md-leaf-a", "a server without ranges", "truncate:300 --times 1", "norange")
survives("md-leaf-b", "a server that fails twice", "status:503 --times 2",
         check=lambda entries: [entry["status"] for entry in entries] == [503, 503, 200])
start = time.monotonic()
survives("md-leaf-c", "a server that is busy, and says for how long", "status:429:1 --times 1",
         check=lambda entries: time.monotonic() - start >= 1)
survives("md-leaf-d", "a connection that is closed at once", "close --times 1")


def fails(formula, name, fault, words, tries=None, **environment):
    world.fault("add", "/blobs/", *fault.split())
    box.refuses(words, formula, name=name, environment=environment)
    entries = requests.take("/blobs/")
    if tries:
        equal(len(entries), tries, f"after {tries} tr{'y' if tries == 1 else 'ies'}")
    world.fault("clear")


fails("md-leaf-f", "a bottle that is gone", "status:404", ["md-leaf-f", "404"], tries=1)
fails("md-leaf-f", "a server that goes on failing", "status:500", ["md-leaf-f", "500"], tries=4)
fails("md-leaf-f", "HOMEBREW_CURL_RETRIES says how often", "status:500", "500", tries=1, HOMEBREW_CURL_RETRIES="0")
fails("md-leaf-f", "another file", "corrupt:100", ["md-leaf-f", "SHA-256"])
fails("md-leaf-f", "a length that is wrong", "length:-10", "md-leaf-f")
box.installs("md-leaf-f", name="and when all is well again, it pours")
requests.take()
world.fault("add", "/blobs/", "truncate:400", "--times", "1")
world.fault("add", "/blobs/", "badrange")
result = box.run("install", "md-leaf-g")
ok(result.returncode == 0 or (result.returncode == 1 and "md-leaf-g" in result.stderr),
   "a range that is another is never poured", says(result))
world.fault("clear")
if result.returncode == 1:
    box.installs("md-leaf-g", name="but the next time")

# --- many at once ---

world.fault("add", "/blobs/", "slow:100000")
start = len(world.log())
box = fresh()
box.installs("proj", name="thirty bottles from a slow server")
world.fault("clear")
peak = world.peak("/blobs/")
ok(peak > 1, "come several at once", f"{peak}")
print(f"# at most {peak} at once")

# --- tabs ---

box = fresh()
LISTED = {"tab-receipt-inside", "tab-odd-list", "tab-outside-list"}
for row in world.table("formulae.tsv"):
    name = row["name"]
    if not name.startswith("tab-"):
        continue
    if name in ("tab-broken", "tab-wrong-types", "tab-wrong-size"):
        box.refuses(name, name, name=f"{name}: {row['exercises']}: refused")
        continue
    box.installs(name, name=f"{name}: {row['exercises']}: pours")
with box.look() as view:
    for name in view.names("Cellar"):
        keg = f"Cellar/{name}/1.0"
        equal(view.text(f"{keg}/libexec/x.txt"),
              f"prefix {PREFIX if name in LISTED else '@@HOMEBREW_PREFIX@@'}\n",
              f"{name}: text is relocated where it is listed; a .txt is not looked at")
        equal(view.text(f"{keg}/README.md"), "@@HOMEBREW_PREFIX@@\n", "nor is a README")
        equal("@@" not in view.text(f"{keg}/libexec/listed-or-not.bin"), name == "tab-odd-list",
              "a binary only if it is listed")
        receipt = view.receipt(name, "1.0")
        ok(receipt["poured_from_bottle"] and receipt["source"]["tap"] == "homebrew/core", "it has a receipt")
    equal(view.receipt("tab-receipt-inside", "1.0")["homebrew_version"], "4.6.0", "which keeps what the bottle's had")

equal([entry["path"] for entry in world.log() if entry["listener"] == "trap" and "ghcr.io" not in entry["path"]], [],
      "nothing tried to leave this machine")
for sandbox in (shared, box):
    result = sandbox.run("fsck")
    ok(result.returncode == 0, "the store is sound", says(result))
done()
