"""The form of a result that all benchmarks share, and how results are printed.

A row is a dict, one JSON object of a line with `--json`:

    name        the net or the command
    what        what is timed: "learn, one at a time", "evaluate, batches of 64"
    unit        "us" or "s"; the time, the rivals and the limit are in it
    time        of snsim
    rivals      {name: time} of the rivals that ran beside it
    absent      {name: why} of the rivals that could not run
    rival       the fastest of the rivals, or None
    faster      its time divided by that of snsim, or None
    limit       the least time that the processor allows, or None
    over_limit  the time divided by the limit, or None
    goal        {"over_limit": at most, "faster": at least, "time": at most}, any of them, or {}
    met         whether all of the goal is reached; None without a goal
    threads     of snsim and of the rivals
    processor   its name
    note        a sentence, or ""

A row that could not be measured has `name`, `what` and `failed`, a sentence.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from snsim.runs.provenance import processor_name

Row = dict[str, Any]
T = TypeVar("T")
SURE, WIDE = 1.1, 1.5  # how much faster than PyTorch a row must be, and where the processor leaves room for it
ROOM = 0.85  # of the limit


def row(
    name: str,
    what: str,
    time: float,
    unit: str = "us",
    *,
    rivals: Mapping[str, float] | None = None,
    absent: Mapping[str, str] | None = None,
    limit: float | None = None,
    goal: Mapping[str, float] | None = None,
    threads: int = 1,
    note: str = "",
) -> Row:
    """Return a row with its ratios, and whether it reaches its goal.

    A row with PyTorch among its rivals has a goal beside its own: `needed_against_torch`.
    """
    times = dict(rivals or {})
    fastest = min(times, key=times.__getitem__) if times else None
    goals = dict(goal or {})
    if limit and any(name.startswith("PyTorch") for name in times):
        best = min(seconds for name, seconds in times.items() if name.startswith("PyTorch"))
        goals["faster"] = max(goals.get("faster", 0.0), needed_against_torch(best, limit))
    made: Row = {
        "name": name,
        "what": what,
        "unit": unit,
        "time": _rounded(time),
        "rivals": {rival: _rounded(seconds) for rival, seconds in times.items()},
        "absent": dict(absent or {}),
        "rival": fastest,
        "faster": None if fastest is None else _rounded(times[fastest] / time),
        "limit": None if limit is None else _rounded(limit),
        "over_limit": None if limit is None else _rounded(time / limit),
        "goal": goals,
        "threads": threads,
        "processor": processor_name(),
        "note": note,
    }
    made["met"] = is_met(made)
    return made


def needed_against_torch(rival: float, limit: float) -> float:
    """Return how many times faster than PyTorch a row must be: 1.5 where 0.85 of the limit allows it, else 1.1."""
    return WIDE if rival / WIDE >= limit / ROOM else SURE


def is_met(made: Row) -> bool | None:
    """Return whether a row reaches all of its goal; None if it has none that was measured."""
    judged = [reaches(made, name) for name in made["goal"] if made[name] is not None]
    return all(judged) if judged else None


def reaches(made: Row, name: str) -> bool:
    """Return whether a row reaches one part of its goal, which was measured."""
    number, value = made["goal"][name], made[name]
    return bool(value >= number if name == "faster" else value <= number)


def failed(name: str, what: str, why: str) -> Row:
    """Return the row of what could not be measured, and why."""
    return {"name": name, "what": what, "failed": why}


def each(makers: Mapping[str, Callable[[], T]], what: str) -> tuple[list[T], list[Row]]:
    """Return what each function makes, by the name of its row, and the rows of those that raise an exception."""
    made, faults = [], []
    for name, make in makers.items():
        try:
            made.append(make())
        except Exception as error:  # one row that cannot be measured does not stop the others
            faults.append(failed(name, what, why(error)))
    return made, faults


def why(error: BaseException) -> str:
    """Return why something could not run: the first line of an exception."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__)[:150]


def _rounded(number: float) -> float:
    """Return a number with four significant digits."""
    return float(f"{number:.4g}")


def parser(description: str | None, rounds: int, threads: bool = False) -> argparse.ArgumentParser:
    """Return the options that all benchmarks have."""
    made = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--json", action="store_true", help="one row a line, as JSON")
    made.add_argument("--rounds", type=int, default=rounds, help=f"[default: {rounds}]")
    made.add_argument("--quick", action="store_true", help="few rounds, and what takes longest is left out")
    if threads:
        made.add_argument("--threads", type=int, default=1, help="of snsim and of the rivals [default: 1]")
    return made


def print_rows(rows: Sequence[Row], as_json: bool) -> None:
    """Print rows as JSON lines or as a table."""
    if as_json:
        for made in rows:
            print(json.dumps(made), flush=True)
        return
    cells = [["name", "what", "time", "rival", "", "faster", "limit", "times", "goal"]]
    cells += [cells_of(made) for made in rows]
    widths = [max(map(len, column)) for column in zip(*cells)]
    for line in cells:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip())


def cells_of(made: Row) -> list[str]:
    """Return the cells of a row in a table."""
    if "failed" in made:
        return [made["name"], made["what"], "-", made["failed"], "", "", "", "", ""]
    unit = made["unit"]
    rival = made["rival"]
    return [
        made["name"],
        made["what"],
        time_text(made["time"], unit),
        rival or "-",
        "-" if rival is None else time_text(made["rivals"][rival], unit),
        ratio_text(made["faster"]),
        "-" if made["limit"] is None else time_text(made["limit"], unit),
        ratio_text(made["over_limit"]),
        goal_text(made),
    ]


def time_text(time: float, unit: str) -> str:
    """Return a time with its unit: three digits, microseconds below 10 ms."""
    if unit == "s" and time < 0.01:
        time, unit = time * 1e6, "us"
    digits = 0 if time >= 100 else 1 if time >= 10 else 2
    return f"{time:,.{digits}f} {unit}"


def ratio_text(ratio: float | None) -> str:
    """Return a ratio with two digits behind the point, fewer if it is large."""
    return "-" if ratio is None else f"{ratio:,.{0 if ratio >= 100 else 1 if ratio >= 10 else 2}f}"


def goal_text(made: Row) -> str:
    """Return the goal of a row, each part with whether it is met."""
    words = {"over_limit": "limit x {}", "faster": "rival / {}", "time": "{}"}
    texts = []
    for name, number in made["goal"].items():
        text = words[name].format(time_text(number, made["unit"]) if name == "time" else f"{number:g}")
        answer = "" if made[name] is None else ": met" if reaches(made, name) else ": not met"
        texts.append(text + answer)
    return ", ".join(texts) or "-"
