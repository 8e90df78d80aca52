"""Installing onto a local store, against unpacking the same bottles onto other filesystems."""
import functools
import http.server
import json
import os
import shutil
import sys
import threading

import mkcorpus
from filesystems import FuseOverlayfs, Overlayfs, fresh_directory, unmount, wait_mounted
from machine import have, kernel_has, median, run, say, timed
from results import Goal, Single

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "world"))
import sign  # noqa: E402  of the test world: documents as the API signs them

COUNT = 20
BREW_SECONDS = 1.1      # what brew takes for each small bottle, on a machine of this kind
OTHER_FORMULAE = 8000   # in the API's document


def install(place, store, cache, *what):
    """The command's seconds. Status 1 says that something was not linked; all was poured."""
    return timed(place.brewfs, "install", "--store", store, "--target-glibc", "2.41", *what,
                 env=place.environment(cache), fine=(0, 1))


def untar(paths, directory):
    """Seconds of unpacking the bottles one after the other."""
    return timed("sh", "-c", 'd=$1; shift; for b; do tar xzf "$b" -C "$d" || exit 1; done', "sh",
                 directory, *paths)


class Overlay:
    """An empty writable directory on overlayfs or fuse-overlayfs, for unpacking onto."""

    def __init__(self, place, name):
        self.base, self.name = f"{place.run}/onto-{name}", name

    def __enter__(self):
        names = ("lower", "upper", "work", "merged")
        parts = {name: fresh_directory(f"{self.base}/{name}") for name in names}
        options = "lowerdir={lower},upperdir={upper},workdir={work}".format(**parts)
        if self.name == Overlayfs.name:
            run("mount", "-t", "overlay", "overlay", "-o", options, parts["merged"])
        else:
            run("fuse-overlayfs", "-o", options, parts["merged"])
            wait_mounted(parts["merged"])
        return parts["merged"]

    def __exit__(self, *_):
        unmount(f"{self.base}/merged")
        shutil.rmtree(self.base)


def local(place, results):
    """COUNT bottles: `brewfs install` into a new store, `tar xzf` onto the others."""
    corpus = place.corpus
    formulae = corpus.pick(COUNT, 1100)
    paths = [corpus.path(f) for f in formulae]
    total = sum(f["bytes"] for f in formulae)
    key = (f"install of {COUNT} bottles", "local store")
    say(f"local store: {COUNT} bottles, {total / 1e6:.0f} MB")
    results.goals[key] = Goal(2.0)
    overlays = [Overlayfs.name] if kernel_has("overlay") else []
    overlays += [FuseOverlayfs.name] if have("fuse-overlayfs") else []
    for _ in range(place.rounds(3 if place.quick else 7)):
        directory = fresh_directory(f"{place.run}/unpacked")
        os.sync()
        results.add(*key, "ext4", untar(paths, directory))
        shutil.rmtree(directory)
        store, cache = f"{place.run}/store-new", fresh_directory(f"{place.run}/cache-new")
        shutil.rmtree(store, ignore_errors=True)
        os.sync()
        results.add(*key, "brewfs", install(place, store, cache, *paths))
        for name in overlays:
            with Overlay(place, name) as directory:
                os.sync()
                results.add(*key, name, untar(paths, directory))
    inflating = timed("sh", "-c", "for b; do gzip -dc $b > /dev/null || exit 1; done", "sh",
                      *paths)
    about = f"{total / 1e6:.0f} MB, {sum(f['entries'] for f in formulae):,} entries"
    results.singles.append(Single(key[0], key[1], results.seconds(key, "brewfs"), "s", inflating,
                                  "gzip -d alone", "", None, about))
    installed(place, results, formulae, store, cache)


# --- what is installed already ---

def api(place, formulae):
    """A server of the API's signed document: these formulae, and as many others as there are."""
    directory = fresh_directory(f"{place.run}/api")
    document = {"formulae": {}, "formula_aliases": {}, "formula_renames": {}}
    for i in range(OTHER_FORMULAE):
        document["formulae"][f"other-{i}"] = {
            "stable_version": f"1.{i}", "bottle_checksum": f"{i:064x}",
            "desc": "A formula that nobody asks for", "homepage": f"https://example.org/other-{i}",
            "stable_dependencies": [f"other-{j}" for j in (i // 2, i // 3) if j != i]}
    for formula in formulae:
        digest = json.load(open(place.corpus.path(formula)[:-7] + ".json"))
        tags = digest[formula["name"]]["bottle"]["tags"]
        document["formulae"][formula["name"]] = {
            "stable_version": formula["version"], "bottle_checksum": tags[mkcorpus.TAG]["sha256"],
            "desc": f"{formula['name']} of Debian"}
    key = f"{place.run}/key.pem"
    public = sign.make_key(key)
    os.makedirs(f"{directory}/internal")
    with open(f"{directory}/internal/packages.{mkcorpus.TAG}.jws.json", "w") as file:
        file.write(sign.jws(json.dumps(document), key))
    handler = functools.partial(QuietHandler, directory=directory)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server, {"HOMEBREW_API_DOMAIN": f"http://127.0.0.1:{server.server_port}",
                    "BREWFS_API_KEY": public}


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def installed(place, results, formulae, store, cache):
    """`install` of names that are all there: seconds, and what it asks of the store."""
    say("local store: install of what is installed")
    server, variables = api(place, formulae)
    env = {**place.environment(cache), **variables}
    command = [place.brewfs, "install", "--store", store, *[f["name"] for f in formulae]]
    run(*command, env=env)      # fetches the document
    samples = [timed(*command, env=env) for _ in range(place.rounds(11, least=3))]
    value = median(samples) * 1e3
    calls = store_calls(place, command, env, store)
    results.singles.append(Single(
        f"install of {COUNT} formulae that are installed", "local store", value, "ms", 900.0,
        "brew", "<= 20 ms", value <= 20,
        "" if calls is None else f"{calls} system calls on files of the store"))
    server.shutdown()


def store_calls(place, command, env, store):
    """System calls that name the store or a descriptor in it; None without strace."""
    if not have("strace"):
        return None
    trace = f"{place.run}/trace"
    run("strace", "-f", "-y", "-qq", "-o", trace, "-e", "trace=%file,%desc", *command, env=env)
    with open(trace, errors="replace") as file:
        return sum(store in line for line in file)


# --- the size of a change ---

def tiny_bottle(place, name):
    """A bottle of five small files. Returns its path."""
    kegs, bottles = f"{place.run}/tiny.kegs", f"{place.run}/tiny"
    os.makedirs(f"{kegs}/{name}/1.0/bin", exist_ok=True)
    os.makedirs(bottles, exist_ok=True)
    for i in range(5):
        with open(f"{kegs}/{name}/1.0/bin/{name}-{i}", "w") as file:
            file.write(f"#!/bin/sh\necho {name} {i}\n" * 100)
    return f"{bottles}/{mkcorpus.make_bottle(kegs, name, '1.0', bottles)['file']}"


def next_version(place, formula):
    """The same bottle with another version and one file of a few kB changed."""
    kegs, bottles = fresh_directory(f"{place.run}/next.kegs"), fresh_directory(f"{place.run}/next")
    run("tar", "xzf", place.corpus.path(formula), "-C", kegs)
    name, version = formula["name"], formula["version"] + ".1"
    os.rename(f"{kegs}/{name}/{formula['version']}", f"{kegs}/{name}/{version}")
    with open(f"{kegs}/{name}/{version}/CHANGES", "w") as file:
        file.write("A file that the version before did not have.\n" * 100)
    return f"{bottles}/{mkcorpus.make_bottle(kegs, name, version, bottles)['file']}"


def store_bytes(store):
    return int(run("du", "-s", "--apparent-size", "-B1", store).split()[0])


def changes(place, results):
    """Small changes of a big prefix, on a copy of the store."""
    say("local store: one small formula more, and one formula's next version")
    store, cache = f"{place.run}/store-changed", place.cache
    run("cp", "-a", "--reflink=auto", place.store, store)
    names = place.corpus.count()
    seconds, grown = [], []
    for i in range(place.rounds(3)):
        path = tiny_bottle(place, f"bench-tiny-{i}")
        before = store_bytes(store)
        seconds.append(install(place, store, cache, path))
        grown.append(store_bytes(store) - before)
    results.singles.append(Single(
        "install of one small bottle", f"prefix of {names:,} names", median(seconds), "s",
        BREW_SECONDS, "brew", ">= 8 x, <= 1 s", median(seconds) * 8 <= BREW_SECONDS))
    results.singles.append(Single(
        "bytes that it writes to the store", f"prefix of {names:,} names", median(grown) / 1e6,
        "MB", None, "", "<= 2 MiB", median(grown) <= 2 << 20))
    formula = max(place.corpus.pick(COUNT, 150), key=lambda f: f["entries"])
    path = next_version(place, formula)
    before = store_bytes(store)
    install(place, store, cache, path)
    value = store_bytes(store) - before
    results.singles.append(Single(
        f"two versions of {formula['name']}", "4.5 kB differ", value / 1e6, "MB",
        formula["bytes"] / 1e6, "the keg", "what differs, 2 MiB", value <= (2 << 20) + 4500))
    shutil.rmtree(store)
