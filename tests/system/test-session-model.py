#!/usr/bin/env python3
"""Random operations on a session and on a plain directory side by side: the same comes of each, also after a remount
and after a commit. A difference is shrunk to a short sequence.

BREWFS_TEST_SEED repeats a run, BREWFS_TEST_SHRINK is how long to shrink in seconds; BREWFS_TEST_STEPS makes it longer (tens of thousands); BREWFS_TEST_SUBJECT=overlayfs or
fuse-overlayfs tries another filesystem than a session.
"""

import ctypes
import os
import random
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import Sandbox, done, enter, ok
from model import Generator, Side, shrink
from subjects import KINDS, Plain

STEPS = int(os.environ.get("BREWFS_TEST_STEPS", "3000"))
EPISODE = 500           # steps on one subject
BETWEEN = {150: ("remount",), 300: ("commit",), 400: ("remount",), EPISODE - 1: ("commit",)}
WHOLE = 50              # steps between two comparisons of the whole trees
TIMED = 10              # steps between two where it is seen which times move
TICK = 0.012            # s; clocks of filesystems may move every 10 ms only
SHRINK_SECONDS = int(os.environ.get("BREWFS_TEST_SHRINK", "100"))
SUBJECT = os.environ.get("BREWFS_TEST_SUBJECT", "session")
COMMITS = SUBJECT == "session" and os.environ.get("BREWFS_TEST_COMMITS", "0") != "0"
LIBC = ctypes.CDLL(None, use_errno=True)

TREE = [("dir", "a", 0o755), ("text", "a/a", 0o644, "stored text"), ("text", "a/b", 0o755, "#!/bin/sh\n"),
        ("dir", "a/c", 0o755), ("fill", "a/c/a", 0o644, 70000, 1), ("fill", "a/c/b", 0o444, 131072, 2),
        ("link", "a/d", "c/a"), ("dir", "b", 0o755), ("dir", "b/a", 0o755), ("dir", "b/a/b", 0o755),
        ("text", "b/a/b/c", 0o600, ""), ("hard", "b/b", "a/a"), ("hard", "b/c", "a/c/a"), ("link", "c", "b/a"),
        ("link", "b/d", "nowhere"), ("fill", "d", 0o644, 200000, 3), ("dir", "e", 0o700), ("text", "f", 0o640, "f")]

enter()
os.umask(0o022)
sandbox = Sandbox()
seed = int(os.environ.get("BREWFS_TEST_SEED", "0")) or random.randrange(1 << 30)
print(f"# BREWFS_TEST_SEED={seed}")
began = time.time_ns() - 10 ** 9


class Pair:
    """A directory and the subject, in step."""

    count = 0

    def __init__(self):
        Pair.count += 1
        self.plain = Plain(sandbox, TREE, f"reference-{Pair.count}")
        self.subject = KINDS[SUBJECT](sandbox, TREE, str(Pair.count))
        self.sides = [Side(place.root, LIBC, began, self.subject.counts_directories)
                      for place in (self.plain, self.subject)]
        self.steps = 0
        self.generation = {path: published(facts) for path, facts in self.sides[0].tree().items()}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for side in self.sides:
            side.close()
        self.plain.discard()
        self.subject.discard()

    def step(self, operation):
        """What differs, as text, or None."""
        if operation[0] == "remount":
            for side in self.sides:
                side.close()
            self.subject.remount()
            return self.whole()
        if operation[0] == "commit":
            return self.commit() if COMMITS else None
        self.steps += 1
        timed = self.subject.exact_times and self.steps % TIMED == 0
        before = [side.stamps(operation) for side in self.sides] if timed else [None, None]
        if timed:
            time.sleep(TICK)
        results = []
        for side, stamps in zip(self.sides, before):
            result = side.run(operation)
            results.append((result, side.moved(stamps, side.stamps(operation)) if timed else None))
        if results[0] == results[1]:
            return None
        return f"{operation}\ngives        {results[1]!r:.900}\ninstead of   {results[0]!r:.900}"

    def whole(self):
        """What differs in the whole trees."""
        return differences(*(side.tree() for side in self.sides))

    def commit(self):
        """What the commit publishes otherwise than the reference has it, or what is otherwise in the session then."""
        for side in self.sides:
            side.close()
        self.subject.umount()
        result = sandbox.run("session", "commit", self.subject.session, "-m", "model")
        if result.returncode != 0:
            return f"session commit: exit status {result.returncode}\n{result.stdout}{result.stderr}"
        with sandbox.look("-o", f"ref={self.subject.ref}") as view:
            found = {path: published(facts) for path, facts in Side(view.root, LIBC, began).tree().items()}
        expected = {path: published(facts) for path, facts in self.sides[0].tree().items()}
        # A time goes with the bytes: where these were there before, theirs may be the old one.
        old = {}
        for facts in self.generation.values():
            if len(facts) == 6:
                old.setdefault((facts[3], facts[5]), set()).add(facts[4])
        for path, facts in expected.items():
            now = found.get(path)
            if len(facts) == 6 and now and len(now) == 6 and now[4] in old.get((facts[3], facts[5]), ()):
                expected[path] = facts[:4] + (now[4],) + facts[5:]
        self.generation = found
        difference = differences(expected, found)
        self.subject.mount()
        return f"in the generation:\n{difference}" if difference else self.whole()


def differences(expected, found):
    lines = [f"{path}: {found.get(path)}\n    instead of {expected.get(path)}"
             for path in sorted(set(expected) | set(found)) if expected.get(path) != found.get(path)]
    return "\n".join(lines[:10]) if lines else None


def replay(operations):
    """The first difference of a sequence on fresh trees."""
    with Pair() as pair:
        for operation in operations:
            difference = pair.step(operation)
            if difference:
                return difference
        return pair.whole()


def show(operations, difference, where):
    deadline = time.monotonic() + SHRINK_SECONDS
    kind = difference[:14]      # what is shrunk stays a failed commit, a difference in the generation...

    def fails(shorter):
        found = replay(shorter)
        return found and (found[:14] == kind or kind[0] == "(" and found[0] == "(")

    short = shrink(operations, fails, lambda: time.monotonic() < deadline)
    again = replay(short)
    return "\n".join([f"{where} of the seed {seed}:", difference, f"the shortest sequence found ({len(short)}):",
                      *map(repr, short), "which gives:", again or "no difference any more"])


def published(facts):
    """What a generation keeps: no owners and attributes, no times of directories and links."""
    name, mode, _uid, _gid, links, size, mtime, *rest = facts
    if mode[0] == "-":
        return (name, mode, links, size, mtime, rest[0])
    return (mode[0], mode[1:]) if mode[0] == "d" else (mode[0], rest[0])


def episode(rng):
    """Its operations, and the first difference that came of them."""
    with Pair() as pair:
        # What is no file, directory or link is not committed.
        generator = Generator(rng, pair.sides[0], special=not COMMITS)
        operations = []
        for step in range(EPISODE):
            operation = BETWEEN.get(step) or generator.next()
            operations.append(operation)
            difference = pair.step(operation)
            if not difference and step % WHOLE == 0:
                difference = pair.whole()
            if difference:
                return operations, difference
        return operations, None


done_steps = 0
number = 0
failure = None
while done_steps < STEPS and not failure:
    operations, difference = episode(random.Random(f"{seed}-{number}"))
    done_steps += len(operations)
    number += 1
    if difference:
        failure = show(operations, difference, f"episode {number}, step {len(operations)}")
ok(not failure, f"{done_steps} random operations give the same on a {SUBJECT} and on a plain directory, also after "
   f"remounts{' and commits' if COMMITS else ''}", failure or "")
done()
