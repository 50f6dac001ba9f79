"""Keep what readers make of a user's own files in the cache folder, so that large files are parsed only once.

An entry belongs to the contents of the files, their paths, the options that a reader reads, and the sources of the
readers. What is done afterwards (patterns held out, scaling) is done each time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np

from snsim.data import parsed_cache
from snsim.data.examples import Split, digest
from snsim.data.reader_options import COMMON_OPTIONS, NamePattern, ReaderOptions, field_name
from snsim.data.reader_shelf import DataReader, RawData, RawPart, ReadRequest
from snsim.data.record import FileRecord

LEAST_BYTES = 1 << 20  # of the files of an entry: smaller ones are parsed in some milliseconds
_SOURCES = (
    "reader_shelf.py",
    "pictures.py",
    "formats.py",
    "patterns.py",
    "input_parts.py",
    "raw_cache.py",
    *(f"readers/{name}.py" for name in ("array_pairs", "csv_table", "image_folder", "npz_arrays")),
)
_LATER = {field_name(word) for word in COMMON_OPTIONS if word != "classes"} | {"spans"}  # options that no reader reads


def read_raw(name: str, reader: DataReader, request: ReadRequest) -> RawData:
    """Return what a reader makes of the files of a request, from the cache if they are large and were read before.

    SnError for an unfit or damaged file.
    """
    has_sequences = request.options.sequence is not None  # an entry has no place for their starts
    found = None if reader.contents is None or has_sequences else reader.contents(request, LEAST_BYTES)
    if found is None:
        return reader.read(request)
    records, files = found
    key = _key(name, request, records)
    parsed = parsed_cache.read(key)
    if parsed is not None and parsed.about is not None:
        return _restored(parsed, records, files)
    raw = reader.read(request)
    if raw.files == records:  # else somebody is writing the files
        parsed_cache.write(key, _kept(raw))
    return raw


def _key(name: str, request: ReadRequest, records: tuple[FileRecord, ...]) -> str:
    options = [(field.name, _plain(getattr(request.options, field.name))) for field in fields(ReaderOptions)]
    read = [option for option in options if option[0] not in _LATER]
    stated = repr((read, [str(file) for file in request.files], *([request.inputs] if len(request.inputs) > 1 else [])))
    return parsed_cache.entry_key(f"own {name}", stated, [record.sha256 for record in records], _SOURCES)


def _plain(value: Any) -> Any:
    """Return the value of an option without the places at which names stand."""
    if isinstance(value, NamePattern):
        return value.text, value.exact, value.number
    return tuple(map(_plain, value)) if isinstance(value, tuple) else value


def _kept(raw: RawData) -> parsed_cache.ParsedSet:
    train, test = (
        None if part is None else Split(part.inputs, part.labels, part.targets) for part in (raw.train, raw.test)
    )
    assert train is not None
    about = {
        "class_names": raw.class_names,
        "columns": raw.columns,
        "targets": raw.targets,
        "notes": raw.notes,
        "is_sized": raw.is_sized,
    }
    return parsed_cache.ParsedSet(train, test, digest(train, test), about)


def _restored(
    parsed: parsed_cache.ParsedSet, records: tuple[FileRecord, ...], files: tuple[np.ndarray | None, ...]
) -> RawData:
    about: Mapping[str, Any] = parsed.about or {}
    train, test = parsed.train, parsed.test
    return RawData(
        RawPart(train.inputs, train.labels, train.targets, files[0]),
        None if test is None else RawPart(test.inputs, test.labels, test.targets, files[1]),
        records,
        tuple(about["class_names"]),
        tuple(about["columns"]),
        tuple(about["targets"]),
        tuple(about["notes"]),
        bool(about["is_sized"]),
    )
