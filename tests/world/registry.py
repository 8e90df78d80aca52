"""The OCI side: images as brew uploads them, and pushing them into a registry by its HTTP API."""
import glob
import hashlib
import http.client
import json
import os
import queue
import ssl
import threading

from bottle import SYSTEMS

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
CREATED = "2026-08-20T00:00:00Z"
ARCHITECTURES = {"x86_64_linux": "amd64", "arm64_linux": "arm64"}


def digest(data):
    """The digest of a blob as registries write it."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def pretty(document):
    """JSON laid out as brew writes it."""
    return json.dumps(document, indent=2, ensure_ascii=False).encode()


def _platform(tag):
    if tag not in ARCHITECTURES:
        return {}
    return {"architecture": ARCHITECTURES[tag], "os": "linux", "os.version": "Ubuntu 24.04.3 LTS"}


def _common_annotations(formula, reference, title):
    source = f"https://github.com/Homebrew/homebrew-core/blob/main/Formula/{formula.name}.rb"
    return {"com.github.package.type": "homebrew_bottle",
            "org.opencontainers.image.created": CREATED,
            "org.opencontainers.image.description": formula.desc,
            "org.opencontainers.image.ref.name": reference,
            "org.opencontainers.image.source": source, "org.opencontainers.image.title": title,
            "org.opencontainers.image.vendor": formula.tap.split("/")[0],
            "org.opencontainers.image.version": formula.index_tag}


def bottle_annotations(formula, tag, bottle):
    """What brew says about one bottle, as the formula of the test wants it changed."""
    notes = {"org.opencontainers.image.ref.name": formula.ref_name(tag),
             "sh.brew.bottle.digest": bottle.sha256, "sh.brew.bottle.size": str(bottle.size),
             "sh.brew.bottle.installed_size": str(bottle.installed_size)}
    if tag in SYSTEMS:
        notes["sh.brew.bottle.cpu.variant"] = SYSTEMS[tag][2]
        notes["sh.brew.bottle.glibc.version"] = "2.39"
    if formula.license:
        notes["sh.brew.license"] = formula.license
    if bottle.tab is not None:
        notes["sh.brew.tab"] = json.dumps(bottle.tab, separators=(",", ":"), ensure_ascii=False)
    if bottle.executables:
        notes["sh.brew.path_exec_files"] = ",".join(bottle.executables)
    changes = formula.annotations
    if changes.get("all", True) is None:
        return {}
    notes.update({key: value for key, value in changes.items() if "." in key})
    return notes


class Image:
    """One formula's image: blobs (bytes or a file's path) by digest, manifests, and the index."""

    def __init__(self, name, tag):
        self.name, self.tag = name, tag
        self.blobs, self.manifests, self.index = {}, [], None

    def add_bottle(self, formula, tag, bottle):
        """Adds layer, configuration and manifest; returns the index entry."""
        config = pretty({**_platform(tag), "rootfs": {
            "type": "layers", "diff_ids": ["sha256:" + bottle.tar_sha256]}})
        self.blobs["sha256:" + bottle.sha256] = bottle.path
        self.blobs[digest(config)] = config
        notes = bottle_annotations(formula, tag, bottle)
        title = f"{formula.tap}/{formula.name} {formula.ref_name(tag)}"
        manifest = pretty({
            "schemaVersion": 2,
            "config": {"mediaType": CONFIG, "digest": digest(config), "size": len(config)},
            "layers": [{"mediaType": LAYER, "digest": "sha256:" + bottle.sha256,
                        "size": bottle.size, "annotations": {
                            "org.opencontainers.image.title": formula.file_name(tag)}}],
            "annotations": {**_common_annotations(formula, formula.ref_name(tag), title), **notes}})
        self.manifests.append(manifest)
        entry = {"mediaType": MANIFEST, "digest": digest(manifest), "size": len(manifest)}
        if _platform(tag):
            entry["platform"] = _platform(tag)
        return {**entry, "annotations": notes} if notes else entry


def image(formula):
    """The image of a formula as brew uploads it; index None where the formula is to have none."""
    made = Image(formula.image, formula.index_tag)
    entries = [made.add_bottle(formula, tag, bottle) for tag, bottle in formula.built.items()]
    if formula.annotations.get("decoy"):
        entries.insert(0, _decoy(formula, entries[0]))
    if formula.annotations.get("index", True) is not None:
        title = f"{formula.tap}/{formula.name}"
        made.index = pretty({
            "schemaVersion": 2, "manifests": entries,
            "annotations": _common_annotations(formula, formula.index_tag, title)})
    return made


def _decoy(formula, entry):
    """The same bottle under another platform's name, with a tab that must not be used."""
    notes = dict(entry["annotations"])
    notes["org.opencontainers.image.ref.name"] = formula.pkg_version + ".arm64_monterey"
    notes["sh.brew.tab"] = json.dumps({"homebrew_version": "3.2.17", "changed_files": [],
                                       "built_on": {"os": "Macintosh"}})
    return {**entry, "annotations": notes, "platform": {
        "architecture": "arm64", "os": "darwin", "os.version": "macOS 12.0"}}


def oracle_images(directory):
    """The images that real brew made: their indexes byte for byte, layers from the bottles."""
    bottles = {}
    for path in glob.glob(os.path.join(directory, "bottles", "*.tar.gz")):
        with open(path, "rb") as file:
            bottles[digest(file.read())] = path
    for layout in sorted(glob.glob(os.path.join(directory, "oci", "*"))):
        with open(os.path.join(layout, "index.json"), encoding="utf-8") as file:
            top = json.load(file)["manifests"][0]
        name = os.path.basename(layout).split("--")[0].replace("@", "/").replace("+", "x")
        made = Image("homebrew/core/" + name,
                     top["annotations"]["org.opencontainers.image.ref.name"])
        made.index = _layout_blob(layout, top["digest"])
        for entry in json.loads(made.index)["manifests"]:
            manifest = _layout_blob(layout, entry["digest"])
            made.manifests.append(manifest)
            parts = json.loads(manifest)
            made.blobs[parts["config"]["digest"]] = _layout_blob(layout, parts["config"]["digest"])
            for layer in parts["layers"]:
                made.blobs[layer["digest"]] = bottles[layer["digest"]]
        yield made


def _layout_blob(layout, name):
    with open(os.path.join(layout, "blobs", *name.split(":")), "rb") as file:
        return file.read()


class Pusher:
    """One connection to a registry on this host."""

    def __init__(self, port, ca):
        context = ssl.create_default_context(cafile=ca)
        self.connection = http.client.HTTPSConnection("localhost", port, context=context)

    def request(self, method, path, body=None, headers=None):
        """The headers of the answer; an error is fatal."""
        self.connection.request(method, path, body, headers or {})
        answer = self.connection.getresponse()
        text = answer.read()
        if answer.status >= 400:
            raise SystemExit(f"registry: {method} {path}: {answer.status} {text[:300]!r}")
        return answer.headers

    def push_blob(self, name, blob_digest, source):
        """Uploads a blob in one piece."""
        location = self.request("POST", f"/v2/{name}/blobs/uploads/")["Location"]
        data = source
        if isinstance(source, str):
            with open(source, "rb") as file:
                data = file.read()
        join = "&" if "?" in location else "?"
        self.request("PUT", f"{location}{join}digest={blob_digest}", data,
                     {"Content-Type": "application/octet-stream"})

    def push(self, made):
        """Uploads an image: blobs, then manifests, then the index under its tag."""
        for blob_digest, source in made.blobs.items():
            self.push_blob(made.name, blob_digest, source)
        for manifest in made.manifests:
            self.request("PUT", f"/v2/{made.name}/manifests/{digest(manifest)}", manifest,
                         {"Content-Type": MANIFEST})
        if made.index is not None:
            self.request("PUT", f"/v2/{made.name}/manifests/{made.tag}", made.index,
                         {"Content-Type": INDEX})


def push_all(images, port, ca, connections=3):
    """Uploads images over a few connections at once, those of one name one after the other."""
    waiting, failures, by_name = queue.Queue(), [], {}
    for made in images:
        by_name.setdefault(made.name, []).append(made)
    for group in by_name.values():
        waiting.put(group)

    def work():
        pusher = Pusher(port, ca)
        try:
            while True:
                for made in waiting.get_nowait():
                    pusher.push(made)
        except queue.Empty:
            return
        except (SystemExit, OSError) as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise SystemExit(f"pushing failed: {failures[0]}")
