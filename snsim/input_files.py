"""Find and open the files that a user or a program names. Every problem is a fault, never another exception.

All uses of such paths go through this module. A name can be invalid (a zero byte, too long), lead in a circle of links,
or name a folder, a pipe or a device. Only plain files are read: a pipe would block the reader, and reading a device can
have effects.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import IO, BinaryIO

from snsim.errors import SnError, Span, fail, for_line, shorten
from snsim.operating_system import open_to_read

_LONGEST = 4096  # bytes of a path: Linux takes no more (PATH_MAX), and other systems take less
_SHOWN = 240  # characters of a name in a message
_AT_ONCE = 1 << 20  # bytes of one read


class PathError(Exception):
    """Raised for a name that cannot lead to a file. The text says why: "its links lead in a circle"."""


def resolve(path: str | Path) -> Path:
    """Return the absolute path without links. The file need not exist. PathError for an impossible name."""
    try:
        if len(os.fsencode(path)) > _LONGEST:  # before the system looks up each part of it
            raise OSError(errno.ENAMETOOLONG, "")
        place = Path(os.path.realpath(path))
        mode = os.lstat(place).st_mode
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return place
    except (OSError, ValueError) as error:
        raise PathError(_reason(error)) from None
    if stat.S_ISLNK(mode):  # realpath returns the link if links lead in a circle
        raise PathError(_reason(OSError(errno.ELOOP, "")))
    return place


def resolve_inside(folder: Path, name: str) -> Path | None:
    """Return the path of a name in a folder, without links, or None if it leads out of the folder.

    PathError as in `resolve`.
    """
    place = resolve(os.path.join(folder, name))
    return place if place.is_relative_to(resolve(folder)) else None


def is_file(path: str | Path) -> bool:
    """Tell whether a path is a plain file. False for an impossible name."""
    return _has_kind(path, stat.S_ISREG)


def is_folder(path: str | Path) -> bool:
    """Tell whether a path is a folder. False for an impossible name."""
    return _has_kind(path, stat.S_ISDIR)


def exists(path: str | Path) -> bool:
    """Tell whether a path exists, of whatever kind. False for an impossible name."""
    return _has_kind(path, lambda mode: True)


def expand_user(name: str | Path) -> Path:
    """Replace ~ and ~USER at the beginning of a path by the home folder. PathError if there is no such user."""
    try:
        return Path(name).expanduser()
    except RuntimeError:
        raise PathError("no home folder is known for its ~") from None


def open_file(
    path: str | Path, most: int | None = None, span: Span | None = None, hint: str = "", what: str = ""
) -> BinaryIO:
    """Open a plain file of at most `most` bytes to read. SnError, at `span`, for anything else.

    `what` says in messages what the file should be: "a pattern file".
    """
    try:
        if not stat.S_ISREG(mode := os.stat(path).st_mode):  # before it is opened: opening a device can have effects
            raise _of_another_kind(path, mode, span, hint)
        descriptor = open_to_read(path)
    except (OSError, ValueError) as error:
        raise unreadable(path, error, span, hint) from None
    file = os.fdopen(descriptor, "rb")
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise _of_another_kind(path, status.st_mode, span, hint)
        if most is not None and status.st_size > most:
            raise fail(
                f"{shown(path)} has {status.st_size:,} bytes; the limit for {what or 'such a file'} is {most:,}",
                span,
                hint=hint or "is it the right file?",
            )
        return file
    except BaseException:
        file.close()
        raise


def read_file(path: str | Path, most: int, span: Span | None = None, hint: str = "", what: str = "") -> bytes:
    """Return the bytes of a plain file, at most `most`. SnError, at `span`, for anything else."""
    with open_file(path, most, span, hint, what) as file:
        try:
            content = file.read(most + 1)
        except OSError as error:
            raise unreadable(path, error, span, hint) from None
    if len(content) > most:  # it grew in the meantime
        raise fail(
            f"{shown(path)} has more than {most:,} bytes, the limit for {what or 'such a file'}",
            span,
            hint=hint or "is it the right file?",
        )
    return content


def unreadable(path: str | Path, error: Exception, span: Span | None = None, hint: str = "") -> SnError:
    """Return the fault for a file that cannot be read, from the exception of the system."""
    if isinstance(error, FileNotFoundError):
        return fail(f"there is no file {shown(path)}", span, hint=hint or "give the path of a file that exists")
    return fail(f"{shown(path)} cannot be read: {_reason(error)}", span, hint=hint or _remedy(error))


def unwritable(path: str | Path, error: Exception) -> tuple[str, str]:
    """Return the message and the hint for a file or folder that cannot be written, from the exception."""
    return f"{shown(path)} cannot be written: {_reason(error)}", _remedy(error)


def from_here(path: str | Path) -> str:
    """Return a path from the current folder, if it is below; else as it is."""
    place, here = Path(path), Path.cwd()
    return str(place.relative_to(here)) if place.is_relative_to(here) else str(path)


def shown(path: str | Path) -> str:
    """Return a path as messages show it: on one line, and shortened if it is very long."""
    return for_line(shorten(str(path), _SHOWN))


def _reason(error: Exception) -> str:
    if isinstance(error, UnicodeError):
        return "its name holds a character that no file name can hold"
    if isinstance(error, ValueError):  # Python raises it for nothing else in a path
        return "its name holds a zero byte"
    number = getattr(error, "errno", None)
    if number == errno.ELOOP:
        return "its links lead in a circle"
    if number == errno.ENAMETOOLONG:
        return "its name is longer than this system allows"
    return getattr(error, "strerror", None) or str(error)


def _remedy(error: Exception) -> str:
    number = getattr(error, "errno", None)
    if number in (errno.EACCES, errno.EPERM):
        return "change its permissions, or name another file"
    if number in (errno.ENOSPC, getattr(errno, "EDQUOT", None)):
        return "make room on that disk, or name another folder"
    return "name another file"


def _has_kind(path: str | Path, is_kind: Callable[[int], bool]) -> bool:
    try:
        return is_kind(os.stat(path).st_mode)
    except (OSError, ValueError):
        return False


def _of_another_kind(path: str | Path, mode: int, span: Span | None, hint: str) -> SnError:
    kinds = ((stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a pipe"), (stat.S_ISSOCK, "a socket"))
    kind = next((name for is_kind, name in kinds if is_kind(mode)), "a device")
    return fail(f"{shown(path)} is {kind}, not a plain file", span, hint=hint or "name a plain file")


def copy_into(file: IO[bytes], buffer: memoryview) -> int:
    """Fill a buffer from a file. Return the number of bytes, fewer than the buffer has if the file ends."""
    view, done = buffer.cast("B"), 0
    while done < len(view):
        piece = file.read(min(_AT_ONCE, len(view) - done))
        if not piece:
            break
        view[done : done + len(piece)] = piece
        done += len(piece)
    return done


_FORMATS = (  # how files of well-known formats begin
    (b"\x89PNG", "a picture (PNG)"),
    (b"\xff\xd8\xff", "a picture (JPEG)"),
    (b"GIF8", "a picture (GIF)"),
    (b"II*\0", "a picture (TIFF)"),
    (b"MM\0*", "a picture (TIFF)"),
    (b"P4\n", "a picture (PBM)"),
    (b"P5\n", "a picture (PGM)"),
    (b"P6\n", "a picture (PPM)"),
    (b"%PDF", "a PDF document"),
    (b"\x93NUMPY", "an array of NumPy (npy)"),
    (b"\x89HDF", "an HDF5 file"),
    (b"MATLAB 5", "a file of MATLAB"),
    (b"PK\3\4", "a zip file (npz, docx, xlsx or torch)"),
    (b"\x1f\x8b", "a gzip file"),
    (b"BZh", "a bzip2 file"),
    (b"\xfd7zXZ", "an xz file"),
    (b"\x7fELF", "a program"),
    (b"SNNS pattern", "a file of patterns of SNNS"),
    (b"\xff\xfe", "a text in UTF-16"),
    (b"\xfe\xff", "a text in UTF-16"),
    (b"SNNS network", "a file of a network of SNNS"),
    (b"\x80\4\x95", "a pickle of Python"),
    (b"\x80\2}", "a pickle of Python"),
    (b"\x80\2]", "a pickle of Python"),
)


def foreign_format(content: bytes) -> str:
    """Return the well-known format of a file, in words, from its first bytes; "" if it is unknown."""
    return next((words for start, words in _FORMATS if content.startswith(start)), "")
