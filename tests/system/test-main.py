#!/usr/bin/env python3
"""The main job: a Brewfile's closure is poured, mounted at Homebrew's place, and used."""

import json
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import PREFIX, Sandbox, World, done, enter, equal, ok, wait_for

# proj's closure on Linux, in homebrew-core of August 2026.
PROJ_CLOSURE = sorted(
    "jpeg-turbo giflib zlib-ng-compat libpng webp xz lz4 zstd libtiff brotli libnghttp2 libnghttp3 ca-certificates"
    " openssl@3 libngtcp2 libunistring libidn2 libpsl libssh2 keyutils krb5 ncurses readline libxcrypt sqlite"
    " util-linux cyrus-sasl openldap curl proj".split())

enter()
world = World()
sandbox = Sandbox(world)
environment = dict(os.environ, PATH=os.environ["PATH"] + f":{PREFIX}/bin",
                   PKG_CONFIG_PATH=f"{PREFIX}/lib/pkgconfig")
environment.pop("LD_LIBRARY_PATH", None)


def shell(command, **options):
    return subprocess.run(["bash", "-c", command], env=environment, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, errors="surrogateescape", timeout=300, **options)


def works(command, name):
    result = shell(command)
    ok(result.returncode == 0, name, f"{command}\nexit status {result.returncode}\n{result.stdout}{result.stderr}")
    return result.stdout


# --- install ---

brewfile = sandbox.path("Brewfile")
with open(brewfile, "w", encoding="utf-8") as file:
    file.write('# libraries\nbrew "proj"\nbrew "libexif", link: true\ncask "firefox" if OS.mac?\n')

result = sandbox.run("install", "-n", "--target-glibc", "2.41", "--file", brewfile)
ok(result.returncode == 0 and "proj" in result.stdout, "a dry run says what would be done", result.stdout + result.stderr)
equal(sandbox.generation(), 0, "and does nothing")

result = sandbox.run("install", "--target-glibc", "2.41", "--file", brewfile)
ok(result.returncode == 0, "a Brewfile is installed", result.stdout + result.stderr)
equal(sandbox.generation(), 1, "as one generation")
equal(sandbox.run("list").stdout.split(), sorted(PROJ_CLOSURE + ["libexif"]),
      "proj's closure is the thirty names, and libexif")

before = len(world.log())
start = time.monotonic()
result = sandbox.run("install", "--file", brewfile)
ok(result.returncode == 0, "installing it again succeeds", result.stdout + result.stderr)
print(f"# in {1000 * (time.monotonic() - start):.0f} ms")
equal(sandbox.generation(), 1, "without a new generation")
equal([entry for entry in world.log()[before:] if "/blobs/" in entry.get("path", "")], [], "and without a download")

# --- mount and use ---

sandbox.mount()
text = works("proj", "proj runs from the prefix, by RPATH alone")
ok("libtiff" in text and "sqlite" in text, "and loads what is below it", text)
works(f"test -L {PREFIX}/lib/libproj.so && test -L {PREFIX}/opt/proj", "links are links")
flags = works("pkg-config --cflags --libs proj", "pkg-config knows proj")
ok(PREFIX in flags, "at its place in the prefix", flags)
with open(sandbox.path("use.c"), "w", encoding="utf-8") as file:
    file.write('#include <stdio.h>\nconst char *proj_version(void);\n'
               'int main(void) { puts(proj_version()); return 0; }\n')
works(f"cd {sandbox.directory} && gcc use.c -o use $(pkg-config --cflags --libs proj) -Wl,-rpath,{PREFIX}/lib && ./use",
      "a program is compiled and linked against it, and runs")
# Not proj: the interpreter may have the host's libz, whose name the world's only bears.
works(f"/usr/bin/python3 -c \"import ctypes; ctypes.CDLL('{PREFIX}/lib/libexif.so.12');"
      f" ctypes.CDLL('{PREFIX}/lib/libidn2.so.0').unistring_version\"", "ctypes loads a library and what is below it")
works(f"ls -lR {PREFIX} | tail -1", "ls -lR")
works(f"find {PREFIX} -xtype l -not -path '*/var/homebrew/*' | head", "find")
works(f"tar c -C {PREFIX} . | tar t >/dev/null", "tar")
copy = sandbox.path("copy")
works(f"cp -a {PREFIX} {copy} && rsync -a --dry-run --checksum --itemize-changes --omit-dir-times {PREFIX}/ {copy}/"
      " | tee /dev/stderr | wc -l | grep -qx 0", "rsync sees a copy as equal, byte for byte")
works(f"cd {PREFIX}/opt/proj/share && git grep --no-index -q 'of proj'", "git grep")
result = shell(f"touch {PREFIX}/new")
ok(result.returncode != 0 and "Read-only" in result.stderr, "the mount is read-only", result.stderr)
works(f"df {PREFIX}", "df")

# --- live ---

handle = open(f"{PREFIX}/bin/proj", "rb")
first = handle.read(16)
sandbox.must("install", "jq")
ok(wait_for(lambda: os.path.exists(f"{PREFIX}/bin/jq"), 10), "an install shows up in the mount within seconds")
handle.seek(0)
equal(handle.read(16), first, "an open file stays right")
handle.close()
works("jq", "the new program runs")

# --- several kinds of request ---

result = sandbox.run("install", "no-such-formula")
ok(result.returncode == 1 and "no-such-formula" in result.stderr, "an unknown formula is an error that names it", result.stderr)
result = sandbox.run("install", "--no-such-option")
equal(result.returncode, 2, "a wrong option is a usage error")
with open(brewfile, "a", encoding="utf-8") as file:
    file.write("system 'reboot'\n")
result = sandbox.run("install", "--file", brewfile)
ok(result.returncode == 1 and "Brewfile:5" in result.stderr, "what a Brewfile must not say is told by line", result.stderr)
result = sandbox.run("install", "--json", "md-all")
ok(result.returncode == 0, "--json", result.stderr)
document = json.loads(result.stdout)
ok(document.get("generation") == sandbox.generation(), "tells the generation", result.stdout)

result = sandbox.run("install", "po-twin-a", "po-twin-b")
ok(result.returncode == 0, "two formulae at once", result.stdout + result.stderr)
du = sandbox.json("du")
ok(isinstance(du, dict) and du, "du tells of bytes", str(du))
equal(sandbox.run("fsck").returncode, 0, "the store is sound")

# --- another architecture in the same store ---

result = sandbox.run("install", "--ref", "arm64_linux", "--target-glibc", "2.41", "jq")
ok(result.returncode == 0, "bottles of the other architecture pour on this one", result.stdout + result.stderr)
equal(sandbox.run("list", "--ref", "arm64_linux").stdout.split(), ["jq", "oniguruma"], "into a prefix of its own")

# --- a host with an old glibc ---

old = sandbox.path("old-store")
result = sandbox.run("install", "--store", old, "--target-glibc", "2.34", "libexif")
ok(result.returncode == 0, "a target with glibc 2.34", result.stdout + result.stderr)
names = sandbox.run("list", "--store", old).stdout.split()
ok("glibc" in names and "gcc" in names, "gets Homebrew's own glibc and gcc", str(names))

equal(sandbox.umount().returncode, 0, "umount")
ok(not os.path.ismount(PREFIX), "the prefix is unmounted")
done()
