"""Write tensors as a safetensors file without a second copy in memory, and read such a file.

The format is that of https://github.com/huggingface/safetensors: the length of the header (8 bytes, little endian), the
header (JSON: type, shape and place of each tensor), the tensors. Equal tensors give equal bytes.
"""

from __future__ import annotations

import json
import struct
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from snsim.array_files import open_arrays
from snsim.errors import SnError, fail
from snsim.input_files import shown

_TYPES = {
    "float16": "F16",
    "float32": "F32",
    "float64": "F64",
    "int8": "I8",
    "int16": "I16",
    "int32": "I32",
    "int64": "I64",
    "uint8": "U8",
    "uint16": "U16",
    "uint32": "U32",
    "uint64": "U64",
    "bool": "BOOL",
}


def tensor_file(tensors: Mapping[str, np.ndarray], metadata: Mapping[str, str] | None = None) -> Iterator[memoryview]:
    """Yield the bytes of the file in pieces. Tensors with the widest numbers come first, so that each is aligned."""
    arrays = {
        name: np.ascontiguousarray(value, value.dtype.newbyteorder("<")).reshape(np.shape(value))
        for name, value in tensors.items()
    }
    names = sorted(arrays, key=lambda name: (-arrays[name].itemsize, arrays[name].dtype.kind != "i", name))
    header: dict[str, object] = {} if metadata is None else {"__metadata__": dict(metadata)}
    end = 0
    for name in names:
        array = arrays[name]
        begin, end = end, end + array.nbytes
        header[name] = {"dtype": _TYPES[array.dtype.name], "shape": list(array.shape), "data_offsets": [begin, end]}
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    yield memoryview(struct.pack("<Q", len(text)) + text)
    for name in names:
        yield arrays[name].reshape(-1).view(np.uint8).data


def read_tensor_file(path: Path, hint: str) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Return the tensors of a safetensors file by name, and its metadata.

    The tensors take no more memory than the file has bytes. SnError with `hint` if it cannot be read or is damaged.
    """
    needed = 0
    try:
        with open_arrays(path, sys.maxsize) as file:
            needed = sum(header.nbytes for header in file.headers.values())
            tensors = {name: file.read(name) for name in file.headers}
            return {
                name: array.astype(array.dtype.newbyteorder("="), copy=False) for name, array in tensors.items()
            }, dict(file.metadata)
    except SnError as error:
        raise SnError(replace(fault, hint=hint) for fault in error.faults) from None
    except MemoryError:
        raise fail(
            f"{shown(path)} needs {needed:,} bytes of memory, more than this process can get", hint=hint
        ) from None
