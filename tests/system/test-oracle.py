#!/usr/bin/env python3
"""Pours the reference bottles and compares the mounted prefix with what the real brew made of them."""

import csv
import json
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import (ORACLE, PREFIX, Sandbox, World, done, enter, equal, ok, skip_all)

enter()
if not os.path.isfile(os.path.join(ORACLE, "manifest.tsv")):
    skip_all("the reference (BREWFS_ORACLE) is not here")

# The glibc of the host where brew poured them: no brewed glibc.
GLIBC = "2.41"

# brew install NAME, one after the other, in this order (the reference's README).
ORDER = [name for name in "bfo-foo bfo-tool bfo-docs bfo-keg bfo-conf bfo-steps bfo-rev bfo-bar bfo-bar@1"
         " bfo-share-a bfo-share-b bfo-big".split()
         if os.path.exists(os.path.join(ORACLE, "api", "formula", name + ".json"))]

# Paths that are not compared at all, and why.
LEFT_OUT = {
    "bin/brew": "brew's own command, which comes with Homebrew's repository",
    "var/bfo-conf/initialised": "made by a Ruby post_install, which brewfs reports and does not run",
    "var/log/bfo-conf": "made by the same post_install",
}

# Paths whose size and digest are not compared, and why. Type, mode and links are.
OTHER_BYTES = [
    (r".*/INSTALL_RECEIPT\.json", "times, heads and the tap differ; compared by field below"),
    (r".*/sbom\.spdx\.json", "brew completes it when it installs"),
]


def read_table(path):
    with open(path, newline="", encoding="utf-8", errors="surrogateescape") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def has_other_bytes(path):
    return any(re.fullmatch(pattern, path) for pattern, _ in OTHER_BYTES)


def elf_facts(path):
    """Interpreter, RPATH, RUNPATH, SONAME and NEEDED as the reference's table has them."""
    text = subprocess.run(["readelf", "-W", "-l", "-d", path], stdout=subprocess.PIPE, text=True,
                          check=True).stdout

    def find(pattern):
        return ",".join(re.findall(pattern, text)) or "-"

    return {
        "interp": find(r"Requesting program interpreter: ([^\]]*)\]"),
        "rpath": find(r"\(RPATH\).*?\[(.*?)\]"),
        "runpath": find(r"\(RUNPATH\).*?\[(.*?)\]"),
        "soname": find(r"\(SONAME\).*?\[(.*?)\]"),
        "needed": find(r"\(NEEDED\).*?\[(.*?)\]"),
    }


def compare_rows(actual, expected, elves):
    differences = []
    actual = {row["path"]: row for row in actual}
    expected = {row["path"]: row for row in expected}
    for path in sorted(set(actual) | set(expected)):
        if path in LEFT_OUT:
            continue
        if path not in actual or path not in expected:
            differences.append(f"{path}: {'missing' if path not in actual else 'brew has none'}")
            continue
        columns = ["type", "mode", "target", "nlink", "firstlink"]
        if path not in elves and not has_other_bytes(path):
            columns += ["size", "sha256"]
        differences += [f"{path}: {column} is {actual[path][column]}, brew's {expected[path][column]}"
                        for column in columns if actual[path][column] != expected[path][column]]
    return differences


def compare_receipt(name, expected):
    """Fields that brew wrote, but for those that name its host, time or tap."""
    with open(os.path.join(PREFIX, "Cellar", *name.split("--"), "INSTALL_RECEIPT.json"),
              encoding="utf-8") as file:
        text = file.read()
    actual = json.loads(text)
    differences = []
    if list(actual) != list(expected):
        differences.append(f"keys {list(actual)}, brew's {list(expected)}")
    for key in expected:
        if key == "installed_on_request" and name == "bfo-foo--1.2.3":
            continue  # the reference's was poured again, as a dependency of bfo-tool
        if key in ("time", "source", "loaded_from_api", "loaded_from_internal_api",
                   "runtime_dependencies"):
            continue
        if actual.get(key) != expected[key]:
            differences.append(f"{key} is {actual.get(key)!r}, brew's {expected[key]!r}")

    def dependencies(receipt):
        return [dict(entry, full_name=entry["full_name"].rsplit("/", 1)[-1])
                for entry in receipt["runtime_dependencies"]]

    if dependencies(actual) != dependencies(expected):
        differences.append(f"runtime_dependencies are {dependencies(actual)}, brew's {dependencies(expected)}")
    if actual["source"]["versions"] != expected["source"]["versions"]:
        differences.append(f"source.versions is {actual['source']['versions']}")
    if text != json.dumps(actual, indent=2, ensure_ascii=False):
        differences.append("it is not written as brew writes JSON")
    return differences


world = World()
sandbox = Sandbox(world)
for formula in ORDER:
    result = sandbox.run("install", "--target-glibc", GLIBC, formula)
    # A post_install that only Ruby could run is brew's to report as well; it is no failure.
    ok(result.returncode == 0, f"{formula} pours", result.stdout + result.stderr)

sandbox.mount()
manifest = sandbox.path("manifest.tsv")
with open(manifest, "wb") as file:
    subprocess.run([sys.executable, os.path.join(ORACLE, "manifest.py"), PREFIX], stdout=file, check=True)

elves = {}
for row in read_table(os.path.join(ORACLE, "elf.tsv")):
    if row["where"] == "poured":
        elves["Cellar/" + row["path"]] = row
differences = compare_rows(read_table(manifest), read_table(os.path.join(ORACLE, "manifest.tsv")), elves)
ok(not differences, "the mounted prefix is brew's, row by row", "\n".join(differences))

for path, row in elves.items():
    facts = elf_facts(os.path.join(PREFIX, path))
    expected_facts = {column: row[column] for column in facts}
    equal(facts, expected_facts, f"{path} has brew's interpreter, RPATH, SONAME and libraries")

receipts = os.path.join(ORACLE, "receipts")
for file_name in sorted(os.listdir(receipts)):
    with open(os.path.join(receipts, file_name), encoding="utf-8") as file:
        differences = compare_receipt(file_name[:-len(".json")], json.load(file))
    ok(not differences, f"the receipt {file_name} is brew's", "\n".join(differences))

tool = subprocess.run([PREFIX + "/bin/bfo-tool"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
equal(tool.returncode, 0, "a poured program runs, and finds its library by RPATH alone")

leftovers = subprocess.run(["grep", "-rlI", "@@HOMEBREW_", PREFIX], stdout=subprocess.PIPE, text=True).stdout
# A placeholder that brew leaves as well: no openjdk dependency, or a file that the tab does not list.
brew_left = [line for line in leftovers.splitlines()
             if not re.search(r"/\.brew/|sbom\.spdx\.json$", line)]
print("# text files that still hold a placeholder, as in brew's own prefix:", brew_left)

equal(sandbox.umount().returncode, 0, "the prefix is unmounted")
done()
