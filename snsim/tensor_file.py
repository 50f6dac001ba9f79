"""Write tensors as a safetensors file, piece by piece: no second copy of them is made in memory. Read such a file.

The layout is that of https://github.com/huggingface/safetensors: the length of the header (8 bytes, low byte first),
the header (JSON: type, shape and place of each tensor), the tensors. Equal tensors give equal bytes.
"""

from __future__ import annotations

import json
import math
import os
import struct
from pathlib import Path
from typing import Any, BinaryIO, Iterator, Mapping

import numpy as np

from snsim.errors import SnError, fail
from snsim.json_reader import Each, Fields, Named, Text, Whole, check, open_plain_file, parse_json, shown, unreadable

_TYPES = {"float16": "F16", "float32": "F32", "float64": "F64", "int8": "I8", "int16": "I16", "int32": "I32",
          "int64": "I64", "uint8": "U8", "uint16": "U16", "uint32": "U32", "uint64": "U64", "bool": "BOOL"}
_NUMPY_TYPES = {theirs: np.dtype(ours).newbyteorder("<") for ours, theirs in _TYPES.items()}
_MOST_HEADER = 100_000_000  # bytes, as in the library safetensors
_TENSOR = Fields({"dtype": Text(values=tuple(_NUMPY_TYPES)), "shape": Each(Whole(0)),
                  "data_offsets": Each(Whole(0), 2)})


def tensor_file(tensors: Mapping[str, np.ndarray], metadata: Mapping[str, str] | None = None) -> Iterator[memoryview]:
    """Yield the bytes of the file. The largest numbers come first, so that each tensor is aligned."""
    arrays = {name: np.ascontiguousarray(value, value.dtype.newbyteorder("<")).reshape(np.shape(value))
              for name, value in tensors.items()}
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
    """Return the tensors of a file by name, and its metadata.

    The header is checked first: the tensors must fill the file exactly, so that no more memory is taken than the file
    has bytes. SnError with `hint` if the file cannot be read or is damaged.
    """
    try:
        with open_plain_file(path) as file:
            header, left = _read_header(file, path, hint)
            metadata = header.pop("__metadata__", {})
            check(metadata, Named(Text()), f"{path}: metadata", hint)
            check(header, Named(_TENSOR), str(path), hint)
            begin, tensors = 0, {}
            for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
                dtype, shape = _NUMPY_TYPES[entry["dtype"]], tuple(entry["shape"])
                end = begin + math.prod(shape) * dtype.itemsize
                if entry["data_offsets"] != [begin, end] or end > left or len(shape) > _MOST_AXES:
                    raise _damaged_file(path, f"the tensor {shown(name)} does not fit into it", hint)
                array = np.empty(shape, dtype)
                if file.readinto(array.reshape(-1).view(np.uint8).data) < array.nbytes:
                    raise _damaged_file(path, "it is cut short", hint)
                tensors[name], begin = array.astype(dtype.newbyteorder("="), copy=False), end
            if begin != left:
                raise _damaged_file(path, f"it has {left - begin:,} bytes after its last tensor", hint)
    except OSError as error:
        raise unreadable(path, error, hint) from None
    except MemoryError:
        raise fail(f"{path} needs {left:,} bytes of memory, more than there are", hint=hint) from None
    return tensors, metadata


_MOST_AXES = 32  # of a tensor


def _read_header(file: BinaryIO, path: Path, hint: str) -> tuple[dict[str, Any], int]:
    """Return the header as JSON, and how many bytes follow it."""
    start = file.read(8)
    size = int.from_bytes(start, "little")
    left = os.fstat(file.fileno()).st_size - 8 - size
    if len(start) < 8 or size > _MOST_HEADER or left < 0:
        raise _damaged_file(path, "it does not begin with the header of a safetensors file", hint)
    header = parse_json(file.read(size), f"the header of {path}", hint)
    check(header, Fields({}), f"the header of {path}", hint)
    return header, left


def _damaged_file(path: Path, why: str, hint: str) -> SnError:
    return fail(f"{path} is damaged: {why}", hint=hint)
