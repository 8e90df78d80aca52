"""Formulae that differ between the two stages of the API: /api is stage 1, /api2 is stage 2."""
from formula import Formula, Text


def _version(name, version, stage, exercises, text=None, **fields):
    files = fields.pop("files", {})
    files = {f"share/{name}/version": f"{text or version}\n",
             f"bin/{name}": Text(f"#!/bin/sh\necho {name} {version}\n"), **files}
    return Formula(name, version, exercises, files, stages=(stage,), **fields)


def _configuration(version, default):
    return {".bottle/etc/up-etc/main.conf": default,
            ".bottle/etc/up-etc/same.conf": "the same in every version\n",
            ".bottle/etc/up-etc/sub/deep.conf": f"deep {version}\n",
            ".bottle/var/up-etc/seed": f"seed {version}\n"}


def formulae():
    """Pairs, old and new."""
    return [
        _version("up-library", "1.0", 1, "1.0 in stage 1, 1.1 in stage 2"),
        _version("up-library", "1.1", 2, "1.1: up-tool 1.1 records it as needed"),
        _version("up-tool", "1.0", 1, "needs up-library; its upgrade pulls in the newer one",
                 dependencies=["up-library"]),
        _version("up-tool", "1.1", 2, "records up-library 1.1", dependencies=["up-library"]),
        _version("up-rebuilt", "1.0", 1, "a new rebuild in stage 2: not outdated",
                 text="built once"),
        _version("up-rebuilt", "1.0", 2, "rebuild 1", text="built twice", rebuild=1),
        _version("up-revised", "1.0", 1, "revision 1 in stage 2"),
        _version("up-revised", "1.0", 2, "revision 1: keg 1.0_1", revision=1),
        _version("up-schemed", "2025.1", 1, "a smaller version with a greater version_scheme"),
        _version("up-schemed", "2.0", 2, "version_scheme 1: newer than 2025.1", version_scheme=1),
        _version("up-before", "1.0", 1, "renamed to up-after in stage 2"),
        _version("up-after", "1.1", 2, "oldnames up-before", oldnames=["up-before"]),
        _version("up-etc", "1.0", 1, "etc and var: new defaults in stage 2, .default rules",
                 files=_configuration("1.0", "default one\n")),
        _version("up-etc", "2.0", 2, "etc and var of the new version",
                 files=_configuration("2.0", "default two\n")),
        _version("up-fading", "1.0", 1, "deprecated in stage 2"),
        _version("up-fading", "1.0", 2, "deprecated now",
                 deprecated={"date": "2026-09-01", "because": ":unmaintained"}),
        _version("up-gone", "1.0", 1, "leaves the API in stage 2"),
        _version("up-new", "1.0", 2, "new in stage 2"),
    ]
