"""Read the corpus of tests/hostile/ and make the files of a case. tests/hostile/README.md describes the format."""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import shutil
import struct
import tomllib
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HOSTILE = Path(__file__).parent / "hostile"


@dataclass(frozen=True)
class Case:
    """One command on some files, and how it must end."""

    kind: str  # the file of the corpus
    name: str
    command: tuple[str, ...]
    code: int
    says: tuple[str, ...]  # pieces of what it prints, in any order
    files: Mapping[str, Any]  # recipes by path
    first: tuple[tuple[str, ...], ...]  # commands before it, which must succeed
    then: Mapping[str, Any]  # recipes that are made after them
    given: str  # standard input
    environment: Mapping[str, str]
    runs: bool  # the run folders `tiny` and `one` and their text tiny.sn stand in the folder

    @property
    def title(self) -> str:
        return f"{self.kind}-{self.name}"

    @property
    def main(self) -> str | None:
        """The first text of the case, which other commands are tried on."""
        return next((path for path in self.files if path.endswith(".sn")), None)


def read_cases() -> list[Case]:
    """All cases, in the order of the files and in them. ValueError for a key that means nothing."""
    cases = []
    for path in sorted(HOSTILE.glob("*.toml")):
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        if set(content) != {"case"}:
            raise ValueError(f"{path}: a corpus holds [[case]] only, not {', '.join(content)}")
        for entry in content["case"]:
            cases += _read_case(path.stem, entry)
    titles = [case.title for case in cases]
    if double := {title for title in titles if titles.count(title) > 1}:
        raise ValueError(f"two cases have one name: {', '.join(sorted(double))}")
    return cases


_KEYS = {"name", "command", "commands", "code", "says", "files", "first", "then", "given", "environment", "runs", "why"}


def _read_case(kind: str, entry: Mapping[str, Any]) -> list[Case]:
    """The case of an entry, or one for each of its `commands`."""
    if strange := set(entry) - _KEYS:
        raise ValueError(f"{kind}: {entry.get('name')}: what is {', '.join(strange)}?")
    name = entry["name"]
    commands = (
        {name: entry["command"]}
        if "command" in entry
        else {
            f"{name}-{number}-{_words(command)[0][:20]}": command for number, command in enumerate(entry["commands"], 1)
        }
    )
    says = entry.get("says", [])
    return [
        Case(
            kind,
            title,
            _words(command),
            entry["code"],
            (says,) if isinstance(says, str) else tuple(says),
            entry.get("files", {}),
            tuple(map(_words, entry.get("first", []))),
            entry.get("then", {}),
            entry.get("given", ""),
            entry.get("environment", {}),
            entry.get("runs", False),
        )
        for title, command in commands.items()
    ]


def _words(command: str | list[str]) -> tuple[str, ...]:
    """The words of a command: split at blanks, or as they stand in a list; `@300` in one is 300 letters."""
    words = command.split(" ") if isinstance(command, str) else command
    return tuple(re.sub(r"@(\d+)", lambda found: "a" * int(found[1]), word) for word in words)


# ---- Files -------------------------------------------------------------------------------------------------------


def make_files(folder: Path, recipes: Mapping[str, Any]) -> None:
    """Make every file of the recipes in a folder."""
    for name, recipe in recipes.items():
        path = folder / re.sub(r"@(\d+)", lambda found: "a" * int(found[1]), name)
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(recipe, dict) and _make_other(path, recipe):
            continue
        path.write_bytes(content_of(recipe, path))


def _make_other(path: Path, recipe: Mapping[str, Any]) -> bool:
    """Make what is no plain file, or change one that is there; False if the recipe is of a plain file."""
    if "link" in recipe:
        path.symlink_to(recipe["link"])
    elif "pipe" in recipe:
        os.mkfifo(path)
    elif "folder" in recipe:
        path.mkdir(exist_ok=True)
    elif "remove" in recipe:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    elif "mode" not in recipe:
        return False
    if "mode" in recipe:
        for each in path.parent.glob(path.name):
            each.chmod(int(recipe["mode"], 8))
    return True


def content_of(recipe: Any, path: Path | None = None) -> bytes:
    """The bytes that a recipe declares. `path`: the file that is there, for a recipe that changes it."""
    if isinstance(recipe, str):
        return recipe.encode()
    if isinstance(recipe, list):
        return b"".join(content_of(piece, path) for piece in recipe)
    (kind, value), *more = recipe.items()
    return _RECIPES[kind](value, dict(more), path)


def _text(value: str, more: dict[str, Any], path: Path | None) -> bytes:
    for before, after in more.get("replace", []):
        if before not in value:
            raise ValueError(f"{before!r} is not in the text")
        value = value.replace(before, after)
    return value.encode(more.get("encoding", "utf-8"))


def _copy(value: str, more: dict[str, Any], path: Path | None) -> bytes:
    return _text((HOSTILE / "files" / value).read_text(encoding="utf-8"), more, path)


def _repeat(value: Any, more: dict[str, Any], path: Path | None) -> bytes:
    return content_of(value, path) * int(more["times"])


def _npy(value: list[int], more: dict[str, Any], path: Path | None) -> bytes:
    """An npy file of a shape: `type` of the elements, `value` of all of them, `claims` another shape."""
    import numpy as np

    array = np.full(value, more.get("value", 0), more.get("type", "<f8"))
    file = io.BytesIO()
    header = {
        "descr": more.get("claims-type", array.dtype.str),
        "fortran_order": False,
        "shape": tuple(more.get("claims", value)),
    }
    np.lib.format.write_array_header_1_0(file, header)
    return file.getvalue() + array.tobytes()


def _zip(value: dict[str, Any], more: dict[str, Any], path: Path | None) -> bytes:
    """A zip file of the members; an npz has members NAME.npy."""
    file = io.BytesIO()
    packing = zipfile.ZIP_DEFLATED if more.get("packed", False) else zipfile.ZIP_STORED
    with zipfile.ZipFile(file, "w", packing) as archive:
        for name, recipe in value.items():
            archive.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), content_of(recipe), packing)
    return file.getvalue()


def _safetensors(value: Any, more: dict[str, Any], path: Path | None) -> bytes:
    """A safetensors file: the header as a table or as text, `bytes` of elements, `claims` another length of header."""
    header = (value if isinstance(value, str) else json.dumps(value)).encode()
    return struct.pack("<Q", more.get("claims", len(header))) + header + bytes(more.get("bytes", 0))


def _idx(value: list[int], more: dict[str, Any], path: Path | None) -> bytes:
    """An idx file of the sizes: `type` of the elements, `bytes` that follow."""
    head = bytes([0, 0, more.get("type", 8), more.get("dimensions", len(value))])
    return head + b"".join(struct.pack(">I", size) for size in value) + bytes(more.get("bytes", 0))


def _change(value: list[list[str]], more: dict[str, Any], path: Path | None) -> bytes:
    """The file that is there with pieces replaced."""
    assert path is not None
    content = path.read_bytes()
    for before, after in value:
        if before.encode() not in content:
            raise ValueError(f"{before!r} is not in {path}")
        content = content.replace(before.encode(), after.encode(), 1)
    return content


def _existing(path: Path | None) -> bytes:
    assert path is not None
    return path.read_bytes()


def _flipped(value: int, more: dict[str, Any], path: Path | None) -> bytes:
    content = bytearray(_existing(path))
    content[value] ^= 1 << more.get("bit", 0)
    return bytes(content)


_RECIPES: dict[str, Any] = {
    "text": _text,
    "copy": _copy,
    "repeat": _repeat,
    "npy": _npy,
    "zip": _zip,
    "safetensors": _safetensors,
    "idx": _idx,
    "hex": lambda value, more, path: bytes.fromhex(value),
    "parts": lambda value, more, path: content_of(value, path),
    "gzip": lambda value, more, path: gzip.compress(content_of(value), mtime=0),
    "change": _change,
    "first": lambda value, more, path: _existing(path)[:value],  # so many bytes of the file that is there
    "flip": _flipped,  # a bit of that byte
    "append": lambda value, more, path: _existing(path) + content_of(value),
}
