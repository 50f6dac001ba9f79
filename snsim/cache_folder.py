"""The cache folder: downloaded data, compiled code, the history of the prompt. Safe to delete.

What stands in the cache is trusted: compiled code is run. So only a cache that nobody else can change is used:

- Folders are made with mode 0700, files with 0600.
- A folder or file that belongs to another user, or that its group or all may write, is not used. No user but root and
  this one may be able to replace a folder above the cache. A folder with the sticky bit, as /tmp, is safe for that.
- A link, pipe or device in place of an entry is not opened.

A cache that is refused costs time, not the run: one sentence says why, as a `CacheWarning`, and the caller goes on
without it. A digest that is kept in an entry finds damage; it does not protect, as whoever writes the entry writes it.

On systems without users and modes of POSIX (Windows) nothing of this is checked. There the default folder is private by
the permissions of the user's profile; a folder named by SNSIM_CACHE is the user's own care.
"""

from __future__ import annotations

import contextlib
import os
import stat
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

import platformdirs

from snsim.errors import fail
from snsim.operating_system import open_to_read, user_name, user_number

_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


class CacheWarning(UserWarning):
    """The cache, or an entry of it, is not used. The text is the sentence for the user."""


class UnsafeError(Exception):
    """Somebody else could change what the cache holds. The text says what and why, and what to do.

    `folder` is the folder that is not used, or in which there are files that are not.
    """

    def __init__(self, sentence: str, folder: Path):
        super().__init__(sentence)
        self.folder = folder


def cache_folder() -> Path:
    """SNSIM_CACHE, or the folder that the platform gives to caches. SnError if neither is known."""
    if chosen := os.environ.get("SNSIM_CACHE"):
        try:
            return Path(chosen).expanduser()
        except RuntimeError:
            raise fail(
                f"SNSIM_CACHE is {chosen}, and there is no such user",
                hint="name a folder with the variable SNSIM_CACHE",
            ) from None
    try:
        folder = platformdirs.user_cache_path("snsim", appauthor=False)
        if folder.is_absolute():
            return folder
    except RuntimeError:
        pass
    raise fail(  # a user without an entry in the system's list, and no HOME
        "there is no folder for a cache: neither SNSIM_CACHE nor the home folder of this user is known",
        hint="name a folder with the variable SNSIM_CACHE",
    )


def private_folder(folder: Path) -> Path:
    """Make a folder of the cache where it is missing, and return its path without links.

    UnsafeError if somebody else can change it; OSError if it cannot be made.
    """
    place = _checked_way(folder)
    for missing in reversed([part for part in (place, *place.parents) if not os.path.lexists(part)]):
        with contextlib.suppress(FileExistsError):  # another process has made it in the meantime
            os.mkdir(missing, 0o700)
    _check_own(place, os.lstat(place), stat.S_ISDIR)
    return place


def is_private_file(place: Path) -> bool:
    """Tell whether there is this file in a private folder. UnsafeError if somebody else can change it."""
    try:
        _check_own(place, os.lstat(place), stat.S_ISREG)
    except FileNotFoundError:
        return False
    return True


def read_entry(path: Path, most: int) -> bytes | None:
    """Return the bytes of a file of the cache; None if there is none.

    UnsafeError if somebody else can change it or it is no plain file; OSError if it cannot be read or has more than
    `most` bytes.
    """
    place = _checked_way(path.parent) / path.name
    try:
        _check_own(place, os.lstat(place), stat.S_ISREG)  # before it is opened: opening a device may act
        descriptor = open_to_read(place, follow_link=False)
    except FileNotFoundError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        _check_own(place, status, stat.S_ISREG)
        if status.st_size > most:
            raise OSError(f"it has {status.st_size:,} bytes, at most {most:,} are read")
        return file.read(most)


def write_entry(path: Path, content: bytes) -> None:
    """Write a file of the cache: beside its place, then moved there. UnsafeError and OSError as `private_folder`."""
    import tempfile

    folder = private_folder(path.parent)
    handle, beside = tempfile.mkstemp(dir=folder, prefix=path.stem[:16], suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.replace(beside, folder / path.name)
    except BaseException:
        Path(beside).unlink(missing_ok=True)
        raise


def warn_once(reason: UnsafeError) -> None:
    """Tell the user that the cache is not used, and why: once in a process for each folder."""
    if reason.folder not in _told:
        _told.add(reason.folder)
        warnings.warn(CacheWarning(str(reason)), stacklevel=2)


_told: set[Path] = set()


def tell_warnings(tell: Callable[[str], None]) -> None:
    """Hand the sentences of `warn_once` to `tell` in this process, and show no other warning of Python.

    A warning of Python is for who writes a program in Python. The user of a command cannot act on it.
    """

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if issubclass(category, CacheWarning):
            tell(str(message))

    warnings.simplefilter("ignore")
    warnings.simplefilter("always", CacheWarning)
    warnings.showwarning = show


def _checked_way(folder: Path) -> Path:
    """Return the path of a folder without links. UnsafeError if others can replace a part of the way to it, or it.

    Parts that are missing are not judged; who makes them makes them private.
    """
    absolute = Path(os.path.abspath(folder))
    if (user := user_number()) is None:
        return absolute
    for part in (absolute, *absolute.parents):
        if os.path.islink(part) and (owner := os.lstat(part).st_uid) not in (0, user):
            raise _unsafe(part, f"is a link of {_user(owner)}")
    place = Path(os.path.realpath(absolute))
    for above in reversed(place.parents):
        try:
            status = os.lstat(above)
        except FileNotFoundError:
            break
        if status.st_uid not in (0, user):
            raise _unsafe(above, f"belongs to {_user(status.st_uid)}, who can replace what is in it")
        if status.st_mode & _OTHERS_WRITE and not status.st_mode & stat.S_ISVTX:
            raise _unsafe(above, _open_to(status))
    if os.path.lexists(place):
        _check_own(place, os.lstat(place), stat.S_ISDIR)
    return place


def _check_own(place: Path, status: os.stat_result, is_kind: Callable[[int], bool]) -> None:
    """UnsafeError if this is not a file or folder of this user that only this user may write."""
    is_file = is_kind is stat.S_ISREG
    if not is_kind(status.st_mode):
        wanted = "plain file" if is_file else "folder"
        raise _unsafe(place, f"is {_kind(status.st_mode)}, not a {wanted}", is_file)
    if (user := user_number()) is None:
        return
    if status.st_uid != user:
        raise _unsafe(place, f"belongs to {_user(status.st_uid)}", is_file)
    if status.st_mode & _OTHERS_WRITE:
        raise _unsafe(place, _open_to(status), is_file)


def _open_to(status: os.stat_result) -> str:
    return f"can be written by others (mode {stat.S_IMODE(status.st_mode):o})"


def _unsafe(place: Path, why: str, is_file: bool = False) -> UnsafeError:
    if is_file:
        return UnsafeError(
            f"a file of the cache is not used: {place} {why}. If you do not know who wrote it, delete "
            f"the folder {place.parent}; what it held is made again",
            place.parent,
        )
    return UnsafeError(
        f"the cache is not used: {place} {why}. Correct that and delete what others may have put into "
        "it, or name another folder in the variable SNSIM_CACHE",
        place,
    )


def _kind(mode: int) -> str:
    kinds = (
        (stat.S_ISLNK, "a link"),
        (stat.S_ISDIR, "a folder"),
        (stat.S_ISREG, "a plain file"),
        (stat.S_ISFIFO, "a pipe"),
        (stat.S_ISSOCK, "a socket"),
    )
    return next((name for is_kind, name in kinds if is_kind(mode)), "a device")


def _user(number: int) -> str:
    return f"the user {user_name(number) or number}"
