#!/usr/bin/env python3
"""The test world of brewfs: a registry, an API and bottles of real parts, on loopback.

  world.py build DIR [--oracle DIR] [--extra FILE.py]   makes or refreshes the world in DIR
  world.py start DIR [--run RUN] [--parent PID]         starts its servers, prints DIR/env
  world.py stop DIR                                     ends them
  world.py fault DIR add PATTERN ACTION [--times N] [--skip N] | clear | list
  world.py log DIR [PATTERN] [--count] [--peak] [--clear]
  world.py sign DIR FILE                                prints FILE as a signed document
  world.py list [PATTERN]                               formulae and what each exercises

DIR of stop, fault and log is the world's or the run's directory. README.md has the rest.
"""
import argparse
import fcntl
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

# What `build` and `sign` need is imported there: fault and log are called often and are to be quick.


def fail(message):
    """Ends with a message."""
    raise SystemExit(f"world: {message}")


def run_directory(directory):
    """The run's directory, given it or the world's."""
    directory = os.path.abspath(directory)
    inner = os.path.join(directory, "run")
    return directory if os.path.exists(os.path.join(directory, "running")) else inner


def supervisor_of(run):
    """The supervisor's process id while it lives, else None: only the living hold the lock."""
    try:
        with open(os.path.join(run, "running"), "r+", encoding="ascii") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return int(file.read() or 0)
    except FileNotFoundError:
        pass
    return None


def _status_of(pid):
    """(parent, command line) of a process."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            parent = int(file.read().rsplit(")", 1)[1].split()[1])
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return parent, file.read()
    except OSError:
        return 0, b""


def calling_process():
    """The process for whose sake we run: our parent, or the shell it is a subshell of."""
    pid = os.getppid()
    parent, command = _status_of(pid)
    while parent > 1 and _status_of(parent)[1] == command:
        pid, (parent, command) = parent, _status_of(parent)
    return pid


def command_build(options):
    """world.py build"""
    import build
    begin = time.monotonic()
    if build.build(options.directory, options.oracle, options.extra):
        print(f"world: built {options.directory} in {time.monotonic() - begin:.1f} s",
              file=sys.stderr)


def command_start(options):
    """world.py start"""
    world = os.path.abspath(options.directory)
    if not os.path.exists(os.path.join(world, "stamp")):
        fail(f"{world} is not built; world.py build {world}")
    run = os.path.abspath(options.run or os.path.join(world, "run"))
    os.makedirs(run, mode=0o700, exist_ok=True)
    if supervisor_of(run):
        fail(f"already running in {run}")
    parent = calling_process() if options.parent is None else options.parent
    env = os.path.join(run, "env")
    for stale in ("env", "requests.jsonl", "nginx.jsonl"):
        if os.path.exists(os.path.join(run, stale)):
            os.unlink(os.path.join(run, stale))
    with open(os.path.join(run, "supervisor.log"), "wb") as log:
        process = subprocess.Popen(
            [sys.executable, os.path.join(HERE, "serve.py"), world, run, str(parent)],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    while not os.path.exists(env):
        if process.poll() is not None:
            with open(os.path.join(run, "supervisor.log"), encoding="utf-8") as log:
                fail(f"the servers did not start: {log.read()}")
        time.sleep(0.02)
    with open(env, encoding="utf-8") as file:
        text = file.read()
    if not options.run:
        with open(os.path.join(world, "env"), "w", encoding="utf-8") as file:
            file.write(text)
    print(text, end="")


def command_stop(options):
    """world.py stop"""
    run = run_directory(options.directory)
    pid = supervisor_of(run)
    if not pid:
        return
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + 10
    while supervisor_of(run):
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)


def control(options, path, method="GET", body=None):
    """What the control port answers."""
    env = os.path.join(run_directory(options.directory), "env")
    try:
        with open(env, encoding="utf-8") as file:
            url = re.search(r"BREWFS_WORLD_CONTROL='(.*)'", file.read()).group(1)
    except FileNotFoundError:
        fail(f"no servers run in {options.directory}")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    request = urllib.request.Request(url + path, body, method=method)
    try:
        with opener.open(request, timeout=30) as answer:
            return answer.read()
    except urllib.error.HTTPError as error:
        fail(error.read().decode().strip() or str(error))


def command_fault(options):
    """world.py fault"""
    if options.what == "add":
        if not options.pattern or not options.action:
            fail("fault add needs PATTERN and ACTION")
        control(options, "/faults", "POST", json.dumps({
            "pattern": options.pattern, "action": options.action, "times": options.times,
            "skip": options.skip}).encode())
    elif options.what == "clear":
        control(options, "/faults", "DELETE")
    else:
        sys.stdout.write(control(options, "/faults").decode())


def command_log(options):
    """world.py log"""
    if options.clear:
        control(options, "/log", "DELETE")
        return
    run = run_directory(options.directory)
    if supervisor_of(run):
        lines = control(options, "/log").decode().splitlines()
    else:
        with open(os.path.join(run, "requests.jsonl"), encoding="utf-8") as file:
            lines = file.read().splitlines()
    records = [json.loads(line) for line in lines]
    chosen = [record for record in records if re.search(options.pattern, " ".join(
        str(record.get(key)) for key in ("listener", "method", "host", "path", "status")))]
    if options.count:
        print(len(chosen))
    elif options.peak:
        print(peak(chosen))
    else:
        for record in chosen:
            print(json.dumps(record))


def peak(records):
    """How many of these requests were under way at once."""
    events = sorted([(record["begin"], 1) for record in records]
                    + [(record.get("end", record["begin"]), -1) for record in records])
    most = now = 0
    for _, change in events:
        now += change
        most = max(most, now)
    return most


def command_sign(options):
    """world.py sign"""
    import sign
    with open(options.file, encoding="utf-8") as file:
        print(sign.jws(file.read(), os.path.join(options.directory, "keys", "sign.pem")))


def command_list(options):
    """world.py list"""
    import build
    for formula in build.all_formulae():
        line = f"{formula.name:24} {formula.pkg_version:12} {formula.expect:7} {formula.exercises}"
        if re.search(options.pattern, line):
            print(line)


def parser():
    """The command line."""
    top = argparse.ArgumentParser(description=__doc__,
                                  formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    def add(name, function, *positional):
        command = commands.add_parser(name, help=function.__doc__)
        command.set_defaults(function=function)
        for argument in positional:
            command.add_argument(argument)
        return command

    command = add("build", command_build, "directory")
    command.add_argument("--oracle", help="bottles that real brew made, to be served as well")
    command.add_argument("--extra", help="a Python file with a function formulae()")
    command = add("start", command_start, "directory")
    command.add_argument("--run", help="where ports, logs and env files go (DIR/run)")
    command.add_argument("--parent", type=int, help="end with this process; 0: only by stop")
    add("stop", command_stop, "directory")
    command = add("fault", command_fault, "directory")
    command.add_argument("what", choices=["add", "clear", "list"])
    command.add_argument("pattern", nargs="?")
    command.add_argument("action", nargs="?")
    command.add_argument("--times", type=int)
    command.add_argument("--skip", type=int, default=0)
    command = add("log", command_log, "directory")
    command.add_argument("pattern", nargs="?", default="")
    for flag in ("--count", "--peak", "--clear"):
        command.add_argument(flag, action="store_true")
    add("sign", command_sign, "directory", "file")
    command = add("list", command_list)
    command.add_argument("pattern", nargs="?", default="")
    return top


if __name__ == "__main__":
    chosen_options = parser().parse_args()
    try:
        chosen_options.function(chosen_options)
    except BrokenPipeError:
        os._exit(0)
