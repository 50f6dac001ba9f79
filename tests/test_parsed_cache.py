"""The arrays of data sets in the cache: the same arrays as parsed from the files, or not used."""

from __future__ import annotations

import gzip
import hashlib
import os
from pathlib import Path

import numpy as np
import pytest

from snsim.cache_folder import CacheWarning
from snsim.cli.main import main
from snsim.data import parsed_cache
from snsim.data.catalog import DataSet, load
from snsim.data.examples import Examples, Split
from snsim.data.fetch import DataFile, Fetcher, Search
from snsim.errors import SnError

NUMBERS = np.arange(120, dtype=np.float64).reshape(10, 3, 4) / 7
TEXT = "\n".join(" ".join(map(repr, row.ravel().tolist())) for row in NUMBERS).encode()
FILE = DataFile("few/numbers.txt.gz", len(TEXT), hashlib.sha256(TEXT).hexdigest())


class Counted:
    """A data set that counts how often its file is parsed."""

    def __init__(self, version: str | None = "1"):
        self.parsed = 0
        self.set = DataSet(self.read, (FILE,), (6, 4), (3, 4), None, version=version)

    def read(self, contents: object) -> tuple[Split, Split]:
        """Ten patterns of twelve numbers."""
        self.parsed += 1
        content = contents["numbers.txt.gz"]  # type: ignore[index]
        rows = np.array([line.split() for line in content.decode().split("\n")], np.float64).reshape(-1, 3, 4)
        labels = np.arange(10)
        targets = rows.sum(axis=(1, 2))[:, None].astype(np.float32)
        return Split(rows[:6], labels[:6]), Split(rows[6:], targets=targets[6:])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder with the file of the set, beside an empty cache."""
    monkeypatch.setenv("SNSIM_CACHE", str(tmp_path / "cache"))
    place = tmp_path / "data" / FILE.path
    place.parent.mkdir(parents=True)
    place.write_bytes(gzip.compress(TEXT, mtime=0))
    return tmp_path / "data"


def loaded(counted: Counted, folder: Path) -> Examples:
    return load("few", counted.set, Fetcher(Search(data_dir=folder, online=False)))


def entries(folder: Path) -> list[Path]:
    return sorted((folder.parent / "cache" / "parsed").glob("*"))


def assert_equal(found: Examples, expected: Examples) -> None:
    assert (found.digest, found.origin) == (expected.digest, expected.origin)
    for one, other in ((found.train, expected.train), (found.test, expected.test)):
        assert one is not None and other is not None
        for role in ("inputs", "labels", "targets"):
            a, b = getattr(one, role), getattr(other, role)
            assert (a is None) == (b is None)
            if a is not None:
                assert a.dtype == b.dtype and a.shape == b.shape and np.array_equal(a, b)


def test_a_set_is_parsed_once_and_has_the_same_arrays_from_the_cache(folder: Path) -> None:
    counted = Counted()
    first, second = loaded(counted, folder), loaded(counted, folder)
    assert counted.parsed == 1 and len(entries(folder)) == 1
    assert_equal(second, first)
    assert np.array_equal(second.train.inputs, NUMBERS[:6])
    assert entries(folder)[0].stat().st_mode & 0o777 == 0o600


def test_a_change_of_such_an_array_is_not_in_the_cache(folder: Path) -> None:
    counted = Counted()
    loaded(counted, folder)
    loaded(counted, folder).train.inputs[:] = 0
    assert np.array_equal(loaded(counted, folder).train.inputs, NUMBERS[:6]) and counted.parsed == 1


def test_a_set_without_a_version_is_not_kept(folder: Path) -> None:
    counted = Counted(None)
    loaded(counted, folder), loaded(counted, folder)
    assert counted.parsed == 2 and not entries(folder)


def test_another_version_or_other_bytes_of_the_file_are_parsed_again(folder: Path) -> None:
    counted, later = Counted(), Counted("2")
    loaded(counted, folder), loaded(later, folder)
    assert (counted.parsed, later.parsed) == (1, 1)
    (folder / FILE.path).write_bytes(TEXT)  # not packed
    loaded(counted, folder)
    assert counted.parsed == 2 and len(entries(folder)) == 3


def test_a_damaged_file_is_an_error_although_the_cache_has_its_set(folder: Path) -> None:
    counted = Counted()
    loaded(counted, folder)
    (folder / FILE.path).write_bytes(gzip.compress(TEXT[:-1] + b"8"))
    with pytest.raises(SnError, match="is not the file of the data set, or is damaged"):
        loaded(counted, folder)


def test_damaged_entries_are_written_again(folder: Path) -> None:
    counted = Counted()
    expected = loaded(counted, folder)
    (entry,) = entries(folder)
    whole = entry.read_bytes()
    head = whole.index(b"\n", len(b"snsim arrays 1\n")) + 1
    first = head + -head % 64
    places = [*range(0, head), first, first + 100, len(whole) - 1]  # between the arrays there are zeros
    damages = [whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :] for at in places]
    damages += [whole[:at] for at in (0, 5, head - 1, head, first + 8, len(whole) - 1)]
    damages += [
        whole + b"\0",
        whole.replace(b"<f8", b"|O8"),  # objects of Python
        whole.replace(b"[6, 3, 4]", b"[9, 9, 9]"),
        whole.replace(b"[6, 3, 4]", b"[6, 3,-4]"),
        whole.replace(b'"arrays": [', b'"arrays": [[[[['),
        b"snsim arrays 1\n" + b"[" * 10_000 + b"\n",
        b"snsim arrays 1\nnull\n",
        b"\x80\x04cos\nsystem\n(S'touch harm'\ntR.",  # a pickle
    ]
    for damage in damages:
        if damage == whole:
            continue
        entry.write_bytes(damage)
        before = counted.parsed
        assert_equal(loaded(counted, folder), expected)
        assert counted.parsed == before + 1 and entry.read_bytes() == whole, damage[:200]


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="no owners and modes of POSIX here")
def test_what_others_can_change_is_not_used(folder: Path) -> None:
    counted = Counted()
    loaded(counted, folder)
    entries(folder)[0].chmod(0o666)
    with pytest.warns(CacheWarning, match="can be written by others"):
        loaded(counted, folder)
    assert counted.parsed == 2


def test_the_entries_not_used_for_the_longest_time_are_removed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parsed_cache, "MOST_BYTES", 2 * len(TEXT) + 2000)
    sets = {version: Counted(version) for version in ("1", "2", "3")}
    size = 0
    for age, (version, counted) in enumerate(sets.items()):
        loaded(counted, folder)
        size = max(path.stat().st_size for path in entries(folder))
        monkeypatch.setattr(parsed_cache, "MOST_BYTES", 2 * size + 10)
        newest = max(entries(folder), key=lambda path: path.stat().st_mtime_ns)
        os.utime(newest, (1000 + age, 1000 + age))
        if version == "2":
            loaded(sets["1"], folder)  # used again, so the second is now the older one
    stale = entries(folder)[0].with_name("draft.part")
    stale.write_bytes(b"from a writer that was killed")
    os.utime(stale, (1, 1))
    assert len(entries(folder)) == 3
    for version, parsed in (("1", 1), ("3", 1), ("2", 2)):
        loaded(sets[version], folder)
        assert sets[version].parsed == parsed
    assert not stale.exists() and len(entries(folder)) == 2


def test_an_array_of_another_type_is_not_kept(folder: Path) -> None:
    train = Split(np.array([["a"]]), np.array([1]))
    parsed_cache.write("key", parsed_cache.ParsedSet(train, train, "digest"))
    assert not entries(folder) and parsed_cache.read("key") is None


def test_the_command_clears_the_parsed_arrays_and_nothing_else(
    folder: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    counted = Counted()
    loaded(counted, folder)
    size = entries(folder)[0].stat().st_size
    downloaded = tmp_path / "cache" / FILE.path
    downloaded.parent.mkdir(parents=True)
    downloaded.write_bytes(b"a download")
    beside = entries(folder)[0].with_name("notes.txt")
    beside.write_text("of the user")
    assert main(["data", "--clear-cache"]) == 0
    assert f"removed 1 parsed data set, {size / 1e6:,.1f} MB, from" in capsys.readouterr().out
    assert downloaded.exists() and entries(folder) == [beside]
    assert main(["data", "--clear-cache"]) == 0 and "nothing to remove" in capsys.readouterr().out
    assert main(["data", "zipcode", "--clear-cache"]) == 2
    loaded(counted, folder)
    assert counted.parsed == 2
