#!/usr/bin/env python3
"""Checks the test world itself: its servers, signatures, bottles and faults. TAP."""
import base64
import contextlib
import csv
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

import documents                                     # noqa: E402
from bottle import build as build_bottle             # noqa: E402
import serve                                         # noqa: E402
from build import PROGRAMS, all_formulae, finder     # noqa: E402
from elf import NATIVE, Compiler                     # noqa: E402
from faults import Fault                             # noqa: E402
from naive_pour import Prefix                        # noqa: E402

WORLD = os.path.join(HERE, "world.py")
INDEX = "Accept: application/vnd.oci.image.index.v1+json"
CLOSURE = ("jpeg-turbo giflib zlib-ng-compat libpng webp xz lz4 zstd libtiff brotli libnghttp2 "
           "libnghttp3 ca-certificates openssl@3 libngtcp2 libunistring libidn2 libpsl libssh2 "
           "keyutils krb5 ncurses readline libxcrypt sqlite util-linux cyrus-sasl openldap curl "
           "proj").split()


class Tap:
    """Counts and prints."""

    def __init__(self):
        self.count = self.failures = 0

    def ok(self, passed, what):
        """One check."""
        self.count += 1
        self.failures += not passed
        print(f"{'ok' if passed else 'not ok'} {self.count} - {what}", flush=True)
        return passed

    def equal(self, got, wanted, what):
        """One comparison."""
        if not self.ok(got == wanted, what):
            print(f"# got {got!r}, expected {wanted!r}", flush=True)

    def skip(self, what, why):
        """Says why something was not checked."""
        self.count += 1
        print(f"ok {self.count} - {what} # SKIP {why}", flush=True)


class World:
    """A running world and its environment."""

    def __init__(self, directory, run):
        self.directory, self.run = directory, run
        with open(os.path.join(run, "env"), encoding="utf-8") as file:
            lines = [line.strip()[7:] for line in file if line.startswith("export ")]
        self.env = {key: value.strip("'") for key, value in
                    (line.split("=", 1) for line in lines)}
        self.url = self.env["BREWFS_WORLD_URL"]

    def rows(self, name):
        """A table of the world."""
        with open(os.path.join(self.directory, name), encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))

    def curl(self, path, *options, env=None):
        """(exit status, output) of curl; `path` may be a whole URL."""
        url = path if "://" in path else self.url + path
        clean = {key: value for key, value in os.environ.items() if "proxy" not in key.lower()}
        result = subprocess.run(["curl", "-sS", "--max-time", "30", *options, url],
                                env={**clean, **self.env, **(env or {})}, check=False,
                                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        return result.returncode, result.stdout

    def status(self, path, *options, env=None):
        """The HTTP status."""
        return int(self.curl(path, "-o", "/dev/null", "-w", "%{http_code}", *options, env=env)[1])

    def command(self, *arguments):
        """world.py on this run."""
        return subprocess.run([sys.executable, WORLD, arguments[0], self.run, *arguments[1:]],
                              check=True, capture_output=True, text=True).stdout

    @contextlib.contextmanager
    def fault(self, *rules):
        """Rules, each (pattern, action, ...), in force for the length of a block."""
        for rule in rules:
            self.command("fault", "add", *rule)
        self.command("log", "--clear")
        yield
        self.command("fault", "clear")

    def log(self, pattern=""):
        """The requests that match."""
        return [json.loads(line) for line in self.command("log", pattern).splitlines()]

    def payload(self, api="api", tag=NATIVE):
        """The packages document's payload, unverified."""
        text = self.curl(f"/{api}/internal/packages.{tag}.jws.json", "--compressed")[1]
        return json.loads(json.loads(text)["payload"])

    def blob(self, name):
        """The path of a core formula's blob in the registry."""
        row = next(row for row in self.rows("formulae.tsv")
                   if row["name"] == name and row["tag"] in (NATIVE, "all"))
        return f"/v2/homebrew/core/{image_of(name)}/blobs/sha256:{row['sha256']}"


def image_of(name):
    """Homebrew's mangling of a formula's name."""
    return name.replace("@", "/").replace("+", "x")


def image_path(row):
    """Where the registry has the index of a row of formulae.tsv."""
    tag = row["pkg_version"] + (f"-{row['rebuild']}" if row["rebuild"] != "0" else "")
    tapped = row["name"] in ("tapped", "tapped-too", "md-migrated")
    root = "example/tools" if tapped else "homebrew/core"
    return f"/v2/{root}/{image_of(row['name'])}/manifests/{tag}"


def entry_of(index, row):
    """The index entry Homebrew chooses: digest and ref name both as expected."""
    rebuild = f".{row['rebuild']}" if row["rebuild"] != "0" else ""
    ref = f"{row['pkg_version']}.{row['tag']}{rebuild}"
    return [entry for entry in index["manifests"] for notes in [entry.get("annotations", {})]
            if notes.get("sh.brew.bottle.digest") == row["sha256"]
            and notes.get("org.opencontainers.image.ref.name") == ref]


def test_registry(tap, world):
    """Every image as section 2 of the rules has it."""
    odd = {"tab-wrong-digest", "tab-wrong-ref", "tab-no-annotations", "tab-no-index"}
    rows = world.rows("formulae.tsv")
    config = os.path.join(world.run, "curl.config")
    with open(config, "w", encoding="utf-8") as file:
        for number, row in enumerate(rows):
            file.write(f'url = "{world.env["BREWFS_WORLD_NGINX"]}{image_path(row)}"\n'
                       f'output = "{world.run}/index-{number}"\n')
    subprocess.run(["curl", "-sS", "-H", INDEX, "--config", config], check=True,
                   env={**os.environ, **world.env})
    missing, tabs = [], 0
    for number, row in enumerate(rows):
        path = os.path.join(world.run, f"index-{number}")
        with open(path, encoding="utf-8") as file:
            index = json.load(file)
        os.unlink(path)
        found = entry_of(index, row) if "manifests" in index else []
        if (len(found) != 1) != (row["name"] in odd):
            missing.append(row["name"])
        tabs += bool(found and "sh.brew.tab" in found[0]["annotations"])
    tap.equal(missing, [], f"each of {len(rows)} bottles is in its index by digest and ref name")
    tap.ok(tabs > 300, "the indexes carry tabs")
    tap.equal(world.status("/v2/homebrew/core/tab-no-index/manifests/1.0", "-H", INDEX), 404,
              "an image without index answers 404")
    for name in ("jq", "openssl@3", "libsigc++@2", "md-both", "po-big"):
        data = world.curl(world.blob(name))[1]
        tap.equal(hashlib.sha256(data).hexdigest(), world.blob(name)[-64:], f"the blob of {name}")
    index = json.loads(world.curl("/v2/homebrew/core/md-all/manifests/1.0", "-H", INDEX)[1])
    entry = index["manifests"][0]
    tap.ok("platform" not in entry and "built_on" not in json.loads(
        entry["annotations"]["sh.brew.tab"]), "an :all bottle has no platform and no builder")
    decoy = json.loads(world.curl("/v2/homebrew/core/md-same-digest/manifests/1.0", "-H", INDEX)[1])
    digests = [entry["annotations"]["sh.brew.bottle.digest"] for entry in decoy["manifests"]]
    tap.ok(len(digests) == 2 and digests[0] == digests[1], "one digest under two platforms")


def test_documents(tap, world):
    """Internal and public form agree with each other and with the bottles."""
    payload = world.payload()
    formulae = payload["formulae"]
    wrong = []
    for row in world.rows("formulae.tsv"):
        entry = formulae.get(row["name"])
        if row["tag"] in (NATIVE, "all") and "1" in row["stages"] and entry:
            revision = f"_{entry['revision']}" if "revision" in entry else ""
            version = entry["stable_version"] + revision
            if (entry["bottle_checksum"], version) != (row["sha256"], row["pkg_version"]):
                wrong.append(row["name"])
    tap.equal(wrong, [], "the packages document has every bottle's digest and version")
    text = json.dumps(formulae)
    tap.ok(not any(blank in text for blank in ('": false', '": ""', '": []', '": {}', '": 0,')),
           "no blank values in the internal form")
    tap.equal(formulae["md-uses"]["stable_uses_from_macos"],
              [["md-leaf-a"], ["md-leaf-b", {":since": ":sequoia"}], [{"md-leaf-c": ":build"}],
               [{"md-leaf-d": [":build", ":test"]}],
               [{"md-leaf-e": ":build", ":since": ":sonoma"}]],
              "uses_from_macos in the internal form")
    tap.equal(formulae["md-keg-colon"]["keg_only_args"], ["\\:not a symbol"], "an escaped colon")
    tap.equal([formulae[name]["stable_dependencies"] for name in ("md-linux", "md-macos-15")],
              [[":linux"], [{":macos": [":sequoia"]}]], "requirements in the internal form")
    tap.equal(formulae["md-all"]["bottle_tag"], ":all", "bottle_tag of an :all bottle")
    tap.equal(documents.compact({"a": {"b": False, "c": [0, "", {}]}, "d": " ", "e": [1]}),
              {"e": [1]}, "blank values vanish at every depth")
    curl = json.loads(world.curl("/api/formula/curl.json")[1])
    variation = {**curl, **curl["variations"][NATIVE]}
    tap.ok("zlib-ng-compat" not in curl["dependencies"]
           and "zlib-ng-compat" in variation["dependencies"], "variations add Linux's dependencies")
    tap.equal(curl["bottle"]["stable"]["files"][NATIVE]["sha256"],
              formulae["curl"]["bottle_checksum"], "both forms name the same bottle")
    tap.equal(payload["formula_aliases"].get("openssl"), "openssl@3", "aliases")
    tap.equal(payload["formula_renames"].get("md-old"), "md-renamed", "renames")
    tap.ok(world.payload("api2")["formulae"]["up-tool"]["stable_version"] == "1.1"
           and formulae["up-tool"]["stable_version"] == "1.0", "two stages of the API")
    tap.ok(len(world.payload("api-big")["formulae"]) > 8000, "the big catalogue")


def closure(formulae, name, stack=()):
    """Dependencies first, as an installer orders them."""
    order = []
    for item in formulae[name].get("stable_dependencies", []) + [
            first for first, *_ in formulae[name].get("stable_uses_from_macos", [])]:
        if isinstance(item, str) and item in formulae and item not in stack:
            order += [dep for dep in closure(formulae, item, stack + (name,)) if dep not in order]
    return order + [name]


def test_closures(tap, world):
    """proj needs the 30 real names, in the world and in the real metadata."""
    for api in ("api", "api-real"):
        found = closure(world.payload(api)["formulae"], "proj")
        tap.equal(sorted(found), sorted(CLOSURE), f"the closure of proj by /{api}")
    tap.equal(closure(world.payload()["formulae"], "jq"), ["oniguruma", "jq"], "the closure of jq")


def test_http(tap, world):
    """What clients of the API count on."""
    path = f"/api/internal/packages.{NATIVE}.jws.json"
    later = ("-z", "Sun, 22 Nov 2026 00:00:00 GMT")
    tap.equal(world.status(path, *later), 304, "If-Modified-Since with a later time answers 304")
    tap.equal(world.status(path, "-z", "Sun, 22 Nov 2020 00:00:00 GMT"), 200, "with an earlier 200")
    size = int(world.curl(path, "--compressed", "-o", "/dev/null", "-w", "%{size_download}")[1])
    tap.ok(size < len(world.curl(path)[1]) / 3, "the document comes compressed")
    tap.equal(world.status("/api/formula/libsigc%2B%2B@2.json"), 200, "a percent-encoded plus sign")
    tap.equal(world.status("/api/formula/libsigc++@2.json"), 404, "a bare plus sign is not found")
    tap.equal(world.status("/tap/example/tools/formula/tapped.json"), 200, "a tap's document")
    row = next(row for row in world.rows("formulae.tsv")
               if row["name"] == "md-both" and row["tag"] == NATIVE)
    flat = world.curl(f"/bottles/md-both-2.4_1.{NATIVE}.bottle.2.tar.gz")[1]
    tap.equal(hashlib.sha256(flat).hexdigest(), row["sha256"], "a flat mirror's file")
    overlay = os.path.join(world.run, "overlay", "api", "new.json")
    os.makedirs(os.path.dirname(overlay))
    with open(overlay, "w", encoding="utf-8") as file:
        file.write("{}")
    tap.equal(world.curl("/api/new.json")[1], b"{}", "files below RUN/overlay go first")
    version = world.curl(world.env["BREWFS_WORLD_NGINX"] + path, "-o", "/dev/null", "-w",
                         "%{http_version}")[1]
    tap.equal(version, b"2", "nginx speaks HTTP/2")
    with open(os.path.join(world.directory, "stamp"), encoding="ascii") as file:
        tap.ok(len(file.read()) == 64, "the world is stamped with its ingredients")


def decode(text):
    """Strict base64url without padding, None if it is not that."""
    try:
        if set(text) - set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"):
            return None
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (ValueError, TypeError):
        return None


def verifies(text, key, work):
    """Homebrew's rule, with openssl's command line as the judge."""
    try:
        document = json.loads(text)
        entry = next(item for item in document["signatures"]
                     if item["header"].get("kid") == "homebrew-1")
        header = json.loads(decode(entry["protected"]) or b"")
        payload, signed = document["payload"], decode(entry["signature"])
    except (ValueError, KeyError, TypeError, StopIteration, AttributeError):
        return False
    if header.get("alg") != "PS512" or header.get("b64") is not False or not signed or (
            not isinstance(payload, str)):
        return False
    path = os.path.join(work, "signature")
    with open(path, "wb") as file:
        file.write(signed)
    judged = subprocess.run(
        ["openssl", "dgst", "-sha512", "-verify", key, "-signature", path,
         "-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_mgf1_md:sha512",
         "-sigopt", "rsa_pss_saltlen:64"],
        input=entry["protected"].encode() + b"." + payload.encode(), capture_output=True,
        check=False)
    return judged.returncode == 0


def test_signatures(tap, world):
    """Each variant of the envelope is what it says it is."""
    key = world.env["BREWFS_API_KEY"]
    for stage in ("api", "api2", "api-real", "api-big"):
        text = world.curl(f"/{stage}/internal/packages.{NATIVE}.jws.json", "--compressed")[1]
        tap.ok(verifies(text, key, world.run), f"/{stage} is signed with the world's key")
    wrong = []
    for row in world.rows("variants.tsv"):
        text = world.curl(f"/api-{row['variant']}/internal/packages.{NATIVE}.jws.json")[1]
        wanted = row["expected"] == "accept" or row["variant"].startswith("signed-")
        if row["expected"] != "either" and verifies(text, key, world.run) != wanted:
            wrong.append(row["variant"])
    tap.equal(wrong, [], "every variant of the envelope verifies or fails as the table says")
    real = os.path.join(HERE, "..", "data", "homebrew-1.pem")
    text = world.curl(f"/api/internal/packages.{NATIVE}.jws.json")[1]
    tap.ok(not verifies(text, real, world.run), "Homebrew's real key does not verify the world's")
    tap.equal(world.status(f"/api-public/internal/packages.{NATIVE}.jws.json"), 404,
              "/api-public has no signed document")
    tap.equal(world.status("/api-public/formula/jq.json"), 200, "/api-public has single formulae")


def test_faults(tap, world):
    """Each action, as curl sees it."""
    blob = world.blob("po-many")
    whole = world.curl(blob)[1]
    size, host = len(whole), "https://127.0.0.1"
    with world.fault((blob, "redirect")):
        same = world.curl(blob, "-L", "-H", "Authorization: Bearer QQ==")[1] == whole
        last = world.log("cdn GET")
        tap.ok(same and last[0]["authorization"] is None and last[0]["host"] == "127.0.0.1",
               "redirect: another host, where curl sends no Authorization")
        world.curl(blob, "--location-trusted", "-H", "Authorization: Bearer QQ==")
        tap.equal(world.log("cdn GET")[1]["authorization"], "Bearer QQ==",
                  "redirect: the log shows an Authorization that was carried along")
    with world.fault((blob, "redirect:loop")):
        tap.equal(world.curl(blob, "-L")[0], 47, "redirect:loop never ends")
    with world.fault((blob, "redirect:plain")):
        tap.equal(world.curl(blob, "-L", "--proto-redir", "=https")[0], 1,
                  "redirect:plain leads to http")
    with world.fault(("/v2/", "unauthorized")):
        tap.equal([world.status(blob), world.status(blob, "-H", "Authorization: Bearer QQ==")],
                  [401, 200], "unauthorized: 401 without the bearer token")
    with world.fault((blob, "status:500", "--times", "2"), ("jq/", "status:503:7", "--skip", "1")):
        tap.equal([world.status(blob) for _ in range(3)], [500, 500, 200],
                  "status: twice, then fine")
        world.curl(world.blob("jq"))
        head = world.curl(world.blob("jq"), "-D", "-", "-o", "/dev/null")[1]
        tap.ok(b"503" in head and b"Retry-After: 7" in head,
               "status with Retry-After, after a skip")
    with world.fault((blob, "close")):
        tap.equal(world.curl(blob)[0], 52, "close: an empty reply")
    with world.fault((blob, "reset:1000")):
        status, data = world.curl(blob)
        tap.ok(status == 56 and data == whole[:len(data)], "reset: the connection is reset midway")
    rest = world.curl(blob, "-r", f"{len(data)}-")[1]
    tap.ok(data + rest == whole, "what a reset left is completed by a range")
    with world.fault((blob, "truncate:1000")):
        status, data = world.curl(blob)
        tap.equal((status, data), (18, whole[:1000]), "truncate: ends early")
    with world.fault((blob, "stall:1000")):
        status, data = world.curl(blob, "--speed-time", "1", "--speed-limit", "1")
        tap.equal((status, data), (28, whole[:1000]), "stall: nothing more comes")
    with world.fault((blob, "stall:1000:0.3")):
        tap.equal(world.curl(blob)[1], whole, "stall with a time: goes on afterwards")
    with world.fault((blob, f"slow:{size * 2}")):
        begin = time.monotonic()
        same = world.curl(blob)[1] == whole
        tap.ok(same and time.monotonic() - begin > 0.3, "slow: all comes, slowly")
    tail = ("-r", f"{size - 100}-")
    tap.equal(world.curl(blob, *tail)[1], whole[-100:], "ranges are answered")
    tap.equal(world.log(blob)[-1]["range"], f"bytes={size - 100}-", "the log has the range")
    with world.fault((blob, "norange")):
        tap.equal(world.status(blob, *tail), 200, "norange: the whole file instead")
    with world.fault((blob, "badrange")):
        tap.equal((world.status(blob, *tail), world.curl(blob, *tail)[1]), (206, whole),
                  "badrange: a range that was not asked for")
    with world.fault((blob, "corrupt:5000")):
        data = world.curl(blob)[1]
        tap.equal([at for at in range(size) if data[at] != whole[at]], [5000], "corrupt: one byte")
        tap.ok(world.curl(blob, "-r", "4990-5010")[1] == data[4990:5011],
               "corrupt: the same byte in a range")
    with world.fault((blob, "length:+50")):
        tap.equal(world.curl(blob)[0], 18, "length: too long a Content-Length")
    with world.fault((blob, f"body:{os.path.join(world.directory, 'key.pem')}")):
        tap.ok(world.curl(blob)[1].startswith(b"-----BEGIN"), "body: another file's contents")
    with world.fault((blob, "body:{")):
        tap.equal(world.curl(blob)[1], b"{", "body: a text")
    with contextlib.suppress(ValueError):
        Fault("x", "explode")
        tap.ok(False, "an unknown action is refused")
    tap.equal(world.curl(f"{host}:{world.url.rsplit(':', 1)[1]}/v2/")[0], 0,
              "the certificate also covers 127.0.0.1")


def test_log(tap, world):
    """Parallel requests, and counting."""
    blob = world.blob("po-twin-a")
    with world.fault(("/blobs/", "slow:200000")):
        clean = {**os.environ, **world.env}
        running = [subprocess.Popen(["curl", "-sS", "-o", "/dev/null", world.url + blob], env=clean)
                   for _ in range(4)]
        for process in running:
            process.wait()
        tap.equal(world.command("log", "/blobs/", "--peak").strip(), "4", "four at the same time")
    tap.equal(world.command("log", "/manifests/", "--count").strip(), "0", "no request is none")


def test_proxies(tap, world):
    """Homebrew's own addresses lead to the world through one proxy, nowhere through the other."""
    proxy = {"https_proxy": world.env["BREWFS_WORLD_PROXY"]}
    blob = world.blob("jq")
    tap.equal(world.status("https://ghcr.io" + blob, env=proxy), 401, "ghcr.io wants a token")
    bearer = ("-H", "Authorization: Bearer QQ==")
    data = world.curl("https://ghcr.io" + blob, "-L", *bearer, env=proxy)[1]
    tap.equal(hashlib.sha256(data).hexdigest(), blob[-64:], "ghcr.io redirects to the blob")
    tap.equal(world.status("https://ghcr.io" + blob, "--location-trusted", *bearer, env=proxy), 400,
              "the blob's host refuses a request that still carries the token")
    tap.equal(world.status("https://formulae.brew.sh/api/formula/jq.json", env=proxy), 200,
              "formulae.brew.sh is the API")
    world.command("log", "--clear")
    tap.equal(world.curl("https://ghcr.io/v2/")[0], 56, "by default nothing leaves this machine")
    tap.equal([line["path"] for line in world.log("trap")], ["ghcr.io:443"], "and the log says so")
    tap.equal(world.curl(world.env["BREWFS_WORLD_STRANGER"] + "/v2/")[0], 60,
              "a certificate that nobody trusts")


def test_loopback(tap, world):
    """No port is open to other machines."""
    ports = {value.rsplit(":", 1)[1].rstrip("/'") for key, value in world.env.items()
             if "://" in value and key.startswith("BREWFS_WORLD")}
    ports = {f"{int(port):04X}" for port in ports}
    listening = []
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(FileNotFoundError), open(table, encoding="ascii") as file:
            listening += [line.split()[1] for line in file if " 0A " in line]
    found = [address for address in listening if address.rsplit(":", 1)[1] in ports]
    tap.ok(len(found) >= len(ports) and all(address.startswith("0100007F:") for address in found),
           "all servers listen on 127.0.0.1 only")


def test_bottles(tap, world, work):
    """Bottles can be made again byte for byte; GNU tar unpacks those that are to be accepted."""
    formulae = [formula for formula in all_formulae() if formula.name in ("jq", "oniguruma")]
    jq = next(formula for formula in formulae if formula.name == "jq")
    compiler = Compiler(os.path.join(work, "cache"))
    again = build_bottle(jq, NATIVE, compiler, finder(formulae, 1), work)
    tap.equal(again.sha256, world.blob("jq")[-64:], "a bottle built again is the same")
    refused = []
    for row in world.rows("hostile.tsv"):
        if row["expected"] == "accept":
            target = os.path.join(work, row["name"])
            os.mkdir(target)
            done = subprocess.run(["tar", "-xzf", row["bottle"], "--no-same-owner", "-C", target],
                                  capture_output=True, check=False)
            if done.returncode or not os.path.exists(
                    os.path.join(target, row["name"], "1.0", "libexec", "ordinary")):
                refused.append(row["name"])
    tap.equal(refused, [], "GNU tar unpacks every odd bottle that is to be accepted")
    sparse = []
    for name, path in (("ok-sparse-gnu", "x"), ("ok-sparse-pax", "sparse")):
        with open(os.path.join(work, name, name, "1.0", "libexec", path), "rb") as file:
            data = file.read()
        sparse.append((data.rstrip(b"b").rstrip(b"\0").rstrip(b"a"), len(data) >= 1 << 20))
    tap.equal(sparse, [(b"", True)] * 2, "sparse members come out as they are meant")
    tap.equal({row["expected"] for row in world.rows("hostile.tsv")},
              {"accept", "refuse", "either"}, "each hostile bottle has its expectation")


def test_chain(tap, world, work):
    """The chain of 30 runs, found by RPATH alone."""
    prefix = Prefix(work)
    rows = {row["name"]: row for row in world.rows("formulae.tsv")
            if row["tag"] in (NATIVE, "all") and "1" in row["stages"]}
    for name in [*CLOSURE, "oniguruma", "jq", "libexif", "po-elf"]:
        index = json.loads(world.curl(image_path(rows[name]), "-H", INDEX)[1])
        tab = json.loads(entry_of(index, rows[name])[0]["annotations"]["sh.brew.tab"])
        prefix.pour(name, rows[name]["pkg_version"], rows[name]["bottle"], tab["changed_files"])
    if NATIVE.split("_linux", maxsplit=1)[0] not in ("x86_64", "arm64"):
        tap.skip("running the chain", "no bottles for this machine")
        return
    lines = _run(prefix, "opt", "proj", "bin", "proj")
    names = [line.split()[0] for line in lines[:-1]]
    tap.equal(sorted(name for name in names if "/" not in name),
              sorted(set(CLOSURE) - {"ca-certificates"}), "proj loads all libraries of the chain")
    tap.equal(lines[-1], "database: PROJ.DB layout 1", "proj opens its compiled-in data file")
    tap.equal(_run(prefix, "opt", "jq", "bin", "jq"), ["jq 1.8.2", "oniguruma 6.9.10"], "jq runs")
    zoo = prefix.path("opt", "po-elf", "bin")
    failed = [name for name in sorted(os.listdir(zoo)) if subprocess.run(
        [os.path.join(zoo, name)], capture_output=True, check=False).returncode]
    tap.equal(failed, [], "every program of the ELF collection runs")
    found = subprocess.run(["pkg-config", "--libs", "--static", "proj"], capture_output=True,
                           text=True, check=False, env={**os.environ, "PKG_CONFIG_PATH": ":".join(
                               prefix.path("opt", name, "lib", "pkgconfig") for name in CLOSURE)})
    tap.ok("-lproj" in found.stdout and "-lldap" in found.stdout, "pkg-config follows the chain")
    test_lint(tap, prefix)


def _run(prefix, *parts):
    done = subprocess.run([prefix.path(*parts)], capture_output=True, text=True, check=False)
    return done.stdout.splitlines() or [f"status {done.returncode}: {done.stderr}"]


def test_lint(tap, prefix):
    """The ELF files are sound before anything edits them."""
    if not shutil.which("eu-elflint"):
        tap.skip("eu-elflint over the chain", "elfutils is not installed")
        return
    libraries = [prefix.path("opt", name, "lib", entry) for name in CLOSURE
                 if os.path.isdir(prefix.path("opt", name, "lib"))
                 for entry in os.listdir(prefix.path("opt", name, "lib")) if ".so." in entry]
    done = subprocess.run(["eu-elflint", "--gnu-ld", *libraries], capture_output=True, text=True,
                          check=False)
    complaints = [line for line in done.stdout.splitlines()
                  if line and line != "No errors" and not line.endswith(":")]
    tap.equal((done.returncode, complaints), (0, []),
              f"eu-elflint finds {len(libraries)} libraries sound")


def children_of(pid):
    """The processes a process has started."""
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return [int(child) for child in file.read().split()]


def alive(pids):
    """Those that still run."""
    living = []
    for pid in pids:
        with contextlib.suppress(OSError), open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            if file.read().rsplit(")", 1)[1].split()[0] != "Z":
                living.append(pid)
    return living


def test_watchdog(tap, world, work):
    """The servers end with the test, and with the supervisor."""
    for number, what in enumerate(("the process it serves", "the supervisor")):
        run = os.path.join(work, f"run-{number}")
        with subprocess.Popen(["sleep", "60"]) as parent:
            subprocess.run([sys.executable, WORLD, "start", world.directory, "--run", run,
                            "--parent", str(parent.pid)], check=True, capture_output=True)
            with open(os.path.join(run, "running"), encoding="ascii") as file:
                supervisor = int(file.read())
            everything = [supervisor, *children_of(supervisor)]
            os.kill((parent.pid, supervisor)[number], signal.SIGKILL)
            deadline = time.monotonic() + 10
            while alive(everything) and time.monotonic() < deadline:
                time.sleep(0.05)
            tap.ok(len(everything) == 3 and not alive(everything),
                   f"all servers end when {what} is killed")
            parent.kill()


def run_tests(tap, world, work):
    """All of them."""
    test_registry(tap, world)
    test_documents(tap, world)
    test_closures(tap, world)
    test_http(tap, world)
    test_signatures(tap, world)
    test_faults(tap, world)
    test_log(tap, world)
    test_proxies(tap, world)
    test_loopback(tap, world)
    test_bottles(tap, world, os.path.join(work, "bottles"))
    test_chain(tap, world, os.path.join(work, "c"))
    test_watchdog(tap, world, work)


def main():
    """Builds the world if need be, runs the tests on it."""
    missing = [name for name in (*PROGRAMS, "curl", "tar") if not serve.program(name)]
    if missing:
        print(f"1..0 # SKIP not installed: {' '.join(missing)}")
        return 0
    directory = os.environ.get("BREWFS_WORLD_DIR") or os.path.join(
        os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "brewfs-test-world")
    os.makedirs(os.path.dirname(directory), exist_ok=True)
    tap, work = Tap(), tempfile.mkdtemp(prefix="bw", dir="/tmp")
    try:
        for name in ("bottles", "c", "run"):
            os.mkdir(os.path.join(work, name))
        run = os.path.join(work, "run")
        oracle = os.environ.get("BREWFS_ORACLE")
        subprocess.run([sys.executable, WORLD, "build", directory,
                        *(["--oracle", oracle] if oracle else [])], check=True)
        subprocess.run([sys.executable, WORLD, "start", directory, "--run", run, "--parent",
                        str(os.getpid())], check=True, stdout=subprocess.DEVNULL)
        run_tests(tap, World(directory, run), work)
        subprocess.run([sys.executable, WORLD, "stop", run], check=True)
    finally:
        subprocess.run(["chmod", "-R", "u+rwX", work], check=False)
        shutil.rmtree(work, ignore_errors=True)
    print(f"1..{tap.count}")
    return tap.failures != 0


if __name__ == "__main__":
    sys.exit(main())
