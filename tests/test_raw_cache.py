"""Own files in the cache: the same examples as parsed from the files, and never those of other files or options."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from snsim.data.examples import Examples
from snsim.data.own_data import read_own, read_path
from snsim.data.reader_options import NamePattern, ReaderOptions
from snsim.data.readers import csv_table, image_folder, npz_arrays


@pytest.fixture
def parsed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """An empty cache, and a list that gets a word for each file that is really parsed."""
    monkeypatch.setenv("SNSIM_CACHE", str(tmp_path / "cache"))
    calls: list[str] = []

    def count(module: object, name: str) -> None:
        real: Callable[..., object] = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *args: (calls.append(name), real(*args))[1])

    count(csv_table, "_raw")
    count(image_folder, "_read_pictures")
    count(npz_arrays, "raw_data")
    return calls


def table(path: Path, first: str = "red") -> Path:
    """A table of 20,000 rows, above a megabyte."""
    rows = np.random.default_rng(1).standard_normal((20000, 3))
    colours = [first, "green", "blue"]
    lines = [",".join([*(f"{x:.17g}" for x in row), colours[k % 3]]) for k, row in enumerate(rows)]
    path.write_text("a,b,c,colour\n" + "\n".join(lines) + "\n")
    return path


def assert_same(one: Examples, other: Examples) -> None:
    for part in ("train", "test"):
        for role in ("inputs", "labels", "targets", "files"):
            a, b = (getattr(getattr(examples, part), role, None) for examples in (one, other))
            assert (a is None) == (b is None)
            assert a is None or (a.dtype == b.dtype and a.tolist() == b.tolist())
    assert one.record is not None
    assert other.record is not None
    assert asdict(one.record) == asdict(other.record)
    assert (one.digest, one.name, one.origin, one.classes, one.notes) == (
        other.digest,
        other.name,
        other.origin,
        other.classes,
        other.notes,
    )


def test_a_table_is_parsed_once_for_its_content_and_its_options(tmp_path: Path, parsed: list[str]) -> None:
    file, options = table(tmp_path / "a.csv"), ReaderOptions(test=0.1, standardize=True)
    first = read_own("csv", [file], options)
    assert_same(first, read_own("csv", [file], options))
    read_own("csv", [file], ReaderOptions(test=0.2))  # held out after parsing
    assert parsed == ["_raw"]
    targets = read_own("csv", [file], ReaderOptions(target=(NamePattern("a"),), ignore=(NamePattern("colour"),)))
    assert targets.train.targets is not None
    table(file, "yellow")
    assert "yellow" in read_own("csv", [file], options).class_names
    assert len(parsed) == 3


def test_a_small_table_is_not_kept(tmp_path: Path, parsed: list[str]) -> None:
    file = tmp_path / "a.csv"
    file.write_text("1,2,a\n3,4,b\n")
    read_path(file)
    read_path(file)
    assert len(parsed) == 2
    assert not (tmp_path / "cache" / "parsed").exists()


def test_a_folder_of_pictures_is_decoded_once(tmp_path: Path, parsed: list[str]) -> None:
    draw = np.random.default_rng(1)
    for part, count in (("train", 200), ("test", 120)):
        for k in range(count):
            place = tmp_path / "pictures" / part / "ab"[k % 2] / f"{k}.png"
            place.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(draw.integers(0, 256, (5, 4), np.uint8)).save(place)
    folder = tmp_path / "pictures"
    first = read_path(folder)
    assert parsed == ["_read_pictures"] * 2
    assert_same(first, read_path(folder))
    assert first.test is not None
    assert first.test.files is not None
    read_path(folder, ReaderOptions(size=(3, 3)), "images")
    Image.fromarray(np.zeros((5, 4), np.uint8)).save(folder / "train" / "a" / "0.png")
    assert read_path(folder).digest != first.digest
    assert len(parsed) == 6


def test_a_damaged_entry_is_parsed_again(tmp_path: Path, parsed: list[str]) -> None:
    file = tmp_path / "a.npz"
    np.savez(file, x=np.random.default_rng(1).standard_normal((4000, 40)), y=np.arange(4000) % 3)
    first = read_path(file)
    assert_same(first, read_path(file))
    assert len(parsed) == 1
    (entry,) = (tmp_path / "cache" / "parsed").glob("*.arrays")
    content = entry.read_bytes()
    for damaged in (content.replace(b'["0", "1", "2"]', b'["0", "2", "1"]', 1), content[:-8] + b"\1" * 8):
        assert damaged != content
        entry.write_bytes(damaged)
        assert_same(first, read_path(file))
    assert len(parsed) == 3
