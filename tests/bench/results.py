"""What was measured: rows, goals, and how they are shown."""
import json

from machine import median, spread


class Results:
    """Samples by (workload, state), then by filesystem; and the measurements that stand alone."""

    def __init__(self):
        self.samples = {}       # (workload, state) -> {filesystem: [seconds]}; in order of rounds
        self.goals = {}         # (workload, state) -> Goal
        self.singles = []       # Single
        self.skipped = {}       # filesystem: why
        self.failures = []      # sections

    def add(self, workload, state, filesystem, seconds):
        self.samples.setdefault((workload, state), {}).setdefault(filesystem, []).append(seconds)

    def ratio(self, key, filesystem, base="ext4"):
        """How much faster than the base in the same rounds: the median. None where not measured."""
        row = self.samples.get(key, {})
        pairs = list(zip(row.get(base, []), row.get(filesystem, [])))
        return median([b / f for b, f in pairs]) if pairs else None

    def seconds(self, key, filesystem):
        samples = self.samples.get(key, {}).get(filesystem)
        return median(samples) if samples else None

    def rows(self):
        """As bench.json has them."""
        rows = []
        for (workload, state), row in self.samples.items():
            for filesystem, samples in row.items():
                rows.append({"workload": workload, "state": state, "filesystem": filesystem,
                             "seconds": round(median(samples), 6),
                             "ratio": _rounded(self.ratio((workload, state), filesystem)),
                             "spread": round(spread(samples), 4), "rounds": len(samples)})
        return rows


class Goal:
    """For a row of the table: at least so many times ext4, and ahead of some other filesystem."""

    def __init__(self, least, ahead_of=None, limit=None):
        self.least, self.ahead_of, self.limit = least, ahead_of, limit

    def text(self):
        words = [f">= {self.least:g}"] if self.least else []
        if self.ahead_of:
            words.append(f"> {self.ahead_of}")
        if self.limit:
            words.append(self.limit[1])
        return ", ".join(words)

    def met(self, results, key):
        """True, False, or None where brewfs was not measured."""
        ratio = results.ratio(key, "brewfs")
        other = results.ratio(key, self.ahead_of) if self.ahead_of else None
        if ratio is None:
            return None
        return ratio >= self.least and (other is None or ratio > other) and \
            (not self.limit or self.limit[0](results.seconds(key, "brewfs")))


class Single:
    """One measurement with what it is compared with: `value` and `other` in `unit`.

    `met` is None where it is shown for information. `note`: what helps to understand it."""

    def __init__(self, workload, state, value, unit, other=None, other_name="", goal="", met=None,
                 note=""):
        self.workload, self.state, self.value, self.unit = workload, state, value, unit
        self.other, self.other_name, self.goal, self.met, self.note = \
            other, other_name, goal, met, note

    def factor(self):
        return self.other / self.value if self.other and self.value else None

    def to_json(self):
        return {"workload": self.workload, "state": self.state, "value": self.value,
                "unit": self.unit, "compared_with": self.other_name, "compared_value": self.other,
                "factor": _rounded(self.factor()), "goal": self.goal, "met": self.met,
                "note": self.note}


def _rounded(number):
    return None if number is None else round(number, 3)


# --- tables ---

def number(value):
    """Three digits, as people write them."""
    if value is None:
        return "-"
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if value >= 0.001 else f"{value:.1e}"


def table(head, rows):
    """A Markdown table with aligned columns."""
    rows = [head] + [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    lines = ["| " + " | ".join(cell.ljust(w) for cell, w in zip(row, widths)) + " |"
             for row in rows]
    lines.insert(1, "|" + "|".join("-" * (w + 2) for w in widths) + "|")
    return "\n".join(lines)


VERDICTS = {True: "yes", False: "NO", None: ""}


def peers_table(results, names):
    """Ratios to ext4, above 1 is faster."""
    rows = []
    for key, row in results.samples.items():
        goal = results.goals.get(key)
        cells = [key[0], key[1], f"{number(results.seconds(key, 'ext4'))} s"]
        for name in names:
            if name != "ext4":
                cells.append(_ratio_cell(results, key, row, name))
        cells += [goal.text() if goal else "", VERDICTS[goal.met(results, key)] if goal else ""]
        rows.append(cells)
    head = ["workload", "state", "ext4"] + [n for n in names if n != "ext4"] + ["goal", "met"]
    return table(head, rows)


def _ratio_cell(results, key, row, name):
    if name not in row:
        return "-"
    part = spread(row[name])
    return f"{results.ratio(key, name):.2f}" + (f" ±{part:.0%}" if part >= 0.05 else "")


def singles_table(results):
    """And the notes below it, by number."""
    rows, notes = [], []
    for single in results.singles:
        factor = single.factor()
        compared = f"{_with_unit(single.other, single)}, {single.other_name}" if single.other \
            else single.other_name
        if single.note and single.note not in notes:
            notes.append(single.note)
        reference = f" [{notes.index(single.note) + 1}]" if single.note else ""
        rows.append([single.workload, single.state, _with_unit(single.value, single) + reference,
                     compared, f"{number(factor)} x" if factor else "", single.goal,
                     VERDICTS[single.met]])
    head = ["workload", "state", "brewfs", "compared with", "factor", "goal", "met"]
    lines = [table(head, rows), ""] + [f"[{i + 1}] {note}" for i, note in enumerate(notes)]
    return "\n".join(lines)


def _with_unit(value, single):
    return f"{number(value)} {single.unit}".strip()


def missed(results):
    """(number of goals, those that were missed)."""
    verdicts = [(f"{key[0]} ({key[1]})", goal.met(results, key))
                for key, goal in results.goals.items() if key in results.samples]
    verdicts += [(f"{s.workload} ({', '.join(filter(None, (s.state, s.other_name)))})", s.met)
                 for s in results.singles]
    verdicts = [v for v in verdicts if v[1] is not None]
    return len(verdicts), [name for name, met in verdicts if not met]


def write_json(results, path, machine):
    document = {"machine": machine, "skipped": results.skipped,
                "failed_sections": results.failures, "rows": results.rows(),
                "goals": [{"workload": key[0], "state": key[1], "goal": goal.text(),
                           "met": goal.met(results, key)}
                          for key, goal in results.goals.items() if key in results.samples],
                "singles": [single.to_json() for single in results.singles]}
    with open(path, "w") as file:
        json.dump(document, file, indent=1)
        file.write("\n")
