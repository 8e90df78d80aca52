"""The description of a formula: what its documents say and what its bottle holds."""
from dataclasses import dataclass, field

from elf import NATIVE

CELLAR = "/home/linuxbrew/.linuxbrew/Cellar"
ANY = ":any"
SKIP = ":any_skip_relocation"


@dataclass
class Text:
    """A regular file. Where no mode is given: 0644, and 0555 where it begins with `#!`."""
    data: object                     # str or bytes
    mode: int | None = None


@dataclass
class Link:
    """A symbolic link."""
    target: str


@dataclass
class Hard:
    """A hard link to another path of the same keg."""
    path: str


@dataclass
class Dir:
    """A directory; parents need not be named."""
    mode: int = 0o755


@dataclass
class Formula:
    """One formula at one version. Dependencies are names, or {name: [tags]} for build and the like.

    `files` is a dictionary of path -> Text, Link, Hard, Dir, Elf or plain str, or a function of the
    bottle tag that returns one. `linux` and `macos` are differences between the document for Linux
    and the public document's base, which describes macOS.
    """
    name: str
    version: str = "1.0"
    exercises: str = ""
    files: object = field(default_factory=dict)
    revision: int = 0
    rebuild: int = 0
    version_scheme: int = 0
    compatibility_version: int | None = None
    tags: tuple = (NATIVE,)
    cellar: str = SKIP
    dependencies: list = field(default_factory=list)
    linux_dependencies: list = field(default_factory=list)
    uses_from_macos: list = field(default_factory=list)   # (name or {name: tags}, bounds)
    requirements: list = field(default_factory=list)      # (name, version, contexts)
    keg_only: tuple | None = None                         # (reason, explanation)
    linux_keg_only: tuple | None = None                   # where Linux has another reason
    aliases: list = field(default_factory=list)
    oldnames: list = field(default_factory=list)
    versioned_formulae: list = field(default_factory=list)
    conflicts: list = field(default_factory=list)         # (name, because or None)
    link_overwrite: list = field(default_factory=list)
    steps: list = field(default_factory=list)
    post_install_defined: bool = False
    deprecated: dict | None = None
    disabled: dict | None = None
    caveats: str | None = None
    service: dict | None = None
    pour_only_if: str | None = None
    desc: str = "Part of the test world"
    license: str | None = "MIT"
    tap: str = "homebrew/core"
    stages: tuple = (1, 2)           # the API documents it stands in
    tab: object = field(default_factory=dict)   # overrides; None: no tab in the registry
    raw: object = None               # function of the top directory returning the bottle's bytes
    annotations: dict = field(default_factory=dict)       # overrides; None removes
    expect: str = ""                 # hostile bottles: accept, refuse or either
    built: dict = field(default_factory=dict, repr=False) # tag -> Bottle, filled by the build

    @property
    def pkg_version(self):
        """The keg's directory name."""
        return f"{self.version}_{self.revision}" if self.revision else self.version

    @property
    def top(self):
        """The directory every member of its bottle lies below."""
        return f"{self.name}/{self.pkg_version}"

    @property
    def image(self):
        """Its repository in the registry: `@` starts a component, `+` is written `x`."""
        root = self.tap if self.tap == "homebrew/core" else self.tap.replace("homebrew-", "")
        return f"{root}/{self.name.replace('@', '/').replace('+', 'x')}"

    @property
    def index_tag(self):
        """The registry's tag of the image index."""
        return self.pkg_version + (f"-{self.rebuild}" if self.rebuild else "")

    def ref_name(self, tag):
        """The name of one bottle within the image index."""
        return f"{self.pkg_version}.{tag}" + (f".{self.rebuild}" if self.rebuild else "")

    def file_name(self, tag, dash="--"):
        """A local bottle's file name; with one dash, a flat mirror's."""
        rebuild = f".{self.rebuild}" if self.rebuild else ""
        return f"{self.name}{dash}{self.pkg_version}.{tag}.bottle{rebuild}.tar.gz"

    def run_time_names(self):
        """Dependencies a pour on Linux needs: not build, test or optional; uses_from_macos too."""
        used = [item for item, _ in self.uses_from_macos]
        return [name for item in self.dependencies + self.linux_dependencies + used
                for name, tags in ([(item, [])] if isinstance(item, str) else item.items())
                if not {"build", "test", "optional"} & set(tags)]
