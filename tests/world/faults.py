"""What may go wrong on the way, by request: the faults that tests inject into the front.

A fault is a regular expression, searched in `METHOD HOST PATH`, and an action NAME[:ARGUMENT]:

status:CODE[:SECONDS]   answers CODE with a short body, and Retry-After where SECONDS are given
unauthorized[:VALUE]    401 unless the Authorization header is VALUE (`Bearer QQ==` if not given)
redirect[:WHERE]        307 to another host and port (`cdn`, the default), `plain` http, `loop`,
                        or a URL
close                   closes the connection without an answer
reset:N                 resets the connection after N bytes of the body
truncate:N              closes the connection in order after N bytes of the body
stall:N[:SECONDS]       stops after N bytes of the body; goes on after SECONDS, else never
slow:RATE               sends RATE bytes a second
norange                 answers a range request with 200 and everything
badrange                answers a range request with 206 and the wrong bytes
corrupt:N               flips the bits of byte N of the file
length:+N or length:-N  a Content-Length that is wrong by N
body:TEXT               answers 200 with that text, or with a file's contents: body:/PATH
"""
import re
import threading

ACTIONS = {"status", "unauthorized", "redirect", "close", "reset", "truncate", "stall", "slow",
           "norange", "badrange", "corrupt", "length", "body"}
NUMBERED = {"status", "reset", "truncate", "stall", "slow", "corrupt", "length"}


class Fault:
    """One rule. `times`: how often it strikes, None: always; `skip`: matches it lets pass."""

    def __init__(self, pattern, action, times=None, skip=0):
        self.pattern, self.action = pattern, action
        self.name, _, self.argument = action.partition(":")
        if self.name not in ACTIONS:
            known = ", ".join(sorted(ACTIONS))
            raise ValueError(f"unknown action {self.name!r}; there are {known}")
        if self.name in NUMBERED and not re.fullmatch(r"[+-]?\d+(:[\d.]+)?", self.argument):
            raise ValueError(f"{self.name} needs a number, not {self.argument!r}")
        self.regex, self.times, self.skip, self.struck = re.compile(pattern), times, skip, 0

    def strikes(self, subject):
        """Whether it applies to this request; counts it."""
        if self.times == 0 or not self.regex.search(subject):
            return False
        if self.skip:
            self.skip -= 1
            return False
        if self.times is not None:
            self.times -= 1
        self.struck += 1
        return True

    def numbers(self):
        """The argument's numbers."""
        return [float(part) if "." in part else int(part) for part in self.argument.split(":")]

    def describe(self):
        """The rule as JSON."""
        return {"pattern": self.pattern, "action": self.action, "times": self.times,
                "skip": self.skip, "struck": self.struck}


class Faults:
    """The rules in force; any thread may ask and change."""

    def __init__(self):
        self.lock = threading.Lock()
        self.rules = []

    def add(self, fault):
        """Puts a rule behind those that are there."""
        with self.lock:
            self.rules.append(fault)

    def clear(self):
        """Removes all rules."""
        with self.lock:
            self.rules.clear()

    def take(self, subject):
        """{name: rule} of the rules that strike this request, the first of each name."""
        struck = {}
        with self.lock:
            for rule in self.rules:
                if rule.name not in struck and rule.strikes(subject):
                    struck[rule.name] = rule
        return struck

    def describe(self):
        """All rules as JSON."""
        with self.lock:
            return [rule.describe() for rule in self.rules]
