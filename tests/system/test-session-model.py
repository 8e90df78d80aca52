#!/usr/bin/env python3
"""Random operations on a session and on a plain directory side by side: the same comes of each, also after a remount
and after a commit. A difference is shrunk to a short sequence.

BREWFS_TEST_SEED repeats a run; BREWFS_TEST_STEPS makes it longer (tens of thousands); BREWFS_TEST_SUBJECT=overlayfs or
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
EPISODE = 500           # steps on one subject, with a remount in the middle and a commit at the end
WHOLE = 50              # steps between two comparisons of the whole trees
SHRINK_SECONDS = 120
SUBJECT = os.environ.get("BREWFS_TEST_SUBJECT", "session")
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


class Pair:
    """A directory and the subject, in step."""

    count = 0

    def __init__(self):
        Pair.count += 1
        began = time.time_ns() - 10 ** 9
        self.plain = Plain(sandbox, TREE, f"reference-{Pair.count}")
        self.subject = KINDS[SUBJECT](sandbox, TREE, str(Pair.count))
        self.sides = [Side(place.root, LIBC, began, self.subject.counts_directories)
                      for place in (self.plain, self.subject)]

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
        results = []
        for side in self.sides:
            before = side.stamps(operation)
            result = side.run(operation)
            moved = side.moved(before, side.stamps(operation)) if self.subject.exact_times else None
            results.append((result, moved))
        if results[0] == results[1]:
            return None
        return f"{operation}\ngives        {results[1]!r:.900}\ninstead of   {results[0]!r:.900}"

    def whole(self):
        """What differs in the whole trees."""
        expected, found = (side.tree() for side in self.sides)
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
    short = shrink(operations, replay, lambda: time.monotonic() < deadline)
    again = replay(short)
    return "\n".join([f"{where} of the seed {seed}:", difference, f"the shortest sequence found ({len(short)}):",
                      *map(repr, short), "which gives:", again or "no difference any more"])


def committed(pair):
    """What a commit publishes that the reference does not have, as text."""
    for side in pair.sides:
        side.close()
    pair.subject.umount()
    result = sandbox.run("session", "commit", pair.subject.session, "-m", "model")
    if result.returncode != 0:
        return f"session commit: exit status {result.returncode}\n{result.stdout}{result.stderr}"
    began = pair.sides[0].began
    with sandbox.look() as view:
        sides = [Side(root, LIBC, began) for root in (pair.plain.root, view.root)]
        expected, found = ({path: published(facts) for path, facts in side.tree().items() if published(facts)}
                           for side in sides)
    lines = [f"{path}: {found.get(path)}\n    instead of {expected.get(path)}"
             for path in sorted(set(expected) | set(found)) if expected.get(path) != found.get(path)]
    return "\n".join(["in the generation:"] + lines[:10]) if lines else None


def published(facts):
    """What a generation keeps of these facts: no owners, no fifos and sockets, no times of directories and links."""
    name, mode, _uid, _gid, links, size, mtime, *rest = facts
    if mode[0] in "ps":
        return None
    if mode[0] != "-":
        return (mode[0], mode[1:] if mode[0] == "d" else "", rest[:1] if mode[0] == "l" else "")
    return (name, mode, links, size, mtime, rest[0])


def episode(rng):
    with Pair() as pair:
        generator = Generator(rng, pair.sides[0])
        operations = []
        for step in range(EPISODE):
            operation = ("remount",) if step == EPISODE // 2 else generator.next()
            operations.append(operation)
            difference = pair.step(operation)
            if not difference and step % WHOLE == 0:
                difference = pair.whole()
            if difference:
                return operations, difference
        difference = pair.step(("remount",)) if SUBJECT != "session" else committed(pair)
        return operations, difference


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
   f"remounts{' and commits' if SUBJECT == 'session' else ''}", failure or "")
done()
