"""The API's documents, in both forms, from the descriptions of the formulae.

internal   internal/packages.TAG.jws.json: one document for a bottle tag; what it says is
           decided for that tag, symbols are strings with a leading colon, blank values left out
public     formula/NAME.json: one formula for all tags; the base describes macOS,
           `variations` the rest
"""
import json
import re

from elf import FOREIGN, NATIVE
from formula import CELLAR, SKIP

GHCR = "https://ghcr.io/v2"
SYMBOL = re.compile(r":[a-z_]+\Z")
TAGS = (NATIVE, FOREIGN)


def compact(value):
    """Ruby's deep_compact_blank: no false, 0, "", blank strings, [] or {} at any depth."""
    if isinstance(value, dict):
        value = {key: compact(item) for key, item in value.items()}
        return {key: item for key, item in value.items() if item not in (None, {}, [])}
    if isinstance(value, list):
        return [item for item in map(compact, value) if item not in (None, {}, [])]
    if value in (False, 0) or (isinstance(value, str) and not value.strip()):
        return None
    return value


def escaped(text):
    """A symbol as it is; any other string that begins like one gets a backslash."""
    if SYMBOL.match(text) or text[:1] not in (":", "\\"):
        return text
    return "\\" + text


def bottle_tag(formula, tag):
    """The tag of the bottle that a machine of `tag` pours: its own, else `all`, else None."""
    return next((candidate for candidate in (tag, "all") if candidate in formula.built), None)


def split_dependency(item):
    """(name, tags) of a dependency in either notation."""
    if isinstance(item, str):
        return item, []
    return next(iter(item.items()))


def _symbols(tags):
    symbols = [f":{tag}" for tag in tags]
    return symbols[0] if len(symbols) == 1 else symbols


def _internal_dependency(item):
    name, tags = split_dependency(item)
    tags = [tag for tag in tags if tag != "no_linkage"]     # not kept by the API
    return {name: _symbols(tags)} if tags else name


def _internal_uses(item, bounds):
    name, tags = split_dependency(item)
    bounds = {f":{key}": f":{value}" for key, value in bounds.items()}
    if tags:
        return [{name: _symbols(tags), **bounds}]
    return [name, bounds] if bounds else [name]


MACOS_SYMBOLS = {"13": ":ventura", "14": ":sonoma", "15": ":sequoia", "26": ":tahoe"}


def _internal_requirement(name, version, contexts):
    tags = [MACOS_SYMBOLS[version] if name == "macos" else
            f":{version}" if name == "arch" else version] if version else []
    tags += [f":{context}" for context in contexts]
    return {f":{name}": tags} if tags else f":{name}"


def _state_arguments(state):
    return {f":{key}": escaped(value) for key, value in (state or {}).items()}


def linux_keg_only(formula):
    """What the document for Linux says; the reasons of macOS are in it as they are."""
    return formula.linux_keg_only or formula.keg_only


def _internal_service(service):
    if not service:
        return {}
    rest = {key: value for key, value in service.items() if key != "run"}
    arguments = [[f":{key}", {f":{inner}": value for inner, value in item.items()}
                  if isinstance(item, dict) else f":{item}" if key == "run_type" else item]
                 for key, item in rest.items()]
    return {"service_args": arguments, "service_run_args": [service["run"]]}


def internal(formula, tag):
    """One value of the packages document's `formulae`."""
    document = {
        "stable_version": formula.version, "revision": formula.revision,
        "version_scheme": formula.version_scheme,
        "compatibility_version": formula.compatibility_version,
        "aliases": formula.aliases, "oldnames": formula.oldnames,
        "versioned_formulae": formula.versioned_formulae, "caveats": formula.caveats,
        "conflicts": [[name, {":because": because}] if because else [name]
                      for name, because in formula.conflicts],
        "deprecate_args": _state_arguments(formula.deprecated),
        "disable_args": _state_arguments(formula.disabled),
        "desc": formula.desc, "homepage": f"http://127.0.0.1/{formula.name}",
        "license": formula.license, "link_overwrite_paths": formula.link_overwrite,
        "keg_only_args": [escaped(text) for text in linux_keg_only(formula) or ()],
        "post_install_defined": formula.post_install_defined,
        "post_install_steps": formula.steps, "ruby_source_checksum": "5" * 64,
        "pour_bottle_args": {":only_if": formula.pour_only_if and f":{formula.pour_only_if}"},
        "stable_dependencies":
            [_internal_dependency(item)
             for item in formula.dependencies + formula.linux_dependencies]
            + [_internal_requirement(*requirement) for requirement in formula.requirements],
        "stable_uses_from_macos": [_internal_uses(*item) for item in formula.uses_from_macos],
        "stable_checksum": "7" * 64, "stable_url_args": [f"http://127.0.0.1/{formula.name}.tar.gz"],
        **_internal_service(formula.service), **_internal_bottle(formula, tag)}
    return compact(document)


def _internal_bottle(formula, tag):
    chosen = bottle_tag(formula, tag)
    if not chosen:
        return {}
    return {"bottle_rebuild": formula.rebuild, "bottle_checksum": formula.built[chosen].sha256,
            "bottle_cellar": formula.cellar if formula.cellar != SKIP else None,
            "bottle_tag": f":{chosen}" if chosen != tag else None}


def packages(formulae, tag, extra=None):
    """The payload of internal/packages.TAG.jws.json. `extra`: further entries, by name."""
    core = [formula for formula in formulae if formula.tap == "homebrew/core"]
    entries = {formula.name: internal(formula, tag) for formula in core}
    entries.update(extra or {})
    return {
        "metadata": {"homebrew_version": "6.0.18", "bottle_tag": tag,
                     "generated_at": "2026-08-22T00:00:00Z"},
        "formulae": dict(sorted(entries.items())),
        "casks": {"world-cask": {"desc": "A cask", "version": "1.0", "sha256": "9" * 64}},
        "formula_aliases": {alias: formula.name for formula in core for alias in formula.aliases},
        "formula_renames": {old: formula.name for formula in core for old in formula.oldnames},
        "cask_renames": {}, "formula_tap_git_head": "b871900717ccbb3508ca93fa56e128940b9bd371",
        "cask_tap_git_head": "030eea17b14b437b0a7b96f4dbc9473cce4be31c",
        "formula_tap_migrations": {"md-migrated": "example/tools", "md-moved-away": "other/tap"},
        "cask_tap_migrations": {}, "a_key_of_the_future": {"with": ["anything", {"in": "it"}]},
        "remarks": "größer, 日本語, \U0001f37a, \\ \" / and a tab\t"}


def _public_bottle(formula):
    if not formula.built:
        return {}
    url = f"{GHCR}/{formula.image}/blobs/sha256:"
    files = {tag: {"cellar": formula.cellar, "url": url + bottle.sha256, "sha256": bottle.sha256}
             for tag, bottle in formula.built.items()}
    if "all" not in files:
        files["arm64_tahoe"] = {"cellar": "/opt/homebrew/Cellar", "url": url + "a" * 64,
                                "sha256": "a" * 64}
    return {"stable": {"rebuild": formula.rebuild, "root_url": f"{GHCR}/{formula.tap}",
                       "files": files}}


def _by_tag(items, tag):
    return [name for name, tags in map(split_dependency, items) if tag in tags]


def _plain(items):
    special = {"build", "test", "recommended", "optional"}
    return [name for name, tags in map(split_dependency, items) if not special & set(tags)]


def _keg_only_fields(reason):
    return {"keg_only": bool(reason),
            "keg_only_reason": {"reason": reason[0], "explanation": reason[1]} if reason else None}


def _variations(formula):
    """What differs on Linux from the base, which describes macOS."""
    changes = {}
    if formula.linux_dependencies:
        changes["dependencies"] = _plain(formula.dependencies + formula.linux_dependencies)
    if formula.linux_keg_only:
        changes.update(_keg_only_fields(formula.linux_keg_only))
    return {tag: changes for tag in TAGS if changes}


def _state_fields(word, noun, state):
    because = (state or {}).get("because")
    return {word: bool(state), f"{noun}_date": (state or {}).get("date"),
            f"{noun}_reason": because.lstrip(":") if because else None,
            f"{noun}_replacement_formula": (state or {}).get("replacement_formula"),
            f"{noun}_replacement_cask": None}


def public(formula):
    """formula/NAME.json."""
    full_name = formula.name if formula.tap == "homebrew/core" else f"{formula.tap}/{formula.name}"
    return {
        "name": formula.name, "full_name": full_name, "tap": formula.tap,
        "oldnames": formula.oldnames, "aliases": formula.aliases,
        "versioned_formulae": formula.versioned_formulae, "desc": formula.desc,
        "license": formula.license, "homepage": f"http://127.0.0.1/{formula.name}",
        "versions": {"stable": formula.version, "head": None, "bottle": bool(formula.built)},
        "urls": {"stable": {"url": f"http://127.0.0.1/{formula.name}.tar.gz", "tag": None,
                            "revision": None, "using": None, "checksum": "7" * 64}},
        "revision": formula.revision, "version_scheme": formula.version_scheme,
        "compatibility_version": formula.compatibility_version,
        "bottle": _public_bottle(formula), "pour_bottle_only_if": formula.pour_only_if,
        **_keg_only_fields(formula.keg_only), "options": [],
        "build_dependencies": _by_tag(formula.dependencies, "build"),
        "dependencies": _plain(formula.dependencies),
        "test_dependencies": _by_tag(formula.dependencies, "test"),
        "recommended_dependencies": _by_tag(formula.dependencies, "recommended"),
        "optional_dependencies": _by_tag(formula.dependencies, "optional"),
        "uses_from_macos": [_public_uses(item) for item, _ in formula.uses_from_macos],
        "uses_from_macos_bounds": [bounds for _, bounds in formula.uses_from_macos],
        "requirements": [{"name": name, "cask": None, "download": None, "version": version,
                          "contexts": contexts, "specs": ["stable", "head"]}
                         for name, version, contexts in formula.requirements],
        "conflicts_with": [name for name, _ in formula.conflicts],
        "conflicts_with_reasons": [because for _, because in formula.conflicts],
        "link_overwrite": formula.link_overwrite, "caveats": formula.caveats, "installed": [],
        "linked_keg": None, "pinned": False, "outdated": False,
        **_state_fields("deprecated", "deprecation", formula.deprecated),
        "deprecate_args": formula.deprecated,
        **_state_fields("disabled", "disable", formula.disabled), "disable_args": formula.disabled,
        "post_install_steps": formula.steps, "post_install_defined": formula.post_install_defined,
        "service": formula.service, "tap_git_head": "b871900717ccbb3508ca93fa56e128940b9bd371",
        "ruby_source_path": f"Formula/{formula.name[0]}/{formula.name}.rb",
        "ruby_source_checksum": {"sha256": "5" * 64}, "variations": _variations(formula)}


def _public_uses(item):
    name, tags = split_dependency(item)
    return {name: tags[0] if len(tags) == 1 else tags} if tags else name


def from_derived(records):
    """A packages payload for the real formulae that the derived metadata describes."""
    def entry(record):
        chosen = next((tag for tag in (NATIVE, "all") if tag in record["files"]), None)
        file = record["files"].get(chosen, {})
        reason = re.match(r'(:\w+|"[^"]*")', record["keg_only"] or "")
        return compact({
            "stable_version": record["stable"], "revision": record["revision"],
            "bottle_rebuild": record["rebuild"], "bottle_checksum": file.get("sha256"),
            "bottle_cellar": file.get("cellar") if file.get("cellar") != SKIP else None,
            "bottle_tag": ":all" if chosen == "all" else None,
            "stable_dependencies": record["linux_runtime_dependencies"]
            + [{name: ":build"} for name in record["build_or_test"]],
            "keg_only_args": [reason.group(1).strip('"')] if reason else [],
            "link_overwrite_paths": record["link_overwrite"], "desc": record["name"]})

    usable = {name: record for name, record in records.items() if record["stable"]}
    return packages([], NATIVE, {name: entry(record) for name, record in usable.items()})


def filler(count):
    """Entries of made-up formulae, so that a document is as big as the real one."""
    names = [f"filler-{number:05d}" for number in range(count)]
    return {name: {
        "stable_version": f"{number % 9}.{number % 31}.{number % 7}",
        "desc": f"Filler {number} " * 6,
        "homepage": f"https://example.com/projects/{name}/index.html", "license": "Apache-2.0",
        "bottle_checksum": f"{number * 2654435761 % 2 ** 64:064x}", "bottle_cellar": CELLAR,
        "stable_dependencies": names[max(0, number - number % 7):number] + [
            {"cmake": ":build"}, {"pkgconf": [":build", ":test"]}],
        "stable_url_args": [f"https://example.com/downloads/{name}/{name}-{number}.tar.xz"],
        "stable_checksum": f"{number * 40503:064x}", "ruby_source_checksum": f"{number:064x}",
        "executables": [f"{name}-tool-{index}" for index in range(30)],
        "caveats": f"To use {name}, read its manual in $HOMEBREW_PREFIX/share/doc/{name}.\n" * 24,
    } for number, name in enumerate(names)}


def text(document):
    """JSON as Ruby's generate writes it: no spaces, UTF-8 as it is."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))
