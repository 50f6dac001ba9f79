"""`snsim data`: list the data sets, or describe one, or a file or folder of your own."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from snsim.cli.errors import WrongUseError
from snsim.colour import echo, is_terminal
from snsim.escaping import for_line
from snsim.text_table import aligned, shape_text

if TYPE_CHECKING:
    from snsim.data.catalog import DataSet
    from snsim.data.examples import Examples, Split
    from snsim.data.fetch import Fetcher
    from snsim.data.progress import ProgressBar

_MOST_ACROSS = 16  # classes whose counts stand side by side
_MOST_ROWS = 60  # lines of a table of classes or columns


@click.command()
@click.argument("name", required=False, metavar="[NAME|PATH]")
@click.option("--data-dir", type=click.Path(path_type=Path), help="Folder searched first for data.")
@click.option("--offline", is_flag=True, help="Never download data.")
@click.option("--clear-cache", is_flag=True, help="Remove the parsed data sets from the cache. Downloaded files stay.")
def data(name: str | None, data_dir: Path | None, offline: bool, clear_cache: bool) -> None:
    """List the data sets and where they are, or describe a data set, or a file or folder of your own."""
    if clear_cache:
        if name is not None:
            raise WrongUseError(
                f"--clear-cache removes the parsed arrays of all data sets: {for_line(name)} is not needed",
                "write snsim data --clear-cache",
            )
        echo(cleared_cache())
        return
    echo(overview(data_dir) if name is None else describe(name, data_dir, offline))


def cleared_cache() -> str:
    """Remove the parsed data sets from the cache, and return a sentence. SnError if the cache is not safe to change."""
    from snsim.cache_folder import UnsafeCacheError
    from snsim.data import parsed_cache
    from snsim.errors import fail

    try:
        folder, entries, size = parsed_cache.clear()
    except UnsafeCacheError as reason:
        raise fail(str(reason), hint="change the owner or the permissions first, then clear the cache again") from None
    except OSError as error:
        raise fail(
            f"the cache cannot be cleared: {error.strerror or error}",
            hint="delete the folder yourself, or change its permissions",
        ) from None
    if not entries:
        return f"nothing to remove: {for_line(folder)} holds no parsed data"
    return (
        f"removed {entries} parsed data set{'' if entries == 1 else 's'}, {size / 1e6:,.1f} MB, from {for_line(folder)}"
    )


def overview(data_dir: Path | None) -> str:
    """Return a line for each data set (sizes, shape, where it is), then the folders that are searched."""
    from snsim.data.catalog import DATA_SETS
    from snsim.data.fetch import Fetcher, Search

    search = Search.usual(data_dir)
    fetcher = Fetcher(search)
    rows = [("data set", "train", "test", "shape", "where")]
    for entry in DATA_SETS:
        train, test = entry.value.sizes
        rows.append(
            (entry.name, f"{train:,}", f"{test:,}", shape_text(entry.value.shape), _location(entry.value, fetcher))
        )
    places = [f"{for_line(folder)} ({origin})" for origin, folder in search.folders()]
    places += [f"{for_line(search.cache)} (the cache)", "public addresses"]
    return "\n".join(
        [
            *aligned(rows, "lrrll"),
            "",
            f"searched: {', '.join(places)}",
            "`snsim data NAME` downloads one and describes it",
            "`snsim data PATH` describes your own file or folder",
        ]
    )


def describe(name: str, data_dir: Path | None, offline: bool) -> str:
    """Return a description of a data set or a user's own file: place, sizes, columns and class counts.

    Missing files are downloaded.
    """
    from snsim.data.catalog import DATA_SETS
    from snsim.data.readers import READERS

    examples = examples_of_name(name, data_dir, offline)
    record = examples.record
    if record is None:
        return "\n".join([name, "", inspect.cleandoc(DATA_SETS.get(name).__doc__ or ""), "", *_tables(examples)])
    entry = READERS.entry(record.reader)
    assert entry is not None
    lines = [for_line(name), "", f"{record.reader}: {entry.doc}", "", *_tables(examples)]
    if record.columns:
        lines += ["", *_columns(examples)]
    return "\n".join(lines)


def examples_of_name(name: str, data_dir: Path | None, offline: bool) -> Examples:
    """Return the examples of a data set, or of a file or folder. SnError if they cannot be read."""
    from snsim.cli.run import is_data_path
    from snsim.data.catalog import DATA_SETS, find
    from snsim.data.fetch import Search
    from snsim.data.own_data import read_path

    if name not in DATA_SETS and is_data_path(name):
        examples = read_path(Path(name))
        for note in examples.notes:
            _say(note)
        return examples
    DATA_SETS.get(name)
    return find([name], Search.usual(data_dir, online=not offline), _say, _progress()).examples


def _tables(examples: Examples) -> list[str]:
    """Return the lines that describe both data sets and a user's own files."""
    rows = [("found", examples.origin), ("digest", examples.digest), ("inputs", shape_text(examples.shape))]
    splits = [(part, split) for part, split in _parts(examples) if split is not None]
    rows += [(part, _contents(split)) for part, split in splits]
    if examples.train.targets is not None:
        rows.append(("targets", _targets(examples)))
    lines = aligned(rows, "ll")
    if examples.classes and examples.train.labels is not None:
        names = examples.class_names or tuple(str(number) for number in range(examples.classes))
        counts = [(part, *_class_counts(split, examples.classes)) for part, split in splits]
        table = [("class", *names), *counts]
        if len(names) <= _MOST_ACROSS and sum(len(name) for name in names) <= 80:
            lines += ["", *aligned(table, "l" + "r" * len(names))]
        else:
            lines += ["", *_cut(aligned(list(zip(*table)), "l" + "r" * len(counts)), "classes")]
    return lines


def _parts(examples: Examples) -> Sequence[tuple[str, Split | None]]:
    return ("train", examples.train), ("test", examples.test)


def _columns(examples: Examples) -> list[str]:
    """Return the input columns of a table, with their values in the training part."""
    record, inputs = examples.record, examples.train.inputs
    assert record is not None
    rows = [("column", "lowest", "highest", "mean", "deviation")]
    for name, values in zip(record.columns, inputs.T):
        rows.append((name, f"{values.min():g}", f"{values.max():g}", f"{values.mean():.5g}", f"{values.std():.5g}"))
    return _cut(aligned(rows, "lrrrr"), "columns")


def _cut(lines: list[str], noun: str) -> list[str]:
    more = len(lines) - 1 - _MOST_ROWS
    return lines if more <= 0 else [*lines[: _MOST_ROWS + 1], f"and {more:,} more {noun}"]


def _targets(examples: Examples) -> str:
    targets, record = examples.train.targets, examples.record
    assert targets is not None
    named = f" ({', '.join(record.targets)})" if record is not None and record.targets else ""
    return f"{targets.shape[1]} a pattern{named}, values {targets.min():g} to {targets.max():g}"


def _location(data_set: DataSet, fetcher: Fetcher) -> str:
    """Return the folders of the files of a data set, or that they must be downloaded, or that it has no files."""
    if not data_set.files:
        return "computed"
    places = [fetcher.locate(file) for file in data_set.files]
    if any(place is None for place in places):
        return "not on this machine: downloaded when needed"
    return ", ".join(sorted({str(place.parent) for place in places if place is not None}))


def _contents(split: Split) -> str:
    values = split.inputs
    return f"{len(split):,} patterns, values {values.min():g} to {values.max():g}, mean {values.mean():.4f}"


def _class_counts(split: Split, classes: int) -> list[str]:
    import numpy as np

    if split.labels is None:
        return ["-"] * classes
    return [f"{count:,}" for count in np.bincount(split.labels, minlength=classes)]


def _say(sentence: str) -> None:
    echo(for_line(sentence), err=True)


def _progress() -> ProgressBar | None:
    from snsim.data.progress import ProgressBar

    return ProgressBar(sys.stderr) if is_terminal(sys.stderr) else None
