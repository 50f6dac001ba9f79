"""Read JSON from files that may be damaged or hostile, and check it against a schema.

All JSON that snsim reads goes through `parse_json` or `read_json`. A schema is built from the classes below, each of
which describes one kind of value. `problems` lists where a value does not match its schema.
"""

from __future__ import annotations

import json
import math
import os
import stat
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, NoReturn

from snsim.errors import SnError, fail
from snsim.operating_system import open_to_read

MOST_BYTES = 64 << 20  # of a JSON file; a run.json has about 4 KB
_MOST_DIGITS = 4000  # of a whole number; Python refuses more than 4300
_SHOWN = 60  # characters of a value in a message


# ---- Reading -----------------------------------------------------------------------------------------------------


def read_json(path: Path, hint: str) -> Any:
    """Return the value in a JSON file. SnError with `hint` if the file cannot be read or is not JSON."""
    return parse_json(read_plain_file(path, MOST_BYTES, hint), str(path), hint)


def parse_json(content: bytes | str, name: str, hint: str) -> Any:
    """Return the value of a JSON text. Messages call it `name`.

    SnError with `hint` if the text is not JSON, if an object has a key twice, if a number is infinite, NaN or has
    thousands of digits, or if brackets are nested too deeply.
    """
    try:
        text = content.decode() if isinstance(content, bytes) else content
        return json.loads(
            text, object_pairs_hook=_object, parse_constant=_refuse_constant, parse_float=_finite, parse_int=_whole
        )
    except UnicodeDecodeError as error:
        raise fail(f"{name} is damaged: byte {error.start} is not UTF-8", hint=hint) from None
    except ValueError as error:
        raise fail(f"{name} is damaged: {error}", hint=hint) from None
    except RecursionError:
        raise fail(f"{name} is damaged: its brackets are nested too deeply", hint=hint) from None


def read_plain_file(path: Path, most: int, hint: str) -> bytes:
    """Return the bytes of a plain file of at most `most` bytes. SnError with `hint` for anything else."""
    try:
        with open_plain_file(path) as file:
            size = os.fstat(file.fileno()).st_size
            content = b"" if size > most else file.read(most + 1)
    except OSError as error:
        raise unreadable(path, error, hint) from None
    if max(size, len(content)) > most:
        raise fail(f"{path} has {size:,} bytes, and at most {most:,} are read", hint=hint)
    return content


def open_plain_file(path: Path) -> Any:
    """Open a plain file to read its bytes. OSError if it is of another kind or cannot be opened.

    It does not wait for the other end of a pipe.
    """
    try:
        descriptor = open_to_read(path)
    except ValueError as error:  # a zero byte in the name
        raise OSError(str(error)) from None
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        raise OSError("it is a folder" if stat.S_ISDIR(mode) else "it is no plain file")
    return os.fdopen(descriptor, "rb")


def unreadable(path: Path, error: OSError, hint: str) -> SnError:
    """Return the fault for a file that cannot be opened or read."""
    if isinstance(error, FileNotFoundError):
        return fail(f"there is no file {path}", hint=hint)
    return fail(f"{path} cannot be read: {error.strerror or error}", hint=hint)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise ValueError(f"the key {shown(key)} occurs twice in one object")
            seen.add(key)
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number in JSON, which has finite numbers only")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"the number {shown_text(text)} is too large")
    return number


def _whole(text: str) -> int:
    if len(text) > _MOST_DIGITS:
        raise ValueError(f"a number has {len(text):,} digits")
    return int(text)


# ---- Schemas -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Whole:
    """A whole number from `least` to `most`; None means no bound."""

    least: int | None = None
    most: int | None = None

    def __str__(self) -> str:
        return "a whole number" + _range(self.least, self.most)


@dataclass(frozen=True)
class Number:
    """A finite number from `least` to `most`; None means no bound."""

    least: float | None = None
    most: float | None = None

    def __str__(self) -> str:
        return "a number" + _range(self.least, self.most)


@dataclass(frozen=True)
class Truth:
    """True or false."""

    def __str__(self) -> str:
        return "true or false"


@dataclass(frozen=True)
class Text:
    """A text of at most `most` characters; one of `values` if there are any. It may hold zero characters if `zero`."""

    most: int = 1 << 20
    values: tuple[str, ...] = ()
    zero: bool = False

    def __str__(self) -> str:
        return " or ".join(map(shown, self.values)) if self.values else f"a text of at most {self.most:,} characters"


@dataclass(frozen=True)
class InnerPath:
    """A relative path that stays inside its folder."""

    def __str__(self) -> str:
        return "a relative path inside of its folder"


@dataclass(frozen=True)
class ListOf:
    """A list of at least `least` values, all of one kind."""

    kind: Kind
    least: int = 0

    def __str__(self) -> str:
        return f"a list of {self.least} or more values" if self.least else "a list"


@dataclass(frozen=True)
class Named:
    """An object with any keys, whose values are all of one kind."""

    kind: Kind

    def __str__(self) -> str:
        return "an object"


@dataclass(frozen=True)
class Fields:
    """An object with needed and optional fields. Other fields are accepted unless it is `closed`."""

    needed: Mapping[str, Kind]
    optional: Mapping[str, Kind] = field(default_factory=dict)
    closed: bool = False

    def __str__(self) -> str:
        return "an object"


@dataclass(frozen=True)
class OneOf:
    """A value of one of several kinds; None stands for null."""

    kinds: tuple[Kind | None, ...]

    def __str__(self) -> str:
        return " or ".join("null" if kind is None else str(kind) for kind in self.kinds)


Kind = Whole | Number | Truth | Text | InnerPath | ListOf | Named | Fields | OneOf


def nullable(kind: Kind) -> OneOf:
    """Return the kind that allows null too."""
    return OneOf((kind, None))


Place = tuple[str | int, ...]  # the names of fields and the numbers of items that lead to a value


def problems(value: Any, kind: Kind, place: Place = ()) -> Iterator[str]:
    """Yield a message for each place where a value is not of a kind, with the name of the field: `data.rank`."""
    if isinstance(kind, OneOf):
        if not any(value is None if one is None else _fits(value, one) for one in kind.kinds):
            inner = next((one for one in kind.kinds if one is not None and _is_like(value, one)), None)
            yield from problems(value, inner, place) if inner is not None else [_differs(value, kind, place)]
    elif not _is_like(value, kind):
        yield _differs(value, kind, place)
    elif isinstance(kind, ListOf):
        for number, item in enumerate(value):
            yield from problems(item, kind.kind, (*place, number))
    elif isinstance(kind, Named):
        for key, item in value.items():
            yield from problems(item, kind.kind, (*place, key))
    elif isinstance(kind, Fields):
        for key, inner in kind.needed.items():
            if key in value:
                yield from problems(value[key], inner, (*place, key))
            else:
                yield f"{_place_text((*place, key))} is missing"
        for key, inner in kind.optional.items():
            if key in value:
                yield from problems(value[key], inner, (*place, key))
        if kind.closed:
            for key in value.keys() - kind.needed.keys() - kind.optional.keys():
                yield f"{_place_text((*place, key))} is unknown"


def check(value: Any, kind: Kind, name: str, hint: str) -> None:
    """Check that the value of file `name` is of a kind. SnError with the first places where it is not."""
    messages = problems(value, kind)
    first = list(islice(messages, _MOST_SHOWN))
    if first:
        more = ", and more" if next(messages, None) is not None else ""
        raise fail(f"{name} is damaged: {'; '.join(first)}{more}", hint=hint)


_MOST_SHOWN = 5  # problems of one file in a message


def _fits(value: Any, kind: Kind) -> bool:
    return next(problems(value, kind), None) is None


def _is_like(value: Any, kind: Kind) -> bool:
    """Tell whether a value itself is of a kind, without a look at the values inside it."""
    if isinstance(kind, Whole):
        return type(value) is int and _is_within(value, kind)
    if isinstance(kind, Number):
        return type(value) in (int, float) and abs(value) <= sys.float_info.max and _is_within(value, kind)
    if isinstance(kind, Truth):
        return isinstance(value, bool)
    if isinstance(kind, Text):
        return (
            isinstance(value, str)
            and len(value) <= kind.most
            and (kind.zero or "\0" not in value)
            and (not kind.values or value in kind.values)
        )
    if isinstance(kind, InnerPath):
        return (
            isinstance(value, str)
            and 0 < len(value) <= 4096
            and "\0" not in value
            and not Path(value).is_absolute()
            and ".." not in Path(value).parts
            and value != "."
        )
    if isinstance(kind, ListOf):
        return isinstance(value, list) and len(value) >= kind.least
    if isinstance(kind, OneOf):
        return _fits(value, kind)
    return isinstance(value, dict)


def _is_within(value: float, kind: Whole | Number) -> bool:
    return (kind.least is None or value >= kind.least) and (kind.most is None or value <= kind.most)


def _differs(value: Any, kind: Kind, place: Place) -> str:
    return f"{_place_text(place) or 'its content'} must be {kind}, not {shown(value)}"


def _place_text(place: Place) -> str:
    """Return a place as messages show it: `data.rank`, `output[3]`."""
    text = ""
    for step in place:
        text += f"[{step}]" if isinstance(step, int) else f"{'.' if text else ''}{shown(step)[1:-1]}"
    return text


def _range(least: float | None, most: float | None) -> str:
    if least is None:
        return "" if most is None else f" of at most {most:,}"
    return f" from {least:,} on" if most is None else f" from {least:,} to {most:,}"


def shown(value: Any) -> str:
    """Return a value of JSON as messages show it: on one line, printable and shortened."""
    if isinstance(value, (dict, list)):
        return ("an object" if isinstance(value, dict) else "a list") + f" of {len(value):,}"
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 10**_SHOWN:
        return "a number of many digits"
    return shown_text(json.dumps(value[: _SHOWN + 1] if isinstance(value, str) else value))


def shown_text(text: str) -> str:
    """Shorten a text to the length that messages show."""
    return text if len(text) <= _SHOWN + 2 else f"{text[:_SHOWN]}..."
