#!/usr/bin/env python3
"""Programs that write, on a session: databases, git, a C project, archives, many processes at once, and what brew does
as an ordinary user. BREWFS_TEST_SUBJECT=directory, overlayfs or fuse-overlayfs tries another filesystem; BREWFS_TEST_LONG=1
lets stress-ng run for minutes.
"""

import ctypes
import os
import random
import shutil
import sqlite3
import stat
import subprocess
import sys
import textwrap
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import SRCDIR, Sandbox, done, enter, equal, ok, says, skip
from model import Generator, Side
from subjects import KINDS, make_tree

SUBJECT = os.environ.get("BREWFS_TEST_SUBJECT", "session")
LONG = bool(os.environ.get("BREWFS_TEST_LONG"))
USER = 1001
TREE = [("dir", "stored", 0o755)] + [("text", f"stored/file{i}", 0o644, f"text {i}") for i in range(50)] + \
    [("dir", "stored/deep", 0o755), ("fill", "stored/deep/big", 0o644, 500000, 7), ("link", "stored/link", "file1")]

enter()
os.umask(0o022)
sandbox = Sandbox()
subject = KINDS[SUBJECT](sandbox, TREE, "apps")
top = subject.root
seed = int(os.environ.get("BREWFS_TEST_SEED", "0")) or random.randrange(1 << 30)
print(f"# BREWFS_TEST_SEED={seed}")


def path(*names):
    return os.path.join(top, *names)


def run(*command, name=None, **options):
    """A line of TAP for a command that must succeed."""
    result = attempt(*command, **options)
    ok(result.returncode == 0, name or " ".join(command[:3]), says(result))
    return result


def attempt(*command, **options):
    options.setdefault("env", dict(sandbox.environment, GIT_CONFIG_NOSYSTEM="1", GIT_AUTHOR_NAME="a", GIT_AUTHOR_EMAIL="a@b",
                                   GIT_COMMITTER_NAME="a", GIT_COMMITTER_EMAIL="a@b"))
    return subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          errors="surrogateescape", check=False, timeout=600, **options)


def have(program):
    if shutil.which(program):
        return True
    skip(program, f"{program} is not installed")
    return False


def facts(root):
    """What an archive keeps: by path type, mode, owner, size, time, target, contents, and who is one file."""
    found, first = {}, {}
    for directory, directories, files in os.walk(root):
        directories.sort()
        for name in sorted(directories + files):
            full = os.path.join(directory, name)
            short = os.path.relpath(full, root)
            st = os.lstat(full)
            kind = stat.S_IFMT(st.st_mode)
            text = os.readlink(full) if kind == stat.S_IFLNK else ""
            if kind == stat.S_IFREG:
                with open(full, "rb") as file:
                    text = file.read()
            found[short] = (st.st_mode, st.st_uid, st.st_gid, st.st_mtime_ns, text,
                            st.st_size if kind != stat.S_IFDIR else 0,
                            first.setdefault(st.st_ino, short) if kind != stat.S_IFDIR else "")
    return found


def differences(one, other):
    return [f"{name}: {str(one.get(name))[:200]} and {str(other.get(name))[:200]}"
            for name in sorted(set(one) | set(other)) if one.get(name) != other.get(name)][:5]


# --- databases ---

WRITER = """
import sqlite3, sys
database = sqlite3.connect(sys.argv[1], timeout=60, isolation_level=None)
database.execute("PRAGMA synchronous=" + sys.argv[3])
for i in range(25):
    database.execute("BEGIN IMMEDIATE")
    database.execute("INSERT INTO entry(writer, number, text) VALUES (?, ?, ?)", (sys.argv[2], i, "x" * (i * 37 % 3000)))
    database.execute("UPDATE counter SET value = value + 1")
    database.execute("COMMIT")
"""


def databases():
    os.mkdir(path("databases"))
    for journal in ("wal", "delete", "truncate", "persist"):
        file = path("databases", f"{journal}.sqlite")
        database = sqlite3.connect(file)
        equal(database.execute(f"PRAGMA journal_mode={journal}").fetchone()[0], journal, f"sqlite: a {journal} journal")
        database.executescript("CREATE TABLE entry(writer, number, text); CREATE TABLE counter(value);"
                               "INSERT INTO counter VALUES (0); CREATE INDEX i ON entry(text);")
        writers = [subprocess.Popen([sys.executable, "-c", WRITER, file, str(i), "NORMAL" if journal == "wal" else "OFF"])
                   for i in range(3)]
        equal([writer.wait() for writer in writers], [0, 0, 0], f"sqlite, {journal}: three processes write at once")
        equal(database.execute("SELECT value FROM counter").fetchone()[0], 75, f"sqlite, {journal}: no transaction is lost")
        equal(database.execute("SELECT count(*) FROM entry").fetchone()[0], 75, f"sqlite, {journal}: and no row")
        equal(database.execute("PRAGMA integrity_check").fetchone()[0], "ok", f"sqlite, {journal}: integrity check")
        database.execute("BEGIN")
        database.execute("DELETE FROM entry")
        database.rollback()
        equal(database.execute("SELECT count(*) FROM entry").fetchone()[0], 75, f"sqlite, {journal}: a rollback")
        database.execute("VACUUM")
        database.close()


# --- git ---

def git():
    if not have("git"):
        return
    source = sandbox.path("source")
    os.makedirs(source)
    attempt("git", "init", "-q", "-b", "main", source)
    for i in range(150):
        directory = os.path.join(source, f"d{i % 17}", f"e{i % 5}")
        os.makedirs(directory, exist_ok=True)
        with open(os.path.join(directory, f"f{i}"), "w", encoding="ascii") as file:
            file.write(f"line {i}\n" * (i % 50 + 1))
    os.symlink("d1", os.path.join(source, "link"))
    for step in range(5):
        with open(os.path.join(source, "d0/e0/f0"), "a", encoding="ascii") as file:
            file.write(f"step {step}\n")
        attempt("git", "-C", source, "add", "-A")
        attempt("git", "-C", source, "commit", "-q", "-m", f"step {step}")
    clone, second = path("clone"), path("second")
    run("git", "clone", "-q", "--no-hardlinks", source, clone, name="git clone into it")
    run("git", "-C", clone, "fsck", "--full", "--strict", name="git fsck")
    equal(attempt("git", "-C", clone, "status", "--porcelain").stdout, "", "git status finds nothing changed")
    run("git", "clone", "-q", clone, second, name="git clone within it, by hardlinks")
    for i in range(100):
        with open(os.path.join(second, f"new{i}"), "w", encoding="ascii") as file:
            file.write(f"{i}\n")
    attempt("git", "-C", second, "add", "-A")
    run("git", "-C", second, "commit", "-q", "-m", "many", name="git commit of a hundred files")
    run("git", "-C", second, "checkout", "-q", "-b", "branch", "HEAD~3", name="git checkout of an older commit")
    equal(attempt("git", "-C", second, "status", "--porcelain").stdout, "", "leaves nothing changed")
    run("git", "-C", second, "merge", "-q", "main", name="git merge")
    run("git", "-C", clone, "fetch", "-q", second, "branch", name="git fetch")
    run("git", "-C", second, "gc", "-q", "--prune=now", name="git gc")
    run("git", "-C", second, "fsck", "--full", "--strict", name="git fsck after it")
    shutil.rmtree(second)
    equal(attempt("git", "-C", clone, "fsck", "--full").returncode, 0, "the first clone is whole without the second")
    shutil.rmtree(clone)


# --- a C project ---

PROJECT = {
    "configure.ac": "AC_INIT([sample], [1])\nAC_CONFIG_SRCDIR([main.c])\nAC_PROG_CC\nAC_CHECK_FUNCS([mmap])\n"
                    "AC_CONFIG_HEADERS([config.h])\nAC_CONFIG_FILES([Makefile])\nAC_OUTPUT\n",
    "config.h.in": "#undef HAVE_MMAP\n",
    "Makefile.in": textwrap.dedent("""\
        PARTS = %s
        all: sample
        sample: main.o libsample.a
        \t@CC@ -o $@ main.o libsample.a
        libsample.a: $(PARTS:.c=.o)
        \tar crD $@ $(PARTS:.c=.o)
        .c.o:
        \t@CC@ -I. -c -o $@ $<
        \t@echo compiled $<
        main.o: config.h
        check: sample
        \ttest "`./sample`" = 31
        install: sample
        \tmkdir -p @prefix@/bin
        \tinstall sample @prefix@/bin/sample
        clean:
        \trm -f *.o lib/*.o libsample.a sample
        """) % " ".join(f"lib/part{i}.c" for i in range(30)),
    "main.c": "#include \"config.h\"\n#include <stdio.h>\nint part0(int);\n"
              "int main(void) { printf(\"%d\\n\", part0(HAVE_MMAP)); return 0; }\n",
}


def project():
    place, prefix = path("project"), path("installed")
    os.makedirs(os.path.join(place, "lib"))
    for name, text in PROJECT.items():
        with open(os.path.join(place, name), "w", encoding="ascii") as file:
            file.write(text)
    for i in range(30):
        call = f"part{i + 1}(x + 1)" if i < 29 else "x + 1"
        with open(os.path.join(place, "lib", f"part{i}.c"), "w", encoding="ascii") as file:
            file.write(f"int part{i + 1}(int);\nint part{i}(int x);\nint part{i}(int x) {{ return {call}; }}\n")
    run("autoconf", cwd=place, name="autoconf of a C project")
    run("./configure", "-q", f"--prefix={prefix}", cwd=place, name="configure")
    run("make", "-s", "-j2", cwd=place, name="make")
    again = attempt("make", cwd=place)
    ok(again.returncode == 0 and "compiled" not in again.stdout, "make finds nothing to do afterwards", says(again))
    run("make", "-s", "check", cwd=place, name="make check")
    run("make", "-s", "install", cwd=place, name="make install")
    equal(attempt(os.path.join(prefix, "bin/sample")).stdout, "31\n", "the program runs where it was installed")
    os.utime(os.path.join(place, "lib/part7.c"))
    again = attempt("make", cwd=place)
    equal([line for line in again.stdout.splitlines() if line.startswith("compiled")], ["compiled lib/part7.c"],
          "make compiles what was touched and no more")
    run("make", "-s", "clean", cwd=place, name="make clean")
    equal(os.listdir(os.path.join(place, "lib")).count("part7.o"), 0, "removes what it made")


# --- archives ---

def archive_source():
    source = sandbox.path("archived")
    os.mkdir(source)
    make_tree(source, TREE)
    for i in range(200):
        directory = os.path.join(source, f"n{i % 20}", f"m{i % 7}")
        os.makedirs(directory, exist_ok=True)
        with open(os.path.join(directory, f"file{i}"), "w", encoding="ascii") as file:
            file.write("x" * (i * 97 % 9000))
        os.utime(file.name, ns=(10 ** 18 + i, 10 ** 18 + i * 1234567))
        os.chmod(file.name, [0o644, 0o755, 0o444, 0o600][i % 4])
    os.link(os.path.join(source, "stored/file3"), os.path.join(source, "n0/hard"))
    os.symlink("nowhere", os.path.join(source, "dangling"))
    os.mkfifo(os.path.join(source, "fifo"))
    os.chown(os.path.join(source, "stored/file5"), 1234, 5678)
    os.makedirs(os.path.join(source, "empty/deeper"))
    os.chmod(os.path.join(source, "empty"), 0o2750)
    # All of it is old: rsync takes times of one second for equal.
    for top, directories, files in os.walk(source, topdown=False):
        for name in directories + files:
            place = os.path.join(top, name)
            if not stat.S_ISREG(os.lstat(place).st_mode):
                os.utime(place, ns=(10 ** 18 + 7, 10 ** 18 + len(name)), follow_symlinks=False)
    return source


def archives():
    source = archive_source()
    wanted = facts(source)
    archive = sandbox.path("archive.tar")
    os.mkdir(path("tar"))
    run("tar", "-C", source, "--format=posix", "-cf", archive, ".", name="tar of a tree")
    run("tar", "-C", path("tar"), "-xpf", archive, "--same-owner", name="is unpacked")
    found = facts(path("tar"))
    ok(found == wanted, "tar: all is as it was", "\n".join(differences(found, wanted)))
    back = sandbox.path("back")
    os.mkdir(back)
    run("sh", "-c", f"tar -C '{path('tar')}' --format=posix -cf - . | tar -C '{back}' -xpf - --same-owner", name="and back")
    ok(facts(back) == wanted, "tar: all is as it was, there and back", "\n".join(differences(facts(back), wanted)))
    run("diff", "-r", "--no-dereference", "--exclude=fifo", source, path("tar"), name="diff finds none")
    if have("rsync"):
        run("rsync", "-aHAX", "--numeric-ids", source + "/", path("rsync") + "/", name="rsync into it")
        found = facts(path("rsync"))
        ok(found == wanted, "rsync: all is as it was", "\n".join(differences(found, wanted)))
        again = attempt("rsync", "-aHAXi", "--numeric-ids", source + "/", path("rsync") + "/")
        equal(again.stdout, "", "rsync finds nothing to do afterwards")
    run("cp", "-a", path("tar"), path("cp"), name="cp -a within it")
    found = facts(path("cp"))
    ok(found == wanted, "cp: all is as it was", "\n".join(differences(found, wanted)))
    for name in ("tar", "rsync", "cp"):
        if os.path.exists(path(name)):
            run("rm", "-r", path(name), name=f"rm -r of what {name} made")


# --- many at once ---

def stress():
    place = path("stress")
    os.mkdir(place)
    os.mkdir(os.path.join(place, "own"))
    make_tree(os.path.join(place, "own"), TREE[:20])
    pids = []
    for i in range(4):
        pid = os.fork()
        if pid == 0:
            os._exit(disturb(os.path.join(place, "own"), f"{seed}-{i}"))
        pids.append(pid)
    statuses = [os.waitpid(pid, 0)[1] for pid in pids]
    equal(statuses, [0] * 4, "four processes make, change, rename and remove in one tree")
    if have("stress-ng"):
        seconds = "120" if LONG else "2"
        run("stress-ng", "--temp-path", place, "--timeout", seconds, "--dir", "1", "--link", "1", "--symlink", "1",
            "--rename", "1", "--hdd", "1", "--hdd-bytes", "4m", "--seek", "1", "--seek-size", "4m", "--mmap", "1",
            "--mmap-bytes", "4m", "--mmap-file", "--chmod", "1", "--dentry", "1", "--dentries", "200", "--filename", "1",
            "--flock", "1", "--lease", "1", "--locka", "1", "--fallocate", "1", "--fallocate-bytes", "8m", "--utime", "1",
            "--xattr", "1", "--verify", "--quiet", name="stress-ng")
    run("rm", "-rf", place, name="rm -rf of what is left")
    ok(not os.path.lexists(place), "leaves nothing")


def disturb(root, label):
    side = Side(root, ctypes.CDLL(None, use_errno=True), 0)
    # No stores through mappings: of a file that another one cuts they end the process, as they have to.
    generator = Generator(random.Random(label), side, Generator.WEIGHTS.replace("store:5 ", ""))
    for _ in range(1500 if LONG else 250):
        try:
            side.run(generator.next())
        except (FileNotFoundError, NotADirectoryError, ValueError):
            generator.ago = 0       # what it had seen is gone: other processes change the tree as well
    side.close()
    return 0


# --- brew, as an ordinary user ---

def python_for_all():
    """An interpreter that an ordinary user may run."""
    for candidate in ("/usr/bin/python3", sys.executable):
        if os.path.exists(candidate):
            return candidate
    return None


def brew():
    prefix = path("prefix")
    os.mkdir(prefix)
    os.chown(prefix, USER, USER)
    os.chmod(sandbox.directory, 0o755)
    program = sandbox.path("keg_imitation.py")
    shutil.copy(os.path.join(SRCDIR, "tests", "system", "keg_imitation.py"), program)
    os.chmod(program, 0o644)
    result = attempt(python_for_all(), program, prefix, user=USER, group=USER, extra_groups=[])
    ok(result.returncode == 0, "locks, kegs, links and receipts as brew makes them, by an ordinary user", says(result))


def stored():
    """What was there before is as it was, but for what was changed."""
    with open(path("stored/file1"), encoding="utf-8") as file:
        equal(file.read(), "text 1", "what was stored is as it was")
    equal(len(os.listdir(path("stored"))), 52, "and all of it")


for part in (databases, git, project, archives, stress, brew, stored):
    begin = time.monotonic()
    part()
    print(f"# {part.__name__}: {time.monotonic() - begin:.1f} s")
before = facts(top)
subject.remount()
after = facts(top)
ok(before == after, "after a remount all is as it was", "\n".join(differences(before, after)))
done()
