"""Builds a world: keys, bottles, documents, what the registry has. Cached by what goes in."""
import fcntl
import gzip
import hashlib
import importlib.util
import json
import os
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor

import bottle
import documents
import registry
import serve
import sign
from elf import FOREIGN, NATIVE, Compiler
from sets import broken_elf, chain, hostile, links, metadata, pour, steps, toolchain, upgrades

HERE = os.path.dirname(os.path.abspath(__file__))
PACKAGES = "docker-registry nginx-light gcc openssl python3"
PROGRAMS = ("docker-registry", "nginx", "gcc", "ar", "openssl")
SETS = (chain, toolchain, links, metadata, upgrades, pour, steps, hostile, broken_elf)
HOSTS = ("localhost", "ghcr.io", "formulae.brew.sh", "pkg-containers.githubusercontent.com")
MADE = ("bottles", "www", "registry", "stamp", "formulae.tsv", "hostile.tsv", "variants.tsv",
        "link-table.tsv")
UNRELATED = ("world.py", "world.sh", "test-world.py", "serve.py", "front.py", "proxy.py",
             "faults.py", "naive_pour.py")
FILLER = 8000


def check_programs():
    """Says what to install where a program is missing."""
    missing = [name for name in PROGRAMS if not serve.program(name)]
    if missing:
        raise SystemExit(f"world: {' '.join(missing)} not found; apt-get install {PACKAGES}")


def load_extra(path):
    """The formulae() of a Python file outside of sets/."""
    spec = importlib.util.spec_from_file_location("extra_formulae", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.formulae()


def all_formulae(extra=None):
    """Every formula of the world, at every version."""
    made = [formula for module in SETS for formula in module.formulae()]
    return made + (load_extra(extra) if extra else [])


def finder(formulae, stage):
    """A function from a name, alias, old or tap-qualified name to the formula of that stage."""
    names = {}
    for formula in formulae:
        if stage in formula.stages:
            full = f"{formula.tap}/{formula.name}"
            for name in [formula.name, full, *formula.aliases, *formula.oldnames]:
                names.setdefault(name, formula)
    return names.get


def _hash_file(state, path):
    state.update(path.encode() + b"\0")
    with open(path, "rb") as file:
        state.update(hashlib.file_digest(file, "sha256").digest())


def key_of(compiler_version, oracle, extra):
    """The digest of everything that goes into a world."""
    state = hashlib.sha256(f"{compiler_version} {sys.version} {oracle}".encode())
    for directory in (HERE, os.path.join(HERE, "sets"), os.path.dirname(chain.DATA)):
        for name in sorted(os.listdir(directory)):
            path = os.path.join(directory, name)
            if os.path.isfile(path) and name not in UNRELATED and not name.endswith(".md"):
                _hash_file(state, path)
    for root, directories, names in sorted(os.walk(oracle)) if oracle else ():
        directories.sort()
        for name in sorted(names):
            _hash_file(state, os.path.join(root, name))
    if extra:
        _hash_file(state, extra)
    return state.hexdigest()


def make_certificates(directory):
    """A certificate authority and a server's certificate, and another pair that nobody trusts."""
    for authority, server in (("ca", "server"), ("stranger-ca", "stranger")):
        paths = {name: os.path.join(directory, f"{name}.pem") for name in (
            authority, f"{authority}-key", server, f"{server}-key")}
        if os.path.exists(paths[server]):
            continue
        new_key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        sign.openssl("req", "-x509", *new_key, "-keyout", paths[f"{authority}-key"],
                     "-out", paths[authority], "-days", "3650",
                     "-subj", f"/CN=brewfs test world {authority}")
        names = ",".join([f"DNS:{host}" for host in HOSTS] + ["IP:127.0.0.1"])
        request = sign.openssl("req", *new_key, "-keyout", paths[f"{server}-key"],
                               "-subj", "/CN=localhost", "-addext", f"subjectAltName={names}")
        certificate = sign.openssl("x509", "-req", "-CA", paths[authority],
                                   "-CAkey", paths[f"{authority}-key"], "-days", "3650",
                                   "-copy_extensions", "copyall", data=request)
        with open(paths[server], "wb") as file:
            file.write(certificate)


def make_keys(world):
    """Signing keys and certificates below keys/; what tests use is copied beside."""
    keys = os.path.join(world, "keys")
    os.makedirs(keys, mode=0o700, exist_ok=True)
    trusted, other = (os.path.join(keys, name) for name in ("sign.pem", "other.pem"))
    shutil.copyfile(sign.make_key(trusted), os.path.join(world, "key.pem"))
    sign.make_key(other)
    make_certificates(keys)
    shutil.copyfile(os.path.join(keys, "ca.pem"), os.path.join(world, "ca.pem"))
    return trusted, other


def build_bottles(world, formulae, compiler):
    """Makes all bottles, two at a time; fills each formula's `built`."""
    directory = os.path.join(world, "bottles")
    os.makedirs(directory, exist_ok=True)
    finders = {stage: finder(formulae, stage) for stage in (1, 2)}

    def make(job):
        formula, tag = job
        return formula, tag, bottle.build(formula, tag, compiler, finders[formula.stages[0]],
                                          directory)

    digests = {}
    jobs = [(formula, tag) for formula in formulae for tag in formula.tags]
    with ThreadPoolExecutor(2) as pool:
        for formula, tag, made in pool.map(make, jobs):
            formula.built[tag] = made
            if digests.setdefault(made.path, made.sha256) != made.sha256:
                raise SystemExit(f"world: two different bottles are called {made.path}")


def write(path, text, compressed=False):
    """Writes a document with an old time; beside it, if wanted, a gzipped copy of the same time."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    data = text.encode("utf-8", "surrogateescape")
    with open(path, "wb") as file:
        file.write(data)
    os.utime(path, (bottle.SOURCE_TIME, bottle.SOURCE_TIME))
    if compressed:
        with open(path + ".gz", "wb") as file:
            file.write(gzip.compress(data, 4, mtime=0))
        os.utime(path + ".gz", (bottle.SOURCE_TIME, bottle.SOURCE_TIME))


def packages_path(www, api, tag):
    """Where the signed document of an API directory lies."""
    return os.path.join(www, api, "internal", f"packages.{tag}.jws.json")


def oracle_documents(oracle, www):
    """The entries of the oracle's formulae; their public documents are copied to the API."""
    if not oracle:
        return {}
    source = os.path.join(oracle, "api", "formula")
    for name in os.listdir(source):
        with open(os.path.join(source, name), encoding="utf-8") as file:
            write(os.path.join(www, "api", "formula", name), file.read())
    internal = os.path.join(oracle, "api", "internal", f"formula.{NATIVE}.json")
    with open(internal, encoding="utf-8") as file:
        entries = json.load(file)["formulae"]
    for entry in entries.values():
        if entry.get("bottle_cellar") == "/Cellar":      # the generator's prefix went missing
            entry["bottle_cellar"] = chain.CELLAR
    return entries


def write_api(www, formulae, keys, oracle):
    """Both stages' documents, the variants of the envelope, the real and the big catalogue."""
    extra = oracle_documents(oracle, www)
    trusted, other = keys
    payloads = {}
    for stage, api in ((1, "api"), (2, "api2")):
        present = [formula for formula in formulae if stage in formula.stages]
        for tag in (NATIVE, FOREIGN):
            payload = documents.packages(present, tag, extra if tag == NATIVE else None)
            payloads[stage, tag] = documents.text(payload)
            write(packages_path(www, api, tag), sign.jws(payloads[stage, tag], trusted), True)
        for formula in present:
            root = api if formula.tap == "homebrew/core" else f"tap/{formula.tap}"
            write(os.path.join(www, root, "formula", f"{formula.name}.json"),
                  documents.text(documents.public(formula)))
    rows = [("variant", "expected", "what")]
    for name, (expected, why, text) in sign.variants(payloads[1, NATIVE], trusted, other).items():
        write(packages_path(www, f"api-{name}", NATIVE), text)
        os.symlink("../api/formula", os.path.join(www, f"api-{name}", "formula"))
        rows.append((name, expected, why))
    os.makedirs(os.path.join(www, "api-public"))
    os.symlink("../api/formula", os.path.join(www, "api-public", "formula"))
    write_catalogues(www, formulae, trusted)
    return rows


def write_catalogues(www, formulae, key):
    """api-real: the real formulae, without bottles. api-big: as many as there really are."""
    real = documents.text(documents.from_derived(chain.load()))
    write(packages_path(www, "api-real", NATIVE), sign.jws(real, key), True)
    present = [formula for formula in formulae if 1 in formula.stages]
    big = documents.text(documents.packages(present, NATIVE, documents.filler(FILLER)))
    write(packages_path(www, "api-big", NATIVE), sign.jws(big, key), True)


def write_mirror(world, www, formulae):
    """A flat mirror: every core bottle under its name with one dash."""
    directory = os.path.join(www, "bottles")
    os.makedirs(directory)
    for formula in formulae:
        for tag, made in formula.built.items():
            if formula.tap == "homebrew/core":
                path = os.path.join(directory, formula.file_name(tag, "-"))
                if not os.path.exists(path):
                    os.link(made.path, path)


def write_table(path, rows):
    """A file of tab-separated rows."""
    with open(path, "w", encoding="utf-8") as file:
        file.writelines("\t".join(str(cell) for cell in row) + "\n" for row in rows)


def write_tables(world, formulae, variants):
    """What tests iterate over."""
    write_table(os.path.join(world, "formulae.tsv"), [
        ("name", "pkg_version", "rebuild", "stages", "tag", "sha256", "bottle", "exercises")] + [
            (formula.name, formula.pkg_version, formula.rebuild,
             ",".join(map(str, formula.stages)), tag, made.sha256, made.path, formula.exercises)
            for formula in formulae for tag, made in formula.built.items()])
    write_table(os.path.join(world, "hostile.tsv"), [("name", "expected", "bottle", "what")] + [
        (formula.name, formula.expect, made.path, formula.exercises)
        for formula in formulae if formula.expect for made in formula.built.values()])
    write_table(os.path.join(world, "variants.tsv"), variants)
    write_table(os.path.join(world, "link-table.tsv"), [("keg", "path", "alone", "together")] + [
        (name, *row) for name in ("wl-table-a", "wl-table-b") for row in links.table_rows(name)])


def push(world, formulae, oracle):
    """Fills the registry's storage through a registry that runs just for this."""
    images = [registry.image(formula) for formula in formulae if formula.built]
    if oracle:
        images += registry.oracle_images(oracle)
    with serve.temporary_registry(world) as port:
        registry.push_all(images, port, os.path.join(world, "ca.pem"))


def clear(world):
    """Removes what an earlier build made; compiled files and keys stay."""
    for name in MADE:
        path = os.path.join(world, name)
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path)
        elif os.path.lexists(path):
            os.unlink(path)


def is_current(world, key):
    """Whether the last build in `world` finished with the same ingredients."""
    try:
        with open(os.path.join(world, "stamp"), encoding="ascii") as file:
            return file.read() == key
    except FileNotFoundError:
        return False


def build(world, oracle=None, extra=None):
    """Builds `world` unless it is current. Returns whether there was anything to do."""
    check_programs()
    world = os.path.abspath(world)
    oracle = os.path.abspath(oracle) if oracle else None
    os.makedirs(world, exist_ok=True)
    compiler = Compiler(os.path.join(world, "cache"))
    key = key_of(compiler.version, oracle, extra)
    with open(os.path.join(world, "build.lock"), "w", encoding="ascii") as building, open(
            os.path.join(world, "lock"), "w", encoding="ascii") as lock:
        fcntl.flock(building, fcntl.LOCK_EX)
        if is_current(world, key):
            return False
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise SystemExit(f"world: {world} is out of date, but servers run on it; "
                             "stop them first") from error
        clear(world)
        _build(world, oracle, all_formulae(extra), compiler)
        with open(os.path.join(world, "stamp"), "w", encoding="ascii") as file:
            file.write(key)
    return True


def _build(world, oracle, formulae, compiler):
    keys = make_keys(world)
    build_bottles(world, formulae, compiler)
    www = os.path.join(world, "www")
    variants = write_api(www, formulae, keys, oracle)
    write_mirror(world, www, formulae)
    if oracle:
        for name in os.listdir(os.path.join(oracle, "bottles")):
            if name.endswith(".tar.gz"):
                shutil.copyfile(os.path.join(oracle, "bottles", name),
                                os.path.join(www, "bottles", name.replace("--", "-", 1)))
    write_tables(world, formulae, variants)
    push(world, formulae, oracle)
