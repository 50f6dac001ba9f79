"""Find, read and write the cache folder: data, compiled code, the history of the prompt. Safe to delete.

snsim runs the compiled code in the cache. So it only uses a cache that no other user can change:

- Folders are created with mode 0700, files with mode 0600.
- A folder or file is not used if it belongs to another user, or if its group or everybody can write it.
- Only root and this user may be able to replace a folder above the cache. In a folder with the sticky bit, as /tmp,
  nobody can replace the folder of another user.
- A link, pipe or device in place of an entry is not opened.

A refused cache costs time only: a `CacheWarning` says why, and the caller continues without the cache. A digest in an
entry detects damage. It does not protect against other users: somebody who changes the entry can change the digest too.

On Windows, which has no POSIX owners and modes, none of this is checked. The default folder there is private by the
permissions of the user's profile; a folder named by SNSIM_CACHE is the user's responsibility.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path

from snsim.errors import ShownWarning, fail
from snsim.operating_system import open_to_read, user_name, user_number

_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


class CacheWarning(ShownWarning):
    """The cache, or an entry of it, is not used. The text is shown to the user."""

    def __init__(self, message: str):
        super().__init__(message, "name another folder in the environment variable SNSIM_CACHE")


class UnsafeCacheError(Exception):
    """Another user could change the cache. The text says what is wrong and what to do.

    `folder` is the folder that is not used, or the one that holds the file that is not used.
    """

    def __init__(self, message: str, folder: Path):
        super().__init__(message)
        self.folder = folder


def cache_folder() -> Path:
    """Return the folder named by SNSIM_CACHE, or the default of the system. SnError if neither is known."""
    if chosen := os.environ.get("SNSIM_CACHE"):
        try:
            return Path(chosen).expanduser()
        except RuntimeError:
            raise fail(
                f"SNSIM_CACHE is {chosen}, and there is no such user",
                hint="name a folder with the variable SNSIM_CACHE",
            ) from None
    import platformdirs

    try:
        folder = platformdirs.user_cache_path("snsim", appauthor=False)
        if folder.is_absolute():
            return folder
    except RuntimeError:
        pass
    raise fail(  # a user without an entry in the system's list, and no HOME
        "no cache folder: SNSIM_CACHE is not set, and this user has no home folder",
        hint="name a folder with the variable SNSIM_CACHE",
    )


def private_folder(folder: Path) -> Path:
    """Create a folder of the cache if it is missing, and return its path without links.

    UnsafeCacheError if another user can change it; OSError if it cannot be created.
    """
    place = _checked_path(folder)
    for missing in reversed([part for part in (place, *place.parents) if not os.path.lexists(part)]):
        with contextlib.suppress(FileExistsError):  # another process has created it in the meantime
            os.mkdir(missing, 0o700)
    _check_own(place, os.lstat(place), stat.S_ISDIR)
    return place


def is_private_file(place: Path) -> bool:
    """Tell whether a file in a private folder exists. UnsafeCacheError if another user can change it."""
    try:
        _check_own(place, os.lstat(place), stat.S_ISREG)
    except FileNotFoundError:
        return False
    return True


def open_entry(path: Path) -> int | None:
    """Open a file of the cache to read it, and return its descriptor; None if it does not exist.

    UnsafeCacheError if another user can change it or it is not a plain file; OSError if it cannot be opened.
    """
    place = _checked_path(path.parent) / path.name
    try:
        _check_own(place, os.lstat(place), stat.S_ISREG)  # before it is opened: opening a device can have effects
        descriptor = open_to_read(place, follow_link=False)
    except FileNotFoundError:
        return None
    try:
        _check_own(place, os.fstat(descriptor), stat.S_ISREG)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def read_entry(path: Path, most: int) -> bytes | None:
    """Return the bytes of a file of the cache, or None if it does not exist.

    UnsafeCacheError as for `open_entry`; OSError if it cannot be read or has more than `most` bytes.
    """
    descriptor = open_entry(path)
    if descriptor is None:
        return None
    with os.fdopen(descriptor, "rb") as file:
        size = os.fstat(descriptor).st_size
        if size > most:
            raise OSError(f"it has {size:,} bytes, at most {most:,} are read")
        return file.read(most)


def write_entry(path: Path, content: bytes | Iterable[memoryview]) -> None:
    """Write a file of the cache in one step; the content may come in pieces.

    UnsafeCacheError and OSError as in `private_folder`.
    """
    import tempfile

    folder = private_folder(path.parent)
    handle, beside = tempfile.mkstemp(dir=folder, prefix=path.stem[:16], suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            for piece in [content] if isinstance(content, bytes) else content:
                file.write(piece)
        os.replace(beside, folder / path.name)
    except BaseException:
        Path(beside).unlink(missing_ok=True)
        raise


def read_checked(path: Path, mark: bytes, most: int) -> bytes | None:
    """Return what `write_checked` wrote; None if the file is absent or damaged.

    The same, with a warning, if another user could have written it.
    """
    try:
        content = read_entry(path, most) or b""
    except UnsafeCacheError as reason:
        warn_once(reason)
        return None
    except OSError:
        return None
    head, body = content[: len(mark) + 32], content[len(mark) + 32 :]
    return body if head == mark + hashlib.sha256(body).digest() else None


def write_checked(path: Path, mark: bytes, body: bytes) -> None:
    """Write an entry of the cache with a mark of its format and its digest.

    An entry that cannot be written costs only time: nothing is raised, and a place that others can change is reported.
    """
    try:
        write_entry(path, mark + hashlib.sha256(body).digest() + body)
    except UnsafeCacheError as reason:
        warn_once(reason)
    except OSError:
        pass


def warn_once(reason: UnsafeCacheError) -> None:
    """Warn the user that the cache is not used, and why: once per process and folder."""
    if reason.folder not in _warned:
        _warned.add(reason.folder)
        warnings.warn(CacheWarning(str(reason)), stacklevel=2)


_warned: set[Path] = set()


def _checked_path(folder: Path) -> Path:
    """Return the path of a folder without links. UnsafeCacheError if another user can replace it or a folder above it.

    Folders that are missing are not checked: `private_folder` creates them with mode 0700.
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
    """Raise UnsafeCacheError unless a file or folder belongs to this user, and only this user may write it."""
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


def _unsafe(place: Path, why: str, is_file: bool = False) -> UnsafeCacheError:
    if is_file:
        return UnsafeCacheError(
            f"a file of the cache is not used: {place} {why}. If you do not know who wrote it, delete the folder "
            f"{place.parent}: snsim downloads or compiles its content again",
            place.parent,
        )
    return UnsafeCacheError(
        f"the cache is not used: {place} {why}. Correct the owner and the permissions (chown, chmod go-w) and delete "
        "files that are not yours, or name another folder in the variable SNSIM_CACHE",
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
