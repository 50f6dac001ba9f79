"""Write files and folders so that a reader finds the old content or the new, even if the writer is killed.

Content is written to a draft beside its place. The draft is moved into place in one step, and the folder is flushed to
the disk. A draft is locked while its writer lives, and the system releases the lock when the process ends. So a process
that gets the lock of a draft knows that its writer is dead, and removes the draft.
"""

from __future__ import annotations

import errno
import os
import stat
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from snsim import operating_system
from snsim.operating_system import flush_folder as flush_folder

FILE_DRAFT = ".snsim-new-"  # the beginning of the name of a draft of a file
FOLDER_DRAFT = ".new-"  # the beginning of the name of a draft of a folder

Buffer = bytes | bytearray | memoryview

_cleaned: set[tuple[int, str]] = set()  # (process, folder): where this process has removed stale drafts
_FLUSHED_AT_ONCE = 32  # files, one thread each
_AT_ONCE = 1 << 24  # bytes of one write: Python handles an interrupt between two writes


class LockedError(Exception):
    """Raised when another process holds the lock."""


# ---- Files -------------------------------------------------------------------------------------------------------


def write_atomically(path: str | os.PathLike[str], content: Buffer | Iterable[Buffer], durable: bool = True) -> None:
    """Replace a file by the content, in one piece or several, in one step. OSError if it cannot be written.

    With `durable` the content is on the disk when the function returns. An existing file keeps its permissions. If the
    path is a link, its target is replaced. A device or a pipe is written directly.
    """
    pieces = _pieces(content)
    mode = _mode_of(path)
    if mode is not None and not stat.S_ISREG(mode):
        _write_directly(path, pieces)
        return
    place = Path(os.path.realpath(path))
    if mode is not None and not os.access(place, os.W_OK):  # a move would succeed without this permission
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
    _clean_once(place.parent)
    with _draft_of(place) as descriptor:
        for piece in pieces:
            write_all(descriptor, piece)
        if mode is not None:
            operating_system.set_mode(descriptor, mode)
        if durable:
            os.fsync(descriptor)
    if durable:
        flush_folder(place.parent)


def write_together(folder: Path, files: Mapping[str, Iterable[Buffer]], flushed: Sequence[int] = ()) -> None:
    """Replace several files of a folder; `files` has the contents by name. OSError if one cannot be written.

    All contents, and the open files `flushed`, are on the disk before the first file is moved. The files are moved in
    the order of `files`.
    """
    with ExitStack() as stack:
        last_first = reversed(list(files))  # because the stack moves the last one first
        drafts = {name: stack.enter_context(_draft_of(folder / name)) for name in last_first}
        for name, pieces in files.items():
            for piece in pieces:
                write_all(drafts[name], piece)
        _flush([*flushed, *drafts.values()])
    flush_folder(folder)


def write_new(path: Path, content: Buffer | Iterable[Buffer]) -> None:
    """Write a file that nobody reads yet, as in the draft of a folder. OSError if it exists or cannot be written."""
    descriptor = operating_system.open_new(path)
    try:
        for piece in _pieces(content):
            write_all(descriptor, piece)
    finally:
        os.close(descriptor)


def write_all(descriptor: int, content: Buffer) -> None:
    """Write all of the content to an open file, however many calls of the system this takes."""
    rest = memoryview(content).cast("B")
    while rest:
        rest = rest[os.write(descriptor, rest[:_AT_ONCE]) :]


def make_folders(folder: Path) -> None:
    """Create a folder and those above it that are missing, and flush them to the disk. OSError if one fails."""
    missing = [place for place in (folder, *folder.parents) if not place.is_dir()]
    folder.mkdir(parents=True, exist_ok=True)
    for place in missing:
        flush_folder(place.parent)


def _pieces(content: Buffer | Iterable[Buffer]) -> Iterable[Buffer]:
    return [content] if isinstance(content, (bytes, bytearray, memoryview)) else content


def _flush(descriptors: Sequence[int]) -> None:
    """Flush open files to the disk. OSError if one cannot be flushed.

    All are flushed at the same time, in threads: the disk writes them together, and there is one wait instead of many.
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
    """Create a file beside the place, open and locked. It is moved there after the block, or removed if that fails."""
    while True:
        draft = place.with_name(FILE_DRAFT + os.urandom(6).hex())
        descriptor = operating_system.open_new(draft)
        with ExitStack() as stack:
            stack.callback(os.close, descriptor)
            try:
                if not _is_ours(draft, descriptor):
                    continue
                yield descriptor
                if not operating_system.CAN_MOVE_OPEN_FILES:
                    stack.close()
                os.replace(draft, place)
                return
            except BaseException:
                _remove(draft)
                raise


# ---- Folders -----------------------------------------------------------------------------------------------------


@contextmanager
def draft_folder(parent: Path) -> Iterator[Path]:
    """Create a folder in `parent`, locked during the block. It is removed unless the block moves it into place.

    Drafts of dead processes in `parent` are removed first. OSError if no folder can be created.
    """
    remove_stale_drafts(parent)
    with ExitStack() as stack:
        while True:
            draft = parent / (FOLDER_DRAFT + os.urandom(6).hex())
            os.mkdir(draft)
            stack.callback(_remove_tree, draft)  # does nothing after it is moved
            try:
                descriptor = operating_system.open_folder(draft)
            except FileNotFoundError:  # another process removed it as stale before it was locked
                continue
            if descriptor is not None:
                stack.callback(os.close, descriptor)
            if descriptor is None or _is_ours(draft, descriptor):
                break
        yield draft


def flush_tree(folder: Path) -> None:
    """Flush a folder and all files and folders below it to the disk."""
    places = [folder, *folder.rglob("*")]
    for start in range(0, len(places), _FLUSHED_AT_ONCE):
        with ExitStack() as stack:
            descriptors = []
            for place in places[start : start + _FLUSHED_AT_ONCE]:
                if (descriptor := operating_system.open_to_flush(place)) is not None:
                    descriptors.append(descriptor)
                    stack.callback(os.close, descriptor)
            _flush(descriptors)


def lock(descriptor: int) -> bool:
    """Lock an open file or folder until it is closed. Return False where the file system has no locks.

    The system gives the lock up when this process ends, however it ends. LockedError if another process has the lock.
    """
    try:
        locked = operating_system.try_lock(descriptor)
    except OSError:  # a file system without locks
        return False
    if not locked:
        raise LockedError
    return True


# ---- Drafts of dead processes ------------------------------------------------------------------------------------


def remove_stale_drafts(folder: Path) -> None:
    """Remove the drafts in a folder whose writers are dead. A file system without locks keeps all drafts."""
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries if entry.name.startswith((FILE_DRAFT, FOLDER_DRAFT))]
    except OSError:
        return
    for name in names:
        _remove_if_stale(folder / name)


def _remove_if_stale(draft: Path) -> None:
    """Remove a draft if its lock is free. Links, devices and what belongs to another user stay."""
    try:
        status = os.lstat(draft)
        is_folder = stat.S_ISDIR(status.st_mode)
        if (
            operating_system.user_number() not in (None, status.st_uid)
            or draft.name.startswith(FOLDER_DRAFT) != is_folder
            or (not is_folder and not stat.S_ISREG(status.st_mode))
        ):
            return
        open_draft = operating_system.open_folder if is_folder else operating_system.open_to_read
        descriptor = open_draft(draft, follow_link=False)
    except OSError:
        return
    if descriptor is None:  # folders have no locks here
        return
    with ExitStack() as stack:
        stack.callback(os.close, descriptor)
        try:
            if not lock(descriptor):
                return
        except LockedError:  # its writer lives
            return
        if not operating_system.CAN_MOVE_OPEN_FILES:
            stack.close()
        if is_folder:
            _remove_tree(draft)
        else:
            _remove(draft)


def _clean_once(folder: Path) -> None:
    """Remove stale drafts in a folder when this process writes there for the first time."""
    key = os.getpid(), str(folder)
    if key not in _cleaned:
        _cleaned.add(key)
        remove_stale_drafts(folder)


def _is_ours(draft: Path, descriptor: int) -> bool:
    """Lock a draft that was just created. Return False if another process has removed it as stale."""
    try:
        if not lock(descriptor):
            return True
        return os.path.samestat(os.fstat(descriptor), os.stat(draft))
    except (LockedError, FileNotFoundError):
        return False


def _remove(draft: Path) -> None:
    with suppress(OSError):
        os.unlink(draft)


def _remove_tree(folder: Path) -> None:
    import shutil  # with all packers behind it: not for a start that writes nothing

    shutil.rmtree(folder, ignore_errors=True)
