"""Convert tokens to values: symbols, numbers, strings with SN's escapes, matrices.

See docs/reference/sn28.md, section 1.1. Every function raises `TokenError` with the place inside the token.
"""

from __future__ import annotations

import re
import unicodedata

import numpy as np

from snsim.data_classes import dataclass
from snsim.language.forms import Form, Pair, Symbol, fold, make_list, symbol


class TokenError(Exception):
    """Raised for a wrong token. It has a sentence, a remedy, and the wrong part of the token (`start` to `end`)."""

    def __init__(self, message: str, hint: str, start: int = 0, end: int | None = None):
        super().__init__(message)
        self.message, self.hint, self.start, self.end = message, hint, start, end


# SN's type letters, and the type of the elements.
MATRIX_TYPES: dict[str, type[np.generic]] = {
    "": np.float64,
    "d": np.float64,
    "f": np.float32,
    "i": np.int32,
    "s": np.int16,
    "b": np.int8,
    "u": np.uint8,
}
MOST_DIMENSIONS = 32
INFINITY = float("inf")
_LARGEST = "write at most 1.8e308; infinity is written 1e999"

_BARRED = re.compile(r"\|([^|\n]*)\|")
_SIGN = r"[^\s\x00-\x1f\x7f()\[\]{}\"'`,;:~^|]"
_PLAIN_SYMBOL = re.compile(rf"(?!#){_SIGN}+")
NUMBER = re.compile(r"[+-]?(?:0[xX][0-9a-fA-F]+|(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)")


def read_symbol(text: str) -> Symbol:
    """Return the symbol of a token; parts between bars are not folded."""
    if "|" not in text:
        _check_visible(text)
        return symbol(fold(text))
    parts = _BARRED.split(text)  # plain, barred, plain, barred, ..., plain
    _check_visible("".join(parts[::2]))
    folded = [part if i % 2 else (fold(part) if i == 0 else fold("_" + part)[1:]) for i, part in enumerate(parts)]
    return symbol("".join(folded))


def _invisible(text: str) -> str | None:
    """Return the first invisible character (a zero-width space, a byte order mark, a soft hyphen ...), or None."""
    return None if text.isascii() else next((c for c in text if unicodedata.category(c) == "Cf"), None)


def _check_visible(text: str) -> None:
    sign = _invisible(text)
    if sign is not None:
        name = unicodedata.name(sign, f"character {ord(sign)}")
        raise TokenError(f"this name contains an invisible character: {name}", "take it out")


def symbol_text(name: str) -> str:
    """Return a text that reads as the symbol of this name, with bars where the bare name would read differently."""
    bare = _PLAIN_SYMBOL.fullmatch(name) and fold(name) == name and not NUMBER.fullmatch(name) and name != "."
    return name if bare and _invisible(name) is None else f"|{name}|"


def read_scope(text: str) -> Form:
    """Return the form of a scope token: (scope a) for `:a`, (scope o s) for `:o:s`."""
    names = re.findall(r":((?:\|[^|\n]*\||[^:|])+)", text)
    return Pair(symbol("scope"), make_list(read_symbol(name) for name in names))


def read_code(text: str) -> Form:
    """Return the form of a text `#{ C code #}`: (cinline), which says when it is evaluated that C cannot run here."""
    return Pair(symbol("cinline"))


def read_number(text: str) -> float:
    """Return the number of a token; `0x1A` is 26."""
    try:
        value = float(text)
    except ValueError:  # 0x1A
        try:
            return float(int(text, 16))
        except OverflowError:
            raise TokenError("the number is too large", _LARGEST) from None
    if abs(value) == INFINITY and text.lstrip("+-") != "1e999":
        raise TokenError("the number is too large", _LARGEST)
    return value


_ESCAPES = {'"': '"', "\\": "\\", "n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f", "e": "\xff", "\n": ""}
_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{1,2})|([0-7]{1,3})|\^([\x3f-\x5f\x61-\x7a])|\+([\x20-\x7e])|([\s\S]))")


def read_string(text: str) -> str:
    """Return the value of a string token, escapes resolved."""

    def resolve(match: re.Match[str]) -> str:
        hexadecimal, octal, control, high, letter = match.groups()
        if hexadecimal:
            return chr(int(hexadecimal, 16))
        if octal:
            return chr(int(octal, 8) & 0xFF)
        if control:
            return chr(ord(control.upper()) ^ 0x40)
        if high:
            return chr(ord(high) | 0x80)
        if letter in _ESCAPES:
            return _ESCAPES[letter]
        shown = letter if letter.isprintable() else f"character {ord(letter)}"
        raise TokenError(
            f"\\{shown} means nothing in a string",
            'escapes: \\" \\\\ \\n \\r \\t \\b \\f \\e \\xHH \\ooo \\^A \\+c; a backslash is written \\\\',
            *match.span(),
        )

    return _ESCAPE.sub(resolve, text)[1:-1]


def string_text(text: str) -> str:
    """Return the literal of a string, which reads back equal."""
    return '"' + re.sub(r'["\\\x00-\x1f\x7f]', _escape, text) + '"'


def printed_string(text: str) -> str:
    r"""Return a string as SN prints it, with its escapes.

    Control characters are written `\^G`, code 255 `\e`, and other codes from 128 on `\xe1`. A character above code 255
    is none of SN's, and stays.
    """
    return '"' + re.sub(r'["\\\x00-\x1f\x7f-\xff]', _printed_escape, text) + '"'


def _printed_escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code == 0xFF:
        return "\\e"
    return _NAMED.get(match[0]) or (f"\\^{chr(code ^ 0x40)}" if code < 0x80 else f"\\x{code:02x}")


_NAMED = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f"}


def _escape(match: re.Match[str]) -> str:
    return _NAMED.get(match[0]) or f"\\x{ord(match[0]):02x}"


@dataclass(frozen=True)
class NestedRows:
    """A matrix or array that is being read: its shape, its elements in row order, the `letters` after its bracket."""

    shape: tuple[int, ...]
    elements: list[Form]
    letters: str = ""

    @classmethod
    def of(cls, parts: list[Form | NestedRows], letters: str) -> NestedRows:
        """Return a row of numbers (of any values, in an array), or the rows of a matrix, all of equal shape."""
        if not isinstance(parts[0], NestedRows):
            return cls((len(parts),), parts, letters)
        shape = parts[0].shape
        if len(shape) >= MOST_DIMENSIONS:
            raise TokenError(f"a matrix has at most {MOST_DIMENSIONS} dimensions", "take the outermost brackets out")
        return cls((len(parts), *shape), [x for part in parts for x in part.elements], letters)


def make_array(rows: NestedRows) -> np.ndarray:
    """Return the array of these rows, with elements of any type."""
    array = np.empty(len(rows.elements), object)
    array[:] = rows.elements
    return array.reshape(rows.shape)


def make_matrix(rows: NestedRows) -> np.ndarray:
    """Return the matrix of these rows, of the type that its letter names."""
    scalar = rows.letters.endswith("@")
    kind = MATRIX_TYPES.get(rows.letters.rstrip("@").lower())
    if kind is None or rows.letters.count("@") > 1:
        raise TokenError(
            f'no matrix type is written "[{rows.letters}"',
            "types: [ or [d double, [f float, [i int, [s short, [b byte, [u unsigned byte, [a anything",
            0,
            1 + len(rows.letters),
        )
    if scalar and rows.shape != (1,):
        raise TokenError(
            f"[@ takes one number, {len(rows.elements)} given",
            f"take the @ out for several: [{rows.letters.rstrip('@')} ...]",
        )
    numbers = np.array(rows.elements, np.float64)
    if np.issubdtype(kind, np.integer):
        bounds = np.iinfo(np.dtype(kind).name)
        wrong = numbers[(numbers < bounds.min) | (numbers > bounds.max) | (numbers != np.floor(numbers))]
        if wrong.size:
            raise TokenError(
                f"{wrong[0]:g} is not a whole number from {bounds.min} to {bounds.max}, as [{rows.letters} needs",
                f"round it, or write [ in place of [{rows.letters}, which takes any number",
            )
    with np.errstate(over="ignore"):
        matrix = numbers.astype(kind).reshape(() if scalar else rows.shape)
    if kind is np.float32:
        wrong = numbers[np.isinf(matrix).ravel() & np.isfinite(numbers)]
        if wrong.size:
            raise TokenError(
                f"{wrong[0]:g} is too large for single precision, which [{rows.letters} asks for",
                f"write [ in place of [{rows.letters}, for double precision",
            )
    return matrix
