"""`snsim data`: list the data sets, or describe one."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from snsim.colour import echo, is_terminal
from snsim.escaping import for_line
from snsim.text_table import aligned, shape_text

if TYPE_CHECKING:
    from snsim.data.catalog import DataSet
    from snsim.data.examples import Split
    from snsim.data.fetch import Fetcher
    from snsim.data.progress import ProgressBar


@click.command()
@click.argument("name", required=False)
@click.option("--data-dir", type=click.Path(path_type=Path), help="Folder searched first for data.")
@click.option("--offline", is_flag=True, help="Never download data.")
def data(name: str | None, data_dir: Path | None, offline: bool) -> None:
    """List the data sets and where they are, or describe the data set NAME."""
    echo(overview(data_dir) if name is None else describe(name, data_dir, offline))


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
        ]
    )


def describe(name: str, data_dir: Path | None, offline: bool) -> str:
    """Return what a data set is, where its files are, its sizes and class counts. Missing files are downloaded."""
    from snsim.data.catalog import DATA_SETS, find
    from snsim.data.fetch import Search

    DATA_SETS.get(name)
    examples = find([name], Search.usual(data_dir, online=not offline), _say, _progress()).examples
    rows = [("found", examples.origin), ("digest", examples.digest), ("inputs", shape_text(examples.shape))]
    splits = [("train", examples.train), ("test", examples.test)]
    rows += [(part, _contents(split)) for part, split in splits if split is not None]
    lines = [name, "", inspect.cleandoc(DATA_SETS.get(name).__doc__ or ""), "", *aligned(rows, "ll")]
    if examples.classes and examples.train.labels is not None:
        counts = [(part, *_class_counts(split, examples.classes)) for part, split in splits if split is not None]
        heads = ("class", *(str(number) for number in range(examples.classes)))
        lines += ["", *aligned([heads, *counts], "l" + "r" * examples.classes)]
    return "\n".join(lines)


def _location(data_set: DataSet, fetcher: Fetcher) -> str:
    """Return the folders of the files of a data set, or that they must be downloaded."""
    places = [fetcher.locate(file) for file in data_set.files]
    if any(place is None for place in places):
        return "not here: downloaded when needed"
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
