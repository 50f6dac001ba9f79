"""The table of the runs in a folder: net, data, seed, passes and figures, as rows and as text."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from snsim.errors import Fault, SnError, fail, for_line
from snsim.input_files import is_file, is_folder, shown
from snsim.protected_files import PROGRAM, SETTINGS
from snsim.registry import suggest
from snsim.runs.opened_run import OpenedRun
from snsim.text_table import aligned


@dataclass(frozen=True)
class RunRow:
    """One run. `train` and `test` have the figures of its last pass by name; None before the first one."""

    run: str
    training: str
    net: str
    data: str
    seed: int
    passes: int  # done
    of: int  # passes of the training
    engine: str
    dtype: str
    started: str
    train: Mapping[str, Any] | None
    test: Mapping[str, Any] | None

    def as_json(self) -> dict[str, Any]:
        """Return the row for `--json`."""
        return asdict(self)


def _setting(name: str) -> Callable[[RunRow], Any]:
    return lambda row: getattr(row, name)


def _figure(split: str, name: str) -> Callable[[RunRow], Any]:
    def value(row: RunRow) -> Any:
        figures: Mapping[str, Any] | None = getattr(row, split)
        return None if figures is None else figures[name]

    return value


_TEXTS = ("run", "training", "net", "data", "engine", "dtype", "started")
# The columns that --sort and --where take.
COLUMNS: dict[str, Callable[[RunRow], Any]] = {
    **{name: _setting(name) for name in (*_TEXTS, "seed", "passes")},
    **{f"{split}-{name}": _figure(split, name) for split in ("train", "test") for name in ("misses", "error", "loss")},
}


def runs_in(folder: Path) -> tuple[list[RunRow], list[Fault]]:
    """Return a row for each run in a folder, in the order of their names, and a warning for each that is damaged.

    The folder of a program that trains by itself is passed over. SnError if the folder is missing or has no run.
    """
    if not is_folder(folder):
        raise fail(
            f"there is no folder {shown(folder)}", hint="snsim run FILE makes one, runs/; or name another folder"
        )
    if is_file(folder / SETTINGS):
        return [_row(folder)], []
    rows, warnings = [], []
    places = sorted(place for place in folder.iterdir() if is_file(place / SETTINGS) and place.name[:1] != ".")
    for place in places:
        try:
            rows.append(_row(place))
        except SnError as error:
            warnings += [replace(fault, severity="warning") for fault in error.faults]
    if not places:
        programs = sum(is_file(place / PROGRAM) for place in folder.iterdir())
        others = f", only {programs} of programs that train by themselves" if programs else ""
        raise fail(
            f"there is no run in {shown(folder)}{others}", hint="snsim run FILE makes one; or name another folder"
        )
    return rows, warnings


def selected(rows: Sequence[RunRow], where: Mapping[str, str], sort: str | None, reverse: bool) -> list[RunRow]:
    """Return the rows whose columns match, in the order of the column `sort`. Rows without its figure come last.

    `where` has a pattern such as `lecun*` for each column. SnError for an unknown column.
    """
    for name in (*where, *([sort] if sort else [])):
        if name not in COLUMNS:
            raise fail(f'a run has no column "{for_line(name)}"', hint=suggest(name, list(COLUMNS), "columns"))
    kept = [row for row in rows if all(fnmatchcase(str(COLUMNS[name](row)), text) for name, text in where.items())]
    if sort is not None:
        value = COLUMNS[sort]
        known = sorted((row for row in kept if value(row) is not None), key=value, reverse=reverse)
        return [*known, *(row for row in kept if value(row) is None)]
    return kept[::-1] if reverse else kept


def run_table(rows: Sequence[RunRow]) -> str:
    """Return the rows as a table: errors in percent, misses in brackets, `-` where there is no figure."""
    heads = ("run", "net", "data", "seed", "passes", "engine", "train error %", "misses", "test error %", "misses")
    return "\n".join(aligned([heads, *(_cells(row) for row in rows)], "lllrrlrrrr"))


def _cells(row: RunRow) -> tuple[str, ...]:
    passes = str(row.passes) if row.passes == row.of else f"{row.passes} of {row.of}"
    figures = [
        cell
        for figures in (row.train, row.test)
        for cell in (("-", "-") if figures is None else (f"{figures['error']:.2f}", f"{figures['misses']:,}"))
    ]
    return (row.run, row.net, row.data, str(row.seed), passes, row.engine, *figures)


def _row(folder: Path) -> RunRow:
    run = OpenedRun.open(folder)
    settings = run.settings
    last: Mapping[str, Any] = run.record.passes[-1] if run.record.passes else {"train": None, "test": None}
    return RunRow(
        run.name,
        settings["name"],
        settings["net"],
        settings["data"]["name"],
        settings["seed"],
        run.record.snapshot.number,
        settings["passes"],
        settings["engine"],
        settings["dtype"],
        settings["started"],
        last["train"],
        last["test"],
    )
