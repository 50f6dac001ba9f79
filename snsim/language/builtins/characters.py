"""Define the words between strings and the codes of their characters (docs/reference/sn28.md, section 1.11).

A code is a Unicode number, which for the characters of 1990 is the ASCII number. `explode-bytes` and `implode-bytes`
use the bytes of UTF-8.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from snsim.language.builtins.arithmetic import whole
from snsim.language.builtins.bits import word_of
from snsim.language.builtins.strings import text
from snsim.language.forms import Form
from snsim.language.procedures import CallError, function

if TYPE_CHECKING:
    from snsim.language.interpreter import Interpreter

_LAST = 0x10FFFF  # of the codes of Unicode


@function("asc")
def asc(string: Form) -> float:
    """(asc string): the Unicode code of the first character; an empty string is an error"""
    s = text("asc", string)
    if not s:
        raise CallError("asc: the string is empty", 0, 'test the string first: (if (= s "") 0 (asc s))')
    return float(ord(s[0]))


@function("chr", makes=True)
def chr_(code: Form) -> str:
    """(chr n): a string of the one character with code n, 0 to 255; (chr 0) is the empty string"""
    return _character("chr", whole("chr", code), 255, 0)


def _character(name: str, code: int, last: int, argument: int | None) -> str:
    """Return the character of a code; 0, which ended a string in SN, is the empty string."""
    if not 0 <= code <= last or 0xD800 <= code < 0xE000:
        codes = f"from 0 to {last}" if last < 0xD800 else f"from 0 to {0xD7FF}, or from {0xE000} to {last}"
        raise CallError(f"{name}: {code} is not the code of a character", argument, f"write a code {codes}")
    return chr(code) if code else ""


@function("strhex", makes=True)
def strhex(n: Form) -> str:
    """(strhex n): the 32-bit whole number n as a string in base 16, such as "0xff"; "0" for 0"""
    bits = word_of("strhex", n, 0) & 0xFFFFFFFF
    return f"{bits:#x}" if bits else "0"


@function("explode-chars", interpreter=True)
def explode_chars(interpreter: Interpreter, string: Form) -> Form:
    """(explode-chars string): a list of the Unicode codes of the characters"""
    return interpreter.new_list(map(float, map(ord, text("explode-chars", string))), "explode-chars")


@function("explode-bytes", interpreter=True)
def explode_bytes(interpreter: Interpreter, string: Form) -> Form:
    """(explode-bytes string): a list of the bytes of the string in UTF-8, each 0 to 255"""
    content = text("explode-bytes", string).encode("utf-8", "surrogatepass")
    return interpreter.new_list(map(float, content), "explode-bytes")


@function("implode-chars", interpreter=True, makes=True)
def implode_chars(interpreter: Interpreter, codes: Form) -> str:
    """(implode-chars list): a string of the characters with these Unicode codes"""
    return "".join(
        [_character("implode-chars", code, _LAST, 0) for code in _codes(interpreter, "implode-chars", codes)]
    )


@function("implode-bytes", interpreter=True, makes=True)
def implode_bytes(interpreter: Interpreter, codes: Form) -> str:
    """(implode-bytes list): a string of these UTF-8 bytes; if they are not valid UTF-8, one character for each byte"""
    numbers = _codes(interpreter, "implode-bytes", codes)
    for code in numbers:
        if not 0 <= code <= 255:
            raise CallError(f"implode-bytes: {code} is not a byte", 0, "write numbers from 0 to 255")
    content = bytes(code for code in numbers if code)
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _codes(interpreter: Interpreter, name: str, codes: Form) -> list[int]:
    return [whole(name, code, 0) for code in interpreter.elements(codes, name)]
