"""The readers of a user's own files, one file each; a new reader is a new file here. Importing this fills READERS."""

from __future__ import annotations

import pkgutil
from importlib import import_module
from pathlib import Path

from snsim.data.reader_shelf import READERS, DataReader, first_bytes
from snsim.errors import SnError, fail
from snsim.input_files import exists, foreign_format, shown

for _module in pkgutil.iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")


def recognise(path: Path) -> tuple[str, tuple[Path, ...]]:
    """Return the name of the reader for a path of the command line, and the files that it reads.

    The content decides, not the suffix, wherever it can. SnError for a path that no reader knows.
    """
    if not exists(path):
        raise fail(f"there is no file or folder {shown(path)}", hint="give the path of data that exist")
    start = first_bytes(path)
    for entry in READERS:
        files = entry.value.recognise(path, start)
        if files is not None:
            return entry.name, files
    raise _unknown(path, start)


def _unknown(path: Path, start: bytes) -> SnError:
    known = foreign_format(start)
    if known.startswith("a picture"):
        return fail(
            f"{shown(path)} is {known}; a data set is a folder of pictures",
            hint="name a folder that has a subfolder of pictures for each class",
        )
    if path.is_dir():
        return fail(
            f"the folder {shown(path)} holds no data that snsim knows",
            hint="put the pictures of each class in a folder of its name, or name a csv, npz, npy or idx file",
        )
    return fail(
        f"{shown(path)} is {known or 'of no format that snsim reads'}",
        hint=f"name a file of one of the kinds {', '.join(READERS.names())}",
    )


__all__ = ["READERS", "DataReader", "recognise"]
