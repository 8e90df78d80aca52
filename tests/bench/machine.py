"""The machine that measures: commands, caches, load, and the numbers made of samples."""
import os
import platform
import shutil
import statistics
import subprocess
import sys
import time


class Failure(Exception):
    """Ends the benchmark with a message for the user."""


def say(text):
    """Progress goes to standard error; the tables to standard output."""
    print(text, file=sys.stderr, flush=True)


def run(*command, env=None, cwd=None, quiet=False, check=True, fine=(0,)):
    """Runs a command to its end and returns its standard output. `fine`: statuses of success."""
    result = subprocess.run([str(c) for c in command], env=env, cwd=cwd, text=True, check=False,
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.DEVNULL if quiet else subprocess.PIPE)
    if check and result.returncode not in fine:
        raise Failure(f"{' '.join(str(c) for c in command)[:200]}: it ended with status "
                      f"{result.returncode}\n{(result.stderr or '')[-2000:]}")
    return result.stdout


def timed(*command, env=None, cwd=None, fine=(0,)):
    """Seconds that a command takes."""
    start = time.perf_counter()
    run(*command, env=env, cwd=cwd, fine=fine)
    return time.perf_counter() - start


def have(program):
    return shutil.which(program) is not None


def drop_caches():
    os.sync()
    with open("/proc/sys/vm/drop_caches", "w") as file:
        file.write("3\n")


def kernel_has(filesystem):
    with open("/proc/filesystems") as file:
        return any(line.split()[-1] == filesystem for line in file) or \
            subprocess.run(["modprobe", "-q", filesystem], check=False).returncode == 0


def cores():
    return len(os.sched_getaffinity(0))


# --- numbers ---

def median(samples):
    return statistics.median(samples)


def spread(samples):
    """Half of the distance between the quartiles, as a part of the median."""
    if len(samples) < 2:
        return 0.0
    low, _, high = statistics.quantiles(samples, n=4, method="inclusive")
    return (high - low) / 2 / statistics.median(samples)


# --- is it quiet? ---

def _cpu_times():
    with open("/proc/stat") as file:
        return [int(n) for n in file.readline().split()[1:]]


class Load:
    """What else keeps the machine busy, before and during the run."""

    IDLE, IOWAIT, STEAL = 3, 4, 7

    def __init__(self):
        before = _cpu_times()
        time.sleep(2)
        after = _cpu_times()
        idle = sum(after[i] - before[i] for i in (self.IDLE, self.IOWAIT))
        self.busy = 1 - idle / max(1, sum(after[:8]) - sum(before[:8]))
        self.start = os.getloadavg()
        self.first = after

    def finish(self):
        """Facts for the report."""
        now = _cpu_times()
        total = max(1, sum(now[:8]) - sum(self.first[:8]))
        steal = (now[self.STEAL] - self.first[self.STEAL]) / total
        return {"load_average_before": self.start, "load_average_after": os.getloadavg(),
                "busy_before": round(self.busy, 3), "stolen": round(steal, 4)}

    def warning(self):
        if self.busy > 0.1 or self.start[0] > cores() / 2:
            return (f"This machine is not quiet: its processors were {self.busy:.0%} busy and the "
                    f"load average {self.start[0]:.2f} before anything was measured.")
        return None


def facts():
    """What the numbers were measured on."""
    with open("/proc/cpuinfo") as file:
        models = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    with open("/proc/meminfo") as file:
        memory = int(file.readline().split()[1]) // 1024
    with open("/etc/os-release") as file:
        names = [line.split("=", 1)[1].strip().strip('"') for line in file
                 if line.startswith("PRETTY_NAME=")]
    return {"kernel": platform.release(), "system": names[0] if names else platform.platform(),
            "processor": models[0] if models else platform.machine(), "cores": cores(),
            "memory_mib": memory}
