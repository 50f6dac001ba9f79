"""Write files and folders so that a reader finds the old content or the new, whenever the writer is killed.

Content goes into a draft beside its place, is moved into place in one step, and the folder is flushed to the disk.
A draft is locked for as long as its writer lives. The lock ends with the process, so whoever takes the lock of a
draft knows that its writer is dead, and removes it.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import stat
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # no POSIX: files are locked otherwise there, and folders are not flushed
    fcntl = None  # type: ignore[assignment]

FILE_DRAFT = ".snsim-new-"  # begins the name of the draft of a file
FOLDER_DRAFT = ".new-"  # begins the name of the draft of a folder

Buffer = bytes | bytearray | memoryview

_BINARY: int = getattr(os, "O_BINARY", 0)
_cleaned: set[tuple[int, str]] = set()  # process and folder, for the drafts of files
_FLUSHED_AT_ONCE = 32  # files
_AT_ONCE = 1 << 24  # bytes of one write: an interrupt is heard between two


class LockedError(Exception):
    """Another process holds the lock."""


# ---- Files -------------------------------------------------------------------------------------------------------


def write_atomically(path: str | os.PathLike[str], content: Buffer | Iterable[Buffer], durable: bool = True) -> None:
    """Put the content, in one piece or several, in place of the file in one step. OSError if it cannot be written.

    With `durable` it is on the disk when the function returns. A file keeps its permissions, and a link goes on to
    point to its file. A device or a pipe is written to directly.
    """
    pieces = _pieces(content)
    mode = _mode_of(path)
    if mode is not None and not stat.S_ISREG(mode):
        _write_directly(path, pieces)
        return
    place = Path(os.path.realpath(path))
    if mode is not None and not os.access(place, os.W_OK):  # moving a file there would not ask for this
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
    _clean_once(place.parent)
    with _draft_of(place) as descriptor:
        for piece in pieces:
            write_all(descriptor, piece)
        if mode is not None and hasattr(os, "fchmod"):
            os.fchmod(descriptor, stat.S_IMODE(mode))
        if durable:
            os.fsync(descriptor)
    if durable:
        flush_folder(place.parent)


def write_together(folder: Path, files: Mapping[str, Iterable[Buffer]], flushed: Sequence[int] = ()) -> None:
    """Put contents in place of several files of a folder, by name. OSError if one cannot be written.

    The files are moved in the order given. Before the first is moved, all contents are on the disk, and so are the
    open files `flushed`.
    """
    with ExitStack() as stack:
        backwards = reversed(list(files))  # as the stack moves the last one first
        drafts = {name: stack.enter_context(_draft_of(folder / name)) for name in backwards}
        for name, pieces in files.items():
            for piece in pieces:
                write_all(drafts[name], piece)
        _flush([*flushed, *drafts.values()])
    flush_folder(folder)


def write_new(path: Path, content: Buffer | Iterable[Buffer]) -> None:
    """Write a file that nobody reads yet, as in the draft of a folder. OSError if it is there or cannot be written."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY, 0o666)
    try:
        for piece in _pieces(content):
            write_all(descriptor, piece)
    finally:
        os.close(descriptor)


def write_all(descriptor: int, content: Buffer) -> None:
    """Write all of the content to an open file."""
    left = memoryview(content).cast("B")
    while left:
        left = left[os.write(descriptor, left[:_AT_ONCE]) :]


def flush_folder(folder: Path) -> None:
    """Flush the names in a folder to the disk, where the system can."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folders(folder: Path) -> None:
    """Make a folder, and those above it that are missing, each flushed to the disk. OSError if one cannot be made."""
    missing = [place for place in (folder, *folder.parents) if not place.is_dir()]
    folder.mkdir(parents=True, exist_ok=True)
    for place in missing:
        flush_folder(place.parent)


def _pieces(content: Buffer | Iterable[Buffer]) -> Iterable[Buffer]:
    return [content] if isinstance(content, (bytes, bytearray, memoryview)) else content


def _flush(descriptors: Sequence[int]) -> None:
    """Flush open files to the disk, all at once: a disk writes them in one go, and there is one wait instead of many.

    OSError if one cannot be flushed.
    """
    errors: list[OSError] = []

    def flush(descriptor: int) -> None:
        try:
            os.fsync(descriptor)
        except OSError as error:
            errors.append(error)

    threads = [threading.Thread(target=flush, args=(descriptor,)) for descriptor in descriptors[1:]]
    for thread in threads:
        thread.start()
    for descriptor in descriptors[:1]:
        flush(descriptor)
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def _mode_of(path: str | os.PathLike[str]) -> int | None:
    try:
        return os.stat(path).st_mode
    except FileNotFoundError:
        return None


def _write_directly(path: str | os.PathLike[str], pieces: Iterable[Buffer]) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_TRUNC)
    try:
        for piece in pieces:
            write_all(descriptor, piece)
    finally:
        os.close(descriptor)


@contextmanager
def _draft_of(place: Path) -> Iterator[int]:
    """A new file beside the place, open and locked; moved there at the end of the block, removed if the block fails."""
    while True:
        draft = place.with_name(FILE_DRAFT + secrets.token_hex(6))
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY, 0o666)
        with ExitStack() as stack:
            stack.callback(os.close, descriptor)
            try:
                if not _is_ours(draft, descriptor):
                    continue
                yield descriptor
                if fcntl is None:
                    stack.close()  # an open file cannot be moved there
                os.replace(draft, place)
                return
            except BaseException:
                _remove(draft)
                raise


# ---- Folders -----------------------------------------------------------------------------------------------------


@contextmanager
def draft_folder(parent: Path) -> Iterator[Path]:
    """A new folder in `parent`, locked during the block. The block moves it into place, or it is removed.

    Drafts of dead processes in `parent` are removed. OSError if no folder can be made.
    """
    remove_stale_drafts(parent)
    with ExitStack() as stack:
        while True:
            draft = parent / (FOLDER_DRAFT + secrets.token_hex(6))
            os.mkdir(draft)
            stack.callback(shutil.rmtree, draft, ignore_errors=True)  # of nothing, once it is moved
            try:
                descriptor = os.open(draft, os.O_RDONLY) if fcntl is not None else -1
            except FileNotFoundError:  # taken for stale before it was locked
                continue
            if descriptor >= 0:
                stack.callback(os.close, descriptor)
            if _is_ours(draft, descriptor):
                break
        yield draft


def flush_tree(folder: Path) -> None:
    """Flush all files and folders below a folder, and itself, to the disk."""
    places = [folder, *folder.rglob("*")]
    for start in range(0, len(places), _FLUSHED_AT_ONCE):
        with ExitStack() as stack:
            descriptors = []
            for place in places[start : start + _FLUSHED_AT_ONCE]:
                if os.name == "posix" or not place.is_dir():
                    descriptors.append(os.open(place, os.O_RDONLY if os.name == "posix" else os.O_RDWR))
                    stack.callback(os.close, descriptors[-1])
            _flush(descriptors)


def lock(descriptor: int) -> bool:
    """Lock an open file or folder until it is closed; False where there are no locks. LockedError if another has it."""
    if fcntl is None:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise LockedError from None
    except OSError:  # a file system without locks
        return False
    return True


# ---- Drafts of dead processes ------------------------------------------------------------------------------------


def remove_stale_drafts(folder: Path) -> None:
    """Remove the drafts in a folder whose writers are dead. Where there are no locks, nothing is removed."""
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries if entry.name.startswith((FILE_DRAFT, FOLDER_DRAFT))]
    except OSError:
        return
    for name in names:
        _remove_if_stale(folder / name)


def _remove_if_stale(draft: Path) -> None:
    """Remove a draft if its lock is free. What is not ours, a link, or neither file nor folder stays."""
    if fcntl is None:
        return
    try:
        found = os.lstat(draft)
        is_folder = stat.S_ISDIR(found.st_mode)
        if (
            found.st_uid != os.getuid()
            or draft.name.startswith(FOLDER_DRAFT) != is_folder
            or (not is_folder and not stat.S_ISREG(found.st_mode))
        ):
            return
        descriptor = os.open(draft, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        return
    try:
        if lock(descriptor):
            if is_folder:
                shutil.rmtree(draft, ignore_errors=True)
            else:
                _remove(draft)
    except LockedError:  # its writer lives
        pass
    finally:
        os.close(descriptor)


def _clean_once(folder: Path) -> None:
    """Remove stale drafts of a folder, at the first write of this process there."""
    key = os.getpid(), str(folder)
    if key not in _cleaned:
        _cleaned.add(key)
        remove_stale_drafts(folder)


def _is_ours(draft: Path, descriptor: int) -> bool:
    """Lock a draft that was just made; False if another process took it for stale in the meantime."""
    if descriptor < 0:
        return True
    try:
        if not lock(descriptor):
            return True
        return os.path.samestat(os.fstat(descriptor), os.stat(draft))
    except (LockedError, FileNotFoundError):
        return False


def _remove(draft: Path) -> None:
    with suppress(OSError):
        os.unlink(draft)
