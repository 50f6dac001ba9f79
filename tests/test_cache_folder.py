"""Only a cache that nobody else can change is used; a planted object is never linked, and the run goes on."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from snsim import cache_folder
from snsim.cache_folder import UnsafeCacheError, private_folder, read_entry, write_entry

pytestmark = pytest.mark.skipif(not hasattr(os, "getuid"), reason="no owners and modes of POSIX here")
needs_root = pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="only root gives files away")
SOMEBODY = 12345
PROGRAM = """(net n (layer input 2) (layer output 1) (connect input output (full)))
(train n (data (examples [[1 1] [1 -1]] [[1] [-1]])) (forget 1) (epsi-inv 1) (passes 1))"""


def with_umask(mask: int, action: Callable[[], object]) -> None:
    before = os.umask(mask)
    try:
        action()
    finally:
        os.umask(before)


def test_folders_and_files_are_made_private_whatever_the_umask(tmp_path: Path) -> None:
    entry = tmp_path / "a" / "b" / "entry"
    with_umask(0, lambda: write_entry(entry, b"content"))
    modes = [stat.S_IMODE(place.stat().st_mode) for place in (entry.parent.parent, entry.parent, entry)]
    assert modes == [0o700, 0o700, 0o600] and read_entry(entry, 100) == b"content"
    assert [path.name for path in entry.parent.iterdir()] == ["entry"]
    assert read_entry(entry.with_name("other"), 100) is None and read_entry(tmp_path / "c" / "d", 100) is None
    with pytest.raises(OSError, match="it has 7 bytes, at most 6"):
        read_entry(entry, 6)


def replace_by_link(place: Path) -> None:
    moved = place.with_name("moved")
    place.rename(moved)
    place.symlink_to(moved)


def replace_by_pipe(place: Path) -> None:
    place.unlink()
    os.mkfifo(place)


def replace_by_folder(place: Path) -> None:
    place.unlink()
    place.mkdir()


UNSAFE: dict[str, tuple[str, Callable[[Path], object], str]] = {  # what is changed, how, and what is said
    "entry for all": ("cache/native/entry", lambda p: p.chmod(0o606), "entry can be written by others (mode 606)"),
    "entry for the group": ("cache/native/entry", lambda p: p.chmod(0o620), "can be written by others (mode 620)"),
    "a link for the entry": ("cache/native/entry", replace_by_link, "entry is a link, not a plain file"),
    "a pipe for the entry": ("cache/native/entry", replace_by_pipe, "entry is a pipe, not a plain file"),
    "a folder for the entry": ("cache/native/entry", replace_by_folder, "entry is a folder, not a plain file"),
    "folder for all": ("cache/native", lambda p: p.chmod(0o777), "native can be written by others (mode 777)"),
    "folder above for the group": ("cache", lambda p: p.chmod(0o770), "cache can be written by others (mode 770)"),
    "parent for all": ("", lambda p: p.chmod(0o777), "can be written by others (mode 777)"),
}
GIVEN_AWAY = {
    "entry of another user": ("cache/native/entry", "entry belongs to the user 12345"),
    "folder of another user": ("cache/native", "native belongs to the user 12345"),
    "folder above of another user": ("cache", "cache belongs to the user 12345, who can replace"),
    "parent of another user": ("", "belongs to the user 12345, who can replace"),
}


def refused(folder: Path) -> str:
    """Why the entry is not read. Nothing is opened for it."""
    opened: list[object] = []

    def watched(path: object, *rest: object) -> int:
        opened.append(path)
        raise AssertionError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cache_folder.os, "open", watched)
        with pytest.raises(UnsafeCacheError) as raised:
            read_entry(folder / "cache" / "native" / "entry", 100)
    assert not opened
    return str(raised.value)


@pytest.mark.parametrize("name", UNSAFE)
def test_what_others_can_change_is_not_used(tmp_path: Path, name: str) -> None:
    where, change, sentence = UNSAFE[name]
    write_entry(tmp_path / "cache" / "native" / "entry", b"content")
    change(tmp_path / where)
    said = refused(tmp_path)
    assert sentence in said and ("SNSIM_CACHE" in said or "delete the folder" in said)


@needs_root
@pytest.mark.parametrize("name", GIVEN_AWAY)
def test_what_belongs_to_somebody_else_is_not_used(tmp_path: Path, name: str) -> None:
    where, sentence = GIVEN_AWAY[name]
    write_entry(tmp_path / "cache" / "native" / "entry", b"content")
    os.chown(tmp_path / where, SOMEBODY, -1)
    assert sentence in refused(tmp_path)


@needs_root
def test_a_way_through_a_link_of_somebody_else_is_not_used(tmp_path: Path) -> None:
    write_entry(tmp_path / "cache" / "entry", b"content")
    (tmp_path / "link").symlink_to("cache")
    assert read_entry(tmp_path / "link" / "entry", 100) == b"content"  # a link of one's own is fine
    os.chown(tmp_path / "link", SOMEBODY, -1, follow_symlinks=False)
    with pytest.raises(UnsafeCacheError, match="link is a link of the user 12345"):
        read_entry(tmp_path / "link" / "entry", 100)


def test_a_folder_with_the_sticky_bit_is_safe(tmp_path: Path) -> None:
    tmp_path.chmod(0o1777)  # as /tmp
    assert private_folder(tmp_path / "cache") == tmp_path / "cache"


# ---- The compiled code -------------------------------------------------------------------------------------------


def run(tmp_path: Path, cache: Path, *words: str) -> subprocess.CompletedProcess[str]:
    (tmp_path / "n.sn").write_text(PROGRAM)
    return subprocess.run(
        [sys.executable, "-m", "snsim", "run", "n.sn", "--out", "runs", *words],
        cwd=tmp_path,
        timeout=300,
        env={**os.environ, "SNSIM_CACHE": str(cache)},
        capture_output=True,
        text=True,
    )


def test_a_planted_object_is_not_linked_and_the_run_goes_on(tmp_path: Path) -> None:
    """The object of other numbers is planted, with a digest that is right."""
    cache = tmp_path / "cache"
    assert run(tmp_path, cache).returncode == 0
    entries = sorted((cache / "native").iterdir())
    good = [entry.read_bytes() for entry in entries]
    assert entries and all(stat.S_IMODE(entry.stat().st_mode) == 0o600 for entry in entries)
    assert run(tmp_path, cache, "--dtype", "float64").returncode == 0
    other = next(entry for entry in (cache / "native").iterdir() if entry not in entries).read_bytes()

    def plant() -> None:
        for entry in entries:
            entry.unlink()
            entry.write_bytes(other)

    with_umask(0, plant)  # a file that others can write
    done = run(tmp_path, cache)
    assert done.returncode == 0 and done.stderr.count("warning: a file of the cache") == 1, done.stderr
    assert "can be written by others" in done.stderr
    assert [entry.read_bytes() for entry in entries] == good  # written anew
    for entry in entries:
        replace_by_pipe(entry)
    done = run(tmp_path, cache)
    assert done.returncode == 0 and "is a pipe, not a plain file" in done.stderr
    shutil.rmtree(cache)
    cache.mkdir()
    cache.chmod(0o777)
    done = run(tmp_path, cache)
    assert done.returncode == 0 and done.stderr.count("the cache is not used: ") == 1 and not list(cache.iterdir())
