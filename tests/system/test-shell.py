#!/usr/bin/env python3
"""brewfs shell: the prefix writable for one command, by root and by an ordinary user, and what becomes of it."""

import os
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import BREWFS, PREFIX, Sandbox, done, enter, equal, ok, says

MKSTORE = os.path.join(os.environ.get("builddir") or os.path.dirname(BREWFS), "tests", "index", "mkstore")
NOBODY = 4321

enter()
box = Sandbox()
seed = box.path("seed")
os.makedirs(os.path.join(seed, "bin"))
with open(os.path.join(seed, "bin", "hello"), "w", encoding="ascii") as file:
    file.write("#!/bin/sh\necho hello\n")
os.chmod(file.name, 0o755)
subprocess.run([MKSTORE, box.store, "x86_64_linux", seed], check=True)
REF = ("--ref", "x86_64_linux")


def shell(*arguments, where=box, **options):
    return where.run("shell", *REF, *arguments, **options)


def sessions(where=box):
    return sorted(os.listdir(where.environment["BREWFS_SESSIONS"]))


def script(text):
    return "--", "sh", "-c", text


# --- what the command sees ---

result = shell(*script("hello; echo $HOMEBREW_PREFIX $HOMEBREW_CELLAR $HOMEBREW_REPOSITORY; echo $BREWFS_SESSION"))
lines = result.stdout.splitlines()
equal(lines[:2], ["hello", f"{PREFIX} {PREFIX}/Cellar {PREFIX}/Homebrew"], "the prefix is there, on the PATH, and named")
ok(lines[2].startswith("shell-"), "the session has a name of its own", says(result))
equal(sessions(), [], "a session in which nothing was changed is not kept")
ok(not os.path.ismount(PREFIX), "nobody else sees the mount")
for command, status in ((("sh", "-c", "exit 7"), 7), (("sh", "-c", "kill -9 $$"), 137), (("no-such-command",), 127),
                        (("/etc/passwd",), 126)):
    equal(shell("--", *command).returncode, status, f"the exit status of {' '.join(command)} is passed on")
result = shell(environment={"SHELL": "/bin/echo"})
ok(result.returncode == 0 and PREFIX in result.stdout, "without a command it is the user's shell", says(result))

# --- commit, discard, keep ---

generation = box.generation()
result = shell("--commit", "-m", "from a shell", *script(f"mkdir {PREFIX}/etc && echo one > {PREFIX}/etc/x"))
ok(result.returncode == 0 and box.generation() == generation + 1, "--commit publishes a generation", says(result))
ok("from a shell" in box.run("log", *REF).stdout, "with its message")
equal(sessions(), [], "and nothing is left")
result = shell("--commit", *script(f"echo two > {PREFIX}/etc/x; exit 5"))
ok(result.returncode == 5 and "nothing is committed" in result.stderr, "a command that fails commits nothing", says(result))
equal(box.generation(), generation + 1, "and publishes nothing")
equal(len(sessions()), 1, "its session is kept")
kept = sessions()[0]
ok(kept in result.stdout + result.stderr, "and named", says(result))
result = shell("--session", kept, *script(f"cat {PREFIX}/etc/x"))
equal(result.stdout.splitlines()[0], "two", "so that one can go on with it")
result = box.run("session", "discard", kept)
ok(result.returncode == 0 and sessions() == [], "or discard it", says(result))
result = shell("--discard", *script(f"rm -r {PREFIX}/bin; ls {PREFIX}"))
equal((result.returncode, result.stdout.split(), sessions()), (0, ["etc"], []), "--discard leaves nothing")
result = shell("--session", "mine", "--commit", *script(f"echo three > {PREFIX}/etc/x"))
ok(result.returncode == 0 and sessions() == ["mine"], "a session that was named stays after its commit", says(result))
result = shell("--session", "mine", *script(f"cat {PREFIX}/etc/x; echo four > {PREFIX}/etc/x"))
equal(result.stdout.splitlines()[0], "three", "and has what was committed")
shell("--commit", *script(f"echo five > {PREFIX}/etc/x"))
before = box.generation()
result = shell("--session", "mine", "--commit", *script("true"))
ok(result.returncode == 1 and "is current" in result.stdout and "etc/x" in result.stderr and box.generation() == before,
   "a conflict is told, nothing is published, and the session is kept", says(result))
ok(box.run("session", "discard", "mine").returncode == 0, "until it is discarded")
shell("--session", "brew", "--commit", *script(f"mkdir {PREFIX}/Homebrew; echo repository > {PREFIX}/Homebrew/x"))
shell("--commit", *script(f"echo six > {PREFIX}/etc/x"))
result = shell("--session", "brew", *script(f"cat {PREFIX}/etc/x {PREFIX}/Homebrew/x"))
equal([line for line in result.stdout.splitlines() if "ession" not in line], ["six", "repository"],
      "a session without changes begins with what is current, and keeps what no commit takes")
box.run("session", "discard", "brew")

# --- mistakes ---

equal(shell("--commit", "--discard").returncode, 2, "both --commit and --discard make no sense")
equal(shell("-m", "x", "--", "true").returncode, 2, "nor does a message without a commit")
for arguments, words in ((("--session", "../x"), "not a name for a session"), (("--store", "/nowhere"), "/nowhere")):
    result = shell(*arguments, "--", "true")
    ok(result.returncode == 1 and words in result.stderr, f"{' '.join(arguments)} is refused", says(result))
holder = subprocess.Popen([BREWFS, "shell", *REF, "--session", "held", "--", "sh", "-c", "echo; exec sleep 60"],
                          env=box.environment, stdout=subprocess.PIPE)
holder.stdout.readline()
result = shell("--session", "held", "--", "true")
ok(result.returncode == 1 and "held" in result.stderr, "two shells cannot have one session", says(result))

# --- signals ---

holder.send_signal(signal.SIGTERM)
equal(holder.wait(30), 128 + signal.SIGTERM, "SIGTERM is passed on to the command, whose end is the shell's")
result = shell("--session", "held", "--discard", "--", "true")
equal(result.returncode, 0, "and the session is free again")
holder = subprocess.Popen([BREWFS, "shell", *REF, "--session", "held", "--", "sh", "-c",
                           f"echo kept > {PREFIX}/etc/kept; sync; echo; exec sleep 60"],
                          env=box.environment, stdout=subprocess.PIPE, start_new_session=True)
holder.stdout.readline()
holder.kill()
holder.wait()
subprocess.run(["pkill", "-9", "-s", str(holder.pid)], check=False)
for _ in range(100):
    result = shell("--session", "held", *script(f"cat {PREFIX}/etc/kept"))
    if result.returncode == 0:
        break
    time.sleep(0.1)
equal(result.stdout.splitlines()[:1], ["kept"], "a shell that was killed leaves its session whole, and free")
box.run("session", "discard", "held")

# --- isolation ---

result = shell("--isolated", "--discard", *script(
    "pwd; echo $HOME $TMPDIR; env | grep -c BREWFS; sed 1,2d /proc/self/net/dev | grep -vc lo:; touch /tmp/x && echo tmp;"
    f"touch {PREFIX}/etc/y && echo prefix; for place in / /usr /root /var/tmp {box.directory}; do"
    " touch $place/brewfs-test 2>/dev/null && echo $place; done; true"), cwd=box.directory)
equal(result.stdout.splitlines(), ["/tmp", "/tmp /tmp", "0", "0", "tmp", "prefix"],
      "--isolated: a clean environment, no network, and nothing writable but the prefix and /tmp")

# --- an ordinary user ---


def as_user(directory, *arguments):
    """The command run by a user to whom /dev/fuse is open, as udev has it, and whose prefix has no directory yet."""
    device = box.path("fuse")
    if not os.path.exists(device):
        os.mknod(device, 0o020666, os.makedev(10, 229))
        os.chmod(device, 0o666)
    environment = dict(box.environment, HOME=directory, BREWFS_STORE=f"{directory}/store",
                       BREWFS_CACHE=f"{directory}/cache", BREWFS_SESSIONS=f"{directory}/sessions")
    return subprocess.run(
        ["unshare", "-m", "sh", "-c",
         f"mount --bind {device} /dev/fuse && mount -t tmpfs -o mode=0755 none /home && touch /home/there &&"
         f" exec setpriv --reuid={NOBODY} --regid={NOBODY} --clear-groups \"$@\"", "sh", *arguments],
        env=environment, text=True, capture_output=True, check=False, cwd="/")


def user_namespaces():
    """Why an ordinary user cannot have one here, or None."""
    tried = subprocess.run(["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "unshare", "-Um",
                            "true"], check=False, capture_output=True)
    return None if tried.returncode == 0 else "the kernel does not let ordinary users make a user namespace"


home = box.path("home")
os.chmod(box.directory, 0o755)
os.makedirs(home)
os.chown(home, NOBODY, NOBODY)
shutil.copy(BREWFS, home)
shutil.copy(MKSTORE, home)
reason = user_namespaces()
if reason:
    ok(True, f"a user who is not root # SKIP {reason}")
else:
    as_user(home, f"{home}/mkstore", f"{home}/store", "x86_64_linux", seed)
    result = as_user(home, f"{home}/brewfs", "shell", *REF, "--commit", "--", "sh", "-c",
                     f"hello; id -u; ls /home; mkdir {PREFIX}/etc; echo mine > {PREFIX}/etc/x; stat -c %u {PREFIX}/etc/x")
    ok(result.returncode == 0, "a user who is not root has it as well", says(result))
    equal(result.stdout.splitlines()[:5], ["hello", str(NOBODY), "linuxbrew", "there", str(NOBODY)],
          "is who he was, sees all that was beside the prefix, and owns what he makes")
    result = as_user(home, f"{home}/brewfs", "shell", *REF, "--isolated", "--discard", "--", "sh", "-c",
                     f"cat {PREFIX}/etc/x; touch {home}/no 2>/dev/null || echo protected")
    equal(result.stdout.splitlines(), ["mine", "protected"], "finds it again, and is isolated")
done()
