"""Read a folder of pictures: a folder for each class, or those in a folder for training and one for the test."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from snsim.data.pictures import MOST_FILE, SUFFIXES, read_gray, shown_in
from snsim.data.reader_options import PICTURE_OPTIONS, ReaderOptions
from snsim.data.reader_shelf import (
    MOST_BYTES,
    Contents,
    RawData,
    RawPart,
    ReadRequest,
    add_reader,
    class_order,
    name_in,
)
from snsim.data.record import FileRecord
from snsim.errors import SnError, fail
from snsim.input_files import read_file, resolve, shown

_MOST_FILES = 1_000_000
_FEW = 300  # pictures that are read in a moment, whatever their size
_LAYOUT = "put the pictures of each class in a folder of its name: FOLDER/CLASS/PICTURE.png"


def _recognise(path: Path, start: bytes) -> tuple[Path, ...] | None:
    if not path.is_dir():
        return None
    parts = _part_folders(path) or [path]
    classes = [folder for part in parts for folder in _folders(part)]
    return (path,) if any(_is_picture(file) for folder in classes for file in folder.iterdir()) else None


def _contents(request: ReadRequest, least: int) -> Contents | None:
    """Return what the folder holds, as `read_image_folder` records it; None for few pictures. SnError as there."""
    folder = request.files[0]
    listings = [_list_pictures(part, folder, request) for part in _part_folders(folder) or [folder]]
    files = [file for listing in listings for _, file in listing.files]
    if len(files) < _FEW and sum(file.stat().st_size for file in files) < least:
        return None
    digest = hashlib.sha256()
    for file in files:
        _add_to(digest, file, folder, read_file(file, MOST_FILE, request.span, what="a picture"))
    record = FileRecord(name_in(folder, request.folder), digest.hexdigest(), len(files))
    paths = [paths_of(listing.files) for listing in listings]
    return (record,), (paths[0], paths[1] if len(paths) > 1 else None)


@add_reader(
    "images",
    '(images "FOLDER" option ...)',
    _recognise,
    (1,),
    PICTURE_OPTIONS,
    of_folder=True,
    contents=_contents,
)
def read_image_folder(request: ReadRequest) -> RawData:
    """Read a folder of pictures for each class in gray: PNG, JPEG, BMP, PGM or TIFF.

    FOLDER/CLASS/* is one part; FOLDER/train/CLASS/* and FOLDER/test/CLASS/* are both. Black is -1 and white is 1;
    (invert) exchanges the two. Pictures of several sizes need (size ROWS COLUMNS).
    """
    folder = request.files[0]
    parts = _part_folders(folder)
    listings = [_list_pictures(part, folder, request) for part in parts or [folder]]
    names = class_order(list(dict.fromkeys(name for listing in listings for name in listing.classes)))
    digest = hashlib.sha256()
    shape = request.options.size
    splits = []
    for listing in listings:
        pictures, shape = _read_pictures(listing, shape, folder, request, digest)
        numbers = {name: names.index(name) for name in listing.classes}
        labels = np.array([numbers[name] for name, _ in listing.files], np.int64)
        splits.append(RawPart(pictures, labels, files=paths_of(listing.files)))
    count = sum(len(listing.files) for listing in listings)
    record = FileRecord(name_in(folder, request.folder), digest.hexdigest(), count)
    notes = tuple(note for listing in listings for note in listing.notes)
    return RawData(
        splits[0], splits[1] if len(splits) > 1 else None, (record,), tuple(names), notes=notes, is_sized=True
    )


@dataclass(frozen=True)
class _Listing:
    """The pictures of one part: class and path of each, sorted."""

    classes: tuple[str, ...]
    files: tuple[tuple[str, Path], ...]
    notes: tuple[str, ...]


def list_pictures(folder: Path, split: str) -> tuple[str, list[tuple[str, Path]]]:
    """Return class and path of each picture of a folder, of one part: the part's name, "" if it has no parts.

    `split` is the part that is wanted, "train" or "test", if the folder has it. SnError as for `read_image_folder`.
    """
    request = ReadRequest((folder,), ReaderOptions(), folder.parent)
    parts = {part.name.lower(): part for part in _part_folders(folder)}
    name = split if split in parts else "train" if parts else ""
    return name, list(_list_pictures(parts.get(name, folder), folder, request).files)


def paths_of(files: Sequence[tuple[str, Path]]) -> np.ndarray:
    """Return the paths of class and path of each picture as an array of str, (pictures,)."""
    return np.array([str(path) for _, path in files], object)


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()


def _part_folders(folder: Path) -> list[Path]:
    """Return the folders `train` and `test`, if these hold the classes; else none."""
    by_name = {path.name.lower(): path for path in _folders(folder)}
    if "train" not in by_name or not set(by_name) <= {"train", "test"} or not _folders(by_name["train"]):
        return []
    return [by_name[name] for name in ("train", "test") if name in by_name]


def _list_pictures(part: Path, folder: Path, request: ReadRequest) -> _Listing:
    """List the pictures of a part. SnError for a class without any, or a link that leads out."""
    try:
        classes = _folders(part)
        files: list[tuple[str, Path]] = []
        others: list[Path] = []
        for place in classes:
            inside = sorted(path for path in place.iterdir() if not path.name.startswith("."))
            pictures = [path for path in inside if _is_picture(path)]
            others += [path for path in inside if path not in set(pictures)]
            if not pictures:
                raise fail(
                    f"the class folder {shown_in(place, folder)} holds no pictures",
                    request.span,
                    hint=f"put pictures in it ({', '.join(sorted(SUFFIXES))}), or remove it",
                )
            files += [(place.name, path) for path in pictures]
    except OSError as error:
        raise fail(
            f"the folder {shown(part)} cannot be read: {error.strerror or error}",
            request.span,
            hint="change its permissions, or name another folder",
        ) from None
    if not files:
        raise fail(f"{shown(part)} holds no folder of pictures", request.span, hint=_LAYOUT)
    if len(files) > _MOST_FILES:
        raise fail(
            f"{shown(part)} holds {len(files):,} pictures, at most {_MOST_FILES:,} are read",
            request.span,
            hint="name a folder of fewer pictures",
        )
    for _, path in files:
        _check_inside(path, folder, request)
    left = f"{shown(part)}: {_others_text(len(others))}"
    notes = (f"{left}, such as {shown(others[0].name)}",) if others else ()
    return _Listing(tuple(place.name for place in classes), tuple(files), notes)


def _check_inside(path: Path, folder: Path, request: ReadRequest) -> None:
    """Raise SnError if a picture is reached by a link to a place that the description may not read."""
    if request.inside is None or not (
        os.path.islink(path) or os.path.islink(path.parent) or os.path.islink(path.parent.parent)
    ):
        return
    if not resolve(path).is_relative_to(resolve(request.inside)):
        raise fail(
            f"{shown_in(path, folder)} is a link to a place outside {shown(request.inside)}",
            request.span,
            hint="copy the picture into the folder, or name the folder with --data",
        )


def _add_to(digest: hashlib._Hash, path: Path, folder: Path, content: bytes) -> None:
    """Add the name and the bytes of a picture to the digest of its folder."""
    digest.update(f"{path.relative_to(folder).as_posix()}\n{len(content)}\n".encode("utf-8", "surrogateescape"))
    digest.update(content)


def _read_pictures(
    listing: _Listing, size: tuple[int, int] | None, folder: Path, request: ReadRequest, digest: hashlib._Hash
) -> tuple[np.ndarray, tuple[int, int]]:
    """Read the pictures of a part: uint8 (pictures, rows, columns), and rows and columns."""
    pictures = np.empty(0, np.uint8)
    scaled = request.options.size
    for number, (_, path) in enumerate(listing.files):
        name = shown_in(path, folder)
        picture, content = read_gray(path, name, scaled, request.span)
        _add_to(digest, path, folder, content)
        rows, columns = picture.shape
        if size is None:
            size = (rows, columns)
        if (rows, columns) != size:
            raise _other_size(name, (rows, columns), size, listing.files, folder, request)
        if not number:
            _check_total(len(listing.files), size, folder, request)
            pictures = np.empty((len(listing.files), *size), np.uint8)
        pictures[number] = picture
    assert size is not None
    return pictures, size


def _other_size(
    name: str,
    size: tuple[int, int],
    wanted: tuple[int, int],
    files: Sequence[tuple[str, Path]],
    folder: Path,
    request: ReadRequest,
) -> SnError:
    return fail(
        f"{name} has {size[0]} rows and {size[1]} columns, {shown_in(files[0][1], folder)} has {wanted[0]} and "
        f"{wanted[1]}",
        request.span,
        hint=f"scale all pictures to one size: (size {min(wanted)} {min(wanted)})"
        if max(wanted) <= 64
        else "scale all pictures to one size: (size 32 32)",
    )


def _check_total(count: int, size: tuple[int, int], folder: Path, request: ReadRequest) -> None:
    total = count * size[0] * size[1]
    if total > MOST_BYTES:
        raise fail(
            f"{count:,} pictures of {size[0]} x {size[1]} pixels in {shown(folder.name)} take {total:,} bytes; at most "
            f"{MOST_BYTES:,} are read",
            request.span,
            hint="scale them down: (size 32 32)",
        )


def _others_text(count: int) -> str:
    return (
        "1 entry is not a picture and is skipped"
        if count == 1
        else f"{count:,} entries are not pictures and are skipped"
    )
