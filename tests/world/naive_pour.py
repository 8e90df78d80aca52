"""A naive pour, to see that the world's bottles work: into a short prefix, with opt links only.

Placeholders become the prefix: in listed text files as they are, in ELF strings padded with NULs,
which works because the prefix is shorter than the placeholder. Compiled-in paths get slashes.
"""
import os
import re
import subprocess

from elf import PLACEHOLDER, PREFIX

STRING = re.compile(PLACEHOLDER.encode() + rb"[^\0]*\0")
LOADERS = ("/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1")


class Prefix:
    """A prefix below /tmp that kegs are poured into."""

    def __init__(self, directory):
        if len(directory) > len(PLACEHOLDER):
            raise ValueError(f"{directory} is longer than the placeholder")
        self.directory, self.name = directory, directory.encode()
        for part in ("Cellar", "opt", "lib"):
            os.makedirs(os.path.join(directory, part))
        loader = next(path for path in LOADERS if os.path.exists(path))
        os.symlink(loader, os.path.join(directory, "lib", "ld.so"))

    def path(self, *parts):
        """A path in the prefix."""
        return os.path.join(self.directory, *parts)

    def pour(self, name, version, bottle, changed_files):
        """Unpacks one bottle, puts the prefix into its files, makes the opt link."""
        subprocess.run(["tar", "--extract", "--no-same-owner", "--gzip", "--file", bottle,
                        "--directory", self.path("Cellar")], check=True)
        keg = self.path("Cellar", name, version)
        for path in changed_files:
            self._rewrite(os.path.join(keg, path), self._text)
        for root, _, names in os.walk(keg):
            for path in (os.path.join(root, entry) for entry in names):
                if not os.path.islink(path) and self._is_elf(path):
                    self._rewrite(path, self._elf)
        os.symlink(f"../Cellar/{name}/{version}", self.path("opt", name))

    @staticmethod
    def _is_elf(path):
        with open(path, "rb") as file:
            return file.read(4) == b"\x7fELF"

    @staticmethod
    def _rewrite(path, change):
        mode = os.stat(path).st_mode
        os.chmod(path, mode | 0o200)
        with open(path, "r+b") as file:
            data = change(file.read())
            file.seek(0)
            file.truncate()
            file.write(data)
        os.chmod(path, mode & 0o7777)

    def _text(self, data):
        return data.replace(b"@@HOMEBREW_CELLAR@@", self.name + b"/Cellar").replace(
            PLACEHOLDER.encode(), self.name)

    def _elf(self, data):
        short = lambda match: match.group(0).replace(PLACEHOLDER.encode(), self.name).ljust(
            len(match.group(0)), b"\0")
        data = STRING.sub(short, data)
        return data.replace(PREFIX.encode(), self.name.ljust(len(PREFIX), b"/"))
