#!/usr/bin/env python3
"""A sandbox like Lambda's: the system's python3 finds and calls libraries of an export, of this host's glibc and of a
newer one."""

import json
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import SRCDIR, Sandbox, done, enter, equal, ok, says, skip_all
import debian

PYTHON = "/usr/bin/python3"
SEEN = "/mnt/efs/lambda_packages"
# What Lambda's runtimes set (aws-lambda-base-images).
PATH = "/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin"
LIBRARY_PATH = ("/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib")
PACKAGES = ("libexif12", "libproj25", "proj-bin")
NEWER = {"bookworm": "trixie", "trixie": "forky"}

HANDLER = os.path.join(SRCDIR, "installer/aws/lambda/handler.py")

# A root of its own: read-only, without /dev/fuse, compilers and binutils; only /tmp can be written.
SANDBOX = r"""
set -e
mount -t tmpfs -o mode=755 tmpfs "$ROOT"
cd "$ROOT"
mkdir -p usr etc proc dev tmp mnt/efs var/task var/runtime opt
for name in bin sbin lib lib64; do [ ! -L /$name ] || ln -s usr/$name $name; done
mount --rbind /usr usr
mount --bind /etc etc
: >nothing
chmod 644 nothing
for name in gcc cc ld objdump gcc-12 gcc-14; do
	path=$(readlink -f /usr/bin/$name) || continue
	[ ! -f "$path" ] || mount --bind nothing ".$path"
done
[ ! -f /usr/sbin/ldconfig ] || mount --bind nothing usr/sbin/ldconfig
for name in null zero random urandom; do : >dev/$name; mount --bind /dev/$name dev/$name; done
mount -t tmpfs -o mode=1777 tmpfs tmp
mount --bind "$EFS" mnt/efs
mount --bind "$TASK" var/task
for name in usr etc mnt/efs var/task; do mount -o remount,bind,ro $name; done
mount -t proc proc proc
mount -o remount,ro "$ROOT"
exec chroot "$ROOT" setpriv --reuid 65534 --regid 65534 --clear-groups --no-new-privs --bounding-set=-all \
	--inh-caps=-all env -i "$@"
"""

# What the runtime does, and what is looked at in it. Prints JSON.
RUNTIME = r"""
import json, os, subprocess, sys
sys.path.insert(0, "/var/task")
report = {"executable": sys.executable, "path": os.environ["PATH"], "libraries": os.environ.get("LD_LIBRARY_PATH"),
          "encoding": sys.getfilesystemencoding(), "fuse": os.path.exists("/dev/fuse"), "uid": os.getuid()}

def attempt(name, function):
    try:
        report[name] = function()
    except Exception as error:
        report[name] = f"{type(error).__name__}: {error}"

def write(directory):
    with open(os.path.join(directory, "written"), "w") as file:
        file.write("x")
    return "written"

def run(*command):
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return f"{result.returncode} {result.stdout.strip()}"

def handle():
    import handler
    return handler.my_handler({}, None)

def secure():
    import ssl
    return len(ssl.create_default_context().get_ciphers()) > 0

def names():
    import pwd, socket
    return [pwd.getpwuid(os.getuid()).pw_name, socket.getaddrinfo("localhost", 80)[0][4][0] in ("127.0.0.1", "::1")]

def zone():
    import time
    os.environ["TZ"] = "Europe/Berlin"
    time.tzset()
    return time.tzname[0]

attempt("handler", handle)
for directory in ("/", "/mnt/efs/lambda_packages", "/var/task", "/tmp"):
    attempt("write " + directory, lambda: write(directory))
attempt("ssl", secure)
attempt("names", names)
attempt("zone", zone)
attempt("utf-8", lambda: "\u00fc".encode(sys.getfilesystemencoding()).hex())
attempt("shell", lambda: run("/bin/sh", "-c", "echo shell"))
attempt("child", lambda: run(sys.executable, "-c", "print('child')"))
attempt("proj", lambda: run("/mnt/efs/lambda_packages/bin/proj")[:60])
attempt("wrapped child", lambda: run("brewfs-lambda", "python3", "-c",
                                     "import ctypes; print(ctypes.CDLL('libproj.so.25')._name)"))
with open("/proc/self/maps") as maps:
    report["maps"] = sorted({line.split()[-1] for line in maps if "/" in line})
print(json.dumps(report))
"""

enter()
if not os.path.exists(PYTHON):
    skip_all(f"{PYTHON} is not installed")
host = debian.host_suite()
if host not in NEWER:
    skip_all("the libraries of this host's glibc and of a newer one are Debian's; this is neither bookworm nor trixie")
try:
    releases = {"host": debian.Release(host, *PACKAGES), "newer": debian.Release(NEWER[host], *PACKAGES)}
except debian.Unavailable as error:
    skip_all(str(error))


class Lambda:
    """An export of some bottles, and a sandbox in which it is at its place."""

    def __init__(self, bottles, *options):
        self.box = Sandbox()
        self.efs = self.box.path("efs")
        self.task = self.box.path("task")
        self.root = self.box.path("root")
        for directory in (self.efs, self.task, self.root):
            os.mkdir(directory)
        os.chmod(self.box.directory, 0o755)
        shutil.copy(HANDLER, self.task)
        with open(os.path.join(self.task, "runtime.py"), "w", encoding="utf-8") as file:
            file.write(RUNTIME)
        self.box.store = os.path.join(self.efs, "store")
        self.box.environment["BREWFS_STORE"] = self.box.store
        self.box.installs(*bottles, name="the bottles install")
        result = self.box.run("export", os.path.join(self.efs, "lambda_packages"), "--prefix", SEEN, "--json", *options)
        ok(result.returncode == 0, "the prefix is exported", says(result))
        self.report = json.loads(result.stdout or "{}")
        result = self.box.run("env", "--lambda", "--json", os.path.join(self.efs, "lambda_packages"))
        self.environment = json.loads(result.stdout or "{}")

    def run(self, environment, wrapper=False):
        """What the runtime reports; wrapped as Lambda does if the environment says so."""
        variables = {"PATH": PATH, "LD_LIBRARY_PATH": LIBRARY_PATH, "LANG": "en_US.UTF-8", "TZ": ":UTC",
                     "LAMBDA_TASK_ROOT": "/var/task", "LAMBDA_RUNTIME_DIR": "/var/runtime",
                     "PYTHONDONTWRITEBYTECODE": "1", **environment}
        start = [variables["AWS_LAMBDA_EXEC_WRAPPER"]] if "AWS_LAMBDA_EXEC_WRAPPER" in variables else []
        result = subprocess.run(
            ["unshare", "--mount", "--pid", "--net", "--ipc", "--uts", "--fork", "--propagation", "private", "sh", "-c",
             SANDBOX, "sandbox", *[f"{name}={value}" for name, value in variables.items()], *start, PYTHON,
             "/var/task/runtime.py"], env={"PATH": os.environ["PATH"], "ROOT": self.root, "EFS": self.efs,
                                           "TASK": self.task},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=120)
        lines = [line for line in result.stdout.splitlines() if line.startswith('{"executable"')]
        if not lines:
            ok(False, "the runtime runs in the sandbox", says(result))
            return {}
        return json.loads(lines[-1])


def check_libraries(report, name):
    """Both libraries were found by name, called, and are the export's."""
    found = report.get("handler")
    good = isinstance(found, dict) and all(
        found.get(library, {}).get("found") and found[library].get("way") == "find_library"
        and found[library].get("version") and found[library].get("path", "").startswith("/mnt/efs/")
        for library in ("libproj", "libexif"))
    ok(good, name, json.dumps(found, indent=1))


def check_surroundings(report, name):
    refused = [report.get("write " + directory, "") for directory in ("/", SEEN, "/var/task")]
    ok(all("Read-only" in text or "Permission" in text for text in refused) and report.get("write /tmp") == "written"
       and not report.get("fuse") and report.get("uid") == 65534,
       f"{name}: nothing can be written but /tmp, there is no /dev/fuse, and no privilege", json.dumps(report, indent=1))
    equal(report.get("executable"), PYTHON, f"{name}: sys.executable is the interpreter")
    equal((report.get("ssl"), report.get("names"), report.get("zone")), (True, ["nobody", True], "CET"),
          f"{name}: ssl, users, host names and time zones work")
    equal((report.get("encoding"), report.get("utf-8")), ("utf-8", "c3bc"), f"{name}: file names are UTF-8")
    equal((report.get("shell"), report.get("child")), ("0 shell", "0 child"),
          f"{name}: a shell and the interpreter run as children")
    ok(report.get("proj", "").startswith(("0 Rel", "1 Rel")), f"{name}: so does a program of the export",
       report.get("proj"))


# --- libraries that this host's glibc serves ---

host_target = f"glibc={debian.host_glibc()}"
sandbox = Lambda(debian.library_bottles(releases["host"], Sandbox().directory), "--target", host_target)
equal((sandbox.report.get("loader"), sandbox.report.get("needs_newer")), ("host", []),
      "the target has all that they need")
ok("AWS_LAMBDA_EXEC_WRAPPER" not in sandbox.environment, "so no wrapper is set", sandbox.environment)
report = sandbox.run(sandbox.environment)
check_libraries(report, "with brewfs env's variables python3 finds and calls them")
check_surroundings(report, "variables")
report = sandbox.run({"AWS_LAMBDA_EXEC_WRAPPER": f"{SEEN}/bin/brewfs-lambda"})
check_libraries(report, "the wrapper alone does as well")
ok(report.get("path") == f"{PATH}:{SEEN}/bin" and (report.get("libraries") or "").startswith(LIBRARY_PATH + ":")
   and report["libraries"].endswith(f":{SEEN}/lib"), "it appends to what the runtime has set", json.dumps(report, indent=1))
report = sandbox.run({})
ok("find_library" not in json.dumps(report.get("handler")), "without either they are not found by name",
   json.dumps(report.get("handler")))

# --- libraries built against a newer glibc ---

scratch = Sandbox().directory
sandbox = Lambda(debian.library_bottles(releases["newer"], scratch) + debian.runtime_bottles(releases["newer"], scratch),
                 "--target", host_target)
needs = {os.path.basename(entry["path"]): entry["needs"] for entry in sandbox.report.get("needs_newer", [])}
ok(sandbox.report.get("loader") == "brewed" and [name for name in needs if name.startswith("libproj.so")],
   "libproj needs a newer glibc than this host's, so the export runs under its own", json.dumps(needs)[:500])
equal(sandbox.environment.get("AWS_LAMBDA_EXEC_WRAPPER"), f"{SEEN}/bin/brewfs-lambda", "brewfs env says so")
report = sandbox.run({name: sandbox.environment[name] for name in ("PATH", "LD_LIBRARY_PATH")})
found = report.get("handler")
ok("GLIBC" in json.dumps(found), "python3 by itself cannot load it", json.dumps(found))
ok(report.get("proj", "").startswith(("0 Rel", "1 Rel")), "but a program of the export starts by itself, whatever "
   "LD_LIBRARY_PATH says", report.get("proj"))
report = sandbox.run(sandbox.environment)
check_libraries(report, "under the wrapper python3 finds and calls them")
check_surroundings(report, "wrapper")
equal(report.get("libraries"), sandbox.environment["LD_LIBRARY_PATH"], "LD_LIBRARY_PATH stays for children")
ok([path for path in report.get("maps", []) if "Cellar/glibc" in path and "libc.so.6" in path]
   and not [path for path in report.get("maps", []) if path.startswith(("/usr/lib", "/lib")) and "libc.so.6" in path],
   "its libc is the export's", json.dumps(report.get("maps")))
ok("0 libproj.so.25" in report.get("wrapped child", ""), "a child that is wrapped loads them", report.get("wrapped child"))
export = os.path.join(sandbox.efs, "lambda_packages")
size = sum(os.lstat(os.path.join(root, name)).st_size for root, _, names in os.walk(export + "/bin") for name in names
           if name in ("ld", "objdump", "brewfs-lambda")) / 3
ok(size < 2000000, "what answers as ld and objdump is small", size)
result = sandbox.box.run("export", os.path.join(sandbox.efs, "few"), "--prefix", SEEN, "--target", host_target, "--formula",
                         "libexif", "--only", "lib", "--json")
names = os.listdir(os.path.join(sandbox.efs, "few", "Cellar")) if result.returncode == 0 else []
ok("proj" not in names and (json.loads(result.stdout)["loader"] == "host") == ("glibc" not in names),
   "a closure has glibc only if it needs it", says(result))
done()
